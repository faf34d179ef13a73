//! A streamed chat completion, chunk by chunk. Lenient about what does not matter.

use serde_json::Value;

use crate::domain::chat::{Finish, Usage};
use crate::domain::money::MicroDollars;
use crate::wire::growing::Growing;
use crate::wire::refusal::{clean, in_band};
use crate::wire::sse::Event;

pub(in crate::wire) fn read(growing: &mut Growing, event: &Event) {
    let data = event.data.trim();
    if data == "[DONE]" {
        return growing.end();
    }
    let Ok(chunk) = crate::domain::json::parse(data) else {
        if event.event == "error" {
            return growing.fail(in_band(&Value::String(clean(data))));
        }
        return growing.malformed("chat completion");
    };
    if event.event == "error" && chunk["error"].is_null() {
        return growing.fail(in_band(&chunk));
    }
    take(growing, &chunk);
}

pub(in crate::wire) fn whole(growing: &mut Growing, body: &Value) {
    let has = |name: &str| body.get(name).is_some_and(|value| !value.is_null());
    if !has("choices") && !has("error") {
        return growing.malformed("chat completion");
    }
    take(growing, body);
    growing.end();
}

fn take(growing: &mut Growing, chunk: &Value) {
    let first = chunk["choices"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|choice| choice["index"].as_u64().unwrap_or(0) == 0)
        .unwrap_or(&Value::Null);
    for error in [&chunk["error"], &first["error"]] {
        if !error.is_null() {
            return growing.fail(in_band(error));
        }
    }
    // Groq counts in a field of its own.
    for usage in [&chunk["usage"], &chunk["x_groq"]["usage"]] {
        if usage.is_object() {
            growing.usage = Some(usage_of(usage));
        }
    }
    let found = [&first["delta"], &first["message"]];
    if let Some(found) = found.into_iter().find(|found| found.is_object()) {
        piece(growing, found);
    }
    let reason = first["finish_reason"].as_str();
    if let Some(reason) = reason.filter(|text| !text.is_empty()) {
        growing.finish = Some(finish_of(reason));
    }
}

fn piece(growing: &mut Growing, piece: &Value) {
    // Hosts of the same models disagree about the name; OpenRouter sends both.
    let reasoning = piece["reasoning_content"]
        .as_str()
        .or(piece["reasoning"].as_str());
    growing.reasoning(reasoning.unwrap_or_default());
    match &piece["content"] {
        Value::String(text) => growing.text(text),
        // Mistral's reasoning models send parts where others send text.
        Value::Array(parts) => parts.iter().for_each(|found| part(growing, found)),
        _ => {}
    }
    growing.refuse(piece["refusal"].as_str().unwrap_or_default());
    let calls = piece["tool_calls"].as_array();
    for call in calls.into_iter().flatten() {
        tool(growing, call);
    }
}

// Some hosts leave the index out: then an id begins a call.
fn tool(growing: &mut Growing, call: &Value) {
    let id = call["id"].as_str().unwrap_or_default();
    let last = growing.last_place();
    let place = call["index"].as_u64().unwrap_or(match last {
        Some(last) if id.is_empty() => last,
        Some(last) => last + 1,
        None => 0,
    });
    let function = &call["function"];
    let arguments = match &function["arguments"] {
        Value::String(text) => text.clone(),
        Value::Object(_) => function["arguments"].to_string(),
        _ => String::new(),
    };
    let name = function["name"].as_str().unwrap_or_default();
    growing.call(place, id, name, &arguments);
}

fn part(growing: &mut Growing, part: &Value) {
    if let Some(text) = part["text"].as_str() {
        growing.text(text);
    }
    for thought in part["thinking"].as_array().into_iter().flatten() {
        growing.reasoning(thought["text"].as_str().unwrap_or_default());
    }
}

fn finish_of(reason: &str) -> Finish {
    match reason {
        "length" | "max_tokens" | "model_length" => Finish::Length,
        "content_filter" | "safety" => Finish::ContentFilter,
        "tool_calls" | "function_call" => Finish::ToolCalls,
        _ => Finish::Stop,
    }
}

fn usage_of(usage: &Value) -> Usage {
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let input = count(&usage["prompt_tokens"]);
    let mut output = count(&usage["completion_tokens"]);
    let reasoning = count(&usage["completion_tokens_details"]["reasoning_tokens"]);
    let cached = usage["prompt_tokens_details"]["cached_tokens"].as_u64();
    // xAI counts reasoning beside the answer's tokens, the others within; the total tells which.
    let sum = input
        .checked_add(output)
        .and_then(|sum| sum.checked_add(reasoning));
    if reasoning > 0 && sum.is_some() && usage["total_tokens"].as_u64() == sum {
        output += reasoning;
    }
    Usage {
        input,
        output,
        cached: cached.unwrap_or_else(|| count(&usage["prompt_cache_hit_tokens"])),
        reasoning,
        // OpenRouter says what it charged.
        charged: usage["cost"].as_f64().and_then(MicroDollars::from_dollars),
        ..Usage::default()
    }
}
