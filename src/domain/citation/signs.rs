//! Symbols that change the meaning of a text and therefore count as words: minus and range dashes, fractions,
//! ratios, comparisons, currencies, percent, arrows, set relations, and the parentheses of a negative amount.
//! Used as bullets, hyphens, or emphasis, the same characters are only punctuation.

use super::figures::to_ascii_digit;

/// A symbol at a position in a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Symbol {
    /// Number of characters that the symbol occupies in the text.
    pub length: usize,
    /// The symbol in normalized form; for example, `->` and `→` both become `→`.
    pub plain: String,
}

/// Symbols of two or more ASCII characters, with their normalized forms; the longest come first.
const ASCII_SYMBOLS: &[(&str, &str)] = &[
    ("<-->", "↔"),
    ("<->", "↔"),
    ("<=>", "⇔"),
    ("-->", "→"),
    ("<--", "←"),
    ("+/-", "±"),
    ("->", "→"),
    ("<-", "←"),
    ("=>", "⇒"),
    ("<=", "≤"),
    (">=", "≥"),
    ("!=", "≠"),
    ("==", "=="),
    (":=", "≔"),
];

/// Symbols that belong to the adjacent number; a quotation must not end between the two.
const BOUND_SYMBOLS: &[char] = &[
    '-', '/', ':', '(', '%', '‰', '‱', '°', '<', '>', '≤', '≥', '≠', '≈', '±', '×', '÷', '+', '√',
    '!', '|', '′', '″', '△', '▲', '▽', '▼',
];

/// Whether the adjacent number has a different value without the symbol.
pub(super) fn is_bound(plain: &str) -> bool {
    let mut chars = plain.chars();
    let first = chars.next();
    first.is_some_and(|c| is_currency(c) || BOUND_SYMBOLS.contains(&c)) && chars.next().is_none()
}

/// Reads the symbol at position `at`, if there is one.
pub(super) fn read_symbol(chars: &[(usize, char)], at: usize) -> Option<Symbol> {
    let context = SignContext::new(chars, at)?;
    if let Some(sign) = context.ascii_symbol() {
        return Some(sign);
    }
    let c = compatibility_form(context.char);
    let plain = match c {
        '-' | '–' | '−' | '/' | '∕' if context.is_between_variables => match c {
            '/' | '∕' => '/',
            _ => '-',
        },
        '-' | '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' | '﹣' => {
            context.normalized_dash()?
        }
        '/' | '⁄' | '∕' => context.between('/', |c| c.is_alphanumeric() || is_figure_end(c))?,
        ':' | '∶' => context.between(':', |c| to_ascii_digit(c).is_some())?,
        '*' | '·' | '∙' | '⋅' | '∗' | 'x' | 'X' => context.multiplication_sign()?,
        '(' => context.negative_amount()?,
        '~' | '∼' => {
            (context.is_before_digit() && context.char_before != Some('~')).then_some('≈')?
        }
        '#' => context.is_before_digit().then_some('#')?,
        '>' if context.closes_link => return None,
        '+' | '>' | '✓' | '✔' | '✗' | '✘' | '☐' | '☑' | '☒' => {
            (!context.is_bullet).then_some(c)?
        }
        // In Japanese accounts, △ and ▲ mark a loss; elsewhere, ▲ and ▼ mean up and down.
        '△' | '▲' | '▽' | '▼' => {
            let is_figure = context
                .visible_after
                .is_some_and(|c| to_ascii_digit(c).is_some());
            (is_figure && !context.is_bullet).then_some(c)?
        }
        '˚' => '°',
        '<' if context.is_link_bracket() => return None,
        '<' | '=' | '±' | '×' | '÷' | '¬' | '%' | '‰' | '‱' | '°' | '§' | '&' | '′' | '″' => {
            c
        }
        _ if is_currency(c) || is_mathematical(c) => c,
        _ => return None,
    };
    let has_slash_overlay = context.next_char == Some('\u{338}');
    Some(
        Symbol {
            length: 1 + usize::from(has_slash_overlay),
            plain: match has_slash_overlay {
                true => format!("{plain}\u{338}"),
                false => plain.to_string(),
            },
        }
        .with_combining_stroke(),
    )
}

