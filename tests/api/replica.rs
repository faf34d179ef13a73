//! Tests the loss of a disk: everything that was replicated is restored, both after a clean stop and after kill -9.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::Client;
use crate::support::executable::Executable;
use crate::support::s3::{Bucket, BucketFault};
use crate::support::server::Folder;

fn start(folder: &Folder) -> Executable {
    try_start(folder, &[])
}

fn try_start(folder: &Folder, extra_settings: &[(&str, &str)]) -> Executable {
    let replica = format!("file://{}", folder.path().join("replica").display());
    let mut settings = vec![
        ("QUIRE_REPLICA", replica.as_str()),
        ("QUIRE_SECRET", "0123456789abcdef0123456789abcdef"),
        ("USE_MOCK", "true"),
        ("RATE_LIMIT", "1000000"),
    ];
    settings.extend_from_slice(extra_settings);
    Executable::with(folder, &settings)
}

fn wipe(folder: &Folder) {
    fs::remove_dir_all(folder.path().join("data")).unwrap();
}

/// Returns the time before which everything that was stored is also in the replica.
fn replicated_until(client: &mut Client) -> String {
    let health = client.get("/health").json();
    health["replica"]["whole_at"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Waits until everything stored so far is in the replica.
fn wait_whole(client: &mut Client) {
    let mut last = replicated_until(client);
    let mut later = 0;
    // Two syncs are awaited, because the first one may have begun before the last change.
    for _ in 0..600 {
        std::thread::sleep(Duration::from_millis(50));
        let at = replicated_until(client);
        if at > last {
            (last, later) = (at, later + 1);
        }
        if later == 2 {
            return;
        }
    }
    panic!("nothing is sent: {}", client.get("/health").json());
}

fn name_of(client: &mut Client) -> Value {
    let answer = client.get("/api/users/me");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["name"].clone()
}

fn list_files(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .map(|entries| {
            entries
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect()
        })
        .unwrap_or_default();
    names.sort();
    names
}

#[test]
fn replica_restores_all_data_onto_another_disk() {
    let folder = Folder::new();
    let first = start(&folder);
    let mut client = Client::new(first.address).registered("ada@example.com");
    let response = client.upload(
        "/api/upload-document",
        "thin.txt",
        b"Paper of eighty grams is thin.",
    );
    assert_eq!(response.status, 200, "{}", response.text());
    let id = response.json()["document_id"]
        .as_str()
        .or(response.json()["id"].as_str())
        .unwrap()
        .to_owned();
    first.signal("-TERM");
    assert_eq!(first.code(), Some(0));
    wipe(&folder);
    let second = start(&folder);
    let mut client = second.known(&client);
    assert_eq!(
        client.get("/api/users/me").json()["email"],
        "ada@example.com"
    );
    let document = client.get(&format!("/api/documents/{id}"));
    assert_eq!(document.status, 200, "{}", document.text());
    let original = folder.path().join("data/documents").join(&id);
    for _ in 0..200 {
        if original.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(
        fs::read(original).unwrap(),
        b"Paper of eighty grams is thin."
    );
    let doctor = std::process::Command::new(env!("CARGO_BIN_EXE_quire"))
        .arg("doctor")
        .env_clear()
        .envs([
            ("ENVIRONMENT", "test"),
            ("PORT", "0"),
            ("USE_MOCK", "true"),
            ("DISCOVER_LOCAL", "false"),
        ])
        .env(
            "QUIRE_REPLICA",
            format!("file://{}", folder.path().join("replica").display()),
        )
        .env("QUIRE_DATA", folder.path().join("data"))
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&doctor.stdout);
    assert!(report.contains("contains a sound database"), "{report}");
    // An administrator can request an immediate snapshot.
    let backup = client.post("/api/admin/backup", json!({}));
    assert_eq!(backup.status, 202, "{}", backup.text());
    let before = backup.json()["replica"]["copied_at"].clone();
    let copied = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        let response = client.get("/api/admin/backups").json();
        response["folder"].is_null() && response["replica"]["copied_at"] != before
    });
    assert!(copied, "{}", client.get("/health").text());
    // Deleted data is deleted from the replica too.
    assert_eq!(client.delete(&format!("/api/documents/{id}")).status, 200);
    wait_whole(&mut client);
    assert_eq!(
        list_files(&folder.path().join("replica/documents")),
        Vec::<String>::new()
    );
}

