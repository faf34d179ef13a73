//! Passages of documents, and full-text search over them. Each engine's folder contains its own implementation of the
//! search.

use super::connection::{Reader, Writer};
use super::error::Result;
use super::row::Row;
use super::search;
use crate::domain::document::{Passage, SearchHit};
use crate::domain::id::{DocumentId, UserId};
use crate::domain::search::QueryPart;

/// Maximum number of row ranges that are queried for each part of a query. A user's passages form runs of consecutive
/// rows. Nearby runs are queried together, and other users' rows between them are filtered out.
const MAX_RANGES: usize = 32;

/// The passages that a search covers, from some or all of a user's documents.
pub struct PassageScope {
    /// The first and last row of each run of passages in the scope, in ascending order.
    row_runs: Vec<(i64, i64)>,
    /// The runs of `row_runs`, with the closest ones joined so that at most [`MAX_RANGES`] remain.
    ranges: Vec<(i64, i64)>,
}

impl PassageScope {
    /// Returns the scope of these documents of a user, or of all the user's documents.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub fn of(db: &Reader, user: &UserId, documents: Option<&[DocumentId]>) -> Result<Self> {
        let mut ids = TermRuns::default();
        match documents {
            // The index on `user_id` returns a user's rows in order.
            None => db.each(
                "SELECT id FROM passages WHERE user_id = ?1 ORDER BY id",
                [user],
                |row| {
                    ids.add(row.get(0)?);
                    Ok(true)
                },
            )?,
            Some(documents) => {
                let mut row_ids = Vec::new();
                for document in documents {
                    db.each(
                        "SELECT id FROM passages WHERE document_id = ?2 AND user_id = ?1",
                        (user, document),
                        |row| {
                            row_ids.push(row.get(0)?);
                            Ok(true)
                        },
                    )?;
                }
                row_ids.sort_unstable();
                row_ids.dedup();
                row_ids.into_iter().for_each(|id| ids.add(id));
            }
        }
        let runs = ids.0;
        Ok(Self {
            ranges: merge_runs(&runs),
            row_runs: runs,
        })
    }

    /// Returns the number of passages in the scope.
    pub fn len(&self) -> u64 {
        self.row_runs
            .iter()
            .map(|(first, last)| last.abs_diff(*first) + 1)
            .sum()
    }

    /// Returns whether there are no passages in the scope.
    pub fn is_empty(&self) -> bool {
        self.row_runs.is_empty()
    }

    /// Returns the first and last row of each range to query. A range may contain passages outside the scope.
    pub(super) fn ranges(&self) -> &[(i64, i64)] {
        &self.ranges
    }

    /// Returns whether the passage in this row is in the scope.
    pub(super) fn contains(&self, id: i64) -> bool {
        let after = self.row_runs.partition_point(|(first, _)| *first <= id);
        after > 0 && id <= self.row_runs[after - 1].1
    }
}

#[derive(Default)]
struct TermRuns(Vec<(i64, i64)>);

impl TermRuns {
    // Adds a row. Rows must be added in ascending order.
    fn add(&mut self, id: i64) {
        match self.0.last_mut() {
            Some((_, last)) if *last + 1 == id => *last = id,
            _ => self.0.push((id, id)),
        }
    }
}

fn merge_runs(runs: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let mut gaps: Vec<i64> = runs.windows(2).map(|pair| pair[1].0 - pair[0].1).collect();
    gaps.sort_unstable_by(|a, b| b.cmp(a));
    let max_closed_gap = gaps.get(MAX_RANGES - 1).copied().unwrap_or(0);
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for &(first, last) in runs {
        match ranges.last_mut() {
            Some(range) if first - range.1 <= max_closed_gap => range.1 = last,
            _ => ranges.push((first, last)),
        }
    }
    ranges
}

/// Counts the passages in the scope that match a part of a query, up to `limit`.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn frequency(db: &Reader, scope: &PassageScope, part: &QueryPart, limit: u64) -> Result<u64> {
    let mut count = 0;
    for &range in &scope.ranges {
        if count < limit {
            search::for_each_passage(db, part, range, |id| {
                count += u64::from(scope.contains(id));
                count < limit
            })?;
        }
    }
    Ok(count)
}

