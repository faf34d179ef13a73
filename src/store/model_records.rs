//! How often each model was right, according to a user's own data: scores of single models in experiments, and blind
//! votes on single drafts. Also reads the votes of panels on cases with a known answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::analyses;
use super::connection::Reader;
use super::error::Result;
use super::row::Row;
use super::values::json;
use crate::domain::analysis::{Plan, StageAnswer};
use crate::domain::experiment::Case;
use crate::domain::id::{AnalysisId, UserId};
use crate::domain::standing::ScoreRecord;

/// Maximum number of experiments that count, newest first.
const MAX_EXPERIMENTS: u32 = 20;
/// Maximum total number of evaluations that count, across all experiments.
const MAX_EVALUATIONS: usize = 2_000;

/// Maximum number of panel votes that count, newest first.
const MAX_VOTES: usize = 300;

/// A panel's vote on an experiment's case whose expected answer is known.
#[derive(Debug, Clone)]
pub struct ScoredVote {
    /// The case, including its expected answer.
    pub case: Case,
    /// The panel's plan.
    pub plan: Plan,
    /// The panel's answers, by stage and member.
    pub answers: Vec<StageAnswer>,
    /// Whether the winner matched the expected answer.
    pub is_right: bool,
}

/// The records of models, by full model ID.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelRecords {
    /// Mean scores in experiments, from configurations that call only this model. Only questions that all of the
    /// requested models have answered with the same settings count.
    pub experiments: HashMap<String, ScoreRecord>,
    /// Blind votes on this model's drafts, each against a panel.
    pub votes: HashMap<String, ScoreRecord>,
}

/// Reads a user's records of these models. A question counts once, however often and with however many settings it was
/// asked, so that neither a rerun nor a bad prompt distorts the comparison.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn for_user(db: &Reader, user: &UserId, models: &[&str]) -> Result<ModelRecords> {
    let wanted_models: BTreeSet<&str> = models.iter().copied().collect();
    let experiments = answered_questions(db, user, &wanted_models)?;
    let votes = db.all(
        "SELECT model, count(*) AS cases,
                CAST(sum(CASE choice WHEN 'single' THEN 1.0 WHEN 'tie' THEN 0.5 ELSE 0.0 END)
                    AS DOUBLE PRECISION) AS points
         FROM comparisons WHERE user_id = ?1 AND choice <> '' GROUP BY model LIMIT 1000",
        [user],
        standing_from_row,
    )?;
    Ok(ModelRecords {
        experiments: standings(&experiments, wanted_models.len()),
        votes: votes.into_iter().collect(),
    })
}

/// Lists the votes of a user's panels that a rule has scored against an expected answer, newest experiments first.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn scored_votes(db: &Reader, user: &UserId) -> Result<Vec<ScoredVote>> {
    let mut votes: Vec<(AnalysisId, Case, Plan, f64)> = Vec::new();
    // The rows of an experiment are consecutive, so each specification is parsed only once.
    let mut current = (String::new(), false);
    db.each(
        "SELECT a.id, c.body AS asked, a.plan, r.score, e.id AS experiment, e.body AS specification
         FROM (SELECT id, body FROM experiments WHERE user_id = ?1 ORDER BY id DESC LIMIT ?2) e
         JOIN experiment_results r ON r.experiment_id = e.id
         JOIN experiment_cases c ON c.experiment_id = e.id AND c.place = r.place
         JOIN analyses a ON a.id = r.analysis_id
         WHERE r.number > 0 AND r.error = '' AND a.pattern = 'vote' AND r.score IN (0.0, 1.0)
         ORDER BY e.id DESC, r.number DESC",
        (user, MAX_EXPERIMENTS),
        |row| {
            let experiment = row.text("experiment")?;
            if current.0 != experiment {
                current = (
                    experiment.to_owned(),
                    is_rule_scored(row.text("specification")?),
                );
            }
            if current.1 {
                let (id, score) = (row.get("id")?, row.get("score")?);
                votes.push((id, json(row, "asked")?, json(row, "plan")?, score));
            }
            Ok(votes.len() < MAX_VOTES)
        },
    )?;
    votes
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

