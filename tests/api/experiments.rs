//! Tests experiments: they are estimated before they start, and run in the background. After a kill, they continue and
//! come to the same decisions.

use serde_json::{Value, json};

use crate::support::Client;
use crate::support::line::{ScriptLine, on};
use crate::support::provider::Provider;
use crate::support::script::{answer_stream, server};

/// Returns the script of two models. One always gives the right answer, the other always the same wrong one.
fn two_model_lines() -> Vec<ScriptLine> {
    vec![
        on("dull")
            .times(500)
            .optional()
            .sse(&answer_stream("It is 3.")),
        on("bright")
            .times(500)
            .optional()
            .sse(&answer_stream("It is 4.")),
    ]
}

fn experiment_body(cases: usize) -> Value {
    let cases: Vec<Value> = (0..cases)
        .map(|n| json!({ "prompt": format!("What is {n} and {}?", 4 - n as i64), "expected": "4" }))
        .collect();
    json!({
        "name": "Sums", "cases": cases, "seed": 7,
        "space": [{ "dial": "model", "values": ["p/dull", "p/bright"] }],
        "evaluator": { "kind": "number" }, "budget": { "evaluations": 200 },
    })
}

fn start_experiment(client: &mut Client, body: Value) -> String {
    let started = client.post("/api/experiments", body);
    assert_eq!(started.status, 201, "{}", started.text());
    let id = started.json()["experiment_id"].as_str().unwrap().to_owned();
    format!("/api/experiments/{id}")
}

/// Follows an experiment's events until it has ended, and returns the experiment.
fn wait_until_ended(client: &mut Client, path: &str) -> Value {
    let events: Vec<_> = client.events(&format!("{path}/events"), None).collect();
    assert_eq!(events.last().unwrap().name, "experiment.finished");
    client.get(path).json()
}

#[test]
fn the_better_setting_is_found() {
    let provider = Provider::script(two_model_lines());
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let response = client.post("/api/experiments/estimate", experiment_body(30));
    assert_eq!(response.status, 200, "{}", response.text());
    // The estimate contains the test, its number of cases, and the difference that it can detect.
    let power = &response.json()["detectable"];
    assert_eq!(
        (&power["cases"], &power["test"]),
        (&json!(30), &json!("sign"))
    );
    let words = power["sentence"].as_str().unwrap();
    let difference = power["difference"].as_f64().unwrap();
    for part in [
        "McNemar's exact test (two-sided, 5 %",
        "on 30 cases",
        "in 80 of 100 experiments",
        &format!("better by {difference:.3}"),
    ] {
        assert!(words.contains(part), "no {part} in {words}");
    }
    let path = start_experiment(&mut client, experiment_body(30));
    let analysis = wait_until_ended(&mut client, &path);
    assert_eq!(analysis["status"], "completed");
    // No configuration was declared as the current one, so the page must not say that one is.
    assert_eq!(
        (&response.json()["baseline"], &analysis["baseline"]),
        (&json!("first"), &json!("first"))
    );
    let mut with_current = experiment_body(30);
    with_current["current"] = json!({ "model": "p/dull" });
    let response = client.post("/api/experiments/estimate", with_current);
    assert_eq!(response.json()["baseline"], "current");
    // Because the difference is so large, the experiment ends early, after 16 of 30 cases.
    assert_eq!(analysis["progress"]["evaluations"], 32);
    assert_eq!(analysis["progress"]["best"]["place"], 1);
}

