//! Moves a whole database between a SQLite file and a PostgreSQL server. The source is read under a lock that prevents
//! changes, and the target is filled in one transaction. Each table of the schema is copied in the order of its primary
//! key. The caller handles hashes, original files, and folders.

pub(super) mod error;
mod rows;

use std::collections::BTreeSet;
use std::path::Path;

use super::connection::{EngineKind, Reader, Writer};
use super::engine;
use super::error::{OpenError, StoreError};
use super::postgres::legacy_server_lock;
use super::postgres::transfer as server;
use super::sqlite::migrate;
use super::sqlite::transfer as file;
pub use error::TransferError;
pub use rows::{CopiedTable, ReplacedNul};

type Result<T> = std::result::Result<T, TransferError>;

/// Tables that are not copied: those of unfinished uploads, because the uploaded bytes are in files or in a table that
/// only one engine has.
const EXCLUDED_TABLES: &[&str] = &["uploads", "upload_parts"];

/// A table of the schema, and what is needed to read it in the order of its primary key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferTable {
    /// The table's name.
    pub name: &'static str,
    columns: Vec<String>,
    /// Positions of the key's columns among the table's columns, in the key's order.
    key: Vec<usize>,
}

/// The database to copy. No one can change the database until this is dropped.
pub struct TransferSource(Writer);

/// The database to fill. Unless [`TransferTarget::finish`] succeeds, a server keeps nothing of the data, and a file
/// stays incomplete.
pub struct TransferTarget(Writer);

impl TransferSource {
    /// Opens a file and prevents all other processes from writing to it. Changes neither the file nor its log. Blocks.
    ///
    /// # Errors
    /// `Open` if the file is not a Quire database or another process has locked it; `Older` if it must be migrated
    /// first; `UnknownTable` if it contains a table that would be lost.
    pub fn open_file(path: &Path) -> Result<Self> {
        let db = Writer::open_unchanged(path)?;
        file::check_version(&db)?;
        db.run_control("BEGIN IMMEDIATE")?;
        Self::checked(db, file::TABLES_QUERY, &[])
    }

    /// Opens a database on a server and locks its tables against changes. Blocks.
    ///
    /// # Errors
    /// `Unreachable` if there is no connection; `InUse` if a Quire server is using the database; `PendingCommands` if
    /// there are commands for runs that have not been executed; otherwise, same as [`TransferSource::open_file`].
    pub fn open_server(address: &str, authorities: Option<&str>) -> Result<Self> {
        let db = connect(address, authorities)?;
        server::check_version(&db)?;
        server::begin(&db)?;
        exclude_earlier_servers(&db)?;
        // Checked before locking, so that a server in use is not disturbed, and again after locking, when no server can
        // start anymore.
        server::check_unused(&db)?;
        server::lock_tables(&db, &table_names(), server::LockMode::KeepUnchanged)?;
        server::check_unused(&db)?;
        Self::checked(db, server::TABLES_QUERY, server::OWN_TABLES)
    }

    fn checked(db: Writer, sql: &str, own: &[&str]) -> Result<Self> {
        let known = table_names();
        let found: BTreeSet<String> = db.all(sql, [], |row| row.get(0))?.into_iter().collect();
        let is_known = |name: &str| known.contains(&name) || own.contains(&name);
        if let Some(name) = found.iter().find(|name| !is_known(name)) {
            return Err(TransferError::UnknownTable(name.clone()));
        }
        Ok(Self(db))
    }

    /// Returns whether the database is on a server.
    pub fn is_server(&self) -> bool {
        self.0.kind() == EngineKind::Postgres
    }

    /// Returns the connection, for reading data outside the schema's tables.
    pub fn reader(&self) -> &Reader {
        &self.0
    }

    /// Counts the unfinished uploads, which are not copied.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub fn unfinished_uploads(&self) -> Result<u64> {
        let sql = "SELECT count(*) FROM uploads";
        let count = self.0.query_one(sql, [], |row| row.get::<_, i64>(0))?;
        Ok(count.unsigned_abs())
    }

    /// Lists the tables to copy. Each one comes after the tables to which its rows refer.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub fn tables(&self) -> Result<Vec<TransferTable>> {
        let tables = table_names().into_iter();
        tables
            .filter(|name| !EXCLUDED_TABLES.contains(name))
            .map(|name| TransferTable::of(&self.0, name))
            .collect()
    }
}

impl TransferTarget {
    /// Creates a file with the current schema and starts filling it. Blocks.
    ///
    /// # Errors
    /// Returns an error if the file already exists or cannot be created.
    pub fn create_file(path: &Path) -> Result<Self> {
        let db = file::create(path)?;
        migrate::migrate(&db, path)?;
        db.run_control("BEGIN IMMEDIATE")?;
        Ok(Self(db))
    }

    /// Starts filling an empty database on a server, after creating its tables if necessary. Blocks.
    ///
    /// # Errors
    /// `Unreachable` if there is no connection; `Encoding` if the database does not use UTF-8; `NotEmpty` or `Open` if
    /// the database is not empty; `InUse` if a Quire server is using it.
    pub fn open_server(address: &str, authorities: Option<&str>) -> Result<Self> {
        let db = connect(address, authorities)?;
        server::begin(&db)?;
        server::check_encoding(&db)?;
        let created = server::create_tables(&db, migrate::CURRENT_SCHEMA);
        created.map_err(|error| match error {
            // The lock is held by a server that is starting, or by another transfer.
            OpenError::Busy if !db.is_broken() => TransferError::InUse,
            error => error.into(),
        })?;
        exclude_earlier_servers(&db)?;
        let names = table_names();
        if server::count_alive(&db)? > 0 {
            return Err(TransferError::InUse);
        }
        server::lock_tables(&db, &names, server::LockMode::KeepOut)?;
        if server::count_alive(&db)? > 0 {
            return Err(TransferError::InUse);
        }
        for name in names.iter().copied().chain(["document_bytes"]) {
            let sql = format!("SELECT 1 FROM {name} LIMIT 1");
            if db.query_optional(&sql, [], |_| Ok(()))?.is_some() {
                return Err(TransferError::NotEmpty(name.to_owned()));
            }
        }
        Ok(Self(db))
    }

