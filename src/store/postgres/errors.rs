//! Maps PostgreSQL's error codes to store errors, and decides which errors end the session.

use tokio_postgres::error::SqlState;

use crate::store::error::StoreError;

/// Returns the store error for an error of PostgreSQL, and whether the session must be discarded.
pub(super) fn meaning(error: &tokio_postgres::Error) -> (StoreError, bool) {
    let Some(code) = error.code() else {
        // An error without a code means that the connection failed, or that a value did not match its parameter.
        return match error.is_closed() || is_transport(error) {
            true => (StoreError::Busy, true),
            false => (StoreError::Failed(error.to_string()), false),
        };
    };
    match *code {
        SqlState::UNIQUE_VIOLATION => (StoreError::Conflict("such a row"), false),
        // The parent row was deleted while a task still referred to it.
        SqlState::FOREIGN_KEY_VIOLATION => (StoreError::Missing, false),
        SqlState::DISK_FULL => (StoreError::Full, false),
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE => (StoreError::OutOfRange, false),
        SqlState::QUERY_CANCELED
        | SqlState::LOCK_NOT_AVAILABLE
        | SqlState::T_R_SERIALIZATION_FAILURE
        | SqlState::T_R_DEADLOCK_DETECTED => (StoreError::Busy, false),
        _ => match is_lasting(code.code()) {
            true => (StoreError::Busy, true),
            false => (failure(error, code), false),
        },
    }
}

/// Returns whether every later statement of the session would fail too: the server is stopping or starting (57P0x), the
/// connection is lost (08) or was closed while a transaction was idle (25P03), the server has become a read-only
/// replica (25006) or lacks resources for the session (53), or a pooler has switched connections and lost the prepared
/// statements (0A000, 26000).
fn is_lasting(code: &str) -> bool {
    let starts = ["57P0", "08", "53"];
    starts.iter().any(|start| code.starts_with(start))
        || ["25006", "25P03", "0A000", "26000"].contains(&code)
}

/// Returns the message without its detail, which may contain personal data.
fn failure(error: &tokio_postgres::Error, code: &SqlState) -> StoreError {
    let message = error.as_db_error().map_or("", |error| error.message());
    StoreError::Failed(format!("{message} ({})", code.code()))
}

fn is_transport(error: &tokio_postgres::Error) -> bool {
    let source = std::error::Error::source(error);
    source.is_some_and(|source| source.is::<std::io::Error>())
}
