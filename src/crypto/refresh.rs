//! Refresh tokens: a session ID, the number of renewals, and an HMAC over both. A token's successor can be recomputed,
//! so a client that lost a response and two tabs that refresh at once all get the same successor. An old token can be
//! distinguished from a forged one, so reuse is detected.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use super::derive;

/// Signs and reads refresh tokens.
pub struct RefreshTokens(hmac::Key);

/// Maximum length of a token, in bytes.
const MAX_BYTES: usize = 200;

impl RefreshTokens {
    /// Derives the key from the installation's secret.
    pub fn new(secret: &str) -> Self {
        Self(hmac::Key::new(
            hmac::HMAC_SHA256,
            &derive(secret, "refresh"),
        ))
    }

    /// Returns a session's token after the given number of renewals.
    pub fn token(&self, session: &str, renewals: u64) -> String {
        let mut token = format!("{session}.{renewals}");
        let mac = hmac::sign(&self.0, token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(mac, &mut token);
        token
    }

    /// Verifies a token and returns its session ID and number of renewals. Returns `None` if the token is too long or
    /// we did not sign it.
    pub fn read<'a>(&self, token: &'a str) -> Option<(&'a str, u64)> {
        let (signed, mac) = token
            .rsplit_once('.')
            .filter(|_| token.len() <= MAX_BYTES)?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        hmac::verify(&self.0, signed.as_bytes(), &mac).ok()?;
        let (session, renewals) = signed.rsplit_once('.')?;
        Some((session, renewals.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_tokens_are_read() {
        let refresh = RefreshTokens::new("secret");
        let token = refresh.token("session_1", 7);
        assert_eq!(refresh.read(&token), Some(("session_1", 7)));
        assert_eq!(token, refresh.token("session_1", 7), "the same again");
        for bad in [
            String::new(),
            "..".into(),
            token.replace(".7.", ".8."),
            token.replace("_1", "_2"),
            format!("{token}A"),
            RefreshTokens::new("other").token("session_1", 7),
            "a".repeat(MAX_BYTES + 1),
        ] {
            assert_eq!(refresh.read(&bad), None, "{bad}");
        }
    }
}
