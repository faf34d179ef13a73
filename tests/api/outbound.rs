//! Tests outbound connections on behalf of a user: every route that can cause one is requested with every spelling of a
//! private address, and a listener at that address must receive nothing.

use std::io::Read;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::thread::JoinHandle;

use quire::http::routes::ROUTES;
use serde_json::{Value, json};

use crate::support::line::on;
use crate::support::provider::{Provider, ReceivedRequest};
use crate::support::script::{analysis_path, answer_stream, id_of, providers, short_run};
use crate::support::{Answer, Client, Server};

/// Routes that can make the server connect to a provider.
#[rustfmt::skip]
const CALLING_ROUTES: &[&str] = &[
    "POST /api/users/me/providers", "PUT /api/users/me/providers/{id}", "POST /api/users/me/providers/{id}/test",
    "POST /api/admin/providers", "PUT /api/admin/providers/{id}", "POST /api/admin/providers/{id}/test",
    "POST /api/llm/health-check",
    "POST /v1/chat/completions", "POST /v1/completions", "POST /v1/responses", "POST /v1/messages", "POST /v1/embeddings", "POST /mcp",
    "POST /v1/models/{name*}", "POST /v1beta/models/{name*}",
    "POST /analyze", "POST /api/analyze", "POST /api/orchestrator/analyze",
    "POST /api/analyses/{id}/retry", "POST /api/analyses/{id}/rerun",
    "POST /api/experiments", "POST /api/experiments/{id}/resume",
    "PUT /api/meaning-search", "GET /api/search", "GET /api/documents/{id}/search",
];

/// Routes that control a run. Any call that they cause belongs to a run that was started by one of the
/// `CALLING_ROUTES`.
#[rustfmt::skip]
const CONTROL_ROUTES: &[&str] = &[
    "POST /api/analyses/{id}/synthesize", "POST /api/analyses/{id}/leave-out", "POST /api/analyses/{id}/cancel",
    "POST /api/experiments/{id}/cancel",
];

/// Routes with a body that never cause outbound calls. A GET or DELETE route that does is in `CALLING_ROUTES`, as the
/// last test verifies.
#[rustfmt::skip]
const QUIET_ROUTES: &[&str] = &[
    "PATCH /api/threads/{id}", "POST /api/threads/{id}/share", "POST /api/projects", "PATCH /api/projects/{id}",
    "POST /api/auth/register", "POST /api/auth/guest", "POST /api/auth/login", "POST /api/auth/refresh", "POST /api/auth/logout",
    "POST /api/auth/request-password-reset", "POST /api/auth/reset-password-request", "POST /api/auth/reset-password",
    "PUT /api/users/me", "POST /api/users/me/change-password", "POST /api/users/me/api-keys",
    "POST /api/users/me/import", "PUT /api/users/me/recipe",
    "POST /api/admin/backup", "POST /api/admin/users", "PUT /api/admin/users/{id}",
    "POST /api/admin/users/{id}/reset-link", "POST /api/admin/invites", "PUT /api/admin/fallbacks",
    "POST /api/admin/breakers/reset", "POST /api/cache/clear", "PUT /api/admin/users/{id}/budget",
    "POST /api/upload-document", "POST /api/documents/{id}/read", "POST /api/create-document-session",
    "POST /api/upload-document-chunk", "POST /api/finalize-document-upload",
    "POST /api/patterns", "POST /api/patterns/check", "PUT /api/patterns/{id}",
    "POST /api/recipes", "PUT /api/recipes/{id}", "POST /v1/messages/count_tokens",
    "POST /api/experiments/estimate", "POST /api/experiments/cases", "POST /api/experiments/{id}/apply",
    "POST /api/experiments/{id}/revert", "POST /api/experiments/{id}/duel",
    "POST /api/estimate", "POST /api/estimate-tokens",
    "POST /api/analyses/{id}/share", "POST /api/analyses/{id}/vote", "POST /api/analyses/{id}/comparison",
    "POST /api/analyses/{id}/comparison/vote", "PUT /api/worth",
];

/// Spellings of hosts that resolve to this machine.
const LOOPBACK: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.0.0.2",
    "127.255.255.254",
    "127.0.0.1.",
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0x7f.0.0.1",
    "0x7f.1",
    "0X7F.0x0.0x0.0x1",
    "0177.0.0.1",
    "0177.1",
    "0177.0x0.0.01",
    "0",
    "0.0.0.0",
    "localhost",
    "LOCALHOST",
    "LocalHost.",
    "localhost.localdomain",
    "ip6-localhost",
    "models.localhost",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:0001]",
    "[::127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
];

