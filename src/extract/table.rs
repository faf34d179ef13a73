//! Converts comma-, semicolon-, tab-, and pipe-separated tables to self-contained lines: each row names its columns.
//! Accepts rows of uneven length.

use csv::{ReaderBuilder, StringRecord};

/// Column delimiters to try.
const DELIMITERS: &[u8] = b",;\t|";
/// Maximum number of rows above the header, such as a title.
const MAX_PREAMBLE: usize = 12;
/// Number of rows examined to find the delimiter.
const SAMPLE_ROWS: usize = 50;

/// Detects the delimiter that makes `text` a table, if there is one. With `named` (the file name indicates a table),
/// most rows must have several columns; otherwise, all rows must have the same number of columns.
pub fn sniff(text: &str, named: bool) -> Option<u8> {
    if let Some((delimiter, _)) = separator_line(text) {
        return Some(delimiter);
    }
    DELIMITERS
        .iter()
        .filter_map(|&delimiter| {
            let widths = row_widths(text, delimiter);
            // Uses the most common width, because a header may be longer than the rows.
            let count = |width: usize| widths.iter().filter(|&&other| other == width).count();
            let width = *widths.iter().max_by_key(|&&width| count(width))?;
            let matching = count(width);
            // Prose often has one comma per line, so two columns require tabs unless the file name indicates a table.
            let fits = if named {
                widths.iter().filter(|&&other| other > 1).count() * 2 > widths.len()
            } else {
                width >= if delimiter == b'\t' { 2 } else { 3 }
                    && widths.len() >= 3
                    && matching == widths.len()
            };
            // Consistency counts more than width: decimal commas would result in more cells than the semicolons between
            // them.
            fits.then_some(((matching * 1_000 / widths.len(), width), delimiter))
        })
        .max_by_key(|&(score, _)| score)
        .map(|(_, delimiter)| delimiter)
}

/// Parses a first line that declares the delimiter for Excel (`sep=;`). Returns the delimiter and the remaining text.
fn separator_line(text: &str) -> Option<(u8, &str)> {
    let (first, rest) = text.split_once('\n')?;
    let value = first.trim_matches(['"', '\r', ' ']).strip_prefix("sep=")?;
    match value.as_bytes() {
        [delimiter] => Some((*delimiter, rest)),
        [] => Some((b'\t', rest)),
        _ => None,
    }
}

/// Returns the number of rows above the header: titles and remarks, which have fewer filled cells than the table has
/// columns.
fn preamble_rows(text: &str, delimiter: u8) -> usize {
    let widths = row_widths(text, delimiter);
    let count = |width: usize| widths.iter().filter(|&&other| other == width).count();
    let Some(width) = widths
        .iter()
        .copied()
        .max_by_key(|&width| (count(width), width))
    else {
        return 0;
    };
    let above = widths
        .iter()
        .take_while(|&&other| other < width && (other == 1 || other * 2 <= width))
        .count();
    let is_table = width > 1 && count(width) > 1 && above <= MAX_PREAMBLE;
    if is_table { above } else { 0 }
}

fn row_widths(text: &str, delimiter: u8) -> Vec<usize> {
    // If the sample ends inside a quoted cell, only the last row is affected, so that row is ignored.
    let end = text
        .char_indices()
        .nth(64 * 1024)
        .map_or(text.len(), |(at, _)| at);
    let is_complete = end == text.len();
    let mut reader = reader(&text[..end], delimiter);
    let mut widths: Vec<usize> = reader
        .records()
        .take(SAMPLE_ROWS)
        .map_while(Result::ok)
        .map(|row| row.len())
        .collect();
    if !is_complete && widths.len() < SAMPLE_ROWS && widths.len() > 1 {
        widths.pop();
    }
    widths
}

pub(super) fn reader(text: &str, delimiter: u8) -> csv::Reader<&[u8]> {
    ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes())
}

