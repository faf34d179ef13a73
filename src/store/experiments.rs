//! Experiments: their specifications and cases, the result of each configuration on each case, and the judgments of
//! users and models.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::connection::{Reader, Writer};
use super::error::Result;
use super::row::Row;
use super::values::{json, optional_text, optional_timestamp, to_json, unsigned};
use crate::domain::experiment::record::{
    Applied, Evaluation, Experiment, ExperimentState, ExperimentSummary, Judging, Judgment,
};
use crate::domain::experiment::spec::ExperimentSpec;
use crate::domain::experiment::{
    Case, JudgeCost, MAX_CASES, Trial, TrialOutcome, design::RaceVerdict,
};
use crate::domain::id::{AnalysisId, ExperimentId, UserId};
use crate::domain::time::Timestamp;

/// Maximum number of evaluations read at once, which no experiment exceeds.
const MAX_EVALUATIONS: u32 = 1_000_000;

/// Inserts an experiment with its cases.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn insert(db: &Writer, experiment: &Experiment, cases: &[Case]) -> Result<()> {
    db.run(
        "INSERT INTO experiments (id, user_id, name, status, body, design, created)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (
            &experiment.id,
            &experiment.user,
            &experiment.spec.name,
            experiment.state,
            to_json(&experiment.spec)?,
            to_json(&experiment.design)?,
            experiment.created,
        ),
    )?;
    for (place, case) in cases.iter().enumerate() {
        db.run(
            "INSERT INTO experiment_cases (experiment_id, place, body) VALUES (?1, ?2, ?3)",
            (&experiment.id, place as i64, to_json(case)?),
        )?;
    }
    Ok(())
}

/// Returns an experiment of this user, or `None` if the user has no such experiment.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn by_id(db: &Reader, user: &UserId, id: &ExperimentId) -> Result<Option<Experiment>> {
    db.query_optional(
        "SELECT * FROM experiments WHERE id = ?2 AND user_id = ?1",
        (user, id),
        from_row,
    )
}

/// Lists the experiments of all users that have not finished. A starting server resumes them.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn list_unfinished(db: &Reader) -> Result<Vec<Experiment>> {
    db.all(
        "SELECT * FROM experiments WHERE finished = 0 AND status = 'running' ORDER BY id LIMIT 1000",
        [],
        from_row,
    )
}

/// Returns the state of an experiment, regardless of its user.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn state_of(db: &Reader, id: &ExperimentId) -> Result<Option<ExperimentState>> {
    let sql = "SELECT status FROM experiments WHERE id = ?1";
    db.query_optional(sql, [id], |row| row.get(0))
}

/// Prevents other servers from starting an experiment of this user until the end of the transaction, so that the number
/// of running ones cannot change after it is counted.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn lock_starts(db: &Writer, user: &UserId) -> Result<()> {
    db.lock(&format!("experiments of {}", user.as_str()))
}

/// Counts this user's running experiments.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn count_running(db: &Reader, user: &UserId) -> Result<i64> {
    db.query_one(
        "SELECT count(*) FROM experiments WHERE user_id = ?1 AND finished = 0 AND status = 'running'",
        [user],
        |row| row.get(0),
    )
}

/// Lists this user's experiments, newest first, starting after the cursor.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn list_of(
    db: &Reader,
    user: &UserId,
    limit: u32,
    cursor: Option<&ExperimentId>,
) -> Result<Vec<ExperimentSummary>> {
    db.all(
        "SELECT e.id, e.name, e.status, e.verdict, e.created, e.finished,
                e.design,
                (SELECT count(*) FROM experiment_cases c WHERE c.experiment_id = e.id) AS cases,
                (SELECT count(*) FROM experiment_results r
                 WHERE r.experiment_id = e.id AND r.number > 0) AS evaluations,
                (SELECT CAST(coalesce(sum(r.cost + r.judge_cost), 0) AS BIGINT) FROM experiment_results r
                 WHERE r.experiment_id = e.id) AS cost
         FROM experiments e WHERE e.user_id = ?1 AND e.id < ?2 ORDER BY e.id DESC LIMIT ?3",
        (user, cursor.map_or("~", ExperimentId::as_str), limit),
        |row| {
            Ok(ExperimentSummary {
                id: row.get("id")?,
                name: row.get("name")?,
                state: row.get("status")?,
                arms: json::<ArmCount>(row, "design")?.arms.len(),
                cases: place_column(row, "cases")?,
                evaluations: unsigned(row, "evaluations")?,
                cost: row.get("cost")?,
                verdict: optional_json(row, "verdict")?,
                created: row.get("created")?,
                finished_at: optional_timestamp(row, "finished")?,
            })
        },
    )
}

