//! Threads, and where each analysis is in its thread. A trigger deletes a thread along with its last analysis.

use std::collections::HashSet;

use serde::Deserialize;

use super::connection::{Reader, Writer};
use super::error::{Result, StoreError};
use super::row::Row;
use super::values::{json, optional_text, unsigned};
use crate::domain::analysis::{Analysis, StageAnswer, Status};
use crate::domain::answer::partial_text;
use crate::domain::case_folding::fold_case;
use crate::domain::id::{AnalysisId, ProjectId, ThreadId, UserId};
use crate::domain::money::MicroDollars;
use crate::domain::plan::Member;
use crate::domain::thread::{MAX_TURNS, derive_title};
use crate::domain::time::Timestamp;

/// Number of characters returned from the beginning of an answer, enough for a heading and a sentence.
const ANSWER_BEGINNING: i64 = 1_000;

/// A thread without its turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadRow {
    /// Unique ID. Later threads have greater IDs.
    pub id: ThreadId,
    /// Title in the history, which is initially derived from the first question.
    pub title: String,
    /// When the first question was asked.
    pub created: Timestamp,
    /// When the newest question was asked.
    pub updated: Timestamp,
    /// Whether the user has pinned the thread, which puts it at the top of the list.
    pub is_pinned: bool,
    /// Whether the user has archived the thread, which removes it from the list.
    pub archived: bool,
    /// The project that contains the thread; `None` outside projects.
    pub project: Option<ProjectId>,
    /// Number of turns in the thread.
    pub turns: u64,
    /// Cost of all turns, as far as it is known.
    pub cost: MicroDollars,
    /// The newest turn and its status; `None` if the thread has no turns.
    pub newest_turn: Option<(AnalysisId, Status)>,
    /// Whether the thread has a share link.
    pub shared: bool,
}

/// A turn in a list of turns.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnRow {
    /// The analysis that answers the turn's question. Its ID also identifies the turn.
    pub id: AnalysisId,
    /// The preceding turn; `None` for a first turn.
    pub parent: Option<AnalysisId>,
    /// The question with which the turn begins.
    pub question: String,
    /// Status of the analysis.
    pub status: Status,
    /// The final answer; `None` while the run has not ended, or if it ended without an answer.
    pub answer: Option<String>,
    /// The text that a stopped turn had written. It is set only in lists of turns that include the panels.
    pub partial: Option<String>,
    /// Why there is no answer; `None` if there is one or the run has not ended yet.
    pub error: Option<String>,
    /// ID of the pattern that the analysis used.
    pub pattern: String,
    /// The panel; empty in lists of turns that do not include the panels.
    pub members: Vec<Member>,
    /// When the question was asked.
    pub created: Timestamp,
}

/// Where an analysis is in its thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnLocation {
    /// The thread that contains the analysis.
    pub thread: ThreadId,
    /// The preceding turn; `None` for a first turn.
    pub parent: Option<AnalysisId>,
    /// Number of the turn on the path from the first turn, starting at 1.
    pub turn: u64,
    /// Number of the turn among those with the same preceding turn, starting at 1.
    pub index: u64,
    /// Number of turns with the same preceding turn.
    pub count: u64,
}

/// Changes to a thread. Fields that are `None` stay unchanged.
#[derive(Debug, Clone, Default)]
pub struct ThreadChange {
    /// The new title.
    pub title: Option<String>,
    /// Whether the thread is to be pinned.
    pub pinned: Option<bool>,
    /// Whether the thread is to be archived.
    pub archived: Option<bool>,
    /// The new project. `Some(None)` removes the thread from its project.
    pub project: Option<Option<ProjectId>>,
}

/// The columns of `threads t` that `from_row` reads.
pub(super) const THREAD_COLUMNS: &str = "t.*,
    (SELECT count(*) FROM analyses a WHERE a.thread = t.id) AS turns,
    (SELECT CAST(coalesce(sum(a.cost), 0) AS BIGINT) FROM analyses a WHERE a.thread = t.id) AS cost,
    (SELECT max(a.id) FROM analyses a WHERE a.thread = t.id) AS newest,
    (SELECT a.status FROM analyses a WHERE a.thread = t.id ORDER BY a.id DESC LIMIT 1) AS status";

