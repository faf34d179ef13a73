//! The cells of a table, row by row, for callers that need more than its text.

use super::table;

/// Returns the first `max_rows` rows, each with the line number at which it starts; `None` if the text has no rows or
/// cannot be parsed.
pub fn records(text: &str, max_rows: usize) -> Option<Vec<(usize, Vec<String>)>> {
    let text = text.trim_start_matches('\u{feff}');
    let delimiter = table::sniff(text, true).unwrap_or(b',');
    let mut reader = table::reader(text, delimiter);
    let mut rows = Vec::new();
    let (mut line, mut counted_end) = (1, 0);
    for record in reader.records().take(max_rows) {
        let record = record.ok()?;
        // Lines are counted here, because the parser's own count is one too low after a line that ends in `\r\n`.
        let start = record.position().map_or(0, |place| place.byte() as usize);
        let blank = text[start..]
            .bytes()
            .take_while(|byte| matches!(byte, b'\r' | b'\n'));
        let start = start + blank.count();
        line += text[counted_end..start].matches('\n').count();
        counted_end = start;
        rows.push((line, record.iter().map(str::to_owned).collect()));
    }
    (!rows.is_empty()).then_some(rows)
}

#[cfg(test)]
mod tests {
    use super::records;

    #[test]
    fn cells_are_parsed_as_intended() {
        for (text, expected) in [
            ("a,b\n1,2\n", Some("1:a|b 2:1|2")),
            (
                "\u{feff}a;b\r\n\"x\ny\";2\r\n3;4",
                Some("1:a|b 2:x\ny|2 4:3|4"),
            ),
            ("prompt\none\ntwo\n", Some("1:prompt 2:one 3:two")),
            ("a\tb\n1\t2\t3\n", Some("1:a|b 2:1|2|3")),
            ("", None),
        ] {
            let rendered = records(text, 9).map(|rows| {
                let row =
                    |(line, cells): &(usize, Vec<String>)| format!("{line}:{}", cells.join("|"));
                rows.iter().map(row).collect::<Vec<_>>().join(" ")
            });
            assert_eq!(rendered.as_deref(), expected, "{text:?}");
        }
        assert_eq!(records("a\nb\nc\n", 2).map(|rows| rows.len()), Some(2));
    }
}
