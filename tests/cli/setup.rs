//! Tests who becomes the first administrator, and what the server prints about this when it starts.

use std::io::{BufRead as _, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{Running, Workspace};

const PASSWORD: &str = "Tr4verse-Orchid";

/// Returns the command for a server that other machines can reach, as in a container.
fn exposed_command(workspace: &Workspace) -> Command {
    workspace.quire(&["serve", "--host", "0.0.0.0", "--port", "0"])
}

/// Returns the server's output from the second line up to the message about registration.
fn startup_output(server: &mut Running) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        assert!(server.stdout.read_line(&mut line).unwrap() > 0, "{lines:?}");
        let is_last = line.contains("REGISTRATION=") || line.contains("becomes the administrator");
        lines.push(line.trim_end().to_owned());
        if is_last {
            return lines;
        }
    }
}

fn register(server: &Running, email: &str, token: Option<&str>) -> (u16, Value) {
    let mut body = json!({"email": email, "password": PASSWORD});
    if let Some(token) = token {
        body["setup_token"] = json!(token);
    }
    let body = body.to_string();
    let mut socket = TcpStream::connect(&server.address).unwrap();
    write!(
        socket,
        "POST /api/auth/register HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        server.address,
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    (status, serde_json::from_str(body).unwrap())
}

fn setup_token(lines: &[String]) -> String {
    let link = lines.iter().find_map(|line| line.split_once("#setup="));
    link.unwrap_or_else(|| panic!("{lines:?}")).1.to_owned()
}

fn api_index(server: &Running) -> Value {
    let mut socket = TcpStream::connect(&server.address).unwrap();
    let host = &server.address;
    write!(
        socket,
        "GET / HTTP/1.1\r\nhost: {host}\r\naccept: application/json\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn on_an_open_address_only_the_setup_link_makes_an_administrator_and_only_once() {
    let workspace = Workspace::new();
    let mut server = Running::start(exposed_command(&workspace));
    assert!(server.address.starts_with("0.0.0.0:"), "{}", server.address);
    let lines = startup_output(&mut server);
    assert!(lines[0].contains("every network interface"), "{lines:?}");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("no administrator yet")),
        "{lines:?}"
    );
    assert!(
        lines.last().unwrap().contains("REGISTRATION=open"),
        "{lines:?}"
    );
    assert_eq!(api_index(&server)["needs_setup_token"], true);
    let token = setup_token(&lines);
    // A stranger who registers first becomes an ordinary user, and cannot guess the token.
    let (status, response) = register(&server, "eve@example.com", None);
    assert_eq!(
        (status, &response["user"]["role"]),
        (200, &json!("user")),
        "{response}"
    );
    let (status, response) = register(&server, "mallory@example.com", Some("0123456789abcdef"));
    assert_eq!(status, 403, "{response}");
    let (status, response) = register(&server, "ada@example.com", Some(&token));
    assert_eq!(
        (status, &response["user"]["role"]),
        (200, &json!("admin")),
        "{response}"
    );
    let (status, response) = register(&server, "late@example.com", Some(&token));
    assert_eq!(status, 403, "{response}");
    assert!(
        response
            .to_string()
            .contains("already has an administrator"),
        "{response}"
    );
    assert_eq!(api_index(&server)["needs_setup_token"], false);
    let mut err = server.stderr_lines();
    server.signal("-TERM");
    let mut log = String::new();
    err.read_to_string(&mut log).unwrap();
    assert!(!log.contains(&token), "{log}");
    // When there is an administrator, the output of the server no longer mentions the setup.
    let mut restarted = Running::start(exposed_command(&workspace));
    restarted.signal("-TERM");
    let mut rest = String::new();
    restarted.stdout.read_to_string(&mut rest).unwrap();
    assert!(
        !rest.contains("setup") && !rest.contains("administrator"),
        "{rest}"
    );
}

#[test]
fn lost_disk_does_not_let_a_stranger_become_administrator() {
    let workspace = Workspace::new();
    let start = |workspace: &Workspace| {
        let mut command = exposed_command(workspace);
        command.env("QUIRE_SETUP_TOKEN", "owner-only-0123456789");
        Running::start(command)
    };
    for _ in 0..2 {
        let mut server = start(&workspace);
        let lines = startup_output(&mut server);
        assert!(
            lines
                .iter()
                .any(|line| line.contains("value of QUIRE_SETUP_TOKEN")),
            "{lines:?}"
        );
        assert!(!lines.concat().contains("owner-only"), "{lines:?}");
        let (_, response) = register(&server, "eve@example.com", None);
        assert_eq!(response["user"]["role"], "user", "{response}");
        let (_, response) = register(&server, "ada@example.com", Some("owner-only-0123456789"));
        assert_eq!(response["user"]["role"], "admin", "{response}");
        drop(server);
        std::fs::remove_dir_all(workspace.data_folder()).unwrap();
    }
}

