//! Tests the table of routes as a whole: access control, separation of users, and completeness of the OpenAPI document.

use std::collections::BTreeMap;

use quire::http::routes::{ROUTES, Route, Verb};
use serde_json::{Value, json};

use crate::support::{Answer, Client, Server};

pub fn openapi() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/openapi.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Returns a route's path in the form used in the OpenAPI document.
pub fn doc_path(path: &str) -> String {
    path.replace("*}", "}")
}

/// Returns a path with its placeholders replaced.
pub fn fill_path(path: &str, values: &BTreeMap<&str, String>) -> String {
    let kind = match path {
        _ if path.contains("/api-keys/") => "key",
        _ if path.contains("/users/") => "user",
        _ if path.contains("/documents/") => "document",
        _ if path.contains("/document-sessions/") => "upload",
        _ if path.contains("/patterns/") => "pattern",
        _ if path.contains("/recipes/") => "recipe",
        _ if path.contains("/experiments/") => "experiment",
        _ if path.contains("/threads/") => "thread",
        _ if path.contains("/projects/") => "project",
        _ => "analysis",
    };
    let path = path
        .replace("{id}", &values[kind])
        .replace("{n}", "1")
        .replace("{token}", &values["token"])
        .replace("{name*}", "demo/extract");
    path.replace("{tree}", "x")
        .replace("{topic}", "first-steps")
        .replace("{path*}", "js/index.js")
}

/// Returns a route's path with its placeholders replaced, and with the query that some routes require.
pub fn url_of(route: &Route, values: &BTreeMap<&str, String>) -> String {
    let question = match route.path {
        "/api/documents/{id}/search" | "/api/search" => "?q=towers",
        "/api/patterns/suggest" => "?prompt=check+the+facts",
        _ => "",
    };
    fill_path(route.path, values) + question
}

pub fn call_route(client: &mut Client, route: &Route, path: &str) -> Answer {
    match route.verb {
        Verb::Get | Verb::Delete => client.send(route.verb.as_str(), path, None),
        _ => client.json(route.verb.as_str(), path, &json!({})),
    }
}

pub fn unknown_ids() -> BTreeMap<&'static str, String> {
    let id = |kind: &'static str| (kind, format!("{kind}_01ARYZ6S410000000000000000"));
    let mut values = BTreeMap::from(
        [
            "key",
            "user",
            "document",
            "upload",
            "analysis",
            "pattern",
            "recipe",
            "experiment",
            "thread",
            "project",
        ]
        .map(id),
    );
    values.insert("token", "abcdefghijklmnopqrstuvwxyz".to_owned());
    values
}

#[test]
fn the_openapi_document_lists_every_route() {
    let document = openapi();
    let mut rest = document["paths"].as_object().unwrap().clone();
    for route in ROUTES {
        let (path, verb) = (doc_path(route.path), route.verb.as_str().to_lowercase());
        let operation = rest
            .get_mut(&path)
            .and_then(|path| path.as_object_mut()?.remove(&verb));
        let operation = operation.unwrap_or_else(|| panic!("{verb} {path} is not described"));
        assert_eq!(operation["x-quire-access"], route.access(), "{verb} {path}");
        let holes = route.path.matches('{').count();
        let parameter_count = operation["parameters"].as_array().map_or(0, |list| {
            list.iter()
                .filter(|parameter| parameter["in"] == "path")
                .count()
        });
        assert_eq!(parameter_count, holes, "{verb} {path}");
        assert!(
            operation["responses"]
                .as_object()
                .unwrap()
                .keys()
                .any(|code| code.starts_with('2'))
        );
    }
    rest.retain(|_, operations| !operations.as_object().unwrap().is_empty());
    assert!(rest.is_empty(), "described, but not there: {rest:#?}");
    check_refs(&document, &document);
    let served = Server::start().client().get("/api/openapi.json");
    assert_eq!((served.status, served.json()), (200, document));
}

/// Checks that every `$ref` in a value resolves.
fn check_refs(value: &Value, document: &Value) {
    if let Some(target) = value.get("$ref") {
        let pointer = target.as_str().unwrap().strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{target}");
    }
    match value {
        Value::Object(map) => map.values().for_each(|value| check_refs(value, document)),
        Value::Array(list) => list.iter().for_each(|value| check_refs(value, document)),
        _ => {}
    }
}

