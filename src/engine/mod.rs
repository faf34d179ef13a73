//! Runs the domain's state machines: starts their calls, stores the results, and notifies watchers. Contains
//! no business rules.

mod answer_cache;
mod background;
mod budget;
mod journal;
mod ledger;
mod outcome;
mod relay;
mod run_channel;
mod run_handle;
mod run_permit;
mod runner;
mod servers;
mod settlement;
mod shared_reservations;
mod stream_limits;
mod unstored;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, oneshot};

use crate::clock;
use crate::domain::analysis::CacheUse;
use crate::domain::chat::{Answer, Image, ModelRequest};
use crate::domain::id::{AnalysisId, KeyId, UserId};
use crate::domain::pattern::staged::StagedRun;
use crate::domain::time::Timestamp;
use crate::domain::usage::{UsageAmount, UserLimits};
use crate::llm::Llm;
use crate::store::servers::{self as leases, RunLease};
use crate::store::{Reader, Store, StoreError, Writer, cached_answers as kept};

use answer_cache::{AnswerCache, CanonicalFields};
pub use answer_cache::{CacheLimits, CacheMiss};
use budget::ReservationLedger;
pub use budget::{BudgetStanding, FundsOutcome, KeyFunds, ReservedAmount, RunTerms};
pub use outcome::{RunOutcome, UnstoredResults};
pub use relay::RelayedCall;
use run_channel::RunChannel;
pub use run_channel::{PublishedEvent, RelayAudience, RunWatch};
pub use run_handle::{CancelOnDrop, Finished};
use run_permit::RunPermit;
pub use servers::{DeliveredCommands, cancellation_of};
use settlement::UsageRecorder;
pub use shared_reservations::SharedReservations;
use stream_limits::StreamSlots;
pub use stream_limits::{StreamLimits, StreamPermit};

/// Limits that the engine enforces.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// Maximum number of concurrent runs; others wait for a slot.
    pub max_runs: usize,
    /// Limits on concurrent relayed calls; calls above the limits are refused.
    pub streams: StreamLimits,
    /// Lifetime and size limits of the answer cache.
    pub cache: CacheLimits,
    /// Default usage limits of users who have none of their own.
    pub limits: UserLimits,
}

/// Maximum number of runs that may wait for a slot.
const MAX_WAITING: usize = 64;
/// Maximum number of active and waiting runs per user, across all servers. All users without an account count as one.
const MAX_RUNS_PER_USER: usize = 24;

/// Executes all analyses and relayed calls of this process.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<EngineShared>,
}

pub(crate) struct EngineShared {
    store: Store,
    llm: Llm,
    settings: EngineSettings,
    cache: AnswerCache,
    reservations: Arc<ReservationLedger>,
    shared_reservations: Arc<SharedReservations>,
    run_slots: Semaphore,
    runs: Mutex<RunMap>,
    streams: Arc<StreamSlots>,
    settlement: Arc<UsageRecorder>,
    /// Notified whenever a run has left `runs` or a job has ended.
    run_left: Notify,
    /// Notified whenever a run has entered `runs`.
    run_arrived: Notify,
    /// Number of background jobs that have not ended.
    jobs: AtomicUsize,
}

/// Number of the most recent cached answers that are compared with a call to explain a cache miss.
const MAX_COMPARED_ANSWERS: u32 = 500;

fn nearest_entry(
    fields: &CanonicalFields,
    stored_hashes: &[BTreeMap<String, String>],
) -> CacheMiss {
    let differing = stored_hashes
        .iter()
        .map(|hashes| fields.differing_fields(hashes));
    let nearest = differing.min_by_key(Vec::len);
    nearest.map_or(CacheMiss::NoStoredAnswer, CacheMiss::Differs)
}

