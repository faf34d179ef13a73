//! Tests OCR of scanned pages, with the real tesseract if it is installed, and with programs that misbehave.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::server::Folder;
use crate::support::{Client, Server};

/// A PDF with scans on pages 1, 3, and 4 (page 4 is white) and printed text on page 2.
const SCANNED_PDF: &[u8] = include_bytes!("../data/ocr/scan.pdf");
/// An image that contains one line of text.
const IMAGE_FILE: &[u8] = include_bytes!("../data/ocr/page.png");

/// Uploads a file and waits until it has been read. Returns the document.
fn upload_and_read(person: &mut Client, name: &str, bytes: &[u8]) -> Value {
    let document = person.upload("/api/upload-document", name, bytes).json();
    wait_until_read(person, document["id"].as_str().expect("an id"))
}

fn wait_until_read(person: &mut Client, id: &str) -> Value {
    loop {
        let body = person.get(&format!("/api/documents/{id}")).json();
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

/// Returns why each page without text has none.
fn gap_reasons(document: &Value) -> Vec<&str> {
    let gaps = document["gaps"].as_array().expect("a list");
    gaps.iter()
        .map(|gap| gap["why"].as_str().expect("a reason"))
        .collect()
}

/// Returns the path of tesseract, which `.ci/tools` installs. Without it, the tests that need it do nothing.
fn tesseract() -> Option<String> {
    let folders = std::env::var_os("PATH")?;
    let mut paths = std::env::split_paths(&folders).map(|folder| folder.join("tesseract"));
    let program = paths.find(|path| path.is_file())?;
    Some(program.to_str()?.to_owned())
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
    let hits = person.get("/api/search?q=deposit").json();
    assert_eq!(hits["documents"][0]["results"][0]["page"], 3, "{hits}");

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

    // Reading the document again gives the same result, and no page is stored twice.
    let id = document["id"].as_str().expect("an id");
    person.post(&format!("/api/documents/{id}/read"), json!({}));
    let second = wait_until_read(&mut person, id);
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
            .all(|why| why.contains("reads only the first 1 scanned pages")),
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
            "a scanned picture without text; OCR is turned on but cannot be used on this server",
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

/// Creates a program that is used in place of tesseract, and returns its path.
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

/// When the CPU time limit is reached, the program receives a signal, which it can ignore.
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

/// An image may take control of the program that reads it. That program must not have access to any other files.
#[test]
fn the_program_cannot_read_or_write_the_servers_files() {
    let folder = Folder::new();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "stolen\n").expect("a file");
    let (secret, written_path) = (secret.display(), folder.path().join("written"));
    let script = format!(
        "for file in {secret} /etc/passwd; do read line < $file && echo $line; done 2>/dev/null\n\
         echo words > {} 2>/dev/null\necho nothing found",
        written_path.display()
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
    assert!(!written_path.exists());
}

/// Returns a PDF whose first page contains these lines of text, followed by `scans` scanned pages.
fn scans_after_text(lines: &[&str], scans: usize) -> Vec<u8> {
    let pages: Vec<String> = (0..=scans)
        .map(|page| format!("{} 0 R", 6 + page))
        .collect();
    let lines: String = lines
        .iter()
        .map(|line| format!("({line}) Tj T* "))
        .collect();
    let stream = |about: &str, content: &str| {
        let length = content.len();
        format!("<< {about} /Length {length} >>\nstream\n{content}\nendstream")
    };
    let page = |content: u8| {
        format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 400] /Contents {content} 0 R \
             /Resources << /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> \
             /XObject << /I 5 0 R >> >> >>"
        )
    };
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!(
            "<< /Type /Pages /Kids [{}] /Count {} >>",
            pages.join(" "),
            scans + 1
        ),
        stream("", &format!("BT /F 2 Tf 2.4 TL 20 380 Td {lines}ET")),
        stream("", "400 0 0 400 0 0 cm /I Do"),
        stream(
            "/Type /XObject /Subtype /Image /Width 64 /Height 64 /ColorSpace /DeviceGray /BitsPerComponent 8",
            &"@".repeat(64 * 64),
        ),
        page(3),
    ];
    objects.extend((0..scans).map(|_| page(4)));
    let mut file = "%PDF-1.7\n".to_owned();
    for (index, object) in objects.iter().enumerate() {
        file += &format!("{} 0 obj\n{object}\nendobj\n", index + 1);
    }
    // The trailer does not refer to a cross-reference table, so the reader rebuilds it.
    (file + "trailer << /Root 1 0 R >>\n%%EOF").into_bytes()
}

/// The limit on a document's text applies to the sum of its embedded and its recognized text.
#[test]
fn recognized_text_counts_towards_the_limit_on_text() {
    let folder = Folder::new();
    // Each scan has 200 KiB of text.
    let words = "echo aword".to_owned() + &" bword".repeat(340) + "\n";
    let program = fake_tesseract(&folder, &words.repeat(100));
    let server = Server::with(&[
        ("DOCUMENT_OCR", "true"),
        ("OCR_PROGRAM", program.to_str().expect("a path")),
        ("DOCUMENT_TEXT_MB", "1"),
    ]);
    let mut person = server.user("a@example.org");
    // The five scans alone would just fit into 1 MiB, but together with the 30 KB of text on the first page, they do
    // not.
    let line = "own words ".repeat(20);
    let document = upload_and_read(
        &mut person,
        "long.pdf",
        &scans_after_text(&[line.as_str(); 150], 5),
    );
    assert_eq!(document["ocr"], json!([2, 3, 4, 5]), "{document}");
    let reasons = gap_reasons(&document);
    assert!(
        reasons.len() == 1 && reasons[0].ends_with("the document's text is too long"),
        "{reasons:?}"
    );
}

/// OCR of a page takes seconds, and many pages may wait. Other documents are read in the meantime, even with a single
/// reader.
#[test]
fn other_documents_are_read_while_scans_wait_for_ocr() {
    let folder = Folder::new();
    let program = fake_tesseract(&folder, "exec sleep 3600");
    let server = Server::with(&[
        ("DOCUMENT_OCR", "true"),
        ("OCR_PROGRAM", program.to_str().expect("a path")),
        ("OCR_PAGE_SECONDS", "3600"),
        ("DOCUMENT_READERS", "1"),
    ]);
    let mut people = [server.user("a@example.org"), server.user("b@example.org")];
    let mut scans = Vec::new();
    // Two scans are read at a time, but only one per user, so the last one waits.
    for (number, owner) in [0, 1, 0].into_iter().enumerate() {
        let scan = scans_after_text(&[&format!("scan number {number}")], 1);
        let name = format!("scan{number}.pdf");
        let sent = people[owner].upload("/api/upload-document", &name, &scan);
        let id = sent.json()["id"].as_str().expect("an id").to_owned();
        scans.push((owner, format!("/api/documents/{id}")));
    }
    for person in &mut people {
        let document = upload_and_read(person, "note.txt", b"read at once");
        assert_eq!(document["status"], "processed", "{document}");
    }
    for (owner, path) in &scans {
        let body = people[*owner].get(path).json();
        assert_eq!(body["status"], "processing", "{body}");
        // The text before the scanned pages is already available.
        let text = people[*owner].get(&format!("{path}/pages/1")).json();
        let text = text["text"].as_str().expect("a text");
        assert!(text.starts_with("scan number"), "{text}");
    }
    for (owner, path) in &scans {
        let deleted = people[*owner].delete(path);
        assert_eq!(deleted.status, 200);
    }
}
