//! Calls to models: one task per call, over reusable HTTP/1 connections. The offline demo models have the same
//! interface. This folder knows nothing about panels, stores, or callers.

mod address_guard;
mod admission;
mod attempt;
mod blocking_client;
mod breaker;
mod call;
mod call_origin;
mod call_queue;
mod call_request;
mod cancel_slot;
mod catalog;
mod connection;
mod connection_pool;
mod connector;
mod deadline_timer;
pub mod demo;
mod discover;
mod embed;
mod event_sink;
mod exchange;
mod model_list;
mod name_resolver;
mod output_estimate;
mod plain_body;
mod provider;
mod provider_client;
mod provider_socket;
mod proxy_tunnel;
mod rate_limit_headers;
mod recent_failures;
mod registry;
mod remote;
mod response_reader;
mod retry;
mod shared_blocks;
mod shared_provider;
mod transport_error;
mod usage_meter;
mod web_file;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::clock;
use crate::domain::catalog::CatalogSheet;
use crate::domain::chat::{Answer, CallBill, CallError, Delta, ModelRequest};
use crate::domain::id::UserId;
use crate::domain::network::Network;
use crate::shared_limits::SharedLimits;
use crate::wire::{ListedModel, ModelCapabilities};
pub use breaker::CircuitView;
use call::PreparedCall;
pub use call::RunningCall;
use call_origin::CallOrigin;
use call_queue::{CallQueue, CallRefused, ProviderLimiter};
use catalog::LazyCatalog;
pub use discover::find_local;
use event_sink::EventSink;
pub use model_list::{ProviderStatus, RetiredModel};
pub use provider::{Provider, WellKnown, is_local, known_base_url, known_kind, known_providers};
use provider_client::ProviderClient;
pub use registry::{LastFailure, ProviderSource};
use registry::{ProviderRegistry, RegisteredProvider};
pub use remote::{Remote, RemoteError};
use shared_provider::ProviderPermit;
pub use web_file::open_web_file;

/// The user agent, with Quire's name and version.
const USER_AGENT: &str = concat!("quire/", env!("CARGO_PKG_VERSION"));

/// Limits, timeouts, and providers of an [`Llm`].
#[derive(Clone)]
pub struct LlmSettings {
    /// Configured providers, in order of preference.
    pub providers: Vec<Provider>,
    /// Whether the demo models are offered.
    pub demo: bool,
    /// The administrator's overrides of the model catalog.
    pub models: CatalogSheet,
    /// Maximum number of concurrent calls; further calls are queued.
    pub max_calls: usize,
    /// Timeout for opening a connection, including name resolution.
    pub connect: Duration,
    /// Timeout for the first piece of an answer. It is long, because a model that does not stream its reasoning sends
    /// nothing until it has finished reasoning.
    pub first_token: Duration,
    /// Timeout between the pieces of an answer.
    pub idle_timeout: Duration,
    /// Maximum number of retries after temporary failures. Once part of the answer has been sent, there are no retries.
    pub retries: u32,
    /// Maximum pause before the first retry. The pause itself is random, and its maximum doubles with each further
    /// retry.
    pub retry_pause: Duration,
    /// Private networks in which providers may be.
    pub allowed_networks: Vec<Network>,
    /// PEM text of certificate authorities that replace the built-in ones.
    pub authorities: Option<String>,
    /// Pause between the words of a demo model's answer, just long enough that the answer visibly streams. Zero for no
    /// pause.
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
            idle_timeout: Duration::from_secs(90),
            retries: 2,
            retry_pause: Duration::from_secs(1),
            allowed_networks: Vec::new(),
            authorities: None,
            demo_pause: Duration::from_millis(4),
        }
    }
}

/// An event of a running call. The last event is always `Finished`. The contents are boxed, because a channel allocates
/// space for 32 events at a time.
#[derive(Debug, Clone, PartialEq)]
pub enum CallEvent {
    /// A piece of the answer.
    Delta(Delta),
    /// The end of the call.
    Finished {
        /// The complete answer, or why the call failed.
        result: Box<Result<Answer, CallError>>,
        /// The call's usage and latency.
        bill: Box<CallBill>,
    },
}

/// A failed test of a provider.
#[derive(Debug, Clone, PartialEq)]
pub struct TestError {
    /// Why the test failed.
    pub error: CallError,
    /// Whether the provider may be saved despite the failed test. False if its address is not allowed.
    pub may_keep: bool,
}

/// Makes calls to models. Cheap to clone.
#[derive(Clone)]
pub struct Llm(Arc<LlmInner>);

pub(crate) struct LlmInner {
    settings: LlmSettings,
    client: ProviderClient,
    queue: CallQueue,
    registry: ProviderRegistry,
    limits: SharedLimits,
    catalog: LazyCatalog,
}

impl Llm {
    /// Creates an instance for a single server. Opens no connections.
    pub fn new(settings: LlmSettings) -> Self {
        Self::with_limits(settings, SharedLimits::default())
    }

    /// Creates an instance that shares `limits` with other servers. Opens no connections.
    pub fn with_limits(settings: LlmSettings, limits: SharedLimits) -> Self {
        let registry = ProviderRegistry::new(limits.clone());
        registry.replace(ProviderSource::Configured, settings.providers.clone());
        let catalog = LazyCatalog::new(settings.models.clone());
        Self(Arc::new(LlmInner {
            client: ProviderClient::new(&settings),
            queue: CallQueue::new(settings.max_calls),
            settings,
            registry,
            limits,
            catalog,
        }))
    }

