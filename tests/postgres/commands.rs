//! Tests the commands of the real program with DATABASE_URL.

use std::process::Command;

use super::cluster::Cluster;

/// Runs a command, and returns whether it succeeded and what it printed.
pub fn quire(cluster: &Cluster, arguments: &[&str]) -> (bool, String) {
    quire_with(cluster, arguments, &[])
}

/// Like [`quire`], with additional environment variables.
pub fn quire_with(
    cluster: &Cluster,
    arguments: &[&str],
    settings: &[(&str, &str)],
) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_quire"))
        .args(arguments)
        .env_clear()
        .env("HOME", cluster.folder())
        .env("QUIRE_DATA", cluster.folder().join("quire"))
        .env("DATABASE_URL", cluster.address("postgres"))
        .env("ENVIRONMENT", "test")
        .env("PASSWORD_ROUNDS", "1000")
        .env("USE_MOCK", "true")
        .env("DISCOVER_LOCAL", "false")
        .envs(settings.iter().copied())
        .output()
        .unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&printed).into_owned(),
    )
}

#[test]
fn commands_use_the_server_and_refuse_what_needs_a_file() {
    let cluster = Cluster::start();
    // Without an account, a run is stored neither on the server nor in a folder.
    let (succeeded, printed) = quire(&cluster, &["ask", "What is a levy?"]);
    assert!(succeeded && printed.contains("no account yet"), "{printed}");
    let (succeeded, printed) = quire(&cluster, &["user", "add", "ada@example.org", "--admin"]);
    assert!(succeeded, "{printed}");
    let (succeeded, printed) = quire(&cluster, &["ask", "What is a levy?"]);
    assert!(
        succeeded && !printed.contains("no account yet"),
        "{printed}"
    );
    let (_, printed) = quire(&cluster, &["doctor"]);
    assert!(
        printed.contains("read and written (PostgreSQL"),
        "{printed}"
    );
    let copy = cluster.folder().join("copy.db");
    let (succeeded, printed) = quire(&cluster, &["backup", copy.to_str().unwrap()]);
    assert!(!succeeded && printed.contains("pg_dump"), "{printed}");
    assert!(!cluster.folder().join("quire/quire.db").exists());
}

#[test]
fn an_archive_contains_the_originals_and_an_import_brings_them_back() {
    let cluster = Cluster::start();
    let run = |arguments: &[&str]| {
        let (succeeded, printed) = quire(&cluster, arguments);
        assert!(succeeded, "{arguments:?}: {printed}");
        printed
    };
    run(&["user", "add", "ada@example.org", "--admin"]);
    let file = cluster.folder().join("lease.txt");
    std::fs::write(&file, "The lease of the mill ends in 2031.\n").unwrap();
    let (file, archive) = (file.to_str().unwrap(), cluster.folder().join("ada.tar.gz"));
    run(&["documents", "add", file]);
    let archive = archive.to_str().unwrap();
    let printed = run(&["export", "--user", "ada@example.org", archive]);
    assert!(!printed.contains("missing"), "{printed}");
    let emptied = "DELETE FROM documents";
    assert_eq!(cluster.run(emptied), "");
    run(&["import", "--user", "ada@example.org", archive]);
    let printed = run(&[
        "export",
        "--user",
        "ada@example.org",
        &format!("{archive}.2"),
    ]);
    assert!(!printed.contains("missing"), "{printed}");
    // The original's bytes are in the database, not in the command's data folder.
    let files = std::fs::read_dir(cluster.folder().join("quire/documents")).unwrap();
    assert_eq!(files.count(), 0);
}