#[test]
fn protected_routes_require_a_credential() {
    let server = Server::with(&[("ALLOW_ANONYMOUS", "false")]);
    let values = unknown_ids();
    for route in ROUTES {
        let (path, access) = (fill_path(route.path, &values), route.access());
        let label = format!("{} {path}", route.verb.as_str());
        let answer = call_route(&mut server.client(), route, &path);
        assert_ne!(answer.status, 500, "{label}: {}", answer.text());
        let guarded = access == "user" || access == "admin";
        if guarded {
            match path.starts_with("/v1") {
                true => assert_eq!(answer.status, 401, "{label}"),
                false => drop(answer.refused(401, "UNAUTHENTICATED")),
            }
            assert_eq!(answer.header("www-authenticate"), "Bearer", "{label}");
        }
        if !guarded && access != "maybe" {
            continue;
        }
        for (name, value) in [
            ("authorization", "Bearer eyJhbGciOiJub25lIn0.e30."),
            ("authorization", "Bearer quire_0000000000000000000000000000"),
            ("authorization", "Basic YTpi"),
            ("x-api-key", "x"),
            ("cookie", "quire_access=x"),
        ] {
            let answer = call_route(&mut server.client().with(name, value), route, &path);
            assert_eq!(
                answer.status,
                401,
                "{label} with {name} {value}: {}",
                answer.text()
            );
        }
    }
    let mut client = server.client();
    client
        .post("/api/analyze", json!({"prompt": 7}))
        .refused(422, "VALIDATION_ERROR");
    let answer = client.post("/api/analyze", json!({"prompt": "What is a quire?"}));
    answer.refused(401, "UNAUTHENTICATED");
}

/// A user who owns one object of each kind. All objects contain the same rare word.
pub struct Owner {
    pub client: Client,
    pub values: BTreeMap<&'static str, String>,
}

pub const RARE_WORD: &str = "Zwiebelturmfledermaus";

pub fn owner(server: &Server) -> Owner {
    let mut client = server.user("owner@example.org");
    let mut values = BTreeMap::new();
    let id = |answer: &Answer, name: &str| {
        assert!(answer.status < 300, "{}", answer.text());
        answer.json()[name]
            .as_str()
            .unwrap_or_else(|| panic!("no {name}: {}", answer.text()))
            .to_owned()
    };
    values.insert("user", id(&client.get("/api/users/me"), "user_id"));
    client.put("/api/users/me", json!({"name": RARE_WORD}));
    let text = format!("The {RARE_WORD} sleeps in towers. It was counted 17 times in 2024.");
    let answer = client.upload(
        "/api/upload-document",
        &format!("{RARE_WORD}.txt"),
        text.as_bytes(),
    );
    values.insert("document", id(&answer, "document_id"));
    let key = client.post("/api/users/me/api-keys", json!({"name": RARE_WORD}));
    values.insert(
        "key",
        id(
            &Answer {
                bytes: key.json()["api_key"].to_string().into(),
                ..key
            },
            "id",
        ),
    );
    let session = json!({"fileName": format!("{RARE_WORD}.md"), "fileSize": 10, "chunkSize": 10, "totalChunks": 1});
    values.insert(
        "upload",
        id(
            &client.post("/api/create-document-session", session),
            "sessionId",
        ),
    );
    let question = json!({"prompt": format!("Where does the {RARE_WORD} sleep?"), "pattern": "summarize", "document_ids": [values["document"]]});
    let response = client.post("/api/analyze", question);
    values.insert("analysis", id(&response, "analysis_id"));
    values.insert("thread", id(&response, "thread_id"));
    let project =
        json!({"name": RARE_WORD, "instructions": RARE_WORD, "document_ids": [values["document"]]});
    values.insert(
        "project",
        id(&client.post("/api/projects", project), "project_id"),
    );
    let pattern = json!({"id": "owners", "name": RARE_WORD, "stages": [
        {"name": "initial", "prompt": "{question}"}, {"name": "ultra", "prompt": "{peers}"}]});
    let answer = client.post("/api/patterns", pattern);
    assert_eq!(answer.status, 201, "{}", answer.text());
    values.insert("pattern", "owners".to_owned());
    let recipe = client
        .post(
            "/api/recipes",
            json!({"name": RARE_WORD, "pattern": "owners"}),
        )
        .json();
    values.insert(
        "recipe",
        recipe["recipe"]["id"].as_str().unwrap().to_owned(),
    );
    let experiment = json!({ "name": RARE_WORD, "evaluator": { "kind": "contains" },
        "cases": [{ "prompt": "One?", "expected": "1" }, { "prompt": "Two?", "expected": "2" }],
        "space": [{ "dial": "model", "values": ["demo/extract", "demo/phrases"] }] });
    let started = client.post("/api/experiments", experiment);
    let start = id(&started, "experiment_id");
    client
        .events(&format!("/api/experiments/{start}/events"), None)
        .for_each(drop);
    values.insert("experiment", start);
    let share = client.post(
        &format!("/api/analyses/{}/share", values["analysis"]),
        json!({}),
    );
    values.insert("token", id(&share, "token"));
    Owner { client, values }
}