/// Returns the table as lines of text, and notes for the user.
pub fn render(
    text: &str,
    delimiter: u8,
    max_rows: usize,
    max_text: usize,
) -> (String, Vec<String>) {
    let text = separator_line(text).map_or(text, |(_, rest)| rest);
    let mut above = preamble_rows(text, delimiter);
    let mut reader = reader(text, delimiter);
    let (mut out, mut notes) = (String::new(), Vec::new());
    let mut header: Option<StringRecord> = None;
    let (mut rows, mut ragged) = (0usize, 0usize);
    let mut width = 0;
    let mut row = StringRecord::new();
    // Reading valid UTF-8 from memory with flexible rows cannot fail; if it did, the rows so far would be kept.
    while reader.read_record(&mut row).unwrap_or(false) {
        if above > 0 {
            above -= 1;
            write_row(&mut out, &row, None);
            continue;
        }
        if rows == 0 {
            width = row.len();
            if is_header(&row) {
                out.push_str("Columns: ");
                write_cells(&mut out, row.iter().map(str::trim));
                out.push('\n');
                header = Some(row.clone());
                rows = 1;
                continue;
            }
        }
        rows += 1;
        if rows > max_rows {
            notes.push(format!("only the first {max_rows} rows are shown"));
            break;
        }
        if out.len() > max_text {
            break;
        }
        ragged += usize::from(row.len() != width);
        write_row(&mut out, &row, header.as_ref());
    }
    if ragged > 0 {
        notes.push(format!(
            "rows with more or fewer cells than the first: {ragged}"
        ));
    }
    (out, notes)
}

/// Returns whether a row names the columns: it has several cells, which are short, distinct, not numbers, and contain
/// letters.
fn is_header(row: &StringRecord) -> bool {
    let mut seen_names = std::collections::BTreeSet::new();
    row.len() > 1
        && row.iter().all(|cell| {
            let cell = cell.trim();
            !cell.is_empty()
                && cell.len() <= 80
                && cell.parse::<f64>().is_err()
                && seen_names.insert(cell)
        })
}

fn write_row(out: &mut String, row: &StringRecord, header: Option<&StringRecord>) {
    let cells = row
        .iter()
        .map(|cell| cell.split_whitespace().collect::<Vec<_>>().join(" "));
    match header {
        None => write_cells(out, cells),
        Some(header) => write_cells(
            out,
            cells.enumerate().filter(|(_, cell)| !cell.is_empty()).map(
                |(column, cell)| match header.get(column) {
                    Some(name) => format!("{}: {cell}", name.trim()),
                    None => cell,
                },
            ),
        ),
    }
    out.push('\n');
}

/// A table whose rows arrive one at a time. If the first row is a header, the other rows are written with the names of
/// their columns. Whether it is one is decided when the second row arrives.
#[derive(Debug, Default)]
pub struct Grid {
    header: Option<StringRecord>,
    first_row: Option<StringRecord>,
    has_begun: bool,
    /// Whether the table comes from a spreadsheet, whose rows are mostly records; a table in a text document is just as
    /// often a form or a layout.
    from_sheet: bool,
}

impl Grid {
    /// Creates an empty table. `from_sheet` tells whether it comes from a spreadsheet rather than from a text document.
    pub fn new(from_sheet: bool) -> Self {
        Self {
            from_sheet,
            ..Self::default()
        }
    }

    /// Adds the next row. `named` tells whether the file itself declares the row to be a header.
    pub fn row(&mut self, cells: &[String], named: bool, out: &mut String) {
        let filled = cells.len() - cells.iter().rev().take_while(|cell| is_blank(cell)).count();
        let row = StringRecord::from_iter(&cells[..filled]);
        if let Some(first) = self.first_row.take() {
            if !named && self.is_header_row(&first, &row) {
                self.write_header(first, out);
            } else {
                write_row(out, &first, None);
            }
        } else if !self.has_begun && !row.is_empty() {
            if named && row.len() > 1 {
                self.write_header(row, out);
                return;
            }
            // A single cell above a table is its title, so the table has not begun.
            self.has_begun = row.len() > 1;
            if self.has_begun {
                self.first_row = Some(row);
                return;
            }
        }
        if filled > 0 {
            write_row(out, &row, self.header.as_ref());
        }
    }

    /// Ends the table and writes the pending first row, if there is one.
    pub fn end(&mut self, out: &mut String) {
        if let Some(first) = self.first_row.take() {
            write_row(out, &first, None);
        }
    }

