//! Brackets that change the meaning of what is between them and therefore count as words: intervals and lists
//! of values (`[0, 1)`, `]0, 1[`, `{1, 2}`), factors (`(2+3)×4`, `f(x+1)`), and indices (`a[5]`). Around an
//! aside, a footnote number, or a changed letter, the same characters are only punctuation.

use std::collections::{BTreeMap, BTreeSet};

use super::super::figures::to_ascii_digit;

/// Maximum number of characters between two brackets.
const MAX_BRACKETED_CHARS: usize = 60;
/// Maximum number of letters of a name in an expression.
const MAX_NAME_LETTERS: usize = 3;

/// The brackets of a text that count as words.
#[derive(Debug, Default)]
pub(super) struct MeaningfulBrackets {
    /// The brackets, keyed by their position in characters.
    signs: BTreeMap<usize, char>,
    /// Positions of commas that separate the values of a list and are therefore not decimal separators.
    separators: BTreeSet<usize>,
    /// All positions after an opening bracket, up to and including its closing bracket.
    bracketed_positions: BTreeSet<usize>,
}

impl MeaningfulBrackets {
    pub fn find(chars: &[(usize, char)]) -> Self {
        let mut brackets = Self::default();
        let mut at = 0;
        while at < chars.len() {
            let place = BracketCursor {
                chars,
                position: at,
            };
            let list = place.list_end();
            let end = list.as_ref().map(|(end, _)| *end);
            match end
                .or_else(|| place.index_end())
                .or_else(|| place.factor_end())
            {
                Some(end) => {
                    brackets
                        .separators
                        .extend(list.into_iter().flat_map(|(_, commas)| commas));
                    brackets
                        .signs
                        .extend([at, end].map(|at| (at, plain(chars[at].1))));
                    brackets.bracketed_positions.extend(at + 1..=end);
                    // Continue inside the brackets, because an expression may contain nested ones.
                    at += 1;
                }
                None => at += 1,
            }
        }
        brackets
    }

    /// Returns the bracket at this position, if it counts as a word.
    pub fn bracket_at(&self, at: usize) -> Option<char> {
        self.signs.get(&at).copied()
    }

    /// Whether this position is between two brackets that count as words, or at the closing one.
    pub fn contains(&self, at: usize) -> bool {
        self.bracketed_positions.contains(&at)
    }

    /// Returns the position at which a number that begins at `at` must end: at the next list separator, or at `length`
    /// if there is none.
    pub fn number_end(&self, at: usize, length: usize) -> usize {
        self.separators
            .range(at..)
            .next()
            .copied()
            .unwrap_or(length)
    }
}

/// Whether the word is one of the brackets that count as words.
pub(super) fn is_bracket(plain: &str) -> bool {
    matches!(plain, "[" | "]" | "(" | ")" | "{" | "}")
}

fn plain(c: char) -> char {
    match c {
        '（' => '(',
        '）' => ')',
        '［' => '[',
        '］' => ']',
        '｛' => '{',
        '｝' => '}',
        _ => c,
    }
}

struct BracketCursor<'a> {
    chars: &'a [(usize, char)],
    position: usize,
}