/// A run to execute.
pub struct RunSpec {
    /// ID of the analysis, which must be stored before the run starts.
    pub id: AnalysisId,
    /// The user, who determines the cache scope and is charged for usage; `None` without an account.
    pub user: Option<UserId>,
    /// The state machine, new or restored.
    pub machine: StagedRun,
    /// The API key of the request, if any; usage is counted toward it too.
    pub key: Option<KeyId>,
    /// The reservation in the key's budget; `None` if the key has no budget.
    pub funds: Option<Box<dyn KeyFunds>>,
    /// Cache mode from the plan.
    pub cache: CacheUse,
    /// Maximum age of a cached answer; `None` for the cache's own limit.
    pub cache_age: Option<Duration>,
    /// Images shown to vision models with every question.
    pub pictures: Vec<Image>,
    /// Prices and budget.
    pub terms: RunTerms,
    /// Sequence number of the last stored event; 0 for a new run.
    pub last_event: u64,
    /// Calls from an earlier run of the same user, with their answers; they are not repeated.
    pub reusable_answers: Vec<(ModelRequest, Answer)>,
    /// Whether a background job started the run, so that no user is waiting for it.
    pub background: bool,
    /// Whether a connection waits for the answer. If so, the answer is delivered even if it cannot be stored.
    /// Any other run stops if it cannot be stored, and is resumed at the next start or by another server on
    /// the database.
    pub is_awaited: bool,
    /// The lease of a resumed run if several servers may use the database; a new run gets one when it is stored.
    pub lease: Option<RunLease>,
    /// Set by [`Engine::start_passthrough`]: the run is a relayed call, not an analysis.
    pub relay: Option<RelayAudience>,
}

/// Why a run was refused.
#[derive(Debug, PartialEq, Eq)]
pub enum RunRefused {
    /// Too many runs are active or waiting, or too many relayed calls are open, on this server.
    Full,
    /// The user has too many active and waiting runs, or too many open relayed calls.
    TooMany,
    /// The server is shutting down.
    Closing,
}

/// Why a run was not started.
#[derive(Debug)]
pub enum NotStarted {
    /// The run was refused for this reason.
    Refused(RunRefused),
    /// The run could not be stored.
    Store(StoreError),
}

/// Stores a new run, in a transaction that must commit before the run starts.
pub type InsertRun = Box<dyn FnOnce(&Writer) -> crate::store::Result<()> + Send>;
type StoredRun = oneshot::Sender<crate::store::Result<()>>;
type RunMap = HashMap<AnalysisId, RunningRun>;

/// An active or waiting run.
#[derive(Clone)]
struct RunningRun {
    user: Option<UserId>,
    channel: Arc<RunChannel>,
    background: bool,
    is_relayed: bool,
    is_awaited: bool,
}

