//! JSON schemas for structured answers: accepts schemas within limits, and checks whether a value conforms. The
//! `jsonschema` crate validates; this module adds limits, because schema and value both come from outside. References
//! are never fetched.

mod compiled;
mod effort;

use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::Value;

pub use compiled::{Compiled, is_large};

/// Maximum size of a schema in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// Maximum nesting depth of a schema, and of a value.
const MAX_DEPTH: usize = 96;
/// Maximum number of regular expressions in a schema.
const MAX_PATTERNS: usize = 100;
/// Maximum size of a compiled regular expression in bytes.
const MAX_PATTERN_SIZE: usize = 256 * 1024;
/// Maximum size of all compiled regular expressions of a schema in bytes.
const MAX_PATTERNS_SIZE: usize = 4 * 1024 * 1024;
/// Maximum backtracking steps of one regular-expression match.
const MAX_BACKTRACKS: usize = 5_000;
/// Maximum length of an error description in characters.
const MAX_ERROR_CHARS: usize = 400;

fn check(schema: &Value, compiled: &Compiled) -> Result<(), String> {
    if !schema.is_object() {
        return Err("the schema must be an object".to_owned());
    }
    if schema.to_string().len() > MAX_BYTES {
        return Err("the schema is larger than 64 KiB".to_owned());
    }
    if !accepts_objects(schema) {
        return Err("the schema must be of type object at the top level".to_owned());
    }
    let mut patterns = 0;
    scan_keywords(schema, 0, &mut patterns)?;
    if patterns > MAX_PATTERNS {
        return Err(format!("the schema has more than {MAX_PATTERNS} patterns"));
    }
    compiled.validator(schema).map(drop)
}

fn accepts_objects(schema: &Value) -> bool {
    match &schema["type"] {
        Value::Null => true,
        Value::Array(types) => types.iter().any(|name| name == "object"),
        name => name == "object",
    }
}

