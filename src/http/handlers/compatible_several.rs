//! Several answers to one request: `n`, and a list of prompts. Each is a run of its own; together they are one
//! answer. A stream begins when all are complete.

use hyper::header::HeaderName;
use serde_json::Value;

use super::compatible::{self, Api};
use crate::app::analyses::Begun;
use crate::app::completions::{Completion, Started};
use crate::app::{Error, Kind};
use crate::clock;
use crate::domain::user::Caller;
use crate::http::cx::Cx;
use crate::http::error::ApiError;
use crate::http::reply::Reply;
use crate::http::sse::{self, Event};
use crate::wire::serve_openai::{self as openai, Asked, Fault, MOST_CHOICES};
use crate::wire::serve_several::{chunks, joined};

/// A request for each answer that is wanted.
///
/// # Errors
/// When there are more than 16.
pub(super) fn each(asked: Vec<Asked>) -> Result<Vec<Asked>, ApiError> {
    let count: u32 = asked.iter().map(|one| one.choices.max(1)).sum();
    if count > MOST_CHOICES {
        let why =
            format!("at most {MOST_CHOICES} answers are given to one request: prompts times n");
        return Err(compatible::refused(Fault { param: "n", why }));
    }
    let samples = asked.into_iter().flat_map(|one| {
        (0..one.choices.max(1)).map(move |sample| Asked {
            sample,
            ..one.clone()
        })
    });
    Ok(samples.collect())
}

/// The answers to all of them as one, and its text where it is no stream.
///
/// # Errors
/// As the first run that fails.
pub(super) async fn answer(
    cx: &Cx,
    caller: Caller,
    all: Vec<Asked>,
    api: Api,
) -> Result<(Reply, String), ApiError> {
    let completions = cx.app.completions();
    let (mut runs, mut guards) = (Vec::new(), Vec::new());
    let (mut stream, mut usage, mut ignored) = (false, false, String::new());
    for asked in all {
        (stream, usage) = (asked.stream, asked.usage);
        let mut frame = compatible::frame_of(cx, &asked);
        let started: Started = completions.start(&caller, asked, clock::now()).await?;
        frame.id = compatible::id_of(api, &started.begun.id);
        ignored = started.ignored.join(", ");
        let Begun {
            id,
            finished,
            guard,
        } = started.begun;
        guards.push(guard);
        runs.push((id, finished, frame));
    }
    // A client that leaves drops this future, and with the guards every run.
    let (mut wholes, mut sum) = (Vec::new(), None::<Completion>);
    let first = runs.first().map(|(id, ..)| id.to_string());
    for (id, finished, mut frame) in runs {
        let Some(ended) = finished.outcome().await else {
            let error = Error::new(Kind::Unavailable, "the server is shutting down");
            return Err(error.resolve("try again in a minute").into());
        };
        let done = completions.result(&caller, &id, ended).await?;
        frame.completed = Some(clock::now().millis() / 1_000);
        wholes.push(compatible::whole(api, &frame, &done));
        sum = Some(match sum {
            None => done,
            Some(sum) => sum.plus(&done),
        });
    }
    drop(guards);
    let sum = sum.ok_or_else(|| Error::internal("no answer was asked for"))?;
    let answer = joined(wholes, openai::tokens(&sum.usage));
    let (reply, text) = match stream {
        true => (streamed(cx, &answer, usage), String::new()),
        false => {
            let text = answer.to_string();
            (Reply::bytes(text.clone(), "application/json"), text)
        }
    };
    let mut reply = compatible::told(reply, cx, &sum);
    if let Some(first) = first {
        reply = reply.header(HeaderName::from_static("x-quire-analysis"), &first);
    }
    if !ignored.is_empty() {
        reply = reply.header(HeaderName::from_static("x-quire-ignored"), &ignored);
    }
    Ok((reply, text))
}

fn streamed(cx: &Cx, answer: &Value, with_usage: bool) -> Reply {
    let event = |data: String| Event {
        id: None,
        name: "".into(),
        data,
    };
    let mut events: Vec<Event> = chunks(answer, with_usage)
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
