//! Decoding, against what providers really sent and against what they should not.

use std::time::Duration;

use super::*;
use crate::domain::chat::{Brief, Message};
use crate::domain::parameters::Parameters;
use crate::wire::sse::Decoder;

fn request_of(parameters: Parameters) -> Request {
    Request {
        model: "p/m".into(),
        messages: vec![Message {
            role: Role::User,
            text: "hello there".into(),
        }],
        parameters,
        brief: Brief::default(),
        deadline: Duration::from_secs(1),
    }
}

fn decode(body: &[u8], cut: usize) -> (String, String, Result<Answer, CallError>) {
    let mut stream = Stream::default();
    let mut decoder = Decoder::new(1 << 20);
    let mut deltas = Vec::new();
    for piece in [&body[..cut], &body[cut..]] {
        decoder.push(piece);
        while let Ok(Some(event)) = decoder.next_event() {
            deltas.extend(stream.push(&event));
        }
    }
    let (held, result) = stream.finish(&request_of(Parameters::default()));
    let (mut text, mut reasoning) = (String::new(), String::new());
    for delta in deltas.into_iter().chain(held) {
        match delta {
            Delta::Text(piece) => text.push_str(&piece),
            Delta::Reasoning(piece) => reasoning.push_str(&piece),
        }
    }
    (text, reasoning, result)
}

/// The recorded body of a stream in tests/data/streams.
fn recorded(text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap();
    value["response"]["body"].as_str().unwrap().to_owned()
}

macro_rules! recordings {
    ($($name:literal),*) => { &[$(($name, include_str!(concat!("../../../tests/data/streams/", $name, ".json")))),*] };
}

const STREAMS: &[(&str, &str)] = recordings!(
    "deepseek-thinking",
    "groq-tool-use-failed",
    "openai-run-stream",
    "openrouter-with-reasoning",
    "zai-thinking"
);

#[test]
fn recorded_streams_decode_alike_wherever_they_are_cut() {
    for (name, file) in STREAMS {
        let body = recorded(file);
        let whole = decode(body.as_bytes(), 0);
        // Every byte of the beginning and the end, a sample between: the middle repeats itself.
        let length = body.len();
        for cut in (0..length).filter(|cut| *cut < 1500 || length - cut < 1500 || cut % 97 == 0) {
            assert_eq!(decode(body.as_bytes(), cut), whole, "{name} at {cut}");
        }
    }
}

#[test]
fn recorded_answers_are_whole() {
    for (name, expected, thinks) in [
        ("deepseek-thinking", true, true),
        ("openai-run-stream", true, false),
        ("zai-thinking", true, true),
    ] {
        let file = STREAMS.iter().find(|(known, _)| *known == name).unwrap().1;
        let (text, reasoning, result) = decode(recorded(file).as_bytes(), 0);
        assert_eq!(result.is_ok(), expected, "{name}: {result:?}");
        let answer = result.unwrap();
        assert_eq!(
            (answer.text.as_str(), answer.reasoning.as_str()),
            (text.as_str(), reasoning.as_str())
        );
        assert_eq!(!reasoning.is_empty(), thinks, "{name}");
        assert!(
            answer.usage.output > 0 || answer.usage.estimated,
            "{name}: {:?}",
            answer.usage
        );
    }
}

fn chunk(json: &str) -> String {
    format!("data: {json}\n\n")
}

const HELLO: &str = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"hello"}}]}"#;
const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

fn kind(body: &str) -> Result<Finish, CallErrorKind> {
    decode(body.as_bytes(), 0)
        .2
        .map(|answer| answer.finish)
        .map_err(|error| error.kind)
}

#[test]
fn ends_are_told_apart() {
    use CallErrorKind::*;
    let done = chunk("[DONE]");
    for (name, body, expected) in [
        (
            "proper",
            chunk(HELLO) + &chunk(STOP) + &done,
            Ok(Finish::Stop),
        ),
        (
            "no DONE but a finish reason",
            chunk(HELLO) + &chunk(STOP),
            Ok(Finish::Stop),
        ),
        (
            "DONE without a reason",
            chunk(HELLO) + &done,
            Ok(Finish::Stop),
        ),
        ("cut", chunk(HELLO), Err(Truncated)),
        ("nothing", String::new(), Err(Truncated)),
        ("only DONE", done.clone(), Err(Truncated)),
        ("empty answer", chunk(STOP) + &done, Err(Empty)),
        ("garbage", chunk(HELLO) + &chunk("{oops"), Err(Malformed)),
        (
            "in-band fault",
            chunk(HELLO) + &chunk(r#"{"error":{"message":"boom","code":503}}"#),
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
            chunk(HELLO) + &chunk(r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#),
            Ok(Finish::Length),
        ),
        (
            "null fields",
            chunk(
                r#"{"choices":[{"delta":{"content":null,"reasoning":null},"finish_reason":null}],"usage":null,"error":null}"#,
            ) + &chunk(HELLO)
                + &chunk(STOP),
            Ok(Finish::Stop),
        ),
    ] {
        assert_eq!(kind(&body), expected, "{name}");
    }
}

#[test]
fn text_after_the_end_is_not_taken() {
    let body = chunk(HELLO) + &chunk(STOP) + &chunk("[DONE]") + &chunk(HELLO);
    assert_eq!(decode(body.as_bytes(), 0).0, "hello");
}

#[test]
fn usage_is_counted_as_each_vendor_means_it() {
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
    ] {
        let body = chunk(HELLO)
            + &chunk(STOP)
            + &chunk(&format!(r#"{{"choices":[],"usage":{usage}}}"#))
            + &chunk("[DONE]");
        let usage = decode(body.as_bytes(), 0).2.unwrap().usage;
        assert_eq!(
            (usage.input, usage.output, usage.cached, usage.reasoning),
            expected
        );
        assert!(!usage.estimated);
    }
    let silent = chunk(HELLO) + &chunk(STOP);
    assert!(decode(silent.as_bytes(), 0).2.unwrap().usage.estimated);
}

#[test]
fn only_accepted_parameters_are_sent_as_the_provider_spells_them() {
    let parameters = Parameters {
        temperature: Some(0.5),
        max_tokens: Some(9),
        top_k: Some(3),
        ..Parameters::default()
    };
    let body = |accepted: &[String], quirks| -> Value {
        serde_json::from_slice(&request(
            "m",
            &request_of(parameters.clone()),
            accepted,
            quirks,
        ))
        .unwrap()
    };
    let plain = Quirks {
        stream_options: true,
        max_completion_tokens: false,
        top_k: false,
    };
    let all = body(&[], plain);
    assert_eq!(
        (
            all["temperature"].as_f64(),
            all["max_tokens"].as_u64(),
            all.get("top_k")
        ),
        (Some(0.5), Some(9), None)
    );
    assert_eq!(all["stream_options"]["include_usage"], json!(true));
    let some = body(
        &["max_tokens".into()],
        Quirks {
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
}

#[test]
fn error_bodies_become_kinds_and_say_nothing_secret() {
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
fn lists_of_models_are_read() {
    assert_eq!(
        models(r#"{"object":"list","data":[{"id":"a"},{"id":""},{"x":1},{"id":"b"}]}"#),
        Some(vec!["a".into(), "b".into()])
    );
    assert_eq!(models("<html>"), None);
    assert_eq!(models(r#"{"error":1}"#), None);
}
