//! Assembles an answer in any API format: the format's decoder adds parts of the answer, and the builder returns the
//! complete answer at the end. A truncated answer is never returned as a complete one.

use serde_json::{Value, json};

use super::finish_reasons;
use super::prompt::is_openrouter_detail;
use super::reasoning_tags::{ReasoningSplitter, SplitPiece};
use super::refusal::{self, sanitize_message};
use super::tool_call_builder::{ToolCallBuilder, ToolCallFragment};
use super::usage_counts::UsageCounts;
use crate::domain::chat::{
    Answer, CallError, CallErrorKind, Delta, Extras, Finish, ModelRequest, Usage, estimate_tokens,
};
use crate::domain::tools::ToolCall;

/// Builder of an answer with its text, reasoning, tool calls, usage, and finish reason.
#[derive(Debug, Default)]
pub(super) struct AnswerBuilder {
    text: String,
    reasoning: String,
    extras: Extras,
    /// Number of tokens and alternatives in the log probabilities received so far.
    alternatives: usize,
    calls: ToolCallBuilder,
    splitter: ReasoningSplitter,
    counts: UsageCounts,
    finish_reason: Option<Finish>,
    /// A finish reason that no vendor documents as a regular end of an answer.
    irregular_finish: Option<String>,
    refusal: String,
    error: Option<CallError>,
    is_done: bool,
    new_pieces: Vec<SplitPiece>,
    /// The index of the requested choice, as the provider numbers it.
    choice: Option<u64>,
    /// Whether pieces that have been sent cannot be retracted.
    cannot_retract: bool,
    /// Estimated number of tokens in the arguments of tool calls when Quire cut the answer off; `None` if Quire did
    /// not.
    argument_tokens_at_cut: Option<u64>,
}

/// Maximum number of opaque reasoning items in one answer. No vendor sends as many.
const MAX_ITEMS: usize = 512;
/// Maximum number of tokens and alternatives whose log probabilities are kept. They take about 10 MB.
const MAX_ALTERNATIVES: usize = 100_000;

impl AnswerBuilder {
    /// Expects reasoning without an opening marker, because the model's prompt template contains that marker.
    pub fn expect_unopened_reasoning(&mut self) {
        self.splitter.expect_unopened_reasoning();
    }

    /// If the model with this name writes in channels (OpenAI's Harmony format), prepares for a server that strips
    /// their markers.
    pub fn expect_unmarked_channels(&mut self, model: &str) {
        self.splitter.expect_unmarked_channels(model);
    }

    /// Records that pieces that have been sent cannot be retracted.
    pub fn forbid_retraction(&mut self) {
        self.cannot_retract = true;
    }

    /// Returns whether the reasoning ended with a closing marker that had no opening marker.
    pub fn was_closed(&self) -> bool {
        self.splitter.was_closed()
    }

    /// Returns whether a choice is the requested one. The first choice that arrives is, whatever its index.
    pub fn is_requested_choice(&mut self, choice: u64) -> bool {
        *self.choice.get_or_insert(choice) == choice
    }

    /// Adds visible text, which may contain the reasoning of local models.
    pub fn add_text(&mut self, piece: &str) {
        self.splitter.push(piece, &mut self.new_pieces);
    }

    /// Returns whether a text equals the whole answer so far.
    pub fn equals_answer_so_far(&self, text: &str) -> bool {
        let text = text.trim();
        !text.is_empty() && text == self.text.trim()
    }

    pub fn add_reasoning(&mut self, piece: &str) {
        if !piece.is_empty() {
            self.splitter.set_separate_reasoning();
            self.new_pieces
                .push(SplitPiece::Reasoning(piece.to_owned()));
        }
    }

    /// Adds reasoning items that must be sent back to the vendor. Merges fragments with the same index.
    pub fn add_reasoning_items(&mut self, items: &[Value]) {
        let known_items = &mut self.extras.reasoning;
        for item in items {
            let index = &item["index"];
            let is_same = |known: &Value| {
                !index.is_null() && known["index"] == *index && known["type"] == item["type"]
            };
            let has_room = known_items.len() < MAX_ITEMS;
            let known = known_items.iter_mut().rev().find(|known| is_same(known));
            match (known.and_then(Value::as_object_mut), item.as_object()) {
                (Some(known), Some(item)) => merge_fragments(known, item),
                (None, Some(_)) if has_room => {
                    known_items.push(item.clone());
                }
                _ => {}
            }
        }
    }

