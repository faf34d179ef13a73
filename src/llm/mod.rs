//! Calls to models: one blocking call per thread, and the offline demo models with the same interface. Knows nothing
//! of panels, stores, or callers.

mod address_guard;
mod attempt;
mod breaker;
mod call;
mod call_queue;
mod call_request;
mod cancel_slot;
mod catalog;
mod connection;
pub mod demo;
mod discover;
mod embed;
mod event_sink;
mod exchange;
mod model_list;
mod name_resolver;
mod output_estimate;
mod provider;
mod rate_limit_headers;
mod recent_failures;
mod registry;
mod remote;
mod response_reader;
mod retry;
mod transport;
mod transport_error;
mod usage_meter;
mod web_file;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::clock;
use crate::domain::catalog::CatalogSheet;
use crate::domain::chat::{Answer, CallBill, CallError, Delta, ModelRequest};
use crate::domain::id::UserId;
use crate::domain::network::{AddressReach, Network};
use crate::wire::{ListedModel, ModelCapabilities};
pub use breaker::CircuitView;
pub use call_queue::RunningCall;
use call_queue::{CallRefused, CallThreads, ProviderLimiter};
use call_request::CallRequest;
use catalog::LazyCatalog;
pub use discover::find_local;
use event_sink::EventSink;
pub use model_list::{ProviderStatus, Retired};
pub use provider::{Provider, WellKnown, is_local, known_base_url, known_kind, known_providers};
use registry::{CallOrigin, ProviderRegistry, RegisteredProvider};
pub use registry::{LastFailure, ProviderSource};
pub use remote::{Remote, RemoteError};
use transport::HttpClients;
pub use web_file::open_web_file;

/// Settings: limits, timeouts, and providers.
#[derive(Clone)]
pub struct LlmSettings {
    /// Configured providers, in order of preference.
    pub providers: Vec<Provider>,
    /// Whether the local demo algorithms are offered.
    pub demo: bool,
    /// The administrator's entries for the model catalog.
    pub models: CatalogSheet,
    /// Maximum number of concurrent calls; further calls wait.
    pub max_calls: usize,
    /// Timeout for opening a connection, including name resolution.
    pub connect: Duration,
    /// Timeout for the first piece of an answer. Long, because a model that does not stream its reasoning sends
    /// nothing until it has finished.
    pub first_token: Duration,
    /// Timeout between two pieces of an answer.
    pub idle: Duration,
    /// Maximum number of retries after a temporary failure, as long as no part of the answer was sent.
    pub retries: u32,
    /// Maximum pause before the first retry; doubles for each further one (with jitter).
    pub retry_pause: Duration,
    /// Private networks that providers may be in.
    pub allowed: Vec<Network>,
    /// PEM text of certificate authorities that replace the built-in ones.
    pub authorities: Option<String>,
    /// Pause between two words of a demo model: short, but visibly a stream. Zero: no pauses.
    pub demo_pause: Duration,
}

