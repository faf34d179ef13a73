//! Files embedded in an office file: readable ones are read under their names; for the others, only the name is
//! reported.

use super::package::Relation;
use crate::extract::output::Output;
use crate::extract::zip::Zip;
use crate::extract::{FileInput, inner};

/// Maximum number of embedded files read from one part.
const MAX_FILES: usize = 200;

/// Reads the files that a part embeds.
pub fn read(zip: &Zip<'_>, links: &[Relation], out: &mut Output<'_>) {
    let files = links
        .iter()
        .filter(|link| matches!(link.kind.as_str(), "package" | "oleObject" | "aFChunk"));
    for link in files.take(MAX_FILES) {
        let name = link.target.rsplit('/').next().unwrap_or_default();
        if link.kind == "oleObject" {
            out.note(format!("the embedded object {name} is not read"));
            continue;
        }
        let limits = *out.limits();
        let Some(entry) = zip.find(&link.target) else {
            continue;
        };
        let (bytes, _) = zip.read(entry, limits.input);
        let file = FileInput {
            bytes: &bytes,
            name,
            encoding: None,
            limits: &limits,
        };
        if let Err(reason) = inner(&file, out) {
            out.note(format!("embedded file {name}: {}", reason.message()));
        }
        if out.is_full() {
            break;
        }
    }
}
