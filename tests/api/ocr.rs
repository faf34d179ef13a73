//! Scanned pages read with OCR: with the real tesseract where it is installed, and with programs that misbehave.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::server::Folder;
use crate::support::{Client, Server};

/// Scans on pages 1, 3, and 4 (which is white), and printed text on page 2.
const SCANNED_PDF: &[u8] = include_bytes!("../data/ocr/scan.pdf");
/// An image file with one line of text.
const IMAGE_FILE: &[u8] = include_bytes!("../data/ocr/page.png");

/// Uploads a file and returns the document once it has been read.
fn upload_and_read(person: &mut Client, name: &str, bytes: &[u8]) -> Value {
    let sent = person.upload("/api/upload-document", name, bytes).json();
    let path = format!("/api/documents/{}", sent["id"].as_str().expect("an id"));
    loop {
        let body = person.get(&path).json();
        if body["status"] != "processing" {
            return body;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

fn get_page(person: &mut Client, document: &Value, number: u32) -> Value {
    let id = document["id"].as_str().expect("an id");
    person
        .get(&format!("/api/documents/{id}/pages/{number}"))
        .json()
}

/// The reasons of the pages without text.
fn gap_reasons(document: &Value) -> Vec<&str> {
    let gaps = document["gaps"].as_array().expect("a list");
    gaps.iter()
        .map(|gap| gap["why"].as_str().expect("a reason"))
        .collect()
}

/// The installed tesseract. `.ci/tools` installs it; on a machine without it, the tests that need it do nothing.
fn tesseract() -> Option<String> {
    let folders = std::env::var_os("PATH")?;
    let mut paths = std::env::split_paths(&folders).map(|folder| folder.join("tesseract"));
    let found = paths.find(|path| path.is_file())?;
    Some(found.to_str()?.to_owned())
}

#[test]
fn scans_and_images_are_read_in_the_order_of_their_pages() {
    let Some(program) = tesseract() else { return };
    let server = Server::with(&[("DOCUMENT_OCR", "true"), ("OCR_PROGRAM", &program)]);
    let mut person = server.user("a@example.org");
    let document = upload_and_read(&mut person, "lease.pdf", SCANNED_PDF);
    let message = document["message"].as_str().expect("a message");
    assert!(
        message.contains("2 pages read with OCR (tesseract)"),
        "{message}"
    );
    assert_eq!(
        (&document["pages"], &document["ocr"]),
        (&json!(3), &json!([1, 3]))
    );
    assert_eq!(document["gaps"][0]["page"], 4, "{document}");
    assert!(
        gap_reasons(&document)[0].ends_with("OCR found no text"),
        "{document}"
    );
    for (number, is_recognized, words) in [
        (1, true, "monthly rent is 1,250 euros"),
        (2, false, "the cellar is part of the lease"),
        (3, true, "deposit is 2,500 euros"),
    ] {
        let body = get_page(&mut person, &document, number);
        assert!(
            body["text"].as_str().expect("a text").contains(words),
            "{body}"
        );
        assert_eq!(body["ocr"], is_recognized, "{body}");
    }
    let found = person.get("/api/search?q=deposit").json();
    assert_eq!(found["documents"][0]["results"][0]["page"], 3, "{found}");

    let image = upload_and_read(&mut person, "rent.png", IMAGE_FILE);
    let message = image["message"].as_str().expect("a message");
    assert!(
        message.contains("shown to models that accept images; 1 page read with OCR"),
        "{message}"
    );
    assert!(
        get_page(&mut person, &image, 1)["text"]
            .as_str()
            .expect("a text")
            .contains("1,250 euros")
    );

    // Reading it again gives the same result; no page is stored twice.
    let id = document["id"].as_str().expect("an id");
    let second = person
        .post(&format!("/api/documents/{id}/read"), json!({}))
        .json();
    assert_eq!(
        (&second["ocr"], &second["words"]),
        (&document["ocr"], &document["words"])
    );
}

#[test]
fn ocr_stops_at_the_page_limit() {
    let Some(program) = tesseract() else { return };
    let server = Server::with(&[
        ("DOCUMENT_OCR", "true"),
        ("OCR_PROGRAM", &program),
        ("OCR_MAX_PAGES", "1"),
    ]);
    let mut person = server.user("a@example.org");
    let document = upload_and_read(&mut person, "lease.pdf", SCANNED_PDF);
    assert_eq!(document["ocr"], json!([1]));
    let reasons = gap_reasons(&document);
    assert_eq!(reasons.len(), 2);
    assert!(
        reasons
            .iter()
            .all(|why| why.contains("reads the first 1 scanned pages")),
        "{reasons:?}"
    );
}

#[test]
fn without_ocr_scans_stay_pages_without_text() {
    for (settings, expected) in [
        (vec![], "a scanned picture without text"),
        (
            vec![
                ("DOCUMENT_OCR", "true"),
                ("OCR_PROGRAM", "/nonexistent/tesseract"),
            ],
            "a scanned picture without text; OCR is switched on, but cannot be used on this server",
        ),
    ] {
        let server = Server::with(&settings);
        let mut person = server.user("a@example.org");
        let document = upload_and_read(&mut person, "lease.pdf", SCANNED_PDF);
        assert_eq!(gap_reasons(&document), [expected; 3], "{document}");
        assert_eq!(
            (&document["status"], &document["ocr"]),
            (&json!("processed"), &json!([]))
        );
        let image = upload_and_read(&mut person, "rent.png", IMAGE_FILE);
        assert_eq!(
            image["gaps"].as_array().map(Vec::len),
            Some(settings.len() / 2),
            "{image}"
        );
    }
}

/// A program in place of tesseract, in a folder that is removed at the end.
fn fake_tesseract(folder: &Folder, script: &str) -> PathBuf {
    let path = folder.path().join("tesseract");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = --list-langs ] && {{ echo Languages; echo eng; exit; }}\n{script}\n"
    );
    std::fs::write(&path, script).expect("a program");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).expect("a program");
    path
}

