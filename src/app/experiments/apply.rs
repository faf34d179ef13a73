//! Applies a configuration by saving it as a recipe, optionally as the user's default, and can revert this.

use super::Experiments;
use crate::app::accounts::RequestOrigin;
use crate::app::recipes::RecipeChange;
use crate::app::{Error, Kind, Result};
use crate::domain::experiment::record::Applied;
use crate::domain::id::{ExperimentId, UserId};
use crate::domain::recipe::MAX_NAME;
use crate::domain::user::Caller;
use crate::store::{audit, experiments, recipes};

/// The configuration to apply, and how to apply it.
#[derive(Debug, Clone, Default)]
pub struct ApplyTarget {
    /// Index of the configuration; the leader if `None`, unless the final comparison refuted its lead.
    pub index: Option<usize>,
    /// Whether to also make the recipe the default for this user's requests.
    pub default: bool,
    /// Name of the recipe; the experiment's name if `None`.
    pub name: Option<String>,
}

impl Experiments<'_> {
    /// Saves a configuration as a recipe. It must be reverted before another can be applied.
    ///
    /// # Errors
    /// `Conflict` if one is already applied, nothing has been evaluated, or no index is given and the final
    /// comparison refuted the leader; `BadInput` if the index is out of range; and any error of saving a recipe.
    pub async fn apply(
        &self,
        caller: &Caller,
        id: &ExperimentId,
        params: ApplyTarget,
        origin: &RequestOrigin,
    ) -> Result<Applied> {
        let _applying_guard = self.0.experiment_registry.apply_lock.lock().await;
        let view = self.show(&caller.user, id).await?;
        let experiment = &view.experiment;
        if experiment.applied.is_some() {
            let why = "a configuration of this experiment is already in use";
            return Err(Error::new(Kind::Conflict, why).resolve("revert it first"));
        }
        let (leader, recommended) = (view.report.leader, view.report.recommended_configuration());
        if params.index.is_none() && leader != recommended {
            let why = "the race's leader did not score higher than the current configuration in the final comparison";
            return Err(Error::new(Kind::Conflict, why)
                .resolve("choose a configuration with `place`, its rank on the leaderboard"));
        }
        let Some(configuration_index) = params.index.or(leader) else {
            let why = "nothing has been evaluated yet, so there is no leader";
            return Err(Error::new(Kind::Conflict, why).resolve("wait until there are results"));
        };
        let Some(configuration) = experiment.design.arms.get(configuration_index) else {
            let why = format!("must be from 0 to {}", experiment.design.arms.len() - 1);
            return Err(Error::field(&["body", "place"], "out_of_range", why));
        };
        let change = RecipeChange {
            name: Some(
                params
                    .name
                    .unwrap_or_else(|| recipe_name(&experiment.spec.name)),
            ),
            shared: None,
            body: Some(experiment.spec.request_for(configuration)),
        };
        let (recipe, new) = self.0.recipe_editor().save(caller, change, origin).await?;
        let mut applied = Applied {
            configuration: configuration_index,
            recipe: recipe.id.clone(),
            version: recipe.version,
            name: recipe.name,
            default: params.default,
            before: None,
            new,
        };
        let entry = origin.audit_entry(Some(&caller.user), "experiment.apply", id.as_str());
        let (user, id) = (caller.user.clone(), id.clone());
        let pending_write = self.0.store.write(move |db| {
            if applied.default {
                applied.before = recipes::default_recipe_of(db, &user)?;
                recipes::set_default(db, &user, Some(&applied.recipe))?;
            }
            experiments::set_applied(db, &id, Some(&applied))?;
            audit::append(db, &entry)?;
            Ok(applied)
        });
        Ok(pending_write.await?)
    }

    /// Reverts the applied configuration: restores the previous default and the recipe's previous version. Changes made
    /// since then are kept and reported in the returned notes.
    ///
    /// # Errors
    /// `Conflict` if nothing is applied; and any error of changing the recipe.
    pub async fn revert(
        &self,
        caller: &Caller,
        id: &ExperimentId,
        origin: &RequestOrigin,
    ) -> Result<Vec<String>> {
        let _applying_guard = self.0.experiment_registry.apply_lock.lock().await;
        let experiment = self.find(&caller.user, id).await?;
        let Some(applied) = experiment.applied else {
            let why = "no configuration of this experiment is in use";
            return Err(Error::new(Kind::Conflict, why));
        };
        let mut notes = Vec::new();
        if applied.default {
            notes.push(
                self.restore_previous_default(&caller.user, &applied)
                    .await?,
            );
        }
        notes.push(
            self.restore_previous_recipe(caller, &applied, origin)
                .await?,
        );
        let entry = origin.audit_entry(Some(&caller.user), "experiment.revert", id.as_str());
        let id = id.clone();
        let pending_write = self.0.store.write(move |db| {
            experiments::set_applied(db, &id, None)?;
            audit::append(db, &entry)
        });
        pending_write.await?;
        Ok(notes)
    }

    async fn restore_previous_default(&self, user: &UserId, applied: &Applied) -> Result<String> {
        let (user, applied) = (user.clone(), applied.clone());
        let pending_write = self.0.store.write(move |db| {
            if recipes::default_recipe_of(db, &user)?.as_ref() != Some(&applied.recipe) {
                return Ok("your default has been changed since then and stays as it is");
            }
            // A recipe that was deleted in the meantime cannot be restored.
            let previous_default = match &applied.before {
                Some(id) if recipes::version(db, id, 1)?.is_some() => Some(id),
                _ => None,
            };
            recipes::set_default(db, &user, previous_default)?;
            Ok(match previous_default {
                Some(_) => "your previous default is restored",
                None => "you have no default recipe, as before",
            })
        });
        Ok(pending_write.await?.to_owned())
    }

    async fn restore_previous_recipe(
        &self,
        caller: &Caller,
        applied: &Applied,
        origin: &RequestOrigin,
    ) -> Result<String> {
        let recipes = self.0.recipes();
        let id = applied.recipe.as_str();
        let recipe = match recipes.find(&caller.user, id).await {
            Ok(recipe) => recipe,
            Err(error) if error.kind == Kind::Missing => {
                return Ok("the recipe has since been deleted".to_owned());
            }
            Err(error) => return Err(error),
        };
        if recipe.version != applied.version {
            return Ok(format!(
                "the recipe {} has been changed since then and stays as it is",
                recipe.name
            ));
        }
        if applied.new {
            recipes.delete(caller, id, origin).await?;
            return Ok(format!("the recipe {} has been deleted", recipe.name));
        }
        if applied.version == 1 {
            return Ok(format!(
                "the recipe {} had the same content before",
                recipe.name
            ));
        }
        let previous_version = format!("{id}@{}", applied.version - 1);
        let old = recipes.find(&caller.user, &previous_version).await?;
        let change = RecipeChange {
            body: Some(old.settings),
            ..RecipeChange::default()
        };
        let editor = self.0.recipe_editor();
        editor.change(caller, id, change, origin).await?;
        Ok(format!(
            "the previous content of the recipe {} is restored",
            recipe.name
        ))
    }
}

/// Derives a recipe name from an experiment's name, replacing characters that recipes do not allow.
fn recipe_name(name: &str) -> String {
    let plain: String = name.chars().filter(|&c| c != '@').take(MAX_NAME).collect();
    match plain.trim() {
        "" => "Winner".to_owned(),
        plain if plain.starts_with("recipe_") => plain.replacen('_', " ", 1),
        plain => plain.to_owned(),
    }
}
