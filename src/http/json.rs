//! Parses JSON bodies into typed values. Errors name the location of the problem. Apart from content types, nothing
//! here depends on HTTP.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::app::error::FieldError;
use crate::app::{Error, Kind};
use crate::domain::json;

/// Whether a content type is JSON: `application/json`, or an `application` type with the suffix `+json`.
pub fn is_json(content_type: &str) -> bool {
    let name = content_type.split(';').next().unwrap_or_default().trim();
    let name = name.to_ascii_lowercase();
    name == "application/json" || (name.starts_with("application/") && name.ends_with("+json"))
}

/// The UTF-8 byte order mark, which some Windows programs put at the start of a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Parses a JSON body into a typed value.
///
/// # Errors
/// `BadRequest`, with line and column, if the text is empty, not UTF-8, or malformed JSON; `TooLarge` if it contains
/// too many values; `BadInput`, with the path of the field, if a value does not match the type.
pub fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, Error> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    if text.iter().all(u8::is_ascii_whitespace) {
        let error = Error::new(Kind::BadRequest, "the body is empty: expected JSON");
        return Err(error.resolve("send a JSON object"));
    }
    let text = std::str::from_utf8(text).map_err(|error| {
        let offset = error.valid_up_to();
        let text = format!("the body is not valid UTF-8 at byte {offset}");
        Error::new(Kind::BadRequest, text).resolve("send JSON in UTF-8")
    })?;
    if !json::is_affordable(text.as_bytes()) {
        return Err(Error::new(
            Kind::TooLarge,
            "the body contains too many values",
        ));
    }
    serde_json::from_str(text).map_err(|error| {
        // A mismatch with the type is reported only if the whole text is valid JSON.
        match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Ok(_) => wrong_shape_error(text.as_bytes(), &error),
            Err(syntax_error) => malformed_error(&syntax_error),
        }
    })
}

/// Converts a parsed value to a type, with the same error messages as [`read`].
///
/// # Errors
/// `BadInput`, with the path of the field, if a value does not match the type.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    // Only parsing from text gives errors a location, so a value that does not match is converted to text and parsed
    // again.
    T::deserialize(&value).or_else(|_| read(value.to_string().as_bytes()))
}

fn malformed_error(error: &serde_json::Error) -> Error {
    let (problem, line, column) = (
        message_without_location(error),
        error.line(),
        error.column(),
    );
    let text = format!("the body is not valid JSON: {problem} at line {line} column {column}");
    Error::new(Kind::BadRequest, text).resolve("correct the JSON there")
}

fn wrong_shape_error(text: &[u8], error: &serde_json::Error) -> Error {
    let problem = message_without_location(error);
    let mut location = vec!["body".to_owned()];
    let mut path = path_at(text, offset(text, error.line(), error.column()));
    let quoted = problem.split('`').nth(1).unwrap_or_default().to_owned();
    let (kind, message) = if problem.starts_with("missing field") {
        // `serde_json` reports a missing field at the end of its object, so the last key read is not part of the
        // field's path.
        path.retain(|part| !part.is_last);
        path.push(JsonPart::named(&quoted));
        ("missing", "is needed".to_owned())
    } else if problem.starts_with("unknown field") {
        path.retain(|part| !part.is_last);
        path.push(JsonPart::named(&quoted));
        let expected_fields = problem
            .split_once("expected ")
            .map(|(_, fields)| fields.replace('`', ""));
        let message =
            expected_fields.map(|fields| format!("is not a known field; expected {fields}"));
        (
            "unknown_field",
            message.unwrap_or("is not a known field".to_owned()),
        )
    } else if problem.starts_with("invalid type") {
        ("type_error", problem)
    } else {
        ("value_error", problem)
    };
    location.extend(path.into_iter().map(|part| part.name));
    Error::fields(vec![FieldError {
        location,
        message,
        kind,
    }])
}

/// Returns a message of `serde_json`, without the location at its end and truncated to 300 characters.
fn message_without_location(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(text, _)| text);
    text.chars().take(300).collect()
}

fn offset(text: &[u8], line: usize, column: usize) -> usize {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let bytes_before: usize = lines.take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    (bytes_before + column).min(text.len())
}

/// One step of a path to a JSON value.
struct JsonPart {
    name: String,
    /// Whether this is the last step: the last key or index that was read in the innermost open container.
    is_last: bool,
}

impl JsonPart {
    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            is_last: true,
        }
    }
}

enum OpenValue {
    Object { key: Option<String> },
    Array { index: usize },
}

