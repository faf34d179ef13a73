//! Usage handlers: daily usage, the call log, and budgets. They check whose usage the caller may see; the app computes
//! it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::accounts::{no_store, request_origin, success_reply};
use super::cache;
use crate::app::usage::{BudgetStanding, CallRecord, DailyUsage};
use crate::app::{Error, Kind};
use crate::domain::id::UserId;
use crate::domain::money::MicroDollars;
use crate::domain::time::Timestamp;
use crate::domain::usage::{UserLimits, day_end, format_day, month_end, month_start, parse_day};
use crate::domain::user::{Caller, Role};
use crate::http::auth::Admin;
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::reply::Reply;

/// Maximum time span of a usage query, in days.
const MAX_DAYS: i64 = 400;

/// `GET /api/usage`: returns the usage, cost, and budget of an account. Administrators can also request all accounts.
///
/// # Errors
/// `BadInput` for an invalid query; `Forbidden` for another account's usage; `Missing` if there is no such account.
pub async fn show(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let today = cx.now.day();
    let (from, to) = (
        day_param(&cx, "from", month_start(today))?,
        day_param(&cx, "to", today)?,
    );
    if from > to || to - from > MAX_DAYS {
        let message = format!("must be at most {MAX_DAYS} days before `to` and not after it");
        return Err(Error::field(&["query", "from"], "out_of_range", message).into());
    }
    let user = match requested_scope(&cx, &caller)? {
        UsageScope::User(user) => user,
        UsageScope::All => return all_users(&cx, from, to).await,
    };
    let usage = cx.app.usage();
    let days = usage.days(&user, from, to).await?;
    let totals = sum_usage(days.iter());
    let rows = match group_param(&cx)? {
        Some(group) => group.group_rows_by(days),
        None => days,
    };
    if wants_csv(&cx)? {
        return Ok(csv_reply(&rows));
    }
    let standing = usage.budget_status(&user).await?;
    let saved = cx.app.cache().savings(Some(&user), from, to).await?;
    let items: Vec<Value> = rows.iter().map(usage_json).collect();
    Ok(no_store(Reply::json(&json!({
        "status": "success",
        "user_id": user,
        "from": format_day(from),
        "to": format_day(to),
        "usage": items,
        "totals": usage_json(&totals),
        "saved": cache::savings_json(&saved),
        "budget": budget_json(&standing, cx.now),
    }))))
}

async fn all_users(cx: &RequestContext, from: i64, to: i64) -> Result<Reply, ApiError> {
    if let Some(group) = group_param(cx)? {
        return all_users_grouped(cx, from, to, group).await;
    }
    let users = cx.app.usage().usage_by_user(from, to).await?;
    if wants_csv(cx)? {
        let rows = users.iter().map(|user| (user.user.to_string(), &user.sum));
        return Ok(write_csv("user_id", rows));
    }
    let totals = sum_usage(users.iter().map(|user| &user.sum));
    let items = users.iter().map(|user| {
        let mut row = usage_json(&user.sum);
        row["user_id"] = json!(user.user);
        row
    });
    Ok(no_store(Reply::json(&json!({
        "status": "success",
        "from": format_day(from),
        "to": format_day(to),
        "users": items.collect::<Vec<Value>>(),
        "totals": usage_json(&totals),
    }))))
}

async fn all_users_grouped(
    cx: &RequestContext,
    from: i64,
    to: i64,
    group: UsageGroup,
) -> Result<Reply, ApiError> {
    let days = cx.app.usage().days_of_all(from, to).await?;
    let totals = sum_usage(days.iter());
    let rows = group.group_rows_by(days);
    if wants_csv(cx)? {
        return Ok(csv_reply(&rows));
    }
    let saved = cx.app.cache().savings(None, from, to).await?;
    Ok(no_store(Reply::json(&json!({
        "status": "success",
        "from": format_day(from),
        "to": format_day(to),
        "usage": rows.iter().map(usage_json).collect::<Vec<Value>>(),
        "totals": usage_json(&totals),
        "saved": cache::savings_json(&saved),
    }))))
}

/// `GET /api/usage/calls`: returns the log of model calls, newest first.
///
/// # Errors
/// Same as [`show`].
pub async fn calls(cx: RequestContext, caller: Caller) -> Result<Reply, ApiError> {
    let (limit, cursor) = cx.page()?;
    let cursor = cursor.map(|text| text.parse::<i64>()).transpose();
    let cursor = cursor.map_err(|_| {
        Error::field(
            &["query", "cursor"],
            "value_error",
            "is not a cursor for this list",
        )
    })?;
    let user = match requested_scope(&cx, &caller)? {
        UsageScope::User(user) => user,
        UsageScope::All => {
            let message = "must be a single account";
            return Err(Error::field(&["query", "user"], "value_error", message).into());
        }
    };
    let calls = cx.app.usage().calls(&user, limit, cursor).await?;
    let next = calls.last().filter(|_| calls.len() == limit as usize);
    let next = next.map(|call| call.id.to_string());
    let items: Vec<Value> = calls.iter().map(call_json).collect();
    Ok(no_store(Reply::json(
        &json!({"calls": items, "next_cursor": next}),
    )))
}

