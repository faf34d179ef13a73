//! Quirks beyond the reported ones: variations of the known cases in each class, to test the class rather than a
//! single case.

mod errors;

use serde_json::{Value, json};

use crate::support::line::ScriptLine;
use crate::support::provider::on;
use crate::upstream::{
    Answer, BROKE, CACHED, COUNTED, Case, T, anthropic, block, both, broken, check, chunk, counted,
    done, end, ended, events, events_with, gemini, ollama, playing, sse, started, stopped, text,
    usage, usual, whole,
};

const HALF: &str = "Seven plus ";
const FAULT: &str = "the provider has a temporary problem";

fn choice(more: Value) -> Value {
    let mut choice = json!({ "index": 0, "delta": {} });
    for (name, value) in more.as_object().unwrap() {
        choice[name] = value.clone();
    }
    json!({ "choices": [choice] })
}

/// Returns a stream whose last chunk gives the reason for its end.
fn ending(words: &str, last: Value) -> ScriptLine {
    sse(&[text(words), last, usual(), done()])
}

fn short(model: &'static str, last: Value) -> Case {
    both(
        model,
        vec![ending(HALF, last)],
        Answer(HALF, "length"),
        COUNTED,
    )
}

fn message_stop() -> Value {
    json!({ "type": "message_stop" })
}

