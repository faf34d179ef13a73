//! Rules that object to a judgment because the quoted words lack something that the sentence says. A rule can
//! only lower a judgment, and the absence of objections proves nothing.

use std::collections::BTreeSet;

use super::context::has_condition;
use super::foreign;
use super::tokens::{SentenceToken, token_texts, tokens};
use super::words::{
    self, OPPOSING_PREFIXES, date_word, direction_of, is_content_word, is_negation, word_class,
};
use shared_words::{count_shared_words, has_spaces, is_same_word};

mod conflict;
mod shared_words;

pub(super) use conflict::conflict;

/// Minimum share of a sentence's content words that the quoted words must contain, 0 to 1.
const MIN_SHARED_WORDS: f64 = 0.4;
/// Maximum number of differing words that still count as a substitution.
const MAX_SUBSTITUTED_WORDS: usize = 2;

/// Words that begin another part of a sentence.
const JOINING_WORDS: &[&str] = &[
    "and", "but", "because", "while", "whereas", "although", "so", "und", "aber", "weil",
    "während", "obwohl",
];
/// Words that attribute a statement to someone.
#[rustfmt::skip]
const ATTRIBUTING_WORDS: &[&str] = &[
    "says", "said", "claims", "claimed", "states", "stated", "argues", "argued", "reports", "reported", "according",
    "laut", "sagt", "sagte", "behauptet", "zufolge", "erklärt", "erklärte",
];

/// Returns why the quoted words do not support the sentence, for users; `None` if no rule objects.
pub fn objection(sentence: &str, quote: &str) -> Option<String> {
    if has_condition(sentence) != has_condition(quote) {
        return Some("only one of the sentence and the quoted words has a condition".to_owned());
    }
    let pair = SentenceAndQuote::new(sentence, quote);
    let rules: [fn(&SentenceAndQuote) -> Option<String>; 12] = [
        figure_mismatch,
        unit_mismatch,
        clock_mismatch,
        date_mismatch,
        name_mismatch,
        negation_mismatch,
        quantifier_mismatch,
        direction_mismatch,
        word_order_mismatch,
        substitution_mismatch,
        shared_word_mismatch,
        attribution_mismatch,
    ];
    let mismatch = rules.iter().find_map(|rule| rule(&pair));
    let mismatch = mismatch.or_else(|| part_mismatch(sentence, &pair));
    mismatch.or_else(|| foreign::objection(sentence, quote))
}

/// Returns how the numbers, dates, or names of two statements differ; `None` if they do not.
pub(super) fn difference(left: &str, right: &str) -> Option<String> {
    let rules: [fn(&SentenceAndQuote) -> Option<String>; 4] =
        [figure_mismatch, unit_mismatch, date_mismatch, name_mismatch];
    let pairs = [
        SentenceAndQuote::new(left, right),
        SentenceAndQuote::new(right, left),
    ];
    pairs
        .iter()
        .find_map(|pair| rules.iter().find_map(|rule| rule(pair)))
}

/// Whether the second text contains enough terms of the first to be about the same thing.
pub(super) fn is_about(sentence: &str, other: &str) -> bool {
    shared_word_mismatch(&SentenceAndQuote::new(sentence, other)).is_none()
}

/// Whether a claim repeats an earlier one or a part of it, in the same terms and order.
pub(super) fn is_repetition(claim: &str, earlier: &str) -> bool {
    let (own, known) = (
        content_words(&tokens(claim)),
        content_words(&tokens(earlier)),
    );
    let is_part = !own.is_empty() && known.windows(own.len()).any(|part| part == own);
    is_part && objection(claim, earlier).is_none() && objection(earlier, claim).is_none()
}

/// The tokens of a sentence and of the words quoted for it.
struct SentenceAndQuote {
    sentence: Vec<SentenceToken>,
    quote: Vec<SentenceToken>,
    is_german: bool,
}

