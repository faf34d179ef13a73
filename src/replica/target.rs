//! Where a replica lies: files under names, whole or not at all. Knows nothing of what is in them.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::time::Duration;

/// Something that lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its whole name, with its folders: `ltx/0/0000000000000001-0000000000000001.ltx`.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nothing has this name.
    Missing,
    /// Something has this name already, and only a new one was wanted.
    Taken,
    /// It was refused, and will be until somebody changes something: a key, a right, a bucket's name.
    Refused(String),
    /// It did not succeed; later it may.
    Failed(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("it is not there"),
            Self::Taken => f.write_str("another process has written there meanwhile"),
            Self::Refused(why) | Self::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Fault {}

/// What a call gives.
pub type Result<T> = std::result::Result<T, Fault>;

/// A folder, or a bucket's prefix. Every call blocks.
pub trait Target: Send + Sync {
    /// Puts a whole file under a name; until it returns, nothing or the old one is there. With `only_new`,
    /// nothing is replaced: [`Fault::Taken`].
    fn put(&self, name: &str, file: &File, only_new: bool) -> Result<()>;

    /// Reads from its beginning. The reader fails rather than end early.
    fn get(&self, name: &str) -> Result<Box<dyn Read + Send>>;

    /// Everything whose name begins so, in the order of the names.
    fn list(&self, beginning: &str, each: &mut dyn FnMut(Entry)) -> Result<()>;

    /// Removes it; no fault if there is nothing.
    fn remove(&self, name: &str) -> Result<()>;

    /// How many bytes a file of this size takes here, as [`Target::list`] reports it.
    fn stored_size(&self, bytes: u64) -> u64 {
        bytes
    }

    /// The shortest time between two listings of everything. A bucket charges for each.
    fn audit_interval(&self) -> Duration {
        Duration::from_secs(60)
    }
}
