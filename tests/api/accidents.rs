//! Tests accidents with the data folder: a database that is old, missing, empty, or truncated. No user data is ever
//! deleted, and everything is restored when the right files are put back.

mod leftovers;
mod recovery;
mod refusals;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::support::Client;
use crate::support::executable::Executable;
use crate::support::server::Folder;

const SETTINGS: &[(&str, &str)] = &[("USE_MOCK", "true"), ("RATE_LIMIT", "1000000")];

fn start(folder: &Folder) -> Executable {
    Executable::with(folder, SETTINGS)
}

fn stop(server: Executable) {
    server.signal("-TERM");
    assert_eq!(server.code(), Some(0));
}

fn data_folder(folder: &Folder) -> PathBuf {
    folder.path().join("data")
}

fn command(folder: &Folder, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quire"));
    command
        .args(words)
        .env_clear()
        .env("ENVIRONMENT", "test")
        .env("PASSWORD_ROUNDS", "1000")
        .env("LOG_LEVEL", "error")
        .env("PORT", "0")
        .env("HOST", "127.0.0.1")
        .env("DISCOVER_LOCAL", "false")
        .env("QUIRE_DATA", data_folder(folder))
        .current_dir(folder.path());
    command
}

/// Runs a command that must succeed, and returns its output.
fn run_command(folder: &Folder, words: &[&str]) -> String {
    let output_text = command(folder, words).output().unwrap();
    let text = String::from_utf8_lossy(&output_text.stderr).into_owned();
    assert!(output_text.status.success(), "{words:?}: {text}");
    String::from_utf8(output_text.stdout).unwrap()
}

/// Runs a command that must fail, and returns its error output. If a server starts instead, the test fails.
fn run_refused(mut command: Command) -> String {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let out = child.stdout.take().unwrap();
    BufReader::new(out).read_line(&mut line).unwrap();
    if !line.is_empty() {
        child.kill().unwrap();
        child.wait().unwrap();
        panic!("it was not refused: {line}");
    }
    let mut text = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{text}");
    text
}

fn text_of_document(number: usize) -> String {
    format!("Paper number {number} weighs eighty grams.")
}

fn upload(client: &mut Client, number: usize) -> String {
    let text = text_of_document(number);
    let name = format!("{number}.txt");
    let answer = client.upload("/api/upload-document", &name, text.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let response = answer.json();
    let id = &response["id"];
    id.as_str()
        .unwrap_or_else(|| panic!("{response}"))
        .to_owned()
}

/// Checks that each of these documents still has the bytes that were uploaded.
fn check_documents(client: &mut Client, ids: &[String]) {
    for (number, id) in ids.iter().enumerate() {
        let answer = client.get(&format!("/api/documents/{id}/content"));
        assert_eq!(answer.status, 200, "{number}: {}", answer.text());
        assert_eq!(answer.text(), text_of_document(number));
    }
}

/// Returns the files in a folder and its subfolders, sorted by name. Empty if the folder does not exist.
fn list_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return files;
    };
    for entry in entries.flatten() {
        match entry.path().is_dir() {
            true => files.extend(list_files(&entry.path())),
            false => files.push(entry.path()),
        }
    }
    files.sort();
    files
}

/// Sets the times of all files one day back, because recent uploads are left alone.
fn backdate_files(folder: &Folder) {
    let yesterday = SystemTime::now() - Duration::from_secs(86_400);
    for part in ["documents", "uploads"] {
        let part = data_folder(folder).join(part);
        let folders = fs::read_dir(&part).unwrap().flatten();
        let mut all: Vec<_> = folders.map(|entry| entry.path()).collect();
        all.extend(list_files(&part));
        for path in all {
            File::open(path).unwrap().set_modified(yesterday).unwrap();
        }
    }
}

fn wait_until_read(folder: &Folder) {
    backdate_files(folder);
    stop(start(folder));
}

/// Starts a server, creates an account with this number of documents, and stops the server.
fn folder_with_documents(folder: &Folder, documents: usize) -> (Client, Vec<String>) {
    let server = start(folder);
    let mut ada = Client::new(server.address).registered("ada@example.com");
    let ids = (0..documents).map(|n| upload(&mut ada, n)).collect();
    stop(server);
    (ada, ids)
}

fn replaced_database_path(message: &str) -> String {
    let kept_path = message.split("the replaced database is kept as ").nth(1);
    let saved = kept_path.unwrap_or_else(|| panic!("{message}"));
    saved.lines().next().unwrap().trim().to_owned()
}

