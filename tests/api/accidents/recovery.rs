//! Tests recovery, with `quire doctor` and the replica, from missing secrets, from kills while files are being moved,
//! and from deletions.

use super::*;

#[test]
fn a_missing_secret_is_refused_until_a_new_one_is_made_on_purpose() {
    let folder = Folder::new();
    let (mut ada, ids) = folder_with_documents(&folder, 1);
    let secret = data_folder(&folder).join("secret");
    let old = fs::read(&secret).unwrap();
    fs::remove_file(&secret).unwrap();
    for words in [&["serve"][..], &["provider", "list"], &["user", "list"]] {
        let message = run_refused(command(&folder, words));
        assert!(
            message.contains("secret")
                && message.contains("signed out")
                && message.contains("quire secret new"),
            "{message}"
        );
        assert!(!secret.exists());
    }
    let output_text = command(&folder, &["doctor"]).output().unwrap();
    let text = String::from_utf8(output_text.stdout).unwrap();
    assert!(text.contains("broken   secret"), "{text}");
    assert!(!secret.exists());
    run_command(&folder, &["secret", "new"]);
    let new = fs::read(&secret).unwrap();
    assert_ne!(old, new);
    let output = run_refused(command(&folder, &["secret", "new"]));
    assert!(output.contains("already exists"), "{output}");
    assert_eq!(fs::read(&secret).unwrap(), new);
    let server = start(&folder);
    ada = server.known(&ada);
    assert_eq!(ada.get("/api/users/me").status, 401);
    check_documents(
        &mut Client::new(server.address).signed_in("ada@example.com"),
        &ids,
    );
}

