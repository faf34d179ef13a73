//! Assembles an office file's paragraphs, lists, tables, and notes into pages. Independent of the markup: the reader
//! that walks it decides what constitutes a paragraph.

use crate::extract::output::{Output, OutputFull};
use crate::extract::table::Grid;

/// Number of bytes after which text from a file without pages is passed on.
const FLUSH_BYTES: usize = 128 << 10;
/// Maximum size of a page in bytes. If there is more text between two page breaks, the breaks are too rare to mark
/// pages.
const MAX_PAGE_BYTES: usize = 12 << 10;
/// Maximum depth of nested tables; deeper tables are read as text of the enclosing cell.
const MAX_TABLE_DEPTH: usize = 8;
/// Maximum size in bytes of a cell that is repeated in each row or column it spans.
const MAX_REPEATED_CELL_BYTES: usize = 80;
/// Maximum number of columns in a table.
const MAX_COLUMNS: usize = 4_096;
/// Maximum size of a cell, in bytes.
const MAX_CELL_BYTES: usize = 256 << 10;

/// Role of a paragraph.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ParagraphRole {
    /// Body text.
    #[default]
    Plain,
    /// A heading with its level, starting at 1.
    Heading(usize),
    /// A list item, with its nesting level and its marker.
    Item(usize, String),
}

/// How a table cell is merged with its neighbors.
#[derive(Debug, Clone, Copy, Default)]
pub struct TableCell {
    /// Number of additional columns that the cell spans.
    pub spans: usize,
    /// Whether the cell continues the one in the row above.
    pub continues: bool,
}

#[derive(Default)]
struct BodyTable {
    grid: Grid,
    row: Vec<String>,
    cells_above: Vec<String>,
    names: bool,
}

/// Assembles the text of an office file and passes it on page by page.
pub struct BodyText<'o, 's> {
    output: &'o mut Output<'s>,
    /// The title of the current page.
    pub title: String,
    heading: String,
    text: String,
    notes: Vec<String>,
    tables: Vec<BodyTable>,
    follows_list_item: bool,
    breaks_before_next: bool,
    has_page_breaks: bool,
    skipped_table_depth: usize,
    /// Whether page breaks end pages. Readers of slides and spreadsheets end pages themselves.
    pub flows: bool,
}

impl<'o, 's> BodyText<'o, 's> {
    /// Creates an empty text. With `flows`, page breaks in the file may end pages; without it, only `end_page` does.
    pub fn new(out: &'o mut Output<'s>, flows: bool) -> Self {
        Self {
            output: out,
            title: String::new(),
            heading: String::new(),
            text: String::new(),
            notes: Vec::new(),
            tables: Vec::new(),
            follows_list_item: false,
            breaks_before_next: false,
            has_page_breaks: false,
            skipped_table_depth: 0,
            flows,
        }
    }

    /// Adds a note for the user about the whole document.
    pub fn add_note(&mut self, note: String) {
        self.output.add_note(note);
    }

    /// Records that a page has no text, and why.
    pub fn add_gap(&mut self, number: u32, why: &str) {
        self.output.add_textless_page(number, why, false);
    }

    /// Reports how much of the file has been read; the total may be in any unit.
    pub fn progress(&mut self, (done, total): (usize, usize)) {
        self.output.progress(done, total);
    }

    /// Returns the number that the next page will get.
    pub fn next_page(&self) -> u32 {
        self.output.next()
    }

    /// Returns whether the text is long enough to be passed on as a page, although the file has no page breaks. False
    /// inside a nested table.
    pub fn is_long(&self) -> bool {
        self.tables.len() < 2 && self.text.len() > FLUSH_BYTES
    }

    /// Returns whether the current page has no text yet.
    pub fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Adds a paragraph. Inside a table, it becomes a line of the open cell.
    ///
    /// # Errors
    /// Returns [`OutputFull`] if the limit is reached or the receiver is gone.
    pub fn paragraph(&mut self, text: &str, role: &ParagraphRole) -> Result<(), OutputFull> {
        let text = text.trim();
        if let Some(table) = self.tables.last_mut() {
            if !text.is_empty()
                && let Some(cell) = table.row.last_mut()
                && cell.len() < MAX_CELL_BYTES
            {
                if !cell.is_empty() {
                    cell.push('\n');
                }
                if let ParagraphRole::Item(_, mark) = role {
                    cell.push_str(mark);
                    cell.push(' ');
                }
                cell.push_str(text);
            }
            return Ok(());
        }
        self.block(text, role);
        self.after_block()
    }

