//! A copy of the database while it is in use, checked before it gets its name. Never leaves half a
//! copy under the name that was asked for, and never replaces a file unless told to.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::{fmt, io};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::migrate::{APPLICATION_ID, VERSION};
use crate::system;

/// Pages that are copied between two looks at what became of them.
const AT_ONCE: i32 = 1024;

/// Why there is no backup, or why one is not sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupError {
    /// Something has the name already.
    Exists(PathBuf),
    /// The disk has no room for it; the sentence says how much it needs.
    NoRoom(String),
    /// The copy is not a sound database of ours.
    Unsound(String),
    /// Reading or writing failed.
    Failed(String),
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(path) => write!(f, "{} is there already", path.display()),
            Self::Unsound(why) => write!(f, "the copy is not sound: {why}"),
            Self::NoRoom(why) | Self::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for BackupError {}

impl From<rusqlite::Error> for BackupError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<io::Error> for BackupError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::NoRoom(format!("there is no room for the copy: {error}"))
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// What a sound copy holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Its schema's version.
    pub version: u32,
    /// Its size.
    pub bytes: u64,
    /// Its tables by name, and how many rows each has.
    pub tables: Vec<(String, u64)>,
}

impl Verified {
    /// The rows of all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|(_, rows)| rows).sum()
    }
}

/// Copies the database as it is at one moment, from a connection of its own: writers go on meanwhile. The rows of the
/// copy are counted and held against those of that moment.
pub(super) fn copy(from: &Path, to: &Path, replace: bool) -> Result<Verified, BackupError> {
    if !replace && to.exists() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let source = Connection::open_with_flags(from, read_only())?;
    source.busy_timeout(std::time::Duration::from_secs(5))?;
    // What is counted and what is copied is then one state of the database, whoever writes meanwhile.
    source.execute_batch("BEGIN")?;
    let tables = tables(&source)?;
    let needed = number(&source, "PRAGMA page_count")? * number(&source, "PRAGMA page_size")?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    let free = system::room(&File::open(folder.unwrap_or(Path::new(".")))?);
    if let Some(free) = free.filter(|&free| free < needed) {
        return Err(BackupError::NoRoom(format!(
            "there is no room for the copy: it needs {needed} bytes and {free} are free"
        )));
    }
    let part = Unfinished::beside(to)?;
    pages(&source, &part.0).map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => BackupError::NoRoom(format!(
            "the disk was full before the copy was whole: it needs {needed} bytes"
        )),
        _ => error.into(),
    })?;
    drop(source);
    let verified = verify(&part.0)?;
    if let Some(why) = difference(&tables, &verified.tables) {
        return Err(BackupError::Unsound(why));
    }
    File::open(&part.0)?.sync_all()?;
    part.becomes(to, replace)?;
    Ok(verified)
}

/// Copies page by page what the source's transaction sees, into one file that needs no log beside it.
fn pages(source: &Connection, to: &Path) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut copy = Connection::open_with_flags(to, flags)?;
    // Until it is whole the copy is worth nothing, and is removed: it needs no journal of its own.
    copy.execute_batch(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -512;",
    )?;
    let backup = Backup::new(source, &mut copy)?;
    while backup.step(AT_ONCE)? != StepResult::Done {}
    drop(backup);
    drop(copy);
    let copy = Connection::open_with_flags(to, flags)?;
    copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
}

/// The tables that hold what people stored, and their rows. What the search keeps beside them is read through by the
/// check of integrity.
fn tables(db: &Connection) -> rusqlite::Result<Vec<(String, u64)>> {
    let mut query = db.prepare(
        "SELECT name FROM pragma_table_list
         WHERE schema = 'main' AND type = 'table' AND name NOT GLOB 'sqlite_*' ORDER BY name",
    )?;
    let names = query.query_map([], |row| row.get::<_, String>(0))?;
    let count = |name: String| {
        let quoted = name.replace('"', "\"\"");
        let sql = format!("SELECT count(*) FROM main.\"{quoted}\"");
        Ok((name, number(db, &sql)?))
    };
    names.map(|name| name.and_then(count)).collect()
}

