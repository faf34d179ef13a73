//! Provider-independent types of model calls: requests, answers, usage, and errors.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::id::DocumentId;
use super::money::MicroDollars;
use super::parameters::Parameters;
use super::schema::Compiled;
pub use super::tokens::{TokenEstimate, Usage, estimate_json_tokens, estimate_tokens};
use super::tools::{ToolCall, Tools};

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageRole {
    /// Instructions that precede the conversation.
    System,
    /// The user, or Quire on the user's behalf.
    User,
    /// The model, in an earlier turn.
    Assistant,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who wrote the message.
    pub role: MessageRole,
    /// The message's text, without its images.
    pub text: String,
    /// Attached images, for models with vision.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    /// Tool calls that the model made at the end of its turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<ToolCall>,
    /// ID of the tool call whose result this message contains; `None` for any other message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_of: Option<String>,
    /// The model's reasoning for this turn, if a client sent it back; otherwise empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reasoning: String,
    /// The same reasoning in the vendor's original form, with signatures: see [`Extras::reasoning`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasoning_items: Vec<Value>,
    /// Name of the speaker, for models that distinguish several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Ends of the prefixes that the client wants the vendor's prompt cache to keep.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cache_marks: Vec<CacheMark>,
}

/// End of a prefix that the vendor's prompt cache should keep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheMark {
    /// End of the marked prefix, as a byte offset in the message's text; `None` for the end of the message's
    /// last block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<usize>,
    /// The vendor's settings for the mark, such as the time to live.
    pub control: Value,
}

impl Message {
    /// Creates a text-only message.
    pub fn new(role: MessageRole, text: impl Into<String>) -> Self {
        Self {
            role,
            text: text.into(),
            images: Vec::new(),
            calls: Vec::new(),
            result_of: None,
            reasoning: String::new(),
            reasoning_items: Vec::new(),
            name: None,
            cache_marks: Vec::new(),
        }
    }
}

impl Message {
    /// Returns the estimated token count of the text, the reasoning, and the tool calls. Images are not counted.
    pub fn tokens(&self) -> u64 {
        let calls = self.calls.iter();
        let calls: u64 = calls
            .map(|call| estimate_tokens(&call.name) + estimate_tokens(&call.arguments))
            .sum();
        estimate_tokens(&self.text) + estimate_tokens(&self.reasoning) + calls
    }
}

/// An image, encoded as it is sent to providers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// `image/png`, `image/jpeg`, `image/webp`, or `image/gif`.
    pub media_type: String,
    /// Standard base64 with padding; shared by the calls of a run.
    pub base64: Arc<str>,
}

/// Required format of an answer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Format {
    /// Name of the format: letters, digits, `_`, and `-`; some providers require one.
    pub name: String,
    /// JSON schema with an object at the top level.
    pub schema: Value,
    /// Whether the provider enforces the schema strictly; `None` if the client did not specify it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// Whether any JSON object is accepted because the client gave no schema.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub any: bool,
    /// The compiled schema, shared by all calls of one request.
    #[serde(skip)]
    pub compiled: Compiled,
}

impl Format {
    /// Checks that the schema can be used.
    ///
    /// # Errors
    /// Same as [`Compiled::check`].
    pub fn check(&self) -> Result<(), String> {
        self.compiled.check(&self.schema)
    }

    /// Returns the format as OpenAI clients request it.
    pub fn to_request_json(&self) -> Value {
        if self.any {
            return json!({ "type": "json_object" });
        }
        let inner = json!({ "name": self.name, "schema": self.schema, "strict": self.strict });
        json!({ "type": "json_schema", "json_schema": inner })
    }

    /// Returns the JSON object in a model's answer, if it conforms to the schema.
    ///
    /// # Errors
    /// Same as [`Compiled::conforming`].
    pub fn conforming<'t>(&self, text: &'t str) -> Result<&'t str, String> {
        self.compiled.conforming(&self.schema, text)
    }
}

/// Request fields that Quire passes uninterpreted to the single model that the client names.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Passthrough {
    /// API format of the request, by its name in settings: `openai`, `responses`, `anthropic`.
    pub format: String,
    /// The fields as received.
    pub fields: Map<String, Value>,
}

/// One call to one model. `messages` are sent to the provider. `brief` holds the data from which they were rendered;
/// the local demo models read it instead of parsing the messages.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRequest {
    /// Full model ID, `provider/name`.
    pub model: String,
    /// Conversation, oldest message first.
    pub messages: Vec<Message>,
    /// Parameters, validated and merged for this member.
    pub parameters: Parameters,
    /// The data from which the messages were rendered.
    pub brief: Brief,
    /// Time limit for the whole call.
    pub deadline: Duration,
    /// Required output format; `None` for free text.
    pub format: Option<Format>,
    /// Tools that the model may call, shared by the calls of a run.
    pub tools: Option<Arc<Tools>>,
    /// Uninterpreted client fields, passed to the provider.
    pub passthrough: Option<Arc<Passthrough>>,
    /// Whether a later call of this run starts with the same prefix, so that provider-side caching pays off.
    pub is_prefix_reused: bool,
    /// Whether a client streams the answer over an API that cannot retract text.
    pub is_live: bool,
    /// Sample index, from 0, if the same request is sent several times to obtain different answers. Each
    /// sample is a separate call.
    pub sample: u32,
}