/// `GET /api/admin/users/{id}/budget`: returns the budget of an account.
///
/// # Errors
/// `Missing` if there is no such account.
pub async fn budget_of(cx: RequestContext, _: Admin) -> Result<Reply, ApiError> {
    let user = user_id(cx.param("id"))?;
    let own_budget = cx.app.usage().budget(&user).await?;
    let standing = cx.app.usage().budget_status(&user).await?;
    let mut body = budget_json(&standing, cx.now);
    body["user_id"] = json!(user);
    body["own"] = json!(own_budget.is_some());
    Ok(no_store(Reply::json(&body)))
}

/// `PUT /api/admin/users/{id}/budget`: sets an account's budget. A limit that is missing or null means unlimited.
///
/// # Errors
/// `BadRequest` or `BadInput` for an invalid body or a negative amount; `Missing` if there is no such account.
pub async fn set_budget(mut cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    let limits: UserLimits = cx.json().await?;
    for (name, amount) in [
        ("day_usd", limits.day_cost),
        ("month_usd", limits.month_cost),
    ] {
        if amount.is_some_and(|amount| amount < MicroDollars(0)) {
            let message = "must be at least 0";
            return Err(Error::field(&["body", name], "out_of_range", message).into());
        }
    }
    let (user, actor) = (user_id(cx.param("id"))?, &admin.caller().user);
    let usage = cx.app.usage();
    usage
        .set_budget(actor, &user, Some(limits), &request_origin(&cx))
        .await?;
    let standing = cx.app.usage().budget_status(&user).await?;
    Ok(no_store(Reply::json(&budget_json(&standing, cx.now))))
}

/// `DELETE /api/admin/users/{id}/budget`: resets an account to the installation's default budget.
///
/// # Errors
/// `Missing` if there is no such account.
pub async fn delete_budget(cx: RequestContext, admin: Admin) -> Result<Reply, ApiError> {
    let (user, actor) = (user_id(cx.param("id"))?, &admin.caller().user);
    let usage = cx.app.usage();
    usage
        .set_budget(actor, &user, None, &request_origin(&cx))
        .await?;
    success_reply("the default budget now applies to this account")
}

/// Returns a budget as JSON: its limits, the amounts spent and reserved, and the times at which it resets.
pub fn budget_json(standing: &BudgetStanding, now: Timestamp) -> Value {
    json!({
        "limits": standing.limits,
        "spent": standing.spending,
        "reserved": standing.reserved_amount,
        "day_resets_at": day_end(now),
        "month_resets_at": month_end(now),
    })
}

enum UsageScope {
    User(UserId),
    All,
}

/// Returns the account or accounts whose usage the query requests. Only administrators may request the usage of other
/// accounts.
fn requested_scope(cx: &RequestContext, caller: &Caller) -> Result<UsageScope, ApiError> {
    let user = match cx.query("user").filter(|user| !user.is_empty()) {
        None => return Ok(UsageScope::User(caller.user.clone())),
        Some(user) => user,
    };
    if caller.role != Role::Admin && user != caller.user.as_str() {
        return Err(ApiError::new(
            Kind::Forbidden,
            "only administrators can see the usage of other accounts",
        ));
    }
    match user.as_str() {
        "all" => Ok(UsageScope::All),
        account => user_id(account).map(UsageScope::User),
    }
}

fn user_id(text: &str) -> Result<UserId, ApiError> {
    UserId::parse(text).ok_or_else(|| ApiError::new(Kind::Missing, "there is no such account"))
}

fn day_param(cx: &RequestContext, name: &str, default: i64) -> Result<i64, ApiError> {
    let Some(text) = cx.query(name).filter(|text| !text.is_empty()) else {
        return Ok(default);
    };
    let message = "must be a day such as 2026-11-23";
    let error = || Error::field(&["query", name], "value_error", message).into();
    parse_day(&text).ok_or_else(error)
}

fn wants_csv(cx: &RequestContext) -> Result<bool, ApiError> {
    match cx.query("format").as_deref() {
        None | Some("" | "json") => Ok(false),
        Some("csv") => Ok(true),
        Some(_) => {
            Err(Error::field(&["query", "format"], "value_error", "must be json or csv").into())
        }
    }
}

