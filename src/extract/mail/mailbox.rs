//! Mailboxes: files that contain several consecutive emails (mbox, RFC 4155).

use super::super::output::Output;
use super::super::{FileInput, Unreadable};

/// Maximum number of emails to read from a mailbox.
const MAX_MAILS: usize = 20_000;

/// Returns whether a file is a mailbox with more than one email.
pub fn is_mailbox(bytes: &[u8]) -> bool {
    bytes.starts_with(b"From ")
        && super::is_mail(bytes, true)
        && email_offsets(bytes).nth(1).is_some()
}

/// Reads the emails, each under its subject.
///
/// # Errors
/// Never fails, because even an email without text has a header. The signature matches the other readers'.
pub fn read_all(input: &FileInput<'_>, out: &mut Output<'_>) -> Result<(), Unreadable> {
    let offsets: Vec<usize> = email_offsets(input.bytes).take(MAX_MAILS + 1).collect();
    if offsets.len() > MAX_MAILS {
        out.add_note(format!("only the first {MAX_MAILS} emails are read"));
    }
    for (index, &start) in offsets.iter().take(MAX_MAILS).enumerate() {
        let end = offsets.get(index + 1).copied().unwrap_or(input.bytes.len());
        let mail = unquote_from_lines(&input.bytes[start..end]);
        let file = FileInput {
            bytes: &mail,
            ..*input
        };
        super::read(&file, out)?;
        if out.is_full() {
            break;
        }
    }
    Ok(())
}

/// Returns the offsets at which emails start. Each starts with a line `From address … year`, at the start of the file
/// or after an empty line.
fn email_offsets(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let after_blank =
        |at: usize| at == 0 || bytes[..at].ends_with(b"\n\n") || bytes[..at].ends_with(b"\r\n\r\n");
    let is_start = move |at: usize| {
        let rest = &bytes[at..];
        let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
        after_blank(at)
            && line.len() < 400
            && line
                .trim_ascii_end()
                .iter()
                .rev()
                .take_while(|b| !b.is_ascii_whitespace())
                .all(|b| b.is_ascii_digit() || b"+-:".contains(b))
    };
    bytes
        .windows(5)
        .enumerate()
        .filter(move |(at, window)| *window == b"From " && is_start(*at))
        .map(|(at, _)| at)
}

/// Returns the email without the `>` that mailboxes insert before lines that start with `From `. Removes only one per
/// line.
fn unquote_from_lines(mail: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(mail.len());
    for line in mail.split_inclusive(|byte| *byte == b'\n') {
        let quote_count = line.iter().position(|byte| *byte != b'>').unwrap_or(0);
        let is_marked = quote_count > 0 && line[quote_count..].starts_with(b"From ");
        out.extend_from_slice(&line[usize::from(is_marked)..]);
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::extract::ReadLimits;
    use crate::extract::tests::read;

    #[test]
    fn every_email_of_a_mailbox_is_read() {
        let file = "From a@b.c Sun Mar  1 09:00:00 2026\nFrom: a@b.c\nSubject: First\n\nOne body.\n\n\
                    From b@b.c Sun Mar  1 10:00:00 2026\nFrom: b@b.c\nSubject: Second\n\nTwo.\n>From here on.\n\nFrom now on nothing.\n";
        let (report, pages) =
            read(file.as_bytes(), "x.mbox", &ReadLimits::default()).expect("readable");
        let titled_pages: Vec<_> = pages
            .iter()
            .map(|page| (page.title.as_str(), page.text.as_str()))
            .collect();
        assert_eq!(report.kind, "eml");
        assert_eq!(
            titled_pages,
            [
                ("First", "From: a@b.c\nSubject: First\n\nOne body."),
                (
                    "Second",
                    "From: b@b.c\nSubject: Second\n\nTwo.\nFrom here on.\n\nFrom now on nothing."
                ),
            ]
        );
    }
}
