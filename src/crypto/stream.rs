//! Encrypts files of any length: AES-256-GCM in chunks. Each chunk is bound to its position in the file, and the last
//! one is marked, following "STREAM" (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption and its
//! Nonce-Reuse Misuse-Resistance, 2015). Never returns a byte that was not authenticated.

use std::io::{self, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{self, LessSafeKey};

use super::{Error, derive, hex, random};

const STREAM_MAGIC: &[u8; 8] = b"QSEALED1";
/// Number of plaintext bytes per chunk.
const CHUNK_BYTES: usize = 64 * 1024;
/// Length of the random salt from which a file's key is derived, in bytes.
const SALT_BYTES: usize = 16;

/// Encrypts and decrypts files with one key.
pub struct StreamCipher(String);

impl StreamCipher {
    /// Creates a cipher from a 32-byte key in base64 or hexadecimal, such as the output of `openssl rand -base64 32`.
    /// Returns `None` if the text is not such a key.
    pub fn new(key: &str) -> Option<Self> {
        let key = key.trim();
        let digits = |text: &str| {
            let pairs = text.as_bytes().chunks(2);
            let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
            pairs.map(byte).collect::<Option<Vec<u8>>>()
        };
        let bytes = match key.len() {
            64 => digits(key)?,
            _ => STANDARD.decode(key).ok()?,
        };
        (bytes.len() == 32).then(|| Self(hex(&bytes)))
    }

    /// Derives the key of one file. Every file has its own key, so that its chunks can be numbered from 0.
    fn key(&self, name: &str, salt: &[u8]) -> LessSafeKey {
        let purpose = format!("sealed file\0{name}\0{}", hex(salt));
        let key = aead::UnboundKey::new(&aead::AES_256_GCM, &derive(&self.0, &purpose))
            .expect("the derived key has the 32 bytes that AES-256 needs");
        LessSafeKey::new(key)
    }

    /// Encrypts all bytes of `from` into `to`. The result can be decrypted only with the same `name`.
    ///
    /// # Errors
    /// Returns an error if reading or writing fails, no randomness is available, or the file has too many chunks.
    pub fn seal(&self, name: &str, mut from: impl Read, mut to: impl Write) -> io::Result<()> {
        let salt = random::<SALT_BYTES>().map_err(io::Error::other)?;
        to.write_all(STREAM_MAGIC)?;
        to.write_all(&salt)?;
        let key = self.key(name, &salt);
        let mut chunk = read_full(&mut from, CHUNK_BYTES)?;
        for number in 0.. {
            let next = read_full(&mut from, CHUNK_BYTES)?;
            let nonce = nonce(number, next.is_empty())?;
            key.seal_in_place_append_tag(nonce, aead::Aad::empty(), &mut chunk)
                .map_err(|_| io::Error::other(Error::Refused))?;
            to.write_all(&chunk)?;
            if next.is_empty() {
                break;
            }
            chunk = next;
        }
        to.flush()
    }

    /// Starts decrypting a file that was encrypted with the same name. The returned reader fails with `InvalidData` if
    /// the file was modified, truncated, or encrypted with another key or name.
    ///
    /// # Errors
    /// Returns an error if reading fails, or `InvalidData` if the file does not begin with our header.
    pub fn open<R: Read>(&self, name: &str, mut from: R) -> io::Result<DecryptingReader<R>> {
        let head = read_full(&mut from, STREAM_MAGIC.len() + SALT_BYTES)?;
        let salt = head
            .strip_prefix(STREAM_MAGIC)
            .filter(|salt| salt.len() == SALT_BYTES)
            .ok_or_else(decryption_error)?;
        let key = self.key(name, salt);
        let next = read_full(&mut from, CHUNK_BYTES + aead::AES_256_GCM.tag_len())?;
        Ok(DecryptingReader {
            reader: from,
            key,
            next_chunk: next,
            plaintext: io::Cursor::default(),
            number: 0,
        })
    }
}

/// Reader that decrypts and authenticates a file chunk by chunk.
pub struct DecryptingReader<R> {
    reader: R,
    key: LessSafeKey,
    next_chunk: Vec<u8>,
    plaintext: io::Cursor<Vec<u8>>,
    number: u32,
}

impl<R: Read> Read for DecryptingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.plaintext.read(buffer)?;
            if count > 0 || buffer.is_empty() || (self.next_chunk.is_empty() && self.number > 0) {
                return Ok(count);
            }
            let mut chunk = std::mem::take(&mut self.next_chunk);
            self.next_chunk =
                read_full(&mut self.reader, CHUNK_BYTES + aead::AES_256_GCM.tag_len())?;
            let nonce = nonce(self.number, self.next_chunk.is_empty())?;
            let plaintext = self
                .key
                .open_in_place(nonce, aead::Aad::empty(), &mut chunk);
            let length = plaintext.map_err(|_| decryption_error())?.len();
            chunk.truncate(length);
            self.number += 1;
            self.plaintext = io::Cursor::new(chunk);
        }
    }
}

