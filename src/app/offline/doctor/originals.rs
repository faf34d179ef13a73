//! Compares document rows with their files, and lists the files that were moved aside.

use super::{CheckResult, CheckState, finding};
use crate::app::documents::orphans::{self, FileComparison, GRACE_MINUTES, Orphan, RETENTION_DAYS};
use crate::app::{Error, Result};
use crate::config::Config;
use crate::store::{Store, documents, original_sizes, originals};

/// The subject of these checks.
const SUBJECT: &str = "originals";
/// Maximum number of names listed in one finding.
const MAX_NAMES: usize = 20;

/// Where the originals are.
#[derive(Clone, Copy)]
enum OriginalsLocation {
    /// In the `documents` folder.
    Folder,
    /// There, and in a replica.
    Replica,
    /// In a database on a server.
    Database,
}

/// Runs the checks on a separate thread, because reading the folders blocks.
pub(super) async fn examine(store: &Store, config: &Config) -> Vec<CheckResult> {
    let (store, data) = (store.clone(), config.data_dir.clone());
    let has_replica = config.replica.is_some();
    let compare = move || {
        let mut compared = orphans::compare(&store, &data)?;
        if !store.is_embedded() {
            // Those in the database are in no folder.
            let (stored, sizes, expected) = store.read_now(|db| {
                let stored = originals::stored_ids(db)?;
                let sizes = original_sizes::stored_sizes(db)?;
                Ok((stored, sizes, documents::sizes(db)?))
            })?;
            compared.missing.retain(|id| !stored.contains(id));
            let differ = expected.iter().filter_map(|(id, size)| {
                let bytes = sizes.get(id.as_str()).filter(|bytes| *bytes != size)?;
                Some(format!("{} ({bytes} of {size} bytes)", id.as_str()))
            });
            compared.damaged.extend(differ);
        }
        let place = match (store.is_embedded(), has_replica) {
            (false, _) => OriginalsLocation::Database,
            (true, true) => OriginalsLocation::Replica,
            (true, false) => OriginalsLocation::Folder,
        };
        Ok((compared, place))
    };
    let compared: Result<_> = match tokio::task::spawn_blocking(compare).await {
        Ok(compared) => compared,
        Err(error) => Err(Error::internal(error)),
    };
    match compared {
        Ok((compared, place)) => findings(&compared, place),
        Err(error) => {
            let why = error.private.unwrap_or(error.public);
            let text = format!("cannot compare files and rows: {why}");
            vec![finding(SUBJECT, CheckState::Failed, text)]
        }
    }
}

fn findings(compared: &FileComparison, place: OriginalsLocation) -> Vec<CheckResult> {
    let mut findings = vec![check_missing(&compared.missing, place)];
    findings.extend(check_damaged(&compared.damaged, place));
    findings.extend(check_unowned(&compared.unowned));
    findings.extend(list_moved_aside(&compared.orphans));
    findings
}

fn check_missing(missing: &[String], place: OriginalsLocation) -> CheckResult {
    let names = join_names(missing);
    let documents = documents_have(missing.len());
    match (missing.len(), place) {
        (0, OriginalsLocation::Database) => finding(
            SUBJECT,
            CheckState::Ok,
            "every document has its file in the database (only sizes are compared)",
        ),
        (0, _) => finding(
            SUBJECT,
            CheckState::Ok,
            "every document has its file (only sizes are compared; to compare the content, run sha256sum on a file in \
             the `documents` folder: GET /api/documents/ID shows the expected sha256)",
        ),
        (_, OriginalsLocation::Replica) => {
            let text = format!(
                "{documents} no file here yet; the server fetches it from the replica: {names}"
            );
            finding(SUBJECT, CheckState::Warning, text)
        }
        (_, OriginalsLocation::Database) => {
            let text = format!(
                "{documents} lost the original file; restore the database from a copy, or import an archive written by `quire export` that contains the file: {names}"
            );
            finding(SUBJECT, CheckState::Failed, text)
        }
        (_, OriginalsLocation::Folder) => {
            let text = format!(
                "{documents} lost the original file; restore the `documents` folder from a copy, or import an archive written by `quire export` that contains the file: {names}"
            );
            finding(SUBJECT, CheckState::Failed, text)
        }
    }
}

fn check_damaged(damaged: &[String], place: OriginalsLocation) -> Option<CheckResult> {
    let text = format!(
        "{} a damaged file; {}: {}",
        documents_have(damaged.len()),
        match place {
            OriginalsLocation::Database => "restore the database from a copy, or upload each again",
            OriginalsLocation::Replica =>
                "move each elsewhere, and the server fetches it from the replica",
            OriginalsLocation::Folder => "restore each in the `documents` folder from a copy",
        },
        join_names(damaged)
    );
    (!damaged.is_empty()).then(|| finding(SUBJECT, CheckState::Failed, text))
}

fn check_unowned(unowned: &[String]) -> Option<CheckResult> {
    let text = format!(
        "{} to no document or upload; the server moves each aside at its next start or within an hour, once it has not \
         changed for {GRACE_MINUTES} minutes: {}",
        match unowned.len() {
            1 => "1 file belongs".to_owned(),
            more => format!("{more} files belong"),
        },
        join_names(unowned)
    );
    (!unowned.is_empty()).then(|| finding(SUBJECT, CheckState::Warning, text))
}

fn list_moved_aside(orphans: &[Orphan]) -> Option<CheckResult> {
    let names: Vec<String> = orphans.iter().map(with_date).collect();
    let text = format!(
        "{} moved aside. A file is moved back when the database refers to it again; it is kept for at least {RETENTION_DAYS} \
         days, and then until it is deleted with `quire orphans delete NAME`: {}",
        match orphans.len() {
            1 => "1 file was".to_owned(),
            more => format!("{more} files were"),
        },
        join_names(&names)
    );
    (!orphans.is_empty()).then(|| finding(SUBJECT, CheckState::Warning, text))
}

fn documents_have(count: usize) -> String {
    match count {
        1 => "1 document has".to_owned(),
        more => format!("{more} documents have"),
    }
}

fn with_date(orphan: &Orphan) -> String {
    format!("{} (since {})", orphan.name, orphan.since)
}

fn join_names(names: &[String]) -> String {
    let shown = names.iter().take(MAX_NAMES).cloned().collect::<Vec<_>>();
    match names.len().saturating_sub(MAX_NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
