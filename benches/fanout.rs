//! `make bench`: the latency Quire adds to a provider's streams, compared with direct calls to the same
//! provider in the same run; the cost of many concurrent streams; and whether all of them complete.
//!
//! The measured request is `POST /api/analyze` with `stream` and the pattern `summarize`: one member, then
//! a synthesis of one token. The member's text is timed from the request to its first piece and to its end;
//! that includes authentication, planning, and all writes to disk.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

mod support;

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::json;
use support::upstream::Upstream;
use support::{Folder, Program, binary, median, new_key, runtime, sign_up};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const STREAMS: usize = 50;
const TOKENS: usize = 200;
/// Streams per caller, one after the other; the first is a warm-up and does not count.
const ROUNDS: usize = 4;
/// Concurrent analyses per user; the limit is 24.
const MAX_PER_USER: usize = 20;
/// Members per analysis in the runs with many streams.
const MEMBERS: usize = 5;

fn main() {
    let binary = binary();
    let upstream = Upstream::start();
    let folder = Folder::new("fanout");
    let program = start(&binary, &folder, &upstream);
    let people = create_users(program.address);
    measure_overhead(&program, &upstream, &people);
    for (streams, goal) in [(500, "at most 40 MB"), (1000, "no failure")] {
        measure_many_streams(&program, &upstream, &people, streams, goal);
    }
}

fn start(binary: &std::path::Path, folder: &Folder, upstream: &Upstream) -> Program {
    let providers = json!([{
        "id": "p", "base_url": format!("http://{}/v1", upstream.address), "models": "*",
        "concurrency": 1000,
    }]);
    let settings = [
        ("QUIRE_PROVIDERS", providers.to_string()),
        ("MAX_RUNS", "1000".to_owned()),
        ("MAX_CALLS", "1000".to_owned()),
        ("CACHE_TTL", "0".to_owned()),
        ("LOGIN_LIMIT", "100000".to_owned()),
        ("DISCOVER_LOCAL", "false".to_owned()),
        ("EVIDENCE", "off".to_owned()),
    ];
    Program::start(binary, Some(&folder.0), "/api/health", &settings)
}

/// Creates enough users to stay within the limit of concurrent analyses; returns their API keys.
fn create_users(address: SocketAddr) -> Vec<String> {
    let key = |number| new_key(address, &sign_up(address, &format!("bench{number}")));
    (0..1000 / MEMBERS / MAX_PER_USER).map(key).collect()
}

/// Timings of one stream as seen by the caller.
struct StreamTimings {
    first_event: Duration,
    total: Duration,
}

fn measure_overhead(program: &Program, upstream: &Upstream, people: &[String]) {
    let direct_timings = run_callers(STREAMS, |_| {
        let body = json!({"model": format!("{TOKENS}x10"), "stream": true, "messages": []});
        let request = build_request("/v1/chat/completions", "", &body.to_string());
        (upstream.address, request, "\"content\"", "[DONE]", "[DONE]")
    });
    let relayed_timings = run_callers(STREAMS, |number| {
        let request = analyze(people, number, &[format!("p/{TOKENS}x10")]);
        let (first, last) = ("event: member.delta", "event: member.completed");
        (
            program.address,
            request,
            first,
            last,
            "event: analysis.completed",
        )
    });
    let first = |timings: &[StreamTimings]| {
        median(
            timings
                .iter()
                .map(|timing| milliseconds(timing.first_event))
                .collect(),
        )
    };
    let full = median(
        direct_timings
            .iter()
            .map(|timing| milliseconds(timing.total))
            .collect(),
    );
    let mut overheads: Vec<f64> = relayed_timings
        .iter()
        .map(|timing| (milliseconds(timing.total) - full) / TOKENS as f64)
        .collect();
    overheads.sort_by(f64::total_cmp);
    let (direct, quire) = (first(&direct_timings), first(&relayed_timings));
    println!("{STREAMS} streams at once, {TOKENS} tokens each, one every 10 ms");
    println!(
        "  to the first token   straight {direct:.2} ms   through Quire {quire:.2} ms   added {:.2} ms   (goal: 1.5)",
        quire - direct
    );
    println!(
        "  added a token        median {:.3} ms   99th percentile {:.3} ms   (goal: 0.3)",
        overheads[overheads.len() / 2],
        overheads[overheads.len() * 99 / 100]
    );
}

fn milliseconds(length: Duration) -> f64 {
    length.as_secs_f64() * 1e3
}

