//! Checks a request before it is planned: resolves names, checks ranges, and reports all errors at once.

mod fields;
mod missing;

use std::collections::BTreeMap;

use super::Analyses;
use crate::app::error::FieldError;
use crate::app::{Error, Kind, Result};
use crate::domain::chat::Format;
use crate::domain::closest::{closest, closest_model};
use crate::domain::id::{AnalysisId, DocumentId, UserId};
use crate::domain::model::Model;
use crate::domain::money::MicroDollars;
use crate::domain::parameters::Parameters;
use crate::domain::request::{EvidenceChoice, EvidenceRequest, Request, RunContext};
use crate::domain::user::{Caller, Role};
use crate::store::documents;
use fields::{
    check_budget, check_documents, check_format, check_parameters, check_prompt, check_ranges,
    check_thresholds, check_topic, field_error,
};

/// Maximum length of a question in characters.
pub const MAX_PROMPT: usize = 200_000;
/// Maximum number of panel members.
const MAX_MEMBERS: usize = 16;
/// Maximum number of documents per analysis.
pub(super) const MAX_DOCUMENTS: usize = 100;
/// Maximum length of a topic in characters.
const MAX_TOPIC: usize = 60;
/// Error kind for a model whose provider has no API key.
const NEEDS_KEY_KIND: &str = "needs_key";
/// Number of members in an automatically selected panel.
const DEFAULT_PANEL: usize = 3;

/// A request that is ready to be planned: names are resolved, ranges checked, and formats compiled.
#[derive(Debug, Clone)]
pub(in crate::app) struct CheckedRequest {
    /// The request with full model IDs and with everything supplied by a recipe or preset.
    pub request: Request,
    /// Context of the run beyond the request, such as its thread, conversation, and tools.
    pub context: RunContext,
    /// Documents to use as context.
    pub documents: Vec<DocumentId>,
    /// Upper limit for the estimated cost.
    pub budget: Option<MicroDollars>,
    /// Required answer format.
    pub format: Option<Format>,
    /// Notes for the plan about anything the check dropped.
    pub notes: Vec<String>,
    /// ID of the run about to start, under which the calls of the semantic search are recorded; `None` for an
    /// estimate, which makes no calls.
    pub run: Option<AnalysisId>,
}

