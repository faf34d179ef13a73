//! Tests `quire provider` next to a running server, which notices providers that are added and removed. Also tests
//! commands next to a server whose providers are not in the commands' own environment.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::{CommandOutput, Running, Workspace};

const PROVIDER_KEY: &str = "sk-cli-0123456789-secret-wxyz";

/// Starts a provider that lists two models to callers that have the key. It runs until the test program ends.
fn provider() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for line in listener.incoming().flatten() {
            let _ = answer(line);
        }
    });
    format!("http://{address}/v1")
}

fn answer(mut line: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(line.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let (status, body) = match head.contains(&format!("Bearer {PROVIDER_KEY}\r\n")) {
        true => ("200 OK", r#"{"data":[{"id":"m"},{"id":"n"}]}"#),
        false => ("401 Unauthorized", r#"{"error":{"message":"no such key"}}"#),
    };
    let length = body.len();
    write!(
        line,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

#[test]
fn a_running_server_notices_provider_changes() {
    let workspace = Workspace::new();
    let mut command = workspace.quire(&["--port", "0"]);
    let server = Running::start({
        command
            .env("DISCOVER_LOCAL", "false")
            .env("LOG_LEVEL", "error");
        command
    });
    let url = provider();
    let mut add = workspace.quire(&[
        "provider",
        "add",
        "box",
        "--base-url",
        &url,
        "--key-env",
        "BOX_KEY",
    ]);
    CommandOutput::from_output(add.env("BOX_KEY", PROVIDER_KEY).output().unwrap()).expect_success();
    // Within ten seconds, the server notices the new provider and requests its models.
    let body = |wanted: bool| {
        let limit = Instant::now() + Duration::from_secs(60);
        while server.get("/api/models").contains("\"box/m\"") != wanted {
            assert!(Instant::now() < limit, "the server never noticed");
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    body(true);
    workspace
        .run(&["provider", "remove", "box"])
        .expect_success();
    body(false);
}

#[test]
fn the_first_lines_name_a_stored_provider_instead_of_asking_for_a_key() {
    let workspace = Workspace::new();
    let url = provider();
    let args = [
        "provider",
        "add",
        "box",
        "--base-url",
        &url,
        "--key-env",
        "BOX_KEY",
    ];
    let mut add = workspace.quire(&args);
    CommandOutput::from_output(add.env("BOX_KEY", PROVIDER_KEY).output().unwrap()).expect_success();
    let mut command = workspace.quire(&["--port", "0"]);
    command.env("DISCOVER_LOCAL", "false");
    let mut server = Running::start(command);
    let mut line = String::new();
    while !line.starts_with("The data is in") {
        line.clear();
        assert!(server.stdout.read_line(&mut line).unwrap() > 0);
    }
    line.clear();
    server.stdout.read_line(&mut line).unwrap();
    assert!(
        line.contains("box") && !line.contains("OPENAI_API_KEY"),
        "{line}"
    );
}

/// Starts a server with this key for its provider. Commands next to it have no key in their environment.
fn server_with_key(workspace: &Workspace, key: &str) -> Running {
    let mut command = workspace.quire(&["--port", "0"]);
    command
        .env("DISCOVER_LOCAL", "false")
        .env("OPENAI_API_KEY", key)
        .env("OPENAI_BASE_URL", provider());
    Running::start(command)
}

/// Runs `quire models` repeatedly until its output contains `words`. Returns the output.
fn models_with(workspace: &Workspace, words: &str) -> String {
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        let output = workspace.run(&["models"]).expect_success();
        if output.contains(words) {
            return output;
        }
        assert!(Instant::now() < limit, "{words}: {output}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn commands_list_the_models_of_the_running_server() {
    let workspace = Workspace::new();
    workspace.run(&["user", "add", "a@b.co"]).expect_success();
    let server = server_with_key(&workspace, PROVIDER_KEY);
    let port = server.address.rsplit_once(':').unwrap().1.to_owned();
    let output = models_with(&workspace, "openai/m");
    assert!(!output.contains("demo/"), "{output}");
    let result = workspace.run(&[]).expect_success();
    assert!(result.contains("Ready: openai/m"), "{result}");
    assert_eq!(result.lines().count(), 4, "{result}");
    let output_text = workspace.run(&["doctor", "--port", &port]).expect_success();
    let line = "ok       provider: openai of the running server";
    assert!(output_text.contains(line), "{output_text}");
    assert!(
        !output_text.contains("no provider is configured"),
        "{output_text}"
    );
}

#[test]
fn every_command_reports_a_refused_key() {
    let workspace = Workspace::new();
    workspace.run(&["user", "add", "a@b.co"]).expect_success();
    let server = server_with_key(&workspace, "sk-another-0123456789");
    let port = server.address.rsplit_once(':').unwrap().1.to_owned();
    models_with(
        &workspace,
        "No model from openai: its list of models could not be fetched",
    );
    let output = workspace.run(&[]).expect_success();
    assert!(output.contains("No model from openai is ready"), "{output}");
    let requests = workspace.run(&["ask", "Why?", "--quiet"]).expect_refusal(2);
    assert!(requests.contains("none from openai is ready"), "{requests}");
    let output_text = workspace.run(&["doctor", "--port", &port]).expect_success();
    let line = "warning  provider: openai of the running server: its list";
    assert!(output_text.contains(line), "{output_text}");
}

#[test]
fn a_server_without_an_account_is_described_in_four_lines() {
    let workspace = Workspace::new();
    let _server = Running::start(workspace.quire(&["--port", "0"]));
    let output = workspace.run(&[]).expect_success();
    let lines: Vec<&str> = output.lines().collect();
    let begins = [
        "Quire is listening on http",
        "The data is in",
        "There is no account yet",
        "4 demo models are ready",
    ];
    assert_eq!(lines.len(), begins.len(), "{output}");
    for (line, begin) in lines.iter().zip(begins) {
        assert!(line.starts_with(begin), "{output}");
    }
}

#[test]
fn a_provider_is_added_without_its_key_on_the_command_line() {
    let workspace = Workspace::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    let request = std::thread::spawn(move || {
        let mut heads = Vec::new();
        for body in ["{\"data\":[{\"id\":\"m\"}]}", "{\"data\":[]}"] {
            let (mut socket, _) = listener.accept().unwrap();
            let mut head = String::new();
            let mut reader = BufReader::new(socket.try_clone().unwrap());
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
            let length = body.len();
            write!(socket, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").unwrap();
            heads.push(head);
        }
        heads
    });
    let key = "sk-cli-0123456789-tail";
    let args = ["provider", "add", "box", "--base-url", &base, "--key-stdin"];
    let output = workspace.run_with(&args, &format!("{key}\n"));
    assert_eq!(output.code, Some(0), "{}", output.err);
    assert!(
        output.stdout.contains("lists one model"),
        "{}",
        output.stdout
    );
    let provider_list = workspace.run(&["provider", "list"]);
    assert!(provider_list.stdout.contains("box") && provider_list.stdout.contains("ends in tail"));
    assert!(!provider_list.stdout.contains("0123456789"));
    assert_eq!(workspace.run(&["provider", "test", "box"]).code, Some(0));
    assert!(
        request
            .join()
            .unwrap()
            .iter()
            .all(|head| head.contains(key))
    );
    assert_eq!(workspace.run(&["provider", "remove", "box"]).code, Some(0));
    assert_eq!(workspace.run(&["provider", "remove", "box"]).code, Some(1));
    for args in [
        &["provider"][..],
        &["provider", "buy"],
        &["provider", "add"],
    ] {
        assert_eq!(workspace.run(args).code, Some(2), "{args:?}");
    }
}
