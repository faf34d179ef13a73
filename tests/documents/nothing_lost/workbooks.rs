//! Tests that nothing is lost in workbooks: cells, hidden sheets, comments, and charts.

use super::{check_contains, container, relations};

fn xlsx(sheet: &str, links: &[(&str, &str)], parts: &[(&str, &str)], state: &str) -> Vec<u8> {
    let book = format!(
        "<workbook xmlns:r='r'><sheets><sheet name='One' r:id='r0'/><sheet name='Two' {state} r:id='r1'/></sheets></workbook>"
    );
    let main = format!("<worksheet>{sheet}</worksheet>");
    let (links, book_links) = (
        relations(links),
        relations(&[
            ("worksheet", "worksheets/sheet1.xml"),
            ("worksheet", "worksheets/sheet2.xml"),
        ]),
    );
    let other = "<worksheet><sheetData><row r='1'><c r='A1' t='inlineStr'><is><t>second</t></is></c></row></sheetData></worksheet>";
    let mut files = vec![
        ("xl/workbook.xml", book.as_str()),
        ("xl/_rels/workbook.xml.rels", &book_links),
        ("xl/worksheets/sheet1.xml", &main),
        ("xl/worksheets/sheet2.xml", other),
        ("xl/worksheets/_rels/sheet1.xml.rels", &links),
    ];
    files.extend(parts);
    container(&files)
}

#[test]
fn workbooks_lose_nothing() {
    let cell = |place: &str, text: &str| {
        format!("<c r='{place}' t='inlineStr'><is><t>{text}</t></is></c>")
    };
    let row = |number: u32, attributes: &str, cells: &str| {
        format!("<row r='{number}' {attributes}>{cells}</row>")
    };
    let data = |rows: &str, more: &str| format!("<sheetData>{rows}</sheetData>{more}");
    let first = row(1, "", &(cell("A1", "North") + &cell("B1", "Q1")));
    let second = row(2, "", &cell("B2", "Q2"));
    let plain = |sheet: &str| xlsx(sheet, &[], &[], "");
    let drawn_sheet = |kind: &str, content: &str| {
        xlsx(
            &data(&first, ""),
            &[(kind, "../parts/a.xml")],
            &[("xl/parts/a.xml", content)],
            "",
        )
    };
    for (what, file, text, note) in [
        (
            "a hidden sheet",
            xlsx(&data(&first, ""), &[], &[], "state='hidden'"),
            "",
            "Two",
        ),
        (
            "a hidden row",
            plain(&data(
                &row(1, "hidden='1'", &(cell("A1", "planted") + &cell("B1", "x"))),
                "",
            )),
            "[hidden row] planted",
            "",
        ),
        (
            "hidden columns",
            plain(&format!(
                "<cols><col min='2' max='2' hidden='1'/></cols>{}",
                data(&first, "")
            )),
            "",
            "hidden columns",
        ),
        (
            "a merged cell",
            plain(&data(
                &(first.clone() + &second),
                "<mergeCells><mergeCell ref='A1:A2'/></mergeCells>",
            )),
            "North | Q2",
            "",
        ),
        (
            "a formula",
            plain(&data(&row(1, "", "<c r='A1'><f>B2*C2</f></c>"), "")),
            "=B2*C2",
            "",
        ),
        (
            "a header",
            plain(&data(
                &first,
                "<headerFooter><oddHeader>&amp;CRef planted 47</oddHeader></headerFooter>",
            )),
            "Ref planted 47",
            "",
        ),
        (
            "a comment",
            drawn_sheet(
                "comments",
                "<comments><comment ref='A1'><text><t>planted</t></text></comment></comments>",
            ),
            "planted",
            "",
        ),
        (
            "a threaded comment",
            drawn_sheet(
                "threadedComment",
                "<ThreadedComments><threadedComment ref='A1'><text>planted</text></threadedComment></ThreadedComments>",
            ),
            "planted",
            "",
        ),
        (
            "a power",
            plain(&data(
                &row(
                    1,
                    "",
                    "<c r='A1' t='inlineStr'><is><r><t>10</t></r><r><rPr><vertAlign val='superscript'/></rPr><t>4</t></r></is></c>",
                ),
                "",
            )),
            "10^4",
            "",
        ),
        (
            "a text box",
            drawn_sheet(
                "drawing",
                "<wsDr><sp><p><r><t>planted</t></r></p></sp></wsDr>",
            ),
            "planted",
            "",
        ),
        (
            "an embedded file",
            xlsx(
                &data(&first, ""),
                &[("package", "../a.csv")],
                &[("xl/a.csv", "k,v\nplanted,1\n")],
                "",
            ),
            "planted",
            "",
        ),
    ] {
        check_contains(what, &file, "a.xlsx", text, note);
    }
}
