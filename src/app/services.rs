//! The services: each is built from the parts of the [`App`] that it uses, and knows nothing else about it.

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
use super::mcp::Mcp;
use super::meaning_search::MeaningSearch;
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
    /// Accounts, sessions, and API keys.
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Documents: upload, read, search, and delete.
    pub fn documents(&self) -> &DocumentService {
        &self.documents
    }

    /// Usage and budgets.
    pub fn usage(&self) -> UsageService<'_> {
        UsageService {
            store: &self.store,
            engine: &self.engine,
            llm: &self.llm,
        }
    }

    /// Patterns.
    pub fn patterns(&self) -> Patterns<'_> {
        Patterns {
            store: &self.store,
            installation: &self.patterns,
        }
    }

    /// Models.
    pub fn models(&self) -> ModelService<'_> {
        ModelService { llm: &self.llm }
    }

    /// Fallback models.
    pub fn fallbacks(&self) -> Fallbacks<'_> {
        Fallbacks {
            store: &self.store,
            llm: &self.llm,
            chains: &self.fallbacks,
        }
    }

    /// Providers added at run time.
    pub fn providers(&self) -> Providers<'_> {
        Providers {
            store: &self.store,
            llm: &self.llm,
            vault: &self.vault,
            open_addresses: self.config.allow_user_base_urls,
        }
    }

    /// Keeps the LLM client's providers and model lists up to date.
    pub fn discovery(&self) -> ProviderDiscovery<'_> {
        ProviderDiscovery {
            providers: self.providers(),
            loaded_version: &self.providers_version,
            own_port: self.config.discover_local.then_some(self.config.port),
        }
    }

    /// The limits of API keys.
    pub(super) fn key_limits(&self) -> KeyLimitService<'_> {
        KeyLimitService {
            store: &self.store,
            llm: &self.llm,
            reservations: &self.key_reservations,
            shared: self.engine.shared_reservations(),
        }
    }

    /// Recipes.
    pub fn recipes(&self) -> Recipes<'_> {
        Recipes { store: &self.store }
    }

    /// Analyses: start, follow, read, and stop.
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
            meaning: self.meaning_search(),
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

    /// Threads: list, search, change, delete, and share.
    pub fn threads(&self) -> Threads<'_> {
        Threads {
            store: &self.store,
            analyses: self.analyses(),
        }
    }

    /// Projects.
    pub fn projects(&self) -> Projects<'_> {
        Projects { store: &self.store }
    }

    /// Saves recipes.
    pub fn recipe_editor(&self) -> RecipeEditor<'_> {
        RecipeEditor {
            recipes: self.recipes(),
            llm: &self.llm,
            patterns: self.patterns(),
            analyses: self.analyses(),
        }
    }

    /// Panel versus single model: blind comparisons.
    pub fn comparisons(&self) -> Comparisons<'_> {
        Comparisons {
            store: &self.store,
            analyses: self.analyses(),
            compare_every: self.config.compare_every,
        }
    }

    /// Archives: export and import.
    pub fn archives(&self) -> Archives<'_> {
        Archives {
            store: &self.store,
            documents: &self.documents,
            data_dir: &self.config.data_dir,
            max_upload: self.config.limits.max_upload,
            imports: &self.imports,
        }
    }

    /// Backups.
    pub fn backups(&self) -> Backups<'_> {
        Backups {
            store: &self.store,
            config: self.config.backups.as_ref(),
            status: &self.backups,
            data_dir: &self.config.data_dir,
            replica: self.replica.as_ref(),
        }
    }

    /// Program health.
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

    /// Idempotency keys.
    pub fn idempotency(&self) -> Idempotency<'_> {
        Idempotency {
            store: &self.store,
            keys: &self.idempotency_keys,
        }
    }

    /// Experiments: finding the best configuration.
    pub fn experiments(self: &Arc<Self>) -> Experiments<'_> {
        Experiments(self)
    }

    /// The answer cache.
    pub fn cache(&self) -> CacheService<'_> {
        CacheService {
            store: &self.store,
            engine: &self.engine,
            analyses: self.analyses(),
        }
    }

    /// The compatible APIs.
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

    /// Embeddings.
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

    /// Search by meaning.
    pub fn meaning_search(&self) -> MeaningSearch<'_> {
        MeaningSearch {
            store: &self.store,
            llm: &self.llm,
            documents: &self.documents,
            embeddings: self.embeddings(),
            state: &self.embedder,
        }
    }

    /// The Model Context Protocol server.
    pub fn mcp(&self) -> Mcp<'_> {
        Mcp {
            analyses: self.analyses(),
            patterns: self.patterns(),
            meaning: self.meaning_search(),
        }
    }
}
