//! Fields that Quire does not interpret. Decides which of a client's fields are sent to which provider, and which
//! fields the settings add to every request. Skips fields that the model has refused before.

use serde_json::{Map, Value, json};

use super::refusal::NAME_FIELD;
use super::serve_error::{RequestError, invalid};
use super::{ApiFormat, ModelCapabilities, cache_marks};
use crate::domain::chat::{ModelRequest, Passthrough};
use crate::domain::provider::FIXED_FIELDS;

/// Maximum number of passed-on fields in one request.
const MAX_FIELDS: usize = 64;
/// Maximum total size of all passed-on fields, in bytes of JSON.
const MAX_BYTES: usize = 256 * 1024;
/// Maximum length of the name of a field, in bytes.
const MAX_NAME: usize = 64;

/// Client fields that are never passed on, because they determine the model, the account, the price, or the form of the
/// answer. An administrator can still set them for a provider or a model in its `body` setting.
const RESERVED_FIELDS: &[&str] = &[
    "model",
    "messages",
    "input",
    "contents",
    "prompt",
    "system",
    "instructions",
    "systemInstruction",
    "stream",
    "stream_options",
    "n",
    "best_of",
    "echo",
    "background",
    "conversation",
    "previous_response_id",
    "functions",
    "function_call",
    "tools",
    "tool_choice",
    "toolConfig",
    // Fields that would give access to models, accounts, or servers that the caller may not use.
    "models",
    "fallbacks",
    "route",
    "api_key",
    "api_base",
    "base_url",
    "organization",
    "extra_headers",
    "headers",
    "user_config",
    "fallback",
    "fallback_models",
    "preset",
    "provider_options",
    "extra_body",
    "extra_query",
    // Fields that request kinds of answers that Quire cannot relay.
    "audio",
    "modalities",
    // Fields that cause charges in addition to the price in the catalog.
    "service_tier",
    "speed",
    "inference_geo",
    // Tools that the vendor runs and charges for: searches, code execution, and tools of other servers.
    "plugins",
    "mcp_servers",
    "mcp",
    "container",
    "connectors",
    "data_sources",
    "tool_resources",
    "vector_store_ids",
    "web_search",
    "web_search_options",
    "enable_search",
    "search_options",
    "search_parameters",
    "google_search",
    "code_interpreter",
    "code_execution",
    "server_tools",
    // Fields for data that is stored at the vendor, read from there, or sent later to another address.
    "store",
    "cached_content",
    "deferred",
    "callback",
    "callback_url",
];

/// Prefixes of further reserved names, in lowercase and without separators between words.
const RESERVED_PREFIXES: &[&str] = &["webhook"];

/// Fields of Anthropic's API that are unknown to other providers.
const ANTHROPIC_FIELDS: &[&str] = &[
    "thinking",
    "output_config",
    "context_management",
    "metadata",
];

/// Settings of Ollama that belong under `options`.
const OLLAMA_OPTIONS: &[&str] = &[
    "min_p",
    "typical_p",
    "repeat_penalty",
    "repeat_last_n",
    "num_ctx",
    "num_keep",
    "num_gpu",
    "num_thread",
    "mirostat",
    "mirostat_tau",
    "mirostat_eta",
    "tfs_z",
    "penalize_newline",
];

