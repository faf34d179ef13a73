//! Encodes the numbered events of a streamed response, one item after another: reasoning, the message, and tool calls.

use serde_json::{Value, json};

use super::{
    call_item, encode_response, message_item, reasoning_id, reasoning_item, summary_part,
    text_part, vendor_item,
};
use crate::domain::chat::{Extras, Finish};
use crate::domain::tools::ToolCall;
use crate::wire::serve::{ChunkFrame, CompleteAnswer};

/// Encoder of a stream's events. Each event has a sequence number.
#[derive(Debug)]
pub struct ResponseEvents {
    frame: ChunkFrame,
    number: u64,
    /// Number of completed items, which is also the index of the open item.
    place: usize,
    open_item: OpenItem,
    /// The completed reasoning items.
    thoughts: Vec<Value>,
    /// Whether the message has begun.
    has_message: bool,
}

/// The item that has begun but has not ended, with its text so far.
#[derive(Debug, Default)]
enum OpenItem {
    #[default]
    None,
    Reasoning(String),
    Message(String),
}

type ResponseEvent = (&'static str, Value);

impl ResponseEvents {
    /// Creates an encoder for one response.
    pub fn new(frame: ChunkFrame) -> Self {
        Self {
            frame,
            number: 0,
            place: 0,
            open_item: OpenItem::None,
            thoughts: Vec::new(),
            has_message: false,
        }
    }

    /// Records the completion time of the answer, in seconds since 1970.
    pub fn complete_at(&mut self, seconds: i64) {
        self.frame.completed = Some(seconds);
    }

    /// Returns the `response.created` and `response.in_progress` events.
    pub fn start_events(&mut self) -> Vec<ResponseEvent> {
        let response = encode_response(&self.frame, "in_progress", None);
        vec![
            self.numbered_event("response.created", json!({ "response": response })),
            self.numbered_event("response.in_progress", json!({ "response": response })),
        ]
    }

    /// Encodes a piece of reasoning. Opens a reasoning item if none is open.
    pub fn reasoning_events(&mut self, text: &str) -> Vec<ResponseEvent> {
        let mut events = Vec::new();
        if !matches!(self.open_item, OpenItem::Reasoning(_)) {
            events.extend(self.close_item(None));
            self.open_item = OpenItem::Reasoning(String::new());
            let item = reasoning_item(&self.frame, self.thoughts.len(), &[]);
            events.push(self.item_event("response.output_item.added", item));
            let part = self.with_summary_position(json!({ "part": summary_part("") }));
            events.push(self.numbered_event("response.reasoning_summary_part.added", part));
        }
        if let OpenItem::Reasoning(known) = &mut self.open_item {
            known.push_str(text);
        }
        let delta = self.with_summary_position(json!({ "delta": text }));
        events.push(self.numbered_event("response.reasoning_summary_text.delta", delta));
        events
    }

    /// Ends a reasoning item and encodes it in the form that its vendor accepts back.
    pub fn reasoning_end_events(&mut self, block: &Value) -> Vec<ResponseEvent> {
        let Some(item) = vendor_item(&self.frame, self.thoughts.len(), block) else {
            return Vec::new();
        };
        // A block without text does not end an item that began with text.
        let is_worded = block["type"] != "redacted_thinking";
        if matches!(self.open_item, OpenItem::Reasoning(_)) && is_worded {
            return self.close_item(Some(&item));
        }
        let mut events = self.close_item(None);
        let Some(item) = vendor_item(&self.frame, self.thoughts.len(), block) else {
            return events;
        };
        for name in ["response.output_item.added", "response.output_item.done"] {
            events.push(self.item_event(name, item.clone()));
        }
        self.thoughts.push(item);
        self.place += 1;
        events
    }

    /// Encodes a piece of the answer's text. Opens the message if it is not open.
    pub fn text_events(&mut self, text: &str) -> Vec<ResponseEvent> {
        let mut events = Vec::new();
        if !matches!(self.open_item, OpenItem::Message(_)) {
            events.extend(self.close_item(None));
            self.open_item = OpenItem::Message(String::new());
            self.has_message = true;
            let item = message_item(&self.frame, "in_progress", None);
            events.push(self.item_event("response.output_item.added", item));
            let part = self.with_message_position(json!({ "part": text_part("") }));
            events.push(self.numbered_event("response.content_part.added", part));
        }
        if let OpenItem::Message(known) = &mut self.open_item {
            known.push_str(text);
        }
        let delta = self.with_message_position(json!({ "delta": text, "logprobs": [] }));
        events.push(self.numbered_event("response.output_text.delta", delta));
        events
    }

    // Ends the open item. `sealed` is the vendor's own reasoning item, if it has one.
    fn close_item(&mut self, sealed: Option<&Value>) -> Vec<ResponseEvent> {
        let mut events = Vec::new();
        match std::mem::take(&mut self.open_item) {
            OpenItem::None => return events,
            OpenItem::Reasoning(text) => {
                let done_fields = self.with_summary_position(json!({ "text": text }));
                events
                    .push(self.numbered_event("response.reasoning_summary_text.done", done_fields));
                let done_fields =
                    self.with_summary_position(json!({ "part": summary_part(&text) }));
                events
                    .push(self.numbered_event("response.reasoning_summary_part.done", done_fields));
                let number = self.thoughts.len();
                let own = || reasoning_item(&self.frame, number, &[summary_part(&text)]);
                let mut item = sealed.cloned().unwrap_or_else(own);
                // Clients identify the item by the ID that was announced.
                item["id"] = json!(reasoning_id(&self.frame, number));
                self.thoughts.push(item.clone());
                events.push(self.item_event("response.output_item.done", item));
            }
            OpenItem::Message(text) => {
                let done_fields =
                    self.with_message_position(json!({ "text": text, "logprobs": [] }));
                events.push(self.numbered_event("response.output_text.done", done_fields));
                let done_fields = self.with_message_position(json!({ "part": text_part(&text) }));
                events.push(self.numbered_event("response.content_part.done", done_fields));
                let item = message_item(&self.frame, "completed", Some(&text));
                events.push(self.item_event("response.output_item.done", item));
            }
        }
        self.place += 1;
        events
    }

    /// Encodes the end of the answer: the remaining reasoning, the tool calls, and the final response object.
    pub fn end_events(&mut self, answer: &CompleteAnswer) -> Vec<ResponseEvent> {
        let mut events = self.close_item(None);
        // After the message, nothing but the items that belong to the calls may be sent.
        if !self.has_message || !answer.calls.is_empty() {
            events.extend(self.remaining_reasoning_events(&answer.extras.reasoning));
        }
        for (place, call) in (self.place..).zip(answer.calls) {
            events.extend(self.call_events(place, call));
        }
        // The final response object must contain exactly the items that have been announced.
        let extras = Extras {
            reasoning: std::mem::take(&mut self.thoughts),
            ..Extras::default()
        };
        let answer = CompleteAnswer {
            extras: &extras,
            reasoning: "",
            ..*answer
        };
        let response = encode_response(&self.frame, "completed", Some(&answer));
        let last = match answer.finish_reason {
            Finish::Length => "response.incomplete",
            _ => "response.completed",
        };
        events.push(self.numbered_event(last, json!({ "response": response })));
        events
    }

    /// Encodes the reasoning items that have not been sent yet. They come from vendors that do not mark the end of each
    /// item.
    fn remaining_reasoning_events(&mut self, blocks: &[Value]) -> Vec<ResponseEvent> {
        let mut events = Vec::new();
        for block in blocks {
            let Some(item) = vendor_item(&self.frame, self.thoughts.len(), block) else {
                continue;
            };
            let sealed = &item["encrypted_content"];
            let mut thoughts = self.thoughts.iter();
            if !sealed.is_null() && !thoughts.any(|thought| thought["encrypted_content"] == *sealed)
            {
                events.extend(self.reasoning_end_events(block));
            }
        }
        events
    }

    fn call_events(&mut self, place: usize, call: &ToolCall) -> [(&'static str, Value); 4] {
        let id = format!("fc_{}", call.id);
        let added_fields = json!({ "output_index": place, "item": call_item(call, "in_progress") });
        let delta = json!({ "item_id": id, "output_index": place, "delta": call.arguments });
        let done_fields = json!({ "item_id": id, "output_index": place, "name": call.name, "arguments": call.arguments });
        let over = json!({ "output_index": place, "item": call_item(call, "completed") });
        [
            self.numbered_event("response.output_item.added", added_fields),
            self.numbered_event("response.function_call_arguments.delta", delta),
            self.numbered_event("response.function_call_arguments.done", done_fields),
            self.numbered_event("response.output_item.done", over),
        ]
    }

    fn item_event(&mut self, name: &'static str, item: Value) -> ResponseEvent {
        let place = self.place;
        self.numbered_event(name, json!({ "output_index": place, "item": item }))
    }

    // Adds the fields that specify an event's position in the message.
    fn with_message_position(&self, mut body: Value) -> Value {
        body["item_id"] = json!(format!("msg_{}", self.frame.id));
        body["output_index"] = json!(self.place);
        body["content_index"] = json!(0);
        body
    }

    // Adds the fields that specify an event's position in the reasoning summary.
    fn with_summary_position(&self, mut body: Value) -> Value {
        body["item_id"] = json!(reasoning_id(&self.frame, self.thoughts.len()));
        body["output_index"] = json!(self.place);
        body["summary_index"] = json!(0);
        body
    }

    /// Encodes the final event of a failed response.
    pub fn failure_event(&mut self, code: &str, message: &str) -> (&'static str, Value) {
        let mut failed = encode_response(&self.frame, "failed", None);
        failed["error"] = json!({ "code": code, "message": message });
        self.numbered_event("response.failed", json!({ "response": failed }))
    }

    fn numbered_event(&mut self, name: &'static str, mut body: Value) -> (&'static str, Value) {
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
        let mut events = ResponseEvents::new(frame);
        let mut all = events.start_events();
        all.extend(events.text_events("Hel"));
        all.extend(events.text_events("lo"));
        let answer = CompleteAnswer {
            text: "Hello",
            calls: &[],
            reasoning: "",
            extras: &Extras::default(),
            finish_reason: Finish::Stop,
            usage: &Usage::default(),
        };
        all.extend(events.end_events(&answer));
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
