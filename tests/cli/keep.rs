//! Tests the commands for keys, models, documents, and backups.

use serde_json::Value;

use super::Workspace;

#[test]
fn keys_are_made_shown_once_and_deleted() {
    let workspace = Workspace::new();
    workspace.run(&["user", "add", "a@b.co"]).expect_success();
    let created = workspace
        .run(&["key", "add", "a@b.co", "--name", "ci", "--json"])
        .expect_success();
    let new_one: Value = serde_json::from_str(&created).unwrap();
    let (id, key) = (
        new_one["id"].as_str().unwrap(),
        new_one["key"].as_str().unwrap(),
    );
    let output = workspace.run(&["key", "list", "a@b.co"]).expect_success();
    assert!(output.contains(id) && output.contains("  ci  ") && !output.contains(key));
    workspace
        .run(&["key", "delete", "a@b.co", id])
        .expect_success();
    assert_eq!(
        workspace
            .run(&["key", "list", "a@b.co", "--json"])
            .expect_success(),
        "{\"keys\":[]}\n"
    );
    workspace
        .run(&["key", "delete", "a@b.co", id])
        .expect_refusal(1);
    workspace
        .run(&["key", "delete", "a@b.co"])
        .expect_refusal(2);
    let args = [
        "key",
        "add",
        "a@b.co",
        "--scope",
        "chat",
        "--model",
        "openai/*",
        "--model",
        "demo/*",
        "--budget",
        "2.5",
        "--expires",
        "30",
    ];
    workspace.run(&args).expect_success();
    let key_list = workspace
        .run(&["key", "list", "a@b.co", "--json"])
        .expect_success();
    assert!(
        key_list.contains(r#""scopes":["chat"]"#)
            && key_list.contains(r#""models":["openai/*","demo/*"]"#),
        "{key_list}"
    );
    assert!(key_list.contains(r#""budget_usd":2.5"#), "{key_list}");
    workspace
        .run(&["key", "add", "a@b.co", "--budget", "much"])
        .expect_refusal(2);
    workspace
        .run(&["key", "add", "a@b.co", "--scope", "all"])
        .expect_refusal(2);
    workspace.run(&["key", "add"]).expect_refusal(2);
    workspace.run(&["key", "add", "b@b.co"]).expect_refusal(1);
}

#[test]
fn models_and_documents_are_listed() {
    let workspace = Workspace::new();
    assert!(
        workspace
            .run(&["models"])
            .expect_success()
            .contains("demo/extract")
    );
    workspace.run(&["documents"]).expect_refusal(1);
    workspace.run(&["user", "add", "a@b.co"]).expect_success();
    let args = [
        "ask",
        "Who repairs it?",
        "--file",
        "-",
        "--panel",
        "demo/extract",
        "--quiet",
    ];
    workspace
        .run_with(&args, "The lock is repaired by the water board.\n")
        .expect_success();
    let output = workspace
        .run(&["documents", "list", "--json"])
        .expect_success();
    let list: Value = serde_json::from_str(&output).unwrap();
    let id = list["documents"][0]["id"].as_str().unwrap();
    assert!(
        workspace
            .run(&["documents"])
            .expect_success()
            .contains("stdin.txt")
    );
    let found = workspace
        .run(&["documents", "search", "water", "board"])
        .expect_success();
    assert!(found.contains("stdin.txt, page 1:"), "{found}");
    workspace.run(&["documents", "delete", id]).expect_success();
    let document_list = workspace.run(&["documents", "list"]).expect_success();
    assert!(
        document_list.starts_with("No documents yet."),
        "{document_list}"
    );
    workspace.run(&["documents", "burn"]).expect_refusal(2);
}

#[test]
fn a_restore_keeps_the_previous_database() {
    let workspace = Workspace::new();
    workspace.run(&["user", "add", "a@b.co"]).expect_success();
    workspace.run(&["backup", "copy.db"]).expect_success();
    workspace
        .run(&["user", "add", "later@b.co"])
        .expect_success();
    assert!(
        workspace
            .run(&["restore", "copy.db"])
            .expect_refusal(1)
            .contains("--replace")
    );
    std::fs::write(workspace.0.join("junk.db"), "no database").unwrap();
    workspace
        .run(&["restore", "junk.db", "--replace"])
        .expect_refusal(1);
    // SQLite stores `user_version` in bytes 60 to 63 of the file.
    let mut newer = std::fs::read(workspace.0.join("copy.db")).unwrap();
    newer[60..64].copy_from_slice(&9_000_u32.to_be_bytes());
    std::fs::write(workspace.0.join("newer.db"), newer).unwrap();
    let error = workspace
        .run(&["restore", "newer.db", "--replace"])
        .expect_refusal(1);
    assert!(
        error.contains("written by a newer quire (its version is 9000"),
        "{error}"
    );
    assert!(
        workspace
            .run(&["user", "list"])
            .expect_success()
            .contains("later@b.co")
    );
    let message = workspace
        .run(&["restore", "copy.db", "--replace"])
        .expect_success();
    let kept_path = message
        .split("the replaced database is kept as ")
        .nth(1)
        .expect("where it is")
        .trim();
    assert!(std::path::Path::new(kept_path).exists(), "{message}");
    let people = workspace.run(&["user", "list"]).expect_success();
    assert!(people.contains("a@b.co") && !people.contains("later@b.co"));
    workspace.run(&["restore"]).expect_refusal(2);
}

#[test]
fn a_backup_into_a_folder_is_named_by_its_time_and_counted() {
    let workspace = Workspace::new();
    workspace.run(&["user", "add", "a@b.co"]).expect_success();
    std::fs::create_dir(workspace.0.join("copies")).unwrap();
    let output = workspace.run(&["backup", "copies"]).expect_success();
    assert!(output.contains("as many as in the database"), "{output}");
    let output_text = workspace
        .run(&["backup", "copies", "--json"])
        .expect_success();
    let response: Value = serde_json::from_str(&output_text).unwrap();
    assert_eq!(response["rows"]["users"], 1, "{response}");
    let file = response["file"].as_str().unwrap();
    assert!(
        file.starts_with("copies/quire-2") && file.ends_with("Z.db"),
        "{file}"
    );
    let copies = std::fs::read_dir(workspace.0.join("copies"))
        .unwrap()
        .flatten();
    assert_eq!(copies.count(), 2);
}

#[test]
fn an_older_backup_is_restored_and_migrated() {
    for version in 1..=5 {
        let workspace = Workspace::new();
        let text = format!("{}/tests/data/v{version}.sql", env!("CARGO_MANIFEST_DIR"));
        let old = rusqlite::Connection::open(workspace.0.join("old.db")).unwrap();
        old.execute_batch(&std::fs::read_to_string(text).unwrap())
            .unwrap();
        let people: u32 = old
            .query_row("SELECT count(*) FROM users", [], |row| row.get(0))
            .unwrap();
        drop(old);
        workspace.run(&["restore", "old.db"]).expect_success();
        let output = workspace.run(&["user", "list"]).expect_success();
        assert_eq!(
            output.lines().count(),
            1 + people as usize,
            "{version}: a header and {output}"
        );
        let response = workspace
            .run(&["backup", "new.db", "--json"])
            .expect_success();
        let response: Value = serde_json::from_str(&response).unwrap();
        assert_eq!(
            response["schema_version"],
            quire::store::VERSION,
            "{response}"
        );
    }
}

/// If a database is copied together with its log, as after kill -9, some commits are only in the log.
#[test]
fn a_restore_includes_the_wal_and_reports_removed_files() {
    let workspace = Workspace::new();
    workspace.run(&["user", "add", "a@b.co"]).expect_success();
    workspace.run(&["backup", "copy.db"]).expect_success();
    let data = workspace.data_folder();
    let reader = rusqlite::Connection::open(data.join("quire.db")).unwrap();
    // While another connection has the database open, the log is not merged into it at the end of a command.
    let count = |db: &rusqlite::Connection| {
        db.query_row("SELECT count(*) FROM users", [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(count(&reader), 1);
    workspace
        .run(&["user", "add", "later@b.co"])
        .expect_success();
    for end in ["", "-wal"] {
        let from = data.join(format!("quire.db{end}"));
        std::fs::copy(from, workspace.0.join(format!("killed.db{end}"))).unwrap();
    }
    drop(reader);
    for round in 0..5 {
        let file = if round % 2 == 0 {
            "killed.db"
        } else {
            "copy.db"
        };
        let output = workspace
            .run(&["restore", file, "--replace"])
            .expect_success();
        let people = workspace.run(&["user", "list"]).expect_success();
        assert_eq!(people.contains("later@b.co"), round % 2 == 0, "{round}");
        assert_eq!(
            output.contains("deleted an older replaced database"),
            round > 2
        );
    }
    let names = std::fs::read_dir(data).unwrap();
    let names: Vec<_> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("restore"))
        .collect();
    // The three newest backups are kept. There are no empty logs or partial files.
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn a_backup_is_a_database_that_opens() {
    let workspace = Workspace::new();
    assert!(
        workspace
            .run(&["backup", "copy.db"])
            .expect_refusal(1)
            .contains("no database")
    );
    workspace.run(&["user", "add", "a@b.co"]).expect_success();
    assert!(
        workspace
            .run(&["backup", "copy.db"])
            .expect_success()
            .contains("verified")
    );
    assert!(
        workspace
            .run(&["backup", "copy.db"])
            .expect_refusal(1)
            .contains("already exists")
    );
    workspace
        .run(&["backup", "copy.db", "--replace"])
        .expect_success();
    let other = Workspace::new();
    std::fs::create_dir(other.data_folder()).unwrap();
    std::fs::copy(
        workspace.0.join("copy.db"),
        other.data_folder().join("quire.db"),
    )
    .unwrap();
    // Without the matching secret, a backup can be restored only with a special option.
    assert!(
        other
            .run(&["user", "list"])
            .expect_refusal(1)
            .contains("secret")
    );
    other.run(&["secret", "new"]).expect_success();
    assert!(
        other
            .run(&["user", "list"])
            .expect_success()
            .contains("\na@b.co")
    );
}

#[test]
fn a_newer_database_is_refused() {
    let workspace = Workspace::new();
    workspace.run(&["user", "add", "a@b.co"]).expect_success();
    let path = workspace.data_folder().join("quire.db");
    // SQLite stores `user_version` in bytes 60 to 63 of the file.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[60..64].copy_from_slice(&999_u32.to_be_bytes());
    std::fs::write(&path, &bytes).unwrap();
    for words in [&["user", "list"][..], &["serve", "--port", "0"]] {
        let err = workspace.run(words).expect_refusal(1);
        assert!(err.contains("written by a newer quire"), "{err}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "it is left alone");
}
