//! The work of an import grows with its size, not with its square.

use super::cluster::Cluster;
use super::commands::quire;
use super::members::wait_for;

/// Returns the number of rows that all statements on a database have read. A session reports them when it ends.
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

/// Imports a file into an empty account, and returns the number of rows read.
fn reads_of_import(cluster: &Cluster, file: &str) -> u64 {
    let _ = quire(cluster, &["user", "delete", "ada@example.org", "--yes"]);
    assert_eq!(cluster.run("DELETE FROM users; VACUUM ANALYZE;"), "");
    run(cluster, &["user", "add", "ada@example.org", "--admin"]);
    let before = rows_read(cluster);
    run(cluster, &["import", "--user", "ada@example.org", file]);
    rows_read(cluster) - before
}

#[test]
fn the_import_of_a_long_document_is_linear() {
    let cluster = Cluster::start();
    let mut reads = Vec::new();
    for paragraphs in [500, 1_000] {
        let file = cluster.folder().join(format!("{paragraphs}.txt"));
        let text: String = (0..paragraphs)
            .map(|number| format!("{number}. {}\n\n", "The levy is due in May. ".repeat(40)))
            .collect();
        std::fs::write(&file, text).unwrap();
        let archive = cluster.folder().join(format!("{paragraphs}.tar.gz"));
        let archive = archive.to_str().unwrap();
        let _ = quire(&cluster, &["user", "delete", "bob@example.org", "--yes"]);
        run(&cluster, &["user", "add", "bob@example.org", "--admin"]);
        run(
            &cluster,
            &[
                "documents",
                "add",
                "--as",
                "bob@example.org",
                file.to_str().unwrap(),
            ],
        );
        run(&cluster, &["export", "--user", "bob@example.org", archive]);
        reads.push(reads_of_import(&cluster, archive));
    }
    println!("rows read: {reads:?}");
    assert!(reads[1] > 1_000 && reads[1] < reads[0] * 3, "{reads:?}");
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
    println!("rows read: {reads:?}");
    assert!(reads[1] < reads[0] * 3, "{reads:?}");
}
