//! Punctuation that is an operator where it touches a number or a name, and therefore counts as a word: `6'`,
//! `3!`, `C#`, `|-3|`, `!ready`, `~p`, `~~struck out~~`. Pictographs count as well. Elsewhere, the same
//! characters are only punctuation.

use super::figures::to_ascii_digit;
use super::signs::Symbol;

/// Maximum distance, in characters, between an opening quotation mark and a mark after a number, which may be its
/// closing mark or a prime.
const MAX_QUOTED_DISTANCE: usize = 200;
/// Maximum number of characters between the two bars of an absolute value.
const MAX_LENGTH_BETWEEN_BARS: usize = 12;

/// Reads the operator at position `at`, if the character there is one.
pub(super) fn read_operator(chars: &[(usize, char)], at: usize) -> Option<Symbol> {
    let context = OperatorContext {
        chars,
        position: at,
    };
    let c = context.char_ahead(0)?;
    let (length, plain) = match c {
        '~' => context.tilde_operator()?,
        '!' => (1, context.exclamation_operator()?),
        '#' => (1, context.is_sharp().then_some("#")?),
        '\'' | '’' => (1, context.is_prime(&['\'', '‘', '’']).then_some("′")?),
        '"' | '”' => (1, context.is_prime(&['"', '“', '”', '„']).then_some("″")?),
        '|' => (1, context.is_vertical_bar().then_some("|")?),
        _ if is_pictograph(c) && !context.is_ornament(c) => {
            return Some(context.read_pictograph(c));
        }
        _ => return None,
    };
    Some(Symbol {
        length,
        plain: plain.to_owned(),
    })
}

struct OperatorContext<'a> {
    chars: &'a [(usize, char)],
    position: usize,
}

impl OperatorContext<'_> {
    fn char_ahead(&self, distance: usize) -> Option<char> {
        self.chars.get(self.position + distance).map(|&(_, c)| c)
    }

    fn char_behind(&self, distance: usize) -> Option<char> {
        let at = self.position.checked_sub(distance)?;
        self.chars.get(at).map(|&(_, c)| c)
    }

    // Reads the `~~` that delimits struck-out text, or the `~` that negates a name.
    fn tilde_operator(&self) -> Option<(usize, &'static str)> {
        if self.char_behind(1) == Some('~') {
            return None;
        }
        if self.char_ahead(1) == Some('~') {
            return (self.char_ahead(2) != Some('~')).then_some((2, "~~"));
        }
        let stands_apart = self.char_behind(1).is_none_or(|c| !c.is_alphanumeric());
        (stands_apart && self.char_ahead(1).is_some_and(char::is_alphabetic)).then_some((1, "~"))
    }

    // Reads an exclamation mark: a factorial after a number or a variable, or a negation before a name.
    fn exclamation_operator(&self) -> Option<&'static str> {
        let stands_apart = self
            .char_behind(1)
            .is_none_or(|c| c.is_whitespace() || matches!(c, '(' | '[' | '{' | '=' | '&' | '|'));
        if stands_apart {
            let precedes_name = self
                .char_ahead(1)
                .is_some_and(|c| c.is_ascii_alphabetic() || c == '(');
            return precedes_name.then_some("¬");
        }
        let char_before = self.char_behind(1)?;
        let is_variable = char_before.is_lowercase()
            && self
                .char_behind(2)
                .is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '\'' | '’' | '-'));
        (to_ascii_digit(char_before).is_some() || is_variable).then_some("!")
    }

    fn is_sharp(&self) -> bool {
        self.char_behind(1).is_some_and(char::is_alphanumeric)
            && !self.char_ahead(1).is_some_and(char::is_alphanumeric)
    }

    // Whether this is a prime, which follows a number or a variable and does not close a quotation.
    fn is_prime(&self, marks: &[char]) -> bool {
        let is_alone = self
            .char_behind(2)
            .is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '\'' | '’' | '.' | '-'));
        let is_variable = |c: char| c.is_ascii_alphabetic() && is_alone;
        let follows_figure = self
            .char_behind(1)
            .is_some_and(|c| to_ascii_digit(c).is_some() || is_variable(c));
        let stands_apart = !self.char_ahead(1).is_some_and(char::is_alphabetic);
        follows_figure && stands_apart && !self.is_closing(marks)
    }

    fn is_closing(&self, marks: &[char]) -> bool {
        let mut closed_count = 0;
        for distance in 2..MAX_QUOTED_DISTANCE {
            let Some(c) = self.char_behind(distance) else {
                return false;
            };
            if !marks.contains(&c) {
                continue;
            }
            let char_before = self.char_behind(distance + 1);
            let opens = char_before
                .is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '.' | ',' | '!' | '?'));
            if opens && closed_count == 0 {
                return true;
            }
            if opens {
                closed_count -= 1;
            } else if char_before.is_none_or(|c| to_ascii_digit(c).is_none())
                && !self
                    .char_behind(distance - 1)
                    .is_some_and(char::is_alphanumeric)
            {
                closed_count += 1;
            }
        }
        false
    }

    // Whether this is one of the two bars around an absolute value, or the bar of a conditional probability. The bars
    // of a table have spaces around them or begin a line.
    fn is_vertical_bar(&self) -> bool {
        self.is_condition()
            || self.opens_bars()
            || (2..MAX_LENGTH_BETWEEN_BARS + 2).any(|behind| {
                self.char_behind(behind) == Some('|')
                    && OperatorContext {
                        chars: self.chars,
                        position: self.position - behind,
                    }
                    .opens_bars()
                    && (1..behind)
                        .all(|between| self.char_behind(between).is_some_and(can_be_between_bars))
            })
    }

    // Whether this is the bar of a conditional probability: `P(A | B)`.
    fn is_condition(&self) -> bool {
        let is_inside = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | ',' | '=' | '¬');
        let chars_before = (1..=MAX_LENGTH_BETWEEN_BARS)
            .map_while(|chars_after| self.char_behind(chars_after).filter(is_inside))
            .count();
        let chars_after = (1..=MAX_LENGTH_BETWEEN_BARS)
            .map_while(|distance| self.char_ahead(distance).filter(is_inside))
            .count();
        chars_before > 0
            && chars_after > 0
            && self.char_behind(chars_before + 1) == Some('(')
            && self
                .char_behind(chars_before + 2)
                .is_some_and(char::is_alphabetic)
            && self.char_ahead(chars_after + 1) == Some(')')
    }

    fn opens_bars(&self) -> bool {
        let stands_apart = self
            .char_behind(1)
            .is_some_and(|c| c == ' ' || matches!(c, '(' | '=' | '<' | '>' | '+'));
        let is_first = || {
            (1..MAX_QUOTED_DISTANCE)
                .map_while(|behind| self.char_behind(behind).filter(|&c| c != '\n'))
                .all(char::is_whitespace)
        };
        let length = (1..=MAX_LENGTH_BETWEEN_BARS)
            .take_while(|&distance| self.char_ahead(distance).is_some_and(can_be_between_bars))
            .count();
        let is_closed = length > 0
            && self.char_ahead(length + 1) == Some('|')
            && !self
                .char_ahead(length + 2)
                .is_some_and(|c| c.is_alphanumeric() || c == '|');
        stands_apart && is_closed && !is_first()
    }

    // Whether this is a dingbat at the beginning of a line, where it is a bullet.
    fn is_ornament(&self, c: char) -> bool {
        let is_first = self.char_behind(1).is_none_or(|c| c == '\n');
        is_first && matches!(c, '\u{2700}'..='\u{27BF}')
    }

    fn read_pictograph(&self, c: char) -> Symbol {
        let is_skin_tone_modifier = |c: &char| matches!(c, '\u{1F3FB}'..='\u{1F3FF}');
        Symbol {
            length: 1 + usize::from(
                self.char_ahead(1)
                    .as_ref()
                    .is_some_and(is_skin_tone_modifier),
            ),
            plain: c.to_string(),
        }
    }
}

