//! Tests access by other users, generated from the OpenAPI document: every operation is requested by another user and
//! without an account. The path contains the owner's IDs, and so does the body, which is built from the operation's
//! schema. The test fails if a placeholder or an ID in a route is unknown.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::routes::{RARE_WORD, fill_path, openapi, owner, owner_view};
use crate::support::{Client, Server};

/// Returns the ID of the owner's object that a field of a request body refers to, by the name of the field.
fn known_id(name: &str, values: &BTreeMap<&str, String>) -> Option<String> {
    let kind = match name {
        "sessionId" | "session_id" | "upload_id" => "upload",
        "document_id" | "document_ids" | "documents" => "document",
        "recipe" | "recipe_id" => "recipe",
        "pattern" | "pattern_id" => "pattern",
        "analysis_id"
        | "parent"
        | "previous_response_id"
        | "follow_up_to"
        | "edit_of"
        | "continue_of"
        | "write_from"
        | "turn" => "analysis",
        "thread" => "thread",
        "project" => "project",
        "experiment_id" => "experiment",
        "user_id" => "user",
        _ => return None,
    };
    Some(values[kind].clone())
}

/// Returns a value that is valid under a schema. IDs in it are the owner's.
fn build_value(
    document: &Value,
    schema: &Value,
    name: &str,
    values: &BTreeMap<&str, String>,
) -> Value {
    if let Some(target) = schema["$ref"].as_str() {
        let pointer = target.trim_start_matches('#');
        let schema = document.pointer(pointer).expect("references hold").clone();
        return build_value(document, &schema, name, values);
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        if let Some(first) = schema[several].get(0) {
            return build_value(document, first, name, values);
        }
    }
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds[0].as_str().unwrap_or_default(),
        kind => kind.as_str().unwrap_or_default(),
    };
    match kind {
        "object" => {
            let properties = schema["properties"].as_object();
            let pairs = properties.into_iter().flatten();
            let pairs =
                pairs.map(|(name, of)| (name.clone(), build_value(document, of, name, values)));
            Value::Object(pairs.collect::<Map<_, _>>())
        }
        "array" => json!([build_value(document, &schema["items"], name, values)]),
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or(json!(1)),
        "boolean" => json!(false),
        _ => json!(known_id(name, values).unwrap_or_else(|| "x".to_owned())),
    }
}

fn send_route_request(
    client: &mut Client,
    document: &Value,
    (verb, path): (&str, &str),
    of: &Value,
    values: &BTreeMap<&str, String>,
) -> (u16, String) {
    let content = &of["requestBody"]["content"];
    let schema = &content["application/json"]["schema"];
    let answer = if schema.is_object() {
        client.json(verb, path, &build_value(document, schema, "", values))
    } else if content["multipart/form-data"].is_object() {
        client.upload(path, "matrix.txt", b"nothing")
    } else {
        client.send(verb, path, None)
    };
    (answer.status, answer.text())
}

#[test]
fn no_operation_reaches_another_users_data() {
    let server = Server::start();
    server.user("root@example.org");
    let mut owner = owner(&server);
    let before = owner_view(&mut owner);
    let document = openapi();
    let mut request_count = 0;
    for (path, operations) in document["paths"].as_object().expect("paths") {
        let filled = fill_path(path, &owner.values)
            .replace("{key}", "0123456789abcdef")
            .replace("{name}", "demo/extract")
            .replace("{path}", "js/index.js");
        assert!(
            !filled.contains('{'),
            "the matrix does not know the placeholder of {path}"
        );
        for (verb, operation) in operations.as_object().expect("operations") {
            let access = operation["x-quire-access"].as_str().expect("an access");
            // These operations affect only the caller, and signing out would end the test.
            if path.starts_with("/api/auth/") {
                continue;
            }
            let row = (&*verb.to_uppercase(), &*filled);
            let formatted = format!("{} {filled}", row.0);
            let email = format!("other{request_count}@example.org");
            let mut other = server.user(&email);
            let (status, text) =
                send_route_request(&mut other, &document, row, operation, &owner.values);
            assert!(status < 500, "{formatted}: {status} {text}");
            assert!(
                access == "link" || !text.contains(RARE_WORD),
                "{formatted}: {text}"
            );
            if access == "admin" {
                assert_eq!(status, 403, "{formatted}: {text}");
            }
            if access == "user" && path.contains("{id}") {
                assert!((400..500).contains(&status), "{formatted}: {status} {text}");
            }
            let (status, text) = send_route_request(
                &mut server.client(),
                &document,
                row,
                operation,
                &owner.values,
            );
            assert!(
                access == "link" || !text.contains(RARE_WORD),
                "{formatted}: {text}"
            );
            if access == "user" || access == "admin" {
                assert_eq!(status, 401, "{formatted}: {text}");
            }
            request_count += 1;
        }
    }
    assert!(request_count > 130, "{request_count}");
    for (path, was) in before {
        assert_eq!(
            owner.client.get(&path).text(),
            was.as_str().expect("text"),
            "{path}"
        );
    }
}
