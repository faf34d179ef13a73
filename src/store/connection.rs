//! Configured connections as used by the topic files: `Reader` queries, `Writer` also changes. Writing through a
//! `Reader` does not compile, and its connection is also read-only.

use std::cell::Cell;
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Params, Row};

use super::error::{Result, StoreError};

/// Read-only connection.
pub struct Reader {
    connection: Connection,
    is_broken: Cell<bool>,
    is_damaged: Cell<bool>,
}

/// Read-write connection. Only the writer thread has one.
pub struct Writer(Reader);

impl Deref for Writer {
    type Target = Reader;
    fn deref(&self) -> &Reader {
        &self.0
    }
}

impl Reader {
    /// Opens a read-only connection.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened.
    pub(super) fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -512;")?;
        Ok(Self::new(connection))
    }

    fn new(connection: Connection) -> Self {
        Self {
            connection,
            is_broken: Cell::new(false),
            is_damaged: Cell::new(false),
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
        from_row: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        let answer = self.connection.prepare_cached(sql).and_then(|mut query| {
            let mut rows = query.query(params)?;
            rows.next()?.map(from_row).transpose()
        });
        self.note_failure(answer)
    }

    /// Returns the only row of a query that always has one.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(super) fn query_one<T>(
        &self,
        sql: &str,
        params: impl Params,
        from_row: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.query_optional(sql, params, from_row)?
            .ok_or(StoreError::Missing)
    }

    /// Runs a rarely needed query that returns one row, without caching its statement or the pages it reads.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(super) fn run_rarely(&self, sql: &str) -> Result<()> {
        let answer = self.connection.query_row(sql, [], |_| Ok(()));
        self.note_failure(answer)?;
        self.free_cache()
    }

    /// Frees the page cache, which is filled again when needed.
    ///
    /// # Errors
    /// Returns an error if SQLite refuses.
    pub(super) fn free_cache(&self) -> Result<()> {
        self.note_failure(self.connection.release_memory())
    }

    /// Returns all rows. The query contains the limit.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        from_row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let answer = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut query| query.query_map(params, from_row)?.collect());
        self.note_failure(answer)
    }

    /// Visits rows until `take` returns false, without collecting them.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(super) fn each(
        &self,
        sql: &str,
        params: impl Params,
        mut take: impl FnMut(&Row<'_>) -> rusqlite::Result<bool>,
    ) -> Result<()> {
        let answer = self.connection.prepare_cached(sql).and_then(|mut query| {
            let mut rows = query.query(params)?;
            while let Some(row) = rows.next()? {
                if !take(row)? {
                    break;
                }
            }
            Ok(())
        });
        self.note_failure(answer)
    }

    /// Runs a transaction statement; for the threads.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(super) fn run_control(&self, sql: &'static str) -> Result<()> {
        let answer = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute([]));
        self.note_failure(answer).map(drop)
    }

    /// Runs setup statements, once per connection.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(super) fn run_batch(&self, sql: &str) -> Result<()> {
        let answer = self.connection.execute_batch(sql);
        self.note_failure(answer)
    }

    /// Whether a transaction is open. Some failures end one implicitly.
    pub(super) fn in_transaction(&self) -> bool {
        !self.connection.is_autocommit()
    }

    /// Number of rows changed by this connection since it was opened.
    pub(super) fn rows_changed(&self) -> u64 {
        self.connection.total_changes()
    }

    /// Whether the connection must be discarded.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken.get()
    }

    /// Whether a damaged page was read.
    pub(super) fn is_damaged(&self) -> bool {
        self.is_damaged.get()
    }

    pub(super) fn mark_broken(&self) {
        self.is_broken.set(true);
    }

    fn note_failure<T>(&self, answer: rusqlite::Result<T>) -> Result<T> {
        answer.map_err(|error| {
            let lasting = matches!(
                error.sqlite_error_code(),
                Some(
                    ErrorCode::SystemIoFailure
                        | ErrorCode::DatabaseCorrupt
                        | ErrorCode::NotADatabase
                        | ErrorCode::CannotOpen
                        | ErrorCode::OutOfMemory
                )
            );
            if lasting {
                self.mark_broken();
            }
            let code = error.sqlite_error_code();
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

impl Writer {
    /// Opens the read-write connection.
    ///
    /// # Errors
    /// Returns an error if the file cannot be opened or configured.
    pub(super) fn open(path: &Path, followed: bool) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let connection = connect(path, flags)?;
        // WAL: readers never wait for the writer. FULL: acknowledged changes survive a power cut; group
        // commit pays for it. secure_delete: deleted data is overwritten, not only unlinked.
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
             PRAGMA secure_delete = ON; PRAGMA cache_size = -1024; PRAGMA journal_size_limit = 4194304;",
        )?;
        if followed {
            // The log may be truncated only after the follower has read it.
            connection.execute_batch("PRAGMA wal_autocheckpoint = 0;")?;
        }
        Ok(Self(Reader::new(connection)))
    }

    /// Changes rows and returns their number.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub(super) fn run(&self, sql: &str, params: impl Params) -> Result<usize> {
        let answer = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params));
        self.note_failure(answer)
    }

    /// Runs several statements within the current transaction.
    ///
    /// # Errors
    /// Returns an error if the database cannot be written.
    pub(super) fn with_connection<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let answer = work(&self.connection);
        self.note_failure(answer)
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

    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.0.connection
    }
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    // Without SQLITE_OPEN_URI, so that a path is taken literally, whatever characters it contains.
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // First, because every later statement may find the file locked.
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(128);
    // Without it, SQLite plans for the bound values and so replans at every call of a cached statement, which took
    // 95% of the time of a lookup by key.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch("PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;")?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::super::tests::{user, with_writer};
    use super::super::users;

    #[test]
    fn a_cached_statement_is_planned_once() {
        with_writer(|db| {
            users::insert(db, &user(1))?;
            let sql = "SELECT u.id FROM users u LEFT JOIN sessions s ON s.user_id = u.id
                       WHERE u.id = ?1 AND u.disabled = 0";
            for n in 1..20 {
                let found =
                    db.query_optional(sql, [user(n % 2).id], |row| row.get::<_, String>(0))?;
                assert_eq!(found.is_some(), n % 2 == 1);
            }
            let statement = db.connection.prepare_cached(sql)?;
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
            assert_eq!(statement.get_status(StatementStatus::Run), 19);
            Ok(())
        });
    }
}