#[test]
fn a_winner_is_applied_as_default_and_reverted() {
    let provider = Provider::script(two_model_lines());
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let path = start_experiment(&mut client, experiment_body(30));
    let analysis = wait_until_ended(&mut client, &path);
    assert_eq!(analysis["report"]["finding"], "better");
    let sentence = analysis["report"]["sentence"].as_str().unwrap();
    assert!(sentence.contains("p/bright is better"), "{sentence}");
    assert_eq!(
        analysis["report"]["leaderboard"][0]["setting"]["model"],
        "p/bright"
    );

    let applied = client.post(&format!("{path}/apply"), json!({ "as": "default" }));
    assert_eq!(applied.status, 200, "{}", applied.text());
    assert_eq!(applied.json()["applied"]["recipe"], "Sums@1");
    client
        .post(&format!("{path}/apply"), json!({}))
        .refused(409, "CONFLICT");
    // A request without models and a pattern now uses the winner.
    let answer = client.post("/api/analyze", json!({ "prompt": "What is 2 and 2?" }));
    assert_eq!(
        answer.json()["metadata"]["recipe"],
        "Sums@1",
        "{}",
        answer.text()
    );
    assert_eq!(
        answer.json()["metadata"]["models_used"],
        json!(["p/bright"])
    );
    let answer = client.post(
        "/api/analyze",
        json!({ "prompt": "What is 2 and 2?", "models": ["p/dull"], "depth": "quick" }),
    );
    assert_eq!(answer.json()["metadata"]["recipe"], Value::Null);

    let back = client.post(&format!("{path}/revert"), json!({}));
    assert_eq!(back.status, 200, "{}", back.text());
    let list = client.get("/api/recipes").json();
    assert_eq!(
        (&list["recipes"], &list["default"]),
        (&json!([]), &Value::Null)
    );
    client
        .post(&format!("{path}/revert"), json!({}))
        .refused(409, "CONFLICT");
    // If a recipe with the same name exists, applying the winner adds a version to that recipe. Reverting adds another
    // version with the earlier content.
    client.post("/api/recipes", json!({ "name": "Sums", "pattern": "gut" }));
    let applied = client.post(&format!("{path}/apply"), json!({ "place": 0 }));
    assert_eq!(applied.json()["applied"]["recipe"], "Sums@2");
    client.post(&format!("{path}/revert"), json!({}));
    let recipe = client.get("/api/recipes/Sums").json();
    assert_eq!(
        (&recipe["version"], &recipe["pattern"]),
        (&json!(3), &json!("gut"))
    );
    client
        .post(&format!("{path}/apply"), json!({ "place": 9 }))
        .refused(422, "VALIDATION_ERROR");
}

#[test]
fn user_judges_blindly() {
    let provider = Provider::script(two_model_lines());
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let path = start_experiment(&mut client, experiment_body(12));
    wait_until_ended(&mut client, &path);
    let duel = format!("{path}/duel");
    let mut next = client.get(&duel).json();
    let of = next["of"].as_u64().unwrap();
    assert!(of > 3 && !next.to_string().contains("p/"), "{next}");
    let skipped = next["token"].clone();
    next = client
        .post(&duel, json!({ "token": skipped, "preferred": "skip" }))
        .json();
    assert!(next["token"] != skipped && next["judged"] == 0);
    let mut left_count = 0;
    for judged in 1..=of {
        let right = next["left"]["text"] == "It is 4.";
        left_count += u64::from(right);
        let preferred = if right { "left" } else { "right" };
        let message = json!({ "token": next["token"], "preferred": preferred });
        next = client.post(&duel, message).json();
        assert!(next["done"] == true || next["judged"] == judged, "{next}");
    }
    assert_eq!(next, json!({ "done": true }));
    assert!(left_count > 0 && left_count < of, "the sides are drawn");
    let strengths = client.get(&path).json()["report"]["strengths"].clone();
    let strength_of = |place: u64| {
        let mut all = strengths.as_array().unwrap().iter();
        let entry = all.find(|one| one["place"] == place).unwrap();
        entry["strength"].as_f64().unwrap()
    };
    assert!(strength_of(1) > strength_of(0) + 1.0, "{strengths}");
    let preference = client.get(&path).json()["judge"]["preference"].clone();
    assert_eq!(preference["labels"], of, "{preference}");
    assert!(
        preference["words"]
            .as_str()
            .unwrap()
            .starts_with("You prefer the leader"),
        "{preference}"
    );
    client
        .post(&duel, json!({ "token": "0.1.7", "preferred": "tie" }))
        .refused(422, "VALIDATION_ERROR");
}

