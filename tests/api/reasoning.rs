//! Tests reasoning on each compatible API: it is returned as a whole and streamed, and its signatures are kept and sent
//! back to the provider that requires them. Also tests stop sequences and log probabilities.

use serde_json::{Value, json};

use crate::compatible::{data_objects, key, stream_lines};
use crate::support::provider::{Provider, ReceivedRequest, ScriptLine, on};
use crate::support::script::server;
use crate::support::{Client, Server};

pub fn named_events(objects: &[Value]) -> ScriptLine {
    let one = |object: &Value| {
        let name = object["type"].as_str().unwrap();
        format!("event: {name}\ndata: {object}\n\n")
    };
    on("").sse(&objects.iter().map(one).collect::<String>())
}

fn chunks(objects: &[Value]) -> ScriptLine {
    let one = |object: &Value| format!("data: {object}\n\n");
    let body: String = objects.iter().map(one).collect();
    on("").sse(&(body + "data: [DONE]\n\n"))
}

fn delta(delta: Value) -> Value {
    json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] })
}

fn end_chunk() -> Value {
    json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] })
}

pub fn thinking_block() -> Value {
    json!({ "type": "thinking", "thinking": "I need the weather.", "signature": "c2lnbmVk" })
}

pub fn redacted_block() -> Value {
    json!({ "type": "redacted_thinking", "data": "b3BhcXVl" })
}

/// Starts a provider that first reasons and calls a tool, and then answers when it has received the result.
pub fn anthropic() -> Provider {
    let start = |index: u32, block: Value| json!({ "type": "content_block_start", "index": index, "content_block": block });
    let piece = |index: u32, delta: Value| json!({ "type": "content_block_delta", "index": index, "delta": delta });
    let stop = |index: u32| json!({ "type": "content_block_stop", "index": index });
    let end_events = |reason: Value, sequence: Value| {
        [
            json!({ "type": "message_delta", "delta": { "stop_reason": reason, "stop_sequence": sequence }, "usage": { "input_tokens": 9, "output_tokens": 5 } }),
            json!({ "type": "message_stop" }),
        ]
    };
    let mut calls = vec![
        json!({ "type": "message_start", "message": { "usage": { "input_tokens": 9, "output_tokens": 1 } } }),
        start(
            0,
            json!({ "type": "thinking", "thinking": "", "signature": "" }),
        ),
        piece(
            0,
            json!({ "type": "thinking_delta", "thinking": "I need " }),
        ),
        piece(
            0,
            json!({ "type": "thinking_delta", "thinking": "the weather." }),
        ),
        piece(
            0,
            json!({ "type": "signature_delta", "signature": "c2lnbmVk" }),
        ),
        stop(0),
        start(1, redacted_block()),
        stop(1),
        start(
            2,
            json!({ "type": "tool_use", "id": "t1", "name": "weather", "input": {} }),
        ),
        piece(
            2,
            json!({ "type": "input_json_delta", "partial_json": "{\"place\":\"Rome\"}" }),
        ),
        stop(2),
    ];
    calls.extend(end_events(json!("tool_use"), Value::Null));
    let mut answer_events = vec![
        start(0, json!({ "type": "text", "text": "" })),
        piece(0, json!({ "type": "text_delta", "text": "It is mild" })),
        stop(0),
    ];
    answer_events.extend(end_events(json!("stop_sequence"), json!("END")));
    Provider::answering(move |request: &ReceivedRequest| {
        let has_result = request.body["messages"].to_string().contains("tool_result");
        named_events(if has_result { &answer_events } else { &calls })
    })
}

pub fn server_with_format(kind: &str, provider: &Provider) -> Server {
    let provider_list = json!([{ "id": "p", "kind": kind, "base_url": provider.base_url(), "api_key": "k", "models": "*" }]);
    Server::with(&[("QUIRE_PROVIDERS", &provider_list.to_string())])
}

pub fn stream_events(server: &Server, client: &mut Client, path: &str, body: &Value) -> Vec<Value> {
    let key = key(client);
    let mut body = body.clone();
    body["stream"] = json!(true);
    data_objects(&stream_lines(server, &key, path, &body).1)
}

pub fn last_request_body(provider: &Provider) -> Value {
    let mut requests = provider.requests();
    requests.retain(|request| request.head.starts_with("POST"));
    requests.pop().unwrap().body
}

