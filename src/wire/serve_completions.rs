//! OpenAI's text completions (`/v1/completions`), based on chat models: the prompt becomes a conversation that asks the
//! model to continue it. Editors use this API for code completion, evaluation harnesses for generation.

use serde_json::{Map, Value, json};

use super::serve::{ChatRequest, ChunkFrame, model_id};
use super::serve_error::{RequestError, invalid};
use super::serve_openai::{encode_usage, finish_reason, requested_choices};
use super::serve_parameters::{parse_flag, parse_parameters};
use super::{ApiFormat, passthrough};
use crate::domain::chat::{Finish, Message, MessageRole, Usage};

const KNOWN_FIELDS: &[&str] = &[
    "model",
    "prompt",
    "suffix",
    "max_tokens",
    "temperature",
    "top_p",
    "n",
    "stream",
    "stream_options",
    "echo",
    "stop",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "user",
    "best_of",
    "reasoning_effort",
    "reasoning",
    "metadata",
    "logprobs",
];

const CONTINUE_INSTRUCTION: &str = "You complete text. Continue the user's text from exactly where it ends. Write only the \
    continuation: no greeting, no explanation, no quotation marks or code fences around it, and nothing of what \
    is there already.";
const INFILL_INSTRUCTION: &str = "You fill a gap in a text. The user gives the text before the gap and the text after it. Write \
    only what belongs in the gap, so that before, gap and after read as one: no explanation, no code fences, and \
    nothing of what is there already.";

/// Parses a body of `/v1/completions` into one request per prompt.
///
/// # Errors
///
/// Returns an error when a field has the wrong type or requires something that a chat API cannot provide: token IDs, or
/// log probabilities of the prompt.
pub fn parse_requests(body: &Value) -> Result<Vec<ChatRequest>, RequestError> {
    let Some(fields) = body.as_object() else {
        return invalid("body", "the body must be a JSON object");
    };
    let echo = parse_flag(fields, "echo")?;
    if echo && fields.get("logprobs").is_some_and(|value| !value.is_null()) {
        return invalid(
            "logprobs",
            "log probabilities of a prompt are not available over chat models: leave out echo or logprobs",
        );
    }
    let n = requested_choices(fields)?;
    let best_of = super::serve_parameters::parse_count(fields.get("best_of"), "best_of")?;
    if best_of.is_some_and(|best| best > u64::from(n)) {
        return invalid(
            "best_of",
            "best_of must not be larger than n: all answers are returned",
        );
    }
    let mut parameters = parse_parameters(fields)?;
    // In OpenAI's API, 0 means that only the prompt is returned, but a chat model generates at least one token.
    if parameters.max_tokens == Some(0) {
        parameters.max_tokens = Some(1);
    }
    let suffix = match fields.get("suffix") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.as_str()).filter(|text| !text.is_empty()),
        Some(_) => return invalid("suffix", "suffix must be a string"),
    };
    let request = ChatRequest {
        model: model_id(fields)?,
        stream: parse_flag(fields, "stream")?,
        usage: fields
            .get("stream_options")
            .is_some_and(|stream_options| stream_options["include_usage"] == json!(true)),
        parameters,
        choices: n,
        passthrough: passthrough::read_fields(ApiFormat::OpenAi, fields, KNOWN_FIELDS, &[])?,
        ignored_fields: fields
            .get("logprobs")
            .filter(|value| !value.is_null())
            .map(|_| "logprobs".to_owned())
            .into_iter()
            .collect(),
        ..ChatRequest::default()
    };
    let prompts = parse_prompts(fields)?;
    let to_request = |prompt: &str| ChatRequest {
        turns: prompt_conversation(prompt, suffix),
        echo: echo.then(|| prompt.to_owned()),
        ..request.clone()
    };
    Ok(prompts.into_iter().map(to_request).collect())
}

