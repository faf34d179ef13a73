//! Checks that the data folder exists or can be created, can be written, and has enough free space.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use super::{CheckResult, CheckState, finding};
use crate::app::folder::{FOLDER_ADVICE, io_reason};
use crate::store;

const NAME: &str = "data folder";
/// Size of a test write in bytes: enough for a small upload and the database log.
const TEST_WRITE_BYTES: usize = 16 << 20;

/// Checks that the data folder can be written or, if it is missing, created, and that its disk has at least
/// `min_free_bytes` free bytes.
pub(super) fn check_data_folder(folder: &Path, min_free_bytes: u64) -> CheckResult {
    let shown = folder.display();
    let unusable = |error: &io::Error| {
        let why = match folder.is_file() {
            true => "it is a file".to_owned(),
            false => io_reason(error),
        };
        let remedy = match error.kind() {
            io::ErrorKind::StorageFull => "free some disk space",
            _ => FOLDER_ADVICE,
        };
        let text = format!("{shown} cannot be used: {why}; {remedy}");
        finding(NAME, CheckState::Failed, text)
    };
    if matches!(folder.try_exists(), Ok(false)) {
        return match try_to_create(folder) {
            Ok(()) => {
                let text = format!("{shown} does not exist yet; the first start creates it");
                finding(NAME, CheckState::Warning, text)
            }
            Err(error) => unusable(&error),
        };
    }
    if let Err(error) = try_write(folder) {
        return unusable(&error);
    }
    let disk = store::inspect_disk(folder, min_free_bytes);
    let free = disk.free_bytes >> 20;
    match disk.is_low {
        true => {
            let text = format!(
                "only {free} MB are free on the disk of {shown}, too few for MIN_FREE_MB={}: new files and runs are \
                 refused; free some disk space, or set a lower MIN_FREE_MB",
                disk.floor >> 20
            );
            finding(NAME, CheckState::Warning, text)
        }
        false => {
            let text = format!("{shown} is writable and has free space");
            finding(NAME, CheckState::Ok, text)
        }
    }
}

/// Creates and removes a folder in the closest existing folder above this one, because permission bits do not
/// show whether a file system accepts new folders.
fn try_to_create(folder: &Path) -> io::Result<()> {
    let folder = std::path::absolute(folder)?;
    let above = folder.ancestors().skip(1).find(|above| above.exists());
    let Some(above) = above else {
        return Err(io::ErrorKind::NotFound.into());
    };
    let test = above.join(format!(".doctor-{}", std::process::id()));
    fs::create_dir(&test)?;
    fs::remove_dir(&test)
}

/// Writes a test file, because quotas and reserved blocks make the reported free space unreliable.
///
/// # Errors
/// Returns the error of the first write that fails.
pub(super) fn try_write(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".doctor-{}", std::process::id()));
    let written = write_zeros(&path);
    // If writing failed, that error matters more than a failed removal.
    let removed = fs::remove_file(&path);
    written.and(removed)
}

fn write_zeros(path: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    let piece = [0; 64 << 10];
    for _ in 0..TEST_WRITE_BYTES / piece.len() {
        file.write_all(&piece)?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_folders_are_reported() {
        let state = |folder: &Path| check_data_folder(folder, 1).state;
        assert_eq!(state(Path::new("/proc")), CheckState::Failed);
        // The folder does not exist and cannot be created.
        assert_eq!(state(Path::new("/proc/quire/data")), CheckState::Failed);
        let folder = std::env::temp_dir().join(format!("quire-doctor-{}", std::process::id()));
        assert_eq!(state(&folder.join("data")), CheckState::Warning);
        assert!(!folder.exists(), "looking makes nothing");
        fs::create_dir(&folder).expect("made");
        assert_eq!(state(&folder), CheckState::Ok);
        assert_eq!(fs::read_dir(&folder).expect("made").count(), 0);
        let finding = check_data_folder(&folder, 1 << 60);
        assert_eq!(finding.state, CheckState::Warning);
        assert!(finding.text.contains("MIN_FREE_MB"), "{}", finding.text);
        let file = folder.join("file");
        fs::write(&file, "").expect("written");
        let found = check_data_folder(&file, 1);
        assert_eq!(found.state, CheckState::Failed);
        assert!(
            found.text.contains("it is a file; choose"),
            "{}",
            found.text
        );
        fs::remove_dir_all(&folder).expect("removed");
    }
}
