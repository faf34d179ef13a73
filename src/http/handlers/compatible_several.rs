//! Several answers to one request: `n`, and a list of prompts. Each is a run of its own; together they are one
//! answer. A stream begins when all are complete. Places for the runs are kept before the first one begins, few run at
//! once, and none begins after one has failed; what was answered by then is delivered and marked as incomplete.

use std::sync::Arc;

use hyper::header::HeaderName;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::compatible_shape::{self, ClientApi};
use crate::app::completions::{Completion, Reservation};
use crate::app::{App, Error, Kind};
use crate::clock;
use crate::domain::id::AnalysisId;
use crate::domain::user::Caller;
use crate::http::context::RequestContext;
use crate::http::error::{ApiError, ErrorFormat};
use crate::http::reply::Reply;
use crate::http::sse::{self, SseEvent};
use crate::wire::serve_openai::{
    self as openai, ChatRequest, ChunkFrame, MOST_CHOICES, RequestError,
};
use crate::wire::serve_several::{chunks, joined};

/// Runs of one request that are under way at once.
const AT_ONCE: usize = 4;

/// One of the answers.
struct Choice {
    /// Its place among those that were asked for.
    index: usize,
    id: AnalysisId,
    whole: Value,
    done: Completion,
    /// Fields of its request that had no effect.
    ignored: Vec<String>,
}

/// What came of all runs.
#[derive(Default)]
struct Gathered {
    choices: Vec<Choice>,
    /// The failure of the first run that has none.
    failure: Option<(usize, Error)>,
}

/// A request for each answer that is wanted.
///
/// # Errors
/// When there are more than 16.
pub(super) fn each(asked: Vec<ChatRequest>) -> Result<Vec<ChatRequest>, ApiError> {
    let count: u32 = asked.iter().map(|one| one.choices.max(1)).sum();
    if count > MOST_CHOICES {
        let why =
            format!("at most {MOST_CHOICES} answers are given to one request: prompts times n");
        return Err(compatible_shape::refused(RequestError { param: "n", why }));
    }
    let samples = asked.into_iter().flat_map(|one| {
        (0..one.choices.max(1)).map(move |sample| ChatRequest {
            sample,
            ..one.clone()
        })
    });
    Ok(samples.collect())
}

/// The answers to all of them as one, and its text where it is no stream. Where some could not be given, the others
/// are, with the header `x-quire-incomplete` and the field `incomplete`.
///
/// # Errors
/// When there is no place for the runs: nothing was begun. As the first run that failed where no other has an answer.
pub(super) async fn answer(
    cx: &RequestContext,
    caller: Caller,
    all: Vec<ChatRequest>,
    api: ClientApi,
) -> Result<(Reply, String), ApiError> {
    let wanted = all.len();
    let (stream, usage) = all
        .first()
        .map_or((false, false), |asked| (asked.stream, asked.usage));
    let Gathered { choices, failure } = gather(cx, &caller, all, api).await?;
    let given = choices.len();
    let Some(sum) = sum(&choices, failure.is_none()) else {
        let nothing = || Error::internal("no answer was asked for");
        return Err(failure.map_or_else(nothing, |(_, error)| error).into());
    };
    let ignored = union(&choices);
    let first = choices.first().map(|choice| choice.id.to_string());
    let wholes = choices.into_iter().map(|one| (one.index, one.whole));
    let mut answer = joined(wholes, openai::tokens(&sum.usage));
    let mut named = vec![("x-quire-analysis", first.unwrap_or_default())];
    if !ignored.is_empty() {
        named.push(("x-quire-ignored", ignored.join(", ")));
    }
    if let Some((_, error)) = failure {
        let error = ApiError::from(error).foreign_body(ErrorFormat::OpenAi, &cx.id);
        answer["incomplete"] = json!({ "wanted": wanted, "given": given, "error": error["error"] });
        named.push(("x-quire-incomplete", format!("{given} of {wanted}")));
    }
    let (reply, text) = match stream {
        true => (streamed(cx, &answer, usage), String::new()),
        false => {
            let text = answer.to_string();
            (Reply::bytes(text.clone(), "application/json"), text)
        }
    };
    let reply = compatible_shape::told(reply, cx, &sum);
    let reply = named.iter().fold(reply, |reply, (name, value)| {
        reply.header(HeaderName::from_static(name), value)
    });
    Ok((reply, text))
}

