//! Tests prompt search: a model reads failures and proposes a better prompt. The prompt is tried, confirmed on unseen
//! cases, and stored with its origin, even if the server is killed.

use serde_json::{Value, json};

use crate::support::Client;
use crate::support::executable::Executable;
use crate::support::line::on;
use crate::support::provider::{Provider, ReceivedRequest};
use crate::support::script::{answer_stream, server};
use crate::support::server::Folder;

fn prompt_of(request: &ReceivedRequest) -> String {
    let messages = request.body["messages"].as_array().into_iter().flatten();
    let text = messages.filter_map(|message| message["content"].as_str());
    text.collect::<Vec<_>>().join("\n")
}

/// Starts a provider with a model that answers correctly if it is told to check, and with a writer. The writer's first
/// reply is unusable, and its later ones add this instruction.
fn search_provider() -> Provider {
    let replies = std::cell::Cell::new(0);
    Provider::answering(move |request| {
        if request.head.starts_with("GET") {
            return on("").status(200, "application/json", "{\"data\":[]}");
        }
        let prompt = prompt_of(request);
        let text = match request.model().as_str() {
            "writer" => {
                replies.set(replies.get() + 1);
                match replies.get() {
                    1 => "I would check it.".to_owned(),
                    _ => format!(
                        "It is not checked. <prompt>Check twice.\n{}</prompt>",
                        "{{question}}"
                    ),
                }
            }
            _ if prompt.contains("Check twice.") => "It is 4.".to_owned(),
            _ => "It is 3.".to_owned(),
        };
        on("").sse(&answer_stream(&text))
    })
}

fn experiment_body() -> Value {
    let cases: Vec<Value> = (0..40)
        .map(|n| json!({ "prompt": format!("What is {n} and {}?", 4 - i64::from(n)), "expected": "4" }))
        .collect();
    json!({
        "name": "Sums", "cases": cases, "seed": 7, "evaluator": { "kind": "number" },
        "base": { "models": ["p/solver"] }, "budget": { "evaluations": 150 },
        "space": [{ "dial": "prompt", "values": ["{{question}}"],
                    "improve": { "model": "p/writer", "proposals": 3 } }],
    })
}

fn start_experiment(client: &mut Client, body: Value) -> String {
    let started = client.post("/api/experiments", body);
    assert_eq!(started.status, 201, "{}", started.text());
    let id = started.json()["experiment_id"].as_str().unwrap().to_owned();
    format!("/api/experiments/{id}")
}

fn wait_until_ended(client: &mut Client, path: &str) -> Value {
    client
        .events(&format!("{path}/events"), None)
        .for_each(drop);
    client.get(path).json()
}

