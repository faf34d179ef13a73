//! Full-text search with a GIN index over words that Quire itself splits and folds. The index finds candidates and
//! ranks them roughly; `domain::search::bm25` decides the final order.

use super::words::{query, vector};
use crate::domain::document::Passage;
use crate::domain::id::{DocumentId, UserId};
use crate::domain::search::{QueryPart, index_terms};
use crate::store::connection::{Reader, Writer};
use crate::store::error::Result;
use crate::store::row::Row;

/// Number of passages to read per statement while the whole index is built. Their texts are in memory together.
const INDEX_PASSAGES: i64 = 100;
/// Number of turns to read per statement; a single turn may have 400 KB of text.
const INDEX_TURNS: i64 = 10;

/// Calls `take` with the ID of each passage in a range of IDs that matches a part of a query, until it returns false.
///
/// # Errors
/// Returns an error if the part is not a valid expression or the database cannot be read.
pub(in crate::store) fn for_each_passage(
    db: &Reader,
    part: &QueryPart,
    (first, last): (i64, i64),
    mut take: impl FnMut(i64) -> bool,
) -> Result<()> {
    db.each(
        "SELECT id FROM passage_words
         WHERE words @@ CAST(CAST(?1 AS TEXT) AS tsquery) AND id BETWEEN ?2 AND ?3 ORDER BY id",
        (query(&part.expression(), "")?, first, last),
        |row| Ok(take(row.get(0)?)),
    )
}

/// Like [`for_each_passage`], but also passes a score for each passage, which is higher for better matches.
///
/// # Errors
/// Returns an error if the part is not a valid expression or the database cannot be read.
pub(in crate::store) fn for_each_scored_passage(
    db: &Reader,
    part: &QueryPart,
    (first, last): (i64, i64),
    mut take: impl FnMut(i64, f64) -> bool,
) -> Result<()> {
    // Weights of the labels D (unused), C (terms), B (text), and A (heading). The 1 divides the score by 1 + the
    // logarithm of the length.
    db.each(
        "SELECT id, ts_rank('{0.1, 0.8, 1.0, 0.6}', words, CAST(CAST(?1 AS TEXT) AS tsquery), 1)
         FROM passage_words
         WHERE words @@ CAST(CAST(?1 AS TEXT) AS tsquery) AND id BETWEEN ?2 AND ?3 ORDER BY id",
        (query(&part.expression(), "")?, first, last),
        |row| Ok(take(row.get(0)?, row.get(1)?)),
    )
}

/// Calls `take` with the thread and row of each of a user's matching turns, best first, until it returns false.
///
/// # Errors
/// Returns an error if the expression is not valid or the database cannot be read.
pub(in crate::store) fn for_each_turn(
    db: &Reader,
    user: &str,
    (expression, columns): (&str, &str),
    most: u32,
    take: impl FnMut(&Row<'_>) -> Result<bool>,
) -> Result<()> {
    let labels: String = columns
        .split(' ')
        .map(|column| match column {
            "question" => 'A',
            "answer" => 'B',
            _ => 'C',
        })
        .collect();
    db.each(
        "SELECT a.thread, w.id
         FROM turn_words w JOIN turn_texts x ON x.id = w.id JOIN analyses a ON a.id = x.analysis_id
         WHERE w.words @@ CAST(CAST(?1 AS TEXT) AS tsquery) AND w.user_id = ?2 AND a.user_id = ?2
         ORDER BY ts_rank('{0.1, 0.2, 0.4, 0.4}', w.words, CAST(CAST(?1 AS TEXT) AS tsquery), 1) DESC, w.id LIMIT ?3",
        (query(expression, &labels)?, user, most),
        take,
    )
}

/// Inserts passages of a document and adds them to the index.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub(in crate::store) fn insert_passages(
    db: &Writer,
    user: &UserId,
    document: &DocumentId,
    passages: &[Passage],
) -> Result<()> {
    for passage in passages {
        db.run(
            "INSERT INTO passages (user_id, document_id, ordinal, page, start_byte, end_byte, heading, text, terms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            (
                user,
                document,
                passage.ordinal,
                passage.page,
                passage.start,
                passage.end,
                &passage.heading,
                &passage.text,
                index_terms(&passage.text),
            ),
        )?;
    }
    index_passages(db, document.as_str())
}

