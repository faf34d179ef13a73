//! The quirks of providers that are tested, grouped by kind.

use super::*;

pub(super) fn truncated_cases() -> Vec<Case> {
    let vllm = json!({ "object": "error", "message": "EngineCore died", "type": "InternalServerError", "code": 500 });
    vec![
        broken_case(
            "ds-busy",
            end_line("insufficient_system_resource"),
            502,
            BROKE,
        ),
        broken_case("fin-error", end_line("error"), 502, BROKE),
        broken_case("fin-abort", end_line("abort"), 502, BROKE),
        broken_case("fin-network", end_line("network_error"), 502, BROKE),
        broken_case(
            "no-reason",
            sse(&[text("Seven plus "), usual_usage(), done()]),
            502,
            BROKE,
        ),
        broken_case(
            "vllm-error",
            sse(&[text("Seven plus "), vllm, done()]),
            500,
            "the provider has a temporary problem",
        ),
        broken_case(
            "detail",
            sse(&[
                text("Seven plus "),
                json!({ "detail": "worker lost" }),
                done(),
            ]),
            503,
            "the provider has a temporary problem",
        ),
        broken_case(
            "proxy-words",
            on("").sse(&(events(&[text("Seven plus ")]) + "data: upstream connect error\n\n")),
            503,
            "the provider has a temporary problem",
        ),
        broken_case(
            "garbage",
            on("").sse(&(events(&[text("Seven plus ")]) + "data: {\"choices\": [\n\n")),
            502,
            "not a chat completion",
        ),
        case_for_both(
            "fin-caps",
            vec![end_line("MAX_TOKENS")],
            Answer("Seven plus ", "length"),
            COUNTED,
        ),
        case_for_both(
            "fin-length",
            vec![end_line("LENGTH")],
            Answer("Seven plus ", "length"),
            COUNTED,
        ),
        case_for_both(
            "fin-stop-caps",
            vec![sse(&[text(T), end("STOP"), usual_usage(), done()])],
            Answer(T, "stop"),
            COUNTED,
        ),
        broken_case(
            "an/nostop",
            anthropic(&[
                message_start(json!({})),
                block("Seven plus "),
                json!({ "type": "message_stop" }),
            ]),
            502,
            BROKE,
        ),
        broken_case(
            "an/overloaded",
            anthropic(&[
                message_start(json!({})),
                block("Seven plus "),
                json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } }),
            ]),
            503,
            "the provider has a temporary problem",
        ),
        broken_case(
            "ge/other",
            sse(&[
                gemini(json!([{ "text": "Seven plus " }]), Value::Null),
                gemini(json!([]), json!("OTHER")),
            ]),
            502,
            BROKE,
        ),
        broken_case(
            "ge/unspecified",
            sse(&[gemini(
                json!([{ "text": "Seven plus " }]),
                json!("FINISH_REASON_UNSPECIFIED"),
            )]),
            502,
            BROKE,
        ),
        broken_case(
            "ge/error",
            sse(&[
                gemini(json!([{ "text": "Seven plus " }]), Value::Null),
                json!({ "error": { "code": 503, "message": "overloaded", "status": "UNAVAILABLE" } }),
            ]),
            503,
            "the provider has a temporary problem",
        ),
        broken_case(
            "ol/error",
            ollama(&[
                json!({ "message": { "content": "Seven plus " }, "done": false }),
                json!({ "error": "CUDA error" }),
            ]),
            503,
            "the provider has a temporary problem",
        ),
        // The first call fails. A client that has not received anything yet gets the second answer.
        Case {
            model: "busy-once",
            lines: vec![
                end_line("insufficient_system_resource"),
                sse(&[text(T), end("stop"), usual_usage(), done()]),
            ],
            unstreamed: Answer(T, "stop"),
            stream: Broken("Seven plus ", BROKE),
            count: None,
        },
        case_for_both(
            "ge/safety",
            vec![sse(&[
                gemini(json!([{ "text": T }]), Value::Null),
                gemini(json!([]), json!("SAFETY")),
            ])],
            Answer(T, "content_filter"),
            None,
        ),
    ]
}

