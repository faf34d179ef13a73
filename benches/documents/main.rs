//! `cargo bench --bench documents`: the cost of reading documents, and how often search finds their pages. With
//! `-- finding`, runs only the search benchmark, which needs no server.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]
#![allow(clippy::unwrap_used, reason = "a bench may fail loudly")]

mod book;
mod finding;
#[path = "../../tests/documents/manifest.rs"]
#[allow(dead_code, reason = "the facts are what the tests look at")]
mod manifest;
mod reading;
#[path = "../../tests/retrieval/set.rs"]
mod set;
#[path = "../support/mod.rs"]
mod support;
#[path = "../../tests/documents/words.rs"]
mod words;

fn main() {
    if std::env::args().any(|argument| argument == "finding") {
        return finding();
    }
    finding();
    reading::print_table();
    reading::book(&support::binary());
}

fn finding() {
    finding::measure_search_quality();
    finding::measure_indexing_speed();
}