/// Returns the row IDs and scores of up to `max_matches` passages in the scope that match a part of a query. Scores are
/// scaled so that the best match has 1; documents outside the scope therefore do not influence them.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn matches(
    db: &Reader,
    scope: &PassageScope,
    part: &QueryPart,
    max_matches: usize,
) -> Result<Vec<(i64, f64)>> {
    let mut matches: Vec<(i64, f64)> = Vec::new();
    for &range in &scope.ranges {
        if matches.len() < max_matches {
            search::for_each_scored_passage(db, part, range, |id, score| {
                if scope.contains(id) {
                    matches.push((id, score));
                }
                matches.len() < max_matches
            })?;
        }
    }
    let best = matches
        .iter()
        .map(|(_, score)| *score)
        .fold(f64::MIN_POSITIVE, f64::max);
    for (_, score) in &mut matches {
        *score /= best;
    }
    Ok(matches)
}

/// Returns the passage in a row if it belongs to this user.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn by_row(db: &Reader, user: &UserId, row: i64) -> Result<Option<SearchHit>> {
    db.query_optional(
        "SELECT p.document_id, d.name, p.ordinal, p.page, p.start_byte, p.end_byte, p.heading, p.text
         FROM passages p JOIN documents d ON d.id = p.document_id
         WHERE p.id = ?2 AND p.user_id = ?1",
        (user, row),
        from_row,
    )
}

/// Lists the first passages of these documents, ordered by document ID and position in the text. The hits have the
/// score 0.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn first_passages(
    db: &Reader,
    user: &UserId,
    documents: &[DocumentId],
    limit: u32,
) -> Result<Vec<SearchHit>> {
    let mut documents: Vec<&DocumentId> = documents.iter().collect();
    documents.sort_unstable();
    documents.dedup();
    let mut passages = Vec::new();
    for document in documents {
        let left = limit - (passages.len() as u32).min(limit);
        if left == 0 {
            break;
        }
        passages.extend(hits_from(db, user, document, 0, left)?);
    }
    Ok(passages)
}

/// Lists a document's passages in text order, starting with the ordinal `from`.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn passages_from(
    db: &Reader,
    user: &UserId,
    document: &DocumentId,
    from: u32,
    limit: u32,
) -> Result<Vec<Passage>> {
    let hits = hits_from(db, user, document, from, limit)?;
    Ok(hits.into_iter().map(|hit| hit.passage).collect())
}

fn hits_from(
    db: &Reader,
    user: &UserId,
    document: &DocumentId,
    from: u32,
    limit: u32,
) -> Result<Vec<SearchHit>> {
    db.all(
        "SELECT p.document_id, d.name, p.ordinal, p.page, p.start_byte, p.end_byte, p.heading, p.text
         FROM passages p JOIN documents d ON d.id = p.document_id
         WHERE p.user_id = ?1 AND p.document_id = ?2 AND p.ordinal >= ?3 ORDER BY p.ordinal LIMIT ?4",
        (user, document, from, limit),
        from_row,
    )
}

/// Deletes up to `batch_size` passages of a document and returns their number. Removing a passage's words from the
/// index takes about 1 ms, so a large document is deleted in batches, between which other users can write.
/// `documents::delete` then deletes the rest.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn delete_batch(
    db: &Writer,
    user: &UserId,
    document: &DocumentId,
    batch_size: u32,
) -> Result<usize> {
    db.run(
        "DELETE FROM passages WHERE id IN (
             SELECT id FROM passages WHERE user_id = ?1 AND document_id = ?2 ORDER BY ordinal LIMIT ?3
         )",
        (user, document, batch_size),
    )
}

fn from_row(row: &Row<'_>) -> Result<SearchHit> {
    Ok(SearchHit {
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
        score: 0.0,
    })
}

#[cfg(test)]
mod tests {
    use super::super::connection::EngineKind;
    use super::super::documents::tests::{document, passage};
    use super::super::tests::{user, with_writer};
    use super::super::{documents, users};
    use super::*;
    use crate::domain::search::SearchQuery;

    /// Returns the part of a query that finds this phrase.
    fn part(phrase: &str) -> QueryPart {
        SearchQuery::parse(&format!("\"{phrase}\"")).parts[0].clone()
    }

