//! The list of a user's threads, and its filters.

use rusqlite::params;

use super::analyses::HistoryFilter;
use super::connection::Reader;
use super::error::Result;
use super::threads::{THREAD_COLUMNS, ThreadRow, from_row};
use super::values::to_json;
use crate::domain::analysis::Status;
use crate::domain::case_folding::fold_case;
use crate::domain::id::{ProjectId, ThreadId, UserId};
use crate::domain::time::Timestamp;

/// Filter of the list of threads; the default matches everything.
#[derive(Debug, Clone, Default)]
pub struct ThreadFilter {
    /// Only in this project.
    pub project: Option<ProjectId>,
    /// Only pinned ones, or only others.
    pub pinned: Option<bool>,
    /// Only archived ones, or only others.
    pub archived: Option<bool>,
    /// Only threads with a link to the thread or to one of its turns, or only others.
    pub shared: Option<bool>,
    /// Only threads with a matching turn; the filter's search text is not used.
    pub turn: Option<HistoryFilter>,
    /// Only these, or those whose title contains the text.
    pub found: Option<(Vec<ThreadId>, String)>,
}

/// Lists the user's threads, newest first, older than the cursor.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn list_of(
    db: &Reader,
    user: &UserId,
    limit: u32,
    cursor: Option<&(Timestamp, ThreadId)>,
    filter: &ThreadFilter,
) -> Result<Vec<ThreadRow>> {
    // -1 for either; `~` sorts after every ID.
    let choice = |wanted: Option<bool>| wanted.map_or(-1, i64::from);
    let (found, title) = filter.found.clone().unwrap_or_default();
    let turn = filter.turn.clone().unwrap_or_default();
    db.all(
        &format!(
            "SELECT {THREAD_COLUMNS} FROM threads t
             WHERE t.user_id = ?1 AND (t.updated, t.id) < (?2, ?3)
               AND (?4 = '' OR t.project = ?4)
               AND (?5 < 0 OR t.pinned = ?5) AND (?6 < 0 OR t.archived = ?6)
               AND (?7 = 0 OR t.id IN (SELECT value FROM json_each(?8))
                    OR (?9 <> '' AND instr(t.title_folded, ?9) > 0))
               AND (?11 < 0 OR ?11 = (t.share_hash IS NOT NULL OR EXISTS (
                   SELECT 1 FROM analyses a WHERE a.thread = t.id AND a.share_hash IS NOT NULL)))
               AND (?12 = 0 OR EXISTS (
                   SELECT 1 FROM analyses a WHERE a.thread = t.id
                     AND (?13 = '' OR a.status = ?13) AND (?14 = '' OR a.pattern = ?14)
                     AND (?15 = '' OR EXISTS (
                         SELECT 1 FROM analysis_models m WHERE m.analysis_id = a.id AND m.model = ?15))
                     AND a.created >= ?16 AND a.created < ?17))
             ORDER BY t.updated DESC, t.id DESC LIMIT ?10"
        ),
        params![
            user,
            cursor.map_or(Timestamp::from_millis(i64::MAX), |(updated, _)| *updated),
            cursor.map_or("~", |(_, id)| id.as_str()),
            filter.project.as_ref().map_or("", ProjectId::as_str),
            choice(filter.pinned),
            choice(filter.archived),
            filter.found.is_some(),
            to_json(&found)?,
            fold_case(&title),
            limit,
            choice(filter.shared),
            filter.turn.is_some(),
            turn.status.map_or("", Status::as_str),
            turn.pattern.as_deref().unwrap_or_default(),
            turn.model.as_deref().unwrap_or_default(),
            turn.from.unwrap_or_default(),
            turn.to.unwrap_or(Timestamp::from_millis(i64::MAX)),
        ],
        from_row,
    )
}
