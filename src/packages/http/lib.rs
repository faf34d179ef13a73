//! The server: requests, and the pages that the binary embeds.
//!
//! Re-exports the layers below that it may use, so that `crate::domain` means the same in every package.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail loudly"))]

pub use quire_app::app;
pub use quire_domain::domain;
#[cfg(test)]
use quire_edges::config;
pub use quire_edges::{clock, log, tls, wire};

#[path = "../../http/mod.rs"]
pub mod http;
