//! Connections as used by the topic files: a `Reader` runs queries, and a `Writer` can also make changes. Writing
//! through a `Reader` does not compile, and its connection is read-only as well. Statements are in the SQL dialect that
//! both engines understand.

use std::cell::RefCell;
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use super::error::{OpenError, Result, StoreError};
use super::params::{Params, Value};
use super::postgres::transaction_mark::TransactionMark;
use super::postgres::{self, PostgresServer, PostgresSession};
use super::row::Row;
use super::sqlite;
use super::sqlite::connection::SqliteConnection;
use super::totals::{Amount, KeyPart, PendingTotals};

/// A read-only connection.
pub struct Reader(Connection);

/// A read-write connection. The writer thread owns one; with PostgreSQL, so does the thread that renews this server's
/// row in `servers`.
pub struct Writer {
    reader: Reader,
    totals: RefCell<PendingTotals>,
}

enum Connection {
    Sqlite(SqliteConnection),
    Postgres(Box<PostgresSession>),
}

/// The database engine of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// SQLite, which is embedded and stores the database in a file.
    Sqlite,
    /// A PostgreSQL server.
    Postgres,
}

impl Deref for Writer {
    type Target = Reader;
    fn deref(&self) -> &Reader {
        &self.reader
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

    /// Returns the connection to a SQLite file, for features of that engine only.
    ///
    /// # Errors
    /// Returns an error if the connection uses another engine.
    pub(super) fn sqlite(&self) -> Result<&SqliteConnection> {
        match &self.0 {
            Connection::Sqlite(connection) => Ok(connection),
            Connection::Postgres(_) => Err(StoreError::Failed(
                "this needs the embedded database, not PostgreSQL".into(),
            )),
        }
    }

    /// Opens a read-only session on a PostgreSQL server.
    ///
    /// # Errors
    /// Returns `Busy` if the server cannot be reached.
    pub(super) fn open_postgres(server: &PostgresServer) -> Result<Self> {
        Ok(Self(Connection::Postgres(Box::new(server.connect(false)?))))
    }

    /// Returns the database engine.
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
        from_row: impl Fn(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut first = None;
        self.each(sql, params, |row| {
            first = Some(from_row(row)?);
            Ok(false)
        })?;
        Ok(first)
    }

    /// Returns the only row of a query that always has one.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(super) fn query_one<T>(
        &self,
        sql: &str,
        params: impl Params,
        from_row: impl Fn(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        self.query_optional(sql, params, from_row)?
            .ok_or(StoreError::Missing)
    }

    /// Returns all rows of a query, which must contain its own limit if it needs one.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        mut from_row: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut rows = Vec::new();
        self.each(sql, params, |row| {
            rows.push(from_row(row)?);
            Ok(true)
        })?;
        Ok(rows)
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
        params.with_values(|values| self.visit(sql, values, &mut take))
    }

