//! The part of JSON Schema (2020-12) that answers are held to: types, properties, items, enumerations, bounds
//! and alternatives. A keyword that would change what is valid and is not known here is refused when the
//! schema is taken in, never skipped.

use serde_json::Value;

/// Bytes of a schema.
const MOST_BYTES: usize = 64 * 1024;
/// Levels of a schema, and of a value under it.
const MOST_DEPTH: usize = 32;

/// Keywords that decide what is valid.
const KEYWORDS: &[&str] = &[
    "type",
    "properties",
    "required",
    "additionalProperties",
    "enum",
    "const",
    "items",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "anyOf",
];
/// Keywords that only describe.
const NOTES: &[&str] = &[
    "title",
    "description",
    "default",
    "examples",
    "$schema",
    "$id",
    "$comment",
    "format",
];

/// Refuses what could not be checked, with a sentence that says where.
pub fn check(schema: &Value) -> Result<(), String> {
    if schema.to_string().len() > MOST_BYTES {
        return Err("the schema is larger than 64 KiB".to_owned());
    }
    if schema["type"] != "object" {
        return Err("the schema's top must be of type object".to_owned());
    }
    sound(schema, "the schema", 0)
}

fn sound(schema: &Value, place: &str, depth: usize) -> Result<(), String> {
    if depth > MOST_DEPTH {
        return Err("the schema is nested too deeply".to_owned());
    }
    let fields = match schema {
        Value::Bool(_) => return Ok(()),
        Value::Object(fields) => fields,
        _ => return Err(format!("{place} must be an object")),
    };
    for (name, value) in fields {
        if !KEYWORDS.contains(&name.as_str()) && !NOTES.contains(&name.as_str()) {
            let name: String = name.chars().take(40).collect();
            return Err(format!("{place}: the keyword {name:?} is not supported"));
        }
        let fits = match name.as_str() {
            "type" => types(value).is_some(),
            "properties" => value.is_object(),
            "required" => value
                .as_array()
                .is_some_and(|names| names.iter().all(Value::is_string)),
            "enum" | "anyOf" => value.as_array().is_some_and(|items| !items.is_empty()),
            "minItems" | "maxItems" | "minLength" | "maxLength" => value.is_u64(),
            "minimum" | "maximum" => value.is_number(),
            _ => true,
        };
        if !fits {
            return Err(format!("{place}: {name} has a value it cannot have"));
        }
    }
    let children = fields.get("properties").and_then(Value::as_object);
    for (name, child) in children.into_iter().flatten() {
        let name: String = name.chars().take(40).collect();
        sound(child, &format!("{place}, property {name}"), depth + 1)?;
    }
    for name in ["items", "additionalProperties"] {
        if let Some(child) = fields.get(name) {
            sound(child, &format!("{place}, {name}"), depth + 1)?;
        }
    }
    for child in fields
        .get("anyOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        sound(child, &format!("{place}, anyOf"), depth + 1)?;
    }
    Ok(())
}

const TYPES: &[&str] = &[
    "object", "array", "string", "number", "integer", "boolean", "null",
];

fn types(value: &Value) -> Option<Vec<&str>> {
    let names: Vec<&str> = match value {
        Value::String(name) => vec![name],
        Value::Array(names) if !names.is_empty() => {
            names.iter().filter_map(Value::as_str).collect()
        }
        _ => return None,
    };
    names
        .iter()
        .all(|name| TYPES.contains(name))
        .then_some(names)
}

/// Says what is wrong with a value under a schema that has passed `check`: the first fault and its place.
pub fn validate(schema: &Value, value: &Value) -> Result<(), String> {
    valid(schema, value, "", 0)
}

