//! Converts JSON to lines that models and full-text search can read: single-line JSON is indented, and escaped letters
//! are decoded; numbers and key order are unchanged. Does not build a tree, so memory use stays small for large files.

use serde::de::IgnoredAny;

/// Returns whether the text is a JSON object or array, or at least two of them on separate lines (JSON Lines).
pub fn is_json(text: &str) -> bool {
    let text = text.trim();
    text.starts_with(['{', '[']) && (is_one_value(text) || is_json_lines(text))
}

fn is_one_value(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

fn is_json_lines(text: &str) -> bool {
    let mut count = 0;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if !line.trim_start().starts_with(['{', '[']) || !is_one_value(line) {
            return false;
        }
        count += 1;
    }
    count > 1
}

/// Returns the JSON as text, and notes for the user. Indents JSON on a single long line, and decodes escaped letters.
/// Invalid or too deeply nested JSON is returned unchanged, with a note.
pub fn render(text: &str, max_text: usize, max_depth: usize) -> (String, Vec<String>) {
    let mut notes = Vec::new();
    if !is_json(text) {
        notes.push("the JSON is invalid; it is shown unchanged".to_owned());
        return (text.to_owned(), notes);
    }
    let depth = nesting_depth(text);
    let lines = text.trim().lines().count();
    // Indentation is quadratic in the depth, so deeply nested JSON is left unchanged.
    if depth > max_depth {
        notes.push(format!("nested {depth} levels deep; it is shown unchanged"));
        return (text.to_owned(), notes);
    }
    let is_minified = lines == 1 && text.len() > 120;
    (rewrite(text.trim(), is_minified, max_text), notes)
}

fn nesting_depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Copies valid JSON, decoding `\uXXXX` inside strings. With `indent`, adds line breaks.
fn rewrite(text: &str, indent: bool, max_text: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut depth, mut in_string) = (0usize, false);
    let mut at = 0;
    while at < text.len() && out.len() <= max_text {
        let rest = &text[at..];
        let character = rest.chars().next().unwrap_or(' ');
        let mut used = character.len_utf8();
        match character {
            '\\' if in_string => {
                let (decoded_text, length) = unescape(rest);
                out.push_str(&decoded_text);
                used = length;
            }
            '"' => {
                in_string = !in_string;
                out.push('"');
            }
            _ if in_string || !indent => out.push(character),
            '{' | '[' => {
                out.push(character);
                let inner = rest[1..].trim_start();
                if inner.starts_with(['}', ']']) {
                    used = rest.len() - inner.len();
                    // Keeps `{}` together, because an empty object adds no level.
                    out.push_str(&inner[..1]);
                    used += 1;
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(character);
            }
            ',' => {
                out.push(',');
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            space if space.is_whitespace() => {}
            other => out.push(other),
        }
        at += used;
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

/// Decodes the escape at the start of `rest`. Returns the text and the escape's length in bytes. Decodes only
/// letters and similar characters: quotes, backslashes, and control characters stay escaped.
fn unescape(rest: &str) -> (String, usize) {
    let unit = |from: usize| {
        let digits = rest.get(from + 2..from + 6)?;
        rest.get(from..from + 2).filter(|&mark| mark == "\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    if let Some(first) = unit(0) {
        let pair = unit(6).filter(|_| (0xD800..0xDC00).contains(&first));
        let units: &[u16] = &[first, pair.unwrap_or(0)];
        let used = 1 + usize::from(pair.is_some());
        let decoded: Option<String> = char::decode_utf16(units[..used].iter().copied())
            .map(Result::ok)
            .collect();
        if let Some(shown) = decoded
            && !shown.contains(|c: char| c.is_control() || c == '"' || c == '\\')
        {
            return (shown, used * 6);
        }
    }
    let length = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
    (rest[..length].to_owned(), length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_recognized() {
        for (text, expected) in [
            (r#"{"a":1}"#, true),
            ("[1, 2]", true),
            ("{\"a\":1}\n{\"a\":2}\n", true),
            ("{\"a\":1}\nnot json\n", false),
            ("[link](target)", false),
            ("{broken", false),
            ("\"text\"", false),
            ("", false),
        ] {
            assert_eq!(is_json(text), expected, "{text}");
        }
    }

    #[test]
    fn one_line_json_is_indented() {
        let one_line = format!(
            r#"{{"name":"Zo\u00eb \ud83d\ude00 \"q\" \u0007","list":[1,2.50,[]],"pad":"{}"}}"#,
            "x".repeat(120)
        );
        let (text, notes) = render(&one_line, 10_000, 64);
        assert!(notes.is_empty());
        assert!(text.starts_with("{\n  \"name\": \"Zoë 😀 \\\"q\\\" \\u0007\",\n  \"list\": [\n    1,\n    2.50,\n    []\n  ],\n"), "{text}");
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }

    #[test]
    fn readable_and_broken_json_is_unchanged() {
        assert_eq!(render("{\n \"a\": 1\n}", 100, 64).0, "{\n \"a\": 1\n}");
        let (text, notes) = render("{\"a\": ", 100, 64);
        assert_eq!((text.as_str(), notes.len()), ("{\"a\": ", 1));
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert_eq!(render(&deep, 10_000, 64).0, deep);
    }

    #[test]
    fn lone_surrogates_stay_escaped() {
        let text = format!(r#"["\ud800","\udc00\u0041","{}"]"#, "x".repeat(120));
        let rendered = render(&text, 10_000, 64).0;
        assert!(
            rendered.contains(r#""\ud800""#) && rendered.contains(r#""\udc00A""#),
            "{rendered}"
        );
    }
}
