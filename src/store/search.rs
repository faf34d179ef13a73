//! Full-text search, dispatched to the connection's engine.

use super::connection::{EngineKind, Reader, Writer};
use super::error::Result;
use super::row::Row;
use super::{postgres, sqlite};
use crate::domain::document::Passage;
use crate::domain::id::{DocumentId, UserId};

/// Passes the passages in a range of rows that match a part of a query to `take`, until it returns false.
///
/// # Errors
/// Returns an error if the part is not a valid expression or the database cannot be read.
pub(super) fn for_each_passage(
    db: &Reader,
    part: &str,
    range: (i64, i64),
    take: impl FnMut(i64) -> bool,
) -> Result<()> {
    match db.kind() {
        EngineKind::Sqlite => sqlite::search::for_each_passage(db, part, range, take),
        EngineKind::Postgres => postgres::search::for_each_passage(db, part, range, take),
    }
}

/// Passes passages to `take` like [`for_each_passage`], with a score for each, which is higher for a better match.
///
/// # Errors
/// Returns an error if the part is not a valid expression or the database cannot be read.
pub(super) fn for_each_scored_passage(
    db: &Reader,
    part: &str,
    range: (i64, i64),
    take: impl FnMut(i64, f64) -> bool,
) -> Result<()> {
    match db.kind() {
        EngineKind::Sqlite => sqlite::search::for_each_scored_passage(db, part, range, take),
        EngineKind::Postgres => postgres::search::for_each_scored_passage(db, part, range, take),
    }
}

/// Passes the thread and the row of each of a user's matching turns to `take`, best first, until it returns false.
/// Searches these columns of the index, separated by spaces: `question`, `answer`, `terms`.
///
/// # Errors
/// Returns an error if the expression is not valid or the database cannot be read.
pub(super) fn for_each_turn(
    db: &Reader,
    user: &str,
    (expression, columns): (&str, &str),
    most: u32,
    take: impl FnMut(&Row<'_>) -> Result<bool>,
) -> Result<()> {
    match db.kind() {
        EngineKind::Sqlite => {
            sqlite::search::for_each_turn(db, user, (expression, columns), most, take)
        }
        EngineKind::Postgres => {
            postgres::search::for_each_turn(db, user, (expression, columns), most, take)
        }
    }
}

/// Inserts passages of a document and indexes them.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub(super) fn insert_passages(
    db: &Writer,
    user: &UserId,
    document: &DocumentId,
    passages: &[Passage],
) -> Result<()> {
    match db.kind() {
        EngineKind::Sqlite => sqlite::search::insert_passages(db, user, document, passages),
        EngineKind::Postgres => postgres::search::insert_passages(db, user, document, passages),
    }
}

/// Indexes a passage that was just inserted. In SQLite, triggers do this.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub(super) fn index_passage(db: &Writer, document: &str, ordinal: i64) -> Result<()> {
    match db.kind() {
        EngineKind::Sqlite => Ok(()),
        EngineKind::Postgres => postgres::search::index_passage(db, document, ordinal),
    }
}

/// Indexes the text of a turn that was just inserted. In SQLite, triggers do this.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub(super) fn index_turn(db: &Writer, analysis: &str, texts: (&str, &str, &str)) -> Result<()> {
    match db.kind() {
        EngineKind::Sqlite => Ok(()),
        EngineKind::Postgres => postgres::search::index_turn(db, analysis, texts),
    }
}
