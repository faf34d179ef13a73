//! Storage in SQLite or PostgreSQL. No other folder contains SQL. There is one writer thread and a few reader threads,
//! one file per topic, and one function per query, in the SQL that both engines understand. Code for a single engine is
//! in that engine's folder. This folder makes no decisions about features.
//!
//! A closure passed to `read` or `write` runs within one transaction, which it may share with closures queued at the
//! same time. It runs on a thread of the store, so it must own the values that it uses. A queued write is completed
//! even if its caller goes away.

pub mod analyses;
pub mod api_keys;
pub mod archive;
pub mod audit;
pub mod budgets;
pub mod cache_savings;
pub mod cached_answers;
pub mod call_log;
pub mod commit_times;
pub mod comparisons;
mod connection;
mod disk;
mod disk_reserve;
pub mod documents;
mod engine;
mod error;
pub mod events;
pub mod experiments;
mod health;
pub mod idempotency;
pub mod imported;
pub mod invites;
mod job_queue;
mod maintenance;
pub mod meaning_search;
mod membership;
pub mod model_records;
mod params;
pub mod passage_vectors;
pub mod passages;
pub mod password_resets;
pub mod patterns;
mod postgres;
pub mod projects;
pub mod providers;
mod readers;
pub mod reading_queue;
pub mod recipes;
mod row;
mod search;
mod serving;
pub mod sessions;
pub mod settings;
pub mod sign_in_networks;
mod sqlite;
pub mod thread_list;
pub mod threads;
mod totals;
pub mod transfer;
pub mod turn_texts;
pub mod uploads;
pub mod usage;
pub mod users;
mod values;
mod version;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, OnceLock};

use tokio::sync::{oneshot, watch};

use crate::clock;
use engine::OpenedDatabase;
use sqlite::{backup, wal_follower};

pub use connection::{Reader, Writer};
pub use disk_reserve::{DiskState, inspect_disk};
pub use error::{OpenError, Result, StoreError};
pub use membership::Membership;
pub use postgres::direct_connection::DirectConnection;
pub use postgres::legacy_server_lock::EARLIER_SERVER;
pub use postgres::notices::NoticeWatch;
pub use postgres::status::{DatabaseServerStatus, LiveServer};
pub use postgres::{original_sizes, originals, reservations, servers, upload_bytes};
pub use sqlite::backup::{BackupError, Verified, checkpoint_log, verify};
pub use sqlite::wal_check::check_log;
pub use sqlite::wal_follower::{HeldSnapshot, WalFollower};
pub use version::{APPLICATION_ID, VERSION};

/// Where the database file is.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// The database file. Its folder must exist.
    pub path: PathBuf,
}

/// Addresses of a database on a PostgreSQL server.
#[derive(Debug, Clone, Copy)]
pub struct ServerAddresses<'a> {
    /// Address of the database, which may lead through a pooler.
    pub database: &'a str,
    /// Address of the same database that bypasses the pooler, if there is one.
    pub direct: Option<&'a str>,
    /// PEM text with certificate authorities that replace the built-in ones.
    pub authorities: Option<&'a str>,
}

/// Returns the version of the linked SQLite.
pub fn engine_version() -> &'static str {
    sqlite::version()
}

/// A handle to the database. Cheap to clone. The threads end when the store is closed or the last clone is dropped.
#[derive(Clone)]
pub struct Store(Arc<StoreInner>, WriteKind);

/// The purpose of the writes that a handle makes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WriteKind {
    /// Any change.
    Any,
    /// Changes that a full disk must not prevent, such as signing in and deleting.
    FreesSpace,
    /// Probes that change nothing.
    NoChange,
}

struct StoreInner {
    path: PathBuf,
    engine: String,
    connector: Arc<engine::DatabaseConnector>,
    backup_before_migration: Option<PathBuf>,
    readers: readers::ReadPool,
    write_queue: Arc<job_queue::WriteQueue<writer::WriteJob>>,
    commit_queue: watch::Receiver<bool>,
    health: Arc<health::StoreHealth>,
    commit_times: Arc<commit_times::CommitTimes>,
    membership: OnceLock<Membership>,
}

