//! JSON in: text to a typed value, with a place for everything that is wrong.
//! Knows nothing of HTTP beyond the content type's name.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::app::error::FieldError;
use crate::app::{Error, Kind};
use crate::domain::json;

/// Whether a content type means JSON.
pub fn is_json(content_type: &str) -> bool {
    let name = content_type.split(';').next().unwrap_or_default().trim();
    let name = name.to_ascii_lowercase();
    name == "application/json" || (name.starts_with("application/") && name.ends_with("+json"))
}

/// What Windows programs put before UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads a body. Malformed text is a `BadRequest` that says where; a wrong shape is `BadInput`.
pub fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, Error> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    if text.iter().all(u8::is_ascii_whitespace) {
        let error = Error::new(Kind::BadRequest, "the body is empty where JSON is expected");
        return Err(error.resolve("send a JSON object"));
    }
    let text = std::str::from_utf8(text).map_err(|fault| {
        let place = fault.valid_up_to();
        let text = format!("the body is not valid UTF-8 at byte {place}");
        Error::new(Kind::BadRequest, text).resolve("send JSON in UTF-8")
    })?;
    if !json::is_affordable(text.as_bytes()) {
        return Err(Error::new(Kind::TooLarge, "the body holds too many values"));
    }
    serde_json::from_str(text).map_err(|error| {
        // The shape is only worth talking about where the whole text is JSON.
        match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Ok(_) => wrong_shape(text.as_bytes(), &error),
            Err(fault) => malformed(&fault),
        }
    })
}

/// Deserializes a value that was parsed before, with the same errors as [`read`].
///
/// # Errors
/// `BadInput` when the value has a wrong shape.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    // Only text has the places that an error names.
    T::deserialize(&value).or_else(|_| read(value.to_string().as_bytes()))
}

fn malformed(error: &serde_json::Error) -> Error {
    let (what, line, column) = (plain(error), error.line(), error.column());
    let text = format!("the body is not valid JSON: {what} at line {line} column {column}");
    Error::new(Kind::BadRequest, text).resolve("correct the JSON at that place")
}

fn wrong_shape(text: &[u8], error: &serde_json::Error) -> Error {
    let said = plain(error);
    let mut place = vec!["body".to_owned()];
    let mut path = path_at(text, offset(text, error.line(), error.column()));
    let quoted = said.split('`').nth(1).unwrap_or_default().to_owned();
    let (kind, message) = if said.starts_with("missing field") {
        // serde_json reports it at the end of the object; what was read last is not at fault.
        path.retain(|part| !part.last);
        path.push(JsonPart::named(&quoted));
        ("missing", "is needed".to_owned())
    } else if said.starts_with("unknown field") {
        path.retain(|part| !part.last);
        path.push(JsonPart::named(&quoted));
        let known = said
            .split_once("expected ")
            .map(|(_, known)| known.replace('`', ""));
        let known = known.map(|known| format!("is not known here; expected {known}"));
        (
            "unknown_field",
            known.unwrap_or("is not known here".to_owned()),
        )
    } else if said.starts_with("invalid type") {
        ("type_error", said)
    } else {
        ("value_error", said)
    };
    place.extend(path.into_iter().map(|part| part.name));
    Error::fields(vec![FieldError {
        place,
        message,
        kind,
    }])
}

/// serde_json's sentence without the place at its end, cut to a length that fits an answer.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(text, _)| text);
    text.chars().take(300).collect()
}

fn offset(text: &[u8], line: usize, column: usize) -> usize {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines.take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    (before + column).min(text.len())
}

struct JsonPart {
    name: String,
    /// The container that this part is in is still open, and the part is its newest.
    last: bool,
}

impl JsonPart {
    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            last: true,
        }
    }
}

enum OpenValue {
    Object { key: Option<String> },
    Array { index: usize },
}

/// The keys and positions that lead to `end`. The text is valid JSON up to there.
fn path_at(text: &[u8], end: usize) -> Vec<JsonPart> {
    let mut open: Vec<OpenValue> = Vec::new();
    let mut at = 0;
    while at < end {
        match text[at] {
            b'{' => open.push(OpenValue::Object { key: None }),
            b'[' => open.push(OpenValue::Array { index: 0 }),
            // The last byte may close the very container that the complaint is about.
            b'}' | b']' if at + 1 < end => drop(open.pop()),
            b',' => match open.last_mut() {
                Some(OpenValue::Array { index }) => *index += 1,
                Some(OpenValue::Object { key }) => *key = None,
                None => {}
            },
            b'"' => {
                let close = string_end(text, at);
                if let Some(OpenValue::Object { key: key @ None }) = open.last_mut() {
                    *key = serde_json::from_slice(&text[at..close]).ok();
                }
                at = close;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    let depth = open.len();
    let name = |open: OpenValue| match open {
        OpenValue::Object { key } => key,
        OpenValue::Array { index } => Some(index.to_string()),
    };
    let parts = open.into_iter().map(name).enumerate();
    parts
        .filter_map(|(level, name)| {
            let last = level + 1 == depth;
            name.map(|name| JsonPart { name, last })
        })
        .collect()
}

/// The position after the string that begins at `start`.
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
    fn a_wrong_shape_names_its_place() {
        for (text, place, kind) in [
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
                (field.place.join(".").as_str(), field.kind),
                (place, kind),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn malformed_text_says_where() {
        for (text, place) in [
            ("{\"name\": }", "line 1 column 10"),
            ("{\"name\":\n\"a\"", "line 2 column 3"),
            ("{'name':1}", "line 1 column 2"),
            ("{} x", "line 1 column 4"),
        ] {
            let error = read::<Outer>(text.as_bytes()).expect_err(text);
            assert_eq!(error.kind, Kind::BadRequest, "{text}");
            assert!(error.public.ends_with(place), "{text}: {}", error.public);
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
    fn a_body_that_multiplies_is_refused_before_it_is_parsed() {
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
    fn content_types() {
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
