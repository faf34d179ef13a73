//! Documents and their text by page. Their original files are stored elsewhere.

use serde::{Deserialize, Serialize};

use super::connection::{Reader, Writer};
use super::error::Result;
use super::row::Row;
use super::search;
use super::values::{json, optional_text, to_integer, to_json, unsigned};
use crate::domain::chunk::PageText;
use crate::domain::context_mode::DocumentSizes;
use crate::domain::document::{Document, PageWithoutText, Passage};
use crate::domain::id::{DocumentId, UserId};

/// Inserts a document and, if it has already been read, its text.
///
/// # Errors
/// Returns `Conflict("document")` if the user already has a document with the same bytes, or another error if the
/// database cannot be written.
pub fn insert(
    db: &Writer,
    document: &Document,
    pages: &[(u32, String)],
    passages: &[Passage],
) -> Result<()> {
    db.run(
        "INSERT INTO documents (id, user_id, name, content_type, kind, encoding, size, sha256, status,
                                message, pages, words, created, gaps, flags)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        (
            &document.id,
            &document.user,
            &document.name,
            &document.content_type,
            &document.kind,
            document.encoding.as_deref().unwrap_or_default(),
            to_integer(document.size),
            &document.sha256,
            document.status,
            &document.message,
            document.pages,
            to_integer(document.words),
            document.created,
            to_json(&stored_gaps(document))?,
            to_json(&document.flags)?,
        ),
    )
    .map_err(|error| error.with_subject("document"))?;
    put_text(db, document, pages, passages)
}

/// Returns whether a user has fewer than `limit` documents.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn has_fewer_than(db: &Reader, user: &UserId, limit: u32) -> Result<bool> {
    db.query_one(
        "SELECT count(*) FROM documents WHERE user_id = ?1",
        [user],
        |row| Ok(row.get::<_, i64>(0)? < i64::from(limit)),
    )
}

/// Stores what was found out about a document by reading it, except its text.
///
/// # Errors
/// Returns `Missing` if the document has been deleted, or another error if the database cannot be written.
pub fn store_read_result(db: &Writer, document: &Document) -> Result<()> {
    db.run_one(
        "UPDATE documents SET content_type = ?3, kind = ?4, encoding = ?5, status = ?6, message = ?7,
                              pages = ?8, words = ?9, gaps = ?10, flags = ?11
         WHERE user_id = ?1 AND id = ?2",
        (
            &document.user,
            &document.id,
            &document.content_type,
            &document.kind,
            document.encoding.as_deref().unwrap_or_default(),
            document.status,
            &document.message,
            document.pages,
            to_integer(document.words),
            to_json(&stored_gaps(document))?,
            to_json(&document.flags)?,
        ),
    )
}

/// Deletes a document's text, so that the document can be read again. Returns false if there is no such document.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn delete_text(db: &Writer, user: &UserId, id: &DocumentId) -> Result<bool> {
    let updated_rows = db.run(
        "UPDATE documents SET pages = 0, words = 0, gaps = '[]', flags = '[]' WHERE user_id = ?1 AND id = ?2",
        (user, id),
    )?;
    if updated_rows == 0 {
        return Ok(false);
    }
    db.run("DELETE FROM passages WHERE document_id = ?1", [id])?;
    db.run("DELETE FROM document_pages WHERE document_id = ?1", [id])?;
    Ok(true)
}

/// Adds text to a document while it is being read. `page_count` is the number of pages read so far.
///
/// # Errors
/// Returns `Missing` if the document has been deleted or its account locked, or another error if the database cannot be
/// written.
pub fn add_text(
    db: &Writer,
    (user, id): (&UserId, &DocumentId),
    page_count: u32,
    pages: &[PageText],
    passages: &[Passage],
) -> Result<()> {
    db.run_one(
        "UPDATE documents SET pages = ?3 WHERE user_id = ?1 AND id = ?2
           AND user_id IN (SELECT id FROM users WHERE disabled = 0)",
        (user, id, page_count),
    )?;
    for page in pages {
        db.run(
            "INSERT INTO document_pages (document_id, page, text, title) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (document_id, page) DO UPDATE SET text = excluded.text, title = excluded.title",
            (id, page.number, &page.text, &page.title),
        )?;
    }
    search::insert_passages(db, user, id, passages)
}

