//! Servers whose database is on PostgreSQL. If QUIRE_TEST_POSTGRES is set (as in `.ci/postgres`), every server of these
//! tests has its own schema on that PostgreSQL server, except for servers whose database is copied. If
//! QUIRE_TEST_POOLER, the port of a pooler's socket, is also set, every server has its own database instead, because
//! poolers do not accept a `search_path`.

use std::path::Path;
use std::process::{Command, Output};

/// Environment variable with the address of the PostgreSQL server.
const VARIABLE: &str = "QUIRE_TEST_POSTGRES";
/// Environment variable with the port of the pooler.
const POOLER: &str = "QUIRE_TEST_POOLER";

/// Creates a database for a folder, and returns its address. Returns `None` if the database is a file in the folder.
pub fn address(folder: &Path) -> Option<String> {
    let server = std::env::var(VARIABLE).ok()?;
    let name = schema(folder);
    if let Ok(port) = std::env::var(POOLER) {
        // If the server was restarted, the database already exists.
        let _ = psql(&server, &format!("CREATE DATABASE {name}"));
        let pooled = server.replacen("/postgres?", &format!("/{name}?"), 1);
        return Some(format!("{pooled}&port={port}"));
    }
    run(&server, &format!("CREATE SCHEMA IF NOT EXISTS {name}"));
    Some(format!("{server}&options=-c%20search_path%3D{name}"))
}

/// Removes a folder's database.
pub fn remove(folder: &Path) {
    if let Ok(server) = std::env::var(VARIABLE) {
        let name = schema(folder);
        run(&server, &format!("DROP SCHEMA IF EXISTS {name} CASCADE"));
        if std::env::var_os(POOLER).is_some() {
            run(
                &server,
                &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            );
        }
    }
}

fn schema(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    name.replace('-', "_")
}

fn psql(server: &str, sql: &str) -> Output {
    let mut psql = Command::new("psql");
    psql.args(["-X", "-q", "-d", server, "-c", sql])
        .output()
        .unwrap()
}

fn run(server: &str, sql: &str) {
    let psql_output = psql(server, sql);
    assert!(
        psql_output.status.success(),
        "{sql}: {}",
        String::from_utf8_lossy(&psql_output.stderr)
    );
}
