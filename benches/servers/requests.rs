//! Common requests, sent one after the other, each on a new connection.

use std::time::{Duration, Instant};

use crate::support::{Program, ask};

/// Number of requests of each kind that are measured.
const REQUESTS: usize = 400;

/// Prints the times of requests sent to these servers in turn: one that reads little, one that reads a list, and one
/// that writes.
pub fn measure(engine: &str, servers: &[&Program], key: &str) {
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
            .map(|number| {
                let address = servers[number % servers.len()].address;
                let began = Instant::now();
                let answer = ask(address, &request).expect("an answer");
                assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
                milliseconds(began.elapsed())
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let (half, most) = (times[REQUESTS / 2], times[REQUESTS * 95 / 100]);
        println!("{engine:<13}  {name:<12}  median {half:.2} ms   95th percentile {most:.2} ms");
    }
}

/// Returns a duration in milliseconds, including fractions.
pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
