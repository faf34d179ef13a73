//! Blind comparisons of a panel's answer with a single draft, and their votes. The texts are stored with their
//! analysis; this table only records which ones they were and in which order they were shown.

use std::collections::BTreeSet;

use rusqlite::{Connection, Row, params};

use super::connection::{Reader, Writer};
use super::error::{Result, StoreError};
use super::settings;
use super::values::{optional_timestamp, unsigned};
use crate::domain::case_folding::fold_case;
use crate::domain::experiment::Case;
use crate::domain::experiment::repeated_cases::question_key;
use crate::domain::id::{AnalysisId, UserId};
use crate::domain::money::MicroDollars;
use crate::domain::panel_vs_single::{Preference, VoteTally};
use crate::domain::time::Timestamp;

/// Maximum number of votes searched for repeated questions, oldest first.
const MAX_VOTES: u32 = 20_000;

/// A blind comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// ID of the analysis.
    pub analysis: AnalysisId,
    /// The user who votes.
    pub user: UserId,
    /// Topic.
    pub topic: String,
    /// Pattern ID.
    pub pattern: String,
    /// Model of the single draft.
    pub model: String,
    /// The draft's stage.
    pub stage: usize,
    /// The draft's member.
    pub member: usize,
    /// Whether the panel's answer is shown on the left.
    pub panel_first: bool,
    /// Cost of the whole analysis; `None` if a price is unknown.
    pub panel_cost: Option<MicroDollars>,
    /// Cost of the draft; `None` if its price is unknown.
    pub single_cost: Option<MicroDollars>,
    /// Time of creation.
    pub created: Timestamp,
    /// The vote and its time.
    pub choice: Option<(Preference, Timestamp)>,
}

/// Filter of comparisons and votes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ComparisonScope {
    /// Only this user's; `None` for all.
    pub user: Option<UserId>,
    /// Only this topic, ignoring case; empty for all.
    pub topic: String,
    /// Only this pattern; empty for all.
    pub pattern: String,
    /// Only from this moment on.
    pub since: Timestamp,
}

/// Votes about one topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicCount {
    /// Topic; empty for all together.
    pub topic: String,
    /// Blind votes.
    pub tally: VoteTally,
    /// Comparisons with both prices known and a draft that was not free.
    pub priced_votes: u64,
    /// Cost of their panels.
    pub panel_cost: MicroDollars,
    /// Cost of their drafts.
    pub single_cost: MicroDollars,
    /// Time of the first blind vote.
    pub first_vote: Timestamp,
    /// "Helpful" votes.
    pub helpful: u64,
    /// "Not helpful" votes.
    pub not_helpful: u64,
}

/// Inserts a comparison. An existing one stays: its order is drawn only once.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn insert(db: &Writer, new: &Comparison) -> Result<()> {
    let cost = |cost: Option<MicroDollars>| cost.unwrap_or(MicroDollars(-1));
    db.run(
        "INSERT INTO comparisons (analysis_id, user_id, topic, pattern, model, stage, member, panel_first,
                                  panel_cost, single_cost, created, topic_folded)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
         ON CONFLICT (analysis_id) DO NOTHING",
        params![
            new.analysis,
            new.user,
            new.topic,
            new.pattern,
            new.model,
            new.stage as i64,
            new.member as i64,
            new.panel_first,
            cost(new.panel_cost),
            cost(new.single_cost),
            new.created,
            fold_case(&new.topic),
        ],
    )
    .map(drop)
}

/// Writes the folded topic of a comparison from an archive or an older database.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub(super) fn fold_topic(db: &Connection, analysis: &str) -> rusqlite::Result<()> {
    let mut query = db.prepare_cached("SELECT topic FROM comparisons WHERE analysis_id = ?1")?;
    let topic: String = query.query_row([analysis], |row| row.get(0))?;
    db.prepare_cached("UPDATE comparisons SET topic_folded = ?2 WHERE analysis_id = ?1")?
        .execute([analysis, &fold_case(&topic)])
        .map(drop)
}

/// Finds the comparison of this user's analysis.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn of_analysis(db: &Reader, user: &UserId, id: &AnalysisId) -> Result<Option<Comparison>> {
    db.query_optional(
        "SELECT * FROM comparisons WHERE analysis_id = ?2 AND user_id = ?1",
        (user, id),
        from_row,
    )
}

