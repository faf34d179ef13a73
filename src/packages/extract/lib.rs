//! Reads files as text.
//!
//! Re-exports the layers below that it may use, so that `crate::domain` means the same in every package.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail loudly"))]

pub use quire_domain::domain;

#[path = "../../extract/mod.rs"]
pub mod extract;
