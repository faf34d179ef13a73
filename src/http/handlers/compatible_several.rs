//! Handles requests for several answers, made with `n` or a list of prompts. Each answer is a separate run, and the
//! response combines them; a stream starts when all are complete. Run slots are reserved before the first run starts,
//! and at most four runs execute concurrently. After a run has failed, no further runs start; the answers so far are
//! returned, and the response is marked as incomplete.

use std::sync::Arc;

use hyper::header::HeaderName;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::compatible_shape::{self, ClientApi};
use crate::app::completions::{Completion, StreamPermit};
use crate::app::{App, Error, Kind};
use crate::clock;
use crate::domain::id::AnalysisId;
use crate::domain::user::Caller;
use crate::http::context::RequestContext;
use crate::http::error::{ApiError, ErrorFormat};
use crate::http::reply::Reply;
use crate::http::sse::{self, SseEvent};
use crate::wire::serve_openai::{
    self as openai, ChatRequest, ChunkFrame, MAX_CHOICES, RequestError,
};
use crate::wire::serve_several::{encode_chunks, join_answers};

/// Maximum number of concurrent runs per request.
const MAX_CONCURRENT: usize = 4;

/// One of the answers to a request.
struct Choice {
    /// Index of the answer in the response.
    index: usize,
    id: AnalysisId,
    body: Value,
    completion: Completion,
    /// Request fields that had no effect.
    ignored_fields: Vec<String>,
}

/// The results of all runs for a request.
#[derive(Default)]
struct ChoiceSet {
    choices: Vec<Choice>,
    /// The index and error of the first run that failed, if any.
    failure: Option<(usize, Error)>,
}

/// Splits requests so that each asks for a single answer.
///
/// # Errors
/// `BadInput` if this would result in more than 16 requests.
pub(super) fn split_choices(requests: Vec<ChatRequest>) -> Result<Vec<ChatRequest>, ApiError> {
    let count: u32 = requests.iter().map(|request| request.choices.max(1)).sum();
    if count > MAX_CHOICES {
        let why = format!("a request can have at most {MAX_CHOICES} answers (prompts times n)");
        return Err(compatible_shape::invalid_field(RequestError {
            param: "n",
            reason: why,
        }));
    }
    let samples = requests.into_iter().flat_map(|request| {
        (0..request.choices.max(1)).map(move |sample| ChatRequest {
            sample,
            ..request.clone()
        })
    });
    Ok(samples.collect())
}

/// Runs all requests and combines their answers. If only some runs fail, the response contains the other answers, the
/// header `x-quire-incomplete`, and the field `incomplete`.
///
/// # Errors
/// `TooFast` or `Unavailable` if there are not enough free run slots, before any run starts; the error of the first run
/// that failed if there is no answer at all.
pub(super) async fn run(
    cx: &RequestContext,
    caller: Caller,
    requests: Vec<ChatRequest>,
    api: ClientApi,
) -> Result<Reply, ApiError> {
    let requested_count = requests.len();
    let (stream, usage) = requests
        .first()
        .map_or((false, false), |request| (request.stream, request.usage));
    let ChoiceSet { choices, failure } = run_all(cx, &caller, requests, api).await?;
    let answered_count = choices.len();
    let Some(sum) = total_completion(&choices, failure.is_none()) else {
        let no_answer = || Error::internal("no answer was requested");
        return Err(failure.map_or_else(no_answer, |(_, error)| error).into());
    };
    let ignored = ignored_fields(&choices);
    let first = choices.first().map(|choice| choice.id.to_string());
    let bodies = choices
        .into_iter()
        .map(|choice| (choice.index, choice.body));
    let mut body = join_answers(bodies, openai::encode_usage(&sum.usage));
    let mut headers = vec![("x-quire-analysis", first.unwrap_or_default())];
    if !ignored.is_empty() {
        headers.push(("x-quire-ignored", ignored.join(", ")));
    }
    if let Some((_, error)) = failure {
        let error = ApiError::from(error).vendor_body(ErrorFormat::OpenAi, &cx.id);
        body["incomplete"] =
            json!({ "wanted": requested_count, "given": answered_count, "error": error["error"] });
        headers.push((
            "x-quire-incomplete",
            format!("{answered_count} of {requested_count}"),
        ));
    }
    let reply = match stream {
        true => stream_reply(cx, &body, usage),
        false => Reply::json(&body),
    };
    let reply = compatible_shape::add_result_headers(reply, cx, &sum);
    Ok(headers.iter().fold(reply, |reply, (name, value)| {
        reply.header(HeaderName::from_static(name), value)
    }))
}

