//! Tests that the server refuses to start, and names the problem and the remedy, in these cases: the database is
//! damaged, is a folder, or belongs to another program; there is a file where a folder should be; or the secret is
//! invalid or has changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{
    SETTINGS, backdate_files, check_all_commands_refuse, check_documents, command, data_folder,
    folder_contents, folder_with_documents, list_files, replaced_database_path, run_command,
    run_refused, start, stop,
};
use crate::support::Client;
use crate::support::executable::Executable;
use crate::support::server::Folder;

const PAGE_SIZE: usize = 4096;

/// Returns the number of a table's first page.
fn first_page_of(database: &Path, table: &str) -> usize {
    let db = rusqlite::Connection::open(database).unwrap();
    let sql = "SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    let page: i64 = db.query_row(sql, [table], |row| row.get(0)).unwrap();
    usize::try_from(page).unwrap()
}

/// Returns the files whose loss would affect a user.
fn user_files(folder: &Folder) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = folder_contents(folder);
    all.retain(|(path, _)| {
        path.ends_with("quire.db")
            || path.ends_with("secret")
            || path.to_string_lossy().contains("document_")
    });
    all
}

#[test]
fn damaged_page_at_startup_is_refused_with_a_remedy() {
    let folder = Folder::new();
    let (ada, ids) = folder_with_documents(&folder, 1);
    backdate_files(&folder);
    run_command(&folder, &["backup", "copy.db"]);
    let path = data_folder(&folder).join("quire.db");
    let intact_bytes = fs::read(&path).unwrap();
    for table in ["", "users", "documents", "providers", "budgets", "votes"] {
        let mut damaged = intact_bytes.clone();
        match table {
            // Overwrites the first page after the header. It lists all tables.
            "" => damaged[100..PAGE_SIZE].fill(0xff),
            table => {
                let page = first_page_of(&path, table);
                damaged[(page - 1) * PAGE_SIZE..page * PAGE_SIZE].fill(0xff);
            }
        }
        fs::write(&path, &damaged).unwrap();
        let before = user_files(&folder);
        for words in [&["serve"][..], &["user", "list"], &["provider", "list"]] {
            let message = run_refused(command(&folder, words));
            for part in [
                "quire.db is damaged",
                "malformed",
                "quire restore FILE --replace",
            ] {
                assert!(message.contains(part), "{table} {words:?}: {message}");
            }
            assert!(
                user_files(&folder) == before,
                "{table} {words:?} changed a file"
            );
        }
        let doctor = command(&folder, &["doctor"]).output().unwrap();
        let text = String::from_utf8(doctor.stdout).unwrap();
        assert!(text.contains("broken   database"), "{table}: {text}");
        assert!(
            text.contains("quire restore FILE --replace"),
            "{table}: {text}"
        );
        fs::write(&path, &intact_bytes).unwrap();
    }
    // Follows the advice in the message.
    let mut damaged = intact_bytes;
    damaged[100..PAGE_SIZE].fill(0xff);
    fs::write(&path, &damaged).unwrap();
    let output_text = run_command(&folder, &["restore", "copy.db", "--replace"]);
    assert!(fs::read(replaced_database_path(&output_text)).unwrap() == damaged);
    let server = start(&folder);
    check_documents(&mut server.known(&ada), &ids);
}

#[test]
fn a_database_that_lacks_a_table_is_refused() {
    let folder = Folder::new();
    let (ada, ids) = folder_with_documents(&folder, 1);
    backdate_files(&folder);
    let path = data_folder(&folder).join("quire.db");
    for table in ["recipes", "idempotency", "sign_in_networks"] {
        let rename = |from: &str, to: &str| {
            let db = rusqlite::Connection::open(&path).unwrap();
            let sql = format!("ALTER TABLE {from} RENAME TO {to}");
            db.execute_batch(&sql).unwrap();
        };
        rename(table, "elsewhere");
        for words in [&["serve"][..], &["user", "list"]] {
            let message = run_refused(command(&folder, words));
            let why = format!("no such table: {table}");
            assert!(message.contains(&why), "{words:?}: {message}");
        }
        rename("elsewhere", table);
    }
    check_documents(&mut start(&folder).known(&ada), &ids);
}

