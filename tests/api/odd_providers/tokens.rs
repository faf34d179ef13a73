//! Tests token counts and prices that providers report in unusual places.

use super::*;

#[test]
fn nonstandard_token_counts_and_prices_are_parsed() {
    let with = |extra: Value| {
        let mut last = end("stop");
        for (name, value) in extra.as_object().unwrap() {
            last[name] = value.clone();
        }
        sse(&[text(T), last, done()])
    };
    let tokens = json!({ "prompt_tokens": 100, "completion_tokens": 7 });
    check(&[
        complete_case(
            "cohere",
            usage_line(
                json!({ "billed_units": { "input_tokens": 90, "output_tokens": 7 }, "tokens": { "input_tokens": 100, "output_tokens": 7 } }),
            ),
            COUNTED,
        ),
        complete_case(
            "bedrock",
            with(
                json!({ "amazon-bedrock-invocationMetrics": { "inputTokenCount": 100, "outputTokenCount": 7 } }),
            ),
            COUNTED,
        ),
        complete_case(
            "llama-cpp",
            with(
                json!({ "timings": { "prompt_n": 20, "cache_n": 80, "predicted_n": 7, "predicted_ms": 12.5 } }),
            ),
            CACHED,
        ),
        complete_case(
            "groq",
            with(
                json!({ "x_groq": { "usage": { "prompt_tokens": 100, "completion_tokens": 7 } } }),
            ),
            COUNTED,
        ),
        complete_case(
            "in-delta",
            sse(&[
                text(T),
                chunk(json!({ "usage": tokens }), json!("stop")),
                done(),
            ]),
            COUNTED,
        ),
        complete_case(
            "camel",
            usage_line(
                json!({ "promptTokens": 100, "completionTokens": 7, "promptTokensDetails": { "cachedTokens": 80 } }),
            ),
            CACHED,
        ),
        complete_case(
            "deepseek",
            usage_line(
                json!({ "prompt_tokens": 100, "completion_tokens": 7, "prompt_cache_hit_tokens": 80, "prompt_cache_miss_tokens": 20 }),
            ),
            CACHED,
        ),
        complete_case(
            "total-only",
            usage_line(json!({ "total_tokens": 107 })),
            None,
        ),
        complete_case(
            "no-output",
            usage_line(json!({ "prompt_tokens": 100, "total_tokens": 107 })),
            COUNTED,
        ),
        complete_case(
            "zero-output",
            usage_line(
                json!({ "prompt_tokens": 100, "completion_tokens": 0, "total_tokens": 107 }),
            ),
            COUNTED,
        ),
        complete_case(
            "null-counts",
            usage_line(
                json!({ "prompt_tokens": null, "completion_tokens": null, "total_tokens": null }),
            ),
            None,
        ),
        complete_case(
            "half-tokens",
            usage_line(json!({ "prompt_tokens": 99.5, "completion_tokens": "7.5" })),
            None,
        ),
        complete_case(
            "absurd",
            usage_line(json!({ "prompt_tokens": 1e14, "completion_tokens": 7 })),
            None,
        ),
        complete_case(
            "each",
            sse(&[
                text("Seven plus five "),
                usage(json!({ "prompt_tokens": 100, "completion_tokens": 3 })),
                text("is twelve."),
                end("stop"),
                usual_usage(),
                done(),
            ]),
            COUNTED,
        ),
        complete_case(
            "xai",
            usage_line(
                json!({ "prompt_tokens": 100, "completion_tokens": 7, "cost_in_usd_ticks": 123_000_000 }),
            ),
            Some((100, 7, 0, "0.012300")),
        ),
        complete_case(
            "dollars",
            usage_line(json!({ "prompt_tokens": 100, "completion_tokens": 7, "cost": "$0.0123" })),
            Some((100, 7, 0, "0.012300")),
        ),
        complete_case(
            "cost-object",
            usage_line(
                json!({ "prompt_tokens": 100, "completion_tokens": 7, "cost": { "total_cost": 0.0123 } }),
            ),
            Some((100, 7, 0, "0.012300")),
        ),
        complete_case(
            "an/texts",
            anthropic(&[
                message_start(json!({ "input_tokens": "100" })),
                block(T),
                message_delta("end_turn", json!({ "output_tokens": "7" })),
                message_stop(),
            ]),
            COUNTED,
        ),
        complete_case(
            "an/none",
            anthropic(&[
                message_start(json!(null)),
                block(T),
                message_delta("end_turn", json!(null)),
                message_stop(),
            ]),
            None,
        ),
        complete_case(
            "ge/total",
            sse(&[
                json!({ "candidates": [{ "content": { "parts": [{ "text": T }] }, "finishReason": "STOP" }], "usageMetadata": { "promptTokenCount": 100, "totalTokenCount": 107 } }),
            ]),
            COUNTED,
        ),
        complete_case(
            "ge/thoughts",
            sse(&[
                json!({ "candidates": [{ "content": { "parts": [{ "text": "So.", "thought": true }, { "text": T }] }, "finishReason": "STOP" }], "usageMetadata": { "promptTokenCount": 100, "candidatesTokenCount": 3, "thoughtsTokenCount": 4 } }),
            ]),
            COUNTED,
        ),
        complete_case(
            "ol/no-prompt",
            ollama(&[
                json!({ "message": { "content": T }, "done": false }),
                json!({ "done": true, "done_reason": "stop", "eval_count": 7 }),
            ]),
            None,
        ),
        complete_case(
            "rs/cached",
            responses(&[
                json!({ "type": "response.output_text.delta", "delta": T }),
                json!({ "type": "response.completed", "response": { "status": "completed", "usage": { "input_tokens": 100, "input_tokens_details": { "cached_tokens": 80 }, "output_tokens": 7 } } }),
            ]),
            CACHED,
        ),
    ]);
}
