//! Downloads a file from a server. The file gets its final name only once it is complete, and is readable only by its
//! owner.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::outcome::{CommandFailure, failed};
use super::remote::RemoteSession;

/// Downloads `path` from the server to a file and returns the file's length in bytes. Blocks.
///
/// # Errors
/// Returns an error if the file exists and `replace` is false, if it cannot be written, or if the server refuses.
pub(super) fn download_to_file(
    server: &RemoteSession,
    path: &str,
    file: &Path,
    replace: bool,
) -> Result<u64, CommandFailure> {
    if file.exists() && !replace {
        return failed(format!(
            "{} already exists\nchoose another name",
            file.display()
        ));
    }
    let part = PartialFile::new(file)?;
    let mut options = OpenOptions::new();
    let output_file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&part.0);
    let unwritable = |error: std::io::Error| {
        CommandFailure::Failed(format!("cannot write {}: {error}", file.display()))
    };
    let mut output_file = output_file.map_err(unwritable)?;
    let bytes = server.download(path, &mut output_file)?;
    output_file.sync_all().map_err(unwritable)?;
    fs::rename(&part.0, file).map_err(unwritable)?;
    Ok(bytes)
}

/// Path of an incomplete download. The file is removed on drop, unless it was renamed.
struct PartialFile(PathBuf);

impl PartialFile {
    fn new(file: &Path) -> Result<Self, CommandFailure> {
        let Some(name) = file.file_name() else {
            return failed(format!("{} is not a file name", file.display()));
        };
        let name = format!(".{}.{}.part", name.to_string_lossy(), std::process::id());
        Ok(Self(file.with_file_name(name)))
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
