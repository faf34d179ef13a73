//! Extracts plain text by page from the bytes of a file, with limits on size, depth, and rows. Pure: no I/O, no
//! clock. Identifies a file by its content, whatever its name, and never invents text.

mod archive;
mod calendar;
mod charset;
pub mod child_protocol;
mod compressed;
mod entities;
mod html;
mod invisible;
mod json;
mod kind;
mod magic;
mod mail;
mod markup;
mod markup_text;
mod notebook;
mod office;
mod output;
mod pdf;
mod picture;
mod raised;
mod rtf;
mod rtf_encodings;
mod rtf_omitted;
#[cfg(test)]
mod samples;
mod subtitles;
mod symbol_fonts;
mod table;
mod table_rows;
mod terminal;
mod tex;
mod texts;
mod unreadable;
pub mod zip;

use crate::domain::chunk::PageText;
use crate::domain::document::PageWithoutText;

pub use invisible::remove_invisible as visible_text;
pub use kind::{FileKind, KINDS};
pub use output::{Output, OutputFull};
pub use pdf::{ScannedImage, page_image as page_picture};
pub use table_rows::records;
pub use unreadable::Unreadable;

/// Limits on the cost of reading a single file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ReadLimits {
    /// Maximum size of the file, in bytes.
    pub input: usize,
    /// Maximum size of the extracted text, in bytes; the rest is cut off, with a note.
    pub text: usize,
    /// Maximum nesting depth of JSON to indent; deeper JSON is left unchanged.
    pub depth: usize,
    /// Maximum number of rows in a table.
    pub rows: usize,
    /// Maximum number of pages with text; the rest is omitted, with a note.
    pub pages: usize,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self {
            input: 64 << 20,
            text: 64 << 20,
            depth: 64,
            rows: 200_000,
            pages: 20_000,
        }
    }
}

/// A file to read, and the limits to apply.
#[derive(Debug, Clone, Copy)]
pub struct FileInput<'a> {
    /// The file's bytes.
    pub bytes: &'a [u8],
    /// The file's name, used only as a hint between kinds that cannot be told apart by content.
    pub name: &'a str,
    /// The encoding chosen by the user; applies only to text files.
    pub encoding: Option<&'a str>,
    /// Limits on the cost of reading the file.
    pub limits: &'a ReadLimits,
}

/// The result of reading a file, apart from its pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadReport {
    /// The kind of file: a name in `KINDS`.
    pub kind: &'static str,
    /// Media type, detected from the content.
    pub content_type: &'static str,
    /// The encoding of a text file; empty for other kinds.
    pub encoding: String,
    /// Number of pages with text; zero for an image or a scanned document.
    pub pages: u32,
    /// Number of words on all pages.
    pub words: u64,
    /// Notes for the user about anything cut off, replaced, or omitted.
    pub notes: Vec<String>,
    /// Pages without text, each with the reason.
    pub gaps: Vec<PageWithoutText>,
    /// Pages whose text was recognized by OCR, in ascending order.
    pub recognized_pages: Vec<u32>,
}

/// Returns the canonical name of the encoding with this label, as used by web pages.
pub fn encoding_named(label: &str) -> Option<String> {
    charset::canonical_name(label)
}

/// Number of bytes at the start of a file that `recognize` needs.
pub const HEAD: usize = 64 * 1024;

/// Checks whether a file may be readable, based on its first bytes.
///
/// # Errors
/// Returns [`Unreadable::Locked`] for an encrypted Office file, or [`Unreadable::Unsupported`] for any other known
/// binary format.
pub fn recognize(head: &[u8]) -> Result<(), Unreadable> {
    if picture::content_type(head).is_some() {
        return Ok(());
    }
    match magic::binary_kind(head) {
        Some(magic::ENCRYPTED_OFFICE) => Err(Unreadable::Locked),
        Some(pdf::NAME) => Ok(()),
        Some(_) if compressed::is_gzip(head) || compressed::is_tar(head) => Ok(()),
        Some(name) => Err(Unreadable::Unsupported(name)),
        None => Ok(()),
    }
}

/// Reads a file and passes its pages to `sink` one by one, until `sink` returns false.
///
/// # Errors
/// Returns [`Unreadable`] with the reason if the file cannot be read.
pub fn extract(
    input: &FileInput<'_>,
    sink: &mut dyn FnMut(PageText) -> bool,
) -> Result<ReadReport, Unreadable> {
    extract_reporting(input, sink, &mut |_, _| {})
}

