//! Locates a quotation in a text, either verbatim or shortened with an ellipsis.
//!
//! Tolerated differences: case, spaces, line breaks and the hyphens at them, punctuation, quotation marks,
//! compatibility forms (NFKC), digit group separators, accents if one side has none at all, umlauts written out (`ue`
//! for `ü`), a word split into two halves of three letters or more, footnote numbers and list numbers, and additions by
//! the person quoting, such as `[T]he` and `[sic]`. Symbols next to numbers, exponents, and the case of units are
//! significant. In text recognized from an image, one letter per eight words may be replaced by one that OCR confuses
//! with it.

use std::ops::Range;

use super::clauses;
use super::folding;
use super::plain_word::PlainWord;
use super::words::{ComparableText, negates_preceding, words};

/// Maximum number of words that an ellipsis may skip.
const MAX_GAP: usize = 60;
/// One letter error is permitted per this many words of a quotation, in recognized text only.
const WORDS_PER_ERROR: usize = 8;
/// Minimum length of a word that may contain a letter error, in letters. Shorter words must match exactly.
const MIN_MISREAD_LETTERS: usize = 5;
/// Maximum quotation length in words; longer quotations are not matched.
const MAX_WORDS: usize = 400;
/// Minimum number of words that must lack their accents before the writer is assumed to leave accents out.
const MIN_UNACCENTED_WORDS: usize = 2;

/// Location of a quotation in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuoteMatch {
    /// Start of the quoted words in the text, in bytes.
    pub start: usize,
    /// End of the quoted words in the text, in bytes.
    pub end: usize,
    /// Byte ranges of the words that the quotation omits: at its ellipses, or a negation directly before it. Empty if
    /// the quotation is complete.
    pub omitted: Vec<Range<usize>>,
}

/// Finds a quotation verbatim in a text and returns its byte range.
///
/// Returns `None` if a word, number, or symbol differs. Also returns `None` if the quotation is shortened with an
/// ellipsis or leaves out a negation directly before it, because the omitted words may reverse its meaning. Accepts
/// texts of any language and length; a quotation of more than 400 words is not found. For several quotations from one
/// text, prepare the text once and use [`locate`].
pub fn verify(text: &str, quote: &str) -> Option<Range<usize>> {
    let quote_match = locate(quote, &ComparableText::from_text(text))?;
    quote_match
        .omitted
        .is_empty()
        .then_some(quote_match.start..quote_match.end)
}

/// Finds a quotation in a prepared text, complete or shortened. If it leaves out a negation directly before it, it
/// counts as shortened. `None` if it is not found or has more than 400 words.
pub fn locate(quote: &str, text: &ComparableText) -> Option<QuoteMatch> {
    let comparable_quote = ComparableText::from_text(quote);
    if comparable_quote.words.is_empty() || comparable_quote.words.len() > MAX_WORDS {
        return None;
    }
    let tolerance = Tolerance::for_texts(&comparable_quote, text);
    // An ellipsis that also occurs in the text omits nothing.
    if let Some((start, end)) = find_contiguous(&comparable_quote.words, &text.words, tolerance) {
        return Some(QuoteMatch {
            start: text.words[start].start,
            end: text.words[end - 1].end,
            omitted: negation_before(&text.words, start).into_iter().collect(),
        });
    }
    let fragments = split_at_ellipses(quote);
    // A single word between ellipses could occur anywhere, so it proves nothing.
    if fragments.len() < 2 || fragments.iter().any(|words| words.len() < 2) {
        return None;
    }
    locate_shortened(&fragments, &text.words, tolerance)
}

// Finds all words of a quotation in one piece. Prefers a match that is not preceded by a negation.
fn find_contiguous(
    quote: &[PlainWord],
    text: &[PlainWord],
    tolerance: Tolerance,
) -> Option<(usize, usize)> {
    let (mut from, mut negated) = (0, None);
    while let Some((start, end, _)) = find_first(quote, text, from..text.len(), tolerance) {
        if negation_before(text, start).is_none() {
            return Some((start, end));
        }
        negated = negated.or(Some((start, end)));
        from = start + 1;
    }
    negated
}

