//! The services of the [`App`]. Each is built from the parts of the app that it uses and has no access to the others.

use std::sync::Arc;

use super::App;
use super::accounts::Accounts;
use super::analyses::Analyses;
use super::archive::Archives;
use super::backups::Backups;
use super::cache::CacheService;
use super::completions::Completions;
use super::documents::DocumentService;
use super::embeddings::EmbeddingService;
use super::experiments::Experiments;
use super::fallbacks::Fallbacks;
use super::health::Health;
use super::idempotency::Idempotency;
use super::key_limits::KeyLimitService;
use super::mcp::McpService;
use super::meaning_search::SemanticSearch;
use super::models::ModelService;
use super::panel_vs_single::Comparisons;
use super::patterns::Patterns;
use super::projects::Projects;
use super::providers::{ProviderDiscovery, Providers};
use super::recipes::{RecipeEditor, Recipes};
use super::side_charges::SideCharges;
use super::threads::Threads;
use super::usage::UsageService;
use crate::domain::analysis::RunDeadlines;

impl App {
    /// Returns the service for accounts, sessions, and API keys.
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Returns the service for documents: upload, read, search, and delete.
    pub fn documents(&self) -> &DocumentService {
        &self.documents
    }

    /// Returns the service for usage and budgets.
    pub fn usage(&self) -> UsageService<'_> {
        UsageService {
            store: &self.store,
            engine: &self.engine,
            llm: &self.llm,
        }
    }

    /// Returns the service for patterns.
    pub fn patterns(&self) -> Patterns<'_> {
        Patterns {
            store: &self.store,
            installation: &self.patterns,
        }
    }

    /// Returns the service that lists and finds models, and resets circuit breakers.
    pub fn models(&self) -> ModelService<'_> {
        ModelService { llm: &self.llm }
    }

    /// Returns the service for fallback models.
    pub fn fallbacks(&self) -> Fallbacks<'_> {
        Fallbacks {
            store: &self.store,
            llm: &self.llm,
            chains: &self.fallbacks,
        }
    }

    /// Returns the service for providers added at run time.
    pub fn providers(&self) -> Providers<'_> {
        Providers {
            store: &self.store,
            llm: &self.llm,
            vault: &self.vault,
            open_addresses: self.config.allow_user_base_urls,
        }
    }

    /// Returns the service that keeps the LLM client's providers and model lists up to date.
    pub fn discovery(&self) -> ProviderDiscovery<'_> {
        ProviderDiscovery {
            providers: self.providers(),
            loaded_version: &self.providers_version,
            own_port: self.config.discover_local.then_some(self.config.port),
        }
    }

    /// Returns the service for API key limits.
    pub(super) fn key_limits(&self) -> KeyLimitService<'_> {
        KeyLimitService {
            store: &self.store,
            llm: &self.llm,
            reservations: &self.key_reservations,
            shared: self.engine.shared_reservations(),
        }
    }

    /// Returns the service for recipes.
    pub fn recipes(&self) -> Recipes<'_> {
        Recipes { store: &self.store }
    }

    /// Returns the service for analyses: start, follow, read, and stop.
    pub fn analyses(&self) -> Analyses<'_> {
        let limits = &self.config.limits;
        Analyses {
            store: &self.store,
            engine: &self.engine,
            llm: &self.llm,
            documents: &self.documents,
            patterns: self.patterns(),
            models: self.models(),
            fallbacks: self.fallbacks(),
            recipes: self.recipes(),
            usage: self.usage(),
            key_limits: self.key_limits(),
            semantic_search: self.meaning_search(),
            secret: &self.secret,
            deadlines: RunDeadlines {
                stage: limits.stage_timeout.as_secs() as u32,
                run: limits.run_timeout.as_secs() as u32,
            },
            compare_every: self.config.compare_every,
            evidence: self.config.evidence,
            allows_anonymous: self.allows_anonymous(),
        }
    }

    /// Returns the service for threads: list, search, change, delete, and share.
    pub fn threads(&self) -> Threads<'_> {
        Threads {
            store: &self.store,
            analyses: self.analyses(),
        }
    }

    /// Returns the service for projects.
    pub fn projects(&self) -> Projects<'_> {
        Projects { store: &self.store }
    }

    /// Returns the service that saves and changes recipes.
    pub fn recipe_editor(&self) -> RecipeEditor<'_> {
        RecipeEditor {
            recipes: self.recipes(),
            llm: &self.llm,
            patterns: self.patterns(),
            analyses: self.analyses(),
        }
    }

    /// Returns the service for blind comparisons between a panel and a single model.
    pub fn comparisons(&self) -> Comparisons<'_> {
        Comparisons {
            store: &self.store,
            analyses: self.analyses(),
            compare_every: self.config.compare_every,
        }
    }

    /// Returns the service for archives: export and import.
    pub fn archives(&self) -> Archives<'_> {
        Archives {
            store: &self.store,
            documents: &self.documents,
            data_dir: &self.config.data_dir,
            max_upload: self.config.limits.max_upload,
            imports: &self.imports,
        }
    }

    /// Returns the service for backups.
    pub fn backups(&self) -> Backups<'_> {
        Backups {
            store: &self.store,
            config: self.config.backups.as_ref(),
            status: &self.backups,
            data_dir: &self.config.data_dir,
            replica: self.replica.as_ref(),
        }
    }

    /// Returns the service for health checks.
    pub fn health(&self) -> Health<'_> {
        let config = &self.config;
        Health {
            store: &self.store,
            engine: &self.engine,
            llm: &self.llm,
            replica: self.replica.as_ref(),
            data_dir: &config.data_dir,
            has_models: !config.providers.is_empty() || config.use_mock != Some(false),
        }
    }

    /// Returns the service for idempotency keys.
    pub fn idempotency(&self) -> Idempotency<'_> {
        Idempotency {
            store: &self.store,
            keys: &self.idempotency_keys,
        }
    }

    /// Returns the service for experiments, which find the best configuration.
    pub fn experiments(self: &Arc<Self>) -> Experiments<'_> {
        Experiments(self)
    }

    /// Returns the service for the answer cache.
    pub fn cache(&self) -> CacheService<'_> {
        CacheService {
            store: &self.store,
            engine: &self.engine,
            analyses: self.analyses(),
        }
    }

    /// Returns the service for the compatible APIs.
    pub fn completions(&self) -> Completions<'_> {
        Completions {
            llm: &self.llm,
            models: self.models(),
            patterns: self.patterns(),
            recipes: self.recipes(),
            key_limits: self.key_limits(),
            analyses: self.analyses(),
        }
    }

    /// Returns the service for embeddings.
    pub fn embeddings(&self) -> EmbeddingService<'_> {
        EmbeddingService {
            llm: &self.llm,
            charges: SideCharges {
                store: &self.store,
                engine: &self.engine,
                key_limits: self.key_limits(),
            },
        }
    }

    /// Returns the service for semantic search.
    pub fn meaning_search(&self) -> SemanticSearch<'_> {
        SemanticSearch {
            store: &self.store,
            llm: &self.llm,
            documents: &self.documents,
            embeddings: self.embeddings(),
            state: &self.embedder,
        }
    }

    /// Returns the service for the Model Context Protocol server.
    pub fn mcp(&self) -> McpService<'_> {
        McpService {
            analyses: self.analyses(),
            patterns: self.patterns(),
            semantic_search: self.meaning_search(),
        }
    }
}
