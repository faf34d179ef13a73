//! Writes the answer of a vote: the winner's own words with the closing line that the question asks for, or
//! the JSON object that a client requested.

use serde_json::{Map, Number, Value, json};

use super::closing_form::{ClosingForm, json_key_in};
use super::requested_number::RequestedNumber;
use crate::domain::answer_value::{AnswerReader, AnswerValue, Ratio};
use crate::domain::chat::Format;

/// Words by which a question asks for points, so that "7/10" means seven points.
const POINTS_WORDS: &[&str] = &[
    "score", "rating", "rate ", "grade", "points", "out of", "scale", "stars", "note", "punkte",
];
/// Maximum length of a unit's symbol, in characters.
const MAX_SYMBOL_CHARS: usize = 3;

/// Returns the winner's answer in the form that `wording` (the question and the turns before it) asks for. The answer
/// is unchanged if it states no final answer or already ends in that form. If the wording asks for nothing but the
/// option, the number, or a JSON object, the answer is reduced to that; otherwise, a closing line is added.
pub fn to_closing_form(question: &str, wording: &str, text: &str) -> String {
    let text = text.trim_end();
    let (form, last) = (
        ClosingForm::from_wording(wording),
        text.lines().next_back().unwrap_or_default(),
    );
    let fits = match form {
        ClosingForm::Line => true,
        ClosingForm::Hashes => last.trim_start().starts_with("####"),
        ClosingForm::Boxed => last.contains("\\boxed{"),
        ClosingForm::Bare | ClosingForm::Number | ClosingForm::Json => false,
    };
    let Some(statement) = AnswerReader::final_statement(text).filter(|_| !fits) else {
        return text.to_owned();
    };
    let value = AnswerReader::new(question).read(text);
    let label = match &value {
        Some(AnswerValue::Choice(label)) => label.to_string(),
        _ => statement.clone(),
    };
    let number = plain_number(question, value.as_ref());
    let statement = number.map_or(statement, |number| number.to_string());
    match form {
        ClosingForm::Bare => label,
        ClosingForm::Number => number.map_or(label, |_| statement),
        ClosingForm::Json => {
            let key = json_key_in(wording);
            let requested_number = RequestedNumber::new(&key, &Value::Null, question);
            let number = value.as_ref().and_then(|value| {
                let number = requested_number.number_for(value, &[])?;
                json_number(number).map(Value::Number)
            });
            let value = match value {
                Some(AnswerValue::YesNo(is_yes)) => Value::Bool(is_yes),
                _ => number.unwrap_or(Value::String(label)),
            };
            Value::Object(Map::from_iter([(key, value)])).to_string()
        }
        ClosingForm::Hashes => format!("{text}\n#### {statement}"),
        _ => format!("{text}\n\\boxed{{{statement}}}"),
    }
}

/// Checks that a format can hold the result of a vote: any JSON object, or a schema with one property for it, which
/// must be the only required one or, if none is required, the only one or the one called "answer". Its type must be
/// string, number, integer, boolean, or an enum.
///
/// # Errors
/// Returns the reason if there is no such property.
pub fn check_votable(format: &Format) -> Result<(), String> {
    single_property(format).map(drop).ok_or_else(|| {
        "a vote fills one value: the schema must have a single required property, or one called \"answer\", of \
         type string, number, integer, or boolean"
            .to_owned()
    })
}

/// Returns the winner's answer as the requested JSON object. `None` if the answer states no value, if the value does
/// not fit the schema, or if it is a number in a unit that the field does not hold (see `requested_number`). `values`
/// are the values stated by the winner's voters.
pub fn answer_object(
    question: &str,
    text: &str,
    format: &Format,
    values: &[AnswerValue],
) -> Option<String> {
    let (name, schema) = single_property(format)?;
    let reader = AnswerReader::new(question);
    let value = reader.read(text)?;
    let statement = AnswerReader::final_statement(text)?;
    let as_text = match &value {
        AnswerValue::Choice(_) | AnswerValue::YesNo(_) => value.to_string(),
        _ if schema["format"] == "date" => full_date(&value)?,
        _ => statement.clone(),
    };
    let number = RequestedNumber::new(&name, &schema, question)
        .number_for(&value, values)
        .filter(|_| !is_points(&statement, &[question, &name]))
        .and_then(json_number);
    let candidates = [
        number.map(Value::Number),
        match value {
            AnswerValue::YesNo(is_yes) => Some(Value::Bool(is_yes)),
            _ => None,
        },
        Some(enum_value(&schema, &as_text).unwrap_or(Value::String(as_text))),
    ];
    let fitting = |value: Value| {
        let object = Value::Object(Map::from_iter([(name.clone(), value)])).to_string();
        format.conforming(&object).is_ok().then_some(object)
    };
    let prefers_text = schema["type"] == "string" || schema.get("enum").is_some() || format.any;
    let mut candidates: Vec<Value> = candidates.into_iter().flatten().collect();
    if prefers_text {
        candidates.reverse();
    }
    candidates.into_iter().find_map(fitting)
}

