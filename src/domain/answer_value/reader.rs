//! Reads answers to one question: the question's options, units, and language determine what a short answer means.

use super::choices::{self, LetteredOption, OptionChoice};
use super::no_answer::is_non_answer;
use super::numeral::Separators;
use super::quantity::Quantity;
use super::units::ValueUnit;
use super::value::{AnswerValue, NumberValue};
use super::words::is_numeral;
use super::{closing, dates, markup};

/// Common words of languages that use a decimal comma. Two of them in a question make "1.234" ambiguous.
const DECIMAL_COMMA_WORDS: &[&str] = &[
    "der", "die", "das", "und", "ist", "wie", "viele", "wieviel", "wieviele", "welche", "welcher",
    "welches", "wann", "wo", "ein", "eine", "den", "von", "für", "combien", "quel", "quelle",
    "est", "les", "des", "une", "cuánto", "cuántos", "cuántas", "qué", "los", "una", "quanto",
    "quanti", "quante",
];
/// Words that ask for a date.
const DATE_WORDS: &[&str] = &["date", "day", "when", "yyyymmdd", "datum", "wann", "tag"];
/// Words indicating that "pounds" means money.
const MONEY_WORDS: &[&str] = &[
    "£", "gbp", "sterling", "cost", "costs", "price", "pay", "paid", "pays", "spend", "spent",
    "earn", "earns", "money", "fee", "salary",
];
/// Words indicating that "pounds" means weight.
const WEIGHT_WORDS: &[&str] = &[
    "weigh", "weighs", "weight", "weights", "mass", "heavy", "lb", "lbs",
];
/// Maximum number of words of a question that are searched for units and language.
const MAX_WORDS: usize = 2_000;
/// Maximum length of a statement in bytes; anything longer is not a short answer.
const MAX_STATEMENT_LENGTH: usize = 2_000;
/// Maximum length of the name on the left of "x = 5", in characters.
const MAX_NAME_LENGTH: usize = 24;
/// Maximum length of a case-sensitive symbol, in letters.
const MAX_SYMBOL_LENGTH: usize = 2;
/// Remarks in parentheses after a number that do not change it.
const NEUTRAL_REMARKS: &[&str] = &[
    "rounded",
    "rounded up",
    "rounded down",
    "approx",
    "approx.",
    "approximately",
    "approximate",
    "exact",
    "exactly",
    "in total",
    "total",
    "gerundet",
    "insgesamt",
    "siehe oben",
];
/// Maximum number of passes that remove markup and articles from a text.
const MAX_NORMALIZATION_PASSES: usize = 8;

/// Reads short answers to a question as values.
#[derive(Debug, Clone, Default)]
pub struct AnswerReader {
    options: Vec<LetteredOption>,
    option_values: Vec<(char, AnswerValue)>,
    units: Vec<ValueUnit>,
    requests_percent: bool,
    requests_date: bool,
    /// Whether "pounds" means the currency rather than the weight.
    are_pounds_money: bool,
    separators: Separators,
    /// The question's own label, such as "q7", which answers may repeat.
    label: Option<String>,
}

impl AnswerReader {
    /// Creates a reader for a question. An empty question provides no context.
    pub fn new(question: &str) -> Self {
        let words: Vec<String> = question
            .split(|c: char| !(c.is_alphanumeric() || "%/°²³£".contains(c)))
            .filter(|word| !word.is_empty())
            .take(MAX_WORDS)
            .map(str::to_owned)
            .collect();
        let lower: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
        let contains_word = |known: &&&str| lower.iter().any(|word| word == *known);
        let has_any = |known: &[&str]| known.iter().any(|word| contains_word(&word));
        let comma_words = DECIMAL_COMMA_WORDS.iter().filter(contains_word);
        // Skip the units of numbers that the question states, as in "a beam of 5 kg", because it does not ask
        // for those.
        let is_in_question = |at: usize| at > 0 && is_numeral(&words[at - 1]);
        let question_words = words.iter().enumerate();
        let question_words =
            question_words.filter_map(|(at, word)| (!is_in_question(at)).then_some(word));
        let mut reader = Self {
            options: choices::options(question),
            option_values: Vec::new(),
            units: question_words
                .clone()
                .filter_map(|word| ValueUnit::parse(word))
                .collect(),
            requests_percent: question_words.clone().any(|word| {
                let word = word.to_lowercase();
                word == "%" || word.starts_with("percent") || word.starts_with("prozent")
            }),
            requests_date: has_any(DATE_WORDS),
            label: question_label(question),
            are_pounds_money: has_any(MONEY_WORDS) && !has_any(WEIGHT_WORDS),
            separators: match comma_words.count() {
                0 | 1 => Separators::English,
                _ => Separators::Unknown,
            },
        };
        let values = reader
            .options
            .iter()
            .map(|(label, text)| (*label, reader.parse_plain(text)));
        reader.option_values = values
            .filter_map(|(label, value)| Some((label, value?)))
            .filter(|(_, value)| value.is_structured())
            .collect();
        reader
    }

