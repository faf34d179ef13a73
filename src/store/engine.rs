//! Opens a store's connections, and handles the few differences between the engines that concern the database threads.

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

/// Opens connections to a database.
pub(super) enum DatabaseConnector {
    /// A SQLite file.
    Sqlite {
        path: PathBuf,
        /// Whether a replica follows the write-ahead log of the file.
        followed: bool,
    },
    /// A PostgreSQL server.
    Postgres(Box<PostgresServer>),
}

/// A connector, and the first read-write connection that it has opened.
pub(super) struct OpenedDatabase {
    pub(super) connector: Arc<DatabaseConnector>,
    pub(super) db: Writer,
    /// Path of the backup made before a migration, if there was one.
    pub(super) backup: Option<PathBuf>,
    /// Name and version of the engine.
    pub(super) engine: String,
}

impl OpenedDatabase {
    /// Opens a database file, after creating or migrating it if necessary.
    ///
    /// # Errors
    /// Returns [`OpenError`] if the file is unusable, newer, or locked, or if the migration fails.
    pub(super) fn sqlite(path: &Path, followed: bool) -> std::result::Result<Self, OpenError> {
        // The file is created here, because the write-ahead log and its index inherit the file's mode.
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

    /// Connects to a database server, after creating the tables if necessary.
    ///
    /// # Errors
    /// Returns [`OpenError`] if the server cannot be reached, or if the database is newer or belongs to another
    /// program.
    pub(super) fn postgres(addresses: ServerAddresses<'_>) -> std::result::Result<Self, OpenError> {
        // Runs on its own thread, because a session blocks while it waits for answers, which an async task must not do.
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

/// Connects to a database server without creating tables.
///
/// # Errors
/// Returns [`OpenError`] if the address is invalid or the server cannot be reached.
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

    /// Opens a new read-write connection to replace a broken one.
    ///
    /// # Errors
    /// Returns an error if the database cannot be opened.
    pub(super) fn writer(&self) -> Result<Writer> {
        match self {
            Self::Sqlite { path, followed } => Ok(Writer::open_sqlite(path, *followed)?),
            Self::Postgres(server) => Writer::open_postgres(server),
        }
    }

    /// Opens an additional read-write connection to a database server.
    ///
    /// # Errors
    /// `Busy` if the server cannot be reached; another error for a file, which can have only one writer.
    pub(super) fn session(&self) -> Result<Writer> {
        match self {
            Self::Sqlite { .. } => Err(StoreError::Failed("a file has one writer".into())),
            Self::Postgres(server) => Writer::open_postgres(server),
        }
    }

    /// Returns whether there is also a direct connection, which bypasses the pooler.
    pub(super) fn direct_connection(&self) -> DirectConnection {
        match self {
            Self::Sqlite { .. } => DirectConnection::NotConfigured,
            Self::Postgres(server) => server.direct_connection(),
        }
    }

    /// Starts exchanging notices with the other servers that use the database. Returns `None` for a file.
    pub(super) fn start_notices(&self, boot: Arc<str>) -> Option<RunNotices> {
        match self {
            Self::Sqlite { .. } => None,
            Self::Postgres(server) => Some(server.start_notices(boot)),
        }
    }

    /// Returns the maximum number of reader threads. With a file, four threads were slower than two on a machine with
    /// two cores. With a database server, threads mostly wait.
    pub(super) fn max_readers(&self) -> u32 {
        match self {
            Self::Sqlite { .. } => 2,
            Self::Postgres(_) => 4,
        }
    }

    /// Returns the maximum number of queued queries that share a transaction. With a file, opening a transaction costs
    /// as much as reading a row, but the number is small because a slow query delays the others. With a database
    /// server, queries share no transaction, because a failed one would abort it for the others.
    pub(super) fn queries_per_snapshot(&self) -> usize {
        match self {
            Self::Sqlite { .. } => 4,
            Self::Postgres(_) => 1,
        }
    }

    /// Returns how long a query waits for a connection. With a database server, this is short, so that the caller soon
    /// learns that the server is unavailable.
    pub(super) fn connect_timeout(&self) -> Duration {
        match self {
            Self::Sqlite { .. } => Duration::from_secs(10),
            Self::Postgres(_) => Duration::from_secs(2),
        }
    }

    /// Returns the error for a query that gets no connection.
    pub(super) fn refusal(&self, error: &r2d2::Error) -> StoreError {
        match self {
            Self::Sqlite { .. } => StoreError::Failed(error.to_string()),
            Self::Postgres(_) => StoreError::Busy,
        }
    }
}

/// Checks that tables can be read: the first page of each one in SQLite, or one row of `users` in PostgreSQL.
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

/// Writes to the database without changing its data, to find out whether there is space again.
///
/// # Errors
/// Returns `Full` if there is no space, or another error if the database cannot be written.
pub(super) fn rewrite_version(db: &Writer) -> Result<()> {
    match db.kind() {
        EngineKind::Sqlite => db.run_batch(&format!("PRAGMA user_version = {VERSION}")),
        EngineKind::Postgres => db.run_batch(postgres::REWRITE),
    }
}
