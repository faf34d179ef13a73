//! Counts the words that two texts share, including inflected forms.

/// Whether the words are in scripts that separate words with spaces. In Thai, Chinese, and Japanese, spaces separate
/// whole clauses.
pub(super) fn has_spaces(words: &[String]) -> bool {
    words
        .iter()
        .flat_map(|word| word.chars())
        .all(|c| c < '\u{e00}' || "€“”‘’–—".contains(c))
}

/// Counts the words in `own` that also occur in `quoted`, in any inflected form.
pub(super) fn count_shared_words(own: &[String], quoted: &[String]) -> usize {
    let is_shared = |word: &&String| quoted.iter().any(|known| is_same_word(known, word));
    own.iter().filter(is_shared).count()
}

/// Whether two words are forms of the same word, with the same stem and different endings.
pub(super) fn is_same_word(left: &str, right: &str) -> bool {
    if left == right {
        return true;
    }
    let common: usize = (left.chars().zip(right.chars()))
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len_utf8())
        .sum();
    let (left_rest, right_rest) = (&left[common..], &right[common..]);
    let has_digit = left.contains(|c: char| c.is_ascii_digit());
    common >= 3 && !has_digit && is_ending(left_rest) && is_ending(right_rest)
}

fn is_ending(left_rest: &str) -> bool {
    const WORD_ENDINGS: &[&str] = &[
        "", "s", "es", "ed", "d", "ing", "n", "en", "e", "em", "t", "te", "ten",
    ];
    WORD_ENDINGS.contains(&left_rest)
}
