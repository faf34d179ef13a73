//! Tests Gemini's native API, both with Google as the provider and with a provider that has another API.

use serde_json::{Value, json};

use crate::compatible::{data_objects, key, stream_lines};
use crate::support::provider::{Provider, ReceivedRequest, on};
use crate::support::script::{answer_stream, server, tool_call_stream};
use crate::support::{Client, Server};

fn question_request() -> Value {
    json!({
        "systemInstruction": { "parts": [{ "text": "Be brief." }] },
        "contents": [{ "role": "user", "parts": [
            { "text": "Warm?" }, { "inlineData": { "mimeType": "image/png", "data": "AAAA" } },
        ] }],
        "generationConfig": { "maxOutputTokens": 50, "topP": 0.5, "stopSequences": ["END"],
            "thinkingConfig": { "thinkingLevel": "HIGH", "includeThoughts": true } },
    })
}

/// Starts a provider that calls an offered tool. If the request contains the tool's result, the provider answers
/// instead.
fn tool_calling_provider() -> Provider {
    Provider::answering(|request: &ReceivedRequest| {
        let has_result = request.body["messages"].to_string().contains("\"tool\"");
        match request.body["tools"].is_array() && !has_result {
            true => on("").sse(&tool_call_stream()),
            false => on("").sse(
                &("data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"South.\"}}]}\n\n"
                    .to_owned()
                    + &answer_stream("It is mild.")),
            ),
        }
    })
}

fn last_request_body(provider: &Provider) -> Value {
    provider.requests().pop().unwrap().body
}

#[test]
fn content_is_generated_with_and_without_streaming_and_counted() {
    let provider = tool_calling_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let path = |action: &str| format!("/v1beta/models/p/any:{action}");
    let response = client.post(&path("generateContent"), question_request());
    assert_eq!(response.status, 200, "{}", response.text());
    let response = response.json();
    let parts = json!([{ "text": "South.", "thought": true }, { "text": "It is mild." }]);
    let candidate = &response["candidates"][0];
    assert_eq!(
        candidate["content"],
        json!({ "role": "model", "parts": parts }),
        "{response}"
    );
    assert_eq!(candidate["finishReason"], "STOP");
    assert_eq!(
        response["usageMetadata"]["totalTokenCount"], 18,
        "{response}"
    );
    let sent_body = last_request_body(&provider);
    assert_eq!(
        sent_body["messages"][0],
        json!({ "role": "system", "content": "Be brief." })
    );
    assert_eq!(
        sent_body["messages"][1]["content"][1]["image_url"]["url"],
        "data:image/png;base64,AAAA"
    );
    assert_eq!(
        (&sent_body["max_tokens"], &sent_body["top_p"]),
        (&json!(50), &json!(0.5)),
        "{sent_body}"
    );
    assert_eq!(
        (&sent_body["stop"], &sent_body["reasoning_effort"]),
        (&json!(["END"]), &json!("high")),
        "{sent_body}"
    );

    let own_key = key(&mut client);
    let address = path("streamGenerateContent") + "?alt=sse";
    let (_, all) = stream_lines(&server, &own_key, &address, &question_request());
    assert!(
        !all.iter()
            .any(|line| line.contains("[DONE]") || line.starts_with("event:")),
        "{all:?}"
    );
    let frames = data_objects(&all);
    let (mut text, mut thought) = (String::new(), String::new());
    for part in frames.iter().flat_map(|frame| {
        frame["candidates"][0]["content"]["parts"]
            .as_array()
            .unwrap()
    }) {
        let place = if part["thought"] == true {
            &mut thought
        } else {
            &mut text
        };
        place.push_str(part["text"].as_str().unwrap());
    }
    assert_eq!(
        (text.as_str(), thought.as_str()),
        ("It is mild.", "South."),
        "{frames:?}"
    );
    let last = frames.last().unwrap();
    assert_eq!(last["candidates"][0]["finishReason"], "STOP", "{last}");
    assert_eq!(
        last["usageMetadata"]["candidatesTokenCount"]
            .as_u64()
            .map(|count| count > 0),
        Some(true)
    );

    let response = client.post(&path("countTokens"), question_request()).json();
    assert!(response["totalTokens"].as_u64().unwrap() > 3, "{response}");
    // The newest clients use this path, with the name of a panel.
    let response = client.post(
        "/v1/models/quire/summarize:generateContent",
        json!({ "contents": "Warm?" }),
    );
    assert_eq!(response.status, 200, "{}", response.text());
    let list = client.get("/v1beta/models").json();
    let mut names = list["models"].as_array().unwrap().iter();
    assert!(
        names.any(|row| row["name"] == "models/quire/summarize"),
        "{list}"
    );
}

