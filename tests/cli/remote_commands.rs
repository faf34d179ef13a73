//! Tests `QUIRE_SERVER`: every command works on that server with the same syntax, or refuses with a single sentence.

use serde_json::Value;

use super::{CommandOutput, Running, Workspace, run_with_input};

/// Starts a server with an administrator. Also returns an unrestricted API key of the administrator.
fn start_server(workspace: &Workspace) -> (Running, String) {
    let server = Running::start(workspace.quire(&["--port", "0", "--use-mock"]));
    workspace
        .run(&["user", "add", "ada@example.com", "--admin"])
        .expect_success();
    let mut words = vec!["key", "add", "ada@example.com"];
    for scope in ["chat", "analyze", "documents", "admin", "keys", "export"] {
        words.extend(["--scope", scope]);
    }
    let key = workspace.run(&words).expect_success();
    (server, key.trim().to_owned())
}

/// A workspace that stands for another machine, whose commands use the server.
struct RemoteHome {
    workspace: Workspace,
    server: Running,
    key: String,
}

impl RemoteHome {
    fn command(&self, words: &[&str]) -> std::process::Command {
        let mut command = self.workspace.quire(words);
        command
            .env("QUIRE_SERVER", format!("http://{}", self.server.address))
            .env("QUIRE_API_KEY", &self.key);
        command
    }
    fn run(&self, words: &[&str]) -> CommandOutput {
        CommandOutput::from_output(self.command(words).output().unwrap())
    }
    fn json(&self, words: &[&str]) -> Value {
        let output = self.run(words);
        assert_eq!(output.code, Some(0), "{words:?}: {output:?}");
        serde_json::from_str(&output.stdout).unwrap()
    }
}

fn remote_workspace(home: &Workspace) -> RemoteHome {
    let (server, key) = start_server(home);
    RemoteHome {
        workspace: Workspace::new(),
        server,
        key,
    }
}

#[test]
fn accounts_are_managed_on_a_server() {
    let home = Workspace::new();
    let remote = remote_workspace(&home);
    let account = remote.json(&["user", "add", "bob@example.com", "--name", "Bob", "--json"]);
    assert_eq!(account["name"], "Bob");
    assert!(account["password"].as_str().unwrap().len() > 8, "{account}");
    let args = ["user", "role", "Bob@example.com", "admin"];
    assert!(
        remote
            .run(&args)
            .expect_success()
            .contains("bob@example.com  admin  active")
    );
    let words = ["user", "disable", "bob@example.com"];
    assert!(remote.run(&words).expect_success().contains("locked"));
    let linked = remote.run(&["user", "reset-link", "bob@example.com"]);
    let prefix = format!("http://{}/login?token=", remote.server.address);
    assert!(linked.stdout.starts_with(&prefix), "{linked:?}");
    assert!(linked.err.contains("valid once, until"), "{linked:?}");
    let invited = remote.run(&["user", "invite"]);
    assert!(invited.stdout.contains("/login?invite="), "{invited:?}");
    let refusal = remote
        .run(&["user", "passwd", "bob@example.com"])
        .expect_refusal(2);
    assert!(refusal.contains("use user reset-link"), "{refusal}");
    remote
        .run(&["user", "delete", "bob@example.com", "--yes"])
        .expect_success();
    let output = remote.run(&["user", "list"]).expect_success();
    assert_eq!(output.lines().count(), 2, "{output}");
    let missing = remote
        .run(&["user", "enable", "bob@example.com"])
        .expect_refusal(1);
    assert!(missing.contains("no account"), "{missing}");
}

#[test]
fn keys_providers_patterns_and_usage_come_from_a_server() {
    let home = Workspace::new();
    let remote = remote_workspace(&home);
    let keys = remote.json(&["key", "list", "--json"]);
    let id = keys["keys"][0]["id"].as_str().unwrap();
    let output = remote
        .run(&["key", "list", "ada@example.com"])
        .expect_success();
    assert!(output.contains(id), "{output}");
    let other = remote
        .run(&["key", "list", "bob@example.com"])
        .expect_refusal(2);
    assert!(other.contains("belongs to ada@example.com"), "{other}");
    let add = remote
        .run(&["key", "add", "ada@example.com"])
        .expect_refusal(2);
    assert!(
        add.contains("an API key cannot create another one"),
        "{add}"
    );

    let base = "http://127.0.0.1:1/v1";
    let args = ["provider", "add", "box", "--base-url", base, "--force"];
    remote.run(&args).expect_success();
    assert!(
        remote
            .run(&["provider", "list"])
            .expect_success()
            .contains(base)
    );
    remote.run(&["provider", "remove", "box"]).expect_success();
    remote.run(&["provider", "remove", "box"]).expect_refusal(1);

    let patterns = remote.json(&["patterns", "list", "--json"]);
    let here = remote
        .workspace
        .run(&["patterns", "list", "--json"])
        .expect_success();
    assert_eq!(patterns, serde_json::from_str::<Value>(&here).unwrap());
    let pattern_text = remote.run(&["patterns", "show", "gut"]).expect_success();
    assert!(pattern_text.contains("Panel: "), "{pattern_text}");

    let requests = remote.run(&["ask", "Why?", "-m", "demo/extract", "-q"]);
    assert_eq!(requests.code, Some(0), "{requests:?}");
    let all = remote.json(&["usage", "--json"]);
    assert_eq!(all["usage"][0]["of"], "ada@example.com", "{all}");
    let own = remote
        .run(&["usage", "--user", "ada@example.com", "--days", "2"])
        .expect_success();
    assert!(own.contains("demo/extract"), "{own}");
    let words = ["usage", "--days", "3000"];
    let refusal = remote.run(&words).expect_refusal(2);
    assert!(refusal.contains("--days: must be at most"), "{refusal}");
}

