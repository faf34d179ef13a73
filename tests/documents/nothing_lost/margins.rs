//! Tests that nothing is lost in the margins of office files: masters, headers, form labels, field codes, lists of
//! choices, and comments.

use super::{check_all, container, docx, relations};

fn odf(kind: &str, body: &str, parts: &[(&str, &str)]) -> Vec<u8> {
    let content = format!(
        "<office:document-content><office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
    );
    let mimetype = format!("application/vnd.oasis.opendocument.{kind}");
    let mut files = vec![("mimetype", mimetype.as_str()), ("content.xml", &content)];
    files.extend(parts);
    container(&files)
}

#[test]
fn open_documents_lose_no_margin() {
    let frame = |inner: &str| {
        format!("<draw:frame><draw:text-box><text:p>{inner}</text:p></draw:text-box></draw:frame>")
    };
    let slide = |inner: &str| {
        format!(
            "<draw:page draw:master-page-name='M'>{}{inner}</draw:page>",
            frame("Body.")
        )
    };
    let sheet = "<table:table table:name='One'><table:table-row><table:table-cell><text:p>Body.</text:p></table:table-cell></table:table-row></table:table>";
    let master = format!(
        "<office:document-styles><office:master-styles><style:master-page style:name='M'>{}<draw:frame presentation:class='title' presentation:placeholder='true'><draw:text-box><text:p>Click here</text:p></draw:text-box></draw:frame></style:master-page></office:master-styles></office:document-styles>",
        frame("planted")
    );
    let header = "<office:document-styles><office:master-styles><style:master-page><style:header><text:p>Ref planted 47</text:p></style:header><style:footer><text:p>Page <text:page-number>1</text:page-number></text:p></style:footer></style:master-page></office:master-styles></office:document-styles>";
    let paragraph = "<text:p>Body.</text:p>";
    let form = |control: &str| {
        odf(
            "text",
            &format!("<office:forms><form:form>{control}</form:form></office:forms>{paragraph}"),
            &[],
        )
    };
    check_all(&[
        (
            "the text of a master page",
            "a.odp",
            odf("presentation", &slide(""), &[("styles.xml", &master)]),
            "planted",
            "",
        ),
        (
            "the description of a picture on a slide",
            "a.odp",
            odf(
                "presentation",
                &slide("<draw:frame><draw:image/><svg:desc>a planted view</svg:desc></draw:frame>"),
                &[],
            ),
            "planted view",
            "",
        ),
        (
            "a sheet's header",
            "a.ods",
            odf("spreadsheet", sheet, &[("styles.xml", header)]),
            "Ref planted 47",
            "",
        ),
        (
            "a value that was changed",
            "a.ods",
            odf(
                "spreadsheet",
                &format!(
                    "<table:tracked-changes><table:cell-content-change><table:previous><table:change-track-table-cell><text:p>planted</text:p></table:change-track-table-cell></table:previous></table:cell-content-change></table:tracked-changes>{sheet}"
                ),
                &[],
            ),
            "",
            "tracked changes",
        ),
        (
            "a message about a cell",
            "a.ods",
            odf(
                "spreadsheet",
                &format!(
                    "<table:content-validations><table:content-validation><table:help-message><text:p>planted</text:p></table:help-message></table:content-validation></table:content-validations>{sheet}"
                ),
                &[],
            ),
            "planted",
            "",
        ),
        (
            "a checked box",
            "a.odt",
            form("<form:checkbox form:label='planted' form:current-state='checked'/>"),
            "[x] planted",
            "",
        ),
        (
            "a form's label",
            "a.odt",
            form("<form:fixed-text form:label='planted words'/>"),
            "planted words",
            "",
        ),
        (
            "a field's value",
            "a.odt",
            form("<form:text form:name='a' form:current-value='planted'/>"),
            "planted",
            "",
        ),
        (
            "a button",
            "a.odt",
            form("<form:button form:label='planted'/>"),
            "planted",
            "",
        ),
    ]);
}

#[test]
fn word_documents_lose_no_margin() {
    let header = |body: &str| {
        docx(
            "",
            &[("header", "h.xml")],
            &[("word/h.xml", &format!("<w:hdr>{body}</w:hdr>"))],
        )
    };
    let field = |code: &str| {
        docx(
            &format!(
                "<w:p><w:r><w:fldChar w:fldCharType='begin'/></w:r><w:r><w:instrText>{code}</w:instrText></w:r><w:r><w:fldChar w:fldCharType='end'/></w:r></w:p>"
            ),
            &[],
            &[],
        )
    };
    check_all(&[
        (
            "a picture in a header",
            "a.docx",
            header("<w:p><w:r><w:drawing><a:blip r:embed='r0'/></w:drawing></w:r></w:p>"),
            "",
            "picture",
        ),
        (
            "the description of a picture in a header",
            "a.docx",
            header(
                "<w:p><w:r><w:drawing><wp:docPr descr='the planted logo'/><a:blip r:embed='r0'/></w:drawing></w:r></w:p>",
            ),
            "planted logo",
            "",
        ),
        (
            "a button's prompt",
            "a.docx",
            field(" MACROBUTTON NoMacro planted words "),
            "planted words",
            "",
        ),
        (
            "a symbol's field",
            "a.docx",
            field(" SYMBOL 254 \\f Wingdings "),
            "[x]",
            "",
        ),
        (
            "a formula's field",
            "a.docx",
            field(" EQ \\f(planted,2) "),
            "planted",
            "",
        ),
        (
            "a comment without a mark",
            "a.docx",
            docx(
                "<w:p><w:commentRangeStart w:id='0'/><w:r><w:t>x</w:t></w:r><w:commentRangeEnd w:id='0'/></w:p>",
                &[("comments", "comments.xml")],
                &[(
                    "word/comments.xml",
                    "<w:comments><w:comment w:id='0'><w:p><w:r><w:t>planted</w:t></w:r></w:p></w:comment></w:comments>",
                )],
            ),
            "planted",
            "",
        ),
    ]);
}

#[test]
fn workbooks_lose_no_margin() {
    let xlsx = |after: &str| {
        let sheet = format!(
            "<worksheet><sheetData><row r='1'><c r='A1' t='inlineStr'><is><t>one</t></is></c></row></sheetData>{after}</worksheet>"
        );
        container(&[
            (
                "xl/workbook.xml",
                "<workbook xmlns:r='r'><sheets><sheet name='One' r:id='r0'/></sheets></workbook>",
            ),
            (
                "xl/_rels/workbook.xml.rels",
                &relations(&[("worksheet", "worksheets/sheet1.xml")]),
            ),
            ("xl/worksheets/sheet1.xml", &sheet),
        ])
    };
    check_all(&[
        (
            "a list of choices",
            "a.xlsx",
            xlsx(
                "<dataValidations><dataValidation type='list' sqref='A1'><formula1>\"a,planted\"</formula1></dataValidation></dataValidations>",
            ),
            "a, planted",
            "",
        ),
        (
            "a message about a wrong value",
            "a.xlsx",
            xlsx(
                "<dataValidations><dataValidation type='whole' sqref='A1' errorTitle='t' error='planted words'/></dataValidations>",
            ),
            "planted words",
            "",
        ),
        (
            "a link's tip",
            "a.xlsx",
            xlsx(
                "<hyperlinks><hyperlink ref='A1' r:id='r0' tooltip='planted words'/></hyperlinks>",
            ),
            "planted words",
            "",
        ),
    ]);
}
