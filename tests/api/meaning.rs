//! Tests semantic search: the choice of a model by a user, the vectors that are computed in the background, and the
//! report of a run.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::compatible::key;
use crate::money::priced_server;
use crate::support::line::{ScriptLine, on};
use crate::support::provider::{Provider, ReceivedRequest};
use crate::support::script::{answer_stream, id_of, short_run_with, wait_until_ended};
use crate::support::{Client, Server};

/// For each dimension of a vector, the synonyms that it represents.
const SYNONYMS: [&[&str]; 4] = [
    &["notice", "terminate", "cancel", "quit"],
    &["rent", "pay", "fee"],
    &["dog", "pet", "animal"],
    &["roof", "repair", "leak"],
];

fn vector(text: &str) -> Vec<f64> {
    let text = text.to_lowercase();
    let count = |words: &&[&str]| words.iter().filter(|word| text.contains(**word)).count();
    let mut vector: Vec<f64> = SYNONYMS.iter().map(|words| count(words) as f64).collect();
    // This constant ensures that no vector is zero.
    vector.push(0.1);
    vector
}

fn embedded(request: &ReceivedRequest) -> ScriptLine {
    let texts = request.body["input"].as_array().unwrap();
    let rows: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(at, text)| json!({ "index": at, "embedding": vector(text.as_str().unwrap()) }))
        .collect();
    let body = json!({ "data": rows, "usage": { "prompt_tokens": 10 * rows.len() } });
    on("").status(200, "application/json", &body.to_string())
}

/// Starts a provider that embeds texts, rewrites questions, and answers.
fn provider() -> Provider {
    Provider::answering(|request: &ReceivedRequest| {
        if request.head.contains("/embeddings") {
            return embedded(request);
        }
        let prompt = request.body["messages"].to_string();
        match prompt.contains("Write up to 15 other words") {
            true => on("").sse(&answer_stream("\"terminate tenancy notice\"")),
            false => on("").sse(&answer_stream("It is in the lease [D1:p1].")),
        }
    })
}

/// Returns a long lease in which only one paragraph is about the end of the tenancy.
fn lease() -> String {
    let filler = |n: usize| {
        let filling =
            "The parties keep a copy of this lease and of every letter about it. ".repeat(12);
        format!("Clause {n}. {filling}\n\n")
    };
    let mut text: String = (1..60).map(filler).collect();
    text.push_str(
        "Clause 60. Either side may terminate the tenancy with notice of three months to the end of a quarter.\n\n",
    );
    text.extend((61..120).map(filler));
    text
}

const QUESTION: &str = "How can somebody quit early?";