impl Analyses<'_> {
    /// Checks a request and reports all errors at once.
    ///
    /// # Errors
    /// `BadInput` with one entry per invalid field; `Unavailable` if a model's provider lacks its API key;
    /// `SignInNeeded` if the request requires an account.
    pub(in crate::app) async fn check(
        &self,
        caller: Option<&Caller>,
        mut request: Request,
        mut context: RunContext,
    ) -> Result<CheckedRequest> {
        let mut carried_thread = self
            .resolve_thread(caller, &mut request, &mut context)
            .await?;
        // The settings of an earlier turn take precedence over the default recipe.
        if carried_thread.is_none() || request.recipe.is_some() || context.follows.is_none() {
            let recipe = self.recipes.fill(caller, &mut request, &mut context);
            context.recipe = recipe.await?;
        }
        let left_out = carried_thread
            .take()
            .map_or_else(Vec::new, |carried| carried.fill(&mut request, &mut context));
        context.key = caller.and_then(|caller| Some(caller.key.as_ref()?.id.clone()));
        if let Some(task) = default_task(&request) {
            task.clone_into(&mut request.prompt);
        }
        let user = caller.map(|caller| &caller.user);
        let mut errors = Vec::new();
        check_prompt(&request.prompt, &mut errors);
        let mut notes = self.skip_missing_models(user, &mut request, &context.inherited)?;
        notes.extend(left_out);
        self.select_allowed_models(caller, &mut request).await?;
        let models = self.check_names(caller, &mut request, &mut errors).await?;
        check_parameters(&mut request, context.is_passthrough, &mut errors);
        let documents = check_documents(&mut request, &mut errors);
        let budget = check_budget(request.budget_usd, &mut errors);
        check_thresholds(&request, &mut errors);
        let format = check_format(request.response_format.as_ref(), &mut errors).await;
        check_topic(&mut request.topic, &mut errors);
        if !errors.is_empty() {
            return Err(invalid_request(errors));
        }
        if request.topic.is_none() {
            request.topic = Some(self.category_of(user, request.pattern()).await?);
        }
        request.depth.get_or_insert_default();
        let checked_request = CheckedRequest {
            request,
            context,
            documents,
            budget,
            format,
            notes,
            run: None,
        };
        match caller {
            Some(caller) => self.check_ownership(caller, &checked_request).await?,
            None => self.check_anonymous(&checked_request, &models)?,
        }
        Ok(checked_request)
    }

    /// Checks the prompt and format of a request to be relayed to one model. `Completions` has already resolved the
    /// model, and the provider checks everything else.
    ///
    /// # Errors
    /// `BadInput` with one entry per invalid field.
    pub(super) async fn check_passthrough(
        &self,
        mut request: Request,
        context: RunContext,
    ) -> Result<CheckedRequest> {
        let mut errors = Vec::new();
        check_prompt(&request.prompt, &mut errors);
        let format = check_format(request.response_format.as_ref(), &mut errors).await;
        if !errors.is_empty() {
            return Err(invalid_request(errors));
        }
        request.depth.get_or_insert_default();
        Ok(CheckedRequest {
            request,
            context,
            documents: Vec::new(),
            budget: None,
            format,
            notes: Vec::new(),
            run: None,
        })
    }

    /// Checks the names of the models, the judge, and the pattern. Replaces model names with full IDs and returns the
    /// models.
    async fn check_names(
        &self,
        caller: Option<&Caller>,
        request: &mut Request,
        errors: &mut Vec<FieldError>,
    ) -> Result<Vec<Model>> {
        let user = caller.map(|caller| &caller.user);
        let mut models = self.check_models(caller, &request.models, errors);
        request.models = models.iter().map(|model| model.id.clone()).collect();
        if let Some(name) = request.ultra_model.take() {
            let ultra = self.check_model(user, &name, &["body", "ultra_model"], errors);
            request.ultra_model = ultra.as_ref().map(|model| model.id.clone());
            models.extend(ultra);
        }
        let location = &["body", "evidence", "model"];
        if let Some(name) = request.evidence.as_ref().and_then(EvidenceRequest::model) {
            let judge = self.check_model(user, name, location, errors);
            if judge.as_ref().is_some_and(|model| model.mock) {
                let why = "a demo model compares words, not meaning: it cannot judge";
                errors.push(field_error(location, "value_error", why));
            }
            let mode = request.evidence.as_ref().map(EvidenceRequest::mode);
            request.evidence = judge.as_ref().map(|model| {
                EvidenceRequest::Detailed(EvidenceChoice {
                    mode: mode.unwrap_or_default(),
                    model: Some(model.id.clone()),
                })
            });
            models.extend(judge);
        }
        request.pattern = Some(request.pattern().to_owned());
        self.check_pattern(user, request.pattern(), errors).await?;
        request.model_parameters = self.check_model_parameters(user, request, errors);
        Ok(models)
    }

    // Selects models for a request that names none, if the caller's API key allows only some models.
    async fn select_allowed_models(
        &self,
        caller: Option<&Caller>,
        request: &mut Request,
    ) -> Result<()> {
        let Some(caller) = caller else { return Ok(()) };
        let limits = self.key_limits.limits_of(caller).await?;
        if limits.models.is_empty() {
            return Ok(());
        }
        let within = self.key_limits.models(&caller.user, &limits);
        let ids = within.into_iter().map(|model| model.id);
        if request.ultra_model.is_none() {
            request.ultra_model = ids.clone().next();
        }
        if request.models.is_empty() {
            request.models = ids.take(DEFAULT_PANEL).collect();
        }
        Ok(())
    }

    fn no_model_message(&self, caller: Option<&Caller>) -> String {
        let mut providers = self.models.providers(caller.map(|caller| &caller.user));
        providers.retain(|provider| provider.configured);
        let names: Vec<&str> = providers
            .iter()
            .map(|provider| provider.id.as_str())
            .collect();
        let is_guest = caller.is_none_or(|caller| caller.role == Role::Guest);
        no_model_text(&names, is_guest)
    }

    fn check_models(
        &self,
        caller: Option<&Caller>,
        names: &[String],
        errors: &mut Vec<FieldError>,
    ) -> Vec<Model> {
        let user = caller.map(|caller| &caller.user);
        let chosen_models = if names.is_empty() {
            self.models.default_panel(user)
        } else {
            names.to_vec()
        };
        if chosen_models.is_empty() {
            errors.push(field_error(
                &["body", "models"],
                "value_error",
                &self.no_model_message(caller),
            ));
        }
        if chosen_models.len() > MAX_MEMBERS {
            errors.push(field_error(
                &["body", "models"],
                "too_long",
                &format!("at most {MAX_MEMBERS} models"),
            ));
            return Vec::new();
        }
        let mut models: Vec<Model> = Vec::new();
        for (index, name) in chosen_models.iter().enumerate() {
            let location = index.to_string();
            // A model that is named twice contributes two samples.
            models.extend(self.check_model(user, name, &["body", "models", &location], errors));
        }
        models
    }

    fn check_model(
        &self,
        user: Option<&UserId>,
        name: &str,
        location: &[&str],
        errors: &mut Vec<FieldError>,
    ) -> Option<Model> {
        let listed_model = self.llm.find(user, name);
        if let (None, Some(model_without_key)) =
            (&listed_model, self.llm.model_without_key(user, name))
        {
            let why = format!(
                "{name} is {}, which needs a key for its provider {}",
                model_without_key.id, model_without_key.provider
            );
            errors.push(field_error(location, NEEDS_KEY_KIND, &why));
        } else if listed_model.is_none() {
            let all_models = self.llm.models(user);
            let ids = || all_models.iter().map(|(model, _)| model.id.as_str());
            let name: String = name.chars().take(80).collect();
            let why = match closest_model(&name, ids()) {
                Some(id) => format!("no model is called {name:?}; did you mean {id}?"),
                None => {
                    let some: Vec<&str> = ids().take(20).collect();
                    format!(
                        "no model is called {name:?}; available: {}",
                        some.join(", ")
                    )
                }
            };
            errors.push(field_error(location, "unknown_model", &why));
        }
        listed_model
    }

    async fn check_pattern(
        &self,
        user: Option<&UserId>,
        id: &str,
        errors: &mut Vec<FieldError>,
    ) -> Result<()> {
        let patterns = self.patterns;
        if patterns.find(user, id).await?.is_none() {
            let ids = patterns.ids(user).await?;
            let mut message = format!("must be one of {}", ids.join(", "));
            if let Some(suggestion) = closest(id, ids.iter().map(String::as_str)) {
                message =
                    format!("there is no pattern {id:?}; did you mean {suggestion}? It {message}");
            }
            errors.push(field_error(
                &["body", "pattern"],
                "unknown_pattern",
                &message,
            ));
        }
        Ok(())
    }

    // Returns the default topic of a request: the pattern's category, so that votes are counted per kind of question.
    async fn category_of(&self, user: Option<&UserId>, id: &str) -> Result<String> {
        let stored_pattern = self.patterns.find(user, id).await?;
        Ok(stored_pattern.map_or_else(String::new, |pattern| pattern.category.clone()))
    }

    fn check_model_parameters(
        &self,
        user: Option<&UserId>,
        request: &Request,
        errors: &mut Vec<FieldError>,
    ) -> BTreeMap<String, Parameters> {
        let mut checked_parameters = BTreeMap::new();
        if request.model_parameters.len() > MAX_MEMBERS + 1 {
            errors.push(field_error(
                &["body", "model_parameters"],
                "too_long",
                "contains more models than a panel can have",
            ));
            return checked_parameters;
        }
        for (name, parameters) in &request.model_parameters {
            check_ranges(parameters, &["body", "model_parameters", name], errors);
            if let Some(model) = self.check_model(user, name, &["body", "model_parameters"], errors)
            {
                checked_parameters.insert(model.id, parameters.clone());
            }
        }
        checked_parameters
    }

    async fn check_ownership(&self, caller: &Caller, checked: &CheckedRequest) -> Result<()> {
        let (user, ids) = (caller.user.clone(), checked.documents.clone());
        let missing = self.store.read(move |db| {
            for id in ids {
                if documents::by_id(db, &user, &id)?.is_none() {
                    return Ok(Some(id));
                }
            }
            Ok(None)
        });
        match missing.await? {
            None => Ok(()),
            Some(id) => Err(Error::field(
                &["body", "document_ids"],
                "unknown_document",
                format!("there is no document {id}"),
            )),
        }
    }

    fn check_anonymous(&self, checked: &CheckedRequest, models: &[Model]) -> Result<()> {
        let allowed = self.allows_anonymous
            && checked.documents.is_empty()
            && !checked.request.detached
            && models.iter().all(|model| model.mock);
        if allowed {
            Ok(())
        } else {
            Err(Error::sign_in())
        }
    }
}

