//! Deletes the files of what its owner deletes. A mark is put beside a file before its row goes, so that a kill in
//! between neither keeps the bytes of a deleted document nor takes them from one that is still there.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::domain::id::DocumentId;
use crate::log;

const MARK: &str = ".deleted";
/// In the folder of an upload that is finished or given up.
const OVER: &str = "over";

/// Marks documents whose rows are about to go. `folder` holds the originals. Without room for the marks the deletion
/// goes on: it makes room.
pub(in crate::app) fn mark(folder: &Path, ids: &[DocumentId]) {
    for id in ids {
        let _ = File::create_new(marked(folder, id.as_str()));
    }
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

/// Takes the marks away from documents that stay after all.
pub(in crate::app) fn unmark(folder: &Path, ids: &[DocumentId]) {
    for id in ids {
        let _ = fs::remove_file(marked(folder, id.as_str()));
    }
}

/// Removes the files of documents whose rows are gone, and their marks.
pub(in crate::app) fn finish(folder: &Path, ids: &[DocumentId]) {
    for id in ids {
        if gone(&folder.join(id.as_str())) {
            gone(&marked(folder, id.as_str()));
        }
    }
}

/// Removes what kills have left: the files of marked documents that have no row, and marks.
pub(super) fn finish_cut_short(folder: &Path, known: &BTreeSet<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(id) = name.strip_suffix(MARK).and_then(DocumentId::parse) else {
            continue;
        };
        if known.contains(id.as_str()) || gone(&folder.join(id.as_str())) {
            gone(&path);
        }
    }
    Ok(())
}

/// Marks the folder of an upload whose row is about to go.
pub(in crate::app) fn mark_upload(folder: &Path) {
    if folder.is_dir() {
        let _ = File::create_new(folder.join(OVER));
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
}

/// Takes the mark away from an upload that stays after all.
pub(in crate::app) fn unmark_upload(folder: &Path) {
    let _ = fs::remove_file(folder.join(OVER));
}

/// Removes the folder of an upload whose row is gone.
pub(in crate::app) fn finish_upload(folder: &Path) {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            log::warn(
                "the parts of a deleted upload stay for now",
                &[("why", &error)],
            );
        }
        _ => {}
    }
}

/// Whether the folder of an upload without a row is to be removed.
pub(super) fn is_marked(upload: &Path) -> bool {
    upload.join(OVER).exists()
}

fn marked(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("{id}{MARK}"))
}

/// True where the file is not there any more. Where it is, the mark stays, and the next start tries again.
fn gone(path: &Path) -> bool {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            log::warn("a deleted file stays for now", &[("why", &error)]);
            false
        }
        _ => true,
    }
}