/// SQLite would roll back any journal next to a database, and a journal of another database would overwrite its pages.
#[test]
fn a_journal_of_another_database_is_refused_before_it_is_applied() {
    let folder = Folder::new();
    let (ada, ids) = folder_with_documents(&folder, 1);
    backdate_files(&folder);
    run_command(&folder, &["backup", "copy.db"]);
    let journal = data_folder(&folder).join("quire.db-journal");
    let mut bytes = vec![0; 512];
    bytes[..8].copy_from_slice(&[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]);
    // The journal has one record, and is for a database of 512 pages with sectors of 512 bytes and pages of 4,096
    // bytes.
    bytes[11] = 1;
    bytes[18] = 2;
    bytes[22] = 2;
    bytes[26] = 0x10;
    bytes.extend_from_slice(&[0, 0, 0, 1]);
    bytes.extend_from_slice(&[0xee; PAGE_SIZE]);
    // SQLite's page checksum adds every 200th byte, counted from the end.
    let sum = (1..PAGE_SIZE)
        .rev()
        .filter(|at| (PAGE_SIZE - at).is_multiple_of(200))
        .count()
        * 0xee;
    bytes.extend_from_slice(&u32::try_from(sum).unwrap().to_be_bytes());
    fs::write(&journal, bytes).unwrap();
    check_all_commands_refuse(&folder, "belongs to another database");
    let before = folder_contents(&folder);
    let message = run_refused(command(&folder, &["restore", "copy.db", "--replace"]));
    assert!(message.contains("belongs to another database"), "{message}");
    command(&folder, &["doctor"]).output().unwrap();
    assert_eq!(folder_contents(&folder), before);
    fs::remove_file(&journal).unwrap();
    check_documents(&mut start(&folder).known(&ada), &ids);
}

/// Opening a pipe blocks until its other end is opened, so the server would hang without any output.
#[test]
fn a_pipe_in_the_place_of_a_file_is_refused_at_once() {
    let folder = Folder::new();
    let (ada, ids) = folder_with_documents(&folder, 1);
    backdate_files(&folder);
    let away = folder.path().join("away");
    for name in ["quire.db", "quire.db-wal", "secret", "lock"] {
        let target = data_folder(&folder).join(name);
        let existed = fs::rename(&target, &away).is_ok();
        let created = Command::new("mkfifo").arg(&target).status().unwrap();
        assert!(created.success(), "{name}");
        for words in [
            &["serve"][..],
            &["user", "list"],
            &["restore", "no.db", "--replace"],
        ] {
            let (output, code) = run_with_timeout(command(&folder, words));
            assert_eq!(code, Some(1), "{name} {words:?}: {output}");
            if words[0] != "restore" {
                let why = format!("{name} is a pipe");
                assert!(output.contains(&why), "{name} {words:?}: {output}");
            }
        }
        let doctor = run_with_timeout(command(&folder, &["doctor"]));
        assert_eq!(doctor.1, Some(1), "{name}: {}", doctor.0);
        fs::remove_file(&target).unwrap();
        if existed {
            fs::rename(&away, &target).unwrap();
        }
    }
    check_documents(&mut start(&folder).known(&ada), &ids);
}

