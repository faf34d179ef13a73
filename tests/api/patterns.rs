//! Tests patterns through the whole server: every built-in pattern runs, users can add their own, and the patterns of
//! other users stay hidden.

use serde_json::{Value, json};

use crate::support::Server;
use crate::support::provider::{Provider, on};
use crate::support::script::{answer_stream, id_of, server, wait_until_ended};

const HEADINGS: [&str; 5] = [
    "## Answer",
    "## Similar wording",
    "## Different figures or negations",
    "## Points made by one only",
    "## Blind spots",
];

fn own_pattern(id: &str) -> Value {
    json!({ "id": id, "name": "Two steps", "stages": [
        { "name": "initial", "prompt": "{sources}\nQuestion: {question}\nAnswer it." },
        { "name": "ultra", "prompt": "{peers}\nWrite one answer." },
    ] })
}

fn pattern_ids(list: &Value) -> Vec<String> {
    let list = list["patterns"].as_array().expect("patterns");
    let id = |pattern: &Value| pattern["id"].as_str().unwrap_or_default().to_owned();
    list.iter().map(id).collect()
}

#[test]
fn every_staged_pattern_runs_and_its_answer_has_the_headings() {
    let server = Server::start();
    let mut ada = server.user("ada@example.org");
    let text = b"The town ran a night bus for 6 months. It cost 412,000 euros. On average 38 passengers rode each night. A second report says that 41 passengers rode each night.";
    let document = ada.upload("/api/upload-document", "bus.txt", text).json();
    let all = ada.get("/api/patterns").json();
    let mut started = Vec::new();
    for pattern in all["patterns"].as_array().expect("patterns") {
        if pattern["arrangement"] != "staged" {
            continue;
        }
        // All runs are started at once, because the demo models write at reading speed.
        let request = json!({ "prompt": "Should the town keep the night bus?", "pattern": pattern["id"], "depth": "full", "async": true, "document_ids": [document["document_id"]] });
        let answer = ada.post("/api/analyze", request);
        assert_eq!(answer.status, 202, "{}: {}", pattern["id"], answer.text());
        started.push((pattern["id"].clone(), id_of(&answer)));
    }
    for (pattern, id) in &started {
        let analysis = wait_until_ended(&mut ada, id);
        assert_eq!(analysis["status"], "completed", "{pattern}: {analysis}");
        let synthesis = analysis["synthesis"].as_str().unwrap_or_default();
        for heading in HEADINGS {
            assert!(
                synthesis.contains(heading),
                "{pattern}: {heading}: {synthesis}"
            );
        }
    }
    let count = started.len();
    assert!(count >= 18, "{count}");
}

#[test]
fn a_user_pattern_is_created_run_changed_and_deleted() {
    let server = Server::start();
    server.user("root@example.org");
    let mut ada = server.user("ada@example.org");
    let mut bob = server.user("bob@example.org");
    let created = ada.post("/api/patterns", own_pattern("two-steps"));
    assert_eq!(created.status, 201, "{}", created.text());
    let new_one = created.json();
    assert_eq!(
        (
            &new_one["pattern"]["origin"],
            &new_one["pattern"]["stages"][1]["task"]
        ),
        (&json!("own"), &json!("synthesise"))
    );
    assert_eq!(new_one["warnings"][0]["place"], "stages.1.prompt");
    assert!(pattern_ids(&ada.get("/api/patterns").json()).contains(&"two-steps".to_owned()));
    assert_eq!(
        pattern_ids(&ada.get("/api/patterns?origin=own").json()),
        ["two-steps"]
    );

    let request_for = |id: &str| json!({ "prompt": "What is a quire?", "pattern": id });
    let answer = ada.post("/api/analyze", request_for("two-steps"));
    assert_eq!(answer.status, 200, "{}", answer.text());

    // For other users, the pattern does not exist, and the error message lists those that do.
    let refusal = bob.post("/api/analyze", request_for("two-steps"));
    refusal.refused(422, "VALIDATION_ERROR");
    assert!(
        refusal.text().contains("must be one of") && refusal.text().contains("critique"),
        "{}",
        refusal.text()
    );
    assert!(!pattern_ids(&bob.get("/api/patterns").json()).contains(&"two-steps".to_owned()));
    for answer in [
        bob.get("/api/patterns/two-steps"),
        bob.put("/api/patterns/two-steps", own_pattern("two-steps")),
        bob.delete("/api/patterns/two-steps"),
    ] {
        answer.refused(404, "NOT_FOUND");
    }
    bob.post("/api/patterns", own_pattern("two-steps"))
        .refused(409, "CONFLICT");

    let mut changed_pattern = own_pattern("two-steps");
    changed_pattern["name"] = json!("Changed");
    let answer = ada.put("/api/patterns/two-steps", changed_pattern);
    assert_eq!(
        (answer.status, &answer.json()["pattern"]["name"]),
        (200, &json!("Changed"))
    );
    ada.put("/api/patterns/two-steps", own_pattern("other"))
        .refused(422, "VALIDATION_ERROR");
    // The source that the API returns can be sent back unchanged.
    let source = ada.get("/api/patterns/two-steps").json()["source"].clone();
    assert_eq!(ada.put("/api/patterns/two-steps", source).status, 200);
    assert_eq!(ada.delete("/api/patterns/two-steps").status, 200);
    ada.get("/api/patterns/two-steps").refused(404, "NOT_FOUND");
}

