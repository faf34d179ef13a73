//! Tokens and prices in unusual places.

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
        whole(
            "cohere",
            counted(
                json!({ "billed_units": { "input_tokens": 90, "output_tokens": 7 }, "tokens": { "input_tokens": 100, "output_tokens": 7 } }),
            ),
            COUNTED,
        ),
        whole(
            "bedrock",
            with(
                json!({ "amazon-bedrock-invocationMetrics": { "inputTokenCount": 100, "outputTokenCount": 7 } }),
            ),
            COUNTED,
        ),
        whole(
            "llama-cpp",
            with(
                json!({ "timings": { "prompt_n": 20, "cache_n": 80, "predicted_n": 7, "predicted_ms": 12.5 } }),
            ),
            CACHED,
        ),
        whole(
            "groq",
            with(
                json!({ "x_groq": { "usage": { "prompt_tokens": 100, "completion_tokens": 7 } } }),
            ),
            COUNTED,
        ),
        whole(
            "in-delta",
            sse(&[
                text(T),
                chunk(json!({ "usage": tokens }), json!("stop")),
                done(),
            ]),
            COUNTED,
        ),
        whole(
            "camel",
            counted(
                json!({ "promptTokens": 100, "completionTokens": 7, "promptTokensDetails": { "cachedTokens": 80 } }),
            ),
            CACHED,
        ),
        whole(
            "deepseek",
            counted(
                json!({ "prompt_tokens": 100, "completion_tokens": 7, "prompt_cache_hit_tokens": 80, "prompt_cache_miss_tokens": 20 }),
            ),
            CACHED,
        ),
        whole("total-only", counted(json!({ "total_tokens": 107 })), None),
        whole(
            "no-output",
            counted(json!({ "prompt_tokens": 100, "total_tokens": 107 })),
            COUNTED,
        ),
        whole(
            "zero-output",
            counted(json!({ "prompt_tokens": 100, "completion_tokens": 0, "total_tokens": 107 })),
            COUNTED,
        ),
        whole(
            "null-counts",
            counted(
                json!({ "prompt_tokens": null, "completion_tokens": null, "total_tokens": null }),
            ),
            None,
        ),
        whole(
            "half-tokens",
            counted(json!({ "prompt_tokens": 99.5, "completion_tokens": "7.5" })),
            None,
        ),
        whole(
            "absurd",
            counted(json!({ "prompt_tokens": 1e14, "completion_tokens": 7 })),
            None,
        ),
        whole(
            "each",
            sse(&[
                text("Seven plus five "),
                usage(json!({ "prompt_tokens": 100, "completion_tokens": 3 })),
                text("is twelve."),
                end("stop"),
                usual(),
                done(),
            ]),
            COUNTED,
        ),
        whole(
            "xai",
            counted(
                json!({ "prompt_tokens": 100, "completion_tokens": 7, "cost_in_usd_ticks": 123_000_000 }),
            ),
            Some((100, 7, 0, "0.012300")),
        ),
        whole(
            "dollars",
            counted(json!({ "prompt_tokens": 100, "completion_tokens": 7, "cost": "$0.0123" })),
            Some((100, 7, 0, "0.012300")),
        ),
        whole(
            "cost-object",
            counted(
                json!({ "prompt_tokens": 100, "completion_tokens": 7, "cost": { "total_cost": 0.0123 } }),
            ),
            Some((100, 7, 0, "0.012300")),
        ),
        whole(
            "an/texts",
            anthropic(&[
                started(json!({ "input_tokens": "100" })),
                block(T),
                stopped("end_turn", json!({ "output_tokens": "7" })),
                message_stop(),
            ]),
            COUNTED,
        ),
        whole(
            "an/none",
            anthropic(&[
                started(json!(null)),
                block(T),
                stopped("end_turn", json!(null)),
                message_stop(),
            ]),
            None,
        ),
        whole(
            "ge/total",
            sse(&[
                json!({ "candidates": [{ "content": { "parts": [{ "text": T }] }, "finishReason": "STOP" }], "usageMetadata": { "promptTokenCount": 100, "totalTokenCount": 107 } }),
            ]),
            COUNTED,
        ),
        whole(
            "ge/thoughts",
            sse(&[
                json!({ "candidates": [{ "content": { "parts": [{ "text": "So.", "thought": true }, { "text": T }] }, "finishReason": "STOP" }], "usageMetadata": { "promptTokenCount": 100, "candidatesTokenCount": 3, "thoughtsTokenCount": 4 } }),
            ]),
            COUNTED,
        ),
        whole(
            "ol/no-prompt",
            ollama(&[
                json!({ "message": { "content": T }, "done": false }),
                json!({ "done": true, "done_reason": "stop", "eval_count": 7 }),
            ]),
            None,
        ),
        whole(
            "rs/cached",
            responses(&[
                json!({ "type": "response.output_text.delta", "delta": T }),
                json!({ "type": "response.completed", "response": { "status": "completed", "usage": { "input_tokens": 100, "input_tokens_details": { "cached_tokens": 80 }, "output_tokens": 7 } } }),
            ]),
            CACHED,
        ),
    ]);
}
