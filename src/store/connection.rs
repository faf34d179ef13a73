//! Connections as used by the topic files: `Reader` queries, `Writer` also changes. Writing through a `Reader` does not
//! compile, and its connection is also read-only. The statements are in the SQL that both engines understand.

use std::ops::Deref;
use std::path::Path;

use super::error::{OpenError, Result, StoreError};
use super::params::Params;
use super::postgres::{self, PostgresServer, PostgresSession};
use super::row::Row;
use super::sqlite;
use super::sqlite::connection::SqliteConnection;

/// Read-only connection.
pub struct Reader(Connection);

/// Read-write connection. Only the writer thread has one.
pub struct Writer(Reader);

enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PostgresSession),
}

/// The kind of a connection's database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// The embedded one: a file.
    Sqlite,
    /// A server.
    Postgres,
}

impl Deref for Writer {
    type Target = Reader;
    fn deref(&self) -> &Reader {
        &self.0
    }
}

impl Reader {
    /// Opens a read-only connection to a SQLite file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened.
    pub(super) fn open_sqlite(path: &Path) -> Result<Self> {
        Ok(Self(Connection::Sqlite(SqliteConnection::open_reader(
            path,
        )?)))
    }

    /// The connection to a SQLite file, for what only that engine has.
    ///
    /// # Errors
    /// Returns an error with another engine.
    pub(super) fn sqlite(&self) -> Result<&SqliteConnection> {
        match &self.0 {
            Connection::Sqlite(connection) => Ok(connection),
            Connection::Postgres(_) => Err(StoreError::Failed(
                "this needs the embedded database, not PostgreSQL".into(),
            )),
        }
    }

    /// Opens a session for queries.
    ///
    /// # Errors
    /// `Busy` if the server cannot be reached.
    pub(super) fn open_postgres(server: &PostgresServer) -> Result<Self> {
        Ok(Self(Connection::Postgres(server.connect(false)?)))
    }

    /// The kind of the database.
    pub(super) fn kind(&self) -> EngineKind {
        match &self.0 {
            Connection::Sqlite(_) => EngineKind::Sqlite,
            Connection::Postgres(_) => EngineKind::Postgres,
        }
    }

    /// Returns the first row, if there is one.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(super) fn query_optional<T>(
        &self,
        sql: &str,
        params: impl Params,
        from_row: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        match &self.0 {
            Connection::Sqlite(connection) => connection.query(sql, &params, |rows| {
                let row = rows.next()?;
                row.map(|row| from_row(&Row::of_sqlite(row))).transpose()
            }),
            Connection::Postgres(session) => session.query(sql, &params, |rows| {
                let row = rows.next()?;
                row.map(|row| from_row(&Row::of_postgres(row))).transpose()
            }),
        }
    }

    /// Returns the only row of a query that always has one.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(super) fn query_one<T>(
        &self,
        sql: &str,
        params: impl Params,
        from_row: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        self.query_optional(sql, params, from_row)?
            .ok_or(StoreError::Missing)
    }

    /// Returns all rows. The query contains the limit.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        mut from_row: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut found = Vec::new();
        self.each(sql, params, |row| {
            found.push(from_row(row)?);
            Ok(true)
        })?;
        Ok(found)
    }

    /// Visits rows until `take` returns false, without collecting them.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(super) fn each(
        &self,
        sql: &str,
        params: impl Params,
        mut take: impl FnMut(&Row<'_>) -> Result<bool>,
    ) -> Result<()> {
        match &self.0 {
            Connection::Sqlite(connection) => connection.query(sql, &params, |rows| {
                while let Some(row) = rows.next()? {
                    if !take(&Row::of_sqlite(row))? {
                        break;
                    }
                }
                Ok(())
            }),
            Connection::Postgres(session) => session.query(sql, &params, |rows| {
                while let Some(row) = rows.next()? {
                    if !take(&Row::of_postgres(row))? {
                        break;
                    }
                }
                Ok(())
            }),
        }
    }

    /// Names of a table's columns, in order. The table is one of the schema's, never from a request.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(super) fn columns(&self, table: &'static str) -> Result<Vec<String>> {
        let sql = match self.kind() {
            EngineKind::Sqlite => sqlite::COLUMNS_QUERY,
            EngineKind::Postgres => postgres::COLUMNS_QUERY,
        };
        self.all(sql, [table], |row| row.get(0))
    }

    /// Frees the page cache, which is filled again when needed.
    ///
    /// # Errors
    /// Returns an error if the engine refuses.
    pub(super) fn free_cache(&self) -> Result<()> {
        match &self.0 {
            Connection::Sqlite(connection) => connection.free_cache(),
            Connection::Postgres(_) => Ok(()),
        }
    }

    /// Runs a transaction statement; for the threads.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(super) fn run_control(&self, sql: &'static str) -> Result<()> {
        match &self.0 {
            Connection::Sqlite(connection) => connection.execute(sql, &[]).map(drop),
            Connection::Postgres(session) => session.control(sql),
        }
    }

    /// Runs setup statements, once per connection.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(super) fn run_batch(&self, sql: &str) -> Result<()> {
        match &self.0 {
            Connection::Sqlite(connection) => connection.execute_batch(sql),
            Connection::Postgres(session) => session.execute_batch(sql),
        }
    }

    /// Whether a transaction is open. Some failures end one implicitly.
    pub(super) fn in_transaction(&self) -> bool {
        match &self.0 {
            Connection::Sqlite(connection) => connection.in_transaction(),
            Connection::Postgres(session) => session.in_transaction(),
        }
    }

    /// Number of rows changed by this connection since it was opened.
    pub(super) fn rows_changed(&self) -> u64 {
        match &self.0 {
            Connection::Sqlite(connection) => connection.rows_changed(),
            Connection::Postgres(session) => session.rows_changed(),
        }
    }

    /// Whether the connection must be discarded.
    pub(super) fn is_broken(&self) -> bool {
        match &self.0 {
            Connection::Sqlite(connection) => connection.is_broken(),
            Connection::Postgres(session) => session.is_broken(),
        }
    }

    /// Whether a damaged page was read.
    pub(super) fn is_damaged(&self) -> bool {
        match &self.0 {
            Connection::Sqlite(connection) => connection.is_damaged(),
            Connection::Postgres(_) => false,
        }
    }

    pub(super) fn mark_broken(&self) {
        match &self.0 {
            Connection::Sqlite(connection) => connection.mark_broken(),
            Connection::Postgres(session) => session.mark_broken(),
        }
    }
}

