//! Presentations: each slide is a page under its own title, with tables, charts, diagrams, speaker notes, and
//! comments. Writes footers and the text of layouts once, and omits dates and slide numbers.

use super::body::{BodyText, ParagraphRole, TableCell, to_one_line};
use super::drawing;
use super::package::{Relationship, relationships};
use super::slide_frames::SlideFrames;
use super::xml::{Tag, Xml, XmlPiece};
use super::{Pictures, embedded, note_damage};
use crate::extract::output::{Output, OutputFull};
use crate::extract::raised::{RunBuffer, RunStyle, Script};
use crate::extract::zip::Zip;

/// Maximum number of slides to read.
const MAX_SLIDES: usize = 10_000;
/// Maximum size of one paragraph, in bytes.
const MAX_PARAGRAPH_BYTES: usize = 256 << 10;

/// Reads the presentation with the main part `part`. Returns the number of images.
pub fn read(zip: &Zip<'_>, part: &str, out: &mut Output<'_>) -> Pictures {
    let (mut pictures, mut files) = (0, Vec::new());
    files.extend(
        relationships(zip, part)
            .into_iter()
            .filter(|link| link.kind == "vbaProject"),
    );
    let slides = slides(zip, part, out);
    let mut frames = SlideFrames::default();
    for (index, slide) in slides.iter().enumerate() {
        out.progress(index, slides.len());
        let number = index as u32 + 1;
        let Some(mut xml) = Xml::part(zip, slide) else {
            out.add_textless_page(number, "the slide is missing", false);
            continue;
        };
        let links = relationships(zip, slide);
        let mut reader = Slide::new(zip, &links, BodyText::new(out, false));
        reader.walk(&mut xml);
        reader.add_notes(&links);
        let (picture_count, blank) = (reader.pictures, reader.is_blank());
        frames.add_layout(zip, &links);
        if !blank {
            for line in frames.take_unwritten_lines(std::mem::take(&mut reader.footers)) {
                reader.write_paragraph(&line, &ParagraphRole::Plain);
            }
        }
        let (hidden, mut body, title) = (reader.is_hidden, reader.body, reader.title);
        pictures += picture_count;
        body.title = if title.is_empty() {
            format!("slide {number}")
        } else {
            title
        };
        // The output is full; the text so far has been passed on.
        if body.end_page(number).is_err() {
            break;
        }
        if blank {
            let why = if picture_count > 0 {
                "a slide with pictures only"
            } else {
                "an empty slide"
            };
            out.add_textless_page(number, why, false);
        }
        if xml.is_broken() {
            note_damage(
                out,
                &format!("slide {number} is read only up to the damage"),
            );
        }
        if hidden {
            out.add_note(format!("slide {number} is hidden in the presentation"));
        }
        files.extend(links);
    }
    embedded::read(zip, &files, out);
    Pictures(pictures)
}

/// Returns the paths of the slides in presentation order.
fn slides(zip: &Zip<'_>, part: &str, out: &mut Output<'_>) -> Vec<String> {
    let links = relationships(zip, part);
    let mut slides = Vec::new();
    let mut xml = Xml::part(zip, part);
    while let Some(piece) = xml.as_mut().and_then(Xml::next) {
        let XmlPiece::Open(tag) = piece else { continue };
        if tag.name() != "sldId" || slides.len() >= MAX_SLIDES {
            continue;
        }
        let id = tag.prefixed_attribute("id");
        slides.extend(
            links
                .iter()
                .find(|link| Some(&link.id) == id.as_ref())
                .map(|link| link.target.clone()),
        );
    }
    if slides.is_empty() {
        // Without the list of slides, the numbers in the slides' file names determine the order.
        let number = |name: &str| -> Option<u32> {
            let digits = name
                .strip_prefix("ppt/slides/slide")?
                .strip_suffix(".xml")?;
            digits.parse().ok()
        };
        let mut found: Vec<(u32, String)> = zip
            .entries
            .iter()
            .filter_map(|entry| Some((number(&entry.name)?, entry.name.clone())))
            .take(MAX_SLIDES)
            .collect();
        found.sort();
        if !found.is_empty() {
            note_damage(
                out,
                "the order of the slides is lost; they are read by number",
            );
        }
        slides.extend(found.into_iter().map(|(_, name)| name));
    }
    slides
}

/// What a placeholder shape on a slide contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PlaceholderType {
    Title,
    Body,
    /// Footer or header; usually the same on every slide.
    Footer,
    /// Date or slide number.
    Frame,
    Other,
}

