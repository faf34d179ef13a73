//! Use cases: everything a person or a program can ask for.

pub mod error;

pub use error::{Error, Kind, Result};
