//! Word documents: headings by the definition of their styles, lists with their numbers, tables by row, notes and
//! comments after their paragraph, and pages at the file's page breaks. Omits deleted and hidden text, with a note, as
//! well as field codes and the second copy of each text box.

use std::collections::HashMap;

use super::body::{BodyText, ParagraphRole, TableCell, to_one_line};
use super::docx_notes::notes;
use super::docx_parts::{
    DocxOmitted, alt_chunk_text, check_box_text, field_code_text, form_choice, headers_and_footers,
    is_text_part,
};
use super::drawing;
use super::headers_and_footers::HeaderFooterLines;
use super::package::{Relationship, relationships};
use super::sheet_cells::parse_script;
use super::styles::{Lists, ParagraphNumbering, Styles};
use super::xml::{Tag, Xml, XmlPiece};
use super::{Pictures, embedded, note_damage};
use crate::extract::output::{Output, OutputFull};
use crate::extract::raised::{RunBuffer, RunStyle, Script};
use crate::extract::symbol_fonts;
use crate::extract::zip::Zip;

/// Maximum size of one paragraph, in bytes.
const MAX_PARAGRAPH_BYTES: usize = 1 << 20;

/// Reads the document with the main part `part`. Returns the number of images.
pub fn read(zip: &Zip<'_>, part: &str, out: &mut Output<'_>) -> Pictures {
    let links = relationships(zip, part);
    let part_of_kind = |kind: &str| {
        let link = links.iter().find(|link| link.kind == kind)?;
        Xml::part(zip, &link.target)
    };
    let mut word = DocxWord {
        zip,
        styles: Styles::read(part_of_kind("styles")),
        lists: Lists::read(part_of_kind("numbering")),
        footnotes: notes(part_of_kind("footnotes"), "footnote"),
        endnotes: notes(part_of_kind("endnotes"), "endnote"),
        comments: notes(part_of_kind("comments"), "comment"),
        body: BodyText::new(out, true),
        links: &links,
        open_paragraphs: Vec::new(),
        cells: Vec::new(),
        in_text: false,
        is_hidden: false,
        style: RunStyle::default(),
        font: String::new(),
        headers_and_footers: headers_and_footers(zip, &links),
        omitted: DocxOmitted::default(),
        is_deleted_row: false,
        reading_aid: String::new(),
        pictures: 0,
    };
    let Some(mut xml) = Xml::part(zip, part) else {
        note_damage(out, "its main part is missing");
        return Pictures(0);
    };
    // If the output is full, the text so far has been passed on.
    let _: Result<(), OutputFull> = word.walk(&mut xml).and_then(|()| word.finish());
    let pictures = word.pictures + word.headers_and_footers.pictures;
    let omitted = word.omitted;
    omitted.report(out);
    if xml.is_broken() {
        note_damage(out, "its text is read only up to the damage");
    }
    let files: Vec<Relationship> = links
        .iter()
        .filter(|link| !is_text_part(link))
        .cloned()
        .collect();
    embedded::read(zip, &files, out);
    Pictures(pictures)
}

/// A paragraph being read.
#[derive(Default)]
struct DocxParagraph {
    text: String,
    runs: RunBuffer,
    style: String,
    outline: Option<usize>,
    numbering: Option<ParagraphNumbering>,
    section_ends: bool,
    /// Texts of the text boxes anchored in the paragraph.
    text_box_texts: Vec<String>,
}

struct DocxWord<'a, 'o, 's> {
    zip: &'a Zip<'a>,
    styles: Styles,
    lists: Lists,
    footnotes: HashMap<String, String>,
    endnotes: HashMap<String, String>,
    comments: HashMap<String, String>,
    body: BodyText<'o, 's>,
    links: &'a [Relationship],
    /// The open paragraphs: a text box inside a paragraph contains paragraphs of its own.
    open_paragraphs: Vec<DocxParagraph>,
    cells: Vec<TableCell>,
    in_text: bool,
    is_hidden: bool,
    style: RunStyle,
    /// The symbol font of the open run, if it has one.
    font: String,
    headers_and_footers: HeaderFooterLines,
    omitted: DocxOmitted,
    /// Whether the open row was deleted in a tracked change.
    is_deleted_row: bool,
    /// The phonetic reading (ruby text) above the characters that follow.
    reading_aid: String,
    pictures: usize,
}