/// Returns the responses to everything that the owner can read, so that they can be compared before and after.
pub fn owner_view(owner: &mut Owner) -> Vec<(String, Value)> {
    let mut views = Vec::new();
    for route in ROUTES
        .iter()
        .filter(|route| route.access() == "user" && route.verb == Verb::Get)
    {
        let path = fill_path(route.path, &owner.values);
        if path.ends_with("/events") || path.contains("/stream/") || path.ends_with("/search") {
            continue;
        }
        let answer = owner.client.get(&path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        // An archive contains the time of its creation, so it is never the same twice.
        if path.ends_with("/export") && path.contains("/users/") {
            continue;
        }
        views.push((path, json!(answer.text())));
    }
    views
}

/// A response that may contain a user's data must not be stored by shared caches.
#[test]
fn private_responses_are_not_cacheable() {
    let server = Server::start();
    let mut admin = server.user("root@example.org");
    let mut owner = owner(&server);
    let get_routes = ROUTES.iter().filter(|route| route.verb == Verb::Get);
    let private = get_routes.filter(|route| route.access() != "open" || route.path == "/metrics");
    for route in private {
        let path = url_of(route, &owner.values);
        let client = match route.access() {
            "admin" => &mut admin,
            _ => &mut owner.client,
        };
        for answer in [client.get(&path), server.client().get(&path)] {
            let cache_control = answer.header("cache-control");
            assert!(
                cache_control.contains("no-store"),
                "{path} {}: {cache_control:?}",
                answer.status
            );
        }
    }
}

#[test]
fn other_users_objects_are_not_found() {
    let server = Server::start();
    server.user("root@example.org");
    let mut owner = owner(&server);
    let before = owner_view(&mut owner);
    let mut other = server.user("other@example.org");
    // Signing out would end the test.
    let walk = ROUTES
        .iter()
        .filter(|route| !route.path.starts_with("/api/auth/"));
    for route in walk {
        let path = url_of(route, &owner.values);
        let label = format!("{} {path}", route.verb.as_str());
        let answer = call_route(&mut other, route, &path);
        assert_ne!(answer.status, 500, "{label}: {}", answer.text());
        let has_id = route.path.contains("{id}");
        match route.access() {
            "admin" => {
                answer.refused(403, "FORBIDDEN");
            }
            "user" if has_id => {
                // An invalid body may be refused before the object is looked up.
                let response = [404, 422].contains(&answer.status);
                assert!(response, "{label}: {} {}", answer.status, answer.text());
                assert!(answer.status == 404 || route.verb == Verb::Post, "{label}");
            }
            _ => {}
        }
        if route.access() != "link" {
            assert!(
                !answer.text().contains(RARE_WORD),
                "{label}: {}",
                answer.text()
            );
        }
    }
    let vote = format!("/api/analyses/{}/vote", owner.values["analysis"]);
    other
        .post(&vote, json!({"choice": "panel"}))
        .refused(404, "NOT_FOUND");
    let finalize = json!({"sessionId": owner.values["upload"]});
    other
        .post("/api/finalize-document-upload", finalize)
        .refused(404, "NOT_FOUND");
    let stolen = json!({"prompt": "What does it say?", "document_ids": [owner.values["document"]]});
    let answer = other.post("/api/analyze", stolen);
    assert!(
        [404, 422].contains(&answer.status) && !answer.text().contains(RARE_WORD),
        "{}",
        answer.text()
    );
    for (path, was) in before {
        let now = owner.client.get(&path).text();
        let expected = was.as_str().unwrap();
        // No other user may change when a key was last used, or how far an upload has progressed.
        assert_eq!(now, expected, "{path}");
    }
}

#[test]
fn invalid_credentials_are_refused_on_open_routes_too() {
    let server = Server::start();
    let mut client = server.client().with("authorization", "Bearer forged");
    for path in ["/api/available-models", "/api/patterns", "/api/parameters"] {
        client.get(path).refused(401, "UNAUTHENTICATED");
    }
    // A client with an expired token must be able to get a new one.
    client
        .post("/api/auth/refresh", json!({}))
        .refused(400, "BAD_REQUEST");
    assert_eq!(client.get("/api/health").status, 200);
}
