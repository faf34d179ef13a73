//! The cache of answers. An answer is found only by the person it was made for.

use rusqlite::Row;

use super::connection::{Reader, Writer};
use super::error::{Result, StoreError};
use super::values::{count, integer, json, to_json};
use crate::domain::chat::Answer;
use crate::domain::id::UserId;
use crate::domain::money::MicroDollars;
use crate::domain::time::Timestamp;

/// An answer and what it cost when it was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Full id of the model.
    pub model: String,
    /// The answer.
    pub answer: Answer,
    /// None where the price was not known.
    pub cost: Option<MicroDollars>,
}

/// What the cache holds and has saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Answers in it.
    pub entries: u64,
    /// Their size.
    pub bytes: u64,
    /// How often those that are in it were used.
    pub hits: u64,
    /// What these uses would have cost.
    pub saved: MicroDollars,
}

/// The answer made for this person under this key, if it still holds. Counts the use.
pub fn get(db: &Writer, user: Option<&UserId>, key: &str, now: Timestamp) -> Result<Option<Kept>> {
    let key = owned(user, key);
    let found = peek(db, &key, now)?;
    if found.is_some() {
        db.run(
            "UPDATE answer_cache SET hits = hits + 1 WHERE key = ?1",
            [key],
        )?;
    }
    Ok(found)
}

/// `get` without counting: a read, so that a miss, the common case, does not trouble the writer.
pub fn look(db: &Reader, user: Option<&UserId>, key: &str, now: Timestamp) -> Result<Option<Kept>> {
    peek(db, &owned(user, key), now)
}

fn peek(db: &Reader, key: &str, now: Timestamp) -> Result<Option<Kept>> {
    db.maybe(
        "SELECT model, answer, cost FROM answer_cache WHERE key = ?1 AND expires > ?2",
        (key, now),
        from_row,
    )
}

/// Keeps an answer, in the place of one that was there.
pub fn put(
    db: &Writer,
    user: Option<&UserId>,
    key: &str,
    kept: &Kept,
    now: Timestamp,
    expires: Timestamp,
) -> Result<()> {
    let answer = to_json(&kept.answer)?;
    let bytes = (answer.len() + key.len() + kept.model.len()) as u64;
    db.run(
        "INSERT INTO answer_cache (key, user_id, model, answer, cost, created, expires, bytes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (key) DO UPDATE SET model = excluded.model, answer = excluded.answer,
             cost = excluded.cost, created = excluded.created, expires = excluded.expires,
             bytes = excluded.bytes, hits = 0",
        (
            owned(user, key),
            user,
            &kept.model,
            answer,
            kept.cost.map_or(-1, |cost| cost.0),
            now,
            expires,
            integer(bytes),
        ),
    )
    .map(drop)
}

/// Removes what has run out, then the oldest until the rest fits. Says how many went.
pub fn purge(db: &Writer, now: Timestamp, max_bytes: u64) -> Result<usize> {
    let old = db.run("DELETE FROM answer_cache WHERE expires <= ?1", [now])?;
    // The running sum from the newest on: everything beyond the limit goes, in one statement.
    let large = db.run(
        "DELETE FROM answer_cache WHERE key IN (
             SELECT key FROM (
                 SELECT key, sum(bytes) OVER (ORDER BY created DESC, key) AS filled FROM answer_cache
             ) AS newest WHERE filled > ?1
         )",
        [integer(max_bytes)],
    )?;
    Ok(old + large)
}

/// Empties the cache, of one person or of everybody. Says how many went.
pub fn clear(db: &Writer, user: Option<&UserId>) -> Result<usize> {
    match user {
        Some(user) => db.run("DELETE FROM answer_cache WHERE user_id = ?1", [user]),
        None => db.run("DELETE FROM answer_cache", []),
    }
}

/// What the cache holds.
pub fn stats(db: &Reader) -> Result<Stats> {
    db.maybe(
        "SELECT count(*) AS entries, coalesce(sum(bytes), 0) AS bytes, coalesce(sum(hits), 0) AS hits,
                coalesce(sum(CASE WHEN cost > 0 THEN cost * hits ELSE 0 END), 0) AS saved
         FROM answer_cache",
        [],
        |row| {
            Ok(Stats {
                entries: count(row, "entries")?,
                bytes: count(row, "bytes")?,
                hits: count(row, "hits")?,
                saved: row.get("saved")?,
            })
        },
    )?
    .ok_or(StoreError::Missing)
}

fn owned(user: Option<&UserId>, key: &str) -> String {
    format!("{}/{key}", user.map_or("", UserId::as_str))
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let cost: i64 = row.get("cost")?;
    Ok(Kept {
        model: row.get("model")?,
        answer: json(row, "answer")?,
        cost: (cost >= 0).then_some(MicroDollars(cost)),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, user, with_writer};
    use super::super::users;
    use super::*;
    use crate::domain::chat::{Finish, Usage};

    fn kept(text: &str, cost: Option<i64>) -> Kept {
        Kept {
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
            },
            cost: cost.map(MicroDollars),
        }
    }

    #[test]
    fn an_answer_is_its_owner_s_until_it_runs_out() {
        with_writer(|db| {
            users::insert(db, &user(1))?;
            users::insert(db, &user(2))?;
            let (one, two) = (user(1).id, user(2).id);
            put(db, Some(&one), "k", &kept("mine", Some(40)), at(1), at(100))?;
            put(db, None, "k", &kept("nobody's", None), at(1), at(100))?;
            for (who, now, expected) in [
                (Some(&one), 50, Some(kept("mine", Some(40)))),
                (Some(&one), 100, None),
                (Some(&two), 50, None),
                (None, 50, Some(kept("nobody's", None))),
            ] {
                assert_eq!(
                    look(db, who, "k", at(now)),
                    Ok(expected.clone()),
                    "{who:?} {now}"
                );
                assert_eq!(get(db, who, "k", at(now)), Ok(expected), "{who:?} {now}");
            }
            let now = stats(db)?;
            assert_eq!((now.entries, now.hits, now.saved), (2, 2, MicroDollars(40)));
            put(db, Some(&one), "k", &kept("newer", Some(1)), at(2), at(100))?;
            assert_eq!(
                look(db, Some(&one), "k", at(50)),
                Ok(Some(kept("newer", Some(1))))
            );
            assert_eq!(clear(db, Some(&two)), Ok(0));
            assert_eq!(clear(db, Some(&one)), Ok(1));
            assert_eq!(clear(db, None), Ok(1));
            Ok(())
        });
    }

    #[test]
    fn purging_takes_what_ran_out_and_then_the_oldest() {
        with_writer(|db| {
            for n in 1..=5i64 {
                put(
                    db,
                    None,
                    &n.to_string(),
                    &kept("same", None),
                    at(n),
                    at(if n == 5 { 10 } else { 90 }),
                )?;
            }
            let one = stats(db)?.bytes / 5;
            assert_eq!(purge(db, at(10), 2 * one), Ok(3));
            let left = |n: &str| look(db, None, n, at(10)).map(|found| found.is_some());
            assert_eq!(
                ["1", "2", "3", "4", "5"].map(left),
                [false, false, true, true, false].map(Ok)
            );
            assert_eq!(purge(db, at(10), 2 * one), Ok(0));
            Ok(())
        });
    }
}