impl Symbol {
    /// Creates a symbol whose normalized form equals its spelling.
    pub fn from_plain(plain: String) -> Self {
        Self {
            length: plain.chars().count(),
            plain,
        }
    }

    // Combines `=` and a stroke through it into `≠`.
    fn with_combining_stroke(self) -> Self {
        use unicode_normalization::UnicodeNormalization;
        Self {
            plain: self.plain.nfc().collect(),
            ..self
        }
    }
}

/// Maximum length in characters of a grade such as `BB-` or an ion such as `Cl-`.
const MAX_GRADE_LENGTH: usize = 8;
/// Words that may follow an amount in parentheses. They do not follow the number of an item.
const SCALE_WORDS: &[&str] = &[
    "million", "billion", "thousand", "trillion", "mio", "mrd", "%",
];

/// A character and its surroundings.
struct SignContext<'a> {
    remaining: &'a [(usize, char)],
    char: char,
    char_before: Option<char>,
    next_char: Option<char>,
    /// The nearest character before the symbol that is not a space.
    visible_before: Option<char>,
    visible_after: Option<char>,
    /// Whether the character is first on its line and followed by a space.
    is_bullet: bool,
    /// Whether the symbol directly follows the `]` that opens an interval.
    is_after_opening: bool,
    /// Whether the symbol closes a link in angle brackets.
    closes_link: bool,
    /// Whether the symbol has a space on both sides and stands between two lowercase one-letter words: `x - y`.
    is_between_variables: bool,
    /// Number of digits in the number before the symbol, counted up to 4.
    digits_before: usize,
    /// Letters and digits directly to the left of the symbol, up to the length of a grade or an ion.
    adjacent_text: String,
}

impl<'a> SignContext<'a> {
    fn new(chars: &'a [(usize, char)], at: usize) -> Option<Self> {
        let &(_, char) = chars.get(at)?;
        let (left, rest) = (&chars[..at], &chars[at + 1..]);
        let char_before = left.last().map(|&(_, c)| c);
        let next = rest.first().map(|&(_, c)| c);
        // Look only a few spaces away: anything farther is not adjacent to the symbol.
        let far_before = left.iter().rev().take(8).find(|(_, c)| !c.is_whitespace());
        let nonblank_next = rest.iter().take(8).find(|(_, c)| !c.is_whitespace());
        let indent = left.iter().rev().take_while(|(_, c)| *c != '\n').take(8);
        let is_first = indent
            .into_iter()
            .all(|(_, c)| c.is_whitespace() || *c == '>');
        let word = left.iter().rev().skip_while(|(_, c)| c.is_whitespace());
        let adjacent = left.iter().rev().map(|&(_, c)| c);
        let adjacent: Vec<char> = adjacent
            .take_while(|c| c.is_alphanumeric())
            .take(MAX_GRADE_LENGTH + 1)
            .collect();
        Some(Self {
            remaining: rest,
            char,
            char_before,
            next_char: next,
            visible_before: far_before.map(|&(_, c)| compatibility_form(c)),
            visible_after: nonblank_next.map(|&(_, c)| compatibility_form(c)),
            digits_before: word
                .take_while(|&&(_, c)| to_ascii_digit(c).is_some())
                .take(4)
                .count(),
            adjacent_text: adjacent.into_iter().rev().collect(),
            is_after_opening: match left {
                [.., (_, char_before), (_, ']')] => char_before.is_whitespace(),
                [(_, ']')] => true,
                _ => false,
            },
            closes_link: char == '>' && is_link(left),
            is_between_variables: is_variable(left.iter().rev()) && is_variable(rest.iter()),
            is_bullet: is_first && next.is_none_or(|c| c.is_whitespace() || c == '>'),
        })
    }

