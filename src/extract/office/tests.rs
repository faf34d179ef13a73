//! Tests with files built part by part, each for a single feature that must be kept or omitted.

use crate::domain::chunk::PageText;
use crate::extract::zip::pack;
use crate::extract::{FileInput, ReadLimits, ReadReport, Unreadable, extract, extract_reporting};

pub(super) fn read(bytes: &[u8]) -> Result<(ReadReport, Vec<PageText>), Unreadable> {
    let limits = ReadLimits::default();
    let mut pages = Vec::new();
    let input = FileInput {
        bytes,
        name: "upload",
        encoding: None,
        limits: &limits,
    };
    let report = extract(&input, &mut |page| {
        pages.push(page);
        true
    })?;
    Ok((report, pages))
}

fn texts(bytes: &[u8]) -> Vec<String> {
    let (_, pages) = read(bytes).expect("readable");
    pages.into_iter().map(|page| page.text).collect()
}

const ROOT: &str = r#"<Relationships><Relationship Id="r1" Type="http://x/officeDocument" Target="word/document.xml"/></Relationships>"#;

fn word(body: &str, extra_parts: &[(&str, &str)]) -> Vec<u8> {
    let document = format!(
        r#"<?xml version="1.0"?><w:document xmlns:w="w"><w:body>{body}</w:body></w:document>"#
    );
    let mut parts: Vec<(&str, &[u8])> = vec![
        ("_rels/.rels", ROOT.as_bytes()),
        ("word/document.xml", document.as_bytes()),
    ];
    parts.extend(
        extra_parts
            .iter()
            .map(|(name, text)| (*name, text.as_bytes())),
    );
    pack(&parts)
}

fn p(text: &str) -> String {
    format!("<w:p><w:r><w:t>{text}</w:t></w:r></w:p>")
}

