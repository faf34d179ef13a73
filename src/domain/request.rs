//! An analysis request: parsed once from a client's JSON, validated once, stored, and read back by reruns,
//! recipes, experiments, MCP, and the CLI. The data that the server adds is its `RunContext`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::answer::StageAnswer;
use super::chat::{Format, Message, MessageRole, Passthrough};
use super::context_mode::ContextMode;
use super::id::{AnalysisId, DocumentId, ExperimentId, KeyId, ProjectId, ThreadId};
use super::parameters::Parameters;
use super::plan::{CacheUse, Depth, EvidenceMode, is_first};
use super::tools::Tools;

/// Pattern used if a request names none.
pub const DEFAULT_PATTERN: &str = "confidence";

/// The fields that a client sends. Aliases are the names used by Quire's predecessor.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    /// The question; in a recipe, the template into which it is inserted.
    #[serde(alias = "query", skip_serializing_if = "String::is_empty")]
    pub prompt: String,
    /// Names of models, which validation replaces with full IDs. If empty, the default panel is used. A model
    /// named twice gives two samples.
    #[serde(alias = "selected_models", skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// ID of the pattern; `DEFAULT_PATTERN` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The synthesizer; selected automatically if absent.
    #[serde(alias = "lead_model", skip_serializing_if = "Option::is_none")]
    pub ultra_model: Option<String>,
    /// IDs of the documents to use as context.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub document_ids: Vec<String>,
    /// One more document, in the field that Quire's predecessor used; validation appends it to the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_id: Option<String>,
    /// Context mode: how the documents are put into prompts.
    #[serde(skip_serializing_if = "is_default")]
    pub reading: ContextMode,
    /// Parameters of all members.
    #[serde(alias = "options")]
    pub parameters: Parameters,
    /// Overrides of `parameters` for individual members, by model.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub model_parameters: BTreeMap<String, Parameters>,
    /// Name of a preset. Values in `parameters` take precedence over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Budget of the run in dollars. The cost of each call is reserved before it starts; a call that does not fit is
    /// not made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_usd: Option<f64>,
    /// How the answer cache is used for this request.
    #[serde(skip_serializing_if = "is_default")]
    pub cache: CacheUse,
    /// Maximum age in seconds of a stored answer that may be reused; no additional limit if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_max_age_s: Option<u32>,
    /// Whether the response is a stream of events.
    #[serde(skip_serializing)]
    pub stream: bool,
    /// Whether the run continues without a connected client and after a server restart.
    #[serde(rename = "async", skip_serializing_if = "is_default")]
    pub detached: bool,
    /// Required format of the answer, as OpenAI's clients send it: `json_schema`, `json_object`, or `text`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<Value>,
    /// Topic under which votes on the result are counted; the pattern's category if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Name or ID of the recipe that supplies omitted settings. `None` once validated: see
    /// `RunContext::recipe`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
    /// How much of the pattern runs; `standard` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<Depth>,
    /// Skip the remaining stages if the first answers agree at least this much, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_when_agreed: Option<f64>,
    /// Whether a vote first calls a majority of the members, and calls the others only if they can change the result;
    /// true if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adaptive: Option<bool>,
    /// Number of samples of the single model in the `self` arrangement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<u32>,
    /// Whether a model compares the answers, and which one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceRequest>,
    /// Maximum number of document passages; as many as fit if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passages: Option<u32>,
    /// The analysis that this question follows. `None` once validated: see `RunContext::follows`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow_up_to: Option<String>,
    /// The thread whose latest turn this question follows; `None` once validated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// The turn whose question this one replaces, in a new branch next to it; `None` once validated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edit_of: Option<String>,
    /// The stopped turn to continue; the result is a new turn next to it. `None` once validated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continue_of: Option<String>,
    /// A stopped turn. The answer is written from its drafts, in a new turn next to it. `None` once validated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_from: Option<String>,
    /// The project of a new thread; `None` once validated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Whether a follow-up also uses the documents of the turn that it follows; true if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_documents: Option<bool>,
}

