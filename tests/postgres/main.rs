//! Tests the store on a PostgreSQL server that the tests start themselves. This file prepares every statement of the
//! store that is not in an engine's folder, in a database with the translated schema.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail loudly, and a long one prints what it did"
)]

mod clocks;
mod cluster;
mod commands;
mod commits;
mod direct_address;
mod dying_servers;
mod experiments;
mod failover;
mod fleet;
mod imports;
mod killed_migration;
mod locks;
mod members;
mod migration;
mod older_turns;
mod operation;
mod outages;
mod pooler;
mod proxy;
mod redis_server;
mod runs;
mod scale;
mod scenarios;
#[path = "../../src/store/postgres/schema.rs"]
mod schema;
mod servers;
mod shared_limits;
mod standby;
mod store;
#[path = "../api/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cluster::Cluster;

/// Fails if a parameter has a type that the program never sends, such as NUMERIC after a sum without a cast.
const PARAMETER_CHECK: &str = "DO $$ DECLARE found TEXT; BEGIN
    SELECT string_agg(statement, E'\\n') INTO found FROM pg_prepared_statements
    WHERE NOT parameter_types <@ ARRAY['bigint', 'integer', 'text', 'bytea', 'double precision']::regtype[];
    IF found IS NOT NULL THEN RAISE EXCEPTION 'a parameter has another type: %', found; END IF;
END $$;";

/// Formatted statements and what the program may format them to, because only complete statements can be prepared.
const FILLED: &[(&str, &str)] = &[
    ("SELECT {columns} FROM {name}", "SELECT id FROM users"),
    ("WHERE ({key}) > ({marks})", "WHERE (id) > (?1)"),
    ("ORDER BY {key} LIMIT {READ_ROWS}", "ORDER BY id LIMIT 5"),
    (
        "SELECT 1 FROM {name} LIMIT 1",
        "SELECT 1 FROM users LIMIT 1",
    ),
    (
        "INSERT INTO {} ({}) VALUES {}",
        "INSERT INTO invites (hash, created, expires) VALUES (?1, ?2, ?3)",
    ),
    ("FROM {} WHERE", "FROM analyses WHERE"),
    ("{id_column} = ", "id = "),
    ("VALUES {rows}", "VALUES (?1, ?2, ?3, ?4)"),
    ("VALUES {}", "VALUES (?2, ?1, ?3, ?4, ?5)"),
    (
        "INSERT INTO {} ({}) VALUES ({})",
        "INSERT INTO votes (analysis_id) VALUES (?1)",
    ),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        match path.is_dir() {
            true if !["sqlite", "postgres"].contains(&name) => sources(&path, found),
            false if name.ends_with(".rs") && name != "tests.rs" => found.push(path),
            _ => {}
        }
    }
}

/// Returns the string literals of a source file except its tests, each with the code before it.
fn literals(text: &str) -> Vec<(String, String)> {
    let own = text.split("#[cfg(test)]").next().unwrap();
    let code: Vec<&str> = own
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let code = code.join("\n");
    let mut found = Vec::new();
    let mut parts = code.split('"');
    let mut before = parts.next().unwrap().to_owned();
    while let (Some(literal), Some(after)) = (parts.next(), parts.next()) {
        found.push((
            before,
            literal.split_whitespace().collect::<Vec<_>>().join(" "),
        ));
        before = after.to_owned();
    }
    found
}

/// Returns all statements of the store that both engines must understand.
fn statements() -> Vec<String> {
    let mut paths = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store"),
        &mut paths,
    );
    let mut constants = BTreeMap::new();
    let mut found = Vec::new();
    for path in &paths {
        for (before, literal) in literals(&std::fs::read_to_string(path).unwrap()) {
            if let Some(name) = before.trim_end().strip_suffix(": &str =") {
                constants.insert(
                    name.split_whitespace().last().unwrap().to_owned(),
                    literal.clone(),
                );
            }
            let starts = [
                "SELECT ",
                "INSERT INTO ",
                "UPDATE ",
                "DELETE FROM ",
                "WITH ",
            ];
            if starts.iter().any(|start| literal.starts_with(start)) {
                found.push(literal);
            }
        }
    }
    for statement in &mut found {
        for (name, text) in &constants {
            *statement = statement.replace(&format!("{{{name}}}"), text);
        }
        for (pattern, filling) in FILLED {
            *statement = statement.replace(pattern, filling);
        }
    }
    found
}

/// PostgreSQL's sum of BIGINT is NUMERIC, a type that no result column may have.
#[test]
fn every_sum_in_a_result_is_cast() {
    for sql in statements() {
        for (at, _) in sql.match_indices("sum(") {
            let before = sql[..at].trim_end();
            let is_cast = before.ends_with("CAST(") || before.ends_with("CAST(coalesce(");
            let is_order = before.ends_with("ORDER BY");
            assert!(is_cast || is_order, "a sum without CAST: {sql}");
        }
    }
}

#[test]
fn every_shared_statement_is_valid_in_postgresql() {
    let statements = statements();
    assert!(statements.len() > 200, "{}", statements.len());
    let incomplete: Vec<_> = statements.iter().filter(|sql| sql.contains('{')).collect();
    assert!(
        incomplete.is_empty(),
        "FILLED lacks what is put into {incomplete:#?}"
    );

    let cluster = Cluster::start();
    let schema = include_str!("../../schema.sql");
    assert_eq!(cluster.run(&schema::translated(schema)), "");
    let lines: Vec<String> = (0..)
        .zip(&statements)
        .map(|(number, sql)| format!("PREPARE s{number} AS {};\n", sql.replace('?', "$")))
        .collect();
    let errors = cluster.run(&format!("{}{PARAMETER_CHECK}", lines.concat()));
    let mut reports = Vec::new();
    for error in errors.lines().filter(|line| line.contains("ERROR")) {
        let line = error
            .split(':')
            .nth(2)
            .and_then(|number| number.parse::<usize>().ok());
        let sql = line
            .and_then(|line| lines.get(line - 1))
            .map_or("", String::as_str);
        reports.push(format!("{error}\n    {sql}"));
    }
    assert!(errors.is_empty(), "{}\n{errors}", reports.join("\n"));
}
