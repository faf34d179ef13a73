//! Replaces a database with another. Even if interrupted at any point, one of the two is in place, complete with
//! every committed change; the replaced database is kept next to it.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::folder::soundness;
use crate::domain::time::Timestamp;
use crate::store::{BackupError, checkpoint_log};

/// Maximum number of replaced databases to keep.
const MAX_REPLACED: usize = 3;
/// Part of the file names of replaced databases.
const REPLACED_MARK: &str = ".before-restore-";

/// Replaces the database at `path`, in steps that survive an interruption.
pub(super) struct ReplaceDatabase {
    new: PathBuf,
    path: PathBuf,
    previous: PathBuf,
}

/// The databases that a replacement kept and deleted.
#[derive(Debug, PartialEq, Eq)]
pub struct ReplacedFiles {
    /// The path of the replaced database, if there was one.
    pub previous: Option<PathBuf>,
    /// Databases from earlier replacements that were deleted to stay within `MAX_REPLACED`.
    pub deleted: Vec<PathBuf>,
}

type SwapStep = fn(&ReplaceDatabase) -> io::Result<()>;

/// The steps in order. After each, a complete database is in place.
const STEPS: &[SwapStep] = &[
    ReplaceDatabase::keep_previous,
    ReplaceDatabase::checkpoint_log,
    ReplaceDatabase::remove_log,
    ReplaceDatabase::replace,
];

impl ReplaceDatabase {
    /// Prepares a replacement; `new` is a complete database next to `path`.
    pub(super) fn new(new: PathBuf, place: PathBuf, now: Timestamp) -> Self {
        let stamp = now.to_string().replace([':', '.'], "-");
        let kept_path = with_suffix(&place, &format!("{REPLACED_MARK}{stamp}"));
        Self {
            new,
            path: place,
            previous: kept_path,
        }
    }

    /// Runs all steps of the replacement.
    ///
    /// # Errors
    /// Returns an error if a step fails. The old database is then in place under its own name.
    pub(super) fn run(self) -> io::Result<ReplacedFiles> {
        remove_interrupted(&self.path)?;
        if let Err(error) = STEPS.iter().try_for_each(|step| step(&self)) {
            let _ = remove_interrupted(&self.path);
            return Err(error);
        }
        Ok(ReplacedFiles {
            deleted: delete_oldest(&self.path),
            previous: Some(self.previous).filter(|kept_path| kept_path.exists()),
        })
    }

