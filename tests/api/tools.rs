//! Tests tool calls by clients of the compatible API. The tools are offered to a single acting model, which calls them
//! and receives their results. The advisers receive only text.

use serde_json::{Value, json};

use crate::compatible::{data_objects, key, stream_lines};
use crate::support::line::on;
use crate::support::provider::{Provider, ReceivedRequest, ScriptLine};
use crate::support::script::{answer_stream, server, tool_call_stream};

fn weather_tool() -> Value {
    json!({ "type": "function", "function": {
        "name": "weather", "description": "The weather of a place.",
        "parameters": { "type": "object", "properties": { "place": { "type": "string" } } },
    } })
}

/// Starts a provider that calls the tool in two pieces. If the request contains the tool's result, the provider answers
/// instead.
fn tool_calling_provider() -> Provider {
    Provider::answering(|request: &ReceivedRequest| {
        let messages = request.body["messages"].as_array().unwrap();
        let has_result = messages.iter().any(|message| message["role"] == "tool");
        if request.body["tools"].is_null() || has_result {
            return on("").sse(&answer_stream("It is warm."));
        }
        on("").sse(&tool_call_stream())
    })
}

fn asked_with_tools(provider: &Provider) -> Vec<ReceivedRequest> {
    let requests = provider.requests().into_iter();
    requests
        .filter(|request| !request.body["tools"].is_null())
        .collect()
}

#[test]
fn a_single_model_calls_a_tool_and_receives_the_result() {
    let provider = tool_calling_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let mut body = json!({
        "model": "p/any", "tools": [weather_tool()], "tool_choice": "required",
        "messages": [{ "role": "user", "content": "Where is it warm?" }],
    });
    let answer = client.post("/v1/chat/completions", body.clone()).json();
    let choice = &answer["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls", "{answer}");
    assert_eq!(choice["message"]["content"], Value::Null);
    let calls = choice["message"]["tool_calls"].clone();
    assert_eq!(calls[0]["function"]["arguments"], "{\"place\":\"Rome\"}");
    assert_eq!(
        (&calls[1]["id"], calls.as_array().unwrap().len()),
        (&json!("c2"), 2)
    );
    let sent_body = &provider.requests()[0].body;
    assert_eq!(
        (&sent_body["tools"][0], &sent_body["tool_choice"]),
        (&weather_tool(), &json!("required"))
    );

    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(choice["message"].clone());
    for id in ["c1", "c2"] {
        messages.push(json!({ "role": "tool", "tool_call_id": id, "content": "21" }));
    }
    body["tool_choice"] = json!("auto");
    let answer = client.post("/v1/chat/completions", body).json();
    assert_eq!(
        answer["choices"][0]["message"]["content"], "It is warm.",
        "{answer}"
    );
    let sent_messages = &provider.requests()[1].body["messages"];
    assert_eq!(sent_messages[1]["tool_calls"], calls);
    assert_eq!(
        (&sent_messages[2]["role"], &sent_messages[2]["tool_call_id"]),
        (&json!("tool"), &json!("c1"))
    );
}

#[test]
fn tool_calls_are_streamed_in_each_api_format() {
    let provider = tool_calling_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let key = key(&mut client);
    let user = json!([{ "role": "user", "content": "Where is it warm?" }]);
    let flat = json!({ "type": "function", "name": "weather", "parameters": { "type": "object" } });
    let own_body = json!({ "name": "weather", "input_schema": { "type": "object" } });

    let body =
        json!({ "model": "p/any", "stream": true, "tools": [weather_tool()], "messages": user });
    let (_, response) = stream_lines(&server, &key, "/v1/chat/completions", &body);
    let chunks = data_objects(&response);
    let calls: Vec<&Value> = chunks
        .iter()
        .flat_map(|chunk| {
            chunk["choices"][0]["delta"]["tool_calls"]
                .as_array()
                .into_iter()
                .flatten()
        })
        .collect();
    assert_eq!(
        (calls.len(), &calls[1]["index"], &calls[1]["id"]),
        (2, &json!(1), &json!("c2"))
    );
    assert_eq!(
        chunks.last().unwrap()["choices"][0]["finish_reason"],
        "tool_calls"
    );
    assert_eq!(response.last().unwrap(), "data: [DONE]");

    let body =
        json!({ "model": "p/any", "stream": true, "tools": [flat], "input": "Where is it warm?" });
    let events = data_objects(&stream_lines(&server, &key, "/v1/responses", &body).1);
    let last = &events.last().unwrap()["response"];
    assert_eq!(
        (&last["status"], &last["output"][0]["type"]),
        (&json!("completed"), &json!("function_call"))
    );
    assert_eq!(last["output"][1]["call_id"], "c2");
    let done_events: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"] == "response.function_call_arguments.done")
        .collect();
    assert_eq!(done_events[0]["arguments"], "{\"place\":\"Rome\"}");

    let body = json!({ "model": "p/any", "stream": true, "max_tokens": 100, "tools": [own_body], "messages": user });
    let events = data_objects(&stream_lines(&server, &key, "/v1/messages", &body).1);
    let starts: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"] == "content_block_start")
        .collect();
    assert_eq!(
        (starts.len(), &starts[0]["content_block"]["type"]),
        (2, &json!("tool_use"))
    );
    let end = events
        .iter()
        .find(|event| event["type"] == "message_delta")
        .unwrap();
    assert_eq!(end["delta"]["stop_reason"], "tool_use");
}