pub(super) fn counts() -> Vec<Case> {
    let details = json!({ "prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": { "cached_tokens": 80 } });
    let plain = json!({ "prompt_tokens": 100, "completion_tokens": 7 });
    let with = |mut chunk: Value, usage: &Value| {
        chunk["usage"] = usage.clone();
        chunk
    };
    vec![
        complete_case(
            "zero",
            usage_line(json!({ "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0 })),
            None,
        ),
        complete_case("empty", usage_line(json!({})), None),
        complete_case(
            "negative",
            usage_line(json!({ "prompt_tokens": -100, "completion_tokens": -7 })),
            None,
        ),
        complete_case("none", sse(&[text(T), end("stop"), done()]), None),
        complete_case(
            "floats",
            usage_line(json!({ "prompt_tokens": 100.0, "completion_tokens": 7.0 })),
            COUNTED,
        ),
        complete_case(
            "digits",
            usage_line(json!({ "prompt_tokens": "100", "completion_tokens": "7" })),
            COUNTED,
        ),
        complete_case(
            "other-names",
            usage_line(json!({ "input_tokens": 100, "output_tokens": 7 })),
            COUNTED,
        ),
        complete_case(
            "with-choice",
            sse(&[
                text(T),
                end("stop"),
                with(chunk(json!({}), Value::Null), &details),
                done(),
            ]),
            CACHED,
        ),
        complete_case(
            "details-lost",
            sse(&[
                with(text(T), &details),
                end("stop"),
                usage(plain.clone()),
                done(),
            ]),
            CACHED,
        ),
        complete_case(
            "in-choice",
            sse(&[
                text(T),
                json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop", "usage": details }] }),
                done(),
            ]),
            CACHED,
        ),
        complete_case(
            "top-level-cache",
            usage_line(
                json!({ "prompt_tokens": 100, "completion_tokens": 7, "cached_tokens": 80 }),
            ),
            CACHED,
        ),
        complete_case(
            "anthropic-like",
            usage_line(
                json!({ "prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27, "cache_read_input_tokens": 80 }),
            ),
            CACHED,
        ),
        complete_case(
            "cost-text",
            usage_line(json!({ "prompt_tokens": 100, "completion_tokens": 7, "cost": "0.0123" })),
            Some((100, 7, 0, "0.012300")),
        ),
        complete_case(
            "cost-byok",
            usage_line(
                json!({ "prompt_tokens": 100, "completion_tokens": 7, "cost": 0, "is_byok": true, "cost_details": { "upstream_inference_cost": 0.0123 } }),
            ),
            Some((100, 7, 0, "0.012300")),
        ),
        complete_case(
            "an/zero",
            anthropic(&[
                message_start(json!({ "input_tokens": 0, "output_tokens": 0 })),
                block(T),
                message_delta("end_turn", json!({ "output_tokens": 7 })),
                json!({ "type": "message_stop" }),
            ]),
            None,
        ),
        complete_case(
            "an/later",
            anthropic(&[
                message_start(
                    json!({ "input_tokens": 10, "cache_creation_input_tokens": 90, "cache_read_input_tokens": 0, "output_tokens": 1 }),
                ),
                block(T),
                message_delta(
                    "end_turn",
                    json!({ "input_tokens": 20, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 80, "output_tokens": 7 }),
                ),
                json!({ "type": "message_stop" }),
            ]),
            CACHED,
        ),
    ]
}

pub(super) fn reasoning() -> Vec<Case> {
    let message = |pieces: &[&str]| {
        let pieces = pieces.iter().map(|piece| text(piece));
        sse(&pieces
            .chain([end("stop"), usual_usage(), done()])
            .collect::<Vec<_>>())
    };
    vec![
        complete_case(
            "noopen",
            message(&["Okay, 7+5", " is 12.\n</think>\n\n", T]),
            COUNTED,
        ),
        complete_case(
            "bracket",
            message(&["[THINK]Okay, 7+5.", "[/THINK]", T]),
            COUNTED,
        ),
        complete_case("kimi", message(&["◁think▷Okay, 7+5.◁/think▷", T]), COUNTED),
        complete_case(
            "seed",
            message(&["<seed:think>Okay", ".</seed:think>", T]),
            COUNTED,
        ),
        complete_case(
            "twice",
            message(&[
                "<think>Okay.</think>Seven plus ",
                "<think>Hm.</think>five is twelve.",
            ]),
            COUNTED,
        ),
        complete_case(
            "harmony",
            message(&[
                "<|channel|>analysis<|message|>7+5.<|end|><|start|>assistant<|channel|>final<|message|>",
                T,
            ]),
            COUNTED,
        ),
        complete_case(
            "empty-name",
            sse(&[
                chunk(
                    json!({ "content": "", "reasoning_content": "", "reasoning": "because" }),
                    Value::Null,
                ),
                text(T),
                end("stop"),
                usual_usage(),
                done(),
            ]),
            COUNTED,
        ),
    ]
}

pub(super) fn streams() -> Vec<Case> {
    let plain = || [text(T), end("stop"), usual_usage(), done()];
    let whole_json = json!({ "choices": [{ "index": 0, "message": { "content": T }, "finish_reason": "stop" }], "usage": { "prompt_tokens": 100, "completion_tokens": 7 } });
    vec![
        complete_case("plain", sse(&plain()), COUNTED),
        complete_case("json", on("").status(200, JSON, &whole_json.to_string()), COUNTED),
        complete_case("no-space", on("").sse(&events(&plain()).replace("data: ", "data:")), COUNTED),
        complete_case("one-newline", on("").sse(&events_with(&[text("Seven plus "), text("five is twelve."), end("stop"), usual_usage(), done()], "\n")), COUNTED),
        complete_case("crlf", on("").sse(&events_with(&plain(), "\r\n\r\n")), COUNTED),
        complete_case("no-blank-end", on("").sse(events(&[text(T), usual_usage(), end("stop")]).trim_end()), COUNTED),
        complete_case("empty-data", on("").sse(&(events(&[text("Seven plus ")]) + "data:\n\ndata: \n\n" + &events(&[text("five is twelve."), end("stop"), usual_usage(), done()]))), COUNTED),
        complete_case("keep-alive", on("").sse(&("data: : keep-alive\n\nevent: ping\ndata: {}\n\n: soon\n\n".to_owned() + &events(&plain()))), COUNTED),
        complete_case("done-quoted", sse(&[text(T), end("stop"), usual_usage(), json!("\"[DONE]\" ")]), COUNTED),
        complete_case("surrogates", on("").sse(&("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Seven plus five is twelve\\ud83d\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\ude00\"}}]}\n\n".to_owned() + &events(&plain()[1..]))), COUNTED).expecting("Seven plus five is twelve😀"),
        complete_case("gzip", gzip(&events(&plain())), COUNTED),
        complete_case("null-fields", sse(&[json!({ "choices": null, "usage": null }), json!({ "choices": [{ "index": 0, "delta": null }] }), text(T), end("stop"), usual_usage(), done()]), COUNTED),
        complete_case("index-1", on("").sse(&events(&plain()).replace("\"index\":0", "\"index\":1")), COUNTED),
        complete_case("end-twice", sse(&[text("Seven plus "), chunk(json!({ "content": "five " }), json!("stop")), chunk(json!({ "content": "is twelve." }), json!("stop")), usual_usage(), done()]), COUNTED),
        complete_case("empty-reason", sse(&[chunk(json!({ "content": T }), json!("")), end("stop"), usual_usage(), done()]), COUNTED),
        complete_case("cut-behind", on("").cut(&events(&[text(T), usual_usage(), end("stop")])), COUNTED),
        complete_case("ge/array", on("").status(200, JSON, &json!([gemini(json!([{ "text": "Seven plus " }]), Value::Null), gemini(json!([{ "text": "five is twelve." }]), json!("STOP"))]).to_string()), None),
        complete_case("ol/plain", ollama(&[json!({ "message": { "content": T }, "done": false }), json!({ "done": true, "done_reason": "stop", "prompt_eval_count": 100, "eval_count": 7 })]), None),
    ]
}

pub(super) fn failure_cases() -> Vec<Case> {
    let vllm = json!({ "object": "error", "message": "This model's maximum context length is 4096 tokens. However, you requested 9000 tokens.", "type": "BadRequestError", "code": 400 });
    let empty = || sse(&[end("stop"), usual_usage(), done()]);
    let first = |line: ScriptLine| vec![line, sse(&[text(T), end("stop"), usual_usage(), done()])];
    vec![
        case_for_both(
            "context-200",
            vec![on("").status(200, JSON, &vllm.to_string())],
            Refused(400, "4096"),
            None,
        ),
        case_for_both(
            "context-text-200",
            vec![on("").status(
                200,
                JSON,
                "{\"error\":\"maximum context length is 4096 tokens\"}",
            )],
            Refused(400, "4096"),
            None,
        ),
        case_for_both(
            "context-400",
            vec![on("").status(400, JSON, &vllm.to_string())],
            Refused(400, "4096"),
            None,
        ),
        case_for_both(
            "loading-200",
            vec![on("").status(200, JSON, "{\"error\":\"model is loading\"}")],
            Refused(503, "the provider has a temporary problem"),
            None,
        ),
        case_for_both(
            "busy",
            vec![on("").header("retry-after", "3600").status(429, JSON, "{}")],
            Refused(429, "the provider requires"),
            None,
        ),
        case_for_both(
            "down",
            vec![on("").status(502, "text/html", "<html>")],
            Refused(502, "the provider has a temporary problem"),
            None,
        ),
        case_for_both(
            "page",
            vec![on("").status(200, "text/html", "<!doctype html>")],
            Refused(502, "web page"),
            None,
        ),
        case_for_both(
            "nothing",
            vec![on("").raw(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")],
            Refused(502, "response is empty"),
            None,
        ),
        case_for_both("empty", vec![empty()], Refused(502, "empty answer"), None),
        case_for_both(
            "ge/blocked",
            vec![sse(&[
                json!({ "promptFeedback": { "blockReason": "PROHIBITED_CONTENT" } }),
            ])],
            Refused(400, "blocked the question"),
            None,
        ),
        case_for_both("empty-once", first(empty()), Answer(T, "stop"), None),
        case_for_both(
            "empty-stream-once",
            first(on("").sse("")),
            Answer(T, "stop"),
            None,
        ),
        case_for_both(
            "an/empty-once",
            vec![
                anthropic(&[
                    message_start(json!({})),
                    message_delta("end_turn", json!({})),
                    json!({ "type": "message_stop" }),
                ]),
                anthropic(&[
                    message_start(json!({})),
                    block(T),
                    message_delta("end_turn", json!({})),
                    json!({ "type": "message_stop" }),
                ]),
            ],
            Answer(T, "stop"),
            None,
        ),
        case_for_both(
            "error-once",
            first(sse(&[
                json!({ "error": { "message": "Provider returned error", "code": 502 } }),
            ])),
            Answer(T, "stop"),
            None,
        ),
    ]
}
