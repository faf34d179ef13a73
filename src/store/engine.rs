//! Opens a store's connections, and covers the few differences between the engines that matter to the database threads.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::ServerAddresses;
use super::connection::{EngineKind, Reader, Writer};
use super::error::{OpenError, Result, StoreError};
use super::postgres::direct_connection::DirectConnection;
use super::postgres::notices::RunNotices;
use super::postgres::{self, PostgresServer, direct_address};
use super::sqlite::{backup, first_pages, migrate};
use super::version::VERSION;

/// Opens connections to one database.
pub(super) enum DatabaseConnector {
    /// A SQLite file.
    Sqlite {
        path: PathBuf,
        /// Whether a replica follows the file's write-ahead log.
        followed: bool,
    },
    /// A PostgreSQL server.
    Postgres(Box<PostgresServer>),
}

/// A connector with its first read-write connection.
pub(super) struct OpenedDatabase {
    pub(super) connector: Arc<DatabaseConnector>,
    pub(super) db: Writer,
    /// Path of the backup made before a migration, if any.
    pub(super) backup: Option<PathBuf>,
    /// Name and version of the engine.
    pub(super) engine: String,
}

impl OpenedDatabase {
    /// Opens a file, creating or migrating it first.
    ///
    /// # Errors
    /// Returns [`OpenError`] if the file is unusable, newer, or locked, or the migration fails.
    pub(super) fn sqlite(path: &Path, followed: bool) -> std::result::Result<Self, OpenError> {
        // Create the file here, because the log and its index inherit the file's mode.
        if let Err(error) = backup::private_file(path)
            && error.kind() != std::io::ErrorKind::AlreadyExists
        {
            return Err(OpenError::Failed(format!("{}: {error}", path.display())));
        }
        let db = Writer::open_sqlite(path, followed)?;
        let backup = migrate::migrate(&db, path)?;
        let path = path.to_owned();
        Ok(Self {
            connector: Arc::new(DatabaseConnector::Sqlite { path, followed }),
            db,
            backup,
            engine: format!("SQLite {}", super::engine_version()),
        })
    }

    /// Connects to a server, creating the tables first.
    ///
    /// # Errors
    /// Returns [`OpenError`] if the server cannot be reached, or the database is newer or another program's.
    pub(super) fn postgres(addresses: ServerAddresses<'_>) -> std::result::Result<Self, OpenError> {
        // Uses a separate thread, because a session blocks while it waits for answers, which a task must not do.
        std::thread::scope(|scope| {
            let opening = scope.spawn(|| Self::connect_and_create(addresses));
            opening
                .join()
                .unwrap_or_else(|_| Err(OpenError::Failed("the connection panicked".into())))
        })
    }

    fn connect_and_create(addresses: ServerAddresses<'_>) -> std::result::Result<Self, OpenError> {
        let parse = |address: &str| {
            postgres::address::PostgresAddress::parse(address, addresses.authorities)
        };
        let mut server = Box::new(PostgresServer::new(parse(addresses.database)?)?);
        let db = Writer::open_postgres(&server)?;
        match addresses.direct {
            None => postgres::migrate::migrate(&db, migrate::CURRENT_SCHEMA)?,
            Some(address) => {
                let address = parse(address).map_err(direct_address::not_valid)?;
                let session = server.connect_directly(address);
                let direct = Writer::of_session(session.map_err(direct_address::not_reached)?);
                direct_address::check_same(&db, &direct)?;
                postgres::migrate::migrate(&direct, migrate::CURRENT_SCHEMA)?;
            }
        }
        let engine = postgres::migrate::server_version(&db)?;
        Ok(Self {
            connector: Arc::new(DatabaseConnector::Postgres(server)),
            db,
            backup: None,
            engine,
        })
    }
}

/// Connects to a server without creating anything.
///
/// # Errors
/// Returns [`OpenError`] if the address is not valid or the server cannot be reached.
pub(super) fn connect(
    address: &str,
    authorities: Option<&str>,
) -> std::result::Result<Writer, OpenError> {
    let address = postgres::address::PostgresAddress::parse(address, authorities)?;
    Ok(Writer::open_postgres(&PostgresServer::new(address)?)?)
}

