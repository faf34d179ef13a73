//! Quire's Gemini-compatible API: parses bodies of `generateContent` by converting them to chat completions, and
//! encodes answers and the frames of streams.

use serde_json::{Map, Value, json};

use super::serve::{ChatRequest, ChunkFrame, CompleteAnswer};
use super::serve_error::{RequestError, invalid};
use super::serve_openai as openai;
use super::{ApiFormat, passthrough};
use crate::domain::chat::{Finish, Usage};

const KNOWN_FIELDS: &[&str] = &[
    "model",
    "contents",
    "systemInstruction",
    "system_instruction",
    "generationConfig",
    "generation_config",
    "tools",
    "toolConfig",
    "tool_config",
    "safetySettings",
    "safety_settings",
    "labels",
];

/// Known fields that only the provider uses. They are passed on unread.
const PROVIDER_FIELDS: &[&str] = &["safetySettings", "safety_settings", "labels"];

/// Fields of `generationConfig`, each with its name in a chat completion.
const CONFIG_FIELDS: &[(&str, &str)] = &[
    ("temperature", "temperature"),
    ("topP", "top_p"),
    ("topK", "top_k"),
    ("maxOutputTokens", "max_tokens"),
    ("stopSequences", "stop"),
    ("seed", "seed"),
    ("presencePenalty", "presence_penalty"),
    ("frequencyPenalty", "frequency_penalty"),
];

/// Parses a body for the model in the path. `stream` says whether the path requests a stream.
///
/// # Errors
///
/// Returns an error that names the field when a field is missing, malformed, or not supported.
pub fn parse_request(model: &str, body: &Value, stream: bool) -> Result<ChatRequest, RequestError> {
    let Some(fields) = body.as_object() else {
        return invalid("body", "the body must be a JSON object");
    };
    let config = get_field(body, "generationConfig");
    if get_field(config, "candidateCount").as_u64() > Some(1) {
        return invalid(
            "candidateCount",
            "only one candidate is returned: leave candidateCount out",
        );
    }
    let mut chat = chat_settings(config);
    chat.insert("model".into(), json!(model));
    chat.insert("stream".into(), json!(stream));
    chat.insert("messages".into(), convert_messages(body)?);
    let mut ignored_fields = Vec::new();
    add_tools(body, &mut chat, &mut ignored_fields);
    let mut request = openai::parse_request(&Value::Object(chat))?;
    request.usage = true;
    request.ignored_fields.extend(ignored_fields);
    request.shows_thinking =
        get_field(get_field(config, "thinkingConfig"), "includeThoughts") == true;
    request.passthrough =
        passthrough::read_fields(ApiFormat::Gemini, fields, KNOWN_FIELDS, PROVIDER_FIELDS)?;
    Ok(request)
}

/// Returns a field in either of the spellings that Google's servers accept: camel case or snake case.
fn get_field<'a>(value: &'a Value, name: &str) -> &'a Value {
    if !value[name].is_null() {
        return &value[name];
    }
    let mut snake_case = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            snake_case.push('_');
        }
        snake_case.push(c.to_ascii_lowercase());
    }
    &value[&snake_case]
}

fn array_of(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn chat_settings(config: &Value) -> Map<String, Value> {
    let mut chat = Map::new();
    for (own, chat_name) in CONFIG_FIELDS {
        let value = get_field(config, own);
        if !value.is_null() {
            chat.insert((*chat_name).to_owned(), value.clone());
        }
    }
    let thinking = get_field(config, "thinkingConfig");
    if let Some(level) = get_field(thinking, "thinkingLevel").as_str() {
        chat.insert("reasoning_effort".into(), json!(level.to_ascii_lowercase()));
    } else if let Some(tokens) = get_field(thinking, "thinkingBudget").as_u64() {
        // A value of -1 leaves the budget to the model.
        chat.insert("reasoning".into(), json!({ "max_tokens": tokens }));
    }
    let schemas = ["responseJsonSchema", "responseSchema"].map(|name| get_field(config, name));
    let schema = schemas.into_iter().find(|schema| schema.is_object());
    if let Some(schema) = schema {
        let inner = json!({ "name": "answer", "schema": to_common_schema(schema) });
        let format = json!({ "type": "json_schema", "json_schema": inner });
        chat.insert("response_format".into(), format);
    } else if get_field(config, "responseMimeType") == "application/json" {
        chat.insert("response_format".into(), json!({ "type": "json_object" }));
    }
    chat
}

/// Converts a schema to standard JSON Schema, in which type names are lowercase. Google writes them in uppercase.
fn to_common_schema(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let convert_entry = |(name, value): (&String, &Value)| match (name.as_str(), value) {
                ("type", Value::String(kind)) => (name.clone(), json!(kind.to_ascii_lowercase())),
                _ => (name.clone(), to_common_schema(value)),
            };
            Value::Object(fields.iter().map(convert_entry).collect())
        }
        Value::Array(items) => items.iter().map(to_common_schema).collect(),
        other => other.clone(),
    }
}

