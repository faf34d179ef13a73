//! Splits prose into sentences. A citation mark after a sentence belongs to it, and text in quotation marks
//! or brackets is not split. Accepts any text.

/// Opening and closing quotation marks and brackets, each with the maximum length in bytes of a text that is
/// not split between them.
const ENCLOSING_MARKS: [(char, &[char], usize); 9] = [
    ('“', &['”'], 400),
    ('„', &['“', '”'], 400),
    ('«', &['»'], 400),
    ('»', &['«'], 400),
    ('「', &['」'], 400),
    ('『', &['』'], 400),
    ('(', &[')'], 160),
    ('[', &[']'], 160),
    ('【', &['】'], 160),
];
/// Maximum length of a text between two `"`, in bytes.
const MAX_STRAIGHT_QUOTE_LENGTH: usize = 400;
/// Maximum length of citation marks in square brackets after a sentence, in bytes.
const MAX_MARK_LENGTH: usize = 120;
/// Maximum length of members' letters in parentheses after a sentence, in bytes.
const MAX_LETTERS_LENGTH: usize = 24;
/// Abbreviations that never end a sentence.
const TITLE_ABBREVIATIONS: &[&str] = &[
    "e.g", "i.e", "vs", "v", "approx", "ca", "dr", "mr", "mrs", "ms", "prof", "st", "bzw", "evtl",
    "ggf", "vgl", "cf", "viz", "esp", "incl", "resp", "inkl", "exkl", "zzgl", "sog", "allg", "hon",
    "rev", "gen", "gov", "sen", "rep", "sgt", "capt", "lt",
];
/// Abbreviations that do not end a sentence before a number.
const NUMBERED_ABBREVIATIONS: &[&str] = &[
    "no", "nos", "nr", "art", "arts", "sec", "secs", "fig", "figs", "eq", "eqs", "p", "pp", "para",
    "paras", "par", "abs", "abschn", "ch", "chap", "cl", "vol", "ed", "app", "ex", "sched", "reg",
    "ver", "s", "z", "rn", "rz", "rdnr", "ziff", "kap", "bd", "bl", "lit", "jan", "feb", "mar",
    "apr", "jun", "jul", "aug", "sept", "sep", "oct", "okt", "nov", "dec", "dez",
];
/// Abbreviations that end a sentence only before a word that begins one.
const AMBIGUOUS_ABBREVIATIONS: &[&str] = &[
    "inc", "ltd", "co", "corp", "llc", "plc", "bros", "etc", "al", "mio", "mrd", "usw", "jr", "sr",
    "str",
];
/// Suffixes of company names. One of these after an exclamation or question mark shows that the mark belongs
/// to the name.
const COMPANY_ABBREVIATIONS: &[&str] = &["inc", "ltd", "corp", "llc", "co", "ag", "gmbh", "plc"];
/// Words that begin a sentence even after an abbreviation that may precede a name.
const SENTENCE_BEGINNINGS: &[&str] = &[
    "the", "a", "an", "it", "its", "he", "she", "they", "we", "you", "i", "this", "that", "these",
    "those", "there", "in", "on", "at", "by", "for", "from", "with", "to", "as", "but", "and",
    "or", "however", "if", "when", "while", "since", "although", "because", "after", "before",
    "so", "then", "thus", "no", "not", "all", "some", "each", "both", "his", "her", "their", "our",
    "your", "my", "what", "which", "who", "how", "why", "der", "die", "das", "ein", "eine", "er",
    "sie", "es", "wir", "dies", "diese", "dieser", "dieses", "im", "am", "auf", "bei", "mit",
    "nach", "vor", "wenn", "aber", "und", "oder", "auch", "doch", "dann", "daher", "dort", "hier",
    "kein", "keine", "alle", "laut", "le", "la", "les", "il", "elle", "el", "los", "las",
];
/// Prefixes of the names of months, in English and German.
const MONTH_PREFIXES: [&str; 16] = [
    "jan", "feb", "mar", "mär", "apr", "may", "mai", "jun", "jul", "aug", "sep", "oct", "okt",
    "nov", "dec", "dez",
];

/// Returns the sentences of a block of plain text, in order.
pub(super) fn split_sentences(text: &str) -> Vec<String> {
    let enclosed = enclosed_ranges(text);
    let mut sentences = Vec::new();
    let mut start = 0;
    for (at, character) in text.char_indices() {
        if at < start || !is_end(character) {
            continue;
        }
        if let Some(after) = end_of_sentence(text, start, at, character, &enclosed) {
            sentences.push(text[start..after].trim().to_owned());
            start = after;
        }
    }
    sentences.push(text[start..].trim().to_owned());
    sentences.retain(|sentence| !sentence.is_empty());
    sentences
}

fn is_end(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…' | '؟' | '۔') || is_unspaced_terminator(c)
}

// Whether the character ends a sentence even without a space after it.
fn is_unspaced_terminator(c: char) -> bool {
    matches!(c, '。' | '！' | '？' | '।')
}

