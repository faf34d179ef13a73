//! An answer being put together, whichever API format it comes in: each format reports what it found, this keeps
//! it and says at the end what the whole came to. An answer that broke off never passes for a whole one.

use serde_json::{Value, json};

use super::calling::{ToolCallBuilder, ToolCallFragment};
use super::counts::UsageCounts;
use super::endings;
use super::prompt::is_detail;
use super::refusal::{self, clean};
use super::think::{ReasoningSplitter, ThinkPiece};
use crate::domain::chat::{
    Answer, CallError, CallErrorKind, Delta, Extras, Finish, ModelRequest, Usage, estimate_tokens,
};
use crate::domain::tools::ToolCall;

/// Text, reasoning, tokens and the end.
#[derive(Debug, Default)]
pub(super) struct AnswerBuilder {
    text: String,
    reasoning: String,
    extras: Extras,
    /// Alternatives among the log probabilities so far.
    alternatives: usize,
    calls: ToolCallBuilder,
    divider: ReasoningSplitter,
    counts: UsageCounts,
    finish: Option<Finish>,
    /// An ending that no vendor documents as good.
    cut: Option<String>,
    refusal: String,
    fault: Option<CallError>,
    done: bool,
    fresh: Vec<ThinkPiece>,
    /// The index of the one choice that was asked for, as the host counts.
    choice: Option<u64>,
    /// A reader has been given pieces that cannot be taken back.
    keeps_shown: bool,
    /// We ended the answer: tokens of tool calls' arguments until then.
    written: Option<u64>,
}

/// Opaque items of reasoning in one answer; more than any vendor sends.
const MOST_ITEMS: usize = 512;
/// Tokens and their alternatives whose log probabilities are kept: some ten megabytes.
const MOST_ALTERNATIVES: usize = 100_000;

impl AnswerBuilder {
    /// The model is known to open its reasoning in the prompt.
    pub fn expect_close(&mut self) {
        self.divider.expect_close();
    }

    /// The model of this name may write into channels whose marks its server strips.
    pub fn expect_bare(&mut self, model: &str) {
        self.divider.expect_bare(model);
    }

    /// What has been given out cannot be taken back.
    pub fn keep_shown(&mut self) {
        self.keeps_shown = true;
    }

    /// A closing mark alone has ended reasoning.
    pub fn was_closed(&self) -> bool {
        self.divider.was_closed()
    }

    /// Whether a choice is ours: the first that came, whichever index it has.
    pub fn is_own(&mut self, choice: u64) -> bool {
        *self.choice.get_or_insert(choice) == choice
    }

    /// Visible text; local models write their reasoning into it.
    pub fn text(&mut self, piece: &str) {
        self.divider.push(piece, &mut self.fresh);
    }

    /// Whether a text is all of the answer that has been told already.
    pub fn has_told(&self, text: &str) -> bool {
        let text = text.trim();
        !text.is_empty() && text == self.text.trim()
    }

    pub fn reasoning(&mut self, piece: &str) {
        if !piece.is_empty() {
            self.divider.is_told_apart();
            self.fresh.push(ThinkPiece::Reasoning(piece.to_owned()));
        }
    }

    /// Items of reasoning that the vendor wants back: fragments of one, by its index, are put together.
    pub fn reasoning_items(&mut self, items: &[Value]) {
        let known_items = &mut self.extras.reasoning;
        for item in items {
            let index = &item["index"];
            let is_same = |known: &Value| {
                !index.is_null() && known["index"] == *index && known["type"] == item["type"]
            };
            let has_room = known_items.len() < MOST_ITEMS;
            let known = known_items.iter_mut().rev().find(|known| is_same(known));
            match (known.and_then(Value::as_object_mut), item.as_object()) {
                (Some(known), Some(item)) => join(known, item),
                (None, Some(_)) if has_room => {
                    known_items.push(item.clone());
                }
                _ => {}
            }
        }
    }

    /// The block of reasoning at this index is complete.
    pub fn seal(&mut self, index: u64) {
        let mut items = self.extras.reasoning.iter_mut();
        let Some(item) = items.find(|item| item["index"] == index) else {
            return;
        };
        // The index was only to find it by.
        if let Some(item) = item.as_object_mut() {
            item.remove("index");
        }
        let item = item.clone();
        self.fresh.push(ThinkPiece::Sealed(item));
    }

    /// A whole block of reasoning.
    pub fn sealed(&mut self, item: &Value) {
        if self.extras.reasoning.len() < MOST_ITEMS {
            self.extras.reasoning.push(item.clone());
            self.fresh.push(ThinkPiece::Sealed(item.clone()));
        }
    }

    /// The stop sequence that the vendor says has ended the answer.
    pub fn stop_sequence(&mut self, found: &Value) {
        if let Some(text) = found.as_str() {
            self.extras.stop_sequence = Some(text.to_owned());
        }
    }

