//! Limits the concurrent calls, in total and per provider, and queues further calls in FIFO order. The queue does not
//! know what a call does, only that it holds a permit while it runs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Maximum number of queued calls. The numbers of runs and of members are limited too, so only a bug can cause more.
const MAX_WAITING: usize = 1024;

/// Admits calls up to the limits and queues the rest.
#[derive(Clone)]
pub(super) struct CallQueue(Arc<Mutex<CallSlots>>);

/// The running and queued calls.
struct CallSlots {
    max_concurrent: usize,
    /// Number of servers that divide each provider's limit among themselves.
    servers: usize,
    busy: usize,
    /// Number of running calls per provider limiter. Limiters without running calls are absent.
    calls_per_limiter: BTreeMap<u64, usize>,
    waiting_calls: VecDeque<WaitingCall>,
    /// Number of calls that wait for a slot in Redis instead of in this queue.
    shared_queue_waiters: usize,
    tickets: u64,
}

/// A limit on the concurrent calls to one provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProviderLimiter {
    pub id: u64,
    /// Maximum number of concurrent calls.
    pub max_concurrent: usize,
}

struct WaitingCall {
    limiter: ProviderLimiter,
    ticket: u64,
    admit: oneshot::Sender<CallPermit>,
}

/// The error if a call cannot be queued because the queue is full.
#[derive(Debug)]
pub(super) struct CallRefused;

/// Permission to run one call. When it is dropped, even by a panic, the next queued call is admitted.
pub(super) struct CallPermit {
    queue: CallQueue,
    limiter: ProviderLimiter,
}

impl Drop for CallPermit {
    fn drop(&mut self) {
        self.queue.release(self.limiter);
    }
}

/// A place in the queue. Dropping it removes the call from the queue.
struct QueuePlace<'a> {
    queue: &'a CallQueue,
    ticket: u64,
}

impl Drop for QueuePlace<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.lock_slots();
        state
            .waiting_calls
            .retain(|call| call.ticket != self.ticket);
    }
}

/// A call that waits for a slot because other servers occupy all of them. It counts toward the maximum queue length.
/// Dropping it ends the wait.
pub(super) struct SharedQueueWait<'a>(&'a CallQueue);

impl Drop for SharedQueueWait<'_> {
    fn drop(&mut self) {
        self.0.lock_slots().shared_queue_waiters -= 1;
    }
}

impl CallQueue {
    /// Creates a queue that admits at most `max_calls` concurrent calls.
    pub fn new(max_calls: usize) -> Self {
        Self(Arc::new(Mutex::new(CallSlots {
            max_concurrent: max_calls.max(1),
            servers: 1,
            busy: 0,
            calls_per_limiter: BTreeMap::new(),
            waiting_calls: VecDeque::new(),
            shared_queue_waiters: 0,
            tickets: 0,
        })))
    }

    /// Waits until the call may run. Dropping the future removes the call from the queue.
    ///
    /// # Errors
    ///
    /// Returns an error if the queue is full.
    pub async fn admit(&self, limiter: ProviderLimiter) -> Result<CallPermit, CallRefused> {
        self.enter(limiter, MAX_WAITING).await
    }

    /// Like [`Self::admit`], but for a call that has already been counted as waiting. It may therefore enter a full
    /// queue.
    ///
    /// # Errors
    ///
    /// Returns an error if the queue no longer exists.
    pub async fn admit_counted(
        &self,
        limiter: ProviderLimiter,
        counted: SharedQueueWait<'_>,
    ) -> Result<CallPermit, CallRefused> {
        drop(counted);
        self.enter(limiter, usize::MAX).await
    }

    async fn enter(
        &self,
        limiter: ProviderLimiter,
        max_waiting: usize,
    ) -> Result<CallPermit, CallRefused> {
        let (admit, admitted) = oneshot::channel();
        let place = {
            let mut state = self.lock_slots();
            if state.has_room(limiter) {
                state.occupy(limiter);
                return Ok(self.permit(limiter));
            }
            if state.waiting() >= max_waiting {
                return Err(CallRefused);
            }
            state.tickets += 1;
            let ticket = state.tickets;
            state.waiting_calls.push_back(WaitingCall {
                limiter,
                ticket,
                admit,
            });
            QueuePlace {
                queue: self,
                ticket,
            }
        };
        let permit = admitted.await.map_err(|_| CallRefused);
        drop(place);
        permit
    }

    /// Divides each provider's limit by the number of servers, rounding up. The total limit applies per server and is
    /// not divided.
    pub fn divide_among_servers(&self, servers: u32) {
        self.lock_slots().servers = (servers as usize).max(1);
        // If this server's share of the limits has grown, queued calls may be able to start right away.
        loop {
            let Some(next) = self.lock_slots().next() else {
                return;
            };
            let _ = next.admit.send(self.permit(next.limiter));
        }
    }

