//! Assembles the text of a web page from its tokens.

use std::collections::HashSet;

use super::RenderedPage;
use super::controls::{HiddenLabels, control_text, placeholder};
use super::lists::HtmlLists;
use super::marks::InlineMarks;
use super::math::Formula;
use super::rows::{HtmlTables, RowEnd};
use crate::extract::entities;
use crate::extract::markup::{Token, attribute};

/// Block elements, which start and end a paragraph.
const PARAGRAPHS: &[&str] = &[
    "p",
    "div",
    "section",
    "article",
    "header",
    "main",
    "aside",
    "blockquote",
    "figure",
    "figcaption",
    "details",
    "summary",
    "address",
    "nav",
    "footer",
    "form",
    "fieldset",
    "table",
    "pre",
    "dl",
    "ul",
    "ol",
    "hr",
    "center",
    "dialog",
    "caption",
];

/// Returns whether an element is a block, which ends an open paragraph.
pub fn is_block(name: &str) -> bool {
    let is_heading = matches!(name.as_bytes(), [b'h', b'1'..=b'6']);
    is_heading || PARAGRAPHS.contains(&name) || matches!(name, "body" | "li" | "td" | "tr")
}

/// Assembles the text of a page. Line breaks and spaces are buffered and written only before the next word.
#[derive(Default)]
pub struct HtmlTextWriter {
    /// The text so far.
    pub output: String,
    title: String,
    pending_breaks: usize,
    has_pending_space: bool,
    pre_depth: usize,
    in_cell: bool,
    in_row: bool,
    row_start: usize,
    /// Number of line breaks pending before the open row.
    row_breaks: usize,
    pending_separators: usize,
    in_heading: bool,
    in_title: bool,
    lists: HtmlLists,
    tables: HtmlTables,
    marks: InlineMarks,
    formula: Formula,
    prefix: String,
    /// Tooltips and labels for screen readers.
    pub labels: HiddenLabels,
    /// Replacement texts for elements that turn out to be empty, each with the length of the text at the element's
    /// start.
    replacements: Vec<(usize, Option<String>)>,
    /// The expansion of the open abbreviation.
    expansion: Option<String>,
    /// The expansions of abbreviations that have been written.
    meanings: HashSet<String>,
}

impl HtmlTextWriter {
    /// Adds a token of the page, and the text that it stands for, to the output.
    pub fn push_token(&mut self, token: &Token) {
        match token {
            Token::Text(text) | Token::Raw(text) if self.in_title => {
                if self.title.is_empty() {
                    let title = entities::decode(text);
                    self.title = title
                        .split_whitespace()
                        .collect::<Vec<_>>()
                        .join(" ")
                        .chars()
                        .take(300)
                        .collect();
                }
            }
            Token::Text(text) | Token::Raw(text) => self.text(&entities::decode(text)),
            Token::Open { name, attributes } => self.open(name, attributes),
            Token::Close(name) => self.close(name),
        }
    }

