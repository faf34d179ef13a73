//! `make bench-peers`: Quire compared with the programs a user would run instead, if installed under
//! target/peers (`.ci/peers`): time from start to the first answer, memory, size on disk, requests per
//! second. One run, one machine.
//!
//! The programs have different features: a column is empty when a program lacks one. Time and memory
//! include all of a program's processes.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::family::{process_family, pss_of_family};
use support::pressure::measure;
use support::{Folder, ask, binary, field, median, post};

const STARTS: usize = 5;
const STREAMS: usize = 500;
const ACCOUNT: &str = r#"{"email":"bench@example.org","password":"Tr4verse-Orchid"}"#;

/// A program to compare: how to start it and send requests to it.
struct Peer {
    name: &'static str,
    /// The path that must exist under target/peers; empty for Quire.
    place: &'static str,
    command: fn(&Path, &Path, u16) -> Command,
    health: &'static str,
    /// Signs in and returns the value of the authorization header.
    login: Option<fn(SocketAddr) -> String>,
    /// A read request that is sent with the authorization header, if there is one.
    read: &'static str,
    /// The request that keeps a connection open; a plain request if the program has none.
    stream: &'static str,
}

static PEERS: &[Peer] = &[
    Peer {
        name: "Quire",
        place: "",
        command: |program, data, port| {
            let mut command = Command::new(program);
            command.arg("serve").env("QUIRE_DATA", data);
            command
                .env("PORT", port.to_string())
                .env("HOST", "127.0.0.1");
            command
                .env("RATE_LIMIT", "100000000")
                .env("LOGIN_LIMIT", "100000");
            command
                .env("MAX_CONNECTIONS", "4096")
                .env("LOG_LEVEL", "error");
            command
        },
        health: "/api/health",
        login: Some(sign_in),
        read: "/api/users/me",
        stream: "/api/health",
    },
    Peer {
        name: "FastAPI, 22 packages",
        place: "fastapi/bin/uvicorn",
        command: |program, data, port| {
            let mut command = Command::new(program);
            command.args(["peers:app", "--app-dir", "benches", "--log-level", "error"]);
            command
                .args(["--port", &port.to_string()])
                .env("BENCH_DATA", data);
            command.env("PYTHONDONTWRITEBYTECODE", "1");
            command
        },
        health: "/api/health",
        login: Some(sign_in),
        read: "/api/users/me",
        stream: "/api/events",
    },
    Peer {
        name: "PocketBase",
        place: "pocketbase/bin/pocketbase",
        command: |program, data, port| {
            let data = data.display().to_string();
            let created = Command::new(program)
                .args([
                    "superuser",
                    "upsert",
                    "bench@example.org",
                    "Tr4verse-Orchid",
                    "--dir",
                    &data,
                ])
                .stdout(Stdio::null())
                .status();
            assert!(
                created.is_ok_and(|status| status.success()),
                "no account was made"
            );
            let mut command = Command::new(program);
            command.args([
                "serve",
                "--http",
                &format!("127.0.0.1:{port}"),
                "--dir",
                &data,
            ]);
            command
        },
        health: "/api/health",
        login: Some(|address| {
            let account = ACCOUNT.replace("email", "identity");
            let path = "/api/collections/_superusers/auth-with-password";
            field(&post(address, path, "", &account), "token")
        }),
        read: "/api/collections/users/records",
        stream: "/api/realtime",
    },
    Peer {
        name: "dufs",
        place: "bin/dufs",
        command: |program, data, port| {
            let mut command = Command::new(program);
            command
                .arg(data)
                .args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
            command.args(["--log-format", ""]);
            command
        },
        health: "/__dufs__/health",
        login: None,
        read: "",
        stream: "/__dufs__/health",
    },
    Peer {
        name: "crabllm",
        place: "bin/crabllm",
        command: |program, data, port| {
            let file = data.join("crabllm.toml");
            let text = format!(
                "listen = \"127.0.0.1:{port}\"\n[providers.p]\nkind = \"openai\"\napi_key = \"sk-any\"\n\
                 base_url = \"http://127.0.0.1:9/v1\"\nmodels = [\"m\"]\n"
            );
            std::fs::write(&file, text).expect("a file");
            let mut command = Command::new(program);
            command.arg("serve").arg("--config").arg(file);
            command
        },
        health: "/health",
        login: None,
        read: "",
        stream: "/health",
    },
    Peer {
        name: "Portkey's gateway",
        place: "portkey/node_modules/@portkey-ai/gateway/build/start-server.js",
        command: |program, _, port| {
            let mut command = Command::new("node");
            command
                .arg(program)
                .arg(format!("--port={port}"))
                .arg("--headless");
            command
        },
        health: "/",
        login: None,
        read: "",
        stream: "/",
    },
    Peer {
        name: "LiteLLM's proxy",
        place: "litellm/bin/litellm",
        command: |program, data, port| {
            let file = data.join("litellm.yaml");
            let text = "model_list:\n- model_name: any\n  litellm_params:\n    model: openai/m\n    \
                        api_base: http://127.0.0.1:9/v1\n    api_key: sk-any\n";
            std::fs::write(&file, text).expect("a file");
            let mut command = Command::new(program);
            command.arg("--config").arg(file);
            command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
            command
        },
        health: "/health/liveliness",
        login: None,
        read: "",
        stream: "/health/liveliness",
    },
];