impl Engine {
    /// Creates an idle engine.
    pub fn new(store: Store, llm: Llm, settings: EngineSettings) -> Self {
        let turns = Semaphore::new(settings.max_runs.max(1));
        let shared_reservations = SharedReservations::new(store.clone());
        let shared = EngineShared {
            reservations: Arc::new(ReservationLedger::new(
                store.clone(),
                settings.limits,
                shared_reservations.clone(),
            )),
            shared_reservations,
            settlement: UsageRecorder::new(store.clone()),
            streams: StreamSlots::new(settings.streams, llm.limits().clone()),
            store,
            llm,
            cache: AnswerCache::new(settings.cache.clone()),
            settings,
            run_slots: turns,
            runs: Mutex::new(HashMap::new()),
            run_arrived: Notify::new(),
            run_left: Notify::new(),
            jobs: AtomicUsize::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Starts a run: stores it with `insert` and executes it, in a separate task that is independent of any
    /// connection. A stored run is always executed and a refused run is never stored, even if the caller is
    /// dropped.
    ///
    /// # Errors
    /// Returns [`NotStarted`] if the run is refused or cannot be stored.
    pub async fn start(&self, run: RunSpec, insert: InsertRun) -> Result<Finished, NotStarted> {
        let channel = self.reserve_slot(&run).map_err(NotStarted::Refused)?;
        let (run, insert) = self.shared.with_lease(run, insert);
        let (stored_sender, stored_receiver) = oneshot::channel();
        let finished = self.spawn(run, channel, Some((insert, stored_sender)), None);
        match stored_receiver.await {
            Ok(Ok(())) => Ok(finished),
            Ok(Err(StoreError::Conflict(leases::TOO_MANY_RUNS))) => {
                Err(NotStarted::Refused(RunRefused::TooMany))
            }
            Ok(Err(error)) => Err(NotStarted::Store(error)),
            Err(_) => Err(NotStarted::Refused(RunRefused::Closing)),
        }
    }

    /// Resumes a run that was stored before the last restart, or by a server that has stopped. The queue
    /// limit does not apply.
    pub fn resume(&self, run: RunSpec) -> Finished {
        let channel = Arc::new(RunChannel::new(run.last_event));
        let entry = RunningRun::new(&run, &channel);
        self.shared.runs().insert(run.id.clone(), entry);
        self.shared.run_arrived.notify_one();
        self.spawn(run, channel, None, None)
    }

    fn reserve_slot(&self, run: &RunSpec) -> Result<Arc<RunChannel>, RunRefused> {
        let mut running = self.shared.runs();
        let user = run.user.as_ref();
        self.shared.check_capacity(&running, user, run.background)?;
        let channel = Arc::new(RunChannel::new(run.last_event));
        running.insert(run.id.clone(), RunningRun::new(run, &channel));
        self.shared.run_arrived.notify_one();
        Ok(channel)
    }

    fn spawn(
        &self,
        run: RunSpec,
        channel: Arc<RunChannel>,
        first: Option<(InsertRun, StoredRun)>,
        stream: Option<StreamPermit>,
    ) -> Finished {
        let (finished_sender, finished) = oneshot::channel();
        let shared = self.shared.clone();
        let run = Box::new(run);
        let lease = run.lease.map(|lease| (run.id.clone(), lease));
        let permit = RunPermit {
            shared: shared.clone(),
            id: run.id.clone(),
            channel: channel.clone(),
            _slot: stream,
        };
        // `runs` tracks this task; `drain_runs` waits until its entry is gone.
        tokio::spawn(async move {
            if let Some((insert, stored_sender)) = first {
                // Storing a lease may have to wait for another server, so this write gets a transaction of its own.
                let stored = match run.lease {
                    None => shared.store.write(insert).await,
                    Some(_) => shared.store.write_alone(insert).await,
                };
                let failed = stored.is_err();
                // The client may have disconnected, in which case its guard stops the run.
                let _ = stored_sender.send(stored);
                if failed {
                    return;
                }
            }
            let over = runner::run(&shared, run, &channel).await;
            if let (None, Some((id, lease))) = (&over, lease) {
                shared.free_lease(id, lease).await;
            }
            let (outcome, rest) = over.map_or((None, None), |over| {
                shared.queue_settlement(over.settled_call);
                (Some(over.outcome), over.pending_store)
            });
            let Some(rest) = rest else {
                drop(permit);
                // Nobody waits for the outcome of a detached run.
                let _ = finished_sender.send(outcome);
                return;
            };
            let _ = finished_sender.send(outcome);
            rest.store(|| shared.run_slots.is_closed()).await;
            drop(permit);
        });
        Finished(finished)
    }

    /// Cancels a run. Returns false if the run is not active on this server.
    pub fn cancel(&self, id: &AnalysisId, reason: &str) -> bool {
        let running = self.shared.runs().get(id).cloned();
        running.map(|run| run.channel.cancel(reason)).is_some()
    }

    /// Finishes a run early: its answer is written from the answers received so far. Returns false if the run is not
    /// active on this server.
    pub fn finish_early(&self, id: &AnalysisId) -> bool {
        let running = self.shared.runs().get(id).cloned();
        running
            .map(|run| run.channel.request_finish_early())
            .is_some()
    }

    /// Skips a model in the current stage of a run. Returns false if the run is not active on this server.
    pub fn skip_model(&self, id: &AnalysisId, model: &str) -> bool {
        let running = self.shared.runs().get(id).cloned();
        running.map(|run| run.channel.request_skip(model)).is_some()
    }

    /// Waits until a run has started since the last call. Supports one waiter at a time.
    pub async fn wait_for_run(&self) {
        self.shared.run_arrived.notified().await;
    }

    /// Returns the users of all active and waiting runs, including relayed calls. May contain duplicates.
    pub fn users(&self) -> Vec<UserId> {
        let running = self.shared.runs();
        running
            .values()
            .filter_map(|run| run.user.clone())
            .collect()
    }

    /// Cancels all runs of a user, including relayed calls.
    pub fn cancel_all_of(&self, user: &UserId, reason: &str) {
        let running = self.shared.runs();
        let is_own = |run: &&RunningRun| run.user.as_ref() == Some(user);
        for run in running.values().filter(is_own) {
            run.channel.cancel(reason);
        }
    }

    /// Explains the cache misses of calls: returns each call's cache key, and why no answer to the call had been cached
    /// before `before`.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub async fn cache_misses(
        &self,
        user: &UserId,
        calls: &[ModelRequest],
        before: Timestamp,
    ) -> Result<Vec<(String, CacheMiss)>, StoreError> {
        let mut misses = Vec::with_capacity(calls.len());
        for request in calls {
            let owner = answer_cache::owner(&self.shared, user, request);
            let key = answer_cache::key(&self.shared, user, request);
            let find_fields =
                move |db: &Reader| kept::fields_of(db, &owner, before, MAX_COMPARED_ANSWERS);
            let stored_hashes = self.shared.store.read(find_fields).await?;
            misses.push((key.digest, nearest_entry(&key.fields, &stored_hashes)));
        }
        Ok(misses)
    }

    /// Follows a run's events after the given sequence number: first the stored ones, then new ones.
    pub fn watch(&self, id: AnalysisId, after: u64) -> RunWatch {
        let running = self.shared.runs().get(&id).cloned();
        RunWatch::new(
            self.shared.clone(),
            running.map(|run| run.channel),
            id,
            after,
        )
    }

    /// Returns a user's budget status, including reservations of active runs.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub async fn budget_status(&self, user: &UserId) -> Result<BudgetStanding, StoreError> {
        self.shared.reservations.status(user).await
    }

