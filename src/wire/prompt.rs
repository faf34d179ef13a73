//! Parts of request building that the API formats share: the turns in order, and the answer's schema as an instruction.

use serde_json::Value;

use super::{ModelCapabilities, cache_marks};
use crate::domain::chat::{CacheMark, Image, MessageRole, ModelRequest};
use crate::domain::model::Structured;
use crate::domain::tools::ToolCall;

/// A turn of the conversation. Adjacent turns with the same role are joined into one, because some vendors require
/// alternating roles.
pub(super) struct PromptTurn<'a> {
    pub is_model: bool,
    pub text: String,
    pub images: &'a [Image],
    pub calls: &'a [ToolCall],
    pub result_of: Option<&'a str>,
    pub reasoning: &'a str,
    pub reasoning_items: &'a [Value],
    /// The speaker's name, if all joined turns have the same name.
    pub name: Option<&'a str>,
    pub cache_marks: Vec<CacheMark>,
}

impl PromptTurn<'_> {
    fn is_plain(&self) -> bool {
        self.calls.is_empty() && self.result_of.is_none() && self.reasoning_items.is_empty()
    }
}

/// Separates the instructions from the turns of the conversation. If `shape` requires it, adds the answer's schema to
/// the instructions.
pub(super) fn split_instructions<'a>(
    request: &'a ModelRequest,
    shape: Structured,
) -> (String, Vec<PromptTurn<'a>>) {
    let mut system: Vec<String> = Vec::new();
    let mut turns: Vec<PromptTurn> = Vec::new();
    for message in &request.messages {
        if message.role == MessageRole::System {
            system.push(message.text.clone());
            continue;
        }
        let is_model = message.role == MessageRole::Assistant;
        match turns.last_mut() {
            Some(last)
                if last.is_model == is_model
                    && last.is_plain()
                    && message.images.is_empty()
                    && message.calls.is_empty()
                    && message.reasoning_items.is_empty()
                    && message.result_of.is_none() =>
            {
                last.text.push_str("\n\n");
                let before = last.text.len();
                last.cache_marks
                    .extend(cache_marks::shift_marks(&message.cache_marks, before));
                last.text.push_str(&message.text);
                last.name = last
                    .name
                    .filter(|name| message.name.as_deref() == Some(name));
            }
            _ => turns.push(PromptTurn {
                is_model,
                text: message.text.clone(),
                images: &message.images,
                calls: &message.calls,
                result_of: message.result_of.as_deref(),
                reasoning: &message.reasoning,
                reasoning_items: &message.reasoning_items,
                name: message.name.as_deref(),
                cache_marks: message.cache_marks.clone(),
            }),
        }
    }
    system.extend(schema_instruction(request, shape));
    (system.join("\n\n"), turns)
}

/// Returns the name of the tool to whose call a result belongs, because some vendors match results by name. Returns the
/// call's ID if there is no such call.
pub(super) fn tool_name<'a>(request: &'a ModelRequest, id: &'a str) -> &'a str {
    let mut calls = request.messages.iter().flat_map(|message| &message.calls);
    calls
        .find(|call| call.id == id)
        .map_or(id, |call| call.name.as_str())
}

/// Returns whether the client has sent results of tools. Some vendors then require their own reasoning back, which a
/// client may not have.
pub(super) fn has_tool_results(request: &ModelRequest) -> bool {
    let mut messages = request.messages.iter();
    request.tools.is_some() && messages.any(|message| message.result_of.is_some())
}

/// Returns whether a reasoning item is an Anthropic block with its signature, as Anthropic accepts it back.
pub(super) fn is_signed_thought(item: &Value) -> bool {
    let has_text = |name: &str| item[name].as_str().is_some_and(|text| !text.is_empty());
    match item["type"].as_str() {
        Some("thinking") => has_text("signature"),
        Some("redacted_thinking") => has_text("data"),
        _ => false,
    }
}