    fn ascii_symbol(&self) -> Option<Symbol> {
        let (spelled, plain) = ASCII_SYMBOLS
            .iter()
            .find(|(spelled, _)| self.starts_with(spelled))?;
        let length = spelled.chars().count();
        // In `x <-5`, the `<` is a comparison with a negative number.
        let following = self.remaining.get(length - 1).map(|&(_, c)| c);
        let is_comparison =
            *spelled == "<-" && following.is_some_and(|c| to_ascii_digit(c).is_some());
        (!is_comparison && !self.is_bullet).then(|| Symbol {
            length,
            plain: (*plain).to_owned(),
        })
    }

    fn starts_with(&self, spelled: &str) -> bool {
        let mut expected_chars = spelled.chars();
        expected_chars.next() == Some(self.char)
            && expected_chars.enumerate().all(|(index, c)| {
                self.remaining
                    .get(index)
                    .is_some_and(|&(_, actual)| actual == c)
            })
    }

    // Normalizes a minus, the dash of a range, or the sign of a grade or an ionic charge.
    fn normalized_dash(&self) -> Option<char> {
        let is_end = self
            .next_char
            .is_none_or(|c| !c.is_alphanumeric() && c != '-');
        let is_wide = matches!(self.char, '—' | '―');
        if self.char == '−' && !self.is_bullet || is_end && self.follows_grade(is_wide) {
            return Some('-');
        }
        let is_between = self
            .visible_before
            .is_some_and(|c| to_ascii_digit(c).is_some() || is_figure_end(c))
            && self
                .visible_after
                .is_some_and(|c| to_ascii_digit(c).is_some() || is_currency(c));
        let is_unspaced =
            self.char_before == self.visible_before && self.next_char == self.visible_after;
        if is_between && !self.is_bullet && (is_unspaced || !is_wide) {
            return Some('-');
        }
        let is_open = self.is_after_opening
            || self
                .char_before
                .is_none_or(|c| !c.is_alphanumeric() && !matches!(c, ')' | ']' | '-'));
        let is_amount = |c: char| to_ascii_digit(c).is_some() || is_currency(c) || c == '.';
        let is_figure = match (self.next_char, self.remaining.get(1)) {
            (Some(c), _) if to_ascii_digit(c).is_some() || c == '∞' => true,
            (Some(c), Some(&(_, second))) => is_amount(c) && to_ascii_digit(second).is_some(),
            _ => false,
        };
        let is_spaced_figure = self.char_before.is_some_and(char::is_whitespace)
            && self.next_char.is_some_and(char::is_whitespace)
            && self
                .visible_after
                .is_some_and(|c| to_ascii_digit(c).is_some() || is_currency(c))
            && !self.is_bullet;
        ((is_figure && is_open || is_spaced_figure) && !is_wide).then_some('-')
    }

    // Whether the dash belongs to a grade, an ion, or a number: `B-`, `BB-`, `HER2-`, `Cl-`, `5-`. At the end
    // of a line, it may instead join two parts of a word.
    fn follows_grade(&self, is_wide: bool) -> bool {
        let length = self.adjacent_text.chars().count();
        let is_capital = self.adjacent_text.starts_with(char::is_uppercase);
        if length == 1 && is_capital {
            return true;
        }
        let has_digit = self.adjacent_text.contains(|c| to_ascii_digit(c).is_some());
        let is_upper = !self.adjacent_text.contains(char::is_lowercase);
        let is_grade =
            length <= MAX_GRADE_LENGTH && is_capital && (length <= 2 || is_upper || has_digit);
        let is_figure = length > 0
            && self
                .adjacent_text
                .chars()
                .all(|c| to_ascii_digit(c).is_some());
        let is_at_line_end = matches!(self.next_char, Some('\n' | '\r'));
        let may_join = |c: char| c.is_uppercase() || c.is_numeric() || is_figure || !is_upper;
        (is_grade || is_figure)
            && !is_wide
            && !(is_at_line_end && self.visible_after.is_some_and(may_join))
    }

