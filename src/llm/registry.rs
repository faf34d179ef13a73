//! Providers at work: which there are, whose they are, and how each has fared lately. Decides who is asked
//! under a name; asks nobody.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use super::Provider;
use super::breaker::{CircuitBreaker, CircuitView};
use crate::clock;
use crate::domain::chat::CallError;
use crate::domain::id::UserId;
use crate::domain::model::Availability;
use crate::domain::time::Timestamp;
use crate::wire::ListedModel;

/// Where a provider comes from. Of several with one name the last kind here answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProviderSource {
    /// A server on this machine that was found by itself.
    Found,
    /// The environment or the configuration file.
    Configured,
    /// Added by an admin, or by a person for themself.
    Stored,
}

/// What stands among the refused fields of a model that does not read pictures.
pub(super) const PICTURES: &str = "pictures";

/// Fields of one model that are remembered as refused.
const MOST_REFUSED: usize = 64;

/// Models of one provider whose course is remembered. Beyond that it starts anew.
const MOST_REMEMBERED: usize = 256;

/// A provider and what is known of it.
pub(super) struct RegisteredProvider {
    pub provider: Provider,
    pub source: ProviderSource,
    /// Its lane in `threads`.
    pub lane: u64,
    state: Mutex<ProviderRecord>,
}

/// What a provider's own list said and how its models have fared.
#[derive(Default)]
pub(super) struct ProviderRecord {
    pub listed: Vec<ListedModel>,
    pub checked: Option<Timestamp>,
    /// Why its list could not be read; none when it could.
    pub fault: Option<String>,
    pub last_failure: Option<LastFailure>,
    models: BTreeMap<String, ModelRecord>,
}

/// People with whom one model's faults are remembered.
const MOST_PEOPLE: usize = 128;

/// Where a call comes from, as far as its failure may be the request's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CallOrigin {
    /// Whose call it is.
    person: u64,
    /// What it asks.
    prompt: u64,
}

impl CallOrigin {
    pub fn new(user: Option<&UserId>, prompt: impl Hash) -> Self {
        Self {
            person: hashed(user),
            prompt: hashed(prompt),
        }
    }
}

fn hashed(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// How one model has fared.
#[derive(Default)]
struct ModelRecord {
    /// For everybody: opened by what more than one person has seen.
    breaker: CircuitBreaker,
    /// For one person each: opened by what more than one of their prompts has seen.
    own: BTreeMap<u64, CircuitBreaker>,
    /// It opens its reasoning in the prompt and only closes it in its answer.
    closes_only: bool,
    /// The provider has asked us to wait until then.
    throttled: Option<Timestamp>,
    /// Fields by their names on the wire that it has refused.
    refused: Vec<String>,
}

/// The last call to a provider that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastFailure {
    /// When.
    pub at: Timestamp,
    /// The model's name at its provider.
    pub model: String,
    /// What was said, the provider's own words included: for admins.
    pub message: String,
}

/// A model's circuit is open: it failed too often. Until then, where that is known.
pub(super) struct OpenCircuit(pub Option<Timestamp>);

impl RegisteredProvider {
    pub fn state(&self) -> MutexGuard<'_, ProviderRecord> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a model's circuit lets a call through. One that is let through must be told of by `succeeded` or
    /// `failed`, once, however often it asks.
    ///
    /// # Errors
    /// The circuit is open; until then, where that is known.
    pub fn admit(
        &self,
        model: &str,
        origin: CallOrigin,
        now: Timestamp,
    ) -> Result<(), OpenCircuit> {
        let mut state = self.state();
        let Some(course) = state.models.get_mut(model) else {
            return Ok(());
        };
        let own = course.own.get_mut(&origin.person);
        let both = own.as_deref().into_iter().chain([&course.breaker]);
        if let Some(breaker) = { both }.find(|breaker| breaker.refuses(now)) {
            return Err(OpenCircuit(match breaker.circuit(now) {
                CircuitView::Open(until) => Some(until),
                _ => None,
            }));
        }
        own.map(|own| own.admit(now));
        course.breaker.admit(now);
        Ok(())
    }

    /// Until when the provider wants no call to this model.
    pub fn throttled(&self, model: &str, now: Timestamp) -> Option<Timestamp> {
        let mut state = self.state();
        let course = state.models.get_mut(model)?;
        course.throttled = course.throttled.filter(|until| *until > now);
        course.throttled
    }

    /// A call has ended with an answer.
    pub fn succeeded(&self, model: &str, origin: CallOrigin) {
        let mut state = self.state();
        // An answer proves more than a failed look at the list of models.
        state.fault = None;
        if let Some(course) = state.models.get_mut(model) {
            course.breaker.succeeded();
            course.own.remove(&origin.person);
        }
    }