fn convert_messages(body: &Value) -> Result<Value, RequestError> {
    let mut messages = Vec::new();
    let system = get_field(body, "systemInstruction");
    let mut words = Vec::new();
    for part in content_parts(system, "systemInstruction")? {
        match part["text"].as_str() {
            Some(text) => words.push(text.to_owned()),
            None => return invalid("systemInstruction", "each of its parts must be text"),
        }
    }
    if !words.is_empty() {
        messages.push(json!({ "role": "system", "content": words.join("\n\n") }));
    }
    let mut calls = OpenCalls::default();
    let contents = match &body["contents"] {
        Value::Array(contents) => contents.as_slice(),
        Value::Null => &[],
        one => std::slice::from_ref(one),
    };
    for content in contents {
        let parts = content_parts(content, "contents")?;
        match content["role"].as_str() {
            None | Some("user" | "function") => add_user_turn(&parts, &mut calls, &mut messages)?,
            Some("model") => messages.push(convert_model_turn(&parts, &mut calls)?),
            Some(_) => return invalid("contents", "each content needs a role: user or model"),
        }
    }
    Ok(Value::Array(messages))
}

/// Returns the parts of a content. Google's servers also accept a single object instead of a list, and Google's SDKs
/// accept a string.
fn content_parts(content: &Value, field: &'static str) -> Result<Vec<Value>, RequestError> {
    let text = |text: &str| vec![json!({ "text": text })];
    let why = "it must be a string, or an object with parts: a list of objects or of strings";
    let list = match content {
        Value::Null => return Ok(Vec::new()),
        Value::String(words) => return Ok(text(words)),
        Value::Object(fields) if fields.contains_key("parts") => &content["parts"],
        // This is an empty turn of the model, sent back by a client.
        Value::Object(fields) if fields.keys().all(|name| name == "role") => {
            return Ok(Vec::new());
        }
        // Some clients send a part, or a list of parts, without the content object around it.
        Value::Object(_) | Value::Array(_) => content,
        _ => return invalid(field, why),
    };
    let to_part = |part: &Value| match part {
        Value::String(words) => Ok(json!({ "text": words })),
        Value::Object(_) => Ok(part.clone()),
        _ => invalid(field, why),
    };
    match list {
        Value::Null => Ok(Vec::new()),
        Value::Array(parts) => parts.iter().map(to_part).collect(),
        only => Ok(vec![to_part(only)?]),
    }
}

/// Calls that have no result yet. Google's clients often send both calls and results without IDs.
#[derive(Default)]
struct OpenCalls {
    open_calls: Vec<(String, String)>,
    count: usize,
}

impl OpenCalls {
    fn begin(&mut self, call: &Value) -> String {
        self.count += 1;
        let made_up = || format!("call_{}", self.count);
        let id = call["id"].as_str().map_or_else(made_up, str::to_owned);
        let name = call["name"].as_str().unwrap_or_default();
        self.open_calls.push((id.clone(), name.to_owned()));
        id
    }

    /// Removes the call to which a result belongs, and returns its ID. A result without an ID belongs to the first open
    /// call with the same name.
    fn end(&mut self, result: &Value) -> Option<String> {
        let is_same_call = |(id, name): &(String, String)| match result["id"].as_str() {
            Some(wanted) => id == wanted,
            None => result["name"] == *name,
        };
        let at = self.open_calls.iter().position(is_same_call)?;
        Some(self.open_calls.remove(at).0)
    }
}

// Adds a user's turn: each result as a separate turn, followed by the text.
fn add_user_turn(
    parts: &[Value],
    calls: &mut OpenCalls,
    messages: &mut Vec<Value>,
) -> Result<(), RequestError> {
    let mut content = Vec::new();
    for part in parts {
        let (result, data) = (
            get_field(part, "functionResponse"),
            get_field(part, "inlineData"),
        );
        if result.is_object() {
            let Some(id) = calls.end(result) else {
                return invalid(
                    "contents",
                    "a functionResponse has no matching functionCall before it",
                );
            };
            let text = result["response"].to_string();
            messages.push(json!({ "role": "tool", "tool_call_id": id, "content": text }));
        } else if data.is_object() {
            let kind = get_field(data, "mimeType").as_str().unwrap_or_default();
            let url = format!(
                "data:{kind};base64,{}",
                data["data"].as_str().unwrap_or_default()
            );
            content.push(json!({ "type": "image_url", "image_url": { "url": url } }));
        } else if part["text"].is_string() {
            content.push(json!({ "type": "text", "text": part["text"] }));
        } else {
            return invalid(
                "contents",
                "a part must be text, inlineData, or a functionResponse",
            );
        }
    }
    if !content.is_empty() {
        messages.push(json!({ "role": "user", "content": content }));
    }
    Ok(())
}

