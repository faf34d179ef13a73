//! Tests all API formats with recorded vendor responses, split at any position, and with malformed responses. Further
//! tests of chat completions are in `openai/tests.rs`.

mod asking;

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::chat::{Brief, CallErrorKind, Finish, Format, Message, MessageRole};
use crate::domain::parameters::Parameters;

fn request_with(parameters: Parameters) -> ModelRequest {
    ModelRequest {
        model: "p/m".into(),
        messages: vec![
            Message::new(MessageRole::System, "Be brief."),
            Message::new(MessageRole::User, "Hello."),
        ],
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

fn request_with_schema() -> ModelRequest {
    ModelRequest {
        format: Some(Format {
            name: "answer".into(),
            schema: json!({ "type": "object", "properties": { "a": { "type": "string" } } }),
            ..Format::default()
        }),
        ..request_with(Parameters::default())
    }
}

type DecodeResult = (String, String, Result<Answer, CallError>);

fn decode(kind: ApiFormat, pieces: &[&[u8]], request: &ModelRequest) -> DecodeResult {
    let mut stream = AnswerDecoder::new(kind);
    let mut deltas = Vec::new();
    if kind.sends_lines() {
        let mut decoder = json_lines::LineDecoder::new(1 << 20);
        for piece in pieces {
            decoder.push(piece);
        }
        decoder.end();
        while let Ok(Some(event)) = decoder.next_event() {
            deltas.extend(stream.push(&event));
        }
    } else {
        let mut decoder = sse::SseDecoder::new(1 << 20);
        for piece in pieces {
            decoder.push(piece);
            while let Ok(Some(event)) = decoder.next_event() {
                deltas.extend(stream.push(&event));
            }
        }
        decoder.end();
        while let Ok(Some(event)) = decoder.next_event() {
            deltas.extend(stream.push(&event));
        }
    }
    let (remaining, result) = stream.finish(request);
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

macro_rules! recording {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../../tests/data/streams/",
            $name
        ))
    };
}

mod refusals;
mod tools;
mod whole_streams;

/// Converts a recording with one chunk per line to events.
fn events(chunks: &str) -> String {
    chunks
        .lines()
        .map(|line| format!("data: {line}\n\n"))
        .collect()
}

/// The stream in Ollama's documentation, which is used because there is no recording.
const OLLAMA: &str = r#"{"model":"llama3.2","created_at":"2023-08-04T08:52:19.385406455-07:00","message":{"role":"assistant","content":"","thinking":"Hm."},"done":false}
{"model":"llama3.2","created_at":"2023-08-04T08:52:19.385406455-07:00","message":{"role":"assistant","content":"The"},"done":false}
{"model":"llama3.2","created_at":"2023-08-04T08:52:19.385406455-07:00","message":{"role":"assistant","content":" sky"},"done":false}
{"model":"llama3.2","created_at":"2023-08-04T19:22:45.499127Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":4883583458,"load_duration":1334875,"prompt_eval_count":26,"prompt_eval_duration":342546000,"eval_count":282,"eval_duration":4535599000}
"#;

fn recordings() -> Vec<(&'static str, ApiFormat, String)> {
    use ApiFormat::{Anthropic, Gemini, Ollama, Responses};
    vec![
        (
            "redacted",
            Anthropic,
            recording!("anthropic-redacted.sse").into(),
        ),
        (
            "compaction",
            Anthropic,
            recording!("anthropic-compaction.sse").into(),
        ),
        (
            "thinking",
            Anthropic,
            events(recording!("anthropic-thinking.chunks.txt")),
        ),
        (
            "refusal",
            Anthropic,
            events(recording!("anthropic-refusal.chunks.txt")),
        ),
        (
            "json tool",
            Anthropic,
            events(recording!("anthropic-json-tool.chunks.txt")),
        ),
        (
            "gemini thinking",
            Gemini,
            recording!("gemini-thinking.sse").into(),
        ),
        (
            "gemini reasoning",
            Gemini,
            events(recording!("gemini-reasoning.chunks.txt")),
        ),
        (
            "gemini structured",
            Gemini,
            recording!("gemini-structured.sse").into(),
        ),
        ("gemini tool", Gemini, recording!("gemini-tool.sse").into()),
        (
            "deepseek",
            Responses,
            recording!("responses-deepseek.sse").into(),
        ),
        (
            "openrouter",
            Responses,
            recording!("responses-openrouter.sse").into(),
        ),
        ("ollama", Ollama, OLLAMA.into()),
    ]
}

