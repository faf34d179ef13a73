//! The table of well-known providers, and the configuration of a provider.

use std::collections::BTreeMap;

use super::transport_error;
use crate::domain::chat::CallError;
use crate::domain::id::UserId;
use crate::domain::model::Availability;
use crate::domain::money::Price;
use crate::domain::network::AddressScope;
use crate::domain::provider::RequestExtras;
use crate::wire::ApiFormat;
use crate::wire::openai::{PLAIN_QUIRKS, ProviderQuirks};

/// The configuration of a provider. It does not implement `Debug`, because it contains a key.
#[derive(Clone, PartialEq, Default)]
pub struct Provider {
    /// The provider's ID: the first part of its models' IDs.
    pub id: String,
    /// The API format. If absent, the format of the well-known provider with this ID, or otherwise OpenAI's.
    pub kind: Option<ApiFormat>,
    /// The base URL. If absent, the URL of the well-known provider with this ID.
    pub base_url: Option<String>,
    /// The API key; `None` if there is none.
    pub api_key: Option<String>,
    /// The configured models; `None` if any model name is accepted.
    pub models: Option<Vec<String>>,
    /// Maximum number of concurrent calls; `None` for the default.
    pub concurrency: Option<usize>,
    /// Price of all of the provider's models, if the operator has set one. It overrides the prices in the provider's
    /// own list, but not the operator's entry for a single model.
    pub price: Option<Price>,
    /// The only user who may call the provider; `None` for everyone.
    pub owner: Option<UserId>,
    /// Addresses to which Quire may connect for this provider. Only providers that the operator or an administrator has
    /// added may be in a private network.
    pub reach: AddressScope,
    /// Headers and body fields that the settings add to every request to the provider.
    pub extras: RequestExtras,
    /// Whether the stored key can no longer be read. Such a provider is never called, because a call without the key
    /// could be charged to another account.
    pub is_key_lost: bool,
}

/// The header in which a key is sent. A key is never part of the URL, because URLs end up in logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyHeader {
    Bearer,
    Header(&'static str),
}

struct ProviderRow {
    id: &'static str,
    base_url: &'static str,
    kind: ApiFormat,
    auth: KeyHeader,
    needs_key: bool,
    /// Whether the provider runs on a user's own machine, processes one or two requests at a time, and is free of
    /// charge.
    is_local: bool,
    quirks: ProviderQuirks,
}

/// Creates the table row of a vendor that offers the chat completions API and requires a key.
const fn vendor(id: &'static str, base_url: &'static str, quirks: ProviderQuirks) -> ProviderRow {
    ProviderRow {
        id,
        base_url,
        kind: ApiFormat::OpenAi,
        auth: KeyHeader::Bearer,
        needs_key: true,
        is_local: false,
        quirks,
    }
}

const fn local(id: &'static str, base_url: &'static str, kind: ApiFormat) -> ProviderRow {
    ProviderRow {
        kind,
        needs_key: false,
        is_local: true,
        ..vendor(
            id,
            base_url,
            ProviderQuirks {
                top_k: true,
                strict_turns: true,
                ..PLAIN_QUIRKS
            },
        )
    }
}

/// Well-known providers with their quirks.
const KNOWN_PROVIDERS: &[ProviderRow] = &[
    vendor(
        "openai",
        "https://api.openai.com/v1",
        ProviderQuirks {
            max_completion_tokens: true,
            developer: true,
            ..PLAIN_QUIRKS
        },
    ),
    ProviderRow {
        kind: ApiFormat::Anthropic,
        auth: KeyHeader::Header("x-api-key"),
        ..vendor("anthropic", "https://api.anthropic.com/v1", PLAIN_QUIRKS)
    },
    ProviderRow {
        kind: ApiFormat::Gemini,
        auth: KeyHeader::Header("x-goog-api-key"),
        ..vendor(
            "google",
            "https://generativelanguage.googleapis.com/v1beta",
            PLAIN_QUIRKS,
        )
    },
    vendor(
        "deepseek",
        "https://api.deepseek.com/v1",
        ProviderQuirks {
            strict_turns: true,
            ..PLAIN_QUIRKS
        },
    ),
    vendor(
        "openrouter",
        "https://openrouter.ai/api/v1",
        ProviderQuirks {
            top_k: true,
            reasoning_object: true,
            ..PLAIN_QUIRKS
        },
    ),
    // Mistral rejects unknown fields.
    vendor(
        "mistral",
        "https://api.mistral.ai/v1",
        ProviderQuirks {
            stream_options: false,
            random_seed: true,
            ..PLAIN_QUIRKS
        },
    ),
    vendor("groq", "https://api.groq.com/openai/v1", PLAIN_QUIRKS),
    vendor("xai", "https://api.x.ai/v1", PLAIN_QUIRKS),
    vendor(
        "together",
        "https://api.together.xyz/v1",
        ProviderQuirks {
            top_k: true,
            ..PLAIN_QUIRKS
        },
    ),
    // Every customer has a separate URL: https://NAME.openai.azure.com/openai/v1
    ProviderRow {
        auth: KeyHeader::Header("api-key"),
        ..vendor(
            "azure",
            "",
            ProviderQuirks {
                stream_options: false,
                max_completion_tokens: true,
                ..PLAIN_QUIRKS
            },
        )
    },
    local("ollama", "http://127.0.0.1:11434", ApiFormat::Ollama),
    local("lmstudio", "http://127.0.0.1:1234/v1", ApiFormat::OpenAi),
    local("llamacpp", "http://127.0.0.1:8080/v1", ApiFormat::OpenAi),
    local("vllm", "http://127.0.0.1:8000/v1", ApiFormat::OpenAi),
];

