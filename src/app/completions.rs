//! Requests of the compatible APIs. A model ID calls that model and relays its answer; `quire/` followed by the
//! name of a pattern or recipe runs a panel, which is an analysis. Both have the same budgets, prices, and
//! cancellation.

mod answer;

use std::sync::Arc;

use super::analyses::{Analyses, MAX_PROMPT, StartedRun};
use super::key_limits::KeyLimitService;
use super::models::ModelService;
use super::patterns::Patterns;
use super::recipes::Recipes;
use super::{Error, Kind, Result};
use crate::domain::chat::{Message, MessageRole, Passthrough, image_tokens};
use crate::domain::id::UserId;
use crate::domain::model::{Availability, Model};
use crate::domain::plan::EvidenceMode;
use crate::domain::request::{EvidenceRequest, Request, RunContext};
use crate::domain::time::Timestamp;
use crate::domain::tools::Tools;
use crate::domain::user::Caller;
pub use answer::Completion;

pub use crate::engine::StreamPermit;
use crate::llm::{Llm, RetiredModel};
use crate::wire::serve_openai::{ChatRequest, sanitize_field_name};
use crate::wire::{ApiFormat, cache_marks, passthrough};

/// Prefix of the model names that stand for patterns and recipes.
pub const PANEL_NAME_PREFIX: &str = "quire/";
/// The field that selects the members of a panel, as OpenRouter's clients send it.
const MEMBERS_FIELD: &str = "models";
/// The field with Quire-specific settings for a panel.
const SETTINGS_FIELD: &str = "quire";
/// Maximum number of ignored fields to report.
const MAX_IGNORED: usize = 20;
/// The pattern that sends the prompt to one model unchanged.
const PLAIN_PATTERN: &str = "plain";

/// Use cases of the compatible APIs: list model names, and start completions.
#[derive(Clone, Copy)]
pub struct Completions<'a> {
    pub(super) llm: &'a Llm,
    pub(super) models: ModelService<'a>,
    pub(super) patterns: Patterns<'a>,
    pub(super) recipes: Recipes<'a>,
    pub(super) key_limits: KeyLimitService<'a>,
    pub(super) analyses: Analyses<'a>,
}

/// A name that a client can send as `model`.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelName {
    /// The model; `None` for a panel.
    pub model: Option<Model>,
    /// ID that clients send.
    pub id: String,
    /// Owner: the model's provider, or `quire` for patterns and recipes.
    pub owner: String,
    /// Creation time, if known.
    pub created: Option<Timestamp>,
    /// Set if the provider no longer lists the model.
    pub retired: Option<RetiredModel>,
    /// Models of a recipe that no longer exist or are no longer listed.
    pub retired_members: Vec<String>,
}

/// A completion request that was accepted and whose run has started.
pub struct StartedCompletion {
    /// The run that produces the answer.
    pub run: StartedRun,
    /// Fields of the request that no provider receives, and models of the recipe that no longer exist. Truncated if
    /// there are many.
    pub ignored_fields: Vec<String>,
    /// Whether a panel answers rather than a single model.
    pub is_panel: bool,
    /// Whether the answer of a single model is relayed, in which case its reasoning is shown. Also true for a panel
    /// that continues after tool results, because only its synthesizer answers.
    pub is_passthrough: bool,
}