#[test]
fn a_better_prompt_is_proposed_confirmed_and_applied() {
    let provider = search_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let response = client.post("/api/experiments/estimate", experiment_body());
    assert_eq!(response.status, 200, "{}", response.text());
    let stopping = response.json()["stopping"].as_str().unwrap().to_owned();
    assert!(stopping.contains("up to 3 better prompts"), "{stopping}");

    let path = start_experiment(&mut client, experiment_body());
    let analysis = wait_until_ended(&mut client, &path);
    assert_eq!(analysis["status"], "completed", "{analysis}");
    assert_eq!(analysis["report"]["finding"], "better", "{analysis}");
    // The first reply was refused. The second one is a valid prompt, after which no failures are left to learn from.
    let proposals = analysis["proposals"].as_array().unwrap();
    assert_eq!(proposals.len(), 2, "{proposals:?}");
    assert_eq!(proposals[0]["refused"], "the reply contains no prompt");
    assert_eq!(proposals[1]["prompt"], "Check twice.\n{{question}}");
    assert!(proposals[1]["cost"]["tokens"].as_u64().unwrap() > 0);
    assert_eq!(
        (&analysis["arms"], &analysis["report"]["leader"]),
        (&json!(2), &json!(1))
    );
    let leaderboard = &analysis["report"]["leaderboard"];
    assert_eq!(
        (&leaderboard[0]["parent"], &leaderboard[1]["parent"]),
        (&json!(0), &Value::Null)
    );
    assert_eq!(
        leaderboard[0]["setting"]["prompt"],
        "Check twice.\n{{question}}"
    );

    // The writer has received the prompt, the questions, the expectations, and the answers.
    let requests = provider.requests();
    let request = requests
        .iter()
        .find(|request| request.model() == "writer")
        .unwrap();
    let prompt = prompt_of(request);
    for part in [
        "{{question}}",
        "What is ",
        "It is 3.",
        "score 0.00",
        "----- expected 1 ",
    ] {
        assert!(prompt.contains(part), "no {part} in {prompt}");
    }
    // The writer has not received any case of the holdout.
    let cases = client.get(&format!("{path}/cases")).json();
    for case in cases["cases"].as_array().unwrap() {
        let question = format!(" {} ", case["prompt"].as_str().unwrap());
        assert!(
            case["held_back"] == false || !prompt.contains(question.trim()),
            "{case}"
        );
    }
    let sheet = client.get(&format!("{path}/export?format=csv")).text();
    assert!(sheet.contains("Check twice."), "{sheet}");
    let applied = client.post(&format!("{path}/apply"), json!({}));
    assert_eq!(applied.status, 200, "{}", applied.text());
    let recipe = client.get("/api/recipes/Sums").json();
    assert_eq!(recipe["prompt"], "Check twice.\n{{question}}", "{recipe}");
}

#[test]
fn a_killed_search_keeps_its_proposals() {
    let provider = search_provider();
    let folder = Folder::new();
    let first = Executable::start(&folder, &provider, &[]);
    let mut client = Client::new(first.address).registered("ada@example.com");
    let path = start_experiment(&mut client, experiment_body());
    // There are more evaluations than the initial prompt has feedback cases, so at least one proposal has been stored.
    for event in client.events(&format!("{path}/events"), None) {
        if event.data["evaluations"].as_u64() > Some(14) {
            break;
        }
    }
    let before = client.get(&path).json()["proposals"].clone();
    assert!(!before.as_array().unwrap().is_empty());
    first.kill();
    let second = Executable::start(&folder, &provider, &[]);
    let mut client = second.known(&client);
    let analysis = wait_until_ended(&mut client, &path);
    assert_eq!(analysis["status"], "completed", "{analysis}");
    assert_eq!(analysis["report"]["finding"], "better");
    let after = analysis["proposals"].as_array().unwrap();
    assert_eq!(
        &after[..before.as_array().unwrap().len()],
        before.as_array().unwrap()
    );
    let writers = provider.requests();
    let writers = writers.iter().filter(|asked| asked.model() == "writer");
    assert_eq!(writers.count(), 2, "no proposal is written twice");
}

#[test]
fn invalid_prompt_searches_are_refused() {
    let provider = Provider::script([]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    for (improve, words) in [
        (json!({ "model": "nobody/x" }), "no model is called"),
        (json!({ "model": "demo/extract" }), "demo algorithm"),
        (
            json!({ "model": "p/writer", "proposals": 0 }),
            "from 1 to 24",
        ),
        (json!({ "model": "p/writer", "mood": 1 }), "mood"),
    ] {
        let mut request = experiment_body();
        request["space"][0]["improve"] = improve;
        let refusal = client.post("/api/experiments/estimate", request);
        refusal.refused(422, "VALIDATION_ERROR");
        assert!(
            refusal.text().contains(words),
            "{words}: {}",
            refusal.text()
        );
    }
    let mut invalid_body = experiment_body();
    invalid_body["budget"] = json!({ "cost_usd": 1 });
    let refusal = client.post("/api/experiments/estimate", invalid_body);
    assert!(refusal.text().contains("price of"), "{}", refusal.text());
    assert!(provider.requests().is_empty());
}
