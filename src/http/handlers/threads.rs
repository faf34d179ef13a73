//! Thread handlers: list, show, change, delete, share, and export. The turns of a thread are analyses; see `analyses`.

use hyper::header::CONTENT_DISPOSITION;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::accounts::{no_store, success_reply};
use super::analyses::link_json;
use super::analysis_shape as shape;
use super::history;
use super::thread_shape::{listed_json, report_json, row_json};
use crate::app::Error;
use crate::app::analyses::{AnalysisReport, HistoryFilter};
use crate::app::threads::{SearchScope, ThreadChange, ThreadFilter, ThreadQuery, ThreadReport};
use crate::clock;
use crate::domain::export;
use crate::domain::id::{AnalysisId, ProjectId, ThreadId};
use crate::domain::time::Timestamp;
use crate::domain::user::Caller;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

/// `GET /api/threads`: lists the caller's threads, the most recently updated first. `q` searches titles, questions, and
/// answers; `in` restricts the search to questions or answers. The filters `status`, `pattern`, `model`, `from`, and
/// `to` must all match the same turn. Archived threads are omitted, unless `archived` or `q` is given or `shared` is
/// true. `answers=true` adds the first sentence of the newest answer.
///
/// # Errors
/// `BadInput` for an invalid limit, cursor, or filter.
pub async fn list(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (limit, cursor) = cx.page()?;
    let words = cx.query("q").filter(|text| !text.trim().is_empty());
    let project = cx.query("project").filter(|text| !text.is_empty());
    let (archived, shared) = (bool_param(&cx, "archived")?, bool_param(&cx, "shared")?);
    let query = ThreadQuery {
        // One more than the limit is requested, to see whether there is a next page.
        limit: limit + 1,
        cursor: cursor.map(|text| read_cursor(&text)).transpose()?,
        filter: ThreadFilter {
            project: project.map(|id| parse_project_id(&id)).transpose()?,
            pinned: bool_param(&cx, "pinned")?,
            archived: archived.or((words.is_none() && shared != Some(true)).then_some(false)),
            shared,
            turn: turn_filter(&cx)?,
            found: None,
        },
        words,
        scope: scope_param(&cx)?,
        with_answers: bool_param(&cx, "answers")? == Some(true),
    };
    let mut thread_rows = cx.app.threads().list(&caller, query).await?;
    let has_more = thread_rows.len() > limit as usize;
    thread_rows.truncate(limit as usize);
    let next = thread_rows.last().filter(|_| has_more);
    let next = next.map(|last| format!("{}.{}", last.row.updated.millis(), last.row.id));
    let items: Vec<Value> = thread_rows.iter().map(listed_json).collect();
    Ok(Reply::json(
        &json!({ "threads": items, "next_cursor": next }),
    ))
}

// Returns the query's filters that apply to turns, or `None` if there are none.
fn turn_filter(cx: &RequestContext) -> Result<Option<HistoryFilter>, ApiError> {
    let filter = HistoryFilter {
        search: None,
        ..history::parse_filter(cx)?
    };
    Ok((filter != HistoryFilter::default()).then_some(filter))
}

/// `GET /api/threads/{id}`: returns a thread with its turns as a tree.
///
/// # Errors
/// `Missing` if the caller has no such thread.
pub async fn show(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let report = cx.app.threads().show(&caller, &thread_id(&cx)?).await?;
    Ok(Reply::json(&report_json(&report)))
}

/// The thread fields to set. Fields that are absent stay unchanged; a null `project` removes the thread from its
/// project.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThreadBody {
    title: Option<String>,
    pinned: Option<bool>,
    archived: Option<bool>,
    #[serde(default, deserialize_with = "deserialize_nullable")]
    project: Option<Option<String>>,
}

fn deserialize_nullable<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(from).map(Some)
}

/// `PATCH /api/threads/{id}`: renames, pins, archives, or moves a thread.
///
/// # Errors
/// `Missing` if the caller has no such thread; `BadRequest` or `BadInput` for an invalid body.
pub async fn change(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: ThreadBody = cx.json().await?;
    let project = match body.project {
        None => None,
        Some(None) => Some(None),
        Some(Some(text)) => Some(Some(ProjectId::parse(&text).ok_or_else(|| {
            Error::field(&["body", "project"], "value_error", "is not a project ID")
        })?)),
    };
    let change = ThreadChange {
        title: body.title,
        pinned: body.pinned,
        archived: body.archived,
        project,
    };
    let row = cx
        .app
        .threads()
        .change(&caller, &thread_id(&cx)?, change)
        .await?;
    Ok(Reply::json(&row_json(&row)))
}

/// `DELETE /api/threads/{id}`: deletes a thread with all its turns.
///
/// # Errors
/// `Missing` if the caller has no such thread.
pub async fn delete(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let threads = cx.app.threads();
    threads
        .delete(&caller, &thread_id(&cx)?, clock::now())
        .await?;
    success_reply("thread deleted")
}

/// The turn to share. If it is absent, the whole thread is shared.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShareBody {
    turn: Option<String>,
}

