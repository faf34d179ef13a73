//! Units and currencies: maps names to a base unit and an exact factor. Converts only where the conversion is exact by
//! definition (an inch is 2.54 cm). Months are not converted to days, and gallons and bare "pounds" not at all, because
//! their size depends on something that the answer does not say. Temperatures are not converted either.

use super::ratio::Ratio;
use super::unit_table::{CURRENCIES, SPEED_UNITS, UNIT_TABLE};

/// A unit: its base unit and its size in base units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueUnit {
    /// Symbol of the base unit, or the unit's own name if it is not in the tables; empty for a plain number.
    pub base_symbol: String,
    /// Size of this unit in base units.
    pub factor: Ratio,
    /// Whether the unit is a currency.
    pub is_money: bool,
}

/// Maximum length of a case-sensitive unit symbol in the tables, in characters.
const MAX_SYMBOL_LENGTH: usize = 2;
/// Maximum length in characters of an unlisted word that may be a case-sensitive symbol ("Cal" and "cal").
const MAX_UNKNOWN_SYMBOL_LENGTH: usize = 3;
/// Words that no unit contains. They occur after a number in "5 or six", "5 is wrong", and "5 at most".
const NON_UNIT_WORDS: &[&str] = &[
    "or",
    "nor",
    "not",
    "but",
    "than",
    "if",
    "is",
    "isn't",
    "was",
    "are",
    "be",
    "at",
    "rather",
    "instead",
    "more",
    "less",
    "most",
    "least",
    "maximum",
    "minimum",
    "max",
    "wrong",
    "incorrect",
    "false",
    "to",
    "up",
    "oder",
    "nicht",
    "ist",
    "bis",
    "mehr",
    "weniger",
];
/// Maximum number of words of a unit.
const MAX_WORDS: usize = 3;
/// Maximum length of the text of a unit, in bytes.
const MAX_UNIT_LENGTH: usize = 40;

impl ValueUnit {
    /// Creates the placeholder unit of a number that has no unit.
    pub const fn dimensionless() -> Self {
        Self::from_unlisted(String::new())
    }

    /// Whether this is the placeholder unit of a number that has no unit.
    pub const fn is_dimensionless(&self) -> bool {
        self.base_symbol.is_empty()
    }