fn sign_in(address: SocketAddr) -> String {
    let answer = post(address, "/api/auth/login", "", ACCOUNT);
    format!("Bearer {}", field(&answer, "access_token"))
}

fn main() {
    let quire = binary();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!(
        "load of the machine before: {}",
        load.split(' ').next().unwrap_or_default()
    );
    println!(
        "{:<22} {:>9} {:>8} {:>9} {:>9} {:>10} {:>9} {:>9}",
        "", "start ms", "idle MB", "500 conns", "disk MB", "health/s", "login ms", "read/s"
    );
    for peer in PEERS {
        let program = match peer.place {
            "" => quire.clone(),
            place => Path::new("target/peers").join(place),
        };
        if program.metadata().is_ok_and(|meta| meta.len() > 0) {
            measure_row(peer, &std::path::absolute(&program).expect("a path"));
        } else {
            println!("{:<22} left out: the registry did not give it", peer.name);
        }
    }
}

/// A running program; stopped with all its child processes on drop.
struct Running {
    child: Child,
    address: SocketAddr,
    duration: Duration,
    _folder: Folder,
}

impl Drop for Running {
    fn drop(&mut self) {
        for process in process_family(self.child.id()).into_iter().rev() {
            let _ = Command::new("kill")
                .args(["-9", &process.to_string()])
                .status();
        }
        let _ = self.child.wait();
    }
}

fn start(peer: &Peer, program: &Path, number: usize) -> Option<Running> {
    let folder = Folder::new(&format!("peer-{number}"));
    let port = TcpListener::bind("127.0.0.1:0")
        .ok()?
        .local_addr()
        .ok()?
        .port();
    let mut command = (peer.command)(program, &folder.0, port);
    let started_at = Instant::now();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut running = Running {
        child,
        address: SocketAddr::from(([127, 0, 0, 1], port)),
        duration: Duration::ZERO,
        _folder: folder,
    };
    let request = format!(
        "GET {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        peer.health
    );
    while started_at.elapsed() < Duration::from_secs(60) {
        if ask(running.address, &request).is_some_and(|answer| answer.starts_with("HTTP/1.1 200")) {
            running.duration = started_at.elapsed();
            return Some(running);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}

fn measure_row(peer: &Peer, program: &Path) {
    // The first start reads the program from disk and is not counted.
    let times: Vec<f64> = (0..=STARTS)
        .filter_map(|number| start(peer, program, number))
        .map(|running| running.duration.as_secs_f64() * 1e3)
        .skip(1)
        .collect();
    let running = start(peer, program, STARTS + 1);
    let (Some(running), false) = (running, times.is_empty()) else {
        println!(
            "{:<22} left out: it did not answer within a minute",
            peer.name
        );
        return;
    };
    let process = running.child.id();
    std::thread::sleep(Duration::from_secs(3));
    let idle = pss_of_family(process);
    let held: Vec<TcpStream> = (0..STREAMS)
        .filter_map(|_| hold_connection(running.address, peer.stream))
        .collect();
    std::thread::sleep(Duration::from_secs(2));
    let full = pss_of_family(process);
    let connection_count = held.len();
    drop(held);
    let get = |path: &str, extra_headers: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: x\r\n{extra_headers}\r\n")
    };
    let (health, _) = measure(running.address, process, &get(peer.health, ""));
    let signed = peer.login.map(|login| {
        post(running.address, "/api/auth/register", "", ACCOUNT);
        let mut credential = String::new();
        let logins = (0..9).map(|_| {
            let started_at = Instant::now();
            credential = login(running.address);
            started_at.elapsed().as_secs_f64() * 1e3
        });
        let duration = median(logins.collect());
        let request = get(peer.read, &format!("authorization: {credential}\r\n"));
        (duration, measure(running.address, process, &request).0)
    });
    let (login, read) = signed.map_or(("-".to_owned(), "-".to_owned()), |(login, read)| {
        (format!("{login:.0}"), format!("{read:.0}"))
    });
    println!(
        "{:<22} {:>9.0} {idle:>8.1} {full:>9.1} {:>9.1} {health:>10.0} {login:>9} {read:>9}{}",
        peer.name,
        median(times),
        disk_mb(&disk_root(peer, program)),
        if connection_count < STREAMS {
            format!("   only {connection_count} connections were taken")
        } else {
            String::new()
        }
    );
}

// Opens a connection, sends a request, and keeps the connection open once it is answered.
fn hold_connection(address: SocketAddr, path: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").ok()?;
    let mut first = [0; 1024];
    (stream.read(&mut first).ok()? > 0).then_some(stream)
}

// Returns the path to measure on disk: the binary itself, or else the program's folder without its interpreter.
fn disk_root(peer: &Peer, program: &Path) -> PathBuf {
    let is_one_file =
        peer.place.is_empty() || peer.place.starts_with("bin/") || peer.name == "PocketBase";
    if is_one_file {
        return program.to_owned();
    }
    let folder = peer.place.split('/').next().unwrap_or_default();
    Path::new("target/peers").join(folder)
}

fn disk_mb(path: &Path) -> f64 {
    let output_text = Command::new("du")
        .args(["--dereference-args", "--summarize", "--bytes"])
        .arg(path)
        .output();
    let text =
        output_text.map(|output_text| String::from_utf8_lossy(&output_text.stdout).into_owned());
    let bytes = text
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
    bytes.map_or(f64::NAN, |bytes| bytes / 1_048_576.0)
}
