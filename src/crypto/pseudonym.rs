//! Pseudonyms: keyed hashes of accounts, addresses, and providers. All servers with the same secret compute the same
//! pseudonyms. Without the secret, a pseudonym reveals nothing.

use ring::hmac;

use super::{derive, hex};

/// Length of a pseudonym before hexadecimal encoding, in bytes.
const LENGTH: usize = 16;

/// Makes pseudonyms (HMAC-SHA256 with a key derived from the installation's secret).
pub struct Pseudonyms(hmac::Key);

impl Pseudonyms {
    /// Derives the key from the installation's secret.
    pub fn new(secret: &str) -> Self {
        let key = derive(secret, "shared limits");
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    /// Returns the pseudonym of a name, in hexadecimal.
    pub fn of(&self, name: &str) -> String {
        hex(&hmac::sign(&self.0, name.as_bytes()).as_ref()[..LENGTH])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pseudonyms_depend_on_the_secret_and_the_name() {
        let (one, other) = (Pseudonyms::new("one secret"), Pseudonyms::new("another"));
        assert_eq!(one.of("a@b.co"), Pseudonyms::new("one secret").of("a@b.co"));
        assert_eq!(one.of("a@b.co").len(), 2 * LENGTH);
        assert_ne!(one.of("a@b.co"), one.of("b@b.co"));
        assert_ne!(one.of("a@b.co"), other.of("a@b.co"));
    }
}
