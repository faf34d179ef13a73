//! Emails: sender, recipients, date, and subject, then the text, then readable attachments under their names. If the
//! text comes in several versions, the plain one is preferred. Does not follow links or fetch anything.

mod alternatives;
mod flowed;
mod header;
pub(super) mod mailbox;

use super::output::Output;
use super::{FileInput, Unreadable, calendar, charset, html, read_contained_file};

use header::{MailField, decode_body, decode_words};

pub(super) use header::quoted_printable as quoted;

/// Maximum number of MIME parts read.
const MAX_PARTS: usize = 1_000;
/// Maximum depth of nested MIME parts.
const MAX_DEPTH: usize = 200;
/// Header fields to include, in this order. The others are for transport.
const SHOWN_FIELDS: &[&str] = &[
    "From",
    "Sender",
    "Reply-To",
    "Organization",
    "Resent-From",
    "Resent-To",
    "To",
    "Cc",
    "Bcc",
    "Newsgroups",
    "Date",
    "Expires",
    "Importance",
    "Subject",
    "Keywords",
    "Comments",
];
/// Header fields that are typical of emails. Several of them together identify an email.
const EMAIL_FIELDS: &[&str] = &[
    "from",
    "to",
    "subject",
    "date",
    "received",
    "return-path",
    "message-id",
    "mime-version",
    "delivered-to",
    "content-type",
    "sender",
    "reply-to",
    "x-mailer",
];

/// Returns whether the text starts with an email header. With `has_mail_extension` (the file name indicates an
/// email), fewer fields suffice.
pub(super) fn is_mail(bytes: &[u8], has_mail_extension: bool) -> bool {
    let head = &bytes[..bytes.len().min(64 << 10)];
    let (fields, _) = header::split(head);
    let matching_fields = EMAIL_FIELDS
        .iter()
        .filter(|sign| fields.iter().any(|field| field.has_name(sign)));
    let origin_fields = [
        "from",
        "received",
        "return-path",
        "message-id",
        "mime-version",
        "delivered-to",
    ];
    let has_origin = fields
        .iter()
        .any(|field| origin_fields.iter().any(|name| field.has_name(name)));
    matching_fields.count() >= if has_mail_extension { 1 } else { 3 }
        && (has_mail_extension || has_origin)
}

/// Converts an email saved in UTF-16 to UTF-8. Returns `None` if it does not start with a UTF-16 byte order mark.
pub(super) fn utf16_to_utf8(bytes: &[u8]) -> Option<Vec<u8>> {
    let is_wide = bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF");
    let decoded = is_wide
        .then(|| charset::decode(bytes, None).ok())
        .flatten()?;
    Some(decoded.text.into_bytes())
}

/// Reads an email.
///
/// # Errors
/// Never fails, because even an email without text has a header. The signature matches the other readers'.
pub(super) fn read(input: &FileInput<'_>, out: &mut Output<'_>) -> Result<(), Unreadable> {
    let (fields, body) = header::split(input.bytes);
    let mut mail = Mail::default();
    let head = shown_fields(&fields);
    mail.read_part(&fields, body, 0);
    let subject = fields.iter().find(|field| field.has_name("subject"));
    let subject: String = subject
        .map(|field| decode_words(field.value))
        .unwrap_or_default();
    let subject: String = subject.chars().take(300).collect();
    let text = format!("{head}\n{}", mail.text.trim_start_matches('\n'));
    // The output is full; the text so far has been passed on.
    if out.add_sections(&subject, &text).is_err() {
        return Ok(());
    }
    mail.notes.into_iter().for_each(|note| out.add_note(note));
    for (name, bytes) in mail.attachments {
        let file = FileInput {
            bytes: &bytes,
            name: &name,
            encoding: None,
            limits: input.limits,
        };
        if let Err(reason) = read_contained_file(&file, out) {
            out.add_note(format!("attachment {name}: {}", reason.message()));
        }
        if out.is_full() {
            break;
        }
    }
    Ok(())
}

