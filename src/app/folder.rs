//! The data folder: made for its owner only, locked by the one process that serves from it, and where in
//! it the database and the secret are. Refuses a folder that has lost one of the two.

mod paths;
pub(super) mod secret_check;
pub(super) mod soundness;

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::documents::orphans::{self, Orphan};
use super::{Error, Kind, Result, replica, swap};
use crate::clock;
use crate::config::{Config, ReplicaConfig};
use crate::domain::time::Timestamp;
use crate::replica::names::Inventory;
use crate::store::{Store, StoreSettings};
pub use paths::database;
use secret_check::Opener;
pub use secret_check::{accept as accept_secret, new_secret};

/// What lies in an opened folder.
pub struct OpenedFolder {
    /// The database, brought up to date.
    pub store: Store,
    /// Signs tokens, seals keys, marks fences.
    pub secret: String,
    /// What keeps the replica up, in a server that has one.
    pub(super) prepared: Option<replica::PreparedReplica>,
}

/// Makes what is missing, and opens. Blocks.
///
/// # Errors
/// `Conflict` where the folder has lost its database or its secret; `Internal` where it cannot be used. The text is
/// for whoever starts this program, so it says everything.
pub fn open(config: &Config) -> Result<OpenedFolder> {
    open_with(config, Opener::Command, |config| {
        if let Some(settings) = &config.replica
            && !database(&config.data_dir).exists()
        {
            may_fetch(config, settings)?;
            let target = replica::target(config, settings)?;
            replica::fetch(config, settings, &*target, false)?;
        }
        Ok(None)
    })
}

/// The same for what needs an installation that is there: makes none.
///
/// # Errors
/// As [`open`]; `Missing` where there is no installation yet.
pub fn open_existing(config: &Config) -> Result<OpenedFolder> {
    exists(config)?;
    open(config)
}

/// Whether there is an installation, or a replica to fetch it from. Opens and makes nothing.
///
/// # Errors
/// `Missing` where there is none; `Conflict` where the folder has lost its database.
pub fn exists(config: &Config) -> Result<()> {
    soundness::check(config, config.replica.is_some())?;
    if config.replica.is_some() || database(&config.data_dir).exists() {
        return Ok(());
    }
    let text = format!("there is no database in {} yet", config.data_dir.display());
    Err(Error::new(Kind::Missing, text).resolve(
        "`quire serve` and `quire user add` make one; QUIRE_DATA names the folder of another installation",
    ))
}

/// Whether the folder may be opened: it has a database that can be sound, or nothing of value. Only reads.
///
/// # Errors
/// `Conflict`, with what was found and what to do.
pub fn check(config: &Config) -> Result<()> {
    soundness::check(config, config.replica.is_some())
}

/// The same for a server, which keeps the replica up where one is set.
pub(super) fn open_to_serve(config: &Config) -> Result<OpenedFolder> {
    open_with(config, Opener::Server, |config| {
        swap::clear_cut_short(&database(&config.data_dir)).map_err(Error::internal)?;
        let settings = config.replica.as_ref();
        settings
            .map(|settings| {
                may_fetch(config, settings)?;
                replica::prepare(config, settings)
            })
            .transpose()
    })
}

/// Refuses a folder that has lost its database where the replica has none to put there: before the replica is told
/// who writes to it from now on. What lies in the folder stays where a database is fetched.
fn may_fetch(config: &Config, settings: &ReplicaConfig) -> Result<()> {
    let Err(refusal) = soundness::check(config, false) else {
        return Ok(());
    };
    let target = replica::target(config, settings)?;
    let inventory = Inventory::of(&*target).map_err(|fault| {
        let text = format!("the replica {} cannot be read: {fault}", settings.address);
        Error::new(Kind::Internal, text)
    })?;
    match inventory.newest() {
        0 => Err(refusal),
        _ => Ok(()),
    }
}

fn open_with(
    config: &Config,
    opener: Opener,
    prepare: impl FnOnce(&Config) -> Result<Option<replica::PreparedReplica>>,
) -> Result<OpenedFolder> {
    soundness::check(config, config.replica.is_some())?;
    let folder = &config.data_dir;
    secret_check::check_file(config)?;
    make(folder)?;
    let was_there = database(folder).exists();
    let prepared = prepare(config)?;
    let is_fetched = !was_there && database(folder).exists();
    let follower = prepared.as_ref().map(replica::PreparedReplica::follower);
    let path = database(folder);
    let store = Store::open_followed(&StoreSettings { path }, follower)
        .map_err(|error| soundness::unopened(folder, &error))?;
    soundness::check_tables(folder, &store)?;
    let secret = secret_check::of(config, &store, is_fetched, opener)?;
    Ok(OpenedFolder {
        store,
        secret,
        prepared,
    })
}

