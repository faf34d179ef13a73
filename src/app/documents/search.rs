//! Keyword search and, with an embedding model of the user's choice, semantic search over one, several, or all of a
//! user's documents. Queries the full-text index; `domain::search` builds the query and ranks the results, and
//! `domain::retrieval::meaning` combines both rankings.

use std::collections::HashMap;

use super::DocumentService;
use crate::app::Result;
use crate::domain::chunk::is_ideograph;
use crate::domain::document::{Document, SearchHit};
use crate::domain::id::{DocumentId, UserId};
use crate::domain::retrieval::meaning::{QuestionEmbedding, Rankings, WEAK_COVERAGE};
use crate::domain::retrieval::{self, Candidate};
use crate::domain::search::bm25::{self, TermStatistics, WeighedPassage};
use crate::domain::search::{SearchQuery, rank_by_pairs};
use crate::store::passages::{self, PassageScope};
use crate::store::{self, Reader, passage_vectors};

/// Maximum number of hits returned by a search.
const MAX_HITS: u32 = 50;
/// Maximum number of hits per document considered for a prompt.
const MAX_RANKED: u32 = 100;
/// Maximum number of passages scanned one by one per document.
const MAX_SCANNED: u32 = 4_096;
/// Number of passages beyond which a term counts as occurring everywhere. Counting further would hardly
/// change its weight.
const COMMON_TERM_PASSAGES: u64 = 6_000;
/// Minimum number of passages read for ranking.
const MIN_RANKED: usize = 100;
/// Maximum number of nearest neighbors that semantic search adds.
const MAX_NEIGHBORS: usize = 50;

impl DocumentService {
    /// Returns the passages of one document that match the words, best first; with `meaning`, semantic similarity also
    /// counts.
    ///
    /// # Errors
    /// `Missing` if the user has no such document.
    pub async fn search(
        &self,
        user: &UserId,
        id: &DocumentId,
        words: &str,
        meaning: Option<QuestionEmbedding>,
    ) -> Result<Vec<SearchHit>> {
        let document = self.show(user, id).await?;
        let words = words.to_owned();
        let lookup = self.store.read(move |db| {
            PassageSearch::with_meaning(&words, meaning.as_ref())
                .search_document(db, &document, MAX_HITS)
        });
        Ok(lookup.await?)
    }

    /// Returns the passages of all the user's documents that match the words, best first; with `meaning`, semantic
    /// similarity also counts.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn search_all(
        &self,
        user: &UserId,
        words: &str,
        meaning: Option<QuestionEmbedding>,
    ) -> Result<Vec<SearchHit>> {
        let (user, words) = (user.clone(), words.to_owned());
        let lookup = self.store.read(move |db| {
            PassageSearch::with_meaning(&words, meaning.as_ref()).hits(db, &user, None, MAX_HITS)
        });
        Ok(lookup.await?)
    }
}

/// A search over the passages of one document, several, or all of a user's.
pub struct PassageSearch<'a> {
    words: &'a str,
    query: SearchQuery,
    question_embedding: Option<&'a QuestionEmbedding>,
}

/// The result of a keyword search.
struct WordHits {
    /// Rows with their hits, best first.
    hits: Vec<(i64, SearchHit)>,
    /// Largest share of the query's total weight found in one passage, from 0 to 1.
    coverage: f64,
}

impl<'a> PassageSearch<'a> {
    /// Parses a question for keyword search.
    pub fn new(words: &'a str) -> Self {
        Self::with_meaning(words, None)
    }

    /// Parses a question for keyword search and, with `meaning`, semantic search.
    pub fn with_meaning(words: &'a str, meaning: Option<&'a QuestionEmbedding>) -> Self {
        let query = SearchQuery::parse(words);
        Self {
            words,
            query,
            question_embedding: meaning,
        }
    }

    /// Returns what is needed to choose passages from a document: its first passages, as many as the budget can hold,
    /// and its search hits.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(super) fn candidate(
        &self,
        db: &Reader,
        document: Document,
        budget: usize,
    ) -> store::Result<Candidate> {
        let ids = std::slice::from_ref(&document.id);
        // Each passage costs at least `PASSAGE_OVERHEAD`, so the budget cannot hold more passages than this.
        let limit = u32::try_from(budget / retrieval::PASSAGE_OVERHEAD + 1)
            .unwrap_or(u32::MAX)
            .min(MAX_SCANNED);
        let first = passages::first_passages(db, &document.user, ids, limit)?;
        let is_complete = (first.len() as u32) < limit;
        let hits = self.search_document(db, &document, MAX_RANKED)?;
        Ok(Candidate {
            id: document.id,
            name: document.name,
            passages: first.into_iter().map(|hit| hit.passage).collect(),
            is_whole: is_complete,
            hits,
        })
    }

    fn search_document(
        &self,
        db: &Reader,
        document: &Document,
        limit: u32,
    ) -> store::Result<Vec<SearchHit>> {
        let ids = std::slice::from_ref(&document.id);
        let found = self.hits(db, &document.user, Some(ids), limit)?;
        if !found.is_empty() || !self.words.chars().any(is_ideograph) {
            return Ok(found);
        }
        // The document may have been indexed by a version whose index did not support Chinese and Japanese.
        let all = passages::first_passages(db, &document.user, ids, MAX_SCANNED)?;
        let best = rank_by_pairs(self.words, all.iter().map(|hit| hit.passage.text.as_str()));
        Ok(best
            .into_iter()
            .take(limit as usize)
            .map(|index| all[index].clone())
            .collect())
    }

    /// Returns the passages that match the question, best first, from these documents or from all of the user's. Terms
    /// are weighted by their frequency in these documents alone.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub fn hits(
        &self,
        db: &Reader,
        user: &UserId,
        documents: Option<&[DocumentId]>,
        limit: u32,
    ) -> store::Result<Vec<SearchHit>> {
        let scope = PassageScope::of(db, user, documents)?;
        let limit = limit as usize;
        let word_matches = word_hits(db, user, &scope, &self.query, limit)?;
        let mut hits = match self.question_embedding {
            Some(meaning) => merge_meaning(db, user, &scope, word_matches, meaning)?,
            None => word_matches.hits.into_iter().map(|(_, hit)| hit).collect(),
        };
        hits.truncate(limit);
        Ok(hits)
    }

    /// Whether the keyword matches are weak: no passage of these documents contains enough of the question's words.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub fn is_weak(
        &self,
        db: &Reader,
        user: &UserId,
        documents: &[DocumentId],
    ) -> store::Result<bool> {
        let scope = PassageScope::of(db, user, Some(documents))?;
        let word_matches = word_hits(db, user, &scope, &self.query, MIN_RANKED)?;
        Ok(word_matches.coverage < WEAK_COVERAGE)
    }
}