/// Lists the cases of an experiment, in order.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn cases_of(db: &Reader, id: &ExperimentId) -> Result<Vec<Case>> {
    db.all(
        "SELECT body FROM experiment_cases WHERE experiment_id = ?1 ORDER BY place LIMIT ?2",
        (id, MAX_CASES as i64),
        |row| json(row, 0),
    )
}

/// Lists the evaluations of an experiment: first the completed ones in the order in which they were recorded, then
/// those without a result.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn evaluations_of(db: &Reader, id: &ExperimentId) -> Result<Vec<Evaluation>> {
    db.all(
        "SELECT * FROM experiment_results WHERE experiment_id = ?1
         ORDER BY number = 0, number, place, arm LIMIT ?2",
        (id, MAX_EVALUATIONS),
        |row| {
            let number: i64 = row.get("number")?;
            let outcome = TrialOutcome {
                score: row.get("score")?,
                cost: row.get("cost")?,
                tokens: unsigned(row, "tokens")?,
                latency_ms: unsigned(row, "latency_ms")?,
                judged: JudgeCost {
                    cost: row.get("judge_cost")?,
                    tokens: unsigned(row, "judge_tokens")?,
                },
            };
            Ok(Evaluation {
                trial: Trial {
                    arm: place_column(row, "arm")?,
                    case: place_column(row, "place")?,
                },
                analysis: row.get("analysis_id")?,
                outcome: (number > 0).then_some(outcome),
                error: optional_text(row, "error")?,
            })
        },
    )
}

/// Stores which analysis belongs to a started evaluation, replacing an earlier attempt without a result.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn store_started(
    db: &Writer,
    id: &ExperimentId,
    cell: Trial,
    analysis: &AnalysisId,
) -> Result<()> {
    db.run(
        "INSERT INTO experiment_results (experiment_id, arm, place, analysis_id) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (experiment_id, arm, place) DO UPDATE SET analysis_id = excluded.analysis_id
         WHERE experiment_results.number = 0",
        (id, cell.arm as i64, cell.case as i64, analysis),
    )
    .map(drop)
}

/// Stores the result of an evaluation. If there already is one, it is kept.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn store_result(
    db: &Writer,
    id: &ExperimentId,
    cell: Trial,
    outcome: &TrialOutcome,
    error: Option<&str>,
) -> Result<()> {
    db.run(
        "UPDATE experiment_results
         SET score = ?4, cost = ?5, tokens = ?6, latency_ms = ?7, error = ?8, judge_cost = ?9,
             judge_tokens = ?10,
             number = 1 + (SELECT max(number) FROM experiment_results WHERE experiment_id = ?1)
         WHERE experiment_id = ?1 AND arm = ?2 AND place = ?3 AND number = 0",
        (
            id,
            cell.arm as i64,
            cell.case as i64,
            outcome.score,
            outcome.cost,
            outcome.tokens as i64,
            outcome.latency_ms as i64,
            error.unwrap_or_default(),
            outcome.judged.cost,
            outcome.judged.tokens as i64,
        ),
    )
    .map(drop)
}

/// Stores a specification to which a prompt search has added prompts.
///
/// # Errors
/// Returns `Missing` for an unknown experiment, or another error if the database cannot be written.
pub fn set_spec(db: &Writer, id: &ExperimentId, spec: &ExperimentSpec) -> Result<()> {
    db.run_one(
        "UPDATE experiments SET body = ?2 WHERE id = ?1",
        (id, to_json(spec)?),
    )
}

/// Stores the statistics of an experiment's judge.
///
/// # Errors
/// Returns `Missing` for an unknown experiment, or another error if the database cannot be written.
pub fn set_judging(db: &Writer, id: &ExperimentId, judging: &Judging) -> Result<()> {
    db.run_one(
        "UPDATE experiments SET judging = ?2 WHERE id = ?1",
        (id, to_json(judging)?),
    )
}

