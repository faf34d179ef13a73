//! Copies of the database: written while it is in use, read through before they get their name.

use std::path::Path;

use super::folder;
use super::{Error, Kind, Result};
use crate::config::Config;
use crate::store::{BackupError, OpenError, Settings, Store, Verified};

/// Writes a verified copy. Blocks for as long as it takes; works beside a running server.
pub fn write(config: &Config, to: &Path, replace: bool) -> Result<Verified> {
    let path = folder::database(&config.data_dir);
    if !path.exists() {
        let text = format!("there is no database in {}", config.data_dir.display());
        return Err(Error::new(Kind::Missing, text));
    }
    let store = Store::open(&Settings { path }).map_err(unopened)?;
    store.backup(to, replace).map_err(|error| match error {
        BackupError::Exists(path) => Error::new(
            Kind::Conflict,
            format!("{} is there already", path.display()),
        )
        .resolve("choose another name, or add --replace"),
        other => Error::new(Kind::Internal, other.to_string()),
    })
}

/// Why the database cannot be opened is for whoever starts the server, so it is said in full.
fn unopened(error: OpenError) -> Error {
    Error::new(Kind::Internal, error.to_string())
}