impl Completions<'_> {
    /// Lists every name that the caller can send as `model`.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub async fn names(&self, caller: &Caller) -> Result<Vec<ModelName>> {
        let user = &caller.user;
        let limits = self.key_limits.limits_of(caller).await?;
        let ready = self.llm.models(Some(user)).into_iter();
        let ready =
            ready.filter(|(model, state)| *state == Availability::Ready && limits.allow(&model.id));
        let model_name = |model| self.model_name_of(caller, model);
        let mut names: Vec<ModelName> = ready.map(|(model, _)| model_name(model)).collect();
        let panel_name = |id: String, created| ModelName {
            model: None,
            id: format!("{PANEL_NAME_PREFIX}{id}"),
            owner: "quire".to_owned(),
            created,
            retired: None,
            retired_members: Vec::new(),
        };
        let patterns = self.patterns.ids(Some(user)).await?;
        let recipes = self.recipes.list(user).await?;
        for recipe in recipes {
            if !patterns.contains(&recipe.name) {
                let retired = self
                    .models
                    .retired_models_of(user, &recipe.settings)
                    .into_iter();
                names.push(ModelName {
                    retired_members: retired.map(|(name, _)| name).collect(),
                    ..panel_name(recipe.name, Some(recipe.created))
                });
            }
        }
        names.extend(patterns.into_iter().map(|id| panel_name(id, None)));
        Ok(names)
    }

    /// Finds a name that the caller can send as `model`, by ID or alias.
    ///
    /// # Errors
    /// `Missing` if there is none. Also fails if the store cannot be read.
    pub async fn name(&self, caller: &Caller, id: &str) -> Result<ModelName> {
        let limits = self.key_limits.limits_of(caller).await?;
        let model = self.llm.find(Some(&caller.user), id);
        let model =
            model.filter(|model| !id.starts_with(PANEL_NAME_PREFIX) && limits.allow(&model.id));
        if let Some(model) = model {
            return Ok(self.model_name_of(caller, model));
        }
        let names = self.names(caller).await?;
        let name_entry = names.into_iter().find(|name| name.id == id);
        name_entry.ok_or_else(|| unknown_model_error(id))
    }

    /// Reserves slots for several answers to one request, without starting anything.
    ///
    /// # Errors
    /// `TooFast` if the server or the caller has no free slots; `Unavailable` during shutdown.
    pub async fn reserve(&self, caller: &Caller, count: usize) -> Result<StreamPermit> {
        self.analyses.reserve_streams(caller, count).await
    }

    fn model_name_of(&self, caller: &Caller, model: Model) -> ModelName {
        ModelName {
            id: model.id.clone(),
            owner: model.provider.clone(),
            created: None,
            retired: self.llm.retired_model(Some(&caller.user), &model.id),
            retired_members: Vec::new(),
            model: Some(model),
        }
    }

    /// Starts a completion. Dropping the guard of the returned run stops it, as when the connection closes. `thread` is
    /// the history thread to which a panel's answer is added; `reserved` holds the slots for a single model's answers.
    ///
    /// # Errors
    /// `Missing` for an unknown model or recipe, and the errors of `Analyses::start`.
    pub async fn start(
        &self,
        caller: &Caller,
        chat_request: ChatRequest,
        thread: Option<&str>,
        now: Timestamp,
        reserved: Option<&StreamPermit>,
    ) -> Result<StartedCompletion> {
        let mut ignored = chat_request.ignored_fields.clone();
        ignored.extend(self.unsupported_fields(caller, &chat_request));
        let (request, mut context, is_panel) = Box::pin(self.request(caller, chat_request)).await?;
        if let Some(thread) = thread.filter(|_| is_panel) {
            Box::pin(self.analyses.join_thread(caller, thread, &mut context)).await?;
        }
        ignored.extend(Box::pin(self.missing_members(caller, &request)).await?);
        ignored.truncate(MAX_IGNORED);
        let is_passthrough = context.is_passthrough;
        // Boxed, because the request waits for its first token in this future and would otherwise keep the memory
        // of everything before it (measured: 62 KB).
        let run = match is_panel {
            true => Box::pin(self.analyses.start(Some(caller), request, context, now)).await?,
            false => {
                let relayed = self
                    .analyses
                    .run_passthrough(caller, request, context, now, reserved);
                Box::pin(relayed).await?
            }
        };
        Ok(StartedCompletion {
            run,
            ignored_fields: ignored,
            is_panel,
            is_passthrough,
        })
    }

    // Returns the recipe's models that no longer exist. They are reported in a header, because a stream's headers are
    // sent before its notes are known.
    async fn missing_members(&self, caller: &Caller, request: &Request) -> Result<Vec<String>> {
        let (Some(name), user) = (&request.recipe, &caller.user) else {
            return Ok(Vec::new());
        };
        let recipe = self.recipes.find(user, name).await?.settings;
        let (writer, mut models) = (recipe.ultra_model, recipe.models);
        if !request.models.is_empty() {
            models.clear();
        }
        let is_missing = |name: &String| self.llm.find(Some(user), name).is_none();
        let models = models.iter().filter(|name| is_missing(name));
        let writer = writer.iter().filter(|name| is_missing(name));
        let models = models.map(|name| format!("models: {}", sanitize_field_name(name)));
        let writer = writer.map(|name| format!("ultra_model: {}", sanitize_field_name(name)));
        Ok(models.chain(writer).collect())
    }

    // Returns the request fields that are not passed on to any provider. A panel passes on none of the fields that
    // Quire does not interpret, because it calls several providers, and not all of them use the client's API format.
    fn unsupported_fields(&self, caller: &Caller, chat_request: &ChatRequest) -> Vec<String> {
        let kind = self.llm.kind_of(Some(&caller.user), &chat_request.model);
        let is_forwarded = |name: &str| {
            kind.is_some_and(|kind| passthrough::is_sent_to(kind, &chat_request.passthrough, name))
        };
        let is_panel = chat_request.model.starts_with(PANEL_NAME_PREFIX);
        // A thinking budget reaches every provider, if only as an effort level.
        let is_effort = |name: &str| {
            let value = chat_request.passthrough.fields.get("thinking");
            name == "thinking" && value.is_some_and(|field| field["type"] == "enabled")
        };
        let names = chat_request.passthrough.fields.keys();
        let names = names.filter(|name| {
            !(is_forwarded(name)
                || is_panel && [MEMBERS_FIELD, SETTINGS_FIELD].contains(&name.as_str())
                || is_effort(name))
        });
        let mut ignored: Vec<String> = names.map(|name| sanitize_field_name(name)).collect();
        // The name in a tool result is not lost, because it is known from the call.
        let has_speaker_name = |turn: &Message| turn.name.is_some() && turn.result_of.is_none();
        if kind != Some(ApiFormat::OpenAi) && chat_request.turns.iter().any(has_speaker_name) {
            ignored.push("messages.name".to_owned());
        }
        let marks = cache_marks::has_marks(&chat_request.turns, chat_request.tools.as_deref());
        if kind != Some(ApiFormat::Anthropic) && marks {
            ignored.push("cache_control".to_owned());
        }
        ignored
    }

    /// Builds the analysis request for a chat request, and returns whether it is for a panel.
    async fn request(
        &self,
        caller: &Caller,
        chat_request: ChatRequest,
    ) -> Result<(Request, RunContext, bool)> {
        let turns = chat_request.turns.iter().rev();
        let mut questions =
            turns.filter(|turn| turn.role == MessageRole::User && !turn.text.trim().is_empty());
        let question = questions.next().map(|turn| turn.text.clone());
        let request = Request {
            prompt: question.unwrap_or_else(|| "(no question in words)".to_owned()),
            parameters: chat_request.parameters,
            response_format: chat_request.format,
            ..Request::default()
        };
        let context = RunContext {
            turns: chat_request.turns,
            tools: chat_request.tools,
            sample: chat_request.sample,
            is_live: chat_request.stream,
            ..RunContext::default()
        };
        let Some(name) = chat_request.model.strip_prefix(PANEL_NAME_PREFIX) else {
            let passthrough = chat_request.passthrough;
            let single = self.single(caller, &chat_request.model, passthrough, request, context);
            return single.map(|(request, context)| (request, context, false));
        };
        if chat_request.choices > 1 {
            let why = "a panel gives one answer: n above 1 works only with a single model";
            return Err(Error::field(&["n"], "value_error", why));
        }
        let members = members(&chat_request.passthrough)?;
        let request = Request {
            evidence: Some(evidence(&chat_request.passthrough)?),
            ..request
        };
        // Boxed, so that a single model's request does not need the memory of a panel's.
        let panel = self.panel(caller, name, members, request, context);
        let (request, context) = Box::pin(panel).await?;
        Ok((request, context, true))
    }

    /// Builds the request to a single model, with the whole conversation and any fields that Quire does not
    /// interpret.
    fn single(
        &self,
        caller: &Caller,
        name: &str,
        passthrough: Passthrough,
        mut request: Request,
        mut context: RunContext,
    ) -> Result<(Request, RunContext)> {
        let user = Some(&caller.user);
        let model = self.llm.find(user, name).ok_or_else(|| {
            let model_without_key = self.llm.model_without_key(user, name);
            model_without_key.map_or_else(
                || unknown_model_error(name),
                |model_without_key| missing_key_error(name, &model_without_key),
            )
        })?;
        let has_images = context.turns.iter().any(|turn| !turn.images.is_empty());
        if has_images && model.rejects_images() {
            let why = format!("{} does not accept images", model.id);
            return Err(
                Error::new(Kind::BadRequest, why).resolve("choose a model that accepts images")
            );
        }
        context.passthrough = Some(Arc::new(passthrough)).filter(|value| !value.fields.is_empty());
        context.is_passthrough = true;
        // The whole conversation is passed on. The question only names the run, so a long one can be truncated.
        if let Some((end, _)) = request.prompt.char_indices().nth(MAX_PROMPT) {
            request.prompt.truncate(end);
        }
        request.models = vec![model.id];
        request.pattern = Some(PLAIN_PATTERN.to_owned());
        Ok((request, context))
    }

    /// Returns the request and context of a panel run. `name` is a pattern, a recipe, or both as `pattern:recipe`.
    /// After tool results, only the synthesizer answers.
    async fn panel(
        &self,
        caller: &Caller,
        name: &str,
        members: Vec<String>,
        mut request: Request,
        mut context: RunContext,
    ) -> Result<(Request, RunContext)> {
        // Several vendors are called, and not all of them accept these fields.
        for turn in &mut context.turns {
            (turn.name, turn.cache_marks) = (None, Vec::new());
        }
        if let Some(tools) = &mut context.tools {
            let tools = Arc::make_mut(tools).list.iter_mut();
            tools.for_each(|tool| tool.cache_control = None);
        }
        end_with_question(&mut request, &mut context);
        request.models = members;
        let (pattern, recipe) = match name.split_once(':') {
            Some((pattern, recipe)) => (Some(pattern), Some(recipe)),
            None if self.is_pattern(&caller.user, name).await? => (Some(name), None),
            None => (None, Some(name)),
        };
        if let Some(recipe) = recipe {
            let stored_recipe = self.recipes.find(&caller.user, recipe).await;
            stored_recipe.map_err(|error| match error.kind {
                Kind::Missing => unknown_model_error(&format!("{PANEL_NAME_PREFIX}{name}")),
                _ => error,
            })?;
            // The recipe's prompt template applies to the question.
            request.recipe = Some(recipe.to_owned());
        }
        request.pattern = pattern.map(str::to_owned);
        if context.tools.is_some() && context.turns.last().is_some_and(is_tool_result) {
            return self.continue_after_tools(caller, request, context).await;
        }
        Ok((request, context))
    }

    /// Continues with the synthesizer alone after tool results: the panel already advised on the user's turn.
    async fn continue_after_tools(
        &self,
        caller: &Caller,
        mut request: Request,
        mut context: RunContext,
    ) -> Result<(Request, RunContext)> {
        let writer = self
            .analyses
            .synthesizer_of(caller, request.clone(), context.clone());
        request.models = vec![writer.await?];
        request.pattern = Some(PLAIN_PATTERN.to_owned());
        request.recipe = None;
        context.is_passthrough = true;
        Ok((request, context))
    }

    async fn is_pattern(&self, user: &UserId, name: &str) -> Result<bool> {
        Ok(self.patterns.find(Some(user), name).await?.is_some())
    }
}

