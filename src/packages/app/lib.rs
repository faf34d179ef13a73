//! Use cases, and the engine that executes runs.
//!
//! Re-exports the layers below that it may use, so that `crate::domain` means the same in every package.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail loudly"))]

pub use quire_domain::domain;
pub use quire_edges::{clock, config, crypto, llm, log, objects, shared_limits, system, tls, wire};
pub use quire_extract::extract;
pub use quire_store::{replica, store};

#[path = "../../app/mod.rs"]
pub mod app;
#[path = "../../engine/mod.rs"]
pub mod engine;
