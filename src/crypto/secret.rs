//! The installation's secret if none is configured: a file in the data folder, readable only by its owner and created
//! at the first start.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{derive, hex, random};

/// Minimum length of a secret, in bytes.
const MIN_BYTES: usize = 16;
/// Maximum size of the file, in bytes.
const MAX_BYTES: u64 = 4096;

/// Why the secret's file is unusable.
#[derive(Debug)]
pub enum Unusable {
    /// The file is empty.
    Empty,
    /// The secret is too short.
    Short,
    /// The file does not contain exactly one line of text.
    NotText,
    /// The file cannot be read or created.
    Failed(io::Error),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty"),
            Self::Short => write!(f, "holds fewer than {MIN_BYTES} characters"),
            Self::NotText => f.write_str("does not hold one line of text"),
            Self::Failed(error) => write!(f, "cannot be used: {error}"),
        }
    }
}

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// Returns the path of a data folder's secret file.
pub fn path(folder: &Path) -> PathBuf {
    folder.join("secret")
}

/// Reads a data folder's secret. The first call creates it. If two processes create it at the same time, both read the
/// secret of the one that came first.
///
/// # Errors
/// [`Unusable`] when the file cannot be created or read, or does not contain a valid secret.
pub fn read_or_create(folder: &Path) -> Result<String, Unusable> {
    let path = path(folder);
    if !path.exists() {
        create(folder, &path)?;
    }
    let mut bytes = Vec::new();
    File::open(&path)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)?;
    let is_long = bytes.len() as u64 > MAX_BYTES;
    let text = String::from_utf8(bytes).map_err(|_| Unusable::NotText)?;
    match text.trim() {
        "" => Err(Unusable::Empty),
        text if is_long || text.chars().any(char::is_control) => Err(Unusable::NotText),
        text if text.len() < MIN_BYTES => Err(Unusable::Short),
        text => Ok(text.to_owned()),
    }
}

/// Returns a fingerprint that identifies a secret without revealing it.
pub fn check_value(secret: &str) -> String {
    hex(&derive(secret, "check")[..16])
}

fn create(folder: &Path, path: &Path) -> io::Result<()> {
    let no_randomness = |error| io::Error::other(format!("{error}"));
    let secret = hex(&random::<32>().map_err(no_randomness)?);
    let temporary = folder.join(format!(
        ".secret-{}",
        hex(&random::<8>().map_err(no_randomness)?)
    ));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    let written = file
        .write_all(format!("{secret}\n").as_bytes())
        .and_then(|()| file.sync_all())
        // A link is used instead of a rename, because it does not replace an existing file.
        .and_then(|()| std::fs::hard_link(&temporary, path));
    std::fs::remove_file(&temporary)?;
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        // Without this fsync, a crash could lose the directory entry, and with it everything signed so far.
        Ok(()) => File::open(folder)?.sync_all(),
    }
}

/// Returns whether other users of this machine can access the secret's file.
///
/// # Errors
/// Returns an error if the file's metadata cannot be read.
pub fn is_exposed(folder: &Path) -> io::Result<bool> {
    Ok(std::fs::metadata(path(folder))?.mode() & 0o077 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_created_once_for_its_owner_only() {
        let folder = std::env::temp_dir().join(format!("quire-secret-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let first = read_or_create(&folder).expect("made");
        assert_eq!(first.len(), 64);
        assert_eq!(read_or_create(&folder).expect("read"), first);
        assert!(!is_exposed(&folder).expect("there"));
        assert_eq!(std::fs::read_dir(&folder).expect("a folder").count(), 1);
        for (bytes, why) in [
            (&b""[..], "is empty"),
            (b" \n", "is empty"),
            (b"short", "holds fewer than 16 characters"),
            (
                b"\xff\xfe0123456789abcdef",
                "does not hold one line of text",
            ),
            (b"0123456789\n0123456789", "does not hold one line of text"),
            (&[b'a'; 5000], "does not hold one line of text"),
        ] {
            std::fs::write(path(&folder), bytes).expect("written");
            let message = read_or_create(&folder).expect_err("refused").to_string();
            assert_eq!(message, why);
        }
        std::fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn a_check_value_distinguishes_secrets() {
        let value = check_value("0123456789abcdef");
        assert_eq!(value, check_value("0123456789abcdef"));
        assert_ne!(value, check_value("0123456789abcdeg"));
        assert_eq!(value.len(), 32);
    }
}
