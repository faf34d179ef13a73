//! Tests faults that llmock injects, and checks what llmock itself reports about how its client has handled them.

use std::process::Command;

use serde_json::{Value, json};

use crate::mock::{Asking, Mock, find_program};

fn start_mock() -> Option<(Mock, Asking)> {
    // Without a pause between chunks, llmock may have sent a whole stream before its client can stop reading, and would
    // then report that the client has not stopped.
    let mock = Mock::start(
        "venv/bin/llmock",
        &["serve", "--stream-chunk-delay-ms", "40"],
    )?;
    let at = |path: &str| format!("{}{path}", mock.url);
    let providers = json!([
        {"id": "openai", "base_url": at("/v1"), "api_key": "k"},
        {"id": "anthropic", "base_url": at("/anthropic/v1"), "api_key": "k"},
        {"id": "google", "base_url": at("/gemini/v1beta"), "api_key": "k"},
        {"id": "mistral", "base_url": at("/mistral/v1"), "api_key": "k"},
        {"id": "groq", "base_url": at("/groq/openai/v1"), "api_key": "k"},
        {"id": "together", "base_url": at("/together/v1"), "api_key": "k"},
        {"id": "xai", "base_url": at("/xai/v1"), "api_key": "k"},
    ]);
    let settings = [
        ("RETRIES", "2"),
        ("FIRST_TOKEN_TIMEOUT", "2"),
        ("TOKEN_TIMEOUT", "2"),
        ("DISCOVER_LOCAL", "false"),
    ];
    let asking = Asking::start(&providers, &settings);
    Some((mock, asking))
}

fn set_behaviors(mock: &Mock, behaviors: Value) {
    mock.post("/_llmock/scenario", &json!({"behaviors": behaviors}));
}

/// Checks that llmock reports no errors in how its client has handled the answers.
fn check_judgment(mock: &Mock) {
    let verdict = mock.get("/_llmock/verdict");
    let findings = verdict["findings"].as_array().unwrap();
    let errors: Vec<&Value> = findings
        .iter()
        .filter(|finding| finding["severity"] == "error")
        .collect();
    assert!(errors.is_empty(), "{verdict:#}");
}

const PANEL: [&str; 7] = [
    "openai/gpt-4o",
    "anthropic/claude-sonnet-4-5",
    "google/gemini-2.5-flash",
    "mistral/mistral-large-latest",
    "groq/llama-3.3-70b-versatile",
    "together/some-llama",
    "xai/grok-4",
];

#[test]
fn seven_vendors_answer_in_one_panel() {
    let Some((mock, mut asking)) = start_mock() else {
        return;
    };
    let says = |model: &str| {
        let name = model.split_once('/').unwrap().1;
        json!({"type": "reply", "text": format!("{name} says: a tenth of a millimetre."), "match": {"model": name}})
    };
    set_behaviors(&mock, json!(PANEL.map(says)));
    let result = asking.panel(&PANEL, "openai/gpt-4o-mini");
    assert_eq!(result["status"], "completed", "{result:#}");
    for model in PANEL {
        let answer = Asking::answer(&result, model);
        let name = model.split_once('/').unwrap().1;
        let text = format!("{name} says: a tenth of a millimetre.");
        assert_eq!(answer["text"], text, "{answer:#}");
        let usage = &answer["usage"];
        assert!(usage["input"].as_u64() > Some(0) && usage["output"].as_u64() > Some(0));
    }
    check_judgment(&mock);
}

#[test]
fn temporary_failures_are_retried_after_the_stated_delay_and_lasting_ones_are_not() {
    let Some((mock, mut asking)) = start_mock() else {
        return;
    };
    let fail = |model: &str, status: u16, times: usize| {
        let name = model.split_once('/').unwrap().1;
        json!({"type": "fail", "status": status, "retry_after": 1, "times": times, "match": {"model": name}})
    };
    set_behaviors(
        &mock,
        json!([
            fail(PANEL[0], 429, 1),
            fail(PANEL[1], 529, 1),
            fail(PANEL[2], 503, 2),
            fail(PANEL[3], 500, 1),
            fail(PANEL[4], 401, 1),
            fail(PANEL[5], 400, 1),
        ]),
    );
    let result = asking.panel(&PANEL, "openai/gpt-4o-mini");
    assert_eq!(result["status"], "completed", "{result:#}");
    for (place, model) in PANEL.iter().enumerate() {
        let expected = if place == 4 || place == 5 {
            "failed"
        } else {
            "completed"
        };
        assert_eq!(
            Asking::answer(&result, model)["status"],
            expected,
            "{model}"
        );
    }
    check_judgment(&mock);
}