fn valid(schema: &Value, value: &Value, place: &str, depth: usize) -> Result<(), String> {
    let fault = |what: String| {
        let place = if place.is_empty() { "the top" } else { place };
        Err(format!("{place} {what}"))
    };
    if depth > MOST_DEPTH {
        return fault("is nested too deeply".to_owned());
    }
    let Value::Object(rules) = schema else {
        return match schema {
            Value::Bool(false) => fault("must not be there".to_owned()),
            _ => Ok(()),
        };
    };
    if let Some(names) = rules.get("type").and_then(types)
        && !names.iter().any(|name| is_of(value, name))
    {
        return fault(format!("must be of type {}", names.join(" or ")));
    }
    if let Some(allowed) = rules.get("enum").and_then(Value::as_array)
        && !allowed.contains(value)
    {
        let list: Vec<String> = allowed.iter().take(20).map(Value::to_string).collect();
        return fault(format!("must be one of {}", list.join(", ")));
    }
    if let Some(wanted) = rules.get("const").filter(|wanted| *wanted != value) {
        return fault(format!("must be {wanted}"));
    }
    if let Some(options) = rules.get("anyOf").and_then(Value::as_array)
        && !options
            .iter()
            .any(|option| valid(option, value, place, depth + 1).is_ok())
    {
        return fault("fits none of the alternatives".to_owned());
    }
    if let Some(what) = out_of_bounds(rules, value) {
        return fault(what);
    }
    children(rules, value, place, depth)
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        // 1.0 is an integer too (6.1.1 of the validation part).
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "boolean" => value.is_boolean(),
        _ => value.is_null(),
    }
}

fn out_of_bounds(rules: &serde_json::Map<String, Value>, value: &Value) -> Option<String> {
    let bound = |name: &str| rules.get(name).and_then(Value::as_f64);
    let (size, least, most, unit) = match value {
        Value::Array(items) => (items.len() as f64, "minItems", "maxItems", "items"),
        Value::String(text) => (
            text.chars().count() as f64,
            "minLength",
            "maxLength",
            "characters",
        ),
        Value::Number(number) => (number.as_f64()?, "minimum", "maximum", ""),
        _ => return None,
    };
    if bound(least).is_some_and(|least| size < least) {
        return Some(
            format!("must be at least {} {unit}", rules[least])
                .trim_end()
                .to_owned(),
        );
    }
    if bound(most).is_some_and(|most| size > most) {
        return Some(
            format!("must be at most {} {unit}", rules[most])
                .trim_end()
                .to_owned(),
        );
    }
    None
}

fn children(
    rules: &serde_json::Map<String, Value>,
    value: &Value,
    place: &str,
    depth: usize,
) -> Result<(), String> {
    if let (Some(rule), Some(items)) = (rules.get("items"), value.as_array()) {
        for (index, item) in items.iter().enumerate() {
            valid(rule, item, &format!("{place}[{index}]"), depth + 1)?;
        }
    }
    let Some(fields) = value.as_object() else {
        return Ok(());
    };
    let required = rules.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            return Err(format!("{place}.{name} is missing"));
        }
    }
    let known = rules.get("properties").and_then(Value::as_object);
    for (name, field) in fields {
        let place = format!("{place}.{}", name.chars().take(60).collect::<String>());
        let rule = known.and_then(|known| known.get(name));
        if let Some(rule) = rule.or(rules.get("additionalProperties")) {
            valid(rule, field, &place, depth + 1)?;
        }
    }
    Ok(())
}

