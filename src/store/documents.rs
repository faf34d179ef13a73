//! Uploaded files and their text by page. The original bytes lie in the data folder, not here.

use rusqlite::Row;

use super::connection::{Reader, Writer};
use super::error::Result;
use super::passages;
use super::values::{count, integer, json, text, to_json};
use crate::domain::chunk::Page;
use crate::domain::document::{Document, Passage};
use crate::domain::fit::Volume;
use crate::domain::id::{DocumentId, UserId};

/// A new document with what was read from it, if it was. `Conflict("document")` when the same person
/// has the same bytes already.
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
            integer(document.size),
            &document.sha256,
            document.status,
            &document.message,
            document.pages,
            integer(document.words),
            document.created,
            to_json(&document.gaps)?,
            to_json(&document.flags)?,
        ),
    )
    .map_err(|error| error.named("document"))?;
    put_text(db, document, pages, passages)
}

/// What reading came to. `Missing` when it was deleted meanwhile.
pub fn settle(db: &Writer, document: &Document) -> Result<()> {
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
            integer(document.words),
            to_json(&document.gaps)?,
            to_json(&document.flags)?,
        ),
    )
}

/// Away with the text of a document that is to be read (again). False when there is no such document.
pub fn forget_text(db: &Writer, user: &UserId, id: &DocumentId) -> Result<bool> {
    let there = db.run(
        "UPDATE documents SET pages = 0, words = 0, gaps = '[]', flags = '[]' WHERE user_id = ?1 AND id = ?2",
        (user, id),
    )?;
    if there == 0 {
        return Ok(false);
    }
    db.run("DELETE FROM passages WHERE document_id = ?1", [id])?;
    db.run("DELETE FROM document_pages WHERE document_id = ?1", [id])?;
    Ok(true)
}

/// More of a document that is being read: so many pages have come with these. `Missing` when it was deleted or
/// its account was locked.
pub fn add_text(
    db: &Writer,
    (user, id): (&UserId, &DocumentId),
    come: u32,
    pages: &[Page],
    found: &[Passage],
) -> Result<()> {
    db.run_one(
        "UPDATE documents SET pages = ?3 WHERE user_id = ?1 AND id = ?2
           AND user_id IN (SELECT id FROM users WHERE disabled = 0)",
        (user, id, come),
    )?;
    for page in pages {
        db.run(
            "INSERT OR REPLACE INTO document_pages (document_id, page, text, title) VALUES (?1, ?2, ?3, ?4)",
            (id, page.number, &page.text, &page.title),
        )?;
    }
    found
        .iter()
        .try_for_each(|passage| passages::insert(db, user, id, passage))
}

/// One page of a document of this person.
pub fn page_of(db: &Reader, user: &UserId, id: &DocumentId, number: u32) -> Result<Option<Page>> {
    db.maybe(
        "SELECT p.page, p.title, p.text FROM document_pages p JOIN documents d ON d.id = p.document_id
         WHERE d.user_id = ?1 AND d.id = ?2 AND p.page = ?3",
        (user, id, number),
        |row| {
            Ok(Page {
                number: row.get(0)?,
                title: row.get(1)?,
                text: row.get(2)?,
            })
        },
    )
}

