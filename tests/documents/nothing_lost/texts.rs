//! Tests that nothing is lost in text files, web pages, and RTF files.

use super::check_contains;

#[test]
fn texts_web_pages_and_rich_text_lose_nothing() {
    for (what, name, file, text, note) in [
        (
            "deleted text",
            "a.html",
            "<p>a <del>planted</del> b",
            "",
            "deleted",
        ),
        (
            "hidden text",
            "a.html",
            "<p>a</p><div style='display:none'>planted</div>",
            "",
            "hidden parts",
        ),
        ("a menu", "a.html", "<nav>planted</nav><p>a", "", "menus"),
        (
            "struck text",
            "a.html",
            "<p>a <s>planted</s> b",
            "~~planted~~",
            "",
        ),
        (
            "a drawing's text",
            "a.html",
            "<p>a<svg><text>planted</text></svg>",
            "planted",
            "",
        ),
        (
            "a filled field",
            "a.html",
            "<p>a <input value=planted>",
            "planted",
            "",
        ),
        (
            "a chosen option",
            "a.html",
            "<p>a <select><option>x<option selected>planted</select>",
            "planted",
            "",
        ),
        (
            "a self-closing title",
            "a.xhtml",
            "<html><head><title/></head><body><p>planted</p><br></body></html>",
            "planted",
            "",
        ),
        (
            "a header",
            "a.rtf",
            "{\\rtf1{\\header Ref planted 47\\par}body\\par}",
            "Ref planted 47",
            "",
        ),
        (
            "hidden text",
            "a.rtf",
            "{\\rtf1 body {\\v planted} end\\par}",
            "",
            "hidden",
        ),
        (
            "a picture",
            "a.rtf",
            "{\\rtf1 body {\\pict 00ff} end\\par}",
            "",
            "pictures",
        ),
        (
            "an object",
            "a.rtf",
            "{\\rtf1 body {\\object x} end\\par}",
            "",
            "objects",
        ),
        (
            "a cell without a row",
            "a.rtf",
            "{\\rtf1 \\trowd a\\cell planted\\cell}",
            "planted",
            "",
        ),
        (
            "a comment",
            "a.tex",
            "\\section{A} text % planted\nmore",
            "",
            "comments",
        ),
        (
            "an accent",
            "a.tex",
            "\\section{A} caf\\'e, \\\"{U}ber, Stra\\ss e, gar\\c{c}on",
            "café, Über, Straße, garçon",
            "",
        ),
        (
            "a video",
            "a.html",
            "<!doctype html><p>text</p><video src='a.mp4'></video>",
            "",
            "videos",
        ),
        (
            "a frame",
            "a.html",
            "<!doctype html><p>text</p><iframe src='a.html'></iframe>",
            "",
            "embedded",
        ),
        (
            "a picture",
            "a.ipynb",
            "{\"cells\":[{\"cell_type\":\"code\",\"source\":\"x\",\"outputs\":[{\"data\":{\"image/png\":\"QQ\"}}]}],\"nbformat\":4}",
            "",
            "pictures",
        ),
        (
            "a row above the header",
            "a.csv",
            "planted words\n\na,b,c\n1,2,3\n4,5,6\n",
            "planted",
            "",
        ),
        (
            "an attachment",
            "a.eml",
            "From: a@b.c\nSubject: S\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: application/x-thing; name=planted.bin\n\n\x7FELF\x02\n--b--\n",
            "",
            "planted.bin",
        ),
    ] {
        check_contains(what, file.as_bytes(), name, text, note);
    }
}
