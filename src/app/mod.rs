//! Use cases: everything a person or a program can ask for. Knows nothing of HTTP or terminals.

pub mod accounts;
pub mod admin;
pub mod analyses;
pub mod api_keys;
pub mod archive;
pub mod backup;
pub mod backups;
pub mod cache;
#[cfg(test)]
mod clock_tests;
pub mod completions;
mod confines;
pub mod doctor;
pub mod documents;
pub mod embeddings;
pub mod error;
pub mod experiments;
pub mod fallbacks;
pub mod folder;
pub mod health;
mod locks;
pub mod mcp;
pub mod models;
pub mod patterns;
mod plan;
pub mod providers;
pub mod recipes;
pub mod remote;
pub mod repeats;
pub mod replica;
pub mod room;
mod swap;
mod upkeep;
pub mod usage;
pub mod visit;
pub mod worth;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::clock;
use crate::config::{Config, Environment};
use crate::crypto;
use crate::domain::pattern::stored::StoredPattern;
use crate::domain::time::Timestamp;
use crate::engine::{self, Engine};
use crate::llm::Llm;
use crate::log;
use crate::replica::replicator::Replicator;
use crate::store::{self, Store};

pub use error::{Error, Kind, Result};

/// Everything that lives as long as the process.
pub struct App {
    /// As it was checked at the start.
    pub config: Config,
    /// The database.
    pub store: Store,
    /// The runs under way.
    pub engine: Engine,
    /// The door to the models.
    pub llm: Llm,
    /// When the process started.
    pub started: Timestamp,
    // Marks the fence around documents.
    secret: String,
    // The program's and its folder's.
    patterns: Vec<StoredPattern>,
    accounts: accounts::Accounts,
    documents: documents::DocumentService,
    // Archives are imported one at a time.
    imports: Arc<tokio::sync::Semaphore>,
    experiments_desk: experiments::ExperimentRegistry,
    fallbacks: Mutex<fallbacks::Chains>,
    // What the stored providers looked like when they were last read.
    providers_mark: Mutex<(i64, i64)>,
    // Keys under which requests are being answered.
    underway: repeats::Underway,
    // What API keys may spend that is not on record yet.
    grants: Arc<confines::KeyReservations>,
    // Connections are asked to close, one after another: another process takes over.
    leaving: AtomicBool,
    // Since when the server is stopping.
    stopping: OnceLock<Instant>,
    replica: Option<Replicator>,
    backups: backups::BackupStatus,
}

impl App {
    /// Opens the store, making or migrating it. Must be called within a tokio runtime.
    pub fn open(config: Config) -> Result<Arc<Self>> {
        let opened = folder::open(&config)?;
        Self::of(config, opened, true)
    }

    /// The same for reading and deleting while a server may be using the folder: its temporary files stay.
    ///
    /// # Errors
    /// As [`folder::open_existing`].
    pub fn open_beside(config: Config) -> Result<Arc<Self>> {
        let opened = folder::open_existing(&config)?;
        Self::of(config, opened, false)
    }

    /// The same for a server: the replica is kept up where one is set. Blocks while the replica is fetched.
    pub fn open_to_serve(config: Config) -> Result<Arc<Self>> {
        let opened = folder::open_to_serve(&config)?;
        opened.store.keep_room(config.limits.min_free);
        if opened
            .store
            .disk()
            .is_some_and(|disk| disk.is_reserve_blocked)
        {
            crate::log::warn(room::RESERVE_BLOCKED, &[]);
        }
        Self::of(config, opened, true)
    }

    fn of(config: Config, opened: folder::OpenedFolder, is_alone: bool) -> Result<Arc<Self>> {
        let folder::OpenedFolder {
            store,
            secret,
            prepared,
        } = opened;
        let patterns = patterns::open(&config)?;
        let settings = accounts::AccountSettings::of(&config, &secret)?;
        let accounts = accounts::Accounts::new(store.clone(), &settings);
        let settings = documents::settings(&config)?;
        if is_alone {
            documents::clear_temporary(&config.data_dir);
        }
        let documents =
            documents::DocumentService::open(&config.data_dir, store.clone(), settings)?;
        let llm = Llm::new(models::settings(&config));
        let settings = engine::EngineSettings {
            max_runs: config.limits.max_runs,
            cache: engine::CacheLimits {
                ttl: config.cache_ttl,
                bytes: config.cache_bytes,
                is_shared: config.cache_shared,
            },
            limits: config.budgets,
        };
        let engine = Engine::new(store.clone(), llm.clone(), settings);
        let replica = prepared
            .map(|prepared| prepared.start(store.clone()))
            .transpose()?;
        if let Some(replica) = &replica {
            documents.shelf().fetch_from(replica.originals());
        }
        Ok(Arc::new(Self {
            config,
            store,
            engine,
            llm,
            started: clock::now(),
            secret,
            patterns,
            accounts,
            documents,
            imports: Arc::new(tokio::sync::Semaphore::new(1)),
            experiments_desk: experiments::ExperimentRegistry::default(),
            fallbacks: Mutex::default(),
            providers_mark: Mutex::default(),
            underway: repeats::Underway::default(),
            grants: Arc::default(),
            leaving: AtomicBool::new(false),
            stopping: OnceLock::new(),
            replica,
            backups: backups::BackupStatus::default(),
        }))
    }

