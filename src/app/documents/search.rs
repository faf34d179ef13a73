//! Finds passages by a person's words: in one document, in some, in all of theirs. Asks the index, which
//! `domain::search` and `domain::retrieval` know how to ask and how to weigh.

use super::Documents;
use crate::app::Result;
use crate::domain::chunk::is_ideograph;
use crate::domain::document::{Document, Hit};
use crate::domain::id::{DocumentId, UserId};
use crate::domain::retrieval::{self, Candidate};
use crate::domain::search::{Query, rank_by_pairs};
use crate::store::{self, Reader, passages};

/// Hits that a search shows.
const MOST_HITS: u32 = 50;
/// Hits of one document that are weighed for a prompt.
const MOST_WEIGHED: u32 = 100;
/// Passages of one document that are looked at one by one.
const MOST_LOOKED_AT: u32 = 4_096;
/// Counting a part's passages further says nothing more: it is everywhere.
const EVERYWHERE: u32 = 6_000;
/// With fewer hits, words that are everywhere are searched for too.
const FEW: usize = 5;

impl Documents {
    /// The passages of one document that a person's words find, best first.
    pub async fn search(&self, user: &UserId, id: &DocumentId, words: &str) -> Result<Vec<Hit>> {
        let document = self.show(user, id).await?;
        let words = words.to_owned();
        let found = self
            .store
            .read(move |db| Asked::new(db, &words)?.in_one(db, &document, MOST_HITS));
        Ok(found.await?)
    }

    /// The passages of all the person's documents that their words find, best first.
    pub async fn search_all(&self, user: &UserId, words: &str) -> Result<Vec<Hit>> {
        let (user, words) = (user.clone(), words.to_owned());
        let found = self
            .store
            .read(move |db| Asked::new(db, &words)?.hits(db, &user, None, MOST_HITS));
        Ok(found.await?)
    }
}

/// A question and how the index is asked for it.
pub struct Asked<'a> {
    words: &'a str,
    query: Query,
    /// The telling parts, then all parts where that is more.
    expressions: Vec<String>,
}

impl<'a> Asked<'a> {
    /// Reads a question with what the index knows of its words.
    pub fn new(db: &Reader, words: &'a str) -> store::Result<Self> {
        let query = Query::of(words);
        let parts: Vec<String> = query.parts.iter().map(|part| part.expression()).collect();
        let frequencies = passages::frequencies(db, &parts, EVERYWHERE)?;
        let telling = query.expression(&frequencies);
        let all = query
            .expression(&[])
            .filter(|all| Some(all) != telling.as_ref());
        Ok(Self {
            words,
            expressions: telling.into_iter().chain(all).collect(),
            query,
        })
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

    fn in_one(&self, db: &Reader, document: &Document, most: u32) -> store::Result<Vec<Hit>> {
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

    /// The passages of these documents, or of all the person's, best first.
    pub fn hits(
        &self,
        db: &Reader,
        user: &UserId,
        documents: Option<&[DocumentId]>,
        most: u32,
    ) -> store::Result<Vec<Hit>> {
        let mut found = Vec::new();
        for expression in &self.expressions {
            found = passages::search(db, user, documents, expression, most)?;
            if found.len() >= FEW {
                break;
            }
        }
        retrieval::rank(&mut found, &self.query);
        Ok(found)
    }
}