/// Returns the fields of a request that Quire does not interpret: those that are not in `known`, and those in
/// `additional`, which are known but passed on unread.
///
/// # Errors
///
/// Returns an error when there are more than 64 such fields, a name is too long, or their total size exceeds 256 KiB.
pub(super) fn read_fields(
    format: ApiFormat,
    fields: &Map<String, Value>,
    known: &[&str],
    additional: &[&str],
) -> Result<Passthrough, RequestError> {
    let is_ours = |name: &str| known.contains(&name) && !additional.contains(&name);
    let unknown_fields: Map<String, Value> = fields
        .iter()
        .filter(|(name, value)| !is_ours(name) && !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let bytes = || Value::Object(unknown_fields.clone()).to_string().len();
    if unknown_fields.len() > MAX_FIELDS
        || unknown_fields.keys().any(|name| name.len() > MAX_NAME)
        || bytes() > MAX_BYTES
    {
        let why = format!(
            "at most {MAX_FIELDS} further fields of together {} KiB are passed on",
            MAX_BYTES / 1024
        );
        return invalid("body", why);
    }
    Ok(Passthrough {
        format: format.as_str().to_owned(),
        fields: unknown_fields,
    })
}

/// Returns whether a client's field with this name is never passed on. Case, `_`, and `-` are ignored, because some
/// vendors accept both `service_tier` and `serviceTier`.
fn is_reserved(name: &str) -> bool {
    let plain = |name: &str| name.replace(['_', '-'], "").to_ascii_lowercase();
    let plain_name = plain(name);
    RESERVED_FIELDS
        .iter()
        .any(|reserved| plain(reserved) == plain_name)
        || RESERVED_PREFIXES
            .iter()
            .any(|beginning| plain_name.starts_with(beginning))
}

/// Returns whether a client's field is sent to a provider with this API format.
pub fn is_sent_to(kind: ApiFormat, passthrough: &Passthrough, name: &str) -> bool {
    if is_reserved(name) {
        return false;
    }
    match (kind, ApiFormat::parse(&passthrough.format)) {
        (ApiFormat::Anthropic, from) => from == Some(ApiFormat::Anthropic),
        (ApiFormat::Gemini, from) => from == Some(ApiFormat::Gemini),
        (_, Some(ApiFormat::Anthropic)) => !ANTHROPIC_FIELDS.contains(&name),
        _ => true,
    }
}

/// Adds the client's fields, and those from the settings, to the body of a request.
pub(super) fn add_fields(
    kind: ApiFormat,
    body: &mut Value,
    request: &ModelRequest,
    capabilities: &ModelCapabilities,
) {
    let Some(body) = body.as_object_mut() else {
        return;
    };
    if let Some(passthrough) = &request.passthrough {
        for (name, value) in &passthrough.fields {
            // Whether one of Anthropic's models may think depends on the whole request, so the field is set in
            // `anthropic`.
            let is_placed = name == "thinking" && kind == ApiFormat::Anthropic;
            if is_sent_to(kind, passthrough, name) && !capabilities.has_refused(name) && !is_placed
            {
                place_field(kind, body, name, value);
            }
        }
    }
    for (name, value) in &capabilities.body_fields {
        if !FIXED_FIELDS.contains(&name.as_str()) && !capabilities.has_refused(name) {
            merge_values(body.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

// Adds a client's field to the body. Fields that Quire itself has set stay unchanged.
fn place_field(kind: ApiFormat, body: &mut Map<String, Value>, name: &str, value: &Value) {
    let ollama = match name {
        "repetition_penalty" => "repeat_penalty",
        name => name,
    };
    if kind == ApiFormat::Ollama && OLLAMA_OPTIONS.contains(&ollama) {
        let options = body.entry("options").or_insert_with(|| json!({}));
        if let Some(options) = options.as_object_mut() {
            options.insert(ollama.to_owned(), value.clone());
        }
        return;
    }
    // The client's object replaces the one that Quire derived from the effort, because it is more specific.
    if name == "reasoning" && value.is_object() {
        if kind == ApiFormat::OpenAi && !body.contains_key("reasoning_effort") {
            body.insert(name.to_owned(), value.clone());
        }
        return;
    }
    match body.get_mut(name) {
        None => _ = body.insert(name.to_owned(), value.clone()),
        Some(own) if own.is_object() && value.is_object() => fill_missing(own, value),
        Some(_) => {}
    }
}

// Adds the fields of `defaults` that `target` lacks.
fn fill_missing(target: &mut Value, defaults: &Value) {
    let (Some(target), Some(defaults)) = (target.as_object_mut(), defaults.as_object()) else {
        return;
    };
    for (name, value) in defaults {
        target.entry(name.clone()).or_insert_with(|| value.clone());
    }
}

// Merges `value` into `target` if both are objects. Otherwise, replaces `target`.
fn merge_values(target: &mut Value, value: &Value) {
    match (target, value) {
        (Value::Object(target), Value::Object(more)) => {
            for (name, value) in more {
                merge_values(target.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (target, value) => *target = value.clone(),
    }
}

/// Returns the names of fields that can be omitted if a model refuses them: those passed on from the client or from the
/// settings, names of speakers, and cache markers.
pub fn field_names(
    kind: ApiFormat,
    request: &ModelRequest,
    capabilities: &ModelCapabilities,
) -> Vec<String> {
    let passthrough = request.passthrough.as_deref();
    let client_fields = passthrough.into_iter().flat_map(|passthrough| {
        let names = passthrough.fields.keys();
        names.filter(move |name| is_sent_to(kind, passthrough, name))
    });
    let has_name = request
        .messages
        .iter()
        .any(|message| message.name.is_some());
    let name = (kind == ApiFormat::OpenAi && has_name).then(|| NAME_FIELD.to_owned());
    let has_marks = cache_marks::has_marks(&request.messages, request.tools.as_deref());
    let marks = kind == ApiFormat::Anthropic && has_marks;
    let marks = marks.then(|| cache_marks::CACHE_FIELD.to_owned());
    let fields = client_fields
        .chain(capabilities.body_fields.keys())
        .cloned();
    fields.chain(name).chain(marks).collect()
}

#[cfg(test)]
mod tests;