#[test]
fn replica_catches_up_after_every_kind_of_bucket_failure() {
    let folder = Folder::new();
    let bucket = Bucket::new();
    let variables = bucket.environment();
    let mut settings = vec![
        ("QUIRE_REPLICA", "s3://copies/team one"),
        ("QUIRE_SECRET", "0123456789abcdef0123456789abcdef"),
        ("USE_MOCK", "true"),
    ];
    settings.extend(
        variables
            .iter()
            .map(|(name, value)| (*name, value.as_str())),
    );
    let first = Executable::with(&folder, &settings);
    let mut client = Client::new(first.address).registered("ada@example.com");
    wait_whole(&mut client);
    let troubles = [
        BucketFault::Says(503, "SlowDown", "Please reduce your request rate."),
        BucketFault::Half,
        BucketFault::Lost,
        BucketFault::Says(507, "QuotaExceeded", "The bucket is full."),
        BucketFault::Says(403, "AccessDenied", "Access Denied"),
        BucketFault::Page(502, "<html>bad gateway</html>"),
        BucketFault::Late(Duration::from_millis(300)),
    ];
    for (number, trouble) in troubles.into_iter().enumerate() {
        bucket.fail_next("PUT", trouble);
        let answer = client.put("/api/users/me", json!({ "name": number.to_string() }));
        assert_eq!(answer.status, 200, "{}", answer.text());
        wait_whole(&mut client);
    }
    first.kill();
    wipe(&folder);
    let second = Executable::with(&folder, &settings);
    assert_eq!(name_of(&mut second.known(&client)), "6");
}

#[test]
fn encrypted_replica_restores_the_secret_and_reveals_nothing() {
    const REPLICA_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let folder = Folder::new();
    let replica = format!("file://{}", folder.path().join("replica").display());
    let settings = [
        ("QUIRE_REPLICA", replica.as_str()),
        ("QUIRE_REPLICA_KEY", REPLICA_KEY),
        ("USE_MOCK", "true"),
    ];
    let first = Executable::with(&folder, &settings);
    let mut client = Client::new(first.address).registered("ada@example.com");
    let text = b"Paper of eighty grams is thin.";
    assert_eq!(
        client
            .upload("/api/upload-document", "thin.txt", text)
            .status,
        200
    );
    first.signal("-TERM");
    assert_eq!(first.code(), Some(0));
    wipe(&folder);
    let mut file_count = 0;
    let mut folders = vec![folder.path().join("replica")];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
                continue;
            }
            let bytes = fs::read(entry.path()).unwrap();
            let contains = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
            assert!(
                bytes.starts_with(b"QSEALED1") && !contains(b"SQLite format") && !contains(text),
                "{entry:?}"
            );
            file_count += 1;
        }
    }
    assert!(file_count >= 4, "{file_count}");
    let refusal = |settings: &[(&str, &str)]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_quire"))
            .env_clear()
            .envs([("ENVIRONMENT", "test"), ("PORT", "0"), ("USE_MOCK", "true")])
            .envs(settings.iter().copied())
            .env("QUIRE_DATA", folder.path().join("data"))
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let message = refusal(&[("QUIRE_REPLICA", &replica)]);
    assert!(message.contains("set QUIRE_REPLICA_KEY"), "{message}");
    let other = "BBECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let said = refusal(&[("QUIRE_REPLICA", &replica), ("QUIRE_REPLICA_KEY", other)]);
    assert!(said.contains("encrypted with another key"), "{said}");
    let said = refusal(&[("QUIRE_REPLICA", &replica), ("QUIRE_REPLICA_KEY", "short")]);
    assert!(
        said.contains("openssl rand -base64 32") && !said.contains("short"),
        "{said}"
    );
    let second = Executable::with(&folder, &settings);
    // The token was signed with a secret that existed only in the lost folder.
    assert_eq!(
        second.known(&client).get("/api/users/me").json()["email"],
        "ada@example.com"
    );
}

