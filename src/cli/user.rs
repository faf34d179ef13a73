//! `quire user …`: accounts from the command line, by the same rules as on the pages. Works while the
//! server runs; a session ended here ends there within two seconds.

use std::io::BufRead as _;

use serde_json::{Value, json};

use super::args::CommandCall;
use super::local_address::{public_url, running_server};
use super::relative_time::relative;
use super::screen::progress;
use super::table::TextTable;
use super::{CommandFailure, Outcome, block_on, failed, no_action, print, usage};
use crate::app::accounts::{self, Accounts, NewAccount, RequestOrigin};
use crate::app::admin::{OneTimeLink, UserChange};
use crate::clock;
use crate::config::Config;
use crate::domain::key::keys_deleted;
use crate::domain::user::{Role, User};

/// The actions, for the help text.
pub(super) const DETAILS: &str =
    "  add EMAIL           create an account; the first one becomes administrator
  list                list all accounts
  passwd EMAIL        set a new password, end all sessions and delete all API keys
  reset-link EMAIL    print a link that sets a new password, once, within an hour
  invite [EMAIL]      print an invitation for REGISTRATION=invite, valid for two weeks
  role EMAIL ROLE     change the role: admin or user
  disable EMAIL       lock an account; nothing is deleted
  enable EMAIL        unlock it
  delete EMAIL --yes  delete an account with all its documents and analyses";

/// Runs the action that the first word names.
pub(super) fn run(call: &CommandCall) -> Outcome {
    let word = |at: usize| call.words.get(at).map(String::as_str);
    let Some(act) = word(0) else {
        return usage(format!("user needs one of these:\n{DETAILS}"));
    };
    call.at_most(match act {
        "list" => 1,
        "role" => 3,
        _ => 2,
    })?;
    let email =
        || word(1).map_or_else(|| usage(format!("`user {act}` needs an email address")), Ok);
    let act = match act {
        "list" => UserAction::List,
        "invite" => UserAction::Invite(word(1)),
        "add" => UserAction::Add(email()?),
        "passwd" => UserAction::Password(email()?),
        "reset-link" => UserAction::ResetLink(email()?),
        "role" => UserAction::Change(email()?, role(word(2))?),
        "disable" => UserAction::Change(email()?, lock(true)),
        "enable" => UserAction::Change(email()?, lock(false)),
        "delete" if !call.has("yes") => {
            return usage(
                "this deletes the account with all its documents and analyses; add --yes to confirm",
            );
        }
        "delete" => UserAction::Delete(email()?),
        other => return usage(no_action("user", other, DETAILS)),
    };
    let config = call.config()?;
    block_on(async {
        let accounts = match act {
            UserAction::Add(_) => Accounts::open(&config)?,
            _ => Accounts::open_existing(&config)?,
        };
        let outcome = perform(call, &config, &accounts, act).await;
        accounts.close().await;
        outcome
    })
}

