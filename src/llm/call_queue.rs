//! Threads for calls: one per call, bounded in total and per provider; further calls wait in a queue. A thread whose call
//! has ended waits a moment for the next one. Never uses the runtime's blocking pool, which cannot cancel a running call.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::transport::CancelSlot;

/// Stack size, in bytes. TLS overflows at 40 KiB and works at 48 KiB; an overflow aborts the process, hence the
/// margin. Untouched pages cost nothing.
const STACK_BYTES: usize = 256 * 1024;
/// Maximum number of waiting calls. Runs and members are bounded too, so reaching it indicates a bug.
const MAX_WAITING: usize = 1024;

/// How long a thread without a call waits for one: busy servers start few threads, idle ones keep none.
const IDLE_THREAD_TIMEOUT: Duration = Duration::from_secs(1);

type CallJob = Box<dyn FnOnce(&Arc<CancelSlot>) + Send>;

/// Starts and queues calls.
#[derive(Clone)]
pub(super) struct CallThreads(Arc<SharedQueue>);

struct SharedQueue {
    queue: Mutex<CallQueue>,
    /// Notified for each call that is handed to a waiting thread.
    handed: Condvar,
}

struct CallQueue {
    max_concurrent: usize,
    busy: usize,
    started: u64,
    /// Number of running calls by provider limiter; limiters without any are absent.
    calls_per_limiter: BTreeMap<u64, usize>,
    waiting: VecDeque<WaitingCall>,
    /// Threads that wait and have been handed no call.
    idle: usize,
    /// Calls handed to waiting threads.
    handed_over: VecDeque<WaitingCall>,
    is_removing_cancelled: bool,
}

/// A concurrency limit shared by the calls to one provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProviderLimiter {
    pub id: u64,
    /// Maximum number of concurrent calls.
    pub max_concurrent: usize,
}

struct WaitingCall {
    limiter: ProviderLimiter,
    slot: Arc<CancelSlot>,
    job: CallJob,
}

/// Too many calls wait, or the system cannot start a thread.
#[derive(Debug)]
pub(super) struct CallRefused;

/// A running or queued call. Dropping it cancels the call.
pub struct RunningCall {
    slot: Arc<CancelSlot>,
    threads: Option<CallThreads>,
}

impl RunningCall {
    /// Cancels the call, also while it waits in the queue or is blocked in a read. It still sends one `Finished`.
    pub fn cancel(&self) {
        self.slot.cancel();
        if let Some(threads) = &self.threads
            && !self.slot.has_begun()
        {
            threads.run_cancelled();
        }
    }

    /// Ends the call once more than this many output tokens have arrived. Its answer ends there, as by the provider's
    /// own limit.
    pub fn limit_output(&self, tokens: u64) {
        self.slot.limit_output(tokens);
    }

    /// Ends the call with the text received so far.
    pub fn cut_off(&self) {
        self.slot.cut_off();
    }