// Returns the end of the sentence that begins at `start`, if the mark at `at` ends it.
fn end_of_sentence(
    text: &str,
    start: usize,
    at: usize,
    mark: char,
    enclosed: &[(usize, usize)],
) -> Option<usize> {
    // Closing quotation marks and brackets belong to the sentence before them.
    let is_closing = |c: &char| {
        matches!(
            c,
            '"' | '”' | '“' | '’' | '\'' | ')' | '«' | '»' | '」' | '』'
        )
    };
    let after_mark = at + mark.len_utf8();
    let closing = text[after_mark..].chars().take_while(is_closing);
    let sentence_end = after_mark + closing.map(char::len_utf8).sum::<usize>();
    if enclosed
        .iter()
        .any(|&(from, to)| from < at && sentence_end <= to)
    {
        return None;
    }
    let rest = &text[sentence_end..];
    let mark_bytes = mark_length(rest);
    let end = sentence_end + mark_bytes;
    let next = text[end..].trim_start();
    let is_spaced = rest.is_empty() || rest.starts_with(char::is_whitespace);
    // In "It ends.[1] It begins.", the citation mark directly follows the period.
    let is_attached = mark_bytes > 0
        && rest.starts_with(['[', '【'])
        && (next.len() < text[end..].len()
            || next.starts_with(char::is_uppercase)
            || next.is_empty());
    if !is_spaced && !is_attached && !is_unspaced_terminator(mark) {
        return None;
    }
    let is_continued = match mark {
        _ if next.starts_with(char::is_lowercase) => true,
        '…' => !next.is_empty() && !next.starts_with(char::is_uppercase),
        '.' if text[..at].ends_with('.') => next.starts_with(|c: char| c.is_ascii_digit()),
        '.' => {
            sentence_end == after_mark && mark_bytes == 0 && is_abbreviated(&text[start..at], next)
        }
        '!' | '?' => COMPANY_ABBREVIATIONS.contains(&first_word(next).as_str()),
        _ => false,
    };
    (!is_continued).then_some(end)
}

// Returns the ranges of quoted or bracketed text, from the opening mark to the closing one.
fn enclosed_ranges(text: &str) -> Vec<(usize, usize)> {
    let mut ranges = Vec::new();
    let (mut scanned_end, mut previous_char) = (0, ' ');
    for (at, open) in text.char_indices() {
        let previous = std::mem::replace(&mut previous_char, open);
        if at < scanned_end {
            continue;
        }
        let inside = at + open.len_utf8();
        let close = match open {
            '"' => closing_straight_mark(text, inside, previous),
            _ => {
                let enclosing_mark = ENCLOSING_MARKS
                    .iter()
                    .find(|(opening, ..)| *opening == open);
                enclosing_mark.and_then(|(_, close, max_bytes)| {
                    let length = text[inside..].find(*close)?;
                    (length <= *max_bytes).then_some(inside + length)
                })
            }
        };
        if let Some(close) = close {
            ranges.push((at, close));
            scanned_end = close + text[close..].chars().next().map_or(1, char::len_utf8);
        }
    }
    ranges
}

// Returns the position of the `"` that closes the one before `inside`; `None` for an inch mark, which opens nothing.
fn closing_straight_mark(text: &str, inside: usize, before: char) -> Option<usize> {
    let opens = !before.is_alphanumeric() && !text[inside..].starts_with(char::is_whitespace);
    let mut ends = text[inside..].match_indices('"').filter(|(length, _)| {
        let close = inside + length;
        let is_bound = text[..close].ends_with(|c: char| !c.is_whitespace());
        is_bound && !text[close + 1..].starts_with(char::is_alphanumeric)
    });
    let (length, _) = ends.next().filter(|_| opens)?;
    (length <= MAX_STRAIGHT_QUOTE_LENGTH).then_some(inside + length)
}

// Returns the length of the letters and citations after a period that belong to the sentence before it, as in
// "It rose. [1] (B)".
fn mark_length(rest: &str) -> usize {
    let mut end = 0;
    loop {
        let ahead = rest[end..].trim_start();
        let skipped = rest[end..].len() - ahead.len();
        let (close, max_length) = match ahead.chars().next() {
            Some('[') => (']', MAX_MARK_LENGTH),
            Some('【') => ('】', MAX_MARK_LENGTH),
            Some('(') => (')', MAX_LETTERS_LENGTH),
            _ => return end,
        };
        let Some(length) = ahead.find(close).filter(|&length| length <= max_length) else {
            return end;
        };
        let length = length + close.len_utf8();
        let next = ahead[length..].trim_start().chars().next();
        if next.is_some_and(char::is_lowercase) {
            return end;
        }
        end += skipped + length;
    }
}

fn first_word(text: &str) -> String {
    let word = text.split(|c: char| !c.is_alphanumeric()).next();
    word.unwrap_or_default().to_lowercase()
}

