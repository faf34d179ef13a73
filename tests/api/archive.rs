//! Tests the export and import of all of a user's data through the API.

use std::io::Read as _;

use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::support::executable::Executable;
use crate::support::server::Folder;
use crate::support::{Client, Server};

/// Returns a copy of the archive in which `change` was applied to every stored request.
fn edit_archive(archive: &[u8], change: impl Fn(&mut Value)) -> Vec<u8> {
    let mut from = tar::Archive::new(GzDecoder::new(archive));
    let mut to = tar::Builder::new(GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for entry in from.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        if name == "tables/analyses.jsonl" {
            let mut row: Value = serde_json::from_slice(&bytes).unwrap();
            let mut request: Value =
                serde_json::from_str(row["request"].as_str().unwrap()).unwrap();
            change(&mut request);
            row["request"] = json!(request.to_string());
            bytes = format!("{row}\n").into_bytes();
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        to.append_data(&mut header, &name, &bytes[..]).unwrap();
    }
    to.into_inner().unwrap().finish().unwrap()
}

#[test]
fn imported_requests_are_validated_before_a_rerun() {
    let (source, destination) = (Server::start(), Server::start());
    let mut ada = source.user("ada@example.com");
    let body = json!({ "prompt": "Is it thin?", "models": ["demo/extract"], "pattern": "self" });
    let analysis = ada.post("/api/analyze", body).json();
    let second = format!(
        "/api/analyses/{}/retry",
        analysis["analysis_id"].as_str().unwrap()
    );
    let archive = ada.get("/api/users/me/export").bytes;
    let foreign_id = "document_01ARYZ6S410000000000000000";
    for (n, field, value) in [
        (0, "samples", json!(4_000_000)),
        (1, "models", json!(vec!["demo/extract"; 17])),
        (2, "parameters", json!({ "temperature": 9.0 })),
        (3, "prompt", json!("x".repeat(200_001))),
        (4, "documents", json!([foreign_id])),
        (
            5,
            "turns",
            json!(vec![json!({ "role": "user", "text": "x" }); 2_001]),
        ),
    ] {
        let mut bob = destination.user(&format!("bob{n}@example.com"));
        let hostile = edit_archive(&archive, |request| request[field] = value.clone());
        let uploaded = bob.upload("/api/users/me/import", "a.tar.gz", &hostile);
        assert_eq!(
            uploaded.json()["counts"]["analyses"]["added"],
            1,
            "{field}: {}",
            uploaded.text()
        );
        let list = bob.get("/api/analyses").json();
        let id = list["analyses"][0]["id"]
            .as_str()
            .or(list["analyses"][0]["analysis_id"].as_str());
        let repeated = id.map_or(second.clone(), |id| format!("/api/analyses/{id}/retry"));
        let response = bob.post(&repeated, json!({}));
        assert!(
            [400, 422].contains(&response.status),
            "{field}: {}",
            response.text()
        );
    }
}

#[test]
fn an_archive_goes_from_one_server_to_another() {
    let (source, destination) = (Server::start(), Server::start());
    let mut ada = source.user("ada@example.com");
    let body = json!({ "prompt": "The lease ends in 2031. When does it end?", "models": ["demo/extract", "demo/merge"], "pattern": "gut" });
    let analysis = ada.post("/api/analyze", body).json();
    let id = analysis["analysis_id"].as_str().unwrap().to_owned();
    let recipe = json!({ "name": "mine", "pattern": "gut" });
    assert!(ada.post("/api/recipes", recipe).status < 300);
    let archive = ada.get("/api/users/me/export");
    assert_eq!(
        (archive.status, archive.header("content-type")),
        (200, "application/gzip")
    );
    assert!(archive.header("cache-control").contains("no-store"));

    let mut bob = destination.user("bob@example.com");
    let uploaded = bob.upload("/api/users/me/import", "ada.tar.gz", &archive.bytes);
    assert_eq!(uploaded.status, 200, "{}", uploaded.text());
    assert_eq!(
        uploaded.json()["counts"]["analyses"]["added"],
        1,
        "{}",
        uploaded.text()
    );
    let view = bob.get(&format!("/api/analyses/{id}")).json();
    assert_eq!(
        (&view["synthesis"], &view["status"]),
        (&analysis["synthesis"], &json!("completed"))
    );
    assert!(bob.get("/api/recipes").text().contains("mine"));
    // Other users on the target server cannot see any of it.
    let mut eve = destination.user("eve@example.com");
    eve.get(&format!("/api/analyses/{id}"))
        .refused(404, "NOT_FOUND");
    // On the original server, another user gets the archive's contents under new IDs. A second import adds nothing.
    let mut carl = source.user("carl@example.com");
    for (added, present) in [(1, 0), (0, 1)] {
        let import_response = carl.upload("/api/users/me/import", "ada.tar.gz", &archive.bytes);
        let counts = import_response.json()["counts"].clone();
        for table in ["analyses", "recipes"] {
            let (new, old) = (&counts[table]["added"], &counts[table]["present"]);
            assert_eq!(
                (new, old),
                (&json!(added), &json!(present)),
                "{table} {counts}"
            );
        }
        assert_eq!(counts["stage_answers"]["refused"], 0, "{counts}");
    }
    // Usage on the other server does not count on this one.
    assert!(!bob.get("/api/usage").text().contains("demo/extract"));
}

#[test]
fn imported_conversations_can_be_viewed_and_rerun() {
    let server = Server::start();
    let mut ada = server.user("ada@example.com");
    let line = json!({ "prompt": "Which?", "model_responses": { "gpt-4": "One.", "claude": "Two." }, "ultra_response": "Both." });
    let uploaded = ada.upload(
        "/api/users/me/import",
        "old.json",
        line.to_string().as_bytes(),
    );
    assert_eq!(
        uploaded.json()["counts"]["analyses"]["added"],
        1,
        "{}",
        uploaded.text()
    );
    let list = ada.get("/api/analyses").json();
    let id = list["analyses"][0]["id"]
        .as_str()
        .or(list["analyses"][0]["analysis_id"].as_str());
    let id = id.unwrap_or_else(|| panic!("{list}")).to_owned();
    let formatted = ada.get(&format!("/api/analyses/{id}"));
    assert_eq!(formatted.status, 200, "{}", formatted.text());
    assert!(
        formatted.text().contains("imported/gpt-4") && formatted.text().contains("Two."),
        "{}",
        formatted.text()
    );
    for format in ["json", "csv", "markdown", "html"] {
        let response = ada.get(&format!("/api/analyses/{id}/export?format={format}"));
        assert_eq!(response.status, 200, "{format} {}", response.text());
    }
    let _ = ada.get(&format!("/api/analyses/{id}/events")).status;
    for invalid in [&b"hello"[..], b"\x1f\x8bnonsense"] {
        ada.upload("/api/users/me/import", "x", invalid)
            .refused(400, "BAD_REQUEST");
    }
}

#[test]
fn an_administrator_takes_a_copy_of_the_database() {
    let server = Server::start();
    let mut admin = server.user("ada@example.com");
    let copy = admin.get("/api/admin/backup");
    assert_eq!(copy.status, 200, "{}", copy.text());
    assert!(copy.bytes.starts_with(b"SQLite format 3\0"));
    assert!(
        admin
            .get("/api/admin/audit")
            .text()
            .contains("backup.downloaded")
    );
    let mut other = server.user("bob@example.com");
    other.get("/api/admin/backup").refused(403, "FORBIDDEN");
}

/// Maximum memory that an import may use, in bytes, regardless of what the file contains.
const MAX_IMPORT_MEMORY: u64 = 256 << 20;

/// Returns the value of a line in /proc/PID/status in bytes. The file contains it in KB.
fn process_status_bytes(process: u32, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    let kb = line.split_whitespace().nth(1).unwrap();
    kb.parse::<u64>().unwrap() << 10
}

/// Returns the manifest of an export as this version writes it. It is the first file in the archive.
fn manifest(client: &mut Client) -> Vec<u8> {
    let archive = client.get("/api/users/me/export").bytes;
    let mut archive = tar::Archive::new(GzDecoder::new(&archive[..]));
    let mut first = archive.entries().unwrap().next().unwrap().unwrap();
    let mut bytes = Vec::new();
    first.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Returns a decompression bomb: a gzipped tar archive with the manifest and one more entry, which contains `begin` and
/// then `piece` repeated until the entry has `size` bytes.
fn bomb(
    manifest: &[u8],
    kind: tar::EntryType,
    name: &str,
    begin: &str,
    piece: &str,
    size: u64,
) -> Vec<u8> {
    let mut to = tar::Builder::new(GzEncoder::new(Vec::new(), flate2::Compression::best()));
    let mut header = tar::Header::new_gnu();
    header.set_size(manifest.len() as u64);
    to.append_data(&mut header, "manifest.json", manifest)
        .unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_entry_type(kind);
    header.set_path(name).unwrap();
    header.set_cksum();
    let repeated = piece.repeat((1 << 20) / piece.len());
    let extra = std::iter::repeat_with(|| repeated.as_bytes()).take((size as usize >> 19) + 1);
    let rest_of_body = extra.fold(begin.as_bytes().to_vec(), |mut all, piece| {
        if all.len() < size as usize {
            all.extend_from_slice(piece);
        }
        all
    });
    to.append(&header, &rest_of_body[..size as usize]).unwrap();
    to.into_inner().unwrap().finish().unwrap()
}

#[test]
fn decompression_bomb_stays_within_the_memory_limit() {
    let folder = Folder::new();
    let server = Executable::with(&folder, &[("USE_MOCK", "true")]);
    let mut ada = Client::new(server.address).registered("ada@example.com");
    let first = manifest(&mut ada);
    let before = process_status_bytes(server.id(), "VmRSS:");
    let path = "/api/users/me/import";
    let file = tar::EntryType::Regular;
    let row = "{\"id\":\"document_01ARYZ6S410000000000000000\",\"name\":[";
    for (name, table, begin, size, refused) in [
        ("a long row", "tables/documents.jsonl", row, 62 << 20, true),
        (
            "a long row of another's child",
            "tables/passages.jsonl",
            row,
            62 << 20,
            true,
        ),
        (
            "a row that is just not too long",
            "tables/documents.jsonl",
            row,
            7 << 20,
            false,
        ),
        (
            "the same where answers are",
            "tables/analyses.jsonl",
            row,
            31 << 20,
            false,
        ),
    ] {
        let archive = bomb(&first, file, table, begin, "{\"\":0},", size);
        assert!(archive.len() < 1 << 20, "{name}: {} bytes", archive.len());
        let uploaded = ada.upload(path, "bomb.tar.gz", &archive);
        let (code, word) = match refused {
            true => (413, "PAYLOAD_TOO_LARGE"),
            false => (400, "BAD_REQUEST"),
        };
        uploaded.refused(code, word);
        let peak = process_status_bytes(server.id(), "VmHWM:");
        assert!(
            peak - before <= MAX_IMPORT_MEMORY,
            "{name}: {} MiB",
            (peak - before) >> 20
        );
    }
    // A long name in a tar extension header is ignored.
    let archive = bomb(
        &first,
        tar::EntryType::GNULongName,
        "././@LongLink",
        "",
        "x",
        300 << 20,
    );
    assert_eq!(ada.upload(path, "bomb.tar.gz", &archive).status, 200);
    // These files are conversations exported from other programs. They contain many values in few bytes, one long line,
    // and one long valid list.
    let repeated = format!("{{\"messages\":[{}0]}}\n", "{\"\":0},".repeat(2 << 20));
    ada.upload(path, "many.jsonl", repeated.as_bytes())
        .refused(413, "PAYLOAD_TOO_LARGE");
    let long = format!("{{\"messages\":\"{}\"}}\n", "x".repeat(40 << 20));
    ada.upload(path, "long.jsonl", long.as_bytes())
        .refused(413, "PAYLOAD_TOO_LARGE");
    let other = json!({"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}],
        "more": [7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]});
    let list = format!("[{}{other}]", format!("{other},").repeat(2_000));
    let import_response = ada.upload(path, "list.json", list.as_bytes());
    let counts = &import_response.json()["counts"]["analyses"];
    assert_eq!(
        (import_response.status, &counts["added"]),
        (200, &json!(1)),
        "{}",
        import_response.text()
    );
    let peak = process_status_bytes(server.id(), "VmHWM:");
    eprintln!("an import took at most {} MiB", (peak - before) >> 20);
    assert!(
        peak - before <= MAX_IMPORT_MEMORY,
        "{} MiB",
        (peak - before) >> 20
    );
}

#[test]
fn threads_and_projects_move_with_their_turns() {
    let (from, to) = (Server::start(), Server::start());
    let mut ada = from.user("ada@example.com");
    let body = json!({"name": "Paper", "instructions": "Be brief."});
    let project = ada.post("/api/projects", body).json()["project_id"].clone();
    let body = json!({"prompt": "What is a quire?", "project": project});
    let one = ada.post("/api/analyze", body).json();
    let body = json!({"prompt": "And a ream?", "follow_up_to": one["analysis_id"]});
    ada.post("/api/analyze", body);
    let path = format!("/api/threads/{}", one["thread_id"].as_str().unwrap());
    ada.json("PATCH", &path, &json!({"title": "Sheets", "pinned": true}));
    let before = ada.get(&path).json();
    let archive = ada.get("/api/users/me/export").bytes;

    let mut bob = to.user("bob@example.com");
    for (added, present) in [(1, 0), (0, 1)] {
        let uploaded = bob
            .upload("/api/users/me/import", "a.tar.gz", &archive)
            .json();
        let counts = &uploaded["counts"]["threads"];
        assert_eq!(
            (&counts["added"], &counts["present"]),
            (&json!(added), &json!(present)),
            "{uploaded}"
        );
    }
    assert_eq!(bob.get(&path).json(), before);
    let found_threads = bob.get("/api/threads?q=ream").json();
    assert_eq!(found_threads["threads"][0]["title"], "Sheets");
    let body = json!({"prompt": "And a sheet?", "thread": one["thread_id"]});
    assert_eq!(bob.post("/api/analyze", body).json()["turn"], 3);

    // If the data is imported next to the originals, everything gets a new ID.
    let mut eve = from.user("eve@example.com");
    eve.upload("/api/users/me/import", "a.tar.gz", &archive);
    assert_eq!(eve.get(&path).status, 404);
    let list = eve.get("/api/threads").json();
    assert_eq!(
        (&list["threads"][0]["title"], &list["threads"][0]["turns"]),
        (&json!("Sheets"), &json!(2))
    );
    assert_ne!(list["threads"][0]["project_id"], project);
    assert_eq!(ada.get(&path).json(), before);
}
