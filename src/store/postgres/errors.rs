//! What PostgreSQL's error codes mean for a caller and for the session.

use tokio_postgres::error::SqlState;

use crate::store::error::StoreError;

/// Meaning of an error, and whether the session must be discarded.
pub(super) fn meaning(error: &tokio_postgres::Error) -> (StoreError, bool) {
    let Some(code) = error.code() else {
        // Without a code, the server did not answer, or a value did not fit its parameter.
        return match error.is_closed() || is_transport(error) {
            true => (StoreError::Busy, true),
            false => (StoreError::Failed(error.to_string()), false),
        };
    };
    match *code {
        SqlState::UNIQUE_VIOLATION => (StoreError::Conflict("such a row"), false),
        // The parent row is gone: deleted while work for it was still running.
        SqlState::FOREIGN_KEY_VIOLATION => (StoreError::Missing, false),
        SqlState::DISK_FULL => (StoreError::Full, false),
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

/// Whether every later statement of the session would fail too: the server stops or starts (57P0x), the connection is
/// lost (08), the server became a read-only replica (25006), has no room for the session (53), or a pooler has
/// exchanged what the session had prepared (0A000, 26000).
fn is_lasting(code: &str) -> bool {
    let starts = ["57P0", "08", "53"];
    starts.iter().any(|start| code.starts_with(start))
        || ["25006", "0A000", "26000"].contains(&code)
}

/// The message without its detail, which may contain values of people.
fn failure(error: &tokio_postgres::Error, code: &SqlState) -> StoreError {
    let message = error.as_db_error().map_or("", |error| error.message());
    StoreError::Failed(format!("{message} ({})", code.code()))
}

fn is_transport(error: &tokio_postgres::Error) -> bool {
    let source = std::error::Error::source(error);
    source.is_some_and(|source| source.is::<std::io::Error>())
}