#[test]
fn paragraphs_show_visible_text_only() {
    for (body, expected) in [
        (p("one &amp; two &#x20AC; &lt;b&gt;"), "one & two € <b>"),
        (p("a") + &p("") + &p("b"), "a\n\nb"),
        (r#"<w:p><w:r><w:t>Jo</w:t></w:r><w:r><w:t xml:space="preserve">int </w:t><w:tab/><w:t>x</w:t><w:br/><w:t>y</w:t></w:r></w:p>"#.to_owned(), "Joint \tx\ny"),
        ("<w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:ins><w:r><w:t>new</w:t></w:r></w:ins></w:p>".to_owned(), "new"),
        ("<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r><w:r><w:rPr><w:vanish w:val=\"0\"/></w:rPr><w:t>seen</w:t></w:r></w:p>".to_owned(), "seen"),
        ("<w:p><w:r><w:instrText>PAGEREF x</w:instrText></w:r><w:r><w:t>result</w:t></w:r></w:p>".to_owned(), "result"),
        ("<w:p><w:pPr><w:outlineLvl w:val=\"2\"/></w:pPr><w:r><w:t>Deep</w:t></w:r></w:p>".to_owned(), "### Deep"),
        (r#"<w:p><w:r><mc:AlternateContent><mc:Choice><wps:txbx><w:txbxContent><w:p><w:r><w:t>in the box</w:t></w:r></w:p></w:txbxContent></wps:txbx></mc:Choice><mc:Fallback><w:pict><w:p><w:r><w:t>in the box</w:t></w:r></w:p></w:pict></mc:Fallback></mc:AlternateContent><w:t>around</w:t></w:r></w:p>"#.to_owned(), "around\n\nin the box"),
        (r#"<w:p><w:r><w:drawing><wp:docPr id="1" descr="a cat"/><a:blip/></w:drawing></w:r></w:p>"#.to_owned(), "[image: a cat]"),
    ] {
        assert_eq!(texts(&word(&body, &[])), [expected], "{body}");
    }
}

#[test]
fn tables_keep_rows_columns_and_merged_cells() {
    let cell =
        |props: &str, text: &str| format!("<w:tc><w:tcPr>{props}</w:tcPr>{}</w:tc>", p(text));
    let row = |props: &str, cells: &[String]| {
        format!("<w:tr><w:trPr>{props}</w:trPr>{}</w:tr>", cells.concat())
    };
    let table = |rows: &[String]| format!("<w:tbl>{}</w:tbl>", rows.concat());
    let table_with_header = table(&[
        row("<w:tblHeader/>", &[cell("", "Name"), cell("", "Age")]),
        row("", &[cell("", "Ann"), cell("", "3")]),
    ]);
    assert_eq!(
        texts(&word(&table_with_header, &[])),
        ["Columns: Name | Age\nName: Ann | Age: 3"]
    );
    // A row of words above numbers is a header, but a row of words above words may be a form.
    let guessed_header = table(&[
        row("", &[cell("", "Name"), cell("", "Age")]),
        row("", &[cell("", "Ann"), cell("", "3")]),
    ]);
    assert_eq!(
        texts(&word(&guessed_header, &[])),
        ["Columns: Name | Age\nName: Ann | Age: 3"]
    );
    let form = table(&[
        row("", &[cell("", "Name"), cell("", "Ann")]),
        row("", &[cell("", "Town"), cell("", "Rome")]),
    ]);
    assert_eq!(texts(&word(&form, &[])), ["Name | Ann\nTown | Rome"]);
    let merged = table(&[
        row(
            "",
            &[
                cell(r#"<w:vMerge w:val="restart"/>"#, "both"),
                cell("", "1"),
            ],
        ),
        row("", &[cell("<w:vMerge/>", ""), cell("", "2")]),
        row("", &[cell(r#"<w:gridSpan w:val="2"/>"#, "wide")]),
    ]);
    assert_eq!(texts(&word(&merged, &[])), ["both | 1\nboth | 2\nwide"]);
    let inner = table(&[row("", &[cell("", "x"), cell("", "y")])]);
    let outer = table(&[row("", &[format!("<w:tc>{inner}</w:tc>"), cell("", "b")])]);
    assert_eq!(texts(&word(&outer, &[])), ["x | y | b"]);
}

#[test]
fn notes_and_comments_follow_their_paragraph() {
    let body = r#"<w:p><w:r><w:t>Said</w:t><w:footnoteReference w:id="2"/><w:commentReference w:id="0"/></w:r></w:p>"#.to_owned() + &p("after");
    let rels = r#"<Relationships><Relationship Id="a" Type="x/footnotes" Target="footnotes.xml"/><Relationship Id="b" Type="x/comments" Target="comments.xml"/></Relationships>"#;
    let notes = r#"<w:footnotes><w:footnote w:type="separator" w:id="0"><w:p/></w:footnote><w:footnote w:id="2"><w:p><w:r><w:t>the source</w:t></w:r></w:p></w:footnote></w:footnotes>"#;
    let comments = r#"<w:comments><w:comment w:id="0" w:author="Ann"><w:p><w:r><w:t>really?</w:t></w:r></w:p></w:comment></w:comments>"#;
    let bytes = word(
        &body,
        &[
            ("word/_rels/document.xml.rels", rels),
            ("word/footnotes.xml", notes),
            ("word/comments.xml", comments),
        ],
    );
    assert_eq!(
        texts(&bytes),
        ["Said[^2]\n[^2]: the source\n[comment by Ann: really?]\n\nafter"]
    );
}

#[test]
fn each_break_ends_one_page() {
    let body = p("one")
        + r#"<w:p><w:r><w:br w:type="page"/></w:r></w:p>"#
        + "<w:p><w:r><w:lastRenderedPageBreak/><w:t>two </w:t><w:lastRenderedPageBreak/><w:t>three</w:t></w:r></w:p>"
        + r#"<w:p><w:pPr><w:pageBreakBefore/></w:pPr><w:r><w:t>four</w:t></w:r></w:p>"#;
    assert_eq!(texts(&word(&body, &[])), ["one", "two", "three", "four"]);
}

#[test]
fn damage_and_encryption_are_reported() {
    let intact_file = word(&(p("first words") + &p(&"more ".repeat(3_000))), &[]);
    let truncated_file = &intact_file[..intact_file.len() / 2];
    match read(truncated_file) {
        Ok((report, _)) => assert!(
            report.notes.iter().any(|note| note.contains("damaged")),
            "{:?}",
            report.notes
        ),
        Err(reason) => assert_ne!(reason, Unreadable::Binary),
    }
    let unclosed = word("<w:p><w:r><w:t>so far</w:t></w:r></w:p><w:p><w:r><w:t", &[]);
    let (report, pages) = read(&unclosed).expect("the part before the damage");
    assert_eq!(pages[0].text, "so far");
    assert_eq!(
        report.notes,
        ["the file is damaged: its text is read only up to the damage"]
    );
    let pictures = word("<w:p><w:r><a:blip/></w:r></w:p>", &[]);
    assert_eq!(read(&pictures).map(drop), Err(Unreadable::PicturesOnly));
    assert_eq!(read(&word("", &[])).map(drop), Err(Unreadable::NoText));
    let locked: Vec<u8> = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1...."
        .iter()
        .copied()
        .chain("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    assert_eq!(read(&locked).map(drop), Err(Unreadable::Locked));
}

#[test]
fn entities_are_never_expanded() {
    let bomb = r#"<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]><w:document><w:body><w:p><w:r><w:t>&b; &f;</w:t></w:r></w:p></w:body></w:document>"#;
    let bytes = pack(&[
        ("_rels/.rels", ROOT.as_bytes()),
        ("word/document.xml", bomb.as_bytes()),
    ]);
    assert_eq!(texts(&bytes), ["&b; &f;"]);
}

fn package(main: &str, kind: &str, parts: &[(&str, &str)]) -> Vec<u8> {
    let root = format!(
        r#"<Relationships><Relationship Id="r1" Type="x/officeDocument" Target="{main}"/></Relationships>"#
    );
    let types = format!(
        r#"<Types><Override PartName="/{main}" ContentType="application/vnd.{kind}.main+xml"/></Types>"#
    );
    let mut all: Vec<(&str, &[u8])> = vec![
        ("_rels/.rels", root.as_bytes()),
        ("[Content_Types].xml", types.as_bytes()),
    ];
    all.extend(parts.iter().map(|(name, text)| (*name, text.as_bytes())));
    pack(&all)
}

#[test]
fn a_slide_is_a_page_with_its_title_notes_and_chart() {
    let slide = r#"<p:sld show="0"><p:sp><p:nvPr><p:ph type="title"/></p:nvPr><a:p><a:r><a:t>Results</a:t></a:r></a:p></p:sp>
      <p:sp><p:nvPr><p:ph idx="1"/></p:nvPr><a:p><a:r><a:t>first</a:t></a:r></a:p><a:p><a:pPr lvl="1"/><a:r><a:t>deeper</a:t></a:r></a:p></p:sp>
      <p:sp><p:nvPr><p:ph type="sldNum"/></p:nvPr><a:p><a:r><a:t>7</a:t></a:r></a:p></p:sp>
      <p:graphicFrame><a:tbl><a:tr><a:tc><a:p><a:r><a:t>Name</a:t></a:r></a:p></a:tc><a:tc><a:p><a:r><a:t>Age</a:t></a:r></a:p></a:tc></a:tr>
      <a:tr><a:tc><a:p><a:r><a:t>Ann</a:t></a:r></a:p></a:tc><a:tc><a:p><a:r><a:t>3</a:t></a:r></a:p></a:tc></a:tr></a:tbl></p:graphicFrame>
      <p:graphicFrame><c:chart r:id="rId2"/></p:graphicFrame></p:sld>"#;
    let rels = r#"<Relationships><Relationship Id="rId1" Type="x/notesSlide" Target="../notes/n.xml"/><Relationship Id="rId2" Type="x/chart" Target="/ppt/c.xml"/></Relationships>"#;
    let chart = r#"<c:chart><c:title><a:t>Sales</a:t></c:title><c:ser><c:tx><c:v>North</c:v></c:tx><c:cat><c:v>Q1</c:v></c:cat><c:val><c:v>4.3</c:v></c:val></c:ser></c:chart>"#;
    let notes = r#"<p:notes><p:sp><p:ph type="sldNum"/><a:p><a:t>7</a:t></a:p></p:sp><p:sp><p:ph type="body"/><a:p><a:t>say this</a:t></a:p></p:sp></p:notes>"#;
    let bytes = package(
        "ppt/presentation.xml",
        "presentationml",
        &[
            (
                "ppt/presentation.xml",
                r#"<p:presentation><p:sldId id="256" r:id="rB"/><p:sldId id="257" r:id="rA"/></p:presentation>"#,
            ),
            (
                "ppt/_rels/presentation.xml.rels",
                r#"<Relationships><Relationship Id="rA" Type="x/slide" Target="slides/slide1.xml"/><Relationship Id="rB" Type="x/slide" Target="slides/slide2.xml"/></Relationships>"#,
            ),
            (
                "ppt/slides/slide1.xml",
                "<p:sld><p:pic><a:blip/></p:pic></p:sld>",
            ),
            ("ppt/slides/slide2.xml", slide),
            ("ppt/slides/_rels/slide2.xml.rels", rels),
            ("ppt/notes/n.xml", notes),
            ("ppt/c.xml", chart),
        ],
    );
    let (report, pages) = read(&bytes).expect("readable");
    assert_eq!(
        (report.kind, pages[0].number, pages[0].title.as_str()),
        ("pptx", 1, "Results")
    );
    assert_eq!(
        pages[0].text,
        "# Results\n\n- first\n  - deeper\n\nColumns: Name | Age\nName: Ann | Age: 3\n\n[chart] Sales\n\nNorth | Q1: 4.3\n\nSpeaker notes: say this"
    );
    assert_eq!(report.gaps[0].page, 2);
    assert_eq!(
        report.notes,
        [
            "slide 1 is hidden in the presentation",
            "pictures whose inside is not read: 1"
        ]
    );
}

#[test]
fn a_sheet_is_a_page_whose_rows_name_their_columns() {
    let bytes = package(
        "xl/workbook.xml",
        "spreadsheetml.sheet",
        &[
            (
                "xl/workbook.xml",
                r#"<workbook><sheets><sheet name="Staff" r:id="r1"/><sheet name="Lists" state="hidden" r:id="r2"/><sheet name="Void" r:id="r3"/></sheets></workbook>"#,
            ),
            (
                "xl/_rels/workbook.xml.rels",
                r#"<Relationships><Relationship Id="r1" Type="x/worksheet" Target="worksheets/one.xml"/><Relationship Id="r2" Type="x/worksheet" Target="worksheets/one.xml"/><Relationship Id="r3" Type="x/worksheet" Target="worksheets/none.xml"/><Relationship Id="r9" Type="x/styles" Target="styles.xml"/><Relationship Id="r8" Type="x/sharedStrings" Target="strings.xml"/></Relationships>"#,
            ),
            (
                "xl/styles.xml",
                r#"<styleSheet><numFmts><numFmt numFmtId="164" formatCode="dd/mm/yy"/></numFmts><cellStyleXfs><xf numFmtId="9"/></cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="164"/></cellXfs></styleSheet>"#,
            ),
            (
                "xl/strings.xml",
                "<sst><si><t>Name</t></si><si><r><t>Sin</t></r><r><t>ce</t></r><rPh><t>yomi</t></rPh></si><si><t>Ann</t></si></sst>",
            ),
            (
                "xl/worksheets/one.xml",
                r#"<worksheet><sheetData>
            <row r="1"><c r="A1" t="inlineStr"><is><t>All staff</t></is></c></row>
            <row r="3"><c r="A3" t="s"><v>0</v></c><c r="B3" t="s"><v>1</v></c><c r="C3" t="inlineStr"><is><t>Note</t></is></c></row>
            <row r="4"><c r="A4" t="s"><v>2</v></c><c r="B4" s="1"><v>45321</v></c></row>
            <row r="5"><c r="A5" t="str"><f>1+1</f><v>Bob</v></c><c r="C5"><f>NOW()</f></c><c r="D5" t="b"><v>1</v></c></row>
          </sheetData></worksheet>"#,
            ),
            ("xl/worksheets/none.xml", "<worksheet/>"),
        ],
    );
    let (report, pages) = read(&bytes).expect("readable");
    assert_eq!((report.kind, pages[0].title.as_str()), ("xlsx", "Staff"));
    assert_eq!(
        pages[0].text,
        "All staff\nColumns: Name | Since | Note\nName: Ann | Since: 2024-01-30\nName: Bob | Note: =NOW() | TRUE"
    );
    assert_eq!(report.gaps[0].why, "the sheet Void is empty");
    assert_eq!(
        report.notes,
        [
            "the hidden sheet Lists is omitted",
            "formulas without a stored result, shown as formulas: 1"
        ]
    );
}

fn open_document(kind: &str, body: &str) -> Vec<u8> {
    let content = format!(
        r#"<office:document-content><office:automatic-styles><style:style style:name="P1"><style:paragraph-properties fo:break-before="page"/></style:style><style:style style:name="T1"><style:text-properties text:display="none"/></style:style><style:style style:name="ta2"><style:table-properties table:display="false"/></style:style></office:automatic-styles><office:body>{body}</office:body></office:document-content>"#
    );
    pack(&[
        (
            "mimetype",
            format!("application/vnd.oasis.opendocument.{kind}").as_bytes(),
        ),
        ("content.xml", content.as_bytes()),
    ])
}

#[test]
fn opendocument_files_are_read() {
    let text = r#"<office:text><text:tracked-changes><text:p>gone</text:p></text:tracked-changes>
      <text:h text:outline-level="2">Head</text:h><text:p>a  b<text:s text:c="2"/>c<text:tab/>d <text:span text:style-name="T1">hidden</text:span>e<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>the source</text:p></text:note-body></text:note></text:p>
      <text:list><text:list-item><text:p>one</text:p><text:list><text:list-item><text:p>two</text:p></text:list-item></text:list></text:list-item></text:list>
      <table:table><table:table-header-rows><table:table-row><table:table-cell><text:p>Name</text:p></table:table-cell><table:table-cell><text:p>Town</text:p></table:table-cell></table:table-row></table:table-header-rows>
      <table:table-row><table:table-cell><text:p>Ann</text:p></table:table-cell><table:table-cell><text:p>Rome</text:p></table:table-cell></table:table-row></table:table>
      <text:p text:style-name="P1">next<office:annotation><dc:creator>Bob</dc:creator><dc:date>2020</dc:date><text:p>why?</text:p></office:annotation></text:p></office:text>"#;
    assert_eq!(
        texts(&open_document("text", text)),
        [
            "## Head\n\na b  c\td e[^1]\n[^1]: the source\n\n- one\n  - two\n\nColumns: Name | Town\nName: Ann | Town: Rome",
            "next\n[comment by Bob: why?]"
        ]
    );
    let cell = |text: &str, times: usize| {
        format!(
            r#"<table:table-cell table:number-columns-repeated="{times}"><text:p>{text}</text:p></table:table-cell>"#
        )
    };
    let row = |cells: &str, times: usize| {
        format!(
            r#"<table:table-row table:number-rows-repeated="{times}">{cells}</table:table-row>"#
        )
    };
    let sheets = format!(
        r#"<office:spreadsheet><table:table table:name="Staff">{}{}{}</table:table><table:table table:name="Lists" table:style-name="ta2">{}</table:table></office:spreadsheet>"#,
        row(
            &(cell("a", 1) + &cell("", 2) + &cell("7", 2) + &cell("", 16_000)),
            2
        ),
        row(&cell("", 16_384), 1_048_000),
        row(&cell("end", 1), 1),
        row(&cell("secret", 1), 1),
    );
    let (report, pages) = read(&open_document("spreadsheet", &sheets)).expect("readable");
    assert_eq!((pages.len(), pages[0].title.as_str()), (1, "Staff"));
    assert_eq!(pages[0].text, "a |  |  | 7 | 7\na |  |  | 7 | 7\nend");
    assert_eq!(report.notes, ["hidden sheets omitted: 1"]);
    let slides = r#"<office:presentation><draw:page><draw:frame presentation:class="title"><draw:text-box><text:p>First</text:p></draw:text-box></draw:frame><draw:frame><draw:text-box><text:p>words</text:p></draw:text-box></draw:frame><presentation:notes><text:p>say it</text:p></presentation:notes></draw:page><draw:page/></office:presentation>"#;
    let (report, pages) = read(&open_document("presentation", slides)).expect("readable");
    assert_eq!(
        (pages[0].title.as_str(), pages[0].text.as_str()),
        ("First", "# First\n\nwords\n\nSpeaker notes: say it")
    );
    assert_eq!(report.gaps[0].page, 2);
    let locked = pack(&[
        ("mimetype", b"application/vnd.oasis.opendocument.text"),
        (
            "META-INF/manifest.xml",
            b"<manifest><file-entry><encryption-data/></file-entry></manifest>",
        ),
        ("content.xml", b"\x12\x34"),
    ]);
    assert_eq!(read(&locked).map(drop), Err(Unreadable::Locked));
}

#[test]
fn books_are_read_in_spine_order_with_chapter_titles() {
    let opf = r#"<package><manifest><item id="n" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/><item id="b" href="text/two%20b.xhtml" media-type="application/xhtml+xml"/><item id="a" href="text/one.xhtml" media-type="application/xhtml+xml"/></manifest><spine><itemref idref="a"/><itemref idref="b"/><itemref idref="a"/></spine></package>"#;
    let nav = r#"<html><nav><ol><li><a href="text/one.xhtml">Start <i>here</i></a></li><li><a href="text/two%20b.xhtml#x">The end</a></li></ol></nav></html>"#;
    let parts: Vec<(&str, &[u8])> = vec![
        ("mimetype", b"application/epub+zip"),
        ("META-INF/container.xml", br#"<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>"#),
        ("OEBPS/book.opf", opf.as_bytes()),
        ("OEBPS/nav.xhtml", nav.as_bytes()),
        ("OEBPS/text/one.xhtml", b"<html><head><title>My book</title></head><body><h1>One</h1><p>words</p></body></html>"),
        ("OEBPS/text/two b.xhtml", b"<html><body><p>more</p></body></html>"),
    ];
    let (report, pages) = read(&pack(&parts)).expect("readable");
    let titled_pages: Vec<_> = pages
        .iter()
        .map(|page| (page.title.as_str(), page.text.as_str()))
        .collect();
    assert_eq!(
        (report.kind, &titled_pages[..]),
        (
            "epub",
            &[("Start here", "# One\n\nwords"), ("The end", "more")][..]
        )
    );
    let encryption_xml = br#"<encryption><EncryptedData><EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/><CipherData><CipherReference URI="OEBPS/text/one.xhtml"/></CipherData></EncryptedData><EncryptedData><EncryptionMethod Algorithm="http://www.idpf.org/2008/embedding"/><CipherReference URI="OEBPS/text/two%20b.xhtml"/></EncryptedData></encryption>"#;
    let mut locked = parts.clone();
    locked.push(("META-INF/encryption.xml", encryption_xml));
    let (report, pages) = read(&pack(&locked)).expect("the rest");
    assert_eq!(
        (pages.len(), report.notes[0].as_str()),
        (1, "encrypted chapters omitted: 1")
    );
}

/// Returns the progress reported while a file is read: pairs of the amount done and the total.
fn reported_shares(bytes: &[u8]) -> Vec<(u64, u64)> {
    let limits = ReadLimits::default();
    let input = FileInput {
        bytes,
        name: "upload",
        encoding: None,
        limits: &limits,
    };
    let mut shares = Vec::new();
    let mut report = |done, total| shares.push((done, total));
    extract_reporting(&input, &mut |_| true, &mut report).expect("readable");
    shares
}

#[test]
fn office_files_report_the_share_that_has_been_read() {
    let paragraphs: String = (0..400).map(|n| p(&format!("number {n}"))).collect();
    let written: String = (0..400)
        .map(|n| format!("<text:p>number {n}</text:p>"))
        .collect();
    let text = open_document("text", &format!("<office:text>{written}</office:text>"));
    let rows: String = (1..=200)
        .map(|n| format!(r#"<row r="{n}"><c r="A{n}"><v>{n}</v></c></row>"#))
        .collect();
    let sheet = format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
    let list = |tag: &str, count: usize| -> String {
        let one = |n| format!(r#"<{tag} name="Sheet {n}" r:id="r{n}"/>"#);
        (0..count).map(one).collect()
    };
    let links = |kind: &str, count: usize| {
        let one =
            |n| format!(r#"<Relationship Id="r{n}" Type="x/{kind}" Target="{kind}s/{n}.xml"/>"#);
        let all: String = (0..count).map(one).collect();
        format!("<Relationships>{all}</Relationships>")
    };
    let book = package(
        "xl/workbook.xml",
        "spreadsheetml.sheet",
        &[
            (
                "xl/workbook.xml",
                &format!("<workbook><sheets>{}</sheets></workbook>", list("sheet", 2)),
            ),
            ("xl/_rels/workbook.xml.rels", &links("worksheet", 2)),
            ("xl/worksheets/0.xml", &sheet),
            ("xl/worksheets/1.xml", &sheet),
        ],
    );
    let slide =
        "<p:sld><p:sp><p:txBody><a:p><a:r><a:t>words</a:t></a:r></a:p></p:txBody></p:sp></p:sld>";
    let names: Vec<String> = (0..20).map(|n| format!("ppt/slides/{n}.xml")).collect();
    let main = format!("<p:presentation>{}</p:presentation>", list("p:sldId", 20));
    let targets = links("slide", 20);
    let mut parts = vec![
        ("ppt/presentation.xml", main.as_str()),
        ("ppt/_rels/presentation.xml.rels", targets.as_str()),
    ];
    parts.extend(names.iter().map(|name| (name.as_str(), slide)));
    let deck = package(
        "ppt/presentation.xml",
        "presentationml.presentation",
        &parts,
    );
    for (kind, bytes, min_percent) in [
        ("docx", word(&paragraphs, &[]), 90),
        ("odt", text, 80),
        ("xlsx", book, 90),
        ("pptx", deck, 19),
    ] {
        let reported_shares = reported_shares(&bytes);
        assert!(
            (min_percent..=100).contains(&reported_shares.len()),
            "{kind}: {reported_shares:?}"
        );
        assert!(
            reported_shares.is_sorted_by(|one, next| one.0 < next.0 && one.1 == next.1),
            "{kind}: {reported_shares:?}"
        );
        let (done, total) = reported_shares[reported_shares.len() - 1];
        assert!(
            done <= total && done * 10 > total * 9,
            "{kind}: {done} of {total}"
        );
    }
}
