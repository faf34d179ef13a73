//! Tests failing calls of the LLM client: pauses, skipped calls, giving up, half-open circuit breakers, and the usage
//! that is recorded.

use std::time::Duration;

use quire::domain::chat::{CallBill, CallErrorKind, Delta, Message, MessageRole, ModelRequest};
use quire::domain::id::UserId;
use quire::domain::model::Availability;
use quire::domain::parameters::Parameters;
use quire::domain::time::Timestamp;
use quire::llm::{self, CallEvent, CircuitView, Llm, LlmSettings, ProviderSource};

use tokio::sync::mpsc;

use crate::providers::{
    Call, delta_event, hello_stream, llm_settings, model_request, runtime, start_call,
};
use crate::support::provider::{Provider, ReceivedRequest, on};

const JSON: &str = "application/json";

fn llm_with_retry(provider: &Provider) -> Llm {
    Llm::new(LlmSettings {
        retries: 2,
        ..llm_settings(provider)
    })
}

#[test]
fn transient_failures_are_retried_and_counted_in_the_bill() {
    let provider = Provider::script([
        on("m").status(500, JSON, "{}"),
        on("m")
            .header("retry-after-ms", "20")
            .status(429, JSON, "{}"),
        on("m").sse(&hello_stream()),
    ]);
    let (text, result, bill) = start_call(&llm_with_retry(&provider), model_request("m")).whole();
    assert_eq!(text, "hello");
    let answer = result.unwrap();
    assert_eq!((bill.tries, bill.usage), (3, answer.usage));
    assert!(
        bill.first_token_ms
            .is_some_and(|first| first <= bill.latency_ms)
    );
}

#[test]
fn a_retry_delay_over_the_deadline_fails_this_and_later_calls() {
    let provider = Provider::script([on("m")
        .header("retry-after", "3600")
        .status(429, JSON, "{}")]);
    let llm = llm_with_retry(&provider);
    let (_, result, bill) = start_call(&llm, model_request("m")).whole();
    let error = result.unwrap_err();
    assert_eq!(error.kind, CallErrorKind::RateLimited);
    assert!(error.detail.contains("3600 s"), "{}", error.detail);
    assert_eq!(
        bill,
        CallBill {
            latency_ms: bill.latency_ms,
            tries: 1,
            ..CallBill::default()
        }
    );
    // The next run fails without calling the provider at all.
    let error = start_call(&llm, model_request("m")).whole().1.unwrap_err();
    assert_eq!(error.kind, CallErrorKind::RateLimited);
    assert_eq!(provider.requests().len(), 1);
    let state = |llm: &Llm| llm.providers(None).remove(0);
    assert_eq!(state(&llm).status, "throttled");
    assert!(
        state(&llm)
            .last_failure
            .is_some_and(|failure| failure.model == "m")
    );
    // Another model of the same provider is not affected, and an administrator can reset the state.
    assert_eq!(llm.reset(Some("p/other")), 0);
    assert_eq!(llm.reset(Some("p/m")), 1);
    assert_eq!(state(&llm).status, "unknown");
}

#[test]
fn later_calls_wait_for_a_short_retry_delay() {
    let provider = Provider::script([
        on("m")
            .header("retry-after-ms", "300")
            .status(429, JSON, "{}"),
        on("m").sse(&hello_stream()),
    ]);
    let llm = Llm::new(llm_settings(&provider));
    assert!(start_call(&llm, model_request("m")).whole().1.is_err());
    let (_, result, bill) = start_call(&llm, model_request("m")).whole();
    assert!(result.is_ok() && bill.latency_ms >= 150, "{bill:?}");
}

#[test]
fn exhausted_rate_limit_counter_delays_the_next_call() {
    let provider = Provider::script([on("m")
        .header("x-ratelimit-remaining-requests", "0")
        .header("x-ratelimit-reset-requests", "3m")
        .sse(&hello_stream())]);
    let llm = Llm::new(llm_settings(&provider));
    assert!(start_call(&llm, model_request("m")).whole().1.is_ok());
    let error = start_call(&llm, model_request("m")).whole().1.unwrap_err();
    assert_eq!(error.kind, CallErrorKind::RateLimited);
}