fn word_hits(
    db: &Reader,
    user: &UserId,
    scope: &PassageScope,
    query: &SearchQuery,
    limit: usize,
) -> store::Result<WordHits> {
    let statistics = TermStatistics {
        passages: scope.len(),
        frequencies: (query.parts.iter())
            .map(|part| passages::frequency(db, scope, part, COMMON_TERM_PASSAGES))
            .collect::<store::Result<_>>()?,
    };
    // For each row, a preliminary score and the parts of the query that it contains, as bits.
    let mut rows: HashMap<i64, (f64, u64)> = HashMap::new();
    for part in statistics.selected_parts(query) {
        let weight = statistics.weight(part);
        for (row, share) in
            passages::matches(db, scope, &query.parts[part], COMMON_TERM_PASSAGES as usize)?
        {
            let (score, found) = rows.entry(row).or_default();
            *score += weight * share;
            *found |= 1 << part;
        }
    }
    let mut rows: Vec<(i64, (f64, u64))> = rows.into_iter().collect();
    rows.sort_by(|(a, (one, _)), (b, (other, _))| other.total_cmp(one).then(a.cmp(b)));
    rows.truncate(limit.max(MIN_RANKED));
    let coverages = rows
        .iter()
        .map(|(_, (_, parts))| statistics.coverage(*parts));
    let coverage = coverages.fold(0.0, f64::max);
    let mut found = Vec::new();
    let mut rows_by_position: HashMap<(DocumentId, u32), i64> = HashMap::new();
    for (row, (_, parts)) in rows {
        if let Some(hit) = passages::by_row(db, user, row)? {
            rows_by_position.insert((hit.document.clone(), hit.passage.ordinal), row);
            found.push(WeighedPassage { hit, parts });
        }
    }
    let row_of =
        |hit: &SearchHit| rows_by_position.get(&(hit.document.clone(), hit.passage.ordinal));
    let hits = bm25::rank(found, query, &statistics).into_iter();
    Ok(WordHits {
        hits: hits.filter_map(|hit| Some((*row_of(&hit)?, hit))).collect(),
        coverage,
    })
}

// Reranks keyword matches by semantic similarity. If the matches are weak, also adds keyword matches of the rewritten
// question and the nearest neighbors by embedding.
fn merge_meaning(
    db: &Reader,
    user: &UserId,
    scope: &PassageScope,
    word_matches: WordHits,
    meaning: &QuestionEmbedding,
) -> store::Result<Vec<SearchHit>> {
    let target = (&*meaning.model, &*meaning.vector);
    let mut rankings: Rankings<i64> = Rankings {
        words: word_matches.hits.iter().map(|(row, _)| *row).collect(),
        is_weak: word_matches.coverage < WEAK_COVERAGE,
        ..Rankings::default()
    };
    let mut hits: HashMap<i64, SearchHit> = word_matches.hits.into_iter().collect();
    if rankings.is_weak && !meaning.rewriting.is_empty() {
        let query = SearchQuery::parse(&meaning.rewriting);
        let rewritten = word_hits(db, user, scope, &query, MIN_RANKED)?;
        rankings.rewriting = rewritten.hits.iter().map(|(row, _)| *row).collect();
        for (row, hit) in rewritten.hits {
            hits.entry(row).or_insert(hit);
        }
    }
    let mut neighbors: Vec<(i64, f32)> = match rankings.is_weak {
        true => passage_vectors::nearest(db, scope, target, MAX_NEIGHBORS)?,
        false => Vec::new(),
    };
    for &row in hits.keys() {
        if neighbors.iter().all(|(neighbor, _)| *neighbor != row)
            && let Some(similarity) = passage_vectors::similarity_of(db, row, target)?
        {
            neighbors.push((row, similarity));
        }
    }
    neighbors.sort_by(|(a, similarity_a), (b, similarity_b)| {
        similarity_b.total_cmp(similarity_a).then(a.cmp(b))
    });
    rankings.semantic = neighbors.into_iter().map(|(row, _)| row).collect();
    let mut fused = Vec::new();
    for (row, score) in rankings.fuse() {
        let hit = match hits.remove(&row) {
            Some(hit) => Some(hit),
            None => passages::by_row(db, user, row)?,
        };
        fused.extend(hit.map(|hit| SearchHit { score, ..hit }));
    }
    Ok(fused)
}
