//! Settings for the storage of the database and the documents, backups, and the replica. Only parses the values; opens
//! nothing.

use std::path::PathBuf;
use std::time::Duration;

use super::Secret;
use super::check::Checker;

/// Scheduled backups of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupConfig {
    /// Folder for the backups.
    pub folder: PathBuf,
    /// Interval between two backups.
    pub interval: Duration,
    /// Number of backups to keep.
    pub keep: usize,
}

/// A continuous replica in another location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaConfig {
    /// Address of the storage: `file:///folder` or `s3://bucket/prefix`.
    pub address: String,
    /// Sync interval: how long acknowledged data may exist only on this machine.
    pub sync_interval: Duration,
    /// Number of snapshots to keep in the replica.
    pub keep: usize,
    /// Key that encrypts the replica; `None` stores it unencrypted.
    pub key: Option<Secret>,
    /// Whether to continue with the local data even if the replica contains changes that it lacks.
    pub overwrite: bool,
}

/// Returns the address of the database on a PostgreSQL server; `None` for a database in the data folder. Any other
/// address, such as `sqlite:///file` in the settings of Quire's predecessor, is ignored with a warning.
pub(super) fn database_url(checker: &mut Checker) -> Option<Secret> {
    let address = checker.configured("DATABASE_URL")?;
    if !is_of_postgres(&address) {
        let warning = format!(
            "DATABASE_URL ({}) has no effect: it is not a PostgreSQL address, and a SQLite database is always in QUIRE_DATA",
            checker.source("DATABASE_URL")
        );
        checker.gathered_values.warnings.push(warning);
        return None;
    }
    for name in ["QUIRE_REPLICA", "QUIRE_BACKUP_DIR"] {
        if checker.configured(name).is_some() {
            checker.error(
                name,
                "copies only a database in QUIRE_DATA. With DATABASE_URL, use the PostgreSQL server's own replication and \
                 backups",
            );
        }
    }
    Some(Secret::new(address))
}

/// Returns the address of the bucket for the documents' original files; `None` if it is not set or invalid.
pub(super) fn document_store(checker: &mut Checker) -> Option<String> {
    let address = checker.configured("DOCUMENT_STORE")?;
    if !address.starts_with("s3://") {
        checker.error("DOCUMENT_STORE", "must be s3://bucket/prefix");
        return None;
    }
    Some(address)
}

/// Returns the address that reaches the database of `DATABASE_URL` without a pooler; `None` if it is not set, is
/// invalid, or has no effect.
pub(super) fn database_direct_url(checker: &mut Checker, has_database: bool) -> Option<Secret> {
    let address = checker.configured("DATABASE_DIRECT_URL")?;
    if !has_database {
        let warning = format!(
            "DATABASE_DIRECT_URL ({}) has no effect without DATABASE_URL, beside which it is used",
            checker.source("DATABASE_DIRECT_URL")
        );
        checker.gathered_values.warnings.push(warning);
        return None;
    }
    if !is_of_postgres(&address) {
        checker.error(
            "DATABASE_DIRECT_URL",
            "is not a PostgreSQL address, such as postgres://user:password@host/name",
        );
        return None;
    }
    Some(Secret::new(address))
}

fn is_of_postgres(address: &str) -> bool {
    let schemes = ["postgres://", "postgresql://"];
    schemes.iter().any(|scheme| address.starts_with(scheme))
}

pub(super) fn replica(checker: &mut Checker) -> Option<ReplicaConfig> {
    Some(ReplicaConfig {
        address: checker.configured("QUIRE_REPLICA")?,
        sync_interval: checker.seconds("QUIRE_REPLICA_WINDOW"),
        keep: usize::try_from(checker.number("QUIRE_REPLICA_KEEP")).unwrap_or(usize::MAX),
        key: checker.configured("QUIRE_REPLICA_KEY").map(Secret::new),
        overwrite: checker.switch("QUIRE_REPLICA_OVERWRITE").unwrap_or(false),
    })
}

pub(super) fn backups(checker: &mut Checker) -> Option<BackupConfig> {
    Some(BackupConfig {
        folder: PathBuf::from(checker.configured("QUIRE_BACKUP_DIR")?),
        interval: Duration::from_secs(3600)
            .saturating_mul(checker.number("QUIRE_BACKUP_EVERY") as u32),
        keep: usize::try_from(checker.number("QUIRE_BACKUP_KEEP")).unwrap_or(usize::MAX),
    })
}
