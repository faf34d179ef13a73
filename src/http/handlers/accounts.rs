//! Accounts over HTTP: register, sign in and out, renew, passwords, one's own profile. Shapes requests and
//! answers and sets the cookies; what happens is in `app::accounts`.

use hyper::header::CACHE_CONTROL;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::accounts::{
    ACCESS_LENGTH, DEVICE_LENGTH, NewAccount, NewProfile, REFRESH_LENGTH, RequestOrigin, SignedIn,
};
use crate::app::{Error, Kind};
use crate::domain::key::keys_deleted;
use crate::domain::user::{Caller, User};
use crate::http::auth::{self, AuthCookie};
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

/// POST /api/auth/register
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
    let (accounts, visit) = (cx.app.accounts(), visit(&cx));
    let user = accounts.register(new, &visit).await?;
    let device = device(&cx, &accounts.new_device(&user, &visit)?);
    let reply = private(Reply::json(&json!({
        "status": "success",
        "message": "the account is made; sign in with it",
        "user_id": user.id,
        "user": shape(&user),
    })));
    Ok(reply.cookie(&device))
}

/// POST /api/auth/login
pub async fn login(mut cx: RequestContext) -> Result<Reply, ApiError> {
    let body: LoginBody = cx.json().await?;
    let accounts = cx.app.accounts();
    let signed_in = accounts
        .login(&body.email, &body.password, &visit(&cx))
        .await?;
    Ok(pair(&cx, &signed_in))
}

/// POST /api/auth/refresh
pub async fn refresh(mut cx: RequestContext) -> Result<Reply, ApiError> {
    let body: RefreshBody = cx.json_or_empty().await?;
    let Some(token) = refresh_token(&cx, body) else {
        let error = Error::new(
            Kind::BadRequest,
            "there is no refresh token in the body or in the cookie",
        );
        return Err(error
            .resolve("send {\"refresh_token\": …}, or sign in")
            .into());
    };
    let signed_in = cx.app.accounts().refresh(&token, &visit(&cx)).await?;
    Ok(pair(&cx, &signed_in))
}

/// POST /api/auth/logout. Open, because a browser whose access token has run out must be able to end its
/// session too, with its refresh token.
pub async fn logout(mut cx: RequestContext) -> Result<Reply, ApiError> {
    let body: RefreshBody = cx.json_or_empty().await?;
    let token = refresh_token(&cx, body);
    let accounts = cx.app.accounts();
    match (
        auth::caller(&cx.app, &cx.request.headers, cx.https, cx.now).await,
        token,
    ) {
        (Ok(Some(caller)), _) => accounts.logout(&caller, &visit(&cx)).await?,
        (_, Some(token)) => accounts.logout_by_refresh(&token, &visit(&cx)).await?,
        (Err(refused), None) => return Err(refused),
        (Ok(None), None) => return Err(auth::missing()),
    }
    let reply = private(Reply::json(
        &json!({"status": "success", "message": "signed out"}),
    ));
    Ok(reply
        .cookie(&cookie(&cx, AuthCookie::Access, "", 0))
        .cookie(&cookie(&cx, AuthCookie::Refresh, "", 0)))
}

/// POST /api/auth/request-password-reset
pub async fn request_reset(mut cx: RequestContext) -> Result<Reply, ApiError> {
    let body: EmailBody = cx.json_or_empty().await?;
    let Some(email) = body.email.or_else(|| cx.query("email")) else {
        return Err(Error::field(&["body", "email"], "missing", "is needed").into());
    };
    cx.app.accounts().request_reset(&email, &visit(&cx)).await?;
    Ok(Reply::json(&json!({
        "status": "success",
        "message": "if there is an account with this e-mail address, instructions will follow; where this server sends no mail, an administrator has the link",
    })))
}

