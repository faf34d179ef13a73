//! Tests servers whose clocks differ: what only one server may do at a time depends on the database's clock and on
//! durations.

use std::path::Path;
use std::process::Command;

use super::cluster::Cluster;
use super::members::{server_settings, wait_for};
use super::outages::holds;
use super::support::Client;
use super::support::executable::Executable;
use super::support::provider::{Provider, on};
use super::support::script::{answer_stream, begin, providers, unfinished_stream};
use super::support::server::Folder;

#[test]
fn leases_and_takeovers_use_no_servers_wall_clock() {
    for file in [
        "src/app/documents/reading_leases.rs",
        "src/app/experiments/leases.rs",
        "src/app/servers.rs",
        "src/engine/servers.rs",
        "src/store/membership.rs",
        "src/store/postgres/notices.rs",
        "src/store/postgres/reservations.rs",
        "src/store/postgres/servers.rs",
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = std::fs::read_to_string(path).unwrap();
        let own = text.split("#[cfg(test)]").next().unwrap();
        assert!(!own.contains("clock::now("), "{file}");
    }
}

/// Source of a library that shifts a process's wall clock by the number of seconds in CLOCK_SKEW.
const CLOCK_SKEW: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int) syscall(SYS_clock_gettime, clock, now);
    const char *skew = getenv("CLOCK_SKEW");
    if (!failed && clock == CLOCK_REALTIME && skew) now->tv_sec += atol(skew);
    return failed;
}
"#;

/// Compiles [`CLOCK_SKEW`] in a folder, and returns the path of the library.
fn clock_skew_library(folder: &Folder) -> String {
    let (source, library) = (folder.path().join("skew.c"), folder.path().join("skew.so"));
    std::fs::write(&source, CLOCK_SKEW).unwrap();
    let mut compiler = Command::new("cc");
    let compiler = compiler.args(["-shared", "-fPIC", "-o"]);
    let built = compiler.arg(&library).arg(&source).status().unwrap();
    assert!(built.success(), "see the compiler's message");
    library.to_str().unwrap().to_owned()
}

#[test]
fn servers_whose_clocks_differ_by_twenty_minutes_take_over_only_from_dead_ones() {
    let cluster = Cluster::start();
    let provider = Provider::script([
        on("slow").times(2).stall(&unfinished_stream("It is ")),
        on("slow").optional().sse(&answer_stream("It is thin.")),
        on("GET models")
            .times(9)
            .optional()
            .status(200, "application/json", "{\"data\":[]}"),
    ]);
    let (database, known_providers) = (cluster.address("postgres"), providers(&provider));
    let folders = [(); 2].map(|()| Folder::new());
    let library = clock_skew_library(&folders[0]);
    let [fast, slow] = ["600", "-600"].map(|skew| {
        let mut settings = server_settings(&database, &known_providers).to_vec();
        settings.extend([("LD_PRELOAD", library.as_str()), ("CLOCK_SKEW", skew)]);
        let folder = &folders[usize::from(skew == "-600")];
        Executable::with(folder, &settings)
    });
    // Start a run on each server that does not end on its own.
    let accounts = [(&fast, "ada@example.com"), (&slow, "bob@example.com")];
    let ids = accounts.map(|(server, account)| {
        let mut client = Client::new(server.address).registered(account);
        begin(&mut client, &["p/slow"])
    });
    provider.wait_hanging(2);
    let [of_fast, of_slow] = ids;
    let differ = format!(
        "(SELECT created FROM analyses WHERE id = '{of_fast}')
             - (SELECT created FROM analyses WHERE id = '{of_slow}') BETWEEN 1100000 AND 1300000"
    );
    assert!(holds(&cluster, &differ), "the clocks do not differ");
    // Wait for longer than a lease, until each row has been renewed several times.
    let mark = "CREATE TABLE mark AS SELECT max(until) AS until FROM servers;";
    assert_eq!(cluster.run(mark), "");
    let renewed = "(SELECT min(until) FROM servers) > (SELECT until FROM mark) + 14000";
    wait_for("both renew their rows", || holds(&cluster, renewed));
    let kept = "(SELECT count(*) FROM servers) = 2 AND (SELECT min(number) = 1 AND max(number) = 1 FROM leases
                    WHERE starts_with(name, 'analysis_'))";
    assert!(holds(&cluster, kept), "one took something over");
    slow.kill();
    wait_for("the other takes over", || {
        holds(
            &cluster,
            &format!("(SELECT status FROM analyses WHERE id = '{of_slow}') = 'completed'"),
        )
    });
    let kept = format!("(SELECT number FROM leases WHERE name = '{of_fast}') = 1");
    assert!(holds(&cluster, &kept), "its own is still running");
}