/// Returns a page of a document of this user, or `None` if there is no such page.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn page_of(
    db: &Reader,
    user: &UserId,
    id: &DocumentId,
    number: u32,
) -> Result<Option<PageText>> {
    db.query_optional(
        "SELECT p.page, p.title, p.text FROM document_pages p JOIN documents d ON d.id = p.document_id
         WHERE d.user_id = ?1 AND d.id = ?2 AND p.page = ?3",
        (user, id, number),
        page_from_row,
    )
}

fn page_from_row(row: &Row<'_>) -> Result<PageText> {
    Ok(PageText {
        number: row.get(0)?,
        title: row.get(1)?,
        text: row.get(2)?,
    })
}

/// Returns the numbers of the nearest pages with text before and after a page.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn pages_around(
    db: &Reader,
    user: &UserId,
    id: &DocumentId,
    number: u32,
) -> Result<(Option<u32>, Option<u32>)> {
    let around = db.query_optional(
        "SELECT max(CASE WHEN p.page < ?3 THEN p.page END), min(CASE WHEN p.page > ?3 THEN p.page END)
         FROM document_pages p JOIN documents d ON d.id = p.document_id
         WHERE d.user_id = ?1 AND d.id = ?2",
        (user, id, number),
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(around.unwrap_or_default())
}

fn put_text(
    db: &Writer,
    document: &Document,
    pages: &[(u32, String)],
    passages: &[Passage],
) -> Result<()> {
    for (page, text) in pages {
        db.run(
            "INSERT INTO document_pages (document_id, page, text) VALUES (?1, ?2, ?3)",
            (&document.id, page, text),
        )?;
    }
    search::insert_passages(db, &document.user, &document.id, passages)
}

/// Returns a document of this user, or `None` if the user has no such document.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn by_id(db: &Reader, user: &UserId, id: &DocumentId) -> Result<Option<Document>> {
    db.query_optional(
        "SELECT * FROM documents WHERE user_id = ?1 AND id = ?2",
        (user, id),
        from_row,
    )
}

/// Returns this user's document with this SHA-256 hash, if there is one.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn by_sha(db: &Reader, user: &UserId, sha256: &str) -> Result<Option<Document>> {
    db.query_optional(
        "SELECT * FROM documents WHERE user_id = ?1 AND sha256 = ?2",
        (user, sha256),
        from_row,
    )
}

/// Lists this user's documents, newest first, starting after the cursor.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn list_of(
    db: &Reader,
    user: &UserId,
    limit: u32,
    cursor: Option<&DocumentId>,
) -> Result<Vec<Document>> {
    match cursor {
        Some(cursor) => db.all(
            "SELECT * FROM documents WHERE user_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3",
            (user, cursor, limit),
            from_row,
        ),
        None => db.all(
            "SELECT * FROM documents WHERE user_id = ?1 ORDER BY id DESC LIMIT ?2",
            (user, limit),
            from_row,
        ),
    }
}

/// Returns the length of a document's text, in characters and bytes. For a long text, both are estimated from the
/// number of words.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn text_size(db: &Reader, user: &UserId, id: &DocumentId) -> Result<Option<DocumentSizes>> {
    /// Maximum number of words for which the whole text is read to measure its length.
    const EXACT_WORD_LIMIT: u64 = 300_000;
    /// Estimated number of characters per word.
    const CHARS_PER_WORD: u64 = 7;
    let Some(document) = by_id(db, user, id)? else {
        return Ok(None);
    };
    if document.words > EXACT_WORD_LIMIT {
        let chars = document.words * CHARS_PER_WORD;
        return Ok(Some(DocumentSizes {
            chars,
            bytes: chars,
        }));
    }
    db.query_optional(
        "SELECT CAST(coalesce(sum(length(text)), 0) AS BIGINT) AS chars,
             CAST(coalesce(sum(octet_length(text)), 0) AS BIGINT) AS bytes
         FROM document_pages WHERE document_id = ?1",
        [id],
        |row| {
            Ok(DocumentSizes {
                chars: unsigned(row, "chars")?,
                bytes: unsigned(row, "bytes")?,
            })
        },
    )
}

