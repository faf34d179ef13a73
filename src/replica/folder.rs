//! A replica in a folder: on another disk, a network share, or a mounted bucket. Rejects names that lead out of
//! the folder.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Read, Seek as _, SeekFrom};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::objects::target::{Result, Target, TargetEntry, TargetError};

/// Suffix of files that are still being written. Such files are ignored.
const PARTIAL_SUFFIX: &str = ".part";

/// Target of a `file://` address.
pub struct FolderTarget(PathBuf);

impl FolderTarget {
    /// Opens the folder, creating it if needed.
    ///
    /// # Errors
    /// Returns an error if it cannot be created.
    pub fn open(path: &Path) -> Result<Self> {
        create_folder(path)?;
        Ok(Self(path.to_owned()))
    }

    fn path(&self, name: &str) -> Result<PathBuf> {
        let plain = |part: &str| !part.is_empty() && !part.starts_with('.');
        if !name.split('/').all(plain) {
            return Err(TargetError::Refused(format!(
                "{name:?} is not a valid name"
            )));
        }
        Ok(self.0.join(name))
    }

    fn walk(&self, folder: &Path, prefix: &str, names: &mut Vec<TargetEntry>) -> io::Result<()> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            let Some(name) = path.strip_prefix(&self.0).ok().and_then(Path::to_str) else {
                continue;
            };
            if entry.file_type()?.is_dir() {
                let inside = format!("{name}/");
                if inside.starts_with(prefix) || prefix.starts_with(&inside) {
                    self.walk(&path, prefix, names)?;
                }
            } else if name.starts_with(prefix) && !name.ends_with(PARTIAL_SUFFIX) {
                let bytes = entry.metadata()?.len();
                let name = name.to_owned();
                names.push(TargetEntry { name, bytes });
            }
        }
        Ok(())
    }
}

impl Target for FolderTarget {
    fn put(&self, name: &str, file: &File, only_new: bool) -> Result<()> {
        let path = self.path(name)?;
        let parent = path.parent().unwrap_or(&self.0);
        create_folder(parent)?;
        let part = PathBuf::from(format!("{}{PARTIAL_SUFFIX}", path.display()));
        let mut source: &File = file;
        source.seek(SeekFrom::Start(0)).map_err(io_failure)?;
        let mut write = || {
            let mut options = File::options();
            options.write(true).create(true).truncate(true).mode(0o600);
            let mut to = options.open(&part)?;
            io::copy(&mut source, &mut to)?;
            to.sync_all()?;
            if only_new {
                // Unlike a rename, a hard link fails if the name exists.
                fs::hard_link(&part, &path)?;
            } else {
                fs::rename(&part, &path)?;
            }
            File::open(parent)?.sync_all()
        };
        let write_result = write();
        let _ = fs::remove_file(&part);
        write_result.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => TargetError::Taken,
            _ => io_failure(error),
        })
    }

    fn get(&self, name: &str) -> Result<Box<dyn Read + Send>> {
        match File::open(self.path(name)?) {
            Err(error) if error.kind() == ErrorKind::NotFound => Err(TargetError::Missing),
            Err(error) => Err(io_failure(error)),
            Ok(file) => Ok(Box::new(file)),
        }
    }

    fn size(&self, name: &str) -> Result<u64> {
        match fs::metadata(self.path(name)?) {
            Err(error) if error.kind() == ErrorKind::NotFound => Err(TargetError::Missing),
            Err(error) => Err(io_failure(error)),
            Ok(metadata) => Ok(metadata.len()),
        }
    }

    fn list(&self, prefix: &str, each: &mut dyn FnMut(TargetEntry)) -> Result<()> {
        let mut names = Vec::new();
        self.walk(&self.0, prefix, &mut names).map_err(io_failure)?;
        names.sort_by(|a, b| a.name.cmp(&b.name));
        names.into_iter().for_each(each);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<()> {
        match fs::remove_file(self.path(name)?) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(io_failure(error)),
            _ => Ok(()),
        }
    }

    fn audit_interval(&self) -> Duration {
        Duration::ZERO
    }
}

fn create_folder(folder: &Path) -> Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
        .create(folder)
        .map_err(|error| TargetError::Failed(format!("{}: {error}", folder.display())))
}

fn io_failure(error: io::Error) -> TargetError {
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            TargetError::Refused(error.to_string())
        }
        _ => TargetError::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn files_are_complete_or_absent() {
        let base = std::env::temp_dir().join(format!("quire-target-{}", std::process::id()));
        let target = FolderTarget::open(&base.join("replica")).expect("a folder");
        let put_file = |name: &str, text: &str, only_new| {
            let path = base.join("source");
            File::create(&path)
                .and_then(|mut file| file.write_all(text.as_bytes()))
                .expect("written");
            target.put(name, &File::open(path).expect("a file"), only_new)
        };
        let names = |prefix: &str| {
            let mut listed_names = Vec::new();
            let list = target.list(prefix, &mut |entry| {
                listed_names.push(format!("{} {}", entry.name, entry.bytes))
            });
            assert_eq!(list, Ok(()));
            listed_names
        };
        assert_eq!(names(""), Vec::<String>::new());
        assert_eq!(put_file("ltx/0/b", "two", true), Ok(()));
        assert_eq!(put_file("ltx/0/b", "three", true), Err(TargetError::Taken));
        assert_eq!(put_file("ltx/0/a", "1", true), Ok(()));
        assert_eq!(put_file("ltx/9/a", "nine", false), Ok(()));
        assert_eq!(put_file("ltx/9/a", "nine!", false), Ok(()));
        assert_eq!(names("ltx/"), ["ltx/0/a 1", "ltx/0/b 3", "ltx/9/a 5"]);
        assert_eq!(names("ltx/0/"), ["ltx/0/a 1", "ltx/0/b 3"]);
        let mut text = String::new();
        let mut reader = target.get("ltx/0/b").expect("it is there");
        reader.read_to_string(&mut text).expect("read");
        assert_eq!(text, "two");
        // A partially written file counts as absent.
        fs::write(base.join("replica/ltx/0/c.part"), "half").expect("written");
        assert_eq!(names("ltx/0/").len(), 2);
        assert_eq!(target.remove("ltx/0/b"), Ok(()));
        assert_eq!(target.remove("ltx/0/b"), Ok(()));
        assert_eq!(target.get("ltx/0/b").err(), Some(TargetError::Missing));
        for out in ["../x", "/etc/passwd", "a//b", "a/../../x", "", "."] {
            assert!(
                matches!(target.get(out), Err(TargetError::Refused(_))),
                "{out}"
            );
        }
        fs::remove_dir_all(base).expect("removed");
    }
}
