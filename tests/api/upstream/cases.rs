//! The cases, grouped by quirk.

use super::*;

pub(super) fn truncated() -> Vec<Case> {
    let vllm = json!({ "object": "error", "message": "EngineCore died", "type": "InternalServerError", "code": 500 });
    vec![
        broken("ds-busy", ended("insufficient_system_resource"), 502, BROKE),
        broken("fin-error", ended("error"), 502, BROKE),
        broken("fin-abort", ended("abort"), 502, BROKE),
        broken("fin-network", ended("network_error"), 502, BROKE),
        broken(
            "no-reason",
            sse(&[text("Seven plus "), usual(), done()]),
            502,
            BROKE,
        ),
        broken(
            "vllm-error",
            sse(&[text("Seven plus "), vllm, done()]),
            500,
            "the provider has a temporary problem",
        ),
        broken(
            "detail",
            sse(&[
                text("Seven plus "),
                json!({ "detail": "worker lost" }),
                done(),
            ]),
            503,
            "the provider has a temporary problem",
        ),
        broken(
            "proxy-words",
            on("").sse(&(events(&[text("Seven plus ")]) + "data: upstream connect error\n\n")),
            503,
            "the provider has a temporary problem",
        ),
        broken(
            "garbage",
            on("").sse(&(events(&[text("Seven plus ")]) + "data: {\"choices\": [\n\n")),
            502,
            "not a chat completion",
        ),
        both(
            "fin-caps",
            vec![ended("MAX_TOKENS")],
            Answer("Seven plus ", "length"),
            COUNTED,
        ),
        both(
            "fin-length",
            vec![ended("LENGTH")],
            Answer("Seven plus ", "length"),
            COUNTED,
        ),
        both(
            "fin-stop-caps",
            vec![sse(&[text(T), end("STOP"), usual(), done()])],
            Answer(T, "stop"),
            COUNTED,
        ),
        broken(
            "an/nostop",
            anthropic(&[
                started(json!({})),
                block("Seven plus "),
                json!({ "type": "message_stop" }),
            ]),
            502,
            BROKE,
        ),
        broken(
            "an/overloaded",
            anthropic(&[
                started(json!({})),
                block("Seven plus "),
                json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } }),
            ]),
            503,
            "the provider has a temporary problem",
        ),
        broken(
            "ge/other",
            sse(&[
                gemini(json!([{ "text": "Seven plus " }]), Value::Null),
                gemini(json!([]), json!("OTHER")),
            ]),
            502,
            BROKE,
        ),
        broken(
            "ge/unspecified",
            sse(&[gemini(
                json!([{ "text": "Seven plus " }]),
                json!("FINISH_REASON_UNSPECIFIED"),
            )]),
            502,
            BROKE,
        ),
        broken(
            "ge/error",
            sse(&[
                gemini(json!([{ "text": "Seven plus " }]), Value::Null),
                json!({ "error": { "code": 503, "message": "overloaded", "status": "UNAVAILABLE" } }),
            ]),
            503,
            "the provider has a temporary problem",
        ),
        broken(
            "ol/error",
            ollama(&[
                json!({ "message": { "content": "Seven plus " }, "done": false }),
                json!({ "error": "CUDA error" }),
            ]),
            503,
            "the provider has a temporary problem",
        ),
        // Fails once: a client that has received nothing yet gets the second answer.
        Case {
            model: "busy-once",
            lines: vec![
                ended("insufficient_system_resource"),
                sse(&[text(T), end("stop"), usual(), done()]),
            ],
            whole: Answer(T, "stop"),
            stream: Broken("Seven plus ", BROKE),
            count: None,
        },
        both(
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
        whole(
            "zero",
            counted(json!({ "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0 })),
            None,
        ),
        whole("empty", counted(json!({})), None),
        whole(
            "negative",
            counted(json!({ "prompt_tokens": -100, "completion_tokens": -7 })),
            None,
        ),
        whole("none", sse(&[text(T), end("stop"), done()]), None),
        whole(
            "floats",
            counted(json!({ "prompt_tokens": 100.0, "completion_tokens": 7.0 })),
            COUNTED,
        ),
        whole(
            "digits",
            counted(json!({ "prompt_tokens": "100", "completion_tokens": "7" })),
            COUNTED,
        ),
        whole(
            "other-names",
            counted(json!({ "input_tokens": 100, "output_tokens": 7 })),
            COUNTED,
        ),
        whole(
            "with-choice",
            sse(&[
                text(T),
                end("stop"),
                with(chunk(json!({}), Value::Null), &details),
                done(),
            ]),
            CACHED,
        ),
        whole(
            "details-lost",
            sse(&[
                with(text(T), &details),
                end("stop"),
                usage(plain.clone()),
                done(),
            ]),
            CACHED,
        ),
        whole(
            "in-choice",
            sse(&[
                text(T),
                json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop", "usage": details }] }),
                done(),
            ]),
            CACHED,
        ),
        whole(
            "top-level-cache",
            counted(json!({ "prompt_tokens": 100, "completion_tokens": 7, "cached_tokens": 80 })),
            CACHED,
        ),
        whole(
            "anthropic-like",
            counted(
                json!({ "prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27, "cache_read_input_tokens": 80 }),
            ),
            CACHED,
        ),
        whole(
            "cost-text",
            counted(json!({ "prompt_tokens": 100, "completion_tokens": 7, "cost": "0.0123" })),
            Some((100, 7, 0, "0.012300")),
        ),
        whole(
            "cost-byok",
            counted(
                json!({ "prompt_tokens": 100, "completion_tokens": 7, "cost": 0, "is_byok": true, "cost_details": { "upstream_inference_cost": 0.0123 } }),
            ),
            Some((100, 7, 0, "0.012300")),
        ),
        whole(
            "an/zero",
            anthropic(&[
                started(json!({ "input_tokens": 0, "output_tokens": 0 })),
                block(T),
                stopped("end_turn", json!({ "output_tokens": 7 })),
                json!({ "type": "message_stop" }),
            ]),
            None,
        ),
        whole(
            "an/later",
            anthropic(&[
                started(
                    json!({ "input_tokens": 10, "cache_creation_input_tokens": 90, "cache_read_input_tokens": 0, "output_tokens": 1 }),
                ),
                block(T),
                stopped(
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
            .chain([end("stop"), usual(), done()])
            .collect::<Vec<_>>())
    };
    vec![
        whole(
            "noopen",
            message(&["Okay, 7+5", " is 12.\n</think>\n\n", T]),
            COUNTED,
        ),
        whole(
            "bracket",
            message(&["[THINK]Okay, 7+5.", "[/THINK]", T]),
            COUNTED,
        ),
        whole("kimi", message(&["◁think▷Okay, 7+5.◁/think▷", T]), COUNTED),
        whole(
            "seed",
            message(&["<seed:think>Okay", ".</seed:think>", T]),
            COUNTED,
        ),
        whole(
            "twice",
            message(&[
                "<think>Okay.</think>Seven plus ",
                "<think>Hm.</think>five is twelve.",
            ]),
            COUNTED,
        ),
        whole(
            "harmony",
            message(&[
                "<|channel|>analysis<|message|>7+5.<|end|><|start|>assistant<|channel|>final<|message|>",
                T,
            ]),
            COUNTED,
        ),
        whole(
            "empty-name",
            sse(&[
                chunk(
                    json!({ "content": "", "reasoning_content": "", "reasoning": "because" }),
                    Value::Null,
                ),
                text(T),
                end("stop"),
                usual(),
                done(),
            ]),
            COUNTED,
        ),
    ]
}

pub(super) fn streams() -> Vec<Case> {
    let plain = || [text(T), end("stop"), usual(), done()];
    let whole_json = json!({ "choices": [{ "index": 0, "message": { "content": T }, "finish_reason": "stop" }], "usage": { "prompt_tokens": 100, "completion_tokens": 7 } });
    vec![
        whole("plain", sse(&plain()), COUNTED),
        whole("json", on("").status(200, JSON, &whole_json.to_string()), COUNTED),
        whole("no-space", on("").sse(&events(&plain()).replace("data: ", "data:")), COUNTED),
        whole("one-newline", on("").sse(&events_with(&[text("Seven plus "), text("five is twelve."), end("stop"), usual(), done()], "\n")), COUNTED),
        whole("crlf", on("").sse(&events_with(&plain(), "\r\n\r\n")), COUNTED),
        whole("no-blank-end", on("").sse(events(&[text(T), usual(), end("stop")]).trim_end()), COUNTED),
        whole("empty-data", on("").sse(&(events(&[text("Seven plus ")]) + "data:\n\ndata: \n\n" + &events(&[text("five is twelve."), end("stop"), usual(), done()]))), COUNTED),
        whole("keep-alive", on("").sse(&("data: : keep-alive\n\nevent: ping\ndata: {}\n\n: soon\n\n".to_owned() + &events(&plain()))), COUNTED),
        whole("done-quoted", sse(&[text(T), end("stop"), usual(), json!("\"[DONE]\" ")]), COUNTED),
        whole("surrogates", on("").sse(&("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Seven plus five is twelve\\ud83d\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\ude00\"}}]}\n\n".to_owned() + &events(&plain()[1..]))), COUNTED).expecting("Seven plus five is twelve😀"),
        whole("gzip", gzip(&events(&plain())), COUNTED),
        whole("null-fields", sse(&[json!({ "choices": null, "usage": null }), json!({ "choices": [{ "index": 0, "delta": null }] }), text(T), end("stop"), usual(), done()]), COUNTED),
        whole("index-1", on("").sse(&events(&plain()).replace("\"index\":0", "\"index\":1")), COUNTED),
        whole("end-twice", sse(&[text("Seven plus "), chunk(json!({ "content": "five " }), json!("stop")), chunk(json!({ "content": "is twelve." }), json!("stop")), usual(), done()]), COUNTED),
        whole("empty-reason", sse(&[chunk(json!({ "content": T }), json!("")), end("stop"), usual(), done()]), COUNTED),
        whole("cut-behind", on("").cut(&events(&[text(T), usual(), end("stop")])), COUNTED),
        whole("ge/array", on("").status(200, JSON, &json!([gemini(json!([{ "text": "Seven plus " }]), Value::Null), gemini(json!([{ "text": "five is twelve." }]), json!("STOP"))]).to_string()), None),
        whole("ol/plain", ollama(&[json!({ "message": { "content": T }, "done": false }), json!({ "done": true, "done_reason": "stop", "prompt_eval_count": 100, "eval_count": 7 })]), None),
    ]
}

pub(super) fn failures() -> Vec<Case> {
    let vllm = json!({ "object": "error", "message": "This model's maximum context length is 4096 tokens. However, you requested 9000 tokens.", "type": "BadRequestError", "code": 400 });
    let empty = || sse(&[end("stop"), usual(), done()]);
    let first = |line: ScriptLine| vec![line, sse(&[text(T), end("stop"), usual(), done()])];
    vec![
        both(
            "context-200",
            vec![on("").status(200, JSON, &vllm.to_string())],
            Refused(400, "4096"),
            None,
        ),
        both(
            "context-text-200",
            vec![on("").status(
                200,
                JSON,
                "{\"error\":\"maximum context length is 4096 tokens\"}",
            )],
            Refused(400, "4096"),
            None,
        ),
        both(
            "context-400",
            vec![on("").status(400, JSON, &vllm.to_string())],
            Refused(400, "4096"),
            None,
        ),
        both(
            "loading-200",
            vec![on("").status(200, JSON, "{\"error\":\"model is loading\"}")],
            Refused(503, "the provider has a temporary problem"),
            None,
        ),
        both(
            "busy",
            vec![on("").header("retry-after", "3600").status(429, JSON, "{}")],
            Refused(429, "the provider requires"),
            None,
        ),
        both(
            "down",
            vec![on("").status(502, "text/html", "<html>")],
            Refused(502, "the provider has a temporary problem"),
            None,
        ),
        both(
            "page",
            vec![on("").status(200, "text/html", "<!doctype html>")],
            Refused(502, "web page"),
            None,
        ),
        both(
            "nothing",
            vec![on("").raw(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")],
            Refused(502, "response is empty"),
            None,
        ),
        both("empty", vec![empty()], Refused(502, "empty answer"), None),
        both(
            "ge/blocked",
            vec![sse(&[
                json!({ "promptFeedback": { "blockReason": "PROHIBITED_CONTENT" } }),
            ])],
            Refused(400, "blocked the question"),
            None,
        ),
        both("empty-once", first(empty()), Answer(T, "stop"), None),
        both(
            "empty-stream-once",
            first(on("").sse("")),
            Answer(T, "stop"),
            None,
        ),
        both(
            "an/empty-once",
            vec![
                anthropic(&[
                    started(json!({})),
                    stopped("end_turn", json!({})),
                    json!({ "type": "message_stop" }),
                ]),
                anthropic(&[
                    started(json!({})),
                    block(T),
                    stopped("end_turn", json!({})),
                    json!({ "type": "message_stop" }),
                ]),
            ],
            Answer(T, "stop"),
            None,
        ),
        both(
            "error-once",
            first(sse(&[
                json!({ "error": { "message": "Provider returned error", "code": 502 } }),
            ])),
            Answer(T, "stop"),
            None,
        ),
    ]
}
