//! How writing systems part their words: what belongs to a word, which scripts put no spaces between
//! words, and other ways to write the same letters. Knows neither the index nor questions.

use crate::domain::chunk::is_ideograph;

/// Letters, digits, and the marks that are written on letters.
pub(super) fn in_word(character: char) -> bool {
    character.is_alphanumeric() || is_mark(character)
}

/// Combining marks of the scripts that write vowels with them.
fn is_mark(character: char) -> bool {
    matches!(u32::from(character),
        0x0300..=0x036F | 0x0591..=0x05C7 | 0x0610..=0x061A | 0x064B..=0x065F | 0x0900..=0x0963
        | 0x0981..=0x0DF3 | 0x0E31 | 0x0E34..=0x0E3A | 0x0E47..=0x0E4E | 0x0EB1..=0x0EBC
        | 0x0EC8..=0x0ECE | 0x102B..=0x103E | 0x17B4..=0x17D3)
}

/// Ideographs, kana, and Hangul, whose words carry their particles along: found by pairs.
fn is_packed(character: char) -> bool {
    is_ideograph(character) || matches!(character, '々' | '\u{AC00}'..='\u{D7AF}')
}

/// Letters of Thai, Lao, Burmese and Khmer, which put no spaces between words: found by threes.
fn is_spaceless(character: char) -> bool {
    matches!(character, '\u{0E01}'..='\u{0E46}' | '\u{0E81}'..='\u{0EC6}' | '\u{1000}'..='\u{102A}' | '\u{1780}'..='\u{17B3}')
        && !is_mark(character)
}

fn is_hiragana(character: char) -> bool {
    matches!(character, '\u{3040}'..='\u{309F}')
}

/// What a run of characters is found by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Spaced,
    Packed,
    Spaceless,
}

fn script(character: char) -> Script {
    match () {
        () if is_packed(character) => Script::Packed,
        () if is_spaceless(character) => Script::Spaceless,
        () => Script::Spaced,
    }
}

/// A piece of a word.
pub(super) enum Piece<'a> {
    /// Of a script with spaces.
    Word(&'a str),
    /// Neighbouring characters of a script without; the flag says that the run has no more than this.
    Gram(String, bool),
}

/// Gives the pieces of one word, in order.
pub(super) fn pieces<'a>(word: &'a str, each: &mut dyn FnMut(Piece<'a>)) {
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let kind = script(first);
        let end = rest
            .find(|c| script(c) != kind && !(kind == Script::Spaceless && is_mark(c)))
            .unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        let size = match kind {
            Script::Spaced => {
                each(Piece::Word(run));
                continue;
            }
            Script::Packed => 2,
            Script::Spaceless => 3,
        };
        let letters: Vec<char> = run.chars().filter(|&c| !is_mark(c)).collect();
        if letters.len() < size {
            each(Piece::Gram(letters.iter().collect(), true));
        }
        for gram in letters.windows(size) {
            // Pairs of kana are endings and particles: they are in every sentence.
            if !gram.iter().all(|&c| is_hiragana(c)) {
                each(Piece::Gram(gram.iter().collect(), false));
            }
        }
    }
}

/// The parts of an identifier as `getUserName` and `HTTP2Server` have them; none when it is of one part.
pub(super) fn humps(word: &str) -> Vec<String> {
    /// Longer ones are no names but encoded bytes.
    const MOST: usize = 8;
    if word.bytes().all(|b| b.is_ascii_lowercase()) || word.len() > 64 {
        return Vec::new();
    }
    let letters: Vec<char> = word.chars().collect();
    let (mut parts, mut from) = (Vec::new(), 0);
    for at in 1..letters.len() {
        let (before, here) = (letters[at - 1], letters[at]);
        let rises = before.is_lowercase() && here.is_uppercase();
        let ends_capitals = before.is_uppercase()
            && here.is_uppercase()
            && letters.get(at + 1).is_some_and(|next| next.is_lowercase());
        let digits = before.is_numeric() != here.is_numeric();
        if rises || ends_capitals || digits {
            parts.push(lower(&letters[from..at]));
            from = at;
        }
    }
    if parts.is_empty() || parts.len() >= MOST {
        return Vec::new();
    }
    parts.push(lower(&letters[from..]));
    parts
}

fn lower(letters: &[char]) -> String {
    letters.iter().flat_map(|c| c.to_lowercase()).collect()
}

/// The word with letters that are no letters with marks written out, as people do who lack them on their
/// keyboard; None when it has none of them.
pub(super) fn spelled_out(word: &str) -> Option<String> {
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

/// The word with umlauts as two letters: `Kuendigung`. None when it has none.
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

/// The small letter without its marks, as the index compares letters.
pub(super) fn plain(character: char) -> impl Iterator<Item = char> {
    const MARKED: [(&str, char); 20] = [
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
        // Most letters of the world are not in the table: looking for them there is what would cost most.
        if !matches!(small, '\u{C0}'..='\u{17F}' | 'ḍ' | 'ё') {
            return small;
        }
        MARKED
            .iter()
            .find(|(marked, _)| marked.contains(small))
            .map_or(small, |&(_, letter)| letter)
    })
}
