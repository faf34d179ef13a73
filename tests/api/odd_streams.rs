//! Tests variations of the provider quirks that were reported, so that each class of quirks is covered instead of a
//! single case.

mod errors;

use serde_json::{Value, json};

use crate::support::line::ScriptLine;
use crate::support::provider::on;
use crate::upstream::{
    Answer, BROKE, CACHED, COUNTED, Case, T, anthropic, block, broken_case, case_for_both, check,
    chunk, complete_case, done, end, end_line, events, events_with, gemini, message_delta,
    message_start, ollama, sse, start_with_cases, text, usage, usage_line, usual_usage,
};

const HALF: &str = "Seven plus ";
const FAULT: &str = "the provider has a temporary problem";

fn choice(extra_fields: Value) -> Value {
    let mut choice = json!({ "index": 0, "delta": {} });
    for (name, value) in extra_fields.as_object().unwrap() {
        choice[name] = value.clone();
    }
    json!({ "choices": [choice] })
}

/// Returns a stream whose last chunk contains the finish reason.
fn line_ending_with(words: &str, last: Value) -> ScriptLine {
    sse(&[text(words), last, usual_usage(), done()])
}

fn truncated_case(model: &'static str, last: Value) -> Case {
    case_for_both(
        model,
        vec![line_ending_with(HALF, last)],
        Answer(HALF, "length"),
        COUNTED,
    )
}

fn message_stop() -> Value {
    json!({ "type": "message_stop" })
}

#[test]
fn unknown_finish_reasons_are_classified() {
    let good = |model, last| complete_case(model, line_ending_with(T, last), COUNTED);
    check(&[
        broken_case("repetition", end_line("repetition"), 502, BROKE),
        broken_case("preempted", end_line("preempted"), 502, BROKE),
        broken_case("timeout", end_line("timeout"), 502, BROKE),
        broken_case("unknown", end_line("unknown"), 502, BROKE),
        broken_case("stop-error", end_line("stop: error"), 502, BROKE),
        good("camel", choice(json!({ "finishReason": "stop" }))),
        good(
            "in-delta",
            choice(json!({ "delta": { "finish_reason": "stop" } })),
        ),
        good("at-top", json!({ "choices": [], "finish_reason": "stop" })),
        good("in-list", choice(json!({ "finish_reason": ["stop"] }))),
        good("end-turn", end("EndTurn")),
        good("quoted", end("\"stop\"")),
        truncated_case("max-tokens", end("MaxTokens")),
        truncated_case(
            "object-length",
            choice(json!({ "finish_reason": { "type": "length", "length": 64 } })),
        ),
        truncated_case(
            "reason-in-object",
            choice(json!({ "finish_reason": { "reason": "max_tokens" } })),
        ),
        // The first valid finish reason is kept, and the empty one in the next chunk is ignored.
        complete_case(
            "then-empty",
            sse(&[text(T), end("stop"), end(""), usual_usage(), done()]),
            COUNTED,
        ),
        broken_case(
            "stop-then-error",
            sse(&[
                text(HALF),
                end("stop"),
                json!({ "error": { "message": "lost", "code": 500 } }),
                done(),
            ]),
            500,
            FAULT,
        ),
        broken_case(
            "an/compaction",
            anthropic(&[
                message_start(json!({})),
                block(HALF),
                message_delta("compaction", json!({})),
                message_stop(),
            ]),
            502,
            BROKE,
        ),
        broken_case(
            "ge/unexpected",
            sse(&[gemini(
                json!([{ "text": HALF }]),
                json!("TOO_MANY_TOOL_CALLS"),
            )]),
            502,
            "unusable",
        ),
        broken_case(
            "ol/cancelled",
            ollama(&[
                json!({ "message": { "content": HALF }, "done": true, "done_reason": "cancelled" }),
            ]),
            502,
            BROKE,
        ),
        case_for_both(
            "rs/filter",
            vec![anthropic(&[
                json!({ "type": "response.output_text.delta", "delta": HALF }),
                json!({ "type": "response.incomplete", "response": { "status": "incomplete", "incomplete_details": { "reason": "content_filter" }, "usage": { "input_tokens": 100, "output_tokens": 7 } } }),
            ])],
            Answer(HALF, "content_filter"),
            COUNTED,
        ),
    ]);
}

fn text_line(pieces: &[&str]) -> ScriptLine {
    let pieces = pieces.iter().map(|piece| text(piece));
    sse(&{ pieces }
        .chain([end("stop"), usual_usage(), done()])
        .collect::<Vec<_>>())
}

