//! Tests data that several servers on one database share: leases of runs, reservations, documents, the secret, and
//! idempotency keys.

use std::time::{Duration, Instant};

use quire::domain::id::{AnalysisId, UserId};
use quire::domain::usage::UsageAmount;
use quire::engine::SharedReservations;
use quire::store::idempotency::{self, KeyLookup};
use quire::store::servers::{self, RunLease};
use quire::store::{Store, StoreError, Writer};

use super::cluster::Cluster;
use super::members::{SECRET, WAIT_TIMEOUT, boot, known, member, wait_for};
use super::store::{at, close};
use super::support::executable::Executable;
use super::support::server::Folder;
use super::support::{Client, Server};

/// Inserts a minimal unfinished run (empty request and plan), which is enough to test run leases.
pub fn insert_run(cluster: &Cluster, number: u128) -> AnalysisId {
    let id = AnalysisId::new(at(1_000), number);
    let row = format!(
        "INSERT INTO analyses (id, request, plan, created) VALUES ('{}', '{{}}', '{{}}', 1)",
        id.as_str()
    );
    assert_eq!(cluster.run(&row), "");
    id
}

/// Takes over runs like a server that has been able to reach the database all the time.
fn take_over(store: &Store) -> Vec<(AnalysisId, RunLease)> {
    let boot = boot(store);
    let taken = store.write_now(move |db| servers::take_over_lost_runs(db, || true, &boot, 9));
    taken.unwrap()
}

pub fn check(store: &Store, id: &AnalysisId, lease: RunLease) -> Result<(), StoreError> {
    let id = id.clone();
    store.write_now(move |db| servers::check_lease(db, &id, lease))
}

#[test]
fn a_run_has_one_driver_and_the_writes_of_an_earlier_one_are_refused() {
    let cluster = Cluster::start();
    let (one, other) = (member(&cluster, 1), member(&cluster, 2));
    assert_eq!(one.read_now(servers::count_alive), Ok(2));
    let run = insert_run(&cluster, 1);
    let (id, server) = (run.clone(), boot(&one));
    one.write_now(move |db| servers::lease_run(db, &id, &server, ""))
        .unwrap();
    assert_eq!(take_over(&other), [], "its server lives");
    assert_eq!(check(&one, &run, RunLease::NEW), Ok(()));

    // Simulates a server that did not renew its row in time.
    assert_eq!(
        cluster.run(&format!(
            "UPDATE servers SET until = 1 WHERE boot = '{}'",
            boot(&one)
        )),
        ""
    );
    let taken = take_over(&other);
    let [(id, lease)] = &taken[..] else {
        panic!("{taken:?}");
    };
    assert_eq!(*id, run);
    assert!(matches!(
        check(&one, &run, RunLease::NEW),
        Err(StoreError::Conflict(_))
    ));
    assert_eq!(check(&other, &run, *lease), Ok(()));
    // A command from another server reaches the server that has taken over the run, and only once, even if it is sent
    // twice.
    let (id, target) = (run.clone(), boot(&other));
    let sent = other.write_now(move |db| {
        servers::send_command(db, &id, "skip_model", "p/slow")?;
        servers::send_command(db, &id, "skip_model", "p/slow")?;
        servers::commands_for(db, &target)
    });
    let sent = sent.unwrap();
    assert_eq!(
        (sent.len(), sent[0].argument.as_str()),
        (1, "p/slow"),
        "{sent:?}"
    );
    // When the run ends, its lease and its commands are deleted.
    let (id, last) = (run.clone(), *lease);
    other
        .write_now(move |db| servers::end_lease(db, &id, last))
        .unwrap();
    let (id, target) = (run.clone(), boot(&other));
    let late = other.write_now(move |db| {
        let is_leased = servers::send_command(db, &id, "cancel", "late")?;
        Ok((is_leased, servers::commands_for(db, &target)?.len()))
    });
    assert_eq!(late, Ok((false, 0)));
    close(&one);
    close(&other);
}

