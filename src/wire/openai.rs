//! OpenAI's chat completions, which most other providers speak too: request, stream, whole answer, error
//! body, list of models. Encodes and decodes; opens no connection.

mod error;
mod stream;

use serde_json::{Map, Value, json};

use crate::domain::chat::{Request, Role};
pub use error::{clean, error, unwelcome};
pub use stream::Stream;

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
}

/// Which of a request's fields a model takes.
#[derive(Debug, Clone, Default)]
pub struct Taste {
    /// Parameters by their names in the glossary; empty where it is not known.
    pub accepted: Vec<String>,
    /// Fields by their names on the wire that it has refused before.
    pub refused: Vec<String>,
}

/// The request's body. `name` is the model's name at this provider.
pub fn request(name: &str, request: &Request, taste: &Taste, quirks: Quirks) -> Vec<u8> {
    let message = |message: &crate::domain::chat::Message| {
        let role = match message.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        json!({ "role": role, "content": message.text })
    };
    let mut body = Map::new();
    body.insert("model".into(), json!(name));
    body.insert(
        "messages".into(),
        request.messages.iter().map(message).collect(),
    );
    body.insert("stream".into(), json!(true));
    let refused = |spelled: &str| taste.refused.iter().any(|name| name == spelled);
    if quirks.stream_options && !refused("stream_options") {
        body.insert("stream_options".into(), json!({ "include_usage": true }));
    }
    let limit = if quirks.max_completion_tokens || refused("max_tokens") {
        "max_completion_tokens"
    } else {
        "max_tokens"
    };
    let takes = |known: &str, spelled: &str| {
        let accepted = &taste.accepted;
        (accepted.is_empty() || accepted.iter().any(|name| name == known)) && !refused(spelled)
    };
    let own = &request.parameters;
    let mut set = |known: &str, spelled: &str, value: Option<Value>| {
        if let Some(value) = value.filter(|_| takes(known, spelled)) {
            body.insert(spelled.into(), value);
        }
    };
    set(
        "temperature",
        "temperature",
        own.temperature.map(Value::from),
    );
    set("top_p", "top_p", own.top_p.map(Value::from));
    let top_k = own.top_k.filter(|_| quirks.top_k);
    set("top_k", "top_k", top_k.map(Value::from));
    set("max_tokens", limit, own.max_tokens.map(Value::from));
    let seed = if quirks.random_seed {
        "random_seed"
    } else {
        "seed"
    };
    set("seed", seed, own.seed.map(Value::from));
    set(
        "presence_penalty",
        "presence_penalty",
        own.presence_penalty.map(Value::from),
    );
    set(
        "frequency_penalty",
        "frequency_penalty",
        own.frequency_penalty.map(Value::from),
    );
    let effort = own.reasoning_effort.as_deref();
    if quirks.reasoning_object {
        let effort = effort.map(|effort| json!({ "effort": effort }));
        set("reasoning_effort", "reasoning", effort);
    } else {
        set(
            "reasoning_effort",
            "reasoning_effort",
            effort.map(Value::from),
        );
    }
    set(
        "stop",
        "stop",
        (!own.stop.is_empty()).then(|| json!(own.stop)),
    );
    Value::Object(body).to_string().into_bytes()
}

/// The names in an answer of `GET /models`, at most a thousand.
pub fn models(body: &str) -> Option<Vec<String>> {
    let value: Value = serde_json::from_str(body).ok()?;
    let list = value["data"].as_array().or_else(|| value.as_array())?;
    let sound = |id: &&str| {
        !id.is_empty()
            && id.len() <= 200
            && !id.chars().any(|c| c.is_control() || c.is_whitespace())
    };
    let names = list.iter().filter_map(|model| model["id"].as_str());
    Some(names.filter(sound).take(1000).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests;
