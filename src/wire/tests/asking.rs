//! Tests outgoing requests in each API format.

use serde_json::{Value, json};

use super::{request_with, request_with_schema};
use crate::domain::chat::{Image, ModelRequest};
use crate::domain::model::{Structured, Thinking};
use crate::domain::parameters::Parameters;
use crate::wire::{ApiFormat, ModelCapabilities, openai, request};

fn sent_body(kind: ApiFormat, ask: &ModelRequest, capabilities: &ModelCapabilities) -> Value {
    let outgoing = request(kind, "m", ask, capabilities, openai::PLAIN_QUIRKS);
    serde_json::from_slice(&outgoing.body).unwrap()
}

#[test]
fn each_format_has_its_own_names() {
    let own = Parameters {
        temperature: Some(1.5),
        top_p: Some(0.5),
        top_k: Some(7),
        max_tokens: Some(50),
        seed: Some(3),
        stop: vec!["END".into()],
        ..Parameters::default()
    };
    let mut ask = request_with(own);
    ask.messages[1].images = vec![Image {
        media_type: "image/png".into(),
        base64: "AAAA".into(),
    }];
    let plain = ModelCapabilities::default();
    let anthropic = sent_body(ApiFormat::Anthropic, &ask, &plain);
    assert_eq!(anthropic["system"], "Be brief.");
    assert_eq!(
        anthropic["messages"][0]["content"][0]["source"]["data"],
        "AAAA"
    );
    assert_eq!(anthropic["messages"][0]["content"][1]["text"], "Hello.");
    // The temperature must not exceed 1, and the API does not accept both `temperature` and `top_p`.
    assert_eq!(
        (
            &anthropic["temperature"],
            &anthropic["top_p"],
            &anthropic["top_k"]
        ),
        (&json!(1.0), &Value::Null, &json!(7))
    );
    assert_eq!(
        (&anthropic["max_tokens"], &anthropic["stop_sequences"][0]),
        (&json!(50), &json!("END"))
    );
    let gemini = sent_body(ApiFormat::Gemini, &ask, &plain);
    assert_eq!(gemini["systemInstruction"]["parts"][0]["text"], "Be brief.");
    assert_eq!(
        gemini["contents"][0]["parts"][0]["inlineData"]["mimeType"],
        "image/png"
    );
    assert_eq!(
        gemini["generationConfig"],
        json!({ "temperature": 1.5, "topP": 0.5, "topK": 7, "maxOutputTokens": 50, "seed": 3, "stopSequences": ["END"] })
    );
    let responses = sent_body(ApiFormat::Responses, &ask, &plain);
    assert_eq!(
        (&responses["instructions"], &responses["store"]),
        (&json!("Be brief."), &json!(false))
    );
    assert_eq!(
        responses["input"][0]["content"][0]["image_url"],
        "data:image/png;base64,AAAA"
    );
    assert_eq!(responses["max_output_tokens"], 50);
    let ollama = sent_body(ApiFormat::Ollama, &ask, &plain);
    assert_eq!(ollama["messages"][1]["images"][0], "AAAA");
    assert_eq!(
        (
            &ollama["options"]["num_predict"],
            &ollama["options"]["num_ctx"]
        ),
        (&json!(50), &json!(4_096))
    );
    let chat = sent_body(ApiFormat::OpenAi, &ask, &plain);
    assert_eq!(
        chat["messages"][1]["content"][1]["image_url"]["url"],
        "data:image/png;base64,AAAA"
    );
    // A model name must not change the rest of the path.
    let path = request(
        ApiFormat::Gemini,
        "../../x?key=1",
        &ask,
        &plain,
        openai::PLAIN_QUIRKS,
    )
    .path;
    assert_eq!(path, "models/....xkey1:streamGenerateContent?alt=sse");
}

