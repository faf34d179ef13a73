//! Locates quotations in a text, exactly or with the noise of OCR and line breaks.
//!
//! Tolerated differences: case, spaces, line breaks and hyphens at them, punctuation, quotation marks,
//! ligatures, and accents; a word split into two halves of three letters or more; and, in at most one of
//! eight words, one letter that OCR confuses with another (c and e, l and i, h and b). That letter must not
//! be the first, and the word must have five letters or more, no capital initial, and no digit. An ellipsis
//! matches words of one sentence without a negation. Numbers with their periods and commas, comparison signs,
//! currency signs, and percent signs count as words.

/// Maximum number of words that an ellipsis may skip.
const GAP: usize = 60;
/// Number of words per permitted letter error.
const PER_ERROR: usize = 8;
/// Minimum word length in letters for a letter error; shorter words must match exactly.
const LONG_WORD: usize = 5;
/// Maximum quotation length in words; longer quotations are not matched.
const MOST: usize = 400;

/// A normalized word and its position in the source text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainWord {
    /// Lower case, without accents.
    pub plain: String,
    /// Start offset in bytes.
    pub start: usize,
    /// End offset in bytes.
    pub end: usize,
    /// Whether it starts with a capital, which suggests a name.
    pub is_capital: bool,
    /// Whether a sentence may end after it.
    pub ends: bool,
}

/// Words that negate a statement.
const NEGATIONS: &[&str] = &[
    "not", "no", "never", "none", "nor", "neither", "without", "cannot", "unless", "except", "non",
    "nicht", "kein", "keine", "keinen", "keiner", "keinem", "nie", "ohne", "ne", "pas", "jamais",
    "sans", "aucun", "aucune", "nunca", "sin", "non", "mai", "senza", "не", "нет", "без", "dis",
    "mis", "anti",
];

fn is_negation(word: &PlainWord) -> bool {
    let is_short = word.plain == "t";
    is_short || NEGATIONS.contains(&word.plain.as_str())
}

// Whether the character is a sign that changes the meaning of a figure.
fn is_sign(c: char, before: Option<char>, next: Option<char>) -> bool {
    let is_minus = matches!(c, '-' | '−' | '–')
        && next.is_some_and(|next| next.is_ascii_digit())
        && before.is_none_or(|before| !before.is_alphanumeric());
    is_minus
        || matches!(
            c,
            '<' | '>' | '=' | '≠' | '≤' | '≥' | '±' | '%' | '‰' | '$' | '€' | '£' | '¥'
        )
}

/// Splits a text into normalized words; each ideograph is one word.
pub fn words(text: &str) -> Vec<PlainWord> {
    let mut found: Vec<PlainWord> = Vec::new();
    let mut open: Option<PlainWord> = None;
    let mut rest = text.char_indices().peekable();
    let mut before = None;
    while let Some((at, c)) = rest.next() {
        let last = before.replace(c);
        let next = rest.peek().map(|&(_, next)| next);
        let joins = joins_within(&open, c, next) || is_broken(&open, c, &text[at..]);
        if is_single(c) || is_sign(c, last, next) {
            found.extend(open.take());
            found.push(word(at, c));
        } else if c.is_alphanumeric() {
            match &mut open {
                Some(word) => {
                    plain(c, &mut word.plain);
                    word.end = at + c.len_utf8();
                }
                None => open = Some(word(at, c)),
            }
        } else if joins {
            if matches!(c, '.' | ',') {
                open.iter_mut().for_each(|word| word.plain.push(c));
            }
            skip_break(c, &mut rest);
        } else if !is_mark(c) {
            found.extend(open.take());
            if matches!(c, '.' | '!' | '?' | '。' | '！' | '？') {
                found
                    .iter_mut()
                    .next_back()
                    .into_iter()
                    .for_each(|word| word.ends = true);
            }
        }
    }
    found.extend(open);
    found
}

fn word(at: usize, c: char) -> PlainWord {
    let mut text = String::new();
    plain(c, &mut text);
    PlainWord {
        plain: text,
        start: at,
        end: at + c.len_utf8(),
        is_capital: c.is_uppercase(),
        ends: false,
    }
}

// 3.5 and 1,000 are one number each.
fn joins_within(open: &Option<PlainWord>, c: char, next: Option<char>) -> bool {
    let is_digit = |word: &PlainWord| word.plain.ends_with(|last: char| last.is_ascii_digit());
    matches!(c, '.' | ',')
        && open.as_ref().is_some_and(is_digit)
        && next.is_some_and(|next| next.is_ascii_digit())
}

// A hyphen at a line end, with the rest of the word on the next line.
fn is_broken(open: &Option<PlainWord>, c: char, rest: &str) -> bool {
    let mut behind = rest.chars().skip(1);
    let has_letter = |word: &PlainWord| word.plain.ends_with(char::is_alphabetic);
    if c == '\u{AD}' {
        return open.is_some();
    }
    matches!(c, '-' | '\u{2010}')
        && open.as_ref().is_some_and(has_letter)
        && behind.next() == Some('\n')
        && behind
            .find(|c| !c.is_whitespace())
            .is_some_and(char::is_lowercase)
}

