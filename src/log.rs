//! One-line log records on stderr: text or JSON, with time and level. Escapes control characters and redacts
//! anything that looks like a credential. Buffers nothing and never fails: a full disk must not prevent an answer.

use std::fmt::{Display, Write as _};
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::clock;

/// Severity of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum LogLevel {
    /// Something failed and needs attention.
    Error,
    /// Something unusual happened that may need attention.
    Warn,
    /// A normal event.
    Info,
    /// A detail for debugging.
    Debug,
}

impl LogLevel {
    fn as_str(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
        }
    }
    /// Parses a level's name; `None` if it is unknown.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [
            LogLevel::Error,
            LogLevel::Warn,
            LogLevel::Info,
            LogLevel::Debug,
        ];
        all.into_iter().find(|level| level.as_str() == name)
    }
}

static LEVEL: AtomicU8 = AtomicU8::new(LogLevel::Info as u8);
static JSON: AtomicBool = AtomicBool::new(false);

/// Sets the log level and format for the whole process. Called once, by the command that runs.
pub fn configure(level: LogLevel, json: bool) {
    LEVEL.store(level as u8, Ordering::Relaxed);
    JSON.store(json, Ordering::Relaxed);
}

/// Returns whether records of this level are written; check it before expensive preparation.
pub fn enabled(level: LogLevel) -> bool {
    level as u8 <= LEVEL.load(Ordering::Relaxed)
}

/// A named value of a record. By convention, the field with a request's ID is named `request`.
pub type Field<'a> = (&'a str, &'a dyn Display);

/// Logs an event that needs attention.
pub fn error(message: &str, fields: &[Field]) {
    write(LogLevel::Error, message, fields);
}
/// Logs an event that may need attention.
pub fn warn(message: &str, fields: &[Field]) {
    write(LogLevel::Warn, message, fields);
}
/// Logs a normal event.
pub fn info(message: &str, fields: &[Field]) {
    write(LogLevel::Info, message, fields);
}
/// Logs a detail for debugging.
pub fn debug(message: &str, fields: &[Field]) {
    write(LogLevel::Debug, message, fields);
}

fn write(level: LogLevel, message: &str, fields: &[Field]) {
    if !enabled(level) {
        return;
    }
    let time = clock::now().to_string();
    let line = if JSON.load(Ordering::Relaxed) {
        json_line(&time, level, message, fields)
    } else {
        text_line(&time, level, message, fields)
    };
    // A single write per record, so that records from different threads are not interleaved.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

fn text_line(time: &str, level: LogLevel, message: &str, fields: &[Field]) -> String {
    let mut line = format!("{time} {:5} ", level.as_str());
    escape(&mut line, message);
    for (name, value) in fields {
        let value = loggable_value(name, *value);
        let _ = write!(line, " {name}=");
        if value.is_empty() || value.contains([' ', '=', '"']) {
            line.push('"');
            escape(&mut line, &value);
            line.push('"');
        } else {
            escape(&mut line, &value);
        }
    }
    line.push('\n');
    line
}

fn json_line(time: &str, level: LogLevel, message: &str, fields: &[Field]) -> String {
    let mut line = String::new();
    let mut pair = |name: &str, value: &str| {
        line.push(if line.is_empty() { '{' } else { ',' });
        line.push('"');
        escape(&mut line, name);
        line.push_str("\":\"");
        escape(&mut line, value);
        line.push('"');
    };
    pair("time", time);
    pair("level", level.as_str());
    pair("message", message);
    for (name, value) in fields {
        pair(name, &loggable_value(name, *value));
    }
    line.push_str("}\n");
    line
}

/// Maximum length of a logged value, in characters. Longer values are truncated, because the rest rarely helps.
const MAX_VALUE_CHARS: usize = 1000;

fn loggable_value(name: &str, value: &dyn Display) -> String {
    const HIDDEN_NAMES: &[&str] = &[
        "password",
        "secret",
        "token",
        "authorization",
        "cookie",
        "api_key",
    ];
    if HIDDEN_NAMES.iter().any(|part| name.contains(part)) {
        return "***".to_owned();
    }
    let text = value.to_string();
    let cut_end = text
        .char_indices()
        .nth(MAX_VALUE_CHARS)
        .map_or(text.len(), |(at, _)| at);
    redact(&text[..cut_end])
}

/// Redacts keys and tokens, which messages from other programs may contain. They are recognized by their prefix.
fn redact(text: &str) -> String {
    const TOKEN_PREFIXES: &[&str] = &["quire_", "sk-", "eyJ"];
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = TOKEN_PREFIXES
        .iter()
        .filter_map(|start| rest.find(start))
        .min()
    {
        let token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let end = rest[at..]
            .find(|c| !token(c))
            .map_or(rest.len(), |length| at + length);
        safe.push_str(&rest[..at]);
        safe.push_str(if end - at >= 20 {
            "***"
        } else {
            &rest[at..end]
        });
        rest = &rest[end..];
    }
    safe + rest
}

/// Escapes a text as JSON does, which stays readable in a text line. Without this, a line break in a value
/// would let a caller forge records.
fn escape(line: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                let _ = write!(line, "\\u{:04x}", c as u32);
            }
            c => line.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str, text: &str, json: &str) {
        let fields: &[Field] = &[(name, &value)];
        assert_eq!(
            text_line("T", LogLevel::Info, "m", fields),
            format!("T info  m {text}\n")
        );
        let expected = format!("{{\"time\":\"T\",\"level\":\"info\",\"message\":\"m\",{json}}}\n");
        let line = json_line("T", LogLevel::Info, "m", fields);
        assert_eq!(line, expected);
        serde_json::from_str::<serde_json::Value>(&line).expect("a line is JSON");
    }

    #[test]
    fn values_are_escaped() {
        check("a", "b", "a=b", r#""a":"b""#);
        check("a", "", "a=\"\"", r#""a":"""#);
        check("a", "b c=\"d\"", r#"a="b c=\"d\"""#, r#""a":"b c=\"d\"""#);
        check(
            "a",
            "x\r\ny\u{1b}[2J",
            r"a=x\r\ny\u001b[2J",
            r#""a":"x\r\ny\u001b[2J""#,
        );
        check("a", "\u{202e}", r"a=\u202e", r#""a":"\u202e""#);
        check(
            "new_password",
            "hunter2",
            "new_password=***",
            r#""new_password":"***""#,
        );
        check(
            "why",
            "bad sk-aaaaaaaaaaaaaaaaaaaaaa!",
            r#"why="bad ***!""#,
            r#""why":"bad ***!""#,
        );
        check(
            "why",
            "sk-1 eyJ",
            r#"why="sk-1 eyJ""#,
            r#""why":"sk-1 eyJ""#,
        );
    }

    #[test]
    fn values_are_bounded() {
        assert_eq!(
            loggable_value("a", &"é".repeat(5000)).chars().count(),
            MAX_VALUE_CHARS
        );
    }

    #[test]
    fn levels_are_ordered_and_named() {
        assert!(LogLevel::Error < LogLevel::Debug);
        assert_eq!(LogLevel::parse("warn"), Some(LogLevel::Warn));
        assert_eq!(LogLevel::parse("loud"), None);
    }
}
