//! Tests tools: outgoing requests in each API format, and recorded vendor responses.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::domain::tools::{Tool, ToolCall, ToolChoice, Tools};

fn tools(choice: ToolChoice) -> Tools {
    Tools {
        list: vec![Tool {
            name: "weather".into(),
            description: "The weather of a place.".into(),
            parameters: json!({ "type": "object", "properties": { "location": { "type": "string" } } }),
            strict: None,
            cache_control: None,
        }],
        choice,
        parallel: Some(false),
    }
}

fn request_with_tools(choice: ToolChoice) -> ModelRequest {
    let call = |id: &str, place: &str| ToolCall {
        id: id.into(),
        name: "weather".into(),
        arguments: json!({ "location": place }).to_string(),
        signature: Some("sig".into()),
    };
    let result = |id: &str, text: &str| Message {
        result_of: Some(id.into()),
        ..Message::new(MessageRole::User, text)
    };
    let mut ask = request_with(Parameters::default());
    ask.messages.extend([
        Message {
            calls: vec![call("c1", "Rome"), call("c2", "Oslo")],
            ..Message::new(MessageRole::Assistant, "")
        },
        result("c1", "21 degrees"),
        result("c2", "2 degrees"),
        Message::new(MessageRole::User, "Which is warmer?"),
    ]);
    ask.tools = Some(Arc::new(tools(choice)));
    ask
}

fn sent_body(kind: ApiFormat, ask: &ModelRequest) -> Value {
    let outgoing = request(
        kind,
        "m",
        ask,
        &ModelCapabilities::default(),
        openai::PLAIN_QUIRKS,
    );
    serde_json::from_slice(&outgoing.body).unwrap()
}

#[test]
fn a_conversation_with_tools_is_encoded_in_each_format() {
    let ask = request_with_tools(ToolChoice::Auto);
    let chat = sent_body(ApiFormat::OpenAi, &ask);
    let own = &chat["messages"];
    assert_eq!(own[2]["content"], Value::Null);
    assert_eq!(own[2]["tool_calls"][1]["id"], "c2");
    assert_eq!(
        own[3],
        json!({ "role": "tool", "tool_call_id": "c1", "content": "21 degrees" })
    );
    assert_eq!(chat["tools"][0]["function"]["name"], "weather");
    assert_eq!(
        (&chat["tool_choice"], &chat["parallel_tool_calls"]),
        (&Value::Null, &json!(false))
    );

    let responses = sent_body(ApiFormat::Responses, &ask);
    let own = &responses["input"];
    assert_eq!(
        (&own[1]["type"], &own[2]["call_id"]),
        (&json!("function_call"), &json!("c2"))
    );
    assert_eq!(
        own[3],
        json!({ "type": "function_call_output", "call_id": "c1", "output": "21 degrees" })
    );
    assert_eq!(responses["tools"][0]["strict"], false);

    // Both results are in one turn, before the user's text.
    let anthropic = sent_body(ApiFormat::Anthropic, &ask);
    let own = &anthropic["messages"];
    assert_eq!(own.as_array().unwrap().len(), 3);
    assert_eq!(own[1]["content"][0]["input"]["location"], "Rome");
    let last: Vec<&str> = own[2]["content"]
        .as_array()
        .unwrap()
        .iter()
        .map(|block| block["type"].as_str().unwrap())
        .collect();
    assert_eq!(last, ["tool_result", "tool_result", "text"]);
    assert_eq!(
        anthropic["tool_choice"],
        json!({ "type": "auto", "disable_parallel_tool_use": true })
    );

    let gemini = sent_body(ApiFormat::Gemini, &ask);
    let own = &gemini["contents"];
    assert_eq!(own[1]["parts"][0]["thoughtSignature"], "sig");
    assert_eq!(own[2]["parts"][0]["functionResponse"]["name"], "weather");
    assert_eq!(
        gemini["tools"][0]["functionDeclarations"][0]["name"],
        "weather"
    );

    let ollama = sent_body(ApiFormat::Ollama, &ask);
    let own = &ollama["messages"];
    assert_eq!(
        own[2]["tool_calls"][0]["function"]["arguments"]["location"],
        "Rome"
    );
    assert_eq!(
        (&own[3]["role"], &own[3]["tool_name"]),
        (&json!("tool"), &json!("weather"))
    );
}

