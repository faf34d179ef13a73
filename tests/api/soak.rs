//! Runs many concurrent analyses with a misbehaving provider and with clients that disconnect. Afterward, no thread,
//! file, connection, or slot is left over, and the recorded usage matches what the provider has seen.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::Client;
use crate::support::executable::{Executable, ProcessResources};
use crate::support::provider::{Provider, ScriptLine, on};
use crate::support::script::{analysis_path, answer_stream, short_run_with, unfinished_stream};
use crate::support::server::Folder;

const JSON: &str = "application/json";
const PEOPLE: usize = 6;
/// Number of concurrent analyses per user. The limit is 24.
const CONCURRENT_RUNS: usize = 10;
/// How long to wait until all analyses have ended.
const END_TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait until all resources are given back. A database connection that was needed only under load stays open
/// for up to 90 s: one minute idle, and then until the pool's next check, which it makes every half minute.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(120);
const SETTINGS: &[(&str, &str)] = &[
    ("RATE_LIMIT", "1000000"),
    ("LOGIN_LIMIT", "100000"),
    ("MAX_RUNS", "64"),
    ("MAX_CALLS", "48"),
    ("RETRIES", "1"),
    ("FIRST_TOKEN_TIMEOUT", "1"),
    ("TOKEN_TIMEOUT", "1"),
    // With cached answers, later analyses would not call the provider.
    ("CACHE_TTL", "0"),
];
const CALLS_AT_ONCE: usize = 48;
/// Name of the database file.
const DATABASE: &str = "quire.db";
/// Maximum number of descriptors of the database file: the writer's and one per reader. SQLite keeps those of closed
/// connections for the next ones, because closing any would release the locks that other connections hold on the file.
/// How many there are therefore depends on how many connections were in use at the same time, now or before.
const MAX_DATABASE_DESCRIPTORS: usize = 3;