/// Runs this many member streams at once and reports the resources they use above idle, and whether each
/// completes.
fn measure_many_streams(
    program: &Program,
    upstream: &Upstream,
    people: &[String],
    streams: usize,
    goal: &str,
) {
    std::thread::sleep(Duration::from_secs(2));
    let idle = program.pss_kb();
    upstream.peak.store(0, Ordering::SeqCst);
    let (address, people) = (program.address, people.to_vec());
    let callers = std::thread::spawn(move || {
        runtime().block_on(async {
            let calls: Vec<_> = (0..streams / MEMBERS)
                .map(|number| {
                    // Distinct model names, because a panel does not call a model twice.
                    let models: Vec<String> = (0..MEMBERS)
                        .map(|member| format!("p/40x20{member}"))
                        .collect();
                    let request = analyze(&people, number, &models);
                    tokio::spawn(read_response(address, request))
                })
                .collect();
            let mut good = 0;
            for call in calls {
                let text = call.await.expect("a caller ends").unwrap_or_default();
                let full = text.matches("event: member.completed").count() >= MEMBERS
                    && text.contains("event: analysis.completed")
                    && !text.contains("member.failed");
                good += usize::from(full);
            }
            good
        })
    });
    let (mut peak_kb, mut threads) = (0, 0);
    while !callers.is_finished() {
        peak_kb = peak_kb.max(program.pss_kb());
        threads = threads.max(program.threads());
        std::thread::sleep(Duration::from_millis(100));
    }
    let good = callers.join().expect("the callers end");
    println!(
        "{streams} members' streams at once ({} analyses of {MEMBERS}; {} open at the provider, {threads} threads)",
        streams / MEMBERS,
        upstream.peak.load(Ordering::SeqCst)
    );
    println!(
        "  {good} of {} whole   memory {:.1} MB above idle ({:.1} MB)   (goal: {goal})",
        streams / MEMBERS,
        (peak_kb.saturating_sub(idle)) as f64 / 1024.0,
        idle as f64 / 1024.0
    );
}

fn analyze(people: &[String], number: usize, models: &[String]) -> String {
    let body = json!({
        "prompt": "How thick is the paper?", "models": models, "ultra_model": "p/1x0",
        "pattern": "summarize", "stream": true, "cache": "off",
    });
    let key = format!("x-api-key: {}\r\n", people[number % people.len()]);
    build_request("/api/analyze", &key, &body.to_string())
}

fn build_request(path: &str, more: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\n{more}connection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Address, request, and the markers of the first piece, the end of the text, and the end of the stream.
type Asking = (SocketAddr, String, &'static str, &'static str, &'static str);

/// Runs this many concurrent callers with evenly staggered starts, each with one stream after the other.
fn run_callers(callers: usize, asking: impl Fn(usize) -> Asking) -> Vec<StreamTimings> {
    let length = Duration::from_millis(TOKENS as u64 * 10);
    runtime().block_on(async {
        let callers: Vec<_> = (0..callers)
            .map(|number| {
                let asking = asking(number);
                tokio::spawn(async move {
                    tokio::time::sleep(length * number as u32 / STREAMS as u32).await;
                    let mut observations = Vec::new();
                    for round in 0..ROUNDS {
                        let one = follow_stream(&asking)
                            .await
                            .expect("a stream comes to its end");
                        if round > 0 {
                            observations.push(one);
                        }
                    }
                    observations
                })
            })
            .collect();
        let mut visited = Vec::new();
        for caller in callers {
            visited.extend(caller.await.expect("a caller ends"));
        }
        visited
    })
}

async fn follow_stream(
    (address, request, first, last, end): &Asking,
) -> std::io::Result<StreamTimings> {
    let start = Instant::now();
    let mut socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    socket.write_all(request.as_bytes()).await?;
    let (mut first_at, mut last_at) = (None, None);
    let mut text = String::new();
    let mut piece = [0; 16384];
    loop {
        let read = socket.read(&mut piece).await?;
        if read == 0 {
            break;
        }
        let now = start.elapsed();
        // A marker may span two pieces, so search again from slightly before the new piece.
        let from = text.len().saturating_sub(64);
        text.push_str(&String::from_utf8_lossy(&piece[..read]));
        if first_at.is_none() && text[from..].contains(first) {
            first_at = Some(now);
        }
        if last_at.is_none() && text[from..].contains(last) {
            last_at = Some(now);
        }
    }
    match (first_at, last_at) {
        (Some(first), Some(whole)) if text.contains(end) => Ok(StreamTimings {
            first_event: first,
            total: whole,
        }),
        _ => Err(std::io::Error::other(text)),
    }
}

async fn read_response(address: SocketAddr, request: String) -> std::io::Result<String> {
    let mut socket = TcpStream::connect(address).await?;
    socket.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
