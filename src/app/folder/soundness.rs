//! Inspects a data folder before anything in it is opened. If the folder has other data but its database is
//! missing, empty, or truncated, something went wrong (a wrong mount, a full disk, an interrupted copy), and
//! starting anyway would hide it. Read-only.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::{entries, journal_check, migration_check};
use crate::app::documents::orphans;
use crate::app::{Error, Kind, Result};
use crate::config::Config;
use crate::store::{APPLICATION_ID, OpenError, Store};

/// The first bytes of every SQLite database.
const SQLITE_MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Size of a database's header in bytes.
const HEADER_BYTES: usize = 100;
/// Size of a log's header in bytes.
const LOG_HEADER_BYTES: u64 = 32;
/// Size of the header before each page of a log, in bytes.
const FRAME_HEADER_BYTES: u64 = 24;

/// Why a file cannot be the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) enum DatabaseDamage {
    /// The file does not exist.
    Missing,
    /// The file has 0 bytes.
    Empty,
    /// The file is shorter than its header says, and its log does not contain the missing pages.
    CutOff {
        /// The actual size, in bytes.
        bytes: u64,
        /// The expected size, in bytes.
        expected: u64,
    },
    /// The file is not a SQLite database.
    NotSqlite,
    /// A folder has the database's name.
    Folder,
    /// The file is an intact database that belongs to another program.
    Foreign,
}

impl fmt::Display for DatabaseDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing"),
            Self::Empty => f.write_str("is empty"),
            Self::CutOff { bytes, expected } => {
                write!(f, "is cut off: it has {bytes} of {expected} bytes")
            }
            Self::NotSqlite => f.write_str("is not a SQLite database"),
            Self::Folder => f.write_str("is a folder, not a file"),
            Self::Foreign => f.write_str("belongs to another program"),
        }
    }
}

/// Refuses a data folder that contains data but no database that looks valid. `replicated` means that a
/// missing database is about to be restored from the replica.
///
/// # Errors
/// `Conflict`, with the problem and the remedy, if the folder is refused; `Internal` if it cannot be read.
pub(in crate::app) fn check(config: &Config, replicated: bool) -> Result<()> {
    let folder = &config.data_dir;
    entries::check(folder)?;
    let path = super::database(folder);
    migration_check::check(folder, &path)?;
    if config.database_url.is_some() {
        return ensure_no_file(&path);
    }
    let Some(damage) = find_damage(&path).map_err(Error::internal)? else {
        journal_check::check(&path)?;
        return crate::store::check_log(&path).map_err(|error| open_error(config, &error));
    };
    let logs = log_files(folder);
    let other_entries = existing_entries(folder);
    let is_new = match damage {
        DatabaseDamage::Missing => logs.is_empty() && (replicated || other_entries.is_empty()),
        // A first start that was killed may leave an empty file, but no document folder.
        DatabaseDamage::Empty => {
            let is_log = |path: &PathBuf| path.to_string_lossy().ends_with("-wal");
            let started = folder.join("documents").exists();
            !logs.iter().any(is_log) && other_entries.is_empty() && !started
        }
        _ => false,
    };
    match is_new {
        true => Ok(()),
        false => Err(refusal(folder, damage, &other_entries, &logs)),
    }
}

/// Refuses a data folder that has its own database when `DATABASE_URL` is set, because the database on the
/// server would silently take its place.
fn ensure_no_file(path: &Path) -> Result<()> {
    match path.exists() {
        false => Ok(()),
        true => {
            let text = format!("DATABASE_URL is set, but {} exists", path.display());
            Err(Error::new(Kind::Conflict, text).resolve(
                "Unset DATABASE_URL to use this file, or set QUIRE_DATA to another folder. To move this database to \
                 PostgreSQL, see `quire help migrate`.",
            ))
        }
    }
}

/// Returns the error for a database on a server that could not be opened.
fn server_error(error: &OpenError) -> Error {
    let text = format!("the database in DATABASE_URL: {error}");
    match error {
        OpenError::Foreign => Error::new(
            Kind::Conflict,
            "the database in DATABASE_URL contains another program's tables",
        )
        .resolve("Create a database only for Quire, or give its user a separate schema."),
        OpenError::Busy => Error::new(
            Kind::Unavailable,
            "the PostgreSQL server in DATABASE_URL cannot be reached or refuses the connection",
        )
        .resolve("Check the address and the password, and make sure that the server is running."),
        OpenError::DirectAddress(why) => {
            Error::new(Kind::Conflict, format!("the address in DATABASE_DIRECT_URL {why}")).resolve(
                "Set it to the address of the database in DATABASE_URL without the pooler, or unset it.",
            )
        }
        _ => Error::new(Kind::Internal, text),
    }
}

