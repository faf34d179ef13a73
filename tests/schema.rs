//! Tests the database schema and its migrations: for a new database, from every earlier version, and after a kill.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use quire::domain::id::{AnalysisId, DocumentId, UploadId, UserId};
use quire::domain::search::SearchQuery;
use quire::store::{self, OpenError, Store, StoreError, StoreSettings, VERSION};
use rusqlite::Connection;

/// Every earlier version of the schema: its number, and a database of that version as SQL.
const OLD_SCHEMAS: &[(u32, &str)] = &[
    (1, include_str!("data/v1.sql")),
    (2, include_str!("data/v2.sql")),
    (3, include_str!("data/v3.sql")),
    (4, include_str!("data/v4.sql")),
    (5, include_str!("data/v5.sql")),
    (6, include_str!("data/v6.sql")),
    (7, include_str!("data/v7.sql")),
    (8, include_str!("data/v8.sql")),
    (9, include_str!("data/v9.sql")),
    (10, include_str!("data/v10.sql")),
];

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT_FOLDER: AtomicU32 = AtomicU32::new(0);
        let number = NEXT_FOLDER.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("quire-schema-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
    fn database(&self) -> PathBuf {
        self.0.join("quire.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open_store(path: &Path) -> Result<Store, OpenError> {
    Store::open(&StoreSettings {
        path: path.to_owned(),
    })
}

fn close(store: Store) {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(store.close());
}

/// Creates a database by running SQL directly, without Quire.
fn write_database(path: &Path, sql: &str) -> Connection {
    let db = Connection::open(path).unwrap();
    db.execute_batch(sql).unwrap();
    db
}

/// Returns the SQL of every table, index, and trigger by its name. The layout of the SQL is normalized.
fn schema_objects(db: &Connection) -> BTreeMap<String, String> {
    let mut query = db
        .prepare("SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_schema")
        .unwrap();
    let rows = query
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))
        .unwrap();
    rows.map(Result::unwrap)
        .map(|(name, sql)| (name, normalize_sql(&sql)))
        .collect()
}

fn normalize_sql(sql: &str) -> String {
    let lines = sql
        .lines()
        .map(|line| line.split("--").next().unwrap_or_default());
    let words = lines
        .flat_map(str::split_whitespace)
        .collect::<Vec<_>>()
        .join(" ");
    words
        .replace(" ,", ",")
        .replace("( ", "(")
        .replace(" )", ")")
}

#[test]
fn the_schema_is_the_oldest_one_and_all_steps() {
    let folder = Folder::new();
    let fresh = folder.0.join("fresh.db");
    close(open_store(&fresh).unwrap());
    let expected = schema_objects(&Connection::open(&fresh).unwrap());
    assert!(expected.len() > 30, "{}", expected.len());
    for (version, sql) in OLD_SCHEMAS {
        let old = folder.0.join(format!("v{version}.db"));
        let before = schema_objects(&write_database(&old, sql));
        assert_ne!(before, expected, "version {version} is an old one");
        close(open_store(&old).unwrap());
        assert_eq!(
            schema_objects(&Connection::open(&old).unwrap()),
            expected,
            "from version {version}"
        );
    }
}

#[test]
fn every_old_version_is_kept_here() {
    let versions: Vec<u32> = OLD_SCHEMAS.iter().map(|(version, _)| *version).collect();
    assert_eq!(versions, (1..VERSION).collect::<Vec<_>>());
}

#[test]
fn an_old_database_opens_with_its_rows_after_a_backup() {
    for (version, sql) in OLD_SCHEMAS {
        let folder = Folder::new();
        drop(write_database(&folder.database(), sql));
        let store = open_store(&folder.database()).unwrap();
        let saved = store.backup_before_migration().unwrap().to_owned();
        let copy = store::verify(&saved).unwrap();
        assert_eq!(copy.version, *version);
        // The backup is the old database, including all of its rows.
        let old = Connection::open(&saved).unwrap();
        let names: i64 = old
            .query_row("SELECT count(*) FROM users", [], |row| row.get(0))
            .unwrap();
        assert_eq!(names, 2);
        check_rows(&store);
        close(store);

        let second = open_store(&folder.database()).unwrap();
        assert_eq!(
            second.backup_before_migration(),
            None,
            "nothing to migrate any more"
        );
        check_rows(&second);
    }
}