impl SentenceAndQuote {
    fn new(sentence: &str, quote: &str) -> Self {
        let (sentence, quote) = (tokens(sentence), tokens(quote));
        let all = sentence
            .iter()
            .chain(&quote)
            .map(|token| token.text.as_str());
        Self {
            is_german: words::is_german(all),
            sentence,
            quote,
        }
    }
}

fn figure_mismatch(pair: &SentenceAndQuote) -> Option<String> {
    let has_value = |value: f64| {
        let mut values = pair.quote.iter().filter_map(|token| token.value);
        values.any(|known| (known - value).abs() <= 1e-9 * value.abs().max(1.0))
    };
    let missing = pair
        .sentence
        .iter()
        .find(|token| token.value.is_some_and(|value| !has_value(value)))?;
    Some(format!(
        "the number {} is not in the quoted words",
        missing.text
    ))
}

// Returns each number with its unit, which is the symbol before it or one of the two words after it.
fn measured_values(tokens: &[SentenceToken]) -> Vec<(f64, &'static str)> {
    let measure = |at: usize| {
        let value = tokens[at].value?;
        let token_before = at.checked_sub(1).and_then(|at| tokens.get(at));
        let is_sign = |token: &&SentenceToken| {
            let unit = words::unit_of(&token.text);
            !token.text.starts_with(char::is_alphanumeric) || unit.is_some_and(words::is_currency)
        };
        let token_before = token_before.filter(is_sign);
        let neighbors = token_before
            .into_iter()
            .chain(tokens.iter().skip(at + 1).take(2));
        let mut units = neighbors.filter_map(|token| words::unit_of(&token.text));
        Some((value, units.next()?))
    };
    (0..tokens.len()).filter_map(measure).collect()
}

fn unit_mismatch(pair: &SentenceAndQuote) -> Option<String> {
    let quoted = measured_values(&pair.quote);
    let (value, unit) = measured_values(&pair.sentence)
        .into_iter()
        .find(|measure| !quoted.contains(measure))?;
    Some(format!("{value} {unit} is not in the quoted words"))
}

// Objects if the times are in different halves of the day, as in "9 am" and "9 p.m.". In German, "am" is a preposition.
fn clock_mismatch(pair: &SentenceAndQuote) -> Option<String> {
    let halves = |tokens: &[SentenceToken]| -> BTreeSet<&'static str> {
        let word = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
        let half = |at: usize| match (word(at + 1), word(at + 2)) {
            ("am", _) | ("a", "m") => Some("am"),
            ("pm", _) | ("p", "m") => Some("pm"),
            _ => None,
        };
        let figures = (0..tokens.len()).filter(|&at| tokens[at].value.is_some());
        figures.filter_map(half).collect()
    };
    let quoted = halves(&pair.quote);
    let missing = halves(&pair.sentence)
        .into_iter()
        .find(|half| !quoted.contains(half));
    let all = pair.sentence.iter().chain(&pair.quote);
    let others = all.filter(|token| token.text != "am");
    let is_german = words::is_german(others.map(|token| token.text.as_str()));
    missing
        .filter(|_| !is_german)
        .map(|half| format!("“{half}” is not in the quoted words"))
}

fn date_mismatch(pair: &SentenceAndQuote) -> Option<String> {
    let of = |token: &SentenceToken| date_word(&token.text, token.is_name);
    let quote_days: BTreeSet<usize> = pair.quote.iter().filter_map(of).collect();
    let mut all = pair.sentence.iter();
    let missing = all.find(|token| of(token).is_some_and(|date| !quote_days.contains(&date)))?;
    Some(format!(
        "the date {} is not in the quoted words",
        missing.text
    ))
}

