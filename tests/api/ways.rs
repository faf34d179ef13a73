//! Tests the depth, skipped stages, and retries of a run through the whole server.

use serde_json::{Value, json};

use crate::support::Client;
use crate::support::provider::{Provider, on};
use crate::support::script::{
    analysis_path, answer_stream, id_of, server, short_run_with, wait_until_ended,
};

fn stage_names(report: &Value) -> Vec<&str> {
    let stages = report["results"]["stages"].as_array().unwrap().iter();
    stages
        .map(|stage| stage["name"].as_str().unwrap())
        .collect()
}

fn run_analysis(client: &mut Client, models: &[&str], extra_fields: Value) -> Value {
    let mut body = short_run_with(models, extra_fields);
    body["async"] = json!(true);
    let id = id_of(&client.post("/api/analyze", body));
    wait_until_ended(client, &id)
}

fn last_event(client: &mut Client, report: &Value) -> Value {
    let id = report["id"].as_str().unwrap();
    let all = client.events(&analysis_path(id, "/events"), None);
    all.last().unwrap().data
}

#[test]
fn depth_follows_the_request() {
    let provider = Provider::script([on("a").sse(&answer_stream("Thin."))]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    // In quick mode, only the model that would write the answer is called.
    let quick = run_analysis(
        &mut client,
        &["p/a"],
        json!({ "depth": "quick", "pattern": "critique", "ultra_model": "p/a" }),
    );
    assert_eq!(stage_names(&quick), ["initial"]);
    assert_eq!(quick["synthesis"], "Thin.");
    assert_eq!(quick["metadata"]["arrangement"], "single");
    // A model that is not a member of the panel is never called as a replacement.
    let extra = json!({ "pattern": "single", "ultra_model": "demo/merge", "cache": "off" });
    let single = run_analysis(&mut client, &["demo/extract"], extra);
    assert_eq!(
        single["metadata"]["ultra_model"], "demo/extract",
        "{single}"
    );
    let demo = ["demo/extract", "demo/phrases"];
    for (depth, expected) in [
        ("standard", &["initial", "meta", "ultra"][..]),
        ("full", &["initial", "meta", "hyper", "ultra"]),
    ] {
        let rest_of_body = json!({ "depth": depth, "pattern": "critique" });
        assert_eq!(
            stage_names(&run_analysis(&mut client, &demo, rest_of_body)),
            expected
        );
    }
    client
        .post(
            "/api/analyze",
            short_run_with(&["p/a"], json!({ "depth": "deep" })),
        )
        .refused(422, "VALIDATION_ERROR");
    for wrong in [json!({ "stop_when_agreed": 2 }), json!({ "samples": 1 })] {
        client
            .post("/api/analyze", short_run_with(&["p/a"], wrong))
            .refused(422, "VALIDATION_ERROR");
    }
}

#[test]
fn agreeing_first_answers_skip_the_critique() {
    let provider = Provider::script([
        on("a").sse(&answer_stream("It is thin.\nAnswer: 4 mm")),
        on("b").sse(&answer_stream("Measured.\nAnswer: 4 mm")),
    ]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let extra = json!({ "depth": "full", "pattern": "critique", "stop_when_agreed": 0.9 });
    let output = run_analysis(&mut client, &["p/a", "p/b"], extra);
    assert_eq!(output["status"], "completed", "{output}");
    let models_asked: Vec<usize> = output["results"]["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stage| stage["answers"].as_array().unwrap().len())
        .collect();
    assert_eq!(models_asked, [2, 0, 0, 1]);
    let notes = last_event(&mut client, &output)["notes"].to_string();
    assert!(notes.contains("they close with the same answer"), "{notes}");
}

#[test]
fn run_can_be_finished_early() {
    let provider = Provider::script([
        on("a").sse(&answer_stream("It is thin.")),
        on("slow").hang(),
    ]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let body = short_run_with(&["p/a", "p/slow"], json!({ "async": true }));
    let id = id_of(&client.post("/api/analyze", body));
    for event in client.events(&analysis_path(&id, "/events"), None) {
        if event.name == "member.completed" {
            break;
        }
    }
    let mut bob = server.client().registered("bob@example.com");
    bob.post(&analysis_path(&id, "/synthesize"), json!({}))
        .refused(404, "NOT_FOUND");
    let response = client.post(&analysis_path(&id, "/synthesize"), json!({}));
    assert_eq!(response.status, 200, "{}", response.text());
    let analysis = wait_until_ended(&mut client, &id);
    assert_eq!(analysis["status"], "completed");
    provider.wait_idle();
    let notes = last_event(&mut client, &analysis)["notes"].to_string();
    assert!(
        notes.contains("p/slow") && notes.contains("at the user's request"),
        "{notes}"
    );
    // A run that has already ended cannot be finished early.
    let response = client
        .post(&analysis_path(&id, "/synthesize"), json!({}))
        .json();
    assert_eq!(response["status"], "completed");
}

#[test]
fn one_member_is_stopped_and_the_others_go_on() {
    let provider = Provider::script([
        on("a").times(2).sse(&answer_stream("It is thin.")),
        on("slow").hang(),
    ]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let body = short_run_with(
        &["p/a", "p/slow"],
        json!({ "async": true, "ultra_model": "p/a" }),
    );
    let id = id_of(&client.post("/api/analyze", body));
    provider.wait_hanging(1);
    let leave = analysis_path(&id, "/leave-out");
    let mut bob = server.client().registered("bob@example.com");
    bob.post(&leave, json!({ "model": "p/slow" }))
        .refused(404, "NOT_FOUND");
    let wrong = client.post(&leave, json!({ "model": "p/other" }));
    assert_eq!(wrong.status, 422, "{}", wrong.text());
    let response = client.post(&leave, json!({ "model": "p/slow" }));
    assert_eq!(response.status, 200, "{}", response.text());
    let analysis = wait_until_ended(&mut client, &id);
    assert_eq!(analysis["status"], "completed");
    provider.wait_idle();
    let answers = analysis["results"]["stages"][0]["answers"].to_string();
    assert!(answers.contains("stopped by you"), "{answers}");
    // A run that has ended has no members that could be stopped.
    let response = client.post(&leave, json!({ "model": "p/slow" })).json();
    assert_eq!(response["status"], "completed");
}

#[test]
fn a_rerun_keeps_the_conversation_its_question_ends() {
    let provider =
        Provider::answering(|received| on(&received.model()).sse(&answer_stream("At noon.")));
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let save = json!({ "name": "ferry", "pattern": "gut", "models": ["p/a"], "ultra_model": "p/w", "depth": "full" });
    assert_eq!(client.post("/api/recipes", save).status, 201);
    let response = client.post(
        "/v1/chat/completions",
        json!({ "model": "quire/gut:ferry", "messages": [
            { "role": "system", "content": "Answer in one line." },
            { "role": "user", "content": "Which ferries go to Texel?" },
            { "role": "assistant", "content": "The one from Den Helder." },
            { "role": "user", "content": "When does it leave?" },
        ]}),
    );
    assert_eq!(response.status, 200, "{}", response.text());
    let list = client.get("/api/analyses").json();
    let id = list["analyses"][0]["id"].as_str().unwrap().to_owned();
    for (changes, question) in [
        (json!({ "cache": "refresh" }), "When does it leave?"),
        (
            json!({ "prompt": "And back?", "cache": "refresh" }),
            "And back?",
        ),
    ] {
        let before = provider.requests().len();
        let started = client.post(&analysis_path(&id, "/rerun"), changes);
        assert_eq!(started.status, 202, "{}", started.text());
        wait_until_ended(&mut client, &id_of(&started));
        for request in &provider.requests()[before..] {
            let body = request.body.to_string();
            for part in [
                "Which ferries go to Texel?",
                "The one from Den Helder.",
                question,
            ] {
                assert!(body.contains(part), "{part} is not in {body}");
            }
        }
        assert!(provider.requests().len() > before);
    }
}

#[test]
fn rerun_calls_only_affected_models() {
    let provider = Provider::script([
        on("a").times(2).sse(&answer_stream("It is thin.")),
        on("b").sse(&answer_stream("It is thick.")),
        on("w").sse(&answer_stream("## Answer\nNobody knows.")),
        on("v").sse(&answer_stream("## Answer\nOne knows.")),
    ]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    // The cache is off, so reused answers must come from the earlier run.
    let extra = json!({ "ultra_model": "p/w", "cache": "off" });
    let first = run_analysis(&mut client, &["p/a", "p/b"], extra);
    let id = first["id"].as_str().unwrap().to_owned();
    let mut rerun = |changes: Value| {
        let started = client.post(&analysis_path(&id, "/rerun"), changes);
        assert_eq!(started.status, 202, "{}", started.text());
        let analysis = wait_until_ended(&mut client, &id_of(&started));
        let models_asked: Vec<bool> = (analysis["results"]["stages"].as_array().unwrap().iter())
            .flat_map(|stage| stage["answers"].as_array().unwrap())
            .map(|answer| answer["cached"].as_bool().unwrap())
            .collect();
        assert_eq!(analysis["metadata"]["repeats"], json!(id));
        (models_asked, analysis)
    };
    // If only the synthesis model is changed, only this model is called and paid for.
    let (cached, report) = rerun(json!({ "ultra_model": "p/v" }));
    assert_eq!(cached, [true, true, false], "{report}");
    assert_eq!(report["model_responses"], first["model_responses"]);
    // If a parameter of one member is changed, only this member is called. The text that the synthesis model reads is
    // the same, so its answer is known.
    let (cached, _) = rerun(json!({ "model_parameters": { "p/a": { "temperature": 0.3 } } }));
    assert_eq!(cached, [false, true, true]);
    // If nothing is changed, no model is called.
    let (cached, report) = rerun(json!({}));
    assert_eq!(cached, [true, true, true]);
    assert_eq!(report["synthesis"], first["synthesis"]);
    // The estimate does not call any model, because the script has no answer left.
    let mut estimate = |changes: Value| {
        let response = client.post(&analysis_path(&id, "/rerun"), changes).json();
        let models = |list: &Value| -> Vec<String> {
            let models = list.as_array().unwrap().iter();
            models
                .map(|one| one["model"].as_str().unwrap().to_owned())
                .collect()
        };
        (models(&response["taken_over"]), models(&response["calls"]))
    };
    let (reused, called) = estimate(json!({ "dry_run": true, "ultra_model": "p/v" }));
    assert_eq!(
        (reused.join(" "), called.join(" ")),
        ("p/a p/b".into(), "p/v".into())
    );
    let (reused, called) = estimate(json!({ "dry_run": true, "models": ["p/b", "p/a"] }));
    assert_eq!(
        (reused.len(), called.join(" ")),
        (2, "p/w".into()),
        "{reused:?}"
    );
    let (reused, called) = estimate(json!({ "dry_run": true, "cache": "refresh" }));
    assert_eq!((reused.len(), called.len()), (0, 3));
    let (reused, called) = estimate(json!({ "dry_run": true, "prompt": "Something else?" }));
    assert_eq!((reused.len(), called.len()), (0, 3));
    client
        .post(
            &analysis_path(&id, "/rerun"),
            json!({ "dry_run": "perhaps" }),
        )
        .refused(422, "VALIDATION_ERROR");
    client
        .post(&analysis_path(&id, "/rerun"), json!({ "colour": "green" }))
        .refused(422, "VALIDATION_ERROR");
}
