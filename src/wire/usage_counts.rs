//! Token counts and charges as providers report them, under various names and with various JSON types. A count that is
//! missing, negative, or not an integer is `None`. `answer_builder` estimates missing counts.

use serde_json::Value;

use crate::domain::chat::Usage;
use crate::domain::money::MicroDollars;

/// Usage reported so far. A field in a later report replaces the same field of an earlier one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct UsageCounts {
    pub input: Option<u64>,
    pub output: Option<u64>,
    pub cached: Option<u64>,
    pub stored: Option<u64>,
    pub reasoning: Option<u64>,
    pub charged: Option<MicroDollars>,
    /// Whether `input` excludes `cached` and `stored`, as in Anthropic's usage.
    pub excludes_cached: bool,
}

const INPUT_PATHS: &[&[&str]] = &[
    &["prompt_tokens"],
    &["input_tokens"],
    &["promptTokens"],
    &["inputTokens"],
    &["prompt_token_count"],
    &["promptTokenCount"],
    &["prompt_eval_count"],
    // Used in Bedrock's metrics, and in Cohere's two forms.
    &["inputTokenCount"],
    &["tokens", "input_tokens"],
    &["billed_units", "input_tokens"],
    &["input"],
    &["prompt"],
];
const OUTPUT_PATHS: &[&[&str]] = &[
    &["completion_tokens"],
    &["output_tokens"],
    &["completionTokens"],
    &["outputTokens"],
    &["generated_tokens"],
    &["candidatesTokenCount"],
    &["eval_count"],
    &["outputTokenCount"],
    &["tokens", "output_tokens"],
    &["billed_units", "output_tokens"],
    &["output"],
    &["completion"],
];
/// Paths of the number of tokens read from a prompt cache, as reported by OpenAI, Responses, DeepSeek, Moonshot,
/// Anthropic, Gemini, and hosts that mix these formats.
const CACHED_PATHS: &[&[&str]] = &[
    &["prompt_tokens_details", "cached_tokens"],
    &["input_tokens_details", "cached_tokens"],
    &["prompt_tokens_details", "cache_read_tokens"],
    &["prompt_tokens_details", "cache_read_input_tokens"],
    &["input_token_details", "cache_read"],
    &["prompt_cache_hit_tokens"],
    &["cached_tokens"],
    &["cached_input_tokens"],
    &["cached_prompt_tokens"],
    &["num_cached_tokens"],
    &["cache_read_input_tokens"],
    &["cache_read_tokens"],
    &["cacheReadInputTokens"],
    &["cacheReadInputTokenCount"],
    &["cachedInputTokens"],
    &["promptTokensDetails", "cachedTokens"],
    &["inputTokensDetails", "cachedTokens"],
    &["cachedContentTokenCount"],
];
/// Subset of [`CACHED_PATHS`] whose tokens are, by the vendor's definition, included in the prompt's tokens.
const CACHED_WITHIN_PATHS: &[&[&str]] = &[
    &["prompt_tokens_details", "cached_tokens"],
    &["input_tokens_details", "cached_tokens"],
    &["cached_tokens"],
    &["promptTokensDetails", "cachedTokens"],
    &["inputTokensDetails", "cachedTokens"],
    &["cachedContentTokenCount"],
];
/// Paths of the number of tokens written to a prompt cache.
const STORED_PATHS: &[&[&str]] = &[
    &["prompt_tokens_details", "cache_write_tokens"],
    &["prompt_tokens_details", "cache_creation_tokens"],
    &["prompt_tokens_details", "cache_creation_input_tokens"],
    &["input_token_details", "cache_creation"],
    &["cache_creation_input_tokens"],
    &["cache_write_tokens"],
    &["cacheWriteInputTokens"],
    &["cacheWriteInputTokenCount"],
];
const REASONING_PATHS: &[&[&str]] = &[
    &["completion_tokens_details", "reasoning_tokens"],
    &["output_tokens_details", "reasoning_tokens"],
    &["output_tokens_details", "thinking_tokens"],
    &["reasoning_tokens"],
    &["reasoningTokens"],
    &["thoughtsTokenCount"],
];

const TOTAL_PATHS: &[&[&str]] = &[&["total_tokens"], &["totalTokens"], &["total_token_count"]];

/// Maximum count that is believed. The sum of many such counts still fits in a column of the database.
const MAX_COUNT: f64 = 1e15;

