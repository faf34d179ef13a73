//! Our own Responses-compatible API: bodies to facts, facts to response objects and their events. Stateless:
//! nothing is referred to that an earlier request has left.

use serde_json::{Value, json};

use super::serve_openai::{
    Asked, Fault, Frame, check_turns, content, fault, model, no_tools, parameters, unknown,
};
use crate::domain::chat::{Finish, Message, Role, Usage};

const KNOWN: &[&str] = &[
    "model",
    "input",
    "instructions",
    "stream",
    "temperature",
    "top_p",
    "max_output_tokens",
    "text",
    "reasoning",
    "store",
    "user",
    "metadata",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "include",
    "safety_identifier",
    "prompt_cache_key",
    "truncation",
    "service_tier",
    "previous_response_id",
    "stream_options",
    "max_tokens",
    "seed",
    "stop",
];

/// A body of `/v1/responses`.
pub fn read(body: &Value) -> Result<Asked, Fault> {
    let Some(fields) = body.as_object() else {
        return fault("body", "the body must be a JSON object");
    };
    if fields
        .get("previous_response_id")
        .is_some_and(|id| !id.is_null())
    {
        return fault(
            "previous_response_id",
            "responses are not kept here: send the whole conversation as input",
        );
    }
    let mut asked = Asked {
        model: model(fields)?,
        stream: fields
            .get("stream")
            .is_some_and(|flag| flag == &json!(true)),
        usage: true,
        parameters: parameters(fields)?,
        format: format(&fields.get("text").cloned().unwrap_or_default()["format"]),
        ..Asked::default()
    };
    if let Some(text) = fields.get("instructions").and_then(Value::as_str) {
        asked.turns.push(Message::new(Role::System, text));
    }
    match fields.get("input") {
        Some(Value::String(text)) => asked.turns.push(Message::new(Role::User, text.as_str())),
        Some(Value::Array(items)) => {
            for item in items {
                asked.turns.extend(turn(item)?);
            }
        }
        _ => return fault("input", "input must be a text or a list of items"),
    }
    check_turns(&asked.turns)?;
    no_tools(fields)?;
    asked.ignored = unknown(fields, KNOWN);
    Ok(asked)
}

// Here the schema lies flat; the chat API's has a level more.
fn format(given: &Value) -> Option<Value> {
    match given["type"].as_str()? {
        "json_schema" => Some(json!({
            "type": "json_schema", "json_schema": { "name": given["name"], "schema": given["schema"] },
        })),
        "json_object" => Some(json!({ "type": "json_object" })),
        _ => None,
    }
}

fn turn(item: &Value) -> Result<Option<Message>, Fault> {
    match item["type"].as_str() {
        None | Some("message") => {}
        Some("reasoning") => return Ok(None),
        Some(other) => {
            return fault("input", format!("{other} is not taken here: send messages"));
        }
    }
    let role = match item["role"].as_str() {
        Some("system" | "developer") => Role::System,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        _ => {
            return fault(
                "input",
                "each message needs a role: system, developer, user or assistant",
            );
        }
    };
    let (text, images) = content(&item["content"])?;
    Ok(Some(Message { role, text, images }))
}

/// A whole response, or the state of one under way.
pub fn response(
    frame: &Frame,
    state: &str,
    text: Option<&str>,
    end: Option<(Finish, &Usage)>,
) -> Value {
    let output: Vec<Value> = text
        .map(|text| item(frame, "completed", Some(text)))
        .into_iter()
        .collect();
    let cut = end.is_some_and(|(finish, _)| finish == Finish::Length);
    let usage = end.map(|(_, usage)| {
        json!({
            "input_tokens": usage.input, "input_tokens_details": { "cached_tokens": usage.cached },
            "output_tokens": usage.output,
            "output_tokens_details": { "reasoning_tokens": usage.reasoning },
            "total_tokens": usage.input.saturating_add(usage.output),
        })
    });
    json!({
        "id": frame.id, "object": "response", "created_at": frame.created, "model": frame.model,
        "status": if cut { "incomplete" } else { state },
        "error": null, "incomplete_details": cut.then(|| json!({ "reason": "max_output_tokens" })),
        "instructions": null, "metadata": {}, "output": output, "parallel_tool_calls": false,
        "temperature": null, "tool_choice": "none", "tools": [], "top_p": null, "store": false,
        "usage": usage,
    })
}

