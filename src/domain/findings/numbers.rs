//! The figures in a text in one form, so that 1,250 and 1250, 24 months and 2 years, 12 March 2024 and
//! 2024-03-12 are the same. What is not a figure is not guessed at.

/// A figure.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Number {
    pub value: f64,
    /// What it counts, in the unit that its kind is converted to; empty where nothing is said.
    pub unit: &'static str,
}

impl Number {
    /// The same figure, as far as both say what they count.
    pub fn same(&self, other: &Self) -> bool {
        let near = (self.value - other.value).abs() <= self.value.abs().max(1e-9) * 1e-9;
        near && (self.unit == other.unit || self.unit.is_empty() || other.unit.is_empty())
    }
}

const UNITS: &[(&[&str], &str, f64)] = &[
    (&["%", "percent", "prozent", "pct"], "%", 1.0),
    (
        &["mm", "millimetres", "millimeters", "millimeter"],
        "m",
        0.001,
    ),
    (
        &["cm", "centimetres", "centimeters", "zentimeter"],
        "m",
        0.01,
    ),
    (&["m", "metres", "meters", "meter", "metre"], "m", 1.0),
    (
        &["km", "kilometres", "kilometers", "kilometer"],
        "m",
        1_000.0,
    ),
    (&["mg", "milligrams"], "g", 0.001),
    (&["g", "grams", "gramm"], "g", 1.0),
    (&["kg", "kilograms", "kilogramm", "kilos"], "g", 1_000.0),
    (&["ms", "milliseconds", "millisekunden"], "s", 0.001),
    (&["s", "seconds", "second", "sekunden", "sec"], "s", 1.0),
    (&["min", "minutes", "minute", "minuten"], "s", 60.0),
    (&["h", "hours", "hour", "stunden", "stunde"], "s", 3_600.0),
    (&["days", "day", "tage", "tag", "tagen"], "day", 1.0),
    (&["weeks", "week", "wochen", "woche"], "day", 7.0),
    (
        &["months", "month", "monate", "monat", "monaten"],
        "month",
        1.0,
    ),
    (&["years", "year", "jahre", "jahr", "jahren"], "month", 12.0),
    (&["$", "usd", "dollars", "dollar"], "$", 1.0),
    (&["€", "eur", "euros", "euro"], "€", 1.0),
    (&["£", "gbp", "pounds"], "£", 1.0),
];

const SCALES: &[(&[&str], f64)] = &[
    (&["k", "thousand", "tausend"], 1e3),
    (&["million", "millions", "millionen", "mio", "mn"], 1e6),
    (&["billion", "billions", "bn", "milliarden", "mrd"], 1e9),
];

const WORDS: &[(&[&str], f64)] = &[
    (&["zero", "null"], 0.0),
    (&["two", "zwei", "twice", "both"], 2.0),
    (&["three", "drei"], 3.0),
    (&["four", "vier"], 4.0),
    (&["five", "fünf"], 5.0),
    (&["six", "sechs"], 6.0),
    (&["seven", "sieben"], 7.0),
    (&["eight", "acht"], 8.0),
    (&["nine", "neun"], 9.0),
    (&["ten", "zehn"], 10.0),
    (&["eleven", "elf"], 11.0),
    (&["twelve", "zwölf"], 12.0),
    (&["twenty", "zwanzig"], 20.0),
    (&["thirty", "dreißig"], 30.0),
    (&["sixty", "sechzig"], 60.0),
    (&["ninety", "neunzig"], 90.0),
    (&["hundred", "hundert"], 100.0),
];

const MONTHS: &[&[&str]] = &[
    &["january", "januar", "jan"],
    &["february", "februar", "feb"],
    &["march", "märz", "mar"],
    &["april", "apr"],
    &["may", "mai"],
    &["june", "juni", "jun"],
    &["july", "juli", "jul"],
    &["august", "aug"],
    &["september", "sept", "sep"],
    &["october", "oktober", "oct"],
    &["november", "nov"],
    &["december", "dezember", "dec"],
];

