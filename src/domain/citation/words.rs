//! Splits a text into comparable words with their positions: words, numbers, symbols, and ideographs. Decides what
//! counts as a word; `folding`, `figures`, and `signs` decide how each is spelled.

use super::clauses;
use super::plain_word::PlainWord;
use super::scanner::Scanner;
use super::signs;

/// A text prepared for comparison: its words and properties of the whole text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ComparableText {
    pub(super) words: Vec<PlainWord>,
    /// Whether any word has an accent.
    pub(super) has_accents: bool,
    /// Whether the text was recognized from a scanned image, so that individual letters may be wrong.
    pub(super) is_recognized: bool,
}

impl ComparableText {
    /// Prepares text that was typed rather than recognized from an image.
    pub fn from_text(text: &str) -> Self {
        let words = words(text);
        Self {
            has_accents: words.iter().any(PlainWord::is_accented),
            words,
            is_recognized: false,
        }
    }

    /// Prepares text that OCR recognized from an image.
    pub fn from_ocr_text(text: &str) -> Self {
        Self {
            is_recognized: true,
            ..Self::from_text(text)
        }
    }

    /// Returns the words in text order.
    pub fn words(&self) -> &[PlainWord] {
        &self.words
    }
}

/// Splits a text into comparable words; each ideograph is one word. Citation marks do not count as words.
pub fn words(text: &str) -> Vec<PlainWord> {
    let mut words = Scanner::new(text).words();
    restore_exponents(&mut words);
    mark_group_separators(&mut words);
    mark_acronyms(&mut words);
    mark_initials(&mut words, text);
    mark_number_signs(&mut words, text);
    join_to_previous(&mut words, text);
    bind_strikethrough(&mut words);
    words
}

// Restores lost exponents: `m2` after a number becomes `m^2`, because there is no unit `m2`.
fn restore_exponents(words: &mut [PlainWord]) {
    for at in 1..words.len() {
        let is_measured = words[at - 1].is_figure();
        let word = &mut words[at];
        let is_length = |unit: &&str| matches!(*unit, "m" | "cm" | "mm" | "km" | "dm" | "ft");
        let unit = word.plain.strip_suffix(['2', '3']).filter(is_length);
        if let (true, Some(unit)) = (is_measured, unit) {
            word.plain = format!("{unit}^{}", &word.plain[unit.len()..]);
        }
    }
}

/// Common German words. Two of them in a text show that its numbers have a decimal comma.
const GERMAN_WORDS: &[&str] = &[
    "der", "die", "das", "und", "ist", "im", "wird", "nicht", "den", "dem", "für", "beträgt",
];
/// Names and codes of currencies.
const CURRENCY_WORDS: &[&str] = &[
    "euro", "euros", "eur", "dollar", "usd", "franken", "chf", "pfund", "gbp", "mark", "dm",
];

// Marks periods that separate digit groups. Only German amounts of money are unambiguous: "5.000 Euro" is "5000 Euro".
// In other languages, the period may be a decimal point.
fn mark_group_separators(words: &mut [PlainWord]) {
    let is_english = words.iter().any(|word| word.plain == "the");
    let german = words
        .iter()
        .filter(|word| GERMAN_WORDS.contains(&word.plain.as_str()));
    if is_english || german.count() < 2 {
        return;
    }
    for at in 0..words.len() {
        let is_currency = |word: &PlainWord| {
            CURRENCY_WORDS.contains(&word.plain.as_str())
                || word.is_symbol && word.plain.chars().all(signs::is_currency)
        };
        let word_before = at.checked_sub(1).and_then(|at| words.get(at));
        let is_money = word_before
            .into_iter()
            .chain(words.get(at + 1))
            .any(is_currency);
        let is_group = |first_group: &str, group: &str| {
            let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
            matches!(first_group.len(), 1..=3)
                && group.len() == 3
                && !first_group.starts_with('0')
                && is_digits(first_group)
                && is_digits(group)
        };
        let word = &mut words[at];
        let parts = word.plain.split_once('.').filter(|_| is_money);
        let parts = parts.filter(|(first_group, group)| is_group(first_group, group));
        word.without_grouping = parts.map(|(first_group, group)| format!("{first_group}{group}"));
    }
}

