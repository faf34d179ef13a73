//! Encodes an answer as the chunks of a stream.

use serde::Serialize;
use serde_json::{Value, json};

use super::{ChunkFrame, add_details, encode_usage, finish_reason};
use crate::domain::chat::{Extras, Finish, Usage};
use crate::domain::tools::ToolCall;
use crate::wire::{serve_functions, serve_tools};

/// OpenAI's name for the type of a chunk.
pub(in crate::wire) const CHUNK_OBJECT: &str = "chat.completion.chunk";

/// A chunk of a stream. Because a stream has one per token, it is serialized without building a tree of values.
/// The fields are in alphabetical order, as in the chunks that are values.
#[derive(Serialize)]
pub struct ChatChunk<'a> {
    choices: [ChunkChoice<'a>; 1],
    created: i64,
    id: &'a str,
    model: &'a str,
    object: &'static str,
}

#[derive(Serialize)]
struct ChunkChoice<'a> {
    delta: ChunkDelta<'a>,
    finish_reason: Option<&'static str>,
    index: u8,
    /// Null, because they are sent after the text.
    logprobs: (),
}

#[derive(Serialize, Default)]
struct ChunkDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
}

impl<'a> ChatChunk<'a> {
    fn new(
        frame: &'a ChunkFrame,
        delta: ChunkDelta<'a>,
        finish_reason: Option<&'static str>,
    ) -> Self {
        Self {
            id: &frame.id,
            object: CHUNK_OBJECT,
            created: frame.created,
            model: &frame.model,
            choices: [ChunkChoice {
                index: 0,
                delta,
                logprobs: (),
                finish_reason,
            }],
        }
    }
}

/// Returns the first chunk. It contains the role, because some clients fail without one.
pub fn first_chunk(frame: &ChunkFrame) -> ChatChunk<'_> {
    let delta = ChunkDelta {
        role: Some("assistant"),
        content: Some(""),
        ..ChunkDelta::default()
    };
    ChatChunk::new(frame, delta, None)
}

/// Returns the chunk for a piece of the answer.
pub fn text_chunk<'a>(frame: &'a ChunkFrame, text: &'a str) -> ChatChunk<'a> {
    let delta = ChunkDelta {
        content: Some(text),
        ..ChunkDelta::default()
    };
    ChatChunk::new(frame, delta, None)
}

/// Returns the chunk for a piece of the reasoning.
pub fn reasoning_chunk<'a>(frame: &'a ChunkFrame, text: &'a str) -> ChatChunk<'a> {
    let delta = ChunkDelta {
        reasoning_content: Some(text),
        ..ChunkDelta::default()
    };
    ChatChunk::new(frame, delta, None)
}

/// Encodes the chunks after the text, whose content is not split: tool calls, reasoning items, and log probabilities.
pub fn trailing_chunks(frame: &ChunkFrame, calls: &[ToolCall], extras: &Extras) -> Vec<Value> {
    let mut delta = match (calls.first(), frame.is_legacy) {
        (None, _) => json!({}),
        (Some(call), true) => json!({ "function_call": serve_functions::encode_call(call) }),
        (Some(_), false) => json!({ "tool_calls": serve_tools::encode_calls(calls, true) }),
    };
    add_details(&mut delta, extras);
    if delta == json!({}) && extras.logprobs.is_none() {
        return Vec::new();
    }
    let mut last = json!(ChatChunk::new(frame, ChunkDelta::default(), None));
    last["choices"][0]["delta"] = delta;
    last["choices"][0]["logprobs"] = json!(extras.logprobs);
    vec![last]
}

/// Returns the chunk that contains the finish reason.
pub fn finish_chunk(frame: &ChunkFrame, finish: Finish) -> ChatChunk<'_> {
    let finish = finish_reason(frame, finish);
    ChatChunk::new(frame, ChunkDelta::default(), Some(finish))
}

/// Encodes the chunk that contains the usage, for clients that have requested it.
pub fn usage_chunk(frame: &ChunkFrame, usage: &Usage) -> Value {
    let mut last = json!(ChatChunk::new(frame, ChunkDelta::default(), None));
    last["choices"] = json!([]);
    last["usage"] = encode_usage(usage);
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_one_role_one_end_and_final_usage() {
        let frame = ChunkFrame {
            id: "chatcmpl-1".into(),
            model: "m".into(),
            created: 7,
            ..ChunkFrame::default()
        };
        let text = "a \"b\"\n\u{1}é";
        for (chunk, delta, finish) in [
            (
                first_chunk(&frame),
                json!({ "role": "assistant", "content": "" }),
                Value::Null,
            ),
            (
                text_chunk(&frame, text),
                json!({ "content": text }),
                Value::Null,
            ),
            (
                reasoning_chunk(&frame, text),
                json!({ "reasoning_content": text }),
                Value::Null,
            ),
            (
                finish_chunk(&frame, Finish::Length),
                json!({}),
                json!("length"),
            ),
        ] {
            let choice =
                json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish });
            let expected = json!({
                "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "m",
                "choices": [choice],
            });
            // The same bytes as those of a value.
            let sent = serde_json::to_string(&chunk).expect("JSON");
            assert_eq!(sent, expected.to_string());
        }
        let usage = Usage {
            input: 3,
            output: 4,
            ..Usage::default()
        };
        let last = usage_chunk(&frame, &usage);
        assert_eq!(
            (&last["choices"], &last["usage"]["total_tokens"]),
            (&json!([]), &json!(7))
        );
    }
}
