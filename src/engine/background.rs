//! Work that nobody waits for: jobs that outlive the request that began them, and the pace that leaves room
//! for people. What a job does is the app's business.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Engine, Shared};

/// How long a job that is told of nothing waits before it looks again.
const LOOK: Duration = Duration::from_millis(500);

/// Counts a job while it lives, a panic included.
struct Count(Arc<Shared>);

impl Drop for Count {
    fn drop(&mut self) {
        self.0.jobs.fetch_sub(1, Ordering::Relaxed);
        self.0.left.notify_waiters();
    }
}

impl Engine {
    /// Runs a job until it ends. A stopping engine waits for it: the job ends when its next run is refused or
    /// left for the next start.
    pub fn job(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.shared.jobs.fetch_add(1, Ordering::Relaxed);
        let count = Count(self.shared.clone());
        tokio::spawn(async move {
            let _count = count;
            work.await;
        });
    }

    /// Waits until a job may begin a run: half of the turns are free, and where somebody is waiting for a run
    /// of their own, no other job's is under way. False when the engine takes no more runs.
    pub async fn lull(&self) -> bool {
        loop {
            let left = self.shared.left.notified();
            if self.shared.turns.is_closed() {
                return false;
            }
            if self.shared.has_room() {
                return true;
            }
            let _ = tokio::time::timeout(LOOK, left).await;
        }
    }

    /// Whether nobody waits for an answer. Jobs in the background are nobody.
    pub fn is_quiet(&self) -> bool {
        self.shared.running().values().all(|run| run.background)
    }

    /// Whether the engine takes no more runs.
    pub fn is_closing(&self) -> bool {
        self.shared.turns.is_closed()
    }
}

impl Shared {
    fn has_room(&self) -> bool {
        let running = self.running();
        let jobs = running.values().filter(|run| run.background).count();
        let people = running.len() - jobs;
        let turns = self.settings.max_runs.max(1);
        let free = turns.saturating_sub(running.len());
        free >= turns.div_ceil(2) && (people == 0 || jobs == 0)
    }
}
