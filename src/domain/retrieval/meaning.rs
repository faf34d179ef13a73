//! Semantic ranking: vectors of passages and questions, and how that ranking is combined with the keyword ranking.
//!
//! Both rankings are combined by reciprocal rank fusion: G. Cormack, C. Clarke, and S. Büttcher, "Reciprocal Rank
//! Fusion outperforms Condorcet and individual Rank Learning Methods" (2009).

use std::collections::BTreeMap;

/// The vector of a question, used to rank passages.
#[derive(Debug, Clone, PartialEq)]
pub struct QuestionEmbedding {
    /// The model that computed the vector.
    pub model: String,
    /// The question's vector, of length 1.
    pub vector: Vec<f32>,
    /// Search words into which the question was rewritten; empty if it was not rewritten.
    pub rewriting: String,
}

/// Threshold for the weighted share of the question's terms that the best passage contains, 0 to 1. Below it, keyword
/// matches count as weak, and semantic search gets more weight.
pub const WEAK_COVERAGE: f64 = 0.55;
/// Determines how quickly the weight falls with the rank. This is the paper's `k`, adapted to short lists.
const RANK_OFFSET: f64 = 10.0;
/// Weight of the semantic ranking if keyword matches are strong. The keyword ranking has a weight of 1.
const SEMANTIC_WEIGHT: f64 = 0.35;
/// Weight of the semantic ranking if keyword matches are weak.
const SEMANTIC_WEIGHT_FOR_WEAK_MATCHES: f64 = 2.0;
/// Weight of the keyword ranking of the rewritten question.
const REWRITING_WEIGHT: f64 = 0.7;

/// The rankings of one search, each with the best item first. Items can be of any type.
#[derive(Debug, Default)]
pub struct Rankings<T> {
    /// Keyword ranking of the question.
    pub words: Vec<T>,
    /// Keyword ranking of the rewritten question.
    pub rewriting: Vec<T>,
    /// Semantic ranking, without items that have no vector.
    pub semantic: Vec<T>,
    /// Whether keyword matches are weak, that is, even the best passage contains too few of the question's terms.
    pub is_weak: bool,
}

impl<T: Ord + Clone> Rankings<T> {
    /// Combines the rankings. Returns the items, best first, with their scores.
    pub fn fuse(&self) -> Vec<(T, f64)> {
        let meaning = match self.is_weak {
            true => SEMANTIC_WEIGHT_FOR_WEAK_MATCHES,
            false => SEMANTIC_WEIGHT,
        };
        let mut scores: BTreeMap<&T, f64> = BTreeMap::new();
        let lists = [
            (&self.words, 1.0),
            (&self.rewriting, REWRITING_WEIGHT),
            (&self.semantic, meaning),
        ];
        for (list, weight) in lists {
            for (rank, item) in list.iter().enumerate() {
                *scores.entry(item).or_default() += weight / (RANK_OFFSET + rank as f64 + 1.0);
            }
        }
        let mut joined: Vec<(T, f64)> = scores
            .into_iter()
            .map(|(item, score)| (item.clone(), score))
            .collect();
        // The sort is stable, so items with equal scores stay in ascending order.
        joined.sort_by(|(_, left), (_, right)| right.total_cmp(left));
        joined
    }
}

/// Scales a vector to length 1; `None` if its length is zero or not a finite number.
pub fn normalize(mut vector: Vec<f32>) -> Option<Vec<f32>> {
    let length = vector
        .iter()
        .map(|component| component * component)
        .sum::<f32>()
        .sqrt();
    if !length.is_finite() || length <= 0.0 {
        return None;
    }
    for component in &mut vector {
        *component /= length;
    }
    Some(vector)
}

/// Returns the stored form of a vector: 32-bit floats, little-endian.
pub fn to_bytes(vector: &[f32]) -> Vec<u8> {
    vector
        .iter()
        .flat_map(|component| component.to_le_bytes())
        .collect()
}

/// Returns the cosine similarity of a stored vector and another one, both of length 1; `None` if their dimensions
/// differ or are 0.
pub fn similarity(stored: &[u8], vector: &[f32]) -> Option<f32> {
    if stored.len() != size_of_val(vector) || vector.is_empty() {
        return None;
    }
    let (numbers, _) = stored.as_chunks::<4>();
    let products = numbers
        .iter()
        .zip(vector)
        .map(|(bytes, other)| f32::from_le_bytes(*bytes) * other);
    Some(products.sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_stored_with_length_one_and_compared() {
        let unit_vector = normalize(vec![3.0, 4.0]).expect("a direction");
        assert_eq!(unit_vector, [0.6, 0.8]);
        let stored_bytes = to_bytes(&unit_vector);
        assert_eq!(stored_bytes.len(), 8);
        let same = similarity(&stored_bytes, &unit_vector).expect("equal dimensions");
        assert!((same - 1.0).abs() < 1e-6);
        assert_eq!(similarity(&stored_bytes, &[1.0, 0.0]), Some(0.6));
        for other in [&[][..], &[1.0], &[1.0, 0.0, 0.0]] {
            assert_eq!(similarity(&stored_bytes, other), None);
        }
        assert_eq!(similarity(&[], &[]), None);
        for unusable in [
            vec![],
            vec![0.0, 0.0],
            vec![f32::NAN, 1.0],
            vec![f32::MAX; 2],
        ] {
            assert_eq!(normalize(unusable), None);
        }
    }

    #[test]
    fn semantic_search_gets_more_weight_if_keywords_match_weakly() {
        let rankings = |is_weak| Rankings {
            words: vec!["a", "b", "c"],
            rewriting: Vec::new(),
            semantic: vec!["d", "c", "a"],
            is_weak,
        };
        let order = |rankings: Rankings<&'static str>| -> Vec<&str> {
            rankings.fuse().into_iter().map(|(item, _)| item).collect()
        };
        assert_eq!(order(rankings(false)), ["a", "c", "b", "d"]);
        assert_eq!(order(rankings(true)), ["a", "c", "d", "b"]);
        let rewritten = Rankings {
            words: vec!["a"],
            rewriting: vec!["b", "a"],
            ..Rankings::default()
        };
        assert_eq!(order(rewritten), ["a", "b"]);
        assert!(Rankings::<u8>::default().fuse().is_empty());
    }
}
