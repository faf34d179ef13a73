//! `make footprint`: what Quire costs when it does nothing, beside a bare-hyper hello built alike.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use support::{Folder, Program, binaries, field, median, post, sign_up};

const STARTS: usize = 21;
const STREAMS: usize = 1000;

fn main() {
    let (quire, hello) = binaries();
    let folder = Folder::new("footprint");
    drop(Program::start(&quire, Some(&folder.0), "/api/health", &[]));

    let start = |binary: &std::path::Path, data: Option<&std::path::Path>, path: &str| {
        median(
            (0..STARTS)
                .map(|_| {
                    Program::start(binary, data, path, &[])
                        .first_answer
                        .as_secs_f64()
                        * 1e3
                })
                .collect(),
        )
    };
    let floor = start(&hello, None, "/");
    let ours = start(&quire, Some(&folder.0), "/api/health");
    println!(
        "start to first 200, existing database  {ours:6.2} ms   floor {floor:5.2} ms   {:5.2} x   (goal: 4 x)",
        ours / floor
    );

    let idle = |program: &Program| {
        std::thread::sleep(Duration::from_secs(3));
        program.pss_kb() as f64 / 1024.0
    };
    let floor = idle(&Program::start(&hello, None, "/", &[]));
    let program = Program::start(&quire, Some(&folder.0), "/api/health", &[]);
    let ours = idle(&program);
    println!(
        "idle memory (PSS)                      {ours:6.2} MB   floor {floor:5.2} MB   {} threads   (goal: 6 MB)",
        program.threads()
    );
    drop(program);

    let size = |path: &std::path::Path| {
        std::fs::metadata(path).map_or(0, |meta| meta.len()) as f64 / 1048576.0
    };
    println!(
        "binary                                 {:6.2} MB   floor {:5.2} MB                (goal: 8 MB)",
        size(&quire),
        size(&hello)
    );

    println!(
        "an idle event stream                   {:6.2} KB   ({STREAMS} streams)          (goal: 12 KB)",
        event_stream(&quire)
    );
}

// A provider that accepts and never answers keeps an analysis running; all watch it.
fn event_stream(quire: &std::path::Path) -> f64 {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let base = format!("http://{}/v1", silent.local_addr().expect("an address"));
    std::thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((stream, _)) = silent.accept() {
            held.push(stream);
        }
    });
    let folder = Folder::new("streams");
    let provider =
        format!(r#"[{{"id":"silent","kind":"openai","base_url":"{base}","models":["m"]}}]"#);
    let program = Program::start(
        quire,
        Some(&folder.0),
        "/api/health",
        &[("QUIRE_PROVIDERS", provider)],
    );
    let token = sign_up(program.address);
    let answer = post(
        program.address,
        "/api/analyze",
        &token,
        r#"{"prompt":"?","models":["silent/m"],"pattern":"summarize","async":true}"#,
    );
    let url = field(&answer, "events_url");
    std::thread::sleep(Duration::from_secs(2));
    let before = program.pss_kb();
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let mut stream = TcpStream::connect(program.address).expect("a connection");
        write!(
            stream,
            "GET {url} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n"
        )
        .expect("a request");
        let mut first = [0; 512];
        let read = stream.read(&mut first).expect("an answer");
        assert!(
            first[..read].starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&first[..read])
        );
        streams.push(stream);
    }
    std::thread::sleep(Duration::from_secs(3));
    (program.pss_kb() - before) as f64 / STREAMS as f64
}