#[test]
fn recorded_answers_are_complete() {
    let request = request_with(Parameters::default());
    // For each recording: the beginning of the text, the minimum number of bytes of reasoning, and the input, output,
    // cached, and reasoning tokens.
    for (recording, begins, thinking_length, counts) in [
        ("redacted", "I notice that you've sent", 0, (92, 189, 0, 0)),
        ("compaction", "Hello! 👋", 0, (55_377, 91, 55_096, 0)),
        ("thinking", "925", 70, (69, 53, 0, 0)),
        (
            "gemini thinking",
            "This is a great question!",
            1_000,
            (34, 1_256, 0, 787),
        ),
        ("gemini reasoning", "There are **3**", 0, (9, 285, 0, 256)),
        (
            "gemini structured",
            "{\n  \"city\": \"Mexico",
            0,
            (128, 51, 0, 30),
        ),
        ("deepseek", "", 0, (440, 14, 384, 0)),
        ("openrouter", "", 20, (78, 37, 0, 22)),
        ("ollama", "The sky", 3, (26, 282, 0, 0)),
    ] {
        let (_, kind, body) = find(recording);
        let (text, reasoning, result) = decode(kind, &[body.as_bytes()], &request);
        let answer = result.unwrap_or_else(|error| panic!("{recording}: {error:?}"));
        assert!(
            answer.text.starts_with(begins),
            "{recording}: {:?}",
            answer.text
        );
        assert_eq!(
            (&answer.text, &answer.reasoning),
            (&text, &reasoning),
            "{recording}"
        );
        assert!(
            reasoning.len() >= thinking_length,
            "{recording}: {reasoning:?}"
        );
        let usage = answer.usage;
        let token_counts = (usage.input, usage.output, usage.cached, usage.reasoning);
        assert_eq!(
            (token_counts, usage.estimated),
            (counts, false),
            "{recording}"
        );
        assert_eq!(answer.finish, Finish::Stop, "{recording}");
    }
    let (_, kind, body) = find("openrouter");
    let charged = decode(kind, &[body.as_bytes()], &request)
        .2
        .unwrap()
        .usage
        .charged;
    assert_eq!(charged.map(|cost| cost.0), Some(12));
}

fn find(name: &str) -> (&'static str, ApiFormat, String) {
    recordings()
        .into_iter()
        .find(|(known, _, _)| *known == name)
        .expect(name)
}

#[test]
fn refusals_and_tool_calls_are_answers_only_with_a_schema() {
    for (name, kind, words) in [
        ("refusal", CallErrorKind::Rejected, "refused"),
        ("json tool", CallErrorKind::Empty, "tool"),
        ("gemini tool", CallErrorKind::Empty, "tool"),
    ] {
        let (_, dialect, body) = find(name);
        let error = decode(
            dialect,
            &[body.as_bytes()],
            &request_with(Parameters::default()),
        )
        .2
        .unwrap_err();
        assert_eq!(error.kind, kind, "{name}");
        assert!(error.detail.contains(words), "{name}: {}", error.detail);
    }
    let (_, kind, body) = find("json tool");
    let (text, _, result) = decode(kind, &[body.as_bytes()], &request_with_schema());
    let answer = result.unwrap();
    assert!(text.starts_with("{\"elements\""), "{text}");
    assert_eq!((&answer.text, answer.finish), (&text, Finish::Stop));
}