    /// Gives the old database and its log second names, which remain when the first ones are replaced: hard links or,
    /// where the file system has none, copies. The log is first, because a database without its log would be
    /// incomplete.
    fn keep_previous(&self) -> io::Result<()> {
        for end in ["-wal", "-journal", ""] {
            let (old, kept_path) = (
                with_suffix(&self.path, end),
                with_suffix(&self.previous, end),
            );
            match fs::hard_link(&old, &kept_path) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                // Never overwrite a database that was kept earlier.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(error),
                // Not every file system supports hard links.
                Err(_) => {
                    let part = with_suffix(&kept_path, ".part");
                    fs::copy(&old, &part)?;
                    File::open(&part)?.sync_all()?;
                    fs::rename(&part, &kept_path)?;
                }
            }
        }
        self.sync_folder()
    }

    /// Checkpoints the old database's WAL, through both hard links. Leaves the WAL of a damaged database alone, because
    /// SQLite would delete it or apply it to what remains. A sound database is replaced only once its WAL is
    /// checkpointed; that fails while another program has it open or the disk is full.
    fn checkpoint_log(&self) -> io::Result<()> {
        if soundness::find_damage(&self.path)?.is_some() {
            return Ok(());
        }
        match checkpoint_log(&self.path) {
            Ok(()) | Err(BackupError::Damaged(_)) => {}
            Err(error) => {
                let text = format!(
                    "cannot checkpoint the log of {}: {error}",
                    self.path.display()
                );
                return Err(io::Error::other(text));
            }
        }
        // Remove the second hard link to the log if the log is now empty, or to a journal that was rolled back.
        let log = with_suffix(&self.previous, "-wal");
        if fs::metadata(&log).is_ok_and(|log| log.len() == 0) {
            fs::remove_file(log)?;
        }
        match fs::remove_file(with_suffix(&self.previous, "-journal")) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes the old log, which must never be applied to the new database.
    fn remove_log(&self) -> io::Result<()> {
        for end in ["-wal", "-shm", "-journal"] {
            match fs::remove_file(with_suffix(&self.path, end)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.sync_folder()
    }

    fn replace(&self) -> io::Result<()> {
        fs::rename(&self.new, &self.path)?;
        self.sync_folder()
    }

    /// Syncs the folder, because directory entries must survive a power failure too.
    fn sync_folder(&self) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}

/// Removes what an interrupted restore left next to the database: extra hard links to files in use, empty logs without
/// a database, and partial copies. (Opening the database through its second hard link would give it a second log and
/// corrupt it.) Non-empty logs are kept. Requires the folder's lock.
///
/// # Errors
/// Returns an error if the folder cannot be read or a file cannot be removed.
pub(super) fn remove_interrupted(place: &Path) -> io::Result<()> {
    if !place.exists() {
        return Ok(());
    }
    let inode = |path: &Path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
    let used = ["", "-wal", "-journal"].map(|end| inode(&with_suffix(place, end)).ok());
    let is_used = |path: &Path| inode(path).is_ok_and(|file_id| used.contains(&Some(file_id)));
    for path in replaced_files(place)? {
        let name = path.display().to_string();
        let is_without_database = ["-wal", "-shm", "-journal"]
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .is_some_and(|database| !Path::new(database).exists());
        let is_empty = fs::metadata(&path).is_ok_and(|metadata| metadata.len() == 0);
        let is_index = name.ends_with("-shm");
        if name.ends_with(".part")
            || is_used(&path)
            || is_without_database && (is_empty || is_index)
        {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Removes the oldest replaced databases and returns their paths. Failing to remove one does not fail the restore.
fn delete_oldest(place: &Path) -> Vec<PathBuf> {
    let mut kept_files = replaced_databases(place).unwrap_or_default();
    let excess = kept_files.len().saturating_sub(MAX_REPLACED);
    kept_files.truncate(excess);
    kept_files.retain(|old| {
        let is_removed = fs::remove_file(old).is_ok();
        for end in ["-wal", "-shm", "-journal"] {
            let _ = fs::remove_file(with_suffix(old, end));
        }
        is_removed
    });
    kept_files
}

/// Returns the replaced databases, oldest first.
fn replaced_databases(place: &Path) -> io::Result<Vec<PathBuf>> {
    let mut kept_files = replaced_files(place)?;
    kept_files.retain(|path| {
        let name = path.to_string_lossy();
        !["-wal", "-shm", "-journal", ".part"]
            .iter()
            .any(|end| name.ends_with(end))
    });
    Ok(kept_files)
}

/// Lists the files of replaced databases by name, so that a log comes after its database.
fn replaced_files(place: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = place.parent().unwrap_or(Path::new("."));
    let own_name = place.file_name().unwrap_or_default().to_string_lossy();
    let stem = format!("{own_name}{REPLACED_MARK}");
    let mut marked_files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(&stem) {
            marked_files.push(path);
        }
    }
    marked_files.sort();
    Ok(marked_files)
}

fn with_suffix(path: &Path, end: &str) -> PathBuf {
    PathBuf::from(format!("{}{end}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::store::{Store, StoreSettings, settings, verify};

    fn open(path: &Path) -> Store {
        Store::open(&StoreSettings {
            path: path.to_owned(),
        })
        .unwrap()
    }

    // Reads the value from a copy, because the file itself may have two hard links, and another store may still have
    // it open for a moment.
    fn value(path: &Path) -> Option<String> {
        let scratch = unused_path(path);
        for end in ["", "-wal"] {
            if with_suffix(path, end).exists() {
                fs::copy(with_suffix(path, end), with_suffix(&scratch, end)).unwrap();
            }
        }
        verify(&scratch).unwrap();
        open(&scratch)
            .read_now(|db| settings::get(db, "whose"))
            .unwrap()
    }

    fn unused_path(path: &Path) -> PathBuf {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        path.with_file_name(format!("scratch-{number}"))
    }

    /// Creates a database whose last commit is only in the log, as after `kill -9`.
    fn leave_as_killed(path: &Path, value: &'static str) {
        let scratch = unused_path(path);
        let store = open(&scratch);
        store
            .write_now(move |db| settings::set(db, "whose", value))
            .unwrap();
        for end in ["", "-wal"] {
            fs::copy(with_suffix(&scratch, end), with_suffix(path, end)).unwrap();
        }
        assert!(fs::metadata(with_suffix(path, "-wal")).unwrap().len() > 0);
    }

    #[test]
    fn an_interruption_leaves_one_complete_database() {
        for steps in 0..=STEPS.len() {
            let folder =
                std::env::temp_dir().join(format!("quire-swap-{}-{steps}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            let (database_path, new) = (folder.join("quire.db"), folder.join("new.db"));
            leave_as_killed(&database_path, "old");
            leave_as_killed(&new, "new");
            checkpoint_log(&new).unwrap();
            let swap = ReplaceDatabase::new(
                new.clone(),
                database_path.clone(),
                Timestamp::from_millis(0),
            );
            STEPS
                .iter()
                .take(steps)
                .for_each(|step| step(&swap).unwrap());
            // Simulate the next start, with the files that the interruption left behind.
            let expected = if steps < 4 { "old" } else { "new" };
            assert_eq!(value(&database_path).as_deref(), Some(expected), "{steps}");
            if steps >= 1 {
                assert_eq!(value(&swap.previous).as_deref(), Some("old"), "{steps}");
            }
            remove_interrupted(&database_path).unwrap();
            let has_one_link = fs::metadata(&database_path).unwrap().nlink() == 1;
            assert!(has_one_link, "{steps}");
            assert_eq!(swap.previous.exists(), steps == 4, "{steps}");
            assert_eq!(value(&database_path).as_deref(), Some(expected), "{steps}");
            fs::remove_dir_all(folder).unwrap();
        }
    }

    /// An open reader prevents the checkpoint, so later changes are only in the log.
    #[test]
    fn a_database_in_use_is_not_replaced_and_loses_nothing() {
        let folder = std::env::temp_dir().join(format!("quire-swap-{}-read", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (database_path, new) = (folder.join("quire.db"), folder.join("new.db"));
        leave_as_killed(&new, "new");
        checkpoint_log(&new).unwrap();
        let store = open(&database_path);
        let (changed_store, at, from) = (store.clone(), database_path.clone(), new.clone());
        let attempt = store.read_now(move |db| {
            settings::get(db, "whose")?;
            changed_store.write_now(|db| settings::set(db, "whose", "old"))?;
            let swap = || ReplaceDatabase::new(from.clone(), at.clone(), Timestamp::from_millis(0));
            // Simulate being killed just before the new database is renamed into place.
            let cut_short = STEPS.iter().take(3).try_for_each(|step| step(&swap()));
            let left = value(&at);
            remove_interrupted(&at).unwrap();
            Ok((cut_short.is_err(), left, swap().run()))
        });
        let (is_interrupted, left, outcome) = attempt.unwrap();
        assert_eq!(left.as_deref(), Some("old"));
        assert!(is_interrupted);
        let text = outcome.unwrap_err().to_string();
        assert!(text.contains("another process has it open"), "{text}");
        assert_eq!(
            replaced_databases(&database_path).unwrap(),
            Vec::<PathBuf>::new()
        );
        assert_eq!(value(&database_path).as_deref(), Some("old"));
        drop(store);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_damaged_database_is_kept_with_its_log_and_only_three_are_kept() {
        let folder = std::env::temp_dir().join(format!("quire-swaps-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let database_path = folder.join("quire.db");
        fs::write(&database_path, "no database").unwrap();
        fs::write(with_suffix(&database_path, "-wal"), "its log").unwrap();
        for minute in 0..5 {
            let new = folder.join("new.db");
            leave_as_killed(&new, "new");
            checkpoint_log(&new).unwrap();
            let at = Timestamp::from_millis(minute * 60_000);
            let swapped = ReplaceDatabase::new(new, database_path.clone(), at)
                .run()
                .unwrap();
            let previous_path = swapped.previous.expect("one was there");
            assert_eq!(swapped.deleted.len(), usize::from(minute > 2), "{minute}");
            if minute == 0 {
                assert_eq!(fs::read(&previous_path).unwrap(), b"no database");
                assert_eq!(
                    fs::read(with_suffix(&previous_path, "-wal")).unwrap(),
                    b"its log"
                );
            }
            assert_eq!(value(&database_path).as_deref(), Some("new"));
            assert_eq!(
                replaced_databases(&database_path).unwrap().len(),
                3.min(minute as usize + 1)
            );
        }
        let missing_path = folder.join("other.db");
        let new = folder.join("new.db");
        leave_as_killed(&new, "new");
        checkpoint_log(&new).unwrap();
        let swap = ReplaceDatabase::new(new, missing_path.clone(), Timestamp::from_millis(0));
        assert_eq!(swap.run().unwrap().previous, None);
        assert_eq!(value(&missing_path).as_deref(), Some("new"));
        fs::remove_dir_all(folder).unwrap();
    }
}
