//! Automatic backups to the configured folder: written when due or on request, verified, and pruned to the newest few.
//! Never touches a file whose name it did not generate itself.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use super::accounts::RequestOrigin;
use super::documents::TemporaryFile;
use super::{Error, Kind, Result};
use crate::config::BackupConfig;
use crate::crypto;
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use crate::log;
use crate::replica::replicator::Replicator;
use crate::store::{BackupError, Store, Verified, audit};

/// Pause between a failed backup and the next attempt.
const RETRY_INTERVAL: Duration = Duration::from_secs(3600);

/// A backup in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupFile {
    /// File name, without the folder.
    pub name: String,
    /// When the backup was started.
    pub at: Timestamp,
    /// Size of the file, in bytes.
    pub bytes: u64,
}

/// The outcome of this process's last attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupAttempt {
    /// When the attempt was made.
    pub at: Timestamp,
    /// The number of rows of each table, or the error.
    pub rows: std::result::Result<BTreeMap<String, u64>, String>,
}

/// The state of the backup folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupFolder {
    /// The backups, newest first.
    pub copies: Vec<BackupFile>,
    /// The last attempt since the server started.
    pub last: Option<BackupAttempt>,
    /// The error, if the folder cannot be read.
    pub error: Option<String>,
}

/// The server's record of its backups.
#[derive(Default)]
pub(super) struct BackupStatus {
    is_running: AtomicBool,
    last: Mutex<Option<BackupAttempt>>,
    // When the next backup is due; `None` until the folder has been read.
    due_time: Mutex<Option<Timestamp>>,
}

/// Returns the file name of a backup started at this time, for the folder or a download.
pub fn name_of(now: Timestamp) -> String {
    format!("quire-{}.db", now.to_string().replace([':', '.'], "-"))
}

/// Returns when a backup with this name was started; `None` for other files.
fn time_of(name: &str) -> Option<Timestamp> {
    let stamp = name.strip_prefix("quire-")?.strip_suffix(".db")?;
    let (day, time) = stamp.split_once('T')?;
    let [hour, minute, second, rest] = *time.split('-').collect::<Vec<_>>() else {
        return None;
    };
    let at = Timestamp::parse(&format!("{day}T{hour}:{minute}:{second}.{rest}"))?;
    // A similar name with a different spelling is not ours.
    (name_of(at) == name).then_some(at)
}

/// Lists the backups in a folder, newest first. A missing folder has none.
///
/// # Errors
/// Returns an error if the folder cannot be read.
pub fn copies(folder: &Path) -> io::Result<Vec<BackupFile>> {
    let files = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        files => files?,
    };
    let mut copies = Vec::new();
    for file in files {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        if let Some(at) = time_of(&name) {
            let bytes = file.metadata()?.len();
            copies.push(BackupFile { name, at, bytes });
        }
    }
    copies.sort_by_key(|copy| std::cmp::Reverse(copy.at));
    Ok(copies)
}

/// Writes a backup, and deletes the oldest ones beyond the configured number. Blocks.
fn write_and_prune(
    store: &Store,
    config: &BackupConfig,
    now: Timestamp,
) -> std::result::Result<Verified, String> {
    let folder = &config.folder;
    let failed = |error: io::Error| format!("{}: {error}", folder.display());
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(folder).map_err(failed)?;
    let result = store.backup(&folder.join(name_of(now)), false);
    let verified = result.map_err(|error: BackupError| format!("{}: {error}", folder.display()))?;
    for old in copies(folder)
        .map_err(failed)?
        .into_iter()
        .skip(config.keep)
    {
        fs::remove_file(folder.join(old.name)).map_err(failed)?;
    }
    Ok(verified)
}

/// Use cases of a running server for backups.
#[derive(Clone, Copy)]
pub struct Backups<'a> {
    pub(super) store: &'a Store,
    /// Settings of the backups; `None` if no folder is set.
    pub(super) config: Option<&'a BackupConfig>,
    pub(super) status: &'a BackupStatus,
    pub(super) data_dir: &'a Path,
    pub(super) replica: Option<&'a Replicator>,
}

