//! Tests automatic backups, backups on request, and their retention.

use std::fs;
use std::time::Duration;

use quire::domain::time::Timestamp;
use serde_json::json;

use crate::support::server::{Folder, Server};

/// Makes the server check whether a backup is due, as it regularly does by itself.
fn run_backup_check(server: &Server, now: Timestamp) {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(server.app.backups().back_up_if_due(now));
}

fn file_names(folder: &std::path::Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<_> = files
        .map(|file| file.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn copies_are_made_when_due_and_the_newest_kept() {
    let place = Folder::new();
    let folder = place.path().join("copies");
    let body = folder.display().to_string();
    let settings = [
        ("QUIRE_BACKUP_DIR", body.as_str()),
        ("QUIRE_BACKUP_EVERY", "24"),
        ("QUIRE_BACKUP_KEEP", "2"),
    ];
    let server = Server::with(&settings);
    let mut admin = server.user("ada@example.com");
    let response = admin.get("/api/admin/backups").json();
    assert_eq!(response["folder"]["copies"], json!([]), "{response}");
    fs::create_dir_all(&folder).unwrap();
    for other in ["quire.db", "quire-2020.db", "notes.txt"] {
        fs::write(folder.join(other), "mine").unwrap();
    }
    let hour = Duration::from_secs(3600);
    let start = Timestamp::parse("2026-11-23T12:00:00Z").unwrap();
    run_backup_check(&server, start);
    run_backup_check(&server, start + hour);
    assert_eq!(file_names(&folder).len(), 4);
    run_backup_check(&server, start + 25 * hour);
    run_backup_check(&server, start + 50 * hour);
    // Of the three backups, only the oldest is deleted. No other file is.
    let remaining = file_names(&folder);
    let expected = [
        "notes.txt",
        "quire-2020.db",
        "quire-2026-11-24T13-00-00-000Z.db",
        "quire-2026-11-25T14-00-00-000Z.db",
        "quire.db",
    ];
    assert_eq!(remaining, expected);
    let copy = rusqlite::Connection::open(folder.join(&remaining[3])).unwrap();
    let people: u32 = copy
        .query_row("SELECT count(*) FROM users", [], |row| row.get(0))
        .unwrap();
    assert_eq!(people, 1);
    drop(copy);

    // A restart does not trigger a backup.
    let data = server.stop();
    let server = Server::in_folder(data, &settings);
    run_backup_check(&server, start + 51 * hour);
    assert!(file_names(&folder).contains(&remaining[2]));

    let created = admin_client(&server).post("/api/admin/backup", json!({}));
    assert_eq!(created.status, 201, "{}", created.text());
    let new_one = created.json();
    assert_eq!(new_one["folder"]["last"]["rows"]["users"], 1, "{new_one}");
    assert_eq!(new_one["folder"]["copies"].as_array().unwrap().len(), 2);
    let mut admin = admin_client(&server);
    let audit = admin.get("/api/admin/audit").text();
    assert!(audit.contains("backup.made"));
    let refusal = admin.post("/api/admin/backup", json!({"to": "replica"}));
    assert!(
        refusal.refused(409, "CONFLICT")["resolution"]
            .to_string()
            .contains("QUIRE_REPLICA")
    );
    let mut other = server.user("bob@example.com");
    other.get("/api/admin/backups").refused(403, "FORBIDDEN");
    other
        .post("/api/admin/backup", json!({}))
        .refused(403, "FORBIDDEN");

    // If the folder cannot be used, this is reported and recorded.
    fs::remove_dir_all(&folder).unwrap();
    fs::write(&folder, "a file").unwrap();
    let refusal = admin.post("/api/admin/backup", json!({}));
    let error = refusal.refused(503, "SERVICE_UNAVAILABLE")["message"].to_string();
    assert!(error.contains("the backup failed: "), "{error}");
    let response = admin.get("/api/admin/backups").json();
    assert!(
        response["folder"]["last"]["error"].is_string(),
        "{response}"
    );
    assert!(response["folder"]["error"].is_string(), "{response}");
}

fn admin_client(server: &Server) -> crate::support::Client {
    server.client().signed_in("ada@example.com")
}

#[test]
fn backup_without_a_folder_names_the_setting() {
    let server = Server::start();
    let mut admin = server.user("ada@example.com");
    let response = admin.get("/api/admin/backups").json();
    assert_eq!(response, json!({ "folder": null, "replica": null }));
    let refusal = admin.post("/api/admin/backup", json!({}));
    let error = refusal.refused(409, "CONFLICT")["resolution"].to_string();
    assert!(error.contains("QUIRE_BACKUP_DIR"), "{error}");
}
