//! Splits a text into words, character by character. `words` then binds words together and restores lost exponents.

use super::characters::{from_subscript, is_enclosed, is_single_word, split_compound};
use super::figures;
use super::folding::is_ignored;
use super::marks::{self, CitationMark};
use super::operators;
use super::plain_word::PlainWord;
use super::signs;

use unicode_normalization::char::is_combining_mark;

use brackets::MeaningfulBrackets;
use code::IdentifierPunctuation;

mod additions;
mod brackets;
mod code;
mod exponents;
mod list_numbers;

/// A cursor over the characters of a text.
pub(super) struct Scanner<'a> {
    text: &'a str,
    chars: Vec<(usize, char)>,
    position: usize,
    words: Vec<PlainWord>,
    /// The word being read; `None` between words.
    open_word: Option<PartialWord>,
    /// Byte ranges of citation marks and of numbers that a quotation may omit. The flag is true for such numbers.
    marks: std::vec::IntoIter<(usize, usize, bool)>,
    mark: Option<(usize, usize, bool)>,
    /// Positions of brackets and dollar signs that the person quoting added, and that are skipped.
    ignored_brackets: Vec<usize>,
    /// Brackets that count as words.
    brackets: MeaningfulBrackets,
    /// Punctuation in addresses and identifiers that counts as words.
    code: IdentifierPunctuation,
}

#[derive(Default)]
struct PartialWord {
    raw: String,
    start: usize,
    end: usize,
    hyphen: Option<usize>,
    exponent: String,
}

impl<'a> Scanner<'a> {
    pub fn new(text: &'a str) -> Self {
        let mut marks = marks_in(text).into_iter();
        let chars: Vec<(usize, char)> = text.char_indices().collect();
        Self {
            text,
            brackets: MeaningfulBrackets::find(&chars),
            code: IdentifierPunctuation::find(&chars),
            chars,
            position: 0,
            words: Vec::new(),
            open_word: None,
            mark: marks.next(),
            marks,
            ignored_brackets: Vec::new(),
        }
    }

    pub fn words(mut self) -> Vec<PlainWord> {
        while let Some(&(offset, c)) = self.chars.get(self.position) {
            self.skip_marks(offset);
            if self.skips_mark(offset) {
                self.close_word();
                self.position += 1;
            } else if self.ignored_brackets.contains(&self.position)
                || is_ignored(c) && !self.is_line_end(c)
            {
                self.position += 1;
            } else {
                self.scan_character(offset, c);
            }
        }
        self.close_word();
        self.words
    }

    fn scan_character(&mut self, offset: usize, c: char) {
        // A fast path for nearly all text: spaces, and letters that cannot be part of anything else.
        if c.is_ascii_alphabetic() && !matches!(c, 'x' | 'X') {
            return self.extend(offset, c);
        }
        if matches!(c, ' ' | '\n') {
            self.close_word();
            self.position += 1;
            return;
        }
        if let Some(bracket) = self.brackets.bracket_at(self.position) {
            self.push_sign(signs::Symbol::from_plain(bracket.to_string()), offset);
        } else if self.skips_underscore(c) {
            self.position += self.underscore_length();
        } else if let Some(sign) = self.code.sign_at(self.position) {
            self.push_sign(signs::Symbol::from_plain(sign.to_owned()), offset);
        } else if let Some(length) = self.note_length(c) {
            self.close_word();
            self.position += length;
        } else if self.skips_brackets(c) || self.skips_dollar_signs(c) {
            self.position += 1;
        } else if let Some((run, length)) = self.superscript_run() {
            self.push_superscript(&run, offset, length);
        } else if let Some(subscript) = from_subscript(c) {
            self.push_subscript(subscript, offset, c);
        } else if let Some(parts) = split_compound(c) {
            self.close_word();
            self.push_parts(&parts, offset, c.len_utf8());
            self.position += 1;
        } else if self.open_figure() {
            // `open_figure` has already consumed the number.
        } else if let Some(sign) = signs::read_symbol(&self.chars, self.position) {
            self.push_sign(sign, offset);
        } else if let Some(sign) = operators::read_operator(&self.chars, self.position) {
            self.push_sign(sign, offset);
        } else if is_single_word(c) {
            self.push_ideograph(offset);
        } else if c.is_alphanumeric() || (is_combining_mark(c) && self.open_word.is_some()) {
            self.extend(offset, c);
        } else if self.is_line_end(c) {
            self.join_lines();
        } else {
            self.close_word();
            self.position += 1;
        }
    }

