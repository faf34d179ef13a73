//! The call log: a row per model call, which is eventually deleted. `usage` keeps the totals forever.

use super::connection::{Reader, Writer};
use super::error::Result;
use super::params::params;
use super::row::Row;
use super::values::{optional_text, to_integer, to_json, unsigned};
use crate::domain::chat::{CallBill, Usage};
use crate::domain::id::{AnalysisId, UserId};
use crate::domain::money::MicroDollars;
use crate::domain::pattern::CallId;
use crate::domain::time::Timestamp;
use crate::domain::usage::{CallCharge, CallEnd};

/// An entry in the call log.
#[derive(Debug, Clone, PartialEq)]
pub struct CallRecord {
    /// Row number; later calls have higher numbers.
    pub id: i64,
    /// ID of the analysis that made the call, which may have been deleted since.
    pub analysis: String,
    /// Usage and outcome of the call.
    pub charge: CallCharge,
    /// Cost at the time of the call; `None` if the price was unknown.
    pub cost: Option<MicroDollars>,
}

/// Appends a call to the log.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn insert(
    db: &Writer,
    user: Option<&UserId>,
    analysis: &AnalysisId,
    charge: &CallCharge,
) -> Result<()> {
    let CallCharge { call, bill, .. } = charge;
    let price = match &charge.price {
        Some(price) => to_json(price)?,
        None => String::new(),
    };
    db.run(
        "INSERT INTO calls (user_id, analysis_id, stage, member, at, model, outcome, tries, input, output,
             cached, reasoning, estimated, own_key, price, cost, latency_ms, first_token_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
        params![
            user,
            analysis,
            call.stage as i64,
            call.member as i64,
            charge.started_at,
            charge.model,
            charge.outcome.as_str(),
            bill.tries,
            to_integer(bill.usage.input),
            to_integer(bill.usage.output),
            to_integer(bill.usage.cached),
            to_integer(bill.usage.reasoning),
            bill.usage.estimated,
            charge.own_key,
            price,
            charge.cost().unwrap_or(MicroDollars(-1)),
            to_integer(bill.latency_ms),
            bill.first_token_ms.map_or(-1, to_integer),
        ],
    )
    .map(drop)
}

/// Lists the newest calls of one user, or of all users, starting before a row number.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn list_latest(
    db: &Reader,
    user: Option<&UserId>,
    limit: u32,
    before: Option<i64>,
) -> Result<Vec<CallRecord>> {
    db.all(
        "SELECT * FROM calls WHERE (CAST(?1 AS TEXT) IS NULL OR user_id = ?1) AND id < ?2 ORDER BY id DESC LIMIT ?3",
        (user, before.unwrap_or(i64::MAX), limit),
        from_row,
    )
}

/// Lists an analysis's calls that started within a time span, ordered by start time, at most 2000. The time span bounds
/// the index scan, because calls are not indexed by analysis.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn of_analysis(
    db: &Reader,
    user: Option<&UserId>,
    analysis: &AnalysisId,
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<CallRecord>> {
    db.all(
        "SELECT * FROM calls WHERE user_id IS NOT DISTINCT FROM ?1 AND at BETWEEN ?2 AND ?3 AND analysis_id = ?4
         ORDER BY at, id LIMIT 2000",
        (user, from, to, analysis),
        from_row,
    )
}

fn from_row(row: &Row<'_>) -> Result<CallRecord> {
    let known_amount = |value: i64| (value >= 0).then_some(value);
    let price = optional_text(row, "price")?;
    Ok(CallRecord {
        id: row.get("id")?,
        analysis: row.get("analysis_id")?,
        charge: CallCharge {
            call: CallId {
                stage: unsigned(row, "stage")? as usize,
                member: unsigned(row, "member")? as usize,
            },
            model: row.get("model")?,
            started_at: row.get("at")?,
            outcome: CallEnd::parse(&row.get::<_, String>("outcome")?).unwrap_or(CallEnd::Failed),
            bill: CallBill {
                usage: Usage {
                    input: unsigned(row, "input")?,
                    output: unsigned(row, "output")?,
                    cached: unsigned(row, "cached")?,
                    reasoning: unsigned(row, "reasoning")?,
                    estimated: row.get("estimated")?,
                    ..Usage::default()
                },
                tries: row.get("tries")?,
                latency_ms: unsigned(row, "latency_ms")?,
                first_token_ms: known_amount(row.get("first_token_ms")?).map(|ms| ms as u64),
                ..CallBill::default()
            },
            price: price.and_then(|price| serde_json::from_str(&price).ok()),
            own_key: row.get("own_key")?,
        },
        cost: known_amount(row.get("cost")?).map(MicroDollars),
    })
}

/// Deletes calls older than this time and returns their number.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn delete_before(db: &Writer, before: Timestamp) -> Result<usize> {
    db.run("DELETE FROM calls WHERE at < ?1", [before])
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, user, with_writer};
    use super::super::users;
    use super::*;
    use crate::domain::money::Price;

    #[test]
    fn calls_round_trip_newest_first() {
        with_writer(|db| {
            users::insert(db, &user(1))?;
            let analysis = AnalysisId::new(at(1), 1);
            let charge = |n: i64, ended, price| CallCharge {
                call: CallId {
                    stage: n as usize,
                    member: 2,
                },
                model: "a/x".into(),
                started_at: at(n),
                outcome: ended,
                bill: CallBill {
                    usage: Usage {
                        input: 10,
                        output: 5,
                        cached: 1,
                        reasoning: 2,
                        estimated: n == 2,
                        ..Usage::default()
                    },
                    tries: 2,
                    latency_ms: 9,
                    first_token_ms: (n == 1).then_some(4),
                    ..CallBill::default()
                },
                price,
                own_key: n == 2,
            };
            let price = Price {
                input: 1.0,
                output: 2.0,
                cached_input: Some(0.5),
                long: None,
            };
            let one = charge(1, CallEnd::Answered, Some(price));
            let two = charge(2, CallEnd::Cancelled, None);
            insert(db, Some(&user(1).id), &analysis, &one)?;
            insert(db, None, &analysis, &two)?;
            let calls_of_span = |user, span| of_analysis(db, user, &analysis, span);
            let (own, span) = (user(1).id, (at(1), at(2)));
            assert_eq!(calls_of_span(Some(&own), span)?[0].charge, one);
            assert_eq!(
                calls_of_span(None, span)?.len(),
                1,
                "another user's are not"
            );
            assert_eq!(calls_of_span(Some(&own), (at(2), at(9)))?, []);
            let all = list_latest(db, None, 9, None)?;
            let charges: Vec<_> = all
                .iter()
                .map(|call| (call.charge.clone(), call.cost))
                .collect();
            assert_eq!(charges, [(two, None), (one.clone(), one.cost())]);
            assert_eq!(list_latest(db, Some(&user(1).id), 9, None)?.len(), 1);
            assert_eq!(list_latest(db, None, 1, Some(all[0].id))?, all[1..]);
            assert_eq!(delete_before(db, at(2))?, 1);
            Ok(())
        });
    }
}