/// Checks that the current code reads the rows that the databases of all versions contain.
fn check_rows(store: &Store) {
    let ada = UserId::parse("user_01HF000000000000000000000A").unwrap();
    let bob = UserId::parse("user_01HF000000000000000000000B").unwrap();
    let analysis = AnalysisId::parse("analysis_01HF000000000000000000000A").unwrap();
    let document = DocumentId::parse("document_01HF000000000000000000000A").unwrap();
    let upload = UploadId::parse("upload_01HF000000000000000000000A").unwrap();
    let rows = store.read_now(move |db| {
        assert_eq!(
            store::users::by_email(db, "ada@example.org")?
                .map(|user| user.name)
                .as_deref(),
            Some("Ada")
        );
        assert!(store::sessions::find_by_refresh(db, &[1; 32])?.is_some());
        assert_eq!(
            store::api_keys::by_hash(db, &[2; 32])?.unwrap().0.scopes,
            [quire::domain::key::KeyScope::Analyze]
        );
        assert_eq!(store::audit::recent(db, 9, None)?.len(), 1);
        let found = store::documents::by_id(db, &ada, &document)?.unwrap();
        assert_eq!(
            (found.name.as_str(), found.encoding),
            ("Verträge.txt", None)
        );
        assert_eq!(store::documents::pages_of(db, &ada, &document)?.len(), 1);
        assert_eq!(
            store::passages::frequency(
                db,
                &store::passages::PassageScope::of(
                    db,
                    &ada,
                    Some(std::slice::from_ref(&document))
                )?,
                &SearchQuery::parse("ubertragung").parts[0],
                9
            )?,
            1
        );
        assert_eq!(store::uploads::parts_of(db, &bob, &upload)?.len(), 1);
        let analysis_row = store::analyses::by_id(db, Some(&ada), &analysis)?.unwrap();
        assert_eq!(
            (analysis_row.synthesis.as_deref(), analysis_row.cost.0),
            (Some("In 2031."), 1500)
        );
        assert_eq!(store::analyses::answers_of(db, &analysis)?[0].text, "2031");
        let filter = store::analyses::HistoryFilter {
            search: Some("THE RIGHTS".into()),
            model: Some("demo/a".into()),
            ..Default::default()
        };
        assert_eq!(
            store::analyses::list_of(db, &ada, 9, None, &filter)?.len(),
            1
        );
        let threads = store::thread_list::list_of(db, &ada, 9, None, &Default::default())?;
        let thread = &threads[0];
        assert_eq!(
            (threads.len(), thread.turns),
            (1, 1),
            "a thread of one turn"
        );
        assert_eq!(thread.title, "When do the rights end?");
        let found = store::turn_texts::best_by_thread(
            db,
            &ada,
            ("2031", "\"2031\""),
            store::turn_texts::SearchScope::Everything,
        )?;
        assert!(found.contains_key(&thread.id), "its answer is found");
        assert!(
            store::turn_texts::best_by_thread(
                db,
                &bob,
                ("2031", "\"2031\""),
                store::turn_texts::SearchScope::Everything
            )?
            .is_empty()
        );
        assert_eq!(
            store::analyses::count_using_document(db, &ada, &document)?,
            1
        );
        assert_eq!(store::analyses::vote_of(db, &ada, &analysis)?, None);
        assert_eq!(store::events::last_seq(db, &analysis)?, 2);
        assert_eq!(store::usage::for_user(db, &ada, 0, i64::MAX)?[0].calls, 1);
        store::settings::get(db, "colour")
    });
    assert_eq!(rows, Ok(Some("green".into())));
}

