//! `quire user …`: accounts from the command line, by the same rules as on the pages. Works while the
//! server runs; a session ended here ends there within two seconds.

use std::io::BufRead as _;

use super::args::CommandCall;
use super::{CommandFailure, Outcome, block_on, failed, print, usage};
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
        other => return usage(format!("user has no action `{other}`; it has:\n{DETAILS}")),
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
        Some(role) => Ok(UserChange {
            role: Some(role),
            ..UserChange::default()
        }),
        None => usage("the role must be \"admin\" or \"user\""),
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
        UserAction::List => list(accounts).await,
        UserAction::Add(email) => add(call, accounts, email, &visit).await,
        UserAction::Invite(email) => {
            let link = accounts.invite(None, email, &visit).await?;
            print(format!("{}\nvalid until {}", link.token, link.expires))
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
            print(format!(
                "{}\nvalid once, until {}",
                address(config, &link),
                link.expires
            ))
        }
        UserAction::Change(email, change) => {
            let user = accounts.user_by_email(email).await?;
            let user = accounts.change_user(None, &user.id, change, &visit).await?;
            print(line(&user))
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
    print(line(&user))?;
    print_password(made_up, &password)
}

async fn list(accounts: &Accounts) -> Outcome {
    let mut cursor = None;
    loop {
        let users = accounts.users(200, cursor).await?;
        for user in &users {
            print(line(user))?;
        }
        match users.last() {
            Some(last) if users.len() == 200 => cursor = Some(last.id.clone()),
            _ => return Ok(()),
        }
    }
}

fn line(user: &User) -> String {
    let state = if user.disabled { "locked" } else { "active" };
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

/// The address at which the link is opened.
fn address(config: &Config, link: &OneTimeLink) -> String {
    format!("{}/login?token={}", super::public_url(config), link.token)
}
