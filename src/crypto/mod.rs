//! Password hashing, tokens, signatures, and encryption: the only folder that uses ring. Stores nothing except the file
//! with the secret, and makes no authorization decisions.

pub mod device;
pub mod jwt;
pub mod password;
pub mod pseudonym;
pub mod refresh;
pub mod secret;
pub mod sha256;
pub mod sigv4;
pub mod stream;
pub mod token;
pub mod vault;

use ring::rand::{SecureRandom, SystemRandom};

/// Why a cryptographic operation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The system's random number generator failed.
    NoRandomness,
    /// The data is malformed, was modified, or was made with another key.
    Refused,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Error::NoRandomness => "the system's random number generator failed",
            Error::Refused => "made with another key, or modified since",
        })
    }
}

impl std::error::Error for Error {}

/// Returns random bytes from the system.
///
/// # Errors
/// [`Error::NoRandomness`] when the system's generator fails.
pub fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::NoRandomness)?;
    Ok(bytes)
}

/// Returns a random 128-bit number, for use as an ID.
///
/// # Errors
/// [`Error::NoRandomness`] when the system's generator fails.
pub fn random_number() -> Result<u128, Error> {
    random().map(u128::from_ne_bytes)
}

/// Returns whether two byte strings are equal. The time depends only on their lengths, not on their contents.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    subtle::ConstantTimeEq::ct_eq(a, b).into()
}

/// Formats bytes as lowercase hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Derives a 32-byte key for one purpose from a secret of any length (HKDF-SHA256).
fn derive(secret: &str, purpose: &str) -> [u8; 32] {
    use ring::hkdf;
    let mut key = [0; 32];
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"quire")
        .extract(secret.as_bytes())
        .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|output_key| output_key.fill(&mut key))
        .expect("32 bytes are within what HKDF-SHA256 can give");
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_time_comparison_matches_equality() {
        for (a, b, expected) in [
            ("", "", true),
            ("ab", "ab", true),
            ("ab", "ac", false),
            ("ab", "abc", false),
            ("", "a", false),
        ] {
            assert_eq!(
                constant_time_eq(a.as_bytes(), b.as_bytes()),
                expected,
                "{a} {b}"
            );
        }
    }

    #[test]
    fn random_bytes_differ_and_keys_are_bound_to_a_purpose() {
        assert_ne!(random::<32>(), random::<32>());
        assert_ne!(derive("secret", "a"), derive("secret", "b"));
        assert_eq!(derive("secret", "a"), derive("secret", "a"));
        assert_eq!(hex(&[0, 0xab]), "00ab");
    }
}
