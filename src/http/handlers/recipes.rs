//! Handlers of recipes: save, list, show, share, delete. Their fields are those of an analysis request.

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::accounts::{done, private, visit};
use crate::app::Error;
use crate::app::recipes::RecipeChange;
use crate::domain::recipe::Recipe;
use crate::domain::request::{RECIPE_FIELDS, Request};
use crate::domain::user::Caller;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::json::from_value;
use crate::http::reply::Reply;

/// What a recipe has besides the fields of a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecipeHead {
    name: Option<String>,
    shared: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DefaultBody {
    recipe: Option<String>,
}

/// The fields of a body over those that the recipe has. Null and an empty text remove a field.
///
/// # Errors
/// `BadInput` when a field is unknown, has the wrong type, or cannot be part of a recipe.
fn change_to(known: &Request, mut body: Map<String, Value>) -> Result<RecipeChange, Error> {
    let head = ["name", "shared"].into_iter();
    let head = head.filter_map(|name| body.remove_entry(name)).collect();
    let RecipeHead { name, shared } = from_value(Value::Object(head))?;
    for value in body.values_mut().filter(|value| **value == "") {
        *value = Value::Null;
    }
    let body: Request = from_value(known.merged(body))?;
    if let Some(name) = body.beyond_recipe() {
        let known = RECIPE_FIELDS.join(", ");
        let why = format!("is not a setting of a recipe; expected {known}");
        return Err(Error::field(&["body", &name], "unknown_field", why));
    }
    Ok(RecipeChange {
        name,
        shared,
        body: Some(body),
    })
}

fn shape(cx: &RequestContext, recipe: &Recipe, caller: &Caller) -> Value {
    let body = &recipe.body;
    let models = cx.app.models();
    let retired = models.retired_of(&caller.user, body);
    let retired = retired
        .iter()
        .map(|(name, gone)| json!({ "model": name, "successor": gone.successor }));
    let retired: Vec<Value> = retired.collect();
    json!({
        "id": recipe.id, "name": recipe.name, "version": recipe.version, "shared": recipe.shared,
        "own": recipe.owner == caller.user, "created_at": recipe.created, "saved_at": recipe.saved,
        "pattern": body.pattern, "models": body.models, "ultra_model": body.ultra_model,
        "parameters": body.parameters, "model_parameters": body.model_parameters, "preset": body.preset,
        "depth": body.depth, "stop_when_agreed": body.stop_when_agreed, "samples": body.samples,
        "budget_usd": body.budget_usd, "prompt": Some(&body.prompt).filter(|prompt| !prompt.is_empty()), "passages": body.passages,
        "retired": retired,
    })
}

/// GET /api/recipes
pub async fn list(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let found = cx.app.recipes().list(&caller.user).await?;
    let shown: Vec<Value> = found
        .iter()
        .map(|recipe| shape(&cx, recipe, &caller))
        .collect();
    let default = cx.app.recipes().default_of(&caller.user).await?;
    Ok(private(Reply::json(
        &json!({ "recipes": shown, "default": default, "next_cursor": null }),
    )))
}

/// POST /api/recipes: a new one, or a new version of one's own of this name.
pub async fn save(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let change = change_to(&Request::default(), cx.json().await?)?;
    let visit = visit(&cx);
    let (recipe, new) = cx.app.recipes().save(&caller, change, &visit).await?;
    let status = if new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let body = json!({ "status": "success", "recipe": shape(&cx, &recipe, &caller) });
    Ok(private(Reply::json(&body).status(status)))
}

/// PUT /api/users/me/recipe
pub async fn set_default(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: DefaultBody = cx.json().await?;
    let visit = visit(&cx);
    let app = cx.app.recipes();
    let wanted = body.recipe.as_deref();
    let recipe = app.set_default(&caller, wanted, &visit).await?;
    let body =
        json!({ "status": "success", "recipe": recipe.map(|recipe| shape(&cx, &recipe, &caller)) });
    Ok(private(Reply::json(&body)))
}

/// GET /api/recipes/{id}
pub async fn show(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let recipe = cx.app.recipes().find(&caller.user, cx.param("id")).await?;
    Ok(private(Reply::json(&shape(&cx, &recipe, &caller))))
}

/// PUT /api/recipes/{id}
pub async fn change(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: Map<String, Value> = cx.json().await?;
    let app = cx.app.recipes();
    let known = app.own(&caller, cx.param("id")).await?;
    let (change, visit) = (change_to(&known.body, body)?, visit(&cx));
    let recipe = app.change(&caller, cx.param("id"), change, &visit).await?;
    let body = json!({ "status": "success", "recipe": shape(&cx, &recipe, &caller) });
    Ok(private(Reply::json(&body)))
}

/// DELETE /api/recipes/{id}
pub async fn delete(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let visit = visit(&cx);
    let app = cx.app.recipes();
    app.delete(&caller, cx.param("id"), &visit).await?;
    done("the recipe is deleted")
}

/// GET /api/recipes/{id}/versions
pub async fn versions(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let app = cx.app.recipes();
    let found = app.versions(&caller.user, cx.param("id")).await?;
    let shown: Vec<Value> = found
        .iter()
        .map(|recipe| shape(&cx, recipe, &caller))
        .collect();
    Ok(private(Reply::json(
        &json!({ "versions": shown, "next_cursor": null }),
    )))
}