#[test]
fn kill_while_moving_files_neither_loses_nor_duplicates_any() {
    const MANY_FILES: usize = 300;
    let folder = Folder::new();
    folder_with_documents(&folder, 0);
    let documents = data_folder(&folder).join("documents");
    // The file names are IDs in the server's format, but no rows refer to them.
    let name = |n: usize| format!("document_01ARZ3NDEKTSV4RRFFQ69G{:04}", n);
    for n in 0..MANY_FILES {
        fs::write(documents.join(name(n)), text_of_document(n)).unwrap();
    }
    backdate_files(&folder);
    let orphans = data_folder(&folder).join("orphans");
    for step in 1..=6 {
        let mut child = command(&folder, &["serve"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The server is killed once it has moved another seventh of the files, unless nothing is left to move.
        while list_files(&orphans).len() < step * MANY_FILES / 7
            && child.try_wait().unwrap().is_none()
        {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let mut all = list_files(&documents);
        all.extend(list_files(&orphans));
        let mut names: Vec<_> = all
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(
            names,
            (0..MANY_FILES).map(name).collect::<Vec<_>>(),
            "{step}"
        );
    }
    stop(start(&folder));
    assert_eq!(
        (list_files(&documents).len(), list_files(&orphans).len()),
        (0, MANY_FILES)
    );
    for path in list_files(&orphans) {
        let text = fs::read_to_string(&path).unwrap();
        let number: usize = path
            .to_string_lossy()
            .split("G")
            .last()
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(text, text_of_document(number));
    }
}

#[test]
fn deleted_documents_are_removed_immediately() {
    let folder = Folder::new();
    let server = start(&folder);
    let mut ada = Client::new(server.address).registered("ada@example.com");
    let mut bob = Client::new(server.address).registered("bob@example.com");
    let first = upload(&mut ada, 0);
    upload(&mut bob, 1);
    assert_eq!(ada.delete(&format!("/api/documents/{first}")).status, 200);
    let remaining = list_files(&data_folder(&folder).join("documents"));
    assert_eq!(remaining.len(), 1, "{remaining:?}");
    let announced = json!({"fileName": "a.txt", "fileSize": 3, "chunkSize": 3, "totalChunks": 1});
    let session = bob.post("/api/create-document-session", announced).json();
    let session = session["sessionId"].as_str().unwrap().to_owned();
    let part = format!(
        "--b\r\nContent-Disposition: form-data; name=\"sessionId\"\r\n\r\n{session}\r\n\
         --b\r\nContent-Disposition: form-data; name=\"chunkIndex\"\r\n\r\n0\r\n\
         --b\r\nContent-Disposition: form-data; name=\"chunk\"; filename=\"x\"\r\n\r\nabc\r\n--b--\r\n"
    );
    let form = "multipart/form-data; boundary=b";
    bob.send(
        "POST",
        "/api/upload-document-chunk",
        Some((form, part.as_bytes())),
    );
    assert_eq!(list_files(&data_folder(&folder).join("uploads")).len(), 1);
    run_command(&folder, &["user", "delete", "bob@example.com", "--yes"]);
    for part in ["documents", "uploads", "orphans"] {
        let remaining_files = list_files(&data_folder(&folder).join(part));
        assert!(remaining_files.is_empty(), "{part}: {remaining_files:?}");
    }
}

#[test]
fn the_doctor_lists_rows_without_files_and_files_without_rows() {
    let folder = Folder::new();
    let (_, ids) = folder_with_documents(&folder, 3);
    let documents = data_folder(&folder).join("documents");
    fs::remove_file(documents.join(&ids[0])).unwrap();
    let stray = "document_01ARZ3NDEKTSV4RRFFQ69G0000";
    fs::write(documents.join(stray), "stray").unwrap();
    let doctor = || {
        let output_text = command(&folder, &["doctor", "--port", "0"])
            .output()
            .unwrap();
        (
            output_text.status.code(),
            String::from_utf8(output_text.stdout).unwrap(),
        )
    };
    let (code, text) = doctor();
    assert_eq!(code, Some(1), "{text}");
    let line = |what: &str| {
        let report_line = text.lines().find(|line| line.contains(what));
        report_line
            .unwrap_or_else(|| panic!("{what} in {text}"))
            .to_owned()
    };
    assert!(line(&ids[0]).starts_with("broken   originals"), "{text}");
    assert!(line(stray).starts_with("warning  originals"), "{text}");
    assert!(line(stray).contains("not changed for 10 minutes"), "{text}");
    // Such a recent file is left alone when the server restarts.
    stop(start(&folder));
    assert!(documents.join(stray).exists());
    assert!(!text.contains(&ids[1]));
    wait_until_read(&folder);
    let (_, text) = doctor();
    let aside = text.lines().find(|line| line.contains(stray)).unwrap();
    assert!(aside.contains("quire orphans delete"), "{text}");
    // Orphans are listed. They are deleted only by name, and before their 30 days are over only on explicit request.
    let list = run_command(&folder, &["orphans", "list", "--json"]);
    let entries: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(entries["orphans"][0]["name"], stray, "{entries}");
    let early = run_refused(command(&folder, &["orphans", "delete", stray]));
    assert!(early.contains("30 days"), "{early}");
    run_refused(command(
        &folder,
        &[
            "orphans",
            "delete",
            "document_01ARZ3NDEKTSV4RRFFQ69G0001",
            "--early",
        ],
    ));
    run_command(&folder, &["orphans", "delete", stray, "--early"]);
    assert_eq!(
        list_files(&data_folder(&folder).join("orphans")),
        Vec::<PathBuf>::new()
    );
    let stored_paths: Vec<_> = ids[1..].iter().map(|id| documents.join(id)).collect();
    assert!(stored_paths.iter().all(|path| path.exists()));
}

/// This is the documented recovery: the database comes from the replica, and the files still in the folder are kept.
#[test]
fn replica_restores_a_lost_database_next_to_its_originals() {
    let folder = Folder::new();
    let replica = format!("file://{}", folder.path().join("replica").display());
    let mut settings = SETTINGS.to_vec();
    settings.push(("QUIRE_REPLICA", &replica));
    let server = Executable::with(&folder, &settings);
    let mut ada = Client::new(server.address).registered("ada@example.com");
    let ids: Vec<_> = (0..2).map(|n| upload(&mut ada, n)).collect();
    stop(server);
    let stray = data_folder(&folder).join("documents/document_01ARZ3NDEKTSV4RRFFQ69G0000");
    fs::write(&stray, "of an older database").unwrap();
    backdate_files(&folder);
    fs::remove_file(data_folder(&folder).join("quire.db")).unwrap();
    let server = Executable::with(&folder, &settings);
    check_documents(&mut server.known(&ada), &ids);
    stop(server);
    let aside = list_files(&data_folder(&folder).join("orphans"));
    assert_eq!(fs::read(&aside[0]).unwrap(), b"of an older database");
}