pub fn messages(extra_fields: Value) -> Value {
    let mut body = json!({
        "model": "p/thinker", "max_tokens": 4096, "stop_sequences": ["END"],
        "messages": [{ "role": "user", "content": "Warm?" }],
    });
    for (name, value) in extra_fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[test]
fn signed_thinking_goes_through_a_tool_loop_unchanged() {
    let provider = anthropic();
    let server = server_with_format("anthropic", &provider);
    let mut client = server.user("ada@example.com");
    let tools = json!([{ "name": "weather", "input_schema": { "type": "object" } }]);
    let thinking = json!({ "type": "enabled", "budget_tokens": 2048 });
    let mut body = messages(json!({ "thinking": thinking, "tools": tools }));
    let response = client.post("/v1/messages", body.clone()).json();
    let content = response["content"].as_array().unwrap().clone();
    assert_eq!(
        content[..2],
        [thinking_block(), redacted_block()],
        "{response}"
    );
    assert_eq!(
        (content.len(), &content[2]["type"]),
        (3, &json!("tool_use"))
    );
    // The request is sent twice. The second answer comes from the cache.
    for _ in 0..2 {
        let events = stream_events(&server, &mut client, "/v1/messages", &body);
        let blocks = collect_blocks(&events);
        assert_eq!(
            blocks[..2],
            [thinking_block(), redacted_block()],
            "{events:?}"
        );
        assert_eq!(blocks.len(), 3, "{events:?}");
    }
    let result = json!([{ "type": "tool_result", "tool_use_id": "t1", "content": "mild" }]);
    let turns = body["messages"].as_array_mut().unwrap();
    turns.push(json!({ "role": "assistant", "content": content }));
    turns.push(json!({ "role": "user", "content": result }));
    let response = client.post("/v1/messages", body.clone()).json();
    assert_eq!(response["content"][0]["text"], "It is mild", "{response}");
    assert_eq!(
        (&response["stop_reason"], &response["stop_sequence"]),
        (&json!("stop_sequence"), &json!("END"))
    );
    let sent_body = last_request_body(&provider);
    let own = &sent_body["messages"][1]["content"];
    assert_eq!(
        (&own[0], &own[1]),
        (&thinking_block(), &redacted_block()),
        "{sent_body}"
    );
    assert!(
        sent_body["thinking"].is_object(),
        "it may go on thinking: {sent_body}"
    );
    body["thinking"] = json!({ "type": "adaptive" });
    assert_eq!(client.post("/v1/messages", body.clone()).status, 200);
    assert_eq!(
        last_request_body(&provider)["thinking"],
        json!({ "type": "adaptive" })
    );
    // If the client has lost the reasoning blocks, the vendor would refuse the request, so reasoning is turned off.
    let turns = body["messages"].as_array_mut().unwrap();
    turns[1]["content"].as_array_mut().unwrap().drain(..2);
    assert_eq!(client.post("/v1/messages", body.clone()).status, 200);
    assert!(last_request_body(&provider)["thinking"].is_null());
    let events = stream_events(&server, &mut client, "/v1/messages", &body);
    let ending = events
        .iter()
        .find(|event| event["type"] == "message_delta")
        .unwrap();
    assert_eq!(ending["delta"]["stop_sequence"], "END", "{ending}");
}

/// Assembles the blocks of a stream as Anthropic's SDK does. Every block must have a start event and a stop event.
pub fn collect_blocks(events: &[Value]) -> Vec<Value> {
    let mut blocks: Vec<Value> = Vec::new();
    let mut open = None;
    for event in events {
        let at = event["index"].as_u64().map(|at| at as usize);
        match event["type"].as_str().unwrap() {
            "content_block_start" => {
                assert_eq!((open, at), (None, Some(blocks.len())), "{events:?}");
                open = at;
                blocks.push(event["content_block"].clone());
            }
            "content_block_delta" => {
                assert_eq!(open, at, "{events:?}");
                let block = blocks.last_mut().unwrap();
                for name in ["thinking", "signature", "text"] {
                    if let Some(piece) = event["delta"][name].as_str() {
                        let previous_text = block[name].as_str().unwrap_or_default().to_owned();
                        block[name] = json!(previous_text + piece);
                    }
                }
            }
            "content_block_stop" => assert_eq!(open.take(), at, "{events:?}"),
            _ => {}
        }
    }
    blocks
}

/// Starts a provider with a reasoning model that has the chat completions API.
fn reasoning() -> Provider {
    Provider::answering(|_: &ReceivedRequest| {
        chunks(&[
            delta(json!({ "reasoning_content": "Rome is " })),
            delta(json!({ "reasoning_content": "south." })),
            delta(json!({ "content": "It is " })),
            delta(json!({ "content": "mild." })),
            end_chunk(),
        ])
    })
}

#[test]
fn messages_show_thinking_to_clients_that_ask_for_it() {
    let provider = reasoning();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let unsigned = json!({ "type": "thinking", "thinking": "Rome is south.", "signature": "" });
    let text = json!({ "type": "text", "text": "It is mild.", "citations": null });
    let asks = json!({ "thinking": { "type": "adaptive" } });
    for (more, expected) in [
        (asks.clone(), vec![unsigned.clone(), text.clone()]),
        (json!({}), vec![text.clone()]),
        (
            json!({ "thinking": { "type": "disabled" } }),
            vec![text.clone()],
        ),
    ] {
        let response = client.post("/v1/messages", messages(more.clone())).json();
        assert_eq!(response["content"], json!(expected), "{more}");
        let events = stream_events(&server, &mut client, "/v1/messages", &messages(more));
        assert_eq!(collect_blocks(&events), expected, "{events:?}");
    }
    // The model's reasoning is sent back in the field that its vendor uses.
    let mut body = messages(asks);
    let turns = body["messages"].as_array_mut().unwrap();
    turns.push(json!({ "role": "assistant", "content": [unsigned, text] }));
    turns.push(json!({ "role": "user", "content": "Sure?" }));
    assert_eq!(client.post("/v1/messages", body).status, 200);
    let sent_body = last_request_body(&provider);
    assert_eq!(
        sent_body["messages"][1]["reasoning_content"], "Rome is south.",
        "{sent_body}"
    );
}

#[test]
fn responses_have_an_item_of_reasoning_and_take_it_back() {
    let provider = reasoning();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let body = json!({ "model": "p/thinker", "input": "Warm?" });
    let response = client.post("/v1/responses", body.clone()).json();
    let output = &response["output"];
    assert_eq!(
        (&output[0]["type"], &output[1]["type"]),
        (&json!("reasoning"), &json!("message")),
        "{response}"
    );
    assert_eq!(
        output[0]["summary"],
        json!([{ "type": "summary_text", "text": "Rome is south." }])
    );
    let events = stream_events(&server, &mut client, "/v1/responses", &body);
    let of = |name: &str| -> Vec<&Value> {
        events
            .iter()
            .filter(|event| event["type"] == name)
            .collect()
    };
    let words: String = of("response.reasoning_summary_text.delta")
        .iter()
        .map(|event| event["delta"].as_str().unwrap())
        .collect();
    assert_eq!(words, "Rome is south.");
    let done = of("response.output_item.done");
    let full = &of("response.completed")[0]["response"]["output"];
    for (place, item) in done.iter().enumerate() {
        assert_eq!(
            (&item["output_index"], &item["item"]),
            (&json!(place), &full[place])
        );
    }
    assert_eq!(done.len(), 2, "{events:?}");
    let text = &of("response.output_text.delta")[0];
    assert_eq!(text["output_index"], 1, "{text}");
    let input = json!([
        { "role": "user", "content": "Warm?" }, output[0], output[1],
        { "role": "user", "content": "Sure?" },
    ]);
    let second = json!({ "model": "p/thinker", "input": input });
    assert_eq!(client.post("/v1/responses", second).status, 200);
    let sent_body = last_request_body(&provider);
    let roles: Vec<&Value> = sent_body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|turn| &turn["role"])
        .collect();
    assert_eq!(roles, ["user", "assistant", "user"], "{sent_body}");
    assert_eq!(
        sent_body["messages"][1]["reasoning_content"], "Rome is south.",
        "{sent_body}"
    );
}

