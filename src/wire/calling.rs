//! Tool calls put together from a stream's fragments, which hosts number, repeat, and identify in different ways.

use serde_json::Value;

use crate::domain::chat::{CallError, CallErrorKind, Finish, Request, estimate_tokens};
use crate::domain::tools::{self, ToolCall};

/// The calls of one answer, each under its index in the vendor's count.
#[derive(Debug, Default)]
pub(super) struct Calling(Vec<(u64, ToolCall)>);

/// What a fragment says. Empty text means that it does not say.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fragment<'a> {
    pub index: Option<u64>,
    pub id: &'a str,
    pub name: &'a str,
    pub arguments: &'a str,
}

impl Calling {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of all arguments so far.
    pub fn argument_bytes(&self) -> usize {
        let arguments = self.0.iter().map(|(_, call)| call.arguments.len());
        arguments.sum()
    }

    /// About how many tokens they have.
    pub fn argument_tokens(&self) -> u64 {
        let arguments = self.0.iter();
        arguments
            .map(|(_, call)| estimate_tokens(&call.arguments))
            .sum()
    }

    /// Takes a fragment: more of a call that is known, or the beginning of another.
    pub fn take(&mut self, fragment: Fragment) {
        let at = match self.known(&fragment) {
            Some(at) => at,
            None if self.0.len() > tools::MOST => return,
            None => {
                let next = self
                    .0
                    .last()
                    .map_or(0, |(index, _)| index.saturating_add(1));
                self.0
                    .push((fragment.index.unwrap_or(next), ToolCall::default()));
                self.0.len() - 1
            }
        };
        let call = &mut self.0[at].1;
        for (field, told) in [(&mut call.id, fragment.id), (&mut call.name, fragment.name)] {
            if field.is_empty() {
                field.push_str(told);
            }
        }
        // Nothing may follow a complete object but space: it is given once more, or begins again.
        if is_object(&call.arguments) && !fragment.arguments.trim().is_empty() {
            call.arguments.clear();
        }
        call.arguments.push_str(fragment.arguments);
    }

    /// Which call a fragment belongs to; none where it begins one.
    fn known(&self, fragment: &Fragment) -> Option<usize> {
        let Fragment {
            index, id, name, ..
        } = *fragment;
        let of_id = (self.0.iter()).rposition(|(_, call)| !id.is_empty() && call.id == id);
        let Some(index) = index else {
            // Without an index, an id that is new begins a call.
            return match id.is_empty() && (name.is_empty() || self.is_open()) {
                true => self.0.len().checked_sub(1),
                false => of_id,
            };
        };
        let Some(at) = self.0.iter().rposition(|(own, _)| *own == index) else {
            // A host that counts fragments: the same call goes on under another index.
            return of_id.filter(|&at| !is_object(&self.0[at].1.arguments));
        };
        let call = &self.0[at].1;
        let is_other = !id.is_empty() && !call.id.is_empty() && call.id != id;
        // Gemini's compatible endpoint numbers every parallel call 0. Others give one call a new id with every
        // fragment, but neither a name nor anything behind complete arguments.
        match is_other && (!name.is_empty() || is_object(&call.arguments)) {
            true => of_id,
            false => Some(at),
        }
    }

    /// The last call has no name yet: one that comes is its own.
    fn is_open(&self) -> bool {
        self.0.last().is_some_and(|(_, call)| call.name.is_empty())
    }

