//! Units and currencies: names to a base unit and an exact factor. Only conversions that are exact by definition
//! are made (an inch is 2.54 cm); months, temperatures, gallons, and pounds without "sterling" or "lb" are not
//! converted, because what they equal depends on something that the answer does not say.

use super::ratio::Ratio;

/// A unit: the base unit of its kind, and how many of them it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueUnit {
    /// Symbol of the base unit, or the unit's own name when it is not known; empty without a unit.
    pub base: String,
    /// Number of base units.
    pub factor: Ratio,
    /// Whether it is an amount of money.
    pub is_money: bool,
}

/// Base unit, numerator and denominator of the factor, and names. Names of one or two letters are symbols, whose
/// case matters.
type UnitRow = (&'static str, i64, i64, &'static [&'static str]);

const UNITS: &[UnitRow] = &[
    (
        "s",
        1,
        1,
        &[
            "s", "sec", "secs", "second", "seconds", "sekunde", "sekunden",
        ],
    ),
    (
        "s",
        1,
        1000,
        &["ms", "millisecond", "milliseconds", "millisekunden"],
    ),
    ("s", 60, 1, &["min", "mins", "minute", "minutes", "minuten"]),
    (
        "s",
        3600,
        1,
        &[
            "h", "hr", "hrs", "hour", "hours", "std", "stunde", "stunden",
        ],
    ),
    (
        "s",
        86_400,
        1,
        &["d", "day", "days", "tag", "tage", "tagen"],
    ),
    ("s", 604_800, 1, &["week", "weeks", "woche", "wochen"]),
    (
        "month",
        1,
        1,
        &["month", "months", "monat", "monate", "monaten"],
    ),
    (
        "month",
        12,
        1,
        &["year", "years", "yr", "yrs", "jahr", "jahre", "jahren"],
    ),
    (
        "m",
        1,
        1_000_000,
        &["μm", "µm", "micrometer", "micrometers"],
    ),
    (
        "m",
        1,
        1000,
        &[
            "mm",
            "millimeter",
            "millimeters",
            "millimetre",
            "millimetres",
        ],
    ),
    (
        "m",
        1,
        100,
        &[
            "cm",
            "CM",
            "centimeter",
            "centimeters",
            "centimetre",
            "centimetres",
            "zentimeter",
        ],
    ),
    (
        "m",
        1,
        1,
        &["m", "meter", "meters", "metre", "metres", "metern"],
    ),
    (
        "m",
        1000,
        1,
        &[
            "km",
            "KM",
            "kilometer",
            "kilometers",
            "kilometre",
            "kilometres",
            "kilometern",
        ],
    ),
    // Feet or minutes, and inches or seconds: equal only to themselves.
    ("′", 1, 1, &["′", "'"]),
    ("″", 1, 1, &["″", "\"", "”"]),
    ("m", 254, 10_000, &["in", "inch", "inches", "zoll"]),
    ("m", 3048, 10_000, &["ft", "foot", "feet"]),
    ("m", 9144, 10_000, &["yd", "yard", "yards"]),
    ("m", 1_609_344, 1000, &["mi", "mile", "miles"]),
    (
        "g",
        1,
        1000,
        &["mg", "milligram", "milligrams", "milligramm"],
    ),
    ("g", 1, 1, &["g", "gram", "grams", "gramm"]),
    (
        "g",
        1000,
        1,
        &[
            "kg",
            "KG",
            "kilo",
            "kilos",
            "kilogram",
            "kilograms",
            "kilogramm",
        ],
    ),
    ("g", 45_359_237, 100_000, &["lb", "lbs"]),
    (
        "l",
        1,
        1000,
        &[
            "ml",
            "mL",
            "milliliter",
            "milliliters",
            "millilitre",
            "millilitres",
        ],
    ),
    (
        "l",
        1,
        1,
        &["l", "L", "liter", "liters", "litre", "litres", "litern"],
    ),
    ("m²", 1, 10_000, &["cm²", "cm^2", "cm2"]),
    ("m²", 1, 1, &["m²", "m^2", "m2", "sqm", "qm"]),
    ("m²", 10_000, 1, &["ha", "hectare", "hectares", "hektar"]),
    ("m²", 1_000_000, 1, &["km²", "km^2", "km2"]),
    ("m³", 1, 1, &["m³", "m^3", "m3"]),
    ("°c", 1, 1, &["°C", "°c", "celsius"]),
    ("°f", 1, 1, &["°F", "°f", "fahrenheit"]),
    ("°", 1, 1, &["°", "deg", "degree", "degrees", "grad"]),
    ("V", 1, 1, &["V", "volt", "volts"]),
    ("W", 1, 1, &["W", "watt", "watts"]),
    ("W", 1000, 1, &["kW", "kilowatt", "kilowatts"]),
    ("J", 1, 1, &["J", "joule", "joules"]),
    ("J", 1000, 1, &["kJ", "kilojoule", "kilojoules"]),
    ("N", 1, 1, &["N", "newton", "newtons"]),
    ("Hz", 1, 1, &["Hz", "hertz"]),
];

/// Code and names of currencies. "$" is taken for US dollars.
const CURRENCIES: &[(&str, &[&str])] = &[
    (
        "usd",
        &[
            "$",
            "us$",
            "usd",
            "dollar",
            "dollars",
            "us dollars",
            "us-dollar",
        ],
    ),
    ("eur", &["€", "eur", "euro", "euros"]),
    ("gbp", &["£", "gbp", "pounds sterling"]),
    ("chf", &["chf", "sfr", "swiss francs", "franken"]),
    ("jpy", &["jpy", "yen"]),
    ("cny", &["cny", "rmb", "yuan"]),
    ("¥", &["¥"]),
    ("inr", &["₹", "inr", "rupees"]),
    ("aud", &["a$", "au$", "aud"]),
    ("cad", &["c$", "ca$", "cad"]),
    ("brl", &["r$", "brl"]),
];

/// Speeds that have a name of their own: unit above the line and below it.
const SPEEDS: &[(&str, &str, &str)] = &[("mph", "mi", "h"), ("kph", "km", "h"), ("kmh", "km", "h")];

/// Longest symbol of a unit in characters.
const LONGEST_SYMBOL: usize = 2;
/// Most words of a unit.
const MOST_WORDS: usize = 3;
/// Longest unit in bytes.
const LONGEST: usize = 40;

impl ValueUnit {
    /// No unit.
    pub const fn none() -> Self {
        Self::named(String::new())
    }

    /// Whether there is no unit.
    pub const fn is_none(&self) -> bool {
        self.base.is_empty()
    }

    /// Reads a unit: known by name or symbol, a ratio of two units, or else one to three words, which only equal
    /// themselves. None when the text cannot be a unit.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() {
            return Some(Self::none());
        }
        if text.len() > LONGEST {
            return None;
        }
        if let Some(known) = Self::known(text) {
            return Some(known);
        }
        let ratio = text.split_once('/').or_else(|| text.split_once(" per "));
        match ratio {
            Some((above, below)) => Self::ratio(above, below),
            None => Self::words(text).map(Self::named),
        }
    }

    /// Reads the currency before a number; none if the text is not one.
    pub fn currency(text: &str) -> Option<Self> {
        let lower = text.trim().to_lowercase();
        let lower = lower.trim_end_matches('.');
        let (code, _) = CURRENCIES
            .iter()
            .find(|(_, names)| names.contains(&lower))?;
        Some(Self {
            is_money: true,
            ..Self::named((*code).to_owned())
        })
    }

    /// This unit for each of another: "$" before and "/h" after the number.
    pub fn per(&self, below: &Self) -> Option<Self> {
        Some(Self {
            base: format!("{}/{}", self.base, below.base),
            factor: self.factor.over(below.factor)?,
            is_money: false,
        })
    }

    fn known(text: &str) -> Option<Self> {
        if let Some(currency) = Self::currency(text) {
            return Some(currency);
        }
        let text = text.trim_end_matches('.').replace("° ", "°");
        let text = text.as_str();
        let lower = text.to_lowercase();
        if let Some((_, above, below)) = SPEEDS.iter().find(|(name, ..)| *name == lower) {
            return Self::known(above)?.per(&Self::known(below)?);
        }
        let name = lower
            .strip_prefix("degrees ")
            .or_else(|| lower.strip_prefix("grad "))
            .filter(|scale| matches!(*scale, "celsius" | "fahrenheit"))
            .unwrap_or(&lower);
        let is_name =
            |known: &str| known == text || (name.chars().count() > LONGEST_SYMBOL && known == name);
        let row = UNITS
            .iter()
            .find(|(.., names)| names.iter().any(|known| is_name(known)))?;
        Some(Self {
            base: row.0.to_owned(),
            factor: Ratio::new(row.1.into(), row.2.into())?,
            is_money: false,
        })
    }

    fn ratio(above: &str, below: &str) -> Option<Self> {
        if below.contains('/') {
            return None;
        }
        let (above, below) = (Self::read(above)?, Self::read(below)?);
        let both = !above.is_none() && !below.is_none();
        both.then(|| above.per(&below)).flatten()
    }

    // Words in lower case, and the singular of what ends in a plain s.
    fn words(text: &str) -> Option<String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let is_word = |word: &&str| {
            let letters = word.trim_end_matches('.');
            !letters.is_empty()
                && letters.chars().all(|c| c.is_alphabetic() || c == '-')
                && letters.starts_with(char::is_alphabetic)
        };
        if words.len() > MOST_WORDS || !words.iter().all(is_word) {
            return None;
        }
        let fold = |word: &&str| {
            let word = word.trim_end_matches('.');
            // Case tells symbols apart, such as those of kelvin and kilo.
            if word.chars().count() <= LONGEST_SYMBOL {
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
        // A symbol in the wrong case, such as M, is not the unit that its small letter is.
        let is_taken = Self::known(&folded).is_some() && Self::known(text).is_none();
        Some(if is_taken { text.to_owned() } else { folded })
    }

    const fn named(base: String) -> Self {
        Self {
            base,
            factor: Ratio::whole(1),
            is_money: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_belongs_to_one_unit() {
        let names = UNITS.iter().flat_map(|(.., names)| names.iter());
        let names = names.chain(CURRENCIES.iter().flat_map(|(_, names)| names.iter()));
        let mut seen = std::collections::BTreeSet::new();
        for name in names {
            assert!(seen.insert(name), "{name}");
        }
    }

    #[test]
    fn units_are_converted_where_that_is_exact() {
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
            ("", "", "1"),
        ] {
            let unit = ValueUnit::read(text).expect(text);
            assert_eq!(
                (unit.base.as_str(), unit.factor.to_string().as_str()),
                (base, factor),
                "{text}"
            );
        }
        for text in [
            "-10",
            "to 10",
            "or more of the green ones",
            "+",
            "2 m",
            "a/b/c",
        ] {
            assert_eq!(ValueUnit::read(text), None, "{text}");
        }
    }
}
