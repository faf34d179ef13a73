//! Similarity of wording. Measures words rather than meaning, and is always presented as such.

use std::collections::BTreeSet;

use crate::domain::citation::ComparableText;

/// Returns the similarity of the texts' wording, 0 to 1: the Dice coefficient of their distinct words,
/// averaged over all pairs of texts. `None` if fewer than two of the texts contain words.
pub fn similarity(texts: &[&str]) -> Option<f64> {
    let word_sets: Vec<BTreeSet<String>> = texts
        .iter()
        .map(|text| {
            let text = ComparableText::from_text(text);
            let words = text.words().iter().filter(|word| !word.is_symbol);
            words.map(|word| word.plain.clone()).collect()
        })
        .filter(|word_set: &BTreeSet<String>| !word_set.is_empty())
        .collect();
    let (mut sum, mut pairs) = (0.0, 0_u32);
    for (index, one) in word_sets.iter().enumerate() {
        for other in &word_sets[index + 1..] {
            let common = one.intersection(other).count() as f64;
            sum += 2.0 * common / (one.len() + other.len()) as f64;
            pairs += 1;
        }
    }
    (pairs > 0).then(|| (sum / f64::from(pairs) * 100.0).round() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_compared_and_nothing_else() {
        for (texts, expected) in [
            (&["The seller pays.", "The buyer pays."][..], Some(0.67)),
            (&["same words", "Same, words!"], Some(1.0)),
            (&["one", "two"], Some(0.0)),
            (&["one", ""], None),
            (&[], None),
        ] {
            assert_eq!(similarity(texts), expected, "{texts:?}");
        }
    }
}
