//! Drives the domain's state machines: starts their calls, stores what comes back, tells whoever
//! watches. Has no rules of its own.

mod answers;
mod bus;
mod drive;
mod journal;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};

use crate::clock;
use crate::domain::analysis::CacheUse;
use crate::domain::id::{AnalysisId, UserId};
use crate::domain::pattern::Outcome;
use crate::domain::pattern::staged::Staged;
use crate::llm::Llm;
use crate::store::Store;

use bus::Hub;
pub use bus::Watch;

/// Limits and times.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Analyses that run at once; more wait their turn.
    pub max_runs: usize,
    /// How long a stored answer may stand in for a call; zero turns the cache off.
    pub cache_ttl: Duration,
}

/// Analyses that may wait for their turn.
const MAX_WAITING: usize = 64;

/// Owns all running analyses.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    store: Store,
    llm: Llm,
    settings: Settings,
    turns: Semaphore,
    runs: Mutex<HashMap<AnalysisId, Arc<Hub>>>,
    /// Woken whenever a run has left `runs`.
    left: Notify,
}

/// A run to be driven.
pub struct Run {
    /// Its id; the analysis is stored already.
    pub id: AnalysisId,
    /// Whose; bounds the cache and receives the usage.
    pub user: Option<UserId>,
    /// New or restored.
    pub machine: Staged,
    /// Use of stored answers, as planned.
    pub cache: CacheUse,
    /// Number of the last event stored so far; 0 for a new run.
    pub last_event: u64,
}

/// Why a run was not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// As many run and wait as may.
    Full,
    /// The server is shutting down.
    Closing,
}

impl Engine {
    /// An engine with nothing to do.
    pub fn new(store: Store, llm: Llm, settings: Settings) -> Self {
        let turns = Semaphore::new(settings.max_runs.max(1));
        let shared = Shared {
            store,
            llm,
            settings,
            turns,
            runs: Mutex::new(HashMap::new()),
            left: Notify::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Room for one more run? To be asked before it is stored.
    pub fn has_room(&self) -> Result<(), Refused> {
        if self.shared.turns.is_closed() {
            return Err(Refused::Closing);
        }
        let limit = self.shared.settings.max_runs + MAX_WAITING;
        if self.shared.running().len() >= limit {
            Err(Refused::Full)
        } else {
            Ok(())
        }
    }

    /// Drives a run in a task of its own, tied to no connection.
    pub fn start(&self, run: Run) -> Result<Finished, Refused> {
        self.has_room()?;
        Ok(self.resume(run))
    }

    /// The same for a run that was taken before the last stop: there is always room for it in the queue.
    pub fn resume(&self, run: Run) -> Finished {
        let hub = Arc::new(Hub::new(run.last_event));
        self.shared.running().insert(run.id.clone(), hub.clone());
        let (tell, finished) = tokio::sync::oneshot::channel();
        let shared = self.shared.clone();
        // Owned by `runs`: `drain` waits for it to leave.
        tokio::spawn(async move {
            let id = run.id.clone();
            let outcome = drive::run(&shared, run, &hub).await;
            hub.close();
            shared.running().remove(&id);
            shared.left.notify_waiters();
            // Nobody may be waiting: an asynchronous run has no one to tell.
            let _ = tell.send(outcome);
        });
        Finished(finished)
    }

    /// Asks a run to stop. False when it is not running here.
    pub fn cancel(&self, id: &AnalysisId, reason: &str) -> bool {
        let hub = self.shared.running().get(id).cloned();
        hub.map(|hub| hub.cancel(reason)).is_some()
    }

    /// Follows the events of a run after the given number, stored ones first.
    pub fn watch(&self, id: AnalysisId, after: u64) -> Watch {
        let hub = self.shared.running().get(&id).cloned();
        Watch::new(self.shared.store.clone(), hub, id, after)
    }

    /// Whether this run is being driven here.
    pub fn is_running(&self, id: &AnalysisId) -> bool {
        self.shared.running().contains_key(id)
    }

    /// How many run or wait.
    pub fn count(&self) -> usize {
        self.shared.running().len()
    }

    /// From now on takes no more runs; those that wait for a turn leave.
    pub fn refuse(&self) {
        self.shared.turns.close();
    }

    /// Takes no more runs, waits for those under way, and after `limit` leaves the rest where they are:
    /// all they have stored is kept and they are resumed at the next start.
    pub async fn drain(&self, limit: Duration) {
        self.refuse();
        let until = tokio::time::Instant::from_std(clock::instant() + limit);
        loop {
            let left = self.shared.left.notified();
            if self.shared.running().is_empty() {
                return;
            }
            if tokio::time::timeout_at(until, left).await.is_err() {
                break;
            }
        }
        let hubs: Vec<Arc<Hub>> = self.shared.running().values().cloned().collect();
        for hub in hubs {
            hub.checkpoint();
        }
        // A checkpoint is one write; the second guards against a disk that hangs.
        let _ = tokio::time::timeout(Duration::from_secs(2), async {
            loop {
                let left = self.shared.left.notified();
                if self.shared.running().is_empty() {
                    return;
                }
                left.await;
            }
        })
        .await;
    }
}

/// The end of a run that was started here.
pub struct Finished(tokio::sync::oneshot::Receiver<Option<Outcome>>);

impl Finished {
    /// How it ended; none when it was interrupted by a shutdown and will be resumed.
    pub async fn outcome(self) -> Option<Outcome> {
        self.0.await.ok().flatten()
    }
}

/// Cancels a run unless it is disarmed: for connections that are the request.
pub struct CancelOnDrop {
    engine: Engine,
    id: Option<AnalysisId>,
}

impl CancelOnDrop {
    /// Armed.
    pub fn new(engine: Engine, id: AnalysisId) -> Self {
        Self {
            engine,
            id: Some(id),
        }
    }
    /// The run is over, or shall go on alone.
    pub fn disarm(&mut self) {
        self.id = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(id) = &self.id {
            // A stopping server ends its connections itself: the client is not to blame.
            let reason = if self.engine.shared.turns.is_closed() {
                "the server stopped while a client was waiting for this analysis"
            } else {
                "the client closed the connection"
            };
            self.engine.cancel(id, reason);
        }
    }
}

impl Shared {
    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<AnalysisId, Arc<Hub>>> {
        // No code panics while it holds the lock; were it ever so, the map would still be whole.
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