    #[test]
    fn search_ignores_accents_and_covers_only_the_users_documents() {
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
            let search_texts = |documents: &[DocumentId], words: &str| -> Result<Vec<String>> {
                let scope = PassageScope::of(db, &user(1).id, Some(documents))?;
                let rows = matches(db, &scope, &part(words), 9)?;
                assert_eq!(
                    frequency(db, &scope, &part(words), 9)?,
                    rows.len() as u64,
                    "{words}"
                );
                assert!(rows.iter().all(|(_, score)| *score > 0.0 && *score <= 1.0));
                let hits = rows.iter().map(|(row, _)| by_row(db, &user(1).id, *row));
                hits.map(|hit| Ok(hit?.expect("a passage").passage.text))
                    .collect()
            };
            assert_eq!(search_texts(&both, "ubertragung")?.len(), 3);
            assert_eq!(search_texts(&all, "ubertragung")?.len(), 2);
            assert_eq!(search_texts(&[], "ubertragung")?, [""; 0]);
            assert_eq!(search_texts(&both, "cafe und")?, ["Café und Tee"]);
            assert_eq!(search_texts(&both, "kaffee")?, [""; 0]);
            assert_eq!(search_texts(&both, "uebertragung")?.len(), 2, "written out");
            let (own_scope, other_scope) = (
                PassageScope::of(db, &user(1).id, None)?,
                PassageScope::of(db, &user(2).id, None)?,
            );
            assert_eq!((own_scope.len(), other_scope.len()), (4, 1));
            for (scope, word, limit, expected) in [
                (&own_scope, "ubertragung", 9, 3),
                (&own_scope, "ubertragung", 2, 2),
                (&own_scope, "tee", 9, 1),
                (&own_scope, "kaffee", 9, 0),
                (&other_scope, "ubertragung", 9, 1),
                (&other_scope, "tee", 9, 0),
            ] {
                assert_eq!(
                    frequency(db, scope, &part(word), limit)?,
                    expected,
                    "{word}"
                );
            }
            let row = matches(db, &other_scope, &part("ubertragung"), 9)?[0].0;
            assert_eq!(by_row(db, &user(1).id, row), Ok(None), "another person's");

            assert_eq!(
                delete_batch(db, &user(2).id, &first, 9),
                Ok(0),
                "another user's"
            );
            let first_two = first_passages(db, &user(1).id, &all, 2)?;
            let ordinals: Vec<_> = first_two.iter().map(|hit| hit.passage.ordinal).collect();
            assert_eq!(ordinals, [0, 1]);
            assert_eq!(
                first_passages(db, &user(2).id, std::slice::from_ref(&first), 9),
                Ok(vec![])
            );
            for deleted_count in [2, 1, 0] {
                assert_eq!(delete_batch(db, &user(1).id, &first, 2), Ok(deleted_count));
            }
            assert_eq!(search_texts(&both, "ubertragung")?, ["Ubertragung"]);
            Ok(())
        });
    }

    /// Inserting many passages with one statement must preserve every character and their order, and must not index
    /// each passage separately.
    #[test]
    fn many_passages_are_inserted_exactly_and_indexed_together() {
        with_writer(|db| {
            users::insert(db, &user(1))?;
            let texts = [
                "",
                "a \"quoted\" back\\slash\n\ttab \u{0}nul \u{1F} \u{2028}",
                "\u{10FFFF} 量子計算 e\u{301}",
                "12",
                "null",
                "[1, 2]",
            ];
            let mut passages: Vec<_> = (0..).zip(texts).map(|(n, text)| passage(n, text)).collect();
            passages[1].heading = "Ünder \"this\"".to_owned();
            passages.extend((6..1_300).map(|n| passage(n, &format!("word{n} and more"))));
            let owner = user(1).id;
            let document = document(1, 1);
            documents::insert(db, &document, &[], &passages)?;
            let is_file = matches!(db.kind(), EngineKind::Sqlite);
            if !is_file {
                // Text in PostgreSQL cannot contain U+0000.
                passages[1].text = passages[1].text.replace('\0', "\u{FFFD}");
            }
            assert_eq!(passages_from(db, &owner, &document.id, 0, 9_999)?, passages);
            if is_file {
                let segments = "SELECT count(DISTINCT segid) FROM passages_fts_idx";
                let segments: u32 = db.query_one(segments, [], |row| row.get(0))?;
                assert!(segments <= 2, "{segments}");
            }
            Ok(())
        });
    }

    #[test]
    fn runs_are_joined_over_the_smallest_gaps() {
        let mut runs = TermRuns::default();
        for id in [1, 2, 3, 7, 8, 20] {
            runs.add(id);
        }
        assert_eq!(runs.0, [(1, 3), (7, 8), (20, 20)]);
        assert_eq!(merge_runs(&runs.0), runs.0);
        let many_runs: Vec<(i64, i64)> = (0..100).map(|n| (n * n, n * n)).collect();
        let few = merge_runs(&many_runs);
        assert!(few.len() <= MAX_RANGES, "{}", few.len());
        assert_eq!((few[0].0, few.last().expect("one").1), (0, 99 * 99));
        assert!(few.windows(2).all(|pair| pair[0].1 < pair[1].0));
        assert_eq!(
            few.last(),
            Some(&(99 * 99, 99 * 99)),
            "the largest gaps stay"
        );
    }
}
