//! Restores a database file from a replica: the newest readable snapshot, and the changes after it. A damaged file
//! never reaches the database; a damaged change ends the restore there, and is reported.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::ltx;
use super::names::{self, Inventory};
use crate::objects::target::{Result, Target, TargetError};

/// Result of a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredFiles {
    /// Number of the last restored change.
    pub position: u64,
    /// Number of the last change in the replica; greater than `position` if something could not be read.
    pub newest_change: u64,
    /// Number of changes applied to the snapshot.
    pub changes: usize,
    /// Size of the database, in bytes.
    pub bytes: u64,
    /// Descriptions of the files that could not be read.
    pub damage: Vec<String>,
}

/// Restores the newest database of a replica to a new file. Returns `None` if the replica is empty. Leaves no file
/// behind on failure.
///
/// # Errors
/// `Refused` if the replica contains no readable database; another error if the target or the disk fails.
pub fn restore(target: &dyn Target, to: &Path) -> Result<Option<RestoredFiles>> {
    let inventory = Inventory::list(target)?;
    let newest = inventory.newest();
    if newest == 0 {
        return Ok(None);
    }
    let mut damage = Vec::new();
    for (snapshot, changes) in inventory.restore_chains() {
        match restore_chain(target, to, snapshot, &changes, &mut damage) {
            Ok(mut restored) => {
                restored.newest_change = newest;
                restored.damage = damage;
                return Ok(Some(restored));
            }
            Err(RestoreError::Damaged(why)) => {
                damage.push(format!("{}: {why}", names::snapshot_name(snapshot)))
            }
            Err(RestoreError::Target(error)) => {
                let _ = std::fs::remove_file(to);
                return Err(error);
            }
        }
    }
    let _ = std::fs::remove_file(to);
    if damage.is_empty() {
        damage.push("it contains no snapshot".into())
    }
    Err(TargetError::Refused(format!(
        "the replica contains no readable database: {}",
        damage.join("; ")
    )))
}

enum RestoreError {
    /// A file of the replica is damaged.
    Damaged(String),
    /// The target or the local disk failed.
    Target(TargetError),
}

impl From<TargetError> for RestoreError {
    fn from(error: TargetError) -> Self {
        match error {
            // Another process may have removed the file because it was no longer needed.
            TargetError::Missing => Self::Damaged(error.to_string()),
            other => Self::Target(other),
        }
    }
}

impl From<io::Error> for RestoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData => Self::Damaged(error.to_string()),
            io::ErrorKind::UnexpectedEof => Self::Damaged("it is cut off".into()),
            _ => Self::Target(TargetError::Failed(error.to_string())),
        }
    }
}

fn restore_chain(
    target: &dyn Target,
    to: &Path,
    snapshot: u64,
    changes: &[u64],
    damage: &mut Vec<String>,
) -> std::result::Result<RestoredFiles, RestoreError> {
    let database = create_new_file(to)?;
    let from = target.get(&names::snapshot_name(snapshot))?;
    let header = apply_change(&database, from)?;
    if header.min != 1 || header.max != snapshot {
        return Err(RestoreError::Damaged(
            "it has the contents of another file".into(),
        ));
    }
    let mut restored = RestoredFiles {
        position: snapshot,
        newest_change: 0,
        changes: 0,
        bytes: u64::from(header.commit) * u64::from(header.page_size),
        damage: Vec::new(),
    };
    let part = to.with_extension("change");
    for &number in changes {
        match fetch_change(target, &part, number, header.page_size) {
            Ok(file) => {
                let applied = apply_change(&database, &file)?;
                restored.position = number;
                restored.changes += 1;
                restored.bytes = u64::from(applied.commit) * u64::from(applied.page_size);
            }
            Err(RestoreError::Damaged(why)) => {
                damage.push(format!("{}: {why}", names::change_name(number)));
                break;
            }
            Err(error) => {
                let _ = std::fs::remove_file(&part);
                return Err(error);
            }
        }
    }
    let _ = std::fs::remove_file(&part);
    database.set_len(restored.bytes)?;
    database.sync_all()?;
    Ok(restored)
}

/// Downloads a change and verifies the whole file before it is applied, because its checksum comes last.
fn fetch_change(
    target: &dyn Target,
    part: &Path,
    number: u64,
    page_size: u32,
) -> std::result::Result<File, RestoreError> {
    let mut file = create_new_file(part)?;
    io::copy(&mut target.get(&names::change_name(number))?, &mut file)?;
    file.seek(SeekFrom::Start(0))?;
    let header = ltx::read(&file, |_, _, _| Ok(()))?;
    if (header.min, header.max, header.page_size) != (number, number, page_size) {
        return Err(RestoreError::Damaged(
            "it has the contents of another file".into(),
        ));
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

fn apply_change(database: &File, from: impl io::Read) -> io::Result<ltx::LtxHeader> {
    ltx::read(from, |header, number, page| {
        database.write_all_at(page, u64::from(number - 1) * u64::from(header.page_size))
    })
}

fn create_new_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600);
    options.open(path)
}
