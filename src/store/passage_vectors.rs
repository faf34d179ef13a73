//! Embedding vectors of passages: finds passages that lack one, and the passages nearest to a question's vector.
//! Vectors are read one at a time, so memory use does not depend on the number of passages.

use super::connection::{Reader, Writer};
use super::error::Result;
use super::passages::PassageScope;
use super::values::unsigned;
use crate::domain::id::{DocumentId, UserId};
use crate::domain::retrieval::meaning::similarity;

/// Maximum number of vectors that are compared with a question's vector.
const MAX_COMPARED: usize = 50_000;
/// Maximum number of vectors deleted per call, so that a large library is deleted in batches.
const VECTORS_PER_DELETE: u32 = 2_000;

/// A passage without a vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnembeddedPassage {
    /// Row ID of the passage.
    pub row: i64,
    /// The passage's heading and text, which are embedded together.
    pub text: String,
}

/// How many of a user's passages have been embedded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EmbeddingProgress {
    /// Number of the user's passages.
    pub passages: u64,
    /// Number of passages that have a vector or have been rejected by the model.
    pub embedded: u64,
    /// Number of characters in the passages that have not been embedded yet.
    pub missing_chars: u64,
}

/// Lists a user's passages that have no vector of this model, ordered by row, starting after a row.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn list_unembedded(
    db: &Reader,
    (user, model): (&UserId, &str),
    after: i64,
    limit: u32,
) -> Result<Vec<UnembeddedPassage>> {
    db.all(
        "SELECT id, heading, text FROM passages p
         WHERE user_id = ?1 AND id > ?3
             AND NOT EXISTS (SELECT 1 FROM passage_vectors WHERE passage_id = p.id AND model = ?2)
         ORDER BY id LIMIT ?4",
        (user, model, after, limit),
        |row| {
            let (heading, text): (String, String) = (row.get(1)?, row.get(2)?);
            Ok(UnembeddedPassage {
                row: row.get(0)?,
                text: match heading.is_empty() {
                    true => text,
                    false => format!("{heading}\n{text}"),
                },
            })
        },
    )
}

/// Stores the vector of a passage if the passage still exists and the user still uses the model. An empty vector
/// records that the model has rejected the passage.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn put(db: &Writer, (user, model): (&UserId, &str), row: i64, vector: &[u8]) -> Result<()> {
    db.run(
        "INSERT INTO passage_vectors (passage_id, model, vector)
         SELECT p.id, ?2, ?4 FROM passages p JOIN meaning_search m ON m.user_id = p.user_id AND m.model = ?2
         WHERE p.id = ?3 AND p.user_id = ?1
         ON CONFLICT (passage_id, model) DO UPDATE SET vector = excluded.vector",
        (user, model, row, vector),
    )
    .map(drop)
}

/// Counts how many of a user's passages have been embedded with this model.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn progress(db: &Reader, user: &UserId, model: &str) -> Result<EmbeddingProgress> {
    let progress = db.query_optional(
        "SELECT count(*), count(v.passage_id),
             CAST(coalesce(
                 sum(CASE WHEN v.passage_id IS NULL THEN length(p.text) + length(p.heading) END), 0) AS BIGINT)
         FROM passages p LEFT JOIN passage_vectors v ON v.passage_id = p.id AND v.model = ?2
         WHERE p.user_id = ?1",
        (user, model),
        |row| {
            let count = |value: i64| u64::try_from(value).unwrap_or(0);
            Ok(EmbeddingProgress {
                passages: count(row.get(0)?),
                embedded: count(row.get(1)?),
                missing_chars: count(row.get(2)?),
            })
        },
    )?;
    Ok(progress.unwrap_or_default())
}

/// Deletes one batch of the vectors of a user's passages, except those of the model `kept_model`. Returns whether more
/// may remain.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn delete_batch(db: &Writer, user: &UserId, kept_model: Option<&str>) -> Result<bool> {
    let deleted = db.run(
        "DELETE FROM passage_vectors WHERE (passage_id, model) IN (
             SELECT v.passage_id, v.model FROM passages p JOIN passage_vectors v ON v.passage_id = p.id
             WHERE p.user_id = ?1 AND v.model IS DISTINCT FROM ?2 LIMIT ?3
         )",
        (user, kept_model, VECTORS_PER_DELETE),
    )?;
    Ok(deleted == VECTORS_PER_DELETE as usize)
}

