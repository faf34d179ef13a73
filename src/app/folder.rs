//! The data folder: accessible only to its owner, and locked by the one process that serves from it. Opens its
//! database and secret, and refuses a folder that has lost either.

pub(super) mod entries;
pub(super) mod journal_check;
pub(super) mod migration_check;
mod paths;
pub(super) mod secret_check;
pub(super) mod soundness;

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::documents::orphans::{self, Orphan};
use super::{Error, Kind, Result, replace_database, replica};
use crate::clock;
use crate::config::{Config, ReplicaConfig, Secret};
use crate::domain::time::Timestamp;
use crate::replica::names::Inventory;
use crate::store::{OpenError, ServerAddresses, Store, StoreSettings};
pub use paths::database;
use secret_check::OpenedBy;
pub use secret_check::{accept_secret, new_secret};

/// What a program holds after opening a data folder.
pub struct OpenedFolder {
    /// The database, migrated to the current schema.
    pub store: Store,
    /// The secret that signs tokens and encrypts stored keys.
    pub secret: String,
    /// Replication that is prepared but not started; `None` unless a server with a replica opened the folder.
    pub(super) prepared: Option<replica::PreparedReplica>,
}

/// Opens the folder and creates whatever is missing. A missing database is restored from the replica if one is
/// configured. Blocks.
///
/// # Errors
/// `Conflict` if the folder has lost its database or its secret; `Internal` if it cannot be used. The message is
/// complete, because it is for the operator who starts the program.
pub fn open(config: &Config) -> Result<OpenedFolder> {
    open_with(config, OpenedBy::Command, |config| {
        if let Some(settings) = &config.replica
            && !database(&config.data_dir).exists()
        {
            check_may_fetch(config, settings)?;
            let target = replica::target(config, settings)?;
            replica::fetch(config, settings, &*target, false)?;
        }
        Ok(None)
    })
}

/// Opens an existing installation and never creates one; otherwise like [`open`].
///
/// # Errors
/// Returns the errors of [`open`], and `Missing` if there is no installation yet.
pub fn open_existing(config: &Config) -> Result<OpenedFolder> {
    check_exists(config)?;
    open(config)
}

/// Checks that there is an installation, or a replica to restore it from. Opens and creates nothing.
///
/// # Errors
/// `Missing` if there is none; `Conflict` if the folder has lost its database.
pub fn check_exists(config: &Config) -> Result<()> {
    soundness::check(config, config.replica.is_some())?;
    if config.replica.is_some() || has_database(config) {
        return Ok(());
    }
    let text = format!("there is no database in {} yet", config.data_dir.display());
    Err(Error::new(Kind::Missing, text).resolve(
        "`quire serve` and `quire user add` create one; to use another installation, set QUIRE_DATA to its folder",
    ))
}

/// Whether there is a database. One on a database server always counts as present, because opening it creates it.
pub fn has_database(config: &Config) -> bool {
    config.database_url.is_some() || database(&config.data_dir).exists()
}

/// Opens the database in the folder, or on the server of `DATABASE_URL`. Never uses a replica.
///
/// # Errors
/// Returns an error if it cannot be opened.
pub(super) fn open_store(config: &Config) -> std::result::Result<Store, OpenError> {
    match &config.database_url {
        Some(address) => {
            let addresses = ServerAddresses {
                database: address.expose(),
                direct: config.database_direct_url.as_ref().map(Secret::expose),
                authorities: config.authorities.as_deref(),
            };
            Store::open_on_server(addresses, &config.data_dir)
        }
        None => Store::open(&StoreSettings {
            path: database(&config.data_dir),
        }),
    }
}

/// Checks that the folder may be opened: it has a database that looks intact, or no data that could be lost. Read-only.
///
/// # Errors
/// Returns `Conflict`, with the reason and the remedy, if the folder may not be opened.
pub fn check(config: &Config) -> Result<()> {
    soundness::check(config, config.replica.is_some())
}

/// Like [`open`], for a server: also prepares replication if configured.
///
/// # Errors
/// Returns the errors of [`open`]. Also fails if the replica cannot be used.
pub(super) fn open_to_serve(config: &Config) -> Result<OpenedFolder> {
    open_with(config, OpenedBy::Server, |config| {
        replace_database::remove_interrupted(&database(&config.data_dir))
            .map_err(Error::internal)?;
        let settings = config.replica.as_ref();
        settings
            .map(|settings| {
                check_may_fetch(config, settings)?;
                replica::prepare(config, settings)
            })
            .transpose()
    })
}

