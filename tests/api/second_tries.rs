//! Tests retries through the whole server: what is retried, how often, and which answers are never stored.

use serde_json::json;

use crate::support::provider::{Provider, on};
use crate::support::script::{
    analysis_path, answer_stream, begin, server, short_run_with, unfinished_stream,
    wait_until_ended,
};

/// Returns a stream with this text and this finish reason.
fn stream_ending(text: &str, reason: &str) -> String {
    let end = json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] });
    format!("{}data: {end}\n\ndata: [DONE]\n\n", unfinished_stream(text))
}

#[test]
fn incomplete_answers_are_never_cached() {
    let endings = [
        ("busy", "insufficient_system_resource"),
        ("late", "time_limit"),
        ("short", "length"),
        ("blocked", "content_filter"),
    ];
    let mut lines = Vec::new();
    for (model, reason) in endings {
        lines.push(on(model).sse(&stream_ending("It is ", reason)));
        lines.push(on(model).sse(&answer_stream("Thin.")));
    }
    let provider = Provider::script(lines);
    let server = server(&provider, &[("RETRIES", "0")]);
    let mut client = server.user("ada@example.com");
    for (model, reason) in endings {
        let mut texts = Vec::new();
        // The second request calls the model again, and the third is answered from the cache.
        for _ in 0..3 {
            let body = json!({ "model": format!("p/{model}"), "messages": [{ "role": "user", "content": "Is it thin?" }] });
            let response = client.post("/v1/chat/completions", body).json();
            texts.push(response["choices"][0]["message"]["content"].clone());
        }
        let thin_answer = json!("Thin.");
        assert_ne!(texts[0], thin_answer, "{reason}");
        assert_eq!(texts[1..], [thin_answer.clone(), thin_answer], "{reason}");
    }
    assert_eq!(provider.requests().len(), endings.len() * 2);
}

#[test]
fn an_interrupted_member_is_announced_and_retried() {
    let provider = Provider::script([
        on("m").sse(&stream_ending("It is ", "abort")),
        on("m").cut(&unfinished_stream("It is still ")),
        on("m").sse(&answer_stream("It is thin.")),
    ]);
    let server = server(&provider, &[("RETRIES", "2")]);
    let mut client = server.user("ada@example.com");
    let id = begin(&mut client, &["p/m"]);
    let (mut text, mut start_count) = (String::new(), 0);
    for event in client.events(&analysis_path(&id, "/events"), None) {
        if event.data["model"] != "p/m" {
            continue;
        }
        match event.name.as_str() {
            "member.started" => {
                start_count += 1;
                text.clear();
            }
            "member.delta" => text += event.data["text"].as_str().unwrap_or_default(),
            _ => {}
        }
    }
    let analysis = wait_until_ended(&mut client, &id);
    let answer = &analysis["results"]["stages"][0]["answers"][0];
    assert_eq!(
        (&answer["status"], &answer["text"]),
        (&json!("completed"), &json!("It is thin.")),
        "{analysis}"
    );
    assert_eq!(start_count, 3, "each beginning is announced");
    assert_eq!(text, "It is thin.");
}

#[test]
fn an_empty_answer_is_retried_once() {
    let provider = Provider::script([
        on("empty").times(2).sse(&stream_ending("", "stop")),
        on("blank").times(2).sse(&stream_ending(" \n", "stop")),
        on("thinks").times(1).sse(&stream_ending("", "length")),
    ]);
    let server = server(&provider, &[("RETRIES", "5")]);
    let mut client = server.user("ada@example.com");
    let extra = json!({ "async": true, "cache": "off" });
    let body = short_run_with(&["p/empty", "p/blank", "p/thinks", "demo/extract"], extra);
    let answer = client.post("/api/analyze", body);
    let analysis = wait_until_ended(&mut client, &crate::support::script::id_of(&answer));
    let failed = analysis["failures"].as_array().unwrap();
    assert_eq!(failed.len(), 3, "{analysis}");
    assert_eq!(provider.requests().len(), 5);
}
