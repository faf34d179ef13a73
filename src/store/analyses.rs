//! Analyses, the answers of their stages, and users' preferred answers. An analysis whose user is `None` was made
//! without an account and is not visible to any account.

pub(super) mod index;

use super::connection::{Reader, Writer};
use super::error::{Result, StoreError};
use super::params::params;
use super::row::Row;
use super::values::{json, optional_text, optional_timestamp, to_json, unsigned};
use super::{threads, turn_texts};
use crate::domain::analysis::{Analysis, StageAnswer, Status};
use crate::domain::case_folding::fold_case;
use crate::domain::chat::Usage;
use crate::domain::citation::Citations;
use crate::domain::findings::Findings;
use crate::domain::id::{AnalysisId, DocumentId, ThreadId, UserId};
use crate::domain::money::MicroDollars;
use crate::domain::pattern::PatternOutcome;
use crate::domain::request::{Request, StoredRequest, to_stored};
use crate::domain::time::Timestamp;

/// A row of the history: an analysis without its plan, which may be large.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryRow {
    /// Unique ID. Later analyses have greater IDs.
    pub id: AnalysisId,
    /// Current status. A final status never changes.
    pub status: Status,
    /// The user's request, as it was when the run started.
    pub request: Request,
    /// Why the analysis failed or was canceled.
    pub error: Option<String>,
    /// Tokens used by all calls.
    pub usage: Usage,
    /// Cost of all calls, as far as it is known.
    pub cost: MicroDollars,
    /// When the request was accepted.
    pub created: Timestamp,
    /// When the first call started; `None` while the run is queued.
    pub started: Option<Timestamp>,
    /// When the run ended; `None` until then.
    pub finished: Option<Timestamp>,
    /// Whether the analysis has a share link.
    pub shared: bool,
    /// The thread that contains the analysis; `None` outside the history.
    pub thread: Option<ThreadId>,
}

/// What is stored when an analysis ends.
#[derive(Debug, Clone, PartialEq)]
pub struct AnalysisEnd<'a> {
    /// The final status.
    pub status: Status,
    /// The final answer; `None` if the run has none.
    pub synthesis: Option<&'a str>,
    /// Why there is no synthesis; `None` if there is one.
    pub error: Option<&'a str>,
    /// Tokens used by all calls.
    pub usage: Usage,
    /// Cost of all calls, as far as it is known.
    pub cost: MicroDollars,
    /// Disagreements and other findings about the answers; `None` if they were not compared.
    pub findings: Option<&'a Findings>,
    /// Results of checking the citations; `None` without documents.
    pub citations: Option<&'a Citations>,
}

impl<'a> AnalysisEnd<'a> {
    /// Creates the data to store from a run's outcome.
    pub fn of(
        outcome: &'a PatternOutcome,
        findings: Option<&'a Findings>,
        citations: Option<&'a Citations>,
    ) -> Self {
        Self {
            findings,
            citations,
            status: outcome.status,
            synthesis: outcome.synthesis.as_deref(),
            error: outcome.error.as_deref(),
            usage: outcome.totals.usage,
            cost: outcome.totals.cost_usd,
        }
    }
}

/// Origin of a question passed through to a single model. For experiments, the origin is the experiment's ID.
const PASSTHROUGH_ORIGIN: &str = "call";

/// Inserts a new analysis.
///
/// # Errors
/// Returns `Conflict` if the ID exists, `Missing` if its thread is gone, or an error if the database cannot be written.
pub fn insert(db: &Writer, analysis: &Analysis) -> Result<()> {
    let request = to_stored(&analysis.request, &analysis.context)
        .map_err(|error| StoreError::Failed(error.to_string()))?;
    let context = &analysis.context;
    let origin = match (&context.experiment, context.is_passthrough) {
        (Some(id), _) => id.as_str(),
        (None, true) => PASSTHROUGH_ORIGIN,
        (None, false) => "",
    };
    let thread = threads::add_to_thread(db, analysis, origin.is_empty())?;
    let follows = analysis.context.follows.as_ref();
    db.run(
        "INSERT INTO analyses (id, user_id, status, pattern, question, request, plan, synthesis, error,
                               usage, cost, created, started, finished, share_hash, topic, parent,
                               origin, question_folded, topic_folded, thread, follows)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,
                 ?20, ?21, ?22)",
        params![
            &analysis.id,
            &analysis.user,
            analysis.status,
            analysis.request.pattern(),
            &analysis.request.prompt,
            &request,
            to_json(&analysis.plan)?,
            analysis.synthesis.as_deref().unwrap_or_default(),
            analysis.error.as_deref().unwrap_or_default(),
            to_json(&analysis.usage)?,
            analysis.cost,
            analysis.created,
            analysis.started.unwrap_or_default(),
            analysis.finished.unwrap_or_default(),
            analysis.share_token_hash,
            analysis.request.topic(),
            (analysis.context.parent.as_ref()).map_or("", AnalysisId::as_str),
            origin,
            fold_case(&analysis.request.prompt),
            fold_case(analysis.request.topic()),
            thread.as_ref().map_or("", ThreadId::as_str),
            follows.filter(|_| thread.is_some()).map_or("", AnalysisId::as_str),
        ],
    )?;
    turn_texts::write(db, analysis.id.as_str())?;
    index::link(db, analysis.id.as_str(), &request, origin.is_empty())
}

