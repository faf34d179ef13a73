//! Tests original files of documents in a bucket, and uploads in parts over several servers, with the real executable.
//! The bucket is simulated or, if `DOCUMENT_STORE_TEST` is set, a real S3-compatible store (see `make replica`).
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod bucket;
#[path = "../postgres/cluster.rs"]
#[allow(dead_code, reason = "the tests of PostgreSQL use the rest")]
mod cluster;
mod commands;
mod faults;
mod moving;
mod parts;
#[path = "../api/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use support::Client;
use support::executable::Executable;
use support::s3::{BUCKET, Bucket};
use support::server::Folder;

/// Maximum time to wait for a condition.
const WAIT_TIMEOUT: Duration = Duration::from_secs(120);
/// The secret that all servers of a test share.
const SECRET: &str = "a secret of all servers, long enough";

/// Waits until a condition holds.
fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < WAIT_TIMEOUT, "waiting: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Returns the settings of a server that uses this bucket, followed by the settings in `more`.
fn settings(bucket: &Bucket, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let mut all: Vec<_> = more.iter().map(own).collect();
    let store = format!("s3://{BUCKET}/files of quire");
    all.push(("DOCUMENT_STORE".to_owned(), store));
    let variables = bucket.environment().into_iter();
    all.extend(variables.map(|(name, value)| (name.to_owned(), value)));
    all
}

/// Starts a server with these settings.
fn start(folder: &Folder, settings: &[(String, String)]) -> Executable {
    let fixed = [
        ("USE_MOCK", "true"),
        ("QUIRE_SECRET", SECRET),
        ("RATE_LIMIT", "1000000"),
    ];
    let settings = settings.iter();
    let settings = settings.map(|(name, value)| (name.as_str(), value.as_str()));
    Executable::with(folder, &{ settings }.chain(fixed).collect::<Vec<_>>())
}

/// Returns the key of a document's object in the bucket.
fn key_of(id: &str) -> String {
    format!("files of quire/originals/{id}")
}

/// Uploads a text and returns the ID of its document.
fn upload(client: &mut Client, text: &str) -> String {
    let answer = client.upload("/api/upload-document", "levy.txt", text.as_bytes());
    assert!(answer.status < 300, "{}", answer.text());
    answer.json()["document_id"].as_str().unwrap().to_owned()
}

/// Returns the original file of a document as a client receives it.
fn content(client: &mut Client, id: &str) -> String {
    let answer = client.get(&format!("/api/documents/{id}/content"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

/// Copies a data folder that no server is using.
fn copy_data(from: &Folder, to: &Folder) {
    let source = format!("{}/.", from.path().join("data").display());
    let target = to.path().join("data");
    std::fs::create_dir_all(&target).unwrap();
    let mut copy = std::process::Command::new("cp");
    let copied = copy.args(["-a", &source]).arg(target).status();
    assert!(copied.unwrap().success());
}

/// Returns the number of files in a subfolder of a data folder.
fn files(folder: &Folder, name: &str) -> usize {
    let entries = std::fs::read_dir(folder.path().join("data").join(name));
    entries.map_or(0, Iterator::count)
}
