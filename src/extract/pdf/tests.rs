//! Tests the whole reader with small files built object by object.

use crate::domain::chunk::PageText;
use crate::extract::{FileInput, ReadLimits, ReadReport, Unreadable, extract, page_picture};

/// Builds a file from these objects, the first of which is the catalog.
fn file(objects: &[String]) -> Vec<u8> {
    let mut bytes = b"%PDF-1.7\n".to_vec();
    let mut places = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        places.push(bytes.len());
        bytes.extend(format!("{} 0 obj\n{object}\nendobj\n", index + 1).bytes());
    }
    let table = bytes.len();
    bytes.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).bytes());
    for place in places {
        bytes.extend(format!("{place:010} 00000 n \n").bytes());
    }
    let size = objects.len() + 1;
    bytes.extend(
        format!("trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF").bytes(),
    );
    bytes
}

fn stream(entries: &str, content: &str) -> String {
    format!(
        "<< {entries} /Length {} >>\nstream\n{content}\nendstream",
        content.len()
    )
}

/// Builds a file with pages that have these contents, a font `/F`, and additional page entries.
fn pages(contents: &[&str], fonts: &str, extra_entries: &str, others: &[String]) -> Vec<u8> {
    let kids: Vec<String> = (0..contents.len())
        .map(|index| format!("{} 0 R", 4 + 2 * index))
        .collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R /Outlines 90 0 R >>".to_owned(),
        format!(
            "<< /Type /Pages /Kids [{}] /Count {} >>",
            kids.join(" "),
            kids.len()
        ),
        fonts.to_owned(),
    ];
    for (index, content) in contents.iter().enumerate() {
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 800] /Contents {} 0 R {extra_entries} >>",
            5 + 2 * index
        ));
        objects.push(stream("", content));
    }
    objects.extend_from_slice(others);
    file(&objects)
}

const HELVETICA: &str =
    "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>";
const FONT: &str = "/Resources << /Font << /F 3 0 R >> >>";

fn read(bytes: &[u8]) -> Result<(ReadReport, Vec<PageText>), Unreadable> {
    let limits = ReadLimits::default();
    let input = FileInput {
        bytes,
        name: "a.pdf",
        encoding: None,
        limits: &limits,
    };
    let mut pages = Vec::new();
    let report = extract(&input, &mut |page| {
        pages.push(page);
        true
    })?;
    Ok((report, pages))
}

fn check(content: &str, extra_entries: &str, expected: &str) {
    let bytes = pages(&[content], HELVETICA, extra_entries, &[]);
    let (report, pages) = read(&bytes).expect("readable");
    assert_eq!(
        (report.kind, pages[0].text.as_str()),
        ("pdf", expected),
        "{content}"
    );
}

#[test]
fn text_is_read_by_its_position() {
    check(
        "BT /F 10 Tf 50 700 Td (Hello) Tj 26 0 Td (there) Tj ET",
        FONT,
        "Hello there",
    );
    check(
        "BT /F 10 Tf 50 700 Td [(A) 120 (W) 120 (AY)] TJ ET",
        FONT,
        "AWAY",
    );
    check(
        "BT /F 10 Tf 50 700 Td 12 TL (caf\\351) Tj T* (\\223x\\224) Tj ET",
        FONT,
        "café\n“x”",
    );
    check(
        "BT /F 10 Tf 3 Tr 50 700 Td (hidden words of a scan) Tj ET",
        FONT,
        "hidden words of a scan",
    );
    check(
        "q 0 1 -1 0 300 100 cm BT /F 10 Tf (up the page) Tj ET Q",
        FONT,
        "up the page",
    );
    check(
        "q 0 1 -1 0 300 100 cm BT /F 10 Tf (turned) Tj ET Q",
        "/Rotate 90 /Resources << /Font << /F 3 0 R >> >>",
        "turned",
    );
    check(
        "BT /F 10 Tf 50 700 Td /Span << /ActualText (fine) >> BDC (xyz) Tj EMC ET",
        FONT,
        "fine",
    );
}

#[test]
fn forms_are_followed_but_not_in_cycles() {
    let form = |other: u32, y: u32, words: &str| {
        stream(
            &format!(
                "/Type /XObject /Subtype /Form /BBox [0 0 100 100] /Resources << /Font << /F 3 0 R >> /XObject << /X {other} 0 R >> >>"
            ),
            &format!("BT /F 10 Tf 5 {y} Td ({words}) Tj ET /X Do"),
        )
    };
    let extra_entries = "/Resources << /XObject << /X 6 0 R >> >>";
    let others = [form(7, 20, "outer"), form(6, 5, "inner")];
    let bytes = pages(
        &["q 1 0 0 1 50 600 cm /X Do Q"],
        HELVETICA,
        extra_entries,
        &others,
    );
    let (_, pages) = read(&bytes).expect("readable");
    let words: Vec<&str> = pages[0].text.split_whitespace().collect();
    assert!(
        words.starts_with(&["outer"]) && words.contains(&"inner") && words.len() < 20,
        "{words:?}"
    );
}

