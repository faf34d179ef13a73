//! Semantic ranking of passages for an analysis: an estimate plans it, a run performs it.

use std::sync::Arc;

use super::Analyses;
use super::check::CheckedRequest;
use crate::app::Result;
use crate::app::meaning_search::QuestionSearch;
use crate::domain::analysis::Member;
use crate::domain::id::UserId;
use crate::domain::key::PresentedKey;
use crate::domain::retrieval::meaning::QuestionEmbedding;
use crate::domain::retrieval::record::RetrievalRecord;
use crate::domain::user::{Caller, Role};

impl Analyses<'_> {
    /// Embeds the question for a run, or plans to do so for an estimate. Returns the embedding, if any, and the record
    /// of the search; both are `None` if the user has not chosen an embedding model.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub(super) async fn question_embedding(
        &self,
        user: &UserId,
        new: &CheckedRequest,
        members: &[Member],
    ) -> Result<(Option<Arc<QuestionEmbedding>>, Option<RetrievalRecord>)> {
        let planned = self
            .semantic_search
            .plan_search(user, &new.documents, members)
            .await?;
        let Some(mut record) = planned else {
            return Ok((None, None));
        };
        if record.price.is_none()
            && record.failure.is_empty()
            && self.has_cost_budget(user, new).await?
        {
            record.failure = format!(
                "the price of {} is not known, so a budget cannot be enforced",
                record.model
            );
        }
        let Some(run) = &new.run else {
            return Ok((None, Some(record)));
        };
        let key = new.context.key.clone();
        let caller = Caller {
            key: key.map(|id| PresentedKey {
                id,
                scopes: Vec::new(),
                has_limits: true,
            }),
            ..Caller::for_user(user.clone(), Role::User)
        };
        let search = QuestionSearch {
            caller: &caller,
            analysis: run,
            question: &new.request.prompt,
            documents: &new.documents,
        };
        let meaning = self.semantic_search.meaning_of(&search, &mut record).await;
        Ok((meaning.map(Arc::new), Some(record)))
    }

    // Whether a cost budget may apply; if so, the price of every call must be known. Any API key counts as a budget.
    async fn has_cost_budget(&self, user: &UserId, new: &CheckedRequest) -> Result<bool> {
        let is_own = new.budget.is_some() || new.context.key.is_some();
        Ok(is_own || self.usage.budget_status(user).await?.limits.limits_cost())
    }
}