impl BracketCursor<'_> {
    fn get(&self, at: usize) -> Option<char> {
        self.chars.get(at).map(|&(_, c)| plain(c))
    }

    fn char_before(&self) -> Option<char> {
        self.get(self.position.checked_sub(1)?)
    }

    // Returns the positions of the closing bracket and of the separators of a list of two or more values that opens
    // here.
    fn list_end(&self) -> Option<(usize, Vec<usize>)> {
        let open = self.get(self.position)?;
        let closing: &[char] = match open {
            '[' => &[']', ')', '['],
            '(' => &[')', ']'],
            '{' => &['}'],
            // An interval such as `]0, 1[` has no space inside its brackets, unlike the end of an aside.
            ']' if self
                .get(self.position + 1)
                .is_some_and(|c| !c.is_whitespace()) =>
            {
                &['[', ']']
            }
            _ => return None,
        };
        let (mut at, mut separators) = (self.position + 1, Vec::new());
        // If the list is separated by semicolons, a comma is a decimal separator.
        let mut lookahead = self.chars[self.position + 1..]
            .iter()
            .take(MAX_BRACKETED_CHARS);
        let end = lookahead.position(|&(_, c)| closing.contains(&plain(c)))?;
        let has_semicolon = self.chars[self.position + 1..self.position + 1 + end]
            .iter()
            .any(|&(_, c)| c == ';');
        let mut sign = has_semicolon.then_some(';');
        while at < self.position + MAX_BRACKETED_CHARS {
            at = self.value_end(at, has_semicolon)?;
            match self.get(at)? {
                c @ (',' | ';') if sign.is_none_or(|sign| sign == c) => {
                    sign = Some(c);
                    separators.push(at);
                    at += 1;
                }
                c if closing.contains(&c) && !separators.is_empty() => {
                    let inside = &self.chars[self.position + 1..at];
                    let is_amount = open == '(' && c == ')' && is_grouped(inside);
                    return (!is_amount).then_some((at, separators));
                }
                _ => return None,
            }
        }
        None
    }

    // Returns the position after a value: a number, ∞, or a variable, with an optional sign and spaces.
    fn value_end(&self, from: usize, may_have_comma: bool) -> Option<usize> {
        let mut at = self.skip_spaces(from);
        if matches!(self.get(at)?, '+' | '-' | '−' | '–') {
            at = self.skip_spaces(at + 1);
        }
        let first = self.get(at)?;
        at += 1;
        let is_figure = to_ascii_digit(first).is_some() || first == '.';
        if is_figure {
            while self.get(at).is_some_and(|c| {
                to_ascii_digit(c).is_some()
                    || matches!(c, '.' | '/' | '%')
                    || c == ',' && may_have_comma
            }) {
                at += 1;
            }
        } else if first.is_alphabetic() || first == '∞' {
            while self
                .get(at)
                .is_some_and(|c| c.is_numeric() || matches!(c, '_' | '′' | '\''))
            {
                at += 1;
            }
        } else {
            return None;
        }
        Some(self.skip_spaces(at))
    }

    fn skip_spaces(&self, mut at: usize) -> usize {
        while self.get(at).is_some_and(char::is_whitespace) {
            at += 1;
        }
        at
    }

    // Returns the position of the closing bracket of an index that opens here, directly after a variable or an
    // identifier.
    fn index_end(&self) -> Option<usize> {
        let is_variable =
            || is_index_base(self.chars[..self.position].iter().rev().map(|&(_, c)| c));
        if self.get(self.position)? != '[' || !is_variable() {
            return None;
        }
        let end = self.closing_bracket('[', ']')?;
        let inside = &self.chars[self.position + 1..end];
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '+' | '-' | ':' | ',' | ' ');
        let has_figure = inside.iter().any(|&(_, c)| to_ascii_digit(c).is_some());
        (has_figure && inside.iter().all(|&(_, c)| is_part(c)) && names_are_short(inside))
            .then_some(end)
    }

    // Returns the position of the closing bracket of a sum or product that opens here, if an adjacent name, number, or
    // operator applies to it.
    fn factor_end(&self) -> Option<usize> {
        if self.get(self.position)? != '(' {
            return None;
        }
        let end = self.closing_bracket('(', ')')?;
        let inside = &self.chars[self.position + 1..end];
        let is_part = |c: char| {
            c.is_alphanumeric() || is_operator(c) || matches!(c, ' ' | '.' | ',' | '(' | ')' | '_')
        };
        let has_operator = inside
            .iter()
            .enumerate()
            .any(|(at, &(_, c))| at > 0 && is_operator(c));
        let is_expression = has_operator
            && inside.iter().all(|&(_, c)| is_part(c))
            && inside.iter().any(|&(_, c)| c.is_alphanumeric())
            && names_are_short(inside);
        (is_expression && self.is_attached_to_operand(end)).then_some(end)
    }

    // Whether a name, number, or operator directly adjoins the brackets, or a multiplication sign does across a space.
    fn is_attached_to_operand(&self, end: usize) -> bool {
        let before = self.char_before();
        let is_attached = before.is_some_and(|c| c.is_alphanumeric() || is_operator(c));
        let nonblank_before = (0..self.position).rev().map_while(|at| self.get(at));
        let nonblank_before = nonblank_before.take(3).find(|c| !c.is_whitespace());
        let after = self.get(end + 1);
        let second_after = self.get(self.skip_spaces(end + 1));
        let is_factor = |c: char| matches!(c, '×' | '·' | '*' | '÷' | '⋅');
        let raises = |c: char| {
            matches!(c, '^' | '/' | '!' | '′')
                || super::super::characters::from_superscript(c).is_some()
        };
        is_attached
            || nonblank_before.is_some_and(is_factor)
            || after.is_some_and(|c| raises(c) || c.is_alphanumeric())
            || second_after.is_some_and(is_factor)
    }

    fn closing_bracket(&self, open: char, close: char) -> Option<usize> {
        let mut depth = 0;
        for at in self.position + 1..self.position + MAX_BRACKETED_CHARS {
            match self.get(at)? {
                c if c == open => depth += 1,
                c if c == close && depth == 0 => return Some(at),
                c if c == close => depth -= 1,
                _ => {}
            }
        }
        None
    }
}

