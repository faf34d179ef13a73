//! Blind comparisons of a panel's answer with a single draft, and the votes on them. The texts are stored with the
//! analysis; this table records which of them were compared and in which order.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::connection::{Reader, Writer};
use super::error::{Result, StoreError};
use super::params::params;
use super::row::Row;
use super::settings;
use super::values::{optional_timestamp, unsigned};
use crate::domain::case_folding::fold_case;
use crate::domain::experiment::Case;
use crate::domain::experiment::repeated_cases::question_key;
use crate::domain::id::{AnalysisId, UserId};
use crate::domain::money::MicroDollars;
use crate::domain::panel_vs_single::{Preference, VoteTally};
use crate::domain::time::Timestamp;

/// Maximum number of votes, from the oldest on, that are checked for repeated questions.
const MAX_VOTES: u32 = 20_000;
/// Maximum number of topics listed.
const MAX_TOPICS: usize = 500;

/// A blind comparison of a panel's answer with one of its drafts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The analysis whose answer is compared with one of its drafts.
    pub analysis: AnalysisId,
    /// The owner of the analysis, who alone may vote.
    pub user: UserId,
    /// Topic of the question.
    pub topic: String,
    /// ID of the pattern that the analysis used.
    pub pattern: String,
    /// Full ID of the model that wrote the draft.
    pub model: String,
    /// Index of the draft's stage in the plan.
    pub stage: usize,
    /// Index of the draft's member in its stage.
    pub member: usize,
    /// Whether the panel's answer is shown on the left.
    pub panel_first: bool,
    /// Cost of the whole analysis; `None` if any price is unknown.
    pub panel_cost: Option<MicroDollars>,
    /// Cost of the draft; `None` if its price is unknown.
    pub single_cost: Option<MicroDollars>,
    /// When the two answers were offered for comparison.
    pub created: Timestamp,
    /// The vote, with the time at which it was cast; `None` without a vote.
    pub choice: Option<(Preference, Timestamp)>,
}

/// Selects comparisons and votes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ComparisonScope {
    /// Only comparisons and votes of this user; `None` for all users.
    pub user: Option<UserId>,
    /// Only comparisons and votes with this topic, ignoring case; empty for all topics.
    pub topic: String,
    /// Only comparisons and votes with this pattern; empty for all patterns.
    pub pattern: String,
    /// Only comparisons and votes from this time or later.
    pub since: Timestamp,
}

/// Vote counts for a topic, with the costs of the compared answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicCount {
    /// The topic; empty for the total over all topics.
    pub topic: String,
    /// Number of blind votes for the panel, for the draft, and for neither.
    pub tally: VoteTally,
    /// Number of votes on comparisons in which both costs are known and the draft was not free.
    pub priced_votes: u64,
    /// Sum of the costs of the panels' answers in the comparisons that `priced_votes` counts.
    pub panel_cost: MicroDollars,
    /// Sum of the costs of the drafts in the comparisons that `priced_votes` counts.
    pub single_cost: MicroDollars,
    /// When the first blind vote was cast.
    pub first_vote: Timestamp,
    /// Number of "helpful" votes.
    pub helpful: u64,
    /// Number of "not helpful" votes.
    pub not_helpful: u64,
}

/// Stores a comparison, unless the analysis already has one, because the order of the texts is chosen only once.
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

/// Writes the case-folded topic of a comparison from an archive or an older database.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub(super) fn fold_topic(db: &Writer, analysis: &str) -> Result<()> {
    let topic: String = db.query_one(
        "SELECT topic FROM comparisons WHERE analysis_id = ?1",
        [analysis],
        |row| row.get(0),
    )?;
    db.run(
        "UPDATE comparisons SET topic_folded = ?2 WHERE analysis_id = ?1",
        (analysis, fold_case(&topic)),
    )
    .map(drop)
}

/// Returns the comparison of an analysis of this user, if there is one.
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

/// Returns how often this user is offered a comparison: once per this number of analyses on average, or never if it is
/// 0. `None` means the server's default.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn compare_interval(db: &Reader, user: &UserId) -> Result<Option<u64>> {
    let stored_interval = settings::get(db, &compare_interval_key(user))?;
    Ok(stored_interval.and_then(|text| text.parse().ok()))
}

/// Sets how often this user is offered a comparison. `None` restores the server's default.
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

/// Returns whether the comparison of an analysis already has a vote.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn is_decided(db: &Reader, id: &AnalysisId) -> Result<bool> {
    let stored_row = db.query_optional(
        "SELECT 1 FROM comparisons WHERE analysis_id = ?1 AND choice <> ''",
        [id],
        |_| Ok(()),
    );
    Ok(stored_row?.is_some())
}

/// Stores a vote. There can be only one, because a user who has learned which answer was which can no longer vote
/// blindly.
///
/// # Errors
/// Returns `Conflict` if there already is a vote, `Missing` if there is no comparison, or another error if the database
/// cannot be written.
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

