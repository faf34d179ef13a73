//! A copy of the database while it is in use, checked before it gets its name. Never leaves half a
//! copy under the name that was asked for, and never replaces a file unless told to.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::{fmt, io};

use rusqlite::{Connection, OpenFlags};

use super::migrate::{APPLICATION_ID, VERSION};

/// Why there is no backup, or why one is not sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupError {
    /// Something has the name already.
    Exists(PathBuf),
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
            Self::Failed(why) => f.write_str(why),
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
        Self::Failed(error.to_string())
    }
}

/// What a sound copy holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Its schema's version.
    pub version: u32,
    /// Its size.
    pub bytes: u64,
}

/// Copies the database in one step, from a connection of its own: writers go on meanwhile.
pub(super) fn copy(from: &Path, to: &Path, replace: bool) -> Result<Verified, BackupError> {
    if !replace && to.exists() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let part = Unfinished::beside(to)?;
    let source = Connection::open_with_flags(from, read_only())?;
    source.busy_timeout(std::time::Duration::from_secs(5))?;
    let name = part
        .0
        .to_str()
        .ok_or_else(|| BackupError::Failed("the name of the copy is not unicode".into()))?;
    source.execute("VACUUM INTO ?1", [name])?;
    drop(source);
    let verified = verify(&part.0)?;
    File::open(&part.0)?.sync_all()?;
    part.becomes(to, replace)?;
    Ok(verified)
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
        0 => Ok(Verified { version, bytes }),
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
        // Made by us first, so that nobody else may read it; VACUUM INTO accepts an empty file.
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
        let _ = fs::remove_file(&self.0);
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
