//! Interprets providers' errors in any API format, and decides which of their messages may be shown. Does not decide
//! whether to retry.

use std::borrow::Cow;

use serde_json::Value;

use super::refusal_reasons::{NO_IMAGES, is_request_fault, recognize_reason};
use super::usage_counts;
use crate::domain::chat::{CallError, CallErrorKind};

/// Interprets a response with an error status. `headers` returns the value of the header with a lowercase name.
pub fn error(status: u16, headers: &dyn Fn(&str) -> Option<String>, body: &str) -> CallError {
    let parsed: Value = crate::domain::json::parse(body).unwrap_or_default();
    let mut error = build_call_error(inner_error(&parsed), Some(status));
    let number = |name: &str| {
        let value = headers(name)?.trim().parse::<f64>().ok()?;
        (0.0..1e9).contains(&value).then_some(value)
    };
    error.retry_after_ms = number("retry-after-ms")
        .or_else(|| number("retry-after").map(|seconds| seconds * 1000.0))
        .map(|millis| millis.ceil() as u64)
        .or_else(|| google_delay(inner_error(&parsed)));
    error
}

/// Returns the retry delay in the body of Google's error, in milliseconds. If a daily quota is exhausted, returns one
/// hour instead, because the quota does not recover within that delay.
fn google_delay(error: &Value) -> Option<u64> {
    const HOUR_MS: u64 = 3_600_000;
    let details = error["details"].as_array()?;
    let is_daily = |violation: &Value| {
        violation["quotaId"]
            .as_str()
            .is_some_and(|id| id.contains("PerDay"))
    };
    let mut violations = details.iter().flat_map(|detail| {
        let violations = detail["violations"].as_array();
        violations.into_iter().flatten()
    });
    if violations.any(is_daily) {
        return Some(HOUR_MS);
    }
    let delay = details
        .iter()
        .find_map(|detail| detail["retryDelay"].as_str())?;
    let seconds: f64 = delay.strip_suffix('s')?.parse().ok()?;
    (0.0..1e6)
        .contains(&seconds)
        .then(|| (seconds * 1000.0).ceil() as u64)
}

/// Interprets an error that was sent instead of a chunk of the answer.
pub(super) fn parse_stream_error(error: &Value) -> CallError {
    build_call_error(error, None)
}

/// Fields that occur in answers. In every API format, each frame of an answer contains at least one of them.
const ANSWER_FIELDS: &[&str] = &[
    "choices",
    "candidates",
    "content",
    "output",
    "response",
    "delta",
    "done",
    "usage",
    "usageMetadata",
];

/// Returns the error that a frame, or a body with a success status, reports instead of an answer. The error is in a
/// separate field or is the frame itself. Recognizes all forms that servers and proxies are known to use.
pub(super) fn reported_error(frame: &Value) -> Option<&Value> {
    let frame = frame.get(0).unwrap_or(frame);
    if let Some(error) = error_field(frame) {
        return Some(error);
    }
    let is_error = |name: &str| {
        // Examples of these names are `error`, `BadRequestError`, and `ThrottlingException`.
        let word = frame[name].as_str().unwrap_or_default();
        let word = word.to_ascii_lowercase();
        word.ends_with("error") || word.ends_with("exception")
    };
    // MiniMax includes a status in every answer; 0 means success.
    let status = &frame["base_resp"];
    if usage_counts::parse_count(&status["status_code"]) > Some(0) {
        return Some(status);
    }
    if is_error("object") || is_error("type") || is_error("status") {
        return Some(frame);
    }
    let is_answer = ANSWER_FIELDS.iter().any(|name| !frame[*name].is_null());
    let has_words =
        frame.is_object() && !error_message(frame).is_empty() && frame["type"].is_null();
    (has_words && !is_answer).then_some(frame)
}

/// Returns the error in a frame's error field, if it has one.
pub(super) fn error_field(frame: &Value) -> Option<&Value> {
    let is_non_empty = |value: &&Value| match value {
        Value::Null | Value::Bool(_) => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
    };
    // Apigee and Tencent use their own names for the error field.
    let fields = [
        &frame["error"],
        &frame["errors"],
        &frame["Error"],
        &frame["fault"],
        &frame["Response"]["Error"],
    ];
    let error = { fields }.into_iter().find(is_non_empty)?;
    Some(error.get(0).unwrap_or(error))
}

