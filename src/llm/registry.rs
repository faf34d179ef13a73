//! The registered providers, with their sources, owners, and recent state. Resolves model names to providers. Opens no
//! connections.

mod model_record;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use super::Provider;
use super::breaker::{CircuitBreaker, CircuitView};
use super::call_origin::{CallOrigin, hash_of};
use super::shared_blocks::{BlockTimes, SharedBlocks};
use super::shared_provider::SharedProvider;
use crate::clock;
use crate::domain::chat::CallError;
use crate::domain::id::UserId;
use crate::domain::model::Availability;
use crate::domain::time::Timestamp;
use crate::shared_limits::SharedLimits;
use crate::wire::ListedModel;
use model_record::ModelRecord;

/// Where a provider's configuration comes from. If several providers have the same name, the last source in this order
/// takes precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProviderSource {
    /// A server discovered on this machine.
    Discovered,
    /// From the environment or the configuration file.
    Configured,
    /// Added by an administrator, or by a user for their own calls.
    Stored,
}

/// Entry in a model's list of rejected fields which means that the model does not accept images.
pub(super) const IMAGES_FIELD: &str = "pictures";

/// Maximum number of rejected fields remembered per model.
const MAX_REFUSED_FIELDS: usize = 64;

/// Maximum number of models per provider whose state is recorded. If there are more, all records are dropped.
const MAX_RECORDED_MODELS: usize = 256;

/// A provider and its recorded state.
pub(super) struct RegisteredProvider {
    pub provider: Provider,
    pub source: ProviderSource,
    /// Identifies the provider's concurrency limit in `call_queue`.
    pub limiter_id: u64,
    /// The provider's limits and blocks in Redis, which all servers share.
    pub shared: SharedProvider,
    state: Mutex<ProviderRecord>,
}

/// A provider's own model list, and the records of its models.
#[derive(Default)]
pub(super) struct ProviderRecord {
    pub listed_models: Vec<ListedModel>,
    pub checked_at: Option<Timestamp>,
    /// Why the model list could not be read the last time; `None` if it could.
    pub last_error: Option<String>,
    pub last_failure: Option<LastFailure>,
    models: BTreeMap<String, ModelRecord>,
}

/// The last failed call to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastFailure {
    /// When the call failed.
    pub failed_at: Timestamp,
    /// The model's name at the provider.
    pub model: String,
    /// The error in the provider's own words, for administrators.
    pub message: String,
}

/// The error for a model whose circuit breaker is open because its calls have failed too often. Contains the time at
/// which the circuit breaker closes, if known.
pub(super) struct OpenCircuit(pub Option<Timestamp>);

impl RegisteredProvider {
    pub fn lock_state(&self) -> MutexGuard<'_, ProviderRecord> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the circuit breakers to admit a call. For each admitted call, `record_success` or `record_failure` must be
    /// called exactly once, however many attempts the call makes.
    ///
    /// # Errors
    ///
    /// Returns an error if a circuit breaker is open. It contains the time at which the circuit breaker closes, if
    /// known.
    pub fn admit(
        &self,
        model: &str,
        origin: CallOrigin,
        now: Timestamp,
    ) -> Result<(), OpenCircuit> {
        let mut state = self.lock_state();
        let Some(record) = state.models.get_mut(model) else {
            return Ok(());
        };
        let own = record.user_breakers.get_mut(&origin.user_hash);
        let both = own.as_deref().into_iter().chain([&record.breaker]);
        if let Some(breaker) = { both }.find(|breaker| breaker.refuses_call(now)) {
            return Err(OpenCircuit(match breaker.circuit(now) {
                CircuitView::Open(until) => Some(until),
                _ => None,
            }));
        }
        if let Some(until) = record.shared.circuit_open_until(origin.user_hash, now) {
            return Err(OpenCircuit(Some(until)));
        }
        own.map(|own| own.admit(now));
        record.breaker.admit(now);
        Ok(())
    }

    /// Returns when the provider's rate limit for a model ends, or `None` if no limit is in effect.
    pub fn throttled_until(&self, model: &str, now: Timestamp) -> Option<Timestamp> {
        let mut state = self.lock_state();
        let record = state.models.get_mut(model)?;
        record.throttled_until = record.throttled_until.filter(|until| *until > now);
        record.throttled_until(now)
    }

