//! What bad input gets, and what every answer has.

use crate::support::{Answer, Server};

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

#[test]
fn unknown_paths_and_wrong_methods() {
    let server = Server::start();
    let mut client = server.client();
    for path in [
        "/nothing",
        "/api/nothing",
        "/api/health/",
        "/assets/x",
        "/assets/../Cargo.toml",
        "/%2e%2e/etc/passwd",
    ] {
        let answer = client.get(path);
        answer.refused(404, "NOT_FOUND");
        safe(&answer);
    }
    let answer = client.send("DELETE", "/api/health", None);
    answer.refused(405, "METHOD_NOT_ALLOWED");
    assert_eq!(answer.header("allow"), "GET, HEAD, OPTIONS");
    safe(&answer);
    let answer = client.send("OPTIONS", "/api/health", None);
    assert_eq!(
        (answer.status, answer.header("allow")),
        (200, "GET, HEAD, OPTIONS")
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
