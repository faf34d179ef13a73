//! The subsets of JSON Schema that vendors support. Each vendor enforces a part of the language and refuses the rest.
//! Unsupported parts are omitted or expressed in another way, and Quire validates the answer against the whole schema.

use serde_json::{Map, Value, json};

use crate::domain::chat::Format;

/// Keywords whose value is an object that maps names to schemas.
const NAMED_SCHEMA_KEYWORDS: &[&str] = &[
    "properties",
    "$defs",
    "definitions",
    "patternProperties",
    "dependentSchemas",
];
/// Keywords whose value is a list of schemas.
const LIST_KEYWORDS: &[&str] = &["anyOf", "allOf", "oneOf", "prefixItems"];
/// Keywords whose value is a single schema.
const SINGLE_KEYWORDS: &[&str] = &["items", "additionalProperties"];

/// Keywords that OpenAI's strict mode accepts.
const STRICT_KEYWORDS: &[&str] = &[
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "const",
    "anyOf",
    "$ref",
    "$defs",
    "definitions",
    "title",
    "description",
    "pattern",
    "format",
    "multipleOf",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minItems",
    "maxItems",
];
/// Keywords that Gemini's `responseJsonSchema` accepts.
const GEMINI_KEYWORDS: &[&str] = &[
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "prefixItems",
    "enum",
    "anyOf",
    "$ref",
    "$defs",
    "$anchor",
    "title",
    "description",
    "format",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "propertyOrdering",
];
/// Keywords that Anthropic's `output_config.format` accepts.
const ANTHROPIC_KEYWORDS: &[&str] = &[
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "const",
    "anyOf",
    "allOf",
    "$ref",
    "$defs",
    "definitions",
    "title",
    "description",
    "format",
    "default",
];
/// String formats that Anthropic's API accepts.
const ANTHROPIC_FORMATS: &[&str] = &[
    "date-time",
    "time",
    "date",
    "duration",
    "email",
    "hostname",
    "uri",
    "ipv4",
    "ipv6",
    "uuid",
];

/// Returns a schema with an object instead of a reference at the top level, because some vendors do not accept a
/// reference there.
pub(super) fn with_object_root(schema: &Value) -> Value {
    let mut schema = schema.clone();
    let target = schema["$ref"]
        .as_str()
        .and_then(|place| place.strip_prefix('#'));
    let target = target.and_then(|place| schema.pointer(place)).cloned();
    if let (Some(Value::Object(target)), Some(fields)) = (target, schema.as_object_mut()) {
        fields.remove("$ref");
        for (name, value) in target {
            fields.entry(name).or_insert(value);
        }
    }
    if let Some(fields) = schema.as_object_mut() {
        fields.remove("$schema");
        fields.entry("type").or_insert_with(|| json!("object"));
    }
    schema
}

/// Returns whether to request OpenAI's strict mode: what the client has chosen or, by default, whether strict mode
/// accepts the schema unchanged.
pub(super) fn is_strict(format: &Format) -> bool {
    format.strict.unwrap_or_else(|| is_closed(&format.schema))
}

fn is_closed(schema: &Value) -> bool {
    let Some(fields) = schema.as_object() else {
        return false;
    };
    if fields
        .keys()
        .any(|name| !STRICT_KEYWORDS.contains(&name.as_str()))
    {
        return false;
    }
    if fields.contains_key("$ref") && fields.len() > 1 && !fields.contains_key("$defs") {
        return false;
    }
    if let Some(names) = fields.get("properties").and_then(Value::as_object) {
        let required = fields.get("required").and_then(Value::as_array);
        let required: Vec<&str> = required
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let is_whole = names.keys().all(|name| required.contains(&name.as_str()));
        if !is_whole || fields.get("additionalProperties") != Some(&Value::Bool(false)) {
            return false;
        }
    }
    let additional = |name: &str| name == "additionalProperties";
    children(fields).all(|(name, child)| additional(name) || is_closed(child))
}

fn children(fields: &Map<String, Value>) -> impl Iterator<Item = (&str, &Value)> {
    fields.iter().flat_map(|(name, value)| {
        let subschemas: Vec<&Value> = match name.as_str() {
            name if NAMED_SCHEMA_KEYWORDS.contains(&name) => value
                .as_object()
                .into_iter()
                .flat_map(Map::values)
                .collect(),
            name if LIST_KEYWORDS.contains(&name) => {
                value.as_array().into_iter().flatten().collect()
            }
            name if SINGLE_KEYWORDS.contains(&name) => vec![value],
            _ => Vec::new(),
        };
        subschemas
            .into_iter()
            .map(move |child| (name.as_str(), child))
    })
}

