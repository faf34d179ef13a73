//! Finds the numbers in a text, and the one that it states: not a number that it denies, uses as a bound, or lists
//! as one of several.

use super::numeral::{self, Separators};

/// Words that deny the number after them: "not 6", "never equal to 6", "neither 5 nor 6".
const DENIALS: &[&str] = &[
    "not", "never", "neither", "nor", "without", "except", "nicht", "kein", "keine", "weder",
    "noch", "pas", "ni",
];
/// Words before "than" or "of" that deny the number after them: "rather than 6", "instead of 6".
const REPLACED: &[&str] = &["rather", "other", "instead"];
/// Words that deny the number before them and its verb: "5 is wrong".
const REFUTED: &[&str] = &[
    "wrong",
    "incorrect",
    "false",
    "excluded",
    "impossible",
    "not",
    "falsch",
    "nicht",
    "faux",
];
/// Words that end the scope of a denial before them: "not 6 but 5".
const DENIAL_SCOPE_ENDS: &[&str] = &["but", "sondern", "mais", "is", "ist", "=", "so"];
/// Connectors of two numbers that are alternatives, so that neither is stated: "5 or 6", "4-5", "4, 5".
const ALTERNATIVES: &[&str] = &[
    "or", "oder", "ou", "and", "und", "et", "to", "bis", "through", "-", "–", "—", ",", "/",
];
/// Verbs before "to" that introduce a result instead of a range: "3 and 2 add up to 5".
const RESULTS: &[&str] = &[
    "equal",
    "equals",
    "comes",
    "come",
    "amounts",
    "adds",
    "add",
    "up",
    "sums",
    "is",
    "makes",
    "rounds",
    "rounded",
    "simplifies",
    "reduces",
    "evaluates",
];
/// Words that make the number after them a bound, alone or before "than", "to", or "of".
const BOUNDS: &[&str] = &[
    "least",
    "most",
    "under",
    "over",
    "above",
    "below",
    "beyond",
    "exceeds",
    "exceed",
    "exceeding",
    "minimum",
    "maximum",
    "mindestens",
    "höchstens",
    "unter",
    "über",
];
/// Comparatives before "than".
const COMPARATIVES: &[&str] = &[
    "more", "less", "fewer", "greater", "larger", "bigger", "smaller", "higher", "lower", "mehr",
    "weniger", "größer", "kleiner", "plus", "moins",
];
/// Number of words before a number that are searched for a denial.
const NEAR: usize = 4;
/// Maximum number of words between two joined numbers: a unit and the connector.
const MAX_WORDS_BETWEEN: usize = 3;

/// Returns the numbers in a text in order. A minus counts if it touches the number and nothing before it;
/// percentages are taken as written. Digits after a letter are part of a name ("H2O").
pub fn numbers_in(text: &str) -> Vec<f64> {
    placed(text).into_iter().map(|found| found.number).collect()
}

/// Returns the last number that a text states. Skips denied numbers ("not 6", "6 is wrong"). None if the last
/// remaining number is a bound ("at least 5") or one of several ("5 or 6", "from 4 to 5", "4, 5").
pub fn last_stated(text: &str) -> Option<f64> {
    let all = placed(text);
    let between = |at: usize| {
        let start = at.checked_sub(1).map_or(0, |before| all[before].end);
        &text[start..all[at].start]
    };
    let behind = |at: usize| {
        let next = all.get(at + 1);
        (
            &text[all[at].end..next.map_or(text.len(), |next| next.start)],
            next.is_some(),
        )
    };
    let mut denied: Vec<bool> = Vec::with_capacity(all.len());
    for at in 0..all.len() {
        let (rest, has_next) = behind(at);
        let follows_denied = denied.last().copied().unwrap_or_default();
        let is_joined = at > 0 && joins(between(at));
        denied.push(
            is_denied(between(at)) || is_refuted(rest, has_next) || (follows_denied && is_joined),
        );
    }
    let stated = (0..all.len()).rev().find(|&at| !denied[at])?;
    let is_open = |before: usize| {
        let (one, other) = (all[before].number, all[stated].number);
        // "May 4, 2026"
        let is_day_of_year = (1.0..=31.0).contains(&one) && (1000.0..3000.0).contains(&other);
        !denied[before] && differ(one, other) && !is_day_of_year
    };
    let is_one_of_several = stated
        .checked_sub(1)
        .is_some_and(|before| is_open(before) && joins(between(stated)));
    let (rest, _) = behind(stated);
    let is_bound = is_bound(between(stated)) || is_bound_behind(rest);
    (!is_one_of_several && !is_bound).then_some(all[stated].number)
}

