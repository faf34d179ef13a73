//! Tests that nothing is lost in the less common parts of OpenDocument files: embedded objects, macros, recordings, and
//! notes.

use super::{check_contains, container};

fn odf(kind: &str, body: &str, head: &str, parts: &[(&str, &str)]) -> Vec<u8> {
    let content = format!(
        "<office:document-content><office:automatic-styles>{head}</office:automatic-styles><office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
    );
    let mimetype = format!("application/vnd.oasis.opendocument.{kind}");
    let mut files = vec![("mimetype", mimetype.as_str()), ("content.xml", &content)];
    files.extend(parts);
    container(&files)
}

#[test]
fn open_documents_lose_no_part() {
    let object = "<office:document-content><office:body><office:text><text:p>planted</text:p></office:text></office:body></office:document-content>";
    let chart = "<office:document-content><office:body><office:chart><chart:chart><chart:title><text:p>planted</text:p></chart:title></chart:chart></office:chart></office:body></office:document-content>";
    let formula = "<math><semantics><mrow><mi>x</mi></mrow><annotation encoding='StarMath 5.0'>planted</annotation></semantics></math>";
    let framed =
        "<text:p>Body.<draw:frame><draw:object xlink:href='./Object 1'/></draw:frame></text:p>";
    let text = |body: &str| odf("text", &format!("<text:p>Body.</text:p>{body}"), "", &[]);
    let sheet = |body: &str| {
        odf(
            "spreadsheet",
            &format!(
                "<table:table table:name='One'><table:table-row><table:table-cell><text:p>Body.</text:p>{body}</table:table-cell></table:table-row></table:table>"
            ),
            "",
            &[],
        )
    };
    let slide = |body: &str| {
        odf(
            "presentation",
            &format!(
                "<draw:page><draw:frame><draw:text-box><text:p>Body.</text:p></draw:text-box></draw:frame>{body}</draw:page>"
            ),
            "",
            &[],
        )
    };
    for (what, name, file, text, note) in [
        (
            "an embedded document",
            "a.odt",
            odf("text", framed, "", &[("Object 1/content.xml", object)]),
            "planted",
            "",
        ),
        (
            "an embedded chart",
            "a.odt",
            odf("text", framed, "", &[("Object 1/content.xml", chart)]),
            "planted",
            "",
        ),
        (
            "an embedded formula",
            "a.odt",
            odf("text", framed, "", &[("Object 1/content.xml", formula)]),
            "planted",
            "objects",
        ),
        (
            "an inline formula",
            "a.odt",
            text(
                "<text:p><draw:frame><draw:object><math:math><math:mi>planted</math:mi></math:math></draw:object></draw:frame></text:p>",
            ),
            "planted",
            "objects",
        ),
        (
            "a program",
            "a.odt",
            odf(
                "text",
                "<text:p>Body.</text:p>",
                "",
                &[(
                    "Basic/Standard/Module1.xml",
                    "<script:module>planted</script:module>",
                )],
            ),
            "",
            "program",
        ),
        (
            "a python program",
            "a.ods",
            odf(
                "spreadsheet",
                "<table:table><table:table-row><table:table-cell><text:p>Body.</text:p></table:table-cell></table:table-row></table:table>",
                "",
                &[("Scripts/python/planted.py", "x")],
            ),
            "",
            "planted.py",
        ),
        (
            "a footnote",
            "a.odt",
            text(
                "<text:p>a<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>planted</text:p></text:note-body></text:note></text:p>",
            ),
            "planted",
            "",
        ),
        (
            "a comment",
            "a.odt",
            text(
                "<text:p>a<office:annotation><dc:creator>Ann</dc:creator><text:p>planted</text:p></office:annotation></text:p>",
            ),
            "planted",
            "",
        ),
        (
            "a description",
            "a.odt",
            text(
                "<text:p><draw:frame><draw:image/><svg:desc>a planted view</svg:desc></draw:frame></text:p>",
            ),
            "planted",
            "",
        ),
        (
            "a placeholder",
            "a.odt",
            text("<text:p><text:placeholder>planted</text:placeholder></text:p>"),
            "planted",
            "",
        ),
        (
            "a shape",
            "a.odt",
            text(
                "<text:p><draw:custom-shape><text:p>planted</text:p></draw:custom-shape></text:p>",
            ),
            "planted",
            "",
        ),
        (
            "a ruby",
            "a.odt",
            text(
                "<text:p><text:ruby><text:ruby-base>a</text:ruby-base><text:ruby-text>planted</text:ruby-text></text:ruby></text:p>",
            ),
            "planted",
            "",
        ),
        (
            "an input field",
            "a.odt",
            text("<text:p><text:text-input>planted</text:text-input></text:p>"),
            "planted",
            "",
        ),
        (
            "a drop-down",
            "a.odt",
            text(
                "<text:p><text:drop-down><text:label text:value='x'/>planted</text:drop-down></text:p>",
            ),
            "planted",
            "",
        ),
        (
            "a hidden paragraph",
            "a.odt",
            text(
                "<text:hidden-paragraph/><text:p><text:hidden-paragraph text:is-hidden='true'/>planted</text:p>",
            ),
            "planted",
            "hidden",
        ),
        (
            "a plugin",
            "a.odt",
            text(
                "<text:p><draw:frame><draw:plugin xlink:href='Media/planted.mp4'/></draw:frame></text:p>",
            ),
            "",
            "planted.mp4",
        ),
        (
            "an applet",
            "a.odt",
            text(
                "<text:p><draw:frame><draw:floating-frame xlink:href='planted.html'/></draw:frame></text:p>",
            ),
            "",
            "planted.html",
        ),
        (
            "a list number",
            "a.odt",
            text(
                "<text:list><text:list-item><text:p>planted</text:p></text:list-item></text:list>",
            ),
            "planted",
            "",
        ),
        (
            "a comment of a cell",
            "a.ods",
            sheet("<office:annotation><text:p>planted</text:p></office:annotation>"),
            "planted",
            "",
        ),
        (
            "a shape on a sheet",
            "a.ods",
            odf(
                "spreadsheet",
                "<table:table table:name='One'><table:shapes><draw:custom-shape><text:p>planted</text:p></draw:custom-shape></table:shapes><table:table-row><table:table-cell><text:p>x</text:p></table:table-cell></table:table-row></table:table>",
                "",
                &[],
            ),
            "planted",
            "",
        ),
        (
            "a chart on a sheet",
            "a.ods",
            odf(
                "spreadsheet",
                "<table:table table:name='One'><table:shapes><draw:frame><draw:object xlink:href='./Object 1'/></draw:frame></table:shapes><table:table-row><table:table-cell><text:p>x</text:p></table:table-cell></table:table-row></table:table>",
                "",
                &[("Object 1/content.xml", chart)],
            ),
            "planted",
            "",
        ),
        (
            "hidden columns",
            "a.ods",
            odf(
                "spreadsheet",
                "<table:table table:name='One'><table:table-column table:visibility='collapse'/><table:table-row><table:table-cell><text:p>x</text:p></table:table-cell></table:table-row></table:table>",
                "",
                &[],
            ),
            "",
            "hidden columns",
        ),
        (
            "a covered cell with text",
            "a.ods",
            odf(
                "spreadsheet",
                "<table:table table:name='One'><table:table-row><table:table-cell table:number-columns-spanned='2'><text:p>x</text:p></table:table-cell><table:covered-table-cell><text:p>planted</text:p></table:covered-table-cell></table:table-row></table:table>",
                "",
                &[],
            ),
            "planted",
            "",
        ),
        (
            "an error cell",
            "a.ods",
            odf(
                "spreadsheet",
                "<table:table table:name='One'><table:table-row><table:table-cell office:value-type='float' office:value='47'/></table:table-row><table:table-row><table:table-cell><text:p>x</text:p></table:table-cell></table:table-row></table:table>",
                "",
                &[],
            ),
            "47",
            "",
        ),
        (
            "speaker notes",
            "a.odp",
            slide(
                "<presentation:notes><draw:frame><draw:text-box><text:p>planted</text:p></draw:text-box></draw:frame></presentation:notes>",
            ),
            "planted",
            "",
        ),
        (
            "a comment on a slide",
            "a.odp",
            slide(
                "<office:annotation><dc:creator>Ann</dc:creator><text:p>planted</text:p></office:annotation>",
            ),
            "planted",
            "",
        ),
        (
            "a slide footer",
            "a.odp",
            odf(
                "presentation",
                "<presentation:footer-decl presentation:name='f'>planted</presentation:footer-decl><draw:page presentation:use-footer-name='f'><draw:frame><draw:text-box><text:p>Body.</text:p></draw:text-box></draw:frame></draw:page>",
                "",
                &[],
            ),
            "[footer: planted]",
            "",
        ),
        (
            "a slide table",
            "a.odp",
            slide(
                "<draw:frame><table:table><table:table-row><table:table-cell><text:p>planted</text:p></table:table-cell></table:table-row></table:table></draw:frame>",
            ),
            "planted",
            "",
        ),
        (
            "a slide recording",
            "a.odp",
            slide("<draw:frame><draw:plugin xlink:href='Media/planted.mp4'/></draw:frame>"),
            "",
            "planted.mp4",
        ),
        (
            "a slide object",
            "a.odp",
            odf(
                "presentation",
                "<draw:page><draw:frame><draw:text-box><text:p>Body.</text:p></draw:text-box></draw:frame><draw:frame><draw:object xlink:href='./Object 1'/></draw:frame></draw:page>",
                "",
                &[("Object 1/content.xml", chart)],
            ),
            "planted",
            "",
        ),
    ] {
        check_contains(what, &file, name, text, note);
    }
}
