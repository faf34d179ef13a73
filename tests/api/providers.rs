//! Tests the LLM client against a provider on a real socket.

mod retries;

use std::sync::OnceLock;
use std::time::Duration;

use quire::domain::chat::{
    Answer, Brief, CallBill, CallError, CallErrorKind, Delta, Finish, Message, MessageRole,
    ModelRequest, Peer, SourcePassage, Task,
};
use quire::domain::model::Availability;
use quire::domain::network::AddressScope;
use quire::domain::parameters::Parameters;
use quire::llm::{self, CallEvent, Llm, LlmSettings, RunningCall};
use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc;

use crate::support::provider::{Provider, ScriptLine, on};

const PROVIDER_KEY: &str = "sk-test-0123456789abcdefghij";
const SHORT_TIMEOUT: Duration = Duration::from_millis(300);
const LONG_TIMEOUT: Duration = Duration::from_secs(30);

pub fn llm_settings(provider: &Provider) -> LlmSettings {
    LlmSettings {
        providers: vec![llm::Provider {
            id: "p".into(),
            base_url: Some(provider.base_url()),
            api_key: Some(PROVIDER_KEY.into()),
            reach: AddressScope::AnyAddress,
            ..llm::Provider::default()
        }],
        demo: true,
        first_token: LONG_TIMEOUT,
        idle_timeout: LONG_TIMEOUT,
        retries: 0,
        retry_pause: Duration::from_millis(5),
        demo_pause: Duration::ZERO,
        ..LlmSettings::default()
    }
}

pub fn model_request(model: &str) -> ModelRequest {
    ModelRequest {
        model: format!("p/{model}"),
        messages: vec![Message::new(MessageRole::User, "Say hello.")],
        parameters: Parameters::default(),
        brief: Brief::default(),
        deadline: LONG_TIMEOUT,
        format: None,
        tools: None,
        passthrough: None,
        sample: 0,
        is_prefix_reused: false,
        is_live: false,
    }
}

/// A call, with the channel from which its events are read.
pub struct Call {
    pub running: RunningCall,
    pub events: mpsc::Receiver<(u64, CallEvent)>,
}

/// Returns the runtime for the calls of these tests. It runs on a separate thread.
pub fn runtime() -> &'static Handle {
    static RUNTIME: OnceLock<Handle> = OnceLock::new();
    let start = || {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        handle
    };
    RUNTIME.get_or_init(start)
}

pub fn start_call(llm: &Llm, request: ModelRequest) -> Call {
    let (event_sender, events) = mpsc::channel(64);
    let _on = runtime().enter();
    Call {
        running: llm.start(7, None, request, event_sender),
        events,
    }
}

pub type Result = std::result::Result<Answer, CallError>;

impl Call {
    /// Waits until the call has ended, and returns the streamed text and the result.
    fn end(self) -> (String, Result) {
        let (text, result, _) = self.whole();
        (text, result)
    }
    /// Like [`Self::end`], but also returns the bill.
    pub fn whole(mut self) -> (String, Result, CallBill) {
        let mut text = String::new();
        loop {
            let (key, event) = self.events.blocking_recv().expect("a call tells its end");
            assert_eq!(key, 7);
            match event {
                CallEvent::Delta(Delta::Text(piece)) => text += &piece,
                CallEvent::Delta(Delta::Reasoning(_) | Delta::ReasoningBlock(_)) => {}
                CallEvent::Delta(Delta::Restart) => text.clear(),
                CallEvent::Finished { result, bill } => {
                    assert_eq!(self.events.blocking_recv(), None, "nothing follows the end");
                    return (text, *result, *bill);
                }
            }
        }
    }
    fn result(self) -> Result {
        self.end().1
    }
    fn kind(self) -> CallErrorKind {
        self.result().expect_err("no answer").kind
    }
}

pub fn delta_event(text: &str) -> String {
    format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
}

pub fn hello_stream() -> String {
    delta_event("hello")
        + "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
}

