//! Tests questions as users ask them: with piped documents, several words, file patterns, web addresses, estimates, and
//! recipes, and how they appear in the history. They are asked in the data folder, next to a running server, and with
//! QUIRE_SERVER.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

use serde_json::Value;

use super::{CommandOutput, Running, Workspace};

const LOCK_TEXT: &str = "The lock of the north canal is repaired by the water board each spring.\n";

fn workspace_with_ada() -> Workspace {
    let workspace = Workspace::new();
    workspace
        .run(&["user", "add", "ada@example.com", "--admin"])
        .expect_success();
    workspace
}

fn result_of(output: CommandOutput) -> Value {
    serde_json::from_str(&output.expect_success()).unwrap()
}

#[test]
fn piped_input_with_a_question_is_a_document() {
    let workspace = Workspace::new();
    let args = [
        "ask",
        "Who",
        "repairs",
        "the",
        "lock?",
        "-m",
        "demo/extract",
        "-q",
        "--json",
    ];
    let result = result_of(workspace.run_with(&args, LOCK_TEXT));
    assert!(
        result["synthesis"]
            .as_str()
            .unwrap()
            .contains("water board"),
        "{result}"
    );
    assert_eq!(
        result["prompt"], "Who repairs the lock?",
        "several words are one question"
    );
    // A document can also be redirected from a file. An empty pipe adds nothing.
    std::fs::write(workspace.0.join("lock.txt"), LOCK_TEXT).unwrap();
    let mut command = workspace.quire(&args);
    command.stdin(std::fs::File::open(workspace.0.join("lock.txt")).unwrap());
    let result = result_of(CommandOutput::from_output(command.output().unwrap()));
    assert!(
        result["synthesis"]
            .as_str()
            .unwrap()
            .contains("water board"),
        "{result}"
    );
    let result = result_of(workspace.run_with(&args, ""));
    assert!(!result.to_string().contains("water board"), "{result}");
}

#[test]
fn several_files_are_read_by_words_and_by_pattern() {
    let workspace = workspace_with_ada();
    for (name, text) in [
        ("a.md", "Alpha leaks.\n"),
        ("b.md", "Beta is dry.\n"),
        ("c.txt", "Gamma.\n"),
    ] {
        std::fs::write(workspace.0.join(name), text).unwrap();
    }
    // The command works whether or not the shell has expanded the pattern.
    for words in [
        &[
            "ask",
            "What leaks?",
            "-f",
            "a.md",
            "b.md",
            "-m",
            "demo/extract",
        ][..],
        &["ask", "-f", "*.md", "-m", "demo/extract", "What leaks?"],
    ] {
        let output = workspace.run(words);
        assert_eq!(output.code, Some(0), "{output:?}");
        assert!(
            output.err.contains("a.md: ") && output.err.contains("b.md: "),
            "{output:?}"
        );
    }
    let document_list = workspace.run(&["documents", "--json"]).expect_success();
    let list: Value = serde_json::from_str(&document_list).unwrap();
    assert_eq!(list["documents"].as_array().unwrap().len(), 2, "{list}");
    let none = workspace
        .run(&["ask", "What?", "-f", "*.pdf"])
        .expect_refusal(1);
    assert!(none.contains("no file matches *.pdf"), "{none}");
    // A document that is already stored can be given by its ID.
    let added = workspace.run(&["documents", "add", "c.txt"]);
    let id = added.stdout.trim().to_owned();
    assert!(id.starts_with("document_"), "{added:?}");
    let args = [
        "ask",
        "What is it?",
        "--document",
        &id,
        "-m",
        "demo/extract",
        "-q",
        "--json",
    ];
    let result = result_of(workspace.run(&args));
    assert!(result.to_string().contains(&id), "{result}");
}

