//! Tests commands with a bucket: each command finds the files of documents there, or reports which ones are missing.

use std::process::Command;

use serde_json::Value;

use super::cluster::Cluster;
use super::support::Client;
use super::support::s3::Bucket;
use super::support::server::Folder;
use super::{content, files, key_of, settings, start, upload, wait_for};

/// Runs a command. Returns its exit code and its output on both streams.
fn quire(
    folder: &Folder,
    settings: &[(String, String)],
    arguments: &[&str],
) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_quire"))
        .args(arguments)
        .env_clear()
        .envs(settings.iter().cloned())
        .env("QUIRE_SECRET", super::SECRET)
        .env("QUIRE_DATA", folder.path().join("data"))
        .current_dir(folder.path())
        .output()
        .unwrap();
    let texts = [output.stdout, output.stderr];
    let texts = texts.map(|text| String::from_utf8_lossy(&text).into_owned());
    (output.status.code(), texts.concat())
}

/// Returns what `quire doctor` reports about the originals of documents.
fn findings(folder: &Folder, settings: &[(String, String)]) -> String {
    let (_, printed) = quire(folder, settings, &["doctor", "--json"]);
    let start = printed.find('{').or(printed.find('[')).unwrap_or_default();
    let text = &printed[start..];
    let mut lines = text.split("originals").skip(1);
    lines.next().unwrap_or(text).to_owned()
}

#[test]
fn commands_find_the_files_in_the_bucket() {
    let (bucket, folder) = (Bucket::new(), Folder::new());
    let settings = settings(&bucket, &[]);
    let server = start(&folder, &settings);
    let mut client = Client::new(server.address).registered("ada@example.com");
    let text = "The levy is due in May.";
    let id = upload(&mut client, text);
    wait_for("the document is read", || {
        client.get(&format!("/api/documents/{id}")).json()["status"] == "processed"
    });
    server.signal("-TERM");
    assert_eq!(server.code(), Some(0));

    let found = findings(&folder, &settings);
    assert!(found.contains("in the bucket of DOCUMENT_STORE"), "{found}");
    let (code, printed) = quire(&folder, &settings, &["backup", "copy.db"]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(!printed.contains("missing"), "{printed}");
    let (code, printed) = quire(
        &folder,
        &settings,
        &["export", "archive.tar.gz", "--user", "ada@example.com"],
    );
    assert_eq!(code, Some(0), "{printed}");

    // If an object is lost, every command reports it. Importing the archive restores the object.
    bucket.delete_behind_server(&key_of(&id));
    let found = findings(&folder, &settings);
    assert!(found.contains("no original file"), "{found}");
    let (_, printed) = quire(&folder, &settings, &["backup", "second.db"]);
    assert!(printed.contains("missing"), "{printed}");
    let (code, printed) = quire(
        &folder,
        &settings,
        &["import", "archive.tar.gz", "--user", "ada@example.com"],
    );
    assert_eq!(code, Some(0), "{printed}");
    assert_eq!(bucket.files()[&key_of(&id)], text.as_bytes());
    assert_eq!(files(&folder, "documents"), 0);

    // After the restore, the documents in the database still have their files in the bucket.
    std::fs::remove_file(folder.path().join("data/quire.db")).unwrap();
    let (code, printed) = quire(&folder, &settings, &["restore", "copy.db"]);
    assert_eq!(code, Some(0), "{printed}");
    let server = start(&folder, &settings);
    let mut client = Client::new(server.address).signed_in("ada@example.com");
    assert_eq!(content(&mut client, &id), text);
}

#[test]
fn a_database_moves_and_its_files_stay_in_the_bucket() {
    let (cluster, bucket, folder) = (Cluster::start(), Bucket::new(), Folder::new());
    let settings = settings(&bucket, &[]);
    let server = start(&folder, &settings);
    let mut client = Client::new(server.address).registered("ada@example.com");
    let id = upload(&mut client, "The levy is due in May.");
    let announced =
        serde_json::json!({"fileName": "a", "fileSize": 2, "chunkSize": 1, "totalChunks": 2});
    assert_eq!(
        client
            .post("/api/create-document-session", announced)
            .status,
        200
    );
    server.signal("-TERM");
    assert_eq!(server.code(), Some(0));
    let address = cluster.address("postgres");
    let (code, printed) = quire(&folder, &settings, &["migrate", "--to", &address, "--json"]);
    assert_eq!(code, Some(0), "{printed}");
    // In the output, the report on stdout precedes the progress on stderr.
    let values = serde_json::Deserializer::from_str(&printed).into_iter::<Value>();
    let report = { values }.next().unwrap().unwrap();
    assert_eq!(report["originals_in_bucket"], 1, "{report}");
    assert_eq!(report["unfinished_uploads"], 1, "{report}");
    assert_eq!(
        report["missing_originals"],
        serde_json::json!([]),
        "{report}"
    );
    let target = Folder::new();
    let mut on_server = settings.clone();
    on_server.push(("DATABASE_URL".to_owned(), address));
    let server = start(&target, &on_server);
    let mut client = Client::new(server.address).signed_in("ada@example.com");
    assert_eq!(content(&mut client, &id), "The levy is due in May.");
    // New files are stored under the same prefix, so the prefix still belongs to this installation.
    let new = upload(&mut client, "The toll is due in June.");
    assert!(bucket.files().contains_key(&key_of(&new)));
}

#[test]
fn a_bucket_without_keys_is_refused_at_the_start() {
    let folder = Folder::new();
    let settings = [("DOCUMENT_STORE".to_owned(), "s3://copies/files".to_owned())];
    let (code, printed) = quire(&folder, &settings, &["serve", "--port", "0"]);
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("AWS_ACCESS_KEY_ID"), "{printed}");
    let settings = [("DOCUMENT_STORE".to_owned(), "/srv/files".to_owned())];
    let (code, printed) = quire(&folder, &settings, &["serve", "--port", "0"]);
    assert!(
        code != Some(0) && printed.contains("s3://bucket/prefix"),
        "{printed}"
    );
}
