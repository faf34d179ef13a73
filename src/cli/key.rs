//! `quire key …`: API keys from the command line, by the same rules as on the pages, also while the server
//! runs.

use serde_json::json;

use super::args::CommandCall;
use super::relative_time::relative;
use super::table::TextTable;
use super::{CommandFailure, Outcome, block_on, no_action, print, usage};
use crate::app::accounts::{Accounts, RequestOrigin};
use crate::app::api_keys::NewKey;
use crate::clock;
use crate::domain::user::{ApiKey, Caller};

/// The actions, for the help text.
pub(super) const DETAILS: &str = "  list EMAIL          list the keys of an account
  add EMAIL           create a key and print it; it is shown only once
  delete EMAIL ID     delete a key; it stops working at once";

/// Runs the action that the first word names.
pub(super) fn run(call: &CommandCall) -> Outcome {
    let word = |at: usize| call.words.get(at).map(String::as_str);
    let (act, email) = match (word(0), word(1)) {
        (Some(act @ ("list" | "add" | "delete")), Some(email)) => (act, email),
        (Some("list" | "add" | "delete"), None) => {
            return usage("the account is missing: add its email address");
        }
        (Some(other), _) => return usage(no_action("key", other, DETAILS)),
        _ => return usage(format!("key needs one of these:\n{DETAILS}")),
    };
    call.at_most(if act == "delete" { 3 } else { 2 })?;
    let id = match (act, word(2)) {
        ("delete", None) => {
            return usage("the key's id is missing; `quire key list EMAIL` lists them");
        }
        (_, id) => id.unwrap_or_default(),
    };
    let config = call.config()?;
    block_on(async {
        let accounts = Accounts::open_existing(&config)?;
        let outcome = perform(call, &accounts, (act, email, id)).await;
        accounts.close().await;
        outcome
    })
}

async fn perform(call: &CommandCall, accounts: &Accounts, words: (&str, &str, &str)) -> Outcome {
    let (act, email, id) = words;
    let user = accounts.user_by_email(email).await?;
    let caller = Caller {
        user: user.id,
        role: user.role,
        session: None,
        key: None,
    };
    let visit = RequestOrigin::local(clock::now());
    match act {
        "add" => {
            let wanted = NewKey {
                name: call.value("name").unwrap_or_default().to_owned(),
                days: number(call, "expires")?,
                scopes: listed(call, "scope"),
                models: listed(call, "model"),
                day_usd: number(call, "day-budget")?,
                all_usd: number(call, "budget")?,
            };
            let (key, known) = accounts.make_key(&caller.user, wanted, &visit).await?;
            if call.has("json") {
                return print(json!({"id": known.id, "name": known.name, "key": key}));
            }
            print(key)
        }
        "delete" => {
            accounts.delete_key(&caller, id, &visit).await?;
            print(format!("{id} is deleted"))
        }
        _ => {
            let keys = accounts.keys(&caller).await?;
            if call.has("json") {
                let rows: Vec<_> = keys.iter().map(shape).collect();
                return print(json!({ "keys": rows }));
            }
            let now = clock::now();
            let mut table = TextTable::new(&["id", "key", "name", "created", "last used"]);
            for key in &keys {
                table.push([
                    key.id.to_string(),
                    format!("{}…", key.prefix),
                    key.name.clone(),
                    relative(key.created, now),
                    key.last_used
                        .map_or("never".to_owned(), |at| relative(at, now)),
                ]);
            }
            table.print("No API keys yet. Create one: quire key add EMAIL")
        }
    }
}

fn listed(call: &CommandCall, option: &str) -> Vec<String> {
    let values = call.values(option).into_iter();
    values.map(str::to_owned).collect()
}

fn number<T: std::str::FromStr>(
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

fn shape(key: &ApiKey) -> serde_json::Value {
    json!({
        "id": key.id, "name": key.name, "prefix": key.prefix,
        "created_at": key.created, "last_used_at": key.last_used, "expires_at": key.expires,
        "scopes": key.scopes, "models": key.confines.models,
        "day_budget_usd": key.confines.day_cost, "budget_usd": key.confines.all_cost,
    })
}
