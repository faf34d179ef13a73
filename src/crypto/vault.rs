//! Encrypts short secrets for the database: AES-256-GCM under a key derived from the installation's secret.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead;

use super::{Error, derive, random};

/// Encrypts and decrypts texts with one key.
pub struct Vault(aead::LessSafeKey);

impl Vault {
    /// Derives the key from the installation's secret.
    pub fn new(secret: &str) -> Self {
        let key = aead::UnboundKey::new(&aead::AES_256_GCM, &derive(secret, "vault"))
            .expect("the derived key has the 32 bytes that AES-256 needs");
        Self(aead::LessSafeKey::new(key))
    }

    /// Encrypts a text. The result can be decrypted only with the same `name`.
    ///
    /// # Errors
    /// [`Error::NoRandomness`] when no random nonce can be generated.
    pub fn seal(&self, name: &str, text: &str) -> Result<String, Error> {
        let nonce = random::<12>()?;
        let mut sealed = text.as_bytes().to_vec();
        self.0
            .seal_in_place_append_tag(
                aead::Nonce::assume_unique_for_key(nonce),
                aead::Aad::from(name.as_bytes()),
                &mut sealed,
            )
            .map_err(|_| Error::Refused)?;
        Ok(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// Decrypts a text that was encrypted with the same name.
    ///
    /// # Errors
    /// [`Error::Refused`] when the text was modified, is not UTF-8, or was encrypted with another key or name.
    pub fn open(&self, name: &str, sealed: &str) -> Result<String, Error> {
        let mut bytes = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| Error::Refused)?;
        let (nonce, rest) = bytes.split_first_chunk_mut::<12>().ok_or(Error::Refused)?;
        let nonce = aead::Nonce::assume_unique_for_key(*nonce);
        let text = self
            .0
            .open_in_place(nonce, aead::Aad::from(name.as_bytes()), rest)
            .map_err(|_| Error::Refused)?;
        String::from_utf8(text.to_vec()).map_err(|_| Error::Refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_key_and_name_decrypt() {
        let vault = Vault::new("secret");
        let sealed = vault.seal("openai", "sk-1").expect("randomness");
        assert_eq!(vault.open("openai", &sealed).as_deref(), Ok("sk-1"));
        assert_eq!(vault.open("groq", &sealed), Err(Error::Refused));
        assert_eq!(
            Vault::new("other").open("openai", &sealed),
            Err(Error::Refused)
        );
        for bad in ["", "AAAA", "!", &sealed[1..], &format!("{sealed}A")] {
            assert_eq!(vault.open("openai", bad), Err(Error::Refused), "{bad}");
        }
        assert_ne!(vault.seal("a", "b"), vault.seal("a", "b"), "nonces differ");
    }
}
