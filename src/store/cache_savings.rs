//! Savings through the cache per user, by day and model. Kept even after the cached answers are deleted.

use super::connection::{Reader, Writer};
use super::error::{Result, StoreError};
use super::totals::Amount;
use super::values::{to_integer, unsigned};
use crate::domain::id::UserId;
use crate::domain::money::MicroDollars;

/// Calls that were avoided, and their usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Savings {
    /// Cache hits.
    pub hits: u64,
    /// Original cost of the answers, where known.
    pub cost: MicroDollars,
    /// Hits without a known price.
    pub unpriced: u64,
    /// Input and output tokens of the answers.
    pub tokens: u64,
}

/// Adds to a user's savings through a model on a day. Does nothing if the user has been deleted.
const ADD: &str = "INSERT INTO savings (user_id, day, model, hits, cost, unpriced, tokens)
     SELECT id, ?2, ?3, ?4, ?5, ?6, ?7 FROM users WHERE id = ?1
     ON CONFLICT (user_id, day, model) DO UPDATE SET hits = savings.hits + excluded.hits,
         cost = savings.cost + excluded.cost, unpriced = savings.unpriced + excluded.unpriced,
         tokens = savings.tokens + excluded.tokens";

/// Adds a cache hit to a user's savings. They are written at the end of the transaction.
pub fn add_hit(
    db: &Writer,
    user: &UserId,
    day: i64,
    model: &str,
    cost: Option<MicroDollars>,
    tokens: u64,
) {
    let MicroDollars(known_cost) = cost.unwrap_or_default();
    let amounts = [1, known_cost, i64::from(cost.is_none()), to_integer(tokens)];
    let key = vec![user.as_str().into(), day.into(), model.into()];
    db.add_later(ADD, key, &amounts.map(Amount::Sum));
}

/// Sums the savings of one user, or of all users, from one day to another (inclusive).
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn total(db: &Reader, user: Option<&UserId>, from: i64, to: i64) -> Result<Savings> {
    db.query_optional(
        "SELECT CAST(coalesce(sum(hits), 0) AS BIGINT) AS hits, CAST(coalesce(sum(cost), 0) AS BIGINT) AS cost,
                CAST(coalesce(sum(unpriced), 0) AS BIGINT) AS unpriced,
                CAST(coalesce(sum(tokens), 0) AS BIGINT) AS tokens
         FROM savings WHERE (CAST(?1 AS TEXT) IS NULL OR user_id = ?1) AND day BETWEEN ?2 AND ?3",
        (user, from, to),
        |row| {
            Ok(Savings {
                hits: unsigned(row, "hits")?,
                cost: row.get("cost")?,
                unpriced: unsigned(row, "unpriced")?,
                tokens: unsigned(row, "tokens")?,
            })
        },
    )?
    .ok_or(StoreError::Missing)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{user, with_writer};
    use super::super::users;
    use super::*;

    #[test]
    fn hits_add_up_by_user_and_day() {
        with_writer(|db| {
            let (ada, bob) = (user(1).id, user(2).id);
            users::insert(db, &user(1))?;
            users::insert(db, &user(2))?;
            add_hit(db, &ada, 5, "m", Some(MicroDollars(40)), 10);
            add_hit(db, &ada, 5, "m", None, 7);
            add_hit(db, &ada, 9, "m", Some(MicroDollars(2)), 1);
            add_hit(db, &bob, 5, "n", Some(MicroDollars(1)), 1);
            db.write_totals()?;
            let of_ada = total(db, Some(&ada), 5, 8)?;
            let expected = Savings {
                hits: 2,
                cost: MicroDollars(40),
                unpriced: 1,
                tokens: 17,
            };
            assert_eq!(of_ada, expected);
            assert_eq!(total(db, None, 0, 99)?.hits, 4);
            Ok(())
        });
    }
}