/// The JSON object in a model's answer: the whole of it, what stands in a code fence, or what stands from the
/// first brace on.
pub fn find(text: &str) -> Option<Value> {
    let text = text.trim();
    let object = |text: &str| {
        super::json::parse(text.trim())
            .ok()
            .filter(Value::is_object)
    };
    let fenced = || {
        let (_, rest) = text.split_once("```")?;
        let (inside, _) = rest.split_once("```")?;
        object(inside.trim_start_matches(|c: char| c.is_ascii_alphanumeric()))
    };
    // The first object and nothing behind it: words may follow.
    let embedded = || {
        let rest = &text[text.find('{')?..];
        if !super::json::is_affordable(rest.as_bytes()) {
            return None;
        }
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        values.next()?.ok().filter(Value::is_object)
    };
    object(text).or_else(fenced).or_else(embedded)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn person() -> Value {
        json!({ "type": "object", "required": ["name"], "additionalProperties": false, "properties": {
            "name": { "type": "string", "minLength": 1, "maxLength": 5 },
            "age": { "type": ["integer", "null"], "minimum": 0, "maximum": 150 },
            "kind": { "enum": ["a", "b"] },
            "tags": { "type": "array", "items": { "type": "string" }, "maxItems": 2 },
            "either": { "anyOf": [{ "type": "number" }, { "const": "none" }] },
        } })
    }

    #[test]
    fn values_are_held_to_their_schema() {
        assert_eq!(check(&person()), Ok(()));
        for (value, fault) in [
            (json!({ "name": "Ada" }), ""),
            (
                json!({ "name": "Ada", "age": 36.0, "kind": "a", "tags": ["x"], "either": "none" }),
                "",
            ),
            (json!({ "name": "Ada", "age": null, "either": 1.5 }), ""),
            (json!([]), "the top must be of type object"),
            (json!({}), ".name is missing"),
            (json!({ "name": 3 }), ".name must be of type string"),
            (json!({ "name": "" }), ".name must be at least 1 characters"),
            (
                json!({ "name": "Ångström" }),
                ".name must be at most 5 characters",
            ),
            (
                json!({ "name": "A", "age": 1.5 }),
                ".age must be of type integer or null",
            ),
            (
                json!({ "name": "A", "age": 151 }),
                ".age must be at most 150",
            ),
            (
                json!({ "name": "A", "kind": "c" }),
                ".kind must be one of \"a\", \"b\"",
            ),
            (
                json!({ "name": "A", "tags": ["x", 1] }),
                ".tags[1] must be of type string",
            ),
            (
                json!({ "name": "A", "tags": ["x", "y", "z"] }),
                ".tags must be at most 2 items",
            ),
            (
                json!({ "name": "A", "either": "x" }),
                ".either fits none of the alternatives",
            ),
            (json!({ "name": "A", "more": 1 }), ".more must not be there"),
        ] {
            let found = validate(&person(), &value).err().unwrap_or_default();
            assert_eq!(found, fault, "{value}");
        }
    }

    #[test]
    fn schemas_that_could_not_be_checked_are_refused() {
        let mut deep = json!({ "type": "string" });
        for _ in 0..MOST_DEPTH + 2 {
            deep = json!({ "type": "object", "properties": { "a": deep } });
        }
        for (schema, word) in [
            (json!({ "type": "array" }), "type object"),
            (json!({ "type": "object", "oneOf": [] }), "oneOf"),
            (
                json!({ "type": "object", "properties": { "a": { "pattern": "x" } } }),
                "property a",
            ),
            (
                json!({ "type": "object", "properties": { "a": { "$ref": "#" } } }),
                "$ref",
            ),
            (json!({ "type": "object", "properties": [] }), "properties"),
            (
                json!({ "type": "object", "properties": { "a": { "type": "text" } } }),
                "type",
            ),
            (json!({ "type": "object", "required": [1] }), "required"),
            (
                json!({ "type": "object", "title": "x".repeat(MOST_BYTES) }),
                "64 KiB",
            ),
            (deep, "too deeply"),
        ] {
            let refusal = check(&schema).expect_err(word);
            assert!(refusal.contains(word), "{refusal}");
        }
    }

    #[test]
    fn an_object_is_found_in_what_models_write() {
        for (text, found) in [
            ("{\"a\":1}", true),
            (" \n{\"a\":1}\n", true),
            ("```json\n{\"a\":1}\n```", true),
            ("Here it is:\n```\n{\"a\":1}\n```\nAnything else?", true),
            ("Sure! {\"a\":1} is my answer.", true),
            ("[1]", false),
            ("{\"a\":", false),
            ("no JSON", false),
            ("", false),
        ] {
            assert_eq!(find(text), found.then(|| json!({ "a": 1 })), "{text}");
        }
    }
}
