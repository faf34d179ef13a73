//! What `/health` promises about the replica, under faults: everything up to `whole_at` is there, row by row and byte
//! by byte, when the server is killed at that moment and its disk is gone.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::Client;
use crate::support::executable::Executable;
use crate::support::server::Folder;

const PATIENCE: Duration = Duration::from_secs(60);

fn start(folder: &Folder, more: &[(&str, &str)]) -> Executable {
    let replica = format!("file://{}", folder.path().join("replica").display());
    let mut settings = vec![
        ("QUIRE_REPLICA", replica.as_str()),
        ("QUIRE_SECRET", "0123456789abcdef0123456789abcdef"),
        ("USE_MOCK", "true"),
        ("RATE_LIMIT", "1000000"),
        ("MIN_FREE_MB", "1"),
    ];
    settings.extend_from_slice(more);
    Executable::with(folder, &settings)
}

/// Starts on an empty disk. Nobody has to wait for a machine that is known to be gone.
fn start_again(folder: &Folder) -> Executable {
    fs::remove_dir_all(folder.path().join("data")).unwrap();
    let _ = fs::remove_file(folder.path().join("replica/quire-holder"));
    start(folder, &[])
}

fn health(client: &mut Client) -> Value {
    client.get("/health").json()
}

fn whole_at(client: &mut Client) -> String {
    let health = health(client);
    health["replica"]["whole_at"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Asks for the health until it is as wanted.
fn until(client: &mut Client, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let begun = std::time::Instant::now();
    loop {
        let health = health(client);
        if wanted(&health) {
            return health;
        }
        assert!(begun.elapsed() < PATIENCE, "never {what}: {health}");
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// This moment as the server writes it: times compare as texts.
fn now() -> String {
    let millis = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis();
    quire::domain::time::Timestamp::from_millis(i64::try_from(millis).unwrap()).to_string()
}

fn is_whole_after(health: &Value, moment: &str) -> bool {
    health["replica"]["whole_at"]
        .as_str()
        .is_some_and(|at| at > moment)
}

fn upload(client: &mut Client, name: &str, bytes: &[u8]) -> Option<String> {
    let taken = client.upload("/api/upload-document", name, bytes);
    if taken.status != 200 {
        assert_eq!(taken.status, 503, "{}", taken.text());
        return None;
    }
    let taken = taken.json();
    let id = taken["document_id"].as_str().or(taken["id"].as_str());
    Some(id.unwrap().to_owned())
}

fn content(client: &mut Client, id: &str) -> (u16, Vec<u8>) {
    let answer = client.get(&format!("/api/documents/{id}/content"));
    (answer.status, answer.bytes)
}

#[test]
fn an_original_that_cannot_be_sent_stops_the_promise_until_it_is_there() {
    let folder = Folder::new();
    let server = start(&folder, &[]);
    let mut client = Client::new(server.address).registered("ada@example.com");
    let begun = now();
    until(&mut client, "whole", |health| {
        is_whole_after(health, &begun)
    });
    // Rows can be sent, originals cannot.
    let place = folder.path().join("replica/documents");
    let _ = fs::remove_dir_all(&place);
    fs::write(&place, "in the way").unwrap();
    let id = upload(&mut client, "thin.txt", b"Paper of eighty grams is thin.").unwrap();
    let stored = now();
    let health = until(&mut client, "in error", |health| {
        health["replica"]["status"] == "error"
    });
    assert_eq!(health["status"], "warning", "{health}");
    assert!(
        health["message"].to_string().contains("replica"),
        "{health}"
    );
    // Nothing comes, round after round: nothing may be promised.
    for _ in 0..60 {
        let health = self::health(&mut client);
        assert!(!is_whole_after(&health, &stored), "{health}");
        std::thread::sleep(Duration::from_millis(50));
    }
    fs::remove_file(&place).unwrap();
    let health = until(&mut client, "whole", |health| {
        is_whole_after(health, &stored)
    });
    assert_eq!(health["status"], "ok", "{health}");
    assert_eq!(
        fs::read(place.join(&id)).unwrap(),
        b"Paper of eighty grams is thin."
    );
}

#[test]
fn what_the_other_end_loses_is_sent_again() {
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
        let stored = now();
        until(&mut client, what, |health| is_whole_after(health, &stored));
        lose();
        let name = json!({ "name": number.to_string() });
        assert_eq!(client.put("/api/users/me", name).status, 200);
        let lost = now();
        until(&mut client, what, |health| is_whole_after(health, &lost));
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
    assert_eq!(content(&mut client, &id).0, 200);
}

#[test]
fn every_original_can_be_had_at_once_after_a_restore() {
    let folder = Folder::new();
    let server = start(&folder, &[]);
    let mut client = Client::new(server.address).registered("ada@example.com");
    let bytes = |number: usize| format!("Sheet {number} is thin. ").repeat(500).into_bytes();
    let ids: Vec<String> = (0..30)
        .map(|number| upload(&mut client, &format!("{number}.txt"), &bytes(number)).unwrap())
        .collect();
    let stored = now();
    until(&mut client, "whole", |health| {
        is_whole_after(health, &stored)
    });
    server.kill();
    let server = start_again(&folder);
    let mut client = server.known(&client);
    // The last first: no order in which they are fetched by themselves helps.
    for (number, id) in ids.iter().enumerate().rev() {
        assert!(content(&mut client, id) == (200, bytes(number)), "{number}");
    }
    until(&mut client, "fetched", |health| {
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
    let stored = now();
    until(&mut new, "whole", |health| is_whole_after(health, &stored));
    // While the second lives, the first stays and answers questions.
    assert_eq!(client.get("/api/users/me").status, 200);
    assert_eq!(client.get("/health").status, 503);
    second.kill();
    assert_eq!(first.code(), Some(1));
    // Its supervisor starts it again: nothing is lost, and it stores again.
    let first = start(&one, &[]);
    let mut client = first.known(&client);
    assert_eq!(
        client.get("/api/users/me").json()["name"],
        "Ada of the second"
    );
    let name = json!({ "name": "Ada of the third" });
    assert_eq!(client.put("/api/users/me", name).status, 200);
}

/// A disk of its own under a folder, as small as a fault wants it.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where this machine lets nobody mount one.
    fn under(path: &Path) -> Option<Self> {
        let options = ["-t", "tmpfs", "-o", "size=40m,mode=700", "tmpfs"];
        let mounted = Command::new("mount").args(options).arg(path).output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then(|| Self(path.to_owned()))
    }

    fn fill(&self) {
        let Ok(mut file) = fs::File::create(self.0.join("filling")) else {
            return;
        };
        let piece = vec![7; 1 << 16];
        while file.write_all(&piece).is_ok() {}
        while file.write_all(&piece[..512]).is_ok() {}
    }

    fn free(&self) {
        let _ = fs::remove_file(self.0.join("filling"));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// A sequence that is the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        // Numerical Recipes' constants for a linear congruential generator.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// Everything that was acknowledged, and when.
#[derive(Default)]
struct Model {
    /// Name, and the moment of its acknowledgement.
    names: Vec<(String, String)>,
    /// Bytes, when they were acknowledged, when the deletion was.
    documents: BTreeMap<String, (Vec<u8>, String, Option<String>)>,
}

impl Model {
    fn act(&mut self, client: &mut Client, chance: &mut Chance, number: u64) {
        match chance.below(5) {
            0 | 1 => {
                let answer = client.put("/api/users/me", json!({ "name": number.to_string() }));
                if answer.status == 200 {
                    self.names.push((number.to_string(), now()));
                }
            }
            2 | 3 => {
                let length = 1 + chance.below(300_000) as usize;
                let mut bytes = format!("Sheet {number}. ").into_bytes();
                bytes.resize(length.max(bytes.len()), b'a');
                if let Some(id) = upload(client, &format!("{number}.txt"), &bytes) {
                    self.documents.insert(id, (bytes, now(), None));
                }
            }
            _ => {
                let mut kept = self.documents.iter_mut();
                let Some((id, row)) = kept.find(|(_, row)| row.2.is_none()) else {
                    return;
                };
                if client.delete(&format!("/api/documents/{id}")).status == 200 {
                    row.2 = Some(now());
                }
            }
        }
    }

    /// Checks that everything up to a moment is there, and goes on from what is.
    fn check(&mut self, client: &mut Client, moment: &str, context: &str) {
        let name = client.get("/api/users/me").json()["name"].clone();
        let sure = self.names.iter().rposition(|(_, at)| at.as_str() < moment);
        let back = self.names.iter().position(|(known, _)| name == *known);
        assert!(back >= sure, "{context}: the name {name} is back");
        self.names.truncate(back.map_or(0, |at| at + 1));
        let listed = client.get("/api/documents?limit=200").json();
        let listed: Vec<String> = listed["documents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["id"].as_str().unwrap().to_owned())
            .collect();
        for (id, (bytes, stored, deleted)) in &self.documents {
            let is_listed = listed.contains(id);
            let is_gone = deleted.as_ref().is_some_and(|at| at.as_str() < moment);
            assert!(!(is_gone && is_listed), "{context}: {id} was deleted");
            if stored.as_str() < moment && deleted.is_none() {
                assert!(is_listed, "{context}: {id} of {stored} is missing");
                let (status, found) = content(client, id);
                assert!(
                    status == 200 && found == *bytes,
                    "{context}: the original of {id}: {status}"
                );
            }
        }
        self.documents.retain(|id, row| {
            row.2 = None;
            // Of a document that was not promised, the row may be there alone.
            listed.contains(id) && content(client, id) == (200, row.0.clone())
        });
    }
}

/// What goes wrong before the kill.
fn fault(folder: &Folder, disk: Option<&SmallDisk>, client: &mut Client, chance: &mut Chance) {
    match (chance.below(4), disk) {
        // The disk of both sides is full, and has room again before the end or not.
        (0 | 1, Some(disk)) => disk.fill(),
        (2, _) => {
            // The other end loses a file; what was promised before does not count any more.
            let mut files = Vec::new();
            for place in ["documents", "ltx/0", "ltx/9"] {
                let entries = fs::read_dir(folder.path().join("replica").join(place));
                files.extend(entries.into_iter().flatten().flatten());
            }
            if !files.is_empty() {
                let number = chance.below(files.len() as u64) as usize;
                let _ = fs::remove_file(files[number].path());
            }
            let lost = now();
            until(client, "whole after a loss", |health| {
                is_whole_after(health, &lost)
            });
        }
        _ => {}
    }
}

/// `make attack` does 50 rounds.
#[test]
fn what_was_whole_comes_back_after_a_kill_whatever_went_wrong_before() {
    let rounds = std::env::var("ATTACK_ROUNDS").ok();
    let rounds: u64 = rounds.and_then(|text| text.parse().ok()).unwrap_or(4);
    let seed = std::env::var("ATTACK_SEED").ok();
    let seed = seed.and_then(|text| text.parse().ok()).unwrap_or(15);
    let folder = Folder::new();
    let disk = SmallDisk::under(folder.path());
    if disk.is_none() {
        eprintln!("no full disk: this machine lets nobody mount a disk in memory");
    }
    let (mut chance, mut model, mut number) = (Chance(seed), Model::default(), 0);
    let mut server = start(&folder, &[]);
    let mut client = Client::new(server.address).registered("ada@example.com");
    let begun = now();
    until(&mut client, "whole", |health| {
        is_whole_after(health, &begun)
    });
    for round in 0..rounds {
        let when = chance.below(20);
        let freed = when + chance.below(10);
        let mut moment = String::new();
        for step in 0..20 + chance.below(10) {
            number += 1;
            if step == when {
                fault(&folder, disk.as_ref(), &mut client, &mut chance);
            }
            if let Some(disk) = disk.as_ref().filter(|_| step == freed) {
                disk.free();
            }
            model.act(&mut client, &mut chance, number);
            if chance.below(3) == 0 {
                moment = whole_at(&mut client);
            }
        }
        if chance.below(2) == 0 {
            // Killed at the very moment at which something new is promised.
            if let Some(disk) = &disk {
                disk.free();
            }
            let before = whole_at(&mut client);
            let health = until(&mut client, "whole", |health| {
                is_whole_after(health, &before)
            });
            moment = health["replica"]["whole_at"].as_str().unwrap().to_owned();
        }
        server.kill();
        if let Some(disk) = &disk {
            disk.free();
        }
        server = start_again(&folder);
        client = match round % 50 {
            // A token lasts a quarter of an hour.
            49 => Client::new(server.address).signed_in("ada@example.com"),
            _ => server.known(&client),
        };
        let context = format!("round {round} of seed {seed}, whole at {moment}");
        model.check(&mut client, &moment, &context);
        let back = now();
        until(&mut client, "whole again", |health| {
            is_whole_after(health, &back)
        });
    }
    eprintln!("{rounds} rounds, {number} changes: what was promised was there");
    drop(server);
    drop(disk);
}
