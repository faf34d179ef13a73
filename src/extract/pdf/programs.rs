//! Detects programs (JavaScript) in a PDF; they are never read or run.

use hayro_syntax::Pdf;
use hayro_syntax::object::{Dict, Name};

/// Returns whether the document contains programs that run when it is opened, printed, saved, or closed.
pub fn has_programs(pdf: &Pdf) -> bool {
    let Some(root) = pdf.xref().get::<Dict<'_>>(pdf.xref().root_id()) else {
        return false;
    };
    let is_program = |action: Option<Dict<'_>>| {
        let kind = action.and_then(|action| action.get::<Name<'_>>("S"));
        kind.as_deref() == Some(b"JavaScript")
    };
    let names = root.get::<Dict<'_>>("Names");
    let events = root.get::<Dict<'_>>("AA");
    names.is_some_and(|names| names.contains_key("JavaScript"))
        || is_program(root.get("OpenAction"))
        || ["WC", "WS", "DS", "WP", "DP"].iter().any(|event| {
            let events = events.as_ref();
            is_program(events.and_then(|events| events.get(*event)))
        })
}