#[test]
fn anthropic_s_and_responses_results_are_given_back() {
    let provider = tool_calling_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let answer = client.post("/v1/messages", json!({
        "model": "p/any", "max_tokens": 100, "tools": [{ "name": "weather", "input_schema": { "type": "object" } }],
        "messages": [
            { "role": "user", "content": "Where is it warm?" },
            { "role": "assistant", "content": [
                { "type": "text", "text": "I look." },
                { "type": "tool_use", "id": "t1", "name": "weather", "input": { "place": "Rome" } },
            ] },
            { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "t1", "content": [{ "type": "text", "text": "21" }] },
                { "type": "text", "text": "And?" },
            ] },
        ],
    }));
    assert_eq!(
        answer.json()["content"][0]["text"],
        "It is warm.",
        "{}",
        answer.text()
    );
    let roles = |place: usize| -> Vec<String> {
        let requests = provider.requests();
        let messages = requests[place].body["messages"].as_array().unwrap().iter();
        messages
            .map(|message| message["role"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(roles(0), ["user", "assistant", "tool", "user"]);
    let answer = client.post("/v1/responses", json!({
        "model": "p/any", "tools": [{ "type": "function", "name": "weather" }, { "type": "web_search" }],
        "input": [
            { "role": "user", "content": "Where is it warm?" },
            { "type": "function_call", "call_id": "t1", "name": "weather", "arguments": "{}" },
            { "type": "function_call_output", "call_id": "t1", "output": "21" },
        ],
    }));
    assert_eq!(answer.header("x-quire-ignored"), "tools: web_search");
    assert_eq!(
        answer.json()["output"][0]["content"][0]["text"],
        "It is warm."
    );
    assert_eq!(roles(1), ["user", "assistant", "tool"]);
}

#[test]
fn panel_advises_and_one_member_calls_tools() {
    let provider = tool_calling_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let recipe = json!({ "name": "my-crew", "pattern": "gut", "models": ["p/one", "p/two"], "ultra_model": "p/writer" });
    let created = client.post("/api/recipes", recipe);
    assert!(created.status < 300, "{}", created.text());
    let mut body = json!({
        "model": "quire/my-crew", "tools": [weather_tool()],
        "messages": [{ "role": "user", "content": "Where is it warm?" }],
    });
    let answer = client.post("/v1/chat/completions", body.clone()).json();
    assert_eq!(
        answer["choices"][0]["finish_reason"], "tool_calls",
        "{answer}"
    );
    let called = asked_with_tools(&provider);
    assert_eq!(called.len(), 1, "advisers are offered none");
    assert_eq!(called[0].model(), "writer");
    let before = provider.requests().len();
    assert!(before >= 3);

    // When the result of the tool arrives, only the acting model is called.
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(answer["choices"][0]["message"].clone());
    for id in ["c1", "c2"] {
        messages.push(json!({ "role": "tool", "tool_call_id": id, "content": "21" }));
    }
    let answer = client.post("/v1/chat/completions", body).json();
    assert_eq!(
        answer["choices"][0]["message"]["content"], "It is warm.",
        "{answer}"
    );
    let requests = provider.requests();
    assert_eq!(
        (requests.len() - before, requests[before].model()),
        (1, "writer".to_owned())
    );
}

#[test]
fn an_interrupted_tool_call_is_an_error() {
    let provider = Provider::answering(|_: &ReceivedRequest| -> ScriptLine {
        let full = tool_call_stream();
        on("").cut(&full[..full.len() / 2])
    });
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let body = json!({ "model": "p/any", "tools": [weather_tool()], "messages": [{ "role": "user", "content": "Where?" }] });
    let answer = client.post("/v1/chat/completions", body);
    assert!(answer.status >= 500, "{}", answer.text());
}
