//! Quantities: a number with its sign, scale, and unit or currency, or a sum of several ("3 h 20 min").

use std::fmt;

use super::numeral::{self, Separators};
use super::ratio::Ratio;
use super::units::ValueUnit;
use super::words;

/// Letters that multiply the number directly before them, as in "1.2k" and "3M".
const ATTACHED_MULTIPLIERS: &[(&str, i64)] = &[
    ("k", 1_000),
    ("K", 1_000),
    ("M", 1_000_000),
    ("B", 1_000_000_000),
];
/// Letters that multiply an amount of money, with or without a space before them: "$5 m".
const MONEY_MULTIPLIERS: &[(&str, i64)] = &[
    ("mm", 1_000_000),
    ("m", 1_000_000),
    ("b", 1_000_000_000),
    ("t", 1_000_000_000_000),
    ("T", 1_000_000_000_000),
];
/// Words that mark a number as rounded. They do not change its value.
const APPROXIMATION_WORDS: &[&str] = &[
    "approximately ",
    "approx. ",
    "roughly ",
    "about ",
    "around ",
    "circa ",
    "ca. ",
    "ungefähr ",
    "etwa ",
    "rund ",
];
const PERCENT_WORDS: &[&str] = &["%", "percent", "per cent", "prozent", "pct"];
/// Currencies that are divided into cents.
const CURRENCIES_WITH_CENTS: &[&str] = &["usd", "eur", "aud", "cad"];
/// Maximum number of parts of a sum: days, hours, minutes, and seconds.
const MAX_SUM_PARTS: usize = 4;

/// An amount with its unit, converted to a base unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantity {
    /// Number of base units; a percentage is a fraction of 1.
    pub amount: Ratio,
    /// The number's unit and its base unit.
    pub unit: ValueUnit,
    /// The number before conversion to the base unit ("3" of "3 hours"), including a multiplier ("1200" of "1.2k");
    /// `None` for a sum.
    pub written_amount: Option<Ratio>,
    /// The unit's words or symbol as written.
    pub label: String,
    /// Whether the number was written as a percentage.
    pub is_percent: bool,
    /// Whether the number was written as an approximation: "about 5", "≈ 5".
    pub is_approximate: bool,
    /// Whether the number was written with a word or letter that multiplies it: "5 million", "1.2k".
    pub is_scaled: bool,
}

impl Quantity {
    /// Reads a quantity; the whole text must match.
    pub fn parse(text: &str, separators: Separators) -> Option<Self> {
        let exact = strip_approximation(text.trim());
        let is_about = exact.len() < text.trim().len();
        let quantity = Self::parse_exact(exact, separators)?;
        Some(Self {
            is_approximate: is_about || quantity.is_approximate,
            ..quantity
        })
    }

    fn parse_exact(text: &str, separators: Separators) -> Option<Self> {
        if let Some(inner) = accounting_negative(text) {
            let magnitude = Self::parse(inner, separators)?;
            return (magnitude.unit.is_money && !magnitude.is_negative())
                .then(|| magnitude.negated());
        }
        if let Some((mut sum, mut rest)) = Self::parse_part(text, separators) {
            for _ in 1..MAX_SUM_PARTS {
                if rest.is_empty() {
                    return Some(sum);
                }
                let (next, after) = Self::parse_part(rest, separators)?;
                sum = sum.checked_add(next)?;
                rest = after;
            }
            return rest.is_empty().then_some(sum);
        }
        None
    }

    // Reads one number with its sign, currency, and unit at the start of the text, and returns it with the rest of the
    // text.
    fn parse_part(text: &str, separators: Separators) -> Option<(Self, &str)> {
        let (is_negative, text) = strip_sign(text);
        let (currency, text) = currency_before(text);
        let (inner_sign, text) = strip_sign(text);
        let (number, rest) = match numeral::begins_with_number(text) {
            true => numeral::leading_number(text, separators)?,
            false => words::leading_number(text)?,
        };
        let (factor, rest) = split_scale(rest, currency.is_some());
        let mut number = number.checked_mul(factor)?;
        if is_negative || inner_sign {
            number = number.negated();
        }
        let (label, rest) = label_and_rest(rest);
        let label = label.trim();
        if PERCENT_WORDS.contains(&label.to_lowercase().as_str()) {
            let amount = number.checked_div(Ratio::from_integer(100))?;
            let percent = Self {
                is_percent: true,
                ..Self::new(amount, ValueUnit::dimensionless(), number, label)
            };
            return (currency.is_none()).then_some((percent, rest));
        }
        if label == "‰" {
            let amount = number.checked_div(Ratio::from_integer(1000))?;
            return Some((
                Self::new(amount, ValueUnit::dimensionless(), number, label),
                rest,
            ));
        }
        let unit = unit_of_label(currency, label)?;
        let amount = number.checked_mul(unit.factor)?;
        let quantity = Self {
            is_scaled: factor != Ratio::from_integer(1),
            ..Self::new(amount, unit, number, label)
        };
        Some((quantity, rest))
    }

    fn new(amount: Ratio, unit: ValueUnit, written: Ratio, label: &str) -> Self {
        Self {
            amount,
            unit,
            written_amount: Some(written),
            label: label.to_owned(),
            is_percent: false,
            is_approximate: false,
            is_scaled: false,
        }
    }

