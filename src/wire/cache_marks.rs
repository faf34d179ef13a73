//! Clients' prompt-cache markers (Anthropic's `cache_control`). They are read from content and tools, and written back
//! at the same positions. Other vendors have no such field.

use serde_json::{Value, json};

use super::serve_error::{RequestError, invalid};
use crate::domain::chat::{CacheMark, Message, MessageRole};
use crate::domain::tools::Tools;

/// The field in Anthropic's API that contains a marker.
pub(super) const CACHE_FIELD: &str = "cache_control";
/// Maximum size of a marker as JSON, in bytes. Vendors' markers contain only a type and a time to live.
const MAX_MARK_BYTES: usize = 256;

/// Returns the marker of a block or a tool, if it has one.
///
/// # Errors
///
/// Returns an error when the marker is not an object, or is larger than 256 bytes.
pub(super) fn block_mark(block: &Value) -> Result<Option<Value>, RequestError> {
    match &block[CACHE_FIELD] {
        Value::Null => Ok(None),
        mark @ Value::Object(_) if mark.to_string().len() <= MAX_MARK_BYTES => {
            Ok(Some(mark.clone()))
        }
        _ => invalid(
            "cache_control",
            "cache_control must be an object such as {\"type\": \"ephemeral\"}",
        ),
    }
}

/// Returns the marker of a tool call or tool result, which applies to the end of the message.
///
/// # Errors
///
/// Returns an error when the marker is not an object, or is larger than 256 bytes.
pub(super) fn parse_mark_after(block: &Value) -> Result<Option<CacheMark>, RequestError> {
    Ok(block_mark(block)?.map(|control| CacheMark { end: None, control }))
}

/// Returns whether a request contains cache markers.
pub fn has_marks(turns: &[Message], tools: Option<&Tools>) -> bool {
    let mut tools = tools.into_iter().flat_map(|tools| &tools.list);
    turns.iter().any(|turn| !turn.cache_marks.is_empty())
        || tools.any(|tool| tool.cache_control.is_some())
}

/// Returns the markers of all system messages, with offsets into the joined text.
pub(super) fn instruction_marks(messages: &[Message]) -> Vec<CacheMark> {
    let (mut marks, mut before) = (Vec::new(), 0);
    let instructions = messages
        .iter()
        .filter(|instruction| instruction.role == MessageRole::System);
    for message in instructions {
        marks.extend(shift_marks(&message.cache_marks, before));
        before += message.text.len() + INSTRUCTION_SEPARATOR.len();
    }
    marks
}

const INSTRUCTION_SEPARATOR: &str = "\n\n";

/// Shifts the markers of a text by the length of the text before it, in bytes.
pub(super) fn shift_marks(marks: &[CacheMark], bytes: usize) -> impl Iterator<Item = CacheMark> {
    marks.iter().map(move |mark| CacheMark {
        end: mark.end.map(|end| end + bytes),
        control: mark.control.clone(),
    })
}

/// Splits a text into text blocks that end at its markers. Markers of blank text are dropped.
pub(super) fn split_at_marks(text: &str, marks: &[CacheMark]) -> Vec<Value> {
    let (mut blocks, mut from) = (Vec::new(), 0);
    let ends = marks.iter().filter_map(|mark| Some((mark.end?, mark)));
    for (end, mark) in ends {
        let end = text.floor_char_boundary(end);
        let piece = text.get(from..end).unwrap_or_default();
        let piece = piece.strip_prefix(INSTRUCTION_SEPARATOR).unwrap_or(piece);
        // Vendors refuse a block that consists only of whitespace, so its marker is skipped. The cached prefix then
        // ends at the previous marker.
        if piece.trim().is_empty() {
            continue;
        }
        blocks.push(json!({ "type": "text", "text": piece, CACHE_FIELD: mark.control }));
        from = end;
    }
    let rest = &text[from..];
    let rest = match blocks.is_empty() {
        true => rest,
        false => rest.strip_prefix(INSTRUCTION_SEPARATOR).unwrap_or(rest),
    };
    if blocks.is_empty() || !rest.trim().is_empty() {
        blocks.push(json!({ "type": "text", "text": rest }));
    }
    blocks
}

/// Adds the client's marker at the end of a message, if there is one, to the message's last block.
pub(super) fn mark_last(blocks: &mut [Value], marks: &[CacheMark]) {
    let last = marks.iter().rev().find(|mark| mark.end.is_none());
    if let (Some(block), Some(mark)) = (blocks.last_mut(), last) {
        block[CACHE_FIELD] = mark.control.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_split_at_its_marks() {
        let mark = |end: usize| CacheMark {
            end: Some(end),
            control: json!({ "type": "ephemeral" }),
        };
        let texts = |text: &str, marks: &[CacheMark]| {
            let blocks = split_at_marks(text, marks);
            let describe = |block: &Value| {
                let text = block["text"].as_str().unwrap_or_default().to_owned();
                (text, !block[CACHE_FIELD].is_null())
            };
            blocks.iter().map(describe).collect::<Vec<_>>()
        };
        let owned = |text: &str, is_marked| (text.to_owned(), is_marked);
        for (text, marks, expected) in [
            ("a\n\nb", vec![], vec![owned("a\n\nb", false)]),
            (
                "a\n\nb",
                vec![mark(1)],
                vec![owned("a", true), owned("b", false)],
            ),
            ("a\n\nb", vec![mark(4)], vec![owned("a\n\nb", true)]),
            (
                "a\n\nb",
                vec![mark(1), mark(4)],
                vec![owned("a", true), owned("b", true)],
            ),
            (
                "a\n\nb",
                vec![mark(0), mark(99)],
                vec![owned("a\n\nb", true)],
            ),
            ("äb", vec![mark(1)], vec![owned("äb", false)]),
            ("", vec![mark(0)], vec![owned("", false)]),
        ] {
            assert_eq!(texts(text, &marks), expected, "{text:?}");
        }
    }
}