/// `POST /api/threads/{id}/share`: creates a public link to a thread or to one of its turns.
///
/// # Errors
/// `Missing` if the caller has no such thread or turn; `BadRequest` or `BadInput` for an invalid body.
pub async fn share(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: ShareBody = cx.json_of_any_content_type().await?;
    let id = thread_id(&cx)?;
    let token = match body.turn {
        None => cx.app.threads().share(&caller, &id).await?,
        Some(turn) => {
            let turn = AnalysisId::parse(&turn).ok_or_else(Error::missing)?;
            let thread = cx.app.threads().show(&caller, &id).await?;
            if thread.turns.iter().all(|known| known.id != turn) {
                return Err(Error::missing().into());
            }
            cx.app.analyses().share(&caller, &turn).await?
        }
    };
    let mut link = link_json(&cx, &token);
    link["thread_id"] = json!(id);
    Ok(no_store(Reply::json(&link)))
}

/// `DELETE /api/threads/{id}/share`: revokes the public link to a thread. Links to its individual turns stay valid.
///
/// # Errors
/// `Missing` if the caller has no such thread.
pub async fn unshare(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    cx.app.threads().unshare(&caller, &thread_id(&cx)?).await?;
    success_reply("the link has been revoked")
}

/// `GET /api/threads/{id}/export?format=&turn=`: downloads a thread or one of its turns as Markdown, HTML, or JSON.
///
/// # Errors
/// `Missing` if the caller has no such thread or turn; `BadInput` for an unknown format.
pub async fn export(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let id = thread_id(&cx)?;
    let only = match cx.query("turn").filter(|text| !text.is_empty()) {
        Some(turn) => Some(AnalysisId::parse(&turn).ok_or_else(Error::missing)?),
        None => None,
    };
    let threads = cx.app.threads();
    let (thread, reports) = threads.reports(&caller, &id, only.as_ref()).await?;
    let format = cx.query("format").unwrap_or_else(|| "markdown".into());
    let Some(file) = export_thread(&thread, &reports, &format) else {
        let why = "must be markdown, html, or json";
        return Err(Error::field(&["query", "format"], "value_error", why).into());
    };
    let extension = file.extension;
    Ok(Reply::bytes(file.text, file.content_type).header(
        CONTENT_DISPOSITION,
        &format!("attachment; filename=\"{id}.{extension}\""),
    ))
}

/// A thread exported as a file.
pub struct ThreadExport {
    /// Content of the file.
    pub text: String,
    /// Media type of the file.
    pub content_type: &'static str,
    /// Extension of the file's name, without a dot.
    pub extension: &'static str,
}

/// Exports a thread with its analyses as `markdown`, `html`, or `json`. Returns `None` for any other format.
pub fn export_thread(
    thread: &ThreadReport,
    reports: &[AnalysisReport],
    format: &str,
) -> Option<ThreadExport> {
    let title = &thread.row.title;
    let turns = reports.iter().map(|report| &report.analysis);
    let (text, content_type, extension) = match format {
        "json" => {
            let turns: Vec<Value> = reports.iter().map(shape::full_json).collect();
            let mut body = row_json(&thread.row);
            body["turns"] = json!(turns);
            (format!("{body:#}"), "application/json", "json")
        }
        "markdown" | "md" => (
            export::thread_markdown(title, turns),
            "text/markdown; charset=utf-8",
            "md",
        ),
        "html" => (
            export::thread_html(title, turns),
            "text/html; charset=utf-8",
            "html",
        ),
        _ => return None,
    };
    Some(ThreadExport {
        text,
        content_type,
        extension,
    })
}

fn bool_param(cx: &RequestContext, name: &str) -> Result<Option<bool>, ApiError> {
    match cx.query(name).as_deref() {
        None | Some("") => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => {
            let why = "must be true or false";
            Err(Error::field(&["query", name], "bool_type", why).into())
        }
    }
}

fn scope_param(cx: &RequestContext) -> Result<SearchScope, ApiError> {
    match cx.query("in").as_deref() {
        None | Some("") => Ok(SearchScope::Everything),
        Some("questions") => Ok(SearchScope::Questions),
        Some("answers") => Ok(SearchScope::Answers),
        Some(_) => {
            let why = "must be questions or answers";
            Err(Error::field(&["query", "in"], "value_error", why).into())
        }
    }
}

fn read_cursor(text: &str) -> Result<(Timestamp, ThreadId), ApiError> {
    let parts = text.split_once('.');
    let read = parts.and_then(|(updated, id)| {
        let updated = Timestamp::from_millis(updated.parse().ok()?);
        Some((updated, ThreadId::parse(id)?))
    });
    let why = "is not a cursor for this list";
    read.ok_or_else(|| Error::field(&["query", "cursor"], "value_error", why).into())
}

fn parse_project_id(text: &str) -> Result<ProjectId, ApiError> {
    let why = "is not a project ID";
    let id = ProjectId::parse(text);
    id.ok_or_else(|| Error::field(&["query", "project"], "value_error", why).into())
}

fn thread_id(cx: &RequestContext) -> Result<ThreadId, ApiError> {
    ThreadId::parse(cx.param("id")).ok_or_else(|| Error::missing().into())
}
