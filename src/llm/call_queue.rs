//! Threads for calls: one per call, bounded in total and per provider; further calls wait in a queue. A thread whose call
//! has ended waits a moment for the next one. Never uses the runtime's blocking pool, which cannot cancel a running call.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::transport::CancelSlot;

/// Stack size, in bytes. TLS overflows at 40 KiB and works at 48 KiB; an overflow aborts the process, hence the
/// margin. Untouched pages cost nothing.
const STACK: usize = 256 * 1024;
/// Maximum number of waiting calls. Runs and members are bounded too, so reaching it indicates a bug.
const MAX_WAITING: usize = 1024;

/// How long a thread without a call waits for one: busy servers start few threads, idle ones keep none.
const LINGER: Duration = Duration::from_secs(1);

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
    lanes: BTreeMap<u64, usize>,
    waiting: VecDeque<WaitingCall>,
    /// Threads that wait and have been handed no call.
    idle: usize,
    /// Calls handed to waiting threads.
    handed: VecDeque<WaitingCall>,
    sweeping: bool,
}

/// A concurrency limit shared by the calls to one provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProviderLimiter {
    pub id: u64,
    /// Maximum number of concurrent calls.
    pub most: usize,
}

struct WaitingCall {
    lane: ProviderLimiter,
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
    pub fn cut(&self) {
        self.slot.cut();
    }

    /// A handle for a call that ended before it began.
    pub(super) fn ended() -> Self {
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
            lanes: BTreeMap::new(),
            waiting: VecDeque::new(),
            idle: 0,
            handed: VecDeque::new(),
            sweeping: false,
        };
        Self(Arc::new(SharedQueue {
            queue: Mutex::new(queue),
            handed: Condvar::new(),
        }))
    }

    /// Runs the job on a thread, now or when a slot is free; a cancelled job runs at once.
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
            lane,
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
            queue.take(lane);
            queue.idle -= 1;
            queue.handed.push_back(first);
            drop(queue);
            self.0.handed.notify_one();
        } else {
            queue.take(lane);
            queue.started += 1;
            let name = format!("quire-call-{}", queue.started);
            drop(queue);
            let threads = self.clone();
            if spawn(name, move || threads.work(first)).is_err() {
                self.queue().give_back(lane);
                return Err(CallRefused);
            }
        }
        Ok(RunningCall {
            slot,
            threads: Some(self.clone()),
        })
    }

    /// Number of running calls and of waiting calls.
    pub fn counts(&self) -> (usize, usize) {
        let queue = self.queue();
        (queue.busy, queue.waiting.len())
    }

    fn queue(&self) -> MutexGuard<'_, CallQueue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, first: WaitingCall) {
        let mut next = Some(first);
        while let Some(WaitingCall { lane, slot, job }) = next {
            run(&slot, job);
            drop(slot);
            next = self.next_after(lane);
        }
    }

    /// The next call for a thread whose call has ended; `None` when the thread should end.
    fn next_after(&self, lane: ProviderLimiter) -> Option<WaitingCall> {
        let mut queue = self.queue();
        queue.give_back(lane);
        if let Some(next) = queue.next() {
            return Some(next);
        }
        queue.idle += 1;
        loop {
            if let Some(handed) = queue.handed.pop_front() {
                return Some(handed);
            }
            let waited = self.0.handed.wait_timeout(queue, LINGER);
            let (found, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            queue = found;
            if timeout.timed_out() && queue.handed.is_empty() {
                queue.idle -= 1;
                return None;
            }
        }
    }

    /// Runs the queued jobs that were cancelled, on a separate thread: they send events, which may block, and the
    /// canceller must not wait.
    fn run_cancelled(&self) {
        let mut queue = self.queue();
        if queue.sweeping
            || !queue
                .waiting
                .iter()
                .any(|waiting| waiting.slot.is_cancelled())
        {
            return;
        }
        queue.sweeping = true;
        drop(queue);
        let threads = self.clone();
        let sweeper = spawn("quire-call-end".into(), move || {
            while let Some(WaitingCall { slot, job, .. }) = threads.next_cancelled() {
                run(&slot, job);
            }
        });
        if sweeper.is_err() {
            // The jobs are run when a slot becomes free.
            self.queue().sweeping = false;
        }
    }

    fn next_cancelled(&self) -> Option<WaitingCall> {
        let mut queue = self.queue();
        let found = queue
            .waiting
            .iter()
            .position(|waiting| waiting.slot.is_cancelled());
        queue.sweeping = found.is_some();
        queue.waiting.remove(found?)
    }
}

