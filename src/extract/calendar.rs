//! Calendars (iCalendar, RFC 5545) and address cards (vCard, RFC 6350): one property per line, with folded lines
//! joined, escapes decoded, and times written out. Images and attached files are omitted, with a note.

/// Maximum length of a line in bytes; longer lines are truncated.
const MAX_LINE_BYTES: usize = 64 << 10;
/// Properties that are meant for programs rather than readers.
const SKIPPED_PROPERTIES: &[&str] = &[
    "PRODID", "VERSION", "CALSCALE", "METHOD", "UID", "SEQUENCE", "DTSTAMP", "REV", "TRANSP",
    "CLASS",
];

/// Returns whether the text is a calendar or an address card.
pub fn is_calendar(text: &str) -> bool {
    let head = text.trim_start();
    ["BEGIN:VCALENDAR", "BEGIN:VCARD"].iter().any(|mark| {
        head.get(..mark.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(mark))
    })
}

/// Returns the text of a calendar or address card, and notes for the user.
pub fn render(text: &str) -> (String, Vec<String>) {
    let mut out = String::new();
    let (mut attachments, mut time_zone_depth) = (0, 0);
    for line in unfold_lines(text) {
        let Some((name, parameters, value)) = parse_line(&line) else {
            continue;
        };
        match name.as_str() {
            "BEGIN" => match value.to_ascii_uppercase().as_str() {
                "VEVENT" => out.push_str("\n# Event\n"),
                "VTODO" => out.push_str("\n# Task\n"),
                "VJOURNAL" => out.push_str("\n# Entry\n"),
                "VCARD" => out.push_str("\n# Contact\n"),
                "VALARM" => out.push_str("Alarm:\n"),
                "VTIMEZONE" => time_zone_depth += 1,
                _ => {}
            },
            "END" => {
                time_zone_depth -=
                    usize::from(time_zone_depth > 0 && value.eq_ignore_ascii_case("VTIMEZONE"))
            }
            // A time zone definition contains the dates on which its offset changes, not the dates of events.
            _ if time_zone_depth > 0 || SKIPPED_PROPERTIES.contains(&name.as_str()) => {}
            _ if is_file(&parameters, &value) => attachments += 1,
            _ => out.push_str(&format_property(&name, &parameters, &value)),
        }
    }
    let mut notes = Vec::new();
    if attachments > 0 {
        notes.push(format!(
            "pictures, sounds, and attached files left out: {attachments}"
        ));
    }
    (out.trim().to_owned(), notes)
}

/// Returns whether a value is the content of a file: either a `data:` URL or base64, declared by `ENCODING=B` or
/// `ENCODING=BASE64`.
fn is_file(parameters: &str, value: &str) -> bool {
    let mut parameters = parameters.split(';');
    parameters.any(|parameter| parameter.to_ascii_uppercase().starts_with("ENCODING=B"))
        || value.starts_with("data:")
}

/// Joins folded lines with their continuations.
fn unfold_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let quoted = lines.last().is_some_and(|last| {
            last.ends_with('=') && last.to_ascii_uppercase().contains("QUOTED-PRINTABLE")
        });
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (_, Some(last)) if quoted && last.len() < MAX_LINE_BYTES => {
                last.pop();
                last.push_str(line.trim_start());
            }
            (Some(rest), Some(last)) if last.len() < MAX_LINE_BYTES => last.push_str(rest),
            _ => lines.push(line.to_owned()),
        }
    }
    lines
}

/// Splits a line into name, parameters, and decoded value.
fn parse_line(line: &str) -> Option<(String, String, String)> {
    let mut quoted = false;
    let colon = line.find(|c| {
        quoted ^= c == '"';
        c == ':' && !quoted
    })?;
    let (head, value) = (&line[..colon], &line[colon + 1..]);
    let (name, parameters) = head.split_once(';').unwrap_or((head, ""));
    // The name may be preceded by a group, as in `item1.TEL`.
    let name = name.rsplit('.').next().unwrap_or(name).to_ascii_uppercase();
    let value = if parameters.to_ascii_uppercase().contains("QUOTED-PRINTABLE") {
        let bytes = super::mail::quoted(value.as_bytes());
        String::from_utf8_lossy(&bytes).into_owned()
    } else {
        value.to_owned()
    };
    Some((name, parameters.to_owned(), value.trim().to_owned()))
}

