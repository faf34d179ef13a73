//! Tests Quire with third-party emulators of providers: aimock (npm) and llmock (PyPI). They are independent, so they
//! reveal assumptions that Quire and our own scripted provider have in common. `make interop` installs them in
//! target/interop and runs these tests. Without them, the tests are skipped with a notice.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod aimock;
mod clients;
mod llmock;
mod mock;
#[path = "../api/support/mod.rs"]
mod support;
