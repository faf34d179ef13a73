//! Account handlers: registration, sign-in and sign-out, token refresh, passwords, and the caller's profile. They set
//! the session cookies; the rules are in `app::accounts`.

use hyper::header::CACHE_CONTROL;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::accounts::{
    ACCESS_TOKEN_LIFETIME, DEVICE_TOKEN_LIFETIME, NewAccount, NewProfile, REFRESH_TOKEN_LIFETIME,
    RequestOrigin, SignedIn,
};
use crate::app::{Error, Kind};
use crate::domain::key::keys_deleted;
use crate::domain::user::{Caller, Role, User};
use crate::http::auth::{self, AuthCookie, CookieScope};
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisterBody {
    email: String,
    password: String,
    name: Option<String>,
    invite: Option<String>,
    setup_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginBody {
    email: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefreshBody {
    refresh_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EmailBody {
    email: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResetPasswordBody {
    token: String,
    new_password: String,
    keep_api_keys: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileBody {
    email: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordBody {
    #[serde(alias = "old_password")]
    current_password: String,
    new_password: String,
}

/// `POST /api/auth/register`: creates an account.
///
/// # Errors
/// `BadRequest` or `BadInput` for an invalid body, a taken email address, or a weak password; `Forbidden` if
/// registration is closed, an invitation is missing, or the setup token is invalid; `TooFast` after many attempts.
pub async fn register(mut cx: RequestContext) -> Result<Reply, ApiError> {
    let body: RegisterBody = cx.json().await?;
    let new = NewAccount {
        email: body.email,
        password: body.password,
        name: body.name.unwrap_or_default(),
        invite: body.invite,
        setup_token: body.setup_token,
        is_local: auth::is_local(&cx.request, cx.peer),
    };
    let (accounts, origin) = (cx.app.accounts(), request_origin(&cx));
    let user = accounts.register(new, &origin).await?;
    let device = device_cookie(&cx, &accounts.first_device_cookie(&user, &origin)?);
    let reply = no_store(Reply::json(&json!({
        "status": "success",
        "message": "the account was created; now sign in",
        "user_id": user.id,
        "user": user_json(&user),
    })));
    Ok(reply.cookie(&device))
}

/// `POST /api/auth/login`: signs in. Returns both tokens in the body and as cookies.
///
/// # Errors
/// `SignInNeeded` for a wrong email address or password; `TooFast` after many attempts; `BadRequest` or `BadInput`
/// for an invalid body.
pub async fn login(mut cx: RequestContext) -> Result<Reply, ApiError> {
    let body: LoginBody = cx.json().await?;
    let accounts = cx.app.accounts();
    let signed_in = accounts
        .login(&body.email, &body.password, &request_origin(&cx))
        .await?;
    Ok(token_response(&cx, &signed_in))
}

/// `POST /api/auth/guest`: signs in a visitor as a guest, without an account. Available only in the offline demo.
///
/// # Errors
/// `Forbidden` outside the offline demo; `TooFast` after many attempts; `Unavailable` if there are too many guests.
pub async fn guest(cx: RequestContext) -> Result<Reply, ApiError> {
    if !cx.app.allows_guests() {
        let error = Error::new(
            Kind::Forbidden,
            "guests are allowed only in the offline demo",
        );
        return Err(error.resolve("sign in, or create an account").into());
    }
    let signed_in = cx.app.accounts().begin_guest(&request_origin(&cx)).await?;
    Ok(token_response(&cx, &signed_in))
}

/// `POST /api/auth/refresh`: exchanges a refresh token for a new pair of tokens.
///
/// # Errors
/// `BadRequest` without a refresh token; `SignInNeeded` if it is invalid or expired.
pub async fn refresh(mut cx: RequestContext) -> Result<Reply, ApiError> {
    let body: RefreshBody = cx.json_of_any_content_type().await?;
    let Some(token) = refresh_token(&cx, body) else {
        let error = Error::new(
            Kind::BadRequest,
            "there is no refresh token in the body or the cookie",
        );
        return Err(error
            .resolve("send {\"refresh_token\": …}, or sign in")
            .into());
    };
    let signed_in = cx
        .app
        .accounts()
        .refresh(&token, &request_origin(&cx))
        .await?;
    Ok(token_response(&cx, &signed_in))
}

/// `POST /api/auth/logout`: ends the session. A refresh token is sufficient, because a browser whose access token has
/// expired must still be able to sign out. A guest is deleted with all data.
///
/// # Errors
/// `SignInNeeded` without a valid access or refresh token.
pub async fn logout(mut cx: RequestContext) -> Result<Reply, ApiError> {
    let body: RefreshBody = cx.json_of_any_content_type().await?;
    let token = refresh_token(&cx, body);
    let accounts = cx.app.accounts();
    match (
        auth::resolve_caller(&cx.app, &cx.request.headers, cx.https, cx.now).await,
        token,
    ) {
        (Ok(Some(caller)), _) if caller.role == Role::Guest => {
            let origin = request_origin(&cx);
            cx.app.delete_guest(&caller.user, &origin).await?;
        }
        (Ok(Some(caller)), _) => accounts.logout(&caller, &request_origin(&cx)).await?,
        (_, Some(token)) => {
            accounts
                .logout_by_refresh(&token, &request_origin(&cx))
                .await?
        }
        (Err(error), None) => return Err(error),
        (Ok(None), None) => return Err(auth::credential_required()),
    }
    let reply = no_store(Reply::json(
        &json!({"status": "success", "message": "signed out"}),
    ));
    Ok(reply
        .cookie(&set_cookie(&cx, AuthCookie::Access, "", 0))
        .cookie(&set_cookie(&cx, AuthCookie::Refresh, "", 0)))
}

/// `POST /api/auth/request-password-reset`: requests a password reset. The response does not reveal whether the account
/// exists.
///
/// # Errors
/// `BadInput` without an email address; `TooFast` after many attempts.
pub async fn request_reset(mut cx: RequestContext) -> Result<Reply, ApiError> {
    let body: EmailBody = cx.json_of_any_content_type().await?;
    let Some(email) = body.email.or_else(|| cx.query("email")) else {
        return Err(Error::field(&["body", "email"], "missing", "is needed").into());
    };
    cx.app
        .accounts()
        .request_reset(&email, &request_origin(&cx))
        .await?;
    Ok(Reply::json(&json!({
        "status": "success",
        "message": "if an account has this email address, your request has been recorded; this server sends no email, so ask an administrator for the reset link",
    })))
}

/// `POST /api/auth/reset-password`: sets a new password with a reset token.
///
/// # Errors
/// `BadRequest` if the token or the password is invalid; `TooFast` after many attempts.
pub async fn reset_password(mut cx: RequestContext) -> Result<Reply, ApiError> {
    let body: ResetPasswordBody = cx.json().await?;
    let keep_keys = body.keep_api_keys.unwrap_or(false);
    let (accounts, origin) = (cx.app.accounts(), request_origin(&cx));
    let deleted = accounts
        .reset_password(&body.token, &body.new_password, keep_keys, &origin)
        .await?;
    Ok(no_store(Reply::json(&json!({
        "status": "success", "success": true, "api_keys_deleted": deleted,
        "message": format!("the password is set, and {}; sign in with the new password", keys_deleted(deleted)),
    }))))
}

/// `GET /api/users/me`: returns the caller's account.
///
/// # Errors
/// `Missing` if the account no longer exists; `Internal` if the database cannot be read.
pub async fn me(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let user = cx.app.accounts().current_user(&caller).await?;
    Ok(no_store(Reply::json(&user_json(&user))))
}

/// `PUT /api/users/me`: changes the caller's email address and name.
///
/// # Errors
/// `BadRequest` or `BadInput` for an invalid body, name, or email address, or for an address that is taken; `Forbidden`
/// if the caller uses an API key to change the address.
pub async fn update_me(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: ProfileBody = cx.json().await?;
    let new = NewProfile {
        email: body.email,
        name: body.name,
    };
    let user = cx
        .app
        .accounts()
        .update_profile(&caller, new, &request_origin(&cx))
        .await?;
    Ok(no_store(Reply::json(&user_json(&user))))
}

/// `POST /api/users/me/change-password`: changes the password and ends all other sessions.
///
/// # Errors
/// `Forbidden` if the caller uses an API key; `BadRequest` or `BadInput` for an invalid body, a wrong current
/// password, or a weak new one; `TooFast` after many attempts.
pub async fn change_password(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: PasswordBody = cx.json().await?;
    let accounts = cx.app.accounts();
    let (current, new) = (&body.current_password, &body.new_password);
    let devices = accounts
        .change_password(&caller, current, new, &request_origin(&cx))
        .await?;
    let reply = success_reply("the password has been changed; all other sessions have ended")?;
    Ok(reply.cookie(&device_cookie(&cx, &devices)))
}

/// Returns the origin of a request (address, client, and device), for throttling and the audit log.
pub(super) fn request_origin(cx: &RequestContext) -> RequestOrigin {
    RequestOrigin {
        peer: Some(cx.peer),
        client: cx.user_agent(),
        devices: cx.device_cookie().unwrap_or_default().to_owned(),
        now: cx.now,
    }
}

/// Returns an account as JSON, in the form for its owner and for administrators.
pub(super) fn user_json(user: &User) -> Value {
    json!({
        "user_id": user.id,
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "disabled": user.disabled,
        "created_at": user.created,
        "last_login_at": user.last_login,
    })
}

/// Returns a success response that contains only a message.
///
/// # Errors
/// Never returns an error; the return type allows handlers to end with this call.
pub(super) fn success_reply(message: &str) -> Result<Reply, ApiError> {
    Ok(Reply::json(
        &json!({"status": "success", "success": true, "message": message}),
    ))
}

/// Adds `Cache-Control: no-store`, for responses that contain tokens or private data.
pub(super) fn no_store(reply: Reply) -> Reply {
    reply.header(CACHE_CONTROL, "no-store")
}

/// Returns the refresh token from the body, or from the cookie if the body has none.
fn refresh_token(cx: &RequestContext, body: RefreshBody) -> Option<String> {
    let name = AuthCookie::Refresh.name(CookieScope::from_app(&cx.app, cx.https));
    let from_cookie = || cx.cookie(name).map(str::to_owned);
    body.refresh_token
        .or_else(from_cookie)
        .filter(|token| !token.is_empty())
}

/// Returns a response with both tokens, in the body for API clients and as cookies for browsers.
fn token_response(cx: &RequestContext, signed_in: &SignedIn) -> Reply {
    let body = json!({
        "status": "success",
        "access_token": signed_in.access_token,
        "refresh_token": signed_in.refresh_token,
        "token_type": "bearer",
        "expires_in": ACCESS_TOKEN_LIFETIME.as_secs(),
        "user": user_json(&signed_in.user),
    });
    let (access_max_age, refresh_max_age) = (
        ACCESS_TOKEN_LIFETIME.as_secs(),
        REFRESH_TOKEN_LIFETIME.as_secs(),
    );
    let access = set_cookie(
        cx,
        AuthCookie::Access,
        &signed_in.access_token,
        access_max_age,
    );
    let refresh = set_cookie(
        cx,
        AuthCookie::Refresh,
        &signed_in.refresh_token,
        refresh_max_age,
    );
    no_store(Reply::json(&body))
        .cookie(&access)
        .cookie(&refresh)
        .cookie(&device_cookie(cx, &signed_in.device_cookie))
}

/// Returns the `Set-Cookie` value of the device cookie.
fn device_cookie(cx: &RequestContext, value: &str) -> String {
    set_cookie(cx, AuthCookie::Device, value, DEVICE_TOKEN_LIFETIME)
}

/// Returns the value of a `Set-Cookie` header. The cookie is `HttpOnly` and `SameSite=Lax`, and `Secure` if it may be
/// sent only over HTTPS. `seconds` is its lifetime in seconds.
fn set_cookie(cx: &RequestContext, cookie: AuthCookie, value: &str, seconds: u64) -> String {
    let scope = CookieScope::from_app(&cx.app, cx.https);
    let (name, path) = (cookie.name(scope), cookie.path(scope));
    let secure = if scope.is_secure { "; Secure" } else { "" };
    format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}