#[test]
fn an_interrupted_stream_is_never_a_complete_answer() {
    let Some((mock, mut asking)) = start_mock() else {
        return;
    };
    let kinds = ["disconnect", "truncate", "stall", "malformed"];
    let vendors = [PANEL[0], PANEL[1], PANEL[2]];
    for kind in kinds {
        let error = |model: &str| {
            let name = model.split_once('/').unwrap().1;
            json!({"type": "stream_fault", "kind": kind, "after_chunks": 2, "stall_seconds": 6, "times": 3, "match": {"model": name}})
        };
        set_behaviors(&mock, json!(vendors.map(error)));
        let result = asking.panel(&vendors, "openai/gpt-4o-mini");
        for model in vendors {
            let answer = Asking::answer(&result, model);
            assert_eq!(answer["status"], "failed", "{kind}: {answer:#}");
        }
        mock.post("/_llmock/reset", &json!({}));
    }
}

/// Checks with llmock's own command for CI that there are no problems, not even warnings.
fn check_strict_judgment(mock: &Mock, what: &str) {
    let program = find_program("venv/bin/llmock").expect("it is running");
    let report = Command::new(program)
        .args(["report", "--strict", "--url", &mock.url])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&report.stdout);
    assert!(report.status.success(), "{what}: {text}");
}

/// Faults that are overcome with a retry, each with the number of times that it occurs: streams that break off before,
/// in, and after their text, and every status after which Quire retries.
fn recoverable_faults() -> Vec<Value> {
    let mut faults = Vec::new();
    for kind in ["disconnect", "truncate", "malformed", "stall"] {
        for after in [0, 2, 6] {
            faults.push(json!({ "type": "stream_fault", "kind": kind, "after_chunks": after, "stall_seconds": 6 }));
        }
    }
    for kind in ["disconnect", "truncate"] {
        faults.push(json!({ "type": "stream_fault", "kind": kind, "after_chunks": 2, "times": 2 }));
    }
    for status in [408, 409, 429, 500, 502, 503, 504, 529] {
        faults.push(json!({ "type": "fail", "status": status }));
    }
    for status in [500, 503] {
        faults.push(json!({ "type": "fail", "status": status, "times": 2 }));
    }
    faults.push(json!({ "type": "fail", "status": 429, "retry_after": 1 }));
    faults.push(json!({ "type": "slow_first_token", "seconds": 0.5 }));
    faults
}

#[test]
fn llmock_strict_check_reports_no_problem() {
    let Some((mock, mut asking)) = start_mock() else {
        return;
    };
    let lasting =
        [400, 401, 403, 404, 422].map(|status| json!({ "type": "fail", "status": status }));
    let passing = recoverable_faults();
    let rounds = passing
        .chunks(PANEL.len())
        .map(|faults| (faults, "completed"));
    for (faults, status) in rounds.chain([(&lasting[..], "failed")]) {
        let scripted = faults.iter().zip(PANEL).map(|(error, model)| {
            let mut error = error.clone();
            let name = model.split_once('/').unwrap().1;
            error["match"] = json!({ "model": name });
            error
        });
        set_behaviors(&mock, scripted.collect());
        let result = asking.panel(&PANEL, "openai/gpt-4o-mini");
        for (model, error) in PANEL.iter().zip(faults) {
            let answer = Asking::answer(&result, model);
            // The silence before the first token has used up the time that a retry would have needed.
            let is_given_up = error["kind"] == "stall" && answer["text"] == "";
            assert!(
                answer["status"] == status || is_given_up,
                "{error}: {answer:#}"
            );
        }
        check_strict_judgment(&mock, &json!(faults).to_string());
        mock.post("/_llmock/reset", &json!({}));
    }
}