/// Whether a word is read as a figure or as part of one: it then says nothing beside it.
pub(super) fn is_part(word: &str) -> bool {
    let is_in = |words: &&[&str]| words.contains(&word);
    word.starts_with(|c: char| c.is_ascii_digit())
        || UNITS.iter().any(|(words, ..)| is_in(words))
        || SCALES.iter().any(|(words, _)| is_in(words))
        || WORDS.iter().any(|(words, _)| is_in(words))
        || MONTHS.iter().any(is_in)
}

/// The figures of a text, in order.
pub(super) fn numbers(lower: &str) -> Vec<Number> {
    let tokens = tokens(lower);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let (number, used) = date(&tokens[at..])
            .or_else(|| counted(&tokens, at))
            .unwrap_or((None, 1));
        found.extend(number);
        at += used.max(1);
    }
    found
}

// Words, figures with their stops and commas, and signs of money and per cent, each for itself.
fn tokens(lower: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut previous = ' ';
    for character in lower.chars().chain([' ']) {
        let in_figure = word.starts_with(|c: char| c.is_ascii_digit());
        let is_digit = character.is_ascii_digit();
        let goes_on = match character {
            '.' | ',' | '-' | '/' => in_figure,
            c if c.is_alphanumeric() => {
                // "4m" and "5km" are a figure and what it counts; "q3" and "b2b" are words.
                word.is_empty() || in_figure == is_digit || (!in_figure && is_digit)
            }
            _ => false,
        };
        if !goes_on && !word.is_empty() {
            let whole = word.trim_end_matches(['.', ',', '-', '/']).to_owned();
            found.push(whole);
            word.clear();
        }
        if goes_on || character.is_alphanumeric() {
            word.push(character);
        } else if matches!(character, '%' | '$' | '€' | '£') {
            found.push(character.to_string());
        } else if character == '-' && !previous.is_alphanumeric() {
            found.push("-".to_owned());
        }
        previous = character;
    }
    found
}

type Read = (Option<Number>, usize);

fn date(tokens: &[String]) -> Option<Read> {
    let word = |place: usize| tokens.get(place).map(String::as_str).unwrap_or_default();
    let small = |text: &str| {
        let digits = text.trim_end_matches(|c: char| c.is_alphabetic() || c == '.');
        (digits.len() <= 2)
            .then(|| digits.parse::<u32>().ok())
            .flatten()
            .filter(|day| (1..=31).contains(day))
    };
    let year = |text: &str| {
        (text.len() == 4)
            .then(|| text.parse::<u32>().ok())
            .flatten()
            .filter(|year| (1000..2200).contains(year))
    };
    let month = |text: &str| MONTHS.iter().position(|names| names.contains(&text));
    let on = |year: u32, month: u32, day: u32| Number {
        value: f64::from(year * 10_000 + month * 100 + day),
        unit: "date",
    };
    let parts: Vec<&str> = word(0).split(['-', '.', '/']).collect();
    if let [a, b, c] = parts[..] {
        let read = match (year(a), year(c)) {
            (Some(year), _) => Some((year, small(b)?, small(c)?)),
            (_, Some(year)) if word(0).contains('.') => Some((year, small(b)?, small(a)?)),
            _ => None,
        };
        if let Some((year, month, day)) = read {
            return Some((Some(on(year, month, day)), 1));
        }
    }
    if let (Some(day), Some(month)) = (small(word(0)), month(word(1))) {
        let (year, used) = year(word(2)).map_or((0, 2), |year| (year, 3));
        return Some((Some(on(year, month as u32 + 1, day)), used));
    }
    let month = month(word(0))?;
    // "may" is a verb more often than a month.
    let (day, used) = small(word(1)).map_or((0, 1), |day| (day, 2));
    match year(word(used)) {
        Some(year) => Some((Some(on(year, month as u32 + 1, day)), used + 1)),
        None if day > 0 => Some((Some(on(0, month as u32 + 1, day)), used)),
        None => None,
    }
}