/// Returns a pseudorandom number below `bound`, which depends only on `seed` and `number`.
fn pseudo_random(seed: u64, number: usize, bound: usize) -> usize {
    let mut bits = seed ^ (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for shift in [30, 27, 31] {
        bits = (bits ^ (bits >> shift)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    }
    (bits % bound as u64) as usize
}

/// Returns the provider's script line for the request with this number.
fn provider_line(number: usize) -> ScriptLine {
    let words = "It is thin, and it is light, and it takes ink well.";
    let line = on("");
    if number == 1 {
        // The server requests the model list when it starts.
        return line.status(200, JSON, "{\"data\":[]}");
    }
    match pseudo_random(1, number, 100) {
        0..8 => line.header("retry-after-ms", "15").status(429, JSON, "{}"),
        8..15 => line.status(500, JSON, "{\"error\":{\"message\":\"upset\"}}"),
        15..18 => line.status(529, "text/plain", "overloaded"),
        18..22 => line.status(400, JSON, "{\"error\":{\"message\":\"no\"}}"),
        22..29 => line.reset(),
        29..36 => line.cut(&unfinished_stream(words)),
        36..39 => line.stall(&unfinished_stream("It is ")),
        39..41 => line.stall(""),
        41..43 => line.hang(),
        43..47 => line.raw(&[0, 159, 146, 150, 13, 10, 13, 10]),
        47..50 => line.sse("data: {\"choices\":[{\"delta\":{\"content\":\"It\"}}\n\n"),
        50..53 => line.status(200, "text/html", "<html>a wall</html>"),
        53..60 => line.sse_in_pieces(&answer_stream(words), 40, Duration::from_millis(4)),
        60..65 => line
            .after(Duration::from_millis(200))
            .sse(&answer_stream(words)),
        _ => line.sse(&answer_stream(words)),
    }
}

/// How a client behaves.
#[derive(Debug, Clone, Copy)]
enum ClientBehavior {
    Streams,
    Waits,
    Watches,
    /// Disconnects after this many milliseconds. The flag says whether the client requests a stream.
    Disconnects(bool, u64),
    /// Starts the run in the background, then stops it.
    Stops(u64),
}

fn client_behavior(number: usize) -> ClientBehavior {
    let pause = pseudo_random(3, number, 120) as u64;
    match pseudo_random(2, number, 10) {
        0..2 => ClientBehavior::Streams,
        2..5 => ClientBehavior::Waits,
        5..7 => ClientBehavior::Watches,
        7 => ClientBehavior::Disconnects(true, pause),
        8 => ClientBehavior::Disconnects(false, pause),
        _ => ClientBehavior::Stops(pause),
    }
}

fn request_body(number: usize) -> Value {
    // Half of the analyses share models and therefore circuit breakers. The others have their own models.
    let name = |place: usize| match number % 2 {
        0 => format!("p/shared-{}", pseudo_random(4, number + place, 12)),
        _ => format!("p/own-{number}-{place}"),
    };
    let models: Vec<String> = (0..1 + pseudo_random(5, number, 3)).map(name).collect();
    let models: Vec<&str> = models.iter().map(String::as_str).collect();
    let ultra = match number % 3 {
        0 => name(9),
        _ => "demo/merge".to_owned(),
    };
    let mut models = models;
    models.sort_unstable();
    models.dedup();
    short_run_with(&models, json!({"ultra_model": ultra}))
}

/// Runs one analysis from beginning to end, as its client sees it.
fn run_one_analysis(number: usize, address: SocketAddr, client: &mut Client, key: &str) {
    let mut body = request_body(number);
    match client_behavior(number) {
        ClientBehavior::Streams => {
            body["stream"] = json!(true);
            let text = read_rest(&mut send_request(address, key, &body));
            let ends =
                ["completed", "failed", "cancelled"].map(|end| format!("event: analysis.{end}"));
            assert!(
                ends.iter().any(|end| text.contains(end)),
                "{number}: {text}"
            );
        }
        ClientBehavior::Waits => {
            let text = read_rest(&mut send_request(address, key, &body));
            assert!(text.starts_with("HTTP/1.1 "), "{number}: {text}");
            let marks = ["\"analysis_id\"", "\"SERVICE_UNAVAILABLE\""];
            assert!(
                marks.iter().any(|mark| text.contains(mark)),
                "{number}: {text}"
            );
        }
        ClientBehavior::Disconnects(streams, pause) => {
            body["stream"] = json!(streams);
            let socket = send_request(address, key, &body);
            std::thread::sleep(Duration::from_millis(pause));
            drop(socket);
        }
        ClientBehavior::Watches => {
            let id = start_analysis(client, &mut body);
            let events = client.events(&analysis_path(&id, "/events"), None);
            let last = events.last().unwrap();
            assert!(last.name.starts_with("analysis."), "{number}: {last:?}");
        }
        ClientBehavior::Stops(pause) => {
            let id = start_analysis(client, &mut body);
            std::thread::sleep(Duration::from_millis(pause));
            let answer = client.post(&analysis_path(&id, "/cancel"), json!({}));
            assert_eq!(answer.status, 200, "{number}: {}", answer.text());
        }
    }
}

fn start_analysis(client: &mut Client, body: &mut Value) -> String {
    body["async"] = json!(true);
    let answer = client.post("/api/analyze", body.clone());
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.json()["analysis_id"].as_str().unwrap().to_owned()
}

fn send_request(address: SocketAddr, key: &str, body: &Value) -> TcpStream {
    let mut socket = TcpStream::connect(address).unwrap();
    let read_timeout = Some(Duration::from_secs(30));
    socket.set_read_timeout(read_timeout).unwrap();
    let body = body.to_string();
    write!(
        socket,
        "POST /api/analyze HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    socket
}

fn read_rest(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Runs `count` analyses, numbered from `first`, with many at a time.
fn run_all_analyses(first: usize, count: usize, address: SocketAddr, people: &[(Client, String)]) {
    let next = Arc::new(AtomicUsize::new(first));
    let workers: Vec<_> = (0..PEOPLE * CONCURRENT_RUNS)
        .map(|worker| {
            let ((mut client, key), next) = (people[worker % PEOPLE].clone(), next.clone());
            std::thread::spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= first + count {
                        return;
                    }
                    run_one_analysis(number, address, &mut client, &key);
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
}

fn create_users(server: &Executable) -> Vec<(Client, String)> {
    let person = |number: usize| {
        let client = Client::new(server.address);
        let mut client = client.registered(&format!("soak{number}@example.com"));
        let created = client.post("/api/users/me/api-keys", json!({"name": "soak"}));
        let key = created.json()["key"].as_str().unwrap().to_owned();
        (client, key)
    };
    (0..PEOPLE).map(person).collect()
}

/// Waits until `check` succeeds, at most for the given time.
fn wait_until(what: &str, limit: Duration, mut check: impl FnMut() -> Result<(), String>) {
    let start = Instant::now();
    loop {
        match check() {
            Ok(()) => return,
            Err(why) if start.elapsed() > limit => panic!("{what}: {why}"),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Returns the resources that the process holds now but did not hold before, except for as many descriptors of the
/// database file as it may always hold.
fn leaked_resources(after: &ProcessResources, before: &ProcessResources) -> Vec<String> {
    let surplus = |after: &[String], before: &[String]| {
        let mut remaining = before.to_vec();
        let mut extra = after.to_vec();
        extra.retain(
            |one| match remaining.iter().position(|other| other == one) {
                Some(place) => {
                    remaining.swap_remove(place);
                    false
                }
                None => true,
            },
        );
        extra
    };
    let is_database = |file: &String| file.rsplit('/').next() == Some(DATABASE);
    let (databases, files): (Vec<String>, Vec<String>) =
        after.files.iter().cloned().partition(is_database);
    let mut leaked = surplus(&after.threads, &before.threads);
    leaked.extend(surplus(&files, &before.files));
    leaked.extend(databases.into_iter().skip(MAX_DATABASE_DESCRIPTORS));
    leaked
}

fn soak(count: usize) {
    let provider = Provider::with_script(provider_line);
    provider.limit_concurrency(CALLS_AT_ONCE);
    let folder = Folder::new();
    let server = Executable::start(&folder, &provider, SETTINGS);
    let mut users = create_users(&server);
    // This creates all resources that are created on first use, such as the store's readers.
    run_all_analyses(1_000_000, 60, server.address, &users);
    provider.wait_idle();
    let fresh = |users: &[(Client, String)]| -> Vec<(Client, String)> {
        let fresh = users
            .iter()
            .map(|(client, key)| (client.fresh(), key.clone()));
        fresh.collect()
    };
    users = fresh(&users);
    std::thread::sleep(Duration::from_millis(500));
    let before = server.held_resources();
    let started_at = Instant::now();
    run_all_analyses(0, count, server.address, &users);
    let connection_count = provider.connections();
    eprintln!(
        "{count} analyses, {connection_count} calls in all, in {:?}",
        started_at.elapsed()
    );
    assert!(
        connection_count > count,
        "most were held back: {connection_count} calls"
    );
    users = fresh(&users);
    provider.wait_idle();
    wait_until("all analyses end", END_TIMEOUT, || nothing_runs(&users));
    drop(users);
    wait_until("everything is given back", RELEASE_TIMEOUT, || {
        let extra = leaked_resources(&server.held_resources(), &before);
        extra.is_empty().then_some(()).ok_or(format!("{extra:?}"))
    });
    // If a run were still held, the shutdown would wait for it for as long as the settings allow.
    let stopped_at = Instant::now();
    server.signal("-TERM");
    assert_eq!(server.code(), Some(0));
    assert!(
        stopped_at.elapsed() < Duration::from_secs(15),
        "a run is left"
    );
    check_recorded_usage(&folder, &provider);
}

fn nothing_runs(users: &[(Client, String)]) -> Result<(), String> {
    for (client, _) in users {
        let list = client.clone().get("/api/analyses?limit=100").json();
        let open = list["analyses"]
            .as_array()
            .unwrap()
            .iter()
            .find(|analysis| matches!(analysis["status"].as_str(), Some("queued" | "running")));
        if let Some(open) = open {
            return Err(open.to_string());
        }
    }
    Ok(())
}

/// Checks that the recorded calls agree with the recorded sums, and with the provider's count.
fn check_recorded_usage(folder: &Folder, provider: &Provider) {
    let book = Connection::open(folder.path().join("data/quire.db")).unwrap();
    let number =
        |question: &str| -> i64 { book.query_row(question, [], |row| row.get(0)).unwrap() };
    for (sum, single) in [
        ("calls", "count(*)"),
        ("input", "sum(input)"),
        ("output", "sum(output)"),
        ("estimated", "sum(estimated)"),
        ("failed", "sum(outcome <> 'answered')"),
    ] {
        let sums = number(&format!("SELECT sum({sum}) FROM usage"));
        let singles = number(&format!("SELECT {single} FROM calls WHERE tries > 0"));
        assert_eq!(sums, singles, "{sum}");
    }
    let try_count_query = "SELECT coalesce(sum(tries), 0) FROM calls WHERE model LIKE 'p/%'";
    let (tries, stopped) = (
        number(try_count_query),
        number(&format!("{try_count_query} AND outcome = 'cancelled'")),
    );
    let lists = provider
        .requests()
        .iter()
        .filter(|asked| asked.head.starts_with("GET"))
        .count();
    let connection_count = (provider.connections() - lists) as i64;
    // Every attempt has opened a connection, except that a canceled one may not have.
    assert!(
        (tries - stopped..=tries).contains(&connection_count),
        "{tries} tries, {stopped} of them stopped, {connection_count} connections"
    );
    let cut_count = number(
        "SELECT count(*) FROM calls WHERE output > 0 AND outcome = 'failed' AND estimated = 0",
    );
    assert_eq!(cut_count, 0, "what nobody counted is marked as estimated");
}

#[test]
fn a_thousand_analyses_leave_nothing_behind() {
    soak(1000);
}