// Returns the byte range of a negation directly before a quotation that begins at word `start`, such as the "no" before
// "fewer than 3".
fn negation_before(text: &[PlainWord], start: usize) -> Option<Range<usize>> {
    let word_before = text.get(start.checked_sub(1)?)?;
    let is_separate_word = text[start].is_after_space;
    let is_negation =
        !word_before.is_number_sign && NEGATIONS_BEFORE.contains(&word_before.plain.as_str());
    (is_separate_word && is_negation).then_some(word_before.start..word_before.end)
}

// Splits a quotation at its ellipses, and returns the words of each piece that has any.
fn split_at_ellipses(quote: &str) -> Vec<Vec<PlainWord>> {
    let mut quote = quote.replace('⋯', "…");
    for spelled in [
        ". . . .", ". . .", "....", "...", "……", "[ … ]", "[…]", "(…)",
    ] {
        quote = quote.replace(spelled, "…");
    }
    let mut fragments: Vec<Vec<PlainWord>> = quote.split('…').map(words).collect();
    fragments.retain(|words| !words.is_empty());
    fragments
}

fn locate_shortened(
    fragments: &[Vec<PlainWord>],
    text: &[PlainWord],
    tolerance: Tolerance,
) -> Option<QuoteMatch> {
    let (first, others) = fragments.split_first()?;
    let mut from = 0;
    while let Some((at, mut end, mut left)) = find_first(first, text, from..text.len(), tolerance) {
        let mut omitted_ranges: Vec<Range<usize>> = negation_before(text, at).into_iter().collect();
        let is_whole = others.iter().all(|fragment| {
            let limit = (end + MAX_GAP + fragment.len()).min(text.len());
            let Some((next, after, remaining)) = find_first(fragment, text, end..limit, left)
            else {
                return false;
            };
            if next > end {
                omitted_ranges.push(text[end - 1].end..text[next].start);
            }
            (end, left) = (after, remaining);
            true
        });
        if is_whole {
            return Some(QuoteMatch {
                start: text[at].start,
                end: text[end - 1].end,
                omitted: omitted_ranges,
            });
        }
        from = at + 1;
    }
    None
}

/// The differences that a comparison may still tolerate, and those it has accepted so far.
#[derive(Debug, Clone, Copy)]
struct Tolerance {
    /// Number of letter errors that may still be accepted.
    errors: usize,
    /// Whether accents may be missing, because the quotation or the text seems to leave them out.
    is_unaccented: bool,
    /// Whether the text was recognized from an image.
    is_recognized: bool,
    /// Number of unambiguous words that matched only without accents.
    folded_accent_count: usize,
    /// Number of words that matched only without accents although the unaccented form is another word, such as `schon`
    /// for `schön`.
    ambiguous_folds: usize,
}

impl Tolerance {
    fn for_texts(quote: &ComparableText, text: &ComparableText) -> Self {
        Self {
            errors: match text.is_recognized {
                true => quote.words.len() / WORDS_PER_ERROR,
                false => 0,
            },
            is_unaccented: text.is_recognized || !quote.has_accents || !text.has_accents,
            is_recognized: text.is_recognized,
            folded_accent_count: 0,
            ambiguous_folds: 0,
        }
    }

    // Whether two words count as equal. Counts the differences that it tolerates.
    fn accepts(&mut self, left: &PlainWord, right: &PlainWord, is_unit: bool) -> bool {
        let is_grouped = left.without_grouping.as_ref() == Some(&right.plain)
            || right.without_grouping.as_ref() == Some(&left.plain);
        if left.plain == right.plain || is_grouped {
            return !is_case_sensitive(left, right, is_unit);
        }
        if left.unaccented.is_none() && right.unaccented.is_none() {
            return self.accepts_misreading(left, right);
        }
        let unaccented = left.unaccented.as_deref().unwrap_or(&left.plain);
        let is_bare = unaccented == right.unaccented.as_deref().unwrap_or(&right.plain);
        let is_doubtful = is_bare && folding::is_distinct_word(unaccented);
        // Words that differ only in ß: "Straße" equals "STRASSE", but "in Maßen" does not equal "in Massen".
        let is_sharp_s = is_bare && left.plain.replace('ß', "ss") == right.plain.replace('ß', "ss");
        if is_sharp_s && (!is_doubtful || left.is_upper() || right.is_upper()) {
            return true;
        }
        let is_same = is_unambiguous_umlaut_spelling(left, right)
            || self.is_unaccented && (is_bare || is_umlaut_spelling(left, right));
        self.folded_accent_count += usize::from(is_same && !is_doubtful);
        self.ambiguous_folds += usize::from(is_same && is_doubtful);
        is_same || self.accepts_misreading(left, right)
    }

