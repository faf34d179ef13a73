//! Extracts what the wording of a property or question says about a number: its unit, currency, scale, cents,
//! or percent.

use crate::domain::answer_value::{Ratio, ValueUnit, is_numeral};

/// Maximum number of words read from a text.
const MAX_WORDS: usize = 400;

/// Words for equal parts of a whole, and how many of them make up the whole.
const PART_WORDS: &[(&str, i64)] = &[
    ("percent", 100),
    ("percentage", 100),
    ("pct", 100),
    ("prozent", 100),
    ("%", 100),
    ("permille", 1_000),
    ("bps", 10_000),
];
/// Words for a part of a whole that is written as a number from 0 to 1.
const SHARE_WORDS: &[&str] = &["share", "fraction", "probability", "proportion"];
/// Words for scales, and the factors they stand for.
const SCALE_WORDS: &[(&str, i64)] = &[
    ("thousand", 1_000),
    ("thousands", 1_000),
    ("million", 1_000_000),
    ("millions", 1_000_000),
    ("mio", 1_000_000),
    ("billion", 1_000_000_000),
    ("billions", 1_000_000_000),
    ("bn", 1_000_000_000),
];
/// Words for one hundredth of a currency unit, and the currencies that are divided into them.
const HUNDREDTH_WORDS: &[(&str, &[&str])] = &[
    ("cent", &["usd", "eur", "aud", "cad"]),
    ("cents", &["usd", "eur", "aud", "cad"]),
    ("pence", &["gbp"]),
];
/// Words for a kind of quantity, and the units in which it is usually given.
const KIND_WORDS: &[(&str, &[&str])] = &[
    ("age", &["years"]),
    ("old", &["years"]),
    ("temperature", &["°C", "°F"]),
    ("angle", &["degrees"]),
];
/// Words that have other meanings besides a unit. In a name, they do not exclude a number in another unit; in a
/// question, only "min" is read as a unit.
const AMBIGUOUS_WORDS: &[&str] = &["min", "second", "minute", "degree", "grade", "mark"];
/// Words before a unit that the text asks for: "in km", "how many km".
const DEMAND_WORDS: &[&str] = &["in", "many", "viele", "wieviele"];
/// Words between two units that are both requested.
const JOINING_WORDS: &[&str] = &["and", "or", "und", "oder"];
/// Words before a unit that is ruled out: "not seconds", "rather than seconds".
const NEGATION_WORDS: &[&str] = &["not", "nicht", "than", "without"];

/// Words after "in" that are not units.
const NON_UNIT_WORDS: &[&str] = &[
    "total", "all", "full", "cash", "advance", "average", "general", "numbers", "figures",
    "digits", "words", "short", "spring", "summer", "autumn", "winter", "stock", "english",
    "german", "it", "them", "there", "this", "that",
];

/// Details of a number (unit, scale, currency) found in a text.
#[derive(Debug, Default)]
pub struct NumberWords {
    /// The units that the text requests or, if it requests none, the units that it names.
    pub units: Vec<ValueUnit>,
    /// Whether only a number in one of `units` fits, because a name contains a unit or the text requests one.
    pub is_unit_fixed: bool,
    /// Number of parts that make up a whole, such as 100 for percent; `None` if the text names none.
    pub parts: Option<Ratio>,
    /// Whether the number is a part of a whole, from 0 to 1.
    pub is_share: bool,
    /// Whether the number is to be written as a decimal rather than a percentage: "as a decimal".
    pub is_decimal: bool,
    /// The scale in which the number is given, such as millions.
    pub scale: Option<Ratio>,
    /// The currencies whose hundredths are requested: those with cents or with pence.
    pub hundredths: Option<&'static [&'static str]>,
    /// Units in which this kind of quantity is usually given, such as years for an age.
    pub kinds: Vec<ValueUnit>,
    /// Units after a "per", such as the kilogram in "price per kg".
    pub denominator_units: Vec<ValueUnit>,
    /// Whether the text requests a unit that is not in the tables: "in pesos".
    pub demands_unknown: bool,
}

impl NumberWords {
    /// Reads a property's name, such as "distance_km".
    pub fn from_name(name: &str) -> Self {
        let words = split_name(name);
        let mut number_words = Self::default();
        let mut at = 0;
        while at < words.len() {
            let (unit, used) = unit_at(&words[at..], at > 0 && at + 1 == words.len());
            let is_unambiguous = !AMBIGUOUS_WORDS.contains(&words[at].as_str());
            number_words.is_unit_fixed |= unit
                .as_ref()
                .is_some_and(|unit| unit.is_listed() && is_unambiguous);
            number_words.units.extend(unit);
            number_words.record_word(&words[at], true);
            at += used;
        }
        number_words
    }

