//! A provider that was added while the program runs: by an admin for everyone, or by somebody for themself.

use super::id::{ProviderId, UserId};
use super::time::Timestamp;

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