    /// A handle for a call that ended before it began.
    pub(super) fn already_ended() -> Self {
        Self {
            slot: Arc::default(),
            threads: None,
        }
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl CallThreads {
    /// Creates a queue that runs at most this many calls at once.
    pub fn new(most: usize) -> Self {
        let queue = CallQueue {
            max_concurrent: most.max(1),
            busy: 0,
            started: 0,
            calls_per_limiter: BTreeMap::new(),
            waiting: VecDeque::new(),
            idle: 0,
            handed_over: VecDeque::new(),
            is_removing_cancelled: false,
        };
        Self(Arc::new(SharedQueue {
            queue: Mutex::new(queue),
            handed: Condvar::new(),
        }))
    }

    /// Runs the job on a thread, now or when a slot is free; a canceled job runs at once.
    ///
    /// # Errors
    ///
    /// When too many calls wait, or the system cannot start a thread.
    pub fn start(
        &self,
        lane: ProviderLimiter,
        job: impl FnOnce(&Arc<CancelSlot>) + Send + 'static,
    ) -> Result<RunningCall, CallRefused> {
        let slot = Arc::new(CancelSlot::default());
        let first = WaitingCall {
            limiter: lane,
            slot: slot.clone(),
            job: Box::new(job),
        };
        let mut queue = self.queue();
        if !queue.has_room(lane) {
            if queue.waiting.len() >= MAX_WAITING {
                return Err(CallRefused);
            }
            queue.waiting.push_back(first);
        } else if queue.idle > 0 {
            queue.occupy(lane);
            queue.idle -= 1;
            queue.handed_over.push_back(first);
            drop(queue);
            self.0.handed.notify_one();
        } else {
            queue.occupy(lane);
            queue.started += 1;
            let name = format!("quire-call-{}", queue.started);
            drop(queue);
            let threads = self.clone();
            if spawn(name, move || threads.run_calls(first)).is_err() {
                self.queue().free(lane);
                return Err(CallRefused);
            }
        }
        Ok(RunningCall {
            slot,
            threads: Some(self.clone()),
        })
    }

    /// Number of running calls and of waiting calls.
    pub fn running_and_waiting(&self) -> (usize, usize) {
        let queue = self.queue();
        (queue.busy, queue.waiting.len())
    }

    fn queue(&self) -> MutexGuard<'_, CallQueue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run_calls(&self, first: WaitingCall) {
        let mut next = Some(first);
        while let Some(WaitingCall {
            limiter: lane,
            slot,
            job,
        }) = next
        {
            run_job(&slot, job);
            drop(slot);
            next = self.next_after(lane);
        }
    }

    /// The next call for a thread whose call has ended; `None` when the thread should end.
    fn next_after(&self, lane: ProviderLimiter) -> Option<WaitingCall> {
        let mut queue = self.queue();
        queue.free(lane);
        if let Some(next) = queue.next() {
            return Some(next);
        }
        queue.idle += 1;
        loop {
            if let Some(handed) = queue.handed_over.pop_front() {
                return Some(handed);
            }
            let waited = self.0.handed.wait_timeout(queue, IDLE_THREAD_TIMEOUT);
            let (found, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            queue = found;
            if timeout.timed_out() && queue.handed_over.is_empty() {
                queue.idle -= 1;
                return None;
            }
        }
    }

    /// Runs the queued jobs that were canceled, on a separate thread: they send events, which may block, and the
    /// canceler must not wait.
    fn run_cancelled(&self) {
        let mut queue = self.queue();
        if queue.is_removing_cancelled
            || !queue
                .waiting
                .iter()
                .any(|waiting| waiting.slot.is_cancelled())
        {
            return;
        }
        queue.is_removing_cancelled = true;
        drop(queue);
        let threads = self.clone();
        let sweeper = spawn("quire-call-end".into(), move || {
            while let Some(WaitingCall { slot, job, .. }) = threads.next_cancelled() {
                run_job(&slot, job);
            }
        });
        if sweeper.is_err() {
            // The jobs are run when a slot becomes free.
            self.queue().is_removing_cancelled = false;
        }
    }

    fn next_cancelled(&self) -> Option<WaitingCall> {
        let mut queue = self.queue();
        let found = queue
            .waiting
            .iter()
            .position(|waiting| waiting.slot.is_cancelled());
        queue.is_removing_cancelled = found.is_some();
        queue.waiting.remove(found?)
    }
}

impl CallQueue {
    fn has_room(&self, lane: ProviderLimiter) -> bool {
        let busy = self.calls_per_limiter.get(&lane.id).copied().unwrap_or(0);
        self.busy < self.max_concurrent && busy < lane.max_concurrent.max(1)
    }

    fn occupy(&mut self, lane: ProviderLimiter) {
        self.busy += 1;
        *self.calls_per_limiter.entry(lane.id).or_default() += 1;
    }

    fn free(&mut self, lane: ProviderLimiter) {
        self.busy -= 1;
        if let Some(busy) = self.calls_per_limiter.get_mut(&lane.id) {
            *busy -= 1;
            if *busy == 0 {
                self.calls_per_limiter.remove(&lane.id);
            }
        }
    }

    /// The first waiting call whose provider has a free slot. One call has ended, so at most one can begin.
    fn next(&mut self) -> Option<WaitingCall> {
        let found = self
            .waiting
            .iter()
            .position(|waiting| self.has_room(waiting.limiter))?;
        let waiting = self.waiting.remove(found)?;
        self.occupy(waiting.limiter);
        Some(waiting)
    }
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let thread = std::thread::Builder::new()
        .name(name)
        .stack_size(STACK_BYTES);
    thread.spawn(work).map(drop)
}

fn run_job(slot: &Arc<CancelSlot>, job: CallJob) {
    slot.begin();
    // A panic in one call must not end the thread and leak its slot.
    let _ = catch_unwind(AssertUnwindSafe(|| job(slot)));
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const LONG_WAIT: Duration = Duration::from_secs(600);
    const WIDE_LIMITER: ProviderLimiter = ProviderLimiter {
        id: 0,
        max_concurrent: 100,
    };
    const NARROW_LIMITER: ProviderLimiter = ProviderLimiter {
        id: 1,
        max_concurrent: 1,
    };

    /// A job that sends its name, then waits until it is canceled.
    fn waiting_job(
        name: u32,
        tell: &mpsc::Sender<(u32, bool)>,
    ) -> impl FnOnce(&Arc<CancelSlot>) + Send + use<> {
        let tell = tell.clone();
        move |slot| {
            let _ = tell.send((name, slot.is_cancelled()));
            slot.wait_or_cancelled(LONG_WAIT);
        }
    }

    #[test]
    fn calls_over_the_limit_wait() {
        let (tell, told) = mpsc::channel();
        let threads = CallThreads::new(2);
        let mut calls: Vec<RunningCall> = (0..4)
            .map(|name| {
                threads
                    .start(WIDE_LIMITER, waiting_job(name, &tell))
                    .unwrap()
            })
            .collect();
        let mut begun = [told.recv().unwrap().0, told.recv().unwrap().0];
        begun.sort_unstable();
        assert_eq!(begun, [0, 1]);
        assert!(told.try_recv().is_err());
        drop(calls.remove(0));
        assert_eq!(told.recv().unwrap(), (2, false));
    }

    #[test]
    fn a_limited_provider_does_not_delay_others() {
        let (tell, told) = mpsc::channel();
        let threads = CallThreads::new(8);
        let first = threads
            .start(NARROW_LIMITER, waiting_job(1, &tell))
            .unwrap();
        assert_eq!(told.recv().unwrap(), (1, false));
        let _second = threads
            .start(NARROW_LIMITER, waiting_job(2, &tell))
            .unwrap();
        let _other = threads.start(WIDE_LIMITER, waiting_job(3, &tell)).unwrap();
        assert_eq!(told.recv().unwrap(), (3, false));
        drop(first);
        assert_eq!(told.recv().unwrap(), (2, false));
    }

    #[test]
    fn a_queued_call_is_canceled_immediately() {
        let (tell, told) = mpsc::channel();
        let threads = CallThreads::new(1);
        let _busy = threads.start(WIDE_LIMITER, waiting_job(1, &tell)).unwrap();
        assert_eq!(told.recv().unwrap(), (1, false));
        let waiting = threads.start(WIDE_LIMITER, waiting_job(2, &tell)).unwrap();
        waiting.cancel();
        assert_eq!(told.recv().unwrap(), (2, true));
    }

    #[test]
    fn a_thread_serves_one_call_after_the_other() {
        let threads = CallThreads::new(8);
        let (tell, told) = mpsc::channel();
        for _ in 0..3 {
            let tell = tell.clone();
            let call = threads.start(WIDE_LIMITER, move |_| {
                let _ = tell.send(std::thread::current().id());
            });
            let _call = call.unwrap();
            let deadline = std::time::Instant::now() + LONG_WAIT;
            while threads.queue().idle == 0 {
                assert!(std::time::Instant::now() < deadline);
                std::thread::yield_now();
            }
        }
        let first = told.recv().unwrap();
        assert_eq!([told.recv().unwrap(), told.recv().unwrap()], [first; 2]);
        assert_eq!(threads.queue().started, 1);
    }

    #[test]
    fn a_panic_frees_its_slot() {
        let (tell, told) = mpsc::channel();
        let threads = CallThreads::new(1);
        let _broken = threads
            .start(WIDE_LIMITER, |_: &Arc<CancelSlot>| panic!("on purpose"))
            .unwrap();
        let _next = threads.start(WIDE_LIMITER, waiting_job(2, &tell)).unwrap();
        assert_eq!(told.recv().unwrap(), (2, false));
    }

    #[test]
    fn the_queue_is_bounded() {
        let threads = CallThreads::new(1);
        let (tell, _told) = mpsc::channel();
        let calls: Vec<_> = (0..MAX_WAITING as u32 + 1)
            .map(|name| threads.start(WIDE_LIMITER, waiting_job(name, &tell)))
            .collect();
        assert!(calls.iter().all(Result::is_ok));
        assert!(threads.start(WIDE_LIMITER, waiting_job(0, &tell)).is_err());
    }
}
