//! Calls a provider and retries: after temporary failures, and without the fields that the model rejects. Never retries
//! once part of an answer has reached a client that cannot retract it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use super::admission::AdmittedCall;
use super::call_request::{CallAttempt, catch_panic, list_timeout};
use super::exchange::{FailedExchange, ask_once, list_models_once};
use super::registry::IMAGES_FIELD;
use super::retry::{self, FailedAttempt, RetryDecision};
use super::usage_meter::UsageMeter;
use super::{LlmInner, Provider, transport_error};
use crate::clock;
use crate::domain::chat::{Answer, CallError, CallErrorKind, Message, MessageRole, ModelRequest};
use crate::domain::parameters::Parameters;
use crate::wire::{self, ListedModel, ModelCapabilities, passthrough};

/// Maximum number of fields that a model may reject in succession before a call fails.
const MAX_REFUSALS: usize = 8;

/// Calls the model until it answers or a retry cannot help. The model's circuit breaker must admit the call, but counts
/// it only once, regardless of the number of attempts. If the answer does not match the schema, asks once for a
/// corrected answer.
///
/// # Errors
///
/// Returns an error if the circuit breaker is open, the call is canceled or times out, or the last attempt fails.
pub(super) async fn ask(
    attempt: &CallAttempt<'_>,
    meter: &mut UsageMeter<'_>,
) -> Result<Answer, CallError> {
    let answer = ask_counted(attempt, meter).await?;
    let Some(format) = &attempt.request.format else {
        return Ok(answer);
    };
    // A tool call is not a final answer, so the schema does not apply to it yet.
    if !answer.calls.is_empty() {
        return Ok(answer);
    }
    let why = match format.conforming(&answer.text) {
        Ok(object) => {
            let text = object.to_owned();
            return Ok(Answer { text, ..answer });
        }
        Err(why) => why,
    };
    // The call was cut off because of its budget, which leaves nothing for a correction.
    if attempt.slot.is_cut_off() {
        return Ok(answer);
    }
    let mut request = ModelRequest::clone(attempt.request);
    let again = format!(
        "That does not match the requested format: {why}. Answer again with only the JSON object."
    );
    let previous_answer = Message::new(MessageRole::Assistant, &*answer.text);
    request
        .messages
        .extend([previous_answer, Message::new(MessageRole::User, again)]);
    let repair_attempt = CallAttempt {
        request: &Arc::new(request),
        ..*attempt
    };
    let repaired = Box::pin(ask_counted(&repair_attempt, meter)).await?;
    match format.conforming(&repaired.text) {
        Ok(object) => Ok(Answer {
            text: object.to_owned(),
            usage: answer.usage.combined_with(&repaired.usage),
            ..repaired
        }),
        Err(why) => Err(CallError::new(
            CallErrorKind::Malformed,
            format!("the answer does not match the requested schema: {why}"),
        )),
    }
}

async fn ask_counted(
    attempt: &CallAttempt<'_>,
    meter: &mut UsageMeter<'_>,
) -> Result<Answer, CallError> {
    let admitted = AdmittedCall::ask(attempt.entry, attempt.name, attempt.call.origin)?;
    let result = ask_until(attempt, meter).await;
    admitted.record(&result);
    result
}