/// Fields that a request can contain and a model may refuse, by their names in requests. Longer names precede the names
/// that they contain.
const REFUSABLE_FIELDS: &[&str] = &[
    "cache_control",
    "max_completion_tokens",
    "max_output_tokens",
    "reasoning_content",
    "reasoning_details",
    "reasoning.summary",
    "reasoning.effort",
    "reasoning_effort",
    "response_format",
    "responseJsonSchema",
    "text.format",
    "output_config",
    "stream_options",
    "stop_sequences",
    "stopSequences",
    "thinkingConfig",
    "thinking_config",
    "thinkingLevel",
    "thinkingBudget",
    "presence_penalty",
    "presencePenalty",
    "frequency_penalty",
    "frequencyPenalty",
    "tool_choice",
    "random_seed",
    "temperature",
    "max_tokens",
    "thinking",
    "top_p",
    "topP",
    "top_k",
    "topK",
    "seed",
    "stop",
];

/// Entry in a model's list of refused fields which means that it does not accept speakers' names.
pub(super) const NAME_FIELD: &str = "messages.name";

/// Phrases that mean that a parameter is not supported, in the messages of providers that have no field for this.
const UNSUPPORTED_PHRASES: &[&str] = &[
    "not support",
    "unsupported",
    "unknown name",
    "unknown field",
    "unrecognized",
    "deprecated",
    "not allowed",
    "not permitted",
    "extra inputs",
    "may only be set",
    "cannot both be",
    "unexpected",
    "only allowed",
    "does not think",
];

/// Returns the parameter that a provider refuses, by its name in requests. Returns `None` if the error has another
/// cause.
pub fn refused_parameter(body: &str) -> Option<String> {
    let parsed: Value = crate::domain::json::parse(body).ok()?;
    let error = inner_error(&parsed);
    let code = error["code"].as_str().unwrap_or_default();
    let is_refusal = matches!(
        code,
        "unsupported_parameter" | "unsupported_value" | "unknown_parameter"
    );
    if is_name_refused(error, &parsed) {
        return Some(NAME_FIELD.to_owned());
    }
    if let Some(name) = error["param"].as_str().filter(|_| is_refusal) {
        return (name.len() <= 40).then(|| name.to_owned());
    }
    let text = error_message(error);
    let text = &text[..text.floor_char_boundary(MAX_READ_BYTES)];
    let lower = text.to_ascii_lowercase();
    // The cause is the client's schema, not the field that contains it.
    let is_schema = lower.contains("invalid schema");
    if is_schema
        || !UNSUPPORTED_PHRASES
            .iter()
            .any(|words| lower.contains(words))
    {
        return None;
    }
    let refused_field = REFUSABLE_FIELDS
        .iter()
        .find(|field| contains_word(text, field))?;
    Some(
        match *refused_field {
            "thinking_config" => "thinkingConfig",
            field => field,
        }
        .to_owned(),
    )
}

/// Returns whether a provider refuses the speaker's name in a message. It says so in `param`, in the path of a
/// validator, or in a sentence that contains the position.
fn is_name_refused(error: &Value, body: &Value) -> bool {
    let is_name_field = |place: &str| place.starts_with("messages") && place.ends_with("name");
    if error["param"].as_str().is_some_and(is_name_field) {
        return true;
    }
    let lists = [&error["detail"], &body["detail"]];
    let mut extra = lists.into_iter().filter_map(Value::as_array).flatten();
    let is_extra_field = |entry: &Value| {
        let loc = entry["loc"].as_array().map_or(&[][..], Vec::as_slice);
        entry["type"] == "extra_forbidden"
            && loc.iter().any(|part| part == "messages")
            && loc.last().is_some_and(|part| part == "name")
    };
    if extra.any(is_extra_field) {
        return true;
    }
    let text = error_message(error);
    let text = text[..text.floor_char_boundary(MAX_READ_BYTES)].to_ascii_lowercase();
    let has_place = text.contains("property 'name'") || text.contains(".name");
    let is_refused = UNSUPPORTED_PHRASES.iter().any(|words| text.contains(words));
    text.contains("messages") && has_place && is_refused
}

