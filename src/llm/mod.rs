//! Calls to models: one blocking call a thread, and the offline demo models behind the same door. Knows
//! nothing of panels, stores or callers.

mod attempt;
mod breaker;
mod call;
mod catalogue;
pub mod demo;
mod discover;
mod embed;
mod exchange;
mod fault;
mod gauge;
mod guard;
mod meter;
mod offer;
mod outlet;
mod pace;
mod provider;
mod receive;
mod registry;
mod remote;
mod retry;
mod threads;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::clock;
use crate::domain::catalogue::Sheet;
use crate::domain::chat::{Answer, Bill, CallError, Delta, Request};
use crate::domain::id::UserId;
use crate::domain::network::{Network, Reach};
use crate::wire::{Listed, Taste};
pub use breaker::Circuit;
use call::Wanted;
use catalogue::Known;
pub use discover::find_local;
pub use offer::{ProviderState, Retired};
use outlet::Outlet;
pub use provider::{Provider, WellKnown, is_local, known_base_url, known_kind, known_providers};
use registry::{Entry, Origin, Registry};
pub use registry::{LastFailure, Source};
pub use remote::{Fault, Remote};
pub use threads::Running;
use threads::{Lane, Refused, Threads};
use transport::Client;

/// Limits, times and who may be asked.
#[derive(Clone)]
pub struct Settings {
    /// Configured providers, in order of preference.
    pub providers: Vec<Provider>,
    /// Offer the local demo algorithms.
    pub demo: bool,
    /// What an admin says of models.
    pub models: Sheet,
    /// Calls at once; more wait.
    pub max_calls: usize,
    /// To open a connection, name resolution included.
    pub connect: Duration,
    /// To the first piece of an answer. Long, because a reasoning model that keeps its thoughts to itself
    /// is silent until it has finished thinking.
    pub first_token: Duration,
    /// Between two pieces of an answer.
    pub idle: Duration,
    /// Further tries after a failure that may pass, as long as nothing of the answer was shown.
    pub retries: u32,
    /// Before the first of them at most; twice as long before each further one (with jitter).
    pub retry_pause: Duration,
    /// Networks that are not public and that providers may be in all the same.
    pub allowed: Vec<Network>,
    /// PEM text of the authorities to trust in the place of those built in.
    pub authorities: Option<String>,
    /// Between two words of a demo model: fast, but visibly a stream. Zero: all at once.
    pub demo_pause: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            providers: Vec::new(),
            demo: true,
            models: Sheet::default(),
            max_calls: 64,
            connect: Duration::from_secs(10),
            first_token: Duration::from_secs(240),
            idle: Duration::from_secs(90),
            retries: 2,
            retry_pause: Duration::from_secs(1),
            allowed: Vec::new(),
            authorities: None,
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

/// A failed test of a provider.
#[derive(Debug, Clone, PartialEq)]
pub struct TestError {
    /// Why it failed.
    pub error: CallError,
    /// Whether the provider may be saved all the same. False where its address is not allowed.
    pub may_keep: bool,
}

/// The door. Cheap to clone.
#[derive(Clone)]
pub struct Llm(Arc<Inner>);

pub(crate) struct Inner {
    settings: Settings,
    client: Client,
    threads: Threads,
    registry: Registry,
    known: Known,
}

/// Calls of demo models at once; they are quick.
const DEMO: Lane = Lane {
    id: u64::MAX,
    most: usize::MAX,
};

impl Llm {
    /// Opens nothing yet.
    pub fn new(settings: Settings) -> Self {
        let registry = Registry::default();
        registry.replace(Source::Configured, settings.providers.clone());
        let threads = Threads::new(settings.max_calls);
        let known = Known::new(settings.models.clone());
        Self(Arc::new(Inner {
            settings,
            client: Client::default(),
            threads,
            registry,
            known,
        }))
    }

    /// Puts these providers in the place of all of their kind, while the program runs. Calls under way end
    /// as they began.
    pub fn set_providers(&self, source: Source, providers: Vec<Provider>) {
        self.0.registry.replace(source, providers);
    }

