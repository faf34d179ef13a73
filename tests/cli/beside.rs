//! Tests commands on the data folder of a running server: they use its database or refuse, and never answer from an
//! empty database. Commands that only read create nothing.

use super::{Running, Workspace};

const EXPERIMENT_FILE: &str = r#"
name = "sums"

[evaluator]
kind = "regex"
pattern = "(?i)question"

[[space]]
dial = "model"
values = ["demo/phrases", "demo/sceptic"]

[[cases]]
prompt = "Is the house worth it?"

[[cases]]
prompt = "Is the garden worth it?"
"#;

fn create_account(workspace: &Workspace) {
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
}

#[test]
fn documents_are_listed_searched_and_deleted_while_a_server_runs() {
    let workspace = Workspace::new();
    create_account(&workspace);
    let server = Running::start(workspace.quire(&["--port", "0"]));
    let found = workspace
        .run(&["documents", "search", "water", "board"])
        .expect_success();
    assert!(found.contains("stdin.txt, page 1:"), "{found}");
    let output = workspace
        .run(&["documents", "list", "--json"])
        .expect_success();
    let list: serde_json::Value = serde_json::from_str(&output).unwrap();
    let id = list["documents"][0]["id"].as_str().unwrap();
    workspace.run(&["documents", "delete", id]).expect_success();
    let none = workspace.run(&["documents"]).expect_success();
    assert!(none.starts_with("No documents yet."), "{none}");
    assert!(!workspace.data_folder().join("documents").join(id).exists());
    assert!(server.get("/api/health").starts_with("HTTP/1.1 200"));
    // Uploads in progress on the server are left alone.
    let pending_upload = workspace.data_folder().join("tmp").join("0123456789abcdef");
    std::fs::write(&pending_upload, "half").unwrap();
    workspace.run(&["documents"]).expect_success();
    assert!(pending_upload.exists());
}

#[test]
fn experiments_and_models_are_shown_while_a_server_runs() {
    let workspace = Workspace::new();
    workspace.run(&["user", "add", "a@b.co"]).expect_success();
    let _server = Running::start(workspace.quire(&["--port", "0"]));
    let output = workspace.run(&["experiment", "list"]).expect_success();
    assert!(output.starts_with("No experiments yet."), "{output}");
    assert!(
        workspace
            .run(&["models"])
            .expect_success()
            .contains("demo/extract")
    );
    let body = workspace
        .run(&[
            "experiment",
            "show",
            "experiment_01ARZ3NDEKTSV4RRFFQ69G0000",
        ])
        .expect_refusal(1);
    assert!(
        body.contains("not found") || body.contains("there is no"),
        "{body}"
    );
}

#[test]
fn commands_that_start_runs_go_to_the_local_server() {
    let workspace = Workspace::new();
    create_account(&workspace);
    let _server = Running::start(workspace.quire(&["--port", "0", "--use-mock"]));
    std::fs::write(workspace.0.join("sums.toml"), EXPERIMENT_FILE).unwrap();
    let experiment_run = workspace.run(&["experiment", "run", "sums.toml", "--evaluations", "4"]);
    assert_eq!(experiment_run.code, Some(0), "{experiment_run:?}");
    assert!(
        experiment_run.stdout.contains("# sums"),
        "{experiment_run:?}"
    );
    assert!(
        experiment_run.err.contains("stored as experiment_"),
        "{experiment_run:?}"
    );
    let missing_id = "experiment_01ARZ3NDEKTSV4RRFFQ69G0000";
    let error = workspace
        .run(&["experiment", "resume", missing_id])
        .expect_refusal(1);
    assert!(error.contains("the server refused"), "{error}");
    let request = "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"tools/list\"}\n";
    let output = workspace.run_with(&["mcp"], request);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(output.stdout.contains("list_patterns"), "{output:?}");
    // The commands have deleted their temporary keys.
    let keys = workspace.run(&["key", "list", "a@b.co"]).expect_success();
    assert!(keys.starts_with("No API keys yet."), "{keys}");
}

#[test]
fn commands_that_only_read_make_no_folder() {
    let workspace = Workspace::new();
    for words in [
        &["user", "list"][..],
        &["key", "list", "a@b.co"],
        &["provider", "list"],
        &["documents", "list"],
        &["documents", "search", "x"],
        &["history"],
        &["documents", "add", "x"],
        &["experiment", "list"],
        &[
            "experiment",
            "show",
            "experiment_01ARZ3NDEKTSV4RRFFQ69G0000",
        ],
        &["usage"],
        &["backup", "copy.db"],
        &["export", "--user", "a@b.co", "a.tar.gz"],
        &["secret", "new"],
    ] {
        let error = workspace.run(words).expect_refusal(1);
        assert!(
            error.contains("there is no database in"),
            "{words:?}: {error}"
        );
        assert!(!workspace.data_folder().exists(), "{words:?}");
    }
    for words in [
        &["models"][..],
        &["patterns", "list"],
        &["orphans", "list"],
        &["doctor", "--port", "0"],
        &["help"],
    ] {
        workspace.run(words).expect_success();
        assert!(!workspace.data_folder().exists(), "{words:?}");
    }
}