    /// Records the blocks that other servers have reported for a model, for a user or for everyone.
    pub fn record_shared_blocks(
        &self,
        (model, origin): (&str, CallOrigin),
        times: BlockTimes,
        now: Timestamp,
    ) {
        let mut state = self.lock_state();
        if times != BlockTimes::default() || state.models.contains_key(model) {
            let record = state.record(model);
            record.shared.update(origin.user_hash, times, now);
        }
    }

    /// Records a call that ended with an answer.
    pub fn record_success(&self, model: &str, origin: CallOrigin) {
        let mut state = self.lock_state();
        // An answer is better evidence than a failed request for the model list.
        state.last_error = None;
        if let Some(record) = state.models.get_mut(model) {
            record.breaker.record_success();
            record.failures.record_success(origin.user_hash);
            record.user_breakers.remove(&origin.user_hash);
        }
    }

    /// Records a call whose attempts have all failed.
    pub fn record_failure(
        &self,
        model: &str,
        origin: CallOrigin,
        error: &CallError,
        now: Timestamp,
    ) {
        let mut state = self.lock_state();
        let opened = state.record(model).record_failure(origin, error, now);
        for (user, length) in opened.into_iter().flatten() {
            self.shared.block_model(model, user, length);
        }
        if error.kind != crate::domain::chat::CallErrorKind::Cancelled {
            state.last_failure = Some(LastFailure {
                failed_at: clock::now(),
                model: model.to_owned(),
                message: describe_failure(error),
            });
        }
    }

    /// Blocks calls to a model for as long as the provider requires.
    pub fn throttle(&self, model: &str, wait: Duration, now: Timestamp) {
        let mut state = self.lock_state();
        let record = state.record(model);
        record.throttled_until = record.throttled_until.max(Some(now + wait));
        self.shared.pause(model, wait);
    }

    pub fn refused_fields(&self, model: &str) -> Vec<String> {
        let state = self.lock_state();
        let record = state.models.get(model);
        record.map_or_else(Vec::new, |record| record.refused_fields.clone())
    }

    pub fn remember_refusal(&self, model: &str, field: &str) {
        let mut state = self.lock_state();
        let refused_fields = &mut state.record(model).refused_fields;
        if refused_fields.len() < MAX_REFUSED_FIELDS
            && !refused_fields.iter().any(|known| known == field)
        {
            refused_fields.push(field.to_owned());
        }
    }

    /// Records that the model ends reasoning blocks that it has not opened.
    pub fn record_missing_opening_tag(&self, model: &str) {
        self.lock_state().record(model).omits_opening_tag = true;
    }

    /// Returns whether the model ends reasoning blocks that it has not opened.
    pub fn omits_opening_tag(&self, model: &str) -> bool {
        let state = self.lock_state();
        let record = state.models.get(model);
        record.is_some_and(|record| record.omits_opening_tag)
    }

    pub fn record_model_list(&self, listing: Result<Vec<ListedModel>, CallError>) {
        let mut state = self.lock_state();
        state.checked_at = Some(clock::now());
        match listing {
            Ok(listed) => (state.listed_models, state.last_error) = (listed, None),
            Err(error) => state.last_error = Some(describe_failure(&error)),
        }
    }

    /// Returns a model's current availability for this user.
    pub fn availability(&self, user: Option<&UserId>, model: &str, now: Timestamp) -> Availability {
        let state = self.lock_state();
        let record = state.models.get(model);
        match self.provider.availability(state.last_error.is_some()) {
            Availability::Ready => {
                record.map_or(Availability::Ready, |record| record.availability(user, now))
            }
            other => other,
        }
    }

    /// Returns whether this user's last call to a model failed within the last ten minutes.
    pub fn failed_recently(&self, user: Option<&UserId>, model: &str, now: Timestamp) -> bool {
        let state = self.lock_state();
        let record = state.models.get(model);
        record.is_some_and(|record| record.failures.has_failed_recently(hash_of(user), now))
    }

    /// Resets the circuit breakers and rate limits of a model, or of all models. Returns the number of models for which
    /// there was anything to reset.
    pub fn reset(&self, model: Option<&str>) -> usize {
        let mut state = self.lock_state();
        let mut count = 0;
        for (name, record) in &mut state.models {
            let has_breaker_state =
                record.breaker != CircuitBreaker::default() || !record.user_breakers.is_empty();
            let is_shared = record.shared != SharedBlocks::default();
            let is_held = has_breaker_state || is_shared || record.throttled_until.is_some();
            if is_held && model.is_none_or(|wanted| wanted == name) {
                let users = record.user_breakers.keys().copied();
                self.shared
                    .unblock(name, users.chain(record.shared.users()));
                record.reset_blocks();
                count += 1;
            }
        }
        count
    }
}

