//! Tables in OpenDocument files, including the sheets of a spreadsheet.

use super::super::body::{ParagraphRole, TableCell, to_one_line};
use super::super::odf_parts::{CoveredColumns, RepeatCounts, content};
use super::super::xml::{Tag, Xml};
use super::{MAX_REPEATS, OdfElementKind, OdfReader};
use crate::extract::output::OutputFull;

impl OdfReader<'_, '_, '_> {
    pub(super) fn open_table_element(&mut self, tag: &Tag, xml: &mut Xml<'_>) {
        let number = |name: &str| tag.get(name).and_then(|count| count.parse::<usize>().ok());
        match tag.name() {
            "table" => self.open_table(tag, xml),
            "table-row" => {
                self.row_repeats = number("number-rows-repeated").unwrap_or(1);
                self.covered_columns.column = 0;
                let visibility = tag.get("visibility");
                self.is_hidden_row = matches!(visibility.as_deref(), Some("collapse" | "filter"));
                self.body.open_row(self.in_header);
            }
            "table-header-rows" => self.in_header = true,
            "table-cell" | "covered-table-cell" => {
                let times = number("number-columns-repeated").unwrap_or(1).max(1);
                let rows = number("number-rows-spanned").unwrap_or(1);
                let is_covered = tag.name() == "covered-table-cell";
                self.cell = RepeatCounts {
                    repeat_count: times,
                    continues: self.covered_columns.next(is_covered, rows, times),
                    content: content(tag),
                };
                self.body.open_cell();
            }
            _ => {}
        }
    }

    pub(super) fn open_table(&mut self, tag: &Tag, xml: &mut Xml<'_>) {
        if self.kind == OdfElementKind::Sheets && self.tables == 0 {
            if self.styles.hides_text(tag) {
                self.omitted.sheets += 1;
                self.number += 1;
                return xml.skip();
            }
            self.body.title = to_one_line(&tag.get("name").unwrap_or_default());
        }
        self.tables += 1;
        self.covered_columns = CoveredColumns::default();
        self.body.open_table(self.kind == OdfElementKind::Sheets);
    }

    pub(super) fn close_cell(&mut self) -> Result<(), OutputFull> {
        let RepeatCounts {
            repeat_count: times,
            continues,
            content,
        } = std::mem::take(&mut self.cell);
        if let Some(content) = content.filter(|_| self.body.is_cell_blank()) {
            self.body.paragraph(&content, &ParagraphRole::Plain)?;
        }
        // The columns that a cell spans need not be filled in, because OpenDocument lists each covered cell as an
        // element.
        self.body.close_cell(TableCell {
            spans: 0,
            continues,
        });
        if times > 1 {
            self.body.repeat_cell((times - 1).min(MAX_REPEATS));
        }
        Ok(())
    }

    pub(super) fn close_row(&mut self) -> Result<(), OutputFull> {
        // Only rows with text are repeated and counted, because the empty rest of a sheet may declare a million rows.
        let times = self.row_repeats.min(self.rows_left).min(MAX_REPEATS);
        let filled = self.body.row_is_filled();
        self.omitted.hidden_rows += usize::from(filled && self.is_hidden_row);
        self.rows_left -= if filled { times } else { 0 };
        self.body
            .close_repeated_row(if filled { times } else { 1 })?;
        if self.kind == OdfElementKind::Sheets && self.body.is_long() {
            let next = self.body.next_page();
            return self.body.end_page(next);
        }
        Ok(())
    }

    pub(super) fn close_table(&mut self) -> Result<(), OutputFull> {
        self.tables = self.tables.saturating_sub(1);
        self.body.close_table()?;
        if self.kind == OdfElementKind::Sheets && self.tables == 0 {
            self.number += 1;
            let next = self.body.next_page();
            if self.body.is_blank() {
                let why = format!("the sheet {} is empty", self.body.title);
                self.body.add_gap(next, &why);
                return Ok(());
            }
            return self.body.end_page(next);
        }
        Ok(())
    }
}
