//! Checks that the conversation of an earlier analysis is within the API's limits.

use crate::app::{Error, Kind, Result};
use crate::domain::request::RunContext;
use crate::domain::tools;

/// Maximum number of turns of a conversation that is run again; same as in the API.
const MAX_TURNS: usize = 2_000;
/// Maximum total length of all turns, in bytes.
const MAX_TEXT_BYTES: usize = 2_000_000;

/// Rejects a conversation beyond the API's limits, which an imported archive can contain.
///
/// # Errors
/// Returns an error if it has more turns, text, or tools than the API accepts.
pub(super) fn check_conversation(old: &RunContext) -> Result<()> {
    let text_bytes: usize = old.turns.iter().map(|turn| turn.text.len()).sum();
    let tool_count = old.tools.as_ref().map_or(0, |tools| tools.list.len());
    if old.turns.len() > MAX_TURNS || text_bytes > MAX_TEXT_BYTES || tool_count > tools::MAX_TOOLS {
        let why = "the conversation of this analysis is too long to repeat";
        return Err(Error::new(Kind::BadRequest, why));
    }
    Ok(())
}
