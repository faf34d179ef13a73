//! The database and its replica.
//!
//! Re-exports the layers below that it may use, so that `crate::domain` means the same in every package.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail loudly"))]

pub use quire_domain::domain;
pub use quire_edges::{clock, crypto, log, objects, tls};

#[path = "../../replica/mod.rs"]
pub mod replica;
#[path = "../../store/mod.rs"]
pub mod store;
