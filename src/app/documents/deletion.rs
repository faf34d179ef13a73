//! Deletes the files of documents and uploads that their owner deletes. A marker file is created before the row is
//! deleted. If the server crashes in between, the marker shows at the next start whether the deletion must be finished,
//! and no file is lost while its row still exists.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use crate::domain::id::DocumentId;
use crate::domain::time::Timestamp;
use crate::log;

/// Suffix of a document's marker file.
const MARKER_SUFFIX: &str = ".deleted";
/// Name of the marker file in the folder of an upload that was completed or abandoned.
const UPLOAD_MARKER: &str = "over";

/// Marks documents whose rows are about to be deleted. `folder` holds the originals. If the disk is too full for
/// the markers, the deletion proceeds, since it frees space.
pub(in crate::app) fn mark(folder: &Path, ids: &[DocumentId]) {
    for id in ids {
        let _ = File::create_new(marker_path(folder, id.as_str()));
    }
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

/// Removes the markers of documents that were marked for deletion but are kept.
pub(in crate::app) fn unmark(folder: &Path, ids: &[DocumentId]) {
    for id in ids {
        let _ = fs::remove_file(marker_path(folder, id.as_str()));
    }
}

/// Removes the files and markers of documents whose rows have been deleted.
pub(in crate::app) fn delete_marked(folder: &Path, ids: &[DocumentId]) {
    for id in ids {
        if remove_file(&folder.join(id.as_str())) {
            remove_file(&marker_path(folder, id.as_str()));
        }
    }
}

/// Removes the files of documents whose rows have been deleted. Keeps the markers, because the objects in the
/// bucket must still be removed.
pub(in crate::app) fn delete_files(folder: &Path, ids: &[DocumentId]) {
    for id in ids {
        remove_file(&folder.join(id.as_str()));
    }
}

/// Lists the documents that have a marker in `folder`.
///
/// # Errors
/// Returns an error if the folder cannot be read.
pub(super) fn marked(folder: &Path) -> io::Result<Vec<DocumentId>> {
    let mut ids = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        ids.extend(name.strip_suffix(MARKER_SUFFIX).and_then(DocumentId::parse));
    }
    Ok(ids)
}

/// Whether a document was marked less than `period` before `now`.
pub(super) fn is_newly_marked(
    folder: &Path,
    id: &DocumentId,
    now: Timestamp,
    period: Duration,
) -> bool {
    has_changed_within(&marker_path(folder, id.as_str()), now, period)
}

/// Whether a file or folder was changed less than `period` before `now`.
pub(super) fn has_changed_within(path: &Path, now: Timestamp, period: Duration) -> bool {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    let now = UNIX_EPOCH + Duration::from_millis(now.millis().unsigned_abs());
    modified.is_ok_and(|modified| now.duration_since(modified).is_ok_and(|age| age < period))
}

/// Finishes deletions after a crash: removes the files of marked documents that have no row, and the markers of all
/// documents.
///
/// # Errors
/// Returns an error if the folder cannot be read.
pub(super) fn finish_interrupted(folder: &Path, known_ids: &BTreeSet<String>) -> io::Result<()> {
    for id in marked(folder)? {
        if known_ids.contains(id.as_str()) || remove_file(&folder.join(id.as_str())) {
            remove_file(&marker_path(folder, id.as_str()));
        }
    }
    Ok(())
}

/// Marks the folder of an upload whose row is about to be deleted.
pub(in crate::app) fn mark_upload(folder: &Path) {
    if folder.is_dir() {
        let _ = File::create_new(folder.join(UPLOAD_MARKER));
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
}

/// Removes the marker of an upload that was marked for deletion but is kept.
pub(in crate::app) fn unmark_upload(folder: &Path) {
    let _ = fs::remove_file(folder.join(UPLOAD_MARKER));
}

/// Removes the folder of an upload whose row has been deleted.
pub(in crate::app) fn delete_upload(folder: &Path) {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            log::warn(
                "cannot remove the parts of a deleted upload yet",
                &[("why", &error)],
            );
        }
        _ => {}
    }
}

/// Whether the folder of an upload that has no row may be removed, because its owner deleted the upload or it
/// was completed.
pub(super) fn is_marked(upload: &Path) -> bool {
    upload.join(UPLOAD_MARKER).exists()
}

fn marker_path(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("{id}{MARKER_SUFFIX}"))
}

/// Removes a file and returns whether it is gone. If it is not, its marker stays and the next start tries again.
fn remove_file(path: &Path) -> bool {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            log::warn("cannot remove a deleted file yet", &[("why", &error)]);
            false
        }
        _ => true,
    }
}
