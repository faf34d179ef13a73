//! From what a client sent to what can be run: names resolved, ranges checked, all faults told at once.

mod fields;
mod missing;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::Analyses;
use crate::app::error::FieldError;
use crate::app::{Error, Kind, Result};
use crate::domain::analysis::{CacheUse, Depth, NewAnalysis};
use crate::domain::chat::{Message, Passthrough};
use crate::domain::fit::ContextMode;
use crate::domain::id::{AnalysisId, ExperimentId, UserId};
use crate::domain::model::Model;
use crate::domain::money::MicroDollars;
use crate::domain::parameters::Parameters;
use crate::domain::tools::Tools;
use crate::domain::user::Caller;
use crate::store::documents;
use fields::{
    check_bars, check_documents, check_format, check_parameters, check_prompt, check_ranges,
    check_topic, field,
};

/// Characters of a question.
pub const MAX_PROMPT: usize = 200_000;
/// Members of a panel.
const MAX_MEMBERS: usize = 16;
/// Documents of an analysis.
const MAX_DOCUMENTS: usize = 20;
/// Characters of a topic.
const MAX_TOPIC: usize = 60;
/// The kind of the fault that a model has no key yet.
const NEEDS_KEY: &str = "needs_key";
const DEFAULT_PATTERN: &str = "confidence";
/// Members of a panel that nobody has chosen.
const USUAL_PANEL: usize = 3;

/// What a client sent, of the right types but otherwise unchecked.
#[derive(Debug, Clone, Default)]
pub struct AnalysisParams {
    /// The question.
    pub prompt: String,
    /// Names of models; empty for the default panel.
    pub models: Vec<String>,
    /// Pattern id; `confidence` when absent.
    pub pattern: Option<String>,
    /// Who writes the answer; chosen when absent.
    pub ultra_model: Option<String>,
    /// Ids of documents.
    pub documents: Vec<String>,
    /// How they are read.
    pub reading: ContextMode,
    /// For all members.
    pub parameters: Parameters,
    /// By model name, over the above.
    pub model_parameters: BTreeMap<String, Parameters>,
    /// Name of a preset, under the above.
    pub preset: Option<String>,
    /// In dollars.
    pub budget_usd: Option<f64>,
    /// Use of stored answers.
    pub cache: CacheUse,
    /// Stored answers that are older than so many seconds are not taken.
    pub cache_max_age_s: Option<u32>,
    /// Goes on when nobody watches.
    pub detached: bool,
    /// The shape of the one answer: `json_schema`, `json_object` or `text`, as OpenAI's clients send it.
    pub response_format: Option<Value>,
    /// What it is about; the pattern's family when absent.
    pub topic: Option<String>,
    /// Name or id of a recipe that fills what is not said here.
    pub recipe: Option<String>,
    /// Models that a recipe or an earlier analysis names, not the client: a missing one is left out and reported.
    pub inherited: Vec<String>,
    /// How much of the pattern is run; `standard` when absent.
    pub depth: Option<Depth>,
    /// First answers that agree at least this much spare what would follow.
    pub agreement: Option<f64>,
    /// How often one model is asked in the arrangement `self`.
    pub samples: Option<u32>,
    /// Which of several answers to one request this is.
    pub sample: u32,
    /// The analysis that this one repeats with a change, already known to be the caller's.
    pub parent: Option<AnalysisId>,
    /// Passages of documents at most.
    pub passages: Option<u32>,
    /// The experiment that asks for it.
    pub experiment: Option<ExperimentId>,
    /// The conversation that the prompt ends.
    pub turns: Vec<Message>,
    /// What the one who writes the answer may call.
    pub tools: Option<Arc<Tools>>,
    /// Fields of the client's that go to the one model unread.
    pub passthrough: Option<Arc<Passthrough>>,
    /// A program passes it on to a single model.
    pub passed_on: bool,
    /// A client reads the answer as it comes, over an API that cannot take anything back.
    pub is_live: bool,
}