#[test]
fn pages_without_text_give_a_reason() {
    let text = "BT /F 10 Tf 50 700 Td (Some words that can be read) Tj ET";
    let scan = stream(
        "/Type /XObject /Subtype /Image /Width 2 /Height 2 /BitsPerComponent 8 /ColorSpace /DeviceGray",
        "abcd",
    );
    let extra_entries = "/Resources << /Font << /F 3 0 R >> /XObject << /I 10 0 R >> >>";
    let bytes = pages(
        &[text, "q 400 0 0 800 0 0 cm /I Do Q", ""],
        HELVETICA,
        extra_entries,
        &[scan],
    );
    let (report, pages) = read(&bytes).expect("readable");
    assert_eq!(pages.len(), 1);
    let gaps: Vec<(u32, &str, bool)> = report
        .gaps
        .iter()
        .map(|gap| (gap.page, gap.why.as_str(), gap.picture))
        .collect();
    assert_eq!(
        gaps,
        [
            (2, "a scanned picture without text", true),
            (3, "empty", false)
        ]
    );
    let picture = page_picture(&bytes, 2).expect("a picture");
    assert_eq!(picture.media_type, "image/png");
    assert!(page_picture(&bytes, 1).is_none() && page_picture(&bytes, 9).is_none());
}

#[test]
fn unmapped_characters_are_not_text() {
    let font = "<< /Type /Font /Subtype /Type0 /BaseFont /X /Encoding /Identity-H /DescendantFonts [<< /Type /Font /Subtype /CIDFontType2 /BaseFont /X >>] >>";
    let bytes = pages(
        &["BT /F 10 Tf 50 700 Td <00240025002600270028> Tj ET"],
        font,
        FONT,
        &[],
    );
    assert_eq!(read(&bytes).map(drop), Err(Unreadable::NoCharacterMap));
}

#[test]
fn codes_of_a_character_collection_are_text() {
    let page_text = |encoding: &str, ordering: &str, codes: &str| {
        let font = format!(
            "<< /Type /Font /Subtype /Type0 /BaseFont /X /Encoding /{encoding} /DescendantFonts [<< /Type /Font /Subtype /CIDFontType0 /BaseFont /X /CIDSystemInfo << /Registry (Adobe) /Ordering ({ordering}) /Supplement 2 >> >>] >>"
        );
        let text = format!("BT /F 10 Tf 50 700 Td <{codes}> Tj ET");
        let (_, pages) = read(&pages(&[text.as_str()], &font, FONT, &[])).expect("readable");
        pages[0].text.trim().to_owned()
    };
    // The codes are for hiragana, kanji of both levels, and Latin letters.
    assert_eq!(
        page_text("Identity-H", "Japan1", "034B04650FFA0022"),
        "あ亜弌A"
    );
    assert_eq!(page_text("Identity-H", "GB1", "03AC1E16"), "啊齄");
    assert_eq!(page_text("Identity-H", "CNS1", "0253"), "一");
    assert_eq!(page_text("Identity-H", "Korea1", "043E0D6C"), "가伽");
    assert_eq!(page_text("H", "Japan1", "24223021"), "あ亜");
}

#[test]
fn the_outline_names_pages() {
    let text = "BT /F 10 Tf 50 700 Td (words) Tj ET";
    let mut bytes = pages(
        &[text; 4],
        HELVETICA,
        FONT,
        &[
            "<< /Title (First part) /Dest [6 0 R /Fit] /Next 13 0 R >>".to_owned(),
            "<< /Title <FEFF00DC> /A << /S /GoTo /D [10 0 R /Fit] >> /Next 12 0 R >>".to_owned(),
            "<< /First 12 0 R >>".to_owned(),
        ],
    );
    // By default, the catalog points to object 90, which does not exist.
    let at = bytes
        .windows(4)
        .position(|window| window == b"90 0")
        .expect("the outline");
    bytes[at..at + 4].copy_from_slice(b"14 0");
    let (_, pages) = read(&bytes).expect("readable");
    let titles: Vec<&str> = pages.iter().map(|page| page.title.as_str()).collect();
    assert_eq!(titles, ["", "First part", "First part", "Ü"]);
}

#[test]
fn a_file_without_pages_is_damaged() {
    for bytes in [
        &b"%PDF-1.7"[..],
        b"%PDF-1.4\ntrailer << /Root 1 0 R >>",
        b"%PDF-1.4\n1 0 obj << /Pages 1 0 R >> endobj",
    ] {
        assert_eq!(
            read(bytes).map(drop),
            Err(Unreadable::Broken("PDF")),
            "{bytes:?}"
        );
    }
}