impl Drop for StoreInner {
    fn drop(&mut self) {
        self.readers.queue.close();
        self.write_queue.close();
    }
}

impl Store {
    /// Opens a database file, after creating or migrating it if necessary. Blocks.
    ///
    /// # Errors
    /// Returns [`OpenError`] if the file is unusable, newer, or locked, or if the migration fails.
    pub fn open(settings: &StoreSettings) -> std::result::Result<Self, OpenError> {
        Self::open_followed(settings, None)
    }

    /// Opens a database file like [`Store::open`]. The follower reads the write-ahead log from its beginning.
    ///
    /// # Errors
    /// Same as [`Store::open`].
    pub fn open_followed(
        settings: &StoreSettings,
        follower: Option<Box<dyn WalFollower>>,
    ) -> std::result::Result<Self, OpenError> {
        let opened_database = OpenedDatabase::sqlite(&settings.path, follower.is_some())?;
        let log = wal_follower::WalLog::new(&settings.path, &opened_database.db, follower);
        Self::start(opened_database, Some(log), settings.path.clone())
    }

    /// Connects to a PostgreSQL server like [`Store::open_on_server`], but without a direct address.
    ///
    /// # Errors
    /// Same as [`Store::open_on_server`].
    pub fn open_postgres(
        address: &str,
        authorities: Option<&str>,
        folder: &Path,
    ) -> std::result::Result<Self, OpenError> {
        let addresses = ServerAddresses {
            database: address,
            direct: None,
            authorities,
        };
        Self::open_on_server(addresses, folder)
    }

    /// Connects to a PostgreSQL server, after creating the tables if necessary. `folder` is the data folder, whose disk
    /// is monitored. Blocks.
    ///
    /// # Errors
    /// Returns [`OpenError`] if the server is unreachable, if the database is newer or belongs to another program, or
    /// if the direct address leads to a different database.
    pub fn open_on_server(
        addresses: ServerAddresses<'_>,
        folder: &Path,
    ) -> std::result::Result<Self, OpenError> {
        let opened_database = OpenedDatabase::postgres(addresses)?;
        Self::start(opened_database, None, folder.join("quire.db"))
    }

    /// Starts the writer thread and the pool of readers.
    fn start(
        opened: OpenedDatabase,
        log: Option<wal_follower::WalLog>,
        path: PathBuf,
    ) -> std::result::Result<Self, OpenError> {
        let changes = Arc::new(job_queue::WriteQueue::new());
        let health = Arc::new(health::StoreHealth::default());
        let (end, end_receiver) = watch::channel(false);
        let times = Arc::new(commit_times::CommitTimes::default());
        let taken = Arc::clone(&times);
        let (queue, store_health) = (Arc::clone(&changes), Arc::clone(&health));
        let (db, connector) = (opened.db, Arc::clone(&opened.connector));
        std::thread::Builder::new()
            .name("quire-writer".into())
            .stack_size(512 * 1024)
            .spawn(move || {
                let reopen = || connector.writer();
                writer::run_writer(db, log, &queue, &store_health, &taken, reopen);
                end.send_replace(true);
            })
            .map_err(|error| OpenError::Failed(format!("no thread: {error}")))?;
        let readers = readers::ReadPool::new(Arc::clone(&opened.connector), Arc::clone(&health));
        Ok(Self(
            Arc::new(StoreInner {
                path,
                engine: opened.engine,
                connector: opened.connector,
                backup_before_migration: opened.backup,
                readers,
                write_queue: changes,
                commit_queue: end_receiver,
                health,
                commit_times: times,
                membership: OnceLock::new(),
            }),
            WriteKind::Any,
        ))
    }

    /// Returns the engine and its version, such as `PostgreSQL 15.18`.
    pub fn engine(&self) -> &str {
        &self.0.engine
    }

