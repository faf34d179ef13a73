//! Opens a store for serving, from a database that other processes may also serve from.

use std::sync::Arc;

use super::Store;
use super::connection::{Reader, Writer};
use super::error::Result;
use super::membership::{Membership, database_server_status};
use super::postgres::status::DatabaseServerStatus;
use super::writer::WriteJob;

impl Store {
    /// Makes this process one of the servers of a database on a server, so that it can lease runs. `seed` is random.
    /// Does nothing for a file. Blocks.
    ///
    /// # Errors
    /// `Conflict` if a server of an earlier version runs, which cannot share the database; another error if the database
    /// cannot be written.
    pub fn join_servers(&self, seed: u128) -> Result<()> {
        if !self.is_embedded() {
            let member = Membership::join(Arc::clone(&self.0.connector), seed)?;
            let _ = self.0.membership.set(member);
        }
        Ok(())
    }

    /// This process among the servers of its database; `None` for a file, and for a process that runs nothing.
    pub fn membership(&self) -> Option<&Membership> {
        self.0.membership.get()
    }

    /// Makes a change like [`Store::write`], but in a transaction of its own: a change that waits for another server must
    /// not make that server wait for what the changes before it have locked.
    ///
    /// # Errors
    /// Returns the same errors as [`Store::write`].
    pub async fn write_alone<T, F>(&self, change: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Writer) -> Result<T> + Send + 'static,
    {
        self.queue_change(change, WriteJob::ChangeAlone).await
    }

    /// Returns the status of the database server, and of the servers that use the database; `None` for a file.
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

    /// Number of servers that use the database, including this one.
    pub fn server_count(&self) -> u32 {
        self.membership().map_or(1, Membership::alive)
    }
}