/// Returns the keys and indices that lead to the offset `end`. The text before that offset must be valid JSON.
fn path_at(text: &[u8], end: usize) -> Vec<JsonPart> {
    let mut open_values: Vec<OpenValue> = Vec::new();
    let mut at = 0;
    while at < end {
        match text[at] {
            b'{' => open_values.push(OpenValue::Object { key: None }),
            b'[' => open_values.push(OpenValue::Array { index: 0 }),
            // The last byte may close the container that the error is about. That container must stay in the path.
            b'}' | b']' if at + 1 < end => drop(open_values.pop()),
            b',' => match open_values.last_mut() {
                Some(OpenValue::Array { index }) => *index += 1,
                Some(OpenValue::Object { key }) => *key = None,
                None => {}
            },
            b'"' => {
                let close = string_end(text, at);
                if let Some(OpenValue::Object { key: key @ None }) = open_values.last_mut() {
                    *key = serde_json::from_slice(&text[at..close]).ok();
                }
                at = close;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    let depth = open_values.len();
    let name = |value: OpenValue| match value {
        OpenValue::Object { key } => key,
        OpenValue::Array { index } => Some(index.to_string()),
    };
    let parts = open_values.into_iter().map(name).enumerate();
    parts
        .filter_map(|(level, name)| {
            let is_last = level + 1 == depth;
            name.map(|name| JsonPart { name, is_last })
        })
        .collect()
}

/// Returns the offset after the string that starts at `start`.
fn string_end(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Outer {
        name: String,
        #[serde(default)]
        list: Vec<Inner>,
        #[serde(default)]
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Inner {
        size: f64,
    }

    #[test]
    fn a_wrong_shape_names_its_field() {
        for (text, location, kind) in [
            ("{}", "body.name", "missing"),
            (
                r#"{"list":[{"size":1},{"size":"x"}],"name":"a"}"#,
                "body.list.1.size",
                "type_error",
            ),
            (r#"{"name":"a","inner":{}}"#, "body.inner.size", "missing"),
            (
                r#"{"name":"a","inner":{"size":1},"list":[{}]}"#,
                "body.list.0.size",
                "missing",
            ),
            (r#"{"name":7}"#, "body.name", "type_error"),
            (r#"{"name":null}"#, "body.name", "type_error"),
            (r#"{"name":"a","colour":1}"#, "body.colour", "unknown_field"),
            (
                "{\"name\":\"a\",\n \"inner\":{\"size\":1,\n\"\\u0061\\\"{b\":2}}",
                "body.inner.a\"{b",
                "unknown_field",
            ),
            (r#"{"name":"a","name":"b"}"#, "body.name", "value_error"),
            (r#"["a","b"]"#, "body.1", "type_error"),
            (r#""x""#, "body", "type_error"),
            ("17", "body", "type_error"),
        ] {
            let error = read::<Outer>(text.as_bytes()).expect_err(text);
            assert_eq!(error.kind, Kind::BadInput, "{text}");
            let field = &error.fields[0];
            assert_eq!(
                (field.location.join(".").as_str(), field.kind),
                (location, kind),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn malformed_text_names_line_and_column() {
        for (text, location) in [
            ("{\"name\": }", "line 1 column 10"),
            ("{\"name\":\n\"a\"", "line 2 column 3"),
            ("{'name':1}", "line 1 column 2"),
            ("{} x", "line 1 column 4"),
        ] {
            let error = read::<Outer>(text.as_bytes()).expect_err(text);
            assert_eq!(error.kind, Kind::BadRequest, "{text}");
            assert!(error.public.ends_with(location), "{text}: {}", error.public);
        }
        let deep = "[".repeat(100_000);
        assert_eq!(
            read::<serde_json::Value>(deep.as_bytes())
                .expect_err("deep")
                .kind,
            Kind::BadRequest
        );
        assert_eq!(
            read::<Outer>(b" \n").expect_err("empty").kind,
            Kind::BadRequest
        );
        assert_eq!(
            read::<Outer>(b"{\"name\":\"\xff\"}")
                .expect_err("not UTF-8")
                .kind,
            Kind::BadRequest
        );
    }

    #[test]
    fn a_body_that_expands_is_rejected_before_parsing() {
        let body = format!(
            "{{\"name\":\"a\",\"list\":[{}0]}}",
            "{\"\":0},".repeat(1 << 18)
        );
        let kind = read::<serde_json::Value>(body.as_bytes()).map_err(|error| error.kind);
        assert_eq!(kind, Err(Kind::TooLarge));
        let error = read::<Outer>(body.as_bytes()).expect_err("large");
        assert_eq!(error.kind, Kind::TooLarge);
    }

    #[test]
    fn json_content_types_are_recognized() {
        for (name, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/problem+json", true),
            ("text/plain", false),
            ("application/x-www-form-urlencoded", false),
        ] {
            assert_eq!(is_json(name), expected, "{name}");
        }
    }
}