fn parse_prompts(fields: &Map<String, Value>) -> Result<Vec<&str>, RequestError> {
    let texts: Vec<&str> = match fields.get("prompt") {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(list)) => match list.iter().map(Value::as_str).collect() {
            Some(texts) => texts,
            None => {
                return invalid(
                    "prompt",
                    "prompt must be a string or a list of strings: token ids differ by model",
                );
            }
        },
        _ => return invalid("prompt", "prompt must be a string or a list of strings"),
    };
    let size: usize = texts.iter().map(|text| text.len()).sum();
    match texts.iter().any(|text| !text.trim().is_empty()) {
        false => invalid("prompt", "the prompt is empty"),
        true if size > super::serve::MAX_TEXT => invalid("prompt", "the prompt is too long"),
        true => Ok(texts),
    }
}

fn prompt_conversation(prompt: &str, suffix: Option<&str>) -> Vec<Message> {
    let (rules, text) = match suffix {
        None => (CONTINUE_INSTRUCTION, prompt.to_owned()),
        Some(suffix) => (
            INFILL_INSTRUCTION,
            format!("<before>{prompt}</before>\n<gap/>\n<after>{suffix}</after>"),
        ),
    };
    vec![
        Message::new(MessageRole::System, rules),
        Message::new(MessageRole::User, text),
    ]
}

/// Encodes a complete answer. If the client requested an echo, the prompt precedes it.
pub fn encode_completion(frame: &ChunkFrame, text: &str, finish: Finish, usage: &Usage) -> Value {
    let text = format!("{}{text}", frame.echo.as_deref().unwrap_or_default());
    let mut last = encode_chunk(frame, &text, Some(finish));
    last["usage"] = encode_usage(usage);
    last
}

/// Encodes the first chunk of a stream. It contains the prompt if the client requested an echo.
pub fn first_chunk(frame: &ChunkFrame) -> Value {
    encode_chunk(frame, frame.echo.as_deref().unwrap_or_default(), None)
}

/// Encodes a piece of the answer.
pub fn text_chunk(frame: &ChunkFrame, text: &str) -> Value {
    encode_chunk(frame, text, None)
}

/// Encodes the chunk that contains the finish reason.
pub fn finish_chunk(frame: &ChunkFrame, finish: Finish) -> Value {
    encode_chunk(frame, "", Some(finish))
}

/// Encodes the chunk that contains the usage, for clients that have requested it.
pub fn usage_chunk(frame: &ChunkFrame, usage: &Usage) -> Value {
    let mut last = encode_chunk(frame, "", None);
    last["choices"] = json!([]);
    last["usage"] = encode_usage(usage);
    last
}

fn encode_chunk(frame: &ChunkFrame, text: &str, finish: Option<Finish>) -> Value {
    let finish = finish.map(|finish| finish_reason(frame, finish));
    json!({
        "id": frame.id, "object": "text_completion", "created": frame.created, "model": frame.model,
        "choices": [{ "index": 0, "text": text, "logprobs": null, "finish_reason": finish }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_become_conversations() {
        let body = json!({ "model": "m", "prompt": ["def f(", "x ="], "suffix": "\n", "echo": true, "max_tokens": 0, "n": 2 });
        let all = parse_requests(&body).unwrap();
        assert_eq!(
            (all.len(), all[1].choices, all[1].parameters.max_tokens),
            (2, 2, Some(1))
        );
        assert_eq!(all[1].echo.as_deref(), Some("x ="));
        assert!(
            all[0].turns[1].text.contains("def f(") && all[0].turns[1].text.contains("<after>")
        );
        for (wrong, param) in [
            (json!({ "model": "m" }), "prompt"),
            (json!({ "model": "m", "prompt": "" }), "prompt"),
            (json!({ "model": "m", "prompt": [1, 2] }), "prompt"),
            (
                json!({ "model": "m", "prompt": "a", "best_of": 3 }),
                "best_of",
            ),
            (
                json!({ "model": "m", "prompt": "a", "echo": true, "logprobs": 1 }),
                "logprobs",
            ),
            (json!({ "prompt": "a" }), "model"),
        ] {
            assert_eq!(parse_requests(&wrong).unwrap_err().param, param, "{wrong}");
        }
    }
}
