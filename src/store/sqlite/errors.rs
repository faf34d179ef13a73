//! Converts SQLite's error codes to store errors.

use crate::store::error::{OpenError, StoreError};

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull};
        use rusqlite::ffi;
        let Some(cause) = error.sqlite_error() else {
            return match error {
                rusqlite::Error::QueryReturnedNoRows => Self::Missing,
                other => Self::Failed(other.to_string()),
            };
        };
        match (cause.code, cause.extended_code) {
            (DatabaseBusy | DatabaseLocked, _) => Self::Busy,
            // `SQLITE_IOERR_SHMSIZE` means that the WAL index could not grow.
            (DiskFull, _) | (_, ffi::SQLITE_IOERR_SHMSIZE) => Self::Full,
            // The parent row has been deleted while a run or a reading process still refers to it.
            (_, ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => Self::Missing,
            (_, ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => {
                Self::Conflict("such a row")
            }
            // A sum beyond the range of integers becomes a float, which an integer column refuses.
            (_, ffi::SQLITE_CONSTRAINT_DATATYPE) => Self::OutOfRange,
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseCorrupt, DatabaseLocked, NotADatabase};
        match error.sqlite_error_code() {
            Some(DatabaseBusy | DatabaseLocked) => Self::Busy,
            Some(DatabaseCorrupt | NotADatabase) => Self::Damaged(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}