/// Returns a request for the model `m`. Its prompt is different for each number.
fn request_about(number: usize) -> ModelRequest {
    ModelRequest {
        messages: vec![Message::new(
            MessageRole::User,
            format!("Question {number}"),
        )],
        ..model_request("m")
    }
}

#[test]
fn failures_of_one_prompt_or_user_open_no_shared_circuit() {
    let poisoned =
        |received: &ReceivedRequest| match received.body["messages"].to_string().contains("POISON")
        {
            true => on("").status(500, JSON, "{}"),
            false => on("").sse(&hello_stream()),
        };
    let provider = Provider::answering(poisoned);
    let llm = llm_with_retry(&provider);
    let ada = UserId::new(Timestamp::from_millis(1), 1);
    let bob = UserId::new(Timestamp::from_millis(1), 2);
    let ask = |user: &UserId, text: &str| {
        let request = ModelRequest {
            messages: vec![Message::new(MessageRole::User, text)],
            ..model_request("m")
        };
        let (event_sender, events) = mpsc::channel(64);
        let _on = runtime().enter();
        let running = llm.start(7, Some(user), request, event_sender);
        Call { running, events }
            .whole()
            .1
            .map_err(|error| error.kind)
    };
    // Only one prompt fails, so its user can still ask other questions: a user is blocked only if several of that
    // user's prompts fail.
    for _ in 0..8 {
        assert_eq!(ask(&ada, "POISON"), Err(CallErrorKind::Overloaded));
    }
    assert!(ask(&ada, "hello").is_ok());
    // Several prompts of the same user fail, so this user's calls are blocked, but no one else's.
    for number in 0..5 {
        let text = format!("POISON {number}");
        assert_eq!(ask(&ada, &text), Err(CallErrorKind::Overloaded));
    }
    assert_eq!(ask(&ada, "hello"), Err(CallErrorKind::Unavailable));
    assert!(ask(&bob, "hello").is_ok());
    let state = |user: &UserId| llm.providers(Some(user)).remove(0).status;
    assert_eq!((state(&ada), state(&bob)), ("circuit_open", "unknown"));
    // Failures of two users are attributed to the model.
    assert_eq!(llm.reset(None), 1);
    for number in 0..5 {
        let who = [&ada, &bob][number % 2];
        assert_eq!(ask(who, "POISON"), Err(CallErrorKind::Overloaded));
    }
    assert_eq!(ask(&bob, "hello"), Err(CallErrorKind::Unavailable));
}

#[test]
fn the_circuit_counts_calls_and_not_their_tries() {
    let provider = Provider::script([
        on("m").times(12).status(500, JSON, "{}"),
        on("m").sse(&hello_stream()),
    ]);
    let llm = llm_with_retry(&provider);
    for number in 0..4 {
        let (_, result, bill) = start_call(&llm, request_about(number)).whole();
        assert_eq!(
            (result.unwrap_err().kind, bill.tries),
            (CallErrorKind::Overloaded, 3)
        );
    }
    assert!(start_call(&llm, request_about(5)).whole().1.is_ok());
}

#[test]
fn an_interrupted_stream_is_retried_unless_it_was_delivered() {
    let half = delta_event("half an answer");
    let insufficient = half.clone()
        + "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"insufficient_system_resource\"}]}\n\ndata: [DONE]\n\n";
    let provider = Provider::script([
        on("m").cut(&half),
        on("m").sse(&insufficient),
        on("m").sse(&hello_stream()),
        on("garbage").sse(&(half.clone() + "data: {oops\n\n")),
        on("garbage").sse(&hello_stream()),
        on("nonsense").sse("data: {oops\n\n"),
        on("nonsense").sse(&hello_stream()),
        on("empty").sse(
            "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
        ),
        on("empty").sse(&hello_stream()),
        on("live").cut(&half),
    ]);
    let llm = llm_with_retry(&provider);
    for (model, tries) in [("m", 3), ("garbage", 2), ("nonsense", 2), ("empty", 2)] {
        let mut texts = Vec::new();
        let mut call = start_call(&llm, model_request(model));
        let (result, bill) = loop {
            match call.events.blocking_recv().unwrap().1 {
                CallEvent::Delta(Delta::Text(text)) => texts.push(text),
                CallEvent::Delta(Delta::Restart) => texts.clear(),
                CallEvent::Delta(Delta::Reasoning(_) | Delta::ReasoningBlock(_)) => {}
                CallEvent::Finished { result, bill } => break (result, bill),
            }
        };
        assert_eq!(texts.concat(), "hello", "{model}");
        assert_eq!(
            (result.unwrap().text.as_str(), bill.tries),
            ("hello", tries),
            "{model}"
        );
        // A call that failed after it had begun was still charged.
        assert!(bill.usage.estimated, "{model}: {bill:?}");
    }
    let live = ModelRequest {
        is_live: true,
        ..model_request("live")
    };
    let (text, result, bill) = start_call(&llm, live).whole();
    assert_eq!(text, "half an answer");
    assert_eq!(
        (result.unwrap_err().kind, bill.tries),
        (CallErrorKind::Truncated, 1)
    );
}

