//! Handlers of blind comparisons between a panel and a single model. Before the vote, no response reveals who wrote
//! which text.

use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::no_store;
use crate::app::panel_vs_single::{ComparisonScope, ComparisonSide, ComparisonView, TopicRow};
use crate::app::{Error, Kind};
use crate::domain::ballot::calibration;
use crate::domain::id::AnalysisId;
use crate::domain::panel_vs_single::{ERROR_RATE, MIN_WIN_RATE, Preference, single};
use crate::domain::time::Timestamp;
use crate::domain::user::{Caller, Role};
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

/// Explains to users how the numbers are computed.
const METHOD_NOTE: &str = "ties count half; the interval is a Jeffreys interval for wins, ties, and losses, valid for a single look; the verdict is based on a betting test, which stays valid however often you look; with several topics, the permitted error is divided among the topics and the total";

/// Maximum value of `compare_every`, the number of answers per comparison. The setting of the server has the same
/// maximum.
const MAX_COMPARE_INTERVAL: u64 = 10_000;

/// Length of a day, in milliseconds.
const DAY_MS: i64 = 86_400_000;

/// `POST /api/analyses/{id}/comparison`: starts a blind comparison of the panel's answer with that of a single model.
///
/// # Errors
/// `Missing` if the caller has no such analysis; `Conflict` if its answers cannot be compared.
pub async fn compare(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let comparison = cx
        .app
        .comparisons()
        .compare(&caller, &analysis_id(&cx)?, cx.now)
        .await?;
    Ok(no_store(Reply::json(&comparison_json(&comparison))))
}

