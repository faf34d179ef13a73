//! `quire usage`: reports the tokens, calls, and cost of each account, from the data folder (even while a server uses
//! it) or from the server that QUIRE_SERVER names.

use serde_json::{Value, json};

use super::args::CommandCall;
use super::remote::RemoteSession;
use super::table::TextTable;
use super::{CommandFailure, Outcome, block_on, failed, print, usage};
use crate::app::offline::OfflineUsage;
use crate::app::usage::DailyUsage;
use crate::clock;
use crate::domain::usage::format_day;

/// Number of days shown by default.
const DEFAULT_DAYS: i64 = 30;
/// Maximum number of days, about ten years.
const MAX_DAYS: i64 = 3660;

/// Prints the usage of one account per day, or the totals of all accounts.
pub(super) fn run(call: &CommandCall) -> Outcome {
    call.check_argument_count(0)?;
    let days = match call.value("days").map(str::parse::<i64>) {
        None => DEFAULT_DAYS,
        Some(Ok(days)) if (1..=MAX_DAYS).contains(&days) => days,
        Some(_) => return usage(format!("--days must be a number from 1 to {MAX_DAYS}")),
    };
    let config = call.config()?;
    let today = clock::now().day();
    let from = today - days + 1;
    let rows = match RemoteSession::from_settings(call, &config)? {
        Some(server) => fetch_rows(call, &server, from, today)?,
        None => block_on(async {
            let offline = OfflineUsage::open(&config)?;
            let rows = match call.value("user") {
                Some(email) => offline.for_user(email, from, today).await,
                None => offline.for_all_users(from, today).await,
            };
            offline.close().await;
            Ok(rows?
                .iter()
                .map(|(account, row)| usage_json(account, row))
                .collect())
        })?,
    };
    if call.has("json") {
        let text = json!({"from": format_day(from), "to": format_day(today), "usage": rows});
        return match serde_json::to_string_pretty(&text) {
            Ok(text) => print(text),
            Err(error) => failed(format!("cannot write JSON: {error}")),
        };
    }
    let mut table = TextTable::new(&[
        "of",
        ">cost, USD",
        ">calls",
        ">failed",
        ">input",
        ">output",
        ">unpriced",
    ]);
    for row in &rows {
        table.push([
            row["of"].as_str().unwrap_or_default().to_owned(),
            format!("{:.6}", row["cost_usd"].as_f64().unwrap_or_default()),
            row["calls"].to_string(),
            row["failed"].to_string(),
            row["input_tokens"].to_string(),
            row["output_tokens"].to_string(),
            row["unpriced"].to_string(),
        ]);
    }
    table.print("No usage in this period.")
}

/// Fetches the rows from a server: the totals of all accounts for an administrator who names no account, otherwise the
/// days of one account.
///
/// # Errors
/// Returns an error if the server refuses or there is no such account.
fn fetch_rows(
    call: &CommandCall,
    server: &RemoteSession,
    from: i64,
    to: i64,
) -> Result<Vec<Value>, CommandFailure> {
    let query = format!("from={}&to={}", format_day(from), format_day(to));
    let own_account = server.account(None)?;
    let own_email = own_account["email"].as_str().unwrap_or_default();
    let is_for_all_users = call.value("user").is_none() && own_account["role"] == "admin";
    let email = call.value("user").unwrap_or(own_email);
    let user = match (is_for_all_users, email == own_email) {
        (true, _) => "all".to_owned(),
        (false, true) => own_account["id"].as_str().unwrap_or_default().to_owned(),
        (false, false) => server.user_id(email)?,
    };
    let response = server.get(&format!("/api/usage?user={user}&{query}"))?;
    let people = match is_for_all_users {
        true => server.list("/api/admin/users", "users")?,
        false => Vec::new(),
    };
    let field = if is_for_all_users { "users" } else { "usage" };
    let rows = response[field].as_array().into_iter().flatten();
    let labeled = rows.map(|row| {
        let text = |name: &str| row[name].as_str().unwrap_or_default();
        let person = people
            .iter()
            .find(|person| person["id"] == row["user_id"])
            .and_then(|person| person["email"].as_str());
        let mut row = row.clone();
        row["of"] = match is_for_all_users {
            true => json!(person.unwrap_or_default()),
            false => json!(format!("{}  {}", text("day"), text("model"))),
        };
        row
    });
    Ok(labeled.collect())
}

fn usage_json(account: &str, row: &DailyUsage) -> Value {
    json!({
        "of": account,
        "calls": row.calls,
        "failed": row.failed,
        "input_tokens": row.input,
        "output_tokens": row.output,
        "cost_usd": row.cost,
        "own_key_usd": row.own_key,
        "unpriced": row.unpriced,
        "estimated": row.estimated,
    })
}
