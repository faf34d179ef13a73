//! Tests that an installation that adds a bucket later moves its originals there, and can move them back. A replica
//! then does not need to contain them.

use super::cluster::Cluster;
use super::support::Client;
use std::time::Duration;

use super::support::s3::{Bucket, BucketFault};
use super::support::server::Folder;
use super::{content, files, key_of, settings, start, upload, wait_for};

#[test]
fn files_of_the_folder_move_to_the_bucket_and_back() {
    let (bucket, folder) = (Bucket::new(), Folder::new());
    let server = start(&folder, &[]);
    let mut client = Client::new(server.address).registered("ada@example.com");
    let texts = ["The levy is due in May.", "The toll is due in June."];
    let ids = texts.map(|text| upload(&mut client, text));
    wait_for("the documents are read", || {
        let all = client.get("/api/documents").text();
        all.matches("\"processed\"").count() >= 2
    });
    server.signal("-TERM");
    assert_eq!(server.code(), Some(0));
    // One file on disk is damaged. It must not be moved to the bucket.
    let damaged = folder.path().join("data/documents").join(&ids[1]);
    std::fs::write(&damaged, "The toll is due in JUNE.").unwrap();

    let server = start(&folder, &settings(&bucket, &[]));
    let mut client = server.known(&client);
    assert_eq!(content(&mut client, &ids[0]), texts[0]);
    let moved = folder.path().join("data/documents").join(&ids[0]);
    wait_for("it moves", || !moved.exists());
    assert_eq!(bucket.files()[&key_of(&ids[0])], texts[0].as_bytes());
    assert_eq!(content(&mut client, &ids[0]), texts[0]);
    assert!(damaged.exists() && !bucket.files().contains_key(&key_of(&ids[1])));
    server.signal("-TERM");
    assert_eq!(server.code(), Some(0));

    // The file is moved back as described in the manual.
    std::fs::write(&moved, &bucket.files()[&key_of(&ids[0])]).unwrap();
    let server = start(&folder, &[]);
    let mut client = server.known(&client);
    assert_eq!(content(&mut client, &ids[0]), texts[0]);
}

#[test]
fn a_server_killed_while_it_moves_a_file_loses_nothing() {
    let (bucket, folder) = (Bucket::new(), Folder::new());
    let in_bucket = settings(&bucket, &[]);
    // The bucket belongs to this installation from now on, so the file is the first object that moves.
    let server = start(&folder, &in_bucket);
    let mut client = Client::new(server.address).registered("ada@example.com");
    upload(&mut client, "The toll is due in June.");
    server.signal("-TERM");
    assert_eq!(server.code(), Some(0));
    let server = start(&folder, &[]);
    let text = "The levy is due in May. ".repeat(100_000);
    let id = upload(&mut server.known(&client), &text);
    server.signal("-TERM");
    assert_eq!(server.code(), Some(0));
    let original = folder.path().join("data/documents").join(&id);
    // First, the bucket receives nothing; then it stores the file but never says so.
    let silence = BucketFault::Silence(Duration::from_secs(600));
    for (fault, is_stored) in [(silence, false), (BucketFault::Lost, true)] {
        bucket.requests();
        bucket.fail_all(Some("PUT"), fault);
        let server = start(&folder, &in_bucket);
        let is_sent = |request: &String| request.starts_with("PUT") && request.contains(&id);
        let mut sent = false;
        wait_for("the file is sent", || {
            sent |= bucket.requests().iter().any(is_sent);
            sent && bucket.files().contains_key(&key_of(&id)) == is_stored
        });
        server.kill();
        assert!(std::fs::read_to_string(&original).unwrap() == text);
    }
    bucket.end_outage();
    let server = start(&folder, &in_bucket);
    wait_for("it moves", || !original.exists());
    assert!(content(&mut server.known(&client), &id) == text);
}

