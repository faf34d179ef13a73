//! Real files through the reader: what must be found in each (facts), the share of the words that another
//! program finds (recall), and damaged files. The files and their sources are in
//! tests/data/documents/MANIFEST.toml.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
#![allow(
    clippy::print_stdout,
    reason = "figures, for whoever runs with --nocapture"
)]

mod damage;
mod facts;
mod manifest;
mod nothing_lost;
mod pack;
mod recall;
mod words;
