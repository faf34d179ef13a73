//! Files embedded in an office file: readable ones are read under their names; for the others, such as videos and
//! macros, only the name is reported.

use super::package::Relation;
use crate::extract::output::Output;
use crate::extract::zip::Zip;
use crate::extract::{FileInput, read_inner};

/// Maximum number of embedded files read from one part.
const MAX_FILES: usize = 200;

/// Reads the files that a part embeds.
pub fn read(zip: &Zip<'_>, links: &[Relation], out: &mut Output<'_>) {
    let files = links.iter().filter(|link| {
        unread_kind(&link.kind).is_some() || matches!(&*link.kind, "package" | "aFChunk")
    });
    for link in files.take(MAX_FILES) {
        let name = link.target.rsplit('/').next().unwrap_or_default();
        if let Some(what) = unread_kind(&link.kind) {
            out.note(format!("{what} {name} is not read"));
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
        if let Err(reason) = read_inner(&file, out) {
            out.note(format!("embedded file {name}: {}", reason.message()));
        }
        if out.is_full() {
            break;
        }
    }
}

/// The name of a kind of relation whose target is not read.
fn unread_kind(kind: &str) -> Option<&'static str> {
    match kind {
        "oleObject" => Some("the embedded object"),
        // Slides refer to a recording twice: as a video or audio, and as media.
        "video" | "audio" | "media" => Some("the recording"),
        "vbaProject" => Some("the program"),
        "control" | "activeXControlBinary" => Some("the form control"),
        _ => None,
    }
}