/// Returns whether an experiment compares answers with an expected answer by a rule, instead of using a judge.
fn is_rule_scored(specification: &str) -> bool {
    let parsed: Option<Value> = serde_json::from_str(specification).ok();
    let kind = parsed
        .as_ref()
        .and_then(|spec| spec["evaluator"]["kind"].as_str());
    kind.is_some_and(|kind| ["exact", "contains", "number", "choice", "regex"].contains(&kind))
}

/// The score of a single model on a question.
struct ScoredAnswer {
    model: String,
    /// The request without the model.
    setting: String,
    question: String,
    score: f64,
}

/// Reads these models' scores in experiments, from configurations that call only one model.
fn answered_questions(
    db: &Reader,
    user: &UserId,
    wanted: &BTreeSet<&str>,
) -> Result<Vec<ScoredAnswer>> {
    let (mut answers, mut seen_count) = (Vec::new(), 0);
    db.each(
        "SELECT a.request, c.body AS asked, r.analysis_id, r.score
         FROM (SELECT id FROM experiments WHERE user_id = ?1 ORDER BY id DESC LIMIT ?2) e
         JOIN experiment_results r ON r.experiment_id = e.id
         JOIN analyses a ON a.id = r.analysis_id
         LEFT JOIN experiment_cases c ON c.experiment_id = r.experiment_id AND c.place = r.place
         WHERE r.number > 0 AND r.error = ''",
        (user, MAX_EXPERIMENTS),
        |row| {
            let Ok(Value::Object(mut request)) = serde_json::from_str(row.text("request")?) else {
                return Ok(true);
            };
            let models = request.remove("models");
            let Some([Value::String(model)]) =
                models.as_ref().and_then(Value::as_array).map(Vec::as_slice)
            else {
                return Ok(true);
            };
            seen_count += 1;
            if wanted.contains(model.as_str()) {
                request.remove("budget_usd");
                request.remove("ultra_model");
                let case: Option<String> = row.get("asked")?;
                let question = case.as_deref().and_then(question_of);
                answers.push(ScoredAnswer {
                    model: model.clone(),
                    setting: Value::Object(request).to_string(),
                    question: match question {
                        Some(question) => question,
                        None => row.get("analysis_id")?,
                    },
                    score: row.get("score")?,
                });
            }
            Ok(seen_count < MAX_EVALUATIONS)
        },
    )?;
    Ok(answers)
}

/// Returns a key that identifies the question of a case, made of its prompt and documents.
fn question_of(case: &str) -> Option<String> {
    let case: Value = serde_json::from_str(case).ok()?;
    let documents = match &case["documents"] {
        Value::Null => String::new(),
        documents => documents.to_string(),
    };
    Some(format!("{}{documents}", case["prompt"].as_str()?))
}

/// Averages each model's scores, first over all answers to a question with the same settings, and then over the
/// settings of each question. Only settings with answers from all models count.
fn standings(answers: &[ScoredAnswer], models: usize) -> HashMap<String, ScoreRecord> {
    let mut models_by_setting: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for answer in answers {
        models_by_setting
            .entry(&answer.setting)
            .or_default()
            .insert(&answer.model);
    }
    // The sum and the number of scores by model, question, and setting.
    let mut scores: BTreeMap<(&str, &str, &str), (f64, f64)> = BTreeMap::new();
    for answer in answers {
        if models_by_setting[answer.setting.as_str()].len() == models {
            let key = (&*answer.model, &*answer.question, &*answer.setting);
            let sum = scores.entry(key).or_default();
            *sum = (sum.0 + answer.score, sum.1 + 1.0);
        }
    }
    let mut questions: BTreeMap<(&str, &str), (f64, f64)> = BTreeMap::new();
    for ((model, question, _), (sum, count)) in scores {
        let mean = questions.entry((model, question)).or_default();
        *mean = (mean.0 + sum / count, mean.1 + 1.0);
    }
    let mut records: HashMap<String, ScoreRecord> = HashMap::new();
    for ((model, _), (sum, count)) in questions {
        let record = records.entry(model.to_owned()).or_default();
        record.points += sum / count;
        record.cases += 1;
    }
    records
}

fn standing_from_row(row: &Row<'_>) -> Result<(String, ScoreRecord)> {
    let record = ScoreRecord {
        points: row.get("points")?,
        cases: row.get("cases")?,
    };
    Ok((row.get("model")?, record))
}

#[cfg(test)]
mod tests;
