//! Tests that nothing is lost in the less common parts of web pages and emails: forms, alternative versions, nested
//! attachments, and hidden parts of a page.

use super::check_contains;

fn page(body: &str) -> String {
    format!("<!doctype html><title>T</title><p>Body.</p>{body}")
}

#[test]
fn web_pages_lose_no_part() {
    for (what, body, text, note) in [
        (
            "noscript",
            "<noscript>planted</noscript>",
            "",
            "hidden parts",
        ),
        (
            "a template",
            "<template><p>planted</p></template>",
            "",
            "hidden parts",
        ),
        (
            "details",
            "<details><summary>s</summary>planted</details>",
            "planted",
            "",
        ),
        (
            "a description",
            "<img alt='planted view' src=x>",
            "planted",
            "",
        ),
        ("a picture", "<img src=x>", "", "picture"),
        (
            "a picture in the page",
            "<img src='data:image/png;base64,QQ=='>",
            "",
            "picture",
        ),
        (
            "a page in the page",
            "<iframe srcdoc='<p>planted'></iframe>",
            "",
            "embedded",
        ),
        ("a canvas", "<canvas>planted</canvas>", "", "hidden parts"),
        (
            "an object",
            "<object data='planted.pdf'></object>",
            "",
            "embedded",
        ),
        (
            "a replaced text",
            "<object data=x>planted</object>",
            "",
            "embedded",
        ),
        (
            "an embedded file",
            "<embed src='planted.pdf'>",
            "",
            "embedded",
        ),
        ("a video", "<video>planted</video>", "", "videos"),
        (
            "a hidden part",
            "<div hidden>planted</div>",
            "",
            "hidden parts",
        ),
        (
            "an invisible part",
            "<p style='visibility: hidden'>planted</p>",
            "",
            "hidden parts",
        ),
        ("a dialog", "<dialog open>planted</dialog>", "planted", ""),
        (
            "a long field",
            "<textarea>planted</textarea>",
            "planted",
            "",
        ),
        (
            "a list without a choice",
            "<select><option>planted<option>x</select>",
            "",
            "hidden parts",
        ),
        (
            "a reading aid",
            "<ruby>漢<rp>(</rp><rt>planted</rt><rp>)</rp></ruby>",
            "",
            "reading aids",
        ),
        ("a footer", "<footer>planted</footer>", "", "footers"),
        ("an aside", "<aside>planted</aside>", "planted", ""),
        (
            "a caption",
            "<table><caption>planted</caption><tr><td>x</table>",
            "planted",
            "",
        ),
        (
            "a legend",
            "<figure><figcaption>planted</figcaption></figure>",
            "planted",
            "",
        ),
        ("a formula", "<math><mi>planted</mi></math>", "planted", ""),
        ("an old element", "<xmp>planted</xmp>", "planted", ""),
        (
            "frames",
            "<frameset><frame src='a.html'></frameset>",
            "",
            "embedded",
        ),
    ] {
        check_contains(what, page(body).as_bytes(), "a.html", text, note);
    }
}

fn mail(kind: &str, parts: &[(&str, &str)]) -> String {
    let parts: String = parts
        .iter()
        .map(|(head, body)| format!("--b\nContent-Type: {head}\n\n{body}\n"))
        .collect();
    format!(
        "From: a@b.c\nSubject: S\nMIME-Version: 1.0\nContent-Type: multipart/{kind}; boundary=b\n\n\
         --b\nContent-Type: text/plain\n\nBody.\n{parts}--b--\n"
    )
}

#[test]
fn emails_lose_no_part() {
    let attached = "multipart/mixed; boundary=c";
    let inner = format!(
        "From: x@y.z\nSubject: inner\nContent-Type: {attached}\n\n--c\nContent-Type: text/plain\n\ninner\n\
         --c\nContent-Type: text/plain; name=a.txt\nContent-Disposition: attachment; filename=a.txt\n\nplanted\n--c--"
    );
    let letter = format!("<p>{}</p>", "planted words of the letter ".repeat(6));
    let related = format!("--c\nContent-Type: text/html\n\n{letter}\n--c--");
    let event =
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:S\nLOCATION:planted\nEND:VEVENT\nEND:VCALENDAR";
    let files = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:S\nATTACH;ENCODING=BASE64:QUJD\nEND:VEVENT\nEND:VCALENDAR";
    let base64 = "\nContent-Transfer-Encoding: base64";
    let packed = |media: &str| format!("{media}{base64}");
    for (what, kind, head, body, text, note) in [
        (
            "a web page with more text",
            "alternative",
            "text/html",
            &*letter,
            "planted",
            "",
        ),
        (
            "one with pictures",
            "alternative",
            "multipart/related; boundary=c",
            &*related,
            "planted",
            "",
        ),
        (
            "a file in a forwarded email",
            "mixed",
            "message/rfc822",
            &*inner,
            "planted",
            "",
        ),
        (
            "a delivery report",
            "report",
            "message/delivery-status",
            "Reporting-MTA: dns; planted",
            "planted",
            "",
        ),
        (
            "an encrypted part",
            "encrypted",
            "application/octet-stream; name=planted.asc",
            "-----BEGIN PGP MESSAGE-----",
            "BEGIN PGP",
            "",
        ),
        (
            "Outlook's package",
            "mixed",
            &*packed("application/ms-tnef; name=winmail.dat"),
            "eJ8+IgAAAA==",
            "",
            "winmail.dat",
        ),
        (
            "a picture",
            "related",
            &*packed("image/png; name=planted.png"),
            "iVBORw0KGgo=",
            "",
            "planted.png",
        ),
        (
            "a nameless file",
            "mixed",
            &*packed("application/octet-stream"),
            "f0VMRgI=",
            "",
            "attachment",
        ),
        (
            "an invitation",
            "mixed",
            "text/calendar",
            event,
            "planted",
            "",
        ),
        (
            "a file in an invitation",
            "mixed",
            "text/calendar",
            files,
            "",
            "attached files",
        ),
        (
            "a card",
            "mixed",
            "text/vcard",
            "BEGIN:VCARD\nFN:A\nNOTE:planted\nEND:VCARD",
            "planted",
            "",
        ),
        (
            "rich text",
            "mixed",
            "text/rtf; name=a.rtf",
            "{\\rtf1 planted\\par}",
            "planted",
            "",
        ),
        (
            "a second text",
            "mixed",
            "text/plain",
            "planted",
            "planted",
            "",
        ),
    ] {
        let file = mail(kind, &[(head, body)]);
        check_contains(what, file.as_bytes(), "a.eml", text, note);
        let mailbox = format!("From a@b.c Thu Jan  1 00:00:00 2026\n{file}\n");
        check_contains(what, mailbox.as_bytes(), "a.mbox", text, note);
    }
    let saved = "From: x\nSubject: S\nMIME-Version: 1.0\nContent-Type: multipart/related; type=\"text/html\"; boundary=b\n\n\
                 --b\nContent-Type: text/html\nContent-Location: http://a/\n\n<p>Body.<iframe src='http://a/f'></iframe>\n\
                 --b\nContent-Type: text/html\nContent-Location: http://a/f\n\n<p>planted\n--b--\n";
    check_contains("a frame", saved.as_bytes(), "a.mhtml", "planted", "");
}

/// If a short plain text has all of the content of the HTML version, the plain text is used.
#[test]
fn a_complete_plain_text_is_preferred() {
    let file = mail("alternative", &[("text/html", "<p>Body. More</p>")]);
    let (text, _) = super::text_and_notes(file.as_bytes(), "a.eml");
    assert!(text.contains("Body.") && !text.contains("More"), "{text}");
}