#[test]
fn a_web_address_is_read_if_it_may_be() {
    let workspace = Workspace::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for path in ["/moved", "/lock.txt"] {
            let (socket, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(socket.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
            assert!(head.starts_with(&format!("GET {path} ")), "{head}");
            let mut socket = socket;
            let answer = match path {
                "/moved" => {
                    "HTTP/1.1 302 Found\r\nlocation: /lock.txt\r\ncontent-length: 0\r\n\r\n"
                        .to_owned()
                }
                _ => format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{LOCK_TEXT}",
                    LOCK_TEXT.len()
                ),
            };
            socket.write_all(answer.as_bytes()).unwrap();
        }
    });
    let url = format!("http://{address}/moved");
    let args = [
        "ask",
        "Who repairs it?",
        "-f",
        &url,
        "-m",
        "demo/extract",
        "-q",
        "--json",
    ];
    let refusal = workspace.run(&args).expect_refusal(1);
    assert!(refusal.contains("not public; OUTBOUND_ALLOW"), "{refusal}");
    let mut command = workspace.quire(&args);
    command.env("OUTBOUND_ALLOW", "127.0.0.0/8");
    let result = result_of(CommandOutput::from_output(command.output().unwrap()));
    assert!(
        result["synthesis"]
            .as_str()
            .unwrap()
            .contains("water board"),
        "{result}"
    );
}

#[test]
fn an_estimate_spends_nothing_and_parameters_arrive() {
    let workspace = workspace_with_ada();
    let args = ["ask", "Why?", "-m", "demo/extract", "--estimate"];
    let text = workspace.run(&args).expect_success();
    assert!(
        text.contains("demo/extract") && text.contains("output tokens"),
        "{text}"
    );
    assert!(
        workspace
            .run(&["history"])
            .expect_success()
            .starts_with("No threads yet.")
    );
    let words = [
        "ask",
        "Why?",
        "-m",
        "demo/extract",
        "-q",
        "--json",
        "--preset",
        "precise",
        "--parameter",
        "max_tokens=50",
        "--depth",
        "quick",
    ];
    let result = workspace.run(&words);
    if result.code != Some(0) {
        assert!(result.err.contains("--preset: "), "{result:?}");
    }
    let words = [
        "ask",
        "Why?",
        "-m",
        "demo/extract",
        "-q",
        "--json",
        "--parameter",
        "max_tokens=50",
    ];
    let result = result_of(workspace.run(&words));
    assert!(result.to_string().contains("\"max_tokens\":50"), "{result}");
}

#[test]
fn next_to_a_server_questions_go_through_it() {
    let workspace = workspace_with_ada();
    let mut command = workspace.quire(&["serve", "--port", "0"]);
    command.env("USE_MOCK", "true");
    let _server = Running::start(command);
    std::fs::write(workspace.0.join("lock.txt"), LOCK_TEXT).unwrap();
    let args = [
        "ask",
        "Who repairs it?",
        "-f",
        "lock.txt",
        "-m",
        "demo/extract",
        "-q",
        "--json",
    ];
    let result = result_of(workspace.run(&args));
    assert!(
        result["synthesis"]
            .as_str()
            .unwrap()
            .contains("water board"),
        "{result}"
    );
    let words = [
        "ask",
        "-c",
        "And when?",
        "-m",
        "demo/extract",
        "-q",
        "--json",
    ];
    assert_eq!(result_of(workspace.run(&words))["turn"], 2);
    workspace.run(&["documents", "add", "lock.txt"]);
    let output = workspace.run_with(&["chat", "-c", "-q"], "Why?\n");
    assert_eq!(output.code, Some(0), "{output:?}");
    // The temporary key has been deleted.
    let keys = workspace
        .run(&["key", "list", "ada@example.com"])
        .expect_success();
    assert!(keys.starts_with("No API keys yet."), "{keys}");
    let history = workspace.run(&["history"]).expect_success();
    assert!(
        history.contains("Who repairs it?") && history.contains("just now"),
        "{history}"
    );
}

