//! Accounts: e-mail addresses, roles, what a role may do, and which passwords are too weak.

use serde::{Deserialize, Serialize};

use super::id::{KeyId, SessionId, UserId};
use super::key::{Confines, Presented, Scope};
use super::time::Timestamp;

/// What a person may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, other people's accounts included.
    Admin,
    /// Their own things.
    User,
}

impl Role {
    /// The stored and shown name.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::User => "user",
        }
    }
    /// The inverse of `as_str`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "admin" => Some(Role::Admin),
            "user" => Some(Role::User),
            _ => None,
        }
    }
}

/// An account as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Lower-cased; unique.
    pub email: String,
    /// Shown in the pages; may be empty.
    pub name: String,
    /// PHC string with the algorithm and its parameters.
    pub password_hash: String,
    /// What it may do.
    pub role: Role,
    /// A disabled account can do nothing, but its things stay.
    pub disabled: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it last signed in.
    pub last_login: Option<Timestamp>,
}

/// A signed-in browser or program. One row lives through all rotations of its refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id, `sid` in the JWT.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// SHA-256 of the refresh token in force.
    pub refresh_hash: [u8; 32],
    /// SHA-256 of the one before, and when it was replaced: within the grace it may be used again.
    pub previous: Option<([u8; 32], Timestamp)>,
    /// When it was made.
    pub created: Timestamp,
    /// When the refresh token ends.
    pub expires: Timestamp,
    /// Set when it was ended by logout, reuse or a password change.
    pub revoked: Option<Timestamp>,
    /// What the client calls itself, cut to 200 characters.
    pub client: String,
}

/// A key for programs. The key itself is not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// Whose.
    pub user: UserId,
    /// What its owner calls it.
    pub name: String,
    /// Its first characters, to recognise it by.
    pub prefix: String,
    /// SHA-256 of the key.
    pub hash: [u8; 32],
    /// What it may be used for; empty means everything its owner may.
    pub scopes: Vec<Scope>,
    /// What it is confined to.
    pub confines: Confines,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last used, to the minute.
    pub last_used: Option<Timestamp>,
    /// When it ends; none for a key that lasts until it is deleted.
    pub expires: Option<Timestamp>,
}

/// Who is asking, once the credential has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account.
    pub user: UserId,
    /// What it may do.
    pub role: Role,
    /// Set when the credential was a session (cookie or JWT), not a key.
    pub session: Option<SessionId>,
    /// Set when the credential was a key.
    pub key: Option<Presented>,
}

impl Caller {
    /// Somebody for whom the server itself acts.
    pub fn of(user: UserId, role: Role) -> Self {
        Self {
            user,
            role,
            session: None,
            key: None,
        }
    }
}

/// An e-mail address in the form it is stored and compared. Only `parse` makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Trims and lower-cases. Checks the shape that every deliverable address has, not RFC 5322 in full:
    /// the only real test of an address is a mail to it.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (local, domain) = text.rsplit_once('@')?;
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        };
        let sound = !local.is_empty()
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
        sound.then(|| Self(text.to_lowercase()))
    }
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a password is not accepted. The text names the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeakPassword {
    /// Under 8 characters.
    TooShort,
    /// Over 1,024 bytes: hashing it would be a way to keep us busy.
    TooLong,
    /// Fewer than 3 of lower case, upper case, digit, other.
    TooPlain,
    /// Among the commonest.
    Common,
}

impl WeakPassword {
    /// A sentence for the person.
    pub fn message(self) -> &'static str {
        match self {
            Self::TooShort => "the password needs at least 8 characters",
            Self::TooLong => "the password may have at most 1024 bytes",
            Self::TooPlain => {
                "the password needs at least three of: lower case, upper case, digits, other characters"
            }
            Self::Common => "the password is among the most common ones; choose another",
        }
    }
}

/// Checks a new password against the rules of the contract.
pub fn check_password(password: &str) -> Result<(), WeakPassword> {
    if password.chars().count() < 8 {
        return Err(WeakPassword::TooShort);
    }
    if password.len() > 1024 {
        return Err(WeakPassword::TooLong);
    }
    if is_common(password) {
        return Err(WeakPassword::Common);
    }
    let has = |test: fn(char) -> bool| usize::from(password.chars().any(test));
    let classes = has(char::is_lowercase)
        + has(char::is_uppercase)
        + has(char::is_numeric)
        + has(|c| !c.is_alphanumeric());
    if classes < 3 {
        Err(WeakPassword::TooPlain)
    } else {
        Ok(())
    }
}

/// The stems of the commonest passwords: `Password1!`, `P@ssw0rd` and `password` have one stem.
const COMMON: &[&str] = &[
    "password",
    "passwort",
    "qwerty",
    "qwertyuiop",
    "azerty",
    "qwertz",
    "letmein",
    "welcome",
    "admin",
    "administrator",
    "iloveyou",
    "monkey",
    "dragon",
    "football",
    "baseball",
    "sunshine",
    "princess",
    "superman",
    "batman",
    "trustno",
    "master",
    "shadow",
    "michael",
    "jordan",
    "summer",
    "winter",
    "spring",
    "autumn",
    "changeme",
    "secret",
    "default",
    "login",
    "starwars",
    "whatever",
    "freedom",
    "computer",
    "internet",
    "hello",
    "abc",
    "abcd",
    "abcdef",
    "abcdefgh",
    "asdf",
    "asdfgh",
    "asdfghjkl",
    "zxcvbn",
    "zxcvbnm",
    "qazwsx",
    "test",
    "guest",
    "root",
    "user",
    "pass",
];

fn is_common(password: &str) -> bool {
    let lower = password.to_lowercase();
    let distinct = lower
        .chars()
        .collect::<std::collections::BTreeSet<_>>()
        .len();
    if distinct < 4 {
        return true;
    }
    // A year, digits or punctuation at the ends add nothing that a guesser does not try; nor does `@` for `a`.
    let word = lower.trim_end_matches(|c: char| !c.is_alphabetic());
    [word, word.trim_start_matches(|c: char| !c.is_alphabetic())]
        .iter()
        .any(|word| {
            let plain: String = word.chars().map(unleet).collect();
            COMMON.contains(&plain.as_str())
        })
}

fn unleet(character: char) -> char {
    match character {
        '@' | '4' => 'a',
        '$' | '5' => 's',
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '7' => 't',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
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
        assert_eq!(
            Email::parse(" A@B.Co ")
                .map(|e| e.as_str().to_owned())
                .as_deref(),
            Some("a@b.co")
        );
    }

    #[test]
    fn weak_passwords_name_their_rule() {
        for (password, expected) in [
            ("Ab1!", Err(WeakPassword::TooShort)),
            ("abcdefgh1jk", Err(WeakPassword::TooPlain)),
            ("Password1!", Err(WeakPassword::Common)),
            ("P@ssw0rd2024", Err(WeakPassword::Common)),
            ("Welcome123!", Err(WeakPassword::Common)),
            ("12345678", Err(WeakPassword::TooPlain)),
            ("11111111", Err(WeakPassword::Common)),
            ("Tr4verse-Orchid", Ok(())),
            ("TestPassword123!", Ok(())),
            ("пароль-Каша9", Ok(())),
        ] {
            assert_eq!(check_password(password), expected, "{password}");
        }
        assert_eq!(
            check_password(&"aB1-".repeat(300)),
            Err(WeakPassword::TooLong)
        );
    }
}
