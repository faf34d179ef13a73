//! File bytes to plain text by page, with limits on size, depth and rows. Pure: no I/O, no clock.
//! Refuses what is no text by its content, whatever its name says, and never invents any.

mod archive;
mod charset;
mod entities;
pub mod frame;
mod html;
mod json;
mod kind;
mod magic;
mod mail;
mod markup;
mod office;
mod output;
mod pdf;
mod picture;
mod records;
mod rtf;
#[cfg(test)]
mod samples;
mod table;
mod zip;

use crate::domain::chunk::PageText;
use crate::domain::document::TextlessPage;

pub use kind::{FileKind, KINDS};
pub use output::{Full, Output};
pub use pdf::{ScanPicture, picture as page_picture};
pub use records::records;

use kind::TextSort;

/// Bounds on what one file may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ReadLimits {
    /// Bytes taken in.
    pub input: usize,
    /// Bytes of text given out; the rest is cut off, with a note.
    pub text: usize,
    /// Levels of nesting that are followed.
    pub depth: usize,
    /// Rows of a table.
    pub rows: usize,
    /// Pages.
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

/// A file to be read.
#[derive(Debug, Clone, Copy)]
pub struct FileInput<'a> {
    /// All of it.
    pub bytes: &'a [u8],
    /// Only a hint between kinds that any text could be.
    pub name: &'a str,
    /// The encoding that a person has chosen, for texts.
    pub encoding: Option<&'a str>,
    /// What it may cost.
    pub limits: &'a ReadLimits,
}

/// What was read, beside the pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadReport {
    /// A name of `KINDS`.
    pub kind: &'static str,
    /// Media type by content.
    pub content_type: &'static str,
    /// The encoding it was read in, for texts.
    pub encoding: String,
    /// Pages with text; none in a picture or a scan.
    pub pages: u32,
    /// Words in all pages.
    pub words: u64,
    /// For a person: what was cut, replaced or left out.
    pub notes: Vec<String>,
    /// Pages without text, and why.
    pub gaps: Vec<TextlessPage>,
}

/// Why a file gave no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// No bytes.
    Empty,
    /// More bytes than the limit.
    TooLarge,
    /// A known format that this version does not read.
    Unsupported(&'static str),
    /// No text in any encoding.
    Binary,
    /// Readable, but there are no words in it.
    NoText,
    /// It begins as a picture and is none.
    Damaged,
    /// Needs a password.
    Locked,
    /// None of the files in it can be read.
    NothingInside,
    /// In more files within files than are opened.
    TooDeep,
    /// No words, only pictures that cannot be shown one by one.
    PicturesOnly,
    /// Nothing in it holds together: what kind of file it is.
    Broken(&'static str),
    /// Its fonts do not say which characters they show.
    Nameless,
    /// A picture that no model takes.
    PictureTooLarge,
}

impl Unreadable {
    /// A sentence for the person.
    pub fn message(self) -> String {
        match self {
            Self::Empty => "the file is empty".to_owned(),
            Self::TooLarge => "the file is too large to read".to_owned(),
            Self::Unsupported(name) => {
                let hint = match magic::instead(name) {
                    Some(kind) => format!("; save it as {kind} and upload that"),
                    None => String::new(),
                };
                format!(
                    "this is a file of the kind {name}, which is not a supported type yet{hint}"
                )
            }
            Self::Binary => {
                "this is not text in any known encoding, so not a supported type".to_owned()
            }
            Self::NoText => "there is no text in the file".to_owned(),
            Self::Damaged => "the picture is damaged: its header cannot be read".to_owned(),
            Self::Locked => {
                "the file is encrypted: remove its password and upload it again".to_owned()
            }
            Self::NothingInside => {
                "none of the files in it can be read: they are of other kinds, damaged, or too large once unpacked".to_owned()
            }
            Self::TooDeep => "it lies in too many files within files".to_owned(),
            Self::PicturesOnly => "there is no text in the file, only pictures".to_owned(),
            Self::Nameless => "its fonts do not say which characters they show, so its text cannot be read; a copy that was saved or printed in another way may do better".to_owned(),
            Self::Broken(kind) => {
                format!("the {kind} file is damaged: nothing in it can be read")
            }
            Self::PictureTooLarge => format!(
                "a picture may have {} MB and {MOST_PIXELS} pixels a side, which is what models take; make it smaller",
                MOST_PICTURE >> 20
            ),
        }
    }
}

/// The name of the encoding that a label means, as web pages label them.
pub fn encoding_named(label: &str) -> Option<String> {
    charset::named(label)
}

/// Bytes enough for `recognise` to tell whether a file can be text.
pub const HEAD: usize = 64 * 1024;

/// Tells from a file's first bytes that it is of no kind that can be read.
pub fn recognise(head: &[u8]) -> Result<(), Unreadable> {
    if picture::content_type(head).is_some() {
        return Ok(());
    }
    match magic::name_of(head) {
        Some(magic::ENCRYPTED) => Err(Unreadable::Locked),
        Some(pdf::NAME) => Ok(()),
        Some(name) => Err(Unreadable::Unsupported(name)),
        None => Ok(()),
    }
}

/// Reads a file and gives its pages to `sink` as they come, until that answers false.
pub fn extract(
    input: &FileInput<'_>,
    sink: &mut dyn FnMut(PageText) -> bool,
) -> Result<ReadReport, Unreadable> {
    if input.bytes.is_empty() {
        return Err(Unreadable::Empty);
    }
    if input.bytes.len() > input.limits.input {
        return Err(Unreadable::TooLarge);
    }
    recognise(input.bytes)?;
    if picture::content_type(input.bytes).is_some() {
        return show(input.bytes);
    }
    let mut out = Output::new(input.limits, sink);
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
        notes: out.notes,
        gaps: out.gaps,
    })
}

