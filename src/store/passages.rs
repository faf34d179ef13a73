//! Pieces of documents and the full-text search over them. The only file with SQL that is SQLite's own.

use rusqlite::Row;

use super::connection::{Reader, Writer};
use super::error::Result;
use super::values::{count, to_json};
use crate::domain::document::{Hit, Passage};
use crate::domain::id::{DocumentId, UserId};
use crate::domain::search::index_terms;

/// A passage of a document; the triggers put it into the index.
pub(super) fn insert(
    db: &Writer,
    user: &UserId,
    document: &DocumentId,
    passage: &Passage,
) -> Result<()> {
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
    )
    .map(drop)
}

/// The best passages of these documents of this person, or of all, best first. `match_expr` is FTS5's
/// language, made by `domain::search` from what a person typed.
pub fn search(
    db: &Reader,
    user: &UserId,
    documents: Option<&[DocumentId]>,
    match_expr: &str,
    limit: u32,
) -> Result<Vec<Hit>> {
    let documents = documents.map(|ids| to_json(&ids)).transpose()?;
    // A word in the heading says less than one in the text. bm25() is smaller for better. CROSS JOIN keeps
    // the order: the index is asked once, not once for each passage of the person. Texts are read for the
    // best alone: sorting them all with their texts took four times as long.
    db.all(
        "SELECT d.name, p.*, best.score FROM (
             SELECT p.id, -bm25(passages_fts, 0.6, 1.0, 0.8) AS score
             FROM passages_fts CROSS JOIN passages p ON p.id = passages_fts.rowid
             WHERE passages_fts MATCH ?2 AND p.user_id = ?1
               AND (?3 IS NULL OR p.document_id IN (SELECT value FROM json_each(?3)))
             ORDER BY score DESC, p.id LIMIT ?4
         ) best
         CROSS JOIN passages p ON p.id = best.id
         CROSS JOIN documents d ON d.id = p.document_id
         ORDER BY best.score DESC, p.id",
        (user, match_expr, documents, limit),
        from_row,
    )
}

/// In how many passages of everybody these parts of a query stand, counted up to `most`.
pub fn frequencies(db: &Reader, parts: &[String], most: u32) -> Result<Vec<u64>> {
    let count = |part: &String| {
        let found = db.maybe(
            "SELECT count(*) AS found FROM (
                 SELECT rowid FROM passages_fts WHERE passages_fts MATCH ?1 LIMIT ?2
             )",
            (part, most),
            |row| count(row, "found"),
        )?;
        Ok(found.unwrap_or(0))
    };
    parts.iter().map(count).collect()
}

/// The passages of these documents of this person from their beginning on: documents in the order of
/// their ids, passages in the order of the text. The score is 0.
pub fn first_of(
    db: &Reader,
    user: &UserId,
    documents: &[DocumentId],
    limit: u32,
) -> Result<Vec<Hit>> {
    db.all(
        "SELECT d.name, p.*, 0.0 AS score
         FROM passages p JOIN documents d ON d.id = p.document_id
         WHERE p.user_id = ?1 AND p.document_id IN (SELECT value FROM json_each(?2))
         ORDER BY p.document_id, p.ordinal LIMIT ?3",
        (user, to_json(&documents)?, limit),
        from_row,
    )
}

/// Passages of a document of this person from an ordinal on, in the order of the text.
pub fn slice_of(
    db: &Reader,
    user: &UserId,
    document: &DocumentId,
    from: u32,
    limit: u32,
) -> Result<Vec<Passage>> {
    let hits = db.all(
        "SELECT d.name, p.*, 0.0 AS score
         FROM passages p JOIN documents d ON d.id = p.document_id
         WHERE p.user_id = ?1 AND p.document_id = ?2 AND p.ordinal >= ?3 ORDER BY p.ordinal LIMIT ?4",
        (user, document, from, limit),
        from_row,
    )?;
    Ok(hits.into_iter().map(|hit| hit.passage).collect())
}