fn skip_break(c: char, rest: &mut std::iter::Peekable<std::str::CharIndices<'_>>) {
    if matches!(c, '-' | '\u{2010}') {
        while rest.next_if(|&(_, c)| c.is_whitespace()).is_some() {}
    }
}

// Combining marks and zero-width characters: part of no word and no gap between words.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}' | '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}' | '\u{AD}')
}

fn is_single(c: char) -> bool {
    matches!(u32::from(c), 0x3040..=0x30FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x2FA1F)
}

// Appends the lower-case form without accents and ligatures, for the letters of European texts and OCR.
fn plain(c: char, out: &mut String) {
    let folded = match c {
        'ﬁ' => "fi",
        'ﬂ' => "fl",
        'ﬀ' => "ff",
        'ﬃ' => "ffi",
        'ﬄ' => "ffl",
        'ß' => "ss",
        'æ' | 'Æ' => "ae",
        'œ' | 'Œ' => "oe",
        'ø' | 'Ø' => "o",
        'ł' | 'Ł' => "l",
        'à'..='å' | 'À'..='Å' | 'ā' | 'ă' | 'ą' => "a",
        'ç' | 'Ç' | 'ć' | 'č' | 'Č' => "c",
        'è'..='ë' | 'È'..='Ë' | 'ē' | 'ė' | 'ę' | 'ě' => "e",
        'ì'..='ï' | 'Ì'..='Ï' | 'ī' => "i",
        'ñ' | 'Ñ' | 'ń' | 'ň' => "n",
        'ò'..='ö' | 'Ò'..='Ö' | 'ō' | 'ő' => "o",
        'ù'..='ü' | 'Ù'..='Ü' | 'ū' | 'ů' | 'ű' => "u",
        'ý' | 'ÿ' | 'Ý' => "y",
        'š' | 'Š' | 'ś' => "s",
        'ž' | 'Ž' | 'ź' | 'ż' => "z",
        _ => {
            out.extend(c.to_lowercase());
            return;
        }
    };
    out.push_str(folded);
}

/// Finds a quotation in a text and returns its byte range.
pub fn locate(quote: &str, text: &[PlainWord]) -> Option<(usize, usize)> {
    let quote = quote
        .replace("[…]", "…")
        .replace("[...]", "…")
        .replace("...", "…");
    let mut fragments: Vec<Vec<PlainWord>> = quote.split('…').map(words).collect();
    fragments.retain(|words| !words.is_empty());
    let total: usize = fragments.iter().map(Vec::len).sum();
    let first = fragments.first()?;
    if total > MOST {
        return None;
    }
    // A single-word fragment could match anywhere.
    if fragments.len() > 1 && fragments.iter().any(|words| words.len() < 2) {
        return None;
    }
    let mut errors = total / PER_ERROR;
    let mut from = 0;
    while let Some((at, mut end)) = find(first, text, from, text.len(), &mut errors) {
        let whole = fragments[1..].iter().all(|fragment| {
            let limit = (end + GAP + fragment.len()).min(text.len());
            match find(fragment, text, end, limit, &mut errors) {
                // The skipped words must not negate the statement or cross a sentence end.
                Some((at, behind)) => {
                    let is_harmless = !text[end - 1..at].iter().any(|word| word.ends)
                        && !text[end..at].iter().any(is_negation);
                    end = behind;
                    is_harmless
                }
                None => false,
            }
        });
        if whole {
            return Some((text[at].start, text[end - 1].end));
        }
        errors = total / PER_ERROR;
        from = at + 1;
    }
    None
}

// First match of these words within `from..to`.
fn find(
    wanted: &[PlainWord],
    text: &[PlainWord],
    from: usize,
    to: usize,
    errors: &mut usize,
) -> Option<(usize, usize)> {
    (from..to).find_map(|start| {
        let mut left = *errors;
        let end = matches(wanted, &text[start..to], &mut left)?;
        *errors = left;
        Some((start, start + end))
    })
}

// Number of text words matched when the text starts with the wanted words.
fn matches(wanted: &[PlainWord], text: &[PlainWord], errors: &mut usize) -> Option<usize> {
    let (mut mine, mut theirs) = (0, 0);
    while mine < wanted.len() {
        let (one, other) = (&wanted[mine], text.get(theirs)?);
        if one.plain == other.plain {
            (mine, theirs) = (mine + 1, theirs + 1);
        } else if is_joined(one, text.get(theirs..theirs + 2)) {
            (mine, theirs) = (mine + 1, theirs + 2);
        } else if is_joined(other, wanted.get(mine..mine + 2)) {
            (mine, theirs) = (mine + 2, theirs + 1);
        } else if *errors > 0 && is_slip(one, other) {
            *errors -= 1;
            (mine, theirs) = (mine + 1, theirs + 1);
        } else {
            return None;
        }
    }
    Some(theirs)
}

