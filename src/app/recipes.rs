//! Recipes: named, versioned request settings that a user saves for reuse and can share with the team.

mod save;

use super::accounts::RequestOrigin;
use super::{Error, Kind, Result};
use crate::domain::id::{RecipeId, UserId};
use crate::domain::parameters::Parameters;
use crate::domain::recipe::{self, Recipe};
use crate::domain::request::{Request, RunContext};
use crate::domain::user::{Caller, Role};
use crate::store::{Store, audit, recipes};
pub use save::{RecipeChange, RecipeEditor};

/// Maximum number of versions of a recipe.
const MAX_VERSIONS: u32 = 500;
/// Maximum number of listed recipes, both the user's own and shared ones.
const MAX_LISTED: u32 = 1_000;

/// Use cases for recipes: list, find, delete, and set the default.
#[derive(Clone, Copy)]
pub struct Recipes<'a> {
    pub(super) store: &'a Store,
}

impl Recipes<'_> {
    /// Lists the user's own recipes and those that others share, each in its newest version.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub async fn list(&self, user: &UserId) -> Result<Vec<Recipe>> {
        let user = user.clone();
        let lookup = self
            .store
            .read(move |db| recipes::visible(db, &user, MAX_LISTED));
        Ok(lookup.await?)
    }

    /// Finds a recipe of this user, or a shared one, by name or ID, in the given version (`brief@3`) or the newest.
    ///
    /// # Errors
    /// `Missing` if there is none; `Conflict` if several other users share a recipe with this name. Also fails if the
    /// store cannot be read.
    pub async fn find(&self, user: &UserId, reference: &str) -> Result<Recipe> {
        let (name, version) = recipe::parse_reference(reference);
        let (owner, recipe_name) = (user.clone(), name.to_owned());
        let lookup = self
            .store
            .read(move |db| recipes::by_name_or_id(db, &owner, &recipe_name));
        let mut matches = lookup.await?;
        if matches.is_empty() {
            return Err(Error::missing());
        }
        if matches.len() > 1 && matches[0].owner != *user {
            let ids: Vec<&str> = matches.iter().map(|recipe| recipe.id.as_str()).collect();
            let why = format!(
                "several people share a recipe with this name: {}",
                ids.join(", ")
            );
            return Err(Error::new(Kind::Conflict, why).resolve("use its ID instead"));
        }
        let newest = matches.swap_remove(0);
        let Some(version) = version.filter(|number| *number != newest.version) else {
            return Ok(newest);
        };
        let id = newest.id.clone();
        let old = self
            .store
            .read(move |db| recipes::version(db, &id, version));
        old.await?.ok_or_else(Error::missing)
    }

    /// Returns the recipe that applies to this user's requests by default, if one is set.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub async fn default_recipe_of(&self, user: &UserId) -> Result<Option<RecipeId>> {
        let user = user.clone();
        let lookup = self
            .store
            .read(move |db| recipes::default_recipe_of(db, &user));
        Ok(lookup.await?)
    }

    /// Sets the default recipe by name or ID, or removes it.
    ///
    /// # Errors
    /// Returns the errors of `find`. Also returns any error from the store.
    pub async fn set_default(
        &self,
        caller: &Caller,
        reference: Option<&str>,
        origin: &RequestOrigin,
    ) -> Result<Option<Recipe>> {
        let recipe = match reference {
            Some(reference) => Some(self.find(&caller.user, reference).await?),
            None => None,
        };
        let id = recipe.as_ref().map(|recipe| recipe.id.clone());
        let target = id.as_ref().map_or("none", RecipeId::as_str);
        let entry = origin.audit_entry(Some(&caller.user), "recipe.default", target);
        let user = caller.user.clone();
        let pending_write = self.store.write(move |db| {
            recipes::set_default(db, &user, id.as_ref())?;
            audit::append(db, &entry)
        });
        pending_write.await?;
        Ok(recipe)
    }

    /// Lists all versions of a recipe, newest first.
    ///
    /// # Errors
    /// Same as `find`.
    pub async fn versions(&self, user: &UserId, reference: &str) -> Result<Vec<Recipe>> {
        let id = self.find(user, reference).await?.id;
        let lookup = self
            .store
            .read(move |db| recipes::versions(db, &id, MAX_VERSIONS));
        Ok(lookup.await?)
    }

    /// Finds one of the caller's own recipes.
    ///
    /// # Errors
    /// Returns the errors of `find`, and `Forbidden` if the recipe belongs to another user.
    pub async fn find_own(&self, caller: &Caller, id: &str) -> Result<Recipe> {
        let recipe = self.find(&caller.user, id).await?;
        if recipe.owner != caller.user {
            let why = "a shared recipe can be changed only by its owner";
            let remedy = "save a copy under another name";
            return Err(Error::new(Kind::Forbidden, why).resolve(remedy));
        }
        Ok(recipe)
    }

    /// Deletes a recipe with all its versions. An administrator may also delete recipes shared by others.
    ///
    /// # Errors
    /// Returns the errors of `find_own`. Also returns any error from the store.
    pub async fn delete(&self, caller: &Caller, id: &str, origin: &RequestOrigin) -> Result<()> {
        let recipe = match caller.role {
            Role::Admin => self.find(&caller.user, id).await?,
            Role::User | Role::Guest => self.find_own(caller, id).await?,
        };
        let entry = origin.audit_entry(Some(&caller.user), "recipe.deleted", recipe.id.as_str());
        let store = self.store.with_reserve();
        let pending_write = store.write(move |db| {
            recipes::delete(db, &recipe.id)?;
            audit::append(db, &entry)
        });
        Ok(pending_write.await?)
    }

    /// Supplies the fields that a request omits, from the recipe it names or the user's default recipe.
    /// Returns the recipe and version used, such as `brief@3`.
    ///
    /// # Errors
    /// `SignInNeeded` without a caller; `BadInput` if there is no such recipe or its prompt is not a valid
    /// template.
    pub(super) async fn fill(
        &self,
        caller: Option<&Caller>,
        request: &mut Request,
        context: &mut RunContext,
    ) -> Result<Option<String>> {
        let Some(reference) = request.recipe.take() else {
            return self.fill_by_default(caller, request, context).await;
        };
        let caller = caller.ok_or_else(Error::sign_in)?;
        let stored_recipe = self.find(&caller.user, &reference).await;
        let recipe = stored_recipe.map_err(|error| match error.kind {
            Kind::Missing | Kind::Conflict => {
                let short_reference: String = reference.chars().take(80).collect();
                let why = match error.kind {
                    Kind::Missing => format!("there is no recipe {short_reference:?}"),
                    _ => error.public,
                };
                Error::field(&["body", "recipe"], "unknown_recipe", why)
            }
            _ => error,
        })?;
        fill(request, context, recipe.settings)?;
        Ok(Some(format!("{}@{}", recipe.name, recipe.version)))
    }

    // Applies the user's default recipe, if it still exists, to a request that specifies neither models nor a
    // pattern.
    async fn fill_by_default(
        &self,
        caller: Option<&Caller>,
        request: &mut Request,
        context: &mut RunContext,
    ) -> Result<Option<String>> {
        let is_explicit = !request.models.is_empty() || request.pattern.is_some();
        let Some(caller) = caller.filter(|_| !is_explicit && context.experiment.is_none()) else {
            return Ok(None);
        };
        let Some(id) = self.default_recipe_of(&caller.user).await? else {
            return Ok(None);
        };
        match self.find(&caller.user, id.as_str()).await {
            Ok(recipe) => {
                fill(request, context, recipe.settings)?;
                Ok(Some(format!("{}@{}", recipe.name, recipe.version)))
            }
            // The recipe belongs to another user, who no longer shares it.
            Err(error) if error.kind == Kind::Missing => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Supplies omitted fields from a recipe. A preset in the request takes precedence over the recipe's parameters.
///
/// # Errors
/// `BadInput` if the recipe's prompt is not a valid template.
pub(super) fn fill(request: &mut Request, context: &mut RunContext, body: Request) -> Result<()> {
    if let Some(preset) = request.preset.as_deref().and_then(Parameters::preset) {
        request.parameters = request.parameters.overlay(&preset);
    }
    context.inherited = body.named_models();
    if !body.prompt.is_empty() {
        let why = |why| Error::field(&["body", "prompt"], "value_error", why);
        request.prompt = recipe::fill_prompt(&body.prompt, &request.prompt).map_err(why)?;
        if let Some(last) = context.turns.last_mut() {
            last.text.clone_from(&request.prompt);
        }
    }
    request.fill(body);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::analysis::Depth;

    fn parameters_at(temperature: f64) -> Parameters {
        Parameters {
            temperature: Some(temperature),
            ..Parameters::default()
        }
    }

    #[test]
    fn a_request_overrides_its_recipe() {
        let body = || Request {
            pattern: Some("critique".into()),
            models: vec!["a".into(), "b".into()],
            ultra_model: Some("c".into()),
            parameters: Parameters {
                max_tokens: Some(9),
                ..parameters_at(0.1)
            },
            model_parameters: [("a".to_owned(), parameters_at(0.2))].into(),
            preset: Some("precise".into()),
            budget_usd: Some(1.0),
            depth: Some(Depth::Full),
            stop_when_agreed: Some(0.9),
            samples: Some(4),
            prompt: "Briefly: {{question}}".into(),
            passages: Some(3),
            ..Request::default()
        };
        let mut empty = Request {
            prompt: "Why?".to_owned(),
            ..Request::default()
        };
        fill(&mut empty, &mut RunContext::default(), body()).expect("legal");
        assert_eq!(empty.pattern.as_deref(), Some("critique"));
        assert_eq!((empty.models.len(), empty.budget_usd), (2, Some(1.0)));
        assert_eq!(
            (empty.depth, empty.stop_when_agreed, empty.samples),
            (Some(Depth::Full), Some(0.9), Some(4))
        );
        assert_eq!(empty.parameters, body().parameters);
        assert_eq!(empty.preset.as_deref(), Some("precise"));
        assert_eq!(
            (empty.prompt.as_str(), empty.passages),
            ("Briefly: Why?", Some(3))
        );

        let mut full = Request {
            pattern: Some("gut".into()),
            models: vec!["x".into()],
            parameters: parameters_at(0.9),
            model_parameters: [(
                "a".to_owned(),
                Parameters {
                    top_p: Some(0.5),
                    ..Parameters::default()
                },
            )]
            .into(),
            budget_usd: Some(2.0),
            depth: Some(Depth::Quick),
            ..Request::default()
        };
        fill(&mut full, &mut RunContext::default(), body()).expect("legal");
        assert_eq!(
            (full.pattern.as_deref(), full.models.as_slice()),
            (Some("gut"), &["x".to_owned()][..])
        );
        assert_eq!(
            (full.parameters.temperature, full.parameters.max_tokens),
            (Some(0.9), Some(9))
        );
        assert_eq!((full.depth, full.samples), (Some(Depth::Quick), Some(4)));
        let parameters_of_a = &full.model_parameters["a"];
        assert_eq!(
            (parameters_of_a.temperature, parameters_of_a.top_p),
            (Some(0.2), Some(0.5))
        );

        let mut preset = Request {
            preset: Some("creative".into()),
            ..Request::default()
        };
        fill(&mut preset, &mut RunContext::default(), body()).expect("legal");
        let creative = Parameters::preset("creative").expect("a preset");
        assert_eq!(preset.parameters.temperature, creative.temperature);
        assert_eq!(preset.parameters.max_tokens, Some(9));
    }
}
