//! The answer cache. An answer is found only by its complete key, which starts with its owner.

use std::collections::BTreeMap;

use super::connection::{Reader, Writer};
use super::error::{Result, StoreError};
use super::row::Row;
use super::totals::Amount;
use super::values::{json, to_integer, to_json, unsigned};
use crate::domain::chat::Answer;
use crate::domain::id::UserId;
use crate::domain::money::MicroDollars;
use crate::domain::time::Timestamp;

/// A cached answer with its original cost.
#[derive(Debug, Clone, PartialEq)]
pub struct CachedAnswer {
    /// Full ID of the model that gave the answer.
    pub model: String,
    /// The answer, as the model gave it.
    pub answer: Answer,
    /// Cost of the original call; `None` if the price was unknown.
    pub cost: Option<MicroDollars>,
    /// Short hash of each field of the original call, by name; shows why another call missed the cache.
    pub fields: BTreeMap<String, String>,
}

impl CachedAnswer {
    /// Returns the approximate size in the cache, in bytes.
    pub fn bytes(&self, key: &str) -> u64 {
        let Answer {
            text,
            reasoning,
            extras,
            ..
        } = &self.answer;
        let sealed = extras.reasoning.iter().map(|item| item.to_string().len());
        let logprobs = extras.logprobs.as_ref();
        let extras =
            sealed.sum::<usize>() + logprobs.map_or(0, |logprobs| logprobs.to_string().len());
        let fields = self
            .fields
            .keys()
            .map(|name| name.len() + 18)
            .sum::<usize>();
        (text.len() + reasoning.len() + extras + key.len() + self.model.len() + fields + 200) as u64
    }
}

/// Statistics of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheStats {
    /// Number of answers.
    pub entries: u64,
    /// Total size of the answers, in bytes.
    pub bytes: u64,
    /// Hits on the answers that are currently in the cache.
    pub hits: u64,
    /// The amount that the hits in `hits` would have cost, where known.
    pub saved_cost: MicroDollars,
}

/// Looks up the answer for a key, unless it has expired or was created before `since`. Does not write, so that a miss,
/// the common case, does not occupy the writer. Keys start with their owner.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn look_up(
    db: &Reader,
    key: &str,
    now: Timestamp,
    since: Timestamp,
) -> Result<Option<CachedAnswer>> {
    db.query_optional(
        "SELECT model, answer, cost, fields FROM answer_cache WHERE key = ?1 AND expires > ?2 AND created >= ?3",
        (key, now, since),
        from_row,
    )
}

/// Adds to an answer's hit count, and moves its last use forward.
const ADD_HITS: &str =
    "UPDATE answer_cache SET hits = hits + ?2, used = CASE WHEN used < ?3 THEN ?3 ELSE used END
     WHERE key = ?1";

/// Counts a hit on an answer. The count is written at the end of the transaction.
pub fn record_hit(db: &Writer, key: &str, now: Timestamp) {
    let amounts = [Amount::Sum(1), Amount::Latest(now.millis())];
    db.add_later(ADD_HITS, vec![key.into()], &amounts);
}

/// Stores a user's answer, replacing an earlier one with the same key.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn put(
    db: &Writer,
    user: Option<&UserId>,
    key: &str,
    cached: &CachedAnswer,
    now: Timestamp,
    expires: Timestamp,
) -> Result<()> {
    db.run(
        "INSERT INTO answer_cache (key, user_id, model, answer, cost, created, expires, bytes, used, fields)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?6, ?9)
         ON CONFLICT (key) DO UPDATE SET model = excluded.model, answer = excluded.answer,
             cost = excluded.cost, created = excluded.created, expires = excluded.expires,
             bytes = excluded.bytes, used = excluded.used, fields = excluded.fields, hits = 0",
        (
            key,
            user,
            &cached.model,
            to_json(&cached.answer)?,
            cached.cost.map_or(-1, |cost| cost.0),
            now,
            expires,
            to_integer(cached.bytes(key)),
            to_json(&cached.fields)?,
        ),
    )
    .map(drop)
}