impl CallQueue {
    fn has_room(&self, lane: ProviderLimiter) -> bool {
        let busy = self.lanes.get(&lane.id).copied().unwrap_or(0);
        self.busy < self.max_concurrent && busy < lane.most.max(1)
    }

    fn take(&mut self, lane: ProviderLimiter) {
        self.busy += 1;
        *self.lanes.entry(lane.id).or_default() += 1;
    }

    fn give_back(&mut self, lane: ProviderLimiter) {
        self.busy -= 1;
        if let Some(busy) = self.lanes.get_mut(&lane.id) {
            *busy -= 1;
            if *busy == 0 {
                self.lanes.remove(&lane.id);
            }
        }
    }

    /// The first waiting call whose provider has a free slot. One call has ended, so at most one can begin.
    fn next(&mut self) -> Option<WaitingCall> {
        let found = self
            .waiting
            .iter()
            .position(|waiting| self.has_room(waiting.lane))?;
        let waiting = self.waiting.remove(found)?;
        self.take(waiting.lane);
        Some(waiting)
    }
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let thread = std::thread::Builder::new().name(name).stack_size(STACK);
    thread.spawn(work).map(drop)
}

fn run(slot: &Arc<CancelSlot>, job: CallJob) {
    slot.begin();
    // A panic in one call must not end the thread and leak its slot.
    let _ = catch_unwind(AssertUnwindSafe(|| job(slot)));
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const LONG: Duration = Duration::from_secs(600);
    const WIDE: ProviderLimiter = ProviderLimiter { id: 0, most: 100 };
    const NARROW: ProviderLimiter = ProviderLimiter { id: 1, most: 1 };

    /// A job that sends its name, then waits until it is cancelled.
    fn job(
        name: u32,
        tell: &mpsc::Sender<(u32, bool)>,
    ) -> impl FnOnce(&Arc<CancelSlot>) + Send + use<> {
        let tell = tell.clone();
        move |slot| {
            let _ = tell.send((name, slot.is_cancelled()));
            slot.pause(LONG);
        }
    }

    #[test]
    fn calls_over_the_limit_wait() {
        let (tell, told) = mpsc::channel();
        let threads = CallThreads::new(2);
        let mut calls: Vec<RunningCall> = (0..4)
            .map(|name| threads.start(WIDE, job(name, &tell)).unwrap())
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
        let first = threads.start(NARROW, job(1, &tell)).unwrap();
        assert_eq!(told.recv().unwrap(), (1, false));
        let _second = threads.start(NARROW, job(2, &tell)).unwrap();
        let _other = threads.start(WIDE, job(3, &tell)).unwrap();
        assert_eq!(told.recv().unwrap(), (3, false));
        drop(first);
        assert_eq!(told.recv().unwrap(), (2, false));
    }

    #[test]
    fn a_queued_call_is_cancelled_immediately() {
        let (tell, told) = mpsc::channel();
        let threads = CallThreads::new(1);
        let _busy = threads.start(WIDE, job(1, &tell)).unwrap();
        assert_eq!(told.recv().unwrap(), (1, false));
        let waiting = threads.start(WIDE, job(2, &tell)).unwrap();
        waiting.cancel();
        assert_eq!(told.recv().unwrap(), (2, true));
    }

    #[test]
    fn a_thread_serves_one_call_after_the_other() {
        let threads = CallThreads::new(8);
        let (tell, told) = mpsc::channel();
        for _ in 0..3 {
            let tell = tell.clone();
            let call = threads.start(WIDE, move |_| {
                let _ = tell.send(std::thread::current().id());
            });
            let _call = call.unwrap();
            let deadline = std::time::Instant::now() + LONG;
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
            .start(WIDE, |_: &Arc<CancelSlot>| panic!("on purpose"))
            .unwrap();
        let _next = threads.start(WIDE, job(2, &tell)).unwrap();
        assert_eq!(told.recv().unwrap(), (2, false));
    }

    #[test]
    fn the_queue_is_bounded() {
        let threads = CallThreads::new(1);
        let (tell, _told) = mpsc::channel();
        let calls: Vec<_> = (0..MAX_WAITING as u32 + 1)
            .map(|name| threads.start(WIDE, job(name, &tell)))
            .collect();
        assert!(calls.iter().all(Result::is_ok));
        assert!(threads.start(WIDE, job(0, &tell)).is_err());
    }
}
