//! The content of a sheet besides its cells: comments, text boxes, charts, and diagrams.

use super::body::one_line;
use super::drawing;
use super::package::relations;
use super::sheet_cells::rich_text;
use super::xml::{Xml, XmlPiece};
use crate::extract::zip::Zip;

/// Maximum size of the text of one sheet's objects, in bytes.
const MAX_BYTES: usize = 256 << 10;

/// Adds the text of the objects to which a sheet's part refers.
pub fn read(zip: &Zip<'_>, part: &str, text: &mut String) {
    let most = text.len() + MAX_BYTES;
    for link in relations(zip, part) {
        let Some(mut xml) = Xml::part(zip, &link.target) else {
            continue;
        };
        match link.kind.as_str() {
            "comments" => comments(&mut xml, text, most),
            "threadedComment" => threads(&mut xml, text, most),
            "drawing" => shapes(zip, &link.target, &mut xml, text, most),
            _ => {}
        }
    }
}

fn comments(xml: &mut Xml<'_>, text: &mut String, most: usize) {
    while let Some(piece) = xml.next() {
        if let XmlPiece::Open(tag) = piece
            && tag.name() == "comment"
            && text.len() < most
        {
            let mut words = String::new();
            rich_text(xml, &mut words);
            let place = tag.get("ref").unwrap_or_default();
            // The copy of a threaded comment for old programs.
            if !words.starts_with("[Threaded comment]") {
                text.push_str(&format!("\n[comment on {place}: {}]", one_line(&words)));
            }
        }
    }
}

/// The comments and replies of newer programs.
fn threads(xml: &mut Xml<'_>, text: &mut String, most: usize) {
    let mut place = String::new();
    while let Some(piece) = xml.next() {
        match piece {
            XmlPiece::Open(tag) if tag.name() == "threadedComment" => {
                place = tag.get("ref").unwrap_or_default();
            }
            XmlPiece::Open(tag) if tag.name() == "text" && text.len() < most => {
                let words = one_line(&xml.inside());
                text.push_str(&format!("\n[comment on {place}: {words}]"));
            }
            _ => {}
        }
    }
}

fn shapes(zip: &Zip<'_>, part: &str, xml: &mut Xml<'_>, text: &mut String, most: usize) {
    let links = relations(zip, part);
    let mut line = String::new();
    while let Some(piece) = xml.next() {
        match piece {
            XmlPiece::Open(tag) if tag.name() == "t" && line.len() < MAX_BYTES => {
                line.push_str(&xml.inside());
            }
            XmlPiece::Open(tag) if matches!(tag.name(), "chart" | "relIds") => {
                for words in drawing::referred(zip, &links, &tag) {
                    if text.len() < most {
                        text.push_str(&format!("\n{words}"));
                    }
                }
            }
            XmlPiece::Open(tag) if tag.name() == "cNvPr" => {
                // File names that programs fill in carry no information.
                let words = one_line(&tag.get("descr").unwrap_or_default());
                if words.contains(' ') && text.len() < most {
                    text.push_str(&format!("\n[image: {words}]"));
                }
            }
            XmlPiece::Close(name) if name == "p" => {
                let words = one_line(&std::mem::take(&mut line));
                if !words.is_empty() && text.len() < most {
                    text.push_str(&format!("\n{words}"));
                }
            }
            _ => {}
        }
    }
}
