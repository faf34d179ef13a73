//! Tests recorded provider streams: decoded as a whole, split at any position, and cut off.

use super::*;

const RECORDED_STREAMS: &[(&str, &str)] = recordings!(
    "azure-router.sse",
    "deepseek-reasoning.sse",
    "groq-error.sse",
    "mistral-reasoning.sse",
    "mistral-text.sse",
    "openai-text.sse",
    "openai-tool.sse",
    "openrouter-reasoning.sse",
    "xai-text.sse",
    "zai-thinking.sse"
);

fn recording(name: &str) -> &'static str {
    RECORDED_STREAMS
        .iter()
        .find(|(known, _)| *known == name)
        .unwrap()
        .1
}

#[test]
fn recorded_streams_decode_alike_wherever_they_are_split() {
    for (name, body) in RECORDED_STREAMS {
        let short = without_middle(body);
        let unsplit = decode(short.as_bytes(), 0);
        for cut in 0..short.len() {
            assert_eq!(decode(short.as_bytes(), cut), unsplit, "{name} at {cut}");
        }
        // For long recordings, only a sample of the cut positions in the middle is tested.
        let unsplit = decode(body.as_bytes(), 0);
        for cut in (0..body.len()).filter(|cut| short.len() < body.len() && cut % 997 == 0) {
            assert_eq!(decode(body.as_bytes(), cut), unsplit, "{name} at {cut}");
        }
    }
}

/// Returns the first and last events of a long recording, whose middle is repetitive. Returns a short recording
/// unchanged.
fn without_middle(body: &str) -> String {
    const EDGE: usize = 1_500;
    if body.len() < 7_000 {
        return body.to_owned();
    }
    let first = body[..EDGE].rfind("\n\n").expect("an event") + 2;
    let last = body.len() - EDGE;
    let last = (last..)
        .find(|&at| body.is_char_boundary(at))
        .expect("an end");
    let last = last + body[last..].find("\n\n").expect("an event") + 2;
    format!("{}{}", &body[..first], &body[last..])
}

#[test]
fn recorded_streams_decode_byte_by_byte() {
    for (name, body) in RECORDED_STREAMS {
        let mut stream = AnswerDecoder::new(ApiFormat::OpenAi);
        let mut decoder = SseDecoder::new(1 << 20);
        for byte in body.as_bytes() {
            decoder.push(&[*byte]);
            while let Ok(Some(event)) = decoder.next_event() {
                stream.push(&event);
            }
        }
        let (_, result) = stream.finish(&request_of(Parameters::default()));
        assert_eq!(result, decode(body.as_bytes(), 0).2, "{name}");
    }
}

#[test]
fn recorded_answers_are_complete() {
    // For each recording: the beginning of the text, the number of bytes of reasoning, and the input, output, cached,
    // and reasoning tokens.
    for (name, begins, thinking_length, counts) in [
        ("azure-router.sse", "", 0, (15, 78, 0, 64)),
        (
            "deepseek-reasoning.sse",
            "Hello there! 😊",
            882,
            (6, 212, 0, 198),
        ),
        ("mistral-reasoning.sse", "2 + 2 = 4", 60, (10, 46, 0, 0)),
        ("mistral-text.sse", "Hello, ", 0, (13, 8, 0, 0)),
        (
            "openai-text.sse",
            "The capital of the UK is London.",
            0,
            (78, 9, 0, 0),
        ),
        ("openrouter-reasoning.sse", "2 + 2 = 4", 51, (43, 36, 0, 13)),
        ("xai-text.sse", "Grok", 0, (12, 342, 11, 340)),
        ("zai-thinking.sse", "4", 0, (13, 564, 0, 561)),
    ] {
        let (text, reasoning, result) = decode(recording(name).as_bytes(), 0);
        let answer = result.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert!(answer.text.starts_with(begins), "{name}: {}", answer.text);
        assert_eq!(
            (&answer.text, &answer.reasoning),
            (&text, &reasoning),
            "{name}"
        );
        assert!(
            reasoning.len() >= thinking_length,
            "{name}: {} bytes of reasoning",
            reasoning.len()
        );
        let usage = answer.usage;
        let token_counts = (usage.input, usage.output, usage.cached, usage.reasoning);
        assert_eq!(token_counts, counts, "{name}");
        assert_eq!(answer.finish, Finish::Stop, "{name}");
    }
}

#[test]
fn recorded_failures_are_failures() {
    for (name, kind) in [
        ("openai-tool.sse", CallErrorKind::Empty),
        ("groq-error.sse", CallErrorKind::Rejected),
    ] {
        let error = decode(recording(name).as_bytes(), 0).2.unwrap_err();
        assert_eq!(error.kind, kind, "{name}: {error:?}");
    }
}

#[test]
fn truncated_recordings_are_not_complete_answers() {
    for (name, body) in RECORDED_STREAMS {
        let Some(end) = body.rfind("\"finish_reason\":\"stop\"") else {
            continue;
        };
        let sample = (0..end).step_by((end / 60).max(1));
        for cut in sample {
            let result = decode(&body.as_bytes()[..cut], 0).2;
            let kind = result.map_err(|error| error.kind).unwrap_err();
            assert_eq!(kind, CallErrorKind::Truncated, "{name} cut at {cut}");
        }
    }
}