    /// Reads an answer's closing statement. `None` if there is none, or if it contradicts itself, refuses to answer, or
    /// is a longer sentence rather than a value.
    pub fn read(&self, answer: &str) -> Option<AnswerValue> {
        let statement =
            closing::find_closing_statement(answer).or_else(|| self.labeled_line(answer))?;
        let value = self.parse_statement(&statement.text)?;
        if !matches!(value, AnswerValue::Choice(_)) && is_non_answer(&statement.text) {
            return None;
        }
        (!statement.is_prose || value.is_structured()).then_some(value)
    }

    /// Returns the closing statement without markup, in the answer's spelling; `None` if there is none.
    pub fn final_statement(answer: &str) -> Option<String> {
        let statement = markup::to_plain_text(&closing::find_closing_statement(answer)?.text);
        (!statement.is_empty()).then_some(statement)
    }

    /// Reads a statement that consists only of the answer. `None` if the statement is empty, too long, or contradicts
    /// itself.
    pub fn parse_statement(&self, statement: &str) -> Option<AnswerValue> {
        if statement.len() > MAX_STATEMENT_LENGTH {
            return None;
        }
        let plain = normalize(self.without_label(statement));
        match choices::chosen_option(&plain, &self.options) {
            OptionChoice::Label(label) => return Some(AnswerValue::Choice(label)),
            OptionChoice::Contradiction => return None,
            OptionChoice::Other => {}
        }
        if let Some(labels) = choices::chosen_labels(&plain, &self.options) {
            return Some(AnswerValue::Text(labels));
        }
        let value = self.parse_plain(&plain)?;
        let mut same = self
            .option_values
            .iter()
            .filter(|(_, option)| option.has_same_value(&value));
        match (same.next(), same.next()) {
            (Some((label, _)), None) => Some(AnswerValue::Choice(*label)),
            _ => Some(value),
        }
    }

