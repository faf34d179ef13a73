//! Checks in every test run which resources a server holds: threads, open files, and memory per event stream. `make
//! footprint` measures the startup time, memory, and size of the release binary. This debug build needs more and has
//! its own budgets.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;

use crate::support::Client;
use crate::support::executable::Executable;
use crate::support::provider::{Provider, on};
use crate::support::script::{analysis_path, begin};
use crate::support::server::Folder;

const STREAMS: usize = 200;

/// Returns a process's private memory in KB.
fn private_memory_kb(process: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
    let of = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    of("Private_Dirty:")
}

#[test]
fn idle_servers_and_streams_use_few_resources() {
    let models = on("GET models").optional();
    let models = models.status(200, "application/json", "{\"data\":[]}");
    let provider = Provider::script([on("slow").hang(), models]);
    let folder = Folder::new();
    let server = Executable::start(&folder, &provider, &[("RATE_LIMIT", "100000")]);
    let mut client = Client::new(server.address).registered("ada@example.com");
    let id = begin(&mut client, &["p/slow"]);
    provider.wait_hanging(1);
    let resources = server.held_resources();
    // One of the threads belongs to the call that hangs.
    assert!(resources.threads.len() <= 10, "{:?}", resources.threads);
    assert!(resources.files.len() <= 32, "{:?}", resources.files);

    let events = analysis_path(&id, "/events");
    let line = client.authorization();
    let before = private_memory_kb(server.id());
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let mut stream = TcpStream::connect(server.address).unwrap();
        write!(
            stream,
            "GET {events} HTTP/1.1\r\nhost: x\r\nauthorization: {line}\r\n\r\n"
        )
        .unwrap();
        let mut first = [0; 512];
        let read = stream.read(&mut first).unwrap();
        assert!(first[..read].starts_with(b"HTTP/1.1 200"));
        streams.push(stream);
    }
    let each = (private_memory_kb(server.id()) - before) / STREAMS as u64;
    assert!(each <= 24, "{each} KB a stream");
    eprintln!(
        "{} threads, {} files, {each} KB a stream",
        resources.threads.len(),
        resources.files.len()
    );
    drop(streams);
    client.post(&analysis_path(&id, "/cancel"), json!({}));
}
