//! Workbooks: each sheet is a page under its own name, each row a line that names its columns, dates are
//! written as dates. Formulas give their stored result. Omits hidden sheets, with a note.

use super::body::one_line;
use super::numbers::{Shapes, shown};
use super::package::{Relation, relations};
use super::xml::{Tag, Xml, XmlPiece};
use super::{Pictures, damaged};
use crate::extract::output::{Full, Output};
use crate::extract::table::Grid;
use crate::extract::zip::Zip;

/// Maximum size of the shared strings held in memory, in bytes.
const MAX_STRINGS_BYTES: usize = 64 << 20;
/// Maximum number of sheets read.
const MAX_SHEETS: usize = 2_000;
/// Bytes after which a sheet's text is passed on as a page.
const PAGE: usize = 128 << 10;
/// Maximum number of columns read; the format allows four times as many, which sheets do not use in practice.
const MAX_COLUMNS: usize = 4_096;
/// Maximum number of empty cells kept before a distant cell.
const MAX_EMPTY_CELLS: usize = 64;
/// Maximum size of a cell, in bytes.
const MAX_CELL_BYTES: usize = 32 << 10;

/// Reads the workbook whose main part is `part`.
pub fn read(zip: &Zip<'_>, part: &str, rows: usize, out: &mut Output<'_>) -> Pictures {
    let links = relations(zip, part);
    let of = |kind: &str| {
        let link = links.iter().find(|link| link.kind == kind)?;
        Xml::part(zip, &link.target)
    };
    let (sheets, from_1904) = sheets(zip, part, &links, out);
    let strings = Strings::read(of("sharedStrings"), out);
    let mut reader = XlsxReader {
        shapes: Shapes::read(of("styles")),
        strings,
        from_1904,
        rows_left: rows,
        most_rows: rows,
        unsaved: 0,
    };
    for (name, target) in sheets {
        // Full: the limit is reached; the text so far has been passed on.
        if reader.sheet(zip, &name, &target, out).is_err() {
            break;
        }
    }
    if reader.unsaved > 0 {
        out.note(format!(
            "formulas without a stored result, left empty: {}",
            reader.unsaved
        ));
    }
    let pictures = zip
        .entries
        .iter()
        .filter(|e| e.name.starts_with("xl/media/"))
        .count();
    Pictures(pictures)
}

/// The visible sheets by name and part, and whether days are counted from 1904.
fn sheets(
    zip: &Zip<'_>,
    part: &str,
    links: &[Relation],
    out: &mut Output<'_>,
) -> (Vec<(String, String)>, bool) {
    let (mut sheets, mut from_1904) = (Vec::new(), false);
    let mut xml = Xml::part(zip, part);
    while let Some(piece) = xml.as_mut().and_then(Xml::next) {
        let XmlPiece::Open(tag) = piece else { continue };
        match tag.name() {
            "workbookPr" => {
                from_1904 = matches!(tag.get("date1904").as_deref(), Some("1" | "true"));
            }
            "sheet" if sheets.len() < MAX_SHEETS => {
                let name = one_line(&tag.get("name").unwrap_or_default());
                if tag.get("state").is_some_and(|state| state != "visible") {
                    out.note(format!("the hidden sheet {name} is omitted"));
                    continue;
                }
                let id = tag.prefixed("id");
                let link = links.iter().find(|link| Some(&link.id) == id.as_ref());
                if let Some(link) = link.filter(|link| link.kind == "worksheet") {
                    sheets.push((name, link.target.clone()));
                }
            }
            _ => {}
        }
    }
    if xml.is_none_or(|xml| xml.broken()) {
        damaged(out, "the list of its sheets is incomplete");
    }
    (sheets, from_1904)
}

/// The shared strings, which cells refer to by number, stored in one buffer.
#[derive(Default)]
struct Strings {
    text: String,
    ends: Vec<u32>,
}

impl Strings {
    fn read(xml: Option<Xml<'_>>, out: &mut Output<'_>) -> Self {
        let mut strings = Self::default();
        let Some(mut xml) = xml else { return strings };
        while let Some(piece) = xml.next() {
            if let XmlPiece::Open(tag) = piece
                && tag.name() == "si"
            {
                rich_text(&mut xml, &mut strings.text);
                strings.ends.push(strings.text.len() as u32);
                if strings.text.len() > MAX_STRINGS_BYTES {
                    out.note(format!(
                        "only the first {} MB of the workbook's text are used",
                        MAX_STRINGS_BYTES >> 20
                    ));
                    break;
                }
            }
        }
        if xml.broken() {
            damaged(out, "some of the text in its cells is lost");
        }
        strings
    }

