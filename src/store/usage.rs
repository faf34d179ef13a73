//! Usage of each user per model and day: totals that are kept permanently.

use super::connection::{Reader, Writer};
use super::error::Result;
use super::row::Row;
use super::totals::Amount;
use super::values::{to_integer, unsigned};
use crate::domain::id::UserId;
use crate::domain::money::MicroDollars;
use crate::domain::usage::{CallCharge, CallEnd, UsageAmount, UserSpending, month_start};

/// Usage of one model on one day.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DailyUsage {
    /// UTC day, counted from 1970-01-01.
    pub day: i64,
    /// Full model ID.
    pub model: String,
    /// Number of calls sent.
    pub calls: u64,
    /// Number of calls without an answer, included in `calls`.
    pub failed: u64,
    /// Input tokens.
    pub input: u64,
    /// Output tokens.
    pub output: u64,
    /// Number of input tokens read from a provider's cache, included in `input`.
    pub cached: u64,
    /// Number of reasoning tokens, included in `output`.
    pub reasoning: u64,
    /// Known cost.
    pub cost: MicroDollars,
    /// Cost paid with the user's own keys, included in `cost`.
    pub own_key: MicroDollars,
    /// Number of calls with an unknown price.
    pub unpriced: u64,
    /// Number of calls with estimated token counts.
    pub estimated: u64,
}

/// Usage of one user in a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserUsage {
    /// The account that was charged.
    pub user: UserId,
    /// Total over all models and days of the period. Its `model` is empty, and its `day` is the user's last day with
    /// usage.
    pub sum: DailyUsage,
}

/// Adds to a user's usage of a model on a day. Does nothing if the user has been deleted.
const ADD: &str = "INSERT INTO usage (user_id, day, model, calls, input, output, cost, failed, cached, reasoning,
         unpriced, estimated, own_key)
     SELECT id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13 FROM users WHERE id = ?1
     ON CONFLICT (user_id, day, model) DO UPDATE SET
         calls = usage.calls + excluded.calls, input = usage.input + excluded.input,
         output = usage.output + excluded.output, cost = usage.cost + excluded.cost,
         failed = usage.failed + excluded.failed, cached = usage.cached + excluded.cached,
         reasoning = usage.reasoning + excluded.reasoning, unpriced = usage.unpriced + excluded.unpriced,
         estimated = usage.estimated + excluded.estimated, own_key = usage.own_key + excluded.own_key";

/// Adds a call to a user's usage on a day. The usage is written at the end of the transaction. Ignores a call that was
/// never sent.
pub fn add(db: &Writer, user: &UserId, day: i64, charge: &CallCharge) {
    let (used, cost) = (&charge.bill.usage, charge.cost());
    if charge.bill.tries == 0 {
        return;
    }
    let MicroDollars(known_cost) = cost.unwrap_or_default();
    let own = if charge.own_key { known_cost } else { 0 };
    let amounts = [
        1,
        to_integer(used.input),
        to_integer(used.output),
        known_cost,
        i64::from(charge.outcome != CallEnd::Answered),
        to_integer(used.cached),
        to_integer(used.reasoning),
        i64::from(cost.is_none()),
        i64::from(used.estimated),
        own,
    ];
    let key = vec![
        user.as_str().into(),
        day.into(),
        charge.model.as_str().into(),
    ];
    db.add_later(ADD, key, &amounts.map(Amount::Sum));
}

/// Lists a user's usage by day and model from one day to another (inclusive), newest day first.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn for_user(db: &Reader, user: &UserId, from_day: i64, to_day: i64) -> Result<Vec<DailyUsage>> {
    db.all(
        "SELECT * FROM usage WHERE user_id = ?1 AND day BETWEEN ?2 AND ?3
         ORDER BY day DESC, model LIMIT 20000",
        (user, from_day, to_day),
        from_row,
    )
}

