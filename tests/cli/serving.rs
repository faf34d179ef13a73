//! Tests `quire serve`: its output, its shutdown, and a port that is in use.

use std::io::{BufRead as _, Write as _};
use std::net::TcpStream;

use super::{Running, Workspace};

#[test]
fn the_server_says_where_it_is_and_stops_in_order() {
    let workspace = Workspace::new();
    for (signal, port) in [
        ("-TERM", &["--port", "0"][..]),
        ("-INT", &["serve", "--port=0"]),
    ] {
        let server = Running::start(workspace.quire(port));
        assert!(server.get("/api/health").starts_with("HTTP/1.1 200"));
        let second = workspace.run(&["--port", "0"]).expect_refusal(1);
        assert!(second.contains("another quire is serving"), "{second}");
        let who = format!("(process {}, since 2", server.child.id());
        assert!(second.contains(&who), "{second}");
        let restored = workspace
            .run(&["restore", "copy.db", "--replace"])
            .expect_refusal(1);
        assert!(restored.contains(&who), "{restored}");
        // Commands work while the server is running.
        workspace.run(&["user", "list"]).expect_success();
        server.signal(signal);
        let message = server.wait_for_exit();
        assert_eq!(message.code, Some(0), "{message:?}");
        assert!(message.err.contains("stopped"), "{message:?}");
    }
    assert_eq!(
        std::fs::metadata(workspace.data_folder().join("secret"))
            .unwrap()
            .len(),
        65
    );
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let workspace = Workspace::new();
    let mut server = Running::start(workspace.quire(&["--port", "0", "--shutdown-timeout", "600"]));
    let mut err = server.stderr_lines();
    // The server waits for an unfinished request before it stops.
    let mut socket = TcpStream::connect(&server.address).unwrap();
    let head = "POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{";
    socket.write_all(head.as_bytes()).unwrap();
    server.get("/api/health");
    server.signal("-TERM");
    let mut line = String::new();
    while !line.contains("stopping") {
        line.clear();
        assert!(
            err.read_line(&mut line).unwrap() > 0,
            "it says that it is stopping"
        );
    }
    server.signal("-TERM");
    assert_eq!(server.child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_port_in_use_is_reported() {
    let workspace = Workspace::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let err = workspace.run(&["--port", &port]).expect_refusal(1);
    assert!(
        err.contains(&format!(
            "cannot listen on 127.0.0.1:{port}: port {port} is in use by another program"
        )) && err.contains("--port"),
        "{err}"
    );
    assert!(!err.contains("os error"), "{err}");
}
