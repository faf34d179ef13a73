//! Other vendors' reasoning in a Responses item. The item's `encrypted_content` contains the vendor's own block as
//! JSON, so a client that sends the item back also sends back the block with its signature.

use serde_json::{Value, json};

use super::prompt::{is_encrypted_item, is_signed_thought};

/// Maximum size of an `encrypted_content` that is parsed, in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// Wraps a vendor's block in a reasoning item. The block's text becomes the item's summary, and the whole block is
/// included, so that it can be sent back. Returns `None` if the block is already a Responses item, or if its vendor
/// does not accept it back.
pub(super) fn wrap_block(id: &str, block: &Value) -> Option<Value> {
    if block["type"] == "reasoning" || !(is_signed_thought(block) || is_opaque(block)) {
        return None;
    }
    let words = block["thinking"].as_str().unwrap_or_default();
    let summary = match words.is_empty() {
        true => json!([]),
        false => json!([{ "type": "summary_text", "text": words }]),
    };
    Some(json!({
        "id": id, "type": "reasoning", "summary": summary, "encrypted_content": block.to_string(),
    }))
}

/// Returns the vendor's block in an item that a client sends back. Returns `None` if the item is a native Responses
/// item.
pub(super) fn unwrap_block(item: &Value) -> Option<Value> {
    if !is_encrypted_item(item) {
        return None;
    }
    let text = item["encrypted_content"].as_str()?;
    if text.len() > MAX_BYTES || !text.starts_with('{') {
        return None;
    }
    let block: Value = crate::domain::json::parse(text).ok()?;
    (is_signed_thought(&block) || is_opaque(&block)).then_some(block)
}

/// Returns whether the block is one of OpenRouter's `reasoning_details`, which are sent back unchanged.
fn is_opaque(item: &Value) -> bool {
    let kind = item["type"].as_str().unwrap_or_default();
    kind.starts_with("reasoning.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_round_trips_through_an_item() {
        for block in [
            json!({ "type": "thinking", "thinking": "Okay.", "signature": "c2ln" }),
            json!({ "type": "redacted_thinking", "data": "b3A" }),
            json!({ "type": "reasoning.encrypted", "data": "b3A", "index": 0 }),
        ] {
            let item = wrap_block("rs_1", &block).expect("an item");
            assert_eq!(item["type"], "reasoning");
            assert_eq!(unwrap_block(&item), Some(block));
        }
        for own in [
            json!({ "type": "reasoning", "summary": [], "encrypted_content": "gAAAA" }),
            json!({ "type": "reasoning", "summary": [], "encrypted_content": "{\"type\":\"tool_use\"}" }),
            json!({ "type": "reasoning", "summary": [], "encrypted_content": "{" }),
            json!({ "type": "reasoning", "summary": [] }),
        ] {
            assert_eq!(unwrap_block(&own), None, "{own}");
        }
        let unsigned = json!({ "type": "thinking", "thinking": "Okay.", "signature": "" });
        assert_eq!(wrap_block("rs_1", &unsigned), None);
    }
}
