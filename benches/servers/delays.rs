//! Measures how much later than the executing server another server shows the events of a run.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::RUNS;
use crate::requests::milliseconds;
use crate::support::{Program, field, median, post};

/// Prints how much later the second server shows an event than the server that executes the run.
pub fn measure(one: &Program, other: &Program, key: &str) {
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

/// Starts an asynchronous analysis of one member and returns its ID.
fn begin(address: SocketAddr, key: &str) -> String {
    let body = json!({
        "prompt": "How thick is the paper?", "models": ["p/50x10"], "ultra_model": "p/1x0",
        "pattern": "summarize", "async": true,
    });
    let answer = post(address, "/api/analyze", key, &body.to_string());
    field(&answer, "analysis_id")
}

/// Starts an analysis and follows it to its end. Returns each event's arrival time by event number.
pub fn finish(address: SocketAddr, key: &str) -> BTreeMap<u64, Instant> {
    follow(address, key, &begin(address, key))
}

/// Follows a run to its end. Returns each event's arrival time by event number.
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