    /// Reads a property's title and description, split into words.
    pub fn from_description(words: &[String]) -> Self {
        Self::from_text(words, false)
    }

    /// Reads a question. Units that belong to numbers in the question ("in 2 hours") do not count as requested.
    pub fn from_question(question: &str) -> Self {
        let demands_unknown = demands_unknown(question);
        Self {
            demands_unknown,
            ..Self::from_text(&split_text(question), true)
        }
    }

    /// Combines these details with those of `other`. Units of both are kept, unless this text fixes the unit; any other
    /// detail of `other` is used only if it is missing here.
    pub fn merge(self, other: Self) -> Self {
        let states_part = self.parts.is_some() || self.is_share || self.is_decimal;
        Self {
            units: match self.is_unit_fixed {
                true => self.units,
                false => [self.units, other.units].concat(),
            },
            is_unit_fixed: self.is_unit_fixed || other.is_unit_fixed,
            parts: self.parts.or(other.parts.filter(|_| !states_part)),
            is_share: self.is_share || (other.is_share && !states_part),
            is_decimal: self.is_decimal || (other.is_decimal && !states_part),
            scale: self.scale.or(other.scale),
            hundredths: self.hundredths.or(other.hundredths),
            kinds: [self.kinds, other.kinds].concat(),
            denominator_units: [self.denominator_units, other.denominator_units].concat(),
            demands_unknown: self.demands_unknown || other.demands_unknown,
        }
    }

    /// Returns the conversion factors of the named units that have this base unit.
    pub fn factors<'a>(&'a self, base: &'a str) -> impl Iterator<Item = Ratio> + 'a {
        let unit_with_base = self
            .units
            .iter()
            .filter(move |unit| unit.base_symbol == base);
        unit_with_base.map(|unit| unit.factor)
    }

    /// Whether the text names a currency.
    pub fn names_money(&self) -> bool {
        self.units.iter().any(|unit| unit.is_money)
    }

    // Reads the details in a text. A unit counts as requested only after words such as "in" or "many" ("the distance
    // traveled per day, in km"), or if "and" or "or" joins it to a requested unit.
    fn from_text(words: &[String], is_question: bool) -> Self {
        let mut number_words = Self::default();
        let (mut requested, mut at) = (Vec::new(), 0);
        let mut demand_end = usize::MAX;
        while at < words.len() {
            let word = words[at].as_str();
            let word_before =
                |count: usize| at.checked_sub(count).map_or("", |at| words[at].as_str());
            let follows_demand = DEMAND_WORDS.contains(&word_before(1));
            let is_joined = JOINING_WORDS.contains(&word_before(1)) && demand_end == at - 1;
            let is_denied = NEGATION_WORDS.contains(&word_before(1))
                || (follows_demand && NEGATION_WORDS.contains(&word_before(2)))
                || (word_before(1) == "of" && word_before(2) == "instead");
            let is_given = is_question && is_numeral(word_before(1));
            let is_ambiguous = is_question && AMBIGUOUS_WORDS[1..].contains(&word);
            let (unit, used) = unit_at(&words[at..], follows_demand);
            if is_denied || is_given {
                at += used;
                continue;
            }
            if is_question && used == 3 {
                // "How many hours per day?" may be answered in hours, and "Price per kg?" with "$5 per kg".
                requested.extend(ValueUnit::read_case_insensitive(word).filter(|_| follows_demand));
                number_words
                    .denominator_units
                    .extend(ValueUnit::read_case_insensitive(&words[at + 2]));
            }
            if let Some(unit) = unit.filter(|_| !DEMAND_WORDS.contains(&word) && !is_ambiguous) {
                if (follows_demand || is_joined) && unit.is_listed() {
                    requested.push(unit);
                    demand_end = at + used;
                } else if unit.is_listed() || !is_question {
                    number_words.units.push(unit);
                }
            }
            number_words.record_word(word, follows_demand);
            at += used;
        }
        if !requested.is_empty() {
            number_words.is_unit_fixed = true;
            number_words.units = requested;
        }
        number_words
    }