/// The pages with text before and after this one.
pub fn pages_around(
    db: &Reader,
    user: &UserId,
    id: &DocumentId,
    number: u32,
) -> Result<(Option<u32>, Option<u32>)> {
    let around = db.maybe(
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
    passages
        .iter()
        .try_for_each(|passage| passages::insert(db, &document.user, &document.id, passage))
}

/// The document of this person.
pub fn by_id(db: &Reader, user: &UserId, id: &DocumentId) -> Result<Option<Document>> {
    db.maybe(
        "SELECT * FROM documents WHERE user_id = ?1 AND id = ?2",
        (user, id),
        from_row,
    )
}

/// The document of this person with these bytes.
pub fn by_sha(db: &Reader, user: &UserId, sha256: &str) -> Result<Option<Document>> {
    db.maybe(
        "SELECT * FROM documents WHERE user_id = ?1 AND sha256 = ?2",
        (user, sha256),
        from_row,
    )
}

/// The documents of this person, newest first, older than the cursor.
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

/// How long a document of this person is as text. Long ones are reckoned by their words.
pub fn volume(db: &Reader, user: &UserId, id: &DocumentId) -> Result<Option<Volume>> {
    /// Counting exactly means reading all of it.
    const COUNTED: u64 = 300_000;
    const WORD: u64 = 7;
    let Some(document) = by_id(db, user, id)? else {
        return Ok(None);
    };
    if document.words > COUNTED {
        let chars = document.words * WORD;
        return Ok(Some(Volume {
            chars,
            bytes: chars,
        }));
    }
    db.maybe(
        "SELECT coalesce(sum(length(text)), 0) AS chars, coalesce(sum(length(CAST(text AS BLOB))), 0) AS bytes
         FROM document_pages WHERE document_id = ?1",
        [id],
        |row| {
            Ok(Volume {
                chars: count(row, "chars")?,
                bytes: count(row, "bytes")?,
            })
        },
    )
}

/// The text by page, in order; empty when it is not this person's.
pub fn pages_of(db: &Reader, user: &UserId, id: &DocumentId) -> Result<Vec<(u32, String)>> {
    db.all(
        "SELECT p.page, p.text FROM document_pages p JOIN documents d ON d.id = p.document_id
         WHERE d.user_id = ?1 AND d.id = ?2 ORDER BY p.page",
        (user, id),
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Ids of all documents, of everybody: what in the data folder is not named here is an orphan.
pub fn ids(db: &Reader) -> Result<Vec<DocumentId>> {
    db.all("SELECT id FROM documents ORDER BY id", [], |row| row.get(0))
}

/// Every document of every person, with the size of its original in bytes.
///
/// # Errors
/// When the database cannot be read.
pub fn sizes(db: &Reader) -> Result<Vec<(DocumentId, u64)>> {
    db.all("SELECT id, size FROM documents", [], |row| {
        Ok((row.get(0)?, count(row, "size")?))
    })
}

/// The size of a document's original in bytes, whoever owns it. None where there is no such document.
///
/// # Errors
/// When the database cannot be read.
pub fn size_of(db: &Reader, id: &DocumentId) -> Result<Option<u64>> {
    db.maybe("SELECT size FROM documents WHERE id = ?1", [id], |row| {
        count(row, "size")
    })
}

/// Changes whenever a document has come or gone.
pub fn mark(db: &Reader) -> Result<(i64, i64, String)> {
    let sql = "SELECT count(*), coalesce(max(rowid), 0), coalesce(max(id), '') FROM documents";
    db.one(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
}

/// Deletes a document with its text and what search knows of it. False when there is none.
pub fn delete(db: &Writer, user: &UserId, id: &DocumentId) -> Result<bool> {
    let gone = db.run(
        "DELETE FROM documents WHERE user_id = ?1 AND id = ?2",
        (user, id),
    )?;
    Ok(gone > 0)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Document> {
    Ok(Document {
        id: row.get("id")?,
        user: row.get("user_id")?,
        name: row.get("name")?,
        content_type: row.get("content_type")?,
        kind: row.get("kind")?,
        encoding: text(row, "encoding")?,
        size: count(row, "size")?,
        sha256: row.get("sha256")?,
        status: row.get("status")?,
        message: row.get("message")?,
        pages: row.get("pages")?,
        words: count(row, "words")?,
        gaps: json(row, "gaps")?,
        flags: json(row, "flags")?,
        created: row.get("created")?,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::error::StoreError;
    use super::super::tests::{Folder, at, user, with_writer};
    use super::super::{unread, users};
    use super::*;
    use crate::domain::document::{DocumentStatus, Gap};
    use crate::domain::user::{Role, User};

    pub(in super::super) fn document(n: u32, owner: u32) -> Document {
        Document {
            id: DocumentId::new(at(i64::from(n)), u128::from(n)),
            user: user(owner).id,
            name: format!("file{n}.txt"),
            content_type: "text/plain".into(),
            kind: "text".into(),
            encoding: Some("UTF-8".into()),
            size: 1_000,
            sha256: format!("{n:064x}"),
            status: DocumentStatus::Processed,
            message: String::new(),
            pages: 1,
            words: 3,
            gaps: Vec::new(),
            flags: Vec::new(),
            created: at(i64::from(n)),
        }
    }

    pub(in super::super) fn passage(ordinal: u32, text: &str) -> Passage {
        Passage {
            ordinal,
            page: 1,
            start: ordinal * 100,
            end: ordinal * 100 + text.len() as u32,
            heading: String::new(),
            text: text.into(),
        }
    }

    #[test]
    fn everything_asks_whose_it_is() {
        with_writer(|db| {
            users::insert(db, &user(1))?;
            users::insert(db, &user(2))?;
            let (it, owner, other) = (document(1, 1), user(1).id, user(2).id);
            let pages = [(1, "one".to_owned()), (2, "two".to_owned())];
            insert(db, &it, &pages, &[passage(0, "one two")])?;
            assert_eq!(by_id(db, &owner, &it.id), Ok(Some(it.clone())));
            assert_eq!(by_sha(db, &owner, &it.sha256), Ok(Some(it.clone())));
            assert_eq!(list_of(db, &owner, 9, None), Ok(vec![it.clone()]));
            assert_eq!(pages_of(db, &owner, &it.id), Ok(pages.to_vec()));

            assert_eq!(by_id(db, &other, &it.id), Ok(None));
            assert_eq!(by_sha(db, &other, &it.sha256), Ok(None));
            assert_eq!(list_of(db, &other, 9, None), Ok(vec![]));
            assert_eq!(pages_of(db, &other, &it.id), Ok(vec![]));
            assert_eq!(delete(db, &other, &it.id), Ok(false));
            let stolen = Document {
                user: other.clone(),
                ..it.clone()
            };
            assert_eq!(settle(db, &stolen), Err(StoreError::Missing));
            assert_eq!(delete(db, &owner, &it.id), Ok(true));
            assert_eq!(ids(db), Ok(vec![]));
            Ok(())
        });
    }

    #[test]
    fn the_same_bytes_are_stored_once_a_person() {
        with_writer(|db| {
            users::insert(db, &user(1))?;
            users::insert(db, &user(2))?;
            insert(db, &document(1, 1), &[], &[])?;
            let again = Document {
                sha256: document(1, 1).sha256,
                ..document(2, 1)
            };
            let conflict = Err(StoreError::Conflict("document"));
            assert_eq!(insert(db, &again, &[], &[]), conflict);
            let other = Document {
                user: user(2).id,
                ..again
            };
            assert_eq!(insert(db, &other, &[], &[]), Ok(()));
            Ok(())
        });
    }

    #[test]
    fn an_outcome_takes_the_place_of_what_was_there() {
        with_writer(|db| {
            users::insert(db, &user(1))?;
            let owner = user(1).id;
            let reading = Document {
                status: DocumentStatus::Processing,
                ..document(1, 1)
            };
            insert(db, &reading, &[(1, "old".into())], &[passage(0, "oldword")])?;
            // While its account is locked, it is neither begun nor continued.
            users::insert(
                db,
                &User {
                    role: Role::Admin,
                    ..user(3)
                },
            )?;
            users::set_disabled(db, &owner, true)?;
            let come = add_text(db, (&owner, &reading.id), 1, &[], &[]);
            assert_eq!(come, Err(StoreError::Missing));
            users::set_disabled(db, &owner, false)?;
            let read = Document {
                message: "read".into(),
                pages: 2,
                encoding: None,
                gaps: vec![Gap {
                    page: 2,
                    why: "empty".into(),
                    picture: true,
                }],
                ..document(1, 1)
            };
            assert_eq!(
                forget_text(db, &user(2).id, &read.id),
                Ok(false),
                "not theirs"
            );
            assert_eq!(forget_text(db, &owner, &read.id), Ok(true));
            let page = Page {
                number: 1,
                title: "Sheet".into(),
                text: "new".into(),
            };
            add_text(db, (&owner, &read.id), 1, &[page], &[passage(0, "newword")])?;
            assert_eq!(
                add_text(db, (&user(2).id, &read.id), 1, &[], &[]),
                Err(StoreError::Missing)
            );
            settle(db, &read)?;
            assert_eq!(by_id(db, &owner, &read.id), Ok(Some(read.clone())));
            assert_eq!(pages_of(db, &owner, &read.id), Ok(vec![(1, "new".into())]));
            assert_eq!(unread::waiting(db), Ok(vec![]));
            for (word, hits) in [("oldword", 0), ("newword", 1)] {
                let scope = passages::Scope::of(db, &owner, Some(std::slice::from_ref(&read.id)))?;
                assert_eq!(passages::frequency(db, &scope, word, 9)?, hits, "{word}");
            }
            Ok(())
        });
    }

    /// What a person deletes is in no file of the data folder any more.
    #[test]
    fn deleting_really_deletes() {
        const WORD: &str = "xylophonquartett";
        let folder = Folder::new();
        let store = folder.open();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let files_with_word = || {
            let files = std::fs::read_dir(folder.path()).expect("the folder");
            let bytes =
                files.map(|file| std::fs::read(file.expect("an entry").path()).expect("bytes"));
            bytes
                .filter(|bytes| {
                    bytes
                        .windows(WORD.len())
                        .any(|window| window == WORD.as_bytes())
                })
                .count()
        };
        store
            .write_now(|db| {
                users::insert(db, &user(1))?;
                users::insert(db, &user(2))?;
                for (n, owner) in [(1, 1), (2, 2), (3, 2)] {
                    let text = format!("before {WORD} after {}", "filler ".repeat(900));
                    insert(
                        db,
                        &document(n, owner),
                        &[(1, text.clone())],
                        &[passage(0, &text)],
                    )?;
                }
                Ok(())
            })
            .expect("three documents");
        runtime.block_on(store.checkpoint()).expect("a checkpoint");
        assert_eq!(files_with_word(), 1, "the test finds what is there");

        store
            .write_now(|db| {
                delete(db, &user(1).id, &document(1, 1).id)?;
                delete(db, &user(2).id, &document(2, 2).id)?;
                users::set_role(db, &user(1).id, crate::domain::user::Role::Admin)?;
                // By cascade: the account takes its documents along.
                users::delete(db, &user(2).id)
            })
            .expect("deletes");
        runtime.block_on(store.checkpoint()).expect("a checkpoint");
        assert_eq!(files_with_word(), 0);
        let indexed = store.read_now(|db| {
            db.one("SELECT count(*) FROM passages_fts_docsize", [], |row| {
                row.get(0)
            })
        });
        assert_eq!(indexed, Ok(0));
    }
}
