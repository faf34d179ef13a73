//! File names in a replica, and the list of its database files. The layout is Litestream's: snapshots in level 9,
//! single changes in level 0.

use crate::domain::id::DocumentId;

use crate::objects::target::{Result, Target};

/// Folder of single changes.
pub const CHANGES_FOLDER: &str = "ltx/0/";
/// Folder of snapshots.
pub const SNAPSHOTS_FOLDER: &str = "ltx/9/";
/// Folder of original documents.
pub const DOCUMENTS_FOLDER: &str = "documents/";
/// Name of the note with the owner's ID.
pub const OWNER_NOTE: &str = "quire-holder";
/// Name of the note with the ID of the last owner that sent everything before it stopped.
pub const RELEASED_NOTE: &str = "quire-released";
/// Name of the note in which a replaced process asks the new owner whether it is still running.
pub const QUESTION_NOTE: &str = "quire-asked";
/// Name of the note in which the owner answers [`QUESTION_NOTE`].
pub const ANSWER_NOTE: &str = "quire-answered";
/// Name of the note that records when originals without a document were first found.
pub const UNREFERENCED_NOTE: &str = "quire-unknown";
/// Name of the file with the installation's secret, which exists only in an encrypted replica.
pub const SECRET_NOTE: &str = "quire-secret";

/// Returns the file name of a change.
pub fn change_name(number: u64) -> String {
    format!("{CHANGES_FOLDER}{number:016x}-{number:016x}.ltx")
}

/// Returns the file name of the snapshot that includes all changes up to this one.
pub fn snapshot_name(number: u64) -> String {
    format!("{SNAPSHOTS_FOLDER}{:016x}-{number:016x}.ltx", 1)
}

/// Returns the file name of a document's original.
pub fn original_name(id: &DocumentId) -> String {
    format!("{DOCUMENTS_FOLDER}{}", id.as_str())
}

/// Returns the number of the last change in the file with this name; `None` if it is not a snapshot or a single change.
pub(super) fn last_change_in(name: &str) -> Option<u64> {
    let (_, range) = name.strip_suffix(".ltx")?.rsplit_once('/')?;
    let (min, max) = range.split_once('-')?;
    let number = |text: &str| {
        u64::from_str_radix(text, 16)
            .ok()
            .filter(|_| text.len() == 16)
    };
    let (min, max) = (number(min)?, number(max)?);
    // Files that combine several changes without being a snapshot are written by other programs.
    (min <= max && (name.starts_with(SNAPSHOTS_FOLDER) || min == max)).then_some(max)
}

/// Database files of a replica, by change number.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Number of the last change in each snapshot, ascending.
    pub snapshots: Vec<u64>,
    /// Numbers of the changes that have a file of their own, ascending.
    pub changes: Vec<u64>,
}

impl Inventory {
    /// Lists the database files of a target.
    ///
    /// # Errors
    /// Returns an error if the target cannot be listed.
    pub fn list(target: &dyn Target) -> Result<Self> {
        let list = |prefix: &str| {
            let mut positions = Vec::new();
            target.list(prefix, &mut |entry| {
                positions.extend(last_change_in(&entry.name))
            })?;
            positions.sort_unstable();
            Ok(positions)
        };
        Ok(Self {
            snapshots: list(SNAPSHOTS_FOLDER)?,
            changes: list(CHANGES_FOLDER)?,
        })
    }

    /// Returns the number of the last change in any file; 0 if there is none.
    pub fn newest(&self) -> u64 {
        let last = |numbers: &[u64]| numbers.last().copied().unwrap_or(0);
        last(&self.snapshots).max(last(&self.changes))
    }

    /// Returns each snapshot with the changes that follow it without a gap, newest snapshot first.
    pub fn restore_chains(&self) -> impl Iterator<Item = (u64, Vec<u64>)> + '_ {
        self.snapshots.iter().rev().map(|&snapshot| {
            let from = self.changes.partition_point(|&change| change <= snapshot);
            let following = self.changes[from..].iter().zip(snapshot + 1..);
            let consecutive = following.take_while(|(change, expected)| *change == expected);
            (snapshot, consecutive.map(|(change, _)| *change).collect())
        })
    }

    /// Returns the names of the files that are not needed to keep the newest `keep` snapshots (at least one) and all
    /// changes after the oldest of them.
    pub fn obsolete_files(&self, keep: usize) -> Vec<String> {
        let keep = keep.clamp(1, self.snapshots.len().max(1));
        let (old, kept_snapshots) = self
            .snapshots
            .split_at(self.snapshots.len().saturating_sub(keep));
        let Some(oldest) = kept_snapshots.first() else {
            return Vec::new();
        };
        let changes = self.changes.iter().take_while(|&change| change <= oldest);
        let old = old.iter().map(|&number| snapshot_name(number));
        old.chain(changes.map(|&number| change_name(number)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_contain_change_numbers() {
        for (name, expected) in [
            (change_name(27), Some(27)),
            (snapshot_name(27), Some(27)),
            ("ltx/0/000000000000000a-000000000000000c.ltx".into(), None),
            (
                "ltx/9/000000000000000a-000000000000000c.ltx".into(),
                Some(12),
            ),
            ("ltx/0/a-a.ltx".into(), None),
            (
                "ltx/0/000000000000000a-000000000000000a.ltx.part".into(),
                None,
            ),
            (OWNER_NOTE.into(), None),
        ] {
            assert_eq!(last_change_in(&name), expected, "{name}");
        }
    }

    #[test]
    fn restore_candidates_are_ordered() {
        let inventory = Inventory {
            snapshots: vec![3, 8, 20],
            changes: vec![2, 3, 4, 5, 6, 8, 9, 10, 12],
        };
        let ways: Vec<_> = inventory.restore_chains().collect();
        assert_eq!(ways, [(20, vec![]), (8, vec![9, 10]), (3, vec![4, 5, 6])]);
        assert_eq!(inventory.newest(), 20);
        assert_eq!(
            inventory.obsolete_files(5),
            [change_name(2), change_name(3)]
        );
        let expected = [
            snapshot_name(3),
            change_name(2),
            change_name(3),
            change_name(4),
            change_name(5),
            change_name(6),
            change_name(8),
        ];
        assert_eq!(inventory.obsolete_files(2), expected);
        assert_eq!(inventory.obsolete_files(0).len(), 2 + 9);
        let none = Inventory::default();
        assert_eq!(
            (
                none.newest(),
                none.restore_chains().count(),
                none.obsolete_files(2).len()
            ),
            (0, 0, 0)
        );
    }
}