struct Slide<'a, 'o, 's> {
    zip: &'a Zip<'a>,
    links: &'a [Relationship],
    body: BodyText<'o, 's>,
    title: String,
    place: PlaceholderType,
    text: Option<String>,
    runs: RunBuffer,
    style: RunStyle,
    level: usize,
    bullet: Option<bool>,
    in_text: bool,
    in_table: usize,
    cells: Vec<TableCell>,
    pictures: usize,
    is_hidden: bool,
    blank: bool,
    footers: Vec<String>,
}

impl<'a, 'o, 's> Slide<'a, 'o, 's> {
    fn new(zip: &'a Zip<'a>, links: &'a [Relationship], body: BodyText<'o, 's>) -> Self {
        Self {
            zip,
            links,
            body,
            title: String::new(),
            place: PlaceholderType::Other,
            text: None,
            runs: RunBuffer::default(),
            style: RunStyle::default(),
            level: 0,
            bullet: None,
            in_text: false,
            in_table: 0,
            cells: Vec::new(),
            pictures: 0,
            is_hidden: false,
            blank: true,
            footers: Vec::new(),
        }
    }

    fn is_blank(&self) -> bool {
        self.blank
    }

    fn walk(&mut self, xml: &mut Xml<'_>) {
        while let Some(piece) = xml.next() {
            match piece {
                XmlPiece::Open(tag) => self.open(&tag, xml),
                XmlPiece::Close(name) => self.close(&name),
                XmlPiece::Text(text) if self.in_text => self.write_text(&text),
                XmlPiece::Text(_) => {}
            }
        }
        // `OutputFull` cannot occur here, because a slide's text is passed on only when its page ends.
        let _: Result<(), OutputFull> = self.body.finish_tables();
    }

    fn write_text(&mut self, text: &str) {
        if let Some(paragraph) = &mut self.text
            && paragraph.len() < MAX_PARAGRAPH_BYTES
        {
            self.runs.write(self.style, text, paragraph);
        }
    }

    fn open(&mut self, tag: &Tag, xml: &mut Xml<'_>) {
        match tag.name() {
            "sld" => self.is_hidden = tag.get("show").as_deref() == Some("0"),
            "sp" | "graphicFrame" | "cxnSp" => self.place = PlaceholderType::Other,
            "ph" => {
                self.place = match tag.get("type").as_deref() {
                    Some("title" | "ctrTitle") => PlaceholderType::Title,
                    Some("ftr" | "hdr") => PlaceholderType::Footer,
                    Some("dt" | "sldNum" | "sldImg") => PlaceholderType::Frame,
                    Some("body") | None => PlaceholderType::Body,
                    Some(_) => PlaceholderType::Other,
                };
            }
            "p" => (self.text, self.level, self.bullet) = (Some(String::new()), 0, None),
            "pPr" => self.level = tag.get("lvl").and_then(|l| l.parse().ok()).unwrap_or(0),
            "buNone" => self.bullet = Some(false),
            "buChar" | "buAutoNum" | "buBlip" => {
                self.bullet = Some(true);
            }
            "rPr" => self.style = run_style(tag),
            "t" => self.in_text = true,
            "br" => self.write_text("\n"),
            "tab" => {}
            "tbl" => {
                self.in_table += 1;
                self.body.open_table(false);
            }
            "tr" => self.body.open_row(false),
            "tc" => {
                // Cells covered by a merged cell are present but empty.
                let continues = tag.get("vMerge").as_deref() == Some("1");
                self.cells.push(TableCell {
                    spans: 0,
                    continues,
                });
                self.body.open_cell();
            }
            "blip" => self.pictures += 1,
            "cNvPr" => self.write_description(tag),
            "chart" | "relIds" => {
                for line in drawing::referenced_text(self.zip, self.links, tag) {
                    self.write_paragraph(&line, &ParagraphRole::Plain);
                }
            }
            "Fallback" | "extLst" => xml.skip(),
            _ => {}
        }
    }

    /// Writes the author's description of an image. Skips a description without spaces, which is a file name filled in
    /// by a program.
    fn write_description(&mut self, tag: &Tag) {
        let words = to_one_line(&tag.get("descr").unwrap_or_default());
        if words.contains(' ') {
            self.write_paragraph(&format!("[image: {words}]"), &ParagraphRole::Plain);
        }
    }