// Explains why no model can be called, given the configured providers. Guests can change nothing and learn no names.
fn no_model_text(providers: &[&str], is_guest: bool) -> String {
    match (is_guest, providers.is_empty()) {
        (true, _) => "no model is available; an administrator can configure a provider".to_owned(),
        (false, true) => {
            "no model is available: configure a provider or turn on the demo models".to_owned()
        }
        (false, false) => format!(
            "no model is available: none from {} is ready; see the Models page or run `quire models`",
            providers.join(", ")
        ),
    }
}

// Returns the task for a request with documents but no question, if its pattern has a default task.
fn default_task(request: &Request) -> Option<&'static str> {
    let has_documents = !request.document_ids.is_empty() || request.document_id.is_some();
    if !has_documents || !request.prompt.trim().is_empty() {
        return None;
    }
    match request.pattern.as_deref()? {
        "summarize" => Some("Summarize the documents."),
        "extract" => Some("Extract the names, dates, amounts, duties and deadlines."),
        _ => None,
    }
}

// Returns the error for an invalid request: `Unavailable` if models merely lack an API key, otherwise one with an entry
// per field.
fn invalid_request(errors: Vec<FieldError>) -> Error {
    if errors.iter().any(|error| error.kind != NEEDS_KEY_KIND) {
        return Error::fields(errors);
    }
    let mut why: Vec<String> = errors.into_iter().map(|error| error.message).collect();
    why.dedup();
    Error::new(
        Kind::Unavailable,
        format!("{NEEDS_KEY_KIND}: {}", why.join("; ")),
    )
    .resolve("add a provider with its key, or choose demo models")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_model_is_explained_without_names_for_guests() {
        let providers = ["openai", "local"];
        let why = no_model_text(&providers, false);
        assert!(why.contains("none from openai, local is ready"), "{why}");
        assert!(why.contains("Models page"), "{why}");
        let why = no_model_text(&providers, true);
        let is_not_named = |word: &&str| !why.contains(*word);
        assert!(
            providers.iter().chain(&["quire models"]).all(is_not_named),
            "{why}"
        );
    }
}
