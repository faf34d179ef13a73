//! Tests that nothing is lost in EPUB books and presentations.

use super::{check_contains, container, relations, text_and_notes};

#[test]
fn books_lose_nothing() {
    for (what, item, text, note) in [
        (
            "a recording",
            "<item id='v' href='planted.mp3' media-type='audio/mpeg'/>",
            "",
            "planted.mp3",
        ),
        (
            "a page outside of the reading order",
            "<item id='n' href='planted.xhtml' media-type='application/xhtml+xml'/>",
            "",
            "planted.xhtml",
        ),
    ] {
        let list = format!(
            "<package><manifest><item id='a' href='a.xhtml' media-type='application/xhtml+xml'/>{item}</manifest>\
             <spine><itemref idref='a'/></spine></package>"
        );
        let file = container(&[
            ("mimetype", "application/epub+zip"),
            (
                "META-INF/container.xml",
                "<container><rootfiles><rootfile full-path='c.opf'/></rootfiles></container>",
            ),
            ("c.opf", &list),
            ("a.xhtml", "<html><body><p>Body.</p></body></html>"),
            ("planted.xhtml", "<html><body><p>x</p></body></html>"),
        ]);
        check_contains(what, &file, "a.epub", text, note);
    }
}

#[test]
fn presentations_lose_nothing() {
    let slide = "<p:sld><p:cSld><p:spTree><p:sp><p:txBody><a:p><a:r><a:t>Body.</a:t></a:r></a:p></p:txBody></p:sp></p:spTree></p:cSld></p:sld>";
    for (what, link, program, note) in [
        ("a recording", "video", "x", "planted.mp4"),
        ("a program", "slideLayout", "vbaProject", "planted.mp4"),
    ] {
        let list = relations(&[("slide", "slides/slide1.xml"), (program, "planted.mp4")]);
        let links = relations(&[(link, "../planted.mp4")]);
        let file = container(&[
            (
                "ppt/presentation.xml",
                "<p:presentation><p:sldIdLst><p:sldId r:id='r0'/></p:sldIdLst></p:presentation>",
            ),
            ("ppt/_rels/presentation.xml.rels", &list),
            ("ppt/slides/slide1.xml", slide),
            ("ppt/slides/_rels/slide1.xml.rels", &links),
        ]);
        check_contains(what, &file, "a.pptx", "", note);
    }
}

/// Omissions in many chapters are summarized in one note.
#[test]
fn remarks_about_chapters_are_added_up() {
    let names: Vec<String> = (0..5).map(|n| format!("c{n}.xhtml")).collect();
    let items: String = (names.iter())
        .map(|n| format!("<item id='{n}' href='{n}' media-type='application/xhtml+xml'/>"))
        .collect();
    let spine: String = (names.iter())
        .map(|name| format!("<itemref idref='{name}'/>"))
        .collect();
    let list = format!("<package><manifest>{items}</manifest><spine>{spine}</spine></package>");
    let mut files = vec![
        ("mimetype", "application/epub+zip"),
        (
            "META-INF/container.xml",
            "<container><rootfiles><rootfile full-path='c.opf'/></rootfiles></container>",
        ),
        ("c.opf", &*list),
    ];
    let page = "<html><body><p>Body <del>planted</del> <del>twice</del></p></body></html>";
    files.extend(names.iter().map(|name| (name.as_str(), page)));
    let (_, notes) = text_and_notes(&container(&files), "a.epub");
    assert_eq!(notes, "deleted passages left out: 10 (5 chapters)");
}
