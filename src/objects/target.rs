//! A place for named files, each complete or absent: a folder, or a prefix in a bucket. Knows nothing about their
//! contents.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::time::Duration;

/// A stored file, as a listing reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetEntry {
    /// Full name with folders: `ltx/0/0000000000000001-0000000000000001.ltx`.
    pub name: String,
    /// Stored size, in bytes.
    pub bytes: u64,
}

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetError {
    /// No file has this name.
    Missing,
    /// The name is already in use, but a new one was required.
    Taken,
    /// The operation is refused until someone changes a key, a permission, or a bucket's name.
    Refused(String),
    /// The operation failed, but may succeed later.
    Failed(String),
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the file does not exist"),
            Self::Taken => f.write_str("another process has written there in the meantime"),
            Self::Refused(why) | Self::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for TargetError {}

/// Result of an operation.
pub type Result<T> = std::result::Result<T, TargetError>;

/// A folder, or a prefix in a bucket. Every call blocks.
pub trait Target: Send + Sync {
    /// Stores a file atomically under a name. With `only_new`, never replaces an existing file.
    ///
    /// # Errors
    /// [`TargetError::Taken`] if the name exists and `only_new` is set; another error if the target fails.
    fn put(&self, name: &str, file: &File, only_new: bool) -> Result<()>;

    /// Opens a file for reading from its beginning. The reader returns an error rather than end early.
    ///
    /// # Errors
    /// [`TargetError::Missing`] if there is no such file; another error if the target fails.
    fn get(&self, name: &str) -> Result<Box<dyn Read + Send>>;

    /// Returns the size of a file, in bytes, as [`Target::list`] reports it.
    ///
    /// # Errors
    /// [`TargetError::Missing`] if there is no such file; another error if the target fails.
    fn size(&self, name: &str) -> Result<u64>;

    /// Passes all files with this name prefix to `each`, ordered by name.
    ///
    /// # Errors
    /// Returns an error if the target fails.
    fn list(&self, prefix: &str, each: &mut dyn FnMut(TargetEntry)) -> Result<()>;

    /// Removes a file; succeeds if it does not exist.
    ///
    /// # Errors
    /// Returns an error if the target fails.
    fn remove(&self, name: &str) -> Result<()>;

    /// Returns how many bytes a file of `bytes` bytes occupies in the target, as [`Target::list`] reports it.
    fn stored_size(&self, bytes: u64) -> u64 {
        bytes
    }

    /// Returns the minimum time between two listings, because buckets charge for each one. Zero means that listings are
    /// free; data then counts as replicated only once a listing has confirmed it.
    fn audit_interval(&self) -> Duration {
        Duration::from_secs(60)
    }
}
