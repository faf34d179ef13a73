//! Text around the main text of an OpenDocument file: headers, footers, the text of slide masters, and the labels and
//! values of form controls.

use std::collections::HashMap;

use super::body::to_one_line;
use super::headers_and_footers::HeaderFooterLines;
use super::xml::{Tag, Xml, XmlPiece};
use crate::extract::zip::Zip;

/// Maximum size of a line, in bytes.
const MAX_LINE_BYTES: usize = 2_000;
/// Maximum number of lines from all slide masters together. The same limit applies to the controls of each form.
const MAX_LINES: usize = 1_000;

/// Collects the headers and footers, which are defined in the page styles.
pub fn headers_and_footers(zip: &Zip<'_>) -> HeaderFooterLines {
    let mut lines = HeaderFooterLines::default();
    let mut xml = Xml::part(zip, "styles.xml");
    let (mut kind, mut line) = (None, MarginLine::default());
    while let Some(xml) = xml.as_mut()
        && let Some(piece) = xml.next()
    {
        match piece {
            XmlPiece::Open(tag) => match tag.name() {
                name if name.starts_with("header") || name.starts_with("footer") => {
                    let is_header = name.starts_with("header");
                    match (
                        name.trim_start_matches("header")
                            .trim_start_matches("footer"),
                        tag.get("display").as_deref(),
                    ) {
                        // The header or footer is defined, but not displayed.
                        (_, Some("false")) => xml.skip(),
                        ("" | "-left" | "-first", _) => {
                            kind = Some(if is_header { "header" } else { "footer" });
                        }
                        _ => {}
                    }
                }
                _ if kind.is_some() => line.open(&tag, xml),
                _ => {}
            },
            XmlPiece::Text(text) if kind.is_some() => line.push(&text),
            XmlPiece::Text(_) => {}
            XmlPiece::Close(name) => match (name.as_str(), kind) {
                ("p" | "h", Some(kind)) => {
                    if let Some(words) = line.take() {
                        lines.add_line(&words, kind);
                    }
                }
                (name, Some(_)) if name.starts_with("header") || name.starts_with("footer") => {
                    kind = None;
                }
                _ => {}
            },
        }
    }
    lines
}

/// A line of text. Fields, such as page numbers and dates, are left out.
#[derive(Default)]
struct MarginLine {
    text: String,
    has_page_number: bool,
}

impl MarginLine {
    fn open(&mut self, tag: &Tag, xml: &mut Xml<'_>) {
        match tag.name() {
            "tab" | "s" | "line-break" => self.text.push(' '),
            "page-number" | "page-count" => {
                self.has_page_number = true;
                xml.skip();
            }
            "sheet-name" | "date" | "time" => xml.skip(),
            _ => {}
        }
    }

    fn push(&mut self, text: &str) {
        if self.text.len() < MAX_LINE_BYTES {
            self.text.push_str(text);
        }
    }

    /// Takes the words of the line. Returns `None` if there are none, or if they only surround a page number.
    fn take(&mut self) -> Option<String> {
        /// Maximum number of words around a page number, as in "Page 3 of 9".
        const MAX_WORDS_AROUND_NUMBER: usize = 2;
        let line = std::mem::take(self);
        let words = to_one_line(&line.text);
        let is_frame = line.has_page_number && words.split(' ').count() <= MAX_WORDS_AROUND_NUMBER;
        (!is_frame && words.contains(char::is_alphanumeric)).then_some(words)
    }
}

/// Returns the lines of text that slide masters show, by name. Skips placeholders, which contain only prompts.
pub fn slide_master_lines(zip: &Zip<'_>) -> HashMap<String, Vec<String>> {
    let mut masters: HashMap<String, Vec<String>> = HashMap::new();
    let (mut open_master, mut line, mut count) = (None, MarginLine::default(), 0);
    let mut xml = Xml::part(zip, "styles.xml");
    while let Some(xml) = xml.as_mut()
        && let Some(piece) = xml.next()
    {
        match piece {
            XmlPiece::Open(tag) if tag.name() == "master-page" => open_master = tag.get("name"),
            XmlPiece::Open(tag) if open_master.is_some() => match tag.name() {
                // Skip the master of the speaker notes, forms, and the headers and footers of text documents.
                "notes" | "forms" | "header" | "footer" | "header-left" | "footer-left" => {
                    xml.skip()
                }
                _ if tag.get("placeholder").as_deref() == Some("true") => xml.skip(),
                _ => line.open(&tag, xml),
            },
            XmlPiece::Text(text) if open_master.is_some() => line.push(&text),
            XmlPiece::Close(name) if name == "master-page" => open_master = None,
            XmlPiece::Close(name) if name == "p" => {
                if let (Some(words), Some(name)) = (line.take(), &open_master)
                    && count < MAX_LINES
                {
                    count += 1;
                    masters.entry(name.clone()).or_default().push(words);
                }
            }
            _ => {}
        }
    }
    masters
}

/// Returns the lines shown by the controls of the form that was just opened: labels, values, and the state of check
/// boxes.
pub fn control_lines(xml: &mut Xml<'_>) -> Vec<String> {
    let outside = xml.depth() - 1;
    let mut lines = Vec::new();
    while xml.depth() > outside && lines.len() < MAX_LINES {
        match xml.next() {
            Some(XmlPiece::Open(tag)) => lines.extend(control_line(&tag)),
            Some(_) => {}
            None => break,
        }
    }
    while xml.depth() > outside && xml.next().is_some() {}
    lines
}

fn control_line(tag: &Tag) -> Option<String> {
    let filled = |name: &str| {
        let value = to_one_line(&tag.get(name)?);
        Some(value).filter(|value| !value.is_empty())
    };
    let label = filled("label");
    match tag.name() {
        "checkbox" | "radio" => {
            let state = filled("current-state").or_else(|| filled("current-selected"));
            let mark = match state.as_deref() {
                Some("checked" | "true") => "[x]",
                _ => "[ ]",
            };
            Some(
                format!("{mark} {}", label.unwrap_or_default())
                    .trim_end()
                    .to_owned(),
            )
        }
        // Only the selected option is visible.
        "option" => {
            let state = filled("current-selected").or_else(|| filled("selected"));
            label.filter(|_| state.as_deref() == Some("true"))
        }
        "fixed-text" | "button" | "frame" | "image" => label,
        "text" | "textarea" | "formatted-text" | "number" | "date" | "time" | "combobox"
        | "listbox" | "file" => {
            let value = filled("current-value").or_else(|| filled("value"));
            match (label, value) {
                (Some(label), Some(value)) => Some(format!("{label}: {value}")),
                (label, value) => label.or(value),
            }
        }
        _ => None,
    }
}
