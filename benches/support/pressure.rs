//! Generates load over 32 keep-alive connections from this process, which runs on the other core.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::family::ticks_of_family;

const CONNECTIONS: usize = 32;
const MEASURE_DURATION: Duration = Duration::from_secs(4);

/// Returns requests per second, and the program's CPU time per request in microseconds.
pub fn measure(address: SocketAddr, process: u32, request: &str) -> (f64, f64) {
    measure_all(&[address], &[process], request)
}

/// Returns requests per second to several servers in turn, and the CPU time of all of these processes per request in
/// microseconds.
pub fn measure_all(addresses: &[SocketAddr], processes: &[u32], request: &str) -> (f64, f64) {
    let all_ticks = || -> u64 { processes.iter().copied().map(ticks_of_family).sum() };
    let (stop, completed) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    // Each thread writes to many connections in one go and then reads from them, so that the load generator is not
    // the bottleneck.
    let (request, addresses) = (request.to_owned(), addresses.to_owned());
    let (flag, count) = (stop.clone(), completed.clone());
    let client = std::thread::spawn(move || drive_load(&addresses, &request, &flag, &count));
    std::thread::sleep(Duration::from_millis(500));
    let (first, ticks, started_at) = (
        completed.load(Ordering::Relaxed),
        all_ticks(),
        Instant::now(),
    );
    std::thread::sleep(MEASURE_DURATION);
    let requests = (completed.load(Ordering::Relaxed) - first) as f64;
    let (seconds, ticks) = (started_at.elapsed().as_secs_f64(), all_ticks() - ticks);
    stop.store(true, Ordering::Relaxed);
    client.join().expect("the load ends");
    (
        requests / seconds,
        ticks as f64 * 10_000.0 / requests.max(1.0),
    )
}

fn drive_load(addresses: &[SocketAddr], request: &str, stop: &AtomicBool, done: &AtomicU64) {
    let mut connections: Vec<TcpStream> = { addresses.iter().cycle().take(CONNECTIONS) }
        .map(|address| {
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
    let mut full = usize::MAX;
    while answer.len() < full {
        let read = stream.read(&mut piece).expect("an answer comes");
        assert!(
            read > 0,
            "the connection was closed: {}",
            String::from_utf8_lossy(answer)
        );
        answer.extend_from_slice(&piece[..read]);
        if full == usize::MAX
            && let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n")
        {
            match content_length(&answer[..end]) {
                Some(length) => full = end + 4 + length,
                None if answer.ends_with(b"\r\n0\r\n\r\n") => return,
                None => {}
            }
        }
    }
}

// Parses the length of the body; returns `None` for a chunked response.
fn content_length(head: &[u8]) -> Option<usize> {
    let name = b"content-length:";
    let start = head
        .windows(name.len())
        .position(|window| window.eq_ignore_ascii_case(name))?
        + name.len();
    let digits = head[start..]
        .iter()
        .skip_while(|byte| **byte == b' ')
        .take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0')))
}