// Whether the text before a bracket, which is read backward, ends with a one-letter variable or with an identifier that
// contains an underscore.
pub(super) fn is_index_base(before: impl Iterator<Item = char>) -> bool {
    let name: Vec<char> = before
        .take_while(|&c| c.is_alphanumeric() || c == '_')
        .take(MAX_BRACKETED_CHARS)
        .collect();
    let is_variable = matches!(name.as_slice(), [c] if c.is_alphabetic());
    is_variable || name.contains(&'_') && name.iter().any(|c| c.is_alphabetic())
}

fn is_operator(c: char) -> bool {
    matches!(
        c,
        '+' | '-' | '−' | '–' | '×' | '*' | '/' | '·' | '⋅' | '÷' | '^' | '±'
    )
}

// Whether the text in brackets is a single number with digit groups: `1,234`.
fn is_grouped(inside: &[(usize, char)]) -> bool {
    let text: String = inside.iter().map(|&(_, c)| c).collect();
    let mut groups = text.split(',');
    let first = groups.next().unwrap_or_default();
    let is_digits = |text: &str| text.chars().all(|c| to_ascii_digit(c).is_some());
    let is_first = matches!(first.chars().count(), 1..=3) && is_digits(first);
    let is_group = |group: &str| group.chars().count() == 3 && is_digits(group);
    is_first && !first.starts_with('0') && groups.all(is_group)
}

fn names_are_short(inside: &[(usize, char)]) -> bool {
    let is_letter = |c: char| c.is_alphabetic();
    let text: String = inside.iter().map(|&(_, c)| c).collect();
    text.split(|c| !is_letter(c))
        .all(|name| name.chars().count() <= MAX_NAME_LETTERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_count_around_values_but_not_around_asides() {
        for (text, expected) in [
            ("p in [0,1] and q in [0, 1)", "[][)"),
            ("r in ]0,1[ and (−∞, 5]", "][(]"),
            ("{1, 2, 3} and [a, b) and (0,5)", "{}[)()"),
            ("[0,5; 1,5)", "[)"),
            ("a loss of (1,234) in (2023)", ""),
            ("2+3×4 and (2+3)×4, P(1+r)^n", "()()"),
            ("f(x+1) and f(x)+1 and (x+1)² and 2 × (a - b)", "()()()"),
            ("a[5] and user_ids[i+1] and Smith[3]", "[][]"),
            ("[T]he, [sic], [3], word(s), (see 5), (e.g. A/B)", ""),
            ("(the rate + the fee) and (p < 0.05)", ""),
            ("as shown [3], 4, [5] and [3] 4, 5 [x]", ""),
        ] {
            let chars: Vec<(usize, char)> = text.char_indices().collect();
            let brackets = MeaningfulBrackets::find(&chars);
            let signs: String = brackets.signs.values().collect();
            assert_eq!(signs, expected, "{text}");
        }
    }
}
