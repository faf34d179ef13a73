//! Superscript and subscript characters on a page. While a line is assembled, they are enclosed in private-use
//! characters, which have been removed from the text before; at the end, they are written as powers, note references,
//! and indexes.

use crate::extract::raised::{Script, subscript, superscript};

/// Delimiters of superscript text.
const SUPERSCRIPT_MARKS: [char; 2] = ['\u{E000}', '\u{E001}'];
/// Delimiters of subscript text.
const SUBSCRIPT_MARKS: [char; 2] = ['\u{E002}', '\u{E003}'];
/// Size of superscripts and subscripts relative to their line. Smaller characters belong to a drawing; larger ones are
/// part of a heading or a drop cap.
const SIZE_RATIO: std::ops::RangeInclusive<f64> = 0.4..=0.86;
/// Height of a superscript's baseline above the line, in multiples of the line's size.
const SUPERSCRIPT_HEIGHT: std::ops::Range<f64> = 0.14..0.8;
/// Depth of a subscript's baseline below the line, in multiples of the line's size.
const SUBSCRIPT_DROP: std::ops::Range<f64> = 0.07..0.5;

/// Returns whether characters are superscript or subscript relative to their line. With `is_raised`, the file itself
/// raises or lowers them, and their size is ignored.
pub fn position(size: f64, y: f64, line_size: f64, line_y: f64, is_raised: bool) -> Option<Script> {
    if !is_raised && !SIZE_RATIO.contains(&(size / line_size.max(0.01))) {
        return None;
    }
    let height = (y - line_y) / line_size.max(0.01);
    if SUPERSCRIPT_HEIGHT.contains(&height) {
        Some(Script::Superscript)
    } else if SUBSCRIPT_DROP.contains(&-height) {
        Some(Script::Subscript)
    } else {
        None
    }
}

/// Encloses the text in the delimiters of a superscript or subscript.
pub fn delimit(text: &str, script: Script) -> String {
    let [open, close] = match script {
        Script::Superscript => SUPERSCRIPT_MARKS,
        Script::Subscript => SUBSCRIPT_MARKS,
    };
    format!("{open}{}{close}", strip_marks(text))
}

/// Appends a text. Two adjacent texts with the same delimiters are merged.
pub fn append(text: &mut String, addition: &str) {
    for [open, close] in [SUPERSCRIPT_MARKS, SUBSCRIPT_MARKS] {
        if addition.starts_with(open) && text.ends_with(close) {
            text.pop();
            text.push_str(&addition[open.len_utf8()..]);
            return;
        }
    }
    text.push_str(addition);
}

/// Returns the text without the delimiters.
pub fn strip_marks(text: &str) -> String {
    text.replace(
        |c| SUPERSCRIPT_MARKS.contains(&c) || SUBSCRIPT_MARKS.contains(&c),
        "",
    )
}

/// Returns the text with powers, note references, and indexes written out.
pub fn write_scripts_out(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find([SUPERSCRIPT_MARKS[0], SUBSCRIPT_MARKS[0]]) {
        out.push_str(&rest[..at]);
        let is_raised = rest[at..].starts_with(SUPERSCRIPT_MARKS[0]);
        let close = if is_raised {
            SUPERSCRIPT_MARKS[1]
        } else {
            SUBSCRIPT_MARKS[1]
        };
        let inner = &rest[at + SUPERSCRIPT_MARKS[0].len_utf8()..];
        let end = inner.find(close).unwrap_or(inner.len());
        let mark = strip_marks(&inner[..end]);
        let text_form = if is_raised {
            superscript(&out, &mark, false)
        } else {
            subscript(&out, &mark)
        };
        out.push_str(&text_form);
        rest = inner.get(end + close.len_utf8()..).unwrap_or_default();
    }
    out.push_str(rest);
    strip_marks(&out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimited_text_is_written_out() {
        let mut text = "10".to_owned();
        append(&mut text, &delimit("1", Script::Superscript));
        append(&mut text, &delimit("2", Script::Superscript));
        append(&mut text, " a");
        append(&mut text, &delimit("1", Script::Subscript));
        assert_eq!(write_scripts_out(&text), "10^12 a_1");
        assert_eq!(strip_marks(&text), "1012 a1");
        for (size, y, is_raised, expected) in [
            (7.0, 3.5, false, Some(Script::Superscript)),
            (7.0, -1.5, false, Some(Script::Subscript)),
            (7.0, 0.0, false, None),
            (10.0, 4.0, false, None),
            (10.0, 4.0, true, Some(Script::Superscript)),
        ] {
            assert_eq!(
                position(size, y, 10.0, 0.0, is_raised),
                expected,
                "{size} {y}"
            );
        }
    }
}
