//! The words of a sentence in the form in which the rules compare them: without citation marks and members'
//! letters, and with numbers and units normalized.

use std::collections::BTreeSet;

use crate::domain::citation;

/// A word of a sentence.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SentenceToken {
    /// The word in lowercase.
    pub text: String,
    /// Whether the word is capitalized in the middle of a sentence, or is an acronym.
    pub is_name: bool,
    /// The numeric value, if the word is a number in digits or letters.
    pub value: Option<f64>,
}

/// Splits a sentence into tokens, leaving out citation marks and members' letters.
pub(super) fn tokens(sentence: &str) -> Vec<SentenceToken> {
    let text = strip_citation_marks(sentence);
    let mut sentence_tokens = Vec::new();
    let mut word = String::new();
    let mut characters = text.chars().peekable();
    let mut starts = true;
    while let Some(c) = characters.next() {
        let next = characters.peek().copied();
        let in_figure = matches!(c, '.' | ',')
            && word.ends_with(|last: char| last.is_ascii_digit())
            && next.is_some_and(|next| next.is_ascii_digit());
        let in_word = matches!(c, '\'' | '’') && next.is_some_and(char::is_alphabetic);
        if c.is_alphanumeric() || in_figure || (in_word && !word.is_empty()) {
            word.push(if c == '’' { '\'' } else { c });
            continue;
        }
        push_token(&mut sentence_tokens, &mut word, &mut starts);
        if matches!(c, '%' | '€' | '$' | '£' | '¥' | '°' | '<' | '>' | '≤' | '≥') {
            sentence_tokens.push(token(&c.to_string(), false));
        }
        starts |= matches!(c, '.' | '!' | '?' | '"' | '“' | '„');
    }
    push_token(&mut sentence_tokens, &mut word, &mut starts);
    sentence_tokens
}

fn push_token(sentence_tokens: &mut Vec<SentenceToken>, word: &mut String, starts: &mut bool) {
    if word.is_empty() {
        return;
    }
    // "5km" is split into the number and its unit.
    let digits = word
        .bytes()
        .take_while(|b| b.is_ascii_digit() || matches!(b, b'.' | b','))
        .count();
    let (figure, rest) = word.split_at(digits);
    if !figure.is_empty() && !rest.is_empty() && rest.chars().all(char::is_alphabetic) {
        sentence_tokens.push(token(figure, *starts));
        if !["st", "nd", "rd", "th"].contains(&rest) {
            sentence_tokens.push(token(rest, true));
        }
    } else {
        sentence_tokens.push(token(word, *starts));
    }
    *starts = false;
    word.clear();
}

fn token(word: &str, starts: bool) -> SentenceToken {
    let capital = word.starts_with(char::is_uppercase) && word.chars().count() > 1;
    // An acronym counts as a name even at the beginning of a sentence.
    let is_acronym = word.chars().filter(|c| c.is_uppercase()).count() > 1;
    let text = word.to_lowercase();
    SentenceToken {
        value: parse_digits(&text).or_else(|| number_word(&text)),
        is_name: capital && (!starts || is_acronym),
        text,
    }
}

