//! Files embedded in an office file: readable ones are read under their names; for others, such as videos and macros,
//! only the name is reported.

use super::package::Relationship;
use crate::extract::output::Output;
use crate::extract::zip::Zip;
use crate::extract::{FileInput, read_contained_file};

/// Maximum number of embedded files to read from one part.
const MAX_FILES: usize = 200;

/// Reads the files embedded in a part, and adds a note for each that is not read.
pub fn read(zip: &Zip<'_>, links: &[Relationship], out: &mut Output<'_>) {
    let files = links.iter().filter(|link| {
        skipped_relation_kind(link).is_some() || matches!(&*link.kind, "package" | "aFChunk")
    });
    for link in files.take(MAX_FILES) {
        let name = link.target.rsplit('/').next().unwrap_or_default();
        if let Some(what) = skipped_relation_kind(link) {
            out.add_note(format!("{what} {name} is not read"));
            continue;
        }
        let limits = *out.limits();
        let Some(entry) = zip.find(&link.target) else {
            out.add_note(format!("embedded file {name} is missing"));
            continue;
        };
        let (bytes, _) = zip.read(entry, limits.input);
        let file = FileInput {
            bytes: &bytes,
            name,
            encoding: None,
            limits: &limits,
        };
        if let Err(reason) = read_contained_file(&file, out) {
            out.add_note(format!("embedded file {name}: {}", reason.message()));
        }
        if out.is_full() {
            break;
        }
    }
}

/// Returns the term by which notes refer to a relationship's target that is not read; `None` for all other
/// relationships.
fn skipped_relation_kind(link: &Relationship) -> Option<&'static str> {
    match &*link.kind {
        "oleObject" => Some("the embedded object"),
        // Slides refer to a recording twice: as video or audio, and as media.
        "video" | "audio" | "media" => Some("the recording"),
        "vbaProject" => Some("the program"),
        "model3d" => Some("the 3D model"),
        "control" | "activeXControlBinary" | "ctrlProp" => Some("the form control"),
        // Handwriting uses the same kind of relationship as data that is not displayed.
        "customXml" if link.target.contains("/ink/") => Some("the handwriting"),
        _ => None,
    }
}