// Returns the property that holds the answer, with its schema; `None` if no single property can hold it.
fn single_property(format: &Format) -> Option<(String, Value)> {
    if format.any {
        return Some(("answer".to_owned(), json!({})));
    }
    let properties = format.schema["properties"].as_object()?;
    let required: Vec<&str> = format.schema["required"]
        .as_array()
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let name = match (required.as_slice(), properties.len()) {
        ([only], _) => (*only).to_owned(),
        ([], 1) => properties.keys().next()?.clone(),
        ([], _) if properties.contains_key("answer") => "answer".to_owned(),
        _ => return None,
    };
    let schema = properties.get(&name)?.clone();
    let kind = schema["type"].as_str();
    let is_simple = schema.get("enum").is_some()
        || kind.is_some_and(|kind| matches!(kind, "string" | "number" | "integer" | "boolean"));
    is_simple.then_some((name, schema))
}

// Returns the value in JSON Schema's `date` format; `None` if it is not a full date, or for "3/4/2026", whose
// order is unknown.
fn full_date(value: &AnswerValue) -> Option<String> {
    let AnswerValue::Date(date) = value else {
        return None;
    };
    let is_whole = date.len() == "2026-04-03".len() && !date.contains('/');
    is_whole.then(|| date.clone())
}

// Returns the enum value that equals the answer, ignoring case.
fn enum_value(schema: &Value, answer: &str) -> Option<Value> {
    let words = schema["enum"].as_array()?;
    let same = |word: &&Value| {
        word.as_str()
            .is_some_and(|word| word.to_lowercase() == answer.to_lowercase())
    };
    words.iter().find(same).cloned()
}

// Whether "7/10" means seven points out of ten rather than 0.7.
fn is_points(stated: &str, texts: &[&str]) -> bool {
    let is_fraction = stated.split_once('/').is_some_and(|(above, below)| {
        above.ends_with(|c: char| c.is_ascii_digit())
            && below.starts_with(|c: char| c.is_ascii_digit())
    });
    let asks = |text: &&str| {
        let text = text.to_lowercase();
        POINTS_WORDS.iter().any(|word| text.contains(word))
    };
    is_fraction && texts.iter().any(asks)
}

// Returns the bare number in the requested unit. A percentage is converted only if the question asks for percent or a
// decimal. A unit that the question does not ask for is dropped only if it is a counted noun ("5 apples").
fn plain_number(question: &str, value: Option<&AnswerValue>) -> Option<Ratio> {
    let value = value?;
    let AnswerValue::Number(number) = value else {
        return None;
    };
    let quantity = &number.quantity;
    let requested_number = RequestedNumber::new("", &Value::Null, question);
    if quantity.unit.is_dimensionless() && !requested_number.requests_decimal() {
        let is_plain = quantity.written_amount == Some(quantity.amount) || quantity.is_scaled;
        return quantity
            .written_amount
            .filter(|_| is_plain || number.is_unit_asked);
    }
    let is_count_noun = !quantity.unit.is_listed()
        && quantity.label.chars().count() > MAX_SYMBOL_CHARS
        && quantity.label.chars().all(|c| c.is_lowercase() || c == ' ')
        && !requested_number.requests_unit();
    requested_number
        .number_for(value, &[])
        .or(quantity.written_amount.filter(|_| is_count_noun))
}

