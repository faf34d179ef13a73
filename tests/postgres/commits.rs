//! Tests a connection that is lost during a commit: the caller learns whether the change was stored, and it is stored
//! at most once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use quire::store::{Store, StoreError, Writer, users};
use serde_json::json;

use super::cluster::Cluster;
use super::members::{server_settings, wait_for};
use super::operation::OtherSession;
use super::proxy::{
    CUT_AFTER, CUT_BEFORE, CUT_OFF, CUT_OFF_CALL, CUT_SENT, FAIL_COMMIT, FORWARD, Proxy,
    SPOIL_BEGIN,
};
use super::store::{close, open, user};
use super::support::Server;
use super::support::provider::{Provider, on};
use super::support::script::{answer_stream, providers, short_run_with};

fn add(store: &Store, number: u32) -> Result<(), StoreError> {
    store.write_now(move |db| users::insert(db, &user(number)))
}

/// Returns the number of accounts. Does not use the proxy, because a read ends with a commit too, which the proxy would
/// cut.
fn count(cluster: &Cluster) -> u64 {
    let store = open(cluster, "postgres").unwrap();
    let count = store.read_now(users::count).unwrap();
    close(&store);
    count
}

#[test]
fn a_commit_whose_answer_is_lost_is_reported_as_it_was() {
    let cluster = Cluster::start();
    let proxy = Proxy::start(&cluster);
    let store = proxy.open(&cluster);
    assert_eq!(add(&store, 1), Ok(()));
    for round in 1..=5 {
        proxy.set(CUT_AFTER);
        assert_eq!(add(&store, round * 10), Ok(()), "it was stored");
        assert_eq!(count(&cluster), u64::from(round) * 2);
        proxy.set(CUT_BEFORE);
        assert_eq!(
            add(&store, round * 10 + 1),
            Err(StoreError::Busy),
            "it was not"
        );
        assert_eq!(count(&cluster), u64::from(round) * 2);
        assert_eq!(add(&store, round * 10 + 1), Ok(()), "it can be repeated");
    }
    // A change that changes nothing cannot be lost.
    proxy.set(CUT_AFTER);
    assert_eq!(store.write_now(|_| Ok(())), Err(StoreError::Busy));
    close(&store);
}

#[test]
fn a_commit_that_a_pooler_calls_failed_is_reported_as_it_was() {
    let cluster = Cluster::start();
    let proxy = Proxy::start(&cluster);
    let store = proxy.open(&cluster);
    assert_eq!(add(&store, 1), Ok(()));
    proxy.set(FAIL_COMMIT);
    assert_eq!(add(&store, 2), Ok(()), "it was stored");
    assert_eq!(count(&cluster), 2);
    assert_eq!(add(&store, 3), Ok(()));
    close(&store);
}

#[test]
fn a_change_that_ran_without_its_transaction_is_not_called_undone() {
    let cluster = Cluster::start();
    let proxy = Proxy::start(&cluster);
    let store = proxy.open(&cluster);
    assert_eq!(add(&store, 1), Ok(()));
    proxy.set(SPOIL_BEGIN);
    assert_eq!(add(&store, 2), Err(StoreError::Unknown));
    assert_eq!(count(&cluster), 2);
    assert_eq!(add(&store, 3), Ok(()));
    close(&store);
}

#[test]
fn a_commit_that_is_still_in_progress_is_waited_for() {
    let cluster = Cluster::start();
    let proxy = Proxy::start(&cluster);
    let store = proxy.open(&cluster);
    assert_eq!(add(&store, 1), Ok(()));
    // Make each commit wait for a replica that does not exist.
    let set = |setting: &str| {
        let changed = format!("ALTER SYSTEM {setting};\nSELECT pg_reload_conf();");
        assert_eq!(cluster.run(&changed), "");
    };
    set("SET synchronous_standby_names = 'none'");
    let is_seen = |what: &str| {
        let look = format!(
            "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND {what})
             THEN RAISE EXCEPTION 'no'; END IF; END $$;"
        );
        cluster.run(&look).is_empty()
    };
    wait_for("the setting applies", || {
        cluster.run(
            "DO $$ BEGIN IF current_setting('synchronous_standby_names') = '' THEN RAISE EXCEPTION 'no'; END IF; END $$;",
        )
        .is_empty()
    });
    proxy.set(CUT_SENT);
    std::thread::scope(|scope| {
        let adding = scope.spawn(|| add(&store, 2));
        wait_for("the commit waits", || is_seen("wait_event = 'SyncRep'"));
        wait_for("the store asks", || {
            adding.is_finished() || is_seen("query LIKE '%txid_status%'")
        });
        set("RESET synchronous_standby_names");
        assert_eq!(adding.join().unwrap(), Ok(()), "it was stored");
    });
    assert_eq!(count(&cluster), 2);
    close(&store);
}

type Change = Box<dyn FnOnce(&Writer) -> Result<(), StoreError> + Send>;

/// Queues these changes in order while the writer is busy, so that it takes them together. Returns their results.
fn change_together(store: &Store, changes: Vec<Change>) -> Vec<Result<(), StoreError>> {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (begun, running) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            store.write_now(move |_| {
                let _ = begun.send(());
                wait.recv().map_err(|_| StoreError::Closed)
            })
        });
        running.recv().unwrap();
        let mut threads = Vec::new();
        for change in changes {
            threads.push(scope.spawn(move || store.write_now(change)));
            wait_for("it is queued", || store.commits().1 == threads.len());
        }
        go.send(()).unwrap();
        let results = threads.into_iter().map(|thread| thread.join().unwrap());
        results.collect()
    })
}

