//! Hashes passwords on a dedicated thread, one at a time: hashing is slow on purpose and must not block the runtime.
//! The thread starts with the first password. A full queue refuses new work instead of growing. Devices that have
//! signed in before have a priority queue, which others cannot fill.

use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::app::{Error, Kind, Result};
use crate::crypto::password;
use crate::domain::password::normalize;

/// Maximum number of waiting passwords per queue. At 0.1 s each, the last one waits about 3 s.
const MAX_QUEUED: usize = 32;

/// Hashes and verifies passwords on a dedicated thread.
pub struct Passwords {
    rounds: u32,
    dummy_hash: String,
    queue: OnceLock<PasswordQueue>,
}

/// Which queue a password check joins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PasswordPriority {
    /// A device that has signed in before.
    Known,
    /// Any other device.
    #[default]
    Unknown,
}

/// Senders of the two queues.
struct PasswordQueue {
    known: SyncSender<PasswordJob>,
    unknown: SyncSender<PasswordJob>,
    /// Carries one ticket per job. A ticket is sent after its job, so a received ticket guarantees a waiting job.
    tickets: Sender<()>,
}

enum PasswordJob {
    Hash(String, oneshot::Sender<Result<String>>),
    Verify {
        password: String,
        stored: String,
        answer: oneshot::Sender<bool>,
    },
}

impl Passwords {
    /// Creates the queues; the thread starts with the first password.
    pub fn new(rounds: u32) -> Self {
        Self {
            rounds,
            dummy_hash: password::dummy_hash(rounds),
            queue: OnceLock::new(),
        }
    }

    /// Hashes a password for storage.
    ///
    /// # Errors
    /// `Kind::Unavailable` if the queue is full. Also fails if the system provides no random numbers.
    pub async fn hash(&self, password: &str) -> Result<String> {
        let (answer, receiver) = oneshot::channel();
        self.send(
            PasswordPriority::Unknown,
            PasswordJob::Hash(normalize(password), answer),
        )?;
        receiver.await.map_err(|_| worker_gone_error())?
    }

    /// Whether the password matches the stored hash. If there is no hash, takes equally long and returns false.
    ///
    /// # Errors
    /// `Kind::Unavailable` if the queue is full.
    pub async fn verify(
        &self,
        password: &str,
        stored: Option<&str>,
        priority: PasswordPriority,
    ) -> Result<bool> {
        let plain = normalize(password);
        let is_match = self.matches(plain.clone(), stored, priority).await?;
        // Earlier versions hashed passwords as typed, so try that form too.
        if !is_match && plain != password {
            return self.matches(password.to_owned(), stored, priority).await;
        }
        Ok(is_match)
    }

    async fn matches(
        &self,
        password: String,
        stored: Option<&str>,
        priority: PasswordPriority,
    ) -> Result<bool> {
        let (answer, receiver) = oneshot::channel();
        let job = PasswordJob::Verify {
            password,
            stored: stored.unwrap_or(&self.dummy_hash).to_owned(),
            answer,
        };
        self.send(priority, job)?;
        let is_match = receiver.await.map_err(|_| worker_gone_error())?;
        Ok(is_match && stored.is_some())
    }

    /// Whether a stored hash is weaker than a new one would be.
    pub fn is_outdated(&self, stored: &str) -> bool {
        password::needs_rehash(stored, self.rounds)
    }

    fn send(&self, priority: PasswordPriority, job: PasswordJob) -> Result<()> {
        let queue = self.queue.get_or_init(|| start(self.rounds));
        let jobs = match priority {
            PasswordPriority::Known => &queue.known,
            PasswordPriority::Unknown => &queue.unknown,
        };
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Error {
                retry_after: Some(Duration::from_secs(3)),
                ..Error::new(
                    Kind::Unavailable,
                    "too many people are signing in right now",
                )
            }
            .resolve("try again in a few seconds"),
            TrySendError::Disconnected(_) => worker_gone_error(),
        })?;
        queue.tickets.send(()).map_err(|_| worker_gone_error())
    }
}

fn start(rounds: u32) -> PasswordQueue {
    let (known, known_jobs) = sync_channel(MAX_QUEUED);
    let (unknown, other_jobs) = sync_channel(MAX_QUEUED);
    let (tickets, ticket_receiver) = channel();
    // If the thread cannot be started, the receiver is dropped and every send fails.
    let _ = std::thread::Builder::new()
        .name("quire-password".into())
        .stack_size(128 * 1024)
        .spawn(move || run_worker(&ticket_receiver, [&known_jobs, &other_jobs], rounds));
    PasswordQueue {
        known,
        unknown,
        tickets,
    }
}

/// Runs the thread's loop until the last sender is dropped. Takes jobs of known devices first, and skips jobs whose
/// callers have gone.
fn run_worker(tickets: &Receiver<()>, queues: [&Receiver<PasswordJob>; 2], rounds: u32) {
    for () in tickets {
        let Some(job) = queues.into_iter().find_map(|queue| queue.try_recv().ok()) else {
            continue;
        };
        match job {
            PasswordJob::Hash(_, answer) if answer.is_closed() => {}
            PasswordJob::Verify { answer, .. } if answer.is_closed() => {}
            PasswordJob::Hash(password, answer) => {
                let _ = answer.send(password::hash(&password, rounds).map_err(Error::internal));
            }
            PasswordJob::Verify {
                password,
                stored,
                answer,
            } => {
                let _ = answer.send(password::verify(&password, &stored));
            }
        }
    }
}

fn worker_gone_error() -> Error {
    Error::internal("the password thread is gone")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_known_device_does_not_wait_behind_strangers() {
        let passwords = Arc::new(Passwords::new(200_000));
        let stored_hash = password::hash("right", 10).expect("randomness");
        let guess = |_| {
            let passwords = passwords.clone();
            tokio::spawn(async move {
                passwords
                    .verify("wrong", None, PasswordPriority::Unknown)
                    .await
            })
        };
        let strangers: Vec<_> = (0..MAX_QUEUED * 2).map(guess).collect();
        // Hashing takes many milliseconds, so all guesses are queued before the thread has finished the first few.
        tokio::task::yield_now().await;
        let full = passwords
            .verify("wrong", None, PasswordPriority::Unknown)
            .await;
        assert_eq!(full.map_err(|error| error.kind), Err(Kind::Unavailable));
        let verification = passwords.verify("right", Some(&stored_hash), PasswordPriority::Known);
        assert_eq!(verification.await, Ok(true));
        let waiting_strangers = strangers.iter().filter(|guess| !guess.is_finished());
        assert!(waiting_strangers.count() > MAX_QUEUED / 2, "it came first");
    }
}