#[test]
fn a_failing_ocr_program_affects_only_its_pages() {
    for (script, expected) in [
        ("exec sleep 600", "OCR took more than 1 second"),
        (
            "trap '' ALRM; exec sleep 600",
            "OCR took more than 1 second",
        ),
        ("while :; do :; done", "OCR took more than 1 second"),
        ("sleep 600; echo words", "OCR failed (exit code 2)"),
        (
            "while :; do echo line after line; done",
            "OCR printed more than 256 KiB",
        ),
        ("echo half a line; exit 3", "OCR failed (exit code 3)"),
        ("exec /nonexistent", "OCR failed"),
        ("exit 0", "OCR found no text"),
    ] {
        let folder = Folder::new();
        let program = fake_tesseract(&folder, script);
        let server = Server::with(&[
            ("DOCUMENT_OCR", "true"),
            ("OCR_PROGRAM", program.to_str().expect("a path")),
            ("OCR_PAGE_SECONDS", "1"),
        ]);
        let mut person = server.user("a@example.org");
        let document = upload_and_read(&mut person, "lease.pdf", SCANNED_PDF);
        assert_eq!(
            (&document["status"], &document["pages"]),
            (&json!("processed"), &json!(1))
        );
        let reasons = gap_reasons(&document);
        assert!(
            reasons.len() == 3 && reasons.iter().all(|why| why.contains(expected)),
            "{script}: {reasons:?}"
        );
        let text = get_page(&mut person, &document, 2)["text"].clone();
        assert!(text.as_str().expect("a text").contains("printed"), "{text}");
    }
}

/// The limit on its own time is a signal, which a program can ignore.
#[test]
fn a_program_that_ignores_its_time_limit_is_killed() {
    let folder = Folder::new();
    let program = fake_tesseract(&folder, "trap '' ALRM; exec sleep 600");
    let server = Server::with(&[
        ("DOCUMENT_OCR", "true"),
        ("OCR_PROGRAM", program.to_str().expect("a path")),
        ("OCR_PAGE_SECONDS", "1"),
    ]);
    let mut person = server.user("a@example.org");
    let document = upload_and_read(&mut person, "rent.png", IMAGE_FILE);
    let reasons = gap_reasons(&document);
    assert!(
        reasons[0].ends_with("OCR took more than 1 second"),
        "{reasons:?}"
    );
}

/// An image may take over the program that reads it. It sees no other files.
#[test]
fn the_program_cannot_read_or_write_the_servers_files() {
    let folder = Folder::new();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "stolen\n").expect("a file");
    let (secret, written) = (secret.display(), folder.path().join("written"));
    let script = format!(
        "for file in {secret} /etc/passwd; do read line < $file && echo $line; done 2>/dev/null\n\
         echo words > {} 2>/dev/null\necho nothing found",
        written.display()
    );
    let program = fake_tesseract(&folder, &script);
    let server = Server::with(&[
        ("DOCUMENT_OCR", "true"),
        ("OCR_PROGRAM", program.to_str().expect("a path")),
    ]);
    let mut person = server.user("a@example.org");
    let document = upload_and_read(&mut person, "rent.png", IMAGE_FILE);
    assert_eq!(
        get_page(&mut person, &document, 1)["text"],
        "nothing found",
        "{document}"
    );
    assert!(!written.exists());
}
