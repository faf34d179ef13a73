//! Tests API keys with restrictions: scopes, models, and budgets.

use std::time::Duration;

use serde_json::{Value, json};

use crate::money::priced_server;
use crate::support::line::on;
use crate::support::provider::{Provider, ReceivedRequest};
use crate::support::script::{answer_stream, server};
use crate::support::{Client, Server};

fn create_key(client: &mut Client, body: Value) -> String {
    let created = client.post("/api/users/me/api-keys", body);
    assert_eq!(created.status, 201, "{}", created.text());
    created.json()["key"].as_str().unwrap().to_owned()
}

fn client_with_key(server: &Server, key: &str) -> Client {
    Client::new(server.address).with("authorization", &format!("Bearer {key}"))
}

fn ask_body(model: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "Is it thin?" }] })
}

#[test]
fn a_key_is_limited_to_its_scopes() {
    let server = Server::start();
    let mut owner = server.user("ada@example.com");
    for (scopes, allowed, forbidden) in [
        (
            json!(["chat"]),
            &["/v1/models"][..],
            &["/api/documents", "/api/analyses", "/api/admin/users"][..],
        ),
        (
            json!(["documents"]),
            &["/api/documents"],
            &["/v1/models", "/api/analyses"],
        ),
        (
            json!(["analyze", "chat"]),
            &["/api/analyses", "/v1/models"],
            &["/api/documents", "/api/admin/users"],
        ),
        (
            json!(["admin"]),
            &["/api/admin/users", "/api/cache/stats"],
            &["/api/analyses"],
        ),
        (
            json!(["analyze"]),
            &["/api/usage"],
            &["/api/users/me/export", "/api/cache/stats"],
        ),
        (
            json!(["analyze", "documents"]),
            &["/api/documents"],
            &["/api/users/me/export", "/api/users/me/api-keys"],
        ),
        (
            json!(["export"]),
            &["/api/users/me/export"],
            &["/api/documents", "/api/users/me/api-keys"],
        ),
        (
            json!(["keys"]),
            &["/api/users/me/api-keys"],
            &["/api/users/me/export", "/api/admin/users"],
        ),
        (
            json!([]),
            &["/api/documents", "/api/analyses", "/v1/models"],
            &[
                "/api/admin/users",
                "/api/users/me/export",
                "/api/users/me/api-keys",
            ],
        ),
    ] {
        let key = create_key(&mut owner, json!({ "name": "k", "scopes": scopes }));
        let mut client = client_with_key(&server, &key);
        for path in allowed {
            assert_eq!(client.get(path).status, 200, "{scopes} {path}");
        }
        for path in forbidden {
            let response = client.get(path);
            assert_eq!(response.status, 403, "{scopes} {path}");
            assert!(response.text().contains("scope"), "{}", response.text());
        }
    }
    let wrong = owner.post(
        "/api/users/me/api-keys",
        json!({ "scopes": ["everything"] }),
    );
    assert_eq!(wrong.status, 422, "{}", wrong.text());
}

