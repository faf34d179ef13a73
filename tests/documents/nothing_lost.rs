//! Nothing is lost without a word: each kind of content that a file can hold is planted in a small file, and is either in
//! the text or named in the notes.

use std::fmt::Write as _;

use quire::extract::{FileInput, ReadLimits, extract};

/// The text of a file, and everything that is said about it.
fn read(bytes: &[u8], name: &str) -> (String, String) {
    let limits = ReadLimits::default();
    let input = FileInput {
        bytes,
        name,
        encoding: None,
        limits: &limits,
    };
    let mut text = String::new();
    let report = extract(&input, &mut |page| {
        let _ = writeln!(text, "{}\n{}", page.title, page.text);
        true
    });
    let said = match report {
        Ok(report) => {
            let gaps = report.gaps.iter().map(|gap| gap.why.clone());
            report
                .notes
                .iter()
                .cloned()
                .chain(gaps)
                .collect::<Vec<_>>()
                .join("; ")
        }
        Err(why) => why.message(),
    };
    (text, said)
}

/// A container with these files, without compression.
fn container(files: &[(&str, &str)]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let mut crc = flate2::Crc::new();
        crc.update(content.as_bytes());
        let (offset, size) = (bytes.len() as u32, content.len() as u32);
        let mut shared = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        shared.extend(crc.sum().to_le_bytes());
        shared.extend(size.to_le_bytes());
        shared.extend(size.to_le_bytes());
        shared.extend((name.len() as u16).to_le_bytes());
        shared.extend([0, 0]);
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&shared);
        bytes.extend(name.as_bytes());
        bytes.extend(content.as_bytes());
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&shared);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (start, length, count) = (
        bytes.len() as u32,
        directory.len() as u32,
        files.len() as u16,
    );
    bytes.extend(directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(count.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

fn relations(all: &[(&str, &str)]) -> String {
    let mut text = "<Relationships>".to_owned();
    for (index, (kind, target)) in all.iter().enumerate() {
        let _ = write!(
            text,
            "<Relationship Id='r{index}' Type='x/{kind}' Target='{target}'/>"
        );
    }
    text + "</Relationships>"
}

fn docx(body: &str, links: &[(&str, &str)], parts: &[(&str, &str)]) -> Vec<u8> {
    let main = format!(
        "<w:document xmlns:w='w' xmlns:r='r'><w:body><w:p><w:r><w:t>Body.</w:t></w:r></w:p>{body}</w:body></w:document>"
    );
    let links = relations(links);
    let mut files = vec![
        ("word/document.xml", main.as_str()),
        ("word/_rels/document.xml.rels", &links),
    ];
    files.extend(parts);
    container(&files)
}

fn run(properties: &str, text: &str) -> String {
    format!("<w:p><w:r><w:rPr>{properties}</w:rPr><w:t>{text}</w:t></w:r></w:p>")
}

/// Checks that the file's text holds `text` or that what is said holds `note`.
fn check(what: &str, file: &[u8], name: &str, text: &str, note: &str) {
    let (got, said) = read(file, name);
    let is_there = !text.is_empty() && got.contains(text);
    let is_said = !note.is_empty() && said.contains(note);
    assert!(is_there || is_said, "{name}: {what} is lost\n{got}\n{said}");
}

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
    let drawn = |kind: &str, content: &str| {
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
            drawn(
                "comments",
                "<comments><comment ref='A1'><text><t>planted</t></text></comment></comments>",
            ),
            "planted",
            "",
        ),
        (
            "a text box",
            drawn(
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
        check(what, &file, "a.xlsx", text, note);
    }
}

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
        check(what, file.as_bytes(), name, text, note);
    }
}

#[test]
fn open_documents_lose_nothing() {
    let styles = "<office:document-styles xmlns:style='s' xmlns:text='t'><style:header><text:p>Ref planted 47</text:p></style:header></office:document-styles>";
    for (what, head, body, text, note) in [
        ("a header", "", "", "Ref planted 47", ""),
        (
            "deleted text",
            "",
            "<text:tracked-changes><text:changed-region><text:deletion><text:p>x</text:p></text:deletion></text:changed-region></text:tracked-changes>",
            "",
            "deleted",
        ),
        (
            "hidden text",
            "<style:style style:name='H'><style:text-properties text:display='none'/></style:style>",
            "<text:p>a <text:span text:style-name='H'>planted</text:span></text:p>",
            "",
            "hidden",
        ),
        (
            "struck text",
            "<style:style style:name='S'><style:text-properties style:text-line-through-style='solid'/></style:style>",
            "<text:p>a <text:span text:style-name='S'>planted</text:span></text:p>",
            "~~planted~~",
            "",
        ),
        (
            "a power",
            "<style:style style:name='P'><style:text-properties style:text-position='super 58%'/></style:style>",
            "<text:p>10<text:span text:style-name='P'>3</text:span></text:p>",
            "10^3",
            "",
        ),
        (
            "an object",
            "",
            "<text:p><draw:object-ole/></text:p>",
            "",
            "objects",
        ),
        (
            "a filled field",
            "",
            "<office:forms><form:text form:current-value='planted'/></office:forms>",
            "",
            "controls",
        ),
        (
            "a covered cell",
            "",
            "<table:table><table:table-row><table:table-cell table:number-rows-spanned='2'><text:p>North</text:p></table:table-cell><table:table-cell><text:p>Q1</text:p></table:table-cell></table:table-row>\
             <table:table-row><table:covered-table-cell/><table:table-cell><text:p>Q2</text:p></table:table-cell></table:table-row></table:table>",
            "North | Q2",
            "",
        ),
    ] {
        let content = format!(
            "<office:document-content><office:automatic-styles>{head}</office:automatic-styles><office:body><office:text><text:p>Body.</text:p>{body}</office:text></office:body></office:document-content>"
        );
        let file = container(&[
            ("mimetype", "application/vnd.oasis.opendocument.text"),
            ("content.xml", &content),
            ("styles.xml", styles),
        ]);
        check(what, &file, "a.odt", text, note);
    }
}

