//! Line numbers of the values in a JSON text, so that an error can refer to the line of a value. The text must already
//! have been parsed as JSON, because nothing is validated here.

use std::collections::BTreeMap;

/// An open object or list, and the key or index of its current value.
enum OpenContainer {
    Object(String),
    List(usize),
}

/// Maximum total length of all paths, in bytes. Values beyond this limit get no line number. Without the limit, many
/// values under one long key could take quadratic time.
const MAX_PATHS: usize = 16 << 20;

/// Returns the line number, from 1, of each value by its path, such as `stages.1.prompt`.
pub fn lines_by_path(text: &str) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    let mut path: Vec<OpenContainer> = Vec::new();
    let (mut line, mut size) = (1, 0);
    let mut rest = text.char_indices();
    while let Some((start, character)) = rest.next() {
        match character {
            '\n' => line += 1,
            '{' => path.push(OpenContainer::Object(String::new())),
            '[' => path.push(OpenContainer::List(0)),
            '}' | ']' => drop(path.pop()),
            ',' => {
                if let Some(OpenContainer::List(place)) = path.last_mut() {
                    *place += 1;
                }
            }
            '"' => {
                let end = end_of_text(&mut rest).unwrap_or(text.len() - 1);
                let is_name = text[end + 1..].trim_start().starts_with(':');
                if let Some(OpenContainer::Object(name)) = path.last_mut()
                    && is_name
                {
                    *name = serde_json::from_str(&text[start..=end]).unwrap_or_default();
                }
            }
            _ => {}
        }
        // The line of a value is the line of its first character or, in an object, of its key.
        if !character.is_whitespace() && !matches!(character, ',' | '}' | ']' | ':') {
            let path_name = path_text(&path);
            size += path_name.len();
            if size > MAX_PATHS {
                break;
            }
            lines.entry(path_name).or_insert(line);
        }
    }
    lines
}

/// Advances to the closing quote of a string and returns its position.
fn end_of_text(rest: &mut std::str::CharIndices) -> Option<usize> {
    while let Some((at, character)) = rest.next() {
        match character {
            '\\' => drop(rest.next()),
            '"' => return Some(at),
            _ => {}
        }
    }
    None
}

fn path_text(path: &[OpenContainer]) -> String {
    let parts: Vec<String> = path
        .iter()
        .map(|open| match open {
            OpenContainer::Object(name) => name.clone(),
            OpenContainer::List(place) => place.to_string(),
        })
        .collect();
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_for_long_keys_is_bounded() {
        let values = vec!["1"; 1_000].join(",");
        let text = format!("{{\"first\": 1, \"{}\": [{values}]}}", "k".repeat(1 << 20));
        let lines = lines_by_path(&text);
        assert_eq!(lines.get("first"), Some(&1));
        let size: usize = lines.keys().map(String::len).sum();
        assert!(size <= MAX_PATHS, "{size}");
    }

    #[test]
    fn every_value_has_its_line() {
        let text = "{\n \"a\": 1,\n \"b\\\"x\": [\n  {\"c\": \"] } , \\\\\"},\n  [2,\n 3]\n ],\n \"d\": {\"e\":\n null}}";
        assert!(serde_json::from_str::<serde_json::Value>(text).is_ok());
        let lines = lines_by_path(text);
        for (path, line) in [
            ("a", 2),
            ("b\"x", 3),
            ("b\"x.0.c", 4),
            ("b\"x.1.0", 5),
            ("b\"x.1.1", 6),
            ("d", 8),
            ("d.e", 8),
        ] {
            assert_eq!(lines.get(path), Some(&line), "{path}: {lines:?}");
        }
    }
}
