//! Saves recipes. Each is first validated as a request, so that only usable ones are saved.

use super::{MAX_VERSIONS, Recipes, fill};
use crate::app::accounts::{RequestOrigin, random_number};
use crate::app::analyses::Analyses;
use crate::app::patterns::Patterns;
use crate::app::{Error, Kind, Result};
use crate::domain::id::RecipeId;
use crate::domain::pattern::stored::PatternOrigin;
use crate::domain::recipe::{self, Recipe};
use crate::domain::request::{Request, RunContext};
use crate::domain::user::Caller;
use crate::llm::Llm;
use crate::store::{audit, recipes};

/// Maximum number of recipes per user.
const MAX_RECIPES: i64 = 200;

/// Parameters of a recipe to save or change. Absent fields are unchanged or get defaults.
#[derive(Debug, Clone, Default)]
pub struct RecipeChange {
    /// Name, which must be unique among the owner's recipes.
    pub name: Option<String>,
    /// Whether everyone may use it.
    pub shared: Option<bool>,
    /// Settings that the recipe supplies.
    pub body: Option<Request>,
}

/// Use cases for saving recipes and changing them.
#[derive(Clone, Copy)]
pub struct RecipeEditor<'a> {
    pub(in crate::app) recipes: Recipes<'a>,
    pub(in crate::app) llm: &'a Llm,
    pub(in crate::app) patterns: Patterns<'a>,
    pub(in crate::app) analyses: Analyses<'a>,
}

impl RecipeEditor<'_> {
    /// Saves a recipe under a name: either a new one, or a new version of the caller's existing recipe. Returns it
    /// and whether it is new.
    ///
    /// # Errors
    /// `BadInput` for an invalid name, or a recipe that could not currently be used or shared; `Conflict` if the
    /// caller has too many recipes or the recipe has too many versions.
    pub async fn save(
        &self,
        caller: &Caller,
        change: RecipeChange,
        origin: &RequestOrigin,
    ) -> Result<(Recipe, bool)> {
        let name = validate_name(change.name.as_deref().unwrap_or_default())?;
        let (owner, recipe_name) = (caller.user.clone(), name.clone());
        let lookup = self
            .recipes
            .store
            .read(move |db| recipes::by_name_or_id(db, &owner, &recipe_name));
        let existing = lookup.await?.into_iter().next();
        if let Some(existing) = existing.filter(|existing| existing.owner == caller.user) {
            let saved = self.save_over(caller, existing, change, origin).await?;
            return Ok((saved, false));
        }
        let recipe = Recipe {
            id: RecipeId::new(origin.now, random_number()?),
            owner: caller.user.clone(),
            name,
            is_shared: change.shared.unwrap_or(false),
            version: 1,
            settings: change.body.unwrap_or_default(),
            created: origin.now,
            saved_at: origin.now,
        };
        self.check(caller, &recipe, true).await?;
        let entry = origin.audit_entry(Some(&caller.user), "recipe.added", recipe.id.as_str());
        let stored_recipe = recipe.clone();
        let pending_write = self.recipes.store.write(move |db| {
            if recipes::count(db, &stored_recipe.owner)? >= MAX_RECIPES {
                return Ok(false);
            }
            recipes::insert(db, &stored_recipe)?;
            audit::append(db, &entry)?;
            Ok(true)
        });
        if !pending_write.await? {
            let why = format!("you already have {MAX_RECIPES} recipes, the maximum");
            return Err(Error::new(Kind::Conflict, why).resolve("delete one first"));
        }
        Ok((recipe, true))
    }

    /// Changes the caller's own recipe; a changed request becomes a new version.
    ///
    /// # Errors
    /// `Missing` if there is no such recipe; `Forbidden` if it belongs to another user; and the errors of
    /// [`RecipeEditor::save`].
    pub async fn change(
        &self,
        caller: &Caller,
        id: &str,
        change: RecipeChange,
        origin: &RequestOrigin,
    ) -> Result<Recipe> {
        let existing = self.recipes.find_own(caller, id).await?;
        self.save_over(caller, existing, change, origin).await
    }

    async fn save_over(
        &self,
        caller: &Caller,
        existing: Recipe,
        change: RecipeChange,
        origin: &RequestOrigin,
    ) -> Result<Recipe> {
        let mut recipe = existing.clone();
        if let Some(name) = change.name {
            recipe.name = validate_name(&name)?;
        }
        recipe.is_shared = change.shared.unwrap_or(existing.is_shared);
        if let Some(body) = change.body
            && body != existing.settings
        {
            recipe.settings = body;
            recipe.version = existing.version + 1;
            recipe.saved_at = origin.now;
        }
        if recipe.version > MAX_VERSIONS {
            let why = format!("this recipe already has {MAX_VERSIONS} versions, the maximum");
            return Err(Error::new(Kind::Conflict, why).resolve("save it under another name"));
        }
        let is_new = recipe.version > existing.version;
        self.check(caller, &recipe, is_new).await?;
        let entry = origin.audit_entry(Some(&caller.user), "recipe.changed", recipe.id.as_str());
        let stored_recipe = recipe.clone();
        let pending_write = self.recipes.store.write(move |db| {
            recipes::change(
                db,
                &stored_recipe.id,
                &stored_recipe.name,
                stored_recipe.is_shared,
            )?;
            if stored_recipe.version > existing.version {
                recipes::add_version(db, &stored_recipe)?;
            }
            audit::append(db, &entry)
        });
        pending_write.await?;
        Ok(recipe)
    }

    /// Rejects a recipe that is currently unusable, or that is shared although it refers to something that
    /// only its owner has. A recipe that is only renamed or shared may refer to models that no longer exist.
    async fn check(&self, caller: &Caller, recipe: &Recipe, is_new: bool) -> Result<()> {
        let mut request = Request {
            prompt: "does this recipe work?".to_owned(),
            ..Request::default()
        };
        let mut context = RunContext::default();
        fill(&mut request, &mut context, recipe.settings.clone())?;
        if !is_new {
            request.models.clear();
            request.model_parameters.clear();
            request.ultra_model = None;
        }
        // A new recipe must not refer to a model that no longer exists.
        context.inherited.clear();
        let new = self.analyses.check(Some(caller), request, context).await?;
        if !recipe.is_shared {
            return Ok(());
        }
        let stored_pattern = self
            .patterns
            .find_stored(Some(&caller.user), new.request.pattern())
            .await?;
        if stored_pattern.is_some_and(|stored_pattern| stored_pattern.origin == PatternOrigin::Own)
        {
            let why = "a shared recipe needs a pattern that everyone has";
            return Err(Error::field(&["body", "pattern"], "value_error", why));
        }
        let models = recipe
            .settings
            .models
            .iter()
            .chain(&recipe.settings.ultra_model);
        for name in models {
            if self.llm.find(None, name).is_none() {
                let why = format!(
                    "{name} is a model from your own provider: a shared recipe needs models that everyone has"
                );
                return Err(Error::field(&["body", "models"], "value_error", why));
            }
        }
        Ok(())
    }
}

fn validate_name(name: &str) -> Result<String> {
    recipe::checked_name(name).map_err(|why| Error::field(&["body", "name"], "value_error", why))
}
