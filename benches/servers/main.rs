//! `make bench-servers`: compares common requests with the database in a file, on a PostgreSQL server, and through
//! three servers in turn. Also measures how much later an event is shown by a server that does not execute the run,
//! and what additional servers cost. QUIRE_TEST_POSTGRES is the address of the database, as set by `.ci/postgres`.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

mod delays;
mod growth;
mod requests;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;

use serde_json::json;
use support::upstream::Upstream;
use support::{Folder, Program, binary, new_key, sign_up};

/// Number of runs that are created for the history, and followed from two servers.
const RUNS: usize = 20;

fn main() {
    let binary = binary();
    let Ok(database) = std::env::var("QUIRE_TEST_POSTGRES") else {
        eprintln!("QUIRE_TEST_POSTGRES is not set: run `make bench-servers`");
        return;
    };
    let (upstream, folder) = (Upstream::start(), Folder::new("servers"));
    let start = |name: &str, database: Option<&str>| {
        let data = folder.0.join(name);
        std::fs::create_dir_all(&data).expect("a folder");
        start(&binary, &data, &upstream, database)
    };
    let embedded = start("embedded", None);
    let mut servers = vec![start("1", Some(&database))];
    let keys = [&embedded, &servers[0]].map(|program| {
        let token = sign_up(program.address, "bench");
        let key = new_key(program.address, &token);
        (0..RUNS).for_each(|_| drop(delays::finish(program.address, &key)));
        key
    });
    requests::measure("SQLite", &[&embedded], &keys[0]);
    growth::measure("SQLite", &[&embedded], None, &keys[0]);
    drop(embedded);
    for count in [1, 3, 4] {
        while servers.len() < count {
            servers.push(start(&(servers.len() + 1).to_string(), Some(&database)));
        }
        let all: Vec<&Program> = servers.iter().collect();
        let name = format!("PostgreSQL, {count}");
        if count < 4 {
            requests::measure(&name, &all, &keys[1]);
        }
        if count == 3 {
            delays::measure(&servers[0], &servers[1], &keys[1]);
        } else {
            growth::measure(&name, &all, Some(&database), &keys[1]);
        }
    }
}

fn start(binary: &Path, data: &Path, upstream: &Upstream, database: Option<&str>) -> Program {
    let providers = json!([{
        "id": "p", "base_url": format!("http://{}/v1", upstream.address), "models": "*",
    }]);
    let mut settings = vec![
        ("QUIRE_PROVIDERS", providers.to_string()),
        (
            "QUIRE_SECRET",
            "a secret of all servers, long enough".to_owned(),
        ),
        ("CACHE_TTL", "0".to_owned()),
        ("DISCOVER_LOCAL", "false".to_owned()),
        ("EVIDENCE", "off".to_owned()),
    ];
    settings.extend(database.map(|database| ("DATABASE_URL", database.to_owned())));
    Program::start(binary, Some(data), "/api/health", &settings)
}
