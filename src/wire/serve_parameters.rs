//! Parses the parameters in Quire's own APIs: the numbers, limits, and switches in a body. A field of the wrong type is
//! refused instead of ignored, because an answer without its intended limit costs money.

use serde_json::{Map, Value};

use super::prompt::thinking_budget;
use super::serve_error::{RequestError, invalid};
use crate::domain::parameters::{EFFORTS, Parameters};

/// Parses the parameters that chat completions, Responses, and Anthropic's messages share.
///
/// # Errors
///
/// Returns an error that names the field when a field has the wrong type or is out of range.
pub(super) fn parse_parameters(fields: &Map<String, Value>) -> Result<Parameters, RequestError> {
    let field = |name: &str| fields.get(name).filter(|value| !value.is_null());
    let number = |name: &'static str| match field(name) {
        None => Ok(None),
        Some(value) => match value.as_f64() {
            Some(number) => Ok(Some(number)),
            None => invalid(name, format!("{name} must be a number")),
        },
    };
    let mut max_tokens = None;
    for name in ["max_completion_tokens", "max_tokens", "max_output_tokens"] {
        let count = parse_count(field(name).filter(|count| !is_unlimited(count)), name)?;
        max_tokens = max_tokens.or(count.map(|count| u32::try_from(count).unwrap_or(u32::MAX)));
    }
    let seed = match field("seed") {
        None => None,
        Some(value) => match value.as_i64().or_else(|| integral_float(value)) {
            Some(seed) => Some(seed),
            None => return invalid("seed", "seed must be a whole number of 64 bits"),
        },
    };
    Ok(Parameters {
        temperature: number("temperature")?,
        top_p: number("top_p")?,
        top_k: parse_top_k(field("top_k"))?,
        max_tokens,
        stop: parse_stop_sequences(field("stop").or_else(|| field("stop_sequences")))?,
        seed,
        presence_penalty: number("presence_penalty")?.filter(|&value| value != 0.0),
        frequency_penalty: number("frequency_penalty")?.filter(|&value| value != 0.0),
        reasoning_effort: parse_effort(fields)?,
        ..Parameters::default()
    })
}

/// Returns the effort level, from any of the fields that APIs use for it: OpenAI's `reasoning_effort` and
/// `reasoning.effort`, Anthropic's `output_config.effort` and `thinking`, and OpenRouter's `reasoning.max_tokens` and
/// `reasoning.enabled`. A level takes precedence over a number of tokens, which takes precedence over a switch.
fn parse_effort(fields: &Map<String, Value>) -> Result<Option<String>, RequestError> {
    let inner = |outer: &str, name: &str| {
        let value = fields.get(outer)?.get(name)?;
        (!value.is_null()).then_some(value)
    };
    let word = fields
        .get("reasoning_effort")
        .filter(|value| !value.is_null());
    let word = word
        .or_else(|| inner("reasoning", "effort"))
        .or_else(|| inner("output_config", "effort"));
    if let Some(word) = word {
        return match word.as_str() {
            Some(word) => Ok(Some(word.trim().to_ascii_lowercase())),
            None => invalid("reasoning_effort", "reasoning_effort must be a string"),
        };
    }
    let tokens = inner("thinking", "budget_tokens").or_else(|| inner("reasoning", "max_tokens"));
    if let Some(tokens) = parse_count(tokens, "thinking")? {
        return Ok(Some(nearest_effort(tokens).to_owned()));
    }
    let is_off = inner("reasoning", "enabled") == Some(&Value::Bool(false))
        || inner("thinking", "type").is_some_and(|kind| kind == "disabled");
    // OpenRouter defaults to medium effort when reasoning is enabled without a level.
    let is_on = inner("reasoning", "enabled") == Some(&Value::Bool(true));
    let word = match (is_off, is_on) {
        (true, _) => Some("none"),
        (false, true) => Some("medium"),
        (false, false) => None,
    };
    Ok(word.map(str::to_owned))
}

/// Returns the effort level with the thinking budget that is nearest to this number of tokens.
fn nearest_effort(tokens: u64) -> &'static str {
    let nearest = EFFORTS
        .iter()
        .min_by_key(|word| thinking_budget(word).abs_diff(tokens));
    nearest.copied().unwrap_or("medium")
}

/// Returns whether a count is -1. Local model servers (llama.cpp, Ollama, LM Studio) use it for "no limit", and their
/// clients send it to every server.
fn is_unlimited(count: &Value) -> bool {
    count.as_f64() == Some(-1.0)
}

// Parses `top_k`. Treats -1 and 0, which mean "no limit", like a missing field, because providers do not limit it by
// default.
fn parse_top_k(field: Option<&Value>) -> Result<Option<u32>, RequestError> {
    if field.is_some_and(|value| *value == -1 || *value == 0) {
        return Ok(None);
    }
    let count = parse_count(field, "top_k")?;
    Ok(count.map(|count| u32::try_from(count).unwrap_or(u32::MAX)))
}

/// Parses an integer that is written with a decimal point.
fn integral_float(value: &Value) -> Option<i64> {
    let number = value.as_f64()?;
    (number.abs() < 9e15 && number.fract() == 0.0).then_some(number as i64)
}

