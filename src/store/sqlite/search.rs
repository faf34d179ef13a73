//! Full-text search with FTS5. Triggers in the schema keep the index in sync with the tables.

use crate::domain::document::Passage;
use crate::domain::id::{DocumentId, UserId};
use crate::domain::search::index_terms;
use crate::store::connection::{Reader, Writer};
use crate::store::error::Result;
use crate::store::row::Row;
use crate::store::values::to_json;

/// Maximum number of passages to insert per statement, which holds another copy of their text in memory: about 1 MB.
const MAX_ROWS: usize = 1_000;

/// Inserts passages of a document; triggers add them to the index.
///
/// One statement inserts up to [`MAX_ROWS`] passages, because each statement that runs triggers flushes the data that
/// the index has collected. With one statement per passage, merging the resulting small segments takes 50% longer.
///
/// # Errors
///
/// Returns an error if the database cannot be written.
pub(in crate::store) fn insert_passages(
    db: &Writer,
    user: &UserId,
    document: &DocumentId,
    passages: &[Passage],
) -> Result<()> {
    passages
        .chunks(MAX_ROWS)
        .try_for_each(|passages| insert_rows(db, (user, document), passages))
}

fn insert_rows(
    db: &Writer,
    (user, document): (&UserId, &DocumentId),
    passages: &[Passage],
) -> Result<()> {
    let rows: Vec<_> = passages
        .iter()
        .map(|passage| {
            (
                passage.ordinal,
                passage.page,
                passage.start,
                passage.end,
                &passage.heading,
                &passage.text,
                index_terms(&passage.text),
            )
        })
        .collect();
    db.run(
        "INSERT INTO passages (user_id, document_id, ordinal, page, start_byte, end_byte, heading, text, terms)
         SELECT ?1, ?2, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
         FROM json_each(?3)",
        (user, document, to_json(&rows)?),
    )
    .map(drop)
}

/// Passes the passages in a range of rows that match a part of a query to `take`, until it returns false.
///
/// # Errors
/// Returns an error if the part is not a valid expression or the database cannot be read.
pub(in crate::store) fn for_each_passage(
    db: &Reader,
    part: &str,
    (first, last): (i64, i64),
    mut take: impl FnMut(i64) -> bool,
) -> Result<()> {
    let sql =
        "SELECT rowid FROM passages_fts WHERE passages_fts MATCH ?1 AND rowid BETWEEN ?2 AND ?3";
    db.each(sql, (part, first, last), |row| Ok(take(row.get(0)?)))
}

/// Passes passages to `take` like [`for_each_passage`], with a score for each, which is higher for a better match.
///
/// # Errors
/// Returns an error if the part is not a valid expression or the database cannot be read.
pub(in crate::store) fn for_each_scored_passage(
    db: &Reader,
    part: &str,
    (first, last): (i64, i64),
    mut take: impl FnMut(i64, f64) -> bool,
) -> Result<()> {
    // A word in the heading counts less than one in the text. bm25() is lower for better matches.
    let sql = "SELECT rowid, -bm25(passages_fts, 0.6, 1.0, 0.8) FROM passages_fts
               WHERE passages_fts MATCH ?1 AND rowid BETWEEN ?2 AND ?3";
    db.each(sql, (part, first, last), |row| {
        Ok(take(row.get(0)?, row.get(1)?))
    })
}

/// Passes the thread and the row of each of a user's matching turns to `take`, best first, until it returns false.
///
/// # Errors
/// Returns an error if the expression is not valid or the database cannot be read.
pub(in crate::store) fn for_each_turn(
    db: &Reader,
    user: &str,
    (expression, columns): (&str, &str),
    limit: u32,
    take: impl FnMut(&Row<'_>) -> Result<bool>,
) -> Result<()> {
    let ulid = user.trim_start_matches("user_");
    let owner_match = format!("owner : \"{ulid}\" AND {{{columns}}} : ({expression})");
    db.each(
        "SELECT a.thread, x.id
         FROM turns_fts f
         JOIN turn_texts x ON x.id = f.rowid
         JOIN analyses a ON a.id = x.analysis_id
         WHERE turns_fts MATCH ?1 AND a.user_id = ?2 ORDER BY f.rank LIMIT ?3",
        (owner_match, user, limit),
        take,
    )
}
