//! Finds a text within another as whole words and whole numbers, including the symbols that belong to them.

/// Negating prefixes in scripts without spaces between words.
const NEGATIONS: &[&str] = &["不", "非", "未", "无", "無", "没", "沒", "ไม่", "ไร้"];

/// Whether the text contains the part as whole words or numbers rather than as a fragment of longer ones. Does not find
/// "lawful" in "unlawful", "binding" in "non-binding", C in C++, A in A-, or 5 in 50, 0.5, -5, 5%, and 1/5.
pub(super) fn contains_word(text: &str, part: &str) -> bool {
    let (Some(first), Some(last)) = (part.chars().next(), part.chars().next_back()) else {
        return false;
    };
    text.match_indices(part).any(|(at, _)| {
        let (left, right) = (&text[..at], &text[at + part.len()..]);
        !extends_left(left, first) && !extends_right(right, last, part)
    })
}

// Whether this is a letter or digit that precedes Hebrew in Unicode. Some of the later scripts have no spaces
// between words.
fn is_letter(c: char) -> bool {
    c.is_alphanumeric() && c < '\u{590}'
}

const fn is_hyphen(c: char) -> bool {
    matches!(c, '-' | '‐' | '‑')
}

// Whether the word or number that begins with `first` extends further to the left.
fn extends_left(left: &str, first: char) -> bool {
    let mut chars_before = left.chars().rev();
    let (nearest, outer) = (chars_before.next(), chars_before.next());
    let Some(nearest) = nearest else { return false };
    if NEGATIONS.iter().any(|prefix| left.ends_with(prefix)) && !is_letter(first) {
        return true;
    }
    let is_outer_letter = outer.is_some_and(is_letter);
    if !is_letter(first) {
        // This excludes the "-5" in "3-5".
        return (is_hyphen(first) || first == '−') && is_letter(nearest);
    }
    let is_negative = matches!(nearest, '-' | '−') && !is_outer_letter;
    let is_number_part = first.is_ascii_digit()
        && (is_negative
            || matches!(nearest, '.' | ',')
            || (matches!(nearest, '/' | '⁄') && outer.is_some_and(|outer| outer.is_ascii_digit())));
    is_letter(nearest)
        || is_number_part
        || ((is_hyphen(nearest) || nearest == '_') && is_outer_letter)
}

// Whether the word or number that ends with `last` extends further to the right.
fn extends_right(right: &str, last: char, part: &str) -> bool {
    let mut following = right.chars();
    let (nearest, outer) = (following.next(), following.next());
    let Some(nearest) = nearest else { return false };
    if !is_letter(last) {
        // This excludes the "C+" in "C++" and the "A-" in "A-team".
        let is_same_sign = matches!(last, '+' | '#') && nearest == last;
        return is_same_sign || (is_hyphen(last) && is_letter(nearest));
    }
    let is_outer_digit = outer.is_some_and(|outer| outer.is_ascii_digit());
    let is_digit = last.is_ascii_digit();
    let is_percent = nearest == '%' || (nearest == ' ' && outer == Some('%'));
    let is_number_part =
        is_digit && (is_percent || (matches!(nearest, '.' | ',' | '/' | '⁄') && is_outer_digit));
    // "A-" is a grade, whereas a hyphen after a longer word may be a dash.
    let is_grade = is_hyphen(nearest) && !is_digit && part.chars().count() == 1;
    let is_joined = (is_hyphen(nearest) || nearest == '_') && outer.is_some_and(is_letter);
    // This excludes the "C" in "C++" and the "A" in "A+", but not the "2" in "2+3".
    let is_signed = matches!(nearest, '+' | '#') && !is_digit;
    is_letter(nearest) || is_number_part || is_grade || is_joined || is_signed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_are_found_whole() {
        for (text, part, expected) in [
            ("it is paris.", "paris", true),
            ("(paris)", "paris", true),
            ("parisian", "paris", false),
            ("unlawful", "lawful", false),
            ("non-binding", "binding", false),
            ("a non-binding vote", "binding", false),
            ("it is binding - or not", "binding", true),
            ("c++", "c", false),
            ("c#", "c", false),
            ("use c, not rust", "c", true),
            ("c++", "c++", true),
            ("c++", "c+", false),
            ("grade a-", "a", false),
            ("grade a- overall", "a", false),
            ("grade a-", "a-", true),
            ("a-team", "a-", false),
            ("a+", "a", false),
            ("5%", "5", false),
            ("5 %", "5", false),
            ("5 %", "5 %", true),
            ("1/5", "5", false),
            ("5/6", "5", false),
            ("5.5", "5", false),
            ("50", "5", false),
            ("-5", "5", false),
            ("3-5", "-5", false),
            ("5th", "5", false),
            ("(5)", "5", true),
            ("it is 5.", "5", true),
            ("2+5", "5", true),
            ("foo_bar", "foo", false),
            ("_foo_", "foo", true),
            ("不合法", "合法", false),
            ("这是合法的", "合法", true),
            ("不可能", "可能", false),
            ("違法、無効", "効", false),
            ("ไม่ปลอดภัย", "ปลอดภัย", false),
            ("ปลอดภัย", "ปลอดภัย", true),
            ("paris", "", false),
        ] {
            assert_eq!(contains_word(text, part), expected, "{part} in {text}");
        }
    }
}