/// Returns an analysis of this user, or `None` if the user has no such analysis.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn by_id(db: &Reader, user: Option<&UserId>, id: &AnalysisId) -> Result<Option<Analysis>> {
    db.query_optional(
        "SELECT * FROM analyses WHERE id = ?2 AND user_id IS NOT DISTINCT FROM ?1",
        (user, id),
        from_row,
    )
}

/// Returns only the synthesis of an analysis of this user.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn synthesis_of(db: &Reader, user: &UserId, id: &AnalysisId) -> Result<Option<String>> {
    let synthesis = db.query_optional(
        "SELECT synthesis FROM analyses WHERE id = ?2 AND user_id = ?1",
        (user, id),
        |row| optional_text(row, 0),
    )?;
    Ok(synthesis.flatten())
}

/// Returns the status of an analysis of this user. This is the cheapest way to check whether the user may see it.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn status_of(db: &Reader, user: Option<&UserId>, id: &AnalysisId) -> Result<Option<Status>> {
    db.query_optional(
        "SELECT status FROM analyses WHERE id = ?2 AND user_id IS NOT DISTINCT FROM ?1",
        (user, id),
        |row| row.get(0),
    )
}

/// Filter for the history; the default matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryFilter {
    /// Only analyses whose question contains this text.
    pub search: Option<String>,
    /// Only analyses with this status.
    pub status: Option<Status>,
    /// Only analyses with this pattern.
    pub pattern: Option<String>,
    /// Only analyses with this model as a member or synthesizer.
    pub model: Option<String>,
    /// Only analyses created at or after this time.
    pub from: Option<Timestamp>,
    /// Only analyses created before this time.
    pub to: Option<Timestamp>,
}

/// Lists this user's history, newest first, starting after the cursor.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn list_of(
    db: &Reader,
    user: &UserId,
    limit: u32,
    cursor: Option<&AnalysisId>,
    filter: &HistoryFilter,
) -> Result<Vec<HistoryRow>> {
    // `~` sorts after every ID, so a list without a cursor starts with the newest analysis.
    db.all(
        "SELECT id, status, request, error, usage, cost, created, started, finished,
                CASE WHEN share_hash IS NOT NULL THEN 1 ELSE 0 END AS shared, thread
         FROM analyses
         WHERE user_id = ?1 AND id < ?2 AND origin = ''
           AND (?3 = '' OR status = ?3)
           AND (?4 = '' OR instr(question_folded, ?4) > 0)
           AND (?5 = '' OR pattern = ?5)
           AND (?6 = '' OR EXISTS (
               SELECT 1 FROM analysis_models m WHERE m.analysis_id = analyses.id AND m.model = ?6
           ))
           AND created >= ?7 AND created < ?8
         ORDER BY id DESC LIMIT ?9",
        params![
            user,
            cursor.map_or("~", AnalysisId::as_str),
            filter.status.map_or("", Status::as_str),
            filter.search.as_deref().map(fold_case).unwrap_or_default(),
            filter.pattern.as_deref().unwrap_or_default(),
            filter.model.as_deref().unwrap_or_default(),
            filter.from.unwrap_or_default(),
            filter.to.unwrap_or(Timestamp::from_millis(i64::MAX)),
            limit,
        ],
        history_row,
    )
}

/// Sets an analysis's status to running. A resumed analysis keeps its start time.
///
/// # Errors
/// Returns `Missing` if the analysis has ended or was deleted, or another error if the database cannot be written.
pub fn set_started(db: &Writer, id: &AnalysisId, now: Timestamp) -> Result<()> {
    db.run_one(
        "UPDATE analyses SET status = 'running', started = CASE WHEN started = 0 THEN ?2 ELSE started END
         WHERE id = ?1 AND finished = 0",
        (id, now),
    )
}

