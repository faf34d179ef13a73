//! Checks individual fields of a request: ranges, sizes, and formats. Each function appends its errors to a list.

use serde_json::{Value, json};

use super::{MAX_DOCUMENTS, MAX_MEMBERS, MAX_PROMPT, MAX_TOPIC};
use crate::app::error::FieldError;
use crate::domain::chat::Format;
use crate::domain::id::DocumentId;
use crate::domain::money::MicroDollars;
use crate::domain::parameters::{OutOfRange, Parameters};
use crate::domain::request::Request;
use crate::domain::schema;

pub(super) async fn check_format(
    requested_format: Option<&Value>,
    errors: &mut Vec<FieldError>,
) -> Option<Format> {
    let requested_format = requested_format?;
    let location = &["body", "response_format"];
    let (name, schema) = match requested_format["type"].as_str() {
        Some("text") => return None,
        Some("json_object") => ("answer", json!({ "type": "object" })),
        Some("json_schema") => {
            let inner = &requested_format["json_schema"];
            (
                inner["name"].as_str().unwrap_or("answer"),
                inner["schema"].clone(),
            )
        }
        _ => {
            let why = "its type must be text, json_object, or json_schema";
            errors.push(field_error(location, "value_error", why));
            return None;
        }
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_name) {
        let why = "a name consists of 1 to 64 letters, digits, underscores, and hyphens";
        errors.push(field_error(location, "value_error", why));
    }
    let format = Format {
        name: name.to_owned(),
        schema,
        strict: requested_format["json_schema"]["strict"].as_bool(),
        any: requested_format["type"] == "json_object",
        ..Format::default()
    };
    if let Err(why) = compile_format(&format).await {
        errors.push(field_error(location, "value_error", &why));
    }
    Some(format)
}

/// Compiles the schema once for the whole request, on a blocking thread if it is large.
async fn compile_format(format: &Format) -> Result<(), String> {
    if !schema::is_large(&format.schema) {
        return format.check();
    }
    // The clone shares the compiled schema with the original.
    let format = format.clone();
    let check_result = tokio::task::spawn_blocking(move || format.check()).await;
    check_result.unwrap_or_else(|_| Err("the schema cannot be read".to_owned()))
}

/// Trims and validates the topic; an empty one becomes `None`.
pub(super) fn check_topic(topic_field: &mut Option<String>, errors: &mut Vec<FieldError>) {
    let topic = topic_field.take().unwrap_or_default();
    let topic = topic.trim();
    if topic.is_empty() {
        return;
    }
    let location = &["body", "topic"];
    if topic.chars().count() > MAX_TOPIC {
        let why = format!("at most {MAX_TOPIC} characters");
        errors.push(field_error(location, "too_long", &why));
    } else if topic.chars().any(char::is_control) {
        let why = "a topic cannot contain control characters";
        errors.push(field_error(location, "value_error", why));
    }
    *topic_field = Some(topic.to_owned());
}

pub(super) fn check_thresholds(request: &Request, errors: &mut Vec<FieldError>) {
    if request
        .stop_when_agreed
        .is_some_and(|threshold| !(0.0..=1.0).contains(&threshold))
    {
        let why = "must be from 0 to 1";
        errors.push(field_error(
            &["body", "stop_when_agreed"],
            "out_of_range",
            why,
        ));
    }
    if (request.samples).is_some_and(|samples| !(2..=MAX_MEMBERS as u32).contains(&samples)) {
        let why = format!("must be from 2 to {MAX_MEMBERS}");
        errors.push(field_error(&["body", "samples"], "out_of_range", &why));
    }
    if (request.passages).is_some_and(|limit| !(1..=1_000).contains(&limit)) {
        let why = "must be from 1 to 1000";
        errors.push(field_error(&["body", "passages"], "out_of_range", why));
    }
}

pub(super) fn check_prompt(prompt: &str, errors: &mut Vec<FieldError>) {
    if prompt.trim().is_empty() {
        errors.push(field_error(
            &["body", "prompt"],
            "missing",
            "the question is empty",
        ));
    } else if prompt.chars().count() > MAX_PROMPT {
        errors.push(field_error(
            &["body", "prompt"],
            "too_long",
            &format!("at most {MAX_PROMPT} characters; upload longer texts as documents"),
        ));
    } else if prompt.contains('\0') {
        errors.push(field_error(
            &["body", "prompt"],
            "value_error",
            "the question contains a NUL character",
        ));
    }
}

/// Checks the ranges of the parameters and merges in the preset.
pub(super) fn check_parameters(
    request: &mut Request,
    is_passthrough: bool,
    errors: &mut Vec<FieldError>,
) {
    // The provider validates parameters that are passed through to a single model.
    if !is_passthrough {
        check_ranges(&request.parameters, &["body", "parameters"], errors);
    }
    let Some(name) = request.preset.take() else {
        return;
    };
    match Parameters::preset(&name) {
        Some(preset) => request.parameters = request.parameters.overlay(&preset),
        None => errors.push(field_error(
            &["body", "preset"],
            "value_error",
            "must be precise, balanced, or creative",
        )),
    }
}

/// Converts the budget from dollars, and rejects negative amounts.
pub(super) fn check_budget(
    dollars: Option<f64>,
    errors: &mut Vec<FieldError>,
) -> Option<MicroDollars> {
    let budget = MicroDollars::from_dollars(dollars?);
    if budget.is_none() {
        let why = "must be at least 0";
        errors.push(field_error(&["body", "budget_usd"], "out_of_range", why));
    }
    budget
}

pub(super) fn check_ranges(
    parameters: &Parameters,
    location: &[&str],
    errors: &mut Vec<FieldError>,
) {
    for OutOfRange { name, message } in parameters.check().err().unwrap_or_default() {
        let location: Vec<&str> = location.iter().copied().chain([name]).collect();
        errors.push(field_error(&location, "out_of_range", &message));
    }
}

/// Validates and deduplicates the document IDs.
pub(super) fn check_documents(
    request: &mut Request,
    errors: &mut Vec<FieldError>,
) -> Vec<DocumentId> {
    request.document_ids.extend(request.document_id.take());
    let ids = &request.document_ids;
    if ids.len() > MAX_DOCUMENTS {
        errors.push(field_error(
            &["body", "document_ids"],
            "too_long",
            &format!("at most {MAX_DOCUMENTS} documents"),
        ));
        return Vec::new();
    }
    let mut unique_ids = Vec::new();
    for text in ids {
        match DocumentId::parse(text) {
            Some(id) if !unique_ids.contains(&id) => unique_ids.push(id),
            Some(_) => {}
            None => errors.push(field_error(
                &["body", "document_ids"],
                "value_error",
                &format!("\"{text}\" is not a document ID"),
            )),
        }
    }
    request.document_ids = unique_ids.iter().map(DocumentId::to_string).collect();
    unique_ids
}

pub(super) fn field_error(location: &[&str], kind: &'static str, message: &str) -> FieldError {
    FieldError {
        location: location.iter().map(|&part| part.to_owned()).collect(),
        message: message.to_owned(),
        kind,
    }
}
