//! Tests thinking blocks on APIs whose requests do not mention them. A model that thinks without being asked requires
//! its blocks back together with the results of tools, regardless of the API that the client uses.

use serde_json::{Value, json};

use crate::reasoning::{
    anthropic, collect_blocks, last_request_body, messages, named_events, redacted_block,
    server_with_format, stream_events, thinking_block,
};
use crate::support::provider::{Provider, ReceivedRequest, on};

fn tool_definitions() -> Value {
    json!([{ "type": "function", "name": "weather", "parameters": { "type": "object" } }])
}

#[test]
fn blocks_of_thinking_go_through_responses_as_items() {
    let provider = anthropic();
    let server = server_with_format("anthropic", &provider);
    let mut client = server.user("ada@example.com");
    let body = json!({
        "model": "p/thinker", "input": [{ "role": "user", "content": "Warm?" }], "tools": tool_definitions(),
        "include": ["reasoning.encrypted_content"], "reasoning": { "effort": "high" }, "store": false,
    });
    let response = client.post("/v1/responses", body.clone()).json();
    let output = response["output"].as_array().unwrap().clone();
    let kinds: Vec<&Value> = output.iter().map(|item| &item["type"]).collect();
    assert_eq!(
        kinds,
        ["reasoning", "reasoning", "function_call"],
        "{response}"
    );
    assert_eq!(output[0]["summary"][0]["text"], "I need the weather.");
    for (item, sealed) in [(&output[0], "c2lnbmVk"), (&output[1], "b3BhcXVl")] {
        let content = item["encrypted_content"].as_str().unwrap_or_default();
        assert!(content.contains(sealed), "{item}");
    }
    assert_ne!(output[0]["id"], output[1]["id"], "{response}");
    let sent_body = last_request_body(&provider);
    let effort = (
        &sent_body["thinking"]["type"],
        &sent_body["output_config"]["effort"],
    );
    assert_eq!(effort, (&json!("adaptive"), &json!("high")), "{sent_body}");
    let events = stream_events(&server, &mut client, "/v1/responses", &body);
    let done_items = events
        .iter()
        .filter(|event| event["type"] == "response.output_item.done");
    let done_items: Vec<&Value> = done_items.map(|event| &event["item"]).collect();
    let full = &events.last().unwrap()["response"]["output"];
    assert_eq!(json!(done_items), *full, "{events:?}");
    for (place, item) in output.iter().take(2).enumerate() {
        let streamed = &full[place]["encrypted_content"];
        assert_eq!(item["encrypted_content"], *streamed, "{full}");
    }
    // The client sends back what it has received, and the vendor receives its own blocks.
    for output in [json!(output), full.clone()] {
        let mut second = body.clone();
        let input = second["input"].as_array_mut().unwrap();
        let call = &output[2]["call_id"];
        let result = json!({ "type": "function_call_output", "call_id": call, "output": "mild" });
        input.extend(output.as_array().unwrap().iter().cloned());
        input.push(result);
        let response = client.post("/v1/responses", second).json();
        assert_eq!(response["status"], "completed", "{response}");
        let sent_body = last_request_body(&provider);
        let own = &sent_body["messages"][1]["content"];
        assert_eq!(
            (&own[0], &own[1]),
            (&thinking_block(), &redacted_block()),
            "{sent_body}"
        );
        assert_eq!(own[2]["type"], "tool_use", "{sent_body}");
        assert_eq!(sent_body["output_config"]["effort"], "high", "{sent_body}");
    }
}

#[test]
fn signed_blocks_are_returned_without_a_request_for_thinking() {
    let provider = anthropic();
    let server = server_with_format("anthropic", &provider);
    let mut client = server.user("ada@example.com");
    let tools = json!([{ "name": "weather", "input_schema": { "type": "object" } }]);
    let mut body = messages(json!({ "tools": tools }));
    let response = client.post("/v1/messages", body.clone()).json();
    let content = response["content"].as_array().unwrap().clone();
    assert_eq!(
        content[..2],
        [thinking_block(), redacted_block()],
        "{response}"
    );
    let events = stream_events(&server, &mut client, "/v1/messages", &body);
    let blocks = collect_blocks(&events);
    assert_eq!(
        blocks[..2],
        [thinking_block(), redacted_block()],
        "{events:?}"
    );
    let result = json!([{ "type": "tool_result", "tool_use_id": "t1", "content": "mild" }]);
    let turns = body["messages"].as_array_mut().unwrap();
    turns.push(json!({ "role": "assistant", "content": content }));
    turns.push(json!({ "role": "user", "content": result }));
    assert_eq!(client.post("/v1/messages", body).status, 200);
    let sent_body = last_request_body(&provider);
    let own = &sent_body["messages"][1]["content"];
    assert_eq!(
        (&own[0], &own[1]),
        (&thinking_block(), &redacted_block()),
        "{sent_body}"
    );
}