impl Writer {
    /// Opens the read-write connection to a SQLite file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened or configured.
    pub(super) fn open_sqlite(path: &Path, followed: bool) -> std::result::Result<Self, OpenError> {
        let connection = SqliteConnection::open_writer(path, followed)?;
        Ok(Self(Reader(Connection::Sqlite(connection))))
    }

    /// Opens the session for changes.
    ///
    /// # Errors
    /// `Busy` if the server cannot be reached.
    pub(super) fn open_postgres(server: &PostgresServer) -> Result<Self> {
        Ok(Self(Reader(Connection::Postgres(server.connect(true)?))))
    }

    /// Runs statements whose failure the caller wants to survive. In PostgreSQL, an error spoils the transaction unless
    /// it is rolled back to a savepoint; in SQLite, a failed statement has no effect anyway, and a savepoint would make
    /// the full-text index write for each.
    ///
    /// # Errors
    /// The error of `work`, or if the database cannot be written.
    pub(super) fn attempt<T>(&self, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        if self.kind() == EngineKind::Sqlite {
            return work(self);
        }
        self.run_control("SAVEPOINT attempt")?;
        let went = work(self);
        if went.is_err() && self.in_transaction() {
            self.run_control("ROLLBACK TO attempt")?;
        }
        if self.in_transaction() {
            self.run_control("RELEASE attempt")?;
        }
        went
    }

    /// Keeps other servers from what has this name until the end of the transaction. A file has one writer anyway.
    ///
    /// # Errors
    /// `Busy` if another transaction has it for long; another error if the database cannot be read.
    pub(super) fn lock(&self, name: &str) -> Result<()> {
        match self.kind() {
            EngineKind::Sqlite => Ok(()),
            EngineKind::Postgres => self
                .query_optional(postgres::LOCK_QUERY, [name], |_| Ok(()))
                .map(drop),
        }
    }

    /// Changes rows and returns their number.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub(super) fn run(&self, sql: &str, params: impl Params) -> Result<usize> {
        match &self.0.0 {
            Connection::Sqlite(connection) => connection.execute(sql, &params),
            Connection::Postgres(session) => session.execute(sql, &params),
        }
    }

    /// Like [`Writer::run`], for a statement that is not worth keeping prepared.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub(super) fn run_rarely(&self, sql: &str, params: impl Params) -> Result<usize> {
        match &self.0.0 {
            Connection::Sqlite(connection) => connection.execute_rarely(sql, &params),
            Connection::Postgres(session) => session.execute_rarely(sql, &params),
        }
    }

    /// Changes exactly one row.
    ///
    /// # Errors
    /// `Missing` if there is no such row; another error if the database cannot be written.
    pub(super) fn run_one(&self, sql: &str, params: impl Params) -> Result<()> {
        match self.run(sql, params)? {
            0 => Err(StoreError::Missing),
            _ => Ok(()),
        }
    }
}
