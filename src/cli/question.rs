//! Builds requests from the options of `ask` and `chat`. The JSON is the same for the app and for a server.

use serde_json::{Map, Value, json};

use super::args::CommandCall;
use super::outcome::{CommandFailure, failed, usage};
use crate::domain::closest::closest;
use crate::domain::parameters::GLOSSARY;
use crate::domain::request::Request;

/// Builds the body of `POST /api/analyze`, without its documents.
///
/// # Errors
/// Returns an error if an option is invalid.
pub(super) fn request_body(call: &CommandCall, question: &str) -> Result<Value, CommandFailure> {
    let mut body = json!({ "prompt": question });
    let names = call.value("panel").unwrap_or_default().split(',');
    let names: Vec<&str> = names
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    if !names.is_empty() {
        body["models"] = json!(names);
    } else if call.value("panel").is_some() {
        return usage("--panel names no model; `quire models` lists them");
    }
    if let Some(depth) = call.value("depth") {
        if !["quick", "standard", "full"].contains(&depth) {
            return usage("--depth must be quick, standard, or full");
        }
        body["depth"] = json!(depth);
    }
    for (option, field) in [
        ("pattern", "pattern"),
        ("synthesizer", "ultra_model"),
        ("recipe", "recipe"),
        ("preset", "preset"),
    ] {
        if let Some(value) = call.value(option) {
            body[field] = json!(value);
        }
    }
    if let Some(text) = call.value("budget") {
        let amount = text.trim_start_matches('$').parse::<f64>();
        match amount {
            Ok(dollars) if dollars.is_finite() && dollars >= 0.0 => {
                body["budget_usd"] = json!(dollars);
            }
            _ => {
                return usage(format!(
                    "--budget must be an amount in dollars, not \"{text}\""
                ));
            }
        }
    }
    let parameters = parse_parameters(call)?;
    if !parameters.is_empty() {
        body["parameters"] = Value::Object(parameters);
    }
    Ok(body)
}

/// Converts a request body and the IDs of its documents to the app's request.
///
/// # Errors
/// Returns an error if a value has the wrong type.
pub(super) fn to_request(mut body: Value, documents: &[String]) -> Result<Request, CommandFailure> {
    if !documents.is_empty() {
        body["document_ids"] = json!(documents);
    }
    serde_json::from_value(body).or_else(|error| usage(format!("--parameter: {error}")))
}

/// Returns the ID of the last turn in a thread, which is given as the API's JSON.
///
/// # Errors
/// Returns an error if the thread has no turns.
pub(super) fn newest_turn(thread: &Value) -> Result<String, CommandFailure> {
    let newest = thread["turns"].as_array().and_then(|turns| turns.last());
    match newest.and_then(|turn| turn["analysis_id"].as_str()) {
        Some(id) => Ok(id.to_owned()),
        None => failed(NO_THREAD),
    }
}

/// Error message of `--continue` when the account has no threads.
pub(super) const NO_THREAD: &str = "there is no thread to continue";

fn parse_parameters(call: &CommandCall) -> Result<Map<String, Value>, CommandFailure> {
    let mut parameters = Map::new();
    for argument in call.values("parameter") {
        let Some((name, text)) = argument.split_once('=') else {
            return usage(format!(
                "--parameter needs a name and a value, such as temperature=0.2, not \"{argument}\""
            ));
        };
        let name = name.trim();
        let Some(entry) = GLOSSARY.iter().find(|entry| entry.name == name) else {
            let names = || GLOSSARY.iter().map(|entry| entry.name);
            let hint = match closest(name, names()) {
                Some(word) => format!("did you mean {word}?"),
                None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
            };
            return usage(format!(
                "--parameter: there is no parameter \"{name}\"; {hint}"
            ));
        };
        let value = match entry.kind {
            "array" => json!([text]),
            "string" => json!(text),
            _ => match serde_json::from_str::<Value>(text) {
                Ok(number @ Value::Number(_)) => number,
                _ => {
                    return usage(format!(
                        "--parameter {name} must be a number, not \"{text}\""
                    ));
                }
            },
        };
        match (parameters.get_mut(name), value) {
            (Some(Value::Array(list)), Value::Array(more)) => list.extend(more),
            (_, value) => drop(parameters.insert(name.to_owned(), value)),
        }
    }
    Ok(parameters)
}