/// Returns whether a reasoning item is a self-contained Responses item, that is, the vendor has stored nothing under
/// its ID.
pub(super) fn is_encrypted_item(item: &Value) -> bool {
    item["type"] == "reasoning" && item["encrypted_content"].is_string()
}

/// Returns whether a reasoning item is one of OpenRouter's `reasoning_details`.
pub(super) fn is_openrouter_detail(item: &Value) -> bool {
    !matches!(
        item["type"].as_str(),
        Some("thinking" | "redacted_thinking" | "reasoning")
    )
}

/// Returns the schema as an instruction, for models that cannot enforce a schema in another way.
pub(super) fn schema_instruction(request: &ModelRequest, shape: Structured) -> Option<String> {
    let format = request.format.as_ref()?;
    (shape == Structured::Prompt).then(|| {
        format!(
            "Answer with one JSON object and nothing else: no words before or after it, no code fence. \
             It must be valid against this JSON schema:\n{}",
            format.schema
        )
    })
}

/// Effort levels, lowest first.
const EFFORT_LEVELS: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// Returns the thinking budget for an effort level, in tokens, for vendors that require a number. The values are
/// Quire's own choice.
pub(super) fn thinking_budget(effort: &str) -> u64 {
    match EFFORT_LEVELS.iter().position(|known| *known == effort) {
        Some(0) => 0,
        Some(1) => 1_024,
        Some(2) => 2_048,
        Some(4) => 16_384,
        Some(5) => 24_576,
        Some(6) => 32_000,
        _ => 8_192,
    }
}

/// Returns the effort level to send, if the model accepts one in the field `spelled`: the supported level that is
/// nearest to the requested one, or the lower one of two that are equally near.
pub(super) fn accepted_effort(
    request: &ModelRequest,
    capabilities: &ModelCapabilities,
    spelled: &str,
) -> Option<&'static str> {
    let requested_effort = request.parameters.reasoning_effort.as_deref();
    let requested_effort =
        requested_effort.filter(|_| capabilities.accepts_parameter("reasoning_effort", spelled))?;
    let place = |word: &str| EFFORT_LEVELS.iter().position(|known| *known == word);
    let requested_place = place(requested_effort)?;
    let known = capabilities.efforts.iter().filter_map(|word| place(word));
    let nearest = known.min_by_key(|known| (known.abs_diff(requested_place), *known));
    EFFORT_LEVELS
        .get(nearest.unwrap_or(requested_place))
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::parameters::{self, Parameters};

    #[test]
    fn an_effort_maps_to_a_level_that_the_model_accepts() {
        assert_eq!(EFFORT_LEVELS, parameters::EFFORTS);
        let effort_sent = |wanted: &str, efforts: &[&str]| {
            let request = ModelRequest {
                model: String::new(),
                messages: Vec::new(),
                parameters: Parameters {
                    reasoning_effort: Some(wanted.into()),
                    ..Parameters::default()
                },
                brief: Default::default(),
                deadline: std::time::Duration::ZERO,
                format: None,
                tools: None,
                passthrough: None,
                sample: 0,
                is_prefix_reused: false,
                is_live: false,
            };
            let capabilities = ModelCapabilities {
                efforts: efforts.iter().map(|word| (*word).to_owned()).collect(),
                ..ModelCapabilities::default()
            };
            accepted_effort(&request, &capabilities, "reasoning_effort")
        };
        for (wanted, efforts, expected) in [
            ("max", &[][..], "max"),
            ("high", &["low", "medium", "high"], "high"),
            ("max", &["low", "medium", "high"], "high"),
            ("none", &["low", "medium", "high"], "low"),
            ("low", &["none", "high"], "none"),
            ("medium", &["none", "high"], "high"),
            ("xhigh", &["high", "max"], "high"),
        ] {
            assert_eq!(
                effort_sent(wanted, efforts),
                Some(expected),
                "{wanted} {efforts:?}"
            );
        }
    }
}
