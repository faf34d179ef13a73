//! Enforces an allocation budget for relayed calls. Unlike times, allocations are the same on every machine. The
//! provider and the client in this test allocate nothing, so only Quire's allocations are counted.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
#![allow(
    dead_code,
    reason = "the support for tests of the API has more than this one needs"
)]
#![allow(
    unsafe_code,
    reason = "an allocator that counts; it adds nothing to the system's"
)]

#[path = "api/support/mod.rs"]
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use support::Server;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

fn count_allocation(size: usize) {
    ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    BYTES.fetch_add(size as u64, Ordering::Relaxed);
}

// SAFETY: every call is forwarded unchanged to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_allocation(layout.size());
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsafe { System.dealloc(block, layout) }
    }
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count_allocation(size);
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Number of requests before counting starts, so that connections, threads, and caches exist.
const WARM_UP_REQUESTS: u64 = 50;
/// Number of requests whose allocations are counted.
const COUNTED_REQUESTS: u64 = 200;
/// Maximum number of allocations per streamed answer of 16 tokens, less than twice the number measured on 2 December
/// 2026 (580 allocations of 125 KB, debug build).
const MAX_ALLOCATIONS: u64 = 850;
/// Maximum number of bytes allocated for the same answer.
const MAX_BYTES: u64 = 190_000;

const TOKEN: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"token \"}}]}\n\n";
const STREAM_END: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
                   data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":16}}\n\n\
                   data: [DONE]\n\n";

/// Starts a provider that answers every request with the same stream and keeps its connections open.
fn provider() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let body = TOKEN.repeat(16) + STREAM_END;
    let answer: &'static str = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    )
    .leak();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            std::thread::spawn(move || {
                let mut buffer = [0; 16 * 1024];
                while read_request(&mut socket, &mut buffer) {
                    socket.write_all(answer.as_bytes()).unwrap();
                }
            });
        }
    });
    address
}

/// Reads one request, whose body ends with its last brace. Returns false if the client has closed the connection.
fn read_request(socket: &mut TcpStream, buffer: &mut [u8]) -> bool {
    let mut filled = 0;
    loop {
        match socket.read(&mut buffer[filled..]) {
            Ok(0) | Err(_) => return false,
            Ok(read) => filled += read,
        }
        let text = &buffer[..filled];
        let Some(end) = text.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let (head, body) = (&text[..end], &text[end + 4..]);
        if head.starts_with(b"GET") || is_complete(head, body) {
            return true;
        }
    }
}

fn is_complete(head: &[u8], body: &[u8]) -> bool {
    const NAME: &[u8] = b"content-length:";
    let at = head
        .windows(NAME.len())
        .position(|part| part.eq_ignore_ascii_case(NAME));
    let digits = at.map_or(&[][..], |at| &head[at + NAME.len()..]);
    let digits = digits.iter().skip_while(|byte| **byte == b' ');
    let length = digits
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
    body.len() >= length
}

/// Sends a request and reads the streamed response to its end.
fn send_and_drain(socket: &mut TcpStream, request: &[u8], buffer: &mut [u8]) {
    socket.write_all(request).unwrap();
    let mut filled = 0;
    while !buffer[..filled].ends_with(b"0\r\n\r\n") {
        let read = socket.read(&mut buffer[filled..]).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&buffer[..filled]));
        filled += read;
    }
    let is_done = buffer[..filled].windows(6).any(|six| six == b"[DONE]");
    assert!(is_done, "{}", String::from_utf8_lossy(&buffer[..filled]));
}

#[test]
fn a_relayed_call_stays_within_its_budget() {
    let providers = json!([{
        "id": "p", "base_url": format!("http://{}/v1", provider()), "api_key": "sk-test-key", "models": "*",
    }]);
    let server = Server::with(&[
        ("QUIRE_PROVIDERS", providers.to_string().as_str()),
        ("CACHE_TTL", "0"),
        ("RATE_LIMIT", "1000000"),
    ]);
    let mut client = server.user("ada@example.com");
    let created = client.post("/api/users/me/api-keys", json!({ "name": "k" }));
    let key = created.json()["key"].as_str().unwrap().to_owned();
    let messages = json!([{ "role": "user", "content": "Is it thin?" }]);
    let body = json!({ "model": "p/a", "stream": true, "messages": messages }).to_string();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (mut socket, mut buffer) = (server.connect(), vec![0; 64 * 1024]);
    for _ in 0..WARM_UP_REQUESTS {
        send_and_drain(&mut socket, request.as_bytes(), &mut buffer);
    }
    let before = (
        ALLOCATIONS.load(Ordering::Relaxed),
        BYTES.load(Ordering::Relaxed),
    );
    for _ in 0..COUNTED_REQUESTS {
        send_and_drain(&mut socket, request.as_bytes(), &mut buffer);
    }
    let allocations = (ALLOCATIONS.load(Ordering::Relaxed) - before.0) / COUNTED_REQUESTS;
    let bytes = (BYTES.load(Ordering::Relaxed) - before.1) / COUNTED_REQUESTS;
    eprintln!("a relayed call: {allocations} allocations, {bytes} bytes");
    assert!(
        allocations <= MAX_ALLOCATIONS,
        "{allocations} allocations, not {MAX_ALLOCATIONS}"
    );
    assert!(bytes <= MAX_BYTES, "{bytes} bytes, not {MAX_BYTES}");
}