    fn close(&mut self, name: &str) {
        // `OutputFull` cannot occur before the page ends.
        let _: Result<(), OutputFull> = match name {
            "t" => {
                self.in_text = false;
                Ok(())
            }
            "r" | "fld" => {
                self.style = RunStyle::default();
                Ok(())
            }
            "p" => {
                self.end_paragraph();
                Ok(())
            }
            "tc" => {
                let cell = self.cells.pop().unwrap_or_default();
                self.body.close_cell(cell);
                Ok(())
            }
            "tr" => self.body.close_row(),
            "tbl" => {
                self.in_table = self.in_table.saturating_sub(1);
                self.body.close_table()
            }
            _ => Ok(()),
        };
    }

    fn end_paragraph(&mut self) {
        let mut text = self.text.take().unwrap_or_default();
        self.runs.flush(&mut text);
        self.style = RunStyle::default();
        if text.trim().is_empty() {
            return;
        }
        match self.place {
            PlaceholderType::Frame => {}
            PlaceholderType::Footer => self.footers.push(to_one_line(&text)),
            PlaceholderType::Title => {
                if self.title.is_empty() {
                    self.title = to_one_line(&text).chars().take(300).collect();
                    self.write_paragraph(&text, &ParagraphRole::Heading(1));
                } else {
                    self.write_paragraph(&text, &ParagraphRole::Heading(2));
                }
            }
            place => {
                let item =
                    self.bullet.unwrap_or(place == PlaceholderType::Body) && self.in_table == 0;
                let role = match item {
                    true => ParagraphRole::Item(self.level, "-".to_owned()),
                    false => ParagraphRole::Plain,
                };
                self.write_paragraph(&text, &role);
            }
        }
    }

    fn write_paragraph(&mut self, text: &str, role: &ParagraphRole) {
        self.blank = false;
        // `OutputFull` cannot occur before the page ends.
        let _: Result<(), OutputFull> = self.body.paragraph(text, role);
    }

    /// Adds the speaker notes and the comments of the slide.
    fn add_notes(&mut self, links: &[Relationship]) {
        for link in links {
            let (mark, element) = match link.kind.as_str() {
                "notesSlide" => ("Speaker notes", "sp"),
                "comments" => ("Comment", "cm"),
                _ => continue,
            };
            let Some(mut xml) = Xml::part(self.zip, &link.target) else {
                continue;
            };
            for text in note_texts(&mut xml, element) {
                self.write_paragraph(&format!("{mark}: {text}"), &ParagraphRole::Plain);
            }
        }
    }
}

/// Parses how a run differs from regular text: superscript or subscript, with a `baseline` in percent of the font size,
/// or struck out.
fn run_style(tag: &Tag) -> RunStyle {
    let baseline = tag.get("baseline").unwrap_or_default();
    let shift: i64 = baseline.trim_end_matches('%').parse().unwrap_or(0);
    RunStyle {
        script: match shift {
            1.. => Some(Script::Superscript),
            0 => None,
            _ => Some(Script::Subscript),
        },
        struck: tag.get("strike").is_some_and(|strike| strike != "noStrike"),
    }
}

/// Returns the text of each element with this name, without the slide's image and number.
fn note_texts(xml: &mut Xml<'_>, element: &str) -> Vec<String> {
    let (mut notes, mut text) = (Vec::new(), String::new());
    let (mut frame, mut inside) = (false, false);
    while let Some(piece) = xml.next() {
        match piece {
            XmlPiece::Open(tag) => match tag.name() {
                name if name == element => {
                    text.clear();
                    frame = false;
                }
                "ph" => {
                    let kind = tag.get("type");
                    frame = matches!(
                        kind.as_deref(),
                        Some("sldImg" | "sldNum" | "dt" | "ftr" | "hdr")
                    );
                }
                "t" | "text" => inside = true,
                "br" => text.push('\n'),
                _ => {}
            },
            XmlPiece::Text(piece) if inside && text.len() < MAX_PARAGRAPH_BYTES => {
                text.push_str(&piece)
            }
            XmlPiece::Text(_) => {}
            XmlPiece::Close(name) => match name.as_str() {
                "t" | "text" => inside = false,
                "p" => text.push('\n'),
                name if name == element => {
                    let note = text.trim();
                    if !frame && !note.is_empty() && notes.len() < 1_000 {
                        notes.push(note.to_owned());
                    }
                }
                _ => {}
            },
        }
    }
    notes
}
