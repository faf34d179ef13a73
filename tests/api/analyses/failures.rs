//! Tests runs in which some or all members fail.

use super::*;

#[test]
fn a_run_completes_with_the_members_that_answer() {
    let provider = Provider::script([
        on("slow").hang(),
        on("broken").status(
            500,
            "application/json",
            r#"{"error":{"message":"on fire"}}"#,
        ),
        on("good").sse(&answer_stream("Eighty grams.")),
    ]);
    let server = server(&provider, &[("RETRIES", "0")]);
    let mut client = server.user("ada@example.com");
    let panel = ["p/slow", "p/broken", "p/good", "demo/extract"];
    let answer = client.post(
        "/api/orchestrator/analyze",
        short_run_with(&panel, json!({"parameters": {"timeout_s": 1}})),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    let of = |model: &str| {
        body["results"]
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["model"] == model)
            .unwrap()
            .clone()
    };
    for (model, word) in [
        ("p/slow", "time"),
        ("p/broken", "has a temporary problem (500)"),
    ] {
        assert_eq!(of(model)["status"], "failed");
        assert!(
            of(model)["error"].as_str().unwrap().contains(word),
            "{}",
            of(model)
        );
    }
    assert_eq!(
        (&of("p/good")["content"], &of("p/good")["usage"]["output"]),
        (&json!("Eighty grams."), &json!(7))
    );
    assert_eq!(
        object_keys(&body["model_responses"]),
        ["demo/extract", "p/good"]
    );
    let failures = client.get(&analysis_path(&id_of(&answer), "")).json()["failures"].clone();
    assert_eq!(failures.as_array().unwrap().len(), 2, "{failures}");
    provider.wait_for_disconnect("slow");
}

#[test]
fn run_without_any_answer_reports_each_reason() {
    let provider = Provider::script([
        on("a").status(
            401,
            "application/json",
            r#"{"error":{"message":"bad key"}}"#,
        ),
        on("b").status(
            400,
            "application/json",
            r#"{"error":{"message":"no such model"}}"#,
        ),
    ]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let answer = client.post("/api/analyze", short_run(&["p/a", "p/b"]));
    let message = answer.refused(503, "SERVICE_UNAVAILABLE")["message"].to_string();
    for word in ["p/a: ", "accept the key", "p/b: ", "know this model"] {
        assert!(message.contains(word), "{message}");
    }
    // A provider's message about its key is not shown to all users.
    assert!(!message.contains("bad key"), "{message}");
    let list = client.get("/api/analyses?status=failed").json();
    assert_eq!(list["analyses"].as_array().unwrap().len(), 1);
}

#[test]
fn malformed_provider_responses_fail_only_their_member() {
    let half = unfinished_stream("It is ");
    let provider = Provider::script([
        on("html").status(200, "text/html", "<html><body>Sign in</body></html>"),
        on("nothing").raw(b""),
        on("garbage").sse(&(half.clone() + "data: {\"choices\": [[[\n\n")),
        on("cut").cut(&half),
        on("lying").with_wrong_length(200, "application/json", "{}", 900),
        on("empty").sse(&answer_stream("")),
        on("binary").raw(&[0xFF; 400]),
    ]);
    let server = server(&provider, &[("RETRIES", "0")]);
    let mut client = server.user("ada@example.com");
    let mut other = server.user("bob@example.com");
    let beside = std::thread::spawn(move || {
        other.post("/api/analyze", short_run(&["demo/extract", "demo/phrases"]))
    });
    let panel = [
        "p/html",
        "p/nothing",
        "p/garbage",
        "p/cut",
        "p/lying",
        "p/empty",
        "p/binary",
        "demo/extract",
    ];
    let answer = client.post(
        "/api/orchestrator/analyze",
        short_run_with(&panel, json!({"parameters": {"timeout_s": 2}})),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    assert_eq!(object_keys(&body["model_responses"]), ["demo/extract"]);
    for entry in body["results"].as_array().unwrap() {
        let error = entry["error"].as_str().unwrap_or_default();
        assert_eq!(
            error.split(' ').count() > 2,
            entry["model"] != "demo/extract",
            "{entry}"
        );
        assert!(
            !error.contains("Error {") && !error.contains('<'),
            "{error}"
        );
    }
    let beside = beside.join().unwrap();
    assert_eq!(
        (
            beside.status,
            object_keys(&beside.json()["model_responses"]).len()
        ),
        (200, 2)
    );
}
