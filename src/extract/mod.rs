//! File bytes to plain text by page, with limits on size, depth and rows. Pure: no I/O, no clock.
//! Refuses what is no text by its content, whatever its name says, and never invents any.

mod charset;
mod entities;
mod html;
mod json;
mod kind;
mod magic;
mod markup;
mod picture;
#[cfg(test)]
mod samples;
mod table;

use crate::domain::chunk::{Page, count_words};

pub use kind::{KINDS, Kind};

use kind::Sort;

/// Bounds on what one file may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
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

impl Default for Limits {
    fn default() -> Self {
        Self {
            input: 64 << 20,
            text: 8 << 20,
            depth: 64,
            rows: 200_000,
            pages: 5_000,
        }
    }
}

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extracted {
    /// A name of `KINDS`.
    pub kind: &'static str,
    /// Media type by content.
    pub content_type: &'static str,
    /// The encoding it was read in.
    pub encoding: String,
    /// Pages with text; at least one, unless it is a picture.
    pub pages: Vec<Page>,
    /// Words in all pages.
    pub words: u64,
    /// For a person: what was cut, replaced or left out.
    pub notes: Vec<String>,
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
                format!("this is a file of the kind {name}, which is not a supported type yet")
            }
            Self::Binary => {
                "this is not text in any known encoding, so not a supported type".to_owned()
            }
            Self::NoText => "there is no text in the file".to_owned(),
            Self::Damaged => "the picture is damaged: its header cannot be read".to_owned(),
            Self::PictureTooLarge => format!(
                "a picture may have {} MB and {MOST_PIXELS} pixels a side, which is what models take; make it smaller",
                MOST_PICTURE >> 20
            ),
        }
    }
}

/// Bytes enough for `recognise` to tell whether a file can be text.
pub const HEAD: usize = 64 * 1024;

/// Tells from a file's first bytes that it is of no kind that can be read.
pub fn recognise(head: &[u8]) -> Result<(), Unreadable> {
    if picture::content_type(head).is_some() {
        return Ok(());
    }
    match magic::name_of(head) {
        Some(name) => Err(Unreadable::Unsupported(name)),
        None => Ok(()),
    }
}

/// Reads a file. `name` is only a hint between kinds that any text could be.
pub fn extract(bytes: &[u8], name: &str, limits: &Limits) -> Result<Extracted, Unreadable> {
    if bytes.is_empty() {
        return Err(Unreadable::Empty);
    }
    if bytes.len() > limits.input {
        return Err(Unreadable::TooLarge);
    }
    recognise(bytes)?;
    if picture::content_type(bytes).is_some() {
        return show(bytes);
    }
    let decoded = charset::decode(bytes)?;
    let mut notes = Vec::new();
    if decoded.replaced > 0 {
        notes.push(format!(
            "byte sequences that are not {} and were replaced: {}",
            decoded.encoding, decoded.replaced
        ));
    }
    if decoded.dropped > 0 {
        notes.push(format!("control characters left out: {}", decoded.dropped));
    }
    let (kind, title, mut text) = read(decoded.text, name, limits, &mut notes);
    if cut(&mut text, limits.text) {
        notes.push(format!(
            "only the first {} KiB of text are used",
            limits.text / 1024
        ));
    }
    let pages = pages(&text, title, limits.pages);
    let words = pages.iter().map(|page| count_words(&page.text)).sum();
    if words == 0 {
        return Err(Unreadable::NoText);
    }
    Ok(Extracted {
        kind: kind.name,
        content_type: kind.content_type,
        encoding: decoded.encoding,
        pages,
        words,
        notes,
    })
}

/// Bytes of a picture, and pixels of its longer side, that every vendor takes.
const MOST_PICTURE: usize = 5 << 20;
const MOST_PIXELS: u32 = 8_000;

/// A picture has no text; it is shown to models that see.
fn show(bytes: &[u8]) -> Result<Extracted, Unreadable> {
    let seen = picture::look(bytes).ok_or(Unreadable::Damaged)?;
    if bytes.len() > MOST_PICTURE || seen.width.max(seen.height) > MOST_PIXELS {
        return Err(Unreadable::PictureTooLarge);
    }
    let note = format!(
        "a picture of {} x {} pixels: shown to models that see, no text is read from it",
        seen.width, seen.height
    );
    Ok(Extracted {
        kind: PICTURE,
        content_type: seen.content_type,
        encoding: String::new(),
        pages: Vec::new(),
        words: 0,
        notes: vec![note],
    })
}

