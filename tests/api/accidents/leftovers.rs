//! Tests folders that have lost some of Quire's files. The remaining files are never taken for a new installation, and
//! a damaged file is never served as a complete one.

use std::fs;
use std::os::unix::fs::symlink;

use super::{
    backdate_files, check_all_commands_refuse, check_documents, command, data_folder,
    folder_with_documents, run_command, run_refused, start, stop,
};
use crate::support::Client;
use crate::support::server::Folder;

#[test]
fn a_missing_secret_cannot_be_accepted() {
    let folder = Folder::new();
    let (_, _) = folder_with_documents(&folder, 0);
    let secret = data_folder(&folder).join("secret");
    let away = folder.path().join("away");
    fs::rename(&secret, &away).unwrap();
    let message = run_refused(command(&folder, &["secret", "accept"]));
    assert!(
        message.contains("is missing") && message.contains("run quire secret new"),
        "{message}"
    );
    assert!(!secret.exists());
    fs::rename(&away, &secret).unwrap();
    run_command(&folder, &["secret", "accept"]);
}

#[test]
fn a_folder_with_only_leftovers_is_no_new_installation() {
    for (name, shown) in [
        (
            "orphans/2026-11-29/documents/letter.txt",
            "files in orphans",
        ),
        ("orphans/letter.txt", "files in orphans"),
        ("quire.db.before-restore", "quire.db.before-restore"),
        ("quire.db.v6.bak", "quire.db.v6.bak"),
        (
            "quire-2026-11-23T19-15-00-123Z.db",
            "quire-2026-11-23T19-15-00-123Z.db",
        ),
    ] {
        let folder = Folder::new();
        let path = data_folder(&folder).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "left").unwrap();
        let message = run_refused(command(&folder, &["serve"]));
        assert!(
            message.contains("has no database")
                && message.contains(shown)
                && message.contains("quire restore"),
            "{name}: {message}"
        );
        assert_eq!(fs::read(&path).unwrap(), b"left", "{name}");
        assert!(!data_folder(&folder).join("quire.db").exists(), "{name}");
    }
}

#[test]
fn a_link_that_leads_nowhere_is_refused() {
    let folder = Folder::new();
    let (ada, ids) = folder_with_documents(&folder, 1);
    backdate_files(&folder);
    let (documents_path, away) = (
        data_folder(&folder).join("documents"),
        folder.path().join("away"),
    );
    fs::rename(&documents_path, &away).unwrap();
    symlink(folder.path().join("nowhere"), &documents_path).unwrap();
    check_all_commands_refuse(&folder, "documents is a symbolic link to");
    fs::remove_file(&documents_path).unwrap();
    // A symbolic link to an existing folder is fine.
    symlink(&away, &documents_path).unwrap();
    check_documents(&mut start(&folder).known(&ada), &ids);
}

#[test]
fn a_database_without_one_of_its_tables_is_refused() {
    let folder = Folder::new();
    folder_with_documents(&folder, 0);
    let db = rusqlite::Connection::open(data_folder(&folder).join("quire.db")).unwrap();
    db.execute_batch("PRAGMA foreign_keys = OFF; DROP TABLE users;")
        .unwrap();
    drop(db);
    for words in [&["serve"][..], &["user", "list"], &["models"]] {
        let message = run_refused(command(&folder, words));
        assert!(
            message.contains("quire.db is damaged: ")
                && message.contains("users")
                && message.contains("quire restore"),
            "{words:?}: {message}"
        );
    }
}

#[test]
fn damaged_original_is_reported_and_not_served() {
    let folder = Folder::new();
    let (ada, ids) = folder_with_documents(&folder, 3);
    let documents = data_folder(&folder).join("documents");
    fs::write(documents.join(&ids[0]), "").unwrap();
    fs::write(documents.join(&ids[1]), "Paper").unwrap();
    let server = start(&folder);
    let mut ada = server.known(&ada);
    for (id, bytes) in [(&ids[0], 0), (&ids[1], 5)] {
        let answer = ada.get(&format!("/api/documents/{id}/content"));
        assert_eq!(answer.status, 503, "{}", answer.text());
        let text = answer.text();
        assert!(
            text.contains(&format!("damaged: it has {bytes} of")),
            "{text}"
        );
    }
    let full = ada.get(&format!("/api/documents/{}/content", ids[2]));
    assert_eq!(full.status, 200);
    stop(server);
    let output_text = command(&folder, &["doctor", "--port", "0"])
        .output()
        .unwrap();
    assert_eq!(output_text.status.code(), Some(1));
    let text = String::from_utf8(output_text.stdout).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("broken   originals"))
        .unwrap_or_else(|| panic!("{text}"));
    assert!(
        line.contains(&format!("{} (0 of", ids[0])) && line.contains(&format!("{} (5 of", ids[1])),
        "{line}"
    );
    assert!(!line.contains(&ids[2]), "{line}");
    assert!(text.contains("sha256sum"), "{text}");
}

#[test]
fn folder_in_place_of_the_disk_reserve_is_reported() {
    let folder = Folder::new();
    fs::create_dir_all(data_folder(&folder).join("reserve")).unwrap();
    let server = start(&folder);
    let mut anyone = Client::new(server.address);
    let health = anyone.get("/health").json();
    assert_eq!(health["status"], "warning", "{health}");
    let message = health["message"].as_str().unwrap_or_default();
    assert!(message.contains("`reserve` in the data folder"), "{health}");
    stop(server);
}