/// `GET /api/analyses/{id}/comparison`: returns the blind comparison of an analysis. The models are included only after
/// the vote.
///
/// # Errors
/// `Missing` if the caller has no such analysis; `Conflict` if its answers cannot be compared.
pub async fn comparison(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let id = analysis_id(&cx)?;
    let comparison = cx.app.comparisons().comparison(&caller, &id).await?;
    let body = comparison.as_ref().map_or_else(
        || json!({ "status": "success", "analysis_id": id, "left": null, "right": null, "reveal": null }),
        comparison_json,
    );
    Ok(no_store(Reply::json(&body)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ComparisonVoteBody {
    choice: ComparisonChoiceBody,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ComparisonChoiceBody {
    Left,
    Right,
    Tie,
}

/// `POST /api/analyses/{id}/comparison/vote`: records the caller's preference and reveals the models.
///
/// # Errors
/// `Missing` if the analysis has not been compared; `Conflict` if there already is a vote; `BadRequest` or `BadInput`
/// for an invalid body.
pub async fn vote(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let id = analysis_id(&cx)?;
    let ComparisonVoteBody { choice } = cx.json().await?;
    let side = match choice {
        ComparisonChoiceBody::Left => ComparisonSide::Left,
        ComparisonChoiceBody::Right => ComparisonSide::Right,
        ComparisonChoiceBody::Tie => ComparisonSide::Tie,
    };
    let comparison = cx
        .app
        .comparisons()
        .vote(&caller, &id, side, cx.now)
        .await?;
    Ok(no_store(Reply::json(&comparison_json(&comparison))))
}

/// `GET /api/worth`: reports whether the panel beats a single model, by topic.
///
/// # Errors
/// `BadInput` for an invalid query; `Forbidden` if a caller who is not an administrator asks for the votes of all
/// users.
pub async fn report(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let all = match cx.query("all").as_deref() {
        None | Some("" | "false") => false,
        Some("true") => true,
        Some(_) => {
            let message = "must be true or false";
            return Err(Error::field(&["query", "all"], "value_error", message).into());
        }
    };
    if all && caller.role != Role::Admin {
        return Err(ApiError::new(
            Kind::Forbidden,
            "only administrators can see the votes of all users",
        ));
    }
    let days = cx.query_number("days", 1, 36_500, 0)?;
    let since = match days {
        0 => Timestamp::default(),
        days => Timestamp::from_millis(cx.now.millis() - days as i64 * DAY_MS),
    };
    let (interval, own_interval) = cx.app.comparisons().compare_interval(&caller).await?;
    let scope = ComparisonScope {
        user: (!all).then(|| caller.user.clone()),
        topic: cx.query("topic").unwrap_or_default().trim().to_owned(),
        pattern: cx.query("pattern").unwrap_or_default(),
        since,
    };
    let verdicts = cx.app.comparisons().verdicts(scope).await?;
    let calibration = cx.app.comparisons().calibration(&caller).await?;
    let votes = calibration.sentence().map(|sentence| {
        json!({
            "decided": calibration.decided_votes, "right": calibration.correct, "ties": calibration.ties,
            "interval": calibration.interval(), "sentence": sentence, "rule": calibration::ACCURACY_EXPLANATION,
        })
    });
    let topics: Vec<Value> = verdicts.topics.iter().map(row_json).collect();
    Ok(no_store(Reply::json(&json!({
        "status": "success",
        "overall": row_json(&verdicts.overall),
        "topics": topics,
        "votes": votes,
        "compare_every": interval,
        "compare_every_own": own_interval,
        "method": METHOD_NOTE,
        "single": single::SELECTION_RULE,
        "verdict_wrong_at_most": ERROR_RATE,
        "no_difference_below": MIN_WIN_RATE,
    }))))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CompareIntervalBody {
    compare_every: Option<u64>,
}

/// `PUT /api/worth`: sets how often the caller is offered a blind comparison.
///
/// # Errors
/// `BadRequest` or `BadInput` for an invalid body.
pub async fn set_compare_interval(
    mut cx: RequestContext,
    caller: Caller,
) -> Result<Reply, ApiError> {
    let CompareIntervalBody { compare_every } = cx.json().await?;
    if compare_every.is_some_and(|interval| interval > MAX_COMPARE_INTERVAL) {
        let message = format!("must be a whole number from 0 to {MAX_COMPARE_INTERVAL}, or null");
        return Err(Error::field(&["body", "compare_every"], "out_of_range", message).into());
    }
    let comparisons = cx.app.comparisons();
    comparisons
        .set_compare_interval(&caller, compare_every)
        .await?;
    let (interval, own_interval) = comparisons.compare_interval(&caller).await?;
    Ok(no_store(Reply::json(&json!({
        "status": "success", "compare_every": interval, "compare_every_own": own_interval,
    }))))
}

fn row_json(row: &TopicRow) -> Value {
    let (count, judgment) = (&row.count, &row.judgment);
    json!({
        "topic": count.topic,
        "votes": count.tally.votes(),
        "wins": count.tally.wins,
        "ties": count.tally.ties,
        "losses": count.tally.losses,
        "win_rate": judgment.win_rate,
        "interval": judgment.interval.map(|(from, to)| [from, to]),
        "confidence": 0.95,
        "verdict": judgment.verdict,
        "votes_needed": judgment.votes_needed,
        "cost_multiple": row.cost_multiple,
        "priced": count.priced_votes,
        "panel_usd": count.panel_cost,
        "single_usd": count.single_cost,
        "helpful": count.helpful,
        "not_helpful": count.not_helpful,
        "sentence": judgment.sentence(row.cost_multiple),
    })
}

fn comparison_json(view: &ComparisonView) -> Value {
    let comparison = &view.comparison;
    let reveal = comparison.choice.map(|(preferred, decided)| {
        let (panel, single) = if comparison.panel_first {
            ("left", "right")
        } else {
            ("right", "left")
        };
        let choice = match preferred {
            Preference::Panel => panel,
            Preference::Single => single,
            Preference::Tie => "tie",
        };
        json!({
            "choice": choice, "preferred": preferred, "panel": panel, "single": single,
            "model": comparison.model, "panel_cost_usd": comparison.panel_cost,
            "single_cost_usd": comparison.single_cost, "decided_at": decided,
        })
    });
    json!({
        "status": "success",
        "analysis_id": comparison.analysis,
        "topic": comparison.topic,
        "left": { "text": view.left },
        "right": { "text": view.right_text },
        "created_at": comparison.created,
        "reveal": reveal,
    })
}

fn analysis_id(cx: &RequestContext) -> Result<AnalysisId, ApiError> {
    AnalysisId::parse(cx.param("id")).ok_or_else(|| Error::missing().into())
}
