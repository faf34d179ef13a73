//! What a client sends that Quire does not know reaches a model that Quire does not know; what the model refuses
//! is skipped from then on. Headers and body fields of settings go with every request.

use serde_json::{Value, json};

use crate::support::line::on;
use crate::support::provider::{Asked, Provider};
use crate::support::script::{saying, server};

const PICTURE: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

fn ask(model: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "Is it thin?" }] })
}

fn ask_with(model: &str, more: Value) -> Value {
    let mut body = ask(model);
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn seeing(model: &str) -> Value {
    let parts = json!([
        { "type": "text", "text": "What is this?" },
        { "type": "image_url", "image_url": { "url": PICTURE } },
    ]);
    json!({ "model": model, "messages": [{ "role": "user", "content": parts }] })
}

/// Knows no `min_p` and sees nothing under the name `blind`.
fn picky() -> Provider {
    Provider::answering(|asked: &Asked| {
        let body = &asked.body;
        let refuse = |message: &str| {
            let body = json!({ "error": { "message": message, "type": "invalid_request_error" } });
            on("").status(400, "application/json", &body.to_string())
        };
        if asked.model() == "picky" && !body["min_p"].is_null() {
            return refuse("Unrecognized request argument supplied: min_p");
        }
        if asked.model() == "blind" && body.to_string().contains("image_url") {
            return refuse("This model does not support image input");
        }
        if asked.model() == "shapeless" && !body["response_format"].is_null() {
            return refuse("response_format is not supported by this model");
        }
        match body["response_format"].is_null() && asked.model() != "shapeless" {
            true => on("").sse(&saying("It is thin.")),
            false => on("").sse(&saying("{\"thin\": true}")),
        }
    })
}

#[test]
fn every_field_reaches_a_model_that_the_catalog_does_not_know() {
    let provider = picky();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let fields = json!({
        "top_k": 40, "min_p": 0.05, "logprobs": true, "top_logprobs": 3, "logit_bias": { "7": -5 },
        "repetition_penalty": 1.1, "chat_template_kwargs": { "enable_thinking": false },
        "guided_choice": ["a", "b"], "user": "u-1", "stop": ["a", "b", "c", "d", "e"], "temperature": 3.5,
    });
    let answer = client.post("/v1/chat/completions", ask_with("p/mine", fields.clone()));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-quire-ignored"), "");
    let sent = &provider.asked()[0].body;
    for (name, value) in fields.as_object().unwrap() {
        assert_eq!(&sent[name], value, "{name} of {sent}");
    }
    // Quire's own stay as they are, and nobody is reached that was not asked for.
    let own = json!({ "stream": false, "api_key": "sk-other", "models": ["p/dear"], "seed": 5 });
    let answer = client.post("/v1/chat/completions", ask_with("p/mine", own));
    assert_eq!(answer.header("x-quire-ignored"), "api_key, models");
    let sent = &provider.asked()[1].body;
    assert_eq!((&sent["stream"], &sent["seed"]), (&json!(true), &json!(5)));
    assert_eq!(
        (&sent["api_key"], &sent["models"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn the_other_two_apis_pass_fields_on_too() {
    let provider = picky();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let message = json!({ "model": "p/mine", "max_tokens": 9, "min_p": 0.1, "service_tier": "auto",
        "messages": [{ "role": "user", "content": "Is it thin?" }] });
    assert_eq!(client.post("/v1/messages", message).status, 200);
    let response = json!({ "model": "p/mine", "input": "Is it thin?", "min_p": 0.2, "user": "u" });
    assert_eq!(client.post("/v1/responses", response).status, 200);
    let asked = provider.asked();
    assert_eq!(
        (&asked[0].body["min_p"], &asked[0].body["service_tier"]),
        (&json!(0.1), &Value::Null)
    );
    assert_eq!(
        (&asked[1].body["min_p"], &asked[1].body["user"]),
        (&json!(0.2), &json!("u"))
    );
}

#[test]
fn a_refused_field_is_skipped_and_told() {
    let provider = picky();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let body = ask_with("p/picky", json!({ "min_p": 0.1, "top_a": 0.2 }));
    for asked in [2, 3] {
        let mut body = body.clone();
        body["seed"] = json!(asked);
        let answer = client.post("/v1/chat/completions", body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-quire-ignored"), "min_p");
        // The second request does not try again.
        assert_eq!(provider.asked().len(), asked);
    }
    let sent = &provider.asked()[2].body;
    assert_eq!(
        (&sent["min_p"], &sent["top_a"]),
        (&Value::Null, &json!(0.2))
    );
}

#[test]
fn a_model_of_ones_own_gets_its_pictures() {
    let provider = picky();
    let server = server(&provider, &[("OPENAI_API_KEY", "sk-test")]);
    let mut client = server.user("ada@example.com");
    let answer = client.post("/v1/chat/completions", seeing("p/mine"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = &provider.asked()[0].body;
    assert_eq!(
        sent["messages"][0]["content"][1]["image_url"]["url"],
        PICTURE
    );
    // One that turns out not to see is known from then on.
    let answer = client.post("/v1/chat/completions", seeing("p/blind"));
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(provider.asked().len(), 2);
    let answer = client.post("/v1/chat/completions", seeing("p/blind"));
    assert_eq!(answer.status, 400);
    assert!(
        answer.text().contains("does not see pictures"),
        "{}",
        answer.text()
    );
    assert_eq!(provider.asked().len(), 2);
}

#[test]
fn a_response_format_goes_out_as_it_came() {
    let provider = picky();
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
        let count = provider.asked().len();
        let body = ask_with("p/mine", json!({ "response_format": format }));
        let answer = client.post("/v1/chat/completions", body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(provider.asked()[count].body["response_format"], format);
        // One that refuses the field is asked in words.
        let body = ask_with("p/shapeless", json!({ "response_format": format }));
        let answer = client.post("/v1/chat/completions", body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let said = &answer.json()["choices"][0]["message"]["content"];
        assert_eq!(*said, "{\"thin\": true}");
    }
}

#[test]
fn headers_and_fields_of_settings_go_with_every_request() {
    let provider = picky();
    let known = json!([{
        "id": "p", "base_url": provider.base_url(), "api_key": "sk-test-key", "models": "*",
        "headers": { "X-Team": "paper", "Authorization": "Token t" },
        "body": { "provider": { "data_collection": "deny" } },
        "model_settings": { "slow": { "headers": { "x-team": "slow" }, "body": { "service_tier": "flex" } } },
    }])
    .to_string();
    let server = crate::support::Server::with(&[("QUIRE_PROVIDERS", &known)]);
    let mut client = server.user("ada@example.com");
    for model in ["p/mine", "p/slow"] {
        let more = json!({ "provider": { "data_collection": "allow", "sort": "price" } });
        let answer = client.post("/v1/chat/completions", ask_with(model, more));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let asked = provider.asked();
    let (mine, slow) = (&asked[0], &asked[1]);
    let head = |asked: &Asked| asked.head.to_ascii_lowercase();
    assert!(head(mine).contains("x-team: paper") && head(slow).contains("x-team: slow"));
    assert!(
        head(mine).contains("authorization: token t"),
        "{}",
        mine.head
    );
    assert!(!head(mine).contains("sk-test-key"));
    assert_eq!(
        mine.body["provider"],
        json!({ "data_collection": "deny", "sort": "price" })
    );
    assert_eq!(
        (&mine.body["service_tier"], &slow.body["service_tier"]),
        (&Value::Null, &json!("flex"))
    );
}
