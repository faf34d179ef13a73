//! Password rules based on NIST SP 800-63B: a minimum length and a list of common passwords, but no composition
//! rules.

use unicode_normalization::UnicodeNormalization as _;

/// Minimum length of a password, in characters.
pub const MIN_CHARS: usize = 8;
/// Maximum length in bytes, which limits the cost of hashing.
const MAX_BYTES: usize = 1024;

/// Why a password is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeakPassword {
    /// Shorter than 8 characters.
    TooShort,
    /// Longer than 1,024 bytes.
    TooLong,
    /// Among the most common passwords, a variation of one, a keyboard sequence, or a repetition of few characters.
    Common,
}

impl WeakPassword {
    /// Returns the message for the user.
    pub fn message(self) -> &'static str {
        match self {
            Self::TooShort => "the password needs at least 8 characters",
            Self::TooLong => "the password can have at most 1024 bytes",
            Self::Common => "the password is among the most common ones; choose another",
        }
    }
}

/// Returns the form (NFC) in which a password is hashed and compared, because keyboards encode the same
/// letter in different ways.
pub fn normalize(password: &str) -> String {
    // Longer passwords never match anyway; truncating them limits the work.
    let end = password.floor_char_boundary(4 * MAX_BYTES);
    password[..end].nfc().collect()
}

/// Checks a new password against the rules.
///
/// # Errors
/// Returns the rule that the password violates.
pub fn check_password(password: &str) -> Result<(), WeakPassword> {
    if password.len() > MAX_BYTES {
        return Err(WeakPassword::TooLong);
    }
    let password = normalize(password);
    if password.chars().count() < MIN_CHARS {
        return Err(WeakPassword::TooShort);
    }
    match is_common(&password) {
        true => Err(WeakPassword::Common),
        false => Ok(()),
    }
}

/// Stems of the most common passwords: `Password1!`, `P@ssw0rd`, and `password` have the same stem.
#[rustfmt::skip]
const COMMON_PASSWORDS: &[&str] = &[
    "password", "passwort", "passphrase", "mypassword", "thepassword", "qwerty", "qwertyuiop", "qwertyui", "azerty",
    "azertyuiop", "qwertz", "letmein", "letmeinnow", "welcome", "welcomehome", "admin", "administrator", "iloveyou",
    "iloveu", "loveyou", "lovely", "monkey", "dragon", "football", "baseball", "basketball", "hockey", "soccer",
    "sunshine", "princess", "superman", "batman", "spiderman", "pokemon", "trustno", "trustnoone", "master", "shadow",
    "michael", "jordan", "jennifer", "jessica", "michelle", "ashley", "daniel", "charlie", "andrew", "thomas",
    "robert", "george", "william", "nicole", "amanda", "summer", "winter", "spring", "autumn", "january", "february",
    "march", "april", "august", "september", "october", "november", "december", "monday", "friday", "sunday",
    "changeme", "changeit", "secret", "topsecret", "default", "login", "starwars", "whatever", "freedom", "computer",
    "internet", "hello", "helloworld", "abc", "abcd", "abcdef", "asdf", "asdfgh", "asdfghjkl", "asdfasdf", "zxcvbn",
    "zxcvbnm", "qazwsx", "qazwsxedc", "test", "testtest", "testing", "guest", "root", "toor", "user", "pass",
    "passpass", "access", "mustang", "corvette", "ferrari", "porsche", "mercedes", "harley", "yamaha", "matrix",
    "phoenix", "samsung", "google", "facebook", "linkedin", "myspace", "youtube", "microsoft", "windows", "apple",
    "cheese", "chocolate", "cookie", "pepper", "ginger", "butterfly", "flower", "rainbow", "purple", "orange",
    "banana", "blink", "killer", "hunter", "ranger", "thunder", "knight", "warrior", "wizard", "maverick", "cowboy",
    "steelers", "yankees", "lakers", "liverpool", "chelsea", "arsenal", "barcelona", "manchester", "juventus",
    "victoria", "elizabeth", "alexander", "christian", "anthony", "matthew", "joshua", "samantha", "diamond",
    "scooter", "buster", "tigger", "snoopy", "mickey", "donald", "garfield", "pookie", "bailey", "maggie", "sophie",
    "oliver", "silver", "golden", "gold", "angel", "heaven", "jesus", "christ", "jesuschrist", "blessed", "forever",
    "family", "mother", "father", "brother", "sister", "daughter", "babygirl", "babyboy", "sweetheart", "honey",
    "beautiful", "playboy", "fuckyou", "fuckoff", "bullshit", "asshole", "biteme", "nothing", "something",
    "everything", "nopassword", "unknown", "company", "business", "service", "server", "database", "oracle", "cisco",
    "quire", "quirequire", "dallas", "london", "berlin", "paris", "america", "canada", "australia", "germany",
    "france", "england", "schatz", "hallo", "sommer", "geheim", "bonjour", "soleil", "azertyui", "doudou", "loulou",
    "chouchou", "motdepasse", "contrasena", "hola", "amor", "teamo", "tequiero", "senha", "parola",
];

