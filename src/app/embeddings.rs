//! Embeddings: passed through to the named provider, subject to every budget, and recorded like any other call.

use std::time::Duration;

use tokio::time::timeout;

use super::side_charges::SideCharges;
use super::{Error, Kind, Result};
use crate::clock;
use crate::crypto;
use crate::domain::chat::{CallBill, CallError, CallErrorKind, Usage, estimate_tokens};
use crate::domain::id::AnalysisId;
use crate::domain::money::MicroDollars;
use crate::domain::pattern::CallId;
use crate::domain::usage::{self, CallCharge, CallEnd};
use crate::domain::user::Caller;
use crate::llm::Llm;
use crate::log;
use crate::wire::embed::{self, EmbeddingRequest, EmbeddingResponse};
use crate::wire::serve_openai::sanitize_field_name;

/// The result of an embeddings call.
#[derive(Debug, Clone)]
pub struct EmbeddingOutcome {
    /// The provider's response, with one vector per text.
    pub embedded: EmbeddingResponse,
    /// Number of input tokens of all texts.
    pub tokens: u64,
    /// Cost in millionths of a dollar, if the price is known.
    pub cost: Option<MicroDollars>,
    /// Whether the call is in the usage records; false if the store failed after the call.
    pub is_recorded: bool,
    /// Fields of the request that were not sent to the provider.
    pub ignored_fields: Vec<String>,
}

/// The run and time limit of an embeddings call.
pub(super) struct EmbeddingContext<'a> {
    /// Analysis under which the call is recorded, or an ID without an analysis.
    pub id: &'a AnalysisId,
    /// The call's position in the run.
    pub call: CallId,
    /// Time limit; `None` for the provider's default.
    pub deadline: Option<Duration>,
}

impl<'a> EmbeddingContext<'a> {
    /// Returns the context of a call outside any run.
    pub fn outside_run(id: &'a AnalysisId, deadline: Option<Duration>) -> Self {
        let call = CallId {
            stage: 0,
            member: 0,
        };
        Self { id, call, deadline }
    }
}

/// Use cases for embeddings: compute vectors, within every budget.
#[derive(Clone, Copy)]
pub struct EmbeddingService<'a> {
    pub(super) llm: &'a Llm,
    pub(super) charges: SideCharges<'a>,
}

impl EmbeddingService<'_> {
    /// Computes embedding vectors for a caller's texts.
    ///
    /// # Errors
    /// `Missing` if the model is unknown; `Forbidden` if the API key may not use it; `BudgetExceeded` if a budget
    /// is too small or the price is unknown; and the provider's error.
    pub async fn embed(
        &self,
        caller: &Caller,
        request: EmbeddingRequest,
    ) -> Result<EmbeddingOutcome> {
        // A new ID that belongs to no analysis, so the call is logged on its own.
        let id = AnalysisId::new(clock::now(), crypto::random_number()?);
        self.embed_for(caller, request, EmbeddingContext::outside_run(&id, None))
            .await
    }

    /// Computes embedding vectors for a caller's texts on behalf of an analysis or a search.
    ///
    /// # Errors
    /// The same as [`Self::embed`].
    pub(super) async fn embed_for(
        &self,
        caller: &Caller,
        request: EmbeddingRequest,
        context: EmbeddingContext<'_>,
    ) -> Result<EmbeddingOutcome> {
        let (user, started) = (&caller.user, clock::now());
        let embedding_model = self.llm.find(Some(user), &request.model);
        let model = embedding_model.filter(|model| !model.mock).ok_or_else(|| {
            let why = format!("there is no embedding model {:?}", request.model);
            Error::new(Kind::Missing, why)
                .resolve("name it with its provider, such as openai/text-embedding-3-small")
        })?;
        let estimated_tokens: u64 = request.texts.iter().map(|text| estimate_tokens(text)).sum();
        let price = usage::price_of(&model);
        let expected = usage::cost(&token_bill(estimated_tokens, true), price);
        let charges = self.charges;
        let _reserved = charges
            .reserve(caller, &model.id, (expected, estimated_tokens), started)
            .await?;
        let mut ignored = embed::ignored_fields(self.llm.kind_of(Some(user), &model.id), &request);
        let calling = self.llm.embed(Some(user), &model.id, request);
        let result = match context.deadline {
            Some(deadline) => timeout(deadline, calling)
                .await
                .unwrap_or_else(|_| Err(timeout_error(deadline))),
            None => calling.await,
        };
        let bill = match &result {
            Ok(embedded) => token_bill(
                embedded.tokens.unwrap_or(estimated_tokens),
                embedded.tokens.is_none(),
            ),
            // A failed call is not billed.
            Err(_) => token_bill(0, false),
        };
        let charge = CallCharge {
            call: context.call,
            model: model.id.clone(),
            started_at: started,
            outcome: match result {
                Ok(_) => CallEnd::Answered,
                Err(_) => CallEnd::Failed,
            },
            bill: CallBill {
                latency_ms: clock::now().since(started).as_millis() as u64,
                ..bill
            },
            price,
            own_key: self.llm.uses_own_key(Some(user), &model.id),
        };
        let (tokens, cost) = (charge.bill.usage.input, charge.cost());
        let written = charges.record(caller, context.id, charge).await;
        let embedded = result.map_err(Error::from_call_error)?;
        ignored.extend(
            embedded
                .omitted
                .iter()
                .map(|name| sanitize_field_name(name)),
        );
        // The vectors have been paid for, so a failure to record the call must not withhold them.
        let is_recorded = written.is_ok();
        if let Err(error) = written {
            log::error("embeddings not recorded", &[("fault", &error)]);
        }
        Ok(EmbeddingOutcome {
            embedded,
            tokens,
            cost,
            is_recorded,
            ignored_fields: ignored,
        })
    }
}

/// Builds the bill of one call that read this many tokens.
fn token_bill(tokens: u64, estimated: bool) -> CallBill {
    CallBill {
        usage: Usage {
            input: tokens,
            estimated,
            ..Usage::default()
        },
        tries: 1,
        ..CallBill::default()
    }
}

fn timeout_error(deadline: Duration) -> CallError {
    let why = format!("it took longer than {} seconds", deadline.as_secs());
    CallError::new(CallErrorKind::Timeout, why)
}
