//! Usage limits that an administrator has set for single users. All other users have the server's default limits.

use super::connection::{Reader, Writer};
use super::error::Result;
use super::values::to_integer;
use crate::domain::id::UserId;
use crate::domain::money::MicroDollars;
use crate::domain::usage::UserLimits;

/// Returns the limits set for a user, if any.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn for_user(db: &Reader, user: &UserId) -> Result<Option<UserLimits>> {
    db.query_optional("SELECT * FROM budgets WHERE user_id = ?1", [user], |row| {
        let known_amount = |value: i64| (value >= 0).then_some(value);
        Ok(UserLimits {
            day_cost: known_amount(row.get("day_cost")?).map(MicroDollars),
            month_cost: known_amount(row.get("month_cost")?).map(MicroDollars),
            day_tokens: known_amount(row.get("day_tokens")?).map(|tokens| tokens as u64),
            month_tokens: known_amount(row.get("month_tokens")?).map(|tokens| tokens as u64),
        })
    })
}

/// Sets the limits of a user, replacing earlier ones.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn put(db: &Writer, user: &UserId, limits: &UserLimits) -> Result<()> {
    let dollars = |amount: Option<MicroDollars>| amount.map_or(-1, |amount| amount.0.max(0));
    let tokens = |count: Option<u64>| count.map_or(-1, to_integer);
    db.run(
        "INSERT INTO budgets (user_id, day_cost, month_cost, day_tokens, month_tokens)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (user_id) DO UPDATE SET day_cost = excluded.day_cost, month_cost = excluded.month_cost,
             day_tokens = excluded.day_tokens, month_tokens = excluded.month_tokens",
        (
            user,
            dollars(limits.day_cost),
            dollars(limits.month_cost),
            tokens(limits.day_tokens),
            tokens(limits.month_tokens),
        ),
    )
    .map(drop)
}

/// Removes the limits of a user. Returns false if there were none.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn delete(db: &Writer, user: &UserId) -> Result<bool> {
    Ok(db.run("DELETE FROM budgets WHERE user_id = ?1", [user])? > 0)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{user, with_writer};
    use super::super::users;
    use super::*;

    #[test]
    fn limits_can_be_set_and_removed_and_zero_is_a_limit() {
        with_writer(|db| {
            users::insert(db, &user(1))?;
            let id = user(1).id;
            assert_eq!(for_user(db, &id)?, None);
            let limits = UserLimits {
                day_cost: Some(MicroDollars(0)),
                month_tokens: Some(9),
                ..UserLimits::default()
            };
            put(db, &id, &UserLimits::default())?;
            put(db, &id, &limits)?;
            assert_eq!(for_user(db, &id)?, Some(limits));
            assert_eq!((delete(db, &id)?, delete(db, &id)?), (true, false));
            Ok(())
        });
    }
}
