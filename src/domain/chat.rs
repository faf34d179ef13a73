//! What is said to a model and what comes back, in no vendor's dialect.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::id::DocumentId;
use super::money::MicroDollars;
use super::parameters::Parameters;
pub use super::tokens::{Usage, estimate_tokens};
use super::tools::{ToolCall, Tools};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions that stand above the conversation.
    System,
    /// The person (or Quire on the person's behalf).
    User,
    /// The model.
    Assistant,
}

/// One turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub text: String,
    /// Pictures beside it, for models that see.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    /// Tools that the model called at the end of this turn of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<ToolCall>,
    /// The call whose result the text is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_of: Option<String>,
    /// The model's reasoning before this turn of its own, where a client sends it back.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reasoning: String,
}

impl Message {
    /// A turn of text alone.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            text: text.into(),
            images: Vec::new(),
            calls: Vec::new(),
            result_of: None,
            reasoning: String::new(),
        }
    }
}

impl Message {
    /// About how many tokens it has, without its pictures.
    pub fn tokens(&self) -> u64 {
        let calls = self.calls.iter();
        let calls: u64 = calls
            .map(|call| estimate_tokens(&call.name) + estimate_tokens(&call.arguments))
            .sum();
        estimate_tokens(&self.text) + estimate_tokens(&self.reasoning) + calls
    }
}

/// A picture, as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// `image/png`, `image/jpeg`, `image/webp` or `image/gif`.
    pub media_type: String,
    /// Standard base64 with padding, shared between the calls of a run.
    pub base64: Arc<str>,
}

/// The shape an answer must have.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Format {
    /// Letters, digits, `_` and `-`; some vendors want a name.
    pub name: String,
    /// A JSON schema whose top is an object.
    pub schema: Value,
    /// Whether the vendor is to hold the model to the schema strictly, where the client has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// Any JSON object will do: the client has named no schema.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub any: bool,
}

/// Fields of a client's request that Quire does not interpret, for the one model that the client names.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Passthrough {
    /// The API format of the request, by its name in settings: `openai`, `responses`, `anthropic`.
    pub format: String,
    /// The fields as they came.
    pub fields: Map<String, Value>,
}

/// One call to one model. `messages` is what goes over the wire; `brief` is what they were rendered
/// from, which the local demo algorithms read instead of parsing prose.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Full id, `provider/name`.
    pub model: String,
    /// The conversation, oldest first.
    pub messages: Vec<Message>,
    /// Already checked and merged for this member.
    pub parameters: Parameters,
    /// The facts behind the messages.
    pub brief: Brief,
    /// The whole call must end within this time.
    pub deadline: Duration,
    /// The answer must be JSON of this shape; none for free text.
    pub format: Option<Format>,
    /// What the model may call, shared between the calls of a run; none for most.
    pub tools: Option<Arc<Tools>>,
    /// Fields of the client's that go to the provider unread; none for most.
    pub passthrough: Option<Arc<Passthrough>>,
    /// The model will read the beginning of this call again in this run: worth keeping in a vendor's cache.
    pub is_reread: bool,
    /// Somebody reads the answer as it comes, over an API that cannot take anything back.
    pub is_live: bool,
    /// Which sample this is where one model is asked the same several times: each is a call of its own.
    pub sample: u32,
}

impl Request {
    /// About how many tokens the model reads, without pictures.
    pub fn tokens(&self) -> u64 {
        let messages: u64 = self.messages.iter().map(Message::tokens).sum();
        messages + self.tools.as_deref().map_or(0, Tools::tokens)
    }

    /// Whether an answer to the one is an answer to the other. Compared whole: what differs in anything that
    /// is sent is another call.
    pub fn is_same_question(&self, other: &Request) -> bool {
        (&self.model, &self.messages, &self.parameters)
            == (&other.model, &other.messages, &other.parameters)
            && (&self.format, self.sample, &self.passthrough)
                == (&other.format, other.sample, &other.passthrough)
    }
}

/// What a model is asked to do at this point of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Answer the question alone.
    #[default]
    Answer,
    /// Write down what a part of the documents says about the question.
    Read,
    /// Judge or compare the others' texts.
    Review,
    /// Improve one's own text in the light of the reviews.
    Revise,
    /// Write the one answer out of all.
    Synthesise,
}