#[test]
fn cases_are_imported_and_results_exported() {
    let provider = Provider::script(two_model_lines());
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let table = b"question,answer\nWhat is 2+2?,4\n\"And, really?\",=4\n";
    let read = client.send("POST", "/api/experiments/cases", Some(("text/csv", table)));
    assert_eq!(read.status, 200, "{}", read.text());
    let cases = read.json()["cases"].clone();
    assert_eq!(
        cases[1],
        json!({ "prompt": "And, really?", "expected": "=4" })
    );
    let bad = client.send(
        "POST",
        "/api/experiments/cases",
        Some(("text/csv", b"a,b\n1,2\n")),
    );
    bad.refused(422, "VALIDATION_ERROR");
    let mut request = experiment_body(1);
    request["cases"] = cases;
    request["evaluator"] = json!({ "kind": "likeness" });
    let path = start_experiment(&mut client, request);
    wait_until_ended(&mut client, &path);
    let sheet = client.get(&format!("{path}/export?format=csv"));
    assert!(
        sheet
            .text()
            .starts_with("setting,model,case,prompt,expected,"),
        "{}",
        sheet.text()
    );
    assert!(sheet.text().contains(",\"'=4\","), "{}", sheet.text());
    let text = client.get(&format!("{path}/export?format=markdown")).text();
    assert!(
        text.contains("## Leaderboard") && text.contains("p/bright"),
        "{text}"
    );
    assert_eq!(
        client.get(&format!("{path}/export")).json()["cases"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    client
        .get(&format!("{path}/export?format=pdf"))
        .refused(422, "VALIDATION_ERROR");
}

#[test]
fn invalid_experiments_are_refused_with_a_reason() {
    let provider = Provider::script([]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    for (field, value, words) in [
        ("cases", json!([]), "no case"),
        (
            "cases",
            json!([{ "prompt": " " }]),
            "case 1 has no question",
        ),
        (
            "cases",
            json!([{ "prompt": "a" }]),
            "the expected answer is missing",
        ),
        (
            "space",
            json!([{ "dial": "model", "values": ["p/a"] }]),
            "only one configuration",
        ),
        (
            "space",
            json!([{ "dial": "model", "values": ["nobody/x", "p/a"] }]),
            "configuration 1",
        ),
        (
            "space",
            json!([{ "dial": "colour", "values": [1] }]),
            "colour",
        ),
        (
            "space",
            json!([{ "dial": "model", "values": ["p/a", "p/b", "p/a"] }]),
            "twice",
        ),
        (
            "cases",
            json!([{ "prompt": "a", "expected": "4" }, { "prompt": "b", "expected": "4", "documents": ["nonsense"] }]),
            "case 2: there is no document",
        ),
        (
            "space",
            json!([{ "dial": "prompt", "values": ["a", "b {{question}}"] }]),
            "{{question}}",
        ),
        (
            "current",
            json!({ "model": "p/x" }),
            "not among the configurations",
        ),
        ("budget", json!({ "cost_usd": 1 }), "the price of a model"),
        ("budget", json!({ "cost_usd": -1 }), "at least 0"),
        ("budget", json!({}), "set a budget"),
        ("wrong", json!(2), "must be from"),
        ("name", json!("x".repeat(81)), "at most 80"),
        (
            "evaluator",
            json!({ "kind": "regex", "pattern": "(" }),
            "regular expression",
        ),
        ("evaluator", json!({ "kind": "luck" }), "luck"),
        ("mood", json!(1), "mood"),
    ] {
        let mut request = experiment_body(3);
        request[field] = value.clone();
        let refusal = client.post("/api/experiments/estimate", request);
        refusal.refused(422, "VALIDATION_ERROR");
        assert!(
            refusal.text().contains(words),
            "{field} {value}: {}",
            refusal.text()
        );
    }
    assert!(provider.requests().is_empty());
}

#[test]
fn a_budget_that_compares_nothing_is_refused() {
    let provider = Provider::script([]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let many_models: Vec<String> = (0..70).map(|n| format!("p/m{n}")).collect();
    // Two configurations share the whole budget. If there are more, a reserve is deducted first.
    for (models, least, seconds) in [(&many_models[..2], 2, 30), (&many_models[..], 3, 38)] {
        for (budget, words) in [
            (json!({ "evaluations": 1 }), format!("{least} evaluations")),
            (
                json!({ "evaluations": least - 1 }),
                format!("{least} evaluations"),
            ),
            (json!({ "seconds": 1 }), format!("{seconds} seconds")),
            (
                json!({ "seconds": seconds - 8 }),
                format!("{seconds} seconds"),
            ),
        ] {
            let mut request = experiment_body(12);
            request["space"] = json!([{ "dial": "model", "values": models }]);
            request["budget"] = budget.clone();
            for path in ["/api/experiments/estimate", "/api/experiments"] {
                let refusal = client.post(path, request.clone());
                refusal.refused(422, "VALIDATION_ERROR");
                let text = refusal.text();
                assert!(
                    text.contains(&words),
                    "{} models, {budget}: {text}",
                    models.len()
                );
            }
        }
        let mut request = experiment_body(12);
        request["space"] = json!([{ "dial": "model", "values": models }]);
        for budget in [
            json!({ "evaluations": least }),
            json!({ "seconds": seconds }),
        ] {
            request["budget"] = budget;
            let response = client.post("/api/experiments/estimate", request.clone());
            assert_eq!(response.status, 200, "{}", response.text());
        }
    }
    // The budget is too small for a single trial, and the space is so large that its configurations are sampled.
    let mut invalid_body = experiment_body(12);
    invalid_body["space"] = json!([{ "dial": "model", "values": many_models }]);
    invalid_body["budget"] = json!({ "tokens": 10 });
    let refusal = client.post("/api/experiments/estimate", invalid_body);
    refusal.refused(422, "VALIDATION_ERROR");
    assert!(refusal.text().contains("tokens"), "{}", refusal.text());
    assert!(provider.requests().is_empty());
}

/// Sends these requests at the same time and returns their statuses.
fn post_concurrently(client: &Client, requests: &[(&str, Value)]) -> Vec<u16> {
    std::thread::scope(|scope| {
        let tries: Vec<_> = (requests.iter())
            .map(|(path, body)| {
                let mut client = client.fresh();
                scope.spawn(move || client.post(path, body.clone()).status)
            })
            .collect();
        let statuses = tries.into_iter().map(|one| one.join().expect("a thread"));
        statuses.collect()
    })
}

#[test]
fn concurrent_apply_and_revert_succeed_once() {
    let provider = Provider::script(two_model_lines());
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let path = start_experiment(&mut client, experiment_body(12));
    wait_until_ended(&mut client, &path);
    let (apply, revert) = (format!("{path}/apply"), format!("{path}/revert"));
    for (path, experiment_body) in [(&apply, json!({ "as": "default" })), (&revert, json!({}))] {
        let mut statuses = post_concurrently(&client, &vec![(path.as_str(), experiment_body); 6]);
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409, 409, 409, 409, 409], "{path}");
    }
    let list = client.get("/api/recipes").json();
    assert_eq!(
        (&list["recipes"], &list["default"]),
        (&json!([]), &Value::Null)
    );
}

#[test]
fn an_experiment_canceled_while_starting_does_not_run() {
    let provider = Provider::script(two_model_lines());
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let path = start_experiment(&mut client, experiment_body(30));
    let (cancel, resume) = (format!("{path}/cancel"), format!("{path}/resume"));
    for _ in 0..12 {
        client.post(&cancel, json!({}));
        let both = [(resume.as_str(), json!({})), (cancel.as_str(), json!({}))];
        let statuses = post_concurrently(&client, &both);
        assert!(
            statuses.iter().all(|status| matches!(status, 200 | 409)),
            "{statuses:?}"
        );
        let before = client.get(&path).json();
        if before["status"] == "cancelled" {
            let after = wait_until_ended(&mut client, &path);
            assert_eq!(after["status"], "cancelled", "it runs all the same");
            let evaluations = |report: &Value| report["progress"]["evaluations"].clone();
            assert_eq!(evaluations(&after), evaluations(&before));
        }
    }
    client.post(&resume, json!({}));
    assert_eq!(
        wait_until_ended(&mut client, &path)["report"]["finding"],
        "better"
    );
}
