//! What was told about an analysis, in order. Who may ask for it, `analyses` knows.

use super::connection::{Reader, Writer};
use super::error::Result;
use super::values::{count, integer};
use crate::domain::id::AnalysisId;

/// One event as it goes down the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Counted from 1 within the analysis.
    pub seq: u64,
    /// Its name.
    pub kind: String,
    /// JSON.
    pub data: String,
}

/// Adds events. `Missing` when the analysis was deleted meanwhile.
pub fn append(db: &Writer, id: &AnalysisId, events: &[StoredEvent]) -> Result<()> {
    events.iter().try_for_each(|event| {
        db.run(
            "INSERT INTO events (analysis_id, seq, kind, data) VALUES (?1, ?2, ?3, ?4)",
            (id, integer(event.seq), &event.kind, &event.data),
        )
        .map(drop)
        .map_err(|error| error.named("event"))
    })
}

/// What came after the event with this number, in order.
pub fn after(db: &Reader, id: &AnalysisId, after: u64, limit: u32) -> Result<Vec<StoredEvent>> {
    db.all(
        "SELECT seq, kind, data FROM events WHERE analysis_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
        (id, integer(after), limit),
        |row| {
            Ok(StoredEvent { seq: count(row, "seq")?, kind: row.get("kind")?, data: row.get("data")? })
        },
    )
}

/// The number of the last event; 0 when there is none.
pub fn last_seq(db: &Reader, id: &AnalysisId) -> Result<u64> {
    db.one(
        "SELECT coalesce(max(seq), 0) AS n FROM events WHERE analysis_id = ?1",
        [id],
        |row| count(row, "n"),
    )
}