#[test]
fn a_failing_model_is_not_called_until_its_circuit_is_reset() {
    let provider = Provider::script([
        on("m").times(5).status(500, JSON, "{}"),
        on("n").sse(&hello_stream()),
        on("m").sse(&hello_stream()),
    ]);
    let llm = Llm::new(llm_settings(&provider));
    for number in 0..5 {
        assert_eq!(
            start_call(&llm, request_about(number))
                .whole()
                .1
                .unwrap_err()
                .kind,
            CallErrorKind::Overloaded
        );
    }
    let (_, result, bill) = start_call(&llm, model_request("m")).whole();
    let error = result.unwrap_err();
    assert_eq!((error.kind, bill.tries), (CallErrorKind::Unavailable, 0));
    assert!(error.detail.contains("in a row"), "{}", error.detail);
    let seconds = error.retry_after_ms.map(|millis| millis.div_ceil(1000));
    let text = format!("again in {} s", seconds.unwrap_or_default());
    assert!(error.detail.ends_with(&text), "{}", error.detail);
    let state = llm.providers(None).remove(0);
    assert_eq!(state.status, "circuit_open");
    assert!(matches!(state.held_models[0], (ref name, CircuitView::Open(_), None) if name == "m"));
    assert!(start_call(&llm, model_request("n")).whole().1.is_ok());
    llm.reset(None);
    assert!(start_call(&llm, model_request("m")).whole().1.is_ok());
    assert!(
        llm.models(None)
            .iter()
            .all(|(_, state)| *state == Availability::Ready)
    );
}

#[test]
fn a_refused_parameter_is_skipped_remembered_and_reported() {
    let refusal = "{\"error\":{\"message\":\"Unsupported parameter\",\"type\":\"invalid_request_error\",\"param\":\"temperature\",\"code\":\"unsupported_parameter\"}}";
    let provider = Provider::script([
        on("m").status(400, JSON, refusal),
        on("m").times(2).sse(&hello_stream()),
        // This provider continues to refuse a field that is no longer sent.
        on("n").times(2).status(400, JSON, refusal),
    ]);
    let llm = Llm::new(llm_settings(&provider));
    let warm = |model: &str| ModelRequest {
        parameters: Parameters {
            temperature: Some(0.5),
            ..Parameters::default()
        },
        ..model_request(model)
    };
    for tries in [2, 1] {
        let (_, result, bill) = start_call(&llm, warm("m")).whole();
        assert!(result.is_ok());
        assert_eq!(
            (bill.tries, bill.dropped),
            (tries, vec!["temperature".to_owned()])
        );
    }
    assert_eq!(
        start_call(&llm, warm("n")).whole().1.unwrap_err().kind,
        CallErrorKind::Rejected
    );
    let has_temperature: Vec<bool> = provider
        .requests()
        .iter()
        .map(|asked| asked.body["temperature"].is_number())
        .collect();
    assert_eq!(has_temperature, [true, false, false, true, false]);
}