    /// A call has ended without an answer, all its tries together.
    pub fn failed(&self, model: &str, origin: CallOrigin, error: &CallError, now: Timestamp) {
        let mut state = self.state();
        let course = state.course(model);
        course.breaker.failed(now, error.kind, origin.person);
        if course.own.len() >= MOST_PEOPLE && !course.own.contains_key(&origin.person) {
            course.own.clear();
        }
        let own = course.own.entry(origin.person).or_default();
        own.failed(now, error.kind, origin.prompt);
        if *own == CircuitBreaker::default() {
            course.own.remove(&origin.person);
        }
        if error.kind != crate::domain::chat::CallErrorKind::Cancelled {
            state.last_failure = Some(LastFailure {
                at: clock::now(),
                model: model.to_owned(),
                message: told(error),
            });
        }
    }

    /// The provider wants no call to this model for so long.
    pub fn hold_back(&self, model: &str, wait: Duration, now: Timestamp) {
        let mut state = self.state();
        let course = state.course(model);
        course.throttled = course.throttled.max(Some(now + wait));
    }

    pub fn refused(&self, model: &str) -> Vec<String> {
        let state = self.state();
        let course = state.models.get(model);
        course.map_or_else(Vec::new, |course| course.refused.clone())
    }

    pub fn remember_refusal(&self, model: &str, field: &str) {
        let mut state = self.state();
        let refused = &mut state.course(model).refused;
        if refused.len() < MOST_REFUSED && !refused.iter().any(|known| known == field) {
            refused.push(field.to_owned());
        }
    }

    /// The model has ended its reasoning without having opened it.
    pub fn remember_closing(&self, model: &str) {
        self.state().course(model).closes_only = true;
    }

    /// Whether it did so before.
    pub fn closes_only(&self, model: &str) -> bool {
        let state = self.state();
        let course = state.models.get(model);
        course.is_some_and(|course| course.closes_only)
    }

    pub fn learn(&self, found: Result<Vec<ListedModel>, CallError>) {
        let mut state = self.state();
        state.checked = Some(clock::now());
        match found {
            Ok(listed) => (state.listed, state.fault) = (listed, None),
            Err(error) => state.fault = Some(told(&error)),
        }
    }

    /// Whether this person can call a model now.
    pub fn availability(&self, user: Option<&UserId>, model: &str, now: Timestamp) -> Availability {
        let state = self.state();
        let course = state.models.get(model);
        match self.provider.availability(state.fault.is_some()) {
            Availability::Ready => {
                course.map_or(Availability::Ready, |course| course.availability(user, now))
            }
            other => other,
        }
    }

    /// Forgets what is held against a model, or against all.
    pub fn reset(&self, model: Option<&str>) -> usize {
        let mut state = self.state();
        let mut count = 0;
        for (name, course) in &mut state.models {
            let is_hit = course.breaker != CircuitBreaker::default() || !course.own.is_empty();
            let held = is_hit || course.throttled.is_some();
            if held && model.is_none_or(|wanted| wanted == name) {
                (course.breaker, course.throttled) = (CircuitBreaker::default(), None);
                course.own.clear();
                count += 1;
            }
        }
        count
    }
}

/// All that is known of a failure.
fn told(error: &CallError) -> String {
    match error.said.as_str() {
        "" => error.detail.clone(),
        said => format!("{}: {said}", error.detail),
    }
}

impl ProviderRecord {
    /// Whether a model has refused pictures.
    pub fn is_blind(&self, model: &str) -> bool {
        let course = self.models.get(model);
        course.is_some_and(|course| course.refused.iter().any(|field| field == PICTURES))
    }

    fn course(&mut self, model: &str) -> &mut ModelRecord {
        if self.models.len() >= MOST_REMEMBERED && !self.models.contains_key(model) {
            self.models.clear();
        }
        self.models.entry(model.to_owned()).or_default()
    }

    /// The models that are not simply ready for this person: open circuits, and until when calls are held back, by
    /// the wall clock.
    pub fn held(
        &self,
        user: Option<&UserId>,
        now: Timestamp,
    ) -> Vec<(String, CircuitView, Option<Timestamp>)> {
        let held = self.models.iter().map(|(name, course)| {
            let throttled = course.throttled.filter(|until| *until > now);
            let circuit = match course.circuit(user, now) {
                CircuitView::Open(until) => CircuitView::Open(clock::shown(until)),
                other => other,
            };
            (name.clone(), circuit, throttled.map(clock::shown))
        });
        held.filter(|(_, circuit, throttled)| {
            *circuit != CircuitView::Closed || throttled.is_some()
        })
        .collect()
    }
}

impl ModelRecord {
    fn circuit(&self, user: Option<&UserId>, now: Timestamp) -> CircuitView {
        let own = self.own.get(&hashed(user));
        let own = own.map_or(CircuitView::Closed, |own| own.circuit(now));
        match self.breaker.circuit(now) {
            CircuitView::Closed => own,
            open => open,
        }
    }

