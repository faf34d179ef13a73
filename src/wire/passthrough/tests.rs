//! Tests which fields are sent to which provider, which are merged, and which are refused.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::chat::{Brief, Message, MessageRole};
use crate::domain::parameters::Parameters;
use crate::wire::{self, openai, refused_field_among};

fn request(format: ApiFormat, fields: Value) -> ModelRequest {
    ModelRequest {
        model: "p/m".into(),
        messages: vec![Message::new(MessageRole::User, "hello")],
        parameters: Parameters {
            temperature: Some(0.5),
            ..Parameters::default()
        },
        brief: Brief::default(),
        deadline: Duration::from_secs(1),
        format: None,
        tools: None,
        passthrough: Some(std::sync::Arc::new(Passthrough {
            format: format.as_str().to_owned(),
            fields: fields.as_object().expect("an object").clone(),
        })),
        sample: 0,
        is_prefix_reused: false,
        is_live: false,
    }
}

fn sent_body(kind: ApiFormat, request: &ModelRequest, capabilities: &ModelCapabilities) -> Value {
    let outgoing = wire::request(kind, "m", request, capabilities, openai::PLAIN_QUIRKS);
    serde_json::from_slice(&outgoing.body).expect("JSON")
}

#[test]
fn a_field_reaches_the_providers_that_may_accept_it() {
    let fields = json!({ "min_p": 0.1, "metadata": { "a": "b" }, "models": ["dear"] });
    for (from, to, expected) in [
        (
            ApiFormat::OpenAi,
            ApiFormat::OpenAi,
            &["min_p", "metadata"][..],
        ),
        (
            ApiFormat::OpenAi,
            ApiFormat::Responses,
            &["min_p", "metadata"],
        ),
        (ApiFormat::OpenAi, ApiFormat::Anthropic, &[]),
        (ApiFormat::OpenAi, ApiFormat::Gemini, &[]),
        (
            ApiFormat::Anthropic,
            ApiFormat::Anthropic,
            &["min_p", "metadata"],
        ),
        (ApiFormat::Anthropic, ApiFormat::OpenAi, &["min_p"]),
        (
            ApiFormat::Responses,
            ApiFormat::OpenAi,
            &["min_p", "metadata"],
        ),
    ] {
        let body = sent_body(
            to,
            &request(from, fields.clone()),
            &ModelCapabilities::default(),
        );
        let sent_fields = ["min_p", "metadata", "models"].into_iter();
        let sent_fields: Vec<&str> = sent_fields.filter(|name| !body[*name].is_null()).collect();
        assert_eq!(sent_fields, expected, "{from:?} to {to:?}");
    }
}

#[test]
fn own_fields_are_kept_and_refused_ones_skipped() {
    let fields = json!({
        "model": "other", "stream": false, "messages": [], "api_key": "k", "temperature": 2, "min_p": 0.1,
        "stream_options": {}, "n": 5, "reasoning": { "max_tokens": 9 },
    });
    let request = request(ApiFormat::OpenAi, fields);
    let body = sent_body(ApiFormat::OpenAi, &request, &ModelCapabilities::default());
    assert_eq!(
        (&body["model"], &body["stream"]),
        (&json!("m"), &json!(true))
    );
    assert_eq!(
        (&body["temperature"], &body["min_p"]),
        (&json!(0.5), &json!(0.1))
    );
    assert_eq!(body["messages"][0]["content"], "hello");
    assert_eq!((&body["n"], &body["api_key"]), (&Value::Null, &Value::Null));
    assert_eq!(body["stream_options"], json!({ "include_usage": true }));
    assert_eq!(body["reasoning"], json!({ "max_tokens": 9 }));
    let capabilities = ModelCapabilities {
        refused_fields: vec!["min_p".into()],
        ..ModelCapabilities::default()
    };
    assert_eq!(
        sent_body(ApiFormat::OpenAi, &request, &capabilities)["min_p"],
        Value::Null
    );
}

#[test]
fn settings_are_merged_into_a_body_but_not_over_the_request() {
    let body =
        json!({ "model": "x", "options": { "num_gpu": 0 }, "keep_alive": "5m", "temperature": 0 });
    let capabilities = ModelCapabilities {
        body_fields: body.as_object().expect("an object").clone(),
        ..ModelCapabilities::default()
    };
    let request = request(ApiFormat::OpenAi, json!({ "repetition_penalty": 1.1 }));
    let body = sent_body(ApiFormat::Ollama, &request, &capabilities);
    assert_eq!(
        (&body["model"], &body["keep_alive"]),
        (&json!("m"), &json!("5m"))
    );
    let options = &body["options"];
    assert_eq!(
        (&options["num_gpu"], &options["repeat_penalty"]),
        (&json!(0), &json!(1.1))
    );
    assert!(options["num_ctx"].is_u64(), "{body}");
    assert_eq!(
        sent_body(ApiFormat::OpenAi, &request, &capabilities)["temperature"],
        0
    );
}

