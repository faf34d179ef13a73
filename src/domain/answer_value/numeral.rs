//! Reads the numeral at the start of a text: digits with separators, powers of ten, fractions, and mixed numbers.
//!
//! Separators: if both a comma and a period occur, the last one is the decimal separator. A lone comma before
//! exactly three digits groups thousands ("1,234" is 1234); any other lone comma is decimal, and a lone
//! period always is ("1.234" is between 1 and 2). In a text that may use a decimal comma, such as a German
//! one, both "1,234" and "1.234" are ambiguous and yield no number.

use super::ratio::Ratio;

/// Maximum number of digits of a numeral; longer numerals are not read.
const MAX_DIGITS: usize = 30;

/// Fractions that have their own character.
const VULGAR_FRACTIONS: &[(char, i128, i128)] = &[
    ('½', 1, 2),
    ('⅓', 1, 3),
    ('⅔', 2, 3),
    ('¼', 1, 4),
    ('¾', 3, 4),
    ('⅕', 1, 5),
    ('⅖', 2, 5),
    ('⅗', 3, 5),
    ('⅘', 4, 5),
    ('⅙', 1, 6),
    ('⅚', 5, 6),
    ('⅐', 1, 7),
    ('⅛', 1, 8),
    ('⅜', 3, 8),
    ('⅝', 5, 8),
    ('⅞', 7, 8),
    ('⅑', 1, 9),
    ('⅒', 1, 10),
];

const SUPERSCRIPT_DIGITS: &str = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/// How a single comma or period before three digits is interpreted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Separators {
    /// English: "1,234" is 1234, and "1.234" has three decimals.
    #[default]
    English,
    /// The convention is unknown, so neither form is read as a number.
    Unknown,
}

/// Reads the numeral at the start of a text, without a sign, and returns it with the rest of the text.
pub fn leading_number(text: &str, separators: Separators) -> Option<(Ratio, &str)> {
    if let Some(fraction) = parse_vulgar_fraction(text) {
        return Some(fraction);
    }
    let token = leading_digits(text);
    let mut value = parse_grouped_number(token, separators)?;
    let mut rest = &text[token.len()..];
    if let Some((power, after)) = parse_power_of_ten(rest) {
        (value, rest) = (value.checked_mul(Ratio::power_of_ten(power)?)?, after);
    } else if let Some((power, after)) = parse_superscript(rest) {
        (value, rest) = (value.checked_pow(power)?, after);
    }
    if let Some((denominator, after)) = parse_denominator(rest, separators) {
        return Some((value.checked_div(denominator)?, after));
    }
    if value.is_whole()
        && let Some((part, after)) = parse_mixed_fraction(rest)
    {
        return Some((value.checked_add(part)?, after));
    }
    Some((value, rest))
}

/// Whether the text begins with a numeral.
pub fn begins_with_number(text: &str) -> bool {
    let mut characters = text.chars();
    let (first, second) = (characters.next(), characters.next());
    first.is_some_and(|c| {
        c.is_ascii_digit() || VULGAR_FRACTIONS.iter().any(|(known, ..)| *known == c)
    }) || (first == Some('.') && second.is_some_and(|c| c.is_ascii_digit()))
}

fn parse_vulgar_fraction(text: &str) -> Option<(Ratio, &str)> {
    let first = text.chars().next()?;
    let (_, above, denominator) = VULGAR_FRACTIONS
        .iter()
        .find(|(known, ..)| *known == first)?;
    Some((Ratio::new(*above, *denominator)?, &text[first.len_utf8()..]))
}

// Returns the leading digits with the separators between them.
fn leading_digits(text: &str) -> &str {
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut end = 0;
    let mut is_spaced = false;
    while end < bytes.len() {
        if is_digit(end) {
            end += 1;
            continue;
        }
        let Some(mark) = text[end..].chars().next() else {
            break;
        };
        let next = end + mark.len_utf8();
        let is_decimal = matches!(mark, '.' | ',') && is_digit(next);
        let is_group = is_group_separator(mark)
            && (is_spaced || (1..=3).contains(&end))
            && (next..next + 3).all(is_digit)
            && !is_digit(next + 3)
            && bytes.get(next + 3) != Some(&b'/');
        if !is_decimal && !is_group {
            break;
        }
        is_spaced |= is_group;
        end = next;
    }
    &text[..end]
}

