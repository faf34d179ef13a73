//! Tests request bodies and headers that are malformed, endless, slow, or ambiguous.

use super::*;

#[test]
fn malformed_bodies_are_refused() {
    let server = Server::start();
    let mut client = server.client();
    let mut send =
        |kind: &str, body: &str| client.send("POST", LOGIN_PATH, Some((kind, body.as_bytes())));
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
        check_security_headers(&answer);
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
        .send("POST", LOGIN_PATH, Some(("application/json", bytes)))
        .refused(400, "BAD_REQUEST");
}

#[test]
fn endless_bodies_are_refused() {
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
    // A client that disconnects in the middle of a request does not affect others.
    let mut socket = server.connect();
    socket
        .write_all(&login("content-length: 100\r\n", "{\"email\""))
        .unwrap();
    drop(socket);
    assert_eq!(server.client().get("/api/health").status, 200);
}

#[test]
fn slow_senders_time_out() {
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
    let reply = server.raw(b"");
    assert_eq!(reply, "", "an idle connection is closed without a word");
    // A connection that has served a request is closed in the same way, after a complete response.
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
fn slow_headers_do_not_extend_the_time_limit() {
    let server = Server::with(&[("HEADER_TIMEOUT", "1")]);
    let mut socket = server.connect();
    socket.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let mut answer = String::new();
    // If the time limit were measured from the last byte, each piece would restart it.
    for number in 0.. {
        std::thread::sleep(std::time::Duration::from_millis(200));
        if socket
            .write_all(format!("x-{number}: 1\r\n").as_bytes())
            .is_err()
            || is_readable(&socket)
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

fn is_readable(socket: &TcpStream) -> bool {
    socket.set_nonblocking(true).unwrap();
    let peek_result = socket.peek(&mut [0]);
    socket.set_nonblocking(false).unwrap();
    peek_result.is_ok()
}

#[test]
fn oversized_and_inconsistent_headers_are_refused() {
    let server = Server::start();
    let large = format!(
        "GET / HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n",
        "x".repeat(40_000)
    );
    let answer = server.raw(large.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let many_headers = format!(
        "GET / HTTP/1.1\r\nhost: x\r\n{}\r\n",
        "x-many: 1\r\n".repeat(150)
    );
    let answer = server.raw(many_headers.as_bytes());
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
        // The attacker wants the server to treat these bytes as a second request.
        bytes.extend_from_slice(b"GET /api/health HTTP/1.1\r\nhost: x\r\n\r\n");
        let answer = server.raw(&bytes);
        assert!(answer.starts_with("HTTP/1.1 400"), "{headers:?}: {answer}");
        assert_eq!(
            answer.matches("HTTP/1.1").count(),
            1,
            "{headers:?}: {answer}"
        );
    }
    // If a request states its length in both ways, none of its body is read.
    let answer = server.raw(&login(
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "2\r\n{}\r\n0\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    ));
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

/// A proxy in front of the server could see a different number of requests in each of these heads.
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
        // The response has the server's own error body and headers.
        for part in [
            "\"error_code\":\"BAD_REQUEST\"",
            "connection: close",
            "x-request-id: ",
        ] {
            assert!(answer.contains(part), "{lines:?}: {answer}");
        }
        for (name, value) in SECURITY_HEADERS {
            assert!(
                answer.contains(&format!("{name}: {value}")),
                "{lines:?}: {answer}"
            );
        }
    }
    // Earlier requests on the same connection are answered before the invalid one is refused.
    let answer = server.raw(format!("{next}GET / HTTP/1.1\n\n").as_bytes());
    let (good, bad) = (answer.find("HTTP/1.1 200"), answer.find("HTTP/1.1 400"));
    assert!(good == Some(0) && bad > good, "{answer}");
    let http2 = server.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert!(http2.starts_with("HTTP/1.1 505"), "{http2}");
    let old = server.raw(b"GET /api/health HTTP/1.0\r\n\r\n");
    assert!(old.starts_with("HTTP/1.0 200"), "{old}");
}
