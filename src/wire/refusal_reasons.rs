//! Recognizes from an error message why a provider has refused a request, for the few reasons that users need to know.

/// Message for a request with images to a model that does not accept images.
pub(super) const NO_IMAGES: &str = "the model does not accept images";
/// Returns the reason for a refusal, if the provider's message is unambiguous. The reason is in Quire's own words,
/// because not every user may see the provider's words.
pub(super) fn recognize_reason(codes: &str, message: &str) -> Option<String> {
    const REASON_TABLE: &[(&[&str], &str)] = &[
        (
            &[
                "context_length",
                "context length",
                "context window",
                "maximum context",
                "prompt is too long",
                "input is too long",
                "too many tokens",
                "token count exceeds",
                "request_too_large",
                "request too large",
                // Used by llama.cpp.
                "context size",
                "exceed_context_size",
                // Used by Text Generation Inference, Together, and Gemini.
                "`inputs` tokens",
                "`inputs` must have less than",
                "input token count",
                // Used by Groq.
                "reduce the length of the messages",
            ],
            TOO_LONG_MESSAGE,
        ),
        (
            &[
                "model_not_found",
                "does not exist",
                "model not found",
                "no such model",
                "unknown model",
                "not a valid model",
                "not found, try pulling it",
                "is not found for api version",
            ],
            UNKNOWN_MODEL_MESSAGE,
        ),
        (
            &[
                "content_policy",
                "content_filter",
                "content management policy",
                "moderation",
                "safety",
                "usage policy",
            ],
            "the provider's rules do not allow this request",
        ),
        (
            &[
                "image input",
                "images are not",
                "image_url",
                "support image",
                "not a multimodal model",
                "vision",
            ],
            NO_IMAGES,
        ),
    ];
    let message = message.to_ascii_lowercase();
    let fits = |(marks, _): &&(&[&str], &str)| {
        let mut marks = marks.iter();
        marks.any(|mark| codes.contains(mark) || message.contains(mark))
    };
    let (_, sentence) = REASON_TABLE.iter().find(fits)?;
    // The size of the context window is not confidential, and users need to know it.
    let length = context_window(&message);
    Some(match length {
        Some(length) if *sentence == TOO_LONG_MESSAGE => {
            format!("{TOO_LONG_MESSAGE}: its maximum context length is {length} tokens")
        }
        _ => (*sentence).to_owned(),
    })
}

/// Phrases that precede the size of the context window in the messages of various servers.
const WINDOW_PHRASES: &[&str] = &[
    "context length is ",
    "context length of ",
    "context length (",
    "context size (",
    "context window is ",
    "context window of ",
    "context window (",
    "context limit is ",
    "number of tokens allowed (",
    "must have less than ",
    "must be <= ",
    "tokens > ",
    "model with ",
];

/// Returns the size of the model's context window, in tokens, if the message states it.
fn context_window(message: &str) -> Option<u64> {
    let number = |rest: &str| {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != ',');
        let digits = rest[..end.unwrap_or(rest.len())].replace(',', "");
        digits.parse::<u64>().ok()
    };
    let mut window_texts =
        { WINDOW_PHRASES.iter() }.filter_map(|before| message.split_once(before));
    window_texts.find_map(|(_, rest)| number(rest))
}

/// Returns whether a reason shows, even without a status or an error code, that the request is at fault.
pub(super) fn is_request_fault(reason: Option<&str>) -> bool {
    reason.is_some_and(|reason| {
        reason.starts_with(TOO_LONG_MESSAGE) || reason == UNKNOWN_MODEL_MESSAGE
    })
}

const UNKNOWN_MODEL_MESSAGE: &str = "the provider does not know this model";
const TOO_LONG_MESSAGE: &str = "the question with its documents is longer than the model can read";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_window_size_in_a_refusal_is_preserved() {
        for message in [
            "This model's maximum context length is 4096 tokens. However, you requested 9000 tokens.",
            "The input (9000 tokens) is longer than the model's context length (4096 tokens).",
            "Requested token count exceeds the model's maximum context length of 4,096 tokens.",
            "the request exceeds the available context size (4096 tokens), try increasing it",
            "The input token count (9000) exceeds the maximum number of tokens allowed (4096).",
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 9000",
            "Prompt contains 9000 tokens, too large for model with 4096 maximum context length",
            "prompt is too long: 9000 tokens > 4096 maximum",
        ] {
            let reason = recognize_reason("", message).unwrap_or_default();
            assert!(
                reason.ends_with("context length is 4096 tokens"),
                "{message}: {reason}"
            );
            assert!(is_request_fault(Some(&reason)));
        }
        assert_eq!(
            recognize_reason("", "too many tokens").as_deref(),
            Some(TOO_LONG_MESSAGE)
        );
        assert_eq!(recognize_reason("", "the engine died"), None);
    }
}