/// Returns whether any of a user's passages has a vector of this model.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn has_any(db: &Reader, user: &UserId, model: &str) -> Result<bool> {
    let stored_row = db.query_optional(
        "SELECT 1 FROM passages p JOIN passage_vectors v ON v.passage_id = p.id AND v.model = ?2
         WHERE p.user_id = ?1 AND length(v.vector) > 0 LIMIT 1",
        (user, model),
        |_| Ok(()),
    )?;
    Ok(stored_row.is_some())
}

/// Counts the passages in these documents of a user. Returns their number, and how many of them have a vector of this
/// model.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn count(
    db: &Reader,
    user: &UserId,
    documents: &[DocumentId],
    model: &str,
) -> Result<(u64, u64)> {
    let mut vector_counts = (0, 0);
    for document in documents {
        let (passages, embedded) = db.query_one(
            "SELECT count(*), count(v.passage_id)
             FROM passages p LEFT JOIN passage_vectors v
                 ON v.passage_id = p.id AND v.model = ?3 AND length(v.vector) > 0
             WHERE p.user_id = ?1 AND p.document_id = ?2",
            (user, document, model),
            |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?)),
        )?;
        vector_counts = (vector_counts.0 + passages, vector_counts.1 + embedded);
    }
    Ok(vector_counts)
}

/// Returns the passages in the scope that are nearest to a vector, as pairs of row and similarity, nearest first.
/// Compares at most [`MAX_COMPARED`] vectors.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn nearest(
    db: &Reader,
    scope: &PassageScope,
    (model, vector): (&str, &[f32]),
    max_hits: usize,
) -> Result<Vec<(i64, f32)>> {
    let mut hits: Vec<(i64, f32)> = Vec::new();
    for_each_vector(db, scope, model, &mut |row, stored| {
        if let Some(similarity) = similarity(stored, vector) {
            hits.push((row, similarity));
        }
        if hits.len() >= 2 * max_hits.max(64) {
            retain_nearest(&mut hits, max_hits);
        }
    })?;
    retain_nearest(&mut hits, max_hits);
    Ok(hits)
}

/// Returns how similar a passage's vector is to this one, or `None` if the passage has no vector of this model.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn similarity_of(
    db: &Reader,
    row: i64,
    (model, vector): (&str, &[f32]),
) -> Result<Option<f32>> {
    let similarity = db.query_optional(
        "SELECT vector FROM passage_vectors WHERE passage_id = ?1 AND model = ?2",
        (row, model),
        |row| Ok(similarity(row.bytes(0)?, vector)),
    )?;
    Ok(similarity.flatten())
}

fn for_each_vector(
    db: &Reader,
    scope: &PassageScope,
    model: &str,
    take: &mut dyn FnMut(i64, &[u8]),
) -> Result<()> {
    let mut seen_rows = 0;
    for &(first, last) in scope.ranges() {
        if seen_rows >= MAX_COMPARED {
            break;
        }
        db.each(
            "SELECT passage_id, vector FROM passage_vectors WHERE passage_id BETWEEN ?2 AND ?3 AND model = ?1",
            (model, first, last),
            |row| {
                let id = row.get(0)?;
                if scope.contains(id) {
                    seen_rows += 1;
                    take(id, row.bytes(1)?);
                }
                Ok(seen_rows < MAX_COMPARED)
            },
        )?;
    }
    Ok(())
}

fn retain_nearest(hits: &mut Vec<(i64, f32)>, max_hits: usize) {
    hits.sort_by(|(a, one), (b, other)| other.total_cmp(one).then(a.cmp(b)));
    hits.truncate(max_hits);
}

