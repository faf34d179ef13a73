//! `quire user …` on the server that QUIRE_SERVER names, with the API key of an administrator.

use serde_json::{Value, json};

use super::args::CommandCall;
use super::outcome::{CommandFailure, Outcome, print, usage};
use super::remote::RemoteSession;
use super::user_action::{self, UserAction};

const USERS_PATH: &str = "/api/admin/users";

/// Performs an action on the server. Blocks.
///
/// # Errors
/// Returns an error if the server refuses, if there is no such account, or if the action needs the data folder.
pub(super) fn perform(
    call: &CommandCall,
    server: &RemoteSession,
    action: UserAction<'_>,
) -> Outcome {
    let path = |email: &str| -> Result<String, CommandFailure> {
        Ok(format!("{USERS_PATH}/{}", server.user_id(email)?))
    };
    match action {
        UserAction::List => user_action::print_users(call, &server.list(USERS_PATH, "users")?),
        UserAction::Add(email) => {
            let body = json!({
                "email": email, "password": user_action::password(call)?,
                "name": call.value("name").unwrap_or_default(), "role": user_action::new_role(call),
            });
            let response = server.post(USERS_PATH, &body)?;
            user_action::print_user(call, &response["user"], response["password"].as_str())
        }
        UserAction::Invite(email) => {
            let link = server.post("/api/admin/invites", &json!({ "email": email }))?;
            print_link(call, server, &link)
        }
        UserAction::ResetLink(email) => {
            let link = server.post(&format!("{}/reset-link", path(email)?), &json!({}))?;
            print_link(call, server, &link)
        }
        UserAction::Password(_) => usage(
            "user passwd does not work with --server (QUIRE_SERVER): an administrator cannot set a password there; use \
             user reset-link",
        ),
        UserAction::Change(email, change) => {
            let body = json!({ "role": change.role, "disabled": change.disabled });
            let changed = server.put(&path(email)?, &body)?;
            user_action::print_user(call, &changed, None)
        }
        UserAction::Delete(email) => {
            server.delete(&path(email)?)?;
            print(format!("{email} deleted"))
        }
    }
}

/// Prints a link. A server without `PUBLIC_URL` does not know its public address, so the link contains the address
/// through which this command reaches the server.
fn print_link(call: &CommandCall, server: &RemoteSession, link: &Value) -> Outcome {
    let field = |name: &str| link[name].as_str().unwrap_or_default();
    let url = match link["url"].as_str() {
        Some(url) => url.to_owned(),
        None => format!("{}{}", server.address(), field("path")),
    };
    user_action::print_link(call, &url, field("token"), field("expires_at"))
}