/// Hosts in other networks to which a user's provider must not connect.
const PRIVATE: &[&str] = &[
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "0xa9fea9fe",
    "[fe80::1]",
    "[fd00::1]",
    "[::ffff:10.0.0.1]",
    "[64:ff9b::169.254.169.254]",
    "[2002:a9fe:a9fe::1]",
];

/// A listener on all addresses of this machine that counts the connections.
struct Canary {
    port: u16,
    counter: JoinHandle<usize>,
}

impl Canary {
    fn new() -> Self {
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let listener = TcpListener::bind(any)
            .or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)))
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        let counter = std::thread::spawn(move || {
            let mut connection_count = 0;
            loop {
                let (mut socket, _) = listener.accept().unwrap();
                let mut first = [0; 4];
                if socket.read_exact(&mut first).is_ok() && &first == b"DONE" {
                    return connection_count;
                }
                connection_count += 1;
            }
        });
        Self { port, counter }
    }

    /// Returns the number of connections so far. Connections are accepted in order, so no earlier one is missed.
    fn connection_count(self) -> usize {
        use std::io::Write;
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        socket.write_all(b"DONE").unwrap();
        self.counter.join().unwrap()
    }
}

/// Returns a provider that answers every request.
fn local_provider() -> Provider {
    Provider::answering(|request: &ReceivedRequest| {
        if request.head.starts_with("GET") {
            return on("").status(200, "application/json", "{\"data\":[{\"id\":\"m\"}]}");
        }
        match request.head.contains("/embeddings") {
            true => {
                let texts = request.body["input"].as_array().map_or(1, Vec::len);
                let rows: Vec<Value> = (0..texts)
                    .map(|at| json!({ "index": at, "embedding": [0.5] }))
                    .collect();
                let body = json!({ "data": rows });
                on("").status(200, "application/json", &body.to_string())
            }
            false if request.model().contains("fails") => on("").status(401, "text/plain", "no"),
            false => on("").sse(&answer_stream("It is 4.")),
        }
    })
}

fn experiment(model: &str) -> Value {
    let cases: Vec<Value> = (0..16)
        .map(|n| json!({ "prompt": format!("{n} and 2?"), "expected": "4" }))
        .collect();
    json!({ "name": "Sums", "seed": 7, "evaluator": { "kind": "number" },
        "cases": cases, "space": [{ "dial": "model", "values": [model, "demo/extract"] }], "budget": { "evaluations": 200 } })
}

