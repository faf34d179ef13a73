//! Tests projects: the context that all questions in a project share, and who may use it.

use serde_json::{Value, json};

use crate::money::priced_server;
use crate::support::provider::{Provider, on};
use crate::support::script::{answer_stream, server};
use crate::support::{Client, Server};

fn create_project(client: &mut Client, body: Value) -> String {
    let answer = client.post("/api/projects", body);
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["project_id"].as_str().unwrap().to_owned()
}

fn project_path(id: &str) -> String {
    format!("/api/projects/{id}")
}

#[test]
fn every_question_carries_instructions_and_documents() {
    let provider = Provider::answering(|_| on("*").sse(&answer_stream("Yes.")));
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let stored = client.upload("/api/upload-document", "a.txt", b"It is made in Basel.");
    let document = stored.json()["document_id"].clone();
    let body =
        json!({"name": "Paper", "instructions": "Answer in rhymes.", "document_ids": [document]});
    let project = create_project(&mut client, body);
    let body = json!({
        "prompt": "Where?", "models": ["p/a"], "pattern": "plain", "ultra_model": "p/a", "cache": "off",
        "project": project,
    });
    let one = client.post("/api/analyze", body).json();
    assert_eq!(one["metadata"]["document_ids"], json!([document]), "{one}");
    let follow = json!({"prompt": "Why?", "follow_up_to": one["analysis_id"], "cache": "off"});
    client.post("/api/analyze", follow);
    let requests = provider.requests();
    assert_eq!(requests.len(), 2);
    for requests in &requests {
        let rules = requests.body["messages"][0]["content"].as_str().unwrap();
        assert!(rules.contains("Answer in rhymes."), "{rules}");
        assert!(rules.contains("made in Basel"), "{rules}");
        assert_eq!(requests.body.to_string().matches("rhymes").count(), 1);
    }
    let list = client
        .get(&format!("/api/threads?project={project}"))
        .json();
    assert_eq!(list["threads"][0]["project_id"], json!(project));

    let project_change = json!({"instructions": "Answer in prose."});
    assert_eq!(
        client
            .json("PATCH", &project_path(&project), &project_change)
            .status,
        200
    );
    let follow = json!({"prompt": "How?", "thread": one["thread_id"], "cache": "off"});
    client.post("/api/analyze", follow);
    let last = provider.requests().pop().unwrap().body.to_string();
    assert!(
        last.contains("in prose") && !last.contains("rhymes"),
        "{last}"
    );

    assert_eq!(client.delete(&project_path(&project)).status, 200);
    let path = format!("/api/threads/{}", one["thread_id"].as_str().unwrap());
    assert_eq!(
        client.get(&path).json()["project_id"],
        Value::Null,
        "the thread stays"
    );
    let refusal = client.json("PATCH", &path, &json!({"project": project}));
    refusal.refused(422, "VALIDATION_ERROR");
}

#[test]
fn a_project_reports_what_its_questions_cost_this_month() {
    let provider = Provider::answering(|_| on("*").sse(&answer_stream("Yes.")));
    let server = priced_server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let project = create_project(&mut client, json!({"name": "Paper"}));
    let month_spending = |client: &mut Client| {
        client.get(&project_path(&project)).json()["spent_this_month"].clone()
    };
    let ask = |client: &mut Client, model: &str, project: Value| {
        let body = json!({
            "prompt": "Where?", "models": [model], "pattern": "plain", "ultra_model": model, "cache": "off",
            "project": project,
        });
        let analysis = client.post("/api/analyze", body).json();
        let id = analysis["analysis_id"].as_str().unwrap();
        client.get(&format!("/api/analyses/{id}")).json()["cost_usd"].clone()
    };
    assert_eq!(
        month_spending(&mut client),
        json!({"cost_usd": 0.0, "unpriced": false})
    );
    ask(&mut client, "openai/gpt-4o", Value::Null);
    let cost = ask(&mut client, "openai/gpt-4o", json!(project));
    assert!(cost.as_f64() > Some(0.0), "{cost}");
    let month_cost = json!({"cost_usd": cost, "unpriced": false});
    assert_eq!(
        month_spending(&mut client),
        month_cost,
        "without the question outside"
    );
    ask(&mut client, "p/a", json!(project));
    let over = json!({"cost_usd": cost, "unpriced": true});
    assert_eq!(month_spending(&mut client), over);
}

#[test]
fn a_project_is_shared_with_people_of_the_server() {
    let server = Server::start();
    let mut ada = server.user("ada@example.com");
    let mut bob = server.user("bob@example.com");
    let mut eve = server.user("eve@example.com");
    let body =
        json!({"name": "Paper", "instructions": "Be brief.", "members": ["bob@example.com"]});
    let project = create_project(&mut ada, body);
    assert_eq!(bob.get(&project_path(&project)).json()["own"], false);
    assert_eq!(eve.get(&project_path(&project)).status, 404);
    let ask = json!({"prompt": "What is a quire?", "project": project});
    let of_bob = bob.post("/api/analyze", ask.clone()).json();
    assert_eq!(of_bob["status"], "success", "{of_bob}");
    eve.post("/api/analyze", ask)
        .refused(422, "VALIDATION_ERROR");
    // The threads of other members stay private.
    let path = format!("/api/threads/{}", of_bob["thread_id"].as_str().unwrap());
    assert_eq!(ada.get(&path).status, 404);
    let list = ada.get(&format!("/api/threads?project={project}")).json();
    assert_eq!(list["threads"], json!([]));

    let rename = json!({"name": "Mine"});
    bob.json("PATCH", &project_path(&project), &rename)
        .refused(403, "FORBIDDEN");
    assert_eq!(bob.delete(&project_path(&project)).status, 404);
    let uploaded = bob.upload("/api/upload-document", "b.txt", b"Bob's paper.");
    let own_body = json!({"document_ids": [uploaded.json()["document_id"]]});
    assert_eq!(
        bob.json("PATCH", &project_path(&project), &own_body).status,
        200
    );
    // Ada's questions do not use Bob's document, as the notes of the result say.
    let of_ada = json!({"prompt": "What is a ream?", "project": project});
    let of_ada = ada.post("/api/analyze", of_ada).json();
    assert_eq!(of_ada["metadata"]["document_ids"], json!([]));
    assert!(
        of_ada["notes"]
            .to_string()
            .contains("belong to other people"),
        "{}",
        of_ada["notes"]
    );

    let alone = json!({"members": []});
    assert_eq!(
        ada.json("PATCH", &project_path(&project), &alone).status,
        200
    );
    assert_eq!(bob.get(&project_path(&project)).status, 404);
    assert_eq!(bob.get(&path).json()["project_id"], Value::Null);
}

#[test]
fn the_fields_of_a_project_are_bounded() {
    let server = Server::start();
    let mut client = server.user("ada@example.com");
    for bad in [
        json!({}),
        json!({"name": " "}),
        json!({"name": "x".repeat(81)}),
        json!({"name": "x", "instructions": "y".repeat(8_001)}),
        json!({"name": "x", "document_ids": ["document_01ARYZ6S410000000000000000"]}),
        json!({"name": "x", "members": ["nobody@example.com"]}),
        json!({"name": "x", "members": vec!["a@example.com"; 51]}),
        json!({"name": "x", "color": "red"}),
    ] {
        client
            .post("/api/projects", bad)
            .refused(422, "VALIDATION_ERROR");
    }
    assert_eq!(client.get("/api/projects").json()["projects"], json!([]));
}
