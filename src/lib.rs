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
//! `config`, `clock`, `tls`, `log`, and the edges `objects`, `replica`, and `shared_limits`. Start reading at
//! `domain::analysis`, then `domain::pattern` (what a run is), `engine::runner` (how it executes), and `http::routes`
//! (every entry point).

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail loudly"))]

pub mod allocator;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod domain;
pub mod engine;
pub mod extract;
pub mod http;
pub mod llm;
pub mod log;
pub mod objects;
pub mod replica;
pub mod shared_limits;
pub mod store;
pub mod system;
pub mod tls;
pub mod wire;
pub mod worker;
