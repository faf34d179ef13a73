//! Maintenance on the writer thread between transactions: frees memory, truncates the write-ahead log, and keeps the
//! database file unchanged while it is copied.

use std::path::Path;
use std::sync::mpsc::sync_channel;

use tokio::sync::oneshot;

use super::connection::{Reader, Writer};
use super::error::Result;
use super::writer::WriteJob;
use super::{BackupError, HeldSnapshot, Store, Verified, backup, closed_error, engine, gone_error};

impl Store {
    /// Checkpoints and truncates the write-ahead log. Afterward, no file contains data that has been deleted.
    ///
    /// # Errors
    /// Returns `Busy` if another connection is using the log, or another error if the database cannot be written.
    pub async fn checkpoint(&self) -> Result<()> {
        self.on_writer(WriteJob::Checkpoint).await
    }

    /// Frees the caches of the writer's connection: pages and compiled statements. Call this after a while without
    /// writes.
    ///
    /// # Errors
    /// Returns `Closed`, or another error if SQLite reports one.
    pub async fn free_cache(&self) -> Result<()> {
        self.between_commits(|db| db.free_cache()).await
    }

    /// Reads a database file through the writer's connection, which is always open. Use this for periodic reads of an
    /// idle server, which would otherwise keep a reader's connection and its memory in use. With a database server,
    /// this is an ordinary read, because writes must not wait for it.
    ///
    /// # Errors
    /// Returns `Closed`, or the error of the query.
    pub async fn read_when_idle<T, F>(&self, ask: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Reader) -> Result<T> + Send + 'static,
    {
        match self.is_embedded() {
            true => self.between_commits(|db| ask(db)).await,
            false => self.read(ask).await,
        }
    }

    async fn between_commits<T: Send + 'static>(
        &self,
        visit: impl FnOnce(&Writer) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.on_writer(|answer| WriteJob::Between(Box::new(move |db| answer(visit(db)))))
            .await
    }

    /// Runs queries on a database file through the writer's connection, between two transactions and not in one
    /// themselves. Meant for startup, when this connection is open and no reader's is; later, it would delay changes.
    /// With a database server, this is an ordinary read, whose duration is limited. Blocks, so it must not be called on
    /// the async runtime.
    ///
    /// # Errors
    /// Same as [`Store::read`].
    pub fn read_at_start<T, F>(&self, ask: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Reader) -> Result<T> + Send + 'static,
    {
        if !self.is_embedded() {
            return self.read_now(ask);
        }
        self.on_writer_now(|answer| WriteJob::Between(Box::new(move |db| answer(ask(db)))))
    }

    async fn on_writer<T: Send + 'static>(
        &self,
        job: impl FnOnce(Box<dyn FnOnce(Result<T>) + Send>) -> WriteJob,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let job = job(Box::new(move |result| {
            let _ = answer.send(result);
        }));
        self.0.write_queue.put(job).await.map_err(closed_error)?;
        answered.await.unwrap_or_else(|_| Err(gone_error()))
    }

    /// Lets the follower read the write-ahead log. Blocks.
    ///
    /// # Errors
    /// Returns `Closed`, or another error if a large log cannot be checkpointed.
    pub fn notify_follower(&self) -> Result<()> {
        self.on_writer_now(WriteJob::NotifyFollower)
    }

    /// Truncates the write-ahead log and keeps the database file unchanged until the returned value is dropped.
    /// Meanwhile, the log grows. Blocks.
    ///
    /// # Errors
    /// Returns [`StoreError::Busy`] if another connection is reading the log, or another error if the database is
    /// unusable.
    pub fn hold_for_snapshot(&self) -> Result<HeldSnapshot> {
        self.on_writer_now(WriteJob::HoldFile)
    }

    fn on_writer_now<T: Send + 'static>(
        &self,
        job: impl FnOnce(Box<dyn FnOnce(Result<T>) + Send>) -> WriteJob,
    ) -> Result<T> {
        let (answer, answered) = sync_channel(1);
        let job = job(Box::new(move |result| {
            let _ = answer.send(result);
        }));
        self.0.write_queue.put_now(job).map_err(closed_error)?;
        answered.recv().unwrap_or_else(|_| Err(gone_error()))
    }

    /// Makes a verified copy of the database file while it is in use. Blocks.
    ///
    /// # Errors
    /// Returns [`BackupError`] if the copy cannot be made or is not intact, or if the database is on a PostgreSQL
    /// server.
    pub fn backup(&self, to: &Path, replace: bool) -> std::result::Result<Verified, BackupError> {
        match *self.0.connector {
            engine::DatabaseConnector::Sqlite { .. } => backup::copy(&self.0.path, to, replace),
            engine::DatabaseConnector::Postgres(_) => Err(BackupError::Failed(
                "the database is on a PostgreSQL server: copy it with pg_dump".into(),
            )),
        }
    }
}