#[test]
fn files_of_a_database_move_to_the_bucket_and_every_server_reads_them() {
    let (cluster, bucket) = (Cluster::start(), Bucket::new());
    let database = [("DATABASE_URL", cluster.address("postgres"))];
    let database = { database }.map(|(name, address)| (name.to_owned(), address));
    let (first, second) = (Folder::new(), Folder::new());
    let server = start(&first, &database);
    let mut client = Client::new(server.address).registered("ada@example.com");
    let text = "The levy is due in May. ".repeat(100_000);
    let id = upload(&mut client, &text);
    server.signal("-TERM");
    assert_eq!(server.code(), Some(0));

    let mut settings = settings(&bucket, &[]);
    settings.extend(database);
    let (one, other) = (start(&first, &settings), start(&second, &settings));
    let (mut client, mut elsewhere) = (one.known(&client), other.known(&client));
    assert!(content(&mut client, &id) == text, "it is read where it is");
    wait_for("it moves", || bucket.files().contains_key(&key_of(&id)));
    let left = "DO $$ BEGIN IF EXISTS (SELECT 1 FROM document_bytes) THEN RAISE EXCEPTION 'left'; END IF; END $$;";
    wait_for("the older copy is deleted", || cluster.run(left).is_empty());
    assert!(
        content(&mut elsewhere, &id) == text,
        "it is read where it went"
    );
    let new = upload(&mut client, "The toll is due in June.");
    assert!(bucket.files().contains_key(&key_of(&new)));
    assert_eq!(content(&mut elsewhere, &new), "The toll is due in June.");
    assert_eq!(cluster.run(left), "");
    for folder in [&first, &second] {
        // The new document may not have been read completely yet.
        wait_for("no file remains", || {
            (files(folder, "documents"), files(folder, "tmp")) == (0, 0)
        });
    }
}

#[test]
fn a_replica_has_no_second_copy_and_restores_the_rest() {
    let (bucket, folder) = (Bucket::new(), Folder::new());
    let replica = format!("file://{}", folder.path().join("replica").display());
    let with_replica = [("QUIRE_REPLICA", replica.as_str())];
    let plain = [("QUIRE_REPLICA".to_owned(), replica.clone())];
    let copies = || {
        let copies = std::fs::read_dir(folder.path().join("replica/documents"));
        copies.map_or(0, Iterator::count)
    };
    let server = start(&folder, &plain);
    let mut client = Client::new(server.address).registered("ada@example.com");
    let older = upload(&mut client, "The levy is due in May.");
    wait_for("the replica has a copy", || copies() == 1);
    server.signal("-TERM");
    assert_eq!(server.code(), Some(0));
    // The disk is lost, so the older file exists only in the replica.
    std::fs::remove_dir_all(folder.path().join("data")).unwrap();
    let server = start(&folder, &settings(&bucket, &with_replica));
    let mut client = server.known(&client);
    wait_for("the older file moves", || {
        bucket.files().contains_key(&key_of(&older))
    });
    let newer = upload(&mut client, "The toll is due in June.");
    server.signal("-TERM");
    assert_eq!(server.code(), Some(0));
    assert_eq!(copies(), 1, "only the older one");
    std::fs::remove_dir_all(folder.path().join("data")).unwrap();
    let server = start(&folder, &settings(&bucket, &with_replica));
    let mut client = server.known(&client);
    assert_eq!(content(&mut client, &older), "The levy is due in May.");
    assert_eq!(content(&mut client, &newer), "The toll is due in June.");
    let health = client.get("/health").json();
    assert!(health["replica"]["error"].is_null(), "{health}");
    assert_eq!(files(&folder, "documents"), 0);
}

#[test]
fn a_damaged_copy_in_a_replica_does_not_keep_the_others_from_moving() {
    let (bucket, folder) = (Bucket::new(), Folder::new());
    let replica = folder.path().join("replica");
    let address = format!("file://{}", replica.display());
    let server = start(&folder, &[("QUIRE_REPLICA".to_owned(), address.clone())]);
    let mut client = Client::new(server.address).registered("ada@example.com");
    let texts = ["The levy is due in May.", "The toll is due in June."];
    let ids = texts.map(|text| upload(&mut client, text));
    let copies = || std::fs::read_dir(replica.join("documents")).map_or(0, Iterator::count);
    wait_for("the replica has copies", || copies() == 2);
    server.signal("-TERM");
    assert_eq!(server.code(), Some(0));
    std::fs::remove_dir_all(folder.path().join("data")).unwrap();
    let copies = std::fs::read_dir(replica.join("documents")).unwrap();
    let mut copies: Vec<_> = copies.map(|entry| entry.unwrap().path()).collect();
    copies.sort();
    std::fs::write(&copies[0], "The levy").unwrap();
    let settings = settings(&bucket, &[("QUIRE_REPLICA", &address)]);
    let _server = start(&folder, &settings);
    wait_for("the other one moves", || {
        bucket.files().contains_key(&key_of(&ids[1]))
    });
    assert!(!bucket.files().contains_key(&key_of(&ids[0])));
}
