//! Tests that nothing is lost in email headers, LaTeX macros, legacy RTF text boxes, replies of calendar
//! attendees, archive links, and notes beyond the maximum number.

use std::fmt::Write as _;
use std::io::Write as _;

use super::{check_all, container, text_and_notes};

#[test]
fn emails_lose_no_header_that_people_read() {
    let mail = |field: &str| {
        format!("From: Ann <a@b.c>\nTo: d@e.f\n{field}\nSubject: S\nDate: Thu, 1 Jan 2026 10:00:00 +0000\n\nBody.\n").into_bytes()
    };
    let fields = [
        "Reply-To: planted@x.y",
        "Sender: planted@x.y",
        "Bcc: planted@x.y",
        "To: planted@x.y",
        "Resent-From: planted@x.y",
        "Resent-To: planted@x.y",
        "Organization: planted",
        "Importance: planted",
        "Keywords: planted",
        "Comments: planted",
        "Expires: planted",
        "Newsgroups: planted",
    ];
    let planted: Vec<_> = fields
        .iter()
        .map(|field| (*field, "a.eml", mail(field), "planted", ""))
        .collect();
    check_all(&planted);
    // A header field that only repeats another one is not included twice.
    let (text, _) = text_and_notes(&mail("Sender: a@b.c\nReply-To: Ann <a@b.c>"), "a.eml");
    assert_eq!(text.matches("a@b.c").count(), 1, "{text}");
}

/// Some programs attach a file only to the HTML version of an email, although the plain text is the version that is
/// read.
#[test]
fn emails_lose_no_file_of_an_alternative() {
    let mail = |kind: &str, file: &str| {
        format!(
            "From: a@b.c\nSubject: S\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n\n\
             --b\nContent-Type: text/plain\n\nBody.\n--b\nContent-Type: multipart/{kind}; boundary=c\n\n\
             --c\nContent-Type: text/html\n\n<p>Body.\n--c\n{file}\n--c--\n--b--\n"
        )
        .into_bytes()
    };
    let table = "Content-Type: text/csv; name=a.csv\nContent-Disposition: attachment; filename=a.csv\n\nk,v\nplanted,1";
    let picture = "Content-Type: image/png; name=planted.png\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo=";
    check_all(&[
        ("a table", "a.eml", mail("mixed", table), "k: planted", ""),
        (
            "a picture",
            "a.eml",
            mail("related", picture),
            "",
            "planted.png",
        ),
    ]);
    let (text, _) = text_and_notes(&mail("mixed", table), "a.eml");
    assert_eq!(text.matches("Body.").count(), 1, "{text}");
}

