//! Providers: a table of those we know, and what a configured one offers.

use crate::domain::id::UserId;
use crate::domain::model::Availability;
use crate::wire::openai::Quirks;

/// A configured provider. No `Debug`: it holds a key.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Provider {
    /// The first part of its models' ids.
    pub id: String,
    /// Where it listens; the table's when absent.
    pub base_url: Option<String>,
    /// Sent as a bearer token, if there is one.
    pub api_key: Option<String>,
    /// Its models; none when any name is passed on.
    pub models: Option<Vec<String>>,
    /// Calls at once, where it bears only so many.
    pub concurrency: Option<usize>,
    /// The one person who may ask it; everyone when absent.
    pub owner: Option<UserId>,
    /// Asked at public addresses only, because its address was not given by an admin.
    pub public_only: bool,
}

struct Row {
    id: &'static str,
    base_url: &'static str,
    needs_key: bool,
    quirks: Quirks,
}

const PLAIN: Quirks = Quirks {
    stream_options: true,
    max_completion_tokens: false,
    top_k: false,
    random_seed: false,
    reasoning_object: false,
};

/// Providers that speak OpenAI's chat completions.
const TABLE: &[Row] = &[
    row(
        "openai",
        "https://api.openai.com/v1",
        true,
        Quirks {
            max_completion_tokens: true,
            ..PLAIN
        },
    ),
    row("deepseek", "https://api.deepseek.com/v1", true, PLAIN),
    row(
        "openrouter",
        "https://openrouter.ai/api/v1",
        true,
        Quirks {
            top_k: true,
            reasoning_object: true,
            ..PLAIN
        },
    ),
    // Mistral refuses fields that it does not know.
    row(
        "mistral",
        "https://api.mistral.ai/v1",
        true,
        Quirks {
            stream_options: false,
            random_seed: true,
            ..PLAIN
        },
    ),
    row("groq", "https://api.groq.com/openai/v1", true, PLAIN),
    row("xai", "https://api.x.ai/v1", true, PLAIN),
    row("ollama", "http://127.0.0.1:11434/v1", false, PLAIN),
];

const fn row(id: &'static str, base_url: &'static str, needs_key: bool, quirks: Quirks) -> Row {
    Row {
        id,
        base_url,
        needs_key,
        quirks,
    }
}

fn known(id: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.id == id)
}

/// Where a well-known provider listens.
pub fn known_base_url(id: &str) -> Option<&'static str> {
    known(id).map(|row| row.base_url)
}

impl Provider {
    pub(super) fn base(&self) -> &str {
        let base = self
            .base_url
            .as_deref()
            .or_else(|| known_base_url(&self.id));
        base.unwrap_or_default().trim_end_matches('/')
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base())
    }

    /// It is the vendor's own server, not another one under its name.
    pub(super) fn is_at_home(&self) -> bool {
        known_base_url(&self.id) == Some(self.base())
    }

    pub(super) fn quirks(&self) -> Quirks {
        known(&self.id)
            .filter(|_| self.is_at_home())
            .map_or(PLAIN, |row| row.quirks)
    }

    pub(super) fn has_key(&self) -> bool {
        self.api_key.is_some()
            || self.base_url.is_some()
            || known(&self.id).is_none_or(|row| !row.needs_key)
    }

    pub(super) fn availability(&self, faulty: bool) -> Availability {
        match (self.has_key(), faulty) {
            (false, _) => Availability::NeedsKey,
            (true, true) => Availability::Unavailable,
            (true, false) => Availability::Ready,
        }
    }

    /// Calls at once. A machine at home answers two questions slower than one after the other.
    pub(super) fn bears(&self) -> usize {
        const LOCAL: &[&str] = &["ollama", "lmstudio", "llamacpp"];
        let usual = if LOCAL.contains(&self.id.as_str()) {
            2
        } else {
            64
        };
        self.concurrency.unwrap_or(usual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_unique_and_whole() {
        for (index, row) in TABLE.iter().enumerate() {
            assert!(
                TABLE[..index].iter().all(|other| other.id != row.id),
                "{} twice",
                row.id
            );
            assert!(row.base_url.starts_with("http") && !row.base_url.ends_with('/'));
        }
    }

    #[test]
    fn another_address_has_plain_habits() {
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
}
