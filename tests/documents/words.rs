//! Words for the comparison of two texts of the same file. They are normalized so that only differences count that a
//! reader can see.

use std::collections::HashMap;

/// Returns whether a character is invisible: a soft hyphen, a joiner, a directional mark, or a byte order mark.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

/// Returns whether a character's script does not separate words with spaces. Every such character counts as a word.
fn stands_alone(c: char) -> bool {
    matches!(c, '\u{0E00}'..='\u{0E7F}' | '\u{2E80}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

fn expand_ligature(c: char) -> Option<&'static str> {
    Some(match c {
        'ﬀ' => "ff",
        'ﬁ' => "fi",
        'ﬂ' => "fl",
        'ﬃ' => "ffi",
        'ﬄ' => "ffl",
        _ => return None,
    })
}

/// Returns all words of a text, each with its number of occurrences.
pub fn word_counts(text: &str) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    let mut word = String::new();
    let mut end = |word: &mut String| {
        if !word.is_empty() {
            *counts.entry(std::mem::take(word)).or_insert(0) += 1;
        }
    };
    for c in text.chars() {
        if is_unseen(c) {
            continue;
        }
        if let Some(letters) = expand_ligature(c) {
            word.push_str(letters);
        } else if stands_alone(c) {
            end(&mut word);
            word.push(c);
            end(&mut word);
        } else if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        } else {
            end(&mut word);
        }
    }
    end(&mut word);
    counts
}

/// Returns the share of the words in the reference that were also found. Each word counts as often as it occurs in the
/// reference.
pub fn recall(found: &HashMap<String, usize>, reference: &HashMap<String, usize>) -> f64 {
    let all: usize = reference.values().sum();
    let hits: usize = reference
        .iter()
        .map(|(word, &times)| found.get(word).map_or(0, |&there| there.min(times)))
        .sum();
    if all == 0 {
        1.0
    } else {
        hits as f64 / all as f64
    }
}

#[test]
fn words_are_folded_and_counted() {
    let counts = word_counts("The ﬁle, the FI\u{AD}LE: 中文 3.5");
    for (word, times) in [("the", 2), ("file", 2), ("中", 1), ("文", 1), ("3", 1)] {
        assert_eq!(counts.get(word), Some(&times), "{word}");
    }
    assert_eq!(recall(&word_counts("a b"), &word_counts("a a b c")), 0.5);
    assert_eq!(recall(&word_counts(""), &word_counts("")), 1.0);
}
