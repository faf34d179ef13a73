//! Tests that nothing is lost in the less common parts of notebooks, calendars, address cards, RTF files, tables,
//! subtitles, and markup.

use super::check_contains;

#[test]
fn notebooks_lose_no_part() {
    let output =
        |output: &str| format!(r#"{{"cell_type":"code","source":"x","outputs":[{output}]}}"#);
    let data = |data: &str| {
        output(&format!(
            r#"{{"output_type":"display_data","data":{{{data}}}}}"#
        ))
    };
    for (what, cell, text, note) in [
        (
            "a stream",
            output(r#"{"output_type":"stream","name":"stderr","text":["planted"]}"#),
            "planted",
            "",
        ),
        (
            "an error",
            output(r#"{"output_type":"error","ename":"E","evalue":"planted","traceback":["t"]}"#),
            "E: planted",
            "",
        ),
        (
            "a web page",
            data(r#""text/html":["<b>planted</b>"]"#),
            "planted",
            "",
        ),
        (
            "a formula",
            data(r#""text/latex":"$planted$""#),
            "planted",
            "",
        ),
        (
            "Markdown",
            data(r#""text/markdown":"planted""#),
            "planted",
            "",
        ),
        (
            "JSON",
            data(r#""application/json":{"a":"planted"}"#),
            "",
            "outputs",
        ),
        (
            "a widget",
            data(r#""application/vnd.plotly.v1+json":{}"#),
            "",
            "outputs",
        ),
        (
            "a drawing",
            data(r#""image/svg+xml":"<svg/>""#),
            "",
            "pictures",
        ),
        (
            "a raw cell",
            r#"{"cell_type":"raw","source":"planted"}"#.to_owned(),
            "planted",
            "",
        ),
        (
            "an attached picture",
            r#"{"cell_type":"markdown","source":"x","attachments":{"a.png":{"image/png":"QQ"}}}"#
                .to_owned(),
            "",
            "pictures",
        ),
    ] {
        let file = format!(
            r#"{{"cells":[{{"cell_type":"markdown","source":"Body."}},{cell}],"nbformat":4}}"#
        );
        check_contains(what, file.as_bytes(), "a.ipynb", text, note);
    }
}

#[test]
fn calendars_and_cards_lose_no_part() {
    for (what, line, text, note) in [
        ("a link", "ATTACH:http://planted.example/x", "planted", ""),
        (
            "a file",
            "ATTACH;ENCODING=BASE64;VALUE=BINARY:QUJD",
            "",
            "attached files",
        ),
        (
            "an alarm",
            "BEGIN:VALARM\r\nDESCRIPTION:planted\r\nEND:VALARM",
            "planted",
            "",
        ),
        ("a guest", "ATTENDEE;CN=planted:mailto:x@y.z", "planted", ""),
        ("a rule", "RRULE:FREQ=WEEKLY;COUNT=47", "47", ""),
        ("an exception", "EXDATE:20260108T100000Z", "2026-01-08", ""),
        (
            "a formatted text",
            "X-ALT-DESC;FMTTYPE=text/html:<b>planted</b>",
            "planted",
            "",
        ),
    ] {
        let file = format!(
            "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Body\r\n{line}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        );
        check_contains(what, file.as_bytes(), "a.ics", text, note);
    }
    for (what, line, text, note) in [
        ("a photo", "PHOTO;ENCODING=b;TYPE=JPEG:QUJD", "", "pictures"),
        ("a note", "NOTE:planted", "planted", ""),
        ("an own field", "X-SKYPE:planted", "planted", ""),
        (
            "a label",
            "item1.TEL:47 11\r\nitem1.X-ABLabel:planted",
            "planted",
            "",
        ),
        (
            "a folded value",
            "NOTE;ENCODING=QUOTED-PRINTABLE:pl=\r\nanted",
            "planted",
            "",
        ),
    ] {
        let file = format!("BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Body\r\n{line}\r\nEND:VCARD\r\n");
        check_contains(what, file.as_bytes(), "a.vcf", text, note);
    }
}

#[test]
fn rich_text_loses_no_part() {
    for (what, body, text, note) in [
        (
            "a footnote",
            "body{\\footnote planted} end",
            "[^1]: planted",
            "",
        ),
        (
            "a comment",
            "body{\\*\\atnid A}{\\*\\atnauthor Ann}{\\*\\annotation planted} end",
            "[comment: planted]",
            "",
        ),
        (
            "a text box",
            "body{\\shp{\\*\\shpinst{\\shptxt planted\\par}}} end",
            "planted",
            "",
        ),
        (
            "a field",
            "body{\\field{\\*\\fldinst DATE}{\\fldrslt planted}} end",
            "planted",
            "",
        ),
        (
            "deleted text",
            "body {\\deleted planted} end",
            "",
            "deleted",
        ),
        (
            "Unicode beside an old text",
            "body {\\upr{old}{\\*\\ud{planted}}} end",
            "body planted end",
            "",
        ),
        (
            "a number of a list",
            "{\\listtext 47.\\tab}item",
            "47. item",
            "",
        ),
        (
            "a sign of a list",
            "{\\pntext\\f3\\'b7\\tab}item",
            "- item",
            "",
        ),
        (
            "a check box",
            "a {\\field{\\*\\fldinst FORMCHECKBOX {\\*\\formfield{\\fftype1\\ffres1}}}{\\fldrslt}} b",
            "",
            "form fields",
        ),
        (
            "a drop-down list",
            "a {\\field{\\*\\fldinst FORMDROPDOWN {\\*\\formfield{\\fftype2{\\*\\ffl x}}}}{\\fldrslt}} b",
            "",
            "form fields",
        ),
        (
            "a formula",
            "body {\\mmath{\\*\\moMath{\\mr planted}}} end",
            "",
            "formulas",
        ),
    ] {
        let file = format!("{{\\rtf1 {body}\\par}}");
        check_contains(what, file.as_bytes(), "a.rtf", text, note);
    }
}

#[test]
fn tables_subtitles_and_markup_lose_no_part() {
    for (what, name, file, text, note) in [
        (
            "a line end in a cell",
            "a.csv",
            "a,b\n1,\"x\nplanted\"\n2,y\n",
            "planted",
            "",
        ),
        (
            "a long row",
            "a.csv",
            "a,b\n1,2,planted\n3,4\n5,6\n",
            "planted",
            "",
        ),
        (
            "an open quotation",
            "a.csv",
            "a,b\n1,\"x\n2,planted\n",
            "planted",
            "",
        ),
        (
            "a comment",
            "a.csv",
            "# planted\na,b\n1,2\n3,4\n",
            "planted",
            "",
        ),
        (
            "a nameless column",
            "a.csv",
            ",b\nplanted,2\n3,4\n",
            "planted",
            "",
        ),
        (
            "a line below",
            "a.csv",
            "a,b\n1,2\n3,4\n\nplanted 47\n",
            "planted",
            "",
        ),
        (
            "a note",
            "a.vtt",
            "WEBVTT\n\nNOTE planted\n\n00:00.000 --> 00:01.000\nBody\n",
            "",
            "notes",
        ),
        (
            "a speaker",
            "a.vtt",
            "WEBVTT\n\n00:00.000 --> 00:01.000\n<v planted>Body</v>\n",
            "planted",
            "",
        ),
        (
            "a property",
            "a.org",
            "* Body\n:PROPERTIES:\n:KEY: planted\n:END:\ntext\n",
            "planted",
            "",
        ),
        (
            "a comment",
            "a.rst",
            "Body\n====\n\n.. planted words\n\ntext\n",
            "planted",
            "comments",
        ),
        (
            "a footnote",
            "a.tex",
            "\\documentclass{a}\\begin{document}Body\\footnote{planted}\\end{document}",
            "planted",
            "",
        ),
        (
            "another file",
            "a.tex",
            "\\documentclass{a}\\begin{document}Body \\input{planted}\\end{document}",
            "planted",
            "",
        ),
        (
            "a picture",
            "a.tex",
            "\\documentclass{a}\\begin{document}Body \\includegraphics{planted}\\end{document}",
            "planted",
            "",
        ),
    ] {
        check_contains(what, file.as_bytes(), name, text, note);
    }
}
