//! A streamed chat completion, chunk by chunk. Lenient about what does not matter.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::wire::calling::Fragment;
use crate::wire::counts;
use crate::wire::growing::Growing;
use crate::wire::refusal::{clean, field, in_band, reported};
use crate::wire::sse::Event;

pub(in crate::wire) fn read(growing: &mut Growing, event: &Event) {
    let data = event.data.trim();
    if crate::wire::is_done(data) {
        return growing.end();
    }
    let Ok(chunk) = crate::domain::json::parse(data) else {
        if event.event == "error" {
            return growing.fail(in_band(&Value::String(clean(data))));
        }
        return growing.unreadable(data, "chat completion");
    };
    if event.event == "error" && reported(&chunk).is_none() {
        return growing.fail(in_band(&chunk));
    }
    take(growing, &chunk);
}

pub(in crate::wire) fn whole(growing: &mut Growing, body: &Value) {
    if body["choices"].is_null() && reported(body).is_none() {
        return growing.malformed("chat completion");
    }
    take(growing, body);
    growing.end();
}

fn take(growing: &mut Growing, chunk: &Value) {
    let choices = chunk["choices"].as_array();
    let mut choices = choices.into_iter().flatten();
    let first = choices
        .find(|choice| growing.is_own(counts::whole(&choice["index"]).unwrap_or(0)))
        .unwrap_or(&Value::Null);
    if let Some(error) = reported(chunk).or_else(|| field(first)) {
        return growing.fail(in_band(error));
    }
    // Groq counts in a field of its own, Moonshot within the choice.
    for usage in [&chunk["usage"], &chunk["x_groq"]["usage"], &first["usage"]] {
        if usage.is_object() {
            growing.count(counts::of(usage));
        }
    }
    let found = [&first["delta"], &first["message"]];
    if let Some(found) = found.into_iter().find(|found| found.is_object()) {
        piece(growing, found);
    }
    growing.stopped(first["finish_reason"].as_str().unwrap_or_default());
}

fn piece(growing: &mut Growing, piece: &Value) {
    // Hosts of the same models disagree about the name; OpenRouter sends both, and some leave one empty.
    let names = ["reasoning_content", "reasoning"];
    let mut reasoning = names.iter().filter_map(|name| piece[*name].as_str());
    let reasoning = reasoning.find(|text| !text.is_empty());
    growing.reasoning(reasoning.unwrap_or_default());
    if let Some(details) = piece["reasoning_details"].as_array() {
        growing.reasoning_details(details);
    }
    match &piece["content"] {
        Value::String(text) => growing.text(text),
        // Mistral's reasoning models send parts where others send text.
        Value::Array(parts) => parts.iter().for_each(|found| part(growing, found)),
        _ => {}
    }
    growing.refuse(piece["refusal"].as_str().unwrap_or_default());
    let calls = piece["tool_calls"].as_array();
    for call in calls.into_iter().flatten() {
        tool(growing, call, &call["function"]);
    }
    // The predecessor of `tool_calls`: a single call, without an id.
    if piece["function_call"].is_object() {
        tool(growing, &json!({ "index": 0 }), &piece["function_call"]);
    }
}

fn tool(growing: &mut Growing, call: &Value, function: &Value) {
    let arguments = match &function["arguments"] {
        Value::String(text) => Cow::Borrowed(text.as_str()),
        given @ Value::Object(_) => Cow::Owned(given.to_string()),
        _ => Cow::Borrowed(""),
    };
    growing.call(Fragment {
        index: counts::whole(&call["index"]),
        id: call["id"].as_str().unwrap_or_default(),
        name: function["name"].as_str().unwrap_or_default(),
        arguments: &arguments,
    });
}

fn part(growing: &mut Growing, part: &Value) {
    if let Some(text) = part["text"].as_str() {
        growing.text(text);
    }
    for thought in part["thinking"].as_array().into_iter().flatten() {
        growing.reasoning(thought["text"].as_str().unwrap_or_default());
    }
}
