//! Tests a bucket that cannot be reached, and a server that is killed after it has stored an object but before it has
//! stored the row.

use std::time::Duration;

use super::cluster::Cluster;
use super::support::Client;
use super::support::s3::{Bucket, BucketFault};
use super::support::server::Folder;
use super::{content, key_of, settings, start, upload, wait_for};

#[test]
fn without_the_bucket_uploads_and_downloads_wait_and_the_rest_works() {
    let (bucket, folder) = (Bucket::new(), Folder::new());
    let server = start(&folder, &settings(&bucket, &[]));
    let mut client = Client::new(server.address).registered("ada@example.com");
    let text = "The levy is due in May.";
    let id = upload(&mut client, text);
    let path = format!("/api/documents/{id}");
    wait_for("the document is read", || {
        client.get(&path).json()["status"] == "processed"
    });
    bucket.fail_all(None, BucketFault::Says(503, "SlowDown", "Later."));
    let answer = client.upload("/api/upload-document", "more.txt", b"More.");
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.text().contains("bucket"), "{}", answer.text());
    let answer = client.get(&format!("{path}/content"));
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.text().contains("bucket"), "{}", answer.text());
    let found = client.get(&format!("{path}/search?q=levy"));
    assert!(found.text().contains("levy"), "{}", found.text());
    // The document is deleted immediately, and its object is removed when the bucket can be reached again.
    assert_eq!(client.delete(&path).status, 200);
    assert_eq!(client.get(&path).status, 404);
    assert!(bucket.files().contains_key(&key_of(&id)));
    bucket.end_outage();
    let more = upload(&mut client, "More.");
    assert_eq!(content(&mut client, &more), "More.");
    server.signal("-TERM");
    assert_eq!(server.code(), Some(0));
    let _server = start(&folder, &settings(&bucket, &[]));
    wait_for("its object is removed", || {
        !bucket.files().contains_key(&key_of(&id))
    });
}

#[test]
fn a_bucket_that_is_away_does_not_keep_a_server_from_starting() {
    let (bucket, folder) = (Bucket::new(), Folder::new());
    bucket.fail_all(None, BucketFault::Silence(Duration::from_secs(600)));
    let server = start(&folder, &settings(&bucket, &[]));
    let mut client = Client::new(server.address);
    assert_eq!(client.get("/health").status, 200);
}

#[test]
fn a_server_killed_between_object_and_row_leaves_an_object_that_housekeeping_removes() {
    let (bucket, folder) = (Bucket::new(), Folder::new());
    let settings = settings(&bucket, &[]);
    let server = start(&folder, &settings);
    let mut client = Client::new(server.address).registered("ada@example.com");
    let first = upload(&mut client, "The first one.");
    // These objects belong to other programs, although they have the same prefix.
    for name in [
        "README",
        "originals/README",
        "originals/old/document_1",
        "copies/a",
    ] {
        bucket.store_directly(&format!("files of quire/{name}"), b"theirs");
    }
    // The object has been uploaded. The HEAD request after that hangs, so the row is not stored yet.
    bucket.fail_all(Some("HEAD"), BucketFault::Silence(Duration::from_secs(600)));
    let sender = client.clone();
    let sent = std::thread::spawn(move || {
        sender.try_upload("/api/upload-document", "b.txt", b"The second one.")
    });
    let objects = || -> Vec<String> {
        let stored = bucket.files().into_keys();
        let is_own = |key: &String| {
            let name = key.strip_prefix("files of quire/originals/");
            name.is_some_and(|name| name.starts_with("doc") && !name.contains('/'))
        };
        { stored }.filter(is_own).collect()
    };
    wait_for("the object is stored", || objects().len() == 2);
    server.kill();
    assert!(sent.join().unwrap().is_err(), "it was not acknowledged");
    bucket.end_outage();
    let orphan = { objects() }.into_iter().find(|key| *key != key_of(&first));
    let orphan = orphan.unwrap();

    let server = start(&folder, &settings);
    let mut client = server.known(&client);
    let listed = client.get("/api/documents");
    assert!(!listed.text().contains("b.txt"), "{}", listed.text());
    // The object is noticed, but it is not old enough to be removed.
    let note = "files of quire/quire-unreferenced";
    wait_for("it is found", || bucket.files().contains_key(note));
    assert!(bucket.files().contains_key(&orphan));
    server.signal("-TERM");
    assert_eq!(server.code(), Some(0));
    // The note is changed as if the object had been noticed long ago.
    let text = String::from_utf8(bucket.files()[note].clone()).unwrap();
    let (id, _) = text.trim().split_once(' ').unwrap();
    assert_eq!(key_of(id), orphan, "{text}");
    bucket.store_directly(note, format!("{id} 2020-01-01T00:00:00.000Z\n").as_bytes());
    let _server = start(&folder, &settings);
    wait_for("it is removed", || !bucket.files().contains_key(&orphan));
    assert_eq!(objects(), [key_of(&first)]);
    let stored = bucket.files();
    let foreign_objects = stored.values().filter(|bytes| *bytes == b"theirs");
    assert_eq!(foreign_objects.count(), 4, "{:?}", stored.keys());
}

#[test]
fn a_file_whose_row_is_stored_after_the_answer_stays() {
    let (cluster, bucket, folder) = (Cluster::start(), Bucket::new(), Folder::new());
    let mut settings = settings(&bucket, &[]);
    settings.push(("DATABASE_URL".to_owned(), cluster.address("postgres")));
    let server = start(&folder, &settings);
    let mut client = Client::new(server.address).registered("ada@example.com");
    // Inserting a document waits for a synchronous replica, which does not exist. Nothing else does.
    let pause = "ALTER SYSTEM SET synchronous_commit = local;
        ALTER SYSTEM SET synchronous_standby_names = 'none';
        SELECT pg_reload_conf();
        CREATE FUNCTION wait_for_replica() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM set_config('synchronous_commit', 'on', true); RETURN NEW; END $$;
        CREATE TRIGGER wait_for_replica BEFORE INSERT ON documents FOR EACH ROW EXECUTE FUNCTION wait_for_replica();";
    assert_eq!(cluster.run(pause), "");
    let applies = "DO $$ BEGIN IF current_setting('synchronous_standby_names') = ''
        THEN RAISE EXCEPTION 'no'; END IF; END $$;";
    wait_for("the setting applies", || cluster.run(applies).is_empty());
    let text = "The levy is due in May.";
    let answer = client.upload("/api/upload-document", "levy.txt", text.as_bytes());
    assert_eq!(answer.status, 503, "{}", answer.text());
    let resume = "ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf();";
    for statement in resume.split_inclusive(';') {
        assert_eq!(cluster.run(statement), "");
    }
    wait_for("its row is stored", || {
        client.get("/api/documents").text().contains("levy.txt")
    });
    assert_eq!(
        bucket
            .files()
            .keys()
            .filter(|key| key.contains("originals/"))
            .count(),
        1
    );
    // Uploading the same bytes again returns that document, whose file exists.
    let id = upload(&mut client, text);
    assert_eq!(content(&mut client, &id), text);
}