// Marks words in capitals as acronyms if the words around them are not in capitals. A whole line in capitals
// is a heading.
fn mark_acronyms(words: &mut [PlainWord]) {
    let upper: Vec<bool> = words.iter().map(PlainWord::is_upper).collect();
    for (at, word) in words.iter_mut().enumerate() {
        let has_uppercase_neighbor = at > 0 && upper[at - 1] || upper.get(at + 1) == Some(&true);
        word.is_acronym = upper[at] && !has_uppercase_neighbor;
    }
}

/// Words that multiply the number before them.
const SCALE_WORDS: &[&str] = &[
    "hundred",
    "thousand",
    "million",
    "millions",
    "billion",
    "billions",
    "trillion",
    "bn",
    "mn",
    "mio",
    "mrd",
    "tausend",
    "millionen",
    "milliarde",
    "milliarden",
    "billionen",
    "mille",
    "milliers",
    "milliard",
    "milliards",
    "mil",
    "millones",
    "milioni",
    "miliardi",
    "k",
];

// Marks words that form one number or word with the one before them, and words that continue its clause.
fn join_to_previous(words: &mut [PlainWord], text: &str) {
    for at in 1..words.len() {
        let (word_before, word) = (&words[at - 1], &words[at]);
        let gap = text.get(word_before.end..word.start).unwrap_or_default();
        let is_joined = clauses::continues_clause(word_before, word, gap);
        words[at].is_bound_to_previous =
            word.is_bound_to_previous || form_one_token(word_before, word, gap);
        words[at].is_after_space = !gap.is_empty() && gap.chars().all(char::is_whitespace);
        words[at].is_joined = is_joined;
    }
}

fn mark_initials(words: &mut [PlainWord], text: &str) {
    for word in words {
        let is_one = word.plain.chars().count() == 1 && word.is_capital();
        word.is_initial = is_one && text[word.end..].starts_with('.');
    }
}

// Marks "No" before digits as a number sign, but only if it is capitalized in the middle of a sentence,
// because "no 5G coverage" and "No 2 people are alike" are negations. "No. 5" needs no mark, because its
// period separates the words.
fn mark_number_signs(words: &mut [PlainWord], text: &str) {
    for at in 1..words.len().saturating_sub(1) {
        let (word_before, word) = (&words[at - 1], &words[at]);
        let gap = text.get(word_before.end..word.start).unwrap_or_default();
        let is_inside =
            !word_before.is_symbol && gap.chars().all(|c| matches!(c, ' ' | '\u{A0}' | ',' | '('));
        let is_number = words[at + 1].plain.bytes().all(|b| b.is_ascii_digit());
        let is_sign = word.case_preserved.as_deref() == Some("No") && is_inside && is_number;
        words[at].is_number_sign |= is_sign;
    }
}

/// Maximum number of words between the two markers of struck-out text.
const MAX_STRIKETHROUGH_WORDS: usize = 200;

// Binds the markers of struck-out text to it, so that the text can only be quoted together with its markers.
fn bind_strikethrough(words: &mut [PlainWord]) {
    let is_sign = |word: &PlainWord| word.is_symbol && word.plain == "~~";
    let signs: Vec<usize> = (0..words.len()).filter(|&at| is_sign(&words[at])).collect();
    for pair in signs.chunks_exact(2) {
        if pair[1] - pair[0] <= MAX_STRIKETHROUGH_WORDS {
            for word in &mut words[pair[0] + 1..=pair[1]] {
                word.is_bound_to_previous = true;
            }
        }
    }
}

