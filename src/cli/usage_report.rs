//! `quire usage`: tokens, calls, and cost per account from the store, also while the server runs.

use serde_json::json;

use super::args::CommandCall;
use super::table::TextTable;
use super::{Outcome, block_on, failed, print, usage};
use crate::app::offline::OfflineUsage;
use crate::app::usage::DailyUsage;
use crate::clock;
use crate::domain::usage::day_text;

/// Days shown by default.
const DAYS: i64 = 30;
/// Maximum number of days shown; a longer list is unreadable.
const MAX_DAYS: i64 = 3660;

/// Prints one account's days, or the sums of all accounts.
pub(super) fn run(call: &CommandCall) -> Outcome {
    call.at_most(0)?;
    let days = match call.value("days").map(str::parse::<i64>) {
        None => DAYS,
        Some(Ok(days)) if (1..=MAX_DAYS).contains(&days) => days,
        Some(_) => return usage(format!("--days must be a number from 1 to {MAX_DAYS}")),
    };
    let config = call.config()?;
    let today = clock::now().day();
    let from = today - days + 1;
    block_on(async {
        let sheet = OfflineUsage::open(&config)?;
        let rows = match call.value("user") {
            Some(email) => sheet.of_one(email, from, today).await,
            None => sheet.of_all(from, today).await,
        };
        sheet.close().await;
        let rows = rows?;
        if call.has("json") {
            let rows: Vec<_> = rows.iter().map(|(who, row)| shape(who, row)).collect();
            let text = json!({"from": day_text(from), "to": day_text(today), "usage": rows});
            return match serde_json::to_string_pretty(&text) {
                Ok(text) => print(text),
                Err(fault) => failed(format!("cannot write JSON: {fault}")),
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
        for (who, row) in &rows {
            table.push([
                who.clone(),
                format!("{:.6}", row.cost.dollars()),
                row.calls.to_string(),
                row.failed.to_string(),
                row.input.to_string(),
                row.output.to_string(),
                row.unpriced.to_string(),
            ]);
        }
        table.print("No usage in these days.")
    })
}

fn shape(who: &str, row: &DailyUsage) -> serde_json::Value {
    json!({
        "of": who,
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