// Removes citation marks and members' letters, such as [D1:p4] and (A, B), which carry no content.
fn strip_citation_marks(sentence: &str) -> String {
    let mut text = String::with_capacity(sentence.len());
    let mut copied_end = 0;
    for cite in citation::find_mark_groups(sentence) {
        text.push_str(&sentence[copied_end..cite.start]);
        copied_end = cite.end;
    }
    text.push_str(&sentence[copied_end..]);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find('(') {
        let inside = &rest[at + 1..];
        let is_letters = |inner: &str| {
            let mut parts = inner.split([',', ' ']).filter(|part| !part.is_empty());
            parts.all(|part| part.len() == 1 && part.starts_with(|c: char| c.is_ascii_uppercase()))
        };
        match inside.find(')').filter(|&end| is_letters(&inside[..end])) {
            Some(end) => {
                out.push_str(&rest[..at]);
                rest = &inside[end + 1..];
            }
            None => {
                out.push_str(&rest[..=at]);
                rest = inside;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Returns the value of a number in digits: `1,200`, `1.200`, `3.5`.
fn parse_digits(word: &str) -> Option<f64> {
    if !word.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let groups: Vec<&str> = word.split([',', '.']).collect();
    let is_grouped = groups.len() > 1
        && groups[0].len() <= 3
        && groups[0] != "0"
        && groups[1..].iter().all(|group| group.len() == 3);
    match is_grouped {
        true => groups.concat().parse().ok(),
        false => word.replace(',', ".").parse().ok(),
    }
}

const ONES_WORDS: [&[&str]; 20] = [
    &["zero", "null"],
    &["eins"],
    &["two", "zwei"],
    &["three", "drei"],
    &["four", "vier"],
    &["five", "fünf"],
    &["six", "sechs"],
    &["seven", "sieben"],
    &["eight", "acht"],
    &["nine", "neun"],
    &["ten", "zehn"],
    &["eleven", "elf"],
    &["twelve", "zwölf", "dozen", "dutzend"],
    &["thirteen", "dreizehn"],
    &["fourteen", "vierzehn"],
    &["fifteen", "fünfzehn"],
    &["sixteen", "sechzehn"],
    &["seventeen", "siebzehn"],
    &["eighteen", "achtzehn"],
    &["nineteen", "neunzehn"],
];
const TENS_WORDS: [(&[&str], f64); 12] = [
    (&["twenty", "zwanzig"], 20.0),
    (&["thirty", "dreißig"], 30.0),
    (&["forty", "vierzig"], 40.0),
    (&["fifty", "fünfzig"], 50.0),
    (&["sixty", "sechzig"], 60.0),
    (&["seventy", "siebzig"], 70.0),
    (&["eighty", "achtzig"], 80.0),
    (&["ninety", "neunzig"], 90.0),
    (&["hundred", "hundert"], 100.0),
    (&["thousand", "tausend"], 1e3),
    (&["million", "millions", "millionen"], 1e6),
    (&["billion", "billions", "milliarde", "milliarden"], 1e9),
];
const FRACTION_WORDS: [(&[&str], f64); 4] = [
    (&["half", "hälfte", "halb", "halbe"], 0.5),
    (&["third", "thirds", "drittel"], 1.0 / 3.0),
    (&["quarter", "quarters", "viertel"], 0.25),
    (&["tenth", "zehntel"], 0.1),
];

/// Returns the value of a number word, in English or German.
fn number_word(word: &str) -> Option<f64> {
    let ones_index = |word: &str| ONES_WORDS.iter().position(|names| names.contains(&word));
    let ten = |word: &str| TENS_WORDS.iter().find(|(names, _)| names.contains(&word));
    let part = || {
        FRACTION_WORDS
            .iter()
            .find(|(names, _)| names.contains(&word))
    };
    // This reads a compound such as "fünfundvierzig".
    let joined = || {
        let (ones, tens) = word.split_once("und")?;
        let ones = if ones == "ein" {
            Some(1)
        } else {
            ones_index(ones)
        };
        Some(ones.filter(|&ones| (1..=9).contains(&ones))? as f64 + ten(tens)?.1)
    };
    ones_index(word)
        .map(|value| value as f64)
        .or_else(|| ten(word).map(|(_, value)| *value))
        .or_else(|| part().map(|(_, value)| *value))
        .or_else(joined)
}

/// Returns the tokens' texts without duplicates.
pub(super) fn token_texts(tokens: &[SentenceToken]) -> BTreeSet<&str> {
    tokens.iter().map(|token| token.text.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_one_value_in_digits_and_words() {
        for (text, expected) in [
            ("1,200 euros", Some(1200.0)),
            ("1.200 Euro", Some(1200.0)),
            ("3.5 km", Some(3.5)),
            ("0,75 l", Some(0.75)),
            ("a dozen trains", Some(12.0)),
            ("fünfundvierzig Meter", Some(45.0)),
            ("sechzig Meter", Some(60.0)),
            ("no figure", None),
        ] {
            let value = tokens(text).into_iter().find_map(|token| token.value);
            assert_eq!(value, expected, "{text}");
        }
    }

    #[test]
    fn marks_and_letters_are_no_words() {
        let sentence_tokens = tokens("It’s 5km long [D1:p4], they say (A, B) in Rome.");
        let texts: Vec<&str> = sentence_tokens
            .iter()
            .map(|token| token.text.as_str())
            .collect();
        assert_eq!(
            texts,
            ["it's", "5", "km", "long", "they", "say", "in", "rome"]
        );
        let names: Vec<&SentenceToken> = sentence_tokens
            .iter()
            .filter(|token| token.is_name)
            .collect();
        assert_eq!(names.len(), 1, "Rome");
    }
}
