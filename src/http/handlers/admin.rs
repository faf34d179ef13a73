//! Administration over HTTP: accounts, invitations, reset links, the audit log, where settings come from.

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::{done, private, shape, visit};
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

/// GET /api/admin/users
pub async fn users(cx: RequestContext, _: Admin) -> Result<Reply, ApiError> {
    let (limit, cursor) = cx.page()?;
    let cursor = match cursor {
        None => None,
        Some(text) => Some(UserId::parse(&text).ok_or_else(bad_cursor)?),
    };
    let users = cx.app.accounts().users(limit, cursor).await?;
    let next = users
        .last()
        .filter(|_| users.len() == limit as usize)
        .map(|user| &user.id);
    let shown: Vec<Value> = users.iter().map(shape).collect();
    Ok(private(Reply::json(
        &json!({"users": shown, "next_cursor": next}),
    )))
}

/// POST /api/admin/users. Without a password one is made up and shown once.
pub async fn create_user(mut cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    let body: NewUserBody = cx.json().await?;
    let made_up = match body.password {
        None => Some(random_password()?),
        Some(_) => None,
    };
    let new = NewAccount {
        email: body.email,
        password: body
            .password
            .or_else(|| made_up.clone())
            .unwrap_or_default(),
        name: body.name.unwrap_or_default(),
        invite: None,
        setup_token: None,
        is_local: false,
    };
    let (by, role) = (&admin.caller().user, body.role.unwrap_or(Role::User));
    let user = cx
        .app
        .accounts()
        .create_user(Some(by), new, role, &visit(&cx))
        .await?;
    let body = json!({"status": "success", "user": shape(&user), "password": made_up});
    Ok(private(Reply::json(&body).status(StatusCode::CREATED)))
}

/// PUT /api/admin/users/{id}
pub async fn change_user(mut cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    let body: ChangeUserBody = cx.json().await?;
    let change = UserChange {
        role: body.role,
        disabled: body.disabled,
    };
    let (by, id) = (&admin.caller().user, id(&cx)?);
    let user = cx
        .app
        .accounts()
        .change_user(Some(by), &id, change, &visit(&cx))
        .await?;
    match change.disabled {
        Some(true) => {
            let reason = "its account was locked";
            cx.app.stop_account(&id, reason).await?;
        }
        // Documents that were not read yet have waited.
        Some(false) => cx.app.documents().resume()?,
        None => {}
    }
    Ok(private(Reply::json(&shape(&user))))
}

/// DELETE /api/admin/users/{id}
pub async fn delete_user(cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    let (by, id) = (&admin.caller().user, id(&cx)?);
    cx.app
        .accounts()
        .delete_user(Some(by), &id, &visit(&cx))
        .await?;
    // Last, because it may be the account of whoever asks.
    let reason = "its account was deleted";
    cx.app.stop_account(&id, reason).await?;
    done("the account is deleted with all that was its own")
}

/// POST /api/admin/users/{id}/reset-link
pub async fn reset_link(cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    let (by, id) = (&admin.caller().user, id(&cx)?);
    let made = cx
        .app
        .accounts()
        .reset_link(Some(by), &id, &visit(&cx))
        .await?;
    let path = format!("/login?token={}", made.token);
    Ok(private(Reply::json(&link(&cx, &made, &path))))
}

/// GET /api/admin/password-resets
pub async fn resets(cx: RequestContext, _: Admin) -> Result<Reply, ApiError> {
    let (limit, _) = cx.page()?;
    let resets = cx.app.accounts().resets(limit).await?;
    let shown = |reset: &ResetRequest| {
        json!({
            "user_id": reset.user,
            "email": reset.email,
            "requested_at": reset.requested,
            "link_expires_at": reset.expires,
        })
    };
    let shown: Vec<Value> = resets.iter().map(shown).collect();
    Ok(private(Reply::json(
        &json!({"password_resets": shown, "next_cursor": null}),
    )))
}

/// POST /api/admin/invites
pub async fn invite(mut cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    let body: InviteBody = cx.json_or_empty().await?;
    let by = &admin.caller().user;
    let made = cx
        .app
        .accounts()
        .invite(Some(by), body.email.as_deref(), &visit(&cx))
        .await?;
    let path = format!("/login?invite={}", made.token);
    Ok(private(
        Reply::json(&link(&cx, &made, &path)).status(StatusCode::CREATED),
    ))
}

/// GET /api/admin/audit
pub async fn audit(cx: RequestContext, _: Admin) -> Result<Reply, ApiError> {
    let (limit, cursor) = cx.page()?;
    let cursor = match cursor {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| bad_cursor())?),
    };
    let lines = cx.app.accounts().audit(limit, cursor).await?;
    let next = lines.last().filter(|_| lines.len() == limit as usize);
    let next = next.map(|(number, _)| number.to_string());
    let shown = |(_, line): &(i64, AuditEntry)| {
        json!({
            "at": line.at,
            "actor": line.actor,
            "action": line.action,
            "target": line.target,
            "address": line.address,
            "detail": line.detail,
        })
    };
    let shown: Vec<Value> = lines.iter().map(shown).collect();
    Ok(private(Reply::json(
        &json!({"audit": shown, "next_cursor": next}),
    )))
}

/// GET /api/admin/config: names and sources, no values.
pub async fn config(cx: RequestContext, _: Admin) -> Result<Reply, ApiError> {
    let config = &cx.app.config;
    let shown = config
        .sources
        .iter()
        .map(|(name, source)| json!({"name": name, "source": source.to_string()}));
    let settings: Vec<Value> = shown.collect();
    Ok(private(Reply::json(
        &json!({"settings": settings, "warnings": config.warnings}),
    )))
}

fn id(cx: &RequestContext) -> Result<UserId, ApiError> {
    UserId::parse(cx.param("id"))
        .ok_or_else(|| ApiError::new(Kind::Missing, "there is no such account"))
}

fn bad_cursor() -> ApiError {
    Error::field(
        &["query", "cursor"],
        "value_error",
        "is no cursor of this list",
    )
    .into()
}

/// A link to hand over: its path always, its whole address where it is known.
fn link(cx: &RequestContext, link: &OneTimeLink, path: &str) -> Value {
    let public = cx.app.config.public_url.as_deref();
    json!({
        "status": "success",
        "token": link.token,
        "path": path,
        "url": public.map(|url| format!("{url}{path}")),
        "expires_at": link.expires,
    })
}