    // Removes the question's own label: if the question is "Q7: …", the answer "Q7: 42" is 42.
    fn without_label<'a>(&self, statement: &'a str) -> &'a str {
        let plain = statement.trim_start_matches(|c: char| c.is_whitespace() || "*_".contains(c));
        let is_own = |(head, _): &(&str, &str)| {
            let head: String = head.chars().filter(|c| c.is_alphanumeric()).collect();
            self.label.as_ref() == Some(&head.to_lowercase())
        };
        let rest = plain.split_once([':', ')']).filter(is_own);
        rest.map_or(statement, |(_, rest)| {
            rest.trim_start_matches(['*', '_', ' '])
        })
    }

    // Returns the last line without the question's label as the closing statement; `None` if it does not begin with
    // that label.
    fn labeled_line(&self, answer: &str) -> Option<closing::ClosingStatement> {
        let last = answer
            .lines()
            .map(str::trim)
            .rfind(|line| !line.is_empty())?;
        let text = self.without_label(last);
        (text.len() < last.len()).then(|| closing::ClosingStatement {
            text: text.to_owned(),
            is_prose: text.split_whitespace().count() > 1,
        })
    }

    fn parse_plain(&self, plain: &str) -> Option<AnswerValue> {
        if plain.is_empty() {
            return None;
        }
        if let Some(answer) = choices::yes_or_no(plain) {
            return Some(AnswerValue::YesNo(answer));
        }
        let in_digits = || {
            self.requests_date
                .then(|| dates::parse_compact_date(plain))
                .flatten()
        };
        if let Some(date) = dates::parse_date(plain).or_else(in_digits) {
            return Some(AnswerValue::Date(date));
        }
        if let Some(clock) = dates::parse_clock_time(plain) {
            return Some(AnswerValue::Clock(clock));
        }
        if let Some(number) = self.parse_number(plain) {
            // The number and its unit form a date, such as "5April".
            let date = dates::parse_date(&number.quantity.to_string());
            return Some(date.map_or(AnswerValue::Number(number), AnswerValue::Date));
        }
        Some(AnswerValue::Text(fold_text(plain)))
    }

    fn parse_number(&self, plain: &str) -> Option<NumberValue> {
        let (name, right) = match plain
            .split_once(['=', '≈'])
            .or_else(|| split_variable_is(plain))
        {
            Some((left, right)) if !left.trim().is_empty() => (left_side_name(left)?, right),
            _ => (None, plain.strip_prefix('=').unwrap_or(plain)),
        };
        let mut quantity = Quantity::parse(strip_remark(right), self.separators)?;
        if self.are_pounds_money && quantity.unit.base_symbol == "pound" {
            quantity.unit = ValueUnit::currency("gbp")?;
        }
        let is_unit_asked = match quantity.is_percent {
            true => self.requests_percent,
            false => !quantity.unit.is_dimensionless() && self.names_unit(&quantity.label),
        };
        Some(NumberValue {
            name,
            quantity,
            is_unit_asked,
        })
    }

    // Whether the question names the unit that this label denotes, or every unit in the label, in any spelling.
    fn names_unit(&self, label: &str) -> bool {
        let is_named = |unit: &ValueUnit| {
            let same = |question_unit: &&ValueUnit| {
                question_unit.base_symbol == unit.base_symbol && question_unit.factor == unit.factor
            };
            self.units.iter().any(|question_unit| same(&question_unit))
        };
        let is_whole_label = ValueUnit::parse(label).is_some_and(|unit| is_named(&unit));
        let mut words = label.split_whitespace().peekable();
        let each = words.peek().is_some()
            && words.all(|word| ValueUnit::parse(word).is_some_and(|unit| is_named(&unit)));
        is_whole_label || each
    }
}

/// Converts text to lowercase, except that a text without a word of three or more letters keeps its case, because case
/// may distinguish symbols ("mg" and "Mg", "p" and "P"). The usual option labels, A to D, are always converted. Also
/// removes spaces in bracketed lists.
pub fn fold_text(plain: &str) -> String {
    let has_word = plain
        .split(|c: char| !c.is_alphabetic())
        .any(|word| word.chars().count() > MAX_SYMBOL_LENGTH);
    let is_label = plain.len() == 1 && plain.starts_with(['A', 'B', 'C', 'D']);
    let text = match has_word || is_label {
        true => plain.to_lowercase(),
        false => plain.to_owned(),
    };
    match text.starts_with(['(', '[', '{']) {
        true => normalize_list(&text),
        false => text,
    }
}

// Returns the "12" of "12 (rounded)". Other text in parentheses may change the number: "12 (thousand)".
fn strip_remark(text: &str) -> &str {
    let split = text
        .trim_end()
        .strip_suffix(')')
        .and_then(|rest| rest.rsplit_once('('));
    let is_remark = |remark: &str| {
        let remark = remark.to_lowercase();
        NEUTRAL_REMARKS.contains(&remark.as_str()) || remark.starts_with("see ")
    };
    match split {
        Some((number, remark)) if is_remark(remark) => number.trim_end(),
        _ => text,
    }
}

// Turns "(1, 2)" into "(1,2)": removes the spaces around separators and inside the brackets.
fn normalize_list(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let ends_value = matches!(c, ',' | ';' | ')' | ']' | '}');
        if ends_value {
            out.truncate(out.trim_end().len());
        }
        let follows_separator = out.ends_with([',', ';', '(', '[', '{']);
        if !(c.is_whitespace() && follows_separator) {
            out.push(c);
        }
    }
    out
}

