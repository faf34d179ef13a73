//! Use cases: everything a person or a program can ask for. Knows nothing of HTTP or terminals.

pub mod accounts;
pub mod admin;
pub mod api_keys;
pub mod documents;
pub mod error;

use crate::crypto;
use crate::store;

pub use error::{Error, Kind, Result};

impl From<store::StoreError> for Error {
    fn from(fault: store::StoreError) -> Self {
        use store::StoreError::{Busy, Conflict, Failed, Missing};
        match fault {
            Missing => Error::new(Kind::Missing, "not found"),
            Conflict(what) => Error::new(Kind::Conflict, format!("{what} already exists")),
            Busy => Error::new(Kind::Unavailable, "the database is busy")
                .resolve("try again in a moment"),
            Failed(private) => Error::internal(private),
        }
    }
}

impl From<crypto::Error> for Error {
    fn from(fault: crypto::Error) -> Self {
        Error::internal(format!("{fault:?}"))
    }
}
