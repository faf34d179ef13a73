//! Several servers on one database: a run has one driver at a time, any server can follow and command it, and another
//! one takes it over when its driver is gone.

use std::time::{Duration, Instant};

use quire::domain::id::{AnalysisId, UserId};
use quire::domain::usage::UsageAmount;
use quire::engine::SharedReservations;
use quire::store::idempotency::{self, KeyLookup};
use quire::store::servers::{self, RunLease};
use quire::store::{Store, StoreError, Writer};
use serde_json::json;

use super::cluster::Cluster;
use super::store::{at, close, open};
use super::support::client::Event;
use super::support::executable::Executable;
use super::support::provider::{Provider, on};
use super::support::script::{
    analysis_path, answer_stream, begin, id_of, providers, short_run_with, unfinished_stream,
    wait_until_ended,
};
use super::support::server::Folder;
use super::support::{Client, Server};

const SECRET: &str = "a secret of all servers, long enough";
/// After this long, what a test waits for does not happen.
const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

/// A store that can lease runs. `seed` is different for each.
fn member(cluster: &Cluster, seed: u128) -> Store {
    let store = open(cluster, "postgres").unwrap();
    store.join_servers(seed).unwrap();
    store
}

fn boot(store: &Store) -> std::sync::Arc<str> {
    store.membership().unwrap().boot()
}

/// Waits until something is true.
fn wait_for(what: &str, mut is_true: impl FnMut() -> bool) {
    let until = Instant::now() + WAIT_TIMEOUT;
    while !is_true() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Stores an unfinished run, for the leases only.
fn insert_run(cluster: &Cluster, number: u128) -> AnalysisId {
    let id = AnalysisId::new(at(1_000), number);
    let row = format!(
        "INSERT INTO analyses (id, request, plan, created) VALUES ('{}', '{{}}', '{{}}', 1)",
        id.as_str()
    );
    assert_eq!(cluster.run(&row), "");
    id
}

fn take_over(store: &Store) -> Vec<(AnalysisId, RunLease)> {
    let boot = boot(store);
    let taken = store.write_now(move |db| servers::take_over_runs(db, &boot, 9));
    taken.unwrap()
}

fn check(store: &Store, id: &AnalysisId, lease: RunLease) -> Result<(), StoreError> {
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
    one.write_now(move |db| servers::lease_run(db, &id, &server))
        .unwrap();
    assert_eq!(take_over(&other), [], "its server lives");
    assert_eq!(check(&one, &run, RunLease::NEW), Ok(()));

    // As if it had not renewed its row in time.
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
    // The command of a third server reaches the new driver, once.
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
    // With the run, its lease and its commands end.
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
        .write_now(move |db| servers::lease_run(db, &id, &server))
        .unwrap();
    // The row is still there, or another server has removed it.
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
    // Stored by a version without leases.
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
    // One that leaves frees what it has.
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
    /// What may be reserved in all.
    const LIMIT: u64 = 1_000;
    let cluster = Cluster::start();
    let stores = [member(&cluster, 1), member(&cluster, 2)];
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
        // What one releases, the other gets, a moment later.
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
        // What a server had reserved ends with it.
        stores[1 - from].membership().unwrap().leave().await;
        let free = both[from].reserve("key_1", amount, within).await.unwrap();
        assert_eq!(free, Ok(()));
    });
    stores.iter().for_each(close);
}

#[test]
fn a_document_uploaded_to_one_server_is_read_through_another() {
    let cluster = Cluster::start();
    let database = cluster.address("postgres");
    let settings = [
        ("DATABASE_URL", database.as_str()),
        ("QUIRE_SECRET", SECRET),
        ("USE_MOCK", "true"),
    ];
    let (one, other) = (Server::with(&settings), Server::with(&settings));
    let mut client = one.user("ada@example.com");
    let mut elsewhere = known(&other, &client);
    // Three pieces in the database.
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
    // Neither has a file of it, also after it is deleted.
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
    // With the same one, there are two.
    let third = Folder::new();
    let same = Executable::with(&third, &settings);
    let client = Client::new(server.address).registered("ada@example.com");
    assert_eq!(same.known(&client).get("/api/users/me").status, 200);
}

/// The settings of a server, which has its own folder.
fn settings<'a>(database: &'a str, known: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("DATABASE_URL", database),
        ("QUIRE_SECRET", SECRET),
        ("QUIRE_PROVIDERS", known),
        ("USE_MOCK", "true"),
    ]
}

