//! Prepares the texts of a blind comparison: removes letters and sections that reveal whether a text is a
//! panel's answer or a single draft. Never changes the remaining words.

use crate::domain::prompt;

/// Headings that the output formats of Quire's prompts ask for. The sections below them describe the panel or comment
/// on the answer instead of giving it.
pub(in crate::domain) const ASIDE_HEADINGS: &[&str] = &[
    "where the members agree",
    "contradictions",
    "points made by one only",
    "blind spots",
    // Headings that the demo models use.
    "similar wording",
    "different figures or negations",
    "not known",
    "changes",
    "open",
    "critiques not followed",
    "strongest points",
    "missing from all",
    "übereinstimmungen",
    "widersprüche",
    "einzelne punkte",
    "blinde flecken",
];

/// Headings under which the answer itself is written.
const ANSWER_HEADINGS: &[&str] = &["answer", "the answer", "final answer", "antwort"];

/// Columns that occur only in tables about the panel.
const PANEL_COLUMNS: &[&str] = &["members", "letters", "level"];

/// Remarks that Quire's prompts ask for, and that would reveal a panel's answer.
const PANEL_REMARKS: &[&str] = &["(not in the passages)"];

/// Words that precede a letter if it names an option of the question, as in "option B".
const CHOICE_WORDS: &[&str] = &[
    "option",
    "choice",
    "answer",
    "variant",
    "plan",
    "case",
    "alternative",
    "antwort",
    "variante",
];

