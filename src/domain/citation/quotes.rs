//! Pairs each quotation in an answer with its citation.

use super::marks::{CitationMark, MarkGroup};
use super::words::words;

/// Minimum number of words of a quotation. Fewer words are just a term in quotation marks.
const MIN_WORDS: usize = 3;
/// Maximum distance in bytes between a quotation and its citation.
const MAX_DISTANCE: usize = 240;
/// Maximum length of a quotation in bytes.
const MAX_QUOTE_BYTES: usize = 4_000;
/// Opening quotation marks, each with its possible closing marks, of which the first is the usual one.
const QUOTE_PAIRS: [(char, &[char]); 11] = [
    ('“', &['”', '“']),
    ('"', &['"']),
    ('«', &['»']),
    ('»', &['«']),
    ('„', &['“', '”']),
    ('‘', &['’']),
    ('‚', &['‘', '’']),
    ('‹', &['›']),
    ('「', &['」']),
    ('『', &['』']),
    ('《', &['》']),
];

/// A quotation in an answer, with its citation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// The quoted text, without quotation marks.
    pub text: String,
    /// Index of the group of citation marks that cites the quotation.
    pub mark_group: usize,
    /// Byte range of the quotation in the answer.
    range: (usize, usize),
}

impl Quote {
    /// Whether the citation with this index is really a bracketed number inside the quotation, and thus part
    /// of the quoted text.
    pub fn contains(&self, index: usize, cite: &MarkGroup) -> bool {
        self.mark_group != index
            && is_number(cite)
            && self.range.0 <= cite.start
            && cite.end <= self.range.1
    }
}

/// Returns every quotation of at least three words that has a citation nearby.
pub fn find_quotes(text: &str, cites: &[MarkGroup]) -> Vec<Quote> {
    let quoted_ranges = quoted_spans(text);
    let blocks = block_quotes(text, &quoted_ranges);
    let quote = |(start, end): (usize, usize)| {
        let cite = nearest_mark(text, (start, end), cites)?;
        // A number at the end of a quotation is the quotation's citation rather than a part of it.
        let is_own =
            is_number(&cites[cite]) && start <= cites[cite].start && cites[cite].end <= end;
        let stop = if is_own { cites[cite].start } else { end };
        let quoted = text[start..stop].trim().to_owned();
        let count = words(&quoted).iter().filter(|word| !word.is_symbol).count();
        (count >= MIN_WORDS).then_some(Quote {
            text: quoted,
            mark_group: cite,
            range: (start, end),
        })
    };
    quoted_ranges
        .into_iter()
        .chain(blocks)
        .filter_map(quote)
        .collect()
}

fn is_number(cite: &MarkGroup) -> bool {
    cite.marks
        .iter()
        .all(|mark| matches!(mark, CitationMark::Number(_)))
}

// Returns the spans between quotation marks, within one paragraph.
fn quoted_spans(text: &str) -> Vec<(usize, usize)> {
    let mut spans = Vec::new();
    let mut at = 0;
    let is_opening = |c: char| QUOTE_PAIRS.iter().any(|(opening, _)| *opening == c);
    while let Some(length) = text[at..].find(is_opening) {
        let start = at + length;
        let Some(mark) = text[start..].chars().next() else {
            break;
        };
        let inside = start + mark.len_utf8();
        at = inside;
        let Some((_, closing)) = QUOTE_PAIRS.iter().find(|(opening, _)| *opening == mark) else {
            continue;
        };
        let limit = text.floor_char_boundary((inside + MAX_QUOTE_BYTES).min(text.len()));
        let limit = text[inside..limit]
            .find("\n\n")
            .map_or(limit, |end| inside + end);
        let span = &text[inside..limit];
        let usual = closing_position(span, mark, closing[0]);
        if let Some(end) = usual.or_else(|| span.find(|c| closing.contains(&c))) {
            spans.push((inside, inside + end));
            at = text.ceil_char_boundary(inside + end + 1);
        }
    }
    spans
}

