//! The outside world, except the database: settings, the system, providers, Redis, and buckets. Also the formats of
//! other programs.
//!
//! Re-exports the layers below that it may use, so that `crate::domain` means the same in every package.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail loudly"))]

pub use quire_domain::domain;

#[path = "../../clock.rs"]
pub mod clock;
#[path = "../../config/mod.rs"]
pub mod config;
#[path = "../../crypto/mod.rs"]
pub mod crypto;
#[path = "../../llm/mod.rs"]
pub mod llm;
#[path = "../../log.rs"]
pub mod log;
#[path = "../../objects/mod.rs"]
pub mod objects;
#[path = "../../shared_limits/mod.rs"]
pub mod shared_limits;
#[path = "../../system.rs"]
pub mod system;
#[path = "../../tls/mod.rs"]
pub mod tls;
#[path = "../../wire/mod.rs"]
pub mod wire;