// Checks the limits that the crate does not enforce: depth, number of patterns, and external references.
fn scan_keywords(part: &Value, depth: usize, patterns: &mut usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err("the schema is nested too deeply".to_owned());
    }
    match part {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value) {
                    ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(target))
                        if !target.starts_with('#') =>
                    {
                        return Err(format!(
                            "{name} must refer to a location within the schema, such as #/$defs/name"
                        ));
                    }
                    ("pattern", Value::String(_)) => *patterns += 1,
                    ("patternProperties", Value::Object(names)) => *patterns += names.len(),
                    _ => {}
                }
                scan_keywords(value, depth + 1, patterns)?;
            }
        }
        Value::Array(items) => {
            for item in items {
                scan_keywords(item, depth + 1, patterns)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn compile(schema: &Value) -> Result<Validator, String> {
    let mut patterns = 0;
    scan_keywords(schema, 0, &mut patterns)?;
    let size = MAX_PATTERN_SIZE.min(MAX_PATTERNS_SIZE / patterns.max(1));
    let patterns = PatternOptions::fancy_regex()
        .backtrack_limit(MAX_BACKTRACKS)
        .size_limit(size)
        .dfa_size_limit(size);
    let mut schema = schema.clone();
    let draft = match schema["$schema"].as_str().unwrap_or_default() {
        named if named.contains("draft-04") => Draft::Draft4,
        named if named.contains("draft-06") => Draft::Draft6,
        named if named.contains("draft-07") => Draft::Draft7,
        named if named.contains("2019-09") => Draft::Draft201909,
        _ => Draft::Draft202012,
    };
    if let Some(fields) = schema.as_object_mut() {
        // The ID is not needed because nothing is fetched, and an unknown dialect is treated as the newest.
        fields.remove("$schema");
        fields.remove("$id");
    }
    jsonschema::options()
        .with_draft(draft)
        .should_validate_formats(false)
        .with_pattern_options(patterns)
        .build(&schema)
        .map_err(|error| format!("the schema is not valid: {}", error_text(&error)))
}

fn validate(schema: &Value, compiled: &Compiled, value: &Value) -> Result<(), String> {
    if nesting_depth(value) > MAX_DEPTH {
        return Err("the top is nested too deeply".to_owned());
    }
    effort::check(schema, value)?;
    let validator = compiled.validator(schema)?;
    validator
        .validate(value)
        .map_err(|error| error_text(&error))
}

fn nesting_depth(value: &Value) -> usize {
    let deepest = match value {
        Value::Array(items) => items.iter().map(nesting_depth).max(),
        Value::Object(fields) => fields.values().map(nesting_depth).max(),
        _ => return 0,
    };
    deepest.unwrap_or(0) + 1
}

// Formats an error with its location. The value is masked because it may be secret.
fn error_text(error: &ValidationError<'_>) -> String {
    let mut location = String::new();
    for part in error.instance_path().to_string().split('/').skip(1) {
        match part.bytes().all(|byte| byte.is_ascii_digit()) {
            true => location += &format!("[{part}]"),
            false => location += &format!(".{part}"),
        }
    }
    if location.is_empty() {
        location.push_str("the top");
    }
    let message = format!("{location}: {}", error.masked());
    message.chars().take(MAX_ERROR_CHARS).collect()
}

/// Extracts the JSON object from a model's answer: the whole text, the content of a code fence, or the object that
/// begins at the first brace. `None` if there is none.
pub fn find_json(text: &str) -> Option<Value> {
    Some(locate_json(text)?.1)
}

fn locate_json(text: &str) -> Option<(&str, Value)> {
    let text = text.trim();
    let object = |text: &'_ str| {
        let value = super::json::parse(text).ok().filter(Value::is_object)?;
        Some(value)
    };
    if let Some(value) = object(text) {
        return Some((text, value));
    }
    let fenced = text.split_once("```").and_then(|(_, rest)| {
        let (inside, _) = rest.split_once("```")?;
        Some(
            inside
                .trim_start_matches(|c: char| c.is_ascii_alphanumeric())
                .trim(),
        )
    });
    if let Some(inside) = fenced
        && let Some(value) = object(inside)
    {
        return Some((inside, value));
    }
    // Only the first object is parsed, because text may follow it.
    let rest = &text[text.find('{')?..];
    if !super::json::is_affordable(rest.as_bytes()) {
        return None;
    }
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
    let value = values.next()?.ok().filter(Value::is_object)?;
    Some((rest.get(..values.byte_offset())?, value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(schema: &Value) -> Result<(), String> {
        Compiled::default().check(schema)
    }

    fn validate(schema: &Value, value: &Value) -> Result<(), String> {
        Compiled::default().validate(schema, value)
    }

    fn conforming<'t>(schema: &Value, text: &'t str) -> Result<&'t str, String> {
        Compiled::default().conforming(schema, text)
    }

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
    fn values_are_validated_against_their_schema() {
        assert_eq!(check(&person()), Ok(()));
        for (value, place) in [
            (json!({ "name": "Ada" }), ""),
            (
                json!({ "name": "Ada", "age": 36.0, "kind": "a", "tags": ["x"], "either": "none" }),
                "",
            ),
            (json!({ "name": "Ada", "age": null, "either": 1.5 }), ""),
            (json!([]), "the top: "),
            (json!({}), "the top: \"name\" is a required"),
            (json!({ "name": 3 }), ".name: "),
            (json!({ "name": "" }), ".name: "),
            (json!({ "name": "Ångström" }), ".name: "),
            (json!({ "name": "A", "age": 1.5 }), ".age: "),
            (json!({ "name": "A", "age": 151 }), ".age: "),
            (json!({ "name": "A", "kind": "c" }), ".kind: "),
            (json!({ "name": "A", "tags": ["x", 1] }), ".tags[1]: "),
            (json!({ "name": "A", "tags": ["x", "y", "z"] }), ".tags: "),
            (json!({ "name": "A", "either": "x" }), ".either: "),
            (json!({ "name": "A", "more": 1 }), "the top: "),
        ] {
            let errors = validate(&person(), &value).err().unwrap_or_default();
            assert_eq!(errors.is_empty(), place.is_empty(), "{value}: {errors}");
            assert!(errors.starts_with(place), "{value}: {errors}");
        }
    }

    #[test]
    fn errors_do_not_contain_the_value() {
        let errors = validate(&person(), &json!({ "name": "a long secret" })).unwrap_err();
        assert!(!errors.contains("secret"), "{errors}");
    }

    // These schemas were generated by pydantic 2, and by zod 4 with `z.toJSONSchema`.
    #[test]
    fn schemas_generated_by_libraries_are_accepted() {
        let tree = json!({
            "$defs": { "Node": {
                "properties": {
                    "name": { "title": "Name", "type": "string", "pattern": "^[a-z]+$" },
                    "children": { "type": "array", "items": { "$ref": "#/$defs/Node" }, "default": [] },
                },
                "required": ["name"], "title": "Node", "type": "object",
            } },
            "$ref": "#/$defs/Node",
        });
        let union = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "pet": {
                    "discriminator": { "mapping": { "cat": "#/$defs/Cat" }, "propertyName": "kind" },
                    "oneOf": [{ "$ref": "#/$defs/Cat" }, { "$ref": "#/$defs/Dog" }],
                },
                "email": {
                    "type": "string", "format": "email",
                    "pattern": "^(?!\\.)(?!.*\\.\\.)([A-Za-z0-9_'+\\-\\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\\-]*\\.)+[A-Za-z]{2,}$",
                },
                "both": { "allOf": [{ "type": "integer" }, { "exclusiveMinimum": 3 }] },
                "pair": { "type": "array", "prefixItems": [{ "type": "string" }, { "type": "number" }] },
            },
            "$defs": {
                "Cat": { "type": "object", "properties": { "kind": { "const": "cat" } }, "required": ["kind"] },
                "Dog": { "type": "object", "properties": { "kind": { "const": "dog" } }, "required": ["kind"] },
            },
        });
        let draft_7 = json!({
            "$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
            "definitions": { "A": { "type": "array", "items": [{ "type": "string" }] } },
            "properties": { "a": { "$ref": "#/definitions/A" } },
        });
        for (schema, value, is_valid) in [
            (
                &tree,
                json!({ "name": "a", "children": [{ "name": "b" }] }),
                true,
            ),
            (
                &tree,
                json!({ "name": "a", "children": [{ "name": "B" }] }),
                false,
            ),
            (
                &union,
                json!({ "pet": { "kind": "dog" }, "email": "a.b@c.de", "both": 4, "pair": ["x", 1] }),
                true,
            ),
            (&union, json!({ "pet": { "kind": "fish" } }), false),
            (&union, json!({ "email": ".a@c.de" }), false),
            (&union, json!({ "both": 3 }), false),
            (&union, json!({ "pair": [1] }), false),
            (&draft_7, json!({ "a": ["x"] }), true),
            (&draft_7, json!({ "a": [1] }), false),
        ] {
            assert_eq!(check(schema), Ok(()));
            let result = validate(schema, &value);
            assert_eq!(result.is_ok(), is_valid, "{value}: {result:?}");
        }
    }

    #[test]
    fn unusable_schemas_are_rejected() {
        let mut deep = json!({ "type": "string" });
        for _ in 0..MAX_DEPTH {
            deep = json!({ "type": "object", "properties": { "a": deep } });
        }
        let many_patterns: serde_json::Map<String, Value> = (0..=MAX_PATTERNS)
            .map(|n| (format!("p{n}"), json!({ "pattern": "x" })))
            .collect();
        for (schema, word) in [
            (json!([]), "object"),
            (json!({ "type": "array" }), "type object"),
            (json!({ "type": "object", "oneOf": [] }), "not valid"),
            (
                json!({ "properties": { "a": { "pattern": "(" } } }),
                "not valid",
            ),
            (
                json!({ "properties": { "a": { "pattern": "(\\w{900}){900}" } } }),
                "not valid",
            ),
            (
                json!({ "properties": { "a": { "$ref": "https://a.example/x" } } }),
                "$ref",
            ),
            (
                json!({ "properties": { "a": { "$ref": "#/$defs/none" } } }),
                "not valid",
            ),
            (json!({ "type": "object", "properties": [] }), "not valid"),
            (
                json!({ "properties": { "a": { "type": "text" } } }),
                "not valid",
            ),
            (json!({ "type": "object", "required": [1] }), "not valid"),
            (json!({ "title": "x".repeat(MAX_BYTES) }), "64 KiB"),
            (json!({ "properties": many_patterns }), "patterns"),
            (deep, "too deeply"),
        ] {
            let refusal = check(&schema).expect_err(word);
            assert!(refusal.contains(word), "{refusal}");
        }
    }

    #[test]
    fn exponential_validations_are_rejected() {
        let twice = json!({ "anyOf": [{ "$ref": "#/$defs/N" }, { "$ref": "#/$defs/N" }] });
        let schema = json!({
            "type": "object", "properties": { "d": { "$ref": "#/$defs/N" } },
            "$defs": { "N": { "type": "object", "properties": { "x": twice }, "additionalProperties": false } },
        });
        assert_eq!(check(&schema), Ok(()));
        let mut value = json!({ "y": 1 });
        for _ in 0..60 {
            value = json!({ "x": value });
        }
        let refusal = validate(&schema, &json!({ "d": value })).unwrap_err();
        assert!(refusal.contains("too long"), "{refusal}");
        // A chain of definitions, each of which refers to the next one twice.
        let mut defs = serde_json::Map::new();
        for n in 0..40 {
            let next = json!({ "$ref": format!("#/$defs/d{}", n + 1) });
            defs.insert(format!("d{n}"), json!({ "allOf": [next, next] }));
        }
        defs.insert("d40".into(), json!({ "type": "object" }));
        let chain = json!({ "$ref": "#/$defs/d0", "$defs": defs });
        assert!(
            validate(&chain, &json!({}))
                .unwrap_err()
                .contains("too long")
        );
        // A definition that refers only to itself requires nothing.
        let circle = json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/a" } } });
        assert_eq!(validate(&circle, &json!({})), Ok(()));
    }

    #[test]
    fn matching_too_much_text_is_rejected() {
        let patterns = |pattern: &str, count: usize| {
            let all = vec![json!({ "pattern": pattern }); count];
            json!({ "type": "object", "properties": { "a": { "allOf": all } } })
        };
        let lookahead = "^(?!.*x$)a+$";
        let names = |rule: Value| json!({ "type": "object", "propertyNames": rule });
        let by_name = json!({ "type": "object", "patternProperties": { lookahead: {} },
            "additionalProperties": false });
        let text = |bytes: usize| json!({ "a": "a".repeat(bytes) });
        let many_properties: serde_json::Map<String, Value> = (0..1_000)
            .map(|n| (format!("{}{n}", "a".repeat(60)), json!(1)))
            .collect();
        let many_properties = Value::Object(many_properties);
        let doubled = json!({ "allOf": [{ "$ref": "#/$defs/b" }, { "$ref": "#/$defs/b" }] });
        let mut chain = json!({ "$defs": {}, "propertyNames": doubled });
        for (name, next) in ('b'..'z').zip('c'..='z') {
            let next = json!({ "$ref": format!("#/$defs/{next}") });
            chain["$defs"][name.to_string()] = json!({ "allOf": [next, next] });
        }
        chain["$defs"]["z"] = json!({ "minLength": 1 });
        for (schema, value, is_validated) in [
            (patterns("^[a-z]+$", 1), text(50_000), true),
            (patterns("^[a-z]+$", 100), text(1_000), true),
            (patterns("^[a-z]+$", 100), text(50_000), false),
            (patterns("^([a-z]{1,9}){1,9000}$", 1), text(10_000), false),
            (patterns(lookahead, 1), text(2_000), true),
            (patterns(lookahead, 100), text(40), true),
            (patterns(lookahead, 100), text(2_000), false),
            (patterns("^(a)\\1+$", 100), text(2_000), false),
            (
                names(json!({ "pattern": "^[a-z0-9]+$" })),
                many_properties.clone(),
                true,
            ),
            (
                names(json!({ "pattern": lookahead })),
                many_properties.clone(),
                false,
            ),
            (by_name, many_properties, false),
            (chain, text(1), false),
        ] {
            let error_message = validate(&schema, &value).err().unwrap_or_default();
            assert_eq!(
                error_message.contains("too long"),
                !is_validated,
                "{schema}: {error_message}"
            );
        }
    }

    #[test]
    fn long_chains_of_references_fit_a_small_stack() {
        let mut defs = serde_json::Map::new();
        let links = 1_500;
        for n in 0..links {
            let next = json!({ "$ref": format!("#/$defs/{}", n + 1) });
            defs.insert(n.to_string(), next);
        }
        defs.insert(links.to_string(), json!({ "type": "object" }));
        let chain = json!({ "$ref": "#/$defs/0", "$defs": defs });
        let small = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
        let thread = small.spawn(move || check(&chain).and_then(|()| validate(&chain, &json!({}))));
        let refusal = thread.unwrap().join().unwrap().unwrap_err();
        assert!(refusal.contains("too"), "{refusal}");
    }

    #[test]
    fn an_object_is_found_in_a_models_answer() {
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
            assert_eq!(find_json(text), found.then(|| json!({ "a": 1 })), "{text}");
            let alone = conforming(&json!({ "required": ["a"] }), text);
            assert_eq!(alone.ok(), found.then_some("{\"a\":1}"), "{text}");
        }
    }
}
