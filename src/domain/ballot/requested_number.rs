//! Determines which number a requested field holds: its name and description may mention a unit, a currency,
//! cents, a scale (millions), or percent. The number is converted accordingly; if the conversion is not exact, no
//! number is returned.
//!
//! - A number without a unit is returned unchanged; in a percent field, a proper fraction is multiplied by 100.
//! - For a number with a unit, the field must mention that unit or one that it converts to, or the question must
//!   name it.
//! - Money is in units of its currency if the field mentions no unit, and in cents if the field says so.

use serde_json::Value;

use crate::domain::answer_value::{
    AnswerReader, AnswerValue, NumberValue, Quantity, Ratio, ValueUnit,
};

/// Maximum number of words of a description that are read.
const MAX_WORDS: usize = 200;

/// Words for fractions of 1, and how many of them make 1.
const PARTS: &[(&str, i64)] = &[
    ("percent", 100),
    ("percentage", 100),
    ("pct", 100),
    ("prozent", 100),
    ("%", 100),
    ("permille", 1_000),
    ("bps", 10_000),
];
/// Words for a number from 0 to 1.
const SHARES: &[&str] = &["share", "fraction", "probability", "proportion", "decimal"];
/// Words for the scale in which a number counts.
const SCALES: &[(&str, i64)] = &[
    ("thousand", 1_000),
    ("thousands", 1_000),
    ("million", 1_000_000),
    ("millions", 1_000_000),
    ("mio", 1_000_000),
    ("billion", 1_000_000_000),
    ("billions", 1_000_000_000),
    ("bn", 1_000_000_000),
];
/// Words for a hundredth of a currency unit, and the currencies that have it.
const HUNDREDTHS: &[(&str, &[&str])] = &[
    ("cent", &["usd", "eur", "aud", "cad"]),
    ("cents", &["usd", "eur", "aud", "cad"]),
    ("pence", &["gbp"]),
];
/// Words that are also units. In a name, they do not exclude a number in another unit.
const AMBIGUOUS: &[&str] = &["min", "second", "minute", "degree", "grade", "mark"];

/// What a schema property says about its number.
#[derive(Debug, Default)]
pub struct RequestedNumber {
    /// Units mentioned.
    units: Vec<ValueUnit>,
    /// Whether only these units fit: one is in the name or follows "in" in the description.
    is_fixed: bool,
    parts: Option<Ratio>,
    is_share: bool,
    scale: Option<Ratio>,
    /// Currencies whose hundredths are requested.
    hundredths: Option<&'static [&'static str]>,
}

impl RequestedNumber {
    /// Reads a property's name ("distanceKm", "price_cents"), then its title and description for what the name
    /// leaves open.
    pub fn of(name: &str, schema: &Value) -> Self {
        let name = Self::named(&words_of_name(name));
        let texts = ["title", "description"].map(|part| schema[part].as_str().unwrap_or_default());
        let described = Self::described(&words_of_text(&texts.join(" ")));
        let says_part = name.parts.is_some() || name.is_share;
        Self {
            units: match name.is_fixed {
                true => name.units,
                false => [name.units, described.units].concat(),
            },
            is_fixed: name.is_fixed || described.is_fixed,
            parts: name.parts.or(described.parts.filter(|_| !says_part)),
            is_share: name.is_share || (described.is_share && !says_part),
            scale: name.scale.or(described.scale),
            hundredths: name.hundredths.or(described.hundredths),
        }
    }

    /// Returns the number to write for the winning choice, whose voters stated `values`; none if it would be
    /// wrong.
    pub fn number(
        &self,
        question: &AnswerReader,
        value: &AnswerValue,
        values: &[AnswerValue],
    ) -> Option<Ratio> {
        let AnswerValue::Number(number) = value else {
            return None;
        };
        let quantity = &number.quantity;
        if quantity.unit.is_none() {
            return self.without_unit(number, values);
        }
        self.with_unit(question, number)?
            .checked_div(self.scale.unwrap_or(Ratio::whole(1)))
    }