#[test]
fn tools_are_limited_to_the_scopes_of_the_key() {
    let server = Server::start();
    let mut owner = server.user("ada@example.com");
    let text = b"The towers stand on a zebra.";
    let document = owner.upload("/api/upload-document", "a.txt", text).json();
    let id = document["document_id"].as_str().unwrap();
    let request = json!({ "prompt": "Is it thin?", "models": ["demo/extract"], "pattern": "gut" });
    let analysis = owner.post("/api/analyze", request).json();
    let chat = create_key(&mut owner, json!({ "scopes": ["chat"] }));
    let reader = create_key(&mut owner, json!({ "scopes": ["chat", "documents"] }));
    let full = create_key(&mut owner, json!({}));
    let consult = |extra_fields: Value| {
        let mut message =
            json!({ "question": "Is it thin?", "models": ["demo/extract"], "depth": "quick" });
        message
            .as_object_mut()
            .unwrap()
            .extend(extra_fields.as_object().unwrap().clone());
        ("consult", message)
    };
    let search = || ("search_documents", json!({ "query": "zebra" }));
    let status = |id: &Value| ("analysis_status", json!({ "analysis_id": id }));
    for (key, (tool, arguments), allowed) in [
        (&chat, search(), false),
        (&reader, search(), true),
        (&full, search(), true),
        (&chat, consult(json!({})), true),
        (&chat, consult(json!({ "documents": [id] })), false),
        (&reader, consult(json!({ "documents": [id] })), true),
        (&chat, status(&analysis["analysis_id"]), false),
        (&full, status(&analysis["analysis_id"]), true),
    ] {
        let call = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": tool, "arguments": arguments },
        });
        let answer = client_with_key(&server, key).post("/mcp", call).json();
        let response = &answer["result"];
        assert_eq!(
            response["isError"], !allowed,
            "{tool} {arguments}: {answer}"
        );
        if !allowed {
            assert!(
                response.to_string().contains("does not allow"),
                "{response}"
            );
        }
        // A key may read the analyses that were started with it.
        let own = &response["structuredContent"]["analysis_id"];
        if tool == "consult" && allowed {
            let (name, arguments) = status(own);
            let call = json!({
                "jsonrpc": "2.0", "id": 1, "method": "tools/call",
                "params": { "name": name, "arguments": arguments },
            });
            let answer = client_with_key(&server, key).post("/mcp", call).json();
            assert_eq!(answer["result"]["isError"], false, "{answer}");
        }
    }
    // The key cannot delete other keys.
    let keys = owner.get("/api/users/me/api-keys").json();
    for key in keys["api_keys"].as_array().unwrap() {
        let one = format!("/api/users/me/api-keys/{}", key["id"].as_str().unwrap());
        let part = create_key(&mut owner, json!({ "scopes": ["analyze"] }));
        client_with_key(&server, &part)
            .delete(&one)
            .refused(403, "FORBIDDEN");
    }
}

