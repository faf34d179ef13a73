//! Imports cases from common formats: tables with a header, lists of JSON objects, and evaluation sets in OpenAI's
//! format. Recognizes common column names. An invalid row is an error with its line number.

use serde_json::{Map, Value};

use super::{Case, MAX_CASES};

/// Maximum length of a question in characters.
const MAX_PROMPT: usize = 200_000;

const PROMPT_COLUMNS: &[&str] = &["prompt", "question", "input", "query", "problem"];
const EXPECTED_COLUMNS: &[&str] = &[
    "expected",
    "answer",
    "target",
    "ideal",
    "reference",
    "output",
];
const LABEL_COLUMNS: &[&str] = &["label", "category", "group", "topic", "subject"];
const DOCUMENT_COLUMNS: &[&str] = &["documents", "document_ids"];

/// An error in a file of cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CasesError {
    /// Line number, from 1; `None` for the file as a whole.
    pub line: Option<usize>,
    /// Description of the error.
    pub reason: String,
}

impl std::fmt::Display for CasesError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

/// Imported cases and notes for the user.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ParsedCases {
    /// Cases in file order.
    pub cases: Vec<Case>,
    /// Notes, such as unused columns.
    pub notes: Vec<String>,
}

/// Imports cases from table rows, each with the line on which it starts; the first row names the columns.
///
/// # Errors
/// Returns an error if the table has no header or no cases, no column holds questions, a question is missing or too
/// long, or there are more than `MAX_CASES` cases.
pub fn from_rows(rows: &[(usize, Vec<String>)]) -> Result<ParsedCases, CasesError> {
    let Some(((_, header), rows)) = rows.split_first() else {
        return Err(file_error("the file is empty"));
    };
    let names: Vec<String> = header
        .iter()
        .map(|name| name.trim().to_lowercase())
        .collect();
    let column = |known: &[&str]| {
        let mut known = known.iter();
        known.find_map(|known| names.iter().position(|name| name == known))
    };
    let Some(prompt) = column(PROMPT_COLUMNS) else {
        return Err(file_error(&format!(
            "no column is named {}; the first line must contain the column names",
            PROMPT_COLUMNS.join(", ")
        )));
    };
    let others = [
        column(EXPECTED_COLUMNS),
        column(LABEL_COLUMNS),
        column(DOCUMENT_COLUMNS),
    ];
    let mut read = ParsedCases::default();
    for (line, row) in rows {
        let cell = |place: Option<usize>| {
            let text = row.get(place?)?.trim();
            (!text.is_empty()).then(|| text.to_owned())
        };
        if row.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let documents = cell(others[2]).unwrap_or_default();
        let words = documents
            .split([' ', ';', ','])
            .filter(|word| !word.is_empty());
        let case = Case {
            prompt: cell(Some(prompt)).unwrap_or_default(),
            expected: cell(others[0]),
            label: cell(others[1]),
            documents: words.map(str::to_owned).collect(),
        };
        add_case(&mut read, case, Some(*line))?;
    }
    let used = |place: usize| place == prompt || others.contains(&Some(place));
    let unused: Vec<&str> = (names.iter().enumerate())
        .filter(|(place, name)| !used(*place) && !name.is_empty())
        .map(|(_, name)| name.as_str())
        .collect();
    if !unused.is_empty() {
        read.notes
            .push(format!("unused columns: {}", unused.join(", ")));
    }
    check_not_empty(read)
}

/// Imports cases from JSON objects, one per line or in a list.
///
/// # Errors
/// Returns an error if the text is not JSON, an entry is not an object, a question is missing or too long, or
/// there are no cases or more than `MAX_CASES`.
pub fn from_json(text: &str) -> Result<ParsedCases, CasesError> {
    let mut read = ParsedCases::default();
    let trimmed = text.trim_start_matches('\u{feff}').trim();
    if trimmed.starts_with('[') || is_single_object(trimmed) {
        let all: Value = crate::domain::json::parse(trimmed).map_err(|error| CasesError {
            line: Some(error.line()),
            reason: format!("not JSON: {error}"),
        })?;
        let all = match all {
            Value::Object(mut one) => one.remove("cases").unwrap_or(Value::Object(one)),
            other => other,
        };
        let list = match all {
            Value::Array(list) => list,
            one => vec![one],
        };
        for (place, value) in list.iter().enumerate() {
            let case = parse_case(value)
                .map_err(|why| file_error(&format!("case {}: {why}", place + 1)))?;
            add_case(&mut read, case, None)?;
        }
        return check_not_empty(read);
    }
    for (place, line) in trimmed.lines().enumerate() {
        let line_number = Some(place + 1);
        if line.trim().is_empty() {
            continue;
        }
        let invalid = |why: String| CasesError {
            line: line_number,
            reason: why,
        };
        let value: Value = crate::domain::json::parse(line)
            .map_err(|error| invalid(format!("not JSON: {error}")))?;
        add_case(&mut read, parse_case(&value).map_err(invalid)?, line_number)?;
    }
    check_not_empty(read)
}

// Whether the text is one object spread over several lines rather than one object per line.
fn is_single_object(text: &str) -> bool {
    text.starts_with('{')
        && text
            .lines()
            .next()
            .is_some_and(|line| serde_json::from_str::<serde::de::IgnoredAny>(line).is_err())
}

