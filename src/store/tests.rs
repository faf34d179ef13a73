//! Tests that closures that share a commit succeed or fail independently, and that failures are reported.

mod folder;

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use crate::domain::user::{Role, User};
pub(super) use folder::Folder;

pub(super) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Returns a test account. All fields are derived from n.
pub(super) fn user(n: u32) -> User {
    User {
        id: UserId::new(at(1_000 + i64::from(n)), u128::from(n)),
        email: format!("person{n}@example.org"),
        name: format!("Person {n}"),
        password_hash: "$x$".into(),
        role: Role::User,
        disabled: false,
        created: at(1_000 + i64::from(n)),
        last_login: None,
    }
}

/// Runs a test on a new store, in a single closure that can read and write.
pub(super) fn with_writer(test: impl FnOnce(&Writer) -> Result<()> + Send + 'static) {
    let folder = Folder::new();
    let store = folder.open();
    store.write_now(test).expect("the test's statements");
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(future)
}

type Change = Box<dyn FnOnce(&Writer) -> Result<u32> + Send>;

/// Queues jobs while the writer is blocked, so that they share a commit.
fn run_as_group(store: &Store, jobs: Vec<Change>) -> Vec<Result<u32>> {
    let (go, wait) = sync_channel::<()>(0);
    let (began, running) = sync_channel::<()>(1);
    let holder = store.clone();
    let holder = std::thread::spawn(move || {
        holder.write_now(move |_| {
            let _ = began.send(());
            let _ = wait.recv();
            Ok(())
        })
    });
    running.recv().expect("the writer runs");
    let answers: Vec<_> = jobs
        .into_iter()
        .map(|job| {
            let (answer, answer_receiver) = oneshot::channel();
            let work = writer::work(job, move |result| {
                let _ = answer.send(result);
            });
            let job = writer::WriteJob::Change(work);
            assert!(store.0.write_queue.put_now(job).is_ok());
            answer_receiver
        })
        .collect();
    go.send(()).expect("the writer waits");
    holder
        .join()
        .expect("no panic")
        .expect("the holder's commit");
    answers
        .into_iter()
        .map(|answer| answer.blocking_recv().unwrap_or_else(|_| Err(gone_error())))
        .collect()
}

fn add_change(n: u32) -> Change {
    Box::new(move |db| users::insert(db, &user(n)).map(|()| n))
}

fn numbers(store: &Store) -> Vec<String> {
    let people = store
        .read_now(|db| users::list(db, 200, None))
        .expect("a list");
    people.into_iter().rev().map(|user| user.name).collect()
}

#[test]
fn a_failing_job_does_not_affect_its_group() {
    let folder = Folder::new();
    let store = folder.open();
    let answers = run_as_group(
        &store,
        vec![
            add_change(1),
            Box::new(|db| {
                users::insert(db, &user(2))?;
                Err(StoreError::Conflict("on purpose"))
            }),
            add_change(1),
            Box::new(|db| {
                users::insert(db, &user(3))?;
                panic!("on purpose")
            }),
            add_change(4),
        ],
    );
    assert_eq!(
        answers,
        [
            Ok(1),
            Err(StoreError::Conflict("on purpose")),
            Err(StoreError::Conflict("email")),
            Err(gone_error()),
            Ok(4)
        ]
    );
    assert_eq!(numbers(&store), ["Person 1", "Person 4"]);
    assert_eq!(store.check(), Ok(()));
}

#[test]
fn a_lost_transaction_fails_only_its_own_jobs() {
    let folder = Folder::new();
    let store = folder.open();
    let answers = run_as_group(
        &store,
        vec![
            add_change(1),
            // Simulates a full disk, on which SQLite rolls back the whole transaction.
            Box::new(|db| db.run_control("ROLLBACK").map(|()| 2)),
            add_change(3),
        ],
    );
    let lost = Err(StoreError::Failed("the transaction was lost".into()));
    assert_eq!(answers, [lost.clone(), lost, Ok(3)]);
    assert_eq!(numbers(&store), ["Person 3"]);
}