#[test]
fn a_key_can_call_only_its_models() {
    let provider =
        Provider::answering(|_: &ReceivedRequest| on("").sse(&answer_stream("It is thin.")));
    let server = server(&provider, &[]);
    let mut owner = server.user("ada@example.com");
    let key = create_key(&mut owner, json!({ "models": ["demo/*", "p/cheap"] }));
    let mut client = client_with_key(&server, &key);
    let names = client.get("/v1/models").json();
    let ids: Vec<&str> = names["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert!(
        ids.iter()
            .all(|id| id.starts_with("demo/") || id.starts_with("quire/")),
        "{ids:?}"
    );
    assert_eq!(
        client
            .post("/v1/chat/completions", ask_body("p/cheap"))
            .status,
        200
    );
    let response = client.post("/v1/chat/completions", ask_body("p/dear"));
    assert_eq!(response.status, 403, "{}", response.text());
    assert!(response.text().contains("p/dear"), "{}", response.text());
    // The models of a default panel are chosen from the allowed ones.
    let answer = client.post("/v1/chat/completions", ask_body("quire/gut"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = json!({ "prompt": "Is it thin?", "models": ["p/dear"], "async": true });
    assert_eq!(client.post("/api/analyze", body).status, 403);
    let requests: Vec<String> = provider
        .requests()
        .iter()
        .map(ReceivedRequest::model)
        .collect();
    assert!(
        requests.iter().all(|model| model == "cheap"),
        "{requests:?}"
    );
    let started = client.post("/api/experiments", json!({}));
    assert!(started.status >= 400);
}

#[test]
fn a_key_cannot_exceed_its_budget() {
    let provider =
        Provider::answering(|_: &ReceivedRequest| on("").sse(&answer_stream("It is thin.")));
    let server = priced_server(&provider, &[]);
    let mut owner = server.user("ada@example.com");
    // The estimated cost of an answer of up to 100 tokens is 0.001 USD. The actual answers have 7 tokens.
    let mut body = ask_body("openai/gpt-4o");
    body["max_tokens"] = json!(100);
    let key = create_key(
        &mut owner,
        json!({ "day_budget_usd": 0.0015, "budget_usd": 5 }),
    );
    let mut client = client_with_key(&server, &key);
    let answer = client.post("/v1/chat/completions", body.clone());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut refused = None;
    for _ in 0..30 {
        let mut other = body.clone();
        // Each question is different, because an answer from the cache would cost nothing.
        other["messages"][0]["content"] =
            json!(format!("Is it thin? {}", provider.requests().len()));
        let answer = client.post("/v1/chat/completions", other);
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refusal = refused.expect("the amount ends");
    assert_eq!(refusal.status, 429, "{}", refusal.text());
    assert!(refusal.text().contains("API key"), "{}", refusal.text());
    assert!(provider.requests().len() > 1);
    // Another key of the same user is not affected.
    let free = create_key(&mut owner, json!({}));
    assert_eq!(
        client_with_key(&server, &free)
            .post("/v1/chat/completions", body)
            .status,
        200
    );
    // Without a price, a budget cannot be enforced, so the model is refused.
    let response = client.post("/v1/chat/completions", ask_body("p/unpriced"));
    assert_eq!(response.status, 429, "{}", response.text());
    let key_list = owner.get("/api/users/me/api-keys").json();
    let rows = key_list["api_keys"].as_array().unwrap();
    assert!(
        rows.iter()
            .any(|row| row["day_budget_usd"] == json!(0.0015)),
        "{key_list}"
    );
}

#[test]
fn concurrent_requests_cannot_share_a_reservation() {
    let provider = Provider::answering(|_: &ReceivedRequest| {
        on("")
            .after(Duration::from_millis(300))
            .sse(&answer_stream("It is thin."))
    });
    let server = priced_server(&provider, &[]);
    // The estimated cost of an answer of up to 100 tokens is 0.001 USD, so the budget is enough for two answers but not
    // for three.
    let mut ada = server.user("ada@example.com");
    let of_the_key = create_key(&mut ada, json!({ "budget_usd": 0.0025 }));
    let mut bob = server.user("bob@example.com");
    let of_the_person = create_key(&mut bob, json!({}));
    let bob = bob.get("/api/users/me").json()["id"].to_string();
    let budget = format!("/api/admin/users/{}/budget", bob.trim_matches('"'));
    assert_eq!(ada.put(&budget, json!({ "day_usd": 0.0025 })).status, 200);
    for key in [of_the_key, of_the_person] {
        let before = provider.requests().len();
        let statuses = ask_concurrently(&server, &key);
        let answered_count = statuses.iter().filter(|status| **status == 200).count();
        assert!((1..=2).contains(&answered_count), "{statuses:?}");
        // The status is not 503, because waiting does not help, and a program would retry forever.
        let refused_count = statuses.iter().filter(|status| **status == 429).count();
        assert_eq!(
            answered_count + refused_count,
            statuses.len(),
            "{statuses:?}"
        );
        assert_eq!(provider.requests().len() - before, answered_count);
    }
}

/// Sends requests from twelve programs with the same key at once. Returns their statuses.
fn ask_concurrently(server: &Server, key: &str) -> Vec<u16> {
    let ask = |n: usize| {
        let mut body = ask_body("openai/gpt-4o");
        body["max_tokens"] = json!(100);
        body["messages"][0]["content"] = json!(format!("Is it thin? {n}"));
        client_with_key(server, key)
            .post("/v1/chat/completions", body)
            .status
    };
    std::thread::scope(|scope| {
        let requests: Vec<_> = (0..12)
            .map(|n| {
                let ask = &ask;
                scope.spawn(move || ask(n))
            })
            .collect();
        requests
            .into_iter()
            .map(|one| one.join().unwrap())
            .collect()
    })
}

#[test]
fn rate_limit_headers_use_openai_and_anthropic_names() {
    let server = Server::start();
    let mut owner = server.user("ada@example.com");
    let key = create_key(&mut owner, json!({}));
    let answer = client_with_key(&server, &key).get("/v1/models");
    let limit = answer.header("x-ratelimit-limit-requests").to_owned();
    assert_eq!(limit, answer.header("anthropic-ratelimit-requests-limit"));
    assert!(answer.header("x-ratelimit-reset-requests").ends_with('s'));
    assert!(
        answer
            .header("anthropic-ratelimit-requests-reset")
            .ends_with('Z')
    );
}

#[test]
fn a_key_manages_keys_only_with_the_scope_for_it() {
    let server = Server::start();
    let mut owner = server.user("ada@example.com");
    let id_of = |owner: &mut Client, name: &str| {
        let keys = owner.get("/api/users/me/api-keys").json();
        let keys = keys["api_keys"].as_array().unwrap().clone();
        let named_key = keys.into_iter().find(|key| key["name"] == name);
        named_key.map(|key| key["id"].as_str().unwrap().to_owned())
    };
    let plain = create_key(&mut owner, json!({ "name": "plain" }));
    let keeper = create_key(&mut owner, json!({ "name": "keeper", "scopes": ["keys"] }));
    create_key(&mut owner, json!({ "name": "victim" }));
    let path = |id: &str| format!("/api/users/me/api-keys/{id}");
    let victim = path(&id_of(&mut owner, "victim").unwrap());
    let own = path(&id_of(&mut owner, "plain").unwrap());
    let (mut plain, mut keeper) = (
        client_with_key(&server, &plain),
        client_with_key(&server, &keeper),
    );
    plain.delete(&victim).refused(403, "FORBIDDEN");
    let create = json!({ "name": "more" });
    for client in [&mut plain, &mut keeper] {
        let response = client.post("/api/users/me/api-keys", create.clone());
        response.refused(403, "FORBIDDEN");
    }
    // Every key may delete itself.
    assert_eq!(plain.delete(&own).status, 200);
    plain.get("/api/models").refused(401, "UNAUTHENTICATED");
    assert_eq!(keeper.delete(&victim).status, 200);
    assert_eq!(id_of(&mut owner, "victim"), None);
}

/// A key without scopes cannot be used to change the account, or for anything reserved to administrators.
#[test]
fn a_key_without_scopes_does_work_and_nothing_else() {
    let server = Server::start();
    let mut admin = server.user("root@example.com");
    let key = create_key(&mut admin, json!({ "name": "plain" }));
    let mut client = client_with_key(&server, &key);
    let mut forbidden = 0;
    for route in quire::http::routes::ROUTES {
        let path = route.path.replace("{id}", "x").replace("{key}", "x");
        let is_account = path.starts_with("/api/users/me/api-keys")
            || path.starts_with("/api/users/me/sessions")
            || path.ends_with("/me/export")
            || path.ends_with("/me/import")
            || path.ends_with("/change-password");
        if route.access() != "admin" && !is_account {
            continue;
        }
        let body = json!({ "current_password": "x", "new_password": "x" });
        let answer = match route.verb.as_str() {
            verb @ ("GET" | "DELETE") => client.send(verb, &path, None),
            verb => client.json(verb, &path, &body),
        };
        assert_eq!(
            answer.status,
            403,
            "{} {path}: {}",
            route.verb.as_str(),
            answer.text()
        );
        forbidden += 1;
    }
    assert!(forbidden > 30, "{forbidden}");
    client
        .put("/api/users/me", json!({ "email": "other@example.com" }))
        .refused(403, "FORBIDDEN");
    assert_eq!(client.get("/api/users/me").status, 200);
}