/// Adds the passages of a document that are not in the index yet.
///
/// # Errors
/// Returns an error if the database cannot be written.
fn index_passages(db: &Writer, document: &str) -> Result<()> {
    let missing = db.all(
        "SELECT p.id, p.heading, p.text, p.terms
         FROM passages p LEFT JOIN passage_words w ON w.id = p.id
         WHERE p.document_id = ?1 AND w.id IS NULL",
        [document],
        passage_words,
    )?;
    insert_passage_words(db, missing)
}

/// Adds a single passage to the index, without reading the others of its document.
///
/// # Errors
/// Returns an error if it is in the index already, or the database cannot be written.
pub(in crate::store) fn index_passage(db: &Writer, document: &str, ordinal: i64) -> Result<()> {
    let found = db.all(
        "SELECT id, heading, text, terms FROM passages WHERE document_id = ?1 AND ordinal = ?2",
        (document, ordinal),
        passage_words,
    )?;
    insert_passage_words(db, found)
}

/// Returns the ID and the words of a row that consists of an ID and three texts: the first is labeled A, the second B,
/// and the third C.
fn passage_words(row: &Row<'_>) -> Result<(i64, String)> {
    let columns = [
        (row.text(1)?, 'A'),
        (row.text(2)?, 'B'),
        (row.text(3)?, 'C'),
    ];
    Ok((row.get(0)?, vector(&columns)))
}

fn insert_passage_words(db: &Writer, words: Vec<(i64, String)>) -> Result<()> {
    words.into_iter().try_for_each(|(id, words)| {
        let sql =
            "INSERT INTO passage_words (id, words) VALUES (?1, CAST(CAST(?2 AS TEXT) AS tsvector))";
        db.run(sql, (id, words)).map(drop)
    })
}

/// Builds the whole index of passages and turns, which must be empty.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub(in crate::store) fn index_all(db: &Writer) -> Result<()> {
    let mut last = i64::MIN;
    loop {
        let rows = db.all(
            "SELECT id, heading, text, terms FROM passages WHERE id > ?1 ORDER BY id LIMIT ?2",
            (last, INDEX_PASSAGES),
            passage_words,
        )?;
        let Some((id, _)) = rows.last() else { break };
        last = *id;
        insert_passage_words(db, rows)?;
    }
    last = i64::MIN;
    loop {
        let rows: Vec<(i64, String, String)> = db.all(
            "SELECT id, question, answer, terms, owner FROM turn_texts WHERE id > ?1 ORDER BY id LIMIT ?2",
            (last, INDEX_TURNS),
            |row| {
                let (id, words) = passage_words(row)?;
                Ok((id, row.get(4)?, words))
            },
        )?;
        let Some((id, ..)) = rows.last() else { break };
        last = *id;
        for (id, owner, words) in rows {
            let sql = "INSERT INTO turn_words (id, user_id, words) VALUES (?1, ?2, CAST(CAST(?3 AS TEXT) AS tsvector))";
            db.run(sql, (id, owner, words))?;
        }
    }
    Ok(())
}

/// Adds the text of a turn to the index. The turn must already be in `turn_texts`.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub(in crate::store) fn index_turn(
    db: &Writer,
    analysis: &str,
    (question, answer, terms): (&str, &str, &str),
) -> Result<()> {
    let words = vector(&[(question, 'A'), (answer, 'B'), (terms, 'C')]);
    db.run(
        "INSERT INTO turn_words (id, user_id, words)
         SELECT id, owner, CAST(CAST(?2 AS TEXT) AS tsvector) FROM turn_texts WHERE analysis_id = ?1",
        (analysis, words),
    )
    .map(drop)
}