fn json_number(number: Ratio) -> Option<Number> {
    match number.is_whole() {
        true => number.to_string().parse::<i64>().ok().map(Number::from),
        false => Number::from_f64(number.to_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(schema: Value) -> Format {
        Format {
            schema,
            ..Format::default()
        }
    }

    #[test]
    fn the_winning_text_ends_in_the_requested_form() {
        for (question, text, expected) in [
            (
                "How many?",
                "It is so.\nAnswer: $1,200\n",
                "It is so.\nAnswer: $1,200",
            ),
            (
                "End with \"#### X\".",
                "So.\nAnswer: $1,200",
                "So.\nAnswer: $1,200\n#### 1200",
            ),
            ("End with \"#### X\".", "So.\n#### 1,200", "So.\n#### 1,200"),
            (
                "End with \"#### X\".",
                "So.\nAnswer: Ada",
                "So.\nAnswer: Ada\n#### Ada",
            ),
            (
                "Put it in \\boxed{}.",
                "Answer: 1/2",
                "Answer: 1/2\n\\boxed{0.5}",
            ),
        ] {
            assert_eq!(to_closing_form(question, question, text), expected);
        }
    }

    #[test]
    fn a_closing_form_described_in_the_question_is_used() {
        const LETTERS_SCHEMA: &str = "A) x\nB) y\nC) z";
        for (wording, text, expected) in [
            ("Reply with only the letter.", "So.\n\nAnswer: B", "B"),
            ("Answer only yes or no.", "So.\nAnswer: Yes.", "Yes"),
            ("Respond with just the number.", "So.\nAnswer: 5 km", "5 km"),
            (
                "Reply as JSON {\"answer\": \"...\"}",
                "So.\nAnswer: B",
                r#"{"answer":"B"}"#,
            ),
            ("Return JSON: {\"n\": 1}", "So.\nAnswer: 5", r#"{"n":5}"#),
            ("Give JSON.", "So.\nAnswer: no", r#"{"answer":false}"#),
            (
                "Who can only answer this?",
                "So.\nAnswer: Ada",
                "So.\nAnswer: Ada",
            ),
            (
                "Do not reply with only the number; explain.",
                "So.\nAnswer: 5",
                "So.\nAnswer: 5",
            ),
            (
                "Please don't just answer only yes. Why?",
                "So.\nAnswer: yes",
                "So.\nAnswer: yes",
            ),
            (
                "Do not explain. Reply with only the number.",
                "So.\nAnswer: 5",
                "5",
            ),
            (
                "Return JSON: {\"price_cents\": 1}",
                "So.\nAnswer: $5",
                r#"{"price_cents":500}"#,
            ),
            (
                "May only the buyer reply?",
                "So.\nAnswer: no",
                "So.\nAnswer: no",
            ),
        ] {
            let wording = format!("{wording}\n{LETTERS_SCHEMA}");
            assert_eq!(
                to_closing_form(&wording, &wording, text),
                expected,
                "{wording}"
            );
        }
    }

    #[test]
    fn bare_numbers_use_the_unit_of_the_question() {
        const ONLY_INSTRUCTION: &str = "Reply with only the number.";
        for (question, instruction, answer, expected) in [
            ("How far, in meters?", ONLY_INSTRUCTION, "5 km", "5000"),
            ("How far?", ONLY_INSTRUCTION, "5 km", "5 km"),
            ("Which share, as a decimal?", ONLY_INSTRUCTION, "50%", "0.5"),
            ("Which share?", ONLY_INSTRUCTION, "50%", "50%"),
            ("How many apples?", ONLY_INSTRUCTION, "5 apples", "5"),
            ("Price?", "Only the number.", "$5", "5"),
            ("How many bytes?", ONLY_INSTRUCTION, "5 kB", "5 kB"),
            ("How long in minutes?", ONLY_INSTRUCTION, "2 h", "120"),
            ("How much?", "Just give me the number.", "5", "5"),
            ("Wie viele?", "Nur die Zahl bitte.", "5", "5"),
        ] {
            let wording = format!("{question} {instruction}");
            let text = to_closing_form(&wording, &wording, &format!("So.\n\nAnswer: {answer}"));
            assert_eq!(text, expected, "{wording} {answer}");
        }
        for (question, answer, expected) in [
            ("Write it after ####.", "5 apples", "#### 5"),
            ("How far in m? Write it after ####.", "5 km", "#### 5000"),
            ("Put it in \\boxed{}.", "5 apples", "\\boxed{5}"),
            ("Put it in \\boxed{}.", "5 kB", "\\boxed{5 kB}"),
        ] {
            let text = to_closing_form(question, question, &format!("Answer: {answer}"));
            assert_eq!(text.lines().next_back(), Some(expected), "{question}");
        }
        let asked = "How many? Answer in JSON with key \"total\".";
        assert_eq!(to_closing_form(asked, asked, "Answer: 5"), r#"{"total":5}"#);
    }

    #[test]
    fn requested_objects_contain_the_winning_value() {
        let of = |kind: Value| {
            format(
                json!({"type": "object", "properties": {"result": kind}, "required": ["result"]}),
            )
        };
        for (kind, text, expected) in [
            (
                json!({"type": "number"}),
                "Answer: $1.2k",
                Some(r#"{"result":1200}"#),
            ),
            (json!({"type": "integer"}), "Answer: 2.5", None),
            (
                json!({"type": "string"}),
                "Answer: $1.2k",
                Some(r#"{"result":"$1.2k"}"#),
            ),
            (
                json!({"type": "boolean"}),
                "Answer: Yes.",
                Some(r#"{"result":true}"#),
            ),
            (
                json!({"enum": ["Spam", "Ham"]}),
                "Answer: spam",
                Some(r#"{"result":"Spam"}"#),
            ),
            (json!({"enum": ["Spam", "Ham"]}), "Answer: eggs", None),
            (
                json!({"type": "string", "format": "date"}),
                "Answer: 4 May 2026",
                Some(r#"{"result":"2026-05-04"}"#),
            ),
            (
                json!({"type": "string", "format": "date"}),
                "Answer: 03/04/2026",
                None,
            ),
            (
                json!({"type": "string", "format": "date"}),
                "Answer: next week",
                None,
            ),
        ] {
            assert_eq!(
                answer_object("Which?", text, &of(kind), &[]).as_deref(),
                expected,
                "{text}"
            );
        }
        let any = Format {
            any: true,
            schema: json!({"type": "object"}),
            ..Format::default()
        };
        assert_eq!(
            answer_object("Which?", "Answer: 5", &any, &[]).as_deref(),
            Some(r#"{"answer":"5"}"#)
        );
    }

    #[test]
    fn numbers_are_converted_to_the_requested_unit() {
        for (question, name, votes, expected) in [
            ("Q?", "n", ["50%", "1/2"], Some("0.5")),
            ("Q?", "n", ["1/2", "50%"], Some("0.5")),
            ("Q?", "percent", ["50%", "1/2"], Some("50")),
            ("Q?", "share_pct", ["0.5", "50 %"], Some("50")),
            ("What percentage?", "n", ["50%", "50"], Some("50")),
            ("Q?", "metres", ["5 km", "5000 m"], Some("5000")),
            ("Q?", "distanceKm", ["5000 m", "5 km"], Some("5")),
            ("Q?", "hours", ["90 minutes", "1.5 h"], Some("1.5")),
            ("Q?", "n", ["5 km", "5000 m"], None),
            ("Q?", "n", ["5 km", "5 kilometers"], None),
            ("Q?", "percent", ["0.5", "1/2"], Some("0.5")),
            ("Q?", "metres", ["5 kg", "5 kg"], None),
            ("Q?", "price_cents", ["$5.00", "$5"], Some("500")),
            ("Q?", "meters_per_second", ["36 km/h", "10 m/s"], Some("10")),
            ("How many hours?", "n", ["3 hours", "3"], Some("3")),
            ("Q?", "n", ["$1,200.00", "1200"], Some("1200")),
            ("Q?", "n", ["5 \u{2030}", "0.005"], Some("0.005")),
        ] {
            let schema = json!({"type": "object", "properties": {name: {"type": "number"}}});
            let reader = AnswerReader::new(question);
            let values: Vec<AnswerValue> = votes
                .iter()
                .filter_map(|vote| reader.parse_statement(vote))
                .collect();
            let found = answer_object(question, votes[0], &format(schema), &values);
            let expected = expected.map(|number| format!("{{\"{name}\":{number}}}"));
            assert_eq!(found, expected, "{question} {name} {votes:?}");
        }
        let schema = json!({"type": "object", "properties": {"n": {"type": "number"}}});
        for (question, vote, expected) in [
            ("Score?", "7/10", None),
            ("From 1 to 10, out of 10?", "7/10", None),
            ("What part?", "7/10", Some(r#"{"n":0.7}"#)),
            ("How old is he?", "35 years", Some(r#"{"n":35}"#)),
        ] {
            let found = answer_object(question, vote, &format(schema.clone()), &[]);
            assert_eq!(found.as_deref(), expected, "{question} {vote}");
        }
        for (answer, closing) in [("Answer: 50%", "#### 50%"), ("Answer: 5 km", "#### 5 km")] {
            let text = to_closing_form("Q?", "End with \"#### X\".", &format!("So.\n{answer}"));
            assert_eq!(text, format!("So.\n{answer}\n{closing}"));
        }
    }

    #[test]
    fn schemas_that_one_value_cannot_fill_are_rejected() {
        let two = json!({"a": {"type": "string"}, "b": {"type": "string"}});
        let two_required =
            format(json!({"type": "object", "properties": two, "required": ["a", "b"]}));
        assert!(check_votable(&two_required).is_err());
        let list = format(json!({"type": "object", "properties": {"a": {"type": "array"}}}));
        assert!(check_votable(&list).is_err());
        let answer = json!({"answer": {"type": "string"}, "b": {"type": "string"}});
        assert!(check_votable(&format(json!({"type": "object", "properties": answer}))).is_ok());
    }
}