/// POST /api/auth/reset-password
pub async fn reset_password(mut cx: RequestContext) -> Result<Reply, ApiError> {
    let body: ResetPasswordBody = cx.json().await?;
    let keep_keys = body.keep_api_keys.unwrap_or(false);
    let (accounts, visit) = (cx.app.accounts(), visit(&cx));
    let deleted = accounts
        .reset_password(&body.token, &body.new_password, keep_keys, &visit)
        .await?;
    Ok(private(Reply::json(&json!({
        "status": "success", "success": true, "api_keys_deleted": deleted,
        "message": format!("the password is set and {}; sign in with it", keys_deleted(deleted)),
    }))))
}

/// GET /api/users/me
pub async fn me(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let user = cx.app.accounts().me(&caller).await?;
    Ok(private(Reply::json(&shape(&user))))
}

/// PUT /api/users/me
pub async fn update_me(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: ProfileBody = cx.json().await?;
    let new = NewProfile {
        email: body.email,
        name: body.name,
    };
    let user = cx
        .app
        .accounts()
        .update_me(&caller, new, &visit(&cx))
        .await?;
    Ok(private(Reply::json(&shape(&user))))
}

/// POST /api/users/me/change-password
pub async fn change_password(mut cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let body: PasswordBody = cx.json().await?;
    let accounts = cx.app.accounts();
    let (current, new) = (&body.current_password, &body.new_password);
    let devices = accounts
        .change_password(&caller, current, new, &visit(&cx))
        .await?;
    let reply = done("the password is changed; all other sessions are ended")?;
    Ok(reply.cookie(&device(&cx, &devices)))
}

/// Where this request comes from, for throttling and the audit log.
pub(super) fn visit(cx: &RequestContext) -> RequestOrigin {
    RequestOrigin {
        peer: Some(cx.peer),
        client: cx.client(),
        devices: cx.device_cookie().unwrap_or_default().to_owned(),
        now: cx.now,
    }
}

/// An account as its owner and admins see it.
pub(super) fn shape(user: &User) -> Value {
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

/// An answer that says no more than that it worked.
pub(super) fn done(message: &str) -> Result<Reply, ApiError> {
    Ok(Reply::json(
        &json!({"status": "success", "success": true, "message": message}),
    ))
}

/// No cache may keep what holds a token or somebody's data.
pub(super) fn private(reply: Reply) -> Reply {
    reply.header(CACHE_CONTROL, "no-store")
}

/// The token of the body, else the cookie's.
fn refresh_token(cx: &RequestContext, body: RefreshBody) -> Option<String> {
    let name = AuthCookie::Refresh.name(auth::is_secure(&cx.app, cx.https));
    let cookie = || cx.cookie(name).map(str::to_owned);
    body.refresh_token
        .or_else(cookie)
        .filter(|token| !token.is_empty())
}

/// Both tokens: in the body for programs, as cookies for browsers.
fn pair(cx: &RequestContext, signed_in: &SignedIn) -> Reply {
    let body = json!({
        "status": "success",
        "access_token": signed_in.access,
        "refresh_token": signed_in.refresh,
        "token_type": "bearer",
        "expires_in": ACCESS_LENGTH.as_secs(),
        "user": shape(&signed_in.user),
    });
    let (short, long) = (ACCESS_LENGTH.as_secs(), REFRESH_LENGTH.as_secs());
    let access = cookie(cx, AuthCookie::Access, &signed_in.access, short);
    let refresh = cookie(cx, AuthCookie::Refresh, &signed_in.refresh, long);
    private(Reply::json(&body))
        .cookie(&access)
        .cookie(&refresh)
        .cookie(&device(cx, &signed_in.devices))
}

/// The cookie of a browser that has signed in.
fn device(cx: &RequestContext, value: &str) -> String {
    cookie(cx, AuthCookie::Device, value, DEVICE_LENGTH)
}

/// Out of reach of scripts and of requests that other sites cause; over https, of http as well.
fn cookie(cx: &RequestContext, which: AuthCookie, value: &str, seconds: u64) -> String {
    let secure = auth::is_secure(&cx.app, cx.https);
    let (name, path) = (which.name(secure), which.path(secure));
    let secure = if secure { "; Secure" } else { "" };
    format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}
