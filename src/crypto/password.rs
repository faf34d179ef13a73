//! Password hashes: PBKDF2-HMAC-SHA256 as PHC strings, which contain their parameters. Hashing is slow on purpose, so
//! it must not run on a runtime thread. PBKDF2 is used instead of Argon2, because glibc never returns the memory blocks
//! of Argon2 to the system.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::pbkdf2;

use super::{Error, random};

static ALGORITHM: pbkdf2::Algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
const ALGORITHM_NAME: &str = "pbkdf2-sha256";

/// Maximum number of PBKDF2 rounds accepted in a stored hash. We never write more, and verifying such a hash would
/// block all other sign-ins.
const MAX_ROUNDS: u32 = 100_000_000;

/// Hashes a password with a random salt: `$pbkdf2-sha256$i=600000$salt$hash`.
///
/// # Errors
/// [`Error::NoRandomness`] when no salt can be drawn.
pub fn hash(password: &str, rounds: u32) -> Result<String, Error> {
    Ok(with_salt(password, rounds, &random::<16>()?))
}

fn with_salt(password: &str, rounds: u32, salt: &[u8]) -> String {
    let rounds = NonZeroU32::new(rounds).unwrap_or(NonZeroU32::MIN);
    let mut hash = [0; 32];
    pbkdf2::derive(ALGORITHM, rounds, salt, password.as_bytes(), &mut hash);
    let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
    format!("${ALGORITHM_NAME}$i={rounds}${salt}${hash}")
}

/// Returns whether the password matches the hash. A malformed hash matches no password.
pub fn verify(password: &str, stored: &str) -> bool {
    parse(stored).is_some_and(|parts| {
        pbkdf2::verify(
            ALGORITHM,
            parts.rounds,
            &parts.salt,
            password.as_bytes(),
            &parts.hash,
        )
        .is_ok()
    })
}

/// Returns whether a hash was made with fewer than `rounds` rounds, or is malformed.
pub fn needs_rehash(stored: &str, rounds: u32) -> bool {
    parse(stored).is_none_or(|parts| parts.rounds.get() < rounds)
}

/// Returns a hash that matches no known password. It is verified when an account does not exist, so that such a sign-in
/// takes as long as one to an existing account.
pub fn dummy_hash(rounds: u32) -> String {
    let zeros = STANDARD_NO_PAD.encode([0; 32]);
    format!(
        "${ALGORITHM_NAME}$i={rounds}${}${zeros}",
        STANDARD_NO_PAD.encode([0; 16])
    )
}

struct PasswordHashParts {
    rounds: NonZeroU32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

fn parse(stored: &str) -> Option<PasswordHashParts> {
    let mut fields = stored.strip_prefix('$')?.split('$');
    if fields.next()? != ALGORITHM_NAME {
        return None;
    }
    let rounds: NonZeroU32 = fields.next()?.strip_prefix("i=")?.parse().ok()?;
    let salt = STANDARD_NO_PAD.decode(fields.next()?).ok()?;
    let hash = STANDARD_NO_PAD.decode(fields.next()?).ok()?;
    let is_valid = fields.next().is_none() && hash.len() == 32 && rounds.get() <= MAX_ROUNDS;
    is_valid.then_some(PasswordHashParts { rounds, salt, hash })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_a_published_test_vector() {
        // RFC 7914, section 11: PBKDF2-HMAC-SHA-256, password "passwd", salt "salt", 1 round.
        let expected = "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc";
        let hash = with_salt("passwd", 1, b"salt");
        assert!(hash.starts_with("$pbkdf2-sha256$i=1$c2FsdA$"), "{hash}");
        let parts = parse(&hash).expect("our own form");
        assert_eq!(crate::crypto::hex(&parts.hash), expected);
    }

    #[test]
    fn only_the_same_password_matches() {
        let stored_hash = hash("Tr4verse-Orchid", 10).expect("randomness");
        assert!(verify("Tr4verse-Orchid", &stored_hash));
        for wrong in ["", "tr4verse-Orchid", "Tr4verse-Orchid "] {
            assert!(!verify(wrong, &stored_hash), "{wrong}");
        }
        assert_ne!(hash("same", 10), hash("same", 10), "salts differ");
    }

    #[test]
    fn weak_parameters_require_a_new_hash() {
        let stored_hash = hash("x", 10).expect("randomness");
        assert!(needs_rehash(&stored_hash, 11));
        assert!(!needs_rehash(&stored_hash, 10));
        assert!(needs_rehash("", 1));
    }

    #[test]
    fn malformed_hashes_match_nothing() {
        let good = hash("x", 10).expect("randomness");
        for bad in [
            "",
            "x",
            "$pbkdf2-sha256$i=0$AAAA$AAAA",
            "$pbkdf2-sha256$i=10$AAAA$AAAA",
            &good.replace("sha256", "md5"),
            &good.replace("i=10", "i=4000000000"),
            &format!("{good}$"),
            &dummy_hash(10),
        ] {
            assert!(!verify("x", bad), "{bad}");
            assert!(!verify("", bad), "{bad}");
        }
    }
}
