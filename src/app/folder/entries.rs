//! Checks the type of each file and folder that Quire uses in a data folder, before opening any of them. Read-only.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::app::documents::orphans;
use crate::app::{Error, Kind, Result};

/// The files of a data folder whose type is checked before Quire opens them.
const CHECKED_FILES: &[&str] = &[
    "quire.db",
    "quire.db-wal",
    "quire.db-shm",
    "quire.db-journal",
    "secret",
    "lock",
];

/// Refuses a folder in which one of Quire's folders or files has the wrong type.
///
/// # Errors
/// `Conflict`, with the path and the remedy, if one has the wrong type.
pub(in crate::app) fn check(folder: &Path) -> Result<()> {
    check_folders(folder)?;
    check_files(folder)
}

/// Refuses a pipe, socket, or device instead of a file, because opening one may block forever. Also refuses a link to a
/// nonexistent file, because opening it for writing would create a file elsewhere.
fn check_files(folder: &Path) -> Result<()> {
    for name in CHECKED_FILES {
        let path = folder.join(name);
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        match fs::metadata(&path) {
            Err(error) if metadata.is_symlink() && error.kind() == ErrorKind::NotFound => {
                return Err(dangling_link_error(&path));
            }
            // A folder at this path is reported when the file is opened.
            Ok(target) if !target.is_file() && !target.is_dir() => {
                return Err(not_a_file_error(&path));
            }
            _ => {}
        }
    }
    Ok(())
}

fn not_a_file_error(path: &Path) -> Error {
    let text = format!(
        "{} is a pipe, a socket, or a device, and Quire needs a file there",
        path.display()
    );
    Error::new(Kind::Conflict, text).resolve(
        "Nothing was changed. Move it elsewhere, put back the original file if there was one, and start again.",
    )
}

fn check_folders(folder: &Path) -> Result<()> {
    for name in ["documents", "uploads", "tmp", orphans::FOLDER_NAME] {
        let path = folder.join(name);
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        if metadata.is_symlink() && !path.exists() {
            return Err(dangling_link_error(&path));
        }
        if !path.is_dir() {
            let text = format!(
                "{} is a file, and Quire needs a folder there",
                path.display()
            );
            return Err(Error::new(Kind::Conflict, text).resolve(
                "Nothing was changed. Move the file elsewhere, put back the original folder if there was one, \
                 and start again.",
            ));
        }
    }
    Ok(())
}

/// Returns the error for a dangling link in place of a folder or file: its target is gone or not mounted.
fn dangling_link_error(path: &Path) -> Error {
    let target = fs::read_link(path).unwrap_or_default();
    let text = format!(
        "{} is a symbolic link to {}, which does not exist",
        path.display(),
        target.display()
    );
    Error::new(Kind::Conflict, text).resolve(
        "Nothing was changed. Mount the disk that the link points to, or put back what was there, and start again. \
         If nothing was stored there, remove the link.",
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_regular_files_are_opened() {
        let folder = std::env::temp_dir().join(format!("quire-entries-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        assert_eq!(check(&folder).map_err(|error| error.kind), Ok(()));
        for name in CHECKED_FILES {
            let path = folder.join(name);
            fs::write(&path, "x").unwrap();
            assert!(check(&folder).is_ok(), "{name}");
            fs::remove_file(&path).unwrap();
            drop(UnixListener::bind(&path).unwrap());
            let error = check(&folder).unwrap_err();
            assert!(error.public.contains("a socket"), "{name}: {error:?}");
            fs::remove_file(&path).unwrap();
            symlink("/nowhere/x", &path).unwrap();
            let error = check(&folder).unwrap_err();
            assert!(error.public.contains("/nowhere/x"), "{name}: {error:?}");
            fs::remove_file(&path).unwrap();
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