#[test]
fn blocks_between_words_and_calls_keep_their_place() {
    let start = |index: u32, block: Value| json!({ "type": "content_block_start", "index": index, "content_block": block });
    let stop = |index: u32| json!({ "type": "content_block_stop", "index": index });
    let piece = |index: u32, text: &str| json!({ "type": "content_block_delta", "index": index, "delta": { "type": "text_delta", "text": text } });
    let second = json!({ "type": "thinking", "thinking": "Rome, then.", "signature": "em5k" });
    let events = vec![
        json!({ "type": "message_start", "message": { "usage": { "input_tokens": 9 } } }),
        start(0, thinking_block()),
        stop(0),
        start(1, json!({ "type": "text", "text": "" })),
        piece(1, "Let me look."),
        stop(1),
        start(2, second.clone()),
        stop(2),
        start(
            3,
            json!({ "type": "tool_use", "id": "t1", "name": "weather", "input": { "place": "Rome" } }),
        ),
        stop(3),
        json!({ "type": "message_delta", "delta": { "stop_reason": "tool_use" }, "usage": { "output_tokens": 5 } }),
        json!({ "type": "message_stop" }),
    ];
    let provider = Provider::answering(move |_: &ReceivedRequest| named_events(&events));
    let server = server_with_format("anthropic", &provider);
    let mut client = server.user("ada@example.com");
    let tools = json!([{ "name": "weather", "input_schema": { "type": "object" } }]);
    for more in [json!({}), json!({ "thinking": { "type": "adaptive" } })] {
        let mut body = messages(more);
        body["tools"] = tools.clone();
        let response = stream_events(&server, &mut client, "/v1/messages", &body);
        let mut blocks = collect_blocks(&response);
        let block_parts = (&blocks[0], &blocks[1]["text"], &blocks[2]);
        assert_eq!(
            block_parts,
            (&thinking_block(), &json!("Let me look."), &second),
            "{response:?}"
        );
        assert_eq!(blocks[3]["type"], "tool_use", "{response:?}");
        blocks[3]["input"] = json!({ "place": "Rome" });
        let result = json!([{ "type": "tool_result", "tool_use_id": "t1", "content": "mild" }]);
        let turns = body["messages"].as_array_mut().unwrap();
        turns.push(json!({ "role": "assistant", "content": blocks }));
        turns.push(json!({ "role": "user", "content": result }));
        assert_eq!(client.post("/v1/messages", body).status, 200);
        let sent_body = last_request_body(&provider);
        let turns = sent_body["messages"].as_array().unwrap()[1..].iter();
        let turns = turns.filter(|turn| turn["role"] == "assistant");
        let parts = turns.flat_map(|turn| turn["content"].as_array().unwrap());
        let kinds: Vec<&Value> = parts.map(|part| &part["type"]).collect();
        assert_eq!(
            kinds,
            ["thinking", "text", "thinking", "tool_use"],
            "{sent_body}"
        );
    }
}

#[test]
fn a_refusal_of_the_request_keeps_its_vendors_words() {
    const VENDOR_ERROR: &str = "messages.1.content.0: expected `thinking`, found `tool_use`";
    let provider = Provider::answering(|_: &ReceivedRequest| {
        let error = json!({ "type": "invalid_request_error", "message": format!("{VENDOR_ERROR} sk-ant-api03-0123456789abcdef") });
        let body = json!({ "type": "error", "error": error });
        on("").status(400, "application/json", &body.to_string())
    });
    let server = server_with_format("anthropic", &provider);
    let mut client = server.user("ada@example.com");
    for stream in [false, true] {
        for (path, field) in [
            ("/v1/messages", "messages"),
            ("/v1/chat/completions", "messages"),
            ("/v1/responses", "input"),
        ] {
            let mut body = json!({ "model": "p/thinker", "max_tokens": 9, "stream": stream });
            body[field] = json!([{ "role": "user", "content": "Warm?" }]);
            let answer = client.post(path, body);
            assert_eq!(answer.status, 400, "{}", answer.text());
            let response = answer.json();
            let message = response["error"]["message"].as_str().unwrap();
            assert!(message.contains(VENDOR_ERROR), "{path}: {message}");
            assert!(!message.contains("sk-ant"), "{path}: {message}");
        }
    }
    // The members of a panel, and the pages, use Quire's own format.
    let request =
        json!({ "prompt": "Warm?", "models": ["p/thinker"], "pattern": "gut", "cache": "off" });
    let said = client.post("/api/analyze", request).text();
    assert!(!said.contains("tool_use"), "{said}");
}
