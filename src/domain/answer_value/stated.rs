//! Finds the number that a text states, as opposed to one that it negates, uses as a bound, or lists among several.

use super::number_context::{
    is_bound, is_bound_after, is_denied, is_different, is_in_prepositional_phrase, is_joining_text,
    is_question, is_refuted,
};
use super::placed_number::{PlacedNumber, find_numbers};
use super::{closing, dates, markup};

/// Words that retract the number before them.
const CORRECTION_WORDS: &[&str] = &[
    "no",
    "wait",
    "actually",
    "sorry",
    "correction",
    "nein",
    "moment",
];
/// Words that introduce an approximate number.
const ABOUT_WORDS: &[&str] = &[
    "about",
    "approximately",
    "approx.",
    "roughly",
    "around",
    "ca.",
    "circa",
    "etwa",
    "rund",
    "ungefähr",
];

/// Returns the number that an answer states. If its closing statement begins with a number, that number is the result
/// ("Answer: 18 (of 20)"). Otherwise, the result is the last number of the last sentence with numbers, except for
/// numbers in prepositional phrases ("18 for 3 people"). Skips negated and doubted numbers ("not 6", "6 is wrong",
/// "6?"). `None` if the remaining number is a bound ("at least 5") or one of several ("5 or 6", "from 4 to 5", "4, 5").
pub fn last_stated_number(text: &str) -> Option<f64> {
    match closing::find_closing_statement(text) {
        Some(statement) if !statement.is_prose => {
            let plain = markup::to_plain_text(&statement.text);
            leading_value(&plain).unwrap_or_else(|| number_stated_in(&plain))
        }
        _ => number_stated_in(text),
    }
}

// Reads the number at the beginning of a statement. `None` if the statement begins with something else, such as an
// equation or a date, or if a correction follows; `Some(None)` if it begins with a number but does not assert it.
fn leading_value(statement: &str) -> Option<Option<f64>> {
    let all = find_numbers(statement);
    let first = all.first()?;
    let text_before = statement[..first.start].trim();
    let is_plain = !text_before.contains(char::is_alphabetic)
        || text_before.ends_with('=')
        || ABOUT_WORDS.contains(&text_before.to_lowercase().as_str());
    let rest = &statement[first.end..];
    if !is_plain || rest.contains(['=', '≈', '→']) || dates::parse_date(statement).is_some() {
        return None;
    }
    let next = all.get(1);
    let gap = &statement[first.end..next.map_or(statement.len(), |next| next.start)];
    // A correction follows, as in "6. No wait, 5."
    if next.is_some() && (ends_sentence(gap) || is_corrected(gap)) {
        return None;
    }
    let is_term = |next: &PlacedNumber| {
        let gap = gap.trim();
        // A remark follows, as in "18 (not 20)".
        let is_remark = gap.starts_with(['(', '[']) || is_denied(gap);
        (gap.is_empty() || gap.chars().all(|c| "+*×·/÷^-−–—".contains(c)))
            || (!is_remark && is_different(first.number, next.number) && is_joining_text(gap))
    };
    let is_open = next.is_some_and(is_term)
        || is_refuted(gap, next.is_some())
        || is_question(rest)
        || is_bound(text_before)
        || is_bound_after(rest);
    Some(Some(first.number).filter(|_| !is_open))
}

fn number_stated_in(text: &str) -> Option<f64> {
    let short = remove_parentheses(text);
    let text = match find_numbers(&short).is_empty() {
        true => text,
        false => &short,
    };
    let all = find_numbers(text);
    let between = |at: usize| {
        let start = at.checked_sub(1).map_or(0, |before| all[before].end);
        &text[start..all[at].start]
    };
    let mut denied: Vec<bool> = Vec::with_capacity(all.len());
    for at in 0..all.len() {
        let next = all.get(at + 1);
        let rest = &text[all[at].end..];
        let gap = &text[all[at].end..next.map_or(text.len(), |next| next.start)];
        let follows_denied = denied.last().copied().unwrap_or_default();
        let is_joined = at > 0 && is_joining_text(between(at));
        denied.push(
            is_denied(between(at))
                || is_question(rest)
                || is_refuted(gap, next.is_some())
                || (follows_denied && is_joined),
        );
    }
    let last = (0..all.len()).rev().find(|&at| !denied[at])?;
    let stated_index = last_in_sentence(last, &denied, between)?;
    let is_open = |before: usize| {
        let (previous, stated_number) = (all[before].number, all[stated_index].number);
        // In a date such as "May 4, 2026", the day is not a second number.
        let is_day_of_year =
            (1.0..=31.0).contains(&previous) && (1000.0..3000.0).contains(&stated_number);
        !denied[before] && is_different(previous, stated_number) && !is_day_of_year
    };
    let is_one_of_several = stated_index
        .checked_sub(1)
        .is_some_and(|before| is_open(before) && is_joining_text(between(stated_index)));
    let next = all.get(stated_index + 1);
    let rest = &text[all[stated_index].end..next.map_or(text.len(), |next| next.start)];
    let is_bound = is_bound(between(stated_index)) || is_bound_after(rest);
    (!is_one_of_several && !is_bound).then_some(all[stated_index].number)
}

