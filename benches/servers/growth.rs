//! Measures the effect of additional servers on the same machine: the rates of requests and analyses, and the CPU time
//! per request and per analysis, which includes the CPU time of the database server. On two cores, more servers cannot
//! do more at once; what matters is that they do not use more CPU time for the same work.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use serde_json::json;

use crate::support::family::ticks_of_family;
use crate::support::pressure::measure_all;
use crate::support::{Program, post};

/// Number of analyses to measure. [`AT_ONCE`] of them run at the same time.
const ANALYSES: usize = 120;
const AT_ONCE: usize = 16;
/// Length of a clock tick, in microseconds.
const TICK: f64 = 10_000.0;

/// Prints the rates of requests and analyses sent to these servers in turn, and their CPU time. `database` is the
/// address of the database server; `None` for a file.
pub fn measure(engine: &str, servers: &[&Program], database: Option<&str>, key: &str) {
    let addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
    let mut processes: Vec<u32> = servers.iter().map(|server| server.child.id()).collect();
    processes.extend(database.and_then(postgres_process));
    for path in ["/api/users/me", "/api/analyses?limit=20"] {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\r\n"
        );
        let (rate, cpu) = measure_all(&addresses, &processes, &request);
        println!("{engine:<13}  {path:<22}  {rate:>7.0} a second   {cpu:>7.0} us of CPU each");
    }
    let body = json!({
        "prompt": "How thick is the paper?", "models": ["p/20x0", "p/21x0"], "ultra_model": "p/22x0",
        "pattern": "summarize", "stream": false,
    });
    let (body, next) = (body.to_string(), AtomicUsize::new(0));
    let ticks = || -> u64 { processes.iter().copied().map(ticks_of_family).sum() };
    let (before, began) = (ticks(), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Relaxed);
                    if number >= ANALYSES {
                        break;
                    }
                    let address = addresses[number % addresses.len()];
                    let answer = post(address, "/api/analyze", key, &body);
                    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                }
            });
        }
    });
    let rate = ANALYSES as f64 / began.elapsed().as_secs_f64();
    let cpu = (ticks() - before) as f64 * TICK / ANALYSES as f64;
    println!(
        "{engine:<13}  {:<22}  {rate:>7.1} a second   {cpu:>7.0} us of CPU each",
        "an analysis of 3 calls"
    );
}

/// Returns the ID of the main process of the PostgreSQL server whose socket is in the folder that the address names.
fn postgres_process(address: &str) -> Option<u32> {
    let (_, folder) = address.split_once("host=")?;
    let folder = folder.split('&').next()?;
    let text = std::fs::read_to_string(Path::new(folder).join("data/postmaster.pid")).ok()?;
    text.lines().next()?.trim().parse().ok()
}