    fn open(&mut self, name: &str, attributes: &str) {
        let sign = self.formula.open(name, attributes.ends_with('/'));
        if !sign.is_empty() {
            self.text(sign);
        }
        self.labels.add(name, attributes);
        match name {
            "title" => self.in_title = true,
            "abbr" => self.expansion = attribute(attributes, "title"),
            "textarea" => self.open_replaceable(placeholder(attributes)),
            "math" => self.open_replaceable(attribute(attributes, "alttext")),
            "area" => self.text(&format!(
                " {} ",
                attribute(attributes, "alt").unwrap_or_default()
            )),
            "br" if !self.in_cell => self.end_line(1),
            "br" => self.has_pending_space = true,
            "sup" | "sub" | "s" | "strike" | "a" | "span" => {
                self.marks.open(name, attributes, self.output.len());
            }
            "input" => {
                if let Some(text) = control_text(attributes) {
                    self.text(&text);
                }
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.end_line(2);
                let level = usize::from(name.as_bytes()[1] - b'0');
                self.prefix = format!("{} ", "#".repeat(level));
                self.in_heading = true;
            }
            "ul" | "ol" => {
                self.end_line(if self.lists.is_empty() { 2 } else { 1 });
                self.open_list(name, attributes);
            }
            "li" => {
                self.end_line(1);
                self.prefix = self
                    .lists
                    .next_marker(integer_attribute(attributes, "value"));
            }
            "dt" | "dd" => self.end_line(1),
            "tr" => self.end_row(1),
            "table" => {
                self.break_paragraph();
                self.tables.open();
            }
            "thead" => self.tables.set_in_table_head(true),
            "td" | "th" => self.cell(name, attributes),
            "pre" => {
                self.pre_depth += 1;
                self.end_line(2);
            }
            "img" => {
                let text = attribute(attributes, "alt").unwrap_or_default();
                if !text.trim().is_empty() {
                    self.text(&format!(" [image: {}] ", text.trim()));
                }
            }
            _ if PARAGRAPHS.contains(&name) => self.break_paragraph(),
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        let sign = self.formula.close(name);
        if !sign.is_empty() {
            self.text(sign);
        }
        match name {
            "sup" | "sub" | "s" | "strike" | "a" | "span" => {
                self.marks.close(name, &mut self.output);
            }
            "title" => self.in_title = false,
            "abbr" => self.explain(),
            "textarea" | "math" => self.close_replaceable(),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.in_heading = false;
                self.prefix.clear();
                self.end_line(2);
            }
            "ul" | "ol" => {
                self.lists.close();
                self.prefix.clear();
                self.end_line(if self.lists.is_empty() { 2 } else { 1 });
            }
            "li" => {
                self.prefix.clear();
                self.end_line(1);
            }
            "td" | "th" => self.in_cell = false,
            "tr" => self.end_row(1),
            "thead" => {
                self.end_row(1);
                self.tables.set_in_table_head(false);
            }
            "table" => {
                self.end_row(2);
                if let Some(names) = self.tables.close() {
                    self.write_line(&names);
                }
                self.end_line(2);
            }
            "pre" => {
                self.pre_depth = self.pre_depth.saturating_sub(1);
                self.end_line(2);
            }
            _ if PARAGRAPHS.contains(&name) => self.break_paragraph(),
            _ => {}
        }
    }

    fn open_replaceable(&mut self, words: Option<String>) {
        /// Maximum number of open elements with replacement texts.
        const MAX_OPEN: usize = 64;
        if self.replacements.len() < MAX_OPEN {
            self.replacements.push((self.output.len(), words));
        }
    }

    fn close_replaceable(&mut self) {
        if let Some((start, Some(words))) = self.replacements.pop()
            && self.output.len() == start
        {
            self.text(&format!(" {words} "));
        }
    }

    /// Writes the expansion of an abbreviation in parentheses, unless the same expansion has been written before.
    fn explain(&mut self) {
        let meaning = self.expansion.take().unwrap_or_default();
        let meaning = meaning.trim();
        if !meaning.is_empty() && self.meanings.insert(meaning.to_owned()) {
            self.text(&format!(" ({meaning})"));
        }
    }

    /// Starts or ends a paragraph. Inside a cell or a heading, only adds a space, because a line break would split the
    /// row or the heading.
    fn break_paragraph(&mut self) {
        if self.in_cell || self.in_heading {
            self.has_pending_space = true;
        } else if self.prefix.is_empty() {
            self.end_line(if self.lists.is_empty() { 2 } else { 1 });
        }
    }

    fn open_list(&mut self, name: &str, attributes: &str) {
        if name == "ul" {
            return self.lists.open_plain();
        }
        let style = attribute(attributes, "type").and_then(|style| style.chars().next());
        let is_reversed = attribute(attributes, "reversed").is_some();
        let start = integer_attribute(attributes, "start");
        self.lists
            .open_numbered(start, style.unwrap_or('1'), is_reversed);
    }

