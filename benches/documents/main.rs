//! `cargo bench --bench documents`: what reading documents costs, and how much of them is found.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]
#![allow(clippy::unwrap_used, reason = "a bench may fail loudly")]

mod book;
#[path = "../../tests/documents/manifest.rs"]
#[allow(dead_code, reason = "the facts are what the tests look at")]
mod manifest;
mod reading;
#[path = "../support/mod.rs"]
mod support;
#[path = "../../tests/documents/words.rs"]
mod words;

fn main() {
    reading::table();
    reading::book(&support::binary());
}
