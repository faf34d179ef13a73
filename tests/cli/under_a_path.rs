//! Tests a `PUBLIC_URL` with a path, behind a real nginx that either keeps or removes the path when it forwards
//! requests.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::nginx::{self, Nginx, PUBLIC_PATH, PathStyle};
use super::{CommandOutput, Running, Workspace, run_with_input};

/// A response, consisting of its head (including the status line) and its body.
struct Answered {
    head: String,
    body: String,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{}\n{}", self.head, self.body))
    }
    fn has_status(&self, status: u16) -> bool {
        self.head.starts_with(&format!("HTTP/1.1 {status}"))
    }
}

/// Sends a request with these header lines to a port on this machine.
fn send_request(port: u16, method: &str, path: &str, headers: &str, body: &str) -> Answered {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let length = body.len();
    write!(
        socket,
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
    .unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Answered {
        head: with_lowercase_names(head),
        body: decode_chunked(head, body),
    }
}

/// Returns the head of a response with the names of its headers in lowercase. The values stay unchanged, because the
/// `W/` of a weak entity tag is case-sensitive.
fn with_lowercase_names(head: &str) -> String {
    let lines = head.split("\r\n").map(|line| match line.split_once(": ") {
        Some((name, value)) => format!("{}: {value}", name.to_lowercase()),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\r\n")
}

fn decode_chunked(head: &str, body: &str) -> String {
    if !head.to_lowercase().contains("transfer-encoding: chunked") {
        return body.to_owned();
    }
    let (mut rest, mut text) = (body, String::new());
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 {
            break;
        }
        text.push_str(&after[..size]);
        rest = after[size..].trim_start_matches("\r\n");
    }
    text
}

const JSON: &str = "content-type: application/json\r\n";

#[test]
fn all_features_work_under_a_path() {
    if !nginx::is_installed() {
        return;
    }
    for style in [PathStyle::PassedOn, PathStyle::Removed] {
        under_a_path(style);
    }
}

fn under_a_path(style: PathStyle) {
    let workspace = Workspace::new();
    let port = nginx::free_port();
    let base = format!("http://127.0.0.1:{port}{PUBLIC_PATH}");
    let mut command = workspace.quire(&["--port", "0", "--use-mock", "--public-url", &base]);
    command.env("TRUSTED_PROXIES", "127.0.0.1");
    command.env("QUIRE_SETUP_TOKEN", "a-token-for-the-first");
    let server = Running::start(command);
    let _nginx = Nginx::start(port, &server.address, style);
    let get = |path: &str, headers: &str| {
        send_request(port, "GET", &format!("{PUBLIC_PATH}{path}"), headers, "")
    };
    let post = |path: &str, headers: &str, body: Value| {
        send_request(
            port,
            "POST",
            &format!("{PUBLIC_PATH}{path}"),
            headers,
            &body.to_string(),
        )
    };
    // Pages and their files are served under the path.
    let page = get("/", "accept: text/html\r\n");
    assert!(
        page.body.contains("data-base=\"/quire\""),
        "{style:?}: {}",
        page.head
    );
    assert!(page.head.contains("link: </quire/assets/"), "{}", page.head);
    let script = page.body.split("src=\"/quire").nth(1).unwrap();
    let script = script.split('"').next().unwrap();
    assert!(get(script, "").has_status(200), "{script}");
    assert!(get("/sw.js", "").has_status(200));
    let unchanged = |path: &str| {
        let first = get(path, "accept: text/html\r\n");
        let etag = first.head.lines().find(|line| line.starts_with("etag: "));
        let etag = etag.unwrap_or_else(|| panic!("{path}: {}", first.head));
        let second = etag.replace("etag", "accept: text/html\r\nif-none-match") + "\r\n";
        get(path, &second).has_status(304)
    };
    for path in ["/login", "/manifest.webmanifest", "/api/openapi.json"] {
        assert!(unchanged(path), "{style:?}: {path}");
    }
    let manifest = get("/manifest.webmanifest", "").json();
    assert_eq!(
        (&manifest["scope"], &manifest["start_url"]),
        (&json!("/quire/"), &json!("/quire/"))
    );
    assert_eq!(
        get("/api/openapi.json", "").json()["servers"][0]["url"],
        "/quire"
    );
    let missing = get("/nothing", "accept: text/html\r\n");
    assert!(
        missing.has_status(404) && missing.body.contains("data-base"),
        "{}",
        missing.head
    );
    // Cookies are restricted to the path.
    let person = json!({"email": "ada@example.org", "password": "Tr4verse-Orchid", "setup_token": "a-token-for-the-first"});
    let registered = post("/api/auth/register", JSON, person.clone());
    assert!(
        registered.has_status(201) || registered.has_status(200),
        "{} {}",
        registered.head,
        registered.body
    );
    let person = json!({"email": person["email"], "password": person["password"]});
    let entered = post("/api/auth/login", JSON, person);
    let cookies: Vec<&str> = (entered.head.lines())
        .filter_map(|line| line.strip_prefix("set-cookie: "))
        .collect();
    assert!(
        cookies
            .iter()
            .any(|line| line.starts_with("quire_access=") && line.contains("Path=/quire;")),
        "{cookies:?}"
    );
    assert!(
        cookies.iter().any(
            |line| line.starts_with("quire_refresh=") && line.contains("Path=/quire/api/auth;")
        ),
        "{cookies:?}"
    );
    let token = entered.json()["access_token"].as_str().unwrap().to_owned();
    let cookie = format!("cookie: quire_access={token}\r\n");
    assert_eq!(
        get("/api/users/me", &cookie).json()["email"],
        "ada@example.org"
    );
    // Addresses in responses contain the path.
    let request_body =
        json!({"prompt": "Why?", "models": ["demo/extract"], "depth": "quick", "async": true});
    let started = post("/api/analyze", &format!("{JSON}{cookie}"), request_body);
    assert!(
        started.head.contains("location: /quire/api/analyses/"),
        "{}",
        started.head
    );
    let begun = started.json();
    for (field, end) in [("results_url", ""), ("events_url", "/events")] {
        let id = begun["analysis_id"].as_str().unwrap();
        assert_eq!(
            begun[field],
            format!("{PUBLIC_PATH}/api/analyses/{id}{end}"),
            "{begun}"
        );
    }
    let invited = post("/api/admin/invites", &format!("{JSON}{cookie}"), json!({}));
    let url = invited.json()["url"].as_str().unwrap().to_owned();
    let link = format!("{base}/login?invite=");
    assert!(url.starts_with(&link), "{}", invited.body);
    let path_of = |answered: &Answered| answered.json()["path"].as_str().unwrap().to_owned();
    let host = base.strip_suffix(PUBLIC_PATH).unwrap();
    assert_eq!(format!("{host}{}", path_of(&invited)), url);
    let share = format!(
        "/api/analyses/{}/share",
        begun["analysis_id"].as_str().unwrap()
    );
    let deadline = Instant::now() + Duration::from_secs(60);
    let shared = loop {
        let shared = post(&share, &format!("{JSON}{cookie}"), json!({}));
        if shared.has_status(200) {
            break shared;
        }
        assert!(Instant::now() < deadline, "{}", shared.body);
        sleep(Duration::from_millis(200));
    };
    let url = shared.json()["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with(&format!("{base}/share/")), "{url}");
    assert_eq!(format!("{host}{}", path_of(&shared)), url);
    let page = get(url.strip_prefix(&base).unwrap(), "accept: text/html\r\n");
    assert!(page.has_status(200), "{}", page.head);
    // Programs can use the path too: the compatible API, commands that follow event streams, and MCP clients.
    let key = workspace
        .run(&["key", "add", "ada@example.org"])
        .expect_success();
    let bearer = format!("authorization: bearer {}\r\n", key.trim());
    assert!(get("/v1/models", &bearer).body.contains("demo/extract"));
    let elsewhere = Workspace::new();
    let at_server = |words: &[&str]| {
        let mut command = elsewhere.quire(words);
        command
            .env("QUIRE_SERVER", &base)
            .env("QUIRE_API_KEY", key.trim());
        command
    };
    let said = CommandOutput::from_output(
        at_server(&["ask", "Why?", "-m", "demo/extract"])
            .output()
            .unwrap(),
    );
    assert!(
        said.code == Some(0) && said.err.contains("demo/extract answered"),
        "{said:?}"
    );
    let request = "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"tools/list\"}\n";
    let said = CommandOutput::from_output(run_with_input(at_server(&["mcp"]), request));
    assert!(said.stdout.contains("list_patterns"), "{said:?}");
    let server_port = server.address.rsplit_once(':').unwrap().1;
    let said = workspace.run(&["doctor", "--port", server_port, "--public-url", &base]);
    for line in ["reaches Quire", "ok       streaming"] {
        assert!(said.stdout.contains(line), "{style:?}: {said:?}");
    }
    // On this machine, without the proxy, the path may be omitted.
    assert!(server.get("/api/health").starts_with("HTTP/1.1 200"));
    assert!(server.get("/quire/api/health").starts_with("HTTP/1.1 200"));
}

#[test]
fn over_https_cookies_keep_their_names_without_a_path_and_are_secure_with_one() {
    for (url, prefix, path) in [
        ("https://example.org", "__Host-", "/"),
        ("https://example.org/quire", "__Secure-", "/quire"),
    ] {
        let workspace = Workspace::new();
        let mut command = workspace.quire(&["--port", "0", "--use-mock", "--public-url", url]);
        command.env("QUIRE_SETUP_TOKEN", "a-token-for-the-first");
        let server = Running::start(command);
        let port = server.address.rsplit_once(':').unwrap().1.parse().unwrap();
        let person = json!({"email": "ada@example.org", "password": "Tr4verse-Orchid", "setup_token": "a-token-for-the-first"});
        send_request(
            port,
            "POST",
            "/api/auth/register",
            JSON,
            &person.to_string(),
        );
        let person = json!({"email": person["email"], "password": person["password"]});
        let entered = send_request(port, "POST", "/api/auth/login", JSON, &person.to_string());
        let access = format!("set-cookie: {prefix}quire_access=");
        let line = (entered.head.lines()).find(|line| line.starts_with(&access));
        let line = line.unwrap_or_else(|| panic!("{}", entered.head));
        assert!(
            line.contains(&format!("; Path={path};")) && line.ends_with("; Secure"),
            "{line}"
        );
    }
}

#[test]
fn reserved_and_invalid_public_paths_are_refused() {
    let workspace = Workspace::new();
    for url in ["https://example.org/api", "https://example.org/a b"] {
        let error = workspace
            .run(&["doctor", "--public-url", url])
            .expect_refusal(2);
        assert!(error.contains("--public-url"), "{error}");
    }
}
