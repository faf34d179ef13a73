//! `make bench`: requests a second over 32 kept connections, beside a bare-hyper hello built alike. The
//! load comes from this process, on the other core; CPU time a request does not depend on it.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use support::{Folder, Program, binaries, sign_up};

const CONNECTIONS: usize = 32;
const LENGTH: Duration = Duration::from_secs(4);

fn main() {
    let (quire, hello) = binaries();
    let floor_program = Program::start(&hello, None, "/", &[]);
    let folder = Folder::new("load");
    let program = Program::start(&quire, Some(&folder.0), "/api/health", &[]);
    let token = sign_up(program.address);

    let get = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n{more}\r\n");
    let floor = measure(&floor_program, &get("/", ""));
    println!(
        "{:<34} {:>9.0} requests/s   {:>5.1} us CPU",
        "hello (the floor)", floor.0, floor.1
    );
    let bearer = format!("authorization: Bearer {token}\r\n");
    for (name, path, credential, goal) in [
        ("GET /api/health", "/api/health", "", 0.8),
        (
            "GET /api/users/me, signed in",
            "/api/users/me",
            bearer.as_str(),
            0.4,
        ),
        (
            "GET /api/analyses, signed in",
            "/api/analyses",
            bearer.as_str(),
            0.0,
        ),
        (
            "GET /api/available-models",
            "/api/available-models",
            "",
            0.0,
        ),
        ("GET /assets/index.js", "/assets/index.js", "", 0.0),
    ] {
        let (rate, cpu) = measure(&program, &get(path, credential));
        let goal = if goal > 0.0 {
            format!("(goal: {goal} x)")
        } else {
            String::new()
        };
        println!(
            "{name:<34} {rate:>9.0} requests/s   {cpu:>5.1} us CPU   {:>4.2} x   {goal}",
            rate / floor.0
        );
    }
}

/// Requests a second, and microseconds of the program's CPU time a request.
fn measure(program: &Program, request: &str) -> (f64, f64) {
    let (stop, done) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    // Many connections a thread, written in one go and read in one go: the load must not be the bottleneck.
    let (request, address) = (request.to_owned(), program.address);
    let (flag, count) = (stop.clone(), done.clone());
    let client = std::thread::spawn(move || drive(address, &request, &flag, &count));
    std::thread::sleep(Duration::from_millis(500));
    let (first, ticks, begun) = (
        done.load(Ordering::Relaxed),
        program.ticks(),
        Instant::now(),
    );
    std::thread::sleep(LENGTH);
    let requests = (done.load(Ordering::Relaxed) - first) as f64;
    let (seconds, ticks) = (begun.elapsed().as_secs_f64(), program.ticks() - ticks);
    stop.store(true, Ordering::Relaxed);
    client.join().expect("the load ends");
    (
        requests / seconds,
        ticks as f64 * 10_000.0 / requests.max(1.0),
    )
}

fn drive(address: SocketAddr, request: &str, stop: &AtomicBool, done: &AtomicU64) {
    let mut connections: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|_| {
            let stream = TcpStream::connect(address).expect("a connection");
            stream.set_nodelay(true).expect("no delay");
            stream
        })
        .collect();
    let mut buffer = Vec::with_capacity(65536);
    while !stop.load(Ordering::Relaxed) {
        for stream in &mut connections {
            stream
                .write_all(request.as_bytes())
                .expect("a request is taken");
        }
        for stream in &mut connections {
            read_answer(stream, &mut buffer);
            assert!(
                buffer.starts_with(b"HTTP/1.1 200"),
                "{}",
                String::from_utf8_lossy(&buffer)
            );
        }
        done.fetch_add(CONNECTIONS as u64, Ordering::Relaxed);
    }
}

fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) {
    answer.clear();
    let mut piece = [0; 16384];
    let mut whole = usize::MAX;
    while answer.len() < whole {
        let read = stream.read(&mut piece).expect("an answer comes");
        assert!(
            read > 0,
            "the connection was closed: {}",
            String::from_utf8_lossy(answer)
        );
        answer.extend_from_slice(&piece[..read]);
        if whole == usize::MAX
            && let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n")
        {
            whole = end + 4 + content_length(&answer[..end]);
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    let name = b"content-length:";
    let start = head
        .windows(name.len())
        .position(|window| window.eq_ignore_ascii_case(name))
        .expect("a length")
        + name.len();
    let digits = head[start..]
        .iter()
        .skip_while(|byte| **byte == b' ')
        .take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'))
}
