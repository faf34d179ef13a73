//! A disk that is full, while it is written to, uploaded to, backed up from: said clearly, nothing torn, and all is
//! well when there is room again. The disk is a small one in memory, mounted where only the server sees it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::support::Client;
use crate::support::executable::Executable;
use crate::support::server::Folder;

/// A server whose data folder is a disk of 24 MB; none where this machine lets nobody mount one.
fn on_a_small_disk(folder: &Folder) -> Option<(Executable, PathBuf)> {
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
    let settings = [("USE_MOCK", "true"), ("RATE_LIMIT", "100000")];
    let server = Executable::by(command, folder, &settings);
    // As the server sees it.
    let seen = PathBuf::from(format!("/proc/{}/root", server.id()));
    let disk = seen.join(data.strip_prefix("/").unwrap());
    Some((server, disk))
}

/// Takes all the room there is, and gives the file that is to be removed.
fn fill(disk: &Path) -> PathBuf {
    let path = disk.join("filling");
    let mut file = fs::File::create(&path).unwrap();
    let piece = vec![7; 1 << 16];
    while file.write_all(&piece).is_ok() {}
    while file.write_all(&piece[..512]).is_ok() {}
    path
}

#[test]
fn a_full_disk_loses_nothing_and_is_told() {
    let folder = Folder::new();
    let Some((server, disk)) = on_a_small_disk(&folder) else {
        return;
    };
    let mut client = Client::new(server.address).registered("ada@example.com");
    let named =
        |client: &mut Client, name: &str| client.put("/api/users/me", json!({ "name": name }));
    assert_eq!(named(&mut client, "Before").status, 200);
    let filling = fill(&disk);

    // Writes: the log has some room of its own, until it has to grow.
    let mut last = "Before".to_owned();
    let refused = (0..20_000).find_map(|n| {
        let name = format!("{n} {}", "x".repeat(80));
        let answer = named(&mut client, &name);
        if answer.status == 200 {
            last = name;
            return None;
        }
        Some(answer)
    });
    let refused = refused.expect("a full disk refuses at last");
    let said = refused.refused(503, "SERVICE_UNAVAILABLE")["message"].to_string();
    assert!(said.contains("disk is full"), "{said}");
    // What is there can be read.
    assert_eq!(client.get("/api/users/me").json()["name"], json!(last));

    let text = "All of it is thin.\n".repeat(20_000);
    let refused = client.upload("/api/upload-document", "thin.txt", text.as_bytes());
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.text().contains("room"), "{}", refused.text());

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

    // There is room again: it goes on by itself.
    fs::remove_file(&filling).unwrap();
    assert_eq!(named(&mut client, "After").status, 200);
    let taken = client.upload("/api/upload-document", "thin.txt", text.as_bytes());
    assert_eq!(taken.status, 200, "{}", taken.text());
    let answer = client.post("/api/analyze", ask);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let copy = client.get("/api/admin/backup");
    assert_eq!(copy.status, 200);
    // The copy was read through by the server; here it is read by another SQLite.
    let path = folder.path().join("copy.db");
    fs::write(&path, &copy.bytes).unwrap();
    let copy = rusqlite::Connection::open(&path).unwrap();
    let whole: String = copy
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    let name: String = copy
        .query_row("SELECT name FROM users", [], |row| row.get(0))
        .unwrap();
    assert_eq!((whole.as_str(), name.as_str()), ("ok", "After"));
    // Nothing of what did not fit lies about.
    let parts: Vec<_> = fs::read_dir(disk.join("tmp")).unwrap().flatten().collect();
    assert!(parts.is_empty(), "{parts:?}");
}