fn number(db: &Connection, sql: &str) -> rusqlite::Result<u64> {
    db.query_row(sql, [], |row| row.get::<_, i64>(0))
        .map(i64::unsigned_abs)
}

/// Where two counts differ, if they do.
fn difference(source: &[(String, u64)], copy: &[(String, u64)]) -> Option<String> {
    if source.len() != copy.len() {
        return Some(format!("it has {} tables of {}", copy.len(), source.len()));
    }
    let mut pairs = source.iter().zip(copy);
    let (left, right) = pairs.find(|(left, right)| left != right)?;
    Some(format!(
        "its table {} has {} rows, and {} had {}",
        right.0, right.1, left.0, left.1
    ))
}

/// Moves what is in a database's log into it, where nobody has it open: the log is gone after. Only of a damaged
/// database it says that it is unsound.
pub fn fold_log(path: &Path) -> Result<(), BackupError> {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    let told = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(DatabaseCorrupt | NotADatabase) => BackupError::Unsound(error.to_string()),
        _ => error.into(),
    };
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(told)?;
    db.busy_timeout(std::time::Duration::from_secs(1))?;
    let busy: bool = db
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .map_err(told)?;
    match busy {
        true => Err(BackupError::Failed("somebody has it open".into())),
        false => db.close().map_err(|(_, error)| told(error)),
    }
}

/// Reads a copy through: every page, every index, every reference.
pub fn verify(path: &Path) -> Result<Verified, BackupError> {
    let bytes = fs::metadata(path)?.len();
    let unsound = |error: rusqlite::Error| BackupError::Unsound(error.to_string());
    let db = Connection::open_with_flags(path, read_only()).map_err(unsound)?;
    let number = |sql: &str| {
        db.query_row(sql, [], |row| row.get::<_, i64>(0))
            .map_err(unsound)
    };
    if number("PRAGMA application_id")? != i64::from(APPLICATION_ID) {
        return Err(BackupError::Unsound("it is not a quire database".into()));
    }
    let version = number("PRAGMA user_version")?;
    if version > i64::from(VERSION) {
        let why = format!(
            "it was written by a newer quire (its version is {version}, this program knows {VERSION})"
        );
        return Err(BackupError::Unsound(why));
    }
    let version = u32::try_from(version)
        .ok()
        .filter(|version| (1..=VERSION).contains(version))
        .ok_or_else(|| BackupError::Unsound(format!("it claims to have version {version}")))?;
    let fault: String = db
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(unsound)?;
    if fault != "ok" {
        return Err(BackupError::Unsound(fault));
    }
    match number("SELECT count(*) FROM pragma_foreign_key_check")? {
        0 => Ok(Verified {
            version,
            bytes,
            tables: tables(&db).map_err(unsound)?,
        }),
        strays => Err(BackupError::Unsound(format!(
            "{strays} rows belong to nothing"
        ))),
    }
}

fn read_only() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// The copy under a name of its own; removed unless it becomes the real one.
struct Unfinished(PathBuf);

impl Unfinished {
    fn beside(to: &Path) -> Result<Self, BackupError> {
        let stem = to.file_name().unwrap_or_default().to_string_lossy();
        let part = to.with_file_name(format!(".{stem}.{}.part", std::process::id()));
        if part.exists() {
            fs::remove_file(&part)?;
        }
        // Made by us first, so that nobody else may read it.
        private_file(&part)?;
        Ok(Self(part))
    }

    fn becomes(self, to: &Path, replace: bool) -> Result<(), BackupError> {
        if replace {
            fs::rename(&self.0, to)?;
        } else {
            // Fails if somebody took the name meanwhile, which a rename would not.
            match fs::hard_link(&self.0, to) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(BackupError::Exists(to.to_owned()));
                }
                // Not every file system has links.
                Err(_) => fs::rename(&self.0, to)?,
                Ok(()) => {}
            }
        }
        // The new name itself must survive a power cut.
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After a rename there is nothing left to remove.
        for end in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{end}", self.0.display()));
        }
    }
}

/// A new empty file that only its owner may read; fails if there is one.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
