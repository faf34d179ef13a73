//! Checks an installation: folder, disk, secret, database, machine, network, patterns, and providers. Repairs and
//! creates nothing, although opening the database may migrate it, as a start would.

pub mod health;
mod machine;
mod network;
mod originals;
mod setup;

use std::io::{self, Write as _};
use std::path::Path;

use crate::app::folder as data_folder;
use crate::app::patterns::HousePatterns;
use crate::app::{Error, Result, backups, documents, models, replica as replication};
use crate::clock;
use crate::config::Config;
use crate::crypto::secret;
use crate::domain::pattern::stored::PatternOrigin;
use crate::domain::time::Timestamp;
use crate::llm::Llm;
use crate::store::{self, Store, StoreSettings, audit};

/// The outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckState {
    /// It works.
    Well,
    /// It works, but needs attention.
    Doubtful,
    /// It does not work.
    Broken,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    /// The subject of the check.
    pub what: &'static str,
    /// Its outcome.
    pub state: CheckState,
    /// The finding, in a sentence.
    pub text: String,
}

fn finding(what: &'static str, state: CheckState, text: impl Into<String>) -> CheckResult {
    CheckResult {
        what,
        state,
        text: text.into(),
    }
}

/// Restores the newest database from the replica to a temporary file and reads it completely, to prove that the
/// replica can be restored.
fn copy_elsewhere(config: &Config, replica: &crate::config::ReplicaConfig) -> CheckResult {
    let name = "replica";
    match replication::rehearse(config, replica) {
        Ok(None) => finding(
            name,
            CheckState::Doubtful,
            format!("{} contains no database yet", replica.address),
        ),
        Ok(Some(restored)) if restored.damage.is_empty() => {
            let text = format!(
                "{} gives back a sound database of {} bytes",
                replica.address, restored.bytes
            );
            finding(name, CheckState::Well, text)
        }
        Ok(Some(restored)) => finding(name, CheckState::Broken, restored.damage.join("; ")),
        Err(error) => finding(
            name,
            CheckState::Broken,
            format!("{}: {}", error.public, error.resolution),
        ),
    }
}

/// Runs every check.
pub async fn examine(config: &Config) -> Vec<CheckResult> {
    let mut findings: Vec<_> = config
        .warnings
        .iter()
        .map(|warning| finding("settings", CheckState::Doubtful, warning.clone()))
        .collect();
    findings.push(folder(&config.data_dir));
    if let Err(error) = data_folder::check(config) {
        let text = format!("{}. {}", error.public, error.resolution);
        findings.push(finding("database", CheckState::Broken, text));
    }
    findings.extend(
        config
            .replica
            .as_ref()
            .map(|replica| copy_elsewhere(config, replica)),
    );
    findings.extend(config.backups.as_ref().map(backups));
    if let Some(why) = ephemeral(&config.data_dir).filter(|_| config.replica.is_none()) {
        findings.push(finding("data folder", CheckState::Doubtful, why));
    }
    if findings
        .iter()
        .any(|finding| finding.state == CheckState::Broken)
    {
        return findings;
    }
    let mut newest = None;
    if data_folder::database(&config.data_dir).exists() {
        findings.push(the_secret(config));
        let (found, at) = database(config).await;
        findings.extend(found);
        newest = at;
    } else {
        let text = "there is none yet; the first start creates it";
        findings.push(finding("database", CheckState::Doubtful, text));
    }
    findings.extend(machine::examine(config, clock::now(), newest));
    findings.extend(text_recognition(config));
    findings.extend(the_network(config).await);
    findings.extend(own_patterns(config));
    findings.extend(providers(config).await);
    findings
}

/// Checks that the OCR program and its languages are installed, if OCR is switched on.
fn text_recognition(config: &Config) -> Option<CheckResult> {
    let found = documents::settings(config).ok()?.examine_ocr()?;
    let state = match found.0 {
        true => CheckState::Well,
        false => CheckState::Doubtful,
    };
    Some(finding("OCR", state, found.1))
}

/// Checks the automatic backups: the age of the newest one, and whether it is readable.
fn backups(wanted: &crate::config::BackupConfig) -> CheckResult {
    let (name, shown) = ("backups", wanted.folder.display());
    let found = match backups::copies(&wanted.folder) {
        Ok(found) => found,
        Err(error) => return finding(name, CheckState::Broken, format!("{shown}: {error}")),
    };
    if let Err(error) = try_room(&wanted.folder) {
        return finding(
            name,
            CheckState::Broken,
            format!("{shown} cannot be used: {error}"),
        );
    }
    let Some(newest) = found.first() else {
        let text = format!("there is no backup in {shown} yet; the server writes one when it runs");
        return finding(name, CheckState::Doubtful, text);
    };
    if let Err(error) = store::verify(&wanted.folder.join(&newest.name)) {
        return finding(
            name,
            CheckState::Broken,
            format!("{}: {error}", newest.name),
        );
    }
    let hours = clock::now().since(newest.at).as_secs() / 3600;
    let state = match hours > 2 * wanted.every.as_secs() / 3600 {
        true => CheckState::Doubtful,
        false => CheckState::Well,
    };
    let (name_of, count) = (&newest.name, found.len());
    let text =
        format!("{shown} has {count}; the newest, {name_of}, is {hours} hours old and sound");
    finding(name, state, text)
}

