//! Types and rules, which do no I/O.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail loudly"))]

#[path = "../../domain/mod.rs"]
pub mod domain;
