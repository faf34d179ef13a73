//! Punctuation inside addresses, identifiers, and options, where it is part of the name and therefore counts as a
//! word: `user_name` is not `user-name`, `info@example.org` is not `info.example@org`, `--cache` is not `cache`.

use std::collections::BTreeMap;

/// The signs of addresses, identifiers, and options in a text, by position in characters.
#[derive(Debug, Default)]
pub(super) struct IdentifierPunctuation(BTreeMap<usize, &'static str>);

/// Characters that may occur in an address besides letters and digits.
const ADDRESS_SIGNS: &[(char, &str)] = &[
    ('.', "."),
    ('-', "-"),
    ('_', "_"),
    ('/', "/"),
    (':', ":"),
    ('?', "?"),
    ('=', "="),
    ('&', "&"),
    ('#', "#"),
    ('%', "%"),
    ('~', "~"),
    ('+', "+"),
    ('@', "@"),
];

impl IdentifierPunctuation {
    pub fn find(chars: &[(usize, char)]) -> Self {
        let mut identifier_punctuation = Self::default();
        let mut start = 0;
        for end in 0..=chars.len() {
            let ends = chars.get(end).is_none_or(|&(_, c)| !is_part(c));
            if ends {
                identifier_punctuation.scan_run(chars, start, end);
                start = end + 1;
            }
        }
        identifier_punctuation
    }

    /// Returns the sign at this position, if it counts as a word.
    pub fn sign_at(&self, at: usize) -> Option<&'static str> {
        self.0.get(&at).copied()
    }

    // Finds the signs in a run of characters without spaces.
    fn scan_run(&mut self, chars: &[(usize, char)], start: usize, end: usize) {
        let run: Vec<char> = chars[start.min(end)..end].iter().map(|&(_, c)| c).collect();
        let Some(first) = run.iter().position(|c| c.is_alphanumeric()) else {
            return;
        };
        let last = run
            .iter()
            .rposition(|c| c.is_alphanumeric())
            .unwrap_or(first);
        if is_address(&run[first..=last]) {
            for (at, &character) in run.iter().enumerate().take(last).skip(first) {
                let sign = ADDRESS_SIGNS.iter().find(|&&(c, _)| c == character);
                self.0.extend(sign.map(|&(_, plain)| (start + at, plain)));
            }
            return;
        }
        for at in first..last {
            let is_between = at > first && run[at - 1].is_alphanumeric();
            match (run[at], run[at + 1]) {
                ('_', next) if is_between && next.is_alphanumeric() => {
                    self.0.insert(start + at, "_");
                }
                ('.', '*')
                    if is_between && run.get(at + 2).is_some_and(|c| c.is_alphanumeric()) =>
                {
                    self.0.insert(start + at + 1, "*");
                }
                _ => {}
            }
        }
        // This is an option such as `--cache`, but not a dash between words or a line of dashes.
        let is_name = run[first].is_ascii_lowercase();
        if run[..first] == ['-', '-'] && is_name {
            self.0.insert(start, "--");
        }
    }
}

// Whether the character may occur in an address or an identifier.
fn is_part(c: char) -> bool {
    !c.is_whitespace()
        && !matches!(
            c,
            '<' | '>'
                | '"'
                | '“'
                | '”'
                | '„'
                | '«'
                | '»'
                | '('
                | ')'
                | '['
                | ']'
                | '`'
                | '\''
                | '’'
                | ','
                | ';'
                | '|'
        )
}

fn is_address(run: &[char]) -> bool {
    let text: String = run.iter().collect();
    let has_at = run
        .windows(3)
        .any(|three| three[0].is_alphanumeric() && three[1] == '@' && three[2].is_alphanumeric());
    text.contains("://") || text.starts_with("www.") || has_at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_counts_only_inside_names() {
        for (text, expected) in [
            ("see https://a-b.example/c_d?x=1#y.", "://-./_?=#"),
            ("<info@a.example>, (x.y@b.example)", "@..@."),
            ("user_name and _emphasis_ and snake_", "_"),
            ("with --no-cache and a -- b, a--b, ---", "--"),
            ("^a.*b$ and **bold**. *It*", "*"),
            ("well-known e.g. 3.5, and/or; ends.The", ""),
        ] {
            let chars: Vec<(usize, char)> = text.char_indices().collect();
            let identifier_punctuation = IdentifierPunctuation::find(&chars);
            let signs: String = identifier_punctuation.0.values().copied().collect();
            assert_eq!(signs, expected, "{text}");
        }
    }
}