/// Size of a test write in bytes: what a small upload and the database log need.
const ROOM: usize = 16 << 20;

fn folder(folder: &Path) -> CheckResult {
    let shown = folder.display();
    if matches!(folder.try_exists(), Ok(false)) {
        let text = format!("{shown} is not there yet; the first start creates it");
        return finding("data folder", CheckState::Doubtful, text);
    }
    match try_room(folder) {
        Ok(()) => finding(
            "data folder",
            CheckState::Well,
            format!("{shown} is writable and has free space"),
        ),
        Err(error) => finding(
            "data folder",
            CheckState::Broken,
            format!("{shown} cannot be used: {error}"),
        ),
    }
}

/// Writes a test file, because quotas and reserved blocks make the reported free space unreliable.
fn try_room(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".doctor-{}", std::process::id()));
    let written = write_zeros(&path);
    std::fs::remove_file(&path)?;
    written
}

fn write_zeros(path: &Path) -> io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    let piece = [0; 64 << 10];
    for _ in 0..ROOM / piece.len() {
        file.write_all(&piece)?;
    }
    file.sync_all()
}

fn the_secret(config: &Config) -> CheckResult {
    if config.secret.is_some() {
        return finding("secret", CheckState::Well, "it comes from the settings");
    }
    if !secret::path(&config.data_dir).exists() {
        let text = "the file secret in the data folder is missing: put it back from a copy, or run quire secret new \
                    (everyone must sign in again, and stored provider keys must be entered again)";
        return finding("secret", CheckState::Broken, text);
    }
    let exposed =
        secret::of_folder(&config.data_dir).and_then(|_| Ok(secret::is_exposed(&config.data_dir)?));
    match exposed {
        Ok(false) => finding(
            "secret",
            CheckState::Well,
            "it is in the data folder, readable only by its owner",
        ),
        Ok(true) => finding(
            "secret",
            CheckState::Broken,
            "other users of this machine can read the file secret in the data folder; run chmod 600 on it",
        ),
        Err(error) => finding(
            "secret",
            CheckState::Broken,
            format!(
                "the file secret in the data folder {error}: put it back from a copy, or move it elsewhere and run \
                 quire secret new (everyone must sign in again, and stored provider keys must be entered again)"
            ),
        ),
    }
}

/// Runs the network checks. They block, but nothing else is waiting here.
async fn the_network(config: &Config) -> Vec<CheckResult> {
    let config = config.clone();
    let looked = tokio::task::spawn_blocking(move || {
        let mut findings = setup::addresses(&config);
        findings.extend(network::examine(&config));
        findings
    });
    let looked = looked.await;
    looked.unwrap_or_default()
}

/// Returns the findings, and the time of the newest audit log entry.
async fn database(config: &Config) -> (Vec<CheckResult>, Option<Timestamp>) {
    let settings = StoreSettings {
        path: data_folder::database(&config.data_dir),
    };
    let store = match Store::open(&settings) {
        Ok(store) => store,
        Err(error) => {
            let error = data_folder::soundness::unopened(&config.data_dir, &error);
            let text = format!("{}. {}", error.public, error.resolution);
            let found = finding("database", CheckState::Broken, text);
            return (vec![found], None);
        }
    };
    let mut findings = Vec::new();
    if let Some(saved) = store.saved_before_migrating() {
        let text = format!(
            "it was migrated just now; the old database is {}",
            saved.display()
        );
        findings.push(finding("database", CheckState::Doubtful, text));
    }
    if let Err(error) = tables(&store, config).await {
        let text = format!("{}. {}", error.public, error.resolution);
        findings.push(finding("database", CheckState::Broken, text));
        return (findings, None);
    }
    findings.push(match store.probe().await {
        Ok(()) => finding("database", CheckState::Well, "it can be read and written"),
        Err(error) => finding("database", CheckState::Broken, error.to_string()),
    });
    findings.extend(setup::accounts(&store, config).await);
    findings.extend(originals::examine(&store, config).await);
    let (compared, own) = (store.clone(), config.clone());
    let fault =
        tokio::task::spawn_blocking(move || data_folder::secret_check::fault(&own, &compared));
    let fault = fault.await.ok().flatten();
    findings.extend(fault.map(|text| finding("secret", CheckState::Broken, text)));
    let newest = store.read(|db| audit::recent(db, 1, None)).await;
    let newest = newest
        .ok()
        .and_then(|all| all.first().map(|(_, entry)| entry.at));
    // Once the store is closed, all data is in the single file that is then read completely.
    store.close().await;
    findings.push(match store::verify(&settings.path) {
        Ok(sound) => finding(
            "database",
            CheckState::Well,
            format!(
                "it is sound: version {}, {} bytes",
                sound.version, sound.bytes
            ),
        ),
        Err(error) => finding("database", CheckState::Broken, error.to_string()),
    });
    (findings, newest)
}