    /// Counts a call that must wait, because other servers occupy all slots.
    ///
    /// # Errors
    ///
    /// Returns an error if the queue is full.
    pub fn enter_shared_queue(&self) -> Result<SharedQueueWait<'_>, CallRefused> {
        let mut state = self.lock_slots();
        if state.waiting() >= MAX_WAITING {
            return Err(CallRefused);
        }
        state.shared_queue_waiters += 1;
        Ok(SharedQueueWait(self))
    }

    /// Counts a call that must wait for a slot a second time. This never fails, because a call that has already waited
    /// must not be displaced by newer ones. At most one call per provider can be in this situation.
    pub fn reenter_shared_queue(&self) -> SharedQueueWait<'_> {
        self.lock_slots().shared_queue_waiters += 1;
        SharedQueueWait(self)
    }

    /// Returns whether this server is running more calls to a provider than its share of the limit allows.
    pub fn exceeds_share(&self, limiter: ProviderLimiter) -> bool {
        let state = self.lock_slots();
        let busy = state.calls_per_limiter.get(&limiter.id).copied();
        busy.unwrap_or(0) > state.share(limiter)
    }

    /// Returns the number of running calls and the number of queued calls.
    pub fn running_and_waiting(&self) -> (usize, usize) {
        let state = self.lock_slots();
        (state.busy, state.waiting())
    }

    fn permit(&self, limiter: ProviderLimiter) -> CallPermit {
        CallPermit {
            queue: self.clone(),
            limiter,
        }
    }

    fn release(&self, limiter: ProviderLimiter) {
        let next = {
            let mut state = self.lock_slots();
            state.release_slot(limiter);
            state.next()
        };
        if let Some(next) = next {
            // If the call has just been canceled, the permit is dropped here and passed on to the next call. The lock
            // must not be held, because dropping a permit acquires it.
            let _ = next.admit.send(self.permit(next.limiter));
        }
    }

    fn lock_slots(&self) -> MutexGuard<'_, CallSlots> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CallSlots {
    fn has_room(&self, limiter: ProviderLimiter) -> bool {
        let busy = self.calls_per_limiter.get(&limiter.id).copied();
        self.busy < self.max_concurrent && busy.unwrap_or(0) < self.share(limiter)
    }

    fn share(&self, limiter: ProviderLimiter) -> usize {
        limiter.max_concurrent.max(1).div_ceil(self.servers)
    }

    fn waiting(&self) -> usize {
        self.waiting_calls.len() + self.shared_queue_waiters
    }

    fn occupy(&mut self, limiter: ProviderLimiter) {
        self.busy += 1;
        *self.calls_per_limiter.entry(limiter.id).or_default() += 1;
    }

    fn release_slot(&mut self, limiter: ProviderLimiter) {
        self.busy -= 1;
        if let Some(busy) = self.calls_per_limiter.get_mut(&limiter.id) {
            *busy -= 1;
            if *busy == 0 {
                self.calls_per_limiter.remove(&limiter.id);
            }
        }
    }

    /// Removes the first queued call whose provider has a free slot, and occupies that slot. At most one call is
    /// returned, because the end of one call lets at most one other call start.
    fn next(&mut self) -> Option<WaitingCall> {
        let next_index = self
            .waiting_calls
            .iter()
            .position(|waiting_call| self.has_room(waiting_call.limiter))?;
        let waiting_call = self.waiting_calls.remove(next_index)?;
        self.occupy(waiting_call.limiter);
        Some(waiting_call)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use super::*;

    const TWO_CALL_LIMITER: ProviderLimiter = ProviderLimiter {
        id: 0,
        max_concurrent: 100,
    };
    const ONE_CALL_LIMITER: ProviderLimiter = ProviderLimiter {
        id: 1,
        max_concurrent: 1,
    };

    type Admission<'a> = Pin<Box<dyn Future<Output = Result<CallPermit, CallRefused>> + 'a>>;

    fn request_permit(queue: &CallQueue, limiter: ProviderLimiter) -> Admission<'_> {
        Box::pin(queue.admit(limiter))
    }

    /// Returns the permit if the call may run now.
    fn take_permit(admission: &mut Admission) -> Option<CallPermit> {
        match admission
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(permit) => Some(permit.unwrap()),
            Poll::Pending => None,
        }
    }

    #[test]
    fn calls_over_the_limit_wait() {
        let queue = CallQueue::new(2);
        let mut calls: Vec<_> = (0..4)
            .map(|_| request_permit(&queue, TWO_CALL_LIMITER))
            .collect();
        let mut permits: Vec<_> = calls.iter_mut().map(take_permit).collect();
        let running: Vec<_> = permits.iter().map(Option::is_some).collect();
        assert_eq!(running, [true, true, false, false]);
        assert_eq!(queue.running_and_waiting(), (2, 2));
        permits[1] = None;
        assert!(take_permit(&mut calls[2]).is_some());
        assert!(take_permit(&mut calls[3]).is_some(), "the third has ended");
    }

    #[test]
    fn a_limited_provider_does_not_delay_others() {
        let queue = CallQueue::new(8);
        let first = take_permit(&mut request_permit(&queue, ONE_CALL_LIMITER)).unwrap();
        let mut second = request_permit(&queue, ONE_CALL_LIMITER);
        assert!(take_permit(&mut second).is_none());
        let other = take_permit(&mut request_permit(&queue, TWO_CALL_LIMITER));
        assert!(other.is_some());
        drop(first);
        assert!(take_permit(&mut second).is_some());
    }

    #[test]
    fn servers_share_the_limit_of_a_provider() {
        let limiter = ProviderLimiter {
            id: 2,
            max_concurrent: 3,
        };
        let queue = CallQueue::new(8);
        queue.divide_among_servers(2);
        let mut calls: Vec<_> = (0..3).map(|_| request_permit(&queue, limiter)).collect();
        let permits: Vec<_> = calls.iter_mut().map(take_permit).collect();
        let running: Vec<_> = permits.iter().map(Option::is_some).collect();
        assert_eq!(running, [true, true, false]);
        // The other server has stopped.
        queue.divide_among_servers(1);
        assert!(take_permit(&mut calls[2]).is_some());
        assert_eq!(queue.running_and_waiting(), (2, 0), "the third has ended");
    }

    #[test]
    fn a_canceled_call_leaves_the_queue() {
        let queue = CallQueue::new(1);
        let first = take_permit(&mut request_permit(&queue, TWO_CALL_LIMITER)).unwrap();
        let (mut second, mut third) = (
            request_permit(&queue, TWO_CALL_LIMITER),
            request_permit(&queue, TWO_CALL_LIMITER),
        );
        assert!(take_permit(&mut second).is_none() && take_permit(&mut third).is_none());
        drop(second);
        assert_eq!(queue.running_and_waiting(), (1, 1));
        drop(first);
        // The third call has been admitted, but it is canceled before its caller notices.
        drop(third);
        assert_eq!(queue.running_and_waiting(), (0, 0));
        assert!(take_permit(&mut request_permit(&queue, TWO_CALL_LIMITER)).is_some());
    }

    #[test]
    fn a_panic_frees_its_slot() {
        let queue = CallQueue::new(1);
        let caught = std::panic::catch_unwind(|| {
            let _permit = take_permit(&mut request_permit(&queue, TWO_CALL_LIMITER)).unwrap();
            panic!("on purpose");
        });
        assert!(caught.is_err());
        assert!(take_permit(&mut request_permit(&queue, TWO_CALL_LIMITER)).is_some());
    }

    #[test]
    fn the_queue_is_bounded() {
        let queue = CallQueue::new(1);
        let _running = take_permit(&mut request_permit(&queue, TWO_CALL_LIMITER));
        let mut waiting_calls: Vec<_> = (0..MAX_WAITING)
            .map(|_| request_permit(&queue, TWO_CALL_LIMITER))
            .collect();
        assert!(
            waiting_calls
                .iter_mut()
                .all(|call| take_permit(call).is_none())
        );
        let mut refused_admission = pin!(queue.admit(TWO_CALL_LIMITER));
        let polled = refused_admission
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Err(CallRefused))));
        assert!(queue.enter_shared_queue().is_err());
    }

    #[test]
    fn newcomers_do_not_displace_a_call_that_asks_other_servers() {
        let queue = CallQueue::new(1);
        let running = take_permit(&mut request_permit(&queue, TWO_CALL_LIMITER));
        let mut newcomers: Vec<_> = (0..MAX_WAITING)
            .map(|_| request_permit(&queue, TWO_CALL_LIMITER))
            .collect();
        assert!(newcomers.iter_mut().all(|call| take_permit(call).is_none()));
        let counted = queue.reenter_shared_queue();
        let mut repeated_admission: Admission =
            Box::pin(queue.admit_counted(TWO_CALL_LIMITER, counted));
        assert!(take_permit(&mut repeated_admission).is_none());
        assert_eq!(queue.running_and_waiting(), (1, MAX_WAITING + 1));
        drop((newcomers, running));
        assert!(take_permit(&mut repeated_admission).is_some());
    }
}
