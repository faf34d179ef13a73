//! Tests that a running process is replaced at the same address without a failed request.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde_json::json;

use crate::durability::{check_resumed, interrupted_then_complete_lines, start_half_finished_run};
use crate::support::Client;
use crate::support::executable::Executable;
use crate::support::provider::Provider;
use crate::support::script::providers;
use crate::support::server::Folder;

const SETTINGS: &[(&str, &str)] = &[("USE_MOCK", "true"), ("RATE_LIMIT", "100000000")];

/// Starts a process that replaces the one that uses this folder.
fn start_replacement(folder: &Folder, settings: &[(&str, &str)]) -> Executable {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quire"));
    command.args(["serve", "--take-over"]);
    Executable::from_command(command, folder, settings)
}

/// Starts a process and passes it an open socket, as systemd does.
fn start_with_socket(
    folder: &Folder,
    socket: &TcpListener,
    settings: &[(&str, &str)],
) -> Executable {
    let mut command = Command::new("/bin/sh");
    let line = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" serve 3<&0 </dev/null";
    command.args(["-c", line, env!("CARGO_BIN_EXE_quire")]);
    command.stdin(OwnedFd::from(socket.try_clone().unwrap()));
    Executable::from_command(command, folder, settings)
}

/// Runs `change` while users write and read, over both new and reused connections. The test fails if a request is
/// refused, cut off, or answered with a status other than 200, or if a write is missing afterward.
fn run_under_load<T>(address: SocketAddr, change: impl FnOnce() -> T) -> T {
    let (over, answered_count) = (AtomicBool::new(false), AtomicU64::new(0));
    let people: Vec<Client> = (0..20)
        .map(|n| Client::new(address).registered(&format!("p{n}@example.com")))
        .collect();
    let remaining = std::thread::scope(|scope| {
        for (n, person) in people.into_iter().enumerate() {
            let (over, answered_count) = (&over, &answered_count);
            scope.spawn(move || {
                let mut person = person;
                for turn in 0_u64.. {
                    if n % 2 == 0 {
                        // Half of the users open a new connection for every change.
                        person = person.fresh();
                    }
                    let name = format!("{n} of {turn}");
                    let answer = person.put("/api/users/me", json!({ "name": name }));
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    let answer = person.get("/api/users/me");
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    assert_eq!(answer.json()["name"], json!(name));
                    answered_count.fetch_add(1, Relaxed);
                    if over.load(Relaxed) {
                        return;
                    }
                }
            });
        }
        let remaining_files = change();
        over.store(true, Relaxed);
        remaining_files
    });
    assert!(answered_count.load(Relaxed) >= 20);
    remaining
}

#[test]
fn an_upgrade_under_load_fails_no_request() {
    let folder = Folder::new();
    let replica = format!("file://{}", folder.path().join("replica").display());
    let mut settings = SETTINGS.to_vec();
    settings.push(("QUIRE_REPLICA", &replica));
    let first = Executable::with(&folder, &settings);
    let address = first.address;
    let mut server = first;
    run_under_load(address, || {
        for _ in 0..3 {
            let old = std::mem::replace(&mut server, start_replacement(&folder, &settings));
            assert_eq!(old.code(), Some(0));
            assert_eq!(server.address, address);
            // The new process serves for a while before it is replaced too.
            std::thread::sleep(Duration::from_millis(300));
        }
    });
    server.signal("-TERM");
    assert_eq!(server.code(), Some(0));
    assert!(!folder.path().join("data/handover").exists());
}

#[test]
fn a_socket_activated_restart_under_load_fails_no_request() {
    let folder = Folder::new();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut server = start_with_socket(&folder, &socket, SETTINGS);
    assert_eq!(server.address, socket.local_addr().unwrap());
    let last = run_under_load(server.address, || {
        for _ in 0..3 {
            server.signal("-TERM");
            assert_eq!(server.code(), Some(0));
            server = start_with_socket(&folder, &socket, SETTINGS);
        }
        server
    });
    last.signal("-TERM");
    assert_eq!(last.code(), Some(0));
}

#[test]
fn a_run_continues_in_the_next_process() {
    let provider = Provider::script(interrupted_then_complete_lines());
    let folder = Folder::new();
    let known_providers = providers(&provider);
    let settings = [
        ("QUIRE_PROVIDERS", known_providers.as_str()),
        ("SHUTDOWN_TIMEOUT", "1"),
        ("USE_MOCK", "true"),
    ];
    let first = Executable::with(&folder, &settings);
    let mut client = Client::new(first.address).registered("ada@example.com");
    let (id, earlier_events) = start_half_finished_run(&mut client);
    let second = start_replacement(&folder, &settings);
    assert_eq!(first.code(), Some(0));
    check_resumed(
        &mut second.known(&client).fresh(),
        &provider,
        &id,
        &earlier_events,
    );
}

#[test]
fn takeover_works_without_a_server_and_refuses_a_wrong_one() {
    let folder = Folder::new();
    // If there is nothing to replace, the process starts normally.
    let first = start_replacement(&folder, SETTINGS);
    let socket = folder.path().join("data/handover");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // A process whose own settings are invalid does not affect the running one.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let response = |extra_settings: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quire"));
        command.args(["serve", "--take-over"]).env_clear();
        command.envs([
            ("ENVIRONMENT", "test"),
            ("HOST", "127.0.0.1"),
            ("PORT", "0"),
        ]);
        command.env("QUIRE_DATA", folder.path().join("data"));
        let output = command
            .envs(extra_settings.iter().copied())
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let message = response(&[("PORT", &port)]);
    assert!(message.contains("cannot listen on 127.0.0.1"), "{message}");
    let mut client = Client::new(first.address);
    assert_eq!(client.get("/health").status, 200);
    // A client that connects without sending anything does not block others.
    let silent_client = UnixStream::connect(&socket).unwrap();
    drop(silent_client);
    let second = start_replacement(&folder, &[("PORT", "0"), ("USE_MOCK", "true")]);
    assert_eq!(first.code(), Some(0));
    assert_eq!(second.known(&client).get("/health").status, 200);
    // A server of an older version has no handover socket.
    std::fs::remove_file(&socket).unwrap();
    let text = response(&[]);
    assert!(text.contains("the handover failed"), "{text}");
    assert!(text.contains(&format!("process {}", second.id())), "{text}");
    assert_eq!(second.known(&client).get("/health").status, 200);
}
