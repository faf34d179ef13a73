//! Providers added at run time, by an administrator for everyone or by a user for their own use.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::id::{ProviderId, UserId};
use super::time::Timestamp;

/// Maximum number of headers that can be added for a provider or a model.
const MAX_HEADERS: usize = 32;
/// Maximum number of a provider's models that have their own settings.
const MAX_MODELS: usize = 200;
/// Maximum size of a header value in bytes.
const MAX_VALUE_BYTES: usize = 4_096;
/// Maximum size of all added body fields as JSON, in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Headers controlled by the connection or by the request itself.
const RESERVED_HEADERS: &[&str] = &[
    "host",
    "connection",
    "content-length",
    "content-type",
    "transfer-encoding",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "accept",
    "accept-encoding",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
];

/// Credential headers; only an administrator may replace them.
const CREDENTIAL_HEADERS: &[&str] = &[
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "cookie",
];

/// Body fields that define the call; they cannot be replaced.
pub const FIXED_FIELDS: &[&str] = &[
    "model",
    "messages",
    "input",
    "contents",
    "stream",
    "system",
    "instructions",
    "systemInstruction",
];

/// Headers and body fields added to the requests of a provider or of one of its models.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequestAdditions {
    /// Headers by lowercase name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Top-level body fields; objects are merged with Quire's own.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub body: Map<String, Value>,
}

/// Additions to a provider's requests: for all of its models and for individual ones.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequestExtras {
    /// Headers for all models, by lowercase name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Top-level body fields for all models; objects are merged with Quire's own.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub body: Map<String, Value>,
    /// Additions for individual models, by the model's name at the provider. They override `headers` and `body`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub model_settings: BTreeMap<String, RequestAdditions>,
}

/// Prints names only, because header values may be secrets.
impl std::fmt::Debug for RequestExtras {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RequestExtras({})", self.names())
    }
}

impl RequestAdditions {
    fn check(&mut self, allows_credentials: bool) -> Result<(), String> {
        let headers = std::mem::take(&mut self.headers);
        if headers.len() > MAX_HEADERS {
            return Err(format!("at most {MAX_HEADERS} headers can be added"));
        }
        for (name, value) in headers {
            let name = name.trim().to_ascii_lowercase();
            check_header(&name, &value, allows_credentials)?;
            self.headers.insert(name, value);
        }
        let fixed = self
            .body
            .keys()
            .find(|name| FIXED_FIELDS.contains(&name.as_str()));
        if let Some(name) = fixed {
            return Err(format!("the body field {name} cannot be set"));
        }
        if Value::Object(self.body.clone()).to_string().len() > MAX_BODY_BYTES {
            return Err(format!(
                "the body fields are larger than {} KiB",
                MAX_BODY_BYTES / 1024
            ));
        }
        Ok(())
    }
}

fn check_header(name: &str, value: &str, allows_credentials: bool) -> Result<(), String> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_token) {
        return Err(
            "a header name must consist of 1 to 64 letters, digits, and characters such as - and _"
                .to_owned(),
        );
    }
    if RESERVED_HEADERS.contains(&name) {
        return Err(format!("the header {name} cannot be set"));
    }
    if !allows_credentials && CREDENTIAL_HEADERS.contains(&name) {
        return Err(format!(
            "only an administrator can set the header {name}; set the key instead"
        ));
    }
    let is_shown = |c: char| c.is_ascii_graphic() || c == ' ';
    if value.len() > MAX_VALUE_BYTES || !value.chars().all(is_shown) {
        return Err(format!(
            "the value of the header {name} must be printable ASCII"
        ));
    }
    Ok(())
}

impl RequestExtras {
    /// Validates the additions and normalizes header names. `allows_credentials` permits credential headers.
    ///
    /// # Errors
    /// Returns a sentence that names the first header or field that cannot be set.
    pub fn checked(mut self, allows_credentials: bool) -> Result<Self, String> {
        if self.model_settings.len() > MAX_MODELS {
            return Err(format!(
                "at most {MAX_MODELS} models can have their own settings"
            ));
        }
        let mut all = RequestAdditions {
            headers: self.headers,
            body: self.body,
        };
        all.check(allows_credentials)?;
        (self.headers, self.body) = (all.headers, all.body);
        for additions in self.model_settings.values_mut() {
            additions.check(allows_credentials)?;
        }
        Ok(self)
    }