#[test]
fn a_refused_field_is_found_in_providers_messages() {
    let names = ["top", "top_logprobs", "min_p"].map(str::to_owned);
    for (body, expected) in [
        (
            json!({ "error": { "param": "min_p", "code": "unknown_parameter" } }),
            Some("min_p"),
        ),
        (
            json!({ "error": { "param": "min_p", "code": "invalid_value" } }),
            None,
        ),
        (
            json!({ "error": { "message": "Unsupported parameter: 'top_logprobs'" } }),
            Some("top_logprobs"),
        ),
        (
            json!({ "detail": [{ "type": "extra_forbidden", "loc": ["body", "min_p"] }] }),
            Some("min_p"),
        ),
        (
            json!({ "object": "error", "message": { "detail": [{ "type": "extra_forbidden", "loc": ["body", "min_p"] }] } }),
            Some("min_p"),
        ),
        (
            json!({ "error": { "message": "min_p must be below 1" } }),
            None,
        ),
        (
            json!({ "error": { "message": "stop is not supported" } }),
            None,
        ),
    ] {
        let refused_field = refused_field_among(&body.to_string(), &names);
        assert_eq!(refused_field.as_deref(), expected, "{body}");
    }
}

#[test]
fn too_many_fields_are_rejected() {
    let many_fields: Map<String, Value> = (0..65).map(|n| (format!("f{n}"), json!(1))).collect();
    let long = json!({ "a": "x".repeat(300_000) });
    let name = json!({ "a".repeat(65): 1 });
    for fields in [
        &many_fields,
        long.as_object().unwrap(),
        name.as_object().unwrap(),
    ] {
        assert!(read_fields(ApiFormat::OpenAi, fields, &[], &[]).is_err());
    }
}

proptest! {
    #[test]
    fn clients_cannot_change_the_question_or_the_model(
        name in "[a-z_]{1,12}|model|messages|stream|input|contents|system|tools|options|generationConfig",
        value in prop_oneof![Just(json!(null)), Just(json!([])), Just(json!({ "model": "x", "num_ctx": 1 })), Just(json!("x"))],
        kind in prop::sample::select(ApiFormat::ALL.to_vec()),
        from in prop::sample::select(ApiFormat::ALL.to_vec()),
    ) {
        let with = sent_body(kind, &request(from, json!({ name.clone(): value })), &ModelCapabilities::default());
        let without = sent_body(kind, &request(from, json!({})), &ModelCapabilities::default());
        for field in ["model", "messages", "input", "contents", "stream", "system", "temperature"] {
            prop_assert_eq!(&with[field], &without[field], "{} of {}", field, &name);
        }
    }
}

#[test]
fn surcharged_and_vendor_run_fields_require_settings() {
    let names = [
        "plugins",
        "web_search_options",
        "web_search",
        "search_parameters",
        "enable_search",
        "service_tier",
        "serviceTier",
        "speed",
        "inference_geo",
        "mcp_servers",
        "container",
        "connectors",
        "data_sources",
        "tools",
        "tool_config",
        "tool_resources",
        "functions",
        "extra_body",
        "store",
        "background",
        "deferred",
        "webhook",
        "webhook_url",
        "Webhook-Secret",
        "cachedContent",
        "fallback_models",
        "models",
    ];
    let fields: Map<String, Value> = names
        .iter()
        .map(|name| ((*name).to_owned(), json!("of the client")))
        .collect();
    let kinds = [
        ApiFormat::OpenAi,
        ApiFormat::Responses,
        ApiFormat::Anthropic,
        ApiFormat::Gemini,
        ApiFormat::Ollama,
    ];
    for (from, to) in kinds.iter().flat_map(|from| kinds.map(|to| (*from, to))) {
        let request = request(from, fields.clone().into());
        let body = sent_body(to, &request, &ModelCapabilities::default());
        assert!(
            !body.to_string().contains("of the client"),
            "{from:?} to {to:?}: {body}"
        );
        let capabilities = ModelCapabilities {
            body_fields: Map::from_iter([("service_tier".to_owned(), json!("flex"))]),
            ..ModelCapabilities::default()
        };
        assert_eq!(
            sent_body(to, &request, &capabilities)["service_tier"],
            "flex"
        );
    }
}
