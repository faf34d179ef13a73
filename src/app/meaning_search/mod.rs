//! Semantic search: each user's choice of an embedding model, off by default. `embedder` computes the vectors of
//! passages in the background; a question's vector is computed when an analysis starts (`question`) or documents are
//! searched (`in_documents`).

mod embedder;
mod in_documents;
mod question;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::documents::DocumentService;
use super::embeddings::EmbeddingService;
use super::request_origin::RequestOrigin;
use super::{Error, Kind, Result};
use crate::clock;
use crate::domain::chat::Usage;
use crate::domain::id::UserId;
use crate::domain::money::MicroDollars;
use crate::domain::usage;
use crate::domain::user::Caller;
use crate::llm::Llm;
use crate::store::passage_vectors::EmbeddingProgress;
use crate::store::{Store, audit, meaning_search, passage_vectors};
use crate::wire::embed::EmbeddingRequest;

pub use in_documents::{FoundPassages, SemanticRanking};
pub(super) use question::QuestionSearch;

/// Characters per token, for an estimate that does not read the documents.
const CHARS_PER_TOKEN: u64 = 4;

/// The embedder's in-memory state.
#[derive(Default)]
pub(super) struct EmbedderState {
    /// Notified when a user chooses a model.
    model_chosen: Notify,
    /// Why each user's last batch failed.
    failures: Mutex<HashMap<UserId, String>>,
}

impl EmbedderState {
    fn failure_of(&self, user: &UserId) -> Option<String> {
        let failures = self.failures.lock();
        let failures = failures.unwrap_or_else(PoisonError::into_inner);
        failures.get(user).cloned()
    }

    fn set_failure(&self, user: &UserId, why: Option<String>) {
        let failures = self.failures.lock();
        let mut failures = failures.unwrap_or_else(PoisonError::into_inner);
        match why {
            Some(why) => drop(failures.insert(user.clone(), why)),
            None => drop(failures.remove(user)),
        }
    }
}

/// Use cases for semantic search: choose a model, compute vectors, and search documents.
#[derive(Clone, Copy)]
pub struct SemanticSearch<'a> {
    pub(super) store: &'a Store,
    pub(super) llm: &'a Llm,
    pub(super) documents: &'a DocumentService,
    pub(super) embeddings: EmbeddingService<'a>,
    pub(super) state: &'a EmbedderState,
}

/// A user's choice of an embedding model, and the progress of computing vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct SemanticSearchStatus {
    /// The chosen model; `None` if passages are ranked by keywords alone.
    pub model: Option<String>,
    /// Number of passages with and without a vector of the chosen model, or of the model being estimated.
    pub progress: EmbeddingProgress,
    /// Estimated number of tokens for the missing vectors.
    pub tokens: u64,
    /// Estimated cost of these tokens; `None` if the price is unknown or there is no model.
    pub cost: Option<MicroDollars>,
    /// Why the last batch failed; `None` if it succeeded.
    pub failure: Option<String>,
}

impl SemanticSearch<'_> {
    /// Returns the user's choice of a model and its progress. If `estimated` names a model, the progress and the
    /// estimate are for that model instead.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub async fn show(
        &self,
        user: &UserId,
        estimated: Option<&str>,
    ) -> Result<SemanticSearchStatus> {
        let (id, requested_model) = (user.clone(), estimated.map(str::to_owned));
        let read = self.store.read(move |db| {
            let chosen_model = meaning_search::model_for_user(db, &id)?;
            let model = requested_model
                .or_else(|| chosen_model.clone())
                .unwrap_or_default();
            let progress = passage_vectors::progress(db, &id, &model)?;
            Ok((chosen_model, model, progress))
        });
        let (chosen_model, model, progress) = read.await?;
        let tokens = progress.missing_chars.div_ceil(CHARS_PER_TOKEN);
        let price = self.llm.find(Some(user), &model);
        let price = price.as_ref().and_then(usage::price_of);
        let missing = Usage {
            input: tokens,
            ..Usage::default()
        };
        Ok(SemanticSearchStatus {
            failure: chosen_model
                .as_ref()
                .and_then(|_| self.state.failure_of(user)),
            model: chosen_model,
            progress,
            tokens,
            cost: price.map(|price| price.cost(&missing)),
        })
    }

    /// Chooses an embedding model, after one test call to check that it computes vectors. The vectors of all
    /// passages are then computed in the background.
    ///
    /// # Errors
    /// `Forbidden` for an API key; otherwise the errors of an embedding call.
    pub async fn choose(
        &self,
        caller: &Caller,
        model: &str,
        origin: &RequestOrigin,
    ) -> Result<SemanticSearchStatus> {
        require_session(caller)?;
        let request = EmbeddingRequest {
            model: model.to_owned(),
            texts: vec!["test".to_owned()],
            ..EmbeddingRequest::default()
        };
        self.embeddings.embed(caller, request).await?;
        let (user, now) = (caller.user.clone(), clock::now());
        // Store the full ID, even if the caller used a short name.
        let listed_model = self.llm.find(Some(&user), model);
        let name = listed_model.map_or_else(|| model.to_owned(), |model| model.id);
        let (kept_model, id) = (name.clone(), user.clone());
        let mut entry = origin.audit_entry(Some(&user), "meaning_search.chosen", user.as_str());
        entry.detail.clone_from(&name);
        let pending_write = self.store.write(move |db| {
            meaning_search::set(db, &id, &name, now)?;
            audit::append(db, &entry)
        });
        pending_write.await?;
        self.delete_vectors(&user, Some(kept_model)).await?;
        self.state.set_failure(&user, None);
        self.state.model_chosen.notify_one();
        self.show(&user, None).await
    }

    /// Turns semantic search off and deletes the user's vectors.
    ///
    /// # Errors
    /// `Forbidden` for an API key; another error if the database cannot be written.
    pub async fn turn_off(
        &self,
        caller: &Caller,
        origin: &RequestOrigin,
    ) -> Result<SemanticSearchStatus> {
        require_session(caller)?;
        let user = caller.user.clone();
        let entry = origin.audit_entry(Some(&user), "meaning_search.off", user.as_str());
        let id = user.clone();
        let pending_write = self.store.write(move |db| {
            meaning_search::remove(db, &id)?;
            audit::append(db, &entry)
        });
        pending_write.await?;
        self.delete_vectors(&user, None).await?;
        self.state.set_failure(&user, None);
        self.show(&user, None).await
    }

    async fn delete_vectors(&self, user: &UserId, kept_model: Option<String>) -> Result<()> {
        loop {
            let (user, kept_model) = (user.clone(), kept_model.clone());
            let store = self.store.with_reserve();
            let deleted = store
                .write(move |db| passage_vectors::delete_batch(db, &user, kept_model.as_deref()));
            if !deleted.await? {
                return Ok(());
            }
        }
    }
}

// Only a signed-in user may choose a model: the choice sends every document to a provider and costs money.
fn require_session(caller: &Caller) -> Result<()> {
    match caller.key {
        None => Ok(()),
        Some(_) => Err(
            Error::new(Kind::Forbidden, "an API key cannot change this setting")
                .resolve("sign in to change it"),
        ),
    }
}