/// Returns the error for a database that could not be opened, with the remedy.
pub(in crate::app) fn open_error(config: &Config, error: &OpenError) -> Error {
    if config.database_url.is_some() {
        return server_error(error);
    }
    let folder = &config.data_dir;
    let display_path = folder.display();
    match error {
        // Both files may be intact, so only the operator can decide which one to keep.
        OpenError::ForeignLog(_) => Error::new(Kind::Conflict, format!("{display_path}: {error}")).resolve(
            "Nothing was changed. Copy the folder before you try anything. To keep quire.db (for example, a backup \
             that was copied there), move quire.db-wal and quire.db-shm elsewhere and start again. To keep the log, put \
             back the quire.db that it belongs to. To restore a backup, use `quire restore FILE --replace` \
             instead of copying it.",
        ),
        OpenError::Damaged(why) => damaged_error(folder, why),
        OpenError::Foreign => refusal(folder, DatabaseDamage::Foreign, &existing_entries(folder), &log_files(folder)),
        OpenError::Busy => Error::new(Kind::Conflict, format!("{display_path}/quire.db: {error}"))
            .resolve("Stop the other process, or set QUIRE_DATA to another folder."),
        OpenError::Newer { .. } | OpenError::DirectAddress(_) | OpenError::Failed(_) => {
            Error::new(Kind::Internal, format!("{display_path}/quire.db: {error}"))
        }
    }
}

/// Reads from each table that startup needs, so that damage is found before any request is served.
///
/// # Errors
/// `Conflict` if a page of the database is damaged; `Internal` if it cannot be read for another reason.
pub(in crate::app) fn check_tables(folder: &Path, store: &Store) -> Result<()> {
    match store.find_damage()? {
        Some(why) => Err(damaged_error(folder, &why)),
        None => Ok(()),
    }
}

fn damaged_error(folder: &Path, why: &str) -> Error {
    let text = format!("{}/quire.db is damaged: {why}", folder.display());
    Error::new(Kind::Conflict, text).resolve(
        "Nothing was changed. Copy the folder before you try anything, and check the disk. Restore a backup: quire \
         restore FILE --replace (existing files are kept). Without a backup, `sqlite3 quire.db .recover` \
         recovers what is left.",
    )
}

fn refusal(folder: &Path, damage: DatabaseDamage, entries: &[String], logs: &[PathBuf]) -> Error {
    let display_path = folder.display();
    let mut text = match damage {
        DatabaseDamage::Missing => format!("{display_path} has no database: quire.db is missing"),
        damage => format!("{display_path}/quire.db {damage}"),
    };
    let sizes = logs.iter().map(|path| {
        let bytes = fs::metadata(path).map_or(0, |metadata| metadata.len());
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        format!("{name} ({bytes} bytes of changes that belong to that database)")
    });
    let all: Vec<String> = entries.iter().cloned().chain(sizes).collect();
    if !all.is_empty() {
        text = format!("{text}, but the folder contains {}", all.join(", "));
    }
    let replace = match damage {
        DatabaseDamage::Missing | DatabaseDamage::Folder => "",
        _ => " --replace",
    };
    let first = match damage {
        DatabaseDamage::Folder => {
            "Move that folder elsewhere (containers create one if the file to mount does not exist). "
        }
        _ => "",
    };
    Error::new(Kind::Conflict, text).resolve(format!(
        "Nothing was changed. Copy the folder before you try anything. {first}Check that the right disk is mounted there, \
         and put quire.db back{}. Or restore a backup: quire restore FILE{replace} (existing files are kept). \
         To begin with an empty installation instead, set QUIRE_DATA to another folder.",
        match logs {
            [] => "",
            _ => " next to its log",
        },
    ))
}

/// Lists contents that a newly created folder would not have.
fn existing_entries(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for (name, what) in [
        ("documents", "documents"),
        ("uploads", "unfinished uploads"),
    ] {
        let entries = fs::read_dir(folder.join(name)).into_iter().flatten();
        match entries.flatten().count() {
            0 => {}
            1 => found.push(format!("a file in {name}")),
            count => found.push(format!("{count} {what}")),
        }
    }
    // Any file counts, because a copy of the folder may contain files that Quire did not move aside itself.
    if contains_file(&folder.join(orphans::FOLDER_NAME)) {
        found.push(format!("files in {}", orphans::FOLDER_NAME));
    }
    if crate::crypto::secret::path(folder).exists() {
        found.push("the file secret".to_owned());
    }
    let older = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut older: Vec<String> = older
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| is_older_database(name))
        .collect();
    older.sort();
    if !older.is_empty() {
        found.push(format!("copies of a database ({})", older.join(", ")));
    }
    found
}