fn wait_for(client: &mut Client, state: &str) -> Value {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let body = client.get("/api/meaning-search").json();
        if body["state"] == state {
            return body;
        }
        assert!(Instant::now() < until, "{body}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn ask_about(client: &mut Client, document: &str) -> Value {
    let extra = json!({
        "prompt": QUESTION, "document_ids": [document], "async": true, "cache": "off", "reading": "passages",
    });
    let started = client.post(
        "/api/analyze",
        short_run_with(&["openai/gpt-4o-mini"], extra),
    );
    assert_eq!(started.status, 202, "{}", started.text());
    wait_until_ended(client, &id_of(&started))
}

fn contains_clause_60(analysis: &Value) -> bool {
    analysis["sources"].to_string().contains("Clause 60.")
}

fn upload(client: &mut Client, text: &str) -> String {
    let document = client
        .upload("/api/upload-document", "lease.txt", text.as_bytes())
        .json();
    document["document_id"].as_str().unwrap().to_owned()
}

fn embeddings(provider: &Provider) -> usize {
    let requests = provider.requests().into_iter();
    requests
        .filter(|one| one.head.contains("/embeddings"))
        .count()
}

#[test]
fn semantic_search_finds_other_words_once_enabled() {
    let provider = provider();
    let server = priced_server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let document = upload(&mut client, &lease());
    let disabled = client.get("/api/meaning-search").json();
    assert_eq!(
        (&disabled["state"], &disabled["model"]),
        (&json!("off"), &Value::Null)
    );
    let before = ask_about(&mut client, &document);
    assert!(!contains_clause_60(&before), "{}", before["sources"]);
    assert_eq!(before["retrieval"], Value::Null);
    assert_eq!(embeddings(&provider), 0, "off by default");

    // The scripted provider computes embeddings for any model. This model has a known price.
    let model = "openai/gpt-4o";
    let cost = client
        .get(&format!("/api/meaning-search?model={model}"))
        .json();
    assert!(
        cost["missing"]["cost_usd"].as_f64().unwrap() > 0.0,
        "{cost}"
    );
    let chosen = client.put("/api/meaning-search", json!({ "model": model }));
    assert_eq!(chosen.status, 200, "{}", chosen.text());
    let ready = wait_for(&mut client, "ready");
    assert_eq!(ready["embedded"], ready["passages"], "{ready}");

    let body = json!({
        "prompt": QUESTION, "document_ids": [document], "models": ["openai/gpt-4o-mini"],
        "pattern": "summarize", "reading": "passages",
    });
    let requests = embeddings(&provider);
    let estimate = client.post("/api/estimate", body).json();
    let calls = estimate["calls"].as_array().unwrap();
    let of_retrieval: Vec<&Value> = calls
        .iter()
        .filter(|one| one["stage"] == "retrieval")
        .collect();
    assert_eq!(of_retrieval.len(), 2, "{estimate}");
    assert_eq!(embeddings(&provider), requests, "an estimate makes no call");

    let after = ask_about(&mut client, &document);
    assert!(contains_clause_60(&after), "{}", after["sources"]);
    let retrieval = &after["retrieval"];
    assert_eq!(retrieval["model"], model, "{retrieval}");
    assert_eq!(retrieval["weak"], true, "{retrieval}");
    assert_eq!(retrieval["rewriting"], "terminate tenancy notice");
    assert_eq!(retrieval["rewritten_by"], "openai/gpt-4o-mini");
    let spent_dollars = retrieval["cost_usd"].as_f64().unwrap();
    assert!(
        spent_dollars > 0.0 && after["cost_usd"].as_f64().unwrap() > spent_dollars,
        "{after}"
    );
    let timeline = after["timeline"].as_array().unwrap();
    let retrieval_calls = timeline.iter().filter(|call| call["stage"] == "retrieval");
    assert_eq!(retrieval_calls.count(), 2, "{timeline:?}");
    assert!(
        after["notes"]
            .to_string()
            .contains("by words and by meaning")
    );

    let disabled = client
        .put("/api/meaning-search", json!({ "model": null }))
        .json();
    assert_eq!(
        (&disabled["state"], &disabled["embedded"]),
        (&json!("off"), &json!(0))
    );
    let request = embeddings(&provider);
    assert!(!contains_clause_60(&ask_about(&mut client, &document)));
    assert_eq!(embeddings(&provider), request);
}

#[test]
fn a_restart_continues_with_the_vectors_that_are_missing() {
    let hanging_provider = Provider::answering(|request: &ReceivedRequest| {
        match request.body["input"].as_array().map_or(0, Vec::len) {
            // The first call checks whether the model can compute vectors.
            1 => embedded(request),
            _ => on("").hang(),
        }
    });
    let server = priced_server(&hanging_provider, &[]);
    let mut client = server.user("ada@example.com");
    upload(&mut client, &lease());
    let chosen = client.put(
        "/api/meaning-search",
        json!({ "model": "openai/text-embedding-3-small" }),
    );
    assert_eq!(chosen.json()["state"], "working", "{}", chosen.text());
    let folder = server.stop();
    let working_provider = provider();
    let url = working_provider.base_url();
    let settings = [
        ("OPENAI_API_KEY", "sk-test"),
        ("OPENAI_BASE_URL", url.as_str()),
    ];
    let server = Server::in_folder(folder, &settings);
    let mut client = server.client().signed_in("ada@example.com");
    let ready = wait_for(&mut client, "ready");
    assert_eq!(ready["embedded"], ready["passages"]);
    // Vectors are also computed for documents that are uploaded later.
    upload(&mut client, "Pets: one dog is allowed.");
    let extra = wait_for(&mut client, "ready");
    let until = Instant::now() + Duration::from_secs(20);
    while client.get("/api/meaning-search").json()["embedded"] == ready["embedded"] {
        assert!(Instant::now() < until, "{extra}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_failed_embedding_provider_disables_only_semantic_search() {
    let broken = Provider::answering(|request: &ReceivedRequest| {
        let is_question = request.body["input"].to_string().contains("quit");
        match request.head.contains("/embeddings") {
            true if is_question => on("").status(500, "application/json", "{}"),
            true => embedded(request),
            false => on("").sse(&answer_stream("It is in the lease.")),
        }
    });
    let server = priced_server(&broken, &[]);
    let mut client = server.user("ada@example.com");
    let document = upload(&mut client, &lease());
    let model = json!({ "model": "openai/text-embedding-3-small" });
    assert_eq!(client.put("/api/meaning-search", model).status, 200);
    wait_for(&mut client, "ready");
    let view = ask_about(&mut client, &document);
    assert_eq!(view["status"], "completed", "{view}");
    assert!(view["retrieval"]["error"].is_string(), "{view}");
    assert!(view["notes"].to_string().contains("ranked by words alone"));
}

#[test]
fn api_keys_cannot_select_the_embedding_model_and_chat_models_are_rejected() {
    let provider = provider();
    let server = priced_server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    for (body, status) in [
        (json!({ "model": "demo/merge" }), 404),
        (json!({ "model": "nobody/x" }), 404),
        (json!({ "model": 5 }), 422),
        (json!({ "modell": "x" }), 422),
    ] {
        let answer = client.put("/api/meaning-search", body.clone());
        assert_eq!(answer.status, status, "{body} {}", answer.text());
    }
    let key = key(&mut client);
    let mut program = Client::new(server.address).with("authorization", &format!("Bearer {key}"));
    let model = json!({ "model": "openai/text-embedding-3-small" });
    assert_eq!(program.put("/api/meaning-search", model).status, 403);
    // The choice of a model applies only to the user who made it.
    let model = json!({ "model": "openai/text-embedding-3-small" });
    assert_eq!(client.put("/api/meaning-search", model).status, 200);
    let mut other = server.user("bob@example.com");
    assert_eq!(other.get("/api/meaning-search").json()["state"], "off");
}

#[test]
fn searches_of_a_user_who_chose_a_model_find_other_words() {
    let provider = provider();
    let server = priced_server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let document = upload(&mut client, &lease());
    let global_search = "/api/search?q=quit%20early";
    let document_search = format!("/api/documents/{document}/search?q=quit%20early");
    let tool = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "search_documents", "arguments": { "query": "quit early", "limit": 3 } } });
    let search_all = |client: &mut Client| {
        let (all, one) = (
            client.get(global_search).json(),
            client.get(&document_search).json(),
        );
        let response = client.post("/mcp", tool.clone()).json();
        let finds = |results: &Value| results.to_string().contains("Clause 60.");
        assert_eq!(all["meaning"], one["meaning"]);
        ([finds(&all), finds(&one), finds(&response)], all)
    };
    let (finds, all) = search_all(&mut client);
    assert_eq!((finds, &all["meaning"]), ([false; 3], &Value::Null));
    assert_eq!(embeddings(&provider), 0, "off by default");

    let chosen = client.put("/api/meaning-search", json!({ "model": "openai/gpt-4o" }));
    assert_eq!(chosen.status, 200, "{}", chosen.text());
    wait_for(&mut client, "ready");
    let before = embeddings(&provider);
    let (finds, all) = search_all(&mut client);
    assert_eq!(finds, [true; 3], "{all}");
    assert_eq!(
        embeddings(&provider),
        before + 3,
        "one call for each search"
    );
    let meaning = &all["meaning"];
    assert_eq!(
        (&meaning["model"], &meaning["error"]),
        (&json!("openai/gpt-4o"), &Value::Null)
    );
    assert!(meaning["cost_usd"].as_f64().unwrap() > 0.0, "{meaning}");

    // With a key that may not use the model, search uses only keywords. The same is true for a user who has not chosen
    // a model.
    let limited = json!({ "name": "limited", "models": ["demo/*"] });
    let key = client.post("/api/users/me/api-keys", limited).json();
    let bearer = format!("Bearer {}", key["key"].as_str().unwrap());
    let mut program = Client::new(server.address).with("authorization", &bearer);
    let by_words = program.get(global_search).json();
    assert!(
        by_words["meaning"]["error"]
            .to_string()
            .contains("may not use"),
        "{by_words}"
    );
    let mut other = server.user("bob@example.com");
    assert_eq!(other.get(global_search).json()["meaning"], Value::Null);
    let missing = client.get("/api/documents/doc_01ARYZ6S41TSV4RRFFQ69G5FAV/search?q=x");
    assert_eq!(missing.status, 404, "{}", missing.text());
    assert_eq!(embeddings(&provider), before + 3);
}

#[test]
fn a_search_whose_model_fails_finds_by_words() {
    let broken = Provider::answering(|request: &ReceivedRequest| {
        match request.body["input"].to_string().contains("quarter?") {
            true => on("").status(500, "application/json", "{}"),
            false => embedded(request),
        }
    });
    let server = priced_server(&broken, &[]);
    let mut client = server.user("ada@example.com");
    upload(&mut client, &lease());
    assert_eq!(
        client
            .put("/api/meaning-search", json!({ "model": "openai/gpt-4o" }))
            .status,
        200
    );
    wait_for(&mut client, "ready");
    let hits = client.get("/api/search?q=notice%20quarter%3F").json();
    assert!(hits["meaning"]["error"].is_string(), "{hits}");
    assert!(hits.to_string().contains("Clause 60."), "{hits}");
}