    fn availability(&self, user: Option<&UserId>, now: Timestamp) -> Availability {
        if matches!(self.circuit(user, now), CircuitView::Open(_)) {
            Availability::CircuitOpen
        } else if self.throttled.is_some_and(|until| until > now) {
            Availability::Throttled
        } else {
            Availability::Ready
        }
    }
}

/// All providers.
#[derive(Default)]
pub(super) struct ProviderRegistry {
    entries: RwLock<Vec<Arc<RegisteredProvider>>>,
    lanes: AtomicU64,
}

impl ProviderRegistry {
    /// Puts these in the place of all of their kind. One that stays as it was keeps what is known of it.
    pub fn replace(&self, source: ProviderSource, providers: Vec<Provider>) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let (old, mut kept): (Vec<_>, Vec<_>) =
            entries.drain(..).partition(|entry| entry.source == source);
        for provider in providers {
            let same = old.iter().find(|entry| entry.provider == provider);
            kept.push(same.cloned().unwrap_or_else(|| {
                Arc::new(RegisteredProvider {
                    provider,
                    source,
                    lane: self.lanes.fetch_add(1, Ordering::Relaxed),
                    state: Mutex::default(),
                })
            }));
        }
        kept.sort_by_key(|entry| entry.source != ProviderSource::Configured);
        *entries = kept;
    }

    /// Every provider there is, whoever's.
    pub fn all(&self) -> Vec<Arc<RegisteredProvider>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.clone()
    }

    /// Those that a person may ask, one a name: their own in the place of the house's, a stored one in the
    /// place of a configured one.
    pub fn of(&self, user: Option<&UserId>) -> Vec<Arc<RegisteredProvider>> {
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

    /// Who answers for a model's full id, and the model's name there.
    pub fn resolve<'m>(
        &self,
        user: Option<&UserId>,
        model: &'m str,
    ) -> Option<(Arc<RegisteredProvider>, &'m str)> {
        let (id, name) = model.split_once('/')?;
        let entry = self
            .of(user)
            .into_iter()
            .find(|entry| entry.provider.id == id)?;
        Some((entry, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(id: &str, key: &str, owner: Option<&UserId>) -> Provider {
        Provider {
            id: id.into(),
            api_key: Some(key.into()),
            owner: owner.cloned(),
            ..Provider::default()
        }
    }

    #[test]
    fn each_person_asks_their_own_provider_of_a_name_else_the_house_s() {
        let ada = UserId::new(Timestamp::from_millis(1), 1);
        let bob = UserId::new(Timestamp::from_millis(1), 2);
        let registry = ProviderRegistry::default();
        registry.replace(
            ProviderSource::Found,
            vec![provider("ollama", "found", None)],
        );
        registry.replace(
            ProviderSource::Configured,
            vec![
                provider("openai", "house", None),
                provider("ollama", "set", None),
            ],
        );
        registry.replace(
            ProviderSource::Stored,
            vec![
                provider("openai", "ada", Some(&ada)),
                provider("groq", "admin", None),
                provider("ollama", "admin", None),
            ],
        );
        let key = |user: Option<&UserId>, model: &str| {
            let (entry, _) = registry.resolve(user, model)?;
            entry.provider.api_key.clone()
        };
        for (user, model, expected) in [
            (Some(&ada), "openai/m", Some("ada")),
            (Some(&bob), "openai/m", Some("house")),
            (None, "openai/m", Some("house")),
            (None, "groq/a/b", Some("admin")),
            (None, "ollama/m", Some("admin")),
            (None, "xai/m", None),
            (None, "openai", None),
        ] {
            assert_eq!(key(user, model).as_deref(), expected, "{user:?} {model}");
        }
        assert_eq!(registry.of(Some(&bob)).len(), 3);
        registry.replace(ProviderSource::Stored, Vec::new());
        assert_eq!(key(Some(&ada), "openai/m").as_deref(), Some("house"));
    }

    #[test]
    fn what_is_known_of_a_provider_outlives_a_change_of_the_others() {
        let registry = ProviderRegistry::default();
        registry.replace(ProviderSource::Stored, vec![provider("a", "1", None)]);
        registry.all()[0].remember_refusal("m", "top_k");
        registry.replace(
            ProviderSource::Stored,
            vec![provider("b", "1", None), provider("a", "1", None)],
        );
        let known = |at: usize| registry.all()[at].refused("m");
        assert_eq!((known(0), known(1)), (vec![], vec!["top_k".to_owned()]));
        // Another key, another provider.
        registry.replace(ProviderSource::Stored, vec![provider("a", "2", None)]);
        assert_eq!(known(0), Vec::<String>::new());
    }
}
