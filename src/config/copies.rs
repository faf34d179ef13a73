//! Where copies of everything go: backups in a folder, a replica elsewhere. Checks no more than the texts.

use std::path::PathBuf;
use std::time::Duration;

use super::Secret;
use super::check::Checker;

/// Copies of the database that the server makes by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backups {
    /// Where they lie.
    pub folder: PathBuf,
    /// From one to the next.
    pub every: Duration,
    /// How many are kept.
    pub keep: usize,
}

/// A copy elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// `file:///folder` or `s3://bucket/prefix`.
    pub address: String,
    /// How long something that was acknowledged may be on this machine only.
    pub window: Duration,
    /// Whole copies that are kept there.
    pub keep: usize,
    /// Seals what lies there. `None`: it lies there as it is.
    pub key: Option<Secret>,
    /// What is here counts, even where the replica knows more.
    pub overwrite: bool,
}

pub(super) fn replica(checker: &mut Checker) -> Option<Replica> {
    Some(Replica {
        address: checker.given("QUIRE_REPLICA")?,
        window: checker.seconds("QUIRE_REPLICA_WINDOW"),
        keep: usize::try_from(checker.number("QUIRE_REPLICA_KEEP")).unwrap_or(usize::MAX),
        key: checker.given("QUIRE_REPLICA_KEY").map(Secret::new),
        overwrite: checker.switch("QUIRE_REPLICA_OVERWRITE").unwrap_or(false),
    })
}

pub(super) fn backups(checker: &mut Checker) -> Option<Backups> {
    Some(Backups {
        folder: PathBuf::from(checker.given("QUIRE_BACKUP_DIR")?),
        every: Duration::from_secs(3600)
            .saturating_mul(checker.number("QUIRE_BACKUP_EVERY") as u32),
        keep: usize::try_from(checker.number("QUIRE_BACKUP_KEEP")).unwrap_or(usize::MAX),
    })
}
