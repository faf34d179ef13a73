//! Tests the locks of several servers on one database: there are no deadlocks, and no server writes to what another one
//! has taken over.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Barrier};
use std::thread::JoinHandle;
use std::time::Duration;

use quire::domain::chat::CallBill;
use quire::domain::id::{UploadId, UserId};
use quire::domain::pattern::CallId;
use quire::domain::usage::{CallCharge, CallEnd, UsageAmount};
use quire::engine::SharedReservations;
use quire::store::{Store, StoreError, Writer, cache_savings, servers, settings, usage, users};
use serde_json::json;

use super::cluster::Cluster;
use super::commands::quire;
use super::members::{member, server_settings};
use super::store::{at, close, user};
use super::support::provider::{Provider, on};
use super::support::script::providers;
use super::support::{Client, Server};

/// Keeps the writer busy until a message is sent, so that it then takes all jobs that were queued in the meantime
/// together.
fn keep_writer_busy(store: &Store) -> (SyncSender<()>, JoinHandle<Result<(), StoreError>>) {
    let (began, running) = sync_channel::<()>(1);
    let (go, wait) = sync_channel::<()>(1);
    let store = store.clone();
    let holder = std::thread::spawn(move || {
        store.write_now(move |_| {
            began.send(()).unwrap();
            wait.recv().unwrap();
            Ok(())
        })
    });
    running.recv().unwrap();
    (go, holder)
}

/// Queues a change and a reservation while the writer is busy, so that it takes both together.
async fn queue_both(store: Store, reserves_first: bool, meeting: Arc<Barrier>) {
    let reservations = SharedReservations::new(store.clone());
    let amount = UsageAmount {
        tokens: 1,
        ..UsageAmount::default()
    };
    let (go, holder) = keep_writer_busy(&store);
    let meets = Arc::new(AtomicBool::new(true));
    // Each server takes its first lock before either one requests its second lock.
    let meet = move |is_first: bool| {
        if is_first && meets.swap(false, Relaxed) {
            meeting.wait();
        }
    };
    let met = meet.clone();
    let change = store.write(move |db| {
        settings::set(db, "shared row", "x")?;
        meet(!reserves_first);
        Ok(())
    });
    let reserved = reservations.reserve("user_1", amount, move |_: &Writer, _| {
        met(reserves_first);
        Ok(Ok::<_, StoreError>(()))
    });
    let start = async { go.send(()).unwrap() };
    let (changed, reserved) = match reserves_first {
        true => {
            let (reserved, changed, ()) = tokio::join!(biased; reserved, change, start);
            (changed, reserved)
        }
        false => {
            let (changed, reserved, ()) = tokio::join!(biased; change, reserved, start);
            (changed, reserved)
        }
    };
    assert_eq!((changed, reserved), (Ok(()), Ok(Ok(()))));
    holder.join().unwrap().unwrap();
}

#[test]
fn two_servers_that_change_a_row_and_reserve_in_opposite_orders_do_not_block_each_other() {
    let cluster = Cluster::start();
    let stores = [member(&cluster, 1), member(&cluster, 2)];
    let meeting = Arc::new(Barrier::new(2));
    let threads = [false, true].map(|reserves_first| {
        let (store, meeting) = (stores[usize::from(reserves_first)].clone(), meeting.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_time().build().unwrap();
            runtime.block_on(queue_both(store, reserves_first, meeting));
        })
    });
    for thread in threads {
        thread.join().unwrap();
    }
    stores.iter().for_each(close);
}

fn call() -> CallCharge {
    CallCharge {
        call: CallId {
            stage: 0,
            member: 0,
        },
        model: "p/m".into(),
        started_at: at(1_000),
        outcome: CallEnd::Answered,
        bill: CallBill {
            tries: 1,
            ..CallBill::default()
        },
        price: None,
        own_key: false,
    }
}

/// Adds to the usage and the savings of two users, in two changes that share a transaction. The first change does not
/// end before the other server has made its first change too.
async fn count_for_both(store: Store, people: [UserId; 2], meeting: Arc<Barrier>) {
    let (go, holder) = keep_writer_busy(&store);
    let [first, second] = people.map(|user| {
        let meeting = meeting.clone();
        store.write(move |db| {
            usage::add(db, &user, 1, &call());
            cache_savings::add_hit(db, &user, 1, "p/m", None, 1);
            meeting.wait();
            Ok(())
        })
    });
    let start = async { go.send(()).unwrap() };
    let (first, second, ()) = tokio::join!(biased; first, second, start);
    assert_eq!((first, second), (Ok(()), Ok(())));
    holder.join().unwrap().unwrap();
}

