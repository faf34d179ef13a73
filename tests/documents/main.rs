//! Tests the reader with real files: text that must be found in each file (facts), the share of the words found by
//! another program that the reader finds too (recall), and damaged files. The files and their sources are listed in
//! tests/data/documents/MANIFEST.toml.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
#![allow(
    clippy::print_stdout,
    reason = "figures, for whoever runs with --nocapture"
)]

mod classes;
mod damage;
mod facts;
mod manifest;
mod nothing_lost;
mod pack;
mod recall;
mod words;
