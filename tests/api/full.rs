//! Tests a full disk during writes, uploads, and backups. The problem is reported clearly, and nothing is half-written.
//! Users can still sign in, read, and delete, and everything works again when there is space. The disk is a small tmpfs
//! that is mounted only for the server.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::Client;
use crate::support::executable::Executable;
use crate::support::server::Folder;

/// Starts a server whose data folder is on a disk of 24 MB. Returns `None` if this machine does not permit mounts.
fn start_on_small_disk(folder: &Folder) -> Option<(Executable, PathBuf)> {
    const MOUNT: &str = "mount -t tmpfs -o size=24m tmpfs \"$QUIRE_DATA\"";
    let data = folder.path().join("data");
    fs::create_dir_all(&data).unwrap();
    let mut probe = Command::new("unshare");
    probe
        .args(["-rm", "/bin/sh", "-c", MOUNT])
        .env("QUIRE_DATA", &data);
    if !probe.output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: this machine lets nobody mount a disk in memory");
        return None;
    }
    let mut command = Command::new("/usr/bin/unshare");
    let line = format!("PATH=/usr/bin:/bin; {MOUNT} && exec \"$0\" serve");
    command.args(["-rm", "/bin/sh", "-c", &line, env!("CARGO_BIN_EXE_quire")]);
    let settings = [
        ("USE_MOCK", "true"),
        ("RATE_LIMIT", "100000"),
        ("MIN_FREE_MB", "8"),
    ];
    let server = Executable::from_command(command, folder, &settings);
    // This is the path of the data folder as seen from outside the server's mount namespace.
    let server_root = PathBuf::from(format!("/proc/{}/root", server.id()));
    let disk = server_root.join(data.strip_prefix("/").unwrap());
    Some((server, disk))
}

/// Fills the disk. Returns the file that can be deleted to free the space again.
fn fill_disk(disk: &Path) -> PathBuf {
    let path = disk.join("filling");
    let mut file = fs::File::create(&path).unwrap();
    let piece = vec![7; 1 << 16];
    while file.write_all(&piece).is_ok() {}
    while file.write_all(&piece[..512]).is_ok() {}
    path
}

#[test]
fn a_full_disk_loses_no_data_and_is_reported() {
    let folder = Folder::new();
    let Some((server, disk)) = start_on_small_disk(&folder) else {
        return;
    };
    let mut client = Client::new(server.address).registered("ada@example.com");
    let rename_user =
        |client: &mut Client, name: &str| client.put("/api/users/me", json!({ "name": name }));
    assert_eq!(rename_user(&mut client, "Before").status, 200);
    let filling = fill_disk(&disk);

    // Writes succeed until the log has to grow.
    let mut last = "Before".to_owned();
    let refused = (0..20_000).find_map(|n| {
        let name = format!("{n} {}", "x".repeat(80));
        let answer = rename_user(&mut client, &name);
        if answer.status == 200 {
            last = name;
            return None;
        }
        Some(answer)
    });
    let refusal = refused.expect("a full disk refuses at last");
    let error = refusal.refused(503, "SERVICE_UNAVAILABLE")["message"].to_string();
    assert!(error.contains("disk is full"), "{error}");
    // Existing data can still be read.
    assert_eq!(client.get("/api/users/me").json()["name"], json!(last));

    let text = "All of it is thin.\n".repeat(20_000);
    let response = client.upload("/api/upload-document", "thin.txt", text.as_bytes());
    assert_eq!(response.status, 503, "{}", response.text());
    assert!(response.text().contains("room"), "{}", response.text());

    let ask = json!({"prompt": "Is it thin?", "models": ["demo/extract"], "cache": "off"});
    let refused = client.post("/api/analyze", ask.clone());
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(
        refused.text().contains("disk is full"),
        "{}",
        refused.text()
    );

    let refused = client.get("/api/admin/backup");
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.text().contains("MB free"), "{}", refused.text());

    // When there is space again, the server recovers without a restart.
    fs::remove_file(&filling).unwrap();
    assert_eq!(rename_user(&mut client, "After").status, 200);
    let uploaded = client.upload("/api/upload-document", "thin.txt", text.as_bytes());
    assert_eq!(uploaded.status, 200, "{}", uploaded.text());
    let answer = client.post("/api/analyze", ask);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let copy = client.get("/api/admin/backup");
    assert_eq!(copy.status, 200);
    // The server has verified the copy itself. Here, another build of SQLite reads it.
    let path = folder.path().join("copy.db");
    fs::write(&path, &copy.bytes).unwrap();
    let copy = rusqlite::Connection::open(&path).unwrap();
    let full: String = copy
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    let name: String = copy
        .query_row("SELECT name FROM users", [], |row| row.get(0))
        .unwrap();
    assert_eq!((full.as_str(), name.as_str()), ("ok", "After"));
    // No partial files are left.
    let parts: Vec<_> = fs::read_dir(disk.join("tmp")).unwrap().flatten().collect();
    assert!(parts.is_empty(), "{parts:?}");
}

