//! Merges the sources: defaults < file < `.env` < environment < flags. Returns raw text with its source; `check`
//! interprets it.

use std::collections::BTreeMap;
use std::fmt;

use super::file;
use super::mistaken::intended_setting;
use super::options::{self, OptionRow};
use crate::domain::closest::closest;

/// The contents of all setting sources.
#[derive(Debug, Default, Clone)]
pub struct ConfigLayers {
    /// Path and text of the file given with `--config`.
    pub file: Option<(String, String)>,
    /// Text of `.env` in the working directory.
    pub dotenv: Option<String>,
    /// Names and values of environment variables.
    pub environment: Vec<(String, String)>,
    /// Command-line flags as pairs of a setting's name and its value.
    pub flags: Vec<(String, String)>,
}

/// The source of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueSource {
    /// The default in the table of settings.
    Default,
    /// The file given with `--config`, with its path.
    File(String),
    /// `.env` in the working directory.
    DotEnv,
    /// An environment variable.
    Environment,
    /// A command-line flag.
    Flag,
}

impl fmt::Display for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueSource::Default => f.write_str("default"),
            ValueSource::File(path) => write!(f, "file {path}"),
            ValueSource::DotEnv => f.write_str(".env"),
            ValueSource::Environment => f.write_str("environment"),
            ValueSource::Flag => f.write_str("command line"),
        }
    }
}

/// A value as written.
#[derive(Debug, Clone)]
pub(super) struct RawValue {
    pub text: String,
    pub source: ValueSource,
    /// The name under which the value was set, which may be an alias.
    pub name: String,
}

/// The merged settings of all sources, as written, with the errors and warnings found in them.
#[derive(Debug, Default)]
pub(super) struct MergedSettings {
    pub values: BTreeMap<&'static str, RawValue>,
    pub errors: Vec<String>,
    pub warnings: Vec<String>,
}

/// Merges the layers; later ones override earlier ones.
pub(super) fn gather(layers: &ConfigLayers) -> MergedSettings {
    let mut gathered = MergedSettings::default();
    if let Some((path, text)) = &layers.file {
        let pairs = gathered.config_file(path, text);
        gathered.apply_layer(&pairs, &ValueSource::File(path.clone()));
    }
    if let Some(text) = &layers.dotenv {
        let pairs = gathered.dotenv(text);
        gathered.apply_layer(&pairs, &ValueSource::DotEnv);
    }
    // POSIX shells keep the path of their startup file in `ENV`, which is not meant for Quire.
    let environment: Vec<_> = layers
        .environment
        .iter()
        .filter(|(name, value)| name != "ENV" || !value.contains('/'))
        .cloned()
        .collect();
    gathered.apply_layer(&environment, &ValueSource::Environment);
    gathered.apply_layer(&layers.flags, &ValueSource::Flag);
    gathered
}

impl MergedSettings {
    /// Reads the configuration file. An unreadable line or unknown name is an error: the file was written for Quire.
    fn config_file(&mut self, path: &str, text: &str) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for (line, pair) in file::parse(text) {
            match pair {
                Err(why) => self.errors.push(format!("{path} line {line}: {why}")),
                Ok((name, _)) if !is_known(&name) => {
                    let names = options::SETTINGS.iter().map(|row| row.name);
                    let hint = match intended_setting(&name).or_else(|| closest(&name, names)) {
                        Some(meant) => format!("did you mean {meant}?"),
                        None => "`quire help settings` lists them".to_owned(),
                    };
                    self.errors.push(format!(
                        "{path} line {line}: there is no setting {name}; {hint}"
                    ));
                }
                Ok(pair) => pairs.push(pair),
            }
        }
        pairs
    }

    /// Reads `.env`. Unreadable lines are only warnings, because the file is often shared with other programs.
    fn dotenv(&mut self, text: &str) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for (line, pair) in file::parse(text) {
            match pair {
                Ok(pair) => pairs.push(pair),
                Err(why) => self
                    .warnings
                    .push(format!(".env line {line} is ignored: {why}")),
            }
        }
        pairs
    }

    fn apply_layer(&mut self, pairs: &[(String, String)], source: &ValueSource) {
        for row in options::SETTINGS {
            if let Some((name, text)) = self.find_value(row, pairs) {
                let raw = RawValue {
                    text,
                    source: source.clone(),
                    name,
                };
                self.values.insert(row.name, raw);
            }
        }
        for (name, value) in pairs {
            let meant = intended_setting(name).filter(|_| !value.is_empty());
            let is_set = |meant: &str| pairs.iter().any(|(variable, _)| variable == meant);
            if let Some(meant) = meant.filter(|meant| !is_set(meant)) {
                self.warnings.push(format!(
                    "{name} ({source}) has no effect; did you mean {meant}?"
                ));
            }
        }
        for (name, remedy) in options::REPLACED_SETTINGS {
            if pairs
                .iter()
                .any(|(variable, value)| variable == name && !value.is_empty())
            {
                self.warnings
                    .push(format!("{name} ({source}) has no effect: {remedy}"));
            }
        }
    }

    /// Returns the value under the main name, or else under the first alias that is set. Warns if another name has a
    /// different value. An empty value counts as unset, because environment templates use it to omit a setting.
    fn find_value(
        &mut self,
        row: &OptionRow,
        pairs: &[(String, String)],
    ) -> Option<(String, String)> {
        let mut last_match: Option<(String, String)> = None;
        for name in std::iter::once(&row.name).chain(row.aliases) {
            let last = pairs.iter().rev().find(|(variable, _)| variable == name);
            let Some((_, value)) = last.filter(|(_, value)| !value.trim().is_empty()) else {
                continue;
            };
            match &last_match {
                None => last_match = Some(((*name).to_owned(), value.trim().to_owned())),
                Some((winner, text)) if text != value.trim() => self
                    .warnings
                    .push(format!("{name} is ignored because {winner} is set too")),
                Some(_) => {}
            }
        }
        last_match
    }
}

fn is_known(name: &str) -> bool {
    options::setting(name).is_some()
        || options::REPLACED_SETTINGS
            .iter()
            .any(|(old, _)| *old == name)
}
