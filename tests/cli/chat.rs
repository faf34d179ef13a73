//! Tests `quire chat` and `quire ask --continue`, in the data folder and with a running server.

use serde_json::Value;

use super::{CommandOutput, Running, Workspace};

/// Returns a workspace with an account, so that runs are stored.
fn workspace_with_ada() -> Workspace {
    let workspace = Workspace::new();
    let output = workspace.run(&["user", "add", "ada@example.com", "--admin"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    workspace
}

fn ask_json(workspace: &Workspace, words: &[&str]) -> Value {
    let mut all = vec!["ask", "--quiet", "--json"];
    all.extend_from_slice(words);
    serde_json::from_str(&workspace.run(&all).expect_success()).unwrap()
}

#[test]
fn continue_follows_up_on_the_newest_thread() {
    let workspace = workspace_with_ada();
    let none = workspace
        .run(&["ask", "-c", "And a ream?"])
        .expect_refusal(1);
    assert!(none.contains("no thread to continue"), "{none}");
    let answer = ask_json(
        &workspace,
        &["What is a quire?", "--panel", "demo/extract,demo/phrases"],
    );
    let two = ask_json(&workspace, &["-c", "And a ream?"]);
    assert_eq!(two["thread_id"], answer["thread_id"]);
    assert_eq!(
        (&two["turn"], &two["models"]),
        (&Value::from(2), &answer["models"])
    );
    let three = ask_json(&workspace, &["--continue", "And a sheet?"]);
    assert_eq!(three["branch"]["of"], two["analysis_id"]);
}

#[test]
fn each_input_line_continues_the_conversation() {
    let workspace = workspace_with_ada();
    let input =
        "What is a quire?\n\nAnd a ream?\n/help\n/new\nWhat is paper?\n/quit\nNever asked\n";
    let output = workspace.run_with(
        &["chat", "--panel", "demo/extract", "--depth", "quick"],
        input,
    );
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(
        !output.stdout.trim().is_empty() && !output.stdout.contains('\x1b'),
        "{}",
        output.stdout
    );
    assert!(
        output.err.contains("/quit exits") && output.err.contains("new thread"),
        "{}",
        output.err
    );
    let four = ask_json(&workspace, &["-c", "And ink?"]);
    assert_eq!(four["turn"], 2, "the thread that /new began");
    assert_eq!(four["models"], serde_json::json!(["demo/extract"]));
    // The conversation continues after a question that fails.
    let command_output =
        workspace.run_with(&["chat", "--quiet", "--panel", "demo/none"], "Why?\nHow?\n");
    assert_eq!(command_output.code, Some(0), "{command_output:?}");
    assert_eq!(
        command_output
            .err
            .lines()
            .filter(|line| line.contains("no model is called"))
            .count(),
        2,
        "{}",
        command_output.err
    );
}

#[test]
fn chat_works_with_a_running_server() {
    let (workspace, other) = (Workspace::new(), Workspace::new());
    let mut command = workspace.quire(&["serve"]);
    command.env("PORT", "0").env("USE_MOCK", "true");
    let server = Running::start(command);
    workspace.run(&["user", "add", "ada@example.com", "--admin"]);
    let key = workspace
        .run(&["key", "add", "ada@example.com"])
        .expect_success();
    let url = format!("http://{}", server.address);
    let with_key = |words: &[&str], input: &str| {
        let mut command = other.quire(words);
        command.env("QUIRE_API_KEY", key.trim());
        CommandOutput::from_output(super::run_with_input(command, input))
    };
    let args = [
        "chat",
        "--server",
        &url,
        "--panel",
        "demo/extract",
        "--quiet",
    ];
    let message = with_key(&args, "What is a quire?\nAnd a ream?\n");
    assert_eq!(message.code, Some(0), "{message:?}");
    let words = [
        "ask",
        "-c",
        "And a sheet?",
        "--server",
        &url,
        "--quiet",
        "--json",
    ];
    let answer: Value = serde_json::from_str(&with_key(&words, "").expect_success()).unwrap();
    assert_eq!(answer["turn"], 3);
    assert!(!other.data_folder().exists());
}