#[test]
fn all_changes_of_one_commit_are_reported_alike() {
    let cluster = Cluster::start();
    let proxy = Proxy::start(&cluster);
    let store = proxy.open(&cluster);
    let change = |number: u32| -> Change {
        let fault = proxy.fault();
        Box::new(move |db| {
            fault.store(CUT_AFTER, Ordering::SeqCst);
            // The third change fails on its own; the connection is not at fault.
            users::insert(db, &user(if number == 3 { 9 } else { number }))?;
            match number {
                3 => Err(StoreError::Missing),
                _ => Ok(()),
            }
        })
    };
    let results = change_together(&store, (1..=4).map(change).collect());
    let expected = [Ok(()), Ok(()), Err(StoreError::Missing), Ok(())];
    assert_eq!(results, expected);
    assert_eq!(count(&cluster), 3);
    close(&store);
}

#[test]
fn changes_whose_connection_breaks_midway_can_be_repeated_and_later_ones_are_made() {
    let cluster = Arc::new(Cluster::start());
    let store = open(&cluster, "postgres").unwrap();
    let change = |number: u32| -> Change {
        let cluster = Arc::clone(&cluster);
        Box::new(move |db| {
            if number == 3 {
                let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                           WHERE state = 'idle in transaction' AND pid <> pg_backend_pid()";
                assert_eq!(cluster.run(sql), "");
            }
            users::insert(db, &user(number))
        })
    };
    let results = change_together(&store, (1..=5).map(change).collect());
    let lost = Err(StoreError::Busy);
    assert_eq!(
        results[..3],
        [lost.clone(), lost.clone(), lost],
        "nothing of them is stored"
    );
    assert_eq!(results[3..], [Ok(()), Ok(())], "they had not begun");
    assert_eq!(count(&cluster), 2);
    for number in 1..=3 {
        assert_eq!(add(&store, number), Ok(()), "it can be repeated");
    }
    close(&store);
}

#[test]
fn without_the_server_the_outcome_is_unknown() {
    let cluster = Cluster::start();
    let proxy = Proxy::start(&cluster);
    let store = proxy.open(&cluster);
    proxy.set(CUT_OFF);
    assert_eq!(add(&store, 1), Err(StoreError::Unknown));
    proxy.set(FORWARD);
    assert_eq!(count(&cluster), 1, "it was stored, but nobody could know");
    assert_eq!(add(&store, 1), Err(StoreError::Conflict("email")));
    close(&store);
}

#[test]
fn a_run_goes_on_after_a_commit_that_was_completed_when_nobody_asked_any_longer() {
    let cluster = Cluster::start();
    let proxy = Proxy::start(&cluster);
    let provider = Provider::script([on("quick").sse(&answer_stream("It is thin."))]);
    let (database, known) = (proxy.database(), providers(&provider));
    let server = Server::with(&server_settings(&database, &known));
    let mut client = server.user("ada@example.com");
    // The commit that stores the answer waits for a lock.
    let script = "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             PERFORM set_config('lock_timeout', '0', true);
             PERFORM pg_advisory_xact_lock(7);
             RETURN NULL;
         END $$;
         CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW WHEN (new.kind = 'member.completed') EXECUTE FUNCTION wait();";
    assert_eq!(cluster.run(script), "");
    let (holder, _) = OtherSession::begin(&cluster, "SELECT 1 FROM pg_advisory_lock(7)");
    let waits_for = |lock: &str| {
        let look = format!(
            "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'
             AND wait_event = '{lock}') THEN RAISE EXCEPTION 'no'; END IF; END $$;"
        );
        cluster.run(&look).is_empty()
    };
    std::thread::scope(|scope| {
        let run = short_run_with(&["p/quick"], json!({ "cache": "off" }));
        let answer = scope.spawn(move || client.post("/api/analyze", run));
        wait_for("the commit waits", || waits_for("advisory"));
        proxy.cut();
        wait_for("its repetition waits for it", || waits_for("transactionid"));
        drop(holder);
        let answer = answer.join().unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    });
    let calls = "DO $$ BEGIN IF (SELECT count(*) FROM calls WHERE model = 'p/quick') <> 1
                 OR (SELECT calls FROM usage WHERE model = 'p/quick') <> 1 THEN RAISE EXCEPTION 'no'; END IF; END $$;";
    assert_eq!(cluster.run(calls), "", "it counts once");
}

#[test]
fn a_call_whose_record_may_be_stored_is_not_recorded_again() {
    /// Longer than the store queries the outcome of a commit.
    const GIVEN_UP: Duration = Duration::from_secs(17);
    let cluster = Cluster::start();
    let proxy = Proxy::start(&cluster);
    let provider = Provider::script([
        on("first").sse(&answer_stream("It is due in May.")),
        on("later").sse(&answer_stream("In June.")),
    ]);
    let (database, known) = (proxy.database(), providers(&provider));
    let server = Server::with(&server_settings(&database, &known));
    let mut client = server.user("ada@example.com");
    let mut call = |model: &str| {
        let message = json!({ "role": "user", "content": "When is the levy due?" });
        let body = json!({ "model": model, "messages": [message] });
        let answer = client.post("/v1/chat/completions", body);
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    let has = |number: usize, model: &str| {
        let look = format!(
            "DO $$ BEGIN IF (SELECT count(*) FROM calls WHERE model = '{model}') <> {number}
             THEN RAISE EXCEPTION 'no'; END IF; END $$;"
        );
        cluster.run(&look).is_empty()
    };
    proxy.set(CUT_OFF_CALL);
    call("p/first");
    wait_for("the call is stored", || has(1, "p/first"));
    std::thread::sleep(GIVEN_UP);
    proxy.set(FORWARD);
    // Whatever is written again is written with the next call at the latest.
    call("p/later");
    wait_for("the next call is stored", || has(1, "p/later"));
    assert!(has(1, "p/first"), "it counts once");
}
