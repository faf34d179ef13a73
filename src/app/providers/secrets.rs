//! What is sealed of a provider that was added while the program runs: its key, and the headers and fields that
//! are added to its requests. Names of headers and fields may be shown, values never.

use serde_json::Value;

use super::Providers;
use crate::domain::provider::{Extras, StoredProvider};
use crate::log;

/// What is sealed of a provider: its key, and what is added to its requests, which may hold secrets too.
#[derive(Default)]
pub(super) struct Secrets {
    pub key: String,
    pub extras: Extras,
    /// They are stored and cannot be read: the installation's secret is another one.
    pub is_lost: bool,
}

impl Secrets {
    // A key alone stands for itself, as it always did; a key never begins with a line break.
    pub fn packed(&self) -> String {
        if self.extras.is_empty() {
            return self.key.clone();
        }
        let Self { key, extras, .. } = self;
        format!("\n{}", serde_json::json!({ "key": key, "extras": extras }))
    }

    fn unpacked(text: &str) -> Self {
        let Some(packed) = text.strip_prefix('\n') else {
            return Self {
                key: text.to_owned(),
                ..Self::default()
            };
        };
        let value: Value = serde_json::from_str(packed).unwrap_or_default();
        Self {
            key: value["key"].as_str().unwrap_or_default().to_owned(),
            extras: serde_json::from_value(value["extras"].clone()).unwrap_or_default(),
            is_lost: false,
        }
    }
}

impl Providers<'_> {
    /// Whether it has a key, and the names of the headers and fields that are added to its requests.
    pub fn shown(&self, stored: &StoredProvider) -> (bool, Value) {
        let secrets = self.secrets(stored);
        // A key that does not open any more is still there.
        let has_key = !stored.sealed_key.is_empty() && secrets.extras.is_empty();
        (has_key || !secrets.key.is_empty(), secrets.extras.names())
    }

    pub(super) fn secrets(&self, stored: &StoredProvider) -> Secrets {
        if stored.sealed_key.is_empty() {
            return Secrets::default();
        }
        let opened = self.vault.open(&stored.place(), &stored.sealed_key);
        opened.map_or_else(
            |_| {
                log::error(
                    "a provider's key does not open: the installation's secret is another one",
                    &[("provider", &stored.name)],
                );
                Secrets {
                    is_lost: true,
                    ..Secrets::default()
                }
            },
            |text| Secrets::unpacked(&text),
        )
    }
}
