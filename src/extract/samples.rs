//! Tests the whole reader with real files; their sources are listed in tests/data/documents/NOTICE.

use proptest::prelude::*;

use super::{FileInput, ReadLimits, Unreadable, extract};
use crate::domain::chunk::{PageText, split_into_passages};

struct FilePages {
    kind: &'static str,
    encoding: String,
    notes: Vec<String>,
    pages: Vec<PageText>,
}

fn read_within(limits: &ReadLimits, name: &str, bytes: &[u8]) -> Result<FilePages, Unreadable> {
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
    Ok(FilePages {
        kind: report.kind,
        encoding: report.encoding,
        notes: report.notes,
        pages,
    })
}

fn read(name: &str, bytes: &[u8]) -> FilePages {
    read_within(&ReadLimits::default(), name, bytes).expect("readable")
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
fn a_manual_page_is_read() {
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
fn a_latin_1_table_is_read() {
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
fn a_ragged_table_is_read() {
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
    let headings: Vec<String> = split_into_passages(&readme.pages)
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
fn east_asian_encodings_read_like_utf_8() {
    for (bytes, equivalent) in [
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
        assert_eq!(read.pages, equivalent.pages, "{}", read.encoding);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Damage at any position results in text or an error, never in a panic, and passages remain slices of their page.
    #[test]
    fn damaged_files_give_text_or_an_error(which in 0..5usize, cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..20)) {
        let (name, sample): (&str, &[u8]) = [
            ("a.html", &include_bytes!("../../tests/data/documents/libffi-the-basics.html")[..]),
            ("a.csv", include_bytes!("../../tests/data/documents/uspop-latin1.csv")),
            ("a.md", include_bytes!("../../tests/data/documents/csv-readme.md")),
            ("a.txt", include_bytes!("../../tests/data/documents/cjk-gbk.txt")),
            ("a.json", br#"{"a": ["\u00e9\ud83d\ude00", {"b": [1.5e3, null]}], "c": "long enough to be laid out again, which takes more than a hundred and twenty bytes"}"#),
        ][which];
        let mut bytes = sample.to_vec();
        for (index, byte, operation) in cuts {
            let at = index.index(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            match operation {
                0 => bytes.truncate(at + 1),
                1 => bytes.insert(at, byte),
                2 => bytes.extend_from_within(at..(at + usize::from(byte)).min(bytes.len())),
                _ => bytes[at] = byte,
            }
        }
        if let Ok(read) = read_within(&ReadLimits { text: 4_096, ..ReadLimits::default() }, name, &bytes) {
            for passage in split_into_passages(&read.pages) {
                let page = read.pages.iter().find(|page| page.number == passage.page).expect("its page");
                prop_assert_eq!(&page.text[passage.start as usize..passage.end as usize], passage.text.as_str());
            }
        }
    }

    #[test]
    fn any_markup_gives_text_or_an_error(text in "(<[a-z]{1,6}[ a-z=\"'/]{0,12}>|</[a-z]{1,6}>|<!--|-->|<!\\[CDATA\\[|&#?[a-z0-9é]{0,9};?|<title>|<nav>|<td>|<li hidden>|[a-zé ]{1,9}|<){0,60}") {
        let _ = read_within(&ReadLimits::default(), "", format!("<!doctype html>{text}").as_bytes());
    }
}
