//! One call for embeddings. Retries only without a field that the model refuses: for temporary failures, the client
//! has its own retries.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::exchange::{FailedExchange, connection_failure, header, read_refusal};
use super::registry::{CallOrigin, OpenCircuit, RegisteredProvider};
use super::response_reader::{MAX_ANSWER, read_error_body, read_whole};
use super::transport::CancelSlot;
use super::{Llm, LlmInner, transport_error};
use crate::clock;
use crate::domain::chat::{CallError, CallErrorKind};
use crate::domain::id::UserId;
use crate::wire;
use crate::wire::embed::{self, EmbeddingAnswer, EmbeddingRequest};

/// Maximum number of fields that a model may refuse, one after the other, before the call fails.
const MAX_REFUSALS: usize = 4;

impl Llm {
    /// Computes embeddings of texts with a provider's model. Dropping the future cancels the call.
    ///
    /// # Errors
    ///
    /// When the model does not exist, its circuit is open, too many calls wait, or the provider fails.
    pub async fn embed(
        &self,
        user: Option<&UserId>,
        model: &str,
        asked: EmbeddingRequest,
    ) -> Result<EmbeddingAnswer, CallError> {
        let Some((entry, name)) = self.0.registry.resolve(user, model) else {
            return Err(not_available(model));
        };
        let (inner, name) = (self.0.clone(), name.to_owned());
        let origin = CallOrigin::new(user, &asked.texts);
        let now = clock::steady();
        if let Err(OpenCircuit(until)) = entry.admit(&name, origin, now) {
            return Err(transport_error::circuit_open(
                until.map(|until| until.since(now)),
            ));
        }
        let (done, is_done) = oneshot::channel();
        let (lane, waiting, called) = (entry.limiter(), entry.clone(), name.clone());
        let running = self.0.threads.start(lane, move |slot| {
            slot.enter();
            let result = ask(&inner, &entry, &name, &asked, slot);
            CancelSlot::leave();
            let now = clock::steady();
            match &result {
                Ok(_) => entry.record_success(&name, origin),
                Err(_) if slot.is_cancelled() => {
                    entry.record_failure(&name, origin, &transport_error::cancelled(), now);
                }
                Err(failed) => entry.record_failure(&name, origin, &failed.error, now),
            }
            let _ = done.send(result.map_err(|failed| failed.error));
        });
        let running = running.map_err(|_| {
            // The breaker admitted a call that was never sent.
            waiting.record_failure(&called, origin, &transport_error::cancelled(), now);
            transport_error::queue_full()
        })?;
        let result = is_done.await;
        drop(running);
        result.unwrap_or_else(|_| Err(transport_error::queue_full()))
    }
}

fn not_available(model: &str) -> CallError {
    let why = format!("{model} does not provide embeddings");
    CallError::new(CallErrorKind::Rejected, why)
}

// Remembers a refused field, so that the next call omits it at once.
fn ask(
    inner: &LlmInner,
    entry: &RegisteredProvider,
    name: &str,
    asked: &EmbeddingRequest,
    slot: &Arc<CancelSlot>,
) -> Result<EmbeddingAnswer, FailedExchange> {
    let mut refusals = 0;
    loop {
        let refused = entry.refused_fields(name);
        let failed = match attempt_once(inner, entry, name, asked, slot, &refused) {
            Ok(embedded) => return Ok(embedded),
            Err(failed) => failed,
        };
        match &failed.refused_field {
            Some(field) if refusals < MAX_REFUSALS && !refused.contains(field) => {
                entry.remember_refusal(name, field);
                refusals += 1;
            }
            _ => return Err(failed),
        }
    }
}

fn attempt_once(
    inner: &LlmInner,
    entry: &RegisteredProvider,
    name: &str,
    asked: &EmbeddingRequest,
    slot: &Arc<CancelSlot>,
    refused: &[String],
) -> Result<EmbeddingAnswer, FailedExchange> {
    let provider = &entry.provider;
    let kind = provider.api_format();
    let Some((path, mut body)) = embed::build_request(kind, name, asked) else {
        return Err(not_available(&format!("{}/{name}", provider.id)).into());
    };
    let left_out = embed::remove_refused(&mut body, refused);
    let optional = embed::optional_fields(&body);
    let now = clock::steady();
    if let Some(until) = entry.throttled_until(name, now) {
        return Err(transport_error::throttled(until.since(now)).into());
    }
    let limit = inner.settings.first_token;
    slot.set_read_deadline(clock::instant() + limit);
    let mut call = inner
        .agent(provider.reach)
        .post(provider.url(&path))
        .header("content-type", "application/json");
    for (name, value) in &provider.headers(name)? {
        call = call.header(name, value);
    }
    // A new connection: the provider may have closed a pooled one, and nothing here tries again at once.
    let config = call.config().timeout_global(Some(limit));
    let config = config.max_idle_age(Duration::ZERO);
    let sent = config.build().send(body.to_string().as_bytes());
    let (parts, body) = sent.map_err(connection_failure)?.into_parts();
    let mut reader = body.into_with_config().limit(MAX_ANSWER as u64).reader();
    if parts.status.as_u16() != 200 {
        let header = |name: &str| header(&parts.headers, name);
        let (status, said) = (parts.status.as_u16(), read_error_body(&mut reader));
        let named = wire::refused_field_among(&said, &optional);
        return Err(FailedExchange {
            refused_field: named.filter(|_| matches!(status, 400 | 422)),
            ..read_refusal(status, &header, &said)
        });
    }
    let text = read_whole(&mut reader)?;
    let value = crate::domain::json::parse(&text).unwrap_or_default();
    let embedded = embed::parse_answer(kind, asked.texts.len(), &value);
    let embedded = embedded.map(|embedded| EmbeddingAnswer {
        omitted: left_out,
        ..embedded
    });
    embedded.ok_or_else(|| {
        let why = "the provider sent something that is not a list of embeddings";
        CallError::new(CallErrorKind::Malformed, why).into()
    })
}
