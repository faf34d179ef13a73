//! Detects near-duplicates by their word shingles, that is, by runs of words rather than by meaning.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

/// Number of consecutive words that form a shingle.
const SHINGLE_WORDS: usize = 4;
/// Minimum Jaccard similarity of near-duplicates. For a passage of 150 words, changing one word leaves 0.95,
/// and changing one of ten sentences leaves about 0.8.
const DUPLICATE_SIMILARITY: f64 = 0.85;

/// The shingles of a text, as sorted hashes.
pub(super) struct Shingles(Vec<u64>);

impl Shingles {
    pub fn from_text(text: &str) -> Self {
        let words: Vec<&str> = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .collect();
        let mut runs: Vec<u64> = words.windows(SHINGLE_WORDS).map(hash).collect();
        if runs.is_empty() {
            runs.push(hash(text.trim()));
        }
        runs.sort_unstable();
        runs.dedup();
        Self(runs)
    }

    /// Whether the similarity of two texts is at least `DUPLICATE_SIMILARITY`.
    pub fn is_near_duplicate(&self, other: &Self) -> bool {
        let (mut a, mut b, mut common) = (0, 0, 0);
        while let (Some(own_hash), Some(other_hash)) = (self.0.get(a), other.0.get(b)) {
            common += usize::from(own_hash == other_hash);
            a += usize::from(own_hash <= other_hash);
            b += usize::from(other_hash <= own_hash);
        }
        let all = self.0.len() + other.0.len() - common;
        common as f64 >= DUPLICATE_SIMILARITY * all as f64
    }
}

fn hash<T: Hash + ?Sized>(run: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    run.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_duplicates_are_detected() {
        let text: String = (0..150).map(|n| format!("word{n} ")).collect();
        for (other, expected) in [
            (text.clone(), true),
            (text.replace("word7 ", "other "), true),
            (text.replace(' ', "\n"), true),
            (text[..text.len() / 2].to_owned(), false),
            ("short".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(
                Shingles::from_text(&text).is_near_duplicate(&Shingles::from_text(&other)),
                expected,
                "{other}"
            );
        }
        assert!(Shingles::from_text("a b").is_near_duplicate(&Shingles::from_text(" a b")));
        assert!(!Shingles::from_text("a b").is_near_duplicate(&Shingles::from_text("a c")));
    }
}
