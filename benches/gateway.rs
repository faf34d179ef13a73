//! `make bench-gateway`: the cost of passing a chat completion through Quire and through other gateways
//! installed under target/peers, compared with direct calls to the same provider, in one run: streams per
//! second, median latency, time to the first token, CPU time per request, and memory, at 1, 50, and 500
//! connections; then Quire's ratio to each of the others.
//!
//! Every client keeps its connection and uses the same key. A request is a stream of 16 tokens. The provider sends
//! them at once to 1 and 50 clients, and one every 100 ms to 500 clients, whose streams are open at the same time and
//! start evenly spread over the duration of a stream. Each gateway has one core to itself; the clients and the
//! provider share the others.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

mod support;

use std::net::{SocketAddr, TcpListener, TcpStream as Plain};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use support::family::{pss_of_family, ticks_of_family};
use support::upstream::Upstream;
use support::{Folder, Program, binary, median, new_key, runtime, sign_up};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Number of connections, and the model that their requests name.
const CONNECTION_ROWS: [(usize, &str); 3] = [(1, "16x0"), (50, "16x0"), (500, "16x100")];
/// How long each row is measured.
const ROW_DURATION: Duration = Duration::from_secs(4);
/// Warm-up time in which connections open; its requests are counted too.
const WARM_UP: Duration = Duration::from_secs(2);
/// Duration of a stream of the model `16x100`.
const SLOW_STREAM: Duration = Duration::from_millis(1_600);

fn main() {
    pin_to_cores(std::process::id(), "1-1023");
    let upstream = Upstream::start();
    println!(
        "{:<18} {:>5} {:>10} {:>10} {:>9} {:>9} {:>8} {:>9} {:>8}",
        "through",
        "conns",
        "streams/s",
        "median ms",
        "added ms",
        "first ms",
        "CPU ms",
        "/s a core",
        "MB"
    );
    let direct = Target {
        name: "straight".to_owned(),
        address: upstream.address,
        prefix: "",
        headers: String::new(),
        process: None,
    };
    let floor = measure_rows(&direct, &[]);
    let folder = Folder::new("gateway");
    let program = start_quire(&folder, &upstream);
    pin_to_cores(program.child.id(), "0");
    let key = new_key(program.address, &sign_up(program.address, "bench"));
    let target = Target {
        name: "Quire".to_owned(),
        address: program.address,
        prefix: "p/",
        headers: format!("authorization: Bearer {key}\r\n"),
        process: Some(program.child.id()),
    };
    let quire_rows = measure_rows(&target, &floor);
    drop(program);
    for peer in [aichat, crabllm, portkey, litellm] {
        let Some((target, child)) = peer(&folder.0, upstream.address) else {
            continue;
        };
        let peer_rows = measure_rows(&target, &floor);
        drop(child);
        print_ratios(&target.name, &quire_rows, &peer_rows);
    }
}

fn measure_rows(target: &Target, floor: &[Figures]) -> Vec<Figures> {
    let one = |(at, &(count, model))| measure_row(target, count, model, floor.get(at));
    CONNECTION_ROWS.iter().enumerate().map(one).collect()
}

/// Prints the ratio of Quire's figures to another gateway's.
fn print_ratios(name: &str, quire_rows: &[Figures], peer_rows: &[Figures]) {
    for ((count, _), (our, their)) in CONNECTION_ROWS.iter().zip(quire_rows.iter().zip(peer_rows)) {
        if their.median.is_nan() {
            println!(
                "Quire / {name} at {count}: no ratios, because none of its streams was complete"
            );
            continue;
        }
        println!(
            "Quire / {name} at {count}: streams/s {:.2}, median {:.2}, first token {:.2}, CPU {:.2}, MB {:.2}",
            our.per_second / their.per_second,
            our.median / their.median,
            our.first_byte / their.first_byte,
            our.cpu / their.cpu,
            our.memory / their.memory,
        );
    }
}

/// The figures of one row: streams per second, times in milliseconds, and memory in megabytes.
#[derive(Clone, Copy)]
struct Figures {
    per_second: f64,
    median: f64,
    first_byte: f64,
    cpu: f64,
    memory: f64,
}

/// A gateway, or the provider itself, whose performance is measured.
struct Target {
    name: String,
    address: SocketAddr,
    /// Prefix that this server adds to the provider's model names.
    prefix: &'static str,
    /// Headers sent with every request, each ending in a line break.
    headers: String,
    process: Option<u32>,
}

