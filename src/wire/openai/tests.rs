//! Tests decoding of recorded and malformed provider responses, and encoding of parameters.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::domain::chat::{
    Answer, Brief, CallError, CallErrorKind, Delta, Finish, Message, MessageRole, ModelRequest,
};
use crate::domain::parameters::Parameters;
use crate::wire::sse::SseDecoder;
use crate::wire::{
    AnswerDecoder, ApiFormat, ModelCapabilities, error, parse_models, refused_parameter,
    sanitize_message,
};

macro_rules! recordings {
    ($($name:literal),*) => {
        &[$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/data/streams/", $name)))),*]
    };
}

mod recordings;

fn request_of(parameters: Parameters) -> ModelRequest {
    ModelRequest {
        model: "p/m".into(),
        messages: vec![Message::new(MessageRole::User, "hello there")],
        parameters,
        brief: Brief::default(),
        deadline: Duration::from_secs(1),
        format: None,
        tools: None,
        passthrough: None,
        sample: 0,
        is_prefix_reused: false,
        is_live: false,
    }
}

fn decode(body: &[u8], cut: usize) -> (String, String, Result<Answer, CallError>) {
    let mut stream = AnswerDecoder::new(ApiFormat::OpenAi);
    let mut decoder = SseDecoder::new(1 << 20);
    let mut deltas = Vec::new();
    for piece in [&body[..cut], &body[cut..]] {
        decoder.push(piece);
        while let Ok(Some(event)) = decoder.next_event() {
            deltas.extend(stream.push(&event));
        }
    }
    let (remaining, result) = stream.finish(&request_of(Parameters::default()));
    let (mut text, mut reasoning) = (String::new(), String::new());
    for delta in deltas.into_iter().chain(remaining) {
        match delta {
            Delta::Text(piece) => text.push_str(&piece),
            Delta::Reasoning(piece) => reasoning.push_str(&piece),
            Delta::ReasoningBlock(_) => {}
            Delta::Restart => (text, reasoning) = Default::default(),
        }
    }
    (text, reasoning, result)
}

#[test]
fn complete_answers_are_accepted_instead_of_a_stream() {
    for (name, body) in recordings!("groq-text.json", "groq-reasoning.json") {
        let mut stream = AnswerDecoder::new(ApiFormat::OpenAi);
        let deltas = stream.push_complete_response(body);
        let answer = stream.finish(&request_of(Parameters::default())).1.unwrap();
        assert!(deltas.contains(&Delta::Text(answer.text.clone())), "{name}");
        assert_eq!(!answer.reasoning.is_empty(), *name == "groq-reasoning.json");
        assert!(answer.usage.output > 0 && !answer.usage.estimated, "{name}");
    }
    for body in ["", "null", "[]", "{}", "\"text\"", "{\"object\":\"list\"}"] {
        let mut stream = AnswerDecoder::new(ApiFormat::OpenAi);
        stream.push_complete_response(body);
        let error = stream
            .finish(&request_of(Parameters::default()))
            .1
            .unwrap_err();
        assert_eq!(error.kind, CallErrorKind::Malformed, "{body}");
    }
}

#[test]
fn recorded_refusals_keep_the_providers_message() {
    use CallErrorKind::*;
    for ((name, body), status, kind, expected_message) in [
        (
            recordings!("error-404-openai.json")[0],
            404,
            Rejected,
            "model `nonexistent` does not exist",
        ),
        (
            recordings!("error-429-openrouter.json")[0],
            429,
            RateLimited,
            "temporarily rate-limited upstream",
        ),
        (
            recordings!("error-400-groq.json")[0],
            400,
            Rejected,
            "Tool call validation failed",
        ),
    ] {
        let error = error(status, &|_| None, body);
        assert_eq!((error.kind, error.status), (kind, Some(status)), "{name}");
        assert!(
            error.upstream_message.contains(expected_message),
            "{name}: {}",
            error.upstream_message
        );
    }
}

fn chunk(json: &str) -> String {
    format!("data: {json}\n\n")
}

const HELLO_CHUNK: &str =
    r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"hello"}}]}"#;
const STOP_CHUNK: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

fn kind(body: &str) -> Result<Finish, CallErrorKind> {
    decode(body.as_bytes(), 0)
        .2
        .map(|answer| answer.finish)
        .map_err(|error| error.kind)
}

