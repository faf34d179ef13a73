//! Runs rounds of changes with a fault, and a kill at the moment that `whole_at` reports. The restored data is compared
//! row by row and byte by byte. The replica is a folder on a disk that fills up, or a bucket that fails for a while.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::{
    current_time, document_content, is_replicated_after, replicated_until, upload, wait_for_health,
};
use crate::support::Client;
use crate::support::executable::Executable;
use crate::support::s3::{Bucket, BucketFault};
use crate::support::server::Folder;

/// Maximum number of rounds per data folder, because more would fill its small disk.
const ROUNDS_OF_A_LIFE: u64 = 5;

/// A small separate disk that is mounted on a folder.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts a disk of 40 MB. Returns `None` if this machine does not permit mounts.
    fn mount(path: &Path) -> Option<Self> {
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

/// A random number generator whose sequence is determined by its seed.
struct SeededRandom(u64);

impl SeededRandom {
    fn number_below(&mut self, bound: u64) -> u64 {
        // This is a linear congruential generator with Knuth's constants (MMIX).
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Everything that the server has acknowledged, with the time.
#[derive(Default)]
struct Model {
    /// Each name, with the time at which it was acknowledged.
    names: Vec<(String, String)>,
    /// For each document's ID: the document's bytes, when it was acknowledged, and when it was deleted.
    documents: BTreeMap<String, (Vec<u8>, String, Option<String>)>,
}

impl Model {
    fn make_random_change(&mut self, client: &mut Client, chance: &mut SeededRandom, number: u64) {
        match chance.number_below(5) {
            0 | 1 => {
                let answer = client.put("/api/users/me", json!({ "name": number.to_string() }));
                if answer.status == 200 {
                    self.names.push((number.to_string(), current_time()));
                }
            }
            2 | 3 => {
                let length = 1 + chance.number_below(300_000) as usize;
                let mut bytes = format!("Sheet {number}. ").into_bytes();
                bytes.resize(length.max(bytes.len()), b'a');
                if let Some(id) = upload(client, &format!("{number}.txt"), &bytes) {
                    self.documents.insert(id, (bytes, current_time(), None));
                }
            }
            _ => {
                let mut stored = self.documents.iter_mut();
                let Some((id, row)) = stored.find(|(_, row)| row.2.is_none()) else {
                    return;
                };
                if client.delete(&format!("/api/documents/{id}")).status == 200 {
                    row.2 = Some(current_time());
                }
            }
        }
    }

    /// Checks that everything up to `moment` was restored, and continues from the restored state. Returns the number of
    /// documents that had been reported as replicated.
    fn check(&mut self, client: &mut Client, moment: &str, context: &str) -> usize {
        let mut confirmed_count = 0;
        let name = client.get("/api/users/me").json()["name"].clone();
        let sure = self.names.iter().rposition(|(_, at)| at.as_str() < moment);
        let back = self.names.iter().position(|(known, _)| name == *known);
        assert!(back >= sure, "{context}: the name {name} is back");
        self.names.truncate(back.map_or(0, |at| at + 1));
        let list = client.get("/api/documents?limit=200").json();
        let entries: Vec<String> = list["documents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["id"].as_str().unwrap().to_owned())
            .collect();
        for (id, (bytes, stored, deleted)) in &self.documents {
            let is_listed = entries.contains(id);
            let is_gone = deleted.as_ref().is_some_and(|at| at.as_str() < moment);
            assert!(!(is_gone && is_listed), "{context}: {id} was deleted");
            if stored.as_str() < moment && deleted.is_none() {
                confirmed_count += 1;
                assert!(is_listed, "{context}: {id} of {stored} is missing");
                let (status, content) = document_content(client, id);
                assert!(
                    status == 200 && content == *bytes,
                    "{context}: the original of {id}: {status}"
                );
            }
        }
        self.documents.retain(|id, row| {
            row.2 = None;
            // If the document was not reported as replicated yet, its row may have been restored without its file.
            entries.contains(id) && document_content(client, id) == (200, row.0.clone())
        });
        confirmed_count
    }
}

/// A data folder and its replica, with the faults that can be injected.
struct ReplicatedFolder {
    // Declared first, so that it is unmounted before its folder is removed.
    disk: Option<SmallDisk>,
    bucket: Option<Bucket>,
    folder: Folder,
}

impl ReplicatedFolder {
    /// Creates a data folder and a replica on the same small disk.
    fn with_small_disk() -> Self {
        let folder = Folder::new();
        let disk = SmallDisk::mount(folder.path());
        if disk.is_none() {
            eprintln!("no full disk: this machine lets nobody mount a disk in memory");
        }
        Self {
            disk,
            bucket: None,
            folder,
        }
    }

    fn with_bucket() -> Self {
        Self {
            disk: None,
            bucket: Some(Bucket::new()),
            folder: Folder::new(),
        }
    }

    fn start(&self) -> Executable {
        let Some(bucket) = &self.bucket else {
            return super::start(&self.folder, &[]);
        };
        let variables = bucket.environment();
        let mut settings = vec![("QUIRE_REPLICA", "s3://copies/life")];
        let own = variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()));
        settings.extend(own);
        super::start(&self.folder, &settings)
    }

    /// Starts the server on an empty disk. The replica lease is removed, because the machine that held it is known to
    /// be gone.
    fn start_again(&self) -> Executable {
        fs::remove_dir_all(self.folder.path().join("data")).unwrap();
        match &self.bucket {
            Some(bucket) => bucket.delete_behind_server("life/quire-holder"),
            None => {
                let _ = fs::remove_file(self.folder.path().join("replica/quire-holder"));
            }
        }
        self.start()
    }

    fn inject_fault(&self, client: &mut Client, chance: &mut SeededRandom) {
        if let Some(bucket) = &self.bucket {
            return simulate_outage(bucket, chance);
        }
        match (chance.number_below(4), &self.disk) {
            // The data folder and the replica both run out of space. They may have space again before the round ends.
            (0 | 1, Some(disk)) => disk.fill(),
            (2, _) => self.delete_replica_file(client, chance),
            _ => {}
        }
    }

    /// Deletes a file in the replica, so that earlier replication no longer counts.
    fn delete_replica_file(&self, client: &mut Client, chance: &mut SeededRandom) {
        let mut files = Vec::new();
        for place in ["documents", "ltx/0", "ltx/9"] {
            let entries = fs::read_dir(self.folder.path().join("replica").join(place));
            files.extend(entries.into_iter().flatten().flatten());
        }
        if !files.is_empty() {
            let number = chance.number_below(files.len() as u64) as usize;
            let _ = fs::remove_file(files[number].path());
        }
        let lost = current_time();
        wait_for_health(client, "whole after a loss", |health| {
            is_replicated_after(health, &lost)
        });
    }

    fn repair_faults(&self) {
        if let Some(disk) = &self.disk {
            disk.free();
        }
        if let Some(bucket) = &self.bucket {
            bucket.end_outage();
        }
    }
}

/// Makes the bucket fail until the outage is ended.
fn simulate_outage(bucket: &Bucket, chance: &mut SeededRandom) {
    let all: [Option<&'static str>; 3] = [Some("PUT"), Some("PUT"), None];
    let methods = all[chance.number_below(3) as usize];
    let trouble = match chance.number_below(7) {
        0 => BucketFault::Says(500, "InternalError", "We encountered an internal error."),
        1 => BucketFault::Says(503, "SlowDown", "Please reduce your request rate."),
        2 => BucketFault::Says(403, "AccessDenied", "Access Denied"),
        3 => BucketFault::Half,
        // The request is carried out, but the client waits for a response that never comes.
        4 => BucketFault::Lost,
        5 => BucketFault::Silence(Duration::from_secs(1)),
        _ => return,
    };
    bucket.fail_all(methods, trouble);
}

/// Makes changes, with a fault in between. Returns the last `whole_at` that was reported, or an empty string if none
/// was.
fn change_with_fault(
    life: &ReplicatedFolder,
    client: &mut Client,
    model: &mut Model,
    chance: &mut SeededRandom,
) -> String {
    let when = chance.number_below(20);
    let healed = when + chance.number_below(10);
    let mut moment = String::new();
    for step in 0..20 + chance.number_below(10) {
        if step == when {
            life.inject_fault(client, chance);
        }
        if step == healed {
            life.repair_faults();
        }
        let number = chance.number_below(1 << 30);
        model.make_random_change(client, chance, number);
        if chance.number_below(3) == 0 {
            moment = replicated_until(client);
        }
    }
    if chance.number_below(2) == 0 {
        // The server is killed at the moment when `whole_at` advances.
        life.repair_faults();
        let before = replicated_until(client);
        let health = wait_for_health(client, "whole", |health| {
            is_replicated_after(health, &before)
        });
        moment = health["replica"]["whole_at"].as_str().unwrap().to_owned();
    }
    moment
}

/// Runs the rounds, with a new data folder after every few of them, so that a round does not depend on how many
/// preceded it. `ATTACK_ROUNDS` sets the number of rounds, and `ATTACK_SEED` sets the first seed.
fn run_rounds(life: impl Fn() -> ReplicatedFolder) {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let rounds = number("ATTACK_ROUNDS").unwrap_or(4);
    let first = number("ATTACK_SEED").unwrap_or(15);
    let (mut done_rounds, mut confirmed_count) = (0, 0);
    while done_rounds < rounds {
        let seed = first + done_rounds / ROUNDS_OF_A_LIFE;
        let life = life();
        let (mut chance, mut model) = (SeededRandom(seed), Model::default());
        let mut server = life.start();
        let mut client = Client::new(server.address).registered("ada@example.com");
        let started = current_time();
        wait_for_health(&mut client, "whole", |health| {
            is_replicated_after(health, &started)
        });
        for round in 0..ROUNDS_OF_A_LIFE.min(rounds - done_rounds) {
            let moment = change_with_fault(&life, &mut client, &mut model, &mut chance);
            server.kill();
            life.repair_faults();
            server = life.start_again();
            client = server.known(&client);
            let context = format!("round {round} of seed {seed}, whole at {moment}");
            confirmed_count += model.check(&mut client, &moment, &context);
            let back = current_time();
            wait_for_health(&mut client, "whole again", |health| {
                is_replicated_after(health, &back)
            });
        }
        done_rounds += ROUNDS_OF_A_LIFE;
    }
    eprintln!("{rounds} rounds, {confirmed_count} promised documents compared: all were there");
}

/// `make attack` runs 50 rounds.
#[test]
fn replicated_data_is_restored_after_a_kill_and_any_fault() {
    run_rounds(ReplicatedFolder::with_small_disk);
}

/// `make attack` runs 50 rounds.
#[test]
fn data_replicated_to_a_bucket_is_restored_after_an_outage() {
    run_rounds(ReplicatedFolder::with_bucket);
}
