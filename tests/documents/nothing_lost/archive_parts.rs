//! Tests that nothing is lost in the less common parts of e-books and archives.

use super::{check_contains, container};

#[test]
fn books_and_archives_lose_no_part() {
    let book = |chapter: &str, item: &str, spine: &str, parts: &[(&str, &str)]| {
        let list = format!(
            "<package><manifest><item id='a' href='a.xhtml' media-type='application/xhtml+xml'/>{item}</manifest><spine><itemref idref='a'/>{spine}</spine></package>"
        );
        let chapter = format!("<html xmlns:epub='e'><body><p>Body.</p>{chapter}</body></html>");
        let mut files = vec![
            ("mimetype", "application/epub+zip"),
            (
                "META-INF/container.xml",
                "<container><rootfiles><rootfile full-path='c.opf'/></rootfiles></container>",
            ),
            ("c.opf", &list),
            ("a.xhtml", &chapter),
        ];
        files.extend(parts);
        container(&files)
    };
    for (what, file, text, note) in [
        (
            "a pop-up note",
            book(
                "<aside epub:type='footnote' hidden='hidden'>planted</aside>",
                "",
                "",
                &[],
            ),
            "planted",
            "hidden",
        ),
        (
            "a switch",
            book(
                "<epub:switch><epub:case>x</epub:case><epub:default>planted</epub:default></epub:switch>",
                "",
                "",
                &[],
            ),
            "planted",
            "",
        ),
        (
            "a drawing page",
            book(
                "",
                "<item id='s' href='s.svg' media-type='image/svg+xml'/>",
                "<itemref idref='s'/>",
                &[(
                    "s.svg",
                    "<svg xmlns='http://www.w3.org/2000/svg'><text>planted</text></svg>",
                )],
            ),
            "planted",
            "",
        ),
        (
            "a missing chapter",
            book(
                "",
                "<item id='s' href='planted.xhtml' media-type='application/xhtml+xml'/>",
                "<itemref idref='s'/>",
                &[],
            ),
            "",
            "planted",
        ),
        (
            "a picture",
            book(
                "<img src='i.png'/>",
                "<item id='s' href='i.png' media-type='image/png'/>",
                "",
                &[("i.png", "x")],
            ),
            "",
            "picture",
        ),
        (
            "an old chapter",
            book(
                "",
                "<item id='s' href='s.xml' media-type='application/x-dtbook+xml'/>",
                "<itemref idref='s'/>",
                &[(
                    "s.xml",
                    "<dtbook><book><bodymatter><p>planted</p></bodymatter></book></dtbook>",
                )],
            ),
            "planted",
            "",
        ),
        (
            "a not linear chapter",
            book(
                "",
                "<item id='s' href='s.xhtml' media-type='application/xhtml+xml'/>",
                "<itemref idref='s' linear='no'/>",
                &[("s.xhtml", "<html><body>planted</body></html>")],
            ),
            "planted",
            "",
        ),
    ] {
        check_contains(what, &file, "a.epub", text, note);
    }
    let inner = container(&[("deep.txt", "planted deep")]);
    let inner = String::from_utf8_lossy(&inner).into_owned();
    for (what, file, text, note) in [
        (
            "a nested archive",
            container(&[("a.txt", "Body."), ("planted.zip", &inner)]),
            "planted deep",
            "planted.zip",
        ),
        (
            "a binary",
            container(&[("a.txt", "Body."), ("planted.exe", "MZ\0\0\x01\x02")]),
            "",
            "planted.exe",
        ),
        (
            "a picture",
            container(&[("a.txt", "Body."), ("planted.png", "\u{89}PNG\r\n")]),
            "",
            "planted.png",
        ),
        (
            "an empty file",
            container(&[("a.txt", "Body."), ("planted.txt", "")]),
            "",
            "planted.txt",
        ),
        (
            "a hidden file",
            container(&[("a.txt", "Body."), (".planted", "words")]),
            "words",
            ".planted",
        ),
        (
            "a path",
            container(&[("a.txt", "Body."), ("../planted.txt", "words planted")]),
            "words planted",
            "",
        ),
    ] {
        check_contains(what, &file, "a.zip", text, note);
    }
}
