//! Scenarios with several servers that do not fit into another file: see the table in `tests/README.md`.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::cluster::Cluster;
use super::members::{SECRET, ServerPair, server_settings, wait_for};
use super::operation::EARLIER_TABLES;
use super::outages::holds;
use super::pooler::answer_about_a_document;
use super::runs::follow_and_stop;
use super::servers::{reserve_at_once, upload_and_read};
use super::store::{change_and_fail, close, find_passages, open};
use super::support::Client;
use super::support::client::Event;
use super::support::executable::Executable;
use super::support::provider::{Provider, on};
use super::support::script::{
    analysis_path, answer_stream, begin, unfinished_stream, wait_until_ended,
};
use super::support::server::Folder;

#[test]
fn every_follower_sees_each_event_once_and_in_order() {
    let cluster = Cluster::start();
    let text = "The paper is thin. ".repeat(60);
    let pause = Duration::from_millis(10);
    let pieces = on("long").sse_in_pieces(&answer_stream(&text), 400, pause);
    let provider = Provider::script([pieces]);
    let mut pair = ServerPair::start(&cluster, &provider);
    let id = begin(&mut pair.client, &["p/long"]);
    let path = analysis_path(&id, "/events");
    let follow = |client: &Client, after: Option<u64>| -> Vec<Event> {
        let mut client = client.clone();
        client.events(&path, after).collect()
    };
    std::thread::scope(|scope| {
        // Each client starts to follow after the first one has received another event.
        let mut streams = Vec::new();
        let mut first = pair.elsewhere.clone();
        let mut leader = first.events(&path, None);
        for _ in 0..6 {
            let event = leader.next().expect("it is not over");
            let (client, after) = (pair.elsewhere.clone(), event.id);
            let follow = &follow;
            streams.push((after, scope.spawn(move || follow(&client, after))));
        }
        drop(leader);
        let all = follow(&pair.client, None);
        for (event, number) in all.iter().zip(1..) {
            assert_eq!(event.id, Some(number), "{event:?}");
        }
        assert_eq!(follow(&pair.elsewhere, None), all);
        for (after, stream) in streams {
            let after = after.unwrap() as usize;
            assert_eq!(stream.join().unwrap(), all[after..]);
        }
    });
}

#[test]
fn a_stream_ends_when_the_run_has_ended_without_an_announcement() {
    let cluster = Cluster::start();
    let provider = Provider::script([on("slow").stall(&unfinished_stream("It is "))]);
    let mut pair = ServerPair::start(&cluster, &provider);
    let id = begin(&mut pair.client, &["p/slow"]);
    provider.wait_hanging(1);
    let path = analysis_path(&id, "/events");
    let mut follower = pair.elsewhere.clone();
    let mut events = follower.events(&path, None);
    wait_for("it has begun", || {
        events
            .next()
            .is_some_and(|event| event.name == "member.delta")
    });
    // Simulates that the server that drives the run has stored its end, but that the notice was lost.
    let end = format!(
        "BEGIN;
         INSERT INTO events (analysis_id, seq, kind, data)
             SELECT '{id}', 1000, 'analysis.cancelled', '{{}}';
         UPDATE analyses SET status = 'cancelled', finished = created + 1 WHERE id = '{id}';
         DELETE FROM leases WHERE name = '{id}';
         COMMIT;"
    );
    assert_eq!(cluster.run(&end), "");
    let last = events.last().expect("there are more events");
    assert_eq!(last.name, "analysis.cancelled");
}

#[test]
fn of_three_servers_that_start_together_on_an_empty_database_one_may_be_killed() {
    start_three_and_kill_one(&Cluster::start());
}

#[test]
fn of_three_servers_that_start_together_on_an_older_database_one_may_be_killed() {
    let cluster = Cluster::start();
    close(&open(&cluster, "postgres").unwrap());
    assert_eq!(cluster.run(EARLIER_TABLES), "");
    start_three_and_kill_one(&cluster);
    let steps = "(SELECT server_steps FROM quire_schema) = 3";
    assert!(holds(&cluster, steps), "not all steps were made");
}

/// Starts three servers at the same time, and kills one as soon as all of them are connected.
fn start_three_and_kill_one(cluster: &Cluster) {
    let database = cluster.address("postgres");
    let settings = server_settings(&database, "");
    let folders = [(); 3].map(|()| Folder::new());
    let connected =
        "DO $$ BEGIN IF (SELECT count(*) FROM pg_stat_activity WHERE datname = 'postgres') < 3
                     THEN RAISE EXCEPTION 'no'; END IF; END $$;";
    std::thread::scope(|scope| {
        let [one, other, killed] = folders.each_ref();
        let settings = &settings;
        let starts =
            [one, other].map(|folder| scope.spawn(move || Executable::with(folder, settings)));
        let mut third = Command::new(env!("CARGO_BIN_EXE_quire"))
            .env_clear()
            .envs([
                ("DATABASE_URL", database.as_str()),
                ("QUIRE_SECRET", SECRET),
            ])
            .envs([
                ("PORT", "0"),
                ("HOST", "127.0.0.1"),
                ("ENVIRONMENT", "test"),
            ])
            .env("QUIRE_DATA", killed.path().join("data"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for("they are connected", || cluster.run(connected).is_empty());
        third.kill().unwrap();
        third.wait().unwrap();
        let [one, other] = starts.map(|start| start.join().unwrap());
        let mut client = Client::new(one.address).registered("ada@example.com");
        let id = begin(&mut client, &["demo/extract"]);
        let analysis = wait_until_ended(&mut other.known(&client), &id);
        assert_eq!(analysis["status"], "completed", "{analysis}");
    });
    let once = "(SELECT count(*) FROM quire_schema) = 1";
    assert!(holds(cluster, once), "it was created twice");
}

/// No code may wait for a second connection while it holds the only one.
#[test]
fn a_pool_of_one_connection_is_enough() {
    let pool_of_one = || Cluster::pooled_with(1);
    change_and_fail(&pool_of_one());
    find_passages(&pool_of_one());
    follow_and_stop(&pool_of_one());
    upload_and_read(&pool_of_one());
    reserve_at_once(&pool_of_one());
    answer_about_a_document(&pool_of_one());
}
