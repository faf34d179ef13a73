//! Device tokens (OWASP, "Slow Down Online Guessing Attacks with Device Cookies"): proof that a browser has signed
//! in to an account before. A token contains the account, the device, a fingerprint of the account's password, and
//! an HMAC over the three. Nothing is stored. A token grants no access; it only spares its holder from waiting
//! behind other people's attempts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use super::{derive, same};

/// Signs and reads device tokens.
pub struct DeviceTokens {
    seal: hmac::Key,
    mark: hmac::Key,
}

/// The contents of a token that we signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceToken<'a> {
    /// The whole token.
    pub text: &'a str,
    /// Account ID.
    pub user: &'a str,
    /// Device ID.
    pub device: &'a str,
    mark: &'a str,
}

/// Length limit of a token, in bytes.
const MAX_BYTES: usize = 200;
/// Length of the password's fingerprint, in bytes before encoding.
const MARK_BYTES: usize = 12;

impl DeviceTokens {
    /// Derives the keys from the installation's secret.
    pub fn new(secret: &str) -> Self {
        let key = |purpose| hmac::Key::new(hmac::HMAC_SHA256, &derive(secret, purpose));
        Self {
            seal: key("device"),
            mark: key("device password"),
        }
    }

    /// Returns the token of a device for an account with this password hash.
    pub fn token(&self, user: &str, device: &str, password_hash: &str) -> String {
        let mut token = format!("{user}.{device}.{}", self.mark(password_hash));
        let seal = hmac::sign(&self.seal, token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(seal, &mut token);
        token
    }

    /// Reads a token, or `None` unless we signed it.
    pub fn read<'a>(&self, text: &'a str) -> Option<DeviceToken<'a>> {
        let (sealed, seal) = text.rsplit_once('.').filter(|_| text.len() <= MAX_BYTES)?;
        let seal = URL_SAFE_NO_PAD.decode(seal).ok()?;
        hmac::verify(&self.seal, sealed.as_bytes(), &seal).ok()?;
        let (owner, mark) = sealed.rsplit_once('.')?;
        let (user, device) = owner.rsplit_once('.')?;
        Some(DeviceToken {
            text,
            user,
            device,
            mark,
        })
    }

    /// Whether the account's password is still the one for which the token was issued.
    pub fn is_current(&self, token: &DeviceToken<'_>, password_hash: &str) -> bool {
        same(token.mark.as_bytes(), self.mark(password_hash).as_bytes())
    }

    /// Keyed, so that it reveals nothing about the password.
    fn mark(&self, password_hash: &str) -> String {
        let mark = hmac::sign(&self.mark, password_hash.as_bytes());
        URL_SAFE_NO_PAD.encode(&mark.as_ref()[..MARK_BYTES])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_tokens_are_read() {
        let tokens = DeviceTokens::new("secret");
        let text = tokens.token("user_1", "session_1", "hash");
        let token = tokens.read(&text).expect("ours");
        assert_eq!((token.user, token.device), ("user_1", "session_1"));
        assert!(tokens.is_current(&token, "hash"));
        assert!(!tokens.is_current(&token, "hash of another password"));
        for bad in [
            String::new(),
            "...".into(),
            text.replace("user_1", "user_2"),
            text.replace("session_1", "session_2"),
            format!("{text}A"),
            text[1..].to_owned(),
            DeviceTokens::new("other").token("user_1", "session_1", "hash"),
            "a".repeat(MAX_BYTES + 1),
        ] {
            assert_eq!(tokens.read(&bad), None, "{bad}");
        }
    }

    #[test]
    fn other_tokens_of_ours_are_not_device_tokens() {
        let refresh = super::super::refresh::RefreshTokens::new("secret").token("session_1", 0);
        assert_eq!(DeviceTokens::new("secret").read(&refresh), None);
    }
}
