//! Compares document rows with their files, and lists the files that were moved aside.

use super::{CheckResult, CheckState, finding};
use std::collections::BTreeMap;

use crate::app::documents::DocumentBucket;
use crate::app::documents::orphans::{self, FileComparison, GRACE_MINUTES, Orphan, RETENTION_DAYS};
use crate::app::{Error, Result};
use crate::config::Config;
use crate::store::{Store, original_sizes};

/// Subject of these checks in the report.
const SUBJECT: &str = "originals";
/// Maximum number of names listed in one finding.
const MAX_NAMES: usize = 20;

/// Where the originals are stored.
#[derive(Clone, Copy)]
enum OriginalsLocation {
    /// In the data folder's `documents` folder.
    Folder,
    /// In the `documents` folder and in a replica.
    Replica,
    /// In a database on a server.
    Database,
    /// In a bucket.
    Bucket,
}

/// Runs the checks on a separate thread, because reading the folders blocks.
pub(super) async fn examine(store: &Store, config: &Config) -> Vec<CheckResult> {
    let (store, config) = (store.clone(), config.clone());
    let compare = move || {
        let bucket = DocumentBucket::from_config(&config)?;
        let place = match (&bucket, store.is_embedded(), config.replica.is_some()) {
            (Some(_), ..) => OriginalsLocation::Bucket,
            (None, false, _) => OriginalsLocation::Database,
            (None, true, true) => OriginalsLocation::Replica,
            (None, true, false) => OriginalsLocation::Folder,
        };
        let mut elsewhere = BTreeMap::new();
        if let Some(bucket) = bucket {
            let sizes = bucket.sizes()?.into_iter();
            elsewhere.extend(sizes.map(|(id, size)| (String::from(id), size)));
        }
        if !store.is_embedded() {
            // Even an empty file has a piece, so the database lists every original.
            elsewhere.extend(store.read_now(original_sizes::stored_sizes)?);
        }
        let compared = orphans::compare(&store, &config.data_dir, &elsewhere)?;
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
        (0, OriginalsLocation::Bucket) => finding(
            SUBJECT,
            CheckState::Ok,
            "every document has its file in the bucket of DOCUMENT_STORE or is waiting to be moved there (only sizes are compared)",
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
        (_, OriginalsLocation::Bucket) => {
            let text = format!(
                "{documents} no original file in the bucket of DOCUMENT_STORE; check its address, restore the objects from a copy, or import an archive written by `quire export` that contains the file: {names}"
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
            OriginalsLocation::Bucket => "restore each object from a copy, or upload each again",
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