/// Returns the estimated number of tokens of images: for each, what Anthropic counts for the largest one that it does
/// not scale down (1.15 megapixels).
pub fn image_tokens(images: usize) -> u64 {
    const IMAGE_TOKENS: u64 = 1_600;
    images as u64 * IMAGE_TOKENS
}

/// Returns the estimated number of tokens of a schema and of uninterpreted fields. They all count, even those that are
/// not sent to every provider, because a provider may make them part of the prompt.
pub fn further_tokens(format: Option<&Format>, passthrough: Option<&Passthrough>) -> u64 {
    let schema = format.filter(|format| !format.any);
    let schema = schema.map_or(0, |format| estimate_json_tokens(&format.schema));
    let fields = passthrough.into_iter().flat_map(|own| own.fields.values());
    schema + fields.map(estimate_json_tokens).sum::<u64>()
}

impl ModelRequest {
    /// Returns the estimated number of input tokens of the whole request.
    pub fn tokens(&self) -> u64 {
        let further = further_tokens(self.format.as_ref(), self.passthrough.as_deref());
        self.prompt_tokens() + further
    }

    /// Returns the estimated number of tokens of the messages and tools.
    pub fn prompt_tokens(&self) -> u64 {
        let messages = self.messages.iter();
        let messages: u64 = messages
            .map(|message| message.tokens() + image_tokens(message.images.len()))
            .sum();
        messages + self.tools.as_deref().map_or(0, Tools::tokens)
    }

    /// Whether one answer serves both requests: they have the same model, messages, parameters, format, sample index,
    /// and passthrough fields. Tools are not compared.
    pub fn is_same_question(&self, other: &ModelRequest) -> bool {
        (&self.model, &self.messages, &self.parameters)
            == (&other.model, &other.messages, &other.parameters)
            && (&self.format, self.sample, &self.passthrough)
                == (&other.format, other.sample, &other.passthrough)
    }
}

/// What a stage of a pattern asks a model to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Answer the question independently.
    #[default]
    Answer,
    /// Extract what one part of the documents says about the question.
    Read,
    /// Judge or compare other members' texts.
    Review,
    /// Revise the model's own text using the reviews.
    Revise,
    /// Write the final answer from all texts.
    #[serde(rename = "synthesise", alias = "synthesize")]
    Synthesize,
}

/// The data from which a prompt is rendered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Brief {
    /// What the model is asked to write, such as a first answer or a critique.
    pub task: Task,
    /// The user's question.
    pub question: String,
    /// Passages of the user's documents.
    pub sources: Vec<SourcePassage>,
    /// The model's own earlier text, if any.
    pub own_text: Option<String>,
    /// Other members' texts, each labeled with a letter, in the order shown to this member.
    pub peers: Vec<Peer>,
    /// Critiques labeled with their authors' letters, for a synthesis of texts that were critiqued but not revised.
    pub reviews: Vec<Peer>,
}

/// A passage that a model may use and cite.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SourcePassage {
    /// Number by which the passage is cited, as in `[1]`; unique within an analysis.
    pub number: u32,
    /// Citation mark: `[D1:p4]` is the fourth page of the request's first document. Empty in analyses that
    /// were stored before these marks existed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mark: String,
    /// Document ID; `None` in analyses that were stored before it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_id: Option<DocumentId>,
    /// Start of the passage in its page's text, in bytes.
    #[serde(default)]
    pub start: u32,
    /// End of the passage in its page's text, in bytes.
    #[serde(default)]
    pub end: u32,
    /// File name of the document.
    pub document: String,
    /// Page, sheet, or section number, from 1.
    pub page: u32,
    /// Text of the passage.
    pub text: String,
}

/// Another member's text without its author's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The member's letter, `A`, `B`, …, which stays the same throughout an analysis.
    pub letter: char,
    /// The member's text without self-introductions, cut to the common length limit.
    pub text: String,
}

/// A streamed piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    /// Visible text.
    Text(String),
    /// The model's reasoning, if the provider returns it.
    Reasoning(String),
    /// A completed reasoning block, in the form in which the vendor requires it to be sent back: see
    /// [`Extras::reasoning`]. Its text has already been streamed as `Reasoning`.
    ReasoningBlock(Value),
    /// The answer starts over; discard the text so far.
    Restart,
}