/// Counts blind votes in total, or by topic with the most votes first. Only a user's first vote on a question counts,
/// because votes on the same question depend on each other; by topic, the first one in each topic counts.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn blind_votes(
    db: &Reader,
    scope: &ComparisonScope,
    by_topic: bool,
) -> Result<Vec<TopicCount>> {
    let mut counts: BTreeMap<String, TopicCount> = BTreeMap::new();
    let mut repeats = RepeatedQuestions::default();
    db.each(
        "SELECT c.user_id, c.topic, c.topic_folded, c.choice, c.decided, c.panel_cost, c.single_cost,
                a.follows, a.request
         FROM comparisons c JOIN analyses a ON a.id = c.analysis_id
         WHERE c.choice <> '' AND (CAST(?1 AS TEXT) IS NULL OR c.user_id = ?1)
           AND (?2 = '' OR c.topic_folded = ?2) AND (?3 = '' OR c.pattern = ?3) AND c.decided >= ?4
         ORDER BY c.decided, c.analysis_id",
        (
            &scope.user,
            fold_case(&scope.topic),
            &scope.pattern,
            scope.since,
        ),
        |row| {
            let group: String = match by_topic {
                true => row.get("topic_folded")?,
                false => String::new(),
            };
            if !repeats.contains(row, &group)? {
                add_vote(counts.entry(group).or_default(), row, by_topic)?;
            }
            Ok(true)
        },
    )?;
    let mut counts: Vec<TopicCount> = counts.into_values().collect();
    counts.sort_by(|a, b| {
        let votes = |count: &TopicCount| count.tally.wins + count.tally.ties + count.tally.losses;
        votes(b).cmp(&votes(a)).then_with(|| a.topic.cmp(&b.topic))
    });
    counts.truncate(MAX_TOPICS);
    Ok(counts)
}

fn add_vote(count: &mut TopicCount, row: &Row<'_>, by_topic: bool) -> Result<()> {
    let tally = &mut count.tally;
    let is_first = tally.wins + tally.ties + tally.losses == 0;
    match row.text("choice")? {
        "panel" => tally.wins += 1,
        "tie" => tally.ties += 1,
        _ => tally.losses += 1,
    }
    let topic = row.text("topic")?;
    if by_topic && (is_first || topic < count.topic.as_str()) {
        count.topic = topic.to_owned();
    }
    if is_first {
        count.first_vote = row.get("decided")?;
    }
    let (panel, single): (MicroDollars, MicroDollars) =
        (row.get("panel_cost")?, row.get("single_cost")?);
    if panel.0 >= 0 && single.0 > 0 {
        count.priced_votes += 1;
        count.panel_cost.0 += panel.0;
        count.single_cost.0 += single.0;
    }
    Ok(())
}

/// The questions that have been voted on, each with its user, its topic, and the turn it follows.
#[derive(Default)]
struct RepeatedQuestions {
    known_questions: BTreeSet<((UserId, String, String), String)>,
    votes: u32,
}

/// The parts of a stored request that identify its question.
#[derive(Default, Deserialize)]
struct VotedQuestion {
    #[serde(default)]
    prompt: String,
    document_ids: Option<Vec<String>>,
}

impl RepeatedQuestions {
    /// Returns whether this question has been voted on before, and remembers it.
    fn contains(&mut self, row: &Row<'_>, group: &str) -> Result<bool> {
        self.votes += 1;
        if self.votes > MAX_VOTES {
            return Ok(false);
        }
        let question: VotedQuestion =
            serde_json::from_str(row.text("request")?).unwrap_or_default();
        let case = Case {
            prompt: question.prompt,
            documents: question.document_ids.unwrap_or_default(),
            ..Case::default()
        };
        if case.prompt.is_empty() {
            return Ok(false);
        }
        let scope = (row.get("user_id")?, group.to_owned(), row.get("follows")?);
        Ok(!self.known_questions.insert((scope, question_key(&case))))
    }
}

/// Counts the votes "helpful" and "not helpful" by topic or in total. They are not blind votes.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn helpful_votes(
    db: &Reader,
    scope: &ComparisonScope,
    by_topic: bool,
) -> Result<Vec<TopicCount>> {
    db.all(
        "SELECT CASE WHEN ?5 = 1 THEN min(a.topic) ELSE '' END AS of_topic,
                count(CASE WHEN v.choice = 'helpful' THEN 1 END) AS helpful,
                count(CASE WHEN v.choice = 'not_helpful' THEN 1 END) AS not_helpful
         FROM votes v JOIN analyses a ON a.id = v.analysis_id
         WHERE v.choice IN ('helpful', 'not_helpful') AND (CAST(?1 AS TEXT) IS NULL OR v.user_id = ?1)
           AND (?2 = '' OR a.topic_folded = ?2) AND (?3 = '' OR a.pattern = ?3) AND v.created >= ?4
         GROUP BY CASE WHEN ?5 = 1 THEN a.topic_folded ELSE '' END
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

fn from_row(row: &Row<'_>) -> Result<Comparison> {
    let cost = |column: &str| -> Result<Option<MicroDollars>> {
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