fn add_usage(sum: &mut DailyUsage, row: &DailyUsage) {
    sum.calls += row.calls;
    sum.failed += row.failed;
    sum.input += row.input;
    sum.output += row.output;
    sum.cached += row.cached;
    sum.reasoning += row.reasoning;
    sum.cost = sum.cost.saturating_add(row.cost);
    sum.own_key = sum.own_key.saturating_add(row.own_key);
    sum.unpriced += row.unpriced;
    sum.estimated += row.estimated;
}

fn sum_usage<'a>(rows: impl Iterator<Item = &'a DailyUsage>) -> DailyUsage {
    let mut sum = DailyUsage::default();
    rows.for_each(|row| add_usage(&mut sum, row));
    sum
}

/// What rows are grouped by.
enum UsageGroup {
    Day,
    Model,
}

impl UsageGroup {
    fn group_rows_by(&self, days: Vec<DailyUsage>) -> Vec<DailyUsage> {
        match self {
            UsageGroup::Day => group_rows(days, |row| (row.day, String::new())),
            UsageGroup::Model => group_rows(days, |row| (0, row.model.clone())),
        }
    }
}

fn group_param(cx: &RequestContext) -> Result<Option<UsageGroup>, ApiError> {
    match cx.query("group").as_deref() {
        None | Some("") => Ok(None),
        Some("day") => Ok(Some(UsageGroup::Day)),
        Some("model") => Ok(Some(UsageGroup::Model)),
        Some(_) => {
            let message = "must be day or model; omit it for both";
            Err(Error::field(&["query", "group"], "value_error", message).into())
        }
    }
}

/// Sums the rows that have the same key. The newest day comes first; within a day, rows are ordered by model.
fn group_rows(
    rows: Vec<DailyUsage>,
    key: impl Fn(&DailyUsage) -> (i64, String),
) -> Vec<DailyUsage> {
    let mut sums: BTreeMap<(i64, String), DailyUsage> = BTreeMap::new();
    for row in &rows {
        let (day, model) = key(row);
        let group_total = sums
            .entry((-day, model.clone()))
            .or_insert_with(|| DailyUsage {
                day,
                model,
                ..DailyUsage::default()
            });
        add_usage(group_total, row);
    }
    sums.into_values().collect()
}

fn day_text(row: &DailyUsage) -> String {
    if row.day == 0 {
        String::new()
    } else {
        format_day(row.day)
    }
}

fn usage_json(row: &DailyUsage) -> Value {
    let mut body = json!({
        "calls": row.calls,
        "failed": row.failed,
        "input_tokens": row.input,
        "output_tokens": row.output,
        "cached_tokens": row.cached,
        "reasoning_tokens": row.reasoning,
        "cost_usd": row.cost,
        "own_key_usd": row.own_key,
        "unpriced": row.unpriced,
        "estimated": row.estimated,
    });
    if row.day != 0 {
        body["day"] = json!(format_day(row.day));
    }
    if !row.model.is_empty() {
        body["model"] = json!(row.model);
    }
    body
}

fn call_json(call: &CallRecord) -> Value {
    let (charge, bill) = (&call.charge, &call.charge.bill);
    json!({
        "at": charge.started_at,
        "analysis_id": call.analysis,
        "stage": charge.call.stage,
        "member": charge.call.member,
        "model": charge.model,
        "outcome": charge.outcome,
        "tries": bill.tries,
        "usage": bill.usage,
        "cost_usd": call.cost,
        "price": charge.price,
        "own_key": charge.own_key,
        "latency_ms": bill.latency_ms,
        "time_to_first_token_ms": bill.first_token_ms,
    })
}

fn csv_reply(rows: &[DailyUsage]) -> Reply {
    let line = |row: &DailyUsage| format!("{},{}", day_text(row), csv_cell(&row.model));
    write_csv("day,model", rows.iter().map(|row| (line(row), row)))
}

fn write_csv<'a>(key: &str, rows: impl Iterator<Item = (String, &'a DailyUsage)>) -> Reply {
    let mut text = format!(
        "{key},calls,failed,input_tokens,output_tokens,cached_tokens,reasoning_tokens,cost_usd,own_key_usd,unpriced,estimated\r\n"
    );
    for (key, row) in rows {
        // Writing to a `String` never fails.
        let _ = write!(
            text,
            "{key},{},{},{},{},{},{},{},{},{},{}\r\n",
            row.calls,
            row.failed,
            row.input,
            row.output,
            row.cached,
            row.reasoning,
            row.cost.dollars(),
            row.own_key.dollars(),
            row.unpriced,
            row.estimated
        );
    }
    no_store(Reply::bytes(text, "text/csv; charset=utf-8"))
}

/// Quotes a CSV cell. A model name, which users may define, must neither break out of the cell nor start a spreadsheet
/// formula.
fn csv_cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@']) {
        "'"
    } else {
        ""
    };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}