/// Lists the total usage of each user from one day to another (inclusive), highest cost first. Omits users without
/// usage.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn of_all(db: &Reader, from_day: i64, to_day: i64) -> Result<Vec<UserUsage>> {
    db.all(
        "SELECT user_id, max(day) AS day, '' AS model, CAST(sum(calls) AS BIGINT) AS calls,
             CAST(sum(input) AS BIGINT) AS input, CAST(sum(output) AS BIGINT) AS output,
             CAST(sum(cost) AS BIGINT) AS cost, CAST(sum(failed) AS BIGINT) AS failed,
             CAST(sum(cached) AS BIGINT) AS cached, CAST(sum(reasoning) AS BIGINT) AS reasoning,
             CAST(sum(unpriced) AS BIGINT) AS unpriced, CAST(sum(estimated) AS BIGINT) AS estimated,
             CAST(sum(own_key) AS BIGINT) AS own_key
         FROM usage WHERE day BETWEEN ?1 AND ?2
         GROUP BY user_id ORDER BY sum(cost) DESC, user_id LIMIT 20000",
        (from_day, to_day),
        |row| {
            Ok(UserUsage {
                user: row.get("user_id")?,
                sum: from_row(row)?,
            })
        },
    )
}

/// Lists the combined usage of all users by day and model from one day to another (inclusive), newest day first.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn days_of_all(db: &Reader, from_day: i64, to_day: i64) -> Result<Vec<DailyUsage>> {
    db.all(
        "SELECT day, model, CAST(sum(calls) AS BIGINT) AS calls, CAST(sum(input) AS BIGINT) AS input,
             CAST(sum(output) AS BIGINT) AS output, CAST(sum(cost) AS BIGINT) AS cost,
             CAST(sum(failed) AS BIGINT) AS failed, CAST(sum(cached) AS BIGINT) AS cached,
             CAST(sum(reasoning) AS BIGINT) AS reasoning, CAST(sum(unpriced) AS BIGINT) AS unpriced,
             CAST(sum(estimated) AS BIGINT) AS estimated, CAST(sum(own_key) AS BIGINT) AS own_key
         FROM usage WHERE day BETWEEN ?1 AND ?2
         GROUP BY day, model ORDER BY day DESC, model LIMIT 20000",
        (from_day, to_day),
        from_row,
    )
}

/// Returns the amounts that count toward a user's budgets, today and in this month: money spent with the server's keys,
/// and all tokens.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn spent(db: &Reader, user: &UserId, today: i64) -> Result<UserSpending> {
    let since = |from: i64| {
        db.query_one(
            "SELECT CAST(coalesce(sum(cost - own_key), 0) AS BIGINT) AS cost,
                 CAST(coalesce(sum(input + output), 0) AS BIGINT) AS tokens
             FROM usage WHERE user_id = ?1 AND day BETWEEN ?2 AND ?3",
            (user, from, today),
            |row| {
                Ok(UsageAmount {
                    cost: row.get("cost")?,
                    tokens: unsigned(row, "tokens")?,
                })
            },
        )
    };
    Ok(UserSpending {
        day: since(today)?,
        month: since(month_start(today))?,
    })
}