// Whether a period after `before` is part of its last word.
fn is_abbreviated(before: &str, next: &str) -> bool {
    let word = before
        .rsplit(|c: char| c.is_whitespace() || matches!(c, '(' | '"' | '“' | '„' | '['))
        .next()
        .unwrap_or_default();
    let lower = word.to_lowercase();
    let lower = lower.as_str();
    let begins = SENTENCE_BEGINNINGS.contains(&first_word(next).as_str());
    let is_day = word.len() <= 2 && !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    let is_month = || {
        MONTH_PREFIXES
            .iter()
            .any(|month| first_word(next).starts_with(month))
    };
    let is_ordinal =
        is_day && before.len() > word.len() && (is_month() || is_ordinal_place(before, word));
    // The period in "z. B." does not end the sentence, nor do those in "U.S. Army" and "J. Smith".
    let mut letters = word.split('.');
    let is_initials = !word.is_empty()
        && word != "I"
        && letters.all(|part| part.chars().count() == 1 && part.chars().all(char::is_alphabetic));
    let is_letter = is_initials && word.chars().all(char::is_lowercase);
    is_ordinal
        || is_letter
        || TITLE_ABBREVIATIONS.contains(&lower)
        || (NUMBERED_ABBREVIATIONS.contains(&lower) && is_figure(next))
        || ((is_initials || AMBIGUOUS_ABBREVIATIONS.contains(&lower))
            && !begins
            && !next.is_empty())
}

// Whether the next word is a number, a Roman numeral, or a single letter, as after "Art. 5", "Art. IV", and "Fig. B".
fn is_figure(next: &str) -> bool {
    let word = next
        .split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default();
    let is_roman = !word.is_empty() && word.chars().all(|c| "IVXLC".contains(c));
    let is_letter = word.chars().count() == 1 && !matches!(word, "A" | "I");
    word.starts_with(|c: char| c.is_ascii_digit()) || (is_roman && word != "I") || is_letter
}

// Whether a number with a period is an ordinal, as in German after an article or a preposition.
fn is_ordinal_place(before: &str, word: &str) -> bool {
    const PLACE_WORDS: &[&str] = &[
        "am", "der", "den", "dem", "zum", "vom", "die", "bis", "im", "das", "des", "ab", "seit",
    ];
    let ahead = before[..before.len() - word.len()].trim_end();
    let last = ahead.rsplit(' ').next().unwrap_or_default();
    PLACE_WORDS.contains(&last.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_keeps_its_mark_and_no_other() {
        for (text, expected) in [
            (
                "The lease ends on 30 June 2027.[1] The landlord is broke.",
                &[
                    "The lease ends on 30 June 2027.[1]",
                    "The landlord is broke.",
                ][..],
            ),
            (
                "The lease ends. [D1:p1, D2:p10-12, D3:p4] It is old.[D1:p1]",
                &[
                    "The lease ends. [D1:p1, D2:p10-12, D3:p4]",
                    "It is old.[D1:p1]",
                ],
            ),
            (
                "租约2027年到期。[1]房东破产了。",
                &["租约2027年到期。[1]", "房东破产了。"],
            ),
            (
                "It rose to 3.[5] in array.[0] of it.",
                &["It rose to 3.[5] in array.[0] of it."],
            ),
            (
                "The 5\" pipe is old. The 6\" pipe is new [1].",
                &["The 5\" pipe is old.", "The 6\" pipe is new [1]."],
            ),
            (
                "It ended in the U.S. The landlord is broke. So do I. He left.",
                &[
                    "It ended in the U.S.",
                    "The landlord is broke.",
                    "So do I.",
                    "He left.",
                ],
            ),
            (
                "The answer is no. He left.",
                &["The answer is no.", "He left."],
            ),
        ] {
            assert_eq!(split_sentences(text), expected, "{text}");
        }
    }

    #[test]
    fn a_sentence_is_not_cut_before_its_mark() {
        for text in [
            "It says “the lease … 2027” [D1:p1].",
            "It says “the lease [...] 30 June 2027” [D1:p1].",
            "It says “It ends. It begins.” in clause 4 [D1:p1].",
            "It asks “Why?” and says that the lease ends [D1:p1].",
            "The lease ends, cf. Art. 5 para. 2, on 30 June 2027 [D1:p1].",
            "See Nr. 3 of Abs. IV and Fig. B of it [D1:p1].",
            "The lease ends on 30. Juni 2027 laut Vertrag [D1:p1].",
            "Der Vertrag endet am 30. Juni 2027 im 19. Jahrhundert [D1:p1].",
            "Es gilt z. B. Abs. 2 Nr. 3 des BGB [D1:p1].",
            "The U.S. Army says that the lease of J. Smith ends [D1:p1].",
            "Yahoo! Inc. says the lease of Acme Ltd. Berlin ends [D1:p1].",
            "Dr. Smith v. Lee, i.e. the contract, ends approx. Monday vs. Tuesday [D1:p1].",
        ] {
            assert_eq!(split_sentences(text), [text]);
        }
    }
}
