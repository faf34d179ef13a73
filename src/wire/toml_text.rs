//! Parses TOML into JSON and records the line of each value, so that later errors can refer to it. Refuses values that
//! JSON cannot express (dates, infinity, NaN) and excessive nesting.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};
use toml::de::{DeFloat, DeInteger, DeTable, DeValue};
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

/// Maximum nesting depth of arrays and tables.
const MAX_DEPTH: usize = 32;
/// Maximum length of a path whose line is recorded, in bytes. The fields that errors refer to have shorter paths.
/// Without this limit, a long key would be copied once for each value under it.
const MAX_PATH_BYTES: usize = 200;
/// Maximum length of the text that an error message quotes, in bytes.
const MAX_QUOTED_BYTES: usize = 60;

/// A parsed text, with the line numbers of its values.
#[derive(Debug, Clone, PartialEq)]
pub struct TomlDocument {
    /// The whole text, as an object.
    pub value: Value,
    /// Line number, from 1, of each value by its path, such as `stages.1.prompt`.
    pub lines: BTreeMap<String, usize>,
}

/// A parse error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TomlError {
    /// Line number, from 1.
    pub line: usize,
    /// Message, beginning in lowercase.
    pub message: String,
}

/// Parses a TOML text.
///
/// # Errors
///
/// Returns an error with the line and the reason when the text is not valid TOML or contains a value that JSON cannot
/// express.
pub fn parse_toml(text: &str) -> Result<TomlDocument, TomlError> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    parse_normalized(&text)
}

