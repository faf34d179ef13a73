//! `quire key …`: manages API keys from the command line, by the same rules as the web pages. Works even while a server
//! runs. On a remote server, manages the keys of the account to which the API key belongs.

use serde_json::{Value, json};

use super::args::CommandCall;
use super::relative_time::relative_text;
use super::remote::{RemoteSession, query_text};
use super::table::TextTable;
use super::{CommandFailure, Outcome, block_on, print, unknown_action, usage};
use crate::app::accounts::{Accounts, RequestOrigin};
use crate::app::api_keys::NewKey;
use crate::clock;
use crate::domain::user::{ApiKey, Caller};

/// The list of actions in the help text.
pub(super) const DETAILS: &str = "  list EMAIL          list the keys of an account
  add EMAIL           create a key and print it; it is shown only once
  delete EMAIL ID     delete a key; new requests with it are refused at once
With QUIRE_SERVER, EMAIL is not needed: the account is that of the API key,
which needs the scope `keys`.";

/// Runs the action named by the first word.
pub(super) fn run(call: &CommandCall) -> Outcome {
    let word = |at: usize| call.words.get(at).map(String::as_str);
    let config = call.config()?;
    if let (Some(action @ ("list" | "add" | "delete")), Some(server)) =
        (word(0), RemoteSession::from_settings(call, &config)?)
    {
        return perform_at_server(call, &server, action);
    }
    let (action, email) = match (word(0), word(1)) {
        (Some(action @ ("list" | "add" | "delete")), Some(email)) => (action, email),
        (Some("list" | "add" | "delete"), None) => {
            return usage("the account is missing: add its email address");
        }
        (Some(other), _) => return usage(unknown_action("key", other, DETAILS)),
        _ => return usage(format!("key needs one of these:\n{DETAILS}")),
    };
    call.check_argument_count(if action == "delete" { 3 } else { 2 })?;
    let id = match (action, word(2)) {
        ("delete", None) => {
            return usage("the key's ID is missing; `quire key list EMAIL` lists them");
        }
        (_, id) => id.unwrap_or_default(),
    };
    block_on(async {
        let accounts = Accounts::open_existing(&config)?;
        let outcome = perform(call, &accounts, (action, email, id)).await;
        accounts.close().await;
        outcome
    })
}

async fn perform(call: &CommandCall, accounts: &Accounts, words: (&str, &str, &str)) -> Outcome {
    let (action, email, id) = words;
    let user = accounts.user_by_email(email).await?;
    let caller = Caller {
        user: user.id,
        role: user.role,
        session: None,
        key: None,
    };
    let origin = RequestOrigin::local(clock::now());
    match action {
        "add" => {
            let new_key = NewKey {
                name: call.value("name").unwrap_or_default().to_owned(),
                days: option_number(call, "expires")?,
                scopes: option_list(call, "scope"),
                models: option_list(call, "model"),
                daily_budget_usd: option_number(call, "day-budget")?,
                total_budget_usd: option_number(call, "budget")?,
            };
            let (key, stored_key) = accounts.make_key(&caller.user, new_key, &origin).await?;
            if call.has("json") {
                return print(json!({"id": stored_key.id, "name": stored_key.name, "key": key}));
            }
            print(key)
        }
        "delete" => {
            accounts.delete_key(&caller, id, &origin).await?;
            print(format!("{id} deleted"))
        }
        _ => {
            let keys = accounts.keys(&caller).await?;
            print_keys(call, &keys.iter().map(key_json).collect::<Vec<_>>())
        }
    }
}

/// Lists or deletes the keys of the account to which the API key belongs. Its email address may be omitted.
fn perform_at_server(call: &CommandCall, server: &RemoteSession, action: &str) -> Outcome {
    const KEYS_PATH: &str = "/api/users/me/api-keys";
    call.check_argument_count(if action == "delete" { 3 } else { 2 })?;
    let words: Vec<&str> = call.words.iter().skip(1).map(String::as_str).collect();
    let (email, id) = match (action, words.as_slice()) {
        ("add", _) => {
            return usage(
                "key add does not work with --server (QUIRE_SERVER): an API key cannot create another one; use the \
                 Settings page",
            );
        }
        ("delete", []) => return usage("the key's ID is missing; `quire key list` lists them"),
        ("delete", [id]) => (None, *id),
        ("delete", [email, id, ..]) => (Some(*email), *id),
        (_, words) => (words.first().copied(), ""),
    };
    if email.is_some() {
        server.account(email)?;
    }
    if action == "delete" {
        server.delete(&format!("{KEYS_PATH}/{}", query_text(id)))?;
        return print(format!("{id} deleted"));
    }
    let response = server.get(KEYS_PATH)?;
    print_keys(
        call,
        response["api_keys"].as_array().map_or(&[], Vec::as_slice),
    )
}

fn print_keys(call: &CommandCall, keys: &[Value]) -> Outcome {
    if call.has("json") {
        return print(json!({ "keys": keys }));
    }
    let now = clock::now();
    let mut table = TextTable::new(&["id", "key", "name", "created", "last used"]);
    for key in keys {
        let field = |name: &str| key[name].as_str().unwrap_or_default().to_owned();
        let used = key["last_used_at"].as_str();
        table.push([
            field("id"),
            format!("{}…", field("prefix")),
            field("name"),
            relative_text(key["created_at"].as_str(), now),
            used.map_or("never".to_owned(), |at| relative_text(Some(at), now)),
        ]);
    }
    table.print("No API keys yet. Create one: quire key add EMAIL")
}

fn option_list(call: &CommandCall, option: &str) -> Vec<String> {
    let values = call.values(option).into_iter();
    values.map(str::to_owned).collect()
}

fn option_number<T: std::str::FromStr>(
    call: &CommandCall,
    option: &str,
) -> Result<Option<T>, CommandFailure> {
    let Some(text) = call.value(option) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => usage(format!("--{option} must be a number, not \"{text}\"")),
    }
}

fn key_json(key: &ApiKey) -> Value {
    json!({
        "id": key.id, "name": key.name, "prefix": key.prefix,
        "created_at": key.created, "last_used_at": key.last_used, "expires_at": key.expires_at,
        "scopes": key.scopes, "models": key.limits.models,
        "day_budget_usd": key.limits.daily_budget, "budget_usd": key.limits.total_budget,
    })
}