#[test]
fn irregular_reasoning_marks_are_separated() {
    let delta = |delta: Value| {
        sse(&[
            chunk(delta, Value::Null),
            text(T),
            end("stop"),
            usual_usage(),
            done(),
        ])
    };
    let thought_flag = json!({ "google": { "thought": true } });
    check(&[
        complete_case(
            "close-twice",
            text_line(&["<think>Okay.</think>\n</think>\n", T]),
            COUNTED,
        ),
        complete_case(
            "open-twice",
            text_line(&["<think>\n<think>\nOkay.\n</think>\n\n", T]),
            COUNTED,
        ),
        complete_case(
            "gemini-flag",
            sse(&[
                chunk(
                    json!({ "content": "<thought>Okay.", "extra_content": thought_flag }),
                    Value::Null,
                ),
                text("</thought>"),
                text(T),
                end("stop"),
                usual_usage(),
                done(),
            ]),
            COUNTED,
        ),
        complete_case(
            "blocks",
            delta(
                json!({ "content": "", "thinking_blocks": [{ "type": "thinking", "thinking": "Okay.", "signature": "s" }] }),
            ),
            COUNTED,
        ),
        complete_case(
            "details-only",
            delta(json!({ "reasoning_details": [{ "type": "reasoning.text", "text": "Okay." }] })),
            COUNTED,
        ),
        complete_case(
            "list-field",
            delta(json!({ "reasoning_content": [{ "type": "text", "text": "Okay." }] })),
            COUNTED,
        ),
        complete_case(
            "thought-flag",
            delta(json!({ "content": [{ "type": "text", "text": "Okay.", "thought": true }] })),
            COUNTED,
        ),
        complete_case(
            "harmony-bare",
            text_line(&[
                "<|channel|>analysis<|message|>Okay.<|channel|>final<|message|>",
                T,
            ]),
            COUNTED,
        ),
        complete_case(
            "gpt-oss-20b",
            text_line(&["analysisWe need 7+5.assist", "antfin", "al", T]),
            COUNTED,
        ),
        complete_case(
            "openai-gpt-oss-120b",
            text_line(&["analysisOkay.assistantcommentaryI add.assistantfinal", T]),
            COUNTED,
        ),
        complete_case(
            "gpt-oss-plain",
            text_line(&["analysis of it: ", T]),
            COUNTED,
        )
        .expecting("analysis of it: Seven plus five is twelve."),
        complete_case(
            "other-oss",
            text_line(&["analysisOkay.assistantfinal", T]),
            COUNTED,
        )
        .expecting("analysisOkay.assistantfinalSeven plus five is twelve."),
    ]);
}

#[test]
fn unknown_token_count_fields_are_parsed() {
    let with_extra_field = |name: &str, value: Value| {
        let mut last = end("stop");
        last[name] = value;
        sse(&[text(T), last, done()])
    };
    let plain = || json!({ "prompt_tokens": 100, "completion_tokens": 7 });
    check(&[
        complete_case(
            "input-output",
            usage_line(json!({ "input": 100, "output": 7, "total": 107 })),
            COUNTED,
        ),
        complete_case(
            "prompt-completion",
            usage_line(json!({ "prompt": 100, "completion": 7 })),
            COUNTED,
        ),
        complete_case(
            "exponent",
            usage_line(json!({ "prompt_tokens": "1e2", "completion_tokens": 7 })),
            COUNTED,
        ),
        complete_case(
            "thousands",
            usage_line(json!({ "prompt_tokens": "0100", "completion_tokens": "7 " })),
            COUNTED,
        ),
        complete_case(
            "metadata",
            with_extra_field(
                "usageMetadata",
                json!({ "promptTokenCount": 100, "candidatesTokenCount": 7 }),
            ),
            COUNTED,
        ),
        complete_case(
            "usage-list",
            with_extra_field("usage", json!([plain()])),
            COUNTED,
        ),
        complete_case("nested", usage_line(json!({ "usage": plain() })), COUNTED),
        complete_case(
            "meta",
            with_extra_field(
                "meta",
                json!({ "billed_units": { "input_tokens": 100, "output_tokens": 7 } }),
            ),
            COUNTED,
        ),
        complete_case(
            "null-details",
            usage_line(
                json!({ "prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": null, "completion_tokens_details": [] }),
            ),
            COUNTED,
        ),
        complete_case(
            "cached-text",
            usage_line(
                json!({ "prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": { "cached_tokens": "80" } }),
            ),
            CACHED,
        ),
        complete_case(
            "cached-float",
            usage_line(
                json!({ "prompt_tokens": 100.0, "completion_tokens": 7, "cached_tokens": 80.0 }),
            ),
            CACHED,
        ),
        complete_case(
            "bool",
            usage_line(json!({ "prompt_tokens": true, "completion_tokens": false })),
            None,
        ),
        complete_case(
            "huge-text",
            usage_line(json!({ "prompt_tokens": "99999999999999999999", "completion_tokens": 7 })),
            None,
        ),
        complete_case(
            "first-then-null",
            sse(&[
                usage(plain()),
                text(T),
                end("stop"),
                usage(Value::Null),
                done(),
            ]),
            COUNTED,
        ),
        complete_case(
            "falls",
            sse(&[
                text(T),
                usage(plain()),
                end("stop"),
                usage(json!({ "prompt_tokens": 0, "completion_tokens": 0 })),
                done(),
            ]),
            COUNTED,
        ),
        complete_case(
            "behind-done",
            on("").sse(
                &(events(&[text(T), end("stop"), usual_usage()])
                    + "data: [DONE]\n\ndata: [DONE]\n\n"),
            ),
            COUNTED,
        ),
        complete_case(
            "cost-exponent",
            usage_line(json!({ "prompt_tokens": 100, "completion_tokens": 7, "cost": "1.23e-2" })),
            Some((100, 7, 0, "0.012300")),
        ),
        complete_case(
            "cost-negative",
            usage_line(json!({ "prompt_tokens": 100, "completion_tokens": 7, "cost": -1 })),
            COUNTED,
        ),
        complete_case(
            "an/cache-in-delta",
            anthropic(&[
                message_start(json!({ "input_tokens": 20 })),
                block(T),
                message_delta(
                    "end_turn",
                    json!({ "output_tokens": 7, "cache_read_input_tokens": 80 }),
                ),
                message_stop(),
            ]),
            CACHED,
        ),
        complete_case(
            "ol/texts",
            ollama(&[
                json!({ "message": { "content": T }, "done": true, "done_reason": "stop", "prompt_eval_count": "100", "eval_count": 7.0 }),
            ]),
            COUNTED,
        ),
    ]);
}

