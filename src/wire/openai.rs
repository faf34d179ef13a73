//! OpenAI's chat completions, which most other providers also use: encodes requests, and decodes streams and complete
//! responses. Opens no connections.

mod plain_chunk;
mod stream;

use serde_json::{Map, Value, json};

use super::ModelCapabilities;
use super::prompt::{
    PromptTurn, accepted_effort, has_tool_results, is_openrouter_detail, schema_instruction,
    split_instructions,
};
use super::refusal::NAME_FIELD;
use super::schema_subset::{is_strict, with_object_root};
use crate::domain::chat::{Image, MessageRole, ModelRequest};
use crate::domain::model::{Structured, Thinking};
use crate::domain::tools::{Tool, ToolCall, ToolChoice, Tools};
pub(super) use stream::{read_event, read_whole};

/// How a provider's chat completions differ from OpenAI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProviderQuirks {
    /// Supports `stream_options.include_usage`.
    pub stream_options: bool,
    /// Requires `max_completion_tokens` instead of `max_tokens`.
    pub max_completion_tokens: bool,
    /// Supports `top_k`.
    pub top_k: bool,
    /// Uses `random_seed` instead of `seed`.
    pub random_seed: bool,
    /// Uses `reasoning.effort` instead of `reasoning_effort`.
    pub reasoning_object: bool,
    /// Requires the role `developer` for instructions.
    pub developer: bool,
    /// Refuses two consecutive turns with the same role.
    pub strict_turns: bool,
}

/// Quirks of a typical compatible server.
pub const PLAIN_QUIRKS: ProviderQuirks = ProviderQuirks {
    stream_options: true,
    max_completion_tokens: false,
    top_k: false,
    random_seed: false,
    reasoning_object: false,
    developer: false,
    strict_turns: false,
};

