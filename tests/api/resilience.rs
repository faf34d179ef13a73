//! What the door to the models does when calls fail: waits, leaves out, gives up, lets one through again;
//! and what it puts on the bill.

use std::time::Duration;

use quire::domain::chat::{Bill, CallErrorKind, Request};
use quire::domain::id::UserId;
use quire::domain::model::Availability;
use quire::domain::parameters::Parameters;
use quire::domain::time::Timestamp;
use quire::llm::{self, CallEvent, Circuit, Llm, Settings, Source};

use crate::providers::{call, event, hello, request, settings};
use crate::support::provider::{Provider, on};

const JSON: &str = "application/json";

fn twice(provider: &Provider) -> Llm {
    Llm::new(Settings {
        retries: 2,
        ..settings(provider)
    })
}

#[test]
fn what_passes_is_asked_again_and_the_bill_says_how_often() {
    let provider = Provider::script([
        on("m").status(500, JSON, "{}"),
        on("m")
            .header("retry-after-ms", "20")
            .status(429, JSON, "{}"),
        on("m").sse(&hello()),
    ]);
    let (text, result, bill) = call(&twice(&provider), request("m")).whole();
    assert_eq!(text, "hello");
    let answer = result.unwrap();
    assert_eq!((bill.tries, bill.usage), (3, answer.usage));
    assert!(
        bill.first_token_ms
            .is_some_and(|first| first <= bill.latency_ms)
    );
}

#[test]
fn a_pause_that_does_not_fit_ends_the_call_and_holds_the_next_one_back() {
    let provider = Provider::script([on("m")
        .header("retry-after", "3600")
        .status(429, JSON, "{}")]);
    let llm = twice(&provider);
    let (_, result, bill) = call(&llm, request("m")).whole();
    let error = result.unwrap_err();
    assert_eq!(error.kind, CallErrorKind::RateLimited);
    assert!(error.detail.contains("3600 s"), "{}", error.detail);
    assert_eq!(
        bill,
        Bill {
            latency_ms: bill.latency_ms,
            tries: 1,
            ..Bill::default()
        }
    );
    // The next one does not even ask.
    let error = call(&llm, request("m")).whole().1.unwrap_err();
    assert_eq!(error.kind, CallErrorKind::RateLimited);
    assert_eq!(provider.asked().len(), 1);
    let state = |llm: &Llm| llm.providers(None).remove(0);
    assert_eq!(state(&llm).status, "throttled");
    assert!(
        state(&llm)
            .last_failure
            .is_some_and(|failure| failure.model == "m")
    );
    // Another model of the same provider is not concerned, and an admin may end it.
    assert_eq!(llm.reset(Some("p/other")), 0);
    assert_eq!(llm.reset(Some("p/m")), 1);
    assert_eq!(state(&llm).status, "unknown");
}

#[test]
fn a_short_pause_is_waited_for_by_the_next_call_too() {
    let provider = Provider::script([
        on("m")
            .header("retry-after-ms", "300")
            .status(429, JSON, "{}"),
        on("m").sse(&hello()),
    ]);
    let llm = Llm::new(settings(&provider));
    assert!(call(&llm, request("m")).whole().1.is_err());
    let (_, result, bill) = call(&llm, request("m")).whole();
    assert!(result.is_ok() && bill.latency_ms >= 150, "{bill:?}");
}

#[test]
fn a_counter_at_its_end_holds_the_next_call_back() {
    let provider = Provider::script([on("m")
        .header("x-ratelimit-remaining-requests", "0")
        .header("x-ratelimit-reset-requests", "3m")
        .sse(&hello())]);
    let llm = Llm::new(settings(&provider));
    assert!(call(&llm, request("m")).whole().1.is_ok());
    let error = call(&llm, request("m")).whole().1.unwrap_err();
    assert_eq!(error.kind, CallErrorKind::RateLimited);
}

#[test]
fn a_model_that_keeps_failing_is_left_alone_until_somebody_resets_it() {
    let provider = Provider::script([
        on("m").times(5).status(500, JSON, "{}"),
        on("n").sse(&hello()),
        on("m").sse(&hello()),
    ]);
    let llm = Llm::new(settings(&provider));
    for _ in 0..5 {
        assert_eq!(
            call(&llm, request("m")).whole().1.unwrap_err().kind,
            CallErrorKind::Overloaded
        );
    }
    let (_, result, bill) = call(&llm, request("m")).whole();
    let error = result.unwrap_err();
    assert_eq!((error.kind, bill.tries), (CallErrorKind::Unavailable, 0));
    assert!(error.detail.contains("in a row"), "{}", error.detail);
    let state = llm.providers(None).remove(0);
    assert_eq!(state.status, "circuit_open");
    assert!(matches!(state.held[0], (ref name, Circuit::Open(_), None) if name == "m"));
    assert!(call(&llm, request("n")).whole().1.is_ok());
    llm.reset(None);
    assert!(call(&llm, request("m")).whole().1.is_ok());
    assert!(
        llm.models(None)
            .iter()
            .all(|(_, state)| *state == Availability::Ready)
    );
}