#[test]
fn a_restored_older_copy_costs_no_original_and_no_upload() {
    let folder = Folder::new();
    let (ada, mut ids) = folder_with_documents(&folder, 1);
    run_command(&folder, &["backup", "copy.db"]);
    let server = start(&folder);
    let mut ada = server.known(&ada);
    ids.extend((1..4).map(|n| upload(&mut ada, n)));
    let announced = json!({"fileName": "a.txt", "fileSize": 6, "chunkSize": 3, "totalChunks": 2});
    let session = ada.post("/api/create-document-session", announced).json();
    let session = session["sessionId"].as_str().unwrap().to_owned();
    let part = format!(
        "--b\r\nContent-Disposition: form-data; name=\"sessionId\"\r\n\r\n{session}\r\n\
         --b\r\nContent-Disposition: form-data; name=\"chunkIndex\"\r\n\r\n1\r\n\
         --b\r\nContent-Disposition: form-data; name=\"chunk\"; filename=\"x\"\r\n\r\nabc\r\n--b--\r\n"
    );
    let form = "multipart/form-data; boundary=b";
    let sent = ada.send(
        "POST",
        "/api/upload-document-chunk",
        Some((form, part.as_bytes())),
    );
    assert_eq!(sent.status, 200, "{}", sent.text());
    stop(server);
    let output = run_command(&folder, &["restore", "copy.db", "--replace"]);
    wait_until_read(&folder);
    let aside = list_files(&data_folder(&folder).join("orphans"));
    assert_eq!(aside.len(), 4, "three documents and one part: {aside:?}");
    let server = start(&folder);
    check_documents(&mut server.known(&ada), &ids[..1]);
    stop(server);
    run_command(
        &folder,
        &["restore", &replaced_database_path(&output), "--replace"],
    );
    let server = start(&folder);
    let mut ada = server.known(&ada);
    check_documents(&mut ada, &ids);
    let progress = ada.get(&format!("/api/document-sessions/{session}"));
    assert_eq!(
        progress.json()["receivedChunks"],
        json!([1]),
        "{}",
        progress.text()
    );
    assert_eq!(
        list_files(&data_folder(&folder).join("orphans")),
        Vec::<PathBuf>::new()
    );
    assert_eq!(list_files(&data_folder(&folder).join("uploads")).len(), 1);
}

/// Checks that every command that would open the folder refuses to do so, and that nothing in the folder changes.
fn check_all_commands_refuse(folder: &Folder, why: &str) {
    let before = folder_contents(folder);
    for words in [
        &["serve"][..],
        &["user", "list"],
        &["user", "add", "eve@example.com", "--admin"],
        &["documents", "list"],
        &["experiment", "list"],
        &["provider", "list"],
        &["usage"],
        &["models"],
        &["backup", "other.db"],
        &["ask", "Who?", "--quiet"],
    ] {
        let message = run_refused(command(folder, words));
        assert!(message.contains(why), "{words:?}: {message}");
        assert_eq!(folder_contents(folder), before, "{words:?}");
    }
    let mut replicated = command(folder, &["serve"]);
    let replica = folder.path().join("replica");
    replicated.env("QUIRE_REPLICA", format!("file://{}", replica.display()));
    let output_text = run_refused(replicated);
    assert!(output_text.contains(why), "{output_text}");
    assert_eq!(folder_contents(folder), before, "with a replica");
    let mut doctor = command(folder, &["doctor"]);
    let output = doctor.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("broken   database") && text.contains(why),
        "{text}"
    );
    assert_eq!(folder_contents(folder), before, "doctor");
}

