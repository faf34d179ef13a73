//! EPUB books: the chapters in reading order, each a web page under its title from the table of contents. Refuses books
//! whose chapters are encrypted. Obfuscated fonts do not matter.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::body::to_one_line;
use super::package::resolve;
use super::xml::{Xml, XmlPiece};
use super::{Pictures, note_damage};
use crate::extract::output::Output;
use crate::extract::zip::Zip;
use crate::extract::{Unreadable, charset, html};

/// Maximum number of chapters to read.
const MAX_CHAPTERS: usize = 10_000;
/// Maximum size of a chapter, in bytes.
const MAX_CHAPTER_BYTES: usize = 32 << 20;

/// Reads the chapters of a book in reading order.
///
/// # Errors
/// Returns [`Unreadable::Locked`] if every chapter is encrypted.
pub fn read(zip: &Zip<'_>, out: &mut Output<'_>) -> Result<Pictures, Unreadable> {
    let Some(main) = main_part(zip) else {
        note_damage(out, "its list of chapters is missing");
        return Ok(Pictures(0));
    };
    let folder = main.rsplit_once('/').map_or("", |(folder, _)| folder);
    let book = EpubBook::read(zip, &main, folder, out);
    let titles = chapter_titles(zip, &book);
    let encrypted = encrypted_entries(zip);
    let (mut locked, mut omitted) = (0, ChapterNotes::default());
    for (index, path) in book.spine.iter().enumerate() {
        out.progress(index, book.spine.len());
        if encrypted.contains(path) {
            locked += 1;
            continue;
        }
        let Some(entry) = zip.find(path) else {
            note_damage(out, &format!("chapter {path} is missing"));
            continue;
        };
        let (bytes, error) = zip.read(entry, MAX_CHAPTER_BYTES);
        if let Some(error) = error {
            note_damage(out, &format!("chapter {path}: {}", error.message()));
        }
        let Ok(decoded) = charset::decode(&bytes, None) else {
            continue;
        };
        let page = html::body(&decoded.text, out.remaining_bytes(), true);
        omitted.add(path, &page.notes);
        let title = titles.get(path).cloned().unwrap_or(page.title);
        // The output is full; the text so far has been passed on.
        if out.add_sections(&title, &page.text).is_err() {
            break;
        }
    }
    omitted.report(out);
    if locked > 0 && locked == book.spine.len() {
        return Err(Unreadable::Locked);
    }
    for (what, files) in [
        (
            "pages outside of the reading order left out",
            &book.unlisted_pages,
        ),
        ("recordings not read", &book.recordings),
    ] {
        if !files.is_empty() {
            let first_files: Vec<&str> = files.iter().take(8).map(String::as_str).collect();
            out.add_note(format!(
                "{what}: {} ({})",
                files.len(),
                first_files.join(", ")
            ));
        }
    }
    if locked > 0 {
        out.add_note(format!("encrypted chapters omitted: {locked}"));
    }
    Ok(Pictures(book.pictures))
}

/// Collects the notes about chapters. Notes of the same kind are merged into one about the book.
#[derive(Default)]
struct ChapterNotes(BTreeMap<String, (usize, BTreeSet<String>)>);

impl ChapterNotes {
    /// Adds the notes about a chapter. Numbers at the end of notes of the same kind are summed.
    fn add(&mut self, path: &str, notes: &[String]) {
        for note in notes {
            let counted_note = note.rsplit_once(": ");
            let counted_note =
                counted_note.and_then(|(what, count)| Some((what, count.parse().ok()?)));
            let (what, count) = counted_note.unwrap_or((note, 0));
            let (sum, chapters) = self.0.entry(what.to_owned()).or_default();
            *sum += count;
            chapters.insert(path.to_owned());
        }
    }

    fn report(&self, out: &mut Output<'_>) {
        /// Maximum number of chapters to name individually.
        const MAX_NAMED: usize = 3;
        for (what, (sum, chapters)) in &self.0 {
            let names: Vec<&str> = chapters.iter().map(String::as_str).collect();
            let chapter_list = match chapters.len() <= MAX_NAMED {
                true => names.join(", "),
                false => format!("{} chapters", chapters.len()),
            };
            out.add_note(match sum {
                0 => format!("{what} ({chapter_list})"),
                sum => format!("{what}: {sum} ({chapter_list})"),
            });
        }
    }
}

fn main_part(zip: &Zip<'_>) -> Option<String> {
    let mut xml = Xml::part(zip, "META-INF/container.xml");
    while let Some(piece) = xml.as_mut().and_then(Xml::next) {
        if let XmlPiece::Open(tag) = piece
            && tag.name() == "rootfile"
            && let Some(path) = tag.get("full-path")
            && zip.find(&path).is_some()
        {
            return Some(path);
        }
    }
    // If the container does not name the package file, the file can be found by its extension.
    let main_entry = zip
        .entries
        .iter()
        .find(|entry| entry.name.ends_with(".opf"));
    main_entry.map(|entry| entry.name.clone())
}

