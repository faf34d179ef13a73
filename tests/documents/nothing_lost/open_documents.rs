//! Tests that nothing is lost in OpenDocument texts, spreadsheets, and presentations.

use super::{check_contains, container};

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
            "an embedded sheet",
            "",
            "<text:p><draw:frame><draw:object xlink:href='./Object 1'/></draw:frame></text:p>",
            "",
            "objects",
        ),
        (
            "a hidden section",
            "",
            "<text:section text:display='none'><text:p>planted</text:p></text:section>",
            "",
            "hidden",
        ),
        (
            "a hidden field",
            "",
            "<text:p><text:hidden-text text:string-value='planted'/></text:p>",
            "",
            "hidden",
        ),
        (
            "a formula without a value",
            "",
            "<table:table><table:table-row><table:table-cell table:formula='of:=SUM([.B1])'/><table:table-cell><text:p>x</text:p></table:table-cell></table:table-row></table:table>",
            "=SUM([.B1])",
            "",
        ),
        (
            "a filled field",
            "",
            "<office:forms><form:text form:current-value='planted'/></office:forms>",
            "planted",
            "",
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
        check_contains(what, &file, "a.odt", text, note);
    }
}