// Returns the position of the mark that closes a quotation opened directly before `text`. Skips nested quotations.
fn closing_position(text: &str, open: char, close: char) -> Option<usize> {
    let mut depth = 0;
    let mut previous_char = None;
    for (at, c) in text.char_indices() {
        let next = text[at + c.len_utf8()..].chars().next();
        let is_apostrophe = c == '’' && next.is_some_and(char::is_alphanumeric);
        let opens = match open == close {
            // The same character opens and closes quotations. If it is between a space and a word, it opens one.
            true => {
                previous_char.is_some_and(|c: char| c.is_whitespace() || c == '(')
                    && next.is_some_and(char::is_alphanumeric)
            }
            false => true,
        };
        if c == open && opens {
            depth += 1;
        } else if c == close && !is_apostrophe {
            if depth == 0 {
                return Some(at);
            }
            depth -= 1;
        }
        previous_char = Some(c);
    }
    None
}

// Returns the ranges of block quotes in Markdown, one for each line that begins with `>`.
fn block_quotes(text: &str, marked: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let quoted = line.trim_start().strip_prefix('>');
        if let Some(quoted) = quoted {
            let (start, end) = (at + line.len() - quoted.len(), at + line.trim_end().len());
            // If most of the line is in quotation marks, only the text between them is the quotation. A line that
            // begins with a dash names the author.
            let within: usize = marked
                .iter()
                .map(|&(from, to)| to.min(end).saturating_sub(from.max(start)))
                .sum();
            let is_source = quoted.trim_start().starts_with(['—', '–']);
            if start < end && within * 2 < end - start && !is_source {
                ranges.push((start, end));
            }
        }
        at += line.len();
    }
    ranges
}

// Returns the index of a quotation's citation, the first of these that exists: a mark inside the quotation, the next
// mark in the same paragraph, a passage number at its end, the next passage number in the same paragraph, and the
// previous citation on the same line.
fn nearest_mark(text: &str, (start, end): (usize, usize), cites: &[MarkGroup]) -> Option<usize> {
    let within = |from: usize, to: usize, stop: &str| {
        to - from <= MAX_DISTANCE && !text[from..to].contains(stop)
    };
    let next_index = cites.iter().position(|cite| cite.start >= end);
    let next_index = next_index.filter(|&index| within(end, cites[index].start, "\n\n"));
    let is_inside = |cite: &MarkGroup| cite.start >= start && cite.end <= end;
    let inside = cites
        .iter()
        .position(|cite| is_inside(cite) && !is_number(cite));
    let is_end = |cite: &MarkGroup| !text[cite.end..end].contains(char::is_alphanumeric);
    let last = cites
        .iter()
        .rposition(|cite| is_inside(cite) && is_end(cite));
    let is_followed_by_mark = next_index.is_some_and(|index| !is_number(&cites[index]));
    let previous_index = cites.iter().rposition(|cite| cite.end <= start);
    let previous_index = previous_index.filter(|&index| within(cites[index].end, start, "\n"));
    match is_followed_by_mark {
        true => inside.or(next_index),
        false => inside.or(last).or(next_index).or(previous_index),
    }
}

#[cfg(test)]
mod tests {
    use super::super::marks::find_mark_groups;
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
            ("“he said “yes” to all” [D1:p1]", "0:he said “yes” to all"),
            (
                "\"he said \"yes\" to all\" [D1:p1]",
                "0:he said \"yes\" to all",
            ),
            (
                "„er sagte ‚ja‘ zu allem“ [D1:p1]",
                "0:er sagte ‚ja‘ zu allem",
            ),
            ("»eins zwei drei« [D1:p1]", "0:eins zwei drei"),
            ("‘it’s one of three’ [D1:p1]", "0:it’s one of three"),
            (
                "“as shown [3] by others” [D1:p1]",
                "1:as shown [3] by others",
            ),
            (
                "“as others have shown [3].” [D1:p1]",
                "1:as others have shown [3].",
            ),
            ("“as others have shown [3].”", "0:as others have shown"),
            (
                "> He said “no” to all\n> — The author of it [D1:p1]",
                "0:He said “no” to all",
            ),
        ] {
            let quotes: Vec<String> = find_quotes(text, &find_mark_groups(text))
                .iter()
                .map(|quote| format!("{}:{}", quote.mark_group, quote.text))
                .collect();
            assert_eq!(quotes.join("|"), expected, "{text}");
        }
    }
}
