//! `make bench-gateway`: the cost of passing a chat completion through Quire and through other gateways
//! installed under target/peers, compared with a direct call of the same provider, in one run: streams per
//! second, median latency, CPU time per request, and memory, at 1, 50, and 500 connections.
//!
//! Every request is a connection of its own and a stream of 20 tokens that the provider sends at once.

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
use support::{Folder, Program, binary, field, median, post, runtime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CONNECTIONS: [usize; 3] = [1, 50, 500];
const LENGTH: Duration = Duration::from_secs(4);
const WARM: Duration = Duration::from_secs(1);
/// A person may have 24 runs under way.
const OF_ONE: usize = 20;

fn main() {
    let upstream = Upstream::start();
    println!(
        "{:<22} {:>5} {:>11} {:>10} {:>10} {:>9} {:>8}",
        "through", "conns", "streams/s", "median ms", "added ms", "CPU ms", "MB"
    );
    let straight = Target {
        name: "straight".to_owned(),
        address: upstream.address,
        model: "20x0".to_owned(),
        path: "/v1/chat/completions",
        keys: vec![String::new()],
        process: None,
    };
    let floor: Vec<f64> = CONNECTIONS
        .iter()
        .map(|&count| row(&straight, count, 0.0))
        .collect();
    let folder = Folder::new("gateway");
    let program = quire(&folder, &upstream);
    let target = Target {
        name: "Quire".to_owned(),
        address: program.address,
        model: "p/20x0".to_owned(),
        path: "/v1/chat/completions",
        keys: people(program.address),
        process: Some(program.child.id()),
    };
    for (count, floor) in CONNECTIONS.into_iter().zip(&floor) {
        row(&target, count, *floor);
    }
    drop(program);
    for peer in [aichat, crabllm, litellm] {
        let Some((target, child)) = peer(&folder.0, upstream.address) else {
            continue;
        };
        for (count, floor) in CONNECTIONS.into_iter().zip(&floor) {
            row(&target, count, *floor);
        }
        drop(child);
    }
}

/// What is measured.
struct Target {
    name: String,
    address: SocketAddr,
    model: String,
    path: &'static str,
    keys: Vec<String>,
    process: Option<u32>,
}

/// A gateway by others; it and what it has started end with this.
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

fn quire(folder: &Folder, upstream: &Upstream) -> Program {
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
    Program::start(&binary(), Some(&folder.0), "/api/health", &settings)
}

fn people(address: SocketAddr) -> Vec<String> {
    let person = |number: usize| {
        let account =
            json!({"email": format!("bench{number}@example.org"), "password": "Tr4verse-Orchid"});
        post(address, "/api/auth/register", "", &account.to_string());
        let answer = post(address, "/api/auth/login", "", &account.to_string());
        let token = field(&answer, "access_token");
        let made = post(
            address,
            "/api/users/me/api-keys",
            &token,
            r#"{"name":"bench"}"#,
        );
        field(&made, "key")
    };
    (0..500usize.div_ceil(OF_ONE)).map(person).collect()
}

fn installed(path: &str) -> Option<PathBuf> {
    let path = Path::new("target/peers").join(path);
    path.exists()
        .then(|| std::path::absolute(&path).expect("a path"))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

// Waits until it listens; a gateway that never does is left out.
fn started(name: &str, mut command: Command, port: u16, model: &str) -> Option<(Target, Peer)> {
    let quiet = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .stdin(Stdio::null());
    let child = Peer(quiet.spawn().ok()?);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let begun = Instant::now();
    while Plain::connect(address).is_err() {
        if begun.elapsed() > Duration::from_secs(60) {
            println!("{name}: did not start");
            return None;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let target = Target {
        name: name.to_owned(),
        address,
        model: model.to_owned(),
        path: "/v1/chat/completions",
        keys: vec!["sk-any".to_owned()],
        process: Some(child.0.id()),
    };
    Some((target, child))
}

fn aichat(folder: &Path, upstream: SocketAddr) -> Option<(Target, Peer)> {
    let binary = installed("bin/aichat")?;
    let config = format!(
        "model: p:20x0\nclients:\n- type: openai-compatible\n  name: p\n  api_base: http://{upstream}/v1\n  \
         api_key: sk-any\n  models:\n  - name: 20x0\n"
    );
    std::fs::write(folder.join("config.yaml"), config).ok()?;
    let port = free_port();
    let mut command = Command::new(binary);
    command
        .env("AICHAT_CONFIG_DIR", folder)
        .args(["--serve", &format!("127.0.0.1:{port}")]);
    started("aichat --serve", command, port, "p:20x0")
}

fn crabllm(folder: &Path, upstream: SocketAddr) -> Option<(Target, Peer)> {
    let binary = installed("bin/crabllm")?;
    let port = free_port();
    let config = format!(
        "listen = \"127.0.0.1:{port}\"\n[providers.p]\nkind = \"openai\"\napi_key = \"sk-any\"\n\
         base_url = \"http://{upstream}/v1\"\nmodels = [\"20x0\"]\n"
    );
    let file = folder.join("crabllm.toml");
    std::fs::write(&file, config).ok()?;
    let mut command = Command::new(binary);
    command.arg("serve").arg("--config").arg(&file);
    started("crabllm", command, port, "20x0")
}

fn litellm(folder: &Path, upstream: SocketAddr) -> Option<(Target, Peer)> {
    let binary = installed("litellm/bin/litellm")?;
    let config = format!(
        "model_list:\n- model_name: any\n  litellm_params:\n    model: openai/20x0\n    \
         api_base: http://{upstream}/v1\n    api_key: sk-any\n"
    );
    let file = folder.join("litellm.yaml");
    std::fs::write(&file, config).ok()?;
    let port = free_port();
    let mut command = Command::new(binary);
    command.arg("--config").arg(&file);
    command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
    started("LiteLLM's proxy", command, port, "any")
}

/// Measures and prints; gives the median in milliseconds.
fn row(target: &Target, connections: usize, floor: f64) -> f64 {
    let before = target.process.map(ticks_of_family);
    let begun = Instant::now();
    let (took, failed) = drive(target, connections);
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = (target.process.map(ticks_of_family).zip(before))
        .map_or(0.0, |(after, before)| (after - before) as f64 * 10.0);
    let all = took.len().max(1) as f64;
    let middle = if took.is_empty() {
        f64::NAN
    } else {
        median(took)
    };
    let memory = target.process.map_or(0.0, pss_of_family);
    println!(
        "{:<22} {connections:>5} {:>11.0} {middle:>10.1} {:>10.1} {:>9.2} {memory:>8.1}{}",
        target.name,
        all / seconds,
        middle - floor,
        cpu / all,
        if failed > 0 {
            format!("   {failed} failed")
        } else {
            String::new()
        },
    );
    middle
}

// How long each stream took, in milliseconds, without those of the first second; and how many were no whole stream.
fn drive(target: &Target, connections: usize) -> (Vec<f64>, usize) {
    let stop = Arc::new(AtomicBool::new(false));
    runtime().block_on(async {
        let mut tasks = Vec::new();
        for number in 0..connections {
            let key = &target.keys[number % target.keys.len()];
            let body = json!({ "model": target.model, "stream": true, "messages": [{ "role": "user", "content": "Is it thin?" }] }).to_string();
            let request = format!(
                "POST {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                target.path,
                body.len()
            );
            let (address, stop) = (target.address, stop.clone());
            tasks.push(tokio::spawn(async move {
                let (mut took, mut failed) = (Vec::new(), 0);
                while !stop.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    match once(address, &request).await {
                        true => took.push(begun.elapsed().as_secs_f64() * 1_000.0),
                        false => {
                            failed += 1;
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                    }
                }
                (took, failed)
            }));
        }
        tokio::time::sleep(WARM + LENGTH).await;
        stop.store(true, Ordering::Relaxed);
        let (mut all, mut failures) = (Vec::new(), 0);
        for task in tasks {
            let (took, failed) = task.await.expect("a client");
            all.extend(took);
            failures += failed;
        }
        (all, failures)
    })
}

async fn once(address: SocketAddr, request: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address).await else {
        return false;
    };
    if stream.write_all(request.as_bytes()).await.is_err() {
        return false;
    }
    let mut text = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut text));
    let is_read = matches!(read.await, Ok(Ok(_)));
    is_read && text.windows(6).any(|six| six == b"[DONE]")
}