async fn tables(store: &Store, config: &Config) -> Result<()> {
    let (store, folder) = (store.clone(), config.data_dir.clone());
    let read =
        tokio::task::spawn_blocking(move || data_folder::soundness::check_tables(&folder, &store));
    read.await.map_err(Error::internal)?
}

/// Checks the patterns in the folder; the built-in ones are tested at build time.
fn own_patterns(config: &Config) -> Vec<CheckResult> {
    let (house, errors) = HousePatterns::open(config);
    let read = house
        .all()
        .iter()
        .filter(|kept| kept.origin == PatternOrigin::Folder);
    let mut findings: Vec<CheckResult> = errors
        .into_iter()
        .map(|error| {
            finding(
                "patterns",
                CheckState::Doubtful,
                format!("skipped: {error}"),
            )
        })
        .collect();
    match read.count() {
        0 => {}
        1 => findings.push(finding(
            "patterns",
            CheckState::Well,
            "one is read from the folder",
        )),
        more => {
            let text = format!("{more} are read from the folder");
            findings.push(finding("patterns", CheckState::Well, text));
        }
    }
    findings
}

/// Sends a request to each provider, because a configured key may still be rejected.
async fn providers(config: &Config) -> Vec<CheckResult> {
    let llm = Llm::new(models::settings(config));
    llm.refresh().await;
    let mut findings = Vec::new();
    for provider in llm.providers(None) {
        let (state, text) = match (provider.status, provider.message.as_str()) {
            ("ready", _) => (
                CheckState::Well,
                format!("answers and offers {} models", provider.models),
            ),
            (status, "") => (CheckState::Doubtful, status.to_owned()),
            (_, message) => (CheckState::Doubtful, message.to_owned()),
        };
        findings.push(finding(
            "provider",
            state,
            format!("{}: {text}", provider.id),
        ));
    }
    if findings.is_empty() {
        let text = "none is configured; only the offline demo models are available";
        findings.push(finding("providers", CheckState::Doubtful, text));
    }
    findings
}

/// Returns the reason why stored data may not survive a restart: the folder is in memory, or in the writable layer
/// of a container.
pub fn ephemeral(folder: &Path) -> Option<String> {
    let path = folder.canonicalize().ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let kind = file_system(&mounts, &path)?;
    let why = match kind {
        "tmpfs" | "ramfs" => "is in memory",
        "overlay" | "aufs" => "is in the container's own layer, not on a mounted disk",
        _ => return None,
    };
    Some(format!("{} {why}: a restart loses it", folder.display()))
}

/// Returns the file system type of a path: that of the longest mount point above it and, among several mounts
/// there, of the last.
fn file_system<'m>(mounts: &'m str, path: &Path) -> Option<&'m str> {
    let rows = mounts.lines().filter_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let point = left.split(' ').nth(4)?.replace("\\040", " ");
        let length = point.len();
        path.starts_with(point)
            .then_some((length, right.split(' ').next()?))
    });
    rows.max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_of_a_path_is_detected() {
        let mounts = "\
22 1 0:20 / / rw,relatime - overlay overlay rw
23 22 0:21 / /tmp rw - tmpfs tmpfs rw
24 22 8:1 / /data rw shared:1 - ext4 /dev/sda rw
25 22 8:2 / /with\\040space rw - xfs /dev/sdb rw
26 24 8:3 / /data/in rw - tmpfs tmpfs rw
27 24 8:3 / /data/in rw - ext4 /dev/sdc rw";
        for (path, expected) in [
            ("/srv", "overlay"),
            ("/tmp/x", "tmpfs"),
            ("/tmpfoo", "overlay"),
            ("/data/x", "ext4"),
            ("/data/in/x", "ext4"),
            ("/with space/x", "xfs"),
        ] {
            assert_eq!(
                file_system(mounts, Path::new(path)),
                Some(expected),
                "{path}"
            );
        }
    }

    #[test]
    fn an_unusable_folder_is_reported() {
        assert_eq!(folder(Path::new("/proc")).state, CheckState::Broken);
        let own = std::env::temp_dir().join(format!("quire-doctor-{}", std::process::id()));
        assert_eq!(folder(&own).state, CheckState::Doubtful);
        assert!(!own.exists(), "looking makes nothing");
        std::fs::create_dir(&own).expect("made");
        assert_eq!(folder(&own).state, CheckState::Well);
        assert_eq!(std::fs::read_dir(&own).expect("made").count(), 0);
        std::fs::remove_dir_all(&own).expect("removed");
    }
}
