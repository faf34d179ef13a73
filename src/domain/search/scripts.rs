//! Word structure of writing systems: word characters, scripts without spaces, and alternative spellings.
//! Does not depend on the index or on queries.

use crate::domain::chunk::is_ideograph;

/// Whether the character is part of a word, that is, a letter, a digit, or a combining mark.
pub(super) fn is_word_character(character: char) -> bool {
    character.is_alphanumeric() || is_mark(character)
}

/// Whether the character is a combining mark, such as a vowel sign.
fn is_mark(character: char) -> bool {
    matches!(u32::from(character),
        0x0300..=0x036F | 0x0591..=0x05C7 | 0x0610..=0x061A | 0x064B..=0x065F | 0x0900..=0x0963
        | 0x0981..=0x0DF3 | 0x0E31 | 0x0E34..=0x0E3A | 0x0E47..=0x0E4E | 0x0EB1..=0x0EBC
        | 0x0EC8..=0x0ECE | 0x102B..=0x103E | 0x17B4..=0x17D3)
}

/// Returns whether SQLite's index splits words at the character: at combining marks, except for the accents of European
/// languages, which it ignores.
pub(super) fn is_splitting_mark(character: char) -> bool {
    is_mark(character) && !matches!(character, '\u{0300}'..='\u{036F}')
}

/// Whether the character is an ideograph, kana, or Hangul, which are indexed as bigrams. Hangul is included because its
/// words contain particles.
fn is_unspaced_ideograph(character: char) -> bool {
    is_ideograph(character) || matches!(character, '々' | '\u{AC00}'..='\u{D7AF}')
}

/// Whether the character is a letter of Thai, Lao, Burmese, or Khmer, which are indexed as trigrams because
/// they put no spaces between words.
fn is_spaceless(character: char) -> bool {
    matches!(character, '\u{0E01}'..='\u{0E46}' | '\u{0E81}'..='\u{0EC6}' | '\u{1000}'..='\u{102A}' | '\u{1780}'..='\u{17B3}')
        && !is_mark(character)
}

fn is_hiragana(character: char) -> bool {
    matches!(character, '\u{3040}'..='\u{309F}')
}

/// How a run of characters is indexed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ScriptKind {
    Spaced,
    Ideographic,
    Unspaced,
}

fn script_kind(character: char) -> ScriptKind {
    match () {
        () if is_unspaced_ideograph(character) => ScriptKind::Ideographic,
        () if is_spaceless(character) => ScriptKind::Unspaced,
        () => ScriptKind::Spaced,
    }
}

/// A piece of a word as it is indexed.
pub(super) enum WordPiece<'a> {
    /// A word in a script that separates words with spaces.
    Word(&'a str),
    /// An n-gram from a script without spaces between words, and whether it is the whole run of such characters.
    NGram(String, bool),
}

/// Passes the pieces of one word to `each`, in order.
pub(super) fn for_each_piece<'a>(word: &'a str, each: &mut dyn FnMut(WordPiece<'a>)) {
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let kind = script_kind(first);
        let end = rest
            .find(|c| script_kind(c) != kind && !(kind == ScriptKind::Unspaced && is_mark(c)))
            .unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        let size = match kind {
            ScriptKind::Spaced => {
                each(WordPiece::Word(run));
                continue;
            }
            ScriptKind::Ideographic => 2,
            ScriptKind::Unspaced => 3,
        };
        let letters: Vec<char> = run.chars().filter(|&c| !is_mark(c)).collect();
        if letters.len() < size {
            each(WordPiece::NGram(letters.iter().collect(), true));
        }
        for gram in letters.windows(size) {
            // Bigrams of hiragana are not indexed, because they are endings and particles that occur in every sentence.
            if !gram.iter().all(|&c| is_hiragana(c)) {
                each(WordPiece::NGram(gram.iter().collect(), false));
            }
        }
    }
}

