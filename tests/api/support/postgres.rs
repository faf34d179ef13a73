//! Servers whose database is on PostgreSQL: with QUIRE_TEST_POSTGRES, as `.ci/postgres` sets it, every server that does
//! not copy its database has a schema of its own there.

use std::path::Path;
use std::process::Command;

/// Name of the variable with the address of the PostgreSQL server.
const VARIABLE: &str = "QUIRE_TEST_POSTGRES";

/// Returns the address of a folder's database; creates it. `None` for a database in the folder.
pub fn address(folder: &Path) -> Option<String> {
    let server = std::env::var(VARIABLE).ok()?;
    let name = schema(folder);
    run(&server, &format!("CREATE SCHEMA IF NOT EXISTS {name}"));
    Some(format!("{server}&options=-c%20search_path%3D{name}"))
}

/// Removes a folder's database.
pub fn remove(folder: &Path) {
    if let Ok(server) = std::env::var(VARIABLE) {
        let name = schema(folder);
        run(&server, &format!("DROP SCHEMA IF EXISTS {name} CASCADE"));
    }
}

fn schema(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    name.replace('-', "_")
}

fn run(server: &str, sql: &str) {
    let mut psql = Command::new("psql");
    let psql_output = psql
        .args(["-X", "-q", "-d", server, "-c", sql])
        .output()
        .unwrap();
    assert!(
        psql_output.status.success(),
        "{sql}: {}",
        String::from_utf8_lossy(&psql_output.stderr)
    );
}
