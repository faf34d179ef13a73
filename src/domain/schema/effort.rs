//! How many steps the validation of a value may take at most. Schemas that refer to themselves under alternatives
//! can take exponential time: those are refused instead of tried.

use std::collections::HashMap;

use serde_json::Value;

/// Steps of one validation: well below a second.
const MAX_STEPS: u64 = 1_000_000;
/// Pairs of a part of the schema and a part of the value that are looked at.
const MAX_PAIRS: usize = 200_000;
/// Nested applications of one part of a schema to another.
const MAX_NESTED: usize = 400;

/// Refuses what could take too long.
///
/// # Errors
/// A phrase that says so.
pub(super) fn check(schema: &Value, value: &Value) -> Result<(), String> {
    let mut meter = Meter {
        root: schema,
        known: HashMap::new(),
    };
    meter
        .steps(schema, value, 0)
        .map(drop)
        .ok_or_else(|| "the top: checking it against the schema would take too long".to_owned())
}

struct Meter<'a> {
    root: &'a Value,
    /// Steps by the addresses of a schema and a value; none while they are being counted.
    known: HashMap<(usize, usize), Option<u64>>,
}

fn address(value: &Value) -> usize {
    std::ptr::from_ref(value) as usize
}

impl<'a> Meter<'a> {
    // None: too many.
    fn steps(&mut self, schema: &'a Value, value: &'a Value, nested: usize) -> Option<u64> {
        let Some(rules) = schema.as_object() else {
            return Some(1);
        };
        let pair = (address(schema), address(value));
        match self.known.get(&pair) {
            Some(known) => return Some(known.unwrap_or(1)),
            None if nested > MAX_NESTED || self.known.len() > MAX_PAIRS => return None,
            None => self.known.insert(pair, None),
        };
        let mut steps = 1u64;
        for (name, rule) in rules {
            let more = self.rule(name, rule, value, nested + 1)?;
            steps = steps.saturating_add(more);
        }
        // These look at everything beside them once more.
        if rules.keys().any(|name| name.starts_with("unevaluated")) {
            steps = steps.saturating_mul(2);
        }
        self.known.insert(pair, Some(steps));
        (steps <= MAX_STEPS).then_some(steps)
    }

    fn rule(
        &mut self,
        name: &str,
        rule: &'a Value,
        value: &'a Value,
        nested: usize,
    ) -> Option<u64> {
        let fields = || {
            value
                .as_object()
                .into_iter()
                .flat_map(|fields| fields.values())
        };
        let items = || value.as_array().map_or(&[][..], Vec::as_slice);
        let mut pairs: Vec<(&'a Value, &'a Value)> = Vec::new();
        match name {
            "$ref" | "$dynamicRef" | "$recursiveRef" => {
                let target = rule.as_str().and_then(|place| resolve(self.root, place));
                pairs.extend(target.map(|target| (target, value)));
            }
            "allOf" | "anyOf" | "oneOf" => {
                let all = rule.as_array().into_iter().flatten();
                pairs.extend(all.map(|one| (one, value)));
            }
            "not" | "if" | "then" | "else" => pairs.push((rule, value)),
            "dependentSchemas" | "dependencies" => {
                let all = rule.as_object().into_iter().flat_map(|all| all.values());
                pairs.extend(all.map(|one| (one, value)));
            }
            "properties" => {
                let all = rule.as_object().into_iter().flatten();
                pairs.extend(all.filter_map(|(name, one)| Some((one, value.get(name)?))));
            }
            "patternProperties" => {
                for one in rule.as_object().into_iter().flat_map(|all| all.values()) {
                    pairs.extend(fields().map(|field| (one, field)));
                }
            }
            "additionalProperties" | "unevaluatedProperties" => {
                pairs.extend(fields().map(|field| (rule, field)));
            }
            "prefixItems" | "items" if rule.is_array() => {
                let all = rule.as_array().into_iter().flatten();
                pairs.extend(all.zip(items()));
            }
            "items" | "additionalItems" | "contains" | "unevaluatedItems" => {
                pairs.extend(items().iter().map(|item| (rule, item)));
            }
            "enum" => return Some(rule.as_array().map_or(1, |all| all.len() as u64)),
            "uniqueItems" | "propertyNames" => {
                return Some(items().len() as u64 * 8 + fields().count() as u64 + 1);
            }
            _ => return Some(1),
        }
        let mut steps = 1u64;
        for (schema, value) in pairs {
            steps = steps.saturating_add(self.steps(schema, value, nested)?);
        }
        Some(steps)
    }
}

// A pointer or a name within the schema.
fn resolve<'a>(root: &'a Value, place: &str) -> Option<&'a Value> {
    let place = place.strip_prefix('#')?;
    if place.is_empty() || place.starts_with('/') {
        let place = place.replace("%25", "%").replace("%24", "$");
        return root.pointer(&place);
    }
    named(root, place)
}

fn named<'a>(part: &'a Value, name: &str) -> Option<&'a Value> {
    let children: Box<dyn Iterator<Item = &'a Value>> = match part {
        Value::Object(fields) => {
            let is_it = |key: &str| fields.get(key).is_some_and(|own| own == name);
            if is_it("$anchor") || is_it("$dynamicAnchor") {
                return Some(part);
            }
            Box::new(fields.values())
        }
        Value::Array(items) => Box::new(items.iter()),
        _ => return None,
    };
    let mut children = children;
    children.find_map(|child| named(child, name))
}
