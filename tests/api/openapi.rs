//! Tests that the OpenAPI document is accurate: every response matches its schema in the document.

use quire::http::routes::{ROUTES, Verb};
use serde_json::{Value, json};

use crate::routes::{doc_path, openapi, owner, url_of};
use crate::support::Server;

#[test]
fn responses_match_the_openapi_document() {
    let server = Server::start();
    let mut admin = server.user("root@example.org");
    let mut owner = owner(&server);
    let document = openapi();
    for route in ROUTES.iter().filter(|route| route.verb == Verb::Get) {
        let path = url_of(route, &owner.values);
        if path.ends_with("/events") || path.contains("/stream/") {
            continue;
        }
        let client = match route.access() {
            "admin" => &mut admin,
            _ => &mut owner.client,
        };
        let answer = client.get(&path);
        let code = answer.status.to_string();
        let responses = &document["paths"][&doc_path(route.path)]["get"]["responses"];
        let content = &responses[&code]["content"];
        assert!(
            content.is_object(),
            "{path}: {code} is not described: {}",
            answer.text()
        );
        let kind = answer
            .header("content-type")
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        let schema = match content.get(&kind) {
            Some(described) => &described["schema"],
            None if ["text/plain", "application/octet-stream"].contains(&kind.as_str())
                || content.get("*/*").is_some() =>
            {
                continue;
            }
            None => panic!("{path}: {kind} is not described"),
        };
        if kind == "application/json" {
            check_schema(&answer.json(), schema, &document, &path);
        }
    }
    let wrong = server.client().post("/api/auth/login", json!({"email": 7}));
    check_schema(
        &wrong.json(),
        &json!({"$ref": "#/components/schemas/Error"}),
        &document,
        "an error",
    );
}

/// Checks a value against a schema, as far as the document uses JSON Schema. A field that the schema does not list is
/// an error too.
fn check_schema(value: &Value, schema: &Value, document: &Value, place: &str) {
    if let Some(target) = schema.get("$ref") {
        let pointer = target.as_str().unwrap().strip_prefix('#').unwrap();
        return check_schema(value, document.pointer(pointer).unwrap(), document, place);
    }
    if schema.get("oneOf").is_some() {
        return;
    }
    if let Some(only) = schema.get("const") {
        assert_eq!(value, only, "{place}");
    }
    if let Some(list) = schema.get("enum") {
        assert!(
            list.as_array().unwrap().contains(value),
            "{place}: {value} is not in {list}"
        );
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    let has_type = |kind: &&str| match *kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        _ => value.is_null(),
    };
    assert!(
        types.iter().any(has_type),
        "{place}: {value} is no {types:?}"
    );
    if let Some(list) = value.as_array() {
        for (number, item) in list.iter().enumerate() {
            check_schema(
                item,
                &schema["items"],
                document,
                &format!("{place}[{number}]"),
            );
        }
    }
    let Some(map) = value.as_object() else {
        return;
    };
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(
            map.contains_key(name.as_str().unwrap()),
            "{place}: {name} is missing"
        );
    }
    let properties = schema["properties"]
        .as_object()
        .filter(|properties| !properties.is_empty());
    for (name, item) in map {
        let place = format!("{place}.{name}");
        match (
            properties.and_then(|properties| properties.get(name)),
            schema.get("additionalProperties"),
        ) {
            (Some(schema), _) => check_schema(item, schema, document, &place),
            (None, Some(schema)) if schema.is_object() => {
                check_schema(item, schema, document, &place)
            }
            (None, _) => assert!(properties.is_none(), "{place} is not described"),
        }
    }
}
