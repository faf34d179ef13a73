//! Tests stopped runs: their partial answers are kept, they can be continued, and an answer can be written from their
//! drafts.

use super::*;

/// Starts a run of two members, and stops it when `a` has answered and `b` is in the middle of its answer.
fn stop_halfway(client: &mut Client, provider: &Provider) -> Value {
    let body = json!({
        "prompt": "How thick is it?", "models": ["p/a", "p/b"], "ultra_model": "p/w", "pattern": "gut",
        "cache": "off", "async": true,
    });
    let id = id_of(&client.post("/api/analyze", body));
    provider.wait_hanging(1);
    let mut awaited = vec![("member.completed", "p/a"), ("member.delta", "p/b")];
    for event in client.events(&analysis_path(&id, "/events"), None) {
        awaited.retain(|(name, model)| event.name != *name || event.data["model"] != *model);
        if awaited.is_empty() {
            break;
        }
    }
    client.post(&analysis_path(&id, "/cancel"), json!({}));
    client.get(&analysis_path(&id, "")).json()
}

fn halfway_lines() -> Vec<ScriptLine> {
    vec![
        on("a").sse(&answer_stream("Eighty grams.")),
        on("b").stall(&unfinished_stream("It is thin, ")),
    ]
}

#[test]
fn a_stopped_run_keeps_partial_answers() {
    let provider = Provider::script(halfway_lines());
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let body = stop_halfway(&mut client, &provider);
    assert_eq!(body["status"], "cancelled");
    let answers = json!({"p/a": "Eighty grams.", "p/b": "It is thin, "});
    assert_eq!(body["model_responses"], answers, "{body}");
    let states = body["results"]["stages"][0]["answers"]
        .as_array()
        .unwrap()
        .iter();
    let states: Vec<&Value> = states.map(|answer| &answer["status"]).collect();
    assert_eq!(states, ["completed", "stopped"]);
    assert_eq!(body["failures"], json!([]), "a stop is no failure");
    let turns = get_thread(&mut client, &body)["turns"].clone();
    assert_eq!(turns[0]["answer"], Value::Null);
    assert_eq!(turns[0]["partial"], "Eighty grams.");
}

#[test]
fn a_stopped_text_is_continued_by_the_model_that_wrote_it() {
    let mut lines = halfway_lines();
    lines.push(on("b").sse(&answer_stream("as paper is.")));
    lines.push(on("b").sse(&answer_stream("Next.")));
    let provider = Provider::script(lines);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let old = stop_halfway(&mut client, &provider);
    let body = json!({"continue_of": old["analysis_id"], "cache": "off"});
    let new = ask_and_wait(&mut client, body);
    assert_eq!(new["synthesis"], "It is thin, as paper is.");
    assert_eq!(new["branch"], json!({"of": null, "index": 2, "count": 2}));
    let view = client
        .get(&analysis_path(new["analysis_id"].as_str().unwrap(), ""))
        .json();
    assert_eq!(view["prompt"], "How thick is it?");
    let requests = messages_of(&provider.requests().pop().unwrap())
        .pop()
        .unwrap()
        .1;
    assert!(
        requests.contains("How thick is it?") && requests.contains("It is thin, "),
        "{requests}"
    );
    let body = json!({"continue_of": new["analysis_id"]});
    client.post("/api/analyze", body).refused(409, "CONFLICT");
    // The full answer becomes part of the context, and the panel consists of both members again.
    let body = json!({"prompt": "And then?", "follow_up_to": new["analysis_id"], "models": ["p/b"], "cache": "off"});
    ask_and_wait(&mut client, body);
    let carried_messages = messages_of(&provider.requests().pop().unwrap());
    assert_eq!(carried_messages[1].1, "It is thin, as paper is.");
}

#[test]
fn the_answer_is_written_from_finished_and_stopped_drafts() {
    let mut lines = halfway_lines();
    lines.push(on("w").sse(&answer_stream("Thin: eighty grams.")));
    let provider = Provider::script(lines);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let old = stop_halfway(&mut client, &provider);
    let body = json!({"write_from": old["analysis_id"], "cache": "off"});
    let new = ask_and_wait(&mut client, body);
    assert_eq!(new["synthesis"], "Thin: eighty grams.");
    assert_eq!(new["model_responses"], old["model_responses"]);
    let requests = provider.requests();
    assert_eq!(requests.len(), 3, "only the synthesis is asked for");
    let request = messages_of(&requests[2]).pop().unwrap().1;
    assert!(
        request.contains("Eighty grams.") && request.contains("It is thin,"),
        "{request}"
    );
}

#[test]
fn a_stopped_synthesis_resumes_from_its_drafts() {
    let provider = Provider::script([
        on("a").sse(&answer_stream("Eighty grams.")),
        on("b").sse(&answer_stream("It is thin.")),
        on("w").stall(&unfinished_stream("Thin: ")),
        on("w").sse(&answer_stream("eighty grams.")),
    ]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let body = json!({
        "prompt": "How thick is it?", "models": ["p/a", "p/b"], "ultra_model": "p/w",
        "pattern": "summarize", "cache": "off", "async": true,
    });
    let id = id_of(&client.post("/api/analyze", body));
    provider.wait_hanging(1);
    let mut events = client.events(&analysis_path(&id, "/events"), None);
    assert!(events.any(|event| event.name == "synthesis.delta"));
    client.post(&analysis_path(&id, "/cancel"), json!({}));
    let old = client.get(&analysis_path(&id, "")).json();
    assert_eq!(old["ultra_response"], "Thin: ", "{old}");
    let new = ask_and_wait(&mut client, json!({"continue_of": id, "cache": "off"}));
    assert_eq!(new["synthesis"], "Thin: eighty grams.");
    assert_eq!(new["model_responses"], old["model_responses"]);
    assert_eq!(new["metadata"]["begun"], "Thin: ");
    let requests = provider.requests();
    assert_eq!(requests.len(), 4, "no draft is asked for again");
    let last = messages_of(&requests[3]).pop().unwrap().1;
    assert!(
        last.contains("Eighty grams.") && last.contains("Thin: "),
        "{last}"
    );
}
