//! Full-text search with FTS5. Triggers in the schema keep the index in sync with the tables.

use crate::domain::document::Passage;
use crate::domain::id::{DocumentId, UserId};
use crate::domain::search::{QueryPart, index_terms};
use crate::store::connection::{Reader, Writer};
use crate::store::error::Result;
use crate::store::row::Row;
use crate::store::values::to_json;

/// Maximum number of passages inserted per statement. The statement holds a copy of their text in memory, about 1 MB.
const MAX_ROWS: usize = 1_000;

/// Inserts passages of a document. Triggers add them to the index.
///
/// Each statement inserts up to [`MAX_ROWS`] passages, because a statement that runs triggers flushes the index's
/// collected data. With one statement per passage, merging the resulting small segments would take 50% longer.
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

/// Calls `take` with the row ID of each passage in a range of row IDs that matches a part of a query, until it returns
/// false.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub(in crate::store) fn for_each_passage(
    db: &Reader,
    part: &QueryPart,
    (first, last): (i64, i64),
    mut take: impl FnMut(i64) -> bool,
) -> Result<()> {
    if part.has_marks() {
        return for_each_scored_passage(db, part, (first, last), |row, _| take(row));
    }
    let sql =
        "SELECT rowid FROM passages_fts WHERE passages_fts MATCH ?1 AND rowid BETWEEN ?2 AND ?3";
    db.each(sql, (part.expression(), first, last), |row| {
        Ok(take(row.get(0)?))
    })
}

/// Like [`for_each_passage`], but also passes a score for each passage, which is higher for better matches.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub(in crate::store) fn for_each_scored_passage(
    db: &Reader,
    part: &QueryPart,
    (first, last): (i64, i64),
    mut take: impl FnMut(i64, f64) -> bool,
) -> Result<()> {
    let values = (part.expression(), first, last);
    // Words in the heading count less than words in the text. bm25() is lower for better matches, so its sign is
    // changed.
    if !part.has_marks() {
        let sql = "SELECT rowid, -bm25(passages_fts, 0.6, 1.0, 0.8) FROM passages_fts
                   WHERE passages_fts MATCH ?1 AND rowid BETWEEN ?2 AND ?3";
        return db.each(sql, values, |row| Ok(take(row.get(0)?, row.get(1)?)));
    }
    // The index ignores combining marks such as vowel signs, so it also finds passages that differ in them. Check
    // whether the heading, text, or terms of each candidate contain the exact words.
    let sql =
        "SELECT rowid, -bm25(passages_fts, 0.6, 1.0, 0.8), heading, text, terms FROM passages_fts
               WHERE passages_fts MATCH ?1 AND rowid BETWEEN ?2 AND ?3";
    db.each(sql, values, |row| {
        let columns: [String; 3] = [row.get(2)?, row.get(3)?, row.get(4)?];
        let is_match = columns.iter().any(|text| part.occurs_in(text));
        Ok(!is_match || take(row.get(0)?, row.get(1)?))
    })
}

/// Calls `take` with the thread and row of each of a user's matching turns, best first, until it returns false.
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