    /// Marks the reasoning block at this index as complete. Does nothing if there is no such block.
    pub fn complete_reasoning(&mut self, index: u64) {
        let mut items = self.extras.reasoning.iter_mut();
        let Some(item) = items.find(|item| item["index"] == index) else {
            return;
        };
        // The index was needed only to find the block, and the vendor would not accept it back.
        if let Some(item) = item.as_object_mut() {
            item.remove("index");
        }
        let item = item.clone();
        self.new_pieces.push(SplitPiece::BlockEnd(item));
    }

    /// Adds a complete reasoning block.
    pub fn add_reasoning_block(&mut self, item: &Value) {
        if self.extras.reasoning.len() < MAX_ITEMS {
            self.extras.reasoning.push(item.clone());
            self.new_pieces.push(SplitPiece::BlockEnd(item.clone()));
        }
    }

    /// Records the stop sequence that ended the answer.
    pub fn set_stop_sequence(&mut self, sequence: &Value) {
        if let Some(text) = sequence.as_str() {
            self.extras.stop_sequence = Some(text.to_owned());
        }
    }

    /// Adds log probabilities in the format of a chat completion. If there are too many, drops all of them.
    pub fn add_logprobs(&mut self, logprobs: &Value) {
        for name in ["content", "refusal"] {
            let Some(tokens) = logprobs[name].as_array() else {
                continue;
            };
            let top_counts = tokens.iter().map(|token| token["top_logprobs"].as_array());
            let top_counts = top_counts.map(|top| 1 + top.map_or(0, Vec::len));
            self.alternatives += top_counts.sum::<usize>();
            if self.alternatives > MAX_ALTERNATIVES {
                // Some of the log probabilities would look like all of them, so none are kept.
                self.extras.logprobs = None;
                return;
            }
            let none = || json!({ "content": null, "refusal": null });
            let list = &mut self.extras.logprobs.get_or_insert_with(none)[name];
            match list.as_array_mut() {
                Some(tokens_so_far) => tokens_so_far.extend(tokens.iter().cloned()),
                None => *list = Value::Array(tokens.clone()),
            }
        }
    }

    /// Adds a fragment of a tool call.
    pub fn add_call_fragment(&mut self, fragment: ToolCallFragment) {
        self.calls.add_fragment(fragment);
    }

    /// Appends a complete tool call.
    pub fn add_complete_call(
        &mut self,
        id: &str,
        name: &str,
        arguments: &Value,
        signature: Option<&str>,
    ) {
        self.calls.add_complete_call(id, name, arguments, signature);
    }

    /// Adds token counts that the provider reports.
    pub fn add_counts(&mut self, counts: UsageCounts) {
        self.counts.merge(counts);
    }

    /// Appends to the text of the model's refusal.
    pub fn add_refusal(&mut self, words: &str) {
        self.refusal.push_str(words);
    }

    /// Records the vendor's finish reason.
    pub fn set_finish_reason(&mut self, reason: &str) {
        if finish_reasons::is_unset(reason) {
            return;
        }
        match finish_reasons::parse(reason) {
            Some(finish) => self.finish_reason = Some(finish),
            None => self.irregular_finish = Some(sanitize_message(reason)),
        }
    }

    /// Ends the answer with an error. If there are several, the first one is kept.
    pub fn fail(&mut self, error: CallError) {
        self.error.get_or_insert(error);
    }

    /// Ends the answer with an error, because the provider sent something that is not `what`.
    pub fn fail_as_malformed(&mut self, what: &str) {
        self.fail(CallError::new(
            CallErrorKind::Malformed,
            format!("the provider sent something that is not {what}"),
        ));
    }

    /// Handles data that is not JSON: a message from a proxy, or a damaged chunk.
    ///
    /// After a regular end, a message is ignored. A damaged chunk is still an error, because it may have been part of
    /// the answer.
    pub fn handle_unreadable(&mut self, data: &str, what: &str) {
        let data = data.trim();
        if self.is_complete() && !data.starts_with(['{', '[']) {
            return;
        }
        let is_prose = data.contains(' ') && !data.starts_with(['{', '[', '"', '<']);
        match is_prose {
            false => self.fail_as_malformed(what),
            true => self.fail(refusal::parse_stream_error(&Value::String(
                sanitize_message(data),
            ))),
        }
    }

    /// Marks the stream as ended.
    pub fn end(&mut self) {
        self.is_done = true;
    }

    /// Returns whether the answer has ended, so that no further event can change it.
    pub fn is_over(&self) -> bool {
        self.is_done || self.error.is_some()
    }

    /// Returns whether the finish reason has arrived. Only usage may follow it.
    pub fn is_complete(&self) -> bool {
        self.finish_reason.is_some()
    }

