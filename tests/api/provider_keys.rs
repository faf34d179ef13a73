//! Tests providers that are added at run time: their owners, their keys, and the addresses that they may have.

use serde_json::{Value, json};

use crate::providers::hello_stream;
use crate::support::provider::{Provider, on};
use crate::support::{Client, Server};

const PROVIDER_KEY: &str = "sk-house-0123456789-secret-end";
const MODEL_LIST: &str = "{\"data\":[{\"id\":\"m\"},{\"id\":\"n\"}]}";
const ADMIN_PATH: &str = "/api/admin/providers";
const USER_PATH: &str = "/api/users/me/providers";

fn model_list_provider(
    provider: crate::support::provider::ScriptLine,
) -> crate::support::provider::ScriptLine {
    provider.status(200, "application/json", MODEL_LIST)
}

fn new_provider_body(provider: &Provider, name: &str) -> Value {
    json!({ "name": name, "base_url": provider.base_url(), "api_key": PROVIDER_KEY })
}

fn provider_ids(client: &mut Client) -> Vec<String> {
    let list = client.get("/api/models").json();
    let models = list["models"].as_array().unwrap().iter();
    models
        .map(|model| model["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn an_admins_provider_is_tested_encrypted_and_shared() {
    let provider = Provider::script([
        model_list_provider(on("GET models").times(3)),
        on("m").sse(&hello_stream()),
    ]);
    let server = Server::start();
    let mut admin = server.user("admin@example.org");
    let mut other = server.user("other@example.org");
    let response = admin.post(ADMIN_PATH, new_provider_body(&provider, "box"));
    assert_eq!(response.status, 201, "{}", response.text());
    let body = response.json();
    assert_eq!(body["message"], "it responds and lists 2 models");
    assert_eq!(
        (&body["provider"]["key_end"], &body["provider"]["has_key"]),
        (&json!("-end"), &json!(true))
    );
    let id = body["provider"]["id"].as_str().unwrap().to_owned();
    // The key is never shown to anyone, not even to the administrator.
    for text in [
        response.text(),
        admin.get(ADMIN_PATH).text(),
        admin.get("/api/admin/audit").text(),
        admin.get("/api/llm/status").text(),
    ] {
        assert!(!text.contains("0123456789"), "{text}");
    }
    other.get(ADMIN_PATH).refused(403, "FORBIDDEN");
    other
        .delete(&format!("{ADMIN_PATH}/{id}"))
        .refused(403, "FORBIDDEN");
    other
        .post(ADMIN_PATH, new_provider_body(&provider, "mine"))
        .refused(403, "FORBIDDEN");
    server
        .client()
        .get(ADMIN_PATH)
        .refused(401, "UNAUTHENTICATED");
    // Every user may use the provider.
    let request = json!({ "prompt": "Say hello.", "models": ["box/m"], "pattern": "gut", "ultra_model": "demo/extract" });
    let answer = other.post("/api/analyze", request).json();
    assert_eq!(
        answer["results"]["model_responses"]["box/m"], "hello",
        "{answer}"
    );
    let head = provider
        .requests()
        .into_iter()
        .find(|request| request.head.starts_with("POST"))
        .unwrap()
        .head;
    assert!(head.contains(PROVIDER_KEY));
    // Adding a second provider with the same name is a conflict.
    admin
        .post(ADMIN_PATH, new_provider_body(&provider, "box"))
        .refused(409, "CONFLICT");
    assert_eq!(
        admin
            .post(&format!("{ADMIN_PATH}/{id}/test"), json!({}))
            .status,
        200
    );
    // The provider still exists after a restart, and its key is nowhere on disk in plain text.
    let folder = server.stop();
    for entry in std::fs::read_dir(folder.path()).unwrap().flatten() {
        if let Ok(bytes) = std::fs::read(entry.path()) {
            assert!(
                !bytes.windows(10).any(|window| window == b"0123456789"),
                "{:?}",
                entry.path()
            );
        }
    }
    let server = Server::in_folder(folder, &[]);
    let mut admin = server.client();
    let login =
        json!({ "email": "admin@example.org", "password": crate::support::client::PASSWORD });
    let token = admin.post("/api/auth/login", login).json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut admin = server
        .client()
        .with("authorization", &format!("Bearer {token}"));
    admin.post("/api/llm/health-check", json!({}));
    assert!(
        provider_ids(&mut admin).contains(&"box/m".to_owned()),
        "{:?}",
        provider_ids(&mut admin)
    );
    assert_eq!(admin.delete(&format!("{ADMIN_PATH}/{id}")).status, 200);
    assert!(!provider_ids(&mut admin).contains(&"box/m".to_owned()));
    admin
        .delete(&format!("{ADMIN_PATH}/{id}"))
        .refused(404, "NOT_FOUND");
}

#[test]
fn a_rejected_provider_key_is_not_stored() {
    let words =
        format!("{{\"error\":{{\"message\":\"Incorrect key {PROVIDER_KEY} of workspace Blue\"}}}}");
    let provider = Provider::script([
        on("GET models").status(401, "application/json", &words),
        on("GET models").status(401, "application/json", &words),
        on("GET models").status(404, "application/json", "{}"),
        model_list_provider(on("GET models")),
    ]);
    let server = Server::start();
    let mut admin = server.user("admin@example.org");
    let refusal = admin
        .post(ADMIN_PATH, new_provider_body(&provider, "box"))
        .refused(422, "VALIDATION_ERROR");
    assert!(
        refusal.to_string().contains("does not accept the key"),
        "{refusal}"
    );
    assert!(!refusal.to_string().contains("0123456789"));
    assert_eq!(admin.get(ADMIN_PATH).json()["providers"], json!([]));
    let mut forced = new_provider_body(&provider, "box");
    forced["force"] = json!(true);
    let stored_response = admin.post(ADMIN_PATH, forced);
    assert_eq!(stored_response.status, 201, "{}", stored_response.text());
    // A provider without a model list is saved too, and the response says that it has none.
    let without_model_list = admin
        .post(ADMIN_PATH, new_provider_body(&provider, "bare"))
        .json();
    assert!(
        without_model_list["message"]
            .as_str()
            .unwrap()
            .contains("no list"),
        "{without_model_list}"
    );
    // If the address changes, the key must be entered again. If it stays the same, this is not necessary.
    let id = stored_response.json()["provider"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("{ADMIN_PATH}/{id}");
    admin
        .put(
            &path,
            json!({ "base_url": "https://evil.example/v1", "force": true }),
        )
        .refused(422, "VALIDATION_ERROR");
    let response = admin.put(
        &path,
        json!({ "concurrency": 2, "base_url": provider.base_url() }),
    );
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.json()["provider"]["concurrency"], 2);
    let unreachable = json!({ "name": "gone", "base_url": "http://127.0.0.1:1/v1" });
    admin
        .post(ADMIN_PATH, unreachable)
        .refused(422, "VALIDATION_ERROR");
    for (body, field) in [
        (json!({ "name": "Box", "base_url": "http://h/v1" }), "name"),
        (json!({ "name": "demo", "base_url": "http://h/v1" }), "name"),
        (json!({ "name": "x" }), "base_url"),
        (json!({ "name": "x", "base_url": "ftp://h" }), "base_url"),
        (
            json!({ "name": "x", "base_url": "http://user:pw@h/v1" }),
            "base_url",
        ),
        (
            json!({ "name": "x", "base_url": "http://h/v1", "kind": "soap" }),
            "kind",
        ),
        (
            json!({ "name": "openai", "api_key": "two\nlines" }),
            "api_key",
        ),
    ] {
        let refusal = admin
            .post(ADMIN_PATH, body)
            .refused(422, "VALIDATION_ERROR");
        assert_eq!(refusal["detail"][0]["loc"][1], field, "{refusal}");
    }
}

#[test]
fn a_user_provider_is_private() {
    let provider = Provider::script([
        model_list_provider(on("GET models")),
        on("m").sse(&hello_stream()),
    ]);
    let server = Server::with(&[
        ("ALLOW_USER_BASE_URLS", "true"),
        ("OUTBOUND_ALLOW", "127.0.0.0/8"),
    ]);
    let mut admin = server.user("admin@example.org");
    let mut ada = server.user("ada@example.org");
    let response = ada.post(USER_PATH, new_provider_body(&provider, "mine"));
    assert_eq!(response.status, 201, "{}", response.text());
    let id = response.json()["provider"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(provider_ids(&mut ada).contains(&"mine/m".to_owned()));
    assert!(!provider_ids(&mut admin).contains(&"mine/m".to_owned()));
    assert!(!provider_ids(&mut server.client()).contains(&"mine/m".to_owned()));
    assert_eq!(
        ada.get("/api/llm/status").json()["providers"]["mine"]["own"],
        true
    );
    assert_eq!(
        admin.get("/api/llm/status").json()["providers"]["mine"],
        Value::Null
    );
    admin
        .delete(&format!("{USER_PATH}/{id}"))
        .refused(404, "NOT_FOUND");
    admin
        .delete(&format!("{ADMIN_PATH}/{id}"))
        .refused(404, "NOT_FOUND");
    let request_for = |pattern: &str| json!({ "prompt": "Say hello.", "models": ["mine/m"], "pattern": pattern, "ultra_model": "demo/extract" });
    admin
        .post("/api/analyze", request_for("gut"))
        .refused(422, "VALIDATION_ERROR");
    let answer = ada.post("/api/analyze", request_for("gut")).json();
    assert_eq!(
        answer["results"]["model_responses"]["mine/m"], "hello",
        "{answer}"
    );
}

/// Hosts that a client may interpret as 127.0.0.1.
const ODD_HOSTS: [&str; 3] = [
    "http://①②⑦.0.0.1/v1",
    "http://127。0。0。1/v1",
    "http://%31%32%37.0.0.1/v1",
];

#[test]
fn user_provider_addresses_must_be_allowed_and_public() {
    let closed_server = Server::start();
    let mut ada = closed_server.user("ada@example.org");
    let own = |url: &str| json!({ "name": "mine", "base_url": url, "force": false });
    let refusal = ada
        .post(USER_PATH, own("https://models.example.org/v1"))
        .refused(422, "VALIDATION_ERROR");
    assert!(
        refusal.to_string().contains("only administrators"),
        "{refusal}"
    );
    // A user's provider must not be on the server's own machine either.
    ada.post(USER_PATH, json!({ "name": "ollama" }))
        .refused(422, "VALIDATION_ERROR");
    let response = ada.get(USER_PATH).json();
    assert_eq!(response["takes_addresses"], false);
    let names = |response: &Value| {
        let known_providers = response["known"].as_array().unwrap().iter();
        known_providers
            .map(|provider| provider["name"].clone())
            .collect::<Vec<_>>()
    };
    assert!(names(&response).contains(&json!("openai")));
    assert!(!names(&response).contains(&json!("ollama")), "{response}");
    let open = Server::with(&[("ALLOW_USER_BASE_URLS", "true")]);
    let mut ada = open.user("ada@example.org");
    assert!(names(&ada.get(USER_PATH).json()).contains(&json!("azure")));
    // A key must be entered in its own field, because addresses are shown and logged.
    let keyed =
        json!({ "name": "x", "kind": "openai", "base_url": "https://api.example/v1?key=sk-1" });
    let refusal = ada.post(USER_PATH, keyed).refused(422, "VALIDATION_ERROR");
    assert!(refusal.to_string().contains("its own field"), "{refusal}");
    // The names of well-known local providers do not bypass the check.
    for name in ["ollama", "lmstudio", "llamacpp", "vllm"] {
        let refusal = ada
            .post(USER_PATH, json!({ "name": name }))
            .refused(422, "VALIDATION_ERROR");
        assert!(refusal.to_string().contains("private network"), "{refusal}");
    }
    for url in ODD_HOSTS {
        for force in [false, true] {
            let odd_provider = json!({ "name": "mine", "base_url": url, "force": force });
            let refusal = ada
                .post(USER_PATH, odd_provider)
                .refused(422, "VALIDATION_ERROR");
            let message = refusal.to_string();
            let is_named = message.contains("base_url") && message.contains("plain ASCII");
            assert!(is_named, "{url}: {message}");
        }
    }
    for url in [
        "http://127.0.0.1:9/v1",
        "http://localhost:9/v1",
        "http://[::1]:9/v1",
        "http://0.0.0.0:9/v1",
        "http://10.1.2.3/v1",
        "http://192.168.0.1/v1",
        "http://169.254.169.254/latest",
        "http://[fd00::1]/v1",
        "http://[::ffff:127.0.0.1]:9/v1",
        "http://2130706433/v1",
        "http://0x7f.1/v1",
    ] {
        let refusal = ada
            .post(USER_PATH, own(url))
            .refused(422, "VALIDATION_ERROR");
        let said = refusal.to_string();
        assert!(
            said.contains("private network") || said.contains("not known"),
            "{url}: {said}"
        );
    }
}

#[test]
fn provider_error_messages_are_shown_only_to_admins() {
    let words = "{\"error\":{\"message\":\"workspace Blue is over its limit\"}}";
    let provider = Provider::script([
        model_list_provider(on("GET models")),
        on("m").times(2).status(400, "application/json", words),
    ]);
    let server = Server::start();
    let mut admin = server.user("admin@example.org");
    let mut other = server.user("other@example.org");
    admin.post(ADMIN_PATH, new_provider_body(&provider, "box"));
    for client in [&mut admin, &mut other] {
        let request = json!({ "prompt": "Say hello.", "models": ["box/m"], "pattern": "gut", "ultra_model": "demo/extract", "cache": "off" });
        let message = client.post("/api/analyze", request).text();
        assert!(
            message.contains("refused the request (400)") && !message.contains("Blue"),
            "{message}"
        );
    }
    let failure = |client: &mut Client| {
        client.get("/api/llm/status").json()["providers"]["box"]["last_failure"].clone()
    };
    assert!(
        failure(&mut admin)["message"]
            .as_str()
            .unwrap()
            .contains("Blue")
    );
    let shown_failure = failure(&mut other);
    assert_eq!(
        (&shown_failure["model"], &shown_failure["message"]),
        (&json!("m"), &Value::Null)
    );
    admin.post("/api/admin/breakers/reset", json!({ "model": "box/m" }));
    other
        .post("/api/admin/breakers/reset", json!({}))
        .refused(403, "FORBIDDEN");
}