fn differ(one: f64, other: f64) -> bool {
    (one - other).abs() > f64::EPSILON * one.abs().max(other.abs())
}

// Returns the words of the clause that ends here, nearest first.
fn nearest(before: &str) -> Vec<String> {
    let clause = before.rsplit(['.', ';', ':', '!', '?', '\n']).next();
    let words = clause.unwrap_or_default().split_whitespace().rev();
    words.take(NEAR).map(bare).collect()
}

fn bare(word: &str) -> String {
    let word = word.trim_start_matches(['(', '[', '"', '“', '*']);
    word.to_lowercase().replace('’', "'")
}

fn is_negation(word: &str) -> bool {
    DENIALS.contains(&word) || word.ends_with("n't")
}

fn is_denied(before: &str) -> bool {
    let words = nearest(before);
    let is_replaced = matches!(words.as_slice(), [than, kind, ..]
        if matches!(than.as_str(), "than" | "of") && REPLACED.contains(&kind.as_str()));
    let clause = words
        .iter()
        .take_while(|word| !DENIAL_SCOPE_ENDS.contains(&word.as_str()) && !word.ends_with(','));
    // "no more than 5" is a bound.
    is_replaced || clause.into_iter().any(|word| is_negation(word))
}

// Whether the number before is refuted: "is wrong", "isn't right", "cannot be it". A "not" directly before the
// next number denies that one instead.
fn is_refuted(behind: &str, has_next: bool) -> bool {
    let end = behind.find(['.', ',', ';', ':', '!', '?', '\n', '(']);
    let clause = &behind[..end.unwrap_or(behind.len())];
    let words: Vec<String> = clause.split_whitespace().map(bare).collect();
    let last = words
        .len()
        .checked_sub(1)
        .filter(|_| has_next && end.is_none());
    let is_verb = |word: &str| {
        matches!(
            word,
            "is" | "was" | "are" | "be" | "seems" | "ist" | "war" | "est" | "cannot"
        ) || word.ends_with("n't")
    };
    let mut after_verb = false;
    for (at, word) in words.iter().enumerate().take(NEAR) {
        let is_refuting = REFUTED.contains(&word.as_str()) || word.ends_with("n't");
        if is_refuting && last != Some(at) && (after_verb || is_verb(word)) {
            return true;
        }
        if word == "cannot" {
            return true;
        }
        after_verb |= is_verb(word);
    }
    false
}

// Whether these words join the numbers around them as alternatives.
fn joins(between: &str) -> bool {
    let words: Vec<String> = between.split_whitespace().map(bare).collect();
    let Some(last) = words.last() else {
        return false;
    };
    let is_joiner = ALTERNATIVES.contains(&last.as_str())
        || (words.len() > 1 && matches!(last.as_str(), "also"));
    let has_result = words.iter().any(|word| RESULTS.contains(&word.as_str()));
    let is_denied = DENIALS.contains(&last.as_str());
    (is_joiner || is_denied) && words.len() <= MAX_WORDS_BETWEEN && !has_result
}

fn is_bound(before: &str) -> bool {
    let before = before.trim_end();
    if before.ends_with(['<', '≤', '≥']) {
        return true;
    }
    // "->" and "=>" point to a result.
    if let Some(left) = before.strip_suffix('>') {
        return !left.ends_with(['-', '=']);
    }
    let words = nearest(before);
    let is_one_of = |at: usize, known: &[&str]| {
        words
            .get(at)
            .is_some_and(|word| known.contains(&word.as_str()))
    };
    let is_linked = is_one_of(0, &["than", "to", "of", "als", "de", "equal"]);
    let is_or_equal = is_one_of(0, &["to"]) && is_one_of(1, &["equal"]);
    let is_up_to = is_one_of(0, &["to"]) && is_one_of(1, &["up"]) && !is_one_of(2, RESULTS);
    is_one_of(0, BOUNDS)
        || (is_linked && (is_one_of(1, COMPARATIVES) || is_one_of(1, &["minimum", "maximum"])))
        || (is_or_equal && is_one_of(2, &["or"]))
        || is_up_to
}

// Whether the words after a number make it a bound: "5 or more", "5+", "5 at most".
fn is_bound_behind(behind: &str) -> bool {
    if behind.starts_with('+') || behind.trim_start().starts_with('±') {
        return true;
    }
    let end = behind.find(['.', ',', ';', ':', '!', '?', '\n']);
    let clause = &behind[..end.unwrap_or(behind.len())];
    let words: Vec<String> = clause.split_whitespace().take(NEAR).map(bare).collect();
    words.windows(2).any(|pair| {
        let (first, second) = (pair[0].as_str(), pair[1].as_str());
        match first {
            "or" | "oder" | "ou" => {
                COMPARATIVES.contains(&second) || matches!(second, "above" | "below" | "over")
            }
            "and" => matches!(second, "up" | "above" | "over" | "below"),
            "at" => matches!(second, "least" | "most"),
            _ => false,
        }
    })
}