// Decides whether a model compares a panel's answers. API clients wait for the end of the run, so this happens only on
// request, with `quire.evidence`.
fn evidence(passthrough: &Passthrough) -> Result<EvidenceRequest> {
    let value = passthrough
        .fields
        .get(SETTINGS_FIELD)
        .map(|settings| &settings["evidence"]);
    match value.filter(|value| !value.is_null()) {
        None => Ok(EvidenceRequest::Mode(EvidenceMode::Off)),
        Some(value) => serde_json::from_value(value.clone()).map_err(|why| {
            Error::field(
                &[SETTINGS_FIELD, "evidence"],
                "value_error",
                why.to_string(),
            )
        }),
    }
}

/// Returns the members chosen by the client; empty if the pattern or recipe decides.
fn members(passthrough: &Passthrough) -> Result<Vec<String>> {
    let Some(value) = passthrough.fields.get(MEMBERS_FIELD) else {
        return Ok(Vec::new());
    };
    let list = value.as_array().map_or(&[][..], Vec::as_slice);
    let names = list.iter().map(|name| name.as_str().map(str::to_owned));
    let names: Option<Vec<String>> = names.collect();
    names.filter(|names| !names.is_empty()).ok_or_else(|| {
        Error::field(
            &[MEMBERS_FIELD],
            "value_error",
            "models must be a list of model names",
        )
    })
}