    fn write_header(&mut self, row: StringRecord, out: &mut String) {
        out.push_str("Columns: ");
        write_cells(
            out,
            row.iter()
                .map(|cell| cell.split_whitespace().collect::<Vec<_>>().join(" ")),
        );
        out.push('\n');
        (self.header, self.has_begun) = (Some(row), true);
    }

    /// Returns whether the first row names the columns: its cells look like names, and below one of them is a number.
    /// In a spreadsheet, three or more columns suffice without a number; in a text document, a row of words may just as
    /// well be the first line of a form.
    fn is_header_row(&self, first: &StringRecord, second: &StringRecord) -> bool {
        let number = |cell: &str| cell.chars().any(|c| c.is_ascii_digit());
        let counts = second
            .iter()
            .enumerate()
            .any(|(column, cell)| number(cell) && first.get(column).is_some_and(|c| !number(c)));
        is_header(first)
            && second.len() <= first.len()
            && (counts || (self.from_sheet && first.len() > 2))
    }
}

fn is_blank(cell: &str) -> bool {
    cell.trim().is_empty()
}

fn write_cells(out: &mut String, cells: impl Iterator<Item = impl AsRef<str>>) {
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            out.push_str(" | ");
        }
        out.push_str(cell.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_are_detected() {
        for (text, named, expected) in [
            ("a,b\n1,2\n", true, Some(b',')),
            ("a;b\n1,5;2,5\n", true, Some(b';')),
            ("a;b\n1,5;2,5\n1,0;2,0\n3,1;4,0\n", true, Some(b';')),
            ("a,b,c\n1\n1,2\n1,2,3\n1,2\n", true, Some(b',')),
            ("a\tb\n1\t2\n3\t4\n", false, Some(b'\t')),
            ("a|b|c\n1|2|3\n4|5|6\n", false, Some(b'|')),
            ("Hello, world\nthis, is prose\nand, more\n", false, None),
            (
                "name,age,city\nAnn,3,Rome\nBob,4,Paris\n",
                false,
                Some(b','),
            ),
            ("one column\nonly\n", true, None),
            ("", true, None),
        ] {
            assert_eq!(sniff(text, named), expected, "{text}");
        }
    }

    #[test]
    fn rows_name_their_columns() {
        let text = "name,note\nAnn,\"likes, commas\"\nBob,\nCid,\"two\nlines\",extra\n";
        let (rendered, notes) = render(text, b',', 100, 10_000);
        assert_eq!(
            rendered,
            "Columns: name | note\nname: Ann | note: likes, commas\nname: Bob\nname: Cid | note: two lines | extra\n"
        );
        assert_eq!(notes, ["rows with more or fewer cells than the first: 1"]);
    }

    #[test]
    fn rows_without_a_header_have_no_column_names() {
        assert_eq!(render("1,2\n3,4\n", b',', 100, 10_000).0, "1 | 2\n3 | 4\n");
    }

    #[test]
    fn lines_above_the_header_are_kept_apart() {
        for (text, delimiter, expected) in [
            (
                "sep=;\nName;Units\nWidget;12\n",
                b';',
                "Columns: Name | Units\nName: Widget | Units: 12\n",
            ),
            (
                "Report of the board\nCreated 2026\n\nStation,Level\nA,12\nB,15\n",
                b',',
                "Report of the board\nCreated 2026\nColumns: Station | Level\nStation: A | Level: 12\nStation: B | Level: 15\n",
            ),
        ] {
            assert_eq!(sniff(text, true), Some(delimiter));
            assert_eq!(render(text, delimiter, 100, 10_000).0, expected);
        }
    }

    #[test]
    fn rows_are_bounded() {
        let (rendered, notes) = render(&"a,b\n".repeat(50), b',', 10, 10_000);
        assert_eq!((rendered.lines().count(), notes.len()), (10, 1));
        assert!(
            render(&"1,2\n".repeat(50_000), b',', 1_000_000, 1_000)
                .0
                .len()
                < 1_100
        );
    }

    #[test]
    fn an_unclosed_quote_ends_with_the_file() {
        assert!(
            render("a,b\n\"never closed,2\n3,4", b',', 100, 1_000)
                .0
                .contains("never closed")
        );
    }
}
