//! Content of a sheet outside its cells: comments, text boxes, charts, and diagrams.

use super::body::to_one_line;
use super::drawing;
use super::package::relationships;
use super::sheet_cells::rich_text;
use super::xml::{Xml, XmlPiece};
use crate::extract::zip::Zip;

/// Maximum size of the text of a sheet's objects, in bytes.
const MAX_BYTES: usize = 256 << 10;

/// Adds the text of the objects that a sheet's part refers to.
pub fn read(zip: &Zip<'_>, part: &str, text: &mut String) {
    let max_bytes = text.len() + MAX_BYTES;
    let links = relationships(zip, part);
    let has_threads = links
        .iter()
        .any(|link| link.kind == "threadedComment" && zip.find(&link.target).is_some());
    for link in links {
        let Some(mut xml) = Xml::part(zip, &link.target) else {
            continue;
        };
        match link.kind.as_str() {
            "comments" => add_comments(&mut xml, has_threads, text, max_bytes),
            "threadedComment" => add_threads(&mut xml, text, max_bytes),
            "drawing" => add_shapes(zip, &link.target, &mut xml, text, max_bytes),
            _ => {}
        }
    }
}

/// Adds the comments. With `has_threads`, skips the copies of threaded comments made for old programs, because the
/// threads themselves are read.
fn add_comments(xml: &mut Xml<'_>, has_threads: bool, text: &mut String, max_bytes: usize) {
    while let Some(piece) = xml.next() {
        if let XmlPiece::Open(tag) = piece
            && tag.name() == "comment"
            && text.len() < max_bytes
        {
            let mut words = String::new();
            rich_text(xml, &mut words);
            let cell_reference = tag.get("ref").unwrap_or_default();
            if !(has_threads && words.starts_with("[Threaded comment]")) {
                text.push_str(&format!(
                    "\n[comment on {cell_reference}: {}]",
                    to_one_line(&words)
                ));
            }
        }
    }
}

/// Adds threaded comments, which newer programs write, with their replies.
fn add_threads(xml: &mut Xml<'_>, text: &mut String, max_bytes: usize) {
    let mut cell_reference = String::new();
    while let Some(piece) = xml.next() {
        match piece {
            XmlPiece::Open(tag) if tag.name() == "threadedComment" => {
                cell_reference = tag.get("ref").unwrap_or_default();
            }
            XmlPiece::Open(tag) if tag.name() == "text" && text.len() < max_bytes => {
                let words = to_one_line(&xml.inner_text());
                text.push_str(&format!("\n[comment on {cell_reference}: {words}]"));
            }
            _ => {}
        }
    }
}

fn add_shapes(zip: &Zip<'_>, part: &str, xml: &mut Xml<'_>, text: &mut String, max_bytes: usize) {
    let links = relationships(zip, part);
    let mut line = String::new();
    while let Some(piece) = xml.next() {
        match piece {
            XmlPiece::Open(tag) if tag.name() == "t" && line.len() < MAX_BYTES => {
                line.push_str(&xml.inner_text());
            }
            XmlPiece::Open(tag) if matches!(tag.name(), "chart" | "relIds") => {
                for words in drawing::referenced_text(zip, &links, &tag) {
                    if text.len() < max_bytes {
                        text.push_str(&format!("\n{words}"));
                    }
                }
            }
            XmlPiece::Open(tag) if tag.name() == "cNvPr" => {
                // A description without spaces is a file name filled in by a program.
                let words = to_one_line(&tag.get("descr").unwrap_or_default());
                if words.contains(' ') && text.len() < max_bytes {
                    text.push_str(&format!("\n[image: {words}]"));
                }
            }
            XmlPiece::Close(name) if name == "p" => {
                let words = to_one_line(&std::mem::take(&mut line));
                if !words.is_empty() && text.len() < max_bytes {
                    text.push_str(&format!("\n{words}"));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::zip::pack;

    fn text_of(relationships: &[(&str, &str)], parts: &[(&str, &str)]) -> String {
        let links = relationships.iter().map(|(kind, target)| {
            format!(r#"<Relationship Id="r" Type="x/{kind}" Target="{target}"/>"#)
        });
        let links: String = links.collect();
        let links = format!("<Relationships>{links}</Relationships>");
        let mut all = vec![("xl/_rels/s.xml.rels", links.as_bytes())];
        all.extend(parts.iter().map(|(name, text)| (*name, text.as_bytes())));
        let bytes = pack(&all);
        let mut text = String::new();
        read(&Zip::open(&bytes), "xl/s.xml", &mut text);
        text
    }

    #[test]
    fn a_comment_that_copies_a_thread_is_omitted_only_if_the_thread_exists() {
        let comments = (
            "xl/c.xml",
            "<comments><comment ref='A1'><text><t>[Threaded comment] Is it due?</t></text></comment></comments>",
        );
        let thread = (
            "xl/t.xml",
            "<ThreadedComments><threadedComment ref='A1'><text>Is it due?</text></threadedComment></ThreadedComments>",
        );
        let (old, new) = (("comments", "c.xml"), ("threadedComment", "t.xml"));
        let expected_comment = "\n[comment on A1: [Threaded comment] Is it due?]";
        assert_eq!(text_of(&[old], &[comments]), expected_comment);
        let once = "\n[comment on A1: Is it due?]";
        assert_eq!(text_of(&[old, new], &[comments, thread]), once);
        assert_eq!(text_of(&[new, old], &[comments, thread]), once);
        // The part that the relationship refers to is missing, so the regular comments are read.
        assert_eq!(text_of(&[old, new], &[comments]), expected_comment);
    }
}