/// Formats the header lines that matter to a reader. Omits a sender or reply address that is the same as the author's,
/// and normal importance.
fn shown_fields(fields: &[MailField<'_>]) -> String {
    let address = |text: &str| {
        let inner = text.rsplit_once('<').map_or(text, |(_, inner)| inner);
        inner.trim_matches(['>', ' ']).to_lowercase()
    };
    let (mut lines, mut author) = (String::new(), String::new());
    for name in SHOWN_FIELDS {
        for field in fields.iter().filter(|field| field.has_name(name)) {
            let value = decode_words(field.value);
            let is_known = match *name {
                "From" => {
                    author = address(&value);
                    false
                }
                "Sender" | "Reply-To" => address(&value) == author,
                "Importance" => value.eq_ignore_ascii_case("normal"),
                _ => false,
            };
            if !is_known {
                lines.push_str(&format!("{name}: {value}\n"));
            }
        }
    }
    lines
}

#[derive(Default)]
struct Mail {
    text: String,
    attachments: Vec<(String, Vec<u8>)>,
    notes: Vec<String>,
    part_count: usize,
}

impl Mail {
    fn read_part(&mut self, fields: &[MailField<'_>], body: &[u8], level: usize) {
        self.part_count += 1;
        if self.part_count > MAX_PARTS || level > MAX_DEPTH {
            self.notes
                .push("the email has more parts than are read".to_owned());
            self.notes.dedup();
            return;
        }
        let kind = header::parameters(fields, "content-type");
        let disposition = header::parameters(fields, "content-disposition");
        let media = if kind.value.is_empty() {
            "text/plain"
        } else {
            kind.value.as_str()
        };
        if let Some(subtype) = media.strip_prefix("multipart/")
            && let Some(boundary) = kind.get("boundary")
        {
            return self.read_parts(subtype, boundary, body, level);
        }
        let content = decode_body(fields, body);
        let name = disposition.get("filename").or_else(|| kind.get("name"));
        let attachments =
            disposition.value == "attachment" || (name.is_some() && disposition.value != "inline");
        match media {
            "text/plain" if !attachments => {
                let text = decode_text(&content, kind.get("charset"));
                let is_flowed = kind
                    .get("format")
                    .is_some_and(|f| f.eq_ignore_ascii_case("flowed"));
                let deletes_space = kind
                    .get("delsp")
                    .is_some_and(|d| d.eq_ignore_ascii_case("yes"));
                self.push_text(&if is_flowed {
                    flowed::join_lines(&text, deletes_space)
                } else {
                    text
                });
            }
            "text/calendar" if !attachments => {
                let (text, notes) = calendar::render(&decode_text(&content, kind.get("charset")));
                self.push_text(&text);
                self.notes.extend(notes);
            }
            // Styles, scripts, and fonts belong to a saved page and are skipped.
            _ if is_style_asset(media) && disposition.value != "attachment" => {}
            "text/html" if !attachments => {
                let page = decode_text(&content, kind.get("charset"));
                let reading = html::body(&page, super::ReadLimits::default().text, false);
                self.push_text(&reading.text);
                self.notes.extend(reading.notes);
            }
            _ => {
                let name = match name {
                    Some(name) => name.to_owned(),
                    None if media == "message/rfc822" => "forwarded message.eml".to_owned(),
                    None => media.to_owned(),
                };
                // Cryptographic signatures are for programs, so they are not attachments.
                if !matches!(
                    media,
                    "application/pgp-signature" | "application/pkcs7-signature"
                ) {
                    self.attachments.push((name, content));
                }
            }
        }
    }

    fn read_parts(&mut self, subtype: &str, boundary: &str, body: &[u8], level: usize) {
        let parts: Vec<_> = split_parts(body, boundary)
            .into_iter()
            .map(header::split)
            .collect();
        if subtype != "alternative" {
            for (fields, body) in &parts {
                self.read_part(fields, body, level + 1);
            }
            return;
        }
        // Prefer the plain-text alternative. If it is empty, as some programs leave it, prefer the others.
        let media = |fields: &[MailField<'_>]| header::parameters(fields, "content-type").value;
        let rank = |(fields, body): &&(Vec<MailField<'_>>, &[u8])| match media(fields).as_str() {
            "text/plain" | "" => {
                let content = decode_body(fields, body);
                if content.iter().all(u8::is_ascii_whitespace) {
                    9
                } else {
                    0
                }
            }
            kind if kind.starts_with("multipart/") => 1,
            "text/html" => 2,
            "text/calendar" => 4,
            _ => 3,
        };
        let chosen_part = parts.iter().min_by_key(rank);
        if let Some(chosen_part) =
            chosen_part.map(|plain| alternatives::more_complete_part(plain, &parts))
        {
            self.read_part(&chosen_part.0, chosen_part.1, level + 1);
            for other in parts
                .iter()
                .filter(|other| !std::ptr::eq(*other, chosen_part))
            {
                self.read_files(&other.0, other.1, level + 1);
            }
        }
        // An invitation has its time and place only in its calendar part.
        for (fields, body) in &parts {
            if media(fields) == "text/calendar" {
                self.read_part(fields, body, level + 1);
            }
        }
    }

    /// Reads the files in a part whose text was not chosen, because some programs attach files only to the HTML
    /// version.
    fn read_files(&mut self, fields: &[MailField<'_>], body: &[u8], level: usize) {
        let kind = header::parameters(fields, "content-type");
        let is_file = header::parameters(fields, "content-disposition").value == "attachment";
        match (&*kind.value, kind.get("boundary")) {
            (media, Some(boundary)) if media.starts_with("multipart/") && level < MAX_DEPTH => {
                for (fields, body) in split_parts(body, boundary).into_iter().map(header::split) {
                    self.read_files(&fields, body, level + 1);
                }
            }
            (media, _) if !is_file && (media.is_empty() || media.starts_with("text/")) => {}
            _ => self.read_part(fields, body, level),
        }
    }

    fn push_text(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push_str("\n\n");
        }
        self.text.push_str(text.trim_end());
    }
}

/// Returns whether a part contains only styles, scripts, or fonts for other parts.
fn is_style_asset(media: &str) -> bool {
    matches!(
        media,
        "text/css" | "text/javascript" | "application/javascript" | "application/x-javascript"
    ) || media.starts_with("font/")
        || media.starts_with("application/font")
}

/// Decodes bytes in the encoding that the part declares, or in the detected encoding if the declared one is unknown.
fn decode_text(bytes: &[u8], label: Option<&str>) -> String {
    let label = label.filter(|label| encoding_rs::Encoding::for_label(label.as_bytes()).is_some());
    let read = charset::decode(bytes, label).or_else(|_| charset::decode(bytes, None));
    read.map(|decoded| decoded.text).unwrap_or_default()
}

/// Splits a multipart body at its `--boundary` lines.
fn split_parts<'a>(body: &'a [u8], boundary: &str) -> Vec<&'a [u8]> {
    let mark = format!("--{boundary}");
    let (mut parts, mut start, mut at) = (Vec::new(), None, 0);
    while at < body.len() && parts.len() < MAX_PARTS {
        let line = &body[at..];
        let length = line
            .iter()
            .position(|&byte| byte == b'\n')
            .map_or(line.len(), |end| end + 1);
        if line.starts_with(mark.as_bytes()) {
            let rest = line[mark.len()..length].trim_ascii();
            if rest.is_empty() || rest == b"--" {
                if let Some(start) = start.take() {
                    parts.push(&body[start..at]);
                }
                if rest == b"--" {
                    return parts;
                }
                start = Some(at + length);
            }
        }
        at += length;
    }
    // In a truncated email, the last part extends to the end.
    parts.extend(start.map(|start| &body[start.min(body.len())..]));
    parts
}

#[cfg(test)]
mod tests {
    use super::super::tests::read;
    use crate::extract::ReadLimits;
    use crate::extract::zip::pack;

    fn check(mail: &str, expected: &[(&str, &str)]) -> Vec<String> {
        let (report, pages) =
            read(mail.as_bytes(), "upload", &ReadLimits::default()).expect("readable");
        let titled_pages: Vec<_> = pages
            .iter()
            .map(|p| (p.title.as_str(), p.text.as_str()))
            .collect();
        assert_eq!((report.kind, &titled_pages[..]), ("eml", expected));
        report.notes
    }

    #[test]
    fn a_plain_email_in_any_encoding_is_read() {
        check(
            "Received: by x\r\nFrom: =?utf-8?Q?J=C3=B6rg?= =?utf-8?B?IE0u?= <j@x.org>\r\nTo: a@b.c\r\nSubject: =?iso-8859-1?q?Gr=FC=DFe?= und\r\n mehr\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nSch=F6ne Gr=FC=\r\n=DFe!\r\n",
            &[(
                "Grüße und mehr",
                "From: Jörg M. <j@x.org>\nTo: a@b.c\nDate: Mon, 1 Jan 2024 10:00:00 +0000\nSubject: Grüße und mehr\n\nSchöne Grüße!",
            )],
        );
    }

    #[test]
    fn plain_text_is_preferred_and_readable_attachments_are_read() {
        let zip = base64(&pack(&[("in.txt", b"zipped words")]));
        let mail = format!(
            "From: a@b.c\nTo: d@e.f\nSubject: S\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"o u\"\n\npreamble\n--o u\nContent-Type: multipart/alternative; boundary=in\n\n--in\nContent-Type: text/html\n\n<p>as a page\n--in\nContent-Type: text/plain\n\nas text\n--in--\n--o u\nContent-Type: text/csv; name=t.csv\nContent-Disposition: attachment; filename*0*=UTF-8''t%C3%A4; filename*1=.csv\n\nk,v\na,1\n--o u\nContent-Type: application/zip; name=a.zip\nContent-Transfer-Encoding: base64\n\n{zip}\n--o u\nContent-Type: application/x-thing\nContent-Transfer-Encoding: base64\n\nf0VMRgIB\n--o u\nContent-Type: message/rfc822\n\nFrom: x@y.z\nSubject: Inner\nMessage-ID: 1\n\ninner words\n--o u--\n"
        );
        let notes = check(
            &mail,
            &[
                ("S", "From: a@b.c\nTo: d@e.f\nSubject: S\n\nas text"),
                ("tä.csv", "Columns: k | v\nk: a | v: 1"),
                ("a.zip: in.txt", "zipped words"),
                (
                    "forwarded message.eml: Inner",
                    "From: x@y.z\nSubject: Inner\n\ninner words",
                ),
            ],
        );
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].starts_with("attachment application/x-thing: "));
        // An email truncated at any position is still an email.
        for cut in (200..mail.len()).step_by(7) {
            let _ = read(&mail.as_bytes()[..cut], "m.eml", &ReadLimits::default());
        }
    }

    #[test]
    fn an_html_email_is_read_and_prose_is_not_an_email() {
        check(
            "From: a\nMIME-Version: 1.0\nContent-Type: text/html\nSubject: P\n\n<html><h1>Head</h1><script>x</script><p>words",
            &[("P", "From: a\nSubject: P\n\n# Head\n\nwords")],
        );
        for text in [
            "To: do\n\nFrom now on: nothing",
            "Note: a\nSubject: b\n\nc",
            "Dear all,\n\nfrom me",
        ] {
            let (report, _) = read(text.as_bytes(), "a.txt", &ReadLimits::default()).expect("text");
            assert_eq!(report.kind, "text", "{text}");
        }
    }

    fn base64(bytes: &[u8]) -> String {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(bytes)
    }
}
