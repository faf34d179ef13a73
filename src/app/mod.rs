//! Use cases: everything a person or a program can ask for. Knows nothing of HTTP or terminals.

pub mod accounts;
pub mod admin;
pub mod api_keys;
pub mod backup;
pub mod doctor;
pub mod documents;
pub mod error;
pub mod folder;

use std::sync::Arc;

use crate::clock;
use crate::config::Config;
use crate::crypto;
use crate::domain::time::Timestamp;
use crate::log;
use crate::store::{self, Store};

pub use error::{Error, Kind, Result};

/// Everything that lives as long as the process.
pub struct App {
    /// As it was checked at the start.
    pub config: Config,
    /// The database.
    pub store: Store,
    /// When the process started.
    pub started: Timestamp,
    accounts: accounts::Accounts,
    documents: documents::Documents,
}

impl App {
    /// Opens the store, making or migrating it. Must be called within a tokio runtime.
    pub fn open(config: Config) -> Result<Arc<Self>> {
        let folder::Opened { store, secret } = folder::open(&config)?;
        let settings = accounts::Settings::of(&config, &secret);
        let accounts = accounts::Accounts::new(store.clone(), &settings);
        let documents =
            documents::Documents::open(&config.data_dir, store.clone(), config.limits.max_upload)?;
        let started = clock::now();
        Ok(Arc::new(Self {
            config,
            store,
            started,
            accounts,
            documents,
        }))
    }

    /// Clears up what a crash has left, and goes on with what it has interrupted.
    pub async fn resume(&self) {
        if let Err(fault) = self.documents.sweep(clock::now()).await {
            log::error(
                "files without a document could not be thrown away",
                &[("fault", &fault)],
            );
        }
    }

    /// Accounts, keys and administration.
    pub fn accounts(&self) -> &accounts::Accounts {
        &self.accounts
    }

    /// Documents: take in, read, search, delete.
    pub fn documents(&self) -> &documents::Documents {
        &self.documents
    }

    /// Closes the store.
    pub async fn close(&self) {
        self.store.close().await;
    }
}

impl From<store::StoreError> for Error {
    fn from(fault: store::StoreError) -> Self {
        use store::StoreError::{Busy, Conflict, Failed, Missing};
        match fault {
            Missing => Error::new(Kind::Missing, "not found"),
            Conflict(what) => Error::new(Kind::Conflict, format!("{what} already exists")),
            Busy => Error::new(Kind::Unavailable, "the database is busy")
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