/// The dispatch: each kind of file to its reader. Texts have an encoding, others none.
fn read(
    input: &FileInput<'_>,
    out: &mut Output<'_>,
) -> Result<(&'static FileKind, String), Unreadable> {
    if zip::is_zip(input.bytes) {
        let container = zip::Zip::open(input.bytes);
        let package = office::kind(&container)?;
        if package == office::Package::Archive {
            if out.depth() > DEEPEST_FILE {
                return Err(Unreadable::TooDeep);
            }
            archive::read(&container, input, out)?;
            return Ok((kind::named("zip"), String::new()));
        }
        let kind = office::read(&container, &package, input.limits, out)?;
        return Ok((kind::named(kind), String::new()));
    }
    if magic::name_of(input.bytes) == Some(pdf::NAME) {
        pdf::read(input, out)?;
        return Ok((kind::named("pdf"), String::new()));
    }
    if input.bytes.starts_with(b"{\\rtf") {
        rtf::read(input, out)?;
        return Ok((kind::named("rtf"), String::new()));
    }
    let named = input.name.to_lowercase().ends_with(".eml");
    if mail::is_mail(input.bytes, named) {
        if out.depth() > DEEPEST_FILE {
            return Err(Unreadable::TooDeep);
        }
        mail::read(input, out)?;
        return Ok((kind::named("eml"), String::new()));
    }
    read_text(input, out)
}

/// An archive or a mail within this many others is not opened.
const DEEPEST_FILE: usize = 1;

/// Reads a file that is in another, under its name.
fn inner(file: &FileInput<'_>, out: &mut Output<'_>) -> Result<(), Unreadable> {
    if file.bytes.is_empty() {
        return Err(Unreadable::Empty);
    }
    recognise(file.bytes)?;
    if picture::content_type(file.bytes).is_some() {
        return Err(Unreadable::PicturesOnly);
    }
    let before = out.words;
    let read = out.within(file.name, |out| read(file, out));
    match read {
        Ok(_) if out.words == before && !out.is_full() => Err(Unreadable::NoText),
        Ok(_) => Ok(()),
        Err(reason) => Err(reason),
    }
}

/// Bytes of a picture, and pixels of its longer side, that every vendor takes.
const MOST_PICTURE: usize = 5 << 20;
const MOST_PIXELS: u32 = 8_000;

/// A picture has no text; it is shown to models that see.
fn show(bytes: &[u8]) -> Result<ReadReport, Unreadable> {
    let seen = picture::look(bytes).ok_or(Unreadable::Damaged)?;
    if bytes.len() > MOST_PICTURE || seen.width.max(seen.height) > MOST_PIXELS {
        return Err(Unreadable::PictureTooLarge);
    }
    let note = format!(
        "a picture of {} x {} pixels: shown to models that see, no text is read from it",
        seen.width, seen.height
    );
    Ok(ReadReport {
        kind: PICTURE,
        content_type: seen.content_type,
        encoding: String::new(),
        pages: 0,
        words: 0,
        notes: vec![note],
        gaps: Vec::new(),
    })
}

/// Media types of pictures.
const CONTENT_TYPES: &[&str] = &["image/png", "image/jpeg", "image/gif", "image/webp"];

/// The kind of a document that is a picture.
pub const PICTURE: &str = "image";

/// Files that are text in some encoding; a form feed starts a new page.
fn read_text(
    input: &FileInput<'_>,
    out: &mut Output<'_>,
) -> Result<(&'static FileKind, String), Unreadable> {
    let decoded = charset::decode(input.bytes, input.encoding)?;
    if decoded.replaced > 0 {
        out.note(format!(
            "byte sequences that are not {} and were replaced: {}",
            decoded.encoding, decoded.replaced
        ));
    }
    if decoded.dropped > 0 {
        out.note(format!("control characters left out: {}", decoded.dropped));
    }
    let (kind, title, text) = render(decoded.text, input, out);
    let mut parts = text.split('\u{C}').enumerate();
    let paged = text.contains('\u{C}');
    // Full: the rest is not wanted, and what there is has been given.
    let _: Result<(), Full> = parts.try_for_each(|(index, part)| match paged {
        true => out.page(index as u32 + 1, &title, part),
        false => out.flow(&title, part),
    });
    Ok((kind, decoded.encoding))
}

/// The dispatch: each kind of text to what makes it readable.
fn render(
    text: String,
    input: &FileInput<'_>,
    out: &mut Output<'_>,
) -> (&'static FileKind, String, String) {
    let limits = input.limits;
    let (kind, title, text, notes) = match kind::of(&text, input.name) {
        TextSort::Html => {
            let reading = html::render(&text, limits.text);
            ("html", reading.title, reading.text, Vec::new())
        }
        TextSort::Table(delimiter) => {
            let (text, notes) = table::render(&text, delimiter, limits.rows, limits.text);
            ("csv", String::new(), text, notes)
        }
        TextSort::Json => {
            let (text, notes) = json::render(&text, limits.text, limits.depth);
            ("json", String::new(), text, notes)
        }
        TextSort::Plain(kind) => (kind, String::new(), text, Vec::new()),
    };
    notes.into_iter().for_each(|note| out.note(note));
    (kind::named(kind), title, text)
}

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
    fn kinds() {
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
    fn refusals() {
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
            let got = read(bytes, "a.txt", &limits).map(drop);
            assert_eq!(got, Err(expected), "{bytes:?}");
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
