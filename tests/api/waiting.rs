//! Tests documents that wait to be read: users take turns, no user can occupy all readers, and every queue is bounded.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use quire::app::folder::database;
use quire::domain::document::{Document, DocumentStatus};
use quire::domain::id::{DocumentId, UserId};
use quire::domain::reading_queue::MAX_WAITING;
use quire::domain::time::Timestamp;
use quire::store::{Store, StoreSettings, documents};
use serde_json::Value;

use crate::support::server::{Folder, READER};
use crate::support::{Answer, Client, Server};

/// The message of a reader that has read a quarter of the file: the length of the JSON, followed by the JSON.
const QUARTER_READ_FRAME: &str = r#"\041\000\000\000{"progress":{"done":1,"total":4}}"#;

/// A server whose reader records the first word of each file. At a file that begins with `slow`, it pauses until it is
/// released.
struct Slow {
    // Declared first, so that the server is stopped before the folder is removed.
    server: Server,
    folder: Folder,
}

impl Slow {
    fn start_with(readers: &str) -> Self {
        let folder = Folder::new();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        for name in ["begun", "go"] {
            let created = Command::new("mkfifo").arg(at(name)).status().unwrap();
            assert!(created.success());
        }
        let script = format!(
            "#!/bin/sh\nword=$(head -n 1 < /proc/self/fd/0)\necho $word >> {}\n\
             case $word in slow*) printf '{QUARTER_READ_FRAME}'; echo $word > {}; read go < {} ;; esac\nexec {} \"$@\"\n",
            at("order"),
            at("begun"),
            at("go"),
            env!("CARGO_BIN_EXE_quire"),
        );
        std::fs::write(at("reader"), script).unwrap();
        std::fs::set_permissions(at("reader"), std::fs::Permissions::from_mode(0o700)).unwrap();
        let settings = [("DOCUMENT_READERS", readers), (READER, &at("reader"))];
        let server = Server::with(&settings);
        Self { server, folder }
    }
    /// Uploads a text in the background, so that the test does not wait until the server has read it.
    fn send(&self, client: &Client, text: &str) -> std::thread::JoinHandle<Answer> {
        let (mut client, text) = (client.clone(), text.to_owned());
        std::thread::spawn(move || client.upload("/api/upload-document", "a.txt", text.as_bytes()))
    }
    /// Waits until a slow file is being read.
    fn wait_until_paused(&self) {
        std::fs::read_to_string(self.folder.path().join("begun")).unwrap();
    }
    /// Releases a paused file.
    fn release(&self) {
        std::fs::write(self.folder.path().join("go"), "go\n").unwrap();
    }
    fn reading_order(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join("order")).unwrap();
        text.lines().map(str::to_owned).collect()
    }
    /// Waits until no document is being read, and returns all documents of this user.
    fn documents_when_idle(&self, client: &mut Client) -> Vec<Value> {
        loop {
            let list = client.get("/api/documents").json();
            let all = list["documents"].as_array().unwrap().clone();
            if all.iter().all(|one| one["status"] != "processing") {
                return all;
            }
            std::thread::yield_now();
        }
    }
}

fn waiting(user: &UserId, number: u32) -> Document {
    let new_one = Timestamp::from_millis(i64::from(number) + 1);
    Document {
        id: DocumentId::new(new_one, number.into()),
        user: user.clone(),
        name: format!("{number}.txt"),
        content_type: "application/octet-stream".to_owned(),
        kind: String::new(),
        encoding: None,
        size: 1,
        sha256: format!("{number:064x}"),
        status: DocumentStatus::Processing,
        message: String::new(),
        pages: 0,
        words: 0,
        gaps: Vec::new(),
        recognized: Vec::new(),
        flags: Vec::new(),
        created: new_one,
    }
}

