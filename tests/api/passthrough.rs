//! Tests that fields unknown to Quire are passed on to models unknown to Quire. Fields that a model refuses are omitted
//! from then on. Configured headers and body fields are added to every request.

use serde_json::{Value, json};

use crate::support::line::on;
use crate::support::provider::{Provider, ReceivedRequest};
use crate::support::script::{answer_stream, server};

const IMAGE_URL: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

fn ask_body(model: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "Is it thin?" }] })
}

fn ask_body_with(model: &str, extra_fields: Value) -> Value {
    let mut body = ask_body(model);
    for (name, value) in extra_fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn image_body(model: &str) -> Value {
    let parts = json!([
        { "type": "text", "text": "What is this?" },
        { "type": "image_url", "image_url": { "url": IMAGE_URL } },
    ]);
    json!({ "model": model, "messages": [{ "role": "user", "content": parts }] })
}

/// Starts a provider that refuses the field `min_p`, and whose model `blind` does not accept images.
fn strict_provider() -> Provider {
    Provider::answering(|received: &ReceivedRequest| {
        let body = &received.body;
        let refuse = |message: &str| {
            let body = json!({ "error": { "message": message, "type": "invalid_request_error" } });
            on("").status(400, "application/json", &body.to_string())
        };
        if received.model() == "picky" && !body["min_p"].is_null() {
            return refuse("Unrecognized request argument supplied: min_p");
        }
        if received.model() == "blind" && body.to_string().contains("image_url") {
            return refuse("This model does not support image input");
        }
        if received.model() == "shapeless" && !body["response_format"].is_null() {
            return refuse("response_format is not supported by this model");
        }
        match body["response_format"].is_null() && received.model() != "shapeless" {
            true => on("").sse(&answer_stream("It is thin.")),
            false => on("").sse(&answer_stream("{\"thin\": true}")),
        }
    })
}

#[test]
fn every_field_reaches_a_model_that_the_catalog_does_not_know() {
    let provider = strict_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let fields = json!({
        "top_k": 40, "min_p": 0.05, "logprobs": true, "top_logprobs": 3, "logit_bias": { "7": -5 },
        "repetition_penalty": 1.1, "chat_template_kwargs": { "enable_thinking": false },
        "guided_choice": ["a", "b"], "user": "u-1", "stop": ["a", "b", "c", "d", "e"], "temperature": 3.5,
    });
    let answer = client.post(
        "/v1/chat/completions",
        ask_body_with("p/mine", fields.clone()),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-quire-ignored"), "");
    let sent_body = &provider.requests()[0].body;
    for (name, value) in fields.as_object().unwrap() {
        assert_eq!(&sent_body[name], value, "{name} of {sent_body}");
    }
    // The client cannot change Quire's own fields, and only the requested model is called.
    let own_body =
        json!({ "stream": false, "api_key": "sk-other", "models": ["p/dear"], "seed": 5 });
    let answer = client.post("/v1/chat/completions", ask_body_with("p/mine", own_body));
    assert_eq!(answer.header("x-quire-ignored"), "api_key, models");
    let sent_body = &provider.requests()[1].body;
    assert_eq!(
        (&sent_body["stream"], &sent_body["seed"]),
        (&json!(true), &json!(5))
    );
    assert_eq!(
        (&sent_body["api_key"], &sent_body["models"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn anthropic_and_responses_apis_forward_unknown_fields() {
    let provider = strict_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let message = json!({ "model": "p/mine", "max_tokens": 9, "min_p": 0.1, "service_tier": "auto",
        "messages": [{ "role": "user", "content": "Is it thin?" }] });
    assert_eq!(client.post("/v1/messages", message).status, 200);
    let response = json!({ "model": "p/mine", "input": "Is it thin?", "min_p": 0.2, "user": "u" });
    assert_eq!(client.post("/v1/responses", response).status, 200);
    let requests = provider.requests();
    assert_eq!(
        (
            &requests[0].body["min_p"],
            &requests[0].body["service_tier"]
        ),
        (&json!(0.1), &Value::Null)
    );
    assert_eq!(
        (&requests[1].body["min_p"], &requests[1].body["user"]),
        (&json!(0.2), &json!("u"))
    );
}

#[test]
fn a_refused_field_is_skipped_and_reported() {
    let provider = strict_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let body = ask_body_with("p/picky", json!({ "min_p": 0.1, "top_a": 0.2 }));
    for asked in [2, 3] {
        let mut body = body.clone();
        body["seed"] = json!(asked);
        let answer = client.post("/v1/chat/completions", body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-quire-ignored"), "min_p");
        // The second request does not contain the refused field, so a single attempt is enough.
        assert_eq!(provider.requests().len(), asked);
    }
    let sent_body = &provider.requests()[2].body;
    assert_eq!(
        (&sent_body["min_p"], &sent_body["top_a"]),
        (&Value::Null, &json!(0.2))
    );
}

#[test]
fn models_unknown_to_the_catalog_receive_images() {
    let provider = strict_provider();
    let server = server(&provider, &[("OPENAI_API_KEY", "sk-test")]);
    let mut client = server.user("ada@example.com");
    let answer = client.post("/v1/chat/completions", image_body("p/mine"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent_body = &provider.requests()[0].body;
    assert_eq!(
        sent_body["messages"][0]["content"][1]["image_url"]["url"],
        IMAGE_URL
    );
    // When a model has refused an image, this is remembered.
    let answer = client.post("/v1/chat/completions", image_body("p/blind"));
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(provider.requests().len(), 2);
    let answer = client.post("/v1/chat/completions", image_body("p/blind"));
    assert_eq!(answer.status, 400);
    assert!(
        answer.text().contains("does not accept images"),
        "{}",
        answer.text()
    );
    assert_eq!(provider.requests().len(), 2);
}

#[test]
fn response_formats_are_forwarded_unchanged() {
    let provider = strict_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let schema = json!({
        "type": "object", "required": ["thin"], "additionalProperties": false,
        "properties": { "thin": { "type": "boolean" } },
    });
    for format in [
        json!({ "type": "json_object" }),
        json!({ "type": "json_schema", "json_schema": { "name": "sheet", "schema": schema, "strict": true } }),
    ] {
        let count = provider.requests().len();
        let body = ask_body_with("p/mine", json!({ "response_format": format }));
        let answer = client.post("/v1/chat/completions", body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(provider.requests()[count].body["response_format"], format);
        // If a model refuses the field, the format is sent as an instruction.
        let body = ask_body_with("p/shapeless", json!({ "response_format": format }));
        let answer = client.post("/v1/chat/completions", body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let message = &answer.json()["choices"][0]["message"]["content"];
        assert_eq!(*message, "{\"thin\": true}");
    }
}

#[test]
fn configured_headers_and_fields_are_sent_with_every_request() {
    let provider = strict_provider();
    let known_entries = json!([{
        "id": "p", "base_url": provider.base_url(), "api_key": "sk-test-key", "models": "*",
        "headers": { "X-Team": "paper", "Authorization": "Token t" },
        "body": { "provider": { "data_collection": "deny" } },
        "model_settings": { "slow": { "headers": { "x-team": "slow" }, "body": { "service_tier": "flex" } } },
    }])
    .to_string();
    let server = crate::support::Server::with(&[("QUIRE_PROVIDERS", &known_entries)]);
    let mut client = server.user("ada@example.com");
    for model in ["p/mine", "p/slow"] {
        let extra = json!({ "provider": { "data_collection": "allow", "sort": "price" } });
        let answer = client.post("/v1/chat/completions", ask_body_with(model, extra));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let requests = provider.requests();
    let (first_request, slow) = (&requests[0], &requests[1]);
    let head = |request: &ReceivedRequest| request.head.to_ascii_lowercase();
    assert!(head(first_request).contains("x-team: paper") && head(slow).contains("x-team: slow"));
    assert!(
        head(first_request).contains("authorization: token t"),
        "{}",
        first_request.head
    );
    assert!(!head(first_request).contains("sk-test-key"));
    assert_eq!(
        first_request.body["provider"],
        json!({ "data_collection": "deny", "sort": "price" })
    );
    assert_eq!(
        (
            &first_request.body["service_tier"],
            &slow.body["service_tier"]
        ),
        (&Value::Null, &json!("flex"))
    );
}

#[test]
fn headers_and_fields_of_stored_providers_are_write_only() {
    let provider = strict_provider();
    let server = server(
        &provider,
        &[
            ("ALLOW_USER_BASE_URLS", "true"),
            ("OUTBOUND_ALLOW", "127.0.0.0/8"),
        ],
    );
    let mut admin = server.user("admin@example.org");
    let expected = json!({
        "name": "box", "kind": "openai", "base_url": provider.base_url(), "api_key": "sk-box-key", "force": true,
        "headers": { "X-Secret": "hush-hush" }, "body": { "keep": { "token": "hush-too" } },
        "model_settings": { "slow": { "body": { "service_tier": "flex" } } },
    });
    let created = admin.post("/api/admin/providers", expected);
    assert_eq!(created.status, 201, "{}", created.text());
    let view = &created.json()["provider"];
    assert_eq!(view["added"]["headers"], json!(["x-secret"]), "{view}");
    assert_eq!(
        view["added"]["model_settings"]["slow"]["body"],
        json!(["service_tier"])
    );
    assert_eq!(view["has_key"], true);
    let list = admin.get("/api/admin/providers").text();
    assert!(
        !created.text().contains("hush") && !list.contains("hush"),
        "{list}"
    );
    let id = view["id"].as_str().unwrap().to_owned();
    let count = provider.requests().len();
    let answer = admin.post("/v1/chat/completions", ask_body("box/slow"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent_request = provider.requests()[count].clone();
    assert!(
        sent_request
            .head
            .to_ascii_lowercase()
            .contains("x-secret: hush-hush"),
        "{}",
        sent_request.head
    );
    assert!(sent_request.head.contains("Bearer sk-box-key"));
    assert_eq!(
        (
            &sent_request.body["keep"]["token"],
            &sent_request.body["service_tier"]
        ),
        (&json!("hush-too"), &json!("flex"))
    );
    // Fields that the change omits stay unchanged. If the address changes, all of them must be sent again.
    let change = |body: Value| {
        let mut admin = admin.clone();
        admin.put(&format!("/api/admin/providers/{id}"), body)
    };
    let response = change(json!({ "concurrency": 3, "force": true }));
    assert_eq!(
        response.json()["provider"]["added"]["headers"],
        json!(["x-secret"])
    );
    let moved =
        json!({ "base_url": "http://127.0.0.1:9/v1", "api_key": "sk-other-key", "force": true });
    change(moved).refused(422, "VALIDATION_ERROR");
    let cleared = change(json!({ "headers": {}, "body": {}, "model_settings": {}, "force": true }));
    assert_eq!(cleared.json()["provider"]["added"]["headers"], json!([]));
    for headers in [
        json!({ "Host": "x" }),
        json!({ "Content-Length": "1" }),
        json!({ "Connection": "close" }),
        json!({ "a b": "c" }),
        json!({ "x-a": "b\r\nc: d" }),
    ] {
        change(json!({ "headers": headers, "force": true })).refused(422, "VALIDATION_ERROR");
    }
    change(json!({ "body": { "messages": [] }, "force": true })).refused(422, "VALIDATION_ERROR");
    // For users who are not administrators, the key is the only way to authenticate at the provider.
    let mut bob = server.client().registered("bob@example.com");
    let own_body = json!({ "name": "mine", "base_url": provider.base_url(), "headers": { "Authorization": "x" }, "force": true });
    bob.post("/api/users/me/providers", own_body)
        .refused(422, "VALIDATION_ERROR");
}

#[test]
fn missing_image_support_is_reported_before_any_cost() {
    let provider = strict_provider();
    let sheet = json!({ "models": [{ "id": "p/text", "vision": false }, { "id": "p/words", "vision": false }] });
    let folder = crate::support::server::Folder::new();
    let path = folder.path().join("models.json");
    std::fs::write(&path, sheet.to_string()).unwrap();
    let server = server(&provider, &[("QUIRE_MODELS", path.to_str().unwrap())]);
    let mut client = server.user("ada@example.com");
    let mut body = image_body("quire/summarize");
    body["models"] = json!(["p/text", "p/words"]);
    let answer = client.post("/v1/chat/completions", body.clone());
    // The synthesizer is also known not to accept images, so no model at all is called.
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(
        answer
            .text()
            .contains("no model of the panel accepts images"),
        "{}",
        answer.text()
    );
    assert!(provider.requests().is_empty());
    // A model whose capabilities are unknown is tried, and only this model gets the image.
    body["models"] = json!(["p/text", "p/mine"]);
    assert_eq!(client.post("/v1/chat/completions", body).status, 200);
    for asked in provider.requests() {
        let is_shown = asked.body.to_string().contains("image_url");
        assert!(!is_shown || asked.model() != "text", "{}", asked.body);
    }
    let picture = include_bytes!("../data/pictures/pattern.png");
    let document = client
        .upload("/api/upload-document", "grey.png", picture)
        .json();
    let estimate = |client: &mut crate::support::Client, models: Value| {
        let body = json!({ "prompt": "What is this?", "models": models, "ultra_model": "p/text",
            "pattern": "summarize", "document_ids": [document["document_id"]] });
        client.post("/api/estimate", body).json()["pictures"].clone()
    };
    let none = estimate(&mut client, json!(["p/text", "p/words"]));
    assert_eq!(
        none,
        json!({ "count": 1, "not_seen_by": ["p/text", "p/words"], "unseen": true })
    );
    let some = estimate(&mut client, json!(["p/text", "p/mine"]));
    assert_eq!(
        some,
        json!({ "count": 1, "not_seen_by": ["p/text"], "unseen": false })
    );
}

#[test]
fn a_budget_of_thinking_reaches_an_unknown_model() {
    let provider = Provider::answering(|_: &ReceivedRequest| {
        on("").sse("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":3}}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Thin.\"}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
    });
    let own_body = json!([{ "id": "an", "kind": "anthropic", "base_url": provider.base_url(), "api_key": "k", "models": ["mine"] }]);
    let server = crate::support::Server::with(&[("QUIRE_PROVIDERS", &own_body.to_string())]);
    let mut client = server.user("ada@example.com");
    let thinking = json!({ "type": "enabled", "budget_tokens": 5_000 });
    for system in [json!("Be brief."), Value::Null] {
        let message = json!({ "model": "an/mine", "max_tokens": 9_000, "system": system, "thinking": thinking,
            "messages": [{ "role": "user", "content": "Is it thin?" }] });
        let answer = client.post("/v1/messages", message);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-quire-ignored"), "");
        let sent_body = &provider.requests()[0].body;
        assert_eq!(sent_body["thinking"], thinking, "{sent_body}");
        assert_eq!(sent_body["output_config"], Value::Null, "{sent_body}");
    }
}