/// Words that begin the label of a question.
const LABEL_WORDS: &[&str] = &[
    "q", "question", "problem", "exercise", "task", "frage", "aufgabe", "pregunta", "domanda",
];

// Returns the question's own label without spaces, such as "q7" for "Q7:"; `None` unless exactly one line begins with a
// label.
fn question_label(question: &str) -> Option<String> {
    let label = |line: &str| -> Option<String> {
        let plain = line.trim().trim_start_matches(['*', '#', '_', ' ']);
        let (head, _) = plain.split_once([':', ')', '.'])?;
        let head: String = head.chars().filter(|c| c.is_alphanumeric()).collect();
        let head = head.to_lowercase();
        let name = head.trim_end_matches(|c: char| c.is_ascii_digit());
        (name.len() < head.len() && LABEL_WORDS.contains(&name)).then_some(head)
    };
    let mut labels = question.lines().filter_map(label);
    let first = labels.next()?;
    labels.next().is_none().then_some(first)
}

// Splits "x is 5" into a variable of one letter and its value.
fn split_variable_is(text: &str) -> Option<(&str, &str)> {
    let (left, right) = text.split_once(" is ")?;
    let is_variable =
        left.len() == 1 && left.starts_with(|c: char| c.is_ascii_lowercase() && c != 'a');
    is_variable.then_some((left, right))
}

// Reads the left side of an equation: a variable's name, or `Some(None)` for a numeric expression ("2 + 3 = 5"). `None`
// if it is neither.
fn left_side_name(left: &str) -> Option<Option<String>> {
    let left = left.trim();
    let is_expression = |c: char| c.is_ascii_digit() || " .,+-−*×·/()^".contains(c);
    if left.chars().all(is_expression) {
        return Some(None);
    }
    let is_name = |c: char| c.is_alphanumeric() || " _'()".contains(c);
    let fits = left.chars().count() <= MAX_NAME_LENGTH
        && left.starts_with(char::is_alphabetic)
        && left.chars().all(is_name);
    fits.then(|| Some(left.to_owned()))
}

// Returns the "B" of "Option B" and "answer is B".
fn named_choice(text: &str) -> Option<&str> {
    let rest = |mark: &&str| {
        let head = text.get(..mark.len())?;
        head.eq_ignore_ascii_case(mark)
            .then(|| text[mark.len()..].trim_start_matches([':', ' ']))
    };
    if let Some(statement) = ["answer is ", "antwort ist "].iter().find_map(rest) {
        return (!statement.is_empty()).then_some(statement);
    }
    let named_option = ["option ", "choice ", "answer ", "antwort "]
        .iter()
        .find_map(rest)?;
    let letter = named_option.trim_matches(['(', ')', '*', '.']);
    let is_letter = letter.len() == 1 && letter.starts_with(|c: char| c.is_ascii_alphabetic());
    is_letter.then_some(letter)
}

// Removes markup, a leading "the", and words such as "Option" before a label until nothing changes.
fn normalize(statement: &str) -> String {
    let mut text = statement.to_owned();
    for _ in 0..MAX_NORMALIZATION_PASSES {
        let mut next = markup::to_plain_text(&text);
        if next.len() > 4 && next.is_char_boundary(4) && next[..4].eq_ignore_ascii_case("the ") {
            next = next[4..].to_owned();
        }
        if let Some(rest) = named_choice(&next) {
            next = rest.to_owned();
        }
        // "[B]" is an option; "[5]" may be a citation or an interval.
        if let Some(letter) = next
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .map(str::trim)
            && letter.len() == 1
            && letter.starts_with(|c: char| c.is_ascii_alphabetic())
        {
            next = letter.to_owned();
        }
        if let Some(letter) = next
            .strip_suffix(')')
            .filter(|letter| letter.chars().count() == 1)
        {
            next = letter.to_owned();
        }
        if next == text {
            break;
        }
        text = next;
    }
    text
}
