//! Table rows on a web page. A cell that spans rows repeats its value in each of them, and one that spans columns
//! leaves empty cells, so that columns stay aligned; rows below a header row name their columns.

use crate::extract::table::Grid;

/// Maximum depth of nested tables for which rows are tracked.
const MAX_TABLES: usize = 16;
/// Maximum number of columns in a table.
const MAX_COLUMNS: usize = 256;
/// Maximum size in bytes of a cell that is repeated in each row that it spans.
const MAX_REPEATED_BYTES: usize = 200;

/// A cell in the open row.
struct OpenCell {
    /// The offset in the page's text where the cell's text starts.
    start: usize,
    rows: usize,
    columns: usize,
    is_header: bool,
}

/// A cell that continues in the rows below.
#[derive(Clone)]
struct SpanningCell {
    rows: usize,
    text: String,
}

#[derive(Default)]
struct HtmlTable {
    cells: Vec<OpenCell>,
    spanning: Vec<Option<SpanningCell>>,
    /// The column names from the header rows, until the first other row is read.
    column_names: Vec<String>,
    grid: Grid,
    has_names: bool,
    has_rows: bool,
    in_head: bool,
    /// Whether the open row contains a table, so that its text is left unchanged.
    is_nested: bool,
}

/// The open tables of a page.
#[derive(Default)]
pub struct HtmlTables {
    open_tables: Vec<HtmlTable>,
    excess_depth: usize,
}

/// How to write a row that has just ended.
pub enum RowEnd {
    /// Keep the text as written.
    Keep,
    /// Replace the text. An empty replacement removes the row.
    Replace(String),
}

impl HtmlTables {
    /// Starts a table, which is nested if a row of another table is open.
    pub fn open(&mut self) {
        if let Some(outer) = self.open_tables.last_mut() {
            outer.is_nested = true;
        }
        if self.open_tables.len() < MAX_TABLES {
            self.open_tables.push(HtmlTable::default());
        } else {
            self.excess_depth += 1;
        }
    }

    /// Closes the innermost table. Returns the column names if it contains only header rows.
    pub fn close(&mut self) -> Option<String> {
        if self.excess_depth > 0 {
            self.excess_depth -= 1;
            return None;
        }
        let table = self.open_tables.pop()?;
        (!table.has_rows && !table.column_names.is_empty()).then(|| table.column_names.join(" | "))
    }

    /// Sets whether the following rows belong to the head of the table.
    pub fn set_in_table_head(&mut self, is_open: bool) {
        if let Some(table) = self.table() {
            table.in_head = is_open;
        }
    }

    /// Opens a cell that spans these numbers of rows and columns, and whose text starts at this offset.
    pub fn open_cell(&mut self, start: usize, is_header: bool, rows: usize, columns: usize) {
        if let Some(table) = self.table()
            && table.cells.len() < MAX_COLUMNS
        {
            table.cells.push(OpenCell {
                start,
                is_header: is_header || table.in_head,
                rows: rows.clamp(1, 10_000),
                columns: columns.clamp(1, MAX_COLUMNS),
            });
        }
    }

    /// Ends the current row and returns how to write it. `text` is the page's text so far.
    pub fn end_row(&mut self, text: &str) -> RowEnd {
        match self.table() {
            Some(table) => table.end_row(text),
            None => RowEnd::Keep,
        }
    }

    fn table(&mut self) -> Option<&mut HtmlTable> {
        self.open_tables
            .last_mut()
            .filter(|_| self.excess_depth == 0)
    }
}

impl HtmlTable {
    fn end_row(&mut self, text: &str) -> RowEnd {
        let cells = std::mem::take(&mut self.cells);
        if cells.is_empty() {
            return RowEnd::Keep;
        }
        if std::mem::take(&mut self.is_nested) {
            self.has_rows = true;
            self.spanning.clear();
            return RowEnd::Keep;
        }
        let is_header = cells.iter().all(|cell| cell.is_header);
        let is_simple = cells.iter().all(|cell| cell.rows == 1 && cell.columns == 1)
            && self.spanning.iter().all(Option::is_none);
        let row = self.align_cells(&cells, text, is_header);
        if is_header && !self.has_rows && row.len() > 1 {
            self.add_column_names(&row);
            return RowEnd::Replace(String::new());
        }
        self.has_rows = true;
        let names = std::mem::take(&mut self.column_names);
        if names.is_empty() && !self.has_names && is_simple {
            return RowEnd::Keep;
        }
        let mut out = String::new();
        if !names.is_empty() {
            self.has_names = true;
            self.grid.row(&names, true, &mut out);
        }
        if self.has_names {
            self.grid.row(&row, false, &mut out);
        } else {
            out = row.join(" | ");
        }
        RowEnd::Replace(out.trim_end().to_owned())
    }

    /// Appends the cells of a further header row to the column names from the header rows above it.
    fn add_column_names(&mut self, row: &[String]) {
        self.column_names
            .resize(self.column_names.len().max(row.len()), String::new());
        for (name, cell) in self.column_names.iter_mut().zip(row) {
            if name.is_empty() {
                name.clone_from(cell);
            } else if name != cell && !cell.is_empty() {
                name.push(' ');
                name.push_str(cell);
            }
        }
    }

    /// Returns the row's cells by column, including those that span into it from above.
    fn align_cells(&mut self, cells: &[OpenCell], text: &str, is_header: bool) -> Vec<String> {
        let mut row: Vec<String> = Vec::new();
        for (index, cell) in cells.iter().enumerate() {
            self.add_spanning_cells(&mut row);
            let end = cells.get(index + 1).map_or(text.len(), |next| next.start);
            let text_of_cell = strip_delimiters(
                text.get(cell.start..end.max(cell.start))
                    .unwrap_or_default(),
            );
            for column in 0..cell.columns {
                if row.len() >= MAX_COLUMNS {
                    break;
                }
                // In a header, a cell names every column that it spans; elsewhere, its value is written in the first
                // column only.
                let column_text = if column == 0 || is_header {
                    text_of_cell.clone()
                } else {
                    String::new()
                };
                let at = row.len();
                if cell.rows > 1 && text_of_cell.len() <= MAX_REPEATED_BYTES {
                    self.spanning.resize(self.spanning.len().max(at + 1), None);
                    self.spanning[at] = Some(SpanningCell {
                        rows: cell.rows,
                        text: column_text.clone(),
                    });
                }
                row.push(column_text);
            }
        }
        self.add_spanning_cells(&mut row);
        for spanning in &mut self.spanning {
            if let Some(open) = spanning {
                open.rows -= 1;
                if open.rows == 0 {
                    *spanning = None;
                }
            }
        }
        row
    }

    /// Adds cells from above that span into the next columns.
    fn add_spanning_cells(&self, row: &mut Vec<String>) {
        while let Some(Some(open)) = self.spanning.get(row.len()) {
            row.push(open.text.clone());
        }
    }
}

/// Returns the words of a cell, without the delimiters between it and the preceding cells.
fn strip_delimiters(mut text: &str) -> String {
    while let Some(rest) = text.strip_prefix(" | ") {
        text = rest;
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
