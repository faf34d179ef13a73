//! Responses of the provider: chunks, events, and complete responses in each API format.

use super::*;

pub const T: &str = "Seven plus five is twelve.";
pub const JSON: &str = "application/json";

/// Returns a chat completion chunk.
pub fn chunk(delta: Value, finish: Value) -> Value {
    json!({ "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] })
}

pub fn text(text: &str) -> Value {
    chunk(json!({ "content": text }), Value::Null)
}

pub fn end(reason: &str) -> Value {
    chunk(json!({}), json!(reason))
}

pub fn usage(usage: Value) -> Value {
    json!({ "id": "c1", "choices": [], "usage": usage })
}

pub fn usual_usage() -> Value {
    usage(json!({ "prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107 }))
}

pub fn done() -> Value {
    json!("[DONE]")
}

pub fn events_with(objects: &[Value], separator: &str) -> String {
    let one = |object: &Value| match object.as_str() {
        Some(text) => format!("data: {text}{separator}"),
        None => format!("data: {object}{separator}"),
    };
    objects.iter().map(one).collect()
}

pub fn events(objects: &[Value]) -> String {
    events_with(objects, "\n\n")
}

pub fn sse(objects: &[Value]) -> ScriptLine {
    on("").sse(&events(objects))
}

/// Returns a complete answer with this token usage.
pub fn usage_line(tokens: Value) -> ScriptLine {
    sse(&[text(T), end("stop"), usage(tokens), done()])
}

pub fn call(index: Value, id: &str, arguments: Value) -> Value {
    let function = json!({ "name": "weather", "arguments": arguments });
    let call = json!({ "index": index, "id": id, "type": "function", "function": function });
    chunk(json!({ "tool_calls": [call] }), Value::Null)
}

pub fn anthropic(objects: &[Value]) -> ScriptLine {
    let one = |object: &Value| {
        format!(
            "event: {}\ndata: {object}\n\n",
            object["type"].as_str().unwrap()
        )
    };
    on("").sse(&objects.iter().map(one).collect::<String>())
}

pub fn message_start(usage: Value) -> Value {
    json!({ "type": "message_start", "message": { "id": "m1", "type": "message", "role": "assistant",
        "content": [], "stop_reason": null, "usage": usage } })
}

pub fn block(text: &str) -> Value {
    json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": text } })
}

pub fn message_delta(reason: &str, usage: Value) -> Value {
    json!({ "type": "message_delta", "delta": { "stop_reason": reason }, "usage": usage })
}

pub fn gemini(parts: Value, reason: Value) -> Value {
    json!({ "candidates": [{ "index": 0, "content": { "role": "model", "parts": parts }, "finishReason": reason }],
        "usageMetadata": { "promptTokenCount": 100, "candidatesTokenCount": 7, "totalTokenCount": 107 } })
}

pub fn ollama(objects: &[Value]) -> ScriptLine {
    let body: String = objects.iter().map(|object| format!("{object}\n")).collect();
    on("").status(200, "application/x-ndjson", &body)
}

pub(super) fn gzip(body: &str) -> ScriptLine {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(body.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        packed.len()
    );
    on("").raw(&[head.as_bytes(), &packed].concat())
}
