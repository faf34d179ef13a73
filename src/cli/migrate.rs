//! `quire migrate --to ADDRESS|FOLDER`: moves the database between a data folder and a PostgreSQL server.

use std::io::BufRead as _;
use std::time::{Duration, Instant};

use serde_json::json;

use super::args::CommandCall;
use super::screen::{print_progress, summarize_list};
use super::table::TextTable;
use super::{Outcome, failed, print, usage};
use crate::app::offline::migrate::{self, Migration, MigrationTarget, NeededSecret};
use crate::clock;

/// Interval between progress lines, and the delay before the first one.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// Number of hexadecimal digits shown of each hash.
const HASH_DIGITS: usize = 16;

/// The explanation in `quire help migrate`.
pub(super) const DETAILS: &str = "Stop all servers and commands first. Moves the database that the settings name,\n\
     in QUIRE_DATA or DATABASE_URL, with the original files of the documents, to an\n\
     empty database or folder of the other kind: postgres://USER:PASSWORD@HOST/NAME,\n\
     or FOLDER. With --to -, the target is read from stdin, so that no list of\n\
     processes shows the password. The source keeps its content. Afterward, every\n\
     table is read back, and the number of its rows and a hash of them must be the\n\
     same on both sides. If one differs, or the command is interrupted, the target\n\
     stays without a database.";

/// Moves the database to the target named by `--to`, and prints the row count and the hash of each table.
pub(super) fn run(call: &CommandCall) -> Outcome {
    call.check_argument_count(0)?;
    let Some(target) = call.value("to") else {
        return usage("migrate needs the target: add --to postgres://… or --to FOLDER");
    };
    let target = match target {
        "-" => {
            let mut line = String::new();
            if let Err(error) = std::io::stdin().lock().read_line(&mut line) {
                return failed(format!("cannot read the target from stdin: {error}"));
            }
            line.trim().to_owned()
        }
        target => target.to_owned(),
    };
    if target.is_empty() {
        return usage("the target is empty");
    }
    let Some(target) = MigrationTarget::parse(&target) else {
        return usage("the target is neither postgres://… nor a folder");
    };
    let config = call.config()?;
    let mut last = clock::instant();
    let migration = migrate::migrate(&config, &target, &mut |what, rows| {
        show_progress(&mut last, what, rows);
    })?;
    match call.has("json") {
        true => print(as_json(&migration)),
        false => report(&migration),
    }
}

fn show_progress(last: &mut Instant, what: &str, rows: u64) {
    let now = clock::instant();
    if now.saturating_duration_since(*last) < PROGRESS_INTERVAL {
        return;
    }
    *last = now;
    match rows {
        0 => print_progress(what),
        rows => print_progress(&format!("{what}: {rows}")),
    }
}

fn report(migration: &Migration) -> Outcome {
    let mut table = TextTable::new(&["table", ">rows", "sha-256"]);
    for copied in &migration.tables {
        table.push([
            copied.name.clone(),
            copied.rows.to_string(),
            copied.hash.chars().take(HASH_DIGITS).collect(),
        ]);
    }
    table.print("no tables")?;
    print("\nEvery table has the same rows in the source and in the target.")?;
    for changed in &migration.changed {
        let keys = changed.keys.join(", ");
        print(format!(
            "U+0000 became U+FFFD, because PostgreSQL cannot store it: {} in {} rows ({keys}{})",
            changed.column,
            changed.rows,
            if changed.rows > changed.keys.len() as u64 {
                ", …"
            } else {
                ""
            }
        ))?;
    }
    if migration.unfinished_uploads > 0 {
        print(format!(
            "Unfinished uploads in parts do not move and must be started again: {}",
            migration.unfinished_uploads
        ))?;
    }
    if migration.in_bucket > 0 {
        print(format!(
            "Original files that stay in the bucket: {}. Set the same DOCUMENT_STORE on the target.",
            migration.in_bucket
        ))?;
    }
    if let Some(missing) = summarize_list(&migration.missing) {
        print_progress(&format!(
            "warning: the original files of some documents are not in the source's folder or database, and so not in the target (--json lists all): {missing}"
        ));
    }
    if let Some(damaged) = summarize_list(&migration.damaged) {
        print_progress(&format!(
            "warning: the original files of some documents are damaged in the source, and were copied as they are: {damaged}"
        ));
    }
    print(match &migration.secret {
        NeededSecret::Same => {
            "Next: start the server on the target with the same QUIRE_SECRET as before.".to_owned()
        }
        NeededSecret::ContentOf(path) => format!(
            "Next: start the server on the target with QUIRE_SECRET set to the content of {}. Without it, everyone must \
             sign in again, and stored provider keys cannot be read.",
            path.display()
        ),
        NeededSecret::InPlace => {
            "Next: start the server on the target. Its secret is in the folder.".to_owned()
        }
    })
}

fn as_json(migration: &Migration) -> serde_json::Value {
    let tables = migration.tables.iter();
    let changed = migration.changed.iter();
    json!({
        "tables": tables.map(|table| json!({
            "name": table.name, "rows": table.rows, "sha256": table.hash,
        })).collect::<Vec<_>>(),
        "changed": changed.map(|texts| json!({
            "column": texts.column, "rows": texts.rows, "keys": texts.keys,
        })).collect::<Vec<_>>(),
        "unfinished_uploads": migration.unfinished_uploads,
        "originals_in_bucket": migration.in_bucket,
        "missing_originals": migration.missing,
        "damaged_originals": migration.damaged,
    })
}