fn parse_case(value: &Value) -> Result<Case, String> {
    let Some(object) = value.as_object() else {
        return Err("expected an object".to_owned());
    };
    let prompt = find_field(object, PROMPT_COLUMNS)
        .map(text_of)
        .unwrap_or_default();
    let documents = find_field(object, DOCUMENT_COLUMNS).and_then(Value::as_array);
    let ids = documents.into_iter().flatten().filter_map(Value::as_str);
    let text = |known: &[&str]| {
        let text = find_field(object, known).map(text_of)?;
        (!text.trim().is_empty()).then_some(text)
    };
    Ok(Case {
        prompt,
        expected: text(EXPECTED_COLUMNS),
        label: text(LABEL_COLUMNS),
        documents: ids.map(str::to_owned).collect(),
    })
}

fn find_field<'v>(object: &'v Map<String, Value>, known: &[&str]) -> Option<&'v Value> {
    known.iter().find_map(|name| object.get(*name))
}

// Extracts text from a string or a number, from a chat (`[{"role", "content"}]`, without the assistant's messages), or
// from a list of acceptable answers, of which the first is used.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(list) if list.iter().any(|message| message["content"].is_string()) => {
            let prompts = list.iter().filter(|message| message["role"] != "assistant");
            let texts = prompts.filter_map(|message| message["content"].as_str());
            texts.collect::<Vec<_>>().join("\n\n")
        }
        Value::Array(list) => list.first().map(text_of).unwrap_or_default(),
        other => other.to_string(),
    }
}

fn add_case(read: &mut ParsedCases, case: Case, line: Option<usize>) -> Result<(), CasesError> {
    let case_number = read.cases.len() + 1;
    let error = |why: String| match line {
        Some(_) => CasesError { line, reason: why },
        None => file_error(&format!("case {case_number}: {why}")),
    };
    if case.prompt.trim().is_empty() {
        return Err(error("the question is missing".to_owned()));
    }
    if case.prompt.chars().count() > MAX_PROMPT {
        return Err(error(format!(
            "the question is longer than {MAX_PROMPT} characters"
        )));
    }
    if read.cases.len() == MAX_CASES {
        return Err(error(format!(
            "an experiment can have at most {MAX_CASES} cases"
        )));
    }
    read.cases.push(case);
    Ok(())
}

fn check_not_empty(mut read: ParsedCases) -> Result<ParsedCases, CasesError> {
    if read.cases.is_empty() {
        return Err(file_error("the file contains no cases"));
    }
    let without = read
        .cases
        .iter()
        .filter(|case| case.expected.is_none())
        .count();
    if without > 0 && without < read.cases.len() {
        read.notes.push(format!(
            "{without} of {} cases have no expected answer",
            read.cases.len()
        ));
    }
    Ok(read)
}

fn file_error(why: &str) -> CasesError {
    CasesError {
        line: None,
        reason: why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &[&[&str]]) -> Vec<(usize, Vec<String>)> {
        let row = |(place, cells): (usize, &&[&str])| {
            (
                place + 1,
                cells.iter().map(|&cell| cell.to_owned()).collect(),
            )
        };
        text.iter().enumerate().map(row).collect()
    }

    #[test]
    fn tables_with_the_names_that_people_use() {
        let read = from_rows(&rows(&[
            &["Question", "Answer", "Category", "id"],
            &["What is 1+1?", "2", "sums", "7"],
            &["", "", "", ""],
            &["What is 2+2?", "", "", "8"],
        ]));
        let read = read.expect("cases");
        assert_eq!(read.cases.len(), 2);
        assert_eq!(read.cases[0].expected.as_deref(), Some("2"));
        assert_eq!(read.cases[0].label.as_deref(), Some("sums"));
        assert_eq!(
            read.notes,
            ["unused columns: id", "1 of 2 cases have no expected answer"]
        );
        for (table, words) in [
            (rows(&[]), "empty"),
            (rows(&[&["a", "b"]]), "no column is named"),
            (rows(&[&["prompt"]]), "no case"),
            (
                rows(&[&["prompt", "answer"], &["", "2"]]),
                "line 2: the question is missing",
            ),
        ] {
            let error = from_rows(&table).expect_err("refused").to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn json_cases_from_other_tools_are_parsed() {
        for (text, prompt, expected) in [
            (r#"{"prompt":"a","expected":"b"}"#, "a", Some("b")),
            (r#"[{"question":"a","answer":7}]"#, "a", Some("7")),
            (
                r#"{"input":[{"role":"system","content":"s"},{"role":"user","content":"q"}],"ideal":["x","y"]}"#,
                "s\n\nq",
                Some("x"),
            ),
            ("{\n \"cases\": [{\"prompt\": \"a\"}]\n}", "a", None),
            (
                "\u{feff}{\"prompt\":\"a\"}\n\n{\"prompt\":\"b\"}\n",
                "a",
                None,
            ),
        ] {
            let read = from_json(text).expect(text);
            assert_eq!(read.cases[0].prompt, prompt, "{text}");
            assert_eq!(read.cases[0].expected.as_deref(), expected, "{text}");
        }
        for (text, words) in [
            ("", "no case"),
            ("{\"prompt\":\"a\"}\nnope", "line 2: not JSON"),
            (
                "{\"prompt\":\"a\"}\n{\"answer\":\"a\"}",
                "line 2: the question is missing",
            ),
            ("[7]", "case 1: expected an object"),
            ("[{\"prompt\":\"a\"},{}]", "case 2: the question is missing"),
        ] {
            let error = from_json(text).expect_err("refused").to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn more_than_can_be_handled_is_refused() {
        let line = "{\"prompt\":\"a\"}\n";
        assert!(from_json(&line.repeat(MAX_CASES)).is_ok());
        let error = from_json(&line.repeat(MAX_CASES + 1)).expect_err("refused");
        assert_eq!(error.line, Some(MAX_CASES + 1));
    }
}
