//! Device tokens (OWASP, "Slow Down Online Guessing Attacks with Device Cookies"): proof that a browser has signed in
//! to an account before. A token contains the account, the device, a fingerprint of the account's password, and an HMAC
//! over these three. The server stores nothing. A token grants no access; it only keeps other people's sign-in attempts
//! from delaying those of this browser.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use super::{constant_time_eq, derive};

/// Signs and reads device tokens.
pub struct DeviceTokens {
    mac: hmac::Key,
    fingerprint: hmac::Key,
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
    fingerprint: &'a str,
}

/// Maximum length of a token, in bytes.
const MAX_BYTES: usize = 200;
/// Length of the password's fingerprint before encoding, in bytes.
const FINGERPRINT_BYTES: usize = 12;

impl DeviceTokens {
    /// Derives the keys from the installation's secret.
    pub fn new(secret: &str) -> Self {
        let key = |purpose| hmac::Key::new(hmac::HMAC_SHA256, &derive(secret, purpose));
        Self {
            mac: key("device"),
            fingerprint: key("device password"),
        }
    }

    /// Returns the token of a device for an account with this password hash.
    pub fn token(&self, user: &str, device: &str, password_hash: &str) -> String {
        let mut token = format!("{user}.{device}.{}", self.fingerprint(password_hash));
        let mac = hmac::sign(&self.mac, token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(mac, &mut token);
        token
    }

    /// Parses and verifies a token. Returns `None` if it is too long or we did not sign it.
    pub fn read<'a>(&self, text: &'a str) -> Option<DeviceToken<'a>> {
        let (signed, mac) = text.rsplit_once('.').filter(|_| text.len() <= MAX_BYTES)?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        hmac::verify(&self.mac, signed.as_bytes(), &mac).ok()?;
        let (owner, fingerprint) = signed.rsplit_once('.')?;
        let (user, device) = owner.rsplit_once('.')?;
        Some(DeviceToken {
            text,
            user,
            device,
            fingerprint,
        })
    }

    /// Returns whether the account's password is still the one for which the token was issued.
    pub fn is_current(&self, token: &DeviceToken<'_>, password_hash: &str) -> bool {
        constant_time_eq(
            token.fingerprint.as_bytes(),
            self.fingerprint(password_hash).as_bytes(),
        )
    }

    /// Returns a keyed hash of the password hash. It reveals nothing about the password.
    fn fingerprint(&self, password_hash: &str) -> String {
        let fingerprint = hmac::sign(&self.fingerprint, password_hash.as_bytes());
        URL_SAFE_NO_PAD.encode(&fingerprint.as_ref()[..FINGERPRINT_BYTES])
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
