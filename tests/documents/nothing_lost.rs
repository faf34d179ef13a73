//! Tests that no content is lost silently: each kind of content that a file can have is planted in a small file, and
//! must be in the extracted text or be mentioned in the notes.

mod archive_parts;
mod books_and_slides;
mod drawn_pages;
mod mail_and_markup;
mod margins;
mod office_parts;
mod open_documents;
mod open_parts;
mod pdf_parts;
pub mod pdfs;
mod text_parts;
mod texts;
mod web_and_mail;
mod web_controls;
mod word;
mod word_parts;
mod workbooks;

use std::fmt::Write as _;

use quire::extract::{FileInput, ReadLimits, extract};

/// Reads a file. Returns its text and all notes about it.
pub fn text_and_notes(bytes: &[u8], name: &str) -> (String, String) {
    let limits = ReadLimits::default();
    let input = FileInput {
        bytes,
        name,
        encoding: None,
        limits: &limits,
    };
    let mut text = String::new();
    let report = extract(&input, &mut |page| {
        let _ = writeln!(text, "{}\n{}", page.title, page.text);
        true
    });
    let output_text = match report {
        Ok(report) => {
            let gaps = report.gaps.iter().map(|gap| gap.why.clone());
            report
                .notes
                .iter()
                .cloned()
                .chain(gaps)
                .collect::<Vec<_>>()
                .join("; ")
        }
        Err(why) => why.message(),
    };
    (text, output_text)
}

/// Returns a ZIP archive with these files, without compression.
pub fn container(files: &[(&str, &str)]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let mut crc = flate2::Crc::new();
        crc.update(content.as_bytes());
        let (offset, size) = (bytes.len() as u32, content.len() as u32);
        let mut shared = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        shared.extend(crc.sum().to_le_bytes());
        shared.extend(size.to_le_bytes());
        shared.extend(size.to_le_bytes());
        shared.extend((name.len() as u16).to_le_bytes());
        shared.extend([0, 0]);
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&shared);
        bytes.extend(name.as_bytes());
        bytes.extend(content.as_bytes());
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&shared);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (start, length, count) = (
        bytes.len() as u32,
        directory.len() as u32,
        files.len() as u16,
    );
    bytes.extend(directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(count.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

pub fn relations(all: &[(&str, &str)]) -> String {
    let mut text = "<Relationships>".to_owned();
    for (index, (kind, target)) in all.iter().enumerate() {
        let _ = write!(
            text,
            "<Relationship Id='r{index}' Type='x/{kind}' Target='{target}'/>"
        );
    }
    text + "</Relationships>"
}

pub fn docx(body: &str, links: &[(&str, &str)], parts: &[(&str, &str)]) -> Vec<u8> {
    let main = format!(
        "<w:document xmlns:w='w' xmlns:r='r'><w:body><w:p><w:r><w:t>Body.</w:t></w:r></w:p>{body}</w:body></w:document>"
    );
    let links = relations(links);
    let mut files = vec![
        ("word/document.xml", main.as_str()),
        ("word/_rels/document.xml.rels", &links),
    ];
    files.extend(parts);
    container(&files)
}

pub fn run(properties: &str, text: &str) -> String {
    format!("<w:p><w:r><w:rPr>{properties}</w:rPr><w:t>{text}</w:t></w:r></w:p>")
}

/// A kind of content: its description, the name of the file, the file, words that the text must contain, and words that
/// the notes must contain if the text does not. An empty string is never found.
type Planted<'a> = (&'a str, &'a str, Vec<u8>, &'a str, &'a str);

/// Checks all planted contents like [`check_contains`], and reports all of those that are lost.
fn check_all(planted: &[Planted<'_>]) {
    let is_lost = |(_, name, file, text, note): &&Planted<'_>| {
        let (got, said) = text_and_notes(file, name);
        let is_there = !text.is_empty() && got.contains(text);
        let is_reported = !note.is_empty() && said.contains(note);
        !is_there && !is_reported
    };
    let lost: Vec<_> = planted.iter().filter(is_lost).collect();
    for (what, name, file, ..) in &lost {
        let (got, said) = text_and_notes(file, name);
        println!("{name}: {what} is lost\n  text: {got:?}\n  notes: {said:?}");
    }
    let names: Vec<_> = lost.iter().map(|lost| lost.0).collect();
    assert!(names.is_empty(), "lost: {names:?}");
}

/// Checks that the file's text contains `text`, or that its notes contain `note`.
fn check_contains(what: &str, file: &[u8], name: &str, text: &str, note: &str) {
    let (got, said) = text_and_notes(file, name);
    let is_there = !text.is_empty() && got.contains(text);
    let is_reported = !note.is_empty() && said.contains(note);
    assert!(
        is_there || is_reported,
        "{name}: {what} is lost\n{got}\n{said}"
    );
}