    /// Returns whether the database is a local file instead of being on a server.
    pub fn is_embedded(&self) -> bool {
        matches!(*self.0.connector, engine::DatabaseConnector::Sqlite { .. })
    }

    /// Returns the path of the backup made before a migration, if there was one.
    pub fn backup_before_migration(&self) -> Option<&Path> {
        self.0.backup_before_migration.as_deref()
    }

    /// Runs queries. All statements of a closure see the same snapshot of the database.
    ///
    /// # Errors
    /// Returns the closure's own error, or `Closed` or `Failed` if the closure could not run.
    pub async fn read<T, F>(&self, ask: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Reader) -> Result<T> + Send + 'static,
    {
        let (answer, answer_receiver) = oneshot::channel();
        let job = self.0.readers.job(ask, move |result| {
            let _ = answer.send(result);
        });
        self.0.readers.queue.put(job).await.map_err(closed_error)?;
        answer_receiver.await.unwrap_or_else(|_| Err(gone_error()))
    }

    /// Makes changes. Returns once they are safely on disk. After an error, nothing has changed.
    ///
    /// # Errors
    /// Returns the closure's own error, `Full` if the disk is full, or `Closed` or `Failed` if the closure could not
    /// run.
    pub async fn write<T, F>(&self, change: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Writer) -> Result<T> + Send + 'static,
    {
        self.queue_change(change, writer::WriteJob::Change).await
    }