fn format_property(name: &str, parameters: &str, value: &str) -> String {
    let text = match name {
        "DTSTART" | "DTEND" | "DUE" | "COMPLETED" | "CREATED" | "LAST-MODIFIED"
        | "RECURRENCE-ID" | "EXDATE" | "RDATE" => format_time_list(value, parameters),
        // The parts of an address or a name are separated by semicolons.
        "N" | "ADR" | "ORG" => split_escaped(value, ';').join(", "),
        _ => unescape(value),
    };
    let common_name = parameters.split(';').find_map(|parameter| {
        parameter
            .strip_prefix("CN=")
            .or_else(|| parameter.strip_prefix("cn="))
    });
    let text = match (
        text.strip_prefix("mailto:")
            .or_else(|| text.strip_prefix("MAILTO:")),
        common_name,
    ) {
        (Some(address), Some(name)) => format!("{} <{address}>", name.trim_matches('"')),
        (Some(address), None) => address.to_owned(),
        (None, _) => text,
    };
    let answer = parameters.split(';').find_map(answer).unwrap_or_default();
    let label = match name {
        "DTSTART" => "Start",
        "DTEND" => "End",
        "FN" => "Name",
        "TEL" => "Telephone",
        "ADR" => "Address",
        "RRULE" => "Repeats",
        _ => name,
    };
    let label = match label.chars().next() {
        Some(first) if label == name => format!("{first}{}", label[1..].to_ascii_lowercase()),
        _ => label.to_owned(),
    };
    if text.trim_matches([',', ' ']).is_empty() {
        return String::new();
    }
    format!("{label}: {}{answer}\n", text.trim_matches([',', ' ']))
}

/// Returns an attendee's response to an invitation, from a `PARTSTAT` parameter; `None` if there was no response.
fn answer(parameter: &str) -> Option<&'static str> {
    match parameter.to_ascii_uppercase().strip_prefix("PARTSTAT=")? {
        "ACCEPTED" => Some(" (accepted)"),
        "DECLINED" => Some(" (declined)"),
        "TENTATIVE" => Some(" (tentative)"),
        "DELEGATED" => Some(" (delegated)"),
        _ => None,
    }
}

/// Splits at separators that are not escaped and decodes each part.
fn split_escaped(value: &str, separator: char) -> Vec<String> {
    let (mut parts, mut part, mut escaped) = (Vec::new(), String::new(), false);
    for character in value.chars() {
        if character == separator && !escaped {
            parts.push(unescape(&std::mem::take(&mut part)));
        } else {
            part.push(character);
        }
        escaped = character == '\\' && !escaped;
    }
    parts.push(unescape(&part));
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value.chars();
    while let Some(character) = rest.next() {
        match character {
            '\\' => match rest.next() {
                Some('n' | 'N') => out.push('\n'),
                Some(other) => out.push(other),
                None => {}
            },
            other => out.push(other),
        }
    }
    out
}

/// Formats a list of times: `20260301T090000Z` becomes `2026-03-01 09:00 UTC`.
fn format_time_list(value: &str, parameters: &str) -> String {
    let format_time = |text: &str| -> Option<String> {
        let (day, clock) = text.split_once('T').unwrap_or((text, ""));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if day.len() != 8 || !is_number(day) {
            return None;
        }
        let date = format!("{}-{}-{}", &day[..4], &day[4..6], &day[6..]);
        let digits = clock.trim_end_matches('Z');
        if digits.len() < 4 || !is_number(digits) {
            return Some(date);
        }
        let zone = parameters
            .split(';')
            .find_map(|parameter| parameter.strip_prefix("TZID="));
        let zone = if clock.ends_with('Z') {
            Some("UTC")
        } else {
            zone
        };
        let zone = zone.map(|zone| format!(" {zone}")).unwrap_or_default();
        Some(format!("{date} {}:{}{zone}", &digits[..2], &digits[2..4]))
    };
    let formatted: Option<Vec<String>> = value.split(',').map(format_time).collect();
    formatted.map_or_else(|| value.to_owned(), |formatted| formatted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_whole_and_times_are_written_out() {
        let text = "BEGIN:VCALENDAR\r\nPRODID:x\r\nBEGIN:VTIMEZONE\r\nDTSTART:19700101T000000\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\n\
                    SUMMARY:A long ques\r\n tion\\, here\r\nDTSTART;TZID=Europe/Paris:20260301T090000\r\nDTEND:20260301T100000Z\r\n\
                    ATTENDEE;CN=\"Ann B\":mailto:a@b.c\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        assert!(is_calendar(text));
        assert_eq!(
            render(text).0,
            "# Event\nSummary: A long question, here\nStart: 2026-03-01 09:00 Europe/Paris\nEnd: 2026-03-01 10:00 UTC\n\
             Attendee: Ann B <a@b.c>"
        );
        let card = "BEGIN:VCARD\nVERSION:2.1\nN:Müller;Ann\nFN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:Ann M=C3=BC=\nller\n\
                    item1.TEL:+1 2\nADR:;;1 High St;Oslo;;;\nEND:VCARD\n";
        assert_eq!(
            render(card).0,
            "# Contact\nN: Müller, Ann\nName: Ann Müller\nTelephone: +1 2\nAddress: 1 High St, Oslo"
        );
    }
}
