//! Reads the small things of TOML: names, texts, numbers, lists. Where they belong is `super`'s to say.

use serde_json::Value;

use super::{Fault, MOST_DEPTH, Tables, fault};

/// What has not been read yet.
pub(super) struct Reader<'a> {
    /// The text from here on.
    pub(super) rest: &'a str,
    /// Where that begins.
    pub(super) line: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            line: 1,
        }
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.rest = &self.rest[character.len_utf8()..];
        self.line += usize::from(character == '\n');
        Some(character)
    }

    pub(super) fn eat(&mut self, text: &str) -> bool {
        let found = self.rest.starts_with(text);
        if found {
            self.rest = &self.rest[text.len()..];
            self.line += text.matches('\n').count();
        }
        found
    }

    pub(super) fn expect(&mut self, text: &str) -> Result<(), Fault> {
        self.blanks(false);
        if self.eat(text) {
            return Ok(());
        }
        fault(self.line, format!("expected {text}{}", self.seen()))
    }

    fn seen(&self) -> String {
        match self.peek() {
            None => ", but the text ends".to_owned(),
            Some('\n') => ", but the line ends".to_owned(),
            Some(other) => format!(", found {other:?}"),
        }
    }

    /// Skips spaces and tabs; with `lines` also comments and ends of lines.
    pub(super) fn blanks(&mut self, lines: bool) {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t']);
            if !lines {
                return;
            }
            if self.rest.starts_with('#') {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.rest = &self.rest[end..];
            }
            if !self.eat("\n") {
                return;
            }
        }
    }

    pub(super) fn end_of_line(&mut self) -> Result<(), Fault> {
        self.blanks(false);
        if self.rest.is_empty() || self.rest.starts_with(['#', '\n']) {
            return Ok(());
        }
        fault(
            self.line,
            format!("expected the end of the line{}", self.seen()),
        )
    }

    /// Names joined by dots.
    pub(super) fn path(&mut self) -> Result<Vec<String>, Fault> {
        let mut path = Vec::new();
        loop {
            self.blanks(false);
            path.push(self.name()?);
            self.blanks(false);
            if path.len() > MOST_DEPTH {
                return fault(self.line, "nested too deep");
            }
            if !self.eat(".") {
                return Ok(path);
            }
        }
    }

    fn name(&mut self) -> Result<String, Fault> {
        if self.rest.starts_with("\"\"\"") || self.rest.starts_with("'''") {
            return fault(self.line, "a name stands on one line");
        }
        if self.eat("\"") {
            return self.quoted();
        }
        if self.eat("'") {
            return self.literal();
        }
        let sound = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let end = self
            .rest
            .find(|c: char| !sound(c))
            .unwrap_or(self.rest.len());
        if end == 0 {
            return fault(self.line, format!("expected a name{}", self.seen()));
        }
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(name.to_owned())
    }

    pub(super) fn value(&mut self, depth: usize) -> Result<Value, Fault> {
        self.blanks(false);
        if depth > MOST_DEPTH {
            return fault(self.line, "nested too deep");
        }
        if self.eat("\"\"\"") {
            return self.long_quoted().map(Value::String);
        }
        if self.eat("'''") {
            return self.long_literal().map(Value::String);
        }
        if self.eat("\"") {
            return self.quoted().map(Value::String);
        }
        if self.eat("'") {
            return self.literal().map(Value::String);
        }
        if self.eat("[") {
            return self.list(depth);
        }
        if self.eat("{") {
            return self.inline(depth);
        }
        self.plain()
    }

    fn list(&mut self, depth: usize) -> Result<Value, Fault> {
        let mut list = Vec::new();
        loop {
            self.blanks(true);
            if self.eat("]") {
                return Ok(Value::Array(list));
            }
            list.push(self.value(depth + 1)?);
            self.blanks(true);
            if !self.eat(",") && !self.rest.starts_with(']') {
                return fault(self.line, format!("expected , or ]{}", self.seen()));
            }
        }
    }

    fn inline(&mut self, depth: usize) -> Result<Value, Fault> {
        let mut tables = Tables::default();
        self.blanks(false);
        if self.eat("}") {
            return Ok(Value::Object(tables.root));
        }
        loop {
            let line = self.line;
            let path = self.path()?;
            self.expect("=")?;
            let value = self.value(depth + 1)?;
            tables.set(path, value, line)?;
            self.blanks(false);
            if self.eat("}") {
                return Ok(Value::Object(tables.root));
            }
            self.expect(",")?;
        }
    }

    /// A number or a switch.
    fn plain(&mut self) -> Result<Value, Fault> {
        let part = |c: char| c.is_ascii_alphanumeric() || "+-_.:".contains(c);
        let end = self
            .rest
            .find(|c: char| !part(c))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        if word.is_empty() {
            return fault(self.line, format!("expected a value{}", self.seen()));
        }
        let value = match word {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            _ => number(word),
        };
        let shown: String = word.chars().take(40).collect();
        let Some(value) = value else {
            let why = "is no number, no true or false, and a text needs quotes";
            return fault(self.line, format!("{shown} {why}"));
        };
        self.rest = rest;
        Ok(value)
    }

    fn quoted(&mut self) -> Result<String, Fault> {
        let mut text = String::new();
        loop {
            match self.take() {
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape()?),
                Some('\n') => return fault(self.line - 1, "the quote is not closed on its line"),
                Some(character) => text.push(self.sound(character)?),
                None => return fault(self.line, "the quote is not closed"),
            }
        }
    }

    fn literal(&mut self) -> Result<String, Fault> {
        let mut text = String::new();
        loop {
            match self.take() {
                Some('\'') => return Ok(text),
                Some('\n') => return fault(self.line - 1, "the quote is not closed on its line"),
                Some(character) => text.push(self.sound(character)?),
                None => return fault(self.line, "the quote is not closed"),
            }
        }
    }

    fn long_quoted(&mut self) -> Result<String, Fault> {
        let start = self.line;
        let mut text = String::new();
        self.eat("\n");
        loop {
            if self.eat("\"\"\"") {
                self.more_quotes('"', &mut text);
                return Ok(text);
            }
            match self.take() {
                Some('\\') => {
                    let after = self.rest.trim_start_matches([' ', '\t']);
                    if after.starts_with('\n') {
                        while self.peek().is_some_and(|c| " \t\n".contains(c)) {
                            self.take();
                        }
                    } else {
                        text.push(self.escape()?);
                    }
                }
                Some('\n') => text.push('\n'),
                Some(character) => text.push(self.sound(character)?),
                None => return fault(start, "\"\"\" is not closed"),
            }
        }
    }

    fn long_literal(&mut self) -> Result<String, Fault> {
        let start = self.line;
        let mut text = String::new();
        self.eat("\n");
        loop {
            if self.eat("'''") {
                self.more_quotes('\'', &mut text);
                return Ok(text);
            }
            match self.take() {
                Some('\n') => text.push('\n'),
                Some(character) => text.push(self.sound(character)?),
                None => return fault(start, "''' is not closed"),
            }
        }
    }

    /// Up to two quotation marks may stand before the three that close.
    fn more_quotes(&mut self, quote: char, text: &mut String) {
        for _ in 0..2 {
            if self.peek() == Some(quote) {
                self.take();
                text.push(quote);
            }
        }
    }

    fn sound(&self, character: char) -> Result<char, Fault> {
        if character.is_control()
            && character != '\t'
            && !('\u{80}'..='\u{9f}').contains(&character)
        {
            return fault(self.line, "a control character stands in a text");
        }
        Ok(character)
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let character = self.take();
        Ok(match character {
            Some('b') => '\u{8}',
            Some('t') => '\t',
            Some('n') => '\n',
            Some('f') => '\u{c}',
            Some('r') => '\r',
            Some('"') => '"',
            Some('\\') => '\\',
            Some('u') => self.code_point(4)?,
            Some('U') => self.code_point(8)?,
            _ => return fault(self.line, "after \\ comes one of b t n f r \" \\ u U"),
        })
    }

    fn code_point(&mut self, digits: usize) -> Result<char, Fault> {
        let code = self
            .rest
            .get(..digits)
            .filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let found = code.and_then(|code| u32::from_str_radix(code, 16).ok());
        let Some(character) = found.and_then(char::from_u32) else {
            return fault(
                self.line,
                "after \\u come four digits of a character, after \\U eight",
            );
        };
        self.rest = &self.rest[digits..];
        Ok(character)
    }
}