#[test]
fn finish_reasons_are_distinguished() {
    use CallErrorKind::*;
    let done_chunk = chunk("[DONE]");
    for (name, body, expected) in [
        (
            "proper",
            chunk(HELLO_CHUNK) + &chunk(STOP_CHUNK) + &done_chunk,
            Ok(Finish::Stop),
        ),
        (
            "no DONE but a finish reason",
            chunk(HELLO_CHUNK) + &chunk(STOP_CHUNK),
            Ok(Finish::Stop),
        ),
        (
            "DONE without a reason",
            chunk(HELLO_CHUNK) + &done_chunk,
            Err(Truncated),
        ),
        ("cut", chunk(HELLO_CHUNK), Err(Truncated)),
        ("nothing", String::new(), Err(Truncated)),
        ("only DONE", done_chunk.clone(), Err(Truncated)),
        ("empty answer", chunk(STOP_CHUNK) + &done_chunk, Err(Empty)),
        (
            "garbage",
            chunk(HELLO_CHUNK) + &chunk("{oops"),
            Err(Malformed),
        ),
        (
            "in-band fault",
            chunk(HELLO_CHUNK) + &chunk(r#"{"error":{"message":"boom","code":503}}"#),
            Err(Overloaded),
        ),
        (
            "in-band quota",
            chunk(r#"{"error":{"message":"x","type":"insufficient_quota"}}"#),
            Err(Money),
        ),
        (
            "refusal",
            chunk(r#"{"choices":[{"delta":{"refusal":"I can't"},"finish_reason":"stop"}]}"#),
            Err(Rejected),
        ),
        (
            "length",
            chunk(HELLO_CHUNK) + &chunk(r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#),
            Ok(Finish::Length),
        ),
        (
            "null fields",
            chunk(
                r#"{"choices":[{"delta":{"content":null,"reasoning":null},"finish_reason":null}],"usage":null,"error":null}"#,
            ) + &chunk(HELLO_CHUNK)
                + &chunk(STOP_CHUNK),
            Ok(Finish::Stop),
        ),
    ] {
        assert_eq!(kind(&body), expected, "{name}");
    }
}

#[test]
fn text_after_the_end_is_ignored() {
    let body = chunk(HELLO_CHUNK) + &chunk(STOP_CHUNK) + &chunk("[DONE]") + &chunk(HELLO_CHUNK);
    assert_eq!(decode(body.as_bytes(), 0).0, "hello");
}

#[test]
fn usage_is_counted_as_each_vendor_defines_it() {
    for (usage, expected) in [
        (
            r#"{"prompt_tokens":10,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":8},"completion_tokens_details":{"reasoning_tokens":3}}"#,
            (10, 4, 8, 3),
        ),
        (
            r#"{"prompt_tokens":10,"completion_tokens":4,"prompt_cache_hit_tokens":6}"#,
            (10, 4, 6, 0),
        ),
        (
            r#"{"prompt_tokens":10,"completion_tokens":4,"prompt_tokens_details":null}"#,
            (10, 4, 0, 0),
        ),
        (
            r#"{"prompt_tokens":10,"completion_tokens":4,"total_tokens":21,"completion_tokens_details":{"reasoning_tokens":7}}"#,
            (10, 11, 0, 7),
        ),
        (
            r#"{"prompt_tokens":10.0,"completion_tokens":"4","total_tokens":-1}"#,
            (10, 4, 0, 0),
        ),
    ] {
        let body = chunk(HELLO_CHUNK)
            + &chunk(STOP_CHUNK)
            + &chunk(&format!(r#"{{"choices":[],"usage":{usage}}}"#))
            + &chunk("[DONE]");
        let usage = decode(body.as_bytes(), 0).2.unwrap().usage;
        assert_eq!(
            (usage.input, usage.output, usage.cached, usage.reasoning),
            expected
        );
        assert!(!usage.estimated);
    }
    for usage in [
        "null",
        "{}",
        r#"{"prompt_tokens":0,"completion_tokens":0}"#,
        r#"{"prompt_tokens":-3,"completion_tokens":-1}"#,
        r#"{"prompt_tokens":"many","completion_tokens":[]}"#,
    ] {
        let without_usage = chunk(HELLO_CHUNK)
            + &chunk(STOP_CHUNK)
            + &chunk(&format!(r#"{{"choices":[],"usage":{usage}}}"#));
        let estimated_usage = decode(without_usage.as_bytes(), 0).2.unwrap().usage;
        assert!(estimated_usage.estimated, "{usage}");
        assert!(
            estimated_usage.input > 0 && estimated_usage.output > 0,
            "{usage}"
        );
    }
}

#[test]
fn only_accepted_parameters_are_sent_under_the_providers_names() {
    let parameters = Parameters {
        temperature: Some(0.5),
        max_tokens: Some(9),
        top_k: Some(3),
        ..Parameters::default()
    };
    let body = |accepted: &[&str], refused: &[&str], quirks| -> Value {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let capabilities = ModelCapabilities {
            accepted_parameters: owned(accepted),
            refused_fields: owned(refused),
            ..ModelCapabilities::default()
        };
        super::request_body("m", &request_of(parameters.clone()), &capabilities, quirks)
    };
    let plain = PLAIN_QUIRKS;
    let all = body(&[], &[], plain);
    assert_eq!(
        (
            all["temperature"].as_f64(),
            all["max_tokens"].as_u64(),
            all["top_k"].as_u64()
        ),
        (Some(0.5), Some(9), Some(3))
    );
    assert_eq!(all["stream_options"]["include_usage"], json!(true));
    let some = body(
        &["max_tokens"],
        &[],
        ProviderQuirks {
            max_completion_tokens: true,
            stream_options: false,
            ..plain
        },
    );
    assert_eq!(
        (
            some.get("temperature"),
            some["max_completion_tokens"].as_u64(),
            some.get("stream_options")
        ),
        (None, Some(9), None)
    );
    let less = body(&[], &["temperature", "max_tokens"], plain);
    assert_eq!(
        (
            less.get("temperature"),
            less["max_completion_tokens"].as_u64(),
            less.get("max_tokens")
        ),
        (None, Some(9), None)
    );
}

#[test]
fn omitted_parameters_are_named() {
    for (body, expected) in [
        (
            r#"{"error":{"code":"unsupported_parameter","param":"max_tokens"}}"#,
            Some("max_tokens"),
        ),
        (
            r#"{"error":{"code":"unsupported_value","param":"temperature"}}"#,
            Some("temperature"),
        ),
        (
            r#"{"error":{"code":"invalid_value","param":"messages[0]"}}"#,
            None,
        ),
        (
            r#"{"error":{"code":"unsupported_parameter","param":null}}"#,
            None,
        ),
        (
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"`temperature` is deprecated for this model."}}"#,
            Some("temperature"),
        ),
        (
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: 100000 > 8192, which is the maximum allowed"}}"#,
            None,
        ),
        (
            r#"{"error":{"code":400,"message":"Thinking level is not supported for this model: thinking_config","status":"INVALID_ARGUMENT"}}"#,
            Some("thinkingConfig"),
        ),
        (
            r#"{"error":"\"m\" does not support thinking"}"#,
            Some("thinking"),
        ),
        (
            r#"{"error":{"message":"unexpected stopping of the engine"}}"#,
            None,
        ),
        ("<html>", None),
    ] {
        assert_eq!(refused_parameter(body).as_deref(), expected, "{body}");
    }
}

#[test]
fn providers_messages_are_sanitized() {
    for (message, expected) in [
        ("plain words", "plain words"),
        ("two\nlines\tand\u{7}bells", "two lines andbells"),
        ("key: sk-abcdefgh12345", "key: ***"),
        ("(\"sk-proj-abc123\")", "***"),
        ("Bearer eyJhbGciOiJIUzI1NiJ9.x.y", "Bearer ***"),
        ("id 0f8fad5bd9cb469fa16570867728950e", "id ***"),
        (
            "use claude-3-5-sonnet-20241022 or gpt-4.1-mini-2025-04-14",
            "use claude-3-5-sonnet-20241022 or gpt-4.1-mini-2025-04-14",
        ),
        ("turned \u{202E}around", "turned around"),
    ] {
        assert_eq!(sanitize_message(message), expected);
    }
    assert_eq!(sanitize_message(&"wort ".repeat(500)).chars().count(), 200);
    assert_eq!(sanitize_message(&"ü".repeat(100_000)).chars().count(), 200);
}

#[test]
fn error_bodies_map_to_kinds_without_secrets() {
    use CallErrorKind::*;
    for (status, body, expected) in [
        (
            401,
            r#"{"error":{"message":"Incorrect API key provided: sk-abcdefghijklmnop.","type":"invalid_request_error"}}"#,
            Auth,
        ),
        (
            429,
            r#"{"error":{"message":"slow down","type":"rate_limit"}}"#,
            RateLimited,
        ),
        (
            429,
            r#"{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}"#,
            Money,
        ),
        (
            402,
            r#"{"error":{"message":"no credits","code":402}}"#,
            Money,
        ),
        (400, r#"{"error":"bad"}"#, Rejected),
        (404, "<html>not here</html>", Rejected),
        (503, "", Overloaded),
        (529, "[]", Overloaded),
        (400, r#"[{"error":{"code":400,"message":"x"}}]"#, Rejected),
    ] {
        let error = error(
            status,
            &|name| (name == "retry-after").then(|| "1.5".to_owned()),
            body,
        );
        assert_eq!(error.kind, expected, "{status} {body}");
        assert!(
            !error.detail.contains("sk-abc") && !error.detail.contains('<'),
            "{}",
            error.detail
        );
        assert_eq!(error.retry_after_ms, Some(1500));
    }
}

#[test]
fn model_lists_are_parsed() {
    let names = |body: &str| -> Option<Vec<String>> {
        let list = parse_models(ApiFormat::OpenAi, body)?;
        Some(list.into_iter().map(|model| model.name).collect())
    };
    assert_eq!(
        names(r#"{"object":"list","data":[{"id":"a"},{"id":""},{"x":1},{"id":"b"}]}"#),
        Some(vec!["a".into(), "b".into()])
    );
    assert_eq!(names("<html>"), None);
    assert_eq!(names(r#"{"error":1}"#), None);
}
