//! Everything a person owns, out and in again through the API.

use serde_json::json;

use crate::support::Server;

#[test]
fn an_archive_goes_from_one_server_to_another() {
    let (here, there) = (Server::start(), Server::start());
    let mut ada = here.user("ada@example.com");
    let body = json!({ "prompt": "The lease ends in 2031. When does it end?", "models": ["demo/extract", "demo/merge"], "pattern": "gut" });
    let done = ada.post("/api/analyze", body).json();
    let id = done["analysis_id"].as_str().unwrap().to_owned();
    let recipe = json!({ "name": "mine", "pattern": "gut" });
    assert!(ada.post("/api/recipes", recipe).status < 300);
    let archive = ada.get("/api/users/me/export");
    assert_eq!(
        (archive.status, archive.header("content-type")),
        (200, "application/gzip")
    );
    assert!(archive.header("cache-control").contains("no-store"));

    let mut bob = there.user("bob@example.com");
    let took = bob.upload("/api/users/me/import", "ada.tar.gz", &archive.bytes);
    assert_eq!(took.status, 200, "{}", took.text());
    assert_eq!(
        took.json()["counts"]["analyses"]["added"],
        1,
        "{}",
        took.text()
    );
    let shown = bob.get(&format!("/api/analyses/{id}")).json();
    assert_eq!(
        (&shown["synthesis"], &shown["status"]),
        (&done["synthesis"], &json!("completed"))
    );
    assert!(bob.get("/api/recipes").text().contains("mine"));
    // Somebody else there sees nothing of it.
    let mut eve = there.user("eve@example.com");
    eve.get(&format!("/api/analyses/{id}"))
        .refused(404, "NOT_FOUND");
    // What was spent elsewhere is not spent here.
    assert!(!bob.get("/api/usage").text().contains("demo/extract"));
}

#[test]
fn conversations_from_elsewhere_can_be_looked_at_and_run_again() {
    let server = Server::start();
    let mut ada = server.user("ada@example.com");
    let line = json!({ "prompt": "Which?", "model_responses": { "gpt-4": "One.", "claude": "Two." }, "ultra_response": "Both." });
    let took = ada.upload(
        "/api/users/me/import",
        "old.json",
        line.to_string().as_bytes(),
    );
    assert_eq!(
        took.json()["counts"]["analyses"]["added"],
        1,
        "{}",
        took.text()
    );
    let listed = ada.get("/api/analyses").json();
    let id = listed["analyses"][0]["id"]
        .as_str()
        .or(listed["analyses"][0]["analysis_id"].as_str());
    let id = id.unwrap_or_else(|| panic!("{listed}")).to_owned();
    let shown = ada.get(&format!("/api/analyses/{id}"));
    assert_eq!(shown.status, 200, "{}", shown.text());
    assert!(
        shown.text().contains("imported/gpt-4") && shown.text().contains("Two."),
        "{}",
        shown.text()
    );
    for format in ["json", "csv", "markdown", "html"] {
        let told = ada.get(&format!("/api/analyses/{id}/export?format={format}"));
        assert_eq!(told.status, 200, "{format} {}", told.text());
    }
    let _ = ada.get(&format!("/api/analyses/{id}/events")).status;
    for nothing in [&b"hello"[..], b"\x1f\x8bnonsense"] {
        ada.upload("/api/users/me/import", "x", nothing)
            .refused(400, "BAD_REQUEST");
    }
}

#[test]
fn an_administrator_takes_a_copy_of_the_database() {
    let server = Server::start();
    let mut admin = server.user("ada@example.com");
    let copy = admin.get("/api/admin/backup");
    assert_eq!(copy.status, 200, "{}", copy.text());
    assert!(copy.bytes.starts_with(b"SQLite format 3\0"));
    assert!(
        admin
            .get("/api/admin/audit")
            .text()
            .contains("backup.downloaded")
    );
    let mut other = server.user("bob@example.com");
    other.get("/api/admin/backup").refused(403, "FORBIDDEN");
}