fn counted(tokens: &[String], at: usize) -> Option<Read> {
    let word = tokens[at].as_str();
    let spelled = WORDS.iter().find(|(words, _)| words.contains(&word));
    let mut value = match spelled {
        Some((_, value)) => *value,
        None => figure(word)?,
    };
    let next = |used: usize| {
        tokens
            .get(at + used)
            .map(String::as_str)
            .unwrap_or_default()
    };
    let mut used = 1;
    let money = (at > 0 && ["$", "€", "£"].contains(&tokens[at - 1].as_str()))
        .then(|| tokens[at - 1].as_str());
    let scale = SCALES.iter().find(|(words, _)| words.contains(&next(used)));
    if let Some((_, scale)) = scale {
        value *= scale;
        used += 1;
    } else if money.is_some() && ["m", "b"].contains(&next(used)) {
        value *= if next(used) == "m" { 1e6 } else { 1e9 };
        used += 1;
    }
    if next(used) == "per" && next(used + 1) == "cent" {
        return Some((Some(Number { value, unit: "%" }), used + 2));
    }
    let named = money.unwrap_or_else(|| next(used));
    let unit = UNITS.iter().find(|(words, ..)| words.contains(&named));
    let (unit, factor) = unit.map_or(("", 1.0), |(_, unit, factor)| (*unit, *factor));
    if !unit.is_empty() && money.is_none() {
        used += 1;
    }
    if at > 0 && tokens[at - 1] == "-" {
        value = -value;
    }
    Some((
        Some(Number {
            value: value * factor,
            unit,
        }),
        used,
    ))
}

// Commas and stops part thousands or decimals: groups of three behind several of them, or behind a lone
// comma, are thousands.
fn figure(word: &str) -> Option<f64> {
    if !word.starts_with(|c: char| c.is_ascii_digit()) || word.len() > 24 {
        return None;
    }
    let (commas, stops) = (word.matches(',').count(), word.matches('.').count());
    let thousands = |sign: char| {
        let mut groups = word.split(sign).skip(1);
        groups.all(|group| group.len() == 3)
    };
    let plain = match (commas, stops) {
        (0, 0 | 1) => word.to_owned(),
        (0, _) if thousands('.') => word.replace('.', ""),
        (_, 0) if thousands(',') => word.replace(',', ""),
        (1, 0) => word.replace(',', "."),
        _ if commas > 0 && stops > 0 && word.rfind('.') > word.rfind(',') => word.replace(',', ""),
        _ if commas > 0 && stops > 0 => word.replace('.', "").replace(',', "."),
        _ => return None,
    };
    plain.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(f64, &'static str)> {
        let found = numbers(&text.to_lowercase());
        found.iter().map(|one| (one.value, one.unit)).collect()
    }

    #[test]
    fn figures_have_one_form() {
        for (text, expected) in [
            ("1,250 sheets", (1250.0, "")),
            ("1250.00 sheets", (1250.0, "")),
            ("1.250,5 Blatt", (1250.5, "")),
            ("3,5 Prozent", (3.5, "%")),
            ("3.5 per cent", (3.5, "%")),
            ("3.5%.", (3.5, "%")),
            ("$4m", (4e6, "$")),
            ("4 million dollars", (4e6, "$")),
            ("€1.2 billion", (1.2e9, "€")),
            ("24 months", (24.0, "month")),
            ("two years", (24.0, "month")),
            ("5km", (5_000.0, "m")),
            ("12 March 2024", (20_240_312.0, "date")),
            ("March 12, 2024", (20_240_312.0, "date")),
            ("2024-03-12", (20_240_312.0, "date")),
            ("12.03.2024", (20_240_312.0, "date")),
            ("am 12. März 2024", (20_240_312.0, "date")),
            ("-5 degrees", (-5.0, "")),
            ("fell from 2019", (2019.0, "")),
        ] {
            assert_eq!(read(text), [expected], "{text}");
        }
        assert_eq!(read("it may rain, see b2b"), []);
    }
}
