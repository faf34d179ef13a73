//! Extracts the sentences of an answer that make a claim. Headings, table rows, formulas, lead-ins,
//! questions, sections about the panel, and the demo models' disclaimer are left out.

use super::markdown::{MarkdownBlock, TextBlockKind, parse_blocks, to_plain_text};
use super::split::split_sentences;
use crate::domain::citation;
use crate::domain::panel_vs_single::blind::{ASIDE_HEADINGS, heading};
use crate::domain::prompt;

/// Maximum number of sentences returned.
const MAX_SENTENCES: usize = 150;
/// Maximum length of a sentence in characters; the rest is cut off.
const MAX_SENTENCE_LENGTH: usize = 600;
/// Minimum number of words in a sentence of the answer that counts as a claim.
const MIN_WORDS: usize = 3;
/// Minimum number of words in a claim that a judge has worded.
const MIN_JUDGE_WORDS: usize = 2;

/// Returns the sentences in order, without Markdown and without duplicates.
pub fn sentences(answer: &str) -> Vec<String> {
    let mut sentences: Vec<String> = Vec::new();
    let body = remove_meta_sections(prompt::without_introduction(answer.trim()));
    for block in parse_blocks(&body) {
        if !is_prose(&block) {
            continue;
        }
        for sentence in join_fragments(split_sentences(&to_plain_text(&block.text))) {
            if sentences.len() == MAX_SENTENCES {
                return sentences;
            }
            let sentence: String = sentence.chars().take(MAX_SENTENCE_LENGTH).collect();
            if is_claim(&sentence) && !sentences.contains(&sentence) {
                sentences.push(sentence);
            }
        }
    }
    sentences
}

// Appends a piece to the piece before it if it has a citation mark but is neither capitalized nor a sentence. In that
// case, the text was probably split after an unknown abbreviation.
fn join_fragments(pieces: Vec<String>) -> Vec<String> {
    let mut sentences: Vec<String> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let is_continuation = !piece.starts_with(char::is_uppercase)
            && !is_claim(&piece)
            && !citation::find_mark_groups(&piece).is_empty();
        match sentences.last_mut().filter(|_| is_continuation) {
            Some(before) => {
                before.push(' ');
                before.push_str(&piece);
            }
            None => sentences.push(piece),
        }
    }
    sentences
}

/// Whether a text that a judge has worded makes a statement, that is, it is not a heading, table row,
/// formula, question, or lead-in.
pub(super) fn is_statement(text: &str) -> bool {
    let blocks = parse_blocks(text);
    let is_one = blocks.len() == 1 && blocks.iter().all(is_prose);
    is_one && makes_statement(&to_plain_text(text), MIN_JUDGE_WORDS)
}

fn is_prose(block: &MarkdownBlock) -> bool {
    let text = block.text.trim();
    let is_formula = ["$$", "\\[", "\\begin"]
        .iter()
        .any(|open| text.starts_with(open));
    // A line that is entirely in italics is a remark about the answer.
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
    makes_statement(sentence, MIN_WORDS)
}

fn makes_statement(sentence: &str, min_words: usize) -> bool {
    const LEAD_INS: [&str; 4] = ["as follows", "the following", "wie folgt", "folgendes"];
    let end = sentence.trim_end_matches(['*', '"', '”', ')', ' ']);
    let words = sentence
        .split(|c: char| !c.is_alphabetic())
        .filter(|word| word.chars().count() > 1);
    // In scripts without spaces, a whole sentence looks like a single word.
    let is_unspaced = sentence.chars().filter(|c| *c as u32 >= 0x3040).count() > 3;
    let plain = end.trim_end_matches(['.', '…']).to_lowercase();
    let is_lead_in = LEAD_INS.iter().any(|words| plain.ends_with(words));
    // Cells of a table are not sentences.
    let is_row = sentence.contains('|');
    let is_open = end.ends_with([':', '?', '：', '？', '؟']) || is_lead_in || is_row;
    !is_open && (words.count() >= min_words || is_unspaced)
}

// Removes sections whose headings show that they are about the panel or about the answer itself.
fn remove_meta_sections(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // Heading level of the section being skipped.
    let mut skipped_level: Option<usize> = None;
    for line in text.lines() {
        if let Some((level, title)) = heading(line) {
            let is_over = skipped_level.is_none_or(|of| level <= of);
            if is_over {
                skipped_level = ASIDE_HEADINGS.contains(&title.as_str()).then_some(level);
            }
        }
        if skipped_level.is_none() {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_statements_count_as_sentences() {
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
            (
                "The points are as follows.\n\nLease | ends on 30 June 2027",
                &[],
            ),
            (
                "The lease ends in June  \nThe landlord is broke and old [1]",
                &[
                    "The lease ends in June",
                    "The landlord is broke and old [1]",
                ],
            ),
            (
                "The lease ends, see unkn. 2, on 30 June [D1:p1].",
                &["The lease ends, see unkn. 2, on 30 June [D1:p1]."],
            ),
            ("It rose again. It rose again.", &["It rose again."]),
        ] {
            assert_eq!(sentences(text), expected, "{text}");
        }
    }

    #[test]
    fn rows_headings_and_lead_ins_state_nothing() {
        for text in [
            "| Lease | ends on 30 June 2027 |",
            "Lease | ends on 30 June 2027",
            "$$x = 30$$",
            "x = 30",
            "## Answer",
            "The points are as follows:",
            "The points are as follows",
            "Does the lease end?",
        ] {
            assert!(!is_statement(text), "{text}");
        }
        for text in [
            "The lease ends on 30 June 2027.",
            "It ends.",
            "合同无效。",
            "**Ends:** 30 June 2027",
        ] {
            assert!(is_statement(text), "{text}");
        }
    }
}
