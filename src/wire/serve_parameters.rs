//! How a client of our own APIs wants to be answered: numbers, limits and switches of a body. What is there and
//! of another type is refused, never left out: an answer without the limit that was meant for it costs money.

use serde_json::{Map, Value};

use super::serve_openai::{Fault, fault};
use crate::domain::parameters::Parameters;

/// What the three APIs have in common of it.
pub(super) fn parameters(fields: &Map<String, Value>) -> Result<Parameters, Fault> {
    let given = |name: &str| fields.get(name).filter(|value| !value.is_null());
    let number = |name: &'static str| match given(name) {
        None => Ok(None),
        Some(value) => match value.as_f64() {
            Some(number) => Ok(Some(number)),
            None => fault(name, format!("{name} must be a number")),
        },
    };
    let mut max_tokens = None;
    for name in ["max_completion_tokens", "max_tokens", "max_output_tokens"] {
        let count = whole(given(name).filter(|count| !is_unlimited(count)), name)?;
        max_tokens = max_tokens.or(count.map(|count| u32::try_from(count).unwrap_or(u32::MAX)));
    }
    let seed = match given("seed") {
        None => None,
        Some(value) => match value.as_i64() {
            Some(seed) => Some(seed),
            None => return fault("seed", "seed must be a whole number of 64 bits"),
        },
    };
    let effort = given("reasoning_effort").or_else(|| given("reasoning")?.get("effort"));
    let effort = match effort {
        None | Some(Value::Null) => None,
        Some(Value::String(effort)) => Some(effort.clone()),
        Some(_) => return fault("reasoning_effort", "reasoning_effort must be a word"),
    };
    Ok(Parameters {
        temperature: number("temperature")?,
        top_p: number("top_p")?,
        top_k: top_k(given("top_k"))?,
        max_tokens,
        stop: stops(given("stop").or_else(|| given("stop_sequences")))?,
        seed,
        presence_penalty: number("presence_penalty")?.filter(|&value| value != 0.0),
        frequency_penalty: number("frequency_penalty")?.filter(|&value| value != 0.0),
        reasoning_effort: effort,
        ..Parameters::default()
    })
}

/// -1 is how the servers of local models write "no limit" (llama.cpp, Ollama, LM Studio), and their clients send it
/// to everybody.
fn is_unlimited(count: &Value) -> bool {
    count.as_f64() == Some(-1.0)
}

// -1 and 0 say that all are kept, which is what most do without the field.
fn top_k(given: Option<&Value>) -> Result<Option<u32>, Fault> {
    if given.is_some_and(|value| *value == -1 || *value == 0) {
        return Ok(None);
    }
    let count = whole(given, "top_k")?;
    Ok(count.map(|count| u32::try_from(count).unwrap_or(u32::MAX)))
}

/// A count, where there is one. Some languages know no whole numbers and send 100.0.
pub(super) fn whole(value: Option<&Value>, name: &'static str) -> Result<Option<u64>, Fault> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let float = |value: &Value| {
        let number = value.as_f64()?;
        ((0.0..9e15).contains(&number) && number.fract() == 0.0).then_some(number as u64)
    };
    match value.as_u64().or_else(|| float(value)) {
        Some(count) => Ok(Some(count)),
        None => fault(name, format!("{name} must be a whole number, 1 or more")),
    }
}

/// A switch, off where it is not there.
pub(super) fn flag(fields: &Map<String, Value>, name: &'static str) -> Result<bool, Fault> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(on)) => Ok(*on),
        Some(_) => fault(name, format!("{name} must be true or false")),
    }
}

fn stops(given: Option<&Value>) -> Result<Vec<String>, Fault> {
    let list = match given {
        None => return Ok(Vec::new()),
        Some(Value::String(one)) => return Ok(vec![one.clone()]),
        Some(Value::Array(list)) => list,
        Some(_) => return fault("stop", "stop must be a text or a list of texts"),
    };
    let texts = list.iter().map(|text| text.as_str().map(str::to_owned));
    match texts.collect() {
        Some(texts) => Ok(texts),
        None => fault("stop", "stop must be a text or a list of texts"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Result<Parameters, Fault> {
        parameters(body.as_object().expect("an object"))
    }

    #[test]
    fn what_is_of_another_type_is_refused() {
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
            let refused = read(&body).map_err(|fault| fault.param);
            assert_eq!(refused, Err(param), "{body}");
        }
        for wrong in [json!("true"), json!(1)] {
            let body = json!({ "stream": wrong });
            assert!(flag(body.as_object().expect("an object"), "stream").is_err());
        }
    }

    #[test]
    fn what_is_null_is_not_there_and_some_write_whole_numbers_with_a_point() {
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
            let found = read(&body).map(|found| (found.max_tokens, found.temperature, found.stop));
            assert_eq!(found, Ok((tokens, None, Vec::new())), "{body}");
        }
    }
}
