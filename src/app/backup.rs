//! Copies of the database: written while it is in use, read through before they get their name, and before they
//! take the database's place.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::accounts::Visit;
use super::documents::Temporary;
use super::folder;
use super::swap::Swap;
use super::{App, Error, Kind, Result};
use crate::clock;
use crate::config::Config;
use crate::crypto;
use crate::domain::id::UserId;
use crate::store::{BackupError, OpenError, Settings, Store, Verified, audit, verify};

/// Writes a verified copy. Blocks for as long as it takes; works beside a running server.
pub fn write(config: &Config, to: &Path, replace: bool) -> Result<Verified> {
    let path = folder::database(&config.data_dir);
    if !path.exists() {
        let text = format!("there is no database in {}", config.data_dir.display());
        return Err(Error::new(Kind::Missing, text));
    }
    let store = Store::open(&Settings { path }).map_err(unopened)?;
    store.backup(to, replace).map_err(|error| match error {
        BackupError::Exists(path) => Error::new(
            Kind::Conflict,
            format!("{} is there already", path.display()),
        )
        .resolve("choose another name, or add --replace"),
        other => Error::new(Kind::Internal, other.to_string()),
    })
}

impl App {
    /// A verified copy in a file that is gone with what is returned, for the administrator who asks.
    pub async fn copy(&self, by: &UserId, visit: &Visit) -> Result<Temporary> {
        let name = crypto::hex(&crypto::random::<16>()?);
        let path = self
            .config
            .data_dir
            .join("tmp")
            .join(format!("backup-{name}"));
        let (store, entry) = (
            self.store.clone(),
            visit.entry(Some(by), "backup.downloaded", ""),
        );
        let work = move || {
            let file = Temporary::new(path);
            store.backup(file.path(), false).map_err(Error::internal)?;
            store.write_now(move |db| audit::append(db, &entry))?;
            Ok(file)
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(Error::internal)?
    }
}

/// Puts a copy in the place of the database, once it has been read through. What was there stays beside it under
/// another name, which is given too. Blocks; refuses while a server holds the folder.
pub fn restore(config: &Config, from: &Path, replace: bool) -> Result<(Verified, Option<PathBuf>)> {
    let folder = &config.data_dir;
    let Some(_lock) = folder::lock(folder)? else {
        let who = folder::holder(folder).map_or_else(String::new, |who| format!(" ({who})"));
        let text = format!("a server is using {}{who}", folder.display());
        return Err(Error::new(Kind::Conflict, text).resolve("stop it first"));
    };
    let path = folder::database(folder);
    if path.exists() && !replace {
        let text = format!("there is a database in {}", folder.display());
        return Err(Error::new(Kind::Conflict, text).resolve("add --replace; it is kept beside it"));
    }
    let failed = |error: std::io::Error| Error::new(Kind::Internal, error.to_string());
    let beside = |suffix: &str| PathBuf::from(format!("{}{suffix}", path.display()));
    let part = beside(".restored");
    match std::fs::remove_file(&part) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let open = || {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).open(&part)
    };
    let copied = open().and_then(|mut file| {
        std::io::copy(&mut std::fs::File::open(from)?, &mut file)?;
        file.sync_all()
    });
    let unsound = |error: BackupError| Error::new(Kind::Internal, error.to_string());
    let verified = copied
        .map_err(failed)
        .and_then(|()| verify(&part).map_err(unsound));
    let verified = verified.inspect_err(|_| drop(std::fs::remove_file(&part)))?;
    let kept = Swap::new(part, path, clock::now()).run().map_err(failed)?;
    Ok((verified, kept))
}

/// Why the database cannot be opened is for whoever starts the server, so it is said in full.
fn unopened(error: OpenError) -> Error {
    Error::new(Kind::Internal, error.to_string())
}
