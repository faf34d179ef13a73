//! Tracks which database files the target has confirmed, and compares them with the target's listing. Sends nothing.

use std::collections::BTreeMap;

use super::names::{self, CHANGES_FOLDER, SNAPSHOTS_FOLDER};
use crate::objects::target::{Result, Target};

/// Confirmed stored sizes of the newest snapshot and of the changes after it, in bytes, by file name.
#[derive(Debug, Default)]
pub struct SizeLedger {
    sizes: BTreeMap<String, u64>,
}

impl SizeLedger {
    /// Records a change that the target has confirmed.
    pub fn record_change(&mut self, number: u64, stored: u64) {
        self.sizes.insert(names::change_name(number), stored);
    }

    /// Records a snapshot that the target has confirmed; earlier files are no longer needed.
    pub fn record_snapshot(&mut self, number: u64, stored: u64) {
        self.sizes
            .retain(|name, _| names::last_change_in(name).is_some_and(|last| last > number));
        self.sizes.insert(names::snapshot_name(number), stored);
    }

    /// Compares the ledger with the target's listing, and returns the names of the files that a restore up to
    /// `position` would lack: missing ones, or ones that differ in size from the sent file. For files sent by an
    /// earlier process, only their presence is checked.
    ///
    /// # Errors
    /// Returns an error if the target cannot be listed.
    pub fn audit(&self, target: &dyn Target, position: u64) -> Result<Vec<String>> {
        let (mut snapshots, mut changes) = (BTreeMap::new(), BTreeMap::new());
        for (prefix, found) in [
            (SNAPSHOTS_FOLDER, &mut snapshots),
            (CHANGES_FOLDER, &mut changes),
        ] {
            target.list(prefix, &mut |entry| {
                if let Some(last) =
                    names::last_change_in(&entry.name).filter(|last| *last <= position)
                {
                    found.insert(last, entry.bytes);
                }
            })?;
        }
        let newest_recorded = self
            .sizes
            .keys()
            .filter(|name| name.starts_with(SNAPSHOTS_FOLDER))
            .filter_map(|name| names::last_change_in(name))
            .max();
        let newest = newest_recorded.max(snapshots.keys().next_back().copied());
        let Some(newest) = newest else {
            return Ok(vec!["a snapshot".into()]);
        };
        let missing_name = |name: String, found: Option<&u64>| {
            let expected = self.sizes.get(&name);
            let is_there =
                found.is_some_and(|bytes| expected.is_none_or(|expected| expected == bytes));
            (!is_there).then_some(name)
        };
        let snapshot = missing_name(names::snapshot_name(newest), snapshots.get(&newest));
        let after = (newest + 1..=position)
            .filter_map(|number| missing_name(names::change_name(number), changes.get(&number)));
        Ok(snapshot.into_iter().chain(after).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::folder::FolderTarget;
    use super::*;

    #[test]
    fn missing_and_truncated_files_are_named() {
        let base = std::env::temp_dir().join(format!("quire-ledger-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&base);
        let target = FolderTarget::open(&base.join("replica")).unwrap();
        let put_file = |name: &str, bytes: &[u8]| {
            let path = base.join("source");
            std::fs::File::create(&path)
                .and_then(|mut file| file.write_all(bytes))
                .unwrap();
            target
                .put(name, &std::fs::File::open(path).unwrap(), false)
                .unwrap();
        };
        let mut ledger = SizeLedger::default();
        assert_eq!(ledger.audit(&target, 0).unwrap(), ["a snapshot"]);
        put_file(&names::snapshot_name(3), b"whole");
        put_file(&names::change_name(4), b"four");
        put_file(&names::change_name(5), b"five");
        // The change was sent by an earlier process, so only its presence is checked.
        assert_eq!(ledger.audit(&target, 5).unwrap(), Vec::<String>::new());
        assert_eq!(ledger.audit(&target, 6).unwrap(), [names::change_name(6)]);
        for (number, stored) in [(4, 4), (5, 4)] {
            ledger.record_change(number, stored);
        }
        ledger.record_snapshot(3, 5);
        assert_eq!(ledger.audit(&target, 5).unwrap(), Vec::<String>::new());
        put_file(&names::change_name(4), b"fo");
        assert_eq!(ledger.audit(&target, 5).unwrap(), [names::change_name(4)]);
        target.remove(&names::change_name(4)).unwrap();
        assert_eq!(ledger.audit(&target, 5).unwrap(), [names::change_name(4)]);
        // A new snapshot replaces the files before it, and must itself be present.
        ledger.record_snapshot(5, 5);
        assert_eq!(ledger.audit(&target, 5).unwrap(), [names::snapshot_name(5)]);
        put_file(&names::snapshot_name(5), b"whole");
        assert_eq!(ledger.audit(&target, 5).unwrap(), Vec::<String>::new());
        std::fs::remove_dir_all(base).unwrap();
    }
}
