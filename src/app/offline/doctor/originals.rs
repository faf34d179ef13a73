//! Compares document rows with their files, and lists the files that were moved aside.

use super::{CheckResult, CheckState, finding};
use crate::app::documents::orphans::{self, FileComparison, GRACE_MINUTES, Orphan, RETENTION_DAYS};
use crate::app::{Error, Result};
use crate::config::Config;
use crate::store::{Store, originals};

/// The subject of these checks.
const SUBJECT: &str = "originals";
/// Maximum number of names listed in one finding.
const MAX_NAMES: usize = 20;

/// Runs the checks on a separate thread, because reading the folders blocks.
pub(super) async fn examine(store: &Store, config: &Config) -> Vec<CheckResult> {
    let (store, data) = (store.clone(), config.data_dir.clone());
    let compare = move || {
        let mut compared = orphans::compare(&store, &data)?;
        if !store.is_embedded() {
            // Those in the database are in no folder.
            let stored = store.read_now(originals::stored_ids)?;
            compared.missing.retain(|id| !stored.contains(id));
        }
        Ok(compared)
    };
    let compared: Result<_> = match tokio::task::spawn_blocking(compare).await {
        Ok(compared) => compared,
        Err(error) => Err(Error::internal(error)),
    };
    match compared {
        Ok(compared) => findings(&compared, config.replica.is_some()),
        Err(error) => {
            let why = error.private.unwrap_or(error.public);
            let text = format!("cannot compare files and rows: {why}");
            vec![finding(SUBJECT, CheckState::Failed, text)]
        }
    }
}

fn findings(compared: &FileComparison, has_replica: bool) -> Vec<CheckResult> {
    let mut findings = vec![check_missing(&compared.missing, has_replica)];
    findings.extend(check_damaged(&compared.damaged, has_replica));
    findings.extend(check_unowned(&compared.unowned));
    findings.extend(list_moved_aside(&compared.orphans));
    findings
}

fn check_missing(missing: &[String], has_replica: bool) -> CheckResult {
    let names = join_names(missing);
    let documents = documents_have(missing.len());
    match (missing.len(), has_replica) {
        (0, _) => finding(
            SUBJECT,
            CheckState::Ok,
            "every document has its file (only sizes are compared; to compare the content, run sha256sum on a file in \
             the `documents` folder: GET /api/documents/ID shows the expected sha256)",
        ),
        (_, true) => {
            let text = format!(
                "{documents} no file here yet; the server fetches it from the replica: {names}"
            );
            finding(SUBJECT, CheckState::Warning, text)
        }
        (_, false) => {
            let text = format!(
                "{documents} lost the original file; restore the `documents` folder from a copy, or import an archive written by `quire export` that contains the file: {names}"
            );
            finding(SUBJECT, CheckState::Failed, text)
        }
    }
}

fn check_damaged(damaged: &[String], has_replica: bool) -> Option<CheckResult> {
    let text = format!(
        "{} a damaged file; {}: {}",
        documents_have(damaged.len()),
        match has_replica {
            true => "move each elsewhere, and the server fetches it from the replica",
            false => "restore each in the `documents` folder from a copy",
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