// Objects to a missing name. In German, every noun is capitalized, so a missing name counts only if the
// quoted words have another one in its place.
fn name_mismatch(pair: &SentenceAndQuote) -> Option<String> {
    let (own, quoted) = (token_texts(&pair.sentence), token_texts(&pair.quote));
    let is_missing = |token: &&SentenceToken| {
        token.is_name
            && is_content_word(&token.text)
            && !quoted.iter().any(|known| is_same_word(known, &token.text))
    };
    let missing = pair.sentence.iter().find(is_missing)?;
    let replaced = || {
        let mut names = pair.quote.iter().filter(|token| token.is_name);
        names.any(|name| !own.iter().any(|known| is_same_word(known, &name.text)))
    };
    if pair.is_german && !replaced() {
        return None;
    }
    Some(format!(
        "the name {} is not in the quoted words",
        missing.text
    ))
}

fn negation_mismatch(pair: &SentenceAndQuote) -> Option<String> {
    // "Neither … nor" counts as one negation.
    let count = |tokens: &[SentenceToken]| {
        let has_neither = tokens.iter().any(|token| token.text == "neither");
        let negates = |token: &&SentenceToken| {
            is_negation(&token.text) && !(has_neither && token.text == "nor")
        };
        tokens.iter().filter(negates).count()
    };
    if count(&pair.sentence) % 2 != count(&pair.quote) % 2 {
        return Some("only one of the sentence and the quoted words has a negation".to_owned());
    }
    let (own, quoted) = (token_texts(&pair.sentence), token_texts(&pair.quote));
    let reversed = |one: &BTreeSet<&str>, other: &BTreeSet<&str>| {
        let mut words = one
            .iter()
            .filter(|word| word.len() > 3 && !other.contains(*word));
        let opposite = |word: &str| {
            let mut prefixes = OPPOSING_PREFIXES.iter();
            prefixes.any(|prefix| other.contains(format!("{prefix}{word}").as_str()))
        };
        words
            .find(|word| opposite(word))
            .map(|word| (*word).to_owned())
    };
    let word = reversed(&own, &quoted).or_else(|| reversed(&quoted, &own))?;
    Some(format!("one has “{word}”, the other its opposite"))
}

fn quantifier_mismatch(pair: &SentenceAndQuote) -> Option<String> {
    let classes = |tokens: &[SentenceToken]| -> BTreeSet<&'static str> {
        let words = tokens
            .iter()
            .filter(|token| date_word(&token.text, token.is_name).is_none());
        words.filter_map(|token| word_class(&token.text)).collect()
    };
    let (own, quoted) = (classes(&pair.sentence), classes(&pair.quote));
    let missing_word = ["all", "most", "only", "must", "few", "some", "both"]
        .into_iter()
        .find(|class| own.contains(class) && !quoted.contains(class));
    if let Some(class) = missing_word {
        return Some(format!("the quoted words do not say “{class}”"));
    }
    let weaker = ["may", "few", "some", "only", "perhaps"]
        .into_iter()
        .find(|class| quoted.contains(class) && !own.contains(class));
    weaker.map(|class| format!("the quoted words say “{class}”, the sentence does not"))
}

fn direction_mismatch(pair: &SentenceAndQuote) -> Option<String> {
    let of = |tokens: &[SentenceToken]| -> BTreeSet<(usize, bool)> {
        tokens
            .iter()
            .filter_map(|token| direction_of(&token.text))
            .collect()
    };
    let (own, quoted) = (of(&pair.sentence), of(&pair.quote));
    let opposite = own.iter().find(|&&(index, side)| {
        quoted.contains(&(index, !side)) && !quoted.contains(&(index, side))
    });
    if opposite.is_some() {
        return Some("the quoted words compare in the opposite direction".to_owned());
    }
    let bounds = |tokens: &[SentenceToken]| {
        const BOUND_WORDS: &[&str] = &[
            "before",
            "after",
            "later",
            "earlier",
            "bevor",
            "nachdem",
            "später",
            "früher",
            "than",
            "least",
            "most",
            "minimum",
            "maximum",
            "mindestens",
            "höchstens",
        ];
        tokens
            .iter()
            .any(|token| BOUND_WORDS.contains(&token.text.as_str()))
    };
    let is_bounded = bounds(&pair.sentence) && !bounds(&pair.quote) && !own.is_subset(&quoted);
    is_bounded.then(|| "the quoted words do not compare".to_owned())
}