    /// Returns the finish reason if the answer ended regularly, otherwise `None`.
    pub fn regular_finish(&self) -> Option<Finish> {
        let finish = self
            .finish_reason
            .filter(|_| self.irregular_finish.is_none())?;
        match finish {
            Finish::Stop if !self.calls.is_empty() => Some(Finish::ToolCalls),
            finish => Some(finish),
        }
    }

    /// Returns whether any part of the answer has arrived.
    pub fn has_begun(&self) -> bool {
        !self.text.is_empty() || !self.reasoning.is_empty() || !self.calls.is_empty()
    }

    /// Returns the pieces that have arrived since the last call.
    pub fn take_deltas(&mut self) -> Vec<Delta> {
        let mut out = Vec::new();
        let emitted = (self.text.len(), self.reasoning.len());
        for piece in std::mem::take(&mut self.new_pieces) {
            match piece {
                SplitPiece::Text(text) => {
                    self.text.push_str(&text);
                    out.push(Delta::Text(text));
                }
                SplitPiece::Reasoning(text) => {
                    self.reasoning.push_str(&text);
                    out.push(Delta::Reasoning(text));
                }
                SplitPiece::BlockEnd(item) => out.push(Delta::ReasoningBlock(item)),
                // The reader has already seen the marker in the text, and can tell where the answer begins.
                SplitPiece::Closed(close) if self.cannot_retract && emitted.0 > 0 => {
                    self.text.push_str(close);
                    out.push(Delta::Text(close.to_owned()));
                }
                SplitPiece::Closed(_) => {
                    out.clear();
                    if emitted != (0, 0) {
                        out.push(Delta::Restart);
                    }
                    let text = std::mem::take(&mut self.text);
                    self.reasoning.push_str(&text);
                    if !self.reasoning.is_empty() {
                        out.push(Delta::Reasoning(self.reasoning.clone()));
                    }
                }
            }
        }
        out
    }

    /// Cuts the answer off, as a token limit would. Token counts that the provider has reported so far are not final.
    pub fn cut_off(&mut self) {
        self.take_deltas();
        self.argument_tokens_at_cut = Some(self.calls.argument_tokens());
        (self.finish_reason, self.irregular_finish, self.is_done) =
            (Some(Finish::Length), None, true);
    }

    /// Returns the length of the tool calls' arguments so far, in bytes.
    pub fn argument_bytes(&self) -> usize {
        self.calls.argument_bytes()
    }

    /// Returns the usage reported so far. Counts are 0 if they are missing or implausibly large.
    pub fn reported_usage(&self) -> Usage {
        let usage = self.counts.usage();
        match is_plausible(&usage) {
            true => usage,
            false => Usage::default(),
        }
    }

    /// Returns the pieces that are still held back, and the complete answer.
    ///
    /// # Errors
    ///
    /// Returns the error that the provider reported, or why the answer is incomplete.
    pub fn finish(mut self, request: &ModelRequest) -> (Vec<Delta>, Result<Answer, CallError>) {
        if let Some(error) = self.error.take() {
            return (Vec::new(), Err(error));
        }
        std::mem::take(&mut self.splitter).finish(&mut self.new_pieces);
        let mut deltas = self.take_deltas();
        // If Quire itself has added a tool to enforce a schema, the arguments of its call are the answer.
        if request.tools.is_none()
            && request.format.is_some()
            && self.text.trim().is_empty()
            && let Some(arguments) = self.calls.take_arguments()
        {
            self.text.push_str(&arguments);
            deltas.push(Delta::Text(arguments));
            self.finish_reason = self.finish_reason.map(|finish| match finish {
                Finish::ToolCalls => Finish::Stop,
                other => other,
            });
        }
        let result = self.answer(request);
        if matches!(&result, Err(error) if error.kind == CallErrorKind::Empty) {
            // The answer consists only of whitespace, and sending it would prevent a retry.
            deltas.clear();
        }
        (deltas, result)
    }

