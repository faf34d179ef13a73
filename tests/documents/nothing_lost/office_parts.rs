//! Tests that nothing is lost in the less common parts of workbooks and presentations: macros, special kinds of sheets,
//! charts, comments, and notes.

use super::{check_contains, container, relations};

fn xlsx(
    sheet: &str,
    links: &[(&str, &str)],
    book_links: &[(&str, &str)],
    parts: &[(&str, &str)],
) -> Vec<u8> {
    let book = "<workbook xmlns:r='r'><sheets><sheet name='One' r:id='r0'/><sheet name='Two' r:id='r1'/></sheets></workbook>";
    let main = format!(
        "<worksheet><sheetData><row r='1'><c r='A1' t='inlineStr'><is><t>one</t></is></c></row></sheetData>{sheet}</worksheet>"
    );
    let mut all = vec![("worksheet", "worksheets/sheet1.xml")];
    all.extend(book_links);
    let (links, book_links) = (relations(links), relations(&all));
    let mut files = vec![
        ("xl/workbook.xml", book),
        ("xl/_rels/workbook.xml.rels", &book_links),
        ("xl/worksheets/sheet1.xml", &main),
        ("xl/worksheets/_rels/sheet1.xml.rels", &links),
    ];
    files.extend(parts);
    container(&files)
}

#[test]
fn workbooks_lose_no_part() {
    for (what, file, text, note) in [
        (
            "a program",
            xlsx(
                "",
                &[],
                &[("vbaProject", "vbaProject.bin")],
                &[("xl/vbaProject.bin", "x")],
            ),
            "",
            "vbaProject.bin",
        ),
        (
            "a chart sheet",
            xlsx(
                "",
                &[],
                &[("chartsheet", "chartsheets/sheet1.xml")],
                &[
                    (
                        "xl/chartsheets/sheet1.xml",
                        "<chartsheet><drawing r:id='r0'/></chartsheet>",
                    ),
                    (
                        "xl/chartsheets/_rels/sheet1.xml.rels",
                        &relations(&[("drawing", "../drawings/d.xml")]),
                    ),
                    (
                        "xl/drawings/d.xml",
                        "<wsDr><graphicFrame><c:chart r:id='r0'/></graphicFrame></wsDr>",
                    ),
                    (
                        "xl/drawings/_rels/d.xml.rels",
                        &relations(&[("chart", "../charts/c.xml")]),
                    ),
                    (
                        "xl/charts/c.xml",
                        "<c:chartSpace><c:chart><c:title><c:tx><c:rich><a:p><a:r><a:t>planted</a:t></a:r></a:p></c:rich></c:tx></c:title></c:chart></c:chartSpace>",
                    ),
                ],
            ),
            "planted",
            "",
        ),
        (
            "a macro sheet",
            xlsx(
                "",
                &[],
                &[("xlMacrosheet", "macrosheets/sheet1.xml")],
                &[(
                    "xl/macrosheets/sheet1.xml",
                    "<xm:macrosheet><sheetData><row r='1'><c r='A1'><f>planted()</f></c></row></sheetData></xm:macrosheet>",
                )],
            ),
            "",
            "program",
        ),
        (
            "a dialog sheet",
            xlsx(
                "",
                &[],
                &[("dialogsheet", "dialogsheets/sheet1.xml")],
                &[("xl/dialogsheets/sheet1.xml", "<dialogsheet/>")],
            ),
            "",
            "Two",
        ),
        (
            "a form control",
            xlsx(
                "",
                &[("ctrlProp", "../ctrlProps/planted.xml")],
                &[],
                &[(
                    "xl/ctrlProps/planted.xml",
                    "<formControlPr objectType='CheckBox' checked='Checked'/>",
                )],
            ),
            "",
            "control",
        ),
        (
            "OLE",
            xlsx(
                "",
                &[("oleObject", "../embeddings/planted.bin")],
                &[],
                &[("xl/embeddings/planted.bin", "x")],
            ),
            "",
            "planted.bin",
        ),
        (
            "error text",
            xlsx(
                "",
                &[("comments", "../c.xml")],
                &[],
                &[(
                    "xl/c.xml",
                    "<comments><comment ref='A1'><text><r><t>planted</t></r></text></comment></comments>",
                )],
            ),
            "planted",
            "",
        ),
        (
            "input message",
            xlsx(
                "<dataValidations><dataValidation type='list' sqref='A1' promptTitle='t' prompt='planted words'><formula1>\"a,b\"</formula1></dataValidation></dataValidations>",
                &[],
                &[],
                &[],
            ),
            "planted",
            "prompt",
        ),
        (
            "filtered column",
            xlsx("<colBreaks/>", &[], &[], &[]),
            "one",
            "",
        ),
        (
            "picture",
            xlsx(
                "",
                &[("drawing", "../d.xml")],
                &[],
                &[
                    ("xl/d.xml", "<wsDr><pic><blip/></pic></wsDr>"),
                    ("xl/media/i.png", "x"),
                ],
            ),
            "",
            "picture",
        ),
        (
            "recording",
            xlsx(
                "",
                &[("video", "../media/planted.mp4")],
                &[],
                &[("xl/media/planted.mp4", "x")],
            ),
            "",
            "planted.mp4",
        ),
        (
            "chart with text box",
            xlsx(
                "",
                &[("drawing", "../d.xml")],
                &[],
                &[
                    (
                        "xl/d.xml",
                        "<wsDr><graphicFrame><c:chart r:id='r0'/></graphicFrame></wsDr>",
                    ),
                    ("xl/_rels/d.xml.rels", &relations(&[("chart", "c.xml")])),
                    (
                        "xl/c.xml",
                        "<c:chartSpace><c:chart/><c:userShapes r:id='r0'/></c:chartSpace>",
                    ),
                    (
                        "xl/_rels/c.xml.rels",
                        &relations(&[("chartUserShapes", "u.xml")]),
                    ),
                    (
                        "xl/u.xml",
                        "<c:userShapes><sp><p><r><t>planted</t></r></p></sp></c:userShapes>",
                    ),
                ],
            ),
            "planted",
            "",
        ),
    ] {
        check_contains(what, &file, "a.xlsx", text, note);
    }
}

