//! Read-only and read-write connections to a SQLite file, and the rows that they return.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, Rows, Statement};

use crate::store::error::{Result, StoreError};
use crate::store::params::Value;

/// A row of a SQLite query.
pub(in crate::store) type SqliteRow<'r> = rusqlite::Row<'r>;

/// A connection that records whether it must be discarded and whether it has read a damaged page.
pub(in crate::store) struct SqliteConnection {
    connection: Connection,
    is_broken: Cell<bool>,
    is_damaged: Cell<bool>,
}

/// A parameter in the form that rusqlite can bind.
struct Bound<'a>(Value<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(number),
            Value::Real(number) => ValueRef::Real(number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Returns the value in the column at a position.
///
/// # Errors
/// Returns an error if there is no such column or its text is not UTF-8.
pub(in crate::store) fn value_of<'r>(row: &'r SqliteRow<'_>, position: usize) -> Result<Value<'r>> {
    Ok(match row.get_ref(position)? {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(
            std::str::from_utf8(text).map_err(|error| StoreError::Failed(error.to_string()))?,
        ),
        ValueRef::Blob(bytes) => Value::Blob(bytes),
    })
}

/// Binds values to the parameters of a statement, and checks that their numbers match.
fn bind(statement: &mut Statement<'_>, values: &[Value<'_>]) -> Result<()> {
    for (index, value) in values.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, Bound(*value))?;
    }
    match statement.parameter_count() == values.len() {
        true => Ok(()),
        false => Err(StoreError::Failed(format!(
            "{} parameters for a statement with {}",
            values.len(),
            statement.parameter_count()
        ))),
    }
}

impl SqliteConnection {
    /// Opens a read-only connection.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened.
    pub(in crate::store) fn open_reader(path: &Path) -> rusqlite::Result<Self> {
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -512;")?;
        Ok(Self::new(connection))
    }

