//! Administration handlers: accounts, invitations, reset links, the audit log, and where settings come from.

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::{no_store, request_origin, success_reply, user_json};
use crate::app::accounts::{NewAccount, random_password};
use crate::app::admin::{AuditEntry, OneTimeLink, ResetRequest, UserChange};
use crate::app::{Error, Kind};
use crate::domain::id::UserId;
use crate::domain::user::Role;
use crate::http::auth::Admin;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUserBody {
    email: String,
    password: Option<String>,
    name: Option<String>,
    role: Option<Role>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeUserBody {
    role: Option<Role>,
    disabled: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InviteBody {
    email: Option<String>,
}

/// `GET /api/admin/users`: lists all accounts.
///
/// # Errors
/// `BadInput` for an invalid limit or cursor.
pub async fn users(cx: RequestContext, _: Admin) -> Result<Reply, ApiError> {
    let (limit, cursor) = cx.page()?;
    let cursor = match cursor {
        None => None,
        Some(text) => Some(UserId::parse(&text).ok_or_else(invalid_cursor)?),
    };
    let users = cx.app.accounts().users(limit, cursor).await?;
    let next = users
        .last()
        .filter(|_| users.len() == limit as usize)
        .map(|user| &user.id);
    let items: Vec<Value> = users.iter().map(user_json).collect();
    Ok(no_store(Reply::json(
        &json!({"users": items, "next_cursor": next}),
    )))
}

/// `POST /api/admin/users`: creates an account. If the body contains no password, one is generated and returned only in
/// this response.
///
/// # Errors
/// `BadInput` for an invalid body, email address, or a weak password; `Conflict` if the address is taken.
pub async fn create_user(mut cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    let body: NewUserBody = cx.json().await?;
    let generated = match body.password {
        None => Some(random_password()?),
        Some(_) => None,
    };
    let new = NewAccount {
        email: body.email,
        password: body
            .password
            .or_else(|| generated.clone())
            .unwrap_or_default(),
        name: body.name.unwrap_or_default(),
        invite: None,
        setup_token: None,
        is_local: false,
    };
    let (actor, role) = (&admin.caller().user, body.role.unwrap_or(Role::User));
    let user = cx
        .app
        .accounts()
        .create_user(Some(actor), new, role, &request_origin(&cx))
        .await?;
    let body = json!({"status": "success", "user": user_json(&user), "password": generated});
    Ok(no_store(Reply::json(&body).status(StatusCode::CREATED)))
}

/// `PUT /api/admin/users/{id}`: changes an account's role, or locks or unlocks it.
///
/// # Errors
/// `BadInput` for an invalid body; `Missing` if there is no such account; `Conflict` if it is the last
/// administrator.
pub async fn update_user(mut cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    let body: ChangeUserBody = cx.json().await?;
    let change = UserChange {
        role: body.role,
        disabled: body.disabled,
    };
    let (actor, id) = (&admin.caller().user, user_id(&cx)?);
    let user = cx
        .app
        .accounts()
        .change_user(Some(actor), &id, change, &request_origin(&cx))
        .await?;
    match change.disabled {
        Some(true) => {
            let reason = "its account was locked";
            cx.app.stop_account(&id, reason).await?;
        }
        // Documents of the account may still be waiting to be read, so continue reading.
        Some(false) => cx.app.documents().resume().await?,
        None => {}
    }
    Ok(no_store(Reply::json(&user_json(&user))))
}

/// `DELETE /api/admin/users/{id}`: deletes an account with all its data.
///
/// # Errors
/// `Missing` if there is no such account; `Conflict` if it is the last administrator.
pub async fn delete_user(cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    let (actor, id) = (&admin.caller().user, user_id(&cx)?);
    cx.app
        .accounts()
        .delete_user(Some(actor), &id, &request_origin(&cx))
        .await?;
    // This step is last because it may stop this request: administrators may delete their own account.
    let reason = "its account was deleted";
    cx.app.stop_account(&id, reason).await?;
    success_reply("the account and its data have been deleted")
}

/// `POST /api/admin/users/{id}/reset-link`: creates a password reset link.
///
/// # Errors
/// `Missing` if there is no such account.
pub async fn reset_link(cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    let (actor, id) = (&admin.caller().user, user_id(&cx)?);
    let created = cx
        .app
        .accounts()
        .reset_link(Some(actor), &id, &request_origin(&cx))
        .await?;
    let path = format!("/login?token={}", created.token);
    Ok(no_store(Reply::json(&link_json(&cx, &created, &path))))
}

/// `GET /api/admin/password-resets`: lists open password reset requests.
///
/// # Errors
/// `BadInput` for an invalid limit.
pub async fn resets(cx: RequestContext, _: Admin) -> Result<Reply, ApiError> {
    let (limit, _) = cx.page()?;
    let resets = cx.app.accounts().reset_requests(limit).await?;
    let to_json = |reset: &ResetRequest| {
        json!({
            "user_id": reset.user,
            "email": reset.email,
            "requested_at": reset.requested_at,
            "link_expires_at": reset.expires_at,
        })
    };
    let items: Vec<Value> = resets.iter().map(to_json).collect();
    Ok(no_store(Reply::json(
        &json!({"password_resets": items, "next_cursor": null}),
    )))
}

/// `POST /api/admin/invites`: creates an invitation link.
///
/// # Errors
/// `BadInput` for an invalid body or email address.
pub async fn invite(mut cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    let body: InviteBody = cx.json_of_any_content_type().await?;
    let actor = &admin.caller().user;
    let created = cx
        .app
        .accounts()
        .invite(Some(actor), body.email.as_deref(), &request_origin(&cx))
        .await?;
    let path = format!("/login?invite={}", created.token);
    Ok(no_store(
        Reply::json(&link_json(&cx, &created, &path)).status(StatusCode::CREATED),
    ))
}

/// `GET /api/admin/audit`: returns the audit log, newest entries first.
///
/// # Errors
/// `BadInput` for an invalid limit or cursor.
pub async fn audit(cx: RequestContext, _: Admin) -> Result<Reply, ApiError> {
    let (limit, cursor) = cx.page()?;
    let cursor = match cursor {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| invalid_cursor())?),
    };
    let entries = cx.app.accounts().audit(limit, cursor).await?;
    let next = entries.last().filter(|_| entries.len() == limit as usize);
    let next = next.map(|(number, _)| number.to_string());
    let to_json = |(_, entry): &(i64, AuditEntry)| {
        json!({
            "at": entry.at,
            "actor": entry.actor,
            "action": entry.action,
            "target": entry.target,
            "address": entry.address,
            "detail": entry.detail,
        })
    };
    let items: Vec<Value> = entries.iter().map(to_json).collect();
    Ok(no_store(Reply::json(
        &json!({"audit": items, "next_cursor": next}),
    )))
}

