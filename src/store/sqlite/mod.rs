//! The embedded SQLite engine: connections, migrations, full-text search, backups, and the write-ahead log.

pub(super) mod backup;
pub(super) mod connection;
mod errors;
pub(super) mod first_pages;
pub(super) mod migrate;
pub(super) mod search;
pub(super) mod transfer;
pub(super) mod wal_check;
pub(super) mod wal_follower;

pub(super) use connection::{SqliteRow, value_of};

/// Lists the columns of a table, in order.
pub(super) const COLUMNS_QUERY: &str = "SELECT name FROM pragma_table_info(?1) ORDER BY cid";

/// Returns the version of the linked SQLite library.
pub(super) fn version() -> &'static str {
    rusqlite::version()
}