/// Adds a new analysis to its thread, or starts a thread for it. Returns `None` if the analysis is outside the history.
///
/// # Errors
/// Returns `Missing` if the thread or the preceding turn is gone, or another error if the database cannot be written.
pub(super) fn add_to_thread(
    db: &Writer,
    analysis: &Analysis,
    is_listed: bool,
) -> Result<Option<ThreadId>> {
    let (Some(user), true) = (&analysis.user, is_listed) else {
        return Ok(None);
    };
    let context = &analysis.context;
    let Some(thread) = &context.thread else {
        let thread = ThreadId::from_first_analysis(&analysis.id);
        let title = derive_title(&analysis.request.prompt);
        db.run(
            "INSERT INTO threads (id, user_id, project, title, title_folded, created, updated)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
            (
                &thread,
                user,
                context.project.as_ref().map_or("", ProjectId::as_str),
                &title,
                fold_case(&title),
                analysis.created,
            ),
        )?;
        return Ok(Some(thread));
    };
    db.run_one(
        "UPDATE threads SET updated = CASE WHEN updated < ?3 THEN ?3 ELSE updated END
         WHERE id = ?2 AND user_id = ?1",
        (user, thread, analysis.created),
    )?;
    if let Some(parent) = &context.follows {
        let stored_row = db.query_optional(
            "SELECT 1 FROM analyses WHERE id = ?3 AND thread = ?2 AND user_id = ?1",
            (user, thread, parent),
            |_| Ok(()),
        )?;
        stored_row.ok_or(StoreError::Missing)?;
    }
    Ok(Some(thread.clone()))
}

/// Returns a thread of this user, or `None` if the user has no such thread.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn by_id(db: &Reader, user: &UserId, id: &ThreadId) -> Result<Option<ThreadRow>> {
    db.query_optional(
        &format!("SELECT {THREAD_COLUMNS} FROM threads t WHERE t.id = ?2 AND t.user_id = ?1"),
        (user, id),
        from_row,
    )
}

/// Lists the turns of a thread of this user, oldest first, including their panels.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn turns_of(db: &Reader, user: &UserId, id: &ThreadId) -> Result<Vec<TurnRow>> {
    let mut turns = db.all(
        "SELECT id, follows, question, status, synthesis, error, pattern, created,
                plan
         FROM analyses WHERE thread = ?2 AND user_id = ?1 ORDER BY id LIMIT ?3",
        (user, id, MAX_TURNS as i64),
        |row| {
            Ok(TurnRow {
                members: json::<PlannedMembers>(row, "plan")?.members,
                ..turn_from_row(row)?
            })
        },
    )?;
    let stopped = turns.iter_mut();
    for turn in stopped.filter(|turn| turn.answer.is_none() && turn.status == Status::Cancelled) {
        let answers: Vec<StageAnswer> = db.all(
            "SELECT answer FROM stage_answers WHERE analysis_id = ?1 ORDER BY stage, member",
            [&turn.id],
            |row| json(row, "answer"),
        )?;
        turn.partial = partial_text(&answers).map(str::to_owned);
    }
    // Some turns may be missing from an imported thread.
    let turn_ids: HashSet<AnalysisId> = turns.iter().map(|turn| turn.id.clone()).collect();
    for turn in &mut turns {
        turn.parent.take_if(|parent| !turn_ids.contains(parent));
    }
    Ok(turns)
}

/// Returns the newest turn in a thread of this user.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn newest_turn(db: &Reader, user: &UserId, id: &ThreadId) -> Result<Option<AnalysisId>> {
    db.query_optional(
        "SELECT id FROM analyses WHERE thread = ?2 AND user_id = ?1 ORDER BY id DESC LIMIT 1",
        (user, id),
        |row| row.get(0),
    )
}

/// Returns the beginning of a turn's answer, or `None` if the turn has no answer.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn answer_beginning(db: &Reader, user: &UserId, turn: &AnalysisId) -> Result<Option<String>> {
    let answer = db.query_optional(
        "SELECT substr(synthesis, 1, ?3) AS answer FROM analyses WHERE id = ?2 AND user_id = ?1",
        (user, turn, ANSWER_BEGINNING),
        |row| optional_text(row, "answer"),
    )?;
    Ok(answer.flatten())
}

/// Returns the number of models in a turn's request, or 0 if the request names none.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn panel_size(db: &Reader, user: &UserId, turn: &AnalysisId) -> Result<usize> {
    let request_text: Option<String> = db.query_optional(
        "SELECT request FROM analyses WHERE id = ?2 AND user_id = ?1",
        (user, turn),
        |row| row.get(0),
    )?;
    let request = request_text.map(|text| serde_json::from_str::<RequestedPanel>(&text));
    Ok(request.map_or(0, |request| request.unwrap_or_default().models.len()))
}

