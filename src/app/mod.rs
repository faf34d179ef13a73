//! Use cases: everything a user or an API client can request. Independent of HTTP and terminals.

mod account_state;
pub mod accounts;
pub mod admin;
pub mod analyses;
pub mod api_keys;
pub mod archive;
pub mod backups;
pub mod cache;
#[cfg(test)]
mod clock_tests;
pub mod completions;
mod dead_servers;
pub mod disk_space;
pub mod documents;
pub mod embeddings;
pub mod error;
pub mod experiments;
pub mod fallbacks;
pub mod folder;
pub mod health;
mod housekeeping;
pub mod idempotency;
pub mod input_file;
mod key_limits;
mod locks;
pub mod mcp;
pub mod meaning_search;
mod memory_based_defaults;
pub mod models;
pub mod offline;
mod older_turns;
pub mod panel_vs_single;
pub mod patterns;
pub mod projects;
pub mod providers;
pub mod recipes;
mod replace_database;
pub mod replica;
pub mod request_origin;
mod servers;
mod services;
mod side_charges;
pub mod threads;
pub mod usage;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::clock;
use crate::config::{Config, Environment};
use crate::crypto;
use crate::crypto::vault::Vault;
use crate::domain::time::Timestamp;
use crate::engine::{self, Engine};
use crate::llm::Llm;
use crate::log;
use crate::replica::replicator::Replicator;
pub use crate::shared_limits::{RedisState, RedisStatus, SharedLimits};
use crate::store::{self, Store};

pub use error::{Error, Kind, Result};

/// The process-wide state, from which handlers and commands get the services.
pub struct App {
    /// The validated configuration.
    pub config: Config,
    /// When the process started.
    pub started: Timestamp,
    store: Store,
    // Runs analyses.
    engine: Engine,
    // The language model client.
    llm: Llm,
    // Secret from which the fences around documents in prompts are derived.
    secret: String,
    // Encrypts provider keys.
    vault: Vault,
    // The built-in patterns and those from the folder.
    patterns: patterns::InstallationPatterns,
    accounts: accounts::Accounts,
    documents: documents::DocumentService,
    // Ensures that archives are imported one at a time.
    imports: Arc<tokio::sync::Semaphore>,
    experiment_registry: experiments::ExperimentRegistry,
    fallbacks: Mutex<fallbacks::Chains>,
    // The number of stored providers and the time of their last change, as of the last load.
    providers_version: Mutex<(i64, i64)>,
    embedder: meaning_search::EmbedderState,
    // Idempotency keys of requests being processed.
    idempotency_keys: idempotency::SharedIdempotencyKeys,
    // Amounts reserved by API keys and not yet recorded.
    key_reservations: Arc<key_limits::KeyReservations>,
    // Set while clients are asked to close their connections because another process is taking over.
    is_leaving: AtomicBool,
    // When the server began to shut down.
    stopping_since: OnceLock<Instant>,
    replica: Option<Replicator>,
    backups: backups::BackupStatus,
}

impl App {
    /// Opens the store, creating or migrating it as needed. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Same as [`folder::open`].
    pub fn open(config: Config) -> Result<Arc<Self>> {
        let opened_folder = folder::open(&config)?;
        Self::from_opened(config, opened_folder, true)
    }

    /// Opens the app for reading and deleting while a server may be using the folder. Leaves the server's temporary
    /// files alone.
    ///
    /// # Errors
    /// Same as [`folder::open_existing`].
    pub fn open_alongside_server(config: Config) -> Result<Arc<Self>> {
        let opened_folder = folder::open_existing(&config)?;
        Self::from_opened(config, opened_folder, false)
    }

    /// Opens the app for a server, with replication if a replica is set. Blocks while the replica is restored.
    ///
    /// # Errors
    /// Returns the errors of [`folder::open`]. Also fails if the replica cannot be used.
    pub fn open_to_serve(config: Config) -> Result<Arc<Self>> {
        let opened_folder = folder::open_to_serve(&config)?;
        opened_folder
            .store
            .reserve_disk_space(config.limits.min_free);
        if opened_folder
            .store
            .disk()
            .is_some_and(|disk| disk.is_reserve_blocked)
        {
            crate::log::warn(disk_space::RESERVE_BLOCKED, &[]);
        }
        Self::from_opened(config, opened_folder, true)
    }

    fn from_opened(
        mut config: Config,
        opened: folder::OpenedFolder,
        is_alone: bool,
    ) -> Result<Arc<Self>> {
        memory_based_defaults::fill(&mut config.limits);
        let folder::OpenedFolder {
            store,
            secret,
            prepared,
        } = opened;
        let patterns = patterns::open(&config);
        let settings = accounts::AccountSettings::from_config(&config, &secret)?;
        let limits = SharedLimits::new(
            config.redis.as_ref(),
            config.authorities.as_deref(),
            &secret,
        )
        .map_err(Error::internal)?;
        let mut accounts = accounts::Accounts::new(store.clone(), &settings);
        accounts.share_limits(limits.clone());
        let settings = documents::settings(&config)?;
        if is_alone {
            documents::clear_temporary(&config.data_dir);
            servers::join(&store)?;
            folder::secret_check::check_joined(&store, &secret)?;
        }
        let documents =
            documents::DocumentService::open(&config.data_dir, store.clone(), settings)?;
        let llm = Llm::with_limits(models::settings(&config), limits);
        let settings = engine::EngineSettings {
            max_runs: config.limits.max_runs,
            streams: engine::StreamLimits {
                total: config.limits.max_streams,
                per_user: config.limits.max_streams_per_user,
            },
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
            documents.originals().fetch_from(replica.originals());
        }
        Ok(Arc::new(Self {
            config,
            store,
            engine,
            llm,
            started: clock::now(),
            vault: Vault::new(&secret),
            secret,
            patterns,
            accounts,
            documents,
            imports: Arc::new(tokio::sync::Semaphore::new(1)),
            experiment_registry: experiments::ExperimentRegistry::default(),
            fallbacks: Mutex::default(),
            providers_version: Mutex::default(),
            embedder: meaning_search::EmbedderState::default(),
            idempotency_keys: idempotency::SharedIdempotencyKeys::default(),
            key_reservations: Arc::default(),
            is_leaving: AtomicBool::new(false),
            stopping_since: OnceLock::new(),
            replica,
            backups: backups::BackupStatus::default(),
        }))
    }

