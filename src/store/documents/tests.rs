//! Tests that documents can be stored, read, listed, and deleted only by their owner.

use super::super::error::StoreError;
use super::super::tests::{Folder, at, user, with_writer};
use super::super::{passages, reading_queue, users};
use super::*;
use crate::domain::document::{DocumentStatus, PageWithoutText};
use crate::domain::search::SearchQuery;
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
        recognized: Vec::new(),
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
fn every_query_checks_the_owner() {
    with_writer(|db| {
        users::insert(db, &user(1))?;
        users::insert(db, &user(2))?;
        let (document_row, owner, other) = (document(1, 1), user(1).id, user(2).id);
        let pages = [(1, "one".to_owned()), (2, "two".to_owned())];
        insert(db, &document_row, &pages, &[passage(0, "one two")])?;
        assert_eq!(
            by_id(db, &owner, &document_row.id),
            Ok(Some(document_row.clone()))
        );
        assert_eq!(
            by_sha(db, &owner, &document_row.sha256),
            Ok(Some(document_row.clone()))
        );
        assert_eq!(list_of(db, &owner, 9, None), Ok(vec![document_row.clone()]));
        let stored_pages = pages_of(db, &owner, &document_row.id)?;
        let stored_pages = stored_pages
            .into_iter()
            .map(|page| (page.number, page.text));
        assert!(stored_pages.eq(pages));

        assert_eq!(by_id(db, &other, &document_row.id), Ok(None));
        assert_eq!(by_sha(db, &other, &document_row.sha256), Ok(None));
        assert_eq!(list_of(db, &other, 9, None), Ok(vec![]));
        assert_eq!(pages_of(db, &other, &document_row.id), Ok(vec![]));
        assert_eq!(delete(db, &other, &document_row.id), Ok(false));
        let stolen = Document {
            user: other.clone(),
            ..document_row.clone()
        };
        assert_eq!(store_read_result(db, &stolen), Err(StoreError::Missing));
        assert_eq!(delete(db, &owner, &document_row.id), Ok(true));
        assert_eq!(ids(db), Ok(vec![]));
        Ok(())
    });
}

#[test]
fn the_same_bytes_are_stored_once_per_user() {
    with_writer(|db| {
        users::insert(db, &user(1))?;
        users::insert(db, &user(2))?;
        insert(db, &document(1, 1), &[], &[])?;
        let again = Document {
            sha256: document(1, 1).sha256,
            ..document(2, 1)
        };
        let conflict = Err(StoreError::Conflict("document"));
        let twice = db.attempt(|db| insert(db, &again, &[], &[]));
        assert_eq!(twice, conflict);
        let other = Document {
            user: user(2).id,
            ..again
        };
        assert_eq!(insert(db, &other, &[], &[]), Ok(()));
        Ok(())
    });
}

/// Returns the number of the document's passages that contain a word.
fn frequency(db: &Reader, document: &Document, word: &str) -> Result<u64> {
    let documents = std::slice::from_ref(&document.id);
    let scope = passages::PassageScope::of(db, &document.user, Some(documents))?;
    passages::frequency(db, &scope, &SearchQuery::parse(word).parts[0], 9)
}

#[test]
fn words_that_differ_only_in_vowel_signs_are_different_words() {
    with_writer(|db| {
        users::insert(db, &user(1))?;
        let document = document(1, 1);
        let texts = ["यह किला है", "यह कला है", "कोई काला नहीं"];
        let passages: Vec<_> = (0..).zip(texts).map(|(n, text)| passage(n, text)).collect();
        insert(db, &document, &[(1, texts.join("\n"))], &passages)?;
        // Accents are ignored, even those that are separate characters.
        let other = self::document(2, 1);
        insert(db, &other, &[(1, "café".into())], &[passage(0, "café")])?;
        assert_eq!(frequency(db, &other, "cafe\u{301}"), Ok(1));
        for word in ["किला", "कला", "काला"] {
            assert_eq!(frequency(db, &document, word), Ok(1), "{word}");
        }
        Ok(())
    });
}

#[test]
fn an_outcome_replaces_the_previous_one() {
    with_writer(|db| {
        users::insert(db, &user(1))?;
        let owner = user(1).id;
        let reading = Document {
            status: DocumentStatus::Processing,
            ..document(1, 1)
        };
        insert(db, &reading, &[(1, "old".into())], &[passage(0, "oldword")])?;
        // A locked account's documents are not read, and reading one that has begun fails.
        users::insert(
            db,
            &User {
                role: Role::Admin,
                ..user(3)
            },
        )?;
        users::set_disabled(db, &owner, true)?;
        let result = add_text(db, (&owner, &reading.id), 1, &[], &[]);
        assert_eq!(result, Err(StoreError::Missing));
        users::set_disabled(db, &owner, false)?;
        let read = Document {
            message: "read".into(),
            pages: 2,
            encoding: None,
            gaps: vec![PageWithoutText {
                page: 2,
                why: "empty".into(),
                picture: true,
            }],
            recognized: vec![4],
            ..document(1, 1)
        };
        assert_eq!(
            delete_text(db, &user(2).id, &read.id),
            Ok(false),
            "not theirs"
        );
        assert_eq!(delete_text(db, &owner, &read.id), Ok(true));
        let page = PageText {
            number: 1,
            title: "Sheet".into(),
            text: "new".into(),
        };
        add_text(
            db,
            (&owner, &read.id),
            1,
            std::slice::from_ref(&page),
            &[passage(0, "newword")],
        )?;
        assert_eq!(
            add_text(db, (&user(2).id, &read.id), 1, &[], &[]),
            Err(StoreError::Missing)
        );
        store_read_result(db, &read)?;
        assert_eq!(by_id(db, &owner, &read.id), Ok(Some(read.clone())));
        assert_eq!(pages_of(db, &owner, &read.id), Ok(vec![page]));
        assert_eq!(reading_queue::waiting(db), Ok(vec![]));
        assert_eq!(frequency(db, &read, "oldword"), Ok(0));
        assert_eq!(frequency(db, &read, "newword"), Ok(1));
        Ok(())
    });
}

/// No file of the data folder contains data that a user has deleted.
#[test]
fn deletion_leaves_no_traces() {
    const RARE_WORD: &str = "xylophonquartett";
    let folder = Folder::new();
    let store = folder.open_file();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let files_with_word = || {
        let files = std::fs::read_dir(folder.path()).expect("the folder");
        let bytes = files.map(|file| std::fs::read(file.expect("an entry").path()).expect("bytes"));
        bytes
            .filter(|bytes| {
                bytes
                    .windows(RARE_WORD.len())
                    .any(|window| window == RARE_WORD.as_bytes())
            })
            .count()
    };
    store
        .write_now(|db| {
            users::insert(db, &user(1))?;
            users::insert(db, &user(2))?;
            for (n, owner) in [(1, 1), (2, 2), (3, 2)] {
                let text = format!("before {RARE_WORD} after {}", "filler ".repeat(900));
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
            // Deleting the account deletes its documents by cascade.
            users::delete(db, &user(2).id)
        })
        .expect("deletes");
    runtime.block_on(store.checkpoint()).expect("a checkpoint");
    assert_eq!(files_with_word(), 0);
    let indexed = store.read_now(|db| {
        db.query_one("SELECT count(*) FROM passages_fts_docsize", [], |row| {
            row.get(0)
        })
    });
    assert_eq!(indexed, Ok(0));
}
