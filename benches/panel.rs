//! `make bench`: the cost of orchestration. Compares analyses through Quire with the same calls made
//! directly to the same provider, which answers without delay, in the same run, by panel size and by number
//! of concurrent analyses. Everything is stored as usual.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

mod support;

use std::hint::black_box;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use quire::clock;
use quire::domain::time::Timestamp;
use quire::store::{Store, StoreSettings, cached_answers};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use support::upstream::Upstream;
use support::{Folder, Program, binary, median, new_key, runtime, sign_up};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Number of analyses from which the median is taken.
const RUNS: usize = 60;
/// Maximum number of concurrent analyses per user in this bench; the server's limit is 24.
const OF_ONE: usize = 20;
const MAX_AT_ONCE: usize = 500;

fn main() {
    let binary = binary();
    let upstream = Upstream::start();
    let folder = Folder::new("panel");
    let providers = json!([{
        "id": "p", "base_url": format!("http://{}/v1", upstream.address), "models": "*", "concurrency": 1000,
    }]);
    let settings = [
        ("QUIRE_PROVIDERS", providers.to_string()),
        ("MAX_RUNS", "1000".to_owned()),
        ("MAX_CALLS", "1000".to_owned()),
        ("LOGIN_LIMIT", "100000".to_owned()),
        ("DISCOVER_LOCAL", "false".to_owned()),
        ("EVIDENCE", "off".to_owned()),
    ];
    let program = Program::start(&binary, Some(&folder.0), "/api/health", &settings);
    let people: Vec<String> = (0..MAX_AT_ONCE / OF_ONE)
        .map(|number| {
            let token = sign_up(program.address, &format!("bench{number}"));
            new_key(program.address, &token)
        })
        .collect();
    let bench = Bench {
        program,
        upstream,
        users: people,
        folder,
    };
    println!("one analysis after the other, four stages, a provider without delay");
    for members in [1, 2, 3, 4, 8, 16] {
        bench.measure_sequential(members);
    }
    println!("analyses at once, three members, four stages");
    for at_once in [1, 10, 50, 100, MAX_AT_ONCE] {
        bench.measure_concurrent(at_once);
    }
    bench.measure_cache_hits();
}

struct Bench {
    program: Program,
    upstream: Upstream,
    users: Vec<String>,
    // Declared last, so that it is dropped after the program has stopped.
    folder: Folder,
}

impl Bench {
    fn measure_sequential(&self, members: usize) {
        let models = member_names(members);
        let through = median(
            (0..RUNS)
                .map(|number| self.time_request(self.ask_request(number, &models, "off")))
                .collect(),
        );
        let direct = median(
            (0..RUNS)
                .map(|_| self.measure_direct_calls(members))
                .collect(),
        );
        println!(
            "  {members:2} members, {:2} calls   through Quire {through:6.2} ms   the calls alone {direct:6.2} ms   own cost {:6.2} ms   {:.1} x",
            calls_per_stage(members).iter().sum::<usize>(),
            through - direct,
            through / direct
        );
    }

    fn measure_concurrent(&self, at_once: usize) {
        let models = member_names(3);
        let rounds = (200 / at_once).max(1);
        let (address, started_at) = (self.program.address, Instant::now());
        let requests: Vec<Vec<String>> = (0..at_once)
            .map(|caller| {
                (0..rounds)
                    .map(|round| self.ask_request(caller + round * at_once, &models, "off"))
                    .collect()
            })
            .collect();
        let good = runtime().block_on(async {
            let callers: Vec<_> = requests
                .into_iter()
                .map(|requests| {
                    tokio::spawn(async move {
                        let mut good = 0;
                        for request in requests {
                            let answer = read_response(address, request).await.unwrap_or_default();
                            good += usize::from(
                                answer.contains("200 OK") && answer.contains("ultra_response"),
                            );
                        }
                        good
                    })
                })
                .collect();
            let mut good = 0;
            for caller in callers {
                good += caller.await.unwrap_or(0);
            }
            good
        });
        let duration = started_at.elapsed().as_secs_f64();
        let all = at_once * rounds;
        println!(
            "  {at_once:3} at once   {:6.1} analyses a second   {:6.2} ms each   {good} of {all} whole",
            all as f64 / duration,
            duration * 1e3 / all as f64
        );
    }

