//! Migrates the database and the documents' original files from a data folder to a PostgreSQL server, or back. The
//! source is not changed. No Quire server can start on a target that is incomplete or unverified: in PostgreSQL,
//! everything happens in one transaction; in a folder, the files are renamed to their final names at the end.

mod messages;
mod original_files;
mod staged_folder;

use std::path::{Path, PathBuf};

use crate::app::folder::{self, soundness};
use crate::app::{Error, Kind, Result};
use crate::config::Config;
use crate::crypto::{hex, secret, sha256};
use crate::store::transfer::{TransferSource, TransferTable, TransferTarget};
use messages::{source_error, target_error};
use original_files::OriginalsSource;
use staged_folder::StagedFolder;

/// The destination of a migration.
#[derive(Clone, PartialEq, Eq)]
pub enum MigrationTarget {
    /// The address of a database on a PostgreSQL server, which may contain a password.
    Server(String),
    /// A data folder.
    Folder(PathBuf),
}

impl MigrationTarget {
    /// Parses the address of a server, the path of a data folder, or the path of a `quire.db` in one. Returns `None`
    /// for any other address, which would otherwise be mistaken for the name of a folder.
    pub fn parse(text: &str) -> Option<Self> {
        let is_address = ["postgres://", "postgresql://"]
            .iter()
            .any(|start| text.starts_with(start));
        if is_address {
            return Some(Self::Server(text.to_owned()));
        }
        if text.contains("://") {
            return None;
        }
        let path = Path::new(text);
        Some(Self::Folder(match (path.file_name(), path.parent()) {
            (Some(name), Some(parent)) if name == "quire.db" => match parent.as_os_str().is_empty()
            {
                true => PathBuf::from("."),
                false => parent.to_owned(),
            },
            _ => path.to_owned(),
        }))
    }
}

/// A table that was copied and compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigratedTable {
    /// The table's name, or `original files`.
    pub name: String,
    /// Number of rows, which is the same in both databases.
    pub rows: u64,
    /// SHA-256 of all rows in the order of their keys, in hexadecimal.
    pub hash: String,
}

/// Texts that were changed because PostgreSQL cannot store U+0000.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedTexts {
    /// The table and the column, separated by a period.
    pub column: String,
    /// Number of rows with a changed text.
    pub rows: u64,
    /// Keys of the first few of these rows.
    pub keys: Vec<String>,
}

/// The secret that a server needs to use the migrated database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NeededSecret {
    /// The same value of `QUIRE_SECRET` as before.
    Same,
    /// The content of this file, which must be set as `QUIRE_SECRET`.
    ContentOf(PathBuf),
    /// The secret file in the target folder, which is already in place.
    InPlace,
}

/// What a completed migration has copied, changed, and left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// All tables, with the original files as one more entry.
    pub tables: Vec<MigratedTable>,
    /// Texts that had to be changed, by column.
    pub changed: Vec<ChangedTexts>,
    /// Number of unfinished chunked uploads, which are not migrated.
    pub unfinished_uploads: u64,
    /// Number of documents whose original file is in a bucket, where it stays.
    pub in_bucket: u64,
    /// Documents without an original file in the source.
    pub missing: Vec<String>,
    /// Documents whose original file differs from what was uploaded. Such files were copied as they are.
    pub damaged: Vec<String>,
    /// The secret that servers on the target need.
    pub secret: NeededSecret,
}

/// Copies the database that the settings name to the target and verifies the copy. `progress` receives a
/// description of the current step and the number of rows so far. Blocks.
///
/// # Errors
/// `Conflict` while a server is running on either side, or if the target is not empty or is of the same kind
/// as the source; `Missing` if there is no database; `Internal` if the copy differs, with the name of the
/// table, or cannot be made. In all these cases, the target has no database, unless the message says otherwise.
pub fn migrate(
    config: &Config,
    target: &MigrationTarget,
    progress: &mut dyn FnMut(&str, u64),
) -> Result<Migration> {
    match (&config.database_url, target) {
        (None, MigrationTarget::Server(address)) => to_server(config, address, progress),
        (Some(address), MigrationTarget::Folder(folder)) => {
            to_folder(config, address.expose(), folder, progress)
        }
        (None, MigrationTarget::Folder(_)) => Err(Error::new(
            Kind::Conflict,
            "the database is in a data folder already, and migrate moves it to a PostgreSQL server or back",
        )
        .resolve("set DATABASE_URL to move one from a server, or use `quire backup` for a copy")),
        (Some(_), MigrationTarget::Server(_)) => Err(Error::new(
            Kind::Conflict,
            "the database is on a PostgreSQL server already, and migrate moves it to a data folder or back",
        )
        .resolve("unset DATABASE_URL to move the one in QUIRE_DATA, or use pg_dump and pg_restore")),
    }
}

fn to_server(
    config: &Config,
    address: &str,
    progress: &mut dyn FnMut(&str, u64),
) -> Result<Migration> {
    let folder = &config.data_dir;
    folder::check_exists(config)?;
    let path = folder::database(folder);
    if !path.exists() {
        let text = format!("there is no database in {}", folder.display());
        return Err(Error::new(Kind::Missing, text));
    }
    let Some(_lock) = folder::lock(folder)? else {
        return Err(folder::in_use_error(folder).resolve("stop it first"));
    };
    soundness::check(config, false)?;
    let source = TransferSource::open_file(&path).map_err(|error| source_error(&error))?;
    let authorities = config.authorities.as_deref();
    let target =
        TransferTarget::open_server(address, authorities).map_err(|error| target_error(&error))?;
    let originals = OriginalsSource::new(&source, config)?;
    let unfinished_uploads = source
        .unfinished_uploads()
        .map_err(|error| source_error(&error))?;
    let mut copying = Copying::copy_tables(&source, &target, progress)?;
    let copied = originals.copy_to_server(&target, copying.progress)?;
    copying.complete()?;
    let found = original_files::read_server(&target, copying.progress)?;
    copying.compare_originals(&copied, found)?;
    let (tables, changed) = (copying.tables, copying.changed);
    let findings = originals.into_findings();
    if config.replica.is_some() && !findings.missing.is_empty() {
        return Err(messages::only_in_replica(findings.missing.len()));
    }
    target.finish().map_err(|error| target_error(&error))?;
    Ok(Migration {
        tables,
        changed,
        unfinished_uploads,
        in_bucket: findings.in_bucket,
        missing: findings.missing,
        damaged: findings.damaged,
        secret: match config.secret {
            Some(_) => NeededSecret::Same,
            None => NeededSecret::ContentOf(secret::path(folder)),
        },
    })
}

