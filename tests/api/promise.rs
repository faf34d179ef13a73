//! Tests the replication state in `/health` under faults. If the server is killed at the moment that `whole_at`
//! reports, and its disk is lost, everything up to then is restored, row by row and byte by byte.

mod rounds;

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::Client;
use crate::support::executable::Executable;
use crate::support::server::Folder;

const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

fn start(folder: &Folder, extra_settings: &[(&str, &str)]) -> Executable {
    let replica = format!("file://{}", folder.path().join("replica").display());
    let mut settings = vec![
        ("QUIRE_REPLICA", replica.as_str()),
        ("QUIRE_SECRET", "0123456789abcdef0123456789abcdef"),
        ("USE_MOCK", "true"),
        ("RATE_LIMIT", "1000000"),
        ("MIN_FREE_MB", "1"),
    ];
    settings.extend_from_slice(extra_settings);
    Executable::with(folder, &settings)
}

/// Starts the server on an empty disk. The replica lease is removed, because the machine that held it is known to be
/// gone.
fn start_again(folder: &Folder) -> Executable {
    fs::remove_dir_all(folder.path().join("data")).unwrap();
    let _ = fs::remove_file(folder.path().join("replica/quire-holder"));
    start(folder, &[])
}

fn get_health(client: &mut Client) -> Value {
    client.get("/health").json()
}