    fn measure_cache_hits(&self) {
        let models = member_names(1);
        let asking = |number: usize| {
            self.ask_request_with(
                0,
                &models,
                "on",
                "summarize",
                &format!("Question {number}?"),
            )
        };
        let misses = median(
            (0..RUNS)
                .map(|number| self.time_request(asking(number)))
                .collect(),
        );
        let hits = median(
            (0..RUNS)
                .map(|number| self.time_request(asking(number)))
                .collect(),
        );
        println!(
            "an analysis of two calls   asked {misses:.2} ms   from the cache {hits:.2} ms   {:.2} x",
            hits / misses
        );
        let (lookup, row) = measure_lookups(self.folder.0.join("quire.db"));
        println!(
            "one stored answer   looked up {lookup:.4} ms   its bare row {row:.4} ms   {:.1} x",
            lookup / row
        );
    }

    /// Makes the same calls without Quire: all calls of a stage at once, one stage after the other.
    fn measure_direct_calls(&self, members: usize) -> f64 {
        let address = self.upstream.address;
        let start = Instant::now();
        runtime().block_on(async {
            for calls in calls_per_stage(members) {
                let body = json!({ "model": "20x0", "stream": true, "messages": [] }).to_string();
                let request = build_request("/v1/chat/completions", "", &body);
                let calls: Vec<_> = (0..calls)
                    .map(|_| tokio::spawn(read_response(address, request.clone())))
                    .collect();
                for call in calls {
                    call.await.expect("a caller ends").expect("an answer");
                }
            }
        });
        milliseconds(start.elapsed())
    }

    fn time_request(&self, request: String) -> f64 {
        let start = Instant::now();
        let answer = runtime()
            .block_on(read_response(self.program.address, request))
            .expect("an answer");
        assert!(answer.contains("200 OK"), "{answer}");
        milliseconds(start.elapsed())
    }

    fn ask_request(&self, number: usize, models: &[String], cache: &str) -> String {
        self.ask_request_with(number, models, cache, "critique", "How thick is the paper?")
    }

    fn ask_request_with(
        &self,
        number: usize,
        models: &[String],
        cache: &str,
        pattern: &str,
        prompt: &str,
    ) -> String {
        let body: Value = json!({
            "prompt": prompt, "models": models, "ultra_model": "p/20x0", "pattern": pattern, "depth": "full",
            "cache": cache,
        });
        let key = format!("x-api-key: {}\r\n", self.users[number % self.users.len()]);
        build_request("/api/analyze", &key, &body.to_string())
    }
}

/// Measures how long the engine takes to find a stored answer, compared with the lower bound: reading the same row
/// by key on this thread with a prepared statement.
fn measure_lookups(path: PathBuf) -> (f64, f64) {
    let raw_connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .expect("the program's store");
    let keys: Vec<String> = raw_connection
        .prepare("SELECT key FROM answer_cache")
        .and_then(|mut all| all.query_map([], |row| row.get(0))?.collect())
        .expect("the keys");
    assert!(keys.len() >= 2 * RUNS, "{} answers were kept", keys.len());
    let mut look = raw_connection
        .prepare("SELECT model, answer, cost, fields FROM answer_cache WHERE key = ?1")
        .expect("a statement");
    let mut row = |key: &String| {
        let start = Instant::now();
        let answer: String = look.query_row([key], |row| row.get(1)).expect("a row");
        black_box(answer);
        milliseconds(start.elapsed())
    };
    let (store, runtime) = (
        Store::open(&StoreSettings { path }).expect("the program's store"),
        runtime(),
    );
    let find = |key: &String| {
        let (key, now) = (key.clone(), clock::now());
        let started_at = Instant::now();
        let lookup =
            store.read(move |db| cached_answers::look_up(db, &key, now, Timestamp::default()));
        let lookup = runtime.block_on(lookup).expect("a store that answers");
        assert!(black_box(lookup).is_some(), "it was kept");
        milliseconds(started_at.elapsed())
    };
    let lookup = median(keys.iter().map(find).collect());
    (lookup, median(keys.iter().map(&mut row).collect()))
}

/// Returns the number of calls of each stage. A single member has no one to critique.
fn calls_per_stage(members: usize) -> Vec<usize> {
    match members {
        1 => vec![1, 1],
        _ => vec![members, members, members, 1],
    }
}

/// Returns members with distinct names, because a panel does not call a model twice.
fn member_names(members: usize) -> Vec<String> {
    (0..members)
        .map(|member| format!("p/{}x0", 20 + member))
        .collect()
}

fn build_request(path: &str, extra_headers: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\n{extra_headers}connection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn read_response(address: SocketAddr, request: String) -> std::io::Result<String> {
    let mut socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    socket.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn milliseconds(length: Duration) -> f64 {
    length.as_secs_f64() * 1e3
}