/// Returns which of the fields in `names` a provider refuses, if any. The field is named in `param`, in the path of a
/// Python validator, or in a sentence.
pub fn refused_field_among(body: &str, names: &[String]) -> Option<String> {
    let parsed: Value = serde_json::from_str(body).ok()?;
    let error = inner_error(&parsed);
    let code = error["code"].as_str().unwrap_or_default();
    let is_named = |name: &str| names.iter().find(|known| *known == name).cloned();
    if matches!(code, "unsupported_parameter" | "unknown_parameter") {
        return is_named(error["param"].as_str()?);
    }
    let lists = [
        &error["detail"],
        &error["message"]["detail"],
        &parsed["detail"],
    ];
    let mut extra = lists.into_iter().filter_map(Value::as_array).flatten();
    let extra_field = extra.find_map(|entry| {
        let is_extra_field =
            entry["type"] == "extra_forbidden" || entry["type"] == "value_error.extra";
        let name = entry["loc"].as_array()?.last()?.as_str()?;
        is_named(name).filter(|_| is_extra_field)
    });
    if extra_field.is_some() {
        return extra_field;
    }
    let text = error["message"].as_str().or_else(|| error.as_str())?;
    let text = &text[..text.floor_char_boundary(MAX_READ_BYTES)];
    let lower = text.to_ascii_lowercase();
    let is_refused = UNSUPPORTED_PHRASES
        .iter()
        .any(|words| lower.contains(words));
    let longest = names.iter().filter(|name| contains_word(text, name));
    longest
        .filter(|_| is_refused)
        .max_by_key(|name| name.len())
        .cloned()
}

/// Returns whether an error means that the model does not accept images.
pub fn rejects_images(error: &CallError) -> bool {
    error.kind == CallErrorKind::Rejected && error.detail.starts_with(NO_IMAGES)
}

fn contains_word(text: &str, field: &str) -> bool {
    text.match_indices(field).any(|(at, _)| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        !text[..at].ends_with(is_part) && !text[at + field.len()..].starts_with(is_part)
    })
}

// Unwraps the error. Gemini's compatible endpoint puts it in a list, and Mistral does not wrap it at all.
fn inner_error(body: &Value) -> &Value {
    reported_error(body).unwrap_or_else(|| body.get(0).unwrap_or(body))
}

fn build_call_error(error: &Value, status: Option<u16>) -> CallError {
    // OpenRouter puts the upstream status in the body, vLLM uses a status as the error code, and some servers send the
    // status as text.
    let number = |name: &str| {
        let code =
            usage_counts::parse_count(&error[name]).and_then(|code| u16::try_from(code).ok());
        code.filter(|code| (400..600).contains(code))
    };
    let names = ["code", "status_code", "statusCode", "http_code", "status"];
    let status = status.or_else(|| names.into_iter().find_map(number));
    let codes = error_codes(error);
    let text = sanitize_message(&error_message(error));
    let reason = recognize_reason(&codes, &text);
    let kind = match classify_error(status, &codes) {
        // Without a status or a code, only the message shows that the request is at fault.
        CallErrorKind::Overloaded if status.is_none() && is_request_fault(reason.as_deref()) => {
            CallErrorKind::Rejected
        }
        kind => kind,
    };
    let number = status.map_or_else(String::new, |status| format!(" ({status})"));
    let reason = reason.filter(|_| kind == CallErrorKind::Rejected);
    CallError {
        kind,
        status,
        retry_after_ms: None,
        detail: format!(
            "{}{number}",
            reason.unwrap_or_else(|| default_message(kind).to_owned())
        ),
        upstream_message: text,
    }
}

fn error_codes(error: &Value) -> String {
    let details = error["details"].as_array().into_iter().flatten();
    let reasons = details.filter_map(|detail| detail["reason"].as_str());
    let texts = ["code", "type", "status", "Code", "__type"]
        .iter()
        .filter_map(|name| error[*name].as_str());
    let all: Vec<&str> = texts.chain(reasons).collect();
    all.join(" ").to_ascii_lowercase()
}

/// Names of the field that contains the message of an error, on various servers and proxies.
const MESSAGE_FIELDS: &[&str] = &[
    "message",
    "detail",
    "msg",
    "error_message",
    "error_msg",
    "status_msg",
    "errorMessage",
    "Message",
    "faultstring",
    "reason",
    "title",
    "description",
    "error",
    "err",
    "exception",
];

fn error_message(error: &Value) -> Cow<'_, str> {
    let message = nested_message(error, 0).unwrap_or_default();
    // After OpenRouter's generic sentence, the message of the model's host is the relevant one.
    if message == "Provider returned error"
        && let Some(raw) = error["metadata"]["raw"].as_str()
    {
        if !raw.trim_start().starts_with('{') {
            return Cow::Borrowed(raw);
        }
        let inner: Value = crate::domain::json::parse(raw).unwrap_or_default();
        if let Some(text) = nested_message(&inner, 0) {
            return Cow::Owned(text.to_owned());
        }
    }
    Cow::Borrowed(message)
}

