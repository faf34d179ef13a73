//! Events of analyses, in order. `analyses` determines who may read them.

use super::connection::{Reader, Writer};
use super::error::Result;
use super::params::Value;
use super::values::{to_integer, unsigned};
use crate::domain::id::AnalysisId;

/// A stored event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Sequence number within the analysis, starting at 1.
    pub seq: u64,
    /// Name of the event, such as `analysis.completed`.
    pub kind: String,
    /// Data of the event, as JSON.
    pub data: String,
}

/// Maximum number of events per statement. A connection caches a statement for each number of events up to this.
const MAX_ROWS: usize = 8;

/// Appends events.
///
/// # Errors
/// Returns `Missing` if the analysis was deleted in the meantime, or another error if the database cannot be written.
pub fn append<'a>(
    db: &Writer,
    id: &AnalysisId,
    events: impl IntoIterator<Item = &'a StoredEvent>,
) -> Result<()> {
    let events: Vec<_> = events.into_iter().collect();
    events.chunks(MAX_ROWS).try_for_each(|events| {
        let rows = (0..events.len()).map(|row| {
            let first = 3 * row + 2;
            format!("(?1, ?{first}, ?{}, ?{})", first + 1, first + 2)
        });
        let rows = rows.collect::<Vec<_>>().join(", ");
        let mut values = vec![Value::Text(id.as_str())];
        values.extend(events.iter().flat_map(|event| {
            let seq = Value::Integer(to_integer(event.seq));
            [seq, Value::Text(&event.kind), Value::Text(&event.data)]
        }));
        db.run(
            &format!("INSERT INTO events (analysis_id, seq, kind, data) VALUES {rows}"),
            values.as_slice(),
        )
        .map(drop)
        .map_err(|error| error.with_subject("event"))
    })
}

/// Lists the events after a sequence number, in order.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn list_after(
    db: &Reader,
    id: &AnalysisId,
    after: u64,
    limit: u32,
) -> Result<Vec<StoredEvent>> {
    db.all(
        "SELECT seq, kind, data FROM events WHERE analysis_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
        (id, to_integer(after), limit),
        |row| {
            Ok(StoredEvent { seq: unsigned(row, "seq")?, kind: row.get("kind")?, data: row.get("data")? })
        },
    )
}

/// Returns whether an analysis is stored and has not ended, so that more events may follow.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn may_follow(db: &Reader, id: &AnalysisId) -> Result<bool> {
    let sql = "SELECT 1 FROM analyses WHERE id = ?1 AND finished = 0";
    Ok(db.query_optional(sql, [id], |_| Ok(()))?.is_some())
}

/// Returns the last sequence number, or 0 if there are no events.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn last_seq(db: &Reader, id: &AnalysisId) -> Result<u64> {
    db.query_one(
        "SELECT coalesce(max(seq), 0) AS n FROM events WHERE analysis_id = ?1",
        [id],
        |row| unsigned(row, "n"),
    )
}