    fn block(&mut self, text: &str, role: &ParagraphRole) {
        if text.is_empty() {
            return;
        }
        let item = matches!(role, ParagraphRole::Item(..));
        self.ensure_line_breaks(if item && self.follows_list_item { 1 } else { 2 });
        self.follows_list_item = item;
        match role {
            ParagraphRole::Plain => self.text.push_str(text),
            ParagraphRole::Heading(level) => {
                // A heading must be a single line; otherwise, its second line would be read as text.
                let line = to_one_line(text);
                self.text.push_str(&"#".repeat((*level).clamp(1, 6)));
                self.text.push(' ');
                self.text.push_str(&line);
                self.heading = line.chars().take(200).collect();
            }
            ParagraphRole::Item(level, mark) => {
                self.text.push_str(&"  ".repeat((*level).min(12)));
                self.text.push_str(mark);
                self.text.push(' ');
                self.text.push_str(text);
            }
        }
    }

    fn ensure_line_breaks(&mut self, lines: usize) {
        if !self.text.is_empty() {
            let existing = self.text.len() - self.text.trim_end_matches('\n').len();
            self.text
                .extend(std::iter::repeat_n('\n', lines.saturating_sub(existing)));
        }
    }

    /// Adds a footnote or a comment, which is written after the current paragraph or table.
    pub fn add_footnote(&mut self, note: String) {
        self.notes.push(note);
    }