impl Backups<'_> {
    /// Writes a backup to the folder now, for an administrator.
    ///
    /// # Errors
    /// `Conflict` if no folder is set or a backup is running; `Unavailable` if the backup fails.
    pub async fn back_up_now(
        &self,
        actor: &UserId,
        origin: &RequestOrigin,
        now: Timestamp,
    ) -> Result<BackupFolder> {
        self.write_backup(now).await?;
        let entry = origin.audit_entry(Some(actor), "backup.made", "");
        self.store
            .write(move |db| audit::append(db, &entry).map(drop))
            .await?;
        self.folder().await
    }

    /// Returns the backups in the folder and the outcome of the last attempt.
    ///
    /// # Errors
    /// `Conflict` if no folder is set.
    pub async fn folder(&self) -> Result<BackupFolder> {
        let folder = self.settings()?.folder.clone();
        let listing = tokio::task::spawn_blocking(move || copies(&folder));
        let copies = listing.await.map_err(Error::internal)?;
        let last = self.status.last.lock().unwrap_or_else(|e| e.into_inner());
        Ok(BackupFolder {
            error: copies.as_ref().err().map(ToString::to_string),
            copies: copies.unwrap_or_default(),
            last: last.clone(),
        })
    }

    /// Writes a backup if one is due; cheap otherwise. Failures are logged and retried after an hour. Does nothing if
    /// no folder is set.
    pub async fn back_up_if_due(&self, now: Timestamp) {
        let Some(config) = self.config else {
            return;
        };
        let due = *self.lock_due_time();
        let due = match due {
            Some(due) => due,
            None => {
                let newest = copies(&config.folder)
                    .ok()
                    .and_then(|all| Some(all.first()?.at));
                let due = newest.map_or(now, |newest| newest + config.interval);
                *self.lock_due_time() = Some(due);
                due
            }
        };
        if now < due {
            return;
        }
        match self.write_backup(now).await {
            Ok(verified) => log::info(
                "backup made",
                &[("bytes", &verified.bytes), ("rows", &verified.all_rows())],
            ),
            Err(error) => {
                *self.lock_due_time() = Some(now + RETRY_INTERVAL);
                log::error("backup failed", &[("why", &error.public)]);
            }
        }
    }

    /// Writes a verified copy of the database, for download by an administrator, to a file that is removed when the
    /// returned value is dropped.
    ///
    /// # Errors
    /// `Unavailable` if the copy cannot be written or verified.
    pub async fn download(&self, actor: &UserId, origin: &RequestOrigin) -> Result<TemporaryFile> {
        let name = crypto::hex(&crypto::random::<16>()?);
        let path = self.data_dir.join("tmp").join(format!("backup-{name}"));
        let (store, entry) = (
            self.store.clone(),
            origin.audit_entry(Some(actor), "backup.downloaded", ""),
        );
        let work = move || {
            let file = TemporaryFile::new(path);
            store.backup(file.path(), false).map_err(backup_failed)?;
            store.write_now(move |db| audit::append(db, &entry))?;
            Ok(file)
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(Error::internal)?
    }

    /// Requests a snapshot of the database for the replica, on behalf of an administrator. Does not wait until it is
    /// sent.
    ///
    /// # Errors
    /// `Conflict` if no replica is configured.
    pub async fn send_snapshot(&self, actor: &UserId, origin: &RequestOrigin) -> Result<()> {
        let Some(replica) = self.replica else {
            return Err(Error::new(Kind::Conflict, "no replica is configured")
                .resolve("set QUIRE_REPLICA, or download a copy"));
        };
        let entry = origin.audit_entry(Some(actor), "backup.made", "replica");
        self.store
            .write(move |db| audit::append(db, &entry).map(drop))
            .await?;
        replica.request_snapshot();
        Ok(())
    }

    async fn write_backup(&self, now: Timestamp) -> Result<Verified> {
        let config = self.settings()?.clone();
        if self.status.is_running.swap(true, Relaxed) {
            let error = Error::new(Kind::Conflict, "a backup is already running");
            return Err(error.resolve("wait until it has finished"));
        }
        let (store, interval) = (self.store.clone(), config.interval);
        let result =
            tokio::task::spawn_blocking(move || write_and_prune(&store, &config, now)).await;
        self.status.is_running.store(false, Relaxed);
        let result = result.map_err(Error::internal)?;
        let mut last = self.status.last.lock().unwrap_or_else(|e| e.into_inner());
        *last = Some(BackupAttempt {
            at: now,
            rows: result.clone().map(|verified| verified.rows),
        });
        let verified = result.map_err(backup_failed)?;
        *self.lock_due_time() = Some(now + interval);
        Ok(verified)
    }

    fn lock_due_time(&self) -> std::sync::MutexGuard<'_, Option<Timestamp>> {
        self.status
            .due_time
            .lock()
            .unwrap_or_else(|e| e.into_inner())
    }

    fn settings(&self) -> Result<&BackupConfig> {
        self.config.ok_or_else(|| {
            Error::new(Kind::Conflict, "no backup folder is configured")
                .resolve("set QUIRE_BACKUP_DIR, or download a copy")
        })
    }
}

/// Returns the error for a failed backup. It includes the cause, because only administrators see it and can fix it.
pub(super) fn backup_failed(why: impl std::fmt::Display) -> Error {
    Error::new(Kind::Unavailable, format!("the backup failed: {why}"))
        .resolve("fix the cause and try again; stored data and older backups are unchanged")
}

/// Returns the path of a backup for the command line: `to` or, if that is a folder, a generated name in it.
pub fn backup_path(to: &Path, now: Timestamp) -> PathBuf {
    match to.is_dir() {
        true => to.join(name_of(now)),
        false => to.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_file_names_count_as_backups() {
        let at = Timestamp::parse("2026-11-23T19:15:00.123Z").expect("a time");
        let name = name_of(at);
        assert_eq!(name, "quire-2026-11-23T19-15-00-123Z.db");
        assert_eq!(time_of(&name), Some(at));
        for other in [
            "quire.db",
            "quire-2026-11-23.db",
            "quire-2026-11-23T19-15-00-123Z.db.part",
            "quire-2026-11-23T19-15-00Z.db",
            "quire-2026-11-23T19-15-00-1230Z.db",
            "my-quire-2026-11-23T19-15-00-123Z.db",
            "quire-2026-13-23T19-15-00-123Z.db",
        ] {
            assert_eq!(time_of(other), None, "{other}");
        }
    }
}
