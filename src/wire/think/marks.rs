//! The marks that models put around their reasoning and their answers, as data.

/// A pair of marks.
pub(super) struct Marks {
    /// Empty where the model never writes one.
    pub open: &'static str,
    pub close: &'static str,
    /// No answer has it for another reason: recognized at the beginning of any line, and its closing mark ends
    /// reasoning that nothing has opened (chat templates that open it in the prompt). The others are plain XML
    /// names, recognized only where the answer begins with them.
    pub distinct: bool,
}

const fn marks(open: &'static str, close: &'static str, distinct: bool) -> Marks {
    Marks {
        open,
        close,
        distinct,
    }
}

/// The marks that models are known to use, in lower case; the case of a text does not matter. Longer ones stand
/// before those they begin with.
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
    // Apriel begins with its reasoning, whatever the prompt says.
    marks("", "[begin final response]", true),
    marks("<reason>", "</reason>", false),
    marks("<reasoning>", "</reasoning>", false),
    marks("<thought>", "</thought>", false),
    marks("<thoughts>", "</thoughts>", false),
    marks("<reflection>", "</reflection>", false),
    marks("<scratchpad>", "</scratchpad>", false),
];

/// Marks that some models put around the answer itself, in lower case. They are taken out where they stand directly
/// behind the reasoning; anywhere else they are the answer's own.
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

/// Channels whose marks a server has stripped: the names of the channels stand in the text without them.
#[derive(Debug)]
pub(super) struct BareChannels {
    /// Part of the model's id, in lower case.
    pub model: &'static str,
    /// What the text begins with: the reasoning's channel.
    pub open: &'static str,
    /// What stands between the reasoning and the answer.
    pub close: &'static str,
}

/// The models that write into channels. For all others such a text is the answer's own.
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

/// What every mark begins with.
pub(super) const FIRST: [char; 3] = ['<', '[', '◁'];
