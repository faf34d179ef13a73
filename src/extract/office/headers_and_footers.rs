//! Headers and footers of an office file: keeps content that does not appear anywhere in the text, such as the address
//! in a letterhead. Page numbers and repeated titles are omitted.

use super::body::to_one_line;
use super::xml::{Xml, XmlPiece};

/// Maximum number of lines to keep.
const MAX_LINES: usize = 40;
/// Maximum size of a line in bytes.
const MAX_LINE_BYTES: usize = 2_000;

/// Lines of headers and footers that have not appeared in the text so far.
#[derive(Debug, Default)]
pub struct HeaderFooterLines {
    lines: Vec<(String, &'static str)>,
    /// Number of images in headers and footers.
    pub pictures: usize,
}

impl HeaderFooterLines {
    /// Adds the paragraphs of a header or footer part; `kind` is the label for its lines.
    pub fn add_part(&mut self, mut xml: Xml<'_>, kind: &'static str) {
        let mut line = String::new();
        while let Some(piece) = xml.next() {
            match piece {
                XmlPiece::Open(tag) => match tag.name() {
                    "instrText" | "del" | "delText" | "Fallback" => xml.skip(),
                    "tab" | "br" | "tc" | "s" | "line-break" => line.push(' '),
                    "blip" | "imagedata" => self.pictures += 1,
                    "docPr" => {
                        let words = to_one_line(&tag.get("descr").unwrap_or_default());
                        if !words.is_empty() && line.len() < MAX_LINE_BYTES {
                            line.push_str(&format!(" image: {words} "));
                        }
                    }
                    _ => {}
                },
                XmlPiece::Text(text) if line.len() < MAX_LINE_BYTES => line.push_str(&text),
                XmlPiece::Close(name) if matches!(name.as_str(), "p" | "tr" | "h") => {
                    self.add_line(&std::mem::take(&mut line), kind);
                }
                _ => {}
            }
        }
        self.add_line(&line, kind);
    }

    /// Adds a line, unless it is already known, it is only a page number, or there are too many.
    pub fn add_line(&mut self, line: &str, kind: &'static str) {
        let line = to_one_line(line);
        let is_known = self.lines.iter().any(|(known, _)| *known == line);
        if self.lines.len() < MAX_LINES && !is_known && !is_page_number(&line) {
            self.lines.push((line, kind));
        }
    }

    /// Removes the lines whose text occurs in this paragraph.
    pub fn remove_repeated(&mut self, paragraph: &str) {
        if !self.lines.is_empty() {
            let paragraph = to_one_line(paragraph);
            self.lines
                .retain(|(line, _)| !paragraph.contains(line.as_str()));
        }
    }

    /// Takes the remaining lines, each labeled as header or footer.
    pub fn take_labeled_lines(&mut self) -> Vec<String> {
        let lines = std::mem::take(&mut self.lines);
        lines
            .into_iter()
            .map(|(line, kind)| format!("[{kind}: {line}]"))
            .collect()
    }
}

/// Returns whether a line is only a page number in one of the common forms: `3`, `Page 3 of 9`, `- 3 -`.
fn is_page_number(line: &str) -> bool {
    let (mut words, mut numbers) = (0, 0);
    for word in line
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        match word.chars().all(|c| c.is_ascii_digit()) {
            true => numbers += 1,
            false => words += 1,
        }
    }
    words == 0 && numbers < 3 && line.len() < 10
        || numbers <= 2 && words <= 2 && line.len() < 24 && {
            let first = line.split(' ').next().unwrap_or_default().to_lowercase();
            [
                "page",
                "seite",
                "página",
                "pagina",
                "strona",
                "стр.",
                "страница",
                "side",
                "sida",
            ]
            .contains(&first.as_str())
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_headers_not_repeated_in_the_text_are_kept() {
        let mut lines = HeaderFooterLines::default();
        for line in [
            "Ref 4711/B",
            "Annual report",
            "Page 3 of 9",
            "7",
            "- 12 -",
            "Ref 4711/B",
            "",
        ] {
            lines.add_line(line, "header");
        }
        lines.remove_repeated("This is the Annual  report of the year.");
        assert_eq!(lines.take_labeled_lines(), ["[header: Ref 4711/B]"]);
    }
}