    fn get(&self, index: usize) -> &str {
        let Some(&end) = self.ends.get(index) else {
            return "";
        };
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start as usize..end as usize]
    }
}

/// The runs of a text up to the end of its element, without phonetic readings.
fn rich_text(xml: &mut Xml<'_>, into: &mut String) {
    let outside = xml.depth() - 1;
    let most = into.len() + MAX_CELL_BYTES;
    let mut inside = false;
    while xml.depth() > outside {
        match xml.next() {
            Some(XmlPiece::Open(tag)) => match tag.name() {
                "t" => inside = true,
                "rPh" => xml.skip(),
                _ => {}
            },
            Some(XmlPiece::Close(name)) if name == "t" => inside = false,
            Some(XmlPiece::Text(text)) if inside && into.len() < most => {
                into.push_str(&escapes(&text))
            }
            Some(_) => {}
            None => break,
        }
    }
}

/// Decodes escapes such as `_x000D_`, which represent characters that XML does not allow.
fn escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("_x") {
        let code = rest
            .get(at + 2..at + 6)
            .filter(|_| rest.as_bytes()[at + 2..].get(4) == Some(&b'_'));
        let character = code
            .and_then(|code| u32::from_str_radix(code, 16).ok())
            .and_then(char::from_u32);
        out.push_str(&rest[..at]);
        match character {
            Some(character) => {
                if character == '\n' || !character.is_control() {
                    out.push(character);
                }
                rest = &rest[at + 7..];
            }
            None => {
                out.push_str("_x");
                rest = &rest[at + 2..];
            }
        }
    }
    out.push_str(rest);
    out
}

struct XlsxReader {
    shapes: Shapes,
    strings: Strings,
    from_1904: bool,
    rows_left: usize,
    most_rows: usize,
    unsaved: usize,
}

/// A sheet being read.
#[derive(Default)]
struct XlsxSheet {
    name: String,
    grid: Grid,
    text: String,
    row: Vec<String>,
    number: u32,
    parts: u32,
}

impl XlsxSheet {
    fn hand_on(&mut self, out: &mut Output<'_>) -> Result<(), Full> {
        let title = match self.parts {
            0 => self.name.clone(),
            _ => format!("{}, up to row {}", self.name, self.number),
        };
        self.parts += 1;
        let text = std::mem::take(&mut self.text);
        out.page(out.next(), &title, &text)
    }
}

impl XlsxReader {
    fn sheet(
        &mut self,
        zip: &Zip<'_>,
        name: &str,
        part: &str,
        out: &mut Output<'_>,
    ) -> Result<(), Full> {
        let Some(mut xml) = Xml::part(zip, part) else {
            damaged(out, &format!("the sheet {name} is missing"));
            return Ok(());
        };
        let mut sheet = XlsxSheet {
            name: name.to_owned(),
            grid: Grid::new(true),
            ..XlsxSheet::default()
        };
        while let Some(piece) = xml.next() {
            match piece {
                XmlPiece::Open(tag) => match tag.name() {
                    "row" => {
                        let next = sheet.number.saturating_add(1);
                        sheet.number = tag.get("r").and_then(|r| r.parse().ok()).unwrap_or(next);
                        sheet.row.clear();
                    }
                    "c" => self.cell(&tag, &mut xml, &mut sheet.row),
                    _ => {}
                },
                XmlPiece::Close(name) if name == "row" => {
                    if self.rows_left == 0 {
                        out.note(format!("only the first {} rows are shown", self.most_rows));
                        break;
                    }
                    self.rows_left -= 1;
                    sheet.grid.row(&sheet.row, false, &mut sheet.text);
                    if sheet.text.len() > PAGE {
                        sheet.hand_on(out)?;
                    }
                }
                _ => {}
            }
        }
        sheet.grid.end(&mut sheet.text);
        if xml.broken() {
            damaged(
                out,
                &format!("the sheet {name} is read only up to the damage"),
            );
        }
        beside(zip, part, &mut sheet.text);
        if sheet.text.trim().is_empty() && sheet.parts == 0 {
            out.gap(out.next(), format!("the sheet {name} is empty"), false);
            return Ok(());
        }
        sheet.hand_on(out)
    }

