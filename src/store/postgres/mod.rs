//! The PostgreSQL engine: sessions, rows, errors, the schema, and full-text search.
//!
//! All sessions of a store share one thread for their sockets. A statement runs on a thread of the store, which waits
//! for the answer up to a deadline.

pub(super) mod address;
pub(super) mod direct_address;
pub mod direct_connection;
mod errors;
mod hosts;
mod io_thread;
pub mod legacy_server_lock;
pub(super) mod lost_commit;
pub(super) mod migrate;
pub mod notices;
pub mod original_sizes;
pub mod originals;
mod pooler;
pub mod reservations;
mod row;
pub(super) mod schema;
pub(super) mod search;
mod server_steps;
pub mod servers;
pub(super) mod session;
pub mod status;
mod stream;
mod tls;
mod transaction;
pub(super) mod transaction_mark;
pub(super) mod transfer;
pub mod upload_bytes;
mod words;

pub(super) use row::value_of;
pub(super) use session::{PostgresServer, PostgresSession};
pub(super) use tokio_postgres::Row as PostgresRow;

/// Writes a row without changing its values.
pub(super) const REWRITE: &str = "UPDATE quire_schema SET version = version";

/// Replans each statement for the current sizes of the tables, until the end of the transaction.
pub(super) const PLAN_EVERY_TIME: &str = "SET LOCAL plan_cache_mode = force_custom_plan";

/// Takes the advisory lock with this name, waiting for it if necessary. It is held until the end of the transaction.
pub(super) const LOCK_QUERY: &str = "SELECT pg_advisory_xact_lock(hashtextextended(?1, 0))";

/// Lists the columns of a table, in order.
pub(super) const COLUMNS_QUERY: &str = "SELECT CAST(column_name AS TEXT) FROM information_schema.columns
    WHERE table_schema = current_schema() AND CAST(table_name AS TEXT) = ?1 ORDER BY ordinal_position";