/// `GET /api/admin/config`: returns the name and source of each setting, without its value.
///
/// # Errors
/// Never returns an error; all handlers have the same signature.
pub async fn config(cx: RequestContext, _: Admin) -> Result<Reply, ApiError> {
    let config = &cx.app.config;
    let items = config
        .sources
        .iter()
        .map(|(name, source)| json!({"name": name, "source": source.to_string()}));
    let settings: Vec<Value> = items.collect();
    Ok(no_store(Reply::json(
        &json!({"settings": settings, "warnings": config.warnings}),
    )))
}

fn user_id(cx: &RequestContext) -> Result<UserId, ApiError> {
    UserId::parse(cx.param("id"))
        .ok_or_else(|| ApiError::new(Kind::Missing, "there is no such account"))
}

fn invalid_cursor() -> ApiError {
    Error::field(
        &["query", "cursor"],
        "value_error",
        "is not a cursor for this list",
    )
    .into()
}

/// Returns a one-time link as JSON: its path on the host, and the full URL if `PUBLIC_URL` is set.
fn link_json(cx: &RequestContext, link: &OneTimeLink, path: &str) -> Value {
    let config = &cx.app.config;
    let public = config.public_url.as_deref();
    json!({
        "status": "success",
        "token": link.token,
        "path": format!("{}{path}", config.base_path()),
        "url": public.map(|url| format!("{url}{path}")),
        "expires_at": link.expires,
    })
}