fn from_row(row: &Row<'_>) -> Result<DailyUsage> {
    Ok(DailyUsage {
        day: row.get("day")?,
        model: row.get("model")?,
        calls: unsigned(row, "calls")?,
        failed: unsigned(row, "failed")?,
        input: unsigned(row, "input")?,
        output: unsigned(row, "output")?,
        cached: unsigned(row, "cached")?,
        reasoning: unsigned(row, "reasoning")?,
        cost: row.get("cost")?,
        own_key: row.get("own_key")?,
        unpriced: unsigned(row, "unpriced")?,
        estimated: unsigned(row, "estimated")?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, user, with_writer};
    use super::super::users;
    use super::*;
    use crate::domain::chat::{CallBill, Usage};
    use crate::domain::money::Price;
    use crate::domain::pattern::CallId;

    fn call_charge(model: &str, own_key: bool, tries: u32) -> CallCharge {
        CallCharge {
            call: CallId {
                stage: 0,
                member: 0,
            },
            model: model.into(),
            started_at: at(1),
            outcome: CallEnd::Answered,
            bill: CallBill {
                usage: Usage {
                    input: 10,
                    output: 3,
                    ..Usage::default()
                },
                tries,
                ..CallBill::default()
            },
            price: Some(Price {
                input: 0.1,
                output: 2.0,
                cached_input: None,
                long: None,
            }),
            own_key,
        }
    }

    #[test]
    fn calls_add_up_by_day_and_model() {
        with_writer(|db| {
            users::insert(db, &user(1))?;
            users::insert(db, &user(2))?;
            for (n, day, model) in [
                (1, 5, "a/x"),
                (1, 5, "a/x"),
                (1, 6, "a/x"),
                (2, 6, "a/x"),
                (1, 6, "b/y"),
            ] {
                add(db, &user(n).id, day, &call_charge(model, false, 1));
                add(db, &user(n).id, day, &call_charge(model, false, 0));
            }
            db.write_totals()?;
            let row = |day, model: &str, calls: u64| DailyUsage {
                day,
                model: model.into(),
                calls,
                input: 10 * calls,
                output: 3 * calls,
                cost: MicroDollars(7 * calls as i64),
                ..DailyUsage::default()
            };
            let all = vec![row(6, "a/x", 1), row(6, "b/y", 1), row(5, "a/x", 2)];
            assert_eq!(for_user(db, &user(1).id, 0, 9), Ok(all.clone()));
            assert_eq!(for_user(db, &user(1).id, 6, 9), Ok(all[..2].to_vec()));
            assert_eq!(for_user(db, &user(1).id, 0, 5), Ok(all[2..].to_vec()));
            let sums = of_all(db, 0, 9)?;
            let sums: Vec<_> = sums.iter().map(|one| (&one.user, one.sum.calls)).collect();
            assert_eq!(sums, [(&user(1).id, 4), (&user(2).id, 1)]);
            Ok(())
        });
    }

    #[test]
    fn a_sum_out_of_range_does_not_fail_other_totals() {
        with_writer(|db| {
            users::insert(db, &user(1))?;
            users::insert(db, &user(2))?;
            add(db, &user(1).id, 5, &call_charge("a/x", false, 1));
            db.write_totals()?;
            db.run("UPDATE usage SET input = ?1", [i64::MAX])?;
            for n in [1, 2] {
                add(db, &user(n).id, 5, &call_charge("a/x", false, 1));
            }
            assert_eq!(db.write_totals(), Ok(()));
            for n in [1, 2] {
                assert_eq!(for_user(db, &user(n).id, 0, 9)?[0].calls, 1);
            }
            Ok(())
        });
    }

    #[test]
    fn budgets_count_the_servers_money_and_all_tokens() {
        with_writer(|db| {
            let id = user(1).id;
            users::insert(db, &user(1))?;
            let unpriced = CallCharge {
                price: None,
                outcome: CallEnd::Failed,
                ..call_charge("a/x", false, 1)
            };
            // Days 30 and 31 are in January 1970, day 32 in February.
            add(db, &id, 30, &call_charge("a/x", false, 1));
            add(db, &id, 31, &call_charge("a/x", false, 1));
            add(db, &id, 32, &call_charge("a/x", true, 1));
            add(db, &id, 32, &unpriced);
            db.write_totals()?;
            let amount = |cost, tokens| UsageAmount {
                cost: MicroDollars(cost),
                tokens,
            };
            let spent_amounts = spent(db, &id, 32)?;
            assert_eq!(
                (spent_amounts.day, spent_amounts.month),
                (amount(0, 26), amount(7, 39))
            );
            let today = &for_user(db, &id, 32, 32)?[0];
            assert_eq!((today.calls, today.failed, today.unpriced), (2, 1, 1));
            assert_eq!(
                (today.cost, today.own_key),
                (MicroDollars(7), MicroDollars(7))
            );
            Ok(())
        });
    }
}