const fn is_group_separator(mark: char) -> bool {
    matches!(
        mark,
        ' ' | '\u{a0}' | '\u{2009}' | '\u{202f}' | '\u{2007}' | '\'' | '’' | '_'
    )
}

fn parse_grouped_number(token: &str, separators: Separators) -> Option<Ratio> {
    let token: String = token.chars().filter(|c| !is_group_separator(*c)).collect();
    let count = |mark: char| token.matches(mark).count();
    let (commas, dots) = (count(','), count('.'));
    let (mark, decimal) = match (commas, dots) {
        (0, 0 | 1) => (',', '.'),
        (1, 0) if is_group_of_three(&token, ',') => (',', '.'),
        (1, 0) => ('.', ','),
        (_, 0) => (',', '.'),
        (0, _) => ('.', ','),
        _ if token.rfind(',') > token.rfind('.') => ('.', ','),
        _ => (',', '.'),
    };
    let is_only_separator = commas + dots == 1;
    if is_only_separator
        && separators == Separators::Unknown
        && (is_group_of_three(&token, ',') || is_group_of_three(&token, '.'))
    {
        return None;
    }
    if count(decimal) > 1 {
        return None;
    }
    let (integer_digits, part) = token.split_once(decimal).unwrap_or((&token, ""));
    if part.contains(mark) || !is_well_grouped(integer_digits, mark) {
        return None;
    }
    parse_decimal_number(&integer_digits.replace(mark, ""), part)
}

// Whether the only separator is in the position of a thousands separator: "1,234", but not "0,123" or "1234,567".
fn is_group_of_three(token: &str, mark: char) -> bool {
    token.split_once(mark).is_some_and(|(before, after)| {
        (1..=3).contains(&before.len()) && !before.starts_with('0') && after.len() == 3
    })
}

// Whether the digits after the first group are in groups of three, or of two before the last three, as in India.
fn is_well_grouped(integer_digits: &str, mark: char) -> bool {
    let groups: Vec<&str> = integer_digits.split(mark).collect();
    let Some(((first, last), between)) = groups
        .split_first()
        .and_then(|(first, rest)| Some(((first, rest.last()?), &rest[..rest.len() - 1])))
    else {
        return true;
    };
    let of = |length: usize| between.iter().all(|group| group.len() == length);
    last.len() == 3
        && !first.starts_with('0')
        && ((of(3) && (1..=3).contains(&first.len())) || (of(2) && (1..=2).contains(&first.len())))
}

fn parse_decimal_number(integer_digits: &str, part: &str) -> Option<Ratio> {
    let digits = format!("{integer_digits}{part}");
    if digits.is_empty() || digits.len() > MAX_DIGITS {
        return None;
    }
    let scale = Ratio::power_of_ten(-i32::try_from(part.len()).ok()?)?;
    Ratio::new(digits.parse().ok()?, 1)?.checked_mul(scale)
}

// Reads the power of ten in "e3", "× 10^3", or "x 10³".
fn parse_power_of_ten(rest: &str) -> Option<(i32, &str)> {
    if let Some(power) = rest.strip_prefix(['e', 'E'])
        && let Some((power, after)) = parse_signed_exponent(power)
    {
        let is_whole_word = !after.starts_with(char::is_alphanumeric);
        return is_whole_word.then_some((power, after));
    }
    let factor = rest
        .trim_start()
        .strip_prefix(['×', 'x', '*', '·', '⋅', '∙'])?;
    parse_superscript(factor.trim_start().strip_prefix("10")?)
}

// Reads the exponent in "^3", "**3", or "³".
fn parse_superscript(rest: &str) -> Option<(i32, &str)> {
    let exponent = rest.strip_prefix('^').or_else(|| rest.strip_prefix("**"));
    if let Some(power) = exponent {
        return parse_signed_exponent(power.trim_start());
    }
    let (is_negative, digits) = match rest.strip_prefix('⁻') {
        Some(digits) => (true, digits),
        None => (false, rest),
    };
    let digit = |c: char| SUPERSCRIPT_DIGITS.chars().position(|known| known == c);
    let end = digits.find(|c| digit(c).is_none()).unwrap_or(digits.len());
    if end == 0 || digits[..end].chars().count() > 3 {
        return None;
    }
    let add = |sum: i32, c: char| sum * 10 + digit(c).unwrap_or_default() as i32;
    let power = digits[..end].chars().fold(0, add);
    Some((if is_negative { -power } else { power }, &digits[end..]))
}

