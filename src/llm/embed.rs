//! Requests embeddings. Sends a request again only if the model has rejected a field, which is then omitted. After
//! temporary failures, the caller must retry.

use bytes::Bytes;

use super::admission::AdmittedCall;
use super::call_origin::CallOrigin;
use super::exchange::{FailedExchange, fetch_complete};
use super::provider_client::ProviderRequest;
use super::registry::RegisteredProvider;
use super::response_reader::without_blocking;
use super::{Llm, LlmInner, transport_error};
use crate::clock;
use crate::domain::chat::{CallError, CallErrorKind};
use crate::domain::id::UserId;
use crate::wire;
use crate::wire::embed::{self, EmbeddingRequest, EmbeddingResponse};

/// Maximum number of fields that a model may reject in succession before a call fails.
const MAX_REFUSALS: usize = 4;

impl Llm {
    /// Computes embeddings of texts with a provider's model. Dropping the future cancels the call.
    ///
    /// # Errors
    ///
    /// Returns an error if the model does not exist, its circuit breaker is open, the queue is full, or the provider
    /// fails.
    pub async fn embed(
        &self,
        user: Option<&UserId>,
        model: &str,
        request: EmbeddingRequest,
    ) -> Result<EmbeddingResponse, CallError> {
        let Some((entry, name)) = self.0.registry.resolve(user, model) else {
            return Err(not_available(model));
        };
        let origin = CallOrigin::new(user, &request.texts);
        let permit = self.0.admit(&entry, Some((name, origin))).await;
        let _permit = permit.map_err(|_| transport_error::queue_full())?;
        let admitted = AdmittedCall::ask(&entry, name, origin)?;
        let result = ask(&self.0, &entry, name, &request).await;
        let result = result.map_err(|failed| failed.error);
        admitted.record(&result);
        result
    }
}

fn not_available(model: &str) -> CallError {
    let why = format!("{model} does not provide embeddings");
    CallError::new(CallErrorKind::Rejected, why)
}

// Sends the request. If the provider rejects an optional field, sends the request again without it. Later calls omit
// such a field from the start.
async fn ask(
    inner: &LlmInner,
    entry: &RegisteredProvider,
    name: &str,
    request: &EmbeddingRequest,
) -> Result<EmbeddingResponse, FailedExchange> {
    let mut refusals = 0;
    loop {
        let refused_fields = entry.refused_fields(name);
        let failed = match attempt_once(inner, entry, name, request, &refused_fields).await {
            Ok(embedded) => return Ok(embedded),
            Err(failed) => failed,
        };
        match &failed.refused_field {
            Some(field) if refusals < MAX_REFUSALS && !refused_fields.contains(field) => {
                entry.remember_refusal(name, field);
                refusals += 1;
            }
            _ => return Err(failed),
        }
    }
}

async fn attempt_once(
    inner: &LlmInner,
    entry: &RegisteredProvider,
    name: &str,
    request: &EmbeddingRequest,
    refused: &[String],
) -> Result<EmbeddingResponse, FailedExchange> {
    let provider = &entry.provider;
    let kind = provider.api_format();
    let Some((path, mut body)) = embed::build_request(kind, name, request) else {
        return Err(not_available(&format!("{}/{name}", provider.id)).into());
    };
    let left_out = embed::remove_refused(&mut body, refused);
    let optional = embed::optional_fields(&body);
    let now = clock::monotonic_now();
    if let Some(until) = entry.throttled_until(name, now) {
        return Err(transport_error::throttled_error(until.since(now)).into());
    }
    let deadline = clock::instant() + inner.settings.first_token;
    let fetched = fetch_complete(
        inner,
        ProviderRequest {
            url: provider.url(&path),
            reach: provider.reach,
            headers: provider.headers(name)?,
            accept: "*/*",
            body: Some(Bytes::from(body.to_string())),
            deadline,
            first_byte: deadline,
        },
    );
    let text = fetched.await?.map_err(|refused| {
        let refused_field = wire::refused_field_among(&refused.body, &optional);
        FailedExchange {
            refused_field: refused_field.filter(|_| matches!(refused.status, 400 | 422)),
            ..refused.into_failure()
        }
    })?;
    let text_count = request.texts.len();
    let embedded = without_blocking(text.len(), move || {
        let value = crate::domain::json::parse(&text).unwrap_or_default();
        embed::parse_answer(kind, text_count, &value)
    })
    .await;
    let embedded = embedded.map(|embedded| EmbeddingResponse {
        omitted: left_out,
        ..embedded
    });
    embedded.ok_or_else(|| {
        let why = "the provider sent something that is not a list of embeddings";
        CallError::new(CallErrorKind::Malformed, why).into()
    })
}