    fn without_unit(&self, number: &NumberValue, values: &[AnswerValue]) -> Option<Ratio> {
        let quantity = &number.quantity;
        let spelled = values.iter().filter_map(AnswerValue::quantity);
        let percent = || {
            let mut percent = spelled.clone().filter(|other| other.is_percent);
            percent.next().map(|other| other.amount)
        };
        if let Some(parts) = self.parts {
            let amount = match percent().filter(|_| !quantity.is_percent) {
                Some(amount) => amount,
                None if is_below_one(quantity.amount) || quantity.is_percent => quantity.amount,
                None => return Some(quantity.amount),
            };
            return amount.times(parts);
        }
        if self.is_share {
            return Some(percent().unwrap_or(quantity.amount));
        }
        if quantity.is_percent && number.is_unit_asked {
            return quantity.written;
        }
        match self.scale {
            Some(scale) if quantity.is_scaled => quantity.amount.checked_div(scale),
            // "5,000,000" in a field of millions: 5 million, or 5 million million?
            Some(scale) if quantity.amount.to_f64().abs() >= scale.to_f64() => None,
            _ => Some(quantity.amount),
        }
    }

    fn with_unit(&self, question: &AnswerReader, number: &NumberValue) -> Option<Ratio> {
        let quantity = &number.quantity;
        if self.parts.is_some() || self.is_share {
            return None;
        }
        if let Some(currencies) = self.hundredths {
            return self.in_hundredths(quantity, currencies);
        }
        let base = &quantity.unit.base;
        let of_base = |unit: &&ValueUnit| unit.base == *base;
        let mut factors = self.units.iter().filter(of_base).map(|unit| unit.factor);
        if let Some(factor) = factors.next() {
            let is_one = factors.all(|other| other == factor);
            return quantity.amount.checked_div(factor).filter(|_| is_one);
        }
        if self.is_fixed {
            return None;
        }
        if quantity.unit.is_money {
            return quantity.written;
        }
        match question.named_factor(base) {
            Some(factor) => quantity.amount.checked_div(factor),
            // A unit of several words: "blue apples".
            None => quantity
                .written
                .filter(|_| number.is_unit_asked && !question.names_base(base)),
        }
    }

    fn in_hundredths(&self, quantity: &Quantity, currencies: &[&str]) -> Option<Ratio> {
        let base = quantity.unit.base.as_str();
        if ["cent", "pence"].contains(&base) {
            return quantity.written;
        }
        let mut stated = self.units.iter().filter(|unit| unit.is_money).peekable();
        let is_other = stated.peek().is_some() && !stated.any(|unit| unit.base == base);
        quantity
            .amount
            .times(Ratio::whole(100))
            .filter(|_| currencies.contains(&base) && !is_other)
    }

    fn named(words: &[String]) -> Self {
        let mut found = Self::default();
        let mut at = 0;
        while at < words.len() {
            let (unit, used) = unit_at(&words[at..], at > 0 && at + 1 == words.len());
            let is_sure = !AMBIGUOUS.contains(&words[at].as_str());
            found.is_fixed |= unit
                .as_ref()
                .is_some_and(|unit| unit.is_listed() && is_sure);
            found.units.extend(unit);
            found.note(&words[at]);
            at += used;
        }
        found
    }

    // Only words after "in" are binding: "the distance traveled per day, in km".
    fn described(words: &[String]) -> Self {
        let mut found = Self::default();
        let mut at = 0;
        while at < words.len() {
            let after_in = at > 0 && words[at - 1] == "in";
            let (unit, used) = unit_at(&words[at..], after_in);
            if words[at] != "in" {
                found.is_fixed |= after_in && unit.as_ref().is_some_and(ValueUnit::is_listed);
                found.units.extend(unit);
            }
            let is_counted = SCALES.iter().any(|(scale, _)| *scale == words[at]);
            let is_hundredth = HUNDREDTHS.iter().any(|(word, _)| *word == words[at]);
            if after_in || !(is_counted || is_hundredth) {
                found.note(&words[at]);
            }
            at += used;
        }
        found
    }