    /// Replaces all providers from this source. Calls in progress are not affected.
    pub fn set_providers(&self, source: ProviderSource, providers: Vec<Provider>) {
        self.0.registry.replace(source, providers);
    }

    /// Starts or queues a call for a user. Its events are sent to `events`, each with `key`. Dropping the returned
    /// handle cancels the call, which still sends `Finished`. Must be called on the async runtime.
    pub fn start(
        &self,
        key: u64,
        user: Option<&UserId>,
        request: ModelRequest,
        events: mpsc::Sender<(u64, CallEvent)>,
    ) -> RunningCall {
        let entry = self.0.registry.resolve(user, &request.model);
        let texts = request.messages.iter().map(|message| &message.text);
        let call = PreparedCall {
            origin: CallOrigin::new(user, texts.collect::<Vec<_>>()),
            entry: entry.map(|(entry, name)| (entry, name.to_owned())),
            request: Arc::new(request),
        };
        call::start(self.0.clone(), call, EventSink::new(key, events))
    }

    /// Fetches the model lists of all providers concurrently.
    pub async fn refresh(&self) {
        self.fetch_model_lists(self.0.registry.all_providers())
            .await;
    }

    /// Fetches the model lists of providers added since the last refresh.
    pub async fn refresh_new_providers(&self) {
        let mut new = self.0.registry.all_providers();
        new.retain(|entry| entry.lock_state().checked_at.is_none());
        self.fetch_model_lists(new).await;
    }

    async fn fetch_model_lists(&self, entries: Vec<Arc<RegisteredProvider>>) {
        let mut list_calls = JoinSet::new();
        for entry in entries {
            let inner = self.0.clone();
            list_calls.spawn(async move {
                if let Ok(_permit) = inner.admit(&entry, None).await {
                    let listing = attempt::list_models(&inner, &entry.provider).await;
                    entry.record_model_list(listing.map_err(|failed| failed.error));
                }
            });
        }
        while list_calls.join_next().await.is_some() {}
    }

    /// Tests a provider, which need not be registered, and returns its model list.
    ///
    /// # Errors
    ///
    /// Returns an error if the provider cannot be reached or rejects the request, or if the queue is full.
    pub async fn test(&self, provider: Provider) -> Result<Vec<ListedModel>, TestError> {
        let limiter = ProviderLimiter {
            id: u64::MAX - 1,
            max_concurrent: 8,
        };
        // No connection was attempted, so it is unknown whether the guard allows the address.
        let _permit = self.0.queue.admit(limiter).await.map_err(|_| TestError {
            may_keep: false,
            error: transport_error::queue_full(),
        })?;
        let listing = attempt::list_models(&self.0, &provider).await;
        listing.map_err(|failed| TestError {
            may_keep: !failed.is_not_public,
            error: failed.error,
        })
    }

    /// Stores the model list that a test returned, after the provider has been registered.
    pub fn set_listed_models(&self, owner: Option<&UserId>, id: &str, listed: Vec<ListedModel>) {
        let is_target = |entry: &&Arc<RegisteredProvider>| {
            let provider = &entry.provider;
            entry.source == ProviderSource::Stored
                && provider.id == id
                && provider.owner.as_ref() == owner
        };
        if let Some(entry) = self.0.registry.all_providers().iter().find(is_target) {
            entry.record_model_list(Ok(listed));
        }
    }

    /// Closes connections to providers that have been idle for too long.
    pub fn close_idle_connections(&self) {
        self.0.client.close_idle();
    }

    /// Applies this server's current share of each provider's limit. The share depends on the number of servers.
    pub fn apply_share(&self) {
        self.0.queue.divide_among_servers(self.0.limits.divisor());
    }

    /// Returns the limits that this server shares with others.
    pub fn limits(&self) -> &SharedLimits {
        &self.0.limits
    }

    /// Returns the number of running calls and the number of queued calls.
    pub fn running_and_waiting(&self) -> (usize, usize) {
        self.0.queue.running_and_waiting()
    }

    /// Resets the circuit breakers and rate limits of a model or a provider, or all of them if `name` is `None`.
    /// Returns the number of models for which there was anything to reset.
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
    /// Waits until a call to a provider may run. Also records the blocks that other servers have reported for the
    /// call's model.
    ///
    /// # Errors
    ///
    /// Returns an error if the queue is full.
    async fn admit(
        &self,
        entry: &RegisteredProvider,
        call: Option<(&str, CallOrigin)>,
    ) -> Result<ProviderPermit, CallRefused> {
        let admitted = entry.shared.admit(&self.queue, entry.limiter(), call);
        let (permit, times) = admitted.await?;
        if let Some(call) = call.filter(|_| self.limits.is_configured()) {
            entry.record_shared_blocks(call, times, clock::monotonic_now());
        }
        Ok(permit)
    }

    /// Returns a model's capabilities according to the catalog, with the fields that the model has rejected.
    fn capabilities(&self, entry: &RegisteredProvider, name: &str) -> ModelCapabilities {
        let model = self
            .catalog
            .describe(&entry.provider, name, &entry.lock_state());
        ModelCapabilities {
            accepted_parameters: model.parameters,
            refused_fields: entry.refused_fields(name),
            structured: model.structured,
            thinking: model.thinking,
            efforts: model.efforts,
            context_window: model.context_window,
            max_output: model.max_output,
            body_fields: entry.provider.extras.body_fields_for(name),
        }
    }
}