    async fn queue_change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Writer) -> Result<T> + Send + 'static,
        job: fn(writer::Work) -> writer::WriteJob,
    ) -> Result<T> {
        let change = self.admit_change(change)?;
        let (answer, answer_receiver) = oneshot::channel();
        let work = writer::work(change, move |result| {
            let _ = answer.send(result);
        });
        self.0
            .write_queue
            .put(job(work))
            .await
            .map_err(closed_error)?;
        answer_receiver.await.unwrap_or_else(|_| Err(gone_error()))
    }

    /// Connects for reading in the background, so that the first query does not have to wait for it.
    pub fn connect_early(&self) {
        self.0.readers.connect_early();
    }

    /// Runs queries like [`Store::read`], but blocks. Must not be called on the async runtime.
    ///
    /// # Errors
    /// Same as [`Store::read`].
    pub fn read_now<T, F>(&self, ask: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Reader) -> Result<T> + Send + 'static,
    {
        let (answer, answer_receiver) = sync_channel(1);
        let job = self.0.readers.job(ask, move |result| {
            let _ = answer.send(result);
        });
        self.0.readers.queue.put_now(job).map_err(closed_error)?;
        answer_receiver.recv().unwrap_or_else(|_| Err(gone_error()))
    }

    /// Makes changes like [`Store::write`], but blocks. Must not be called on the async runtime.
    ///
    /// # Errors
    /// Same as [`Store::write`].
    pub fn write_now<T, F>(&self, change: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Writer) -> Result<T> + Send + 'static,
    {
        let change = self.admit_change(change)?;
        let (answer, answer_receiver) = sync_channel(1);
        let work = writer::work(change, move |result| {
            let _ = answer.send(result);
        });
        let job = writer::WriteJob::Change(work);
        self.0.write_queue.put_now(job).map_err(closed_error)?;
        answer_receiver.recv().unwrap_or_else(|_| Err(gone_error()))
    }

    /// Checks that the last read and the last commit succeeded. Costs nothing.
    ///
    /// # Errors
    /// Returns `Closed`, or `Failed` with a description of the problem.
    pub fn check(&self) -> Result<()> {
        if *self.0.commit_queue.borrow() {
            return Err(closed_error(job_queue::QueueClosed));
        }
        self.0.health.check()
    }

    /// Returns the histogram of commit times, and the number of queued changes.
    pub fn commits(&self) -> (commit_times::CommitTimesSnapshot, usize) {
        (self.0.commit_times.snapshot(), self.0.write_queue.length())
    }

    /// Tests reading and writing with real statements, which refreshes the state that `check` reports. The write
    /// changes nothing. If the database was found to be damaged, scans all of it, at most every half minute, because
    /// only a scan can prove that it is intact again. If a commit failed for lack of space, rewrites a page without
    /// changing it.
    ///
    /// # Errors
    /// Same as [`Store::check`].
    pub async fn probe(&self) -> Result<()> {
        let health = &self.0.health;
        if health.is_damaged() && health.begin_scan(clock::instant()) {
            let (path, store_health) = (self.0.path.clone(), Arc::clone(health));
            // The thread itself records the end of the scan, because this future may be dropped earlier.
            let scan = tokio::task::spawn_blocking(move || {
                if backup::is_intact(&path) {
                    store_health.record_repair();
                }
                store_health.record_scan(clock::instant());
            });
            let _ = scan.await;
        }
        self.read(engine::read_tables).await?;
        let writing = Self(Arc::clone(&self.0), WriteKind::NoChange);
        writing.write(|_| Ok(())).await?;
        if health.is_out_of_space() {
            match writing.write(engine::rewrite_version).await {
                Ok(()) => health.record_successful_commit(),
                // This is reported as a problem of the disk, not of the database.
                Err(StoreError::Full) => {}
                Err(error) => return Err(error),
            }
        }
        self.check()
    }

    /// Reads the first page of each table. Returns a description of the damage found, if any. Blocks.
    ///
    /// # Errors
    /// Returns an error if the tables cannot be read for any reason other than damage.
    pub fn find_damage(&self) -> Result<Option<String>> {
        self.read_at_start(|db| match engine::read_tables(db) {
            Err(error) if db.is_damaged() => Ok(Some(error.to_string())),
            Err(StoreError::Failed(why)) if why.contains("no such table") => Ok(Some(why)),
            read => read.map(|()| None),
        })
    }

    /// Returns a handle for changes that a full disk must not prevent, such as deletions. The disk reserve is released
    /// for them.
    pub fn with_reserve(&self) -> Self {
        Self(Arc::clone(&self.0), WriteKind::FreesSpace)
    }

    /// Wraps a change for the writer thread. Fails if there is not enough disk space for this kind of change.
    fn admit_change<T>(
        &self,
        change: impl FnOnce(&Writer) -> Result<T> + Send + 'static,
    ) -> Result<impl FnOnce(&Writer) -> Result<T> + Send + 'static> {
        let frees_space = self.1 == WriteKind::FreesSpace;
        let health = &self.0.health;
        if self.1 == WriteKind::Any
            && health
                .disk_watch
                .get()
                .is_some_and(disk_reserve::DiskWatch::is_for_freeing_only)
        {
            return Err(StoreError::Full);
        }
        let health = frees_space.then(|| Arc::clone(health));
        Ok(move |db: &Writer| {
            if let Some(room) = health.as_ref().and_then(|health| health.disk_watch.get()) {
                room.release_reserve();
            }
            change(db)
        })
    }

    /// Refuses new changes, makes the queued ones, lets the follower read the write-ahead log, and then truncates it.
    /// Reads still work afterward. Blocks.
    pub fn close_for_writes(&self) {
        self.0.write_queue.close();
        while !*self.0.commit_queue.borrow() && self.0.commit_queue.has_changed().is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// Refuses new jobs, finishes the queued ones, and truncates the write-ahead log. May be called repeatedly and on
    /// any clone.
    pub async fn close(&self) {
        self.0.readers.queue.close();
        self.0.write_queue.close();
        let mut end_receiver = self.0.commit_queue.clone();
        // An error also means that the thread has ended.
        let _ = end_receiver.wait_for(|has_ended| *has_ended).await;
    }
}

fn closed_error(_: job_queue::QueueClosed) -> StoreError {
    StoreError::Closed
}

/// Returns the error for a dropped reply channel, which means that the closure panicked or its thread ended.
fn gone_error() -> StoreError {
    StoreError::Failed("the closure panicked".into())
}

#[cfg(test)]
mod tests;