/// Properties of a well-known provider, as shown in selection lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WellKnown {
    /// The provider's ID.
    pub name: &'static str,
    /// The API format that the provider expects.
    pub kind: ApiFormat,
    /// The base URL; `None` if each customer has a different one.
    pub base_url: Option<&'static str>,
    /// Whether the provider requires a key.
    pub needs_key: bool,
    /// Whether the provider runs on the user's own machine.
    pub is_local: bool,
}

/// Returns all well-known providers.
pub fn known_providers() -> impl Iterator<Item = WellKnown> {
    KNOWN_PROVIDERS.iter().map(|row| WellKnown {
        name: row.id,
        kind: row.kind,
        base_url: Some(row.base_url).filter(|url| !url.is_empty()),
        needs_key: row.needs_key,
        is_local: row.is_local,
    })
}

fn known_row(id: &str) -> Option<&'static ProviderRow> {
    KNOWN_PROVIDERS.iter().find(|row| row.id == id)
}

/// Returns the base URL of a well-known provider. Returns `None` if each customer has a different one.
pub fn known_base_url(id: &str) -> Option<&'static str> {
    known_row(id)
        .map(|row| row.base_url)
        .filter(|url| !url.is_empty())
}

/// Returns whether a well-known provider runs on a user's own machine and is free of charge.
pub fn is_local(id: &str) -> bool {
    known_row(id).is_some_and(|row| row.is_local)
}

/// Returns the API format of a well-known provider.
pub fn known_kind(id: &str) -> Option<ApiFormat> {
    known_row(id).map(|row| row.kind)
}

impl Provider {
    pub(super) fn effective_base_url(&self) -> &str {
        let base = self
            .base_url
            .as_deref()
            .or_else(|| known_base_url(&self.id));
        base.unwrap_or_default().trim_end_matches('/')
    }

    /// Returns the API format in use. Ollama's native format is replaced with OpenAI's if the base URL ends with `/v1`.
    pub(super) fn api_format(&self) -> ApiFormat {
        let default_format = known_row(&self.id).map_or(ApiFormat::OpenAi, |row| row.kind);
        match self.kind.unwrap_or(default_format) {
            ApiFormat::Ollama if self.effective_base_url().ends_with("/v1") => ApiFormat::OpenAi,
            kind => kind,
        }
    }

    pub(super) fn url(&self, path: &str) -> String {
        // An Azure URL may contain a version in its query string.
        match self.effective_base_url().split_once('?') {
            Some((base, query)) => {
                let separator = if path.contains('?') { '&' } else { '?' };
                format!("{}/{path}{separator}{query}", base.trim_end_matches('/'))
            }
            None => format!("{}/{path}", self.effective_base_url()),
        }
    }

    /// Returns the headers of requests for a model, or of requests to the provider itself if `model` is empty: those
    /// that the API format requires, the header with the key, and those from the settings, which take precedence.
    ///
    /// # Errors
    ///
    /// Returns `CallErrorKind::Auth` if the key cannot be read.
    pub(super) fn headers(&self, model: &str) -> Result<BTreeMap<String, String>, CallError> {
        if self.is_key_lost {
            return Err(transport_error::key_lost_error(&self.id));
        }
        let api_format = self.api_format();
        let fixed = api_format.headers().iter();
        let mut headers: BTreeMap<String, String> = fixed
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        if self.id == "openrouter" && self.is_vendor_host() {
            headers.insert("x-title".to_owned(), "Quire".to_owned());
        }
        if let Some(key) = &self.api_key {
            let (name, value) = match self.auth(api_format) {
                KeyHeader::Bearer => ("authorization", format!("Bearer {key}")),
                KeyHeader::Header(name) => (name, key.clone()),
            };
            headers.insert(name.to_owned(), value);
        }
        headers.extend(self.extras.headers_for(model));
        Ok(headers)
    }

    fn auth(&self, api_format: ApiFormat) -> KeyHeader {
        match (api_format, known_row(&self.id)) {
            (ApiFormat::Anthropic, _) => KeyHeader::Header("x-api-key"),
            (ApiFormat::Gemini, _) => KeyHeader::Header("x-goog-api-key"),
            (_, Some(row)) if row.kind == api_format => row.auth,
            _ => KeyHeader::Bearer,
        }
    }