/// Usage, latency, and charge of a call, whether or not it succeeded.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CallBill {
    /// Usage of all attempts; estimated where the provider gave no count or the stream was cut off.
    pub usage: Usage,
    /// Number of attempts; 0 if no request was sent.
    pub tries: u32,
    /// Time from the request to the end, including queueing, in ms.
    pub latency_ms: u64,
    /// Time from the request to the first piece of reasoning or text, in ms; `None` if there was none.
    pub first_token_ms: Option<u64>,
    /// Requested parameters, by glossary name, that were omitted because the model does not accept them.
    pub dropped: Vec<String>,
    /// The charge reported by the provider, if any.
    pub charged: Option<MicroDollars>,
}

/// Why a model stopped generating.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model finished its answer.
    Stop,
    /// The token limit was reached.
    Length,
    /// The provider blocked the answer or the model refused.
    ContentFilter,
    /// The model requested a tool call.
    ToolCalls,
}

/// A complete answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Visible text; empty only with tool calls (otherwise an empty answer is `CallErrorKind::Empty`).
    pub text: String,
    /// Reasoning text, if the provider returns it.
    #[serde(default)]
    pub reasoning: String,
    /// Token usage of the call.
    pub usage: Usage,
    /// Why the model stopped.
    pub finish: Finish,
    /// Tool calls requested by the model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<ToolCall>,
    /// Other data from the vendor, which Quire passes on without interpreting it.
    #[serde(default, skip_serializing_if = "Extras::is_empty")]
    pub extras: Extras,
}

/// Parts of an answer for API clients only: Quire passes them on without interpreting them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Extras {
    /// Reasoning blocks or items that the vendor requires to be sent back unchanged: Anthropic's `thinking` and
    /// `redacted_thinking`, Responses items, OpenRouter's `reasoning_details`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasoning: Vec<Value>,
    /// The stop sequence that ended the answer, if the vendor names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_sequence: Option<String>,
    /// Log probabilities of the tokens, in the format of a chat completion's `logprobs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Value>,
}

impl Extras {
    /// Whether there are no extras.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Why a call failed. Each failure that is handled differently has its own kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallErrorKind {
    /// Connection failed: refused, unreachable, unknown host, or TLS error.
    Connect,
    /// A time limit was exceeded, here or at the provider (408 or 504).
    Timeout,
    /// The key is missing, invalid, unreadable, or not permitted (401 or 403).
    Auth,
    /// The account has no credit (402), or a quota is exhausted that waiting does not restore.
    Money,
    /// Too many requests (429).
    RateLimited,
    /// The provider is overloaded or failed temporarily (409 or 5xx, such as 529, except 504).
    Overloaded,
    /// The provider rejects the request itself (any other error status, such as 400, 404, 413, or 422).
    Rejected,
    /// The response violates the protocol, for example because it is HTML or has the wrong length.
    Malformed,
    /// The stream ended before the answer was complete.
    Truncated,
    /// The answer is complete but has no text.
    Empty,
    /// The response exceeds the size limit.
    TooLarge,
    /// Quire stopped the call.
    Cancelled,
    /// The call was not sent: the model is not configured, its circuit breaker is open, or the queue is full.
    Unavailable,
    /// The answer follows instructions in a document instead of the user's, and is hidden from all other
    /// models.
    Quarantined,
}

/// A failed call. `detail` is written by Quire and safe to show to any user. If a client called a single model whose
/// provider rejected the request, `detail` ends with the provider's cleaned message. `upstream_message` itself is for
/// admins, and is neither stored nor shown with the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallError {
    /// Kind of the failure.
    pub kind: CallErrorKind,
    /// HTTP status from the provider; `None` if there was no response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Wait time in ms that the provider requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Explanation for users: one sentence that begins in lowercase.
    pub detail: String,
    /// The provider's own message, cleaned and shortened; empty if there is none.
    #[serde(skip)]
    pub upstream_message: String,
}

impl CallError {
    /// Creates an error that has no HTTP status.
    pub fn new(kind: CallErrorKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            status: None,
            retry_after_ms: None,
            detail: detail.into(),
            upstream_message: String::new(),
        }
    }

    /// Returns the provider's error status (400 to 599), for a client that named the model. `None` if there is none, or
    /// if the provider rejected the key (401, 403, or a proxy's 407): the key belongs to this server, but vendors' SDKs
    /// would report that the client's own key is wrong.
    pub fn client_visible_status(&self) -> Option<u16> {
        let status = self.status.filter(|_| self.kind != CallErrorKind::Auth)?;
        let is_client_visible = matches!(status, 400..=599) && !matches!(status, 401 | 403 | 407);
        is_client_visible.then_some(status)
    }

    /// Appends the provider's own message to the `detail` of a rejected request, because the message names the
    /// offending field and client programs look for its wording.
    #[must_use]
    pub fn with_upstream_message(mut self) -> Self {
        let is_refused = self.kind == CallErrorKind::Rejected && self.status.is_some();
        if is_refused && !self.upstream_message.is_empty() {
            self.detail = format!("{}: {}", self.detail, self.upstream_message);
        }
        self
    }
}
