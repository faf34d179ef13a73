//! Drives the domain's state machines: starts their calls, stores what comes back, tells whoever
//! watches. Has no rules of its own.

mod answers;
mod background;
mod budget;
mod bus;
mod drive;
mod ended;
mod journal;
mod ledger;
mod unstored;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, oneshot};

use crate::clock;
use crate::domain::analysis::CacheUse;
use crate::domain::chat::{Answer, Image, Request};
use crate::domain::id::{AnalysisId, KeyId, UserId};
use crate::domain::pattern::staged::Staged;
use crate::domain::time::Timestamp;
use crate::domain::usage::{Amount, Limits};
use crate::llm::Llm;
use crate::store::{Reader, Store, StoreError, Writer, answers as kept};

use answers::{Cache, Fields};
pub use answers::{Limits as CacheLimits, Miss};
use budget::Book;
pub use budget::{Aside, KeyFunds, Standing, Terms};
use bus::Hub;
pub use bus::Watch;
pub use ended::{Ended, Unstored};

/// Limits and times.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Analyses that run at once; more wait their turn.
    pub max_runs: usize,
    /// Where the cache ends.
    pub cache: CacheLimits,
    /// What everybody may use for whom nothing else is said.
    pub limits: Limits,
}

/// Analyses that may wait for their turn.
const MAX_WAITING: usize = 64;
/// Of these, analyses of one person; people without an account count as one.
const MAX_OF_ONE: usize = 24;

/// Owns all running analyses.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    store: Store,
    llm: Llm,
    settings: Settings,
    cache: Cache,
    book: Arc<Book>,
    turns: Semaphore,
    runs: Mutex<Runs>,
    /// Woken whenever a run has left `runs`, or a job has ended.
    left: Notify,
    /// Jobs under way.
    jobs: AtomicUsize,
}

/// Stored answers that are compared with a call to say why it was none of them; the newest.
const LOOKED_THROUGH: u32 = 500;

fn nearest(fields: &Fields, kept: &[BTreeMap<String, String>]) -> Miss {
    let differing = kept.iter().map(|hashes| fields.differing(hashes));
    let nearest = differing.min_by_key(Vec::len);
    nearest.map_or(Miss::NothingKept, Miss::Differs)
}

/// A run to be driven.
pub struct Run {
    /// Its id; the analysis is stored already.
    pub id: AnalysisId,
    /// Whose; bounds the cache and receives the usage.
    pub user: Option<UserId>,
    /// New or restored.
    pub machine: Staged,
    /// The API key it was asked with; what it takes is counted there too.
    pub key: Option<KeyId>,
    /// What that key's budget holds for it, where the key has one.
    pub funds: Option<Box<dyn KeyFunds>>,
    /// Use of stored answers, as planned.
    pub cache: CacheUse,
    /// Stored answers that are older than this are not taken.
    pub cache_age: Option<Duration>,
    /// What members that see are shown beside every question.
    pub pictures: Vec<Image>,
    /// What its calls cost, and what they may.
    pub terms: Terms,
    /// Number of the last event stored so far; 0 for a new run.
    pub last_event: u64,
    /// Calls that an earlier run of the same person has made, with what they gave: not made again.
    pub known: Vec<(Request, Answer)>,
    /// Nobody is waiting for it: it was begun by a job, in a lull.
    pub background: bool,
    /// A connection waits for its answer, which is delivered even if it cannot be stored. Other runs end unstored
    /// and resume at the next start.
    pub is_awaited: bool,
}

/// Why a run was not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// As many run and wait as may.
    Full,
    /// As many of one person run and wait as may.
    TooMany,
    /// The server is shutting down.
    Closing,
}

/// Why a run was not begun.
#[derive(Debug)]
pub enum NotStarted {
    /// There is no place for it.
    Refused(Refused),
    /// It could not be stored.
    Store(StoreError),
}

/// Stores a new run: what must have happened before it is driven.
pub type Insert = Box<dyn FnOnce(&Writer) -> crate::store::Result<()> + Send>;
type Stored = oneshot::Sender<crate::store::Result<()>>;
type Runs = HashMap<AnalysisId, Running>;

