//! Reads a JavaScript file into lines without comments, blank lines, indentation, or spaces next to punctuation. Keeps
//! the other line breaks, so that every statement ends where it did, and each line of the result comes from one line of
//! the source.

use super::BuildResult;

/// One line of a JavaScript module.
pub(super) struct ScriptLine {
    /// The text, without indentation unless it continues a template literal.
    pub(super) text: String,
    /// The line number in the source, from 0.
    pub(super) source: usize,
    /// Whether the line begins at the top level, that is, neither indented nor inside a template literal.
    pub(super) is_top: bool,
}

/// Words after which a slash begins a regular expression. After other words, it is a division.
const BEFORE_REGEX: [&str; 8] = [
    "return", "typeof", "case", "in", "of", "await", "yield", "void",
];

/// Punctuation next to which spaces have no meaning. Excludes characters that could merge with a neighbor: `+`, `-`,
/// `/`, and the dot.
const PUNCTUATION: &str = "{}()[];,:?=><&|*%!";

/// Splits a script into lines.
///
/// # Errors
/// Returns an error if a string, template literal, regular expression, or comment has no end.
pub(super) fn lines(source: &str) -> BuildResult<Vec<ScriptLine>> {
    let mut reader = ScriptReader::new(source);
    while let Some(character) = reader.peek(0) {
        match character {
            ' ' if reader.is_redundant_space() => reader.position += 1,
            '/' if reader.peek(1) == Some('/') => reader.line_comment(),
            '/' if reader.peek(1) == Some('*') => reader.block_comment()?,
            '/' if reader.begins_regex() => reader.copy_regex()?,
            '"' | '\'' => reader.copy_string(character)?,
            '`' => {
                reader.copy();
                reader.copy_template()?;
            }
            '{' => {
                reader.nesting.push(Brace::Block);
                reader.copy();
            }
            '}' => {
                let opening = reader.nesting.pop();
                reader.copy();
                if opening == Some(Brace::Template) {
                    reader.copy_template()?;
                }
            }
            '\n' => {
                reader.position += 1;
                reader.line_break();
            }
            _ => reader.copy(),
        }
    }
    if !reader.nesting.is_empty() {
        return Err("a brace has no end".into());
    }
    reader.line_break();
    Ok(reader.lines)
}

/// The kind of an open brace: a block, or an expression in a template literal.
#[derive(PartialEq, Eq)]
enum Brace {
    Block,
    Template,
}

struct ScriptReader {
    characters: Vec<char>,
    position: usize,
    lines: Vec<ScriptLine>,
    text: String,
    source: usize,
    started_at: usize,
    is_top: bool,
    is_template: bool,
    nesting: Vec<Brace>,
}

