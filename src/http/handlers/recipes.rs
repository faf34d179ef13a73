//! Recipe handlers: save, list, show, share, and delete. A recipe has the fields of an analysis request.

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::accounts::{no_store, request_origin, success_reply};
use crate::app::Error;
use crate::app::recipes::RecipeChange;
use crate::domain::recipe::Recipe;
use crate::domain::request::{RECIPE_FIELDS, Request};
use crate::domain::user::Caller;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::json::from_value;
use crate::http::reply::Reply;

/// The fields that a recipe has besides those of an analysis request.
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

/// Merges the fields in the body of a request into a recipe's settings. Null or an empty string removes a field.
///
/// # Errors
/// `BadInput` if a field is unknown, has the wrong type, or cannot be part of a recipe.
fn change_to(
    stored_request: &Request,
    mut body: Map<String, Value>,
) -> Result<RecipeChange, Error> {
    let head = ["name", "shared"].into_iter();
    let head = head.filter_map(|name| body.remove_entry(name)).collect();
    let RecipeHead { name, shared } = from_value(Value::Object(head))?;
    for value in body.values_mut().filter(|value| **value == "") {
        *value = Value::Null;
    }
    let body: Request = from_value(stored_request.merged(body))?;
    if let Some(name) = body.field_outside_recipe() {
        let known_fields = RECIPE_FIELDS.join(", ");
        let why = format!("is not a recipe setting; expected {known_fields}");
        return Err(Error::field(&["body", &name], "unknown_field", why));
    }
    Ok(RecipeChange {
        name,
        shared,
        body: Some(body),
    })
}

fn recipe_json(cx: &RequestContext, recipe: &Recipe, caller: &Caller) -> Value {
    let body = &recipe.settings;
    let models = cx.app.models();
    let retired = models.retired_models_of(&caller.user, body);
    let retired = retired
        .iter()
        .map(|(name, model)| json!({ "model": name, "successor": model.successor }));
    let retired: Vec<Value> = retired.collect();
    json!({
        "id": recipe.id, "name": recipe.name, "version": recipe.version, "shared": recipe.is_shared,
        "own": recipe.owner == caller.user, "created_at": recipe.created, "saved_at": recipe.saved_at,
        "pattern": body.pattern, "models": body.models, "ultra_model": body.ultra_model,
        "parameters": body.parameters, "model_parameters": body.model_parameters, "preset": body.preset,
        "depth": body.depth, "stop_when_agreed": body.stop_when_agreed, "adaptive": body.adaptive,
        "samples": body.samples, "evidence": body.evidence, "budget_usd": body.budget_usd,
        "prompt": Some(&body.prompt).filter(|prompt| !prompt.is_empty()), "passages": body.passages,
        "retired": retired,
    })
}

/// `GET /api/recipes`: lists the caller's recipes and those shared with the caller.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub async fn list(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let recipes = cx.app.recipes().list(&caller.user).await?;
    let items: Vec<Value> = recipes
        .iter()
        .map(|recipe| recipe_json(&cx, recipe, &caller))
        .collect();
    let default = cx.app.recipes().default_recipe_of(&caller.user).await?;
    Ok(no_store(Reply::json(
        &json!({ "recipes": items, "default": default, "next_cursor": null }),
    )))
}

/// `POST /api/recipes`: creates a recipe. If the caller already has a recipe with this name, creates a new version of
/// it.
///
/// # Errors
/// `BadRequest` or `BadInput` for an invalid body; `Conflict` if there are too many recipes or versions.
pub async fn save(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let change = change_to(&Request::default(), cx.json().await?)?;
    let origin = request_origin(&cx);
    let (recipe, new) = cx
        .app
        .recipe_editor()
        .save(&caller, change, &origin)
        .await?;
    let status = if new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let body = json!({ "status": "success", "recipe": recipe_json(&cx, &recipe, &caller) });
    Ok(no_store(Reply::json(&body).status(status)))
}

/// `PUT /api/users/me/recipe`: sets or clears the caller's default recipe.
///
/// # Errors
/// `BadRequest` or `BadInput` for an invalid body; `Missing` if there is no such recipe.
pub async fn set_default(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: DefaultBody = cx.json().await?;
    let origin = request_origin(&cx);
    let app = cx.app.recipes();
    let reference = body.recipe.as_deref();
    let recipe = app.set_default(&caller, reference, &origin).await?;
    let body = json!({ "status": "success", "recipe": recipe.map(|recipe| recipe_json(&cx, &recipe, &caller)) });
    Ok(no_store(Reply::json(&body)))
}

/// `GET /api/recipes/{id}`: returns one recipe.
///
/// # Errors
/// `Missing` if there is no such recipe.
pub async fn show(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let recipe = cx.app.recipes().find(&caller.user, cx.param("id")).await?;
    Ok(no_store(Reply::json(&recipe_json(&cx, &recipe, &caller))))
}

/// `PUT /api/recipes/{id}`: saves a new version of a recipe with some fields changed.
///
/// # Errors
/// `Missing` if there is no such recipe; `Forbidden` if it belongs to another user; `BadRequest` or `BadInput` for an
/// invalid body; `Conflict` if there are too many versions.
pub async fn change(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: Map<String, Value> = cx.json().await?;
    let id = cx.param("id");
    let own_recipe = cx.app.recipes().find_own(&caller, id).await?;
    let (change, origin) = (change_to(&own_recipe.settings, body)?, request_origin(&cx));
    let editor = cx.app.recipe_editor();
    let recipe = editor.change(&caller, id, change, &origin).await?;
    let body = json!({ "status": "success", "recipe": recipe_json(&cx, &recipe, &caller) });
    Ok(no_store(Reply::json(&body)))
}

/// `DELETE /api/recipes/{id}`: deletes a recipe.
///
/// # Errors
/// `Missing` if there is no such recipe; `Forbidden` if it belongs to another user and the caller is not an
/// administrator.
pub async fn delete(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let origin = request_origin(&cx);
    let app = cx.app.recipes();
    app.delete(&caller, cx.param("id"), &origin).await?;
    success_reply("the recipe has been deleted")
}

/// `GET /api/recipes/{id}/versions`: lists all versions of a recipe.
///
/// # Errors
/// `Missing` if there is no such recipe.
pub async fn versions(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let app = cx.app.recipes();
    let recipes = app.versions(&caller.user, cx.param("id")).await?;
    let items: Vec<Value> = recipes
        .iter()
        .map(|recipe| recipe_json(&cx, recipe, &caller))
        .collect();
    Ok(no_store(Reply::json(
        &json!({ "versions": items, "next_cursor": null }),
    )))
}
