//! Searches one or all of a user's documents by keywords and, if the user chose an embedding model, semantically.

use std::time::Duration;

use super::SemanticSearch;
use super::question::MAX_QUESTION;
use crate::app::Result;
use crate::app::embeddings::EmbeddingContext;
use crate::clock;
use crate::crypto;
use crate::domain::document::SearchHit;
use crate::domain::id::{AnalysisId, DocumentId, UserId};
use crate::domain::money::MicroDollars;
use crate::domain::retrieval::meaning::QuestionEmbedding;
use crate::domain::user::Caller;
use crate::log;
use crate::store::{Reader, meaning_search, passage_vectors};

/// Time limit for the embedding call. The user is waiting, and keyword search still works without it.
const EMBEDDING_DEADLINE: Duration = Duration::from_secs(10);

/// The result of a search.
pub struct FoundPassages {
    /// Matching passages, best first.
    pub hits: Vec<SearchHit>,
    /// The semantic ranking; `None` if the user has not chosen a model.
    pub semantic_ranking: Option<SemanticRanking>,
}

/// Result of the semantic ranking of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct SemanticRanking {
    /// The embedding model.
    pub model: String,
    /// Cost of the question's vector; `None` if its price is unknown.
    pub cost: Option<MicroDollars>,
    /// Why the passages were ranked by keywords alone; `None` if the semantic ranking succeeded.
    pub failure: Option<String>,
}

impl SemanticSearch<'_> {
    /// Searches one or all of the caller's documents. If the model fails, the passages are ranked by keywords alone.
    ///
    /// # Errors
    /// `Missing` if the caller has no such document.
    pub async fn search(
        &self,
        caller: &Caller,
        document: Option<&DocumentId>,
        words: &str,
    ) -> Result<FoundPassages> {
        let user = &caller.user;
        if let Some(id) = document {
            // Check this before the call, so that nothing is spent on a document that does not exist.
            self.documents.show(user, id).await?;
        }
        let mut ranking = self.planned_ranking(user).await?;
        let meaning = match &mut ranking {
            Some(ranking) if ranking.failure.is_none() => {
                self.question_embedding(caller, words, ranking).await
            }
            _ => None,
        };
        let hits = match document {
            Some(id) => self.documents.search(user, id, words, meaning).await?,
            None => self.documents.search_all(user, words, meaning).await?,
        };
        Ok(FoundPassages {
            hits,
            semantic_ranking: ranking,
        })
    }

    async fn planned_ranking(&self, user: &UserId) -> Result<Option<SemanticRanking>> {
        let id = user.clone();
        let read = self.store.read(move |db: &Reader| {
            let Some(model) = meaning_search::model_for_user(db, &id)? else {
                return Ok(None);
            };
            let has_vectors = passage_vectors::has_any(db, &id, &model)?;
            Ok(Some((model, has_vectors)))
        });
        Ok(read.await?.map(|(model, has_vectors)| SemanticRanking {
            model,
            cost: Some(MicroDollars::default()),
            failure: (!has_vectors).then(|| "no passage has a vector yet".to_owned()),
        }))
    }

    // Computes the question's vector. On failure, returns `None` and stores the reason in `ranking`.
    async fn question_embedding(
        &self,
        caller: &Caller,
        words: &str,
        ranking: &mut SemanticRanking,
    ) -> Option<QuestionEmbedding> {
        match self.try_question_embedding(caller, words, ranking).await {
            Ok(meaning) => Some(meaning),
            Err(error) => {
                log::warn(
                    "documents were searched by words alone",
                    &[("model", &ranking.model), ("why", &error.public)],
                );
                ranking.failure = Some(error.public);
                None
            }
        }
    }

    async fn try_question_embedding(
        &self,
        caller: &Caller,
        words: &str,
        ranking: &mut SemanticRanking,
    ) -> Result<QuestionEmbedding> {
        // A new ID that belongs to no analysis, so the call is logged on its own.
        let id = AnalysisId::new(clock::now(), crypto::random_number()?);
        let wordings = vec![words.chars().take(MAX_QUESTION).collect()];
        let context = EmbeddingContext::outside_run(&id, Some(EMBEDDING_DEADLINE));
        let mut embedded = self
            .embed_question(caller, &ranking.model, wordings, context)
            .await?;
        ranking.cost = embedded.cost;
        Ok(QuestionEmbedding {
            vector: embedded.take_vector(&ranking.model)?,
            model: ranking.model.clone(),
            rewriting: String::new(),
        })
    }
}