/// Returns the part of a schema that Gemini enforces.
pub(super) fn gemini_subset(schema: &Value) -> Value {
    rewrite(&with_object_root(schema), &|mut fields| {
        rename_one_of(&mut fields);
        if let Some(value) = fields.remove("const") {
            fields.entry("enum").or_insert_with(|| json!([value]));
        }
        let is_plain = |values: &Value| {
            let mut values = values.as_array().into_iter().flatten();
            values.all(|value| value.is_string() || value.is_number())
        };
        if fields.get("enum").is_some_and(|values| !is_plain(values)) {
            fields.remove("enum");
        }
        fields.retain(|name, _| GEMINI_KEYWORDS.contains(&name.as_str()));
        if fields.contains_key("$ref") {
            fields.retain(|name, _| name.starts_with('$'));
        }
        fields
    })
}

/// Returns the part of a schema that Anthropic enforces. Returns `None` if the schema cannot be expressed, because it
/// contains objects with arbitrary properties or recursive definitions.
pub(super) fn anthropic_subset(schema: &Value) -> Option<Value> {
    let schema = with_object_root(schema);
    if is_open(&schema) || is_recursive(&schema) {
        return None;
    }
    Some(rewrite(&schema, &|mut fields| {
        rename_one_of(&mut fields);
        let mut notes: Vec<String> = Vec::new();
        fields.retain(|name, value| {
            let is_taken = match name.as_str() {
                "format" => value
                    .as_str()
                    .is_some_and(|name| ANTHROPIC_FORMATS.contains(&name)),
                name => ANTHROPIC_KEYWORDS.contains(&name),
            };
            if !is_taken && (value.is_number() || value.is_string()) && !name.starts_with('$') {
                notes.push(format!("{name}: {value}"));
            }
            is_taken
        });
        if !notes.is_empty() {
            let before = fields
                .get("description")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let text = format!("{before} ({})", notes.join(", "));
            fields.insert("description".into(), json!(text.trim_start()));
        }
        if fields.contains_key("properties") || fields.get("type") == Some(&json!("object")) {
            fields.insert("additionalProperties".into(), json!(false));
        }
        fields
    }))
}

fn rename_one_of(fields: &mut Map<String, Value>) {
    if let Some(alternatives) = fields.remove("oneOf") {
        fields.entry("anyOf").or_insert(alternatives);
    }
    // To add a description to a reference, libraries wrap the reference in an `allOf` with a single element.
    let only = match fields
        .get("allOf")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
    {
        Some([Value::Object(only)]) => only.clone(),
        _ => return,
    };
    fields.remove("allOf");
    for (name, value) in only {
        fields.entry(name).or_insert(value);
    }
}

// Applies `rule` to each schema, from the outside in. Names of properties are not treated as keywords.
fn rewrite(schema: &Value, rule: &dyn Fn(Map<String, Value>) -> Map<String, Value>) -> Value {
    let Value::Object(fields) = schema else {
        return schema.clone();
    };
    let fields = rule(fields.clone()).into_iter().map(|(name, value)| {
        let again = |value: &Value| rewrite(value, rule);
        let value = match (name.as_str(), &value) {
            (key, Value::Object(all)) if NAMED_SCHEMA_KEYWORDS.contains(&key) => {
                let all = all.iter().map(|(name, child)| (name.clone(), again(child)));
                Value::Object(all.collect())
            }
            (key, Value::Array(all)) if LIST_KEYWORDS.contains(&key) => {
                all.iter().map(again).collect()
            }
            (key, child) if SINGLE_KEYWORDS.contains(&key) => again(child),
            _ => value,
        };
        (name, value)
    });
    Value::Object(fields.collect())
}

fn is_open(schema: &Value) -> bool {
    let Some(fields) = schema.as_object() else {
        return false;
    };
    let additional = fields.get("additionalProperties");
    let allows_any = match additional {
        None => fields.get("type") == Some(&json!("object")) && !fields.contains_key("properties"),
        Some(additional) => *additional != Value::Bool(false),
    };
    allows_any
        || fields.contains_key("patternProperties")
        || children(fields).any(|(_, child)| is_open(child))
}

fn is_recursive(schema: &Value) -> bool {
    let defs = ["$defs", "definitions"];
    let starts = defs
        .iter()
        .filter_map(|name| schema[*name].as_object().map(|all| (*name, all)));
    let mut starts = starts.flat_map(|(name, all)| {
        all.keys()
            .map(move |definition| format!("#/{name}/{definition}"))
    });
    contains_reference(schema, "#")
        || starts.any(|place| reaches_reference(schema, &place, &place, 0))
}