#[test]
fn irregular_streams_are_parsed() {
    let plain = || [text(T), end("stop"), usual_usage(), done()];
    let all = || events(&plain());
    let indented = |object: &Value| {
        let text = serde_json::to_string_pretty(object).unwrap();
        let lines = text.lines().map(|line| format!("data: {line}\n"));
        lines.collect::<String>() + "\n"
    };
    let escaped = all().replace("Seven", "\\u0053even");
    check(&[
        complete_case("pretty", on("").sse(&(indented(&text(T)) + &events(&plain()[1..]))), COUNTED),
        complete_case("mixed-ends", on("").sse(&all().replacen("\n\n", "\r\n\r\n", 2)), COUNTED),
        complete_case("many-blank", on("").sse(&events_with(&plain(), "\n\n\n\n\n")), COUNTED),
        complete_case("space-before-colon", on("").sse(&all().replace("data: ", "data : ")), COUNTED),
        complete_case("capital-field", on("").sse(&all().replace("data: ", "Data: ")), COUNTED),
        complete_case("tab", on("").sse(&all().replace("data: ", "data:\t")), COUNTED),
        complete_case("escaped", on("").sse(&escaped), COUNTED),
        complete_case("array-frames", on("").sse(&events(&[json!([text(T)]), json!([end("stop")]), usual_usage(), done()])), COUNTED),
        complete_case("string-frames", on("").sse(&events(&[json!(json!(text(T).to_string()).to_string()), end("stop"), usual_usage(), done()])), COUNTED),
        complete_case("done-first-line", on("").sse(&format!("event: start\ndata: \n\n{}", all())), COUNTED),
        complete_case("comment-between-lines", on("").sse(&all().replacen("\n\n", "\n: ping\n\n", 1)), COUNTED),
        complete_case("done-object", on("").sse(&(events(&plain()[..3]) + "data: {\"done\":true}\n\n")), COUNTED),
        complete_case("done-event", on("").sse(&(events(&plain()[..3]) + "event: done\ndata: {}\n\n")), COUNTED),
        complete_case("end-comment", on("").sse(&(events(&plain()[..3]) + ": stream complete")), COUNTED),
        complete_case("json-lines", on("").status(200, "application/x-ndjson", &plain()[..3].iter().map(|one| format!("{one}\n")).collect::<String>()), COUNTED),
        complete_case("named-chunks", on("").sse(&all().replace("data: ", "event: chat.completion.chunk\ndata: ")), COUNTED),
        complete_case("wrapped", on("").sse(&events(&[json!({ "data": text(T) }), json!({ "data": end("stop") }), usual_usage(), done()])), COUNTED),
        complete_case("ol/crlf", on("").status(200, "application/x-ndjson", &format!("{}\r\n\r\n{}\r\n", json!({ "message": { "content": T }, "done": false }), json!({ "done": true, "done_reason": "stop", "prompt_eval_count": 100, "eval_count": 7 }))), COUNTED),
        complete_case("ol/sse", on("").sse(&events(&[json!({ "message": { "content": T }, "done": false }), json!({ "done": true, "done_reason": "stop", "prompt_eval_count": 100, "eval_count": 7 })])), COUNTED),
    ]);
}
