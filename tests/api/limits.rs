//! Tests the responses to invalid input, and the headers that every response has.

mod assets;
mod bodies;
mod operation;

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::stream::{self, read_until};
use crate::support::client::PASSWORD;
use crate::support::line::on;
use crate::support::provider::Provider;
use crate::support::script::{self, analysis_path, begin, unfinished_stream};
use crate::support::server::rest;
use crate::support::{Answer, Server};

const LOGIN_PATH: &str = "/api/auth/login";

const SECURITY_HEADERS: &[(&str, &str)] = &[
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    ("x-xss-protection", "1; mode=block"),
];

fn check_security_headers(answer: &Answer) {
    for (name, value) in SECURITY_HEADERS {
        assert_eq!(answer.header(name), *value, "{name}");
    }
    assert!(!answer.header("x-request-id").is_empty());
}

/// Returns the bytes of a sign-in request with these header lines and this body.
fn login(headers: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {LOGIN_PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}

#[test]
fn unknown_paths_and_wrong_methods_are_refused() {
    let server = Server::start();
    let mut client = server.client();
    for path in [
        "/nothing",
        "/api/nothing",
        "/api/health/",
        "/assets/x",
        "/share/short",
    ] {
        let answer = client.get(path);
        answer.refused(404, "NOT_FOUND");
        check_security_headers(&answer);
    }
    // A browser receives a page that explains the error.
    let mut browser = client.fresh().with("accept", "text/html,*/*;q=0.8");
    for path in ["/nothing", "/share/short"] {
        let answer = browser.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.text().contains("<main id=\"main\""), "{path}");
        check_security_headers(&answer);
    }
    for path in ["/api/nothing", "/v1/nothing", "/assets/x"] {
        assert!(!browser.get(path).text().contains("<main"), "{path}");
    }
    let answer = client.delete("/api/health");
    answer.refused(405, "METHOD_NOT_ALLOWED");
    assert_eq!(answer.header("allow"), "GET, HEAD, OPTIONS");
    check_security_headers(&answer);
    let answer = client.send("OPTIONS", "/api/documents/x", None);
    assert_eq!(
        (answer.status, answer.header("allow")),
        (200, "GET, HEAD, DELETE, OPTIONS")
    );
    check_security_headers(&answer);
    let full = client.get("/");
    let head = client.send("HEAD", "/", None);
    assert_eq!((head.status, head.bytes.len()), (200, 0));
    assert_eq!(head.header("content-length"), full.header("content-length"));
    check_security_headers(&head);
}

#[test]
fn path_traversal_is_refused() {
    let server = Server::start();
    for path in [
        "/assets/../Cargo.toml",
        "/assets/x/../../Cargo.toml",
        "/assets/x/%2e%2e/patterns.json",
        "/assets/x/..%2f..%2fpatterns.json",
        "/assets/x//etc/passwd",
        "/assets/x/js/../../../../etc/passwd",
        "/assets/x/patterns/gut.toml",
        "/assets/x/models.json",
        "/%2e%2e/etc/passwd",
    ] {
        let answer = server
            .raw(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        assert!(answer.contains("NOT_FOUND"), "{path}");
    }
}

#[test]
fn an_oversized_body_gets_no_100_continue() {
    let server = Server::start();
    let answer = server.raw(&login(
        "content-length: 999999\r\nexpect: 100-continue\r\n",
        "",
    ));
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("PAYLOAD_TOO_LARGE"), "{answer}");
    // A request head within the size limit is accepted.
    let mut socket = server.connect();
    let body = "{\"email\":\"a@b.co\",\"password\":\"x\"}";
    let length = body.len();
    let head = format!("content-length: {length}\r\nexpect: 100-continue\r\nconnection: close\r\n");
    socket.write_all(&login(&head, "")).unwrap();
    let mut piece = [0; 64];
    let read = socket.read(&mut piece).unwrap();
    assert!(piece[..read].starts_with(b"HTTP/1.1 100"), "{piece:?}");
    socket.write_all(body.as_bytes()).unwrap();
    assert!(rest(&mut socket).contains("HTTP/1.1 401"));
}

