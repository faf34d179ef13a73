//! Tests compatible endpoints other than chat: text completions, model lists, documents in a request, and reasoning
//! effort.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::compatible::{data_objects, key, stream_lines};
use crate::support::line::on;
use crate::support::provider::{Provider, ReceivedRequest};
use crate::support::script::{answer_stream, server};

/// Starts a provider that numbers its answers.
pub fn counting_provider() -> Provider {
    let count = std::sync::atomic::AtomicU32::new(0);
    Provider::answering(move |_: &ReceivedRequest| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        on("").sse(&answer_stream(&format!("Answer {number}.")))
    })
}

fn last_request_body(provider: &Provider) -> Value {
    provider.requests().last().unwrap().body.clone()
}

#[test]
fn text_completions_over_a_chat_model() {
    let provider = Provider::answering(|_: &ReceivedRequest| on("").sse(&answer_stream(" a + b")));
    let server = server(&provider, &[("CACHE_TTL", "0")]);
    let mut client = server.user("ada@example.com");
    let body = json!({
        "model": "p/any", "prompt": "def add(a, b): return", "suffix": "\n\nprint(1)", "stop": ["\n\n"], "max_tokens": 20,
    });
    let answer = client.post("/v1/completions", body.clone());
    let response = answer.json();
    assert_eq!(
        (answer.status, &response["object"]),
        (200, &json!("text_completion")),
        "{response}"
    );
    let choice = &response["choices"][0];
    assert_eq!(
        (&choice["text"], &choice["finish_reason"]),
        (&json!(" a + b"), &json!("stop"))
    );
    assert_eq!(choice.get("logprobs"), Some(&Value::Null));
    assert_eq!(response["usage"]["total_tokens"], 18);
    let sent_body = last_request_body(&provider);
    assert_eq!(
        (&sent_body["stop"], &sent_body["max_tokens"]),
        (&json!(["\n\n"]), &json!(20))
    );
    let question = sent_body["messages"][1]["content"].as_str().unwrap();
    assert!(
        question.contains("def add(a, b)") && question.contains("print(1)"),
        "{question}"
    );

    let key = key(&mut client);
    let mut streamed = body;
    streamed["stream"] = json!(true);
    streamed["echo"] = json!(true);
    streamed["stream_options"] = json!({ "include_usage": true });
    let (_, lines) = stream_lines(&server, &key, "/v1/completions", &streamed);
    assert_eq!(lines.last().unwrap(), "data: [DONE]");
    let chunks = data_objects(&lines);
    let text: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["text"].as_str())
        .collect();
    assert_eq!(text, "def add(a, b): return a + b");
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk["object"] == "text_completion")
    );
    assert_eq!(chunks.last().unwrap()["usage"]["total_tokens"], 18);
    for wrong in [
        json!({ "model": "p/any", "prompt": [1, 2] }),
        json!({ "model": "p/any", "prompt": "a", "echo": true, "logprobs": 5 }),
    ] {
        assert_eq!(client.post("/v1/completions", wrong).status, 400);
    }
}

