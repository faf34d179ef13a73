//! Copies the database while it is in use. The copy gets the requested name only after it has been verified, so that no
//! incomplete copy ever has this name. Replaces an existing file only on request.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::{fmt, io};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::store::version::{APPLICATION_ID, VERSION};

/// Why a backup failed, or why a file is not a valid backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupError {
    /// A file already has the requested name.
    Exists(PathBuf),
    /// There is not enough disk space. Contains the number of free bytes, and the number needed while the copy is made.
    NoSpace(u64, u64),
    /// The copy is not a valid Quire database.
    Damaged(String),
    /// Reading or writing failed.
    Failed(String),
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(path) => write!(f, "{} exists already", path.display()),
            Self::NoSpace(free, needed) => write!(
                f,
                "the disk has {} MB free, but the copy needs {} MB while it is made",
                free / 1_000_000,
                needed.div_ceil(1_000_000)
            ),
            Self::Damaged(why) => write!(f, "the copy is not valid: {why}"),
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

/// What a verified copy contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Schema version.
    pub version: u32,
    /// Size in bytes.
    pub bytes: u64,
    /// Number of rows in each table.
    pub rows: BTreeMap<String, u64>,
}

impl Verified {
    /// Returns the total number of rows in all tables.
    pub fn all_rows(&self) -> u64 {
        self.rows.values().sum()
    }
}

/// Copies a consistent snapshot of the database through a connection of its own, without blocking writers.
///
/// # Errors
/// Returns `Exists` if the name is taken, `NoSpace` if there is not enough space, `Damaged` if the copy is not valid or
/// its row counts differ from the snapshot's, or another error if reading or writing fails.
pub(in crate::store) fn copy(
    from: &Path,
    to: &Path,
    replace: bool,
) -> Result<Verified, BackupError> {
    if !replace && to.exists() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let part = PartialBackup::create_next_to(to)?;
    let pages = PartialBackup::create_next_to(&part.0)?;
    let source = Connection::open_with_flags(from, read_only())?;
    source.busy_timeout(std::time::Duration::from_secs(5))?;
    check_space(&source, &part.0)?;
    let name = part
        .0
        .to_str()
        .ok_or_else(|| BackupError::Failed("the name of the copy is not unicode".into()))?;
    // Rows are counted and pages copied in one transaction, so that neither includes concurrent writes.
    source.execute_batch("BEGIN")?;
    let rows = count_rows(&source)?;
    let mut page_copy = Connection::open(&pages.0)?;
    // This file is temporary. Only its compacted copy must survive a power failure.
    page_copy.execute_batch("PRAGMA synchronous = OFF")?;
    if Backup::new(&source, &mut page_copy)?.step(-1)? != StepResult::Done {
        return Err(BackupError::Failed("the database is busy".into()));
    }
    drop(source);
    // VACUUM drops free pages, and with them any deleted data that they contain.
    page_copy.execute("VACUUM INTO ?1", [name])?;
    drop(page_copy);
    drop(pages);
    let verified = verify(&part.0)?;
    has_same_rows(&rows, &verified.rows)?;
    File::open(&part.0)?.sync_all()?;
    part.rename_to(to, replace)?;
    Ok(verified)
}

/// Checks that there is enough space for making a copy, which temporarily takes twice the size of the database.
fn check_space(source: &Connection, to: &Path) -> Result<(), BackupError> {
    let number = |sql: &str| source.query_row(sql, [], |row| row.get::<_, i64>(0));
    let bytes = number("PRAGMA page_count")?.saturating_mul(number("PRAGMA page_size")?);
    let needed = bytes.unsigned_abs().saturating_mul(2);
    let disk = rustix::fs::statvfs(to).map_err(io::Error::from)?;
    match disk.f_bavail.saturating_mul(disk.f_frsize) {
        free if free < needed => Err(BackupError::NoSpace(free, needed)),
        _ => Ok(()),
    }
}

/// Checks the pages of the whole database, including its write-ahead log. Blocks. Returns false also if the database
/// cannot be read.
pub(in crate::store) fn is_intact(path: &Path) -> bool {
    let read = || {
        let db = Connection::open_with_flags(path, read_only())?;
        db.busy_timeout(std::time::Duration::from_secs(5))?;
        db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
    };
    read().is_ok_and(|verdict| verdict == "ok")
}

/// Counts the rows of each table, except SQLite's internal ones.
fn count_rows(db: &Connection) -> rusqlite::Result<BTreeMap<String, u64>> {
    let names = "SELECT name FROM pragma_table_list
        WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut names = db.prepare(names)?;
    let names = names.query_map([], |row| row.get::<_, String>(0))?;
    names
        .map(|name| {
            let name = name?;
            let count = format!("SELECT count(*) FROM \"{}\"", name.replace('"', "\"\""));
            let rows: i64 = db.query_row(&count, [], |row| row.get(0))?;
            Ok((name, rows.unsigned_abs()))
        })
        .collect()
}

