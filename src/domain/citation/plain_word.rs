//! One comparable word of a text.

use super::folding;

/// A comparable word and its position in the source text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlainWord {
    /// The word in lowercase with compatibility forms composed. A number has no group separators, and an exponent is
    /// written as in `^-3`.
    pub plain: String,
    /// `plain` without accents; `None` if it has none.
    pub(super) unaccented: Option<String>,
    /// The word in its original case; `None` if it has no capitals.
    pub(super) case_preserved: Option<String>,
    /// Start of the word in the source text, in bytes.
    pub start: usize,
    /// End of the word in the source text, in bytes.
    pub end: usize,
    /// Whether the word is a symbol such as `%` or `→`.
    pub is_symbol: bool,
    /// Whether the word is a footnote or reference number, which a quotation may omit.
    pub(super) is_reference: bool,
    /// Whether the word is a raised footnote number, as in `tenants²`.
    pub(super) is_raised: bool,
    /// Whether the word forms one number or word with the one before it. A quotation must then neither begin with it
    /// nor end directly before it.
    pub(super) is_bound_to_previous: bool,
    /// Whether the word is a single character of a script without spaces.
    pub(super) is_ideograph: bool,
    /// Whether the word directly continues the clause of the word before it, in a script without spaces.
    pub(super) is_joined: bool,
    /// Whether only spaces separate the word from the one before it.
    pub(super) is_after_space: bool,
    /// Whether the word is a single capital letter followed by a period, as in `U.S.`.
    pub(super) is_initial: bool,
    /// Whether the word is in capitals while the words around it are not.
    pub(super) is_acronym: bool,
    /// Whether the word is the number sign `№`, or "No" used as one, which would otherwise count as a negation.
    pub(super) is_number_sign: bool,
    /// The number without its separator, if the language and unit show that it is a group separator: `5000`
    /// for `5.000 Euro` in German. `None` otherwise.
    pub(super) without_grouping: Option<String>,
    /// Number of bytes of `plain` before a hyphen at the end of a line; `None` if there is no such hyphen.
    pub(super) hyphen: Option<usize>,
}

impl PlainWord {
    pub(super) fn new(raw: &str, start: usize) -> Self {
        let plain = folding::fold_word(raw);
        Self {
            unaccented: folding::without_accents(&plain),
            case_preserved: raw.contains(char::is_uppercase).then(|| raw.to_owned()),
            start,
            end: start + raw.len(),
            plain,
            ..Self::default()
        }
    }

    /// Whether the word is a number.
    pub fn is_figure(&self) -> bool {
        self.plain.starts_with(|c: char| c.is_ascii_digit())
    }

    pub(super) fn is_capital(&self) -> bool {
        let first = self
            .case_preserved
            .as_ref()
            .and_then(|cased| cased.chars().next());
        first.is_some_and(char::is_uppercase)
    }

    /// Whether the word has two or more letters, all of them capitals.
    pub(super) fn is_upper(&self) -> bool {
        let is_upper =
            |cased: &String| cased.chars().count() > 1 && !cased.contains(char::is_lowercase);
        self.case_preserved.as_ref().is_some_and(is_upper)
    }

    /// Whether the word has an accent. `ß` does not count as one.
    pub(super) fn is_accented(&self) -> bool {
        let unaccented = self.plain.replace('ß', "ss");
        self.unaccented
            .as_ref()
            .is_some_and(|stripped| *stripped != unaccented)
    }
}
