//! Tests further quirks of providers like those in `upstream`: other finish reasons, fields with token counts, and
//! markers of reasoning, and other forms of streams, errors, and tool calls.

mod calls;
mod tokens;

use std::io::Write;

use serde_json::{Value, json};

use crate::compatible::key;
use crate::support::line::ScriptLine;
use crate::support::provider::on;
use crate::upstream::{
    Answer, BROKE, Broken, CACHED, COUNTED, Case, JSON, Refused, T, anthropic, block, broken_case,
    case_for_both, check, chunk, complete_case, done, end, end_line, events, events_with, gemini,
    message_delta, message_start, ollama, sse, start_with_cases, text, usage, usage_line,
    usual_usage,
};

const HALF: &str = "Seven plus ";
const FAULT: &str = "the provider has a temporary problem";

/// Returns a complete answer with `middle` between its text and its end.
fn line_between(middle: &str) -> ScriptLine {
    let (first, rest) = (
        events(&[text(T)]),
        events(&[end("stop"), usual_usage(), done()]),
    );
    on("").sse(&(first + middle + &rest))
}

/// Returns a case in which the answer breaks off with this chunk after its first words.
fn breaking_case(model: &'static str, last: Value, status: u16, words: &'static str) -> Case {
    broken_case(model, sse(&[text(HALF), last, done()]), status, words)
}

fn message_stop() -> Value {
    json!({ "type": "message_stop" })
}

/// Returns a stream in the format of the Responses API.
fn responses(objects: &[Value]) -> ScriptLine {
    anthropic(objects)
}

fn text_line(pieces: &[&str]) -> ScriptLine {
    let pieces = pieces.iter().map(|piece| text(piece));
    sse(&{ pieces }
        .chain([end("stop"), usual_usage(), done()])
        .collect::<Vec<_>>())
}

fn zlib(body: &str) -> ScriptLine {
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(body.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: deflate\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        packed.len()
    );
    on("").raw(&[head.as_bytes(), &packed].concat())
}