    /// Cleans up after a crash and continues interrupted work. Errors are only logged.
    pub async fn resume(self: &Arc<Self>) {
        if let Err(error) = self.discovery().reload_if_changed().await {
            log::error("stored providers could not be read", &[("fault", &error)]);
        }
        if let Err(error) = self.fallbacks().load().await {
            log::error("stored fallbacks could not be read", &[("fault", &error)]);
        }
        // With several servers, the hourly housekeeping of one of them cleans up what they share.
        let is_alone = self.store.is_embedded();
        if let Err(error) = self
            .documents
            .run_housekeeping(clock::now(), is_alone)
            .await
        {
            log::error(
                "files and rows of documents could not be compared",
                &[("fault", &error)],
            );
        }
        if let Err(error) = self.documents.resume().await {
            log::error("documents cannot be read", &[("fault", &error)]);
        }
        if let Err(error) = self.analyses().resume().await {
            log::error(
                "interrupted analyses could not be resumed",
                &[("fault", &error)],
            );
        }
        if let Err(error) = self.experiments().resume_all().await {
            log::error(
                "interrupted experiments could not be resumed",
                &[("fault", &error)],
            );
        }
    }

    /// Whether there are only demo models: no shared provider is configured or added.
    pub fn is_demo_only(&self) -> bool {
        !self.llm.has_shared_provider()
    }

    /// Whether users without an account may run analyses (on demo models only).
    pub fn allows_anonymous(&self) -> bool {
        let offline = self.is_demo_only() && self.config.environment != Environment::Production;
        self.config.allow_anonymous.unwrap_or(offline)
    }

    /// Whether visitors may try documents as guests: only in the offline demo.
    pub fn allows_guests(&self) -> bool {
        self.is_demo_only() && self.allows_anonymous()
    }

    /// Waits until the server can stop without failing requests: clients know that their connections will close, and
    /// no request is running. Waits at most half the shutdown timeout. Used when another process accepts new
    /// connections.
    pub async fn drain_clients(&self) {
        /// Time for an active client to send another request and learn that its connection is closing.
        const NOTICE_PERIOD: Duration = Duration::from_secs(1);
        /// Pause between two checks of whether any request is still running.
        const POLL_INTERVAL: Duration = Duration::from_millis(50);
        self.is_leaving.store(true, Relaxed);
        let limit = self.config.limits.shutdown_timeout / 2;
        let started = clock::instant();
        tokio::time::sleep(NOTICE_PERIOD.min(limit)).await;
        while !self.engine.has_no_interactive_run() && started.elapsed() < limit {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Whether responses tell clients that their connection is closing.
    pub fn is_leaving(&self) -> bool {
        self.is_leaving.load(Relaxed) || self.stopping_since.get().is_some()
    }

    /// Begins the shutdown: accepts no new runs, and starts the timeout for running ones.
    pub fn stopping(&self) {
        self.stopping_since.get_or_init(clock::instant);
        self.engine.stop_accepting();
    }

    /// Rejects new runs, waits for running ones until the shutdown timeout, leaves the rest for the next start, sends
    /// the remaining changes to the replica, and closes the store.
    pub async fn close(self: &Arc<Self>) {
        let since = *self.stopping_since.get_or_init(clock::instant);
        let elapsed = clock::instant().saturating_duration_since(since);
        let limit = self.config.limits.shutdown_timeout.saturating_sub(elapsed);
        self.engine.drain_runs(limit).await;
        self.finish_replica(since + self.config.limits.shutdown_timeout)
            .await;
        if let Some(membership) = self.store.membership() {
            membership.leave().await;
        }
        self.store.close().await;
    }
}

impl From<store::StoreError> for Error {
    fn from(error: store::StoreError) -> Self {
        use store::StoreError::{
            Busy, Closed, Conflict, Failed, Full, Missing, OutOfRange, Unknown,
        };
        match error {
            Missing => Error::missing(),
            Conflict(store::servers::NEWER_LEASE) => {
                Error::new(Kind::Conflict, "another server has taken this run over")
            }
            Conflict(what) => Error::new(Kind::Conflict, format!("{what} already exists")),
            Busy => Error::new(Kind::Unavailable, "the database is busy or cannot be reached")
                .resolve("try again in a moment"),
            Unknown => {
                let error = Error::new(Kind::Unavailable, "the connection to the database was lost: it is unknown whether this was stored")
                    .resolve("check whether it was stored before you try again");
                // A client that repeats the request automatically could store it twice.
                Error {
                    is_final: true,
                    ..error
                }
            }
            Full => {
                let why = "the server's disk is full: nothing was stored";
                Error::new(Kind::Unavailable, why)
                    .resolve("ask an administrator to free disk space, then try again")
            }
            Closed => Error::new(
                Kind::Unavailable,
                "this server no longer accepts changes: it is shutting down, or a newer process has taken over",
            )
            .resolve("try again in a moment"),
            OutOfRange => Error::internal(error),
            Failed(private) => Error::internal(private),
        }
    }
}

impl From<crypto::Error> for Error {
    fn from(error: crypto::Error) -> Self {
        Error::internal(format!("{error:?}"))
    }
}
