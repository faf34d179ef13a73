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
const SLICE: u32 = 500;
/// Characters that a passage adds to its text: its mark, the document's name, and the page.
const FRAME: usize = 80;

impl DocumentService {
    /// Returns the combined size of these documents.
    ///
    /// # Errors
    /// `Missing` if one of them does not belong to the user; `Conflict` while one is still being read.
    pub async fn volume(&self, user: &UserId, ids: &[DocumentId]) -> Result<DocumentSizes> {
        let (user, ids) = (user.clone(), ids.to_vec());
        let found = self.store.read(move |db| {
            let mut volume = DocumentSizes::default();
            for id in &ids {
                let document = documents::by_id(db, &user, id)?;
                let is_read = document.is_none_or(|one| one.status != DocumentStatus::Processing);
                match documents::volume(db, &user, id)? {
                    _ if !is_read => return Ok(Err(unready(id))),
                    Some(one) => {
                        volume.chars += one.chars;
                        volume.bytes += one.bytes;
                    }
                    None => return Ok(Err(missing(id))),
                }
            }
            Ok(Ok(volume))
        });
        found.await?
    }

    /// Splits these documents into parts of at most `limit` characters, in the given order.
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
            let place = distinct.len();
            let mut next = 0;
            loop {
                let (owner, one) = (user.clone(), id.clone());
                let slice = self
                    .store
                    .read(move |db| passages::slice_of(db, &owner, &one, next, SLICE))
                    .await?;
                let Some(last) = slice.last() else { break };
                next = last.ordinal + 1;
                for passage in slice {
                    parts.take(place, id, &document.name, passage)?;
                }
            }
        }
        Ok(parts.done())
    }
}

fn missing(id: &DocumentId) -> Error {
    Error::new(Kind::Missing, format!("there is no document {id}"))
}

fn unready(id: &DocumentId) -> Error {
    Error::new(Kind::Conflict, format!("document {id} is still being read"))
        .resolve("try again in a moment")
}

/// The parts being built.
struct PartBuilder {
    most: usize,
    left: usize,
    total: u64,
    number: u32,
    parts: Vec<Vec<SourcePassage>>,
}

impl PartBuilder {
    fn new(most: usize) -> Self {
        Self {
            most,
            left: 0,
            total: 0,
            number: 0,
            parts: Vec::new(),
        }
    }

    fn take(&mut self, place: usize, id: &DocumentId, name: &str, passage: Passage) -> Result<()> {
        let chars = passage.text.chars().count();
        let cost = chars + FRAME;
        self.total += chars as u64;
        if self.total > MAX_CHARS {
            let why = format!(
                "the documents have more than {MAX_CHARS} characters, too many to be read in parts"
            );
            return Err(Error::field(&["body", "reading"], "too_long", why).resolve(
                "choose fewer documents, or the reading mode that selects relevant passages",
            ));
        }
        if cost > self.left || self.parts.is_empty() {
            self.parts.push(Vec::new());
            self.left = self.most;
        }
        self.left = self.left.saturating_sub(cost);
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

    fn done(self) -> Vec<Vec<SourcePassage>> {
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
        for (most, expected) in [(10_000, 1), (2_200, 5), (100, 10)] {
            let mut parts = PartBuilder::new(most);
            for ordinal in 0..10 {
                let passage = Passage {
                    ordinal,
                    page: ordinal / 3 + 1,
                    start: 0,
                    end: 900,
                    heading: String::new(),
                    text: "x".repeat(900),
                };
                parts.take(1, &id, "a", passage).expect("short");
            }
            let parts = parts.done();
            assert_eq!(parts.len(), expected, "{most}");
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