/// Whether a model compares the answers of a run: a mode, or a mode and a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "must be auto, on, off, or an object with mode and model"
)]
pub enum EvidenceRequest {
    /// A mode; the synthesizer judges.
    Mode(EvidenceMode),
    /// A mode and a judge.
    Detailed(EvidenceChoice),
}

/// A mode together with the model that judges.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvidenceChoice {
    /// Whether a model compares the answers, and under which conditions.
    pub mode: EvidenceMode,
    /// Name of the judging model; the synthesizer if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl EvidenceRequest {
    /// Returns whether a model compares the answers, and under which conditions.
    pub fn mode(&self) -> EvidenceMode {
        match self {
            Self::Mode(mode) => *mode,
            Self::Detailed(choice) => choice.mode,
        }
    }
    /// Returns the name of the judging model; `None` if it is the synthesizer.
    pub fn model(&self) -> Option<&str> {
        match self {
            Self::Mode(_) => None,
            Self::Detailed(choice) => choice.model.as_deref(),
        }
    }
}

/// The fields that a recipe can set. `Request::fill` copies all of them except `prompt`, which is a template.
pub const RECIPE_FIELDS: [&str; 14] = [
    "prompt",
    "models",
    "pattern",
    "ultra_model",
    "parameters",
    "model_parameters",
    "preset",
    "depth",
    "stop_when_agreed",
    "adaptive",
    "samples",
    "evidence",
    "budget_usd",
    "passages",
];

/// Aliases of fields, each with the canonical name.
const FIELD_ALIASES: [(&str, &str); 4] = [
    ("query", "prompt"),
    ("selected_models", "models"),
    ("lead_model", "ultra_model"),
    ("options", "parameters"),
];

/// Context that the server adds to a client's request.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RunContext {
    /// The conversation, including the question as its last turn; empty for a standalone question.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<Message>,
    /// Tools that the model writing the answer may call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Arc<Tools>>,
    /// Uninterpreted client fields, passed to the single model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passthrough: Option<Arc<Passthrough>>,
    /// Whether an API client's call was passed through to a single model; such runs are left out of the history.
    #[serde(skip_serializing_if = "is_default")]
    #[serde(rename = "passed_on")]
    pub is_passthrough: bool,
    /// Index of this answer among several answers to one request, from 0.
    #[serde(skip_serializing_if = "is_first")]
    pub sample: u32,
    /// The analysis of which this one is a rerun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<AnalysisId>,
    /// The recipe that supplied omitted settings, with its version: `brief@3`.
    #[serde(rename = "filled_by", skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
    /// The experiment that started this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experiment: Option<ExperimentId>,
    /// The API key used for the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
    /// Whether a client streams the answer over an API that cannot retract text.
    #[serde(skip)]
    pub is_live: bool,
    /// Models named by a recipe or an earlier analysis rather than by the client. If one of them no longer
    /// exists, it is skipped and reported.
    #[serde(skip)]
    pub inherited: Vec<String>,
    /// First answers that already exist, by member name. If there are any, only the synthesis is left to write.
    #[serde(skip)]
    pub drafts: Vec<StageAnswer>,
    /// The run's thread; `None` for a run outside the history, or one that begins a new thread.
    #[serde(skip)]
    pub thread: Option<ThreadId>,
    /// The turn that the question follows; `None` for the first turn of a thread.
    #[serde(skip)]
    pub follows: Option<AnalysisId>,
    /// The project of the thread that the question begins.
    #[serde(skip)]
    pub project: Option<ProjectId>,
    /// The beginning of the answer that the run continues; empty for any other question.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[serde(rename = "begun")]
    pub answer_prefix: String,
    /// Whether only one model answers this turn of a thread. Later turns continue with the panel of the latest turn
    /// that a panel answered.
    #[serde(skip_serializing_if = "is_default")]
    #[serde(rename = "is_aside")]
    pub is_single_model: bool,
    /// Whether `turns` holds a thread's earlier turns, which are shortened to fit each member's context window.
    #[serde(skip_serializing_if = "is_default")]
    pub is_threaded: bool,
}

