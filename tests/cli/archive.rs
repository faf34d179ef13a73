//! Tests `quire export` and `quire import` between two data folders.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{CommandOutput, Workspace};

fn workspace_with_account(email: &str) -> Workspace {
    let workspace = Workspace::new();
    let output = workspace.run(&["user", "add", email, "--admin"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    workspace
}

fn successful_output(output: CommandOutput) -> String {
    assert_eq!(output.code, Some(0), "{output:?}");
    output.stdout
}

fn import_counts(output: CommandOutput) -> Value {
    let message: Value = serde_json::from_str(&output.expect_success()).unwrap();
    message["counts"].clone()
}

/// Returns a workspace whose account has an analysis of a document, and a thread that uses a recipe.
fn workspace_with_history() -> Workspace {
    let workspace = workspace_with_account("ada@example.com");
    std::fs::write(
        workspace.0.join("lease.txt"),
        "The lease of the mill ends in 2031. The lock is repaired each spring.\n",
    )
    .unwrap();
    let args = [
        "ask",
        "When does the lease end?",
        "--file",
        "lease.txt",
        "--panel",
        "demo/extract,demo/merge",
        "--quiet",
    ];
    successful_output(workspace.run(&args));
    workspace
}

#[test]
fn an_import_brings_back_an_original_that_the_folder_has_lost() {
    let workspace = workspace_with_history();
    let export = ["export", "--user", "ada@example.com", "ada.tar.gz"];
    successful_output(workspace.run(&export));
    let originals = workspace.data_folder().join("documents");
    std::fs::remove_dir_all(&originals).unwrap();
    std::fs::create_dir(&originals).unwrap();
    let doctor = ["doctor", "--port", "0"];
    let output = workspace.run(&doctor);
    assert!(
        output
            .stdout
            .contains("1 document has lost the original file"),
        "{output:?}"
    );
    let import = [
        "import",
        "--user",
        "ada@example.com",
        "ada.tar.gz",
        "--json",
    ];
    let rerun = || import_counts(workspace.run(&import))["original documents"].clone();
    assert_eq!(rerun()["added"], 1);
    let output_text = workspace.run(&doctor).expect_success();
    assert!(
        output_text.contains("every document has its file"),
        "{output_text}"
    );
    assert_eq!(rerun()["present"], 1);
}

#[test]
fn a_restore_elsewhere_tells_that_originals_are_not_in_a_backup() {
    let workspace = workspace_with_history();
    successful_output(workspace.run(&["backup", "copy.db"]));
    let other = Workspace::new();
    let copy = workspace.0.join("copy.db");
    let message = successful_output(other.run(&["restore", copy.to_str().unwrap()]));
    assert!(
        message.contains("documents' original files (1)"),
        "{message}"
    );
}

#[test]
fn a_pipe_is_neither_imported_nor_restored_and_never_waited_for() {
    let workspace = workspace_with_account("ada@example.com");
    let pipe = workspace.0.join("pipe");
    let created = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(created.unwrap().success());
    for words in [
        &["import", "--user", "ada@example.com", "pipe"][..],
        &["restore", "pipe", "--replace"],
    ] {
        let mut child = workspace
            .quire(words)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let start = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if start.elapsed() > Duration::from_secs(20) {
                child.kill().unwrap();
                panic!("{words:?} waits for the pipe");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let output = CommandOutput::from_output(child.wait_with_output().unwrap());
        assert_eq!(output.code, Some(1), "{words:?}: {output:?}");
        assert!(output.err.contains("it is a pipe"), "{words:?}: {output:?}");
    }
}

#[test]
fn export_and_import_are_complete_and_idempotent() {
    let workspace = workspace_with_history();
    let file = workspace.0.join("ada.tar.gz");
    let file = file.to_str().unwrap();
    let out =
        import_counts(workspace.run(&["export", "--user", "ada@example.com", file, "--json"]));
    assert_eq!(
        (&out["analyses"]["added"], &out["documents"]["added"]),
        (&1.into(), &1.into()),
        "{out}"
    );
    assert_eq!(out["original documents"]["added"], 1);
    workspace
        .run(&["export", "--user", "ada@example.com", file])
        .expect_refusal(1);

    let other = workspace_with_account("bob@example.com");
    let counts = import_counts(other.run(&["import", "--user", "bob@example.com", file, "--json"]));
    for table in [
        "analyses",
        "documents",
        "document_pages",
        "passages",
        "stage_answers",
        "original documents",
    ] {
        assert_eq!(
            counts[table]["added"], out[table]["added"],
            "{table}: {counts}"
        );
        assert_eq!(counts[table]["refused"], 0, "{table}: {counts}");
    }
    let second = import_counts(other.run(&["import", "--user", "bob@example.com", file, "--json"]));
    assert_eq!(
        (&second["analyses"]["added"], &second["analyses"]["present"]),
        (&0.into(), &1.into()),
        "{second}"
    );
    assert_eq!(
        (
            &second["passages"]["added"],
            &second["original documents"]["added"]
        ),
        (&0.into(), &0.into()),
        "{second}"
    );
    // The document is found by a search, and its file is complete.
    let found = other.run(&["documents", "search", "lock"]).expect_success();
    assert!(found.contains("lease.txt"), "{found}");
    let stored_files: Vec<_> = std::fs::read_dir(other.data_folder().join("documents"))
        .unwrap()
        .collect();
    assert_eq!(stored_files.len(), 1);
}

#[test]
fn the_same_things_belong_to_two_people_of_one_place() {
    let workspace = workspace_with_history();
    let file = workspace.0.join("ada.tar.gz");
    let file = file.to_str().unwrap();
    successful_output(workspace.run(&["export", "--user", "ada@example.com", file]));
    successful_output(workspace.run(&["user", "add", "bob@example.com"]));
    let counts =
        import_counts(workspace.run(&["import", "--user", "bob@example.com", file, "--json"]));
    assert_eq!(
        (
            &counts["analyses"]["added"],
            &counts["stage_answers"]["refused"]
        ),
        (&1.into(), &0.into()),
        "{counts}"
    );
    let bob_documents = workspace
        .run(&["documents", "list", "--as", "bob@example.com", "--json"])
        .expect_success();
    let ada_documents = workspace
        .run(&["documents", "list", "--as", "ada@example.com", "--json"])
        .expect_success();
    assert!(bob_documents.contains("lease.txt") && ada_documents.contains("lease.txt"));
    let id = |rows: &str| {
        let rows: Value = serde_json::from_str(rows).unwrap();
        rows["documents"][0]["id"]
            .as_str()
            .or(rows["documents"][0]["document_id"].as_str())
            .map(str::to_owned)
    };
    assert_ne!(id(&bob_documents), id(&ada_documents));
}

#[test]
fn conversations_from_elsewhere_become_history() {
    let workspace = workspace_with_account("ada@example.com");
    let lines = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"Why is the sky blue?"},{"role":"assistant","content":"Rayleigh."}]}
{"prompt":"Which?","model_responses":{"gpt-4":"One."},"ultra_response":"Both.","timestamp":"2024-05-01T10:00:00Z"}
nonsense
"#;
    std::fs::write(workspace.0.join("old.jsonl"), lines).unwrap();
    let args = ["import", "--user", "ada@example.com", "old.jsonl", "--json"];
    let counts = import_counts(workspace.run(&args));
    assert_eq!(
        (&counts["analyses"]["added"], &counts["analyses"]["refused"]),
        (&2.into(), &1.into()),
        "{counts}"
    );
    let second = import_counts(workspace.run(&args));
    assert_eq!(
        (&second["analyses"]["added"], &second["analyses"]["present"]),
        (&0.into(), &2.into()),
        "{second}"
    );
    // The account is exported, and imported in another data folder.
    successful_output(workspace.run(&["export", "--user", "ada@example.com", "ada.tar.gz"]));
    let other = workspace_with_account("bob@example.com");
    let file = workspace.0.join("ada.tar.gz");
    let imported_counts = import_counts(other.run(&[
        "import",
        "--user",
        "bob@example.com",
        file.to_str().unwrap(),
        "--json",
    ]));
    assert_eq!(
        (
            &imported_counts["analyses"]["added"],
            &imported_counts["stage_answers"]["added"]
        ),
        (&2.into(), &3.into()),
        "{imported_counts}"
    );
}