#[cfg(test)]
mod tests {
    use super::super::documents::tests::{document, passage};
    use super::super::tests::{user, with_writer};
    use super::super::{documents, meaning_search, passages, users};
    use super::*;
    use crate::domain::retrieval::meaning::to_bytes;
    use crate::domain::time::Timestamp;

    #[test]
    fn vectors_are_made_once_compared_within_the_scope_and_deleted() {
        with_writer(|db| {
            let (one, other) = (user(1), user(2));
            for user in [&one, &other] {
                users::insert(db, user)?;
                meaning_search::set(db, &user.id, "p/vec", Timestamp::from_millis(1))?;
            }
            let texts = ["north", "east", "north-east"];
            let own: Vec<_> = (0..).zip(texts).map(|(n, text)| passage(n, text)).collect();
            documents::insert(db, &document(1, 1), &[], &own)?;
            documents::insert(db, &document(2, 2), &[], &[passage(0, "south")])?;
            let left = |after| list_unembedded(db, (&one.id, "p/vec"), after, 9);
            let all = left(0)?;
            assert_eq!(all.len(), 3);
            assert!(all[0].text.ends_with("north"), "{all:?}");
            let rows: Vec<i64> = all.iter().map(|one| one.row).collect();
            let vectors = [[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]];
            for (row, vector) in rows.iter().zip(&vectors) {
                put(db, (&other.id, "p/vec"), *row, &to_bytes(vector))?;
                put(db, (&one.id, "p/unused"), *row, &to_bytes(vector))?;
            }
            assert_eq!(left(0)?.len(), 3, "not theirs, and not the chosen model");
            for (row, vector) in rows.iter().zip(&vectors).take(2) {
                put(db, (&one.id, "p/vec"), *row, &to_bytes(vector))?;
            }
            assert_eq!(left(0)?.len(), 1);
            assert_eq!(left(rows[2])?, []);
            let progress_before = progress(db, &one.id, "p/vec")?;
            assert_eq!((progress_before.passages, progress_before.embedded), (3, 2));
            assert!(progress_before.missing_chars >= 10);
            put(db, (&one.id, "p/vec"), rows[2], &to_bytes(&vectors[2]))?;
            let scope = passages::PassageScope::of(db, &one.id, None)?;
            let current_counts = || {
                count(
                    db,
                    &one.id,
                    &[document(1, 1).id, document(2, 2).id],
                    "p/vec",
                )
            };
            assert_eq!(current_counts(), Ok((3, 3)));
            assert_eq!(has_any(db, &one.id, "p/vec"), Ok(true));
            assert_eq!(has_any(db, &one.id, "p/x"), Ok(false));
            assert_eq!(has_any(db, &other.id, "p/vec"), Ok(false));
            let nearest_hits = |max_hits| nearest(db, &scope, ("p/vec", &[0.0, 1.0]), max_hits);
            let order: Vec<i64> = nearest_hits(9)?.iter().map(|(row, _)| *row).collect();
            assert_eq!(order, [rows[1], rows[2], rows[0]]);
            assert_eq!(nearest_hits(1)?, [(rows[1], 1.0)]);
            let alone = similarity_of(db, rows[0], ("p/vec", &[1.0, 0.0]));
            assert_eq!(alone, Ok(Some(1.0)));
            let other_scope = passages::PassageScope::of(db, &other.id, None)?;
            assert_eq!(
                nearest(db, &other_scope, ("p/vec", &[0.0, 1.0]), 9),
                Ok(vec![])
            );
            // A vector with another number of dimensions, and a vector of another model.
            assert_eq!(similarity_of(db, rows[0], ("p/vec", &[1.0])), Ok(None));
            assert_eq!(similarity_of(db, rows[0], ("p/x", &[1.0, 0.0])), Ok(None));
            assert_eq!(delete_batch(db, &one.id, Some("p/vec")), Ok(false));
            assert_eq!(current_counts(), Ok((3, 3)));
            assert_eq!(delete_batch(db, &one.id, None), Ok(false));
            assert_eq!(current_counts(), Ok((3, 0)));
            Ok(())
        });
    }
}
