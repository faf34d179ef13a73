//! Prints tables with aligned columns and a header. On a terminal, lines are truncated to its width.

use std::io::IsTerminal as _;

use super::markdown::remove_control_characters;
use super::outcome::{Outcome, print};
use super::screen;
use super::text_width::{truncate, width};

/// Number of spaces between columns.
const COLUMN_GAP: usize = 2;

/// A plain-text table with a header row.
pub(super) struct TextTable {
    titles: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

impl TextTable {
    /// Creates an empty table. A title that begins with `>` marks a column of numbers, which are right-aligned.
    pub(super) fn new(titles: &'static [&'static str]) -> Self {
        Self {
            titles,
            rows: Vec::new(),
        }
    }

    /// Adds a row: one cell per title.
    pub(super) fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        let one_line =
            |cell: String| remove_control_characters(&cell.replace(['\n', '\r', '\t'], " "));
        self.rows.push(cells.into_iter().map(one_line).collect());
    }

    /// Prints the table, or the text `empty` if there are no rows.
    ///
    /// # Errors
    /// Returns an error if stdout cannot be written.
    pub(super) fn print(&self, empty: &str) -> Outcome {
        if self.rows.is_empty() {
            return print(empty);
        }
        let columns = std::io::stdout().is_terminal().then(screen::terminal_width);
        print(self.render(columns).trim_end_matches('\n'))
    }

    /// Renders the table. If `columns` is given, longer lines are truncated.
    fn render(&self, columns: Option<usize>) -> String {
        let header: Vec<String> = self
            .titles
            .iter()
            .map(|title| display_title(title))
            .collect();
        let all = || std::iter::once(&header).chain(&self.rows);
        let widths: Vec<usize> = (0..self.titles.len())
            .map(|at| all().map(|row| width(cell(row, at))).max().unwrap_or(0))
            .collect();
        let mut out = String::new();
        for row in all() {
            let line = self.render_line(row, &widths);
            match columns {
                // The ellipsis may use the last column, because a table is never redrawn.
                Some(columns) if width(&line) > columns => {
                    out.push_str(truncate(&line, columns));
                    out.push('…');
                }
                _ => out.push_str(&line),
            }
            out.push('\n');
        }
        out
    }

    fn render_line(&self, row: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for (at, (title, column_width)) in self.titles.iter().zip(widths).enumerate() {
            let text = cell(row, at);
            let space = " ".repeat(column_width.saturating_sub(width(text)));
            match title.starts_with('>') {
                true => line += &format!("{space}{text}"),
                false => line += &format!("{text}{space}"),
            }
            line += &" ".repeat(COLUMN_GAP);
        }
        line.truncate(line.trim_end().len());
        line
    }
}

fn cell(row: &[String], at: usize) -> &str {
    row.get(at).map_or("", String::as_str)
}

fn display_title(title: &str) -> String {
    title.trim_start_matches('>').to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_cut() {
        let mut table = TextTable::new(&["name", ">words", "kind"]);
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        table.push(row(["日本", "7", "pdf"]));
        table.push(row(["a long name", "1200", "a\nb\u{1b}"]));
        assert_eq!(
            table.render(None),
            "NAME         WORDS  KIND\n日本             7  pdf\na long name   1200  a b\n"
        );
        assert_eq!(
            table.render(Some(10)),
            "NAME     …\n日本     …\na long na…\n"
        );
    }
}
