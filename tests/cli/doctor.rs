//! `quire doctor` and the network: the port, the public address, a proxy that buffers responses; and a
//! container's health check.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use super::{Place, Running};

fn port(address: &str) -> &str {
    address.rsplit_once(':').unwrap().1
}

/// Passes requests on, one a connection, and gives each answer when it has all of it.
fn holding_back(to: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let to = to.clone();
            std::thread::spawn(move || pass_on(client, &to));
        }
    });
    address
}

fn pass_on(mut client: TcpStream, to: &str) {
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match client.read(&mut piece).unwrap() {
            0 => return,
            read => head.extend_from_slice(&piece[..read]),
        }
    }
    let text = String::from_utf8(head).unwrap();
    let text = text.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    let mut server = TcpStream::connect(to).unwrap();
    server.write_all(text.as_bytes()).unwrap();
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).unwrap();
    client.write_all(&answer).unwrap();
}

#[test]
fn a_container_asks_for_the_health() {
    let place = Place::new();
    let server = Running::start(place.quire(&["--port", "0"]));
    let ask = ["doctor", "--health", "--port", port(&server.address)];
    assert_eq!(place.run(&ask).well(), "ok\n");
    server.signal("-TERM");
    let ask: Vec<String> = ask.map(str::to_owned).into();
    server.ended();
    let ask: Vec<&str> = ask.iter().map(String::as_str).collect();
    let said = place.run(&ask).refused(1);
    assert!(said.contains("no answer from 127.0.0.1"), "{said}");
    let said = place.run(&["doctor", "--health", "--port", "0"]).refused(1);
    assert!(said.contains("set PORT"), "{said}");
}

#[test]
fn the_doctor_looks_through_the_public_address() {
    let place = Place::new();
    let server = Running::start(place.quire(&["--port", "0"]));
    let look = |public: &str| {
        let url = format!("http://{public}");
        place.run(&[
            "doctor",
            "--port",
            port(&server.address),
            "--public-url",
            &url,
        ])
    };
    let said = look(&server.address).well();
    for line in [
        "ok       port: Quire",
        "ok       clock",
        "ok       authorities",
        "leads to Quire",
        "ok       streaming: events arrive as they are sent",
    ] {
        assert!(said.contains(line), "{line} in {said}");
    }
    let said = look(&holding_back(server.address.clone()));
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.out.contains("broken   streaming") && said.out.contains("proxy_buffering off"),
        "{said:?}"
    );
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = taken.local_addr().unwrap().to_string();
    drop(taken);
    let said = look(&other);
    assert!(said.out.contains("broken   public address"), "{said:?}");
}

#[test]
fn another_program_on_the_port() {
    let place = Place::new();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut client in other.incoming().flatten() {
            let _ = client.write_all(b"220 mail.example ESMTP\r\n");
        }
    });
    let said = place.run(&["doctor", "--port", port(&address)]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("taken by another program"), "{said:?}");
}
