//! Our own Responses-compatible API: bodies to facts, facts to response objects and their events. Stateless:
//! nothing is referred to that an earlier request has left.

use serde_json::{Map, Value, json};

use super::serve_content::content;
use super::serve_openai::{Asked, Fault, Frame, check_turns, fault, model};
use super::serve_parameters::{flag, parameters};
use super::serve_settings::settings;
use super::serve_tools::{self, Shape};
use super::{Kind, passthrough};
use crate::domain::chat::{Finish, Message, Role, Usage};
use crate::domain::tools::ToolCall;

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

/// Of these, the ones that only the provider reads.
const UNREAD: &[&str] = &[
    "user",
    "metadata",
    "prompt_cache_key",
    "service_tier",
    "truncation",
];

/// A body of `/v1/responses`.
pub fn read(body: &Value) -> Result<Asked, Fault> {
    let Some(fields) = body.as_object() else {
        return fault("body", "the body must be a JSON object");
    };
    refuse_stored(fields)?;
    let mut asked = Asked {
        model: model(fields)?,
        stream: flag(fields, "stream")?,
        usage: true,
        parameters: parameters(fields)?,
        format: format(&fields.get("text").cloned().unwrap_or_default()["format"]),
        ..Asked::default()
    };
    let instructions = fields.get("instructions").and_then(Value::as_str);
    if let Some(text) = instructions.filter(|text| !text.is_empty()) {
        asked.turns.push(Message::new(Role::System, text));
    }
    match fields.get("input") {
        Some(Value::String(text)) => asked.turns.push(Message::new(Role::User, text.as_str())),
        Some(Value::Array(items)) => {
            for item in items {
                take(&mut asked.turns, item).map_err(in_input)?;
            }
        }
        _ => return fault("input", "input must be a text or a list of items"),
    }
    check_turns(&asked.turns).map_err(in_input)?;
    let offered = serve_tools::read(fields, Shape::Flat)?;
    asked.settings = settings(fields, &offered);
    asked.offer(offered);
    asked.passthrough = passthrough::read(Kind::Responses, fields, KNOWN, UNREAD)?;
    Ok(asked)
}

/// Refuses what refers to something that is stored at a vendor: without it the answer would be another one.
fn refuse_stored(fields: &Map<String, Value>) -> Result<(), Fault> {
    let is_given = |name: &str| fields.get(name).is_some_and(|value| !value.is_null());
    let kept = "responses are not kept here: send the whole conversation as input";
    for (name, why) in [
        ("previous_response_id", kept),
        ("conversation", kept),
        (
            "prompt",
            "prompts are not kept here: send it as instructions and input",
        ),
    ] {
        if is_given(name) {
            return fault(name, why);
        }
    }
    match flag(fields, "background")? {
        true => fault(
            "background",
            "responses are not kept here: ask without background",
        ),
        false => Ok(()),
    }
}

/// Names the field as this API has it.
fn in_input(mut fault: Fault) -> Fault {
    if fault.param == "messages" {
        fault.param = "input";
    }
    fault
}

// Here the schema lies flat; the chat API's has a level more.
fn format(given: &Value) -> Option<Value> {
    match given["type"].as_str()? {
        "json_schema" => Some(json!({
            "type": "json_schema", "json_schema": { "name": given["name"], "schema": given["schema"], "strict": given["strict"] },
        })),
        "json_object" => Some(json!({ "type": "json_object" })),
        _ => None,
    }
}

/// Items for what a vendor has run itself: nobody else can read them.
const VENDORS: &[&str] = &[
    "reasoning",
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "image_generation_call",
    "mcp_call",
    "mcp_list_tools",
];

/// A call that the program ran, of a function or of a tool that has an item of its own: `custom_tool_call` with a
/// text, `local_shell_call` with an action. Those are written as calls of a function with one argument.
fn called(kind: &str, item: &Value) -> Result<ToolCall, Fault> {
    if kind == "function_call" {
        return serve_tools::call(&item["call_id"], &item["name"], &item["arguments"]);
    }
    let own = json!(kind.trim_end_matches("_call"));
    let name = match item["name"].is_string() {
        true => &item["name"],
        false => &own,
    };
    let given = ["input", "action", "operation"].into_iter();
    let given = { given }.find(|name| !item[*name].is_null());
    let arguments = given.map_or(json!({}), |name| json!({ name: item[name] }));
    serve_tools::call(&item["call_id"], name, &arguments)
}

// Calls belong to the turn of the model's that they follow.
fn take(turns: &mut Vec<Message>, item: &Value) -> Result<(), Fault> {
    let kind = item["type"].as_str().unwrap_or_default();
    match kind {
        _ if VENDORS.contains(&kind) => {}
        _ if kind.ends_with("_call") => {
            let call = called(kind, item)?;
            match turns.last_mut() {
                Some(last) if last.role == Role::Assistant => last.calls.push(call),
                _ => turns.push(Message {
                    calls: vec![call],
                    ..Message::new(Role::Assistant, "")
                }),
            }
        }
        _ if kind.ends_with("_call_output") => {
            let Some(id) = item["call_id"].as_str() else {
                return fault("input", "a tool's result needs its call_id");
            };
            let (text, images) = content(&item["output"])?;
            turns.push(Message {
                images,
                result_of: Some(id.to_owned()),
                ..Message::new(Role::User, text)
            });
        }
        _ => turns.push(turn(item)?),
    }
    Ok(())
}