#[test]
fn a_server_whose_row_has_expired_keeps_the_leases_that_nobody_took() {
    let cluster = Cluster::start();
    let store = member(&cluster, 1);
    let run = insert_run(&cluster, 1);
    let (id, server) = (run.clone(), boot(&store));
    store
        .write_now(move |db| servers::lease_run(db, &id, &server, ""))
        .unwrap();
    // The expired row still exists, or another server has removed it.
    for gone in ["UPDATE servers SET until = 1;", "DELETE FROM servers;"] {
        let before = store.membership().unwrap().entries();
        assert_eq!(cluster.run(gone), "");
        wait_for("its row is back", || {
            store.membership().unwrap().entries() > before
        });
        assert_eq!(store.read_now(servers::count_alive), Ok(1));
        assert_eq!(take_over(&store), [], "{gone}");
        assert_eq!(check(&store, &run, RunLease::NEW), Ok(()), "{gone}");
    }
    close(&store);
}

#[test]
fn servers_take_over_each_run_once_and_housekeeping_has_one_of_them() {
    let cluster = Cluster::start();
    let stores: Vec<Store> = (1..=3).map(|seed| member(&cluster, seed)).collect();
    // The runs have no leases, as if a version without leases had stored them.
    let runs: Vec<AnalysisId> = (1..=20)
        .map(|number| insert_run(&cluster, number))
        .collect();
    let mut threads = Vec::new();
    for store in &stores {
        let store = store.clone();
        threads.push(std::thread::spawn(move || {
            let mut all = Vec::new();
            while all.len() < 20 {
                let taken = take_over(&store);
                if taken.is_empty() {
                    break;
                }
                all.extend(taken);
            }
            all
        }));
    }
    let taken: Vec<_> = threads
        .into_iter()
        .flat_map(|thread| thread.join().unwrap())
        .collect();
    let mut ids: Vec<&AnalysisId> = taken.iter().map(|(id, _)| id).collect();
    ids.sort();
    assert_eq!(ids, runs.iter().collect::<Vec<_>>(), "each once");

    let keep = |store: &Store| {
        let boot = boot(store);
        store.write_now(move |db| servers::keep_lease(db, "housekeeping", &boot))
    };
    assert_eq!(keep(&stores[0]), Ok(true));
    assert_eq!(keep(&stores[1]), Ok(false));
    assert_eq!(keep(&stores[0]), Ok(true), "it keeps it");
    // A server that leaves frees its leases.
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().unwrap();
    runtime.block_on(stores[0].membership().unwrap().leave());
    assert_eq!(stores[1].read_now(servers::count_alive), Ok(2));
    assert_eq!(keep(&stores[1]), Ok(true));
    for store in &stores {
        close(store);
    }
}

#[test]
fn two_servers_at_once_never_reserve_more_than_there_is() {
    reserve_at_once(&Cluster::start());
}

