//! Threads for calls: one a call, a bounded number at once, the rest wait in line. Never the runtime's
//! blocking pool, which the database shares and whose tasks cannot be cancelled.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::transport::CancelSlot;
use crate::domain::chat::{CallError, CallErrorKind};

/// TLS overflows at 40 KiB and works at 48; an overflow aborts the process, so there is room.
const STACK: usize = 192 * 1024;

type Job = Box<dyn FnOnce(&Arc<CancelSlot>) + Send>;

/// Starts calls.
pub(super) struct Threads(Arc<Mutex<Line>>);

struct Line {
    free: usize,
    started: u64,
    // As long as the runs under way make it: members a run times runs at once, both bounded.
    waiting: VecDeque<(Arc<CancelSlot>, Job)>,
}

/// A call under way. Dropping it cancels the call.
pub struct Running(Arc<CancelSlot>);

impl Running {
    /// Interrupts the call, also when it is blocked in a read.
    pub fn cancel(&self) {
        self.0.cancel();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Threads {
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Mutex::new(Line {
            free: most.max(1),
            started: 0,
            waiting: VecDeque::new(),
        })))
    }

    pub fn start(&self, job: impl FnOnce(&Arc<CancelSlot>) + Send + 'static) -> Running {
        let slot = Arc::new(CancelSlot::default());
        let mut line = lock(&self.0);
        if line.free == 0 {
            line.waiting.push_back((slot.clone(), Box::new(job)));
            return Running(slot);
        }
        line.free -= 1;
        line.started += 1;
        let number = line.started;
        drop(line);
        let (line, first) = (self.0.clone(), (slot.clone(), Box::new(job) as Job));
        let thread = std::thread::Builder::new()
            .name(format!("quire-call-{number}"))
            .stack_size(STACK);
        // Without memory for a thread the job is dropped, and its receiver sees the channel close.
        if thread.spawn(move || work(&line, first)).is_err() {
            lock(&self.0).free += 1;
        }
        Running(slot)
    }
}

fn lock(line: &Mutex<Line>) -> MutexGuard<'_, Line> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

fn work(line: &Mutex<Line>, first: (Arc<CancelSlot>, Job)) {
    let mut next = Some(first);
    while let Some((slot, job)) = next {
        // A fault of ours in one call must not take the place of all later ones.
        let _ = catch_unwind(AssertUnwindSafe(|| job(&slot)));
        let mut line = lock(line);
        next = line.waiting.pop_front();
        if next.is_none() {
            line.free += 1;
        }
    }
}

/// Runs a call so that it ends with a result even when it panics.
pub(super) fn guarded<T>(call: impl FnOnce() -> Result<T, CallError>) -> Result<T, CallError> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        Err(CallError::new(
            CallErrorKind::Malformed,
            "the answer could not be read",
        ))
    })
}