/// Calls the model until it answers or a retry cannot help. Retries after temporary failures. Omits a field that the
/// model rejects, in this and in later calls, because models change faster than any table of their parameters.
async fn ask_until(
    attempt: &CallAttempt<'_>,
    meter: &mut UsageMeter<'_>,
) -> Result<Answer, CallError> {
    let mut capabilities = attempt.inner.capabilities(attempt.entry, attempt.name);
    let (mut tries, mut refusals) = (0, 0);
    let parameters = &attempt.request.parameters;
    loop {
        wait_for_rate_limit(attempt).await?;
        meter.begin_attempt();
        let mut dropped = unsupported_parameters(parameters, &capabilities);
        let kind = attempt.provider.api_format();
        let sent_fields = passthrough::field_names(kind, attempt.request, &capabilities);
        dropped.extend(
            sent_fields
                .into_iter()
                .filter(|name| capabilities.refused_fields.contains(name)),
        );
        meter.record_omitted(dropped);
        let failed = match ask_once(attempt, &capabilities, meter).await {
            Ok(answer) => {
                meter.end_with_answer(&answer.usage);
                return Ok(answer);
            }
            Err(failed) => failed,
        };
        let (now, kind) = (clock::monotonic_now(), failed.error.kind);
        meter.end_with_failure(&failed.error);
        if attempt.slot.is_cut_off() {
            // Quire itself ended the call, so the failure says nothing about the model.
            return Err(failed.error);
        }
        let has_images = |message: &Message| !message.images.is_empty();
        if wire::rejects_images(&failed.error) && attempt.request.messages.iter().any(has_images) {
            attempt.entry.remember_refusal(attempt.name, IMAGES_FIELD);
        }
        if let Some(field) = &failed.refused_field
            && refusals < MAX_REFUSALS
            && !capabilities.refused_fields.contains(field)
        {
            refusals += 1;
            attempt.entry.remember_refusal(attempt.name, field);
            capabilities.refused_fields.push(field.clone());
            continue;
        }
        let requested_delay = failed.error.retry_after_ms.map(Duration::from_millis);
        if let Some(wait) = requested_delay.filter(|_| kind == CallErrorKind::RateLimited) {
            attempt.entry.throttle(attempt.name, wait, now);
        }
        match next(attempt, &failed, tries, meter.has_sent_output()) {
            RetryDecision::Retry(wait) if !attempt.slot.pause(wait).await => {
                tries += 1;
                meter.restart().await;
            }
            next => return Err(with_attempts(failed.error, tries, next)),
        }
    }
}

fn next(attempt: &CallAttempt, failed: &FailedExchange, tries: u32, shown: bool) -> RetryDecision {
    let is_read = shown && attempt.request.is_live;
    if is_read || failed.is_permanent {
        return RetryDecision::Never;
    }
    let settings = &attempt.inner.settings;
    retry::next(&FailedAttempt {
        error: &failed.error,
        failed_mid_answer: failed.has_answer_begun,
        tries,
        retries: settings.retries,
        pause: settings.retry_pause,
        time_left: attempt.time_left(),
        random: random_fraction(),
    })
}

fn with_attempts(mut error: CallError, tries: u32, next: RetryDecision) -> CallError {
    if tries > 0 {
        error.detail += &format!(" (tried {} times)", tries + 1);
    }
    if let RetryDecision::TooLong(wait) = next {
        error.detail += &format!(
            "; the provider requires a pause of {} s, which is longer than this call may take",
            wait.as_secs().max(1)
        );
    }
    error
}

/// Returns a random number in [0, 1), of sufficient quality for jitter. The randomness comes from the random keys of
/// the standard library's hasher.
fn random_fraction() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    (random >> 11) as f64 / (1u64 << 53) as f64
}

/// Waits until the provider's rate limit allows a call. Fails if too little time would be left for the call.
async fn wait_for_rate_limit(attempt: &CallAttempt<'_>) -> Result<(), CallError> {
    loop {
        let now = clock::monotonic_now();
        let Some(until) = attempt.entry.throttled_until(attempt.name, now) else {
            return Ok(());
        };
        let wait = until.since(now);
        if wait.saturating_mul(2) >= attempt.time_left() {
            return Err(transport_error::throttled_error(wait));
        }
        if attempt.slot.pause(wait).await {
            return Err(transport_error::throttled_error(wait));
        }
    }
}