#[test]
fn a_job_that_ignores_an_error_fails_at_most_itself() {
    let folder = Folder::new();
    let store = folder.open();
    let ignore_error: Change = Box::new(|db| {
        users::insert(db, &user(2))?;
        let _ = db.run_batch("INSERT INTO nowhere VALUES (1)");
        Ok(2)
    });
    let jobs = vec![add_change(1), ignore_error, add_change(3)];
    let answers = run_as_group(&store, jobs);
    let [first, ignored, last] = answers.as_slice() else {
        panic!("{answers:?}");
    };
    assert_eq!((first, last), (&Ok(1), &Ok(3)));
    // PostgreSQL rejects all statements after the error, and SQLite none.
    let kind = store.read_now(|db| Ok(db.kind())).expect("the engine");
    let stored = match kind {
        connection::EngineKind::Sqlite => vec!["Person 1", "Person 2", "Person 3"],
        connection::EngineKind::Postgres => vec!["Person 1", "Person 3"],
    };
    assert_eq!(ignored.is_ok(), stored.len() == 3, "{ignored:?}");
    assert_eq!(numbers(&store), stored);
}

#[test]
fn a_commit_without_space_is_reported_until_one_succeeds() {
    for floor in [0, 1] {
        let folder = Folder::new();
        let store = folder.open_file();
        store.reserve_disk_space(floor);
        let is_full = |store: &Store| store.disk().is_some_and(|disk| disk.is_full);
        store.write_now(add_change(1)).expect("room");
        assert!(!is_full(&store));
        // Limits the size of the database, like a quota on a disk that still has space.
        let pages = |pages: &'static str| {
            store
                .write_now(move |db| db.run_batch(&format!("PRAGMA max_page_count = {pages}")))
                .expect("set");
        };
        pages("1");
        let large = |db: &Writer| settings::set(db, "test", &"x".repeat(100_000));
        assert_eq!(store.write_now(large), Err(StoreError::Full));
        assert!(is_full(&store), "floor {floor}");
        // A commit without changes does not prove that there is space.
        store.write_now(|_| Ok(())).expect("nothing to write");
        assert!(is_full(&store));
        assert_eq!(store.check(), Ok(()));
        pages("1000000");
        assert!(is_full(&store));
        store.write_now(large).expect("room");
        assert!(!is_full(&store));
    }
}

#[test]
fn a_probe_detects_free_space() {
    let folder = Folder::new();
    let store = folder.open_file();
    store.reserve_disk_space(0);
    let failed = store.write_now(|_| Err::<(), _>(StoreError::Full));
    assert_eq!(failed, Err(StoreError::Full));
    assert!(store.disk().is_some_and(|disk| disk.is_full));
    assert_eq!(block_on(store.probe()), Ok(()));
    assert!(store.disk().is_some_and(|disk| !disk.is_full));
    assert_eq!(stored_version(&store), VERSION);
}

fn stored_version(store: &Store) -> u32 {
    let ask = |db: &Reader| db.query_one("PRAGMA user_version", [], |row| row.get(0));
    store.read_now(ask).expect("a number")
}

#[test]
fn acknowledged_changes_are_visible_immediately() {
    let folder = Folder::new();
    let store = folder.open();
    block_on(async {
        for n in 1..=50 {
            store.write(add_change(n)).await.expect("an insert");
            let stored_user = store.read(move |db| users::by_id(db, &user(n).id)).await;
            assert_eq!(stored_user, Ok(Some(user(n))), "{n}");
        }
    });
}

#[test]
fn grouped_async_callers_each_get_their_own_result() {
    let folder = Folder::new();
    let store = folder.open();
    block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..600 {
            let store = store.clone();
            tasks.spawn(async move { (n, store.write(add_change(n % 500)).await) });
        }
        let (mut good, mut doubled) = (0, 0);
        while let Some(done) = tasks.join_next().await {
            match done.expect("no panic") {
                (n, Ok(m)) if n % 500 == m => good += 1,
                (_, Err(StoreError::Conflict("email"))) => doubled += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((good, doubled), (500, 100));
    });
}

#[test]
fn a_reader_cannot_write() {
    let folder = Folder::new();
    let store = folder.open_file();
    let answer = store.read_now(|db| db.run_batch("DELETE FROM users"));
    assert!(matches!(answer, Err(StoreError::Failed(why)) if why.contains("readonly")));
}