    fn accepts_misreading(&mut self, left: &PlainWord, right: &PlainWord) -> bool {
        let is_misreading = self.errors > 0 && is_recognition_error(left, right);
        self.errors -= usize::from(is_misreading);
        is_misreading
    }

    fn is_within_limit(&self) -> bool {
        self.is_recognized
            || self.ambiguous_folds == 0
            || self.folded_accent_count >= MIN_UNACCENTED_WORDS
    }
}

// Whether one word is the other with umlauts written out: "uebertragung" for "übertragung".
fn is_umlaut_spelling(left: &PlainWord, right: &PlainWord) -> bool {
    folding::umlauts_written_out(&left.plain) == right.plain
        || left.plain == folding::umlauts_written_out(&right.plain)
}

// Whether one word is the other with umlauts written out, and neither contains an ß: "Gebuehr" is "Gebühr",
// but "Masse" may be "Maße" or "Masse".
fn is_unambiguous_umlaut_spelling(left: &PlainWord, right: &PlainWord) -> bool {
    is_umlaut_spelling(left, right) && !left.plain.contains('ß') && !right.plain.contains('ß')
}

// Finds the first match of the quoted words within a range, unless it would cut a word or leave out a negation. Returns
// the index of its first word, the index after its last word, and the remaining tolerance.
fn find_first(
    quote: &[PlainWord],
    text: &[PlainWord],
    range: Range<usize>,
    tolerance: Tolerance,
) -> Option<(usize, usize, Tolerance)> {
    let Range {
        start: from,
        end: to,
    } = range;
    (from..to).find_map(|start| {
        let mut left = tolerance;
        let end = start + match_length(quote, &text[start..to], &mut left)?;
        let cuts_word = text[start].is_bound_to_previous
            || text.get(end).is_some_and(|word| word.is_bound_to_previous)
            || (text[end - 1].is_ideograph && negates_preceding(&text[end..]))
            || clauses::omits_negation(text, start, end);
        (!cuts_word && left.is_within_limit()).then_some((start, end, left))
    })
}

// Returns the number of words of the text that match, if the text begins with the quoted words.
fn match_length(
    quote: &[PlainWord],
    text: &[PlainWord],
    tolerance: &mut Tolerance,
) -> Option<usize> {
    let (mut quote_index, mut text_index) = (0, 0);
    while quote_index < quote.len() {
        let (quoted, word) = (&quote[quote_index], text.get(text_index)?);
        let is_unit = quote_index > 0 && quote[quote_index - 1].is_figure();
        // A raised footnote number does not prove the same number in the text.
        let is_footnote = word.is_raised && !quoted.is_raised;
        if !is_footnote && tolerance.accepts(quoted, word, is_unit) {
            (quote_index, text_index) = (quote_index + 1, text_index + 1);
        } else if text_index > 0 && word.is_reference {
            text_index += 1;
        } else if tolerance.joins_words(quoted, text.get(text_index..text_index + 2)) {
            (quote_index, text_index) = (quote_index + 1, text_index + 2);
        } else if tolerance.joins_words(word, quote.get(quote_index..quote_index + 2)) {
            (quote_index, text_index) = (quote_index + 2, text_index + 1);
        } else if let Some(letters) = initials_length(quoted, &text[text_index..]) {
            (quote_index, text_index) = (quote_index + 1, text_index + letters);
        } else if let Some(letters) = initials_length(word, &quote[quote_index..]) {
            (quote_index, text_index) = (quote_index + letters, text_index + 1);
        } else {
            return None;
        }
    }
    Some(text_index)
}