fn item(frame: &Frame, state: &str, text: Option<&str>) -> Value {
    let content: Vec<Value> = text.map(part).into_iter().collect();
    json!({
        "id": format!("msg_{}", frame.id), "type": "message", "role": "assistant", "status": state,
        "content": content,
    })
}

fn part(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
}

/// The events of a stream, each with its number.
#[derive(Debug)]
pub struct Events {
    frame: Frame,
    number: u64,
    text: String,
}

impl Events {
    /// Of this response.
    pub fn new(frame: Frame) -> Self {
        Self {
            frame,
            number: 0,
            text: String::new(),
        }
    }
    /// What comes before any text.
    pub fn opening(&mut self) -> Vec<(&'static str, Value)> {
        let begun = response(&self.frame, "in_progress", None, None);
        let item = item(&self.frame, "in_progress", None);
        let id = item["id"].clone();
        vec![
            self.event("response.created", json!({ "response": begun })),
            self.event("response.in_progress", json!({ "response": begun })),
            self.event(
                "response.output_item.added",
                json!({ "output_index": 0, "item": item }),
            ),
            self.event(
                "response.content_part.added",
                json!({ "item_id": id, "output_index": 0, "content_index": 0, "part": part("") }),
            ),
        ]
    }
    /// A piece of text.
    pub fn piece(&mut self, text: &str) -> (&'static str, Value) {
        self.text += text;
        let id = format!("msg_{}", self.frame.id);
        self.event(
            "response.output_text.delta",
            json!({ "item_id": id, "output_index": 0, "content_index": 0, "delta": text, "logprobs": [] }),
        )
    }
    /// The proper end.
    pub fn ending(&mut self, finish: Finish, usage: &Usage) -> Vec<(&'static str, Value)> {
        let id = format!("msg_{}", self.frame.id);
        let text = std::mem::take(&mut self.text);
        let whole = response(&self.frame, "completed", Some(&text), Some((finish, usage)));
        let last = match finish {
            Finish::Length => "response.incomplete",
            _ => "response.completed",
        };
        let item = item(&self.frame, "completed", Some(&text));
        let place = |more: Value| {
            let mut place = json!({ "item_id": id, "output_index": 0, "content_index": 0 });
            if let (Some(place), Value::Object(more)) = (place.as_object_mut(), more) {
                place.extend(more);
            }
            place
        };
        vec![
            self.event(
                "response.output_text.done",
                place(json!({ "text": text, "logprobs": [] })),
            ),
            self.event(
                "response.content_part.done",
                place(json!({ "part": part(&text) })),
            ),
            self.event(
                "response.output_item.done",
                json!({ "output_index": 0, "item": item }),
            ),
            self.event(last, json!({ "response": whole })),
        ]
    }
    /// The end where there is no answer.
    pub fn failure(&mut self, code: &str, message: &str) -> (&'static str, Value) {
        let mut failed = response(&self.frame, "failed", None, None);
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

    #[test]
    fn inputs_of_several_shapes() {
        for (input, turns) in [
            (json!("Why?"), 2),
            (json!([{ "role": "user", "content": "a" }]), 2),
            (
                json!([
                    { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "a" }] },
                    { "type": "reasoning", "summary": [] },
                    { "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "b" }] },
                    { "role": "user", "content": "c" },
                ]),
                4,
            ),
        ] {
            let body = json!({ "model": "m", "input": input, "instructions": "Be brief." });
            assert_eq!(read(&body).expect("sound").turns.len(), turns, "{body}");
        }
        let body = json!({ "model": "m", "input": "a", "text": { "format": { "type": "json_schema", "name": "n", "schema": {} } } });
        assert_eq!(
            read(&body).expect("sound").format.expect("one")["json_schema"]["name"],
            "n"
        );
        for (body, param) in [
            (json!({ "model": "m" }), "input"),
            (
                json!({ "model": "m", "input": "a", "previous_response_id": "r" }),
                "previous_response_id",
            ),
            (
                json!({ "model": "m", "input": [{ "type": "function_call_output" }] }),
                "input",
            ),
        ] {
            assert_eq!(read(&body).expect_err("refused").param, param);
        }
    }

    #[test]
    fn events_are_numbered_and_the_last_holds_the_whole() {
        let frame = Frame {
            id: "resp_1".into(),
            model: "m".into(),
            created: 7,
        };
        let mut events = Events::new(frame);
        let mut all = events.opening();
        all.push(events.piece("Hel"));
        all.push(events.piece("lo"));
        all.extend(events.ending(Finish::Stop, &Usage::default()));
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