/// Uploads a document. If the model can be reached, waits until it has computed the document's vectors.
fn document_with_meaning(client: &mut Client, model: &str) -> String {
    let uploaded = client.upload("/api/upload-document", "words.txt", b"A few words.");
    let id = uploaded.json()["document_id"].as_str().unwrap().to_owned();
    let chosen = client.put("/api/meaning-search", json!({ "model": model }));
    for _ in 0..1_000 {
        if chosen.status != 200 || client.get("/api/meaning-search").json()["state"] == "ready" {
            return id;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("never ready: {}", client.get("/api/meaning-search").text());
}

fn wait_until_ended(client: &mut Client, path: &str) {
    client
        .events(&format!("{path}/events"), None)
        .for_each(drop);
}

/// Sends one request to a route that can call a model, and waits until the work that it started is done. Calls `before`
/// immediately before the request.
fn call_model_route(
    client: &mut Client,
    route: &str,
    model: &str,
    before: impl FnOnce(),
) -> Answer {
    let (verb, path) = route.split_once(' ').unwrap();
    let chat = json!({ "model": model, "max_tokens": 9, "messages": [{ "role": "user", "content": "2 and 2?" }] });
    let alone = |models: &[&str]| {
        let mut body = short_run(models);
        body["cache"] = json!("off");
        body["pattern"] = json!("gut");
        body
    };
    let run = |client: &mut Client, model: &str| {
        let mut body = alone(&[model]);
        body["async"] = json!(true);
        let id = id_of(&client.post("/api/analyze", body));
        wait_until_ended(client, &analysis_path(&id, ""));
        id
    };
    let (path, body) = match path {
        "/v1/chat/completions" | "/v1/messages" => (path.to_owned(), chat),
        "/v1/responses" => (
            path.to_owned(),
            json!({ "model": model, "input": "2 and 2?" }),
        ),
        "/v1/models/{name*}" | "/v1beta/models/{name*}" => (
            path.replace("{name*}", &format!("{model}:generateContent")),
            json!({ "contents": [{ "role": "user", "parts": [{ "text": "2 and 2?" }] }] }),
        ),
        "/v1/completions" => (
            path.to_owned(),
            json!({ "model": model, "prompt": "2 and 2?" }),
        ),
        "/v1/embeddings" => (
            path.to_owned(),
            json!({ "model": model, "input": "2 and 2?" }),
        ),
        "/mcp" => (
            path.to_owned(),
            json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "consult",
                "arguments": { "question": "2 and 2?", "models": [model], "depth": "quick" } } }),
        ),
        "/analyze" | "/api/analyze" => (path.to_owned(), alone(&[model])),
        "/api/orchestrator/analyze" => {
            let body = json!({ "prompt": "2 and 2?", "selected_models": [model], "ultra_model": "demo/merge", "pattern": "gut" });
            (path.to_owned(), body)
        }
        "/api/analyses/{id}/retry" => {
            let id = run(client, &format!("{model}-fails"));
            (path.replace("{id}", &id), json!({}))
        }
        "/api/analyses/{id}/rerun" => {
            let id = run(client, "demo/extract");
            (
                path.replace("{id}", &id),
                json!({ "models": [model], "cache": "off" }),
            )
        }
        "/api/experiments" => (path.to_owned(), experiment(model)),
        "/api/experiments/{id}/resume" => {
            let experiment_start =
                client.post("/api/experiments", experiment(&format!("{model}-fails")));
            let id = experiment_start.json()["experiment_id"]
                .as_str()
                .unwrap()
                .to_owned();
            wait_until_ended(client, &format!("/api/experiments/{id}"));
            client.post("/api/admin/breakers/reset", json!({}));
            (path.replace("{id}", &id), json!({}))
        }
        "/api/meaning-search" => (path.to_owned(), json!({ "model": model })),
        "/api/search" | "/api/documents/{id}/search" => {
            let path = path.replace("{id}", &document_with_meaning(client, model));
            (format!("{path}?q=words"), json!(null))
        }
        other => panic!("no request is written down for {other}"),
    };
    before();
    let answer = client.json(verb, &path, &body);
    let response: Value = serde_json::from_slice(&answer.bytes).unwrap_or_default();
    let started = |name: &str| response[name].as_str().map(str::to_owned);
    if let Some(id) = started("experiment_id") {
        wait_until_ended(client, &format!("/api/experiments/{id}"));
    } else if let Some(id) = started("analysis_id") {
        wait_until_ended(client, &analysis_path(&id, ""));
    }
    answer
}

fn calls_a_model(route: &&&str) -> bool {
    !route.contains("/providers") && !route.contains("health-check")
}

#[test]
fn every_route_is_classified_as_outbound_or_not() {
    let list: Vec<&str> = [CALLING_ROUTES, CONTROL_ROUTES, QUIET_ROUTES].concat();
    let mut remaining = list.clone();
    for route in ROUTES {
        let formatted = format!("{} {}", route.verb.as_str(), route.path);
        let is_known = list.contains(&formatted.as_str());
        remaining.retain(|known| *known != formatted);
        let is_plain = formatted.starts_with("GET ") || formatted.starts_with("DELETE ");
        assert!(
            is_known || is_plain,
            "{formatted} is new: can it make the server call out? Say so in tests/api/outbound.rs."
        );
    }
    assert!(remaining.is_empty(), "no such routes: {remaining:?}");
}

#[test]
fn only_listed_routes_make_outbound_calls() {
    let provider = local_provider();
    let provider_list = providers(&provider);
    let server = Server::with(&[("QUIRE_PROVIDERS", &provider_list), ("USE_MOCK", "true")]);
    let mut admin = server.user("root@example.org");
    for (number, route) in CALLING_ROUTES.iter().filter(calls_a_model).enumerate() {
        let mut requests = 0;
        let model = format!("p/m{number}");
        let answer = call_model_route(&mut admin, route, &model, || {
            requests = provider.requests().len()
        });
        assert!(answer.status < 300, "{route}: {}", answer.text());
        assert!(
            provider.requests().len() > requests,
            "{route}: {}",
            answer.text()
        );
    }
    // A provider that an administrator adds may be on this machine.
    let own = json!({ "name": "box", "base_url": provider.base_url() });
    let response = admin.post("/api/admin/providers", own);
    assert_eq!(response.status, 201, "{}", response.text());
    let request_count = provider.requests().len();
    let values = crate::routes::unknown_ids();
    for route in ROUTES {
        let formatted = format!("{} {}", route.verb.as_str(), route.path);
        if !CALLING_ROUTES.contains(&formatted.as_str()) && !formatted.ends_with("/logout") {
            let path = crate::routes::url_of(route, &values);
            crate::routes::call_route(&mut admin, route, &path);
        }
    }
    assert_eq!(provider.requests().len(), request_count);
}

