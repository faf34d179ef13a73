//! Client for another Quire server, and downloads of documents, for the command line.

pub use crate::llm::{Remote, RemoteError, open_web_file};
