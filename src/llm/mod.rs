//! Calls to models: one blocking call a thread, and the offline demo models behind the same door. Knows
//! nothing of panels, stores or callers.

mod call;
mod catalogue;
pub mod demo;
mod exchange;
mod fault;
mod outlet;
mod provider;
mod receive;
mod retry;
mod threads;
mod transport;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::clock;
use crate::domain::chat::{Answer, Bill, CallError, Delta, Request};
use crate::domain::id::UserId;
use crate::domain::model::{Availability, Model};
use crate::domain::time::Timestamp;
use crate::wire::openai;
use call::Wanted;
use outlet::Outlet;
pub use provider::{Provider, known_base_url};
pub use threads::Running;
use threads::{Refused, Threads};

/// Limits, times and who may be asked.
#[derive(Clone)]
pub struct Settings {
    /// Configured providers, in order of preference.
    pub providers: Vec<Provider>,
    /// Offer the local demo algorithms.
    pub demo: bool,
    /// Calls at once; more wait.
    pub max_calls: usize,
    /// To open a connection, name resolution included.
    pub connect: Duration,
    /// To the status line and headers of an answer.
    pub first_byte: Duration,
    /// Between two pieces of an answer. Long, because a reasoning model that keeps its thoughts to itself
    /// is silent until it has finished thinking.
    pub idle: Duration,
    /// Further tries after a failure that may pass, as long as nothing of the answer was shown.
    pub retries: u32,
    /// Before the first of them; three times as long before the next.
    pub retry_pause: Duration,
    /// Between two words of a demo model: fast, but visibly a stream. Zero: all at once.
    pub demo_pause: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            providers: Vec::new(),
            demo: true,
            max_calls: 64,
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(120),
            idle: Duration::from_secs(120),
            retries: 2,
            retry_pause: Duration::from_secs(1),
            demo_pause: Duration::from_millis(4),
        }
    }
}

/// What a call tells while it runs. `Finished` comes exactly once, last, whatever happens.
#[derive(Debug, Clone, PartialEq)]
pub enum CallEvent {
    /// A piece of the answer.
    Delta(Delta),
    /// The end.
    Finished {
        /// What came of it.
        result: Result<Answer, CallError>,
        /// What it took.
        bill: Box<Bill>,
    },
}

/// A provider as last seen.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderState {
    /// Its id.
    pub id: String,
    /// `ready`, `needs_key`, `unknown` (not asked yet) or `unavailable`.
    pub status: &'static str,
    /// It has what it needs to be asked.
    pub configured: bool,
    /// Models it offers, as far as known.
    pub models: usize,
    /// When it was last asked for its models.
    pub checked: Option<Timestamp>,
    /// For a person; empty when all is well.
    pub message: String,
}

/// The door. Cheap to clone.
#[derive(Clone)]
pub struct Llm(Arc<Inner>);

pub(crate) struct Inner {
    settings: Settings,
    // Made at the first call: TLS roots cost memory that a demo never needs.
    agent: OnceLock<ureq::Agent>,
    threads: Threads,
    learned: Mutex<Vec<Learned>>,
    /// Fields that a model has refused, by its full id.
    refused: Mutex<BTreeMap<String, Vec<String>>>,
}

/// Models whose refusals are remembered. Beyond that it starts anew: a refusal is soon learned again.
const MOST_REMEMBERED: usize = 256;

/// What a provider's own list of models said, by the provider's place in the settings.
#[derive(Debug, Clone, Default)]
struct Learned {
    names: Vec<String>,
    checked: Option<Timestamp>,
    fault: Option<String>,
}

impl Llm {
    /// Opens nothing yet.
    pub fn new(settings: Settings) -> Self {
        let learned = Mutex::new(vec![Learned::default(); settings.providers.len()]);
        let places = |provider: &Provider| provider.concurrency.unwrap_or(usize::MAX);
        let threads = Threads::new(settings.max_calls, settings.providers.iter().map(places));
        Self(Arc::new(Inner {
            settings,
            agent: OnceLock::new(),
            threads,
            learned,
            refused: Mutex::default(),
        }))
    }

    /// Starts a call, or puts it in line. Dropping what is returned cancels it; `Finished` comes then too.
    pub fn start(
        &self,
        key: u64,
        _user: Option<&UserId>,
        request: Request,
        tell: mpsc::Sender<(u64, CallEvent)>,
    ) -> Running {
        let inner = self.0.clone();
        let asked = clock::instant();
        let outlet = Outlet::new(key, tell);
        let spare = outlet.clone();
        let started = self
            .0
            .threads
            .start(self.0.lane(&request.model), move |slot| {
                let mut send = |delta| outlet.pass(delta, slot);
                let wanted = Wanted {
                    request: &request,
                    asked,
                    key,
                };
                let result = call::run(&inner, &wanted, slot, &mut send);
                if result.is_ok() {
                    inner.note_success(&request.model);
                }
                outlet.finish(result, Bill::default());
            });
        started.unwrap_or_else(|Refused| {
            spare.refuse();
            Running::over()
        })
    }