    /// Returns the connection, for writing data outside the schema's tables.
    pub fn writer(&self) -> &Writer {
        &self.0
    }

    /// Rebuilds what is derived from the rows: the full-text index, and the next values of generated keys. Does nothing
    /// for a file, in which both are updated with each row.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub fn complete(&self) -> Result<()> {
        match self.0.kind() {
            EngineKind::Sqlite => Ok(()),
            EngineKind::Postgres => Ok(server::complete(&self.0)?),
        }
    }

    /// Commits the transaction.
    ///
    /// # Errors
    /// `UnknownCommit` if the connection was lost before the server replied. After any other error, nothing has been
    /// stored.
    pub fn finish(self) -> Result<()> {
        let committed = self.0.run_control("COMMIT");
        match committed {
            Err(_) if self.0.is_broken() => Err(TransferError::UnknownCommit),
            committed => Ok(committed?),
        }
    }
}

impl TransferTable {
    fn of(db: &Reader, name: &'static str) -> Result<Self> {
        let columns = db.columns(name)?;
        let sql = match db.kind() {
            EngineKind::Sqlite => file::KEY_QUERY,
            EngineKind::Postgres => server::KEY_QUERY,
        };
        let key: Vec<String> = db.all(sql, [name], |row| row.get(0))?;
        let position = |part: &String| columns.iter().position(|column| column == part);
        let key: Vec<usize> = key.iter().filter_map(position).collect();
        match key.is_empty() {
            true => Err(TransferError::UnknownTable(name.to_owned())),
            false => Ok(Self { name, columns, key }),
        }
    }

    /// Copies all rows in the order of the primary key and passes their canonical encoding to `digest`. `progress` is
    /// called with the number of rows copied so far.
    ///
    /// # Errors
    /// `UnusableKey` if a key cannot be stored; `UnusableRows` if the target rejects rows; another error if one of the
    /// databases cannot be used.
    pub fn copy(
        &self,
        source: &TransferSource,
        target: &TransferTarget,
        digest: &mut dyn FnMut(&[u8]),
        progress: &mut dyn FnMut(u64),
    ) -> Result<CopiedTable> {
        rows::copy(self, &source.0, &target.0, digest, progress)
    }

    /// Reads all rows of the target in the order of the primary key and passes their canonical encoding to `digest`.
    /// Returns the number of rows.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub fn read_back(
        &self,
        target: &TransferTarget,
        digest: &mut dyn FnMut(&[u8]),
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64> {
        rows::read(self, &target.0, digest, progress)
    }
}

fn connect(address: &str, authorities: Option<&str>) -> Result<Writer> {
    engine::connect(address, authorities).map_err(|error| match error {
        OpenError::Busy => TransferError::Unreachable,
        error => error.into(),
    })
}

/// Ensures that no server of an earlier version runs. Such servers use no leases and have no row in `servers`.
fn exclude_earlier_servers(db: &Writer) -> Result<()> {
    legacy_server_lock::exclude(db).map_err(|error| match error {
        StoreError::Conflict(_) => TransferError::InUse,
        error => error.into(),
    })
}

/// Returns the names of the schema's tables, in the order of the schema.
fn table_names() -> Vec<&'static str> {
    let lines = migrate::CURRENT_SCHEMA.lines();
    lines
        .filter_map(|line| Some(line.strip_prefix("CREATE TABLE ")?.split_once(' ')?.0))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::tests::Folder;
    use crate::store::{Store, StoreSettings, settings};

    /// Tests two kinds of files: one left by a killed process, which has a log, and a backup that was copied into
    /// place, which has no log and a different journal mode.
    #[test]
    fn a_source_is_not_changed() {
        let folder = Folder::new();
        let path = folder.path().join("quire.db");
        let store = Store::open(&StoreSettings { path: path.clone() }).expect("a new file");
        let text = "x".repeat(100_000);
        let written = store.write_now(move |db| settings::set(db, "long", &text));
        written.expect("the test's statements");
        let killed_path = folder.path().join("killed.db");
        let log = |path: &Path| format!("{}-wal", path.display());
        fs::copy(&path, &killed_path).expect("a copy");
        fs::copy(log(&path), log(&killed_path)).expect("a copy");
        store.close_for_writes();
        let copied = folder.path().join("copied.db");
        let sql = format!("VACUUM INTO '{}'", copied.display());
        let original = Writer::open_sqlite(&path, false).expect("the file");
        original.run_batch(&sql).expect("a backup");
        for source in [&killed_path, &copied] {
            let content = || (fs::read(source).ok(), fs::read(log(source)).ok());
            let before = content();
            let opened = TransferSource::open_file(source);
            let opened = opened.unwrap_or_else(|error| panic!("{error}"));
            let value = settings::get(opened.reader(), "long").expect("the test's statements");
            assert_eq!(value.map(|text| text.len()), Some(100_000));
            drop(opened);
            assert!(content() == before, "{}", source.display());
        }
    }
}