    /// Clears up what a crash has left, and goes on with what it has interrupted.
    pub async fn resume(self: &Arc<Self>) {
        if let Err(fault) = self.notice_providers().await {
            log::error("stored providers could not be read", &[("fault", &fault)]);
        }
        if let Err(fault) = self.load_fallbacks().await {
            log::error("stored fallbacks could not be read", &[("fault", &fault)]);
        }
        if let Err(fault) = self.documents.tidy(clock::now()).await {
            log::error(
                "files and rows of documents could not be compared",
                &[("fault", &fault)],
            );
        }
        if let Err(fault) = self.documents.resume() {
            log::error("documents cannot be read", &[("fault", &fault)]);
        }
        if let Err(fault) = self.analyses().resume().await {
            log::error(
                "interrupted analyses could not be resumed",
                &[("fault", &fault)],
            );
        }
        if let Err(fault) = self.experiments().resume_all().await {
            log::error(
                "interrupted experiments could not be resumed",
                &[("fault", &fault)],
            );
        }
    }

    /// Analyses: start, follow, read, stop.
    pub fn analyses(&self) -> analyses::Analyses<'_> {
        analyses::Analyses(self)
    }

    /// Experiments: which setting is best.
    pub fn experiments(self: &Arc<Self>) -> experiments::Experiments<'_> {
        experiments::Experiments(self)
    }

    /// Stored answers.
    pub fn cache(&self) -> cache::CacheService<'_> {
        cache::CacheService(self)
    }

    /// What programs ask that speak to single models.
    pub fn completions(&self) -> completions::Completions<'_> {
        completions::Completions(self)
    }

    /// Usage and budgets.
    pub fn usage(&self) -> usage::UsageService<'_> {
        usage::UsageService(self)
    }

    /// Whether panels pay.
    pub fn worth(&self) -> worth::Comparisons<'_> {
        worth::Comparisons(self)
    }

    /// Models and providers.
    pub fn models(&self) -> models::ModelService<'_> {
        models::ModelService(self)
    }

    /// Patterns: which there are for whom.
    pub fn patterns(&self) -> patterns::Patterns<'_> {
        patterns::Patterns(self)
    }

    /// What programs do here as users of tools.
    pub fn mcp(&self) -> mcp::Mcp<'_> {
        mcp::Mcp(self)
    }

    /// Recipes.
    pub fn recipes(&self) -> recipes::Recipes<'_> {
        recipes::Recipes(self)
    }

    /// Nothing but demo models: nobody has configured or added a provider for everyone.
    pub fn is_demo_only(&self) -> bool {
        !self.llm.has_house_provider()
    }

    /// Whether people without an account may run analyses (on demo models only).
    pub fn allows_anonymous(&self) -> bool {
        let offline = self.is_demo_only() && self.config.environment != Environment::Production;
        self.config.allow_anonymous.unwrap_or(offline)
    }

    /// Accounts, keys and administration.
    pub fn accounts(&self) -> &accounts::Accounts {
        &self.accounts
    }

    /// Documents: take in, read, search, delete.
    pub fn documents(&self) -> &documents::DocumentService {
        &self.documents
    }

    /// Waits for a good moment to stop, while everything goes on: until clients have been told that their
    /// connections end, and nobody waits for an answer; half the time that a stop may take at most. For when
    /// somebody else is there for the connections that come.
    pub async fn leave(&self) {
        /// Within this, a client that is busy has asked again and been told.
        const TELL: Duration = Duration::from_secs(1);
        const LOOK: Duration = Duration::from_millis(50);
        self.leaving.store(true, Relaxed);
        let limit = self.config.limits.shutdown_timeout / 2;
        let begun = clock::instant();
        tokio::time::sleep(TELL.min(limit)).await;
        while !self.engine.is_quiet() && begun.elapsed() < limit {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Whether answers tell clients that their connection ends.
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Relaxed) || self.stopping.get().is_some()
    }

    /// The server has been told to stop: no new runs, and the time for those under way begins.
    pub fn stopping(&self) {
        self.stopping.get_or_init(clock::instant);
        self.engine.refuse();
    }

    /// Takes no new runs, waits for those under way, leaves the rest for the next start, closes the store.
    pub async fn close(self: &Arc<Self>) {
        let since = *self.stopping.get_or_init(clock::instant);
        let used = clock::instant().saturating_duration_since(since);
        let limit = self.config.limits.shutdown_timeout.saturating_sub(used);
        self.engine.drain(limit).await;
        self.finish_replica(since + self.config.limits.shutdown_timeout)
            .await;
        self.store.close().await;
    }
}

impl From<store::StoreError> for Error {
    fn from(fault: store::StoreError) -> Self {
        use store::StoreError::{Busy, Closed, Conflict, Failed, Full, Missing};
        match fault {
            Missing => Error::missing(),
            Conflict(what) => Error::new(Kind::Conflict, format!("{what} already exists")),
            Busy => Error::new(Kind::Unavailable, "the database is busy")
                .resolve("try again in a moment"),
            Full => {
                let why = "the server's disk is full: nothing was stored";
                Error::new(Kind::Unavailable, why)
                    .resolve("an administrator has to make room on it; then try again")
            }
            Closed => Error::new(
                Kind::Unavailable,
                "this server stores nothing more: it is stopping, or a newer one has taken over",
            )
            .resolve("try again in a moment"),
            Failed(private) => Error::internal(private),
        }
    }
}

impl From<crypto::Error> for Error {
    fn from(fault: crypto::Error) -> Self {
        Error::internal(format!("{fault:?}"))
    }
}
