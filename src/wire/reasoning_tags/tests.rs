//! Tests that text is split into reasoning and answer in the same way wherever the chunks end.

use proptest::prelude::*;

use super::*;

fn split_pieces_with(mut splitter: ReasoningSplitter, pieces: &[&str]) -> (String, String) {
    let mut out = Vec::new();
    for piece in pieces {
        splitter.push(piece, &mut out);
    }
    splitter.finish(&mut out);
    let (mut reasoning, mut answer) = (String::new(), String::new());
    for piece in out {
        match piece {
            SplitPiece::Text(text) => answer.push_str(&text),
            SplitPiece::Reasoning(text) => reasoning.push_str(&text),
            SplitPiece::BlockEnd(_) => {}
            SplitPiece::Closed(_) => reasoning.push_str(&std::mem::take(&mut answer)),
        }
    }
    (reasoning, answer)
}

fn split_pieces(pieces: &[&str]) -> (String, String) {
    split_pieces_with(ReasoningSplitter::default(), pieces)
}

const SPLIT_CASES: &[(&str, &str, &str)] = &[
    ("plain", "", "plain"),
    ("<think>a < b</think>\n\nyes", "a < b", "yes"),
    ("\n<think></think>yes", "", "yes"),
    ("<thinker>", "", "<thinker>"),
    ("<thi", "", "<thi"),
    ("<think>never closed </thin", "never closed </thin", ""),
    ("say <think>no</think>", "", "say <think>no</think>"),
    ("say `<think>no</think>`", "", "say `<think>no</think>`"),
    ("<thinking>a</think></thinking>b", "a</think>", "b"),
    ("<reasoning>a</reasoning> b", "a", "b"),
    ("<Thought>a</Thought>b", "a", "b"),
    ("<|begin_of_thought|>a<|end_of_thought|>b", "a", "b"),
    ("[THINK]a[/THINK]b", "a", "b"),
    ("◁think▷a◁/think▷b", "a", "b"),
    ("<seed:think>a</seed:think>b", "a", "b"),
    ("<|START_THINKING|>a<|END_THINKING|>b", "a", "b"),
    ("<|channel>thought\na<channel|>b", "\na", "b"),
    // Closing markers without an opening one.
    ("a is so.\n</think>\n\nb", "a is so.\n", "b"),
    ("a[/THINK]b", "a", "b"),
    ("</think>\n\nb", "", "b"),
    ("a </reasoning> b", "", "a </reasoning> b"),
    ("a ```\n</think>\n``` b", "a ```\n", "``` b"),
    ("a\n```\n</think>\n```\nb", "", "a\n```\n</think>\n```\nb"),
    ("a `</think>` b", "", "a `</think>` b"),
    ("a </think> b </think> c", "a ", "b </think> c"),
    // Several blocks of reasoning.
    ("<think>a</think>b <think>c</think>d", "ac", "b d"),
    ("<think>a</think><think>b</think>c", "ab", "c"),
    ("b\n<think>a</think>\nc", "a", "b\n\nc"),
    ("<reason>a</reason>b\n<reason>c</reason>d", "ac", "b\nd"),
    (
        "<out>\n<reason>a</reason>\n</out>",
        "",
        "<out>\n<reason>a</reason>\n</out>",
    ),
    (
        "<think>a</think>b\n```\n<think>c</think>\n```",
        "a",
        "b\n```\n<think>c</think>\n```",
    ),
    // An opening marker with attributes.
    ("<think lang=\"en\">a</think>b", "a", "b"),
    ("<think about it>", "", "<think about it>"),
    ("<thinker a=\"b\">", "", "<thinker a=\"b\">"),
    // Answers that are also enclosed in markers.
    ("<think>a</think>\n<answer>\nb\n</answer>\n", "a", "b"),
    ("<think>a</think><answer>b c</answer>", "a", "b c"),
    ("<think>a</think><response>b", "a", "b"),
    (
        "<think>a</think>b <answer>c</answer>",
        "a",
        "b <answer>c</answer>",
    ),
    ("<answer>b</answer>", "", "<answer>b</answer>"),
    (
        "<|begin_of_thought|>a<|end_of_thought|>\n\n<|begin_of_solution|>b<|end_of_solution|>",
        "a",
        "b",
    ),
    (
        "My steps:\n1. a\n[BEGIN FINAL RESPONSE]\nb\n[END FINAL RESPONSE]\n",
        "My steps:\n1. a\n",
        "b",
    ),
    // Channels in gpt-oss's format.
    (
        "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b",
        "a",
        "b",
    ),
    (
        "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b<|return|>",
        "a",
        "b",
    ),
    (
        "<|start|>assistant<|channel|>analysis<|message|>a<|start|>assistant<|channel|>commentary<|message|>c<|end|><|channel|>final<|message|>b",
        "ac",
        "b",
    ),
    ("<|channel|>final<|message|>b", "", "b"),
    ("  two spaces", "", "  two spaces"),
];