#[test]
fn replicated_data_survives_a_kill_and_a_lost_disk() {
    let folder = Folder::new();
    let mut server = start(&folder);
    let mut client = Client::new(server.address).registered("ada@example.com");
    wait_whole(&mut client);
    let mut number = 0_u64;
    // `make vanish` runs more rounds.
    let rounds = std::env::var("VANISH")
        .ok()
        .and_then(|text| text.parse().ok());
    for round in 0..rounds.unwrap_or(6_u64) {
        let mut confirmed = number;
        let mut before = replicated_until(&mut client);
        let mut pending = number;
        // Some rounds end immediately after replication, others while data is being written.
        for step in 0..40 + round * 13 % 60 {
            number += 1;
            let answer = client.put("/api/users/me", json!({ "name": number.to_string() }));
            assert_eq!(answer.status, 200, "{}", answer.text());
            if step % 10 == 0 {
                std::thread::sleep(Duration::from_millis(120));
            }
            let at = replicated_until(&mut client);
            if at > before {
                // The sync that has ended may have begun before these changes, but the next one did not.
                (confirmed, pending, before) = (pending, number, at);
            }
        }
        server.kill();
        wipe(&folder);
        // The lease is removed, so that the server does not wait for a machine that is known to be gone.
        fs::remove_file(folder.path().join("replica/quire-holder")).unwrap();
        server = start(&folder);
        client = match round % 50 {
            // Tokens expire after 15 minutes, so the client signs in again.
            49 => Client::new(server.address).signed_in("ada@example.com"),
            _ => server.known(&client),
        };
        let name = name_of(&mut client);
        // The first round may end before any name has been replicated.
        let back: u64 = match name.as_str() {
            None | Some("") => 0,
            Some(text) => text.parse().unwrap(),
        };
        if round % 50 == 49 {
            // The next round may end before anything new is replicated, so the new token must already be in the
            // replica.
            wait_whole(&mut client);
        }
        assert!(
            (confirmed..=number).contains(&back),
            "{back} is back of {number}, {confirmed} were sure"
        );
        number = back;
    }
}

#[test]
fn new_server_takes_the_lease_and_the_old_one_stops_writing() {
    let (one, other) = (Folder::new(), Folder::new());
    let replica = format!("file://{}", one.path().join("replica").display());
    let first = start(&one);
    let mut client = Client::new(first.address).registered("ada@example.com");
    assert_eq!(
        client
            .put("/api/users/me", json!({ "name": "Ada of the first" }))
            .status,
        200
    );
    let second = try_start(&other, &[("QUIRE_REPLICA", &replica)]);
    // Everything that was acknowledged before the takeover has been restored.
    let mut new = second.known(&client);
    assert_eq!(name_of(&mut new), "Ada of the first");
    let response = client.put("/api/users/me", json!({ "name": "Lost" }));
    assert_eq!(response.status, 503, "{}", response.text());
    assert_eq!(name_of(&mut client), "Ada of the first");
    assert_eq!(client.get("/health").status, 503);
    assert_eq!(
        new.put("/api/users/me", json!({ "name": "Ada of the second" }))
            .status,
        200
    );
    first.signal("-TERM");
    assert_eq!(first.code(), Some(0));
    second.signal("-TERM");
    assert_eq!(second.code(), Some(0));
    // The folder is changed while the replica is not connected and contains newer data. The server reports a conflict
    // and overwrites neither.
    let alone = Executable::with(
        &one,
        &[
            ("QUIRE_SECRET", "0123456789abcdef0123456789abcdef"),
            ("USE_MOCK", "true"),
        ],
    );
    let mut other_client = alone.known(&client);
    let name = json!({ "name": "Ada apart" });
    assert_eq!(other_client.put("/api/users/me", name).status, 200);
    alone.signal("-TERM");
    assert_eq!(alone.code(), Some(0));
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_quire"))
        .env_clear()
        .envs([
            ("ENVIRONMENT", "test"),
            ("PORT", "0"),
            ("USE_MOCK", "true"),
            ("QUIRE_REPLICA", replica.as_str()),
        ])
        .env("QUIRE_DATA", one.path().join("data"))
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && message.contains("has written to the replica"),
        "{message}"
    );
    wipe(&one);
    let third = start(&one);
    assert_eq!(name_of(&mut third.known(&client)), "Ada of the second");
}

