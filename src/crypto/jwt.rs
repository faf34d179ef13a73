//! Access tokens for API clients: JWTs signed with HS256. The header must equal ours exactly; its `alg` is never
//! interpreted. Callers must check whether the token's session still exists.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};

use super::derive;
use crate::domain::time::Timestamp;

/// The payload of an access token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Account ID.
    pub sub: String,
    /// Session ID.
    pub sid: String,
    /// Token ID.
    pub jti: String,
    /// Issue time, in seconds since the Unix epoch.
    pub iat: i64,
    /// Expiry, in seconds since the Unix epoch.
    pub exp: i64,
    /// The token's purpose. We sign only tokens with the purpose `access`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// Why a token was rejected. Callers answer every variant with the same response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRejected {
    /// The token is longer than the maximum length.
    Oversize,
    /// The token does not have three base64url parts, or its header is not ours.
    Malformed,
    /// The signature does not match.
    Forged,
    /// The token has expired, or was issued in the future.
    Expired,
    /// The token was signed for another purpose.
    WrongKind,
}

/// The only header we write; tokens with any other are rejected.
const JWT_HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
/// Maximum length of a token, in bytes.
const MAX_BYTES: usize = 2048;
/// Tolerated clock skew between machines, in seconds.
const LEEWAY_SECONDS: i64 = 30;

/// Signs and verifies tokens with one key.
pub struct Jwt {
    key: hmac::Key,
    header: String,
}

impl Jwt {
    /// Derives the key from the installation's secret.
    pub fn new(secret: &str) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &derive(secret, "jwt")),
            header: URL_SAFE_NO_PAD.encode(JWT_HEADER),
        }
    }

    /// Signs the claims and returns the token.
    pub fn sign(&self, claims: &Claims) -> String {
        let json = serde_json::to_vec(claims).expect("claims are strings and numbers");
        let mut token = format!("{}.{}", self.header, URL_SAFE_NO_PAD.encode(json));
        let signature = hmac::sign(&self.key, token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }

    /// Verifies a token and returns its claims.
    ///
    /// # Errors
    /// Returns a [`TokenRejected`] when the token is too long, malformed, not signed by us, expired, issued in the
    /// future, or of another kind.
    pub fn check(&self, token: &str, kind: &str, now: Timestamp) -> Result<Claims, TokenRejected> {
        if token.len() > MAX_BYTES {
            return Err(TokenRejected::Oversize);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenRejected::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenRejected::Malformed)?;
        if header != self.header {
            return Err(TokenRejected::Malformed);
        }
        let decode = |part: &str| {
            URL_SAFE_NO_PAD
                .decode(part)
                .map_err(|_| TokenRejected::Malformed)
        };
        hmac::verify(&self.key, signed.as_bytes(), &decode(signature)?)
            .map_err(|_| TokenRejected::Forged)?;
        let claims: Claims =
            serde_json::from_slice(&decode(claims)?).map_err(|_| TokenRejected::Malformed)?;
        if claims.exp <= now.seconds() || claims.iat > now.seconds() + LEEWAY_SECONDS {
            return Err(TokenRejected::Expired);
        }
        if claims.kind != kind {
            return Err(TokenRejected::WrongKind);
        }
        Ok(claims)
    }
}

impl Claims {
    /// Creates the claims of an access token that is valid for `length` from `now`.
    pub fn access(sub: &str, sid: &str, jti: String, now: Timestamp, length: Duration) -> Self {
        Self {
            sub: sub.to_owned(),
            sid: sid.to_owned(),
            jti,
            iat: now.seconds(),
            exp: (now + length).seconds(),
            kind: "access".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn claims() -> Claims {
        Claims::access(
            "user_1",
            "session_1",
            "j".into(),
            NOW,
            Duration::from_secs(900),
        )
    }

    fn encode(text: &str) -> String {
        URL_SAFE_NO_PAD.encode(text)
    }

    #[test]
    fn signed_tokens_are_verified() {
        let jwt = Jwt::new("a secret of some length");
        let token = jwt.sign(&claims());
        assert_eq!(jwt.check(&token, "access", NOW), Ok(claims()));
        assert_eq!(token.split('.').count(), 3);
    }

    #[test]
    fn expired_and_future_tokens_are_rejected() {
        let jwt = Jwt::new("s");
        let token = jwt.sign(&claims());
        for (seconds, expected) in [
            (-31, Err(TokenRejected::Expired)),
            (-30, Ok(claims())),
            (899, Ok(claims())),
            (900, Err(TokenRejected::Expired)),
        ] {
            let now = Timestamp::from_millis(NOW.millis() + seconds * 1000);
            assert_eq!(jwt.check(&token, "access", now), expected, "{seconds}");
        }
    }

    #[test]
    fn foreign_tokens_are_rejected() {
        let jwt = Jwt::new("s");
        let token = jwt.sign(&claims());
        let parts: Vec<_> = token.split('.').collect();
        let refresh = Claims {
            kind: "refresh".into(),
            ..claims()
        };
        let none = encode(r#"{"alg":"none","typ":"JWT"}"#);
        let other = encode(r#"{"alg":"HS512","typ":"JWT"}"#);
        let promoted = encode(
            &serde_json::to_string(&Claims {
                sub: "user_2".into(),
                ..claims()
            })
            .expect("json"),
        );
        for (token, expected) in [
            (String::new(), TokenRejected::Malformed),
            ("a.b".into(), TokenRejected::Malformed),
            ("..".into(), TokenRejected::Malformed),
            (format!("{none}.{}.", parts[1]), TokenRejected::Malformed),
            (
                format!("{none}.{}.{}", parts[1], parts[2]),
                TokenRejected::Malformed,
            ),
            (
                format!("{other}.{}.{}", parts[1], parts[2]),
                TokenRejected::Malformed,
            ),
            (format!("{}.{}.", parts[0], parts[1]), TokenRejected::Forged),
            (
                format!("{}.{promoted}.{}", parts[0], parts[2]),
                TokenRejected::Forged,
            ),
            (Jwt::new("other").sign(&claims()), TokenRejected::Forged),
            (format!("{token}.x"), TokenRejected::Malformed),
            (format!("{token}="), TokenRejected::Malformed),
            (jwt.sign(&refresh), TokenRejected::WrongKind),
            ("x".repeat(MAX_BYTES + 1), TokenRejected::Oversize),
        ] {
            assert_eq!(jwt.check(&token, "access", NOW), Err(expected), "{token}");
        }
    }
}