    // Records percent, shares, scales, and cents.
    fn note(&mut self, word: &str) {
        let find = |table: &[(&str, i64)]| {
            let row = table.iter().find(|(known, _)| *known == word)?;
            Some(Ratio::whole(row.1))
        };
        self.parts = self.parts.or(find(PARTS));
        self.scale = self.scale.or(find(SCALES));
        self.is_share |= SHARES.contains(&word);
        let hundredth = HUNDREDTHS.iter().find(|(known, _)| *known == word);
        self.hundredths = self.hundredths.or(hundredth.map(|(_, codes)| *codes));
    }
}

// Returns the unit at the start of the words, and how many words it takes. A single letter is a unit only at the
// end of a name ("weight_g", "temperature_c") or after "in".
fn unit_at(words: &[String], takes_letter: bool) -> (Option<ValueUnit>, usize) {
    let first = words[0].as_str();
    if let [above, per, below, ..] = words
        && per == "per"
    {
        let unit =
            ValueUnit::read_case_insensitive(above).zip(ValueUnit::read_case_insensitive(below));
        let unit = unit.and_then(|(above, below)| above.per(&below));
        return (unit, 3);
    }
    if let Some((above, below)) = first.split_once('/') {
        let unit =
            ValueUnit::read_case_insensitive(above).zip(ValueUnit::read_case_insensitive(below));
        return (unit.and_then(|(above, below)| above.per(&below)), 1);
    }
    let is_short = first.chars().count() == 1 && first.starts_with(char::is_alphabetic);
    let unit = match first {
        "c" | "f" if takes_letter => ValueUnit::read_case_insensitive(&format!("°{first}")),
        _ if (is_short || first == "in") && !takes_letter => None,
        _ => ValueUnit::read_case_insensitive(first).or_else(|| ValueUnit::read(first)),
    };
    (unit, 1)
}

// Splits a snake_case or camelCase name into lowercase words.
fn words_of_name(name: &str) -> Vec<String> {
    let mut spaced = String::new();
    let mut before = ' ';
    for c in name.chars() {
        if c.is_uppercase() && before.is_lowercase() {
            spaced.push(' ');
        }
        spaced.push(if matches!(c, '_' | '-' | '.') { ' ' } else { c });
        before = c;
    }
    words_of_text(&spaced)
}

fn words_of_text(text: &str) -> Vec<String> {
    let is_part = |c: char| c.is_alphanumeric() || "%‰/°²³^$€£¥₹".contains(c);
    text.split(|c| !is_part(c))
        .filter(|word| !word.is_empty())
        .take(MAX_WORDS)
        .map(str::to_lowercase)
        .collect()
}

