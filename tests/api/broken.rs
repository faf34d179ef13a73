//! Tests incomplete answers of members: cut off by a limit, or interrupted and requested again.

use serde_json::json;

use crate::compatible::{data_objects, key, stream_lines};
use crate::stream::{check_complete_stream, texts};
use crate::support::provider::{Provider, on};
use crate::support::script::{
    analysis_path, answer_stream, begin, id_of, server, short_run_with, unfinished_stream,
    wait_until_ended,
};

#[test]
fn the_synthesizer_is_informed_of_a_truncated_answer() {
    let truncated_answer = unfinished_stream("Sixty grams and")
        + "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n";
    let provider = Provider::script([
        on("long").sse(&truncated_answer),
        on("whole").sse(&answer_stream("Eighty grams.")),
        on("writer").sse(&answer_stream("Eighty, most likely.")),
    ]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let extra = json!({ "ultra_model": "p/writer", "async": true });
    let id = id_of(&client.post(
        "/api/analyze",
        short_run_with(&["p/long", "p/whole"], extra),
    ));
    assert_eq!(wait_until_ended(&mut client, &id)["status"], "completed");
    let requests = provider.requests();
    let prompt = requests.last().unwrap().body["messages"].to_string();
    let announced = "(This answer was cut off by its length limit.)";
    assert_eq!(prompt.matches(announced).count(), 1, "{prompt}");
    let (before, _) = prompt.split_once(announced).unwrap();
    assert!(
        before.trim_end_matches("\\n").ends_with("Sixty grams and"),
        "{prompt}"
    );
}

#[test]
fn an_interrupted_member_restarts_in_the_live_stream() {
    let provider = Provider::script([
        on("breaks").cut(&unfinished_stream("Sixty grams ")),
        on("breaks").sse(&answer_stream("Eighty grams.")),
        on("steady").sse(&answer_stream("Eighty.")),
    ]);
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let id = begin(&mut client, &["p/breaks", "p/steady"]);
    let events: Vec<_> = client
        .events(&analysis_path(&id, "/events"), None)
        .collect();
    check_complete_stream(&events);
    let started = events
        .iter()
        .filter(|event| event.name == "member.started" && event.data["model"] == "p/breaks");
    let attempts: Vec<u64> = started
        .map(|event| event.data["attempt"].as_u64().unwrap())
        .collect();
    assert_eq!(attempts, [1, 2], "{events:?}");
    let (members, _) = texts(&events);
    let text = members
        .iter()
        .find(|((_, model), _)| model == "p/breaks")
        .unwrap()
        .1;
    assert_eq!(text, "Eighty grams.");
    assert!(
        !events.iter().any(|event| event.name == "member.failed"),
        "{events:?}"
    );
}

#[test]
fn restarted_members_are_invisible_to_api_clients() {
    let provider = Provider::script([
        on("breaks").cut(&unfinished_stream("Sixty grams ")),
        on("breaks").sse(&answer_stream("Eighty grams.")),
        on("steady").sse(&answer_stream("Eighty.")),
        on("breaks")
            .optional()
            .sse(&answer_stream("Eighty grams, both say.")),
        on("steady")
            .optional()
            .sse(&answer_stream("Eighty grams, both say.")),
    ]);
    let server = server(&provider, &[]);
    let own_key = key(&mut server.user("ada@example.com"));
    let body = json!({
        "model": "quire/summarize", "stream": true, "models": ["p/breaks", "p/steady"],
        "messages": [{ "role": "user", "content": "How thick is the paper?" }],
    });
    let (head, all) = stream_lines(&server, &own_key, "/v1/chat/completions", &body);
    assert!(head.contains("200"), "{head}");
    let chunks = data_objects(&all);
    let pieces = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
    assert_eq!(pieces.collect::<String>(), "Eighty grams, both say.");
    assert_eq!(
        chunks.last().unwrap()["choices"][0]["finish_reason"],
        "stop"
    );
}