impl Request {
    /// Returns the pattern ID, or the default.
    pub fn pattern(&self) -> &str {
        self.pattern.as_deref().unwrap_or(DEFAULT_PATTERN)
    }
    /// Returns the topic of a validated request.
    pub fn topic(&self) -> &str {
        self.topic.as_deref().unwrap_or_default()
    }
    /// Returns the document IDs of a validated request.
    pub fn documents(&self) -> Vec<DocumentId> {
        let ids = self.document_ids.iter();
        ids.filter_map(|id| DocumentId::parse(id)).collect()
    }
    /// Returns the names of all models: members, synthesizer, those with their own parameters, and the judge.
    pub fn named_models(&self) -> Vec<String> {
        let models = self.models.iter().chain(&self.ultra_model);
        let models = models.chain(self.model_parameters.keys()).cloned();
        let judge = self.evidence.as_ref().and_then(EvidenceRequest::model);
        models.chain(judge.map(str::to_owned)).collect()
    }
    /// Fills omitted settings from `defaults`. Only fields that a recipe can set are filled.
    pub fn fill(&mut self, defaults: Self) {
        if self.models.is_empty() {
            self.models = defaults.models;
        }
        self.pattern = self.pattern.take().or(defaults.pattern);
        self.ultra_model = self.ultra_model.take().or(defaults.ultra_model);
        self.parameters = self.parameters.overlay(&defaults.parameters);
        for (model, parameters) in defaults.model_parameters {
            let own_parameters = self.model_parameters.entry(model).or_default();
            *own_parameters = own_parameters.overlay(&parameters);
        }
        self.preset = self.preset.take().or(defaults.preset);
        self.depth = self.depth.or(defaults.depth);
        self.stop_when_agreed = self.stop_when_agreed.or(defaults.stop_when_agreed);
        self.adaptive = self.adaptive.or(defaults.adaptive);
        self.samples = self.samples.or(defaults.samples);
        self.evidence = self.evidence.take().or(defaults.evidence);
        self.budget_usd = self.budget_usd.or(defaults.budget_usd);
        self.passages = self.passages.or(defaults.passages);
    }
    /// Returns the name of a field that this request sets but a recipe cannot contain.
    pub fn field_outside_recipe(&self) -> Option<String> {
        match json!(self) {
            Value::Object(fields) => fields
                .into_iter()
                .map(|(name, _)| name)
                .find(|name| !RECIPE_FIELDS.contains(&name.as_str())),
            _ => None,
        }
    }
    /// Returns the request's JSON with these fields replaced. Aliases are recognized, and null removes a field.
    pub fn merged(&self, changes: Map<String, Value>) -> Value {
        let mut fields = match json!(self) {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        for (name, value) in changes {
            let alias = FIELD_ALIASES.iter().find(|(alias, _)| *alias == name);
            let name = alias.map_or(name, |(_, canonical)| (*canonical).to_owned());
            match value {
                Value::Null => fields.remove(&name),
                value => fields.insert(name, value),
            };
        }
        Value::Object(fields)
    }
}

impl RunContext {
    /// Replaces the text of the latest user turn that consists of `old`.
    pub fn replace_question(&mut self, old: &str, new: &str) {
        let turns = self.turns.iter_mut().rev();
        let mut questions = turns.filter(|turn| turn.role == MessageRole::User);
        if let Some(last) = questions.find(|turn| turn.text == old) {
            new.clone_into(&mut last.text);
        }
    }
}

/// Serializes a validated request with its context as the single object that the database and archives hold.
///
/// # Errors
/// Returns an error if a value cannot be serialized as JSON.
pub fn to_stored(request: &Request, context: &RunContext) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct StoredFields<'a> {
        #[serde(flatten)]
        request: &'a Request,
        #[serde(flatten)]
        context: &'a RunContext,
    }
    serde_json::to_string(&StoredFields { request, context })
}

/// The object written by `to_stored`, by this or an older version. The last fields have names from older versions.
#[derive(Debug, Deserialize)]
pub struct StoredRequest {
    #[serde(flatten)]
    request: Request,
    #[serde(flatten)]
    context: RunContext,
    #[serde(default)]
    documents: Vec<String>,
    budget: Option<f64>,
    #[serde(default)]
    detached: bool,
    format: Option<Format>,
    agreement: Option<f64>,
}