#[test]
fn unknown_finish_reasons_are_classified() {
    let good = |model, last| whole(model, ending(T, last), COUNTED);
    check(&[
        broken("repetition", ended("repetition"), 502, BROKE),
        broken("preempted", ended("preempted"), 502, BROKE),
        broken("timeout", ended("timeout"), 502, BROKE),
        broken("unknown", ended("unknown"), 502, BROKE),
        broken("stop-error", ended("stop: error"), 502, BROKE),
        good("camel", choice(json!({ "finishReason": "stop" }))),
        good(
            "in-delta",
            choice(json!({ "delta": { "finish_reason": "stop" } })),
        ),
        good("at-top", json!({ "choices": [], "finish_reason": "stop" })),
        good("in-list", choice(json!({ "finish_reason": ["stop"] }))),
        good("end-turn", end("EndTurn")),
        good("quoted", end("\"stop\"")),
        short("max-tokens", end("MaxTokens")),
        short(
            "object-length",
            choice(json!({ "finish_reason": { "type": "length", "length": 64 } })),
        ),
        short(
            "reason-in-object",
            choice(json!({ "finish_reason": { "reason": "max_tokens" } })),
        ),
        // The first valid value is kept; an empty chunk after it changes nothing.
        whole(
            "then-empty",
            sse(&[text(T), end("stop"), end(""), usual(), done()]),
            COUNTED,
        ),
        broken(
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
        broken(
            "an/compaction",
            anthropic(&[
                started(json!({})),
                block(HALF),
                stopped("compaction", json!({})),
                message_stop(),
            ]),
            502,
            BROKE,
        ),
        broken(
            "ge/unexpected",
            sse(&[gemini(
                json!([{ "text": HALF }]),
                json!("TOO_MANY_TOOL_CALLS"),
            )]),
            502,
            "unusable",
        ),
        broken(
            "ol/cancelled",
            ollama(&[
                json!({ "message": { "content": HALF }, "done": true, "done_reason": "cancelled" }),
            ]),
            502,
            BROKE,
        ),
        both(
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

fn said(pieces: &[&str]) -> ScriptLine {
    let pieces = pieces.iter().map(|piece| text(piece));
    sse(&{ pieces }
        .chain([end("stop"), usual(), done()])
        .collect::<Vec<_>>())
}

#[test]
fn irregular_reasoning_marks_are_separated() {
    let delta = |delta: Value| {
        sse(&[
            chunk(delta, Value::Null),
            text(T),
            end("stop"),
            usual(),
            done(),
        ])
    };
    let flagged = json!({ "google": { "thought": true } });
    check(&[
        whole(
            "close-twice",
            said(&["<think>Okay.</think>\n</think>\n", T]),
            COUNTED,
        ),
        whole(
            "open-twice",
            said(&["<think>\n<think>\nOkay.\n</think>\n\n", T]),
            COUNTED,
        ),
        whole(
            "gemini-flag",
            sse(&[
                chunk(
                    json!({ "content": "<thought>Okay.", "extra_content": flagged }),
                    Value::Null,
                ),
                text("</thought>"),
                text(T),
                end("stop"),
                usual(),
                done(),
            ]),
            COUNTED,
        ),
        whole(
            "blocks",
            delta(
                json!({ "content": "", "thinking_blocks": [{ "type": "thinking", "thinking": "Okay.", "signature": "s" }] }),
            ),
            COUNTED,
        ),
        whole(
            "details-only",
            delta(json!({ "reasoning_details": [{ "type": "reasoning.text", "text": "Okay." }] })),
            COUNTED,
        ),
        whole(
            "list-field",
            delta(json!({ "reasoning_content": [{ "type": "text", "text": "Okay." }] })),
            COUNTED,
        ),
        whole(
            "thought-flag",
            delta(json!({ "content": [{ "type": "text", "text": "Okay.", "thought": true }] })),
            COUNTED,
        ),
        whole(
            "harmony-bare",
            said(&[
                "<|channel|>analysis<|message|>Okay.<|channel|>final<|message|>",
                T,
            ]),
            COUNTED,
        ),
        whole(
            "gpt-oss-20b",
            said(&["analysisWe need 7+5.assist", "antfin", "al", T]),
            COUNTED,
        ),
        whole(
            "openai-gpt-oss-120b",
            said(&["analysisOkay.assistantcommentaryI add.assistantfinal", T]),
            COUNTED,
        ),
        whole("gpt-oss-plain", said(&["analysis of it: ", T]), COUNTED)
            .expecting("analysis of it: Seven plus five is twelve."),
        whole(
            "other-oss",
            said(&["analysisOkay.assistantfinal", T]),
            COUNTED,
        )
        .expecting("analysisOkay.assistantfinalSeven plus five is twelve."),
    ]);
}

#[test]
fn unknown_token_count_fields_are_parsed() {
    let beside = |name: &str, value: Value| {
        let mut last = end("stop");
        last[name] = value;
        sse(&[text(T), last, done()])
    };
    let plain = || json!({ "prompt_tokens": 100, "completion_tokens": 7 });
    check(&[
        whole(
            "input-output",
            counted(json!({ "input": 100, "output": 7, "total": 107 })),
            COUNTED,
        ),
        whole(
            "prompt-completion",
            counted(json!({ "prompt": 100, "completion": 7 })),
            COUNTED,
        ),
        whole(
            "exponent",
            counted(json!({ "prompt_tokens": "1e2", "completion_tokens": 7 })),
            COUNTED,
        ),
        whole(
            "thousands",
            counted(json!({ "prompt_tokens": "0100", "completion_tokens": "7 " })),
            COUNTED,
        ),
        whole(
            "metadata",
            beside(
                "usageMetadata",
                json!({ "promptTokenCount": 100, "candidatesTokenCount": 7 }),
            ),
            COUNTED,
        ),
        whole("usage-list", beside("usage", json!([plain()])), COUNTED),
        whole("nested", counted(json!({ "usage": plain() })), COUNTED),
        whole(
            "meta",
            beside(
                "meta",
                json!({ "billed_units": { "input_tokens": 100, "output_tokens": 7 } }),
            ),
            COUNTED,
        ),
        whole(
            "null-details",
            counted(
                json!({ "prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": null, "completion_tokens_details": [] }),
            ),
            COUNTED,
        ),
        whole(
            "cached-text",
            counted(
                json!({ "prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": { "cached_tokens": "80" } }),
            ),
            CACHED,
        ),
        whole(
            "cached-float",
            counted(
                json!({ "prompt_tokens": 100.0, "completion_tokens": 7, "cached_tokens": 80.0 }),
            ),
            CACHED,
        ),
        whole(
            "bool",
            counted(json!({ "prompt_tokens": true, "completion_tokens": false })),
            None,
        ),
        whole(
            "huge-text",
            counted(json!({ "prompt_tokens": "99999999999999999999", "completion_tokens": 7 })),
            None,
        ),
        whole(
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
        whole(
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
        whole(
            "behind-done",
            on("").sse(
                &(events(&[text(T), end("stop"), usual()]) + "data: [DONE]\n\ndata: [DONE]\n\n"),
            ),
            COUNTED,
        ),
        whole(
            "cost-exponent",
            counted(json!({ "prompt_tokens": 100, "completion_tokens": 7, "cost": "1.23e-2" })),
            Some((100, 7, 0, "0.012300")),
        ),
        whole(
            "cost-negative",
            counted(json!({ "prompt_tokens": 100, "completion_tokens": 7, "cost": -1 })),
            COUNTED,
        ),
        whole(
            "an/cache-in-delta",
            anthropic(&[
                started(json!({ "input_tokens": 20 })),
                block(T),
                stopped(
                    "end_turn",
                    json!({ "output_tokens": 7, "cache_read_input_tokens": 80 }),
                ),
                message_stop(),
            ]),
            CACHED,
        ),
        whole(
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
    let plain = || [text(T), end("stop"), usual(), done()];
    let all = || events(&plain());
    let indented = |object: &Value| {
        let text = serde_json::to_string_pretty(object).unwrap();
        let lines = text.lines().map(|line| format!("data: {line}\n"));
        lines.collect::<String>() + "\n"
    };
    let escaped = all().replace("Seven", "\\u0053even");
    check(&[
        whole("pretty", on("").sse(&(indented(&text(T)) + &events(&plain()[1..]))), COUNTED),
        whole("mixed-ends", on("").sse(&all().replacen("\n\n", "\r\n\r\n", 2)), COUNTED),
        whole("many-blank", on("").sse(&events_with(&plain(), "\n\n\n\n\n")), COUNTED),
        whole("space-before-colon", on("").sse(&all().replace("data: ", "data : ")), COUNTED),
        whole("capital-field", on("").sse(&all().replace("data: ", "Data: ")), COUNTED),
        whole("tab", on("").sse(&all().replace("data: ", "data:\t")), COUNTED),
        whole("escaped", on("").sse(&escaped), COUNTED),
        whole("array-frames", on("").sse(&events(&[json!([text(T)]), json!([end("stop")]), usual(), done()])), COUNTED),
        whole("string-frames", on("").sse(&events(&[json!(json!(text(T).to_string()).to_string()), end("stop"), usual(), done()])), COUNTED),
        whole("done-first-line", on("").sse(&format!("event: start\ndata: \n\n{}", all())), COUNTED),
        whole("comment-between-lines", on("").sse(&all().replacen("\n\n", "\n: ping\n\n", 1)), COUNTED),
        whole("done-object", on("").sse(&(events(&plain()[..3]) + "data: {\"done\":true}\n\n")), COUNTED),
        whole("done-event", on("").sse(&(events(&plain()[..3]) + "event: done\ndata: {}\n\n")), COUNTED),
        whole("end-comment", on("").sse(&(events(&plain()[..3]) + ": stream complete")), COUNTED),
        whole("json-lines", on("").status(200, "application/x-ndjson", &plain()[..3].iter().map(|one| format!("{one}\n")).collect::<String>()), COUNTED),
        whole("named-chunks", on("").sse(&all().replace("data: ", "event: chat.completion.chunk\ndata: ")), COUNTED),
        whole("wrapped", on("").sse(&events(&[json!({ "data": text(T) }), json!({ "data": end("stop") }), usual(), done()])), COUNTED),
        whole("ol/crlf", on("").status(200, "application/x-ndjson", &format!("{}\r\n\r\n{}\r\n", json!({ "message": { "content": T }, "done": false }), json!({ "done": true, "done_reason": "stop", "prompt_eval_count": 100, "eval_count": 7 }))), COUNTED),
        whole("ol/sse", on("").sse(&events(&[json!({ "message": { "content": T }, "done": false }), json!({ "done": true, "done_reason": "stop", "prompt_eval_count": 100, "eval_count": 7 })])), COUNTED),
    ]);
}
