//! Superscripts and subscripts, each of which is either part of the word before it or a footnote number.

use super::super::characters::from_superscript;
use super::super::plain_word::PlainWord;
use super::{PartialWord, Scanner};

impl Scanner<'_> {
    // Returns the superscripts at this position, or the characters raised by `^` or `**`, as plain characters, together
    // with the number of characters to skip.
    pub(super) fn superscript_run(&self) -> Option<(String, usize)> {
        let rest = &self.chars[self.position..];
        let run: String = rest
            .iter()
            .map_while(|&(_, c)| from_superscript(c))
            .collect();
        if !run.is_empty() {
            let is_degree = run == "o" && matches!(self.next(1), Some('C' | 'F'));
            let length = run.chars().count();
            return (!is_degree).then_some((run, length));
        }
        let is_caret = self.next(0) == Some('^');
        let is_power_operator = (self.next(0), self.next(1)) == (Some('*'), Some('*'));
        let skipped = usize::from(is_caret) + 2 * usize::from(is_power_operator && !is_caret);
        let follows_word = self.open_word.is_some() || self.follows_figure();
        if skipped == 0 || !follows_word {
            return None;
        }
        let opening = self.next(skipped).filter(|c| matches!(c, '{' | '('));
        let inside = self.position + skipped + usize::from(opening.is_some());
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '−');
        let run: String = self.chars[inside.min(self.chars.len())..]
            .iter()
            .map(|&(_, c)| c)
            .take_while(|&c| is_part(c))
            .take(12)
            .map(|c| if c == '−' { '-' } else { c })
            .collect();
        let is_figure = run.chars().any(|c| c.is_ascii_digit()) || (is_caret && run.len() == 1);
        let length = inside - self.position + run.chars().count();
        let is_closed = opening.is_some() && matches!(self.next(length), Some('}' | ')'));
        let length = length + usize::from(is_closed);
        is_figure.then_some((run.to_lowercase(), length))
    }

    pub(super) fn follows_figure(&self) -> bool {
        let offset = self
            .chars
            .get(self.position)
            .map_or(self.text.len(), |&(at, _)| at);
        self.words
            .last()
            .is_some_and(|word| word.end == offset && word.is_figure())
    }

    // Adds an exponent to the word before it. After a word of four or more letters or a punctuation mark, digits are
    // read as a footnote number instead.
    pub(super) fn push_superscript(&mut self, run: &str, offset: usize, length: usize) {
        self.position += length;
        let end = self
            .chars
            .get(self.position)
            .map_or(self.text.len(), |&(at, _)| at);
        let is_long =
            |open: &PartialWord| open.raw.chars().filter(|c| c.is_alphabetic()).count() >= 4;
        let is_stop =
            |c: char| matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | '”' | '"' | '’' | '»');
        let is_behind_stop = || self.text[..offset].ends_with(is_stop);
        let is_note = run.chars().all(|c| c.is_ascii_digit())
            && self.open_word.as_ref().map_or_else(is_behind_stop, is_long);
        // 1ˢᵗ becomes 1st, whereas 10ⁿ is a power.
        let is_ordinal = run.chars().all(char::is_alphabetic)
            && (run.len() > 1 || matches!(run, "o" | "a" | "e"));
        let exponent = match is_ordinal {
            true => run.to_owned(),
            false => format!("^{run}"),
        };
        // Na⁺ becomes Na+.
        let is_charge = |open: &PartialWord| {
            matches!(run, "+" | "-") && open.exponent.is_empty() && is_formula(&open.raw)
        };
        if self.open_word.as_ref().is_some_and(is_charge) {
            self.close_word();
            self.push(PlainWord {
                plain: run.to_owned(),
                start: offset,
                end,
                is_symbol: true,
                ..PlainWord::default()
            });
            return;
        }
        match (&mut self.open_word, self.words.last_mut()) {
            (Some(open), _) if !is_note => {
                open.exponent.push_str(&exponent);
                open.end = end;
                self.close_word();
            }
            (None, Some(word)) if word.end == offset && word.is_figure() && !is_ordinal => {
                word.plain.push_str(&exponent);
                word.end = end;
            }
            _ => {
                self.close_word();
                self.push(PlainWord {
                    plain: if is_note { run.to_owned() } else { exponent },
                    start: offset,
                    end,
                    is_reference: is_note,
                    is_raised: is_note,
                    ..PlainWord::default()
                });
            }
        }
    }

    // Whether to drop the underscore of `x_1` and `x_{1}`, which both equal x₁.
    pub(super) fn skips_underscore(&self, c: char) -> bool {
        let is_symbol = self.open_word.as_ref().is_some_and(|open| {
            let is_short =
                open.raw.chars().count() <= 2 && open.raw.chars().all(char::is_alphabetic);
            is_short || is_formula(&open.raw)
        });
        let first = self.next(self.underscore_length());
        c == '_' && is_symbol && first.is_some_and(|c| c.is_ascii_digit())
    }

    pub(super) fn underscore_length(&self) -> usize {
        1 + usize::from(self.next(1) == Some('{'))
    }

    // Adds a subscript. In a formula, it is part of the word (H₂O becomes H2O); after a number, it is the
    // number's base.
    pub(super) fn push_subscript(&mut self, subscript: char, offset: usize, c: char) {
        let is_letter = subscript.is_alphabetic();
        if self.open_word.is_some() && !is_letter {
            self.extend(offset, subscript);
            if let Some(open) = &mut self.open_word {
                open.end = offset + c.len_utf8();
            }
            return;
        }
        self.close_word();
        let is_base = self.follows_figure();
        let end = offset + c.len_utf8();
        self.position += 1;
        if let (true, Some(word)) = (is_base, self.words.last_mut()) {
            word.plain.push('_');
            word.plain.push(subscript);
            word.end = end;
        } else {
            self.push(PlainWord {
                plain: subscript.to_string(),
                start: offset,
                end,
                ..PlainWord::default()
            });
        }
    }
}

// Whether the word is a chemical formula such as H2O, in which every element has one or two letters.
fn is_formula(raw: &str) -> bool {
    let mut previous_char = None;
    raw.chars().all(|c| {
        let is_second =
            c.is_ascii_lowercase() && previous_char.is_some_and(|c: char| c.is_uppercase());
        previous_char = Some(c);
        c.is_ascii_uppercase() || c.is_ascii_digit() || is_second
    }) && raw.starts_with(|c: char| c.is_ascii_uppercase())
}
