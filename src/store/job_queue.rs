//! A bounded FIFO queue of jobs for the database threads. Async callers wait for room without blocking the runtime.
//! Blocking callers need no limit, because each thread has at most one job.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Maximum number of queued jobs. When it is reached, async callers wait.
const MAX_QUEUED_JOBS: usize = 256;

pub(super) struct WriteQueue<J> {
    state: Mutex<QueueState<J>>,
    ready: Condvar,
    free_slots: Arc<Semaphore>,
}

struct QueueState<J> {
    jobs: VecDeque<(J, Option<OwnedSemaphorePermit>)>,
    idle_count: usize,
    closed: bool,
}

/// The error for a job that is added after the queue was closed.
#[derive(Debug, PartialEq)]
pub(super) struct QueueClosed;

impl<J> WriteQueue<J> {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(QueueState {
                jobs: VecDeque::new(),
                idle_count: 0,
                closed: false,
            }),
            ready: Condvar::new(),
            free_slots: Arc::new(Semaphore::new(MAX_QUEUED_JOBS)),
        }
    }

    /// Queues a job once there is room. If the future is dropped while it waits, the job is not queued.
    ///
    /// # Errors
    /// Returns [`QueueClosed`] if the queue is closed.
    pub(super) async fn put(&self, job: J) -> Result<(), QueueClosed> {
        let place = Arc::clone(&self.free_slots).acquire_owned().await;
        self.add(job, Some(place.map_err(|_| QueueClosed)?))
    }

    /// Queues a job at once, for a caller that blocks its thread until the job is done.
    ///
    /// # Errors
    /// Returns [`QueueClosed`] if the queue is closed.
    pub(super) fn put_now(&self, job: J) -> Result<(), QueueClosed> {
        self.add(job, None)
    }

    fn add(&self, job: J, place: Option<OwnedSemaphorePermit>) -> Result<(), QueueClosed> {
        let mut state = self.lock();
        if state.closed {
            return Err(QueueClosed);
        }
        state.jobs.push_back((job, place));
        // A busy thread checks the queue before it sleeps, so under load, no thread has to be woken.
        let wake = state.idle_count > 0;
        drop(state);
        if wake {
            self.ready.notify_one();
        }
        Ok(())
    }

    /// Waits for jobs and removes up to `max_jobs` of them. Returns `None` once the queue is closed and empty.
    pub(super) fn take(&self, max_jobs: usize) -> Option<Vec<J>> {
        let mut state = self.lock();
        while state.jobs.is_empty() {
            if state.closed {
                return None;
            }
            state.idle_count += 1;
            state = self
                .ready
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.idle_count -= 1;
        }
        Some(Self::take_from_front(state, max_jobs))
    }

    /// Removes up to `max_jobs` jobs without waiting.
    pub(super) fn take_waiting(&self, max_jobs: usize) -> Vec<J> {
        Self::take_from_front(self.lock(), max_jobs)
    }

    fn take_from_front(mut state: MutexGuard<'_, QueueState<J>>, max_jobs: usize) -> Vec<J> {
        let count = max_jobs.min(state.jobs.len());
        let jobs: Vec<_> = state.jobs.drain(..count).collect();
        // The permits are released after unlocking, because this may wake a task that needs the lock.
        drop(state);
        jobs.into_iter().map(|(job, _place)| job).collect()
    }

    /// Closes the queue. Jobs that are already queued are still processed.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.free_slots.close();
        self.ready.notify_all();
    }

    /// Returns the number of queued jobs.
    pub(super) fn length(&self) -> usize {
        self.lock().jobs.len()
    }

    fn lock(&self) -> MutexGuard<'_, QueueState<J>> {
        // No code of callers runs under this lock, so the state is consistent even if the lock is poisoned.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_keeps_queued_jobs_and_refuses_new_ones() {
        let queue = WriteQueue::new();
        for job in 0..3 {
            assert_eq!(queue.put_now(job), Ok(()));
        }
        queue.close();
        assert_eq!(queue.put_now(3), Err(QueueClosed));
        assert_eq!(queue.take(2), Some(vec![0, 1]));
        assert_eq!(queue.take_waiting(9), vec![2]);
        assert_eq!(queue.take(1), None);
    }

    #[test]
    fn a_full_queue_waits_until_a_job_is_taken() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let queue = WriteQueue::new();
            for job in 0..MAX_QUEUED_JOBS {
                queue.put(job).await.expect("room");
            }
            let late = queue.put(MAX_QUEUED_JOBS);
            tokio::pin!(late);
            tokio::select! {
                biased;
                _ = &mut late => panic!("let in although full"),
                () = std::future::ready(()) => {}
            }
            assert_eq!(queue.take(1), Some(vec![0]));
            assert_eq!(late.await, Ok(()));
        });
    }
}
