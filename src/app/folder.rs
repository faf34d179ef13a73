//! The data folder: made for its owner only, locked by the one process that serves from it, and where in
//! it the database and the secret are.

use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::{Error, Kind, Result};
use crate::config::Config;
use crate::crypto::secret;
use crate::store::{Settings, Store};

/// What lies in an opened folder.
pub struct Opened {
    /// The database, brought up to date.
    pub store: Store,
    /// Signs tokens, seals keys, marks fences.
    pub secret: String,
}

/// Where the database of a data folder is.
pub fn database(folder: &Path) -> PathBuf {
    folder.join("quire.db")
}

/// Makes what is missing, and opens. Blocks. Faults are said in full: they are for whoever starts this.
pub fn open(config: &Config) -> Result<Opened> {
    let folder = &config.data_dir;
    let unusable = |error| {
        let text = format!(
            "the data folder {} cannot be used: {error}",
            folder.display()
        );
        Error::new(Kind::Internal, text)
            .resolve("set QUIRE_DATA to a folder that can be written to")
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(unusable)?;
    let secret = match &config.secret {
        Some(secret) => secret.expose().to_owned(),
        None => secret::of_folder(folder).map_err(unusable)?,
    };
    let path = database(folder);
    let store = Store::open(&Settings { path })
        .map_err(|error| Error::new(Kind::Internal, error.to_string()))?;
    Ok(Opened { store, secret })
}

/// Held by the process that serves from a folder. Given back when it is dropped, and by the system when
/// the process ends in whatever way.
pub struct Lock(#[allow(dead_code, reason = "holding the file is its use")] File);

/// The lock of a data folder; none while another process holds it. Two servers on one folder would run
/// each other's analyses and throw away each other's uploads.
pub fn lock(folder: &Path) -> Result<Option<Lock>> {
    let unusable = |error: std::io::Error| {
        Error::new(
            Kind::Internal,
            format!(
                "the data folder {} cannot be locked: {error}",
                folder.display()
            ),
        )
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(unusable)?;
    let file = File::options()
        .create(true)
        .append(true)
        .open(folder.join("lock"))
        .map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(unusable(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_holds_a_folder() {
        let folder = std::env::temp_dir().join(format!("quire-lock-{}", std::process::id()));
        let first = lock(&folder).expect("a folder");
        assert!(first.is_some());
        assert!(lock(&folder).expect("a folder").is_none());
        drop(first);
        assert!(lock(&folder).expect("a folder").is_some());
        std::fs::remove_dir_all(&folder).expect("removed");
        assert!(lock(Path::new("/proc/nowhere")).is_err());
    }
}