/// The files that were moved aside because no row names them.
///
/// # Errors
/// Where the folder cannot be read.
pub fn orphans(config: &Config) -> Result<Vec<Orphan>> {
    orphans::list(&config.data_dir).map_err(Error::internal)
}

/// Deletes files that were moved aside, for good, and gives which. `early`: also those that are young. Blocks.
///
/// # Errors
/// `Missing` where a name is not among them, `Conflict` where one has to be kept; nothing is deleted then.
pub fn delete_orphans(
    config: &Config,
    names: &[&str],
    early: bool,
    now: Timestamp,
) -> Result<Vec<Orphan>> {
    let store = open_existing(config)?.store;
    orphans::delete(&store, &config.data_dir, (names, early), now)
}

/// The refusal of something that a running server's folder does not allow.
pub fn in_use(folder: &Path) -> Error {
    let who = holder(folder).map_or_else(String::new, |who| format!(" ({who})"));
    let text = format!("a server is using {}{who}", folder.display());
    Error::new(Kind::Conflict, text)
}

/// Held by the process that serves from a folder. Given back when it is dropped, and by the system when
/// the process ends in whatever way.
pub struct FolderLock(File);

impl FolderLock {
    /// Notes where the server listens, for commands that name it to people. The lock holds without it, so a full
    /// disk stops nobody here.
    pub fn note_address(&self, address: &str) {
        let _ = (&self.0).write_all(format!("{address}\n").as_bytes());
    }
}

/// Where the server that holds a folder listens: `http://127.0.0.1:8080`. None where the lock does not say. Only means
/// something while the folder is held.
pub fn server_address(folder: &Path) -> Option<String> {
    let address = lock_line(folder, 1)?;
    address.starts_with("http").then_some(address)
}

/// Whether a process holds the folder now. Makes nothing.
pub fn is_held(folder: &Path) -> bool {
    let file = File::open(folder.join("lock"));
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// A line of a folder's lock, from 0.
fn lock_line(folder: &Path, number: usize) -> Option<String> {
    const LONGEST: u64 = 200;
    let mut text = String::new();
    let file = File::open(folder.join("lock")).ok()?;
    file.take(LONGEST).read_to_string(&mut text).ok()?;
    text.lines().nth(number).map(str::to_owned)
}

/// The lock of a data folder; none while another process holds it. Two servers on one folder would run
/// each other's analyses and throw away each other's uploads.
pub fn lock(folder: &Path) -> Result<Option<FolderLock>> {
    let unusable = |error: std::io::Error| {
        let text = format!(
            "the data folder {} cannot be locked: {error}",
            folder.display()
        );
        Error::new(Kind::Internal, text)
    };
    make(folder)?;
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
            Ok(Some(FolderLock(file)))
        }
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(unusable(error)),
    }
}

/// Makes the folder where it is missing.
fn make(folder: &Path) -> Result<()> {
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(folder);
    made.map_err(|error| {
        let shown = folder.display();
        let text = match folder.is_file() {
            true => format!("the data folder {shown} is a file"),
            false => format!("the data folder {shown} cannot be used: {error}"),
        };
        Error::new(Kind::Internal, text)
            .resolve("set QUIRE_DATA to a folder that can be written to")
    })
}

/// Who holds a folder, as its lock says it: "process 12, since 2026-11-23T12:00:00.000Z". None where it
/// says nothing that can be understood. Only means something after [`lock`] gave none.
pub fn holder(folder: &Path) -> Option<String> {
    let line = lock_line(folder, 0)?;
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
        let who = format!("process {}, since 2", std::process::id());
        let said = holder(&folder).expect("who");
        assert!(said.starts_with(&who), "{said}");
        drop(first);
        assert!(lock(&folder).expect("a folder").is_some());
        // Written once more, not added to.
        assert!(holder(&folder).is_some());
        assert_eq!(server_address(&folder), None);
        let held = lock(&folder).expect("a folder").expect("free");
        held.note_address("http://127.0.0.1:43211");
        assert!(holder(&folder).is_some());
        let address = server_address(&folder);
        assert_eq!(address.as_deref(), Some("http://127.0.0.1:43211"));
        drop(held);
        for unclear in ["", "12", "x 2026-11-23T12:00:00.000Z", "12 today", "\u{0}"] {
            std::fs::write(folder.join("lock"), unclear).expect("written");
            assert_eq!(holder(&folder), None, "{unclear}");
        }
        std::fs::remove_dir_all(&folder).expect("removed");
        assert_eq!(holder(&folder), None);
        assert!(lock(Path::new("/proc/nowhere")).is_err());
    }
}