#[derive(Default)]
struct EpubBook {
    spine: Vec<String>,
    contents: Vec<String>,
    pictures: usize,
    /// Pages that are not in any chapter list, in path order.
    unlisted_pages: Vec<String>,
    /// Paths of videos and audio files.
    recordings: Vec<String>,
}

impl EpubBook {
    fn read(zip: &Zip<'_>, main: &str, folder: &str, out: &mut Output<'_>) -> Self {
        let (mut book, mut items) = (Self::default(), HashMap::new());
        let mut pages = BTreeSet::new();
        let mut xml = Xml::part(zip, main);
        while let Some(piece) = xml.as_mut().and_then(Xml::next) {
            let XmlPiece::Open(tag) = piece else { continue };
            match tag.name() {
                "item" if items.len() < MAX_CHAPTERS => {
                    let path = resolve(
                        folder,
                        &decode_percent(&tag.get("href").unwrap_or_default()),
                    );
                    let kind = tag.get("media-type").unwrap_or_default();
                    let is_nav = tag
                        .get("properties")
                        .is_some_and(|words| words.contains("nav"));
                    if is_nav || kind == "application/x-dtbncx+xml" {
                        book.contents.push(path.clone());
                    }
                    book.pictures += usize::from(kind.starts_with("image/"));
                    if kind.starts_with("video/") || kind.starts_with("audio/") {
                        book.recordings.push(path.clone());
                    }
                    if kind == "application/xhtml+xml" && !is_nav {
                        pages.insert(path.clone());
                    }
                    items.insert(tag.get("id").unwrap_or_default(), path);
                }
                "itemref" if book.spine.len() < MAX_CHAPTERS => {
                    let id = tag.get("idref").unwrap_or_default();
                    // A book may list a chapter any number of times, but it is read once.
                    book.spine.extend(items.remove(&id));
                }
                _ => {}
            }
        }
        if xml.is_none_or(|xml| xml.is_broken()) {
            note_damage(out, "its list of chapters is incomplete");
        }
        book.spine.iter().for_each(|path| drop(pages.take(path)));
        book.unlisted_pages = pages.into_iter().collect();
        book
    }
}

/// Decodes percent-encoding in a path, such as `%20`.
fn decode_percent(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = path.get(path.len() - after.len()..path.len() - after.len() + 2);
        match code
            .filter(|_| first == b'%')
            .and_then(|code| u8::from_str_radix(code, 16).ok())
        {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns the chapter titles by path, from the table of contents: a web page in EPUB 3, and a separate XML format
/// (NCX) in EPUB 2.
fn chapter_titles(zip: &Zip<'_>, book: &EpubBook) -> HashMap<String, String> {
    let mut titles = HashMap::new();
    for path in &book.contents {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let Some(mut xml) = Xml::part(zip, path) else {
            continue;
        };
        let (mut target, mut text) = (None, String::new());
        while let Some(piece) = xml.next() {
            match piece {
                XmlPiece::Open(tag) => match tag.name() {
                    "a" => (target, text) = (tag.get("href"), String::new()),
                    "navPoint" => text.clear(),
                    "text" => text = xml.inner_text(),
                    "content" => target = tag.get("src"),
                    _ => {}
                },
                XmlPiece::Text(piece) if text.len() < 2_000 => text.push_str(&piece),
                XmlPiece::Text(_) => {}
                XmlPiece::Close(name) if name == "a" || name == "content" => {
                    let target = target.take().unwrap_or_default();
                    let file = target.split('#').next().unwrap_or_default();
                    let title: String = to_one_line(&text).chars().take(300).collect();
                    if !file.is_empty() && !title.is_empty() && titles.len() < MAX_CHAPTERS {
                        // If several entries point into a file, the first one determines its title.
                        titles
                            .entry(resolve(folder, &decode_percent(file)))
                            .or_insert(title);
                    }
                }
                XmlPiece::Close(_) => {}
            }
        }
    }
    titles
}

/// Returns the entries that the encryption list marks as encrypted, except those that are merely obfuscated, such as
/// fonts.
fn encrypted_entries(zip: &Zip<'_>) -> Vec<String> {
    let (mut encrypted, mut method) = (Vec::new(), String::new());
    let Some(mut xml) = Xml::part(zip, "META-INF/encryption.xml") else {
        return encrypted;
    };
    while let Some(piece) = xml.next() {
        let XmlPiece::Open(tag) = piece else { continue };
        match tag.name() {
            "EncryptedData" => method.clear(),
            "EncryptionMethod" if method.is_empty() => {
                method = tag.get("Algorithm").unwrap_or_default()
            }
            "CipherReference" if !method.contains("embedding") && !method.ends_with("enc#RC") => {
                encrypted.push(resolve(
                    "",
                    &decode_percent(&tag.get("URI").unwrap_or_default()),
                ));
            }
            _ => {}
        }
    }
    encrypted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_paths_are_decoded() {
        for (path, expected) in [
            ("a%20b", "a b"),
            ("%C3%BC", "ü"),
            ("100%", "100%"),
            ("%zz", "%zz"),
            ("ü%2", "ü%2"),
            ("", ""),
        ] {
            assert_eq!(decode_percent(path), expected);
        }
    }
}
