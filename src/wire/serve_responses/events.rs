//! Encodes the numbered events of a streamed response, one item after the other: first reasoning, then the
//! message, then tool calls.

use serde_json::{Value, json};

use super::{call_item, item, part, response, sealed_item, summary, thought_id, thought_item};
use crate::domain::chat::{Extras, Finish};
use crate::domain::tools::ToolCall;
use crate::wire::serve::{ChunkFrame, CompleteAnswer};

/// Encoder of a stream's events, with a sequence number for each.
#[derive(Debug)]
pub struct Events {
    frame: ChunkFrame,
    number: u64,
    /// Number of complete items, which is also the index of the open one.
    place: usize,
    open: Open,
    /// Complete reasoning items.
    thoughts: Vec<Value>,
    /// Whether the message has begun.
    has_message: bool,
}

/// The item that has begun but not ended, with its text so far.
#[derive(Debug, Default)]
enum Open {
    #[default]
    None,
    Reasoning(String),
    Message(String),
}

type Named = (&'static str, Value);

impl Events {
    /// Creates the encoder of one response.
    pub fn new(frame: ChunkFrame) -> Self {
        Self {
            frame,
            number: 0,
            place: 0,
            open: Open::None,
            thoughts: Vec::new(),
            has_message: false,
        }
    }

    /// Records the completion time of the answer, in seconds since 1970.
    pub fn complete_at(&mut self, seconds: i64) {
        self.frame.completed = Some(seconds);
    }

    /// The `response.created` and `response.in_progress` events.
    pub fn opening(&mut self) -> Vec<Named> {
        let begun = response(&self.frame, "in_progress", None);
        vec![
            self.event("response.created", json!({ "response": begun })),
            self.event("response.in_progress", json!({ "response": begun })),
        ]
    }

    /// Encodes a piece of reasoning.
    pub fn thought(&mut self, text: &str) -> Vec<Named> {
        let mut events = Vec::new();
        if !matches!(self.open, Open::Reasoning(_)) {
            events.extend(self.close(None));
            self.open = Open::Reasoning(String::new());
            let item = thought_item(&self.frame, self.thoughts.len(), &[]);
            events.push(self.item("response.output_item.added", item));
            let part = self.summarized(json!({ "part": summary("") }));
            events.push(self.event("response.reasoning_summary_part.added", part));
        }
        if let Open::Reasoning(known) = &mut self.open {
            known.push_str(text);
        }
        let delta = self.summarized(json!({ "delta": text }));
        events.push(self.event("response.reasoning_summary_text.delta", delta));
        events
    }

    /// Ends a reasoning item, in the form that its vendor accepts back.
    pub fn sealed(&mut self, block: &Value) -> Vec<Named> {
        let Some(item) = sealed_item(&self.frame, self.thoughts.len(), block) else {
            return Vec::new();
        };
        // A block without text does not end an item that began with text.
        let is_worded = block["type"] != "redacted_thinking";
        if matches!(self.open, Open::Reasoning(_)) && is_worded {
            return self.close(Some(&item));
        }
        let mut events = self.close(None);
        let Some(item) = sealed_item(&self.frame, self.thoughts.len(), block) else {
            return events;
        };
        for name in ["response.output_item.added", "response.output_item.done"] {
            events.push(self.item(name, item.clone()));
        }
        self.thoughts.push(item);
        self.place += 1;
        events
    }

    /// Encodes a piece of text.
    pub fn piece(&mut self, text: &str) -> Vec<Named> {
        let mut events = Vec::new();
        if !matches!(self.open, Open::Message(_)) {
            events.extend(self.close(None));
            self.open = Open::Message(String::new());
            self.has_message = true;
            let item = item(&self.frame, "in_progress", None);
            events.push(self.item("response.output_item.added", item));
            let part = self.placed(json!({ "part": part("") }));
            events.push(self.event("response.content_part.added", part));
        }
        if let Open::Message(known) = &mut self.open {
            known.push_str(text);
        }
        let delta = self.placed(json!({ "delta": text, "logprobs": [] }));
        events.push(self.event("response.output_text.delta", delta));
        events
    }

    // Ends the open item. `sealed` is the vendor's own reasoning item.
    fn close(&mut self, sealed: Option<&Value>) -> Vec<Named> {
        let mut events = Vec::new();
        match std::mem::take(&mut self.open) {
            Open::None => return events,
            Open::Reasoning(text) => {
                let done = self.summarized(json!({ "text": text }));
                events.push(self.event("response.reasoning_summary_text.done", done));
                let done = self.summarized(json!({ "part": summary(&text) }));
                events.push(self.event("response.reasoning_summary_part.done", done));
                let number = self.thoughts.len();
                let own = || thought_item(&self.frame, number, &[summary(&text)]);
                let mut item = sealed.cloned().unwrap_or_else(own);
                // Clients match the item by the ID that was announced.
                item["id"] = json!(thought_id(&self.frame, number));
                self.thoughts.push(item.clone());
                events.push(self.item("response.output_item.done", item));
            }
            Open::Message(text) => {
                let done = self.placed(json!({ "text": text, "logprobs": [] }));
                events.push(self.event("response.output_text.done", done));
                let done = self.placed(json!({ "part": part(&text) }));
                events.push(self.event("response.content_part.done", done));
                let item = item(&self.frame, "completed", Some(&text));
                events.push(self.item("response.output_item.done", item));
            }
        }
        self.place += 1;
        events
    }

    /// Encodes the end of a complete answer.
    pub fn ending(&mut self, answer: &CompleteAnswer) -> Vec<Named> {
        let mut events = self.close(None);
        // After the message, only items that belong to the calls may be sent; nothing else may follow it.
        if !self.has_message || !answer.calls.is_empty() {
            events.extend(self.late(&answer.extras.reasoning));
        }
        for (place, call) in (self.place..).zip(answer.calls) {
            events.extend(self.called(place, call));
        }
        // The final response object must contain exactly the items that were announced.
        let extras = Extras {
            reasoning: std::mem::take(&mut self.thoughts),
            ..Extras::default()
        };
        let answer = CompleteAnswer {
            extras: &extras,
            reasoning: "",
            ..*answer
        };
        let whole = response(&self.frame, "completed", Some(&answer));
        let last = match answer.finish {
            Finish::Length => "response.incomplete",
            _ => "response.completed",
        };
        events.push(self.event(last, json!({ "response": whole })));
        events
    }

    /// Encodes the reasoning items not sent yet, from vendors that do not mark the end of each one.
    fn late(&mut self, blocks: &[Value]) -> Vec<Named> {
        let mut events = Vec::new();
        for block in blocks {
            let Some(item) = sealed_item(&self.frame, self.thoughts.len(), block) else {
                continue;
            };
            let sealed = &item["encrypted_content"];
            let mut known = self.thoughts.iter();
            if !sealed.is_null() && !known.any(|known| known["encrypted_content"] == *sealed) {
                events.extend(self.sealed(block));
            }
        }
        events
    }

    fn called(&mut self, place: usize, call: &ToolCall) -> [(&'static str, Value); 4] {
        let id = format!("fc_{}", call.id);
        let added = json!({ "output_index": place, "item": call_item(call, "in_progress") });
        let delta = json!({ "item_id": id, "output_index": place, "delta": call.arguments });
        let done = json!({ "item_id": id, "output_index": place, "name": call.name, "arguments": call.arguments });
        let over = json!({ "output_index": place, "item": call_item(call, "completed") });
        [
            self.event("response.output_item.added", added),
            self.event("response.function_call_arguments.delta", delta),
            self.event("response.function_call_arguments.done", done),
            self.event("response.output_item.done", over),
        ]
    }

    fn item(&mut self, name: &'static str, item: Value) -> Named {
        let place = self.place;
        self.event(name, json!({ "output_index": place, "item": item }))
    }

    // Adds the position in the message.
    fn placed(&self, mut body: Value) -> Value {
        body["item_id"] = json!(format!("msg_{}", self.frame.id));
        body["output_index"] = json!(self.place);
        body["content_index"] = json!(0);
        body
    }

    // Adds the position in the reasoning summary.
    fn summarized(&self, mut body: Value) -> Value {
        body["item_id"] = json!(thought_id(&self.frame, self.thoughts.len()));
        body["output_index"] = json!(self.place);
        body["summary_index"] = json!(0);
        body
    }

    /// Encodes the end of a failed response.
    pub fn failure(&mut self, code: &str, message: &str) -> (&'static str, Value) {
        let mut failed = response(&self.frame, "failed", None);
        failed["error"] = json!({ "code": code, "message": message });
        self.event("response.failed", json!({ "response": failed }))
    }

    fn event(&mut self, name: &'static str, mut body: Value) -> (&'static str, Value) {
        body["type"] = json!(name);
        body["sequence_number"] = json!(self.number);
        self.number += 1;
        (name, body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::chat::Usage;

    #[test]
    fn events_are_numbered_and_the_last_contains_the_response() {
        let frame = ChunkFrame {
            id: "resp_1".into(),
            model: "m".into(),
            created: 7,
            ..ChunkFrame::default()
        };
        let mut events = Events::new(frame);
        let mut all = events.opening();
        all.extend(events.piece("Hel"));
        all.extend(events.piece("lo"));
        let answer = CompleteAnswer {
            text: "Hello",
            calls: &[],
            reasoning: "",
            extras: &Extras::default(),
            finish: Finish::Stop,
            usage: &Usage::default(),
        };
        all.extend(events.ending(&answer));
        for (number, (name, body)) in all.iter().enumerate() {
            assert_eq!(
                (&body["sequence_number"], &body["type"]),
                (&json!(number), &json!(name))
            );
        }
        let (name, last) = all.last().expect("one");
        assert_eq!(*name, "response.completed");
        assert_eq!(last["response"]["output"][0]["content"][0]["text"], "Hello");
    }
}
