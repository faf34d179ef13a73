//! Unguessable tokens for password resets, API keys, and share links. Only their hashes are stored. Plain SHA-256 is
//! enough, because the tokens have 256 bits of randomness, which makes brute force infeasible.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Error, random, sha256};

/// Prefix of every API key, by which people and secret scanners recognize it.
pub const KEY_PREFIX: &str = "quire_";

/// Generates a token: 256 random bits as 43 URL-safe characters.
///
/// # Errors
/// [`Error::NoRandomness`] when the system's generator fails.
pub fn new() -> Result<String, Error> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
}

/// Generates an API key: [`KEY_PREFIX`] followed by a token.
///
/// # Errors
/// [`Error::NoRandomness`] when the system's generator fails.
pub fn new_key() -> Result<String, Error> {
    Ok(format!("{KEY_PREFIX}{}", new()?))
}

/// Returns the SHA-256 of a token, which the database stores instead of the token.
pub fn hash(token: &str) -> [u8; 32] {
    sha256::hash(token.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_unique() {
        let (one, two) = (new().expect("randomness"), new().expect("randomness"));
        assert_eq!(one.len(), 43);
        assert_ne!(one, two);
        assert_ne!(hash(&one), hash(&two));
        assert!(
            one.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        );
        assert!(new_key().expect("randomness").starts_with(KEY_PREFIX));
    }
}
