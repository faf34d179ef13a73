//! Queues for sign-in attempts over the strict limit (per account and network) that come from a network or device that
//! has signed in to the account before. Each queue lets one attempt proceed every 3 s, newest first. A full queue
//! refuses its oldest attempt, so that a burst of guesses does not keep the owner out. A flood of more than ten new
//! attempts per 3 s still keeps out everyone else in that queue, but each device has its own queue.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::login_limits::{ThrottleKey, too_fast_error};
use crate::app::Result;
use crate::clock;

/// Time between two password checks in a queue, which bounds the rate of guesses.
const TURN_INTERVAL: Duration = Duration::from_secs(3);
/// Maximum number of waiting attempts; one more causes the oldest to be refused.
const MAX_WAITING: usize = 10;
/// Maximum wait: longer than a full queue needs if no newer attempt arrives.
const MAX_WAIT: Duration = Duration::from_secs(33);

/// All queues: one per device, and one per pair of account and network.
#[derive(Default)]
pub(super) struct LoginTurns {
    queues: Mutex<HashMap<ThrottleKey, LoginQueue>>,
}

/// A queue of waiting attempts, oldest first.
struct LoginQueue {
    /// Time at which the next turn is due.
    next_turn_at: Instant,
    waiters: VecDeque<oneshot::Sender<()>>,
}

/// A waiting attempt: its queue, and the channel that receives its turn.
#[derive(Debug)]
pub(super) struct LoginTurn {
    queue: ThrottleKey,
    granted: oneshot::Receiver<()>,
}

impl LoginTurns {
    /// Joins the queue as the newest attempt; a full queue drops its oldest.
    pub fn join(&self, key: ThrottleKey, now: Instant) -> LoginTurn {
        let (sender, receiver) = oneshot::channel();
        let mut queues = self.queues();
        // A queue is kept until its next turn is due; otherwise, leaving and rejoining would shorten the pause.
        queues.retain(|_, queue| {
            queue.waiters.retain(|waiting| !waiting.is_closed());
            !queue.waiters.is_empty() || queue.next_turn_at > now
        });
        let queue = queues.entry(key.clone()).or_insert_with(|| LoginQueue {
            next_turn_at: now + TURN_INTERVAL,
            waiters: VecDeque::new(),
        });
        queue.waiters.push_back(sender);
        if queue.waiters.len() > MAX_WAITING {
            queue.waiters.pop_front();
        }
        LoginTurn {
            queue: key,
            granted: receiver,
        }
    }

    /// Waits for the attempt's turn. While waiting, it also grants each turn that is due, because nothing else does;
    /// the turn may go to another attempt.
    ///
    /// # Errors
    /// `Kind::TooFast` if newer attempts took every turn for too long.
    pub async fn wait(&self, mut turn: LoginTurn) -> Result<()> {
        let end = clock::instant() + MAX_WAIT;
        loop {
            let now = clock::instant();
            let next = self.grant_turn(&turn.queue, now);
            if now >= end {
                turn.granted.close();
                return turn
                    .granted
                    .try_recv()
                    .map_err(|_| too_fast_error(TURN_INTERVAL));
            }
            tokio::select! {
                biased;
                granted = &mut turn.granted => return granted.map_err(|_| too_fast_error(TURN_INTERVAL)),
                () = tokio::time::sleep_until(next.min(end).into()) => {}
            }
        }
    }

    /// Lets the newest waiting attempt in this queue proceed if a turn is due. Returns the time of the next turn.
    fn grant_turn(&self, key: &ThrottleKey, now: Instant) -> Instant {
        let mut queues = self.queues();
        let Some(queue) = queues.get_mut(key) else {
            return now + TURN_INTERVAL;
        };
        if now < queue.next_turn_at {
            return queue.next_turn_at;
        }
        while let Some(newest) = queue.waiters.pop_back() {
            // A client that has disconnected gets no turn.
            if newest.send(()).is_ok() {
                queue.next_turn_at = now + TURN_INTERVAL;
                break;
            }
        }
        queue.next_turn_at.max(now + Duration::from_millis(1))
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<ThrottleKey, LoginQueue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(account: &str) -> ThrottleKey {
        ThrottleKey::Pair(account.to_owned(), [192, 0, 2, 1].into())
    }

    fn key() -> ThrottleKey {
        key_of("a@b.co")
    }

    #[test]
    fn the_newest_attempt_goes_first_and_is_never_refused() {
        let (turns, start) = (LoginTurns::default(), clock::instant());
        let at = |seconds| start + Duration::from_secs(seconds);
        let join = || turns.join(key(), start);
        let mut guesses: Vec<_> = (0..100).map(|_| join()).collect();
        let mut owner = join();
        let waits = |turn: &mut LoginTurn| turn.granted.try_recv();
        turns.grant_turn(&key(), at(2));
        assert_eq!(waits(&mut owner), Err(oneshot::error::TryRecvError::Empty));
        turns.grant_turn(&key(), at(3));
        assert_eq!(waits(&mut owner), Ok(()));
        let closed_error = Err(oneshot::error::TryRecvError::Closed);
        let answers: Vec<_> = guesses.iter_mut().map(waits).collect();
        let refusals = answers.iter().filter(|answer| **answer == closed_error);
        assert_eq!(
            refusals.count(),
            100 - (MAX_WAITING - 1),
            "the oldest are refused"
        );
        let last = guesses.last_mut().expect("a guess");
        turns.grant_turn(&key(), at(5));
        assert!(waits(last).is_err(), "one every 3 s");
        turns.grant_turn(&key(), at(6));
        assert_eq!(waits(last), Ok(()));
    }

    #[test]
    fn the_rate_of_guesses_is_bounded() {
        let (turns, start) = (LoginTurns::default(), clock::instant());
        let (mut pending, mut granted) = (Vec::new(), 0);
        for second in 0..3600 {
            let now = start + Duration::from_secs(second);
            pending.extend([(); 3].map(|()| turns.join(key(), now)));
            turns.grant_turn(&key(), now);
            pending.retain_mut(|turn: &mut LoginTurn| match turn.granted.try_recv() {
                Ok(()) => {
                    granted += 1;
                    false
                }
                Err(error) => error == oneshot::error::TryRecvError::Empty,
            });
            assert!(pending.len() <= MAX_WAITING);
        }
        assert_eq!(granted, 3600 / 3 - 1);
        // Leaving the queue and joining it again does not shorten the wait.
        drop(pending);
        let now = start + Duration::from_secs(3600);
        let mut rejoined = turns.join(key(), now);
        turns.grant_turn(&key(), now + Duration::from_secs(3));
        assert_eq!(rejoined.granted.try_recv(), Ok(()));
        let mut again = turns.join(key(), now + Duration::from_secs(4));
        turns.grant_turn(&key(), now + Duration::from_secs(5));
        assert!(again.granted.try_recv().is_err());
        turns.join(key_of("b@b.co"), now + Duration::from_secs(60));
        drop(again);
        turns.join(key_of("b@b.co"), now + Duration::from_secs(60));
        assert_eq!(
            turns.queues().len(),
            1,
            "lines without anyone are forgotten"
        );
    }
}
