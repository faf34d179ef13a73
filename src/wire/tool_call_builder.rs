//! Assembles tool calls from the fragments in a stream. Hosts differ in how they number, identify, and repeat
//! fragments.

use serde_json::Value;

use crate::domain::chat::{CallError, CallErrorKind, Finish, ModelRequest, estimate_tokens};
use crate::domain::tools::{self, ToolCall};

/// The calls of one answer, in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct ToolCallBuilder(Vec<PendingCall>);

/// A tool call under construction.
#[derive(Debug, Default)]
struct PendingCall {
    /// Index of the call, as the vendor numbers it.
    index: u64,
    call: ToolCall,
    /// The last fragment of the arguments, as long as every fragment has begun with the whole previous one. Some hosts
    /// send all arguments so far instead of only the new part. Only the end of the stream shows which of the two the
    /// host does.
    repeated_fragment: Option<String>,
}

/// A fragment of a tool call. Fields that the fragment does not contain are empty.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ToolCallFragment<'a> {
    pub index: Option<u64>,
    pub id: &'a str,
    pub name: &'a str,
    pub arguments: &'a str,
}

impl ToolCallBuilder {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the total length of all arguments so far, in bytes.
    pub fn argument_bytes(&self) -> usize {
        self.0
            .iter()
            .map(|call| call.arguments_so_far().len())
            .sum()
    }

    /// Returns the estimated total length of all arguments so far, in tokens.
    pub fn argument_tokens(&self) -> u64 {
        let calls = self.0.iter();
        calls
            .map(|call| estimate_tokens(call.arguments_so_far()))
            .sum()
    }

    /// Adds a fragment, which continues a known call or begins a new one.
    pub fn add_fragment(&mut self, fragment: ToolCallFragment) {
        let at = match self.position_of(&fragment) {
            Some(at) => at,
            None if self.0.len() > tools::MAX_TOOLS => return,
            None => {
                let index = fragment.index.unwrap_or(self.next_index());
                self.0.push(PendingCall {
                    index,
                    ..PendingCall::default()
                });
                self.0.len() - 1
            }
        };
        let pending = &mut self.0[at];
        let call = &mut pending.call;
        for (field, value) in [(&mut call.id, fragment.id), (&mut call.name, fragment.name)] {
            if field.is_empty() {
                field.push_str(value);
            }
        }
        if fragment.arguments.is_empty() {
            return;
        }
        let before = match call.arguments.is_empty() {
            true => Some(""),
            false => pending.repeated_fragment.as_deref(),
        };
        let is_cumulative = before.is_some_and(|before| fragment.arguments.starts_with(before));
        pending.repeated_fragment = is_cumulative.then(|| fragment.arguments.to_owned());
        // Only whitespace may follow a complete object. Anything else means that the object is repeated or starts over.
        if is_object(&call.arguments) && !fragment.arguments.trim().is_empty() {
            call.arguments.clear();
        }
        call.arguments.push_str(fragment.arguments);
    }

    fn next_index(&self) -> u64 {
        let last = self.0.last();
        last.map_or(0, |pending| pending.index.saturating_add(1))
    }

    /// Returns the position of the call to which a fragment belongs, or `None` if it begins a new call.
    fn position_of(&self, fragment: &ToolCallFragment) -> Option<usize> {
        let ToolCallFragment {
            index, id, name, ..
        } = *fragment;
        let index_by_id =
            (self.0.iter()).rposition(|pending| !id.is_empty() && pending.call.id == id);
        let Some(index) = index else {
            // If the host sends no index, a new ID begins a new call.
            return match id.is_empty() && (name.is_empty() || self.is_open(name)) {
                true => self.0.len().checked_sub(1),
                false => index_by_id,
            };
        };
        let Some(at) = self.0.iter().rposition(|pending| pending.index == index) else {
            // Some hosts number the fragments instead of the calls, so the same call continues under a different index.
            return index_by_id.filter(|&at| !is_object(&self.0[at].call.arguments));
        };
        let call = &self.0[at].call;
        let is_other = !id.is_empty() && !call.id.is_empty() && call.id != id;
        // Some hosts give every call the number 0 and no ID, so a second complete call is a new one.
        let is_next_call = id.is_empty()
            && !name.is_empty()
            && call.arguments.trim() != "{}"
            && call.arguments.trim() != fragment.arguments.trim()
            && is_object(&call.arguments)
            && is_object(fragment.arguments);
        if is_next_call {
            return None;
        }
        // Gemini's compatible endpoint gives every parallel call the number 0. Other hosts give a call a new ID with
        // every fragment, but send no name, and nothing after the complete arguments.
        match is_other && (!name.is_empty() || is_object(&call.arguments)) {
            true => index_by_id,
            false => Some(at),
        }
    }

