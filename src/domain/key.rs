//! Permissions of an API key: scopes, models, and spending limits. Defines only the rules; the store holds the keys.

use serde::{Deserialize, Serialize};

use super::id::KeyId;
use super::money::MicroDollars;

/// Formats the number of deleted API keys as a sentence without the period.
pub fn keys_deleted(count: usize) -> String {
    match count {
        1 => "1 API key is deleted".to_owned(),
        _ => format!("{count} API keys are deleted"),
    }
}

/// A part of the API to which a key can give access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyScope {
    /// The OpenAI- and Anthropic-compatible APIs and the Model Context Protocol.
    Chat,
    /// Analyses, experiments, patterns, recipes, and model information.
    Analyze,
    /// Uploading, reading, searching, and deleting documents.
    Documents,
    /// Administration, if the key's owner is an administrator.
    Admin,
    /// Listing and deleting API keys. Keys cannot create keys.
    Keys,
    /// Export and import of all of a user's data as one archive.
    Export,
}

/// Paths of the documents API. Half of them are aliases for clients of Quire's predecessor.
const DOCUMENT_PATHS: &[&str] = &[
    "/api/documents",
    "/api/search",
    "/api/meaning-search",
    "/api/create-document-session",
    "/api/document-sessions",
    "/api/upload-document",
    "/api/upload-document-chunk",
    "/api/finalize-document-upload",
];

/// Paths that export or import all of a user's data.
const FULL_DATA_PATHS: &[&str] = &["/api/users/me/export", "/api/users/me/import"];

impl KeyScope {
    /// All scopes.
    pub const ALL: [Self; 6] = [
        Self::Chat,
        Self::Analyze,
        Self::Documents,
        Self::Admin,
        Self::Keys,
        Self::Export,
    ];
    /// Scopes of a key without explicit ones: normal use, but not administration, API keys, or the export and import of
    /// all data.
    pub const DEFAULT: [Self; 3] = [Self::Chat, Self::Analyze, Self::Documents];

    /// Returns the name used in requests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Analyze => "analyze",
            Self::Documents => "documents",
            Self::Admin => "admin",
            Self::Keys => "keys",
            Self::Export => "export",
        }
    }

    /// Parses a name: the inverse of `as_str`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }

    /// Returns the scopes required for a path; the key needs all of them.
    pub fn for_path(path: &str) -> &'static [Self] {
        let is_under = |root: &str| {
            let rest = path.strip_prefix(root);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let any = |roots: &[&str]| roots.iter().any(|root| is_under(root));
        if any(&["/v1", "/v1beta", "/mcp"]) {
            &[Self::Chat]
        } else if is_under("/api/admin") {
            &[Self::Admin]
        } else if any(DOCUMENT_PATHS) {
            &[Self::Documents]
        } else if any(FULL_DATA_PATHS) {
            &[Self::Export]
        } else if is_under("/api/users/me/api-keys") {
            &[Self::Keys]
        } else {
            &[Self::Analyze]
        }
    }
}

/// Limits of a key in addition to its scopes. The default has no limits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyLimits {
    /// Permitted model IDs, or ID prefixes followed by `*`; empty permits all models.
    pub models: Vec<String>,
    /// Maximum cost per UTC day; `None` for no limit.
    pub daily_budget: Option<MicroDollars>,
    /// Maximum total cost; `None` for no limit.
    pub total_budget: Option<MicroDollars>,
}

impl KeyLimits {
    /// Whether `models` permits this model ID.
    pub fn allow(&self, model: &str) -> bool {
        let matches = |rule: &String| match rule.strip_suffix('*') {
            Some(beginning) => model.starts_with(beginning),
            None => rule == model,
        };
        self.models.is_empty() || self.models.iter().any(matches)
    }

    /// Whether any limit is set.
    pub fn is_limited(&self) -> bool {
        *self != Self::default()
    }
}

/// The API key of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedKey {
    /// ID of the key, which unlike the key itself is not secret.
    pub id: KeyId,
    /// Scopes of the key; empty means `KeyScope::DEFAULT`.
    pub scopes: Vec<KeyScope>,
    /// Whether the key has limits, which must then be loaded.
    pub has_limits: bool,
}

impl PresentedKey {
    /// Whether the key has this scope, explicitly or by default.
    pub fn has_scope(&self, scope: KeyScope) -> bool {
        match self.scopes.is_empty() {
            true => KeyScope::DEFAULT.contains(&scope),
            false => self.scopes.contains(&scope),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_is_singular() {
        for (count, expected) in [
            (0, "0 API keys are deleted"),
            (1, "1 API key is deleted"),
            (2, "2 API keys are deleted"),
        ] {
            assert_eq!(keys_deleted(count), expected);
        }
    }

    #[test]
    fn every_path_has_a_scope() {
        for (path, scope) in [
            ("/v1/models", &[KeyScope::Chat][..]),
            ("/v1x", &[KeyScope::Analyze]),
            ("/mcp", &[KeyScope::Chat]),
            ("/api/documents/search", &[KeyScope::Documents]),
            ("/api/documentsx", &[KeyScope::Analyze]),
            ("/api/admin/users", &[KeyScope::Admin]),
            ("/api/analyze", &[KeyScope::Analyze]),
            ("/api/users/me/export", &[KeyScope::Export]),
            ("/api/users/me/import", &[KeyScope::Export]),
            ("/api/users/me/api-keys/{id}", &[KeyScope::Keys]),
        ] {
            assert_eq!(KeyScope::for_path(path), scope, "{path}");
        }
        for scope in KeyScope::ALL {
            assert_eq!(KeyScope::parse(scope.as_str()), Some(scope));
        }
    }

    #[test]
    fn models_match_by_name_or_prefix() {
        let restricted_to = |models: &[&str]| KeyLimits {
            models: models.iter().map(|&model| model.to_owned()).collect(),
            ..KeyLimits::default()
        };
        for (models, model, allowed) in [
            (&[][..], "a/x", true),
            (&["a/x"], "a/x", true),
            (&["a/x"], "a/xy", false),
            (&["a/*"], "a/xy", true),
            (&["a/*", "b/y"], "b/y", true),
            (&["*"], "b/z", true),
        ] {
            assert_eq!(
                restricted_to(models).allow(model),
                allowed,
                "{models:?} {model}"
            );
        }
        assert!(!restricted_to(&[]).is_limited());
    }
}
