//! Reads short answers as values, so that different spellings of one value compare equal: numbers with units,
//! currencies, percentages, fractions, LaTeX, dates, times, choices, and yes or no. Shared by votes, evaluators,
//! and all other code that compares answers.
//!
//! Two answers count as equal only if they cannot mean different things. In particular:
//! - A period or minus belongs to the number: ".5" and "- 5" are not 5. For "1,234" and "1.234", see `numeral`;
//!   for "03/04/2026", see `dates`.
//! - A percentage is a fraction of 1: 50% is 0.5. It is 50 only if the question asks for a percentage.
//! - A number without a unit equals an amount of money with that number ("$1,200" and "1200") and a quantity
//!   in the unit that the question names: it leaves out the unit rather than stating a different one. The
//!   same holds for "x = 5" and "5".
//! - Case matters in symbols, that is, in a text without a word of three or more letters ("mg" and "Mg"), and
//!   in units of up to three letters that are not in the tables ("Cal" and "cal"). The option labels A to D
//!   are case-insensitive.
//! - Ranges, bounds ("at least 5"), ordinals, and numbers among other words are treated as text.

mod choices;
mod closing;
mod dates;
mod group;
mod markup;
mod no_answer;
mod number_context;
mod numeral;
mod placed_number;
mod quantity;
mod ratio;
mod reader;
mod stated;
#[cfg(test)]
mod tests;
mod unit_table;
mod units;
mod value;
mod words;

pub use group::{common_value, group_equal_values};
pub use numeral::Separators;
pub use placed_number::numbers_in;
pub use quantity::Quantity;
pub use ratio::Ratio;
pub use reader::{AnswerReader, fold_text};
pub use stated::last_stated_number;
pub use units::ValueUnit;
pub use value::{AnswerValue, NumberValue};
pub use words::is_numeral;

/// Reads one numeral, such as "1,500", "-1 500", or "10³"; the whole text must match. Equal numbers give equal ratios.
pub fn parse_number(text: &str) -> Option<Ratio> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix(['-', '−']) {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (value, rest) = numeral::leading_number(digits, Separators::English)?;
    rest.is_empty()
        .then(|| value.checked_mul(Ratio::from_integer(sign)))?
}
