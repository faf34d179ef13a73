//! Tests bodies and keys in the various forms in which clients send them, and content that is refused.

use super::*;

#[test]
fn unsupported_content_is_refused_rather_than_dropped() {
    let provider = plain_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    for (path, body, param) in [
        (CHAT_PATH, json!({ "messages": "a" }), "messages"),
        (
            CHAT_PATH,
            chat_request(json!({ "temperature": "0.7" })),
            "temperature",
        ),
        (
            CHAT_PATH,
            chat_request(json!({ "max_tokens": "256" })),
            "max_tokens",
        ),
        (
            CHAT_PATH,
            chat_request(json!({ "stream": "false" })),
            "stream",
        ),
        (CHAT_PATH, chat_request(json!({ "stop": [null] })), "stop"),
        (
            CHAT_PATH,
            chat_request(json!({ "messages": [message("human", json!("a"))] })),
            "messages",
        ),
        (
            CHAT_PATH,
            chat_request(
                json!({ "messages": [message("user", json!([{ "type": "input_audio", "input_audio": { "data": "AA", "format": "wav" } }]))] }),
            ),
            "messages",
        ),
        (
            CHAT_PATH,
            chat_request(
                json!({ "messages": [message("user", json!([{ "type": "image_url", "image_url": { "url": "https://example.org/x.png" } }]))] }),
            ),
            "messages",
        ),
        ("/v1/responses", json!({ "input": [] }), "input"),
        ("/v1/responses", json!({ "input": "" }), "input"),
        (
            "/v1/responses",
            json!({ "input": [message("user", json!([{ "type": "input_audio" }]))] }),
            "input",
        ),
        (
            "/v1/responses",
            json!({ "input": [{ "type": "item_reference", "id": "x" }] }),
            "input",
        ),
        (
            "/v1/responses",
            json!({ "input": "a", "previous_response_id": "resp_1" }),
            "previous_response_id",
        ),
        (
            "/v1/responses",
            json!({ "input": "a", "conversation": "conv_1" }),
            "conversation",
        ),
        (
            "/v1/responses",
            json!({ "input": "a", "prompt": { "id": "pmpt_1" } }),
            "prompt",
        ),
        (
            "/v1/responses",
            json!({ "input": "a", "background": true }),
            "background",
        ),
    ] {
        let answer = client.post(
            path,
            merge_objects(json!({ "model": "p/any" }), body.clone()),
        );
        let parameter = &answer.json()["error"]["param"];
        assert_eq!(
            (answer.status, parameter),
            (400, &json!(param)),
            "{body}: {}",
            answer.text()
        );
    }
    assert!(provider.requests().is_empty(), "none of these was sent on");
}

#[test]
fn bodies_as_clients_send_them() {
    let provider = plain_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let text = chat_request(json!({})).to_string();
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let json_type = "application/json";
    let lone_surrogate = text.replace("Is it thin?", "a \\ud83d b");
    let twice = text.replacen('{', "{\"model\":\"p/other\",", 1);
    for (header, kind, bytes, status) in [
        (
            ("content-encoding", "deflate"),
            json_type,
            packed.as_slice(),
            200,
        ),
        (
            ("accept", "text/event-stream"),
            "application/json; charset=UTF-8",
            text.as_bytes(),
            200,
        ),
        (
            ("expect", "100-continue"),
            "Application/JSON",
            text.as_bytes(),
            200,
        ),
        (
            ("accept", "*/*"),
            json_type,
            format!("\r\n {text}\n\n").as_bytes(),
            200,
        ),
        (("accept", "*/*"), "text/plain", text.as_bytes(), 415),
        (("accept", "*/*"), json_type, b"", 400),
        (("accept", "*/*"), json_type, b"{\"model\":\"p/any\",}", 400),
        (
            ("accept", "*/*"),
            json_type,
            b"{\"model\":\"p/any\",\"temperature\":NaN}",
            400,
        ),
        (("accept", "*/*"), json_type, lone_surrogate.as_bytes(), 400),
        (("accept", "*/*"), json_type, twice.as_bytes(), 200),
    ] {
        let mut client = client.clone().with(header.0, header.1);
        let answer = client.send("POST", CHAT_PATH, Some((kind, bytes)));
        assert_eq!(
            answer.status,
            status,
            "{header:?} {kind}: {}",
            answer.text()
        );
    }
    for (path, status) in [
        ("/v1/models/", 200),
        ("/v1/models/p%2Fany", 200),
        ("/v1/models?limit=2", 200),
        ("/v1", 404),
    ] {
        assert_eq!(client.get(path).status, status, "{path}");
    }
    for model in [" p/any ", "p/any"] {
        assert_eq!(
            client
                .post(CHAT_PATH, chat_request(json!({ "model": model })))
                .status,
            200,
            "{model:?}"
        );
    }
}

#[test]
fn keys_as_clients_send_them() {
    let provider = plain_provider();
    let server = server(&provider, &[]);
    let mut client = server.user("ada@example.com");
    let created = key(&mut client);
    let bearer = format!("bearer  {created} ");
    for (headers, status) in [
        (vec![("authorization", bearer.as_str())], 200),
        (
            vec![("authorization", "Bearer"), ("x-api-key", &created)],
            200,
        ),
        (
            vec![("authorization", "Bearer "), ("x-api-key", "quire_wrong")],
            401,
        ),
        (
            vec![("authorization", "Bearer wrong"), ("x-api-key", &created)],
            401,
        ),
        (vec![("authorization", "Bearer ")], 401),
        (vec![("authorization", "Basic eDp5")], 401),
        (vec![("authorization", &created)], 401),
    ] {
        let mut stranger = server.client();
        for (name, value) in &headers {
            stranger = stranger.with(name, value);
        }
        assert_eq!(stranger.get("/v1/models").status, status, "{headers:?}");
    }
}
