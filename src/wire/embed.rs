//! Embeddings: parses requests in OpenAI's format, builds each provider's request, and reads the vectors in its
//! response.

use serde_json::{Value, json};

use super::serve::model_id;
use super::serve_error::{RequestError, invalid};
use super::{ApiFormat, passthrough};
use crate::domain::chat::Passthrough;

/// Maximum number of texts in one request, as in OpenAI's API.
const MAX_TEXTS: usize = 2_048;
/// Maximum total size of the texts, in bytes.
const MAX_BYTES: usize = 2_000_000;

/// A client's request for embeddings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EmbeddingRequest {
    /// Model ID, as the client sent it.
    pub model: String,
    /// Texts to embed, in order.
    pub texts: Vec<String>,
    /// Number of dimensions of the vectors; `None` for the model's default.
    pub dimensions: Option<u32>,
    /// Whether vectors are sent as base64 of little-endian 32-bit floats, as OpenAI's client requests.
    pub is_base64: bool,
    /// Fields that Quire does not interpret and passes on to the provider.
    pub passthrough: Passthrough,
}

/// Parses a body of `/v1/embeddings`.
///
/// # Errors
///
/// Returns an error that names the field when a field is missing, malformed, or too large.
pub fn parse_request(body: &Value) -> Result<EmbeddingRequest, RequestError> {
    let Some(fields) = body.as_object() else {
        return invalid("body", "the body must be a JSON object");
    };
    let texts: Option<Vec<String>> = match fields.get("input") {
        Some(Value::String(text)) => Some(vec![text.clone()]),
        Some(Value::Array(list)) => {
            let texts = list.iter().map(|text| text.as_str().map(str::to_owned));
            texts.collect()
        }
        _ => None,
    };
    let Some(texts) = texts else {
        return invalid(
            "input",
            "input must be a string or a list of strings; tokens are not accepted",
        );
    };
    let bytes: usize = texts.iter().map(String::len).sum();
    if texts.is_empty() || texts.len() > MAX_TEXTS || bytes > MAX_BYTES {
        let why = format!("1 to {MAX_TEXTS} texts, {MAX_BYTES} bytes together at most");
        return invalid("input", why);
    }
    if texts.iter().any(String::is_empty) {
        return invalid("input", "a text is empty");
    }
    let is_base64 = match fields.get("encoding_format").and_then(Value::as_str) {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return invalid("encoding_format", "encoding_format must be float or base64"),
    };
    let dimensions = match fields.get("dimensions") {
        None | Some(Value::Null) => None,
        Some(given) => match given.as_u64().and_then(|given| u32::try_from(given).ok()) {
            Some(given) if given > 0 => Some(given),
            _ => return invalid("dimensions", "dimensions must be a number above 0"),
        },
    };
    const KNOWN_FIELDS: &[&str] = &["model", "input", "encoding_format", "dimensions", "user"];
    Ok(EmbeddingRequest {
        model: model_id(fields)?,
        texts,
        dimensions,
        is_base64,
        passthrough: passthrough::read_fields(ApiFormat::OpenAi, fields, KNOWN_FIELDS, &[])?,
    })
}

/// Builds a provider's request: the path after its base URL, and the body. Returns `None` if the provider has no
/// embeddings API.
pub fn build_request(
    kind: ApiFormat,
    name: &str,
    request: &EmbeddingRequest,
) -> Option<(String, Value)> {
    let (texts, dimensions) = (&request.texts, request.dimensions);
    let mut body = json!({ "model": name, "input": texts });
    match kind {
        ApiFormat::OpenAi | ApiFormat::Responses => {
            body["encoding_format"] = json!("float");
            if let Some(dimensions) = dimensions {
                body["dimensions"] = json!(dimensions);
            }
            add_client_fields(kind, &mut body, request);
            Some(("embeddings".to_owned(), body))
        }
        ApiFormat::Ollama => {
            // A text that is too long must cause an error, and must not be truncated silently.
            body["truncate"] = json!(false);
            if let Some(dimensions) = dimensions {
                body["dimensions"] = json!(dimensions);
            }
            add_client_fields(kind, &mut body, request);
            Some(("api/embed".to_owned(), body))
        }
        ApiFormat::Gemini => {
            let path = super::gemini::escape_name(name);
            let one = |text: &String| {
                let mut one = json!({ "model": format!("models/{path}"), "content": { "parts": [{ "text": text }] } });
                if let Some(dimensions) = dimensions {
                    one["outputDimensionality"] = json!(dimensions);
                }
                one
            };
            let all: Vec<Value> = texts.iter().map(one).collect();
            let path = format!("models/{path}:batchEmbedContents");
            Some((path, json!({ "requests": all })))
        }
        ApiFormat::Anthropic => None,
    }
}