#[test]
fn nonstandard_finish_reasons_are_classified() {
    let good = |model, reason: &str| {
        complete_case(
            model,
            sse(&[text(T), end(reason), usual_usage(), done()]),
            COUNTED,
        )
    };
    let short = |model, reason: &str| {
        case_for_both(
            model,
            vec![end_line(reason)],
            Answer(HALF, "length"),
            COUNTED,
        )
    };
    let object =
        |reason: Value| sse(&[text(HALF), chunk(json!({}), reason), usual_usage(), done()]);
    check(&[
        broken_case("time-limit", end_line("time_limit"), 502, BROKE),
        broken_case("cancelled", end_line("USER_CANCEL"), 502, BROKE),
        broken_case("incomplete", end_line("incomplete"), 502, BROKE),
        broken_case("not-finished", end_line("not_finished"), 502, BROKE),
        broken_case("number", object(json!(1)), 502, BROKE),
        broken_case(
            "object-abort",
            object(json!({ "type": "abort", "message": "killed" })),
            502,
            BROKE,
        ),
        broken_case("stop-like", end_line("stopped"), 502, BROKE),
        good("object-stop", "stop"),
        complete_case(
            "sglang",
            sse(&[
                text(T),
                chunk(json!({}), json!({ "type": "stop", "matched": 128_009 })),
                usual_usage(),
                done(),
            ]),
            COUNTED,
        ),
        good("titan", "FINISHED"),
        good("jurassic", "endoftext"),
        good("ernie", "normal"),
        good("printed", "FinishReason.STOP"),
        good("enum", "FINISH_REASON_STOP"),
        short("watsonx", "token_limit"),
        short("printed-limit", "FinishReason.MAX_TOKENS"),
        short("hyphen", "max-tokens"),
        case_for_both(
            "toxic",
            vec![end_line("ERROR_TOXIC")],
            Answer(HALF, "content_filter"),
            COUNTED,
        ),
        complete_case(
            "then-null",
            sse(&[
                text(T),
                end("stop"),
                chunk(json!({}), Value::Null),
                usual_usage(),
                done(),
            ]),
            COUNTED,
        ),
        broken_case(
            "an/null",
            anthropic(&[
                message_start(json!({})),
                block(HALF),
                stopped_by(Value::Null),
                message_stop(),
            ]),
            502,
            BROKE,
        ),
        case_for_both(
            "an/length",
            vec![anthropic(&[
                message_start(json!({ "input_tokens": 100 })),
                block(HALF),
                message_delta("max_tokens", json!({ "output_tokens": 7 })),
                message_stop(),
            ])],
            Answer(HALF, "length"),
            COUNTED,
        ),
        case_for_both(
            "an/pause",
            vec![anthropic(&[
                message_start(json!({ "input_tokens": 100 })),
                block(HALF),
                message_delta("pause_turn", json!({ "output_tokens": 7 })),
                message_stop(),
            ])],
            Answer(HALF, "length"),
            COUNTED,
        ),
        complete_case(
            "an/no-stop-event",
            anthropic(&[
                message_start(json!({ "input_tokens": 100 })),
                block(T),
                message_delta("end_turn", json!({ "output_tokens": 7 })),
            ]),
            COUNTED,
        ),
        broken_case(
            "ge/none",
            sse(&[gemini(json!([{ "text": HALF }]), Value::Null)]),
            502,
            BROKE,
        ),
        complete_case(
            "ge/lower",
            sse(&[gemini(json!([{ "text": T }]), json!("stop"))]),
            COUNTED,
        ),
        case_for_both(
            "ge/language",
            vec![sse(&[gemini(json!([{ "text": HALF }]), json!("LANGUAGE"))])],
            Answer(HALF, "content_filter"),
            COUNTED,
        ),
        broken_case(
            "ol/none",
            ollama(&[json!({ "message": { "content": HALF }, "done": false })]),
            502,
            BROKE,
        ),
        broken_case(
            "ol/unload",
            ollama(&[
                json!({ "message": { "content": HALF }, "done": false }),
                json!({ "done": true, "done_reason": "unload" }),
            ]),
            502,
            BROKE,
        ),
        complete_case(
            "rs/completed",
            responses(&[
                json!({ "type": "response.output_text.delta", "delta": T }),
                json!({ "type": "response.completed", "response": { "status": "completed", "usage": { "input_tokens": 100, "output_tokens": 7 } } }),
            ]),
            COUNTED,
        ),
        broken_case(
            "rs/cancelled",
            responses(&[
                json!({ "type": "response.output_text.delta", "delta": HALF }),
                json!({ "type": "response.incomplete", "response": { "status": "cancelled" } }),
            ]),
            502,
            BROKE,
        ),
        broken_case(
            "rs/cut",
            responses(&[json!({ "type": "response.output_text.delta", "delta": HALF })]),
            502,
            BROKE,
        ),
    ]);
}

fn stopped_by(reason: Value) -> Value {
    json!({ "type": "message_delta", "delta": { "stop_reason": reason }, "usage": {} })
}

