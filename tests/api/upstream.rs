//! Tests quirks of providers that are known from public bug reports. Each quirk has its own model, which is called with
//! and without streaming. The tests check the text, finish reason, tokens, and price that a client receives.

mod cases;
mod lines;

use std::collections::HashMap;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::compatible::{data_objects, key, stream_lines};
use crate::support::line::ScriptLine;
use crate::support::provider::{Provider, ReceivedRequest, on};
use crate::support::{Client, Server};
use cases::*;
pub use lines::*;

/// The response that a client receives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ExpectedResponse {
    /// A complete answer, with its text and finish reason.
    Answer(&'static str, &'static str),
    /// An error instead of an answer, with its status and part of its message.
    Refused(u16, &'static str),
    /// A streamed text, followed by an error.
    Broken(&'static str, &'static str),
}

pub use ExpectedResponse::{Answer, Broken, Refused};

/// The expected usage: input, output, and cached tokens, and the price. `None` if the usage is estimated.
pub type Count = Option<(u64, u64, u64, &'static str)>;

pub struct Case {
    pub model: &'static str,
    /// The responses to the first call, the second call, and so on. The last response is repeated.
    pub lines: Vec<ScriptLine>,
    pub unstreamed: ExpectedResponse,
    pub stream: ExpectedResponse,
    pub count: Count,
}

/// Returns a case with the same complete response with and without streaming.
pub fn complete_case(model: &'static str, line: ScriptLine, count: Count) -> Case {
    case_for_both(model, vec![line], Answer(T, "stop"), count)
}

pub fn case_for_both(
    model: &'static str,
    lines: Vec<ScriptLine>,
    response: ExpectedResponse,
    count: Count,
) -> Case {
    Case {
        model,
        lines,
        unstreamed: response,
        stream: response,
        count,
    }
}

/// Returns a case in which every answer breaks off after its first words.
pub fn broken_case(
    model: &'static str,
    line: ScriptLine,
    status: u16,
    words: &'static str,
) -> Case {
    let half = "Seven plus ";
    Case {
        model,
        lines: vec![line],
        unstreamed: Refused(status, words),
        stream: Broken(half, words),
        count: None,
    }
}

pub const COUNTED: Count = Some((100, 7, 0, "0.170000"));
pub const CACHED: Count = Some((100, 7, 80, "0.098000"));
pub const BROKE: &str = "was cut off";
const FAULT: &str = "the provider has a temporary problem";

pub fn end_line(reason: &str) -> ScriptLine {
    sse(&[text("Seven plus "), end(reason), usual_usage(), done()])
}

impl Case {
    pub fn expecting(mut self, text: &'static str) -> Self {
        (self.unstreamed, self.stream) = (Answer(text, "stop"), Answer(text, "stop"));
        self
    }

    fn id(&self) -> String {
        match self.model.contains('/') {
            true => self.model.to_owned(),
            false => format!("up/{}", self.model),
        }
    }
}

/// Starts a provider that plays these cases in four API formats, and a server that uses the provider.
pub fn start_with_cases(cases: &[Case]) -> (Provider, Server) {
    let name = |model: &str| model.rsplit('/').next().unwrap().to_owned();
    let script: HashMap<String, Vec<ScriptLine>> = cases
        .iter()
        .map(|case| (case.id(), case.lines.clone()))
        .collect();
    let counts: Mutex<HashMap<String, usize>> = Mutex::default();
    let provider = Provider::answering(move |request: &ReceivedRequest| {
        let path = request.head.split(' ').nth(1).unwrap_or_default();
        let kind = ["an", "ge", "ol", "rs"]
            .into_iter()
            .find(|kind| path.starts_with(&format!("/{kind}/")));
        let model = match path.split_once("/models/") {
            Some((_, model)) => model.split(':').next().unwrap_or_default().to_owned(),
            None => request.model(),
        };
        let id = format!("{}/{model}", kind.unwrap_or("up"));
        let Some(lines) = script.get(&id) else {
            return on("").status(404, JSON, "{}");
        };
        // Requests with and without streaming are counted separately, so both begin with the first line.
        let is_streamed = request.body.to_string().contains("? true");
        let mut counts = counts.lock().unwrap();
        let count = counts.entry(format!("{id} {is_streamed}")).or_default();
        *count += 1;
        lines[(*count - 1).min(lines.len() - 1)].clone()
    });
    let base = provider.base_url();
    let base = base.strip_suffix("/v1").unwrap();
    let of = |kind: &str| {
        let ids = cases.iter().map(Case::id);
        let ids: Vec<String> = ids
            .filter(|id| id.starts_with(kind))
            .map(|id| name(&id))
            .collect();
        ids
    };
    let mut known_entries = json!([
        { "id": "up", "kind": "openai", "base_url": format!("{base}/v1"), "models": of("up/") },
        { "id": "an", "kind": "anthropic", "base_url": format!("{base}/an/v1"), "api_key": "k", "models": of("an/") },
        { "id": "ge", "kind": "gemini", "base_url": format!("{base}/ge/v1beta"), "api_key": "k", "models": of("ge/") },
        { "id": "ol", "kind": "ollama", "base_url": format!("{base}/ol"), "models": of("ol/") },
        { "id": "rs", "kind": "responses", "base_url": format!("{base}/rs/v1"), "api_key": "k", "models": of("rs/") },
    ]);
    let list = known_entries.as_array_mut().unwrap();
    list.retain(|provider| provider["models"] != json!([]));
    let price = json!({ "input": 1000, "output": 10000, "cached_input": 100 });
    let priced = |case: &Case| json!({ "id": case.id(), "price": price, "context_window": 32000 });
    let priced: Vec<Value> = cases
        .iter()
        .filter(|case| case.count.is_some())
        .map(priced)
        .collect();
    let folder = crate::support::server::Folder::new();
    let file = folder.path().join("models.json");
    std::fs::write(&file, json!({ "models": priced }).to_string()).unwrap();
    let server = Server::with(&[
        ("QUIRE_PROVIDERS", &known_entries.to_string()),
        ("QUIRE_MODELS_FILE", file.to_str().unwrap()),
        ("USE_MOCK", "true"),
        ("CACHE_TTL", "0"),
        ("RETRIES", "1"),
    ]);
    (provider, server)
}

fn request_for(case: &Case, stream: bool) -> Value {
    let mut body = json!({ "model": case.id(), "messages": [{ "role": "user", "content": format!("What is 7+5? {stream}") }] });
    if stream {
        body["stream"] = json!(true);
        body["stream_options"] = json!({ "include_usage": true });
    }
    body
}

fn tokens(usage: &Value) -> (u64, u64, u64) {
    let count = |path: &str| usage.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    (
        count("/prompt_tokens"),
        count("/completion_tokens"),
        count("/prompt_tokens_details/cached_tokens"),
    )
}

fn check_count(case: &Case, usage: &Value) {
    let counts = tokens(usage);
    match case.count {
        Some((input, output, cached, _)) => {
            assert_eq!(counts, (input, output, cached), "{}", case.model)
        }
        None => assert!(counts.0 > 0 && counts.1 > 0, "{}: {usage}", case.model),
    }
}

fn check_whole(case: &Case, client: &mut Client) {
    let answer = client.post("/v1/chat/completions", request_for(case, false));
    let (model, response) = (case.model, answer.json());
    let choice = &response["choices"][0];
    let summary = (
        answer.status,
        choice["message"]["content"].as_str(),
        choice["finish_reason"].as_str(),
    );
    match case.unstreamed {
        Answer(text, finish) => {
            assert_eq!(
                summary,
                (200, Some(text), Some(finish)),
                "{model}: {response}"
            );
            check_count(case, &response["usage"]);
            if let Some((.., price)) = case.count {
                assert_eq!(answer.header("x-quire-cost-usd"), price, "{model}");
            }
        }
        Refused(status, words) => {
            assert_eq!(answer.status, status, "{model}: {response}");
            let message = response["error"]["message"].to_string();
            assert!(message.contains(words), "{model}: {response}");
        }
        Broken(..) => panic!("{model}: a whole answer does not break off"),
    }
}

fn check_streamed(case: &Case, server: &Server, key: &str) {
    let (head, lines) = stream_lines(
        server,
        key,
        "/v1/chat/completions",
        &request_for(case, true),
    );
    let model = case.model;
    let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
    if let Refused(expected, words) = case.stream {
        assert_eq!(status, expected, "{model}: {lines:?}");
        assert!(lines.concat().contains(words), "{model}: {lines:?}");
        let waits = head.to_ascii_lowercase().contains("retry-after: ");
        // These statuses are the provider's own, and the client is told when to retry. If an answer broke off, the
        // status is Quire's own, without a time to retry.
        let passes = matches!(expected, 429 | 500 | 503..) || words == FAULT;
        assert_eq!(waits, passes, "{model}: {head}");
        return;
    }
    assert_eq!(status, 200, "{model}: {lines:?}");
    let chunks = data_objects(&lines);
    let choices = || chunks.iter().map(|chunk| &chunk["choices"][0]);
    let text: String = choices()
        .filter_map(|choice| choice["delta"]["content"].as_str())
        .collect();
    let finish = choices().find_map(|choice| choice["finish_reason"].as_str());
    let error = chunks
        .iter()
        .find_map(|chunk| chunk["error"]["message"].as_str());
    let is_done = lines.last().is_some_and(|line| line == "data: [DONE]");
    match case.stream {
        Answer(expected, end) => {
            assert_eq!(
                (text.as_str(), finish, error, is_done),
                (expected, Some(end), None, true),
                "{model}: {lines:?}"
            );
            let usage = chunks.iter().find(|chunk| chunk["usage"].is_object());
            check_count(
                case,
                &usage.unwrap_or_else(|| panic!("{model}: {lines:?}"))["usage"],
            );
        }
        Broken(expected, words) => {
            assert_eq!(
                (text.as_str(), finish, is_done),
                (expected, None, false),
                "{model}: {lines:?}"
            );
            assert!(
                error.is_some_and(|error| error.contains(words)),
                "{model}: {lines:?}"
            );
        }
        Refused(..) => {}
    }
}

pub fn check(cases: &[Case]) {
    let (_provider, server) = start_with_cases(cases);
    let mut client = server.user("ada@example.com");
    let key = key(&mut client);
    // All cases are checked before the failures are reported.
    let is_wrong = |check: &mut dyn FnMut()| catch_unwind(AssertUnwindSafe(check)).is_err();
    let mut wrong = Vec::new();
    for case in cases {
        if is_wrong(&mut || check_whole(case, &mut client)) {
            wrong.push(format!("{} whole", case.model));
        }
        if is_wrong(&mut || check_streamed(case, &server, &key)) {
            wrong.push(format!("{} streamed", case.model));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn an_interrupted_answer_is_never_complete() {
    check(&truncated_cases());
}

#[test]
fn tokens_and_prices_are_read_wherever_they_are() {
    check(&counts());
}

#[test]
fn reasoning_stays_out_of_the_answer() {
    check(&reasoning());
}

#[test]
fn streams_that_are_slightly_wrong_are_read() {
    check(&streams());
}

#[test]
fn failures_keep_their_reason_and_their_status() {
    check(&failure_cases());
}

#[test]
fn a_price_that_is_not_known_is_not_zero() {
    let cases = [complete_case(
        "free",
        usage_line(json!({ "prompt_tokens": 100, "completion_tokens": 7 })),
        None,
    )];
    let (_provider, server) = start_with_cases(&cases);
    let mut client = server.user("ada@example.com");
    let answer = client.post("/v1/chat/completions", request_for(&cases[0], false));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.headers.get("x-quire-cost-usd").is_none());
}

#[test]
fn tool_calls_are_distinguished_under_any_numbering() {
    let city = |name: &str| json!(format!("{{\"city\":\"{name}\"}}"));
    let legacy = |arguments: &str| {
        chunk(
            json!({ "function_call": { "name": "weather", "arguments": arguments } }),
            Value::Null,
        )
    };
    let two: &[&str] = &["{\"city\":\"Oslo\"}", "{\"city\":\"Rome\"}"];
    let cases: Vec<(&'static str, Vec<Value>, &str, &[&str])> = vec![
        (
            "index-0",
            vec![
                call(json!(0), "a1", city("Oslo")),
                call(json!(0), "a2", city("Rome")),
            ],
            "tool_calls",
            two,
        ),
        (
            "no-index",
            vec![
                call(Value::Null, "a1", city("Oslo")),
                call(Value::Null, "a2", city("Rome")),
            ],
            "tool_calls",
            two,
        ),
        (
            "index-text",
            vec![
                call(json!("0"), "a1", city("Oslo")),
                call(json!("1"), "a2", city("Rome")),
            ],
            "tool_calls",
            two,
        ),
        (
            "repeated",
            vec![
                call(json!(0), "a1", city("Oslo")),
                call(json!(0), "a1", city("Oslo")),
            ],
            "tool_calls",
            &two[..1],
        ),
        (
            "null-arguments",
            vec![call(json!(0), "a1", Value::Null)],
            "tool_calls",
            &["{}"],
        ),
        (
            "object-arguments",
            vec![call(json!(0), "a1", json!({ "city": "Oslo" }))],
            "stop",
            &two[..1],
        ),
        (
            "legacy",
            vec![legacy("{\"city\":"), legacy("\"Oslo\"}")],
            "function_call",
            &two[..1],
        ),
    ];
    let decoded = cases.iter().map(|&(model, ref pieces, reason, _)| {
        let rest = [end(reason), usual_usage(), done()];
        complete_case(
            model,
            sse(&pieces.iter().cloned().chain(rest).collect::<Vec<_>>()),
            None,
        )
    });
    let (_provider, server) = start_with_cases(&decoded.collect::<Vec<_>>());
    let mut client = server.user("ada@example.com");
    let tools = json!([{ "type": "function", "function": { "name": "weather" } }]);
    for (model, _, _, expected) in cases {
        let body = json!({ "model": format!("up/{model}"), "tools": tools, "messages": [{ "role": "user", "content": "Warm?" }] });
        let response = client.post("/v1/chat/completions", body).json();
        let calls = response["choices"][0]["message"]["tool_calls"].as_array();
        let argument_texts: Vec<&str> = calls
            .unwrap_or_else(|| panic!("{model}: {response}"))
            .iter()
            .map(|call| call["function"]["arguments"].as_str().unwrap())
            .collect();
        assert_eq!(argument_texts, expected, "{model}");
        assert_eq!(
            response["choices"][0]["finish_reason"], "tool_calls",
            "{model}"
        );
    }
}

#[test]
fn reasoning_is_returned_to_clients_and_resent_with_tool_results() {
    let details = json!([{ "type": "reasoning.encrypted", "data": "opaque", "index": 0 }]);
    let thinking = vec![
        chunk(
            json!({ "reasoning_content": "I need ", "reasoning_details": details }),
            Value::Null,
        ),
        chunk(json!({ "reasoning_content": "the weather." }), Value::Null),
        call(json!(0), "a1", json!("{}")),
        end("tool_calls"),
        usual_usage(),
        done(),
    ];
    let cases = [case_for_both(
        "thinks",
        vec![sse(&thinking), sse(&[text(T), end("stop"), done()])],
        Answer(T, "stop"),
        None,
    )];
    let (provider, server) = start_with_cases(&cases);
    let mut client = server.user("ada@example.com");
    let mut body = json!({ "model": "up/thinks", "messages": [{ "role": "user", "content": "Warm?" }],
        "tools": [{ "type": "function", "function": { "name": "weather" } }] });
    let response = client.post("/v1/chat/completions", body.clone()).json();
    let message = &response["choices"][0]["message"];
    assert_eq!(
        message["reasoning_content"], "I need the weather.",
        "{response}"
    );
    assert_eq!(message["reasoning_details"], details, "{response}");
    let result = json!({ "role": "tool", "tool_call_id": "a1", "content": "mild" });
    let turns = body["messages"].as_array_mut().unwrap();
    turns.extend([message.clone(), result]);
    let response = client.post("/v1/chat/completions", body).json();
    assert_eq!(
        response["choices"][0]["message"]["content"], T,
        "{response}"
    );
    let mut requests = provider.requests();
    requests.retain(|request| request.head.starts_with("POST"));
    let sent_message = &requests[1].body["messages"][1];
    assert_eq!(
        sent_message["reasoning_content"], "I need the weather.",
        "{sent_message}"
    );
    assert_eq!(sent_message["reasoning_details"], details, "{sent_message}");
}
