//! The data folder: made for its owner only, locked by the one process that serves from it, and where in
//! it the database and the secret are.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::{Error, Kind, Result, replica, swap};
use crate::clock;
use crate::config::Config;
use crate::crypto::secret;
use crate::domain::time::Timestamp;
use crate::store::{Settings, Store};

/// What lies in an opened folder.
pub struct Opened {
    /// The database, brought up to date.
    pub store: Store,
    /// Signs tokens, seals keys, marks fences.
    pub secret: String,
    /// What keeps the replica up, in a server that has one.
    pub(super) prepared: Option<replica::Prepared>,
}

/// Where the database of a data folder is.
pub fn database(folder: &Path) -> PathBuf {
    folder.join("quire.db")
}

/// Makes what is missing, and opens. Blocks. Faults are said in full: they are for whoever starts this.
pub fn open(config: &Config) -> Result<Opened> {
    open_with(config, |config| {
        if let Some(settings) = &config.replica
            && !database(&config.data_dir).exists()
        {
            replica::fetch(config, settings, &*replica::target(config, settings)?)?;
        }
        Ok(None)
    })
}

/// The same for a server, which keeps the replica up where one is set.
pub(super) fn open_to_serve(config: &Config) -> Result<Opened> {
    swap::clear_cut_short(&database(&config.data_dir)).map_err(Error::internal)?;
    open_with(config, |config| {
        let settings = config.replica.as_ref();
        settings
            .map(|settings| replica::prepare(config, settings))
            .transpose()
    })
}

fn open_with(
    config: &Config,
    prepare: impl FnOnce(&Config) -> Result<Option<replica::Prepared>>,
) -> Result<Opened> {
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
    let prepared = prepare(config)?;
    let secret = match &config.secret {
        Some(secret) => secret.expose().to_owned(),
        None => secret::of_folder(folder).map_err(unusable)?,
    };
    let follower = prepared.as_ref().map(replica::Prepared::follower);
    let path = database(folder);
    let store = Store::open_followed(&Settings { path }, follower)
        .map_err(|error| Error::new(Kind::Internal, error.to_string()))?;
    Ok(Opened {
        store,
        secret,
        prepared,
    })
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
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(folder.join("lock"))
        .map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => {
            // For whoever is refused. The lock holds without it, so a full disk stops nobody here.
            let line = format!("{} {}\n", std::process::id(), clock::now());
            let _ = file
                .set_len(0)
                .and_then(|()| file.write_all(line.as_bytes()));
            Ok(Some(Lock(file)))
        }
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(unusable(error)),
    }
}

/// Who holds a folder, as its lock says it: "process 12, since 2026-11-23T12:00:00.000Z". None where it
/// says nothing that can be understood. Only means something after [`lock`] gave none.
pub fn holder(folder: &Path) -> Option<String> {
    const LONGEST: u64 = 80;
    let mut line = String::new();
    let file = File::open(folder.join("lock")).ok()?;
    file.take(LONGEST).read_to_string(&mut line).ok()?;
    let (process, since) = line.trim_end().split_once(' ')?;
    let process: u32 = process.parse().ok()?;
    let since = Timestamp::parse(since)?;
    Some(format!("process {process}, since {since}"))
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
        let who = format!("process {}, since 2", std::process::id());
        let said = holder(&folder).expect("who");
        assert!(said.starts_with(&who), "{said}");
        drop(first);
        assert!(lock(&folder).expect("a folder").is_some());
        // Written once more, not added to.
        assert!(holder(&folder).is_some());
        for unclear in ["", "12", "x 2026-11-23T12:00:00.000Z", "12 today", "\u{0}"] {
            std::fs::write(folder.join("lock"), unclear).expect("written");
            assert_eq!(holder(&folder), None, "{unclear}");
        }
        std::fs::remove_dir_all(&folder).expect("removed");
        assert_eq!(holder(&folder), None);
        assert!(lock(Path::new("/proc/nowhere")).is_err());
    }
}
