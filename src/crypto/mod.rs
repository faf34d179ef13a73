//! Passwords, tokens, sealed secrets. The only folder that names ring. Stores nothing but the secret's
//! file and decides nothing about who may do what.

pub mod jwt;
pub mod password;
pub mod refresh;
pub mod secret;
pub mod sha256;
pub mod sigv4;
pub mod stream;
pub mod token;
pub mod vault;

use ring::rand::{SecureRandom, SystemRandom};

/// Why something could not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The system gave no randomness.
    NoRandomness,
    /// The text is not in the form it must have, or was changed, or belongs to another key.
    Refused,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Error::NoRandomness => "the system gave no randomness",
            Error::Refused => "not made with this key, or changed since",
        })
    }
}

impl std::error::Error for Error {}

/// Random bytes from the system.
pub fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::NoRandomness)?;
    Ok(bytes)
}

/// A random number: the chance in an id.
pub fn random_number() -> Result<u128, Error> {
    random().map(u128::from_ne_bytes)
}

/// Whether two byte strings are the same, in a time that does not tell where they differ.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    subtle::ConstantTimeEq::ct_eq(a, b).into()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A key of 32 bytes for one purpose, from a secret of any length.
fn derive(secret: &str, purpose: &str) -> [u8; 32] {
    use ring::hkdf;
    let mut key = [0; 32];
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"quire")
        .extract(secret.as_bytes())
        .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut key))
        .expect("32 bytes are within what HKDF-SHA256 can give");
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparison() {
        for (a, b, expected) in [
            ("", "", true),
            ("ab", "ab", true),
            ("ab", "ac", false),
            ("ab", "abc", false),
            ("", "a", false),
        ] {
            assert_eq!(same(a.as_bytes(), b.as_bytes()), expected, "{a} {b}");
        }
    }

    #[test]
    fn randomness_differs_and_keys_belong_to_a_purpose() {
        assert_ne!(random::<32>(), random::<32>());
        assert_ne!(derive("secret", "a"), derive("secret", "b"));
        assert_eq!(derive("secret", "a"), derive("secret", "a"));
        assert_eq!(hex(&[0, 0xab]), "00ab");
    }
}