fn to_folder(
    config: &Config,
    address: &str,
    folder: &Path,
    progress: &mut dyn FnMut(&str, u64),
) -> Result<Migration> {
    let authorities = config.authorities.as_deref();
    let mut staged = StagedFolder::prepare(folder)?;
    let source =
        TransferSource::open_server(address, authorities).map_err(|error| source_error(&error))?;
    let secret = staged.check_secret(config, &source)?;
    let target =
        TransferTarget::create_file(&staged.database()).map_err(|error| target_error(&error))?;
    let originals = OriginalsSource::new(&source, config)?;
    let unfinished_uploads = source
        .unfinished_uploads()
        .map_err(|error| source_error(&error))?;
    let mut copying = Copying::copy_tables(&source, &target, progress)?;
    let copied = originals.copy_to_folder(&staged.documents(), copying.progress)?;
    copying.complete()?;
    let found = original_files::read_folder(&staged.documents(), copying.progress)?;
    copying.compare_originals(&copied, found)?;
    (copying.progress)("checking the new file", 0);
    let (tables, changed) = (copying.tables, copying.changed);
    target.finish().map_err(|error| target_error(&error))?;
    staged.publish()?;
    let findings = originals.into_findings();
    Ok(Migration {
        tables,
        changed,
        unfinished_uploads,
        in_bucket: findings.in_bucket,
        missing: findings.missing,
        damaged: findings.damaged,
        secret,
    })
}

/// A copy in progress. The steps are, in order: all tables, whatever else the caller copies, and the comparison.
struct Copying<'a> {
    target: &'a TransferTarget,
    schema: Vec<TransferTable>,
    tables: Vec<MigratedTable>,
    changed: Vec<ChangedTexts>,
    progress: &'a mut dyn FnMut(&str, u64),
}

impl<'a> Copying<'a> {
    /// Copies and hashes all tables.
    fn copy_tables(
        source: &TransferSource,
        target: &'a TransferTarget,
        progress: &'a mut dyn FnMut(&str, u64),
    ) -> Result<Self> {
        let schema = source.tables().map_err(|error| source_error(&error))?;
        let (mut tables, mut changed) = (Vec::new(), Vec::new());
        for table in &schema {
            let mut hasher = sha256::Hasher::new();
            let copied = table.copy(
                source,
                target,
                &mut |bytes| hasher.update(bytes),
                &mut |rows| progress(&format!("copying {}", table.name), rows),
            );
            let copied = copied.map_err(|error| messages::copy_error(table.name, &error))?;
            changed.extend(copied.replaced.into_iter().map(|found| ChangedTexts {
                column: format!("{}.{}", table.name, found.column),
                rows: found.rows,
                keys: found.keys,
            }));
            tables.push(MigratedTable {
                name: table.name.to_owned(),
                rows: copied.rows,
                hash: hex(&hasher.finish()),
            });
        }
        Ok(Self {
            target,
            schema,
            tables,
            changed,
            progress,
        })
    }

    /// Builds derived data such as the full-text index, and reads all tables back to compare their hashes.
    fn complete(&mut self) -> Result<()> {
        (self.progress)("building the full-text index", 0);
        self.target
            .complete()
            .map_err(|error| target_error(&error))?;
        for (table, copied) in self.schema.iter().zip(&self.tables) {
            let mut hasher = sha256::Hasher::new();
            let progress = &mut self.progress;
            let rows = table.read_back(
                self.target,
                &mut |bytes| hasher.update(bytes),
                &mut |rows| progress(&format!("verifying {}", table.name), rows),
            );
            let found = MigratedTable {
                name: copied.name.clone(),
                rows: rows.map_err(|error| target_error(&error))?,
                hash: hex(&hasher.finish()),
            };
            messages::compare(copied, &found)?;
        }
        Ok(())
    }

    /// Compares the original files that were copied with those in the target.
    fn compare_originals(&mut self, copied: &MigratedTable, found: MigratedTable) -> Result<()> {
        messages::compare(copied, &found)?;
        self.tables.push(found);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_an_address_a_folder_or_its_database() {
        let folder = |path: &str| MigrationTarget::Folder(path.into());
        for (text, expected) in [
            (
                "postgres://q@h/d",
                MigrationTarget::Server("postgres://q@h/d".into()),
            ),
            (
                "postgresql://q@h/d",
                MigrationTarget::Server("postgresql://q@h/d".into()),
            ),
            ("/var/lib/quire", folder("/var/lib/quire")),
            ("/var/lib/quire/quire.db", folder("/var/lib/quire")),
            ("quire.db", folder(".")),
            ("data", folder("data")),
        ] {
            assert!(MigrationTarget::parse(text) == Some(expected), "{text}");
        }
        for other in ["mysql://q:secret@h/d", "postgress://q@h/d"] {
            assert!(MigrationTarget::parse(other).is_none(), "{other}");
        }
    }
}
