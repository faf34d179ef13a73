//! Decodes the most common chunk of a stream, which contains a piece of text and nothing else, without building a tree
//! of values. All other chunks are left to the tolerant decoder in `stream`.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// The piece of text in a chunk, and the index of its choice.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PlainText<'a> {
    pub choice: u64,
    pub text: Cow<'a, str>,
}

/// Returns the text of a chunk. Returns `None` if the chunk contains anything else that the tolerant decoder would
/// read.
pub(super) fn plain_text(data: &str) -> Option<PlainText<'_>> {
    let chunk: PlainChunk<'_> = serde_json::from_str(data).ok()?;
    let is_chunk = matches!(chunk.object, None | Some("chat.completion.chunk"));
    let [choice] = chunk.choices;
    (is_chunk && !choice.delta.content.is_empty()).then_some(PlainText {
        choice: choice.index,
        text: choice.delta.content,
    })
}

// Fields of type `()` must be null, and fields of type `IgnoredAny` do not matter. Any unknown field leaves the chunk
// to the tolerant decoder.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct PlainChunk<'a> {
    object: Option<&'a str>,
    #[serde(borrow)]
    choices: [PlainChoice<'a>; 1],
    #[serde(rename = "usage")]
    _usage: (),
    #[serde(rename = "id")]
    _id: IgnoredAny,
    #[serde(rename = "created")]
    _created: IgnoredAny,
    #[serde(rename = "model")]
    _model: IgnoredAny,
    #[serde(rename = "provider")]
    _provider: IgnoredAny,
    #[serde(rename = "service_tier")]
    _service_tier: IgnoredAny,
    #[serde(rename = "system_fingerprint")]
    _system_fingerprint: IgnoredAny,
    /// Padding that hides the length of the text.
    #[serde(rename = "obfuscation")]
    _obfuscation: IgnoredAny,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct PlainChoice<'a> {
    index: u64,
    #[serde(borrow)]
    delta: PlainDelta<'a>,
    #[serde(rename = "finish_reason")]
    _finish_reason: (),
    #[serde(rename = "native_finish_reason")]
    _native_finish_reason: (),
    #[serde(rename = "stop_reason")]
    _stop_reason: (),
    #[serde(rename = "logprobs")]
    _logprobs: (),
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct PlainDelta<'a> {
    #[serde(borrow)]
    content: Cow<'a, str>,
    #[serde(rename = "role")]
    _role: IgnoredAny,
    #[serde(rename = "refusal")]
    _refusal: (),
    #[serde(rename = "reasoning")]
    _reasoning: (),
    #[serde(rename = "reasoning_content")]
    _reasoning_content: (),
    #[serde(rename = "tool_calls")]
    _tool_calls: (),
    #[serde(rename = "function_call")]
    _function_call: (),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::wire::sse::SseFrame;
    use crate::wire::{AnswerDecoder, ApiFormat};

    #[test]
    fn only_text_alone_is_plain() {
        let chunk =
            |delta: &str| format!(r#"{{"id":"c","choices":[{{"index":1,"delta":{delta}}}]}}"#);
        let plain =
            |data: &str| plain_text(data).map(|plain| (plain.choice, plain.text.into_owned()));
        let plain_parts = plain(&chunk(r#"{"role":"assistant","content":"a\n"}"#));
        assert_eq!(plain_parts, Some((1, "a\n".to_owned())));
        for other in [
            chunk(r#"{"content":""}"#),
            chunk(r#"{"content":null}"#),
            chunk(r#"{"content":"a","reasoning":"b"}"#),
            chunk(r#"{"content":"a","tool_calls":[]}"#),
            chunk(r#"{"content":"a","unknown":1}"#),
            chunk(r#"{"content":[{"type":"text","text":"a"}]}"#),
            r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}"#.to_owned(),
            r#"{"choices":[{"delta":{"content":"a"}}],"usage":{}}"#.to_owned(),
            r#"{"choices":[{"delta":{"content":"a"}}],"error":{"message":"b"}}"#.to_owned(),
            r#"{"choices":[{"delta":{"content":"a"}}],"object":"error"}"#.to_owned(),
            r#"{"choices":[{"delta":{"content":"a"}},{"delta":{"content":"b"}}]}"#.to_owned(),
            r#"{"choices":[{"delta":{"content":"a"}}]"#.to_owned(),
            r#"{"choices":[{"delta":{"content":"\ud800"}}]}"#.to_owned(),
        ] {
            assert_eq!(plain(&other), None, "{other}");
        }
    }

    fn decoded(chunks: &[Value]) -> String {
        let mut decoder = AnswerDecoder::new(ApiFormat::OpenAi);
        let frame = |data: String| SseFrame {
            data,
            ..SseFrame::default()
        };
        let mut deltas = Vec::new();
        for chunk in chunks {
            deltas.extend(decoder.push(&frame(chunk.to_string())));
        }
        format!("{deltas:?} {}", decoder.has_begun())
    }

    fn piece() -> impl Strategy<Value = (Value, u64, Option<&'static str>)> {
        let text = prop_oneof![
            "[a-c<>/\\n\"\\\\é😀 ]{0,12}".prop_map(Value::String),
            Just(json!("<think>")),
            Just(json!("</think>")),
            Just(Value::Null),
        ];
        (text, 0..3u64, prop::option::of(Just("assistant")))
    }

    proptest! {
        // An unknown field forces the use of the tolerant decoder, which must produce the same result.
        #[test]
        fn the_tolerant_decoder_reads_the_same(pieces in prop::collection::vec(piece(), 0..12)) {
            let chunk = |(content, index, role): &(Value, u64, Option<&str>)| json!({
                "object": "chat.completion.chunk",
                "choices": [{ "index": index, "delta": { "content": content, "role": role } }],
                "usage": null,
            });
            let plain: Vec<Value> = pieces.iter().map(chunk).collect();
            let mut tolerant = plain.clone();
            tolerant.iter_mut().for_each(|chunk| chunk["unknown"] = json!(0));
            prop_assert_eq!(decoded(&plain), decoded(&tolerant));
        }
    }
}
