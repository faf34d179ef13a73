//! Office files and e-books: archives of XML parts, read as pages of text.

mod body;
mod docx;
mod docx_notes;
mod docx_parts;
mod drawing;
mod embedded;
mod epub;
mod headers_and_footers;
mod merged;
mod number_pattern;
mod numbers;
mod odf;
mod odf_margins;
mod odf_objects;
mod odf_parts;
mod odf_styles;
mod package;
mod pptx;
mod sheet_cells;
mod slide_frames;
mod styles;
#[cfg(test)]
mod tests;
mod xlsx;
mod xlsx_objects;
mod xml;

use super::output::Output;
use super::zip::Zip;
use super::{ReadLimits, Unreadable};

pub use body::{BodyText, ParagraphRole, TableCell};
pub use headers_and_footers::HeaderFooterLines;
pub use package::{Package, kind};

/// Number of images in a file; their content is not read.
struct Pictures(usize);

/// Reads an opened container of the kind detected by `package::kind`. Returns the kind's name in `KINDS`.
///
/// # Errors
/// Returns [`Unreadable::PicturesOnly`] if the file contains images but no words, or [`Unreadable::Locked`] for a
/// copy-protected book.
pub(super) fn read(
    zip: &Zip<'_>,
    package: &Package,
    limits: &ReadLimits,
    out: &mut Output<'_>,
) -> Result<&'static str, Unreadable> {
    if zip.is_repaired {
        note_damage(out, "its directory is lost; what could be found is read");
    }
    let words_before = out.words;
    let (kind, pictures) = match package {
        Package::Word(part) => ("docx", docx::read(zip, part, out)),
        Package::Slides(part) => ("pptx", pptx::read(zip, part, out)),
        Package::Sheets(part) => ("xlsx", xlsx::read(zip, part, limits.rows, out)),
        Package::Open => ("odt", odf::read(zip, limits.rows, out)),
        Package::Book => ("epub", epub::read(zip, out)?),
        Package::Archive => return Err(Unreadable::Unsupported("ZIP archive")),
    };
    let empty = out.words == words_before;
    match pictures.0 {
        0 => {}
        _ if empty => return Err(Unreadable::PicturesOnly),
        count => out.add_note(format!("pictures whose inside is not read: {count}")),
    }
    Ok(kind)
}

/// Adds a note that the file is damaged.
fn note_damage(out: &mut Output<'_>, what: &str) {
    out.add_note(format!("the file is damaged: {what}"));
}