/// Starts a server and stores one of the user's providers for each of these URLs directly in the database. This is the
/// state if the name resolved to a public address when the provider was saved, or if an older version stored it.
fn server_with_user_providers(urls: &[String]) -> (Server, Client, Client) {
    let settings = [("ALLOW_USER_BASE_URLS", "true"), ("USE_MOCK", "true")];
    let server = Server::with(&settings);
    server.user("root@example.org");
    let mut user = server.user("ada@example.org");
    let id = user.get("/api/users/me").json()["user_id"].clone();
    let folder = server.stop();
    let db = rusqlite::Connection::open(folder.path().join("quire.db")).unwrap();
    for (number, url) in urls.iter().enumerate() {
        db.execute(
            "INSERT INTO providers (id, user_id, name, kind, base_url, created, changed)
             VALUES (?1, ?2, ?3, 'openai', ?4, 1, 1)",
            (
                format!("provider_01ARYZ6S4100000000000{number:05}"),
                id.as_str().unwrap(),
                format!("s{number}"),
                url,
            ),
        )
        .unwrap();
    }
    drop(db);
    let server = Server::in_folder(folder, &settings);
    let (admin, user) = (
        server.client().signed_in("root@example.org"),
        server.client().signed_in("ada@example.org"),
    );
    (server, admin, user)
}

fn private_urls(port: u16) -> Vec<String> {
    let hosts = LOOPBACK.iter().chain(PRIVATE);
    hosts
        .map(|host| format!("http://{host}:{port}/v1"))
        .collect()
}

#[test]
fn no_route_reaches_a_private_address_of_a_user_s_provider() {
    let canary = Canary::new();
    let urls = private_urls(canary.port);
    let (_server, mut admin, user) = server_with_user_providers(&urls);
    let walk = |mut user: Client, number: usize, url: &str| {
        for (at, route) in CALLING_ROUTES.iter().filter(calls_a_model).enumerate() {
            // An experiment pauses between failures, so it is tested only with the first URL.
            if route.contains("/experiments") && number > 0 {
                continue;
            }
            // Each call uses a different model, because a call to a model with an open circuit breaker would not be
            // made.
            let model = format!("s{number}/m{at}");
            let answer = call_model_route(&mut user, route, &model, || ());
            assert_ne!(answer.status, 500, "{route} {url}: {}", answer.text());
        }
        let id = format!("provider_01ARYZ6S4100000000000{number:05}");
        let path = format!("/api/users/me/providers/{id}");
        let tested = user.post(&format!("{path}/test"), json!({}));
        tested.refused(422, "VALIDATION_ERROR");
    };
    let walk = &walk;
    let at_once = 8;
    std::thread::scope(|scope| {
        for first in 0..at_once {
            let (user, urls) = (user.fresh(), &urls);
            scope.spawn(move || {
                for (number, url) in urls.iter().enumerate().skip(first).step_by(at_once) {
                    walk(user.fresh(), number, url);
                }
            });
        }
    });
    assert_eq!(admin.post("/api/llm/health-check", json!({})).status, 200);
    assert_eq!(canary.connection_count(), 0);
}

#[test]
fn force_keeps_no_address_that_the_guard_refuses() {
    let canary = Canary::new();
    let server = Server::with(&[("ALLOW_USER_BASE_URLS", "true")]);
    server.user("root@example.org");
    let mut user = server.user("ada@example.org");
    let own = "/api/users/me/providers";
    let stored =
        json!({ "name": "kept", "base_url": "http://192.0.2.7.invalid/v1", "force": true });
    let saved = user.post(own, stored);
    assert_eq!(saved.status, 201, "{}", saved.text());
    let id = saved.json()["provider"]["id"].as_str().unwrap().to_owned();
    // Names that this machine cannot resolve are skipped, because they may be accepted.
    let is_known = |url: &String| {
        let host = url.trim_start_matches("http://").trim_end_matches("/v1");
        !host.starts_with("ip6-") && !host.contains("localdomain") || host.to_socket_addrs().is_ok()
    };
    for url in private_urls(canary.port).into_iter().filter(is_known) {
        let error = user
            .post(own, json!({ "name": "x", "base_url": url, "force": true }))
            .refused(422, "VALIDATION_ERROR")
            .to_string();
        assert!(!error.contains("force it"), "{url}: {error}");
        user.put(
            &format!("{own}/{id}"),
            json!({ "base_url": url, "force": true }),
        )
        .refused(422, "VALIDATION_ERROR");
    }
    let list = user.get(own).json()["providers"].clone();
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    assert_eq!(list[0]["base_url"], "http://192.0.2.7.invalid/v1");
    assert_eq!(canary.connection_count(), 0);
}
