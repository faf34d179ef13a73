//! The markers that models put around reasoning and answers.

/// A pair of markers that enclose reasoning.
pub(super) struct Marks {
    /// Opening marker; empty if the model never writes one.
    pub opening: &'static str,
    pub closing: &'static str,
    /// Whether the markers never occur as ordinary text. The opening marker is then recognized at the beginning of any
    /// line, and the closing marker also ends reasoning that was not opened by a marker, because chat templates may
    /// contain the opening marker. Other markers are plain XML names, and are recognized only at the beginning of the
    /// answer.
    pub distinct: bool,
}

const fn new_marks(open: &'static str, close: &'static str, distinct: bool) -> Marks {
    Marks {
        opening: open,
        closing: close,
        distinct,
    }
}

/// Known markers, in lowercase. Case is ignored when they are searched for. If one marker is the beginning of another,
/// the longer one comes first.
pub(super) const REASONING_MARKS: &[Marks] = &[
    // Used by DeepSeek, Qwen, GLM, MiniMax, and most others.
    new_marks("<think>", "</think>", true),
    new_marks("<thinking>", "</thinking>", true),
    new_marks("<antthinking>", "</antthinking>", true),
    // Used by Magistral.
    new_marks("[think]", "[/think]", true),
    // Used by Kimi.
    new_marks("◁think▷", "◁/think▷", true),
    // Used by Seed-OSS.
    new_marks("<seed:think>", "</seed:think>", true),
    // Used by LongCat.
    new_marks("<longcat_think>", "</longcat_think>", true),
    // Used by Cohere.
    new_marks("<|start_thinking|>", "<|end_thinking|>", true),
    // Used by OpenThinker, and by models trained on its data.
    new_marks("<|begin_of_thought|>", "<|end_of_thought|>", true),
    new_marks("<|think|>", "<|/think|>", true),
    new_marks("<|thinking|>", "<|/thinking|>", true),
    // Used by Gemma.
    new_marks("<|channel>thought", "<channel|>", true),
    new_marks("<unused94>thought", "<unused95>", true),
    // Used by Apertus.
    new_marks("<|inner_prefix|>", "<|inner_suffix|>", true),
    // Used by Apriel, which always starts with its reasoning, regardless of the prompt.
    new_marks("", "[begin final response]", true),
    new_marks("<reason>", "</reason>", false),
    new_marks("<reasoning>", "</reasoning>", false),
    new_marks("<thought>", "</thought>", false),
    new_marks("<thoughts>", "</thoughts>", false),
    new_marks("<reflection>", "</reflection>", false),
    new_marks("<scratchpad>", "</scratchpad>", false),
];

/// Markers that some models put around the answer itself, in lowercase. They are removed if they directly follow the
/// reasoning. Anywhere else, they are part of the answer.
pub(super) const ANSWER_MARKS: &[(&str, &str)] = &[
    // Used by Hunyuan.
    ("<answer>", "</answer>"),
    // Used by ERNIE and Granite.
    ("<response>", "</response>"),
    // Used by OpenThinker.
    ("<|begin_of_solution|>", "<|end_of_solution|>"),
    // Used by Cohere.
    ("<|start_response|>", "<|end_response|>"),
    ("[begin final response]", "[end final response]"),
];

/// Channels whose markers are stripped by the server, so that only the names of the channels remain in the text.
#[derive(Debug)]
pub(super) struct UnmarkedChannels {
    /// Part of the model's ID, in lowercase.
    pub model: &'static str,
    /// Beginning of the text: the name of the reasoning channel.
    pub opening: &'static str,
    /// Separator between the reasoning and the answer.
    pub closing: &'static str,
}

/// The models that write in channels. In answers of other models, such text is part of the answer.
pub(super) const UNMARKED_CHANNELS: &[UnmarkedChannels] = &[
    UnmarkedChannels {
        model: "gpt-oss",
        opening: "analysis",
        closing: "assistantfinal",
    },
    UnmarkedChannels {
        model: "gpt_oss",
        opening: "analysis",
        closing: "assistantfinal",
    },
];

/// First characters of all markers. Text without any of them contains no marker.
pub(super) const FIRST_CHARACTERS: [char; 3] = ['<', '[', '◁'];