#[test]
fn embedded_patterns_are_read_only_and_team_patterns_belong_to_admins() {
    let server = Server::start();
    let mut root = server.user("root@example.org");
    let mut ada = server.user("ada@example.org");
    let body = ada.get("/api/patterns/critique").json();
    assert_eq!(body["origin"], "embedded");
    assert!(
        body["stages"][1]["prompt"]
            .as_str()
            .is_some_and(|prompt| prompt.contains("verdict"))
    );
    ada.post("/api/patterns", own_pattern("gut"))
        .refused(409, "CONFLICT");
    root.put("/api/patterns/gut", own_pattern("gut"))
        .refused(403, "FORBIDDEN");
    root.delete("/api/patterns/gut").refused(403, "FORBIDDEN");
    let mut team = own_pattern("house-style");
    team["team"] = json!(true);
    ada.post("/api/patterns", team.clone())
        .refused(403, "FORBIDDEN");
    assert_eq!(root.post("/api/patterns", team).status, 201);
    assert_eq!(
        ada.get("/api/patterns/house-style").json()["origin"],
        "team"
    );
    ada.delete("/api/patterns/house-style")
        .refused(403, "FORBIDDEN");
    let request = json!({ "prompt": "What is a quire?", "pattern": "house-style" });
    assert_eq!(ada.post("/api/analyze", request).status, 200);
    assert_eq!(root.delete("/api/patterns/house-style").status, 200);
}

#[test]
fn checking_a_pattern_locates_errors_and_stores_nothing() {
    let server = Server::start();
    let mut ada = server.user("ada@example.org");
    let valid_report = ada.post("/api/patterns/check", own_pattern("mine")).json();
    assert_eq!(
        (&valid_report["valid"], &valid_report["faults"]),
        (&json!(true), &json!([]))
    );
    let text = "id = \"mine\"\nname = \"Mine\"\n[[stages]]\nname = \"initial\"\nprompt = \"{qestion}\"\n[[stages]]\nname = \"ultra\"\nprompt = \"{peers}\"\n";
    let wrong = ada
        .post("/api/patterns/check", json!({ "text": text }))
        .json();
    assert_eq!(wrong["valid"], false);
    let error = &wrong["faults"][0];
    assert_eq!(
        (&error["line"], &error["place"]),
        (&json!(5), &json!("stages.0.prompt"))
    );
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|why| why.contains("{qestion}")),
        "{error}"
    );
    let broken = ada
        .post("/api/patterns/check", json!({ "text": "id = \"x" }))
        .json();
    assert_eq!(broken["faults"][0]["line"], 1);
    let response = ada.post("/api/patterns", json!({ "text": text }));
    response.refused(422, "VALIDATION_ERROR");
    assert!(response.text().contains("line 5"), "{}", response.text());
    let stored_response = ada.post(
        "/api/patterns",
        json!({ "text": text.replace("qestion", "question") }),
    );
    assert_eq!(stored_response.status, 201, "{}", stored_response.text());
    assert_eq!(
        pattern_ids(&ada.get("/api/patterns?origin=own").json()),
        ["mine"]
    );
}

