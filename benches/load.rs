//! `make bench`: requests per second over 32 keep-alive connections, compared with a bare hyper server
//! with the same build profile. The load comes from this process, on the other core; CPU time per request
//! does not depend on it.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

mod support;

use support::pressure::measure;
use support::{Folder, Program, binaries, sign_up};

fn main() {
    let (quire, hello) = binaries();
    let floor_program = Program::start(&hello, None, "/", &[]);
    let folder = Folder::new("load");
    let program = Program::start(&quire, Some(&folder.0), "/api/health", &[]);
    let token = sign_up(program.address, "bench");

    let get = |path: &str, extra_headers: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: x\r\n{extra_headers}\r\n")
    };
    let floor = measure(
        floor_program.address,
        floor_program.child.id(),
        &get("/", ""),
    );
    println!(
        "{:<34} {:>9.0} requests/s   {:>5.1} us CPU",
        "hello (the floor)", floor.0, floor.1
    );
    let bearer = format!("authorization: Bearer {token}\r\n");
    for (name, path, credential, goal) in [
        ("GET /api/health", "/api/health", "", 0.8),
        (
            "GET /api/users/me, signed in",
            "/api/users/me",
            bearer.as_str(),
            0.4,
        ),
        (
            "GET /api/analyses, signed in",
            "/api/analyses",
            bearer.as_str(),
            0.0,
        ),
        (
            "GET /api/available-models",
            "/api/available-models",
            "",
            0.0,
        ),
        ("GET /assets/index.js", "/assets/index.js", "", 0.0),
    ] {
        let (rate, cpu) = measure(program.address, program.child.id(), &get(path, credential));
        let goal = if goal > 0.0 {
            format!("(goal: {goal} x)")
        } else {
            String::new()
        };
        println!(
            "{name:<34} {rate:>9.0} requests/s   {cpu:>5.1} us CPU   {:>4.2} x   {goal}",
            rate / floor.0
        );
    }
}