/// Parses an optional count. Clients in languages without integers send numbers such as 100.0.
///
/// # Errors
///
/// Returns an error when the value is not a non-negative integer.
pub(super) fn parse_count(
    value: Option<&Value>,
    name: &'static str,
) -> Result<Option<u64>, RequestError> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let float = |value: &Value| {
        let number = value.as_f64()?;
        ((0.0..9e15).contains(&number) && number.fract() == 0.0).then_some(number as u64)
    };
    match value.as_u64().or_else(|| float(value)) {
        Some(count) => Ok(Some(count)),
        None => invalid(name, format!("{name} must be a whole number, 1 or more")),
    }
}

/// Parses a switch. A missing switch is false.
///
/// # Errors
///
/// Returns an error when the field is not a boolean.
pub(super) fn parse_flag(
    fields: &Map<String, Value>,
    name: &'static str,
) -> Result<bool, RequestError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(on)) => Ok(*on),
        Some(_) => invalid(name, format!("{name} must be true or false")),
    }
}

fn parse_stop_sequences(field: Option<&Value>) -> Result<Vec<String>, RequestError> {
    let list = match field {
        None => return Ok(Vec::new()),
        // An empty stop sequence never matches. Web forms send one if a field is empty.
        Some(Value::String(one)) if one.is_empty() => return Ok(Vec::new()),
        Some(Value::String(one)) => return Ok(vec![one.clone()]),
        Some(Value::Array(list)) => list,
        Some(_) => return invalid("stop", "stop must be a string or a list of strings"),
    };
    let texts = list.iter().map(|text| text.as_str().map(str::to_owned));
    match texts.collect::<Option<Vec<String>>>() {
        Some(texts) => Ok({ texts.into_iter() }
            .filter(|text| !text.is_empty())
            .collect()),
        None => invalid("stop", "stop must be a string or a list of strings"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Result<Parameters, RequestError> {
        parse_parameters(body.as_object().expect("an object"))
    }

    #[test]
    fn fields_of_the_wrong_type_are_rejected() {
        for (body, param) in [
            (json!({ "temperature": "hot" }), "temperature"),
            (json!({ "top_p": [] }), "top_p"),
            (json!({ "max_tokens": -2 }), "max_tokens"),
            (json!({ "max_tokens": 1.5 }), "max_tokens"),
            (json!({ "max_tokens": "100" }), "max_tokens"),
            (json!({ "max_tokens": 1e30 }), "max_tokens"),
            (
                json!({ "max_completion_tokens": 5, "max_tokens": "x" }),
                "max_tokens",
            ),
            (json!({ "seed": 1e30 }), "seed"),
            (json!({ "stop": [1] }), "stop"),
            (json!({ "stop": 1 }), "stop"),
            (json!({ "reasoning_effort": 3 }), "reasoning_effort"),
            (json!({ "presence_penalty": true }), "presence_penalty"),
        ] {
            let result = read(&body).map_err(|error| error.param);
            assert_eq!(result, Err(param), "{body}");
        }
        for wrong in [json!("true"), json!(1)] {
            let body = json!({ "stream": wrong });
            assert!(parse_flag(body.as_object().expect("an object"), "stream").is_err());
        }
    }

    #[test]
    fn an_effort_is_found_in_every_apis_field() {
        for (body, effort) in [
            (json!({ "reasoning_effort": "low" }), Some("low")),
            (
                json!({ "reasoning": { "effort": "high", "summary": "auto" } }),
                Some("high"),
            ),
            (
                json!({ "output_config": { "effort": "max" }, "thinking": { "type": "adaptive" } }),
                Some("max"),
            ),
            (
                json!({ "thinking": { "type": "enabled", "budget_tokens": 1024 } }),
                Some("minimal"),
            ),
            (
                json!({ "thinking": { "type": "enabled", "budget_tokens": 10_000 } }),
                Some("medium"),
            ),
            (
                json!({ "thinking": { "type": "enabled", "budget_tokens": 31_999 } }),
                Some("max"),
            ),
            (
                json!({ "reasoning": { "max_tokens": 16_000 } }),
                Some("high"),
            ),
            (json!({ "thinking": { "type": "disabled" } }), Some("none")),
            (json!({ "reasoning": { "enabled": false } }), Some("none")),
            (
                json!({ "thinking": { "type": "adaptive" }, "reasoning": { "effort": null } }),
                None,
            ),
            (json!({ "reasoning": null, "thinking": null }), None),
        ] {
            let parsed_effort = read(&body).unwrap().reasoning_effort;
            assert_eq!(parsed_effort.as_deref(), effort, "{body}");
        }
    }

    #[test]
    fn null_means_absent_and_integers_may_have_a_decimal_point() {
        for (body, tokens) in [
            (
                json!({ "max_tokens": null, "temperature": null, "stop": null }),
                None,
            ),
            (
                json!({ "max_tokens": -1, "max_completion_tokens": -1.0 }),
                None,
            ),
            (json!({ "max_tokens": 100.0 }), Some(100)),
            (
                json!({ "max_completion_tokens": null, "max_tokens": 7 }),
                Some(7),
            ),
            (
                json!({ "max_completion_tokens": 9, "max_tokens": 7 }),
                Some(9),
            ),
        ] {
            let parsed = read(&body).map(|parameters| {
                (
                    parameters.max_tokens,
                    parameters.temperature,
                    parameters.stop,
                )
            });
            assert_eq!(parsed, Ok((tokens, None, Vec::new())), "{body}");
        }
    }
}