    /// Opens a read-write connection, creating the file if needed. `followed` tells whether a replica follows the
    /// write-ahead log.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened or configured.
    pub(in crate::store) fn open_writer(path: &Path, followed: bool) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let connection = connect(path, flags)?;
        // WAL: readers never wait for the writer. FULL: acknowledged changes survive a power failure; group commit
        // makes up for its cost. secure_delete: deleted data is overwritten, not only unlinked.
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
             PRAGMA secure_delete = ON; PRAGMA cache_size = -1024; PRAGMA journal_size_limit = 4194304;",
        )?;
        if followed {
            // The log must not be truncated before the follower has read it.
            connection.execute_batch("PRAGMA wal_autocheckpoint = 0;")?;
        }
        Ok(Self::new(connection))
    }

    /// Opens a file for reading, in a mode that changes neither the file nor its write-ahead log. Takes no lock.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened.
    pub(in crate::store) fn open_unchanged(path: &Path) -> rusqlite::Result<Self> {
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // Without this, the last connection to close would checkpoint the log and delete it. This may happen only to an
        // empty log, which opening a file without a log creates.
        let log = format!("{}-wal", path.display());
        if std::fs::metadata(log).is_ok_and(|log| log.len() > 0) {
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        }
        connection.execute_batch("PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -1024;")?;
        Ok(Self::new(connection))
    }

    fn new(connection: Connection) -> Self {
        Self {
            connection,
            is_broken: Cell::new(false),
            is_damaged: Cell::new(false),
        }
    }

    /// Runs a query and passes its rows to `take`.
    ///
    /// # Errors
    /// Returns the error of `take`, or an error if the database cannot be read.
    pub(in crate::store) fn query<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        take: impl FnOnce(&mut SqliteRows<'_, '_>) -> Result<T>,
    ) -> Result<T> {
        let mut query = self.noted(self.connection.prepare_cached(sql))?;
        bind(&mut query, values)?;
        let mut rows = SqliteRows {
            connection: self,
            rows: query.raw_query(),
        };
        take(&mut rows)
    }

    /// Runs a statement that changes rows, and returns their number. The compiled statement is cached.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub(in crate::store) fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<usize> {
        let mut statement = self.noted(self.connection.prepare_cached(sql))?;
        bind(&mut statement, values)?;
        self.noted(statement.raw_execute())
    }

    /// Runs statements without parameters or results.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read or written.
    pub(in crate::store) fn execute_batch(&self, sql: &str) -> Result<()> {
        self.noted(self.connection.execute_batch(sql))
    }

    /// Like [`Self::execute`], but without caching the compiled statement.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub(in crate::store) fn execute_rarely(
        &self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<usize> {
        let mut statement = self.noted(self.connection.prepare(sql))?;
        bind(&mut statement, values)?;
        self.noted(statement.raw_execute())
    }

    /// Runs a query that returns one row, and frees the cache afterward, because the query is rarely used.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(in crate::store) fn query_rarely(&self, sql: &str) -> Result<()> {
        self.noted(self.connection.query_row(sql, [], |_| Ok(())))?;
        self.free_cache()
    }

    /// Frees the cached statements and pages.
    ///
    /// # Errors
    /// Returns an error if SQLite cannot free memory.
    pub(in crate::store) fn free_cache(&self) -> Result<()> {
        self.connection.flush_prepared_statement_cache();
        self.noted(self.connection.release_memory())
    }

    /// Returns whether a transaction is open. Some errors end a transaction implicitly.
    pub(in crate::store) fn in_transaction(&self) -> bool {
        !self.connection.is_autocommit()
    }

    /// Returns the number of rows changed through this connection since it was opened.
    pub(in crate::store) fn rows_changed(&self) -> u64 {
        self.connection.total_changes()
    }

    /// Returns whether the connection must be discarded.
    pub(in crate::store) fn is_broken(&self) -> bool {
        self.is_broken.get()
    }

    /// Returns whether this connection has read a damaged page.
    pub(in crate::store) fn is_damaged(&self) -> bool {
        self.is_damaged.get()
    }

    pub(in crate::store) fn mark_broken(&self) {
        self.is_broken.set(true);
    }

    /// Returns the underlying connection, for features that only SQLite has.
    pub(in crate::store) fn raw(&self) -> &Connection {
        &self.connection
    }

    fn noted<T>(&self, answer: rusqlite::Result<T>) -> Result<T> {
        answer.map_err(|error| {
            let code = error.sqlite_error_code();
            let is_lasting = matches!(
                code,
                Some(
                    ErrorCode::SystemIoFailure
                        | ErrorCode::DatabaseCorrupt
                        | ErrorCode::NotADatabase
                        | ErrorCode::CannotOpen
                        | ErrorCode::OutOfMemory
                )
            );
            if is_lasting {
                self.mark_broken();
            }
            if matches!(
                code,
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
            ) {
                self.is_damaged.set(true);
            }
            error.into()
        })
    }
}

/// The rows of a query, which are fetched one at a time.
pub(in crate::store) struct SqliteRows<'c, 's> {
    connection: &'c SqliteConnection,
    rows: Rows<'s>,
}

impl<'s> SqliteRows<'_, 's> {
    /// Fetches the next row. Returns `None` at the end.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(in crate::store) fn next(&mut self) -> Result<Option<&SqliteRow<'s>>> {
        let answer = self.rows.next();
        self.connection.noted(answer)
    }
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    // SQLITE_OPEN_URI is not set, so a path is taken literally, whatever characters it contains.
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // The timeout is set first, because each of the following statements may find the file locked.
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(128);
    // Without this, SQLite plans for the bound values and therefore replans whenever a cached statement runs, which
    // took 95% of the time of a lookup by key.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch("PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;")?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use crate::store::tests::{Folder, user};
    use crate::store::users;

    #[test]
    fn a_cached_statement_is_planned_once() {
        let folder = Folder::new();
        let store = folder.open_file();
        let result = store.write_now(|db| {
            users::insert(db, &user(1))?;
            let sql = "SELECT u.id FROM users u LEFT JOIN sessions s ON s.user_id = u.id
                       WHERE u.id = ?1 AND u.disabled = 0";
            for n in 1..20 {
                let id = db.query_optional(sql, [user(n % 2).id], |row| row.get::<_, String>(0))?;
                assert_eq!(id.is_some(), n % 2 == 1);
            }
            let statement = db.sqlite()?.raw().prepare_cached(sql)?;
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
            assert_eq!(statement.get_status(StatementStatus::Run), 19);
            Ok(())
        });
        result.expect("the test's statements");
    }
}
