//! Tests documents in a bucket: a file is stored before its upload is acknowledged, and removed after its document is
//! deleted.

use super::support::Client;
use super::support::s3::Bucket;
use super::support::server::Folder;
use super::{content, copy_data, files, key_of, settings, start, upload, wait_for};

/// Uploads, reads, searches, and deletes a document. `is_stored` returns whether the bucket contains the object of a
/// document.
fn use_documents(folder: &Folder, settings: &[(String, String)], is_stored: &dyn Fn(&str) -> bool) {
    let server = start(folder, settings);
    let mut client = Client::new(server.address).registered("ada@example.com");
    let text = "The levy is due in May. ".repeat(100_000);
    let id = upload(&mut client, &text);
    assert!(is_stored(&id), "it is stored before the answer");
    let path = format!("/api/documents/{id}");
    wait_for("the document is read", || {
        client.get(&path).json()["status"] == "processed"
    });
    assert!(content(&mut client, &id) == text, "it comes back");
    let found = client.get(&format!("{path}/search?q=levy"));
    assert!(found.text().contains("levy"), "{}", found.text());
    // Uploading the same bytes again returns the same document.
    assert_eq!(upload(&mut client, &text), id);
    assert_eq!(files(folder, "documents"), 0);
    wait_for("no copy remains", || files(folder, "tmp") == 0);
    assert_eq!(client.delete(&path).status, 200);
    wait_for("its object is removed", || !is_stored(&id));
    assert_eq!(files(folder, "documents"), 0, "no marker remains");
}

#[test]
fn an_upload_is_in_the_bucket_before_it_is_acknowledged() {
    let (bucket, folder) = (Bucket::new(), Folder::new());
    let is_stored = |id: &str| bucket.files().contains_key(&key_of(id));
    use_documents(&folder, &settings(&bucket, &[]), &is_stored);
}

/// Uses a real S3-compatible store if `DOCUMENT_STORE_TEST` is set, and otherwise does nothing (see `make replica`).
#[test]
fn a_real_store_keeps_documents() {
    let Ok(place) = std::env::var("DOCUMENT_STORE_TEST") else {
        return;
    };
    let names = [
        "AWS_ENDPOINT_URL",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_REGION",
    ];
    let variables = names.map(|name| (name.to_owned(), std::env::var(name).unwrap_or_default()));
    let mut all = variables.to_vec();
    all.push(("DOCUMENT_STORE".to_owned(), place));
    let folder = Folder::new();
    // `quire doctor` checks that the bucket can be listed.
    let is_stored = |_: &str| {
        let doctor = std::process::Command::new(env!("CARGO_BIN_EXE_quire"))
            .args(["doctor", "--json"])
            .env_clear()
            .envs(all.iter().cloned())
            .env("QUIRE_SECRET", super::SECRET)
            .env("QUIRE_DATA", folder.path().join("data"))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&doctor.stdout).into_owned();
        assert!(text.contains("originals"), "{text}");
        !text.contains("no original file")
    };
    let server = start(&folder, &all);
    let mut client = Client::new(server.address).registered("ada@example.com");
    let text = "The levy is due in May. ".repeat(400_000);
    let id = upload(&mut client, &text);
    assert!(is_stored(&id));
    wait_for("the document is read", || {
        client.get(&format!("/api/documents/{id}")).json()["status"] == "processed"
    });
    assert!(content(&mut client, &id) == text, "it comes back");
    assert_eq!(files(&folder, "documents"), 0);
    assert_eq!(client.delete(&format!("/api/documents/{id}")).status, 200);
    wait_for("no marker remains", || files(&folder, "documents") == 0);
    eprintln!(
        "a document of {} bytes stored, read, and removed",
        text.len()
    );
}

#[test]
fn a_deleted_account_leaves_nothing_in_the_bucket() {
    let (bucket, folder) = (Bucket::new(), Folder::new());
    let server = start(&folder, &settings(&bucket, &[]));
    let mut admin = Client::new(server.address).registered("ada@example.com");
    let mut bob = Client::new(server.address).registered("bob@example.com");
    let ids = ["one", "two"].map(|text| upload(&mut bob, text));
    let kept = upload(&mut admin, "three");
    let me = bob.get("/api/users/me").json();
    let path = format!("/api/admin/users/{}", me["user_id"].as_str().unwrap());
    let answer = admin.delete(&path);
    assert!(answer.status < 300, "{}", answer.text());
    wait_for("their objects are removed", || {
        let stored = bucket.files();
        ids.iter().all(|id| !stored.contains_key(&key_of(id)))
    });
    assert!(bucket.files().contains_key(&key_of(&kept)));
    wait_for("no marker remains", || files(&folder, "documents") == 0);
}

#[test]
fn a_prefix_belongs_to_one_installation() {
    let bucket = Bucket::new();
    let (first, second) = (Folder::new(), Folder::new());
    let settings = settings(&bucket, &[]);
    let server = start(&first, &settings);
    let mut client = Client::new(server.address).registered("ada@example.com");
    let id = upload(&mut client, "one");
    let other = start(&second, &settings);
    let mut stranger = Client::new(other.address).registered("bob@example.com");
    let answer = stranger.upload("/api/upload-document", "two.txt", b"two");
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(
        answer.text().contains("another installation"),
        "{}",
        answer.text()
    );
    let stored = bucket.files();
    let objects: Vec<_> = stored
        .keys()
        .filter(|key| key.contains("originals/"))
        .collect();
    assert_eq!(objects, [&key_of(&id)]);
}

#[test]
fn a_copy_of_the_database_from_before_the_claim_removes_nothing() {
    let bucket = Bucket::new();
    let (first, second) = (Folder::new(), Folder::new());
    let server = start(&first, &[]);
    let mut client = Client::new(server.address).registered("ada@example.com");
    let id = upload(&mut client, "The levy is due in May.");
    server.signal("-TERM");
    assert_eq!(server.code(), Some(0));
    copy_data(&first, &second);
    let settings = settings(&bucket, &[]);
    let server = start(&first, &settings);
    wait_for("it moves", || bucket.files().contains_key(&key_of(&id)));
    let copy = start(&second, &settings);
    let mut stranger = copy.known(&client);
    let path = format!("/api/documents/{id}");
    assert_eq!(stranger.delete(&path).status, 200);
    assert_eq!(stranger.get(&path).status, 404);
    // The server tries to remove an object immediately after the deletion, and again when it stops.
    copy.signal("-TERM");
    assert_eq!(copy.code(), Some(0));
    assert!(bucket.files().contains_key(&key_of(&id)));
    assert_eq!(
        content(&mut server.known(&client), &id),
        "The levy is due in May."
    );
}