/// Units that mean something else in a different case, such as milliwatts and megawatts.
const CASE_SENSITIVE_UNITS: &[&str] = &[
    "m", "s", "g", "mw", "mj", "ma", "mv", "ms", "mm", "mg", "mb", "gb", "kb", "tb", "mbit", "pa",
    "mpa", "mhz", "mbps", "kbps", "gbps", "mol", "mt", "mn", "mk", "mf", "mbar", "mev", "mwh",
    "mah", "mgy", "msv", "mbq", "pb", "pf", "pw", "ps", "t", "h", "k",
];
/// Acronyms that are ordinary words in lowercase.
const CASE_SENSITIVE_ACRONYMS: &[&str] = &[
    "us", "it", "who", "aids", "aid", "ram", "pin", "eu", "co", "hf", "os", "cs",
];
/// Greek letters that are words by themselves. All others are symbols in which case matters: Ω is not ω.
const GREEK_WORDS: &[&str] = &["η", "ο"];

// Whether two words that differ only in case have different meanings.
fn is_case_sensitive(left: &PlainWord, right: &PlainWord, is_unit: bool) -> bool {
    let plain = left.plain.as_str();
    let is_other = left.case_preserved != right.case_preserved;
    let is_acronym = left.is_acronym != right.is_acronym && left.is_upper() != right.is_upper();
    // A Greek letter before other letters is a symbol too, as in Δt.
    let is_symbol = plain.starts_with(|c: char| matches!(c, '\u{370}'..='\u{3FF}'))
        && plain.chars().skip(1).all(|c| c.is_ascii())
        && !GREEK_WORDS.contains(&plain);
    (is_camel(left) != is_camel(right) && !left.is_upper() && !right.is_upper())
        || (is_symbol && left.is_capital() != right.is_capital())
        || (is_other && is_unit && CASE_SENSITIVE_UNITS.contains(&plain))
        || (is_acronym && CASE_SENSITIVE_ACRONYMS.contains(&plain))
}

/// Minimum length of an identifier with capitals inside, in letters. Anything shorter may be a unit.
const MIN_CAMEL_CASE_LETTERS: usize = 5;
/// Minimum number of lowercase letters before the first capital of an identifier. Brand names such as iPhone
/// have only one.
const MIN_LETTERS_BEFORE_CAPITAL: usize = 2;

// Whether the word is a camel-case identifier such as `userName`, which is not the same as `username`.
fn is_camel(word: &PlainWord) -> bool {
    let is_camel = |cased: &String| {
        let start = cased.chars().take_while(|c| c.is_lowercase());
        start.count() >= MIN_LETTERS_BEFORE_CAPITAL
            && cased.chars().count() >= MIN_CAMEL_CASE_LETTERS
            && cased.chars().all(char::is_alphanumeric)
    };
    word.case_preserved.as_ref().is_some_and(is_camel)
}

/// Negating words and prefixes. They are never joined with the word after them.
const NEGATIONS: &[&str] = &[
    "not", "no", "never", "none", "nor", "neither", "without", "cannot", "unless", "except", "non",
    "nowhere", "nobody", "nothing", "nicht", "kein", "keine", "keinen", "keiner", "keinem", "nie",
    "ohne", "ne", "pas", "jamais", "sans", "aucun", "aucune", "nunca", "sin", "mai", "senza", "не",
    "нет", "без", "dis", "mis", "anti",
];

/// Negations and limits that change the meaning of a quotation that begins right after them.
const NEGATIONS_BEFORE: &[&str] = &[
    "not",
    "no",
    "never",
    "neither",
    "nor",
    "cannot",
    "hardly",
    "barely",
    "scarcely",
    "nicht",
    "kein",
    "keine",
    "keinen",
    "keiner",
    "keinem",
    "keines",
    "keinerlei",
    "nie",
    "niemals",
    "kaum",
    "ne",
    "jamais",
    "aucun",
    "aucune",
    "nunca",
    "jamás",
    "ningún",
    "ninguna",
    "non",
    "né",
    "nessun",
    "nessuna",
    "não",
    "nem",
    "nenhum",
    "nenhuma",
    "niet",
    "geen",
    "nooit",
    "не",
    "ни",
    "only",
    "nur",
    "sólo",
    "solamente",
    "seulement",
    "soltanto",
    "apenas",
    "slechts",
    "только",
];

fn is_negation(word: &PlainWord) -> bool {
    NEGATIONS.contains(&word.plain.as_str())
}

