//! Tokens nobody can guess: refresh tokens, reset tokens, API keys. Only their hash is ever stored; with
//! 256 bits of chance a plain SHA-256 is enough, since there is nothing to try out.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Error, random, sha256};

/// What every API key begins with, so that people and scanners recognise one.
pub const KEY_PREFIX: &str = "quire_";

/// 256 bits of chance in 43 characters that are safe in an address.
pub fn new() -> Result<String, Error> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
}

/// A new API key.
pub fn new_key() -> Result<String, Error> {
    Ok(format!("{KEY_PREFIX}{}", new()?))
}

/// What is stored in a token's place.
pub fn hash(token: &str) -> [u8; 32] {
    sha256::hash(token.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_differ() {
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
