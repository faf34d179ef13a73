//! Setup checks: whether there is an administrator, whether the secrets can be guessed, and whether the server in
//! `QUIRE_SERVER` is usable.

use std::collections::BTreeSet;

use super::{CheckResult, CheckState, finding};
use crate::config::Config;
use crate::llm::{Remote, RemoteError};
use crate::store::{Store, users};

/// Environment variable with the API key for QUIRE_SERVER.
const KEY_VARIABLE: &str = "QUIRE_API_KEY";

/// Checks whether there is an administrator, since only an administrator can add others.
pub(super) async fn check_accounts(store: &Store, config: &Config) -> Option<CheckResult> {
    let has_admin = store.read(users::has_admin).await.ok()?;
    if has_admin {
        let text = "there is an administrator";
        return Some(finding("accounts", CheckState::Ok, text));
    }
    let text = match (config.needs_setup_token(), config.setup_token.is_some()) {
        (true, true) => {
            "there is no administrator yet: register with the value of QUIRE_SETUP_TOKEN"
        }
        (true, false) => {
            "there is no administrator yet: open the setup link that the server prints, or run `quire user add EMAIL --admin`"
        }
        (false, _) => {
            "there is no administrator yet: the first account becomes the administrator; or run `quire user add EMAIL --admin`"
        }
    };
    Some(finding("accounts", CheckState::Warning, text))
}

/// Common words in example secrets, which do not make a secret stronger.
const GUESSABLE_WORDS: &[&str] = &[
    "changeme",
    "change-me",
    "change_me",
    "secret",
    "password",
    "example",
    "12345678",
    "qwerty",
];
/// A secret with at most this many different characters counts as guessable.
const MAX_GUESSABLE_CHARACTERS: usize = 7;
/// A secret counts as guessable if fewer characters than this remain after its guessable words are removed.
const MIN_REMAINDER: usize = 16;

/// Checks whether the secrets in the settings can be guessed. Their length is checked when the settings are read.
pub(super) fn check_secrets(config: &Config) -> Vec<CheckResult> {
    let secrets = [
        ("QUIRE_SECRET", &config.secret),
        ("QUIRE_SETUP_TOKEN", &config.setup_token),
    ];
    let weak = secrets.into_iter().filter_map(|(name, secret)| {
        let is_weak = secret
            .as_ref()
            .is_some_and(|text| is_guessable(text.expose()));
        is_weak.then(|| {
            let text =
                format!("{name} is easy to guess; `openssl rand -hex 32` creates a good one");
            finding("secret", CheckState::Warning, text)
        })
    });
    weak.collect()
}

fn is_guessable(secret: &str) -> bool {
    let secret = secret.to_lowercase();
    let rest = GUESSABLE_WORDS
        .iter()
        .fold(secret.clone(), |rest, word| rest.replace(word, ""));
    let characters: BTreeSet<char> = rest.chars().collect();
    let is_short = rest.len() < secret.len() && rest.chars().count() < MIN_REMAINDER;
    characters.len() <= MAX_GUESSABLE_CHARACTERS || is_short
}

/// Checks the server that the CLI's commands use. Blocks.
pub(super) fn check_addresses(config: &Config) -> Vec<CheckResult> {
    let check = |address| check_server(address, config);
    config.server.as_deref().map(check).into_iter().collect()
}

fn check_server(address: &str, config: &Config) -> CheckResult {
    let key = std::env::var(KEY_VARIABLE).unwrap_or_default();
    let remote = Remote::new(address, key.trim(), config.authorities.clone());
    match remote.get("/api/users/me") {
        Ok(me) => {
            let account = me["email"].as_str().or(me["user"]["email"].as_str());
            let text = format!(
                "{address} accepts the key of {}",
                account.unwrap_or("an account")
            );
            finding("QUIRE_SERVER", CheckState::Ok, text)
        }
        Err(RemoteError::Refused(401, why)) => {
            let text = format!("{address} refuses the key in {KEY_VARIABLE}: {why}");
            finding("QUIRE_SERVER", CheckState::Failed, text)
        }
        Err(RemoteError::Refused(_, why)) => {
            let text = format!("{address} responds, but refuses the request: {why}");
            finding("QUIRE_SERVER", CheckState::Warning, text)
        }
        Err(RemoteError::Unreachable(why)) => {
            let text = format!("{address} cannot be reached: {why}");
            finding("QUIRE_SERVER", CheckState::Failed, text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessable_secrets_are_recognized() {
        for secret in [
            "aaaaaaaaaaaaaaaaaaaa",
            "abcabcabcabcabcabc",
            "ChangeMe-ChangeMe",
            "my-quire-secret-2026",
            "a-Password-for-quire",
            "password-8402957316840",
            "secretsecretsecret-aaaabbbbccccdddd",
        ] {
            assert!(is_guessable(secret), "{secret}");
        }
        for secret in [
            "0f2b7c9d4e6a81350f2b7c9d4e6a8135",
            "8402957316840295",
            "Tr4verse-Orchid-Lamp",
            "quire-secret-0f2b7c9d4e6a81350f2b7c9d4e6a81350f2b7c9d4e6a81350f2b7c9d4e6a8135",
            "example-Tr4verse-Orchid-Lamp",
        ] {
            assert!(!is_guessable(secret), "{secret}");
        }
    }
}