    /// Reserves an amount for something other than a run.
    ///
    /// # Errors
    /// Returns the reason if a budget has no room for the amount.
    pub async fn reserve(
        &self,
        user: &UserId,
        amount: UsageAmount,
    ) -> Result<ReservedAmount, String> {
        ReservedAmount::reserve(self.shared.reservations.clone(), user, amount).await
    }

    /// Returns the number of active and waiting runs, including relayed calls.
    pub fn run_count(&self) -> usize {
        self.shared.runs().len()
    }

    /// Refuses new runs from now on; waiting runs leave the queue.
    pub fn stop_accepting(&self) {
        self.shared.run_slots.close();
        self.shared.streams.close();
    }

    /// Refuses new runs, waits up to `limit` for active ones, and then checkpoints the rest: their stored state is
    /// kept, and they are resumed at the next start or by another server on the database. Also records the pending
    /// usage of relayed calls.
    pub async fn drain_runs(&self, limit: Duration) {
        self.wait_for_runs(limit).await;
        self.record_passthrough_usage().await;
    }

    async fn wait_for_runs(&self, limit: Duration) {
        self.stop_accepting();
        let until = tokio::time::Instant::from_std(clock::instant() + limit);
        loop {
            let left = self.shared.run_left.notified();
            if self.shared.is_idle() {
                return;
            }
            if tokio::time::timeout_at(until, left).await.is_err() {
                break;
            }
        }
        let channels: Vec<Arc<RunChannel>> = self
            .shared
            .runs()
            .values()
            .map(|run| run.channel.clone())
            .collect();
        for channel in channels {
            channel.checkpoint();
        }
        // A checkpoint is a single write. The timeout guards against a hanging disk.
        let _ = tokio::time::timeout(Duration::from_secs(2), async {
            loop {
                let left = self.shared.run_left.notified();
                if self.shared.is_idle() {
                    return;
                }
                left.await;
            }
        })
        .await;
    }
}

impl RunningRun {
    fn new(run: &RunSpec, channel: &Arc<RunChannel>) -> Self {
        Self {
            user: run.user.clone(),
            channel: channel.clone(),
            background: run.background,
            is_relayed: run.relay.is_some(),
            is_awaited: run.is_awaited,
        }
    }
}

impl EngineShared {
    /// Checks whether another run of a user may be accepted. Relayed calls have separate limits.
    fn check_capacity(
        &self,
        running: &RunMap,
        user: Option<&UserId>,
        background: bool,
    ) -> Result<(), RunRefused> {
        if self.run_slots.is_closed() {
            return Err(RunRefused::Closing);
        }
        let runs = running.values().filter(|other| !other.is_relayed);
        if runs.clone().count() >= self.settings.max_runs + MAX_WAITING {
            return Err(RunRefused::Full);
        }
        let is_own = |other: &&RunningRun| other.user.as_ref() == user && !other.background;
        if runs.filter(is_own).count() >= MAX_RUNS_PER_USER && !background {
            return Err(RunRefused::TooMany);
        }
        Ok(())
    }

    fn is_idle(&self) -> bool {
        self.runs().is_empty() && self.jobs.load(Ordering::Relaxed) == 0
    }
    fn runs(&self) -> std::sync::MutexGuard<'_, RunMap> {
        // No code panics while holding the lock; even if it did, the map would still be consistent.
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