    /// Whether there are no additions.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the headers for requests to a model or, with an empty name, for requests that concern no model.
    pub fn headers_for(&self, model: &str) -> BTreeMap<String, String> {
        let mut headers = self.headers.clone();
        let model_settings = self.model_settings.get(model);
        headers.extend(
            model_settings
                .into_iter()
                .flat_map(|settings| settings.headers.clone()),
        );
        headers
    }

    /// Returns the extra body fields for requests to a model: the provider's, overridden by the model's own.
    pub fn body_fields_for(&self, model: &str) -> Map<String, Value> {
        let mut body = self.body.clone();
        let model_settings = self.model_settings.get(model);
        body.extend(
            model_settings
                .into_iter()
                .flat_map(|settings| settings.body.clone()),
        );
        body
    }

    /// Returns the displayable part: names without values.
    pub fn names(&self) -> Value {
        let names_of = |headers: &BTreeMap<String, String>, body: &Map<String, Value>| {
            let headers: Vec<&String> = headers.keys().collect();
            let body: Vec<&String> = body.keys().collect();
            serde_json::json!({ "headers": headers, "body": body })
        };
        let models = self.model_settings.iter();
        let models: Map<String, Value> = models
            .map(|(name, additions)| (name.clone(), names_of(&additions.headers, &additions.body)))
            .collect();
        let mut all = names_of(&self.headers, &self.body);
        all["model_settings"] = models.into();
        all
    }
}

/// A stored provider. Its key is encrypted, so that the database alone does not reveal it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredProvider {
    /// ID, by which the provider is changed or deleted.
    pub id: ProviderId,
    /// Owner; `None` if it is available to everyone.
    pub user: Option<UserId>,
    /// Name of the provider, which is the first part of its models' IDs.
    pub name: String,
    /// API format; empty for the default format of a provider with this name.
    pub kind: String,
    /// Base URL; `None` for a well-known provider at its default URL.
    pub base_url: Option<String>,
    /// Encrypted key, bound to this provider and URL; empty if the provider needs none.
    pub encrypted_key: String,
    /// Last characters of the key, by which a user can tell keys apart.
    pub key_suffix: String,
    /// Model names; `None` for all that the provider lists.
    pub models: Option<Vec<String>>,
    /// Maximum number of concurrent calls; `None` for no provider-specific limit.
    pub concurrency: Option<usize>,
    /// Creation time.
    pub created: Timestamp,
    /// Time of the last change.
    pub changed_at: Timestamp,
}

impl StoredProvider {
    /// Returns the associated data for encrypting the key. It contains the provider's ID, name, and URL, so a key
    /// copied to another row or used with another URL cannot be decrypted.
    pub fn key_context(&self) -> String {
        let base = self.base_url.as_deref().unwrap_or_default();
        format!("provider {} {} {base}", self.id, self.name)
    }
}

/// Whether the text is a valid provider name: 1 to 40 lowercase letters, digits, `-`, and `_`, and not
/// reserved.
pub fn is_name(name: &str) -> bool {
    let is_name_char =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    (1..=40).contains(&name.len())
        && name.chars().all(is_name_char)
        && !matches!(name, "demo" | "quire")
}

/// Returns the last 4 characters of a key for display; empty for keys under 16 characters, of which they would reveal
/// too much.
pub fn key_suffix(key: &str) -> String {
    let count = key.chars().count();
    if count < 16 {
        return String::new();
    }
    key.chars().skip(count - 4).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_names_and_key_endings() {
        for (name, expected) in [
            ("openai", true),
            ("my-box_2", true),
            ("", false),
            ("demo", false),
            ("quire", false),
            ("OpenAI", false),
            ("a/b", false),
        ] {
            assert_eq!(is_name(name), expected, "{name}");
        }
        assert_eq!(key_suffix("sk-0123456789abcdef"), "cdef");
        assert_eq!(key_suffix("short-key"), "");
    }
}
