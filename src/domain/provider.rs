//! A provider that was added while the program runs: by an admin for everyone, or by somebody for themself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::id::{ProviderId, UserId};
use super::time::Timestamp;

/// Headers, and models with settings of their own, that one provider may have.
const MAX_HEADERS: usize = 32;
const MAX_MODELS: usize = 200;
/// Bytes of a header's value, and of all fields of a body as JSON.
const MAX_VALUE: usize = 4_096;
const MAX_BODY: usize = 64 * 1024;

/// Headers that belong to the connection or to the request's own bytes.
const OWN_HEADERS: &[&str] = &[
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

/// Headers in whose place only an admin may put another.
const CREDENTIALS: &[&str] = &[
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "cookie",
];

/// Fields of a body that say what is asked of which model.
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

/// Headers and body fields that settings add to the requests of a provider or of one of its models.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Additions {
    /// By lower-case name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Top-level fields; objects are merged with what Quire writes itself.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub body: Map<String, Value>,
}

/// What settings add to a provider's requests.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Extras {
    /// For all of its models, by lower-case name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// For all of its models: top-level fields; objects are merged with what Quire writes itself.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub body: Map<String, Value>,
    /// For single models by their names at the provider; these win.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub model_settings: BTreeMap<String, Additions>,
}

/// Headers may be secrets.
impl std::fmt::Debug for Extras {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Extras({})", self.names())
    }
}

impl Additions {
    fn check(&mut self, may_sign: bool) -> Result<(), String> {
        let headers = std::mem::take(&mut self.headers);
        if headers.len() > MAX_HEADERS {
            return Err(format!("at most {MAX_HEADERS} headers can be added"));
        }
        for (name, value) in headers {
            let name = name.trim().to_ascii_lowercase();
            check_header(&name, &value, may_sign)?;
            self.headers.insert(name, value);
        }
        let fixed = self
            .body
            .keys()
            .find(|name| FIXED_FIELDS.contains(&name.as_str()));
        if let Some(name) = fixed {
            return Err(format!("the body field {name} cannot be set"));
        }
        if Value::Object(self.body.clone()).to_string().len() > MAX_BODY {
            return Err(format!(
                "the body fields are larger than {} KiB",
                MAX_BODY / 1024
            ));
        }
        Ok(())
    }
}

fn check_header(name: &str, value: &str, may_sign: bool) -> Result<(), String> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_token) {
        return Err("a header has a name of 1 to 64 letters, digits and -".to_owned());
    }
    if OWN_HEADERS.contains(&name) {
        return Err(format!("the header {name} cannot be set"));
    }
    if !may_sign && CREDENTIALS.contains(&name) {
        return Err(format!(
            "only an admin can set the header {name}: use the key"
        ));
    }
    let is_shown = |c: char| c.is_ascii_graphic() || c == ' ';
    if value.len() > MAX_VALUE || !value.chars().all(is_shown) {
        return Err(format!(
            "the value of the header {name} must be printable ASCII"
        ));
    }
    Ok(())
}

impl Extras {
    /// Checks and normalizes names. `may_sign`: credentials may be replaced.
    ///
    /// # Errors
    /// Says which header or field cannot be set, in one sentence.
    pub fn checked(mut self, may_sign: bool) -> Result<Self, String> {
        if self.model_settings.len() > MAX_MODELS {
            return Err(format!(
                "at most {MAX_MODELS} models can have settings of their own"
            ));
        }
        let mut all = Additions {
            headers: self.headers,
            body: self.body,
        };
        all.check(may_sign)?;
        (self.headers, self.body) = (all.headers, all.body);
        for additions in self.model_settings.values_mut() {
            additions.check(may_sign)?;
        }
        Ok(self)
    }

    /// Whether nothing is added to anything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The headers of a model's requests; of the provider's own where no model is named.
    pub fn headers_of(&self, model: &str) -> BTreeMap<String, String> {
        let mut headers = self.headers.clone();
        let own = self.model_settings.get(model);
        headers.extend(own.into_iter().flat_map(|own| own.headers.clone()));
        headers
    }

    /// The body fields of a model's requests.
    pub fn body_of(&self, model: &str) -> Map<String, Value> {
        let mut body = self.body.clone();
        let own = self.model_settings.get(model);
        body.extend(own.into_iter().flat_map(|own| own.body.clone()));
        body
    }

    /// What may be shown of it: names, never values.
    pub fn names(&self) -> Value {
        let shown = |headers: &BTreeMap<String, String>, body: &Map<String, Value>| {
            let headers: Vec<&String> = headers.keys().collect();
            let body: Vec<&String> = body.keys().collect();
            serde_json::json!({ "headers": headers, "body": body })
        };
        let models = self.model_settings.iter();
        let models: Map<String, Value> = models
            .map(|(name, one)| (name.clone(), shown(&one.headers, &one.body)))
            .collect();
        let mut all = shown(&self.headers, &self.body);
        all["model_settings"] = models.into();
        all
    }
}

/// As it is stored: its key is sealed. Who holds the database alone cannot use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredProvider {
    /// Its id.
    pub id: ProviderId,
    /// Whose; everyone's when absent.
    pub user: Option<UserId>,
    /// The first part of its models' ids.
    pub name: String,
    /// What it speaks; empty for what a provider of this name usually speaks.
    pub kind: String,
    /// Where it listens; absent for a well-known provider at its usual address.
    pub base_url: Option<String>,
    /// Its key, sealed for this provider at this address; empty where it needs none.
    pub sealed_key: String,
    /// The key's last characters, so that people can tell keys apart.
    pub key_end: String,
    /// Its models; all that it lists when absent.
    pub models: Option<Vec<String>>,
    /// Calls at once, where it bears only so many.
    pub concurrency: Option<usize>,
    /// When it was added.
    pub created: Timestamp,
    /// When it was last changed.
    pub changed: Timestamp,
}

impl StoredProvider {
    /// The place that the key is sealed for: moved to another row or another address it does not open.
    pub fn place(&self) -> String {
        let base = self.base_url.as_deref().unwrap_or_default();
        format!("provider {} {} {base}", self.id, self.name)
    }
}

/// Whether a provider may be called so: 1 to 40 lower-case letters, digits, `-` and `_`, and none of our own.
pub fn is_name(name: &str) -> bool {
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    (1..=40).contains(&name.len()) && name.chars().all(sound) && !matches!(name, "demo" | "quire")
}

/// The characters of a key that may be shown: too few to guess the rest from.
pub fn key_end(key: &str) -> String {
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
    fn names_and_ends() {
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
        assert_eq!(key_end("sk-0123456789abcdef"), "cdef");
        assert_eq!(key_end("short-key"), "");
    }
}