#[test]
fn production_needs_the_token_on_loopback_too_and_closed_registration_admits_it() {
    let workspace = Workspace::new();
    let mut command = workspace.quire(&["serve", "--port", "0", "--registration", "closed"]);
    command
        .env("ENVIRONMENT", "production")
        .env("PASSWORD_ROUNDS", "600000");
    let mut server = Running::start(command);
    let mut line = String::new();
    server.stdout.read_line(&mut line).unwrap();
    assert!(line.contains("no administrator yet"), "{line}");
    line.clear();
    server.stdout.read_line(&mut line).unwrap();
    let token = setup_token(&[line.trim().to_owned()]);
    let (status, response) = register(&server, "eve@example.com", None);
    assert_eq!(status, 403, "{response}");
    let (status, response) = register(&server, "ada@example.com", Some(&token));
    assert_eq!(
        (status, &response["user"]["role"]),
        (200, &json!("admin")),
        "{response}"
    );
}

#[test]
fn an_invitation_is_not_needed_with_the_token_and_is_without_it() {
    let workspace = Workspace::new();
    let mut command = exposed_command(&workspace);
    command
        .env("REGISTRATION", "invite")
        .env("QUIRE_SETUP_TOKEN", "owner-only-0123456789");
    let server = Running::start(command);
    let (status, response) = register(&server, "eve@example.com", None);
    assert_eq!(status, 403, "{response}");
    let (status, response) = register(&server, "ada@example.com", Some("owner-only-0123456789"));
    assert_eq!(
        (status, &response["user"]["role"]),
        (200, &json!("admin")),
        "{response}"
    );
}

#[test]
fn the_machine_makes_an_administrator_and_loopback_stays_as_it_was() {
    let workspace = Workspace::new();
    let mut server = Running::start(workspace.quire(&["serve", "--port", "0"]));
    let lines = startup_output(&mut server);
    assert!(lines[0].starts_with("There is no account yet"), "{lines:?}");
    let (_, response) = register(&server, "ada@example.com", None);
    assert_eq!(response["user"]["role"], "admin", "{response}");
    drop(server);
    let other = Workspace::new();
    let message = other
        .run(&["user", "add", "root@example.com", "--admin"])
        .expect_success();
    assert!(message.contains("admin"), "{message}");
    let server = Running::start(exposed_command(&other));
    let (_, response) = register(&server, "eve@example.com", None);
    assert_eq!(response["user"]["role"], "user", "{response}");
}

#[test]
fn a_public_address_in_front_of_loopback_needs_the_token() {
    let behind = |workspace: &Workspace, url: &str| {
        let mut command = workspace.quire(&["serve", "--host", "127.0.0.1", "--port", "0"]);
        command.env("PUBLIC_URL", url);
        Running::start(command)
    };
    let workspace = Workspace::new();
    let mut server = behind(&workspace, "https://quire.example.com");
    let lines = startup_output(&mut server);
    let link = setup_token(&lines);
    let (status, eve_message) = register(&server, "eve@example.com", None);
    assert_eq!(
        (status, &eve_message["user"]["role"]),
        (200, &json!("user"))
    );
    let (_, ada_message) = register(&server, "ada@example.com", Some(&link));
    assert_eq!(ada_message["user"]["role"], "admin", "{ada_message}");
    drop(server);
    // With a loopback address, nothing is exposed, so no token is needed.
    let other = Workspace::new();
    let server = behind(&other, "http://localhost:8000");
    let (_, response) = register(&server, "ada@example.com", None);
    assert_eq!(response["user"]["role"], "admin", "{response}");
}

#[test]
fn a_short_setup_token_is_refused_and_render_makes_one() {
    let workspace = Workspace::new();
    let mut command = exposed_command(&workspace);
    command.env("QUIRE_SETUP_TOKEN", "short");
    let error = super::CommandOutput::from_output(command.output().unwrap()).expect_refusal(2);
    assert!(
        error.contains("QUIRE_SETUP_TOKEN") && error.contains("16 characters"),
        "{error}"
    );
    let render = Path::new(env!("CARGO_MANIFEST_DIR")).join("render.yaml");
    let text = std::fs::read_to_string(render).unwrap();
    assert!(text.contains("- key: QUIRE_SETUP_TOKEN\n        generateValue: true"));
}
