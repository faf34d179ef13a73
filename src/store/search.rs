//! Full-text search: calls the implementation for the connection's engine.

use super::connection::{EngineKind, Reader, Writer};
use super::error::Result;
use super::row::Row;
use super::{postgres, sqlite};
use crate::domain::document::Passage;
use crate::domain::id::{DocumentId, UserId};
use crate::domain::search::QueryPart;

/// Calls `take` with the row ID of each passage in a range of row IDs that matches a part of a query, until it returns
/// false.
///
/// # Errors
/// Returns an error if the part is not a valid expression or the database cannot be read.
pub(super) fn for_each_passage(
    db: &Reader,
    part: &QueryPart,
    range: (i64, i64),
    take: impl FnMut(i64) -> bool,
) -> Result<()> {
    match db.kind() {
        EngineKind::Sqlite => sqlite::search::for_each_passage(db, part, range, take),
        EngineKind::Postgres => postgres::search::for_each_passage(db, part, range, take),
    }
}

/// Like [`for_each_passage`], but also passes a score for each passage, which is higher for better matches.
///
/// # Errors
/// Returns an error if the part is not a valid expression or the database cannot be read.
pub(super) fn for_each_scored_passage(
    db: &Reader,
    part: &QueryPart,
    range: (i64, i64),
    take: impl FnMut(i64, f64) -> bool,
) -> Result<()> {
    match db.kind() {
        EngineKind::Sqlite => sqlite::search::for_each_scored_passage(db, part, range, take),
        EngineKind::Postgres => postgres::search::for_each_scored_passage(db, part, range, take),
    }
}

/// Calls `take` with the thread and row of each of a user's matching turns, best first, until it returns false.
/// `columns` lists the columns of the index to search, separated by spaces: `question`, `answer`, `terms`.
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

/// Inserts passages of a document and adds them to the index.
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

/// Adds a passage to the index after its row was inserted. In SQLite, triggers do this.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub(super) fn index_passage(db: &Writer, document: &str, ordinal: i64) -> Result<()> {
    match db.kind() {
        EngineKind::Sqlite => Ok(()),
        EngineKind::Postgres => postgres::search::index_passage(db, document, ordinal),
    }
}

/// Adds the text of a turn to the index after its row was inserted. In SQLite, triggers do this.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub(super) fn index_turn(db: &Writer, analysis: &str, texts: (&str, &str, &str)) -> Result<()> {
    match db.kind() {
        EngineKind::Sqlite => Ok(()),
        EngineKind::Postgres => postgres::search::index_turn(db, analysis, texts),
    }
}