/// Pins a process to these cores, so that its CPU time is that of one core. Without `taskset` or a second core, it
/// runs on all.
fn pin_to_cores(process: u32, cores: &str) {
    let process = process.to_string();
    let _ = Command::new("taskset")
        .args(["--all-tasks", "--pid", "--cpu-list", cores, &process])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// Another gateway, which is stopped with its child processes on drop.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = Command::new("pkill")
            .args(["-P", &self.0.id().to_string()])
            .status();
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_quire(folder: &Folder, upstream: &Upstream) -> Program {
    let providers = json!([{
        "id": "p", "base_url": format!("http://{}/v1", upstream.address), "models": "*",
        "concurrency": 1000,
    }]);
    let settings = [
        ("QUIRE_PROVIDERS", providers.to_string()),
        ("MAX_RUNS", "1000".to_owned()),
        ("MAX_CALLS", "1000".to_owned()),
        ("MAX_STREAMS", "1000".to_owned()),
        ("MAX_STREAMS_PER_USER", "1000".to_owned()),
        ("CACHE_TTL", "0".to_owned()),
        ("LOGIN_LIMIT", "100000".to_owned()),
        ("DISCOVER_LOCAL", "false".to_owned()),
        ("EVIDENCE", "off".to_owned()),
    ];
    Program::start(&binary(), Some(&folder.0), "/api/health", &settings)
}

fn find_installed(path: &str) -> Option<PathBuf> {
    let path = Path::new("target/peers").join(path);
    path.exists()
        .then(|| std::path::absolute(&path).expect("a path"))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

// Starts a gateway and waits until it listens. Returns `None` if it never does.
fn start_gateway(
    name: &str,
    mut command: Command,
    port: u16,
    prefix: &'static str,
) -> Option<(Target, Peer)> {
    let quiet = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .stdin(Stdio::null());
    let child = Peer(quiet.spawn().ok()?);
    // The process is pinned before it starts threads and child processes, which inherit this.
    pin_to_cores(child.0.id(), "0");
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let start = Instant::now();
    while Plain::connect(address).is_err() {
        if start.elapsed() > Duration::from_secs(60) {
            println!("{name}: did not start");
            return None;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let target = Target {
        name: name.to_owned(),
        address,
        prefix,
        headers: "authorization: Bearer sk-any\r\n".to_owned(),
        process: Some(child.0.id()),
    };
    Some((target, child))
}

fn aichat(folder: &Path, upstream: SocketAddr) -> Option<(Target, Peer)> {
    let binary = find_installed("bin/aichat")?;
    let config = format!(
        "model: p:16x0\nclients:\n- type: openai-compatible\n  name: p\n  api_base: http://{upstream}/v1\n  \
         api_key: sk-any\n  models:\n  - name: 16x0\n  - name: 16x100\n"
    );
    std::fs::write(folder.join("config.yaml"), config).ok()?;
    let port = free_port();
    let mut command = Command::new(binary);
    command
        .env("AICHAT_CONFIG_DIR", folder)
        .args(["--serve", &format!("127.0.0.1:{port}")]);
    start_gateway("aichat --serve", command, port, "p:")
}

fn crabllm(folder: &Path, upstream: SocketAddr) -> Option<(Target, Peer)> {
    let binary = find_installed("bin/crabllm")?;
    let port = free_port();
    let config = format!(
        "listen = \"127.0.0.1:{port}\"\n[providers.p]\nkind = \"openai\"\napi_key = \"sk-any\"\n\
         base_url = \"http://{upstream}/v1\"\nmodels = [\"16x0\", \"16x100\"]\n"
    );
    let file = folder.join("crabllm.toml");
    std::fs::write(&file, config).ok()?;
    let mut command = Command::new(binary);
    command.arg("serve").arg("--config").arg(&file);
    start_gateway("crabllm", command, port, "")
}

fn portkey(_: &Path, upstream: SocketAddr) -> Option<(Target, Peer)> {
    let script = find_installed("portkey/node_modules/@portkey-ai/gateway/build/start-server.js")?;
    let port = free_port();
    let mut command = Command::new("node");
    command.arg(script).arg(format!("--port={port}"));
    command.arg("--headless");
    let (mut target, peer) = start_gateway("Portkey's gateway", command, port, "")?;
    target.headers +=
        &format!("x-portkey-provider: openai\r\nx-portkey-custom-host: http://{upstream}/v1\r\n");
    Some((target, peer))
}

fn litellm(folder: &Path, upstream: SocketAddr) -> Option<(Target, Peer)> {
    let binary = find_installed("litellm/bin/litellm")?;
    let model = |name: &str| {
        format!(
            "- model_name: {name}\n  litellm_params:\n    model: openai/{name}\n    \
             api_base: http://{upstream}/v1\n    api_key: sk-any\n"
        )
    };
    let config = format!("model_list:\n{}{}", model("16x0"), model("16x100"));
    let file = folder.join("litellm.yaml");
    std::fs::write(&file, config).ok()?;
    let port = free_port();
    let mut command = Command::new(binary);
    command.arg("--config").arg(&file);
    command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
    start_gateway("LiteLLM's proxy", command, port, "")
}

/// Measures a target at this number of connections and prints the figures.
fn measure_row(
    target: &Target,
    connections: usize,
    model: &str,
    floor: Option<&Figures>,
) -> Figures {
    let process = target.process;
    // Sample the memory while the streams are open.
    let memory = std::thread::spawn(move || {
        std::thread::sleep(WARM_UP + ROW_DURATION / 2);
        process.map_or(0.0, pss_of_family)
    });
    let before = process.map(ticks_of_family);
    let start = Instant::now();
    let LoadResult {
        durations: took,
        first_bytes: first,
        failures: failed,
    } = drive_load(target, connections, model);
    let seconds = start.elapsed().as_secs_f64();
    let cpu = (process.map(ticks_of_family).zip(before))
        .map_or(0.0, |(after, before)| (after - before) as f64 * 10.0);
    let all = took.len() as f64;
    let middle = |times: Vec<f64>| match times.is_empty() {
        true => f64::NAN,
        false => median(times),
    };
    let figures = Figures {
        per_second: all / seconds,
        median: middle(took),
        first_byte: middle(first),
        // The CPU time is unknown if no process is measured, no stream was complete, or it is below one clock
        // tick.
        cpu: match cpu > 0.0 && all > 0.0 {
            true => cpu / all,
            false => f64::NAN,
        },
        memory: memory.join().unwrap_or(f64::NAN),
    };
    println!(
        "{:<18} {connections:>5} {:>10.0} {:>10.2} {:>9.2} {:>9.2} {:>8.3} {:>9.0} {:>8.1}{}",
        target.name,
        figures.per_second,
        figures.median,
        figures.median - floor.map_or(0.0, |floor| floor.median),
        figures.first_byte - floor.map_or(0.0, |floor| floor.first_byte),
        figures.cpu,
        1_000.0 / figures.cpu,
        figures.memory,
        if failed > 0 {
            format!("   {failed} failed")
        } else {
            String::new()
        },
    );
    figures
}

/// Times of all complete streams, in milliseconds, to the end and to the first token, and the number of failed
/// requests.
#[derive(Default)]
struct LoadResult {
    durations: Vec<f64>,
    first_bytes: Vec<f64>,
    failures: usize,
}

fn drive_load(target: &Target, connections: usize, model: &str) -> LoadResult {
    let stop = Arc::new(AtomicBool::new(false));
    let model = format!("{}{model}", target.prefix);
    let body = json!({ "model": model, "stream": true, "messages": [{ "role": "user", "content": "Is it thin?" }] }).to_string();
    let request: Arc<str> = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n{}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        target.headers,
        body.len()
    )
    .into();
    let spread = match model.ends_with("x0") {
        true => Duration::ZERO,
        false => SLOW_STREAM,
    };
    runtime().block_on(async {
        let mut tasks = Vec::new();
        for number in 0..connections {
            let (address, stop, request) = (target.address, stop.clone(), request.clone());
            let wait = spread.mul_f64(number as f64 / connections as f64);
            tasks.push(tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                client(address, request, stop).await
            }));
        }
        tokio::time::sleep(WARM_UP + ROW_DURATION).await;
        stop.store(true, Ordering::Relaxed);
        let mut all = LoadResult::default();
        for task in tasks {
            let one = task.await.expect("a client");
            all.durations.extend(one.durations);
            all.first_bytes.extend(one.first_bytes);
            all.failures += one.failures;
        }
        all
    })
}

async fn client(address: SocketAddr, request: Arc<str>, stop: Arc<AtomicBool>) -> LoadResult {
    let (mut driven, mut connection) = (LoadResult::default(), None);
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        let stream = match connection.take() {
            Some(stream) => Ok(stream),
            None => TcpStream::connect(address).await,
        };
        let timing = match stream {
            Ok(stream) => time_request(stream, &request, start).await,
            Err(_) => None,
        };
        match timing {
            Some((first, stream)) => {
                driven.first_bytes.push(first);
                driven
                    .durations
                    .push(start.elapsed().as_secs_f64() * 1_000.0);
                connection = stream;
            }
            None => {
                driven.failures += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    driven
}

// Returns the milliseconds to the first token, and the connection if it stays open; `None` if the stream was
// incomplete.
async fn time_request(
    mut stream: TcpStream,
    request: &str,
    started_at: Instant,
) -> Option<(f64, Option<TcpStream>)> {
    const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
    stream.write_all(request.as_bytes()).await.ok()?;
    let (mut text, mut first) = (Vec::with_capacity(8 * 1024), None);
    let limit = Duration::from_secs(60);
    loop {
        let read = tokio::time::timeout(limit, stream.read_buf(&mut text));
        let read = read.await.ok()?.ok()?;
        let contains_word = |word: &[u8]| text.windows(word.len()).any(|part| part == word);
        if first.is_none() && contains_word(b"token \"") {
            first = Some(started_at.elapsed().as_secs_f64() * 1_000.0);
        }
        let is_over = text.ends_with(LAST_CHUNK);
        if is_over || read == 0 {
            let first = first.filter(|_| contains_word(b"[DONE]"))?;
            return Some((first, is_over.then_some(stream)));
        }
    }
}