#[test]
fn thinking_is_requested_in_each_models_form() {
    let ask = |effort: &str, most: Option<u32>| {
        request_with(Parameters {
            reasoning_effort: Some(effort.into()),
            temperature: Some(0.5),
            max_tokens: most,
            ..Parameters::default()
        })
    };
    let capabilities = |thinking: Thinking, max_output: u64| ModelCapabilities {
        thinking,
        max_output,
        ..ModelCapabilities::default()
    };
    let body = sent_body(
        ApiFormat::Anthropic,
        &ask("minimal", None),
        &capabilities(Thinking::Adaptive, 64_000),
    );
    assert_eq!(
        (&body["thinking"], &body["output_config"]),
        (&json!({ "type": "adaptive" }), &json!({ "effort": "low" }))
    );
    // While the model thinks, no temperature is sent.
    assert_eq!(
        (&body["temperature"], &body["max_tokens"]),
        (&Value::Null, &json!(32_000))
    );
    let body = sent_body(
        ApiFormat::Anthropic,
        &ask("high", None),
        &capabilities(Thinking::Budget, 64_000),
    );
    assert_eq!(
        body["thinking"],
        json!({ "type": "enabled", "budget_tokens": 16_384 })
    );
    assert_eq!(body["max_tokens"], 48_384);
    // A thinking budget must be smaller than the output limit, and has a minimum.
    let body = sent_body(
        ApiFormat::Anthropic,
        &ask("high", Some(2_000)),
        &capabilities(Thinking::Budget, 64_000),
    );
    assert_eq!(
        (&body["thinking"]["budget_tokens"], &body["max_tokens"]),
        (&json!(1_999), &json!(2_000))
    );
    let body = sent_body(
        ApiFormat::Anthropic,
        &ask("high", Some(500)),
        &capabilities(Thinking::Budget, 64_000),
    );
    assert_eq!(
        (&body["thinking"], &body["temperature"]),
        (&Value::Null, &json!(0.5))
    );
    let body = sent_body(
        ApiFormat::Anthropic,
        &ask("none", None),
        &capabilities(Thinking::Adaptive, 0),
    );
    assert_eq!(
        (&body["thinking"], &body["max_tokens"]),
        (&Value::Null, &json!(8_192))
    );
    let config = |effort, thinking| {
        sent_body(
            ApiFormat::Gemini,
            &ask(effort, None),
            &capabilities(thinking, 0),
        )["generationConfig"]["thinkingConfig"]
            .clone()
    };
    assert_eq!(
        config("none", Thinking::Budget),
        json!({ "includeThoughts": false, "thinkingBudget": 0 })
    );
    assert_eq!(
        config("xhigh", Thinking::Level),
        json!({ "includeThoughts": true, "thinkingLevel": "high" })
    );
    assert_eq!(config("high", Thinking::Fixed), Value::Null);
    let body = sent_body(
        ApiFormat::Ollama,
        &ask("none", None),
        &capabilities(Thinking::Unknown, 0),
    );
    assert_eq!(body["think"], false);
    let body = sent_body(
        ApiFormat::OpenAi,
        &ask("high", None),
        &capabilities(Thinking::Toggle, 0),
    );
    assert_eq!(
        (&body["thinking"]["type"], &body["reasoning_effort"]),
        (&json!("enabled"), &Value::Null)
    );
    let body = sent_body(
        ApiFormat::Responses,
        &ask("high", None),
        &capabilities(Thinking::Effort, 0),
    );
    assert_eq!(
        body["reasoning"],
        json!({ "effort": "high", "summary": "auto" })
    );
}

#[test]
fn a_schema_is_enforced_as_well_as_the_model_allows() {
    let capabilities = |structured: Structured, refused: &[&str]| ModelCapabilities {
        structured,
        refused_fields: refused.iter().map(|name| (*name).to_owned()).collect(),
        ..ModelCapabilities::default()
    };
    let native = capabilities(Structured::Native, &[]);
    assert_eq!(
        sent_body(ApiFormat::OpenAi, &request_with_schema(), &native)["response_format"]["json_schema"]
            ["strict"],
        false
    );
    assert_eq!(
        sent_body(ApiFormat::Responses, &request_with_schema(), &native)["text"]["format"]["name"],
        "answer"
    );
    assert_eq!(
        sent_body(ApiFormat::Anthropic, &request_with_schema(), &native)["output_config"]["format"]
            ["type"],
        "json_schema"
    );
    assert_eq!(
        sent_body(ApiFormat::Gemini, &request_with_schema(), &native)["generationConfig"]["responseMimeType"],
        "application/json"
    );
    let tool = capabilities(Structured::Tool, &[]);
    assert_eq!(
        sent_body(ApiFormat::OpenAi, &request_with_schema(), &tool)["tool_choice"]["function"]["name"],
        "answer"
    );
    assert_eq!(
        sent_body(ApiFormat::Anthropic, &request_with_schema(), &tool)["tool_choice"]["name"],
        "answer"
    );
    assert_eq!(
        sent_body(ApiFormat::Responses, &request_with_schema(), &tool)["tool_choice"]["name"],
        "answer"
    );
    assert_eq!(
        sent_body(ApiFormat::Gemini, &request_with_schema(), &tool)["toolConfig"]["functionCallingConfig"]
            ["mode"],
        "ANY"
    );
    assert_eq!(
        sent_body(ApiFormat::Ollama, &request_with_schema(), &tool)["format"]["type"],
        "object"
    );
    // The schema becomes an instruction if there is no better method or if the model has refused it.
    for (kind, refused) in [
        (ApiFormat::OpenAi, "response_format"),
        (ApiFormat::Anthropic, "output_config"),
        (ApiFormat::Gemini, "responseJsonSchema"),
        (ApiFormat::Responses, "text.format"),
        (ApiFormat::Ollama, "format"),
    ] {
        for capabilities in [
            capabilities(Structured::Prompt, &["format"]),
            capabilities(Structured::Native, &[refused, "format"]),
        ] {
            let body = sent_body(kind, &request_with_schema(), &capabilities).to_string();
            assert!(
                body.contains("valid against this JSON schema"),
                "{kind:?}: {body}"
            );
        }
    }
}

#[test]
fn a_long_prefix_is_marked_for_caching() {
    let mut ask = request_with(Parameters::default());
    ask.is_prefix_reused = true;
    let system = |ask: &ModelRequest| {
        sent_body(ApiFormat::Anthropic, ask, &ModelCapabilities::default())["system"].clone()
    };
    assert_eq!(system(&ask), "Be brief.", "too short to be kept");
    ask.messages[0].text = "Be brief. ".repeat(1_000);
    let system_blocks = system(&ask);
    assert_eq!(
        system_blocks[0]["cache_control"],
        json!({ "type": "ephemeral" })
    );
    assert!(
        system_blocks[0]["text"]
            .as_str()
            .unwrap()
            .starts_with("Be brief.")
    );
    ask.is_prefix_reused = false;
    assert!(system(&ask).is_string());
}