/// Returns how often this user is offered a comparison: once in about this many analyses, 0 for never; `None` for the
/// server's default.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn compare_interval(db: &Reader, user: &UserId) -> Result<Option<u64>> {
    let stored = settings::get(db, &compare_interval_key(user))?;
    Ok(stored.and_then(|text| text.parse().ok()))
}

/// Sets how often this user is offered a comparison; `None` restores the server's default.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn set_compare_interval(db: &Writer, user: &UserId, every: Option<u64>) -> Result<()> {
    match every {
        Some(every) => settings::set(db, &compare_interval_key(user), &every.to_string()),
        None => settings::remove(db, &compare_interval_key(user)),
    }
}

fn compare_interval_key(user: &UserId) -> String {
    format!("compare_every/{user}")
}

/// Whether this analysis already has a vote.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn is_decided(db: &Reader, id: &AnalysisId) -> Result<bool> {
    let found = db.query_optional(
        "SELECT 1 FROM comparisons WHERE analysis_id = ?1 AND choice <> ''",
        [id],
        |_| Ok(()),
    );
    Ok(found?.is_some())
}

/// Stores the vote, once: a user who knows which answer was which can no longer vote blindly.
///
/// # Errors
/// `Conflict` after a vote; `Missing` without a comparison; otherwise when the database cannot be written.
pub fn store_vote(
    db: &Writer,
    user: &UserId,
    id: &AnalysisId,
    choice: Preference,
    now: Timestamp,
) -> Result<()> {
    let decided = db.run(
        "UPDATE comparisons SET choice = ?3, decided = ?4
         WHERE analysis_id = ?2 AND user_id = ?1 AND choice = ''",
        (user, id, choice, now),
    )?;
    match decided {
        0 if is_decided(db, id)? => Err(StoreError::Conflict("a vote on this comparison")),
        0 => Err(StoreError::Missing),
        _ => Ok(()),
    }
}

/// Counts blind votes by topic, most votes first, or all together. A user's first vote on a question counts.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn blind_votes(
    db: &Reader,
    scope: &ComparisonScope,
    by_topic: bool,
) -> Result<Vec<TopicCount>> {
    db.all(
        "SELECT CASE WHEN ?5 THEN min(topic) ELSE '' END AS of_topic,
                coalesce(min(decided), 0) AS first,
                coalesce(sum(choice = 'panel'), 0) AS wins, coalesce(sum(choice = 'tie'), 0) AS ties,
                coalesce(sum(choice = 'single'), 0) AS losses,
                count(CASE WHEN panel_cost >= 0 AND single_cost > 0 THEN 1 END) AS priced,
                coalesce(sum(CASE WHEN panel_cost >= 0 AND single_cost > 0 THEN panel_cost END), 0) AS panel,
                coalesce(sum(CASE WHEN panel_cost >= 0 AND single_cost > 0 THEN single_cost END), 0) AS single
         FROM comparisons
         WHERE choice <> '' AND (?1 IS NULL OR user_id = ?1) AND (?2 = '' OR topic_folded = ?2)
           AND (?3 = '' OR pattern = ?3) AND decided >= ?4
           AND analysis_id NOT IN (SELECT value FROM json_each(?6))
         GROUP BY CASE WHEN ?5 THEN topic_folded ELSE '' END
         ORDER BY count(*) DESC, of_topic LIMIT 500",
        params![
            scope.user,
            fold_case(&scope.topic),
            scope.pattern,
            scope.since,
            by_topic,
            repeated_questions(db, scope, by_topic)?
        ],
        |row| {
            Ok(TopicCount {
                topic: row.get("of_topic")?,
                tally: VoteTally {
                    wins: unsigned(row, "wins")?,
                    ties: unsigned(row, "ties")?,
                    losses: unsigned(row, "losses")?,
                },
                first_vote: Timestamp::from_millis(row.get("first")?),
                priced_votes: unsigned(row, "priced")?,
                panel_cost: row.get("panel")?,
                single_cost: row.get("single")?,
                ..TopicCount::default()
            })
        },
    )
}

// A vote, with the fields that identify its question.
struct VotedQuestion {
    analysis: String,
    asked: (UserId, String, String),
    case: Case,
}