fn form_one_token(before: &PlainWord, word: &PlainWord, gap: &str) -> bool {
    if before.is_reference || word.is_reference {
        return false;
    }
    const PREFIX_SIGNS: &[&str] = &["¬", "~", "∀", "∃", "∄", "√"];
    let is_plain = |token: &PlainWord| !token.is_symbol && !token.is_ideograph;
    if PREFIX_SIGNS.contains(&before.plain.as_str()) {
        return true;
    }
    if before.is_figure() || word.is_figure() {
        // In French, a colon between two spaces ends a clause.
        let is_sign = |token: &PlainWord| {
            token.is_symbol
                && signs::is_bound(&token.plain)
                && (token.plain != ":" || gap.is_empty())
        };
        return gap.trim().is_empty()
            && (is_sign(before)
                || is_sign(word)
                || (gap.is_empty() && is_plain(before) && is_plain(word))
                || (gap.is_empty() && is_numeral_part(&word.plain) && word.is_ideograph)
                || (before.is_figure() && SCALE_WORDS.contains(&word.plain.as_str())));
    }
    // Binds "non-binding" and "can't", but not "l'eau": a quotation may begin after an elided article.
    match gap {
        "-" | "‐" | "‑" => is_plain(before) && is_plain(word),
        "'" | "’" => word.plain == "t" || before.plain == "n",
        "" if word.is_symbol => {
            matches!(word.plain.as_str(), "+" | "-" | "#" | "♯" | "♭" | "!" | "|")
                || is_negative_currency(before, word)
        }
        "" => {
            matches!(before.plain.as_str(), "|" | "_" | "@" | "--") && before.is_symbol
                || is_ideograph_compound(before, word)
        }
        " " => is_negative_currency(before, word),
        _ => false,
    }
}

// Whether these words are the minus and currency signs of an amount such as -£5.
fn is_negative_currency(before: &PlainWord, word: &PlainWord) -> bool {
    before.is_symbol && before.plain == "-" && word.is_symbol && signs::is_bound(&word.plain)
}

// Whether this is a digit of a number, or a unit that follows the number without a space.
fn is_numeral_part(plain: &str) -> bool {
    NUMERAL_IDEOGRAPHS.contains(plain) || COUNTER_IDEOGRAPHS.contains(plain)
}

/// Ideographs that are units after a number, such as those of money, time, people, and parts of a law.
const COUNTER_IDEOGRAPHS: &str =
    "元円圆圓年月日时時分秒人名个個歳岁条條章节款项項号號度米倍成割折点階层層";

/// Ideographs that are numerals.
const NUMERAL_IDEOGRAPHS: &str = "〇零一二三四五六七八九十百千万萬億亿兆两兩";

// Whether two ideographs form one word: a negation before its verb, or numerals such as 二十.
fn is_ideograph_compound(before: &PlainWord, word: &PlainWord) -> bool {
    const NEGATIONS: &[&str] = &["不", "未", "無", "无", "非", "没", "沒", "莫", "勿"];
    let is_figure =
        |token: &PlainWord| token.is_ideograph && NUMERAL_IDEOGRAPHS.contains(&token.plain);
    let is_numeral_compound =
        is_figure(before) && word.is_ideograph && is_numeral_part(&word.plain);
    NEGATIONS.contains(&before.plain.as_str()) || is_numeral_compound
}

/// Whether the words starting at `at` negate what precedes them, as in Japanese: ない, ません, ず.
pub(super) fn negates_preceding(words: &[PlainWord]) -> bool {
    let begins = |ending: &str| {
        let mut letters = words.iter().map(|word| word.plain.as_str());
        ending
            .split("")
            .filter(|part| !part.is_empty())
            .all(|part| letters.next() == Some(part))
    };
    ["ない", "なかっ", "なく", "ません", "ず", "ぬ"]
        .iter()
        .any(|ending| begins(ending))
}
