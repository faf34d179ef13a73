//! Reads a text file: detects its encoding, and formats it according to its kind.

use super::kind::{self, TextKind};
use super::{FileInput, FileKind, Output, OutputFull, Unreadable};
use super::{calendar, charset, html, json, markup_text, notebook, subtitles, table};

/// Reads a text file in the chosen or detected encoding. A form feed starts a new page.
///
/// # Errors
/// Returns [`Unreadable::Binary`] if the bytes are not text.
pub(super) fn read(
    input: &FileInput<'_>,
    out: &mut Output<'_>,
) -> Result<(&'static FileKind, String), Unreadable> {
    let decoded = charset::decode(input.bytes, input.encoding)?;
    if decoded.replaced > 0 {
        out.add_note(format!(
            "byte sequences that are not {} and were replaced: {}",
            decoded.encoding, decoded.replaced
        ));
    }
    if decoded.stray_byte_count > 0 {
        out.add_note(format!(
            "bytes that are not utf-8 and were read as windows-1252: {}",
            decoded.stray_byte_count
        ));
    }
    if decoded.dropped_count > 0 {
        out.add_note(format!(
            "control characters removed: {}",
            decoded.dropped_count
        ));
    }
    let (kind, title, text) = render(decoded.text, input, out);
    let mut bytes_before = 0;
    let mut parts = text.split('\u{C}').enumerate();
    let has_page_breaks = text.contains('\u{C}');
    // `OutputFull` means that a limit has been reached or the receiver is gone; the text so far has been passed on.
    let _: Result<(), OutputFull> = parts.try_for_each(|(index, part)| match has_page_breaks {
        true => {
            out.progress(bytes_before, text.len());
            bytes_before += part.len() + 1;
            out.page(index as u32 + 1, &title, part)
        }
        false => out.flow_all(&title, part),
    });
    Ok((kind, decoded.encoding))
}

/// Converts a text according to its kind. Returns the kind, the title, and the converted text.
fn render(
    text: String,
    input: &FileInput<'_>,
    out: &mut Output<'_>,
) -> (&'static FileKind, String, String) {
    let limits = input.limits;
    let (kind, title, text, notes) = match kind::detect(&text, input.name) {
        TextKind::Html => {
            let is_xml = input.name.to_lowercase().ends_with(".xhtml");
            let page = html::render(&text, limits.text, is_xml);
            ("html", page.title, page.text, page.notes)
        }
        TextKind::Table(delimiter) => {
            let (text, notes) = table::render(&text, delimiter, limits.rows, limits.text);
            ("csv", String::new(), text, notes)
        }
        TextKind::Json => {
            let (text, notes) = json::render(&text, limits.text, limits.depth);
            ("json", String::new(), text, notes)
        }
        TextKind::Notebook => match notebook::render(&text, limits.text) {
            Some((text, notes)) => ("notebook", String::new(), text, notes),
            None => ("json", String::new(), text, Vec::new()),
        },
        TextKind::Calendar => {
            let (text, notes) = calendar::render(&text);
            ("calendar", String::new(), text, notes)
        }
        TextKind::Subtitles => {
            let (text, notes) = subtitles::render(&text);
            ("subtitles", String::new(), text, notes)
        }
        TextKind::Plain(kind @ "markdown") => {
            let extension = input
                .name
                .rsplit('.')
                .next()
                .unwrap_or_default()
                .to_lowercase();
            let (text, notes) =
                markup_text::render(&text, &extension).unwrap_or((text, Vec::new()));
            (kind, String::new(), text, notes)
        }
        TextKind::Plain(kind) => (kind, String::new(), text, Vec::new()),
    };
    notes.into_iter().for_each(|note| out.add_note(note));
    (kind::by_name(kind), title, text)
}
