//! Another Quire, as the command line asks it.

pub use crate::llm::{Remote, RemoteError};