/// Checks that the folder has not lost its database, or that the replica has a copy of it. Restoring the copy keeps the
/// folder's other files. Runs before this process registers as the replica's writer.
fn check_may_fetch(config: &Config, settings: &ReplicaConfig) -> Result<()> {
    let Err(refusal) = soundness::check(config, false) else {
        return Ok(());
    };
    let target = replica::target(config, settings)?;
    let inventory = Inventory::list(&*target).map_err(|error| {
        let text = format!("cannot read the replica {}: {error}", settings.address);
        Error::new(Kind::Internal, text)
    })?;
    match inventory.newest() {
        0 => Err(refusal),
        _ => Ok(()),
    }
}

fn open_with(
    config: &Config,
    opener: OpenedBy,
    prepare: impl FnOnce(&Config) -> Result<Option<replica::PreparedReplica>>,
) -> Result<OpenedFolder> {
    soundness::check(config, config.replica.is_some())?;
    let folder = &config.data_dir;
    secret_check::check_file(config)?;
    create(folder)?;
    let had_database = database(folder).exists();
    let prepared = prepare(config)?;
    let is_fetched = !had_database && database(folder).exists();
    let follower = prepared.as_ref().map(replica::PreparedReplica::follower);
    let store = match follower {
        None => open_store(config),
        follower => Store::open_followed(
            &StoreSettings {
                path: database(folder),
            },
            follower,
        ),
    };
    let store = store.map_err(|error| soundness::open_error(config, &error))?;
    if opener == OpenedBy::Server {
        store.connect_early();
    }
    soundness::check_tables(folder, &store)?;
    let secret = secret_check::check_and_load(config, &store, is_fetched, opener)?;
    Ok(OpenedFolder {
        store,
        secret,
        prepared,
    })
}

/// Lists files that were moved aside because no database row refers to them.
///
/// # Errors
/// Returns an error if the folder cannot be read.
pub fn orphans(config: &Config) -> Result<Vec<Orphan>> {
    orphans::list(&config.data_dir).map_err(Error::internal)
}

/// Permanently deletes the named files that were moved aside, and returns them. With `before_expiry`, also deletes
/// files whose retention has not expired. Blocks.
///
/// # Errors
/// `Missing` if a name is not among them; `Conflict` if a file must be kept. In either case, nothing is deleted.
pub fn delete_orphans(
    config: &Config,
    names: &[&str],
    before_expiry: bool,
    now: Timestamp,
) -> Result<Vec<Orphan>> {
    let store = open_existing(config)?.store;
    orphans::delete(&store, &config.data_dir, (names, before_expiry), now)
}

/// Returns the error for an action that is not allowed while a server uses the folder.
pub fn in_use_error(folder: &Path) -> Error {
    let process = lock_holder(folder).map_or_else(String::new, |process| format!(" ({process})"));
    let text = format!("a server is using {}{process}", folder.display());
    Error::new(Kind::Conflict, text)
}

/// The lock on a data folder, held by the process that serves from it. Released on drop, and by the system however
/// the process ends.
pub struct FolderLock(File);

impl FolderLock {
    /// Records the address on which the server listens, for commands that show it. Write errors, such as a
    /// full disk, are ignored: the lock is valid without the address.
    pub fn note_address(&self, address: &str) {
        let _ = (&self.0).write_all(format!("{address}\n").as_bytes());
    }
}

/// Returns the address of the server that holds a folder, such as `http://127.0.0.1:8080`; `None` if the lock does
/// not record it. Meaningful only while the folder is held.
pub fn server_address(folder: &Path) -> Option<String> {
    let address = read_lock_file_line(folder, 1)?;
    address.starts_with("http").then_some(address)
}

