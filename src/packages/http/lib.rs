//! The server: requests, and the pages that the binary embeds.
//!
//! The layers below are re-exported, so that every package names a layer in the same way: `crate::domain`.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail loudly"))]

pub use quire_app::app;
pub use quire_domain::domain;
pub use quire_edges::{clock, config, log, tls, wire};

#[path = "../../http/mod.rs"]
pub mod http;
