//! Details of OpenDocument files: cells spanned from above, cell values, and counts of omitted content.

use super::body::to_one_line;
use super::xml::{Tag, Xml, XmlPiece};
use crate::extract::output::Output;

/// Maximum size of a note, in bytes.
const MAX_NOTE_BYTES: usize = 1 << 20;
/// Maximum number of columns whose cells may span rows below.
const MAX_COLUMNS: usize = 1_000;

/// Counts of omitted or hidden content, for the notes.
#[derive(Default)]
pub struct OdfOmitted {
    /// Number of hidden sheets.
    pub sheets: usize,
    deleted_count: usize,
    /// Number of hidden passages.
    pub hidden_count: usize,
    /// Number of hidden rows. Their text is still extracted.
    pub hidden_rows: usize,
    /// Number of hidden columns. Their text is still extracted.
    pub hidden_columns: usize,
    /// Number of embedded objects that cannot be read.
    pub objects: usize,
}

impl OdfOmitted {
    /// Adds notes about the omitted or hidden content.
    pub fn report(&self, out: &mut Output<'_>) {
        for (count, what) in [
            (self.sheets, "hidden sheets omitted"),
            (
                self.deleted_count,
                "passages deleted in tracked changes, left out",
            ),
            (self.hidden_count, "hidden passages left out"),
            (self.hidden_rows, "hidden rows, which are read"),
            (self.hidden_columns, "hidden columns, which are read"),
            (self.objects, "embedded objects not read"),
        ] {
            if count > 0 {
                out.add_note(format!("{what}: {count}"));
            }
        }
    }

    /// Skips the list of tracked changes, counting its deletions.
    pub fn skip_deletions(&mut self, xml: &mut Xml<'_>) {
        let outside = xml.depth() - 1;
        while xml.depth() > outside {
            match xml.next() {
                Some(XmlPiece::Open(tag))
                    if matches!(tag.name(), "deletion" | "cell-content-change") =>
                {
                    self.deleted_count += 1;
                }
                Some(_) => {}
                None => break,
            }
        }
    }
}

/// A spreadsheet cell with its repetition count.
#[derive(Default)]
pub struct RepeatCounts {
    /// Number of times the cell occurs.
    pub repeat_count: usize,
    /// Whether the cell is covered by a cell in a row above.
    pub continues: bool,
    /// Content of a cell without text: its formula if it has no stored value, or else the value.
    pub content: Option<String>,
}

/// The columns of the open table that are spanned by cells in rows above.
#[derive(Default)]
pub struct CoveredColumns {
    /// Number of rows still spanned, by column.
    rows_left: Vec<usize>,
    /// The next column of the open row.
    pub column: usize,
}

impl CoveredColumns {
    /// Advances by `times` columns. Returns whether the first of them is covered by a cell in a row above. If it is
    /// not, records that its cell spans `rows` rows.
    pub fn next(&mut self, is_covered: bool, rows: usize, times: usize) -> bool {
        let at = self.column;
        self.column = at.saturating_add(times);
        if is_covered {
            let left = self.rows_left.get_mut(at).filter(|left| **left > 0);
            return left.map(|left| *left -= 1).is_some();
        }
        if rows > 1 && at < MAX_COLUMNS {
            self.rows_left.resize(self.rows_left.len().max(at + 1), 0);
            self.rows_left[at] = rows - 1;
        }
        false
    }
}

/// Returns whether the element is a hidden section or a hidden text field.
pub fn is_hidden(tag: &Tag) -> bool {
    tag.name() == "hidden-text" || tag.get("display").as_deref() == Some("none")
}

/// Returns a cell's content from its attributes: its formula, such as `=SUM([.B1:.B2])`, if it has no stored value, or
/// else the value. Programs usually also write the value as text; a few files have only the attribute.
pub fn content(cell: &Tag) -> Option<String> {
    if cell.get("value-type").is_some() {
        return [
            "string-value",
            "date-value",
            "time-value",
            "boolean-value",
            "value",
        ]
        .iter()
        .find_map(|name| cell.get(name));
    }
    let formula = cell.get("formula")?;
    // The prefix identifies the formula syntax.
    let start = formula.find('=')?;
    Some(formula[start..].to_owned())
}

/// Returns the text of the element that was just opened and, separately, the text of its child elements named `child`.
pub fn text_and_child(xml: &mut Xml<'_>, child: &str) -> (String, String) {
    let outside = xml.depth() - 1;
    let (mut child_text, mut text) = (String::new(), String::new());
    while xml.depth() > outside {
        match xml.next() {
            Some(XmlPiece::Open(tag)) if tag.name() == child => {
                child_text.push_str(&xml.inner_text())
            }
            Some(XmlPiece::Open(tag)) if tag.name() == "date" || tag.name() == "date-string" => {
                xml.skip()
            }
            Some(XmlPiece::Open(tag)) if matches!(tag.name(), "p" | "s" | "tab" | "line-break") => {
                text.push(' ')
            }
            Some(XmlPiece::Text(piece)) if text.len() < MAX_NOTE_BYTES => text.push_str(&piece),
            Some(_) => {}
            None => break,
        }
    }
    (to_one_line(&child_text), to_one_line(&text))
}
