//! Workbooks: each sheet is a page under its own name, each row is a line that names its columns, and dates are written
//! as dates. Formulas yield their stored result, or their source if there is none. Merged cells repeat their value in
//! each row. Omits hidden sheets, with a note, and marks hidden rows.

use super::body::to_one_line;
use super::headers_and_footers::HeaderFooterLines;
use super::merged::MergedCells;
use super::numbers::CellFormats;
use super::package::{Relationship, relationships};
use super::sheet_cells::{MAX_CELL_BYTES, column_index, decode_escapes, rich_text};
use super::xml::{Tag, Xml, XmlPiece};
use super::{Pictures, embedded, note_damage, xlsx_objects};
use crate::extract::output::{Output, OutputFull};
use crate::extract::table::Grid;
use crate::extract::zip::Zip;

/// Maximum size in bytes of the shared strings held in memory.
const MAX_STRINGS_BYTES: usize = 64 << 20;
/// Maximum number of sheets to read.
const MAX_SHEETS: usize = 2_000;
/// Number of bytes after which a sheet's text is passed on as a page.
const PAGE_BYTES: usize = 128 << 10;
/// Maximum number of columns to read. The format allows four times as many, but sheets do not use them in practice.
const MAX_COLUMNS: usize = 4_096;
/// Maximum number of texts to read from the data validation rules of a sheet: input messages, error messages, and lists
/// of choices.
const MAX_HINTS: usize = 1_000;
/// Maximum number of empty cells written to pad the gap before a cell.
const MAX_EMPTY_CELLS: usize = 64;

/// Reads the workbook with the main part `part`, up to `rows` rows. Returns the number of images.
pub fn read(zip: &Zip<'_>, part: &str, rows: usize, out: &mut Output<'_>) -> Pictures {
    let links = relationships(zip, part);
    let part_of_kind = |kind: &str| {
        let link = links.iter().find(|link| link.kind == kind)?;
        Xml::part(zip, &link.target)
    };
    let (sheets, uses_1904_dates) = sheets(zip, part, &links, out);
    let strings = Strings::read(part_of_kind("sharedStrings"), out);
    let sizes = sheets.iter().map(|(_, target)| size_of_part(zip, target));
    let mut reader = XlsxReader {
        bytes_read: 0,
        size: sizes.fold(0, usize::saturating_add),
        shapes: CellFormats::read(part_of_kind("styles")),
        strings,
        uses_1904_dates,
        rows_left: rows,
        max_rows: rows,
        uncached_formulas: 0,
    };
    let mut parts = Vec::new();
    for (name, target) in sheets {
        parts.push(target.clone());
        // The output is full; the text so far has been passed on.
        if reader.sheet(zip, &name, &target, out).is_err() {
            break;
        }
        reader.bytes_read = reader.bytes_read.saturating_add(size_of_part(zip, &target));
    }
    if reader.uncached_formulas > 0 {
        out.add_note(format!(
            "formulas without a stored result, shown as formulas: {}",
            reader.uncached_formulas
        ));
    }
    let macros = links.iter().filter(|link| link.kind == "vbaProject");
    let mut files: Vec<Relationship> = macros.cloned().collect();
    files.extend(parts.iter().flat_map(|part| relationships(zip, part)));
    embedded::read(zip, &files, out);
    let pictures = zip
        .entries
        .iter()
        .filter(|e| e.name.starts_with("xl/media/"))
        .count();
    Pictures(pictures)
}

fn size_of_part(zip: &Zip<'_>, part: &str) -> usize {
    let entry = zip.find(part.trim_start_matches('/'));
    entry.map_or(0, |entry| entry.size)
}

/// Returns the name and part of each visible sheet, and whether days are counted from 1904.
fn sheets(
    zip: &Zip<'_>,
    part: &str,
    links: &[Relationship],
    out: &mut Output<'_>,
) -> (Vec<(String, String)>, bool) {
    let (mut sheets, mut uses_1904_dates) = (Vec::new(), false);
    let mut xml = Xml::part(zip, part);
    while let Some(piece) = xml.as_mut().and_then(Xml::next) {
        let XmlPiece::Open(tag) = piece else { continue };
        match tag.name() {
            "workbookPr" => {
                uses_1904_dates = matches!(tag.get("date1904").as_deref(), Some("1" | "true"));
            }
            "sheet" if sheets.len() < MAX_SHEETS => {
                let name = to_one_line(&tag.get("name").unwrap_or_default());
                if tag.get("state").is_some_and(|state| state != "visible") {
                    out.add_note(format!("the hidden sheet {name} is omitted"));
                    continue;
                }
                let id = tag.prefixed_attribute("id");
                let link = links.iter().find(|link| Some(&link.id) == id.as_ref());
                match link.map(|link| (&*link.kind, &link.target)) {
                    Some(("worksheet" | "chartsheet", target)) => {
                        sheets.push((name, target.clone()));
                    }
                    // Macros and dialogs of old versions are sheets too.
                    Some(_) => {
                        out.add_note(format!("the sheet {name} is a program and is not read"))
                    }
                    None => note_damage(out, &format!("the sheet {name} is missing")),
                }
            }
            _ => {}
        }
    }
    if xml.is_none_or(|xml| xml.is_broken()) {
        note_damage(out, "the list of its sheets is incomplete");
    }
    (sheets, uses_1904_dates)
}