#[test]
fn truncated_recordings_are_not_complete_answers() {
    let request = request_with(Parameters::default());
    for (name, kind, body) in recordings() {
        let marks = [
            "\"stop_reason\":\"end_turn\"",
            "\"finishReason\"",
            "response.completed",
            "\"done\":true",
            "\"stop_reason\":\"refusal\"",
            "\"stop_reason\":\"tool_use\"",
        ];
        let end = marks
            .iter()
            .filter_map(|mark| body.find(mark))
            .min()
            .expect(name);
        for cut in (0..end).step_by((end / 40).max(1)) {
            // If tools are requested, the stream may end with the arguments. These recordings continue after them.
            let result = decode(kind, &[&body.as_bytes()[..cut]], &request).2;
            let error = result.expect_err(name);
            let is_cut = matches!(
                error.kind,
                CallErrorKind::Truncated | CallErrorKind::Malformed
            );
            assert!(
                is_cut || name == "gemini tool",
                "{name} cut at {cut}: {error:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn recordings_decode_alike_wherever_they_are_split(which in 0usize..12, mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        let (name, kind, body) = recordings().swap_remove(which);
        let bytes = body.as_bytes();
        let mut places: Vec<usize> = cuts.drain(..).map(|cut| cut.index(bytes.len() + 1)).collect();
        places.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for place in places {
            pieces.push(&bytes[from..place]);
            from = place;
        }
        pieces.push(&bytes[from..]);
        let request = request_with(Parameters::default());
        prop_assert_eq!(decode(kind, &pieces, &request), decode(kind, &[bytes], &request), "{}", name);
    }
}

#[test]
fn recordings_decode_byte_by_byte() {
    let request = request_with(Parameters::default());
    for (name, kind, body) in recordings() {
        let single: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
        let unsplit = decode(kind, &[body.as_bytes()], &request);
        assert_eq!(decode(kind, &single, &request), unsplit, "{name}");
    }
}

#[test]
fn complete_answers_are_accepted_instead_of_a_stream() {
    for (kind, body, begins) in [
        (
            ApiFormat::Anthropic,
            recording!("anthropic-text.json"),
            "Hello! I'm doing well",
        ),
        (
            ApiFormat::Gemini,
            recording!("gemini-text.json"),
            "There are **3**",
        ),
        (
            ApiFormat::Responses,
            recording!("responses-whole.json"),
            "According to the document",
        ),
        (
            ApiFormat::Ollama,
            r#"{"message":{"content":"hi"},"done":true,"eval_count":1,"prompt_eval_count":2}"#,
            "hi",
        ),
    ] {
        let mut stream = AnswerDecoder::new(kind);
        stream.push_complete_response(body);
        let answer = stream
            .finish(&request_with(Parameters::default()))
            .1
            .unwrap();
        assert!(answer.text.starts_with(begins), "{kind:?}: {}", answer.text);
        assert!(
            answer.usage.output > 0 && !answer.usage.estimated,
            "{kind:?}"
        );
        for body in ["", "null", "[]", "{}", "\"text\"", "{\"object\":\"list\"}"] {
            let mut stream = AnswerDecoder::new(kind);
            stream.push_complete_response(body);
            let error = stream
                .finish(&request_with(Parameters::default()))
                .1
                .unwrap_err();
            assert_eq!(error.kind, CallErrorKind::Malformed, "{kind:?} {body}");
        }
    }
}

#[test]
fn api_formats_have_names() {
    for kind in ApiFormat::ALL {
        assert_eq!(ApiFormat::parse(kind.as_str()), Some(kind));
    }
    assert_eq!(ApiFormat::parse("soap"), None);
}

#[test]
fn implausible_counts_are_ignored() {
    let stream = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"four words of text\"},\"finish_reason\":\"stop\"}]}\n\n\
        data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1000000000000000}}\n\n\
        data: [DONE]\n\n";
    let ask = request_with(Parameters::default());
    let (_, _, result) = decode(ApiFormat::OpenAi, &[stream.as_bytes()], &ask);
    let usage = result.unwrap().usage;
    assert!(usage.estimated && usage.output < 100, "{usage:?}");
}

fn chunk(content: &str) -> sse::SseFrame {
    sse::SseFrame {
        data: json!({ "choices": [{ "index": 0, "delta": { "content": content } }] }).to_string(),
        ..sse::SseFrame::default()
    }
}

#[test]
fn a_piece_that_repeats_the_text_is_kept() {
    let mut decoder = AnswerDecoder::new(ApiFormat::OpenAi);
    let pieces = ["ha", "ha", "haha"].map(chunk);
    let texts: Vec<Delta> = pieces
        .iter()
        .flat_map(|piece| decoder.push(piece))
        .collect();
    let text: String = texts
        .iter()
        .filter_map(|delta| match delta {
            Delta::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(text, "hahahaha");
}

#[test]
fn a_truncated_ping_is_not_a_keep_alive() {
    for (data, expected) in [
        ("{\"type\": \"ping\"}", true),
        ("{\"type\": \"pi", false),
        ("", true),
        ("ping", true),
    ] {
        let event = sse::SseFrame {
            event: "ping".into(),
            data: data.into(),
            ..sse::SseFrame::default()
        };
        assert_eq!(is_keep_alive(&event), expected, "{data}");
    }
}
