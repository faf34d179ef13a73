//! What a provider's refusals mean, and which of its words may be shown. Decides nothing about retries.

use serde_json::Value;

use crate::domain::chat::{CallError, CallErrorKind};

/// What an answer with an error status means. `headers` gives a header by its lower-case name.
pub fn error(status: u16, headers: &dyn Fn(&str) -> Option<String>, body: &str) -> CallError {
    let parsed: Value = serde_json::from_str(body).unwrap_or_default();
    let mut error = meaning(inner(&parsed), Some(status));
    let number = |name: &str| {
        let value = headers(name)?.trim().parse::<f64>().ok()?;
        (0.0..1e9).contains(&value).then_some(value)
    };
    error.retry_after_ms = number("retry-after-ms")
        .or_else(|| number("retry-after").map(|seconds| seconds * 1000.0))
        .map(|millis| millis.ceil() as u64);
    error
}

/// An error in the place of a piece of the answer.
pub(super) fn in_band(error: &Value) -> CallError {
    meaning(error, None)
}

/// The parameter that a provider refuses to take, by its name on the wire.
pub fn unwelcome(body: &str) -> Option<String> {
    let parsed: Value = serde_json::from_str(body).ok()?;
    let error = inner(&parsed);
    let code = error["code"].as_str().unwrap_or_default();
    let name = error["param"].as_str()?;
    let refused = matches!(
        code,
        "unsupported_parameter" | "unsupported_value" | "unknown_parameter"
    );
    (refused && name.len() <= 40).then(|| name.to_owned())
}

// Gemini's compatible endpoint wraps it in a list, Mistral does not wrap it at all.
fn inner(body: &Value) -> &Value {
    let body = body.get(0).unwrap_or(body);
    if body["error"].is_null() {
        body
    } else {
        &body["error"]
    }
}

fn meaning(error: &Value, status: Option<u16>) -> CallError {
    // OpenRouter puts the upstream's status into the body.
    let number = |name: &str| {
        error[name]
            .as_u64()
            .and_then(|code| u16::try_from(code).ok())
    };
    let status = status
        .or_else(|| number("code"))
        .or_else(|| number("status_code"));
    let kind = kind_of(status, &codes(error));
    let said = clean(words(error)).trim_end_matches('.').to_owned();
    let number = status.map_or_else(String::new, |status| format!(" ({status})"));
    let what = sentence(kind);
    let detail = if said.is_empty() {
        format!("{what}{number}")
    } else {
        format!("{what}{number}: {said}")
    };
    CallError {
        kind,
        status,
        retry_after_ms: None,
        detail,
    }
}

fn codes(error: &Value) -> String {
    let texts = ["code", "type", "status"]
        .iter()
        .filter_map(|name| error[*name].as_str());
    texts.collect::<Vec<_>>().join(" ").to_ascii_lowercase()
}

fn words(error: &Value) -> &str {
    let message = error
        .as_str()
        .or_else(|| error["message"].as_str())
        .unwrap_or_default();
    // Behind OpenRouter's general sentence stands what the model's host said.
    match error["metadata"]["raw"].as_str() {
        Some(raw) if message == "Provider returned error" && !raw.trim_start().starts_with('{') => {
            raw
        }
        _ => message,
    }
}

fn kind_of(status: Option<u16>, codes: &str) -> CallErrorKind {
    let says = |words: &[&str]| words.iter().any(|word| codes.contains(word));
    match status {
        _ if says(&["insufficient_quota", "billing", "credit", "payment"]) => CallErrorKind::Money,
        Some(401 | 403) => CallErrorKind::Auth,
        Some(402) => CallErrorKind::Money,
        Some(408 | 504) => CallErrorKind::Timeout,
        Some(429) => CallErrorKind::RateLimited,
        Some(500..) => CallErrorKind::Overloaded,
        Some(_) => CallErrorKind::Rejected,
        None if says(&["rate_limit"]) => CallErrorKind::RateLimited,
        None if says(&["authentication", "api_key"]) => CallErrorKind::Auth,
        None if says(&["invalid_request"]) => CallErrorKind::Rejected,
        None => CallErrorKind::Overloaded,
    }
}

fn sentence(kind: CallErrorKind) -> &'static str {
    match kind {
        CallErrorKind::Money => "the provider's account has no credit left",
        CallErrorKind::Auth => "the provider does not accept the key",
        CallErrorKind::Timeout => "the provider gave up waiting",
        CallErrorKind::RateLimited => "the provider is asked too often",
        CallErrorKind::Rejected => "the provider refused the request",
        _ => "the provider has a fault",
    }
}

/// Characters of a provider's words that are shown.
const MOST_SHOWN: usize = 200;
/// Bytes of them that are looked at, so that a huge message costs nothing.
const MOST_READ: usize = 4096;

/// A provider's words, fit to be shown: one line, at most 200 characters, nothing that looks like a key.
pub fn clean(message: &str) -> String {
    let message = &message[..message.floor_char_boundary(MOST_READ)];
    let line = message
        .split_whitespace()
        .map(masked)
        .collect::<Vec<_>>()
        .join(" ");
    match line.char_indices().nth(MOST_SHOWN) {
        Some(_) => line.chars().take(MOST_SHOWN - 1).chain(['…']).collect(),
        None => line,
    }
}

fn masked(word: &str) -> String {
    let separate = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '*'));
    if word.split(separate).any(looks_like_a_key) {
        return "***".to_owned();
    }
    word.chars().filter(|&c| is_shown(c)).collect()
}

fn looks_like_a_key(part: &str) -> bool {
    let marked = ["sk-", "key-", "gsk_", "xai-", "AIza", "pk-", "eyJ"];
    let known = part.len() >= 8 && marked.iter().any(|start| part.starts_with(start));
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    let letters = part.bytes().filter(u8::is_ascii_alphabetic).count();
    // Names of models have digits too, but in few and short groups.
    let groups = part.split(['-', '_', '.']).map(str::len).max().unwrap_or(0);
    known || (groups >= 20 && digits >= 3 && letters >= 3)
}

// Controls and the marks that turn the direction of text could make a message look like another one.
fn is_shown(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}
