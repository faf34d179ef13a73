//! Splits several JSON texts that arrive as one. Some servers omit the line feeds between events or the `data:` prefix,
//! or repeat the prefix. A text is split only if the result is unambiguous.

use serde::de::IgnoredAny;

/// Bytes that can follow an object if several events were joined: whitespace, or the first byte of an object, `data:`,
/// or `[DONE]`.
const AFTER_OBJECT: &[u8] = b"{d[ \n\r\t";

/// Splits a text into several JSON texts. Returns `None` if it is a single text or not JSON.
pub(super) fn split_objects(data: &str) -> Option<Vec<String>> {
    let json_text = strip_data_prefix(data);
    // Nearly all data is a single object, which this check recognizes without parsing.
    let bytes = json_text.as_bytes();
    let follows = |end: usize| {
        bytes
            .get(end + 1)
            .is_some_and(|byte| AFTER_OBJECT.contains(byte))
    };
    let may_have_several = memchr::memchr_iter(b'}', bytes).any(follows);
    if !may_have_several {
        return (json_text.len() < data.trim_start().len()).then(|| vec![json_text.to_owned()]);
    }
    if serde_json::from_str::<IgnoredAny>(json_text).is_ok() {
        return (json_text.len() < data.trim_start().len()).then(|| vec![json_text.to_owned()]);
    }
    let (mut parts, mut rest) = (Vec::new(), json_text);
    while !rest.is_empty() {
        let end = match rest.starts_with("[DONE]") {
            true => "[DONE]".len(),
            false => object_length(rest)?,
        };
        parts.push(rest[..end].to_owned());
        rest = strip_data_prefix(&rest[end..]);
    }
    Some(parts)
}

/// Strips `data:` prefixes, even repeated ones, from the start of a text.
fn strip_data_prefix(text: &str) -> &str {
    let mut text = text.trim_start();
    while let Some(rest) = text.strip_prefix("data:") {
        text = rest.trim_start();
    }
    text
}

/// Returns the length, in bytes, of the object with which a text begins. Returns `None` if it begins with something
/// else.
fn object_length(text: &str) -> Option<usize> {
    text.strip_prefix('{')?;
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_texts_are_split() {
        for (data, expected) in [
            ("{\"a\":1}", None),
            ("{\"a\": {}}", None),
            ("{\n \"a\": {},\n \"b\": 1\n}\n", None),
            ("{\"a\":\"}{\"}", None),
            ("{\"a\":1}{\"b\"", None),
            ("words }{ words", None),
            ("[DONE]", None),
            ("", None),
            ("{}{}", Some(vec!["{}", "{}"])),
            ("{}\n{}\n", Some(vec!["{}", "{}"])),
            ("{}data: {}", Some(vec!["{}", "{}"])),
            ("{}data: [DONE]", Some(vec!["{}", "[DONE]"])),
            ("data: {\"a\":1}", Some(vec!["{\"a\":1}"])),
            ("data:data: [DONE]", Some(vec!["[DONE]"])),
        ] {
            let expected =
                expected.map(|parts: Vec<&str>| { parts }.into_iter().map(str::to_owned).collect());
            assert_eq!(split_objects(data), expected, "{data:?}");
        }
    }
}