#[test]
fn presentations_lose_no_part() {
    let text = |words: &str| {
        format!("<p:sp><p:txBody><a:p><a:r><a:t>{words}</a:t></a:r></a:p></p:txBody></p:sp>")
    };
    let file = |slide: &str,
                links: &[(&str, &str)],
                list: &[(&str, &str)],
                parts: &[(&str, &str)]| {
        let slide = format!(
            "<p:sld><p:cSld><p:spTree>{}{slide}</p:spTree></p:cSld></p:sld>",
            text("Body.")
        );
        let mut all = vec![("slide", "slides/slide1.xml")];
        all.extend(list);
        let (list, links) = (relations(&all), relations(links));
        let mut files = vec![
            (
                "ppt/presentation.xml",
                "<p:presentation><p:sldIdLst><p:sldId r:id='r0'/></p:sldIdLst></p:presentation>",
            ),
            ("ppt/_rels/presentation.xml.rels", &*list),
            ("ppt/slides/slide1.xml", &slide),
            ("ppt/slides/_rels/slide1.xml.rels", &links),
        ];
        files.extend(parts);
        container(&files)
    };
    let notes = format!(
        "<p:notes><p:cSld><p:spTree>{}</p:spTree></p:cSld></p:notes>",
        text("planted notes")
    );
    for (what, file, text, note) in [
        (
            "notes",
            file(
                "",
                &[("notesSlide", "../notes/n.xml")],
                &[],
                &[("ppt/notes/n.xml", &notes)],
            ),
            "planted notes",
            "",
        ),
        (
            "old comments",
            file(
                "",
                &[("comments", "../comments/c.xml")],
                &[("commentAuthors", "a.xml")],
                &[(
                    "ppt/comments/c.xml",
                    "<p:cmLst><p:cm authorId='0'><p:text>planted</p:text></p:cm></p:cmLst>",
                )],
            ),
            "planted",
            "",
        ),
        (
            "new comments",
            file(
                "",
                &[("comments", "../comments/c.xml")],
                &[],
                &[(
                    "ppt/comments/c.xml",
                    "<p188:cmLst><p188:cm><p188:txBody><a:p><a:r><a:t>planted</a:t></a:r></a:p></p188:txBody></p188:cm></p188:cmLst>",
                )],
            ),
            "planted",
            "",
        ),
        (
            "embedded workbook",
            file(
                "",
                &[("package", "../embeddings/a.csv")],
                &[],
                &[("ppt/embeddings/a.csv", "k,v\nplanted,1\n")],
            ),
            "planted",
            "",
        ),
        (
            "OLE",
            file(
                "",
                &[("oleObject", "../embeddings/planted.bin")],
                &[],
                &[("ppt/embeddings/planted.bin", "x")],
            ),
            "",
            "planted.bin",
        ),
        (
            "field",
            file(
                "<p:sp><p:txBody><a:p><a:fld type='datetime'><a:t>planted</a:t></a:fld></a:p></p:txBody></p:sp>",
                &[],
                &[],
                &[],
            ),
            "planted",
            "",
        ),
        (
            "footer placeholder",
            file(
                "<p:sp><p:nvSpPr><p:nvPr><p:ph type='ftr'/></p:nvPr></p:nvSpPr><p:txBody><a:p><a:r><a:t>planted</a:t></a:r></a:p></p:txBody></p:sp>",
                &[],
                &[],
                &[],
            ),
            "planted",
            "footer",
        ),
        (
            "group",
            file(
                &format!("<p:grpSp>{}</p:grpSp>", text("planted")),
                &[],
                &[],
                &[],
            ),
            "planted",
            "",
        ),
        (
            "equation",
            file(
                "<p:sp><p:txBody><a:p><mc:AlternateContent><mc:Choice><a14:m><m:oMath><m:r><m:t>planted</m:t></m:r></m:oMath></a14:m></mc:Choice><mc:Fallback/></mc:AlternateContent></a:p></p:txBody></p:sp>",
                &[],
                &[],
                &[],
            ),
            "planted",
            "",
        ),
        (
            "hidden shape",
            file(
                "<p:sp><p:nvSpPr><p:cNvPr hidden='1'/></p:nvSpPr><p:txBody><a:p><a:r><a:t>planted</a:t></a:r></a:p></p:txBody></p:sp>",
                &[],
                &[],
                &[],
            ),
            "planted",
            "",
        ),
        (
            "layout text",
            file(
                "",
                &[("slideLayout", "../l.xml")],
                &[],
                &[(
                    "ppt/l.xml",
                    &format!("<p:sldLayout>{}</p:sldLayout>", text("planted")),
                )],
            ),
            "planted",
            "layout",
        ),
        (
            "merged cell",
            file(
                "<p:graphicFrame><a:tbl><a:tr><a:tc gridSpan='2'><a:txBody><a:p><a:r><a:t>planted</a:t></a:r></a:p></a:txBody></a:tc><a:tc hMerge='1'><a:txBody/></a:tc></a:tr></a:tbl></p:graphicFrame>",
                &[],
                &[],
                &[],
            ),
            "planted",
            "",
        ),
        (
            "control",
            file(
                "<p:controls><p:control r:id='r0'/></p:controls>",
                &[("control", "../activeX/planted.xml")],
                &[],
                &[("ppt/activeX/planted.xml", "<x/>")],
            ),
            "",
            "planted.xml",
        ),
        (
            "media by link",
            file(
                "",
                &[("media", "../media/planted.mp4")],
                &[],
                &[("ppt/media/planted.mp4", "x")],
            ),
            "",
            "planted.mp4",
        ),
        (
            "ink",
            file(
                "<mc:AlternateContent><mc:Choice><p:contentPart r:id='r0'/></mc:Choice></mc:AlternateContent>",
                &[("customXml", "../ink/ink1.xml")],
                &[],
                &[("ppt/ink/ink1.xml", "<ink/>")],
            ),
            "",
            "ink",
        ),
    ] {
        check_contains(what, &file, "a.pptx", text, note);
    }
}
