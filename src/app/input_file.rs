//! Opens files that a user names for an import or a restore.

use std::fs::File;
use std::io::{Error, Result};
use std::path::Path;

use crate::system::open_without_waiting;

/// Opens a regular file for reading. A pipe is refused at once instead of waiting for its other end: callers read the
/// file more than once, which a pipe does not allow.
///
/// # Errors
/// Returns an error if there is no such file, it may not be read, or it is something else, such as a pipe.
pub fn open(path: &Path) -> Result<File> {
    let file = open_without_waiting(path)?;
    let kind = file.metadata()?.file_type();
    match (kind.is_file(), kind.is_dir()) {
        (true, _) => Ok(file),
        (_, true) => Err(Error::other("it is a folder, not a file")),
        _ => Err(Error::other(
            "it is a pipe, a socket, or a device, not a file",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_opened() {
        let folder = std::env::temp_dir().join(format!("quire-input-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("file"), "x").unwrap();
        assert!(open(&folder.join("file")).is_ok());
        assert!(open(&folder.join("none")).is_err());
        let error = open(&folder).unwrap_err().to_string();
        assert!(error.contains("a folder"), "{error}");
        // A device is refused as well, although opening it does not block.
        let error = open(Path::new("/dev/null")).unwrap_err().to_string();
        assert!(error.contains("a device"), "{error}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
