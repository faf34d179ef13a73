//! Embeddings: passed through to the named provider, subject to every budget, and recorded like any other call.

use super::completions::kind_of;
use super::key_limits::{KeyLimitService, KeyReservation};
use super::{Error, Kind, Result};
use crate::clock;
use crate::crypto;
use crate::domain::chat::{CallBill, CallError, Usage, estimate_tokens};
use crate::domain::id::AnalysisId;
use crate::domain::money::MicroDollars;
use crate::domain::pattern::CallId;
use crate::domain::time::Timestamp;
use crate::domain::usage::{self, CallCharge, CallEnd, UsageAmount};
use crate::domain::user::Caller;
use crate::engine::{Engine, ReservedAmount};
use crate::llm::Llm;
use crate::log;
use crate::store::{Store, api_keys, call_log, usage as days};
use crate::wire::embed::{self, EmbeddingAnswer, EmbeddingRequest};
use crate::wire::serve_openai::shown;

/// The result of an embeddings call.
#[derive(Debug, Clone)]
pub struct EmbeddingOutcome {
    /// The vectors.
    pub embedded: EmbeddingAnswer,
    /// Input tokens.
    pub tokens: u64,
    /// Cost in millionths of a dollar, if the price is known.
    pub cost: Option<MicroDollars>,
    /// Whether the call is in the usage records; false if the store failed after the call.
    pub is_recorded: bool,
    /// Fields of the request that were not sent to the provider.
    pub ignored: Vec<String>,
}

/// The embeddings use cases.
#[derive(Clone, Copy)]
pub struct EmbeddingService<'a> {
    pub(super) store: &'a Store,
    pub(super) engine: &'a Engine,
    pub(super) llm: &'a Llm,
    pub(super) key_limits: KeyLimitService<'a>,
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
        asked: EmbeddingRequest,
    ) -> Result<EmbeddingOutcome> {
        let (user, begun) = (&caller.user, clock::now());
        let found = self.llm.find(Some(user), &asked.model);
        let model = found.filter(|model| !model.mock).ok_or_else(|| {
            let why = format!("there is no embedding model {:?}", asked.model);
            Error::new(Kind::Missing, why)
                .resolve("name it with its provider, such as openai/text-embedding-3-small")
        })?;
        let limits = self.key_limits.of(caller).await?;
        if !limits.allow(&model.id) {
            let why = format!("this API key may not use {}", model.id);
            return Err(Error::new(Kind::Forbidden, why));
        }
        let guess: u64 = asked.texts.iter().map(|text| estimate_tokens(text)).sum();
        let price = usage::price_of(&model);
        let bill = |tokens: u64, estimated: bool| CallBill {
            usage: Usage {
                input: tokens,
                estimated,
                ..Usage::default()
            },
            tries: 1,
            ..CallBill::default()
        };
        let expected = usage::cost(&bill(guess, true), price);
        // Released once the charge is recorded, so that two requests are not granted the same money.
        let _granted = self.afford_vectors(caller, expected, guess, begun).await?;
        let mut ignored = embed::ignored(self.llm.kind_of(Some(user), &model.id), &asked);
        let result = self.llm.embed(Some(user), &model.id, asked).await;
        let bill = match &result {
            Ok(embedded) => bill(embedded.tokens.unwrap_or(guess), embedded.tokens.is_none()),
            // A refused call costs nothing.
            Err(_) => bill(0, false),
        };
        let charge = CallCharge {
            call: CallId {
                stage: 0,
                member: 0,
            },
            model: model.id.clone(),
            at: begun,
            ended: match result {
                Ok(_) => CallEnd::Answered,
                Err(_) => CallEnd::Failed,
            },
            bill: CallBill {
                latency_ms: clock::now().since(begun).as_millis() as u64,
                ..bill
            },
            price,
            own_key: self.llm.own_key(Some(user), &model.id),
        };
        let (tokens, cost) = (charge.bill.usage.input, charge.cost());
        let written = self.write_down(caller, charge).await;
        let embedded = result.map_err(call_failed)?;
        ignored.extend(embedded.left_out.iter().map(|name| shown(name)));
        // The vectors have been paid for, so a failure to record the call must not withhold them.
        let is_recorded = written.is_ok();
        if let Err(fault) = written {
            log::error("embeddings not recorded", &[("fault", &fault)]);
        }
        Ok(EmbeddingOutcome {
            embedded,
            tokens,
            cost,
            is_recorded,
            ignored,
        })
    }

    async fn afford_vectors(
        &self,
        caller: &Caller,
        cost: Option<MicroDollars>,
        tokens: u64,
        now: Timestamp,
    ) -> Result<(ReservedAmount, Option<KeyReservation>)> {
        let standing = self.engine.budget_status(&caller.user).await?;
        let limits = self.key_limits.of(caller).await?;
        let is_bound = limits.day_cost.is_some() || limits.all_cost.is_some();
        if cost.is_none() && (is_bound || standing.limits.bound_cost()) {
            let why =
                "the price of this model is not known, so a budget in dollars cannot be enforced";
            return Err(Error::new(Kind::BudgetExceeded, why)
                .resolve("ask an administrator to set its price"));
        }
        let cost = cost.unwrap_or_default();
        let aside = self
            .engine
            .reserve(&caller.user, UsageAmount { cost, tokens });
        let aside = aside
            .await
            .map_err(|over| Error::new(Kind::BudgetExceeded, over))?;
        let grant = match caller.key.as_ref().filter(|_| is_bound) {
            Some(key) => Some(self.key_limits.reserve(&limits, &key.id, cost, now).await?),
            None => None,
        };
        Ok((aside, grant))
    }

    // No analysis has this ID: the record has no parent.
    async fn write_down(&self, caller: &Caller, charge: CallCharge) -> Result<()> {
        let id = AnalysisId::new(charge.at, crypto::random_number()?);
        let user = caller.user.clone();
        let key = caller.key.as_ref().map(|key| key.id.clone());
        let written = self.store.write(move |db| {
            call_log::insert(db, Some(&user), &id, &charge)?;
            days::add(db, &user, charge.at.day(), &charge)?;
            match &key {
                Some(key) => api_keys::add_usage(db, key, &charge),
                None => Ok(()),
            }
        });
        Ok(written.await?)
    }
}

fn call_failed(error: CallError) -> Error {
    let wait = error.retry_after_ms.map(std::time::Duration::from_millis);
    let status = error.client_visible_status();
    let mut failure = Error::new(kind_of(error.kind), error.with_upstream_message().detail);
    (failure.retry_after, failure.upstream_status) = (wait, status);
    failure
}
