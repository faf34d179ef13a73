//! Tests that nothing is lost in the less common parts of Word documents: fields, charts, comments, and embedded files
//! of other kinds.

use super::{check_contains, docx};

#[test]
fn word_documents_lose_no_part() {
    let body = |body: &str| docx(body, &[], &[]);
    let p = |inner: &str| body(&format!("<w:p>{inner}</w:p>"));
    for (what, file, text, note) in [
        (
            "moved-to",
            p("<w:moveTo><w:r><w:t>planted</w:t></w:r></w:moveTo>"),
            "planted",
            "",
        ),
        (
            "inserted",
            p("<w:ins><w:r><w:t>planted</w:t></w:r></w:ins>"),
            "planted",
            "",
        ),
        (
            "content control",
            body(
                "<w:sdt><w:sdtContent><w:p><w:r><w:t>planted</w:t></w:r></w:p></w:sdtContent></w:sdt>",
            ),
            "planted",
            "",
        ),
        (
            "content control inline",
            p("<w:sdt><w:sdtContent><w:r><w:t>planted</w:t></w:r></w:sdtContent></w:sdt>"),
            "planted",
            "",
        ),
        (
            "w14 checkbox",
            p(
                "<w:sdt><w:sdtPr><w14:checkbox><w14:checked w14:val='1'/></w14:checkbox></w:sdtPr><w:sdtContent><w:r><w:t>☒</w:t></w:r></w:sdtContent></w:sdt>",
            ),
            "☒",
            "",
        ),
        (
            "drop-down form field",
            p(
                "<w:r><w:fldChar w:fldCharType='begin'><w:ffData><w:ddList><w:result w:val='1'/><w:listEntry w:val='first'/><w:listEntry w:val='planted'/></w:ddList></w:ffData></w:fldChar></w:r><w:r><w:instrText>FORMDROPDOWN</w:instrText></w:r><w:r><w:fldChar w:fldCharType='end'/></w:r>",
            ),
            "planted",
            "",
        ),
        (
            "field result",
            p("<w:fldSimple w:instr='DATE'><w:r><w:t>planted</w:t></w:r></w:fldSimple>"),
            "planted",
            "",
        ),
        (
            "field result long",
            p(
                "<w:r><w:fldChar w:fldCharType='begin'/></w:r><w:r><w:instrText>DATE</w:instrText></w:r><w:r><w:fldChar w:fldCharType='separate'/></w:r><w:r><w:t>planted</w:t></w:r><w:r><w:fldChar w:fldCharType='end'/></w:r>",
            ),
            "planted",
            "",
        ),
        (
            "alt text",
            p("<w:r><w:drawing><wp:docPr descr='a planted view'/></w:drawing></w:r>"),
            "planted view",
            "",
        ),
        (
            "text box in drawing",
            p(
                "<w:r><w:drawing><wps:txbx><w:txbxContent><w:p><w:r><w:t>planted</w:t></w:r></w:p></w:txbxContent></wps:txbx></w:drawing></w:r>",
            ),
            "planted",
            "",
        ),
        (
            "equation",
            p(
                "<m:oMath><m:f><m:num><m:r><m:t>planted</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f></m:oMath>",
            ),
            "planted",
            "",
        ),
        (
            "sub document",
            docx(
                "<w:subDoc r:id='r0'/>",
                &[("subDocument", "planted.docx")],
                &[],
            ),
            "",
            "parts in other files",
        ),
        (
            "embedded workbook missing",
            docx("", &[("package", "embeddings/planted.xlsx")], &[]),
            "",
            "planted.xlsx",
        ),
        (
            "comment",
            docx(
                "<w:p><w:r><w:commentReference w:id='0'/></w:r></w:p>",
                &[("comments", "comments.xml")],
                &[(
                    "word/comments.xml",
                    "<w:comments><w:comment w:id='0' w:author='Ann'><w:p><w:r><w:t>planted</w:t></w:r></w:p></w:comment></w:comments>",
                )],
            ),
            "planted",
            "",
        ),
        (
            "footnote",
            docx(
                "<w:p><w:r><w:footnoteReference w:id='2'/></w:r></w:p>",
                &[("footnotes", "footnotes.xml")],
                &[(
                    "word/footnotes.xml",
                    "<w:footnotes><w:footnote w:id='2'><w:p><w:r><w:t>planted</w:t></w:r></w:p></w:footnote></w:footnotes>",
                )],
            ),
            "planted",
            "",
        ),
        (
            "endnote with table",
            docx(
                "<w:p><w:r><w:endnoteReference w:id='2'/></w:r></w:p>",
                &[("endnotes", "endnotes.xml")],
                &[(
                    "word/endnotes.xml",
                    "<w:endnotes><w:endnote w:id='2'><w:tbl><w:tr><w:tc><w:p><w:r><w:t>planted</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:endnote></w:endnotes>",
                )],
            ),
            "planted",
            "",
        ),
        (
            "chart",
            docx(
                "<w:p><w:r><w:drawing><c:chart r:id='r0'/></w:drawing></w:r></w:p>",
                &[("chart", "charts/chart1.xml")],
                &[(
                    "word/charts/chart1.xml",
                    "<c:chartSpace><c:chart><c:title><c:tx><c:rich><a:p><a:r><a:t>planted</a:t></a:r></a:p></c:rich></c:tx></c:title></c:chart></c:chartSpace>",
                )],
            ),
            "planted",
            "",
        ),
        (
            "chart ex",
            docx(
                "<w:p><w:r><w:drawing><cx:chart r:id='r0'/></w:drawing></w:r></w:p>",
                &[("chartEx", "charts/chartEx1.xml")],
                &[(
                    "word/charts/chartEx1.xml",
                    "<cx:chartSpace><cx:chart><cx:title><cx:tx><cx:rich><a:p><a:r><a:t>planted</a:t></a:r></a:p></cx:rich></cx:tx></cx:title></cx:chart></cx:chartSpace>",
                )],
            ),
            "planted",
            "",
        ),
        (
            "picture",
            p("<w:r><w:drawing><a:blip r:embed='r0'/></w:drawing></w:r>"),
            "",
            "picture",
        ),
        (
            "old picture",
            p("<w:r><w:pict><v:imagedata r:id='r0'/></w:pict></w:r>"),
            "",
            "picture",
        ),
        (
            "choice only",
            p(
                "<w:r><mc:AlternateContent><mc:Choice><w:t>planted</w:t></mc:Choice></mc:AlternateContent></w:r>",
            ),
            "planted",
            "",
        ),
        (
            "web hidden",
            body("<w:p><w:r><w:rPr><w:webHidden/></w:rPr><w:t>planted</w:t></w:r></w:p>"),
            "",
            "hidden",
        ),
        (
            "hidden paragraph mark style",
            body("<w:p><w:r><w:rPr><w:specVanish/></w:rPr><w:t>planted</w:t></w:r></w:p>"),
            "planted",
            "hidden",
        ),
        (
            "deleted cell",
            body(
                "<w:tbl><w:tr><w:tc><w:tcPr><w:cellDel/></w:tcPr><w:p><w:r><w:t>planted</w:t></w:r></w:p></w:tc></w:tr></w:tbl>",
            ),
            "planted",
            "deleted",
        ),
        (
            "deleted equation",
            p(
                "<w:del><m:oMath><m:r><m:t>planted</m:t></m:r></m:oMath></w:del><w:r><w:t>x</w:t></w:r>",
            ),
            "",
            "deleted",
        ),
        (
            "note in header text box",
            docx(
                "",
                &[("header", "h.xml")],
                &[(
                    "word/h.xml",
                    "<w:hdr><w:p><w:r><w:pict><w:txbxContent><w:p><w:r><w:t>Ref planted 47</w:t></w:r></w:p></w:txbxContent></w:pict></w:r></w:p></w:hdr>",
                )],
            ),
            "planted",
            "",
        ),
        (
            "header table",
            docx(
                "",
                &[("header", "h.xml")],
                &[(
                    "word/h.xml",
                    "<w:hdr><w:tbl><w:tr><w:tc><w:p><w:r><w:t>Ref planted 47</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:hdr>",
                )],
            ),
            "planted",
            "",
        ),
        (
            "control",
            docx(
                "",
                &[("control", "activeX/planted.xml")],
                &[("word/activeX/planted.xml", "<x/>")],
            ),
            "",
            "planted.xml",
        ),
        (
            "ink",
            docx(
                "",
                &[("customXml", "ink/ink1.xml")],
                &[("word/ink/ink1.xml", "<ink/>")],
            ),
            "",
            "ink",
        ),
        (
            "3d model",
            docx(
                "",
                &[("model3d", "media/planted.glb")],
                &[("word/media/planted.glb", "x")],
            ),
            "",
            "planted.glb",
        ),
    ] {
        check_contains(what, &file, "a.docx", text, note);
    }
}