    /// All models that this person may ask, their own providers' among them, and whether they can be asked
    /// now.
    pub fn models(&self, _user: Option<&UserId>) -> Vec<(Model, Availability)> {
        let learned = self.0.learned();
        let mut all: Vec<(Model, Availability)> = Vec::new();
        for (provider, learned) in self.0.settings.providers.iter().zip(learned.iter()) {
            let state = provider.availability(learned.fault.is_some());
            let models = catalogue::models_of(provider, &learned.names);
            all.extend(models.into_iter().map(|model| (model, state)));
        }
        if self.0.settings.demo {
            all.extend(
                demo::models()
                    .into_iter()
                    .map(|model| (model, Availability::Ready)),
            );
        }
        all
    }

    /// A model by its full id, an alias, or its bare name where only one provider has it. Where a provider
    /// takes any name, `provider/whatever` is passed on as it stands.
    pub fn find(&self, user: Option<&UserId>, name: &str) -> Option<Model> {
        let name = name.trim();
        if name.is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
            return None;
        }
        let models: Vec<Model> = self
            .models(user)
            .into_iter()
            .map(|(model, _)| model)
            .collect();
        let exact = models.iter().find(|model| model.id == name);
        if let Some(model) = exact {
            return Some(model.clone());
        }
        if let Some((id, rest)) = name.split_once('/')
            && let Some(provider) = self
                .0
                .settings
                .providers
                .iter()
                .find(|provider| provider.id == id)
            && provider.models.is_none()
            && !rest.is_empty()
        {
            return Some(catalogue::describe(provider, rest));
        }
        let bare: Vec<&Model> = models
            .iter()
            .filter(|model| {
                model
                    .id
                    .split_once('/')
                    .is_some_and(|(_, bare)| bare == name)
            })
            .collect();
        match bare.as_slice() {
            [one] => Some((*one).clone()),
            // Aliases may be shared by models of several providers: the first configured one answers.
            [] => models
                .iter()
                .find(|model| {
                    model
                        .aliases
                        .iter()
                        .any(|alias| alias.eq_ignore_ascii_case(name))
                })
                .cloned(),
            _ => None,
        }
    }

    /// Where a model's calls go: part of what makes an answer repeatable.
    pub fn endpoint(&self, _user: Option<&UserId>, model: &str) -> String {
        match self.0.provider_of(model) {
            Some((provider, _)) => provider.base().to_owned(),
            None => "local".to_owned(),
        }
    }

    /// Every configured provider as last seen.
    pub fn providers(&self) -> Vec<ProviderState> {
        let learned = self.0.learned();
        let pairs = self.0.settings.providers.iter().zip(learned.iter());
        pairs
            .map(|(provider, learned)| {
                provider.state(&learned.names, learned.checked, learned.fault.as_deref())
            })
            .collect()
    }

    /// Whether the demo algorithms are offered.
    pub fn has_demo(&self) -> bool {
        self.0.settings.demo
    }

    /// Really asks every configured provider for its models, all at once.
    pub async fn refresh(&self) {
        let mut asked = Vec::new();
        for index in 0..self.0.settings.providers.len() {
            let (inner, (done, is_done)) = (self.0.clone(), oneshot::channel());
            let running = self.0.threads.start(index, move |slot| {
                let found = call::models(&inner, &inner.settings.providers[index], slot);
                if !slot.is_cancelled() {
                    inner.learn(index, found);
                }
                let _ = done.send(());
            });
            asked.push((running, is_done));
        }
        for (running, is_done) in asked {
            let _ = is_done.await;
            drop(running);
        }
    }
}

impl Inner {
    fn learned(&self) -> MutexGuard<'_, Vec<Learned>> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, index: usize, found: Result<Vec<String>, CallError>) {
        let entry = &mut self.learned()[index];
        entry.checked = Some(clock::now());
        match found {
            Ok(names) => (entry.names, entry.fault) = (names, None),
            Err(error) => entry.fault = Some(error.detail),
        }
    }

    /// An answer proves more than a failed look at the list of models.
    fn note_success(&self, model: &str) {
        if let Some(entry) = self.learned().get_mut(self.lane(model)) {
            entry.fault = None;
        }
    }

    /// What a model takes: what the catalogue says, less what the model has refused.
    fn taste(&self, provider: &Provider, name: &str) -> openai::Taste {
        let model = catalogue::describe(provider, name);
        let refused = self.refused().get(&model.id).cloned().unwrap_or_default();
        openai::Taste {
            accepted: model.parameters,
            refused,
        }
    }

    fn remember_refusal(&self, model: &str, field: &str) {
        let mut refused = self.refused();
        if refused.len() >= MOST_REMEMBERED && !refused.contains_key(model) {
            refused.clear();
        }
        let fields = refused.entry(model.to_owned()).or_default();
        if !fields.iter().any(|known| known == field) {
            fields.push(field.to_owned());
        }
    }

    fn refused(&self) -> MutexGuard<'_, BTreeMap<String, Vec<String>>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The model's provider's place in the settings; demo models have none and need none.
    fn lane(&self, model: &str) -> usize {
        let id = model.split_once('/').map_or(model, |(id, _)| id);
        let providers = &self.settings.providers;
        providers
            .iter()
            .position(|provider| provider.id == id)
            .unwrap_or(usize::MAX)
    }

    fn provider_of<'m>(&self, model: &'m str) -> Option<(&Provider, &'m str)> {
        let (id, name) = model.split_once('/')?;
        let provider = self
            .settings
            .providers
            .iter()
            .find(|provider| provider.id == id)?;
        Some((provider, name))
    }

    fn agent(&self) -> &ureq::Agent {
        self.agent.get_or_init(|| transport::agent(&self.settings))
    }
}
