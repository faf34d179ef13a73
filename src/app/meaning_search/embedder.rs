//! Computes missing vectors of passages in the background, one batch at a time. The store records which are missing,
//! so a restart continues where the work stopped, and memory holds only one batch.

use std::time::Duration;

use super::SemanticSearch;
use crate::app::{Error, Kind, Result};
use crate::domain::id::UserId;
use crate::domain::retrieval::meaning::{normalize, to_bytes};
use crate::domain::user::{Caller, Role};
use crate::log;
use crate::store::passage_vectors::{self, UnembeddedPassage};
use crate::store::{Reader, meaning_search, users};
use crate::wire::embed::EmbeddingRequest;

/// Maximum number of passages per embedding call.
const MAX_BATCH: u32 = 64;
/// Maximum number of characters sent per passage.
const MAX_CHARS: usize = 8_000;
/// Initial pause before a failed batch is retried; doubles up to [`MAX_PAUSE`].
const INITIAL_PAUSE: Duration = Duration::from_secs(30);
/// Longest pause before a failed batch is retried.
const MAX_PAUSE: Duration = Duration::from_secs(3_600);
/// Number of consecutive passages that a model may refuse before it counts as unusable.
const MAX_REFUSED: u32 = 16;

/// The passages of one user that still need vectors.
struct EmbeddingWork {
    user: UserId,
    model: String,
    /// Row of the last processed passage.
    last_row: i64,
    /// Number of passages in the next call.
    batch_size: u32,
    /// Number of consecutive refused passages.
    consecutive_refusals: u32,
}

/// The outcome of one batch.
#[derive(PartialEq, Eq)]
enum StepOutcome {
    Done,
    More,
    Failed,
}

impl SemanticSearch<'_> {
    /// Computes missing vectors whenever the reading of a document has ended or a user has chosen a model. After a
    /// failure, tries again with increasing pauses. Never returns; waits without polling while nothing is missing.
    pub async fn embed_passages(&self) {
        let mut pause = INITIAL_PAUSE;
        loop {
            let again = match self.embed_missing().await {
                Ok(true) => {
                    pause = INITIAL_PAUSE;
                    None
                }
                Ok(false) => Some(pause),
                Err(error) => {
                    log::error("passages cannot be embedded", &[("why", &error)]);
                    Some(pause)
                }
            };
            let wait = async {
                match again {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.documents.wait_for_stored_text() => {}
                () = self.state.model_chosen.notified() => pause = INITIAL_PAUSE,
                () = wait => pause = (pause * 2).min(MAX_PAUSE),
            }
        }
    }

    // Computes all missing vectors, one batch per user in turn. Returns false if a batch failed.
    async fn embed_missing(&self) -> Result<bool> {
        let choices = self.store.read(meaning_search::all).await?;
        let mut pending: Vec<EmbeddingWork> = choices
            .into_iter()
            .map(|(user, model)| EmbeddingWork {
                user,
                model,
                last_row: 0,
                batch_size: MAX_BATCH,
                consecutive_refusals: 0,
            })
            .collect();
        let mut has_failed = false;
        while !pending.is_empty() {
            let mut unfinished = Vec::new();
            for mut work in pending {
                match self.step(&mut work).await? {
                    StepOutcome::More => unfinished.push(work),
                    StepOutcome::Done => {}
                    StepOutcome::Failed => has_failed = true,
                }
            }
            pending = unfinished;
        }
        Ok(!has_failed)
    }

    async fn step(&self, work: &mut EmbeddingWork) -> Result<StepOutcome> {
        let (user, model) = (work.user.clone(), work.model.clone());
        let (last_row, batch) = (work.last_row, work.batch_size);
        let read = self.store.read(move |db: &Reader| {
            // The user may have changed the choice, or the account may have been locked, since the round began.
            let is_current = meaning_search::model_for_user(db, &user)?.as_ref() == Some(&model)
                && users::is_active(db, &user)?;
            match is_current {
                true => passage_vectors::list_unembedded(db, (&user, &model), last_row, batch),
                false => Ok(Vec::new()),
            }
        });
        let passages = read.await?;
        let Some(last) = passages.last().map(|last| last.row) else {
            return Ok(StepOutcome::Done);
        };
        let vectors = match self.vectors(work, &passages).await {
            Ok(vectors) => vectors,
            Err(error) => return self.handle_batch_error(work, &passages, error).await,
        };
        (work.last_row, work.consecutive_refusals) = (last, 0);
        work.batch_size = (work.batch_size * 2).min(MAX_BATCH);
        self.state.set_failure(&work.user, None);
        self.store_vectors(work, &passages, vectors).await?;
        Ok(StepOutcome::More)
    }

    // Handles a failed batch. A model may refuse a batch because one of its passages is too long, so smaller
    // batches are tried until that passage is found and skipped.
    async fn handle_batch_error(
        &self,
        work: &mut EmbeddingWork,
        passages: &[UnembeddedPassage],
        error: Error,
    ) -> Result<StepOutcome> {
        if error.kind == Kind::BadRequest && work.consecutive_refusals < MAX_REFUSED {
            if passages.len() > 1 {
                work.batch_size = (work.batch_size / 4).max(1);
            } else {
                work.consecutive_refusals += 1;
                work.last_row = passages[0].row;
                self.store_vectors(work, passages, vec![Vec::new()]).await?;
            }
            return Ok(StepOutcome::More);
        }
        log::warn(
            "passages cannot be embedded",
            &[("model", &work.model), ("why", &error.public)],
        );
        self.state.set_failure(&work.user, Some(error.public));
        Ok(StepOutcome::Failed)
    }

    async fn vectors(
        &self,
        work: &EmbeddingWork,
        passages: &[UnembeddedPassage],
    ) -> Result<Vec<Vec<u8>>> {
        let text = |one: &UnembeddedPassage| one.text.chars().take(MAX_CHARS).collect();
        let request = EmbeddingRequest {
            model: work.model.clone(),
            texts: passages.iter().map(text).collect(),
            ..EmbeddingRequest::default()
        };
        let caller = Caller::for_user(work.user.clone(), Role::User);
        let outcome = self.embeddings.embed(&caller, request).await?;
        let bytes = |vector| normalize(vector).map_or_else(Vec::new, |vector| to_bytes(&vector));
        Ok(outcome.embedded.vectors.into_iter().map(bytes).collect())
    }

    async fn store_vectors(
        &self,
        work: &EmbeddingWork,
        passages: &[UnembeddedPassage],
        vectors: Vec<Vec<u8>>,
    ) -> Result<()> {
        let (user, model) = (work.user.clone(), work.model.clone());
        let rows: Vec<i64> = passages.iter().map(|one| one.row).collect();
        let pending_write = self.store.write(move |db| {
            for (row, vector) in rows.iter().zip(&vectors) {
                passage_vectors::put(db, (&user, &model), *row, vector)?;
            }
            Ok(())
        });
        Ok(pending_write.await?)
    }
}
