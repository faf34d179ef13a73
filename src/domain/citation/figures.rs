//! Reads a number, that is, digits with their group and decimal separators, as one comparable string. Symbols
//! and units around it are separate words.

use unicode_normalization::UnicodeNormalization;

/// A number at the start of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WrittenFigure {
    /// Number of characters that the figure occupies in the text.
    pub length: usize,
    /// Digits without group separators: `1,500`, `1 500`, and `1'500` are `1500`. A single separator that
    /// could be a decimal point is kept: `1.500`.
    pub digits: String,
}

/// The digit zero in each script that has its own digits. The digits 1 to 9 directly follow it.
const ZERO_DIGITS: &[u32] = &[
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
    0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x17E0, 0x1810,
];

/// Returns the ASCII digit of a character, including `３`, `𝟑`, and `٣`; `None` for superscripts and subscripts.
pub(super) fn to_ascii_digit(c: char) -> Option<char> {
    if c.is_ascii() {
        return c.is_ascii_digit().then_some(c);
    }
    let code = u32::from(c);
    if let Some(zero_digit) = ZERO_DIGITS
        .iter()
        .find(|&&zero_digit| (zero_digit..zero_digit + 10).contains(&code))
    {
        return char::from_digit(code - zero_digit, 10);
    }
    let is_digit_variant = matches!(c, '\u{FF10}'..='\u{FF19}' | '\u{1D7CE}'..='\u{1D7FF}');
    is_digit_variant
        .then(|| std::iter::once(c).nfkc().next())
        .flatten()
        .filter(char::is_ascii_digit)
}

/// Reads the number at the start of `chars`. `None` unless they begin with a digit or with a decimal point before a
/// digit.
pub(super) fn read_figure(chars: &[(usize, char)]) -> Option<WrittenFigure> {
    let at = |index: usize| chars.get(index).map(|&(_, c)| c);
    let mut written_number = digits_from(chars, 0);
    let mut length = written_number.len();
    if written_number.is_empty() {
        // .5 is read as 0.5.
        if !matches!(at(0), Some('.')) || digits_from(chars, 1).is_empty() {
            return None;
        }
        written_number.push('0');
    }
    let is_grouped = matches!(length, 1..=3) && !written_number.starts_with('0');
    let mut is_open = is_grouped;
    while let Some(separator) = at(length) {
        let group = digits_from(chars, length + 1);
        match separator {
            _ if group.is_empty() => break,
            '.' | ',' | '．' | '，' | '٫' => {
                written_number.push(if matches!(separator, '.' | '．' | '٫') {
                    '.'
                } else {
                    ','
                });
                is_open = false;
            }
            // Only a single space separates groups, because table cells are further apart.
            '\'' | '’' | ' ' | '\u{A0}' | '\u{2005}'..='\u{2009}' | '\u{202F}'
                if is_open && group.len() == 3 => {}
            _ => break,
        }
        length += 1 + group.len();
        written_number.push_str(&group);
    }
    (length > 0).then(|| WrittenFigure {
        length,
        digits: remove_grouping(&written_number),
    })
}

fn digits_from(chars: &[(usize, char)], from: usize) -> String {
    let rest = chars.get(from..).unwrap_or_default();
    rest.iter().map_while(|&(_, c)| to_ascii_digit(c)).collect()
}

// Removes separators that can only be group separators, and turns a comma that can only be a decimal separator into a
// period.
fn remove_grouping(written: &str) -> String {
    let parts: Vec<&str> = written.split(['.', ',']).collect();
    let signs: Vec<char> = written.chars().filter(|c| matches!(c, '.' | ',')).collect();
    let Some((&last, leading_signs)) = signs.split_last() else {
        return written.to_owned();
    };
    let is_uniform = |signs: &[char]| signs.windows(2).all(|pair| pair[0] == pair[1]);
    if are_digit_groups(&parts) && is_uniform(&signs) && (last == ',' || signs.len() > 1) {
        return parts.concat();
    }
    let integer_parts = &parts[..parts.len() - 1];
    if !leading_signs.is_empty()
        && is_uniform(leading_signs)
        && leading_signs[0] != last
        && are_digit_groups(integer_parts)
    {
        return format!("{}.{}", integer_parts.concat(), parts[parts.len() - 1]);
    }
    // After four digits or more, a comma can only be a decimal separator.
    match (parts.as_slice(), last) {
        ([integer_parts, decimals], ',') if integer_parts.len() > 3 => {
            format!("{integer_parts}.{decimals}")
        }
        _ => written.to_owned(),
    }
}

// Whether the parts are digit groups: one to three digits in the first, two (as in India) or three in any between, and
// three in the last.
fn are_digit_groups(parts: &[&str]) -> bool {
    let Some((first, rest)) = parts.split_first() else {
        return false;
    };
    let Some((last, middle)) = rest.split_last() else {
        return false;
    };
    matches!(first.len(), 1..=3)
        && !first.starts_with('0')
        && last.len() == 3
        && middle.iter().all(|part| matches!(part.len(), 2 | 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leading_figure(text: &str) -> Option<(usize, String)> {
        let chars: Vec<(usize, char)> = text.char_indices().collect();
        read_figure(&chars).map(|figure| (figure.length, figure.digits))
    }

    #[test]
    fn groups_are_removed_and_decimals_are_kept() {
        for (text, length, plain) in [
            ("1500", 4, "1500"),
            ("1,500 euros", 5, "1500"),
            ("1 500 euros", 5, "1500"),
            ("1\u{202F}500", 5, "1500"),
            ("1'500", 5, "1500"),
            ("1,500.25", 8, "1500.25"),
            ("1.500,25", 8, "1500.25"),
            ("1 500,25", 8, "1500.25"),
            ("1500,25", 7, "1500.25"),
            ("1.234.567", 9, "1234567"),
            ("1,50,000", 8, "150000"),
            ("1.500", 5, "1.500"),
            ("0,500", 5, "0,500"),
            ("3,5", 3, "3,5"),
            ("３５", 2, "35"),
            ("٣٠", 2, "30"),
            ("१५", 2, "15"),
            ("๓٫๕", 3, "3.5"),
            (".5", 2, "0.5"),
            ("5. Next", 1, "5"),
            ("2020 500", 4, "2020"),
            ("12 34", 2, "12"),
            ("12  345", 2, "12"),
            ("030 123", 3, "030"),
            ("4.5.2021", 8, "4.5.2021"),
        ] {
            assert_eq!(
                leading_figure(text),
                Some((length, plain.to_owned())),
                "{text}"
            );
        }
        assert_eq!(leading_figure(". 5"), None);
        assert_eq!(leading_figure("²"), None);
    }
}
