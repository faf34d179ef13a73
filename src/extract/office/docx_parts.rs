//! Parts of Word documents besides the main text: headers and footers, embedded HTML, form check boxes, and counts
//! of omitted content.

use super::margins::MarginLines;
use super::package::Relation;
use super::xml::{Xml, XmlPiece};
use crate::extract::output::Output;
use crate::extract::zip::Zip;
use crate::extract::{charset, html};

/// Maximum size of an embedded part, in bytes.
const MAX_CHUNK_BYTES: usize = 16 << 20;
/// Maximum number of headers and maximum number of footers.
const MAX_MARGINS: usize = 60;

/// Omitted content, for the notes.
#[derive(Debug, Default, Clone, Copy)]
pub struct DocxOmitted {
    /// Passages deleted in tracked changes.
    pub deleted: usize,
    /// Hidden passages.
    pub hidden: usize,
    /// Characters of symbol fonts.
    pub symbols: usize,
}

impl DocxOmitted {
    /// Adds the notes.
    pub fn report(self, out: &mut Output<'_>) {
        for (count, what) in [
            (
                self.deleted,
                "passages deleted in tracked changes, left out",
            ),
            (self.hidden, "hidden passages left out"),
            (self.symbols, "characters of symbol fonts without a text"),
        ] {
            if count > 0 {
                out.note(format!("{what}: {count}"));
            }
        }
    }
}

/// The headers and footers.
pub fn margins(zip: &Zip<'_>, links: &[Relation]) -> MarginLines {
    let mut lines = MarginLines::default();
    for (relation_kind, kind) in [("header", "header"), ("footer", "footer")] {
        for link in links
            .iter()
            .filter(|link| link.kind == relation_kind)
            .take(MAX_MARGINS)
        {
            if let Some(xml) = Xml::part(zip, &link.target) {
                lines.add_part(xml, kind);
            }
        }
    }
    lines
}

/// Whether an embedded part is HTML or plain text, which is read at its position.
pub fn is_text_part(link: &Relation) -> bool {
    let target = link.target.to_ascii_lowercase();
    link.kind == "aFChunk"
        && [".html", ".htm", ".xhtml", ".txt"]
            .iter()
            .any(|end| target.ends_with(end))
}

/// The text of a part that is HTML or plain text.
pub fn alt_chunk_text(zip: &Zip<'_>, link: &Relation) -> Option<String> {
    let entry = zip.find(&link.target).filter(|_| is_text_part(link))?;
    let (bytes, _) = zip.read(entry, MAX_CHUNK_BYTES);
    let decoded = charset::decode(&bytes, None).ok()?;
    if link.target.to_ascii_lowercase().ends_with(".txt") {
        return Some(decoded.text);
    }
    Some(html::body(&decoded.text, MAX_CHUNK_BYTES, false).text)
}

/// The text for a form's check box, which shows whether it is checked.
pub fn check_box_text(xml: &mut Xml<'_>) -> &'static str {
    let outside = xml.depth() - 1;
    let (mut default, mut checked) = (false, None);
    while xml.depth() > outside {
        match xml.next() {
            Some(XmlPiece::Open(tag)) if tag.name() == "default" => default = tag.is_on(),
            Some(XmlPiece::Open(tag)) if tag.name() == "checked" => checked = Some(tag.is_on()),
            Some(_) => {}
            None => break,
        }
    }
    if checked.unwrap_or(default) {
        "[x]"
    } else {
        "[ ]"
    }
}
