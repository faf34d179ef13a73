//! Writes superscript, subscript, and struck-out text as plain text: `10^3` for a power, `[1]` for a note reference,
//! `x_1` for an index, and `~~old~~` for struck-out text. Independent of markup: the readers report the position.

/// Vertical position of a piece of text relative to its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// Above the line.
    Superscript,
    /// Below the line.
    Subscript,
}

/// How a run of text differs from regular text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RunStyle {
    /// Vertical position, unless the run is on the line.
    pub script: Option<Script>,
    /// Whether the run is struck out.
    pub struck: bool,
}

/// Maximum length in characters of a superscript or subscript; longer text is not marked.
const MAX_MARK_CHARS: usize = 24;
/// Superscripts that form an ordinal number, an abbreviation, or a trademark rather than a power: `1st`, `2e`, `No`.
const ORDINALS: &[&str] = &[
    "st", "nd", "rd", "th", "e", "er", "re", "ers", "res", "me", "mes", "ème", "eme", "ième",
    "lle", "nde", "o", "os", "a", "as", "º", "ª", "te", "de", "tm", "sm",
];
/// Units of two or more letters that can have exponents. After other long words, a superscript is a note reference.
const UNITS: &[&str] = &[
    "mm", "cm", "dm", "km", "nm", "µm", "μm", "ft", "in", "yd", "mi", "sec", "min", "mol", "kg",
    "ha",
];

/// Formats a superscript that follows `before`. With `is_note`, the file itself declares it a note reference.
pub fn superscript(before: &str, text: &str, is_note: bool) -> String {
    let mark = text.trim();
    let is_sign = |c: char| "*†‡§¶®™©ªº°′″'’".contains(c);
    if mark.is_empty() || mark.chars().count() > MAX_MARK_CHARS || mark.chars().all(is_sign) {
        return text.to_owned();
    }
    if mark.starts_with('[') && mark.ends_with(']') {
        return mark.to_owned();
    }
    let note = || format!("[{}]", mark.trim_matches(['(', ')']));
    if is_note {
        return note();
    }
    let is_list = mark.contains(',') || mark.contains('–');
    let is_number = mark.starts_with(|c: char| c.is_ascii_digit())
        && mark
            .chars()
            .all(|c| c.is_ascii_digit() || ",–- ".contains(c));
    let short = is_number && (mark.len() <= 3 || is_list);
    let last = before.chars().next_back();
    let word = word_before(before);
    match last {
        None => {
            if short {
                note()
            } else {
                mark.to_owned()
            }
        }
        Some(last) if last.is_whitespace() => {
            if short {
                note()
            } else {
                mark.to_owned()
            }
        }
        Some(last) if last.is_numeric() => match () {
            () if is_list => note(),
            () if ORDINALS.contains(&mark.to_lowercase().as_str()) => mark.to_owned(),
            () => power_text(mark),
        },
        Some(last) if last.is_alphabetic() => superscript_after_word(word, mark, is_number, &note),
        Some(')' | ']') if is_formula(before) => power_text(mark),
        Some(last) if is_sign(last) || "+-−=/^".contains(last) => power_text(mark),
        Some(_) if short || mark.chars().count() == 1 => note(),
        Some(_) => mark.to_owned(),
    }
}

fn superscript_after_word(
    word: &str,
    mark: &str,
    is_number: bool,
    note: &dyn Fn() -> String,
) -> String {
    let letters = word.chars().count();
    let has_power = letters <= 2 || UNITS.contains(&word.to_lowercase().as_str());
    let is_word = mark.chars().all(char::is_alphabetic);
    let is_ordinal = ORDINALS.contains(&mark.to_lowercase().as_str());
    let is_numeral = is_ordinal && (has_power || word.chars().all(char::is_uppercase));
    let is_variable = letters == 1 && word.chars().all(char::is_lowercase) && word != "n";
    if has_power && (!is_ordinal || is_variable) || mark.starts_with(['-', '−', '+']) {
        power_text(mark)
    } else if is_number || (is_word && mark.chars().count() == 1 && !is_numeral) {
        note()
    } else if is_ordinal || is_word {
        mark.to_owned()
    } else {
        power_text(mark)
    }
}

/// Formats a subscript that follows `before`. `H2O` and `CO2` are written without an underscore, as people search for
/// them.
pub fn subscript(before: &str, text: &str) -> String {
    let mark = text.trim();
    let last = before.chars().next_back();
    let may_join_word = last.is_some_and(|last| last.is_numeric() || last.is_lowercase());
    let is_element = ELEMENTS
        .iter()
        .any(|element| word_before(before).ends_with(element));
    let is_number = mark.chars().all(|c| c.is_ascii_digit());
    match last {
        _ if mark.is_empty() || mark.chars().count() > MAX_MARK_CHARS => text.to_owned(),
        None => mark.to_owned(),
        Some(last) if last.is_whitespace() => mark.to_owned(),
        Some(_) if is_number && (is_element || !may_join_word) => mark.to_owned(),
        Some(_) => format!("_{}", parenthesize(mark)),
    }
}

/// Two-letter symbols of chemical elements that occur in common formulas.
const ELEMENTS: &[&str] = &[
    "Na", "Mg", "Al", "Si", "Cl", "Ca", "Fe", "Cu", "Zn", "Br", "Ag", "Ba", "Pb", "Mn", "Ti", "Li",
    "Be", "Ni", "Cr",
];

