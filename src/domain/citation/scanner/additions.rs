//! Additions by the person quoting: `[sic]`, brackets around changed letters, and dollar signs around a formula.

use super::Scanner;

/// Maximum number of characters in brackets that can be a note or a change by the person quoting.
const MAX_NOTE_CHARS: usize = 24;
/// Maximum length of a formula between dollar signs, in characters.
const MAX_FORMULA_CHARS: usize = 80;

impl Scanner<'_> {
    // Returns the length of `[sic]` and similar notes by the person quoting, or of a footnote letter such as `[a]`.
    pub(super) fn note_length(&self, c: char) -> Option<usize> {
        let inside = self.bracketed_formula(c)?;
        let words = inside.to_lowercase();
        let is_note = matches!(
            words.trim_matches(['!', '.', ' ']),
            "sic" | "emphasis added" | "emphasis mine"
        );
        // A single letter in brackets directly after a word is a footnote letter.
        let is_letter = matches!(inside.as_str(), "a" | "b" | "c" | "d")
            && c == '['
            && self.open_word.is_some()
            && !self.next(3).is_some_and(char::is_alphabetic);
        (is_note || is_letter).then(|| inside.chars().count() + 2)
    }

    pub(super) fn bracketed_formula(&self, c: char) -> Option<String> {
        let closing = match c {
            '[' => ']',
            '(' => ')',
            _ => return None,
        };
        let rest = self.chars[self.position + 1..]
            .iter()
            .map(|&(_, c)| c)
            .take(MAX_NOTE_CHARS);
        let inside: String = rest.take_while(|&c| c != closing).collect();
        let length = inside.chars().count();
        (self.next(length + 1) == Some(closing)).then_some(inside)
    }

    // Whether to drop the brackets of `[T]he` and `walk[ed]`, which show that the person quoting changed these
    // letters.
    pub(super) fn skips_brackets(&mut self, c: char) -> bool {
        let inside = match c {
            '[' => self.bracketed_formula(c),
            _ => None,
        };
        let Some(inside) =
            inside.filter(|inside| !inside.is_empty() && inside.chars().all(char::is_alphabetic))
        else {
            return false;
        };
        let length = inside.chars().count();
        let is_inside_word =
            self.open_word.is_some() || self.next(length + 2).is_some_and(char::is_alphabetic);
        if is_inside_word {
            self.ignored_brackets = vec![self.position + length + 1];
        }
        is_inside_word
    }

    // Whether to drop the dollar signs around a formula: `$10^{-3}$`.
    pub(super) fn skips_dollar_signs(&mut self, c: char) -> bool {
        if c != '$' {
            return false;
        }
        let rest = self.chars[self.position + 1..]
            .iter()
            .map(|&(_, c)| c)
            .take(MAX_FORMULA_CHARS);
        let inside: String = rest.take_while(|&c| c != '$' && c != '\n').collect();
        let length = inside.chars().count();
        let is_formula = inside.contains(['^', '_', '\\', '{'])
            && inside.trim() == inside
            && self.next(length + 1) == Some('$');
        if is_formula {
            self.ignored_brackets = vec![self.position + length + 1];
        }
        is_formula
    }
}
