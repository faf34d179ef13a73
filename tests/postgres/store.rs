//! Tests the store on a PostgreSQL server: it gives the same guarantees as with a file, and recovers after the server
//! was unavailable.

use quire::domain::chunk::PageText;
use quire::domain::document::{Document, DocumentStatus, Passage};
use quire::domain::id::{DocumentId, UserId};
use quire::domain::search::SearchQuery;
use quire::domain::time::Timestamp;
use quire::domain::user::{Role, User};
use quire::store::passages::{PassageScope, frequency, matches};
use quire::store::{OpenError, Store, StoreError, documents, servers, settings, users};

use super::cluster::Cluster;

pub fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Returns a test account. `number` must differ between accounts.
pub fn user(number: u32) -> User {
    User {
        id: UserId::new(at(1_000), u128::from(number)),
        email: format!("person{number}@example.org"),
        name: format!("Person {number}"),
        password_hash: "$x$".into(),
        role: Role::User,
        disabled: false,
        created: at(1_000),
        last_login: None,
    }
}

pub fn open(cluster: &Cluster, database: &str) -> Result<Store, OpenError> {
    Store::open_postgres(&cluster.address(database), None, cluster.folder())
}

pub fn close(store: &Store) {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.build().unwrap();
    runtime.block_on(store.close());
}

#[test]
fn changes_are_kept_and_failures_have_the_same_meaning_as_with_a_file() {
    change_and_fail(&Cluster::start());
}

/// Makes changes of which some fail, and checks the results.
pub fn change_and_fail(cluster: &Cluster) {
    let store = open(cluster, "postgres").unwrap();
    assert!(
        store.engine().starts_with("PostgreSQL 1"),
        "{}",
        store.engine()
    );
    store.write_now(|db| users::insert(db, &user(1))).unwrap();
    let again = store.write_now(|db| users::insert(db, &user(1)));
    assert_eq!(again, Err(StoreError::Conflict("email")));
    let gone = store.write_now(|db| users::record_login(db, &user(2).id, at(5)));
    assert_eq!(gone, Err(StoreError::Missing));
    // PostgreSQL cannot store U+0000 in text.
    store
        .write_now(|db| settings::set(db, "a\0b", "c\0d"))
        .unwrap();
    let value = store.read_now(|db| settings::get(db, "a\u{FFFD}b"));
    assert_eq!(value.unwrap().as_deref(), Some("c\u{FFFD}d"));
    close(&store);
    drop(store);
    let store = open(cluster, "postgres").unwrap();
    assert_eq!(
        store.read_now(|db| users::by_id(db, &user(1).id)),
        Ok(Some(user(1)))
    );
}

fn passage(ordinal: u32, text: &str) -> Passage {
    Passage {
        ordinal,
        page: 1,
        start: 0,
        end: text.len() as u32,
        heading: "Über die Gebühren".into(),
        text: text.into(),
    }
}

#[test]
fn passages_are_found_by_words_prefixes_and_phrases() {
    find_passages(&Cluster::start());
}

/// Checks that searches find passages by words, prefixes, and phrases.
pub fn find_passages(cluster: &Cluster) {
    let store = open(cluster, "postgres").unwrap();
    store
        .write_now(|db| {
            users::insert(db, &user(1))?;
            let document = Document {
                id: DocumentId::new(at(1), 1),
                user: user(1).id,
                name: "fees.txt".into(),
                content_type: "text/plain".into(),
                kind: "text".into(),
                encoding: None,
                size: 1,
                sha256: "0".into(),
                status: DocumentStatus::Processing,
                message: String::new(),
                pages: 1,
                words: 9,
                gaps: Vec::new(),
                recognized: Vec::new(),
                flags: Vec::new(),
                created: at(1),
            };
            documents::insert(
                db,
                &document,
                &[],
                &[passage(1, "The annual fee is due in May.")],
            )?;
            let page = PageText {
                number: 1,
                title: String::new(),
                text: "x".into(),
            };
            let more = [
                passage(2, "The fee is annual, as every fee."),
                passage(3, "Nothing else"),
            ];
            documents::add_text(db, (&user(1).id, &document.id), 1, &[page], &more)
        })
        .unwrap();
    let found = |words: &'static str| {
        store
            .read_now(move |db| {
                let scope = PassageScope::of(db, &user(1).id, None)?;
                let query = SearchQuery::parse(words);
                let part = &query.parts[0];
                let rows = matches(db, &scope, part, 10)?;
                assert_eq!(frequency(db, &scope, part, 10)?, rows.len() as u64);
                let best = rows.iter().map(|(_, score)| *score).fold(0.0, f64::max);
                assert!(rows.is_empty() || best == 1.0, "{rows:?}");
                Ok(rows.len())
            })
            .unwrap()
    };
    assert_eq!(found("\"fee\""), 2);
    assert_eq!(found("\"annual fee\""), 1);
    assert_eq!(found("annually"), 2);
    assert_eq!(found("\"gebuhren\""), 3);
    assert_eq!(found("\"absent\""), 0);
    let deleted =
        store.write_now(|db| documents::delete(db, &user(1).id, &DocumentId::new(at(1), 1)));
    assert_eq!(deleted, Ok(true));
    assert_eq!(found("\"fee\""), 0);
}

