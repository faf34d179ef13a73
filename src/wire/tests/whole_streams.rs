//! Tests one complete stream of each API format, with reasoning, text, a call, and usage. The result must not depend on
//! where the stream is split.

use super::*;
use crate::domain::tools::{Tool, Tools};

const STREAMS: &[(ApiFormat, &str)] = &[
    (ApiFormat::OpenAi, recording!("whole-openai.sse")),
    (ApiFormat::Responses, recording!("whole-responses.sse")),
    (ApiFormat::Anthropic, recording!("whole-anthropic.sse")),
    (ApiFormat::Gemini, recording!("whole-gemini.sse")),
    (ApiFormat::Ollama, recording!("whole-ollama.ndjson")),
];

fn request_with_tool() -> ModelRequest {
    let weather = Tool {
        name: "weather".into(),
        description: String::new(),
        parameters: serde_json::Value::Null,
        strict: None,
        cache_control: None,
    };
    let tools = Tools {
        list: vec![weather],
        ..Tools::default()
    };
    ModelRequest {
        tools: Some(std::sync::Arc::new(tools)),
        ..request_with(Parameters::default())
    }
}

fn check(kind: ApiFormat, pieces: &[&[u8]], place: &str) {
    let (text, reasoning, result) = decode(kind, pieces, &request_with_tool());
    let answer = result.unwrap_or_else(|error| panic!("{kind:?} {place}: {error:?}"));
    assert_eq!(
        (text.as_str(), reasoning.as_str()),
        ("Das ist 12 😀.", "7 + 5 – zwölf."),
        "{kind:?} {place}"
    );
    assert_eq!((answer.text, answer.reasoning), (text, reasoning));
    assert_eq!(answer.finish, Finish::ToolCalls, "{kind:?} {place}");
    let calls: Vec<_> = { answer.calls.iter() }
        .map(|call| (call.name.as_str(), call.arguments.as_str()))
        .collect();
    assert_eq!(
        calls,
        [("weather", "{\"city\":\"Zürich\"}")],
        "{kind:?} {place}"
    );
    let usage = &answer.usage;
    // Ollama counts neither cached tokens nor reasoning.
    let (cached, thought) = match kind {
        ApiFormat::Ollama => (0, 0),
        _ => (80, 6),
    };
    assert_eq!(
        (
            usage.input,
            usage.output,
            usage.cached,
            usage.reasoning,
            usage.estimated
        ),
        (100, 20, cached, thought, false),
        "{kind:?} {place}"
    );
}

#[test]
fn a_complete_stream_decodes_alike_wherever_it_is_split() {
    for (kind, body) in STREAMS {
        let bytes = body.as_bytes();
        for at in 0..=bytes.len() {
            check(*kind, &[&bytes[..at], &bytes[at..]], &format!("at {at}"));
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        check(*kind, &single, "byte by byte");
    }
}

#[test]
fn a_truncated_stream_is_not_a_complete_answer() {
    for (kind, body) in STREAMS {
        // The marker at the end of a stream. Data after it is not part of the answer.
        let mark = match kind {
            ApiFormat::OpenAi => "\"finish_reason\":\"tool_calls\"}",
            ApiFormat::Responses => "\"response.completed\",",
            ApiFormat::Anthropic => "\"stop_reason\":\"tool_use\"",
            ApiFormat::Gemini => "\"finishReason\"",
            ApiFormat::Ollama => "\"done_reason\"",
        };
        let end = body.find(mark).unwrap();
        for at in (0..end).filter(|&at| body.is_char_boundary(at)) {
            let result = decode(*kind, &[&body.as_bytes()[..at]], &request_with_tool()).2;
            assert!(result.is_err(), "{kind:?} is whole when cut at {at}");
        }
    }
}