/// Splits an identifier such as `getUserName` or `HTTP2Server` into its parts. Returns no parts if there is only one,
/// or if there are too many for a name.
pub(super) fn camel_case_parts(word: &str) -> Vec<String> {
    /// Maximum number of parts. More than that indicates encoded bytes rather than a name.
    const MAX_NAME_PARTS: usize = 8;
    if word.bytes().all(|b| b.is_ascii_lowercase()) || word.len() > 64 {
        return Vec::new();
    }
    let letters: Vec<char> = word.chars().collect();
    let (mut parts, mut from) = (Vec::new(), 0);
    for at in 1..letters.len() {
        let (before, current) = (letters[at - 1], letters[at]);
        let begins_capital = before.is_lowercase() && current.is_uppercase();
        let ends_capitals = before.is_uppercase()
            && current.is_uppercase()
            && letters.get(at + 1).is_some_and(|next| next.is_lowercase());
        let digits = before.is_numeric() != current.is_numeric();
        if begins_capital || ends_capitals || digits {
            parts.push(lowercase_string(&letters[from..at]));
            from = at;
        }
    }
    if parts.is_empty() || parts.len() >= MAX_NAME_PARTS {
        return Vec::new();
    }
    parts.push(lowercase_string(&letters[from..]));
    parts
}

fn lowercase_string(letters: &[char]) -> String {
    letters.iter().flat_map(|c| c.to_lowercase()).collect()
}

/// Replaces letters such as `ß` and `æ`, which are not a base letter with a diacritic, with their usual ASCII spelling;
/// `None` if there are none.
pub(super) fn ascii_spelling(word: &str) -> Option<String> {
    if word.is_ascii() {
        return None;
    }
    let mut out = String::new();
    for character in word.chars() {
        match character {
            'ß' | 'ẞ' => out.push_str("ss"),
            'ø' | 'Ø' => out.push('o'),
            'æ' | 'Æ' => out.push_str("ae"),
            'œ' | 'Œ' => out.push_str("oe"),
            'ł' | 'Ł' => out.push('l'),
            'đ' | 'Đ' | 'ð' | 'Ð' => out.push('d'),
            'þ' | 'Þ' => out.push_str("th"),
            'ı' => out.push('i'),
            'ﬀ' => out.push_str("ff"),
            'ﬁ' => out.push_str("fi"),
            'ﬂ' => out.push_str("fl"),
            'ﬃ' => out.push_str("ffi"),
            'ﬄ' => out.push_str("ffl"),
            '\u{FF10}'..='\u{FF5A}' => out.extend(char::from_u32(u32::from(character) - 0xFEE0)),
            other => out.push(other),
        }
    }
    (out != word).then_some(out)
}

/// Spells umlauts with two letters, as in `Kuendigung`; `None` if there are none.
pub(super) fn without_umlauts(word: &str) -> Option<String> {
    if !word.contains(['ä', 'ö', 'ü', 'Ä', 'Ö', 'Ü']) {
        return None;
    }
    let mut out = String::new();
    for character in word.chars() {
        match character {
            'ä' | 'Ä' => out.push_str("ae"),
            'ö' | 'Ö' => out.push_str("oe"),
            'ü' | 'Ü' => out.push_str("ue"),
            'ß' => out.push_str("ss"),
            other => out.push(other),
        }
    }
    Some(out)
}

/// Lowercases a letter and removes its marks, which is how the index compares letters.
pub(super) fn base_letters(character: char) -> impl Iterator<Item = char> {
    const LETTERS_WITH_MARKS: [(&str, char); 20] = [
        ("àáâãäåāăą", 'a'),
        ("çćĉċč", 'c'),
        ("ďḍ", 'd'),
        ("èéêëēĕėęě", 'e'),
        ("ĝğġģ", 'g'),
        ("ĥ", 'h'),
        ("ìíîïĩīĭį", 'i'),
        ("ĵ", 'j'),
        ("ķ", 'k'),
        ("ĺļľ", 'l'),
        ("ñńņň", 'n'),
        ("òóôõöōŏő", 'o'),
        ("ŕŗř", 'r'),
        ("śŝşšș", 's'),
        ("ţťț", 't'),
        ("ùúûüũūŭůűų", 'u'),
        ("ŵ", 'w'),
        ("ýÿŷ", 'y'),
        ("źżž", 'z'),
        ("ё", 'е'),
    ];
    character.to_lowercase().map(|small| {
        // Skip the search for most letters, which are not in the table, because it would dominate the cost.
        if !matches!(small, '\u{C0}'..='\u{17F}' | 'ḍ' | 'ё') {
            return small;
        }
        LETTERS_WITH_MARKS
            .iter()
            .find(|(marked, _)| marked.contains(small))
            .map_or(small, |&(_, letter)| letter)
    })
}
