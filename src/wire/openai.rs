//! OpenAI's chat completions, which most other providers speak too: request, stream, whole answer. Encodes and decodes; opens no connection.

mod stream;

use serde_json::{Map, Value, json};

use super::Taste;
use super::prompt::{Turn, divide, effort, in_words, is_strict};
use crate::domain::chat::{Image, Request, Role};
use crate::domain::model::{Structured, Thinking};
pub(super) use stream::{read, whole};

/// Where a provider departs from OpenAI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quirks {
    /// Understands `stream_options.include_usage`.
    pub stream_options: bool,
    /// Wants `max_completion_tokens` where others want `max_tokens`.
    pub max_completion_tokens: bool,
    /// Takes `top_k`.
    pub top_k: bool,
    /// Says `random_seed` for `seed`.
    pub random_seed: bool,
    /// Takes `reasoning.effort` for `reasoning_effort`.
    pub reasoning_object: bool,
    /// Wants the instructions under the role `developer`.
    pub developer: bool,
    /// Refuses a conversation in which one side speaks twice in a row.
    pub strict_turns: bool,
}

/// A server that does what most do.
pub const PLAIN: Quirks = Quirks {
    stream_options: true,
    max_completion_tokens: false,
    top_k: false,
    random_seed: false,
    reasoning_object: false,
    developer: false,
    strict_turns: false,
};

pub(super) fn body(name: &str, request: &Request, taste: &Taste, quirks: Quirks) -> Value {
    let shape = taste.shape("response_format");
    let mut body = Map::new();
    body.insert("model".into(), json!(name));
    body.insert("messages".into(), messages(request, shape, quirks));
    body.insert("stream".into(), json!(true));
    if quirks.stream_options && !taste.refuses("stream_options") {
        body.insert("stream_options".into(), json!({ "include_usage": true }));
    }
    sample(&mut body, request, taste, quirks);
    think(&mut body, request, taste, quirks);
    match (&request.format, shape) {
        (Some(format), Structured::Native) => {
            let wanted = json!({ "name": format.name, "schema": format.schema, "strict": is_strict(format) });
            body.insert(
                "response_format".into(),
                json!({ "type": "json_schema", "json_schema": wanted }),
            );
        }
        (Some(format), Structured::Tool) => {
            let tool = json!({ "name": format.name, "description": "Gives the answer.", "parameters": format.schema });
            body.insert(
                "tools".into(),
                json!([{ "type": "function", "function": tool }]),
            );
            body.insert(
                "tool_choice".into(),
                json!({ "type": "function", "function": { "name": format.name } }),
            );
        }
        _ => {}
    }
    Value::Object(body)
}

fn messages(request: &Request, shape: Structured, quirks: Quirks) -> Value {
    let system = if quirks.developer {
        "developer"
    } else {
        "system"
    };
    if quirks.strict_turns {
        let (instructions, turns) = divide(request, shape);
        let first =
            (!instructions.is_empty()).then(|| json!({ "role": system, "content": instructions }));
        let rest = turns.iter().map(
            |Turn {
                 is_model,
                 text,
                 images,
             }| {
                let role = if *is_model { "assistant" } else { "user" };
                json!({ "role": role, "content": content(text, images) })
            },
        );
        return first.into_iter().chain(rest).collect();
    }
    let message = |message: &crate::domain::chat::Message| {
        let role = match message.role {
            Role::System => system,
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        json!({ "role": role, "content": content(&message.text, &message.images) })
    };
    let words = in_words(request, shape);
    let words = words.map(|words| json!({ "role": system, "content": words }));
    let all = request.messages.iter().map(message);
    // In front: some take instructions there only.
    words.into_iter().chain(all).collect()
}

fn content(text: &str, images: &[Image]) -> Value {
    if images.is_empty() {
        return json!(text);
    }
    let mut parts = vec![json!({ "type": "text", "text": text })];
    parts.extend(images.iter().map(|image| {
        let url = format!("data:{};base64,{}", image.media_type, image.base64);
        json!({ "type": "image_url", "image_url": { "url": url } })
    }));
    Value::Array(parts)
}

fn sample(body: &mut Map<String, Value>, request: &Request, taste: &Taste, quirks: Quirks) {
    let limit = if quirks.max_completion_tokens || taste.refuses("max_tokens") {
        "max_completion_tokens"
    } else {
        "max_tokens"
    };
    let seed = if quirks.random_seed {
        "random_seed"
    } else {
        "seed"
    };
    let own = &request.parameters;
    let top_k = own.top_k.filter(|_| quirks.top_k);
    for (known, spelled, value) in [
        (
            "temperature",
            "temperature",
            own.temperature.map(Value::from),
        ),
        ("top_p", "top_p", own.top_p.map(Value::from)),
        ("top_k", "top_k", top_k.map(Value::from)),
        ("max_tokens", limit, own.max_tokens.map(Value::from)),
        ("seed", seed, own.seed.map(Value::from)),
        (
            "presence_penalty",
            "presence_penalty",
            own.presence_penalty.map(Value::from),
        ),
        (
            "frequency_penalty",
            "frequency_penalty",
            own.frequency_penalty.map(Value::from),
        ),
        (
            "stop",
            "stop",
            (!own.stop.is_empty()).then(|| json!(own.stop)),
        ),
    ] {
        if let Some(value) = value.filter(|_| taste.takes(known, spelled)) {
            body.insert(spelled.into(), value);
        }
    }
}

fn think(body: &mut Map<String, Value>, request: &Request, taste: &Taste, quirks: Quirks) {
    let spelled = if quirks.reasoning_object {
        "reasoning"
    } else {
        "reasoning_effort"
    };
    let Some(effort) = effort(request, taste, spelled) else {
        return;
    };
    match taste.thinking {
        Thinking::Fixed => {}
        // OpenRouter translates for each model; never both fields.
        _ if quirks.reasoning_object => {
            body.insert("reasoning".into(), json!({ "effort": effort }));
        }
        Thinking::Toggle if !taste.refuses("thinking") => {
            let wanted = if effort == "none" {
                "disabled"
            } else {
                "enabled"
            };
            body.insert("thinking".into(), json!({ "type": wanted }));
            // Some take a word besides, for how hard.
            let is_known = taste.efforts.iter().any(|known| known == effort);
            if is_known && effort != "none" && !taste.refuses("reasoning_effort") {
                body.insert("reasoning_effort".into(), json!(effort));
            }
        }
        _ => {
            body.insert("reasoning_effort".into(), json!(effort));
        }
    }
}

#[cfg(test)]
mod tests;