fn is_below_one(number: Ratio) -> bool {
    number.to_f64().abs() < 1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn given(question: &str, name: &str, schema: &Value, votes: &[&str]) -> Option<String> {
        let reader = AnswerReader::new(question);
        let values: Vec<AnswerValue> = votes.iter().filter_map(|vote| reader.value(vote)).collect();
        let number = RequestedNumber::of(name, schema).number(&reader, &values[0], &values)?;
        Some(number.to_string())
    }

    #[test]
    fn a_number_fits_only_a_field_of_its_unit() {
        for (name, vote, expected) in [
            ("metres", "5 kg", None),
            ("km", "5 h", None),
            ("n", "5 km", None),
            ("distance", "5 km", None),
            ("length_cm", "5 m", Some("500")),
            ("lengthKm", "5000 m", Some("5")),
            ("km", "5 miles", Some("8.04672")),
            ("minutes", "1.5 hours", Some("90")),
            ("duration_min", "2 h", Some("120")),
            ("min_distance_km", "5000 m", Some("5")),
            ("years", "18 months", Some("1.5")),
            ("weight_g", "0.5 kg", Some("500")),
            ("weight_kg", "500 g", Some("0.5")),
            ("area_m2", "5 km²", Some("5000000")),
            ("meters_per_second", "36 km/h", Some("10")),
            ("meters_per_second", "36 m", None),
            ("speed_kmh", "10 m/s", Some("36")),
            ("power_kw", "500 W", Some("0.5")),
            ("temperature_c", "32 °F", None),
            ("temperature_c", "32 °C", Some("32")),
            ("temperature_f", "0 °C", None),
            ("celsius", "300 K", None),
            ("temperature_k", "300 K", Some("300")),
            ("size_mb", "5 GB", None),
            ("size_bytes", "5 kB", None),
            ("apples", "5 apples", Some("5")),
            ("pears", "5 apples", None),
            ("count", "5", Some("5")),
            ("metres", "5", Some("5")),
        ] {
            let found = given("Q?", name, &json!({}), &[vote, vote]);
            assert_eq!(found.as_deref(), expected, "{name} {vote}");
        }
    }

    #[test]
    fn money_is_given_in_what_the_field_states() {
        for (name, vote, expected) in [
            ("price", "$1.2k", Some("1200")),
            ("price_usd", "$1,200", Some("1200")),
            ("price_usd", "€1,200", None),
            ("price_eur", "$1,200", None),
            ("price_cents", "$5.00", Some("500")),
            ("priceCents", "€5", Some("500")),
            ("cents", "50 cents", Some("50")),
            ("cents", "¥5", None),
            ("price_eur_cents", "$5", None),
            ("price_cents", "500", Some("500")),
            ("amount_millions", "$5 million", Some("5")),
            ("amount_millions", "$5,000,000", Some("5")),
            ("millions", "5 million", Some("5")),
            ("millions", "5", Some("5")),
            ("millions", "5,000,000", None),
            ("price_per_hour", "$5", Some("5")),
            ("metres", "$5", None),
        ] {
            let found = given("Q?", name, &json!({}), &[vote, vote]);
            assert_eq!(found.as_deref(), expected, "{name} {vote}");
        }
    }

    #[test]
    fn percent_and_shares_are_told_apart() {
        for votes in [
            ["0.5", "50%"],
            ["1/2", "0.5"],
            ["50 %", "½"],
            ["50%", "1/2"],
        ] {
            for name in ["percent", "share_percent", "pct", "discountPercentage"] {
                let found = given("Q?", name, &json!({}), &votes);
                assert_eq!(found.as_deref(), Some("50"), "{name} {votes:?}");
            }
            for name in ["share", "fraction", "probability", "n"] {
                let found = given("Q?", name, &json!({}), &votes);
                assert_eq!(found.as_deref(), Some("0.5"), "{name} {votes:?}");
            }
        }
        for (question, name, votes, expected) in [
            ("Q?", "percent", ["25", "25"], "25"),
            ("What percentage?", "percent", ["0.5", "0.5 %"], "0.5"),
            ("What percentage?", "n", ["50%", "50"], "50"),
            ("What percentage?", "share", ["50", "50%"], "0.5"),
            ("Q?", "rate_bps", ["0.5 %", "0.5 %"], "50"),
        ] {
            let found = given(question, name, &json!({}), &votes);
            assert_eq!(found.as_deref(), Some(expected), "{name} {votes:?}");
        }
    }

    #[test]
    fn descriptions_and_questions_state_units_too() {
        for (question, name, description, vote, expected) in [
            ("Q?", "n", "Distance in kilometers.", "5000 m", Some("5")),
            ("Q?", "n", "Distance in kilometers.", "5 kg", None),
            ("Q?", "n", "Driven per day, in km", "5000 m", Some("5")),
            ("Q?", "n", "Length (cm)", "5 m", Some("500")),
            ("Q?", "n", "Seconds, not minutes", "5 h", None),
            ("Q?", "n", "Price in cents", "$5", Some("500")),
            (
                "Q?",
                "n",
                "Revenue in millions of euros",
                "€5 million",
                Some("5"),
            ),
            ("Q?", "n", "A percentage", "1/2", Some("50")),
            ("How many hours?", "n", "", "90 minutes", Some("1.5")),
            ("How many hours and minutes?", "n", "", "3 hours", None),
            ("How many km?", "hours", "", "5 km", None),
            ("How many apples?", "n", "", "5 apples", Some("5")),
        ] {
            let schema = json!({"description": description});
            let found = given(question, name, &schema, &[vote, vote]);
            assert_eq!(
                found.as_deref(),
                expected,
                "{question} {name} {description} {vote}"
            );
        }
    }
}