    fn visit(
        &self,
        sql: &str,
        values: &[Value<'_>],
        take: &mut dyn FnMut(&Row<'_>) -> Result<bool>,
    ) -> Result<()> {
        match &self.0 {
            Connection::Sqlite(connection) => connection.query(sql, values, |rows| {
                while let Some(row) = rows.next()? {
                    if !take(&Row::of_sqlite(row))? {
                        break;
                    }
                }
                Ok(())
            }),
            Connection::Postgres(session) => session.query(sql, values, |rows| {
                while let Some(row) = rows.next()? {
                    if !take(&Row::of_postgres(row))? {
                        break;
                    }
                }
                Ok(())
            }),
        }
    }

    /// Returns the names of a table's columns, in order. The table is part of the schema and never comes from a
    /// request.
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

    /// Frees the compiled statements and the page cache, which are refilled as needed.
    ///
    /// # Errors
    /// Returns an error if the engine reports one.
    pub(super) fn free_cache(&self) -> Result<()> {
        match &self.0 {
            Connection::Sqlite(connection) => connection.free_cache(),
            Connection::Postgres(_) => Ok(()),
        }
    }

    /// Runs a statement that begins or ends a transaction or controls a savepoint. For use by the database threads.
    ///
    /// # Errors
    /// Returns an error if the statement fails or the server cannot be reached.
    pub(super) fn run_control(&self, sql: &'static str) -> Result<()> {
        match &self.0 {
            Connection::Sqlite(connection) => connection.execute(sql, &[]).map(drop),
            Connection::Postgres(session) => session.control(sql),
        }
    }

    /// Runs statements without parameters or results.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read or written.
    pub(super) fn run_batch(&self, sql: &str) -> Result<()> {
        match &self.0 {
            Connection::Sqlite(connection) => connection.execute_batch(sql),
            Connection::Postgres(session) => session.execute_batch(sql),
        }
    }

    /// Returns whether a transaction is open. Some failures end the transaction implicitly.
    pub(super) fn in_transaction(&self) -> bool {
        match &self.0 {
            Connection::Sqlite(connection) => connection.in_transaction(),
            Connection::Postgres(session) => session.in_transaction(),
        }
    }

    /// Returns whether a pooler is between this process and the database server.
    pub(super) fn is_pooled(&self) -> bool {
        match &self.0 {
            Connection::Sqlite(_) => false,
            Connection::Postgres(session) => session.is_pooled(),
        }
    }

    /// Returns the number of rows that this connection has changed since it was opened.
    pub(super) fn rows_changed(&self) -> u64 {
        match &self.0 {
            Connection::Sqlite(connection) => connection.rows_changed(),
            Connection::Postgres(session) => session.rows_changed(),
        }
    }

    /// Returns whether the connection must be discarded.
    pub(super) fn is_broken(&self) -> bool {
        match &self.0 {
            Connection::Sqlite(connection) => connection.is_broken(),
            Connection::Postgres(session) => session.is_broken(),
        }
    }

    /// Returns whether this is a lost connection to a database server; always false for a file.
    pub(super) fn is_connection_lost(&self) -> bool {
        self.kind() == EngineKind::Postgres && self.is_broken()
    }

    /// Returns whether this connection has read a damaged page.
    pub(super) fn is_damaged(&self) -> bool {
        match &self.0 {
            Connection::Sqlite(connection) => connection.is_damaged(),
            Connection::Postgres(_) => false,
        }
    }

    /// Returns the mark of the transaction whose commit was sent but not answered, if the transaction has changed
    /// something.
    pub(super) fn lost_commit(&self) -> Option<TransactionMark> {
        match &self.0 {
            Connection::Sqlite(_) => None,
            Connection::Postgres(session) => session.lost_commit(),
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
    /// Opens a read-write connection to a SQLite file. `followed` tells whether a replica follows the write-ahead log.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened or configured.
    pub(super) fn open_sqlite(path: &Path, followed: bool) -> std::result::Result<Self, OpenError> {
        let connection = SqliteConnection::open_writer(path, followed)?;
        Ok(Self::of(Connection::Sqlite(connection)))
    }

    /// Opens a SQLite file in a mode that changes neither the file nor its write-ahead log. Takes no lock.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened.
    pub(super) fn open_unchanged(path: &Path) -> std::result::Result<Self, OpenError> {
        let connection = SqliteConnection::open_unchanged(path)?;
        Ok(Self::of(Connection::Sqlite(connection)))
    }

    /// Opens a read-write session on a PostgreSQL server.
    ///
    /// # Errors
    /// Returns `Busy` if the server cannot be reached.
    pub(super) fn open_postgres(server: &PostgresServer) -> Result<Self> {
        Ok(Self::of_session(server.connect(true)?))
    }

    /// Wraps a read-write session.
    pub(super) fn of_session(session: PostgresSession) -> Self {
        Self::of(Connection::Postgres(Box::new(session)))
    }

    fn of(connection: Connection) -> Self {
        Self {
            reader: Reader(connection),
            totals: RefCell::default(),
        }
    }

    /// Runs statements whose failure the caller wants to survive. In PostgreSQL, an error aborts the transaction unless
    /// it is rolled back to a savepoint. In SQLite, a failed statement has no effect anyway, and each savepoint would
    /// make the full-text index write its changes.
    ///
    /// # Errors
    /// Returns the error from `work`, or an error if the database cannot be written.
    pub(super) fn attempt<T>(&self, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        if self.kind() == EngineKind::Sqlite {
            return work(self);
        }
        self.run_control("SAVEPOINT attempt")?;
        let result = work(self);
        if result.is_err() && self.in_transaction() {
            self.run_control("ROLLBACK TO attempt")?;
        }
        if self.in_transaction() {
            self.run_control("RELEASE attempt")?;
        }
        result
    }

    /// Commits the transaction, or rolls it back if `result` is an error.
    ///
    /// # Errors
    /// Returns the error of `result`, or an error if the transaction cannot be committed.
    pub(super) fn end_transaction<T, E: From<StoreError>>(
        &self,
        result: std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let ended = result.and_then(|value| {
            self.run_control("COMMIT")?;
            Ok(value)
        });
        if ended.is_err() {
            self.roll_back();
        }
        ended
    }

    /// Rolls back the transaction if one is open. Marks the connection as broken if that fails.
    pub(super) fn roll_back(&self) {
        if self.in_transaction() && self.run_control("ROLLBACK").is_err() {
            self.mark_broken();
        }
    }

    /// Limits how long to wait for a reply from the database server, after which the connection counts as lost.
    pub(super) fn limit_answers(&self, timeout: Duration) {
        if let Connection::Postgres(session) = &self.reader.0 {
            session.limit_answers(timeout);
        }
    }

    /// Takes a lock with this name, which excludes other servers until the end of the transaction. Does nothing for a
    /// file, which has only one writer.
    ///
    /// # Errors
    /// `Busy` if another transaction holds the lock for too long; another error if the database cannot be read.
    pub(super) fn lock(&self, name: &str) -> Result<()> {
        match self.kind() {
            EngineKind::Sqlite => Ok(()),
            EngineKind::Postgres => self
                .query_optional(postgres::LOCK_QUERY, [name], |_| Ok(()))
                .map(drop),
        }
    }

    /// Announces that this transaction adds many rows. Otherwise, PostgreSQL would keep the plans that it made while
    /// the tables were small, and would read a whole table for each statement and each foreign key check.
    ///
    /// # Errors
    /// Returns an error if the server cannot be reached.
    pub(super) fn expect_growth(&self) -> Result<()> {
        match self.kind() {
            EngineKind::Sqlite => Ok(()),
            EngineKind::Postgres => self.run_batch(postgres::PLAN_EVERY_TIME),
        }
    }

    /// Changes rows and returns their number.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub(super) fn run(&self, sql: &str, params: impl Params) -> Result<usize> {
        params.with_values(|values| match &self.reader.0 {
            Connection::Sqlite(connection) => connection.execute(sql, values),
            Connection::Postgres(session) => session.execute(sql, values),
        })
    }

    /// Adds amounts to a row of totals at the end of the transaction, if the job succeeds. Until then, no query sees
    /// them. The first parameters of the statement are the key, followed by the amounts.
    pub(super) fn add_later(&self, sql: &'static str, key: Vec<KeyPart>, amounts: &[Amount]) {
        self.totals.borrow_mut().add(sql, key, amounts);
    }

    /// Keeps the amounts that the job has added to totals, or discards them if the job has failed.
    pub(super) fn end_job(&self, keeps: bool) {
        let mut totals = self.totals.borrow_mut();
        match keeps {
            true => totals.keep_job(),
            false => totals.drop_job(),
        }
    }

    /// Discards all amounts that were added to totals but not written.
    pub(super) fn drop_totals(&self) {
        drop(self.totals.borrow_mut().take());
    }

    /// Writes all amounts that were added to totals. A row whose sum would exceed the range of its column keeps its value,
    /// instead of failing the jobs that share the transaction.
    ///
    /// # Errors
    /// Returns `Full` if the disk is full, and `Busy` if the whole transaction should be retried.
    pub(super) fn write_totals(&self) -> Result<()> {
        let totals = self.totals.borrow_mut().take();
        if totals.is_empty() {
            return Ok(());
        }
        if self.kind() == EngineKind::Postgres {
            let write = |sql, values: &[Value<'_>]| self.run(sql, values).map(drop);
            match self.attempt(|_| totals.write(write)) {
                Ok(()) => return Ok(()),
                Err(StoreError::Unknown) => return Err(StoreError::Unknown),
                Err(_) => {}
            }
        }
        // Each row separately. In PostgreSQL, a server of an earlier version, which writes rows in another order, may have
        // caused a deadlock, or a user may have been deleted at this moment.
        totals.write(|sql, values| match self.attempt(|db| db.run(sql, values)) {
            Ok(_) | Err(StoreError::OutOfRange) => Ok(()),
            Err(error @ (StoreError::Full | StoreError::Unknown)) => Err(error),
            // Nothing has been committed, so the jobs can be repeated.
            Err(_) => Err(StoreError::Busy),
        })
    }

    /// Changes rows as [`Writer::run`] does, for a statement that is not worth caching.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub(super) fn run_rarely(&self, sql: &str, params: impl Params) -> Result<usize> {
        params.with_values(|values| match &self.reader.0 {
            Connection::Sqlite(connection) => connection.execute_rarely(sql, values),
            Connection::Postgres(session) => session.execute_rarely(sql, values),
        })
    }

    /// Runs a statement that changes one row.
    ///
    /// # Errors
    /// Returns `Missing` if there is no such row, or another error if the database cannot be written.
    pub(super) fn run_one(&self, sql: &str, params: impl Params) -> Result<()> {
        match self.run(sql, params)? {
            0 => Err(StoreError::Missing),
            _ => Ok(()),
        }
    }
}
