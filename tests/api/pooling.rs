//! Tests that connections to a provider are reused, as counted at the provider's sockets. The connection of a canceled
//! call is not reused, and no call fails because the provider has closed a pooled connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::compatible::key;
use crate::stream::open_stream;
use crate::support::line::on;
use crate::support::provider::{Provider, ReceivedRequest};
use crate::support::script::{self, answer_stream, short_run_with, unfinished_stream};
use crate::support::{Client, Server};

const WAIT_TIMEOUT: Duration = Duration::from_secs(20);

/// A function that returns how the provider handles a request, by the number of the connection and the number of the
/// request on it, both from 1.
type ConnectionScript = fn(usize, usize) -> Turn;

#[derive(Clone, Copy, PartialEq)]
enum Turn {
    /// Answers and keeps the connection open.
    Answers,
    /// Starts an answer and then waits until the client disconnects.
    Hangs,
    /// Reads the request and closes the connection without sending a byte.
    Closes,
}

#[derive(Default)]
struct Counted {
    connections: usize,
    requests: usize,
    /// Number of connections that Quire has closed.
    closed: usize,
}

/// A provider that keeps its connections open, as real providers do.
struct KeepAliveProvider {
    address: SocketAddr,
    counters: Arc<(Mutex<Counted>, Condvar)>,
}

impl KeepAliveProvider {
    fn start(act: ConnectionScript) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let counters = Arc::<(Mutex<Counted>, Condvar)>::default();
        let all = counters.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let (socket, all) = (socket.unwrap(), all.clone());
                let number = update_counts(&all, |counters| {
                    counters.connections += 1;
                    counters.connections
                });
                std::thread::spawn(move || serve_connection(socket, number, act, &all));
            }
        });
        Self { address, counters }
    }

    fn server(&self) -> Server {
        let providers = json!([{
            "id": "p", "base_url": format!("http://{}/v1", self.address), "api_key": "sk-test-key", "models": "*",
        }]);
        Server::with(&[
            ("QUIRE_PROVIDERS", providers.to_string().as_str()),
            ("CACHE_TTL", "0"),
        ])
    }

    fn counts(&self) -> (usize, usize) {
        let counters = self.counters.0.lock().unwrap();
        (counters.connections, counters.requests)
    }

    fn wait(&self, what: &str, condition: impl Fn(&Counted) -> bool) {
        let (counters, change_signal) = &*self.counters;
        let guard = counters.lock().unwrap();
        let wait_result =
            change_signal.wait_timeout_while(guard, WAIT_TIMEOUT, |counters| !condition(counters));
        assert!(
            !wait_result.unwrap().1.timed_out(),
            "waited in vain for {what}"
        );
    }
}

fn update_counts<T>(all: &(Mutex<Counted>, Condvar), change: impl FnOnce(&mut Counted) -> T) -> T {
    let result = change(&mut all.0.lock().unwrap());
    all.1.notify_all();
    result
}

fn serve_connection(
    mut socket: TcpStream,
    number: usize,
    act: ConnectionScript,
    all: &(Mutex<Counted>, Condvar),
) {
    let mut request = 0;
    while read_request(&mut socket) {
        request += 1;
        update_counts(all, |counted| counted.requests += 1);
        let turn = act(number, request);
        if turn == Turn::Closes {
            return;
        }
        let body = match turn {
            Turn::Hangs => unfinished_stream("It is "),
            _ => answer_stream("It is thin."),
        };
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked";
        let end = if turn == Turn::Hangs { "" } else { "0\r\n\r\n" };
        let response_text = format!("{head}\r\n\r\n{:x}\r\n{body}\r\n{end}", body.len());
        if socket.write_all(response_text.as_bytes()).is_err() {
            break;
        }
    }
    update_counts(all, |counted| counted.closed += 1);
}

/// Reads one request. Returns false if the client has closed the connection.
fn read_request(socket: &mut TcpStream) -> bool {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split("content-length:").nth(1);
            let length = length.and_then(|rest| rest.lines().next()?.trim().parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return true;
            }
        }
        match socket.read(&mut buffer) {
            Ok(0) | Err(_) => return false,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

fn chat_request(stream: bool) -> Value {
    let messages = json!([{ "role": "user", "content": "How thick is it?" }]);
    json!({ "model": "p/a", "messages": messages, "stream": stream })
}

fn send_chat(client: &mut Client, stream: bool) {
    let answer = client.post("/v1/chat/completions", chat_request(stream));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains("thin"), "{}", answer.text());
}

