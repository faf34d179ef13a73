//! The form of a vote's answer: the winner's own words, closed as the question asked, or the JSON object that a
//! client requested.

use serde_json::{Map, Number, Value, json};

use crate::domain::answer_value::{AnswerReader, AnswerValue, Ratio};
use crate::domain::chat::Format;

/// How a question asks answers to close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClosingForm {
    /// `#### X`, as in GSM8K.
    Hashes,
    /// `\boxed{X}`.
    Boxed,
    /// `Answer: X`, or no form: the members are asked for this line anyway.
    Line,
}

/// The winner's answer in the form that `wording`, the question and the turns before it, asks for: unchanged where
/// its words close in that form, else with one more line.
pub fn closed(question: &str, wording: &str, text: &str) -> String {
    let text = text.trim_end();
    let (form, last) = (asked(wording), text.lines().next_back().unwrap_or_default());
    let fits = match form {
        ClosingForm::Line => true,
        ClosingForm::Hashes => last.trim_start().starts_with("####"),
        ClosingForm::Boxed => last.contains("\\boxed{"),
    };
    let Some(stated) = AnswerReader::statement(text).filter(|_| !fits) else {
        return text.to_owned();
    };
    let value = AnswerReader::new(question).read(text);
    let stated = plain_number(value.as_ref()).map_or(stated, |number| number.to_string());
    match form {
        ClosingForm::Hashes => format!("{text}\n#### {stated}"),
        _ => format!("{text}\n\\boxed{{{stated}}}"),
    }
}

/// Why a format cannot hold the answer of a vote: it must be an object with one required value, or one that is
/// called "answer".
///
/// # Errors
/// With the reason, when there is no such property.
pub fn check(format: &Format) -> Result<(), String> {
    property(format).map(drop).ok_or_else(|| {
        "a vote fills one value: the schema must have a single required property, or one called \"answer\", of \
         type string, number, integer, or boolean"
            .to_owned()
    })
}

/// The winner's answer as the requested JSON object; none if its value does not fit the schema.
pub fn object(question: &str, text: &str, format: &Format) -> Option<String> {
    let (name, schema) = property(format)?;
    let value = AnswerReader::new(question).read(text)?;
    let stated = AnswerReader::statement(text)?;
    let as_text = match &value {
        AnswerValue::Choice(_) | AnswerValue::YesNo(_) => value.to_string(),
        _ => stated,
    };
    let number = plain_number(Some(&value)).and_then(json_number);
    let candidates = [
        number.map(Value::Number),
        match value {
            AnswerValue::YesNo(is_yes) => Some(Value::Bool(is_yes)),
            _ => None,
        },
        Some(enumerated(&schema, &as_text).unwrap_or(Value::String(as_text))),
    ];
    let fitting = |value: Value| {
        let object = Value::Object(Map::from_iter([(name.clone(), value)])).to_string();
        format.fitting(&object).is_ok().then_some(object)
    };
    let prefers_text = schema["type"] == "string" || schema.get("enum").is_some() || format.any;
    let mut candidates: Vec<Value> = candidates.into_iter().flatten().collect();
    if prefers_text {
        candidates.reverse();
    }
    candidates.into_iter().find_map(fitting)
}

// The property that holds the answer, with its schema.
fn property(format: &Format) -> Option<(String, Value)> {
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

// The permitted word that equals the answer but for its case.
fn enumerated(schema: &Value, said: &str) -> Option<Value> {
    let words = schema["enum"].as_array()?;
    let same = |word: &&Value| {
        word.as_str()
            .is_some_and(|word| word.to_lowercase() == said.to_lowercase())
    };
    words.iter().find(same).cloned()
}

// The number as written, without currency or unit.
fn plain_number(value: Option<&AnswerValue>) -> Option<Ratio> {
    value?.quantity()?.written
}

fn json_number(number: Ratio) -> Option<Number> {
    match number.is_whole() {
        true => number.to_string().parse::<i64>().ok().map(Number::from),
        false => Number::from_f64(number.to_f64()),
    }
}

fn asked(wording: &str) -> ClosingForm {
    if wording.contains("####") {
        ClosingForm::Hashes
    } else if wording.contains("\\boxed") {
        ClosingForm::Boxed
    } else {
        ClosingForm::Line
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
    fn the_winners_words_close_as_the_question_asks() {
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
            assert_eq!(closed(question, question, text), expected);
        }
    }

    #[test]
    fn a_requested_object_holds_the_value() {
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
        ] {
            assert_eq!(
                object("Which?", text, &of(kind)).as_deref(),
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
            object("Which?", "Answer: 5", &any).as_deref(),
            Some(r#"{"answer":"5"}"#)
        );
    }

    #[test]
    fn what_one_value_cannot_fill_is_refused() {
        let two = json!({"a": {"type": "string"}, "b": {"type": "string"}});
        let refused = format(json!({"type": "object", "properties": two, "required": ["a", "b"]}));
        assert!(check(&refused).is_err());
        let list = format(json!({"type": "object", "properties": {"a": {"type": "array"}}}));
        assert!(check(&list).is_err());
        let answer = json!({"answer": {"type": "string"}, "b": {"type": "string"}});
        assert!(check(&format(json!({"type": "object", "properties": answer}))).is_ok());
    }
}
