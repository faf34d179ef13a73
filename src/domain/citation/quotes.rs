//! Finds quotations in an answer and the citation that belongs to each.

use std::collections::BTreeSet;

use super::compare::{PlainWord, words};
use super::marks::MarkGroup;

/// Minimum number of words of a quotation; fewer are a term in quotation marks.
const LEAST_WORDS: usize = 3;
/// Maximum distance in bytes between a quotation and its citation.
const NEAR: usize = 240;
/// Maximum length of a quotation in bytes.
const LONGEST: usize = 4_000;
/// Opening quotation marks with their closing marks.
const PAIRS: [(char, &[char]); 6] = [
    ('“', &['”', '“']),
    ('"', &['"']),
    ('«', &['»']),
    ('„', &['“', '”']),
    ('「', &['」']),
    ('『', &['』']),
];

/// A quotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// The text without quotation marks.
    pub text: String,
    /// Index of its citation.
    pub cite: usize,
}

/// Returns every quotation that has a citation nearby.
pub fn find(text: &str, cites: &[MarkGroup]) -> Vec<Quote> {
    let spans = spans(text).into_iter().chain(blocks(text));
    let quote = |(start, end): (usize, usize)| {
        let quoted = text[start..end].trim().to_owned();
        let cite = near(text, (start, end), cites)?;
        (words(&quoted).len() >= LEAST_WORDS).then_some(Quote { text: quoted, cite })
    };
    spans.filter_map(quote).collect()
}

// Text between quotation marks, within one paragraph.
fn spans(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    let open = |c: char| PAIRS.iter().any(|(one, _)| *one == c);
    while let Some(length) = text[at..].find(open) {
        let start = at + length;
        let Some(mark) = text[start..].chars().next() else {
            break;
        };
        let inside = start + mark.len_utf8();
        at = inside;
        let Some((_, closing)) = PAIRS.iter().find(|(one, _)| *one == mark) else {
            continue;
        };
        let limit = text.floor_char_boundary((inside + LONGEST).min(text.len()));
        let limit = text[inside..limit]
            .find("\n\n")
            .map_or(limit, |end| inside + end);
        if let Some(end) = text[inside..limit].find(|c| closing.contains(&c)) {
            found.push((inside, inside + end));
            at = inside + end + 1;
            while !text.is_char_boundary(at) {
                at += 1;
            }
        }
    }
    found
}

// Markdown quote lines, which begin with `>`.
fn blocks(text: &str) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let quoted = line.trim_start().strip_prefix('>');
        if let Some(quoted) = quoted {
            // If the line contains quotation marks, the text between them is the quotation.
            let is_plain = !quoted.contains(|c| PAIRS.iter().any(|(one, _)| *one == c));
            let (start, end) = (at + line.len() - quoted.len(), at + line.trim_end().len());
            if is_plain && start < end {
                found.push((start, end));
            }
        }
        at += line.len();
    }
    found
}

// The citation inside the quotation, else the next one in the same paragraph, else the previous one on the
// same line.
fn near(text: &str, (start, end): (usize, usize), cites: &[MarkGroup]) -> Option<usize> {
    let within =
        |from: usize, to: usize, stop: &str| to - from <= NEAR && !text[from..to].contains(stop);
    let behind = cites.iter().position(|cite| cite.start >= end);
    let behind = behind.filter(|&index| within(end, cites[index].start, "\n\n"));
    let inside = cites
        .iter()
        .position(|cite| cite.start >= start && cite.end <= end);
    let before = cites.iter().rposition(|cite| cite.end <= start);
    let before = before.filter(|&index| within(cites[index].end, start, "\n"));
    inside.or(behind).or(before)
}

/// Returns the sentence that a citation follows.
pub fn claim<'a>(text: &'a str, cite: &MarkGroup) -> &'a str {
    let before = &text[..cite.start];
    let paragraph = before.rfind("\n").map_or(0, |at| at + 1);
    let sentence = before[paragraph..]
        .trim_end()
        .trim_end_matches(['.', '!', '?'])
        .rfind([']', '.', '!', '?'])
        .filter(|&at| {
            before[paragraph + at + 1..].starts_with([' ', '\n'])
                || before[paragraph + at..].starts_with(']')
        });
    &before[paragraph + sentence.map_or(0, |at| at + 1)..]
}

/// Whether a page contains every significant word and figure of a claim. Does not prove that it says the same.
pub fn bears(page: &[PlainWord], claim: &str) -> bool {
    let there: BTreeSet<&str> = page.iter().map(|word| word.plain.as_str()).collect();
    let telling: Vec<PlainWord> = words(claim)
        .into_iter()
        .filter(|word| {
            word.plain.chars().count() > 3 || word.plain.contains(|c: char| c.is_ascii_digit())
        })
        .collect();
    telling.len() >= LEAST_WORDS
        && telling
            .iter()
            .all(|word| there.contains(word.plain.as_str()))
}

#[cfg(test)]
mod tests {
    use super::super::marks::cites;
    use super::*;

    #[test]
    fn quotations_go_with_the_citation_near_them() {
        for (text, expected) in [
            ("It says “one two three” [D1:p1].", "0:one two three"),
            ("As [D1:p1] puts it, \"one two three\".", "0:one two three"),
            (
                "[D1:p1] no. „eins zwei drei“ steht da [D2:p1]",
                "1:eins zwei drei",
            ),
            (
                "> one two three\n> four five six [D1:p2]",
                "0:one two three|0:four five six [D1:p2]",
            ),
            (
                "«un deux trois» (D1:p1) and “x y z” later [D2:p2]",
                "0:un deux trois|1:x y z",
            ),
            ("“two words” [D1:p1]", ""),
            ("“one two three”\n\nAnother paragraph [D1:p1]", ""),
            ("「量子計算は」 [D1:p1]", "0:量子計算は"),
        ] {
            let found: Vec<String> = find(text, &cites(text))
                .iter()
                .map(|quote| format!("{}:{}", quote.cite, quote.text))
                .collect();
            assert_eq!(found.join("|"), expected, "{text}");
        }
    }

    #[test]
    fn a_claim_is_the_sentence_before_its_mark() {
        for (text, expected) in [
            (
                "First. The fee is 40 euros [D1:p1].",
                " The fee is 40 euros ",
            ),
            ("First. The fee is 40. [D1:p1]", " The fee is 40. "),
            ("- The fee [D1:p1]", "- The fee "),
            ("One [D1:p1] and two [D1:p2]", " and two "),
        ] {
            let cite = cites(text).pop().expect("a citation");
            assert_eq!(claim(text, &cite), expected);
        }
    }
}
