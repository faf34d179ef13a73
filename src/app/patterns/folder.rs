//! Parses pattern files: detects the format and locates problems by line. An invalid file is reported and skipped,
//! and never prevents startup.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::domain::pattern::Pattern;
use crate::domain::pattern::file::{self, PatternError};
use crate::wire::{json_positions, toml_text};

/// Maximum number of files read from a folder.
const MAX_FILES: usize = 200;
/// Maximum size of a pattern file, in bytes.
pub const MAX_BYTES: usize = 256 << 10;

/// A problem in a pattern's text, with its location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternProblem {
    /// One-based line number, if known.
    pub line: Option<usize>,
    /// Path of the field, such as `stages.1.prompt`; empty if the problem concerns the whole text or the text
    /// cannot be parsed.
    pub location: String,
    /// The problem, in lowercase.
    pub message: String,
}

impl fmt::Display for PatternProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.location.is_empty() {
            write!(f, "{}: ", self.location)?;
        }
        f.write_str(&self.message)
    }
}

impl From<PatternError> for PatternProblem {
    fn from(error: PatternError) -> Self {
        Self {
            line: None,
            location: error.location,
            message: error.message,
        }
    }
}

/// A pattern, with warnings about it.
pub type ParsedPattern = (Pattern, Vec<PatternProblem>);

/// Parses a pattern: JSON if the text begins with a brace, otherwise TOML.
///
/// # Errors
/// Returns the problems that make the text invalid.
pub fn parse(text: &str) -> Result<ParsedPattern, Vec<PatternProblem>> {
    let unreadable = |line, message: String| {
        vec![PatternProblem {
            line: Some(line),
            location: String::new(),
            message,
        }]
    };
    if text.len() > MAX_BYTES {
        return Err(unreadable(
            1,
            format!("larger than {} KiB", MAX_BYTES >> 10),
        ));
    }
    let (value, lines) = if text.trim_start().starts_with('{') {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| unreadable(error.line(), format!("not JSON: {error}")))?;
        (value, json_positions::lines_by_path(text))
    } else {
        let document =
            toml_text::parse_toml(text).map_err(|error| unreadable(error.line, error.message))?;
        (document.value, document.lines)
    };
    // A missing field has no line, but the table that should contain it does.
    let line = |location: &str| {
        let mut location = location;
        loop {
            if let Some(line) = lines.get(location) {
                return Some(*line);
            }
            location = location.rsplit_once('.')?.0;
        }
    };
    let to_problem = |error: PatternError| PatternProblem {
        line: line(&error.location),
        ..PatternProblem::from(error)
    };
    match file::parse_pattern(&value) {
        Ok(pattern) => {
            let warnings = file::warnings(&pattern);
            Ok((pattern, warnings.into_iter().map(to_problem).collect()))
        }
        Err(errors) => Err(errors.into_iter().map(to_problem).collect()),
    }
}

/// Reads and parses a pattern file of at most [`MAX_BYTES`] bytes.
///
/// # Errors
/// Returns the problems that make the file unreadable or invalid.
pub fn read(path: &Path) -> Result<ParsedPattern, Vec<PatternProblem>> {
    let unreadable = |message: String| {
        vec![PatternProblem {
            line: None,
            location: String::new(),
            message,
        }]
    };
    let length = fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    if length.len() > MAX_BYTES as u64 {
        return Err(unreadable(format!("larger than {} KiB", MAX_BYTES >> 10)));
    }
    let text = fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    parse(&text)
}

/// Loads up to [`MAX_FILES`] pattern files of a folder, ordered by file name. Also returns a message for each problem.
/// A missing folder is a problem only if it was configured.
pub(super) fn load(folder: &Path, is_configured: bool) -> (Vec<Pattern>, Vec<String>) {
    let mut errors = Vec::new();
    let mut paths: Vec<PathBuf> = match fs::read_dir(folder) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(error) => {
            if is_configured || error.kind() != std::io::ErrorKind::NotFound {
                errors.push(format!("{}: {error}", folder.display()));
            }
            return (Vec::new(), errors);
        }
    };
    paths.retain(|path| {
        let kind = path.extension().and_then(|kind| kind.to_str());
        matches!(kind, Some("toml" | "json"))
    });
    paths.sort();
    if paths.len() > MAX_FILES {
        let count = paths.len();
        let display_path = folder.display();
        errors.push(format!(
            "{display_path}: {count} files, of which only {MAX_FILES} are read"
        ));
        paths.truncate(MAX_FILES);
    }
    let mut patterns: Vec<Pattern> = Vec::new();
    for path in paths {
        let display_path = path.display();
        match read(&path) {
            Ok((pattern, _)) if patterns.iter().any(|known| known.id == pattern.id) => {
                errors.push(format!(
                    "{display_path}: another file already has the ID {}",
                    pattern.id
                ));
            }
            Ok((pattern, _)) => patterns.push(pattern),
            Err(problem) => errors.extend(
                problem
                    .iter()
                    .map(|problem| format!("{display_path}: {problem}")),
            ),
        }
    }
    (patterns, errors)
}