#[test]
fn a_folder_of_patterns_is_read_at_the_start() {
    let folder = std::env::temp_dir().join(format!("quire-api-patterns-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(
        folder.join("a.json"),
        own_pattern("from-a-file").to_string(),
    )
    .expect("a file");
    std::fs::write(folder.join("b.json"), own_pattern("gut").to_string()).expect("a file");
    std::fs::write(folder.join("c.toml"), "id = ").expect("a file");
    let path = folder.to_str().expect("a path");
    let server = Server::with(&[("QUIRE_PATTERNS", path)]);
    let mut anyone = server.client();
    assert_eq!(
        anyone.get("/api/patterns/from-a-file").json()["origin"],
        "folder"
    );
    assert_eq!(anyone.get("/api/patterns/gut").json()["name"], "Two steps");
    let request = json!({ "prompt": "What is a quire?", "pattern": "from-a-file" });
    assert_eq!(anyone.post("/api/analyze", request).status, 200);
    std::fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn the_arrangements_run_by_their_patterns() {
    let provider = Provider::script([
        on("a").sse(&answer_stream("Eight fit.\nAnswer: B")),
        on("b").sse(&answer_stream("**Answer:** b) eight")),
        on("c").optional().sse(&answer_stream("Answer: A")),
        on("x").sse(&answer_stream("It is thin.\nAnswer: 4 mm")),
        on("y").sse(&answer_stream("Measured.\nAnswer: 4 mm")),
        on("x").sse(&answer_stream("It is 4 mm thick.")),
        on("y").sse(&answer_stream("It is not 4 mm but 9 mm thick.")),
        on("w").sse(&answer_stream("## Answer\nThe drafts differ.")),
        on("s").times(3).sse(&answer_stream("It is thin.")),
        on("s").sse(&answer_stream("## Answer\nThin.")),
        on("q").sse(&answer_stream("Alone.")),
    ]);
    let server = server(&provider, &[("CACHE_TTL", "0")]);
    let mut ada = server.user("ada@example.org");
    let mut run = |pattern: &str, prompt: &str, models: &[&str], writer: &str| {
        let body = json!({ "prompt": prompt, "pattern": pattern, "models": models, "ultra_model": writer });
        let answer = ada.post("/api/analyze", body);
        assert_eq!(answer.status, 200, "{pattern}: {}", answer.text());
        let answer = answer.json();
        answer["ultra_response"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let question = "How many leaves?\nA) four\nB) eight";
    let vote = run("vote", question, &["p/a", "p/b", "p/c"], "p/w");
    // The answer is the text of the winner, not a table of votes.
    assert_eq!(vote, "Eight fit.\nAnswer: B");
    let question = "How thick is the paper?";
    let agreed = run("cascade", question, &["p/x", "p/y"], "p/w");
    assert_eq!(agreed, "It is thin.\nAnswer: 4 mm");
    let escalated = run("cascade", question, &["p/x", "p/y"], "p/w");
    assert!(escalated.contains("The drafts differ."), "{escalated}");
    let own = run("self", question, &["p/s"], "p/s");
    assert!(own.contains("Thin."), "{own}");
    assert_eq!(run("single", question, &["p/q"], "p/q"), "Alone.");
    // The requests contain what the pattern files specify.
    let requests = provider.requests();
    let message = |words: &str| {
        requests
            .iter()
            .any(|request| request.body.to_string().contains(words))
    };
    assert!(message(
        "Answer: the option, number, date, name, yes, no or undecided"
    ));
    assert!(message(
        "2 members drafted independently, and nothing shows that their drafts agree"
    ));
    assert!(message("One model answered 3 times independently"));
}