#[test]
fn encrypted_reasoning_goes_through_responses_unchanged() {
    let item = json!({ "id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "c2VhbGVk" });
    let call = json!({ "type": "function_call", "id": "fc_1", "call_id": "c1", "name": "weather", "arguments": "{}", "status": "completed" });
    let done_event = |place: u32, item: &Value| json!({ "type": "response.output_item.done", "output_index": place, "item": item });
    let events = [
        done_event(0, &item),
        done_event(1, &call),
        json!({ "type": "response.completed", "response": { "status": "completed", "usage": { "input_tokens": 3, "output_tokens": 4 } } }),
    ];
    let provider = Provider::answering(move |_: &ReceivedRequest| named_events(&events));
    let server = server_with_format("responses", &provider);
    let mut client = server.user("ada@example.com");
    let tools =
        json!([{ "type": "function", "name": "weather", "parameters": { "type": "object" } }]);
    let body = json!({ "model": "p/thinker", "input": "Warm?", "tools": tools });
    let response = client.post("/v1/responses", body.clone()).json();
    assert_eq!(response["output"][0], item, "{response}");
    assert_eq!(response["output"][1]["type"], "function_call", "{response}");
    let stream = stream_events(&server, &mut client, "/v1/responses", &body);
    let full = &stream.last().unwrap()["response"]["output"];
    assert_eq!(full[0], item, "{full}");
    let result = json!({ "type": "function_call_output", "call_id": "c1", "output": "mild" });
    let input =
        json!([{ "role": "user", "content": "Warm?" }, item, response["output"][1], result]);
    let second = json!({ "model": "p/thinker", "input": input, "tools": tools });
    assert_eq!(client.post("/v1/responses", second).status, 200);
    let sent_body = last_request_body(&provider);
    assert_eq!(sent_body["input"][1], item, "{sent_body}");
    assert_eq!(
        sent_body["input"][2]["type"], "function_call",
        "{sent_body}"
    );
}

#[test]
fn opaque_reasoning_goes_through_chat_without_a_call_too() {
    let details = json!([{ "type": "reasoning.encrypted", "data": "opaque", "index": 0 }]);
    let details_sent = details.clone();
    let provider = Provider::answering(move |_: &ReceivedRequest| {
        let first = json!({ "reasoning_content": "Rome.", "reasoning_details": details_sent, "content": "Mild." });
        chunks(&[delta(first), end_chunk()])
    });
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let mut body =
        json!({ "model": "p/thinker", "messages": [{ "role": "user", "content": "Warm?" }] });
    let response = client.post("/v1/chat/completions", body.clone()).json();
    let message = response["choices"][0]["message"].clone();
    assert_eq!(message["reasoning_details"], details, "{response}");
    let events = stream_events(&server, &mut client, "/v1/chat/completions", &body);
    let has_details = events
        .iter()
        .any(|event| event["choices"][0]["delta"]["reasoning_details"] == details);
    assert!(has_details, "{events:?}");
    let turns = body["messages"].as_array_mut().unwrap();
    turns.extend([message, json!({ "role": "user", "content": "Sure?" })]);
    assert_eq!(client.post("/v1/chat/completions", body).status, 200);
    let sent_body = last_request_body(&provider);
    assert_eq!(
        sent_body["messages"][1]["reasoning_details"], details,
        "{sent_body}"
    );
    assert_eq!(
        sent_body["messages"][1]["reasoning_content"], "Rome.",
        "{sent_body}"
    );
}

#[test]
fn log_probabilities_are_returned_with_and_without_streaming() {
    let token = |text: &str| json!({ "token": text, "logprob": -0.25, "bytes": [65], "top_logprobs": [{ "token": text, "logprob": -0.25, "bytes": [65] }] });
    let both = json!([token("Mild"), token(".")]);
    let logprobs_sent = both.clone();
    let provider = Provider::answering(move |request: &ReceivedRequest| {
        let piece = |text: &str, at: usize| {
            let mut piece = delta(json!({ "content": text }));
            if request.body["logprobs"] == true {
                piece["choices"][0]["logprobs"] =
                    json!({ "content": [logprobs_sent[at]], "refusal": null });
            }
            piece
        };
        chunks(&[piece("Mild", 0), piece(".", 1), end_chunk()])
    });
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let ask = |extra_fields: Value| {
        let mut body =
            json!({ "model": "p/any", "messages": [{ "role": "user", "content": "Warm?" }] });
        for (name, value) in extra_fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let expected = ask(json!({ "logprobs": true, "top_logprobs": 1 }));
    let response = client.post("/v1/chat/completions", expected.clone()).json();
    assert_eq!(
        response["choices"][0]["logprobs"],
        json!({ "content": both, "refusal": null }),
        "{response}"
    );
    for expected in [
        expected.clone(),
        ask(json!({ "logprobs": true, "top_logprobs": 1, "n": 2 })),
    ] {
        let events = stream_events(&server, &mut client, "/v1/chat/completions", &expected);
        let first = events
            .iter()
            .filter(|event| event["choices"][0]["index"] == 0);
        let all = first.filter_map(|event| event["choices"][0]["logprobs"]["content"].as_array());
        let all: Vec<Value> = all.flatten().cloned().collect();
        assert_eq!(json!(all), both, "{events:?}");
    }
    let response = client.post("/v1/chat/completions", ask(json!({}))).json();
    assert_eq!(
        response["choices"][0]["logprobs"],
        Value::Null,
        "{response}"
    );
}
