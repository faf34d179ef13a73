//! Recipes over HTTP: save, list, read, share, delete. What a recipe does stands in an analysis' request.

use std::collections::BTreeMap;

use hyper::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::accounts::{done, private, visit};
use crate::app::recipes::RecipeChange;
use crate::domain::analysis::Depth;
use crate::domain::parameters::Parameters;
use crate::domain::recipe::{Recipe, RecipeFields};
use crate::domain::user::Caller;
use crate::http::cx::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

/// The names are those of an analysis' request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecipeBody {
    name: Option<String>,
    shared: Option<bool>,
    pattern: Option<String>,
    #[serde(alias = "selected_models")]
    models: Option<Vec<String>>,
    #[serde(alias = "lead_model")]
    ultra_model: Option<String>,
    #[serde(alias = "options")]
    parameters: Option<Parameters>,
    model_parameters: Option<BTreeMap<String, Parameters>>,
    preset: Option<String>,
    #[serde(default, deserialize_with = "given")]
    depth: Option<Option<Depth>>,
    #[serde(default, deserialize_with = "given")]
    stop_when_agreed: Option<Option<f64>>,
    #[serde(default, deserialize_with = "given")]
    samples: Option<Option<u32>>,
    #[serde(default, deserialize_with = "given")]
    budget_usd: Option<Option<f64>>,
    prompt: Option<String>,
    #[serde(default, deserialize_with = "given")]
    passages: Option<Option<u32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DefaultBody {
    recipe: Option<String>,
}

/// Tells null, which takes away, from what is not there.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    value: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(value).map(Some)
}

impl RecipeBody {
    /// What the recipe will say when this is laid over what it says now. An empty text or list takes away, and
    /// so does null where there is no emptiness; what is not named stays.
    fn over(self, known: RecipeFields) -> RecipeChange {
        let text = |new: Option<String>, old: Option<String>| match new {
            Some(new) => Some(new).filter(|new| !new.is_empty()),
            None => old,
        };
        RecipeChange {
            name: self.name,
            shared: self.shared,
            body: Some(RecipeFields {
                pattern: text(self.pattern, known.pattern),
                models: self.models.unwrap_or(known.models),
                ultra_model: text(self.ultra_model, known.ultra_model),
                parameters: self.parameters.unwrap_or(known.parameters),
                model_parameters: self.model_parameters.unwrap_or(known.model_parameters),
                preset: text(self.preset, known.preset),
                depth: self.depth.unwrap_or(known.depth),
                stop_when_agreed: self.stop_when_agreed.unwrap_or(known.stop_when_agreed),
                samples: self.samples.unwrap_or(known.samples),
                budget_usd: self.budget_usd.unwrap_or(known.budget_usd),
                prompt: text(self.prompt, known.prompt),
                passages: self.passages.unwrap_or(known.passages),
            }),
        }
    }
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
        "budget_usd": body.budget_usd, "prompt": body.prompt, "passages": body.passages,
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
    let body: RecipeBody = cx.json().await?;
    let change = body.over(RecipeFields::default());
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
    let body: RecipeBody = cx.json().await?;
    let app = cx.app.recipes();
    let known = app.own(&caller, cx.param("id")).await?;
    let (change, visit) = (body.over(known.body), visit(&cx));
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
