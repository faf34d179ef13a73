//! How often each model was right in a user's own data: scores of single models in experiments, and blind votes on
//! single drafts. And the votes of panels on cases with a known answer.

use std::collections::HashMap;

use super::analyses;
use super::connection::Reader;
use super::error::Result;
use super::values::json;
use crate::domain::analysis::{Plan, StageAnswer};
use crate::domain::experiment::Case;
use crate::domain::id::{AnalysisId, UserId};
use crate::domain::standing::StandingRecord;

/// Maximum number of the newest experiments that count.
const MOST_EXPERIMENTS: u32 = 20;
/// Maximum number of their evaluations that count.
const MOST_EVALUATIONS: u32 = 2_000;

/// Maximum number of the newest scored votes that count.
const MOST_VOTES: u32 = 300;

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
    /// Scores in experiments, where the configuration asked this model alone.
    pub experiments: HashMap<String, StandingRecord>,
    /// Blind votes on this model's draft against a panel.
    pub votes: HashMap<String, StandingRecord>,
}

/// Reads a user's records.
///
/// # Errors
/// When the database cannot be read.
pub fn of_user(db: &Reader, user: &UserId) -> Result<ModelRecords> {
    let experiments = db.all(
        "SELECT model, sum(score) AS points, count(*) AS cases FROM (
             SELECT json_extract(a.request, '$.models[0]') AS model, r.score
             FROM (SELECT id FROM experiments WHERE user_id = ?1 ORDER BY id DESC LIMIT ?2) e
             JOIN experiment_results r ON r.experiment_id = e.id
             JOIN analyses a ON a.id = r.analysis_id
             WHERE r.number > 0 AND r.error = '' AND json_array_length(a.request, '$.models') = 1
             LIMIT ?3)
         WHERE model IS NOT NULL GROUP BY model LIMIT 1000",
        (user, MOST_EXPERIMENTS, MOST_EVALUATIONS),
        row,
    )?;
    let votes = db.all(
        "SELECT model, sum(CASE choice WHEN 'single' THEN 1.0 WHEN 'tie' THEN 0.5 ELSE 0.0 END) AS points,
                count(*) AS cases
         FROM comparisons WHERE user_id = ?1 AND choice <> '' GROUP BY model LIMIT 1000",
        [user],
        row,
    )?;
    Ok(ModelRecords {
        experiments: experiments.into_iter().collect(),
        votes: votes.into_iter().collect(),
    })
}

/// Reads a user's votes on cases with an expected answer that a rule scored, newest experiments first.
///
/// # Errors
/// When the database cannot be read.
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
        (user, MOST_EXPERIMENTS, MOST_VOTES),
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

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<(String, StandingRecord)> {
    let record = StandingRecord {
        points: row.get("points")?,
        cases: row.get("cases")?,
    };
    Ok((row.get("model")?, record))
}

#[cfg(test)]
mod tests;