/// The names of Quire's parameters, each with other names that vendors use for it in requests.
const PARAMETER_SPELLINGS: &[(&str, &[&str])] = &[
    (
        "max_tokens",
        &[
            "max_completion_tokens",
            "max_output_tokens",
            "maxOutputTokens",
            "num_predict",
        ],
    ),
    ("seed", &["random_seed"]),
    ("top_p", &["topP"]),
    ("top_k", &["topK"]),
    ("stop", &["stop_sequences", "stopSequences"]),
    (
        "reasoning_effort",
        &[
            "reasoning",
            "reasoning.effort",
            "thinking",
            "think",
            "output_config",
        ],
    ),
];

/// Returns the parameters that the user has set but that are not sent to the model, by their names in the parameter
/// glossary.
fn unsupported_parameters(
    parameters: &Parameters,
    capabilities: &ModelCapabilities,
) -> Vec<String> {
    let set = serde_json::to_value(parameters).unwrap_or_default();
    let names = set.as_object().into_iter().flat_map(|set| set.keys());
    let is_refused = |name: &str| {
        let spelling_row = PARAMETER_SPELLINGS.iter().find(|(known, _)| *known == name);
        let others = spelling_row.map_or(&[] as &[&str], |(_, others)| others);
        let refuses = |spelled: &str| {
            capabilities
                .refused_fields
                .iter()
                .any(|field| field == spelled)
        };
        // If a model rejects `max_tokens`, the same limit is sent under its newer name.
        match name {
            "max_tokens" => others.iter().any(|other| refuses(other)),
            _ => refuses(name) || others.iter().any(|other| refuses(other)),
        }
    };
    let is_unknown = |name: &str| {
        !capabilities.accepted_parameters.is_empty()
            && !capabilities
                .accepted_parameters
                .iter()
                .any(|accepted| accepted == name)
    };
    names
        .filter(|name| *name != "timeout_s" && (is_refused(name) || is_unknown(name)))
        .cloned()
        .collect()
}

/// Requests a provider's model list and retries after temporary failures.
///
/// # Errors
///
/// Returns an error if the last attempt fails.
pub(super) async fn list_models(
    inner: &LlmInner,
    provider: &Provider,
) -> Result<Vec<ListedModel>, FailedExchange> {
    let started_at = clock::instant();
    let mut tries = 0;
    loop {
        let listing = catch_panic(async { Ok(list_models_once(inner, provider).await) }).await?;
        let failed = match listing {
            Ok(listing) => return Ok(listing),
            Err(failed) if failed.is_permanent => return Err(failed),
            Err(failed) => failed,
        };
        let elapsed = clock::instant().saturating_duration_since(started_at);
        let failure = FailedAttempt {
            error: &failed.error,
            failed_mid_answer: false,
            tries,
            retries: inner.settings.retries,
            pause: inner.settings.retry_pause,
            time_left: list_timeout(inner).saturating_sub(elapsed),
            random: random_fraction(),
        };
        match retry::next(&failure) {
            RetryDecision::Retry(wait) => tokio::time::sleep(wait).await,
            _ => return Err(failed),
        }
        tries += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn omitted_parameters_are_reported_by_glossary_name() {
        let parameters = Parameters {
            temperature: Some(0.5),
            max_tokens: Some(100),
            seed: Some(1),
            timeout_s: Some(60),
            reasoning_effort: Some("low".into()),
            ..Parameters::default()
        };
        for (accepted, refused, expected) in [
            (&[] as &[&str], &[] as &[&str], &[] as &[&str]),
            (
                &["max_tokens", "seed", "reasoning_effort"],
                &[],
                &["temperature"],
            ),
            (
                &[],
                &["random_seed", "reasoning"],
                &["reasoning_effort", "seed"],
            ),
            (&[], &["max_tokens"], &[]),
            (&[], &["max_completion_tokens", "top_p"], &["max_tokens"]),
        ] {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let capabilities = ModelCapabilities {
                accepted_parameters: owned(accepted),
                refused_fields: owned(refused),
                ..ModelCapabilities::default()
            };
            let mut unsupported = unsupported_parameters(&parameters, &capabilities);
            unsupported.sort();
            assert_eq!(unsupported, expected, "{accepted:?} {refused:?}");
        }
    }
}
