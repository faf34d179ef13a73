//! `quire backup FILE|FOLDER` writes a verified copy of the database, or downloads one from a server. `quire restore
//! FILE` restores such a copy.

use std::path::Path;

use serde_json::json;

use super::args::CommandCall;
use super::remote::RemoteSession;
use super::screen::{print_progress, summarize_list};
use super::{Outcome, download, print, usage};
use crate::app::backups;
use crate::app::offline::backup;
use crate::clock;

/// Writes a copy of the database, or downloads one if the settings name a server.
pub(super) fn run(call: &CommandCall) -> Outcome {
    call.check_argument_count(1)?;
    let Some(file) = call.words.first() else {
        return usage("backup needs the file or folder to write to");
    };
    let config = call.config()?;
    let file = backups::backup_path(Path::new(file), clock::now());
    if let Some(server) = RemoteSession::from_settings(call, &config)? {
        return fetch(call, &server, &file);
    }
    let written = backup::write(&config, &file, call.has("replace"))?;
    let copy = written.copy;
    if let Some(faulty) = summarize_list(&written.faulty_documents).filter(|_| !call.has("json")) {
        print_progress(&format!(
            "warning: the original files of some documents in this backup are missing or damaged: {faulty}. `quire doctor` lists them all"
        ));
    }
    if call.has("json") {
        return print(json!({
            "file": file, "bytes": copy.bytes, "schema_version": copy.version, "rows": copy.rows,
            "faulty_originals": written.faulty_documents,
        }));
    }
    print(format!(
        "{}: {} bytes, verified; {} rows in {} tables, as many as in the database",
        file.display(),
        copy.bytes,
        copy.all_rows(),
        copy.rows.len()
    ))
}

/// Downloads a copy of the database, which the server has already verified.
fn fetch(call: &CommandCall, server: &RemoteSession, file: &Path) -> Outcome {
    let bytes = download::download_to_file(server, "/api/admin/backup", file, call.has("replace"))?;
    match call.has("json") {
        true => print(json!({ "file": file, "bytes": bytes })),
        false => print(format!(
            "{}: {bytes} bytes, verified by the server",
            file.display()
        )),
    }
}

/// Replaces the database with a backup, and keeps the old database.
pub(super) fn restore(call: &CommandCall) -> Outcome {
    call.check_argument_count(1)?;
    let Some(file) = call.words.first() else {
        return usage("restore needs the backup file");
    };
    let config = call.config()?;
    let restored = backup::restore(&config, Path::new(file), call.has("replace"))?;
    let (copy, replacement) = (restored.copy, restored.replaced);
    let kept_note = replacement.previous.map_or_else(String::new, |kept_path| {
        format!("; the replaced database is kept as {}", kept_path.display())
    });
    print(format!(
        "{file}: {} bytes with {} rows, verified and restored{kept_note}",
        copy.bytes,
        copy.all_rows()
    ))?;
    let documents = copy.rows.get("documents").copied().unwrap_or_default();
    let folder = config.data_dir.join("documents");
    let has_external_storage = config.replica.is_some() || config.document_store.is_some();
    if documents > 0 && !has_external_storage && !folder.exists() {
        print(format!(
            "a backup does not include the documents' original files ({documents}): copy them back to {} as well",
            folder.display()
        ))?;
    }
    for log in restored.logs {
        print(format!(
            "moved aside a write-ahead log without a database: {}",
            log.display()
        ))?;
    }
    if restored.has_new_secret {
        print(
            "the folder had no secret, so a new one was created: everyone must sign in again, and stored provider \
             keys must be entered again",
        )?;
    }
    for old in replacement.deleted {
        print(format!(
            "deleted an older replaced database: {}",
            old.display()
        ))?;
    }
    Ok(())
}
