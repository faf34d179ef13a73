//! Quire: many models, one answer, one file. This page is the map.
//!
//! ```text
//!             main.rs ──► cli ───────────────┐
//!                          │                 │
//!    FACES                 ▼                 ▼
//!    (who asks)           http          (ask, user, backup, doctor)
//!                          │                 │
//!                          └──────► app ◄────┘      what the product can do
//!    MIDDLE                        │   │
//!    (what happens)             engine │            runs the state machines
//!                               │   │  │
//!    EDGES                    llm  store  crypto    ureq │ SQLite │ ring
//!    (the world)                │    │      │
//!    PURE                      wire  │   extract    bytes ⇄ facts; file → text
//!    (no I/O, no clock)          └─► domain ◄┘      what things mean
//! ```
//!
//! Arrows are the only permitted imports; `tests/architecture/main.rs` holds them. `config`, `clock`, `tls` and
//! `log` are small leaves left out of the drawing. Start reading at `domain::analysis`, then
//! `domain::pattern` (what a run is), `engine::drive` (how it happens), `http::routes` (every way in).

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail loudly"))]

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
pub mod replica;
pub mod store;
pub mod system;
pub mod tls;
pub mod wire;
pub mod worker;
