//! The encrypted part of a stored provider: its key, and the headers and body fields added to its requests. Header
//! and field names may be shown, but never their values.

use serde_json::Value;

use super::Providers;
use crate::domain::provider::{RequestExtras, StoredProvider};
use crate::log;

/// The decrypted secrets of a provider: its key, and the additions to its requests, which may contain secrets too.
#[derive(Default)]
pub(super) struct Secrets {
    pub key: String,
    pub request_extras: RequestExtras,
    /// Whether the secrets cannot be decrypted because the installation's secret has changed.
    pub is_lost: bool,
}

impl Secrets {
    // Serializes the secrets. Without additions, the text is the key alone, as in earlier versions. With additions, it
    // is JSON after a line break, which no key begins with.
    pub fn encode(&self) -> String {
        if self.request_extras.is_empty() {
            return self.key.clone();
        }
        let Self {
            key,
            request_extras: extras,
            ..
        } = self;
        format!("\n{}", serde_json::json!({ "key": key, "extras": extras }))
    }

    fn decode(text: &str) -> Self {
        let Some(packed) = text.strip_prefix('\n') else {
            return Self {
                key: text.to_owned(),
                ..Self::default()
            };
        };
        let value: Value = serde_json::from_str(packed).unwrap_or_default();
        Self {
            key: value["key"].as_str().unwrap_or_default().to_owned(),
            request_extras: serde_json::from_value(value["extras"].clone()).unwrap_or_default(),
            is_lost: false,
        }
    }
}

impl Providers<'_> {
    /// Returns whether the provider has a key, and the names of the headers and fields added to its requests.
    pub fn summary(&self, stored: &StoredProvider) -> (bool, Value) {
        let secrets = self.secrets(stored);
        // A key that can no longer be decrypted still counts as a key.
        let has_key = !stored.encrypted_key.is_empty() && secrets.request_extras.is_empty();
        (
            has_key || !secrets.key.is_empty(),
            secrets.request_extras.names(),
        )
    }

    pub(super) fn secrets(&self, stored: &StoredProvider) -> Secrets {
        if stored.encrypted_key.is_empty() {
            return Secrets::default();
        }
        let decrypted = self
            .vault
            .open(&stored.key_context(), &stored.encrypted_key);
        decrypted.map_or_else(
            |_| {
                log::error(
                    "cannot decrypt a provider's key: the installation's secret has changed",
                    &[("provider", &stored.name)],
                );
                Secrets {
                    is_lost: true,
                    ..Secrets::default()
                }
            },
            |text| Secrets::decode(&text),
        )
    }
}
