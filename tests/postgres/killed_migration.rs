//! Tests that `quire migrate` leaves no incomplete database when it is killed at any moment, and can be repeated.

use std::process::Stdio;
use std::time::Duration;

use super::cluster::Cluster;
use super::members::wait_for;
use super::migration::{Filled, UPLOAD_TABLES, command, has_no_tables, rows_of, run};
use super::support::server::Folder;

/// Kills it after longer and longer times, until a migration completes.
#[test]
fn a_killed_migration_leaves_no_database_and_can_be_repeated() {
    let filled = Filled::new();
    let cluster = Cluster::start();
    let (address, data) = (cluster.address("postgres"), filled.data());
    let source = [("QUIRE_DATA", data.to_str().unwrap())];
    let from_server = [
        ("QUIRE_DATA", data.to_str().unwrap()),
        ("DATABASE_URL", address.as_str()),
    ];
    let back = Folder::new();
    let target = back.path().join("data");
    // Starts a migration, kills it this many milliseconds after `has_begun` returns true, and returns whether it had
    // completed.
    let killed_after =
        |settings: &[(&str, &str)], target: &str, has_begun: &dyn Fn() -> bool, millis: u64| {
            let mut child = command(settings, &["migrate", "--json", "--to", target])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            while !has_begun() && child.try_wait().unwrap().is_none() {
                std::thread::yield_now();
            }
            std::thread::sleep(Duration::from_millis(millis));
            child.kill().unwrap();
            child.wait().unwrap().success()
        };
    for round in 0.. {
        let is_complete = killed_after(&source, &address, &|| true, 100 * round);
        // The server ends the transaction once it notices that the connection is gone.
        if is_complete || !has_no_tables(&cluster) {
            break;
        }
    }
    wait_for("a repeated migration succeeds or was complete", || {
        let (code, _, errors) = run(&source, &["migrate", "--to", &address]);
        code == Some(0) || errors.contains("it has rows in")
    });
    let mut unfinished = 0;
    for round in 0.. {
        let is_writing = || target.join(".quire-migration/quire.db").exists();
        let is_complete = killed_after(
            &from_server,
            target.to_str().unwrap(),
            &is_writing,
            100 * round,
        );
        // It may be killed after everything is in place.
        if is_complete || target.join("quire.db").exists() {
            break;
        }
        if target.join(".quire-migration").exists() {
            unfinished += 1;
            let settings = [("QUIRE_DATA", target.to_str().unwrap()), ("PORT", "0")];
            let (code, _, errors) = run(&settings, &["serve"]);
            assert!(
                code == Some(1) && errors.contains("unfinished migration"),
                "{code:?} {errors}"
            );
        }
    }
    assert!(unfinished > 0, "one was killed while it was writing");
    let mut moved = rows_of(&filled.database());
    moved.extend(UPLOAD_TABLES.map(|name| (name.to_owned(), 0)));
    assert_eq!(rows_of(&target.join("quire.db")), moved);
}