impl DocxWord<'_, '_, '_> {
    fn walk(&mut self, xml: &mut Xml<'_>) -> Result<(), OutputFull> {
        while let Some(piece) = xml.next() {
            match piece {
                XmlPiece::Open(tag) => self.open(&tag, xml)?,
                XmlPiece::Close(name) => {
                    self.close(&name)?;
                    if name == "p" {
                        self.body.progress(xml.progress());
                    }
                }
                XmlPiece::Text(text) if self.in_text => self.write_text(&text),
                XmlPiece::Text(_) => {}
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), OutputFull> {
        self.body.finish_tables()?;
        // The remaining comments are not referenced in the text; they are sorted by ID.
        let mut rest: Vec<_> = std::mem::take(&mut self.comments).into_iter().collect();
        rest.sort_unstable();
        let rest = rest.into_iter().map(|(_, comment)| comment);
        for line in rest.chain(self.headers_and_footers.take_labeled_lines()) {
            self.body.paragraph(&line, &ParagraphRole::Plain)?;
        }
        self.body.finish()
    }

    fn write_text(&mut self, text: &str) {
        let Some(paragraph) = self.open_paragraphs.last_mut() else {
            return;
        };
        if self.is_hidden {
            self.omitted.hidden_count += usize::from(!text.trim().is_empty());
        } else if paragraph.text.len() < MAX_PARAGRAPH_BYTES {
            let (text, lost) = symbol_fonts::replace_symbols(&self.font, text);
            self.omitted.symbols += lost;
            paragraph.runs.write(self.style, &text, &mut paragraph.text);
        }
    }

    /// Inserts an HTML or plain-text part at its position.
    fn insert_alt_chunk(&mut self, tag: &Tag) -> Result<(), OutputFull> {
        let id = tag.prefixed_attribute("id").or_else(|| tag.get("id"));
        let link = self.links.iter().find(|link| Some(&link.id) == id.as_ref());
        let text = link.and_then(|link| alt_chunk_text(self.zip, link));
        for block in text.unwrap_or_default().split("\n\n") {
            self.body.paragraph(block, &ParagraphRole::Plain)?;
        }
        Ok(())
    }

    fn open(&mut self, tag: &Tag, xml: &mut Xml<'_>) -> Result<(), OutputFull> {
        match tag.name() {
            "t" => self.in_text = true,
            "p" => self.open_paragraphs.push(DocxParagraph::default()),
            "pPr" => self.paragraph_properties(xml)?,
            "rPr" => self.run_properties(xml),
            "tab" | "ptab" => self.write_text("\t"),
            "noBreakHyphen" => self.write_text("-"),
            "cr" => self.write_text("\n"),
            // Formulas are written on a single line, with `^` and `_`.
            "sup" => self.write_text("^"),
            "sub" => self.write_text("_"),
            "den" => self.write_text("/"),
            "br" if tag.get("type").as_deref() == Some("page") => self.split_paragraph(false)?,
            "br" => self.write_text("\n"),
            "lastRenderedPageBreak" => self.split_paragraph(true)?,
            "sym" => self.write_symbol(tag),
            "footnoteReference" => self.add_note_reference(tag, "^", false),
            "endnoteReference" => self.add_note_reference(tag, "^e", true),
            "commentReference" => {
                let note = self.comments.remove(&tag.get("id").unwrap_or_default());
                note.into_iter()
                    .for_each(|note| self.body.add_footnote(note));
            }
            "tbl" => self.body.open_table(false),
            "tr" => self.body.open_row(false),
            "trPr" => self.row_properties(xml),
            "rt" => self.reading_aid = to_one_line(&xml.inner_text()),
            "textpath" => {
                let words = tag.get("string").unwrap_or_default();
                self.write_text(&format!(" {} ", to_one_line(&words)));
            }
            "tc" => {
                self.cells.push(TableCell::default());
                self.body.open_cell();
            }
            "gridSpan" | "vMerge" | "hMerge" => self.set_merge(tag),
            "docPr" => {
                let words = tag.get("descr").unwrap_or_default();
                if !words.trim().is_empty() {
                    self.write_text(&format!(" [image: {}] ", to_one_line(&words)));
                }
            }
            "blip" | "imagedata" => self.pictures += 1,
            "chart" | "relIds" => {
                for line in drawing::referenced_text(self.zip, self.links, tag) {
                    self.body.add_footnote(line);
                }
            }
            "altChunk" => self.insert_alt_chunk(tag)?,
            "checkBox" => self.write_text(check_box_text(xml)),
            "ddList" => self.write_text(&form_choice(xml)),
            "instrText" => {
                let words = field_code_text(&xml.inner_text());
                self.write_text(&words.unwrap_or_default());
            }
            "subDoc" => self.omitted.parts += 1,
            "del" => {
                self.omitted.deleted_count += 1;
                xml.skip();
            }
            // Skips moved text, which is read at its new position, as well as copies for old programs, field codes, and
            // properties.
            "moveFrom" | "Fallback" | "delText" | "delInstrText" | "sectPr" | "tblPr" | "sdtPr"
            | "fldData" | "binData" | "tblPrEx" => xml.skip(),
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, name: &str) -> Result<(), OutputFull> {
        match name {
            "t" => self.in_text = false,
            "r" => {
                self.is_hidden = false;
                self.style = RunStyle::default();
                self.font.clear();
            }
            "p" => self.end_paragraph()?,
            "tc" => {
                let cell = self.cells.pop().unwrap_or_default();
                self.body.close_cell(cell);
            }
            // Opening a new row discards the deleted one, because only a closed row becomes part of the table.
            "tr" if std::mem::take(&mut self.is_deleted_row) => self.body.open_row(false),
            "tr" => self.body.close_row()?,
            "rubyBase" => {
                let reading_aid = std::mem::take(&mut self.reading_aid);
                if !reading_aid.is_empty() {
                    self.write_text(&format!("({reading_aid})"));
                }
            }
            "tbl" => self.body.close_table()?,
            _ => {}
        }
        Ok(())
    }

    fn row_properties(&mut self, xml: &mut Xml<'_>) {
        let outside = xml.depth() - 1;
        while xml.depth() > outside {
            let Some(piece) = xml.next() else { break };
            let XmlPiece::Open(tag) = piece else { continue };
            match tag.name() {
                "tblHeader" if tag.is_on() => self.body.names_columns(),
                "del" => {
                    self.omitted.deleted_count += 1;
                    self.is_deleted_row = true;
                }
                _ => {}
            }
        }
    }

    fn paragraph_properties(&mut self, xml: &mut Xml<'_>) -> Result<(), OutputFull> {
        let outside = xml.depth() - 1;
        let mut paragraph = self.open_paragraphs.pop().unwrap_or_default();
        let mut breaks = false;
        while xml.depth() > outside {
            let Some(piece) = xml.next() else { break };
            let XmlPiece::Open(tag) = piece else { continue };
            let value = || tag.get("val").unwrap_or_default();
            match tag.name() {
                "pStyle" => paragraph.style = value(),
                "outlineLvl" => paragraph.outline = value().parse().ok(),
                "numId" => paragraph.numbering.get_or_insert_default().list_id = value(),
                "ilvl" => {
                    paragraph.numbering.get_or_insert_default().level =
                        value().parse().unwrap_or(0);
                }
                "pageBreakBefore" => breaks = tag.is_on(),
                "sectPr" => paragraph.section_ends = true,
                "type" if value() == "continuous" => paragraph.section_ends = false,
                // These are the paragraph's properties before a tracked change.
                "pPrChange" => xml.skip(),
                _ => {}
            }
        }
        self.open_paragraphs.push(paragraph);
        if breaks && self.open_paragraphs.len() == 1 && !self.body.is_blank() {
            self.body.break_page(false)?;
        }
        Ok(())
    }

    fn run_properties(&mut self, xml: &mut Xml<'_>) {
        /// Minimum vertical shift of superscripts and subscripts, in half-points; smaller shifts are minor adjustments.
        const MIN_SCRIPT_SHIFT: i32 = 4;
        let outside = xml.depth() - 1;
        let (mut position, mut has_size) = (0_i32, false);
        while xml.depth() > outside {
            let Some(piece) = xml.next() else { break };
            let XmlPiece::Open(tag) = piece else { continue };
            match tag.name() {
                "vanish" | "webHidden" => self.is_hidden = tag.is_on(),
                "rStyle" => {
                    let style = tag.get("val").unwrap_or_default();
                    self.is_hidden |= self.styles.is_hidden(&style);
                    self.style = self.styles.run_style(&style);
                }
                "vertAlign" => {
                    self.style.script = parse_script(&tag.get("val").unwrap_or_default())
                }
                // The shift is in half-points. If the text also has its own size, it counts as superscript or
                // subscript.
                "position" => {
                    let shift = tag.get("val").and_then(|shift| shift.parse().ok());
                    position = shift.unwrap_or(0);
                }
                "sz" => has_size = true,
                "strike" | "dstrike" => self.style.struck = tag.is_on(),
                "rFonts" => {
                    self.font = tag
                        .get("ascii")
                        .or_else(|| tag.get("hAnsi"))
                        .unwrap_or_default();
                }
                // These are the run's properties before a tracked change.
                "rPrChange" => xml.skip(),
                _ => {}
            }
        }
        if has_size && position.abs() >= MIN_SCRIPT_SHIFT && self.style.script.is_none() {
            self.style.script = Some(match position > 0 {
                true => Script::Superscript,
                false => Script::Subscript,
            });
        }
    }

    /// Writes a character given by its code in a font.
    fn write_symbol(&mut self, tag: &Tag) {
        let code = u32::from_str_radix(&tag.get("char").unwrap_or_default(), 16).unwrap_or(0);
        let symbol = symbol_fonts::text(&tag.get("font").unwrap_or_default(), code);
        let plain =
            char::from_u32(code).filter(|_| !(0xE000..=0xF8FF).contains(&code) && code > 0x20);
        match (symbol, plain) {
            (Some(text), _) => self.write_text(&text),
            (None, Some(character)) => self.write_text(character.encode_utf8(&mut [0; 4])),
            (None, None) => self.omitted.symbols += 1,
        }
    }

    fn add_note_reference(&mut self, tag: &Tag, mark: &str, is_endnote: bool) {
        let id = tag.get("id").unwrap_or_default();
        let notes = if is_endnote {
            &mut self.endnotes
        } else {
            &mut self.footnotes
        };
        if let Some(text) = notes.remove(&id) {
            self.write_text(&format!("[{mark}{id}]"));
            self.body.add_footnote(format!("[{mark}{id}]: {text}"));
        }
    }

    fn set_merge(&mut self, tag: &Tag) {
        let value = tag.get("val");
        let Some(cell) = self.cells.last_mut() else {
            return;
        };
        match tag.name() {
            "gridSpan" => {
                let columns = value.and_then(|columns| columns.parse::<usize>().ok());
                cell.spans = columns.unwrap_or(1).saturating_sub(1);
            }
            "vMerge" => cell.continues = value.as_deref() != Some("restart"),
            _ => {}
        }
    }

    /// Ends a page inside a paragraph; the rest of the paragraph belongs to the next page.
    fn split_paragraph(&mut self, is_layout_break: bool) -> Result<(), OutputFull> {
        if self.open_paragraphs.len() > 1 {
            return Ok(());
        }
        if let Some(mut paragraph) = self.open_paragraphs.pop() {
            paragraph.runs.flush(&mut paragraph.text);
            let rest = DocxParagraph {
                style: paragraph.style.clone(),
                outline: paragraph.outline,
                section_ends: paragraph.section_ends,
                ..DocxParagraph::default()
            };
            if paragraph.text.trim().is_empty() {
                paragraph.text.clear();
                self.open_paragraphs.push(paragraph);
            } else {
                paragraph.section_ends = false;
                self.add_paragraph(paragraph)?;
                // The rest continues the text, so it is neither a second heading nor a second list item.
                self.open_paragraphs.push(DocxParagraph {
                    style: String::new(),
                    outline: None,
                    ..rest
                });
            }
        }
        self.body.break_page(is_layout_break)
    }

    fn end_paragraph(&mut self) -> Result<(), OutputFull> {
        self.is_hidden = false;
        let Some(mut paragraph) = self.open_paragraphs.pop() else {
            return Ok(());
        };
        paragraph.runs.flush(&mut paragraph.text);
        if let Some(outer) = self.open_paragraphs.last_mut() {
            let text = paragraph.text.trim();
            if !text.is_empty() && outer.text_box_texts.len() < 1_000 {
                outer.text_box_texts.push(text.to_owned());
                outer.text_box_texts.extend(paragraph.text_box_texts);
            }
            return Ok(());
        }
        self.add_paragraph(paragraph)
    }

    fn add_paragraph(&mut self, paragraph: DocxParagraph) -> Result<(), OutputFull> {
        let text = paragraph.text.trim();
        self.headers_and_footers.remove_repeated(text);
        if !text.is_empty() {
            let (role, mark) = self.role(&paragraph);
            match mark {
                Some(mark) => self.body.paragraph(&format!("{mark} {text}"), &role)?,
                None => self.body.paragraph(text, &role)?,
            }
        }
        for text in paragraph.text_box_texts {
            self.body.paragraph(&text, &ParagraphRole::Plain)?;
        }
        if paragraph.section_ends {
            self.body.break_page(true)?;
        }
        Ok(())
    }

    /// Returns the paragraph's role and, for a numbered heading, its number.
    fn role(&mut self, paragraph: &DocxParagraph) -> (ParagraphRole, Option<String>) {
        let outline_level = paragraph
            .outline
            .map(|level| (level < 9).then_some(level + 1));
        let heading = outline_level.unwrap_or_else(|| self.styles.heading_level(&paragraph.style));
        let style_numbering = self.styles.numbering(&paragraph.style);
        let numbered = paragraph.numbering.clone().map(|mut numbered| {
            // A paragraph may specify only the level, while its style specifies the list.
            if numbered.list_id.is_empty() {
                numbered.list_id = style_numbering
                    .as_ref()
                    .map(|style| style.list_id.clone())
                    .unwrap_or_default();
            }
            numbered
        });
        let mark = numbered.or(style_numbering).and_then(|item| {
            let mark = self.lists.next_marker(&item)?;
            Some((item.level, mark))
        });
        match (heading, mark) {
            (Some(level), Some((_, mark))) if mark != "-" && !mark.is_empty() => {
                (ParagraphRole::Heading(level), Some(mark))
            }
            (Some(level), _) => (ParagraphRole::Heading(level), None),
            (None, Some((level, mark))) => (ParagraphRole::Item(level, mark), None),
            (None, None) => (ParagraphRole::Plain, None),
        }
    }
}
