//! Reads PDF files: text in reading order, page by page, and a reason for each page without text. Never renders a page
//! and never guesses a character: a page whose fonts do not map to characters counts as a page without text.

mod annotations;
mod attachments;
mod bytes;
mod canvas;
mod cff;
mod cmap;
mod collections;
mod encoding;
mod font;
mod graphics_state;
mod hyphens;
mod interpret;
mod layers;
mod layout;
mod marks;
mod matrix;
mod operands;
mod outline;
mod overprint;
mod page_geometry;
mod painting;
mod program;
mod programs;
mod running_heads;
mod scan;
mod script;
mod scripts;
#[cfg(test)]
mod tests;
mod text_runs;
mod widths;
mod writer;
mod xfa;

use std::collections::HashMap;

use hayro_syntax::{DecryptionError, LoadPdfError, Pdf};

use super::{FileInput, Output, OutputFull, Unreadable};
use attachments::Attachments;
use canvas::PageCanvas;
use interpret::Fonts;
use layers::Layers;
use layout::LayoutLine;
use writer::PdfPageWriter;

pub use scan::{ScannedImage, page_image};

/// Returns the character of a code in the Symbol font.
pub fn symbol(code: u8) -> Option<char> {
    encoding::Base::Symbol.character(code)
}

/// Name of this kind of file in messages.
pub const NAME: &str = "PDF";

/// Number of words below which a page covered by an image is a scan with a stamp or a page number.
const MIN_WORDS: usize = 5;
/// Reason for a page without text if none of its characters maps to text.
const NO_CHARACTER_MAP: &str = "its fonts do not map to characters, so its text cannot be read";
/// Minimum share of a page, 0 to 1, that images must cover for the page to be a scan.
const MIN_SCAN_SHARE: f64 = 0.4;

/// Reads a PDF file and passes its pages to `out`.
///
/// # Errors
/// Returns [`Unreadable::Locked`] if the file needs a password, [`Unreadable::Unsupported`] for unknown encryption,
/// [`Unreadable::Broken`] if it cannot be parsed, or [`Unreadable::NoCharacterMap`] if its fonts do not map to
/// characters.
pub fn read(input: &FileInput<'_>, out: &mut Output<'_>) -> Result<(), Unreadable> {
    let pdf = open(input.bytes)?;
    let layers = Layers::read(&pdf);
    let mut files = Attachments::from_pdf(&pdf);
    let mut fonts = Fonts::new();
    let mut writer = PdfPageWriter::new(outline::titles(&pdf));
    let mut omitted = PdfOmitted::default();
    let mut lacks_character_map = false;
    let count = pdf.pages().len();
    for (index, page) in pdf.pages().iter().enumerate() {
        let number = index as u32 + 1;
        out.progress(index, count);
        let canvas = interpret::interpret_page(page, &mut fonts, &layers, &mut files);
        if canvas.is_truncated {
            out.add_note(format!(
                "page {number} is too crowded; only a part of it is read"
            ));
        }
        let reason = NoTextReason::from_canvas(&canvas);
        omitted.count(number, &canvas, reason.is_some());
        if canvas.is_recognized {
            out.record_recognized(number);
            omitted.recognized_pages.push(number);
        }
        let (_, height) = page_geometry::upright_size(page);
        if let Some(reason) = reason {
            lacks_character_map |= reason.message == NO_CHARACTER_MAP;
            out.add_textless_page(number, reason.message, reason.page_image);
        }
        if writer.push(number, lines(canvas), height, out).is_err() {
            return Ok(());
        }
    }
    let left_out = match writer.finish(out) {
        Ok(left_out) => left_out,
        // The output is full; the text so far has been passed on.
        Err(OutputFull) => return Ok(()),
    };
    if let Some(values) = xfa::field_values(&pdf) {
        // If the output is full, the text so far has been passed on.
        let _: Result<(), OutputFull> = out.add_sections("form data", &values);
        out.add_note("the pages of an XFA form are not drawn; its data is read".to_owned());
    }
    if left_out > 0 {
        out.add_note(format!(
            "lines at the top or foot of pages that repeat, such as page numbers, are left out: {left_out}"
        ));
    }
    omitted.report(out);
    if programs::has_programs(&pdf) {
        out.add_note("the programs (JavaScript) in the file are not read".to_owned());
    }
    let has_words = out.words > 0;
    files.read(out);
    if lacks_character_map && !has_words && out.words == 0 {
        return Err(Unreadable::NoCharacterMap);
    }
    Ok(())
}

/// Counts of omitted content, for the notes.
#[derive(Default)]
struct PdfOmitted {
    layers: Vec<u32>,
    covered_pages: Vec<u32>,
    redactions: Vec<u32>,
    /// Pages with a drawing, by the drawing's measures. A drawing shared by several pages is decoration.
    drawings: HashMap<(usize, u32), Vec<u32>>,
    hidden_pages: Vec<u32>,
    pictures: Vec<u32>,
    media: Vec<u32>,
    recognized_pages: Vec<u32>,
}

