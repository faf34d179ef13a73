//! Word documents.

use super::{check, docx, run};

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
    ] {
        check(what, &file, "a.docx", text, note);
    }
}
