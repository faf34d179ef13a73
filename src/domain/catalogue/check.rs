//! What may stand in a sheet of models. Says everything that is wrong, in words; changes nothing.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Row;
use crate::domain::money::Price;
use crate::domain::parameters::{EFFORTS, GLOSSARY};

/// Dollars per million tokens. Dearer is a slip of the decimal point.
const DEAREST: f64 = 10_000.0;
/// Tokens. More is a slip too.
const LONGEST: u64 = 1_000_000_000;

/// A row, unless it is none.
pub(super) fn read(value: Value, place: &str, faults: &mut Vec<String>) -> Option<Row> {
    if !value.is_object() {
        // A list would pass for an object with its fields in order.
        faults.push(format!("{place}: it must be an object"));
        return None;
    }
    match serde_json::from_value(value) {
        Ok(row) => Some(row),
        Err(error) => {
            faults.push(format!("{place}: {error}"));
            None
        }
    }
}

/// A name as it may be repeated in a message.
pub(super) fn short(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(80).collect()
}

/// A class has the fields of a model, but is none.
pub(super) fn class(row: &Row, place: &str, faults: &mut Vec<String>) {
    if !row.id.is_empty() || row.like.is_some() {
        faults.push(format!(
            "{place}: a class has no \"id\" and is like no other"
        ));
    }
    facts(row, place, faults);
}

/// The models, their classes laid under them.
pub(super) fn rows(rows: &[Row], faults: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for row in rows {
        let place = format!("model \"{}\"", short(&row.id));
        if !is_id(&row.id) {
            faults.push(format!(
                "{place}: an \"id\" is provider/name, at most 200 characters without blanks"
            ));
        }
        if !seen.insert(&row.id) {
            faults.push(format!("{place} stands there twice"));
        }
        facts(row, &place, faults);
    }
}

fn is_id(id: &str) -> bool {
    let parts = id.split_once('/');
    parts.is_some_and(|(provider, name)| !provider.is_empty() && !name.is_empty())
        && id.len() <= 200
        && !id.chars().any(|c| c.is_control() || c.is_whitespace())
}

fn facts(row: &Row, place: &str, faults: &mut Vec<String>) {
    let mut fault = |is_wrong: bool, what: &str| {
        if is_wrong {
            faults.push(format!("{place}: {what}"));
        }
    };
    let is_long = |tokens: Option<u64>| tokens.is_some_and(|tokens| tokens > LONGEST);
    fault(
        is_long(row.context_window) || is_long(row.max_output),
        "\"context_window\" and \"max_output\" are tokens, at most a thousand million",
    );
    fault(
        row.price.is_some_and(|price| !is_sane(&price)),
        "a \"price\" is dollars per million tokens, 0 to 10000; a cached_input is not dearer than the input, and nothing is cheaper in a long call",
    );
    fault(
        row.price_of.as_deref().is_some_and(|day| !is_day(day)),
        "\"price_of\" is the day the price was looked up, as 2026-11 or 2026-11-22",
    );
    let words = |list: &Option<Vec<String>>, known: &dyn Fn(&str) -> bool| {
        list.iter().flatten().any(|word| !known(word))
    };
    fault(
        words(&row.parameters, &|name| {
            GLOSSARY.iter().any(|entry| entry.name == name)
        }),
        &format!(
            "\"parameters\" are among {}",
            GLOSSARY
                .iter()
                .map(|entry| entry.name)
                .collect::<Vec<_>>()
                .join(", ")
        ),
    );
    fault(
        words(&row.efforts, &|word| EFFORTS.contains(&word)),
        &format!("\"efforts\" are among {}", EFFORTS.join(", ")),
    );
    let is_word = |word: &str| {
        (1..=80).contains(&word.chars().count()) && !word.chars().any(char::is_control)
    };
    let is_text = |text: &Option<String>| text.as_deref().is_none_or(is_word);
    fault(
        !is_text(&row.name)
            || row
                .family
                .as_deref()
                .is_some_and(|text| text.chars().count() > 40),
        "a \"name\" has 1 to 80 characters, a \"family\" at most 40",
    );
    let lists = [&row.aliases, &row.tags];
    fault(
        lists
            .iter()
            .any(|list| words(list, &is_word) || list.as_ref().is_some_and(|list| list.len() > 40)),
        "\"aliases\" and \"tags\" are at most 40 words each",
    );
}

fn is_sane(price: &Price) -> bool {
    let sane = |dollars: f64| (0.0..=DEAREST).contains(&dollars);
    let sound = |input: f64, output: f64, cached: Option<f64>| {
        sane(input) && sane(output) && cached.is_none_or(|cached| sane(cached) && cached <= input)
    };
    sound(price.input, price.output, price.cached_input)
        && price.long.is_none_or(|long| {
            sound(long.input, long.output, long.cached_input)
                && long.input >= price.input
                && long.output >= price.output
        })
}

fn is_day(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let number = |text: &str, digits: usize| {
        let sound = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
        sound.then(|| text.parse::<u32>().ok()).flatten()
    };
    let within = |text: &str, most| number(text, 2).is_some_and(|n| (1..=most).contains(&n));
    match parts.as_slice() {
        [year, month] => number(year, 4).is_some() && within(month, 12),
        [year, month, day] => number(year, 4).is_some() && within(month, 12) && within(day, 31),
        _ => false,
    }
}
