//! Vendors' names for the regular end of an answer. Any other reason means that the answer was cut off.

use crate::domain::chat::Finish;

/// Documented finish reasons of a regular end, in lowercase. Routers pass on the reason from the model's own vendor, so
/// a single table serves all API formats.
const REGULAR_REASONS: &[(&str, Finish)] = &[
    // Used by OpenAI, Gemini, Ollama, and most others.
    ("stop", Finish::Stop),
    ("length", Finish::Length),
    ("max_tokens", Finish::Length),
    ("tool_calls", Finish::ToolCalls),
    ("function_call", Finish::ToolCalls),
    ("content_filter", Finish::ContentFilter),
    // Used by OpenAI's Responses.
    ("completed", Finish::Stop),
    ("max_output_tokens", Finish::Length),
    // Used by Anthropic, and by Bedrock's Converse.
    ("end_turn", Finish::Stop),
    ("stop_sequence", Finish::Stop),
    ("tool_use", Finish::ToolCalls),
    ("model_context_window_exceeded", Finish::Length),
    // The model would continue if it were called again, so the answer is incomplete.
    ("pause_turn", Finish::Length),
    ("refusal", Finish::ContentFilter),
    ("guardrail_intervened", Finish::ContentFilter),
    ("content_filtered", Finish::ContentFilter),
    // Used by Mistral.
    ("model_length", Finish::Length),
    // Used by Together and by Text Generation Inference.
    ("eos", Finish::Stop),
    ("eos_token", Finish::Stop),
    // Used by Cohere.
    ("complete", Finish::Stop),
    ("tool_call", Finish::ToolCalls),
    // Used by Z.ai.
    ("sensitive", Finish::ContentFilter),
    // Used by llama.cpp's own completions.
    ("limit", Finish::Length),
    // Used by watsonx, whose `not_finished`, `time_limit`, and `cancelled` mean that the answer was cut off.
    ("token_limit", Finish::Length),
    // Used by AI21.
    ("endoftext", Finish::Stop),
    // Used by Titan on Bedrock.
    ("finished", Finish::Stop),
    ("stop_criteria_met", Finish::Stop),
    // Used by ERNIE.
    ("normal", Finish::Stop),
    // Reported by Cohere's toxicity filter.
    ("error_toxic", Finish::ContentFilter),
    // Reported by Gemini's filters.
    ("safety", Finish::ContentFilter),
    ("recitation", Finish::ContentFilter),
    ("blocklist", Finish::ContentFilter),
    ("prohibited_content", Finish::ContentFilter),
    ("spii", Finish::ContentFilter),
    ("language", Finish::ContentFilter),
    ("model_armor", Finish::ContentFilter),
    ("image_safety", Finish::ContentFilter),
    ("image_prohibited_content", Finish::ContentFilter),
    ("image_recitation", Finish::ContentFilter),
];

/// Prefixes of enum names. Proxies keep them when they print an SDK's value.
const ENUM_PREFIXES: &[&str] = &[
    "finish_reason_",
    "finishreason.",
    "stop_reason_",
    "stopreason.",
    "reason_",
];

/// Parses a finish reason. Returns `None` if no vendor documents it as a regular end.
pub(super) fn parse(reason: &str) -> Option<Finish> {
    let reason = reason.trim().trim_matches('"').to_ascii_lowercase();
    let reason = reason.replace(['-', ' '], "_");
    let bare_reason = ENUM_PREFIXES
        .iter()
        .find_map(|prefix| reason.strip_prefix(prefix));
    let reason = bare_reason.unwrap_or(&reason);
    // Gemini's compatible endpoint appends the name of the filter to the reason: `content_filter: RECITATION`.
    let (word, is_filter) = match reason.split_once(':') {
        Some((word, _)) => (word, true),
        None => (reason, false),
    };
    // Some SDKs print `EndTurn` instead of `end_turn`.
    let is_word = |known: &str| {
        let letters = |text: &str| {
            text.bytes()
                .filter(|byte| *byte != b'_')
                .collect::<Vec<_>>()
        };
        known == word || letters(known) == letters(word)
    };
    let regular_reason = REGULAR_REASONS.iter().find(|(known, _)| is_word(known));
    let finish = regular_reason.map(|(_, finish)| *finish);
    finish.filter(|finish| !is_filter || *finish == Finish::ContentFilter)
}

/// Returns whether a value means, in any spelling, that there is no finish reason yet.
pub(super) fn is_unset(reason: &str) -> bool {
    matches!(reason.trim(), "" | "null" | "none" | "None")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_documented_reasons_are_regular() {
        for (reason, expected) in [
            ("stop", Some(Finish::Stop)),
            ("STOP", Some(Finish::Stop)),
            ("End_Turn", Some(Finish::Stop)),
            ("MAX_TOKENS", Some(Finish::Length)),
            ("LENGTH", Some(Finish::Length)),
            ("tool-calls", Some(Finish::ToolCalls)),
            ("content_filter: RECITATION", Some(Finish::ContentFilter)),
            ("insufficient_system_resource", None),
            ("error", None),
            ("abort", None),
            ("network_error", None),
            ("OTHER", None),
            ("FINISH_REASON_UNSPECIFIED", None),
            ("stopped by the scheduler", None),
            ("cancelled", None),
            ("FINISH_REASON_STOP", Some(Finish::Stop)),
            ("FinishReason.MAX_TOKENS", Some(Finish::Length)),
            ("token_limit", Some(Finish::Length)),
            ("time_limit", None),
            ("not_finished", None),
            ("reason_", None),
            ("EndTurn", Some(Finish::Stop)),
            ("\"stop\"", Some(Finish::Stop)),
            ("stop: error", None),
        ] {
            assert_eq!(parse(reason), expected, "{reason}");
        }
    }
}