#[test]
fn a_read_sees_one_state_and_survives_another_jobs_panic() {
    let folder = Folder::new();
    let store = folder.open();
    let inside = store.clone();
    let (before, after) = store
        .read_now(move |db| {
            let before = users::count(db)?;
            inside.write_now(add_change(1))?;
            Ok((before, users::count(db)?))
        })
        .expect("two counts");
    assert_eq!((before, after), (0, 0));
    for _ in 0..5 {
        let panicked: Result<()> = store.read_now(|_| panic!("on purpose"));
        assert_eq!(panicked, Err(gone_error()));
    }
    assert_eq!(store.read_now(users::count), Ok(1));
    assert_eq!(block_on(store.probe()), Ok(()));
}

#[test]
fn grouped_queries_each_get_their_own_result() {
    let folder = Folder::new();
    let store = folder.open();
    block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..60_u64 {
            let store = store.clone();
            tasks.spawn(async move {
                let ask = move |db: &Reader| match n % 7 {
                    3 => panic!("on purpose"),
                    5 => db.run_control("SELECT nothing").map(|()| n),
                    _ => users::count(db).map(|count| count + n),
                };
                (n, store.read(ask).await)
            });
        }
        while let Some(done) = tasks.join_next().await {
            let (n, answer) = done.expect("no panic");
            match n % 7 {
                3 => assert_eq!(answer, Err(gone_error()), "{n}"),
                5 => assert!(matches!(answer, Err(StoreError::Failed(_))), "{n}"),
                _ => assert_eq!(answer, Ok(n), "{n}"),
            }
        }
    });
}

/// Returns the number of read system calls made by this thread.
fn read_call_count() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/io").expect("Linux has it");
    let count = text.lines().find_map(|line| line.strip_prefix("syscr: "));
    count.and_then(|count| count.parse().ok()).expect("a count")
}

#[test]
fn a_second_thread_starts_only_for_a_query_that_would_wait() {
    let folder = Folder::new();
    let store = folder.open();
    let thread = || {
        let name = store.read_now(|_| Ok(std::thread::current().name().map(str::to_owned)));
        name.expect("a query").expect("a name")
    };
    for _ in 0..20 {
        assert_eq!(thread(), "quire-reader-1");
    }
    let (go, wait) = sync_channel::<()>(0);
    let (began, running) = sync_channel::<()>(1);
    std::thread::scope(|scope| {
        let long = scope.spawn(|| {
            store.read_now(move |_| {
                let _ = began.send(());
                let _ = wait.recv();
                Ok(())
            })
        });
        running.recv().expect("the long query runs");
        assert_eq!(thread(), "quire-reader-2");
        go.send(()).expect("the long query waits");
        long.join().expect("a thread").expect("a long query");
    });
}

#[test]
fn pages_are_reread_only_after_the_cache_is_freed() {
    let folder = Folder::new();
    let store = folder.open_file();
    let look = || {
        store.write_now(|db| {
            let before = read_call_count();
            db.query_one("SELECT count(*) FROM users", [], |row| row.get::<_, i64>(0))?;
            Ok(read_call_count() - before)
        })
    };
    look().expect("a first look");
    let cached = look().expect("the table");
    assert_eq!(look(), Ok(cached));
    block_on(store.free_cache()).expect("an open store");
    assert!(look().expect("the table") > cached);
}

#[test]
fn a_briefly_empty_file_is_read_again() {
    let folder = Folder::new();
    block_on(folder.open_file().close());
    let store = folder.open_file();
    let path = folder.path().join("quire.db");
    let intact_bytes = std::fs::read(&path).expect("the database");
    std::fs::write(&path, b"").expect("written");
    let probed = block_on(store.probe());
    let missing = StoreError::Failed("no such table: users".to_owned());
    assert_eq!(probed, Err(missing));
    // The connection that read the empty file is discarded with its cache.
    assert!(store.check().is_err());
    std::fs::write(&path, &intact_bytes).expect("written");
    // The first probe may still use the connection that read the empty file.
    let _ = block_on(store.probe());
    assert_eq!(block_on(store.probe()), Ok(()));
}

