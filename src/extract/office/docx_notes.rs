//! Footnotes, endnotes, and comments of Word documents.

use std::collections::HashMap;

use super::body::to_one_line;
use super::xml::{Xml, XmlPiece};

/// Maximum size of all notes and comments, in bytes.
const MAX_NOTES_BYTES: usize = 8 << 20;
/// Maximum size of a note, in bytes.
const MAX_NOTE_BYTES: usize = 1 << 20;

/// Returns the text of the footnotes, endnotes, or comments, by ID. `element` is the name of their XML element.
pub fn notes(xml: Option<Xml<'_>>, element: &str) -> HashMap<String, String> {
    let mut notes = HashMap::new();
    let Some(mut xml) = xml else { return notes };
    let mut total = 0;
    while let Some(piece) = xml.next() {
        let XmlPiece::Open(tag) = piece else { continue };
        // The lines that separate notes from the text are stored as notes too, but with another type.
        if tag.name() != element || tag.get("type").is_some_and(|kind| kind != "normal") {
            continue;
        }
        let text = to_one_line(&note_text(&mut xml));
        total += text.len();
        if text.is_empty() || total > MAX_NOTES_BYTES {
            continue;
        }
        let text = match tag.get("author").filter(|author| !author.trim().is_empty()) {
            Some(author) => format!("[comment by {}: {text}]", author.trim()),
            None if element == "comment" => format!("[comment: {text}]"),
            None => text,
        };
        notes.insert(tag.get("id").unwrap_or_default(), text);
    }
    notes
}

fn note_text(xml: &mut Xml<'_>) -> String {
    let outside = xml.depth() - 1;
    let (mut text, mut inside) = (String::new(), false);
    while xml.depth() > outside {
        match xml.next() {
            Some(XmlPiece::Open(tag)) => match tag.name() {
                "t" => inside = true,
                "del" | "moveFrom" | "Fallback" => xml.skip(),
                "p" | "tab" | "br" | "tc" => text.push(' '),
                _ => {}
            },
            Some(XmlPiece::Close(name)) if name == "t" => inside = false,
            Some(XmlPiece::Text(piece)) if inside && text.len() < MAX_NOTE_BYTES => {
                text.push_str(&piece);
            }
            Some(_) => {}
            None => break,
        }
    }
    text
}