/// Ends the conversation with the question that a panel answers. A prefill (an answer that the client has already
/// begun) becomes part of the question.
fn end_with_question(request: &mut Request, context: &mut RunContext) {
    let mut prefill = Vec::new();
    while let Some(turn) = context
        .turns
        .pop_if(|turn| turn.role == MessageRole::Assistant && turn.calls.is_empty())
    {
        prefill.push(turn.text);
    }
    if prefill.is_empty() {
        return;
    }
    prefill.reverse();
    let prefill = prefill.join("\n\n");
    let Some(last) = context
        .turns
        .last_mut()
        .filter(|turn| turn.result_of.is_none())
    else {
        request.prompt.clone_from(&prefill);
        context.turns.push(Message::new(MessageRole::User, prefill));
        return;
    };
    let question = &last.text;
    last.text = format!(
        "{question}\n\nThe answer has begun. Continue it from exactly this point:\n{prefill}"
    );
    request.prompt.clone_from(&last.text);
}

/// Returns the approximate number of tokens in a conversation.
pub fn estimated_tokens(chat_request: &ChatRequest) -> u64 {
    let turns = chat_request.turns.iter();
    // Each turn has an overhead of about 4 tokens.
    let turns: u64 = turns
        .map(|turn| turn.tokens() + image_tokens(turn.images.len()) + 4)
        .sum();
    turns + chat_request.tools.as_deref().map_or(0, Tools::tokens)
}

fn is_tool_result(turn: &Message) -> bool {
    turn.result_of.is_some()
}

fn missing_key_error(name: &str, model: &Model) -> Error {
    let why = format!("needs_key: {name} is {}, which needs a key", model.id);
    Error::new(Kind::Unavailable, why)
        .resolve("add a provider with its key, or choose a demo model")
}

fn unknown_model_error(id: &str) -> Error {
    let printable_id: String = id.chars().filter(|c| !c.is_control()).take(80).collect();
    let why = format!("the model {printable_id:?} does not exist or you do not have access to it");
    Error::new(Kind::Missing, why).resolve("GET /v1/models lists those that do")
}
