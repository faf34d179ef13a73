//! Accounts: email addresses, roles and their permissions, and sessions.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use super::id::{KeyId, SessionId, UserId};
use super::key::{KeyLimits, KeyScope, PresentedKey};
use super::time::Timestamp;

/// What an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Full access, including other users' accounts.
    Admin,
    /// Access to the user's own data.
    User,
    /// A visitor to the offline demo without an account: a few documents and threads, deleted after a day.
    // No request can assign this role to an account.
    #[serde(skip_deserializing)]
    Guest,
}

impl Role {
    /// Returns the name used in storage and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::User => "user",
            Role::Guest => "guest",
        }
    }
    /// Parses a name: the inverse of `as_str`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "admin" => Some(Role::Admin),
            "user" => Some(Role::User),
            "guest" => Some(Role::Guest),
            _ => None,
        }
    }
}

/// A stored account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// ID, which never changes, unlike the email address.
    pub id: UserId,
    /// Email address in lowercase; unique.
    pub email: String,
    /// Display name; may be empty.
    pub name: String,
    /// Password hash as a PHC string, with the algorithm and its parameters.
    pub password_hash: String,
    /// What the account may do.
    pub role: Role,
    /// Whether the account is disabled: it cannot be used, but its data is kept.
    pub disabled: bool,
    /// Creation time.
    pub created: Timestamp,
    /// Time of the last sign-in; `None` if the user has never signed in.
    pub last_login: Option<Timestamp>,
}

/// A signed-in browser or program. The same row is kept through all renewals of its refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// ID of the session, which is the `sid` claim of its access tokens.
    pub id: SessionId,
    /// The account that signed in.
    pub user: UserId,
    /// SHA-256 of the current refresh token.
    pub refresh_hash: [u8; 32],
    /// SHA-256 of the previous refresh token, and when it was replaced: it is accepted during the grace period.
    pub previous_refresh_hash: Option<([u8; 32], Timestamp)>,
    /// Creation time.
    pub created: Timestamp,
    /// Expiry of the refresh token.
    pub expires_at: Timestamp,
    /// When the session was ended by signing out, by reuse of an old refresh token, or by a password change;
    /// `None` while it is valid.
    pub revoked_at: Option<Timestamp>,
    /// User agent of the client, cut to 200 characters.
    pub client: String,
}

/// An API key. The key itself is not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// ID, which unlike the key itself is not secret.
    pub id: KeyId,
    /// The user on whose behalf the key acts.
    pub user: UserId,
    /// Name given by the owner.
    pub name: String,
    /// First characters of the key, by which its owner recognizes it.
    pub prefix: String,
    /// SHA-256 of the key, by which a presented key is verified.
    pub hash: [u8; 32],
    /// Scopes; empty means `KeyScope::DEFAULT`.
    pub scopes: Vec<KeyScope>,
    /// Budgets and restrictions of the key.
    pub limits: KeyLimits,
    /// Creation time.
    pub created: Timestamp,
    /// Last use, to the minute; `None` if the key has not been used.
    pub last_used: Option<Timestamp>,
    /// Expiry; `None` for a key that is valid until deleted.
    pub expires_at: Option<Timestamp>,
}

/// The authenticated caller of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account that sent the request.
    pub user: UserId,
    /// What the account may do.
    pub role: Role,
    /// The session, if the credential was a session (cookie or JWT).
    pub session: Option<SessionId>,
    /// The API key, if the credential was a key.
    pub key: Option<PresentedKey>,
}

impl Caller {
    /// Creates a caller for actions that the server takes on a user's behalf.
    pub fn for_user(user: UserId, role: Role) -> Self {
        Self {
            user,
            role,
            session: None,
            key: None,
        }
    }
}

/// An email address in the form that is stored and compared. Only `parse` creates one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Trims, normalizes (NFC), lowercases, and validates an address. Normalization is needed because
    /// keyboards encode the same letter in different ways, even in international domains. Checks only the
    /// shape that every deliverable address has rather than all of RFC 5322, because the only real test of an
    /// address is to send an email to it.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > 1_024 {
            return None;
        }
        let text: String = text.trim().nfc().collect();
        let (local, domain) = text.rsplit_once('@')?;
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        };
        let is_valid_local = !local.is_empty()
            && local.len() <= 64
            && text.len() <= 254
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && local
                .chars()
                .all(|c| c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c))
            && domain.contains('.')
            && domain.split('.').all(label);
        is_valid_local.then(|| Self(text.to_lowercase()))
    }
    /// Returns the normalized address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_validated() {
        for good in [
            "a@b.co",
            " Ada.Lovelace+x@Example.ORG ",
            "jürgen@münchen.de",
        ] {
            assert!(Email::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "a",
            "a@b",
            "@b.co",
            "a@",
            "a b@c.de",
            "a@-b.de",
            "a@b..de",
            ".a@b.de",
            "a@b.de\r\nBcc: x@y.z",
            "<a@b.de>",
        ] {
            assert!(Email::parse(bad).is_none(), "{bad}");
        }
        // The same letter as one code point and as two gives the same address.
        assert_eq!(
            Email::parse("ju\u{308}rgen@mu\u{308}nchen.de"),
            Email::parse("j\u{fc}rgen@m\u{fc}nchen.de")
        );
        assert_eq!(
            Email::parse(" A@B.Co ")
                .map(|e| e.as_str().to_owned())
                .as_deref(),
            Some("a@b.co")
        );
    }
}