/// Parses a count, which is a number or a string of digits. Returns `None` for anything else, and for a count that is
/// too large to be true.
pub(super) fn parse_count(value: &Value) -> Option<u64> {
    let float = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        _ => return None,
    };
    let is_whole = float >= 0.0 && float.fract() == 0.0 && float <= MAX_COUNT;
    is_whole.then_some(float as u64)
}

/// Returns the first nonzero count at these paths. Returns zero if all reported counts are zero, and `None` if none is
/// reported.
fn find_count(usage: &Value, paths: &[&[&str]]) -> Option<u64> {
    let counts = paths.iter().filter_map(|path| {
        let value = path.iter().try_fold(usage, |value, name| value.get(name));
        parse_count(value?)
    });
    counts.reduce(|first, other| if first > 0 { first } else { other })
}

/// Parses a usage object of chat completions or Responses.
pub(super) fn parse_usage(usage: &Value) -> UsageCounts {
    let (mut input, mut output) = (
        find_count(usage, INPUT_PATHS),
        find_count(usage, OUTPUT_PATHS),
    );
    let total = find_count(usage, TOTAL_PATHS).filter(|&total| total > 0);
    let (cached, stored_tokens) = (
        find_count(usage, CACHED_PATHS),
        find_count(usage, STORED_PATHS),
    );
    let reasoning = find_count(usage, REASONING_PATHS);
    // If the input or output is missing or zero, it is computed from the total.
    match (input.unwrap_or(0), output.unwrap_or(0), total) {
        (0, 0, _) => {}
        (read, 0, Some(total)) if reasoning.unwrap_or(0) == 0 => {
            output = total.checked_sub(read).or(output)
        }
        (0, output_tokens, Some(total)) if cached.unwrap_or(0) == 0 => {
            input = total.checked_sub(output_tokens).or(input)
        }
        _ => {}
    }
    let (read, output_tokens) = (input.unwrap_or(0), output.unwrap_or(0));
    let is_sum = |parts: &[u64]| {
        let sum = parts
            .iter()
            .try_fold(0u64, |sum, part| sum.checked_add(*part));
        sum.is_some() && sum == total
    };
    // xAI counts reasoning in addition to the tokens of the answer, other vendors as part of them. The total shows
    // which applies.
    let thought = reasoning.unwrap_or(0);
    if thought > 0 && (thought > output_tokens || is_sum(&[read, output_tokens, thought])) {
        output = output_tokens.checked_add(thought);
    }
    let cache_tokens = cached
        .unwrap_or(0)
        .saturating_add(stored_tokens.unwrap_or(0));
    // If the vendor defines cached tokens as part of the prompt, more cached tokens than prompt tokens are an error,
    // which `usage` corrects.
    let is_within = find_count(usage, CACHED_WITHIN_PATHS).unwrap_or(0) > 0;
    UsageCounts {
        input,
        output,
        cached,
        stored: stored_tokens,
        reasoning,
        charged: reported_charge(usage),
        // Some hosts pass on Anthropic's counts, whose input excludes cached tokens.
        excludes_cached: cache_tokens > 0
            && (cache_tokens > read && !is_within || is_sum(&[read, output_tokens, cache_tokens])),
    }
}

/// Parses llama.cpp's timings, which replace missing usage: the numbers of tokens that were evaluated, reused from
/// memory, and generated.
pub(super) fn parse_timings(timings: &Value) -> UsageCounts {
    let count = |name: &str| parse_count(&timings[name]);
    let cached = count("cache_n");
    UsageCounts {
        input: count("prompt_n").map(|read| read.saturating_add(cached.unwrap_or(0))),
        output: count("predicted_n"),
        cached,
        ..UsageCounts::default()
    }
}

/// Returns the charge that the provider reports, such as OpenRouter's `cost`. If OpenRouter has used the user's own
/// key, the charge of the upstream provider is added.
fn reported_charge(usage: &Value) -> Option<MicroDollars> {
    let dollars = |value: &Value| match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().trim_start_matches('$').parse::<f64>().ok(),
        _ => None,
    };
    let amount = |value: &Value| dollars(value).and_then(MicroDollars::from_dollars);
    let places = [
        &usage["cost"],
        &usage["cost"]["total_cost"],
        &usage["cost"]["total"],
        &usage["total_cost"],
        &usage["cost_usd"],
    ];
    // xAI reports charges in ten-billionths of a dollar.
    let ticks = || {
        let ticks = parse_count(&usage["cost_in_usd_ticks"])?;
        MicroDollars::from_dollars(ticks as f64 / 1e10)
    };
    let cost = { places }.into_iter().find_map(amount).or_else(ticks);
    let upstream = amount(&usage["cost_details"]["upstream_inference_cost"]);
    match (cost, upstream) {
        (Some(cost), Some(upstream)) if usage["is_byok"] == true => {
            Some(cost.saturating_add(upstream))
        }
        (None | Some(MicroDollars(0)), Some(upstream)) if upstream.0 > 0 => Some(upstream),
        (cost, _) => cost,
    }
}