    /// Returns whether the last call has no name yet, or has this name and incomplete arguments. A fragment with this
    /// name then belongs to it.
    fn is_open(&self, name: &str) -> bool {
        let last = self.0.last().map(|pending| &pending.call);
        last.is_some_and(|call| {
            let has_begun = !call.arguments.trim().is_empty() && !is_object(&call.arguments);
            call.name.is_empty() || (call.name == name && has_begun)
        })
    }

    /// Appends a complete call.
    pub fn add_complete_call(
        &mut self,
        id: &str,
        name: &str,
        arguments: &Value,
        signature: Option<&str>,
    ) {
        if self.0.len() > tools::MAX_TOOLS {
            return;
        }
        let arguments = match arguments {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let call = ToolCall {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments,
            signature: signature.map(str::to_owned),
        };
        let index = self.next_index();
        self.0.push(PendingCall {
            index,
            call,
            repeated_fragment: None,
        });
    }

    /// Returns the arguments of the first call and removes them from it. Returns `None` if there are none.
    pub fn take_arguments(&mut self) -> Option<String> {
        let first = self.0.first_mut()?;
        let arguments = first.arguments();
        first.call.arguments.clear();
        Some(arguments).filter(|arguments| !arguments.is_empty())
    }

    /// Returns the calls. Each has a unique ID, a name, and an object as arguments. Omits a call that a token limit has
    /// cut off.
    ///
    /// # Errors
    ///
    /// `Malformed` when a call has no name or its arguments are not a JSON object.
    pub fn finish(
        self,
        request: &ModelRequest,
        finish: Option<Finish>,
    ) -> Result<Vec<ToolCall>, CallError> {
        let earlier = request.messages.iter().map(|message| message.calls.len());
        let mut number: usize = earlier.sum();
        let mut finished: Vec<ToolCall> = Vec::new();
        for pending in self.0 {
            let arguments = pending.arguments();
            let mut call = pending.call;
            call.arguments = match arguments.trim() {
                // PHP encodes an empty object as an empty list.
                "" | "null" | "[]" | "\"\"" => "{}".to_owned(),
                _ => arguments,
            };
            if call.name.is_empty() || !is_object(&call.arguments) {
                if finish == Some(Finish::Length) {
                    continue;
                }
                let why = "the model called a tool in a way that cannot be read";
                return Err(CallError::new(CallErrorKind::Malformed, why));
            }
            number += 1;
            // IDs must be unique, because clients match results with calls by ID.
            if call.id.is_empty() || finished.iter().any(|other| other.id == call.id) {
                call.id = format!("call_{number}");
            }
            finished.push(call);
        }
        finished.truncate(tools::MAX_TOOLS);
        Ok(finished)
    }
}

impl PendingCall {
    /// Returns the arguments so far. If every fragment has repeated the previous one, they are the last fragment.
    fn arguments_so_far(&self) -> &str {
        let repeated = self.repeated_fragment.as_deref();
        repeated.unwrap_or(&self.call.arguments)
    }

