//! Splits text into words and compares words, in any language. It knows nothing about questions, sources, or Markdown.
//! The word lists are in `stop.rs`.

use super::stop;

/// A word and its position in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextWord<'a> {
    /// The word as written.
    pub text: &'a str,
    /// Byte offset of the word in the text.
    pub offset: usize,
}

/// Splits a text into words. In scripts that do not separate words with spaces, every pair of adjacent characters
/// counts as a word.
pub fn words(text: &str) -> Vec<TextWord<'_>> {
    let mut words = Vec::new();
    let mut characters = text.char_indices().peekable();
    while let Some((start, first)) = characters.next() {
        if !first.is_alphanumeric() {
            continue;
        }
        let is_unspaced = is_unspaced_script(first);
        let mut end = start + first.len_utf8();
        while let Some(&(at, character)) = characters.peek() {
            let inside =
                character.is_alphanumeric() && is_unspaced_script(character) == is_unspaced;
            let joins = !is_unspaced && is_joiner(character) && is_inside_word(text, at, character);
            if !(inside || joins) {
                break;
            }
            end = at + character.len_utf8();
            characters.next();
        }
        let run = &text[start..end];
        if is_unspaced {
            push_pairs(run, start, &mut words);
        } else {
            words.push(TextWord {
                text: run,
                offset: start,
            });
        }
    }
    words
}

/// Returns the stem of a word for comparisons: the lowercase word without the most common English endings. It is
/// deliberately crude, so that words that a reader would tell apart are never merged.
pub fn stem(word: &str) -> String {
    let mut stem = word.to_lowercase().replace('\u{2019}', "'");
    for ending in ["'s", "'"] {
        if let Some(rest) = stem.strip_suffix(ending) {
            stem = rest.to_owned();
        }
    }
    if !stem.is_ascii() || stem.len() < 4 || stem.bytes().any(|byte| byte.is_ascii_digit()) {
        return stem;
    }
    if let Some(rest) = stem.strip_suffix("ies").filter(|rest| rest.len() > 2) {
        return format!("{rest}y");
    }
    if let Some(rest) = stem.strip_suffix("sses") {
        return format!("{rest}ss");
    }
    for (ending, least) in [("ing", 4), ("ed", 4)] {
        if let Some(rest) = stem.strip_suffix(ending).filter(|rest| rest.len() >= least) {
            return rest.trim_end_matches('e').to_owned();
        }
    }
    let kept_endings = ["ss", "us", "is"];
    if stem.ends_with('s') && !kept_endings.iter().any(|kept| stem.ends_with(kept)) {
        stem.pop();
    }
    if stem.len() > 4 && stem.ends_with('e') {
        stem.pop();
    }
    stem
}

/// Returns the stems of the content words, in order and with duplicates.
pub fn content(text: &str) -> Vec<String> {
    words(text)
        .into_iter()
        .filter(|word| !stop::is_stop(word.text))
        .map(|word| stem(word.text))
        .collect()
}

/// Returns the stems of the content words, sorted and deduplicated.
pub fn terms(text: &str) -> Vec<String> {
    let mut stems = content(text);
    stems.sort_unstable();
    stems.dedup();
    stems
}

