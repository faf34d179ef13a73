//! `quire orphans`: lists and deletes files that the server has moved aside because no database row refers to them.
//! Works while the server is running.

use serde_json::{Value, json};

use super::args::CommandCall;
use super::relative_time::relative_text;
use super::table::TextTable;
use super::{Outcome, print, unknown_action, usage};
use crate::app::documents::orphans::{self, Orphan, OrphanKind};
use crate::app::folder;
use crate::clock;

pub(super) const DETAILS: &str = "  list                list the files that were moved aside
  delete NAME …       delete files permanently
The server moves files aside if no document or upload in its database refers
to, for example after an older backup was restored. It moves them back when the
database refers to them again, and never deletes them.";

/// Runs the action named by the first word.
pub(super) fn run(call: &CommandCall) -> Outcome {
    let names: Vec<&str> = call.words.iter().skip(1).map(String::as_str).collect();
    match call.words.first().map(String::as_str) {
        None => list(call),
        Some("list") if names.is_empty() => list(call),
        Some("delete") if !names.is_empty() => {
            let config = call.config()?;
            let deleted = folder::delete_orphans(&config, &names, call.has("early"), clock::now())?;
            for orphan in &deleted {
                print(format!("{} deleted", orphan.name))?;
            }
            Ok(())
        }
        Some("delete") => {
            usage("orphans delete needs a file name; `quire orphans list` lists them")
        }
        Some("list") => usage("orphans list takes no arguments"),
        Some(other) => usage(unknown_action("orphans", other, DETAILS)),
    }
}

fn list(call: &CommandCall) -> Outcome {
    let config = call.config()?;
    let all = folder::orphans(&config)?;
    if call.has("json") {
        let rows: Vec<Value> = all.iter().map(orphan_json).collect();
        return print(json!({ "orphans": rows }));
    }
    let now = clock::now();
    let mut table = TextTable::new(&["name", "kind", ">bytes", "since", "path"]);
    for orphan in &all {
        table.push([
            orphan.name.clone(),
            kind_name(orphan.kind).to_owned(),
            orphan.bytes.to_string(),
            relative_text(Some(&orphan.since), now),
            orphan.path.display().to_string(),
        ]);
    }
    table.print("No file was moved aside.")?;
    if all.is_empty() {
        return Ok(());
    }
    print(format!(
        "Each is kept for at least {} days, and then until you delete it: quire orphans delete NAME",
        orphans::RETENTION_DAYS
    ))
}

fn kind_name(kind: OrphanKind) -> &'static str {
    match kind {
        OrphanKind::Document => "document",
        OrphanKind::Upload => "upload",
        OrphanKind::Log => "log",
    }
}

fn orphan_json(orphan: &Orphan) -> Value {
    json!({
        "name": orphan.name, "kind": kind_name(orphan.kind), "bytes": orphan.bytes, "since": orphan.since,
        "path": orphan.path, "kept_until": orphan.expires_at(),
    })
}
