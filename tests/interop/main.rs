//! Quire against third-party emulators of providers: aimock (npm) and llmock (PyPI). Being independent, they
//! reveal assumptions that our own scripted provider shares with us. `make interop` installs them under
//! target/interop and runs this; without them it is skipped with a notice.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod aimock;
mod clients;
mod llmock;
mod mock;
#[path = "../api/support/mod.rs"]
mod support;