/// Returns what this user's turns in a project have cost since a point in time, and whether the price of any of their
/// calls is unknown.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn spent_in_project(
    db: &Reader,
    user: &UserId,
    project: &ProjectId,
    since: Timestamp,
) -> Result<(MicroDollars, bool)> {
    db.query_one(
        "WITH turns AS (
             SELECT a.id, a.cost FROM threads t JOIN analyses a ON a.thread = t.id
             WHERE t.user_id = ?1 AND t.project = ?2 AND a.user_id = ?1 AND a.created >= ?3
         )
         SELECT CAST(coalesce(sum(cost), 0) AS BIGINT) AS cost, CASE WHEN EXISTS (
             SELECT 1 FROM calls c WHERE c.user_id = ?1 AND c.at >= ?3 AND c.cost < 0
                AND c.analysis_id IN (SELECT id FROM turns)
         ) THEN 1 ELSE 0 END AS unpriced FROM turns",
        (user, project, since),
        |row| Ok((row.get("cost")?, row.get("unpriced")?)),
    )
}

/// Returns the user's newest thread that is not archived.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn newest(db: &Reader, user: &UserId) -> Result<Option<ThreadId>> {
    db.query_optional(
        "SELECT id FROM threads WHERE user_id = ?1 AND archived = 0
         ORDER BY updated DESC, id DESC LIMIT 1",
        [user],
        |row| row.get(0),
    )
}

/// Lists the turns on the path from the first turn of a thread to this one, without their panels.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn path_to(db: &Reader, user: &UserId, turn_id: &AnalysisId) -> Result<Vec<TurnRow>> {
    // The depth is limited, so that a cycle in imported data does not make this run forever.
    db.all(
        "WITH RECURSIVE path (id, follows, thread, depth) AS (
             SELECT id, follows, thread, 0 FROM analyses
             WHERE id = ?2 AND user_id = ?1
             UNION ALL
             SELECT a.id, a.follows, a.thread, path.depth + 1
             FROM path JOIN analyses a ON a.id = path.follows
             WHERE path.follows <> '' AND a.thread = path.thread AND a.user_id = ?1
               AND path.depth < ?3
         )
         SELECT a.id, a.follows, a.question, a.status, a.synthesis, a.error, a.pattern, a.created
         FROM path JOIN analyses a ON a.id = path.id ORDER BY path.depth DESC",
        (user, turn_id, MAX_TURNS as i64),
        turn_from_row,
    )
}

/// Returns where an analysis of this user is in its thread, or `None` if the analysis is outside the history.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn place_of(db: &Reader, user: &UserId, id: &AnalysisId) -> Result<Option<TurnLocation>> {
    let place = db.query_optional(
        "SELECT thread, follows,
                (SELECT count(*) FROM analyses b
                 WHERE b.thread = a.thread AND b.follows = a.follows) AS count,
                (SELECT count(*) FROM analyses b
                 WHERE b.thread = a.thread AND b.follows = a.follows AND b.id <= a.id) AS place
         FROM analyses a WHERE id = ?2 AND user_id = ?1",
        (user, id),
        |row| {
            let thread: String = row.get("thread")?;
            let Some(thread) = ThreadId::parse(&thread) else {
                return Ok(None);
            };
            Ok(Some(TurnLocation {
                thread,
                parent: parent_of_row(row)?,
                turn: 0,
                index: unsigned(row, "place")?,
                count: unsigned(row, "count")?,
            }))
        },
    )?;
    let Some(place) = place.flatten() else {
        return Ok(None);
    };
    let turn = path_to(db, user, id)?.len() as u64;
    Ok(Some(TurnLocation { turn, ..place }))
}

/// Changes a thread of this user.
///
/// # Errors
/// Returns `Missing` if the thread does not belong to the user, or another error if the database cannot be written.
pub fn change(db: &Writer, user: &UserId, id: &ThreadId, change: &ThreadChange) -> Result<()> {
    let project = change.project.as_ref();
    let project = project.map(|project| project.as_ref().map_or("", ProjectId::as_str));
    db.run_one(
        "UPDATE threads SET title = coalesce(?3, title), title_folded = coalesce(?4, title_folded),
                pinned = coalesce(?5, pinned), archived = coalesce(?6, archived),
                project = coalesce(?7, project)
         WHERE user_id = ?1 AND id = ?2",
        (
            user,
            id,
            &change.title,
            change.title.as_deref().map(fold_case),
            change.pinned,
            change.archived,
            project,
        ),
    )
}