/// Converts a text to the form shown in the comparison. The letters that label the panel's members are
/// removed, unless the question itself offers lettered options.
pub fn anonymize(text: &str, question: &str, members: usize) -> String {
    let text = prompt::without_introduction(text.trim());
    let lines = without_panel_tables(&answer_lines(text));
    let mut out = String::new();
    let strip = !offers_lettered_options(question, members);
    for line in lines {
        let mut line = line.to_owned();
        for remark in PANEL_REMARKS {
            line = line.replace(&format!(" {remark}"), "").replace(remark, "");
        }
        if strip {
            line = without_letters(&line, members);
        }
        // Consecutive empty lines would reveal where something was removed.
        if !(line.trim().is_empty() && (out.is_empty() || out.ends_with("\n\n"))) {
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
    out.trim_end().to_owned()
}

/// Returns the lines under the answer's heading. Without such a heading, returns all lines except those in
/// sections about the panel.
fn answer_lines(text: &str) -> Vec<&str> {
    let headings: Vec<Option<(usize, String)>> = text.lines().map(heading).collect();
    let heading_level = |index: usize, names: &[&str]| {
        let line_heading = headings.get(index).and_then(Option::as_ref);
        line_heading
            .filter(|(_, title)| names.contains(&title.as_str()))
            .map(|(level, _)| *level)
    };
    let lines: Vec<&str> = text.lines().collect();
    let begin =
        (0..lines.len()).find_map(|index| Some((index, heading_level(index, ANSWER_HEADINGS)?)));
    let mut remaining = Vec::new();
    // Heading level of the section that is being removed; `None` outside of such a section.
    let mut aside = None;
    for (index, line) in lines.iter().enumerate() {
        let heading_here = headings.get(index).and_then(Option::as_ref);
        if let Some((first, level)) = begin {
            let is_section_end =
                index > first && heading_here.is_some_and(|(deep, _)| *deep <= level);
            if is_section_end {
                break;
            }
            if index > first {
                remaining.push(*line);
            }
            continue;
        }
        if let Some((deep, _)) = heading_here {
            let over = aside.is_some_and(|level| *deep <= level);
            aside = heading_level(index, ASIDE_HEADINGS).or(aside.filter(|_| !over));
        }
        if aside.is_none() {
            remaining.push(line);
        }
    }
    remaining
}

/// Returns the level and lowercase text of a Markdown heading. A bold line with a known title counts as a heading of
/// the lowest level.
pub(in crate::domain) fn heading(line: &str) -> Option<(usize, String)> {
    let line = line.trim();
    let depth = line.bytes().take_while(|&byte| byte == b'#').count();
    let bold = line.len() > 4 && line.starts_with("**");
    let title = line.trim_matches(['#', '*', ':', ' ']).to_lowercase();
    let is_known_heading =
        || ASIDE_HEADINGS.contains(&title.as_str()) || ANSWER_HEADINGS.contains(&title.as_str());
    match depth {
        1..=6 if line[depth..].starts_with(' ') => Some((depth, title)),
        0 if bold && is_known_heading() => Some((7, title)),
        _ => None,
    }
}

fn without_panel_tables<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let mut remaining = Vec::new();
    let mut inside = false;
    for (index, line) in lines.iter().enumerate() {
        let row = line.trim_start().starts_with('|');
        let first = row && (index == 0 || !lines[index - 1].trim_start().starts_with('|'));
        if first {
            let mut cells = line.split('|').map(|cell| cell.trim().to_lowercase());
            inside = cells.any(|cell| PANEL_COLUMNS.contains(&cell.as_str()));
        }
        inside &= row;
        if !inside {
            remaining.push(*line);
        }
    }
    remaining
}

/// Whether a question offers lettered options, such as "(A) ink", "A. ink" on its own line, or "option B".
fn offers_lettered_options(question: &str, members: usize) -> bool {
    let mut previous_word = "";
    question.lines().any(|line| {
        line.split_whitespace().enumerate().any(|(place, word)| {
            let bare_word = word.trim_matches(|c: char| !c.is_alphanumeric());
            let choice = is_member_letter(bare_word, members)
                && (word.contains(')')
                    || (place == 0 && word.ends_with(['.', ':']))
                    || CHOICE_WORDS.contains(&previous_word.to_lowercase().as_str()));
            previous_word = bare_word;
            choice
        })
    })
}

/// Whether the word is the letter of a member, optionally followed by the number of a critique.
fn is_member_letter(word: &str, members: usize) -> bool {
    let mut characters = word.chars();
    let letter = characters.next();
    let is_letter = letter
        .is_some_and(|letter| (0..members.min(26)).any(|member| prompt::letter(member) == letter));
    is_letter && characters.as_str().len() <= 2 && characters.all(|c| c.is_ascii_digit())
}

/// Removes groups of member letters such as "(B)", "(A, C)", and "(A and B3)".
fn without_letters(line: &str, members: usize) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(start) = rest.find('(') {
        let (before, group) = rest.split_at(start);
        out.push_str(before);
        let end = group.find(')');
        let inside = end.map(|end| &group[1..end]);
        let is_letters = inside.is_some_and(|inside| {
            let mut words = inside
                .split([',', '&', '+', ' ', ';', '/'])
                .filter(|word| !word.is_empty() && *word != "and" && *word != "und")
                .peekable();
            words.peek().is_some() && words.all(|word| is_member_letter(word, members))
        });
        match end {
            Some(end) if is_letters => {
                // Also remove the space on one side, but never a line's indentation.
                if out.ends_with(' ') && !out.trim().is_empty() && !is_bullet(&out) {
                    out.truncate(out.trim_end().len());
                }
                rest = &group[end + 1..];
                if out.is_empty() || out.ends_with(' ') {
                    rest = rest.trim_start();
                }
            }
            _ => {
                out.push('(');
                rest = &group[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// Whether the line so far is only a list marker.
fn is_bullet(line: &str) -> bool {
    matches!(line.trim(), "-" | "*" | "+")
        || line.trim().trim_end_matches('.').parse::<u32>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_traces_of_the_panel_are_removed() {
        for (text, expected) in [
            (
                "## Answer\nPaper is 0.1 mm thick (B) [1].\n\n### Why\nIt was measured (A, C).\n\n## Where the members agree\nAll (A).",
                "Paper is 0.1 mm thick [1].\n\n### Why\nIt was measured.",
            ),
            (
                "**Answer:**\nYes (A and B3).\n**Blind spots**\nNone found.",
                "Yes.",
            ),
            (
                "# Title\nText.\n## Not known\nMuch.\n### Deeper\nMore.\n## Next\nEnd.",
                "# Title\nText.\n## Next\nEnd.",
            ),
            (
                "It is thin (not in the passages).\n\n| Point | Level | Members |\n|---|---|---|\n| a | high | A |\n\nEnd.",
                "It is thin.\n\nEnd.",
            ),
            (
                "| Paper | Weight |\n|---|---|\n| A4 | 5 g |",
                "| Paper | Weight |\n|---|---|\n| A4 | 5 g |",
            ),
            ("As Claude, I think so.", "I think so."),
            (
                "f(A) holds (see B) and (D) and ()",
                "f holds (see B) and (D) and ()",
            ),
            ("Two ways:\n  - (A) first", "Two ways:\n  - first"),
            ("", ""),
        ] {
            let plain = anonymize(text, "How thick is the paper?", 3);
            assert_eq!(plain, expected);
        }
    }

    #[test]
    fn the_letters_of_a_question_are_kept() {
        for question in [
            "Which one: (A) ink, (B) tea?",
            "Is it a) tea or B) ink?",
            "Is option B right?",
            "Choose:\nA. ink\nB. tea",
        ] {
            assert_eq!(
                anonymize("It is (B).", question, 3),
                "It is (B).",
                "{question}"
            );
        }
        for question in [
            "A question: what is it (in the USA)?",
            "Is vitamin C good?",
            "May I?",
        ] {
            assert_eq!(
                anonymize("It is so (B).", question, 3),
                "It is so.",
                "{question}"
            );
        }
    }

    #[test]
    fn any_text_is_accepted() {
        let pieces = [
            "(", ")", "(A", "B)", "## ", "**", "|", "\n", "ä", "Answer", " ", "#######",
        ];
        for seed in 0..3_000_usize {
            let text: String = (0..8)
                .map(|place| pieces[seed.wrapping_mul(7 + place * 31) / (place + 1) % pieces.len()])
                .collect();
            let once = anonymize(&text, "", 3);
            assert!(once.len() <= text.len(), "{text:?}");
        }
    }
}
