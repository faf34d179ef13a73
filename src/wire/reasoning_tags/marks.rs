//! The markers that models put around reasoning and answers.

/// A pair of markers.
pub(super) struct Marks {
    /// Opening marker; empty if the model never writes one.
    pub open: &'static str,
    pub close: &'static str,
    /// Whether it never occurs in answers for another reason. It is then recognized at the beginning of any line,
    /// and its closing marker ends reasoning that no marker has opened (as with chat templates that open it in the
    /// prompt). Other markers are plain XML names, recognized only at the beginning of the answer.
    pub distinct: bool,
}

const fn marks(open: &'static str, close: &'static str, distinct: bool) -> Marks {
    Marks {
        open,
        close,
        distinct,
    }
}

/// Known markers, in lowercase; matching ignores case. A longer marker precedes its own prefixes.
pub(super) const MARKS: &[Marks] = &[
    // DeepSeek, Qwen, GLM, MiniMax, and most others.
    marks("<think>", "</think>", true),
    marks("<thinking>", "</thinking>", true),
    marks("<antthinking>", "</antthinking>", true),
    // Magistral.
    marks("[think]", "[/think]", true),
    // Kimi.
    marks("◁think▷", "◁/think▷", true),
    // Seed-OSS.
    marks("<seed:think>", "</seed:think>", true),
    // LongCat.
    marks("<longcat_think>", "</longcat_think>", true),
    // Cohere.
    marks("<|start_thinking|>", "<|end_thinking|>", true),
    // OpenThinker, and models trained on its data.
    marks("<|begin_of_thought|>", "<|end_of_thought|>", true),
    marks("<|think|>", "<|/think|>", true),
    marks("<|thinking|>", "<|/thinking|>", true),
    // Gemma.
    marks("<|channel>thought", "<channel|>", true),
    marks("<unused94>thought", "<unused95>", true),
    // Apertus.
    marks("<|inner_prefix|>", "<|inner_suffix|>", true),
    // Apriel begins with its reasoning, whatever the prompt.
    marks("", "[begin final response]", true),
    marks("<reason>", "</reason>", false),
    marks("<reasoning>", "</reasoning>", false),
    marks("<thought>", "</thought>", false),
    marks("<thoughts>", "</thoughts>", false),
    marks("<reflection>", "</reflection>", false),
    marks("<scratchpad>", "</scratchpad>", false),
];

/// Markers that some models put around the answer itself, in lowercase. They are removed directly after the
/// reasoning; elsewhere they are part of the answer.
pub(super) const ANSWERS: &[(&str, &str)] = &[
    // Hunyuan.
    ("<answer>", "</answer>"),
    // ERNIE, Granite.
    ("<response>", "</response>"),
    // OpenThinker.
    ("<|begin_of_solution|>", "<|end_of_solution|>"),
    // Cohere.
    ("<|start_response|>", "<|end_response|>"),
    ("[begin final response]", "[end final response]"),
];

/// Channels whose markers a server strips, so that only their names remain in the text.
#[derive(Debug)]
pub(super) struct BareChannels {
    /// Part of the model's ID, in lowercase.
    pub model: &'static str,
    /// Beginning of the text: the name of the reasoning channel.
    pub open: &'static str,
    /// Separator between the reasoning and the answer.
    pub close: &'static str,
}

/// The models that write in channels. For all other models, such text is part of the answer.
pub(super) const BARE: &[BareChannels] = &[
    BareChannels {
        model: "gpt-oss",
        open: "analysis",
        close: "assistantfinal",
    },
    BareChannels {
        model: "gpt_oss",
        open: "analysis",
        close: "assistantfinal",
    },
];

/// First characters of all markers.
pub(super) const FIRST: [char; 3] = ['<', '[', '◁'];
