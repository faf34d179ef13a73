//! Prints the estimated cost of a question, from the JSON of `POST /api/estimate`.

use serde_json::Value;

use super::args::CommandCall;
use super::outcome::{self, Outcome};

/// Prints the estimate as text, or as JSON with `--json`.
///
/// # Errors
/// Returns an error if stdout cannot be written.
pub(super) fn print(call: &CommandCall, estimate: &Value) -> Outcome {
    match call.has("json") {
        true => outcome::print(format_args!("{estimate:#}")),
        false => outcome::print(estimate_text(estimate)),
    }
}

fn estimate_text(estimate: &Value) -> String {
    let models = estimate["models"].as_array().into_iter().flatten();
    let models: Vec<&str> = models.filter_map(Value::as_str).collect();
    let number = |name: &str| estimate[name].as_u64().unwrap_or_default();
    let dollars = |name: &str| match estimate[name].as_f64() {
        Some(dollars) => format!("${dollars:.4}"),
        None => "an unknown amount".to_owned(),
    };
    let mut lines = vec![
        format!(
            "{} with {}; {} calls",
            estimate["pattern"].as_str().unwrap_or_default(),
            models.join(", "),
            estimate["calls"].as_array().map_or(0, Vec::len)
        ),
        format!(
            "about {} input and {} output tokens",
            number("input_tokens"),
            number("output_tokens")
        ),
        format!(
            "expected {}, at most {}",
            dollars("cost_usd"),
            dollars("upper_bound_usd")
        ),
    ];
    if let Some(why) = estimate["refusal"].as_str() {
        lines.push(format!("the run would not start: {why}"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_estimate_is_three_lines() {
        let estimate = json!({
            "pattern": "gut", "models": ["a/b", "c/d"], "calls": [{}, {}, {}],
            "input_tokens": 100, "output_tokens": 20, "cost_usd": 0.5, "upper_bound_usd": null,
            "refusal": "the daily budget is spent",
        });
        assert_eq!(
            estimate_text(&estimate),
            "gut with a/b, c/d; 3 calls\nabout 100 input and 20 output tokens\n\
             expected $0.5000, at most an unknown amount\nthe run would not start: the daily budget is spent"
        );
    }
}