    // Returns `sign` if the symbol is between two characters of the given kind without spaces, or between digits with a
    // space on both sides.
    fn between(&self, sign: char, is_side: impl Fn(char) -> bool) -> Option<char> {
        let sides = [self.char_before, self.next_char].map(|c| c.map(compatibility_form));
        let is_unspaced = sides.iter().all(|c| c.is_some_and(&is_side));
        let is_spaced = [self.char_before, self.next_char]
            .iter()
            .all(|c| c.is_some_and(char::is_whitespace));
        let is_digit = |c: Option<char>| c.is_some_and(|c| to_ascii_digit(c).is_some());
        // In French, a colon after a year is preceded by a space and ends a clause.
        let follows_year = is_spaced
            && is_digit(self.visible_before)
            && is_digit(self.visible_after)
            && (sign != ':' || self.digits_before < 4);
        (is_unspaced || follows_year).then_some(sign)
    }

    // Returns the multiplication sign of `5 x 10` and `5*10`. A middle dot is not converted, because it may
    // be a decimal point.
    fn multiplication_sign(&self) -> Option<char> {
        let sign = self.between('×', |c| to_ascii_digit(c).is_some())?;
        Some(match self.char {
            '·' | '∙' => '·',
            _ => sign,
        })
    }

    // Returns the parenthesis of a negative amount, such as "(1,234)" in a balance sheet. One or two digits in
    // parentheses are an item number, unless a number precedes them or a word such as "million" follows.
    fn negative_amount(&self) -> Option<char> {
        let is_inside = |c: char| {
            to_ascii_digit(c).is_some()
                || is_currency(c)
                || matches!(c, '.' | ',' | ' ' | '\u{A0}' | '%')
        };
        let inside: Vec<char> = self
            .remaining
            .iter()
            .map(|&(_, c)| compatibility_form(c))
            .take(24)
            .take_while(|&c| is_inside(c))
            .collect();
        let is_closed = self
            .remaining
            .get(inside.len())
            .is_some_and(|&(_, c)| matches!(c, ')' | '）'));
        let following: String = self
            .remaining
            .iter()
            .skip(inside.len() + 1)
            .take(12)
            .map(|&(_, c)| c)
            .collect();
        let is_scaled = SCALE_WORDS
            .iter()
            .any(|scale| following.trim_start().to_lowercase().starts_with(scale));
        let is_amount = inside.iter().any(|&c| to_ascii_digit(c).is_some());
        let is_row = self
            .visible_before
            .is_some_and(|c| to_ascii_digit(c).is_some() || is_figure_end(c));
        let is_item = inside.len() <= 2
            && inside.iter().all(|&c| to_ascii_digit(c).is_some())
            && !is_row
            && !is_scaled;
        (is_closed && is_amount && !is_item).then_some('(')
    }

    fn is_link_bracket(&self) -> bool {
        let mut lookahead = self.remaining.iter().take(MAX_LINK_CHARS);
        lookahead
            .position(|&(_, c)| c == '>' || c.is_whitespace())
            .is_some_and(|end| self.remaining[end].1 == '>' && is_link_text(&self.remaining[..end]))
    }

    fn is_before_digit(&self) -> bool {
        self.next_char.is_some_and(|c| to_ascii_digit(c).is_some())
    }
}

/// Maximum length of a link in angle brackets, in characters.
const MAX_LINK_CHARS: usize = 300;

// Whether the text ends with `<` and a link.
fn is_link(left: &[(usize, char)]) -> bool {
    let start = left
        .iter()
        .rev()
        .take(MAX_LINK_CHARS)
        .position(|&(_, c)| c == '<' || c.is_whitespace());
    start.is_some_and(|length| {
        let at = left.len() - length;
        left[at - 1].1 == '<' && is_link_text(&left[at..])
    })
}

fn is_link_text(chars: &[(usize, char)]) -> bool {
    let text: String = chars.iter().take(MAX_LINK_CHARS).map(|&(_, c)| c).collect();
    text.contains("://") || text.contains('@')
}

// Whether the characters, read away from the symbol, begin with a space and a lowercase one-letter word.
fn is_variable<'a>(mut chars: impl Iterator<Item = &'a (usize, char)>) -> bool {
    let mut next = || chars.next().map(|&(_, c)| c);
    next() == Some(' ')
        && next().is_some_and(|c| c.is_ascii_lowercase())
        && next().is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '\'' | '’' | '-'))
}

