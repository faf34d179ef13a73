//! Stores the pending batches of a journal, each exactly once.

use std::time::Duration;

use super::Journal;
use crate::store::events::{self, StoredEvent};
use crate::store::{Reader, StoreError, Writer};

impl Journal {
    /// Stores all pending batches in one transaction, retrying after each of these pauses.
    pub(super) async fn store_pending(&mut self, pauses: &[Duration]) -> Result<(), StoreError> {
        let mut pauses = pauses.iter();
        loop {
            match self.try_to_store_pending().await {
                Ok(()) => break,
                // A commit with an unknown outcome succeeded after all, so repeating it conflicts with what it stored.
                // Go on with the remaining batches.
                Err(StoreError::Conflict(_)) if self.has_been_stored().await => {}
                // The analysis was deleted or has already ended, so a retry would change nothing.
                Err(error @ (StoreError::Missing | StoreError::Conflict(_))) => return Err(error),
                // Retry, because the answers have been paid for: space on a full disk may be freed, and a
                // busy database may recover.
                Err(error) => match pauses.next() {
                    Some(pause) => tokio::time::sleep(*pause).await,
                    None => return Err(error),
                },
            }
        }
        self.pending_batches.clear();
        self.uncertain_batches = 0;
        self.retry_at = None;
        Ok(())
    }

    async fn try_to_store_pending(&mut self) -> Result<(), StoreError> {
        if self.uncertain_batches > 0 {
            self.discard_stored_batches().await?;
        }
        if self.pending_batches.is_empty() {
            return Ok(());
        }
        let batches = self.pending_batches.clone();
        let all = move |db: &Writer| batches.iter().try_for_each(|batch| batch.store(db));
        let stored = self.store.write(all).await;
        if stored == Err(StoreError::Unknown) {
            self.uncertain_batches = self.pending_batches.len();
        }
        stored
    }

    /// Checks whether batches with an unknown outcome were in fact stored, and if so, removes them from the pending
    /// ones.
    async fn has_been_stored(&mut self) -> bool {
        let had_uncertain = self.uncertain_batches > 0;
        had_uncertain && self.discard_stored_batches().await.is_ok() && self.uncertain_batches == 0
    }

    /// Removes pending batches whose outcome was unknown if they were stored after all, because storing them
    /// again would be refused or would count their calls twice. They were written in one transaction, so
    /// either all or none were stored. Compares their events, because a server that has taken over the run
    /// gives the same numbers to its own events.
    async fn discard_stored_batches(&mut self) -> Result<(), StoreError> {
        let uncertain = self.pending_batches.iter().take(self.uncertain_batches);
        let events = uncertain.flat_map(|batch| &batch.events);
        let expected: Vec<StoredEvent> = events.map(|event| event.stored_event.clone()).collect();
        let before = expected.first().map_or(0, |event| event.seq - 1);
        let (id, count) = (self.id.clone(), expected.len() as u32);
        let list = move |db: &Reader| events::list_after(db, &id, before, count);
        if self.store.read(list).await? == expected {
            self.pending_batches.drain(..self.uncertain_batches);
            self.uncertain_batches = 0;
        }
        Ok(())
    }
}
