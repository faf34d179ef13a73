//! Tests queueing, retries, refused fields, and model lists.

use super::*;

#[test]
fn time_in_the_queue_counts_toward_the_deadline() {
    let provider = Provider::script([on("first").hang()]);
    let llm = Llm::new(LlmSettings {
        max_calls: 1,
        ..llm_settings(&provider)
    });
    let first = start_call(&llm, model_request("first"));
    provider.wait_for_requests(1);
    let second = start_call(
        &llm,
        ModelRequest {
            deadline: Duration::ZERO,
            format: None,
            ..model_request("second")
        },
    );
    first.running.cancel();
    assert_eq!(second.kind(), CallErrorKind::Timeout);
}

#[test]
fn concurrent_calls_complete_with_and_without_a_queue() {
    let provider = Provider::script([on("m").times(104).sse_in_pieces(
        &hello_stream(),
        40,
        Duration::from_millis(2),
    )]);
    for (places, calls) in [(64, 64), (4, 40)] {
        let llm = Llm::new(LlmSettings {
            max_calls: places,
            ..llm_settings(&provider)
        });
        let calls: Vec<Call> = (0..calls)
            .map(|_| start_call(&llm, model_request("m")))
            .collect();
        for call in calls {
            let (text, result) = call.end();
            assert_eq!(
                (text.as_str(), result.unwrap().text.as_str()),
                ("hello", "hello")
            );
        }
    }
}

#[test]
fn temporary_failures_are_retried() {
    let json = "application/json";
    let provider = Provider::script([
        on("busy").status(503, json, "{}"),
        on("busy").raw(b""),
        on("busy").sse(&hello_stream()),
        on("limit")
            .header("retry-after-ms", "20")
            .status(429, json, "{}"),
        on("limit").sse(&hello_stream()),
        on("early").cut(": soon\n\n"),
        on("early").sse(&hello_stream()),
        on("late").times(3).cut(&delta_event("hel")),
        on("down").times(3).status(500, json, "{}"),
        on("poor").status(402, json, "{}"),
        on("far")
            .header("retry-after", "3600")
            .status(429, json, "{}"),
    ]);
    let llm = Llm::new(LlmSettings {
        retries: 2,
        ..llm_settings(&provider)
    });
    for model in ["busy", "limit", "early"] {
        let (text, result) = start_call(&llm, model_request(model)).end();
        assert_eq!((text, result.is_ok()), ("hello".into(), true), "{model}");
    }
    assert_eq!(
        start_call(&llm, model_request("late")).kind(),
        CallErrorKind::Truncated
    );
    let failed_call = start_call(&llm, model_request("down"))
        .result()
        .unwrap_err();
    assert!(
        failed_call.detail.ends_with("(tried 3 times)"),
        "{}",
        failed_call.detail
    );
    assert_eq!(
        start_call(&llm, model_request("poor")).kind(),
        CallErrorKind::Money
    );
    assert_eq!(
        start_call(&llm, model_request("far")).kind(),
        CallErrorKind::RateLimited
    );
}

#[test]
fn a_call_that_waits_to_try_again_can_be_canceled() {
    let provider = Provider::script([on("m").status(503, "application/json", "{}")]);
    let patient = Duration::from_secs(10);
    let llm = Llm::new(LlmSettings {
        retries: 2,
        retry_pause: patient,
        ..llm_settings(&provider)
    });
    let call = start_call(&llm, model_request("m"));
    provider.wait_for_requests(1);
    call.running.cancel();
    assert_eq!(call.kind(), CallErrorKind::Cancelled);
}

#[test]
fn a_field_refused_by_a_model_is_omitted_and_remembered() {
    let refusal = "{\"error\":{\"message\":\"Unsupported parameter\",\"param\":\"temperature\",\"code\":\"unsupported_parameter\"}}";
    let provider = Provider::script([
        on("m").status(400, "application/json", refusal),
        on("m").times(2).sse(&hello_stream()),
        on("n").times(2).status(400, "application/json", refusal),
    ]);
    let llm = Llm::new(llm_settings(&provider));
    let warm = |model: &str| ModelRequest {
        parameters: Parameters {
            temperature: Some(0.5),
            ..Parameters::default()
        },
        ..model_request(model)
    };
    assert!(start_call(&llm, warm("m")).result().is_ok());
    assert!(start_call(&llm, warm("m")).result().is_ok());
    let has_temperature: Vec<bool> = provider
        .requests()
        .iter()
        .map(|asked| asked.body["temperature"].is_number())
        .collect();
    assert_eq!(has_temperature, [true, false, false]);
    // If a provider refuses a field that is no longer sent, the call is not retried.
    assert_eq!(start_call(&llm, warm("n")).kind(), CallErrorKind::Rejected);
}