#[test]
fn tools_go_both_ways_without_ids() {
    let provider = tool_calling_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let schema = json!({ "type": "OBJECT", "properties": { "place": { "type": "STRING" } } });
    let tools = json!([{ "functionDeclarations": [{ "name": "weather", "parameters": schema }] }, { "googleSearch": {} }]);
    let mut body =
        json!({ "contents": [{ "role": "user", "parts": [{ "text": "Warm?" }] }], "tools": tools });
    let path = "/v1beta/models/p/any:generateContent";
    let answer = client.post(path, body.clone());
    assert_eq!(answer.header("x-quire-ignored"), "tools: googleSearch");
    let mut content = answer.json()["candidates"][0]["content"].clone();
    let parts = content["parts"].as_array_mut().unwrap();
    assert_eq!(
        (parts.len(), &parts[1]["functionCall"]["args"]),
        (2, &json!({ "place": "Oslo" }))
    );
    for part in parts.iter_mut() {
        part["functionCall"].as_object_mut().unwrap().remove("id");
    }
    let sent_body = last_request_body(&provider);
    assert_eq!(
        sent_body["tools"][0]["function"]["parameters"]["properties"]["place"]["type"],
        "string"
    );
    let result = |text: &str| json!({ "functionResponse": { "name": "weather", "response": { "result": text } } });
    let turns = body["contents"].as_array_mut().unwrap();
    turns.push(content);
    turns.push(json!({ "role": "user", "parts": [result("mild"), result("cold")] }));
    let response = client.post(path, body).json();
    assert_eq!(
        response["candidates"][0]["content"]["parts"][0]["text"], "It is mild.",
        "{response}"
    );
    let sent_messages = last_request_body(&provider)["messages"].clone();
    assert_eq!(
        sent_messages[1]["tool_calls"][1]["id"], sent_messages[3]["tool_call_id"],
        "{sent_messages}"
    );
    assert!(
        sent_messages[2]["content"]
            .as_str()
            .unwrap()
            .contains("mild"),
        "{sent_messages}"
    );
}

#[test]
fn api_key_in_the_query_is_accepted_and_errors_have_google_format() {
    let provider = tool_calling_provider();
    let server = server(&provider, &[]);
    let own_key = key(&mut server.user("ada@example.com"));
    let path = "/v1beta/models/p/any:generateContent";
    let mut anonymous = Client::new(server.address);
    let body = json!({ "contents": "Warm?" });
    for (address, status, name) in [
        (format!("{path}?key={own_key}"), 200, ""),
        (path.to_owned(), 401, "UNAUTHENTICATED"),
        (format!("{path}?key=quire_wrong"), 401, "UNAUTHENTICATED"),
        (
            format!("/v1beta/models/p/any:embed?key={own_key}"),
            404,
            "NOT_FOUND",
        ),
        (
            format!("/v1beta/models/nobody:generateContent?key={own_key}"),
            404,
            "NOT_FOUND",
        ),
        (
            format!("/v1beta/models/p/any:streamGenerateContent?key={own_key}"),
            400,
            "INVALID_ARGUMENT",
        ),
    ] {
        let answer = anonymous.post(&address, body.clone());
        assert_eq!(answer.status, status, "{address} {}", answer.text());
        if status != 200 {
            let response = answer.json();
            assert_eq!(
                (&response["error"]["code"], &response["error"]["status"]),
                (&json!(status), &json!(name))
            );
        }
    }
    let mut header = Client::new(server.address).with("x-goog-api-key", &own_key);
    assert_eq!(header.post(path, body).status, 200);
    let wrong = json!({ "contents": [{ "role": "user", "parts": [{ "fileData": {} }] }] });
    let answer = header.post(path, wrong);
    assert_eq!(
        answer.json()["error"]["status"],
        "INVALID_ARGUMENT",
        "{}",
        answer.text()
    );
}

#[test]
fn gemini_specific_fields_are_forwarded() {
    let provider = Provider::answering(|_: &ReceivedRequest| {
        let full = json!({ "candidates": [{ "content": { "parts": [{ "text": "Mild." }] }, "finishReason": "STOP" }] });
        on("").sse(&format!("data: {full}\n\n"))
    });
    let known_entries = json!([{ "id": "g", "kind": "gemini", "base_url": provider.base_url(), "api_key": "k", "models": "*" }]);
    let server = Server::with(&[("QUIRE_PROVIDERS", &known_entries.to_string())]);
    let mut client = server.user("ada@example.com");
    let safety = json!([{ "category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE" }]);
    let mut body = question_request();
    body["safetySettings"] = safety.clone();
    let answer = client.post("/v1beta/models/g/gemini-x:generateContent", body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent_body = last_request_body(&provider);
    assert_eq!(sent_body["safetySettings"], safety, "{sent_body}");
    let thinking = &sent_body["generationConfig"]["thinkingConfig"];
    assert_eq!(
        thinking,
        &json!({ "includeThoughts": true, "thinkingLevel": "high" }),
        "{sent_body}"
    );
}

#[test]
fn instructions_and_parts_are_read_in_every_form_and_never_dropped() {
    let provider = tool_calling_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let path = "/v1beta/models/p/any:generateContent";
    let one = json!({ "text": "Be brief." });
    for name in ["systemInstruction", "system_instruction"] {
        for system in [
            json!({ "parts": [one] }),
            json!({ "parts": one }),
            json!({ "parts": "Be brief." }),
            json!("Be brief."),
            one.clone(),
        ] {
            for contents in [
                json!([{ "role": "user", "parts": { "text": "Warm?" } }]),
                json!({ "parts": ["Warm?"] }),
                json!(["Warm?"]),
            ] {
                let answer = client.post(path, json!({ name: system, "contents": contents }));
                assert_eq!(answer.status, 200, "{system} {contents} {}", answer.text());
                let sent_messages = last_request_body(&provider)["messages"].to_string();
                assert!(
                    sent_messages.contains("Be brief.") && sent_messages.contains("Warm?"),
                    "{sent_messages}"
                );
            }
        }
        for system in [
            json!(7),
            json!({ "parts": [{ "inlineData": {} }] }),
            json!({ "parts": 7 }),
        ] {
            let answer = client.post(path, json!({ name: system, "contents": "Warm?" }));
            assert_eq!(answer.status, 400, "{system} {}", answer.text());
            assert!(
                answer.text().contains("systemInstruction"),
                "{}",
                answer.text()
            );
        }
    }
    let wrong = client.get("/v1beta/models/p/any").json();
    assert_eq!(wrong["error"]["status"], "UNIMPLEMENTED", "{wrong}");
}