#[test]
fn interrupted_attempts_are_billed() {
    let words = delta_event("four words of text");
    let provider = Provider::script([
        on("cut").cut(&words),
        on("left").stall(&words),
        on("headers").hang(),
        on("no").status(401, JSON, "{}"),
    ]);
    let llm = Llm::new(llm_settings(&provider));
    let (_, result, bill) = start_call(&llm, model_request("cut")).whole();
    assert_eq!(result.unwrap_err().kind, CallErrorKind::Truncated);
    assert!(
        bill.usage.estimated && bill.usage.input > 0 && bill.usage.output >= 4,
        "{bill:?}"
    );
    let mut remaining = start_call(&llm, model_request("left"));
    let first = remaining.events.blocking_recv();
    assert!(matches!(first, Some((7, CallEvent::Delta(_)))), "{first:?}");
    remaining.running.cancel();
    let (_, _, bill) = remaining.whole();
    assert!(bill.usage.estimated && bill.usage.output >= 4, "{bill:?}");
    let waiting = start_call(&llm, model_request("headers"));
    provider.wait_for_requests(3);
    waiting.running.cancel();
    let (_, _, bill) = waiting.whole();
    assert!(
        bill.usage.estimated && bill.usage.input > 0 && bill.usage.output == 0,
        "{bill:?}"
    );
    assert!(bill.first_token_ms.is_none());
    let (_, _, bill) = start_call(&llm, model_request("no")).whole();
    assert_eq!((bill.tries, bill.usage), (1, Default::default()));
}

#[test]
fn keep_alives_do_not_extend_the_timeout() {
    let alive = ": still thinking\n\n".repeat(400);
    let provider = Provider::script([
        on("first").sse_in_pieces(&alive, 18, Duration::from_millis(20)),
        on("next").sse_in_pieces(
            &(delta_event("hel") + &alive),
            60,
            Duration::from_millis(20),
        ),
    ]);
    let short = Duration::from_millis(300);
    let llm = Llm::new(LlmSettings {
        first_token: short,
        idle_timeout: short,
        ..llm_settings(&provider)
    });
    for model in ["first", "next"] {
        let error = start_call(&llm, model_request(model))
            .whole()
            .1
            .unwrap_err();
        assert_eq!(
            error.kind,
            CallErrorKind::Timeout,
            "{model}: {}",
            error.detail
        );
        provider.wait_for_disconnect(model);
    }
}

#[test]
fn an_address_that_a_user_gave_must_be_public() {
    let provider = Provider::script([on("m").sse(&hello_stream())]);
    let user = UserId::new(Timestamp::from_millis(1), 1);
    let own_body = |base_url: String| llm::Provider {
        id: "own".into(),
        base_url: Some(base_url),
        owner: Some(user.clone()),
        ..llm::Provider::default()
    };
    let asks = |llm: &Llm| {
        let (event_sender, mut events) = tokio::sync::mpsc::channel(64);
        let expected = ModelRequest {
            model: "own/m".into(),
            ..model_request("")
        };
        let _on = runtime().enter();
        let _running = llm.start(7, Some(&user), expected, event_sender);
        loop {
            if let Some((_, CallEvent::Finished { result, .. })) = events.blocking_recv() {
                return result;
            }
        }
    };
    let port = provider.base_url().rsplit(':').next().unwrap().to_owned();
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "10.0.0.1",
        "2130706433",
    ] {
        let llm = Llm::new(llm_settings(&provider));
        llm.set_providers(
            ProviderSource::Stored,
            vec![own_body(format!("http://{host}:{port}"))],
        );
        let error = asks(&llm).unwrap_err();
        assert_eq!(
            error.kind,
            CallErrorKind::Connect,
            "{host}: {}",
            error.detail
        );
    }
    assert_eq!(provider.requests().len(), 0);
    // A provider in an allowed network can be called.
    let llm = Llm::new(LlmSettings {
        allowed_networks: vec![quire::domain::network::Network::parse("127.0.0.0/8").unwrap()],
        ..llm_settings(&provider)
    });
    llm.set_providers(ProviderSource::Stored, vec![own_body(provider.base_url())]);
    assert!(asks(&llm).is_ok());
    assert!(llm.uses_own_key(Some(&user), "own/m") && !llm.uses_own_key(Some(&user), "p/m"));
    assert_eq!(llm.find(None, "own/m").map(|model| model.id), None);
}
