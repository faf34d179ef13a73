//! Reads files as text.
//!
//! The layers below are re-exported, so that every package names a layer in the same way: `crate::domain`.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail loudly"))]

pub use quire_domain::domain;

#[path = "../../extract/mod.rs"]
pub mod extract;
