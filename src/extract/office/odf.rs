//! OpenDocument texts, spreadsheets, and slides, which share the same markup. Omits deleted and hidden text, with a
//! note; notes and comments follow their paragraph.

mod tables;

use std::collections::HashMap;

use super::body::{BodyText, ParagraphRole, to_one_line};
use super::headers_and_footers::HeaderFooterLines;
use super::odf_margins::{control_lines, headers_and_footers, slide_master_lines};
use super::odf_objects::{OdfObject, OdfObjects, content_of, report_programs};
use super::odf_parts::{CoveredColumns, OdfOmitted, RepeatCounts, is_hidden, text_and_child};
use super::odf_styles::OdfStyles;
use super::xml::{Tag, Xml, XmlPiece};
use super::{Pictures, note_damage};
use crate::extract::output::{Output, OutputFull};
use crate::extract::raised::{RunBuffer, RunStyle};
use crate::extract::zip::Zip;

/// Maximum size of one paragraph, in bytes.
const MAX_PARAGRAPH_BYTES: usize = 1 << 20;
/// Maximum number of times a cell or row is repeated; a higher count indicates the empty remainder of a sheet.
const MAX_REPEATS: usize = 1_000;
/// Maximum nesting depth of embedded objects to read.
const MAX_OBJECT_DEPTH: usize = 3;

/// Reads the content of the container and of the objects embedded in it.
pub fn read(zip: &Zip<'_>, rows: usize, out: &mut Output<'_>) -> Pictures {
    report_programs(zip, out);
    let mut rows_left = rows;
    let pictures = read_content(zip, "", &mut rows_left, out);
    if rows_left == 0 {
        out.add_note(format!("only the first {rows} rows are shown"));
    }
    Pictures(pictures)
}

/// Reads the content of the package, or of an object's folder in it. Returns the number of images.
fn read_content(zip: &Zip<'_>, folder: &str, rows_left: &mut usize, out: &mut Output<'_>) -> usize {
    let Some(mut xml) = Xml::part(zip, &content_of(folder)) else {
        note_damage(out, "its content is missing");
        return 0;
    };
    let mut reader = OdfReader {
        zip,
        body: BodyText::new(out, true),
        styles: OdfStyles::default(),
        open_paragraphs: Vec::new(),
        lists: 0,
        starts_item: false,
        cell: RepeatCounts::default(),
        row_repeats: 1,
        rows_left: *rows_left,
        kind: OdfElementKind::Text,
        number: 0,
        page_title: String::new(),
        tables: 0,
        in_header: false,
        notes: 0,
        shapes: 0,
        pictures: 0,
        spans: Vec::new(),
        headers_and_footers: match folder {
            "" => headers_and_footers(zip),
            _ => HeaderFooterLines::default(),
        },
        footers: HashMap::new(),
        masters: HashMap::new(),
        covered_columns: CoveredColumns::default(),
        is_hidden_row: false,
        omitted: OdfOmitted::default(),
        objects: OdfObjects::default(),
    };
    // If the output is full, the text so far has been passed on.
    let _: Result<(), OutputFull> = reader.walk(&mut xml).and_then(|()| reader.finish());
    let mut pictures = reader.pictures;
    *rows_left = reader.rows_left;
    let (omitted, objects) = (reader.omitted, reader.objects);
    omitted.report(out);
    if xml.is_broken() {
        note_damage(out, "its text is read only up to the damage");
    }
    for folder in objects.into_folders() {
        if out.is_full() {
            break;
        }
        if out.depth() >= MAX_OBJECT_DEPTH {
            out.add_note(format!("the embedded object {folder} is not read"));
            continue;
        }
        pictures += out.read_contained(&folder, |out| read_content(zip, &folder, rows_left, out));
    }
    pictures
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OdfElementKind {
    Text,
    Sheets,
    Slides,
}

/// A paragraph being read. A note or a text box inside it contains paragraphs of its own.
struct OdfParagraph {
    text: String,
    runs: RunBuffer,
    role: ParagraphRole,
}

struct OdfReader<'z, 'o, 's> {
    zip: &'z Zip<'z>,
    body: BodyText<'o, 's>,
    styles: OdfStyles,
    open_paragraphs: Vec<OdfParagraph>,
    lists: usize,
    starts_item: bool,
    cell: RepeatCounts,
    row_repeats: usize,
    rows_left: usize,
    kind: OdfElementKind,
    number: u32,
    page_title: String,
    tables: usize,
    in_header: bool,
    notes: usize,
    /// Nesting depth of shape lists on a sheet, outside its cells.
    shapes: usize,
    pictures: usize,
    /// The styles of the open spans.
    spans: Vec<RunStyle>,
    headers_and_footers: HeaderFooterLines,
    /// Headers and footers of slides by name. An entry is removed once a slide shows it.
    footers: HashMap<String, String>,
    /// Lines of the slide masters by name. An entry is removed once a slide shows it.
    masters: HashMap<String, Vec<String>>,
    covered_columns: CoveredColumns,
    is_hidden_row: bool,
    omitted: OdfOmitted,
    objects: OdfObjects,
}