#[test]
fn nonstandard_stream_errors_are_detected() {
    check(&[
        breaking_case("flag", json!({ "error": true, "message": "backend died" }), 503, FAULT),
        breaking_case("success", json!({ "success": false, "errors": [{ "message": "no capacity" }] }), 503, FAULT),
        breaking_case("msg", json!({ "code": "InternalError", "msg": "worker lost" }), 503, FAULT),
        breaking_case("anthropic-like", json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } }), 503, FAULT),
        breaking_case("problem", json!({ "title": "Service Unavailable", "status": 503, "detail": "draining" }), 503, FAULT),
        breaking_case("apigee", json!({ "fault": { "faultstring": "backend timed out" } }), 503, FAULT),
        breaking_case("tencent", json!({ "Response": { "Error": { "Code": "InternalError", "Message": "lost" } } }), 503, FAULT),
        breaking_case("aws", json!({ "__type": "InternalServerException", "Message": "lost" }), 503, FAULT),
        breaking_case("in-choice", json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "error", "error": { "code": 502, "message": "lost" } }] }), 502, FAULT),
        broken_case("event-error", on("").sse(&(events(&[text(HALF)]) + "event: error\ndata: Internal server error\n\n")), 503, FAULT),
        breaking_case("limited", json!({ "error": { "code": "rate_limit_exceeded", "message": "slow down" } }), 429, "rate limit was reached"),
        breaking_case("too-long", json!({ "error": { "message": "the request exceeds the available context size (4096 tokens), try increasing it", "type": "exceed_context_size_error", "code": 400 } }), 400, "4096"),
        broken_case("ge/list", on("").sse(&(events(&[gemini(json!([{ "text": HALF }]), Value::Null)]) + "data: [{\"error\":{\"code\":500,\"message\":\"lost\",\"status\":\"INTERNAL\"}}]\n\n")), 500, FAULT),
        broken_case("rs/failed", responses(&[json!({ "type": "response.output_text.delta", "delta": HALF }), json!({ "type": "response.failed", "response": { "status": "failed", "error": { "code": "server_error", "message": "lost" } } })]), 503, FAULT),
        broken_case("rs/error", responses(&[json!({ "type": "response.output_text.delta", "delta": HALF }), json!({ "type": "error", "code": "server_error", "message": "lost" })]), 503, FAULT),
    ]);
}

#[test]
fn nonstandard_reasoning_marks_are_separated() {
    let parts = |parts: Value| {
        sse(&[
            chunk(json!({ "content": parts }), Value::Null),
            end("stop"),
            usual_usage(),
            done(),
        ])
    };
    let both_fields = json!({ "reasoning_content": "Okay.", "content": "<think>Okay.</think>" });
    check(&[
        complete_case(
            "attributes",
            text_line(&["<think lang=\"en\">Okay", ".</think>", T]),
            COUNTED,
        ),
        complete_case(
            "answer",
            text_line(&["<think>Okay.</think>\n<ans", "wer>\n", T, "\n</answer>"]),
            COUNTED,
        ),
        complete_case(
            "response",
            text_line(&["<think>Okay.</think>\n\n<response>\n", T, "\n</response>\n"]),
            COUNTED,
        ),
        complete_case(
            "solution",
            text_line(&[
                "<|begin_of_thought|>Okay.<|end_of_thought|>\n\n<|begin_of_solution|>",
                T,
                "<|end_of_solution|>",
            ]),
            COUNTED,
        ),
        complete_case(
            "cohere",
            text_line(&[
                "<|START_THINKING|>Okay.<|END_THINKING|><|START_RESPONSE|>",
                T,
                "<|END_RESPONSE|>",
            ]),
            COUNTED,
        ),
        complete_case(
            "apriel",
            text_line(&["My steps:\n1. Okay.\n[BEGIN FINAL ", "RESPONSE]\n", T]),
            COUNTED,
        ),
        complete_case(
            "apertus",
            text_line(&["<|inner_prefix|>Okay.<|inner_suffix|>", T]),
            COUNTED,
        ),
        complete_case("caps", text_line(&["<THINK>Okay.</THINK>", T]), COUNTED),
        complete_case(
            "split",
            text_line(&["<", "thi", "nk>Okay.</t", "hink>\n", T]),
            COUNTED,
        ),
        complete_case(
            "thinking-parts",
            parts(
                json!([{ "type": "thinking", "thinking": "Okay." }, { "type": "text", "text": T }]),
            ),
            COUNTED,
        ),
        complete_case(
            "reasoning-parts",
            parts(json!([{ "type": "reasoning", "text": "Okay." }, { "type": "text", "text": T }])),
            COUNTED,
        ),
        complete_case(
            "mistral-parts",
            parts(
                json!([{ "type": "thinking", "thinking": [{ "type": "text", "text": "Okay." }] }, { "type": "text", "text": T }]),
            ),
            COUNTED,
        ),
        complete_case(
            "object",
            sse(&[
                chunk(json!({ "reasoning": { "content": "Okay." } }), Value::Null),
                text(T),
                end("stop"),
                usual_usage(),
                done(),
            ]),
            COUNTED,
        ),
        complete_case(
            "both",
            sse(&[
                chunk(both_fields, Value::Null),
                text(T),
                end("stop"),
                usual_usage(),
                done(),
            ]),
            COUNTED,
        ),
        complete_case(
            "tool-like",
            text_line(&["Use `<think>` and `</think>`. ", T]),
            COUNTED,
        )
        .expecting("Use `<think>` and `</think>`. Seven plus five is twelve."),
        complete_case(
            "ol/marks",
            ollama(&[
                json!({ "message": { "content": "<think>Okay.</think>" }, "done": false }),
                json!({ "message": { "content": T }, "done": true, "done_reason": "stop", "prompt_eval_count": 100, "eval_count": 7 }),
            ]),
            COUNTED,
        ),
        complete_case(
            "ol/thinking",
            ollama(&[
                json!({ "message": { "thinking": "Okay.", "content": "" }, "done": false }),
                json!({ "message": { "content": T }, "done": true, "done_reason": "stop", "prompt_eval_count": 100, "eval_count": 7 }),
            ]),
            COUNTED,
        ),
    ]);
}