// Returns the content words in a uniform form: numbers by value, units by canonical name.
fn content_words(tokens: &[SentenceToken]) -> Vec<String> {
    let words = tokens.iter().filter(|token| is_content_word(&token.text));
    let mut content: Vec<String> = words
        .map(|token| match (token.value, words::unit_of(&token.text)) {
            (Some(value), _) => value.to_string(),
            (None, Some(unit)) => unit.to_owned(),
            (None, None) => token.text.clone(),
        })
        .collect();
    // Reorders "June 30" so that it matches "30 June".
    for at in 1..content.len() {
        let is_month = words::date_word(&content[at - 1], false).is_some();
        let is_day_of_month = content[at]
            .parse()
            .is_ok_and(|day: u32| (1..=31).contains(&day));
        let is_free = at < 2 || content[at - 2].parse::<f64>().is_err();
        if is_month && is_day_of_month && is_free {
            content.swap(at - 1, at);
        }
    }
    // Treat "€900" and "EUR 900" like "900 euros".
    for at in 1..content.len() {
        let has_currency_before =
            words::is_currency(&content[at - 1]) && content[at].parse::<f64>().is_ok();
        let is_free = at < 2 || content[at - 2].parse::<f64>().is_err();
        if has_currency_before && is_free {
            content.swap(at - 1, at);
        }
    }
    content
}

// Objects if the same content words are in a different order, because who does what to whom may have changed. If
// exactly one side is in the passive voice, objects if the order is the same instead.
fn word_order_mismatch(pair: &SentenceAndQuote) -> Option<String> {
    let (own, quoted) = (content_words(&pair.sentence), content_words(&pair.quote));
    if own.len() < 3 || quoted.len() > own.len() + own.len() / 2 {
        return None;
    }
    let position_of = |word: &str| quoted.iter().position(|known| is_same_word(known, word));
    let places: Vec<usize> = own.iter().filter_map(|word| position_of(word)).collect();
    if places.len() < own.len() {
        return None;
    }
    let mut rest = quoted.iter();
    let is_kept = own
        .iter()
        .all(|word| rest.any(|known| is_same_word(known, word)));
    let is_reordered = own != quoted && !places.is_sorted() && !is_kept;
    let changes_voice = is_passive(&pair.sentence) != is_passive(&pair.quote);
    (is_reordered != changes_voice)
        .then(|| "the quoted words have the same terms in another order".to_owned())
}

fn is_passive(tokens: &[SentenceToken]) -> bool {
    let contains = |words: &[&str]| {
        tokens
            .iter()
            .any(|token| words.contains(&token.text.as_str()))
    };
    let english = contains(&["is", "are", "was", "were", "been", "be"]) && contains(&["by"]);
    english
        || contains(&["wird", "werden", "wurde", "wurden", "worden"])
            && contains(&["von", "vom", "durch"])
}