#[test]
fn lists_of_models_have_the_fields_that_clients_choose_by() {
    let provider = counting_provider();
    let settings = [("OPENAI_API_KEY", "sk-test")];
    let server = server(&provider, &settings);
    let mut client = server.user("ada@example.com");
    let list = client.get("/v1/models").json();
    let rows = list["data"].as_array().unwrap();
    let row = |id: &str| {
        rows.iter()
            .find(|row| row["id"] == id)
            .unwrap_or_else(|| panic!("no {id}"))
    };
    let model_row = row("openai/gpt-4o");
    assert!(
        model_row["context_length"].as_u64() > Some(100_000),
        "{model_row}"
    );
    let price: f64 = model_row["pricing"]["prompt"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(price > 0.0 && price < 0.001, "{model_row}");
    assert_eq!(
        model_row["architecture"]["input_modalities"],
        json!(["text", "image"])
    );
    assert!(
        model_row["supported_parameters"]
            .as_array()
            .unwrap()
            .contains(&json!("tools"))
    );
    let panel = row("quire/gut");
    assert_eq!(
        (&panel["pricing"], &panel["owned_by"]),
        (&Value::Null, &json!("quire"))
    );
    let one = client.get("/v1/models/openai%2Fgpt-4o").json();
    assert_eq!(&one, model_row);

    let mut anthropic = client.clone().with("anthropic-version", "2023-06-01");
    let first = anthropic.get("/v1/models?limit=2").json();
    assert_eq!(
        (first["data"].as_array().unwrap().len(), &first["has_more"]),
        (2, &json!(true)),
        "{first}"
    );
    let last = first["last_id"].as_str().unwrap();
    let next = anthropic
        .get(&format!(
            "/v1/models?limit=1000&after_id={}",
            last.replace('/', "%2F")
        ))
        .json();
    assert_eq!(
        (
            next["data"].as_array().unwrap().len() + 2,
            &next["has_more"]
        ),
        (rows.len(), &json!(false))
    );
    let one = anthropic.get("/v1/models/openai%2Fgpt-4o").json();
    assert_eq!(
        (&one["type"], &one["id"]),
        (&json!("model"), &json!("openai/gpt-4o"))
    );
    assert!(one["created_at"].as_str().unwrap().ends_with('Z') && one["display_name"].is_string());
    let none = anthropic.get("/v1/models/none");
    assert_eq!(
        (none.status, &none.json()["error"]["type"]),
        (404, &json!("not_found_error")),
        "{}",
        none.text()
    );
}

#[test]
fn documents_in_a_request_are_read_in_their_place() {
    let provider = counting_provider();
    let server = server(&provider, &[("CACHE_TTL", "0")]);
    let mut client = server.user("ada@example.com");
    let file = std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/documents/pdf/two-different-pages.pdf"
    ))
    .unwrap();
    let pdf = STANDARD.encode(file);
    let block = |source: Value| json!({ "type": "document", "title": "fees", "source": source });
    let text =
        block(json!({ "type": "text", "media_type": "text/plain", "data": "The fee is 42." }));
    let pdf_block =
        block(json!({ "type": "base64", "media_type": "application/pdf", "data": pdf }));
    let part = json!({ "type": "file", "file": { "filename": "f.pdf", "file_data": format!("data:application/pdf;base64,{pdf}") } });
    let input = json!({ "type": "input_file", "filename": "f.pdf", "file_data": format!("data:application/pdf;base64,{pdf}") });
    let messages = |block: &Value| json!({ "model": "p/any", "max_tokens": 50, "messages": [{ "role": "user", "content": [block, { "type": "text", "text": "What is the fee?" }] }] });
    for (path, body, words) in [
        ("/v1/messages", messages(&text), "The fee is 42."),
        ("/v1/messages", messages(&pdf_block), "[page 2]"),
        ("/v1/chat/completions", messages(&part), "[page 2]"),
        (
            "/v1/responses",
            json!({ "model": "p/any", "input": [{ "role": "user", "content": [input] }] }),
            "[page 2]",
        ),
    ] {
        let answer = client.post(path, body);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let sent_messages = last_request_body(&provider)["messages"].to_string();
        assert!(sent_messages.contains(words), "{path}: {sent_messages}");
    }
    let count = |client: &mut crate::support::Client, block: &Value| {
        client
            .post("/v1/messages/count_tokens", messages(block))
            .json()["input_tokens"]
            .as_u64()
            .unwrap()
    };
    assert!(
        count(&mut client, &pdf_block)
            > count(&mut client, &json!({ "type": "text", "text": "a" }))
    );
    for (source, why) in [
        (
            json!({ "type": "url", "url": "https://a.example/x.pdf" }),
            "fetches nothing",
        ),
        (
            json!({ "type": "base64", "media_type": "application/pdf", "data": "%%" }),
            "not base64",
        ),
        (
            json!({ "type": "base64", "media_type": "application/pdf", "data": STANDARD.encode("%PDF-1.7 broken") }),
            "cannot be read",
        ),
    ] {
        let answer = client.post("/v1/messages", messages(&block(source)));
        assert_eq!(
            (answer.status, &answer.json()["error"]["type"]),
            (400, &json!("invalid_request_error"))
        );
        assert!(answer.text().contains(why), "{}", answer.text());
    }
    // The document is not stored.
    assert_eq!(client.get("/api/documents").json()["documents"], json!([]));
}

#[test]
fn an_effort_reaches_the_provider_however_it_is_written() {
    let provider = counting_provider();
    let server = server(&provider, &[("CACHE_TTL", "0")]);
    let mut client = server.user("ada@example.com");
    let user = json!([{ "role": "user", "content": "Why?" }]);
    for (path, body, effort) in [
        (
            "/v1/chat/completions",
            json!({ "messages": user, "reasoning_effort": "low" }),
            "low",
        ),
        (
            "/v1/chat/completions",
            json!({ "messages": user, "reasoning": { "effort": "high" } }),
            "high",
        ),
        (
            "/v1/responses",
            json!({ "input": "Why?", "reasoning": { "effort": "low" } }),
            "low",
        ),
        (
            "/v1/completions",
            json!({ "prompt": "Why", "reasoning_effort": "high" }),
            "high",
        ),
        (
            "/v1/messages",
            json!({ "messages": user, "max_tokens": 20_000, "thinking": { "type": "enabled", "budget_tokens": 16_000 } }),
            "high",
        ),
        (
            "/v1/messages",
            json!({ "messages": user, "max_tokens": 50, "output_config": { "effort": "low" } }),
            "low",
        ),
    ] {
        let mut body = body;
        body["model"] = json!("p/any");
        let answer = client.post(path, body.clone());
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert!(!answer.headers.contains_key("x-quire-ignored"), "{body}");
        assert_eq!(
            last_request_body(&provider)["reasoning_effort"],
            effort,
            "{path} {body}"
        );
    }
}

#[test]
fn a_message_may_name_many_stop_sequences() {
    let provider =
        Provider::answering(|_: &ReceivedRequest| on("").sse(&answer_stream("It is thin.")));
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let stops: Vec<String> = (0..12).map(|number| format!("</end{number}>")).collect();
    let body = json!({
        "model": "p/any", "max_tokens": 50, "stop_sequences": stops,
        "messages": [{ "role": "user", "content": "Is it thin?" }],
    });
    let response = client.post("/v1/messages", body);
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(provider.requests()[0].body["stop"], json!(stops));
}