// Returns whether the definition at `from` refers, directly or indirectly, to the one at `goal`.
fn reaches_reference(root: &Value, from: &str, goal: &str, depth: usize) -> bool {
    let Some(part) = from.strip_prefix('#').and_then(|place| root.pointer(place)) else {
        return false;
    };
    // A chain of references this deep is treated as recursive.
    if depth > 12 {
        return true;
    }
    let mut targets = Vec::new();
    collect_references(part, &mut targets);
    targets.sort_unstable();
    targets.dedup();
    targets
        .iter()
        .any(|&target| target == goal || reaches_reference(root, target, goal, depth + 1))
}

fn contains_reference(part: &Value, target: &str) -> bool {
    let mut targets = Vec::new();
    collect_references(part, &mut targets);
    targets.contains(&target)
}

fn collect_references<'a>(part: &'a Value, pointers: &mut Vec<&'a str>) {
    match part {
        Value::Object(fields) => {
            pointers.extend(fields.get("$ref").and_then(Value::as_str));
            fields
                .values()
                .for_each(|value| collect_references(value, pointers));
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| collect_references(item, pointers)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(schema: Value) -> Format {
        Format {
            name: "a".into(),
            schema,
            ..Format::default()
        }
    }

    #[test]
    fn strict_if_the_vendor_accepts_it_or_the_client_requests_it() {
        let closed_schema = json!({
            "type": "object", "required": ["b", "a"], "additionalProperties": false,
            "properties": { "a": { "type": "string" }, "b": { "$ref": "#/$defs/B" } },
            "$defs": { "B": { "enum": [1, 2] } },
        });
        let with = |place: &str, value: Value| {
            let mut schema = closed_schema.clone();
            *schema.pointer_mut(place).unwrap() = value;
            schema
        };
        for (schema, expected) in [
            (closed_schema.clone(), true),
            (with("/required", json!(["a"])), false),
            (with("/additionalProperties", json!(true)), false),
            (
                with("/properties/a", json!({ "type": "string", "default": "x" })),
                false,
            ),
            (
                with("/properties/a", json!({ "oneOf": [{ "type": "string" }] })),
                false,
            ),
            (
                with(
                    "/properties/b",
                    json!({ "$ref": "#/$defs/B", "description": "x" }),
                ),
                false,
            ),
        ] {
            assert_eq!(is_strict(&format(schema.clone())), expected, "{schema}");
            let notes = Format {
                strict: Some(!expected),
                ..format(schema)
            };
            assert_eq!(is_strict(&notes), !expected);
        }
    }

    #[test]
    fn gemini_gets_only_supported_keywords() {
        let schema = json!({
            "$schema": "x", "$ref": "#/$defs/A",
            "$defs": { "A": { "type": "object", "title": "A", "properties": {
                "pattern": { "type": "string", "pattern": "x", "minLength": 2 },
                "kind": { "const": "cat" },
                "either": { "oneOf": [{ "type": "string" }, { "type": "null" }] },
                "one": { "allOf": [{ "$ref": "#/$defs/A" }], "description": "d" },
            } } },
        });
        let subset = gemini_subset(&schema);
        assert_eq!(
            (&subset["type"], &subset["$schema"]),
            (&json!("object"), &Value::Null)
        );
        let properties = &subset["properties"];
        assert_eq!(properties["pattern"], json!({ "type": "string" }));
        assert_eq!(properties["kind"], json!({ "enum": ["cat"] }));
        assert_eq!(
            properties["either"],
            json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] })
        );
        assert_eq!(properties["one"], json!({ "$ref": "#/$defs/A" }));
    }

    #[test]
    fn anthropic_gets_closed_objects_and_bounds_as_text() {
        let schema = json!({ "type": "object", "properties": {
            "n": { "type": "integer", "minimum": 1, "description": "Count" },
            "when": { "type": "string", "format": "date" },
            "odd": { "type": "string", "format": "iban" },
            "list": { "type": "array", "items": { "type": "object", "properties": {} } },
        } });
        let subset = anthropic_subset(&schema).expect("it can be said");
        assert_eq!(subset["additionalProperties"], false);
        let properties = &subset["properties"];
        assert_eq!(
            properties["n"],
            json!({ "type": "integer", "description": "Count (minimum: 1)" })
        );
        assert_eq!(properties["when"]["format"], "date");
        assert_eq!(properties["odd"]["format"], Value::Null);
        assert_eq!(properties["list"]["items"]["additionalProperties"], false);
        for schema in [
            json!({ "type": "object" }),
            json!({ "type": "object", "properties": { "a": { "type": "object", "additionalProperties": { "type": "string" } } } }),
            json!({ "$ref": "#/$defs/N", "$defs": { "N": { "type": "object", "properties": { "n": { "$ref": "#/$defs/N" } } } } }),
        ] {
            assert_eq!(anthropic_subset(&schema), None, "{schema}");
        }
    }
}
