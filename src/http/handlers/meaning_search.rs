//! Handlers that let callers choose an embedding model for semantic search. The rules are in `app::meaning_search`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::request_origin;
use crate::app::meaning_search::SemanticSearchStatus;
use crate::domain::user::Caller;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

/// Body that chooses an embedding model.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SemanticSearchBody {
    /// The embedding model, or null to search by keywords only.
    model: Option<String>,
}

/// `GET /api/meaning-search`: returns the caller's choice and the progress of embedding. With `model`, returns the
/// estimated cost of that model.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub async fn show(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let model = cx.query("model").filter(|model| !model.is_empty());
    let search = cx.app.meaning_search();
    let status = search.show(&caller.user, model.as_deref()).await?;
    Ok(Reply::json(&status_json(&status)))
}

/// `PUT /api/meaning-search`: chooses an embedding model, or turns semantic search off.
///
/// # Errors
/// `Forbidden` if the caller uses an API key; `Missing` for an unknown model; `BudgetExceeded` if a budget is too
/// small; and the provider's error.
pub async fn choose(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: SemanticSearchBody = cx.json().await?;
    let origin = request_origin(&cx);
    let search = cx.app.meaning_search();
    let status = match body.model.as_deref().map(str::trim) {
        None | Some("") => search.turn_off(&caller, &origin).await?,
        Some(model) => search.choose(&caller, model, &origin).await?,
    };
    Ok(Reply::json(&status_json(&status)))
}

fn status_json(status: &SemanticSearchStatus) -> Value {
    let progress = status.progress;
    let state = match (&status.model, &status.failure) {
        (None, _) => "off",
        (Some(_), Some(_)) => "failing",
        (Some(_), None) if progress.embedded < progress.passages => "working",
        (Some(_), None) => "ready",
    };
    json!({
        "model": status.model, "state": state, "error": status.failure,
        "passages": progress.passages, "embedded": progress.embedded,
        "missing": { "tokens": status.tokens, "cost_usd": status.cost },
    })
}