enum UserAction<'a> {
    List,
    Invite(Option<&'a str>),
    Add(&'a str),
    Password(&'a str),
    ResetLink(&'a str),
    Change(&'a str, UserChange),
    Delete(&'a str),
}

fn role(word: Option<&str>) -> Result<UserChange, CommandFailure> {
    match word.and_then(Role::parse) {
        Some(role @ (Role::Admin | Role::User)) => Ok(UserChange {
            role: Some(role),
            ..UserChange::default()
        }),
        _ => usage("the role must be \"admin\" or \"user\""),
    }
}

fn lock(disabled: bool) -> UserChange {
    UserChange {
        disabled: Some(disabled),
        ..UserChange::default()
    }
}

async fn perform(
    call: &CommandCall,
    config: &Config,
    accounts: &Accounts,
    act: UserAction<'_>,
) -> Outcome {
    let visit = RequestOrigin::local(clock::now());
    match act {
        UserAction::List => list(call, accounts).await,
        UserAction::Add(email) => add(call, accounts, email, &visit).await,
        UserAction::Invite(email) => {
            let link = accounts.invite(None, email, &visit).await?;
            print_link(call, config, &link, "invite")
        }
        UserAction::Password(email) => {
            let user = accounts.user_by_email(email).await?;
            let (password, made_up) = password(call)?;
            let keep_keys = call.has("keep-keys");
            let deleted = accounts
                .set_password(None, &user.id, &password, keep_keys, &visit)
                .await?;
            print(format!(
                "{} has a new password; all sessions are ended, {}",
                user.email,
                keys_deleted(deleted)
            ))?;
            print_password(made_up, &password)
        }
        UserAction::ResetLink(email) => {
            let user = accounts.user_by_email(email).await?;
            let link = accounts.reset_link(None, &user.id, &visit).await?;
            print_link(call, config, &link, "token")
        }
        UserAction::Change(email, change) => {
            let user = accounts.user_by_email(email).await?;
            let user = accounts.change_user(None, &user.id, change, &visit).await?;
            match call.has("json") {
                true => print(shape(&user)),
                false => print(line(&user)),
            }
        }
        UserAction::Delete(email) => {
            let user = accounts.user_by_email(email).await?;
            accounts.delete_user(None, &user.id, &visit).await?;
            print(format!("{} deleted", user.email))
        }
    }
}

async fn add(
    call: &CommandCall,
    accounts: &Accounts,
    email: &str,
    visit: &RequestOrigin,
) -> Outcome {
    let (password, made_up) = password(call)?;
    let role = if call.has("admin") {
        Role::Admin
    } else {
        Role::User
    };
    let new = NewAccount {
        email: email.to_owned(),
        password: password.clone(),
        name: call.value("name").unwrap_or_default().to_owned(),
        invite: None,
        setup_token: None,
        is_local: true,
    };
    let user = accounts.create_user(None, new, role, visit).await?;
    if call.has("json") {
        let mut row = shape(&user);
        if made_up {
            row["password"] = json!(password);
        }
        return print(row);
    }
    print(line(&user))?;
    print_password(made_up, &password)
}

async fn list(call: &CommandCall, accounts: &Accounts) -> Outcome {
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let users = accounts.users(200, cursor).await?;
        cursor = users.last().map(|user| user.id.clone());
        let is_last = users.len() < 200;
        all.extend(users);
        if is_last {
            break;
        }
    }
    if call.has("json") {
        let rows: Vec<Value> = all.iter().map(shape).collect();
        return print(json!({ "users": rows }));
    }
    let now = clock::now();
    let mut table = TextTable::new(&["email", "role", "state", "created", "last sign-in"]);
    for user in &all {
        table.push([
            user.email.clone(),
            user.role.as_str().to_owned(),
            state(user).to_owned(),
            relative(user.created, now),
            user.last_login
                .map_or("never".to_owned(), |at| relative(at, now)),
        ]);
    }
    table.print("No accounts yet. Create one: quire user add EMAIL --admin")
}

fn state(user: &User) -> &'static str {
    if user.disabled { "locked" } else { "active" }
}

fn shape(user: &User) -> Value {
    json!({
        "id": user.id, "email": user.email, "name": user.name, "role": user.role, "disabled": user.disabled,
        "created_at": user.created, "last_login_at": user.last_login,
    })
}

/// Prints a one-time link that opens the page for it.
fn print_link(call: &CommandCall, config: &Config, link: &OneTimeLink, field: &str) -> Outcome {
    let page = public_url(config);
    let url = format!("{page}/login?{field}={}", link.token);
    if call.has("json") {
        return print(json!({ "url": url, "token": link.token, "expires_at": link.expires }));
    }
    print(url)?;
    progress(&format!(
        "valid once, until {} ({})",
        link.expires,
        relative(link.expires, clock::now())
    ));
    if config.public_url.is_none() && running_server(config).is_none() {
        progress(
            "no server runs on this data folder now; if people use another address, set PUBLIC_URL",
        );
    }
    Ok(())
}

fn line(user: &User) -> String {
    let state = state(user);
    let seen = user.last_login.map_or("never signed in".to_owned(), |at| {
        format!("last signed in {at}")
    });
    format!(
        "{}  {}  {state}  created {}  {seen}",
        user.email,
        user.role.as_str(),
        user.created
    )
}

/// The password from stdin, or a generated one.
fn password(call: &CommandCall) -> Result<(String, bool), CommandFailure> {
    if !call.has("password-stdin") {
        return Ok((accounts::random_password()?, true));
    }
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(0) => usage("stdin holds no password"),
        Ok(_) => Ok((line.trim_end_matches(['\r', '\n']).to_owned(), false)),
        Err(error) => failed(format!("cannot read the password: {error}")),
    }
}

fn print_password(made_up: bool, password: &str) -> Outcome {
    if made_up {
        print(format!("password: {password}"))
    } else {
        Ok(())
    }
}
