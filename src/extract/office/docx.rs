//! Word documents: headings by the definition of their styles, lists with their numbers, tables by rows,
//! notes and comments after their paragraph, pages at the file's breaks. Omits headers and footers, deleted
//! or hidden text, field codes, and the second copy of each text box.

use std::collections::HashMap;

use super::body::{BodyText, ParagraphRole, TableCell, one_line};
use super::drawing;
use super::package::{Relation, relations};
use super::styles::{Lists, Numbered, Styles};
use super::xml::{Tag, Xml, XmlPiece};
use super::{Pictures, damaged};
use crate::extract::output::{Full, Output};
use crate::extract::zip::Zip;

/// Maximum size of all notes and comments, in bytes.
const MAX_NOTES_BYTES: usize = 8 << 20;
/// Maximum size of one paragraph, in bytes.
const MAX_PARAGRAPH_BYTES: usize = 1 << 20;

/// Reads the document whose main part is `part`.
pub fn read(zip: &Zip<'_>, part: &str, out: &mut Output<'_>) -> Pictures {
    let links = relations(zip, part);
    let of = |kind: &str| {
        let link = links.iter().find(|link| link.kind == kind)?;
        Xml::part(zip, &link.target)
    };
    let mut word = DocxWord {
        zip,
        styles: Styles::read(of("styles")),
        lists: Lists::read(of("numbering")),
        footnotes: notes(of("footnotes"), "footnote"),
        endnotes: notes(of("endnotes"), "endnote"),
        comments: notes(of("comments"), "comment"),
        body: BodyText::new(out, true),
        links: &links,
        open: Vec::new(),
        cells: Vec::new(),
        in_text: false,
        hidden: false,
        pictures: 0,
    };
    let Some(mut xml) = Xml::part(zip, part) else {
        damaged(out, "its main part is missing");
        return Pictures(0);
    };
    // Full: the limit is reached; the text so far has been passed on.
    let _: Result<(), Full> = word.walk(&mut xml).and_then(|()| word.body.finish());
    let pictures = word.pictures;
    if xml.broken() {
        damaged(out, "its text is read only up to the damage");
    }
    Pictures(pictures)
}

/// Footnotes, endnotes, or comments by id.
fn notes(xml: Option<Xml<'_>>, element: &str) -> HashMap<String, String> {
    let mut notes = HashMap::new();
    let Some(mut xml) = xml else { return notes };
    let mut total = 0;
    while let Some(piece) = xml.next() {
        let XmlPiece::Open(tag) = piece else { continue };
        // The separator lines between text and notes are stored as notes of other types.
        if tag.name() != element || tag.get("type").is_some_and(|kind| kind != "normal") {
            continue;
        }
        let text = one_line(&note(&mut xml));
        total += text.len();
        if text.is_empty() || total > MAX_NOTES_BYTES {
            continue;
        }
        let text = match tag.get("author").filter(|author| !author.trim().is_empty()) {
            Some(author) => format!("[comment by {}: {text}]", author.trim()),
            None if element == "comment" => format!("[comment: {text}]"),
            None => text,
        };
        notes.insert(tag.get("id").unwrap_or_default(), text);
    }
    notes
}

fn note(xml: &mut Xml<'_>) -> String {
    let outside = xml.depth() - 1;
    let (mut text, mut inside) = (String::new(), false);
    while xml.depth() > outside {
        match xml.next() {
            Some(XmlPiece::Open(tag)) => match tag.name() {
                "t" => inside = true,
                "del" | "moveFrom" | "Fallback" => xml.skip(),
                "p" | "tab" | "br" | "tc" => text.push(' '),
                _ => {}
            },
            Some(XmlPiece::Close(name)) if name == "t" => inside = false,
            Some(XmlPiece::Text(piece)) if inside && text.len() < MAX_PARAGRAPH_BYTES => {
                text.push_str(&piece);
            }
            Some(_) => {}
            None => break,
        }
    }
    text
}

/// A paragraph being read.
#[derive(Default)]
struct DocxParagraph {
    text: String,
    style: String,
    outline: Option<usize>,
    numbered: Option<Numbered>,
    section_ends: bool,
    /// Texts of the boxes anchored in the paragraph.
    boxes: Vec<String>,
}

