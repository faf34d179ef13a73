//! Refuses a data folder to which a database is still being migrated, regardless of where the settings say
//! the database is. Otherwise, the migrated files would be mixed with a new database or with the files of another one.

use std::fs;
use std::path::Path;

use crate::app::{Error, Kind, Result};

/// Subfolder of the data folder that holds a database while it is being migrated there.
pub(in crate::app) const UNFINISHED_MIGRATION: &str = ".quire-migration";

/// Refuses a data folder with an unfinished migration. If the folder also has a database, the migration has
/// finished, so its leftovers do not matter.
///
/// # Errors
/// `Conflict`, with the remedy, if the migration is unfinished.
pub(super) fn check(folder: &Path, database: &Path) -> Result<()> {
    let is_complete = fs::metadata(database).is_ok_and(|metadata| metadata.len() > 0);
    if is_complete || !folder.join(UNFINISHED_MIGRATION).exists() {
        return Ok(());
    }
    let text = format!(
        "{} has an unfinished migration in {UNFINISHED_MIGRATION}",
        folder.display()
    );
    Err(Error::new(Kind::Conflict, text).resolve(
        "Nothing was changed. Run the same `quire migrate` again, which starts over, or set QUIRE_DATA to another folder.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConfigLayers, load};

    #[test]
    fn an_unfinished_migration_is_refused_with_any_settings() {
        let name = format!("quire-migration-check-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let replica = folder.join("replica").display().to_string();
        for other in [
            ("PORT", "0"),
            ("QUIRE_REPLICA", &replica),
            ("DATABASE_URL", "postgres://q@localhost/q"),
        ] {
            let settings = [("QUIRE_DATA", folder.to_str().unwrap()), other];
            let config = load(&ConfigLayers {
                environment: settings
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into(),
                ..ConfigLayers::default()
            });
            let config = config.unwrap();
            fs::create_dir_all(folder.join(UNFINISHED_MIGRATION)).unwrap();
            let refused = crate::app::folder::check(&config).unwrap_err().to_string();
            assert!(refused.contains("unfinished migration"), "{refused}");
            fs::remove_dir(folder.join(UNFINISHED_MIGRATION)).unwrap();
            crate::app::folder::check(&config).unwrap();
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
