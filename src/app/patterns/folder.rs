//! Patterns in files and texts: which format, which line. A bad file is told and left out; it never keeps
//! the program from starting.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::domain::pattern::Pattern;
use crate::domain::pattern::file::{self, PatternError};
use crate::wire::{places, toml_text};

/// Files of a folder that are read.
const MOST_FILES: usize = 200;
/// Bytes of a file.
pub const MOST_BYTES: usize = 256 << 10;

/// What is wrong with a text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternProblem {
    /// From 1, where it is known.
    pub line: Option<usize>,
    /// `stages.1.prompt`; empty where it is about the whole or cannot be read.
    pub place: String,
    /// In lower case.
    pub message: String,
}

impl fmt::Display for PatternProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&self.message)
    }
}

impl From<PatternError> for PatternProblem {
    fn from(fault: PatternError) -> Self {
        Self {
            line: None,
            place: fault.place,
            message: fault.message,
        }
    }
}

/// A pattern, and what will disappoint whoever runs it.
pub type Read = (Pattern, Vec<PatternProblem>);

/// Reads a text: JSON where it begins with a brace, else TOML.
pub fn parse(text: &str) -> Result<Read, Vec<PatternProblem>> {
    let unreadable = |line, message: String| {
        vec![PatternProblem {
            line: Some(line),
            place: String::new(),
            message,
        }]
    };
    if text.len() > MOST_BYTES {
        return Err(unreadable(
            1,
            format!("larger than {} KiB", MOST_BYTES >> 10),
        ));
    }
    let (value, lines) = if text.trim_start().starts_with('{') {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| unreadable(error.line(), format!("not JSON: {error}")))?;
        (value, places::lines(text))
    } else {
        let document =
            toml_text::read(text).map_err(|fault| unreadable(fault.line, fault.message))?;
        (document.value, document.lines)
    };
    // What is missing has no line; what it is missing from has.
    let line = |place: &str| {
        let mut place = place;
        loop {
            if let Some(line) = lines.get(place) {
                return Some(*line);
            }
            place = place.rsplit_once('.')?.0;
        }
    };
    let told = |fault: PatternError| PatternProblem {
        line: line(&fault.place),
        ..PatternProblem::from(fault)
    };
    match file::read(&value) {
        Ok(pattern) => {
            let warnings = file::warnings(&pattern);
            Ok((pattern, warnings.into_iter().map(told).collect()))
        }
        Err(faults) => Err(faults.into_iter().map(told).collect()),
    }
}

/// Reads a file.
pub fn read(path: &Path) -> Result<Read, Vec<PatternProblem>> {
    let unreadable = |message: String| {
        vec![PatternProblem {
            line: None,
            place: String::new(),
            message,
        }]
    };
    let length = fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    if length.len() > MOST_BYTES as u64 {
        return Err(unreadable(format!("larger than {} KiB", MOST_BYTES >> 10)));
    }
    let text = fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    parse(&text)
}

/// All patterns of a folder in the order of their files' names, and a sentence for each fault. A folder that
/// is not there is a fault only where somebody has named it.
pub(super) fn load(folder: &Path, named: bool) -> (Vec<Pattern>, Vec<String>) {
    let mut faults = Vec::new();
    let mut paths: Vec<PathBuf> = match fs::read_dir(folder) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(error) => {
            if named || error.kind() != std::io::ErrorKind::NotFound {
                faults.push(format!("{}: {error}", folder.display()));
            }
            return (Vec::new(), faults);
        }
    };
    paths.retain(|path| {
        let kind = path.extension().and_then(|kind| kind.to_str());
        matches!(kind, Some("toml" | "json"))
    });
    paths.sort();
    if paths.len() > MOST_FILES {
        let count = paths.len();
        let shown = folder.display();
        faults.push(format!(
            "{shown}: {count} files, of which {MOST_FILES} are read"
        ));
        paths.truncate(MOST_FILES);
    }
    let mut patterns: Vec<Pattern> = Vec::new();
    for path in paths {
        let shown = path.display();
        match read(&path) {
            Ok((pattern, _)) if patterns.iter().any(|known| known.id == pattern.id) => {
                faults.push(format!(
                    "{shown}: another file has the id {} already",
                    pattern.id
                ));
            }
            Ok((pattern, _)) => patterns.push(pattern),
            Err(told) => faults.extend(told.iter().map(|told| format!("{shown}: {told}"))),
        }
    }
    (patterns, faults)
}