#[test]
fn foreign_and_newer_databases_are_refused_unchanged() {
    let mark = format!("PRAGMA application_id = {};", store::APPLICATION_ID);
    let newer = format!(
        "CREATE TABLE future (x); {mark} PRAGMA user_version = {};",
        VERSION + 1
    );
    let older_database = format!("CREATE TABLE past (x); {mark} PRAGMA user_version = 0;");
    for (sql, expected) in [
        (
            newer.as_str(),
            Err(OpenError::Newer {
                found: VERSION + 1,
                known: VERSION,
            }),
        ),
        ("CREATE TABLE theirs (x);", Err(OpenError::Foreign)),
        ("PRAGMA user_version = 7;", Err(OpenError::Foreign)),
        (
            older_database.as_str(),
            Err(OpenError::Damaged("it claims to have version 0".into())),
        ),
        ("", Ok(())),
    ] {
        let folder = Folder::new();
        let before = schema_objects(&write_database(&folder.database(), sql));
        assert_eq!(open_store(&folder.database()).map(close), expected, "{sql}");
        let after = schema_objects(&Connection::open(folder.database()).unwrap());
        assert_eq!(after == before, expected.is_err(), "{sql}");
        assert_eq!(
            std::fs::read_dir(&folder.0)
                .unwrap()
                .filter(|file| {
                    file.as_ref()
                        .unwrap()
                        .file_name()
                        .to_string_lossy()
                        .contains("before")
                })
                .count(),
            0
        );
    }
    let folder = Folder::new();
    std::fs::write(
        folder.database(),
        "this is a text of some length and no database at all",
    )
    .unwrap();
    assert!(matches!(
        open_store(&folder.database()).map(close),
        Err(OpenError::Damaged(_))
    ));
    assert!(matches!(
        open_store(&folder.0.join("no/such/folder/quire.db")).map(close),
        Err(OpenError::Failed(_))
    ));
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let store = open_store(&folder.database()).unwrap();
    store
        .write_now(|db| store::settings::set(db, "a", "b"))
        .unwrap();
    store.backup(&folder.0.join("copy.db"), false).unwrap();
    let files: Vec<_> = std::fs::read_dir(&folder.0)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(files.len() >= 4, "database, log, its index, copy");
    for file in files {
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.path().display());
    }
}