#[test]
fn valid_request_ids_are_kept_and_others_replaced() {
    let server = Server::start();
    let returned_id = |id: &str| {
        let answer = server.client().with("x-request-id", id).get("/api/nothing");
        let request_id = answer.header("x-request-id").to_owned();
        assert_eq!(answer.json()["request_id"], request_id.as_str());
        request_id
    };
    assert_eq!(returned_id("Job-7.a_b"), "Job-7.a_b");
    assert_eq!(returned_id(&"a".repeat(64)), "a".repeat(64));
    for strange in ["", "a b", "a\"b", "<script>", &"a".repeat(65)] {
        let request_id = returned_id(strange);
        assert!(
            request_id != strange && request_id.len() == 16,
            "{strange}: {request_id}"
        );
    }
    assert_ne!(returned_id(""), returned_id(""));
}

#[test]
fn root_returns_json_to_api_clients_and_html_to_browsers() {
    let server = Server::with(&[("UI_PORT", "0")]);
    let index = server.client().get("/").json();
    assert_eq!(index["health"], "/api/health");
    assert_eq!(index["features"]["authentication"], true);
    let pages = server.pages.expect("a second door");
    let accept = |accept: &str| {
        crate::support::Client::new(pages)
            .with("accept", accept)
            .get("/")
    };
    assert_eq!(accept("application/json").json(), index);
    for browser in ["text/html,application/json", "*/*", "application/json, */*"] {
        assert!(accept(browser).text().contains("<html"), "{browser}");
    }
}

#[test]
fn cors_allows_only_configured_origins() {
    let server = Server::with(&[("CORS_ORIGINS", "https://app.example.org")]);
    let ask = |origin: &str| server.client().with("origin", origin).get("/api/models");
    let list = ask("https://app.example.org");
    assert_eq!(
        list.header("access-control-allow-origin"),
        "https://app.example.org"
    );
    assert_eq!(list.header("access-control-allow-credentials"), "true");
    assert!(list.header("vary").contains("origin"));
    for foreign in [
        "https://evil.example",
        "null",
        "https://app.example.org.evil.example",
        "http://app.example.org",
    ] {
        let answer = ask(foreign);
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.header("access-control-allow-origin"),
            "",
            "{foreign}"
        );
        assert_eq!(
            answer.header("access-control-allow-credentials"),
            "",
            "{foreign}"
        );
    }
    let preflight = |origin: &str| {
        let client = server.client().with("origin", origin);
        client
            .with("access-control-request-method", "POST")
            .send("OPTIONS", LOGIN_PATH, None)
    };
    let answer = preflight("https://app.example.org");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("access-control-allow-methods"),
        "POST, OPTIONS"
    );
    assert!(
        answer
            .header("access-control-allow-headers")
            .contains("authorization")
    );
    assert_eq!(
        preflight("https://evil.example").header("access-control-allow-methods"),
        ""
    );
}

#[test]
fn rate_limits_are_enforced_and_reported() {
    let server = Server::with(&[("RATE_LIMIT", "3")]);
    let mut client = server.client();
    for left in ["2", "1", "0"] {
        let answer = client.get("/api/models");
        assert_eq!(
            (answer.status, answer.header("x-ratelimit-limit")),
            (200, "3")
        );
        assert_eq!(answer.header("x-ratelimit-remaining"), left);
        assert!(answer.header("x-ratelimit-reset").parse::<u64>().is_ok());
    }
    let answer = client.get("/api/models");
    answer.refused(429, "RATE_LIMITED");
    check_security_headers(&answer);
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    assert_eq!(answer.header("x-ratelimit-remaining"), "0");
    // A forged token does not bypass the request limit, so tokens cannot be guessed without limit.
    let mut forger = server.client().with("authorization", "Bearer x");
    forger.get("/api/users/me").refused(429, "RATE_LIMITED");
    for _ in 0..20 {
        assert_eq!(client.get("/api/health").status, 200);
        assert_eq!(client.get("/").status, 200);
    }
}