#[test]
fn servers_that_count_for_the_same_people_in_opposite_orders_never_wait_in_a_circle() {
    let cluster = Cluster::start();
    let stores = [member(&cluster, 1), member(&cluster, 2)];
    let people = [user(1), user(2)];
    let ids = people.each_ref().map(|one| one.id.clone());
    let insert = move |db: &Writer| people.iter().try_for_each(|one| users::insert(db, one));
    stores[0].write_now(insert).unwrap();
    let meeting = Arc::new(Barrier::new(2));
    let threads = [false, true].map(|is_reversed| {
        let (store, meeting) = (stores[usize::from(is_reversed)].clone(), meeting.clone());
        let mut people = ids.clone();
        if is_reversed {
            people.reverse();
        }
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.build().unwrap();
            runtime.block_on(count_for_both(store, people, meeting));
        })
    });
    for thread in threads {
        thread.join().unwrap();
    }
    let log = std::fs::read_to_string(cluster.folder().join("data.log")).unwrap();
    assert!(!log.contains("deadlock detected"), "{log}");
    for id in ids {
        let counted = stores[0].read_now(move |db| {
            let calls = usage::for_user(db, &id, 1, 1)?[0].calls;
            Ok((calls, cache_savings::total(db, Some(&id), 1, 1)?.hits))
        });
        assert_eq!(counted, Ok((2, 2)));
    }
    stores.iter().for_each(close);
}

#[test]
fn no_increment_is_lost_when_two_servers_add_in_opposite_orders() {
    const ROUNDS: u64 = 20;
    let cluster = Cluster::start();
    let stores = [member(&cluster, 1), member(&cluster, 2)];
    let people = [user(1), user(2)];
    let both = people.clone();
    let insert = move |db: &Writer| both.iter().try_for_each(|one| users::insert(db, one));
    stores[0].write_now(insert).unwrap();
    let call = call();
    std::thread::scope(|scope| {
        for (store, first) in stores.iter().zip(0..) {
            let ids = [first, 1 - first].map(|number: usize| people[number].id.clone());
            let call = &call;
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    let add = || {
                        let (ids, call) = (ids.clone(), call.clone());
                        store.write_now(move |db| {
                            ids.iter().for_each(|id| usage::add(db, id, 1, &call));
                            Ok(())
                        })
                    };
                    // The transaction that a deadlock aborts is refused and has added nothing.
                    while let Err(error) = add() {
                        assert_eq!(error, StoreError::Busy);
                    }
                }
            });
        }
    });
    for one in people {
        let counted = stores[0].read_now(move |db| usage::for_user(db, &one.id, 1, 1));
        assert_eq!(counted.unwrap()[0].calls, 2 * ROUNDS);
    }
    stores.iter().for_each(close);
}

#[test]
fn an_experiment_stopped_through_another_server_and_resumed_at_once_does_not_run_twice() {
    let cluster = Cluster::start();
    let provider = Provider::script([on("dull").times(500).optional().stall("")]);
    let (database, known_providers) = (cluster.address("postgres"), providers(&provider));
    let settings = server_settings(&database, &known_providers);
    let (one, other) = (Server::with(&settings), Server::with(&settings));
    let mut client = one.user("ada@example.com");
    let mut elsewhere: Client = client.clone();
    elsewhere.base = format!("http://{}", other.address);
    let started = client.post(
        "/api/experiments",
        json!({
            "name": "Sums", "cases": [{ "prompt": "What is 2 and 2?", "expected": "4" }], "seed": 7,
            "space": [
                { "dial": "model", "values": ["p/dull"] },
                { "dial": "temperature", "values": [0.1, 0.9] },
            ],
            "evaluator": { "kind": "number" }, "budget": { "evaluations": 200 },
        }),
    );
    assert_eq!(started.status, 201, "{}", started.text());
    let id = started.json()["experiment_id"].as_str().unwrap().to_owned();
    let path = format!("/api/experiments/{id}");
    for round in 1..=3 {
        provider.wait_hanging(1);
        let stopped = elsewhere.post(&format!("{path}/cancel"), json!({}));
        assert_eq!(stopped.status, 200, "{}", stopped.text());
        let resumed = client.post(&format!("{path}/resume"), json!({}));
        assert_eq!(resumed.status, 200, "{}", resumed.text());
        // Earlier calls have ended, although no server has looked for stopped experiments yet.
        provider.wait_for_disconnects(round);
        assert_eq!(client.get(&path).json()["status"], "running");
    }
}

