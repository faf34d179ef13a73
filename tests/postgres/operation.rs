//! Tests operating several servers: what administrators see of them, updates from earlier versions, and limits that
//! apply across all servers.

use std::sync::Arc;

use quire::domain::id::{AnalysisId, UserId};
use quire::store::servers;
use quire::store::{OpenError, Store, StoreError, experiments};
use serde_json::json;

use super::cluster::Cluster;
use super::commands::quire;
use super::members::{ServerPair, WAIT_TIMEOUT, boot, known, member, server_settings, wait_for};
use super::proxy::{FORWARD, HOLD, Proxy};
use super::store::{at, close, open};
use super::support::Server;
use super::support::provider::{Provider, on};
use super::support::script::{begin, providers, short_run};

/// The advisory lock that a server held before several servers could share a database.
const EARLIER_LOCK: &str = "1366649202, hashtext(current_schema())";
/// SQL that reverts the tables for several servers to their form in the previous version.
pub(super) const EARLIER_TABLES: &str = "ALTER TABLE quire_schema DROP COLUMN server_steps;
    DROP TABLE upload_bytes;
    ALTER TABLE servers DROP COLUMN version; ALTER TABLE leases DROP COLUMN owner;";

#[test]
fn administrators_see_the_database_server_and_all_servers() {
    for cluster in [Cluster::start(), Cluster::pooled()] {
        let database = cluster.address("postgres");
        let settings = server_settings(&database, "");
        let (one, other) = (Server::with(&settings), Server::with(&settings));
        let mut admin = one.user("ada@example.com");
        let seen = known(&other, &admin).get("/api/admin/database").json();
        let is_pooled = seen["is_pooled"] == true;
        assert_eq!(is_pooled, database.ends_with("=6432"), "{seen}");
        assert!(
            seen["engine"].as_str().unwrap().starts_with("PostgreSQL 1"),
            "{seen}"
        );
        let connections = &seen["connections"];
        let number = |name: &str| connections[name].as_u64().unwrap();
        assert_eq!(number("max"), 100, "{seen}");
        assert!(number("used_by_quire") >= 1, "{seen}");
        assert!(number("used") >= number("used_by_quire"), "{seen}");
        assert_eq!(seen["replicas"], 0, "{seen}");
        assert_eq!(seen["replica_lag_bytes"], json!(null), "{seen}");
        let servers = seen["servers"].as_array().unwrap();
        let own = servers.iter().filter(|server| server["is_this"] == true);
        assert_eq!((servers.len(), own.count()), (2, 1), "{seen}");
        for server in servers {
            assert_eq!(server["version"], env!("CARGO_PKG_VERSION"), "{seen}");
        }
        // Other users cannot see this, and the public health check does not contain it.
        let mut guest = one.user("bob@example.com");
        guest.get("/api/admin/database").refused(403, "FORBIDDEN");
        let health = guest.get("/api/health").json();
        assert_eq!(health["database"].as_object().unwrap().len(), 3, "{health}");
        let (_, printed) = quire(&cluster, &["doctor"]);
        let expected = format!("2 are running: {}", env!("CARGO_PKG_VERSION"));
        assert!(printed.contains(&expected), "{printed}");
        assert!(printed.contains("of 100 connections"), "{printed}");
        assert_eq!(printed.contains("a pooler"), is_pooled, "{printed}");
        admin.get("/api/admin/database");
    }
}

/// A session of another program, which ends on drop.
pub(super) struct OtherSession(std::process::Child);

impl OtherSession {
    /// Opens a session and runs a statement whose answer is a single line. Returns the session and the answer.
    pub(super) fn begin(cluster: &Cluster, sql: &str) -> (Self, String) {
        use std::io::{BufRead, BufReader, Write};
        let mut psql = std::process::Command::new("psql")
            .args(["-X", "-q", "-t", "-A", "-d", &cluster.direct_address()])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let input = psql.stdin.as_mut().unwrap();
        writeln!(input, "{sql};").unwrap();
        let mut answer = String::new();
        let output = psql.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut answer).unwrap();
        (Self(psql), answer.trim().to_owned())
    }

    /// Takes the lock that a server of a version without leases held while it was running; `None` if the lock is taken.
    pub(super) fn earlier_server(cluster: &Cluster) -> Option<Self> {
        let sql = format!("SELECT pg_try_advisory_lock({EARLIER_LOCK})");
        let (session, answer) = Self::begin(cluster, &sql);
        (answer == "t").then_some(session)
    }
}