#[test]
fn unknown_model_is_unavailable() {
    let provider = Provider::script([]);
    let llm = Llm::new(llm_settings(&provider));
    for model in ["gone/m", "m", "demo/nobody"] {
        let request = ModelRequest {
            model: model.into(),
            ..model_request("")
        };
        assert_eq!(
            start_call(&llm, request).kind(),
            CallErrorKind::Unavailable,
            "{model}"
        );
    }
}

/// The thread of a call has a small stack, and the input is as large as allowed. A stack overflow would abort the whole
/// program.
#[test]
fn demo_models_stream_their_answer() {
    const LARGE_TEXT: &str = include_str!("../../data/documents/gpl-3.txt");
    let provider = Provider::script([]);
    let llm = Llm::new(llm_settings(&provider));
    let paragraphs = LARGE_TEXT.split("\n\n").cycle().take(600);
    let source = |(number, text): (usize, &str)| SourcePassage {
        number: number as u32 + 1,
        document: "gpl-3.txt".into(),
        page: 1,
        text: text.to_owned(),
        ..SourcePassage::default()
    };
    let sources: Vec<SourcePassage> = paragraphs.enumerate().map(source).collect();
    for task in [Task::Answer, Task::Review, Task::Revise, Task::Synthesize] {
        let calls: Vec<Call> = ["extract", "phrases", "sceptic", "merge"]
            .into_iter()
            .map(|name| {
                let mut request = model_request("");
                request.model = format!("demo/{name}");
                request.brief = Brief {
                    task,
                    question: "What must be done when source code is conveyed? ".repeat(1_000),
                    sources: sources.clone(),
                    own_text: Some(LARGE_TEXT.to_owned()),
                    peers: vec![Peer {
                        letter: 'A',
                        text: LARGE_TEXT.to_owned(),
                    }],
                    reviews: Vec::new(),
                };
                start_call(&llm, request)
            })
            .collect();
        for call in calls {
            let (text, result) = call.end();
            assert_eq!(result.unwrap().text, text);
            assert!(text.contains("demo algorithm"));
        }
    }
}

#[tokio::test]
async fn a_provider_says_which_models_it_has() {
    let list = "{\"object\":\"list\",\"data\":[{\"id\":\"big\"},{\"id\":\"text-embedding-1\"},{\"id\":\"a/b\"}]}";
    let provider = Provider::script([
        on("GET models").status(503, "text/plain", "in a moment"),
        on("GET models").status(200, "application/json", list),
        on("GET models").status(401, "application/json", "{}"),
    ]);
    let llm = Llm::new(LlmSettings {
        retries: 1,
        ..llm_settings(&provider)
    });
    assert_eq!(llm.providers(None)[0].status, "unknown");
    llm.refresh().await;
    assert_eq!(
        (llm.providers(None)[0].status, llm.providers(None)[0].models),
        ("ready", 2)
    );
    let find_id = |name: &str| llm.find(None, name).map(|model| model.id);
    for (name, id) in [
        ("p/big", Some("p/big")),
        ("big", Some("p/big")),
        ("p/a/b", Some("p/a/b")),
        ("a/b", Some("p/a/b")),
        ("p/whatever", Some("p/whatever")),
        ("mock", Some("demo/extract")),
        ("whatever", None),
        ("q/big", None),
        ("p/", None),
        ("", None),
        ("p/\u{7}", None),
    ] {
        assert_eq!(find_id(name).as_deref(), id, "{name:?}");
    }
    llm.refresh().await;
    let state = llm.providers(None).remove(0);
    assert_eq!(state.status, "unavailable");
    assert!(state.message.contains("key"), "{}", state.message);
    let (_, availability) = llm
        .models(None)
        .into_iter()
        .find(|(model, _)| model.id == "p/big")
        .unwrap();
    assert_eq!(availability, Availability::Unavailable);
}