/// Whether this is the name of a database that was replaced, copied before a migration, or written as a backup.
fn is_older_database(name: &str) -> bool {
    let is_replaced_database = ["quire.db.before-restore", "quire.db.v"];
    let is_backup = name.starts_with("quire-2") && name.ends_with(".db");
    is_backup
        || is_replaced_database
            .iter()
            .any(|start| name.starts_with(start))
}

/// Whether a folder or one of its subfolders contains a file.
fn contains_file(folder: &Path) -> bool {
    let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.any(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => contains_file(&entry.path()),
        _ => true,
    })
}

/// Returns the paths of the database's write-ahead log and rollback journal, as far as they exist and are not empty.
pub(in crate::app) fn log_files(folder: &Path) -> Vec<PathBuf> {
    let log = |end: &str| PathBuf::from(format!("{}{end}", super::database(folder).display()));
    let mut logs = vec![log("-wal"), log("-journal")];
    logs.retain(|path| fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0));
    logs
}

/// Examines a database file by its header, its size, and, if it is too short, its log; `None` if it looks intact.
///
/// # Errors
/// Returns an error if the file cannot be read.
pub(in crate::app) fn find_damage(path: &Path) -> io::Result<Option<DatabaseDamage>> {
    // Check this before opening the file, because opening a pipe waits for its other end.
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(Some(DatabaseDamage::Missing));
        }
        metadata => metadata?,
    };
    if metadata.is_dir() {
        return Ok(Some(DatabaseDamage::Folder));
    }
    if !metadata.is_file() {
        return Ok(Some(DatabaseDamage::NotSqlite));
    }
    let mut file = File::open(path)?;
    let bytes = metadata.len();
    let mut header = Vec::with_capacity(HEADER_BYTES);
    file.by_ref()
        .take(HEADER_BYTES as u64)
        .read_to_end(&mut header)?;
    if header.is_empty() {
        return Ok(Some(DatabaseDamage::Empty));
    }
    let prefix = header.len().min(SQLITE_MAGIC.len());
    if header[..prefix] != SQLITE_MAGIC[..prefix] {
        return Ok(Some(DatabaseDamage::NotSqlite));
    }
    let Some(header) = DatabaseHeader::parse(&header) else {
        let expected = HEADER_BYTES as u64;
        return Ok(Some(match bytes < expected {
            true => DatabaseDamage::CutOff { bytes, expected },
            false => DatabaseDamage::NotSqlite,
        }));
    };
    let expected = u64::from(header.pages) * u64::from(header.page_size);
    // Quire writes the application ID with the first page, before any other page. Even an interrupted first start
    // therefore never leaves a file of more than one page without it.
    if header.application_id != APPLICATION_ID && bytes > u64::from(header.page_size) {
        return Ok(Some(DatabaseDamage::Foreign));
    }
    if bytes >= expected {
        return Ok(None);
    }
    // Checkpoints copy pages from the log into the file in order, so an interrupted checkpoint leaves the
    // file short. In that case, the missing pages must all be in the log.
    let log = PathBuf::from(format!("{}-wal", path.display()));
    let first_missing = u32::try_from(bytes / u64::from(header.page_size)).unwrap_or(u32::MAX) + 1;
    match log_covers(&log, header.page_size, first_missing)? {
        true => Ok(None),
        false => Ok(Some(DatabaseDamage::CutOff { bytes, expected })),
    }
}

/// The fields of a database header that describe its size and owner.
struct DatabaseHeader {
    page_size: u32,
    /// Number of pages; 1 if the header does not specify it.
    pages: u32,
    /// Application ID: the program that the database belongs to.
    application_id: i32,
}

impl DatabaseHeader {
    fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < HEADER_BYTES {
            return None;
        }
        let read_u32 = |at: usize| u32_from_be(&bytes[at..at + 4]);
        let page_size = match u32::from(bytes[16]) << 8 | u32::from(bytes[17]) {
            1 => 65_536,
            size if size.is_power_of_two() && size >= 512 => size,
            _ => return None,
        };
        // The page count is valid only if both change counters agree, because old versions of SQLite did not
        // maintain it.
        let pages = match read_u32(24) == read_u32(92) {
            true => read_u32(28),
            false => 0,
        };
        Some(Self {
            page_size,
            pages: pages.max(1),
            application_id: read_u32(68).cast_signed(),
        })
    }
}

