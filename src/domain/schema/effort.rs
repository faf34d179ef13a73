//! Computes an upper bound on the steps that validating a value may take. Validating recursive alternatives can take
//! exponential time. Such validations are rejected without being tried, as are those with too many regular-expression
//! matches.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// Maximum number of steps of one validation. A step is assumed to take 50 ns, so this is about 50 ms.
const MAX_STEPS: u64 = 1_000_000;
/// Number of steps of one backtracking match of a short text: one for each permitted backtrack.
const MAX_MATCH_STEPS: u64 = super::MAX_BACKTRACKS as u64;
/// Number of bytes of text that the simple parts of a regular expression process per step.
const BYTES_PER_STEP: u64 = 50;
/// Number of active NFA states of a regular expression that are simulated per step, for each byte of text.
const STATES_PER_STEP: u64 = 10;
/// Maximum number of NFA positions in a regular expression. One with more would exceed `MAX_PATTERN_SIZE`.
const MAX_POSITIONS: u64 = 10_000;
/// Maximum number of pairs of a schema part and a value part that are examined.
const MAX_PAIRS: usize = 200_000;
/// Maximum nesting depth of schemas that are applied to the same value or its parts.
const MAX_NESTED: usize = 400;

/// Rejects a validation that could take too long.
///
/// # Errors
/// Returns an error with a short description if the bound is exceeded.
pub(super) fn check(schema: &Value, value: &Value) -> Result<(), String> {
    let mut meter = EffortMeter {
        root: schema,
        known_steps: HashMap::new(),
    };
    meter
        .steps(schema, value, 0)
        .map(drop)
        .ok_or_else(|| "the top: checking it against the schema would take too long".to_owned())
}

struct EffortMeter<'a> {
    root: &'a Value,
    /// Number of steps for each pair of addresses of a schema and a value; `None` while it is being computed.
    known_steps: HashMap<(usize, usize), Option<u64>>,
}

fn address(value: &Value) -> usize {
    std::ptr::from_ref(value) as usize
}

impl<'a> EffortMeter<'a> {
    // Returns the number of steps; `None` if there are too many.
    fn steps(&mut self, schema: &'a Value, value: &'a Value, nested: usize) -> Option<u64> {
        let Some(rules) = schema.as_object() else {
            return Some(1);
        };
        let pair = (address(schema), address(value));
        match self.known_steps.get(&pair) {
            Some(known) => return Some(known.unwrap_or(1)),
            None if nested > MAX_NESTED || self.known_steps.len() > MAX_PAIRS => return None,
            None => self.known_steps.insert(pair, None),
        };
        let mut steps = 1u64;
        for (name, rule) in rules {
            let rule_steps = self.keyword_steps((name, rule), rules, value, nested + 1)?;
            steps = steps.saturating_add(rule_steps);
        }
        // These keywords repeat the work of the adjacent keywords.
        if rules.keys().any(|name| name.starts_with("unevaluated")) {
            steps = steps.saturating_mul(2);
        }
        self.known_steps.insert(pair, Some(steps));
        (steps <= MAX_STEPS).then_some(steps)
    }

    /// Returns the number of steps for validating all property names of an object.
    fn property_names(&self, rule: &Value, value: &Value, nested: usize) -> Option<u64> {
        let names = value.as_object().into_iter().flat_map(Map::keys);
        let mut steps = 1u64;
        for name in names {
            let name = Value::String(name.clone());
            let mut meter = EffortMeter {
                root: self.root,
                known_steps: HashMap::new(),
            };
            steps = steps.saturating_add(meter.steps(rule, &name, nested)?);
            if steps > MAX_STEPS {
                return None;
            }
        }
        Some(steps)
    }

