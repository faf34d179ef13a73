//! The database and its replica.
//!
//! The layers below are re-exported, so that every package names a layer in the same way: `crate::domain`.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail loudly"))]

pub use quire_domain::domain;
pub use quire_edges::{clock, config, crypto, llm, log, objects, shared_limits, system, tls, wire};

#[path = "../../replica/mod.rs"]
pub mod replica;
#[path = "../../store/mod.rs"]
pub mod store;