/// Takes up to `most` passages of a document of this person out of it and of the index; says how many.
/// Taking every word out of the index costs about 1 ms a passage, so a large document is emptied in
/// slices, between which other people's writes have their turn, before `documents::delete` ends it.
pub fn delete_some(db: &Writer, user: &UserId, document: &DocumentId, most: u32) -> Result<usize> {
    db.run(
        "DELETE FROM passages WHERE id IN (
             SELECT id FROM passages WHERE user_id = ?1 AND document_id = ?2 ORDER BY ordinal LIMIT ?3
         )",
        (user, document, most),
    )
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Hit> {
    Ok(Hit {
        document: row.get("document_id")?,
        name: row.get("name")?,
        passage: Passage {
            ordinal: row.get("ordinal")?,
            page: row.get("page")?,
            start: row.get("start_byte")?,
            end: row.get("end_byte")?,
            heading: row.get("heading")?,
            text: row.get("text")?,
        },
        score: row.get("score")?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::documents::tests::{document, passage};
    use super::super::tests::{user, with_writer};
    use super::super::{documents, users};
    use super::*;

    #[test]
    fn finds_words_whatever_their_accents_in_the_person_s_documents_only() {
        with_writer(|db| {
            users::insert(db, &user(1))?;
            users::insert(db, &user(2))?;
            let texts = [
                "Die Übertragung der Rechte",
                "übertragung übertragung",
                "Café und Tee",
            ];
            let passages: Vec<_> = (0..).zip(texts).map(|(n, text)| passage(n, text)).collect();
            documents::insert(db, &document(1, 1), &[], &passages)?;
            documents::insert(db, &document(2, 1), &[], &[passage(0, "Ubertragung")])?;
            documents::insert(db, &document(3, 2), &[], &[passage(0, "Übertragung")])?;
            let (first, second, foreign) =
                (document(1, 1).id, document(2, 1).id, document(3, 2).id);
            let both = [first.clone(), second];
            let all = [first.clone(), foreign];
            let found = |documents: &[DocumentId], words: &str| -> Result<Vec<String>> {
                let hits = search(db, &user(1).id, Some(documents), words, 9)?;
                assert!(hits.iter().all(|hit| hit.score > 0.0), "{words}");
                assert!(
                    hits.windows(2).all(|pair| pair[0].score >= pair[1].score),
                    "{words}"
                );
                Ok(hits.into_iter().map(|hit| hit.passage.text).collect())
            };
            assert_eq!(found(&both, "ubertragung")?.len(), 3);
            assert_eq!(found(&all, "ubertragung")?.len(), 2);
            assert_eq!(found(&[], "ubertragung")?, [""; 0]);
            assert_eq!(found(&both, "cafe OR \"tee\"")?, ["Café und Tee"]);
            assert_eq!(found(&both, "kaffee")?, [""; 0]);
            assert_eq!(found(&both, "uebertragung")?.len(), 2, "written out");
            assert_eq!(search(db, &user(2).id, None, "ubertragung", 9)?.len(), 1);
            let parts = ["ubertragung", "tee", "kaffee"].map(str::to_owned);
            assert_eq!(frequencies(db, &parts, 3)?, [3, 1, 0]);
            assert!(search(db, &user(1).id, Some(&both), "\"open", 9).is_err());

            assert_eq!(
                delete_some(db, &user(2).id, &first, 9),
                Ok(0),
                "somebody else's"
            );
            let first_two = first_of(db, &user(1).id, &all, 2)?;
            let ordinals: Vec<_> = first_two.iter().map(|hit| hit.passage.ordinal).collect();
            assert_eq!(ordinals, [0, 1]);
            assert_eq!(
                first_of(db, &user(2).id, std::slice::from_ref(&first), 9),
                Ok(vec![])
            );
            for gone in [2, 1, 0] {
                assert_eq!(delete_some(db, &user(1).id, &first, 2), Ok(gone));
            }
            assert_eq!(found(&both, "ubertragung")?, ["Ubertragung"]);
            Ok(())
        });
    }
}
