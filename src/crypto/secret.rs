//! The installation's secret when none is configured: a file in the data folder that only its owner can read,
//! created at the first start.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{hex, random};

/// Path of a data folder's secret file.
pub fn path(folder: &Path) -> PathBuf {
    folder.join("secret")
}

/// Reads a data folder's secret; the first call creates it. When two processes create it at once, one wins and
/// both read the same secret.
///
/// # Errors
/// When the file cannot be created or read, or holds fewer than 16 characters (`InvalidData`).
pub fn of_folder(folder: &Path) -> io::Result<String> {
    let path = path(folder);
    if !path.exists() {
        make(folder, &path)?;
    }
    let mut text = String::new();
    File::open(&path)?.take(4096).read_to_string(&mut text)?;
    let text = text.trim();
    if text.len() < 16 {
        let why = "the file \"secret\" in the data folder holds fewer than 16 characters";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(text.to_owned())
}

fn make(folder: &Path, path: &Path) -> io::Result<()> {
    let no_randomness = |error| io::Error::other(format!("{error}"));
    let secret = hex(&random::<32>().map_err(no_randomness)?);
    let own = folder.join(format!(
        ".secret-{}",
        hex(&random::<8>().map_err(no_randomness)?)
    ));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&own)?;
    let written = file
        .write_all(format!("{secret}\n").as_bytes())
        .and_then(|()| file.sync_all())
        // Unlike a rename, a link does not replace an existing file.
        .and_then(|()| std::fs::hard_link(&own, path));
    std::fs::remove_file(&own)?;
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        // Without this fsync, a crash could lose the directory entry, and with it everything signed so far.
        Ok(()) => File::open(folder)?.sync_all(),
    }
}

/// Whether other users of this machine can access the secret's file.
///
/// # Errors
/// When the file's metadata cannot be read.
pub fn is_exposed(folder: &Path) -> io::Result<bool> {
    Ok(std::fs::metadata(path(folder))?.mode() & 0o077 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_once_for_its_owner_only() {
        let folder = std::env::temp_dir().join(format!("quire-secret-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let first = of_folder(&folder).expect("made");
        assert_eq!(first.len(), 64);
        assert_eq!(of_folder(&folder).expect("read"), first);
        assert!(!is_exposed(&folder).expect("there"));
        assert_eq!(std::fs::read_dir(&folder).expect("a folder").count(), 1);
        std::fs::write(path(&folder), "short").expect("written");
        assert!(of_folder(&folder).is_err());
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