fn replicated_until(client: &mut Client) -> String {
    let health = get_health(client);
    health["replica"]["whole_at"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Requests the health until it satisfies a condition.
fn wait_for_health(client: &mut Client, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let start = std::time::Instant::now();
    loop {
        let health = get_health(client);
        if wanted(&health) {
            return health;
        }
        assert!(start.elapsed() < WAIT_TIMEOUT, "never {what}: {health}");
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// Returns the current time in the server's format, in which times can be compared as strings.
fn current_time() -> String {
    let millis = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis();
    quire::domain::time::Timestamp::from_millis(i64::try_from(millis).unwrap()).to_string()
}

fn is_replicated_after(health: &Value, moment: &str) -> bool {
    health["replica"]["whole_at"]
        .as_str()
        .is_some_and(|at| at > moment)
}

fn upload(client: &mut Client, name: &str, bytes: &[u8]) -> Option<String> {
    let uploaded = client.upload("/api/upload-document", name, bytes);
    if uploaded.status != 200 {
        assert_eq!(uploaded.status, 503, "{}", uploaded.text());
        return None;
    }
    let document = uploaded.json();
    let id = document["document_id"].as_str().or(document["id"].as_str());
    Some(id.unwrap().to_owned())
}

fn document_content(client: &mut Client, id: &str) -> (u16, Vec<u8>) {
    let answer = client.get(&format!("/api/documents/{id}/content"));
    (answer.status, answer.bytes)
}

#[test]
fn an_original_that_cannot_be_sent_stops_the_promise_until_it_is_there() {
    let folder = Folder::new();
    let server = start(&folder, &[]);
    let mut client = Client::new(server.address).registered("ada@example.com");
    let started = current_time();
    wait_for_health(&mut client, "whole", |health| {
        is_replicated_after(health, &started)
    });
    // Rows can be replicated, but the original files of documents cannot.
    let place = folder.path().join("replica/documents");
    let _ = fs::remove_dir_all(&place);
    fs::write(&place, "in the way").unwrap();
    let id = upload(&mut client, "thin.txt", b"Paper of eighty grams is thin.").unwrap();
    let stored_at = current_time();
    let health = wait_for_health(&mut client, "in error", |health| {
        health["replica"]["status"] == "error"
    });
    assert_eq!(health["status"], "warning", "{health}");
    assert!(
        health["message"].to_string().contains("replica"),
        "{health}"
    );
    // No data arrives for many sync intervals, so nothing may be reported as replicated in the meantime.
    for _ in 0..60 {
        let health = self::get_health(&mut client);
        assert!(!is_replicated_after(&health, &stored_at), "{health}");
        std::thread::sleep(Duration::from_millis(50));
    }
    fs::remove_file(&place).unwrap();
    let health = wait_for_health(&mut client, "whole", |health| {
        is_replicated_after(health, &stored_at)
    });
    assert_eq!(health["status"], "ok", "{health}");
    assert_eq!(
        fs::read(place.join(&id)).unwrap(),
        b"Paper of eighty grams is thin."
    );
}

#[test]
fn files_lost_by_the_replica_are_sent_again() {
    let folder = Folder::new();
    let server = start(&folder, &[]);
    let mut client = Client::new(server.address).registered("ada@example.com");
    let id = upload(&mut client, "thin.txt", b"Paper of eighty grams is thin.").unwrap();
    let replica = folder.path().join("replica");
    let original = replica.join("documents").join(&id);
    let losses: [(&str, &dyn Fn()); 4] = [
        ("an original", &|| fs::remove_file(&original).unwrap()),
        ("half an original", &|| {
            fs::write(&original, "Paper").unwrap();
        }),
        ("the whole copies", &|| {
            fs::remove_dir_all(replica.join("ltx/9")).unwrap();
        }),
        ("everything", &|| {
            for entry in fs::read_dir(&replica).unwrap().flatten() {
                let _ = fs::remove_dir_all(entry.path());
                let _ = fs::remove_file(entry.path());
            }
        }),
    ];
    for (number, (what, lose)) in losses.iter().enumerate() {
        let stored_at = current_time();
        wait_for_health(&mut client, what, |health| {
            is_replicated_after(health, &stored_at)
        });
        lose();
        let name = json!({ "name": number.to_string() });
        assert_eq!(client.put("/api/users/me", name).status, 200);
        let lost = current_time();
        wait_for_health(&mut client, what, |health| {
            is_replicated_after(health, &lost)
        });
        assert_eq!(
            fs::read(&original).unwrap(),
            b"Paper of eighty grams is thin.",
            "{what}"
        );
    }
    server.kill();
    let server = start_again(&folder);
    let mut client = server.known(&client);
    assert_eq!(client.get("/api/users/me").json()["name"], "3");
    assert_eq!(document_content(&mut client, &id).0, 200);
}

#[test]
fn originals_are_available_immediately_after_a_restore() {
    let folder = Folder::new();
    let server = start(&folder, &[]);
    let mut client = Client::new(server.address).registered("ada@example.com");
    let bytes = |number: usize| format!("Sheet {number} is thin. ").repeat(500).into_bytes();
    let ids: Vec<String> = (0..30)
        .map(|number| upload(&mut client, &format!("{number}.txt"), &bytes(number)).unwrap())
        .collect();
    let stored_at = current_time();
    wait_for_health(&mut client, "whole", |health| {
        is_replicated_after(health, &stored_at)
    });
    server.kill();
    let server = start_again(&folder);
    let mut client = server.known(&client);
    // The documents are requested in reverse order, so that fetching in the background does not help.
    for (number, id) in ids.iter().enumerate().rev() {
        assert!(
            document_content(&mut client, id) == (200, bytes(number)),
            "{number}"
        );
    }
    wait_for_health(&mut client, "fetched", |health| {
        health["replica"]["originals_to_fetch"] == 0
    });
}

#[test]
fn a_server_whose_replacement_died_stops_and_takes_over_when_it_is_started_again() {
    let (one, other) = (Folder::new(), Folder::new());
    let replica = format!("file://{}", one.path().join("replica").display());
    let first = start(&one, &[]);
    let mut client = Client::new(first.address).registered("ada@example.com");
    let second = start(&other, &[("QUIRE_REPLICA", &replica)]);
    let mut new = second.known(&client);
    let name = json!({ "name": "Ada of the second" });
    assert_eq!(new.put("/api/users/me", name).status, 200);
    let stored_at = current_time();
    wait_for_health(&mut new, "whole", |health| {
        is_replicated_after(health, &stored_at)
    });
    // While the second server is running, the first one still answers requests that only read.
    assert_eq!(client.get("/api/users/me").status, 200);
    assert_eq!(client.get("/health").status, 503);
    second.kill();
    assert_eq!(first.code(), Some(1));
    // After its supervisor has restarted the first server, nothing is lost, and writes are accepted again.
    let first = start(&one, &[]);
    let mut client = first.known(&client);
    assert_eq!(
        client.get("/api/users/me").json()["name"],
        "Ada of the second"
    );
    let name = json!({ "name": "Ada of the third" });
    assert_eq!(client.put("/api/users/me", name).status, 200);
}
