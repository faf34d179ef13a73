//! The one thread on which files are read and put away, one after the other: reading takes memory and
//! time, and a file's two halves (bytes and rows) must not be left apart by a caller that goes away.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::app::{Error, Kind, Result};

/// Files that may wait to be read. Each lies on disk while it waits.
const WAITING: usize = 32;

type Job = Box<dyn FnOnce() + Send>;

/// Starts its thread with its first job; waits for the job under way when it is dropped.
#[derive(Default)]
pub(super) struct Desk(Mutex<Option<(SyncSender<Job>, JoinHandle<()>)>>);

impl Desk {
    /// Does `work` on the thread. It is done whole even if the caller leaves.
    pub(super) async fn hand<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move || {
            let result = catch_unwind(AssertUnwindSafe(work));
            let _ = answer.send(
                result.unwrap_or_else(|_| Err(Error::internal("a document's work panicked"))),
            );
        });
        match self.jobs()?.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(busy()),
            Err(TrySendError::Disconnected(_)) => {
                return Err(Error::internal("the document thread is gone"));
            }
        }
        answered
            .await
            .unwrap_or_else(|_| Err(Error::internal("the document thread dropped a job")))
    }

    fn jobs(&self) -> Result<SyncSender<Job>> {
        let mut thread = self
            .0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((jobs, _)) = thread.as_ref() {
            return Ok(jobs.clone());
        }
        let (jobs, waiting) = sync_channel(WAITING);
        let handle = std::thread::Builder::new()
            .name("quire-extract".into())
            .stack_size(1 << 20)
            .spawn(move || work_through(&waiting))
            .map_err(Error::internal)?;
        *thread = Some((jobs.clone(), handle));
        Ok(jobs)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let thread = self
            .0
            .get_mut()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .take();
        if let Some((jobs, handle)) = thread {
            drop(jobs);
            let _ = handle.join();
        }
    }
}

fn work_through(waiting: &Receiver<Job>) {
    while let Ok(job) = waiting.recv() {
        job();
    }
}

fn busy() -> Error {
    let mut busy = Error::new(Kind::Unavailable, "too many documents are being read")
        .resolve("try again in a moment");
    busy.retry_after = Some(Duration::from_secs(5));
    busy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_in_order_and_a_panic_harms_nobody() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let desk = Desk::default();
        runtime.block_on(async {
            let broken: Result<()> = desk.hand(|| panic!("on purpose")).await;
            assert_eq!(broken.map_err(|e| e.kind), Err(Kind::Internal));
            assert_eq!(desk.hand(|| Ok(7)).await, Ok(7));
        });
    }

    #[test]
    fn a_full_desk_says_so() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let desk = Desk::default();
        let (go, wait) = sync_channel::<()>(0);
        runtime.block_on(async {
            let mut first = Box::pin(desk.hand(move || Ok(wait.recv().is_ok())));
            // Polled once, so that it is on the desk; then dropped, and done all the same.
            let _ = std::future::poll_fn(|cx| {
                std::task::Poll::Ready(first.as_mut().poll(cx).is_pending())
            })
            .await;
            drop(first);
            let mut full = false;
            for _ in 0..WAITING + 2 {
                let mut next = Box::pin(desk.hand(|| Ok(())));
                let state =
                    std::future::poll_fn(|cx| std::task::Poll::Ready(next.as_mut().poll(cx))).await;
                if let std::task::Poll::Ready(Err(error)) = state {
                    full = error.kind == Kind::Unavailable;
                }
            }
            assert!(full);
            go.send(()).expect("the first job waits");
        });
    }
}
