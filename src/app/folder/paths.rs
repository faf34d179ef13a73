//! Where things lie in a data folder.

use std::path::{Path, PathBuf};

/// Where the database of a data folder is.
pub fn database(folder: &Path) -> PathBuf {
    folder.join("quire.db")
}
