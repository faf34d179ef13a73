//! Real files through the whole reader. The files and where they come from: tests/data/documents/NOTICE.

use super::{Extracted, Limits, extract};
use crate::domain::chunk::passages;

fn read(name: &str, bytes: &[u8]) -> Extracted {
    extract(bytes, name, &Limits::default()).expect("readable")
}

macro_rules! sample {
    ($name:literal) => {
        read(
            $name,
            include_bytes!(concat!("../../tests/data/documents/", $name)),
        )
    };
}

#[test]
fn a_page_of_a_manual() {
    let page = sample!("libffi-the-basics.html");
    assert_eq!((page.kind, page.encoding.as_str()), ("html", "utf-8"));
    let (title, text) = (&page.pages[0].title, &page.pages[0].text);
    assert!(title.starts_with("The Basics (libffi"));
    for wanted in [
        "### 2.1 The Basics",
        "ffi_prep_cif",
        "create an ffi_cif object that matches",
    ] {
        assert!(text.contains(wanted), "{wanted} in:\n{text}");
    }
    for unwanted in ["Permission is hereby", "copiable-anchor", "<p>", "&lsquo;"] {
        assert!(!text.contains(unwanted), "{unwanted} in:\n{text}");
    }
}

#[test]
fn a_table_in_latin_1() {
    let table = sample!("uspop-latin1.csv");
    assert_eq!(
        (table.kind, table.encoding.as_str()),
        ("csv", "windows-1252")
    );
    let text = &table.pages[0].text;
    assert!(text.starts_with("Columns: City | State | Population | Latitude | Longitude\n"));
    assert!(
        text.contains("City: Õakman | State: AL | Latitude: 33.7133333"),
        "{text}"
    );
}

#[test]
fn a_ragged_table() {
    let table = sample!("debian-releases.csv");
    assert!(
        table.pages[0]
            .text
            .contains("version: 1.1 | codename: Buzz | series: buzz | created: 1993-08-16")
    );
    assert!(
        table
            .notes
            .iter()
            .any(|note| note.contains("more or fewer cells")),
        "{:?}",
        table.notes
    );
}

#[test]
fn markdown_keeps_its_headings() {
    let readme = sample!("csv-readme.md");
    assert_eq!(readme.kind, "markdown");
    let headings: Vec<String> = passages(&readme.pages)
        .into_iter()
        .map(|passage| passage.heading)
        .collect();
    assert!(
        headings
            .iter()
            .any(|heading| heading == "Documentation" || heading == "Usage"),
        "{headings:?}"
    );
}

#[test]
fn east_asian_encodings_read_like_their_utf_8_twins() {
    for (bytes, twin) in [
        (
            &include_bytes!("../../tests/data/documents/cjk-shift_jis.txt")[..],
            sample!("cjk-shift_jis-utf8.txt"),
        ),
        (
            include_bytes!("../../tests/data/documents/cjk-gbk.txt"),
            sample!("cjk-gbk-utf8.txt"),
        ),
        (
            include_bytes!("../../tests/data/documents/cjk-big5.txt"),
            sample!("cjk-big5-utf8.txt"),
        ),
    ] {
        let read = read("sample.txt", bytes);
        assert_eq!(read.pages, twin.pages, "{}", read.encoding);
    }
}