impl Analyses<'_> {
    pub(in crate::app) async fn check(
        &self,
        caller: Option<&Caller>,
        mut wanted: AnalysisParams,
    ) -> Result<NewAnalysis> {
        // Boxed, because a recipe is checked as a request when it is saved, and the two would contain each other.
        let recipe = Box::pin(self.0.recipes().fill(caller, &mut wanted)).await?;
        let mut faults = Vec::new();
        if let Some(task) = usual_task(&wanted) {
            task.clone_into(&mut wanted.prompt);
        }
        check_prompt(&wanted.prompt, &mut faults);
        let user = caller.map(|caller| &caller.user);
        let notes = self.leave_out_missing(user, &mut wanted)?;
        self.confine(caller, &mut wanted).await?;
        let models = self.check_models(user, &wanted.models, &mut faults);
        let ultra = wanted
            .ultra_model
            .as_ref()
            .and_then(|name| self.check_model(user, name, &["body", "ultra_model"], &mut faults));
        let pattern = wanted
            .pattern
            .clone()
            .unwrap_or_else(|| DEFAULT_PATTERN.into());
        self.check_pattern(user, &pattern, &mut faults).await?;
        let parameters = check_parameters(&wanted, &mut faults);
        let model_parameters = self.check_model_parameters(user, &wanted, &mut faults);
        let documents = check_documents(&wanted.documents, &mut faults);
        let budget = wanted.budget_usd.and_then(|dollars| {
            let budget = MicroDollars::from_dollars(dollars);
            if budget.is_none() {
                faults.push(field(
                    &["body", "budget_usd"],
                    "out_of_range",
                    "must be an amount of at least 0",
                ));
            }
            budget
        });
        check_bars(&wanted, &mut faults);
        let format = check_format(wanted.response_format, &mut faults).await;
        let topic = check_topic(wanted.topic.as_deref(), &mut faults);
        if !faults.is_empty() {
            return Err(refusal(faults));
        }
        let topic = match topic {
            Some(topic) => topic,
            None => self.family_of(user, &pattern).await?,
        };
        let new = NewAnalysis {
            topic,
            prompt: wanted.prompt,
            models: models.iter().map(|model| model.id.clone()).collect(),
            pattern,
            ultra_model: ultra.as_ref().map(|model| model.id.clone()),
            documents,
            reading: wanted.reading,
            parameters,
            model_parameters,
            budget,
            cache: wanted.cache,
            cache_max_age_s: wanted.cache_max_age_s,
            detached: wanted.detached,
            format,
            depth: wanted.depth.unwrap_or_default(),
            agreement: wanted.agreement,
            samples: wanted.samples,
            sample: wanted.sample,
            parent: wanted.parent,
            recipe,
            passages: wanted.passages,
            experiment: wanted.experiment,
            turns: wanted.turns,
            tools: wanted.tools,
            passthrough: wanted.passthrough,
            key: caller.and_then(|caller| Some(caller.key.as_ref()?.id.clone())),
            passed_on: wanted.passed_on,
            is_live: wanted.is_live,
            notes,
        };
        match caller {
            Some(caller) => self.check_ownership(caller, &new).await?,
            None => self.check_anonymous(&new, models.iter().chain(&ultra))?,
        }
        Ok(new)
    }

    // What a confined key leaves open is chosen among what it allows.
    async fn confine(&self, caller: Option<&Caller>, wanted: &mut AnalysisParams) -> Result<()> {
        let Some(caller) = caller else { return Ok(()) };
        let confines = self.0.confines_of(caller).await?;
        if confines.models.is_empty() {
            return Ok(());
        }
        let within = self.0.within(&caller.user, &confines);
        let ids = within.into_iter().map(|model| model.id);
        if wanted.ultra_model.is_none() {
            wanted.ultra_model = ids.clone().next();
        }
        if wanted.models.is_empty() {
            wanted.models = ids.take(USUAL_PANEL).collect();
        }
        Ok(())
    }

    fn check_models(
        &self,
        user: Option<&UserId>,
        names: &[String],
        faults: &mut Vec<FieldError>,
    ) -> Vec<Model> {
        let chosen = if names.is_empty() {
            self.0.models().default_panel(user)
        } else {
            names.to_vec()
        };
        if chosen.is_empty() {
            faults.push(field(
                &["body", "models"],
                "value_error",
                "no model is available: configure a provider or switch the demo models on",
            ));
        }
        if chosen.len() > MAX_MEMBERS {
            faults.push(field(
                &["body", "models"],
                "too_long",
                &format!("at most {MAX_MEMBERS} models"),
            ));
            return Vec::new();
        }
        let mut models: Vec<Model> = Vec::new();
        for (index, name) in chosen.iter().enumerate() {
            let place = index.to_string();
            // A model that is named twice gives two samples.
            models.extend(self.check_model(user, name, &["body", "models", &place], faults));
        }
        models
    }

    fn check_model(
        &self,
        user: Option<&UserId>,
        name: &str,
        place: &[&str],
        faults: &mut Vec<FieldError>,
    ) -> Option<Model> {
        let found = self.0.llm.find(user, name);
        if let (None, Some(known)) = (&found, self.0.llm.needing_key(user, name)) {
            let why = format!("{name} is {}, which needs a key", known.id);
            faults.push(field(place, NEEDS_KEY, &why));
        } else if found.is_none() {
            let known: Vec<String> = self
                .0
                .llm
                .models(user)
                .into_iter()
                .take(20)
                .map(|(model, _)| model.id)
                .collect();
            let name: String = name.chars().take(80).collect();
            faults.push(field(
                place,
                "unknown_model",
                &format!(
                    "no model is called {name:?}; there are {}",
                    known.join(", ")
                ),
            ));
        }
        found
    }

    async fn check_pattern(
        &self,
        user: Option<&UserId>,
        id: &str,
        faults: &mut Vec<FieldError>,
    ) -> Result<()> {
        let patterns = self.0.patterns();
        if patterns.find(user, id).await?.is_none() {
            let ids = patterns.ids(user).await?.join(", ");
            let message = format!("must be one of {ids}");
            faults.push(field(&["body", "pattern"], "unknown_pattern", &message));
        }
        Ok(())
    }

    // What is asked with one kind of pattern is a topic of its own, where nobody says a better one.
    async fn family_of(&self, user: Option<&UserId>, id: &str) -> Result<String> {
        let found = self.0.patterns().find(user, id).await?;
        Ok(found.map_or_else(String::new, |pattern| pattern.category.clone()))
    }

    fn check_model_parameters(
        &self,
        user: Option<&UserId>,
        wanted: &AnalysisParams,
        faults: &mut Vec<FieldError>,
    ) -> BTreeMap<String, Parameters> {
        let mut checked = BTreeMap::new();
        if wanted.model_parameters.len() > MAX_MEMBERS + 1 {
            faults.push(field(
                &["body", "model_parameters"],
                "too_long",
                "more models than a panel may have",
            ));
            return checked;
        }
        for (name, parameters) in &wanted.model_parameters {
            check_ranges(parameters, &["body", "model_parameters", name], faults);
            if let Some(model) = self.check_model(user, name, &["body", "model_parameters"], faults)
            {
                checked.insert(model.id, parameters.clone());
            }
        }
        checked
    }

    async fn check_ownership(&self, caller: &Caller, new: &NewAnalysis) -> Result<()> {
        let (user, wanted) = (caller.user.clone(), new.documents.clone());
        let missing = self.0.store.read(move |db| {
            for id in wanted {
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

    fn check_anonymous<'m>(
        &self,
        new: &NewAnalysis,
        mut models: impl Iterator<Item = &'m Model>,
    ) -> Result<()> {
        let allowed = self.0.allows_anonymous()
            && new.documents.is_empty()
            && !new.detached
            && models.all(|model| model.mock);
        if allowed {
            Ok(())
        } else {
            Err(Error::sign_in())
        }
    }
}

// Of a document it is clear what these two patterns do with it.
fn usual_task(wanted: &AnalysisParams) -> Option<&'static str> {
    if wanted.documents.is_empty() || !wanted.prompt.trim().is_empty() {
        return None;
    }
    match wanted.pattern.as_deref()? {
        "summarize" => Some("Summarize the documents."),
        "extract" => Some("Extract the names, dates, amounts, duties and deadlines."),
        _ => None,
    }
}

// Models that only lack a key are not unknown: they are not there yet.
fn refusal(faults: Vec<FieldError>) -> Error {
    if faults.iter().any(|fault| fault.kind != NEEDS_KEY) {
        return Error::fields(faults);
    }
    let mut why: Vec<String> = faults.into_iter().map(|fault| fault.message).collect();
    why.dedup();
    Error::new(
        Kind::Unavailable,
        format!("{NEEDS_KEY}: {}", why.join("; ")),
    )
    .resolve("add a provider with its key, or choose demo models")
}