/// Runs a command, which must end within a minute. Returns its output on both streams and its exit code.
fn run_with_timeout(mut command: Command) -> (String, Option<i32>) {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    let ends = Instant::now() + Duration::from_secs(60);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > ends {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{command:?} hangs");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).unwrap(), output.status.code())
}

#[test]
fn a_folder_in_the_place_of_the_database_is_refused() {
    let folder = Folder::new();
    let (ada, ids) = folder_with_documents(&folder, 1);
    backdate_files(&folder);
    let (database_path, away) = (
        data_folder(&folder).join("quire.db"),
        folder.path().join("away.db"),
    );
    fs::rename(&database_path, &away).unwrap();
    fs::create_dir(&database_path).unwrap();
    check_all_commands_refuse(&folder, "is a folder, not a file");
    let message = run_refused(command(&folder, &["serve"]));
    assert!(message.contains("Move that folder elsewhere"), "{message}");
    fs::remove_dir(&database_path).unwrap();
    fs::rename(&away, &database_path).unwrap();
    check_documents(&mut start(&folder).known(&ada), &ids);
}

#[test]
fn a_file_in_the_place_of_a_folder_is_refused() {
    let folder = Folder::new();
    let (ada, ids) = folder_with_documents(&folder, 1);
    backdate_files(&folder);
    let away = folder.path().join("away");
    for name in ["documents", "uploads", "orphans", "tmp"] {
        let target = data_folder(&folder).join(name);
        let existed = fs::rename(&target, &away).is_ok();
        fs::write(&target, "in the way").unwrap();
        check_all_commands_refuse(&folder, &format!("{name} is a file"));
        let message = run_refused(command(&folder, &["serve"]));
        assert!(message.contains("Move the file elsewhere"), "{message}");
        fs::remove_file(&target).unwrap();
        if existed {
            fs::rename(&away, &target).unwrap();
        }
    }
    check_documents(&mut start(&folder).known(&ada), &ids);
}

#[test]
fn a_data_folder_that_is_a_file_is_refused() {
    let folder = Folder::new();
    fs::write(data_folder(&folder), "a file").unwrap();
    let message = run_refused(command(&folder, &["serve"]));
    assert!(
        message.contains("is a file") && message.contains("QUIRE_DATA"),
        "{message}"
    );
    assert_eq!(fs::read(data_folder(&folder)).unwrap(), b"a file");
}

#[test]
fn a_database_of_another_program_is_refused_and_does_not_change() {
    for journal in ["delete", "wal"] {
        let folder = Folder::new();
        fs::create_dir(data_folder(&folder)).unwrap();
        let path = data_folder(&folder).join("quire.db");
        let db = rusqlite::Connection::open(&path).unwrap();
        let sql = format!(
            "PRAGMA journal_mode = {journal}; CREATE TABLE songs (title); INSERT INTO songs VALUES (zeroblob(9999));"
        );
        db.execute_batch(&sql).unwrap();
        drop(db);
        check_all_commands_refuse(&folder, "belongs to another program");
        let message = run_refused(command(&folder, &["serve"]));
        assert!(
            message.contains("set QUIRE_DATA to another folder"),
            "{message}"
        );
        let db = rusqlite::Connection::open(&path).unwrap();
        let mode: String = db
            .query_row("PRAGMA journal_mode", [], |row| row.get(0))
            .unwrap();
        assert_eq!(mode, journal);
    }
}

#[test]
fn invalid_secret_is_refused_unless_explicitly_replaced() {
    let folder = Folder::new();
    let (mut ada, ids) = folder_with_documents(&folder, 1);
    let secret = data_folder(&folder).join("secret");
    for (bytes, why) in [
        (&b""[..], "secret is empty"),
        (b"short\n", "secret holds fewer than 16 characters"),
        (
            b"\xff\xfe\x00 0123456789abcdef",
            "secret does not hold one line of text",
        ),
    ] {
        fs::write(&secret, bytes).unwrap();
        let before = folder_contents(&folder);
        for words in [&["serve"][..], &["provider", "list"], &["user", "list"]] {
            let message = run_refused(command(&folder, words));
            for part in [
                why,
                "Put the file back",
                "quire secret new",
                "everyone must sign in again",
            ] {
                assert!(message.contains(part), "{words:?}: {message}");
            }
            assert_eq!(folder_contents(&folder), before, "{words:?}");
        }
        let doctor = command(&folder, &["doctor"]).output().unwrap();
        let text = String::from_utf8(doctor.stdout).unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with("broken   secret"));
        assert!(
            line.is_some_and(|line| line.contains("quire secret new")),
            "{text}"
        );
    }
    fs::rename(&secret, folder.path().join("bad")).unwrap();
    run_command(&folder, &["secret", "new"]);
    let server = start(&folder);
    ada = server.known(&ada);
    assert_eq!(ada.get("/api/users/me").status, 401);
    check_documents(
        &mut Client::new(server.address).signed_in("ada@example.com"),
        &ids,
    );
}

const FIRST_SECRET: &str = "0123456789abcdef0123456789abcdef";
const OTHER_SECRET: &str = "fedcba9876543210fedcba9876543210";

fn secret_variable(secret: &str) -> Vec<(&str, &str)> {
    let mut settings = SETTINGS.to_vec();
    settings.push(("QUIRE_SECRET", secret));
    settings
}

/// Stores a provider key that is encrypted with this secret.
fn store_encrypted_key(folder: &Folder, secret: &str) {
    let mut add = command(
        folder,
        &[
            "provider",
            "add",
            "lab",
            "--key-env",
            "LAB_KEY",
            "--kind",
            "openai",
            "--base-url",
            "https://lab.example/v1",
            "--force",
        ],
    );
    add.env("QUIRE_SECRET", secret)
        .env("LAB_KEY", "sk-0123456789");
    let output_text = add.output().unwrap();
    assert!(
        output_text.status.success(),
        "{}",
        String::from_utf8_lossy(&output_text.stderr)
    );
}

fn check_value(folder: &Folder) -> Option<String> {
    let db = rusqlite::Connection::open(data_folder(folder).join("quire.db")).unwrap();
    let sql = "SELECT value FROM settings WHERE key = 'secret_check'";
    db.query_row(sql, [], |row| row.get(0)).ok()
}

