//! Tests votes through the API: which models are called, how ties are resolved, and what programs receive.

use serde_json::{Value, json};

use crate::support::line::on;
use crate::support::provider::Provider;
use crate::support::script::{answer_stream, server};
use crate::support::{Client, Server};

const QUESTION: &str = "How much is it?";

fn run_vote(client: &mut Client, models: &[&str], extra_fields: Value) -> Value {
    let mut body =
        json!({ "prompt": QUESTION, "pattern": "vote", "models": models, "cache": "off" });
    for (name, value) in extra_fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    let answer = client.post("/api/analyze", body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn voting_servers(answers: &[(&str, &str)]) -> (Provider, Server) {
    let lines = answers
        .iter()
        .map(|(model, text)| on(model).sse(&answer_stream(text)));
    let provider = Provider::script(lines);
    let server = server(&provider, &[]);
    (provider, server)
}

#[test]
fn equivalent_spellings_count_as_one_vote_and_end_voting_early() {
    let (provider, server) = voting_servers(&[
        ("a", "By the list.\nAnswer: $1,200.00"),
        ("b", "Answer: $1.2k"),
    ]);
    let mut client = server.user("ada@example.com");
    let result = run_vote(&mut client, &["p/a", "p/b", "p/c"], json!({}));
    assert_eq!(provider.requests().len(), 2);
    assert_eq!(result["ultra_response"], "By the list.\nAnswer: $1,200.00");
    let ballot = &result["ballot"];
    assert_eq!(
        (&ballot["winner"], &ballot["decided_by"], &ballot["tie"]),
        (&json!("$1,200.00"), &json!("votes"), &json!(false))
    );
    assert_eq!(ballot["choices"][0]["letters"], json!(["A", "B"]));
    assert_eq!(ballot["choices"][0]["models"], json!(["p/a", "p/b"]));
    assert_eq!(
        (&ballot["not_asked"], &ballot["saved"]["calls"]),
        (&json!(["C"]), &json!(1))
    );
    assert_eq!(ballot["answer_by"], "A");
    let notes = result["notes"].to_string();
    assert!(
        notes.contains("2 of 2 votes") && notes.contains("saved 1 call"),
        "{notes}"
    );
    // The stored result contains the same counts.
    let id = result["analysis_id"].as_str().unwrap();
    let body = client.get(&format!("/api/analyses/{id}")).json();
    assert_eq!(body["ballot"], *ballot);
}

#[test]
fn all_members_are_called_on_request() {
    let (provider, server) =
        voting_servers(&[("a", "Answer: 5"), ("b", "Answer: 5"), ("c", "Answer: 6")]);
    let mut client = server.user("ada@example.com");
    let result = run_vote(
        &mut client,
        &["p/a", "p/b", "p/c"],
        json!({"adaptive": false}),
    );
    assert_eq!(provider.requests().len(), 3);
    assert_eq!(result["ballot"]["votes"], 3);
    assert_eq!(result["ballot"]["saved"], Value::Null);
}

#[test]
fn a_tie_goes_to_the_stronger_model_of_the_catalog_without_another_call() {
    let provider = Provider::script([
        on("gpt-4o-mini").sse(&answer_stream("Answer: 5")),
        on("gpt-4o").sse(&answer_stream("Six, by the list.\nAnswer: 6")),
    ]);
    let url = provider.base_url();
    let settings = [
        ("OPENAI_API_KEY", "sk-test"),
        ("OPENAI_BASE_URL", url.as_str()),
    ];
    let server = server(&provider, &settings);
    let mut client = server.user("ada@example.com");
    let result = run_vote(
        &mut client,
        &["openai/gpt-4o-mini", "openai/gpt-4o"],
        json!({}),
    );
    assert_eq!(result["ballot"]["decided_by"], "catalog", "{result}");
    assert_eq!(result["ballot"]["tie"], true);
    assert_eq!(result["ultra_response"], "Six, by the list.\nAnswer: 6");
    let notes = result["notes"].to_string();
    assert!(
        notes.contains("a tie of 1 each between 5 (A) and 6 (B)"),
        "{notes}"
    );
}

#[test]
fn a_tie_of_unknown_models_is_broken_by_the_synthesizer_reading_the_answers() {
    let (provider, server) = voting_servers(&[
        ("a", "I counted five.\nAnswer: 5"),
        ("b", "I counted six.\nAnswer: 6"),
        ("w", "The first missed one.\nAnswer: 6"),
    ]);
    let mut client = server.user("ada@example.com");
    let result = run_vote(&mut client, &["p/a", "p/b"], json!({"ultra_model": "p/w"}));
    assert_eq!(result["ballot"]["decided_by"], "synthesizer", "{result}");
    assert_eq!(result["ultra_response"], "I counted six.\nAnswer: 6");
    let read = provider.requests().pop().unwrap().body.to_string();
    assert!(
        read.contains("I counted five.") && read.contains("I counted six."),
        "{read}"
    );
    // The estimate includes the call that resolves a tie.
    let body = json!({
        "prompt": QUESTION, "pattern": "vote", "models": ["p/a", "p/b"], "ultra_model": "p/w",
    });
    let estimate = client.post("/api/estimate", body);
    assert_eq!(estimate.status, 200, "{}", estimate.text());
    assert!(estimate.text().contains("\"tie\""), "{}", estimate.text());
}

#[test]
fn programs_get_the_winning_answer_in_the_requested_format() {
    let provider = Provider::script([
        on("a")
            .times(5)
            .sse(&answer_stream("Two dozens.\nAnswer: $24.00")),
        on("b").times(5).sse(&answer_stream("Answer: $24")),
    ]);
    let server = server(&provider, &[("CACHE_TTL", "0")]);
    let mut client = server.user("ada@example.com");
    let ask = |question: &str, extra_fields: Value| {
        let mut body = json!({
            "model": "quire/vote", "models": ["p/a", "p/b", "p/c"],
            "messages": [{ "role": "user", "content": question }],
        });
        for (name, value) in extra_fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let plain = client.post("/v1/chat/completions", ask(QUESTION, json!({})));
    assert_eq!(plain.status, 200, "{}", plain.text());
    let content = |answer: &Value| answer["choices"][0]["message"]["content"].clone();
    assert_eq!(content(&plain.json()), "Two dozens.\nAnswer: $24.00");
    assert_eq!(
        plain.header("x-quire-vote"),
        "2/2; decided_by=votes; not_asked=1"
    );
    let hashes = "How much is it? End with a line \"#### X\".";
    let closing_response = client
        .post("/v1/chat/completions", ask(hashes, json!({})))
        .json();
    assert_eq!(
        content(&closing_response),
        "Two dozens.\nAnswer: $24.00\n#### 24"
    );
    let schema = json!({
        "type": "object", "properties": {"price": {"type": "number"}}, "required": ["price"],
    });
    let format = json!({"type": "json_schema", "json_schema": {"name": "price", "schema": schema}});
    let shaped = client.post(
        "/v1/chat/completions",
        ask(QUESTION, json!({"response_format": format})),
    );
    assert_eq!(shaped.status, 200, "{}", shaped.text());
    assert_eq!(content(&shaped.json()), "{\"price\":24}");
    let schema = json!({
        "type": "object", "properties": {"km": {"type": "number"}}, "required": ["km"],
    });
    let format = json!({"type": "json_schema", "json_schema": {"name": "km", "schema": schema}});
    let mut keyed = client.clone().with("idempotency-key", "unfit");
    let unsupported_format = keyed.post(
        "/v1/chat/completions",
        ask(QUESTION, json!({"response_format": format.clone()})),
    );
    assert_eq!(
        unsupported_format.status,
        503,
        "{}",
        unsupported_format.text()
    );
    assert_eq!(unsupported_format.header("x-should-retry"), "false");
    // The answer has been paid for, so a repeated request with the same key is refused.
    let again = keyed.post(
        "/v1/chat/completions",
        ask(QUESTION, json!({"response_format": format})),
    );
    assert_eq!(again.status, 409, "{}", again.text());
    assert!(
        unsupported_format.text().contains("does not fit")
            && unsupported_format.text().contains("at a cost of $"),
        "{}",
        unsupported_format.text()
    );
    let streamed = client.post(
        "/v1/chat/completions",
        ask(QUESTION, json!({"stream": true})),
    );
    let text = streamed.text();
    assert!(
        text.contains("Two dozens.") && !text.contains("| Votes |"),
        "{text}"
    );
}