fn power_text(mark: &str) -> String {
    format!("^{}", parenthesize(mark))
}

/// Puts a superscript or subscript in parentheses if it is more than a single number or word.
fn parenthesize(mark: &str) -> String {
    let inner = mark.trim_start_matches(['-', '−', '+']);
    let is_one = inner
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '.' | ','));
    if is_one || (mark.starts_with('(') && mark.ends_with(')')) {
        mark.to_owned()
    } else {
        format!("({mark})")
    }
}

fn word_before(before: &str) -> &str {
    let start = before
        .char_indices()
        .rev()
        .take(MAX_MARK_CHARS)
        .take_while(|(_, c)| c.is_alphabetic())
        .last();
    start.map_or("", |(at, _)| &before[at..])
}

/// Returns whether the parenthesis that was just closed contains a formula rather than words.
fn is_formula(before: &str) -> bool {
    let Some(open_bracket) = before.rfind(['(', '[']) else {
        return false;
    };
    let inner = &before[open_bracket + 1..before.len() - 1];
    let is_short = |word: &str| word.chars().filter(|c| c.is_alphabetic()).count() <= 2;
    inner.len() <= 60 && inner.split_whitespace().all(is_short)
}

/// Collects consecutive runs with the same style and writes them as plain text.
#[derive(Debug, Clone, Default)]
pub struct RunBuffer {
    style: RunStyle,
    text: String,
}

impl RunBuffer {
    /// Adds a run. Plain text is written to `into` immediately; styled text is held back until its style ends.
    pub fn write(&mut self, style: RunStyle, text: &str, into: &mut String) {
        if style != self.style {
            self.flush(into);
            self.style = style;
        }
        if style == RunStyle::default() {
            into.push_str(text);
        } else {
            self.text.push_str(text);
        }
    }

    /// Writes the styled text that has been held back.
    pub fn flush(&mut self, into: &mut String) {
        let text = std::mem::take(&mut self.text);
        if text.is_empty() {
            return;
        }
        let content = match self.style.script {
            Some(Script::Superscript) => superscript(into, &text, false),
            Some(Script::Subscript) => subscript(into, &text),
            None => text,
        };
        if self.style.struck {
            into.push_str(&mark_strikethrough(&content));
        } else {
            into.push_str(&content);
        }
    }
}

/// Wraps struck-out text in `~~`, keeping the surrounding whitespace outside.
pub fn mark_strikethrough(text: &str) -> String {
    let content = text.trim();
    if content.is_empty() {
        return text.to_owned();
    }
    let start = text.len() - text.trim_start().len();
    let end = text.trim_end().len();
    format!("{}~~{content}~~{}", &text[..start], &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_and_note_marks_are_distinguished() {
        for (before, text, is_note, expected) in [
            ("About 10", "3", false, "^3"),
            ("10", "-3", false, "^-3"),
            ("5 m", "2", false, "^2"),
            ("12 km", "2", false, "^2"),
            ("x", "n", false, "^n"),
            ("2", "n+1", false, "^(n+1)"),
            ("e", "(x+1)", false, "^(x+1)"),
            ("mol", "-1", false, "^-1"),
            ("(a + b)", "2", false, "^2"),
            ("20", "1", true, "[1]"),
            ("20", "1,2", false, "[1,2]"),
            ("the report", "12", false, "[12]"),
            ("the report", "a", false, "[a]"),
            ("the end.", "3", false, "[3]"),
            ("(see the annex)", "3", false, "[3]"),
            ("word", "[4]", false, "[4]"),
            ("", "1", false, "[1]"),
            ("1", "st", false, "st"),
            ("le 20", "e", false, "e"),
            ("XIX", "e", false, "e"),
            ("Brand", "TM", false, "TM"),
            ("M", "me", false, "me"),
            ("n", "o", false, "o"),
            ("word", "*", false, "*"),
            ("20", " ", false, " "),
        ] {
            assert_eq!(
                superscript(before, text, is_note),
                expected,
                "{before} {text}"
            );
        }
    }

    #[test]
    fn formulas_stay_searchable_and_indexes_are_marked() {
        for (before, text, expected) in [
            ("H", "2", "2"),
            ("CO", "2", "2"),
            ("CaCl", "2", "2"),
            ("a", "1", "_1"),
            ("x", "max", "_max"),
            ("x", "i+1", "_(i+1)"),
            ("10", "2", "_2"),
        ] {
            assert_eq!(subscript(before, text), expected, "{before} {text}");
        }
    }

    #[test]
    fn runs_of_one_style_are_one_mark() {
        let (mut runs, mut text) = (RunBuffer::default(), String::new());
        let raised = RunStyle {
            script: Some(Script::Superscript),
            struck: false,
        };
        let struck = RunStyle {
            script: None,
            struck: true,
        };
        for (style, piece) in [
            (RunStyle::default(), "10"),
            (raised, "1"),
            (raised, "2"),
            (RunStyle::default(), " for "),
            (struck, "100 "),
            (RunStyle::default(), "90"),
        ] {
            runs.write(style, piece, &mut text);
        }
        runs.flush(&mut text);
        assert_eq!(text, "10^12 for ~~100~~ 90");
    }
}
