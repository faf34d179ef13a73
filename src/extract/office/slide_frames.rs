//! Text that many slides of a presentation share: footers, and the text shown by layouts and masters. Each line is
//! written only once.

use std::collections::HashSet;

use super::body::to_one_line;
use super::package::{Relationship, relationships};
use super::xml::{Xml, XmlPiece};
use crate::extract::zip::Zip;

/// Maximum number of different lines.
const MAX_LINES: usize = 1_000;
/// Maximum size of one line, in bytes.
const MAX_LINE_BYTES: usize = 4 << 10;

/// Collects the text that slides share, so that it is written only once.
#[derive(Default)]
pub struct SlideFrames {
    /// The layouts and masters that have been read.
    parts: HashSet<String>,
    written_lines: HashSet<String>,
    /// Lines of layouts that have not been written yet.
    unwritten_lines: Vec<String>,
}

impl SlideFrames {
    /// Reads the slide's layout and master, unless an earlier slide used them.
    pub fn add_layout(&mut self, zip: &Zip<'_>, links: &[Relationship]) {
        let layouts = links.iter().filter(|link| link.kind == "slideLayout");
        let masters = |link: &Relationship| {
            let mut all = relationships(zip, &link.target);
            all.retain(|link| link.kind == "slideMaster");
            all
        };
        let parts: Vec<Relationship> = layouts
            .flat_map(|link| std::iter::once(link.clone()).chain(masters(link)))
            .collect();
        for part in parts {
            if self.parts.len() < MAX_LINES
                && !self.parts.contains(&part.target)
                && let Some(mut xml) = Xml::part(zip, &part.target)
            {
                self.unwritten_lines.extend(shown_text(&mut xml));
                self.parts.insert(part.target);
            }
        }
    }

    /// Returns the labeled lines of layouts and of the slide's footers that have not been written yet.
    pub fn take_unwritten_lines(&mut self, footers: Vec<String>) -> Vec<String> {
        let layouts = std::mem::take(&mut self.unwritten_lines).into_iter();
        let lines = layouts.map(|words| format!("[layout: {words}]")).chain(
            footers
                .into_iter()
                .map(|words| format!("[footer: {words}]")),
        );
        let mut fresh = Vec::new();
        for line in lines {
            if self.written_lines.len() < MAX_LINES && self.written_lines.insert(line.clone()) {
                fresh.push(line);
            }
        }
        fresh
    }
}

/// Returns the lines of text that a layout shows on its slides. Skips placeholders, which contain only prompts.
fn shown_text(xml: &mut Xml<'_>) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    let (mut is_placeholder, mut inside) = (false, false);
    while let Some(piece) = xml.next() {
        match piece {
            XmlPiece::Open(tag) => match tag.name() {
                "sp" => (is_placeholder, line) = (false, String::new()),
                "ph" => is_placeholder = true,
                "t" => inside = true,
                "Fallback" | "extLst" | "txStyles" => xml.skip(),
                _ => {}
            },
            XmlPiece::Text(text) if inside && line.len() < MAX_LINE_BYTES => line.push_str(&text),
            XmlPiece::Text(_) => {}
            XmlPiece::Close(name) => match &*name {
                "t" => inside = false,
                "p" => line.push(' '),
                "sp" => {
                    let words = to_one_line(&line);
                    if !is_placeholder && !words.is_empty() {
                        lines.push(words);
                    }
                }
                _ => {}
            },
        }
    }
    lines
}