struct PlacedNumber {
    number: f64,
    /// Start of the number, including its minus, in bytes.
    start: usize,
    end: usize,
}

fn placed(text: &str) -> Vec<PlacedNumber> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        if !numeral::begins(rest) {
            at += c.len_utf8();
            continue;
        }
        let (number, length) = match numeral::leading(rest, Separators::English) {
            Some((value, after)) => (Some(value.to_f64()), rest.len() - after.len()),
            None => inexact(rest),
        };
        let before = text[..at].trim_end_matches(['-', '−']);
        let is_negative = before.len() < at && !before.ends_with(char::is_alphanumeric);
        // Letters of scripts without spaces may stand directly before a number.
        let is_name = text[..at].ends_with(|c: char| c.is_alphabetic() && c < '\u{590}');
        found.extend(number.filter(|_| !is_name).map(|number| PlacedNumber {
            number: if is_negative { -number } else { number },
            start: if is_negative { before.len() } else { at },
            end: at + length,
        }));
        at += length;
    }
    found
}

// Skips a numeral that is too large to be exact, or is not a number at all. Returns its value, if it has one, and
// its length in bytes.
fn inexact(text: &str) -> (Option<f64>, usize) {
    let is_part =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ',' | '+' | '-' | '/' | '½');
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let digits = text[..end].trim_end_matches(['.', ',']).replace(',', "");
    let number = digits
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite());
    (number, end.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_that_is_stated_is_found() {
        for (text, expected) in [
            ("not 5", None),
            ("The answer isn't 5.", None),
            ("It is never 5.", None),
            ("It is not equal to 5.", None),
            ("neither 4 nor 5", None),
            ("It is neither 4 nor 5.", None),
            ("5 is wrong.", None),
            ("5 is not the answer", None),
            ("5 can't be right", None),
            ("between 4 and 5", None),
            ("It is between 4 and 5.", None),
            ("from 4 to 5", None),
            ("4 to 5", None),
            ("4, 5", None),
            ("4 and 5", None),
            ("5 or 6", None),
            ("5 km or 6 km", None),
            ("4-5", None),
            ("less than 5", None),
            ("more than 5", None),
            ("no more than 5", None),
            ("at least 5", None),
            ("at most 5", None),
            ("up to 5", None),
            ("greater than or equal to 5", None),
            ("x > 5", None),
            ("x ≤ 5", None),
            ("5 or more", None),
            ("5+", None),
            ("H2O", None),
            ("none", None),
            ("The answer is 5 (not 6).", Some(5.0)),
            ("It is 5, not 6.", Some(5.0)),
            ("It's 5 rather than 6.", Some(5.0)),
            ("5 instead of 6", Some(5.0)),
            ("Not 6 but 5.", Some(5.0)),
            ("It is not 5 but 6.", Some(6.0)),
            ("5 is wrong. It is 6.", Some(6.0)),
            ("6. No wait, 5.", Some(5.0)),
            ("Adding 4 and 5 makes 9", Some(9.0)),
            ("2 and 3 add up to 5", Some(5.0)),
            ("2 + 3 is equal to 5", Some(5.0)),
            ("2 + 3 => 5", Some(5.0)),
            ("It is 5 or 5.0", Some(5.0)),
            ("It was on May 4, 2026.", Some(2026.0)),
            ("pages 3-5: 0.35", Some(0.35)),
            ("about 12, no: 1234.5.", Some(1234.5)),
            ("H2O boils at 100 °C", Some(100.0)),
            ("it is -5", Some(-5.0)),
            ("一共5人", Some(5.0)),
        ] {
            assert_eq!(last_stated(text), expected, "{text}");
        }
    }

    #[test]
    fn numbers_are_found_in_a_text() {
        for (text, expected) in [
            ("about 12, no: 1234.5.", vec![12.0, 1234.5]),
            ("pages 3-5: 0.35", vec![3.0, 5.0, 0.35]),
            ("it is -5 or −.5", vec![-5.0, -0.5]),
            ("1,234 of 6.02e23 and ½", vec![1234.0, 6.02e23, 0.5]),
            ("1e99, 1.2.3 and 7", vec![1e99, 7.0]),
            ("1.234,5 or 3/4", vec![1234.5, 0.75]),
            ("H2O and 5km", vec![5.0]),
            ("none", vec![]),
        ] {
            assert_eq!(numbers_in(text), expected, "{text}");
        }
    }
}