/// The parts a prompt was rendered from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Brief {
    /// What is to be done.
    pub task: Task,
    /// The person's question.
    pub question: String,
    /// Passages of the person's documents.
    pub sources: Vec<Source>,
    /// The model's own earlier text, if it has one.
    pub own: Option<String>,
    /// Other members' texts, under letters, in this reader's order.
    pub peers: Vec<Peer>,
    /// For a synthesis of texts that were criticised but not revised: the critiques, under their authors'
    /// letters.
    pub reviews: Vec<Peer>,
}

/// A passage that a model may rely on and cite.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Cited as `[1]`, `[2]` …; unique within an analysis.
    pub number: u32,
    /// Cited as `[D1:p4]`: the fourth page of the first document of the request. Empty in analyses that were
    /// stored before there were such marks.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mark: String,
    /// Which document; none in analyses that were stored before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_id: Option<DocumentId>,
    /// Where the passage starts in its page's text, in bytes.
    #[serde(default)]
    pub start: u32,
    /// Where it ends.
    #[serde(default)]
    pub end: u32,
    /// The document's file name.
    pub document: String,
    /// Page, sheet or section, counted from 1.
    pub page: u32,
    /// The passage.
    pub text: String,
}

/// Another member's text without its author's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// `A`, `B`, …: stable for one member throughout an analysis.
    pub letter: char,
    /// Its text, stripped of self-introductions and cut to the common budget.
    pub text: String,
}

/// A piece of an answer on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    /// Visible text.
    Text(String),
    /// The model's own reasoning, where the vendor shows it.
    Reasoning(String),
    /// The answer begins again: what has come of it so far is void.
    Restart,
}

/// What a call took, whatever became of it: nothing is paid for that is not in a bill.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Bill {
    /// All tries together; estimated where a vendor gave no count or the stream was cut.
    pub usage: Usage,
    /// Times the provider was asked; 0 when the call never left.
    pub tries: u32,
    /// From the wish to the end, waiting in line included.
    pub latency_ms: u64,
    /// From the wish to the first piece, of reasoning or of text.
    pub first_token_ms: Option<u64>,
    /// Parameters that the model refused and that were left out, by their names in the glossary.
    pub dropped: Vec<String>,
    /// A provider's own statement of what it charged, where it makes one.
    pub charged: Option<MicroDollars>,
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// It was done.
    Stop,
    /// It ran into a token limit.
    Length,
    /// The vendor blocked or the model refused.
    ContentFilter,
    /// It wants a tool.
    ToolCalls,
}

/// A whole answer with a proper end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Visible text; empty only beside calls of tools (an empty answer is `CallErrorKind::Empty`).
    pub text: String,
    /// Reasoning text, if the vendor shows it.
    #[serde(default)]
    pub reasoning: String,
    /// Tokens.
    pub usage: Usage,
    /// Why it stopped.
    pub finish: Finish,
    /// Tools it wants called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<ToolCall>,
}

/// What went wrong with a call, as far as a decision depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallErrorKind {
    /// No connection: refused, unreachable, no such host, TLS failed.
    Connect,
    /// A time limit passed.
    Timeout,
    /// 401 or 403: the key is missing, wrong or not allowed.
    Auth,
    /// 402, or a quota that will not come back by waiting.
    Money,
    /// 429.
    RateLimited,
    /// 5xx, 529.
    Overloaded,
    /// 400, 404, 413, 422: the request itself is refused.
    Rejected,
    /// What came back is not the protocol (HTML, garbage, a lie about its length).
    Malformed,
    /// The stream ended before its end.
    Truncated,
    /// A proper end with no text in it.
    Empty,
    /// Larger than any honest answer.
    TooLarge,
    /// We stopped it.
    Cancelled,
    /// The model is not configured (any more).
    Unavailable,
    /// The answer obeys a document instead of the person, and is kept from everybody else.
    Quarantined,
}

/// A failed call. `detail` is written by us and safe to show to anybody; what the upstream said of it is for
/// admins, and is neither stored nor shown with the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallError {
    /// What went wrong.
    pub kind: CallErrorKind,
    /// The upstream's HTTP status, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The upstream asked to wait this long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// One sentence for a person, in lower case.
    pub detail: String,
    /// The upstream's own words, cleaned and short; empty where it said nothing.
    #[serde(skip)]
    pub said: String,
}

impl CallError {
    /// An error without status.
    pub fn new(kind: CallErrorKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            status: None,
            retry_after_ms: None,
            detail: detail.into(),
            said: String::new(),
        }
    }
}