    fn answer(mut self, request: &ModelRequest) -> Result<Answer, CallError> {
        if !self.refusal.is_empty() {
            let detail = format!("the model refused: {}", sanitize_message(&self.refusal));
            return Err(CallError::new(CallErrorKind::Rejected, detail));
        }
        let finish = self.finish_or_error()?;
        let had_calls = !self.calls.is_empty();
        let calls = match request.tools {
            Some(_) => std::mem::take(&mut self.calls).finish(request, Some(finish))?,
            None => Vec::new(),
        };
        let is_blank = self.text.trim().is_empty() && calls.is_empty();
        let finish = match finish {
            // Some vendors report "stop" although the answer contains a call, or report calls although there are none.
            Finish::Stop if !calls.is_empty() || (is_blank && had_calls) => Finish::ToolCalls,
            Finish::ToolCalls if calls.is_empty() && !is_blank => Finish::Stop,
            finish => finish,
        };
        if is_blank {
            let kind = match finish {
                Finish::ContentFilter => CallErrorKind::Rejected,
                _ => CallErrorKind::Empty,
            };
            return Err(CallError::new(kind, empty_answer_message(finish)));
        }
        let usage = self.usage(request, &calls);
        let mut extras = self.extras;
        // A block whose end never arrived still has its index, which the vendor would refuse.
        let blocks = extras
            .reasoning
            .iter_mut()
            .filter(|item| !is_openrouter_detail(item));
        for block in blocks.filter_map(Value::as_object_mut) {
            block.remove("index");
        }
        let stops = &request.parameters.stop;
        (extras.stop_sequence).take_if(|text| finish != Finish::Stop || !stops.contains(text));
        Ok(Answer {
            text: self.text,
            reasoning: self.reasoning,
            usage,
            finish,
            calls,
            extras,
        })
    }

    fn finish_or_error(&self) -> Result<Finish, CallError> {
        let why = match (&self.irregular_finish, self.finish_reason) {
            (Some(reason), _) => format!("the answer was cut off ({reason})"),
            (None, Some(finish)) => return Ok(finish),
            (None, None) => "the answer was cut off".to_owned(),
        };
        Err(CallError::new(CallErrorKind::Truncated, why))
    }

    /// Returns the provider's token counts. Counts that are missing, zero, or implausibly large are replaced with
    /// estimates. After a cutoff, the output is estimated too.
    fn usage(&self, request: &ModelRequest, calls: &[ToolCall]) -> Usage {
        let mut usage = self.counts.usage();
        if !is_plausible(&usage) {
            return self.estimated_usage(request, calls);
        }
        if let Some(arguments) = self.argument_tokens_at_cut {
            let estimated = self.estimated_usage(request, &[]);
            usage.output = usage.output.max(estimated.output + arguments);
            usage.reasoning = usage.reasoning.max(estimated.reasoning);
            (usage.estimated, usage.charged) = (true, None);
        }
        if usage.input > 0 && usage.output > 0 {
            return usage;
        }
        let estimated = self.estimated_usage(request, calls);
        if usage.input == 0 {
            usage.input = estimated.input;
        }
        if usage.output == 0 {
            (usage.output, usage.reasoning) = (estimated.output, estimated.reasoning);
        }
        usage.estimated = true;
        usage
    }

    fn estimated_usage(&self, request: &ModelRequest, calls: &[ToolCall]) -> Usage {
        let reasoning = estimate_tokens(&self.reasoning);
        let calls = calls.iter();
        let calls: u64 = calls
            .map(|call| estimate_tokens(&call.name) + estimate_tokens(&call.arguments))
            .sum();
        Usage {
            input: request.tokens(),
            output: estimate_tokens(&self.text) + reasoning + calls,
            reasoning,
            estimated: true,
            ..Usage::default()
        }
    }
}

fn is_plausible(usage: &Usage) -> bool {
    usage.input <= MAX_TOKENS && usage.output <= MAX_TOKENS
}

/// Maximum plausible number of tokens of one call. A larger number is an error and would use up a month's budget.
const MAX_TOKENS: u64 = 50_000_000;

/// Merges a fragment into a reasoning item: appends to fields that contain text, and replaces other fields unless their
/// new value is null.
fn merge_fragments(
    target: &mut serde_json::Map<String, Value>,
    addition: &serde_json::Map<String, Value>,
) {
    for (name, value) in addition {
        match (target.get_mut(name), value) {
            (Some(Value::String(text)), Value::String(piece))
                if matches!(
                    name.as_str(),
                    "text" | "summary" | "data" | "signature" | "thinking"
                ) =>
            {
                text.push_str(piece);
            }
            (Some(_), Value::Null) => {}
            _ => _ = target.insert(name.clone(), value.clone()),
        }
    }
}

fn empty_answer_message(finish: Finish) -> &'static str {
    match finish {
        Finish::Length => {
            "the model used up its tokens before it wrote an answer: raise max_tokens"
        }
        Finish::ContentFilter => "the provider blocked the answer",
        Finish::ToolCalls => "the model asked for a tool instead of answering",
        Finish::Stop => "the model returned an empty answer",
    }
}