/// Returns the number of files in a folder and its subfolders, and their total size in bytes.
fn size(folder: &Path) -> (usize, u64) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.fold((0, 0), |(files, bytes), entry| {
        let about = entry.metadata().unwrap();
        let (nested_files, nested_bytes) = match about.is_dir() {
            true => size(&entry.path()),
            false => (1, about.len()),
        };
        (files + nested_files, bytes + nested_bytes)
    })
}

/// The host loses its disk whenever it sleeps. Before half of the sleeps, it is stopped cleanly. Before the other half,
/// it is killed after the sync interval.
#[test]
fn many_restarts_lose_nothing_and_the_replica_stays_bounded() {
    let folder = Folder::new();
    // `make week` wakes the host 168 times, as if a user visited it every hour.
    let wakes = std::env::var("WAKES").ok();
    let wakes: usize = wakes.and_then(|text| text.parse().ok()).unwrap_or(6);
    let (mut server, mut slowest) = (start(&folder), Duration::ZERO);
    Client::new(server.address).registered("ada@example.com");
    for wake in 0..wakes {
        let mut client = Client::new(server.address).signed_in("ada@example.com");
        let documents = client.get("/api/documents?limit=200").json();
        let document_count = documents["documents"].as_array().map_or(0, Vec::len);
        assert_eq!(document_count, wake, "{documents}");
        let history = client.get("/api/analyses?limit=1").json();
        let newest = &history["analyses"][0];
        if wake > 0 {
            assert_eq!(
                newest["prompt"],
                json!(format!("What was on day {wake}?")),
                "{history}"
            );
        }
        let text = format!(
            "Day {}: {}",
            wake + 1,
            "the lock was repaired. ".repeat(200)
        );
        let uploaded = client.upload(
            "/api/upload-document",
            &format!("{wake}.txt"),
            text.as_bytes(),
        );
        assert_eq!(uploaded.status, 200, "{}", uploaded.text());
        let ask = json!({
            "prompt": format!("What was on day {}?", wake + 1), "models": ["demo/extract"], "cache": "off",
        });
        let answer = client.post("/api/analyze", ask);
        assert_eq!(answer.status, 200, "{}", answer.text());
        if wake % 2 == 0 {
            server.signal("-TERM");
            assert_eq!(server.code(), Some(0));
        } else {
            wait_whole(&mut client);
            server.kill();
            fs::remove_file(folder.path().join("replica/quire-holder")).unwrap();
        }
        wipe(&folder);
        let started_at = std::time::Instant::now();
        server = start(&folder);
        slowest = slowest.max(started_at.elapsed());
    }
    let (files, bytes) = size(&folder.path().join("replica"));
    let database = fs::metadata(folder.path().join("data/quire.db"))
        .unwrap()
        .len();
    let originals = stored_file_count(&folder);
    eprintln!(
        "{wakes} wakes: {} files and {} KB in the replica beside {originals} originals, the database {} KB; \
         the slowest start {} ms",
        files - originals,
        bytes / 1024,
        database / 1024,
        slowest.as_millis()
    );
    // The replica contains two snapshots and the changes since the first one, instead of a snapshot per wake-up.
    assert!(files - originals < 200, "{files} files");
}

fn stored_file_count(folder: &Folder) -> usize {
    list_files(&folder.path().join("replica/documents")).len()
}
