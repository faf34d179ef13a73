//! Tests that nothing is lost in Word documents.

use super::{check_contains, docx, run};

#[test]
fn word_documents_lose_nothing() {
    let paragraph = "<w:hdr xmlns:w='w'><w:p><w:r><w:t>Ref planted 47</w:t></w:r></w:p></w:hdr>";
    let nested = "<w:p><w:r><w:pict><w:txbxContent><w:p><w:r><w:t>planted</w:t></w:r></w:p></w:txbxContent></w:pict></w:r></w:p>";
    let body = |body: &str| docx(body, &[], &[]);
    let linked = |kind: &str, target: &str, content: &str| {
        docx(
            "<w:altChunk r:id='r0'/>",
            &[(kind, target)],
            &[(&format!("word/{target}"), content)],
        )
    };
    for (what, file, text, note) in [
        (
            "a header",
            linked("header", "header1.xml", paragraph),
            "Ref planted 47",
            "",
        ),
        (
            "a footer",
            linked("footer", "footer1.xml", paragraph),
            "Ref planted 47",
            "",
        ),
        (
            "a web page",
            linked("aFChunk", "a.html", "<p>planted words</p>"),
            "planted words",
            "",
        ),
        (
            "a text",
            linked("aFChunk", "a.txt", "planted words"),
            "planted words",
            "",
        ),
        (
            "an RTF",
            linked("aFChunk", "a.rtf", "{\\rtf1 planted words\\par}"),
            "planted words",
            "",
        ),
        (
            "an embedded file",
            linked("package", "a.csv", "k,v\nplanted,1\n"),
            "planted",
            "",
        ),
        (
            "an object",
            linked("oleObject", "ole.bin", "x"),
            "",
            "ole.bin",
        ),
        ("a text box", body(nested), "planted", ""),
        (
            "deleted text",
            body("<w:p><w:del><w:r><w:delText>planted</w:delText></w:r></w:del></w:p>"),
            "",
            "deleted",
        ),
        (
            "hidden text",
            body(&run("<w:vanish/>", "planted")),
            "",
            "hidden",
        ),
        (
            "struck text",
            body(&run("<w:strike/>", "planted")),
            "~~planted~~",
            "",
        ),
        (
            "a power",
            body(
                "<w:p><w:r><w:t>10</w:t></w:r><w:r><w:rPr><w:vertAlign w:val='superscript'/></w:rPr><w:t>3</w:t></w:r></w:p>",
            ),
            "10^3",
            "",
        ),
        (
            "a checked box",
            body("<w:p><w:r><w:sym w:font='Wingdings' w:char='F0FE'/></w:r></w:p>"),
            "[x]",
            "",
        ),
        (
            "a symbol",
            body("<w:p><w:r><w:sym w:font='Symbol' w:char='F0B3'/></w:r></w:p>"),
            "≥",
            "",
        ),
        (
            "an unknown symbol",
            body("<w:p><w:r><w:sym w:font='Strange' w:char='F021'/></w:r></w:p>"),
            "",
            "symbol fonts",
        ),
        (
            "a form box",
            body(
                "<w:p><w:r><w:ffData><w:checkBox><w:default w:val='0'/><w:checked/></w:checkBox></w:ffData></w:r></w:p>",
            ),
            "[x]",
            "",
        ),
        (
            "a deleted row",
            body(
                "<w:tbl><w:tr><w:trPr><w:del/></w:trPr><w:tc><w:p><w:r><w:t>planted</w:t></w:r></w:p></w:tc></w:tr></w:tbl>",
            ),
            "",
            "deleted",
        ),
        (
            "a video",
            linked("video", "media/clip.mp4", "x"),
            "",
            "clip.mp4",
        ),
        (
            "a program",
            linked("vbaProject", "vbaProject.bin", "x"),
            "",
            "vbaProject.bin",
        ),
        (
            "a watermark",
            body("<w:p><w:r><w:pict><v:textpath string='planted copy'/></w:pict></w:r></w:p>"),
            "planted copy",
            "",
        ),
        (
            "a reading aid",
            body(
                "<w:p><w:r><w:ruby><w:rt><w:r><w:t>kan</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>漢</w:t></w:r></w:rubyBase></w:ruby></w:r></w:p>",
            ),
            "漢(kan)",
            "",
        ),
        (
            "a figure raised by its position",
            body(
                "<w:p><w:r><w:t>10</w:t></w:r><w:r><w:rPr><w:position w:val='12'/><w:sz w:val='14'/></w:rPr><w:t>6</w:t></w:r></w:p>",
            ),
            "10^6",
            "",
        ),
    ] {
        check_contains(what, &file, "a.docx", text, note);
    }
}

/// A row that is marked as deleted is not part of the text.
#[test]
fn deleted_rows_are_left_out() {
    let row = |properties: &str, text: &str| {
        format!("<w:tr>{properties}<w:tc><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc></w:tr>")
    };
    let rows = row("<w:trPr><w:del/></w:trPr>", "gone") + &row("", "kept");
    let (text, _) =
        super::text_and_notes(&docx(&format!("<w:tbl>{rows}</w:tbl>"), &[], &[]), "a.docx");
    assert!(text.contains("kept") && !text.contains("gone"), "{text}");
}