/// The shared strings that cells refer to by index, stored in a single buffer.
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
                    out.add_note(format!(
                        "only the first {} MB of the workbook's text are used",
                        MAX_STRINGS_BYTES >> 20
                    ));
                    break;
                }
            }
        }
        if xml.is_broken() {
            note_damage(out, "some of the text in its cells is lost");
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

struct XlsxReader {
    /// Number of bytes in the sheets read so far.
    bytes_read: usize,
    /// Number of bytes in all sheets.
    size: usize,
    shapes: CellFormats,
    strings: Strings,
    uses_1904_dates: bool,
    rows_left: usize,
    max_rows: usize,
    uncached_formulas: usize,
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
    is_hidden_row: bool,
    merged: MergedCells,
    headers_and_footers: HeaderFooterLines,
    notes: Vec<String>,
    /// Input messages, error messages, and choices of the cells' validation rules.
    hints: Vec<String>,
    /// The cells of the open validation rule, if their values come from a list.
    list_range: Option<String>,
}

impl XlsxSheet {
    fn end_row(&mut self) {
        self.merged.fill(self.number, &mut self.row);
        let first = self.row.iter_mut().find(|cell| !cell.is_empty());
        if let Some(cell) = first.filter(|_| self.is_hidden_row) {
            cell.insert_str(0, "[hidden row] ");
        }
        self.grid.row(&self.row, false, &mut self.text);
    }

    /// Handles the elements of a sheet other than rows and cells.
    fn open(&mut self, tag: &Tag, xml: &mut Xml<'_>) {
        match tag.name() {
            "col" if is_set(tag, "hidden") => {
                let first = tag.get("min").unwrap_or_default();
                self.notes.push(format!(
                    "the sheet {} has hidden columns from column {first}, which are read",
                    self.name
                ));
            }
            "oddHeader" | "evenHeader" | "firstHeader" => {
                self.headers_and_footers
                    .add_line(&margin_text(&xml.inner_text()), "header");
            }
            "oddFooter" | "evenFooter" | "firstFooter" => {
                self.headers_and_footers
                    .add_line(&margin_text(&xml.inner_text()), "footer");
            }
            "dataValidation" => self.open_rule(tag),
            "formula1" => self.add_choices(&xml.inner_text()),
            "hyperlink" => {
                let cell_range = tag.get("ref").unwrap_or_default();
                self.hint("tip", &cell_range, &tag.get("tooltip").unwrap_or_default());
            }
            _ => {}
        }
    }

    /// Records the input and error messages of a data validation rule.
    fn open_rule(&mut self, rule: &Tag) {
        let cell_range = rule.get("sqref").unwrap_or_default();
        for names in [["promptTitle", "prompt"], ["errorTitle", "error"]] {
            let words = names.map(|name| rule.get(name).unwrap_or_default());
            self.hint("hint", &cell_range, &words.join(" "));
        }
        let is_list = rule.get("type").as_deref() == Some("list");
        self.list_range = is_list.then_some(cell_range);
    }

    /// Records the choices that a rule itself lists. Other choices are in cells, which are read anyway.
    fn add_choices(&mut self, formula: &str) {
        let list = formula.trim().strip_prefix('"');
        let list = list.and_then(|list| list.strip_suffix('"'));
        if let (Some(list), Some(place)) = (list, self.list_range.take()) {
            self.hint("choices", &place, &list.replace(',', ", "));
        }
    }

    fn hint(&mut self, kind: &str, place: &str, words: &str) {
        let words = to_one_line(words);
        if !words.is_empty() && self.hints.len() < MAX_HINTS {
            self.hints.push(format!("[{kind} on {place}: {words}]"));
        }
    }

    /// Adds content outside the cells: the texts of validation rules, headers, and footers.
    fn add_content_outside_cells(&mut self) {
        for line in self
            .hints
            .drain(..)
            .chain(self.headers_and_footers.take_labeled_lines())
        {
            self.text.push('\n');
            self.text.push_str(&line);
        }
    }

    fn flush(&mut self, out: &mut Output<'_>) -> Result<(), OutputFull> {
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
    ) -> Result<(), OutputFull> {
        let Some(mut xml) = Xml::part(zip, part) else {
            note_damage(out, &format!("the sheet {name} is missing"));
            return Ok(());
        };
        let mut sheet = XlsxSheet {
            name: name.to_owned(),
            grid: Grid::new(true),
            merged: MergedCells::read(zip, part),
            ..XlsxSheet::default()
        };
        while let Some(piece) = xml.next() {
            match piece {
                XmlPiece::Open(tag) => match tag.name() {
                    "row" => {
                        let next = sheet.number.saturating_add(1);
                        sheet.number = tag.get("r").and_then(|r| r.parse().ok()).unwrap_or(next);
                        sheet.row.clear();
                        sheet.is_hidden_row = is_set(&tag, "hidden");
                    }
                    "c" => self.cell(&tag, &mut xml, &mut sheet.row),
                    _ => sheet.open(&tag, &mut xml),
                },
                XmlPiece::Close(name) if name == "row" => {
                    if self.rows_left == 0 {
                        out.add_note(format!("only the first {} rows are shown", self.max_rows));
                        break;
                    }
                    self.rows_left -= 1;
                    sheet.end_row();
                    out.progress(self.bytes_read.saturating_add(xml.progress().0), self.size);
                    if sheet.text.len() > PAGE_BYTES {
                        sheet.flush(out)?;
                    }
                }
                _ => {}
            }
        }
        sheet.grid.end(&mut sheet.text);
        if xml.is_broken() {
            note_damage(
                out,
                &format!("the sheet {name} is read only up to the damage"),
            );
        }
        xlsx_objects::read(zip, part, &mut sheet.text);
        sheet.add_content_outside_cells();
        sheet.notes.drain(..).for_each(|note| out.add_note(note));
        if sheet.text.trim().is_empty() && sheet.parts == 0 {
            out.add_textless_page(out.next(), format!("the sheet {name} is empty"), false);
            return Ok(());
        }
        sheet.flush(out)
    }

    fn cell(&mut self, tag: &Tag, xml: &mut Xml<'_>, row: &mut Vec<String>) {
        let kind = tag.get("t").unwrap_or_default();
        let style = tag
            .get("s")
            .and_then(|style| style.parse().ok())
            .unwrap_or(0);
        let column = tag
            .get("r")
            .and_then(|place| column_index(&place))
            .unwrap_or(row.len());
        let outside = xml.depth() - 1;
        let (mut value, mut text, mut formula) = (None, String::new(), None);
        while xml.depth() > outside {
            match xml.next() {
                Some(XmlPiece::Open(tag)) => match tag.name() {
                    "v" => value = Some(xml.inner_text()),
                    "is" => rich_text(xml, &mut text),
                    "f" => formula = Some(xml.inner_text()),
                    _ => {}
                },
                Some(_) => {}
                None => break,
            }
        }
        if let (Some(formula), None) = (&formula, value.as_deref().filter(|v| !v.is_empty())) {
            self.uncached_formulas += 1;
            let display_formula = match formula.trim() {
                "" => "=…".to_owned(),
                formula => format!("={formula}"),
            };
            return place_cell(row, column, display_formula);
        }
        let value = value.unwrap_or_default();
        let cell_text = match kind.as_str() {
            "s" => {
                let index = value.trim().parse().unwrap_or(usize::MAX);
                self.strings.get(index).to_owned()
            }
            "inlineStr" => text,
            "str" => decode_escapes(&value),
            "b" => if value.trim() == "1" { "TRUE" } else { "FALSE" }.to_owned(),
            "e" => value,
            "d" => value.trim_end_matches("T00:00:00").replace('T', " "),
            _ if value.is_empty() => text,
            _ => self
                .shapes
                .format_of(style)
                .format_value(&value, self.uses_1904_dates),
        };
        place_cell(row, column, cell_text);
    }
}

/// Appends a non-empty cell, after empty cells that fill the gap to its column. A column that already has a cell is
/// ignored: the cell is appended as the next one.
fn place_cell(row: &mut Vec<String>, column: usize, mut text: String) {
    if text.is_empty() || row.len() >= MAX_COLUMNS {
        return;
    }
    text.truncate(text.floor_char_boundary(MAX_CELL_BYTES));
    let gap = column.saturating_sub(row.len()).min(MAX_EMPTY_CELLS);
    row.resize(row.len() + gap, String::new());
    row.push(text);
}

fn is_set(tag: &Tag, name: &str) -> bool {
    matches!(tag.get(name).as_deref(), Some("1" | "true"))
}

/// Returns the text of a header or footer, without the codes for fonts, positions, and page numbers.
fn margin_text(text: &str) -> String {
    let mut words = String::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        if character != '&' {
            words.push(character);
            continue;
        }
        match rest.next() {
            Some('&') => words.push('&'),
            Some('"') => rest.by_ref().take_while(|c| *c != '"').for_each(drop),
            Some('K') => rest.by_ref().take(6).for_each(drop),
            Some(digit) if digit.is_ascii_digit() => {
                while rest.next_if(char::is_ascii_digit).is_some() {}
            }
            _ => words.push(' '),
        }
    }
    to_one_line(&words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distant_cell_does_not_fill_the_row() {
        let mut row = Vec::new();
        place_cell(&mut row, 1, "b".to_owned());
        place_cell(&mut row, 16_000, "far".to_owned());
        place_cell(&mut row, 3, "back".to_owned());
        assert_eq!(
            (row.len(), row[1].as_str(), row[66].as_str()),
            (68, "b", "far")
        );
    }
}
