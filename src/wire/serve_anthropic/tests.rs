//! Tests requests in the form in which the SDKs send them, and the answers to them.

use super::*;
use crate::domain::chat::Extras;

#[test]
fn sdk_messages_are_parsed() {
    let request = parse_request(
        &json!({
            "model": "m", "max_tokens": 100, "system": [{ "type": "text", "text": "Be brief." }], "top_k": 5,
            "stop_sequences": ["END"], "messages": [
                { "role": "user", "content": [
                    { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "AAAA" } },
                    { "type": "text", "text": "What?" },
                ]},
            ],
        }),
        true,
    )
    .expect("sound");
    assert_eq!((request.turns.len(), request.turns[1].images.len()), (2, 1));
    assert_eq!(
        (request.parameters.top_k, request.parameters.stop.len()),
        (Some(5), 1)
    );
    let user = json!([{ "role": "user", "content": "a" }]);
    for (body, param) in [
        (json!({ "model": "m", "messages": user }), "max_tokens"),
        (json!({ "model": "m", "max_tokens": 1 }), "messages"),
        (
            json!({ "model": "m", "max_tokens": 1, "messages": user, "tools": [{ "name": "" }] }),
            "tools",
        ),
        (
            json!({ "model": "m", "max_tokens": 1, "messages": [{ "role": "user", "content": [{ "type": "tool_result" }] }] }),
            "messages",
        ),
    ] {
        assert_eq!(
            parse_request(&body, true).expect_err("refused").param,
            param,
            "{body}"
        );
    }
    assert!(parse_request(&json!({ "model": "m", "messages": user }), false).is_ok());
}

#[test]
fn cached_tokens_are_counted_separately() {
    let usage = Usage {
        input: 10,
        cached: 4,
        output: 2,
        ..Usage::default()
    };
    assert_eq!(start_usage(&usage)["input_tokens"], 6);
    let mut events = MessageEvents::new(ChunkFrame {
        id: "m".into(),
        model: "m".into(),
        created: 7,
        ..ChunkFrame::default()
    });
    let answer = CompleteAnswer {
        text: "",
        calls: &[],
        reasoning: "",
        extras: &Extras::default(),
        finish_reason: Finish::Length,
        usage: &usage,
    };
    let ending = events.end_events(&answer);
    assert_eq!(ending[0].1["delta"]["stop_reason"], "max_tokens");
}
