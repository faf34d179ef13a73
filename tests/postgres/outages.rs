//! Tests what servers do while the database is unavailable, and when it is available again.

use quire::clock;
use quire::domain::id::AnalysisId;
use quire::store::servers::{self, RunLease};
use quire::store::{Membership, Store};

use serde_json::json;

use super::cluster::Cluster;
use super::members::{KillablePair, boot, known, member, server_settings, wait_for};
use super::operation::OtherSession;
use super::proxy::{BLACK_HOLE, FORWARD, Proxy, REFUSE};
use super::servers::{check, insert_run};
use super::store::close;
use super::support::Server;
use super::support::client::Event;
use super::support::provider::{Provider, on};
use super::support::script::{
    analysis_path, answer_stream, begin, providers, unfinished_stream, wait_until_ended,
};

/// Returns whether a condition is true in the database.
pub(super) fn holds(cluster: &Cluster, condition: &str) -> bool {
    let check =
        format!("DO $$ BEGIN IF NOT ({condition}) THEN RAISE EXCEPTION 'no'; END IF; END $$;");
    cluster.run(&check).is_empty()
}

/// Returns a provider whose model stalls at the first call, and answers the second one.
fn stalling_once() -> Provider {
    Provider::script([
        on("slow").stall(&unfinished_stream("It is ")),
        on("slow").sse(&answer_stream("It is thin.")),
        on("GET models")
            .times(2)
            .optional()
            .status(200, "application/json", "{\"data\":[]}"),
    ])
}

/// Takes over runs as a server does, and returns their IDs.
fn take_over(store: &Store) -> Vec<AnalysisId> {
    let (boot, may_declare_dead) = (boot(store), membership(store).may_declare_dead());
    let taken =
        store.write_now(move |db| servers::take_over_lost_runs(db, &may_declare_dead, &boot, 9));
    let taken = taken.unwrap_or_default();
    taken.into_iter().map(|(id, _)| id).collect()
}

fn membership(store: &Store) -> &Membership {
    store.membership().unwrap()
}

fn is_current(store: &Store) -> bool {
    membership(store).is_current(clock::instant())
}

#[test]
fn after_an_outage_the_first_server_gives_the_others_time_to_return() {
    let cluster = Cluster::start();
    let proxy = Proxy::start(&cluster);
    let (one, other) = (member(&cluster, 1), proxy.open(&cluster));
    other.join_servers(2).unwrap();
    let run = insert_run(&cluster, 1);
    let (id, server) = (run.clone(), boot(&other));
    let leased = other.write_now(move |db| servers::lease_run(db, &id, &server, ""));
    leased.unwrap();
    wait_for(
        "the first one may judge",
        membership(&one).may_declare_dead(),
    );

    proxy.set(REFUSE);
    cluster.halt();
    wait_for("both have lost the database", || {
        !is_current(&one) && !is_current(&other)
    });
    // Only the first store reaches the database again, after the row of the other one has expired.
    cluster.begin();
    let expired = format!(
        "UPDATE servers SET until = 1 WHERE boot = '{}'",
        boot(&other)
    );
    assert_eq!(cluster.run(&expired), "");
    wait_for("the first one is back", || is_current(&one));
    assert_eq!(take_over(&one), [], "the other one may be alive");
    proxy.set(FORWARD);
    wait_for("the other one is back", || is_current(&other));
    assert_eq!(check(&other, &run, RunLease::NEW), Ok(()), "it has its run");

    proxy.set(BLACK_HOLE);
    wait_for("a server that stays away loses its runs", || {
        take_over(&one) == [run.clone()]
    });
    assert!(!is_current(&other), "it has stopped before");
    proxy.set(FORWARD);
    close(&one);
    close(&other);
}