fn u32_from_be(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

/// Whether the committed part of a log contains every page from `first` to the end of the database.
fn log_covers(log: &Path, page_size: u32, first: u32) -> io::Result<bool> {
    let mut file = match File::open(log) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        file => file?,
    };
    let frames = file.metadata()?.len().saturating_sub(LOG_HEADER_BYTES)
        / (FRAME_HEADER_BYTES + u64::from(page_size));
    let mut header = [0; LOG_HEADER_BYTES as usize];
    if file.read_exact(&mut header).is_err() || u32_from_be(&header[8..12]) != page_size {
        return Ok(false);
    }
    let (mut seen, mut waiting_pages) = (BTreeSet::new(), BTreeSet::new());
    let mut end = 0;
    for frame in 0..frames {
        let mut frame_header = [0; FRAME_HEADER_BYTES as usize];
        let at = LOG_HEADER_BYTES + frame * (FRAME_HEADER_BYTES + u64::from(page_size));
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut frame_header)?;
        // Frames with different salts are left over from an earlier checkpoint cycle.
        if frame_header[8..16] != header[16..24] {
            break;
        }
        if u32_from_be(&frame_header[..4]) >= first {
            waiting_pages.insert(u32_from_be(&frame_header[..4]));
        }
        let pages = u32_from_be(&frame_header[4..8]);
        if pages > 0 {
            seen.append(&mut waiting_pages);
            end = pages;
        }
    }
    Ok(end > 0 && (first..=end).all(|page| seen.contains(&page)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{StoreSettings, settings};

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("quire-sound-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn files_that_are_not_databases_are_rejected() {
        let folder = folder("files");
        let path = folder.join("quire.db");
        assert_eq!(find_damage(&path).unwrap(), Some(DatabaseDamage::Missing));
        let store = Store::open(&StoreSettings { path: path.clone() }).unwrap();
        store.close_for_writes();
        let copy = folder.join("copy.db");
        fs::copy(&path, &copy).unwrap();
        let complete = fs::read(&copy).unwrap();
        assert_eq!(find_damage(&copy).unwrap(), None);
        let size = complete.len() as u64;
        for (length, expected) in [
            (0, Some(DatabaseDamage::Empty)),
            (
                10,
                Some(DatabaseDamage::CutOff {
                    bytes: 10,
                    expected: 100,
                }),
            ),
            (
                4096,
                Some(DatabaseDamage::CutOff {
                    bytes: 4096,
                    expected: size,
                }),
            ),
            (
                complete.len() - 1,
                Some(DatabaseDamage::CutOff {
                    bytes: size - 1,
                    expected: size,
                }),
            ),
            (complete.len(), None),
        ] {
            fs::write(&copy, &complete[..length]).unwrap();
            assert_eq!(find_damage(&copy).unwrap(), expected, "{length}");
        }
        fs::write(&copy, "a text").unwrap();
        assert_eq!(find_damage(&copy).unwrap(), Some(DatabaseDamage::NotSqlite));
        fs::write(&copy, [0; 8192]).unwrap();
        assert_eq!(find_damage(&copy).unwrap(), Some(DatabaseDamage::NotSqlite));
        fs::remove_dir_all(folder).unwrap();
    }

    /// A process killed during a checkpoint leaves a short file and a complete log.
    #[test]
    fn a_short_file_completed_by_its_log_is_sound() {
        let folder = folder("short");
        let (path, copy) = (folder.join("quire.db"), folder.join("copy.db"));
        let store = Store::open(&StoreSettings { path: path.clone() }).unwrap();
        let text = "x".repeat(100_000);
        store
            .write_now(move |db| settings::set(db, "long", &text))
            .unwrap();
        let log = PathBuf::from(format!("{}-wal", path.display()));
        let (short, whole_log) = (fs::read(&path).unwrap(), fs::read(&log).unwrap());
        store.close_for_writes();
        let folded = fs::read(&path).unwrap();
        assert!(short.len() < folded.len(), "the log had more pages");
        // The first page already records the new size, but the other pages have not been copied yet.
        let mut moved = short;
        moved[..4096].copy_from_slice(&folded[..4096]);
        fs::write(&copy, &moved).unwrap();
        assert!(matches!(
            find_damage(&copy).unwrap(),
            Some(DatabaseDamage::CutOff { .. })
        ));
        let copied_log = PathBuf::from(format!("{}-wal", copy.display()));
        fs::write(&copied_log, &whole_log).unwrap();
        assert_eq!(find_damage(&copy).unwrap(), None);
        // Cut off the log's last commit, so that it lacks pages.
        fs::write(&copied_log, &whole_log[..whole_log.len() / 2]).unwrap();
        assert!(find_damage(&copy).unwrap().is_some());
        fs::remove_dir_all(folder).unwrap();
    }
}