impl PdfOmitted {
    fn count(&mut self, page: u32, canvas: &PageCanvas<'_>, is_textless: bool) {
        if canvas.has_layers_off {
            self.layers.push(page);
        }
        if canvas.covered_count > 0 {
            self.covered_pages.push(page);
        }
        if canvas.has_redactions {
            self.redactions.push(page);
        }
        if let Some(drawing) = canvas.drawing {
            self.drawings.entry(drawing).or_default().push(page);
        }
        if canvas.hidden_count > 0 {
            self.hidden_pages.push(page);
        }
        if canvas.has_media {
            self.media.push(page);
        }
        if canvas.pictures > 0 && !is_textless && !canvas.is_recognized {
            self.pictures.push(page);
        }
    }

    fn report(&self, out: &mut Output<'_>) {
        /// Minimum number of pages with the same drawing for it to count as decoration.
        const MIN_SHARING_PAGES: usize = 3;
        let own_drawings = self
            .drawings
            .values()
            .filter(|pages| pages.len() < MIN_SHARING_PAGES);
        let mut drawings: Vec<u32> = own_drawings.flatten().copied().collect();
        drawings.sort_unstable();
        for (pages, what) in [
            (
                &self.layers,
                "layers that are switched off are left out on ",
            ),
            (&self.hidden_pages, "invisible text is left out on "),
            (&self.covered_pages, "text under boxes is left out on "),
            (
                &self.redactions,
                "text marked for redaction is still in the file and is read on ",
            ),
            (&drawings, "drawings are not read on "),
            (&self.pictures, "pictures whose inside is not read are on "),
            (&self.media, "recordings and 3D models are not read on "),
            (
                &self.recognized_pages,
                "single letters may be wrong where text was recognized in scans: ",
            ),
        ] {
            if !pages.is_empty() {
                out.add_note(format!("{what}{}", list_pages(pages)));
            }
        }
    }
}

/// Formats a list of pages: `page 3`, or `pages 3, 5 and 12 more`.
fn list_pages(pages: &[u32]) -> String {
    const MAX_LISTED: usize = 8;
    let listed_pages: Vec<String> = pages.iter().take(MAX_LISTED).map(u32::to_string).collect();
    match (pages.len(), pages.len().saturating_sub(MAX_LISTED)) {
        (1, _) => format!("page {}", listed_pages[0]),
        (_, 0) => format!("pages {}", listed_pages.join(", ")),
        (_, more) => format!("pages {} and {more} more", listed_pages.join(", ")),
    }
}

fn open(bytes: &[u8]) -> Result<Pdf, Unreadable> {
    Pdf::new(bytes.to_vec()).map_err(|error| match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => Unreadable::Locked,
        LoadPdfError::Decryption(_) => Unreadable::Unsupported("PDF with an unknown encryption"),
        LoadPdfError::Invalid => Unreadable::Broken(NAME),
    })
}

/// Returns the lines of a page: those of each text direction, starting with the direction that has the most characters,
/// and then the comments.
fn lines(canvas: PageCanvas<'_>) -> Vec<LayoutLine> {
    let mut all = Vec::new();
    let notes = canvas.notes;
    for run in text_runs::runs(canvas.glyphs) {
        let mut lines = layout::lines(run.pieces);
        if !run.is_upright {
            // Lines in another direction have positions in a rotated frame, so they never count as the top or bottom of
            // the page.
            lines.iter_mut().for_each(|line| line.y = f64::NAN);
        }
        all.append(&mut lines);
    }
    all.extend(notes.into_iter().map(|text| LayoutLine {
        text,
        y: f64::NAN,
        size: 0.0,
        starts_paragraph: true,
    }));
    all
}

/// Why a page has no text, and whether to offer its image instead.
struct NoTextReason {
    message: &'static str,
    page_image: bool,
}

impl NoTextReason {
    fn from_canvas(canvas: &PageCanvas<'_>) -> Option<Self> {
        let visible_count = canvas
            .glyphs
            .iter()
            .filter(|glyph| !glyph.text.trim().is_empty())
            .count();
        let page_image = canvas
            .largest_image
            .as_ref()
            .is_some_and(|(share, stream)| *share >= MIN_SCAN_SHARE && scan::is_decodable(stream));
        let why = if canvas.unmapped > visible_count {
            NO_CHARACTER_MAP
        } else if visible_count < MIN_WORDS * 4 && canvas.image_share >= MIN_SCAN_SHARE {
            "a scanned picture without text"
        } else if visible_count == 0 && canvas.image_share > 0.0 {
            "only pictures"
        } else if visible_count == 0 {
            "empty"
        } else {
            return None;
        };
        Some(Self {
            message: why,
            page_image,
        })
    }
}