/// Returns the size, in bytes, that a file of this many bytes has after encryption.
pub fn sealed_size(bytes: u64) -> u64 {
    let pieces = bytes.div_ceil(CHUNK_BYTES as u64).max(1);
    let tag = aead::AES_256_GCM.tag_len() as u64;
    (STREAM_MAGIC.len() + SALT_BYTES) as u64 + bytes + pieces * tag
}

fn decryption_error() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "encrypted with another key, or modified since",
    )
}

fn nonce(number: u32, is_last: bool) -> io::Result<aead::Nonce> {
    let mut nonce = [0; aead::NONCE_LEN];
    nonce[..4].copy_from_slice(&number.to_be_bytes());
    nonce[4] = u8::from(is_last);
    if number == u32::MAX {
        return Err(io::Error::other("the file is too long to be encrypted"));
    }
    Ok(aead::Nonce::assume_unique_for_key(nonce))
}

/// Reads up to `max_bytes` bytes. Returns fewer only at the end of the input.
fn read_full(from: &mut impl Read, max_bytes: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(max_bytes);
    from.take(max_bytes as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEST_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn sealed(bytes: &[u8]) -> Vec<u8> {
        let mut to = Vec::new();
        StreamCipher::new(TEST_KEY)
            .unwrap()
            .seal("a", bytes, &mut to)
            .unwrap();
        to
    }

    fn opened(key: &str, name: &str, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        StreamCipher::new(key)
            .unwrap()
            .open(name, bytes)?
            .read_to_end(&mut plain)?;
        Ok(plain)
    }

    #[test]
    fn keys_are_parsed() {
        let hexadecimal = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
        assert_eq!(opened(hexadecimal, "a", &sealed(b"x")).unwrap(), b"x");
        for bad in ["", "short", "AAECAwQ=", &"g".repeat(64), &"é".repeat(32)] {
            assert!(StreamCipher::new(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn every_length_round_trips_and_every_change_is_detected() {
        for length in [
            0,
            1,
            CHUNK_BYTES - 1,
            CHUNK_BYTES,
            CHUNK_BYTES + 1,
            2 * CHUNK_BYTES,
            3 * CHUNK_BYTES + 7,
        ] {
            let bytes: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let file = sealed(&bytes);
            assert_eq!(sealed_size(length as u64), file.len() as u64);
            assert_eq!(opened(TEST_KEY, "a", &file).unwrap(), bytes, "{length}");
            assert!(opened(TEST_KEY, "b", &file).is_err(), "{length}");
            for cut in [
                0,
                7,
                24,
                30,
                CHUNK_BYTES,
                CHUNK_BYTES + 40,
                CHUNK_BYTES + 41,
                file.len() - 1,
            ] {
                if cut < file.len() {
                    assert!(
                        opened(TEST_KEY, "a", &file[..cut]).is_err(),
                        "{length} {cut}"
                    );
                }
            }
            for at in [3, 12, 24, file.len() - 1] {
                let mut changed_file = file.clone();
                changed_file[at] ^= 1;
                assert!(
                    opened(TEST_KEY, "a", &changed_file).is_err(),
                    "{length} {at}"
                );
            }
            assert!(
                opened(TEST_KEY, "a", &[&file[..], b"x"].concat()).is_err(),
                "{length}"
            );
        }
        let other = "BBECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        assert!(opened(other, "a", &sealed(b"x")).is_err());
        assert_ne!(sealed(b"x"), sealed(b"x"));
    }
}
