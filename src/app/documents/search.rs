//! Finds passages by a person's words: in one document, in some, or in all of theirs. Queries the full-text index;
//! how to query and how to rank is in `domain::search`.

use std::collections::HashMap;

use super::DocumentService;
use crate::app::Result;
use crate::domain::chunk::is_ideograph;
use crate::domain::document::{Document, SearchHit};
use crate::domain::id::{DocumentId, UserId};
use crate::domain::retrieval::{self, Candidate};
use crate::domain::search::weigh::{self, TermStatistics, WeighedPassage};
use crate::domain::search::{QueryPart, SearchQuery, rank_by_pairs};
use crate::store::passages::{self, PassageScope};
use crate::store::{self, Reader};

/// Hits that a search shows.
const MOST_HITS: u32 = 50;
/// Hits of one document that are weighed for a prompt.
const MOST_WEIGHED: u32 = 100;
/// Passages of one document that are looked at one by one.
const MOST_LOOKED_AT: u32 = 4_096;
/// A part that occurs in this many passages occurs everywhere; counting further changes no weight that matters.
const EVERYWHERE: u64 = 6_000;
/// Passages that are read to be ranked, at least.
const MIN_RANKED: usize = 100;

impl DocumentService {
    /// The passages of one document that a person's words find, best first.
    pub async fn search(
        &self,
        user: &UserId,
        id: &DocumentId,
        words: &str,
    ) -> Result<Vec<SearchHit>> {
        let document = self.show(user, id).await?;
        let words = words.to_owned();
        let found = self
            .store
            .read(move |db| PassageSearch::new(&words).in_one(db, &document, MOST_HITS));
        Ok(found.await?)
    }

    /// The passages of all the person's documents that their words find, best first.
    pub async fn search_all(&self, user: &UserId, words: &str) -> Result<Vec<SearchHit>> {
        let (user, words) = (user.clone(), words.to_owned());
        let found = self
            .store
            .read(move |db| PassageSearch::new(&words).hits(db, &user, None, MOST_HITS));
        Ok(found.await?)
    }
}

/// A search over the passages of one document, of some, or of all that a person has.
pub struct PassageSearch<'a> {
    words: &'a str,
    query: SearchQuery,
}

impl<'a> PassageSearch<'a> {
    /// Reads a question.
    pub fn new(words: &'a str) -> Self {
        let query = SearchQuery::of(words);
        Self { words, query }
    }

    /// What is known of a document before choosing from it.
    pub(super) fn candidate(
        &self,
        db: &Reader,
        document: Document,
        budget: usize,
    ) -> store::Result<Candidate> {
        let one = std::slice::from_ref(&document.id);
        // A passage costs at least its frame, so no more than these could be used.
        let most = u32::try_from(budget / retrieval::FRAME + 1)
            .unwrap_or(u32::MAX)
            .min(MOST_LOOKED_AT);
        let first = passages::first_of(db, &document.user, one, most)?;
        let whole = (first.len() as u32) < most;
        let hits = self.in_one(db, &document, MOST_WEIGHED)?;
        Ok(Candidate {
            id: document.id,
            name: document.name,
            passages: first.into_iter().map(|hit| hit.passage).collect(),
            whole,
            hits,
        })
    }

    fn in_one(&self, db: &Reader, document: &Document, most: u32) -> store::Result<Vec<SearchHit>> {
        let one = std::slice::from_ref(&document.id);
        let found = self.hits(db, &document.user, Some(one), most)?;
        if !found.is_empty() || !self.words.chars().any(is_ideograph) {
            return Ok(found);
        }
        // It may have been taken in before the index knew what Chinese and Japanese are found by.
        let all = passages::first_of(db, &document.user, one, MOST_LOOKED_AT)?;
        let best = rank_by_pairs(self.words, all.iter().map(|hit| hit.passage.text.as_str()));
        Ok(best
            .into_iter()
            .take(most as usize)
            .map(|index| all[index].clone())
            .collect())
    }

    /// The passages of these documents, or of all the person's, best first. Words are weighed by how often they
    /// occur in these passages alone.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn hits(
        &self,
        db: &Reader,
        user: &UserId,
        documents: Option<&[DocumentId]>,
        most: u32,
    ) -> store::Result<Vec<SearchHit>> {
        let scope = PassageScope::of(db, user, documents)?;
        let parts: Vec<String> = self.query.parts.iter().map(QueryPart::expression).collect();
        let statistics = TermStatistics {
            passages: scope.len(),
            frequencies: parts
                .iter()
                .map(|part| passages::frequency(db, &scope, part, EVERYWHERE))
                .collect::<store::Result<_>>()?,
        };
        // By row: a first score, and which parts of the query are in it.
        let mut rows: HashMap<i64, (f64, u64)> = HashMap::new();
        for part in statistics.selected(&self.query) {
            let weight = statistics.weight(part);
            for (row, share) in passages::matches(db, &scope, &parts[part], EVERYWHERE as usize)? {
                let (score, found) = rows.entry(row).or_default();
                *score += weight * share;
                *found |= 1 << part;
            }
        }
        let mut rows: Vec<(i64, (f64, u64))> = rows.into_iter().collect();
        rows.sort_by(|(a, (one, _)), (b, (other, _))| other.total_cmp(one).then(a.cmp(b)));
        rows.truncate((most as usize).max(MIN_RANKED));
        let mut found = Vec::new();
        for (row, (_, parts)) in rows {
            let hit = passages::by_row(db, user, row)?;
            found.extend(hit.map(|hit| WeighedPassage { hit, parts }));
        }
        let mut hits = weigh::rank(found, &self.query, &statistics);
        hits.truncate(most as usize);
        Ok(hits)
    }
}