    /// Returns the arguments, interpreted in the first of these ways that results in an object: as sent, as the last of
    /// cumulative fragments, as JSON in a JSON string, as one object that is repeated, or as an object in a code fence
    /// or a list.
    fn arguments(&self) -> String {
        let sent_arguments = &self.call.arguments;
        if is_object(sent_arguments) {
            return sent_arguments.clone();
        }
        let repeated = self
            .repeated_fragment
            .clone()
            .filter(|text| is_object(text));
        let repaired = repeated
            .or_else(|| from_json_string(sent_arguments))
            .or_else(|| first_repetition(sent_arguments));
        let repaired = repaired.or_else(|| from_wrapper(sent_arguments));
        repaired.unwrap_or_else(|| sent_arguments.clone())
    }
}

/// Decodes a JSON string that contains a JSON object, and returns the object.
fn from_json_string(text: &str) -> Option<String> {
    let text = text.trim().strip_prefix('"').and(Some(text))?;
    let inner: String = serde_json::from_str(text).ok()?;
    is_object(&inner).then_some(inner)
}

/// Returns the object in a code fence, or the only element in a list.
fn from_wrapper(text: &str) -> Option<String> {
    let text = text.trim();
    let fenced = text
        .strip_prefix("```")
        .and_then(|text| text.strip_suffix("```"));
    let fenced = fenced.map(|text| text.strip_prefix("json").unwrap_or(text));
    let bracketed = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let inner = fenced.or(bracketed)?.trim();
    is_object(inner).then(|| inner.to_owned())
}

/// Returns the object in a text that consists of several repetitions of it.
fn first_repetition(text: &str) -> Option<String> {
    let text = text.trim();
    let mut objects = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    objects.next()?.ok()?;
    let (first, mut rest) = text.split_at(objects.byte_offset());
    while !rest.is_empty() {
        rest = rest.trim_start().strip_prefix(first)?;
    }
    is_object(first).then(|| first.to_owned())
}

fn is_object(text: &str) -> bool {
    let text = text.trim();
    // The first and last characters rule out most fragments without parsing.
    text.starts_with('{')
        && text.ends_with('}')
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Case<'a> = (
        &'a str,
        Vec<CallParts<'a>>,
        &'a [(&'a str, &'a str, &'a str)],
    );
    type CallParts<'a> = (Option<u64>, &'a str, &'a str, &'a str);

    fn calls(fragments: &[CallParts]) -> Vec<(String, String, String)> {
        let mut calling = ToolCallBuilder::default();
        for &(index, id, name, arguments) in fragments {
            calling.add_fragment(ToolCallFragment {
                index,
                id,
                name,
                arguments,
            });
        }
        let finished = calling.0.into_iter();
        finished
            .map(|pending| {
                let arguments = pending.arguments();
                (pending.call.id, pending.call.name, arguments)
            })
            .collect()
    }

    /// Some hosts send all arguments so far with each fragment.
    #[test]
    fn repeated_arguments_are_measured_once() {
        let mut calling = ToolCallBuilder::default();
        for arguments in [r#"{"#, r#"{"city""#, r#"{"city":"Oslo"}"#] {
            calling.add_fragment(ToolCallFragment {
                index: Some(0),
                arguments,
                ..ToolCallFragment::default()
            });
        }
        assert_eq!(
            (calling.argument_bytes(), calling.argument_tokens()),
            (15, 4)
        );
    }

    #[test]
    fn fragments_are_matched_to_their_call() {
        const OSLO: &str = r#"{"city":"Oslo"}"#;
        const ROME: &str = r#"{"city":"Rome"}"#;
        let single_call: &[(&str, &str, &str)] = &[("a", "weather", OSLO)];
        let two: &[(&str, &str, &str)] = &[("a", "weather", OSLO), ("b", "weather", ROME)];
        let cases: Vec<Case> = vec![
            (
                "fragments",
                vec![
                    (Some(0), "a", "weather", ""),
                    (Some(0), "", "", r#"{"city":"#),
                    (Some(0), "", "", r#""Oslo"}"#),
                ],
                single_call,
            ),
            (
                "index 0 for all",
                vec![
                    (Some(0), "a", "weather", OSLO),
                    (Some(0), "b", "weather", ROME),
                ],
                two,
            ),
            (
                "index 0, names first",
                vec![
                    (Some(0), "a", "weather", ""),
                    (Some(0), "", "", OSLO),
                    (Some(0), "b", "weather", ""),
                    (Some(0), "", "", ROME),
                ],
                two,
            ),
            (
                "no index",
                vec![
                    (None, "a", "weather", ""),
                    (None, "", "", OSLO),
                    (None, "b", "weather", ROME),
                ],
                two,
            ),
            (
                "no index, id repeated",
                vec![
                    (None, "a", "weather", r#"{"city":"#),
                    (None, "a", "", r#""Oslo"}"#),
                ],
                single_call,
            ),
            (
                "interleaved",
                vec![
                    (Some(0), "a", "weather", r#"{"city":"#),
                    (Some(1), "b", "weather", ROME),
                    (Some(0), "", "", r#""Oslo"}"#),
                ],
                two,
            ),
            (
                "whole twice",
                vec![
                    (Some(0), "a", "weather", OSLO),
                    (Some(0), "a", "weather", OSLO),
                ],
                single_call,
            ),
            (
                "pieces, then whole",
                vec![
                    (Some(0), "a", "weather", r#"{"city":"#),
                    (Some(0), "", "", r#""Oslo"}"#),
                    (Some(0), "a", "weather", OSLO),
                ],
                single_call,
            ),
            (
                "an empty object first",
                vec![
                    (Some(0), "a", "weather", "{}"),
                    (Some(0), "", "", r#"{"city":"#),
                    (Some(0), "", "", r#""Oslo"}"#),
                ],
                single_call,
            ),
            (
                "an id with every fragment",
                vec![
                    (Some(0), "a", "weather", r#"{"city":"#),
                    (Some(0), "z", "", r#""Oslo"}"#),
                ],
                single_call,
            ),
            (
                "an index with every fragment",
                vec![
                    (Some(0), "a", "weather", r#"{"city":"#),
                    (Some(1), "a", "", r#""Oslo"}"#),
                ],
                single_call,
            ),
            (
                "all so far with every fragment",
                vec![
                    (Some(0), "a", "weather", r#"{"ci"#),
                    (Some(0), "", "", r#"{"city":"Os"#),
                    (Some(0), "", "", OSLO),
                ],
                single_call,
            ),
            (
                "a part that begins like the whole",
                vec![
                    (Some(0), "a", "weather", r#"{"a":"#),
                    (Some(0), "", "", r#"{"a":1}}"#),
                ],
                &[("a", "weather", r#"{"a":{"a":1}}"#)],
            ),
            (
                "written as a text",
                vec![(Some(0), "a", "weather", r#""{\"city\":\"Oslo\"}""#)],
                single_call,
            ),
            (
                "twice in one fragment",
                vec![(
                    Some(0),
                    "a",
                    "weather",
                    r#"{"city":"Oslo"} {"city":"Oslo"}"#,
                )],
                single_call,
            ),
            (
                "two objects in one fragment are none",
                vec![(Some(0), "a", "weather", r#"{"city":"Oslo"}{"city":"Rome"}"#)],
                &[("a", "weather", r#"{"city":"Oslo"}{"city":"Rome"}"#)],
            ),
            (
                "no index and no id, the name with every fragment",
                vec![
                    (None, "", "weather", r#"{"city":"#),
                    (None, "", "weather", r#""Oslo"}"#),
                    (None, "", "weather", ROME),
                ],
                &[("", "weather", OSLO), ("", "weather", ROME)],
            ),
            (
                "space behind",
                vec![(Some(0), "a", "weather", OSLO), (Some(0), "", "", "")],
                single_call,
            ),
        ];
        for (what, fragments, expected) in cases {
            let expected: Vec<_> = expected
                .iter()
                .map(|&(id, name, arguments)| (id.into(), name.into(), arguments.into()))
                .collect();
            assert_eq!(calls(&fragments), expected, "{what}");
        }
    }
}
