//! What each person used of each model on each day.

use super::connection::{Reader, Writer};
use super::error::Result;
use super::values::{count, integer};
use crate::domain::chat;
use crate::domain::id::UserId;
use crate::domain::money::MicroDollars;

/// One model on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// The UTC day, counted from 1970.
    pub day: i64,
    /// Full id.
    pub model: String,
    /// Calls that answered.
    pub calls: u64,
    /// Tokens read.
    pub input: u64,
    /// Tokens written.
    pub output: u64,
    /// Known costs.
    pub cost: MicroDollars,
}

/// One more call.
pub fn add(
    db: &Writer,
    user: &UserId,
    day: i64,
    model: &str,
    usage: &chat::Usage,
    cost: MicroDollars,
) -> Result<()> {
    db.run(
        "INSERT INTO usage (user_id, day, model, calls, input, output, cost)
         VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6)
         ON CONFLICT (user_id, day, model) DO UPDATE SET
             calls = usage.calls + 1, input = usage.input + excluded.input,
             output = usage.output + excluded.output, cost = usage.cost + excluded.cost",
        (
            user,
            day,
            model,
            integer(usage.input),
            integer(usage.output),
            cost,
        ),
    )
    .map(drop)
}

/// From a day on, newest day first.
pub fn of_user(db: &Reader, user: &UserId, from_day: i64) -> Result<Vec<Day>> {
    db.all(
        "SELECT * FROM usage WHERE user_id = ?1 AND day >= ?2 ORDER BY day DESC, model LIMIT 10000",
        (user, from_day),
        |row| {
            Ok(Day {
                day: row.get("day")?,
                model: row.get("model")?,
                calls: count(row, "calls")?,
                input: count(row, "input")?,
                output: count(row, "output")?,
                cost: row.get("cost")?,
            })
        },
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::{user, with_writer};
    use super::super::users;
    use super::*;

    #[test]
    fn calls_add_up_by_day_and_model() {
        with_writer(|db| {
            users::insert(db, &user(1))?;
            users::insert(db, &user(2))?;
            let used = chat::Usage {
                input: 10,
                output: 3,
                ..Default::default()
            };
            for (n, day, model) in [
                (1, 5, "a/x"),
                (1, 5, "a/x"),
                (1, 6, "a/x"),
                (2, 6, "a/x"),
                (1, 6, "b/y"),
            ] {
                add(db, &user(n).id, day, model, &used, MicroDollars(7))?;
            }
            let row = |day, model: &str, calls: u64| Day {
                day,
                model: model.into(),
                calls,
                input: 10 * calls,
                output: 3 * calls,
                cost: MicroDollars(7 * calls as i64),
            };
            let all = vec![row(6, "a/x", 1), row(6, "b/y", 1), row(5, "a/x", 2)];
            assert_eq!(of_user(db, &user(1).id, 0), Ok(all.clone()));
            assert_eq!(of_user(db, &user(1).id, 6), Ok(all[..2].to_vec()));
            Ok(())
        });
    }
}
