//! Paths within a data folder.

use std::path::{Path, PathBuf};

/// Returns the path of a data folder's database.
pub fn database(folder: &Path) -> PathBuf {
    folder.join("quire.db")
}