impl StoredRequest {
    /// Returns the request and its context, with values from older fields moved to the current ones.
    pub fn into_request(self) -> (Request, RunContext) {
        let (mut request, mut context) = (self.request, self.context);
        request.document_ids.extend(self.documents);
        request.budget_usd = request.budget_usd.or(self.budget);
        request.detached |= self.detached;
        request.response_format = request
            .response_format
            .or(self.format.as_ref().map(Format::to_request_json));
        request.stop_when_agreed = request.stop_when_agreed.or(self.agreement);
        // Requests stored before this field existed ran the whole pattern.
        request.depth.get_or_insert(Depth::Full);
        context.recipe = context.recipe.or(request.recipe.take());
        (request, context)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_request_round_trips() {
        let request = Request {
            prompt: "Why?".to_owned(),
            models: vec!["demo/a".to_owned(), "demo/a".to_owned()],
            document_ids: vec!["d".to_owned()],
            reading: ContextMode::Parts,
            budget_usd: Some(1.234_567),
            cache: CacheUse::Refresh,
            detached: true,
            response_format: Some(json!({ "type": "json_object" })),
            depth: Some(Depth::Quick),
            parameters: Parameters {
                seed: Some(i64::MIN),
                ..Parameters::default()
            },
            ..Request::default()
        };
        let context = RunContext {
            turns: vec![Message::new(MessageRole::User, "Why?".to_owned())],
            sample: 2,
            recipe: Some("brief@3".to_owned()),
            passthrough: Some(Arc::new(Passthrough {
                format: "openai".to_owned(),
                fields: Map::from_iter([("n".to_owned(), json!(1e300))]),
            })),
            ..RunContext::default()
        };
        let text = to_stored(&request, &context).expect("JSON");
        let stored_request: StoredRequest = serde_json::from_str(&text).expect("stored");
        assert_eq!(stored_request.into_request(), (request, context));
    }

    #[test]
    fn requests_of_older_versions_are_read() {
        let old = json!({
            "prompt": "Why?", "models": ["demo/a"], "pattern": "gut", "ultra_model": null, "documents": ["d"],
            "parameters": {}, "model_parameters": {}, "budget": 1.5, "cache": "on", "detached": true,
            "format": {"name": "n", "schema": {"type": "object"}, "strict": true}, "agreement": 0.5,
            "recipe": "brief@3", "key": null, "topic": "paper", "sample": 1,
        });
        let stored_request: StoredRequest = serde_json::from_value(old).expect("stored");
        let (request, context) = stored_request.into_request();
        assert_eq!(request.document_ids, ["d"]);
        assert_eq!(
            (request.budget_usd, request.stop_when_agreed),
            (Some(1.5), Some(0.5))
        );
        assert!(request.detached && request.recipe.is_none());
        assert_eq!(request.depth, Some(Depth::Full), "as all ran then");
        let format = request.response_format.expect("a format");
        assert_eq!(format["json_schema"]["strict"], true);
        assert_eq!(
            (context.recipe.as_deref(), context.sample),
            (Some("brief@3"), 1)
        );
    }

    #[test]
    fn changes_replace_fields_under_any_of_their_names() {
        let old = Request {
            prompt: "Why?".to_owned(),
            models: vec!["a".to_owned()],
            samples: Some(3),
            ..Request::default()
        };
        let changes = json!({ "query": "How?", "samples": null, "selected_models": ["b"] });
        let Value::Object(changes) = changes else {
            unreachable!("an object")
        };
        let new: Request = serde_json::from_value(old.merged(changes)).expect("a request");
        assert_eq!((new.prompt.as_str(), new.samples), ("How?", None));
        assert_eq!(new.models, ["b"]);
        let unknown = serde_json::from_value::<Request>(json!({ "detached": true }));
        assert!(
            unknown.is_err(),
            "stored names are not accepted from clients"
        );
    }
}