#[test]
fn tables_are_strict_and_user_rows_are_indexed_and_cascade() {
    let folder = Folder::new();
    close(open_store(&folder.database()).unwrap());
    let db = Connection::open(folder.database()).unwrap();
    let names = |sql: &str| -> Vec<String> {
        let mut query = db.prepare(sql).unwrap();
        let rows = query.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let ours = "type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '%_fts%'";
    assert_eq!(
        names(&format!(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND strict = 0 AND {ours}"
        )),
        [""; 0]
    );

    let owned = names(
        "SELECT t.name FROM pragma_table_list t JOIN pragma_table_info(t.name) c
         WHERE t.schema = 'main' AND t.type = 'table' AND c.name = 'user_id' ORDER BY t.name",
    );
    assert!(owned.len() >= 9, "{owned:?}");
    for table in owned {
        let indexed_columns = names(&format!(
            "SELECT i.name FROM pragma_index_list('{table}') i JOIN pragma_index_info(i.name) c
             WHERE c.seqno = 0 AND c.name = 'user_id' AND i.partial = 0"
        ));
        assert!(
            !indexed_columns.is_empty(),
            "{table} has no index that begins with user_id"
        );
        let ends = names(&format!(
            "SELECT on_delete FROM pragma_foreign_key_list('{table}') WHERE \"from\" = 'user_id'"
        ));
        assert_eq!(ends, ["CASCADE"], "{table}");
    }
    // The columns of every foreign key must have an index. Otherwise, a cascade would scan the table.
    for table in names(&format!("SELECT name FROM sqlite_schema WHERE {ours}")) {
        for column in names(&format!(
            "SELECT \"from\" FROM pragma_foreign_key_list('{table}')"
        )) {
            let indexed_columns = names(&format!(
                "SELECT i.name FROM pragma_index_list('{table}') i JOIN pragma_index_info(i.name) c
                 WHERE c.seqno = 0 AND c.name = '{column}'"
            ));
            assert!(!indexed_columns.is_empty(), "{table}.{column} has no index");
        }
    }
}

const CHILD_VARIABLE: &str = "QUIRE_SCHEMA_TEST_CHILD";

/// This is not a test itself but the code of the process that is killed. It does nothing unless the test has set the
/// variable.
#[test]
fn child_writes_until_it_is_killed() {
    let Ok(path) = std::env::var(CHILD_VARIABLE) else {
        return;
    };
    let store = open_store(Path::new(&path)).unwrap();
    let writer = |lane: u32| {
        let store = store.clone();
        std::thread::spawn(move || {
            for n in 0.. {
                let key = format!("{}-{lane}-{n}", std::process::id());
                store
                    .write_now({
                        let key = key.clone();
                        move |db| {
                            store::settings::set(db, &key, "first half")?;
                            store::settings::set(db, &format!("{key}-too"), "second half")
                        }
                    })
                    .unwrap();
                println!("acknowledged {key}");
            }
        })
    };
    let writers: Vec<_> = (0..4).map(writer).collect();
    writers.into_iter().for_each(|lane| lane.join().unwrap());
}

#[test]
fn acknowledged_writes_survive_kill_9() {
    let folder = Folder::new();
    for round in 1..=3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "child_writes_until_it_is_killed",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(CHILD_VARIABLE, folder.database())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut acknowledged = Vec::new();
        let mut line = String::new();
        while acknowledged.len() < 100 * round && output.read_line(&mut line).unwrap() > 0 {
            acknowledged.extend(column_key(&line));
            line.clear();
        }
        // `Child::kill` sends SIGKILL, so no handler, destructor, or final flush is run.
        child.kill().unwrap();
        child.wait().unwrap();
        let mut rest = Vec::new();
        output.read_to_end(&mut rest).unwrap();
        let rest = String::from_utf8_lossy(&rest).into_owned();
        // The last line may be truncated. Its number could then be mistaken for another one.
        let full = rest.rfind('\n').map_or("", |end| &rest[..end]);
        acknowledged.extend(full.lines().filter_map(column_key));
        assert!(acknowledged.len() >= 100 * round, "the child wrote");

        let store = open_store(&folder.database()).unwrap();
        let missing = store.read_now(move |db| {
            let lost = |key: &String| {
                let both = [key.clone(), format!("{key}-too")];
                both.iter()
                    .any(|key| store::settings::get(db, key) == Ok(None))
            };
            Ok::<_, StoreError>(
                acknowledged
                    .iter()
                    .filter(|key| lost(key))
                    .cloned()
                    .collect::<Vec<_>>(),
            )
        });
        assert_eq!(missing, Ok(vec![]), "round {round}");
        close(store);
        let db = Connection::open(folder.database()).unwrap();
        let verdict: String = db
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(verdict, "ok");
        let halves: i64 = db
            .query_row(
                "SELECT count(*) FROM settings a WHERE a.key NOT LIKE '%-too'
                 AND NOT EXISTS (SELECT 1 FROM settings b WHERE b.key = a.key || '-too')",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(halves, 0, "a closure is kept whole or not at all");
    }
}

fn column_key(line: &str) -> Option<String> {
    // The test harness may print text on the same line, before ours.
    let (_, key) = line.trim_end().split_once("acknowledged ")?;
    Some(key.to_owned())
}