/// Sequences on keyboards and in the alphabet. A password that is part of one, forward or backward, is too weak.
const KEYBOARD_RUNS: &[&str] = &[
    "01234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "q1w2e3r4t5y6u7i8o9p0",
    "1q2w3e4r5t6y7u8i9o0p",
];

fn is_common(password: &str) -> bool {
    let lower = password.to_lowercase();
    let letters: Vec<char> = lower.chars().collect();
    let distinct = letters.iter().collect::<std::collections::BTreeSet<_>>();
    if distinct.len() < 4 || is_keyboard_run(&lower) || is_repeated(&letters) {
        return true;
    }
    // Remove digits and punctuation from the ends, because adding a year, for example, hardly makes a password harder
    // to guess.
    let word = lower.trim_end_matches(|c: char| !c.is_alphabetic());
    [word, word.trim_start_matches(|c: char| !c.is_alphabetic())]
        .iter()
        .any(|word| {
            let plain: String = word.chars().map(from_leetspeak).collect();
            COMMON_PASSWORDS.contains(&plain.as_str())
        })
}

/// Whether the whole text is part of a sequence, forward or backward.
fn is_keyboard_run(text: &str) -> bool {
    let reversed: String = text.chars().rev().collect();
    KEYBOARD_RUNS
        .iter()
        .any(|run| run.contains(text) || run.contains(&reversed))
}

/// Whether the text is a repetition of a piece of at most 4 characters.
fn is_repeated(letters: &[char]) -> bool {
    (1..=4).any(|length| {
        letters.len().is_multiple_of(length)
            && letters
                .chunks(length)
                .all(|piece| *piece == letters[..length])
    })
}

fn from_leetspeak(character: char) -> char {
    match character {
        '@' | '4' => 'a',
        '$' | '5' => 's',
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '7' => 't',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_passwords_name_the_violated_rule() {
        for (password, expected) in [
            ("Ab1!", Err(WeakPassword::TooShort)),
            ("Password1!", Err(WeakPassword::Common)),
            ("P@ssw0rd2024", Err(WeakPassword::Common)),
            ("Welcome123!", Err(WeakPassword::Common)),
            ("12345678", Err(WeakPassword::Common)),
            ("abcdefghijk", Err(WeakPassword::Common)),
            ("lkjhgfdsa", Err(WeakPassword::Common)),
            ("11111111", Err(WeakPassword::Common)),
            ("ab12ab12ab12", Err(WeakPassword::Common)),
            // These are accepted because only length counts: there are no composition rules.
            ("correct horse battery staple", Ok(())),
            ("unrelatedwordsonly", Ok(())),
            ("72904183365", Ok(())),
            ("Tr4verse-Orchid", Ok(())),
            ("TestPassword123!", Ok(())),
            ("пароль-Каша9", Ok(())),
        ] {
            assert_eq!(check_password(password), expected, "{password}");
        }
        assert_eq!(
            check_password(&"aB1-".repeat(300)),
            Err(WeakPassword::TooLong)
        );
    }

    #[test]
    fn the_same_letters_are_the_same_password() {
        assert_eq!(normalize("cafe\u{301}"), "caf\u{e9}");
        assert_eq!(normalize(&"\u{e9}".repeat(5_000)).len(), 4 * MAX_BYTES);
    }
}