/// Runs them all, a few at once. A client that leaves drops this future, and with the tasks every run.
///
/// # Errors
/// When there is no place for the runs: nothing was begun.
async fn gather(
    cx: &RequestContext,
    caller: &Caller,
    all: Vec<ChatRequest>,
    api: ClientApi,
) -> Result<Gathered, ApiError> {
    let places = all.len().min(AT_ONCE);
    let reservation = Arc::new(cx.app.completions().reserve(caller, places)?);
    let mut gathered = Gathered::default();
    let mut waiting = all.into_iter().enumerate();
    let mut tasks = JoinSet::new();
    loop {
        while gathered.failure.is_none()
            && tasks.len() < places
            && let Some((index, asked)) = waiting.next()
        {
            let frame = compatible_shape::frame_of(cx, &asked);
            let (app, caller, place) = (cx.app.clone(), caller.clone(), reservation.clone());
            tasks.spawn(async move {
                let answered = one(&app, &caller, &place, (asked, frame), api).await;
                answered
                    .map(|answered| Choice { index, ..answered })
                    .map_err(|error| (index, error))
            });
        }
        match tasks.join_next().await {
            None => break,
            Some(Ok(Ok(choice))) => gathered.choices.push(choice),
            Some(Ok(Err(failed))) => {
                let earlier = gathered.failure.take().filter(|(at, _)| *at < failed.0);
                gathered.failure = Some(earlier.unwrap_or(failed));
            }
            Some(Err(fault)) => {
                gathered.failure = Some((0, Error::internal(fault)));
            }
        }
    }
    gathered.choices.sort_by_key(|choice| choice.index);
    Ok(gathered)
}

async fn one(
    app: &App,
    caller: &Caller,
    place: &Reservation,
    (asked, mut frame): (ChatRequest, ChunkFrame),
    api: ClientApi,
) -> Result<Choice, Error> {
    let completions = app.completions();
    let started = completions
        .start(caller, asked, clock::now(), Some(place))
        .await?;
    let (begun, mut ignored) = (started.begun, started.ignored);
    let passed_on = started.passed_on;
    // Held until the answer is there.
    let _guard = begun.guard;
    let Some(ended) = begun.finished.outcome().await else {
        let error = Error::new(Kind::Unavailable, "the server is shutting down");
        return Err(error.resolve("try again in a minute"));
    };
    let done = Completion::of(&ended, passed_on)?;
    frame.id = compatible_shape::id_of(api, &begun.id);
    frame.completed = Some(clock::now().millis() / 1_000);
    ignored.extend(done.dropped.iter().map(|name| openai::shown(name)));
    Ok(Choice {
        index: 0,
        id: begun.id,
        whole: compatible_shape::whole(api, &frame, &done),
        done,
        ignored,
    })
}

/// All of them as one completion; none where there are none. What a failed run has cost is not known here, so the
/// cost is left out where one has failed.
fn sum(choices: &[Choice], is_whole: bool) -> Option<Completion> {
    let (first, rest) = choices.split_first()?;
    let sum = rest
        .iter()
        .fold(first.done.clone(), |sum, one| sum.plus(&one.done));
    let cost = sum.cost.filter(|_| is_whole);
    Some(Completion { cost, ..sum })
}

/// Every field that had no effect on one of them, once.
fn union(choices: &[Choice]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in choices.iter().flat_map(|choice| &choice.ignored) {
        if !all.contains(name) {
            all.push(name.clone());
        }
    }
    all
}

fn streamed(cx: &RequestContext, answer: &Value, with_usage: bool) -> Reply {
    let event = |data: String| SseEvent {
        id: None,
        name: "".into(),
        data,
    };
    let mut events: Vec<SseEvent> = chunks(answer, with_usage)
        .iter()
        .map(|chunk| event(chunk.to_string()))
        .collect();
    events.push(event("[DONE]".to_owned()));
    sse::at_once(
        cx,
        Some(events),
        |events| async move { Some((events?, None)) },
    )
}