#[test]
fn archives_and_backups_come_from_a_server() {
    let home = Workspace::new();
    let remote = remote_workspace(&home);
    remote.run(&["ask", "Why?", "-m", "demo/extract", "-q"]);
    remote.run(&["export", "all.tar.gz"]).expect_success();
    let twice = remote.run(&["export", "all.tar.gz"]).expect_refusal(1);
    assert!(twice.contains("already exists"), "{twice}");
    let args = [
        "import",
        "--user",
        "ada@example.com",
        "all.tar.gz",
        "--json",
    ];
    let second = remote.json(&args);
    assert_eq!(second["counts"]["analyses"]["present"], 1, "{second}");
    let words = ["export", "--user", "bob@example.com", "b.tar.gz"];
    let other = remote.run(&words).expect_refusal(2);
    assert!(other.contains("belongs to ada@example.com"), "{other}");
    let output = remote.run(&["backup", "copy.db"]).expect_success();
    assert!(output.contains("verified by the server"), "{output}");
    // The downloaded backup can be restored without the server.
    remote
        .workspace
        .run(&["restore", "copy.db"])
        .expect_success();
    let people = remote.workspace.run(&["user", "list"]).expect_success();
    assert!(people.contains("ada@example.com"), "{people}");
    let remaining = std::fs::read_dir(&remote.workspace.0).unwrap().flatten();
    let mut left_over: Vec<_> = remaining.map(|entry| entry.file_name()).collect();
    left_over.sort();
    assert_eq!(left_over, ["all.tar.gz", "copy.db", "data"]);
}

#[test]
fn experiments_and_tools_run_on_a_server() {
    let home = Workspace::new();
    let remote = remote_workspace(&home);
    let example = remote.run(&["experiment", "example"]).expect_success();
    std::fs::write(remote.workspace.0.join("example.toml"), example).unwrap();
    let args = ["experiment", "run", "example.toml", "--estimate", "--json"];
    assert!(remote.json(&args)["arms"].as_u64() > Some(1));
    let words = ["experiment", "run", "example.toml", "--evaluations", "6"];
    let ran = remote.run(&words);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("## Leaderboard"), "{ran:?}");
    let list = remote.json(&["experiment", "list", "--json"]);
    let id = list["experiments"][0]["id"].as_str().unwrap();
    let words = ["experiment", "show", id, "--out", "found.csv"];
    remote.run(&words).expect_success();
    assert!(remote.workspace.0.join("found.csv").exists());
    let bad = "name = \"x\"\nmood = 1\n[[cases]]\nprompt = \"a\"\n";
    std::fs::write(remote.workspace.0.join("bad.toml"), bad).unwrap();
    let refusal = remote
        .run(&["experiment", "run", "bad.toml"])
        .expect_refusal(1);
    assert!(refusal.contains("bad.toml, line 2: mood"), "{refusal}");

    let messages = [
        "{\"jsonrpc\": \"2.0\", \"method\": \"notifications/initialized\"}",
        "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"tools/list\"}",
        "{",
    ];
    let output = CommandOutput::from_output(run_with_input(
        remote.command(&["mcp"]),
        &(messages.join("\n") + "\n"),
    ));
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(output.stdout.contains("list_patterns"), "{output:?}");
    assert!(output.stdout.contains("-32700"), "{output:?}");
    assert_eq!(output.stdout.lines().count(), 2, "{output:?}");
}

#[test]
fn commands_of_a_data_folder_refuse_a_server() {
    let workspace = Workspace::new();
    for words in [
        &["serve"][..],
        &[],
        &["restore", "copy.db"],
        &["orphans", "list"],
        &["secret", "new"],
    ] {
        let mut command = workspace.quire(words);
        command.env("QUIRE_SERVER", "http://127.0.0.1:1");
        let error = CommandOutput::from_output(command.output().unwrap()).expect_refusal(2);
        assert!(error.contains("does not work with --server"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    for words in [&["help"][..], &["version"], &["experiment", "example"]] {
        let mut command = workspace.quire(words);
        command.env("QUIRE_SERVER", "http://127.0.0.1:1");
        CommandOutput::from_output(command.output().unwrap()).expect_success();
    }
    assert!(!workspace.data_folder().exists());
}

#[test]
fn a_missing_key_scope_is_named() {
    let home = Workspace::new();
    let mut remote = remote_workspace(&home);
    let key = home
        .run(&["key", "add", "ada@example.com"])
        .expect_success();
    remote.key = key.trim().to_owned();
    let error = remote.run(&["user", "list"]).expect_refusal(1);
    assert!(error.contains("use a key with the scope admin"), "{error}");
}
