//! Project handlers: list, create, show, change, and delete.

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::success_reply;
use crate::app::Error;
use crate::app::projects::ProjectChange;
use crate::clock;
use crate::domain::id::ProjectId;
use crate::domain::project::Project;
use crate::domain::user::Caller;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

/// The project fields to set. Fields that are absent stay unchanged.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProjectBody {
    name: Option<String>,
    instructions: Option<String>,
    document_ids: Option<Vec<String>>,
    members: Option<Vec<String>>,
}

/// `GET /api/projects`: lists the caller's projects and those shared with the caller, ordered by name.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub async fn list(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let projects = cx.app.projects().list(&caller).await?;
    let items: Vec<Value> = projects
        .iter()
        .map(|project| project_json(project, &caller))
        .collect();
    Ok(Reply::json(
        &json!({ "projects": items, "next_cursor": null }),
    ))
}

/// `POST /api/projects`: creates a project.
///
/// # Errors
/// `BadRequest` or `BadInput` for an invalid body; `Conflict` if the caller has too many projects.
pub async fn create(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let change = change_of(cx.json().await?);
    let projects = cx.app.projects();
    let project = projects.create(&caller, change, clock::now()).await?;
    Ok(Reply::json(&project_json(&project, &caller)).status(StatusCode::CREATED))
}

/// `GET /api/projects/{id}`: returns one project, and the amount that the caller has spent in it this month.
///
/// # Errors
/// `Missing` if the caller may not see the project.
pub async fn show(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (projects, id) = (cx.app.projects(), project_id(&cx)?);
    let project = projects.show(&caller, &id).await?;
    let month_spending = projects.spent_this_month(&caller, &id, clock::now());
    let (usd, is_unpriced) = month_spending.await?;
    let mut body = project_json(&project, &caller);
    body["spent_this_month"] = json!({ "cost_usd": usd, "unpriced": is_unpriced });
    Ok(Reply::json(&body))
}

/// `PATCH /api/projects/{id}`: changes a project.
///
/// # Errors
/// `Missing` if the caller may not see the project; `Forbidden` if only its owner may change a field; `BadRequest` or
/// `BadInput` for an invalid body.
pub async fn change(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let change = change_of(cx.json().await?);
    let (projects, id) = (cx.app.projects(), project_id(&cx)?);
    let project = projects.change(&caller, &id, change, clock::now()).await?;
    Ok(Reply::json(&project_json(&project, &caller)))
}

/// `DELETE /api/projects/{id}`: deletes a project but keeps its threads and documents.
///
/// # Errors
/// `Missing` if the project does not belong to the caller.
pub async fn delete(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    cx.app.projects().delete(&caller, &project_id(&cx)?).await?;
    success_reply("project deleted")
}

fn change_of(body: ProjectBody) -> ProjectChange {
    ProjectChange {
        name: body.name,
        instructions: body.instructions,
        documents: body.document_ids,
        people: body.members,
    }
}

fn project_json(project: &Project, caller: &Caller) -> Value {
    json!({
        "project_id": project.id, "name": project.name, "instructions": project.instructions,
        "document_ids": project.documents, "members": project.member_emails, "own": project.owner == caller.user,
        "created_at": project.created, "changed_at": project.changed_at,
    })
}

fn project_id(cx: &RequestContext) -> Result<ProjectId, ApiError> {
    ProjectId::parse(cx.param("id")).ok_or_else(|| Error::missing().into())
}
