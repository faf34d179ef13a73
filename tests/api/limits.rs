//! Responses to invalid input, and the headers of every response.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::stream::{self, read_until};
use crate::support::client::PASSWORD;
use crate::support::line::on;
use crate::support::provider::Provider;
use crate::support::script::{self, about, begin, beginning};
use crate::support::server::rest;
use crate::support::{Answer, Server};

const LOGIN: &str = "/api/auth/login";

const SECURITY: &[(&str, &str)] = &[
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    ("x-xss-protection", "1; mode=block"),
];

fn safe(answer: &Answer) {
    for (name, value) in SECURITY {
        assert_eq!(answer.header(name), *value, "{name}");
    }
    assert!(!answer.header("x-request-id").is_empty());
}

/// A login request as it goes over the wire, with these header lines and this body.
fn login(headers: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {LOGIN} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}

#[test]
fn unknown_paths_and_wrong_methods() {
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
        safe(&answer);
    }
    // A person who follows such an address gets the page, which says so in words.
    let mut browser = client.fresh().with("accept", "text/html,*/*;q=0.8");
    for path in ["/nothing", "/share/short"] {
        let answer = browser.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.text().contains("<main id=\"main\""), "{path}");
        safe(&answer);
    }
    for path in ["/api/nothing", "/v1/nothing", "/assets/x"] {
        assert!(!browser.get(path).text().contains("<main"), "{path}");
    }
    let answer = client.delete("/api/health");
    answer.refused(405, "METHOD_NOT_ALLOWED");
    assert_eq!(answer.header("allow"), "GET, HEAD, OPTIONS");
    safe(&answer);
    let answer = client.send("OPTIONS", "/api/documents/x", None);
    assert_eq!(
        (answer.status, answer.header("allow")),
        (200, "GET, HEAD, DELETE, OPTIONS")
    );
    safe(&answer);
    let whole = client.get("/");
    let head = client.send("HEAD", "/", None);
    assert_eq!((head.status, head.bytes.len()), (200, 0));
    assert_eq!(
        head.header("content-length"),
        whole.header("content-length")
    );
    safe(&head);
}