impl UsageCounts {
    /// Merges a later report. Fields that the report omits, and totals that it reports as zero, stay unchanged.
    pub fn merge(&mut self, later: UsageCounts) {
        let side = |counts: &UsageCounts| {
            let parts = [counts.input, counts.cached, counts.stored];
            parts.into_iter().flatten().fold(0u64, u64::saturating_add)
        };
        if side(&later) > 0 || side(self) == 0 {
            if later.cached.is_some() || later.stored.is_some() {
                self.excludes_cached = later.excludes_cached;
            }
            self.input = later.input.or(self.input);
            self.cached = later.cached.or(self.cached);
            self.stored = later.stored.or(self.stored);
        }
        if later.output > Some(0) || self.output.is_none() {
            self.output = later.output.or(self.output);
            self.reasoning = later.reasoning.or(self.reasoning);
        }
        if later.charged > Some(MicroDollars(0)) || self.charged.is_none() {
            self.charged = later.charged;
        }
    }

    /// Converts the counts to usage, where `input` includes cached tokens and no part exceeds the whole.
    pub fn usage(&self) -> Usage {
        let (cached, stored_tokens) = (self.cached.unwrap_or(0), self.stored.unwrap_or(0));
        let mut input = self.input.unwrap_or(0);
        if self.excludes_cached {
            input = input.saturating_add(cached).saturating_add(stored_tokens);
        }
        let output = self.output.unwrap_or(0);
        let cached = cached.min(input);
        Usage {
            input,
            output,
            cached,
            stored: stored_tokens.min(input - cached),
            reasoning: self.reasoning.unwrap_or(0).min(output),
            charged: self.charged,
            ..Usage::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn integers_are_parsed_from_any_type() {
        for (value, expected) in [
            (json!(7), Some(7)),
            (json!(7.0), Some(7)),
            (json!("7"), Some(7)),
            (json!(" 7.0 "), Some(7)),
            (json!(0), Some(0)),
            (json!(7.5), None),
            (json!(-7), None),
            (json!("-7"), None),
            (json!("seven"), None),
            (json!("NaN"), None),
            (json!("1e300"), None),
            (json!(null), None),
            (json!([7]), None),
            (json!(true), None),
        ] {
            assert_eq!(parse_count(&value), expected, "{value}");
        }
    }

    fn merged_counts(reports: &[Value]) -> (u64, u64, u64, u64, u64, Option<i64>) {
        let mut counts = UsageCounts::default();
        for report in reports {
            counts.merge(parse_usage(report));
        }
        let usage = counts.usage();
        let charged = usage.charged.map(|charged| charged.0);
        let Usage {
            input,
            output,
            cached,
            stored,
            reasoning,
            ..
        } = usage;
        (input, output, cached, stored, reasoning, charged)
    }

    #[test]
    fn counts_are_found_under_every_vendors_name() {
        let plain = (100, 7, 0, 0, 0, None);
        let cached = (100, 7, 80, 0, 0, None);
        for (report, expected) in [
            (
                json!({ "prompt_tokens": 100, "completion_tokens": 7 }),
                plain,
            ),
            (
                json!({ "input_tokens": "100", "output_tokens": 7.0 }),
                plain,
            ),
            (
                json!({ "prompt_tokens": 0, "input_tokens": 100, "completion_tokens": 7 }),
                plain,
            ),
            (
                json!({ "promptTokenCount": 100, "candidatesTokenCount": 7 }),
                plain,
            ),
            (json!({ "prompt_eval_count": 100, "eval_count": 7 }), plain),
            (
                json!({ "prompt_tokens": 100, "completion_tokens": 0, "total_tokens": 107 }),
                plain,
            ),
            (json!({ "promptTokens": "100", "totalTokens": 107 }), plain),
            (
                json!({ "inputTokenCount": 100, "outputTokenCount": 7 }),
                plain,
            ),
            (
                json!({ "billed_units": { "input_tokens": 90, "output_tokens": 7 }, "tokens": { "input_tokens": 100, "output_tokens": 7 } }),
                plain,
            ),
            (
                json!({ "prompt_tokens": 100, "completion_tokens": 7, "cost_in_usd_ticks": 37756000u64 }),
                (100, 7, 0, 0, 0, Some(3_776)),
            ),
            (json!({ "prompt_tokens": 100, "total_tokens": 107 }), plain),
            (
                json!({ "prompt_tokens": -100, "completion_tokens": -7 }),
                (0, 0, 0, 0, 0, None),
            ),
            (json!({}), (0, 0, 0, 0, 0, None)),
            (
                json!({ "prompt_tokens": 100, "completion_tokens": 7, "cached_tokens": 80 }),
                cached,
            ),
            (
                json!({ "prompt_tokens": 100, "completion_tokens": 7, "prompt_cache_hit_tokens": "80" }),
                cached,
            ),
            (
                json!({ "input_tokens": 100, "output_tokens": 7, "input_tokens_details": { "cached_tokens": 80.0 } }),
                cached,
            ),
            (
                json!({ "prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107, "prompt_tokens_details": { "cached_tokens": 900 } }),
                (100, 7, 100, 0, 0, None),
            ),
            (
                json!({ "prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27, "cache_read_input_tokens": 80, "cache_creation_input_tokens": 0 }),
                cached,
            ),
            (
                json!({ "prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107, "cache_read_input_tokens": 80 }),
                cached,
            ),
            (
                json!({ "prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 187, "cache_read_input_tokens": 80 }),
                (180, 7, 80, 0, 0, None),
            ),
            (
                json!({ "prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": { "cache_write_tokens": 60 } }),
                (100, 7, 0, 60, 0, None),
            ),
            (
                json!({ "prompt_tokens": 100, "completion_tokens": 7, "completion_tokens_details": { "reasoning_tokens": 5 } }),
                (100, 7, 0, 0, 5, None),
            ),
            (
                json!({ "prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 112, "completion_tokens_details": { "reasoning_tokens": 5 } }),
                (100, 12, 0, 0, 5, None),
            ),
        ] {
            assert_eq!(
                merged_counts(std::slice::from_ref(&report)),
                expected,
                "{report}"
            );
        }
    }

    #[test]
    fn a_later_report_replaces_only_the_counts_it_contains() {
        let details = json!({ "prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": { "cached_tokens": 80 }, "completion_tokens_details": { "reasoning_tokens": 2 }, "cost": 0.5 });
        for (later, expected) in [
            (
                json!({ "prompt_tokens": 100, "completion_tokens": 7 }),
                (100, 7, 80, 0, 2, Some(500_000)),
            ),
            (json!({}), (100, 5, 80, 0, 2, Some(500_000))),
            (
                json!({ "prompt_tokens": 0, "completion_tokens": 0 }),
                (100, 5, 80, 0, 2, Some(500_000)),
            ),
            (
                json!({ "prompt_tokens": 90, "completion_tokens": 7, "prompt_tokens_details": { "cached_tokens": 0 }, "cost": "0.25" }),
                (90, 7, 0, 0, 2, Some(250_000)),
            ),
        ] {
            assert_eq!(
                merged_counts(&[details.clone(), later.clone()]),
                expected,
                "{later}"
            );
        }
    }

    #[test]
    fn charges_are_parsed_as_numbers_and_text() {
        for (report, expected) in [
            (json!({ "cost": 0.0123 }), Some(12_300)),
            (json!({ "cost": "0.0123" }), Some(12_300)),
            (json!({ "cost": { "total_cost": 0.0123 } }), Some(12_300)),
            (
                json!({ "cost": 0, "is_byok": true, "cost_details": { "upstream_inference_cost": 0.0123 } }),
                Some(12_300),
            ),
            (
                json!({ "cost": 0.001, "is_byok": true, "cost_details": { "upstream_inference_cost": "0.0123" } }),
                Some(13_300),
            ),
            (
                json!({ "cost": 0.02, "is_byok": false, "cost_details": { "upstream_inference_cost": 0.0123 } }),
                Some(20_000),
            ),
            (json!({ "cost": 0 }), Some(0)),
            (json!({ "cost": -1 }), None),
            (json!({ "cost": "free" }), None),
            (json!({}), None),
        ] {
            assert_eq!(
                merged_counts(std::slice::from_ref(&report)).5,
                expected,
                "{report}"
            );
        }
    }
}