/// Returns the names of the optional fields in a request: all but the model and the texts.
pub fn optional_fields(body: &Value) -> Vec<String> {
    let first_request = body.get("requests").map_or(body, |requests| &requests[0]);
    let names = first_request
        .as_object()
        .into_iter()
        .flat_map(|fields| fields.keys());
    let is_needed = |name: &&String| matches!(name.as_str(), "model" | "input" | "content");
    names.filter(|name| !is_needed(name)).cloned().collect()
}

/// Removes from a request the fields that the model has refused. Returns their names in the client's API.
pub fn remove_refused(body: &mut Value, refused: &[String]) -> Vec<String> {
    let names = optional_fields(body);
    let removed: Vec<String> = names
        .into_iter()
        .filter(|name| refused.contains(name))
        .collect();
    let all = match body.get_mut("requests").and_then(Value::as_array_mut) {
        Some(requests) => requests.iter_mut().collect(),
        None => vec![body],
    };
    for fields in all.into_iter().filter_map(Value::as_object_mut) {
        fields.retain(|name, _| !removed.contains(name));
    }
    let glossary_name = |name: String| match name.as_str() {
        "outputDimensionality" => "dimensions".to_owned(),
        _ => name,
    };
    removed.into_iter().map(glossary_name).collect()
}

// Adds the client's own fields. Fields that Quire sets take precedence.
fn add_client_fields(kind: ApiFormat, body: &mut Value, request: &EmbeddingRequest) {
    let Some(body) = body.as_object_mut() else {
        return;
    };
    for (name, value) in &request.passthrough.fields {
        if passthrough::is_sent_to(kind, &request.passthrough, name) {
            body.entry(name).or_insert_with(|| value.clone());
        }
    }
}

/// Returns the client's own fields that a provider with this API format does not receive: all of them if `kind` is
/// `None` because no provider was found.
pub fn ignored_fields(kind: Option<ApiFormat>, request: &EmbeddingRequest) -> Vec<String> {
    let is_sent = |name: &str| {
        kind.is_some_and(|kind| passthrough::is_sent_to(kind, &request.passthrough, name))
    };
    let names = request.passthrough.fields.keys();
    let skipped = names.filter(|name| !is_sent(name));
    skipped
        .map(|name| super::serve_openai::sanitize_field_name(name))
        .collect()
}

/// The vectors in the order of the texts, and the token count, if known.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingResponse {
    /// One vector per text.
    pub vectors: Vec<Vec<f32>>,
    /// Number of input tokens, if the provider reports it.
    pub tokens: Option<u64>,
    /// Fields of the request that were omitted because the model refused them.
    pub omitted: Vec<String>,
}