    // Records words for percent, parts of a whole, scales, cents, and kinds of quantity. Scales and cents are
    // recorded only if they are requested.
    fn record_word(&mut self, word: &str, is_demanded: bool) {
        let find = |table: &[(&str, i64)]| {
            let row = table.iter().find(|(listed_word, _)| *listed_word == word)?;
            Some(Ratio::from_integer(row.1))
        };
        self.parts = self.parts.or(find(PART_WORDS));
        self.scale = self.scale.or(find(SCALE_WORDS).filter(|_| is_demanded));
        self.is_share |= SHARE_WORDS.contains(&word);
        self.is_decimal |= word == "decimal";
        let hundredth = HUNDREDTH_WORDS
            .iter()
            .find(|(listed_word, _)| *listed_word == word);
        let hundredth = hundredth.filter(|_| is_demanded).map(|(_, codes)| *codes);
        self.hundredths = self.hundredths.or(hundredth);
        let kind = KIND_WORDS
            .iter()
            .find(|(listed_word, _)| *listed_word == word);
        let kind = kind.into_iter().flat_map(|(_, units)| *units);
        self.kinds
            .extend(kind.filter_map(|unit| ValueUnit::read_case_insensitive(unit)));
    }
}

// Whether the question asks for a unit that is not in the tables, as in "in pesos?" and "how many radians". Ignores
// capitalized words, which may be places or months, and the words in `NON_UNIT_WORDS`.
fn demands_unknown(question: &str) -> bool {
    let words: Vec<&str> = question.split_whitespace().take(MAX_WORDS).collect();
    let is_listed = |at: usize| {
        let word = words
            .get(at)
            .map_or("", |word| word.trim_matches(is_punctuation));
        let unit = ValueUnit::read_case_insensitive(word);
        unit.is_some_and(|unit| unit.is_listed())
            || [SCALE_WORDS, PART_WORDS]
                .iter()
                .any(|table| table.iter().any(|(known, _)| *known == word))
            || HUNDREDTH_WORDS.iter().any(|(known, _)| *known == word)
            || word == "decimal"
    };
    let is_known = |at: usize| (at..at + 3).any(is_listed);
    (1..words.len()).any(|at| {
        let word = words[at].trim_matches(is_punctuation);
        let ends = at + 1 == words.len() || words[at].ends_with(is_punctuation);
        let is_word = word.starts_with(char::is_lowercase) && !NON_UNIT_WORDS.contains(&word);
        match words[at - 1].to_lowercase().as_str() {
            "many" => is_word && !is_known(at),
            "in" => is_word && ends && !is_known(at),
            _ => false,
        }
    })
}

fn is_punctuation(c: char) -> bool {
    matches!(c, '?' | '.' | ',' | '!' | ';' | ':' | '(' | ')' | '"')
}

// Returns the unit at the beginning of the words, and the number of words it consists of. A single letter is
// a unit only at the end of a name ("weight_g", "temperature_c") or if it is requested.
fn unit_at(words: &[String], takes_letter: bool) -> (Option<ValueUnit>, usize) {
    let first = words[0].as_str();
    if let [above, per, below, ..] = words
        && per == "per"
    {
        let unit =
            ValueUnit::read_case_insensitive(above).zip(ValueUnit::read_case_insensitive(below));
        let unit = unit.and_then(|(above, below)| above.divided_by(&below));
        return (unit, 3);
    }
    if let Some((above, below)) = first.split_once('/') {
        let unit =
            ValueUnit::read_case_insensitive(above).zip(ValueUnit::read_case_insensitive(below));
        return (unit.and_then(|(above, below)| above.divided_by(&below)), 1);
    }
    if let [kind, base, ..] = words
        && ["square", "cubic"].contains(&kind.as_str())
    {
        let unit = ValueUnit::read_case_insensitive(&format!("{kind} {base}"));
        return (unit.filter(ValueUnit::is_listed), 2);
    }
    let is_short = first.chars().count() == 1 && first.starts_with(char::is_alphabetic);
    let unit = match first {
        "c" | "f" if takes_letter => ValueUnit::read_case_insensitive(&format!("°{first}")),
        _ if (is_short || first == "in") && !takes_letter => None,
        _ => ValueUnit::read_case_insensitive(first).or_else(|| ValueUnit::parse(first)),
    };
    (unit, 1)
}

// Splits a name into lowercase words at underscores, hyphens, periods, and capital letters.
fn split_name(name: &str) -> Vec<String> {
    let mut spaced = String::new();
    let mut previous_char = ' ';
    for c in name.chars() {
        if c.is_uppercase() && previous_char.is_lowercase() {
            spaced.push(' ');
        }
        spaced.push(if matches!(c, '_' | '-' | '.') { ' ' } else { c });
        previous_char = c;
    }
    split_text(&spaced)
}

/// Splits a text into lowercase words. An opening parenthesis is read as the word "in", so that "distance
/// (km)" requests kilometers.
pub fn split_text(text: &str) -> Vec<String> {
    let is_part = |c: char| c.is_alphanumeric() || "%‰/°²³^$€£¥₹".contains(c);
    text.replace('(', " in ")
        .split(|c| !is_part(c))
        .filter(|word| !word.is_empty())
        .take(MAX_WORDS)
        .map(str::to_lowercase)
        .collect()
}