/// Returns the title and text of each page, in order; empty if the user has no such document.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn pages_of(db: &Reader, user: &UserId, id: &DocumentId) -> Result<Vec<PageText>> {
    db.all(
        "SELECT p.page, p.title, p.text FROM document_pages p JOIN documents d ON d.id = p.document_id
         WHERE d.user_id = ?1 AND d.id = ?2 ORDER BY p.page",
        (user, id),
        page_from_row,
    )
}

/// Lists the IDs of all users' documents. A file in the data folder without one of these IDs is an orphan.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn ids(db: &Reader) -> Result<Vec<DocumentId>> {
    db.all("SELECT id FROM documents ORDER BY id", [], |row| row.get(0))
}

/// Lists all users' documents with the sizes of their originals, in bytes.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn sizes(db: &Reader) -> Result<Vec<(DocumentId, u64)>> {
    db.all("SELECT id, size FROM documents", [], |row| {
        Ok((row.get(0)?, unsigned(row, "size")?))
    })
}

/// Lists all users' documents with the SHA-256 hashes of their originals, in hexadecimal, ordered by ID.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn hashes(db: &Reader) -> Result<Vec<(DocumentId, String)>> {
    db.all("SELECT id, sha256 FROM documents ORDER BY id", [], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
}

/// Returns the size of a document's original in bytes, regardless of its owner.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn size_of(db: &Reader, id: &DocumentId) -> Result<Option<u64>> {
    db.query_optional("SELECT size FROM documents WHERE id = ?1", [id], |row| {
        unsigned(row, "size")
    })
}

/// Returns a value that changes whenever a document is added or deleted.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn version(db: &Reader) -> Result<(i64, i64, String)> {
    // The sum of the creation times changes even when one document is deleted and an older one is imported.
    let sql = "SELECT count(*), CAST(coalesce(sum(created), 0) AS BIGINT), coalesce(max(id), '') FROM documents";
    db.query_one(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
}

/// Deletes a document with its text and index entries. Returns false if the user has no such document.
///
/// # Errors
/// Returns an error if the database cannot be written.
pub fn delete(db: &Writer, user: &UserId, id: &DocumentId) -> Result<bool> {
    let deleted_rows = db.run(
        "DELETE FROM documents WHERE user_id = ?1 AND id = ?2",
        (user, id),
    )?;
    Ok(deleted_rows > 0)
}

/// An entry in the column `gaps`: a page without text, or a page whose text comes from OCR.
#[derive(Serialize, Deserialize)]
struct StoredGap {
    #[serde(flatten)]
    gap: PageWithoutText,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    recognized: bool,
}

fn stored_gaps(document: &Document) -> Vec<StoredGap> {
    let gaps = document.gaps.iter().map(|gap| StoredGap {
        gap: gap.clone(),
        recognized: false,
    });
    let recognized = document.recognized.iter().map(|&page| StoredGap {
        gap: PageWithoutText {
            page,
            why: String::new(),
            picture: false,
        },
        recognized: true,
    });
    gaps.chain(recognized).collect()
}

/// Returns whether the text of a page comes from OCR.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub fn is_recognized(db: &Reader, user: &UserId, id: &DocumentId, page: u32) -> Result<bool> {
    let document = by_id(db, user, id)?;
    Ok(document.is_some_and(|document| document.recognized.contains(&page)))
}

fn from_row(row: &Row<'_>) -> Result<Document> {
    let stored_gaps: Vec<StoredGap> = json(row, "gaps")?;
    let (recognized, gaps): (Vec<StoredGap>, Vec<StoredGap>) =
        stored_gaps.into_iter().partition(|one| one.recognized);
    let recognized = recognized.into_iter().map(|one| one.gap.page).collect();
    let gaps = gaps.into_iter().map(|one| one.gap).collect();
    Ok(Document {
        id: row.get("id")?,
        user: row.get("user_id")?,
        name: row.get("name")?,
        content_type: row.get("content_type")?,
        kind: row.get("kind")?,
        encoding: optional_text(row, "encoding")?,
        size: unsigned(row, "size")?,
        sha256: row.get("sha256")?,
        status: row.get("status")?,
        message: row.get("message")?,
        pages: row.get("pages")?,
        words: unsigned(row, "words")?,
        gaps,
        recognized,
        flags: json(row, "flags")?,
        created: row.get("created")?,
    })
}

#[cfg(test)]
pub(super) mod tests;
