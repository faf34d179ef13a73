//! BM25 ranking with statistics of only the searched passages. Other documents and other users' libraries do not affect
//! a result.
//!
//! BM25 as in S. Robertson and H. Zaragoza, "The Probabilistic Relevance Framework" (2009), section 3.4, but with an
//! inverse document frequency that, as in Lucene, is never negative.

use super::SearchQuery;
use crate::domain::document::SearchHit;

/// The parameter `k1`: how quickly further occurrences of a word stop adding weight.
const TERM_SATURATION: f64 = 1.2;
/// The parameter `b`: how strongly a passage's length is taken into account, 0 to 1.
const LENGTH_NORMALIZATION: f64 = 0.75;
/// Weight of an occurrence in the heading. An occurrence in the text has a weight of 1.
const HEADING_WEIGHT: f64 = 0.6;
/// Weight of a query part that a passage contains only in another form, such as a spelled-out umlaut or a joined name.
const OTHER_FORM_WEIGHT: f64 = 0.8;
/// Maximum bonus for coverage, as a fraction of a passage's score. The bonus is proportional to the share of the
/// query's parts that the passage contains.
const COVERAGE_BONUS: f64 = 0.5;
/// Bonus for a passage that contains a quoted phrase, as a fraction of its score.
const PHRASE_BONUS: f64 = 1.0;

/// Minimum number of query parts that are searched, even if they are frequent, so that a question of common
/// words still finds something.
const MIN_QUERY_PARTS: usize = 6;
/// Maximum number of passages scored per search, summed over the query's parts. Parts that would exceed it are searched
/// only if they are among the first [`MIN_QUERY_PARTS`].
const MAX_SCORED: u64 = 6_000;

/// In how many of the searched passages each part of a query occurs.
#[derive(Debug, Clone, PartialEq)]
pub struct TermStatistics {
    /// Number of searched passages, including those without any part of the query.
    pub passages: u64,
    /// For each part of the query, the number of searched passages that contain it.
    pub frequencies: Vec<u64>,
}

impl TermStatistics {
    /// Selects the parts to search for among those that occur: quoted ones first, then the rarest. Their
    /// number is limited by `MAX_SCORED`, but is at least `MIN_QUERY_PARTS` if there are that many.
    pub fn selected_parts(&self, query: &SearchQuery) -> Vec<usize> {
        let mut order: Vec<usize> = (0..query.parts.len())
            .filter(|&part| self.frequency(part) > 0)
            .collect();
        order.sort_by_key(|&part| (!query.parts[part].is_quoted, self.frequency(part)));
        let mut scored = 0;
        let mut selected = Vec::new();
        for part in order {
            scored += self.frequency(part);
            if scored > MAX_SCORED && selected.len() >= MIN_QUERY_PARTS {
                break;
            }
            selected.push(part);
        }
        selected
    }

    /// Returns the inverse document frequency of a part, which is larger for rarer parts and 0 for a part that every
    /// passage contains.
    pub fn weight(&self, part: usize) -> f64 {
        let (all, with) = (self.passages as f64, self.frequency(part) as f64);
        (1.0 + (all - with).max(0.0) / (with + 0.5)).ln()
    }

    /// Returns the share of the query, by weight, that a passage contains. Bit n of `found_parts` is set if the passage
    /// contains part n.
    pub fn coverage(&self, found_parts: u64) -> f64 {
        let weight = |parts: &mut dyn Iterator<Item = usize>| -> f64 {
            parts.map(|part| self.weight(part)).sum()
        };
        let all = weight(&mut (0..self.frequencies.len()));
        let is_found = |part: &usize| *part < 64 && found_parts & (1 << part) != 0;
        weight(&mut (0..self.frequencies.len()).filter(is_found)) / all.max(f64::MIN_POSITIVE)
    }

    fn frequency(&self, part: usize) -> u64 {
        self.frequencies.get(part).copied().unwrap_or(0)
    }
}

/// A passage returned by the index, with the query parts that matched.
pub struct WeighedPassage {
    /// The passage. Ranking replaces its score.
    pub hit: SearchHit,
    /// Bit n is set if part n matched according to the index.
    pub parts: u64,
}

/// Ranks passages by score, best first. Passages with equal scores are ordered by document and position.
pub fn rank(
    passages: Vec<WeighedPassage>,
    query: &SearchQuery,
    statistics: &TermStatistics,
) -> Vec<SearchHit> {
    let lengths = passages
        .iter()
        .map(|candidate| candidate.hit.passage.text.len());
    let average = lengths.sum::<usize>() as f64 / passages.len().max(1) as f64;
    let mut hits: Vec<SearchHit> = passages
        .into_iter()
        .map(|WeighedPassage { mut hit, parts }| {
            hit.score = score(&hit, parts, query, statistics, average);
            hit
        })
        .collect();
    hits.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then_with(|| a.document.cmp(&b.document))
            .then(a.passage.ordinal.cmp(&b.passage.ordinal))
    });
    hits
}

