//! The client of another Quire server, for the command line.

pub use crate::llm::{Remote, RemoteError};