// Returns the index of the last number in the sentence of `last` that is neither denied nor in a prepositional phrase.
// If only one number of the sentence is not denied, it counts even in such a phrase.
fn last_in_sentence<'a>(
    last: usize,
    denied: &[bool],
    between: impl Fn(usize) -> &'a str,
) -> Option<usize> {
    let ends = |at: usize| ends_sentence(between(at));
    let first = (0..=last)
        .rev()
        .find(|&at| at == 0 || ends(at))
        .unwrap_or_default();
    let mut numbers = (first..=last).rev().filter(|&at| !denied[at]);
    let last_index = numbers
        .clone()
        .find(|&at| !is_in_prepositional_phrase(between(at)));
    last_index.or_else(|| numbers.next().filter(|_| numbers.next().is_none()))
}

// Whether the text between two numbers retracts the first, as in "12, no: 15".
fn is_corrected(gap: &str) -> bool {
    let mut words = gap.split(|c: char| !c.is_alphanumeric());
    words.any(|word| CORRECTION_WORDS.contains(&word.to_lowercase().as_str()))
}

fn ends_sentence(text: &str) -> bool {
    text.contains(['.', '!', '?', '\n'])
}

// Removes parenthesized text after a space, and reference marks such as "[1]".
fn remove_parentheses(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['(', '[']) {
        let close = if rest[at..].starts_with('(') {
            ')'
        } else {
            ']'
        };
        let end = rest[at + 1..].find(close).map(|end| at + 1 + end);
        let is_remark = rest[..at].ends_with(char::is_whitespace) || close == ']';
        let Some(end) = end.filter(|_| is_remark) else {
            out.push_str(&rest[..=at]);
            rest = &rest[at + 1..];
            continue;
        };
        out.push_str(&rest[..at]);
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_stated_number_is_found() {
        let mut wrong = Vec::new();
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
            ("The answer is 18 (out of 20).", Some(18.0)),
            ("Answer: 18 (rounded from 17.6)", Some(18.0)),
            ("Answer: 18 (see step 3)", Some(18.0)),
            ("So.\nAnswer: 18 of 20", Some(18.0)),
            ("The answer is 18 as of 2024.", Some(18.0)),
            ("The answer is 18 [1].", Some(18.0)),
            ("The answer is 18, up from 16 last year.", Some(18.0)),
            ("Answer: about 18 of 20", Some(18.0)),
            ("Answer: 9 * 2 = 18", Some(18.0)),
            ("Answer: x = 18 (of 20)", Some(18.0)),
            ("Answer: 9 * 2", None),
            ("Answer: 17 or 18", None),
            ("Answer: 18+ (of 20)", None),
            ("Answer: 18 at least, of 20", None),
            ("Answer: 18?", None),
            ("With 3 of 4.\nAnswer: not known", None),
            ("18 of the 20 students passed.", Some(18.0)),
            ("18 apples left after giving away 6", Some(18.0)),
            ("18 minutes for 3 people", Some(18.0)),
            ("There are 18 students in 3 classes.", Some(18.0)),
            ("Janet makes $18 per day (9 eggs at $2 each).", Some(18.0)),
            ("She earns 18 dollars for 9 eggs at $2 each.", Some(18.0)),
            ("First 6 then 12, giving 18 in total.", Some(18.0)),
            ("In 2023 it was 18.", Some(18.0)),
            ("After 3 days he has 18 for 5 friends.", Some(18.0)),
            ("9 eggs at $2 each come to a total of 18", Some(18.0)),
            ("Adding 4 to 14 results in 18.", Some(18.0)),
            ("9 * 2 = $18 every day at the market.", Some(18.0)),
            ("It is in 3 of 18.", None),
            ("He arrives at 18.", Some(18.0)),
            ("f(3) = 18", Some(18.0)),
            ("It cannot be 18.", None),
            ("I doubt it is 18.", None),
            ("It is unlikely to be 18.", None),
            ("There is no doubt it is 18.", Some(18.0)),
            ("18? No.", None),
            ("Is it 17 or 18? I am not sure.", None),
            ("What is 9 + 9? It is 18.", Some(18.0)),
            ("La respuesta no es 18.", None),
            ("Ce n'est pas 18.", None),
            ("不是18", None),
            ("18ではない", None),
            ("答案是18。", Some(18.0)),
            ("Es sind 1.200 Euro.", Some(1200.0)),
            ("It is 1.200 here.", Some(1.2)),
            ("Words that name its subject: 144, divided, 12.", None),
        ] {
            if last_stated_number(text) != expected {
                wrong.push((text, last_stated_number(text)));
            }
        }
        assert_eq!(wrong, []);
    }
}
