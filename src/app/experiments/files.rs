//! Parses files written by users: lists of cases, and whole experiments for the command line.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::app::{Error, Kind, Result};
use crate::domain::experiment::MAX_CASES;
use crate::domain::experiment::cases::{self, ParsedCases};
use crate::extract;
use crate::wire::toml_text;

/// Parses cases from a table with a header, a JSON list, or JSON Lines; the format is detected.
///
/// # Errors
/// `BadRequest` if the file is not UTF-8; `BadInput` if a case is invalid.
pub fn read_cases(bytes: &[u8]) -> Result<ParsedCases> {
    let text = std::str::from_utf8(bytes).map_err(|_| {
        let error = Error::new(Kind::BadRequest, "the file is not UTF-8 text");
        error.resolve("save it as CSV in UTF-8, or as JSON")
    })?;
    let first = text.trim_start_matches('\u{feff}').trim_start();
    let read = match first.starts_with(['{', '[']) {
        true => cases::from_json(text),
        // Read the header, the maximum number of rows, and one more row, so that too many rows are detected.
        false => cases::from_rows(&extract::records(text, MAX_CASES + 2).unwrap_or_default()),
    };
    read.map_err(|parse_error| {
        Error::field(&["body", "cases"], "value_error", parse_error.to_string())
    })
}

/// Parses an experiment in TOML or JSON, with the fields of the API request. Returns it with the line numbers of
/// its fields by path, such as `cases.1.prompt` (none for JSON).
///
/// # Errors
/// `BadRequest` with the line of a syntax error.
pub fn read_file(text: &str) -> Result<(Value, BTreeMap<String, usize>)> {
    let parse_error =
        |line: usize, why: String| Error::new(Kind::BadRequest, format!("line {line}: {why}"));
    if text.trim_start().starts_with('{') {
        return crate::domain::json::parse(text)
            .map(|value| (value, BTreeMap::new()))
            .map_err(|error| parse_error(error.line(), format!("not JSON: {error}")));
    }
    let document =
        toml_text::parse_toml(text).map_err(|error| parse_error(error.line, error.message))?;
    Ok((document.value, document.lines))
}
