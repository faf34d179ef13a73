//! Computes the width of text in terminal columns. East Asian characters and emoji are two columns wide, combining
//! marks zero.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Returns the width of a text in columns.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// Returns the width of a character in columns.
pub(super) fn width_of(character: char) -> usize {
    character.width().unwrap_or(0)
}

/// Returns the longest prefix of a line that fits on a terminal of this width. The last column stays empty, because a
/// line that wraps cannot be overwritten.
pub(super) fn truncate(line: &str, columns: usize) -> &str {
    let mut remaining = columns.saturating_sub(1);
    let end = line.char_indices().find(|(_, character)| {
        let rest = remaining.checked_sub(width_of(*character));
        remaining = rest.unwrap_or(remaining);
        rest.is_none()
    });
    &line[..end.map_or(line.len(), |(at, _)| at)]
}

/// Wraps a line at word boundaries so that it fits `columns`. Continuation lines are indented.
pub(super) fn wrap(line: &str, columns: usize) -> String {
    const HANGING_INDENT: &str = "    ";
    if width(line) <= columns || columns <= HANGING_INDENT.len() {
        return line.to_owned();
    }
    let indent = line.len() - line.trim_start().len();
    let mut out = line[..indent].to_owned();
    let mut column = indent;
    // Splitting at single spaces keeps additional spaces, as in a table.
    for (at, word) in line.trim().split(' ').enumerate() {
        if at > 0 && column + 1 + width(word) > columns {
            out.push('\n');
            out.push_str(HANGING_INDENT);
            column = HANGING_INDENT.len();
        } else if at > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width(word);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_by_columns() {
        for (line, columns, expected) in [
            ("abc", 80, "abc"),
            ("abc", 4, "abc"),
            ("abcd", 4, "abc"),
            ("日本語", 6, "日本"),
            ("日本語", 5, "日本"),
            ("e\u{301}x", 3, "e\u{301}x"),
            ("x", 0, ""),
        ] {
            assert_eq!(truncate(line, columns), expected, "{line} in {columns}");
        }
        assert_eq!(width("日本 ok"), 7);
    }

    #[test]
    fn long_lines_are_broken_at_words() {
        assert_eq!(wrap("  short", 10), "  short");
        assert_eq!(wrap("  one two three", 10), "  one two\n    three");
        assert_eq!(wrap("a  b  c d e f", 10), "a  b  c d\n    e f");
        assert_eq!(wrap("unbreakable-word", 10), "unbreakable-word");
    }
}