    /// A whole call, behind those that are known.
    pub fn take_whole(&mut self, id: &str, name: &str, arguments: &Value, signature: Option<&str>) {
        if self.0.len() > tools::MOST {
            return;
        }
        let index = self
            .0
            .last()
            .map_or(0, |(index, _)| index.saturating_add(1));
        let arguments = match arguments {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let call = ToolCall {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments,
            signature: signature.map(str::to_owned),
            ..ToolCall::default()
        };
        self.0.push((index, call));
    }

    /// The arguments of the first call, taken out.
    pub fn take_arguments(&mut self) -> Option<String> {
        let (_, first) = self.0.first_mut()?;
        Some(std::mem::take(&mut first.arguments)).filter(|arguments| !arguments.is_empty())
    }

    /// The calls as they are passed on: each with an id, a name and an object. A call that a limit cut off is
    /// left out.
    ///
    /// # Errors
    /// `Malformed` where a call has no name or its arguments are no JSON object.
    pub fn finish(
        self,
        request: &Request,
        finish: Option<Finish>,
    ) -> Result<Vec<ToolCall>, CallError> {
        let earlier = request.messages.iter().map(|message| message.calls.len());
        let mut number: usize = earlier.sum();
        let mut told: Vec<ToolCall> = Vec::new();
        for (_, mut call) in self.0 {
            if call.arguments.trim().is_empty() || call.arguments.trim() == "null" {
                "{}".clone_into(&mut call.arguments);
            }
            if call.name.is_empty() || !is_object(&call.arguments) {
                if finish == Some(Finish::Length) {
                    continue;
                }
                let why = "the model called a tool in a way that cannot be read";
                return Err(CallError::new(CallErrorKind::Malformed, why));
            }
            number += 1;
            // Results are matched with calls by their ids.
            if call.id.is_empty() || told.iter().any(|other| other.id == call.id) {
                call.id = format!("call_{number}");
            }
            told.push(call);
        }
        told.truncate(tools::MOST);
        Ok(told)
    }
}

fn is_object(text: &str) -> bool {
    let text = text.trim();
    // Most fragments are refused by their last character.
    text.starts_with('{')
        && text.ends_with('}')
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Case<'a> = (&'a str, Vec<Told<'a>>, &'a [(&'a str, &'a str, &'a str)]);
    type Told<'a> = (Option<u64>, &'a str, &'a str, &'a str);

    fn calls(fragments: &[Told]) -> Vec<(String, String, String)> {
        let mut calling = Calling::default();
        for &(index, id, name, arguments) in fragments {
            calling.take(Fragment {
                index,
                id,
                name,
                arguments,
            });
        }
        let told = calling.0.into_iter().map(|(_, call)| call);
        told.map(|call| (call.id, call.name, call.arguments))
            .collect()
    }

    #[test]
    fn fragments_find_their_call() {
        const OSLO: &str = r#"{"city":"Oslo"}"#;
        const ROME: &str = r#"{"city":"Rome"}"#;
        let one: &[(&str, &str, &str)] = &[("a", "weather", OSLO)];
        let two: &[(&str, &str, &str)] = &[("a", "weather", OSLO), ("b", "weather", ROME)];
        let cases: Vec<Case> = vec![
            (
                "fragments",
                vec![
                    (Some(0), "a", "weather", ""),
                    (Some(0), "", "", r#"{"city":"#),
                    (Some(0), "", "", r#""Oslo"}"#),
                ],
                one,
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
                one,
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
                one,
            ),
            (
                "pieces, then whole",
                vec![
                    (Some(0), "a", "weather", r#"{"city":"#),
                    (Some(0), "", "", r#""Oslo"}"#),
                    (Some(0), "a", "weather", OSLO),
                ],
                one,
            ),
            (
                "an empty object first",
                vec![
                    (Some(0), "a", "weather", "{}"),
                    (Some(0), "", "", r#"{"city":"#),
                    (Some(0), "", "", r#""Oslo"}"#),
                ],
                one,
            ),
            (
                "an id with every fragment",
                vec![
                    (Some(0), "a", "weather", r#"{"city":"#),
                    (Some(0), "z", "", r#""Oslo"}"#),
                ],
                one,
            ),
            (
                "an index with every fragment",
                vec![
                    (Some(0), "a", "weather", r#"{"city":"#),
                    (Some(1), "a", "", r#""Oslo"}"#),
                ],
                one,
            ),
            (
                "space behind",
                vec![(Some(0), "a", "weather", OSLO), (Some(0), "", "", "")],
                one,
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