/// Stores the end of an analysis, which happens only once.
///
/// # Errors
/// Returns `Missing` if the analysis was deleted or has ended, or another error if the database cannot be written.
pub fn finish(db: &Writer, id: &AnalysisId, end: &AnalysisEnd<'_>, now: Timestamp) -> Result<()> {
    db.run_one(
        "UPDATE analyses SET status = ?2, synthesis = ?3, error = ?4, usage = ?5, cost = ?6, finished = ?7,
                findings = ?8, citations = ?9
         WHERE id = ?1 AND finished = 0",
        (
            id,
            end.status,
            end.synthesis.unwrap_or_default(),
            end.error.unwrap_or_default(),
            to_json(&end.usage)?,
            end.cost,
            now,
            end.findings.map(to_json).transpose()?.unwrap_or_default(),
            end.citations.map(to_json).transpose()?.unwrap_or_default(),
        ),
    )?;
    turn_texts::write(db, id.as_str())
}

/// An analysis that uses a document: ID, thread, question, and time of creation.
pub type DocumentUseRow = (AnalysisId, Option<ThreadId>, String, Timestamp);

/// Lists this user's newest analyses that use a document.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn using_document(
    db: &Reader,
    user: &UserId,
    document: &DocumentId,
    limit: u32,
) -> Result<Vec<DocumentUseRow>> {
    db.all(
        "SELECT a.id, a.thread, a.question, a.created
         FROM analysis_documents d JOIN analyses a ON a.id = d.analysis_id
         WHERE d.document_id = ?2 AND a.user_id = ?1 ORDER BY d.analysis_id DESC LIMIT ?3",
        (user, document, limit),
        |row| {
            let thread = ThreadId::parse(&row.get::<_, String>(1)?);
            Ok((row.get(0)?, thread, row.get(2)?, row.get(3)?))
        },
    )
}

/// Counts this user's analyses that use a document.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn count_using_document(db: &Reader, user: &UserId, document: &DocumentId) -> Result<u64> {
    let count = db.query_optional(
        "SELECT count(*) AS count
         FROM analysis_documents d JOIN analyses a ON a.id = d.analysis_id
         WHERE d.document_id = ?2 AND a.user_id = ?1",
        (user, document),
        |row| unsigned(row, "count"),
    )?;
    Ok(count.unwrap_or(0))
}

/// Lists the IDs of all users' unfinished analyses, oldest first. A starting server resumes them.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn list_unfinished(db: &Reader) -> Result<Vec<AnalysisId>> {
    db.all(
        "SELECT id FROM analyses WHERE finished = 0 ORDER BY id",
        [],
        |row| row.get("id"),
    )
}

/// Returns an unfinished analysis, regardless of its user.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn load_unfinished(db: &Reader, id: &AnalysisId) -> Result<Option<Analysis>> {
    db.query_optional(
        "SELECT * FROM analyses WHERE id = ?1 AND finished = 0",
        [id],
        from_row,
    )
}

/// Deletes analyses without an account that ended before this time, because no one can access them anymore.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn delete_anonymous(db: &Writer, before: Timestamp) -> Result<usize> {
    db.run(
        "DELETE FROM analyses WHERE user_id IS NULL AND finished > 0 AND finished < ?1",
        [before],
    )
}

/// Deletes questions passed through to a single model that ended before this time.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn delete_passthrough(db: &Writer, before: Timestamp) -> Result<usize> {
    db.run(
        "DELETE FROM analyses WHERE origin = ?1 AND finished > 0 AND finished < ?2",
        (PASSTHROUGH_ORIGIN, before),
    )
}

/// Deletes an analysis with its answers and events. Returns false if the user has no such analysis.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn delete(db: &Writer, user: Option<&UserId>, id: &AnalysisId) -> Result<bool> {
    let deleted_rows = db.run(
        "DELETE FROM analyses WHERE id = ?2 AND user_id IS NOT DISTINCT FROM ?1",
        (user, id),
    )?;
    Ok(deleted_rows > 0)
}

/// Sets the hash of the share link's token. `None` removes the link.
///
/// # Errors
/// Returns `Missing` if the analysis does not belong to the user, or another error if the database cannot be written.
pub fn set_share(
    db: &Writer,
    user: &UserId,
    id: &AnalysisId,
    hash: Option<&[u8; 32]>,
) -> Result<()> {
    db.run_one(
        "UPDATE analyses SET share_hash = ?3 WHERE user_id = ?1 AND id = ?2",
        (user, id, hash),
    )
}

