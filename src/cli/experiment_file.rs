//! Reads the file of an experiment, and names its lines in errors.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::args::CommandCall;
use super::local_session::LocalSession;
use super::outcome::{CommandFailure, failed, usage};
use super::screen::progress;
use crate::app::experiments::ExperimentParams;
use crate::app::{Error, Kind};
use crate::http::handlers::experiments::NewExperiment;
use crate::http::json;

/// The lines of a file's fields.
pub(super) struct FieldLines {
    file: String,
    lines: BTreeMap<String, usize>,
}

/// Reads the experiment in a file, with the budget of the command line.
///
/// # Errors
/// When a file cannot be read, or a field is invalid.
pub(super) fn read(
    call: &CommandCall,
    home: &LocalSession,
    file: &Path,
) -> Result<(ExperimentParams, FieldLines), CommandFailure> {
    let open = |path: &Path| {
        std::fs::read(path)
            .or_else(|error| failed(format!("cannot read {}: {error}", path.display())))
    };
    let shown = file.display().to_string();
    let text =
        String::from_utf8(open(file)?).or_else(|_| failed(format!("{shown} is not UTF-8 text")))?;
    let experiments = home.app.experiments();
    let (mut value, lines) = experiments
        .read_file(&text)
        .or_else(|error| failed(format!("{shown}, {}", error.public)))?;
    let lines = FieldLines { file: shown, lines };
    if let Some(name) = value["cases_file"].as_str() {
        let beside = file.parent().unwrap_or(Path::new("")).join(name);
        let read = experiments.read_cases(&open(&beside)?);
        let read = read.or_else(|error| failed(format!("{name}: {}", error.public)))?;
        for note in &read.notes {
            progress(&format!("{name}: {note}"));
        }
        value["cases"] = json!(read.cases);
        if let Some(object) = value.as_object_mut() {
            object.remove("cases_file");
        }
    }
    for (option, field) in [("budget", "cost_usd"), ("evaluations", "evaluations")] {
        if let Some(text) = call.value(option) {
            let Ok(number) = serde_json::from_str::<serde_json::Number>(text) else {
                return usage(format!("--{option} needs a number"));
            };
            value["budget"][field] = Value::Number(number);
        }
    }
    let new: NewExperiment = json::from_value(value).map_err(|error| lines.explain(error))?;
    let params = new.into_params().map_err(|error| lines.explain(error))?;
    Ok((params, lines))
}

impl FieldLines {
    /// An error with the lines of its fields.
    pub(super) fn explain(&self, error: Error) -> CommandFailure {
        if error.kind != Kind::BadInput || error.fields.is_empty() {
            return error.into();
        }
        let fields = error.fields.iter().map(|field| {
            let path = field.place.get(1..).unwrap_or_default();
            let place = match self.line(path) {
                Some(line) => format!("{}, line {line}", self.file),
                None => self.file.clone(),
            };
            format!("{place}: {}: {}", path.join("."), field.message)
        });
        CommandFailure::Failed(fields.collect::<Vec<_>>().join("\n"))
    }

    /// The line of a field, or of the closest one around it.
    fn line(&self, path: &[String]) -> Option<usize> {
        let paths = (1..=path.len())
            .rev()
            .map(|length| path[..length].join("."));
        paths
            .into_iter()
            .find_map(|path| self.lines.get(&path).copied())
    }
}