#[test]
fn a_server_that_was_away_is_used_again_without_a_restart() {
    let cluster = Cluster::start();
    let store = open(&cluster, "postgres").unwrap();
    store.write_now(|db| users::insert(db, &user(1))).unwrap();
    assert_eq!(store.read_now(users::count), Ok(1));
    cluster.halt();
    assert_eq!(
        store.write_now(|db| users::insert(db, &user(2))),
        Err(StoreError::Busy)
    );
    assert_eq!(store.read_now(users::count), Err(StoreError::Busy));
    assert!(store.check().is_err());
    cluster.begin();
    store.write_now(|db| users::insert(db, &user(3))).unwrap();
    assert_eq!(store.read_now(users::count), Ok(2));
    assert_eq!(store.check(), Ok(()));
}

#[test]
fn a_database_from_before_there_were_servers_gets_their_tables_and_a_foreign_one_is_refused() {
    let cluster = Cluster::start();
    close(&open(&cluster, "postgres").unwrap());
    let lost = "DROP TRIGGER document_bytes_removed ON documents; DROP FUNCTION document_bytes_removed;
                DROP TABLE reservations, leases, run_commands, document_bytes, upload_bytes, servers; DROP FUNCTION quire_now;
                ALTER TABLE quire_schema DROP COLUMN server_steps;";
    assert_eq!(cluster.run(lost), "");
    // Servers that start at the same time create the tables only once.
    let stores: Vec<Store> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| open(&cluster, "postgres").unwrap()))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    for (store, seed) in stores.iter().zip(1..) {
        store.join_servers(seed).unwrap();
    }
    assert_eq!(stores[0].read_now(servers::count_alive), Ok(3));
    stores.iter().for_each(close);
    drop(stores);

    assert_eq!(cluster.run("CREATE DATABASE other;"), "");
    assert_eq!(cluster.run("\\c other\nCREATE TABLE notes (id INT);"), "");
    assert_eq!(open(&cluster, "other").err(), Some(OpenError::Foreign));
    assert_eq!(cluster.run("UPDATE quire_schema SET version = 1000;"), "");
    let newer = open(&cluster, "postgres").err();
    assert!(
        matches!(newer, Some(OpenError::Newer { found: 1000, .. })),
        "{newer:?}"
    );
    cluster.halt();
    assert_eq!(open(&cluster, "postgres").err(), Some(OpenError::Busy));
    cluster.begin();
}

#[test]
fn of_two_admins_who_give_up_their_role_on_two_servers_one_remains() {
    let cluster = Cluster::start();
    let (one, other) = (
        open(&cluster, "postgres").unwrap(),
        open(&cluster, "postgres").unwrap(),
    );
    for round in 0..10 {
        let (first, second) = (user(round * 2 + 1), user(round * 2 + 2));
        let ids = [first.id.clone(), second.id.clone()];
        let insert = move |db: &quire::store::Writer| {
            for user in [first, second] {
                users::insert(db, &user)?;
                users::set_role(db, &user.id, Role::Admin)?;
            }
            Ok(())
        };
        one.write_now(insert).unwrap();
        let give_up = |store: &Store, id: &UserId| {
            let id = id.clone();
            store.write_now(move |db| users::set_role(db, &id, Role::User))
        };
        let results = std::thread::scope(|scope| {
            let there = scope.spawn(|| give_up(&other, &ids[1]));
            [give_up(&one, &ids[0]), there.join().unwrap()]
        });
        let refused = results.iter().filter(|result| result.is_err());
        assert_eq!(refused.count(), 1, "{results:?}");
        // No rows of this round may remain in the next one.
        assert_eq!(cluster.run("DELETE FROM users;"), "");
    }
    close(&one);
    close(&other);
}