#[test]
fn reasoning_is_separated_wherever_the_text_is_split() {
    for (full_text, reasoning, answer) in SPLIT_CASES {
        let expected = ((*reasoning).to_owned(), (*answer).to_owned());
        assert_eq!(split_pieces(&[full_text]), expected, "{full_text}");
        for cut in (0..=full_text.len()).filter(|&cut| full_text.is_char_boundary(cut)) {
            assert_eq!(
                split_pieces(&[&full_text[..cut], &full_text[cut..]]),
                expected,
                "{full_text} at {cut}"
            );
        }
        let single: Vec<String> = full_text.chars().map(String::from).collect();
        let single: Vec<&str> = single.iter().map(String::as_str).collect();
        assert_eq!(split_pieces(&single), expected, "{full_text} by character");
    }
}

#[test]
fn reasoning_opened_in_the_prompt_is_held_until_closed() {
    for (full_text, reasoning, answer) in [
        ("a\n</think>\n\nb", "a\n", "b"),
        ("<think>a</think>b", "a", "b"),
        ("```\na </think> b", "```\na ", "b"),
        ("no reasoning", "", "no reasoning"),
        ("cut off </thi", "", "cut off </thi"),
    ] {
        for cut in 0..=full_text.len() {
            let mut splitter = ReasoningSplitter::default();
            splitter.expect_unopened_reasoning();
            let split_text = split_pieces_with(splitter, &[&full_text[..cut], &full_text[cut..]]);
            assert_eq!(
                split_text,
                (reasoning.to_owned(), answer.to_owned()),
                "{full_text} at {cut}"
            );
        }
    }
    let mut splitter = ReasoningSplitter::default();
    let mut out = Vec::new();
    splitter.expect_unopened_reasoning();
    splitter.push("reasoning", &mut out);
    assert_eq!(out, [], "nothing is told that may be reasoning");
}

#[test]
fn with_a_reasoning_field_closing_marks_belong_to_the_answer() {
    let mut splitter = ReasoningSplitter::default();
    splitter.set_separate_reasoning();
    let split_text = split_pieces_with(splitter, &["the mark </think> ends it"]);
    assert_eq!(
        split_text,
        (String::new(), "the mark </think> ends it".to_owned())
    );
}

proptest! {
    #[test]
    fn splits_change_nothing(text in r"(<think>|</think>|\[THINK\]|◁|<\|channel\|>|final|<\|message\|>|<\|end\|>|`|```|\n|a| |<){0,14}", cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let mut places: Vec<usize> = cuts.iter().map(|cut| text.floor_char_boundary(cut.index(text.len() + 1))).collect();
        places.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for place in places {
            pieces.push(&text[from..place]);
            from = place;
        }
        pieces.push(&text[from..]);
        prop_assert_eq!(split_pieces(&pieces), split_pieces(&[&text]));
    }

    #[test]
    fn text_without_marks_is_unchanged(text in "[a-z`~\n <>\\[\\]/]{0,60}") {
        prop_assume!(!text.contains("think") && !text.contains("reason") && !text.contains("thought"));
        prop_assert_eq!(split_pieces(&[&text]), (String::new(), text));
    }
}