#[test]
fn nonstandard_streams_are_parsed() {
    let plain = || [text(T), end("stop"), usual_usage(), done()];
    let all = || events(&plain());
    let lines = |separator: &str| {
        plain()
            .iter()
            .take(3)
            .map(|one| format!("{one}{separator}"))
            .collect::<String>()
    };
    let short =
        |piece: &str| json!({ "choices": [{ "index": 0, "text": piece, "finish_reason": null }] });
    let second = json!({ "object": "chat.completion", "choices": [{ "index": 0, "message": { "role": "assistant", "content": T }, "finish_reason": "stop" }] });
    check(&[
        complete_case("mark-twice", on("").sse(&all().replace("data: ", "data: data: ")), COUNTED),
        complete_case("indented", on("").sse(&all().replace("data: ", "  data: ")), COUNTED),
        complete_case("no-line-feed", on("").sse(&events_with(&plain(), "")), COUNTED),
        complete_case("carriage-returns", on("").sse(&events_with(&plain(), "\r\r")), COUNTED),
        complete_case("bare-lines", on("").sse(&lines("\n")), COUNTED),
        complete_case("bare", on("").status(200, JSON, &lines("")), COUNTED),
        complete_case("two-in-one", on("").sse(&format!("data: {}{}\n\n{}", text("Seven plus "), text("five is twelve."), events(&plain()[1..]))), COUNTED),
        complete_case("byte-order-mark", on("").sse(&format!("\u{feff}{}", all())), COUNTED),
        complete_case("small-done", on("").sse(&all().replace("[DONE]", "[done]")), COUNTED),
        complete_case("word-behind", on("").sse(&all().replace("[DONE]", "bye")), COUNTED),
        complete_case("no-done", on("").sse(&events(&plain()[..3])), COUNTED),
        complete_case("ping-object", line_between("data: {\"type\":\"ping\"}\n\n"), COUNTED),
        complete_case("ping-brackets", line_between("data: [PING]\n\n"), COUNTED),
        complete_case("null-data", line_between("data: null\n\nevent: heartbeat\ndata: 1\n\n"), COUNTED),
        complete_case("empty-chunks", line_between("data: {}\n\ndata: {\"choices\":[]}\n\ndata: {\"choices\":[{}]}\n\n"), COUNTED),
        complete_case("retry-and-id", on("").sse(&("retry: 3000\n\nid: 7\nevent: message\n".to_owned() + &all())), COUNTED),
        complete_case("repeated-role", sse(&[chunk(json!({ "role": "assistant", "content": "Seven plus " }), Value::Null), chunk(json!({ "role": "assistant", "content": "five is twelve." }), Value::Null), chunk(json!({ "role": "assistant", "content": "" }), json!("stop")), usual_usage(), done()]), COUNTED),
        complete_case("text-choices", sse(&[short("Seven plus "), short("five is twelve."), end("stop"), usual_usage(), done()]), COUNTED),
        complete_case("message-behind", sse(&[text("Seven plus "), text("five is twelve."), second, usual_usage(), done()]), COUNTED),
        complete_case("other-choice", sse(&[text("Seven plus "), json!({ "choices": [{ "index": 1, "delta": { "content": "Or else." }, "finish_reason": null }] }), text("five is twelve."), end("stop"), usual_usage(), done()]), COUNTED),
        complete_case("filter-first", sse(&[json!({ "choices": [], "prompt_filter_results": [{ "prompt_index": 0 }], "usage": null }), text(T), end("stop"), usual_usage(), done()]), COUNTED),
        complete_case("nul", text_line(&["Seven\u{0} plus five is 😀 twelve."]), COUNTED).expecting("Seven\u{0} plus five is 😀 twelve."),
        complete_case("zlib", zlib(&all()), COUNTED),
        complete_case("content-object", sse(&[chunk(json!({ "content": { "type": "text", "text": T } }), Value::Null), end("stop"), usual_usage(), done()]), COUNTED),
        complete_case("an/data-only", on("").sse(&events(&[message_start(json!({ "input_tokens": 100 })), block(T), message_delta("end_turn", json!({ "output_tokens": 7 })), message_stop()])), COUNTED),
        complete_case("an/in-start", anthropic(&[message_start(json!({ "input_tokens": 100 })), json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": T } }), message_delta("end_turn", json!({ "output_tokens": 7 })), message_stop()]), COUNTED),
        complete_case("ge/signature", sse(&[gemini(json!([{ "text": T }]), Value::Null), gemini(json!([{ "text": "", "thoughtSignature": "abc" }]), json!("STOP"))]), COUNTED),
        complete_case("ge/code", sse(&[gemini(json!([{ "executableCode": { "language": "PYTHON", "code": "print(7+5)" } }, { "text": T }]), json!("STOP"))]), COUNTED),
        complete_case("ol/old", ollama(&[json!({ "message": { "content": T }, "done": false }), json!({ "done": true, "prompt_eval_count": 100, "eval_count": 7 })]), COUNTED),
        complete_case("ol/one", on("").status(200, JSON, &json!({ "message": { "content": T }, "done": true, "done_reason": "stop", "prompt_eval_count": 100, "eval_count": 7 }).to_string()), COUNTED),
        complete_case("rs/done", on("").sse(&events(&[json!({ "type": "response.output_text.delta", "delta": T }), json!({ "type": "response.completed", "response": { "status": "completed", "usage": { "input_tokens": 100, "output_tokens": 7 } } }), done()])), COUNTED),
    ]);
}

#[test]
fn nonstandard_error_responses_are_classified() {
    let refusal = |model, status: u16, body: Value, given: u16, words: &'static str| {
        case_for_both(
            model,
            vec![on("").status(status, JSON, &body.to_string())],
            Refused(given, words),
            None,
        )
    };
    let message = |message: &str| json!({ "error": { "message": message } });
    let then_succeed =
        |line: ScriptLine| vec![line, sse(&[text(T), end("stop"), usual_usage(), done()])];
    let thought = sse(&[
        chunk(json!({ "reasoning_content": "Okay." }), Value::Null),
        end("stop"),
        usual_usage(),
        done(),
    ]);
    let reasoning_only = Case {
        model: "thinks-only",
        lines: vec![thought],
        unstreamed: Refused(502, "empty answer"),
        stream: Broken("", "empty answer"),
        count: None,
    };
    check(&[
        refusal("sglang", 400, json!({ "object": "error", "message": "The input (9000 tokens) is longer than the model's context length (4096 tokens).", "code": 400 }), 400, "4096"),
        refusal("gemini", 400, json!([{ "error": { "code": 400, "message": "The input token count (9000) exceeds the maximum number of tokens allowed (4096).", "status": "INVALID_ARGUMENT" } }]), 400, "4096"),
        refusal("anthropic", 400, json!({ "type": "error", "error": { "type": "invalid_request_error", "message": "prompt is too long: 9000 tokens > 4096 maximum" } }), 400, "4096"),
        refusal("tgi", 422, json!({ "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 9000", "error_type": "validation" }), 422, "4096"),
        refusal("detail-text", 400, json!({ "detail": "maximum context length is 4096 tokens" }), 400, "4096"),
        refusal("in-200", 200, json!({ "message": "maximum context length is 4096 tokens", "type": "BadRequestError" }), 400, "4096"),
        refusal("in-list", 200, json!([{ "error": { "code": 400, "message": "maximum context length is 4096 tokens" } }]), 400, "4096"),
        refusal("code-in-200", 200, json!({ "error": { "code": "429", "message": "slow" } }), 429, "rate limit was reached"),
        refusal("minimax", 200, json!({ "base_resp": { "status_code": 1000, "status_msg": "unknown error" } }), 503, FAULT),
        refusal("no-credit", 200, json!({ "error": { "code": 402, "message": "Insufficient credits" } }), 402, "no credit left"),
        refusal("overloaded", 529, json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } }), 529, FAULT),
        refusal("cloudflare", 524, message("a timeout occurred"), 524, FAULT),
        refusal("empty-object", 200, json!({}), 502, "not a chat completion"),
        case_for_both("retry-zero", then_succeed(on("").header("retry-after", "0").status(429, JSON, "{}")), Answer(T, "stop"), None),
        case_for_both("retry-negative", then_succeed(on("").header("retry-after", "-1").status(429, JSON, "{}")), Answer(T, "stop"), None),
        case_for_both("space-once", then_succeed(text_line(&[" \n\n"])), Answer(T, "stop"), None),
        case_for_both("calls-nothing-once", then_succeed(sse(&[text(""), end("stop"), done()])), Answer(T, "stop"), None),
        case_for_both("cut-once", then_succeed(on("").cut("")), Answer(T, "stop"), None),
        case_for_both("an/overloaded-once", vec![
            anthropic(&[message_start(json!({})), json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } })]),
            anthropic(&[message_start(json!({ "input_tokens": 100 })), block(T), message_delta("end_turn", json!({ "output_tokens": 7 })), message_stop()]),
        ], Answer(T, "stop"), None),
        case_for_both("an/blank-json", vec![on("").status(200, JSON, &json!({ "type": "message", "role": "assistant", "content": [], "stop_reason": "end_turn" }).to_string())], Refused(502, "empty answer"), None),
        case_for_both("ge/thought-too-long", vec![sse(&[json!({ "candidates": [{ "finishReason": "MAX_TOKENS" }], "usageMetadata": { "promptTokenCount": 100, "thoughtsTokenCount": 500 } })])], Refused(502, "raise max_tokens"), None),
        case_for_both("ge/malformed-call", vec![sse(&[gemini(json!([]), json!("MALFORMED_FUNCTION_CALL"))])], Refused(502, "unusable"), None),
        case_for_both("an/refusal", vec![anthropic(&[message_start(json!({})), message_delta("refusal", json!({})), message_stop()])], Refused(400, "refused"), None),
        reasoning_only,
    ]);
}