impl ScriptReader {
    fn new(source: &str) -> Self {
        Self {
            characters: source.chars().collect(),
            position: 0,
            lines: Vec::new(),
            text: String::new(),
            source: 0,
            started_at: 0,
            is_top: true,
            is_template: false,
            nesting: Vec::new(),
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.characters.get(self.position + ahead).copied()
    }

    /// Copies the next character to the current line, unless it is indentation.
    fn copy(&mut self) {
        let Some(character) = self.peek(0) else {
            return;
        };
        self.position += 1;
        if self.text.is_empty() && !self.is_template {
            if character.is_whitespace() {
                self.is_top = false;
                return;
            }
            self.started_at = self.source;
        }
        self.text.push(character);
    }

    fn line_break(&mut self) {
        let text = std::mem::take(&mut self.text);
        let text = match self.is_template {
            true => text,
            false => text.trim_end().to_owned(),
        };
        if !text.is_empty() || self.is_template {
            self.lines.push(ScriptLine {
                text,
                source: self.started_at,
                is_top: self.is_top,
            });
        }
        self.source += 1;
        self.started_at = self.source;
        self.is_top = true;
        self.is_template = false;
    }

    fn line_comment(&mut self) {
        while self.peek(0).is_some_and(|character| character != '\n') {
            self.position += 1;
        }
    }

    fn block_comment(&mut self) -> BuildResult<()> {
        self.position += 2;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('*'), Some('/')) => break,
                (Some('\n'), _) => self.line_break(),
                (Some(_), _) => {}
                (None, _) => return Err("a comment has no end".into()),
            }
            self.position += 1;
        }
        self.position += 2;
        Ok(())
    }

    fn copy_string(&mut self, quote: char) -> BuildResult<()> {
        self.copy();
        self.copy_until(|character| character == quote, "a string")
    }

    /// Copies characters up to the end of a string or regular expression, which must be on the same line.
    fn copy_until(&mut self, is_end: impl Fn(char) -> bool, what: &str) -> BuildResult<()> {
        loop {
            match self.peek(0) {
                None | Some('\n') => return Err(self.unfinished_error(what)),
                Some('\\') => {
                    self.copy();
                    self.copy();
                }
                Some(character) => {
                    self.copy();
                    if is_end(character) {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn copy_regex(&mut self) -> BuildResult<()> {
        self.copy();
        loop {
            match self.peek(0) {
                Some('[') => {
                    self.copy_until(|character| character == ']', "a class of characters")?
                }
                Some('\\') => {
                    self.copy();
                    self.copy();
                }
                Some('/') => {
                    self.copy();
                    return Ok(());
                }
                None | Some('\n') => return Err(self.unfinished_error("a regular expression")),
                Some(_) => self.copy(),
            }
        }
    }

    /// Copies a template literal up to its end, or up to an expression in it, whose opening brace is recorded.
    fn copy_template(&mut self) -> BuildResult<()> {
        loop {
            match self.peek(0) {
                None => return Err(self.unfinished_error("a template literal")),
                Some('`') => {
                    self.copy();
                    return Ok(());
                }
                Some('\\') => {
                    self.copy();
                    self.copy();
                }
                Some('$') if self.peek(1) == Some('{') => {
                    self.copy();
                    self.copy();
                    self.nesting.push(Brace::Template);
                    return Ok(());
                }
                Some('\n') => {
                    let text = std::mem::take(&mut self.text);
                    self.lines.push(ScriptLine {
                        text,
                        source: self.started_at,
                        is_top: self.is_top,
                    });
                    self.position += 1;
                    self.source += 1;
                    self.started_at = self.source;
                    self.is_top = false;
                    self.is_template = true;
                }
                Some(_) => self.copy(),
            }
        }
    }

    /// Returns whether the space here is next to punctuation. Spaces in import and export statements are never
    /// redundant, because these are parsed later (in `module.rs`).
    fn is_redundant_space(&self) -> bool {
        let keyword = self.text.split(' ').next().unwrap_or_default();
        let is_statement = matches!(keyword, "import" | "export");
        let neighbors = [self.text.chars().next_back(), self.peek(1)];
        let is_next_to_punctuation = neighbors
            .into_iter()
            .flatten()
            .any(|sign| PUNCTUATION.contains(sign));
        let is_in_statement = self.is_top && is_statement;
        is_next_to_punctuation && !is_in_statement && !self.text.is_empty()
    }

    /// Returns whether a slash here begins a regular expression, because it does not follow a value that could be
    /// divided.
    fn begins_regex(&self) -> bool {
        let text_before = match self.text.trim_end() {
            "" => self.lines.last().map_or("", |line| line.text.trim_end()),
            text => text,
        };
        let is_word = |character: char| character.is_alphanumeric() || "_$".contains(character);
        match text_before.chars().next_back() {
            None => true,
            Some(last) if is_word(last) => {
                let word = text_before.rsplit(|character| !is_word(character)).next();
                word.is_some_and(|word| BEFORE_REGEX.contains(&word))
            }
            Some(last) => !")]}'\"`".contains(last),
        }
    }

    fn unfinished_error(&self, what: &str) -> Box<dyn std::error::Error> {
        format!("line {}: {what} has no end", self.source + 1).into()
    }
}