const OPENAI: &str = include_str!("../data/streams/openai-text.sse");
const DEEPSEEK: &str = include_str!("../data/streams/deepseek-reasoning.sse");

#[test]
fn recorded_streams_are_complete_in_chunks_of_any_size() {
    let provider = Provider::script([
        on("a").sse(OPENAI),
        on("a").sse_in_pieces(OPENAI, 7, Duration::from_micros(50)),
        on("b").sse(DEEPSEEK),
        on("b").sse_in_pieces(DEEPSEEK, 911, Duration::from_micros(200)),
        on("c").status(
            200,
            "application/json",
            include_str!("../data/streams/groq-text.json"),
        ),
    ]);
    let llm = Llm::new(llm_settings(&provider));
    for (model, begins, finish) in [
        ("a", "The capital of the UK is London.", Finish::Stop),
        ("a", "The capital of the UK is London.", Finish::Stop),
        ("b", "Hello there! 😊", Finish::Stop),
        ("b", "Hello there! 😊", Finish::Stop),
        ("c", "I'd like to introduce", Finish::Stop),
    ] {
        let (text, result) = start_call(&llm, model_request(model)).end();
        let answer = result.unwrap();
        assert!(text.starts_with(begins), "{model}: {text}");
        assert_eq!((answer.text, answer.finish), (text, finish));
        assert!(answer.usage.output > 0 && !answer.usage.estimated);
    }
}

#[test]
fn the_key_travels_in_its_header_and_nowhere_else() {
    let echoes_key =
        format!("{{\"error\":{{\"message\":\"Incorrect API key provided: {PROVIDER_KEY}\"}}}}");
    let provider = Provider::script([
        on("a").sse(&hello_stream()),
        on("a").status(401, "application/json", &echoes_key),
    ]);
    let llm = Llm::new(llm_settings(&provider));
    assert_eq!(
        start_call(&llm, model_request("a")).result().unwrap().text,
        "hello"
    );
    let error = start_call(&llm, model_request("a")).result().unwrap_err();
    assert_eq!(error.kind, CallErrorKind::Auth);
    assert!(!error.detail.contains("0123456789"), "{}", error.detail);
    let requests = provider.requests().remove(0);
    assert!(
        requests
            .head
            .starts_with("POST /v1/chat/completions HTTP/1.1\r\n"),
        "{}",
        requests.head
    );
    assert_eq!(requests.head.matches(PROVIDER_KEY).count(), 1);
    assert!(
        requests
            .head
            .to_ascii_lowercase()
            .contains(&format!("authorization: bearer {PROVIDER_KEY}"))
    );
    assert_eq!(requests.body["stream"], true);
    assert!(!requests.body.to_string().contains(PROVIDER_KEY));
}