#[test]
fn invalid_archive_changes_nothing() {
    let workspace = workspace_with_account("ada@example.com");
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("text", b"hello"),
        (
            "gzip",
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00",
        ),
        ("cut", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xed"),
    ] {
        std::fs::write(workspace.0.join(name), bytes).unwrap();
        let why = workspace
            .run(&["import", "--user", "ada@example.com", name])
            .expect_refusal(1);
        assert!(why.contains("cannot be read"), "{name}: {why}");
    }
    workspace
        .run(&["import", "--user", "ada@example.com", "missing"])
        .expect_refusal(1);
    workspace.run(&["import", "missing"]).expect_refusal(2);
    workspace
        .run(&["import", "--user", "nobody@example.com", "empty"])
        .expect_refusal(1);
}

/// If the file of a document is truncated or missing, an archive or a backup with its row is not reported as complete.
#[test]
fn originals_that_are_short_or_lost_are_named() {
    let workspace = workspace_with_history();
    let documents = workspace.data_folder().join("documents");
    let file = std::fs::read_dir(&documents).unwrap().next().unwrap();
    let file = file.unwrap().path();
    let id = file.file_name().unwrap().to_str().unwrap().to_owned();
    let full = std::fs::read(&file).unwrap();
    let export = |to: &str| workspace.run(&["export", "--user", "ada@example.com", to]);
    let backup = |to: &str| workspace.run(&["backup", to]);
    successful_output(export("whole.tar.gz"));
    let message = backup("whole.db");
    assert!(
        message.code == Some(0) && !message.err.contains("damaged"),
        "{message:?}"
    );

    std::fs::write(&file, &full[..10]).unwrap();
    let bytes = format!("10 of {} bytes", full.len());
    let why = export("short.tar.gz").expect_refusal(1);
    for part in [&id, "lease.txt", &bytes, "short.tar.gz was written"] {
        assert!(why.contains(part), "{part}: {why}");
    }
    let text = backup("short.db");
    assert_eq!(text.code, Some(0), "{text:?}");
    assert!(
        text.err.contains(&id) && text.err.contains(&bytes),
        "{text:?}"
    );

    std::fs::remove_file(&file).unwrap();
    let why = export("lost.tar.gz").expect_refusal(1);
    assert!(why.contains(&id) && why.contains("lost"), "{why}");
    let output = workspace
        .run(&["backup", "lost.db", "--json"])
        .expect_success();
    let output_text: Value = serde_json::from_str(&output).unwrap();
    let faulty_name = output_text["faulty_originals"][0].as_str().unwrap();
    assert!(
        faulty_name.contains(&id) && faulty_name.contains("is missing"),
        "{output_text}"
    );
}