    fn cell(&mut self, tag: &Tag, xml: &mut Xml<'_>, row: &mut Vec<String>) {
        let kind = tag.get("t").unwrap_or_default();
        let style = tag
            .get("s")
            .and_then(|style| style.parse().ok())
            .unwrap_or(0);
        let column = tag
            .get("r")
            .and_then(|place| column(&place))
            .unwrap_or(row.len());
        let outside = xml.depth() - 1;
        let (mut value, mut text, mut formula) = (None, String::new(), false);
        while xml.depth() > outside {
            match xml.next() {
                Some(XmlPiece::Open(tag)) => match tag.name() {
                    "v" => value = Some(xml.inside()),
                    "is" => rich_text(xml, &mut text),
                    "f" => formula = true,
                    _ => {}
                },
                Some(_) => {}
                None => break,
            }
        }
        self.unsaved += usize::from(formula && value.is_none());
        let value = value.unwrap_or_default();
        let shown = match kind.as_str() {
            "s" => {
                let index = value.trim().parse().unwrap_or(usize::MAX);
                self.strings.get(index).to_owned()
            }
            "inlineStr" => text,
            "str" => escapes(&value),
            "b" => if value.trim() == "1" { "TRUE" } else { "FALSE" }.to_owned(),
            "e" => value,
            "d" => value.trim_end_matches("T00:00:00").replace('T', " "),
            _ if value.is_empty() => text,
            _ => shown(&value, self.shapes.of(style), self.from_1904),
        };
        place(row, column, shown);
    }
}

/// Puts a cell at its column; columns only grow, whatever the file says.
fn place(row: &mut Vec<String>, column: usize, mut text: String) {
    if text.is_empty() || row.len() >= MAX_COLUMNS {
        return;
    }
    text.truncate(text.floor_char_boundary(MAX_CELL_BYTES));
    let hole = column.saturating_sub(row.len()).min(MAX_EMPTY_CELLS);
    row.resize(row.len() + hole, String::new());
    row.push(text);
}

/// The column of a cell reference such as `AB12`, from 0.
fn column(place: &str) -> Option<usize> {
    let letters = place.bytes().take_while(u8::is_ascii_alphabetic);
    let column = letters.take(4).fold(0usize, |column, letter| {
        column * 26 + usize::from(letter.to_ascii_uppercase() - b'A') + 1
    });
    column.checked_sub(1)
}

/// Adds the text outside the cells: comments, and the words in shapes.
fn beside(zip: &Zip<'_>, part: &str, text: &mut String) {
    for link in relations(zip, part) {
        let Some(mut xml) = Xml::part(zip, &link.target) else {
            continue;
        };
        match link.kind.as_str() {
            "comments" => comments(&mut xml, text),
            "drawing" => shapes(&mut xml, text),
            _ => {}
        }
    }
}

fn comments(xml: &mut Xml<'_>, text: &mut String) {
    while let Some(piece) = xml.next() {
        if let XmlPiece::Open(tag) = piece
            && tag.name() == "comment"
            && text.len() < 2 * PAGE
        {
            let mut words = String::new();
            rich_text(xml, &mut words);
            let place = tag.get("ref").unwrap_or_default();
            text.push_str(&format!("\n[comment on {place}: {}]", one_line(&words)));
        }
    }
}

fn shapes(xml: &mut Xml<'_>, text: &mut String) {
    let mut line = String::new();
    while let Some(piece) = xml.next() {
        match piece {
            XmlPiece::Open(tag) if tag.name() == "t" && line.len() < MAX_CELL_BYTES => {
                line.push_str(&xml.inside());
            }
            XmlPiece::Close(name) if name == "p" => {
                let words = one_line(&std::mem::take(&mut line));
                if !words.is_empty() && text.len() < 2 * PAGE {
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

    #[test]
    fn cell_references_are_parsed() {
        for (place, expected) in [
            ("A1", Some(0)),
            ("Z9", Some(25)),
            ("AA1", Some(26)),
            ("xfd1", Some(16_383)),
            ("1", None),
            ("", None),
            ("AAAAAAAA", Some(18_278)),
        ] {
            assert_eq!(column(place), expected, "{place}");
        }
    }

    #[test]
    fn escaped_characters_are_decoded() {
        for (text, expected) in [
            ("a_x000D_\nb", "a\nb"),
            ("_x0041_", "A"),
            ("_x00", "_x00"),
            ("file_x_y", "file_x_y"),
            ("_xé000_", "_xé000_"),
            ("_xD800_", "_xD800_"),
        ] {
            assert_eq!(escapes(text), expected, "{text}");
        }
    }

    #[test]
    fn a_distant_cell_does_not_fill_the_row() {
        let mut row = Vec::new();
        place(&mut row, 1, "b".to_owned());
        place(&mut row, 16_000, "far".to_owned());
        place(&mut row, 3, "back".to_owned());
        assert_eq!(
            (row.len(), row[1].as_str(), row[66].as_str()),
            (68, "b", "far")
        );
    }
}
