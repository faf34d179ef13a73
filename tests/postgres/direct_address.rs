//! Tests DATABASE_DIRECT_URL, a second address of the database that bypasses the pooler in front of it.

use quire::domain::id::AnalysisId;
use quire::store::{OpenError, ServerAddresses, Store};

use super::cluster::Cluster;
use super::commands::quire_with;
use super::members::{WAIT_TIMEOUT, wait_for};
use super::store::{at, close};

fn open_with(cluster: &Cluster, direct: &str) -> Result<Store, OpenError> {
    let addresses = ServerAddresses {
        database: &cluster.address("postgres"),
        direct: Some(direct),
        authorities: None,
    };
    Store::open_on_server(addresses, cluster.folder())
}

#[test]
fn behind_a_pooler_events_and_commands_are_announced_through_the_direct_address() {
    let cluster = Cluster::pooled();
    let direct = cluster.direct_address();
    let stores = [1, 2].map(|seed| {
        let store = open_with(&cluster, &direct).unwrap();
        store.join_servers(seed).unwrap();
        store
    });
    let [one, other] = stores.each_ref().map(|store| store.membership().unwrap());
    let [_, mut watch] = [one, other].map(|member| {
        let watch = member.watch_notices().unwrap();
        wait_for("its own notice arrives", || watch.is_live());
        watch
    });
    let id = AnalysisId::new(at(1), 1);
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().unwrap();
    runtime.block_on(async {
        let arrives = async {
            one.announce_events(&id);
            watch.wait_for_events(&id).await;
            one.announce_command(&id);
            watch.wait_for_command(|driven| *driven == id).await;
        };
        let arrived = tokio::time::timeout(WAIT_TIMEOUT, arrives).await;
        arrived.expect("both are announced");
    });
    stores.iter().for_each(close);
}

#[test]
fn a_direct_address_of_another_database_is_refused_and_nothing_is_created_there() {
    let cluster = Cluster::pooled();
    let script = "CREATE DATABASE other;\nCREATE SCHEMA other;";
    assert_eq!(cluster.run(script), "");
    let direct = cluster.direct_address();
    let database = direct.replacen("/postgres?", "/other?", 1);
    let schema = format!("{direct}&options=-c%20search_path%3Dother");
    for address in [&database, &schema] {
        let refused = open_with(&cluster, address).err();
        let is_named = |error: &OpenError| matches!(error, OpenError::DirectAddress(_));
        assert!(refused.as_ref().is_some_and(is_named), "{refused:?}");
    }
    let check = "DO $$ BEGIN IF EXISTS (SELECT 1 FROM information_schema.tables
                     WHERE table_schema IN ('public', 'other')) THEN RAISE EXCEPTION 'created'; END IF; END $$;";
    for database in ["postgres", "other"] {
        assert_eq!(cluster.run(&format!("\\c {database}\n{check}")), "");
    }
    let settings = [("DATABASE_DIRECT_URL", database.as_str())];
    let (succeeded, printed) = quire_with(&cluster, &["doctor"], &settings);
    assert!(
        !succeeded && printed.contains("DATABASE_DIRECT_URL leads to another database"),
        "{printed}"
    );
}

#[test]
fn doctor_says_which_address_is_used_for_announcements() {
    let cluster = Cluster::pooled();
    let (direct, pooled) = (cluster.direct_address(), cluster.address("postgres"));
    for (address, expected) in [
        (&direct, "announced through DATABASE_DIRECT_URL"),
        (&pooled, "leads to a pooler too"),
    ] {
        let settings = [("DATABASE_DIRECT_URL", address.as_str())];
        let (_, printed) = quire_with(&cluster, &["doctor"], &settings);
        assert!(printed.contains(expected), "{printed}");
    }
}