/// Parses a provider's response. Returns `None` if it is malformed, or if the number of vectors differs from the number
/// of texts.
pub fn parse_answer(kind: ApiFormat, texts: usize, body: &Value) -> Option<EmbeddingResponse> {
    let vector = |value: &Value| -> Option<Vec<f32>> {
        let numbers = value.as_array().filter(|numbers| !numbers.is_empty())?;
        numbers
            .iter()
            .map(|item| item.as_f64().map(|item| item as f32))
            .collect()
    };
    let (vectors, tokens): (Option<Vec<_>>, _) = match kind {
        ApiFormat::Ollama => {
            let all = body["embeddings"].as_array()?.iter();
            (all.map(vector).collect(), &body["prompt_eval_count"])
        }
        ApiFormat::Gemini => {
            let all = body["embeddings"].as_array()?.iter();
            (
                all.map(|item| vector(&item["values"])).collect(),
                &Value::Null,
            )
        }
        _ => {
            let mut rows: Vec<&Value> = body["data"].as_array()?.iter().collect();
            rows.sort_by_key(|row| row["index"].as_u64().unwrap_or(u64::MAX));
            let all = rows.into_iter().map(|row| vector(&row["embedding"]));
            (all.collect(), &body["usage"]["prompt_tokens"])
        }
    };
    let vectors = vectors.filter(|vectors| vectors.len() == texts)?;
    let tokens = tokens.as_u64();
    Some(EmbeddingResponse {
        vectors,
        tokens,
        omitted: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_responses_are_parsed() {
        let request = parse_request(
            &json!({ "model": "m", "input": ["a", "b"], "encoding_format": "base64", "x": 1 }),
        );
        let request = request.expect("sound");
        assert_eq!((request.texts.len(), request.is_base64), (2, true));
        assert_eq!(ignored_fields(None, &request), ["x"]);
        assert_eq!(ignored_fields(Some(ApiFormat::Gemini), &request), ["x"]);
        assert!(ignored_fields(Some(ApiFormat::Ollama), &request).is_empty());
        let (_, sent_body) =
            build_request(ApiFormat::OpenAi, "m", &request).expect("it has embeddings");
        assert_eq!(
            (&sent_body["x"], &sent_body["encoding_format"]),
            (&json!(1), &json!("float"))
        );
        for (body, param) in [
            (json!({ "model": "m" }), "input"),
            (json!({ "model": "m", "input": [] }), "input"),
            (json!({ "model": "m", "input": [1, 2] }), "input"),
            (json!({ "model": "m", "input": ["a", ""] }), "input"),
            (
                json!({ "model": "m", "input": "a", "encoding_format": "hex" }),
                "encoding_format",
            ),
            (
                json!({ "model": "m", "input": "a", "dimensions": 0 }),
                "dimensions",
            ),
            (json!({ "input": "a" }), "model"),
        ] {
            assert_eq!(
                parse_request(&body).expect_err("refused").param,
                param,
                "{body}"
            );
        }
    }

    #[test]
    fn refused_fields_are_omitted() {
        let request = EmbeddingRequest {
            texts: vec!["a".into(), "b".into()],
            dimensions: Some(2),
            ..EmbeddingRequest::default()
        };
        for (kind, field) in [
            (ApiFormat::OpenAi, "dimensions"),
            (ApiFormat::Ollama, "dimensions"),
            (ApiFormat::Gemini, "outputDimensionality"),
        ] {
            let (_, mut body) = build_request(kind, "m", &request).expect("it has embeddings");
            let refused_fields = [field.to_owned(), "model".to_owned(), "input".to_owned()];
            assert_eq!(
                remove_refused(&mut body, &refused_fields),
                ["dimensions"],
                "{kind:?}"
            );
            assert!(!body.to_string().contains(field), "{body}");
            assert!(body.to_string().contains("\"a\""), "{body}");
        }
    }

    #[test]
    fn each_provider_gets_its_own_request() {
        let request = EmbeddingRequest {
            texts: vec!["a".into(), "b".into()],
            dimensions: Some(2),
            ..EmbeddingRequest::default()
        };
        for (kind, path, place, response) in [
            (
                ApiFormat::OpenAi,
                "embeddings",
                "/dimensions",
                json!({ "data": [{ "index": 1, "embedding": [3, 4] }, { "index": 0, "embedding": [1, 2] }], "usage": { "prompt_tokens": 5 } }),
            ),
            (
                ApiFormat::Ollama,
                "api/embed",
                "/dimensions",
                json!({ "embeddings": [[1, 2], [3, 4]], "prompt_eval_count": 5 }),
            ),
            (
                ApiFormat::Gemini,
                "models/m:batchEmbedContents",
                "/requests/1/outputDimensionality",
                json!({ "embeddings": [{ "values": [1, 2] }, { "values": [3, 4] }] }),
            ),
        ] {
            let (at, body) = build_request(kind, "m", &request).expect("it has embeddings");
            assert_eq!((at.as_str(), body.pointer(place)), (path, Some(&json!(2))));
            let answer = parse_answer(kind, 2, &response).expect("vectors");
            assert_eq!(answer.vectors, [[1.0, 2.0], [3.0, 4.0]]);
            assert_eq!(answer.tokens.is_some(), kind != ApiFormat::Gemini);
            assert_eq!(parse_answer(kind, 3, &response), None, "one is missing");
            assert_eq!(parse_answer(kind, 2, &json!({ "error": "x" })), None);
        }
        assert_eq!(build_request(ApiFormat::Anthropic, "m", &request), None);
    }
}
