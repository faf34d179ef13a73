//! The list of a user's threads, with filters.

use std::collections::HashSet;

use super::analyses::HistoryFilter;
use super::connection::Reader;
use super::error::Result;
use super::params::{ToValue, Value};
use super::threads::{THREAD_COLUMNS, ThreadRow, by_id, from_row};
use crate::domain::analysis::Status;
use crate::domain::case_folding::fold_case;
use crate::domain::id::{ProjectId, ThreadId, UserId};
use crate::domain::time::Timestamp;

/// Filter for the thread list; the default matches everything.
#[derive(Debug, Clone, Default)]
pub struct ThreadFilter {
    /// Only threads in this project.
    pub project: Option<ProjectId>,
    /// Only pinned threads if true, only unpinned ones if false.
    pub pinned: Option<bool>,
    /// Only archived threads if true, only unarchived ones if false.
    pub archived: Option<bool>,
    /// If true, only threads that have a share link, to the thread or to one of its turns; if false, only threads
    /// without one.
    pub shared: Option<bool>,
    /// Only threads with a turn that matches this filter. Its `search` field is ignored.
    pub turn: Option<HistoryFilter>,
    /// Only threads with one of these IDs, or with a title that contains the text.
    pub found: Option<(Vec<ThreadId>, String)>,
}

/// The conditions of the filter, with the parameters set by [`list_of`].
const FILTER_CONDITIONS: &str = "t.user_id = ?1 AND (t.updated, t.id) < (?2, ?3)
   AND (?4 = '' OR t.project = ?4)
   AND (?5 < 0 OR t.pinned = ?5) AND (?6 < 0 OR t.archived = ?6)
   AND (?7 < 0 OR ?7 = CASE WHEN t.share_hash IS NOT NULL OR EXISTS (
       SELECT 1 FROM analyses a WHERE a.thread = t.id AND a.share_hash IS NOT NULL) THEN 1 ELSE 0 END)
   AND (?8 = 0 OR EXISTS (
       SELECT 1 FROM analyses a WHERE a.thread = t.id
         AND (?9 = '' OR a.status = ?9) AND (?10 = '' OR a.pattern = ?10)
         AND (?11 = '' OR EXISTS (
             SELECT 1 FROM analysis_models m WHERE m.analysis_id = a.id AND m.model = ?11))
         AND a.created >= ?12 AND a.created < ?13))
 ORDER BY t.updated DESC, t.id DESC";

/// Lists the user's threads, those with the newest turns first, starting after the cursor.
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
    // -1 matches both values. `~` sorts after every ID, so a list without a cursor starts with the newest thread.
    let choice = |wanted: Option<bool>| wanted.map_or(-1, i64::from);
    let turn = filter.turn.clone().unwrap_or_default();
    let mut params = vec![
        user.to_value(),
        Value::Integer(cursor.map_or(i64::MAX, |(updated, _)| updated.millis())),
        Value::Text(cursor.map_or("~", |(_, id)| id.as_str())),
        Value::Text(filter.project.as_ref().map_or("", ProjectId::as_str)),
        Value::Integer(choice(filter.pinned)),
        Value::Integer(choice(filter.archived)),
        Value::Integer(choice(filter.shared)),
        Value::Integer(i64::from(filter.turn.is_some())),
        Value::Text(turn.status.map_or("", Status::as_str)),
        Value::Text(turn.pattern.as_deref().unwrap_or_default()),
        Value::Text(turn.model.as_deref().unwrap_or_default()),
        Value::Integer(turn.from.map_or(0, Timestamp::millis)),
        Value::Integer(turn.to.map_or(i64::MAX, Timestamp::millis)),
    ];
    if let Some((ids, title)) = &filter.found {
        return list_matching(db, user, limit, params.as_slice(), (ids, title));
    }
    params.push(limit.to_value());
    let sql = format!("SELECT {THREAD_COLUMNS} FROM threads t WHERE {FILTER_CONDITIONS} LIMIT ?14");
    db.all(&sql, params.as_slice(), from_row)
}

/// Lists the threads that are in `ids` or have a title that contains the text.
fn list_matching(
    db: &Reader,
    user: &UserId,
    limit: u32,
    params: &[Value<'_>],
    (ids, title): (&[ThreadId], &str),
) -> Result<Vec<ThreadRow>> {
    let ids: HashSet<&str> = ids.iter().map(ThreadId::as_str).collect();
    let title = fold_case(title);
    let mut found: Vec<ThreadId> = Vec::new();
    let sql = format!("SELECT t.id, t.title_folded FROM threads t WHERE {FILTER_CONDITIONS}");
    db.each(&sql, params, |row| {
        let has_title = !title.is_empty() && row.text(1)?.contains(&title);
        if has_title || ids.contains(row.text(0)?) {
            found.push(row.get(0)?);
        }
        Ok(found.len() < limit as usize)
    })?;
    let rows = found.iter().map(|id| by_id(db, user, id));
    rows.filter_map(Result::transpose).collect()
}
