//! The outcome and the output of a command. Converts the app's errors to sentences that name command-line options.

use std::fmt::Display;
use std::io::Write as _;

use super::option_names;
use crate::app::{Error, Kind};
use crate::config;
use crate::domain::closest::closest;

/// Result of a command: success, or a failure with its exit code.
pub(super) type Outcome = Result<(), CommandFailure>;

/// Why a command failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CommandFailure {
    /// Invalid arguments or settings: exit code 2.
    Usage(String),
    /// Any other failure: exit code 1.
    Failed(String),
    /// The user stopped the command: exit code 130, as in shells.
    Stopped(String),
}

impl CommandFailure {
    /// Returns the text for stderr, and the exit code.
    pub(super) fn into_parts(self) -> (String, u8) {
        match self {
            Self::Failed(text) => (text, 1),
            Self::Usage(text) => (text, 2),
            Self::Stopped(text) => (text, 130),
        }
    }
}

/// Prints a line to stdout. A closed pipe (`| head`) is not a failure.
///
/// # Errors
/// Returns an error if stdout cannot be written.
pub(super) fn print(text: impl Display) -> Outcome {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            failed(format!("cannot write to stdout: {error}"))
        }
        _ => Ok(()),
    }
}

/// Removes error numbers of the operating system, such as ` (os error 2)`, because the text before them says the same.
pub(super) fn strip_os_error_numbers(text: &str) -> String {
    let mut pieces = text.split(" (os error ");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.split_once(')') {
            Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                out.push_str(rest);
            }
            _ => {
                out.push_str(" (os error ");
                out.push_str(piece);
            }
        }
    }
    out
}

/// Returns a failure with exit code 1.
///
/// # Errors
/// Always fails.
pub(super) fn failed<T>(text: impl Display) -> Result<T, CommandFailure> {
    Err(CommandFailure::Failed(text.to_string()))
}

/// Returns a usage error, with exit code 2.
///
/// # Errors
/// Always fails.
pub(super) fn usage<T>(text: impl Display) -> Result<T, CommandFailure> {
    Err(CommandFailure::Usage(text.to_string()))
}

/// Rewrites the error about a provider without a key to explain where to enter the key. Returns `None` for any other
/// error.
pub(super) fn missing_key_message(message: &str) -> Option<String> {
    let why = message.strip_prefix("needs_key: ")?;
    let provider = why.rsplit(' ').next().unwrap_or_default();
    let setting = match config::key_setting(provider) {
        Some(name) => format!("set {name}, or "),
        None => String::new(),
    };
    Some(format!(
        "--panel: {why}\n{setting}add the key with quire provider add {provider} --key-stdin"
    ))
}

/// Returns the error message for an action that the command does not have. Each indented line of `details` begins with
/// an action.
pub(super) fn unknown_action(command: &str, word: &str, details: &str) -> String {
    let actions = details.lines().filter(|line| line.starts_with("  "));
    let actions = actions.filter_map(|line| line.split_whitespace().next());
    match closest(word, actions) {
        Some(suggestion) => format!("{command} has no action `{word}`; did you mean {suggestion}?"),
        None => format!("{command} has no action `{word}`; it has:\n{details}"),
    }
}

impl From<Error> for CommandFailure {
    /// The message includes the error's private text, because anyone who uses the command line operates the machine.
    fn from(error: Error) -> Self {
        if let Some(text) = missing_key_message(&error.public) {
            return Self::Usage(text);
        }
        let is_usage = error.kind == Kind::BadInput;
        let mut text = option_names::with_option_names(&error.public);
        if let Some(private) = error.private {
            text = format!("{text}: {private}");
        }
        if !error.resolution.is_empty() {
            text = format!("{text}\n{}", error.resolution);
        }
        match is_usage {
            true => Self::Usage(text),
            false => Self::Failed(text),
        }
    }
}
