//! Tests a standby of the database server: its lag is reported, and when it takes over, servers continue without a
//! restart and without losing an acknowledged change.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use quire::store::{Store, users};
use serde_json::json;

use super::cluster::Cluster;
use super::commands::quire;
use super::members::{known, server_settings, wait_for};
use super::proxy::{HOLD, Proxy};
use super::standby::Standby;
use super::store::{close, user};
use super::support::provider::{Provider, on};
use super::support::script::{analysis_path, answer_stream, begin, providers};
use super::support::{Client, Server};

/// SQL that writes 80 MB in rows of 1 KB, which is more than the replication lag at which `doctor` warns (64 MB).
const FILLER: &str =
    "CREATE TABLE filler AS SELECT repeat('levy ', 200) AS text FROM generate_series(1, 80000);";
/// Minimum number of changes that each client makes before the failover, and number that it makes afterward.
const CHANGES: usize = 15;

#[test]
fn the_lag_of_a_paused_standby_is_shown_and_does_not_stop_writing() {
    let cluster = Cluster::direct();
    let standby = Standby::of(&cluster);
    let database = cluster.address("postgres");
    let server = Server::with(&server_settings(&database, ""));
    let mut admin = server.user("ada@example.com");
    let mut lag = || {
        let seen = admin.get("/api/admin/database").json();
        assert_eq!(seen["replicas"], 1, "{seen}");
        seen["replica_lag_bytes"].as_u64().unwrap()
    };
    wait_for("it has caught up", || lag() < 1_000_000);
    standby.pause();
    assert_eq!(cluster.run(FILLER), "");
    assert!(lag() > 64_000_000, "{}", lag());
    let (_, printed) = quire(&cluster, &["doctor"]);
    let line = printed.lines().find(|line| line.contains("replicas: 1"));
    let line = line.unwrap_or_else(|| panic!("{printed}"));
    assert!(line.contains("MB of the log behind"), "{line}");
    assert!(line.contains("warning"), "{line}");
    let name = json!({ "name": "Ada, meanwhile" });
    assert_eq!(
        server
            .user("bob@example.com")
            .put("/api/users/me", name)
            .status,
        200
    );
    standby.resume();
    wait_for("it has caught up again", || lag() < 1_000_000);
}

/// Returns a database address with several hosts: the addresses of these proxies.
fn several_hosts(links: &[Proxy]) -> String {
    let hosts: Vec<_> = links
        .iter()
        .map(|link| link.address().to_string())
        .collect();
    let hosts = hosts.join(",");
    format!("postgres://quire@{hosts}/postgres?sslmode=disable&target_session_attrs=read-write")
}

/// A user who sets the account's name to one number after the other.
struct Writer {
    client: Client,
    email: String,
    /// Number of the last change that was acknowledged.
    acknowledged: AtomicUsize,
    is_refused: AtomicBool,
}

impl Writer {
    fn new(server: &Server, number: usize) -> Self {
        let email = format!("writer{number}@example.com");
        Self {
            client: server.user(&email),
            email,
            acknowledged: AtomicUsize::new(0),
            is_refused: AtomicBool::new(false),
        }
    }

    /// Changes the name to this number. Returns whether the change was acknowledged; if not, checks that the error
    /// mentions the database.
    fn change(&self, number: usize) -> bool {
        let name = json!({ "name": number.to_string() });
        let answer = self.client.clone().put("/api/users/me", name);
        if answer.status != 200 {
            let error = answer.refused(503, "SERVICE_UNAVAILABLE");
            assert!(error.to_string().contains("database"), "{error}");
            return false;
        }
        self.acknowledged.store(number, Relaxed);
        true
    }

    /// Makes changes until one is refused, waits until the database can be read again, and makes more.
    fn work(&self, standby: &Standby) {
        let refused = (1..).find(|number| !self.change(*number)).unwrap();
        self.is_refused.store(true, Relaxed);
        wait_for("it reads again", || {
            let answer = self.client.clone().get("/api/users/me");
            assert!([200, 503].contains(&answer.status), "{}", answer.text());
            answer.status == 200
        });
        let last = refused - 1;
        let kept = format!(
            "EXISTS (SELECT 1 FROM users WHERE email = '{}' AND name IN ('{last}', '{refused}'))",
            self.email
        );
        assert!(standby.holds(&kept), "{} has lost {last}", self.email);
        for number in refused + 1..=refused + CHANGES {
            wait_for("it changes again", || self.change(number));
        }
    }
}

#[test]
fn a_promoted_standby_has_all_that_was_acknowledged_and_servers_find_it_by_themselves() {
    let cluster = Cluster::direct();
    let standby = Standby::of(&cluster);
    standby.delay_commits();
    let links = [5432, standby.port()].map(|port| Proxy::on_port(&cluster, port));
    let provider = Provider::answering(|request| {
        let answer = on(&request.model()).after(Duration::from_millis(1_500));
        answer.sse(&answer_stream("It is due in May."))
    });
    let (database, listed) = (several_hosts(&links), providers(&provider));
    let settings = server_settings(&database, &listed);
    let servers = [Server::with(&settings), Server::with(&settings)];
    let mut ada = servers[0].user("ada@example.com");
    let writers: Vec<_> = (0..4)
        .map(|number| Writer::new(&servers[number % 2], number))
        .collect();
    let run = std::thread::scope(|scope| {
        for writer in &writers {
            let standby = &standby;
            scope.spawn(move || writer.work(standby));
        }
        wait_for("changes are acknowledged", || {
            let mut all = writers.iter();
            all.all(|writer| writer.acknowledged.load(Relaxed) >= CHANGES)
        });
        let run = begin(&mut ada, &["p/slow"]);
        // By the time the model is called, the run's budgets have been read.
        provider.wait_called("slow");
        cluster.halt();
        wait_for("changes are refused", || {
            writers.iter().all(|writer| writer.is_refused.load(Relaxed))
        });
        standby.promote();
        run
    });
    wait_for("the run has ended", || {
        let answer = ada.get(&analysis_path(&run, ""));
        answer.status == 200 && !answer.json()["finished_at"].is_null()
    });
    let analysis = known(&servers[1], &ada)
        .get(&analysis_path(&run, ""))
        .json();
    assert_eq!(analysis["status"], "completed", "{analysis}");
}

#[test]
fn a_host_that_never_answers_does_not_keep_from_the_next() {
    let cluster = Cluster::direct();
    let links = [5432, 5432].map(|port| Proxy::on_port(&cluster, port));
    links[0].set(HOLD);
    let store = Store::open_postgres(&several_hosts(&links), None, cluster.folder()).unwrap();
    assert_eq!(links[0].held(), 1);
    store.write_now(|db| users::insert(db, &user(1))).unwrap();
    assert_eq!(store.read_now(users::count), Ok(1));
    assert_eq!(
        links[0].held(),
        1,
        "the next connections begin with the other"
    );
    close(&store);
}