    fn keyword_steps(
        &mut self,
        (name, rule): (&str, &'a Value),
        siblings: &'a Map<String, Value>,
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
        let mut steps = 1u64;
        match name {
            "$ref" | "$dynamicRef" | "$recursiveRef" => {
                let target = rule.as_str().and_then(|place| resolve(self.root, place));
                pairs.extend(target.map(|target| (target, value)));
            }
            "allOf" | "anyOf" | "oneOf" => {
                let all = rule.as_array().into_iter().flatten();
                pairs.extend(all.map(|subschema| (subschema, value)));
            }
            "not" | "if" | "then" | "else" => pairs.push((rule, value)),
            "dependentSchemas" | "dependencies" => {
                let all = rule.as_object().into_iter().flat_map(|all| all.values());
                pairs.extend(all.map(|subschema| (subschema, value)));
            }
            "properties" => {
                let all = rule.as_object().into_iter().flatten();
                pairs.extend(
                    all.filter_map(|(name, subschema)| Some((subschema, value.get(name)?))),
                );
            }
            "pattern" => {
                let pair = rule.as_str().zip(value.as_str());
                return Some(pair.map_or(1, |(pattern, text)| matching_steps(pattern, text)));
            }
            "patternProperties" => {
                for (pattern, subschema) in rule.as_object().into_iter().flatten() {
                    pairs.extend(fields().map(|field| (subschema, field)));
                    steps = steps.saturating_add(matching_name_steps(pattern, value));
                }
            }
            // Each of these keywords matches the adjacent patterns again to find the remaining fields.
            "additionalProperties" | "unevaluatedProperties" => {
                pairs.extend(fields().map(|field| (rule, field)));
                let siblings = siblings.get("patternProperties").and_then(Value::as_object);
                for (pattern, _) in siblings.into_iter().flatten() {
                    steps = steps.saturating_add(matching_name_steps(pattern, value));
                }
            }
            "prefixItems" | "items" if rule.is_array() => {
                let all = rule.as_array().into_iter().flatten();
                pairs.extend(all.zip(items()));
            }
            "items" | "additionalItems" | "contains" | "unevaluatedItems" => {
                pairs.extend(items().iter().map(|item| (rule, item)));
            }
            "enum" | "const" => return Some(value_size(rule)),
            "minLength" | "maxLength" => return Some(value_size(value)),
            "uniqueItems" => return Some(value_size(value).saturating_mul(8)),
            "propertyNames" => return self.property_names(rule, value, nested),
            _ => return Some(1),
        }
        for (schema, value) in pairs {
            steps = steps.saturating_add(self.steps(schema, value, nested)?);
        }
        Some(steps)
    }
}

/// Returns the number of steps for traversing a value once.
fn value_size(value: &Value) -> u64 {
    match value {
        Value::Array(items) => items.iter().map(value_size).sum::<u64>() + 1,
        Value::Object(fields) => {
            let each = fields
                .iter()
                .map(|(name, value)| 1 + name.len() as u64 / BYTES_PER_STEP + value_size(value));
            each.sum::<u64>() + 1
        }
        Value::String(text) => 1 + text.len() as u64 / BYTES_PER_STEP,
        _ => 1,
    }
}

/// Returns the number of steps for matching a regular expression against all property names of an object.
fn matching_name_steps(pattern: &str, value: &Value) -> u64 {
    let names = value.as_object().into_iter().flat_map(Map::keys);
    names.fold(0, |sum: u64, name| {
        sum.saturating_add(matching_steps(pattern, name))
    })
}

/// Returns the number of steps of one match: the length of the text times the number of positions of the
/// expression that can be active at once. A backtracking expression is assumed to use all permitted
/// backtracks, each over the whole text.
fn matching_steps(pattern: &str, text: &str) -> u64 {
    let length = text.len() as u64;
    match can_backtrack(pattern) {
        true => MAX_MATCH_STEPS.saturating_mul(1 + length / BYTES_PER_STEP),
        false => 4 + length.saturating_mul(1 + max_positions(pattern) / STATES_PER_STEP),
    }
}

/// Whether an expression needs backtracking: lookaround, backreferences, atomic groups, or possessive
/// quantifiers. May report false positives.
fn can_backtrack(pattern: &str) -> bool {
    let bytes = pattern.as_bytes();
    bytes.windows(2).any(|pair| match pair {
        [b'\\', next] => matches!(
            next,
            b'1'..=b'9' | b'k' | b'g' | b'K' | b'G' | b'R' | b'X' | b'Z'
        ),
        [b'*' | b'+' | b'?' | b'}', b'+'] => true,
        _ => false,
    }) || bytes.windows(3).any(|three| {
        three.starts_with(b"(?") && matches!(three[2], b'=' | b'!' | b'<' | b'>' | b'(' | b'~')
    })
}

/// Returns an upper bound on the number of positions of an expression that can be active at once: its length,
/// with counted repetitions unrolled.
fn max_positions(pattern: &str) -> u64 {
    let counts = pattern.split('{').skip(1).filter_map(|rest| {
        let (count, _) = rest.split_once('}')?;
        let repetitions = count
            .split(',')
            .filter_map(|number| number.trim().parse().ok());
        repetitions.max()
    });
    let (sum, product) = counts.fold((0u64, 1u64), |(sum, product), count: u64| {
        (
            sum.saturating_add(count),
            product.saturating_mul(count.max(1)),
        )
    });
    let length = pattern.len() as u64;
    // The repetition of a group multiplies everything in the group.
    let places = match pattern.contains('(') {
        true => length.saturating_mul(product),
        false => length.saturating_add(sum),
    };
    places.min(MAX_POSITIONS)
}

// Resolves a JSON pointer or an anchor within the schema.
fn resolve<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    let fragment = reference.strip_prefix('#')?;
    if fragment.is_empty() || fragment.starts_with('/') {
        let pointer = fragment.replace("%25", "%").replace("%24", "$");
        return root.pointer(&pointer);
    }
    find_anchor(root, fragment)
}

fn find_anchor<'a>(part: &'a Value, name: &str) -> Option<&'a Value> {
    let children: Box<dyn Iterator<Item = &'a Value>> = match part {
        Value::Object(fields) => {
            let is_own_name = |key: &str| fields.get(key).is_some_and(|own| own == name);
            if is_own_name("$anchor") || is_own_name("$dynamicAnchor") {
                return Some(part);
            }
            Box::new(fields.values())
        }
        Value::Array(items) => Box::new(items.iter()),
        _ => return None,
    };
    let mut children = children;
    children.find_map(|child| find_anchor(child, name))
}