impl Default for LlmSettings {
    fn default() -> Self {
        Self {
            providers: Vec::new(),
            demo: true,
            models: CatalogSheet::default(),
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

/// An event of a running call. `Finished` is always sent exactly once, last. Its contents are boxed because a channel
/// allocates room for 32 events at a time.
#[derive(Debug, Clone, PartialEq)]
pub enum CallEvent {
    /// A piece of the answer.
    Delta(Delta),
    /// The end of the call.
    Finished {
        /// The answer or the error.
        result: Box<Result<Answer, CallError>>,
        /// Usage and latency.
        bill: Box<CallBill>,
    },
}

/// A failed test of a provider.
#[derive(Debug, Clone, PartialEq)]
pub struct TestError {
    /// Why the test failed.
    pub error: CallError,
    /// Whether the provider may be saved anyway; false if its address is not allowed.
    pub may_keep: bool,
}

/// Entry point for calls to models. Cheap to clone.
#[derive(Clone)]
pub struct Llm(Arc<LlmInner>);

pub(crate) struct LlmInner {
    settings: LlmSettings,
    client: HttpClients,
    threads: CallThreads,
    registry: ProviderRegistry,
    catalog: LazyCatalog,
}

/// Maximum number of concurrent calls to demo models, which are fast.
const DEMO_LIMITER: ProviderLimiter = ProviderLimiter {
    id: u64::MAX,
    max_concurrent: usize::MAX,
};

impl Llm {
    /// Creates the entry point; opens no connection.
    pub fn new(settings: LlmSettings) -> Self {
        let registry = ProviderRegistry::default();
        registry.replace(ProviderSource::Configured, settings.providers.clone());
        let threads = CallThreads::new(settings.max_calls);
        let known = LazyCatalog::new(settings.models.clone());
        Self(Arc::new(LlmInner {
            settings,
            client: HttpClients::default(),
            threads,
            registry,
            catalog: known,
        }))
    }

    /// Replaces all providers from this source while the program runs. Calls in progress are not affected.
    pub fn set_providers(&self, source: ProviderSource, providers: Vec<Provider>) {
        self.0.registry.replace(source, providers);
    }

    /// Starts a call for a user, or queues it. Dropping the returned handle cancels it; `Finished` is still sent.
    pub fn start(
        &self,
        key: u64,
        user: Option<&UserId>,
        request: ModelRequest,
        tell: mpsc::Sender<(u64, CallEvent)>,
    ) -> RunningCall {
        let inner = self.0.clone();
        let asked = clock::instant();
        let outlet = EventSink::new(key, tell);
        let spare = outlet.clone();
        let entry = self.0.registry.resolve(user, &request.model);
        let entry = entry.map(|(entry, name)| (entry, name.to_owned()));
        let lane = entry
            .as_ref()
            .map_or(DEMO_LIMITER, |(entry, _)| entry.limiter());
        let texts = request.messages.iter().map(|message| &message.text);
        let origin = CallOrigin::new(user, texts.collect::<Vec<_>>());
        let started = self.0.threads.start(lane, move |slot| {
            let mut send = |delta| outlet.send(delta, slot);
            let wanted = CallRequest {
                request: &request,
                queued_at: asked,
                origin,
                entry: entry.as_ref().map(|(entry, name)| (&**entry, &**name)),
            };
            let mut bill = CallBill::default();
            let result = call::run(&inner, &wanted, slot, &mut send, &mut bill);
            outlet.finish(result, bill);
        });
        started.unwrap_or_else(|CallRefused| {
            spare.refuse();
            RunningCall::already_ended()
        })
    }

    /// Requests the model list of every provider, all at once.
    pub async fn refresh(&self) {
        self.fetch_model_lists(self.0.registry.all_providers())
            .await;
    }

    /// Requests the model lists of providers added since the last refresh.
    pub async fn refresh_new(&self) {
        let mut new = self.0.registry.all_providers();
        new.retain(|entry| entry.state().checked.is_none());
        self.fetch_model_lists(new).await;
    }

    async fn fetch_model_lists(&self, entries: Vec<Arc<RegisteredProvider>>) {
        let mut asked = Vec::new();
        for entry in entries {
            let (inner, (done, is_done)) = (self.0.clone(), oneshot::channel());
            let running = self.0.threads.start(entry.limiter(), move |slot| {
                let found = attempt::list_models(&inner, &entry.provider, slot);
                if !slot.is_cancelled() {
                    entry.record_model_list(found.map_err(|failed| failed.error));
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

    /// Requests the model list of a provider, which need not be registered.
    ///
    /// # Errors
    ///
    /// When the provider cannot be reached or refuses, or too many calls wait.
    pub async fn test(&self, provider: Provider) -> Result<Vec<ListedModel>, TestError> {
        let (inner, (done, is_done)) = (self.0.clone(), oneshot::channel());
        let lane = ProviderLimiter {
            id: u64::MAX - 1,
            max_concurrent: 8,
        };
        let running = self.0.threads.start(lane, move |slot| {
            let _ = done.send(attempt::list_models(&inner, &provider, slot));
        });
        let found = is_done.await;
        drop(running);
        match found {
            Ok(Ok(listed)) => Ok(listed),
            Ok(Err(failed)) => Err(TestError {
                may_keep: !failed.is_not_public,
                error: failed.error,
            }),
            // No connection was tried, so it is unknown whether the guard allows the address.
            Err(_) => Err(TestError {
                may_keep: false,
                error: transport_error::queue_full(),
            }),
        }
    }

    /// Stores the result of a test, now that the provider is registered.
    pub fn set_listed_models(&self, owner: Option<&UserId>, id: &str, listed: Vec<ListedModel>) {
        let is_it = |entry: &&Arc<RegisteredProvider>| {
            let provider = &entry.provider;
            entry.source == ProviderSource::Stored
                && provider.id == id
                && provider.owner.as_ref() == owner
        };
        if let Some(entry) = self.0.registry.all_providers().iter().find(is_it) {
            entry.record_model_list(Ok(listed));
        }
    }

    /// Closes connections to providers that have been unused for a while.
    pub fn close_idle_connections(&self) {
        self.0.client.close_idle();
    }

    /// Number of running calls and of waiting calls.
    pub fn running_and_waiting(&self) -> (usize, usize) {
        self.0.threads.running_and_waiting()
    }

    /// Resets circuits and rate limits of a model, of a provider, or of all if no name is given. Returns the number
    /// of models that were held back.
    pub fn reset(&self, name: Option<&str>) -> usize {
        let (id, model) = match name.map(|name| name.split_once('/').unwrap_or((name, ""))) {
            Some((id, model)) => (Some(id), Some(model).filter(|model| !model.is_empty())),
            None => (None, None),
        };
        let all = self.0.registry.all_providers();
        all.iter()
            .filter(|entry| id.is_none_or(|id| id == entry.provider.id))
            .map(|entry| entry.reset(model))
            .sum()
    }
}

impl RegisteredProvider {
    fn limiter(&self) -> ProviderLimiter {
        ProviderLimiter {
            id: self.limiter_id,
            max_concurrent: self.provider.max_concurrency(),
        }
    }
}

impl LlmInner {
    /// A model's capabilities: the catalog's, without those that the model has refused.
    fn capabilities(&self, entry: &RegisteredProvider, name: &str) -> ModelCapabilities {
        let model = self.catalog.describe(&entry.provider, name, &entry.state());
        ModelCapabilities {
            accepted: model.parameters,
            refused: entry.refused_fields(name),
            structured: model.structured,
            thinking: model.thinking,
            efforts: model.efforts,
            context_window: model.context_window,
            max_output: model.max_output,
            body: entry.provider.extras.body_fields_for(name),
        }
    }

    fn agent(&self, reach: AddressReach) -> ureq::Agent {
        self.client.agent(&self.settings, reach)
    }
}