/// Reserves from two servers at the same time, and checks that no more than the limit is reserved.
pub fn reserve_at_once(cluster: &Cluster) {
    /// Maximum number of tokens that may be reserved in total.
    const LIMIT: u64 = 1_000;
    let stores = [member(cluster, 1), member(cluster, 2)];
    let amount = UsageAmount {
        tokens: 90,
        ..UsageAmount::default()
    };
    let within = move |_: &Writer, reserved: UsageAmount| {
        let fits = reserved.tokens + amount.tokens <= LIMIT;
        Ok(fits.then_some(()).ok_or(reserved.tokens))
    };
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().unwrap();
    runtime.block_on(async {
        let both = stores
            .each_ref()
            .map(|store| SharedReservations::new(store.clone()));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..40 {
            let reservations = both[number % 2].clone();
            tasks.spawn(async move {
                let reserved = reservations.reserve("key_1", amount, within).await;
                (number % 2, reserved.unwrap().is_ok())
            });
        }
        let granted = tasks.join_all().await;
        let granted: Vec<usize> = granted
            .iter()
            .filter(|one| one.1)
            .map(|one| one.0)
            .collect();
        assert_eq!(granted.len(), 11, "{granted:?}");
        // An amount that one server releases becomes available to the other a moment later.
        let from = granted[0];
        both[from].release("key_1", amount);
        let other = &both[1 - from];
        let until = Instant::now() + WAIT_TIMEOUT;
        while other
            .reserve("key_1", amount, within)
            .await
            .unwrap()
            .is_err()
        {
            assert!(Instant::now() < until, "it is released");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let refused = both[from].reserve("key_1", amount, within).await.unwrap();
        assert_eq!(refused, Err(990), "and it is not there twice");
        // When a server leaves, its reservations end.
        stores[1 - from].membership().unwrap().leave().await;
        let free = both[from].reserve("key_1", amount, within).await.unwrap();
        assert_eq!(free, Ok(()));
    });
    stores.iter().for_each(close);
}

#[test]
fn a_document_uploaded_to_one_server_is_read_through_another() {
    upload_and_read(&Cluster::start());
}

/// Uploads a document to one server, and reads and deletes it through another.
pub fn upload_and_read(cluster: &Cluster) {
    let database = cluster.address("postgres");
    let settings = [
        ("DATABASE_URL", database.as_str()),
        ("QUIRE_SECRET", SECRET),
        ("USE_MOCK", "true"),
    ];
    let (one, other) = (Server::with(&settings), Server::with(&settings));
    let mut client = one.user("ada@example.com");
    let mut elsewhere = known(&other, &client);
    // The text takes three pieces in the database.
    let text = "The levy is due in May. ".repeat(100_000);
    let answer = client.upload("/api/upload-document", "levy.txt", text.as_bytes());
    assert!(answer.status < 300, "{}", answer.text());
    let id = answer.json()["document_id"].as_str().unwrap().to_owned();
    let path = format!("/api/documents/{id}");
    wait_for("the document is read", || {
        elsewhere.get(&path).json()["status"] != "processing"
    });
    assert_eq!(elsewhere.get(&path).json()["status"], "processed");
    let content = elsewhere.get(&format!("{path}/content"));
    assert_eq!(content.status, 200, "{}", content.text());
    assert!(content.text() == text, "{} bytes", content.text().len());
    // No server has a file of the document, neither now nor after the document is deleted.
    for server in [&one, &other] {
        let files = std::fs::read_dir(server.folder().join("documents")).unwrap();
        assert_eq!(files.count(), 0);
        let copies = std::fs::read_dir(server.folder().join("tmp")).unwrap();
        assert_eq!(copies.count(), 0);
    }
    assert_eq!(elsewhere.delete(&path).status, 200);
    assert_eq!(client.get(&format!("{path}/content")).status, 404);
    let left = "DO $$ BEGIN IF EXISTS (SELECT 1 FROM document_bytes) THEN RAISE EXCEPTION 'left'; END IF; END $$;";
    assert_eq!(cluster.run(left), "");
}

#[test]
fn servers_with_different_secrets_are_refused() {
    let cluster = Cluster::start();
    let database = cluster.address("postgres");
    let folder = Folder::new();
    let start = |secret: &str| {
        std::process::Command::new(env!("CARGO_BIN_EXE_quire"))
            .arg("serve")
            .env_clear()
            .env("DATABASE_URL", &database)
            .env("QUIRE_SECRET", secret)
            .env("QUIRE_DATA", folder.path().join("data"))
            .env("PORT", "0")
            .env("HOST", "127.0.0.1")
            .output()
            .unwrap()
    };
    let first = Folder::new();
    let settings = [
        ("DATABASE_URL", database.as_str()),
        ("QUIRE_SECRET", SECRET),
        ("USE_MOCK", "true"),
    ];
    let server = Executable::with(&first, &settings);
    let refused = start("another secret, which is long enough too");
    let printed = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && printed.contains("QUIRE_SECRET"),
        "{printed}"
    );
    // With the same secret, a second server starts.
    let third = Folder::new();
    let same = Executable::with(&third, &settings);
    let client = Client::new(server.address).registered("ada@example.com");
    assert_eq!(same.known(&client).get("/api/users/me").status, 200);
}

#[test]
fn a_key_is_claimed_by_one_of_two_servers() {
    let cluster = Cluster::start();
    let stores = [member(&cluster, 1), member(&cluster, 2)];
    let user = UserId::new(at(1_000), 1);
    let row = format!(
        "INSERT INTO users (id, email, created) VALUES ('{}', 'a@b.co', 1)",
        user.as_str()
    );
    assert_eq!(cluster.run(&row), "");
    for round in 0..20 {
        let key = format!("key {round}");
        let claims: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = stores
                .iter()
                .map(|store| {
                    let (user, key) = (user.clone(), key.clone());
                    scope.spawn(move || {
                        store.write_now(move |db| {
                            idempotency::claim(db, (&user, &key), [0; 32], "p", (at(0), at(1)))
                        })
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap().unwrap())
                .collect()
        });
        let claimed = claims
            .iter()
            .filter(|claim| matches!(claim, KeyLookup::Claimed));
        assert_eq!(claimed.count(), 1, "{claims:?}");
    }
}