// Returns the analyses with a vote on a question that the same user has voted on before, as a JSON array: votes on
// one question depend on each other. By topic, a question counts once in each.
fn repeated_questions(db: &Reader, scope: &ComparisonScope, by_topic: bool) -> Result<String> {
    let votes = db.all(
        "SELECT c.analysis_id, c.user_id, CASE WHEN ?5 THEN c.topic_folded ELSE '' END AS of_topic,
                coalesce(a.follows, '') AS follows, coalesce(json_extract(a.request, '$.prompt'), '') AS prompt,
                coalesce(json_extract(a.request, '$.document_ids'), '[]') AS documents
         FROM comparisons c JOIN analyses a ON a.id = c.analysis_id
         WHERE c.choice <> '' AND (?1 IS NULL OR c.user_id = ?1) AND (?2 = '' OR c.topic_folded = ?2)
           AND (?3 = '' OR c.pattern = ?3) AND c.decided >= ?4
         ORDER BY c.decided, c.analysis_id LIMIT ?6",
        params![
            scope.user,
            fold_case(&scope.topic),
            scope.pattern,
            scope.since,
            by_topic,
            MAX_VOTES
        ],
        |row| {
            let documents: String = row.get("documents")?;
            Ok(VotedQuestion {
                analysis: row.get("analysis_id")?,
                asked: (row.get("user_id")?, row.get("of_topic")?, row.get("follows")?),
                case: Case {
                    prompt: row.get("prompt")?,
                    documents: serde_json::from_str(&documents).unwrap_or_default(),
                    ..Case::default()
                },
            })
        },
    )?;
    let mut known = BTreeSet::new();
    let repeats: Vec<String> = votes
        .into_iter()
        .filter(|vote| !vote.case.prompt.is_empty())
        .filter_map(|vote| {
            let is_new = known.insert((vote.asked, question_key(&vote.case)));
            (!is_new).then_some(vote.analysis)
        })
        .collect();
    Ok(serde_json::json!(repeats).to_string())
}

/// Counts "helpful" votes by topic or all together; they are separate from blind votes.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn helpful_votes(
    db: &Reader,
    scope: &ComparisonScope,
    by_topic: bool,
) -> Result<Vec<TopicCount>> {
    db.all(
        "SELECT CASE WHEN ?5 THEN min(a.topic) ELSE '' END AS of_topic,
                sum(v.choice = 'helpful') AS helpful, sum(v.choice = 'not_helpful') AS not_helpful
         FROM votes v JOIN analyses a ON a.id = v.analysis_id
         WHERE v.choice IN ('helpful', 'not_helpful') AND (?1 IS NULL OR v.user_id = ?1)
           AND (?2 = '' OR a.topic_folded = ?2) AND (?3 = '' OR a.pattern = ?3) AND v.created >= ?4
         GROUP BY CASE WHEN ?5 THEN a.topic_folded ELSE '' END
         ORDER BY count(*) DESC, of_topic LIMIT 500",
        params![
            scope.user,
            fold_case(&scope.topic),
            scope.pattern,
            scope.since,
            by_topic
        ],
        |row| {
            Ok(TopicCount {
                topic: row.get("of_topic")?,
                helpful: unsigned(row, "helpful")?,
                not_helpful: unsigned(row, "not_helpful")?,
                ..TopicCount::default()
            })
        },
    )
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Comparison> {
    let cost = |column: &str| -> rusqlite::Result<Option<MicroDollars>> {
        let cost: MicroDollars = row.get(column)?;
        Ok((cost.0 >= 0).then_some(cost))
    };
    let choice: String = row.get("choice")?;
    let decided = optional_timestamp(row, "decided")?;
    Ok(Comparison {
        analysis: row.get("analysis_id")?,
        user: row.get("user_id")?,
        topic: row.get("topic")?,
        pattern: row.get("pattern")?,
        model: row.get("model")?,
        stage: unsigned(row, "stage")? as usize,
        member: unsigned(row, "member")? as usize,
        panel_first: row.get("panel_first")?,
        panel_cost: cost("panel_cost")?,
        single_cost: cost("single_cost")?,
        created: row.get("created")?,
        choice: Preference::parse(&choice).zip(decided),
    })
}

#[cfg(test)]
mod tests;