/// Describes a failure, followed by the provider's own message, if there is one.
fn describe_failure(error: &CallError) -> String {
    match error.upstream_message.as_str() {
        "" => error.detail.clone(),
        said => format!("{}: {said}", error.detail),
    }
}

impl ProviderRecord {
    /// Returns whether a model has refused images.
    pub fn has_refused_images(&self, model: &str) -> bool {
        let record = self.models.get(model);
        record.is_some_and(|record| {
            record
                .refused_fields
                .iter()
                .any(|field| field == IMAGES_FIELD)
        })
    }

    fn record(&mut self, model: &str) -> &mut ModelRecord {
        if self.models.len() >= MAX_RECORDED_MODELS && !self.models.contains_key(model) {
            self.models.clear();
        }
        self.models.entry(model.to_owned()).or_default()
    }

    /// Returns the models that are temporarily unavailable to a user, each with the state of its circuit breaker and
    /// the time at which its rate limit ends. All times are wall-clock times.
    pub fn held_models(
        &self,
        user: Option<&UserId>,
        now: Timestamp,
    ) -> Vec<(String, CircuitView, Option<Timestamp>)> {
        let circuits = self.models.iter().map(|(name, record)| {
            let throttled = record.throttled_until(now);
            let circuit = match record.circuit(user, now) {
                CircuitView::Open(until) => CircuitView::Open(clock::to_wall_clock(until)),
                other => other,
            };
            (name.clone(), circuit, throttled.map(clock::to_wall_clock))
        });
        circuits
            .filter(|(_, circuit, throttled)| {
                *circuit != CircuitView::Closed || throttled.is_some()
            })
            .collect()
    }
}

/// The registered providers of all users and sources.
#[derive(Default)]
pub(super) struct ProviderRegistry {
    entries: RwLock<Vec<Arc<RegisteredProvider>>>,
    lanes: AtomicU64,
    limits: SharedLimits,
}

impl ProviderRegistry {
    /// Creates an empty registry, whose providers share their limits with other servers.
    pub fn new(limits: SharedLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Replaces all providers from this source. Providers whose configuration has not changed keep their state.
    pub fn replace(&self, source: ProviderSource, providers: Vec<Provider>) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let (old, mut remaining): (Vec<_>, Vec<_>) =
            entries.drain(..).partition(|entry| entry.source == source);
        for provider in providers {
            let same = old.iter().find(|entry| entry.provider == provider);
            remaining.push(same.cloned().unwrap_or_else(|| {
                Arc::new(RegisteredProvider {
                    shared: SharedProvider::new(self.limits.clone(), &provider),
                    provider,
                    source,
                    limiter_id: self.lanes.fetch_add(1, Ordering::Relaxed),
                    state: Mutex::default(),
                })
            }));
        }
        remaining.sort_by_key(|entry| entry.source != ProviderSource::Configured);
        *entries = remaining;
    }

    /// Returns all providers of all users.
    pub fn all_providers(&self) -> Vec<Arc<RegisteredProvider>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.clone()
    }

    /// Returns the providers that a user may call, one per name. A user's own providers take precedence over shared
    /// ones, and later sources take precedence over earlier ones.
    pub fn providers_of(&self, user: Option<&UserId>) -> Vec<Arc<RegisteredProvider>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let visible = |entry: &&Arc<RegisteredProvider>| {
            let owner = entry.provider.owner.as_ref();
            owner.is_none() || owner == user
        };
        let rank = |entry: &RegisteredProvider| (entry.provider.owner.is_some(), entry.source);
        let mut chosen: Vec<Arc<RegisteredProvider>> = Vec::new();
        for entry in entries.iter().filter(visible) {
            match chosen
                .iter_mut()
                .find(|other| other.provider.id == entry.provider.id)
            {
                Some(other) if rank(other) < rank(entry) => *other = entry.clone(),
                Some(_) => {}
                None => chosen.push(entry.clone()),
            }
        }
        chosen
    }

    /// Resolves a full model ID to its provider, and to the model's name at that provider.
    pub fn resolve<'m>(
        &self,
        user: Option<&UserId>,
        model: &'m str,
    ) -> Option<(Arc<RegisteredProvider>, &'m str)> {
        let (id, name) = model.split_once('/')?;
        let entry = self
            .providers_of(user)
            .into_iter()
            .find(|entry| entry.provider.id == id)?;
        Some((entry, name))
    }
}

#[cfg(test)]
mod tests;