#[test]
fn a_server_that_alone_has_lost_the_database_stops_its_run_before_another_continues_it() {
    let (cluster, provider) = (Cluster::start(), stalling_once());
    let proxy = Proxy::start(&cluster);
    let known_providers = providers(&provider);
    let [lost, kept] = [proxy.database(), cluster.address("postgres")];
    let one = Server::with(&server_settings(&lost, &known_providers));
    let other = Server::with(&server_settings(&kept, &known_providers));
    let mut client = one.user("ada@example.com");
    let id = begin(&mut client, &["p/slow"]);
    provider.wait_hanging(1);
    proxy.set(BLACK_HOLE);
    provider.wait_for_disconnect("slow");
    let is_leased = format!("EXISTS (SELECT 1 FROM leases WHERE name = '{id}' AND number = 1)");
    assert!(holds(&cluster, &is_leased), "nobody has taken it over yet");
    let analysis = wait_until_ended(&mut known(&other, &client), &id);
    assert_eq!(analysis["status"], "completed", "{analysis}");
    proxy.set(FORWARD);
}

#[test]
fn a_frozen_server_writes_nothing_to_its_run_after_another_has_taken_it_over() {
    let (cluster, provider) = (Cluster::start(), stalling_once());
    let mut pair = KillablePair::start(&cluster, &provider);
    let id = begin(&mut pair.client, &["p/slow"]);
    provider.wait_hanging(1);
    let first = pair.first.as_ref().unwrap();
    first.signal("-STOP");
    let analysis = wait_until_ended(&mut pair.elsewhere, &id);
    assert_eq!(analysis["status"], "completed", "{analysis}");
    let path = analysis_path(&id, "/events");
    let before: Vec<Event> = pair.elsewhere.events(&path, None).collect();
    first.signal("-CONT");
    provider.wait_for_disconnect("slow");
    // The other store also recovers.
    wait_for("both are alive", || {
        holds(
            &cluster,
            "(SELECT count(*) FROM servers WHERE until > quire_now()) = 2",
        )
    });
    let after: Vec<Event> = pair.client.events(&path, None).collect();
    assert_eq!(before, after);
}

#[test]
fn a_renewal_that_waits_longer_than_the_lease_is_not_written_expired() {
    let cluster = Cluster::start();
    let store = member(&cluster, 1);
    let note = "CREATE TABLE written_expired (until BIGINT);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF new.until <= quire_now() THEN INSERT INTO written_expired VALUES (new.until); END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER note AFTER INSERT OR UPDATE ON servers FOR EACH ROW EXECUTE FUNCTION note();";
    assert_eq!(cluster.run(note), "");
    let (other, _) = OtherSession::begin(&cluster, "BEGIN; SELECT 1 FROM servers FOR UPDATE");
    // The next renewal is sent at most 2 seconds after the last one and waits for the lock. Once the row has been
    // expired for longer than that, the value that this renewal would write has expired too.
    wait_for("its row has expired for long", || {
        let expired = "NOT EXISTS (SELECT 1 FROM servers WHERE until > quire_now() - 4000)";
        holds(&cluster, expired)
    });
    assert!(!is_current(&store), "it knows");
    drop(other);
    wait_for("it is back", || is_current(&store));
    assert_eq!(store.read_now(servers::count_alive), Ok(1));
    let none = "NOT EXISTS (SELECT 1 FROM written_expired)";
    assert!(holds(&cluster, none), "it was written expired");
    close(&store);
}

#[test]
fn a_database_that_only_allows_reading_is_used_again_without_a_restart() {
    let cluster = Cluster::start();
    let database = cluster.address("postgres");
    let server = Server::with(&server_settings(&database, ""));
    let mut client = server.user("ada@example.com");
    let set = |setting: &str| {
        let changed = format!("ALTER SYSTEM {setting};\nSELECT pg_reload_conf();");
        assert_eq!(cluster.run(&changed), "");
    };
    let mut create = || {
        // The client stays signed in.
        let me = client.get("/api/users/me").status;
        assert!([200, 503].contains(&me), "{me}");
        let created = client.post("/api/projects", json!({ "name": "Mills" }));
        assert!([201, 503].contains(&created.status), "{}", created.text());
        created.status
    };
    assert_eq!(create(), 201);
    set("SET default_transaction_read_only = on");
    wait_for("changes are refused", || create() == 503);
    set("RESET default_transaction_read_only");
    wait_for("changes are made", || create() == 201);
}