#[test]
fn no_path_leads_out_of_the_assets() {
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
fn bodies_that_are_not_what_they_should_be() {
    let server = Server::start();
    let mut client = server.client();
    let mut send =
        |kind: &str, body: &str| client.send("POST", LOGIN, Some((kind, body.as_bytes())));
    for (body, status, code, word) in [
        ("", 400, "BAD_REQUEST", "empty"),
        ("{\"email\": ", 400, "BAD_REQUEST", "line 1 column 10"),
        ("{\"email\":\n 'a'}", 400, "BAD_REQUEST", "line 2 column 2"),
        (
            "{\"email\":\"a\"} x",
            400,
            "BAD_REQUEST",
            "line 1 column 15",
        ),
        ("[]", 422, "VALIDATION_ERROR", "body"),
        (
            "{\"email\":\"a@b.co\"}",
            422,
            "VALIDATION_ERROR",
            "password",
        ),
        (
            "{\"email\":7,\"password\":\"x\"}",
            422,
            "VALIDATION_ERROR",
            "email",
        ),
        (
            "{\"email\":\"a@b.co\",\"password\":\"x\",\"admin\":true}",
            422,
            "VALIDATION_ERROR",
            "admin",
        ),
    ] {
        let answer = send("application/json", body);
        let error = answer.refused(status, code);
        assert!(
            error["message"].as_str().unwrap().contains(word),
            "{body}: {error}"
        );
        if status == 422 {
            assert_eq!(error["detail"][0]["loc"][0], "body", "{body}");
        }
        assert!(!answer.text().contains("internal"), "{body}");
        safe(&answer);
    }
    let deep = "[".repeat(15_000);
    send("application/json", &deep).refused(400, "BAD_REQUEST");
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        send(kind, "{}").refused(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    let bytes = b"{\"email\":\"\xff\"}";
    client
        .send("POST", LOGIN, Some(("application/json", bytes)))
        .refused(400, "BAD_REQUEST");
}

#[test]
fn bodies_without_end() {
    let server = Server::start();
    let announced = server.raw(&login("content-length: 99999999999\r\n", "{"));
    assert!(
        announced.starts_with("HTTP/1.1 413") && announced.contains("16 KiB"),
        "{announced}"
    );
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    let mut endless = login("transfer-encoding: chunked\r\n", &chunk);
    for _ in 0..200 {
        endless.extend_from_slice(chunk.as_bytes());
    }
    endless.extend_from_slice(b"0\r\n\r\n");
    let answer = server.raw(&endless);
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(
        answer.contains("connection: close") && answer.contains("PAYLOAD_TOO_LARGE"),
        "{answer}"
    );
    // A client that leaves in the middle disturbs nobody.
    let mut socket = server.connect();
    socket
        .write_all(&login("content-length: 100\r\n", "{\"email\""))
        .unwrap();
    drop(socket);
    assert_eq!(server.client().get("/api/health").status, 200);
}

#[test]
fn slow_senders() {
    let server = Server::with(&[
        ("HEADER_TIMEOUT", "1"),
        ("BODY_TIMEOUT", "1"),
        ("IDLE_TIMEOUT", "2"),
    ]);
    let headers = server.raw(b"GET /api/health HTTP/1.1\r\nhost: x\r\nx-slow");
    assert!(
        headers.starts_with("HTTP/1.1 408") && headers.contains("REQUEST_TIMEOUT"),
        "{headers}"
    );
    let body = server.raw(&login("content-length: 100\r\n", "{\"email\""));
    assert!(
        body.starts_with("HTTP/1.1 408") && body.contains("REQUEST_TIMEOUT"),
        "{body}"
    );
    let nothing = server.raw(b"");
    assert_eq!(nothing, "", "an idle connection is closed without a word");
    // One that has asked once is closed just the same, and its answer was whole.
    let mut socket = server.connect();
    socket
        .write_all(b"GET /api/health HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    let answer = rest(&mut socket);
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with('}'),
        "{answer}"
    );
}

#[test]
fn a_trickle_of_headers_is_not_patience_without_end() {
    let server = Server::with(&[("HEADER_TIMEOUT", "1")]);
    let mut socket = server.connect();
    socket.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let mut answer = String::new();
    // Each piece would start the clock anew if it were counted from the last byte.
    for number in 0.. {
        std::thread::sleep(std::time::Duration::from_millis(200));
        if socket
            .write_all(format!("x-{number}: 1\r\n").as_bytes())
            .is_err()
            || readable(&socket)
        {
            answer = rest(&mut socket);
            break;
        }
        assert!(number < 100, "still taken after 20 s");
    }
    assert!(
        answer.starts_with("HTTP/1.1 408") || answer.is_empty(),
        "{answer}"
    );
}

fn readable(socket: &TcpStream) -> bool {
    socket.set_nonblocking(true).unwrap();
    let peeked = socket.peek(&mut [0]);
    socket.set_nonblocking(false).unwrap();
    peeked.is_ok()
}

#[test]
fn headers_that_are_too_large_or_lie() {
    let server = Server::start();
    let large = format!(
        "GET / HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n",
        "x".repeat(40_000)
    );
    let answer = server.raw(large.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let many = format!(
        "GET / HTTP/1.1\r\nhost: x\r\n{}\r\n",
        "x-many: 1\r\n".repeat(150)
    );
    let answer = server.raw(many.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    for headers in [
        "content-length: 2\r\ncontent-length: 3\r\n",
        "content-length: 2, 3\r\n",
        "content-length: -2\r\n",
        "content-length: 0x2\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: xchunked\r\n",
        "x-folded: a\r\n b\r\n",
        "x-split\0: a\r\n",
    ] {
        let mut bytes = login(headers, "{}");
        // What an attacker would have taken for a second request.
        bytes.extend_from_slice(b"GET /api/health HTTP/1.1\r\nhost: x\r\n\r\n");
        let answer = server.raw(&bytes);
        assert!(answer.starts_with("HTTP/1.1 400"), "{headers:?}: {answer}");
        assert_eq!(
            answer.matches("HTTP/1.1").count(),
            1,
            "{headers:?}: {answer}"
        );
    }
    // Both kinds of length: nothing of it is read.
    let answer = server.raw(&login(
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "2\r\n{}\r\n0\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    ));
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

/// Each could be taken for another number of requests by a proxy on the way.
#[test]
fn heads_that_two_servers_read_differently_are_refused() {
    let server = Server::start();
    let next = "GET /api/health HTTP/1.1\r\nhost: x\r\n\r\n";
    for (lines, status) in [
        ("host: x\r\nDummy: x\nContent-Length: 23\r\n", 400),
        ("host: x\r\nDummy: x\rContent-Length: 23\r\n", 400),
        ("host: x\n", 400),
        ("", 400),
        ("host: x\r\nhost: x\r\n", 400),
        ("host: a b\r\n", 400),
        ("host: x/y\r\n", 400),
        ("host: x\r\ncontent-length : 23\r\n", 400),
        ("host: x\r\nx: 1\r\n content-length: 23\r\n", 400),
        (
            "host: x\r\ncontent-length: 23\r\ncontent-length: 23\r\n",
            400,
        ),
        ("host: x\r\ntransfer-encoding: identity, chunked\r\n", 400),
        ("host: x\r\ntransfer-encoding: chunked, chunked\r\n", 400),
        (
            "host: x\r\ntransfer-encoding: chunked\r\ncontent-length: 23\r\n",
            400,
        ),
    ] {
        let bytes = format!("GET /api/models HTTP/1.1\r\n{lines}\r\n{next}");
        let answer = server.raw(bytes.as_bytes());
        let begin = format!("HTTP/1.1 {status}");
        assert!(answer.starts_with(&begin), "{lines:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{lines:?}: {answer}");
        // Our body and our headers.
        for part in [
            "\"error_code\":\"BAD_REQUEST\"",
            "connection: close",
            "x-request-id: ",
        ] {
            assert!(answer.contains(part), "{lines:?}: {answer}");
        }
        for (name, value) in SECURITY {
            assert!(
                answer.contains(&format!("{name}: {value}")),
                "{lines:?}: {answer}"
            );
        }
    }
    // What came before on the same connection is answered first.
    let answer = server.raw(format!("{next}GET / HTTP/1.1\n\n").as_bytes());
    let (good, bad) = (answer.find("HTTP/1.1 200"), answer.find("HTTP/1.1 400"));
    assert!(good == Some(0) && bad > good, "{answer}");
    let http2 = server.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert!(http2.starts_with("HTTP/1.1 505"), "{http2}");
    let old = server.raw(b"GET /api/health HTTP/1.0\r\n\r\n");
    assert!(old.starts_with("HTTP/1.0 200"), "{old}");
}

#[test]
fn a_body_over_the_limit_is_not_asked_for() {
    let server = Server::start();
    let answer = server.raw(&login(
        "content-length: 999999\r\nexpect: 100-continue\r\n",
        "",
    ));
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("PAYLOAD_TOO_LARGE"), "{answer}");
    // One within it is.
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
fn request_ids() {
    let server = Server::start();
    let sent = |id: &str| {
        let answer = server.client().with("x-request-id", id).get("/api/nothing");
        let got = answer.header("x-request-id").to_owned();
        assert_eq!(answer.json()["request_id"], got.as_str());
        got
    };
    assert_eq!(sent("Job-7.a_b"), "Job-7.a_b");
    assert_eq!(sent(&"a".repeat(64)), "a".repeat(64));
    for strange in ["", "a b", "a\"b", "<script>", &"a".repeat(65)] {
        let got = sent(strange);
        assert!(got != strange && got.len() == 16, "{strange}: {got}");
    }
    assert_ne!(sent(""), sent(""));
}

#[test]
fn assets_are_sent_as_they_are_wanted() {
    let server = Server::start();
    let page = server.client().get("/");
    assert_eq!(
        (page.status, page.header("cache-control")),
        (200, "no-cache")
    );
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("vary"), "accept-encoding");
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("default-src 'self'") && !policy.contains("unsafe"),
        "{policy}"
    );
    let etag = page.header("etag").to_owned();
    for known in [
        &etag,
        &format!("W/{etag}"),
        &format!("\"x\", {etag}"),
        &"*".to_owned(),
    ] {
        let again = server.client().with("if-none-match", known).get("/");
        assert_eq!((again.status, again.bytes.len()), (304, 0), "{known}");
        assert_eq!(again.header("etag"), etag);
        safe(&again);
    }
    assert_eq!(
        server
            .client()
            .with("if-none-match", "\"x\"")
            .get("/")
            .status,
        200
    );

    let text = page.text();
    let start = text.find("/assets/").expect("the page names its assets");
    let path = text[start..].split('"').next().unwrap();
    let tree: String = text
        .split("/assets/")
        .find_map(|rest| {
            let tree = rest.split('/').next()?;
            let is_hash = tree.len() == 16 && tree.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_hash.then(|| tree.to_owned())
        })
        .unwrap_or_default();
    assert_eq!(server.client().get(path).status, 200, "{path}");
    let entry = server.client().get("/assets/index.js");
    assert_eq!(
        (entry.status, entry.header("cache-control")),
        (200, "no-cache")
    );
    assert_eq!(
        entry.header("content-type"),
        "text/javascript; charset=utf-8"
    );
    if !tree.is_empty() {
        let name = format!("/assets/{tree}/app/core.js");
        let plain = server.client().get(&name);
        assert_eq!(
            plain.header("cache-control"),
            "public, max-age=31536000, immutable"
        );
        let raw = format!(
            "GET {name} HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\nconnection: close\r\n\r\n"
        );
        let mut socket = server.connect();
        socket.write_all(raw.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        socket.read_to_end(&mut bytes).unwrap();
        let split = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap()
            + 4;
        let head = String::from_utf8_lossy(&bytes[..split]).into_owned();
        assert!(head.contains("content-encoding: gzip"), "{head}");
        let mut inflated = Vec::new();
        flate2::read::GzDecoder::new(&bytes[split..])
            .read_to_end(&mut inflated)
            .unwrap();
        assert_eq!(inflated, plain.bytes);
        let old = server.client().get("/assets/0000000000000000/app/core.js");
        assert_eq!((old.status, old.header("cache-control")), (200, "no-cache"));
    }
}

#[test]
fn every_page_is_a_whole_document() {
    let server = Server::start();
    for path in [
        "/",
        "/analyze",
        "/documents",
        "/orchestrator",
        "/modelrunner",
        "/history",
        "/history/analysis_1",
        "/t/thread_1",
        "/projects/project_1",
        "/experiments",
        "/usage",
        "/welcome",
        "/manual",
        "/manual/money",
        "/settings",
        "/admin",
        "/login",
        "/share/abcdefghijklmnop",
    ] {
        let answer = server.client().get(path);
        let text = answer.text().to_lowercase();
        assert_eq!(answer.status, 200, "{path}");
        assert!(
            text.contains("<html") && text.contains("<title>") && !text.contains("error"),
            "{path}"
        );
        assert!(
            !answer.header("content-security-policy").is_empty(),
            "{path}"
        );
        safe(&answer);
    }
}

#[test]
fn the_index_for_programs() {
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
fn other_origins() {
    let server = Server::with(&[("CORS_ORIGINS", "https://app.example.org")]);
    let ask = |origin: &str| server.client().with("origin", origin).get("/api/models");
    let listed = ask("https://app.example.org");
    assert_eq!(
        listed.header("access-control-allow-origin"),
        "https://app.example.org"
    );
    assert_eq!(listed.header("access-control-allow-credentials"), "true");
    assert!(listed.header("vary").contains("origin"));
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
            .send("OPTIONS", LOGIN, None)
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
fn rates_are_told_and_kept() {
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
    safe(&answer);
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    assert_eq!(answer.header("x-ratelimit-remaining"), "0");
    // A forged token is no way around it, and no way to try tokens without end.
    let mut forger = server.client().with("authorization", "Bearer x");
    forger.get("/api/users/me").refused(429, "RATE_LIMITED");
    for _ in 0..20 {
        assert_eq!(client.get("/api/health").status, 200);
        assert_eq!(client.get("/").status, 200);
    }
}

#[test]
fn only_trusted_proxies_speak_for_others() {
    let told = |server: &Server, address: &str| {
        let client = server.client().with("x-forwarded-for", address);
        let answer = client.with("x-forwarded-proto", "https").get("/api/models");
        (
            answer.status,
            answer.header("strict-transport-security").to_owned(),
        )
    };
    let plain = Server::with(&[("RATE_LIMIT", "1")]);
    assert_eq!(told(&plain, "192.0.2.1"), (200, String::new()));
    assert_eq!(
        told(&plain, "192.0.2.2").0,
        429,
        "the address is not believed"
    );

    let behind = Server::with(&[
        ("RATE_LIMIT", "1"),
        ("TRUSTED_PROXIES", "127.0.0.0/8, 10.0.0.0/8"),
    ]);
    let secure = "max-age=31536000; includeSubDomains".to_owned();
    assert_eq!(told(&behind, "192.0.2.1"), (200, secure));
    assert_eq!(told(&behind, "192.0.2.2").0, 200);
    assert_eq!(
        told(&behind, "203.0.113.9, 192.0.2.1").0,
        429,
        "the last hop counts, not what it was told"
    );
    assert_eq!(told(&behind, "192.0.2.3, 10.0.0.1").0, 200);
    assert_eq!(told(&behind, "192.0.2.3").0, 429);
}

#[test]
fn production_asks_for_https() {
    let server = Server::with(&[("ENVIRONMENT", "production"), ("PASSWORD_ROUNDS", "600000")]);
    let answer = server.client().get("/api/health");
    assert!(
        answer
            .header("strict-transport-security")
            .starts_with("max-age=31536000")
    );
}

/// Asks something on a connection that stays open.
fn ask(socket: &mut TcpStream) -> String {
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
    assert!(ask(&mut one).starts_with("HTTP/1.1 200"));
    assert!(ask(&mut two).starts_with("HTTP/1.1 200"));
    let mut three = server.connect();
    assert!(ask(&mut three).starts_with("HTTP/1.1 200"));
    assert_eq!(
        rest(&mut one),
        "",
        "the one that was idle longest is closed"
    );
    assert!(
        ask(&mut two).starts_with("HTTP/1.1 200"),
        "the other is not"
    );
}

#[test]
fn one_connection_too_many() {
    let provider = Provider::script([on("slow").stall(&beginning("It is "))]);
    let settings = [("MAX_CONNECTIONS", "2")];
    let server = script::server(&provider, &settings);
    let mut person = server.user("a@example.org");
    let events = about(&begin(&mut person, &["p/slow"]), "/events");
    let mut open = || {
        let mut socket = stream::open(&server, &mut person, "GET", &events, &Value::Null);
        read_until(&mut socket, "It is");
        socket
    };
    let (one, _two) = (open(), open());
    let turned_away = rest(&mut server.connect());
    assert!(turned_away.starts_with("HTTP/1.1 503"), "{turned_away}");
    assert!(turned_away.contains("retry-after: 1") && turned_away.contains("SERVICE_UNAVAILABLE"));
    drop(one);
    // The place is free again once the server has seen the close.
    let free = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        ask(&mut server.connect()).starts_with("HTTP/1.1 200")
    });
    assert!(free);
}

/// Whatever one address holds, something is left for another one.
#[test]
fn one_address_cannot_hold_all_connections() {
    let server = Server::with(&[("MAX_CONNECTIONS", "8")]);
    // Heads that never end: not idle, so they make no room.
    let held: Vec<TcpStream> = (0..20)
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
    let from_elsewhere = runtime.block_on(async move {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        socket.connect(address).await.unwrap().into_std().unwrap()
    });
    from_elsewhere.set_nonblocking(false).unwrap();
    let mut other = from_elsewhere;
    assert!(ask(&mut other).starts_with("HTTP/1.1 200"));
    drop(held);
}

#[test]
fn health_tells_the_truth() {
    let server = Server::with(&[("SERVICE_NAME", "desk"), ("APP_TYPE", "x")]);
    let answer = server.client().get("/health");
    let body = answer.json();
    assert_eq!(
        (answer.status, &body["status"]),
        (200, &"ok".into()),
        "{body}"
    );
    assert_eq!(
        (&body["service"], &body["app_type"]),
        (&"desk".into(), &"x".into())
    );
    assert_eq!(body["dependencies"]["sqlalchemy"]["available"], true);
    assert_eq!(body["dependencies"]["redis"]["required"], false);
    assert!(body["resources"]["rss_mb"].as_f64().unwrap() > 1.0);
    assert!(
        body["dependencies"]["sqlalchemy"]["served_by"]
            .as_str()
            .unwrap()
            .contains("SQLite 3.")
    );

    std::fs::remove_file(server.folder().join("quire.db")).unwrap();
    let broken = (0..100).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        let answer = server.client().get("/api/health");
        (answer.status != 200).then_some(answer)
    });
    let answer = broken.expect("a database without its file is broken");
    let body = answer.json();
    assert_eq!(
        (answer.status, &body["status"]),
        (503, &"error".into()),
        "{body}"
    );
    assert_eq!(body["error_code"], "DEPENDENCY_MISSING");
    assert_eq!(body["dependencies"]["sqlalchemy"]["available"], false);
}

#[test]
fn metrics_for_people_and_programs() {
    let token = "0123456789abcdef";
    let server = Server::with(&[
        ("TRUSTED_PROXIES", "127.0.0.1"),
        ("QUIRE_SETUP_TOKEN", token),
    ]);
    let before =
        server.client().get("/api/metrics").json()["metrics"]["requests_processed"].as_u64();
    let body = server.client().get("/api/metrics").json();
    assert_eq!(
        body["metrics"]["requests_processed"].as_u64(),
        before.map(|count| count + 1)
    );
    assert_eq!(body["metrics"]["prometheus_endpoint"], "/metrics");
    let resources = server.client().get("/api/internal/resources").json();
    for name in [
        "memory_mb",
        "cpu_percent",
        "open_files",
        "connections",
        "threads",
    ] {
        assert!(resources[name].is_number(), "{name}");
    }
    let text = server.client().get("/metrics");
    assert!(
        text.text()
            .contains("quire_requests_total{area=\"health\",class=\"2xx\"} "),
        "{}",
        text.text()
    );
    let elsewhere = || server.client().with("x-forwarded-for", "192.0.2.1");
    elsewhere().get("/metrics").refused(401, "UNAUTHENTICATED");
    let root = json!({ "email": "root@example.org", "password": PASSWORD, "setup_token": token });
    assert_eq!(elsewhere().post("/api/auth/register", root).status, 200);
    let mut root = elsewhere().signed_in("root@example.org");
    assert_eq!(root.get("/metrics").status, 200);
    for header in ["forwarded", "via", "x-real-ip", "x-forwarded-host"] {
        let mut passed_on = server.client().with(header, "x");
        passed_on.get("/metrics").refused(401, "UNAUTHENTICATED");
    }
    elsewhere()
        .registered("other@example.org")
        .get("/metrics")
        .refused(403, "FORBIDDEN");
}

#[test]
fn stopping_does_not_wait_for_the_idle() {
    let server = Server::with(&[("SHUTDOWN_TIMEOUT", "3600")]);
    let mut idle = server.connect();
    idle.write_all(b"GET /api/health HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    let mut piece = [0; 4096];
    assert!(idle.read(&mut piece).unwrap() > 0);
    let silent = server.connect();
    let address = server.address;
    drop(server.stop());
    assert_eq!(rest(&mut idle), "");
    drop(silent);
    assert!(
        TcpStream::connect(address).is_err(),
        "nobody listens any more"
    );
}