#[test]
fn latex_loses_no_text() {
    let tex = |head: &str, body: &str, end: &str| {
        format!("\\documentclass{{a}}{head}\\begin{{document}}Body. {body}\\end{{document}}{end}")
            .into_bytes()
    };
    check_all(&[
        (
            "a macro's text",
            "a.tex",
            tex(
                "\\newcommand{\\proj}{Planted Project}",
                "The \\proj{} ends.",
                "",
            ),
            "The Planted Project ends",
            "",
        ),
        (
            "an old macro's text",
            "a.tex",
            tex("\\def\\proj{Planted Project}", "The \\proj.", ""),
            "The Planted Project.",
            "",
        ),
        (
            "a macro with an argument",
            "a.tex",
            tex(
                "\\newcommand{\\note}[1]{Note of #1: planted}",
                "\\note{Ann}",
                "",
            ),
            "Note of Ann: planted",
            "",
        ),
        (
            "a macro with a default",
            "a.tex",
            tex(
                "\\newcommand{\\note}[2][Bob]{#1 says #2}",
                "\\note{planted} \\note[Eve]{no}",
                "",
            ),
            "Bob says planted Eve says no",
            "",
        ),
        (
            "an unknown macro's argument",
            "a.tex",
            tex("", "\\strange{planted}", ""),
            "planted",
            "",
        ),
        (
            "a subtitle",
            "a.tex",
            tex("\\subtitle{planted}", "", ""),
            "planted",
            "",
        ),
        (
            "an institute",
            "a.tex",
            tex("\\institute{planted}", "", ""),
            "planted",
            "",
        ),
        (
            "an affiliation",
            "a.tex",
            tex("\\affiliation{planted}", "", ""),
            "planted",
            "",
        ),
        (
            "key words",
            "a.tex",
            tex("\\keywords{planted}", "", ""),
            "planted",
            "",
        ),
        (
            "an abstract before the body",
            "a.tex",
            tex("\\begin{abstract}planted\\end{abstract}", "", ""),
            "planted",
            "",
        ),
        (
            "text after the end",
            "a.tex",
            tex("", "", "\nplanted\n"),
            "",
            "after the end",
        ),
        (
            "a commented part",
            "a.tex",
            tex("", "\\begin{comment}planted\\end{comment}", ""),
            "",
            "comments",
        ),
        (
            "a disabled part",
            "a.tex",
            tex("", "\\iffalse planted \\fi", ""),
            "",
            "comments",
        ),
    ]);
    // The expansion of a macro that contains itself must end.
    let (text, _) = text_and_notes(&tex("\\def\\a{x\\a\\a}", "\\a", ""), "a.tex");
    assert!(
        text.contains("Body") && text.len() < 200_000,
        "{}",
        text.len()
    );
}

#[test]
fn other_texts_lose_nothing() {
    let mut many: Vec<(String, &str)> = (0..60)
        .map(|n| (format!("f{n}.bin"), "MZ\0\x01\x02"))
        .collect();
    many.push(("a.txt".to_owned(), "Body."));
    let many: Vec<(&str, &str)> = many
        .iter()
        .map(|(name, content)| (name.as_str(), *content))
        .collect();
    let mut rows = String::new();
    for status in ["DECLINED", "TENTATIVE"] {
        let _ = write!(
            rows,
            "ATTENDEE;PARTSTAT={status};CN=planted:mailto:x@y.z\r\n"
        );
    }
    let event = |line: &str| {
        format!("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Body\r\n{line}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n").into_bytes()
    };
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(5);
    tar.append_data(&mut header, "a.txt", &b"Body."[..])
        .unwrap();
    let mut link = tar::Header::new_ustar();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    tar.append_link(&mut link, "planted.txt", "elsewhere.txt")
        .unwrap();
    let packed = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    check_all(&[
        (
            "remarks beyond the limit",
            "a.zip",
            container(&many),
            "",
            "more remarks",
        ),
        (
            "a guest's answer",
            "a.ics",
            event(rows.trim_end()),
            "declined",
            "",
        ),
        (
            "a link in an archive",
            "a.tar",
            tar.into_inner().unwrap(),
            "",
            "planted.txt",
        ),
        (
            "a second part",
            "a.txt.gz",
            [packed("Body. "), packed("planted words")].concat(),
            "planted",
            "",
        ),
        (
            "an old text box",
            "a.rtf",
            b"{\\rtf1 body {\\*\\do\\dobxpage{\\dptxbxtext planted\\par}} end\\par}".to_vec(),
            "planted",
            "",
        ),
        (
            "a drawing's variable is no text",
            "a.rtf",
            b"{\\rtf1 body {\\*\\docvar {x}{y}} planted\\par}".to_vec(),
            "body  planted",
            "",
        ),
        (
            "a picture that is a link",
            "a.md",
            b"# Body\n\n![planted](x.png)\n".to_vec(),
            "planted",
            "",
        ),
        (
            "a comment of Markdown",
            "a.md",
            b"# Body\n\n<!-- planted -->\n".to_vec(),
            "planted",
            "",
        ),
        (
            "front matter",
            "a.md",
            b"---\ntitle: planted\n---\n# Body\n\ntext\n".to_vec(),
            "planted",
            "",
        ),
    ]);
}
