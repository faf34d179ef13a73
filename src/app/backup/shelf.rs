//! A folder of copies, each named after the moment it was made. Knows its own by their names, and never touches
//! another file.

use std::io;
use std::path::{Path, PathBuf};

use crate::domain::time::Timestamp;

/// A copy that lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Where it is.
    pub path: PathBuf,
    /// When it was made.
    pub made: Timestamp,
    /// Its size.
    pub bytes: u64,
}

/// What a copy of this moment is called.
pub fn name(made: Timestamp) -> String {
    format!("quire-{}.db", made.to_string().replace([':', '.'], "-"))
}

/// When a copy of this name was made; none where it is no name of ours.
fn made(name: &str) -> Option<Timestamp> {
    let stamp = name.strip_prefix("quire-")?.strip_suffix(".db")?;
    let (day, time) = stamp.split_once('T')?;
    let time = time.replacen('-', ":", 2).replacen('-', ".", 1);
    let moment = Timestamp::parse(&format!("{day}T{time}"))?;
    (self::name(moment) == name).then_some(moment)
}

/// The copies of a folder, the newest first.
pub fn kept(folder: &Path) -> io::Result<Vec<Kept>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        let made = entry.file_name().to_str().and_then(made);
        if let Some(made) = made.filter(|_| about.is_file()) {
            all.push(Kept {
                path: entry.path(),
                made,
                bytes: about.len(),
            });
        }
    }
    all.sort_by_key(|copy| std::cmp::Reverse(copy.made));
    Ok(all)
}

/// Removes all but the newest so many.
pub fn forget(folder: &Path, keep: usize) -> io::Result<()> {
    let mut old = kept(folder)?.into_iter().skip(keep);
    old.try_for_each(|copy| std::fs::remove_file(copy.path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_again_and_others_are_not() {
        let moment = Timestamp::from_millis(1_795_464_000_123);
        assert_eq!(name(moment), "quire-2026-11-23T20-00-00-123Z.db");
        assert_eq!(made(&name(moment)), Some(moment));
        for other in [
            "quire.db",
            "quire-.db",
            "quire-2026-11-23.db",
            "quire-2026-11-23T20-00-00Z.db",
            "quire-2026-11-23T20:00:00.123Z.db",
            "quire-2026-11-23T20-00-00-123Z.db.part",
            "my-quire-2026-11-23T20-00-00-123Z.db",
            "quire-2026-02-30T20-00-00-123Z.db",
        ] {
            assert_eq!(made(other), None, "{other}");
        }
    }

    #[test]
    fn the_newest_are_kept_and_no_other_file_is_touched() {
        let folder = std::env::temp_dir().join(format!("quire-shelf-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        for second in [3, 1, 4, 2] {
            let name = name(Timestamp::from_millis(second * 1000));
            std::fs::write(folder.join(name), "copy").expect("a copy");
        }
        for other in ["quire.db", "quire-mine.db", "notes.txt"] {
            std::fs::write(folder.join(other), "other").expect("another file");
        }
        forget(&folder, 2).expect("the old ones go");
        let left = kept(&folder).expect("the folder");
        let made: Vec<_> = left.iter().map(|copy| copy.made.seconds()).collect();
        assert_eq!(made, [4, 3]);
        assert_eq!(std::fs::read_dir(&folder).expect("the folder").count(), 5);
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