#[test]
fn quire_server_serves_every_command_that_can_use_one() {
    let (workspace, other) = (workspace_with_ada(), Workspace::new());
    let mut command = workspace.quire(&["serve", "--port", "0"]);
    command.env("USE_MOCK", "true");
    let server = Running::start(command);
    let key = workspace.run(&[
        "key",
        "add",
        "ada@example.com",
        "--scope",
        "chat",
        "--scope",
        "analyze",
        "--scope",
        "documents",
        "--scope",
        "export",
    ]);
    let key = key.expect_success().trim().to_owned();
    let run = |words: &[&str]| {
        let mut command = other.quire(words);
        command.env("QUIRE_SERVER", format!("http://{}", server.address));
        command.env("QUIRE_API_KEY", &key);
        CommandOutput::from_output(command.output().unwrap())
    };
    std::fs::write(other.0.join("lock.txt"), LOCK_TEXT).unwrap();
    let output = run(&["documents", "add", "lock.txt"]);
    let id = output.stdout.trim().to_owned();
    assert!(id.starts_with("document_"), "{output:?}");
    assert!(run(&["documents"]).expect_success().contains("lock.txt"));
    assert!(
        run(&["documents", "search", "water", "board"])
            .expect_success()
            .contains("lock.txt, page 1:")
    );
    assert!(run(&["models"]).expect_success().contains("demo/extract"));
    let result = result_of(run(&[
        "ask",
        "Who repairs it?",
        "--document",
        &id,
        "-m",
        "demo/extract",
        "-q",
        "--json",
    ]));
    assert!(
        result["synthesis"]
            .as_str()
            .unwrap()
            .contains("water board"),
        "{result}"
    );
    assert!(
        run(&["ask", "Why?", "-m", "demo/extract", "--estimate"])
            .expect_success()
            .contains("output tokens")
    );
    assert!(
        run(&["history", "show", "last"])
            .expect_success()
            .contains("water board")
    );
    assert!(
        run(&["history", "search", "repairs"])
            .expect_success()
            .contains("Who repairs it?")
    );
    assert!(
        run(&["history", "export", "last", "--format", "html"])
            .expect_success()
            .contains("<html")
    );
    assert!(
        run(&["documents", "delete", &id])
            .expect_success()
            .contains("deleted")
    );
    assert!(!other.data_folder().exists(), "nothing is left behind");
}

#[test]
fn the_history_is_listed_read_searched_and_exported() {
    let workspace = workspace_with_ada();
    workspace
        .run(&["ask", "What is a quire?", "-m", "demo/extract", "-q"])
        .expect_success();
    let output = workspace.run(&["history"]).expect_success();
    assert!(
        output.starts_with("ID") && output.contains("What is a quire?"),
        "{output}"
    );
    let json: Value =
        serde_json::from_str(&workspace.run(&["history", "--json"]).expect_success()).unwrap();
    let id = json["threads"][0]["thread_id"].as_str().unwrap();
    assert!(
        workspace
            .run(&["history", "show", id])
            .expect_success()
            .contains("## What is a quire?")
    );
    assert!(
        workspace
            .run(&["history", "search", "quire"])
            .expect_success()
            .contains(id)
    );
    let none = workspace
        .run(&["history", "search", "unheard"])
        .expect_success();
    assert_eq!(none, "No thread contains these words.\n");
    for (name, part) in [
        ("a.md", "What is a quire?"),
        ("a.html", "<html"),
        ("a.json", "\"turns\""),
    ] {
        workspace
            .run(&["history", "export", "last", "-o", name])
            .expect_success();
        let text = std::fs::read_to_string(workspace.0.join(name)).unwrap();
        assert!(text.contains(part), "{name}: {text}");
    }
    workspace
        .run(&["history", "export", "last", "-o", "a.pdf"])
        .expect_refusal(2);
}

#[test]
fn the_example_of_an_experiment_runs() {
    let workspace = Workspace::new();
    let example = workspace.run(&["experiment", "example"]).expect_success();
    std::fs::write(workspace.0.join("example.toml"), &example).unwrap();
    let output = workspace.run(&["experiment", "run", "example.toml", "--estimate"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    // Error messages contain the name and the line of the field.
    let wrong = example.replace("dial = \"model\"", "dail = \"model\"");
    let line = wrong
        .lines()
        .position(|line| line.starts_with("[[space]]"))
        .unwrap()
        + 1;
    std::fs::write(workspace.0.join("wrong.toml"), &wrong).unwrap();
    let output = workspace.run(&["experiment", "run", "wrong.toml", "--estimate"]);
    assert_eq!(
        (output.code, output.stdout.as_str()),
        (Some(1), ""),
        "{output:?}"
    );
    let message = output.err;
    assert!(message.contains("wrong.toml, line "), "{message}");
    assert!(message.contains("dail"), "{message}");
    let line_number: usize = message
        .split("line ")
        .nth(1)
        .unwrap()
        .split(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!((line..line + 3).contains(&line_number), "{line}: {message}");
}
