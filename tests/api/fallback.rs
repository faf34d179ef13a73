//! Tests runs that do not go as planned: a member needs a fallback, the answer does not have the requested format, a
//! model does not accept images, or the time of a stage runs out.

use serde_json::{Value, json};

use crate::support::Server;
use crate::support::provider::{Provider, on};
use crate::support::script::{
    analysis_path, answer_stream, begin, id_of, server, short_run_with, wait_until_ended,
};
use crate::support::server::Folder;

fn events_named<'a>(events: &'a [(String, Value)], name: &str) -> Vec<&'a Value> {
    let of_name = events.iter().filter(|(found, _)| found == name);
    of_name.map(|(_, data)| data).collect()
}

fn event_list(client: &mut crate::support::Client, id: &str) -> Vec<(String, Value)> {
    let all = client.events(&analysis_path(id, "/events"), None);
    all.map(|event| (event.name, event.data)).collect()
}

#[test]
fn a_configured_fallback_answers_and_is_reported() {
    let provider = Provider::script([
        on("a").status(400, "application/json", "{}"),
        on("c").sse(&answer_stream("From the other one.")),
        on("b").sse(&answer_stream("From the member.")),
    ]);
    let server = server(&provider, &[]);
    let mut admin = server.user("ada@example.com");
    assert_eq!(
        admin.get("/api/admin/fallbacks").json()["fallbacks"],
        json!({})
    );
    for wrong in [
        json!({ "p/a": ["p/a"] }),
        json!({ "p/a": ["nobody/x"] }),
        json!({ "p/a": ["demo/merge"] }),
        json!({ "p/a": ["p/b", "p/c", "p/d", "p/e"] }),
    ] {
        let body = json!({ "fallbacks": wrong });
        admin
            .put("/api/admin/fallbacks", body)
            .refused(422, "VALIDATION_ERROR");
    }
    let chain = json!({ "p/a": ["p/c"] });
    let set = admin.put("/api/admin/fallbacks", json!({ "fallbacks": chain }));
    assert_eq!(set.json()["fallbacks"], chain);
    let mut bob = server.client().registered("bob@example.com");
    bob.put("/api/admin/fallbacks", json!({ "fallbacks": {} }))
        .refused(403, "FORBIDDEN");

    let id = begin(&mut admin, &["p/a", "p/b"]);
    let analysis = wait_until_ended(&mut admin, &id);
    assert_eq!(analysis["status"], "completed", "{analysis}");
    let answers = &analysis["results"]["stages"][0]["answers"];
    let first = &answers[0];
    assert_eq!(
        (&first["model"], &first["fallback_for"]),
        (&json!("p/c"), &json!("p/a")),
        "{answers}"
    );
    assert_eq!(first["earlier"][0]["model"], "p/a");
    assert_eq!(answers[1]["fallback_for"], Value::Null);
    let all = event_list(&mut admin, &id);
    let failed = events_named(&all, "member.failed");
    assert_eq!(failed[0]["fallback"], "p/c", "{failed:?}");
    let completed = events_named(&all, "member.completed");
    assert!(
        completed.iter().any(|one| one["fallback_for"] == "p/a"),
        "{completed:?}"
    );
    let notes = events_named(&all, "analysis.completed")[0]["notes"].to_string();
    assert!(notes.contains("p/c takes its place"), "{notes}");
}