fn can_be_between_bars(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '−' | '+' | '.' | ',' | '/' | '^' | '_')
}

// Whether this is an emoji, a weather or chess symbol, a musical accidental, a dingbat, or a technical symbol.
fn is_pictograph(c: char) -> bool {
    let is_quotation_mark = matches!(c, '\u{275B}'..='\u{2760}');
    matches!(c, '\u{2300}'..='\u{23FF}' | '\u{2600}'..='\u{2775}' | '\u{2794}'..='\u{27BF}'
        | '\u{1F000}'..='\u{1F0FF}' | '\u{1F1E6}'..='\u{1FAFF}')
        && !is_quotation_mark
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_operators(text: &str) -> String {
        let chars: Vec<(usize, char)> = text.char_indices().collect();
        let mut operators = String::new();
        let mut at = 0;
        while at < chars.len() {
            match read_operator(&chars, at) {
                Some(sign) => {
                    operators.push_str(&sign.plain);
                    at += sign.length;
                }
                None => at += 1,
            }
        }
        operators
    }

    #[test]
    fn operators_are_distinguished_from_punctuation() {
        for (text, expected) in [
            ("a wall of 6' and 5\"", "′″"),
            (
                "the 'class of 2020' and the “class of 2020” and \"of 5\"",
                "",
            ),
            ("the \"old\" wall of 5\"", "″"),
            ("the 1990's, don't", ""),
            ("3! boxes and n! of them", "!!"),
            ("Great! It is so!", ""),
            ("!ready and (!done)", "¬¬"),
            ("C# and F#, #tag", "##"),
            ("~p and ~~struck~~ and ~~~", "~~~~~"),
            ("of |-3| and |x|", "||||"),
            ("| Pump | 30 |\n|a|b|", ""),
            ("rated 👍, 👍🏽, and 👎", "👍👍👎"),
            ("f' of x, A' and 'grade A' for the boys' toys, O'Neil", "′′"),
            ("P(A | B) and P(A, B)", "|"),
            ("✦ a bullet", ""),
        ] {
            assert_eq!(all_operators(text), expected, "{text}");
        }
    }
}
