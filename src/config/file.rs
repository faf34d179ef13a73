//! Parses the lines of a settings file, `NAME = value` as in `.env`. Has no knowledge of particular settings.

/// A non-empty line: its number, and either a name with its value or what is wrong with it.
pub(super) type Line = (usize, Result<(String, String), &'static str>);

/// Parses a file, skipping comments and empty lines.
pub(super) fn parse(text: &str) -> Vec<Line> {
    text.trim_start_matches('\u{feff}')
        .lines()
        .enumerate()
        .filter_map(|(index, line)| {
            let line = line.trim();
            let line = line.strip_prefix("export ").map_or(line, str::trim_start);
            (!line.is_empty() && !line.starts_with('#')).then(|| (index + 1, parse_pair(line)))
        })
        .collect()
}

fn parse_pair(line: &str) -> Result<(String, String), &'static str> {
    let (name, rest) = line.split_once('=').ok_or("expected NAME = value")?;
    let name = name.trim();
    let is_valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(is_valid) {
        return Err("a name may contain only letters, digits, and underscores");
    }
    Ok((name.to_owned(), parse_value(rest.trim_start())?))
}

fn parse_value(text: &str) -> Result<String, &'static str> {
    let (value, rest) = match text.chars().next() {
        Some('\'') => text[1..]
            .split_once('\'')
            .map(|(value, rest)| (value.to_owned(), rest)),
        Some('"') => parse_quoted(&text[1..]),
        _ => return Ok(parse_unquoted(text)),
    }
    .ok_or("the quote is not closed on this line")?;
    let rest = rest.trim_start();
    if rest.is_empty() || rest.starts_with('#') {
        Ok(value)
    } else {
        Err("unexpected text after the closing quote")
    }
}

/// Parses up to the closing quote; returns the value and the rest.
fn parse_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                't' => '\t',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

/// Parses an unquoted value. A `#` starts a comment only at the beginning or after a space or tab: elsewhere, it may be
/// part of a password or URL.
fn parse_unquoted(text: &str) -> String {
    let end = text
        .match_indices('#')
        .find(|(at, _)| *at == 0 || text[..*at].ends_with([' ', '\t']))
        .map_or(text.len(), |(at, _)| at);
    text[..end].trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        let lines = parse(line);
        let (name, value) = lines[0].1.as_ref().expect(line);
        assert_eq!((name.as_str(), value.as_str()), ("A", expected), "{line}");
    }

    #[test]
    fn values_are_parsed() {
        check("A=b", "b");
        check("  A  =  b c  ", "b c");
        check("export A=b", "b");
        check("A=b # comment", "b");
        check("A=b#c", "b#c");
        check("A= # comment", "");
        check("A='b # c' # d", "b # c");
        check("A='b\\n'", "b\\n");
        check(r#"A="b \"c\" \\ \n" "#, "b \"c\" \\ \n");
        check("A=", "");
        check("A=b=c", "b=c");
        check("\u{feff}A=b\r\n", "b");
    }

    #[test]
    fn comments_and_empty_lines_are_ignored() {
        assert_eq!(parse("\n  \n# A=b\n   # c\n"), vec![]);
    }

    #[test]
    fn errors_name_their_line() {
        for (text, line) in [
            ("A", 1),
            ("\nA=\"b", 2),
            ("A='b", 1),
            ("A=\"b\" c", 1),
            ("=b", 1),
            ("A B=c", 1),
            ("A=\"b\\", 1),
        ] {
            let lines = parse(text);
            assert_eq!(lines[0].0, line, "{text}");
            assert!(lines[0].1.is_err(), "{text}");
        }
    }
}