impl DatabaseConnector {
    /// Opens a read-only connection.
    ///
    /// # Errors
    /// Returns an error if the database cannot be opened.
    pub(super) fn reader(&self) -> Result<Reader> {
        match self {
            Self::Sqlite { path, .. } => Reader::open_sqlite(path),
            Self::Postgres(server) => Reader::open_postgres(server),
        }
    }

    /// Opens a new read-write connection after an earlier one broke.
    ///
    /// # Errors
    /// Returns an error if the database cannot be opened.
    pub(super) fn writer(&self) -> Result<Writer> {
        match self {
            Self::Sqlite { path, followed } => Ok(Writer::open_sqlite(path, *followed)?),
            Self::Postgres(server) => Writer::open_postgres(server),
        }
    }

    /// Opens an additional read-write connection to a server.
    ///
    /// # Errors
    /// `Busy` if the server cannot be reached; another error for a file, which has only one writer.
    pub(super) fn session(&self) -> Result<Writer> {
        match self {
            Self::Sqlite { .. } => Err(StoreError::Failed("a file has one writer".into())),
            Self::Postgres(server) => Writer::open_postgres(server),
        }
    }

    /// Returns whether there is also a direct connection, one that bypasses the pooler.
    pub(super) fn direct_connection(&self) -> DirectConnection {
        match self {
            Self::Sqlite { .. } => DirectConnection::NotConfigured,
            Self::Postgres(server) => server.direct_connection(),
        }
    }

    /// Starts exchanging notices with the other servers of the database; `None` for a file.
    pub(super) fn start_notices(&self, boot: Arc<str>) -> Option<RunNotices> {
        match self {
            Self::Sqlite { .. } => None,
            Self::Postgres(server) => Some(server.start_notices(boot)),
        }
    }

    /// Returns the maximum number of reader threads. With a file, four threads were slower than two on a machine with
    /// two cores; with a server, threads mostly wait.
    pub(super) fn max_readers(&self) -> u32 {
        match self {
            Self::Sqlite { .. } => 2,
            Self::Postgres(_) => 4,
        }
    }

    /// Returns the maximum number of queued queries that share a transaction. With a file, opening a transaction costs
    /// as much as reading a row; the limit is small because a slow query delays the others. With a server, a failed
    /// query would abort the transaction for the others.
    pub(super) fn queries_per_snapshot(&self) -> usize {
        match self {
            Self::Sqlite { .. } => 4,
            Self::Postgres(_) => 1,
        }
    }

    /// Returns how long a query waits for a connection. Short for a server, so that a caller soon learns that it is
    /// unavailable.
    pub(super) fn connect_timeout(&self) -> Duration {
        match self {
            Self::Sqlite { .. } => Duration::from_secs(10),
            Self::Postgres(_) => Duration::from_secs(2),
        }
    }

    /// Returns the error for queries that get no connection.
    pub(super) fn refusal(&self, error: &r2d2::Error) -> StoreError {
        match self {
            Self::Sqlite { .. } => StoreError::Failed(error.to_string()),
            Self::Postgres(_) => StoreError::Busy,
        }
    }
}

/// Reads the first page of each table or, with a server, from a single table.
///
/// # Errors
/// Returns an error if a table is missing or cannot be read.
pub(super) fn read_tables(db: &Reader) -> Result<()> {
    match db.kind() {
        EngineKind::Sqlite => first_pages::read(db),
        EngineKind::Postgres => db
            .query_optional("SELECT 1 FROM users LIMIT 1", [], |_| Ok(()))
            .map(drop),
    }
}

/// Writes something without changing any data, to find out whether there is space again.
///
/// # Errors
/// Returns `Full` if there is no space, or another error if the database cannot be written.
pub(super) fn rewrite_version(db: &Writer) -> Result<()> {
    match db.kind() {
        EngineKind::Sqlite => db.run_batch(&format!("PRAGMA user_version = {VERSION}")),
        EngineKind::Postgres => db.run_batch(postgres::REWRITE),
    }
}
