//! Tests `quire ask --server`: the same command, but run on a server.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use super::{CommandOutput, Running, Workspace};

/// Starts a server with an account. Also returns an API key of that account.
fn start_server(workspace: &Workspace) -> (Running, String) {
    let mut command = workspace.quire(&["serve"]);
    command.env("PORT", "0").env("USE_MOCK", "true");
    let server = Running::start(command);
    let output = workspace.run(&["user", "add", "ada@example.com", "--admin"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let key = workspace
        .run(&["key", "add", "ada@example.com"])
        .expect_success();
    (server, key.trim().to_owned())
}

fn ask_command(
    other: &Workspace,
    server: &Running,
    key: &str,
    words: &[&str],
) -> std::process::Command {
    let url = format!("http://{}", server.address);
    let mut all = vec!["ask", "--server", &url, "--panel", "demo/extract"];
    all.extend_from_slice(words);
    let mut command = other.quire(&all);
    command.env("QUIRE_API_KEY", key);
    command
}

#[test]
fn a_running_server_answers_and_keeps_it() {
    let (workspace, other) = (Workspace::new(), Workspace::new());
    let (server, key) = start_server(&workspace);
    std::fs::write(
        other.0.join("lease.txt"),
        "The lease of the mill ends in 2031.\n",
    )
    .unwrap();
    let args = [
        "When does the lease end?",
        "--file",
        "lease.txt",
        "--quiet",
        "--json",
    ];
    let answer =
        CommandOutput::from_output(ask_command(&other, &server, &key, &args).output().unwrap())
            .expect_success();
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["status"], "completed");
    assert!(
        answer["synthesis"].as_str().unwrap().contains("2031"),
        "{answer}"
    );
    // The command creates nothing on the client's machine.
    assert!(!other.data_folder().exists());
    let words = ["When does the lease end?", "--depth", "quick"];
    let command_output =
        CommandOutput::from_output(ask_command(&other, &server, &key, &words).output().unwrap());
    assert_eq!(command_output.code, Some(0));
    assert!(
        command_output.err.contains("demo/extract answered"),
        "{}",
        command_output.err
    );
    assert!(!command_output.stdout.trim().is_empty());
}

#[test]
fn remote_errors_are_explained() {
    let (workspace, other) = (Workspace::new(), Workspace::new());
    let (server, key) = start_server(&workspace);
    let response = |key: &str, words: &[&str], code| {
        CommandOutput::from_output(ask_command(&other, &server, key, words).output().unwrap())
            .expect_refusal(code)
    };
    let why = response("quire_wrong", &["Why?"], 1);
    assert!(why.contains("QUIRE_API_KEY"), "{why}");
    let why = response(&key, &["Why?", "--pattern", "nonsense"], 2);
    assert!(why.contains("--pattern: must be one of"), "{why}");
    let why = response(&key, &["Why?", "--file", "missing.txt"], 1);
    assert!(why.contains("missing.txt"), "{why}");
    let mut nowhere = other.quire(&["ask", "Why?", "--server", "http://127.0.0.1:1"]);
    let why = CommandOutput::from_output(nowhere.output().unwrap()).expect_refusal(1);
    assert!(why.contains("cannot reach the server"), "{why}");
    other
        .run(&["ask", "Why?", "--server", "x", "--as", "a@b.example"])
        .expect_refusal(2);
}

#[test]
fn ctrl_c_stops_the_run_on_the_server() {
    let (workspace, other) = (Workspace::new(), Workspace::new());
    let (server, key) = start_server(&workspace);
    let question = "Is it thin? ".repeat(400);
    let mut command = ask_command(
        &other,
        &server,
        &key,
        &[
            &question,
            "--panel",
            "demo/extract,demo/merge",
            "--depth",
            "full",
        ],
    );
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // From the first event of the run on, the command waits for signals.
    let mut events = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(events.next().is_some(), "the run starts");
    let drain = std::thread::spawn(move || events.for_each(drop));
    let id = child.id().to_string();
    std::process::Command::new("kill")
        .args(["-INT", &id])
        .status()
        .unwrap();
    let output = CommandOutput::from_output(child.wait_with_output().unwrap());
    drain.join().unwrap();
    // The run was stopped, unless it had ended before the signal arrived.
    assert!(
        output.code == Some(130) || output.code == Some(0),
        "{output:?}"
    );
}
