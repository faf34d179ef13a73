//! SHA-256, in one call or incrementally.

use ring::digest;

/// Incremental hasher.
#[derive(Clone)]
pub struct Hasher(digest::Context);

impl Hasher {
    /// Creates an empty hasher.
    pub fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
    /// Adds bytes to the hash.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
    /// Returns the hash of all bytes.
    pub fn finish(self) -> [u8; 32] {
        bytes(&self.0.finish())
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

/// Hashes the bytes in one call.
pub fn hash(data: &[u8]) -> [u8; 32] {
    bytes(&digest::digest(&digest::SHA256, data))
}

fn bytes(digest: &digest::Digest) -> [u8; 32] {
    digest
        .as_ref()
        .try_into()
        .expect("a SHA-256 digest has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::hex;

    #[test]
    fn matches_the_published_example() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(&hash(b"abc")), expected);
        let mut pieces = Hasher::new();
        pieces.update(b"a");
        pieces.update(b"");
        pieces.update(b"bc");
        assert_eq!(hex(&pieces.finish()), expected);
    }
}