/// Whether a process currently holds the folder. Creates nothing.
pub fn is_held(folder: &Path) -> bool {
    let file = open_lock(folder);
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn open_lock(folder: &Path) -> std::io::Result<File> {
    crate::system::open_without_waiting(&folder.join("lock"))
}

/// Returns a line of a folder's lock file; `number` is zero-based.
fn read_lock_file_line(folder: &Path, number: usize) -> Option<String> {
    /// Maximum number of bytes read from a lock file.
    const MAX_LOCK_BYTES: u64 = 200;
    let mut text = String::new();
    let file = open_lock(folder).ok()?;
    file.take(MAX_LOCK_BYTES).read_to_string(&mut text).ok()?;
    text.lines().nth(number).map(str::to_owned)
}

/// Locks a data folder; `None` while another process holds the lock. Two servers on one folder would run each
/// other's analyses and delete each other's uploads.
///
/// # Errors
/// `Internal` if the folder or its lock file cannot be created or locked.
pub fn lock(folder: &Path) -> Result<Option<FolderLock>> {
    let unusable_error = |error: std::io::Error| {
        let (display_path, why) = (folder.display(), io_reason(&error));
        let text = format!("cannot write to the data folder {display_path}: {why}");
        Error::new(Kind::Internal, text).resolve(FOLDER_ADVICE)
    };
    create(folder)?;
    entries::check(folder)?;
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(folder.join("lock"))
        .map_err(unusable_error)?;
    match file.try_lock() {
        Ok(()) => {
            // Identifies this process to others that are refused the lock. The lock is valid without this
            // line, so write errors, such as a full disk, are ignored.
            let line = format!("{} {}\n", std::process::id(), clock::now());
            let _ = file
                .set_len(0)
                .and_then(|()| file.write_all(line.as_bytes()));
            Ok(Some(FolderLock(file)))
        }
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(unusable_error(error)),
    }
}

/// The remedy when the data folder cannot be used.
pub(super) const FOLDER_ADVICE: &str = "choose a writable folder with --data or QUIRE_DATA, or make the user that runs quire the owner of this one";

/// Describes why a folder cannot be used.
pub(super) fn io_reason(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => "this user may not write to it".to_owned(),
        ErrorKind::ReadOnlyFilesystem => "its file system is read-only".to_owned(),
        ErrorKind::StorageFull => "the disk is full".to_owned(),
        _ => error.to_string(),
    }
}

/// Creates the folder if it is missing.
fn create(folder: &Path) -> Result<()> {
    let mut builder = DirBuilder::new();
    let created = builder.recursive(true).mode(0o700).create(folder);
    created.map_err(|error| {
        let display_path = folder.display();
        let text = match folder.is_file() {
            true => format!("the data folder {display_path} is a file"),
            false => format!(
                "the data folder {display_path} cannot be used: {}",
                io_reason(&error)
            ),
        };
        Error::new(Kind::Internal, text).resolve(FOLDER_ADVICE)
    })
}

/// Returns the process that holds a folder, as recorded in its lock: "process 12, since 2026-11-23T12:00:00.000Z".
/// `None` if the record is missing or unreadable. Meaningful only after [`lock`] has returned `None`.
pub fn lock_holder(folder: &Path) -> Option<String> {
    let line = read_lock_file_line(folder, 0)?;
    let (process, since) = line.split_once(' ')?;
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
        let process = format!("process {}, since 2", std::process::id());
        let holder = lock_holder(&folder).expect("who");
        assert!(holder.starts_with(&process), "{holder}");
        drop(first);
        assert!(lock(&folder).expect("a folder").is_some());
        // A new lock overwrites the record of the previous one.
        assert!(lock_holder(&folder).is_some());
        assert_eq!(server_address(&folder), None);
        let folder_lock = lock(&folder).expect("a folder").expect("free");
        folder_lock.note_address("http://127.0.0.1:43211");
        assert!(lock_holder(&folder).is_some());
        let address = server_address(&folder);
        assert_eq!(address.as_deref(), Some("http://127.0.0.1:43211"));
        drop(folder_lock);
        for line in ["", "12", "x 2026-11-23T12:00:00.000Z", "12 today", "\u{0}"] {
            std::fs::write(folder.join("lock"), line).expect("written");
            assert_eq!(lock_holder(&folder), None, "{line}");
        }
        std::fs::remove_dir_all(&folder).expect("removed");
        assert_eq!(lock_holder(&folder), None);
        assert!(lock(Path::new("/proc/nowhere")).is_err());
    }
}