impl Drop for OtherSession {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn a_server_of_an_earlier_version_and_one_of_today_exclude_each_other() {
    let cluster = Cluster::direct();
    let store = open(&cluster, "postgres").unwrap();
    let earlier = OtherSession::earlier_server(&cluster).expect("commands do not keep it away");
    let refused = store.join_servers(1);
    assert!(
        matches!(refused, Err(StoreError::Conflict(_))),
        "{refused:?}"
    );
    drop(earlier);
    while store.join_servers(1).is_err() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let other = member(&cluster, 2);
    assert!(
        OtherSession::earlier_server(&cluster).is_none(),
        "two of today run"
    );
    close(&store);
    close(&other);
}

#[test]
fn a_server_that_has_lost_the_database_to_one_of_an_earlier_version_must_stop() {
    let cluster = Cluster::direct();
    let store = member(&cluster, 1);
    let membership = store.membership().unwrap();
    assert!(!membership.is_excluded());
    let earlier = loop {
        cluster.halt();
        cluster.begin();
        // This succeeds unless a current server connects first.
        if let Some(earlier) = OtherSession::earlier_server(&cluster) {
            break earlier;
        }
    };
    wait_for("it is excluded", || membership.is_excluded());
    drop(earlier);
    close(&store);
}

#[test]
fn a_start_that_waits_for_tables_in_use_does_not_delay_running_servers() {
    let cluster = Cluster::start();
    let store = member(&cluster, 1);
    // The tables have the form of the previous version, and another program such as pg_dump is reading them for a long
    // time.
    assert_eq!(cluster.run(EARLIER_TABLES), "");
    let sql = "BEGIN; LOCK TABLE servers, leases IN ACCESS SHARE MODE; SELECT 1";
    let (dump, _) = OtherSession::begin(&cluster, sql);
    let until = || {
        cluster.run("DO $$ BEGIN RAISE EXCEPTION '%', (SELECT max(until) FROM servers); END $$;")
    };
    std::thread::scope(|scope| {
        let start = scope.spawn(|| member(&cluster, 2));
        for _ in 0..3 {
            let before = until();
            wait_for("the running server renews its row", || until() != before);
            assert!(!start.is_finished(), "it waits");
        }
        drop(dump);
        let other = start.join().unwrap();
        assert_eq!(store.membership().unwrap().entries(), 1, "never expired");
        assert_eq!(store.read_now(servers::count_alive), Ok(2));
        close(&other);
    });
    close(&store);
}

#[test]
fn behind_a_pooler_a_running_server_of_an_earlier_version_is_found() {
    let cluster = Cluster::pooled();
    let store = open(&cluster, "postgres").unwrap();
    let earlier = OtherSession::earlier_server(&cluster).unwrap();
    let refused = store.join_servers(1);
    assert!(
        matches!(refused, Err(StoreError::Conflict(_))),
        "{refused:?}"
    );
    drop(earlier);
    close(&store);
}

#[test]
fn tables_of_servers_are_added_in_steps_and_never_taken_for_others() {
    let cluster = Cluster::start();
    close(&open(&cluster, "postgres").unwrap());
    assert_eq!(cluster.run(EARLIER_TABLES), "");
    let store = member(&cluster, 1);
    let steps = "DO $$ BEGIN IF (SELECT server_steps FROM quire_schema) <> 3 THEN RAISE EXCEPTION 'no'; END IF; END $$;";
    assert_eq!(cluster.run(steps), "");
    // A server of the previous version keeps working.
    let enter = "INSERT INTO servers (boot, started, until) VALUES ('old', 1, quire_now() + 9000);
                 INSERT INTO leases (name, server, number) VALUES ('analysis_old', 'old', 1);";
    assert_eq!(cluster.run(enter), "");
    assert_eq!(store.read_now(servers::count_alive), Ok(2));
    close(&store);
    // Steps that this program does not know only add tables and columns.
    assert_eq!(cluster.run("UPDATE quire_schema SET server_steps = 9;"), "");
    close(&open(&cluster, "postgres").unwrap());
    // A table has the same name as one of ours, but belongs to another program.
    assert_eq!(cluster.run(EARLIER_TABLES), "");
    let foreign = "DROP TABLE run_commands; CREATE TABLE run_commands (line TEXT);";
    assert_eq!(cluster.run(foreign), "");
    let refused = open(&cluster, "postgres").err();
    let is_named = |error: &OpenError| error.to_string().contains("run_commands");
    assert!(refused.as_ref().is_some_and(is_named), "{refused:?}");
}

#[test]
fn a_person_has_no_more_runs_on_two_servers_than_on_one() {
    let cluster = Cluster::start();
    let provider = Provider::script([on("slow").times(72).optional().stall("")]);
    let mut pair = ServerPair::start(&cluster, &provider);
    for number in 0..24 {
        let client = match number % 2 {
            0 => &mut pair.client,
            _ => &mut pair.elsewhere,
        };
        begin(client, &["p/slow"]);
    }
    for client in [&mut pair.client, &mut pair.elsewhere] {
        let body = json!({ "prompt": "Once more?", "models": ["p/slow"], "async": true });
        let refused = client.post("/api/analyze", body);
        assert_eq!(refused.status, 429, "{}", refused.text());
    }
}

#[test]
fn servers_announce_new_events_and_commands_to_each_other() {
    let cluster = Cluster::direct();
    let stores = [member(&cluster, 1), member(&cluster, 2)];
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().unwrap();
    let [one, other] = stores.each_ref().map(|store| store.membership().unwrap());
    let [_, mut watch] = [one, other].map(|member| {
        let watch = member.watch_notices().unwrap();
        wait_for("its own notice arrives", || watch.is_live());
        watch
    });
    let (id, unrelated) = (AnalysisId::new(at(1), 1), AnalysisId::new(at(1), 2));
    one.announce_events(&unrelated);
    one.announce_command(&unrelated);
    one.announce_events(&id);
    runtime.block_on(async {
        let arrives = watch.wait_for_events(&id);
        tokio::time::timeout(WAIT_TIMEOUT, arrives).await.unwrap();
        one.announce_command(&id);
        let arrives = watch.wait_for_command(|driven| *driven == id);
        tokio::time::timeout(WAIT_TIMEOUT, arrives).await.unwrap();
    });
    // After an outage of the database, notices arrive again.
    cluster.halt();
    wait_for("the loss is noticed", || !watch.is_live());
    cluster.begin();
    wait_for("notices arrive again", || watch.is_live());
    stores.iter().for_each(close);
}

#[test]
fn notices_recover_from_a_peer_that_accepts_connections_and_stays_silent() {
    let cluster = Cluster::direct();
    let proxy = Proxy::start(&cluster);
    let store = proxy.open(&cluster);
    store.join_servers(1).unwrap();
    let watch = store.membership().unwrap().watch_notices().unwrap();
    wait_for("notices arrive", || watch.is_live());
    proxy.set(HOLD);
    cluster.halt();
    wait_for("the loss is noticed", || !watch.is_live());
    cluster.begin();
    // These are the connection of the membership and the connection for notices.
    wait_for("both connections are silent", || proxy.held() >= 2);
    proxy.set(FORWARD);
    wait_for("notices arrive again", || watch.is_live());
    close(&store);
}

/// Runs a function on both stores at the same time, and returns the results.
fn at_once<T: Send>(stores: &[Store; 2], act: impl Fn(&Store) -> T + Sync) -> [T; 2] {
    std::thread::scope(|scope| {
        let threads = stores.each_ref().map(|store| {
            let act = &act;
            scope.spawn(move || act(store))
        });
        threads.map(|thread| thread.join().unwrap())
    })
}

#[test]
fn of_two_starts_at_once_on_two_servers_only_what_is_allowed_succeeds() {
    let cluster = Cluster::start();
    let stores = [member(&cluster, 1), member(&cluster, 2)];
    for round in 0..10_u128 {
        let owner = format!("user_{round}");
        let started = at_once(&stores, |store| {
            let (boot, owner) = (boot(store), owner.clone());
            let number = round * 2 + u128::from(boot.ends_with('2'));
            let id = AnalysisId::new(at(1_000), number);
            store.write_now(move |db| {
                servers::check_run_count(db, &owner, 1)?;
                servers::lease_run(db, &id, &boot, &owner)
            })
        });
        let refused = started
            .iter()
            .filter(|one| **one == Err(StoreError::Conflict(servers::TOO_MANY_RUNS)));
        assert_eq!(refused.count(), 1, "{started:?}");
    }
    // Experiments have the same lock: the second server waits for the first one's transaction.
    let user = UserId::new(at(1_000), 1);
    let busy = Arc::new(std::sync::Mutex::new(0));
    let counted = at_once(&stores, |store| {
        let (user, busy) = (user.clone(), busy.clone());
        store.write_now(move |db| {
            experiments::lock_starts(db, &user)?;
            let _alone = busy.try_lock().expect("the other one waits");
            std::thread::sleep(std::time::Duration::from_millis(50));
            Ok(())
        })
    });
    assert_eq!(counted, [Ok(()), Ok(())]);
    stores.iter().for_each(close);
}

#[test]
fn servers_divide_the_concurrency_of_a_provider() {
    let cluster = Cluster::start();
    let provider = Provider::script([on("slow").times(4).optional().stall("")]);
    let listed = providers(&provider).replacen("{", "{\"concurrency\":2,", 1);
    let database = cluster.address("postgres");
    let settings = server_settings(&database, &listed);
    let (one, other) = (Server::with(&settings), Server::with(&settings));
    let mut client = one.user("ada@example.com");
    let mut elsewhere = known(&other, &client);
    // Wait until both servers have seen each other.
    for server in [&one, &other] {
        while server.app.server_count() < 2 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        server.app.share_limits();
    }
    for client in [&mut client, &mut elsewhere] {
        begin(client, &["p/slow"]);
        begin(client, &["p/slow"]);
    }
    provider.wait_hanging(2);
    for server in [&one, &other] {
        wait_for("one call runs and one waits", || {
            let load = server.app.health().activity();
            (load.calls, load.calls_waiting) == (1, 1)
        });
    }
}

/// What a later version may do to every table when it starts.
const ADD_COLUMNS: &str = "DO $$ DECLARE name TEXT; BEGIN
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema() LOOP
            EXECUTE format('ALTER TABLE %I ADD COLUMN added_later BIGINT NOT NULL DEFAULT 0', name);
        END LOOP;
        CREATE TABLE added_later (id BIGINT NOT NULL PRIMARY KEY);
        UPDATE quire_schema SET server_steps = server_steps + 1;
    END $$;";

/// A prepared statement that returns all columns fails once on each connection, which is then replaced.
#[test]
fn a_server_goes_on_when_a_later_version_adds_columns_to_every_table() {
    let cluster = Cluster::start();
    let database = cluster.address("postgres");
    let server = Server::with(&server_settings(&database, ""));
    let mut client = server.user("ada@example.com");
    let mut work = || {
        let me = client.get("/api/users/me").status;
        let created = client.post("/api/projects", json!({ "name": "Mills" }));
        let begun = client.post("/api/analyze", short_run(&["demo/extract"]));
        let listed = client.get("/api/analyses?limit=20");
        let keys = client.get("/api/users/me/api-keys").status;
        [me, created.status, begun.status, listed.status, keys]
    };
    let all_is_well = |statuses: [u16; 5]| statuses.iter().all(|status| *status < 300);
    let first = work();
    assert!(all_is_well(first), "{first:?}");
    assert_eq!(cluster.run(ADD_COLUMNS), "");
    wait_for("it uses the new tables", || {
        let statuses = work();
        let known = |status: &u16| *status < 300 || *status == 503;
        assert!(statuses.iter().all(known), "{statuses:?}");
        all_is_well(statuses)
    });
    let again = work();
    assert!(all_is_well(again), "{again:?}");
    // Another server of this version can still start.
    let other = Server::with(&server_settings(&database, ""));
    assert_eq!(known(&other, &client).get("/api/users/me").status, 200);
}
