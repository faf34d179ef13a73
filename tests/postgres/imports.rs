//! Tests that the work of an import is proportional to its size, not to its square.

use quire::domain::id::{DocumentId, UserId};
use quire::store::archive::{self, ARCHIVE_TABLES};
use serde_json::json;

use super::cluster::Cluster;
use super::commands::quire;
use super::members::wait_for;
use super::store::{at, close, open};

/// Returns the number of rows that all statements on a database have read. Waits until all sessions have ended, because
/// a session reports this number when it ends.
fn rows_read(cluster: &Cluster) -> u64 {
    let sessions = "DO $$ BEGIN IF EXISTS (SELECT 1 FROM pg_stat_activity 
            WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())
        THEN RAISE EXCEPTION 'sessions'; END IF; END $$;";
    wait_for("all sessions have ended", || {
        cluster.run(sessions).is_empty()
    });
    let report = "DO $$ BEGIN RAISE EXCEPTION 'read %', (SELECT CAST(sum(coalesce(seq_tup_read, 0)
        + coalesce(idx_tup_fetch, 0)) AS BIGINT) FROM pg_stat_user_tables); END $$;";
    let text = cluster.run(report);
    let number = text.split("read ").nth(1).unwrap_or_default();
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("{text}"))
}

fn run(cluster: &Cluster, arguments: &[&str]) {
    let (succeeded, printed) = quire(cluster, arguments);
    assert!(succeeded, "{arguments:?}: {printed}");
}

/// Imports a file into a new account, and returns the number of rows read.
fn reads_of_import(cluster: &Cluster, file: &str) -> u64 {
    let _ = quire(cluster, &["user", "delete", "ada@example.org", "--yes"]);
    assert_eq!(cluster.run("DELETE FROM users; VACUUM ANALYZE;"), "");
    run(cluster, &["user", "add", "ada@example.org", "--admin"]);
    let before = rows_read(cluster);
    run(cluster, &["import", "--user", "ada@example.org", file]);
    rows_read(cluster) - before
}

/// Stores a document with this number of passages as an import does, and returns the number of rows read.
fn reads_of_passages(cluster: &Cluster, passages: usize) -> u64 {
    let row = |value: serde_json::Value| value.as_object().unwrap().clone();
    let user = UserId::new(at(1_000), passages as u128);
    let document = DocumentId::new(at(1_000), passages as u128);
    let insert = format!(
        "INSERT INTO users (id, email, created) VALUES ('{}', '{passages}@b.co', 1)",
        user.as_str()
    );
    assert_eq!(cluster.run(&insert), "");
    let before = rows_read(cluster);
    let store = open(cluster, "postgres").unwrap();
    let stored = store.write_now(move |db| {
        let add = |name: &str, rows: Vec<serde_json::Value>| {
            let table = ARCHIVE_TABLES.iter().find(|table| table.name == name);
            let table = table.unwrap();
            let columns = archive::prepare_batch(db, table)?;
            for value in rows {
                let added = archive::insert_row(db, (table, &columns), &user, row(value))?;
                assert!(added, "{name}");
            }
            Ok(())
        };
        let id = document.as_str();
        add(
            "documents",
            vec![json!({"id": id, "name": "a.txt", "sha256": id, "status": "processed", "created": 1})],
        )?;
        let passage = |number| json!({"document_id": id, "ordinal": number, "text": format!("Levy {number}.")});
        add("passages", (0..passages).map(passage).collect())
    });
    assert_eq!(stored, Ok(()));
    close(&store);
    drop(store);
    rows_read(cluster) - before
}

#[test]
fn the_import_of_a_long_document_is_linear() {
    let cluster = Cluster::start();
    close(&open(&cluster, "postgres").unwrap());
    let reads = [250, 1_000].map(|passages| reads_of_passages(&cluster, passages));
    assert!(reads[0] > 250 && reads[1] < reads[0] * 6, "{reads:?}");
}

#[test]
fn the_import_of_many_conversations_is_linear() {
    let cluster = Cluster::start();
    let mut reads = Vec::new();
    for conversations in [300, 600] {
        let lines: String = (0..conversations)
            .map(|number| {
                format!(
                    "{{\"messages\": [{{\"role\": \"user\", \"content\": \"What is levy {number}?\"}}, \
                     {{\"role\": \"assistant\", \"content\": \"A charge, number {number}.\"}}]}}\n"
                )
            })
            .collect();
        let file = cluster.folder().join(format!("{conversations}.jsonl"));
        std::fs::write(&file, lines).unwrap();
        reads.push(reads_of_import(&cluster, file.to_str().unwrap()));
    }
    assert!(reads[1] < reads[0] * 3, "{reads:?}");
}