    fn checked_add(self, next: Self) -> Option<Self> {
        let fits = self.unit.base_symbol == next.unit.base_symbol
            && matches!(self.unit.base_symbol.as_str(), "s" | "m" | "month" | "g")
            && !next.is_negative();
        Some(Self {
            amount: self.amount.checked_add(next.amount).filter(|_| fits)?,
            written_amount: None,
            ..self
        })
    }

    /// Whether this is an amount in cents that equals `other`, an amount in a currency with cents: "50 cents" and
    /// "$0.50".
    pub fn is_cents_of(&self, other: &Self) -> bool {
        let has_cents =
            other.unit.is_money && CURRENCIES_WITH_CENTS.contains(&other.unit.base_symbol.as_str());
        self.unit.base_symbol == "cent"
            && has_cents
            && other.amount.checked_mul(Ratio::from_integer(100)) == Some(self.amount)
    }

    fn negated(self) -> Self {
        Self {
            amount: self.amount.negated(),
            written_amount: self.written_amount.map(Ratio::negated),
            ..self
        }
    }

    fn is_negative(&self) -> bool {
        self.amount.to_f64() < 0.0
    }
}

/// Formats the amount and the base unit.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit.is_dimensionless() {
            true => write!(f, "{}", self.amount),
            false => write!(f, "{} {}", self.amount, self.unit.base_symbol),
        }
    }
}

// Returns the "$5" of "($5)", which means -$5 in accounting.
fn accounting_negative(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('(')?.strip_suffix(')')?.trim();
    let starts = inner.starts_with(|c: char| "$€£¥₹".contains(c));
    (starts && !inner.contains(['(', ')'])).then_some(inner)
}

fn strip_approximation(text: &str) -> &str {
    let text = text.trim_start_matches(['≈', '~', '≃']).trim_start();
    let starts = |mark: &&&str| {
        let head = text.get(..mark.len());
        head.is_some_and(|head| head.to_lowercase() == ***mark)
    };
    match APPROXIMATION_WORDS.iter().find(starts) {
        Some(mark) => text[mark.len()..].trim_start(),
        None => text,
    }
}

fn strip_sign(text: &str) -> (bool, &str) {
    let text = text.trim_start();
    for word in ["minus ", "negative "] {
        let head = text.get(..word.len());
        if head.is_some_and(|head| head.eq_ignore_ascii_case(word)) {
            return (true, text[word.len()..].trim_start());
        }
    }
    match text.strip_prefix(['-', '−', '–', '﹣']) {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn currency_before(text: &str) -> (Option<ValueUnit>, &str) {
    let digits = text
        .find(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '−'))
        .unwrap_or(text.len());
    let (before, rest) = text.split_at(digits);
    match ValueUnit::currency(before) {
        Some(currency) => (Some(currency), rest),
        None => (None, text),
    }
}

fn split_scale(rest: &str, is_money: bool) -> (Ratio, &str) {
    if let Some(scaled) = words::leading_scale(rest) {
        return scaled;
    }
    let scale_text = if is_money { rest.trim_start() } else { rest };
    let others = if is_money { MONEY_MULTIPLIERS } else { &[] };
    let multiplier_and_tail =
        ATTACHED_MULTIPLIERS
            .iter()
            .chain(others)
            .find_map(|(letter, factor)| {
                let tail = scale_text.strip_prefix(letter)?;
                (!tail.starts_with(|c: char| c.is_alphanumeric() || c == '²' || c == '³'))
                    .then_some((Ratio::from_integer(*factor), tail))
            });
    multiplier_and_tail.unwrap_or((Ratio::from_integer(1), rest))
}

// Splits off the words of the unit, which end before the next number of a sum.
fn label_and_rest(rest: &str) -> (&str, &str) {
    let starts = rest.match_indices(char::is_whitespace);
    for (at, space) in starts {
        let next = rest[at..].trim_start();
        let next = next
            .strip_prefix("and ")
            .or_else(|| next.strip_prefix("und "))
            .unwrap_or(next);
        let has_unit = !rest[..at].trim().is_empty();
        if has_unit && numeral::begins_with_number(next) {
            return (&rest[..at], next);
        }
        debug_assert!(!space.is_empty());
    }
    // In "2h30min", the number directly follows the unit.
    let digit = rest.find(|c: char| c.is_ascii_digit());
    match digit {
        Some(at)
            if at > 0
                && rest[..at].chars().all(char::is_alphabetic)
                && ValueUnit::parse(rest).is_none() =>
        {
            rest.split_at(at)
        }
        _ => (rest, ""),
    }
}

fn unit_of_label(currency: Option<ValueUnit>, label: &str) -> Option<ValueUnit> {
    let Some(currency) = currency else {
        return ValueUnit::parse(label);
    };
    if label.is_empty() {
        return Some(currency);
    }
    if let Some(below) = label
        .strip_prefix('/')
        .or_else(|| label.strip_prefix("per "))
    {
        return currency.divided_by(&ValueUnit::parse(below)?);
    }
    // "$5 USD" names the same currency twice; anything else, such as "$5 off", is not an amount.
    ValueUnit::currency(label).filter(|after| *after == currency)
}
