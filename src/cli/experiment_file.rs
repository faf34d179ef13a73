//! Reads an experiment file, and adds the line numbers of its fields to error messages.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::args::CommandCall;
use super::outcome::{CommandFailure, failed, usage};
use super::screen::print_progress;
use crate::app::experiments::{self, ExperimentParams};
use crate::app::{Error, Kind};
use crate::http::handlers::experiments::NewExperiment;
use crate::http::json;

/// The line number of each field in an experiment file.
pub(super) struct FieldLines {
    file: String,
    lines: BTreeMap<String, usize>,
}

/// An experiment read from a file: the body of `POST /api/experiments`, and the line numbers of its fields.
pub(super) struct ExperimentFile {
    pub body: Value,
    pub lines: FieldLines,
}

/// Reads an experiment and its cases from files. Budgets given as options override those in the file.
///
/// # Errors
/// Returns an error if a file cannot be read, is malformed, or contains an invalid case, or if a budget is not a
/// number.
pub(super) fn read(call: &CommandCall, file: &Path) -> Result<ExperimentFile, CommandFailure> {
    let read_bytes = |path: &Path| {
        std::fs::read(path)
            .or_else(|error| failed(format!("cannot read {}: {error}", path.display())))
    };
    let display_path = file.display().to_string();
    let text = String::from_utf8(read_bytes(file)?)
        .or_else(|_| failed(format!("{display_path} is not UTF-8 text")))?;
    let (mut body, lines) = experiments::read_file(&text)
        .or_else(|error| failed(format!("{display_path}, {}", error.public)))?;
    let lines = FieldLines {
        file: display_path,
        lines,
    };
    if let Some(name) = body["cases_file"].as_str() {
        let path = file.parent().unwrap_or(Path::new("")).join(name);
        let read = experiments::read_cases(&read_bytes(&path)?);
        let read = read.or_else(|error| failed(format!("{name}: {}", error.public)))?;
        for note in &read.notes {
            print_progress(&format!("{name}: {note}"));
        }
        body["cases"] = json!(read.cases);
        if let Some(object) = body.as_object_mut() {
            object.remove("cases_file");
        }
    }
    for (option, field) in [("budget", "cost_usd"), ("evaluations", "evaluations")] {
        if let Some(text) = call.value(option) {
            let Ok(number) = serde_json::from_str::<serde_json::Number>(text) else {
                return usage(format!("--{option} needs a number"));
            };
            body["budget"][field] = Value::Number(number);
        }
    }
    Ok(ExperimentFile { body, lines })
}

impl ExperimentFile {
    /// Parses and validates the experiment's parameters.
    ///
    /// # Errors
    /// Returns an error if a field is invalid.
    pub(super) fn params(&self) -> Result<ExperimentParams, CommandFailure> {
        let new: NewExperiment =
            json::from_value(self.body.clone()).map_err(|error| self.lines.explain(error))?;
        new.into_params().map_err(|error| self.lines.explain(error))
    }
}

impl FieldLines {
    /// Converts an error about invalid fields to a message with the file and line number of each field.
    pub(super) fn explain(&self, error: Error) -> CommandFailure {
        if error.kind != Kind::BadInput || error.fields.is_empty() {
            return error.into();
        }
        let fields = error.fields.iter().map(|field| {
            let path = field.location.get(1..).unwrap_or_default();
            self.locate_error(path, &field.message)
        });
        CommandFailure::Failed(fields.collect::<Vec<_>>().join("\n"))
    }

    /// Adds the file and line numbers of the invalid fields to a server's error message.
    pub(super) fn explain_refusal(&self, why: &str) -> CommandFailure {
        let pieces = why.replace("; body.", "\nbody.");
        let located_lines = pieces.lines().map(|piece| {
            let field = piece.strip_prefix("body.");
            match field.and_then(|field| field.split_once(": ")) {
                Some((path, why)) => {
                    let path: Vec<String> = path.split('.').map(str::to_owned).collect();
                    self.locate_error(&path, why)
                }
                None => piece.to_owned(),
            }
        });
        CommandFailure::Failed(located_lines.collect::<Vec<_>>().join("\n"))
    }

    fn locate_error(&self, path: &[String], why: &str) -> String {
        let location = match self.line(path) {
            Some(line) => format!("{}, line {line}", self.file),
            None => self.file.clone(),
        };
        format!("{location}: {}: {why}", path.join("."))
    }

    /// Returns the line number of a field or, if the field has none, of the closest enclosing field that has one.
    fn line(&self, path: &[String]) -> Option<usize> {
        let paths = (1..=path.len())
            .rev()
            .map(|length| path[..length].join("."));
        paths
            .into_iter()
            .find_map(|path| self.lines.get(&path).copied())
    }
}
