//! Details of OpenDocument files: cells spanned from above, values of cells, and counts of omitted content.

use super::body::to_one_line;
use super::xml::{Tag, Xml, XmlPiece};
use crate::extract::output::Output;

/// Maximum size of a note, in bytes.
const MAX_NOTE_BYTES: usize = 1 << 20;
/// Maximum number of columns whose cells may span rows below.
const MAX_COLUMNS: usize = 1_000;

/// Omitted content, for the notes.
#[derive(Default)]
pub struct OdfOmitted {
    /// Hidden sheets.
    pub sheets: usize,
    deleted: usize,
    /// Hidden passages.
    pub hidden: usize,
    /// Hidden rows, which are read nevertheless.
    pub hidden_rows: usize,
    /// Hidden columns, which are read nevertheless.
    pub hidden_columns: usize,
    /// Embedded objects.
    pub objects: usize,
}

impl OdfOmitted {
    /// Adds the notes.
    pub fn report(&self, out: &mut Output<'_>) {
        for (count, what) in [
            (self.sheets, "hidden sheets omitted"),
            (
                self.deleted,
                "passages deleted in tracked changes, left out",
            ),
            (self.hidden, "hidden passages left out"),
            (self.hidden_rows, "hidden rows, which are read"),
            (self.hidden_columns, "hidden columns, which are read"),
            (self.objects, "embedded objects not read"),
        ] {
            if count > 0 {
                out.note(format!("{what}: {count}"));
            }
        }
    }

    /// Skips the list of tracked changes and counts its deletions.
    pub fn skip_deletions(&mut self, xml: &mut Xml<'_>) {
        let outside = xml.depth() - 1;
        while xml.depth() > outside {
            match xml.next() {
                Some(XmlPiece::Open(tag))
                    if matches!(tag.name(), "deletion" | "cell-content-change") =>
                {
                    self.deleted += 1;
                }
                Some(_) => {}
                None => break,
            }
        }
    }
}

/// The repetition count of a sheet's cell.
#[derive(Default)]
pub struct Repeated {
    /// How often the cell occurs.
    pub times: usize,
    /// Whether a cell in a row above spans it.
    pub continues: bool,
    /// What a cell without a text contains: its formula if it has no stored value, and otherwise the value.
    pub content: Option<String>,
}

/// The columns of the open table that cells in rows above span.
#[derive(Default)]
pub struct CoveredColumns {
    /// Number of rows still spanned, by column.
    left: Vec<usize>,
    /// The next column of the open row.
    pub column: usize,
}

impl CoveredColumns {
    /// Whether the next column is spanned from above; otherwise its cell spans `rows` rows from here on.
    pub fn next(&mut self, is_covered: bool, rows: usize, times: usize) -> bool {
        let at = self.column;
        self.column = at.saturating_add(times);
        if is_covered {
            let left = self.left.get_mut(at).filter(|left| **left > 0);
            return left.map(|left| *left -= 1).is_some();
        }
        if rows > 1 && at < MAX_COLUMNS {
            self.left.resize(self.left.len().max(at + 1), 0);
            self.left[at] = rows - 1;
        }
        false
    }
}

/// Whether a section is not displayed, or a field has text that is not.
pub fn is_hidden(tag: &Tag) -> bool {
    tag.name() == "hidden-text" || tag.get("display").as_deref() == Some("none")
}

/// What a cell contains according to its attributes: its formula, such as `=SUM([.B1:.B2])`, if it has no stored value,
/// and otherwise the value. Programs write the value as text, too; a few files have only the attribute.
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
    // The prefix names the syntax.
    let start = formula.find('=')?;
    Some(formula[start..].to_owned())
}

/// The text of the element just opened and, separately, that of one kind of child.
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