fn score(
    hit: &SearchHit,
    indexed_parts: u64,
    query: &SearchQuery,
    statistics: &TermStatistics,
    average: f64,
) -> f64 {
    let mut counts = vec![0.0; query.parts.len()];
    for found in query.find_matches(&hit.passage.text) {
        counts[found.part_index] += 1.0;
    }
    for found in query.find_matches(&hit.passage.heading) {
        counts[found.part_index] += HEADING_WEIGHT;
    }
    let length = hit.passage.text.len() as f64 / average.max(1.0);
    let discount = TERM_SATURATION * (1.0 - LENGTH_NORMALIZATION + LENGTH_NORMALIZATION * length);
    let (mut sum, mut present, mut has_quoted) = (0.0, 0, false);
    for (part, count) in counts.into_iter().enumerate() {
        let is_indexed = part < 64 && indexed_parts & (1 << part) != 0;
        let count = if is_indexed {
            f64::max(count, OTHER_FORM_WEIGHT)
        } else {
            count
        };
        if count > 0.0 {
            sum += statistics.weight(part) * count * (TERM_SATURATION + 1.0) / (count + discount);
            present += 1;
            has_quoted |= query.parts[part].is_quoted;
        }
    }
    let share = f64::from(present) / query.parts.len().max(1) as f64;
    sum * (1.0 + COVERAGE_BONUS * share + if has_quoted { PHRASE_BONUS } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::document::Passage;
    use crate::domain::id::DocumentId;
    use crate::domain::time::Timestamp;

    fn passage_with(ordinal: u32, text: &str) -> WeighedPassage {
        WeighedPassage {
            hit: SearchHit {
                document: DocumentId::new(Timestamp::from_millis(0), 0),
                name: String::new(),
                passage: Passage {
                    ordinal,
                    page: 1,
                    start: 0,
                    end: text.len() as u32,
                    heading: String::new(),
                    text: text.to_owned(),
                },
                score: 0.0,
            },
            parts: 0,
        }
    }

    fn ranked_ordinals(question: &str, frequencies: &[u64], texts: &[&str]) -> Vec<u32> {
        let query = SearchQuery::parse(question);
        let statistics = TermStatistics {
            passages: 100,
            frequencies: frequencies.to_vec(),
        };
        let passages = (0..)
            .zip(texts)
            .map(|(n, text)| passage_with(n, text))
            .collect();
        let ranked = rank(passages, &query, &statistics);
        assert!(
            ranked
                .iter()
                .all(|hit| hit.score.is_finite() && hit.score >= 0.0)
        );
        ranked.iter().map(|hit| hit.passage.ordinal).collect()
    }

    #[test]
    fn rare_words_short_passages_full_matches_and_phrases_rank_first() {
        // Here, "tax" is frequent and "levy" is rare.
        assert_eq!(
            ranked_ordinals("tax levy", &[90, 2], &["a tax", "a levy"]),
            [1, 0]
        );
        assert_eq!(
            ranked_ordinals("tax", &[9], &["tax and much else besides", "tax"]),
            [1, 0]
        );
        assert_eq!(
            ranked_ordinals("tax", &[9], &["tax once here", "tax tax tax"]),
            [1, 0]
        );
        let both = [
            "tax on tea is due",
            "the levy of tax is due",
            "levy levy levy due",
        ];
        assert_eq!(ranked_ordinals("tax levy", &[9, 9], &both)[0], 1);
        let quoted = ["sky blue sky blue", "the sky is blue"];
        assert_eq!(
            ranked_ordinals(r#""sky is blue""#, &[1, 9, 9], &quoted)[0],
            1
        );
        // Passages with equal scores stay in text order.
        assert_eq!(
            ranked_ordinals("tax", &[9], &["no match", "nothing"]),
            [0, 1]
        );
    }

    #[test]
    fn frequent_words_are_searched_if_rare_ones_are_few() {
        let query = SearchQuery::parse("alpha beta gamma delta epsilon zeta etas thetas");
        let of = |frequencies: &[u64]| {
            let statistics = TermStatistics {
                passages: 50_000,
                frequencies: frequencies.to_vec(),
            };
            statistics.selected_parts(&query)
        };
        assert_eq!(of(&[5_000; 8]).len(), MIN_QUERY_PARTS);
        assert_eq!(of(&[10; 8]).len(), 8);
        assert_eq!(
            of(&[0, 0, 7, 0, 0, 0, 0, 0]),
            [2],
            "what occurs nowhere is not searched"
        );
        assert_eq!(of(&[5_000, 1, 5_000, 2, 0, 0, 0, 0]), [1, 3, 0, 2]);
    }

    #[test]
    fn a_rare_word_covers_more_of_a_question_than_a_frequent_one() {
        let statistics = TermStatistics {
            passages: 100,
            frequencies: vec![0, 1, 90],
        };
        assert!((statistics.coverage(0b111) - 1.0).abs() < 1e-9);
        assert_eq!(statistics.coverage(0), 0.0);
        assert!(statistics.coverage(0b010) > 4.0 * statistics.coverage(0b100));
        let no_passages = TermStatistics {
            passages: 0,
            frequencies: Vec::new(),
        };
        assert_eq!(no_passages.coverage(0), 0.0);
    }

    #[test]
    fn a_weight_falls_with_frequency_and_stays_positive() {
        let statistics = TermStatistics {
            passages: 1_000,
            frequencies: vec![0, 1, 10, 500, 1_000, 2_000],
        };
        let weights: Vec<f64> = (0..6).map(|part| statistics.weight(part)).collect();
        assert!(
            weights.windows(2).all(|pair| pair[0] >= pair[1]),
            "{weights:?}"
        );
        assert!(
            weights
                .iter()
                .all(|weight| weight.is_finite() && *weight >= 0.0)
        );
    }
}
