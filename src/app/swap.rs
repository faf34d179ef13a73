//! Puts a database in the place of another. Whenever it is cut short, one of the two is there, whole and with all
//! that was committed to it; what is replaced is kept beside it.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::domain::time::Timestamp;
use crate::store::fold_log;

/// So many of the databases that were replaced are kept.
const KEPT: usize = 3;
const MARK: &str = ".before-restore-";

/// What takes whose place.
pub(super) struct Swap {
    new: PathBuf,
    place: PathBuf,
    kept: PathBuf,
}

type Step = fn(&Swap) -> io::Result<()>;

/// In this order. Each leaves everything as whole as it was.
const STEPS: &[Step] = &[
    Swap::keep,
    Swap::fold,
    Swap::drop_log,
    Swap::replace,
    Swap::forget_oldest,
];

impl Swap {
    /// `new` is a whole database beside the place.
    pub(super) fn new(new: PathBuf, place: PathBuf, now: Timestamp) -> Self {
        let stamp = now.to_string().replace([':', '.'], "-");
        let kept = beside(&place, &format!("{MARK}{stamp}"));
        Self { new, place, kept }
    }

    /// Does it. Gives where the one that was replaced is, if there was one.
    pub(super) fn run(self) -> io::Result<Option<PathBuf>> {
        STEPS.iter().try_for_each(|step| step(&self))?;
        Ok(Some(self.kept).filter(|kept| kept.exists()))
    }

    /// What is in the log only goes into the database, under both its names. With a damaged one this may throw the
    /// log away: it is kept by then.
    fn fold(&self) -> io::Result<()> {
        if self.place.exists() {
            let _ = fold_log(&self.place);
        }
        Ok(())
    }

    /// Under a second name the old one outlives the loss of its first. The log comes first: a database without the
    /// log that belongs to it would be less than whole.
    fn keep(&self) -> io::Result<()> {
        for end in ["-wal", ""] {
            let (old, kept) = (beside(&self.place, end), beside(&self.kept, end));
            match fs::hard_link(&old, &kept) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                // Not every file system has links.
                Err(_) => {
                    let part = beside(&kept, ".part");
                    fs::copy(&old, &part)?;
                    File::open(&part)?.sync_all()?;
                    fs::rename(&part, &kept)?;
                }
            }
        }
        self.settle()
    }

    /// The new one must never be read with the old one's log.
    fn drop_log(&self) -> io::Result<()> {
        for end in ["-wal", "-shm"] {
            match fs::remove_file(beside(&self.place, end)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.settle()
    }

    fn replace(&self) -> io::Result<()> {
        fs::rename(&self.new, &self.place)?;
        self.settle()
    }

    fn forget_oldest(&self) -> io::Result<()> {
        let mut kept = kept(&self.place)?;
        kept.sort();
        let many = kept.len().saturating_sub(KEPT);
        for old in kept.into_iter().take(many) {
            fs::remove_file(&old)?;
            let _ = fs::remove_file(beside(&old, "-wal"));
        }
        Ok(())
    }

    /// Names themselves must survive a power cut.
    fn settle(&self) -> io::Result<()> {
        let folder = self.place.parent().unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}

/// The databases that were replaced.
fn kept(place: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = place.parent().unwrap_or(Path::new("."));
    let stem = format!(
        "{}{MARK}",
        place.file_name().unwrap_or_default().to_string_lossy()
    );
    let named = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&stem) && !name.ends_with("-wal") && !name.ends_with(".part")
    };
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let paths: io::Result<Vec<PathBuf>> = entries.collect();
    Ok(paths?.into_iter().filter(named).collect())
}

fn beside(path: &Path, end: &str) -> PathBuf {
    PathBuf::from(format!("{}{end}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::store::{Settings, Store, settings, verify};

    fn open(path: &Path) -> Store {
        Store::open(&Settings {
            path: path.to_owned(),
        })
        .unwrap()
    }

    /// What is read there. From a copy: the file may have two names, and a store has it open for a moment longer.
    fn value(path: &Path) -> Option<String> {
        let scratch = unused(path);
        for end in ["", "-wal"] {
            if beside(path, end).exists() {
                fs::copy(beside(path, end), beside(&scratch, end)).unwrap();
            }
        }
        verify(&scratch).unwrap();
        open(&scratch)
            .read_now(|db| settings::get(db, "whose"))
            .unwrap()
    }

    fn unused(path: &Path) -> PathBuf {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        path.with_file_name(format!("scratch-{number}"))
    }

    /// A database whose last commit is in the log only, as kill -9 leaves it.
    fn killed(path: &Path, whose: &'static str) {
        let scratch = unused(path);
        let store = open(&scratch);
        store
            .write_now(move |db| settings::set(db, "whose", whose))
            .unwrap();
        for end in ["", "-wal"] {
            fs::copy(beside(&scratch, end), beside(path, end)).unwrap();
        }
        assert!(fs::metadata(beside(path, "-wal")).unwrap().len() > 0);
    }

    #[test]
    fn cut_short_anywhere_one_of_the_two_is_whole() {
        for steps in 0..=STEPS.len() {
            let folder =
                std::env::temp_dir().join(format!("quire-swap-{}-{steps}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            let (place, new) = (folder.join("quire.db"), folder.join("new.db"));
            killed(&place, "old");
            killed(&new, "new");
            fold_log(&new).unwrap();
            let swap = Swap::new(new.clone(), place.clone(), Timestamp::from_millis(0));
            STEPS
                .iter()
                .take(steps)
                .for_each(|step| step(&swap).unwrap());
            // The next start, and what it finds beside.
            let expected = if steps < 4 { "old" } else { "new" };
            assert_eq!(value(&place).as_deref(), Some(expected), "{steps}");
            if steps >= 1 {
                assert_eq!(value(&swap.kept).as_deref(), Some("old"), "{steps}");
            }
            fs::remove_dir_all(folder).unwrap();
        }
    }

    #[test]
    fn a_damaged_one_is_kept_with_its_log_and_only_the_newest_three_are() {
        let folder = std::env::temp_dir().join(format!("quire-swaps-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let place = folder.join("quire.db");
        fs::write(&place, "no database").unwrap();
        fs::write(beside(&place, "-wal"), "its log").unwrap();
        for minute in 0..5 {
            let new = folder.join("new.db");
            killed(&new, "new");
            fold_log(&new).unwrap();
            let at = Timestamp::from_millis(minute * 60_000);
            let before = Swap::new(new, place.clone(), at)
                .run()
                .unwrap()
                .expect("one was there");
            if minute == 0 {
                assert_eq!(fs::read(&before).unwrap(), b"no database");
                assert_eq!(fs::read(beside(&before, "-wal")).unwrap(), b"its log");
            }
            assert_eq!(value(&place).as_deref(), Some("new"));
            assert_eq!(kept(&place).unwrap().len(), 3.min(minute as usize + 1));
        }
        let nothing = folder.join("other.db");
        let new = folder.join("new.db");
        killed(&new, "new");
        fold_log(&new).unwrap();
        let swap = Swap::new(new, nothing.clone(), Timestamp::from_millis(0));
        assert_eq!(swap.run().unwrap(), None);
        assert_eq!(value(&nothing).as_deref(), Some("new"));
        fs::remove_dir_all(folder).unwrap();
    }
}