/// Runs all requests, a few at a time. If the client disconnects, this future is dropped, and all runs stop.
///
/// # Errors
/// `TooFast` or `Unavailable` if there are not enough free run slots, before any run starts.
async fn run_all(
    cx: &RequestContext,
    caller: &Caller,
    requests: Vec<ChatRequest>,
    api: ClientApi,
) -> Result<ChoiceSet, ApiError> {
    let slots = requests.len().min(MAX_CONCURRENT);
    let reservation = Arc::new(cx.app.completions().reserve(caller, slots).await?);
    let mut set = ChoiceSet::default();
    let mut waiting_requests = requests.into_iter().enumerate();
    let mut tasks = JoinSet::new();
    loop {
        while set.failure.is_none()
            && tasks.len() < slots
            && let Some((index, request)) = waiting_requests.next()
        {
            let frame = compatible_shape::chunk_frame(cx, &request);
            let (app, caller, slot) = (cx.app.clone(), caller.clone(), reservation.clone());
            tasks.spawn(async move {
                let choice = run_one(&app, &caller, &slot, (request, frame), api).await;
                choice
                    .map(|choice| Choice { index, ..choice })
                    .map_err(|error| (index, error))
            });
        }
        match tasks.join_next().await {
            None => break,
            Some(Ok(Ok(choice))) => set.choices.push(choice),
            Some(Ok(Err(failed))) => {
                let earlier = set.failure.take().filter(|(at, _)| *at < failed.0);
                set.failure = Some(earlier.unwrap_or(failed));
            }
            Some(Err(panic)) => {
                set.failure = Some((0, Error::internal(panic)));
            }
        }
    }
    set.choices.sort_by_key(|choice| choice.index);
    Ok(set)
}

async fn run_one(
    app: &App,
    caller: &Caller,
    slot: &StreamPermit,
    (request, mut frame): (ChatRequest, ChunkFrame),
    api: ClientApi,
) -> Result<Choice, Error> {
    let completions = app.completions();
    let started = completions
        .start(caller, request, None, clock::now(), Some(slot))
        .await?;
    let (run, mut ignored) = (started.run, started.ignored_fields);
    let is_passthrough = started.is_passthrough;
    // Held until the run ends, because dropping the guard stops the run.
    let _guard = run.guard;
    let Some(outcome) = run.finished.wait_for_outcome().await else {
        let error = Error::new(Kind::Unavailable, "the server is shutting down");
        return Err(error.resolve("try again in a minute"));
    };
    let completion = Completion::from_outcome(&outcome, is_passthrough)?;
    frame.id = compatible_shape::vendor_id(api, &run.id);
    frame.completed = Some(clock::now().millis() / 1_000);
    ignored.extend(
        completion
            .dropped_fields
            .iter()
            .map(|name| openai::sanitize_field_name(name)),
    );
    Ok(Choice {
        index: 0,
        id: run.id,
        body: compatible_shape::response_body(api, &frame, &completion),
        completion,
        ignored_fields: ignored,
    })
}

/// Returns the sum of all completions, or `None` if there are none. If any run failed, its cost is unknown, so the sum
/// has no cost.
fn total_completion(choices: &[Choice], all_succeeded: bool) -> Option<Completion> {
    let (first, rest) = choices.split_first()?;
    let sum = rest.iter().fold(first.completion.clone(), |sum, choice| {
        sum.merge(&choice.completion)
    });
    let cost = sum.cost.filter(|_| all_succeeded);
    Some(Completion { cost, ..sum })
}

/// Returns the names of all fields that any run ignored, without duplicates.
fn ignored_fields(choices: &[Choice]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in choices.iter().flat_map(|choice| &choice.ignored_fields) {
        if !all.contains(name) {
            all.push(name.clone());
        }
    }
    all
}

fn stream_reply(cx: &RequestContext, body: &Value, with_usage: bool) -> Reply {
    let event = |data: String| SseEvent {
        id: None,
        name: "".into(),
        data,
    };
    let mut events: Vec<SseEvent> = encode_chunks(body, with_usage)
        .iter()
        .map(|chunk| event(chunk.to_string()))
        .collect();
    events.push(event("[DONE]".to_owned()));
    sse::stream_immediately(
        cx,
        Some(events),
        |events| async move { Some((events?, None)) },
    )
}
