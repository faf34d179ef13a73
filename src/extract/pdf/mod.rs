//! Reads PDF: text in reading order page by page, and a reported gap for each page without text. Never
//! renders a page and never guesses a character: a page whose fonts map no characters is a gap.

mod bytes;
mod canvas;
mod cff;
mod cmap;
mod encoding;
mod font;
mod interpret;
mod layout;
mod marks;
mod matrix;
mod operands;
mod outline;
mod program;
mod running_heads;
mod scan;
mod script;
#[cfg(test)]
mod tests;
mod text_runs;
mod widths;

use hayro_syntax::{DecryptionError, LoadPdfError, Pdf};

use super::{FileInput, Full, Output, Unreadable};
use canvas::PageCanvas;
use interpret::Fonts;
use layout::LayoutLine;
use running_heads::Window;

pub use scan::{ScanPicture, picture};

/// The name of the kind in messages.
pub const NAME: &str = "PDF";

/// Number of words on a page below which it is a scan with a stamp or a page number, if a picture covers it.
const FEW_WORDS: usize = 5;
/// The reason for a gap when no character of a page has a text.
const NAMELESS: &str = "its fonts do not map to characters, so its text cannot be read";
/// Minimum share of a scanned page, 0 to 1, that a picture covers.
const SCAN: f64 = 0.4;

/// Reads a PDF file and passes its pages to `out`.
///
/// # Errors
/// [`Unreadable::Locked`] when the file needs a password, [`Unreadable::Unsupported`] for unknown
/// encryption, [`Unreadable::Broken`] when it cannot be parsed, [`Unreadable::Nameless`] when its fonts map
/// no characters.
pub fn read(input: &FileInput<'_>, out: &mut Output<'_>) -> Result<(), Unreadable> {
    let pdf = open(input.bytes)?;
    let titles = outline::titles(&pdf);
    let mut fonts = Fonts::new();
    let mut window = Window::new();
    let mut body = BodySize::default();
    let mut nameless = false;
    for (index, page) in pdf.pages().iter().enumerate() {
        let number = index as u32 + 1;
        let canvas = interpret::run(page, &mut fonts);
        if canvas.cut {
            out.note(format!(
                "page {number} is too crowded; only a part of it is read"
            ));
        }
        let (_, height) = interpret::upright(page);
        if let Some(reason) = Reason::of(&canvas) {
            nameless |= reason.why == NAMELESS;
            out.gap(number, reason.why, reason.picture);
        }
        let lines = lines(canvas);
        body.weigh(&lines);
        let ready = window.push(number, lines, height);
        if write(ready, &titles, &body, out).is_err() {
            return Ok(());
        }
    }
    let rest = window.finish();
    let left_out = window.left_out();
    // Full: the limit is reached; the text so far has been passed on.
    let _: Result<(), Full> = write(rest, &titles, &body, out);
    if left_out > 0 {
        out.note(format!(
            "lines at the top or foot of pages that repeat, such as page numbers, are left out: {left_out}"
        ));
    }
    if nameless && out.words == 0 {
        return Err(Unreadable::Nameless);
    }
    Ok(())
}

fn write(
    pages: impl IntoIterator<Item = (u32, Vec<LayoutLine>)>,
    titles: &[String],
    body: &BodySize,
    out: &mut Output<'_>,
) -> Result<(), Full> {
    for (number, lines) in pages {
        let title = titles.get(number as usize - 1).map_or("", String::as_str);
        out.page(number, title, &layout::written(&lines, body.size()))?;
    }
    Ok(())
}

fn open(bytes: &[u8]) -> Result<Pdf, Unreadable> {
    Pdf::new(bytes.to_vec()).map_err(|error| match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => Unreadable::Locked,
        LoadPdfError::Decryption(_) => Unreadable::Unsupported("PDF with an unknown encryption"),
        LoadPdfError::Invalid => Unreadable::Broken(NAME),
    })
}

/// The lines of each text direction, the one with the most characters first.
fn lines(canvas: PageCanvas<'_>) -> Vec<LayoutLine> {
    let mut all = Vec::new();
    for run in text_runs::runs(canvas.glyphs) {
        let mut lines = layout::lines(run.pieces);
        if !run.upright {
            // Their positions are in a rotated frame, so they are never at the top or foot of the page.
            lines.iter_mut().for_each(|line| line.y = f64::NAN);
        }
        all.append(&mut lines);
    }
    all
}

/// Why a page has no text.
struct Reason {
    why: &'static str,
    picture: bool,
}

impl Reason {
    fn of(canvas: &PageCanvas<'_>) -> Option<Self> {
        let shown = canvas
            .glyphs
            .iter()
            .filter(|glyph| !glyph.text.trim().is_empty())
            .count();
        let picture = canvas
            .largest
            .as_ref()
            .is_some_and(|(share, stream)| *share >= SCAN && scan::is_shown(stream));
        let why = if canvas.unnamed > shown {
            NAMELESS
        } else if shown < FEW_WORDS * 4 && canvas.covered >= SCAN {
            "a scanned picture without text"
        } else if shown == 0 && canvas.covered > 0.0 {
            "only pictures"
        } else if shown == 0 {
            "empty"
        } else {
            return None;
        };
        Some(Self { why, picture })
    }
}

/// The font size of the document's running text: the one with the most bytes of text so far.
#[derive(Default)]
struct BodySize {
    /// Bytes of text by font size, in steps of half a point.
    sizes: std::collections::BTreeMap<u32, usize>,
}

impl BodySize {
    fn weigh(&mut self, lines: &[LayoutLine]) {
        for line in lines {
            let step = (line.size * 2.0).round().clamp(0.0, 2_000.0) as u32;
            *self.sizes.entry(step).or_default() += line.text.len();
        }
    }

    fn size(&self) -> f64 {
        let most = self.sizes.iter().max_by_key(|(_, count)| **count);
        most.map_or(0.0, |(step, _)| f64::from(*step) / 2.0)
    }
}