    fn next(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.position + ahead).map(|&(_, c)| c)
    }

    fn extend(&mut self, offset: usize, c: char) {
        let word = self.open_word.get_or_insert_with(|| PartialWord {
            start: offset,
            ..PartialWord::default()
        });
        word.raw.push(c);
        word.end = offset + c.len_utf8();
        self.position += 1;
    }

    fn close_word(&mut self) {
        let Some(open) = self.open_word.take() else {
            return;
        };
        let mut word = PlainWord::new(&open.raw, open.start);
        word.end = open.end;
        word.hyphen = open.hyphen;
        if !open.exponent.is_empty() {
            word.plain.push_str(&open.exponent);
            word.unaccented = word
                .unaccented
                .map(|bare| format!("{bare}{}", open.exponent));
        }
        self.push(word);
    }

    fn push(&mut self, mut word: PlainWord) {
        if word.plain.is_empty() {
            return;
        }
        let is_noted = !word.is_symbol || brackets::is_bracket(&word.plain);
        word.is_reference |= self.is_in_reference(word.start) && is_noted;
        word.is_bound_to_previous |= self.is_in_brackets(word.start) && !word.is_reference;
        self.words.push(word);
    }

    // Reads a number if one begins here. Returns whether one did.
    fn open_figure(&mut self) -> bool {
        // In a list of values, a comma is not a decimal separator, so a number must end before it.
        let limit = self.brackets.number_end(self.position, self.chars.len());
        let rest = &self.chars[self.position..limit.max(self.position + 1)];
        let first = rest.first().map(|&(_, c)| c);
        let char_before = self.position.checked_sub(1).map(|at| self.chars[at].1);
        let is_decimal_point = first == Some('.');
        let is_free =
            !is_decimal_point || char_before.is_none_or(|c| !c.is_alphanumeric() && c != '.');
        let is_start = match &self.open_word {
            None => is_free,
            Some(open) => {
                !is_decimal_point
                    && !open.raw.contains(char::is_numeric)
                    && (starts_separated_number(rest)
                        || CURRENCY_CODES.contains(&open.raw.as_str()))
            }
        };
        let Some(figure) = is_start.then(|| figures::read_figure(rest)).flatten() else {
            return false;
        };
        self.close_word();
        let (start, _) = self.chars[self.position];
        self.position += figure.length;
        let end = self
            .chars
            .get(self.position)
            .map_or(self.text.len(), |&(at, _)| at);
        self.push(PlainWord {
            plain: figure.digits,
            start,
            end,
            ..PlainWord::default()
        });
        true
    }

    fn push_sign(&mut self, sign: signs::Symbol, offset: usize) {
        self.close_word();
        self.position += sign.length;
        self.push(PlainWord {
            plain: sign.plain,
            start: offset,
            end: self
                .chars
                .get(self.position)
                .map_or(self.text.len(), |&(at, _)| at),
            is_symbol: true,
            ..PlainWord::default()
        });
    }

    // Adds one ideograph or syllable with its combining marks: a half-width カ and its voicing mark are one word.
    fn push_ideograph(&mut self, offset: usize) {
        self.close_word();
        let is_voicing = |c: char| matches!(c, '\u{3099}' | '\u{309A}' | '\u{FF9E}' | '\u{FF9F}');
        let mut length = 1;
        while self
            .next(length)
            .is_some_and(|c| is_voicing(c) || is_combining_mark(c))
        {
            length += 1;
        }
        let end = self
            .chars
            .get(self.position + length)
            .map_or(self.text.len(), |&(at, _)| at);
        self.position += length;
        self.push(PlainWord {
            is_ideograph: true,
            ..PlainWord::new(&self.text[offset..end], offset)
        });
    }

    fn push_parts(&mut self, parts: &[String], offset: usize, length: usize) {
        for (index, part) in parts.iter().enumerate() {
            self.push(PlainWord {
                plain: part.clone(),
                start: offset,
                end: offset + length,
                is_symbol: !part.starts_with(char::is_alphanumeric),
                is_bound_to_previous: index > 0,
                is_reference: is_enclosed(self.text[offset..].chars().next()),
                is_number_sign: self.text[offset..].starts_with('№'),
                ..PlainWord::default()
            });
        }
    }

    // Whether this hyphen or soft hyphen ends a line in the middle of a word.
    fn is_line_end(&self, c: char) -> bool {
        let is_open = self
            .open_word
            .as_ref()
            .is_some_and(|open| open.raw.ends_with(char::is_alphabetic));
        let mut following = self.chars[self.position + 1..].iter().map(|&(_, c)| c);
        matches!(c, '-' | '\u{2010}' | '\u{AD}')
            && is_open
            && matches!(following.next(), Some('\n' | '\r'))
            && following
                .find(|c| !c.is_whitespace())
                .is_some_and(char::is_lowercase)
    }

    fn join_lines(&mut self) {
        if let Some(word) = &mut self.open_word {
            word.hyphen = Some(super::folding::fold_word(&word.raw).len());
        }
        self.position += 1;
        while self.next(0).is_some_and(char::is_whitespace) {
            self.position += 1;
        }
    }

    fn skip_marks(&mut self, offset: usize) {
        while self.mark.is_some_and(|(_, end, _)| end <= offset) {
            self.mark = self.marks.next();
        }
    }

    fn skips_mark(&self, offset: usize) -> bool {
        self.mark
            .is_some_and(|(start, _, is_number)| !is_number && start <= offset)
    }

    fn is_in_brackets(&self, start: usize) -> bool {
        let at = self.chars.partition_point(|&(offset, _)| offset < start);
        self.brackets.contains(at)
    }

    fn is_in_reference(&self, start: usize) -> bool {
        self.mark
            .is_some_and(|(from, to, is_number)| is_number && from <= start && start < to)
    }
}