/// A run that is under way or waits for its turn.
#[derive(Clone)]
struct Running {
    user: Option<UserId>,
    hub: Arc<Hub>,
    background: bool,
}

/// A run's place among those under way. Given back however its task ends, a panic included: whoever waits
/// for the run or for the engine to be empty must not wait for ever.
struct Place {
    shared: Arc<Shared>,
    id: AnalysisId,
    hub: Arc<Hub>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hub.close();
        self.shared.running().remove(&self.id);
        self.shared.left.notify_waiters();
    }
}

impl Engine {
    /// An engine with nothing to do.
    pub fn new(store: Store, llm: Llm, settings: Settings) -> Self {
        let turns = Semaphore::new(settings.max_runs.max(1));
        let shared = Shared {
            book: Arc::new(Book::new(store.clone(), settings.limits)),
            store,
            llm,
            cache: Cache::new(settings.cache.clone()),
            settings,
            turns,
            runs: Mutex::new(HashMap::new()),
            left: Notify::new(),
            jobs: AtomicUsize::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Takes a run: stores it by `insert` and drives it, both in a task of its own, tied to no connection.
    /// A run that is stored is driven, and one that is refused is not stored, whoever leaves meanwhile.
    pub async fn start(&self, run: Run, insert: Insert) -> Result<Finished, NotStarted> {
        let hub = self.take_place(&run).map_err(NotStarted::Refused)?;
        let (tell, stored) = oneshot::channel();
        let finished = self.spawn(run, hub, Some((insert, tell)));
        match stored.await {
            Ok(Ok(())) => Ok(finished),
            Ok(Err(fault)) => Err(NotStarted::Store(fault)),
            Err(_) => Err(NotStarted::Refused(Refused::Closing)),
        }
    }

    /// The same for a run that was stored before the last stop: there is always room for it in the queue.
    pub fn resume(&self, run: Run) -> Finished {
        let hub = Arc::new(Hub::new(run.last_event));
        let entry = Running::of(&run, &hub);
        self.shared.running().insert(run.id.clone(), entry);
        self.spawn(run, hub, None)
    }

    fn take_place(&self, run: &Run) -> Result<Arc<Hub>, Refused> {
        if self.shared.turns.is_closed() {
            return Err(Refused::Closing);
        }
        let mut running = self.shared.running();
        if running.len() >= self.shared.settings.max_runs + MAX_WAITING {
            return Err(Refused::Full);
        }
        let own = (running.values())
            .filter(|other| other.user == run.user && !other.background)
            .count();
        if own >= MAX_OF_ONE && !run.background {
            return Err(Refused::TooMany);
        }
        let hub = Arc::new(Hub::new(run.last_event));
        running.insert(run.id.clone(), Running::of(run, &hub));
        Ok(hub)
    }

    fn spawn(&self, run: Run, hub: Arc<Hub>, first: Option<(Insert, Stored)>) -> Finished {
        let (tell, finished) = oneshot::channel();
        let shared = self.shared.clone();
        let place = Place {
            shared: shared.clone(),
            id: run.id.clone(),
            hub: hub.clone(),
        };
        // Owned by `runs`: `drain` waits for it to leave.
        tokio::spawn(async move {
            if let Some((insert, tell)) = first {
                let stored = shared.store.write(insert).await;
                let failed = stored.is_err();
                // The client may have left; its guard then stops the run.
                let _ = tell.send(stored);
                if failed {
                    return;
                }
            }
            let over = drive::run(&shared, run, &hub).await;
            let (ended, rest) = over.map_or((None, None), |over| (Some(over.ended), over.rest));
            let Some(rest) = rest else {
                drop(place);
                // Nobody may be waiting: an asynchronous run has no one to tell.
                let _ = tell.send(ended);
                return;
            };
            let _ = tell.send(ended);
            rest.store(|| shared.turns.is_closed()).await;
            drop(place);
        });
        Finished(finished)
    }

    /// Asks a run to stop. False when it is not running here.
    pub fn cancel(&self, id: &AnalysisId, reason: &str) -> bool {
        let found = self.shared.running().get(id).cloned();
        found.map(|run| run.hub.cancel(reason)).is_some()
    }

    /// Asks a run to write its answer now, of what is ready. False when it is not running here.
    pub fn hurry(&self, id: &AnalysisId) -> bool {
        let found = self.shared.running().get(id).cloned();
        found.map(|run| run.hub.hurry()).is_some()
    }

    /// Asks a run to go on without this model. False when it is not running here.
    pub fn leave(&self, id: &AnalysisId, model: &str) -> bool {
        let found = self.shared.running().get(id).cloned();
        found.map(|run| run.hub.leave(model)).is_some()
    }

    /// The accounts whose runs are under way or wait.
    pub fn users(&self) -> Vec<UserId> {
        let running = self.shared.running();
        running
            .values()
            .filter_map(|run| run.user.clone())
            .collect()
    }

    /// Asks all runs of an account to stop.
    pub fn cancel_all_of(&self, user: &UserId, reason: &str) {
        let running = self.shared.running();
        let own = |run: &&Running| run.user.as_ref() == Some(user);
        for run in running.values().filter(own) {
            run.hub.cancel(reason);
        }
    }

    /// Of each of these calls, its key and why it was not in the cache before then.
    pub async fn misses(
        &self,
        user: &UserId,
        calls: &[Request],
        before: Timestamp,
    ) -> Result<Vec<(String, Miss)>, StoreError> {
        let mut misses = Vec::with_capacity(calls.len());
        for request in calls {
            let owner = answers::owner(&self.shared, user, request);
            let key = answers::key(&self.shared, user, request);
            let look = move |db: &Reader| kept::fields_of(db, &owner, before, LOOKED_THROUGH);
            let kept = self.shared.store.read(look).await?;
            misses.push((key.whole, nearest(&key.fields, &kept)));
        }
        Ok(misses)
    }

    /// Follows the events of a run after the given number, stored ones first.
    pub fn watch(&self, id: AnalysisId, after: u64) -> Watch {
        let found = self.shared.running().get(&id).cloned();
        Watch::new(
            self.shared.store.clone(),
            found.map(|run| run.hub),
            id,
            after,
        )
    }

    /// Where a person stands with their budgets, what is set aside for their runs included.
    pub async fn standing(&self, user: &UserId) -> Result<Standing, StoreError> {
        self.shared.book.standing(user).await
    }

    /// Sets aside what something may take that is no run, or says why not.
    pub async fn set_aside(&self, user: &UserId, amount: Amount) -> Result<Aside, String> {
        Aside::of(self.shared.book.clone(), user, amount).await
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
            if self.shared.is_idle() {
                return;
            }
            if tokio::time::timeout_at(until, left).await.is_err() {
                break;
            }
        }
        let hubs: Vec<Arc<Hub>> = self
            .shared
            .running()
            .values()
            .map(|run| run.hub.clone())
            .collect();
        for hub in hubs {
            hub.checkpoint();
        }
        // A checkpoint is one write; the second guards against a disk that hangs.
        let _ = tokio::time::timeout(Duration::from_secs(2), async {
            loop {
                let left = self.shared.left.notified();
                if self.shared.is_idle() {
                    return;
                }
                left.await;
            }
        })
        .await;
    }
}

/// The end of a run that was started here.
pub struct Finished(tokio::sync::oneshot::Receiver<Option<Ended>>);

impl Finished {
    /// How it ended; none when it was interrupted by a shutdown and will be resumed.
    pub async fn outcome(self) -> Option<Ended> {
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

impl Running {
    fn of(run: &Run, hub: &Arc<Hub>) -> Self {
        Self {
            user: run.user.clone(),
            hub: hub.clone(),
            background: run.background,
        }
    }
}

impl Shared {
    fn is_idle(&self) -> bool {
        self.running().is_empty() && self.jobs.load(Ordering::Relaxed) == 0
    }
    fn running(&self) -> std::sync::MutexGuard<'_, Runs> {
        // No code panics while it holds the lock; were it ever so, the map would still be whole.
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
