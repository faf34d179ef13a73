//! Parts of Word documents other than the main text: headers and footers, embedded HTML, form fields, and counts of
//! omitted content.

use super::body::to_one_line;
use super::headers_and_footers::HeaderFooterLines;
use super::package::Relationship;
use super::xml::{Xml, XmlPiece};
use crate::extract::output::Output;
use crate::extract::zip::Zip;
use crate::extract::{charset, html, symbol_fonts};

/// Maximum size of an embedded part, in bytes.
const MAX_CHUNK_BYTES: usize = 16 << 20;
/// Maximum number of headers, and of footers, to read.
const MAX_HEADERS_OR_FOOTERS: usize = 60;

/// Counts of omitted content, for the notes.
#[derive(Debug, Default, Clone, Copy)]
pub struct DocxOmitted {
    /// Number of passages deleted in tracked changes.
    pub deleted_count: usize,
    /// Number of hidden passages.
    pub hidden_count: usize,
    /// Number of symbol font characters that have no text.
    pub symbols: usize,
    /// Number of subdocuments of a master document, which are separate files.
    pub parts: usize,
}

impl DocxOmitted {
    /// Adds notes about the omitted content.
    pub fn report(self, out: &mut Output<'_>) {
        for (count, what) in [
            (
                self.deleted_count,
                "passages deleted in tracked changes, left out",
            ),
            (self.hidden_count, "hidden passages left out"),
            (self.symbols, "characters of symbol fonts without a text"),
            (self.parts, "parts in other files, not read"),
        ] {
            if count > 0 {
                out.add_note(format!("{what}: {count}"));
            }
        }
    }
}

/// Collects the lines of a document's headers and footers.
pub fn headers_and_footers(zip: &Zip<'_>, links: &[Relationship]) -> HeaderFooterLines {
    let mut lines = HeaderFooterLines::default();
    for (relation_kind, kind) in [("header", "header"), ("footer", "footer")] {
        for link in links
            .iter()
            .filter(|link| link.kind == relation_kind)
            .take(MAX_HEADERS_OR_FOOTERS)
        {
            if let Some(xml) = Xml::part(zip, &link.target) {
                lines.add_part(xml, kind);
            }
        }
    }
    lines
}

/// Returns whether an embedded part is HTML or plain text, which is read at its position.
pub fn is_text_part(link: &Relationship) -> bool {
    let target = link.target.to_ascii_lowercase();
    link.kind == "aFChunk"
        && [".html", ".htm", ".xhtml", ".txt"]
            .iter()
            .any(|end| target.ends_with(end))
}

/// Returns the text of an HTML or plain-text part.
pub fn alt_chunk_text(zip: &Zip<'_>, link: &Relationship) -> Option<String> {
    let entry = zip.find(&link.target).filter(|_| is_text_part(link))?;
    let (bytes, _) = zip.read(entry, MAX_CHUNK_BYTES);
    let decoded = charset::decode(&bytes, None).ok()?;
    if link.target.to_ascii_lowercase().ends_with(".txt") {
        return Some(decoded.text);
    }
    Some(html::body(&decoded.text, MAX_CHUNK_BYTES, false).text)
}

/// Returns the text for a form check box: checked or unchecked.
pub fn check_box_text(xml: &mut Xml<'_>) -> &'static str {
    let outside = xml.depth() - 1;
    let (mut default, mut checked_state) = (false, None);
    while xml.depth() > outside {
        match xml.next() {
            Some(XmlPiece::Open(tag)) if tag.name() == "default" => default = tag.is_on(),
            Some(XmlPiece::Open(tag)) if tag.name() == "checked" => {
                checked_state = Some(tag.is_on())
            }
            Some(_) => {}
            None => break,
        }
    }
    if checked_state.unwrap_or(default) {
        "[x]"
    } else {
        "[ ]"
    }
}

/// Returns the text of a field without a result, whose code determines what is shown: a button, a symbol, or a formula.
pub fn field_code_text(code: &str) -> Option<String> {
    let code = to_one_line(code);
    let (kind, rest) = code.split_once(' ')?;
    match kind.to_ascii_uppercase().as_str() {
        "MACROBUTTON" | "GOTOBUTTON" => rest.split_once(' ').map(|(_, words)| words.to_owned()),
        "EQ" => Some(format!("[formula: {rest}]")),
        "SYMBOL" => {
            let (number, switches) = rest.split_once(' ').unwrap_or((rest, ""));
            let code = match number.strip_prefix("0x") {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            let font = switches
                .split_once("\\f")
                .map_or("", |(_, font)| font.trim());
            let font = font
                .trim_matches('"')
                .split('\\')
                .next()
                .unwrap_or_default();
            let symbol = symbol_fonts::text(font.trim().trim_matches('"'), code);
            symbol.map(|text| text.to_string()).or_else(|| {
                let character = char::from_u32(code).filter(|c| !c.is_control())?;
                Some(character.to_string())
            })
        }
        _ => None,
    }
}

/// Returns the selected entry of a form's drop-down list; the first entry unless another one was selected.
pub fn form_choice(xml: &mut Xml<'_>) -> String {
    let outside = xml.depth() - 1;
    let (mut default, mut selected, mut entries) = (0, None, Vec::new());
    while xml.depth() > outside {
        let Some(piece) = xml.next() else { break };
        let XmlPiece::Open(tag) = piece else { continue };
        let value = tag.get("val").unwrap_or_default();
        match tag.name() {
            "default" => default = value.parse().unwrap_or(0),
            "result" => selected = value.parse().ok(),
            "listEntry" => entries.push(value),
            _ => {}
        }
    }
    let at: usize = selected.unwrap_or(default);
    entries.into_iter().nth(at).unwrap_or_default()
}