fn convert_model_turn(parts: &[Value], calls: &mut OpenCalls) -> Result<Value, RequestError> {
    let (mut text, mut thought, mut tool_calls) = (String::new(), String::new(), Vec::new());
    for part in parts {
        let call = get_field(part, "functionCall");
        if call.is_object() {
            let function = json!({ "name": call["name"], "arguments": call["args"] });
            let mut one =
                json!({ "id": calls.begin(call), "type": "function", "function": function });
            let signature = get_field(part, "thoughtSignature");
            if signature.is_string() {
                one["extra_content"] = json!({ "google": { "thought_signature": signature } });
            }
            tool_calls.push(one);
        } else if let Some(words) = part["text"].as_str() {
            let place = if part["thought"] == true {
                &mut thought
            } else {
                &mut text
            };
            place.push_str(words);
        } else {
            return invalid(
                "contents",
                "a part of the model's must be text or a functionCall",
            );
        }
    }
    let mut message = json!({ "role": "assistant", "content": text, "reasoning_content": thought });
    if !tool_calls.is_empty() {
        message["tool_calls"] = Value::Array(tool_calls);
    }
    Ok(message)
}

fn add_tools(body: &Value, chat: &mut Map<String, Value>, ignored: &mut Vec<String>) {
    let mut functions = Vec::new();
    for tool in array_of(&body["tools"]) {
        for declared in array_of(get_field(tool, "functionDeclarations")) {
            let schemas =
                ["parametersJsonSchema", "parameters"].map(|name| get_field(declared, name));
            let schema = schemas.into_iter().find(|schema| schema.is_object());
            let mut function =
                json!({ "name": declared["name"], "description": declared["description"] });
            if let Some(schema) = schema {
                function["parameters"] = to_common_schema(schema);
            }
            functions.push(json!({ "type": "function", "function": function }));
        }
        // The vendor itself would run these tools, so they are omitted.
        let others = tool.as_object().into_iter().flat_map(|tool| tool.keys());
        let others = others.filter(|name| !name.to_ascii_lowercase().starts_with("function"));
        ignored.extend(others.map(|name| format!("tools: {}", openai::sanitize_field_name(name))));
    }
    if functions.is_empty() {
        return;
    }
    let config = get_field(get_field(body, "toolConfig"), "functionCallingConfig");
    let mode = config["mode"]
        .as_str()
        .unwrap_or_default()
        .to_ascii_uppercase();
    let choice = match (
        mode.as_str(),
        array_of(get_field(config, "allowedFunctionNames")),
    ) {
        ("NONE", _) => json!("none"),
        ("ANY", [only]) => json!({ "type": "function", "function": { "name": only } }),
        ("ANY", _) => json!("required"),
        _ => json!("auto"),
    };
    chat.insert("tools".into(), Value::Array(functions));
    chat.insert("tool_choice".into(), choice);
}

/// Encodes a complete answer. It includes the reasoning if the client has requested it.
pub fn encode_answer(frame: &ChunkFrame, answer: &CompleteAnswer) -> Value {
    let mut parts = Vec::new();
    if frame.shows_thinking && !answer.reasoning.is_empty() {
        parts.push(json!({ "text": answer.reasoning, "thought": true }));
    }
    if !answer.text.is_empty() || answer.calls.is_empty() {
        parts.push(json!({ "text": answer.text }));
    }
    last_frame(frame, parts, answer)
}

/// Encodes a frame that contains a piece of the answer.
pub fn text_frame(frame: &ChunkFrame, text: &str) -> Value {
    encode_frame(frame, vec![json!({ "text": text })])
}

/// Encodes a frame that contains a piece of reasoning. Returns `None` unless the client has requested reasoning.
pub fn reasoning_frame(frame: &ChunkFrame, text: &str) -> Option<Value> {
    let part = json!({ "text": text, "thought": true });
    frame
        .shows_thinking
        .then(|| encode_frame(frame, vec![part]))
}

/// Encodes the last frame: the calls, the finish reason, and the usage.
pub fn end_frame(frame: &ChunkFrame, answer: &CompleteAnswer) -> Value {
    last_frame(frame, Vec::new(), answer)
}

fn last_frame(frame: &ChunkFrame, mut parts: Vec<Value>, answer: &CompleteAnswer) -> Value {
    parts.extend(answer.calls.iter().map(|call| {
        let mut part =
            json!({ "functionCall": { "id": call.id, "name": call.name, "args": call.input() } });
        if let Some(signature) = &call.signature {
            part["thoughtSignature"] = json!(signature);
        }
        part
    }));
    let mut encoded = encode_frame(frame, parts);
    encoded["candidates"][0]["finishReason"] = json!(match answer.finish_reason {
        Finish::Stop | Finish::ToolCalls => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::ContentFilter => "SAFETY",
    });
    encoded["usageMetadata"] = encode_usage(answer.usage);
    encoded
}

fn encode_frame(frame: &ChunkFrame, parts: Vec<Value>) -> Value {
    let content = json!({ "role": "model", "parts": parts });
    json!({
        "candidates": [{ "index": 0, "content": content }], "modelVersion": frame.model,
        "responseId": frame.id,
    })
}

// Encodes usage. Unlike a chat completion, this API counts thinking tokens separately from the tokens of the answer.
fn encode_usage(usage: &Usage) -> Value {
    json!({
        "promptTokenCount": usage.input, "cachedContentTokenCount": usage.cached,
        "candidatesTokenCount": usage.output.saturating_sub(usage.reasoning),
        "thoughtsTokenCount": usage.reasoning,
        "totalTokenCount": usage.input.saturating_add(usage.output),
    })
}