    /// Reads a unit: a known name or symbol, a ratio of two units, or one to three other words, which become a unit of
    /// their own. An empty text is the unit of a number that has none. `None` if the text cannot be a unit.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() {
            return Some(Self::dimensionless());
        }
        if text.len() > MAX_UNIT_LENGTH {
            return None;
        }
        if let Some(known) = Self::find_listed(text) {
            return Some(known);
        }
        let ratio = text.split_once('/').or_else(|| text.split_once(" per "));
        match ratio {
            Some((above, below)) => Self::parse_ratio(above, below),
            None => Self::normalize_words(text).map(Self::from_unlisted),
        }
    }

    /// Reads the symbol, code, or name of a currency; `None` if the text is none of them.
    pub fn currency(text: &str) -> Option<Self> {
        let lower = text.trim().to_lowercase();
        let lower = lower.trim_end_matches('.');
        let (code, _) = CURRENCIES
            .iter()
            .find(|(_, names)| names.contains(&lower))?;
        Some(Self {
            is_money: true,
            ..Self::from_unlisted((*code).to_owned())
        })
    }

    /// Reads a unit or currency from the tables, ignoring case, as in the field name "power_kw"; `None` if the text is
    /// neither.
    pub fn read_case_insensitive(text: &str) -> Option<Self> {
        let lower = text.to_lowercase();
        let is_name = |known: &&str| known.to_lowercase() == lower;
        let listed_name = UNIT_TABLE
            .iter()
            .find_map(|(.., names)| names.iter().find(|name| is_name(name)));
        Self::find_listed(listed_name.unwrap_or(&text))
    }

    /// Whether the unit, or each unit of a ratio, is in the tables of units and currencies.
    pub fn is_listed(&self) -> bool {
        let is_base = |base: &str| UNIT_TABLE.iter().any(|(known, ..)| *known == base);
        let is_currency = |base: &str| CURRENCIES.iter().any(|(code, _)| *code == base);
        let mut bases = self.base_symbol.split('/');
        !self.is_dimensionless() && bases.all(|base| is_base(base) || is_currency(base))
    }

    /// Returns this unit divided by another, such as dollars by hours for "$5/h"; `None` on overflow.
    pub fn divided_by(&self, below: &Self) -> Option<Self> {
        Some(Self {
            base_symbol: format!("{}/{}", self.base_symbol, below.base_symbol),
            factor: self.factor.checked_div(below.factor)?,
            is_money: false,
        })
    }

    fn find_listed(text: &str) -> Option<Self> {
        if let Some(currency) = Self::currency(text) {
            return Some(currency);
        }
        let text = text.trim_end_matches('.').replace("° ", "°");
        let text = text.as_str();
        let lower = text.to_lowercase();
        if let Some((_, above, below)) = SPEED_UNITS.iter().find(|(name, ..)| *name == lower) {
            return Self::find_listed(above)?.divided_by(&Self::find_listed(below)?);
        }
        let name = lower
            .strip_prefix("degrees ")
            .or_else(|| lower.strip_prefix("grad "))
            .filter(|scale| matches!(*scale, "celsius" | "fahrenheit"))
            .unwrap_or(&lower);
        let is_name = |known: &str| {
            known == text || (name.chars().count() > MAX_SYMBOL_LENGTH && known == name)
        };
        let row = UNIT_TABLE
            .iter()
            .find(|(.., names)| names.iter().any(|known| is_name(known)))?;
        Some(Self {
            base_symbol: row.0.to_owned(),
            factor: Ratio::new(row.1.into(), row.2.into())?,
            is_money: false,
        })
    }

    fn parse_ratio(above: &str, below: &str) -> Option<Self> {
        if below.contains('/') || below.contains(" per ") {
            return None;
        }
        let (above, below) = (Self::parse(above)?, Self::parse(below)?);
        let both = !above.is_dimensionless() && !below.is_dimensionless();
        both.then(|| above.divided_by(&below)).flatten()
    }

    // Returns the words in lowercase and without a plural "s", except that words of up to three letters keep their
    // case. `None` if the words cannot be a unit.
    fn normalize_words(text: &str) -> Option<String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let is_word = |word: &&str| {
            let letters = word.trim_end_matches('.');
            !letters.is_empty()
                && letters.chars().all(|c| c.is_alphabetic() || c == '-')
                && letters.starts_with(char::is_alphabetic)
        };
        let is_excluded = |word: &&str| NON_UNIT_WORDS.contains(&word.to_lowercase().as_str());
        if words.len() > MAX_WORDS || !words.iter().all(is_word) || words.iter().any(is_excluded) {
            return None;
        }
        let fold = |word: &&str| {
            let word = word.trim_end_matches('.');
            // Case distinguishes symbols, such as K for kelvin and k for kilo.
            if word.chars().count() <= MAX_UNKNOWN_SYMBOL_LENGTH {
                return word.to_owned();
            }
            let lower = word.to_lowercase();
            let singular = lower
                .strip_suffix('s')
                .filter(|stem| stem.chars().count() > 2 && !stem.ends_with('s'));
            singular.map_or(lower.clone(), str::to_owned)
        };
        let folded: Vec<String> = words.iter().map(fold).collect();
        let folded = folded.join(" ");
        // A symbol in the wrong case, such as M, does not denote the unit with the lowercase symbol.
        let is_wrong_case =
            Self::find_listed(&folded).is_some() && Self::find_listed(text).is_none();
        Some(if is_wrong_case {
            text.to_owned()
        } else {
            folded
        })
    }

    const fn from_unlisted(base: String) -> Self {
        Self {
            base_symbol: base,
            factor: Ratio::from_integer(1),
            is_money: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_belongs_to_one_unit() {
        let names = UNIT_TABLE.iter().flat_map(|(.., names)| names.iter());
        let names = names.chain(CURRENCIES.iter().flat_map(|(_, names)| names.iter()));
        let mut seen_names = std::collections::BTreeSet::new();
        for name in names {
            assert!(seen_names.insert(name), "{name}");
        }
    }

    #[test]
    fn units_are_converted_only_exactly() {
        for (text, base, factor) in [
            ("hours", "s", "3600"),
            ("Stunden", "s", "3600"),
            ("km/h", "m/s", "5/18"),
            ("km per hour", "m/s", "5/18"),
            ("kph", "m/s", "5/18"),
            ("inches", "m", "0.0254"),
            ("years", "month", "12"),
            ("M", "M", "1"),
            ("m", "m", "1"),
            ("Apples", "apple", "1"),
            ("glass", "glass", "1"),
            ("degrees Celsius", "°c", "1"),
            ("pounds", "pound", "1"),
            ("square meters", "m²", "1"),
            ("cal", "cal", "1"),
            ("Cal", "Cal", "1"),
            ("", "", "1"),
        ] {
            let unit = ValueUnit::parse(text).expect(text);
            assert_eq!(
                (unit.base_symbol.as_str(), unit.factor.to_string().as_str()),
                (base, factor),
                "{text}"
            );
        }
        for text in [
            "-10",
            "to 10",
            "or more of the green ones",
            "or six",
            "is wrong",
            "at most",
            "+",
            "2 m",
            "a/b/c",
        ] {
            assert_eq!(ValueUnit::parse(text), None, "{text}");
        }
    }
}