fn number(word: &str) -> Option<Value> {
    let edge = |text: &str| text.starts_with('_') || text.ends_with('_') || text.contains("__");
    let (sign, digits) = match word.as_bytes().first()? {
        b'-' => (-1, &word[1..]),
        b'+' => (1, &word[1..]),
        _ => (1, word),
    };
    for (prefix, base) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(rest) = word.strip_prefix(prefix) {
            let bare = rest.replace('_', "");
            let sound = !edge(rest) && !bare.starts_with(['+', '-']);
            return i64::from_str_radix(&bare, base)
                .ok()
                .filter(|_| sound)
                .map(Value::from);
        }
    }
    let whole = digits.split(['.', 'e', 'E']).next()?;
    let around = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let parts: Vec<&str> = digits.split(['.', 'e', 'E', '+', '-']).collect();
    let odd = edge(whole)
        || parts.iter().any(|part| edge(part))
        || !around(digits)
        || digits.contains("._")
        || digits.ends_with('.')
        || digits.contains(".e")
        || digits.contains(".E")
        || (whole.len() > 1 && whole.starts_with('0'));
    if odd {
        return None;
    }
    let bare = digits.replace('_', "");
    if bare.bytes().all(|byte| byte.is_ascii_digit()) {
        let text = if sign < 0 { format!("-{bare}") } else { bare };
        return text.parse::<i64>().ok().map(Value::from);
    }
    let known = |c: char| c.is_ascii_digit() || ".eE+-".contains(c);
    let value: f64 = bare.parse().ok().filter(|_| bare.chars().all(known))?;
    serde_json::Number::from_f64(f64::from(sign) * value).map(Value::Number)
}
