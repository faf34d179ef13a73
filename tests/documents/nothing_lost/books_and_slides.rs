//! EPUB books and presentations.

use super::{check_contains, container, relations};

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