#[test]
fn forwarded_addresses_count_only_from_trusted_proxies() {
    let response = |server: &Server, address: &str| {
        let client = server.client().with("x-forwarded-for", address);
        let answer = client.with("x-forwarded-proto", "https").get("/api/models");
        (
            answer.status,
            answer.header("strict-transport-security").to_owned(),
        )
    };
    let plain = Server::with(&[("RATE_LIMIT", "1")]);
    assert_eq!(response(&plain, "192.0.2.1"), (200, String::new()));
    assert_eq!(
        response(&plain, "192.0.2.2").0,
        429,
        "the address is not believed"
    );

    let behind = Server::with(&[
        ("RATE_LIMIT", "1"),
        ("TRUSTED_PROXIES", "127.0.0.0/8, 10.0.0.0/8"),
    ]);
    let secure = "max-age=31536000; includeSubDomains".to_owned();
    assert_eq!(response(&behind, "192.0.2.1"), (200, secure));
    assert_eq!(response(&behind, "192.0.2.2").0, 200);
    assert_eq!(
        response(&behind, "203.0.113.9, 192.0.2.1").0,
        429,
        "the last hop counts, not what it was told"
    );
    assert_eq!(response(&behind, "192.0.2.3, 10.0.0.1").0, 200);
    assert_eq!(response(&behind, "192.0.2.3").0, 429);
}

#[test]
fn production_sends_hsts() {
    let server = Server::with(&[("ENVIRONMENT", "production"), ("PASSWORD_ROUNDS", "600000")]);
    let answer = server.client().get("/api/health");
    assert!(
        answer
            .header("strict-transport-security")
            .starts_with("max-age=31536000")
    );
}

/// Sends a request on a connection, which stays open.
fn send_request(socket: &mut TcpStream) -> String {
    let request = b"GET /api/health HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut piece = [0; 4096];
    match socket
        .write_all(request)
        .and_then(|()| socket.read(&mut piece))
    {
        Ok(length) => String::from_utf8_lossy(&piece[..length]).into_owned(),
        Err(_) => String::new(),
    }
}

#[test]
fn an_idle_connection_makes_room_for_a_new_one() {
    let server = Server::with(&[("MAX_CONNECTIONS", "2")]);
    let (mut one, mut two) = (server.connect(), server.connect());
    assert!(send_request(&mut one).starts_with("HTTP/1.1 200"));
    assert!(send_request(&mut two).starts_with("HTTP/1.1 200"));
    let mut three = server.connect();
    assert!(send_request(&mut three).starts_with("HTTP/1.1 200"));
    assert_eq!(
        rest(&mut one),
        "",
        "the one that was idle longest is closed"
    );
    assert!(
        send_request(&mut two).starts_with("HTTP/1.1 200"),
        "the other is not"
    );
}

#[test]
fn connections_over_the_limit_are_refused() {
    let provider = Provider::script([on("slow").stall(&unfinished_stream("It is "))]);
    let settings = [("MAX_CONNECTIONS", "2")];
    let server = script::server(&provider, &settings);
    let mut person = server.user("a@example.org");
    let events = analysis_path(&begin(&mut person, &["p/slow"]), "/events");
    let mut open = || {
        let mut socket = stream::open_stream(&server, &mut person, "GET", &events, &Value::Null);
        read_until(&mut socket, "It is");
        socket
    };
    let (one, _two) = (open(), open());
    let rejection = rest(&mut server.connect());
    assert!(rejection.starts_with("HTTP/1.1 503"), "{rejection}");
    assert!(rejection.contains("retry-after: 1") && rejection.contains("SERVICE_UNAVAILABLE"));
    drop(one);
    // The slot is free again when the server has noticed that the connection is closed.
    let free = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        send_request(&mut server.connect()).starts_with("HTTP/1.1 200")
    });
    assert!(free);
}

/// One address can hold many connections, but some are always left for others.
#[test]
fn one_address_cannot_hold_all_connections() {
    let server = Server::with(&[("MAX_CONNECTIONS", "8")]);
    // These connections send request heads that never end. They are not idle, so they are not closed early.
    let connections: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut socket = server.connect();
            let _ = socket.write_all(b"GET /api/health HTTP/1.1\r\nhost: x\r\n");
            socket
        })
        .collect();
    let address = server.address;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let other_address_status = runtime.block_on(async move {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        socket.connect(address).await.unwrap().into_std().unwrap()
    });
    other_address_status.set_nonblocking(false).unwrap();
    let mut other = other_address_status;
    assert!(send_request(&mut other).starts_with("HTTP/1.1 200"));
    drop(connections);
}