fn ask_for(client: &mut Client, word: &str) {
    let answer = client.post("/v1/chat/completions", chat_request(false));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains(word));
}

#[test]
fn calls_one_after_the_other_share_one_connection() {
    let provider = KeepAliveProvider::start(|_, _| Turn::Answers);
    let server = provider.server();
    let mut client = server.user("ada@example.com");
    for number in 0..6 {
        send_chat(&mut client, number % 2 == 0);
    }
    let (connections, requests) = provider.counts();
    // The request for the model list at startup is counted too.
    assert!(requests >= 6, "{requests}");
    assert_eq!(connections, 1, "for {requests} requests");
}

#[test]
fn a_panel_needs_no_more_connections_than_calls_at_once() {
    let provider = KeepAliveProvider::start(|_, _| Turn::Answers);
    let server = provider.server();
    let mut client = server.user("ada@example.com");
    let extra = json!({ "pattern": "critique", "ultra_model": "p/w" });
    let answer = client.post(
        "/api/analyze",
        short_run_with(&["p/a", "p/b", "p/c"], extra),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (connections, requests) = provider.counts();
    assert!(requests >= 7, "three members, two rounds, and a synthesis");
    assert!(connections <= 4, "{connections} for {requests} requests");
}

#[test]
fn the_connection_of_a_canceled_call_is_closed_and_not_reused() {
    let provider = KeepAliveProvider::start(|number, _| match number {
        1 => Turn::Hangs,
        _ => Turn::Answers,
    });
    let server = provider.server();
    let own_key = key(&mut server.user("ada@example.com"));
    let before = provider.counts().1;
    let body = chat_request(true).to_string();
    let mut socket = server.connect();
    let write_result = socket.write_all(
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {own_key}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    );
    write_result.unwrap();
    provider.wait("the call", |counted| counted.requests > before);
    let mut first = [0; 64];
    assert!(socket.read(&mut first).unwrap() > 0);
    drop(socket);
    provider.wait("the end of the connection", |counted| counted.closed >= 1);
    let mut client =
        Client::new(server.address).with("authorization", &format!("Bearer {own_key}"));
    send_chat(&mut client, true);
    send_chat(&mut client, false);
    assert_eq!(provider.counts().0, 2);
}

#[test]
fn a_closed_pooled_connection_does_not_count_as_an_attempt() {
    let provider = KeepAliveProvider::start(|number, request| match (number, request) {
        (1, 3) => Turn::Closes,
        _ => Turn::Answers,
    });
    let server = provider.server();
    let mut client = server.user("ada@example.com");
    for _ in 0..5 {
        send_chat(&mut client, false);
    }
    assert_eq!(provider.counts().0, 2);
    let list = client.get("/api/usage/calls").json();
    let calls = list["calls"].as_array().unwrap();
    assert_eq!(calls.len(), 5, "{list}");
    assert!(calls.iter().all(|call| call["tries"] == 1), "{list}");
}

/// Length of the text in a long stream, in bytes.
const LONG_STREAM_BYTES: usize = 100_000;

#[test]
fn a_slow_client_receives_the_complete_answer() {
    let provider = Provider::answering(|_: &ReceivedRequest| {
        on("").sse(&answer_stream(&"word ".repeat(LONG_STREAM_BYTES / 5)))
    });
    let server = script::server(&provider, &[("CACHE_TTL", "0")]);
    let mut client = server.user("ada@example.com");
    let mut socket = open_stream(
        &server,
        &mut client,
        "POST",
        "/v1/chat/completions",
        &chat_request(true),
    );
    // Other requests are served in the meantime.
    provider.wait_for_requests(1);
    std::thread::sleep(Duration::from_millis(500));
    ask_for(&mut client, "word");
    let mut text = String::new();
    while !text.ends_with("0\r\n\r\n") {
        let mut buffer = [0; 16 * 1024];
        let read = socket.read(&mut buffer).unwrap();
        assert!(read > 0, "the stream ends early");
        text += &String::from_utf8_lossy(&buffer[..read]);
    }
    assert!(text.contains("[DONE]"));
    assert_eq!(text.matches("word").count(), LONG_STREAM_BYTES / 5);
}
