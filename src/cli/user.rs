//! `quire user …`: manages accounts from the command line, by the same rules as the web pages. Works while a server is
//! running, which notices ended sessions within two seconds.

use serde_json::{Value, json};

use super::args::CommandCall;
use super::local_address::{public_url, running_server};
use super::remote::RemoteSession;
use super::screen::print_progress;
use super::user_action::{self, UserAction, print_password, print_user};
use super::{CommandFailure, Outcome, block_on, print, user_server};
use crate::app::accounts::{self, Accounts, NewAccount, RequestOrigin};
use crate::app::admin::OneTimeLink;
use crate::clock;
use crate::config::Config;
use crate::domain::key::keys_deleted;
use crate::domain::user::User;

/// Runs the action named by the first word.
pub(super) fn run(call: &CommandCall) -> Outcome {
    let action = user_action::parse(call)?;
    let config = call.config()?;
    if let Some(server) = RemoteSession::from_settings(call, &config)? {
        return user_server::perform(call, &server, action);
    }
    block_on(async {
        let accounts = match action {
            UserAction::Add(_) => Accounts::open(&config)?,
            _ => Accounts::open_existing(&config)?,
        };
        let outcome = perform(call, &config, &accounts, action).await;
        accounts.close().await;
        outcome
    })
}

async fn perform(
    call: &CommandCall,
    config: &Config,
    accounts: &Accounts,
    action: UserAction<'_>,
) -> Outcome {
    let origin = RequestOrigin::local(clock::now());
    match action {
        UserAction::List => list(call, accounts).await,
        UserAction::Add(email) => add(call, accounts, email, &origin).await,
        UserAction::Invite(email) => {
            let link = accounts.invite(None, email, &origin).await?;
            print_link(call, config, &link, "invite")
        }
        UserAction::Password(email) => {
            let user = accounts.user_by_email(email).await?;
            let (password, generated) = new_password(call)?;
            let keep_keys = call.has("keep-keys");
            let deleted = accounts
                .set_password(None, &user.id, &password, keep_keys, &origin)
                .await?;
            print(format!(
                "{} has a new password; all sessions have ended; {}",
                user.email,
                keys_deleted(deleted)
            ))?;
            print_password(generated.then_some(&password))
        }
        UserAction::ResetLink(email) => {
            let user = accounts.user_by_email(email).await?;
            let link = accounts.reset_link(None, &user.id, &origin).await?;
            print_link(call, config, &link, "token")
        }
        UserAction::Change(email, change) => {
            let user = accounts.user_by_email(email).await?;
            let user = accounts
                .change_user(None, &user.id, change, &origin)
                .await?;
            print_user(call, &user_json(&user), None)
        }
        UserAction::Delete(email) => {
            let user = accounts.user_by_email(email).await?;
            accounts.delete_user(None, &user.id, &origin).await?;
            print(format!("{} deleted", user.email))
        }
    }
}

async fn add(
    call: &CommandCall,
    accounts: &Accounts,
    email: &str,
    origin: &RequestOrigin,
) -> Outcome {
    let (password, generated) = new_password(call)?;
    let new = NewAccount {
        email: email.to_owned(),
        password: password.clone(),
        name: call.value("name").unwrap_or_default().to_owned(),
        invite: None,
        setup_token: None,
        is_local: true,
    };
    let role = user_action::new_role(call);
    let user = accounts.create_user(None, new, role, origin).await?;
    print_user(call, &user_json(&user), generated.then_some(&password))
}

async fn list(call: &CommandCall, accounts: &Accounts) -> Outcome {
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let users = accounts.users(200, cursor).await?;
        cursor = users.last().map(|user| user.id.clone());
        let is_last = users.len() < 200;
        all.extend(users.iter().map(user_json));
        if is_last {
            break;
        }
    }
    user_action::print_users(call, &all)
}

fn user_json(user: &User) -> Value {
    json!({
        "id": user.id, "email": user.email, "name": user.name, "role": user.role, "disabled": user.disabled,
        "created_at": user.created, "last_login_at": user.last_login,
    })
}

/// Prints the link of an invitation or a password reset, as text or JSON.
fn print_link(call: &CommandCall, config: &Config, link: &OneTimeLink, field: &str) -> Outcome {
    let url = format!("{}/login?{field}={}", public_url(config), link.token);
    user_action::print_link(call, &url, &link.token, &link.expires.to_string())?;
    if !call.has("json") && config.public_url.is_none() && running_server(config).is_none() {
        print_progress(
            "no server is using this data folder; if people use a different address, set PUBLIC_URL",
        );
    }
    Ok(())
}

/// Reads the password from stdin or generates one. Also returns whether it was generated.
fn new_password(call: &CommandCall) -> Result<(String, bool), CommandFailure> {
    match user_action::password(call)? {
        Some(password) => Ok((password, false)),
        None => Ok((accounts::random_password()?, true)),
    }
}