    fn cell(&mut self, name: &str, attributes: &str) {
        // The cells of a row stay on the same line.
        if self.in_row && self.output.len() > self.row_start {
            self.pending_breaks = 0;
        } else if !self.in_row {
            self.row_breaks = self.pending_breaks;
        }
        self.pending_separators += usize::from(self.in_row);
        self.has_pending_space = false;
        (self.in_row, self.in_cell) = (true, true);
        let span =
            |name: &str| integer_attribute(attributes, name).and_then(|n| usize::try_from(n).ok());
        let (rows, columns) = (span("rowspan"), span("colspan"));
        let is_header = name == "th";
        let start = self.output.len();
        self.tables
            .open_cell(start, is_header, rows.unwrap_or(1), columns.unwrap_or(1));
    }

    fn end_row(&mut self, breaks: usize) {
        (self.in_row, self.in_cell, self.pending_separators) = (false, false, 0);
        if let RowEnd::Replace(row) = self.tables.end_row(&self.output) {
            self.output.truncate(self.row_start.min(self.output.len()));
            self.pending_breaks = self.row_breaks;
            self.write_line(&row);
        }
        self.row_start = self.output.len();
        self.end_line(breaks);
    }

    /// Writes text that has already been split into lines.
    fn write_line(&mut self, text: &str) {
        if !text.is_empty() {
            self.write_pending();
            self.output.push_str(text);
        }
    }

    fn end_line(&mut self, breaks: usize) {
        self.pending_breaks = self.pending_breaks.max(breaks);
        self.has_pending_space = false;
    }

    fn text(&mut self, text: &str) {
        if self.pre_depth > 0 && !self.in_cell {
            self.write_verbatim(text);
            return;
        }
        if text.starts_with(is_space) {
            self.has_pending_space = true;
        }
        for word in text.split(is_space).filter(|word| !word.is_empty()) {
            self.write_pending();
            self.output.push_str(word);
            self.has_pending_space = true;
        }
        self.has_pending_space =
            text.ends_with(is_space) || (self.has_pending_space && text.chars().all(is_space));
    }

    fn write_verbatim(&mut self, text: &str) {
        let mut lines = text.split('\n').peekable();
        while let Some(line) = lines.next() {
            if !line.is_empty() {
                self.write_pending();
                self.output.push_str(line);
            }
            if lines.peek().is_some() {
                self.pending_breaks += 1;
            }
        }
        self.has_pending_space = false;
    }

    /// Writes the pending line breaks, spaces, and markers before a word.
    fn write_pending(&mut self) {
        if self.pending_breaks > 0 {
            if !self.output.is_empty() {
                self.output
                    .truncate(self.output.trim_end_matches(' ').len());
                self.output
                    .extend(std::iter::repeat_n('\n', self.pending_breaks.min(3)));
            }
        } else if self.has_pending_space
            && self.pending_separators == 0
            && !self.output.is_empty()
            && !self.output.ends_with([' ', '\n'])
        {
            self.output.push(' ');
        }
        // Bounded, because a row may contain any number of empty cells.
        self.output
            .extend(std::iter::repeat_n(" | ", self.pending_separators.min(64)));
        self.pending_separators = 0;
        self.pending_breaks = 0;
        self.has_pending_space = false;
        self.output.push_str(&std::mem::take(&mut self.prefix));
    }

    /// Returns the page's title and text, without notes.
    pub fn finish(mut self) -> RenderedPage {
        if let Some(names) = self.tables.close() {
            self.write_line(&names);
        }
        let text = self.output.trim_start_matches('\n').trim_end().to_owned();
        RenderedPage {
            title: self.title,
            text,
            notes: Vec::new(),
        }
    }
}

fn integer_attribute(attributes: &str, name: &str) -> Option<i64> {
    attribute(attributes, name)?.trim().parse().ok()
}

fn is_space(character: char) -> bool {
    character.is_whitespace()
}