/// The same client, of another server.
fn known(server: &Server, client: &Client) -> Client {
    let mut client = client.clone();
    client.base = format!("http://{}", server.address);
    client
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

#[test]
fn a_run_is_followed_and_stopped_through_another_server() {
    let cluster = Cluster::start();
    let provider = Provider::script([
        on("quick").sse(&answer_stream("Eighty grams.")),
        on("slow").stall(&unfinished_stream("It is ")),
    ]);
    let (database, known_providers) = (cluster.address("postgres"), providers(&provider));
    let settings = settings(&database, &known_providers);
    let (one, other) = (Server::with(&settings), Server::with(&settings));
    let mut client = one.user("ada@example.com");
    let mut elsewhere = known(&other, &client);
    let id = begin(&mut client, &["p/quick", "p/slow"]);
    let mut seen = Vec::new();
    for event in elsewhere.events(&analysis_path(&id, "/events"), None) {
        seen.push(event);
        let has = |name: &str, model: &str| {
            let is_it = |event: &Event| event.name == name && event.data["model"] == model;
            seen.iter().any(is_it)
        };
        if has("member.completed", "p/quick") && has("member.delta", "p/slow") {
            break;
        }
    }
    let stopped = elsewhere.post(&analysis_path(&id, "/cancel"), json!({}));
    assert_eq!(
        (stopped.status, &stopped.json()["status"]),
        (200, &json!("cancelled")),
        "{}",
        stopped.text()
    );
    provider.wait_for_disconnect("slow");
    // Both servers show the same events, the last of which ends the stream.
    let all: Vec<Event> = client
        .events(&analysis_path(&id, "/events"), None)
        .collect();
    let same: Vec<Event> = elsewhere
        .events(&analysis_path(&id, "/events"), None)
        .collect();
    assert_eq!(all, same);
    assert_eq!(all[..seen.len()], seen);
    assert_eq!(names(&all).last(), Some(&"analysis.cancelled"));
}

#[test]
fn a_model_is_skipped_through_another_server() {
    let cluster = Cluster::start();
    let provider = Provider::script([
        on("quick").sse(&answer_stream("Eighty grams.")),
        on("slow").stall(&unfinished_stream("It is ")),
    ]);
    let (database, known_providers) = (cluster.address("postgres"), providers(&provider));
    let settings = settings(&database, &known_providers);
    let (one, other) = (Server::with(&settings), Server::with(&settings));
    let mut client = one.user("ada@example.com");
    let mut elsewhere = known(&other, &client);
    let id = begin(&mut client, &["p/quick", "p/slow"]);
    provider.wait_hanging(1);
    let skipped = elsewhere.post(
        &analysis_path(&id, "/leave-out"),
        json!({"model": "p/slow"}),
    );
    assert_eq!(skipped.status, 200, "{}", skipped.text());
    let analysis = wait_until_ended(&mut elsewhere, &id);
    assert_eq!(analysis["status"], "completed", "{analysis}");
    assert_eq!(
        analysis["model_responses"]["p/quick"],
        json!("Eighty grams.")
    );
}

#[test]
fn the_run_of_a_killed_server_is_finished_once_by_another() {
    let cluster = Cluster::start();
    let provider = Provider::script([
        on("quick").sse(&answer_stream("Eighty grams.")),
        on("slow").stall(&unfinished_stream("It is ")),
        on("slow").sse(&answer_stream("It is thin.")),
        on("GET models")
            .times(2)
            .optional()
            .status(200, "application/json", "{\"data\":[]}"),
    ]);
    let (database, known_providers) = (cluster.address("postgres"), providers(&provider));
    let settings = settings(&database, &known_providers);
    let folder = Folder::new();
    let first = Executable::with(&folder, &settings);
    let second = Server::with(&settings);
    let mut client = Client::new(first.address).registered("ada@example.com");
    let mut elsewhere = known(&second, &client);
    let id = begin(&mut client, &["p/quick", "p/slow"]);
    let mut events = elsewhere.events(&analysis_path(&id, "/events"), None);
    let mut seen: Vec<Event> = Vec::new();
    while !seen
        .iter()
        .any(|event| event.name == "member.delta" && event.data["model"] == "p/slow")
        || !seen.iter().any(|event| event.name == "member.completed")
    {
        seen.push(events.next().expect("the run is not over"));
    }
    first.kill();
    // The same stream goes on once the other server has taken over.
    seen.extend(events);
    assert_eq!(names(&seen).last(), Some(&"analysis.completed"));
    for (event, number) in seen.iter().zip(1..) {
        assert_eq!(event.id, Some(number), "{event:?}");
    }
    let ends = seen
        .iter()
        .filter(|event| event.name == "analysis.completed");
    assert_eq!(ends.count(), 1);
    let analysis = elsewhere.get(&analysis_path(&id, "")).json();
    assert_eq!(analysis["status"], "completed", "{analysis}");
    assert_eq!(
        analysis["model_responses"]["p/slow"],
        json!("It is thin."),
        "{analysis}"
    );
    let calls = provider.requests();
    let quick = calls.iter().filter(|call| call.body["model"] == "quick");
    assert_eq!(
        quick.count(),
        1,
        "an answer that was stored is not asked for again"
    );
}

#[test]
fn a_server_that_was_cut_off_gives_its_run_up() {
    let cluster = Cluster::start();
    let provider = Provider::script([
        on("slow").stall(&unfinished_stream("It is ")),
        on("slow").sse(&answer_stream("It is thin.")),
    ]);
    let (database, known_providers) = (cluster.address("postgres"), providers(&provider));
    let settings = settings(&database, &known_providers);
    let one = Server::with(&settings);
    let mut client = one.user("ada@example.com");
    let id = begin(&mut client, &["p/slow"]);
    provider.wait_hanging(1);
    // As if it had not reached the database for long.
    assert_eq!(cluster.run("UPDATE servers SET until = 1;"), "");
    let other = Server::with(&settings);
    let mut elsewhere = known(&other, &client);
    let analysis = wait_until_ended(&mut elsewhere, &id);
    assert_eq!(analysis["status"], "completed", "{analysis}");
    provider.wait_for_disconnect("slow");
    // Its own watchers see the end too.
    let all: Vec<Event> = client
        .events(&analysis_path(&id, "/events"), None)
        .collect();
    assert_eq!(names(&all).last(), Some(&"analysis.completed"));
    for (event, number) in all.iter().zip(1..) {
        assert_eq!(event.id, Some(number), "{event:?}");
    }
    assert_eq!(begin_and_end(&mut client), "completed", "it goes on");
}

#[test]
fn a_server_alone_goes_on_after_the_database_was_away_for_long() {
    let cluster = Cluster::start();
    let provider = Provider::script([
        on("slow").stall(&unfinished_stream("It is ")),
        on("slow").sse(&answer_stream("It is thin.")),
        // Long after the server has its row again.
        on("late")
            .after(Duration::from_secs(6))
            .sse(&answer_stream("Eighty grams.")),
    ]);
    let (database, known_providers) = (cluster.address("postgres"), providers(&provider));
    let server = Server::with(&settings(&database, &known_providers));
    let mut client = server.user("ada@example.com");
    let id = begin(&mut client, &["p/slow"]);
    provider.wait_hanging(1);
    let mut waiting = client.clone();
    let awaited = std::thread::spawn(move || {
        waiting.post(
            "/api/analyze",
            short_run_with(&["p/late"], json!({"cache": "off"})),
        )
    });
    provider.wait_called("late");
    // As if its row had expired while the database was away.
    assert_eq!(cluster.run("UPDATE servers SET until = 1;"), "");
    let answer = awaited.join().unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let stored = client.get(&analysis_path(&id_of(&answer), "")).json();
    assert_eq!(stored["status"], "completed", "{stored}");
    let analysis = wait_until_ended(&mut client, &id);
    assert_eq!(analysis["status"], "completed", "{analysis}");
}

/// Begins a run on a server and kills the server. Then gives the run's lease to the other one, which does not know of
/// it, as if its answer had been lost. Returns that one, a client of it, and the run.
fn orphaned(cluster: &Cluster, provider: &Provider, number: u32) -> (Server, Client, String) {
    let (database, known_providers) = (cluster.address("postgres"), providers(provider));
    let settings = settings(&database, &known_providers);
    let folder = Folder::new();
    let first = Executable::with(&folder, &settings);
    let other = Server::with(&settings);
    let mut client = Client::new(first.address).registered("ada@example.com");
    let id = begin(&mut client, &["p/slow"]);
    provider.wait_hanging(1);
    first.kill();
    let boot = "SELECT boot FROM servers ORDER BY started DESC LIMIT 1";
    let give =
        format!("UPDATE leases SET server = ({boot}), number = {number} WHERE name = '{id}';");
    assert_eq!(cluster.run(&give), "");
    let elsewhere = known(&other, &client);
    (other, elsewhere, id)
}

/// A provider whose model stalls once and then answers, if it is asked again.
fn stalling_once() -> Provider {
    Provider::script([
        on("slow").stall(&unfinished_stream("It is ")),
        on("slow").optional().sse(&answer_stream("It is thin.")),
        on("GET models")
            .times(2)
            .optional()
            .status(200, "application/json", "{\"data\":[]}"),
    ])
}

#[test]
fn a_server_resumes_a_run_whose_lease_it_has_without_driving_it() {
    let (cluster, provider) = (Cluster::start(), stalling_once());
    let (_other, mut elsewhere, id) = orphaned(&cluster, &provider, 1);
    let analysis = wait_until_ended(&mut elsewhere, &id);
    assert_eq!(analysis["status"], "completed", "{analysis}");
}

#[test]
fn a_run_that_cannot_be_resumed_is_stopped_through_its_server() {
    let (cluster, provider) = (Cluster::start(), stalling_once());
    // So many leases that the server no longer tries.
    let (_other, mut elsewhere, id) = orphaned(&cluster, &provider, 50);
    let stopped = elsewhere.post(&analysis_path(&id, "/cancel"), json!({}));
    assert_eq!(
        (stopped.status, &stopped.json()["status"]),
        (200, &json!("cancelled")),
        "{}",
        stopped.text()
    );
    assert_eq!(elsewhere.delete(&analysis_path(&id, "")).status, 200);
}

#[test]
fn a_run_that_fails_on_every_server_ends() {
    let (cluster, provider) = (Cluster::start(), stalling_once());
    let (_other, mut elsewhere, id) = orphaned(&cluster, &provider, 10);
    let analysis = wait_until_ended(&mut elsewhere, &id);
    assert_eq!(analysis["status"], "cancelled", "{analysis}");
    let calls = provider.requests();
    let again = calls.iter().filter(|call| call.body["model"] == "slow");
    assert_eq!(again.count(), 1, "it is not asked again");
}

fn begin_and_end(client: &mut Client) -> String {
    let id = begin(client, &["demo/extract"]);
    let analysis = wait_until_ended(client, &id);
    analysis["status"].as_str().unwrap().to_owned()
}

#[test]
fn the_experiment_of_a_killed_server_is_continued_by_another() {
    let cluster = Cluster::start();
    let pause = Duration::from_millis(100);
    let line = |model: &str| on(model).times(500).optional();
    let list = "{\"data\":[]}";
    let provider = Provider::script([
        line("dull").after(pause).sse(&answer_stream("It is 3.")),
        line("bright").after(pause).sse(&answer_stream("It is 4.")),
        line("GET models").status(200, "application/json", list),
    ]);
    let (database, known_providers) = (cluster.address("postgres"), providers(&provider));
    let settings = settings(&database, &known_providers);
    let folder = Folder::new();
    let first = Executable::with(&folder, &settings);
    let second = Server::with(&settings);
    let mut client = Client::new(first.address).registered("ada@example.com");
    let mut elsewhere = known(&second, &client);
    let cases: Vec<_> = (0..8)
        .map(|n| json!({ "prompt": format!("What is {n} and {}?", 4 - n), "expected": "4" }))
        .collect();
    let body = json!({
        "name": "Sums", "cases": cases, "seed": 7,
        "space": [{ "dial": "model", "values": ["p/dull", "p/bright"] }],
        "evaluator": { "kind": "number" }, "budget": { "evaluations": 200 },
    });
    let started = client.post("/api/experiments", body);
    assert_eq!(started.status, 201, "{}", started.text());
    let id = started.json()["experiment_id"].as_str().unwrap().to_owned();
    let path = format!("/api/experiments/{id}");
    provider.wait_called("bright");
    first.kill();
    wait_for("the experiment ends", || {
        elsewhere.get(&path).json()["status"] != "running"
    });
    let ended = elsewhere.get(&path).json();
    assert_eq!(ended["status"], "completed", "{ended}");
}

#[test]
fn an_experiment_is_stopped_through_another_server() {
    let cluster = Cluster::start();
    let provider = Provider::script([
        on("dull").times(2).optional().stall(""),
        on("bright").times(2).optional().stall(""),
    ]);
    let (database, known_providers) = (cluster.address("postgres"), providers(&provider));
    let settings = settings(&database, &known_providers);
    let (one, other) = (Server::with(&settings), Server::with(&settings));
    let mut client = one.user("ada@example.com");
    let mut elsewhere = known(&other, &client);
    let started = client.post(
        "/api/experiments",
        json!({
            "name": "Sums", "cases": [{ "prompt": "What is 2 and 2?", "expected": "4" }], "seed": 7,
            "space": [{ "dial": "model", "values": ["p/dull", "p/bright"] }],
            "evaluator": { "kind": "number" }, "budget": { "evaluations": 200 },
        }),
    );
    assert_eq!(started.status, 201, "{}", started.text());
    let id = started.json()["experiment_id"].as_str().unwrap().to_owned();
    provider.wait_hanging(1);
    let path = format!("/api/experiments/{id}");
    let stopped = elsewhere.post(&format!("{path}/cancel"), json!({}));
    assert_eq!(stopped.status, 200, "{}", stopped.text());
    // Its calls end too, although another server made them.
    provider.wait_for_disconnects(1);
    assert_eq!(client.get(&path).json()["status"], "cancelled");
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