#[test]
fn each_provider_failure_has_a_distinct_error_kind() {
    use CallErrorKind::*;
    let json = "application/json";
    let nested = format!("data: {{\"x\":{}{}}}\n\n", "[".repeat(120), "]".repeat(120));
    let too_nested = format!("data: {}\n\n", "[".repeat(100_000));
    let cases: Vec<(&str, ScriptLine, CallErrorKind)> = vec![
        ("key", on("m").status(403, json, "{}"), Auth),
        ("money", on("m").status(402, json, "{\"error\":{\"message\":\"Insufficient Balance\"}}"), Money),
        ("fault", on("m").status(500, "text/html", "<h1>oops</h1>"), Overloaded),
        ("busy", on("m").status(529, json, "{}"), Overloaded),
        ("unknown model", on("m").status(404, json, include_str!("../data/streams/error-404-openai.json")), Rejected),
        ("redirect", on("m").header("location", "http://127.0.0.1:1/").status(302, "text/plain", ""), Rejected),
        ("a page", on("m").status(200, "text/html", "<!doctype html><p>hi"), Malformed),
        ("a page in disguise", on("m").sse("<!doctype html><p>hi"), Malformed),
        ("another API", on("m").status(200, json, "{\"object\":\"list\",\"data\":[]}"), Malformed),
        ("no JSON", on("m").status(200, json, "{\"choices\":[{\"mess"), Malformed),
        ("nothing", on("m").status(200, json, ""), Empty),
        ("no words", on("m").sse("data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"), Empty),
        ("hangs up", on("m").raw(b""), Connect),
        ("no HTTP", on("m").raw(b"SSH-2.0-OpenSSH_9.2\r\n"), Malformed),
        ("garbage within", on("m").sse(&(delta_event("hel") + "data: {\"choi\n\n" + &hello_stream())), Malformed),
        ("bytes within", on("m").cut(&(delta_event("hel") + "data: \u{0}\u{1}\n\n")), Malformed),
        ("no end", on("m").sse(&delta_event("hel")), Truncated),
        ("cut", on("m").cut(&delta_event("hel")), Truncated),
        ("cut in an event", on("m").cut(&delta_event("hel")[..20]), Truncated),
        ("too long a length", on("m").with_wrong_length(200, "text/event-stream", &delta_event("hel"), 90_000), Truncated),
        ("too short a length", on("m").with_wrong_length(200, "text/event-stream", &hello_stream(), 40), Truncated),
        ("broken chunks", on("m").raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello"), Malformed),
        ("fault within", on("m").sse(&(delta_event("hel") + "data: {\"error\":{\"message\":\"upstream died\",\"code\":502}}\n\n")), Overloaded),
        ("depth", on("m").cut(&nested), Truncated),
        ("too much depth", on("m").sse(&too_nested), Malformed),
        ("no end in sight", on("m").endless(&delta_event(&"x".repeat(8000))), TooLarge),
        ("a line without end", on("m").endless(&"x".repeat(8000)), Malformed),
    ];
    for (name, line, kind) in cases {
        let provider = Provider::script([line]);
        let llm = Llm::new(llm_settings(&provider));
        let error = start_call(&llm, model_request("m"))
            .result()
            .expect_err(name);
        assert_eq!(error.kind, kind, "{name}: {}", error.detail);
        assert!(
            !error.detail.is_empty() && !error.detail.contains('<'),
            "{name}: {}",
            error.detail
        );
    }
}

#[test]
fn a_missing_token_count_does_not_lose_the_answer() {
    let message = delta_event("hello")
        + "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let provider = Provider::script([on("m").cut(&message)]);
    let answer = start_call(&Llm::new(llm_settings(&provider)), model_request("m"))
        .result()
        .unwrap();
    assert_eq!(
        (answer.text.as_str(), answer.usage.estimated),
        ("hello", true)
    );
}

#[test]
fn rate_limit_error_contains_the_retry_delay() {
    let provider = Provider::script([on("m").header("Retry-After", "1.5").status(
        429,
        "application/json",
        include_str!("../data/streams/error-429-openrouter.json"),
    )]);
    let error = start_call(&Llm::new(llm_settings(&provider)), model_request("m"))
        .result()
        .unwrap_err();
    assert_eq!(
        (error.kind, error.status, error.retry_after_ms),
        (CallErrorKind::RateLimited, Some(429), Some(1500))
    );
}

#[test]
fn unreachable_provider_is_unavailable() {
    let provider = Provider::script([]);
    let mut settings = llm_settings(&provider);
    drop(provider);
    settings.connect = Duration::from_secs(2);
    let llm = Llm::new(settings);
    // The thread that accepts connections may hold the port for a moment longer.
    let kind = start_call(&llm, model_request("m")).kind();
    assert_eq!(kind, CallErrorKind::Connect);
}

#[test]
fn silent_provider_times_out() {
    let provider = Provider::script([
        on("headers").hang(),
        on("token").stall(""),
        on("middle").stall(&delta_event("hel")),
        on("slow").sse_in_pieces(
            &delta_event(&"x".repeat(4000)).repeat(50),
            1,
            Duration::from_millis(20),
        ),
    ]);
    let quick = LlmSettings {
        first_token: SHORT_TIMEOUT,
        idle_timeout: SHORT_TIMEOUT,
        ..llm_settings(&provider)
    };
    let llm = Llm::new(quick);
    for model in ["headers", "token", "middle"] {
        let error = start_call(&llm, model_request(model)).result().unwrap_err();
        assert_eq!(
            error.kind,
            CallErrorKind::Timeout,
            "{model}: {}",
            error.detail
        );
        provider.wait_for_disconnect(model);
    }
    let patient = Llm::new(llm_settings(&provider));
    let short = ModelRequest {
        deadline: SHORT_TIMEOUT,
        format: None,
        tools: None,
        passthrough: None,
        ..model_request("slow")
    };
    assert_eq!(start_call(&patient, short).kind(), CallErrorKind::Timeout);
    provider.wait_for_disconnect("slow");
}

#[test]
fn cancel_reaches_the_provider_in_every_phase() {
    for dropped in [false, true] {
        let provider = Provider::script([
            on("headers").hang(),
            on("token").stall(""),
            on("middle").stall(&delta_event("hel")),
            on("flood").endless(&delta_event("x")),
        ]);
        let llm = Llm::new(llm_settings(&provider));
        for (number, model) in ["headers", "token", "middle", "flood"]
            .into_iter()
            .enumerate()
        {
            let mut call = start_call(&llm, model_request(model));
            provider.wait_for_requests(number + 1);
            if number > 1 {
                let first = call.events.blocking_recv();
                assert!(matches!(first, Some((7, CallEvent::Delta(_)))), "{first:?}");
            }
            if dropped {
                let Call { running, events } = call;
                drop(running);
                // The call may start before it is canceled, so its model does not call a provider.
                let local = ModelRequest {
                    model: "demo/extract".into(),
                    ..model_request("")
                };
                let _on = runtime().enter();
                let spare = llm.start(0, None, local, mpsc::channel(1).0);
                spare.cancel();
                call = Call {
                    running: spare,
                    events,
                };
            } else {
                call.running.cancel();
            }
            assert_eq!(call.kind(), CallErrorKind::Cancelled, "{model}");
            provider.wait_for_disconnect(model);
        }
    }
}

#[test]
fn a_blocked_event_reader_delays_only_its_call() {
    let provider = Provider::script([on("m").times(2).endless(&delta_event("x"))]);
    let llm = Llm::new(llm_settings(&provider));
    let _on = runtime().enter();
    let (event_sender, mut events) = mpsc::channel(1);
    let running = llm.start(7, None, model_request("m"), event_sender);
    provider.wait_for_requests(1);
    // Nothing reads from the channel, so it is full by now.
    running.cancel();
    provider.wait_for_disconnect("m");
    let mut last = None;
    while let Some((_, delta_event)) = events.blocking_recv() {
        last = Some(delta_event);
    }
    let Some(CallEvent::Finished { result, .. }) = last else {
        panic!("no end: {last:?}")
    };
    assert_eq!(result.unwrap_err().kind, CallErrorKind::Cancelled);

    // Dropping the receiver also cancels the call.
    let (event_sender, events) = mpsc::channel(1);
    let _running = llm.start(7, None, model_request("m"), event_sender);
    drop(events);
    provider.wait_for_requests(2);
}

#[test]
fn call_canceled_in_the_queue_is_never_sent() {
    let provider = Provider::script([on("first").hang()]);
    let llm = Llm::new(LlmSettings {
        max_calls: 1,
        ..llm_settings(&provider)
    });
    let first = start_call(&llm, model_request("first"));
    provider.wait_for_requests(1);
    let second = start_call(&llm, model_request("second"));
    second.running.cancel();
    assert_eq!(second.kind(), CallErrorKind::Cancelled);
    first.running.cancel();
    assert_eq!(first.kind(), CallErrorKind::Cancelled);
    assert_eq!(provider.requests().len(), 1);
}