fn parse_normalized(text: &str) -> Result<TomlDocument, TomlError> {
    let newlines = text.bytes().enumerate();
    let mut convert = TomlConverter {
        newlines: newlines.filter(|at| at.1 == b'\n').map(|at| at.0).collect(),
        path: Vec::new(),
        lines: BTreeMap::new(),
    };
    if let Some(start) = find_excessive_nesting(text) {
        return error_at(convert.line_at(start), "nested too deep");
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    // The cause is in the first line that has an error, because the parser reports structural errors before errors in
    // values.
    let line =
        |error: &&toml::de::Error| convert.line_at(error.span().map_or(0, |span| span.start));
    if let Some(error) = errors.iter().min_by_key(line) {
        let (at, message) = describe_error(text, error);
        return error_at(convert.line_at(at), message);
    }
    let value = convert.convert_table(table.get_ref())?;
    Ok(TomlDocument {
        value,
        lines: convert.lines,
    })
}

/// Returns the byte offset at which brackets or dotted names are nested too deeply, or `None` if they are not. The
/// parser's own limits multiply: it accepts 6,400 nested tables and frees them recursively, which overflows a thread's
/// stack of 256 KiB.
fn find_excessive_nesting(text: &str) -> Option<usize> {
    // The open brackets, each with the number of dots that precede it since the last comma.
    let mut open: Vec<(TokenKind, usize)> = Vec::new();
    let (mut points, mut depth) = (0, 0);
    for token in Source::new(text).lex() {
        let opened_by = match token.kind() {
            TokenKind::RightCurlyBracket => Some(TokenKind::LeftCurlyBracket),
            TokenKind::RightSquareBracket => Some(TokenKind::LeftSquareBracket),
            _ => None,
        };
        match token.kind() {
            TokenKind::Dot => points += 1,
            TokenKind::LeftCurlyBracket | TokenKind::LeftSquareBracket => {
                open.push((token.kind(), points));
                depth += 1 + std::mem::take(&mut points);
            }
            TokenKind::Comma => points = 0,
            TokenKind::Newline if open.is_empty() => points = 0,
            _ if opened_by.is_some() && open.last().map(|last| last.0) == opened_by => {
                points = open.pop().map_or(0, |last| last.1);
                depth -= 1 + points;
            }
            _ => {}
        }
        if depth + points > MAX_DEPTH {
            return Some(token.span().start());
        }
    }
    None
}

/// Returns the byte offset of a parse error and a message that quotes the offending text, such as a duplicate key.
fn describe_error(text: &str, error: &toml::de::Error) -> (usize, String) {
    let span = error.span().unwrap_or_default();
    let message = error.message();
    if message.starts_with("invalid multi-line") {
        // The parser points to the end of the text, but the last quotes are the unclosed ones.
        let opening = text.rfind("\"\"\"").max(text.rfind("'''"));
        return (
            opening.unwrap_or(span.start),
            format!("{message} three times"),
        );
    }
    match text.get(span.clone()) {
        Some(piece) if (1..=MAX_QUOTED_BYTES).contains(&piece.len()) => {
            (span.start, format!("{message}: {}", piece.escape_debug()))
        }
        _ => (span.start, message.to_owned()),
    }
}

fn error_at<T>(line: usize, message: impl Into<String>) -> Result<T, TomlError> {
    Err(TomlError {
        line,
        message: message.into(),
    })
}

/// Converts TOML values to JSON and records their line numbers.
struct TomlConverter {
    /// Byte offsets of the newlines.
    newlines: Vec<usize>,
    path: Vec<String>,
    lines: BTreeMap<String, usize>,
}

impl TomlConverter {
    /// Returns the line number, from 1, of a byte offset.
    fn line_at(&self, start: usize) -> usize {
        1 + self.newlines.partition_point(|at| *at < start)
    }

    fn convert_table(&mut self, table: &DeTable) -> Result<Value, TomlError> {
        let mut object = Map::new();
        for (key, value) in table {
            // A table with a header is on the line of its header. Any other value is on the line of its key.
            let mut start = key.span().start;
            if value.get_ref().is_table() {
                start = start.min(value.span().start);
            }
            let name = key.get_ref().to_string();
            let value = self.convert_field(name.clone(), value.get_ref(), self.line_at(start))?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }

    fn convert_field(
        &mut self,
        name: String,
        value: &DeValue,
        line: usize,
    ) -> Result<Value, TomlError> {
        if self.path.len() >= MAX_DEPTH {
            return error_at(line, "nested too deep");
        }
        self.path.push(name);
        if self.path.iter().map(String::len).sum::<usize>() <= MAX_PATH_BYTES {
            self.lines.insert(self.path.join("."), line);
        }
        let value = self.convert_value(value, line)?;
        self.path.pop();
        Ok(value)
    }

    fn convert_value(&mut self, value: &DeValue, line: usize) -> Result<Value, TomlError> {
        match value {
            DeValue::String(text) => Ok(Value::String(text.to_string())),
            DeValue::Boolean(value) => Ok(Value::Bool(*value)),
            DeValue::Integer(digits) => convert_integer(digits, line),
            DeValue::Float(digits) => convert_float(digits, line),
            DeValue::Datetime(date) => {
                error_at(line, format!("{date} is a date; put it in quotes"))
            }
            DeValue::Table(table) => self.convert_table(table),
            DeValue::Array(array) => {
                let items = array.iter().enumerate();
                let list = items.map(|(index, item)| {
                    self.convert_field(
                        index.to_string(),
                        item.get_ref(),
                        self.line_at(item.span().start),
                    )
                });
                list.collect::<Result<_, _>>().map(Value::Array)
            }
        }
    }
}

fn convert_integer(digits: &DeInteger, line: usize) -> Result<Value, TomlError> {
    i64::from_str_radix(digits.as_str(), digits.radix())
        .map(Value::from)
        .or_else(|_| error_at(line, format!("{digits} does not fit in 64 bits")))
}

fn convert_float(digits: &DeFloat, line: usize) -> Result<Value, TomlError> {
    let value = digits.as_str().parse().ok().and_then(Number::from_f64);
    value.map(Value::Number).map_or_else(
        || error_at(line, format!("{digits} is not a finite number")),
        Ok,
    )
}

#[cfg(test)]
mod tests;