/// A PDF whose page has this content and these further entries; more objects follow from number 5.
fn pdf(content: &str, catalog: &str, page: &str, others: &[&str]) -> Vec<u8> {
    let mut objects = vec![
        format!("<< /Type /Catalog /Pages 2 0 R {catalog} >>"),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 400] /Contents 4 0 R /Resources << /Font << /F 5 0 R >> /Properties << /L 6 0 R >> >> {page} >>"
        ),
        format!(
            "<< /Length {} >>\nstream\n{content}\nendstream",
            content.len()
        ),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
            .to_owned(),
    ];
    objects.extend(others.iter().map(|one| (*one).to_owned()));
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
    bytes.extend(
        format!(
            "trailer << /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF",
            objects.len() + 1
        )
        .bytes(),
    );
    bytes
}

#[test]
fn pdfs_lose_nothing() {
    const BODY: &str = "BT /F 12 Tf 50 350 Td (Body words of the page here.) Tj ET ";
    let shown = |more: &str| format!("{BODY}{more}");
    let annotated = |annotation: &str| pdf(BODY, "", "/Annots [6 0 R]", &[annotation]);
    let rect = "/Rect [50 200 250 220] /Type /Annot";
    for (what, file, text, note) in [
        (
            "a layer that is off",
            pdf(
                &shown("/OC /L BDC BT /F 12 Tf 50 300 Td (planted) Tj ET EMC"),
                "/OCProperties << /OCGs [6 0 R] /D << /OFF [6 0 R] >> >>",
                "",
                &["<< /Type /OCG /Name (x) >>"],
            ),
            "",
            "layers",
        ),
        (
            "invisible text",
            pdf(
                &shown("BT /F 12 Tf 3 Tr 50 300 Td (planted) Tj ET"),
                "",
                "",
                &["<< >>"],
            ),
            "",
            "invisible",
        ),
        (
            "a power",
            pdf(
                &shown("BT /F 12 Tf 50 300 Td (10) Tj 5 Ts (3) Tj 0 Ts ( people) Tj ET"),
                "",
                "",
                &["<< >>"],
            ),
            "10^3 people",
            "",
        ),
        (
            "a field",
            annotated(&format!(
                "<< {rect} /Subtype /Widget /FT /Tx /T (a) /V (planted) >>"
            )),
            "planted",
            "",
        ),
        (
            "a checked box",
            annotated(&format!(
                "<< {rect} /Subtype /Widget /FT /Btn /T (a) /AS /Yes >>"
            )),
            "[x]",
            "",
        ),
        (
            "a list",
            annotated(&format!(
                "<< {rect} /Subtype /Widget /FT /Ch /T (a) /Opt [(one) (planted)] /V (planted) >>"
            )),
            "[x] planted",
            "",
        ),
        (
            "a text on the page",
            annotated(&format!(
                "<< {rect} /Subtype /FreeText /Contents (planted) >>"
            )),
            "planted",
            "",
        ),
        (
            "a comment",
            annotated(&format!(
                "<< {rect} /Subtype /Highlight /T (Ann) /Contents (planted) >>"
            )),
            "[comment by Ann: planted]",
            "",
        ),
        (
            "an attached file",
            pdf(
                BODY,
                "/Names << /EmbeddedFiles << /Names [(a) 7 0 R] >> >>",
                "",
                &[
                    "<< >>",
                    "<< /Type /Filespec /UF (a.txt) /EF << /F 8 0 R >> >>",
                    "<< /Length 13 >>\nstream\nplanted words\nendstream",
                ],
            ),
            "planted words",
            "",
        ),
        (
            "a file pinned to the page",
            pdf(
                BODY,
                "",
                "/Annots [6 0 R]",
                &[
                    &format!(
                        "<< {rect} /Subtype /FileAttachment /FS << /UF (planted.bin) /EF << /F 7 0 R >> >> >>"
                    ),
                    "<< /Length 4 >>\nstream\n\x7FELF\nendstream",
                ],
            ),
            "",
            "planted.bin",
        ),
        (
            "an XFA form",
            pdf(
                BODY,
                "/AcroForm << /Fields [] /XFA [(datasets) 7 0 R] >>",
                "",
                &[
                    "<< >>",
                    "<< /Length 72 >>\nstream\n<xdp><datasets><data><form><Name>planted</Name></form></data></datasets></xdp>\nendstream",
                ],
            ),
            "planted",
            "",
        ),
    ] {
        check(what, &file, "a.pdf", text, note);
    }
}
