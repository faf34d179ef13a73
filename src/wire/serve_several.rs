//! Several answers to one request (`n`, or a list of prompts): joins complete answers into one answer with several
//! choices, and encodes it as the chunks of a stream.

use serde_json::{Value, json};

use super::serve_openai::CHUNK_OBJECT;

/// Joins complete answers, each given with its index. The result has the ID of the first answer and the total usage.
pub fn join_answers(answers: impl IntoIterator<Item = (usize, Value)>, usage: Value) -> Value {
    let (mut choices, mut first) = (Vec::new(), None);
    for (index, mut answer) in answers {
        let mut choice = answer["choices"][0].take();
        choice["index"] = json!(index);
        choices.push(choice);
        first.get_or_insert(answer);
    }
    let mut joined = first.unwrap_or_default();
    joined["choices"] = Value::Array(choices);
    joined["usage"] = usage;
    joined
}

/// Encodes a joined answer as the chunks of a stream. With `with_usage`, the last chunk contains the usage.
pub fn encode_chunks(joined: &Value, with_usage: bool) -> Vec<Value> {
    let is_chat = joined["object"] == "chat.completion";
    let frame = |choices: Value| {
        let object = match is_chat {
            true => CHUNK_OBJECT,
            false => "text_completion",
        };
        json!({
            "id": joined["id"], "object": object, "created": joined["created"], "model": joined["model"],
            "choices": choices,
        })
    };
    let mut chunks = Vec::new();
    for choice in joined["choices"].as_array().into_iter().flatten() {
        if !is_chat {
            chunks.push(frame(json!([choice])));
            continue;
        }
        let mut delta = choice["message"].clone();
        if let Some(calls) = delta["tool_calls"].as_array_mut() {
            for (index, call) in calls.iter_mut().enumerate() {
                call["index"] = json!(index);
            }
        } else if let Some(delta) = delta.as_object_mut() {
            delta.remove("tool_calls");
        }
        let one_choice = |delta: Value, logprobs: &Value, finish: &Value| json!([{ "index": choice["index"], "delta": delta, "logprobs": logprobs, "finish_reason": finish }]);
        chunks.push(frame(one_choice(delta, &choice["logprobs"], &Value::Null)));
        let last = one_choice(json!({}), &Value::Null, &choice["finish_reason"]);
        chunks.push(frame(last));
    }
    if with_usage {
        let mut last = frame(json!([]));
        last["usage"] = joined["usage"].clone();
        chunks.push(last);
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_a_separate_choice() {
        let completion = |text: &str| {
            json!({
                "id": text, "object": "chat.completion", "created": 7, "model": "m",
                "choices": [{ "index": 0, "finish_reason": "stop", "message": { "role": "assistant", "content": text } }],
            })
        };
        // The second answer failed, so the choices have the indexes 0 and 2.
        let all = join_answers(
            [(0, completion("a")), (2, completion("b"))],
            json!({ "total_tokens": 9 }),
        );
        assert_eq!(
            (&all["id"], &all["choices"][1]["index"]),
            (&json!("a"), &json!(2))
        );
        let stream_chunks = encode_chunks(&all, true);
        assert_eq!(stream_chunks.len(), 5);
        assert_eq!(stream_chunks[2]["choices"][0]["delta"]["content"], "b");
        assert_eq!(
            stream_chunks[3]["choices"][0],
            json!({ "index": 2, "delta": {}, "logprobs": null, "finish_reason": "stop" })
        );
        assert_eq!(
            (
                &stream_chunks[4]["choices"],
                &stream_chunks[4]["usage"]["total_tokens"]
            ),
            (&json!([]), &json!(9))
        );
    }
}
