//! Checks of the document readers: text stays within its limits, and passages are slices of it.

use quire::domain::chunk::split_into_passages;
use quire::extract::{self, FileInput, ReadLimits};

use super::{pseudo_random_offset, stored};

/// Text extracted from a file stays within its limits, and passages are slices of it.
pub fn extract(bytes: &[u8]) {
    const NAMES: [&str; 6] = ["a.txt", "a.html", "a.csv", "a.json", "a.md", "a"];
    read(bytes, NAMES[pseudo_random_offset(bytes) % NAMES.len()]);
}

/// Like [`extract`], for bytes that begin as a PDF.
pub fn pdf(bytes: &[u8]) {
    read(&begun(b"%PDF-1.7\n", bytes), "a.pdf");
}

/// Like [`extract`], for bytes that begin as RTF.
pub fn rtf(bytes: &[u8]) {
    read(&begun(b"{\\rtf1 ", bytes), "a.rtf");
}

/// Like [`extract`], for bytes that begin as an email.
pub fn mail(bytes: &[u8]) {
    read(
        &begun(
            b"From: a@example.org\nTo: b@example.org\nSubject: c\n",
            bytes,
        ),
        "a.eml",
    );
}

/// Like [`extract`], for bytes that are an archive or a file inside one.
pub fn archive(bytes: &[u8]) {
    read(&begun(b"PK\x03\x04", bytes), "a.zip");
    read(
        &stored::archive(&[("a/b.txt", bytes), ("b", bytes)]),
        "a.zip",
    );
}

/// Like [`extract`], for every kind of office file with these bytes as its parts.
pub fn office(bytes: &[u8]) {
    const TYPES: &[u8] =
        b"<Types><Default Extension=\"xml\" ContentType=\"application/xml\"/></Types>";
    let (head, tail) = bytes.split_at(pseudo_random_offset(bytes));
    let types = ("[Content_Types].xml", TYPES);
    let files: [&[(&str, &[u8])]; 5] = [
        &[
            types,
            ("word/document.xml", bytes),
            ("word/styles.xml", tail),
        ],
        &[
            types,
            ("xl/workbook.xml", head),
            ("xl/sharedStrings.xml", tail),
            ("xl/worksheets/sheet1.xml", bytes),
        ],
        &[
            types,
            ("ppt/presentation.xml", head),
            ("ppt/slides/slide1.xml", bytes),
        ],
        &[
            ("mimetype", b"application/vnd.oasis.opendocument.text"),
            ("content.xml", bytes),
            ("styles.xml", tail),
        ],
        &[
            ("mimetype", b"application/epub+zip"),
            ("META-INF/container.xml", head),
            ("a.opf", tail),
            ("a.xhtml", bytes),
        ],
    ];
    for file in files {
        read(&stored::archive(file), "a");
    }
}

fn begun(head: &[u8], bytes: &[u8]) -> Vec<u8> {
    if bytes.starts_with(&head[..head.len().min(4)]) {
        bytes.to_vec()
    } else {
        [head, bytes].concat()
    }
}

fn read(bytes: &[u8], name: &str) {
    let limits = ReadLimits {
        input: 1 << 20,
        text: 1 << 16,
        depth: 16,
        rows: 1000,
        pages: 50,
    };
    let input = FileInput {
        bytes,
        name,
        encoding: None,
        limits: &limits,
    };
    let mut pages = Vec::new();
    let read = extract::extract(&input, &mut |page| {
        pages.push(page);
        true
    });
    assert!(pages.len() <= limits.pages);
    let total: usize = pages.iter().map(|page| page.text.len()).sum();
    assert!(total <= limits.text, "{total} bytes of text");
    if let Ok(report) = read {
        assert_eq!(report.pages as usize, pages.len());
    }
    for passage in split_into_passages(&pages) {
        let page = pages.iter().find(|page| page.number == passage.page);
        let text = &page.expect("a passage has its page").text;
        assert_eq!(
            text[passage.start as usize..passage.end as usize],
            *passage.text
        );
    }
}
