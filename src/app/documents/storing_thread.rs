//! Threads that store files, so that a caller that disconnects cannot leave a file without its row or a row without its
//! file. There is one thread, or several if files go to a bucket, where each request takes long. Users take turns, so
//! that one user's many files do not delay another's.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::app::{Error, Kind, Result};
use crate::domain::id::UserId;

/// Maximum number of waiting jobs of all users. Each job's file is already on disk while it waits.
const MAX_WAITING: usize = 256;
/// Maximum number of waiting jobs of one user.
const MAX_OWN: usize = 32;

type WorkerJob = Box<dyn FnOnce() + Send>;

/// Runs jobs on background threads: each of the first jobs starts one, up to the limit. When dropped,
/// finishes the waiting jobs.
pub(super) struct BackgroundWorker {
    shared: Arc<WorkerShared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    max_threads: usize,
}

impl Default for BackgroundWorker {
    fn default() -> Self {
        Self::with_threads(1)
    }
}

#[derive(Default)]
struct WorkerShared {
    state: Mutex<WorkerState>,
    changed: Condvar,
}

#[derive(Default)]
struct WorkerState {
    /// Waiting jobs by user; `None` stands for the server itself.
    waiting_jobs: BTreeMap<Option<UserId>, VecDeque<WorkerJob>>,
    /// Round-robin order: every user with a waiting job, once.
    turns: VecDeque<Option<UserId>>,
    is_closed: bool,
}

impl BackgroundWorker {
    /// Creates a worker that runs up to `max_threads` jobs at a time.
    pub(super) fn with_threads(max_threads: usize) -> Self {
        Self {
            shared: Arc::default(),
            threads: Mutex::default(),
            max_threads,
        }
    }

    /// Starts `work` on a background thread without waiting for it.
    ///
    /// # Errors
    /// `Unavailable` if too many jobs are waiting.
    pub(super) fn start_job(&self, work: impl FnOnce() + Send + 'static) -> Result<()> {
        let job: WorkerJob = Box::new(move || {
            // A panic must not end the thread. The panic hook has already logged it.
            let _ = catch_unwind(AssertUnwindSafe(work));
        });
        self.push(None, job)
    }

    /// Runs the server's own `work` on a background thread and returns its result. The work completes even if the
    /// caller is dropped.
    ///
    /// # Errors
    /// `Unavailable` if too many jobs are waiting; and the error of `work`.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T> + Send + 'static,
    {
        self.queue(None, work).await
    }

    /// Runs a user's `work` on a background thread and returns its result. The work completes even if the caller is
    /// dropped.
    ///
    /// # Errors
    /// `TooFast` if too many of the user's jobs are already waiting; `Unavailable` if too many jobs are waiting in
    /// total; and the error of `work`.
    pub(super) async fn run_for_user<T, F>(&self, user: &UserId, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T> + Send + 'static,
    {
        self.queue(Some(user.clone()), work).await
    }

    async fn queue<T, F>(&self, user: Option<UserId>, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let job: WorkerJob = Box::new(move || {
            let result = catch_unwind(AssertUnwindSafe(work));
            let _ = sender.send(
                result.unwrap_or_else(|_| Err(Error::internal("a document's work panicked"))),
            );
        });
        self.push(user, job)?;
        receiver
            .await
            .unwrap_or_else(|_| Err(Error::internal("the document thread dropped a job")))
    }

    fn push(&self, user: Option<UserId>, job: WorkerJob) -> Result<()> {
        self.start()?;
        self.shared.lock_state().push(user, job)?;
        self.shared.changed.notify_one();
        Ok(())
    }

    fn start(&self) -> Result<()> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        if threads.len() < self.max_threads {
            let shared = self.shared.clone();
            let handle = std::thread::Builder::new()
                .name("quire-extract".into())
                .stack_size(1 << 20)
                .spawn(move || shared.work())
                .map_err(Error::internal)?;
            threads.push(handle);
        }
        Ok(())
    }
}

impl Drop for BackgroundWorker {
    fn drop(&mut self) {
        self.shared.lock_state().is_closed = true;
        self.shared.changed.notify_all();
        let threads = self
            .threads
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        for handle in threads.drain(..) {
            let _ = handle.join();
        }
    }
}