struct DocxWord<'a, 'o, 's> {
    zip: &'a Zip<'a>,
    styles: Styles,
    lists: Lists,
    footnotes: HashMap<String, String>,
    endnotes: HashMap<String, String>,
    comments: HashMap<String, String>,
    body: BodyText<'o, 's>,
    links: &'a [Relation],
    /// The open paragraphs: a text box in a paragraph holds paragraphs of its own.
    open: Vec<DocxParagraph>,
    cells: Vec<TableCell>,
    in_text: bool,
    hidden: bool,
    pictures: usize,
}

impl DocxWord<'_, '_, '_> {
    fn walk(&mut self, xml: &mut Xml<'_>) -> Result<(), Full> {
        while let Some(piece) = xml.next() {
            match piece {
                XmlPiece::Open(tag) => self.open(&tag, xml)?,
                XmlPiece::Close(name) => self.close(&name)?,
                XmlPiece::Text(text) if self.in_text => self.write(&text),
                XmlPiece::Text(_) => {}
            }
        }
        Ok(())
    }

    fn write(&mut self, text: &str) {
        if let Some(paragraph) = self.open.last_mut()
            && !self.hidden
            && paragraph.text.len() < MAX_PARAGRAPH_BYTES
        {
            paragraph.text.push_str(text);
        }
    }

    fn open(&mut self, tag: &Tag, xml: &mut Xml<'_>) -> Result<(), Full> {
        match tag.name() {
            "t" => self.in_text = true,
            "p" => self.open.push(DocxParagraph::default()),
            "pPr" => self.paragraph_properties(xml)?,
            "rPr" => self.run_properties(xml),
            "tab" | "ptab" => self.write("\t"),
            "noBreakHyphen" => self.write("-"),
            "cr" => self.write("\n"),
            // Formulas are written on one line.
            "sup" => self.write("^"),
            "sub" => self.write("_"),
            "den" => self.write("/"),
            "br" if tag.get("type").as_deref() == Some("page") => self.split(false)?,
            "br" => self.write("\n"),
            "lastRenderedPageBreak" => self.split(true)?,
            "sym" => self.symbol(tag),
            "footnoteReference" => self.refer(tag, "^", false),
            "endnoteReference" => self.refer(tag, "^e", true),
            "commentReference" => {
                let note = self.comments.remove(&tag.get("id").unwrap_or_default());
                note.into_iter().for_each(|note| self.body.note(note));
            }
            "tbl" => self.body.open_table(false),
            "tr" => self.body.open_row(false),
            "tblHeader" if tag.is_on() => self.body.names_columns(),
            "tc" => {
                self.cells.push(TableCell::default());
                self.body.open_cell();
            }
            "gridSpan" | "vMerge" | "hMerge" => self.merge(tag),
            "docPr" => {
                let words = tag.get("descr").unwrap_or_default();
                if !words.trim().is_empty() {
                    self.write(&format!(" [image: {}] ", one_line(&words)));
                }
            }
            "blip" | "imagedata" => self.pictures += 1,
            "chart" | "relIds" => {
                for line in drawing::referred(self.zip, self.links, tag) {
                    self.body.note(line);
                }
            }
            // Deleted text, fallback copies for old programs, and field codes.
            "del" | "moveFrom" | "Fallback" | "instrText" | "delText" | "delInstrText"
            | "sectPr" | "tblPr" | "sdtPr" | "fldData" | "binData" | "tblPrEx" => xml.skip(),
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, name: &str) -> Result<(), Full> {
        match name {
            "t" => self.in_text = false,
            "r" => self.hidden = false,
            "p" => self.end_paragraph()?,
            "tc" => {
                let cell = self.cells.pop().unwrap_or_default();
                self.body.close_cell(cell);
            }
            "tr" => self.body.close_row()?,
            "tbl" => self.body.close_table()?,
            _ => {}
        }
        Ok(())
    }

    fn paragraph_properties(&mut self, xml: &mut Xml<'_>) -> Result<(), Full> {
        let outside = xml.depth() - 1;
        let mut paragraph = self.open.pop().unwrap_or_default();
        let mut breaks = false;
        while xml.depth() > outside {
            let Some(piece) = xml.next() else { break };
            let XmlPiece::Open(tag) = piece else { continue };
            let value = || tag.get("val").unwrap_or_default();
            match tag.name() {
                "pStyle" => paragraph.style = value(),
                "outlineLvl" => paragraph.outline = value().parse().ok(),
                "numId" => paragraph.numbered.get_or_insert_default().list = value(),
                "ilvl" => {
                    paragraph.numbered.get_or_insert_default().level = value().parse().unwrap_or(0);
                }
                "pageBreakBefore" => breaks = tag.is_on(),
                "sectPr" => paragraph.section_ends = true,
                "type" if value() == "continuous" => paragraph.section_ends = false,
                // The properties before a tracked change.
                "pPrChange" => xml.skip(),
                _ => {}
            }
        }
        self.open.push(paragraph);
        if breaks && self.open.len() == 1 && !self.body.is_blank() {
            self.body.break_page(false)?;
        }
        Ok(())
    }

    fn run_properties(&mut self, xml: &mut Xml<'_>) {
        let outside = xml.depth() - 1;
        while xml.depth() > outside {
            let Some(piece) = xml.next() else { break };
            let XmlPiece::Open(tag) = piece else { continue };
            match tag.name() {
                "vanish" | "webHidden" => self.hidden = tag.is_on(),
                "rStyle" => self.hidden |= self.styles.hidden(&tag.get("val").unwrap_or_default()),
                "rPrChange" => xml.skip(),
                _ => {}
            }
        }
    }

    /// Writes a character given by its code in a font. In symbol fonts only the font knows its meaning.
    fn symbol(&mut self, tag: &Tag) {
        let code = tag.get("char").unwrap_or_default();
        let character = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32);
        let known = character.filter(|c| !(0xE000..=0xF8FF).contains(&u32::from(*c)));
        if let Some(character) = known {
            self.write(character.encode_utf8(&mut [0; 4]));
        }
    }

    fn refer(&mut self, tag: &Tag, mark: &str, end: bool) {
        let id = tag.get("id").unwrap_or_default();
        let notes = if end {
            &mut self.endnotes
        } else {
            &mut self.footnotes
        };
        if let Some(text) = notes.remove(&id) {
            self.write(&format!("[{mark}{id}]"));
            self.body.note(format!("[{mark}{id}]: {text}"));
        }
    }

    fn merge(&mut self, tag: &Tag) {
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
    fn split(&mut self, laid_out: bool) -> Result<(), Full> {
        if self.open.len() > 1 {
            return Ok(());
        }
        if let Some(mut paragraph) = self.open.pop() {
            let rest = DocxParagraph {
                style: paragraph.style.clone(),
                outline: paragraph.outline,
                section_ends: paragraph.section_ends,
                ..DocxParagraph::default()
            };
            if paragraph.text.trim().is_empty() {
                paragraph.text.clear();
                self.open.push(paragraph);
            } else {
                paragraph.section_ends = false;
                self.put(paragraph)?;
                // The rest continues the text: it is neither a second heading nor a second item.
                self.open.push(DocxParagraph {
                    style: String::new(),
                    outline: None,
                    ..rest
                });
            }
        }
        self.body.break_page(laid_out)
    }

    fn end_paragraph(&mut self) -> Result<(), Full> {
        self.hidden = false;
        let Some(paragraph) = self.open.pop() else {
            return Ok(());
        };
        if let Some(outer) = self.open.last_mut() {
            let text = paragraph.text.trim();
            if !text.is_empty() && outer.boxes.len() < 1_000 {
                outer.boxes.push(text.to_owned());
                outer.boxes.extend(paragraph.boxes);
            }
            return Ok(());
        }
        self.put(paragraph)
    }

    fn put(&mut self, paragraph: DocxParagraph) -> Result<(), Full> {
        let text = paragraph.text.trim();
        if !text.is_empty() {
            let (role, mark) = self.role(&paragraph);
            match mark {
                Some(mark) => self.body.paragraph(&format!("{mark} {text}"), &role)?,
                None => self.body.paragraph(text, &role)?,
            }
        }
        for text in paragraph.boxes {
            self.body.paragraph(&text, &ParagraphRole::Plain)?;
        }
        if paragraph.section_ends {
            self.body.break_page(true)?;
        }
        Ok(())
    }

    /// The paragraph's role, and a heading's number.
    fn role(&mut self, paragraph: &DocxParagraph) -> (ParagraphRole, Option<String>) {
        let own = paragraph
            .outline
            .map(|level| (level < 9).then_some(level + 1));
        let heading = own.unwrap_or_else(|| self.styles.heading(&paragraph.style));
        let styled = self.styles.numbered(&paragraph.style);
        let numbered = paragraph.numbered.clone().map(|mut own| {
            // A paragraph may give only the level, and its style the list.
            if own.list.is_empty() {
                own.list = styled
                    .as_ref()
                    .map(|style| style.list.clone())
                    .unwrap_or_default();
            }
            own
        });
        let mark = numbered.or(styled).and_then(|item| {
            let mark = self.lists.mark(&item)?;
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
