//! Writes database backups, even while the database is in use, and restores them. A copy is verified before it gets its
//! final name, and before it replaces the database.

use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::app::documents::{DocumentBucket, orphans};
use crate::app::folder::{self, soundness};
use crate::app::replace_database::{ReplaceDatabase, ReplacedFiles};
use crate::app::{Error, Kind, Result, input_file};
use crate::clock;
use crate::config::Config;
use crate::crypto::secret;
use crate::store::{
    BackupError, OpenError, Store, StoreSettings, Verified, checkpoint_log, verify,
};

/// What `quire backup` reports about the backup it has written.
#[derive(Debug)]
pub struct WrittenBackup {
    /// The verified content of the copy.
    pub copy: Verified,
    /// Documents whose original (not part of the copy) is missing or differs in size.
    pub faulty_documents: Vec<String>,
}

/// Writes a verified copy of the database to `to`. With `replace`, overwrites an existing file. Blocks until the copy
/// is complete; works while a server is running.
///
/// # Errors
/// `Missing` if there is no database; `Conflict` if the folder has lost it, the database is on a server, or the copy's
/// name is taken; `Unavailable` if the disk is full.
pub fn write(config: &Config, to: &Path, replace: bool) -> Result<WrittenBackup> {
    check_is_embedded(config)?;
    let path = folder::database(&config.data_dir);
    soundness::check(config, false)?;
    if !path.exists() {
        let text = format!("there is no database in {}", config.data_dir.display());
        return Err(Error::new(Kind::Missing, text));
    }
    let store = Store::open(&StoreSettings { path }).map_err(open_error)?;
    let copy = store.backup(to, replace).map_err(|error| match error {
        BackupError::NoSpace(..) => Error::new(Kind::Unavailable, error.to_string())
            .resolve("free some disk space, or write the copy to another disk"),
        BackupError::Exists(path) => {
            Error::new(Kind::Conflict, format!("{} already exists", path.display()))
                .resolve("choose another name, or add --replace")
        }
        BackupError::Failed(why) => {
            let text = format!("cannot write {}: {why}", to.display());
            Error::new(Kind::Internal, text).resolve("choose a folder that exists and is writable")
        }
        other => Error::new(Kind::Internal, other.to_string()),
    })?;
    let in_bucket = DocumentBucket::from_config(config)?.map(|bucket| bucket.sizes());
    let is_unknown = matches!(in_bucket, Some(Err(_)));
    let in_bucket = in_bucket.and_then(Result::ok).unwrap_or_default();
    let in_bucket = in_bucket.into_iter().map(|(id, size)| (id.into(), size));
    let files = orphans::compare(&store, &config.data_dir, &in_bucket.collect())?;
    let mut faulty = files.damaged;
    // With a replica, files that are missing from the folder may be in the replica.
    if config.replica.is_none() && !is_unknown {
        let lost = files.missing.into_iter();
        faulty.extend(lost.map(|id| format!("{id} (its file is missing)")));
    }
    Ok(WrittenBackup {
        copy,
        faulty_documents: faulty,
    })
}

/// The outcome of a restore.
#[derive(Debug)]
pub struct RestoreOutcome {
    /// The copy that replaced the database.
    pub copy: Verified,
    /// What happened to the replaced database.
    pub replaced: ReplacedFiles,
    /// Paths to which logs without a database were moved.
    pub logs: Vec<PathBuf>,
    /// Whether the folder had no secret, so that a new one was created.
    pub has_new_secret: bool,
}

