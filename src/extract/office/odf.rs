//! OpenDocument texts, sheets, and slides, which share one markup. Omits deleted and hidden text, with a note;
//! notes and comments follow their paragraph.

use std::collections::{HashMap, HashSet};

use super::body::{BodyText, ParagraphRole, TableCell, to_one_line};
use super::margins::MarginLines;
use super::odf_parts::{
    CoveredColumns, OdfOmitted, Repeated, formula, is_hidden, margins, run_style, text_and_child,
};
use super::xml::{Tag, Xml, XmlPiece};
use super::{Pictures, damaged};
use crate::extract::output::{Output, OutputFull};
use crate::extract::raised::{RunBuffer, RunStyle};
use crate::extract::zip::Zip;

/// Maximum size of one paragraph, in bytes.
const MAX_PARAGRAPH_BYTES: usize = 1 << 20;
/// Maximum number of repetitions of a cell or a row; a higher count marks the empty rest of a sheet.
const MAX_REPEATS: usize = 1_000;
/// Maximum number of styles read.
const MAX_STYLES: usize = 50_000;

/// Reads the content of the container.
pub fn read(zip: &Zip<'_>, rows: usize, out: &mut Output<'_>) -> Pictures {
    let Some(mut xml) = Xml::part(zip, "content.xml") else {
        damaged(out, "its content is missing");
        return Pictures(0);
    };
    let mut reader = OdfReader {
        body: BodyText::new(out, true),
        break_styles: HashSet::new(),
        hidden_styles: HashSet::new(),
        style: String::new(),
        open: Vec::new(),
        lists: 0,
        starts_item: false,
        cell: Repeated::default(),
        row_repeats: 1,
        rows_left: rows,
        kind: OdfSort::Text,
        number: 0,
        page_title: String::new(),
        tables: 0,
        in_header: false,
        notes: 0,
        pictures: 0,
        runs: HashMap::new(),
        spans: Vec::new(),
        margins: margins(zip),
        covered: CoveredColumns::default(),
        is_hidden_row: false,
        omitted: OdfOmitted::default(),
    };
    // Full: the limit is reached; the text so far has been passed on.
    let _: Result<(), OutputFull> = reader.walk(&mut xml).and_then(|()| reader.finish());
    let (pictures, rows_left) = (reader.pictures, reader.rows_left);
    if rows_left == 0 {
        out.note(format!("only the first {rows} rows are shown"));
    }
    if xml.is_broken() {
        damaged(out, "its text is read only up to the damage");
    }
    Pictures(pictures)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OdfSort {
    Text,
    Sheets,
    Slides,
}

/// A paragraph being read; a note or a text box may contain another one.
struct OdfParagraph {
    text: String,
    runs: RunBuffer,
    role: ParagraphRole,
}

struct OdfReader<'o, 's> {
    body: BodyText<'o, 's>,
    break_styles: HashSet<String>,
    hidden_styles: HashSet<String>,
    style: String,
    open: Vec<OdfParagraph>,
    lists: usize,
    starts_item: bool,
    cell: Repeated,
    row_repeats: usize,
    rows_left: usize,
    kind: OdfSort,
    number: u32,
    page_title: String,
    tables: usize,
    in_header: bool,
    notes: usize,
    pictures: usize,
    /// Text styles that raise, lower, or strike out.
    runs: HashMap<String, RunStyle>,
    /// The styles of the open spans.
    spans: Vec<RunStyle>,
    margins: MarginLines,
    covered: CoveredColumns,
    is_hidden_row: bool,
    omitted: OdfOmitted,
}

impl OdfReader<'_, '_> {
    fn walk(&mut self, xml: &mut Xml<'_>) -> Result<(), OutputFull> {
        while let Some(piece) = xml.next() {
            match piece {
                XmlPiece::Open(tag) => self.open(&tag, xml)?,
                XmlPiece::Close(name) => {
                    self.close(&name)?;
                    if matches!(&*name, "p" | "h" | "table-row") {
                        self.body.progress(xml.progress());
                    }
                }
                XmlPiece::Text(text) => self.write_text(&text),
            }
        }
        self.omitted.report(&mut self.body);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), OutputFull> {
        self.body.finish_tables()?;
        let rest = self.margins.take_labeled();
        if self.kind == OdfSort::Text {
            for line in rest {
                self.body.paragraph(&line, &ParagraphRole::Plain)?;
            }
        }
        self.body.finish()
    }

    /// Writes text with whitespace collapsed to one space; further spaces are encoded as tags.
    fn write_text(&mut self, text: &str) {
        let Some(paragraph) = self.open.last_mut() else {
            return;
        };
        if paragraph.text.len() > MAX_PARAGRAPH_BYTES {
            return;
        }
        let style = self.spans.last().copied().unwrap_or_default();
        if style != RunStyle::default() {
            return paragraph.runs.write(style, text, &mut paragraph.text);
        }
        paragraph.runs.flush(&mut paragraph.text);
        for character in text.chars() {
            if !character.is_ascii_whitespace() {
                paragraph.text.push(character);
            } else if !paragraph.text.ends_with([' ', '\n', '\t']) {
                paragraph.text.push(' ');
            }
        }
    }

    fn push_character(&mut self, character: char, times: usize) {
        if let Some(paragraph) = self.open.last_mut() {
            paragraph.runs.flush(&mut paragraph.text);
            paragraph
                .text
                .extend(std::iter::repeat_n(character, times.min(200)));
        }
    }

    fn open(&mut self, tag: &Tag, xml: &mut Xml<'_>) -> Result<(), OutputFull> {
        let number = |name: &str| tag.get(name).and_then(|count| count.parse::<usize>().ok());
        match tag.name() {
            "style" => self.style = tag.get("name").unwrap_or_default(),
            "paragraph-properties" | "text-properties" | "table-properties" => self.style(tag),
            "text" | "spreadsheet" | "presentation" => self.set_kind(tag),
            "p" | "h" => self.open_paragraph(tag)?,
            "span" => self.open_span(tag, xml),
            "s" => self.push_character(' ', number("c").unwrap_or(1)),
            "tab" => self.push_character('\t', 1),
            "line-break" => self.push_character('\n', 1),
            "soft-page-break" if self.open.len() < 2 => self.split()?,
            "list" => self.lists += 1,
            "list-item" | "list-header" => self.starts_item = true,
            "note" => self.open_note(xml),
            "annotation" => self.add_comment(xml),
            "table" | "table-row" | "table-header-rows" | "table-cell" | "covered-table-cell" => {
                self.open_table_element(tag, xml);
            }
            "page" => {
                self.number += 1;
                self.page_title.clear();
                let hidden = self
                    .hidden_styles
                    .contains(&tag.get("style-name").unwrap_or_default());
                if hidden {
                    self.body.add_note(format!(
                        "slide {} is hidden in the presentation",
                        self.number
                    ));
                }
            }
            "frame" if tag.get("class").as_deref() == Some("title") => {
                self.page_title = "?".to_owned()
            }
            "notes" => self.notes += 1,
            "image" => self.pictures += 1,
            "tracked-changes" => self.omitted.skip_deletions(xml),
            "object" | "object-ole" => {
                self.omitted.objects += 1;
                xml.skip();
            }
            "section" | "hidden-text" if is_hidden(tag) => {
                self.omitted.hidden += 1;
                xml.skip();
            }
            "forms" => self.omitted.skip_controls(xml),
            "binary-data" | "settings" | "master-styles" | "date-time" | "page-number"
            | "script" => {
                xml.skip();
            }
            _ => {}
        }
        Ok(())
    }

    fn open_span(&mut self, tag: &Tag, xml: &mut Xml<'_>) {
        let name = tag.get("style-name").unwrap_or_default();
        if self.hidden_styles.contains(&name) {
            self.omitted.hidden += 1;
            return xml.skip();
        }
        let outer = self.spans.last().copied().unwrap_or_default();
        let own = self.runs.get(&name).copied().unwrap_or_default();
        self.spans.push(RunStyle {
            script: own.script.or(outer.script),
            struck: own.struck || outer.struck,
        });
    }

    fn open_table_element(&mut self, tag: &Tag, xml: &mut Xml<'_>) {
        let number = |name: &str| tag.get(name).and_then(|count| count.parse::<usize>().ok());
        match tag.name() {
            "table" => self.open_table(tag, xml),
            "table-row" => {
                self.row_repeats = number("number-rows-repeated").unwrap_or(1);
                self.covered.column = 0;
                let visibility = tag.get("visibility");
                self.is_hidden_row = matches!(visibility.as_deref(), Some("collapse" | "filter"));
                self.body.open_row(self.in_header);
            }
            "table-header-rows" => self.in_header = true,
            "table-cell" | "covered-table-cell" => {
                let times = number("number-columns-repeated").unwrap_or(1).max(1);
                let rows = number("number-rows-spanned").unwrap_or(1);
                let is_covered = tag.name() == "covered-table-cell";
                self.cell = Repeated {
                    times,
                    continues: self.covered.next(is_covered, rows, times),
                    formula: formula(tag),
                };
                self.body.open_cell();
            }
            _ => {}
        }
    }

    /// Records a style that inserts a page break before its paragraphs or hides them.
    fn style(&mut self, tag: &Tag) {
        if self.break_styles.len() + self.hidden_styles.len() > MAX_STYLES {
            return;
        }
        if tag.get("break-before").as_deref() == Some("page") {
            self.break_styles.insert(self.style.clone());
        }
        let run = run_style(tag);
        if run != RunStyle::default() && self.runs.len() < MAX_STYLES {
            self.runs.insert(self.style.clone(), run);
        }
        let display = tag.get("display");
        if matches!(display.as_deref(), Some("none" | "false")) {
            self.hidden_styles.insert(self.style.clone());
        }
    }

    /// Handles the element that determines whether the file is a text, a sheet, or a presentation.
    fn set_kind(&mut self, tag: &Tag) {
        if !self.open.is_empty() || self.number > 0 {
            return;
        }
        self.kind = match tag.name() {
            "spreadsheet" => OdfSort::Sheets,
            "presentation" => OdfSort::Slides,
            _ => self.kind,
        };
        self.body.flows = self.kind == OdfSort::Text;
    }

    fn open_paragraph(&mut self, tag: &Tag) -> Result<(), OutputFull> {
        let style = tag.get("style-name").unwrap_or_default();
        if self.open.is_empty()
            && self.kind == OdfSort::Text
            && self.break_styles.contains(&style)
            && !self.body.is_blank()
        {
            self.body.break_page(false)?;
        }
        let role = if tag.name() == "h" {
            let level = tag
                .get("outline-level")
                .and_then(|level| level.parse().ok());
            ParagraphRole::Heading(level.unwrap_or(1))
        } else if style == "Title" {
            ParagraphRole::Heading(1)
        } else if self.lists > 0 && std::mem::take(&mut self.starts_item) {
            ParagraphRole::Item(self.lists - 1, "-".to_owned())
        } else {
            ParagraphRole::Plain
        };
        self.open.push(OdfParagraph {
            text: String::new(),
            runs: RunBuffer::default(),
            role,
        });
        self.spans.clear();
        Ok(())
    }

    fn close(&mut self, name: &str) -> Result<(), OutputFull> {
        match name {
            "p" | "h" => self.end_paragraph()?,
            "span" => drop(self.spans.pop()),
            "list" => self.lists = self.lists.saturating_sub(1),
            "table-cell" | "covered-table-cell" => self.close_cell()?,
            "table-row" => self.close_row()?,
            "table-header-rows" => self.in_header = false,
            "table" => self.close_table()?,
            "notes" => self.notes = self.notes.saturating_sub(1),
            "page" => self.end_page()?,
            _ => {}
        }
        Ok(())
    }

    fn end_paragraph(&mut self) -> Result<(), OutputFull> {
        let Some(OdfParagraph {
            mut text,
            mut runs,
            mut role,
        }) = self.open.pop()
        else {
            return Ok(());
        };
        runs.flush(&mut text);
        let text = text.trim();
        self.margins.remove_repeated(text);
        if let Some(outer) = self.open.last_mut() {
            // The paragraph is in a text box inside another one.
            if !text.is_empty() {
                outer.text.push('\n');
                outer.text.push_str(text);
                outer.text.push('\n');
            }
            return Ok(());
        }
        if text.is_empty() {
            return Ok(());
        }
        if self.notes > 0 {
            return self
                .body
                .paragraph(&format!("Speaker notes: {text}"), &ParagraphRole::Plain);
        }
        if self.page_title == "?" {
            self.page_title = to_one_line(text).chars().take(300).collect();
            role = ParagraphRole::Heading(1);
        }
        self.body.paragraph(text, &role)
    }

    /// Ends a page inside a paragraph.
    fn split(&mut self) -> Result<(), OutputFull> {
        if self.kind != OdfSort::Text {
            return Ok(());
        }
        if let Some(paragraph) = self.open.last_mut() {
            paragraph.runs.flush(&mut paragraph.text);
            let text = std::mem::take(&mut paragraph.text);
            let role = std::mem::take(&mut paragraph.role);
            self.body.paragraph(&text, &role)?;
        }
        self.body.break_page(true)
    }

    fn open_note(&mut self, xml: &mut Xml<'_>) {
        let (mark, text) = text_and_child(xml, "note-citation");
        self.write_text(&format!("[^{mark}]"));
        if !text.is_empty() {
            self.body.add_footnote(format!("[^{mark}]: {text}"));
        }
    }

    fn add_comment(&mut self, xml: &mut Xml<'_>) {
        let (author, text) = text_and_child(xml, "creator");
        if text.is_empty() {
            return;
        }
        self.body.add_footnote(match author.is_empty() {
            true => format!("[comment: {text}]"),
            false => format!("[comment by {author}: {text}]"),
        });
    }

    fn open_table(&mut self, tag: &Tag, xml: &mut Xml<'_>) {
        if self.kind == OdfSort::Sheets && self.tables == 0 {
            let hidden = self
                .hidden_styles
                .contains(&tag.get("style-name").unwrap_or_default());
            if hidden {
                self.omitted.sheets += 1;
                self.number += 1;
                return xml.skip();
            }
            self.body.title = to_one_line(&tag.get("name").unwrap_or_default());
        }
        self.tables += 1;
        self.covered = CoveredColumns::default();
        self.body.open_table(self.kind == OdfSort::Sheets);
    }

    fn close_cell(&mut self) -> Result<(), OutputFull> {
        let Repeated {
            times,
            continues,
            formula,
        } = std::mem::take(&mut self.cell);
        if let Some(formula) = formula {
            self.body.paragraph(&formula, &ParagraphRole::Plain)?;
        }
        // The markup lists spanned cells separately.
        self.body.close_cell(TableCell {
            spans: 0,
            continues,
        });
        if times > 1 {
            self.body.repeat_cell((times - 1).min(MAX_REPEATS));
        }
        Ok(())
    }

    fn close_row(&mut self) -> Result<(), OutputFull> {
        // Only rows with text count; the empty rest of a sheet may declare a million rows.
        let times = self.row_repeats.min(self.rows_left).min(MAX_REPEATS);
        let filled = self.body.row_is_filled();
        self.omitted.hidden_rows += usize::from(filled && self.is_hidden_row);
        self.rows_left -= if filled { times } else { 0 };
        self.body.close_row_times(if filled { times } else { 1 })?;
        if self.kind == OdfSort::Sheets && self.body.is_long() {
            let next = self.body.next_page();
            return self.body.end_page(next);
        }
        Ok(())
    }

    fn close_table(&mut self) -> Result<(), OutputFull> {
        self.tables = self.tables.saturating_sub(1);
        self.body.close_table()?;
        if self.kind == OdfSort::Sheets && self.tables == 0 {
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

    fn end_page(&mut self) -> Result<(), OutputFull> {
        let title = std::mem::take(&mut self.page_title);
        let (number, blank) = (self.number, self.body.is_blank());
        self.body.title = match title.as_str() {
            "" | "?" => format!("slide {number}"),
            _ => title,
        };
        self.body.finish_tables()?;
        self.body.end_page(number)?;
        if blank {
            let why = if self.pictures > 0 {
                "a slide with pictures only"
            } else {
                "an empty slide"
            };
            self.body.add_gap(number, why);
        }
        Ok(())
    }
}