/// Deletes expired answers, and then the least recently used ones until the rest fits into `max_bytes`. Returns the
/// number of deleted answers.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn purge(db: &Writer, now: Timestamp, max_bytes: u64) -> Result<usize> {
    let old = db.run("DELETE FROM answer_cache WHERE expires <= ?1", [now])?;
    // A running total, starting with the most recently used answer: a single statement deletes everything above the
    // limit.
    let large = db.run(
        "DELETE FROM answer_cache WHERE key IN (
             SELECT key FROM (
                 SELECT key, CAST(sum(bytes) OVER (ORDER BY used DESC, key) AS BIGINT) AS filled FROM answer_cache
             ) AS newest WHERE filled > ?1
         )",
        [to_integer(max_bytes)],
    )?;
    Ok(old + large)
}

/// Selects answers to delete; absent fields match everything.
#[derive(Debug, Clone, Default)]
pub struct CacheSelection {
    /// Only answers created for this user.
    pub user: Option<UserId>,
    /// Only answers by this model (full ID).
    pub model: Option<String>,
    /// Only answers created before this time.
    pub created_before: Option<Timestamp>,
}

/// Deletes matching answers and returns their number.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn clear(db: &Writer, which: &CacheSelection) -> Result<usize> {
    db.run(
        "DELETE FROM answer_cache WHERE (CAST(?1 AS TEXT) IS NULL OR user_id = ?1)
             AND (CAST(?2 AS TEXT) IS NULL OR model = ?2) AND (CAST(?3 AS BIGINT) IS NULL OR created < ?3)",
        (&which.user, &which.model, which.created_before),
    )
}

/// Deletes one answer. Returns false if it does not exist.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn delete(db: &Writer, key: &str) -> Result<bool> {
    let deleted_rows = db.run("DELETE FROM answer_cache WHERE key = ?1", [key])?;
    Ok(deleted_rows > 0)
}

/// Lists the field hashes of an owner's answers that were created before `before`, newest first.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn fields_of(
    db: &Reader,
    owner: &str,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<BTreeMap<String, String>>> {
    // All keys of an owner are between these two, because `/` follows `.` in ASCII.
    db.all(
        "SELECT fields FROM answer_cache WHERE key >= ?1 || '.' AND key < ?1 || '/' AND created < ?2
         ORDER BY created DESC LIMIT ?3",
        (owner, before, limit),
        |row| json(row, "fields"),
    )
}

/// Returns the cache statistics.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn stats(db: &Reader) -> Result<CacheStats> {
    db.query_optional(
        "SELECT count(*) AS entries, CAST(coalesce(sum(bytes), 0) AS BIGINT) AS bytes,
                CAST(coalesce(sum(hits), 0) AS BIGINT) AS hits,
                CAST(coalesce(sum(CASE WHEN cost > 0 THEN cost * hits ELSE 0 END), 0) AS BIGINT) AS saved
         FROM answer_cache",
        [],
        |row| {
            Ok(CacheStats {
                entries: unsigned(row, "entries")?,
                bytes: unsigned(row, "bytes")?,
                hits: unsigned(row, "hits")?,
                saved_cost: row.get("saved")?,
            })
        },
    )?
    .ok_or(StoreError::Missing)
}

