//! The sentences of an answer that claim something. Headings, table rows, formulas, lead-ins, questions, sections about
//! the panel, and the disclaimer of the demo models are none.

use super::markdown::{MarkdownBlock, TextBlockKind, blocks, plain, split};
use crate::domain::panel_vs_single::blind::{ASIDES, heading};
use crate::domain::prompt;

/// Maximum number of sentences.
const MOST: usize = 150;
/// Maximum length of a sentence in characters; the rest is cut off.
const LONGEST: usize = 600;
/// Minimum number of words of a sentence.
const LEAST_WORDS: usize = 3;

/// Returns the sentences in order, without Markdown, each once.
pub fn sentences(answer: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let body = without_asides(prompt::without_introduction(answer.trim()));
    for block in blocks(&body) {
        if !is_prose(&block) {
            continue;
        }
        for sentence in split(&plain(&block.text)) {
            if found.len() == MOST {
                return found;
            }
            let sentence: String = sentence.chars().take(LONGEST).collect();
            if is_claim(&sentence) && !found.contains(&sentence) {
                found.push(sentence);
            }
        }
    }
    found
}

fn is_prose(block: &MarkdownBlock) -> bool {
    let text = block.text.trim();
    let is_formula = ["$$", "\\[", "\\begin"]
        .iter()
        .any(|open| text.starts_with(open));
    // A line in italics as a whole is a remark on the answer.
    let is_remark = text.len() > 2
        && text.starts_with('*')
        && text.ends_with('*')
        && !text.starts_with("**")
        && !text[1..text.len() - 1].contains('*');
    matches!(
        block.kind,
        TextBlockKind::Item(_) | TextBlockKind::Paragraph
    ) && !is_formula
        && !is_remark
}

fn is_claim(sentence: &str) -> bool {
    let end = sentence.trim_end_matches(['*', '"', '”', ')', ' ']);
    let words = sentence
        .split(|c: char| !c.is_alphabetic())
        .filter(|word| word.chars().count() > 1);
    // Scripts without spaces have one word in a sentence.
    let is_unspaced = sentence.chars().filter(|c| *c as u32 >= 0x3040).count() > 3;
    !end.ends_with([':', '?', '：', '？']) && (words.count() >= LEAST_WORDS || is_unspaced)
}

// Sections with these headings are about the panel or the answer.
fn without_asides(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    // Level of the heading of the section that is left out.
    let mut aside: Option<usize> = None;
    for line in text.lines() {
        if let Some((level, title)) = heading(line) {
            let is_over = aside.is_none_or(|of| level <= of);
            if is_over {
                aside = ASIDES.contains(&title.as_str()).then_some(level);
            }
        }
        if aside.is_none() {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_claims_something_is_a_sentence() {
        for (text, expected) in [
            (
                "*Local demo algorithm (x), not a language model.*\n\nThe fee is 40 euros.",
                &["The fee is 40 euros."][..],
            ),
            (
                "## Answer\nThe lease ends in June. It can be renewed [D1:p2].\n## Blind spots\nNobody names the rent.",
                &["The lease ends in June.", "It can be renewed [D1:p2]."],
            ),
            (
                "| Point | Level |\n|---|---|\n| Paper is thin | high |\n\nThe main points are:\n- **Paper** is thin and grey.",
                &["Paper is thin and grey."],
            ),
            (
                "2 × 2 = 4 mm\n\n$$a^2 + b^2 = c^2$$\n\nIs that all there is?",
                &[],
            ),
            ("*Cited: [1] lease.pdf, p. 3.*", &[]),
            ("It rose again. It rose again.", &["It rose again."]),
        ] {
            assert_eq!(sentences(text), expected, "{text}");
        }
    }
}
