//! Quire against servers by others that emulate the vendors: aimock (npm) and llmock (PyPI). Nobody here
//! has written what they say, so they find what our own scripted provider believes with us. `make interop`
//! installs them under target/interop and runs this; without them it is skipped with a notice.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod aimock;
mod clients;
mod llmock;
mod mock;
#[path = "../api/support/mod.rs"]
mod support;