fn wait_until_read(client: &mut Client, id: &str) {
    let is_read = (0..1200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        client.get(&format!("/api/documents/{id}")).json()["status"] == "processed"
    });
    assert!(is_read, "{id} is never read");
}

/// Returns the health once it satisfies a condition. A damaged database is checked at most once per half minute.
fn wait_for_health(client: &mut Client, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..1800 {
        let health = client.get("/health").json();
        if wanted(&health) {
            return health;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("never {what}: {}", client.get("/health").json());
}

#[test]
fn people_sign_in_read_and_delete_on_a_full_disk() {
    let folder = Folder::new();
    let Some((server, disk)) = start_on_small_disk(&folder) else {
        return;
    };
    let mut client = Client::new(server.address).registered("ada@example.com");
    assert_eq!(client.get("/health").json()["disk"]["status"], "ok");
    let reserve = disk.join("reserve");
    assert_eq!(fs::metadata(&reserve).unwrap().len(), 4 << 20);
    let text = |n: usize| format!("Sheet {n} is thin.\n").repeat(20_000);
    let ids: Vec<String> = (0..4)
        .map(|n| {
            let name = format!("{n}.txt");
            let uploaded = client.upload("/api/upload-document", &name, text(n).as_bytes());
            assert_eq!(uploaded.status, 200, "{}", uploaded.text());
            uploaded.json()["document_id"].as_str().unwrap().to_owned()
        })
        .collect();
    // The log entries that are caused by reading the documents are written before the disk is full.
    for id in &ids {
        wait_until_read(&mut client, id);
    }
    let filling = fill_disk(&disk);

    let health = wait_for_health(&mut client, "full", |health| {
        health["disk"]["status"] == "error"
    });
    assert_eq!(health["status"], "warning", "{health}");
    assert!(
        health["message"].to_string().contains("disk is full"),
        "{health}"
    );
    // All of this works repeatedly, so it does not depend on the space left in the log.
    for (n, id) in ids.iter().enumerate() {
        let mut other = Client::new(server.address).signed_in("ada@example.com");
        let content = other.get(&format!("/api/documents/{id}/content"));
        assert_eq!((content.status, content.bytes.len()), (200, text(n).len()));
        let search_response = other.get("/api/search?q=thin");
        assert_eq!(search_response.status, 200, "{}", search_response.text());
        let deletion = other.delete(&format!("/api/documents/{id}"));
        assert_eq!(deletion.status, 200, "{}", deletion.text());
        // Another process uses up the space that was freed. It takes no more than that, because the rest of the reserve
        // is for the log.
        let _ = fs::OpenOptions::new()
            .append(true)
            .open(&filling)
            .and_then(|mut file| file.write_all(&vec![7; text(n).len()]));
    }
    let response = client.upload("/api/upload-document", "more.txt", text(9).as_bytes());
    response.refused(503, "SERVICE_UNAVAILABLE");
    let ask = json!({"prompt": "Is it thin?", "models": ["demo/extract"], "cache": "off"});
    client
        .post("/api/analyze", ask)
        .refused(503, "SERVICE_UNAVAILABLE");
    let parts = json!({"fileName": "a.txt", "fileSize": 4, "chunkSize": 4, "totalChunks": 1});
    client
        .post("/api/create-document-session", parts)
        .refused(503, "SERVICE_UNAVAILABLE");

    fs::remove_file(&filling).unwrap();
    let health = wait_for_health(&mut client, "well", |health| health["status"] == "ok");
    assert_eq!(health["disk"]["status"], "ok", "{health}");
    let accepted_upload = client.upload("/api/upload-document", "more.txt", text(9).as_bytes());
    assert_eq!(accepted_upload.status, 200, "{}", accepted_upload.text());
    // The reserve is restored automatically.
    let is_restored = (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        fs::metadata(&reserve).is_ok_and(|file| file.len() == 4 << 20)
    });
    assert!(is_restored);
}

/// The reserve is for signing in and deleting. Operations that only store data must not consume it.
#[test]
fn only_freeing_changes_use_the_disk_reserve() {
    let folder = Folder::new();
    let Some((server, disk)) = start_on_small_disk(&folder) else {
        return;
    };
    let mut client = Client::new(server.address).registered("ada@example.com");
    let key = client.post(
        "/api/users/me/api-keys",
        json!({ "name": "k", "scopes": ["documents"] }),
    );
    assert!(key.status < 300, "{}", key.text());
    let (key, id) = (
        key.json()["key"].clone(),
        key.json()["api_key"]["id"].clone(),
    );
    let _filling = fill_disk(&disk);
    let reserve = disk.join("reserve");
    let is_whole = || fs::metadata(&reserve).is_ok_and(|file| file.len() == 4 << 20);
    let rename_user = |client: &mut Client, n: usize| {
        let name = format!("{n} {}", "x".repeat(80));
        client.put("/api/users/me", json!({ "name": name })).status
    };
    let first_refused = (0..20_000).find(|n| rename_user(&mut client, *n) != 200);
    assert!(first_refused.is_some(), "a full disk refuses at last");
    assert!(is_whole(), "a change of a name has used the reserve");
    let account = json!({ "email": "bob@example.com", "password": "correct horse 7 battery" });
    let registered = client.post("/api/auth/register", account);
    assert_eq!(registered.status, 503, "{}", registered.text());
    assert!(is_whole(), "a registration has used the reserve");
    // A program can read with its API key, even though the time of the key's last use cannot be recorded.
    let mut program = Client::new(server.address).with("x-api-key", key.as_str().unwrap());
    let read = program.get("/api/documents");
    assert_eq!(read.status, 200, "{}", read.text());
    assert!(is_whole(), "a request with a key has used the reserve");

    let mut client = Client::new(server.address).signed_in("ada@example.com");
    assert!(!is_whole(), "signing in takes from the reserve");
    let deletion = client.delete(&format!("/api/users/me/api-keys/{}", id.as_str().unwrap()));
    assert_eq!(deletion.status, 200, "{}", deletion.text());
    assert_eq!(client.get("/api/users/me").status, 200);
}

#[test]
fn a_damaged_page_is_an_error_until_it_is_mended() {
    let folder = Folder::new();
    let settings = [("USE_MOCK", "true"), ("RATE_LIMIT", "100000")];
    let first = Executable::with(&folder, &settings);
    let mut client = Client::new(first.address).registered("ada@example.com");
    let text: String = (0..60_000)
        .map(|n| format!("Sheet {n} is thin. "))
        .collect();
    let uploaded = client.upload("/api/upload-document", "thin.txt", text.as_bytes());
    assert_eq!(uploaded.status, 200, "{}", uploaded.text());
    let id = uploaded.json()["document_id"].as_str().unwrap().to_owned();
    let path = format!("/api/documents/{id}/text");
    wait_until_read(&mut client, &id);
    first.signal("-TERM");
    assert_eq!(first.code(), Some(0));
    let server = Executable::with(&folder, &settings);
    let mut client = server.known(&client);
    assert_eq!(client.get("/health").json()["status"], "ok");
    // Damages the second half of the file, which contains the text.
    let database = folder.path().join("data/quire.db");
    let intact_bytes = fs::read(&database).unwrap();
    let half = intact_bytes.len() / 2 / 4096 * 4096;
    let mut damaged = intact_bytes.clone();
    damaged[half..].fill(0xff);
    fs::write(&database, &damaged).unwrap();
    assert_eq!(client.get(&path).status, 500);
    let answer = client.get("/health");
    let health = match answer.status {
        503 => answer.json(),
        _ => wait_for_health(&mut client, "in error", |health| {
            health["status"] == "error"
        }),
    };
    assert_eq!(health["database"]["status"], "error", "{health}");
    assert!(
        health["message"].to_string().contains("damaged"),
        "{health}"
    );
    // Every health request fails in the same way, even while other queries succeed.
    for _ in 0..80 {
        assert_eq!(client.get("/health").status, 503);
        std::thread::sleep(Duration::from_millis(50));
    }
    fs::write(&database, &intact_bytes).unwrap();
    wait_for_health(&mut client, "well", |health| health["status"] == "ok");
    assert_eq!(client.get(&path).status, 200);
}