#[test]
fn a_tool_choice_is_encoded_in_each_format() {
    let named_choice = || ToolChoice::Named("weather".into());
    for (kind, place, choice, expected) in [
        (
            ApiFormat::OpenAi,
            "/tool_choice",
            ToolChoice::Required,
            json!("required"),
        ),
        (
            ApiFormat::OpenAi,
            "/tool_choice/function/name",
            named_choice(),
            json!("weather"),
        ),
        (
            ApiFormat::Responses,
            "/tool_choice",
            ToolChoice::None,
            json!("none"),
        ),
        (
            ApiFormat::Responses,
            "/tool_choice/name",
            named_choice(),
            json!("weather"),
        ),
        (
            ApiFormat::Anthropic,
            "/tool_choice/type",
            ToolChoice::Required,
            json!("any"),
        ),
        (
            ApiFormat::Anthropic,
            "/tool_choice/type",
            ToolChoice::None,
            json!("none"),
        ),
        (
            ApiFormat::Anthropic,
            "/tool_choice/name",
            named_choice(),
            json!("weather"),
        ),
        (
            ApiFormat::Gemini,
            "/toolConfig/functionCallingConfig/mode",
            ToolChoice::Required,
            json!("ANY"),
        ),
        (
            ApiFormat::Gemini,
            "/toolConfig/functionCallingConfig/allowedFunctionNames/0",
            named_choice(),
            json!("weather"),
        ),
        (
            ApiFormat::Gemini,
            "/toolConfig/functionCallingConfig/mode",
            ToolChoice::None,
            json!("NONE"),
        ),
    ] {
        let body = sent_body(kind, &request_with_tools(choice.clone()));
        assert_eq!(body.pointer(place), Some(&expected), "{kind:?} {choice:?}");
    }
    assert_eq!(
        sent_body(ApiFormat::Ollama, &request_with_tools(ToolChoice::None))["tools"],
        Value::Null
    );
}

#[test]
fn recorded_calls_are_decoded() {
    let mut ask = request_with(Parameters::default());
    ask.tools = Some(Arc::new(tools(ToolChoice::Auto)));
    for (kind, recording, name, arguments) in [
        (
            ApiFormat::OpenAi,
            events(recording!("deepseek-tool.chunks.txt")),
            "weather",
            "{\"location\": \"San Francisco\"}",
        ),
        (
            ApiFormat::OpenAi,
            events(recording!("mistral-tool.chunks.txt")),
            "weather",
            "{\"location\": \"San Francisco\"}",
        ),
        (
            ApiFormat::Anthropic,
            events(recording!("anthropic-tool.chunks.txt")),
            "weather",
            "{\"location\": \"San Francisco\"}",
        ),
        (
            ApiFormat::Gemini,
            recording!("gemini-tool.sse").to_owned(),
            "get_country",
            "{}",
        ),
    ] {
        // The result does not depend on where the stream is split.
        for size in [7, 1 << 20] {
            let pieces: Vec<&[u8]> = recording.as_bytes().chunks(size).collect();
            let answer = decode(kind, &pieces, &ask).2.expect("an answer");
            assert_eq!(answer.finish, Finish::ToolCalls);
            let call = &answer.calls[0];
            assert_eq!(
                (call.name.as_str(), call.arguments.as_str()),
                (name, arguments)
            );
            assert!(!call.id.is_empty());
            assert_eq!(call.signature.is_some(), kind == ApiFormat::Gemini);
        }
    }
}

#[test]
fn invalid_calls_are_not_answers() {
    let mut ask = request_with(Parameters::default());
    ask.tools = Some(Arc::new(tools(ToolChoice::Auto)));
    let chunk = |delta: Value, finish: Value| {
        format!(
            "data: {}\n\n",
            json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] })
        )
    };
    let called = |arguments: &str| {
        let function = json!({ "name": "weather", "arguments": arguments });
        json!({ "tool_calls": [{ "index": 0, "id": "c", "function": function }] })
    };
    for (arguments, finish, expected) in [
        ("{\"a\":", "tool_calls", Err(CallErrorKind::Malformed)),
        ("[1]", "tool_calls", Err(CallErrorKind::Malformed)),
        ("{\"a\":", "length", Err(CallErrorKind::Empty)),
        ("{}", "stop", Ok(1)),
        ("", "tool_calls", Ok(1)),
    ] {
        let text = chunk(called(arguments), json!(finish)) + "data: [DONE]\n\n";
        let result = decode(ApiFormat::OpenAi, &[text.as_bytes()], &ask).2;
        let outcome = result
            .map(|answer| answer.calls.len())
            .map_err(|error| error.kind);
        assert_eq!(outcome, expected, "{arguments} {finish}");
    }
    // A call in a stream that ends without a finish reason does not count.
    let text = chunk(called("{\"a\":1}"), Value::Null);
    let result = decode(ApiFormat::OpenAi, &[text.as_bytes()], &ask).2;
    assert_eq!(
        result.map_err(|error| error.kind),
        Err(CallErrorKind::Truncated)
    );
}
