//! Estimates the memory of a parsed JSON text from the text itself. A few bytes of text can become a hundred
//! times as many bytes of values (`[{"":0},{"":0},…]`), so a limit on text size alone does not bound memory.
//! Every external text is checked here before it is parsed into a `Value`.

use serde_json::Value;

/// Maximum memory of one parsed text in bytes.
pub const MAX_MEMORY: usize = 64 << 20;
/// Texts up to this many bytes always stay below `MAX_MEMORY`, so they are not scanned.
const SMALL_TEXT_BYTES: usize = 256 << 10;

/// Bytes per value in an array or object, including the value's share of the container's spare capacity.
const VALUE_BYTES: usize = 64;
/// Bytes per entry of an object, in addition to `VALUE_BYTES`. They allow for B-tree nodes that hold only 5 of 11
/// possible entries.
const ENTRY_BYTES: usize = 96;
/// Minimum memory of a non-empty array, in bytes.
const ARRAY_BYTES: usize = 128;
/// Minimum memory of a non-empty object, in bytes: a B-tree node with capacity for eleven entries.
const OBJECT_BYTES: usize = 700;

/// Returns an upper bound on the memory in bytes that a JSON text takes as a `serde_json::Value`. Makes one
/// pass without allocating. The result is meaningless for text that is not JSON.
pub fn estimated_memory(text: &[u8]) -> usize {
    // The contents of strings are stored unchanged, so they need as much memory as text.
    let mut bytes = text.len().saturating_add(VALUE_BYTES);
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        let extra_bytes = match byte {
            b'"' => {
                while let Some(byte) = rest.next() {
                    match byte {
                        b'\\' => drop(rest.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
                continue;
            }
            b',' => VALUE_BYTES,
            b':' => ENTRY_BYTES,
            b'[' => ARRAY_BYTES,
            b'{' => OBJECT_BYTES,
            _ => continue,
        };
        bytes = bytes.saturating_add(extra_bytes);
    }
    bytes
}

/// Whether a JSON text takes at most `MAX_MEMORY` bytes when parsed.
pub fn is_affordable(text: &[u8]) -> bool {
    text.len() <= SMALL_TEXT_BYTES || estimated_memory(text) <= MAX_MEMORY
}

/// Parses an external JSON text.
///
/// # Errors
/// Returns an error if the text is not JSON or would take more than `MAX_MEMORY` bytes.
pub fn parse(text: &str) -> serde_json::Result<Value> {
    if !is_affordable(text.as_bytes()) {
        return Err(serde::de::Error::custom("it contains too many values"));
    }
    serde_json::from_str(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns the heap memory of a value, as the standard library allocates it.
    fn measured_memory(value: &Value) -> usize {
        const ENTRY_BYTES: usize = size_of::<String>() + size_of::<Value>();
        match value {
            Value::String(text) => text.capacity(),
            Value::Array(list) => {
                list.capacity() * size_of::<Value>()
                    + list.iter().map(measured_memory).sum::<usize>()
            }
            Value::Object(map) => {
                // A B-tree node has room for 11 entries, and every node except the root holds at least 5.
                let nodes = map.len().div_ceil(5);
                let entries = map
                    .iter()
                    .map(|(key, value)| key.capacity() + measured_memory(value));
                nodes * (11 * ENTRY_BYTES + 120) + entries.sum::<usize>()
            }
            _ => 0,
        }
    }

    #[test]
    fn small_texts_are_always_affordable() {
        for piece in ["[{\"\":0},", "{\"\":", "[", "0,", "[[],"] {
            let text = piece.repeat(SMALL_TEXT_BYTES / piece.len());
            assert!(estimated_memory(text.as_bytes()) <= MAX_MEMORY, "{piece}");
        }
    }

    #[test]
    fn a_text_that_expands_is_rejected_before_parsing() {
        let bomb = format!("[{}0]", "{\"\":0},".repeat(1 << 20));
        assert!(estimated_memory(bomb.as_bytes()) > 80 * bomb.len());
        assert!(parse(&bomb).is_err());
        // A text of the same length that is a single string needs little memory.
        let text = format!("[\"{}\"]", "{\\\"\\\":0},".repeat(1 << 20));
        assert!(parse(&text).is_ok());
        // A large list of embedding values is accepted.
        let numbers = format!("[{}0]", "0.0123456,".repeat(800_000));
        assert!(parse(&numbers).is_ok());
    }

    #[test]
    fn objects_of_any_size_are_covered() {
        for entries in 1..2_000 {
            let keys = (0..entries).map(|n| (char::from_u32(0x100 + n), Value::Null));
            let keys = keys.map(|(key, value)| (key.map(String::from).unwrap_or_default(), value));
            let value = Value::Object(keys.collect());
            let text = value.to_string();
            assert!(
                measured_memory(&value) <= estimated_memory(text.as_bytes()),
                "{entries}"
            );
        }
    }

    proptest! {
        #[test]
        fn the_estimate_is_never_too_low(text in arbitrary_json()) {
            let value: Value = serde_json::from_str(&text).expect("JSON");
            prop_assert!(measured_memory(&value) <= estimated_memory(text.as_bytes()), "{} {}", measured_memory(&value), text);
        }

        #[test]
        fn any_text_can_be_estimated(text in ".{0,200}") {
            prop_assert!(estimated_memory(text.as_bytes()) >= text.len());
        }
    }

    fn arbitrary_json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            ".{0,20}".prop_map(Value::from),
        ];
        let value = leaf.prop_recursive(5, 200, 20, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..20).prop_map(Value::from),
                prop::collection::btree_map(".{0,5}", inner, 0..20)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        });
        value.prop_map(|value| value.to_string())
    }
}