    /// Returns whether requests go to the vendor's own server, as opposed to another server under the vendor's name.
    pub(super) fn is_vendor_host(&self) -> bool {
        known_base_url(&self.id) == Some(self.effective_base_url())
    }

    pub(super) fn quirks(&self) -> ProviderQuirks {
        // Azure and local servers have no fixed URL, so any URL may be theirs.
        known_row(&self.id)
            .filter(|row| self.is_vendor_host() || row.is_local || row.base_url.is_empty())
            .map_or(PLAIN_QUIRKS, |row| row.quirks)
    }

    pub(super) fn has_key(&self) -> bool {
        let needs_no_key =
            self.base_url.is_some() || known_row(&self.id).is_none_or(|row| !row.needs_key);
        !self.is_key_lost && (self.api_key.is_some() || needs_no_key)
    }

    pub(super) fn availability(&self, faulty: bool) -> Availability {
        match (self.has_key(), faulty) {
            (false, _) => Availability::NeedsKey,
            (true, true) => Availability::Unavailable,
            (true, false) => Availability::Ready,
        }
    }

    /// Returns the maximum number of concurrent calls. The default is 2 for local runtimes, which answer two requests
    /// faster one after another, and unlimited for other providers.
    pub(super) fn max_concurrency(&self) -> usize {
        let is_local_runtime = matches!(self.id.as_str(), "ollama" | "lmstudio" | "llamacpp");
        self.concurrency
            .unwrap_or(if is_local_runtime { 2 } else { usize::MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_unique_and_complete() {
        for (index, row) in KNOWN_PROVIDERS.iter().enumerate() {
            assert!(
                KNOWN_PROVIDERS[..index]
                    .iter()
                    .all(|other| other.id != row.id),
                "{} twice",
                row.id
            );
            let has_address = row.base_url.starts_with("http") && !row.base_url.ends_with('/');
            assert!(has_address || row.id == "azure", "{}", row.id);
        }
    }

    #[test]
    fn a_provider_whose_key_is_lost_is_never_called() {
        let lost = Provider {
            id: "lab".into(),
            base_url: Some("https://lab.example/v1".into()),
            is_key_lost: true,
            ..Provider::default()
        };
        assert_eq!(lost.availability(false), Availability::NeedsKey);
        let error = lost.headers("m").expect_err("no call without its key");
        assert!(error.detail.contains("enter its key again"));
    }

    #[test]
    fn another_address_has_no_vendor_quirks() {
        let mut provider = Provider {
            id: "openai".into(),
            ..Provider::default()
        };
        assert!(provider.quirks().max_completion_tokens);
        assert_eq!(provider.url("models"), "https://api.openai.com/v1/models");
        assert_eq!(provider.availability(false), Availability::NeedsKey);
        provider.base_url = Some("http://127.0.0.1:9/v1/".into());
        assert!(!provider.quirks().max_completion_tokens);
        assert_eq!(provider.url("models"), "http://127.0.0.1:9/v1/models");
        assert_eq!(provider.availability(false), Availability::Ready);
    }

    #[test]
    fn each_provider_gets_its_own_headers() {
        let provider = |id: &str, base_url: Option<&str>, kind: Option<ApiFormat>| Provider {
            id: id.into(),
            base_url: base_url.map(str::to_owned),
            api_key: Some("k".into()),
            kind,
            ..Provider::default()
        };
        let azure = "https://me.openai.azure.com/openai/v1?api-version=preview";
        for (provider, url, headers) in [
            (
                provider("openai", None, None),
                "https://api.openai.com/v1/x",
                "authorization: Bearer k",
            ),
            (
                provider("anthropic", None, None),
                "https://api.anthropic.com/v1/x",
                "anthropic-version: 2023-06-01, x-api-key: k",
            ),
            (
                provider("google", None, None),
                "https://generativelanguage.googleapis.com/v1beta/x",
                "x-goog-api-key: k",
            ),
            (
                provider("azure", Some(azure), None),
                "https://me.openai.azure.com/openai/v1/x?api-version=preview",
                "api-key: k",
            ),
            (
                provider("mine", Some("http://h/v1"), Some(ApiFormat::Anthropic)),
                "http://h/v1/x",
                "anthropic-version: 2023-06-01, x-api-key: k",
            ),
            (
                provider("anthropic", Some("http://h/v1"), Some(ApiFormat::OpenAi)),
                "http://h/v1/x",
                "authorization: Bearer k",
            ),
        ] {
            let header_lines: Vec<String> = provider
                .headers("m")
                .expect("its key is known")
                .iter()
                .map(|(name, value)| format!("{name}: {value}"))
                .collect();
            assert_eq!(
                (provider.url("x").as_str(), header_lines.join(", ").as_str()),
                (url, headers)
            );
        }
        let ollama = |base_url: &str| provider("ollama", Some(base_url), None).api_format();
        assert_eq!(ollama("http://h:11434"), ApiFormat::Ollama);
        assert_eq!(ollama("http://h:11434/v1"), ApiFormat::OpenAi);
    }
}