    /// Starts a call for a person, or puts it in line. Dropping what is returned cancels it; `Finished`
    /// comes then too.
    pub fn start(
        &self,
        key: u64,
        user: Option<&UserId>,
        request: Request,
        tell: mpsc::Sender<(u64, CallEvent)>,
    ) -> Running {
        let inner = self.0.clone();
        let asked = clock::instant();
        let outlet = Outlet::new(key, tell);
        let spare = outlet.clone();
        let entry = self.0.registry.resolve(user, &request.model);
        let entry = entry.map(|(entry, name)| (entry, name.to_owned()));
        let lane = entry.as_ref().map_or(DEMO, |(entry, _)| entry.lane());
        let texts = request.messages.iter().map(|message| &message.text);
        let origin = Origin::new(user, texts.collect::<Vec<_>>());
        let started = self.0.threads.start(lane, move |slot| {
            let mut send = |delta| outlet.pass(delta, slot);
            let wanted = Wanted {
                request: &request,
                asked,
                origin,
                entry: entry.as_ref().map(|(entry, name)| (&**entry, &**name)),
            };
            let mut bill = Bill::default();
            let result = call::run(&inner, &wanted, slot, &mut send, &mut bill);
            outlet.finish(result, bill);
        });
        started.unwrap_or_else(|Refused| {
            spare.refuse();
            Running::over()
        })
    }

    /// Really asks every provider for its models, all at once.
    pub async fn refresh(&self) {
        self.ask_each(self.0.registry.all()).await;
    }

    /// The same of those that were never asked: they came while the program runs.
    pub async fn refresh_new(&self) {
        let mut new = self.0.registry.all();
        new.retain(|entry| entry.state().checked.is_none());
        self.ask_each(new).await;
    }

    async fn ask_each(&self, entries: Vec<Arc<Entry>>) {
        let mut asked = Vec::new();
        for entry in entries {
            let (inner, (done, is_done)) = (self.0.clone(), oneshot::channel());
            let running = self.0.threads.start(entry.lane(), move |slot| {
                let found = attempt::models(&inner, &entry.provider, slot);
                if !slot.is_cancelled() {
                    entry.learn(found.map_err(|failed| failed.error));
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

    /// Asks a provider, which need not be among ours, for its models.
    ///
    /// # Errors
    /// When the provider cannot be reached, refuses, or there is no room for another call.
    pub async fn test(&self, provider: Provider) -> Result<Vec<Listed>, TestError> {
        let (inner, (done, is_done)) = (self.0.clone(), oneshot::channel());
        let lane = Lane {
            id: u64::MAX - 1,
            most: 8,
        };
        let running = self.0.threads.start(lane, move |slot| {
            let _ = done.send(attempt::models(&inner, &provider, slot));
        });
        let found = is_done.await;
        drop(running);
        match found {
            Ok(Ok(listed)) => Ok(listed),
            Ok(Err(failed)) => Err(TestError {
                may_keep: !failed.not_public,
                error: failed.error,
            }),
            // Nothing was tried: whether the guard allows the address is not known.
            Err(_) => Err(TestError {
                may_keep: false,
                error: fault::busy(),
            }),
        }
    }

    /// What a test has found out of a provider that is among ours by now.
    pub fn teach(&self, owner: Option<&UserId>, id: &str, listed: Vec<Listed>) {
        let is_it = |entry: &&Arc<Entry>| {
            let provider = &entry.provider;
            entry.source == Source::Stored && provider.id == id && provider.owner.as_ref() == owner
        };
        if let Some(entry) = self.0.registry.all().iter().find(is_it) {
            entry.learn(Ok(listed));
        }
    }

    /// Calls under way, and calls that wait for their turn.
    pub fn counts(&self) -> (usize, usize) {
        self.0.threads.counts()
    }

    /// Asks a model again that is not asked because it failed, or all of a provider, or all there are when
    /// nothing is named. Says how many were held back.
    pub fn reset(&self, name: Option<&str>) -> usize {
        let (id, model) = match name.map(|name| name.split_once('/').unwrap_or((name, ""))) {
            Some((id, model)) => (Some(id), Some(model).filter(|model| !model.is_empty())),
            None => (None, None),
        };
        let all = self.0.registry.all();
        all.iter()
            .filter(|entry| id.is_none_or(|id| id == entry.provider.id))
            .map(|entry| entry.reset(model))
            .sum()
    }
}

impl Entry {
    fn lane(&self) -> Lane {
        Lane {
            id: self.lane,
            most: self.provider.bears(),
        }
    }
}

impl Inner {
    /// What a model takes: what the catalogue says, less what the model has refused.
    fn taste(&self, entry: &Entry, name: &str) -> Taste {
        let model = self.known.describe(&entry.provider, name, &entry.state());
        Taste {
            accepted: model.parameters,
            refused: entry.refused(name),
            structured: model.structured,
            thinking: model.thinking,
            efforts: model.efforts,
            context_window: model.context_window,
            max_output: model.max_output,
            body: entry.provider.extras.body_of(name),
        }
    }

    fn agent(&self, reach: Reach) -> &ureq::Agent {
        self.client.agent(&self.settings, reach)
    }
}
