//! How often each model was right in a user's own data: scores of single models in experiments, and blind votes on
//! single drafts. Also the votes of panels on cases with a known answer.

use std::collections::{BTreeSet, HashMap};

use super::analyses;
use super::connection::Reader;
use super::error::Result;
use super::values::json;
use crate::domain::analysis::{Plan, StageAnswer};
use crate::domain::experiment::Case;
use crate::domain::id::{AnalysisId, UserId};
use crate::domain::standing::StandingRecord;

/// Maximum number of the newest experiments that count.
const MAX_EXPERIMENTS: u32 = 20;
/// Maximum number of their evaluations that count.
const MAX_EVALUATIONS: u32 = 2_000;

/// Maximum number of the newest scored votes that count.
const MAX_VOTES: u32 = 300;

/// A vote on a case of an experiment with an expected answer.
#[derive(Debug, Clone)]
pub struct ScoredVote {
    /// The case.
    pub case: Case,
    /// Its plan.
    pub plan: Plan,
    /// Its answers, by stage and member.
    pub answers: Vec<StageAnswer>,
    /// Whether the winner was the expected answer.
    pub is_right: bool,
}

/// Records by full model ID.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelRecords {
    /// Mean scores in experiments whose configuration called only this model, on the questions that all these
    /// models have answered with the same settings.
    pub experiments: HashMap<String, StandingRecord>,
    /// Blind votes on this model's draft against a panel.
    pub votes: HashMap<String, StandingRecord>,
}

/// Reads a user's records of these models. A question counts once, however often and with however many settings it
/// was asked, so that neither a rerun nor a bad prompt makes a difference between models.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn of_user(db: &Reader, user: &UserId, models: &[&str]) -> Result<ModelRecords> {
    let distinct: BTreeSet<&str> = models.iter().copied().collect();
    // The request without its model identifies the question with its documents and settings.
    let experiments = db.all(
        "WITH found AS (
             SELECT json_extract(a.request, '$.models[0]') AS model,
                    json_remove(a.request, '$.models', '$.budget_usd', '$.ultra_model') AS setting,
                    coalesce(json_extract(c.body, '$.prompt') || coalesce(json_extract(c.body, '$.documents'), ''),
                             r.analysis_id) AS question,
                    r.score AS score
             FROM (SELECT id FROM experiments WHERE user_id = ?1 ORDER BY id DESC LIMIT ?2) e
             JOIN experiment_results r ON r.experiment_id = e.id
             JOIN analyses a ON a.id = r.analysis_id
             LEFT JOIN experiment_cases c ON c.experiment_id = r.experiment_id AND c.place = r.place
             WHERE r.number > 0 AND r.error = '' AND json_array_length(a.request, '$.models') = 1
             LIMIT ?3),
         of_panel AS (SELECT * FROM found WHERE model IN (SELECT value FROM json_each(?4))),
         common AS (SELECT setting FROM of_panel GROUP BY setting HAVING count(DISTINCT model) = ?5),
         in_settings AS (
             SELECT model, question, avg(score) AS score FROM of_panel
             WHERE setting IN (SELECT setting FROM common) GROUP BY model, question, setting),
         by_question AS (SELECT model, avg(score) AS score FROM in_settings GROUP BY model, question)
         SELECT model, sum(score) AS points, count(*) AS cases FROM by_question GROUP BY model LIMIT 1000",
        (
            user,
            MAX_EXPERIMENTS,
            MAX_EVALUATIONS,
            serde_json::json!(distinct).to_string(),
            distinct.len() as i64,
        ),
        standing_row,
    )?;
    let votes = db.all(
        "SELECT model, sum(CASE choice WHEN 'single' THEN 1.0 WHEN 'tie' THEN 0.5 ELSE 0.0 END) AS points,
                count(*) AS cases
         FROM comparisons WHERE user_id = ?1 AND choice <> '' GROUP BY model LIMIT 1000",
        [user],
        standing_row,
    )?;
    Ok(ModelRecords {
        experiments: experiments.into_iter().collect(),
        votes: votes.into_iter().collect(),
    })
}

/// Reads a user's rule-scored votes on cases with an expected answer, newest experiments first.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn scored_votes(db: &Reader, user: &UserId) -> Result<Vec<ScoredVote>> {
    let found: Vec<(AnalysisId, Case, Plan, f64)> = db.all(
        "SELECT a.id, c.body AS asked, a.plan, r.score
         FROM (SELECT id, body FROM experiments WHERE user_id = ?1 ORDER BY id DESC LIMIT ?2) e
         JOIN experiment_results r ON r.experiment_id = e.id
         JOIN experiment_cases c ON c.experiment_id = e.id AND c.place = r.place
         JOIN analyses a ON a.id = r.analysis_id
         WHERE r.number > 0 AND r.error = '' AND a.pattern = 'vote' AND r.score IN (0.0, 1.0)
           AND json_extract(e.body, '$.evaluator.kind') IN ('exact', 'contains', 'number', 'choice', 'regex')
         ORDER BY e.id DESC, r.number DESC LIMIT ?3",
        (user, MAX_EXPERIMENTS, MAX_VOTES),
        |row| {
            let (id, score) = (row.get("id")?, row.get("score")?);
            Ok((id, json(row, "asked")?, json(row, "plan")?, score))
        },
    )?;
    found
        .into_iter()
        .map(|(id, case, plan, score)| {
            Ok(ScoredVote {
                case,
                plan,
                answers: analyses::answers_of(db, &id)?,
                is_right: score > 0.5,
            })
        })
        .collect()
}

fn standing_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<(String, StandingRecord)> {
    let record = StandingRecord {
        points: row.get("points")?,
        cases: row.get("cases")?,
    };
    Ok((row.get("model")?, record))
}

#[cfg(test)]
mod tests;
