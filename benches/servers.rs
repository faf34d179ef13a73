//! `make bench-servers`: common requests with the database in a file and on a PostgreSQL server, and how much later an
//! event is shown by a server that does not drive the run. QUIRE_TEST_POSTGRES is the database, as `.ci/postgres` sets
//! it.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use support::upstream::Upstream;
use support::{Folder, Program, ask, binary, field, median, post, sign_up};

/// Requests of each kind that are measured.
const REQUESTS: usize = 400;
/// Runs in the history, and followed from two servers.
const RUNS: usize = 20;

fn main() {
    let binary = binary();
    let Ok(database) = std::env::var("QUIRE_TEST_POSTGRES") else {
        eprintln!("QUIRE_TEST_POSTGRES is not set: run `make bench-servers`");
        return;
    };
    let (upstream, folder) = (Upstream::start(), Folder::new("servers"));
    let start = |name: &str, database: Option<&str>| {
        let data = folder.0.join(name);
        std::fs::create_dir_all(&data).expect("a folder");
        start(&binary, &data, &upstream, database)
    };
    let embedded = start("embedded", None);
    let (one, other) = (
        start("one", Some(&database)),
        start("other", Some(&database)),
    );
    let keys = [&embedded, &one].map(|program| {
        let key = sign_up(program.address, "bench");
        (0..RUNS).for_each(|_| drop(finish(program.address, &key)));
        key
    });
    for (name, program, key) in [
        ("SQLite", &embedded, &keys[0]),
        ("PostgreSQL", &one, &keys[1]),
    ] {
        measure_requests(name, program.address, key);
    }
    measure_delays(&one, &other, &keys[1]);
}

fn start(binary: &Path, data: &Path, upstream: &Upstream, database: Option<&str>) -> Program {
    let providers = json!([{
        "id": "p", "base_url": format!("http://{}/v1", upstream.address), "models": "*",
    }]);
    let mut settings = vec![
        ("QUIRE_PROVIDERS", providers.to_string()),
        (
            "QUIRE_SECRET",
            "a secret of all servers, long enough".to_owned(),
        ),
        ("CACHE_TTL", "0".to_owned()),
        ("DISCOVER_LOCAL", "false".to_owned()),
        ("EVIDENCE", "off".to_owned()),
    ];
    settings.extend(database.map(|database| ("DATABASE_URL", database.to_owned())));
    Program::start(binary, Some(data), "/api/health", &settings)
}

/// Starts an asynchronous analysis of one member and returns its ID.
fn begin(address: SocketAddr, key: &str) -> String {
    let body = json!({
        "prompt": "How thick is the paper?", "models": ["p/50x10"], "ultra_model": "p/1x0",
        "pattern": "summarize", "async": true,
    });
    let answer = post(address, "/api/analyze", key, &body.to_string());
    field(&answer, "analysis_id")
}

fn finish(address: SocketAddr, key: &str) -> BTreeMap<u64, Instant> {
    follow(address, key, &begin(address, key))
}

/// Follows a run to its end, and returns when each event arrived.
fn follow(address: SocketAddr, key: &str, id: &str) -> BTreeMap<u64, Instant> {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let limit = Some(Duration::from_secs(60));
    stream.set_read_timeout(limit).expect("a timeout");
    let request = format!(
        "GET /api/analyses/{id}/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\
         accept: text/event-stream\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("a request");
    let mut seen = BTreeMap::new();
    for line in BufReader::new(stream).lines() {
        let line = line.expect("the stream goes on");
        if let Some(number) = line
            .strip_prefix("id: ")
            .or_else(|| line.strip_prefix("id:"))
        {
            seen.insert(number.trim().parse().expect("a number"), Instant::now());
        }
    }
    seen
}

/// Prints the times of three requests: one that reads little, one that reads a list, and one that writes.
fn measure_requests(engine: &str, address: SocketAddr, key: &str) {
    let head = |line: &str| {
        format!(
            "{line} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\nconnection: close\r\n"
        )
    };
    let body = r#"{"name":"Bench"}"#;
    let length = body.len();
    for (name, request) in [
        ("own account", format!("{}\r\n", head("GET /api/users/me"))),
        (
            "history",
            format!("{}\r\n", head("GET /api/analyses?limit=20")),
        ),
        (
            "own name",
            format!(
                "{}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}",
                head("PUT /api/users/me")
            ),
        ),
    ] {
        let mut times: Vec<f64> = (0..REQUESTS)
            .map(|_| {
                let began = Instant::now();
                let answer = ask(address, &request).expect("an answer");
                assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
                milliseconds(began.elapsed())
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let (half, most) = (times[REQUESTS / 2], times[REQUESTS * 95 / 100]);
        println!("{engine:<10}  {name:<12}  median {half:.2} ms   95th percentile {most:.2} ms");
    }
}

/// Prints how much later the second server shows an event than the one that drives the run.
fn measure_delays(one: &Program, other: &Program, key: &str) {
    let mut delays = Vec::new();
    for _ in 0..RUNS {
        let id = begin(one.address, key);
        let (here, there) = std::thread::scope(|scope| {
            let there = scope.spawn(|| follow(other.address, key, &id));
            (follow(one.address, key, &id), there.join().expect("events"))
        });
        assert!(here.keys().eq(there.keys()), "the same events");
        let pairs = here.values().zip(there.values());
        delays.extend(
            pairs.map(|(here, there)| milliseconds(there.saturating_duration_since(*here))),
        );
    }
    delays.sort_by(f64::total_cmp);
    let (count, most) = (delays.len(), delays[delays.len() * 95 / 100]);
    let half = median(delays);
    println!(
        "an event on another server  median {half:.2} ms later   95th percentile {most:.2} ms   ({count} events; goal: 20)"
    );
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
