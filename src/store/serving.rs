//! Servers that share a database: how a server joins them, and what it must do differently because of the others.

use std::sync::Arc;

use super::Store;
use super::connection::{Reader, Writer};
use super::error::Result;
use super::membership::{Membership, database_server_status};
use super::postgres::status::DatabaseServerStatus;
use super::writer::WriteJob;

impl Store {
    /// Registers this process as one of the servers of its database, so that it can lease runs. `seed` must be random.
    /// Does nothing if the database is a file. Blocks.
    ///
    /// # Errors
    /// `Conflict` if a server of an earlier version, which cannot share the database, is running; another error if the
    /// database cannot be written.
    pub fn join_servers(&self, seed: u128) -> Result<()> {
        if !self.is_embedded() {
            let member = Membership::join(Arc::clone(&self.0.connector), seed)?;
            let _ = self.0.membership.set(member);
        }
        Ok(())
    }

    /// Returns this process's membership. Returns `None` if the database is a file, and in commands, which execute no
    /// runs.
    pub fn membership(&self) -> Option<&Membership> {
        self.0.membership.get()
    }

    /// Makes a change like [`Store::write`], but in a transaction of its own. Use it for a change that may wait for
    /// another server: in a shared transaction, it would hold the locks of earlier changes while it waits.
    ///
    /// # Errors
    /// Same as [`Store::write`].
    pub async fn write_alone<T, F>(&self, change: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Writer) -> Result<T> + Send + 'static,
    {
        self.queue_change(change, WriteJob::ChangeAlone).await
    }

    /// Returns the status of the database server and of the servers that use the database. Returns `None` if the
    /// database is a file.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn database_server_status(&self) -> Result<Option<DatabaseServerStatus>> {
        match self.is_embedded() {
            true => Ok(None),
            false => {
                let direct = self.0.connector.direct_connection();
                let read = move |db: &Reader| database_server_status(db, direct);
                self.read(read).await.map(Some)
            }
        }
    }

    /// Returns the number of servers that use the database, including this one.
    pub fn server_count(&self) -> u32 {
        self.membership().map_or(1, Membership::alive)
    }
}