/// Endings that a stray space may have split off. With any other ending, both halves may be separate words:
/// "the rapist", "leg end", "has ten".
const SPLIT_ENDINGS: &[&str] = &[
    "able", "ible", "ing", "ings", "ment", "ments", "tion", "tions", "sion", "ness", "ance",
    "ence", "ized", "ised", "ung", "ungen", "lich", "liche", "lichen", "keit", "heit", "schaft",
    "ciones", "mente", "ement", "ements",
];

impl Tolerance {
    // Whether a word equals two words into which a space has split it. Only letters may be joined, because 1 and 5 are
    // not 15, and each half must have three letters or more, unless a hyphen at a line end joins them. A space before
    // one of `SPLIT_ENDINGS` is always tolerated; any other counts as a letter error, which is possible only in
    // recognized text.
    fn joins_words(&mut self, word: &PlainWord, split: Option<&[PlainWord]>) -> bool {
        let Some([first, second]) = split else {
            return false;
        };
        let is_same = word.plain.len() == first.plain.len() + second.plain.len()
            && word.plain.starts_with(&first.plain)
            && word.plain.ends_with(&second.plain)
            && !word.plain.contains(|c: char| c.is_ascii_digit())
            && !first.is_symbol
            && !second.is_symbol;
        if !is_same || word.hyphen == Some(first.plain.len()) {
            return is_same;
        }
        let halves = [first, second].map(|half| half.plain.chars().count());
        let may_be_split =
            halves.iter().all(|&letters| letters >= 3) && !is_negation(first) && !is_negation(word);
        let is_misreading = may_be_split && !SPLIT_ENDINGS.contains(&second.plain.as_str());
        let is_tolerated = may_be_split && (!is_misreading || self.errors > 0);
        self.errors -= usize::from(is_misreading && is_tolerated);
        is_tolerated
    }
}

// Returns the number of words in an abbreviation with periods: two for "a.m.", which equals "am".
fn abbreviation_length(word: &PlainWord, letters: &[PlainWord]) -> Option<usize> {
    const ABBREVIATIONS: &[&str] = &["am", "pm", "ie", "eg"];
    let two = letters
        .get(..2)
        .filter(|_| ABBREVIATIONS.contains(&word.plain.as_str()))?;
    let spelled = format!("{}{}", two[0].plain, two[1].plain);
    let is_adjacent = two[0].end + 1 == two[1].start;
    (spelled == word.plain && is_adjacent).then_some(2)
}

// Returns the number of initials that spell an acronym: three for "U.S.A.", which equals "USA".
fn initials_length(acronym: &PlainWord, letters: &[PlainWord]) -> Option<usize> {
    if let Some(two) = abbreviation_length(acronym, letters) {
        return Some(two);
    }
    let length = acronym.plain.chars().count();
    let of = letters.get(..length).filter(|_| acronym.is_upper())?;
    let spelled: String = of.iter().map(|letter| letter.plain.as_str()).collect();
    let are_initials = of[..length - 1].iter().all(|letter| letter.is_initial);
    let is_capital = of.iter().all(PlainWord::is_capital);
    (are_initials && is_capital && spelled == acronym.plain).then_some(length)
}

// Whether the words differ in exactly one letter, and OCR confuses the two letters. Never true for a first letter, a
// word of fewer than five letters, a capitalized word, or a word with digits.
fn is_recognition_error(left: &PlainWord, right: &PlainWord) -> bool {
    const CONFUSABLE_LETTERS: &[(char, char)] = &[('c', 'e'), ('l', 'i'), ('h', 'b')];
    let (a, b): (Vec<char>, Vec<char>) =
        (left.plain.chars().collect(), right.plain.chars().collect());
    let is_name = left.is_capital() || right.is_capital();
    let has_digit = a.iter().chain(&b).any(|c| c.is_numeric());
    if is_name || has_digit || a.len() != b.len() || a.len() < MIN_MISREAD_LETTERS || a[0] != b[0] {
        return false;
    }
    let differing: Vec<(char, char)> = (a.into_iter().zip(b)).filter(|(x, y)| x != y).collect();
    let are_confusable = |&(x, y): &(char, char)| {
        CONFUSABLE_LETTERS.contains(&(x, y)) || CONFUSABLE_LETTERS.contains(&(y, x))
    };
    differing.len() == 1 && differing.iter().all(are_confusable)
}

#[cfg(test)]
mod tests;
