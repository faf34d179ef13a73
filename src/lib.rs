//! Quire: asks many models and returns one answer, from a single binary. This page is the map.
//!
//! ```text
//!             main.rs ──► cli ───────────────┐
//!                          │                 │
//!    INTERFACES            ▼                 ▼
//!    (requests)           http          (ask, user, backup, doctor)
//!                          │                 │
//!                          └──────► app ◄────┘      use cases
//!    MIDDLE                        │   │
//!    (execution)                engine │            runs the state machines
//!                               │   │  │
//!    EDGES                    llm  store  crypto    hyper │ SQLite │ ring
//!    (I/O)                      │    │      │
//!    PURE                      wire  │   extract    bytes ⇄ values; file → text
//!    (no I/O, no clock)          └─► domain ◄┘      types and rules
//! ```
//!
//! Arrows are the only permitted imports; `tests/architecture/main.rs` enforces them. The drawing leaves out
//! `config`, `clock`, `tls`, `log`, and the edges `objects`, `replica`, and `shared_limits`. The folders are
//! compiled as seven packages (`packages`), and re-exported here. Start reading at `domain::analysis`, then
//! `domain::pattern` (what a run is), `engine::runner` (how it executes), and `http::routes` (every entry point).

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail loudly"))]

pub use quire_app::{app, engine};
pub use quire_domain::domain;
pub use quire_edges::{clock, config, crypto, llm, log, objects, shared_limits, system, tls, wire};
pub use quire_extract::extract;
pub use quire_http::http;
pub use quire_store::{replica, store};

pub mod allocator;
pub mod cli;
pub mod worker;