/// Returns the analysis with this share link, or `None` if there is none or its owner's account is locked.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn by_share_link(db: &Reader, hash: &[u8; 32]) -> Result<Option<Analysis>> {
    db.query_optional(
        "SELECT a.* FROM analyses a JOIN users u ON u.id = a.user_id
         WHERE a.share_hash = ?1 AND u.disabled = 0",
        [hash],
        from_row,
    )
}

/// Stores the answer of a call, replacing any earlier one.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn put_answer(db: &Writer, id: &AnalysisId, answer: &StageAnswer) -> Result<()> {
    db.run(
        "INSERT INTO stage_answers (analysis_id, stage, member, model, answer) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (analysis_id, stage, member) DO UPDATE SET
             model = excluded.model, answer = excluded.answer",
        (id, answer.stage as i64, answer.member as i64, &answer.model, to_json(answer)?),
    )
    .map(drop)
}

/// Lists the answers of an analysis, ordered by stage and member.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn answers_of(db: &Reader, id: &AnalysisId) -> Result<Vec<StageAnswer>> {
    db.all(
        "SELECT answer FROM stage_answers WHERE analysis_id = ?1 ORDER BY stage, member",
        [id],
        |row| json(row, "answer"),
    )
}

/// Stores which answer this user prefers, replacing an earlier choice: a full model ID, `synthesis`, or another value.
///
/// # Errors
/// Returns `Missing` if the analysis does not belong to the user, or another error if the database cannot be written.
pub fn put_vote(
    db: &Writer,
    user: &UserId,
    id: &AnalysisId,
    choice: &str,
    now: Timestamp,
) -> Result<()> {
    db.run_one(
        "INSERT INTO votes (analysis_id, user_id, choice, created)
         SELECT id, user_id, ?3, ?4 FROM analyses WHERE id = ?2 AND user_id = ?1
         ON CONFLICT (analysis_id, user_id) DO UPDATE SET
             choice = excluded.choice, created = excluded.created",
        (user, id, choice, now),
    )
}

/// Returns which answer this user prefers.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn vote_of(db: &Reader, user: &UserId, id: &AnalysisId) -> Result<Option<String>> {
    db.query_optional(
        "SELECT choice FROM votes WHERE analysis_id = ?2 AND user_id = ?1",
        (user, id),
        |row| row.get(0),
    )
}

fn from_row(row: &Row<'_>) -> Result<Analysis> {
    let (request, mut context) = json::<StoredRequest>(row, "request")?.into_request();
    let place = |name: &str| optional_text(row, name);
    context.thread = place("thread")?.and_then(|id| ThreadId::parse(&id));
    context.follows = place("follows")?.and_then(|id| AnalysisId::parse(&id));
    Ok(Analysis {
        id: row.get("id")?,
        user: row.get("user_id")?,
        status: row.get("status")?,
        request,
        context,
        plan: json(row, "plan")?,
        synthesis: optional_text(row, "synthesis")?,
        error: optional_text(row, "error")?,
        usage: json(row, "usage")?,
        cost: row.get("cost")?,
        created: row.get("created")?,
        started: optional_timestamp(row, "started")?,
        finished: optional_timestamp(row, "finished")?,
        // Findings and citations that cannot be parsed (from another version) are ignored, so that the rest is shown.
        findings: optional_text(row, "findings")?.and_then(|text| serde_json::from_str(&text).ok()),
        citations: optional_text(row, "citations")?
            .and_then(|text| serde_json::from_str(&text).ok()),
        share_token_hash: row.get("share_hash")?,
    })
}

fn history_row(row: &Row<'_>) -> Result<HistoryRow> {
    Ok(HistoryRow {
        id: row.get("id")?,
        status: row.get("status")?,
        request: json::<StoredRequest>(row, "request")?.into_request().0,
        error: optional_text(row, "error")?,
        usage: json(row, "usage")?,
        cost: row.get("cost")?,
        created: row.get("created")?,
        started: optional_timestamp(row, "started")?,
        finished: optional_timestamp(row, "finished")?,
        shared: row.get("shared")?,
        thread: optional_text(row, "thread")?.and_then(|id| ThreadId::parse(&id)),
    })
}

#[cfg(test)]
mod tests;