    /// Log probabilities of a piece, as a chat completion has them.
    pub fn logprobs(&mut self, found: &Value) {
        for name in ["content", "refusal"] {
            let Some(tokens) = found[name].as_array() else {
                continue;
            };
            let tops = tokens.iter().map(|one| one["top_logprobs"].as_array());
            let tops = tops.map(|top| 1 + top.map_or(0, Vec::len));
            self.alternatives += tops.sum::<usize>();
            if self.alternatives > MOST_ALTERNATIVES {
                // A part would pass for the whole.
                self.extras.logprobs = None;
                return;
            }
            let none = || json!({ "content": null, "refusal": null });
            let known = &mut self.extras.logprobs.get_or_insert_with(none)[name];
            match known.as_array_mut() {
                Some(known) => known.extend(tokens.iter().cloned()),
                None => *known = Value::Array(tokens.clone()),
            }
        }
    }

    /// A fragment of a tool call.
    pub fn call(&mut self, fragment: ToolCallFragment) {
        self.calls.take(fragment);
    }

    /// A whole call, behind those that are known.
    pub fn whole_call(&mut self, id: &str, name: &str, arguments: &Value, signature: Option<&str>) {
        self.calls.take_whole(id, name, arguments, signature);
    }

    /// What the provider has counted.
    pub fn count(&mut self, counts: UsageCounts) {
        self.counts.take(counts);
    }

    /// The model's own words for why it does not answer.
    pub fn refuse(&mut self, words: &str) {
        self.refusal.push_str(words);
    }

    /// Why the model stopped, in its vendor's word.
    pub fn stopped(&mut self, reason: &str) {
        if endings::is_none(reason) {
            return;
        }
        match endings::of(reason) {
            Some(finish) => self.finish = Some(finish),
            None => self.cut = Some(clean(reason)),
        }
    }

    /// The answer ends here, badly.
    pub fn fail(&mut self, fault: CallError) {
        self.fault.get_or_insert(fault);
    }

    /// The provider sent something that is no part of an answer.
    pub fn malformed(&mut self, what: &str) {
        self.fail(CallError::new(
            CallErrorKind::Malformed,
            format!("the provider sent something that is no {what}"),
        ));
    }

    /// Something that is no JSON: words of a proxy on the way, or a broken piece.
    ///
    /// Words behind a proper end change nothing; a broken piece there may have been a part of the answer.
    pub fn unreadable(&mut self, data: &str, what: &str) {
        let data = data.trim();
        if self.is_complete() && !data.starts_with(['{', '[']) {
            return;
        }
        let is_prose = data.contains(' ') && !data.starts_with(['{', '[', '"', '<']);
        match is_prose {
            false => self.malformed(what),
            true => self.fail(refusal::in_band(&Value::String(clean(data)))),
        }
    }

    /// The stream has come to its end.
    pub fn end(&mut self) {
        self.done = true;
    }

    /// Nothing more will change the answer.
    pub fn is_over(&self) -> bool {
        self.done || self.fault.is_some()
    }

    /// The model has said why it stopped: what may still come is the count of tokens.
    pub fn is_complete(&self) -> bool {
        self.finish.is_some()
    }

    /// Why the model stopped, where it stopped properly.
    pub fn ended(&self) -> Option<Finish> {
        let finish = self.finish.filter(|_| self.cut.is_none())?;
        match finish {
            Finish::Stop if !self.calls.is_empty() => Some(Finish::ToolCalls),
            finish => Some(finish),
        }
    }

    /// Something of an answer has come.
    pub fn has_begun(&self) -> bool {
        !self.text.is_empty() || !self.reasoning.is_empty() || !self.calls.is_empty()
    }