#[test]
fn a_second_user_does_not_wait_for_all_files_of_the_first() {
    let slow = Slow::start_with("1");
    let people = ["ada@example.org", "bob@example.org"].map(|email| slow.server.user(email));
    let [mut ada, mut bob] = people;
    let mut uploads = vec![slow.send(&ada, "slow one\n")];
    slow.wait_until_paused();
    for number in 0..4 {
        let text = format!("ada{number}\n{}", "more ".repeat(100 - number));
        uploads.push(slow.send(&ada, &text));
    }
    for one in uploads {
        assert_eq!(one.join().unwrap().json()["status"], "processing");
    }
    let bob_documents = slow.send(&bob, "bob\n");
    assert_eq!(bob_documents.join().unwrap().json()["status"], "processing");
    slow.release();
    let (ada_documents, bob_documents) = (
        slow.documents_when_idle(&mut ada),
        slow.documents_when_idle(&mut bob),
    );
    assert_eq!((ada_documents.len(), bob_documents.len()), (5, 1));
    // Bob's document is read first, then Ada's smallest document, and then her oldest one.
    assert_eq!(
        slow.reading_order()[..4],
        ["slow one", "bob", "ada3", "ada2"]
    );
}

#[test]
fn one_user_does_not_occupy_every_reader() {
    let slow = Slow::start_with("2");
    let people = ["ada@example.org", "bob@example.org"].map(|email| slow.server.user(email));
    let [mut ada, mut bob] = people;
    let uploads = [slow.send(&ada, "slow one\n"), slow.send(&ada, "slow two\n")];
    slow.wait_until_paused();
    for one in uploads {
        assert_eq!(one.join().unwrap().json()["status"], "processing");
    }
    assert_eq!(
        slow.reading_order().len(),
        1,
        "the other reader is kept for others"
    );
    // Bob's document is read even though both of Ada's are stuck.
    slow.send(&bob, "bob\n").join().unwrap();
    let bob_documents = slow.documents_when_idle(&mut bob);
    assert_eq!(
        bob_documents[0]["status"], "processed",
        "{}",
        bob_documents[0]
    );
    slow.release();
    slow.wait_until_paused();
    slow.release();
    assert_eq!(slow.documents_when_idle(&mut ada).len(), 2);
}

#[test]
fn the_queue_of_a_user_is_bounded() {
    let server = Server::start();
    let mut ada = server.user("ada@example.org");
    let mut bob = server.user("bob@example.org");
    let own_account = ada.get("/api/users/me").json();
    let id = own_account["id"]
        .as_str()
        .or(own_account["user"]["id"].as_str())
        .unwrap();
    let id = UserId::parse(id).unwrap();
    let path = database(server.folder());
    let store = Store::open(&StoreSettings { path }).unwrap();
    let rows = store.write_now(move |db| {
        (0..MAX_WAITING as u32).try_for_each(|n| documents::insert(db, &waiting(&id, n), &[], &[]))
    });
    rows.unwrap();
    let response = ada.upload("/api/upload-document", "a.txt", b"one too many");
    response.refused(429, "RATE_LIMITED");
    assert!(response.header("retry-after").parse::<u32>().unwrap() > 0);
    assert!(
        response.text().contains("waiting to be read"),
        "{}",
        response.text()
    );
    let files = |folder: &str| {
        std::fs::read_dir(server.folder().join(folder))
            .unwrap()
            .count()
    };
    assert_eq!((files("documents"), files("tmp")), (0, 0));
    // Even if one user's queue is full, documents of other users are accepted.
    let uploaded = bob.upload("/api/upload-document", "b.txt", b"his first");
    assert!(uploaded.status < 300, "{}", uploaded.text());
}

#[test]
fn reading_progress_is_shown() {
    let slow = Slow::start_with("1");
    let mut client = slow.server.user("ada@example.com");
    let upload = slow.send(&client, "slow words");
    slow.wait_until_paused();
    let body = loop {
        let list = client.get("/api/documents").json();
        let one = list["documents"][0].clone();
        if !one["share_read"].is_null() {
            break one;
        }
        std::thread::yield_now();
    };
    assert_eq!(
        (&body["status"], &body["share_read"]),
        (&"processing".into(), &0.25.into())
    );
    slow.release();
    assert_eq!(upload.join().unwrap().status, 200);
    let all = slow.documents_when_idle(&mut client);
    assert_eq!(all[0]["share_read"], Value::Null, "{all:?}");
}