/// Returns the message of an error, or of the first error that is nested in it.
fn nested_message(error: &Value, depth: usize) -> Option<&str> {
    match error {
        Value::String(text) => Some(text)
            .filter(|text| !text.trim().is_empty())
            .map(String::as_str),
        _ if depth > 3 => None,
        Value::Array(items) => nested_message(items.first()?, depth + 1),
        Value::Object(_) => {
            let mut fields = MESSAGE_FIELDS.iter().map(|name| &error[*name]);
            fields.find_map(|field| nested_message(field, depth + 1))
        }
        _ => None,
    }
}

fn classify_error(status: Option<u16>, codes: &str) -> CallErrorKind {
    let codes_contain = |words: &[&str]| words.iter().any(|word| codes.contains(word));
    match status {
        _ if codes_contain(&["insufficient_quota", "billing", "credit", "payment"]) => {
            CallErrorKind::Money
        }
        // Google reports an invalid key as a bad request.
        Some(400) if codes_contain(&["api_key_invalid"]) => CallErrorKind::Auth,
        Some(401 | 403) => CallErrorKind::Auth,
        Some(402) => CallErrorKind::Money,
        Some(408 | 504) => CallErrorKind::Timeout,
        Some(429) => CallErrorKind::RateLimited,
        // A lock timeout (409) is temporary, and vendors' own clients retry after it.
        Some(409 | 500..) => CallErrorKind::Overloaded,
        Some(_) => CallErrorKind::Rejected,
        None if codes_contain(&["rate_limit", "ratelimit", "resource_exhausted"]) => {
            CallErrorKind::RateLimited
        }
        None if codes_contain(&["authentication", "api_key", "permission"]) => CallErrorKind::Auth,
        None if codes_contain(&[
            "invalid_request",
            "invalidrequest",
            "bad_request",
            "badrequest",
            "validation",
            "invalid_prompt",
            "context_length",
            "not_found",
            "invalid_argument",
            "too_large",
        ]) =>
        {
            CallErrorKind::Rejected
        }
        None => CallErrorKind::Overloaded,
    }
}

fn default_message(kind: CallErrorKind) -> &'static str {
    match kind {
        CallErrorKind::Money => "the provider's account has no credit left",
        CallErrorKind::Auth => "the provider does not accept the key",
        CallErrorKind::Timeout => "the provider timed out",
        CallErrorKind::RateLimited => "the provider's rate limit was reached",
        CallErrorKind::Rejected => "the provider refused the request",
        _ => "the provider has a temporary problem",
    }
}

/// Maximum length of a provider's message when it is shown, in characters.
const MAX_MESSAGE_CHARS: usize = 200;
/// Maximum number of bytes of a message that are read, so that even a huge message takes little time.
const MAX_READ_BYTES: usize = 4096;

/// Sanitizes a provider's message: returns a single line of at most 200 characters without anything that looks like a
/// key.
pub fn sanitize_message(message: &str) -> String {
    let message = &message[..message.floor_char_boundary(MAX_READ_BYTES)];
    let line = message
        .split_whitespace()
        .map(mask_key)
        .collect::<Vec<_>>()
        .join(" ");
    match line.char_indices().nth(MAX_MESSAGE_CHARS) {
        Some(_) => line
            .chars()
            .take(MAX_MESSAGE_CHARS - 1)
            .chain(['…'])
            .collect(),
        None => line,
    }
}

fn mask_key(word: &str) -> String {
    let is_separator = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '*'));
    if word.split(is_separator).any(looks_like_a_key) {
        return "***".to_owned();
    }
    word.chars().filter(|&c| is_printable(c)).collect()
}

fn looks_like_a_key(part: &str) -> bool {
    let key_prefixes = ["sk-", "key-", "gsk_", "xai-", "AIza", "pk-", "eyJ"];
    let has_key_prefix =
        part.len() >= 8 && key_prefixes.iter().any(|start| part.starts_with(start));
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    let letters = part.bytes().filter(u8::is_ascii_alphabetic).count();
    // Names of models contain digits too, but in few and short groups.
    let groups = part.split(['-', '_', '.']).map(str::len).max().unwrap_or(0);
    has_key_prefix || (groups >= 20 && digits >= 3 && letters >= 3)
}

// Returns whether a character can be shown. Control characters and bidirectional marks could disguise a message.
fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}
