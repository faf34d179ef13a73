//! Background jobs: work that outlives the request that started it, throttled to leave room for interactive runs.
//! The app decides what a job does.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Engine, EngineShared};

/// How long a waiting job sleeps before it checks again without a notification.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Decrements the number of active jobs when dropped, and therefore even if the job panics.
struct JobCounter(Arc<EngineShared>);

impl Drop for JobCounter {
    fn drop(&mut self) {
        self.0.jobs.fetch_sub(1, Ordering::Relaxed);
        self.0.run_left.notify_waiters();
    }
}

impl Engine {
    /// Spawns a job. A stopping engine waits for it to end, which is expected once one of its runs is refused or left
    /// for the next start.
    pub fn spawn_job(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.shared.jobs.fetch_add(1, Ordering::Relaxed);
        let count = JobCounter(self.shared.clone());
        tokio::spawn(async move {
            let _counter = count;
            work.await;
        });
    }

    /// Waits until a job may start a run: at least half of the slots must be free, and while interactive runs are
    /// active, no other job may have a run. Returns false if the engine no longer accepts runs.
    pub async fn wait_for_idle(&self) -> bool {
        loop {
            let left = self.shared.run_left.notified();
            if self.shared.run_slots.is_closed() {
                return false;
            }
            if self.shared.has_free_slots() {
                return true;
            }
            let _ = tokio::time::timeout(POLL_INTERVAL, left).await;
        }
    }

    /// Returns whether no interactive run is active; background runs do not count.
    pub fn has_no_interactive_run(&self) -> bool {
        self.shared.runs().values().all(|run| run.background)
    }

    /// Returns whether the engine has stopped accepting runs.
    pub fn is_closing(&self) -> bool {
        self.shared.run_slots.is_closed()
    }
}

impl EngineShared {
    fn has_free_slots(&self) -> bool {
        let running = self.runs();
        let jobs = running.values().filter(|run| run.background).count();
        let relayed = running.values().filter(|run| run.is_relayed).count();
        let people = running.len() - jobs - relayed;
        let turns = self.settings.max_runs.max(1);
        let free = turns.saturating_sub(people + jobs);
        free >= turns.div_ceil(2) && (people == 0 || jobs == 0)
    }
}