// Objects if the words are nearly the same, but one or two have been replaced between the same neighbors,
// such as "seller" by "buyer".
fn substitution_mismatch(pair: &SentenceAndQuote) -> Option<String> {
    let (own, quoted) = (content_words(&pair.sentence), content_words(&pair.quote));
    let rest = |words: &[String], others: &[String]| -> Vec<usize> {
        let is_other = |word: &str| !others.iter().any(|known| is_same_word(known, word));
        let all = words.iter().enumerate();
        all.filter(|(_, word)| is_other(word))
            .map(|(at, _)| at)
            .collect()
    };
    let (extra, missing) = (rest(&own, &quoted), rest(&quoted, &own));
    let is_near_match = (1..=MAX_SUBSTITUTED_WORDS).contains(&extra.len());
    if !is_near_match || 2 * (own.len() - extra.len()) < own.len() {
        return None;
    }
    // Two neighbors are equal if they are the same word, if both have been replaced, or if both are the end
    // of the text.
    let neighbor = |words: &[String], rest: &[usize], at: Option<usize>| -> Option<String> {
        let at = at?;
        let word = words.get(at)?;
        Some(match rest.contains(&at) {
            true => String::new(),
            false => word.clone(),
        })
    };
    let same = |left: Option<String>, right: Option<String>| match (left, right) {
        (Some(left), Some(right)) => is_same_word(&left, &right),
        (left, right) => left == right,
    };
    let replaces = |&at: &usize, &other: &usize| {
        let left_neighbor =
            |words: &[String], rest: &[usize], at: usize| neighbor(words, rest, at.checked_sub(1));
        let right_neighbor =
            |words: &[String], rest: &[usize], at: usize| neighbor(words, rest, Some(at + 1));
        same(
            left_neighbor(&own, &extra, at),
            left_neighbor(&quoted, &missing, other),
        ) && same(
            right_neighbor(&own, &extra, at),
            right_neighbor(&quoted, &missing, other),
        )
    };
    let mut pairs = extra
        .iter()
        .flat_map(|at| missing.iter().map(move |other| (at, other)));
    let (at, other) = pairs.find(|(at, other)| replaces(at, other))?;
    Some(format!(
        "the quoted words say “{}” where the sentence says “{}”",
        quoted[*other], own[*at]
    ))
}

// Objects if the quoted words share too few terms with the sentence, unless the two are in different languages.
fn shared_word_mismatch(pair: &SentenceAndQuote) -> Option<String> {
    let language =
        |tokens: &[SentenceToken]| words::is_german(tokens.iter().map(|token| token.text.as_str()));
    let (own, quoted) = (content_words(&pair.sentence), content_words(&pair.quote));
    if own.is_empty() || language(&pair.sentence) != language(&pair.quote) {
        return None;
    }
    let shared = count_shared_words(&own, &quoted);
    let has_few_shared_words = (shared as f64) < MIN_SHARED_WORDS * own.len() as f64;
    let has_no_shared_words = shared == 0 && has_spaces(&own);
    (has_no_shared_words || (own.len() >= 3 && has_few_shared_words))
        .then(|| "the quoted words share too few terms with the sentence".to_owned())
}

// Objects if the quoted words do not support a part of the sentence. A part is not supported merely because
// it is joined to a supported statement.
fn part_mismatch(sentence: &str, pair: &SentenceAndQuote) -> Option<String> {
    let quoted = content_words(&pair.quote);
    let is_quote_german = words::is_german(pair.quote.iter().map(|token| token.text.as_str()));
    let mut parts = vec![String::new()];
    for word in sentence.split_whitespace() {
        let plain = word.trim_matches(|c: char| !c.is_alphanumeric());
        if JOINING_WORDS.contains(&plain.to_lowercase().as_str()) {
            parts.push(String::new());
        }
        let part = parts.last_mut()?;
        part.push_str(word);
        part.push(' ');
        if word.ends_with([',', ';', ':', '.', '–', '—']) {
            parts.push(String::new());
        }
    }
    let is_mostly_new = |part: &&String| {
        let tokens = tokens(part);
        let is_german = words::is_german(tokens.iter().map(|token| token.text.as_str()));
        let part_words = content_words(&tokens);
        part_words.len() >= 2
            && has_spaces(&part_words)
            && is_german == is_quote_german
            && count_shared_words(&part_words, &quoted) == 0
    };
    let part = parts.iter().find(is_mostly_new)?;
    Some(format!("the quoted words do not say “{}”", part.trim()))
}

// Objects if the quoted words lack an attribution, because in "Microsoft says that …", the source is part of
// the statement.
fn attribution_mismatch(pair: &SentenceAndQuote) -> Option<String> {
    let attributes_claim = |tokens: &[SentenceToken]| {
        let mut all = tokens.iter();
        all.any(|token| ATTRIBUTING_WORDS.contains(&token.text.as_str()))
    };
    (attributes_claim(&pair.sentence) && !attributes_claim(&pair.quote))
        .then(|| "the quoted words do not say who says so".to_owned())
}

#[cfg(test)]
mod tests;