fn has_same_rows(
    expected: &BTreeMap<String, u64>,
    copied_rows: &BTreeMap<String, u64>,
) -> Result<(), BackupError> {
    let different = expected
        .iter()
        .find(|(name, rows)| copied_rows.get(*name) != Some(rows));
    match different {
        None if expected.len() == copied_rows.len() => Ok(()),
        None => Err(BackupError::Damaged("it has other tables".into())),
        Some((name, rows)) => {
            let count = copied_rows.get(name).copied().unwrap_or_default();
            let why = format!("{name} has {count} rows in it, and {rows} in the database");
            Err(BackupError::Damaged(why))
        }
    }
}

/// Checkpoints the write-ahead log of a database that no other process has open; closing the database then deletes the
/// log.
///
/// # Errors
/// Returns `Damaged` if the database is damaged, or `Failed` if another process has it open or it cannot be written.
pub fn checkpoint_log(path: &Path) -> Result<(), BackupError> {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    let to_checkpoint_error = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(DatabaseCorrupt | NotADatabase) => BackupError::Damaged(error.to_string()),
        _ => error.into(),
    };
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .map_err(to_checkpoint_error)?;
    db.busy_timeout(std::time::Duration::from_secs(1))?;
    let busy: bool = db
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .map_err(to_checkpoint_error)?;
    match busy {
        true => Err(BackupError::Failed("another process has it open".into())),
        false => db.close().map_err(|(_, error)| to_checkpoint_error(error)),
    }
}

/// Verifies a copy completely: all pages, indexes, and references.
///
/// # Errors
/// Returns `Damaged` with a description of the problem, or `Failed` if the file cannot be read.
pub fn verify(path: &Path) -> Result<Verified, BackupError> {
    let bytes = fs::metadata(path)?.len();
    let to_damaged = |error: rusqlite::Error| BackupError::Damaged(error.to_string());
    let db = Connection::open_with_flags(path, read_only()).map_err(to_damaged)?;
    let number = |sql: &str| {
        db.query_row(sql, [], |row| row.get::<_, i64>(0))
            .map_err(to_damaged)
    };
    if number("PRAGMA application_id")? != i64::from(APPLICATION_ID) {
        return Err(BackupError::Damaged("it is not a Quire database".into()));
    }
    let version = number("PRAGMA user_version")?;
    if version > i64::from(VERSION) {
        let why = format!(
            "it was written by a newer quire (its version is {version}, this program knows {VERSION})"
        );
        return Err(BackupError::Damaged(why));
    }
    let version = u32::try_from(version)
        .ok()
        .filter(|version| (1..=VERSION).contains(version))
        .ok_or_else(|| BackupError::Damaged(format!("it claims to have version {version}")))?;
    let finding: String = db
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(to_damaged)?;
    if finding != "ok" {
        return Err(BackupError::Damaged(finding));
    }
    match number("SELECT count(*) FROM pragma_foreign_key_check")? {
        0 => Ok(Verified {
            version,
            bytes,
            rows: count_rows(&db).map_err(to_damaged)?,
        }),
        strays => Err(BackupError::Damaged(format!(
            "{strays} rows have no parent row"
        ))),
    }
}

fn read_only() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// A file with a temporary name, which is deleted on drop unless it was renamed.
struct PartialBackup(PathBuf);

impl PartialBackup {
    fn create_next_to(to: &Path) -> Result<Self, BackupError> {
        let stem = to.file_name().unwrap_or_default().to_string_lossy();
        let part = to.with_file_name(format!(".{stem}.{}.part", std::process::id()));
        if part.exists() {
            fs::remove_file(&part)?;
        }
        // The file is created here with private permissions, so that no other user can read it. VACUUM INTO accepts an
        // empty file.
        private_file(&part)?;
        Ok(Self(part))
    }

    fn rename_to(self, to: &Path, replace: bool) -> Result<(), BackupError> {
        if replace {
            fs::rename(&self.0, to)?;
        } else {
            // Unlike a rename, a link fails if the name has been taken in the meantime.
            match fs::hard_link(&self.0, to) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(BackupError::Exists(to.to_owned()));
                }
                // Some file systems do not support hard links.
                Err(_) => fs::rename(&self.0, to)?,
                Ok(()) => {}
            }
        }
        // The new directory entry must survive a power failure too.
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(())
    }
}

impl Drop for PartialBackup {
    fn drop(&mut self) {
        // After a rename, nothing is left to delete, except possibly an empty log that was created by reading.
        for end in ["", "-wal", "-shm", "-journal"] {
            let _ = fs::remove_file(format!("{}{end}", self.0.display()));
        }
    }
}

/// Creates an empty file that only its owner can read and write.
///
/// # Errors
/// Returns an error if the file already exists or cannot be created.
pub(in crate::store) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
