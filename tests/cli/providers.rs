//! `quire provider` next to a running server, which notices added and removed providers.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::{Place, Running, Said};

const KEY: &str = "sk-cli-0123456789-secret-wxyz";

/// A provider that lists two models to callers with the key, until the test program ends.
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
    let (status, body) = match head.contains(&format!("Bearer {KEY}\r\n")) {
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
fn a_running_server_notices() {
    let place = Place::new();
    let mut command = place.quire(&["--port", "0"]);
    let server = Running::start({
        command
            .env("DISCOVER_LOCAL", "false")
            .env("LOG_LEVEL", "error");
        command
    });
    let url = provider();
    let mut add = place.quire(&[
        "provider",
        "add",
        "box",
        "--base-url",
        &url,
        "--key-env",
        "BOX_KEY",
    ]);
    Said::of(add.env("BOX_KEY", KEY).output().unwrap()).well();
    // It reads what was added within ten seconds, and asks it for its models by itself.
    let shown = |wanted: bool| {
        let limit = Instant::now() + Duration::from_secs(60);
        while server.get("/api/models").contains("\"box/m\"") != wanted {
            assert!(Instant::now() < limit, "the server never noticed");
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    shown(true);
    place.run(&["provider", "remove", "box"]).well();
    shown(false);
}