#[test]
fn conversations_of_other_programs_become_threads() {
    let workspace = workspace_with_account("ada@example.com");
    let node = |id: &str, parent: Value, role: &str, text: &str| {
        serde_json::json!({"id": id, "parent": parent, "message": {
            "author": {"role": role}, "create_time": 1_700_000_000.5,
            "content": {"content_type": "text", "parts": [text]}, "metadata": {"model_slug": "gpt-4o"},
        }})
    };
    let chatgpt = serde_json::json!([{
        "title": "Paper sizes", "create_time": 1_700_000_000.0, "id": "c-1", "current_node": "d",
        "mapping": {
            "a": node("a", Value::Null, "user", "What is a quire?"),
            "b": node("b", serde_json::json!("a"), "assistant", "24 sheets."),
            "c": node("c", serde_json::json!("b"), "user", "And a ream?"),
            "d": node("d", serde_json::json!("c"), "assistant", "20 quires."),
        },
    }]);
    let claude = serde_json::json!([{
        "uuid": "u-1", "name": "Ink", "created_at": "2025-01-02T03:04:05Z", "chat_messages": [
            {"sender": "human", "text": "What is ink?"}, {"sender": "assistant", "text": "A liquid."},
        ],
    }]);
    let webui = serde_json::json!([{"id": "w-1", "title": "Glue", "chat": {"messages": [
        {"role": "user", "content": "What is glue?"}, {"role": "assistant", "content": "It sticks.", "model": "llama3"},
    ]}}]);
    for (name, export, added) in [
        ("a.json", chatgpt, 1),
        ("b.json", claude, 1),
        ("c.json", webui, 1),
    ] {
        std::fs::write(workspace.0.join(name), export.to_string()).unwrap();
        let args = ["import", "--user", "ada@example.com", name, "--json"];
        assert_eq!(
            import_counts(workspace.run(&args))["analyses"]["added"],
            added,
            "{name}"
        );
        let second = import_counts(workspace.run(&args));
        assert_eq!(
            (&second["analyses"]["added"], &second["analyses"]["present"]),
            (&0.into(), &1.into()),
            "{name}"
        );
    }
    let output = successful_output(workspace.run(&["history", "--json"]));
    let list: Value = serde_json::from_str(&output).unwrap();
    let threads = list["threads"].as_array().unwrap();
    assert_eq!(threads.len(), 3, "{list}");
    let paper = threads
        .iter()
        .find(|thread| thread["title"] == "Paper sizes")
        .unwrap();
    assert_eq!(paper["turns"], 2, "{paper}");
    let result = successful_output(workspace.run(&[
        "history",
        "show",
        paper["thread_id"].as_str().unwrap(),
    ]));
    let places = [
        "What is a quire?",
        "24 sheets.",
        "And a ream?",
        "20 quires.",
    ]
    .map(|text| result.find(text).unwrap());
    assert!(places.is_sorted(), "{result}");
    let found = successful_output(workspace.run(&["history", "search", "sticks"]));
    assert!(found.contains("Glue"), "{found}");
    // An imported thread can be continued.
    let words = ["ask", "-c", "Why?", "-m", "demo/extract", "-q", "--json"];
    let next: Value = serde_json::from_str(&successful_output(workspace.run(&words))).unwrap();
    assert_eq!(next["status"], "completed", "{next}");
}
