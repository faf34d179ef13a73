//! Real files that others made, through the reader: what must be found in each (facts), how many of the
//! words that another program finds are found (recall), and what damage does. The files and where they come
//! from: tests/data/documents/MANIFEST.toml.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
#![allow(
    clippy::print_stdout,
    reason = "figures, for whoever runs with --nocapture"
)]

mod damage;
mod facts;
mod manifest;
mod pack;
mod recall;
mod words;
