//! Tests guests of the offline demo over real sockets: they can access only their own documents, within limits.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, Server};

/// Returns a client that has become a guest. Its session is in its cookies.
fn guest_client(server: &Server) -> Client {
    let mut client = server.client();
    let answer = client.post("/api/auth/guest", json!({}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["user"]["role"], "guest");
    client
}

fn upload(guest: &mut Client, name: &str, text: &str) -> Value {
    let answer = guest.upload("/api/upload-document", name, text.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn document_count(guest: &mut Client) -> usize {
    let list = guest.get("/api/documents").json();
    list["documents"].as_array().expect("a list").len()
}

fn stored_file_count(server: &Server) -> usize {
    std::fs::read_dir(server.folder().join("documents")).map_or(0, Iterator::count)
}

#[test]
fn each_guest_has_its_own_documents_and_threads() {
    let server = Server::start();
    let (mut ada, mut bob) = (guest_client(&server), guest_client(&server));
    let document = upload(
        &mut ada,
        "moss.txt",
        "The moss grows on the north side of the tree.",
    );
    let id = document["id"].as_str().expect("an id").to_owned();
    assert_eq!((document_count(&mut ada), document_count(&mut bob)), (1, 0));
    for path in ["", "/text", "/content", "/pages/1", "/search?q=moss"] {
        let path = format!("/api/documents/{id}{path}");
        assert_eq!(ada.get(&path).status, 200, "{path}");
        bob.get(&path).refused(404, "NOT_FOUND");
    }
    let hits = bob.get("/api/search?q=moss").json();
    assert!(!hits.to_string().contains("north side"), "{hits}");
    let question = json!({"prompt": "Where does the moss grow?", "document_ids": [&id]});
    bob.post("/api/analyze", question.clone())
        .refused(422, "VALIDATION_ERROR");
    let run_response = ada.post("/api/analyze", question);
    assert_eq!(run_response.status, 200, "{}", run_response.text());
    let thread = run_response.json()["metadata"]["thread_id"]
        .as_str()
        .or(run_response.json()["thread_id"].as_str())
        .expect("a thread")
        .to_owned();
    assert_eq!(ada.get(&format!("/api/threads/{thread}")).status, 200);
    bob.get(&format!("/api/threads/{thread}"))
        .refused(404, "NOT_FOUND");
    assert_eq!(server.client().get("/api/documents").status, 401);
}

#[test]
fn guests_have_limits_and_leave_nothing() {
    let server = Server::start();
    let mut guest = guest_client(&server);
    for number in 0..3 {
        upload(&mut guest, "a.txt", &format!("document number {number}"));
    }
    let fourth = guest.upload("/api/upload-document", "a.txt", b"one more");
    fourth.refused(403, "FORBIDDEN");
    let large = "word ".repeat((4 << 20) / 5 + 1);
    let large = guest.upload("/api/upload-document", "a.txt", large.as_bytes());
    large.refused(413, "PAYLOAD_TOO_LARGE");
    assert_eq!(
        (document_count(&mut guest), stored_file_count(&server)),
        (3, server.originals_of(3))
    );
    let announced = json!({"fileName": "a.txt", "fileSize": 9, "chunkSize": 9, "totalChunks": 1});
    let refused_requests = [
        ("POST", "/api/create-document-session", announced),
        ("POST", "/api/users/me/api-keys", json!({"name": "key"})),
        ("POST", "/api/users/me/providers", json!({})),
        ("PUT", "/api/users/me", json!({"email": "a@example.org"})),
        ("POST", "/api/projects", json!({"name": "project"})),
        ("POST", "/api/experiments", json!({})),
        ("POST", "/v1/chat/completions", json!({})),
        ("GET", "/api/admin/users", json!({})),
    ];
    for (method, path, body) in refused_requests {
        let answer = guest.json(method, path, &body);
        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text());
    }
    assert_eq!(guest.post("/api/auth/logout", json!({})).status, 200);
    assert_eq!(guest.get("/api/documents").status, 401);
    assert_eq!(stored_file_count(&server), 0);
}

#[test]
fn a_guest_is_deleted_after_a_day_and_is_no_account() {
    let server = Server::start();
    let mut guest = guest_client(&server);
    upload(&mut guest, "a.txt", "a document");
    let index = || server.client().with("accept", "application/json").get("/");
    assert_eq!(index().json()["first_run"], true, "a guest is no account");
    let mut admin = server.user("first@example.org");
    assert_eq!(admin.get("/api/users/me").json()["role"], "admin");
    let users = admin.get("/api/admin/users").json();
    assert_eq!(users["users"].as_array().map(Vec::len), Some(1), "{users}");
    let invitation = admin.json(
        "POST",
        "/api/admin/users",
        &json!({"email": "b@example.org", "role": "guest"}),
    );
    assert_eq!(invitation.status, 422, "{}", invitation.text());
    let tidy = |hours: u64| {
        let later = quire::clock::now() + Duration::from_secs(hours * 3600);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        runtime
            .block_on(server.app.run_housekeeping(later))
            .expect("tidied");
    };
    tidy(23);
    assert_eq!(stored_file_count(&server), server.originals_of(1));
    tidy(25);
    assert_eq!(stored_file_count(&server), 0);
    assert_eq!(guest.get("/api/users/me").status, 401);
}

#[test]
fn only_the_offline_demo_takes_guests() {
    let provider = r#"[{"id":"p","kind":"openai","base_url":"http://127.0.0.1:9/v1","api_key":"k","models":["m"]}]"#;
    for settings in [
        &[("QUIRE_PROVIDERS", provider)][..],
        &[("QUIRE_PROVIDERS", provider), ("ALLOW_ANONYMOUS", "true")],
        &[("ALLOW_ANONYMOUS", "false")],
    ] {
        let server = Server::with(settings);
        let answer = server.client().post("/api/auth/guest", json!({}));
        answer.refused(403, "FORBIDDEN");
        let index = server.client().with("accept", "application/json").get("/");
        assert_eq!(index.json()["guests"], false);
    }
}
