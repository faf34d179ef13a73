//! What an API key may: which parts of the API, which models, how much money. Looks nothing up.

use serde::{Deserialize, Serialize};

use super::id::KeyId;
use super::money::MicroDollars;

/// A part of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// What clients of OpenAI and Anthropic speak, and the Model Context Protocol.
    Chat,
    /// Analyses, experiments, patterns, recipes, and what is known of models.
    Analyze,
    /// Uploading, reading, searching and deleting documents.
    Documents,
    /// What is for administrators, where the key's owner is one.
    Admin,
    /// Listing and deleting API keys. No key creates another one.
    Keys,
    /// Everything that a person owns, going out or coming in as one archive.
    Export,
}

/// Addresses around documents; half of them are the predecessor's.
const DOCUMENTS: &[&str] = &[
    "/api/documents",
    "/api/search",
    "/api/create-document-session",
    "/api/document-sessions",
    "/api/upload-document",
    "/api/upload-document-chunk",
    "/api/finalize-document-upload",
];

/// Addresses under which everything that a person owns goes out or comes in.
const EVERYTHING: &[&str] = &["/api/users/me/export", "/api/users/me/import"];

impl Scope {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Chat,
        Self::Analyze,
        Self::Documents,
        Self::Admin,
        Self::Keys,
        Self::Export,
    ];
    /// What a key without scopes opens: work, but neither the account, nor everything in it, nor the server.
    pub const DEFAULT: [Self; 3] = [Self::Chat, Self::Analyze, Self::Documents];

    /// The name in requests.
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

    /// The inverse of `as_str`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }

    /// The parts that a path belongs to: a key must open all of them.
    pub fn of_path(path: &str) -> &'static [Self] {
        let under = |root: &str| {
            let rest = path.strip_prefix(root);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let any = |roots: &[&str]| roots.iter().any(|root| under(root));
        if any(&["/v1", "/mcp"]) {
            &[Self::Chat]
        } else if under("/api/admin") {
            &[Self::Admin]
        } else if any(DOCUMENTS) {
            &[Self::Documents]
        } else if any(EVERYTHING) {
            &[Self::Export]
        } else if under("/api/users/me/api-keys") {
            &[Self::Keys]
        } else {
            &[Self::Analyze]
        }
    }
}

/// What a key is confined to, beyond its scopes. The default confines to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Confines {
    /// Ids of models, or beginnings of ids followed by `*`; any model where there are none.
    pub models: Vec<String>,
    /// What its calls may cost a UTC day.
    pub day_cost: Option<MicroDollars>,
    /// What they may cost in all.
    pub all_cost: Option<MicroDollars>,
}

impl Confines {
    /// Whether this model may be asked.
    pub fn allow(&self, model: &str) -> bool {
        let matches = |rule: &String| match rule.strip_suffix('*') {
            Some(beginning) => model.starts_with(beginning),
            None => rule == model,
        };
        self.models.is_empty() || self.models.iter().any(matches)
    }

    /// They bound anything.
    pub fn are_some(&self) -> bool {
        *self != Self::default()
    }
}

/// The key that a request came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// Which one.
    pub id: KeyId,
    /// The parts of the API that it opens; `Scope::DEFAULT` where there are none.
    pub scopes: Vec<Scope>,
    /// It has confines.
    pub is_confined: bool,
}

impl Presented {
    /// Whether it opens this part.
    pub fn opens(&self, scope: Scope) -> bool {
        match self.scopes.is_empty() {
            true => Scope::DEFAULT.contains(&scope),
            false => self.scopes.contains(&scope),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_a_part() {
        for (path, scope) in [
            ("/v1/models", &[Scope::Chat][..]),
            ("/v1x", &[Scope::Analyze]),
            ("/mcp", &[Scope::Chat]),
            ("/api/documents/search", &[Scope::Documents]),
            ("/api/documentsx", &[Scope::Analyze]),
            ("/api/admin/users", &[Scope::Admin]),
            ("/api/analyze", &[Scope::Analyze]),
            ("/api/users/me/export", &[Scope::Export]),
            ("/api/users/me/import", &[Scope::Export]),
            ("/api/users/me/api-keys/{id}", &[Scope::Keys]),
        ] {
            assert_eq!(Scope::of_path(path), scope, "{path}");
        }
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
        }
    }

    #[test]
    fn models_by_name_or_beginning() {
        let confines = |models: &[&str]| Confines {
            models: models.iter().map(|&model| model.to_owned()).collect(),
            ..Confines::default()
        };
        for (models, model, allowed) in [
            (&[][..], "a/x", true),
            (&["a/x"], "a/x", true),
            (&["a/x"], "a/xy", false),
            (&["a/*"], "a/xy", true),
            (&["a/*", "b/y"], "b/y", true),
            (&["*"], "b/z", true),
        ] {
            assert_eq!(confines(models).allow(model), allowed, "{models:?} {model}");
        }
        assert!(!confines(&[]).are_some());
    }
}