pub(super) fn request_body(
    name: &str,
    request: &ModelRequest,
    capabilities: &ModelCapabilities,
    quirks: ProviderQuirks,
) -> Value {
    let shape = capabilities.schema_method("response_format", request);
    let mut body = Map::new();
    body.insert("model".into(), json!(name));
    body.insert(
        "messages".into(),
        messages(request, shape, capabilities, quirks),
    );
    body.insert("stream".into(), json!(true));
    if quirks.stream_options && !capabilities.has_refused("stream_options") {
        body.insert("stream_options".into(), json!({ "include_usage": true }));
    }
    add_sampling(&mut body, request, capabilities, quirks);
    add_reasoning_settings(&mut body, request, capabilities, quirks);
    match (&request.format, shape) {
        (Some(format), Structured::Native) if format.any => {
            body.insert("response_format".into(), json!({ "type": "json_object" }));
        }
        (Some(format), Structured::Native) => {
            let json_schema = json!({ "name": format.name, "schema": with_object_root(&format.schema), "strict": is_strict(format) });
            body.insert(
                "response_format".into(),
                json!({ "type": "json_schema", "json_schema": json_schema }),
            );
        }
        (Some(format), Structured::Tool) => {
            let tool = json!({ "name": format.name, "description": "Gives the answer.", "parameters": with_object_root(&format.schema) });
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
    if let Some(tools) = &request.tools {
        add_tools(&mut body, tools);
    }
    Value::Object(body)
}

fn messages(
    request: &ModelRequest,
    shape: Structured,
    capabilities: &ModelCapabilities,
    quirks: ProviderQuirks,
) -> Value {
    let thought = |mut message: Value, reasoning: &str, items: &[Value], name: Option<&str>| {
        if let Some(name) = name.filter(|_| !capabilities.has_refused(NAME_FIELD)) {
            message["name"] = json!(name);
        }
        // OpenAI, where instructions have the role `developer`, refuses the reasoning fields.
        match quirks.developer {
            true => message,
            false => with_reasoning(message, reasoning, items, capabilities),
        }
    };
    let system = if quirks.developer {
        "developer"
    } else {
        "system"
    };
    if quirks.strict_turns {
        let (instructions, turns) = split_instructions(request, shape);
        let first =
            (!instructions.is_empty()).then(|| json!({ "role": system, "content": instructions }));
        let rest = turns.iter().map(
            |PromptTurn {
                 is_model,
                 text,
                 images,
                 calls,
                 result_of,
                 reasoning,
                 reasoning_items,
                 name,
                 cache_marks: _,
             }| {
                let role = if *is_model { "assistant" } else { "user" };
                let message =
                    message_with_tool_calls(role, message_content(text, images), calls, *result_of);
                thought(message, reasoning, reasoning_items, *name)
            },
        );
        return first.into_iter().chain(rest).collect();
    }
    let message = |message: &crate::domain::chat::Message| {
        let role = match message.role {
            MessageRole::System => system,
            MessageRole::User => "user",
            MessageRole::Assistant => "assistant",
        };
        let content = message_content(&message.text, &message.images);
        let encoded =
            message_with_tool_calls(role, content, &message.calls, message.result_of.as_deref());
        let name = message.name.as_deref();
        thought(encoded, &message.reasoning, &message.reasoning_items, name)
    };
    let words = schema_instruction(request, shape);
    let words = words.map(|words| json!({ "role": system, "content": words }));
    let all = request.messages.iter().map(message);
    // Instructions must come first, because some servers accept them only as the first message.
    words.into_iter().chain(all).collect()
}

/// Adds a turn's reasoning to its message. Some models require the reasoning that preceded their tool calls, together
/// with the results of the tools.
fn with_reasoning(
    mut message: Value,
    reasoning: &str,
    items: &[Value],
    capabilities: &ModelCapabilities,
) -> Value {
    if !reasoning.is_empty() && !capabilities.has_refused("reasoning_content") {
        message["reasoning_content"] = json!(reasoning);
    }
    let details: Vec<&Value> = items
        .iter()
        .filter(|item| is_openrouter_detail(item))
        .collect();
    if !details.is_empty() && !capabilities.has_refused("reasoning_details") {
        message["reasoning_details"] = json!(details);
    }
    message
}

fn message_with_tool_calls(
    role: &str,
    content: Value,
    calls: &[ToolCall],
    result_of: Option<&str>,
) -> Value {
    if let Some(id) = result_of {
        return json!({ "role": "tool", "tool_call_id": id, "content": content });
    }
    if calls.is_empty() {
        return json!({ "role": role, "content": content });
    }
    let calls: Vec<Value> = calls
        .iter()
        .map(|call| {
            let function = json!({ "name": call.name, "arguments": call.arguments });
            json!({ "id": call.id, "type": "function", "function": function })
        })
        .collect();
    let content = match content == json!("") {
        true => Value::Null,
        false => content,
    };
    json!({ "role": role, "content": content, "tool_calls": calls })
}

fn add_tools(body: &mut Map<String, Value>, tools: &Tools) {
    body.insert("tools".into(), function_tools(tools));
    match &tools.choice {
        ToolChoice::Auto => {}
        ToolChoice::None => _ = body.insert("tool_choice".into(), json!("none")),
        ToolChoice::Required => _ = body.insert("tool_choice".into(), json!("required")),
        ToolChoice::Named(name) => {
            let named_choice = json!({ "type": "function", "function": { "name": name } });
            body.insert("tool_choice".into(), named_choice);
        }
    }
    if let Some(parallel) = tools.parallel {
        body.insert("parallel_tool_calls".into(), json!(parallel));
    }
}

pub(super) fn function_tools(tools: &Tools) -> Value {
    let function = |tool: &Tool| {
        let mut function = json!({ "name": tool.name });
        if !tool.description.is_empty() {
            function["description"] = json!(tool.description);
        }
        if !tool.parameters.is_null() {
            function["parameters"] = tool.parameters.clone();
        }
        if let Some(strict) = tool.strict {
            function["strict"] = json!(strict);
        }
        json!({ "type": "function", "function": function })
    };
    tools.list.iter().map(function).collect()
}

fn message_content(text: &str, images: &[Image]) -> Value {
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

fn add_sampling(
    body: &mut Map<String, Value>,
    request: &ModelRequest,
    capabilities: &ModelCapabilities,
    quirks: ProviderQuirks,
) {
    let limit = if quirks.max_completion_tokens || capabilities.has_refused("max_tokens") {
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
    // If the model's capabilities are unknown, it may support the field.
    let top_k = own
        .top_k
        .filter(|_| quirks.top_k || capabilities.accepted_parameters.is_empty());
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
        if let Some(value) = value.filter(|_| capabilities.accepts_parameter(known, spelled)) {
            body.insert(spelled.into(), value);
        }
    }
}

fn add_reasoning_settings(
    body: &mut Map<String, Value>,
    request: &ModelRequest,
    capabilities: &ModelCapabilities,
    quirks: ProviderQuirks,
) {
    let spelled = if quirks.reasoning_object {
        "reasoning"
    } else {
        "reasoning_effort"
    };
    let Some(effort) = accepted_effort(request, capabilities, spelled) else {
        return;
    };
    match capabilities.thinking {
        Thinking::Fixed => {}
        // OpenRouter translates `reasoning` for each model. The field must not be sent together with
        // `reasoning_effort`.
        _ if quirks.reasoning_object => {
            body.insert("reasoning".into(), json!({ "effort": effort }));
        }
        Thinking::Toggle if !capabilities.has_refused("thinking") => {
            let level = if effort == "none" || has_tool_results(request) {
                "disabled"
            } else {
                "enabled"
            };
            body.insert("thinking".into(), json!({ "type": level }));
            // Some models also accept an effort level.
            let is_known = capabilities.efforts.iter().any(|known| known == effort);
            if is_known && level == "enabled" && !capabilities.has_refused("reasoning_effort") {
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
