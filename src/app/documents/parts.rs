//! Splits whole documents into parts of bounded size, every page in order, for panels that divide the reading
//! among their members. Splits only between passages and omits nothing.

use super::DocumentService;
use crate::app::{Error, Kind, Result};
use crate::domain::chat::SourcePassage;
use crate::domain::context_mode::{DocumentSizes, MAX_CHARS};
use crate::domain::document::{DocumentStatus, Passage};
use crate::domain::id::{DocumentId, UserId};
use crate::store::{documents, passages};

/// Number of passages read from the store per query.
const PAGE_SIZE: u32 = 500;
/// Characters that a passage adds to its text: its mark, the document's name, and the page.
const PASSAGE_OVERHEAD: usize = 80;

impl DocumentService {
    /// Returns the combined size of these documents.
    ///
    /// # Errors
    /// `Missing` if one of them does not belong to the user; `Conflict` while one is still being read.
    pub async fn sizes_of(&self, user: &UserId, ids: &[DocumentId]) -> Result<DocumentSizes> {
        let (user, ids) = (user.clone(), ids.to_vec());
        let lookup = self.store.read(move |db| {
            let mut total = DocumentSizes::default();
            for id in &ids {
                let document = documents::by_id(db, &user, id)?;
                let is_read =
                    document.is_none_or(|document| document.status != DocumentStatus::Processing);
                match documents::text_size(db, &user, id)? {
                    _ if !is_read => return Ok(Err(not_ready_error(id))),
                    Some(document) => {
                        total.chars += document.chars;
                        total.bytes += document.bytes;
                    }
                    None => return Ok(Err(missing_error(id))),
                }
            }
            Ok(Ok(total))
        });
        lookup.await?
    }

    /// Splits these documents, in the given order and without duplicates, into parts of at most `chars` characters. A
    /// passage that is longer gets a part of its own.
    ///
    /// # Errors
    /// `Missing` if one of them does not belong to the user; `BadInput` if together they exceed
    /// `context_mode::MAX_CHARS` characters.
    pub async fn parts_of(
        &self,
        user: &UserId,
        ids: &[DocumentId],
        chars: usize,
    ) -> Result<Vec<Vec<SourcePassage>>> {
        let mut parts = PartBuilder::new(chars);
        let mut distinct: Vec<&DocumentId> = Vec::new();
        for id in ids {
            if distinct.contains(&id) {
                continue;
            }
            distinct.push(id);
            let document = self.show(user, id).await?;
            let index = distinct.len();
            let mut next = 0;
            loop {
                let (owner, document_id) = (user.clone(), id.clone());
                let slice = self
                    .store
                    .read(move |db| {
                        passages::passages_from(db, &owner, &document_id, next, PAGE_SIZE)
                    })
                    .await?;
                let Some(last) = slice.last() else { break };
                next = last.ordinal + 1;
                for passage in slice {
                    parts.add(index, id, &document.name, passage)?;
                }
            }
        }
        Ok(parts.finish())
    }
}

fn missing_error(id: &DocumentId) -> Error {
    Error::new(Kind::Missing, format!("there is no document {id}"))
}

fn not_ready_error(id: &DocumentId) -> Error {
    Error::new(Kind::Conflict, format!("document {id} is still being read"))
        .resolve("try again in a moment")
}

/// Builds the parts, starting a new one whenever a passage does not fit into the current one.
struct PartBuilder {
    max_tokens: usize,
    remaining: usize,
    total: u64,
    number: u32,
    parts: Vec<Vec<SourcePassage>>,
}

impl PartBuilder {
    fn new(max_tokens: usize) -> Self {
        Self {
            max_tokens,
            remaining: 0,
            total: 0,
            number: 0,
            parts: Vec::new(),
        }
    }

    fn add(&mut self, place: usize, id: &DocumentId, name: &str, passage: Passage) -> Result<()> {
        let chars = passage.text.chars().count();
        let cost = chars + PASSAGE_OVERHEAD;
        self.total += chars as u64;
        if self.total > MAX_CHARS {
            let why = format!(
                "the documents have more than {MAX_CHARS} characters, too many to be read in parts"
            );
            return Err(Error::field(&["body", "reading"], "too_long", why).resolve(
                "choose fewer documents, or the reading mode that selects relevant passages",
            ));
        }
        if cost > self.remaining || self.parts.is_empty() {
            self.parts.push(Vec::new());
            self.remaining = self.max_tokens;
        }
        self.remaining = self.remaining.saturating_sub(cost);
        self.number += 1;
        if let Some(part) = self.parts.last_mut() {
            part.push(SourcePassage {
                number: self.number,
                mark: format!("D{place}:p{}", passage.page),
                document_id: Some(id.clone()),
                start: passage.start,
                end: passage.end,
                document: name.to_owned(),
                page: passage.page,
                text: passage.text,
            });
        }
        Ok(())
    }

    fn finish(self) -> Vec<Vec<SourcePassage>> {
        self.parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    #[test]
    fn parts_are_full_and_lose_nothing() {
        let id = DocumentId::new(Timestamp::from_millis(0), 0);
        for (max_tokens, expected) in [(10_000, 1), (2_200, 5), (100, 10)] {
            let mut parts = PartBuilder::new(max_tokens);
            for ordinal in 0..10 {
                let passage = Passage {
                    ordinal,
                    page: ordinal / 3 + 1,
                    start: 0,
                    end: 900,
                    heading: String::new(),
                    text: "x".repeat(900),
                };
                parts.add(1, &id, "a", passage).expect("short");
            }
            let parts = parts.finish();
            assert_eq!(parts.len(), expected, "{max_tokens}");
            let numbers: Vec<u32> = parts.iter().flatten().map(|source| source.number).collect();
            assert_eq!(numbers, (1..=10).collect::<Vec<_>>());
            assert_eq!(
                parts
                    .last()
                    .and_then(|part| part.last())
                    .map(|last| &*last.mark),
                Some("D1:p4")
            );
        }
    }
}
