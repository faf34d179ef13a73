//! Validates model sheets. Collects all errors as text instead of stopping at the first.

use std::collections::BTreeSet;

use serde_json::Value;

use super::CatalogRow;
use crate::domain::parameters::{EFFORTS, GLOSSARY};

/// Maximum token count; a higher one is assumed to be a typo.
const MAX_TOKENS: u64 = 1_000_000_000;

/// Deserializes one row. Records an error and returns `None` if the value is not a valid row.
pub(super) fn parse_row(
    value: Value,
    location: &str,
    errors: &mut Vec<String>,
) -> Option<CatalogRow> {
    if !value.is_object() {
        // Checked first, because Serde would accept a list as an object with its fields in order.
        errors.push(format!("{location}: it must be an object"));
        return None;
    }
    match serde_json::from_value(value) {
        Ok(row) => Some(row),
        Err(error) => {
            errors.push(format!("{location}: {error}"));
            None
        }
    }
}

/// Cleans a name for use in an error message: no control characters, at most 80 characters.
pub(super) fn short_name(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(80).collect()
}

/// Validates a class, which has the fields of a model but no ID.
pub(super) fn check_class(row: &CatalogRow, location: &str, errors: &mut Vec<String>) {
    if !row.id.is_empty() || row.like.is_some() {
        errors.push(format!(
            "{location}: a class cannot have \"id\" or \"like\""
        ));
    }
    check_facts(row, location, errors);
}

/// Validates the models after their classes have been applied.
pub(super) fn check_rows(rows: &[CatalogRow], errors: &mut Vec<String>) {
    let mut seen_ids = BTreeSet::new();
    for row in rows {
        let location = format!("model \"{}\"", short_name(&row.id));
        if !is_id(&row.id) {
            errors.push(format!(
                "{location}: \"id\" must be provider/name, at most 200 characters, without spaces"
            ));
        }
        if !seen_ids.insert(&row.id) {
            errors.push(format!("{location} is listed twice"));
        }
        check_facts(row, &location, errors);
    }
}

fn is_id(id: &str) -> bool {
    let parts = id.split_once('/');
    parts.is_some_and(|(provider, name)| !provider.is_empty() && !name.is_empty())
        && id.len() <= 200
        && !id.chars().any(|c| c.is_control() || c.is_whitespace())
}

fn check_facts(row: &CatalogRow, location: &str, errors: &mut Vec<String>) {
    let mut error = |is_wrong: bool, what: &str| {
        if is_wrong {
            errors.push(format!("{location}: {what}"));
        }
    };
    let is_long = |tokens: Option<u64>| tokens.is_some_and(|tokens| tokens > MAX_TOKENS);
    error(
        is_long(row.context_window) || is_long(row.max_output),
        "\"context_window\" and \"max_output\" are token counts, at most 1,000,000,000",
    );
    error(
        row.price.is_some_and(|price| !price.is_plausible()),
        "\"price\" is in dollars per million tokens, 0 to 10000; cached_input cannot exceed input, and long-call prices cannot be below the normal ones",
    );
    error(
        row.price_of.as_deref().is_some_and(|day| !is_date(day)),
        "\"price_of\" is the date of the price, such as 2026-11 or 2026-11-22",
    );
    let words = |list: &Option<Vec<String>>, known: &dyn Fn(&str) -> bool| {
        list.iter().flatten().any(|word| !known(word))
    };
    error(
        words(&row.parameters, &|name| {
            GLOSSARY.iter().any(|entry| entry.name == name)
        }),
        &format!(
            "\"parameters\" can contain {}",
            GLOSSARY
                .iter()
                .map(|entry| entry.name)
                .collect::<Vec<_>>()
                .join(", ")
        ),
    );
    error(
        words(&row.efforts, &|word| EFFORTS.contains(&word)),
        &format!("\"efforts\" can contain {}", EFFORTS.join(", ")),
    );
    let is_word = |word: &str| {
        (1..=80).contains(&word.chars().count()) && !word.chars().any(char::is_control)
    };
    let is_text = |text: &Option<String>| text.as_deref().is_none_or(is_word);
    error(
        !is_text(&row.name)
            || row
                .family
                .as_deref()
                .is_some_and(|text| text.chars().count() > 40),
        "\"name\" must have 1 to 80 characters, \"family\" at most 40",
    );
    let lists = [&row.aliases, &row.tags];
    error(
        lists
            .iter()
            .any(|list| words(list, &is_word) || list.as_ref().is_some_and(|list| list.len() > 40)),
        "\"aliases\" and \"tags\" can contain at most 40 entries of 1 to 80 characters each",
    );
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let number = |text: &str, digits: usize| {
        let has_digits = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
        has_digits.then(|| text.parse::<u32>().ok()).flatten()
    };
    let within = |text: &str, max| number(text, 2).is_some_and(|n| (1..=max).contains(&n));
    match parts.as_slice() {
        [year, month] => number(year, 4).is_some() && within(month, 12),
        [year, month, day] => number(year, 4).is_some() && within(month, 12) && within(day, 31),
        _ => false,
    }
}