fn forget_check_value(folder: &Folder) {
    let db = rusqlite::Connection::open(data_folder(folder).join("quire.db")).unwrap();
    let deleted = db.execute("DELETE FROM settings WHERE key = 'secret_check'", []);
    assert_eq!(deleted.unwrap(), 1);
}

fn check_refused(folder: &Folder, secret: &str) {
    for words in [&["serve"][..], &["user", "list"], &["provider", "list"]] {
        let mut command = command(folder, words);
        command.env("QUIRE_SECRET", secret);
        let message = run_refused(command);
        for part in [
            "QUIRE_SECRET does not match this database",
            "the stored provider key",
            "Put the earlier secret back",
            "quire secret accept",
            "everyone must sign in again",
        ] {
            assert!(message.contains(part), "{words:?}: {message}");
        }
        assert!(!message.contains(secret), "{message}");
    }
}

#[test]
fn changed_secret_with_encrypted_keys_needs_confirmation() {
    let folder = Folder::new();
    let server = Executable::with(&folder, &secret_variable(FIRST_SECRET));
    let ada = Client::new(server.address).registered("ada@example.com");
    stop(server);
    store_encrypted_key(&folder, FIRST_SECRET);
    let noted = check_value(&folder).unwrap();
    assert!(!noted.contains(FIRST_SECRET));
    check_refused(&folder, OTHER_SECRET);
    // In a database from before check values existed, the encrypted keys reveal the mismatch.
    forget_check_value(&folder);
    check_refused(&folder, OTHER_SECRET);
    assert_eq!(check_value(&folder), None, "a refusal notes nothing");
    let server = Executable::with(&folder, &secret_variable(FIRST_SECRET));
    assert_eq!(server.known(&ada).get("/api/users/me").status, 200);
    stop(server);
    assert_eq!(check_value(&folder).unwrap(), noted);

    let mut doctor = command(&folder, &["doctor", "--port", "0"]);
    let output_text = doctor.env("QUIRE_SECRET", OTHER_SECRET).output().unwrap();
    let text = String::from_utf8(output_text.stdout).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("broken   secret"));
    assert!(
        line.is_some_and(|line| line.contains("quire secret accept")),
        "{text}"
    );

    let mut accept = command(&folder, &["secret", "accept"]);
    let output = accept.env("QUIRE_SECRET", OTHER_SECRET).output().unwrap();
    assert!(output.status.success());
    let server = Executable::with(&folder, &secret_variable(OTHER_SECRET));
    assert_eq!(server.known(&ada).get("/api/users/me").status, 401);
    let mut ada = Client::new(server.address).signed_in("ada@example.com");
    // The key that was encrypted with the earlier secret is lost, and no request is sent without it.
    let health = ada.get("/health").json();
    assert_eq!(health["status"], "warning", "{health}");
    let message = health["message"].as_str().unwrap();
    assert!(message.contains("enter the key again"), "{health}");
    let request = serde_json::json!({
        "model": "lab/m", "messages": [{"role": "user", "content": "Say hello."}]
    });
    let said = ada.post("/v1/chat/completions", request).text();
    assert!(said.contains("enter its key again"), "{said}");
    stop(server);
    let mut doctor = command(&folder, &["doctor", "--port", "0"]);
    let said = doctor.env("QUIRE_SECRET", OTHER_SECRET).output().unwrap();
    let text = String::from_utf8(said.stdout).unwrap();
    let mut lines = text.lines();
    let line = lines.find(|line| line.starts_with("broken   secret"));
    assert!(line.is_some_and(|line| line.contains("lab")), "{text}");
    check_refused(&folder, FIRST_SECRET);
}

#[test]
fn changed_secret_without_encrypted_keys_signs_all_users_out() {
    let folder = Folder::new();
    let (ada, _) = folder_with_documents(&folder, 0);
    let before = check_value(&folder).unwrap();
    fs::write(data_folder(&folder).join("secret"), OTHER_SECRET).unwrap();
    // The server's secret may be missing from a command's environment. The command then continues without a secret.
    let message = run_refused(command(&folder, &["user", "list"]));
    assert!(
        message.contains("does not match this database"),
        "{message}"
    );
    let server = start(&folder);
    assert_eq!(server.known(&ada).get("/api/users/me").status, 401);
    stop(server);
    assert_ne!(check_value(&folder).unwrap(), before);
    run_command(&folder, &["user", "list"]);
    assert!(
        list_files(&data_folder(&folder))
            .iter()
            .any(|path| path.ends_with("secret"))
    );
}