impl OdfReader<'_, '_, '_> {
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
        Ok(())
    }

    fn finish(&mut self) -> Result<(), OutputFull> {
        self.body.finish_tables()?;
        let rest = self.headers_and_footers.take_labeled_lines();
        if self.kind == OdfElementKind::Sheets && !rest.is_empty() {
            self.body.title = "headers and footers".to_owned();
        }
        if self.kind != OdfElementKind::Slides {
            for line in rest {
                self.body.paragraph(&line, &ParagraphRole::Plain)?;
            }
        }
        if self.kind == OdfElementKind::Sheets {
            let next = self.body.next_page();
            self.body.end_page(next)?;
        }
        self.body.finish()
    }

    /// Writes text with each run of whitespace collapsed to a single space; additional spaces are encoded as tags.
    fn write_text(&mut self, text: &str) {
        let Some(paragraph) = self.open_paragraphs.last_mut() else {
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
        if let Some(paragraph) = self.open_paragraphs.last_mut() {
            paragraph.runs.flush(&mut paragraph.text);
            paragraph
                .text
                .extend(std::iter::repeat_n(character, times.min(200)));
        }
    }

    fn open(&mut self, tag: &Tag, xml: &mut Xml<'_>) -> Result<(), OutputFull> {
        let number = |name: &str| tag.get(name).and_then(|count| count.parse::<usize>().ok());
        match tag.name() {
            "style" => self.styles.begin(tag.get("name").unwrap_or_default()),
            "paragraph-properties" | "text-properties" | "table-properties" => {
                self.styles.define(tag);
            }
            "text" | "spreadsheet" | "presentation" => self.set_kind(tag),
            "p" | "h" => self.open_paragraph(tag)?,
            "span" => self.open_span(tag, xml),
            "s" => self.push_character(' ', number("c").unwrap_or(1)),
            "tab" => self.push_character('\t', 1),
            "line-break" => self.push_character('\n', 1),
            "soft-page-break" if self.open_paragraphs.len() < 2 => self.split()?,
            "list" => self.lists += 1,
            "list-item" | "list-header" => self.starts_item = true,
            "note" => self.open_note(xml),
            "annotation" => self.add_comment(xml),
            "table" | "table-row" | "table-header-rows" | "table-cell" | "covered-table-cell" => {
                self.open_table_element(tag, xml);
            }
            "page" => self.open_page(tag),
            "header-decl" | "footer-decl" => {
                let name = tag.get("name").unwrap_or_default();
                self.footers.insert(name, to_one_line(&xml.inner_text()));
            }
            "shapes" => self.shapes += 1,
            "table-column" => {
                let visibility = tag.get("visibility");
                let is_hidden = matches!(visibility.as_deref(), Some("collapse" | "filter"));
                self.omitted.hidden_columns += usize::from(is_hidden);
            }
            "frame" if tag.get("class").as_deref() == Some("title") => {
                self.page_title = "?".to_owned()
            }
            "notes" => self.notes += 1,
            "image" => self.pictures += 1,
            "tracked-changes" => self.omitted.skip_deletions(xml),
            "object" | "object-ole" => self.object(tag, xml),
            "plugin" | "applet" | "floating-frame" => self.name_file(tag),
            "section" | "hidden-text" if is_hidden(tag) => {
                self.omitted.hidden_count += 1;
                xml.skip();
            }
            "forms" => {
                for line in control_lines(xml) {
                    self.body.add_footnote(line);
                }
            }
            "desc" | "title" if self.open_paragraphs.is_empty() => {
                let words = to_one_line(&xml.inner_text());
                if !words.is_empty() {
                    self.body.add_footnote(format!("[image: {words}]"));
                }
            }
            "binary-data" | "settings" | "master-styles" | "date-time" | "page-number"
            | "script" => {
                xml.skip();
            }
            _ => {}
        }
        Ok(())
    }

    fn open_span(&mut self, tag: &Tag, xml: &mut Xml<'_>) {
        if self.styles.hides_text(tag) {
            self.omitted.hidden_count += 1;
            return xml.skip();
        }
        let outer = self.spans.last().copied().unwrap_or_default();
        let own_style = self.styles.run(tag);
        self.spans.push(RunStyle {
            script: own_style.script.or(outer.script),
            struck: own_style.struck || outer.struck,
        });
    }

    fn open_page(&mut self, tag: &Tag) {
        self.number += 1;
        self.page_title.clear();
        if self.styles.hides_text(tag) {
            self.body.add_note(format!(
                "slide {} is hidden in the presentation",
                self.number
            ));
        }
        for (used, what) in [("use-header-name", "header"), ("use-footer-name", "footer")] {
            // The text is written once, on the first slide that shows it.
            let words = tag.get(used).and_then(|name| self.footers.remove(&name));
            if let Some(words) = words.filter(|words| !words.is_empty()) {
                self.body.add_footnote(format!("[{what}: {words}]"));
            }
        }
        // The text of a master is also written only once.
        let master = tag.get("master-page-name").unwrap_or_default();
        for words in self.masters.remove(&master).unwrap_or_default() {
            self.body.add_footnote(format!("[layout: {words}]"));
        }
    }

    /// Writes a formula at its position, and keeps any other object to be read later.
    fn object(&mut self, tag: &Tag, xml: &mut Xml<'_>) {
        match self.objects.take(self.zip, tag) {
            OdfObject::Formula(words) if self.open_paragraphs.is_empty() => {
                self.body.add_footnote(format!("[formula: {words}]"));
            }
            OdfObject::Formula(words) => self.write_text(&format!(" [formula: {words}] ")),
            OdfObject::Deferred => {}
            OdfObject::Unreadable => self.omitted.objects += 1,
        }
        xml.skip();
    }

    /// Adds a note with the name of a recording or an embedded page, because it is not read.
    fn name_file(&mut self, tag: &Tag) {
        let target = tag.get("href").unwrap_or_default();
        let what = if tag.name() == "plugin" {
            "the recording"
        } else {
            "the embedded page"
        };
        self.body.add_note(format!("{what} {target} is not read"));
    }

    /// Handles the element that determines whether the file is a text, a spreadsheet, or a presentation.
    fn set_kind(&mut self, tag: &Tag) {
        if !self.open_paragraphs.is_empty() || self.number > 0 {
            return;
        }
        self.kind = match tag.name() {
            "spreadsheet" => OdfElementKind::Sheets,
            "presentation" => OdfElementKind::Slides,
            _ => self.kind,
        };
        if self.kind == OdfElementKind::Slides {
            self.masters = slide_master_lines(self.zip);
        }
        self.body.flows = self.kind == OdfElementKind::Text;
    }

    fn open_paragraph(&mut self, tag: &Tag) -> Result<(), OutputFull> {
        let style = tag.get("style-name").unwrap_or_default();
        if self.open_paragraphs.is_empty()
            && self.kind == OdfElementKind::Text
            && self.styles.breaks_page(&style)
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
        self.open_paragraphs.push(OdfParagraph {
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
            "shapes" => self.shapes = self.shapes.saturating_sub(1),
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
        }) = self.open_paragraphs.pop()
        else {
            return Ok(());
        };
        runs.flush(&mut text);
        let text = text.trim();
        self.headers_and_footers.remove_repeated(text);
        if let Some(outer) = self.open_paragraphs.last_mut() {
            // The paragraph is in a text box inside another paragraph.
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
        if self.shapes > 0 {
            self.body.add_footnote(to_one_line(text));
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

    /// Ends a page inside a paragraph of a text document.
    fn split(&mut self) -> Result<(), OutputFull> {
        if self.kind != OdfElementKind::Text {
            return Ok(());
        }
        if let Some(paragraph) = self.open_paragraphs.last_mut() {
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