// Whether one word equals two split words. Letters only, because 1 and 5 are not 15.
fn is_joined(one: &PlainWord, two: Option<&[PlainWord]>) -> bool {
    let Some([first, second]) = two else {
        return false;
    };
    let halves = [first, second].map(|half| half.plain.chars().count());
    one.plain.len() == first.plain.len() + second.plain.len()
        && halves.iter().all(|&letters| letters >= 3)
        && !is_negation(first)
        && one.plain.starts_with(&first.plain)
        && one.plain.ends_with(&second.plain)
        && !one.plain.contains(|c: char| c.is_ascii_digit())
}

// Whether the words differ in one letter that OCR confuses, other than the first.
fn is_slip(one: &PlainWord, other: &PlainWord) -> bool {
    const CONFUSED: &[(char, char)] = &[('c', 'e'), ('l', 'i'), ('h', 'b')];
    let (a, b): (Vec<char>, Vec<char>) =
        (one.plain.chars().collect(), other.plain.chars().collect());
    let is_name = one.is_capital || other.is_capital;
    let has_digit = a.iter().chain(&b).any(|c| c.is_numeric());
    if is_name || has_digit || a.len() != b.len() || a.len() < LONG_WORD || a[0] != b[0] {
        return false;
    }
    let differing: Vec<(char, char)> = (a.into_iter().zip(b)).filter(|(x, y)| x != y).collect();
    let is_confused =
        |&(x, y): &(char, char)| CONFUSED.contains(&(x, y)) || CONFUSED.contains(&(y, x));
    differing.len() == 1 && differing.iter().all(is_confused)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "The supplier shall not exceed 3.5 tonnes of carbon per year. Mr Andersen, who manu-\nfactures the \
        “ﬁrst” engine, paid 1,200 euros on 4 May 2021;\nthe rest was payable within thirty days of delivery to the port. \
        Die Übertragung der Rechte erfolgt nicht vor Zahlung. 量子計算は速い。";

    fn found(quote: &str) -> Option<&'static str> {
        locate(quote, &words(PAGE)).map(|(start, end)| &PAGE[start..end])
    }

    #[test]
    fn what_stands_there_is_found_whatever_the_noise() {
        for quote in [
            "shall not exceed 3.5 tonnes of carbon",
            "SHALL NOT  EXCEED 3.5 tonnes",
            "who manufactures the 'first' engine",
            "paid 1,200 euros on 4 May 2021 - the rest was payable",
            "The supplier shall not exceed … tonnes of carbon per year",
            "the rest was payable within thirty days of delivery to the p0rt"
                .replace("p0rt", "port")
                .as_str(),
            "the rest was payable within thirty days of delivcry to the port",
            "the rest was pay able within thirty days",
            "die Ubertragung der Rechte erfolgt nicht",
            "量子計算は速い",
        ] {
            assert!(found(quote).is_some(), "{quote}");
        }
        assert_eq!(
            found("who manufactures the first"),
            Some("who manu-\nfactures the “ﬁrst")
        );
    }

    #[test]
    fn small_changes_that_turn_the_meaning_are_seen() {
        for (page, quote) in [
            (
                "The landlord shall not enter without notice of a day.",
                "The landlord shall … enter without notice",
            ),
            (
                "He pays rent. She may leave. They may stay here.",
                "He pays rent … They may stay",
            ),
            (
                "The effect was clear, p < 0.05 in all groups.",
                "The effect was clear, p > 0.05 in all groups",
            ),
            (
                "The price is $900 for each month.",
                "The price is €900 for each month",
            ),
            (
                "The rate is 5 per year and person.",
                "The rate is 5% per year and person",
            ),
            (
                "It fell to -5 degrees in the night.",
                "It fell to 5 degrees in the night",
            ),
            (
                "It costs 1.000 euros in all.",
                "It costs 1,000 euros in all",
            ),
            (
                "the notice goes from the employer to the union within ten days of that",
                "the notice goes from the employee to the union within ten days of that",
            ),
            (
                "this was proscribed by the law of the country in that year",
                "this was prescribed by the law of the country in that year",
            ),
            (
                "it ends on the sixth day after the delivery of the goods",
                "it ends on the sixty day after the delivery of the goods",
            ),
            (
                "this is an atypical case of it",
                "this is an a typical case of it",
            ),
            (
                "this modem is old and slow and was bought in that year",
                "this modern is old and slow and was bought in that year",
            ),
        ] {
            assert_eq!(locate(quote, &words(page)), None, "{quote}");
            assert!(locate(page, &words(page)).is_some(), "{page}");
        }
    }

    #[test]
    fn what_was_changed_is_not_found() {
        for quote in [
            "shall exceed 3.5 tonnes of carbon",
            "shall not exceed 35 tonnes of carbon",
            "shall not exceed 3.6 tonnes of carbon per year",
            "Mr Anderson, who manufactures the first engine",
            "paid 1,200 euros on 5 May 2021; the rest was payable",
            "the rest was payable within thirteen days of delivery",
            "the rest was not payable within thirty days of delivery",
            "Die Übertragung der Rechte erfolgt vor Zahlung",
            "The supplier … on 6 May",
            "shall not excess 3.5",
            "量子計算は遅い",
            "",
        ] {
            assert_eq!(found(quote), None, "{quote}");
        }
    }
}