fn from_row(row: &Row<'_>) -> Result<CachedAnswer> {
    let cost: i64 = row.get("cost")?;
    Ok(CachedAnswer {
        model: row.get("model")?,
        answer: json(row, "answer")?,
        cost: (cost >= 0).then_some(MicroDollars(cost)),
        fields: json(row, "fields")?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, user, with_writer};
    use super::super::users;
    use super::*;
    use crate::domain::chat::{Finish, Usage};

    fn cached_answer(text: &str, cost: Option<i64>) -> CachedAnswer {
        CachedAnswer {
            model: "a/x".into(),
            answer: Answer {
                text: text.into(),
                reasoning: String::new(),
                usage: Usage {
                    input: 5,
                    output: 2,
                    ..Usage::default()
                },
                finish: Finish::Stop,
                calls: Vec::new(),
                extras: Default::default(),
            },
            cost: cost.map(MicroDollars),
            fields: BTreeMap::from([("model".to_owned(), "00ff".to_owned())]),
        }
    }

    #[test]
    fn an_answer_is_found_until_it_expires() {
        with_writer(|db| {
            users::insert(db, &user(1))?;
            users::insert(db, &user(2))?;
            let (one, two) = (user(1).id, user(2).id);
            put(
                db,
                Some(&one),
                "1.k",
                &cached_answer("mine", Some(40)),
                at(1),
                at(100),
            )?;
            put(
                db,
                None,
                "team.k",
                &cached_answer("all", None),
                at(5),
                at(100),
            )?;
            for (key, now, since, expected) in [
                ("1.k", 50, 0, Some(cached_answer("mine", Some(40)))),
                ("1.k", 100, 0, None),
                ("1.k", 50, 2, None),
                ("2.k", 50, 0, None),
                ("team.k", 50, 5, Some(cached_answer("all", None))),
            ] {
                assert_eq!(
                    look_up(db, key, at(now), at(since)),
                    Ok(expected),
                    "{key} {now}"
                );
            }
            record_hit(db, "1.k", at(9));
            db.write_totals()?;
            let now = stats(db)?;
            assert_eq!(
                (now.entries, now.hits, now.saved_cost),
                (2, 1, MicroDollars(40))
            );
            put(
                db,
                Some(&one),
                "1.k",
                &cached_answer("newer", Some(1)),
                at(2),
                at(100),
            )?;
            let cached = look_up(db, "1.k", at(50), at(0))?;
            assert_eq!(cached, Some(cached_answer("newer", Some(1))));
            assert_eq!(
                fields_of(db, "1", at(9), 9)?,
                [cached_answer("", None).fields]
            );
            assert_eq!(fields_of(db, "1", at(2), 9)?, []);
            let of =
                |user: Option<&UserId>, model: Option<&str>, before: Option<i64>| CacheSelection {
                    user: user.cloned(),
                    model: model.map(str::to_owned),
                    created_before: before.map(at),
                };
            assert_eq!(clear(db, &of(Some(&two), None, None)), Ok(0));
            assert_eq!(clear(db, &of(None, Some("b/y"), None)), Ok(0));
            assert_eq!(clear(db, &of(None, Some("a/x"), Some(2))), Ok(0));
            assert_eq!(clear(db, &of(Some(&one), Some("a/x"), Some(9))), Ok(1));
            assert_eq!(delete(db, "team.k"), Ok(true));
            assert_eq!(delete(db, "team.k"), Ok(false));
            Ok(())
        });
    }

    #[test]
    fn purging_removes_expired_then_least_recently_used_answers() {
        with_writer(|db| {
            for n in 1..=5i64 {
                let until = if n == 5 { 10 } else { 90 };
                put(
                    db,
                    None,
                    &n.to_string(),
                    &cached_answer("same", None),
                    at(n),
                    at(until),
                )?;
            }
            // A hit makes the oldest answer the most recently used one.
            record_hit(db, "1", at(8));
            db.write_totals()?;
            let one = stats(db)?.bytes / 5;
            assert_eq!(purge(db, at(10), 2 * one), Ok(3));
            let left = |n: &str| look_up(db, n, at(10), at(0)).map(|found| found.is_some());
            assert_eq!(
                ["1", "2", "3", "4", "5"].map(left),
                [true, false, false, true, false].map(Ok)
            );
            assert_eq!(purge(db, at(10), 2 * one), Ok(0));
            Ok(())
        });
    }
}