    /// The pieces that have come since the last time.
    pub fn take(&mut self) -> Vec<Delta> {
        let mut out = Vec::new();
        let shown = (self.text.len(), self.reasoning.len());
        for piece in std::mem::take(&mut self.fresh) {
            match piece {
                ThinkPiece::Text(text) => {
                    self.text.push_str(&text);
                    out.push(Delta::Text(text));
                }
                ThinkPiece::Reasoning(text) => {
                    self.reasoning.push_str(&text);
                    out.push(Delta::Reasoning(text));
                }
                ThinkPiece::Sealed(item) => out.push(Delta::Sealed(item)),
                // Its reader sees the mark, and can tell where the answer begins.
                ThinkPiece::Closed(close) if self.keeps_shown && shown.0 > 0 => {
                    self.text.push_str(close);
                    out.push(Delta::Text(close.to_owned()));
                }
                ThinkPiece::Closed(_) => {
                    out.clear();
                    if shown != (0, 0) {
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

    /// Ends the answer here, as by a token limit. What the provider has counted so far is not the count of the end.
    pub fn cut_off(&mut self) {
        self.take();
        self.written = Some(self.calls.argument_tokens());
        (self.finish, self.cut, self.done) = (Some(Finish::Length), None, true);
    }

    /// Bytes of the arguments of tool calls so far.
    pub fn argument_bytes(&self) -> usize {
        self.calls.argument_bytes()
    }

    /// What had been held back of the answer, and the answer.
    ///
    /// # Errors
    /// What the provider reported, or how the answer was less than a whole one.
    pub fn finish(mut self, request: &ModelRequest) -> (Vec<Delta>, Result<Answer, CallError>) {
        if let Some(fault) = self.fault.take() {
            return (Vec::new(), Err(fault));
        }
        std::mem::take(&mut self.divider).finish(&mut self.fresh);
        let mut held = self.take();
        // Where a shape was wanted the tool was ours: what it would be called with is the answer.
        if request.tools.is_none()
            && request.format.is_some()
            && self.text.trim().is_empty()
            && let Some(arguments) = self.calls.take_arguments()
        {
            self.text.push_str(&arguments);
            held.push(Delta::Text(arguments));
            self.finish = self.finish.map(|finish| match finish {
                Finish::ToolCalls => Finish::Stop,
                other => other,
            });
        }
        let result = self.answer(request);
        if matches!(&result, Err(error) if error.kind == CallErrorKind::Empty) {
            // Nothing but space: whoever was shown it could not be given another answer.
            held.clear();
        }
        (held, result)
    }

    fn answer(mut self, request: &ModelRequest) -> Result<Answer, CallError> {
        if !self.refusal.is_empty() {
            let detail = format!("the model refused: {}", clean(&self.refusal));
            return Err(CallError::new(CallErrorKind::Rejected, detail));
        }
        let finish = self.ending()?;
        let had_calls = !self.calls.is_empty();
        let calls = match request.tools {
            Some(_) => std::mem::take(&mut self.calls).finish(request, Some(finish))?,
            None => Vec::new(),
        };
        let is_blank = self.text.trim().is_empty() && calls.is_empty();
        let finish = match finish {
            // Some say "stop" behind a call, or name calls that there are none of.
            Finish::Stop if !calls.is_empty() || (is_blank && had_calls) => Finish::ToolCalls,
            Finish::ToolCalls if calls.is_empty() && !is_blank => Finish::Stop,
            finish => finish,
        };
        if is_blank {
            let kind = match finish {
                Finish::ContentFilter => CallErrorKind::Rejected,
                _ => CallErrorKind::Empty,
            };
            return Err(CallError::new(kind, emptiness(finish)));
        }
        let usage = self.usage(request, &calls);
        let mut extras = self.extras;
        // A block whose end did not come has its index still, and the vendor would not take it back.
        let blocks = extras.reasoning.iter_mut().filter(|item| !is_detail(item));
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

    fn ending(&self) -> Result<Finish, CallError> {
        let why = match (&self.cut, self.finish) {
            (Some(reason), _) => format!("the answer broke off before its end ({reason})"),
            (None, Some(finish)) => return Ok(finish),
            (None, None) => "the answer broke off before its end".to_owned(),
        };
        Err(CallError::new(CallErrorKind::Truncated, why))
    }

    /// The provider's counts; what it counted as nothing beside an answer is estimated.
    fn usage(&self, request: &ModelRequest, calls: &[ToolCall]) -> Usage {
        let counted = self.counts.usage();
        let (text, reasoning) = (
            estimate_tokens(&self.text),
            estimate_tokens(&self.reasoning),
        );
        let calls = calls.iter();
        let calls: u64 = calls
            .map(|call| estimate_tokens(&call.name) + estimate_tokens(&call.arguments))
            .sum();
        let estimated = Usage {
            input: request.tokens(),
            output: text + reasoning + calls,
            reasoning,
            estimated: true,
            ..Usage::default()
        };
        if counted.input > MOST_TOKENS || counted.output > MOST_TOKENS {
            return estimated;
        }
        let mut usage = counted;
        if let Some(arguments) = self.written {
            usage = Usage {
                input: counted.input,
                output: text + reasoning + arguments,
                ..estimated
            };
        }
        if usage.input == 0 {
            (usage.input, usage.estimated) = (estimated.input, true);
        }
        if usage.output == 0 {
            (usage.output, usage.reasoning) = (estimated.output, estimated.reasoning);
            usage.estimated = true;
        }
        usage
    }
}

/// No call reads or writes more tokens than this; a count beyond it would spoil a month's budget.
const MOST_TOKENS: u64 = 50_000_000;

/// Texts go on, everything else is replaced.
fn join(known: &mut serde_json::Map<String, Value>, more: &serde_json::Map<String, Value>) {
    for (name, value) in more {
        match (known.get_mut(name), value) {
            (Some(Value::String(text)), Value::String(piece))
                if matches!(
                    name.as_str(),
                    "text" | "summary" | "data" | "signature" | "thinking"
                ) =>
            {
                text.push_str(piece);
            }
            (Some(_), Value::Null) => {}
            _ => _ = known.insert(name.clone(), value.clone()),
        }
    }
}

fn emptiness(finish: Finish) -> &'static str {
    match finish {
        Finish::Length => {
            "the model used up its tokens before it wrote an answer: raise max_tokens"
        }
        Finish::ContentFilter => "the provider blocked the answer",
        Finish::ToolCalls => "the model asked for a tool instead of answering",
        Finish::Stop => "the model answered with nothing",
    }
}