// Whether this character may end a number before a dash or a slash.
fn is_figure_end(c: char) -> bool {
    matches!(c, '%' | '‰' | '°') || is_currency(c)
}

// Returns the plain form of a full-width or small-form character.
fn compatibility_form(c: char) -> char {
    match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        '￠' => '¢',
        '￡' => '£',
        '￥' => '¥',
        '￦' => '₩',
        '﹪' => '%',
        '﹢' => '+',
        '﹤' => '<',
        '﹥' => '>',
        '﹦' => '=',
        '﹩' => '$',
        _ => c,
    }
}

/// Whether the character is a currency symbol.
pub(super) fn is_currency(c: char) -> bool {
    matches!(c, '$' | '¢'..='¥' | '֏' | '؋' | '৳' | '฿' | '៛' | '\u{20A0}'..='\u{20CF}')
}

// Whether this is an arrow or a mathematical operator.
fn is_mathematical(c: char) -> bool {
    matches!(c, '\u{2190}'..='\u{22FF}' | '\u{27F0}'..='\u{27FF}' | '\u{2900}'..='\u{297F}' | '\u{2A00}'..='\u{2AFF}')
        && !matches!(c, '⋯' | '∙' | '⋅' | '∗')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_symbols(text: &str) -> String {
        let chars: Vec<(usize, char)> = text.char_indices().collect();
        let mut symbols = String::new();
        let mut at = 0;
        while at < chars.len() {
            match read_symbol(&chars, at) {
                Some(sign) => {
                    symbols.push_str(&sign.plain);
                    at += sign.length;
                }
                None => at += 1,
            }
        }
        symbols
    }

    #[test]
    fn signs_next_to_numbers_are_distinguished_from_punctuation() {
        for (text, expected) in [
            ("fell to -5 and −5", "--"),
            ("5-10, 5–10, 5 – 10, 5%-10%", "---%-%"),
            ("well-known – a man - who", ""),
            ("- 5 apples\n+ 2 pears\n> 3 plums", ""),
            ("word—5", ""),
            ("3/4 and 3 / 4", "//"),
            ("and/or; diverged / And", "/"),
            ("1:3, 10:30, in 2020: 5, en 2020 : 5, 1 : 3", ":::"),
            ("grade A-, Cl− ions, pre- and post-", "--"),
            ("BB- by, BBB-, HER2-, HIV-, Cl- ions, 5- was", "------"),
            ("EU-\nLaw, Cl-\norine, 5-\nyear, the EU— as", ""),
            ("rated BB-\nby", "-"),
            ("fell to - 5, to – 5, to - £5", "---£"),
            ("a loss of ( 5 ) and (5) million", "(("),
            ("a loss of (1,234) and ($5)", "(($"),
            ("(see 5) (a) (5 of them)", ""),
            ("(3) third, and (4) fourth; 12 (5) 7", "("),
            ("A → B, A -> B, A <- B, A <-> B", "→→←↔"),
            ("a loss of △500, ▼5 % and ▲ 5", "△▼%▲"),
            ("▲ 5 points\n▼ more", ""),
            ("x == y, x := y, x = y", "==≔="),
            ("x <-5", "<-"),
            ("x ∈ A, y ∉ B, =\u{338}", "∈∉≠"),
            ("$5 €5 ￥5 ₹5", "$€¥₹"),
            ("5 % 5％ 5‰", "%%‰"),
            ("5 x 10, 5×10, 5*10, **bold** box", "×××"),
            ("2·5 and a · b", "·"),
            ("x - y, x / y, x – y, (a - b)", "-/--"),
            ("plan a - and plan - b, his - a car", ""),
            ("~5 ~~5~~", "≈"),
            ("<= ≤ != ≠", "≤≤≠≠"),
        ] {
            assert_eq!(all_symbols(text), expected, "{text}");
        }
        assert!(is_bound("€") && is_bound("-") && !is_bound("=") && !is_bound("→"));
    }
}