/// Replaces the database with a copy after verifying it. The replaced database is kept next to it under another
/// name. Blocks.
///
/// # Errors
/// `Missing` if the copy cannot be read; `Conflict` while a server holds the folder, or if there is a database and
/// `replace` is not set; `Internal` if the copy is damaged or cannot be put in place. In all these cases, the folder
/// is unchanged.
pub fn restore(config: &Config, from: &Path, replace: bool) -> Result<RestoreOutcome> {
    check_is_embedded(config)?;
    let folder = &config.data_dir;
    let Some(_lock) = folder::lock(folder)? else {
        return Err(folder::in_use_error(folder).resolve("stop it first"));
    };
    if let Err(error) = input_file::open(from) {
        let text = format!("cannot read {}: {error}", from.display());
        return Err(Error::new(Kind::Missing, text));
    }
    let path = folder::database(folder);
    if path.exists() && !replace {
        let text = format!("there is a database in {}", folder.display());
        return Err(Error::new(Kind::Conflict, text)
            .resolve("add --replace; the replaced database is kept next to it"));
    }
    // The replaced database will be checkpointed, which applies its journal, so check the journal first.
    folder::journal_check::check(&path)?;
    let part = with_suffix(&path, ".restored");
    let io_error = |error: std::io::Error| Error::new(Kind::Internal, error.to_string());
    let restored = copy_and_verify(from, &part).and_then(|copy| {
        let now = clock::now();
        let mut logs = Vec::new();
        if !path.exists() {
            for log in soundness::log_files(folder) {
                logs.push(orphans::move_log_aside(folder, &log, now).map_err(io_error)?);
            }
        }
        let swap = ReplaceDatabase::new(part.clone(), path, now);
        let replacement = swap.run().map_err(io_error)?;
        let has_new_secret = config.secret.is_none() && !secret::path(folder).exists();
        if has_new_secret {
            folder::secret_check::accept_locked(config)?;
        }
        Ok(RestoreOutcome {
            copy,
            replaced: replacement,
            logs,
            has_new_secret,
        })
    });
    // After a successful replacement, nothing is left to remove.
    let _ = remove_partial_copy(&part);
    restored
}

/// Refuses to copy or replace a database on a server.
fn check_is_embedded(config: &Config) -> Result<()> {
    match config.database_url.is_some() {
        false => Ok(()),
        true => Err(
            Error::new(Kind::Conflict, "the database is on a PostgreSQL server")
                .resolve("use pg_dump and pg_restore"),
        ),
    }
}

/// Copies a database and its log into one file, and verifies that file.
fn copy_and_verify(from: &Path, part: &Path) -> Result<Verified> {
    let io_error = |error: std::io::Error| Error::new(Kind::Internal, error.to_string());
    remove_partial_copy(part).map_err(io_error)?;
    let copy_file = |end: &str| {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut from = input_file::open(&with_suffix(from, end))?;
        let mut file = options.open(with_suffix(part, end))?;
        std::io::copy(&mut from, &mut file)?;
        file.sync_all()
    };
    copy_file("").map_err(io_error)?;
    let unsound_error = |error: BackupError| Error::new(Kind::Internal, error.to_string());
    match copy_file("-wal") {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(io_error(error)),
        Ok(()) => checkpoint_log(part).map_err(unsound_error)?,
    }
    verify(part).map_err(unsound_error)
}

/// Removes leftovers of an interrupted restore.
fn remove_partial_copy(part: &Path) -> std::io::Result<()> {
    for end in ["", "-wal", "-shm"] {
        match std::fs::remove_file(with_suffix(part, end)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn with_suffix(path: &Path, end: &str) -> PathBuf {
    PathBuf::from(format!("{}{end}", path.display()))
}

/// Returns the error for a database that cannot be opened. It includes the cause, because it is for the operator who
/// starts the server.
fn open_error(error: OpenError) -> Error {
    Error::new(Kind::Internal, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_refused_at_once() {
        let folder = std::env::temp_dir().join(format!("quire-restore-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (pipe, part) = (folder.join("pipe.db"), folder.join("part"));
        let status = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(status.unwrap().success());
        let (send, receive) = std::sync::mpsc::channel();
        std::thread::spawn(move || send.send(copy_and_verify(&pipe, &part).map(|_| ())));
        let refused = receive.recv_timeout(std::time::Duration::from_secs(20));
        let error = refused.expect("no answer").unwrap_err();
        assert!(error.public.contains("is a pipe"), "{error:?}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