/// Returns every file with its bytes, except for the lock, which contains its holder, and the WAL index, which SQLite
/// rebuilds from the log.
fn folder_contents(folder: &Folder) -> Vec<(PathBuf, Vec<u8>)> {
    let names = list_files(&data_folder(folder)).into_iter();
    names
        .filter(|path| path.is_file() && !path.ends_with("lock") && !path.ends_with("quire.db-shm"))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

#[test]
fn a_database_that_is_missing_is_refused_and_nothing_is_deleted() {
    let folder = Folder::new();
    let (ada, ids) = folder_with_documents(&folder, 3);
    backdate_files(&folder);
    let (database_path, moved_path) = (
        data_folder(&folder).join("quire.db"),
        folder.path().join("away.db"),
    );
    fs::rename(&database_path, &moved_path).unwrap();
    check_all_commands_refuse(&folder, "has no database");
    fs::rename(&moved_path, &database_path).unwrap();
    let server = start(&folder);
    check_documents(&mut server.known(&ada), &ids);
    let repaired = run_command(&folder, &["doctor", "--port", "0"]);
    assert!(
        repaired.contains("every document has its file"),
        "{repaired}"
    );
}

#[test]
fn a_database_that_is_empty_or_cut_off_or_something_else_is_refused() {
    let folder = Folder::new();
    let (ada, ids) = folder_with_documents(&folder, 2);
    backdate_files(&folder);
    let path = data_folder(&folder).join("quire.db");
    let full = fs::read(&path).unwrap();
    for (bytes, why) in [
        (&[][..], "is empty"),
        (&full[..4096], "is cut off"),
        (&full[..full.len() - 4096], "is cut off"),
        (&full[..50], "is cut off"),
        (
            &b"this is not a database, it is a text"[..],
            "is not a SQLite database",
        ),
    ] {
        fs::write(&path, bytes).unwrap();
        check_all_commands_refuse(&folder, why);
    }
    // The message advises restoring a backup, which also keeps the files that were there before.
    fs::write(&path, &full).unwrap();
    run_command(&folder, &["backup", "copy.db"]);
    fs::write(&path, b"").unwrap();
    let output = run_command(&folder, &["restore", "copy.db", "--replace"]);
    assert!(
        Path::new(&replaced_database_path(&output)).exists(),
        "{output}"
    );
    let server = start(&folder);
    check_documents(&mut server.known(&ada), &ids);
}

#[test]
fn a_log_without_its_database_is_refused_and_kept() {
    let folder = Folder::new();
    let server = start(&folder);
    let mut ada = Client::new(server.address).registered("ada@example.com");
    let ids: Vec<_> = (0..2).map(|n| upload(&mut ada, n)).collect();
    server.kill();
    let (database_path, moved_path) = (
        data_folder(&folder).join("quire.db"),
        folder.path().join("away.db"),
    );
    let log = data_folder(&folder).join("quire.db-wal");
    let committed = fs::read(&log).unwrap();
    assert!(!committed.is_empty());
    fs::rename(&database_path, &moved_path).unwrap();
    check_all_commands_refuse(&folder, "quire.db-wal");
    // If an empty file replaced the database, SQLite would delete the log.
    fs::write(&database_path, b"").unwrap();
    check_all_commands_refuse(&folder, "quire.db-wal");
    fs::remove_file(&database_path).unwrap();
    assert_eq!(fs::read(&log).unwrap(), committed);
    fs::rename(&moved_path, &database_path).unwrap();
    let server = start(&folder);
    check_documents(&mut server.known(&ada), &ids);
}

/// SQLite would replay any valid log next to a database into it, and overwrite its content.
#[test]
fn a_log_of_another_database_is_refused_and_neither_changes() {
    let folder = Folder::new();
    let (ada, ids) = folder_with_documents(&folder, 2);
    let target = data_folder(&folder).join("quire.db");
    let log = data_folder(&folder).join("quire.db-wal");
    let intact_bytes = fs::read(&target).unwrap();

    let elsewhere = Folder::new();
    let server = start(&elsewhere);
    Client::new(server.address).registered("mallory@example.com");
    server.kill();
    let other_installation_log = fs::read(data_folder(&elsewhere).join("quire.db-wal")).unwrap();
    let strange = elsewhere.path().join("strange.db");
    let db = rusqlite::Connection::open(&strange).unwrap();
    db.execute_batch(
        "PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(9999));",
    )
    .unwrap();
    let foreign_log = fs::read(elsewhere.path().join("strange.db-wal")).unwrap();
    drop(db);

    for other in [other_installation_log, foreign_log] {
        assert!(!other.is_empty());
        fs::write(&log, &other).unwrap();
        check_all_commands_refuse(&folder, "do not belong together");
        assert_eq!(fs::read(&log).unwrap(), other);
        assert!(
            fs::read(&target).unwrap() == intact_bytes,
            "the database changed"
        );
    }
    fs::remove_file(&log).unwrap();
    let _ = fs::remove_file(data_folder(&folder).join("quire.db-shm"));
    let server = start(&folder);
    check_documents(&mut server.known(&ada), &ids);
}

#[test]
fn restore_keeps_an_orphaned_wal() {
    let folder = Folder::new();
    folder_with_documents(&folder, 1);
    run_command(&folder, &["backup", "copy.db"]);
    let server = start(&folder);
    Client::new(server.address).registered("bob@example.com");
    server.kill();
    let log = data_folder(&folder).join("quire.db-wal");
    let committed = fs::read(&log).unwrap();
    fs::remove_file(data_folder(&folder).join("quire.db")).unwrap();
    let output = run_command(&folder, &["restore", "copy.db"]);
    wait_until_read(&folder);
    let logs = list_files(&data_folder(&folder).join("orphans"));
    assert!(
        logs.iter().any(|path| fs::read(path).unwrap() == committed),
        "{output} {logs:?}"
    );
}

#[test]
fn database_with_commits_only_in_its_log_is_valid() {
    let folder = Folder::new();
    let server = start(&folder);
    let ada = Client::new(server.address).registered("ada@example.com");
    // The server is killed before anything in the log is copied to the database file.
    server.kill();
    let server = start(&folder);
    assert_eq!(server.known(&ada).get("/api/users/me").status, 200);
}