impl WorkerShared {
    fn lock_state(&self) -> MutexGuard<'_, WorkerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.lock_state();
        loop {
            match state.pop() {
                Some(job) => {
                    drop(state);
                    job();
                    state = self.lock_state();
                }
                None if state.is_closed => return,
                None => {
                    let wait_result = self.changed.wait(state);
                    state = wait_result.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

impl WorkerState {
    fn push(&mut self, user: Option<UserId>, job: WorkerJob) -> Result<()> {
        let all: usize = self.waiting_jobs.values().map(VecDeque::len).sum();
        let user_jobs = self.waiting_jobs.entry(user.clone()).or_default();
        let refusal = match (
            user.is_some() && user_jobs.len() >= MAX_OWN,
            all >= MAX_WAITING,
        ) {
            (true, _) => Some(Kind::TooFast),
            (false, true) => Some(Kind::Unavailable),
            (false, false) => None,
        };
        if let Some(kind) = refusal {
            if user_jobs.is_empty() {
                self.waiting_jobs.remove(&user);
            }
            return Err(busy_error(kind));
        }
        user_jobs.push_back(job);
        if user_jobs.len() == 1 {
            self.turns.push_back(user);
        }
        Ok(())
    }

    fn pop(&mut self) -> Option<WorkerJob> {
        let user = self.turns.pop_front()?;
        let user_jobs = self.waiting_jobs.get_mut(&user)?;
        let job = user_jobs.pop_front();
        match user_jobs.is_empty() {
            true => _ = self.waiting_jobs.remove(&user),
            false => self.turns.push_back(user),
        }
        job
    }
}

fn busy_error(kind: Kind) -> Error {
    let why = match kind {
        Kind::TooFast => "too many of your files are being stored or fetched at once",
        _ => "too many files are being stored or fetched at once",
    };
    let mut busy = Error::new(kind, why).resolve("try again in a moment");
    busy.retry_after = Some(Duration::from_secs(5));
    busy
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{channel, sync_channel};

    use super::*;
    use crate::domain::time::Timestamp;

    fn runtime() -> tokio::runtime::Runtime {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime")
    }

    fn user(n: u128) -> UserId {
        UserId::new(Timestamp::from_millis(1), n)
    }

    /// Polls `work` once and drops it. Returns the kind of its error if it was refused.
    async fn error_kind_of<T>(work: impl Future<Output = Result<T>>) -> Option<Kind> {
        let mut work = Box::pin(work);
        let state = std::future::poll_fn(|cx| std::task::Poll::Ready(work.as_mut().poll(cx))).await;
        match state {
            std::task::Poll::Ready(Err(error)) => Some(error.kind),
            _ => None,
        }
    }

    #[test]
    fn jobs_run_in_order_and_survive_a_panic() {
        let worker = BackgroundWorker::default();
        runtime().block_on(async {
            let panicked: Result<()> = worker.run(|| panic!("on purpose")).await;
            assert_eq!(panicked.map_err(|e| e.kind), Err(Kind::Internal));
            assert_eq!(worker.run(|| Ok(7)).await, Ok(7));
        });
    }

    #[test]
    fn users_take_turns_and_none_fills_the_queue() {
        let worker = BackgroundWorker::default();
        let (go, wait) = sync_channel::<()>(0);
        let (signal_started, has_begun) = channel();
        let (done_sender, order) = channel();
        runtime().block_on(async {
            let blocking_job = worker.run(move || {
                let _ = signal_started.send(());
                Ok(wait.recv().is_ok())
            });
            assert_eq!(error_kind_of(blocking_job).await, None);
            has_begun.recv().expect("the first job begins");
            let (ada, bob) = (user(1), user(2));
            let note = |name: &'static str| {
                let done_sender = done_sender.clone();
                move || done_sender.send(name).map_err(Error::internal)
            };
            for _ in 0..MAX_OWN {
                assert_eq!(
                    error_kind_of(worker.run_for_user(&ada, note("ada"))).await,
                    None
                );
            }
            let refusal = error_kind_of(worker.run_for_user(&ada, note("ada"))).await;
            assert_eq!(refusal, Some(Kind::TooFast));
            assert_eq!(
                error_kind_of(worker.run_for_user(&bob, note("bob"))).await,
                None
            );
            for n in 0..MAX_WAITING - MAX_OWN - 1 {
                assert_eq!(
                    error_kind_of(worker.run_for_user(&user(n as u128 + 3), || Ok(()))).await,
                    None
                );
            }
            let refusal = error_kind_of(worker.run_for_user(&user(999), || Ok(()))).await;
            assert_eq!(refusal, Some(Kind::Unavailable));
            go.send(()).expect("the first job waits");
        });
        drop(worker);
        let order: Vec<_> = order.try_iter().collect();
        assert_eq!(order.len(), MAX_OWN + 1);
        assert_eq!(order[..2], ["ada", "bob"]);
    }
}
