//! Parses the arguments of `quire user`, and prints accounts and links from the API's JSON.

use std::io::BufRead as _;

use serde_json::{Value, json};

use super::args::CommandCall;
use super::outcome::{CommandFailure, Outcome, failed, print, unknown_action, usage};
use super::relative_time::relative_text;
use super::screen::print_progress;
use super::table::TextTable;
use crate::app::admin::UserChange;
use crate::clock;
use crate::domain::user::Role;

/// The list of actions in the help text.
pub(super) const DETAILS: &str =
    "  add EMAIL           create an account; the first one becomes an administrator
  list                list all accounts
  passwd EMAIL        set a password, end all sessions, and delete all API keys
  reset-link EMAIL    print a link to set a new password once, within an hour
  invite [EMAIL]      print an invitation for REGISTRATION=invite, valid for two weeks
  role EMAIL ROLE     change the role: admin or user
  disable EMAIL       lock an account; nothing is deleted
  enable EMAIL        unlock an account
  delete EMAIL --yes  delete an account with all its documents and analyses";

/// An action of `quire user` with its arguments.
pub(super) enum UserAction<'a> {
    List,
    Invite(Option<&'a str>),
    Add(&'a str),
    Password(&'a str),
    ResetLink(&'a str),
    Change(&'a str, UserChange),
    Delete(&'a str),
}

/// Parses the action named by the first word.
///
/// # Errors
/// [`CommandFailure::Usage`] for an unknown action, or a missing, unexpected, or invalid argument.
pub(super) fn parse(call: &CommandCall) -> Result<UserAction<'_>, CommandFailure> {
    let word = |at: usize| call.words.get(at).map(String::as_str);
    let Some(action) = word(0) else {
        return usage(format!("user needs one of these:\n{DETAILS}"));
    };
    call.check_argument_count(match action {
        "list" => 1,
        "role" => 3,
        _ => 2,
    })?;
    let email = || {
        word(1).map_or_else(
            || usage(format!("`user {action}` needs an email address")),
            Ok,
        )
    };
    Ok(match action {
        "list" => UserAction::List,
        "invite" => UserAction::Invite(word(1)),
        "add" => UserAction::Add(email()?),
        "passwd" => UserAction::Password(email()?),
        "reset-link" => UserAction::ResetLink(email()?),
        "role" => UserAction::Change(email()?, role_change(word(2))?),
        "disable" => UserAction::Change(email()?, lock_change(true)),
        "enable" => UserAction::Change(email()?, lock_change(false)),
        "delete" => match (email()?, call.has("yes")) {
            (email, true) => UserAction::Delete(email),
            (email, false) => {
                return usage(format!(
                    "this deletes {email} with all documents and analyses of the account; add --yes to confirm"
                ));
            }
        },
        other => return usage(unknown_action("user", other, DETAILS)),
    })
}

fn role_change(word: Option<&str>) -> Result<UserChange, CommandFailure> {
    match word.and_then(Role::parse) {
        Some(role @ (Role::Admin | Role::User)) => Ok(UserChange {
            role: Some(role),
            ..UserChange::default()
        }),
        _ => usage("the role must be \"admin\" or \"user\""),
    }
}

fn lock_change(disabled: bool) -> UserChange {
    UserChange {
        disabled: Some(disabled),
        ..UserChange::default()
    }
}

/// Returns the role of a new account: administrator with `--admin`, otherwise user.
pub(super) fn new_role(call: &CommandCall) -> Role {
    match call.has("admin") {
        true => Role::Admin,
        false => Role::User,
    }
}

/// Reads the password from stdin if `--password-stdin` is given. Otherwise, returns `None`, and a password must be
/// generated.
///
/// # Errors
/// Returns an error if stdin is empty or cannot be read.
pub(super) fn password(call: &CommandCall) -> Result<Option<String>, CommandFailure> {
    if !call.has("password-stdin") {
        return Ok(None);
    }
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(0) => usage("stdin contains no password"),
        Ok(_) => Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned())),
        Err(error) => failed(format!("cannot read the password: {error}")),
    }
}

/// Prints accounts as a table, or as JSON with `--json`.
///
/// # Errors
/// Returns an error if stdout cannot be written.
pub(super) fn print_users(call: &CommandCall, users: &[Value]) -> Outcome {
    if call.has("json") {
        return print(json!({ "users": users }));
    }
    let now = clock::now();
    let mut table = TextTable::new(&["email", "role", "state", "created", "last sign-in"]);
    for user in users {
        let field = |name: &str| user[name].as_str().unwrap_or_default().to_owned();
        let last_login = user["last_login_at"].as_str();
        table.push([
            field("email"),
            field("role"),
            state_text(user).to_owned(),
            relative_text(user["created_at"].as_str(), now),
            last_login.map_or("never".to_owned(), |at| relative_text(Some(at), now)),
        ]);
    }
    table.print("No accounts yet. Create one: quire user add EMAIL --admin")
}

/// Prints an account, and its password if one was generated.
///
/// # Errors
/// Returns an error if stdout cannot be written.
pub(super) fn print_user(call: &CommandCall, user: &Value, generated: Option<&str>) -> Outcome {
    if call.has("json") {
        let mut user = user.clone();
        if let Some(password) = generated {
            user["password"] = json!(password);
        }
        return print(user);
    }
    let field = |name: &str| user[name].as_str().unwrap_or_default();
    let last_login = user["last_login_at"].as_str();
    let last_login = last_login.map_or("never signed in".to_owned(), |at| {
        format!("last signed in {at}")
    });
    print(format!(
        "{}  {}  {}  created {}  {last_login}",
        field("email"),
        field("role"),
        state_text(user),
        field("created_at")
    ))?;
    print_password(generated)
}

/// Prints a generated password, if there is one.
///
/// # Errors
/// Returns an error if stdout cannot be written.
pub(super) fn print_password(generated: Option<&str>) -> Outcome {
    match generated {
        Some(password) => print(format!("password: {password}")),
        None => Ok(()),
    }
}

/// Prints a one-time link to stdout and its expiry to stderr.
///
/// # Errors
/// Returns an error if stdout cannot be written.
pub(super) fn print_link(call: &CommandCall, url: &str, token: &str, expires: &str) -> Outcome {
    if call.has("json") {
        return print(json!({ "url": url, "token": token, "expires_at": expires }));
    }
    print(url)?;
    print_progress(&format!(
        "valid once, until {expires} ({})",
        relative_text(Some(expires), clock::now())
    ));
    Ok(())
}

fn state_text(user: &Value) -> &'static str {
    match user["disabled"] == true {
        true => "locked",
        false => "active",
    }
}