#[test]
fn closing_finishes_queued_jobs_and_empties_the_log() {
    let folder = Folder::new();
    let store = folder.open_file();
    block_on(async {
        let last = store.write(add_change(1));
        tokio::pin!(last);
        // Poll the write once, so that the job is queued, and then drop it.
        tokio::select! {
            biased;
            _ = &mut last => {}
            () = std::future::ready(()) => {}
        }
        store.close().await;
        store.close().await;
        assert!(store.write(add_change(2)).await.is_err());
        assert!(store.read(users::count).await.is_err());
        assert!(store.check().is_err());
    });
    let log = std::fs::metadata(folder.path().join("quire.db-wal"));
    assert_eq!(log.map(|log| log.len()).unwrap_or(0), 0);
    assert_eq!(numbers(&folder.open_file()), ["Person 1"]);
}

#[test]
fn a_backup_is_complete_during_writes_and_replaces_nothing() {
    let folder = Folder::new();
    let store = folder.open_file();
    store.write_now(add_change(1)).expect("an insert");
    let busy = store.clone();
    let busy = std::thread::spawn(move || {
        (2..200).try_for_each(|n| busy.write_now(add_change(n)).map(drop))
    });
    let copy = folder.path().join("copy.db");
    let verified = store.backup(&copy, false).expect("a backup");
    assert_eq!(verified.version, VERSION);
    assert_eq!(
        store.backup(&copy, false),
        Err(BackupError::Exists(copy.clone()))
    );
    busy.join()
        .expect("no panic")
        .expect("writes beside the backup");
    assert!(store.backup(&copy, true).is_ok());
    assert_eq!(verify(&copy).map(|copy| copy.version), Ok(VERSION));

    let restored = Store::open(&StoreSettings { path: copy.clone() }).expect("the copy opens");
    assert_eq!(restored.read_now(users::count), Ok(199));
    drop(restored);
    let leftovers = std::fs::read_dir(folder.path()).expect("the folder");
    let leftovers = leftovers.filter_map(|file| file.ok()?.file_name().into_string().ok());
    assert_eq!(leftovers.filter(|name| name.contains(".part")).count(), 0);
}

#[test]
fn every_copy_is_a_consistent_snapshot_of_a_busy_database() {
    let folder = Folder::new();
    let store = folder.open_file();
    store.write_now(add_change(1)).expect("an insert");
    let (busy, done) = (store.clone(), Arc::new(AtomicBool::new(false)));
    let is_done = Arc::clone(&done);
    let busy = std::thread::spawn(move || {
        let mut change_count = 1;
        while !is_done.load(Ordering::Relaxed) {
            change_count += 1;
            busy.write_now(add_change(change_count))
                .expect("a write beside the copy");
        }
        change_count
    });
    let mut before = 0;
    for _ in 0..25 {
        let copy = store.backup(&folder.path().join("copy.db"), true);
        let copy = copy.expect("a copy whose rows are those of its source");
        let people = copy.rows["users"];
        assert!(people >= before && copy.all_rows() >= people);
        before = people;
    }
    done.store(true, Ordering::Relaxed);
    assert!(u64::from(busy.join().expect("no panic")) >= before && before > 0);
}

#[test]
fn a_damaged_or_foreign_backup_is_rejected() {
    let folder = Folder::new();
    let store = folder.open_file();
    (1..100).for_each(|n| assert!(store.write_now(add_change(n)).is_ok()));
    let copy = folder.path().join("copy.db");
    store.backup(&copy, false).expect("a backup");
    let mut bytes = std::fs::read(&copy).expect("its bytes");
    let middle = bytes.len() / 2;
    bytes[4096 * 2..middle].fill(0xAA);
    std::fs::write(&copy, &bytes).expect("spoiled");
    assert!(matches!(verify(&copy), Err(BackupError::Damaged(_))));
    std::fs::write(
        &copy,
        "no database at all, but long enough to be read as one",
    )
    .expect("spoiled");
    assert!(matches!(verify(&copy), Err(BackupError::Damaged(_))));
    assert!(matches!(
        verify(folder.path().join("none").as_path()),
        Err(BackupError::Failed(_))
    ));
}