/// Sets the state of an experiment. A final state comes with an end time and possibly a verdict.
///
/// # Errors
/// Returns `Missing` for an unknown experiment, or another error if the database cannot be written.
pub fn set_state(
    db: &Writer,
    id: &ExperimentId,
    state: ExperimentState,
    error: Option<&str>,
    ended: Option<(Timestamp, Option<&RaceVerdict>)>,
) -> Result<()> {
    let verdict = ended.and_then(|(_, verdict)| verdict).map(to_json);
    db.run_one(
        "UPDATE experiments SET status = ?2, error = ?3, finished = ?4, verdict = ?5 WHERE id = ?1",
        (
            id,
            state,
            error.unwrap_or_default(),
            ended.map_or(0, |(at, _)| at.millis()),
            verdict.transpose()?.unwrap_or_default(),
        ),
    )
}

/// Cancels this user's running experiments and returns their IDs.
///
/// # Errors
/// Returns an error if the database cannot be read or written.
pub fn cancel_all_of(db: &Writer, user: &UserId, now: Timestamp) -> Result<Vec<ExperimentId>> {
    let running: Vec<ExperimentId> = db.all(
        "SELECT id FROM experiments WHERE user_id = ?1 AND finished = 0 AND status = 'running'
         ORDER BY id LIMIT 1000",
        [user],
        |row| row.get("id"),
    )?;
    for id in &running {
        set_state(db, id, ExperimentState::Cancelled, None, Some((now, None)))?;
    }
    Ok(running)
}

/// Records how the winner of an experiment has been applied. `None` means that this has been reverted.
///
/// # Errors
/// Returns `Missing` for an unknown experiment, or another error if the database cannot be written.
pub fn set_applied(db: &Writer, id: &ExperimentId, applied: Option<&Applied>) -> Result<()> {
    let applied = applied.map(to_json).transpose()?.unwrap_or_default();
    db.run_one(
        "UPDATE experiments SET applied = ?2 WHERE id = ?1",
        (id, applied),
    )
}

/// Deletes an experiment of this user with its analyses. Returns false if the user has no such experiment.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn delete(db: &Writer, user: &UserId, id: &ExperimentId) -> Result<bool> {
    db.run(
        "DELETE FROM analyses WHERE origin = ?2 AND user_id = ?1",
        (user, id),
    )?;
    let deleted_rows = db.run(
        "DELETE FROM experiments WHERE id = ?2 AND user_id = ?1",
        (user, id),
    )?;
    Ok(deleted_rows > 0)
}

/// Stores a judgment, replacing any earlier one by the same judge.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn store_judgment(
    db: &Writer,
    id: &ExperimentId,
    judgment: &Judgment,
    at: Timestamp,
) -> Result<()> {
    db.run(
        "INSERT INTO experiment_judgments (experiment_id, place, first, second, judge, preferred, created)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (experiment_id, place, first, second, judge) DO UPDATE SET
             preferred = excluded.preferred, created = excluded.created",
        (
            id,
            judgment.case as i64,
            judgment.first_index as i64,
            judgment.second_index as i64,
            judgment.judge.as_deref().unwrap_or_default(),
            judgment.preferred_side,
            at,
        ),
    )
    .map(drop)
}

/// Lists the judgments of all judges on an experiment.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn judgments_of(db: &Reader, id: &ExperimentId) -> Result<Vec<Judgment>> {
    db.all(
        "SELECT * FROM experiment_judgments WHERE experiment_id = ?1
         ORDER BY place, first, second, judge LIMIT ?2",
        (id, MAX_EVALUATIONS),
        |row| {
            Ok(Judgment {
                case: place_column(row, "place")?,
                first_index: place_column(row, "first")?,
                second_index: place_column(row, "second")?,
                preferred_side: row.get("preferred")?,
                judge: optional_text(row, "judge")?,
            })
        },
    )
}

/// The part of a design that a list of experiments shows.
#[derive(Deserialize)]
struct ArmCount {
    arms: Vec<IgnoredAny>,
}

fn place_column(row: &Row<'_>, column: &str) -> Result<usize> {
    Ok(unsigned(row, column)? as usize)
}

fn optional_json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<Option<T>> {
    match optional_text(row, column)? {
        Some(_) => json(row, column).map(Some),
        None => Ok(None),
    }
}

fn from_row(row: &Row<'_>) -> Result<Experiment> {
    Ok(Experiment {
        id: row.get("id")?,
        user: row.get("user_id")?,
        state: row.get("status")?,
        spec: json(row, "body")?,
        design: json(row, "design")?,
        verdict: optional_json(row, "verdict")?,
        error: optional_text(row, "error")?,
        applied: optional_json(row, "applied")?,
        judging: json(row, "judging")?,
        created: row.get("created")?,
        finished_at: optional_timestamp(row, "finished")?,
    })
}