fn parse_signed_exponent(text: &str) -> Option<(i32, &str)> {
    let (sign, digits) = match text.strip_prefix(['-', '−']) {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    let power: i32 = digits[..end].parse().ok()?;
    Some((sign * power, &digits[end..]))
}

// Reads a denominator, "/4", unless a second slash makes it a date.
fn parse_denominator(rest: &str, separators: Separators) -> Option<(Ratio, &str)> {
    let denominator = rest
        .trim_start()
        .strip_prefix(['/', '⁄', '∕'])?
        .trim_start();
    let token = leading_digits(denominator);
    let after_denominator = &denominator[token.len()..];
    let is_date = after_denominator.starts_with(['/', '⁄', '∕']);
    let value = parse_grouped_number(token, separators)?;
    (!is_date).then_some((value, after_denominator))
}

// Reads " 1/2" or "½" after a whole number.
fn parse_mixed_fraction(rest: &str) -> Option<(Ratio, &str)> {
    if let Some(part) = parse_vulgar_fraction(rest.trim_start()) {
        return Some(part);
    }
    let part = rest.strip_prefix([' ', '\u{a0}', '\u{2009}'])?.trim_start();
    let end = part.find(|c: char| !c.is_ascii_digit())?;
    let above: i128 = part[..end].parse().ok()?;
    let (denominator, after) = parse_denominator(&part[end..], Separators::English)?;
    let part = Ratio::new(above, 1)?.checked_div(denominator)?;
    part.is_proper_fraction().then_some((part, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_numeral_spelling_is_parsed() {
        for (text, value, rest) in [
            ("5", "5", ""),
            (".5 l", "0.5", " l"),
            ("1,200.00", "1200", ""),
            ("1.234,5", "1234.5", ""),
            ("1,234", "1234", ""),
            ("1.234", "1.234", ""),
            ("1234,5", "1234.5", ""),
            ("0,123", "0.123", ""),
            ("1.234.567", "1234567", ""),
            ("12,34,567", "1234567", ""),
            ("1 500 kg", "1500", " kg"),
            ("1'500", "1500", ""),
            ("1_500_000", "1500000", ""),
            ("1\u{202f}500", "1500", ""),
            ("5 100-dollar bills", "5100", "-dollar bills"),
            ("1.2e3", "1200", ""),
            ("1.2 × 10^3", "1200", ""),
            ("1.2 x 10³ m", "1200", " m"),
            ("6·10⁻³", "0.006", ""),
            ("10^3", "1000", ""),
            ("2**10", "1024", ""),
            ("1/2", "0.5", ""),
            ("1 / 3", "1/3", ""),
            ("1 1/2", "1.5", ""),
            ("1½ cups", "1.5", " cups"),
            ("¾", "0.75", ""),
            ("5 eggs", "5", " eggs"),
            ("5e", "5", "e"),
            ("5.", "5", "."),
            ("5, 6", "5", ", 6"),
        ] {
            let (read, after) = leading_number(text, Separators::English).expect(text);
            assert_eq!((read.to_string().as_str(), after), (value, rest), "{text}");
        }
    }

    #[test]
    fn invalid_and_ambiguous_numerals_are_rejected() {
        for text in [
            "", "x", "1.2.3", "1,2,3", "1,23,4", "1/0", "1e99", "1.234.56",
        ] {
            assert_eq!(leading_number(text, Separators::English), None, "{text}");
        }
        for text in ["1.234", "1,234"] {
            assert_eq!(leading_number(text, Separators::Unknown), None, "{text}");
        }
        for text in ["1.234,5", "1,5", "0,123", "1234", "12.5"] {
            assert!(
                leading_number(text, Separators::Unknown).is_some(),
                "{text}"
            );
        }
    }
}