/// The kind of a document that is a picture.
pub const PICTURE: &str = "image";

/// The dispatch: each kind to its reader.
fn read(
    text: String,
    name: &str,
    limits: &Limits,
    notes: &mut Vec<String>,
) -> (&'static Kind, String, String) {
    let (kind, title, text, more) = match kind::of(&text, name) {
        Sort::Html => {
            let reading = html::render(&text, limits.text);
            ("html", reading.title, reading.text, Vec::new())
        }
        Sort::Table(delimiter) => {
            let (text, notes) = table::render(&text, delimiter, limits.rows, limits.text);
            ("csv", String::new(), text, notes)
        }
        Sort::Json => {
            let (text, notes) = json::render(&text, limits.text, limits.depth);
            ("json", String::new(), text, notes)
        }
        Sort::Plain(kind) => (kind, String::new(), text, Vec::new()),
    };
    notes.extend(more);
    (kind::named(kind), title, text)
}

/// Cuts at the last line end, or at least at a character's, within `limit` bytes.
fn cut(text: &mut String, limit: usize) -> bool {
    if text.len() <= limit {
        return false;
    }
    let end = text.floor_char_boundary(limit);
    let line = text[..end].rfind('\n').filter(|&at| at > end / 2);
    text.truncate(line.unwrap_or(end));
    true
}

/// Form feeds divide text into pages; a page without words keeps its number but is left out.
fn pages(text: &str, title: String, limit: usize) -> Vec<Page> {
    let mut number = 0;
    let mut parts = text.splitn(limit.max(1), '\u{C}');
    std::iter::from_fn(|| {
        number += 1;
        parts.next().map(|part| (number, part))
    })
    .map(|(number, part)| (number, part.trim_start_matches('\n').trim_end()))
    .filter(|(_, part)| !part.is_empty())
    .map(|(number, part)| Page {
        number,
        title: title.clone(),
        text: part.replace('\u{C}', "\n"),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], name: &str, kind: &str, text: &str) {
        let got = extract(bytes, name, &Limits::default()).expect("readable");
        let all: Vec<&str> = got.pages.iter().map(|page| page.text.as_str()).collect();
        assert_eq!(
            (got.kind, all.join("\u{C}").as_str()),
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
        let small = Limits {
            input: 10,
            ..Limits::default()
        };
        for (bytes, limits, expected) in [
            (&b""[..], Limits::default(), Unreadable::Empty),
            (b"eleven bytes", small, Unreadable::TooLarge),
            (b"%PDF-1.7 x", small, Unreadable::Unsupported("PDF")),
            (b"\0\x01\x02\x03\0\0", small, Unreadable::Binary),
            (b" \n\t--\n", small, Unreadable::NoText),
            (b"<html></html>", Limits::default(), Unreadable::NoText),
        ] {
            assert_eq!(extract(bytes, "a.txt", &limits), Err(expected), "{bytes:?}");
        }
    }

    #[test]
    fn long_texts_are_cut_with_a_note() {
        let limits = Limits {
            text: 2_048,
            ..Limits::default()
        };
        let got = extract(
            "zeile mit ümlaut\n".repeat(500).as_bytes(),
            "a.txt",
            &limits,
        )
        .expect("readable");
        assert!(got.pages[0].text.len() <= 2_048 && got.pages[0].text.ends_with("ümlaut"));
        assert_eq!(got.notes, ["only the first 2 KiB of text are used"]);
    }

    #[test]
    fn page_numbers_count_empty_pages_and_are_bounded() {
        let got = extract(b"\x0Ctwo\x0C\x0Cfour", "a.txt", &Limits::default()).expect("readable");
        assert_eq!(
            got.pages.iter().map(|page| page.number).collect::<Vec<_>>(),
            [2, 4]
        );
        let limits = Limits {
            pages: 3,
            ..Limits::default()
        };
        let got = extract("x\u{C}".repeat(100).as_bytes(), "a.txt", &limits).expect("readable");
        assert_eq!(got.pages.len(), 3);
    }
}