#[test]
fn no_fallback_is_used_unless_configured() {
    let provider = Provider::script([
        on("a").status(400, "application/json", "{}"),
        on("b").sse(&answer_stream("From the member.")),
    ]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let id = begin(&mut client, &["p/a", "p/b"]);
    let analysis = wait_until_ended(&mut client, &id);
    let first = &analysis["results"]["stages"][0]["answers"][0];
    assert_eq!(
        (&first["model"], &first["status"]),
        (&json!("p/a"), &json!("failed"))
    );
}

#[test]
fn the_final_answer_has_the_requested_format() {
    let provider = Provider::script([
        on("a").sse(&answer_stream("Paris is the capital.")),
        // The answer is not JSON, so one corrected answer is requested.
        on("a").sse(&answer_stream("The city is Paris.")),
        on("a").sse(&answer_stream("{\"city\":\"Paris\"}")),
    ]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let schema = json!({
        "type": "object", "properties": { "city": { "type": "string" } },
        "required": ["city"], "additionalProperties": false,
    });
    let format =
        json!({ "type": "json_schema", "json_schema": { "name": "place", "schema": schema } });
    let expected = short_run_with(
        &["p/a"],
        json!({ "response_format": format, "ultra_model": "p/a", "async": true }),
    );
    let id = id_of(&client.post("/api/analyze", expected));
    let analysis = wait_until_ended(&mut client, &id);
    assert_eq!(
        analysis["structured"],
        json!({ "city": "Paris" }),
        "{analysis}"
    );
    let requests = provider.requests();
    assert_eq!(requests.len(), 3);
    // The members are not asked to use the format.
    assert!(
        !requests[0].body.to_string().contains("city"),
        "{}",
        requests[0].body
    );
    assert!(requests[1].body.to_string().contains("city"));
    // A pattern without a synthesis model cannot produce the format, which is stated in the answer.
    let plain = short_run_with(
        &["demo/extract"],
        json!({ "response_format": { "type": "json_object" }, "async": true }),
    );
    let id = id_of(&client.post("/api/analyze", plain));
    let result = wait_until_ended(&mut client, &id);
    assert_eq!(result["structured"], Value::Null);
    let all = event_list(&mut client, &id);
    let notes = events_named(&all, "analysis.completed")[0]["notes"].to_string();
    assert!(
        notes.contains("demo/merge") && notes.contains("JSON"),
        "{notes}"
    );
    let wrong = short_run_with(&["p/a"], json!({ "response_format": { "type": "xml" } }));
    client
        .post("/api/analyze", wrong)
        .refused(422, "VALIDATION_ERROR");
}

#[test]
fn images_go_to_models_that_accept_them_and_others_are_reported() {
    let provider = Provider::script([
        on("gpt-4o").times(2).sse(&answer_stream("A grey field.")),
        on("own").sse(&answer_stream("A grey field.")),
        on("blind").sse(&answer_stream("I cannot see it.")),
    ]);
    let folder = Folder::new();
    let sheet = folder.path().join("models.json");
    let known_entries = json!({ "models": [{ "id": "p/blind", "vision": false }] });
    std::fs::write(&sheet, known_entries.to_string()).unwrap();
    let url = provider.base_url();
    let server = server(
        &provider,
        &[
            ("OPENAI_API_KEY", "sk-test"),
            ("OPENAI_BASE_URL", &url),
            ("QUIRE_MODELS", sheet.to_str().unwrap()),
        ],
    );
    let mut client = server.user("ada@example.com");
    let bytes = include_bytes!("../data/screenshot.png");
    let document = client
        .upload("/api/upload-document", "screen.png", bytes)
        .json();
    assert_eq!(document["status"], "processed", "{document}");
    let requested_run = short_run_with(
        &["openai/gpt-4o", "p/blind", "p/own"],
        json!({ "document_ids": [document["id"]], "ultra_model": "openai/gpt-4o", "async": true }),
    );
    let id = id_of(&client.post("/api/analyze", requested_run));
    assert_eq!(wait_until_ended(&mut client, &id)["status"], "completed");
    let mut seen = Vec::new();
    for asked in provider.requests() {
        let pictures = asked
            .body
            .to_string()
            .matches("data:image/png;base64,")
            .count();
        seen.push((asked.model(), pictures));
    }
    seen.sort();
    // The image is withheld only from models that are known not to accept images. A model that is not in the catalog
    // gets it.
    let expected = [("blind", 0), ("gpt-4o", 1), ("gpt-4o", 1), ("own", 1)];
    assert_eq!(seen, expected.map(|(name, count)| (name.to_owned(), count)));
    let all = event_list(&mut client, &id);
    let notes = events_named(&all, "analysis.completed")[0]["notes"].to_string();
    assert!(
        notes.contains("p/blind") && !notes.contains("p/own") && notes.contains("screen.png"),
        "{notes}"
    );
}

#[test]
fn a_stage_timeout_drops_late_members() {
    let provider = Provider::script([on("a").sse(&answer_stream("In time.")), on("late").hang()]);
    let server: Server = server(&provider, &[("STAGE_TIMEOUT", "5")]);
    let mut client = server.user("ada@example.com");
    let id = begin(&mut client, &["p/a", "p/late"]);
    let analysis = wait_until_ended(&mut client, &id);
    assert_eq!(analysis["status"], "completed", "{analysis}");
    let late = &analysis["results"]["stages"][0]["answers"][1];
    assert_eq!(late["status"], "failed");
    assert!(late["error"].as_str().unwrap().contains("time"), "{late}");
    provider.wait_idle();
}