    fn after_block(&mut self) -> Result<(), OutputFull> {
        if !self.tables.is_empty() {
            return Ok(());
        }
        for note in std::mem::take(&mut self.notes) {
            self.ensure_line_breaks(1);
            self.text.push_str(&note);
            self.follows_list_item = false;
        }
        if self.flows && self.text.len() > FLUSH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Opens a table, which becomes part of the open cell if it is nested. `records` tells whether its rows are
    /// records, as in a spreadsheet.
    pub fn open_table(&mut self, records: bool) {
        if self.tables.is_empty() {
            self.ensure_line_breaks(2);
        }
        if self.tables.len() < MAX_TABLE_DEPTH {
            self.tables.push(BodyTable {
                grid: Grid::new(records),
                ..BodyTable::default()
            });
        } else {
            self.skipped_table_depth += 1;
        }
    }

    /// Returns the innermost open table.
    fn table(&mut self) -> Option<&mut BodyTable> {
        self.tables
            .last_mut()
            .filter(|_| self.skipped_table_depth == 0)
    }

    /// Opens a row. `names` tells whether the file declares it to be a header row.
    pub fn open_row(&mut self, names: bool) {
        if let Some(table) = self.table() {
            table.row.clear();
            table.names = names;
        }
    }

    /// Marks the open row as a header row, for files that declare this only within the row.
    pub fn names_columns(&mut self) {
        if let Some(table) = self.table() {
            table.names = true;
        }
    }

    /// Starts a cell in the current row of the innermost table.
    pub fn open_cell(&mut self) {
        if let Some(table) = self.table()
            && table.row.len() < MAX_COLUMNS
        {
            table.row.push(String::new());
        }
    }

    /// Closes the open cell and fills in the cells that are merged with it.
    pub fn close_cell(&mut self, cell: TableCell) {
        let Some(table) = self.table() else {
            return;
        };
        let column = table.row.len().saturating_sub(1);
        if cell.continues
            && let Some(last) = table.row.last_mut()
            && last.is_empty()
            && let Some(above) = table.cells_above.get(column)
            && above.len() <= MAX_REPEATED_CELL_BYTES
        {
            *last = above.clone();
        }
        let width = (table.row.len() + cell.spans.min(MAX_COLUMNS)).min(MAX_COLUMNS);
        if width > table.row.len() {
            table.row.resize(width, String::new());
        }
    }

    /// Repeats the last closed cell `times` more times.
    pub fn repeat_cell(&mut self, times: usize) {
        if let Some(table) = self.table() {
            let cell = table.row.last().cloned().unwrap_or_default();
            // Only short texts are repeated; otherwise, empty cells keep the columns aligned.
            let cell = if cell.len() <= MAX_REPEATED_CELL_BYTES {
                cell
            } else {
                String::new()
            };
            let width = (table.row.len() + times).min(MAX_COLUMNS);
            table.row.resize(width, cell);
        }
    }

    /// Returns whether the open cell has no text yet.
    pub fn is_cell_blank(&mut self) -> bool {
        let cell = self.table().and_then(|table| table.row.last());
        cell.is_some_and(String::is_empty)
    }

    /// Returns whether any cell of the open row has text.
    pub fn row_is_filled(&mut self) -> bool {
        self.table()
            .is_some_and(|table| table.row.iter().any(|cell| !cell.is_empty()))
    }

    /// Closes the row and writes it `times` times in total.
    ///
    /// # Errors
    /// Returns [`OutputFull`] if the limit is reached or the receiver is gone.
    pub fn close_repeated_row(&mut self, times: usize) -> Result<(), OutputFull> {
        let row = match self.table() {
            Some(table) if times > 1 => table.row.clone(),
            _ => Vec::new(),
        };
        self.close_row()?;
        for _ in 1..times {
            if let Some(table) = self.table() {
                table.row.clone_from(&row);
            }
            self.close_row()?;
        }
        Ok(())
    }

    /// Closes the open row and writes it as part of the table.
    ///
    /// # Errors
    /// Returns [`OutputFull`] if the limit is reached or the receiver is gone.
    pub fn close_row(&mut self) -> Result<(), OutputFull> {
        let nested = self.tables.len() > 1;
        let Some(table) = self.table() else {
            return Ok(());
        };
        let mut cells = std::mem::take(&mut table.row);
        table.cells_above.clone_from(&cells);
        if let [only] = &mut cells[..] {
            // A table with a single column is a frame around text, so its paragraphs keep their roles.
            let text = std::mem::take(only);
            if nested {
                self.append_to_outer_cell(&text);
            } else if !text.is_empty() {
                self.ensure_line_breaks(1);
                self.text.push_str(&text);
                self.text.push('\n');
            }
        } else {
            for cell in &mut cells {
                *cell = to_one_line(cell);
            }
            let mut line = String::new();
            table.grid.row(&cells, table.names, &mut line);
            if nested {
                self.append_to_outer_cell(line.trim_end());
            } else {
                self.text.push_str(&line);
            }
        }
        if !nested && self.flows && self.text.len() > FLUSH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn append_to_outer_cell(&mut self, text: &str) {
        let outer = self.tables.len().checked_sub(2);
        if let Some(cell) = outer.and_then(|at| self.tables[at].row.last_mut())
            && cell.len() < MAX_CELL_BYTES
            && !text.is_empty()
        {
            if !cell.is_empty() {
                cell.push('\n');
            }
            cell.push_str(text);
        }
    }

    /// Closes the innermost table and writes what remains of its text.
    ///
    /// # Errors
    /// Returns [`OutputFull`] if the limit is reached or the receiver is gone.
    pub fn close_table(&mut self) -> Result<(), OutputFull> {
        if self.skipped_table_depth > 0 {
            self.skipped_table_depth -= 1;
            return Ok(());
        }
        let mut rest = String::new();
        if let Some(table) = self.table() {
            table.grid.end(&mut rest);
        }
        if self.tables.len() > 1 {
            self.append_to_outer_cell(rest.trim_end());
        } else {
            self.text.push_str(&rest);
        }
        self.tables.pop();
        self.follows_list_item = false;
        if self.tables.is_empty() {
            self.ensure_line_breaks(2);
            self.after_block()?;
            if std::mem::take(&mut self.breaks_before_next) {
                self.break_page(true)?;
            }
        }
        Ok(())
    }

    /// Ends the page at a page break, or after the table if one is open. A break recorded by the last layout
    /// (`is_layout_break`) is ignored if the page has no text yet, because an author's break precedes it.
    ///
    /// # Errors
    /// Returns [`OutputFull`] if the limit is reached or the receiver is gone.
    pub fn break_page(&mut self, is_layout_break: bool) -> Result<(), OutputFull> {
        if !self.tables.is_empty() {
            // Tables are not split, so the page ends after the table.
            self.breaks_before_next = true;
            return Ok(());
        }
        if is_layout_break && self.is_blank() {
            return Ok(());
        }
        self.after_block()?;
        self.has_page_breaks = true;
        if self.text.len() > MAX_PAGE_BYTES {
            self.flush()
        } else {
            self.end_page(self.output.next())
        }
    }

    /// Ends the page with this number.
    ///
    /// # Errors
    /// Returns [`OutputFull`] if the limit is reached or the receiver is gone.
    pub fn end_page(&mut self, number: u32) -> Result<(), OutputFull> {
        self.after_block()?;
        let text = std::mem::take(&mut self.text);
        self.follows_list_item = false;
        let result = self.output.page(number, &self.title, &text);
        self.continue_heading();
        result
    }

    fn flush(&mut self) -> Result<(), OutputFull> {
        let text = std::mem::take(&mut self.text);
        self.follows_list_item = false;
        let result = self.output.add_sections(&self.title, &text);
        self.continue_heading();
        result
    }

    /// Uses the last heading as the title of the next page, unless that page gets its own.
    fn continue_heading(&mut self) {
        if self.flows {
            self.title.clone_from(&self.heading);
        }
    }

    /// Closes tables that a damaged file leaves open.
    ///
    /// # Errors
    /// Returns [`OutputFull`] if the limit is reached or the receiver is gone.
    pub fn finish_tables(&mut self) -> Result<(), OutputFull> {
        self.skipped_table_depth = 0;
        while !self.tables.is_empty() {
            self.close_row()?;
            self.close_table()?;
        }
        Ok(())
    }

    /// Closes open tables and passes on the remaining text.
    ///
    /// # Errors
    /// Returns [`OutputFull`] if the limit is reached or the receiver is gone.
    pub fn finish(&mut self) -> Result<(), OutputFull> {
        self.finish_tables()?;
        self.after_block()?;
        if self.has_page_breaks {
            return self.break_page(true);
        }
        self.flush()
    }
}

/// Joins a text into one line.
pub fn to_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