/// Completes an imported thread: sets the case-folded title, and removes the thread from a project that belongs to
/// another user.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub(super) fn complete_imported(db: &Writer, id: &str) -> Result<()> {
    let title = db.query_one("SELECT title FROM threads WHERE id = ?1", [id], |row| {
        row.get::<_, String>(0)
    })?;
    db.run_one(
        "UPDATE threads SET title_folded = ?2, project = CASE WHEN EXISTS (
             SELECT 1 FROM projects p WHERE p.id = threads.project AND p.user_id = threads.user_id
         ) THEN project ELSE '' END WHERE id = ?1",
        (id, fold_case(&title)),
    )
}

/// Deletes a thread of this user, with all its analyses.
///
/// # Errors
/// Returns `Missing` if the thread does not belong to the user, or another error if the database cannot be written.
pub fn delete(db: &Writer, user: &UserId, id: &ThreadId) -> Result<()> {
    by_id(db, user, id)?.ok_or(StoreError::Missing)?;
    db.run(
        "DELETE FROM analyses WHERE thread = ?2 AND user_id = ?1",
        (user, id),
    )?;
    // The trigger has already deleted the thread, unless the thread had no turns.
    db.run(
        "DELETE FROM threads WHERE id = ?2 AND user_id = ?1",
        (user, id),
    )
    .map(drop)
}

/// Sets the hash of the share link's token. `None` removes the link.
///
/// # Errors
/// Returns `Missing` if the thread does not belong to the user, or another error if the database cannot be written.
pub fn set_share(db: &Writer, user: &UserId, id: &ThreadId, hash: Option<&[u8; 32]>) -> Result<()> {
    db.run_one(
        "UPDATE threads SET share_hash = ?3 WHERE user_id = ?1 AND id = ?2",
        (user, id, hash),
    )
}

/// Returns the owner and the ID of the thread with this share link, or `None` if there is none or the owner's account
/// is locked.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn by_share_link(db: &Reader, hash: &[u8; 32]) -> Result<Option<(UserId, ThreadId)>> {
    db.query_optional(
        "SELECT t.user_id, t.id FROM threads t JOIN users u ON u.id = t.user_id
         WHERE t.share_hash = ?1 AND u.disabled = 0",
        [hash],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// The part of a plan that a list of turns shows.
#[derive(Deserialize)]
struct PlannedMembers {
    members: Vec<Member>,
}

/// The part of a request that names the panel.
#[derive(Deserialize, Default)]
struct RequestedPanel {
    #[serde(default)]
    models: Vec<serde::de::IgnoredAny>,
}

fn parent_of_row(row: &Row<'_>) -> Result<Option<AnalysisId>> {
    let follows = optional_text(row, "follows")?;
    Ok(follows.and_then(|id| AnalysisId::parse(&id)))
}

fn turn_from_row(row: &Row<'_>) -> Result<TurnRow> {
    Ok(TurnRow {
        id: row.get("id")?,
        parent: parent_of_row(row)?,
        question: row.get("question")?,
        status: row.get("status")?,
        answer: optional_text(row, "synthesis")?,
        partial: None,
        error: optional_text(row, "error")?,
        pattern: row.get("pattern")?,
        members: Vec::new(),
        created: row.get("created")?,
    })
}

pub(super) fn from_row(row: &Row<'_>) -> Result<ThreadRow> {
    let project = optional_text(row, "project")?;
    let newest: Option<AnalysisId> = row.get("newest")?;
    let status: Option<Status> = row.get("status")?;
    Ok(ThreadRow {
        id: row.get("id")?,
        title: row.get("title")?,
        created: row.get("created")?,
        updated: row.get("updated")?,
        is_pinned: row.get("pinned")?,
        archived: row.get("archived")?,
        project: project.and_then(|id| ProjectId::parse(&id)),
        turns: unsigned(row, "turns")?,
        cost: row.get("cost")?,
        newest_turn: newest.zip(status),
        shared: row.get::<_, Option<Vec<u8>>>("share_hash")?.is_some(),
    })
}