#[test]
fn a_server_stores_nothing_of_a_document_that_another_has_taken_over() {
    let cluster = Cluster::start();
    let database = cluster.address("postgres");
    let one = Server::with(&server_settings(&database, ""));
    let other = member(&cluster, 2);
    let boot = other.membership().unwrap().boot();
    // When the first text is stored, the lease passes to the other server.
    let script = format!(
        "CREATE FUNCTION pass_on() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             UPDATE leases SET server = '{boot}', number = number + 1 WHERE name = new.document_id;
             RETURN NULL;
         END $$;
         CREATE TRIGGER pass_on AFTER INSERT ON document_pages FOR EACH ROW EXECUTE FUNCTION pass_on();"
    );
    assert_eq!(cluster.run(&script), "");
    let mut client = one.user("ada@example.com");
    let text = "The levy is due in May. ".repeat(100_000);
    let answer = client.upload("/api/upload-document", "levy.txt", text.as_bytes());
    assert!(answer.status < 300, "{}", answer.text());
    let id = answer.json()["document_id"].as_str().unwrap().to_owned();
    let is_true = |condition: &str| {
        let check =
            format!("DO $$ BEGIN IF NOT ({condition}) THEN RAISE EXCEPTION 'no'; END IF; END $$;");
        cluster.run(&check).is_empty()
    };
    let passed = format!("EXISTS (SELECT 1 FROM leases WHERE name = '{id}' AND server = '{boot}')");
    while !is_true(&passed) {
        std::thread::sleep(Duration::from_millis(20));
    }
    // If the lease were not checked, the rest would be stored within this time.
    let unread = format!("(SELECT status FROM documents WHERE id = '{id}') = 'processing'");
    for _ in 0..20 {
        assert!(is_true(&unread), "it was stored as read");
        std::thread::sleep(Duration::from_millis(50));
    }
    close(&other);
}

#[test]
fn leases_of_servers_and_things_that_are_gone_are_deleted() {
    let cluster = Cluster::start();
    let store = member(&cluster, 1);
    let boot = store.membership().unwrap().boot();
    let rows = format!(
        "INSERT INTO leases (name, server, number) VALUES ('housekeeping', '{boot}', 1), ('old', 'gone', 1),
             ('document_1', '{boot}', 1), ('experiment_1', '{boot}', 1), ('analysis_1', 'gone', 1);"
    );
    assert_eq!(cluster.run(&rows), "");
    store.write_now(servers::delete_unused_leases).unwrap();
    let left = "DO $$ BEGIN IF (SELECT string_agg(name, ' ' ORDER BY name) FROM leases) <> 'analysis_1 housekeeping'
                THEN RAISE EXCEPTION 'others'; END IF; END $$;";
    assert_eq!(cluster.run(left), "");
    close(&store);
}

#[test]
fn parts_of_an_upload_that_was_deleted_through_another_server_are_deleted_after_its_lifetime() {
    let cluster = Cluster::start();
    let database = cluster.address("postgres");
    let server = Server::with(&server_settings(&database, ""));
    let id = UploadId::new(quire::clock::now(), 1);
    let parts = server.folder().join("uploads").join(id.as_str());
    std::fs::create_dir_all(&parts).unwrap();
    for (hours, is_kept) in [(1, true), (25, false)] {
        let later = quire::clock::now() + Duration::from_secs(hours * 3600);
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.build().unwrap();
        let tidied = runtime.block_on(server.app.run_housekeeping(later));
        tidied.unwrap();
        assert_eq!(parts.exists(), is_kept, "after {hours} h");
    }
    assert!(!server.folder().join("orphans").exists());
}

#[test]
fn commands_see_damaged_originals_and_accept_no_secret_while_a_server_runs() {
    let cluster = Cluster::start();
    let (succeeded, printed) = quire(&cluster, &["user", "add", "bob@example.org", "--admin"]);
    assert!(succeeded, "{printed}");
    let secret = std::fs::read_to_string(cluster.folder().join("quire/secret")).unwrap();
    let database = cluster.address("postgres");
    let server = Server::with(&[
        ("DATABASE_URL", &database),
        ("QUIRE_SECRET", secret.trim()),
        ("USE_MOCK", "true"),
    ]);
    let mut client = server.user("ada@example.com");
    let answer = client.upload("/api/upload-document", "levy.txt", b"The levy is due.");
    assert!(answer.status < 300, "{}", answer.text());
    let (_, printed) = quire(&cluster, &["doctor"]);
    let whole = "every document has its file in the database";
    assert!(printed.contains(whole), "{printed}");
    let damage = "UPDATE document_bytes SET bytes = substr(bytes, 1, 5);";
    assert_eq!(cluster.run(damage), "");
    let (_, printed) = quire(&cluster, &["doctor"]);
    assert!(printed.contains("(5 of 16 bytes)"), "{printed}");
    assert!(printed.contains("restore the database"), "{printed}");
    let (succeeded, printed) = quire(&cluster, &["secret", "accept"]);
    assert!(
        !succeeded && printed.contains("stop all servers"),
        "{printed}"
    );
    drop(server);
    let (succeeded, printed) = quire(&cluster, &["secret", "accept"]);
    assert!(succeeded, "{printed}");
}