/// Currency codes that may be written without a space before the amount.
const CURRENCY_CODES: &[&str] = &["CHF", "EUR", "USD", "GBP", "JPY", "CNY", "INR"];

// Whether a number with separators begins right after letters: EUR1,200 is two words.
fn starts_separated_number(rest: &[(usize, char)]) -> bool {
    let digits = rest
        .iter()
        .take_while(|&&(_, c)| figures::to_ascii_digit(c).is_some())
        .count();
    figures::read_figure(rest).is_some_and(|figure| figure.length > digits)
}

/// Words after which brackets contain values rather than a reference number.
const VALUE_WORDS: &[&str] = &[
    "in",
    "of",
    "to",
    "at",
    "is",
    "are",
    "the",
    "range",
    "interval",
    "set",
    "vector",
    "list",
    "array",
    "matrix",
    "section",
    "article",
    "clause",
    "paragraph",
    "intervall",
    "bereich",
    "von",
    "bis",
];

// Whether a bracketed number after this text can be a reference, as in "Smith [3]".
fn may_precede_reference(before: &str) -> bool {
    let words = before.strip_suffix(' ').unwrap_or_default();
    let start = words.rfind(|c: char| !c.is_alphabetic());
    let last = start.map_or(words, |at| &words[words.ceil_char_boundary(at + 1)..]);
    last.chars().count() > 1 && !VALUE_WORDS.contains(&last.to_lowercase().as_str())
}

// Returns the byte ranges of citation marks and of numbers that a quotation may omit: list numbers, and bracketed
// numbers after a word or at the end of a clause. The flag is true for such numbers.
fn marks_in(text: &str) -> Vec<(usize, usize, bool)> {
    let ranges = marks::find_mark_groups(text)
        .into_iter()
        .filter_map(|group| {
            let is_number = group
                .marks
                .iter()
                .all(|mark| matches!(mark, CitationMark::Number(_)));
            let before = text[..group.start].chars().next_back();
            let next_char = text[group.end..].trim_start().chars().next();
            let is_index = brackets::is_index_base(text[..group.start].chars().rev());
            let may_be_omitted = !is_index
                && (before.is_some_and(|c| {
                    c.is_alphabetic() || matches!(c, '.' | ',' | ')' | '”' | '"')
                }) || may_precede_reference(&text[..group.start])
                    && next_char.is_some_and(char::is_alphabetic)
                    || next_char.is_none_or(|c| {
                        matches!(c, '.' | ',' | ';' | ':' | ')' | '!' | '?' | '[')
                    }));
            (!is_number || may_be_omitted).then_some((group.start, group.end, is_number))
        });
    let mut ranges: Vec<(usize, usize, bool)> = ranges.collect();
    let numbers = list_numbers::find_list_numbers(text).into_iter();
    ranges.extend(numbers.map(|range| (range.start, range.end, true)));
    ranges.sort_unstable();
    ranges
}