/// Returns the number of elements that two sorted lists have in common.
pub fn count_shared(left: &[String], right: &[String]) -> usize {
    let (mut i, mut j, mut count) = (0, 0, 0);
    while i < left.len() && j < right.len() {
        match left[i].cmp(&right[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => (i, j, count) = (i + 1, j + 1, count + 1),
        }
    }
    count
}

/// Returns the Jaccard similarity of two sorted lists, from 0 to 1.
pub fn jaccard_similarity(left: &[String], right: &[String]) -> f64 {
    let both = count_shared(left, right);
    let all = left.len() + right.len() - both;
    if all == 0 {
        0.0
    } else {
        both as f64 / all as f64
    }
}

/// Trims a text, collapses each run of whitespace to one space, and removes other control characters.
pub fn collapse_whitespace(text: &str) -> String {
    let mut collapsed = String::with_capacity(text.len());
    for part in text.split_whitespace() {
        let from = collapsed.len();
        collapsed.extend(part.chars().filter(|character| !character.is_control()));
        if collapsed.len() > from && from > 0 {
            collapsed.insert(from, ' ');
        }
    }
    collapsed
}

/// Truncates a text to `max_chars` characters, if possible at a space. If anything was cut, appends an ellipsis.
pub fn shorten(text: &str, max_chars: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(max_chars) else {
        return text.to_owned();
    };
    let cut_end = match text[..end].rfind(' ') {
        Some(blank) if blank > end / 2 => blank,
        _ => end,
    };
    format!("{} …", text[..cut_end].trim_end())
}

fn is_joiner(character: char) -> bool {
    matches!(
        character,
        '\'' | '’' | '-' | '.' | ',' | '_' | '\u{200c}' | '\u{200d}' | '\u{94d}'
    ) || ('\u{300}'..='\u{36f}').contains(&character)
}

/// Returns whether a joiner between two characters is part of a word. Most joiners count only between letters; periods
/// and commas count only between digits.
fn is_inside_word(text: &str, at: usize, joiner: char) -> bool {
    let mark = ('\u{300}'..='\u{36f}').contains(&joiner) || joiner == '\u{94d}';
    let before = text[..at].chars().next_back();
    let after = text[at + joiner.len_utf8()..].chars().next();
    let (Some(before), Some(after)) = (before, after) else {
        return mark;
    };
    if matches!(joiner, '.' | ',') {
        return before.is_numeric() && after.is_numeric();
    }
    mark || (before.is_alphanumeric() && after.is_alphanumeric() && !is_unspaced_script(after))
}

/// Returns whether a character's script does not separate words with spaces.
fn is_unspaced_script(character: char) -> bool {
    matches!(character,
        '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}'
        | '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}')
}

fn push_pairs<'a>(run: &'a str, start: usize, words: &mut Vec<TextWord<'a>>) {
    let places: Vec<usize> = run.char_indices().map(|(at, _)| at).collect();
    if places.len() == 1 {
        words.push(TextWord {
            text: run,
            offset: start,
        });
    }
    for (index, &from) in places.iter().enumerate().take(places.len() - 1) {
        let to = places.get(index + 2).copied().unwrap_or(run.len());
        words.push(TextWord {
            text: &run[from..to],
            offset: start + from,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_in_many_scripts() {
        for (text, expected) in [
            (
                "don't stop-gap, 1,000.5 x.",
                vec!["don't", "stop-gap", "1,000.5", "x"],
            ),
            ("Größe für naïve", vec!["Größe", "für", "naïve"]),
            ("量子計算", vec!["量子", "子計", "計算"]),
            ("量", vec!["量"]),
            ("привет, мир", vec!["привет", "мир"]),
            ("हिन्दी भाषा", vec!["हिन्दी", "भाषा"]),
            ("'--'", vec![]),
        ] {
            let word_texts: Vec<&str> = words(text).iter().map(|word| word.text).collect();
            assert_eq!(word_texts, expected, "{text}");
        }
    }

    #[test]
    fn stems_merge_forms_but_not_words() {
        for (left, right, same) in [
            ("licenses", "license", true),
            ("Licensing", "licensed", true),
            ("parties", "party", true),
            ("Author’s", "author", true),
            ("ring", "rings", true),
            ("bus", "bu", false),
            ("class", "clas", false),
            ("30s", "30", false),
            ("Straße", "STRAßE", true),
        ] {
            assert_eq!(stem(left) == stem(right), same, "{left} {right}");
        }
    }

    #[test]
    fn truncation_keeps_words_whole() {
        assert_eq!(shorten("short", 10), "short");
        assert_eq!(shorten("one two three", 9), "one two …");
        assert_eq!(shorten("量子計算機", 2), "量子 …");
    }

    #[test]
    fn similarity_ranges_from_0_to_1() {
        let (a, b) = (terms("the red house"), terms("a red boat"));
        assert_eq!(jaccard_similarity(&a, &a), 1.0);
        assert!((jaccard_similarity(&a, &b) - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(jaccard_similarity(&[], &[]), 0.0);
    }
}
