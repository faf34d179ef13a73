//! Subtitles (SubRip and WebVTT): the spoken words of each cue, with its start time. Cue numbers, positions, and
//! formatting are omitted.

/// Returns whether the text is a subtitle file.
pub fn is_subtitles(text: &str) -> bool {
    let head = text.trim_start();
    let mut lines = head.lines();
    let (first, second) = (
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
    );
    first == "WEBVTT"
        || first.starts_with("WEBVTT ")
        || (first.trim().parse::<u32>().is_ok() && start_time(second).is_some())
        || start_time(first).is_some()
}

/// Returns the subtitles with one cue per line, and notes that tell the user what was omitted.
pub fn render(text: &str) -> (String, Vec<String>) {
    let (mut out, mut comments) = (String::new(), 0);
    for block in text.split("\n\n") {
        let lines: Vec<&str> = block
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let Some(at) = lines.iter().position(|line| start_time(line).is_some()) else {
            comments += usize::from(lines.first().is_some_and(|line| line.starts_with("NOTE")));
            continue;
        };
        let words: Vec<String> = lines[at + 1..]
            .iter()
            .map(|line| strip_tags(line))
            .collect();
        let words = words.join(" ");
        if !words.trim().is_empty() {
            let start = start_time(lines[at]).unwrap_or_default();
            out.push_str(&format!("[{start}] {}\n", words.trim()));
        }
    }
    let notes = match comments {
        0 => Vec::new(),
        count => vec![format!("notes of the authors left out: {count}")],
    };
    (out, notes)
}

/// Returns the start time of a cue, to the second; `None` if the line is not the timing of a cue.
fn start_time(line: &str) -> Option<String> {
    let (start, end) = line.split_once("-->")?;
    let start = start.trim();
    let is_time = |text: &str| {
        text.contains(':')
            && text
                .chars()
                .all(|c| c.is_ascii_digit() || ":.,".contains(c))
    };
    let end = end.split_whitespace().next()?;
    (is_time(start) && is_time(end))
        .then(|| start.split(['.', ',']).next().unwrap_or(start).to_owned())
}

/// Removes tags from a line. A speaker's name in a tag is written before the words.
fn strip_tags(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(open) = rest.find(['<', '{']) {
        out.push_str(&rest[..open]);
        let close = if rest[open..].starts_with('<') {
            '>'
        } else {
            '}'
        };
        let Some(end) = rest[open..].find(close) else {
            break;
        };
        let tag = &rest[open + 1..open + end];
        let is_tag = close == '>' || tag.starts_with('\\');
        if !is_tag {
            out.push_str(&rest[open..=open + end]);
        } else if let Some(speaker) = tag.strip_prefix("v ") {
            out.push_str(&format!("{}: ", speaker.trim()));
        }
        rest = &rest[open + end + 1..];
    }
    out.push_str(rest);
    super::entities::decode(&out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cues_are_lines_with_their_time() {
        let srt = "1\n00:00:01,000 --> 00:00:03,500\n<i>Welcome back to</i>\nthe {\\an8}hearing.\n\n2\n00:00:03,600 --> 00:00:06,000\nNo.\n";
        assert!(is_subtitles(srt));
        assert_eq!(
            render(srt).0,
            "[00:00:01] Welcome back to the hearing.\n[00:00:03] No.\n"
        );
        let webvtt = "WEBVTT\n\nNOTE made by machine\n\n00:00.000 --> 00:04.000 align:start\n<v Ada>The budget &amp; more.</v>\n";
        assert!(is_subtitles(webvtt));
        let (text, notes) = render(webvtt);
        assert_eq!(text, "[00:00] Ada: The budget & more.\n");
        assert_eq!(notes, ["notes of the authors left out: 1"]);
        assert!(!is_subtitles("1\nplain words"));
    }
}