#[test]
fn a_refused_parameter_is_left_out_once_remembered_and_told() {
    let refusal = "{\"error\":{\"message\":\"Unsupported parameter\",\"type\":\"invalid_request_error\",\"param\":\"temperature\",\"code\":\"unsupported_parameter\"}}";
    let provider = Provider::script([
        on("m").status(400, JSON, refusal),
        on("m").times(2).sse(&hello()),
        // One that keeps refusing what was not even sent.
        on("n").times(2).status(400, JSON, refusal),
    ]);
    let llm = Llm::new(settings(&provider));
    let warm = |model: &str| Request {
        parameters: Parameters {
            temperature: Some(0.5),
            ..Parameters::default()
        },
        ..request(model)
    };
    for tries in [2, 1] {
        let (_, result, bill) = call(&llm, warm("m")).whole();
        assert!(result.is_ok());
        assert_eq!(
            (bill.tries, bill.dropped),
            (tries, vec!["temperature".to_owned()])
        );
    }
    assert_eq!(
        call(&llm, warm("n")).whole().1.unwrap_err().kind,
        CallErrorKind::Rejected
    );
    let sent: Vec<bool> = provider
        .asked()
        .iter()
        .map(|asked| asked.body["temperature"].is_number())
        .collect();
    assert_eq!(sent, [true, false, false, true, false]);
}

#[test]
fn what_was_under_way_is_on_the_bill() {
    let words = event("four words of text");
    let provider = Provider::script([
        on("cut").cut(&words),
        on("left").stall(&words),
        on("headers").hang(),
        on("no").status(401, JSON, "{}"),
    ]);
    let llm = Llm::new(settings(&provider));
    let (_, result, bill) = call(&llm, request("cut")).whole();
    assert_eq!(result.unwrap_err().kind, CallErrorKind::Truncated);
    assert!(
        bill.usage.estimated && bill.usage.input > 0 && bill.usage.output >= 4,
        "{bill:?}"
    );
    let mut left = call(&llm, request("left"));
    let first = left.events.blocking_recv();
    assert!(matches!(first, Some((7, CallEvent::Delta(_)))), "{first:?}");
    left.running.cancel();
    let (_, _, bill) = left.whole();
    assert!(bill.usage.estimated && bill.usage.output >= 4, "{bill:?}");
    let waiting = call(&llm, request("headers"));
    provider.wait_asked(3);
    waiting.running.cancel();
    let (_, _, bill) = waiting.whole();
    assert!(
        bill.usage.estimated && bill.usage.input > 0 && bill.usage.output == 0,
        "{bill:?}"
    );
    assert!(bill.first_token_ms.is_none());
    let (_, _, bill) = call(&llm, request("no")).whole();
    assert_eq!((bill.tries, bill.usage), (1, Default::default()));
}

#[test]
fn signs_of_life_are_not_an_answer() {
    let alive = ": still thinking\n\n".repeat(400);
    let provider = Provider::script([
        on("first").dribble(&alive, 18, Duration::from_millis(20)),
        on("next").dribble(&(event("hel") + &alive), 60, Duration::from_millis(20)),
    ]);
    let short = Duration::from_millis(300);
    let llm = Llm::new(Settings {
        first_token: short,
        idle: short,
        ..settings(&provider)
    });
    for model in ["first", "next"] {
        let error = call(&llm, request(model)).whole().1.unwrap_err();
        assert_eq!(
            error.kind,
            CallErrorKind::Timeout,
            "{model}: {}",
            error.detail
        );
        provider.wait_left(model);
    }
}

#[test]
fn an_address_that_a_user_gave_must_be_public() {
    let provider = Provider::script([on("m").sse(&hello())]);
    let user = UserId::new(Timestamp::from_millis(1), 1);
    let own = |base_url: String| llm::Provider {
        id: "own".into(),
        base_url: Some(base_url),
        owner: Some(user.clone()),
        ..llm::Provider::default()
    };
    let asks = |llm: &Llm| {
        let (tell, mut events) = tokio::sync::mpsc::channel(64);
        let wanted = Request {
            model: "own/m".into(),
            ..request("")
        };
        let _running = llm.start(7, Some(&user), wanted, tell);
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
        let llm = Llm::new(settings(&provider));
        llm.set_providers(Source::Stored, vec![own(format!("http://{host}:{port}"))]);
        let error = asks(&llm).unwrap_err();
        assert_eq!(
            error.kind,
            CallErrorKind::Connect,
            "{host}: {}",
            error.detail
        );
    }
    assert_eq!(provider.asked().len(), 0);
    // Where it is allowed, it is asked.
    let llm = Llm::new(Settings {
        allowed: vec![quire::domain::network::Network::parse("127.0.0.0/8").unwrap()],
        ..settings(&provider)
    });
    llm.set_providers(Source::Stored, vec![own(provider.base_url())]);
    assert!(asks(&llm).is_ok());
    assert!(llm.own_key(Some(&user), "own/m") && !llm.own_key(Some(&user), "p/m"));
    assert_eq!(llm.find(None, "own/m").map(|model| model.id), None);
}