fn turn(item: &Value) -> Result<Message, Fault> {
    match item["type"].as_str() {
        None | Some("message") => {}
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
    Ok(Message {
        images,
        ..Message::new(role, text)
    })
}

/// A whole response, or the state of one under way.
pub fn response(
    frame: &Frame,
    state: &str,
    (text, calls): (Option<&str>, &[ToolCall]),
    end: Option<(Finish, &Usage)>,
) -> Value {
    let text = text.filter(|text| calls.is_empty() || !text.is_empty());
    let text = text.map(|text| item(frame, "completed", Some(text)));
    let calls = calls.iter().map(|call| call_item(call, "completed"));
    let output: Vec<Value> = text.into_iter().chain(calls).collect();
    let cut = end.is_some_and(|(finish, _)| finish == Finish::Length);
    let usage = end.map(|(_, usage)| {
        json!({
            "input_tokens": usage.input, "input_tokens_details": { "cached_tokens": usage.cached },
            "output_tokens": usage.output,
            "output_tokens_details": { "reasoning_tokens": usage.reasoning },
            "total_tokens": usage.input.saturating_add(usage.output),
        })
    });
    let mut response = json!({
        "id": frame.id, "object": "response", "created_at": frame.created, "model": frame.model,
        "completed_at": frame.completed.filter(|_| state == "completed"),
        "status": if cut { "incomplete" } else { state },
        "error": null, "incomplete_details": cut.then(|| json!({ "reason": "max_output_tokens" })),
        "output": output, "usage": usage,
    });
    for (name, value) in &frame.settings {
        response[name] = value.clone();
    }
    response
}

fn item(frame: &Frame, state: &str, text: Option<&str>) -> Value {
    let content: Vec<Value> = text.map(part).into_iter().collect();
    json!({
        "id": format!("msg_{}", frame.id), "type": "message", "role": "assistant", "status": state,
        "content": content,
    })
}

fn call_item(call: &ToolCall, state: &str) -> Value {
    let arguments = match state {
        "completed" => call.arguments.as_str(),
        _ => "",
    };
    json!({
        "id": format!("fc_{}", call.id), "type": "function_call", "status": state, "call_id": call.id,
        "name": call.name, "arguments": arguments,
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
    speaks: bool,
}

impl Events {
    /// Of this response.
    pub fn new(frame: Frame) -> Self {
        Self {
            frame,
            number: 0,
            text: String::new(),
            speaks: false,
        }
    }
    /// Notes when the answer was complete, in seconds since 1970.
    pub fn complete_at(&mut self, seconds: i64) {
        self.frame.completed = Some(seconds);
    }

    /// The `response.created` and `response.in_progress` events.
    pub fn opening(&mut self) -> Vec<(&'static str, Value)> {
        let begun = response(&self.frame, "in_progress", (None, &[]), None);
        vec![
            self.event("response.created", json!({ "response": begun })),
            self.event("response.in_progress", json!({ "response": begun })),
        ]
    }

    /// A piece of text.
    pub fn piece(&mut self, text: &str) -> Vec<(&'static str, Value)> {
        let mut events = Vec::new();
        if !self.speaks {
            self.speaks = true;
            let item = item(&self.frame, "in_progress", None);
            let added = json!({ "output_index": 0, "item": item });
            events.push(self.event("response.output_item.added", added));
            let part = self.placed(json!({ "part": part("") }));
            events.push(self.event("response.content_part.added", part));
        }
        self.text += text;
        let delta = self.placed(json!({ "delta": text, "logprobs": [] }));
        events.push(self.event("response.output_text.delta", delta));
        events
    }

    /// The proper end.
    pub fn ending(
        &mut self,
        calls: &[ToolCall],
        finish: Finish,
        usage: &Usage,
    ) -> Vec<(&'static str, Value)> {
        let text = std::mem::take(&mut self.text);
        let mut events = Vec::new();
        if self.speaks {
            let done = self.placed(json!({ "text": text, "logprobs": [] }));
            events.push(self.event("response.output_text.done", done));
            let done = self.placed(json!({ "part": part(&text) }));
            events.push(self.event("response.content_part.done", done));
            let item = item(&self.frame, "completed", Some(&text));
            let done = json!({ "output_index": 0, "item": item });
            events.push(self.event("response.output_item.done", done));
        }
        for (place, call) in (usize::from(self.speaks)..).zip(calls) {
            events.extend(self.called(place, call));
        }
        let told = (self.speaks.then_some(text.as_str()), calls);
        let whole = response(&self.frame, "completed", told, Some((finish, usage)));
        let last = match finish {
            Finish::Length => "response.incomplete",
            _ => "response.completed",
        };
        events.push(self.event(last, json!({ "response": whole })));
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

    // Within the one message.
    fn placed(&self, mut body: Value) -> Value {
        body["item_id"] = json!(format!("msg_{}", self.frame.id));
        body["output_index"] = json!(0);
        body["content_index"] = json!(0);
        body
    }

    /// The end where there is no answer.
    pub fn failure(&mut self, code: &str, message: &str) -> (&'static str, Value) {
        let mut failed = response(&self.frame, "failed", (None, &[]), None);
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
            ..Frame::default()
        };
        let mut events = Events::new(frame);
        let mut all = events.opening();
        all.extend(events.piece("Hel"));
        all.extend(events.piece("lo"));
        all.extend(events.ending(&[], Finish::Stop, &Usage::default()));
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