#[test]
fn channels_without_marks_depend_on_the_models_name() {
    let of = |model: &str, pieces: &[&str]| {
        let mut splitter = ReasoningSplitter::default();
        splitter.expect_unmarked_channels(model);
        split_pieces_with(splitter, pieces)
    };
    for (full_text, reasoning, answer) in [
        ("analysisa is so.assistantfinalb", "a is so.", "b"),
        ("\nanalysisa.assistantfinal\n\nb", "a.", "b"),
        ("analysis of the paper", "", "analysis of the paper"),
        ("analy", "", "analy"),
        ("b assistantfinal c", "", "b assistantfinal c"),
        (
            "analysisäassistantfinalb assistantfinal c",
            "ä",
            "b assistantfinal c",
        ),
        ("<think>a</think>analysis", "a", "analysis"),
    ] {
        let expected = (reasoning.to_owned(), answer.to_owned());
        for cut in (0..=full_text.len()).filter(|&cut| full_text.is_char_boundary(cut)) {
            let split_text = of(
                "openai/GPT-OSS-20b",
                &[&full_text[..cut], &full_text[cut..]],
            );
            assert_eq!(split_text, expected, "{full_text} at {cut}");
        }
        let single: Vec<String> = full_text.chars().map(String::from).collect();
        let single: Vec<&str> = single.iter().map(String::as_str).collect();
        assert_eq!(of("gpt-oss:120b", &single), expected, "{full_text}");
    }
    let channel_text = "analysisa.assistantfinalb";
    assert_eq!(
        of("qwen3", &[channel_text]),
        (String::new(), channel_text.to_owned())
    );
    let long = format!("analysis{}", "x".repeat(MAX_AWAITED_BYTES + 9));
    let (reasoning, answer) = of("gpt-oss", &[&long, "y"]);
    assert_eq!((reasoning.as_str(), answer.len()), ("", long.len() + 1));
}

#[test]
fn every_mark_begins_with_a_known_character() {
    let pairs = REASONING_MARKS
        .iter()
        .flat_map(|marks| [marks.opening, marks.closing]);
    let all = pairs.chain(CHANNEL_BEGINNINGS.iter().chain(CHANNEL_ENDS).copied());
    for mark in all.chain([MESSAGE_MARKER]).filter(|mark| !mark.is_empty()) {
        assert!(mark.starts_with(FIRST_CHARACTERS), "{mark}");
    }
}

fn expecting_close() -> ReasoningSplitter {
    let mut splitter = ReasoningSplitter::default();
    splitter.expect_unopened_reasoning();
    splitter
}

#[test]
fn held_text_is_scanned_once_and_bounded() {
    let (mut splitter, mut out) = (expecting_close(), Vec::new());
    for _ in 0..MAX_AWAITED_BYTES / 8 {
        splitter.push("a < b </", &mut out);
        // Only text that may begin a marker is scanned a second time.
        assert!(splitter.held_text.len() - splitter.scanned < 32);
    }
    assert_eq!(out, []);
    splitter.push("think>yes", &mut out);
    splitter.finish(&mut out);
    assert_eq!(out.len(), 2);
    assert_eq!(out[1], SplitPiece::Text("yes".into()));

    let (mut splitter, mut out) = (expecting_close(), Vec::new());
    let text = "a<think></think>".repeat(MAX_AWAITED_BYTES / 64);
    splitter.push(&"x".repeat(MAX_AWAITED_BYTES + 1), &mut out);
    assert!(
        splitter.held_text.len() <= STEP_BYTES,
        "{}",
        splitter.held_text.len()
    );
    splitter.push(&text, &mut out);
    assert!(
        splitter.held_text.len() <= STEP_BYTES,
        "{}",
        splitter.held_text.len()
    );
}

#[test]
fn a_closing_tag_beyond_the_buffer_still_ends_reasoning() {
    let long = "x".repeat(MAX_AWAITED_BYTES + 100);
    let (reasoning, answer) = split_pieces_with(expecting_close(), &[&long, " a</thi", "nk>b"]);
    assert_eq!((reasoning.len(), answer.as_str()), (long.len() + 2, "b"));
    // Without a closing marker, all text is the answer.
    let (reasoning, answer) = split_pieces_with(expecting_close(), &[&long, "b"]);
    assert_eq!((reasoning.len(), answer.len()), (0, long.len() + 1));
}
