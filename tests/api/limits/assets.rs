//! Tests assets and pages: compression, ranges, validators, and complete documents.

use super::*;

#[test]
fn assets_honor_compression_ranges_and_validators() {
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
        let second = server.client().with("if-none-match", known).get("/");
        assert_eq!((second.status, second.bytes.len()), (304, 0), "{known}");
        assert_eq!(second.header("etag"), etag);
        check_security_headers(&second);
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
        check_security_headers(&answer);
    }
}