/// Reads a file like [`extract`], and reports progress at most once per percent: the amount done and the total, in
/// pages, chapters, or bytes.
///
/// # Errors
/// Returns the same errors as [`extract`].
pub fn extract_reporting(
    input: &FileInput<'_>,
    sink: &mut dyn FnMut(PageText) -> bool,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<ReadReport, Unreadable> {
    if input.bytes.is_empty() {
        return Err(Unreadable::Empty);
    }
    if input.bytes.len() > input.limits.input {
        return Err(Unreadable::TooLarge);
    }
    recognize(input.bytes)?;
    if picture::content_type(input.bytes).is_some() {
        return read_image(input.bytes);
    }
    let mut out = Output::new(input.limits, sink).with_progress(progress);
    let (kind, encoding) = read(input, &mut out)?;
    if out.words == 0 && !out.gaps.iter().any(|gap| gap.picture) {
        return Err(Unreadable::NoText);
    }
    Ok(ReadReport {
        kind: kind.name,
        content_type: kind.content_type,
        encoding,
        pages: out.pages,
        words: out.words,
        notes: out.take_notes(),
        gaps: out.gaps,
        recognized_pages: out.recognized,
    })
}

/// Dispatches to the reader for the kind of file. Returns the kind and, for text files, the encoding.
fn read(
    input: &FileInput<'_>,
    out: &mut Output<'_>,
) -> Result<(&'static FileKind, String), Unreadable> {
    if zip::is_zip(input.bytes) {
        let container = zip::Zip::open(input.bytes);
        let package = office::kind(&container)?;
        if package == office::Package::Archive {
            if out.depth() > MAX_FILE_DEPTH {
                return Err(Unreadable::TooDeep);
            }
            archive::read(&container, input, out)?;
            return Ok((kind::by_name("zip"), String::new()));
        }
        let kind = office::read(&container, &package, input.limits, out)?;
        return Ok((kind::by_name(kind), String::new()));
    }
    if magic::binary_kind(input.bytes) == Some(pdf::NAME) {
        pdf::read(input, out)?;
        return Ok((kind::by_name("pdf"), String::new()));
    }
    if input.bytes.starts_with(b"{\\rtf") {
        rtf::read(input, out)?;
        return Ok((kind::by_name("rtf"), String::new()));
    }
    if compressed::is_gzip(input.bytes) {
        return compressed::read_compressed(input, out);
    }
    if compressed::is_tar(input.bytes) {
        return compressed::read_archive(input, out);
    }
    let utf8 = mail::utf16_to_utf8(input.bytes);
    let email = FileInput {
        bytes: utf8.as_deref().unwrap_or(input.bytes),
        ..*input
    };
    let has_mail_extension = [".eml", ".mht", ".mhtml"]
        .iter()
        .any(|end| input.name.to_lowercase().ends_with(end));
    let is_mailbox = mail::mailbox::is_mailbox(email.bytes);
    if is_mailbox || mail::is_mail(email.bytes, has_mail_extension) {
        if out.depth() > MAX_FILE_DEPTH {
            return Err(Unreadable::TooDeep);
        }
        match is_mailbox {
            true => mail::mailbox::read_all(&email, out)?,
            false => mail::read(&email, out)?,
        }
        return Ok((kind::by_name("eml"), String::new()));
    }
    texts::read(input, out)
}

/// Maximum nesting depth of archives and emails that are opened inside another file.
const MAX_FILE_DEPTH: usize = 1;

/// Reads a file contained in another file, under its name.
fn read_contained_file(file: &FileInput<'_>, out: &mut Output<'_>) -> Result<(), Unreadable> {
    if file.bytes.is_empty() {
        return Err(Unreadable::Empty);
    }
    recognize(file.bytes)?;
    if picture::content_type(file.bytes).is_some() {
        return Err(Unreadable::PicturesOnly);
    }
    let words_before = out.words;
    let read = out.read_contained(file.name, |out| read(file, out));
    match read {
        Ok(_) if out.words == words_before && !out.is_full() => Err(Unreadable::NoText),
        Ok(_) => Ok(()),
        Err(reason) => Err(reason),
    }
}

/// Maximum size of an image, in bytes, that every provider accepts.
const MAX_PICTURE_BYTES: usize = 5 << 20;
/// Maximum length of an image's longer side, in pixels, that every provider accepts.
const MAX_PICTURE_SIDE: u32 = 8_000;

/// Returns the report on an image, which has no text. Vision models receive the image unchanged.
fn read_image(bytes: &[u8]) -> Result<ReadReport, Unreadable> {
    let header = picture::parse_header(bytes).ok_or(Unreadable::Damaged)?;
    if bytes.len() > MAX_PICTURE_BYTES || header.width.max(header.height) > MAX_PICTURE_SIDE {
        return Err(Unreadable::PictureTooLarge);
    }
    let note = format!(
        "a picture of {} x {} pixels: shown to models that accept images{NO_TEXT_NOTE}",
        header.width, header.height
    );
    Ok(ReadReport {
        kind: PICTURE,
        content_type: header.content_type,
        encoding: String::new(),
        pages: 0,
        words: 0,
        notes: vec![note],
        gaps: Vec::new(),
        recognized_pages: Vec::new(),
    })
}

/// Media types of images.
const CONTENT_TYPES: &[&str] = &["image/png", "image/jpeg", "image/gif", "image/webp"];

/// End of the note about an image file, whose text is not extracted.
pub const NO_TEXT_NOTE: &str = "; no text is extracted";

/// Name of the kind of image files.
pub const PICTURE: &str = "image";

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn read(
        bytes: &[u8],
        name: &str,
        limits: &ReadLimits,
    ) -> Result<(ReadReport, Vec<PageText>), Unreadable> {
        let mut pages = Vec::new();
        let input = FileInput {
            bytes,
            name,
            encoding: None,
            limits,
        };
        let report = extract(&input, &mut |page| {
            pages.push(page);
            true
        })?;
        Ok((report, pages))
    }

    fn check(bytes: &[u8], name: &str, kind: &str, text: &str) {
        let (report, pages) = read(bytes, name, &ReadLimits::default()).expect("readable");
        let all: Vec<&str> = pages.iter().map(|page| page.text.as_str()).collect();
        assert_eq!(
            (report.kind, all.join("\u{C}").as_str()),
            (kind, text),
            "{name}"
        );
    }

    #[test]
    fn every_kind_is_detected() {
        check(b"plain words\r\n", "a.txt", "text", "plain words");
        check(b"# T\n\ntext", "a.md", "markdown", "# T\n\ntext");
        check(b"<!doctype html><p>a &amp; b", "a.txt", "html", "a & b");
        check(b"k,v\na,1\n", "a.csv", "csv", "Columns: k | v\nk: a | v: 1");
        check(br#"{"a":1}"#, "a", "json", r#"{"a":1}"#);
        check(
            b"<?xml version='1.0'?><a>b</a>",
            "a",
            "xml",
            "<?xml version='1.0'?><a>b</a>",
        );
        check(
            b"def f():\n    return 1\n",
            "f.py",
            "source",
            "def f():\n    return 1",
        );
        check(
            b"one\x0Ctwo\x0C \x0Cfour",
            "a.txt",
            "text",
            "one\u{C}two\u{C}four",
        );
    }

    #[test]
    fn unreadable_files_are_rejected() {
        let small = ReadLimits {
            input: 10,
            ..ReadLimits::default()
        };
        for (bytes, limits, expected) in [
            (&b""[..], ReadLimits::default(), Unreadable::Empty),
            (b"eleven bytes", small, Unreadable::TooLarge),
            (b"%PDF-1.7 x", small, Unreadable::Broken("PDF")),
            (b"\0\x01\x02\x03\0\0", small, Unreadable::Binary),
            (b" \n\t--\n", small, Unreadable::NoText),
            (b"<html></html>", ReadLimits::default(), Unreadable::NoText),
        ] {
            let result = read(bytes, "a.txt", &limits).map(drop);
            assert_eq!(result, Err(expected), "{bytes:?}");
        }
    }

    #[test]
    fn long_texts_are_cut_with_a_note() {
        let limits = ReadLimits {
            text: 2_048,
            ..ReadLimits::default()
        };
        let text = "zeile mit ümlaut\n".repeat(500);
        let (report, pages) = read(text.as_bytes(), "a.txt", &limits).expect("readable");
        assert!(pages[0].text.len() <= 2_048 && pages[0].text.ends_with("ümlaut"));
        assert_eq!(report.notes, ["only the first 2 KiB of text are used"]);
    }

    #[test]
    fn page_numbers_count_empty_pages_and_are_bounded() {
        let limits = ReadLimits::default();
        let (_, pages) = read(b"\x0Ctwo\x0C\x0Cfour", "a.txt", &limits).expect("readable");
        let numbers: Vec<u32> = pages.iter().map(|page| page.number).collect();
        assert_eq!(numbers, [2, 4]);
        let limits = ReadLimits { pages: 3, ..limits };
        let text = "x\u{C}".repeat(100);
        let (report, pages) = read(text.as_bytes(), "a.txt", &limits).expect("readable");
        assert_eq!((report.pages, pages.len()), (3, 3));
    }
}
